"""A PostgreSQL that is away: it is told in time, left alone for a moment, and found again."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from django.db import DataError, OperationalError
from django.db.backends.postgresql.base import TIMESTAMPTZ_OID
from django.db.backends.postgresql.psycopg_any import BaseTzLoader
from psycopg.pq import Format

from authsvc import backends
from authsvc.postgresql import base
from tests.faults.proxy import Proxy

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(databases=[])]

Server = Callable[[], base.DatabaseWrapper]

SHORT, LONG = 0.1, 20.0


@pytest.fixture(autouse=True)
def _short_patience(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(base, "PATIENCE", SHORT)
    monkeypatch.setattr(base, "CHECK_PATIENCE", SHORT)
    monkeypatch.setattr(base, "TRUSTED", -1.0)
    monkeypatch.setattr(base, "BETWEEN_TRIES", SHORT / 2)
    monkeypatch.setattr(base.DeadlineConnection, "_patience", SHORT)
    monkeypatch.setattr(backends, "POOL_TIMEOUT", SHORT)
    base.rest.until = 0.0
    yield
    base.rest.until = 0.0


@pytest.fixture
def wire() -> Iterator[Proxy]:
    """What lies between the service and PostgreSQL."""
    default = settings.DATABASES["default"]
    with Proxy((default["HOST"] or "127.0.0.1", int(default["PORT"] or 5432))) as proxy:
        yield proxy


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, wire: Proxy) -> Iterator[Server]:
    """Make Django's connection as one thread of a server process has it."""
    monkeypatch.setenv("AUTHSVC_PROCESS", "server")
    default = settings.DATABASES["default"]
    place = {"HOST": "127.0.0.1", "PORT": wire.port, "NAME": "postgres"}
    configuration = default | backends.databases()["default"] | place
    made: list[base.DatabaseWrapper] = []

    def thread() -> base.DatabaseWrapper:
        made.append(base.DatabaseWrapper(configuration, alias="served"))
        return made[-1]

    yield thread
    for connection in made:
        connection.close()
    made[0].close_pool()


