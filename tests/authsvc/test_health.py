"""Alive and ready: told in time, also when a backend is away, hangs or comes back."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.conf import settings as configured
from django.core.cache import cache
from django.db import OperationalError
from django.db.utils import ConnectionHandler
from django.test import Client
from django.utils.connection import ConnectionProxy
from pytest_django import Settings
from redis.exceptions import ConnectionError as RedisConnectionError

from accounts import redis_patience
from authsvc import backends, health
from authsvc.postgresql import base
from tests.faults.caches import BrokenCache, failing
from tests.faults.proxy import Proxy

Point = Callable[[int], None]

without_database = pytest.mark.django_db(databases=[])


@pytest.fixture(autouse=True)
def _fresh_probes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    probes = {
        "DATABASE": health.Probe("database", health._ask_database),
        "CACHE": health.Probe("cache", health._ask_cache),
    }
    for name, probe in probes.items():
        monkeypatch.setattr(health, name, probe)
    yield
    for probe in probes.values():
        probe._thread.shutdown()


@pytest.fixture
def closed_port() -> int:
    """A port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port where bytes are taken and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0), backlog=32) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def database_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Point]:
    """Make PostgreSQL at this port the database of readyz, as a server process has it."""
    handlers: list[ConnectionHandler] = []

    def point(port: int) -> None:
        monkeypatch.setenv("DATABASE_URL", f"postgres://postgres@127.0.0.1:{port}/postgres")
        monkeypatch.setenv("AUTHSVC_PROCESS", "server")
        # Longer than readyz waits, shorter than it is in use.
        monkeypatch.setattr(backends, "POOL_TIMEOUT", 1.2)
        handlers.append(ConnectionHandler({"default": {}, "away": backends.databases()["default"]}))
        monkeypatch.setattr(health, "connection", ConnectionProxy(handlers[-1], "away"))

    yield point
    health.DATABASE._thread.shutdown()
    for handler in handlers:
        wrapper: Any = handler["away"]
        wrapper.close_pool()
    base.rest.until = 0.0


@pytest.fixture
def cache_at(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Point:
    """Make Redis at this port the cache."""

    def point(port: int) -> None:
        monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{port}/0")
        settings.CACHES = backends.caches()

    return point


def ready() -> tuple[int, dict[str, str]]:
    """Ask /readyz; it has to answer within a second, whatever the answer is."""
    client = Client()
    client.get("/healthz")
    begun = time.monotonic()
    answer = client.get("/readyz")
    assert time.monotonic() - begun < 1
    assert answer["Content-Type"] == "application/json"
    assert answer["Cache-Control"] == "no-store"
    return answer.status_code, answer.json()


def test_alive_asks_no_backend(settings: Settings) -> None:
    # Without the mark any use of the database is an error.
    settings.CACHES = failing("refused")

    answer = Client().get("/healthz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert answer["Cache-Control"] == "no-store"
    assert not answer.cookies
    assert BrokenCache.calls == []


@pytest.mark.django_db
def test_ready_with_both_backends() -> None:
    assert ready() == (200, {"status": "ok", "database": "ok", "cache": "ok"})


@pytest.mark.django_db
def test_the_probe_leaves_nothing_in_the_cache() -> None:
    ready()

    assert cache.get("authsvc:readyz") is None


@pytest.mark.django_db
@pytest.mark.parametrize("port", ["closed_port", "silent_port"])
def test_a_dead_cache_degrades_and_is_still_ready(
    port: str, cache_at: Point, request: pytest.FixtureRequest
) -> None:
    cache_at(request.getfixturevalue(port))

    assert ready() == (200, {"status": "degraded", "database": "ok", "cache": "down"})


@without_database
@pytest.mark.parametrize("port", ["closed_port", "silent_port"])
def test_a_dead_database_is_unavailable_in_time(
    port: str, database_at: Point, request: pytest.FixtureRequest
) -> None:
    database_at(request.getfixturevalue(port))

    answer = Client().get("/readyz")

    assert int(answer["Retry-After"]) > 0
    assert ready() == (503, {"status": "down", "database": "down", "cache": "ok"})


@without_database
def test_both_may_hang_at_once(silent_port: int, database_at: Point, cache_at: Point) -> None:
    database_at(silent_port)
    cache_at(silent_port)

    assert ready() == (503, {"status": "down", "database": "down", "cache": "down"})


@without_database
def test_a_database_that_hangs_holds_one_thread_however_many_ask(
    silent_port: int, database_at: Point
) -> None:
    database_at(silent_port)
    before = set(threading.enumerate())

    with ThreadPoolExecutor(8) as askers:
        answers = list(askers.map(lambda _asker: Client().get("/readyz"), range(8)))

    assert {answer.status_code for answer in answers} == {503}
    new = [thread.name for thread in set(threading.enumerate()) - before]
    assert len([name for name in new if name.startswith("readyz")]) == 2


@pytest.mark.postgres
@without_database
def test_a_database_that_comes_back_is_found(
    database_at: Point, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="authsvc.health")
    default = configured.DATABASES["default"]
    with Proxy((default["HOST"] or "127.0.0.1", int(default["PORT"] or 5432))) as wire:
        database_at(wire.port)
        assert ready()[0] == 200
        wire.mode = "hang"
        assert ready()[0] == 503
        assert ready()[0] == 503

        wire.mode = "pass"
        deadline = time.monotonic() + 6
        while ready()[0] != 200:
            assert time.monotonic() < deadline

        assert [record.message for record in caplog.records if record.name == health.__name__] == [
            "The database is down",
            "The database is back",
        ]


@pytest.mark.django_db
def test_a_cache_that_cannot_be_written_is_down(settings: Settings) -> None:
    settings.CACHES = failing("refused")

    assert ready()[1]["cache"] == "down"


@without_database
def test_what_went_wrong_is_logged_once_and_not_told(
    closed_port: int, cache_at: Point, database_at: Point, caplog: pytest.LogCaptureFixture
) -> None:
    database_at(closed_port)
    cache_at(closed_port)

    contents = [ready()[1] for _time in range(2)]

    assert str(closed_port) not in str(contents)
    told = [record for record in caplog.records if record.name == health.__name__]
    assert sorted(record.message for record in told) == [
        "The cache is down",
        "The database is down",
    ]
    assert all(
        isinstance(record.exc_info[1], RedisConnectionError | OperationalError | TimeoutError)
        for record in told
        if record.exc_info
    )


@pytest.mark.django_db
def test_a_cache_that_comes_back_is_found(
    closed_port: int, cache_at: Point, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="authsvc.health")
    healthy = settings.CACHES
    cache_at(closed_port)
    assert ready()[1]["status"] == "degraded"

    settings.CACHES = healthy
    redis_patience.forget_failures()

    assert ready()[1]["status"] == "ok"
    assert caplog.messages == ["The cache is down", "The cache is back"]


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_balancer_may_ask_by_head_and_over_plain_http_and_nobody_may_post(
    path: str, settings: Settings
) -> None:
    settings.SECURE_SSL_REDIRECT = True

    assert Client().head(path).status_code == 200
    assert Client().post(path).status_code == 405
