"""What the tests of sockets may ask for. The rows are committed: other threads ask for them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import pytest
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from accounts.ws import rows
from tests.people import Phone
from tests.ws.ears import Ear, Headers, Loop, bearer, ready

CHANNEL = f"accounts:sessions:{os.getpid()}"


@pytest.fixture(autouse=True)
def _own_channel(configure: Callable[..., None]) -> None:
    """Hear nothing of others who use the same Redis: a channel is not of one of its databases."""
    configure(notification_channel=CHANNEL)


@pytest.fixture
def loop(transactional_db: None) -> Iterator[Loop]:
    """The event loop that a process has."""
    loop = Loop()
    yield loop
    loop.close()
    for threads, number in ((rows.HANDSHAKES, 4), (rows.LOOKS, 2)):
        wait_until_idle(threads, number)


def wait_until_idle(threads: ThreadPoolExecutor, number: int) -> None:
    """Wait for the questions under way: they hold locks, and the tables are about to be emptied."""
    meeting = threading.Barrier(number)
    wait([threads.submit(meeting.wait) for _thread in range(number)])


@pytest.fixture
def open_ear(loop: Loop) -> Iterator[Callable[..., Ear]]:
    """Return a way to open a socket with any credentials, as ``Ear`` takes them."""
    ears: list[Ear] = []

    def open_(headers: Headers | None = None, **more: Any) -> Ear:
        ears.append(Ear(loop, headers, **more))
        return ears[-1]

    yield open_
    for ear in ears:
        ear.leaves()


@pytest.fixture
def ear_of(open_ear: Callable[..., Ear]) -> Callable[[Phone], Ear]:
    """Return a way to let a device listen; it has heard that it is."""

    def listen(phone: Phone) -> Ear:
        ear = open_ear(bearer(phone))
        assert ear.hears() == ready(phone.session)
        return ear

    return listen


@pytest.fixture
def browser_of(transactional_db: None) -> Callable[[User], Client]:
    """Return a browser that has just signed in."""

    def sign_in(user: User) -> Client:
        browser = Client()
        browser.force_login(user)
        return browser

    return sign_in


@pytest.fixture
def configure(settings: Settings) -> Callable[..., None]:
    """Return a way to change options of ACCOUNTS: ``configure(ws_messages=1)``."""

    def change(**options: object) -> None:
        settings.ACCOUNTS = {
            **settings.ACCOUNTS,
            **{name.upper(): value for name, value in options.items()},
        }

    return change


class Database:
    """
    What sockets have to do with the database: their questions, and what comes instead of answers.

    It is theirs alone: the tests' own connection goes on working.
    """

    def __init__(self) -> None:
        self.instead: Callable[[], None] = self.answers
        self.afterwards: Callable[[], None] = self.answers
        self.questions: list[str] = []
        self.error: type[Exception] = OperationalError

    def answers(self) -> None:
        """Be there."""

    def is_away(self) -> None:
        """Refuse connections."""
        raise self.error("connection refused")

    def is_asked_by(self, threads: str) -> bool:
        """Tell whether these threads ask just now: ``handshake``, ``look``, or either."""
        return threading.current_thread().name.startswith(f"accounts-ws-{threads}")

    def meet(self, connection: BaseDatabaseWrapper, **_signal: object) -> None:
        """Look at a connection that has just been opened."""
        if self.is_asked_by(""):
            self.instead()
            # Instead of adding: the same object is connected again and again.
            connection.execute_wrappers = [self._note]

    def _note(self, execute: Any, sql: str, *args: Any) -> Any:
        self.questions.append(sql)
        answer = execute(sql, *args)
        self.afterwards()
        return answer


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The database as the sockets see it."""
    monkeypatch.setattr(rows, "_warned_at", float("-inf"))
    database = Database()
    connection_created.connect(database.meet)
    yield database
    connection_created.disconnect(database.meet)
