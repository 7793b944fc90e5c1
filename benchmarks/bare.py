"""
What a logout of 10 000 sessions costs over one bare UPDATE of them, among a million.

    python -m benchmarks.bare

makes a PostgreSQL database of its own beside BENCH_DATABASE_URL's, takes turns between the
service's ``end_sessions`` and the statement alone, each time with 10 000 new sessions, and prints
medians of the time that passes. The database is dropped.
"""

from __future__ import annotations

import os
import statistics
import time
from uuid import UUID

import psycopg

from benchmarks.contenders import DATABASE_URL
from benchmarks.fill import ACTIVE, PEOPLE, ROWS
from benchmarks.rig import set_up
from benchmarks.rows import OWNER, SESSIONS, USERS, copy, database

HELD, ROUNDS = 10_000, 9
OPEN = """
INSERT INTO user_sessions (id, user_id, is_active, client, device_name, device_id, user_agent,
    created_at, last_seen_at, expires_at, end_reason, ended_by_id, refresh_generation,
    used_generation)
SELECT bench_key(clock_timestamp(), n, 'bare' || random()), %s, true, 'app', 'Pixel', '', '', now(),
    now(), now() + interval '30 days', '', '', 1, 1
FROM generate_series(1, %s) AS n
"""
BARE = """
UPDATE user_sessions SET is_active = false, ended_at = now(), end_reason = 'logout_all'
WHERE user_id = %s AND is_active
"""


def main() -> None:
    """Measure in turns, and print."""
    with database(os.environ.get("BENCH_DATABASE_URL") or DATABASE_URL, "bare") as url:
        set_up(url)
        copy(url, "users", USERS, total=PEOPLE)
        facts = {"active": ACTIVE, "owner": OWNER.format(users=PEOPLE), "seen": "now()"}
        copy(url, "user_sessions", SESSIONS, total=ROWS, days=30, **facts)
        with psycopg.connect(url, autocommit=True) as connection:
            query = "SELECT id FROM users ORDER BY id LIMIT %s"
            people = [row[0] for row in connection.execute(query, [2 * ROUNDS])]
            found = measure(connection, people)
        from django.db import connections

        connections.close_all()
    ours, bare = (statistics.median(times) for times in found)
    print(f"end_sessions {ours:.1f} ms, one bare UPDATE {bare:.1f} ms: medians of {ROUNDS}")


def measure(connection: psycopg.Connection, people: list[UUID]) -> tuple[list[float], list[float]]:
    """Return the times in ms of the service and of the statement."""
    from accounts.models import User
    from accounts.services.owners import OwnSessions
    from accounts.services.sessions import EndReason, end_sessions

    ours, bare = [], []
    for one, other in zip(people[::2], people[1::2], strict=True):
        connection.execute(OPEN, [one, HELD])
        connection.execute(OPEN, [other, HELD])
        begun = time.perf_counter()
        end_sessions(OwnSessions(one), reason=EndReason.LOGOUT_ALL, actor=User(pk=one))
        ours.append((time.perf_counter() - begun) * 1e3)
        begun = time.perf_counter()
        connection.execute(BARE, [other])
        bare.append((time.perf_counter() - begun) * 1e3)
    return ours, bare


if __name__ == "__main__":
    main()
