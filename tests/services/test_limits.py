"""Guessing is limited, in parallel too, and nobody can lock the owner out for long."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from accounts.devices import Device
from accounts.exceptions import InvalidCredentials, LockedOut, Throttled
from accounts.models import Attempt, AuditEvent, User, UserSession
from accounts.services import limits
from accounts.services.authentication import verify_password
from accounts.services.sign_in import sign_in
from accounts.services.users import register
from tests.people import PASSWORD, Phone, assert_error

pytestmark = pytest.mark.django_db

STRANGER = Device(ip_address="203.0.113.9", user_agent="guesser")
HOME = Device(ip_address="192.0.2.7", user_agent="browser")


def options(**changes: Any) -> override_settings:
    """Return the project's options with ``changes``."""
    return override_settings(ACCOUNTS={**settings.ACCOUNTS, **changes})


def guess(user: User, times: int, device: Device = STRANGER) -> None:
    """Guess wrong, ``times`` times."""
    for _time in range(times):
        with pytest.raises(InvalidCredentials):
            verify_password(user.email, "wrong", device=device)


def later(**duration: int) -> None:
    """Move the counters into the past, as if time had gone by."""
    for row in Attempt.objects.all():
        row.forgotten_at -= dt.timedelta(**duration)
        if row.blocked_until is not None:
            row.blocked_until -= dt.timedelta(**duration)
        row.save()


@options(LOGIN_FAILURES_PER_ACCOUNT=3)
def test_after_the_allowed_failures_even_the_right_password_has_to_wait(alice: User) -> None:
    guess(alice, 3)

    with pytest.raises(LockedOut) as refused:
        verify_password(alice.email, PASSWORD, device=STRANGER)

    assert 25 <= refused.value.retry_after <= 31


@options(LOGIN_FAILURES_PER_ACCOUNT=3)
def test_the_lock_is_one_event_and_each_failure_is_one(alice: User) -> None:
    guess(alice, 3)

    for _time in range(5):
        with pytest.raises(LockedOut):
            verify_password(alice.email, "wrong", device=STRANGER)

    types = list(AuditEvent.objects.order_by("id").values_list("type", flat=True))
    assert types == ["login.failed"] * 3 + ["login.locked_out"]


@options(LOGIN_FAILURES_PER_ACCOUNT=1)
def test_the_wait_doubles_and_is_capped(alice: User) -> None:
    waits = []

    for _time in range(8):
        guess(alice, 1)
        with pytest.raises(LockedOut) as refused:
            verify_password(alice.email, PASSWORD, device=STRANGER)
        waits.append(round(refused.value.retry_after, -1))
        later(seconds=refused.value.retry_after + 1)

    assert waits == [30, 60, 120, 240, 480, 900, 900, 900]


@options(LOGIN_FAILURES_PER_ACCOUNT=3)
def test_the_right_password_after_the_wait_makes_all_well(alice: User) -> None:
    guess(alice, 3)
    later(seconds=40)

    assert verify_password(alice.email, PASSWORD, device=STRANGER) == alice

    guess(alice, 2)
    assert verify_password(alice.email, PASSWORD, device=STRANGER) == alice


@options(LOGIN_FAILURES_PER_ACCOUNT=3)
def test_failures_are_forgotten(alice: User) -> None:
    guess(alice, 2)
    later(hours=2)

    guess(alice, 2)

    assert verify_password(alice.email, PASSWORD, device=STRANGER) == alice


@options(LOGIN_FAILURES_PER_ACCOUNT=3)
def test_the_case_of_the_address_does_not_start_a_new_count(alice: User) -> None:
    for address in ("Alice@example.com", "ALICE@example.com", "alice@EXAMPLE.com"):
        with pytest.raises(InvalidCredentials):
            verify_password(address, "wrong", device=STRANGER)

    with pytest.raises(LockedOut):
        verify_password("alice@example.com", PASSWORD, device=STRANGER)


@options(LOGIN_FAILURES_PER_ACCOUNT=3)
def test_an_unknown_address_is_limited_just_the_same(alice: User) -> None:
    for _time in range(3):
        with pytest.raises(InvalidCredentials):
            verify_password("nobody@example.com", "wrong", device=STRANGER)

    with pytest.raises(LockedOut):
        verify_password("nobody@example.com", "wrong", device=STRANGER)
    assert verify_password(alice.email, PASSWORD, device=STRANGER) == alice


