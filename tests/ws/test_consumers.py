from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from accounts.ws import consumers, relay, rows
from accounts.ws.urls import application
from tests.people import Phone
from tests.ws.conftest import Database
from tests.ws.ears import CHANGED, PATIENCE, Ear, Loop, bearer, ended, ready, wait_for

pytestmark = pytest.mark.django_db(transaction=True)

PhoneOf = Callable[..., Phone]
EarOf = Callable[[Phone], Ear]
Configure = Callable[..., None]


@pytest.mark.parametrize("message", ["x" * 1025, "ä" * 513, b"x" * 1025])
def test_a_message_that_is_too_large_closes_the_socket(
    alice: User, phone_of: PhoneOf, ear_of: EarOf, message: str | bytes
) -> None:
    phone = phone_of(alice)
    ear, other = ear_of(phone), ear_of(phone)

    ear.says(message)

    assert ear.hears() == 1009
    assert other.hears_nothing()


def test_small_messages_are_ignored(alice: User, phone_of: PhoneOf, ear_of: EarOf) -> None:
    ear = ear_of(phone_of(alice))

    ear.says("ping")
    ear.says("x" * 1024)
    ear.says(b"\x00")

    assert ear.hears_nothing()


def test_a_flood_of_messages_closes_the_socket(
    alice: User, phone_of: PhoneOf, ear_of: EarOf, configure: Configure
) -> None:
    configure(ws_messages=3)
    ear = ear_of(phone_of(alice))

    for _ in range(3):
        ear.says("x")
    was_patient = ear.hears_nothing()
    ear.says("x")
    ear.says("x")

    assert was_patient
    assert ear.hears() == 1008
    assert ear.hears_nothing()


