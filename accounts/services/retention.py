"""
Tidying up in passing: expired sessions get their end, old rows go.

An expired session is refused by the one check whether it was swept or not; sweeping gives it its
end in the table and in the trail. It happens in small bites as people sign in, so that nobody
needs a cron job.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts import audit, metrics
from accounts.conf import get_settings
from accounts.models import Attempt, UserSession
from accounts.services.sessions import end_sessions

# Index entries looked at per bite: a bite takes well under a millisecond of the database's time.
BITE = 200
PRUNING_BITE = 2000


_START = (dt.datetime.min.replace(tzinfo=dt.UTC), UUID(int=0))


class _Watermark:
    """Up to where this process has looked, so that ended rows are not looked at twice."""

    def __init__(self) -> None:
        self.place = _START

    def rewind(self) -> None:
        """Begin with the oldest row again."""
        self.place = _START


watermark = _Watermark()


def sweep() -> int:
    """
    End some of the sessions whose ``expires_at`` has passed; return how many.

    Users whose rows somebody else has locked are passed over; their turn comes at their own next
    sign-in, or in another process. Counters of attempts that count no longer are deleted too.
    """
    _delete_stale_attempts()
    return _sweep_bite()[1]


def sweep_all() -> Iterator[int]:
    """End every overdue session, in bites; yield how many each ended."""
    watermark.rewind()
    seen = True
    while seen:
        seen, ended = _sweep_bite()
        yield ended


def prune_sessions() -> Iterator[int]:
    """
    Delete the sessions that ended longer ago than ``ACCOUNTS["SESSION_RETENTION"]``.

    Yield how many each bite deleted; each is a transaction of its own. Keys are UUIDv7, so what
    was created too late to have ended early enough is not looked at.
    """
    before = timezone.now() - get_settings().session_retention
    last, end = UUID(int=0), UUID(int=int(before.timestamp() * 1000) << 80)
    while True:
        bite = UserSession.objects.filter(pk__gt=last, pk__lt=end).order_by("pk")
        rows = list(bite.values_list("pk", "ended_at")[:PRUNING_BITE])
        if not rows:
            return
        last = rows[-1][0]
        old = [pk for pk, ended_at in rows if ended_at is not None and ended_at <= before]
        yield UserSession.objects.filter(pk__in=old).delete()[0] if old else 0


def prune_audit() -> Iterator[tuple[int, int]]:
    """
    Delete audit events older than ``ACCOUNTS["AUDIT_RETENTION"]``, and remove the addresses from
    those older than ``ACCOUNTS["AUDIT_ADDRESS_RETENTION"]``.

    Yield how many each bite deleted and how many addresses it removed.
    """
    options, now = get_settings(), timezone.now()
    if options.audit_retention:
        while deleted := audit.prune(now - options.audit_retention, limit=PRUNING_BITE):
            yield deleted, 0
    if options.audit_address_retention:
        before = now - options.audit_address_retention
        while cut := audit.cut_addresses(before, limit=PRUNING_BITE):
            yield 0, cut


def _sweep_bite() -> tuple[bool, int]:
    """Look at the next rows after the watermark: whether there were any, how many were ended."""
    now = timezone.now()
    since, after = watermark.place
    overdue = UserSession.objects.filter(
        Q(expires_at__gt=since) | Q(pk__gt=after),
        expires_at__gte=since,
        expires_at__lte=now,
    ).order_by("expires_at", "pk")
    rows = list(overdue.values_list("expires_at", "pk", "user_id", "is_active")[:BITE])
    if not rows:
        metrics.OVERDUE.set(0)
        return False, 0
    due = {pk: user_id for _expires_at, pk, user_id, is_active in rows if is_active}
    oldest = min((row[0] for row in rows if row[3]), default=now)
    metrics.OVERDUE.set((now - oldest).total_seconds())
    ended = _end_unlocked(due) if due else 0
    watermark.place = rows[-1][:2]
    return True, ended


def _end_unlocked(due: dict[UUID, Any]) -> int:
    with transaction.atomic():
        users = get_user_model()._default_manager.select_for_update(skip_locked=True, no_key=True)
        free = users.filter(pk__in=set(due.values())).order_by("pk").values_list("pk", flat=True)
        return end_sessions(
            UserSession.objects.filter(pk__in=due, user_id__in=list(free)),
            reason=UserSession.EndReason.EXPIRED,
            actor=None,
        )


def _delete_stale_attempts() -> None:
    stale = Attempt.objects.filter(forgotten_at__lte=timezone.now())
    with transaction.atomic():
        keys = list(stale.select_for_update(skip_locked=True).values_list("pk", flat=True)[:20])
        if keys:
            Attempt.objects.filter(pk__in=keys).delete()