@options(LOGIN_FAILURES_PER_ACCOUNT=3)
@pytest.mark.parametrize(
    "device",
    [
        Device(ip_address=HOME.ip_address, user_agent="another agent"),
        Device(ip_address="198.51.100.5", user_agent="on the road", id="alices-phone"),
    ],
    ids=["same address", "same device id"],
)
def test_a_device_known_to_the_account_is_not_locked_out_by_a_stranger(
    alice: User, device: Device
) -> None:
    signed_in = Device(ip_address=HOME.ip_address, user_agent="", id="alices-phone")
    sign_in(alice.email, PASSWORD, client=UserSession.Client.APP, device=signed_in)
    guess(alice, 3)

    found = verify_password(alice.email, PASSWORD, device=device)

    assert found == alice


@options(LOGIN_FAILURES_PER_ACCOUNT=3)
def test_a_known_device_that_guesses_is_limited_by_itself(alice: User) -> None:
    sign_in(alice.email, PASSWORD, client=UserSession.Client.APP, device=HOME)
    guess(alice, 3)
    guess(alice, 3, device=HOME)

    with pytest.raises(LockedOut):
        verify_password(alice.email, PASSWORD, device=HOME)


@options(LOGIN_FAILURES_PER_ACCOUNT=3)
def test_open_sessions_are_not_touched_by_a_lock(alice: User) -> None:
    phone = Phone().sign_in(alice)

    guess(alice, 3)

    assert phone.is_signed_in


@options(LOGIN_FAILURES_PER_ADDRESS=4)
def test_one_address_cannot_try_one_password_on_many_accounts(alice: User) -> None:
    for number in range(4):
        with pytest.raises(InvalidCredentials):
            verify_password(f"user{number}@example.com", "Summer2026", device=STRANGER)

    with pytest.raises(LockedOut):
        verify_password(alice.email, PASSWORD, device=STRANGER)
    assert verify_password(alice.email, PASSWORD, device=HOME) == alice


@options(LOGIN_FAILURES_PER_ADDRESS=4)
def test_an_ipv6_network_of_one_subscriber_counts_as_one_address(alice: User) -> None:
    for number in range(4):
        device = Device(ip_address=f"2001:db8:1:2::{number + 1}", user_agent="")
        with pytest.raises(InvalidCredentials):
            verify_password(f"user{number}@example.com", "wrong", device=device)

    neighbour = Device(ip_address="2001:db8:1:3::1", user_agent="")
    same = Device(ip_address="2001:db8:1:2:ffff::1", user_agent="")
    with pytest.raises(LockedOut):
        verify_password(alice.email, PASSWORD, device=same)
    assert verify_password(alice.email, PASSWORD, device=neighbour) == alice


@options(LOGIN_FAILURES_PER_ADDRESS=2)
def test_many_people_behind_one_address_may_sign_in(alice: User, bob: User) -> None:
    for _time in range(5):
        assert verify_password(alice.email, PASSWORD, device=HOME) == alice
        assert verify_password(bob.email, PASSWORD, device=HOME) == bob


@options(LOGIN_FAILURES_PER_ADDRESS=2)
def test_a_success_does_not_wipe_out_the_failures_of_its_address(alice: User) -> None:
    for number in range(2):
        with pytest.raises(InvalidCredentials):
            verify_password(f"user{number}@example.com", "wrong", device=STRANGER)
        if number == 0:
            verify_password(alice.email, PASSWORD, device=STRANGER)

    with pytest.raises(LockedOut):
        verify_password(alice.email, PASSWORD, device=STRANGER)


def test_a_server_that_tells_no_address_still_limits_the_account(alice: User) -> None:
    nowhere = Device(ip_address=None, user_agent="")

    with options(LOGIN_FAILURES_PER_ACCOUNT=2):
        guess(alice, 2, device=nowhere)
        with pytest.raises(LockedOut):
            verify_password(alice.email, PASSWORD, device=nowhere)


@options(RATE_LIMITS=False, LOGIN_FAILURES_PER_ACCOUNT=1)
def test_limits_can_be_turned_off_for_a_load_test(alice: User) -> None:
    guess(alice, 3)

    assert verify_password(alice.email, PASSWORD, device=STRANGER) == alice
    assert not Attempt.objects.exists()


