"""Expired sessions get their end in passing; old ones go."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.test import override_settings
from django.utils import timezone
from uuid_utils.compat import uuid7

from accounts.devices import Device
from accounts.models import AuditEvent, User, UserSession
from accounts.services import retention
from accounts.services.sign_in import sign_in
from tests.people import PASSWORD

pytestmark = pytest.mark.django_db

HERE = Device(ip_address="192.0.2.7", user_agent="tests")


@pytest.fixture(autouse=True)
def _from_the_start() -> Iterator[None]:
    retention.watermark.rewind()
    yield
    retention.watermark.rewind()


def rows(user: User, count: int, expires_in: dt.timedelta, **fields: Any) -> list[UserSession]:
    """Make ``count`` sessions of ``user``."""
    expires_at = timezone.now() + expires_in
    return UserSession.objects.bulk_create(
        UserSession(user=user, client="app", expires_at=expires_at, **fields)
        for _number in range(count)
    )


def test_a_sign_in_of_anybody_ends_what_has_expired(alice: User, bob: User) -> None:
    expired = rows(alice, 2, -dt.timedelta(seconds=1))
    living = rows(alice, 1, dt.timedelta(hours=1))

    sign_in(bob.email, PASSWORD, client=UserSession.Client.APP, device=HERE)

    reasons = dict(UserSession.objects.filter(user=alice).values_list("pk", "end_reason"))
    assert reasons == {**{row.pk: "expired" for row in expired}, living[0].pk: ""}
    event = AuditEvent.objects.get(type="session.ended")
    assert (event.user_id, event.actor, event.count) == (str(alice.pk), "system", 2)


def test_a_sign_in_ends_the_users_own_idle_sessions_before_it_starts_one(alice: User) -> None:
    idle_since = timezone.now() - dt.timedelta(days=14, seconds=1)
    idle = rows(alice, 1, dt.timedelta(days=1), last_seen_at=idle_since)[0]

    sign_in(alice.email, PASSWORD, client=UserSession.Client.APP, device=HERE)

    idle.refresh_from_db()
    assert idle.end_reason == "expired"
    types = list(AuditEvent.objects.order_by("id").values_list("type", flat=True))
    assert types == ["session.ended", "session.started"]


def test_many_that_expired_at_one_moment_are_all_ended_in_bites(alice: User) -> None:
    count = retention.BITE * 2 + 1
    rows(alice, count, -dt.timedelta(seconds=1))

    ended = [retention.sweep() for _time in range(4)]

    assert ended == [retention.BITE, retention.BITE, 1, 0]
    assert not UserSession.objects.filter(is_active=True).exists()


def test_what_was_looked_at_is_not_looked_at_again(
    alice: User, django_assert_num_queries: Any
) -> None:
    rows(alice, 3, -dt.timedelta(seconds=1))
    retention.sweep()

    seen, ended = retention._sweep_bite()

    assert (seen, ended) == (False, 0)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_the_sweep_passes_over_whom_somebody_else_has_locked(alice: User, bob: User) -> None:
    rows(alice, 1, -dt.timedelta(seconds=1))
    rows(bob, 1, -dt.timedelta(seconds=1))
    locked, done = threading.Event(), threading.Event()

    def hold_alice() -> None:
        with transaction.atomic():
            list(User.objects.select_for_update().filter(pk=alice.pk))
            locked.set()
            done.wait(timeout=10)
        connection.close()

    holder = threading.Thread(target=hold_alice)
    holder.start()
    locked.wait(timeout=10)

    ended = retention.sweep()

    done.set()
    holder.join()
    assert ended == 1
    assert UserSession.objects.get(user=alice).is_active
    assert not UserSession.objects.get(user=bob).is_active


def _born(age: dt.timedelta) -> UUID:
    then = timezone.now() - age
    return UUID(int=(int(then.timestamp() * 1000) << 80) | (uuid7().int & ((1 << 80) - 1)))


def _ended(user: User, age: dt.timedelta, ended_ago: dt.timedelta) -> UserSession:
    now = timezone.now()
    return UserSession.objects.create(
        pk=_born(age),
        user=user,
        client="app",
        created_at=now - age,
        last_seen_at=now - age,
        expires_at=now - age + dt.timedelta(days=30),
        is_active=False,
        ended_at=now - ended_ago,
        end_reason="logout",
    )


def test_pruning_deletes_what_ended_longer_ago_than_it_is_kept(alice: User) -> None:
    _ended(alice, age=dt.timedelta(days=100), ended_ago=dt.timedelta(days=91))
    kept = _ended(alice, age=dt.timedelta(days=100), ended_ago=dt.timedelta(days=89))
    young = rows(alice, 1, dt.timedelta(days=1))[0]

    deleted = sum(retention.prune_sessions())

    assert deleted == 1
    assert set(UserSession.objects.all()) == {kept, young}


@override_settings(ACCOUNTS={**settings.ACCOUNTS, "SESSION_RETENTION": dt.timedelta(days=1)})
def test_pruning_goes_through_more_than_one_bite(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "PRUNING_BITE", 2)
    for _number in range(5):
        _ended(alice, age=dt.timedelta(days=40), ended_ago=dt.timedelta(days=2))
    kept = _ended(alice, age=dt.timedelta(days=2), ended_ago=dt.timedelta(hours=1))

    bites = list(retention.prune_sessions())

    assert sum(bites) == 5
    assert list(UserSession.objects.all()) == [kept]
