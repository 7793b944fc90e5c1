"""The rows: what the database itself refuses, and what can be told from a row alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.core import mail
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import AuditEvent, User, UserSession
from tests.people import PASSWORD

NOW = timezone.now()


def a_session(user: User, **facts: Any) -> UserSession:
    """Make a row as a login does."""
    defaults = {"client": "app", "device_name": "phone", "expires_at": NOW + timedelta(days=30)}
    return UserSession.objects.create(user=user, **(defaults | facts))


@pytest.mark.parametrize(
    "facts",
    [
        {"is_active": False},
        {"is_active": False, "ended_at": NOW},
        {"is_active": False, "end_reason": "logout"},
        {"is_active": True, "ended_at": NOW},
        {"is_active": True, "end_reason": "logout"},
        {"is_active": True, "ended_by_id": "7"},
        {"is_active": True, "ended_at": NOW, "end_reason": "logout"},
    ],
)
def test_a_session_that_is_half_ended_cannot_be_stored(alice: User, facts: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError, match="user_sessions_end_is_whole"):
        a_session(alice, **facts)


def test_a_generation_that_does_not_exist_cannot_have_been_used(alice: User) -> None:
    with pytest.raises(IntegrityError, match="user_sessions_generation_used_exists"):
        a_session(alice, refresh_generation=2, used_generation=3)


def test_an_end_by_nobody_in_particular_is_whole(alice: User) -> None:
    session = a_session(alice, is_active=False, ended_at=NOW, end_reason="expired")

    assert not session.is_usable(NOW)


@pytest.mark.parametrize(
    ("idle", "left", "usable"),
    [
        (timedelta(0), timedelta(seconds=1), True),
        (timedelta(0), timedelta(0), False),
        (timedelta(days=14) - timedelta(seconds=1), timedelta(days=1), True),
        (timedelta(days=14), timedelta(days=1), False),
    ],
)
def test_a_session_is_usable_until_it_expires_or_idles(
    idle: timedelta, left: timedelta, usable: bool
) -> None:
    session = UserSession(last_seen_at=NOW - idle, expires_at=NOW + left)

    assert session.is_usable(NOW) is usable
    assert (session.usable_until > NOW) is usable


def test_rows_say_what_they_are(alice: User) -> None:
    session = UserSession(device_name="Alice's laptop", client="browser")
    event = AuditEvent(type="session.ended", at=NOW)

    assert str(session) == "Alice's laptop (Browser)"
    assert str(UserSession(client="app")) == "App"
    assert str(event) == f"session.ended {NOW:%Y-%m-%d %H:%M:%S}"
    assert str(alice) == "alice@example.com"


def test_ids_are_in_the_order_of_time(alice: User) -> None:
    first, second = a_session(alice), a_session(alice)

    assert first.pk.version == second.pk.version == 7
    assert first.pk < second.pk


@pytest.mark.postgres
@pytest.mark.django_db
def test_no_end_of_a_session_touches_an_index() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE tablename = 'user_sessions'")
        definitions = " ".join(row[0] for row in cursor.fetchall())
        cursor.execute("SELECT reloptions FROM pg_class WHERE relname = 'user_sessions'")
        [options] = cursor.fetchone() or [None]

    for column in ("is_active", "ended_at", "end_reason", "last_seen_at", "refresh_generation"):
        assert column not in definitions
    assert options == ["fillfactor=85"]


def test_an_address_is_one_whatever_its_case(alice: User) -> None:
    found = User.objects.get_by_natural_key("  ALICE@Example.COM ")

    assert found == alice
    with pytest.raises(User.DoesNotExist):
        User.objects.get_by_natural_key(None)


def test_whoever_writes_past_the_manager_cannot_double_an_address(alice: User) -> None:
    with pytest.raises(IntegrityError):
        User.objects.bulk_create([User(email="Alice@Example.com")])


def test_a_form_stores_an_address_in_lower_case() -> None:
    user = User(email="Dave@Example.com", password="!")

    user.clean()

    assert user.email == "dave@example.com"


@pytest.mark.django_db
def test_a_form_refuses_an_address_that_is_none() -> None:
    with pytest.raises(ValidationError, match="email"):
        User(email="dave", password="!").full_clean()


@pytest.mark.django_db
def test_a_user_needs_an_address() -> None:
    with pytest.raises(ValueError, match="address"):
        User.objects.create_user("")


@pytest.mark.django_db
def test_a_user_without_a_password_signs_in_with_none() -> None:
    user = User.objects.create_user("dave@example.com")

    assert not user.has_usable_password()
    assert not user.check_password("")


def test_a_superuser_may_do_everything(alice: User, carol: User) -> None:
    assert carol.is_staff
    assert carol.has_perm("accounts.end_usersession")
    assert not alice.has_perm("accounts.end_usersession")


@pytest.mark.parametrize(
    ("name", "full", "short"),
    [("Alice B. Carroll", "Alice B. Carroll", "Alice"), ("", "a@example.com", "a@example.com")],
)
def test_a_user_without_a_name_is_called_by_the_address(name: str, full: str, short: str) -> None:
    user = User(email="a@example.com", name=name)

    assert (user.get_full_name(), user.get_short_name()) == (full, short)


def test_a_mail_goes_to_the_users_address(alice: User) -> None:
    alice.email_user("Hello", "Alice")

    assert [message.to for message in mail.outbox] == [["alice@example.com"]]


def hash_anew(settings: Settings) -> None:
    """Change the preferred hasher, as an upgrade of the service does."""
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher",
        *settings.PASSWORD_HASHERS,
    ]


def test_checking_a_password_asks_the_database_nothing(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        assert alice.check_password(PASSWORD)
        assert not alice.check_password("wrong")


def test_a_login_renews_an_outdated_hash(
    settings: Settings, alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    hash_anew(settings)

    with django_assert_num_queries(1):
        assert alice.check_password(PASSWORD)

    assert User.objects.get().password == alice.password
    assert alice.password.startswith("pbkdf2_sha1$")


def test_a_wrong_password_renews_nothing(settings: Settings, alice: User) -> None:
    before = alice.password
    hash_anew(settings)

    assert not alice.check_password("wrong")

    assert User.objects.get().password == alice.password == before


def test_a_renewal_does_not_write_over_a_password_changed_meanwhile(
    settings: Settings, alice: User
) -> None:
    hash_anew(settings)
    changed = make_password("a new password")
    User.objects.update(password=changed)

    alice.check_password(PASSWORD)

    assert User.objects.get().password == changed
    assert alice.password != changed


def test_of_two_logins_that_renew_a_hash_both_hold_the_stored_one(
    settings: Settings, alice: User
) -> None:
    first, second = User.objects.get(), User.objects.get()
    hash_anew(settings)

    assert first.check_password(PASSWORD)
    assert second.check_password(PASSWORD)

    assert first.password == second.password == User.objects.get().password


def test_a_user_deleted_during_the_login_breaks_nothing(settings: Settings, alice: User) -> None:
    hash_anew(settings)
    User.objects.all().delete()

    assert alice.check_password(PASSWORD)

    assert not User.objects.exists()


def test_deleting_a_user_deletes_the_sessions_and_leaves_the_trail(alice: User, bob: User) -> None:
    a_session(alice)
    his = a_session(bob)
    AuditEvent.objects.create(type="session.started", user_id=str(alice.pk), actor="self")

    alice.delete()

    assert list(UserSession.objects.all()) == [his]
    assert AuditEvent.objects.count() == 1