def test_messages_are_counted_anew_after_a_while(
    alice: User,
    phone_of: PhoneOf,
    ear_of: EarOf,
    configure: Configure,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(consumers, "COUNTING", 0.0)
    configure(ws_messages=1)
    ear = ear_of(phone_of(alice))

    for _ in range(3):
        ear.says("x")

    assert ear.hears_nothing()


def test_a_client_that_does_not_answer_a_close_is_let_go(
    alice: User, phone_of: PhoneOf, ear_of: EarOf, monkeypatch: pytest.MonkeyPatch, loop: Loop
) -> None:
    monkeypatch.setattr(consumers, "CLOSE_PATIENCE", 0.1)
    phone = phone_of(alice)
    ear = ear_of(phone)

    phone.ok("post", "/auth/logout")

    assert ear.hears() == ended(phone.session)
    assert ear.hears() == 4401
    assert ear.is_over()
    assert len(loop.call(relay.of_this_process)) == 0


def test_a_client_that_has_left_is_forgotten(
    alice: User, phone_of: PhoneOf, ear_of: EarOf, loop: Loop
) -> None:
    ear = ear_of(phone_of(alice))
    before = len(loop.call(relay.of_this_process))

    ear.leaves()

    assert (before, len(loop.call(relay.of_this_process))) == (1, 0)


class Stuck:
    """A client that takes ``appetite`` messages of the server and no more."""

    def __init__(self, phone: Phone, appetite: int, error: type[Exception] | None = None) -> None:
        self._scope = {
            "type": "websocket",
            "path": "/ws/sessions",
            "query_string": b"",
            "headers": bearer(phone),
        }
        self.events: list[dict[str, Any]] = []
        self._appetite = appetite
        self._error = error
        self._input = [{"type": "websocket.connect"}]

    def listen(self) -> asyncio.Task[None]:
        """Begin, in the event loop."""
        return asyncio.create_task(application(self._scope, self._receive, self._send))

    async def _receive(self) -> dict[str, str]:
        if not self._input:
            await asyncio.Event().wait()
        return self._input.pop()

    async def _send(self, event: dict[str, Any]) -> None:
        if len(self.events) < self._appetite:
            self.events.append(event)
        elif self._error is not None:
            raise self._error
        else:
            await asyncio.Event().wait()


async def end_of(task: asyncio.Task[None]) -> str:
    """Return how the server's work for a client ended."""
    _done, waiting = await asyncio.wait([task], timeout=PATIENCE)
    assert not waiting
    return "cancelled" if task.cancelled() else "returned"


@pytest.mark.parametrize("error", [None, OSError, RuntimeError])
def test_a_slow_reader_is_dropped_and_delays_nobody(
    alice: User,
    phone_of: PhoneOf,
    ear_of: EarOf,
    configure: Configure,
    loop: Loop,
    error: type[Exception] | None,
) -> None:
    phone = phone_of(alice)
    # It takes the accept and "ready".
    stuck = loop.call(Stuck(phone, 2, error).listen)
    ear = ear_of(phone)
    configure(ws_send_timeout=timedelta(seconds=0.5))

    phone_of(alice)

    assert ear.hears() == CHANGED
    assert loop.run(end_of(stuck)) == "returned"
    assert len(loop.call(relay.of_this_process)) == 1


def test_one_that_takes_neither_its_end_nor_the_close_is_dropped(
    alice: User, phone_of: PhoneOf, ear_of: EarOf, configure: Configure, loop: Loop
) -> None:
    configure(ws_send_timeout=timedelta(seconds=0.1))
    phone = phone_of(alice)
    stuck = loop.call(Stuck(phone, 2).listen)
    ear = ear_of(phone)

    phone.ok("post", "/auth/logout")

    assert ear.hears() == ended(phone.session)
    assert loop.run(end_of(stuck)) == "returned"


def test_what_changes_while_a_client_is_slow_is_told_once(
    alice: User, phone_of: PhoneOf, loop: Loop, ear_of: EarOf
) -> None:
    phone = phone_of(alice)
    stuck = loop.call(Stuck(phone, 2).listen)
    ear = ear_of(phone)
    here = loop.call(relay.of_this_process)

    for _ in range(5):
        loop.call(here.heard, str(alice.pk))
        assert ear.hears() == CHANGED

    waiting = [len(socket._outbox) for socket in loop.call(here._of, [str(alice.pk)])]  # type: ignore[attr-defined]
    assert sorted(waiting) == [0, 1]
    assert not stuck.done()


def test_a_server_that_stops_ends_its_sockets(alice: User, phone_of: PhoneOf, loop: Loop) -> None:
    serving = loop.call(Stuck(phone_of(alice), 9).listen)

    loop.call(serving.cancel)

    assert loop.run(end_of(serving)) == "cancelled"


def test_a_server_that_stops_while_a_session_ends_waits_for_nobody(
    alice: User, phone_of: PhoneOf, ear_of: EarOf, loop: Loop
) -> None:
    phone = phone_of(alice)
    client = Stuck(phone, 9)
    serving = loop.call(client.listen)
    here = loop.call(relay.of_this_process)
    assert wait_for(lambda: len(client.events) == 2)

    def stop() -> None:
        serving.cancel()
        for socket in here._of([str(alice.pk)]):
            socket.tell_ended(rows.Ending(socket.session_id, "logout", timezone.now()))

    loop.call(stop)

    assert loop.run(end_of(serving)) == "cancelled"


def test_news_before_a_socket_is_ready_are_no_news(
    alice: User, phone_of: PhoneOf, open_ear: Callable[..., Ear], loop: Loop, database: Database
) -> None:
    phone = phone_of(alice)
    here = loop.call(relay.of_this_process)
    # While the row is asked for, the socket is known to the relay and not yet ready.
    database.instead = lambda: (
        loop.call(tell_changed, here, alice) if database.is_asked_by("handshake") else None
    )

    ear = open_ear(bearer(phone))

    assert ear.hears() == ready(phone.session)
    assert ear.hears_nothing()


def tell_changed(here: relay.Relay, user: User) -> None:
    """Tell the user's sockets that something changed."""
    for socket in here._of([str(user.pk)]):
        socket.tell_changed()


def test_plain_http_is_asked_to_upgrade(loop: Loop) -> None:
    sent: list[dict[str, Any]] = []

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    loop.run(application({"type": "http", "path": "/ws/sessions"}, None, send))

    assert sent[0]["status"] == 426
    assert (b"upgrade", b"websocket") in sent[0]["headers"]
    assert sent[1] == {"type": "http.response.body", "body": b""}
