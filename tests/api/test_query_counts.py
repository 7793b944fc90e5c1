"""What the hot paths cost: statements in the database, round trips to Redis, memory."""

from __future__ import annotations

import datetime as dt
import re
import selectors
import socket
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_redis import get_redis_connection
from pytest_django.fixtures import Settings
from redis import Redis
from rest_framework.test import APIClient

from accounts.models import AuditEvent, User, UserSession
from tests.people import PASSWORD, Phone

pytestmark = pytest.mark.django_db(transaction=True)

SignIn = Callable[..., Phone]
MEGABYTE = 1024 * 1024


def sign_in_devices(user: User, count: int) -> None:
    """Give ``user`` further sessions, without the limit that a login keeps to."""
    until = timezone.now() + dt.timedelta(days=30)
    UserSession.objects.bulk_create(
        (UserSession(user=user, client="app", expires_at=until) for _number in range(count)),
        batch_size=1000,
    )


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect what the database is asked meanwhile, such as "UPDATE user_sessions"."""
    found: list[str] = []
    with CaptureQueriesContext(connection) as captured:
        yield found
    for query in captured:
        table = re.search(r'(?:FROM|INTO|UPDATE) "(\w+)"', query["sql"])
        found.append(" ".join([query["sql"].split()[0], *(table.groups() if table else [])]))


def test_an_authenticated_get_is_one_statement_on_a_warm_cache(
    alice: User, phone_of: SignIn
) -> None:
    phone = phone_of(alice)
    phone.ok("get", "/auth/profile")

    with statements() as found:
        phone.ok("get", "/auth/profile")

    assert found == ["SELECT user_sessions"]


@pytest.mark.parametrize("others", [0, 2, 99])
def test_a_list_is_one_statement_more_however_long(
    alice: User, phone_of: SignIn, others: int
) -> None:
    phone = phone_of(alice)
    sign_in_devices(alice, others)

    with statements() as found:
        listed = phone.ok("get", "/auth/sessions")

    assert len(listed) == others + 1
    assert found == ["SELECT user_sessions", "SELECT user_sessions"]


def test_a_page_of_events_is_one_statement_more(alice: User, phone_of: SignIn) -> None:
    phone = phone_of(alice)

    with statements() as found:
        phone.ok("get", "/auth/events")

    assert found == ["SELECT user_sessions", "SELECT audit_events"]


def test_a_refused_token_costs_one_statement_and_a_forged_one_none(
    alice: User, phone_of: SignIn
) -> None:
    phone = phone_of(alice)
    phone.ok("post", "/auth/logout")

    with statements() as found:
        phone.call("get", "/auth/profile")
        phone.call("get", "/auth/profile", Authorization="Bearer forged")

    assert found == ["SELECT user_sessions"]


@pytest.mark.parametrize("devices", [1, 3, 100])
def test_a_logout_is_three_statements_however_many_devices(
    alice: User, bob: User, phone_of: SignIn, devices: int
) -> None:
    phone, bobs = phone_of(alice), phone_of(bob)
    sign_in_devices(alice, devices - 1)

    with statements() as found:
        phone.ok("post", "/auth/logout")

    assert found == [
        "SELECT user_sessions",
        "BEGIN",
        "SELECT users",
        "UPDATE user_sessions",
        "INSERT audit_events",
        "COMMIT",
    ]
    assert UserSession.objects.filter(user=alice, is_active=False).count() == devices
    assert bobs.is_signed_in


def test_ten_thousand_devices_are_logged_out_like_one(
    alice: User, bob: User, phone_of: SignIn
) -> None:
    phone, bobs = phone_of(alice), phone_of(bob)
    sign_in_devices(alice, 9_999)
    tracemalloc.start()

    try:
        with statements() as found:
            phone.ok("post", "/auth/logout")
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(found) == 6
    assert peak < 5 * MEGABYTE
    assert UserSession.objects.filter(user=alice, end_reason="logout_all").count() == 10_000
    assert not UserSession.objects.filter(user=alice, is_active=True).exists()
    assert AuditEvent.objects.get(type="session.ended").count == 10_000
    assert not phone.is_signed_in
    assert bobs.is_signed_in


def test_a_refresh_is_two_statements_and_its_retry_one(alice: User, phone_of: SignIn) -> None:
    phone = phone_of(alice)
    first = phone.tokens["refresh_token"]
    rows = UserSession.objects.count(), AuditEvent.objects.count()

    with statements() as rotation:
        phone.refresh(first)
    with statements() as retry:
        phone.refresh(first)

    assert rotation == ["SELECT user_sessions", "UPDATE user_sessions"]
    assert retry == ["SELECT user_sessions"]
    assert (UserSession.objects.count(), AuditEvent.objects.count()) == rows


def test_the_first_use_of_new_tokens_is_noted_once(alice: User, phone_of: SignIn) -> None:
    phone = phone_of(alice)
    phone.ok("get", "/auth/profile")
    phone.refresh()

    with statements() as found:
        phone.ok("get", "/auth/profile")
        phone.ok("get", "/auth/profile")

    assert found == ["SELECT user_sessions", "UPDATE user_sessions", "SELECT user_sessions"]


# Counters that count no longer are looked for, and sessions that have expired.
SWEEP = ["BEGIN", "SELECT attempts", "COMMIT", "SELECT user_sessions"]
# The account's counter and the address' are made if need be, locked, and each counts one more.
RESERVE = [
    "BEGIN",
    "INSERT attempts",
    "SELECT attempts",
    "UPDATE attempts",
    "UPDATE attempts",
    "COMMIT",
]
# The account's goes, in a transaction of Django's delete(); the address' counts one less.
FORGIVE = ["BEGIN", "DELETE attempts", "COMMIT", "UPDATE attempts"]


def log_in(password: str = PASSWORD, **facts: str) -> Any:
    """Sign Alice in."""
    body = {"email": "alice@example.com", "password": password, **facts}
    return APIClient().post("/auth/login", body, format="json")


def test_a_login_is_fourteen_statements(alice: User) -> None:
    with statements() as found:
        answer = log_in()

    assert answer.status_code == 200
    assert found == [
        *SWEEP,
        *RESERVE,
        "SELECT users",
        *FORGIVE,
        "BEGIN",
        "SELECT users",
        "SELECT user_sessions",
        "INSERT user_sessions",
        "INSERT audit_events",
        "COMMIT",
        "UPDATE users",
    ]


def test_a_login_in_place_of_another_ends_that_by_three_more(alice: User, bob: User) -> None:
    log_in(device_id="device-1")
    sign_in_devices(bob, 1)

    with statements() as first:
        log_in(device_id="device-2")
    with statements() as second:
        log_in(device_id="device-1")

    assert len(second) - len(first) == 3
    assert [verb for verb in second if verb not in first] == ["UPDATE user_sessions"]
    assert UserSession.objects.filter(user=alice, is_active=True).count() == 2


@pytest.mark.parametrize("devices", [0, 10, 49])
def test_a_login_costs_the_same_however_many_devices_there_are(alice: User, devices: int) -> None:
    sign_in_devices(alice, devices)

    with statements() as found:
        log_in()

    assert len([verb for verb in found if verb not in {"BEGIN", "COMMIT"}]) == 14


def test_a_refused_login_costs_the_limits_and_an_event(alice: User) -> None:
    with statements() as found:
        log_in("wrong horse battery staple")

    assert found == [*SWEEP, *RESERVE, "SELECT users", "SELECT users", "INSERT audit_events"]


def test_a_login_that_has_to_wait_is_looked_up_and_no_more(alice: User) -> None:
    for _try in range(10):
        log_in("wrong horse battery staple")

    with statements() as found:
        answer = log_in()

    assert answer.status_code == 429
    counters = ["BEGIN", "INSERT attempts", "SELECT attempts", "COMMIT"]
    # The last is the question whether the device is known to the account.
    assert found == [*SWEEP, *counters, "SELECT user_sessions"]


def test_a_refused_login_does_the_same_for_everybody(alice: User, bob: User) -> None:
    bob.is_active = False
    bob.save()
    costs = []

    for email in ("alice@example.com", "bob@example.com", "nobody@example.com"):
        with statements() as found:
            body = {"email": email, "password": "wrong horse battery staple"}
            APIClient().post("/auth/login", body, format="json")
        costs.append(found)

    assert costs[0] == costs[1] == costs[2]


class Relay(threading.Thread):
    """
    Stands before Redis and counts the round trips: how often a client speaks after an answer.

    Serves one client, which is what one thread's requests have.
    """

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        parts = urlsplit(url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._redis = socket.create_connection((parts.hostname or "", parts.port or 6379))
        host, port = self._listener.getsockname()
        self.url = parts._replace(netloc=f"{host}:{port}").geturl()
        self.round_trips = 0

    def run(self) -> None:
        """Pass everything on until the client leaves."""
        client, _address = self._listener.accept()
        answered = True
        with client, self._redis, self._listener, selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ, self._redis)
            ready.register(self._redis, selectors.EVENT_READ, client)
            while True:
                for key, _events in ready.select():
                    chunk = key.fileobj.recv(65536)  # type: ignore[union-attr]
                    if not chunk:
                        return
                    asked = key.fileobj is client
                    self.round_trips += asked and answered
                    answered = not asked
                    key.data.sendall(chunk)


@pytest.fixture
def relay(settings: Settings) -> Iterator[Relay]:
    """Redis, behind a relay."""
    cache = settings.CACHES["default"]
    relay = Relay(cache["LOCATION"])
    relay.start()
    settings.CACHES = {"default": {**cache, "LOCATION": relay.url}}
    yield relay
    get_redis_connection("default").connection_pool.disconnect()
    relay.join(5)
    assert not relay.is_alive()


@contextmanager
def commands(url: str) -> Iterator[list[str]]:
    """Collect the commands that this run's Redis database is sent meanwhile, by whomever."""
    found: list[str] = []
    with Redis.from_url(url) as redis, redis.monitor() as monitor, Redis.from_url(url) as marker:
        marker.ping()
        yield found
        marker.echo("the end")
        database = marker.connection_pool.connection_kwargs.get("db", 0)
        while (heard := monitor.next_command())["command"] != "ECHO the end":
            if int(heard["db"]) == database:
                found.append(heard["command"])
    del found[: found.index("PING") + 1]


