"""
Random acts of several people and devices against a reference model of who is signed in.

The model is a list of devices per person, the least recently used first. After each step every
credential ever handed out is used, and must be taken exactly where the model says so.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

import pytest
from django.conf import settings
from django.test import override_settings
from django.utils import timezone
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from accounts import audit, tokens
from accounts.devices import Device
from accounts.exceptions import InvalidCredentials, SessionEnded, TokenError
from accounts.models import Attempt, AuditEvent, User, UserSession
from accounts.querysets import UserSessionQuerySet
from accounts.services import passwords
from accounts.services.authentication import authenticate_access
from accounts.services.sessions import end_sessions, revoke, rotate
from accounts.services.sign_in import sign_in
from accounts.services.users import activate, deactivate

LIMIT = 3
PEOPLE = ("alice", "bob")
SECRETS = ("correct horse battery", "staple paper scissors")
HERE = Device(ip_address="192.0.2.7", user_agent="tests")

people = st.sampled_from(PEOPLE)
numbers = st.integers(min_value=0, max_value=5)


@dataclass(eq=False)
class Held:
    """A device: whose it is, what it calls itself, the tokens of every generation it was given."""

    owner: str
    device_id: str
    session: UserSession
    pairs: list[tokens.TokenPair]


@dataclass
class Model:
    """Who is signed in, in as few lines as can be."""

    signed_in: dict[str, list[Held]] = field(default_factory=lambda: {n: [] for n in PEOPLE})
    active: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(PEOPLE, True))
    secret: dict[str, str] = field(default_factory=lambda: dict.fromkeys(PEOPLE, SECRETS[0]))

    def open(self, held: Held) -> None:
        """A sign-in: ends the same device's session and, over the limit, the oldest ones."""
        mine = self.signed_in[held.owner]
        others = [one for one in mine if not held.device_id or one.device_id != held.device_id]
        self.signed_in[held.owner] = [*others[-(LIMIT - 1) :], held]

    def end(self, owner: str, *going: Held) -> None:
        """Some of somebody's devices go."""
        self.signed_in[owner] = [one for one in self.signed_in[owner] if one not in going]

    def holds(self, held: Held) -> bool:
        """Whether the device is signed in."""
        return self.active[held.owner] and held in self.signed_in[held.owner]


