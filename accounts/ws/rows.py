"""
What sockets ask the database, in threads of their own.

The event loop never waits for the database, and a crowd that connects does not delay those who
are to be told of their end: each has its own few threads. A connection is given back after every
question, as after a request.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar, cast
from uuid import UUID

from channels.db import DatabaseSyncToAsync
from django.contrib.auth import get_user_model
from django.db import InterfaceError, InternalError, OperationalError
from django.utils import timezone

from accounts.exceptions import ServiceUnavailable
from accounts.models import UserSession
from accounts.querysets import UserSessionQuerySet

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

# Together fewer than the connections that a process may hold unless somebody has set that number.
HANDSHAKES = ThreadPoolExecutor(4, thread_name_prefix="accounts-ws-handshake")
LOOKS = ThreadPoolExecutor(2, thread_name_prefix="accounts-ws-look")

CHUNK = 1000
RETRY_AFTER = 1
_BETWEEN_WARNINGS = 60.0
_warned_at = -_BETWEEN_WARNINGS


@dataclass(frozen=True, slots=True)
class Ending:
    """How a session ended."""

    session_id: UUID
    reason: str
    at: dt.datetime


async def ask(threads: ThreadPoolExecutor, question: Callable[[], Answer]) -> Answer:
    """Return what ``question()`` returns in one of ``threads``; ServiceUnavailable without one."""
    in_thread = DatabaseSyncToAsync(question, thread_sensitive=False, executor=threads)
    try:
        return cast("Answer", await in_thread())
    except (OperationalError, InterfaceError, InternalError) as error:
        # The last is what a standby raises that is asked to write: the note of a use.
        _warn(error)
        raise ServiceUnavailable(RETRY_AFTER) from error


def endings(session_ids: Collection[UUID]) -> dict[UUID, Ending]:
    """Return how those of the sessions ended that are not usable; one query per ``CHUNK``."""
    keys, found = list(session_ids), dict[UUID, Ending]()
    for start in range(0, len(keys), CHUNK):
        chunk = keys[start : start + CHUNK]
        now = timezone.now()
        rows = {row.pk: row for row in _rows().filter(pk__in=chunk)}
        for key in chunk:
            # A row that is not there any more was deleted together with its user.
            ending = _ending(rows[key], now) if key in rows else Ending(key, _DELETED, now)
            if ending is not None:
                found[key] = ending
    return found


def find_ending(session_id: UUID, user_id: str) -> Ending | None:
    """Return how this session of this user ended; None if it did not, or nobody knows it."""
    row = _rows().filter(pk=session_id).first()
    if row is None or str(row.user_id) != user_id:
        return None
    return _ending(row, timezone.now())


_DELETED = UserSession.EndReason.REVOKED.value


def _rows() -> UserSessionQuerySet:
    """Return a query for what ``_ending`` needs. A user model need not have an is_active column."""
    columns = ["user", "is_active", "expires_at", "last_seen_at", "ended_at", "end_reason"]
    owner = [field.name for field in get_user_model()._meta.fields if field.name == "is_active"]
    rows = UserSession.objects.select_related("user")
    return rows.only(*columns, *(f"user__{name}" for name in owner))


def _ending(row: UserSession, now: dt.datetime) -> Ending | None:
    if row.ended_at is not None:
        return Ending(row.pk, row.end_reason, row.ended_at)
    if not row.is_usable(now):
        return Ending(row.pk, UserSession.EndReason.EXPIRED.value, row.usable_until)
    if not row.user.is_active:
        return Ending(row.pk, UserSession.EndReason.USER_DEACTIVATED.value, now)
    return None


def _warn(error: Exception) -> None:
    """Say it once a minute: every socket and every look meets the same error."""
    global _warned_at
    now = time.monotonic()
    if now - _warned_at >= _BETWEEN_WARNINGS:
        _warned_at = now
        logger.warning("Sockets cannot ask the database; they try again", exc_info=error)
