"""One test per way a session can end: row, audit event, cache, notice and next use agree."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.test import Client, override_settings
from django.utils import timezone
from rest_framework.test import APIClient

from accounts import user_cache
from accounts.devices import Device
from accounts.models import AuditEvent, User, UserSession
from accounts.services import passwords, retention
from accounts.services.sessions import end_sessions
from accounts.services.users import deactivate
from tests.hearing import hearing
from tests.people import PASSWORD, Phone, assert_error

pytestmark = pytest.mark.django_db(transaction=True)

Reason = UserSession.EndReason
HERE = Device(ip_address="192.0.2.7", user_agent="tests")
NEW_PASSWORD = "another horse, another battery"


@dataclass
class World:
    """Alice with a phone, a tablet and a browser; Bob with a phone; Carol, staff, with one."""

    alice: User
    carol: User
    bobs: Phone
    carols: Phone
    phone: Phone = field(default_factory=lambda: Phone("phone"))
    tablet: Phone = field(default_factory=lambda: Phone("tablet"))
    browser: Client = field(default_factory=Client)

    def arrive(self) -> World:
        """Sign Alice in on all three, the phone with an id of its own."""
        self.tablet.sign_in(self.alice)
        self.browser.force_login(self.alice)
        self.phone.sign_in(self.alice, device_id="alices-phone")
        return self

    @property
    def browser_row(self) -> UserSession:
        """The row of Alice's browser."""
        row = UserSession.objects.filter(user=self.alice, client="browser").first()
        assert row is not None
        return row

    def rows_of(self, names: set[str]) -> set[UserSession]:
        """Return the rows of the devices called so."""
        rows = {
            "phone": self.phone.session,
            "tablet": self.tablet.session,
            "browser": self.browser_row,
        }
        return {rows[name] for name in names}

    def is_refused(self, name: str) -> bool:
        """Use every credential of a device; they must all be taken or all be refused."""
        if name == "browser":
            answers = [self.browser.get("/auth/profile")]
        else:
            phone: Phone = getattr(self, name)
            answers = [phone.call("get", "/auth/profile"), _refreshed(phone)]
        statuses = {answer.status_code for answer in answers}
        assert len(statuses) == 1, statuses
        if statuses == {401}:
            for answer in answers:
                assert_error(answer, 401, "session_ended")
        return statuses == {401}


def _refreshed(phone: Phone) -> Any:
    body = {"refresh_token": phone.tokens["refresh_token"]}
    return APIClient().post("/auth/refresh", body, format="json")


@dataclass
class Act:
    """How a session comes to end so, which devices it hits, and who is said to have done it."""

    do: Callable[[World], Any]
    hits: set[str]
    actor: str = "self"


def _replace(world: World) -> None:
    Phone("phone again").sign_in(world.alice, device_id="alices-phone")


def _reuse(world: World) -> None:
    stolen = world.phone.tokens["refresh_token"]
    for _time in range(2):
        assert world.phone.refresh().status_code == 200
    assert_error(world.phone.refresh(stolen), 401, "session_ended")


def _exceed_limit(world: World) -> None:
    # The phone was used last and the tablet first, so the tablet has to go.
    with override_settings(ACCOUNTS={**_options(), "SESSIONS_PER_USER": 3}):
        Phone("fourth").sign_in(world.alice)


def _expire(world: World) -> None:
    past = timezone.now() - dt.timedelta(seconds=1)
    UserSession.objects.filter(pk=world.tablet.session.pk).update(expires_at=past)
    retention.watermark.rewind()
    assert retention.sweep() == 1


def _reset_password(world: World) -> None:
    uid, token = passwords.reset_link_parts(world.alice)
    passwords.reset_password(uid, token, NEW_PASSWORD, device=HERE)


def _change_password(world: World) -> None:
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    world.phone.ok("post", "/auth/password/change", body)


def _options() -> dict[str, Any]:
    return dict(settings.ACCOUNTS)


