"""Who holds what, and that nobody holds anything any more: asked of the row and of the API."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import connection
from django.test import Client

from accounts import tokens
from accounts.models import AuditEvent, User, UserSession
from accounts.services.sessions import open_session
from tests.people import Phone
from tests.races.acts import Tokens
from tests.services.test_sessions import APP, PHONE


def sign_in(user: User, count: int = 1) -> list[Tokens]:
    """Sign ``count`` devices in, at the services; return what each keeps."""
    return [keep(open_session(user, client=APP, device=PHONE)) for _device in range(count)]


def keep(session: UserSession) -> Tokens:
    """Return what an app keeps of a session."""
    pair = tokens.issue(session)
    return {
        "access_token": pair.access_token,
        "refresh_token": pair.refresh_token,
        "session": {"id": str(session.pk)},
        "user": {"id": str(session.user_id)},
    }


def browser_of(user: User) -> str:
    """Sign a browser in by Django's own way; return its cookie."""
    browser = Client()
    browser.force_login(user, "django.contrib.auth.backends.ModelBackend")
    return browser.cookies["sessionid"].value


def unended(user: User) -> int:
    """Return how many sessions the user has."""
    return UserSession.objects.of(user).unended().count()


def reasons(held: Iterable[Tokens]) -> set[str]:
    """Return why the sessions ended; an empty text stands for one that has not."""
    rows = UserSession.objects.filter(pk__in={one["session"]["id"] for one in held})
    return set(rows.values_list("end_reason", flat=True))


def taken(held: Iterable[Tokens]) -> int:
    """Return how many of the tokens, of both kinds, are still taken. The refresh is a try."""
    phones = [Phone(tokens=dict(one)) for one in held]
    return sum(phone.is_signed_in + (phone.refresh().status_code == 200) for phone in phones)


def events(user: User, type_: str) -> list[Any]:
    """Return the counts in the user's trail of events of this type, in their order."""
    found = AuditEvent.objects.of(user).filter(type=type_).order_by("pk")
    return list(found.values_list("count", flat=True))


def count_deadlocks() -> int:
    """Return how many PostgreSQL has counted in the database of the tests."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_stat_clear_snapshot(), deadlocks FROM pg_stat_database "
            "WHERE datname = current_database()"
        )
        return int((cursor.fetchone() or (None, 0))[1])
