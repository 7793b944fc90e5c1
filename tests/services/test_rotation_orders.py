"""
A refresh token in two hands: each order in which its owner and a thief may come.

Nobody can tell the two apart. What the service promises is that both cannot go on: as soon as one
of them comes with what the other has left behind, the session ends for both, and for nobody else.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import pytest
import time_machine
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from accounts import tokens
from accounts.devices import Device
from accounts.exceptions import SessionEnded, TokenExpired
from accounts.models import AuditEvent, User, UserSession
from accounts.services.authentication import authenticate_access
from accounts.services.sessions import open_session, rotate
from tests.faults.caches import active_elsewhere
from tests.races.barrier import race
from tests.services.test_sessions import APP

HOME = Device("192.0.2.1", "an app", "phone")
ELSEWHERE = Device("203.0.113.9", "another app")
# Within the ten seconds of grace, and beyond them.
SOON = timedelta(seconds=9)
LATER = timedelta(seconds=11)
ORDERS = [order for order in itertools.product(["owner", "thief"], repeat=4) if len(set(order)) > 1]
ACTS = [
    ("refresh", "owner"),
    ("refresh", "thief"),
    ("use", "owner"),
    ("use", "thief"),
    ("wait", ""),
]


@dataclass
class Hand:
    """Somebody who has tokens: the owner, or whoever stole a copy."""

    device: Device
    pair: tokens.TokenPair

    def refresh(self) -> int:
        """Exchange the refresh token and keep what comes; return its generation."""
        self.pair = rotate(self.pair.refresh_token, device=self.device)
        return tokens.read(self.pair.refresh_token, "refresh").generation

    def use(self) -> None:
        """Make a request with the access token."""
        authenticate_access(self.pair.access_token)

    @property
    def is_in(self) -> bool:
        """Whether the access token is taken. Looking is a use."""
        try:
            self.use()
        except SessionEnded:
            return False
        return True


@dataclass
class Theft:
    """Alice's phone, of whose tokens somebody has a copy, and devices that must go on."""

    bystanders: Sequence[Hand]
    clock: time_machine.Traveller

    def hold(self, session: UserSession) -> None:
        """Let both have the tokens of ``session``."""
        stolen = tokens.issue(session)
        self.owner, self.thief = Hand(HOME, stolen), Hand(ELSEWHERE, stolen)

    @property
    def hands(self) -> dict[str, Hand]:
        """Both, by their names."""
        return {"owner": self.owner, "thief": self.thief}

    def wait(self, duration: timedelta) -> None:
        """Let time pass."""
        self.clock.shift(duration)

    @property
    def row(self) -> UserSession:
        """The phone's row, as it is now."""
        return UserSession.objects.get(device_name="phone")

    def assert_found(self, by: Hand) -> None:
        """Assert that the session has ended for both, when ``by`` came, and for nobody else."""
        assert (self.row.is_active, self.row.end_reason) == (False, "token_reused")
        assert not self.owner.is_in
        assert not self.thief.is_in
        for hand in (self.owner, self.thief):
            with pytest.raises(SessionEnded):
                hand.refresh()
        assert all(hand.is_in for hand in self.bystanders)
        assert all(hand.refresh() for hand in self.bystanders)
        events = AuditEvent.objects.filter(type="token.reused")
        found = events.values_list("session_id", "ip_address", "actor")
        assert list(found) == [(self.row.pk, by.device.ip_address, "system")]

    def assert_unseen(self) -> None:
        """Assert that nothing has happened yet."""
        assert self.row.is_active
        assert not AuditEvent.objects.filter(type="token.reused").exists()


@pytest.fixture
def theft(alice: User, bob: User) -> Iterator[Theft]:
    """The moment after the theft, on a clock that stands still."""
    with time_machine.travel(timezone.now(), tick=False) as clock:
        phone = open_session(alice, client=APP, device=HOME)
        tablet = open_session(alice, client=APP, device=Device("192.0.2.1", "", "tablet"))
        bobs = open_session(bob, client=APP, device=Device("192.0.2.2", "", "Bob's"))
        bystanders = [Hand(HOME, tokens.issue(session)) for session in (tablet, bobs)]
        theft = Theft(bystanders, clock)
        theft.hold(phone)
        yield theft


# The thief comes first