def test_the_counters_tell_nobody_which_addresses_were_tried(alice: User) -> None:
    guess(alice, 1)

    for row in Attempt.objects.all():
        assert len(row.key) == 64
        assert alice.email not in str(row)
        assert str(STRANGER.ip_address) not in row.key


@options(REGISTRATIONS_PER_ADDRESS=2)
def test_accounts_are_not_made_by_the_dozen(db: None) -> None:
    for number in range(2):
        register(f"new{number}@example.com", PASSWORD, name="", device=STRANGER)

    with pytest.raises(Throttled) as refused:
        register("new3@example.com", PASSWORD, name="", device=STRANGER)

    assert 3500 < refused.value.retry_after <= 3601
    assert register("new4@example.com", PASSWORD, name="", device=HOME).email == "new4@example.com"


@options(TAKEN_ANSWERS_PER_ADDRESS=2)
def test_who_asks_which_addresses_are_taken_is_told_twice(alice: User) -> None:
    phone = Phone()
    body = {"email": alice.email, "password": PASSWORD}
    for _time in range(2):
        assert_error(phone.call("post", "/auth/register", body), 400, "validation_error", "email")

    answer = phone.call("post", "/auth/register", body)

    assert_error(answer, 429, "throttled")
    assert int(answer["Retry-After"]) > 3500


@options(LOGIN_FAILURES_PER_ACCOUNT=2)
def test_the_api_says_how_long_to_wait(alice: User) -> None:
    phone = Phone()
    wrong = {"email": alice.email, "password": "wrong"}
    for _time in range(2):
        assert_error(phone.call("post", "/auth/login", wrong), 401, "invalid_credentials")

    answer = phone.call("post", "/auth/login", {**wrong, "password": PASSWORD})

    assert_error(answer, 429, "locked_out")
    assert 25 <= int(answer["Retry-After"]) <= 31


@pytest.mark.django_db(transaction=True)
@options(LOGIN_FAILURES_PER_ACCOUNT=5)
def test_of_parallel_guesses_no_more_than_the_limit_reach_the_hasher(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    monkeypatch.setattr(User, "check_password", lambda _self, raw: hashed.append(raw))
    outcomes: list[type[Exception]] = []
    start = threading.Barrier(16)

    def try_once() -> None:
        start.wait()
        try:
            verify_password(alice.email, "wrong", device=STRANGER)
        except (InvalidCredentials, LockedOut) as outcome:
            outcomes.append(type(outcome))
        finally:
            connection.close()

    threads = [threading.Thread(target=try_once) for _number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(hashed) == 5
    assert outcomes.count(InvalidCredentials) == 5
    assert outcomes.count(LockedOut) == 11


def test_a_counter_that_counts_no_longer_is_deleted_in_passing(alice: User) -> None:
    past = timezone.now() - dt.timedelta(seconds=1)
    Attempt.objects.create(key="0" * 64, count=3, forgotten_at=past)

    sign_in(alice.email, PASSWORD, client=UserSession.Client.APP, device=HOME)

    assert not Attempt.objects.filter(key="0" * 64).exists()


def test_a_reservation_of_nothing_is_forgiven_without_a_query(
    django_assert_num_queries: Any,
) -> None:
    with django_assert_num_queries(0):
        limits.forgive(limits.Reservation((), is_last=False))


def test_a_counter_that_is_tidied_away_before_it_is_locked_is_made_anew(alice: User) -> None:
    gone: list[int] = []

    def tidy(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        if sql.startswith("SELECT") and 'FROM "attempts" WHERE "attempts"."key" IN' in sql:
            gone.append(Attempt.objects.all().delete()[0] if not gone else 0)
        return execute(sql, parameters, many, context)

    with connection.execute_wrapper(tidy):
        guess(alice, 1)

    assert gone == [2, 0]
    assert sorted(Attempt.objects.values_list("count", flat=True)) == [1, 1]


@options(REGISTRATIONS_PER_ADDRESS=1)
def test_whoever_comes_from_nowhere_shares_one_counter(db: None) -> None:
    nowhere = Device(ip_address=None, user_agent="")
    register("new1@example.com", PASSWORD, name="", device=nowhere)

    with pytest.raises(Throttled):
        register("new2@example.com", PASSWORD, name="", device=nowhere)

    assert register("new3@example.com", PASSWORD, name="", device=HOME)
