"""What is done to the sessions of one filled database, and what it costs there."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self
from unittest import mock
from urllib.parse import urlsplit

import psycopg

from benchmarks.rig import set_up
from benchmarks.scale_figures import Figure, Figures, explained, noted

CHECKS, BITES, PRUNED = 3, 20, 200
# Of the people with one session: who signs in again, and whose end nothing comes before.
SIGN_IN, UNSEEN = 30, 45
# What is written, not what is on disk: no commit waits for that.
LSN = "SELECT pg_current_wal_insert_lsn() - '0/0'"
FLUSH = "SELECT pg_stat_force_next_flush()"
UPDATES = """
SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'user_sessions'
"""
# As it was before the round, and last seen so long ago that the next use is noted. In several
# transactions: one that changed many rows of a page could not put them back beside each other.
UNDO = """
UPDATE user_sessions SET is_active = true, ended_at = NULL, end_reason = '', ended_by_id = '',
    refresh_generation = 1, used_generation = 1, rotated_at = NULL,
    last_seen_at = now() - interval '1 hour'
FROM bench_people WHERE user_sessions.id = session_id
    AND abs(hashtext(session_id::text)::bigint) %% 20 = %s
"""
LOGINS = """
DELETE FROM user_sessions WHERE user_id IN (SELECT user_id FROM bench_people)
    AND created_at > now() - interval '1 hour' AND id NOT IN (SELECT session_id FROM bench_people)
"""
PEOPLE = """
SELECT user_id, array_agg(session_id) FROM bench_people WHERE held = %s GROUP BY 1 ORDER BY 1
"""


@contextlib.contextmanager
def use(url: str) -> Iterator[None]:
    """Let Django's connection be one to this database; the first one is migrated, too."""
    from django.apps import apps

    if not apps.ready:
        set_up(url, REDIS_URL=os.environ["REDIS_URL"])
    from django.db import connection

    connection.close()
    connection.settings_dict["NAME"] = urlsplit(url).path.strip("/")
    try:
        yield
    finally:
        connection.close()


class Round:
    """One round of acts in the database in use."""

    def __init__(self, figures: Figures, url: str, *, untouched: bool) -> None:
        from django.db import connection

        from accounts.devices import Device

        connection.ensure_connection()
        backend = connection.connection.info.backend_pid
        self.schedstat = Path(f"/proc/{backend}/schedstat")
        self.figures, self.suffix = figures, ", untouched" if untouched else ""
        self.untouched = untouched
        self.admin = psycopg.connect(url, autocommit=True)
        self.device = Device("192.0.2.1", "okhttp/4.12.0", name="Pixel", id="")
        if not untouched:
            self.admin.execute("SET session_replication_role = replica")
            for part in range(20):
                self.admin.execute(UNDO, [part])
            self.admin.execute(LOGINS)
            # Else these updates would be counted among those that are measured.
            self.admin.execute(FLUSH)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.admin.close()

    def use_and_refresh(self) -> None:
        """Whoever has one session uses it, lists it and refreshes."""
        from accounts import tokens
        from accounts.models import UserSession
        from accounts.services.authentication import authenticate_access
        from accounts.services.sessions import rotate

        sessions = [_session(user, keys[0]) for user, keys in self._people(1)[SIGN_IN + UNSEEN :]]
        pairs = [tokens.issue(session) for session in sessions]
        checks = [partial(authenticate_access, pair.access_token) for pair in pairs]
        self.measure(f"check that notes the use{self.suffix}", checks)
        self.measure("check", checks * CHECKS)
        mine = [UserSession.objects.of(session.user_id) for session in sessions]
        self.measure("list", [partial(_list, sessions) for sessions in mine])
        self.measure(
            "refresh", [partial(rotate, pair.refresh_token, device=self.device) for pair in pairs]
        )

    def sign_in(self) -> None:
        """Some people sign in on a second device, after the password has been verified."""
        from accounts.models import User
        from accounts.services.sessions import open_session

        users = [User.objects.get(pk=user) for user, _keys in self._people(1)[:SIGN_IN]]
        acts = [partial(open_session, user, client="app", device=self.device) for user in users]
        self.measure("login", acts)

    def sign_out(self, held: int, *, ended: int = 0) -> None:
        """All people who hold so many sessions, beside ended ones, sign out everywhere."""
        from accounts.models import User
        from accounts.services.owners import OwnSessions
        from accounts.services.sessions import EndReason, end_sessions

        people = self._people(held)
        if held == 1:
            people = people[SIGN_IN:][: UNSEEN if self.untouched else None]
        acts = []
        for user, keys in people:
            one = partial(end_sessions, OwnSessions(user), device=self.device)
            actor = User(pk=user)
            acts.append(partial(one, reason=EndReason.LOGOUT_ALL, actor=actor, session_id=keys[0]))
        beside = f" beside {ended:,} ended" if ended else ""
        self.measure(f"logout of {held:,}{beside}{self.suffix}", acts)

    def sweep(self) -> None:
        """Look at what is overdue, oldest first, as each sign-in does."""
        from accounts.services import retention

        retention.watermark.rewind()
        self.measure("sweep, 200 rows looked at", [retention.sweep] * BITES)

    def prune(self) -> None:
        """Delete some of what ended long ago; can be done once."""
        from accounts.services import retention

        with mock.patch.object(retention, "PRUNING_BITE", PRUNED):
            bites = retention.prune_sessions()
            self.measure(f"prune, {PRUNED} rows deleted", [partial(next, bites)] * 5)

    def measure(self, name: str, acts: Sequence[Callable[[], object]]) -> None:
        """Do the acts, and add what they cost to the figures."""
        figure = self.figures.setdefault(name, Figure())
        before = self._updates()
        with noted() as statements:
            self._do(figure, acts[0])
        for act in acts[1:]:
            self._do(figure, act)
        after = self._updates()
        figure.statements = len(statements)
        figure.updates += after[0] - before[0]
        figure.hot += after[1] - before[1]
        figure.plans |= explained(statements)

    def _do(self, figure: Figure, act: Callable[[], object]) -> None:
        since = self._asked(LSN)[0]
        spent, begun = self._cpu(), time.perf_counter()
        act()
        figure.took.append((time.perf_counter() - begun) * 1e3)
        figure.cpu.append((self._cpu() - spent) / 1e6)
        figure.wal.append(int(self._asked(LSN)[0] - since))

    def _cpu(self) -> int:
        return time.process_time_ns() + int(self.schedstat.read_text().split()[0])

    def _updates(self) -> tuple[int, int]:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute(FLUSH)
        return self._asked(UPDATES)

    def _people(self, held: int) -> list[Any]:
        return self.admin.execute(PEOPLE, [held]).fetchall()

    def _asked(self, query: str) -> Any:
        return self.admin.execute(query.encode()).fetchone()


def _session(user: Any, key: Any) -> Any:
    """Return a session as it is in the database, without asking there."""
    from datetime import timedelta

    from django.utils import timezone

    from accounts.models import UserSession

    return UserSession(pk=key, user_id=user, expires_at=timezone.now() + timedelta(days=1))


def _list(sessions: Any) -> object:
    return list(sessions.active().recent_first())
