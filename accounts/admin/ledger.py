"""
What has been counted of the audit trail, hour by hour, for a fortnight.

An hour that is over does not change any more, so it is counted once per process and kept. Each
look counts what is new since the last one, and goes further back by a bounded number of events:
however long the trail is, a look costs about the same, and a fortnight is complete after some.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Count, Sum
from django.db.models.functions import Coalesce, TruncHour
from django.utils import timezone

from accounts.admin import estimates
from accounts.admin.keys import between, moment_of
from accounts.models import AuditEvent, UserSession

Type = AuditEvent.Type
Tally = Counter[tuple[str, str]]

REACH = dt.timedelta(days=14)
# Events counted back per look, and seconds between two looks.
BUDGET = 200_000
INTERVAL = 60.0
# Above so many rows the planner's estimate will do.
EXACT = 50_000

_HOUR = dt.timedelta(hours=1)
# An event's key is made before its transaction commits; what is older than this has committed.
_SETTLED = dt.timedelta(minutes=10)
_TYPES = (Type.SESSION_STARTED, Type.SESSION_ENDED, Type.LOGIN_FAILED)


@dataclass(frozen=True)
class Counted:
    """
    What a look has found.

    ``hours`` has, by the hour's beginning in UTC, the acts per type and reason; for ends the
    sessions that ended. It is complete from ``since`` on. ``signed_in`` is how many sessions nobody
    has ended; about, if ``is_estimate``.
    """

    hours: Mapping[dt.datetime, Tally]
    since: dt.datetime
    signed_in: int
    is_estimate: bool


class Ledger:
    """What this process has counted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self._hours: dict[dt.datetime, Tally] = {}
        self._since: dt.datetime | None = None
        # Hours before this one do not change any more.
        self._settled = dt.datetime.min.replace(tzinfo=dt.UTC)
        self._looked_at = 0.0
        self._found: Counted | None = None

    def look(self) -> Counted:
        """Return what is counted, with what is new unless that was asked a moment ago."""
        with self._lock:
            now = time.monotonic()
            if self._found is None or now - self._looked_at >= INTERVAL:
                self._found = self._count_all(timezone.now())
                self._looked_at = now
            return self._found

    def _count_all(self, now: dt.datetime) -> Counted:
        horizon = _hour_of(now) - REACH
        if self._settled < horizon:
            self._hours, self._since, self._settled = {}, None, horizon
        counted_from = self._count(self._settled, _hour_of(now) + _HOUR)
        if self._since is None or counted_from > self._settled:
            # The first look, or so much is new that there is a gap before it.
            since = counted_from
        elif self._since > horizon:
            since = self._count(horizon, self._since)
        else:
            since = horizon
        self._since, self._settled = since, max(_hour_of(now - _SETTLED), since)
        self._hours = {hour: tally for hour, tally in self._hours.items() if hour >= since}
        return Counted(dict(self._hours), since, *_count_signed_in())

    def _count(self, since: dt.datetime, until: dt.datetime) -> dt.datetime:
        """Count the newest events made from ``since`` on and before ``until``; return from when."""
        events = AuditEvent.objects.filter(between(since, until)).order_by("-pk")
        beyond = next(iter(events.values_list("pk", flat=True)[BUDGET : BUDGET + 1]), None)
        if beyond is not None:
            # That hour is not counted to its beginning.
            since = _hour_of(moment_of(beyond) or since) + _HOUR
        if since >= until:
            return until
        for hour in [hour for hour in self._hours if since <= hour < until]:
            del self._hours[hour]
        found = AuditEvent.objects.filter(between(since, until), type__in=_TYPES)
        by_hour = found.order_by().values("type", "reason", hour=TruncHour("at", tzinfo=dt.UTC))
        for row in by_hour.annotate(number=Coalesce(Sum("count"), Count("pk"))):
            # A key is made a moment before or after its event's time.
            hour = min(max(row["hour"], since), until - _HOUR)
            tally = self._hours.setdefault(hour, Counter())
            tally[row["type"], row["reason"]] += row["number"]
        return since


def _count_signed_in() -> tuple[int, bool]:
    unended = UserSession.objects.unended()
    is_estimate = (estimates.rows_of(UserSession) or 0) > EXACT
    return (estimates.rows_in(unended) if is_estimate else unended.count()), is_estimate


def _hour_of(moment: dt.datetime) -> dt.datetime:
    return moment.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)


# One for each process.
ledger = Ledger()
