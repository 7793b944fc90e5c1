"""
Whether the size of the table is felt: what each act on sessions costs among 10 thousand, 1 million
and 10 million of them.

    DATABASE_URL=postgres://postgres@127.0.0.1:5432/postgres python -m benchmarks.scale

makes a database for each size beside the one that DATABASE_URL names (``--sizes``), with twenty
sessions to a person over a hundred days, one in twenty of them active. The acts are those of
``accounts.services``, without HTTP and hashing. The sizes take turns in each round, so that what
else the machine does meets all of them. ``--indexes`` compares instead, at 1 million, the ways in
which a user's sessions can be found. Prints Markdown, and at ``--plans`` writes each statement's
plan; the databases are dropped (``--keep``).

The first round meets rows that are in no buffer of PostgreSQL's ("untouched"); in the later ones
they are of devices in use, and their pages have been written since the last checkpoint. WAL is the
server's: the median, as others write too. No commit waits for the disk: that takes as long at
every size, and would drown the rest. Where the machine is busy with other work compare the CPU
times, which is why PostgreSQL has to run on the same one.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from tqdm import tqdm

from benchmarks import scale_report
from benchmarks.contenders import DATABASE_URL, REDIS_URL
from benchmarks.rows import OWNER, SESSIONS, USERS, copy, database
from benchmarks.scale_acts import Round, use
from benchmarks.scale_figures import Figures

SIZES = (10_000, 1_000_000, 10_000_000)
DAYS = 100
SESSIONS_PER_USER = 20
# What is active was opened in the last 29 days: nothing is overdue.
WINDOW = 0.29
# Of those 12 in 69, which is 1 in 20 of all; and those of the people below.
ACTIVE = "n > {since} AND (abs(hashint8(n)::bigint) % 69 < 12 OR {special})"
SEEN = "greatest(begun, now() - interval '13 days' * (1 + n % 997) / 998)"


@dataclass(frozen=True)
class Group:
    """People with a known number of active sessions and of ended ones, on top of all others."""

    people: int
    held: int
    ended: int = 0


BY_SIZE = [Group(120, 1), Group(10, 100)]
# Beside 2,000 ended ones: what a plain index has to go through.
BY_INDEX = [*BY_SIZE, Group(20, 2, ended=2_000), Group(3, 10_000)]

PLAIN = "CREATE INDEX user_sessions_user ON user_sessions (user_id)"
VARIANTS = {
    "plain, 85": (85, PLAIN),
    "plain, 90": (90, PLAIN),
    "plain, 100": (100, PLAIN),
    "partial, 85": (85, f"{PLAIN} WHERE is_active"),
}
# Found again by their keys, without a look at their rows before they are measured.
NOTED = """
CREATE TABLE bench_people AS SELECT held, user_id, session.id AS session_id
FROM (SELECT held, bench_user(n) AS user_id FROM (VALUES {groups}) AS of (held, first, last),
    generate_series(first, last) AS n OFFSET 0) AS people
JOIN user_sessions AS session USING (user_id) WHERE session.is_active;
UPDATE users SET is_active = true WHERE NOT is_active
"""
# Goes through an index that is larger than PostgreSQL's buffers and leaves nothing else in them.
FORGET = """
SET enable_seqscan = off; SET enable_bitmapscan = off; SET max_parallel_workers_per_gather = 0;
SELECT count(*) FROM user_sessions WHERE id > '00000000-0000-0000-0000-000000000000'
"""


def main() -> int:
    """Fill, measure, print, drop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--indexes", action="store_true", help="compare indexes at 1 million")
    parser.add_argument("--rounds", type=int, default=20, help="the first of untouched rows")
    parser.add_argument("--plans", type=Path, help="a file for the plans of the last place")
    parser.add_argument("--keep", action="store_true", help="leave the databases there")
    options = parser.parse_args()
    os.environ.setdefault("DATABASE_URL", DATABASE_URL)
    os.environ.setdefault("REDIS_URL", REDIS_URL)
    os.environ["PGOPTIONS"] = "-c synchronous_commit=off"
    with contextlib.ExitStack() as stack:
        if options.indexes:
            places = by_index(stack, keep=options.keep)
        else:
            places = by_size(stack, options.sizes, keep=options.keep)
        found = measure(places, options.rounds, by_index=options.indexes)
    for part in ("times", "work", "writes", "ways"):
        print(getattr(scale_report, part)(found))
    if options.plans:
        options.plans.write_text(scale_report.plans(list(found.values())[-1]))
    return 0


