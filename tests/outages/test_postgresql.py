"""PostgreSQL restarted and killed, a real one of the tests' own, under a server process."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import pytest

from tests.outages.own_postgresql import IS_HERE, OwnPostgreSQL, own_postgresql
from tests.people import PASSWORD
from tests.races.acts import Tokens
from tests.races.course import Tally
from tests.races.servers import PATIENCE, Caller, Server, web

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.slow,
    pytest.mark.skipif(not IS_HERE, reason="needs the programs of PostgreSQL, and Linux"),
]

# What the design promises, and what a busy machine may add.
IN_TIME, BACK_WITHIN, MERCY = 3.0, 1.0, 7.0
CALLERS = 6
ENDED = "SELECT is_active, end_reason FROM user_sessions WHERE id = ANY(%s)"
TOLD = "SELECT count FROM audit_events WHERE type = 'session.ended' AND session_id = %s"


class Place(NamedTuple):
    """A server process and the PostgreSQL that it alone uses."""

    http: Server
    postgresql: OwnPostgreSQL


@pytest.fixture(scope="module")
def place(django_db_setup: None) -> Iterator[Place]:
    """The process as ``serve`` starts it."""
    with contextlib.ExitStack() as stack:
        postgresql = stack.enter_context(own_postgresql())
        http = Server("authsvc", web)
        http.with_(DATABASE_URL=postgresql.url, REDIS_URL="", RATE_LIMITS="0").start()
        stack.callback(http.stop)
        yield Place(http.wait(), postgresql)


def patiently(call: Callable[[], tuple[int, Any]]) -> tuple[int, Any]:
    """Call until the answer is not a 503."""
    deadline = time.monotonic() + PATIENCE
    while (answer := call())[0] == 503:
        assert time.monotonic() < deadline, "the server does not find its database again"
        time.sleep(0.05)
    return answer


def sign_in(caller: Caller, devices: int = 1) -> list[Tokens]:
    """Register somebody new, on so many devices."""
    body = {"email": f"alice-{uuid4()}@example.com", "password": PASSWORD}
    assert patiently(lambda: caller.call("POST", "/auth/register", body))[0] == 201
    answers = [
        patiently(lambda: caller.call("POST", "/auth/login", body)) for _device in range(devices)
    ]
    assert [status for status, _tokens in answers] == [200] * devices
    return [tokens for _status, tokens in answers]


class Asked(NamedTuple):
    """A call: when it began, how long it took, and the status."""

    at: float
    took: float
    status: int


def ask(caller: Caller, held: Tokens) -> Asked:
    """Ask for the profile."""
    at = time.monotonic()
    status = caller.ask(held)
    return Asked(at, time.monotonic() - at, status)


def refresh(caller: Caller, held: Tokens) -> Asked:
    """Refresh, and keep what comes."""
    at = time.monotonic()
    status, tokens = caller.refresh(held)
    held |= tokens
    return Asked(at, time.monotonic() - at, status)


def keep_asking(
    http: Server, kind: Callable[[Caller, Tokens], Asked], enough: threading.Event
) -> list[Asked]:
    """Sign in and call, always with a credential that is valid, until it is enough."""
    asked = []
    with Caller(http) as caller:
        [held] = sign_in(caller)
        while not enough.is_set():
            asked.append(kind(caller, held))
            time.sleep(0.01)
        assert patiently(lambda: (caller.ask(held), None))[0] == 200
    return asked


def restarted_under_load(place: Place, away: float) -> tuple[list[Asked], float]:
    """Restart PostgreSQL while there are calls; return those, and when it was back."""
    enough = threading.Event()
    with ThreadPoolExecutor(CALLERS) as threads, contextlib.ExitStack() as leaving:
        leaving.callback(enough.set)
        kinds = (ask, refresh) * (CALLERS // 2)
        callers = [threads.submit(keep_asking, place.http, kind, enough) for kind in kinds]
        time.sleep(1.0)
        place.postgresql.stop()
        time.sleep(away)
        back = place.postgresql.start()
        time.sleep(BACK_WITHIN + 0.5)
    return [one for caller in callers for one in caller.result(PATIENCE)], back


def test_a_restart_of_postgresql_under_load_is_a_503_and_soon_over(
    place: Place, tally: Tally
) -> None:
    served, errors, last, restarts, chance = 0, [], [], 0, random.Random(1)
    for _round in tally.rounds(1, 40):
        asked, back = restarted_under_load(place, chance.uniform(0.0, 1.0))
        failed = [one for one in asked if one.status != 200]
        served, restarts = served + len(asked) - len(failed), restarts + 1
        errors += failed
        last.append(max([0.0, *(one.at - back for one in failed)]))
    assert {one.status for one in errors} <= {503}
    slowest = max((one.took for one in errors), default=0.0)
    assert slowest < IN_TIME + MERCY
    assert max(last) < BACK_WITHIN + MERCY
    tally.claim(
        "a restart of PostgreSQL under load",
        f"{served} answers of 200, {len(errors)} of 503, the slowest after {slowest:.1f} s; "
        f"0 others, 0 wrong 401; {restarts} restarts, the last error began "
        f"{max(last):.2f} s after the return",
    )


def test_a_restart_of_postgresql_is_not_noticed_by_those_who_come_after(
    place: Place, tally: Tally
) -> None:
    asked: list[Asked] = []
    restarts = 0
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(CALLERS) as threads:
        callers = [stack.enter_context(Caller(place.http)) for _caller in range(CALLERS)]
        held = sign_in(callers[0], CALLERS)
        for _round in tally.rounds(1, 40):
            list(threads.map(ask, callers, held))
            place.postgresql.stop()
            place.postgresql.start()

            for _call in range(4):
                asked += threads.map(ask, callers, held)
            restarts += 1
    assert {one.status for one in asked} == {200}
    tally.claim(
        "a restart of PostgreSQL while nobody asks",
        f"0 errors in {len(asked)} requests that came after {restarts} restarts, "
        f"{CALLERS} at once, the slowest {1000 * max(one.took for one in asked):.0f} ms",
    )


def test_a_logout_that_was_answered_outlives_postgresql(place: Place, tally: Tally) -> None:
    kills, rows = 0, place.postgresql.rows
    with Caller(place.http) as caller:
        for _round in tally.rounds(2, 100):
            held = sign_in(caller, 2)
            ids = [UUID(one["session"]["id"]) for one in held]

            assert caller.log_out(held[0]) == 200
            place.postgresql.kill()
            place.postgresql.start()

            assert rows(ENDED, ids) == [(False, "logout_all")] * 2
            assert rows(TOLD, ids[0]) == [(2,)]
            for tokens in held:
                assert patiently(partial(caller.refresh, tokens))[0] == 401
                assert caller.ask(tokens) == 401
            kills += 1
    tally.claim(
        "SIGKILL of PostgreSQL right after the answer of a logout",
        f"0 lost of {kills}: the rows, the trail and the next requests say so",
    )
