"""Telling other devices: a hint that names a user, and never raises."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, cast

import pytest
from django.core.cache import caches
from django_redis import get_redis_connection
from pytest_django import Settings
from redis.exceptions import ResponseError

from accounts import notifications, redis_patience, user_cache

IN_MEMORY = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}


@pytest.fixture
def heard() -> Iterator[list[str]]:
    """What a listener of this process hears."""
    notices: list[str] = []
    stop = notifications.listen(notices.append)
    yield notices
    stop()


@pytest.fixture
def subscribed() -> Iterator[Any]:
    """A subscriber of the channel, as another process is one."""
    with get_redis_connection("default").pubsub(ignore_subscribe_messages=True) as subscriber:
        subscriber.subscribe("accounts:sessions")
        yield subscriber


def messages_of(subscriber: Any, count: int) -> list[bytes]:
    """Return what the subscriber hears until there are ``count`` messages."""
    found: list[bytes] = []
    deadline = time.monotonic() + 5
    while len(found) < count and time.monotonic() < deadline:
        if message := subscriber.get_message(timeout=0.2):
            found.append(message["data"])
    return found


def test_without_redis_the_listeners_of_this_process_are_told(
    settings: Settings, heard: list[str]
) -> None:
    settings.CACHES = IN_MEMORY

    with notifications.round_trip() as pipeline:
        notifications.sessions_changed(["alice", 7], pipeline=pipeline)

    assert pipeline is None
    assert heard == ["alice", "7"]


def test_who_stopped_listening_is_not_told() -> None:
    notices: list[str] = []
    stop = notifications.listen(notices.append)

    stop()
    notifications.sessions_changed(["alice"], pipeline=None)

    assert notices == []


def test_a_listener_that_fails_is_told_of_and_keeps_nobody_from_hearing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(user_id: str) -> None:
        raise RuntimeError(user_id)

    notices: list[str] = []
    stops = [notifications.listen(fail), notifications.listen(notices.append)]

    notifications.sessions_changed(["alice"], pipeline=None)

    for stop in stops:
        stop()
    assert notices == ["alice"]
    [record] = caplog.records
    assert record.getMessage() == "A listener failed for user alice"
    assert (record.levelname, bool(record.exc_info)) == ("WARNING", True)


@pytest.mark.redis
def test_with_redis_every_process_is_told_and_the_keys_are_gone_by_then(
    subscribed: Any, heard: list[str]
) -> None:
    user_cache.store(user_cache.IDENTITY, "alice", {"name": "Alice"})

    with notifications.round_trip() as pipeline:
        user_cache.clear(["alice", "bob"], pipeline=pipeline)
        notifications.sessions_changed(["alice", "bob"], pipeline=pipeline)
        assert caches["default"].get("user:alice") == {"name": "Alice"}

    assert messages_of(subscribed, 2) == [b"alice", b"bob"]
    assert caches["default"].get("user:alice") is None
    assert heard == []


@pytest.mark.redis
def test_the_channel_is_the_one_that_the_project_names(settings: Settings) -> None:
    settings.ACCOUNTS = {**settings.ACCOUNTS, "NOTIFICATION_CHANNEL": "theirs"}
    with get_redis_connection("default").pubsub(ignore_subscribe_messages=True) as subscriber:
        subscriber.subscribe("theirs")

        with notifications.round_trip() as pipeline:
            notifications.sessions_changed([7], pipeline=pipeline)

        assert messages_of(subscriber, 1) == [b"7"]


@pytest.mark.redis
def test_an_empty_round_trip_is_none() -> None:
    with notifications.round_trip() as pipeline:
        pass

    assert pipeline is not None


@pytest.mark.redis
@pytest.mark.parametrize("error", [ResponseError("refused"), RuntimeError("a bug")])
def test_a_failure_while_it_is_put_together_is_told_and_not_raised(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise error

    with notifications.round_trip():
        fail()

    [record] = caplog.records
    assert record.getMessage() == "Caches not cleared or devices not told"
    assert record.exc_info
    assert record.exc_info[1] is error


@pytest.mark.redis
def test_an_error_that_redis_answers_is_told_and_redis_is_asked_again(
    caplog: pytest.LogCaptureFixture, subscribed: Any
) -> None:
    with notifications.round_trip() as pipeline:
        cast("Any", pipeline).execute_command("SET")
        notifications.sessions_changed(["alice"], pipeline=pipeline)

    assert caplog.messages == ["Caches not cleared or devices not told"]
    assert caplog.records[0].exc_info
    assert messages_of(subscribed, 1) == [b"alice"]
    with redis_patience.patience():
        pass


@pytest.mark.redis
def test_while_redis_is_left_alone_nothing_is_sent_and_that_is_told(
    caplog: pytest.LogCaptureFixture, subscribed: Any
) -> None:
    with pytest.raises(ConnectionError), redis_patience.patience():
        raise ConnectionError

    with notifications.round_trip() as pipeline:
        notifications.sessions_changed(["alice"], pipeline=pipeline)

    assert caplog.messages == ["Caches not cleared and devices not told: Redis failed a moment ago"]
    assert messages_of(subscribed, 0) == []
    assert subscribed.get_message(timeout=0.1) is None
