"""A deadline for a whole act, and a pause after a failure."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, cast

import pytest
from pytest_django import Settings
from redis.backoff import NoBackoff
from redis.connection import Connection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from accounts.exceptions import RedisLeftAlone
from accounts.redis_patience import DeadlineParser, forget_failures, patience

SHORT = timedelta(milliseconds=30)
# Only to tell a bounded wait from an unbounded one.
BOUND = 3.0


def be_patient(settings: Settings, *, cooldown: timedelta, deadline: timedelta = SHORT) -> None:
    """Set how long an act may wait, and how long Redis is left alone."""
    durations = {"REDIS_COOLDOWN": cooldown, "REDIS_DEADLINE": deadline}
    settings.ACCOUNTS = {**settings.ACCOUNTS, **durations}


def fail(error: Exception) -> None:
    """Ask Redis and fail."""
    with pytest.raises(type(error)), patience():
        raise error


def is_left_alone() -> bool:
    """Tell whether Redis is left alone, and ask it otherwise."""
    try:
        with patience():
            return False
    except RedisLeftAlone:
        return True


@pytest.mark.parametrize(
    "error", [RedisConnectionError(), RedisTimeoutError(), RedisError(), OSError(), TimeoutError()]
)
def test_after_a_failure_redis_is_left_alone(error: Exception) -> None:
    fail(error)

    assert is_left_alone()
    forget_failures()
    assert not is_left_alone()


@pytest.mark.parametrize("error", [ResponseError(), ReadOnlyError(), ValueError(), KeyError()])
def test_an_answer_that_is_an_error_is_no_reason_to_leave_redis_alone(error: Exception) -> None:
    fail(error)

    assert not is_left_alone()


def test_after_the_pause_redis_is_asked_again_and_trusted_when_it_answers(
    settings: Settings,
) -> None:
    be_patient(settings, cooldown=SHORT)
    fail(OSError())
    time.sleep(0.05)

    assert not is_left_alone()
    assert not is_left_alone()


def test_after_the_pause_an_error_that_redis_answers_is_an_answer(settings: Settings) -> None:
    be_patient(settings, cooldown=SHORT)
    fail(OSError())
    time.sleep(0.05)

    be_patient(settings, cooldown=timedelta(minutes=1))
    fail(ReadOnlyError())

    assert not is_left_alone()


def test_after_the_pause_one_caller_tries_and_the_others_do_not_wait(settings: Settings) -> None:
    be_patient(settings, cooldown=SHORT)
    fail(OSError())
    time.sleep(0.05)

    be_patient(settings, cooldown=timedelta(minutes=1))
    with patience():
        assert is_left_alone()
    assert not is_left_alone()


def test_a_try_that_fails_starts_the_pause_anew(settings: Settings) -> None:
    be_patient(settings, cooldown=SHORT)
    fail(OSError())
    time.sleep(0.05)

    be_patient(settings, cooldown=timedelta(minutes=1))
    fail(OSError())

    assert is_left_alone()


def test_with_no_pause_redis_is_asked_every_time(settings: Settings) -> None:
    be_patient(settings, cooldown=timedelta(0))

    fail(OSError())

    assert not is_left_alone()


def test_the_failure_of_one_thread_is_known_to_all() -> None:
    other = threading.Thread(target=fail, args=[OSError()])
    other.start()
    other.join()

    assert is_left_alone()


@contextmanager
def connected(socket_timeout: float | None) -> Iterator[tuple[Any, socket.socket]]:
    """Yield a connection as the service makes them, and the server's end of it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connection = cast("Any", Connection)(
            *listener.getsockname(),
            parser_class=DeadlineParser,
            socket_timeout=socket_timeout,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            driver_info=None,
        )
        connection.connect()
        server, _address = listener.accept()
        with server:
            yield connection, server
        connection.disconnect()


@contextmanager
def dripping(server: socket.socket) -> Iterator[None]:
    """Answer, a byte at a time, while the block runs."""
    done = threading.Event()

    def drip() -> None:
        server.sendall(b"$1000\r\n")
        while not done.wait(0.01):
            server.sendall(b"x")

    dripper = threading.Thread(target=drip)
    dripper.start()
    yield
    done.set()
    dripper.join()


def read(connection: Any) -> object:
    """Ask and return the answer."""
    connection.send_command("PING")
    return connection.read_response()


@pytest.mark.parametrize("socket_timeout", [None, 0.02, 60])
def test_an_answer_within_the_deadline_is_read(socket_timeout: float | None) -> None:
    with connected(socket_timeout) as (connection, server), patience():
        server.sendall(b"+PONG\r\n")

        assert read(connection) == b"PONG"


@pytest.mark.parametrize("socket_timeout", [None, 0.2, 60])
def test_a_server_that_drips_is_read_until_the_deadline(
    settings: Settings, socket_timeout: float | None
) -> None:
    be_patient(settings, cooldown=SHORT, deadline=timedelta(milliseconds=100))
    before = time.monotonic()

    with (
        connected(socket_timeout) as (connection, server),
        dripping(server),
        pytest.raises(RedisTimeoutError),
        patience(),
    ):
        read(connection)

    assert time.monotonic() - before < BOUND


@pytest.mark.parametrize("socket_timeout", [None, 0.02, 60])
def test_a_server_that_says_nothing_is_waited_for_until_the_first_of_both_limits(
    settings: Settings, socket_timeout: float | None
) -> None:
    be_patient(settings, cooldown=SHORT, deadline=timedelta(milliseconds=100))
    before = time.monotonic()

    with (
        connected(socket_timeout) as (connection, _server),
        pytest.raises(RedisTimeoutError),
        patience(),
    ):
        read(connection)

    assert time.monotonic() - before < BOUND


def test_the_deadline_is_of_the_act_and_not_of_one_command(settings: Settings) -> None:
    be_patient(settings, cooldown=SHORT)

    def ask_late(connection: Any, server: socket.socket) -> None:
        server.sendall(b"+PONG\r\n")
        assert read(connection) == b"PONG"
        time.sleep(0.05)
        server.sendall(b"+PONG\r\n")
        read(connection)

    with (
        connected(60) as (connection, server),
        pytest.raises(RedisTimeoutError, match="the deadline"),
        patience(),
    ):
        ask_late(connection, server)


def test_outside_of_an_act_the_socket_timeout_holds_and_a_listener_waits_as_long_as_it_likes(
    settings: Settings,
) -> None:
    be_patient(settings, cooldown=SHORT)

    with connected(0.02) as (connection, server):
        with pytest.raises(RedisTimeoutError):
            read(connection)
        connection.connect()

    with connected(0.02) as (connection, server):
        later = threading.Timer(0.1, server.sendall, [b"+PONG\r\n"])
        later.start()
        assert connection.read_response(timeout=BOUND) == b"PONG"
        later.join()


def test_a_deadline_ends_with_its_act(settings: Settings) -> None:
    be_patient(settings, cooldown=SHORT)

    with patience():
        pass
    time.sleep(0.05)

    with connected(BOUND) as (connection, server):
        server.sendall(b"+PONG\r\n")
        assert read(connection) == b"PONG"
