"""The server of sockets alone, in the process of the tests: what one connection can cost."""

from __future__ import annotations

import contextlib
import runpy
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

import pytest
import uvicorn
from websockets.frames import Frame, Opcode

from accounts.models import User
from accounts.ws.urls import application
from authsvc import sockets
from authsvc.environment import BASE_DIR
from tests.people import Phone
from tests.ws.ears import Loop, ready, wait_for
from tests.ws.server import Wire
from tests.ws.test_server import assert_told, handshake

pytestmark = pytest.mark.django_db(transaction=True)

PhoneOf = Callable[..., Phone]


@dataclass
class Running:
    """A server that listens."""

    port: int

    def listens(self, phone: Phone) -> Wire:
        """Return the phone's socket, to be entered."""
        headers = {"Authorization": f"Bearer {phone.tokens['access_token']}"}
        return Wire(self.port, {"additional_headers": headers})

    def call(self, request: bytes = b"") -> socket.socket:
        """Connect, and say something at once."""
        wire = socket.create_connection(("127.0.0.1", self.port), 10)
        wire.sendall(request)
        return wire


@pytest.fixture
def start(loop: Loop) -> Iterator[Callable[..., Running]]:
    """Return a way to start a server, of the sockets or of another application."""
    with contextlib.ExitStack() as stack:

        def start_(app: Any = application) -> Running:
            server = uvicorn.Server(sockets.configure(app))
            listener = sockets.listen("127.0.0.1", 0)
            port = listener.getsockname()[1]
            serving = loop.start(server.serve(sockets=[listener]))
            stack.callback(lambda: wait_for(serving.done))
            stack.callback(setattr, server, "should_exit", True)
            assert wait_for(lambda: server.started)
            return Running(port)

        yield start_


def is_let_go(wire: socket.socket) -> bool:
    """Tell whether the server ends the connection; what it says before that is read."""
    with contextlib.suppress(ConnectionError):
        while wire.recv(65_536):
            continue
    return True


def frame(opcode: Opcode, content: bytes = b"", *, is_last: bool = True) -> bytes:
    """Return a client's frame."""
    return Frame(opcode, content, is_last).serialize(mask=True)


def announced(opcode: Opcode, length: int) -> bytes:
    """Return how a client's frame of this length begins (RFC 6455 section 5.2)."""
    return struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, length) + bytes(4)


def test_a_message_over_the_limit_is_refused_before_it_is_sent(
    start: Callable[..., Running], alice: User, phone_of: PhoneOf
) -> None:
    running, phone = start(), phone_of(alice)
    with running.listens(phone) as wire, running.listens(phone) as within:
        assert [wire.hears(), within.hears()] == [ready(phone.session)] * 2

        within.client.send("x" * 1024)
        wire.client.socket.sendall(announced(Opcode.BINARY, 1025))

        assert wire.hears() == 1009
        assert within.hears_nothing()


def test_a_message_is_not_larger_for_being_sent_in_parts(
    start: Callable[..., Running], alice: User, phone_of: PhoneOf
) -> None:
    phone = phone_of(alice)
    with start().listens(phone) as wire:
        assert wire.hears() == ready(phone.session)

        first = frame(Opcode.BINARY, bytes(1000), is_last=False)
        wire.client.socket.sendall(first + announced(Opcode.CONT, 25))

        assert wire.hears() == 1009


@pytest.mark.parametrize(
    ("first", "flood"),
    [
        (b"", frame(Opcode.PING)),
        (b"", frame(Opcode.PONG)),
        (frame(Opcode.TEXT, is_last=False), frame(Opcode.CONT, is_last=False)),
    ],
    ids=["pings", "pongs", "parts"],
)
def test_a_flood_of_what_the_consumer_does_not_see_closes_the_socket(
    start: Callable[..., Running], alice: User, phone_of: PhoneOf, first: bytes, flood: bytes
) -> None:
    phone = phone_of(alice)
    running = start()
    with running.listens(phone) as wire, running.listens(phone) as quiet:
        assert [wire.hears(), quiet.hears()] == [ready(phone.session)] * 2

        wire.client.socket.sendall(first + 101 * flood)

        assert wire.hears() == 1008
        assert quiet.hears_nothing()


def test_of_what_a_client_sends_little_is_kept_unread() -> None:
    with (
        sockets.listen("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as accepted,
    ):
        # Linux doubles what it is asked for.
        kept = accepted.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)

    assert kept <= 2 * 8192


def test_few_frames_in_a_long_time_are_no_flood(
    start: Callable[..., Running],
    alice: User,
    phone_of: PhoneOf,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sockets, "COUNTING", -1.0)
    phone = phone_of(alice)
    with start().listens(phone) as wire:
        assert wire.hears() == ready(phone.session)

        for _ in range(101):
            assert wire.client.ping().wait(10)

        assert wire.hears_nothing()


def test_who_goes_on_after_a_close_is_let_go(
    start: Callable[..., Running], alice: User, phone_of: PhoneOf
) -> None:
    running = start()
    # Without a credential: closed with 4401 as soon as it is opened.
    stranger = handshake(phone_of(alice)).replace(b"Authorization", b"X-Other")
    with running.call(stranger) as wire:
        heard = b""
        while struct.pack("!H", 4401) not in heard:
            heard += wire.recv(4096)

        wire.sendall(200 * frame(Opcode.PING))

        assert is_let_go(wire)


