"""Several server processes over HTTP: after the answer of a logout, and when one is killed."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from http.client import HTTPConnection

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User, UserSession
from authsvc import processes
from tests.races.acts import Tokens
from tests.races.conftest import Person
from tests.races.course import Tally
from tests.races.holding import browser_of, events, keep, sign_in, unended
from tests.races.servers import PATIENCE, THREADS, Caller, Server, web
from tests.services.test_sessions import APP

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

Servers = tuple[Server, Server, Server]
# By whether the request began after the answer, and by its status.
Seen = Counter[tuple[bool, int]]
# How often each caller asks after the answer of one logout.
QUOTA = 13
# Of each user whose logout is cut short.
SESSIONS = 30
VICTIM = "authsvc-victim"


@pytest.fixture(scope="module")
def servers(db: None) -> Iterator[Servers]:
    """Two processes for HTTP and one for sockets, as ``serve`` starts them."""
    with contextlib.ExitStack() as stack:
        commands = (web, web, processes.sockets)
        started = [Server("authsvc", command).start() for command in commands]
        for server in started:
            stack.callback(server.stop)
        one, other, sockets = (server.wait() for server in started)
        yield one, other, sockets


class Refreshing:
    """An app that refreshes with what the last refresh brought."""

    def __init__(self, held: Tokens) -> None:
        self.held = held

    def __call__(self, caller: Caller) -> int:
        """Refresh once; return the status."""
        status, self.held = caller.refresh(self.held)
        return status


def keep_asking(ask: Callable[[Caller], int], caller: Caller, answered: threading.Event) -> Seen:
    """Ask until QUOTA requests have begun after the logout was ``answered``."""
    seen, after = Seen(), 0
    while after < QUOTA:
        is_after = answered.is_set()
        seen[is_after, ask(caller)] += 1
        after += is_after
    return seen


def test_nothing_that_begins_after_the_answer_of_a_logout_is_accepted(
    servers: Servers, person: Person, tally: Tally
) -> None:
    alice, bob, seen, logouts, opened = person("alice"), person("bob"), Seen(), 0, 0
    [his], (one, other, sockets) = sign_in(bob), servers
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(8) as threads:
        places = (one, *[one] * 4, *[other] * 4)
        door, *callers = (stack.enter_context(Caller(server)) for server in places)
        for _round in tally.rounds(4, 1000):
            phone, *late = sign_in(alice, 3)
            refreshing, answered = [Refreshing(held) for held in late], threading.Event()
            by_cookie = partial(Caller.ask_with_cookie, cookie=browser_of(alice))
            kinds: list[Callable[[Caller], int]] = []
            for app in refreshing:
                tokens = (phone, app.held)
                kinds += [*(partial(Caller.ask, tokens=held) for held in tokens), by_cookie, app]
            asking = [
                threads.submit(keep_asking, ask, caller, answered)
                for ask, caller in zip(kinds, callers, strict=True)
            ]

            assert door.log_out(phone) == 200
            answered.set()

            for asked in asking:
                seen += asked.result(PATIENCE)
            held = [phone, *(app.held for app in refreshing)]
            assert [caller.ask(tokens) for tokens in held for caller in callers[::4]] == [401] * 6
            assert {sockets.opens_socket(tokens) for tokens in held[:2]} == {"session.ended"}
            assert unended(alice) == 0
            logouts, opened = logouts + 1, opened + 2
            seen[True, 401] += 6
        assert [caller.ask(his) for caller in callers] == [200] * 8
        assert sockets.opens_socket(his) == "ready"
    assert {status for is_after, status in seen if not is_after} <= {200, 401}
    assert {status for is_after, status in seen if is_after} == {401}
    after = sum(count for (is_after, _status), count in seen.items() if is_after)
    tally.claim(
        "requests accepted that began after a logout's answer, 2 processes",
        f"0 of {after} requests (access, refresh, cookie) and 0 of {opened} sockets, "
        f"after {logouts} logouts",
    )


def test_a_body_that_nobody_wanted_and_that_comes_late_does_not_cost_the_connection(
    servers: Servers,
) -> None:
    http = HTTPConnection("127.0.0.1", servers[0].port, timeout=PATIENCE)
    with contextlib.closing(http):
        statuses = []
        for _call in range(3):
            http.putrequest("POST", "/auth/logout")
            http.putheader("Content-Length", "2")
            http.endheaders()
            time.sleep(0.1)
            http.send(b"{}")
            answer = http.getresponse()
            answer.read()
            statuses.append(answer.status)

    assert statuses == [401] * 3


@dataclass
class Cut:
    """Logouts that went on when the server died, and those that had been answered."""

    answered: list[User] = field(default_factory=list)
    unanswered: list[User] = field(default_factory=list)


def test_a_killed_server_leaves_no_logout_half_done(db: None, person: Person, tally: Tally) -> None:
    chance, kills, done, answered, cut = random.Random(1), 0, 0, 0, 0
    with contextlib.ExitStack() as stack:
        for _round in tally.rounds(1, 40):
            server = Server(VICTIM, web).start()
            stack.callback(server.kill)
            users = [person("alice") for _user in range(48)]
            held = [(user, open_many(user)) for user in users]

            logouts = cut_short(server.wait(), held, chance.uniform(0.03, 0.15))

            wait_until_its_connections_are_gone(server)
            for user in logouts.answered:
                assert (unended(user), events(user, "session.ended")) == (0, [SESSIONS])
            for user in logouts.unanswered:
                assert (unended(user), events(user, "session.ended")) in WHOLE
                done += unended(user) == 0
            kills, answered = kills + 1, answered + len(logouts.answered)
            cut += len(logouts.unanswered)
    tally.claim(
        "SIGKILL of the server during logouts of 30 sessions each",
        f"0 half done of {cut} cut short by {kills} kills ({done} done, {cut - done} not); "
        f"{answered} answered before, all done",
    )


# Unended sessions and what the trail says: all ended, or none.
WHOLE: tuple[tuple[int, list[int]], ...] = ((0, [SESSIONS]), (SESSIONS, []))


def cut_short(server: Server, waiting: list[tuple[User, Tokens]], delay: float) -> Cut:
    """Log the users out, as many at a time as it has threads, and kill the server meanwhile."""
    cut, start = Cut(), threading.Barrier(THREADS + 1)

    def log_out_one_after_the_other() -> None:
        status = 200
        with Caller(server) as caller:
            start.wait(PATIENCE)
            while status == 200 and waiting:
                user, held = waiting.pop()
                status = caller.log_out(held)
                (cut.answered if status == 200 else cut.unanswered).append(user)

    with ThreadPoolExecutor(THREADS) as threads:
        callers = [threads.submit(log_out_one_after_the_other) for _caller in range(THREADS)]
        start.wait(PATIENCE)
        time.sleep(delay)
        server.kill()
        for caller in callers:
            caller.result(PATIENCE)
    return cut


def open_many(user: User) -> Tokens:
    """Give the user SESSIONS sessions; return what the device of the first one keeps."""
    now = timezone.now()
    facts = {"client": APP, "created_at": now, "last_seen_at": now}
    until = now + timedelta(days=1)
    rows = [UserSession(user=user, expires_at=until, **facts) for _row in range(SESSIONS)]
    return keep(UserSession.objects.bulk_create(rows)[0])


def wait_until_its_connections_are_gone(server: Server) -> None:
    """Wait for PostgreSQL to finish or to give up what a dead server has begun."""
    deadline = time.monotonic() + PATIENCE
    while count_connections(server):
        assert time.monotonic() < deadline, "a dead server's connection lives on"
        time.sleep(0.02)


def count_connections(server: Server) -> int:
    """Return how many connections the server has to the database."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_stat_clear_snapshot(), count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = %s",
            [server.name],
        )
        return int((cursor.fetchone() or (None, 0))[1])
