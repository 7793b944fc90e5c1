"""A refresh: one generation after the other, a retry forgiven, a theft not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts import tokens
from accounts.devices import Device
from accounts.exceptions import SessionEnded, TokenExpired, TokenInvalid
from accounts.models import AuditEvent, User, UserSession
from accounts.services.sessions import open_session, rotate
from tests.people import Phone, assert_error

PHONE = Device("192.0.2.1", "an agent", "phone")


@pytest.fixture
def session(alice: User) -> UserSession:
    """Alice's, just opened."""
    return open_session(alice, client=UserSession.Client.APP, device=PHONE)


def refresh(token: str) -> str:
    """Rotate and return the next refresh token."""
    return rotate(token, device=PHONE).refresh_token


def generation_of(token: str) -> int:
    """Return the generation that a refresh token carries."""
    return tokens.read(token, "refresh").generation


def first_token(session: UserSession) -> str:
    """Return what the sign-in handed out."""
    return tokens.issue(session).refresh_token


def wait_out_the_grace(session: UserSession) -> None:
    """Let the grace of the last refresh be over."""
    UserSession.objects.filter(pk=session.pk).update(
        rotated_at=timezone.now() - timedelta(seconds=11)
    )


def use(session: UserSession) -> None:
    """Let an app have made a request with the newest tokens."""
    row = UserSession.objects.get(pk=session.pk)
    UserSession.objects.filter(pk=session.pk).update(used_generation=row.refresh_generation)


def test_a_refresh_makes_the_next_generation_and_no_row(session: UserSession) -> None:
    before = timezone.now()

    pair = rotate(first_token(session), device=PHONE)

    row = UserSession.objects.get()
    assert (row.refresh_generation, row.used_generation) == (2, 1)
    assert row.rotated_at == row.last_seen_at
    assert before <= row.last_seen_at <= timezone.now()
    assert tokens.read(pair.access_token, "access").generation == 2
    assert generation_of(pair.refresh_token) == 2
    assert AuditEvent.objects.count() == 1