def by_size(stack: contextlib.ExitStack, sizes: Sequence[int], *, keep: bool) -> dict[str, str]:
    """Return the URL of a filled database for each size."""
    places = {}
    for size in sizes:
        url = stack.enter_context(database(os.environ["DATABASE_URL"], f"scale_{size}", keep=keep))
        fill(url, size, BY_SIZE)
        places[f"{size:,}"] = url
    return places


def by_index(stack: contextlib.ExitStack, *, keep: bool) -> dict[str, str]:
    """Return the URL of a filled database for each variant of the index, alike but for that."""
    beside = os.environ["DATABASE_URL"]
    filled = stack.enter_context(database(beside, "scale_filled"))
    fill(filled, 1_000_000, BY_INDEX)
    template = urlsplit(filled).path.strip("/")
    places = {}
    for number, (label, (fillfactor, index)) in enumerate(VARIANTS.items()):
        name = f"scale_index_{number}"
        url = stack.enter_context(database(beside, name, template=template, keep=keep))
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in [
                f"ALTER TABLE user_sessions SET (fillfactor = {fillfactor})",
                "DROP INDEX user_sessions_user",
                "VACUUM FULL user_sessions",
                index,
                "VACUUM ANALYZE user_sessions",
            ]:
                connection.execute(statement.encode())
        places[label] = url
    return places


def measure(places: dict[str, str], rounds: int, *, by_index: bool) -> dict[str, Figures]:
    """Return what each act costs in each place."""
    found: dict[str, Figures] = {label: {} for label in places}
    with psycopg.connect(list(places.values())[-1], autocommit=True) as connection:
        connection.execute(FORGET)
    for number in tqdm(range(rounds), desc="rounds"):
        # In another order each time: what comes second finds the processor's caches as the first
        # left them.
        for label, url in random.sample(list(places.items()), len(places)):
            with use(url), Round(found[label], url, untouched=number == 0) as acts:
                acts.use_and_refresh()
                for group in BY_INDEX if by_index else BY_SIZE:
                    acts.sign_out(group.held, ended=group.ended)
                if not by_index:
                    acts.sign_in()
                    acts.sweep()
                if number == rounds - 1 and not by_index:
                    acts.prune()
    return found


def fill(url: str, size: int, groups: list[Group]) -> None:
    """Migrate the database and fill it; everybody's sessions are spread over its whole time."""
    from django.core.management import call_command

    with use(url):
        call_command("migrate", interactive=False, verbosity=0)
    users, since = size // SESSIONS_PER_USER, int(size * (1 - WINDOW))
    copy(url, "users", USERS, total=users + sum(group.people for group in groups))
    active = list(_places(since, size, users, [(each.people, each.held) for each in groups]))
    ended = list(_places(0, since, users, [(each.people, each.ended) for each in groups]))
    owner = " ".join(f"WHEN {condition} THEN {owner}" for condition, owner in active + ended)
    special = " OR ".join(condition for condition, _owner in active)
    facts = {
        "active": ACTIVE.format(since=since, special=special),
        "owner": f"CASE {owner} ELSE {OWNER.format(users=users)} END",
    }
    copy(url, "user_sessions", SESSIONS, total=size, days=DAYS, seen=SEEN, **facts)
    values = []
    for group in groups:
        values.append(f"({group.held}, {users + 1}, {users + group.people})")
        users += group.people
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(NOTED.format(groups=", ".join(values)).encode())


def _places(
    begin: int, end: int, users: int, groups: list[tuple[int, int]]
) -> Iterator[tuple[str, str]]:
    """
    Yield in SQL, for each group of people with so many rows each, which rows between ``begin`` and
    ``end`` these are, and whose each is: as far apart as the table allows.
    """
    wanted = sum(people * each for people, each in groups)
    for people, each in groups:
        if each:
            step = (end - begin) // wanted
            last, number = begin + people * each * step, f"(n - {begin} - 1)"
            yield (
                f"n > {begin} AND n <= {last} AND {number} % {step} = 0",
                f"{users + 1} + {number} / {step} % {people}",
            )
            begin, wanted = last, wanted - people * each
        users += people


if __name__ == "__main__":
    sys.exit(main())
