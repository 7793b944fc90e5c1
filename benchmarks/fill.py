"""Other people's sessions: the tables in which somebody's few are found and ended."""

from __future__ import annotations

import psycopg

from benchmarks.contenders import Contender
from benchmarks.rows import OWNER, SESSIONS, USERS, copy

ROWS = 1_000_000
PEOPLE = 10_000
# Of ours; a peer deletes what has ended, or knows only that it was blacklisted.
ACTIVE = "n % 4 = 0"

OF_PEERS = """
INSERT INTO auth_user (password, is_superuser, username, first_name, last_name, email, is_staff,
    is_active, date_joined)
SELECT '!', false, 'person' || n, '', '', 'person' || n || '@example.com', false, true, now()
FROM generate_series(1, {people}) AS n
"""
TOKENS = {
    "knox": """
INSERT INTO knox_authtoken (digest, token_key, user_id, created, expiry)
SELECT md5('a' || n) || md5('b' || n) || md5('c' || n) || md5('d' || n),
    substr(md5('a' || n), 1, 15),
    (SELECT min(id) FROM auth_user WHERE username = 'person1') + (n * 7919) % {people},
    now() - n * interval '1 second', now() + interval '10 days'
FROM generate_series(1::bigint, {rows}) AS n
""",
    "rotation": """
INSERT INTO token_blacklist_outstandingtoken (user_id, jti, token, created_at, expires_at)
SELECT (SELECT min(id) FROM auth_user WHERE username = 'person1') + (n * 7919) % {people},
    md5('a' || n), repeat(md5('b' || n), 8), now() - n * interval '1 second',
    now() + interval '1 day'
FROM generate_series(1::bigint, {rows}) AS n
""",
}


def fill(contender: Contender) -> None:
    """Write ROWS sessions of PEOPLE into the contender's database, unless they are there."""
    url = contender.environment()["DATABASE_URL"]
    if contender.ours:
        copy(url, "users", USERS, total=PEOPLE)
        facts = {"active": ACTIVE, "owner": OWNER.format(users=PEOPLE), "seen": "now()"}
        copy(url, "user_sessions", SESSIONS, total=ROWS, days=30, **facts)
        return
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        for statement in (OF_PEERS, TOKENS[contender.rig], "VACUUM ANALYZE"):
            connection.execute(statement.format(people=PEOPLE, rows=ROWS).encode())