def test_a_thief_who_refreshes_and_uses_it_is_found_when_the_owner_refreshes(
    theft: Theft,
) -> None:
    theft.thief.refresh()
    theft.thief.use()
    theft.wait(LATER)

    with pytest.raises(SessionEnded):
        theft.owner.refresh()

    theft.assert_found(by=theft.owner)


def test_a_thief_who_refreshes_twice_is_found_by_the_owner_even_within_the_grace(
    theft: Theft,
) -> None:
    theft.thief.refresh()
    theft.thief.refresh()

    with pytest.raises(SessionEnded):
        theft.owner.refresh()

    theft.assert_found(by=theft.owner)


def test_a_thief_who_has_used_nothing_yet_shares_the_generation_with_the_owner(
    theft: Theft,
) -> None:
    theft.thief.refresh()
    theft.wait(LATER)

    assert theft.owner.refresh() == 2

    theft.assert_unseen()


# The owner comes first


def test_the_token_is_worth_nothing_to_a_thief_once_its_successor_was_used(theft: Theft) -> None:
    theft.owner.refresh()
    theft.owner.use()
    theft.wait(LATER)

    with pytest.raises(SessionEnded):
        theft.thief.refresh()

    theft.assert_found(by=theft.thief)


def test_a_use_counts_whether_it_was_a_request_or_a_refresh(theft: Theft) -> None:
    theft.owner.refresh()
    assert theft.row.used_generation == 1

    theft.owner.use()
    assert theft.row.used_generation == 2

    theft.owner.refresh()
    theft.owner.refresh()
    assert (theft.row.used_generation, theft.row.refresh_generation) == (3, 4)


def test_the_token_before_last_is_found_even_within_the_grace(theft: Theft) -> None:
    theft.owner.refresh()
    theft.owner.refresh()

    with pytest.raises(SessionEnded):
        theft.thief.refresh()

    theft.assert_found(by=theft.thief)


def test_within_the_grace_a_thief_passes_for_a_retry(theft: Theft) -> None:
    theft.owner.refresh()
    theft.owner.use()
    theft.wait(SOON)

    assert theft.thief.refresh() == 2

    theft.assert_unseen()


def test_after_the_grace_a_thief_passes_for_a_lost_answer_while_nothing_newer_was_used(
    theft: Theft,
) -> None:
    theft.owner.refresh()
    theft.wait(LATER)

    assert theft.thief.refresh() == 2

    theft.assert_unseen()


def test_a_retry_that_comes_twice_is_still_a_retry_after_the_first_was_used(theft: Theft) -> None:
    copy = Hand(HOME, theft.owner.pair)
    theft.owner.refresh()
    theft.wait(LATER)
    theft.owner.pair = copy.pair
    theft.owner.refresh()
    theft.owner.use()
    theft.wait(SOON)

    assert copy.refresh() == 2

    theft.wait(LATER - SOON)
    with pytest.raises(SessionEnded):
        theft.thief.refresh()
    theft.assert_found(by=theft.thief)


def test_the_access_token_from_before_a_refresh_is_no_use_of_what_came_after(
    theft: Theft,
) -> None:
    old = Hand(HOME, theft.owner.pair)
    theft.owner.refresh()
    theft.wait(LATER)

    old.use()

    assert theft.row.used_generation == 1
    assert theft.thief.refresh() == 2


# Both have got the same generation: they can go on only until one of them is ahead


@pytest.mark.parametrize("ahead", ["owner", "thief"])
@pytest.mark.parametrize("by", ["a request", "a refresh"])
def test_whoever_stays_behind_is_found(theft: Theft, ahead: str, by: str) -> None:
    theft.owner.refresh()
    theft.thief.refresh()
    theft.assert_unseen()
    first, last = (theft.owner, theft.thief)[:: 1 if ahead == "owner" else -1]
    first.refresh()
    (first.use if by == "a request" else first.refresh)()
    theft.wait(LATER)

    with pytest.raises(SessionEnded):
        last.refresh()

    theft.assert_found(by=last)


def test_a_thief_who_stays_behind_can_still_look_until_somebody_refreshes(theft: Theft) -> None:
    theft.thief.use()
    theft.owner.refresh()
    theft.wait(LATER)

    assert theft.thief.is_in

    theft.wait(timedelta(minutes=15))
    with pytest.raises(TokenExpired):
        theft.thief.use()
    assert theft.owner.refresh() == 3


