"""Statements compiled once say what the ORM would say, with whatever values they are sent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from uuid_utils.compat import uuid7

from accounts import audit
from accounts.models import AuditEvent, User, UserSession
from accounts.querysets import UserSessionQuerySet
from accounts.services import owners, sessions
from accounts.services.owners import OwnSessions
from tests.people import Phone
from tests.services.test_sessions import PHONE

pytestmark = pytest.mark.django_db

Narrow = Callable[[UserSessionQuerySet, UUID], UserSessionQuerySet]


def sent_by(act: Callable[[], object]) -> list[str]:
    """
    Return the statements, values included, that ``act`` sends, without savepoints.

    And without parentheses: the ORM puts them around an expression, which a Parameter is to it.
    """
    with CaptureQueriesContext(connection) as queries:
        act()
    found = [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]]
    return [statement.replace("(", "").replace(")", "") for statement in found]


def ending(reason: str = "logout") -> dict[str, Any]:
    """Return what an end writes into a row."""
    values = (False, timezone.now(), reason, "somebody")
    return dict(zip(owners.ENDING, values, strict=True))


@pytest.mark.parametrize(
    ("scope", "narrow"),
    [
        ("all", lambda mine, _key: mine),
        ("only", lambda mine, key: mine.filter(pk=key)),
        ("all_but", lambda mine, key: mine.exclude(pk=key)),
    ],
)
def test_ones_own_sessions_end_as_by_the_orm(alice: User, scope: str, narrow: Narrow) -> None:
    key, values = Phone().sign_in(alice).session.pk, ending()
    named = {} if scope == "all" else {scope: key}
    mine = narrow(UserSession.objects.unended().filter(user=alice), key)
    locked = User._base_manager.select_for_update(no_key=True).filter(pk=alice.pk)

    of_the_orm = [
        *sent_by(lambda: list(locked.values_list("pk"))),
        *sent_by(lambda: mine.update(**values)),
    ]

    compiled = sent_by(lambda: owners.end_rows(OwnSessions(alice.pk, **named), values))
    assert compiled == of_the_orm


def test_it_ends_the_sessions_it_names_and_counts_them(alice: User, bob: User) -> None:
    one, two, three = (Phone().sign_in(alice) for _phone in range(3))
    his = Phone().sign_in(bob)

    counts = [
        owners.end_rows(OwnSessions(alice.pk, only=one.session.pk), ending()),
        owners.end_rows(OwnSessions(alice.pk, only=his.session.pk), ending()),
        owners.end_rows(OwnSessions(alice.pk, all_but=two.session.pk), ending()),
        owners.end_rows(OwnSessions(alice.pk), ending("logout_all")),
        owners.end_rows(OwnSessions(alice.pk), ending()),
        owners.end_rows(OwnSessions(UUID(int=7)), ending()),
    ]

    assert counts == [{alice.pk: 1}, {}, {alice.pk: 1}, {alice.pk: 1}, {}, {}]
    reasons = [phone.session.end_reason for phone in (one, two, three, his)]
    assert reasons == ["logout", "logout_all", "logout", ""]


def test_a_generation_is_raised_as_by_the_orm(alice: User) -> None:
    session, now = Phone().sign_in(alice).session, timezone.now() + timedelta(seconds=5)
    holding = UserSession.objects.unended().filter(pk=session.pk, refresh_generation=1)

    compiled = sent_by(lambda: sessions._raise_generation(session, now))

    assert compiled == sent_by(
        lambda: holding.update(
            refresh_generation=F("refresh_generation") + 1,
            used_generation=1,
            rotated_at=now,
            last_seen_at=now,
        )
    )
    session.refresh_from_db()
    assert (session.refresh_generation, session.used_generation) == (2, 1)
    assert session.rotated_at == session.last_seen_at == now


def test_an_event_is_written_as_by_the_orm(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    session, key, now = Phone().sign_in(alice).session, uuid7(), timezone.now()
    monkeypatch.setattr(audit, "uuid7", lambda: key)
    monkeypatch.setattr(timezone, "now", lambda: now)

    compiled = sent_by(lambda: audit.token_reused(session, device=PHONE))

    written = AuditEvent.objects.get(pk=key)
    assert (written.type, written.at, written.session_id) == ("token.reused", now, session.pk)
    with audit.retention():
        AuditEvent.objects.filter(pk=key).delete()
    assert compiled == sent_by(lambda: written.save(force_insert=True))


def test_a_value_that_is_missing_is_an_error(alice: User) -> None:
    with pytest.raises(KeyError, match="end_reason"):
        owners.end_rows(OwnSessions(alice.pk), {"is_active": False, "ended_at": timezone.now()})
