"""Questions about rows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import AuditEvent, User, UserSession
from tests.test_models import a_session

NOW = timezone.now()


def names(sessions: Any) -> list[str]:
    """Return the devices' names."""
    return [session.device_name for session in sessions]


def test_of_is_where_a_stranger_is_left_out(alice: User, bob: User) -> None:
    hers, his = a_session(alice), a_session(bob)

    assert list(UserSession.objects.of(alice)) == [hers]
    assert list(UserSession.objects.of(bob).filter(pk=hers.pk)) == []
    assert list(UserSession.objects.of(bob)) == [his]


@pytest.mark.parametrize(
    ("facts", "is_unended", "is_active"),
    [
        ({}, True, True),
        ({"expires_at": NOW}, True, False),
        ({"last_seen_at": NOW - timedelta(days=14)}, True, False),
        ({"last_seen_at": NOW - timedelta(days=14) + timedelta(seconds=1)}, True, True),
        ({"is_active": False, "ended_at": NOW, "end_reason": "logout"}, False, False),
    ],
)
def test_active_and_expired_agree_with_what_the_row_says_of_itself(
    alice: User, facts: dict[str, Any], is_unended: bool, is_active: bool
) -> None:
    session = a_session(alice, **facts)

    assert UserSession.objects.unended().exists() is is_unended
    assert UserSession.objects.active(now=NOW).exists() is is_active
    assert UserSession.objects.expired(now=NOW).exists() is (is_unended and not is_active)
    assert session.is_usable(NOW) is is_active


def test_active_and_expired_mean_now_when_nothing_is_said(settings: Settings, alice: User) -> None:
    a_session(alice, last_seen_at=timezone.now() - timedelta(minutes=2))

    assert UserSession.objects.active().exists()
    assert not UserSession.objects.expired().exists()

    settings.ACCOUNTS = {**settings.ACCOUNTS, "SESSION_IDLE_LIFETIME": timedelta(minutes=1)}
    assert not UserSession.objects.active().exists()
    assert UserSession.objects.expired().exists()


def test_excluding_leaves_one_out_and_on_device_all_others(alice: User) -> None:
    phone = a_session(alice, device_name="phone", device_id="1")
    a_session(alice, device_name="laptop", device_id="2")

    assert names(UserSession.objects.excluding(phone.pk)) == ["laptop"]
    assert names(UserSession.objects.on_device("1")) == ["phone"]


def test_recent_first_is_in_order_of_use_then_of_birth(alice: User) -> None:
    hour = timedelta(hours=1)
    a_session(alice, device_name="old", last_seen_at=NOW - hour)
    a_session(alice, device_name="first of two", last_seen_at=NOW)
    a_session(alice, device_name="second of two", last_seen_at=NOW)

    found = UserSession.objects.recent_first()

    assert names(found) == ["second of two", "first of two", "old"]


def test_questions_are_put_together_and_asked_once(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    phone = a_session(alice)

    with django_assert_num_queries(1):
        found = UserSession.objects.of(alice).active().on_device("").excluding(phone.pk)
        assert names(found.recent_first()) == []


def test_a_trail_is_of_one_user(alice: User, bob: User) -> None:
    for user in (alice, bob):
        AuditEvent.objects.create(type="login.failed", user_id=str(user.pk), actor="system")
    AuditEvent.objects.create(type="login.failed", user_id="", actor="system")

    assert [event.user_id for event in AuditEvent.objects.of(alice)] == [str(alice.pk)]
