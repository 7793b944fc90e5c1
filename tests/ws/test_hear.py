"""Notices, from whoever ends a session to whoever listens, and what comes between them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings as django_settings
from pytest_django import Settings
from redis import BlockingConnectionPool, Redis
from redis import asyncio as redis_asyncio
from redis.cluster import RedisCluster
from redis.sentinel import SentinelConnectionPool

from accounts import notifications
from tests.ws.cable import Cable
from tests.ws.conftest import CHANNEL
from tests.ws.ears import Loop, wait_for

pytestmark = pytest.mark.django_db(transaction=True)


class Listener:
    """Somebody who hears notices."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.gaps = 0

    async def listen(self) -> None:
        """Hear, until cancelled."""
        await notifications.hear(self.heard.append, gap=self._gap)

    def is_listening_anew(self, gaps: int) -> bool:
        """Tell whether it has begun to listen for the time ``gaps``."""
        return wait_for(lambda: self.gaps >= gaps)

    def hears(self, *user_ids: str) -> bool:
        """Tell whether it hears these, and nothing else."""
        return wait_for(lambda: self.heard == list(user_ids))

    def _gap(self) -> None:
        self.gaps += 1


def tell(*user_ids: str) -> None:
    """Tell whoever listens that sessions of these users changed."""
    with notifications.round_trip() as pipeline:
        notifications.sessions_changed(user_ids, pipeline=pipeline)


@pytest.fixture
def listener(loop: Loop) -> Listener:
    """Somebody who listens."""
    listener = Listener()
    loop.start(listener.listen())
    return listener


@pytest.fixture
def cable(settings: Settings) -> Iterator[Cable]:
    """What the cache, and so the listener, is connected to Redis with."""
    cache = django_settings.CACHES["default"]
    with Redis.from_url(cache["LOCATION"]) as redis:
        place = redis.connection_pool.connection_kwargs
    with Cable((place["host"], place["port"])) as cable:
        location = f"redis://127.0.0.1:{cable.port}/{place.get('db', 0)}"
        settings.CACHES = {"default": {**cache, "LOCATION": location}}
        yield cable


def test_a_notice_is_heard_by_whoever_listens(loop: Loop, listener: Listener) -> None:
    other = Listener()
    loop.start(other.listen())
    assert listener.is_listening_anew(1)
    assert other.is_listening_anew(1)

    tell("alice", "bob")

    assert listener.hears("alice", "bob")
    assert other.hears("alice", "bob")


def test_whoever_has_stopped_listening_hears_nothing(loop: Loop, listener: Listener) -> None:
    other = Listener()
    task = loop.start(other.listen())
    assert listener.is_listening_anew(1)
    assert other.is_listening_anew(1)

    loop.call(task.cancel)
    assert wait_for(task.done)
    tell("alice")

    assert listener.hears("alice")
    assert other.heard == []


def test_a_listener_that_fails_keeps_nobody_from_hearing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard: list[str] = []

    def fail(_user_id: str) -> None:
        raise ValueError("a listener of a host")

    stops = [notifications.listen(fail), notifications.listen(heard.append)]
    notifications.sessions_changed(["alice"], pipeline=None)
    for stop in stops:
        stop()
    notifications.sessions_changed(["bob"], pipeline=None)

    assert heard == ["alice"]
    assert "A listener failed for user alice" in caplog.text
    assert "a listener of a host" in caplog.text


@pytest.mark.redis
def test_after_redis_was_away_notices_are_heard_again_and_a_gap_is_told(
    cable: Cable, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    assert listener.is_listening_anew(1)

    cable.cut()
    time.sleep(1)
    cable.mend()

    assert listener.is_listening_anew(2)
    notifications_redis().publish(CHANNEL, "alice")
    assert listener.hears("alice")
    assert caplog.text.count("Notices cannot be heard") == 1


@pytest.mark.redis
def test_a_redis_that_has_frozen_is_found_out(
    cable: Cable, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "_SILENCE", 0.1)
    monkeypatch.setattr(notifications, "_PATIENCE", 0.2)
    assert listener.is_listening_anew(1)
    # Silence alone is no failure.
    time.sleep(0.5)
    connections = cable.connections

    cable.is_jammed = True
    assert wait_for(lambda: cable.connections > connections)
    cable.is_jammed = False

    assert listener.is_listening_anew(2)
    notifications_redis().publish(CHANNEL, "alice")
    assert listener.hears("alice")


class Forgetful:
    """A connection that takes a cancellation for itself while it sends, as wait_for may."""

    async def connect(self) -> None:
        """Be connected."""

    async def send_command(self, *_command: str) -> None:
        """Be cancelled, and go on."""
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)

    async def read_response(self, **_options: object) -> None:
        """Wait for what never comes."""
        await asyncio.Event().wait()

    async def disconnect(self, *, nowait: bool) -> None:
        """Be gone."""


