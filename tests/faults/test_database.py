"""
PostgreSQL out of reach: a server says 503, in time and in the envelope, and decides nothing.

The server is the one of production, a process of its own, and reaches the tests' database
through a proxy that fails. One server serves all of these tests, because starting it takes long.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPMessage
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection

from accounts import tokens
from accounts.models import AuditEvent, User, UserSession
from accounts.services.sessions import open_session
from authsvc import processes
from tests.faults.proxy import Mode, Proxy
from tests.races.course import Tally
from tests.services.test_sessions import APP, PHONE

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

# What the design promises, and what a busy machine may add.
IN_TIME = 3.0 + 1.0
BACK_WITHIN = 5.0
AWAY = {"refuse": "connections refused", "hang": "silent", "reset": "connections reset"}


class Answer(NamedTuple):
    """What the server said, and after how long."""

    status: int
    content: Any
    headers: HTTPMessage
    took: float


class Server(NamedTuple):
    """The server and the proxy between it and the database."""

    port: int
    proxy: Proxy

    def call(self, method: str, path: str, body: object = None, token: str = "") -> Answer:
        """Make a call; the answer must be JSON."""
        before = time.monotonic()
        http = HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        http.request(method, path, json.dumps(body), headers)
        response = http.getresponse()
        assert response.headers.get_content_type() == "application/json"
        content = json.loads(response.read())
        http.close()
        return Answer(response.status, content, response.headers, time.monotonic() - before)

    def calls(self, pair: tuple[str, str]) -> list[Callable[[], Answer]]:
        """Return a call of each kind that needs the database."""
        access, refresh = pair
        login = {"email": "alice@example.com", "password": "wrong"}
        return [
            lambda: self.call("GET", "/auth/profile", token=access),
            lambda: self.call("GET", "/auth/sessions", token=access),
            lambda: self.call("POST", "/auth/logout", token=access),
            lambda: self.call("POST", "/auth/logout/others", token=access),
            lambda: self.call("POST", "/auth/refresh", {"refresh_token": refresh}),
            lambda: self.call("POST", "/auth/revoke", {"token": refresh}),
            lambda: self.call("POST", "/auth/login", login),
        ]


@pytest.fixture(scope="module")
def server(django_db_setup: None, unused_port: int) -> Iterator[Server]:
    """The service as it is deployed, with a proxy before its database."""
    database = connection.settings_dict
    with Proxy((str(database["HOST"] or "127.0.0.1"), int(database["PORT"] or 5432))) as proxy:
        user, password = quote(str(database["USER"]), ""), quote(str(database["PASSWORD"]), "")
        url = f"postgres://{user}:{password}@127.0.0.1:{proxy.port}/{database['NAME']}"
        environment = {**os.environ, "DATABASE_URL": url, "REDIS_URL": "", "THREADS": "4"}
        del environment["DJANGO_SETTINGS_MODULE"]
        command = processes.granian(
            *("--interface", "wsgi", "--no-ws", "--workers", "1", "--blocking-threads", "4"),
            "authsvc.wsgi:application",
            host="127.0.0.1",
            port=unused_port,
        )
        process = subprocess.Popen(command, cwd=settings.BASE_DIR, env=environment)
        found = Server(unused_port, proxy)
        try:
            wait_until_it_answers(found, process)
            yield found
        finally:
            proxy.mode = "pass"
            process.terminate()
            process.wait(30)


@pytest.fixture(scope="module")
def unused_port() -> int:
    """A port that nobody listens on."""
    with Proxy(("127.0.0.1", 1)) as nobody:
        return nobody.port


def wait_until_it_answers(server: Server, process: subprocess.Popen[bytes]) -> None:
    """Wait for the server to have started."""
    deadline = time.monotonic() + 60
    while True:
        assert process.poll() is None, "the server has ended"
        assert time.monotonic() < deadline, "the server does not answer"
        try:
            assert server.call("GET", "/auth/profile").status == 401
        except ConnectionError:
            time.sleep(0.1)
        else:
            return


@pytest.fixture
def pair(alice: User) -> tuple[str, str]:
    """Alice's tokens, which the server takes as they are."""
    return sign_in(alice)