def count_round_trips(relay: Relay, call: Callable[[], Any]) -> int:
    """Return how many round trips to Redis the call takes, the connection being open."""
    before = relay.round_trips
    call()
    return relay.round_trips - before


LOGOUTS = ["/auth/logout", "/auth/logout/current"]


@pytest.mark.redis
@pytest.mark.parametrize("path", LOGOUTS)
def test_a_logout_asks_redis_once(alice: User, phone_of: SignIn, relay: Relay, path: str) -> None:
    phone = phone_of(alice)
    phone.ok("get", "/auth/profile")

    assert count_round_trips(relay, lambda: phone.ok("post", path)) == 1


@pytest.mark.redis
@pytest.mark.parametrize("path", LOGOUTS)
def test_a_logout_is_one_del_of_the_users_keys_and_one_publish(
    settings: Settings, alice: User, bob: User, phone_of: SignIn, path: str
) -> None:
    phone = phone_of(alice)
    sign_in_devices(alice, 100)
    phone_of(bob).ok("get", "/auth/profile")

    with commands(settings.CACHES["default"]["LOCATION"]) as found:
        phone.ok("post", path)

    assert found == [
        f"DEL user:{alice.pk} user_profile:{alice.pk} user_workspace:{alice.pk}",
        f"PUBLISH accounts:sessions {alice.pk}",
    ]


@pytest.mark.redis
def test_what_needs_no_redis_does_not_ask_it(
    settings: Settings, alice: User, phone_of: SignIn
) -> None:
    phone = phone_of(alice)

    with commands(settings.CACHES["default"]["LOCATION"]) as found:
        phone.ok("get", "/auth/sessions")
        phone.ok("get", "/auth/events")
        phone.refresh()
        phone.call("post", "/auth/revoke", {"token": "not.a.token"})
        phone.call("get", "/auth/profile", Authorization="Bearer forged")

    assert found == []


@pytest.mark.redis
def test_a_profile_is_one_get_on_a_warm_cache(alice: User, phone_of: SignIn, relay: Relay) -> None:
    phone = phone_of(alice)
    phone.ok("get", "/auth/profile")

    assert count_round_trips(relay, lambda: phone.ok("get", "/auth/profile")) == 1
