"""
What the administration costs when there is much to administer: queries and time of each page.

    DATABASE_URL=postgres://postgres@127.0.0.1:5432/postgres python -m benchmarks.admin

makes a PostgreSQL database of its own beside the one that DATABASE_URL names, fills it with
1,000,000 sessions and 5,000,000 events (``--sessions``, ``--events``), asks for each page, and for
the dry runs of ``end_sessions``, five times, prints the number of queries and the slowest of the
five, and drops the database. Ends with 1 when one is over the goal: 12 queries, 500 ms.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from io import StringIO
from typing import Any

from django.core.management import call_command

from benchmarks.rig import set_up
from benchmarks.rows import EVENTS, OWNER, SESSIONS, USERS, copy, database

QUERIES, SECONDS, TRIES = 12, 0.5, 5
DAYS = 90
SESSIONS_PER_USER = 4
# Half of those of the last thirty days are active, and none of those before.
ACTIVE = "n % 2 = 0 AND n > {total} * 2 / 3"


def fill(url: str, *, sessions: int, events: int) -> None:
    """Write people, sessions and events, in order of time, as they would have come."""
    users = max(20, sessions // SESSIONS_PER_USER)
    copy(url, "users", USERS, total=users)
    facts = {"active": ACTIVE.format(total=sessions), "owner": OWNER.format(users=users)}
    copy(url, "user_sessions", SESSIONS, total=sessions, days=DAYS, seen="begun", **facts)
    copy(url, "audit_events", EVENTS, total=events, days=DAYS, users=users)


def pages() -> list[tuple[str, str]]:
    """Return each page and its path; what is sought exists in the middle of what there is."""
    from django.utils import timezone

    from accounts.models import UserSession

    user = UserSession.objects.active().order_by("pk")[7].user
    some = UserSession.objects.order_by("pk").values_list("pk", "ip_address")[5000]
    day = (timezone.localdate() - timedelta(days=45)).isoformat()
    return [
        ("front page, last 24 hours", "/admin/"),
        ("front page, last 14 days", "/admin/?period=fortnight"),
        *pages_of_sessions(user, *some, day),
        *pages_of_people(user),
        *pages_of_the_trail(user, some[0], day),
    ]


def pages_of_sessions(user: Any, key: Any, address: Any, day: str) -> list[tuple[str, str]]:
    """Return the pages about sessions: by each filter, each kind of search, and some of both."""
    sessions = "/admin/accounts/usersession/"
    return [
        ("sessions", sessions),
        ("sessions, page 20", f"{sessions}?p=20"),
        ("sessions, active", f"{sessions}?state=active"),
        ("sessions, active, page 20", f"{sessions}?state=active&p=20"),
        ("sessions, expired", f"{sessions}?state=expired"),
        ("sessions, ended", f"{sessions}?state=ended"),
        ("sessions, browsers", f"{sessions}?client__exact=browser"),
        ("sessions, ended by staff", f"{sessions}?end_reason__exact=forced"),
        ("sessions, ended by staff, page 20", f"{sessions}?end_reason__exact=forced&p=20"),
        ("sessions, none for a reason", f"{sessions}?end_reason__exact=incident"),
        ("sessions of a day", f"{sessions}?since={day}&until={day}"),
        ("sessions, one reason, up to a day", f"{sessions}?end_reason__exact=limit&until={day}"),
        ("sessions, two filters", f"{sessions}?state=expired&client__exact=app"),
        ("sessions of an address", f"{sessions}?q={user.email}"),
        ("sessions of many people", f"{sessions}?q=person1"),
        ("sessions of a part of a name", f"{sessions}?q=son+2499"),
        ("sessions of nobody", f"{sessions}?q=nobody-at-all"),
        ("sessions from an IP address", f"{sessions}?q={address}"),
        ("sessions from no IP address", f"{sessions}?q=203.0.113.200"),
        ("active sessions from an IP address", f"{sessions}?q={address}&state=active"),
        ("sessions by id", f"{sessions}?q={key}"),
        ("one session", f"{sessions}{key}/change/"),
        ("end all that match, asked", f"{sessions}end-matching/?q={address}"),
        ("end all that match, too many", f"{sessions}end-matching/?state=active"),
        ("end all that match, nobody", f"{sessions}end-matching/?q=203.0.113.200"),
        ("end all of a day", f"{sessions}end-matching/?since={day}&until={day}"),
    ]


def pages_of_people(user: Any) -> list[tuple[str, str]]:
    """Return the pages about people."""
    people = "/admin/accounts/user/"
    return [
        ("people", people),
        ("people, page 20", f"{people}?p=20"),
        ("people by address", f"{people}?q={user.email}"),
        ("people by a part of a name", f"{people}?q=son+2499"),
        ("people, inactive", f"{people}?is_active__exact=0"),
        ("people, staff", f"{people}?is_staff__exact=1"),
        ("people, superusers", f"{people}?is_superuser__exact=1"),
        ("one person", f"{people}{user.pk}/change/"),
        ("sign out one person, asked", f"{people}{user.pk}/sign-out/"),
    ]


def pages_of_the_trail(user: Any, session: Any, day: str) -> list[tuple[str, str]]:
    """Return the pages about events, and the files, of which the first bytes count."""
    trail = "/admin/accounts/auditevent/"
    return [
        ("trail", trail),
        ("trail, page 20", f"{trail}?p=20"),
        ("trail of a user", f"{trail}?q={user.pk}"),
        ("trail of an address", f"{trail}?q={user.email}"),
        ("trail of a session", f"{trail}?q={session}"),
        ("trail of an IP address", f"{trail}?q=10.7.7.1"),
        ("trail, one type", f"{trail}?type__exact=session.ended"),
        ("trail, a rare type", f"{trail}?type__exact=token.reused"),
        ("trail, none of a type", f"{trail}?type__exact=user.activated"),
        ("trail, none of an actor", f"{trail}?actor__exact=staff"),
        ("trail of a day", f"{trail}?since={day}&until={day}"),
        ("trail, one type of a day", f"{trail}?type__exact=token.reused&since={day}&until={day}"),
        ("trail of nobody", f"{trail}?q=nobody-at-all"),
        ("export, first bytes", f"{trail}export/csv/"),
        ("export of a type, first bytes", f"{trail}export/jsonl/?type__exact=token.reused"),
        ("export of nothing", f"{trail}export/csv/?actor__exact=staff"),
        ("export of a user", f"{trail}export/csv/?q={user.pk}"),
    ]


def commands() -> list[list[str]]:
    """Return the dry runs of an incident."""
    then = (datetime.now(UTC) - timedelta(days=10)).isoformat()
    return [
        ["--everybody"],
        ["--issued-before", then],
        ["--last-seen-before", then],
        ["--address", "10.7.0.0/16"],
        ["--user-agent", "Firefox"],
        ["--client", "app", "--user-agent", "nobody's"],
    ]


def measure() -> bool:
    """Ask for each page, print what it cost, and return whether all met the goal."""
    from django.test import Client

    from accounts.admin.ledger import ledger
    from accounts.models import User

    client = Client(SERVER_NAME="localhost")
    staff = User.objects.create_superuser("bench@example.com", secrets.token_urlsafe())
    client.force_login(staff)

    def look(path: str) -> None:
        # Each try is the first look of a process.
        ledger.forget()
        answer: Any = client.get(path)
        assert answer.status_code == 200, (path, answer.status_code)
        if answer.streaming:
            next(iter(answer))

    print(f"{'page':36} {'queries':>8} {'ms':>7}")
    fine = [report(name, partial(look, path)) for name, path in pages()]
    print(f"\n{'end_sessions, counting only':36} {'queries':>8} {'ms':>7}")
    for options in commands():
        out = StringIO()
        name = " ".join(part[:10] for part in options)
        fine.append(report(name, partial(call_command, "end_sessions", *options, stdout=out)))
    return all(fine)


def report(name: str, act: Callable[[], object]) -> bool:
    """Do it six times, print what the slowest of the last five cost; whether it met the goal."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    took, queries = [], 0
    act()
    for _try in range(TRIES):
        begun = time.perf_counter()
        with CaptureQueriesContext(connection) as asked:
            act()
        took.append(time.perf_counter() - begun)
        queries = max(queries, len(asked))
    is_fine = queries <= QUERIES and max(took) < SECONDS
    mark = "" if is_fine else "  over the goal"
    print(f"{name:36} {queries:8} {max(took) * 1000:7.0f}{mark}", flush=True)
    return is_fine


def main() -> int:
    """Fill, measure, drop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=5_000_000)
    options = parser.parse_args()
    with database(os.environ["DATABASE_URL"], "admin") as url:
        set_up(url, LOG_LEVEL="ERROR")
        fill(url, sessions=options.sessions, events=options.events)
        return 0 if measure() else 1


if __name__ == "__main__":
    sys.exit(main())
