"""
Redis failing in every way it can: a logout is done, is quick, and is told; nobody is let in.

Redis is real and the proxy in front of it fails, so that what is raised is what is raised in use.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import get_args
from urllib.parse import urlsplit

import pytest
from django.core.cache import caches
from django_redis import get_redis_connection
from pytest_django import Settings

from accounts import redis_patience
from accounts.models import AuditEvent, User
from tests.faults.caches import REFUSING, UNREACHABLE, BrokenCache, active_elsewhere, failing
from tests.faults.proxy import Mode, Proxy
from tests.people import Phone, assert_error

pytestmark = pytest.mark.django_db(transaction=True)

# Only to tell a bounded wait from an unbounded one.
BOUND = 3.0
FAULTS = [mode for mode in get_args(Mode) if mode not in {"pass", "slow"}]
# What redis-py takes for an answer; Redis is asked again at once.
ANSWERS = {"read-only"}
LOGGED_OUT = {
    "success": True,
    "message": "Logout successful",
    "data": None,
    "code": None,
    "field": None,
}
PhoneOf = Callable[..., Phone]


@pytest.fixture
def proxy(settings: Settings) -> Iterator[Proxy]:
    """A proxy through which the service reaches Redis."""
    cache = settings.CACHES["default"]
    url = urlsplit(cache["LOCATION"])
    with Proxy((str(url.hostname), url.port or 6379)) as proxy:
        credentials, at, _host = url.netloc.rpartition("@")
        through = url._replace(netloc=f"{credentials}{at}127.0.0.1:{proxy.port}").geturl()
        settings.CACHES = {"default": {**cache, "LOCATION": through}}
        yield proxy
        disconnect()


def disconnect() -> None:
    """Close the idle connections to Redis."""
    get_redis_connection("default").connection_pool.disconnect()


def leave_alone_for(settings: Settings, cooldown: timedelta) -> None:
    """Set how long Redis is left alone after a failure."""
    settings.ACCOUNTS = {**settings.ACCOUNTS, "REDIS_COOLDOWN": cooldown}


def log_out(phone: Phone) -> float:
    """Log out everywhere, which must succeed, and return how long that took."""
    before = time.monotonic()
    answer = phone.call("post", "/auth/logout")
    took = time.monotonic() - before
    assert (answer.status_code, answer.json()) == (200, LOGGED_OUT)
    return took


def assert_ended(*phones: Phone) -> None:
    """Assert that no phone is taken any more, neither with its access nor its refresh token."""
    for phone in phones:
        assert phone.session.end_reason == "logout_all"
        assert_error(phone.call("get", "/auth/profile"), 401, "session_ended")
        assert_error(phone.refresh(), 401, "session_ended")


def assert_told(caplog: pytest.LogCaptureFixture) -> None:
    """Assert that the failure is in the log, with its traceback."""
    told = [record for record in caplog.records if record.name == "accounts.notifications"]
    assert [(record.levelname, bool(record.exc_info)) for record in told] == [("WARNING", True)]


@pytest.mark.redis
@pytest.mark.parametrize("connected", [True, False])
@pytest.mark.parametrize("mode", FAULTS)
def test_a_logout_is_done_whatever_redis_does(
    mode: Mode,
    connected: bool,
    proxy: Proxy,
    alice: User,
    bob: User,
    phone_of: PhoneOf,
    caplog: pytest.LogCaptureFixture,
) -> None:
    hers, his = [phone_of(alice, name) for name in ("phone", "laptop", "tablet")], phone_of(bob)
    if not connected:
        disconnect()
    connections = proxy.connections
    proxy.mode = mode

    took = log_out(hers[0])

    assert took < BOUND
    assert proxy.connections - connections <= 1
    assert_told(caplog)
    assert_ended(*hers)
    assert his.is_signed_in
    event = AuditEvent.objects.get(type="session.ended")
    assert (event.user_id, event.count) == (str(alice.pk), 3)


@pytest.mark.redis
@pytest.mark.parametrize("mode", [mode for mode in FAULTS if mode not in ANSWERS])
def test_after_a_failure_redis_is_left_alone_and_then_used_again(
    mode: Mode,
    proxy: Proxy,
    settings: Settings,
    alice: User,
    bob: User,
    carol: User,
    phone_of: PhoneOf,
    caplog: pytest.LogCaptureFixture,
) -> None:
    phones = [phone_of(user) for user in (alice, bob, carol)]
    phones[2].ok("get", "/auth/profile")
    proxy.mode = mode
    leave_alone_for(settings, timedelta(hours=1))
    log_out(phones[0])
    asked = (proxy.connections, proxy.requests)

    log_out(phones[1])
    assert_ended(phones[1])
    assert phones[2].is_signed_in

    assert (proxy.connections, proxy.requests) == asked
    assert "Caches not cleared and devices not told: Redis failed a moment ago" in caplog.messages

    proxy.mode = "pass"
    redis_patience.forget_failures()
    log_out(phones[2])
    assert_ended(phones[2])
    assert proxy.requests > asked[1]
    assert get_redis_connection("default").get(f"user_profile:{carol.pk}") is None


@pytest.mark.redis
def test_after_the_cooldown_redis_is_used_again(
    proxy: Proxy, settings: Settings, alice: User, bob: User, phone_of: PhoneOf
) -> None:
    hers, his = phone_of(alice), phone_of(bob)
    his.ok("get", "/auth/profile")
    leave_alone_for(settings, timedelta(milliseconds=100))
    proxy.mode = "refuse"
    log_out(hers)

    proxy.mode = "pass"
    time.sleep(0.15)
    log_out(his)

    assert caches["default"].get(f"user_profile:{bob.pk}") is None


@pytest.mark.redis
def test_a_redis_that_is_only_slow_is_waited_for(
    proxy: Proxy, alice: User, phone_of: PhoneOf, caplog: pytest.LogCaptureFixture
) -> None:
    phone = phone_of(alice)
    phone.ok("get", "/auth/profile")
    proxy.mode = "slow"

    log_out(phone)

    assert caches["default"].get(f"user_profile:{alice.pk}") is None
    assert caplog.messages == []


@pytest.mark.redis
def test_connections_that_a_restart_closed_are_replaced_without_a_word(
    proxy: Proxy, alice: User, phone_of: PhoneOf, caplog: pytest.LogCaptureFixture
) -> None:
    phone = phone_of(alice)
    phone.ok("get", "/auth/profile")
    proxy.drop()

    log_out(phone)

    assert caches["default"].get(f"user_profile:{alice.pk}") is None
    assert caplog.messages == []


@pytest.mark.redis
def test_an_error_that_redis_answers_is_no_reason_to_leave_it_alone(
    proxy: Proxy, alice: User, phone_of: PhoneOf, caplog: pytest.LogCaptureFixture
) -> None:
    phone = phone_of(alice)
    key = f"user_profile:{alice.pk}"
    get_redis_connection("default").rpush(key, "a list, where a string should be")

    assert phone.ok("get", "/auth/profile")["name"] == "Alice"

    [record] = caplog.records
    assert "WRONGTYPE" in str(record.exc_info and record.exc_info[1])
    assert get_redis_connection("default").type(key) == b"string"


@pytest.mark.redis
@pytest.mark.parametrize("mode", FAULTS)
def test_signing_in_and_reading_do_without_redis(
    mode: Mode, proxy: Proxy, alice: User, phone_of: PhoneOf
) -> None:
    proxy.mode = mode
    before = time.monotonic()

    phone = phone_of(alice)
    profile = phone.ok("get", "/auth/profile")
    changed = phone.ok("patch", "/auth/profile", {"name": "Alicia"})

    assert time.monotonic() - before < 2 * BOUND
    assert (profile["name"], changed["name"]) == ("Alice", "Alicia")
    assert phone.is_signed_in


@pytest.mark.redis
def test_whether_a_credential_is_taken_is_not_asked_of_redis(
    proxy: Proxy, alice: User, phone_of: PhoneOf
) -> None:
    phone = phone_of(alice)
    requests = proxy.requests

    assert phone.ok("get", "/auth/sessions")[0]["current"]
    assert phone.refresh().status_code == 200

    assert proxy.requests == requests


@pytest.mark.redis
def test_a_logout_is_one_round_trip_however_many_devices(
    proxy: Proxy, alice: User, phone_of: PhoneOf
) -> None:
    phones = [phone_of(alice) for _phone in range(5)]
    requests = proxy.requests

    log_out(phones[0])

    assert proxy.requests == requests + 1


@pytest.mark.redis
def test_the_sessions_have_ended_for_everybody_before_redis_is_told(
    proxy: Proxy, alice: User, phone_of: PhoneOf
) -> None:
    phone = phone_of(alice)
    seen: list[int] = []
    proxy.on_request = lambda: seen.append(active_elsewhere())

    log_out(phone)

    assert seen == [0]


@pytest.mark.parametrize("error", [*UNREACHABLE, *REFUSING])
def test_a_logout_is_done_whatever_the_cache_raises(
    error: str,
    settings: Settings,
    alice: User,
    bob: User,
    phone_of: PhoneOf,
    caplog: pytest.LogCaptureFixture,
) -> None:
    hers, his = [phone_of(alice), phone_of(alice)], phone_of(bob)
    settings.CACHES = failing(error)

    log_out(hers[0])

    assert BrokenCache.calls == ["delete_many"]
    [record] = caplog.records
    assert record.getMessage() == f"Could not clear the cache of user {alice.pk}"
    assert (record.levelname, bool(record.exc_info)) == ("WARNING", True)
    assert_ended(*hers)
    assert his.is_signed_in


@pytest.mark.parametrize("error", UNREACHABLE)
def test_a_cache_that_failed_is_not_asked_at_the_next_logout(
    error: str, settings: Settings, alice: User, bob: User, phone_of: PhoneOf
) -> None:
    hers, his = phone_of(alice), phone_of(bob)
    settings.CACHES = failing(error)
    log_out(hers)

    log_out(his)

    assert BrokenCache.calls == ["delete_many"]
    assert_ended(hers, his)


def test_the_healthy_answer_is_the_same(
    alice: User, phone_of: PhoneOf, caplog: pytest.LogCaptureFixture
) -> None:
    phone = phone_of(alice)

    log_out(phone)

    assert caplog.messages == []
    assert_ended(phone)
