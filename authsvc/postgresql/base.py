"""
What Django's backend and psycopg's pool leave open when PostgreSQL is away.

``statement_timeout`` ends what is slow, and TCP finds out a machine that is gone; neither helps
when packets are taken and never answered. So each wait has a deadline here. And after a failure
the database is left alone for a moment: otherwise the requests that queue up behind the waiting
ones would each wait in their turn, for far longer than the first.
"""

from __future__ import annotations

import datetime as dt
import select
import time
from typing import TYPE_CHECKING, Any, cast

import psycopg
from django.db.backends.postgresql import base
from django.db.backends.postgresql.psycopg_any import BaseTzLoader
from psycopg.adapt import AdaptersMap
from psycopg.pq import TransactionStatus
from psycopg_pool import PoolTimeout

if TYPE_CHECKING:
    from psycopg_pool import ConnectionPool

# Longer than any of the server's own timeouts, shorter than the three seconds of an answer.
PATIENCE = 2.6
CHECK_PATIENCE = 0.5
COOLDOWN = 0.5
BETWEEN_TRIES = 0.3
# For so many seconds after a check the next one goes without a question to the server.
TRUSTED = 1.0


class _Rest:
    """Until when nothing is asked of the database, and when somebody last wanted to."""

    until = 0.0
    wanted_at = 0.0

    def begin(self) -> None:
        self.until = time.monotonic() + COOLDOWN


rest = _Rest()


def connect_again(pool: ConnectionPool) -> None:
    """
    Try anew in a moment: the pool's ``reconnect_failed``.

    The pool gives up and leaves those who wait to their timeout; were all threads among them,
    nobody would try until then, however soon the database is back. Only an empty pool tries, and
    only for somebody: a server that is full is not pressed, and nobody's silence fills no log.
    """
    time.sleep(BETWEEN_TRIES)
    is_wanted = time.monotonic() - rest.wanted_at < PATIENCE
    if is_wanted and not pool.get_stats()["pool_size"]:
        # Of an empty pool it checks nothing; it lets it grow.
        pool.check()


class DeadlineConnection(psycopg.Connection[Any]):
    """A connection on which nothing is waited for longer than PATIENCE seconds."""

    _patience = PATIENCE
    _checked_at = 0.0

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for the server; OperationalError, and a closed connection, when it is too late."""
        try:
            return super().wait(gen, interval, self._patience if timeout is None else timeout)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                rest.begin()
                self.close()
            raise

    def execute(self, query: Any, *args: Any, **kwargs: Any) -> psycopg.Cursor[Any]:
        """
        Execute the query; the pool's own check, which is an empty one, with less patience.

        A connection that was in use a moment ago is not asked: a server that has closed it since
        has made its socket readable, which shows for nothing.

        Where one idle connection is found dead the others died with it: they are all replaced
        at once, not each by a request that has to wait for it.
        """
        if query != "":
            return super().execute(query, *args, **kwargs)
        if not self._is_doubtful():
            return cast("psycopg.Cursor[Any]", None)  # the pool does not look at it
        self._patience = CHECK_PATIENCE
        try:
            return super().execute(query, *args, **kwargs)
        except psycopg.Error:
            cast("ConnectionPool", self._pool).drain()
            raise
        finally:
            self._patience = PATIENCE

    def _is_doubtful(self) -> bool:
        now = time.monotonic()
        idle, self._checked_at = now - self._checked_at, now
        if idle > TRUSTED or self.closed:
            return True
        watch = select.poll()
        watch.register(self.fileno(), select.POLLIN)
        return bool(watch.poll(0))


class TimestampLoader(BaseTzLoader):  # type: ignore[misc]  # no types in the stubs
    """Reads a time in UTC, which Python itself does eight times as fast as psycopg and Django."""

    timezone = dt.UTC

    def load(self, data: Any) -> dt.datetime:
        """Return the time; what ``datetime`` cannot hold is told as ever."""
        try:
            return dt.datetime.fromisoformat(bytes(data).decode())
        except ValueError:
            return cast("dt.datetime", super().load(data))


class DatabaseWrapper(base.DatabaseWrapper):
    """The backend of the processes that answer requests; their connections come from a pool."""

    def get_connection_params(self) -> Any:
        """Return what a connection is opened with; nothing, once the pool knows it."""
        known: dict[str, Any] = self._connection_pools  # type: ignore[attr-defined]  # not in the stubs
        if self.alias in known:
            return {}
        found = super().get_connection_params()
        if self.timezone == dt.UTC:
            found["context"] = AdaptersMap(found["context"])
            found["context"].register_loader("timestamptz", TimestampLoader)
        return found

    def _set_autocommit(self, autocommit: bool) -> None:
        # psycopg waits for the connection also where there is nothing to change.
        if cast("psycopg.Connection[Any]", self.connection).autocommit != autocommit:
            super()._set_autocommit(autocommit)  # type: ignore[misc]  # unknown to the stubs

    def get_new_connection(self, conn_params: Any) -> Any:
        """Take a connection from the pool; OperationalError at once while the database rests."""
        rest.wanted_at = time.monotonic()
        if rest.wanted_at < rest.until and not self.pool.get_stats()["pool_available"]:
            raise psycopg.OperationalError("the database failed a moment ago and is left alone")
        try:
            connection = super().get_new_connection(conn_params)
        except PoolTimeout:
            rest.begin()
            raise
        rest.until = 0.0
        return connection