def test_a_client_that_reads_nothing_delays_nobody_and_is_let_go(
    start: Callable[..., Running], alice: User, phone_of: PhoneOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "CLOSE_PATIENCE", 0.5)
    phone, tablet = phone_of(alice), phone_of(alice)
    running = start()
    with running.listens(phone) as wire, running.call(handshake(tablet)) as stuck:
        assert wire.hears() == ready(phone.session)
        assert stuck.recv(12) == b"HTTP/1.1 101"

        phone.ok("post", "/auth/logout")

        assert_told(wire, phone, "logout_all")
        # It does not answer the close either.
        assert is_let_go(stuck)


def test_who_does_not_come_to_the_handshake_is_let_go(
    start: Callable[..., Running], alice: User, phone_of: PhoneOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "HANDSHAKE_PATIENCE", 0.3)
    phone = phone_of(alice)
    running = start()
    with (
        running.call() as silent,
        running.call(b"GET /ws/sessions HT") as halting,
        running.call(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET") as asking_for_something_else,
        running.listens(phone) as wire,
    ):
        assert wire.hears() == ready(phone.session)

        assert all(is_let_go(each) for each in (silent, halting, asking_for_something_else))

        assert wire.hears_nothing()


def test_who_speaks_before_the_answer_is_let_go(
    start: Callable[..., Running], alice: User, phone_of: PhoneOf
) -> None:
    started = threading.Event()

    async def waits(_scope: Any, receive: Any, _send: Any) -> None:
        await receive()
        started.set()
        assert (await receive())["type"] == "websocket.disconnect"

    with start(waits).call(handshake(phone_of(alice))) as wire:
        assert wait_for(started.is_set)

        wire.sendall(frame(Opcode.PING))

        assert is_let_go(wire)


@pytest.mark.parametrize(
    "more",
    [b"X-Long: " + 9000 * b"x" + b"\r\n", b"".join(b"X-%d: x\r\n" % n for n in range(150))],
    ids=["a long header", "many headers"],
)
def test_a_handshake_with_too_much_in_it_is_answered(
    start: Callable[..., Running], alice: User, phone_of: PhoneOf, more: bytes
) -> None:
    request = handshake(phone_of(alice))
    with start().call(request.removesuffix(b"\r\n") + more + b"\r\n") as wire:
        assert wire.recv(4096).startswith(b"HTTP/1.1 431 ")


def test_there_are_no_more_connections_than_the_server_takes(
    start: Callable[..., Running], alice: User, phone_of: PhoneOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "CONNECTIONS", 1)
    phone = phone_of(alice)
    running = start()
    with running.listens(phone) as wire, running.call() as another:
        assert wire.hears() == ready(phone.session)

        assert is_let_go(another)

        assert wire.hears_nothing()


def test_who_does_not_answer_a_ping_is_let_go(
    start: Callable[..., Running], alice: User, phone_of: PhoneOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "PING_INTERVAL", 0.2)
    monkeypatch.setattr(sockets, "PING_PATIENCE", 2.0)
    phone, tablet = phone_of(alice), phone_of(alice)
    running = start()
    with running.call(handshake(phone)) as gone, running.listens(tablet) as wire:
        assert wire.hears() == ready(tablet.session)

        assert is_let_go(gone)

        assert wire.hears_nothing()


def test_plain_http_is_told_to_upgrade_and_not_by_whom(start: Callable[..., Running]) -> None:
    http = HTTPConnection("127.0.0.1", start().port, timeout=10)
    with contextlib.closing(http):
        http.request("GET", "/healthz")
        answer = http.getresponse()

        assert answer.status == 426
        assert answer.headers["Upgrade"] == "websocket"
        assert {"Server", "Date"}.isdisjoint(answer.headers)


def test_the_server_itself_believes_no_proxy(start: Callable[..., Running]) -> None:
    seen: dict[str, Any] = {}

    async def looks(scope: Any, _receive: Any, send: Any) -> None:
        seen.update(scope)
        await send({"type": "websocket.close"})

    request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    key = b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    forged = b"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n\r\n"
    with start(looks).call(request + key + forged) as wire:
        assert is_let_go(wire)

    assert (seen["client"][0], seen["scheme"]) == ("127.0.0.1", "ws")


def test_as_a_program_it_listens_where_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    listening: list[tuple[Any, ...]] = []

    def run(server: uvicorn.Server, *, sockets: list[socket.socket]) -> None:
        [listener] = sockets
        with listener:
            listening.append((server.config.ws_max_size, *listener.getsockname()[:1]))

    monkeypatch.setenv("AUTHSVC_PROCESS", "")
    monkeypatch.setattr("logging.config.dictConfig", lambda config: None)
    monkeypatch.setattr(uvicorn.Server, "run", run)
    monkeypatch.setattr(sys, "argv", ["sockets", "::1", "0"])

    runpy.run_path(str(BASE_DIR / "authsvc" / "sockets.py"), run_name="__main__")

    assert listening == [(1024, "::1")]
