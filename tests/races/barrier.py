"""Two ways to let things happen at once, each thread with a connection of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connection, transaction

T = TypeVar("T")

# Seconds; longer than the database takes to find a deadlock.
PATIENCE = 30


def race(*racers: Callable[[], T]) -> list[T]:
    """Start all racers at once; return what each returned, or raise what one of them raised."""
    barrier = threading.Barrier(len(racers))

    def run(racer: Callable[[], T]) -> T:
        connection.ensure_connection()
        barrier.wait(PATIENCE)
        return racer()

    with ThreadPoolExecutor(len(racers)) as threads:
        return list(threads.map(_with_own_connection, [run] * len(racers), racers))


def overtake(
    late: Callable[[], T], act: Callable[[], object], then: Callable[[], object] = bool
) -> T:
    """
    Let ``act`` commit while ``late``, which has looked at the rows before, waits for them.

    ``then`` is done before the commit, when ``late`` waits. Return what ``late`` returned, or
    raise what it raised.
    """
    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            act()
            waiting = threads.submit(_with_own_connection, late)
            _wait_until_somebody_waits()
            assert not waiting.done()
            then()
        return waiting.result(PATIENCE)


def _with_own_connection(run: Callable[..., T], *arguments: object) -> T:
    try:
        return run(*arguments)
    finally:
        connection.close()


def _wait_until_somebody_waits() -> None:
    deadline = time.monotonic() + PATIENCE
    while not _is_somebody_waiting():
        assert time.monotonic() < deadline, "nobody waits for a lock"
        time.sleep(0.01)


def _is_somebody_waiting() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_stat_clear_snapshot(), count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool((cursor.fetchone() or (None, 0))[1])