class Signing(RuleBasedStateMachine):
    """The acts, each done to the services and to the model."""

    def __init__(self) -> None:
        super().__init__()
        with audit.retention():
            for table in (UserSession, AuditEvent, Attempt, User):
                table._default_manager.all().delete()
        self.users = {
            name: User.objects.create_user(f"{name}@example.com", SECRETS[0]) for name in PEOPLE
        }
        self.model = Model()
        self.everything: list[Held] = []
        for name in PEOPLE:
            self.signs_in(name=name, device_id="phone", is_right=True)

    def pick(self, number: int) -> Held | None:
        """Return one of the last devices, rather a living one: the dead have little to do."""
        living = [held for mine in self.model.signed_in.values() for held in mine]
        candidates = self.everything if number == 0 else living or self.everything
        return candidates[-1 - number % len(candidates)] if candidates else None

    @rule(
        name=people,
        device_id=st.sampled_from(["", "phone"]),
        is_right=st.sampled_from([True, True, True, False]),
    )
    def signs_in(self, name: str, device_id: str, is_right: bool) -> None:
        """A password opens a session exactly if it is the right one of an active user."""
        device = Device("192.0.2.7", "tests", id=device_id)
        secret = self.model.secret[name] if is_right else "wrong"
        email = self.users[name].email
        if not (is_right and self.model.active[name]):
            with pytest.raises(InvalidCredentials):
                sign_in(email, secret, client=UserSession.Client.APP, device=device)
            return
        session = sign_in(email, secret, client=UserSession.Client.APP, device=device)
        held = Held(name, device_id, session, [tokens.issue(session)])
        self.everything.append(held)
        self.model.open(held)

    @rule(name=people)
    def signs_out_everywhere(self, name: str) -> None:
        """All of one's own devices go."""
        self._end(UserSession.objects.of(self.users[name]))
        self.model.end(name, *self.model.signed_in[name])

    @rule(number=numbers)
    def signs_out_here(self, number: int) -> None:
        """One device goes; one that has gone already stays as it is."""
        if held := self.pick(number):
            self._end(UserSession.objects.filter(pk=held.session.pk))
            self.model.end(held.owner, held)

    @rule(number=numbers)
    def signs_out_the_others(self, number: int) -> None:
        """All go but one."""
        if held := self.pick(number):
            mine = UserSession.objects.of(self.users[held.owner])
            self._end(mine.excluding(held.session.pk))
            others = [one for one in self.model.signed_in[held.owner] if one is not held]
            self.model.end(held.owner, *others)

    @rule(number=numbers, generation=numbers)
    def gives_a_token_back(self, number: int, generation: int) -> None:
        """A token of any generation ends its session."""
        if held := self.pick(number):
            pair = held.pairs[generation % len(held.pairs)]
            revoke(pair.refresh_token, device=HERE)
            self.model.end(held.owner, held)

    @rule(number=numbers, times=st.integers(min_value=1, max_value=3))
    def is_robbed(self, number: int, times: int) -> None:
        """The owner goes on refreshing, then a thief comes with what was stolen before."""
        for _time in range(times):
            self.refreshes(number=number, back=0)
        self.refreshes(number=number, back=times)

    @rule(number=numbers, back=st.integers(min_value=0, max_value=3))
    def refreshes(self, number: int, back: int) -> None:
        """The newest token and, for a while, the one before are taken; older ones end it all."""
        held = self.pick(number)
        if held is None:
            return
        back = min(back, len(held.pairs) - 1)
        refresh_token = held.pairs[-1 - back].refresh_token
        if not self.model.holds(held) or back > 1:
            with pytest.raises(SessionEnded):
                rotate(refresh_token, device=HERE)
            if self.model.holds(held):
                self.model.end(held.owner, held)
            return
        pair = rotate(refresh_token, device=HERE)
        if back == 0:
            held.pairs.append(pair)
            mine = self.model.signed_in[held.owner]
            mine.append(mine.pop(mine.index(held)))

    @rule(name=people, staying=numbers)
    def changes_the_password(self, name: str, staying: int) -> None:
        """All devices go but the one that asked."""
        if not self.model.active[name]:
            return
        mine = self.model.signed_in[name]
        held = mine[staying % len(mine)] if mine else None
        current = self.model.secret[name]
        new = SECRETS[1 - SECRETS.index(current)]
        user = User.objects.get(pk=self.users[name].pk)
        session_id = held.session.pk if held else None
        passwords.change_password(user, current, new, session_id=session_id, device=HERE)
        self.model.secret[name] = new
        self.model.end(name, *[one for one in mine if one is not held])

    @rule(name=people)
    def is_deactivated(self, name: str) -> None:
        """All devices go, and nobody signs in."""
        deactivate(self.users[name], actor=None, device=None)
        if self.model.active[name]:
            self.model.end(name, *self.model.signed_in[name])
        self.model.active[name] = False

    @rule(name=people)
    def is_activated(self, name: str) -> None:
        """Sign-ins are taken again; what has ended stays ended."""
        activate(self.users[name], actor=None, device=None)
        self.model.active[name] = True

    @rule(number=numbers)
    def expires(self, number: int) -> None:
        """A session's time is over."""
        if held := self.pick(number):
            past = timezone.now() - dt.timedelta(seconds=1)
            rows = UserSession.objects.unended().filter(pk=held.session.pk)
            rows.update(expires_at=past)
            self.model.end(held.owner, held)

    def _end(self, sessions: UserSessionQuerySet) -> None:
        end_sessions(sessions, reason=UserSession.EndReason.LOGOUT, actor=None)

    @invariant()
    def every_credential_is_taken_exactly_where_the_model_says_so(self) -> None:
        """Use the newest access token of every device there has ever been."""
        for held in self.everything:
            assert _is_taken(held.pairs[-1].access_token) == self.model.holds(held)

    @invariant()
    def nothing_has_both_ended_and_not(self) -> None:
        """An active row has no end; one that is not has a time and a reason."""
        assert not UserSession.objects.filter(is_active=True, ended_at__isnull=False).exists()
        assert not UserSession.objects.filter(is_active=False, end_reason="").exists()


def _is_taken(access_token: str) -> bool:
    try:
        authenticate_access(access_token)
    except TokenError:
        return False
    return True


@pytest.mark.django_db
@override_settings(ACCOUNTS={**settings.ACCOUNTS, "SESSIONS_PER_USER": LIMIT, "RATE_LIMITS": False})
def test_the_services_and_the_model_agree_on_who_is_signed_in() -> None:
    run_state_machine_as_test(
        Signing,
        settings=hypothesis_settings(
            max_examples=30,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
