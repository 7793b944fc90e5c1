"""
Redis failing under the server processes: logouts, and sockets that are to be told of them.

Redis is a real one of the tests' own, behind a proxy. The processes never leave it alone after a
failure, so that each logout meets the failure itself.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from statistics import median, quantiles
from typing import NamedTuple

import pytest
from django.utils import timezone

from accounts.models import User, UserSession
from authsvc import processes
from tests.outages.ears import End, told_after
from tests.outages.own_redis import FAULTS, IS_HERE, OwnRedis, own_redis
from tests.races.acts import Tokens
from tests.races.conftest import Person
from tests.races.course import Tally
from tests.races.holding import events, keep, sign_in, unended
from tests.races.servers import Caller, Server, web
from tests.services.test_sessions import APP

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.redis,
    pytest.mark.slow,
    pytest.mark.skipif(not IS_HERE, reason="needs redis-server"),
]

IN_TIME = 1.0
TOLD_WITHIN = 15.0
# What a busy machine may add to either.
MERCY = 9.0
# What a logout pays for a Redis that says nothing.
SILENCE = 0.2
# Who log out at once, and how many devices each of them has.
PEOPLE, DEVICES = 4, 3
# Who listens: so many people with so many sockets each.
LISTENERS, SOCKETS = 20, 10


class Place(NamedTuple):
    """A process for HTTP, one for sockets, and the Redis that both are configured for."""

    http: Server
    sockets: Server
    redis: OwnRedis


@pytest.fixture(scope="module")
def place(db: None) -> Iterator[Place]:
    """The processes as ``serve`` starts them, and a Redis that can be made to fail."""
    with contextlib.ExitStack() as stack:
        redis = stack.enter_context(own_redis())
        variables = {
            "DJANGO_SETTINGS_MODULE": "tests.outages.server_settings",
            "REDIS_URL": redis.url,
        }
        started = [
            Server("authsvc", command).with_(**variables).start()
            for command in (web, processes.sockets)
        ]
        for server in started:
            stack.callback(server.stop)
        http, sockets = (server.wait() for server in started)
        yield Place(http, sockets, redis)


class Logouts:
    """Logouts of people with several devices, so many at once, and how long each took."""

    def __init__(self, callers: list[Caller], people: list[User], at_once: int) -> None:
        self._callers, self._people, self._at_once = callers, people, at_once
        self.took: list[float] = []
        self._held: list[list[Tokens]] = []

    def get_ready(self) -> None:
        """Sign everybody in, on several devices, and let the cache know them."""
        self._held = [sign_in(user, DEVICES) for user in self._people]
        asked = zip(self._callers, self._held, strict=True)
        assert [caller.ask(held[0]) for caller, held in asked] == [200] * len(self._people)

    def go(self) -> None:
        """Log everybody out."""
        with ThreadPoolExecutor(self._at_once) as threads:
            self.took += threads.map(self._log_out, self._callers, self._held)

    def are_done(self) -> None:
        """Assert that every session has ended, once, and that no device is taken any more."""
        for user, caller, held in zip(self._people, self._callers, self._held, strict=True):
            assert (unended(user), events(user, "session.ended")[-1]) == (0, DEVICES)
            assert [caller.ask(tokens) for tokens in held] == [401] * DEVICES

    def _log_out(self, caller: Caller, held: list[Tokens]) -> float:
        before = time.monotonic()
        assert caller.log_out(held[0]) == 200
        return time.monotonic() - before


def test_a_logout_is_done_in_time_whatever_is_wrong_with_redis(
    place: Place, person: Person, tally: Tally
) -> None:
    bob, redis = person("bob"), place.redis
    [his] = sign_in(bob)
    with contextlib.ExitStack() as stack:
        callers = [stack.enter_context(Caller(place.http)) for _user in range(PEOPLE)]
        ill = Logouts(callers, [person("alice") for _user in range(PEOPLE)], at_once=PEOPLE)
        well, healed = (
            Logouts(callers[:1] * PEOPLE, [person("alice") for _user in range(PEOPLE)], at_once=1)
            for _state in range(2)
        )
        for fault in itertools.chain.from_iterable(FAULTS for _round in tally.rounds(1, 36)):
            for logouts in (healed, well, ill):
                logouts.get_ready()
            well.go()

            redis.fails(fault)
            asked = redis.requests
            ill.go()
            assert redis.requests - asked >= PEOPLE * (fault != "refuse")
            ill.are_done()
            redis.heals()
            healed.go()

            for logouts in (ill, well, healed):
                logouts.are_done()
        assert callers[0].ask(his) == 200
    assert max(ill.took) < IN_TIME + MERCY
    assert median(healed.took) < median(well.took) + SILENCE
    late = sum(took > IN_TIME for took in ill.took)
    before, after = median(well.took), median(healed.took)
    tally.claim(
        "a logout with Redis refusing, resetting, hanging, dripping, answering garbage, "
        "read-only or full",
        f"{len(ill.took)} of {len(ill.took)} answered 200 and done, {late} later than 1 s, the "
        f"slowest after {max(ill.took):.2f} s; healed, {1000 * after:.1f} ms against "
        f"{1000 * before:.1f} ms before, {after / before:.2f} × (medians of {len(well.took)})",
    )


def listening(http: Caller, user: User) -> End:
    """Return the logout of a user, and the devices that listen for it."""
    now = timezone.now()
    facts = {"client": APP, "created_at": now, "last_seen_at": now}
    until = now + timedelta(days=1)
    rows = [UserSession(user=user, expires_at=until, **facts) for _row in range(SOCKETS)]
    held = [keep(row) for row in UserSession.objects.bulk_create(rows)]

    def log_out() -> None:
        assert http.log_out(held[0]) == 200

    return log_out, held


def test_sockets_are_told_of_their_end_at_once(place: Place, person: Person, tally: Tally) -> None:
    people, took = [person("alice") for _user in range(LISTENERS)], []
    with Caller(place.http) as http:
        # Redis may have failed just now: the first are told when it is listened to again.
        told_after(place.sockets, [listening(http, people[0])], [0.0])
        for _round in tally.rounds(1, 50):
            ends = [listening(http, user) for user in people]
            took += told_after(place.sockets, ends, itertools.repeat(0.0))
    nearly_all = quantiles(took, n=100)[98]
    assert nearly_all < IN_TIME + MERCY
    tally.claim(
        "a socket is told of its end, from the beginning of the logout",
        f"half of {len(took)} sockets within {1000 * median(took):.0f} ms, 99 % within "
        f"{1000 * nearly_all:.0f} ms, the last after {1000 * max(took):.0f} ms; "
        f"{len(took) // SOCKETS} logouts, {LISTENERS * SOCKETS} sockets open",
    )


def test_sockets_whose_notice_is_lost_are_closed_all_the_same(
    place: Place, person: Person, tally: Tally
) -> None:
    people, took, chance = [person("alice") for _user in range(LISTENERS)], [], random.Random(1)
    # Spread over the whole interval between two looks, where there is time for it.
    spread = 1.0 * tally.is_full
    with Caller(place.http) as http:
        for _round in tally.rounds(1, 10):
            ends = [listening(http, user) for user in people]
            place.redis.fails("refuse")
            took += told_after(place.sockets, ends, iter(lambda: chance.uniform(0, spread), None))
            place.redis.heals()
    assert max(took) < TOLD_WITHIN + MERCY
    tally.claim(
        "a socket whose notice is lost, because Redis is away, is closed by the look at its row",
        f"{len(took)} of {len(took)} sockets, half within {median(took):.1f} s, "
        f"the last after {max(took):.1f} s; {len(took) // SOCKETS} logouts",
    )
