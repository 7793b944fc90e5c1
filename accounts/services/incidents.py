"""
Signing out very many people at once, without anybody else noticing.

Users are taken in key order, some at a time, each bite a transaction of its own through the one
funnel: no lock is held for long, and what has been ended stays ended if the run is stopped. To go
on, it is started again: what has ended already no longer matches.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, Sum

from accounts.devices import Device
from accounts.models import UserSession
from accounts.querysets import UserSessionQuerySet
from accounts.services.sessions import end_sessions

# Users looked for at once: where no index helps, each look reads the whole table.
STRIDE = 10_000


def count_of(sessions: UserSessionQuerySet) -> tuple[int, int]:
    """Return how many users and how many of their devices ``sessions`` are, ended ones aside."""
    # Grouped once, as either count alone would read all of them.
    owners = sessions.unended().order_by().values("user_id").annotate(held=Count("pk"))
    with _patience():
        total = owners.aggregate(users=Count("held"), devices=Sum("held", default=0))
    return total["users"], total["devices"]


def owners_of(sessions: UserSessionQuerySet) -> Iterator[Any]:
    """Yield the keys of the users who have something to end in ``sessions``, in order."""
    owners = sessions.unended().order_by("user_id").values_list("user_id", flat=True).distinct()
    remaining = owners
    while True:
        with _patience():
            found = list(remaining[:STRIDE])
        yield from found
        if len(found) < STRIDE:
            return
        remaining = owners.filter(user_id__gt=found[-1])


def end_in_bites(
    sessions: UserSessionQuerySet,
    people: Iterable[Any],
    *,
    actor: Any | None,
    users_per_bite: int,
    per_second: int,
    device: Device | None = None,
) -> Iterator[int]:
    """
    End those of ``sessions`` that are of ``people``, which are keys in order, for the reason
    ``incident``; yield how many each bite ended.

    ``per_second`` bounds the sessions ended per second, on average; zero means no bound. One
    audit event is written per bite; ``device`` is where the act came from.
    """
    for bite in _bites(people, users_per_bite):
        begun = time.monotonic()
        ended = end_sessions(
            sessions.filter(user_id__in=bite),
            reason=UserSession.EndReason.INCIDENT,
            actor=actor,
            device=device,
        )
        yield ended
        if per_second:
            time.sleep(max(0.0, ended / per_second - (time.monotonic() - begun)))


def _bites(people: Iterable[Any], size: int) -> Iterator[list[Any]]:
    remaining = iter(people)
    while bite := list(islice(remaining, size)):
        yield bite


@contextlib.contextmanager
def _patience() -> Iterator[None]:
    """Let a query take its time, whatever bounds those of requests: it locks nothing."""
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = 0")
        yield
