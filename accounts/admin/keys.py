"""
Keys as times: ids are UUIDv7, whose first 48 bits are the milliseconds since 1970.

A range of time is so a range of the primary key, and needs no index of its own.
"""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from django.db.models import Q

_RANDOM_BITS = 80
# The year 9000. Python's calendar ends before the key's does.
_LAST = 221_845_000_000_000


def first_key(moment: dt.datetime) -> UUID:
    """Return the lowest key that can be made at ``moment``."""
    return UUID(int=int(moment.timestamp() * 1000) << _RANDOM_BITS)


def moment_of(key: UUID) -> dt.datetime | None:
    """Return when ``key`` was made; None for a UUID of another version, or from another world."""
    made = key.int >> _RANDOM_BITS
    if key.version != 7 or made > _LAST:
        return None
    return dt.datetime.fromtimestamp(made / 1000, dt.UTC)


def between(since: dt.datetime | None, until: dt.datetime | None) -> Q:
    """Return the condition for keys made from ``since`` on and before ``until``; None: no bound."""
    made = Q()
    if since is not None:
        made &= Q(pk__gte=first_key(since))
    if until is not None:
        made &= Q(pk__lt=first_key(until))
    return made