@pytest.mark.parametrize("order", ORDERS)
def test_of_two_hands_that_take_their_time_the_second_to_come_is_found(
    theft: Theft, order: Sequence[str]
) -> None:
    hands = [theft.hands[name] for name in order]
    alone = list(itertools.takewhile(lambda hand: hand is hands[0], hands))
    second = hands[len(alone)]
    for hand in alone:
        hand.refresh()
        hand.use()
        theft.wait(LATER)
    theft.assert_unseen()

    with pytest.raises(SessionEnded):
        second.refresh()

    theft.assert_found(by=second)


@dataclass
class Rule:
    """What docs/auth/AUTH_README.md says of refreshing, in as few lines as can be."""

    held: dict[str, int]
    newest: int = 1
    used: int = 1
    is_fresh: bool = False

    def refresh(self, who: str) -> None:
        """The newest makes another, its predecessor may be a retry, any other was stolen."""
        mine = self.held[who]
        if mine == self.newest:
            self.used, self.newest, self.is_fresh = mine, mine + 1, True
        elif mine < self.newest - 1 or not (self.is_fresh or self.used < self.newest):
            raise SessionEnded
        # Tokens that nobody has used yet and that are handed out again are fresh again.
        self.is_fresh |= self.used < self.newest
        self.held[who] = self.newest

    def use(self, who: str) -> None:
        """Note the use of the newest."""
        self.used = max(self.used, self.held[who])

    def wait(self, _who: str) -> None:
        """Let the grace pass."""
        self.is_fresh = False


@dataclass
class Scene:
    """The same acts, at the services."""

    theft: Theft

    def refresh(self, who: str) -> None:
        """Refresh."""
        self.theft.hands[who].refresh()

    def use(self, who: str) -> None:
        """Make a request."""
        self.theft.hands[who].use()

    def wait(self, _who: str) -> None:
        """Let the grace pass."""
        self.theft.wait(LATER)


def play(stage: Rule | Scene, acts: Sequence[tuple[str, str]]) -> int:
    """Do the acts until one of them is refused; return how many were done."""
    for number, (act, who) in enumerate(acts):
        try:
            getattr(stage, act)(who)
        except SessionEnded:
            return number
    return len(acts)


@pytest.mark.parametrize("first", ["owner", "thief"])
def test_in_every_order_of_four_acts_the_rule_holds(
    theft: Theft, first: str, alice: User, settings: Settings
) -> None:
    settings.ACCOUNTS = {**settings.ACCOUNTS, "SESSIONS_PER_USER": 0}
    found = 0
    for rest in itertools.product(ACTS, repeat=3):
        acts, rule = [("refresh", first), *rest], Rule(dict.fromkeys(theft.hands, 1))
        phone = open_session(alice, client=APP, device=HOME)
        theft.hold(phone)

        done = play(Scene(theft), acts)

        assert done == play(rule, acts), acts
        row = UserSession.objects.get(pk=phone.pk)
        assert (row.is_active, row.refresh_generation) == (done == 4, rule.newest), acts
        found += done < 4
    assert found
    assert AuditEvent.objects.filter(type="token.reused").count() == found
    assert all(hand.is_in for hand in theft.bystanders)


# What the answer does not say


@pytest.mark.django_db(transaction=True)
def test_when_the_thief_is_told_the_end_is_there_for_everybody(theft: Theft) -> None:
    theft.owner.refresh()
    theft.owner.refresh()

    with pytest.raises(SessionEnded):
        theft.thief.refresh()

    assert not connection.in_atomic_block
    assert active_elsewhere() == len(theft.bystanders)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_thieves_who_come_at_once_are_one_event(theft: Theft) -> None:
    theft.owner.refresh()
    theft.owner.refresh()
    thieves = [Hand(ELSEWHERE, theft.thief.pair) for _thief in range(6)]

    def come(thief: Hand) -> bool:
        with pytest.raises(SessionEnded):
            thief.refresh()
        return True

    came = race(*(partial(come, thief) for thief in thieves))

    assert came == [True] * 6
    theft.assert_found(by=theft.thief)
    assert AuditEvent.objects.filter(type="session.ended").count() == 1