def sign_in(user: User) -> tuple[str, str]:
    """Open a session; return its tokens."""
    issued = tokens.issue(open_session(user, client=APP, device=PHONE))
    return issued.access_token, issued.refresh_token


def assert_unavailable(answer: Answer) -> None:
    """Assert that this is the one answer to a database that is away."""
    assert (answer.status, answer.content["code"]) == (503, "service_unavailable"), answer
    assert set(answer.content) == {"success", "message", "data", "code", "field"}
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.took < IN_TIME


def wait_until_it_is_back(server: Server, token: str) -> None:
    """Wait until a call succeeds; all that is said before is 503."""
    deadline = time.monotonic() + BACK_WITHIN
    while (answer := server.call("GET", "/auth/profile", token=token)).status != 200:
        assert answer.status == 503, answer
        assert time.monotonic() < deadline, "the server does not find its database again"
        time.sleep(0.1)


def last_error(server: Server, token: str, seconds: float) -> float:
    """Call for so many seconds; return when the last call that failed began, if one did."""
    until, last = time.monotonic() + seconds, 0.0
    while (at := time.monotonic()) < until:
        answer = server.call("GET", "/auth/profile", token=token)
        assert answer.status in {200, 503}, answer
        last = at if answer.status == 503 else last
        time.sleep(0.02)
    return last


def late_error(server: Server, token: str, pause: float, watch: float) -> float:
    """
    Let the database return after a ``pause``, and go on calling, as before, for ``watch`` seconds.

    Return how long after the return the last call that failed began.
    """
    with ThreadPoolExecutor(4) as callers:
        asked = [callers.submit(last_error, server, token, pause + watch) for _caller in range(4)]
        time.sleep(pause)
        server.proxy.mode = "pass"
        back = time.monotonic()
    return max(0.0, *(one.result() - back for one in asked))


def written() -> tuple[list[Any], int]:
    """Return what is stored of sessions and acts."""
    return list(UserSession.objects.order_by("pk").values()), AuditEvent.objects.count()


@pytest.mark.parametrize("mode", ["refuse", "hang", "reset"])
def test_a_database_that_is_away_is_a_503_and_nothing_is_decided(
    mode: Mode, server: Server, alice: User, tally: Tally
) -> None:
    answers: list[Answer] = []
    errors: list[float] = []
    chance, watch = random.Random(1), 2.5 if tally.is_full else 0.3
    for _round in tally.rounds(1, 20):
        pair = access, _refresh = sign_in(alice)
        wait_until_it_is_back(server, access)
        before = written()
        server.proxy.mode = mode

        with ThreadPoolExecutor(8) as callers:
            answers += callers.map(lambda call: call(), server.calls(pair))

        assert written() == before
        errors.append(late_error(server, access, chance.uniform(0.0, watch), watch))
        wait_until_it_is_back(server, access)
        assert server.call("POST", "/auth/logout", token=access).status == 200
        assert {row.end_reason for row in UserSession.objects.all()} == {"logout_all"}
        assert server.call("GET", "/auth/profile", token=access).status == 401
    for answer in answers:
        assert_unavailable(answer)
    tally.claim(
        f"the database away: {AWAY[mode]}",
        f"{len(answers)} of {len(answers)} calls that needed it answered 503, the slowest after "
        f"{max(answer.took for answer in answers):.2f} s; 0 wrong 401; {len(errors)} returns, "
        f"the last error began {max(errors):.2f} s after one",
    )


def test_connections_that_were_closed_while_idle_are_replaced_unnoticed(
    server: Server, pair: tuple[str, str]
) -> None:
    wait_until_it_is_back(server, pair[0])
    profile = server.calls(pair)[0]
    with ThreadPoolExecutor(4) as callers:
        list(callers.map(lambda call: call(), [profile] * 8))
    server.proxy.drop()

    with ThreadPoolExecutor(4) as callers:
        answers = list(callers.map(lambda call: call(), [profile] * 20))

    assert {answer.status for answer in answers} == {200}
    assert max(answer.took for answer in answers) < IN_TIME


def test_a_token_that_is_none_is_refused_without_the_database(server: Server) -> None:
    server.proxy.mode = "refuse"

    answer = server.call("GET", "/auth/profile", token="not.a.token")

    server.proxy.mode = "pass"
    assert (answer.status, answer.content["code"]) == (401, "token_invalid")