def test_a_listener_that_is_to_stop_while_it_subscribes_stops(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "_subscriber", Forgetful)
    listener = Listener()

    listening = loop.start(listener.listen())

    assert wait_for(listening.done)
    assert listening.cancelled()
    assert listener.gaps == 0


@pytest.mark.redis
def test_a_notice_that_cannot_be_sent_is_no_error(
    cable: Cable, caplog: pytest.LogCaptureFixture
) -> None:
    tell("alice")
    cable.cut()

    tell("alice")
    tell("alice")

    assert [record.message for record in caplog.records] == [
        "Caches not cleared or devices not told",
        "Caches not cleared and devices not told: Redis failed a moment ago",
    ]
    cable.mend()


@pytest.mark.redis
def test_one_subscription_does_for_a_process(cable: Cable, listener: Listener) -> None:
    assert listener.is_listening_anew(1)

    assert cable.connections == 1


@pytest.mark.redis
def test_what_no_user_id_can_be_is_passed_on_harmlessly(loop: Loop, listener: Listener) -> None:
    assert listener.is_listening_anew(1)

    notifications_redis().publish(CHANNEL, b"\xff\x00")

    assert listener.hears("\ufffd\x00")


def notifications_redis() -> Any:
    """Return the cache's own client."""
    return notifications._redis()


class Factory:
    """Makes the client that ``made`` is, as a project's CONNECTION_FACTORY may."""

    made: Any = None

    def __init__(self, _options: dict[str, Any]) -> None:
        pass

    def connect(self, _url: str) -> Any:
        """Return it."""
        return self.made


@pytest.fixture
def subscriber_to(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Any]:
    """Return a way to see how the notices of a client's Redis would be listened to."""
    factory = f"{__name__}.Factory"
    backend = "django_redis.cache.RedisCache"
    options = {"CONNECTION_FACTORY": factory}
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": "redis://x", "OPTIONS": options}}

    def subscribe(client: Any) -> Any:
        monkeypatch.setattr(Factory, "made", client)
        return notifications._subscriber()

    return subscribe


def test_a_subscriber_goes_where_the_cache_is(subscriber_to: Callable[[Any], Any]) -> None:
    client = Redis.from_url(
        "redis://ada:s3cret@redis.example:6380/3", socket_timeout=0.2, max_connections=7
    )

    connection = subscriber_to(client)

    assert type(connection) is redis_asyncio.Connection
    assert (connection.host, connection.port, connection.db) == ("redis.example", 6380, 3)
    assert (connection.username, connection.password) == ("ada", "s3cret")
    # Nobody waits for it, so it has more patience than a request.
    assert connection.socket_timeout == notifications._PATIENCE


def test_a_subscriber_uses_tls_where_the_cache_does(subscriber_to: Callable[[Any], Any]) -> None:
    client = Redis.from_url("rediss://redis.example/0?ssl_ca_certs=/ca.pem&ssl_cert_reqs=optional")

    connection = subscriber_to(client)

    assert type(connection) is redis_asyncio.SSLConnection
    assert (connection.ca_certs, connection.host) == ("/ca.pem", "redis.example")


def test_a_subscriber_uses_a_unix_socket_where_the_cache_does(
    subscriber_to: Callable[[Any], Any],
) -> None:
    connection = subscriber_to(Redis.from_url("unix:///run/redis.sock?db=2"))

    assert type(connection) is redis_asyncio.UnixDomainSocketConnection
    assert (connection.path, connection.db) == ("/run/redis.sock", 2)


class Sentinels:
    """Knows which of the servers is the master at the moment."""

    def discover_master(self, service: str) -> tuple[str, int]:
        """Return its address."""
        return (f"master-of-{service}", 6381)


def test_with_sentinel_a_subscriber_goes_to_the_master_of_the_moment(
    subscriber_to: Callable[[Any], Any],
) -> None:
    pool = SentinelConnectionPool("main", Sentinels(), password="s3cret", ssl=True)  # type: ignore[no-untyped-call]

    connection = subscriber_to(Redis(connection_pool=pool))

    assert type(connection) is redis_asyncio.SSLConnection
    assert (connection.host, connection.port) == ("master-of-main", 6381)
    assert connection.password == "s3cret"


class OneNode(RedisCluster):
    """A cluster that has been discovered, of one node."""

    def __init__(self) -> None:
        self._node = Redis(
            connection_pool=BlockingConnectionPool(  # type: ignore[no-untyped-call]
                host="node.example", port=7000, password="x"
            )
        )

    def __del__(self) -> None:
        """Nothing was opened."""

    def get_random_node(self) -> str:
        """Return its name."""
        return "node"

    def get_redis_connection(self, node: object) -> Redis:
        """Return the client of the node."""
        assert node == "node"
        return self._node


def test_of_a_cluster_a_subscriber_goes_to_any_node(subscriber_to: Callable[[Any], Any]) -> None:
    connection = subscriber_to(OneNode())

    assert (connection.host, connection.port) == ("node.example", 7000)
    assert connection.password == "x"