def test_a_refresh_costs_a_look_and_a_write(
    session: UserSession, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    first = first_token(session)

    with django_assert_num_queries(2):
        refresh(first)
    with django_assert_num_queries(1):
        refresh(first)


def test_a_refresh_does_not_make_a_session_live_longer(session: UserSession) -> None:
    until = session.expires_at

    refresh(first_token(session))

    assert UserSession.objects.get().expires_at == until


def test_the_access_token_from_before_a_refresh_is_still_taken(
    alice: User, phone_of: Callable[..., Phone]
) -> None:
    phone = phone_of(alice)
    before = dict(phone.tokens)

    phone.refresh()

    assert phone.is_signed_in
    assert Phone(tokens=before).is_signed_in


def test_within_the_grace_the_predecessor_is_a_retry(session: UserSession) -> None:
    first = first_token(session)
    second = refresh(first)
    use(session)

    again = refresh(first)

    assert generation_of(second) == generation_of(again) == 2
    assert UserSession.objects.get().is_active


def test_a_lost_answer_is_asked_for_again_however_late(session: UserSession) -> None:
    first = first_token(session)
    refresh(first)
    wait_out_the_grace(session)

    assert generation_of(refresh(first)) == 2


def test_without_a_grace_only_what_nobody_has_used_is_a_retry(
    settings: Settings, session: UserSession
) -> None:
    settings.ACCOUNTS = {**settings.ACCOUNTS, "REFRESH_GRACE": timedelta(0)}
    first = first_token(session)
    refresh(first)

    assert generation_of(refresh(first)) == 2

    use(session)
    with pytest.raises(SessionEnded):
        refresh(first)


def test_the_grandparent_is_stolen_even_within_the_grace(session: UserSession) -> None:
    first = first_token(session)
    third = refresh(refresh(first))

    with pytest.raises(SessionEnded):
        refresh(first)

    row = UserSession.objects.get()
    assert (row.is_active, row.end_reason, row.ended_by_id) == (False, "token_reused", "")
    with pytest.raises(SessionEnded):
        refresh(third)


def test_reuse_is_recorded_once_with_the_session_and_the_device(session: UserSession) -> None:
    first = first_token(session)
    refresh(first)
    use(session)
    wait_out_the_grace(session)
    thief = Device("203.0.113.9", "another agent")

    with pytest.raises(SessionEnded):
        rotate(first, device=thief)
    with pytest.raises(SessionEnded):
        rotate(first, device=thief)

    events = AuditEvent.objects.exclude(type="session.started").order_by("pk").values_list(
        "type", "reason", "actor", "session_id", "ip_address", "count"
    )  # fmt: skip
    assert list(events) == [
        ("session.ended", "token_reused", "system", session.pk, "203.0.113.9", 1),
        ("token.reused", "", "system", session.pk, "203.0.113.9", None),
    ]


@pytest.mark.parametrize("atomic_requests", [False, True])
@pytest.mark.django_db(transaction=True)
def test_reuse_ends_the_session_for_good_although_the_answer_is_an_error(
    alice: User,
    bob: User,
    phone_of: Callable[..., Phone],
    monkeypatch: pytest.MonkeyPatch,
    atomic_requests: bool,
) -> None:
    phone, his = phone_of(alice), phone_of(bob)
    stolen = phone.tokens["refresh_token"]
    phone.refresh()
    phone.ok("get", "/auth/profile")
    wait_out_the_grace(phone.session)
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", atomic_requests)

    answer = Phone().refresh(stolen)

    assert_error(answer, 401, "session_ended")
    assert phone.session.end_reason == "token_reused"
    assert not phone.is_signed_in
    assert_error(phone.refresh(), 401, "session_ended")
    assert AuditEvent.objects.filter(type="token.reused").count() == 1
    assert his.is_signed_in


def forged(session: UserSession, **changes: Any) -> str:
    """Return a token that we signed for a session that is not so."""
    for name, value in changes.items():
        setattr(session, name, value)
    return first_token(session)


def test_a_token_of_the_future_of_another_user_or_of_no_session_is_invalid(
    session: UserSession, bob: User
) -> None:
    expected = UserSession.objects.values().get()

    for changes in ({"refresh_generation": 2}, {"user": bob}, {"pk": uuid4()}):
        with pytest.raises(TokenInvalid):
            refresh(forged(UserSession.objects.get(), **changes))

    assert UserSession.objects.values().get() == expected


def test_an_expired_token_is_told_as_such_and_ends_nothing(session: UserSession) -> None:
    token = tokens.issue(session, now=timezone.now() - timedelta(days=15)).refresh_token

    with pytest.raises(TokenExpired):
        refresh(token)

    assert UserSession.objects.get().is_active


@pytest.mark.parametrize(
    "facts",
    [
        {"is_active": False, "ended_at": timezone.now(), "end_reason": "logout"},
        {"expires_at": timezone.now() - timedelta(seconds=1)},
        {"last_seen_at": timezone.now() - timedelta(days=14)},
    ],
)
def test_a_session_that_is_over_is_not_refreshed(
    session: UserSession, facts: dict[str, Any]
) -> None:
    token = first_token(session)
    UserSession.objects.update(**facts)
    expected = UserSession.objects.values().get()

    with pytest.raises(SessionEnded):
        refresh(token)

    assert UserSession.objects.values().get() == expected


def test_a_deactivated_user_is_not_refreshed(session: UserSession) -> None:
    User.objects.update(is_active=False)

    with pytest.raises(SessionEnded):
        refresh(first_token(session))

    assert UserSession.objects.get().refresh_generation == 1


def test_reuse_of_a_session_that_is_over_is_no_news(session: UserSession) -> None:
    first = first_token(session)
    refresh(refresh(first))
    UserSession.objects.update(is_active=False, ended_at=timezone.now(), end_reason="logout")

    with pytest.raises(SessionEnded):
        refresh(first)

    assert UserSession.objects.get().end_reason == "logout"
    assert AuditEvent.objects.count() == 1
