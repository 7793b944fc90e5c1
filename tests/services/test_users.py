"""Making and changing users."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import caches
from django.db import IntegrityError, transaction
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks, Settings

from accounts import user_cache
from accounts.devices import Device
from accounts.exceptions import FieldInvalid, RegistrationClosed
from accounts.models import AuditEvent, User
from accounts.services.users import check_new_password, has_field, register, update_profile
from tests.faults.caches import WATCHING, WatchingCache
from tests.people import PASSWORD

PHONE = Device("192.0.2.1", "an agent", "phone")


def make(email: str = "dave@example.com", password: str = PASSWORD) -> Any:
    """Register Dave."""
    return register(email, password, name="Dave", device=PHONE)


@pytest.mark.django_db
def test_whoever_registers_can_sign_in_and_is_in_the_trail() -> None:
    user = make("Dave@Example.com")

    row = User.objects.get()
    assert (row, row.email, row.name) == (user, "dave@example.com", "Dave")
    assert row.check_password(PASSWORD)
    assert (row.is_active, row.is_staff, row.is_superuser) == (True, False, False)
    event = AuditEvent.objects.get()
    assert (event.type, event.user_id, event.actor) == ("user.registered", str(user.pk), "self")


@pytest.mark.django_db
def test_where_registration_is_closed_nobody_registers(settings: Settings) -> None:
    settings.ACCOUNTS = {**settings.ACCOUNTS, "REGISTRATION_OPEN": False}

    with pytest.raises(RegistrationClosed) as refused:
        make()

    assert refused.value.code == "permission_denied"
    assert not User.objects.exists()


def test_an_address_that_is_taken_is_refused_whatever_its_case(alice: User) -> None:
    with pytest.raises(FieldInvalid) as refused:
        make("ALICE@example.com")

    assert refused.value.field == "email"
    assert refused.value.problems == [("unique", "This email address is already taken.")]
    assert User.objects.get().name == "Alice"
    assert not AuditEvent.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("password", "codes"),
    [
        ("dave@example.com", {"password_too_similar"}),
        ("1234", {"password_too_short", "password_too_common", "password_entirely_numeric"}),
    ],
)
def test_a_password_is_judged_with_the_user_in_view(password: str, codes: set[str]) -> None:
    with pytest.raises(FieldInvalid) as refused:
        make(password=password)

    assert refused.value.field == "password"
    assert {code for code, _message in refused.value.problems} == codes
    assert not User.objects.exists()


@pytest.mark.django_db
def test_an_address_that_is_none_is_refused_whoever_asks() -> None:
    with pytest.raises(FieldInvalid) as refused:
        make("dave")

    assert (refused.value.field, refused.value.problems[0][0]) == ("email", "invalid")
    assert not User.objects.exists()


def test_the_field_of_a_refused_password_is_the_callers(alice: User) -> None:
    with pytest.raises(FieldInvalid) as refused:
        check_new_password("short", alice, field="new_password")

    assert refused.value.field == "new_password"
    check_new_password(PASSWORD, alice)


@pytest.mark.django_db
def test_a_user_who_cannot_be_recorded_is_not_made() -> None:
    nobody_knows: Any = None
    unrecordable = Device("192.0.2.1", nobody_knows)

    with pytest.raises(IntegrityError, match="user_agent"), transaction.atomic():
        register("dave@example.com", PASSWORD, name="", device=unrecordable)

    assert not User.objects.exists()


def test_a_change_writes_its_columns_and_clears_the_cache_after_the_commit(
    alice: User,
    bob: User,
    settings: Settings,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    settings.CACHES = WATCHING
    WatchingCache.seen.clear()
    for user in (alice, bob):
        user_cache.store(user_cache.PROFILE, user.pk, {"name": user.name})
    User.objects.filter(pk=alice.pk).update(time_zone="Europe/Paris")

    with django_capture_on_commit_callbacks(execute=True):
        update_profile(alice, {"name": "Alicia", "locale": "fr"})
        assert WatchingCache.seen == []

    assert (alice.name, alice.locale) == ("Alicia", "fr")
    row = User.objects.get(pk=alice.pk)
    assert (row.name, row.locale, row.time_zone) == ("Alicia", "fr", "Europe/Paris")
    assert caches["default"].get(f"user_profile:{alice.pk}") is None
    assert caches["default"].get(f"user_profile:{bob.pk}") == {"name": "Bob"}
    assert User.objects.get(pk=bob.pk).name == "Bob"


def test_a_change_that_is_given_up_clears_nothing(
    alice: User,
    settings: Settings,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    settings.CACHES = WATCHING
    WatchingCache.seen.clear()

    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        update_profile(alice, {"name": "Alicia"})
        transaction.set_rollback(True)

    assert WatchingCache.seen == []
    assert User.objects.get().name == "Alice"


def test_no_change_is_no_write(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    before = User.objects.values().get()

    with django_assert_num_queries(2):
        update_profile(alice, {})

    assert User.objects.values().get() == before


@pytest.mark.parametrize(("name", "there"), [("name", True), ("nickname", False)])
def test_a_field_that_a_hosts_model_lacks_is_told(name: str, there: bool) -> None:
    assert has_field(name) is there