EVERYTHING = {"phone", "tablet", "browser"}
ACTS = {
    Reason.LOGOUT: Act(lambda w: w.phone.ok("post", "/auth/logout/current"), {"phone"}),
    Reason.LOGOUT_ALL: Act(lambda w: w.phone.ok("post", "/auth/logout"), EVERYTHING),
    Reason.LOGOUT_OTHERS: Act(
        lambda w: w.phone.ok("post", "/auth/logout/others"), {"tablet", "browser"}
    ),
    Reason.REVOKED: Act(
        lambda w: w.phone.ok("delete", f"/auth/sessions/{w.tablet.session.pk}"), {"tablet"}
    ),
    Reason.REPLACED: Act(_replace, {"phone"}),
    Reason.FORCED: Act(
        lambda w: w.carols.ok("post", f"/auth/users/{w.alice.pk}/logout"), EVERYTHING, "staff"
    ),
    Reason.PASSWORD_CHANGED: Act(_change_password, {"tablet", "browser"}),
    Reason.PASSWORD_RESET: Act(_reset_password, EVERYTHING),
    Reason.USER_DEACTIVATED: Act(
        lambda w: deactivate(w.alice, actor=w.carol, device=HERE), EVERYTHING, "staff"
    ),
    Reason.TOKEN_REUSED: Act(_reuse, {"phone"}, "system"),
    Reason.LIMIT: Act(_exceed_limit, {"tablet"}, "system"),
    Reason.EXPIRED: Act(_expire, {"tablet"}, "system"),
    Reason.INCIDENT: Act(
        lambda w: end_sessions(UserSession.objects.of(w.alice), reason=Reason.INCIDENT, actor=None),
        EVERYTHING,
        "system",
    ),
}


def test_every_reason_has_an_act_that_proves_it() -> None:
    assert set(ACTS) == set(Reason)


@pytest.fixture
def world(alice: User, bob: User, carol: User) -> World:
    return World(alice, carol, bobs=Phone().sign_in(bob), carols=Phone().sign_in(carol)).arrive()


@pytest.mark.parametrize("reason", list(ACTS), ids=[reason.value for reason in ACTS])
def test_an_end_is_the_same_everywhere(world: World, reason: UserSession.EndReason) -> None:
    act = ACTS[reason]
    rows = world.rows_of(act.hits)
    before = set(AuditEvent.objects.values_list("pk", flat=True))
    cached = user_cache.keys_of(world.alice.pk)
    for key in cached:
        cache.set(key, {"kept": True})
    bobs_key = user_cache.keys_of(world.bobs.session.user_id)[0]
    cache.set(bobs_key, {"kept": True})

    with hearing() as heard:
        act.do(world)

    ended = UserSession.objects.filter(user=world.alice, is_active=False)
    assert set(ended) == rows
    assert {row.end_reason for row in ended} == {reason.value}
    assert all(row.ended_at is not None for row in ended)
    events = AuditEvent.objects.exclude(pk__in=before).filter(type="session.ended")
    assert [(event.reason, event.count, event.actor) for event in events] == [
        (reason.value, len(rows), act.actor)
    ]
    # A sign-in writes the identity anew, after the end has cleared it.
    still_cached = {key for key in cached if cache.get(key) == {"kept": True}}
    assert still_cached == set()
    assert cache.get(bobs_key) == {"kept": True}
    assert str(world.alice.pk) in heard
    assert str(world.bobs.session.user_id) not in heard
    assert {name for name in EVERYTHING if world.is_refused(name)} == act.hits
    assert world.bobs.is_signed_in


def test_plain_sql_ends_the_use_of_every_credential_too(world: World) -> None:
    User.objects.filter(pk=world.alice.pk).update(is_active=False)

    assert {name for name in EVERYTHING if world.is_refused(name)} == EVERYTHING
    assert world.bobs.is_signed_in


def test_deleting_the_user_leaves_nothing_that_is_taken_and_keeps_the_trail(world: World) -> None:
    alice_id = str(world.alice.pk)

    world.alice.delete()

    assert_error(world.phone.call("get", "/auth/profile"), 401, "token_invalid")
    assert_error(_refreshed(world.phone), 401, "token_invalid")
    assert_error(world.browser.get("/auth/profile"), 401, "session_ended")
    assert AuditEvent.objects.filter(user_id=alice_id).exists()
    assert world.bobs.is_signed_in
