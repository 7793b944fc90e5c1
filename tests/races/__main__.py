"""
``make races``: the races, the outages and the fleet in full, and the table of docs/reliability.md.

Needs PostgreSQL and Redis, where ``make test`` looks for them. It keeps to MINUTES, ten unless
told: a claim whose share is used up stops there, and the table says how many it did.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version

import psycopg
import pytest
import redis

from tests.races.course import Tally
from tests.run import DATABASE_URL, OURS, missing_services, spare_redis, url

# Seconds between two lines of progress.
PAUSE = 10.0
# Those that need most come last: they get what the others leave.
PLACES = (
    "tests/fuzz",
    *("tests/races/test_doors.py", "tests/races/test_sessions.py", "tests/faults/test_database.py"),
    *("tests/outages", "tests/fleet", "tests/races"),
)
PACKAGES = ("Django", "psycopg", "granian", "djangorestframework", "argon2-cffi")


class Full(Tally):
    """The full form: as many rounds as are claimed, as long as there is time."""

    is_full = True

    def __init__(self, minutes: float) -> None:
        # Its own, because pytest captures what tests write.
        self._terminal = os.fdopen(os.dup(sys.stderr.fileno()), "w", buffering=1)
        self.rows: list[tuple[str, str]] = []
        self._started = time.monotonic()
        self._until = self._started + 60 * minutes
        self._left = 1

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Count those who have to share the time."""
        self._left = sum("tally" in getattr(item, "fixturenames", ()) for item in session.items)

    def rounds(self, short: int, full: int) -> Iterator[int]:
        """Yield the rounds, and say now and then how far they are."""
        started = said = time.monotonic()
        enough = started + max(0.0, self._until - started) / max(1, self._left)
        self._left -= 1
        for number in range(full):
            yield number
            now = time.monotonic()
            if now > enough:
                self._say(f"        {number + 1} of {full} rounds, and no more time")
                return
            if now - said > PAUSE:
                self._say(f"        {number + 1} of {full} rounds")
                said = now

    def claim(self, promise: str, found: str) -> None:
        """Keep the row for the table."""
        super().claim(promise, found)
        took = time.monotonic() - self._started
        self._say(f"{took:5.0f} s  {promise}: {found}")
        self.rows.append((promise, found))

    def table(self) -> str:
        """Return the table, and where it was made."""
        lines = ["| Promise | Found |", "| --- | --- |"]
        lines += [f"| {promise} | {found} |" for promise, found in self.rows]
        return "\n".join([*lines, "", *self._where()])

    def _say(self, line: str) -> None:
        print(line, file=self._terminal)

    def _where(self) -> Iterator[str]:
        minutes = (time.monotonic() - self._started) / 60
        load = ", ".join(f"{average:.1f}" for average in os.getloadavg())
        yield f"{time.strftime('%Y-%m-%d')}, {minutes:.1f} minutes, {os.cpu_count()} cores"
        yield f"load at the end {load} (1, 5 and 15 minutes, other work of the machine included)"
        packages = (f"{name} {version(name)}" for name in PACKAGES)
        yield f"Python {platform.python_version()}, {', '.join(packages)}"
        yield f"PostgreSQL {postgresql_version()}, Redis {redis_version()}"


def postgresql_version() -> str:
    """Return what the server says it is."""
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        return str((connection.execute("SHOW server_version").fetchone() or ("",))[0])


def redis_version() -> str:
    """Return what the server says it is."""
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        return str(client.info("server")["redis_version"])


def main(arguments: list[str]) -> int:
    """Run them, or those that the arguments of pytest choose; print the table; return 0 or 1."""
    database_url, redis_url = url("DATABASE_URL", DATABASE_URL), spare_redis()
    if missing := missing_services(database_url, redis_url):
        print(f"make races needs both: {' and '.join(missing)}", file=sys.stderr)
        return 1
    for name in OURS:
        os.environ.pop(name, None)
    os.environ |= {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "AUTHSVC_ENV_FILE": ""}
    full, places = Full(float(os.environ.get("MINUTES") or 10)), arguments or PLACES
    options = ["--quiet", "--no-header", "-p", "no:randomly", "-p", "no:cacheprovider"]
    options += ["-o", "faulthandler_timeout=0"]
    status = pytest.main([*options, *places], plugins=[full])
    print(f"\n{full.table()}")
    return int(status != 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