def ask(connection: base.DatabaseWrapper, sql: str = "SELECT 1") -> Any:
    """Answer as a request does: the connection goes back to the pool afterwards."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchone()[0]
    finally:
        connection.close()


def test_a_server_has_statements_ended_by_postgresql(server: Server) -> None:
    assert ask(server(), "SHOW statement_timeout") == "2300ms"


def test_a_query_that_is_never_answered_is_an_error(server: Server, wire: Proxy) -> None:
    connection = server()
    with connection.cursor() as cursor:
        wire.mode = "hang"

        with pytest.raises(OperationalError, match="timeout"):
            cursor.execute("SELECT 1")

    assert connection.connection.closed
    connection.close()


def test_a_query_that_fails_leaves_the_connection_open(server: Server) -> None:
    connection = server()
    with connection.cursor() as cursor, pytest.raises(OperationalError, match="canceling"):
        cursor.execute("SET statement_timeout = 1; SELECT pg_sleep(0.05)")

    assert not connection.connection.closed
    assert base.rest.until == 0.0
    connection.close()


def test_after_a_restart_no_request_gets_a_dead_connection(server: Server, wire: Proxy) -> None:
    first, second = server(), server()
    with first.cursor(), second.cursor():
        pass
    first.close()
    second.close()

    wire.drop()

    assert [ask(first), ask(second)] == [1, 1]


def test_while_nobody_answers_only_the_first_request_waits(server: Server, wire: Proxy) -> None:
    connection = server()
    wire.mode = "refuse"

    with pytest.raises(OperationalError, match="couldn't get a connection"):
        ask(connection)
    with pytest.raises(OperationalError, match="left alone"):
        ask(connection)


def test_the_database_is_found_again_when_its_rest_is_over(server: Server, wire: Proxy) -> None:
    connection = server()
    wire.mode = "refuse"
    with pytest.raises(OperationalError):
        ask(connection)

    wire.mode = "pass"
    base.rest.until = 0.0

    assert ask(connection) == 1


def test_a_connection_made_meanwhile_ends_the_rest(server: Server) -> None:
    connection = server()
    ask(connection)

    base.rest.begin()

    assert ask(connection) == 1


def test_a_connection_ends_the_rest_for_everybody(server: Server) -> None:
    first, second = server(), server()
    ask(first)
    base.rest.begin()

    with first.cursor():
        assert ask(second) == 1


def test_whoever_waits_when_the_database_is_back_gets_a_connection(
    server: Server, wire: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "PATIENCE", LONG)
    connection = server()
    connection.settings_dict["OPTIONS"]["pool"]["timeout"] = LONG
    wire.mode = "refuse"
    returning = threading.Timer(5 * SHORT, setattr, [wire, "mode", "pass"])
    returning.start()

    assert ask(connection) == 1

    returning.join()


def test_nobody_tries_for_nobody(server: Server, wire: Proxy) -> None:
    connection = server()
    wire.mode = "refuse"
    with pytest.raises(OperationalError):
        ask(connection)
    time.sleep(5 * SHORT)
    wire.mode = "pass"

    time.sleep(5 * SHORT)

    assert wire.connections == 0


def test_outside_the_pool_a_connection_executes_like_any_other(server: Server) -> None:
    parameters = server().get_connection_params()

    with base.DeadlineConnection.connect(**parameters) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_connection_in_use_a_moment_ago_is_not_asked(
    server: Server, wire: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "TRUSTED", 60.0)
    connection = server()
    ask(connection)
    ask(connection)
    costs = []

    for _time in range(5):
        before = wire.requests
        ask(connection)
        costs.append(wire.requests - before)

    # TCP may cut one request in two; a question of its own would make it two every time.
    assert min(costs) == 1


def test_a_connection_that_the_server_has_closed_is_replaced_however_fresh(
    server: Server, wire: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "TRUSTED", 60.0)
    connection = server()
    ask(connection)

    wire.drop()

    assert ask(connection) == 1
    assert wire.connections >= 2


def test_autocommit_is_turned_off_and_on_where_it_differs(server: Server) -> None:
    connection = server()

    with connection.cursor():
        connection.set_autocommit(False)
        assert not connection.get_autocommit()
        connection.rollback()
        connection.set_autocommit(True)

    assert ask(connection) == 1


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22 05:55:00.123456+00",
        "2026-11-22 05:55:00.5+00",
        "2026-11-22 05:55:00+00",
        "0001-01-01 00:00:00+00",
        "9999-12-31 23:59:59.999999+00",
    ],
)
def test_a_time_is_read_as_django_reads_it(server: Server, text: str) -> None:
    with server().cursor() as cursor:
        read = cursor.execute("SELECT %s::timestamptz", [text]).fetchone()[0]
        loader = cursor.adapters.get_loader(TIMESTAMPTZ_OID, Format.TEXT)

    psycopgs = BaseTzLoader(TIMESTAMPTZ_OID).load(text.encode())
    assert (read, loader) == (psycopgs.replace(tzinfo=dt.UTC), base.TimestampLoader)
    assert read.tzinfo == dt.UTC


def test_a_time_that_python_cannot_hold_is_an_error(server: Server) -> None:
    with server().cursor() as cursor:
        cursor.execute("SELECT 'infinity'::timestamptz")
        with pytest.raises(DataError, match="infinity"):
            cursor.fetchone()


def test_in_another_time_zone_django_reads_times_itself(
    server: Server,
) -> None:
    thread = server()
    thread.settings_dict = thread.settings_dict | {"TIME_ZONE": "Asia/Shanghai"}

    with thread.cursor() as cursor:
        read = cursor.execute("SELECT '2026-11-22 05:55:00+00'::timestamptz").fetchone()[0]

    assert read == dt.datetime(2026, 11, 22, 5, 55, tzinfo=dt.UTC)
    assert read.tzinfo == thread.timezone == ZoneInfo("Asia/Shanghai")
