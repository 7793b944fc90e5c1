"""The people, sessions and events that fill a database, as they would have come in its life."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from tqdm import tqdm

# Rows per COPY.
BITE = 50_000

# A UUIDv7 of a given time, the same for the same number. Called immutable, which they nearly are,
# they would not be inlined, and a fill would take five times as long.
KEY = """
CREATE OR REPLACE FUNCTION bench_key(moment timestamptz, number bigint, kind text) RETURNS uuid
LANGUAGE sql STABLE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || '7'
        || substr(md5(kind || number), 1, 3) || '8' || substr(md5(kind || number), 4, 15))::uuid
$$;
CREATE OR REPLACE FUNCTION bench_user(number bigint) RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT bench_key('2025-01-01T00:00:00Z'::timestamptz + number * interval '1 second',
        number, 'user')
$$
"""
USERS = """
INSERT INTO users (id, password, is_superuser, email, name, locale, time_zone, avatar_url, is_staff,
    is_active, date_joined)
SELECT bench_user(n), '!', false, 'person' || n || '@' || (ARRAY['example.com', 'example.org',
    'mail.example.net'])[1 + n % 3], 'Person ' || n, '', '', '', false, n % 50 <> 0,
    '2025-01-01T00:00:00Z'::timestamptz + n * interval '1 second'
FROM generate_series({first}, {last}) AS n
"""
# ``active`` and ``owner`` are SQL about the number ``n``, ``seen`` about an active one.
SESSIONS = """
INSERT INTO user_sessions (id, user_id, is_active, client, device_name, device_id, ip_address,
    user_agent, created_at, last_seen_at, expires_at, ended_at, end_reason, ended_by_id,
    refresh_generation, used_generation)
SELECT bench_key(begun, n, 'session'), bench_user(owner), active,
    CASE WHEN n % 3 = 0 THEN 'browser' ELSE 'app' END, 'Pixel ' || n % 9, '',
    ('10.' || n % 200 || '.' || n / 7 % 250 || '.' || n / 91 % 250)::inet,
    'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0',
    begun, CASE WHEN active THEN {seen} ELSE begun END, begun + interval '30 days',
    CASE WHEN NOT active THEN begun + interval '1 hour' END,
    CASE WHEN active THEN '' ELSE (ARRAY['logout', 'logout_all', 'expired', 'replaced',
        'revoked', 'forced', 'limit'])[1 + n % 7] END,
    CASE WHEN active OR n % 7 <> 5 THEN '' ELSE bench_user(1 + n % 20)::text END, 1, 1
FROM (SELECT n, now() - ({total} - n) * interval '{days} days' / {total} AS begun,
    {active} AS active, {owner} AS owner
    FROM generate_series({first}::bigint, {last}) AS n OFFSET 0) AS numbered
"""
EVENTS = """
INSERT INTO audit_events (
    id, type, at, user_id, actor, actor_id, session_id, ip_address, user_agent,
    reason, count)
SELECT bench_key(moment, n, 'event'), type,
    moment, CASE WHEN n % 40 = 0 THEN '' ELSE bench_user(1 + (n * 7919) % {users})::text END,
    CASE type WHEN 'login.failed' THEN 'system' ELSE 'self' END, '',
    bench_key(moment, n, 'session'), ('10.' || n % 200 || '.' || n / 7 % 250 || '.1')::inet,
    'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0',
    CASE type WHEN 'session.ended' THEN (ARRAY['logout', 'logout_all', 'expired', 'replaced',
        'revoked', 'forced', 'limit'])[1 + n % 7] ELSE '' END,
    CASE type WHEN 'session.ended' THEN (1 + n % 3)::integer END
FROM (SELECT n, now() - ({total} - n) * interval '{days} days' / {total} AS moment,
    CASE WHEN n % 997 = 0 THEN 'token.reused' WHEN n % 9 < 4 THEN 'session.started'
        WHEN n % 9 < 7 THEN 'session.ended' ELSE 'login.failed' END AS type
    FROM generate_series({first}::bigint, {last}) AS n) AS numbered
"""
# Settings of the connection that writes, and the indexes that no constraint needs.
FAST = """
SET synchronous_commit = off;
SET session_replication_role = replica;
SET maintenance_work_mem = '512MB'
"""
INDEXES = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
WHERE indrelid = %s::regclass AND NOT indisunique
"""
# Whose session the number ``n`` is, unless somebody says otherwise.
OWNER = "1 + (n * 7919) % {users}"


@contextlib.contextmanager
def database(
    beside: str, name: str, *, template: str = "template1", keep: bool = False
) -> Iterator[str]:
    """Make a database beside the one of the URL; yield its URL, and drop it in the end."""
    name = f"bench_{name}_{os.getpid()}"
    names = {"name": sql.Identifier(name), "template": sql.Identifier(template)}
    with psycopg.connect(beside, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {name} TEMPLATE {template}").format(**names))
    try:
        yield urlsplit(beside)._replace(path=f"/{name}").geturl()
    finally:
        if not keep:
            with psycopg.connect(beside, autocommit=True) as connection:
                drop = sql.SQL("DROP DATABASE {name} WITH (FORCE)")
                connection.execute(drop.format(**names))


def copy(url: str, table: str, statement: str, *, total: int, **known: object) -> None:
    """
    Fill the table by COPY with the rows of a SELECT for the numbers 1 to ``total``.

    What PostgreSQL makes on one connection goes in over another. Foreign keys and triggers rest
    meanwhile, constraints hold, indexes are built in the end. The table is left analysed.
    """
    columns, select = statement.split("SELECT", 1)
    names = columns.split("INTO", 1)[1]
    with (
        psycopg.connect(url, autocommit=True) as source,
        psycopg.connect(url, autocommit=True) as target,
    ):
        source.execute(KEY)
        target.execute(FAST)
        indexes = target.execute(INDEXES, [table]).fetchall()
        for name, _definition in indexes:
            target.execute(f"DROP INDEX {name}".encode())
        with tqdm(total=total, desc=table, unit="rows", unit_scale=True) as bar:
            for first in range(1, total + 1, BITE):
                last = min(first + BITE - 1, total)
                query = "SELECT" + select.format(first=first, last=last, total=total, **known)
                _pipe(source, query, target, names)
                bar.update(last - first + 1)
        for _name, definition in indexes:
            target.execute(definition.encode())
        target.execute(f"VACUUM ANALYZE {table}".encode())


def _pipe(source: psycopg.Connection, query: str, target: psycopg.Connection, names: str) -> None:
    reading = f"COPY ({query}) TO STDOUT (FORMAT binary)".encode()
    writing = f"COPY {names} FROM STDIN (FORMAT binary)".encode()
    with source.cursor().copy(reading) as rows, target.cursor().copy(writing) as table:
        for block in rows:
            table.write(block)
