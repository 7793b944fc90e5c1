"""The one check: who is taken for whom, and what is noted of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts import tokens
from accounts.devices import Device
from accounts.exceptions import InvalidCredentials, SessionEnded, TokenExpired, TokenInvalid
from accounts.models import AuditEvent, User, UserSession
from accounts.services.authentication import authenticate_access, verify_password
from accounts.services.sessions import open_session, rotate
from tests.people import PASSWORD, Phone

PHONE = Device("192.0.2.1", "an agent", "phone")


@pytest.fixture
def session(alice: User) -> UserSession:
    """Alice's, just opened."""
    return open_session(alice, client=UserSession.Client.APP, device=PHONE)


def access(session: UserSession) -> str:
    """Return an access token."""
    return tokens.issue(session).access_token


def test_a_token_is_held_to_its_row_in_one_query(
    session: UserSession, alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    token = access(session)

    with django_assert_num_queries(1):
        found = authenticate_access(token)
        assert (found, found.user) == (session, alice)


@pytest.mark.parametrize(
    "facts",
    [
        {"is_active": False, "ended_at": timezone.now(), "end_reason": "logout"},
        {"expires_at": timezone.now() - timedelta(seconds=1)},
        {"last_seen_at": timezone.now() - timedelta(days=14)},
    ],
)
def test_a_session_that_is_over_is_refused_and_left_as_it_is(
    session: UserSession, facts: dict[str, Any]
) -> None:
    token = access(session)
    UserSession.objects.update(**facts)
    expected = UserSession.objects.values().get()

    with pytest.raises(SessionEnded):
        authenticate_access(token)

    assert UserSession.objects.values().get() == expected


def test_a_deactivated_user_is_refused_at_once(
    alice: User, bob: User, phone_of: Callable[..., Phone]
) -> None:
    hers, his = phone_of(alice), phone_of(bob)

    User.objects.filter(pk=alice.pk).update(is_active=False)

    assert not hers.is_signed_in
    assert his.is_signed_in
    with pytest.raises(SessionEnded):
        authenticate_access(hers.tokens["access_token"])


def test_a_deleted_user_has_no_session_left(alice: User, phone_of: Callable[..., Phone]) -> None:
    phone = phone_of(alice)

    alice.delete()

    assert not phone.is_signed_in
    with pytest.raises(TokenInvalid):
        authenticate_access(phone.tokens["access_token"])


def test_a_token_of_the_future_of_another_user_or_of_no_session_is_invalid(
    session: UserSession, bob: User
) -> None:
    for changes in ({"refresh_generation": 2}, {"user": bob}, {"pk": uuid4()}):
        claimed = UserSession.objects.get()
        for name, value in changes.items():
            setattr(claimed, name, value)

        with pytest.raises(TokenInvalid):
            authenticate_access(access(claimed))


def test_a_refresh_token_opens_nothing(session: UserSession) -> None:
    with pytest.raises(TokenInvalid):
        authenticate_access(tokens.issue(session).refresh_token)


def test_an_expired_token_is_told_without_a_query(
    session: UserSession, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    token = tokens.issue(session, now=timezone.now() - timedelta(hours=1)).access_token

    with django_assert_num_queries(0), pytest.raises(TokenExpired):
        authenticate_access(token)


def seen(ago: timedelta) -> Any:
    """Let the only session have been seen so long ago; return when."""
    at = timezone.now() - ago
    UserSession.objects.update(last_seen_at=at)
    return at


def test_a_use_is_noted_once_in_five_minutes(
    session: UserSession, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    token = access(session)
    at = seen(timedelta(minutes=4))
    with django_assert_num_queries(1):
        authenticate_access(token)
    assert UserSession.objects.get().last_seen_at == at

    seen(timedelta(minutes=5))
    with django_assert_num_queries(2):
        authenticate_access(token)
    with django_assert_num_queries(1):
        authenticate_access(token)

    assert timezone.now() - UserSession.objects.get().last_seen_at < timedelta(minutes=1)


def test_the_first_use_after_a_refresh_is_noted(
    session: UserSession, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    before = access(session)
    after = rotate(tokens.issue(session).refresh_token, device=PHONE).access_token
    with django_assert_num_queries(1):
        authenticate_access(before)
    assert UserSession.objects.get().used_generation == 1

    with django_assert_num_queries(2):
        authenticate_access(after)
    with django_assert_num_queries(1):
        authenticate_access(before)

    assert UserSession.objects.get().used_generation == 2


def test_noting_a_use_changes_nothing_else(session: UserSession) -> None:
    seen(timedelta(minutes=6))
    before: dict[str, Any] = dict(UserSession.objects.values().get())

    authenticate_access(access(session))

    after: dict[str, Any] = dict(UserSession.objects.values().get())
    assert {name for name in after if after[name] != before[name]} == {"last_seen_at"}


class CountingHasher(MD5PasswordHasher):
    """Counts how often a password is hashed: that is what a login costs."""

    count: ClassVar[int] = 0

    def encode(self, password: str, salt: str) -> str:
        """Hash and count."""
        type(self).count += 1
        return super().encode(password, salt)


def test_the_right_password_costs_its_user_and_the_limits(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    # Six count the try and two take it back: the account's counter goes, the address' is lowered.
    with django_assert_num_queries(9):
        verify_password("alice@example.com", PASSWORD, device=PHONE)


def test_the_right_password_is_its_users(alice: User, bob: User) -> None:
    assert verify_password("alice@example.com", PASSWORD, device=PHONE) == alice
    assert verify_password("ALICE@example.com", PASSWORD, device=PHONE) == alice
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize(
    ("identifier", "password", "is_known"),
    [
        ("alice@example.com", "wrong", True),
        ("alice@example.com", "", True),
        ("carol@example.com", PASSWORD, True),
        ("nobody@example.com", PASSWORD, False),
    ],
)
def test_every_refusal_is_the_same_and_as_much_work(
    identifier: str,
    password: str,
    is_known: bool,
    alice: User,
    carol: User,
    settings: Settings,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    User.objects.filter(pk=carol.pk).update(is_active=False)
    settings.PASSWORD_HASHERS = [f"{__name__}.CountingHasher"]
    CountingHasher.count = 0

    # The limits take six: begin, insert, lock and a write for each of the account's counter and
    # the address', commit. Then the user, the user's key for the trail, and the event.
    with django_assert_num_queries(9), pytest.raises(InvalidCredentials) as refused:
        verify_password(identifier, password, device=PHONE)

    assert CountingHasher.count == 1
    assert str(refused.value.message) == "Email or password is incorrect."
    event = AuditEvent.objects.get()
    known = User.objects.filter(email=identifier).first()
    assert (event.type, event.actor) == ("login.failed", "system")
    assert event.user_id == (str(known.pk) if known else "")
    assert (known is not None) is is_known


def test_a_failed_sign_in_ends_nobodys_session(alice: User, phone_of: Callable[..., Phone]) -> None:
    phone = phone_of(alice)

    with pytest.raises(InvalidCredentials):
        verify_password("alice@example.com", "wrong", device=PHONE)

    assert phone.is_signed_in
