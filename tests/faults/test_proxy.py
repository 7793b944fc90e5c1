"""The proxy fails as it says: otherwise the other tests here would prove nothing."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from tests.faults.proxy import DRIP, GARBAGE, READ_ONLY, SLOWNESS, Proxy

TIMEOUT = 5.0


class Echo(socketserver.BaseRequestHandler):
    """Says what it hears."""

    def handle(self) -> None:
        """Serve one connection."""
        while data := self.request.recv(65_536):
            self.request.sendall(data)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """A proxy in front of a server that says what it hears."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        with Proxy(("127.0.0.1", server.server_address[1])) as proxy:
            yield proxy
        server.shutdown()
        thread.join()


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    """A connection through the proxy."""
    with connect(proxy) as client:
        yield client


def connect(proxy: Proxy) -> socket.socket:
    """Return a connection through the proxy."""
    return socket.create_connection(("127.0.0.1", proxy.port), TIMEOUT)


def ask(client: socket.socket, question: bytes = b"hello") -> bytes:
    """Return the first bytes of the answer."""
    client.sendall(question)
    return client.recv(65_536)


def test_it_passes_and_counts(proxy: Proxy, client: socket.socket) -> None:
    asked: list[str] = []
    proxy.on_request = lambda: asked.append(proxy.mode)

    assert [ask(client), ask(client, b"again")] == [b"hello", b"again"]

    assert (proxy.connections, proxy.requests, asked) == (1, 2, ["pass", "pass"])


def test_it_refuses_new_connections_and_closes_the_others(
    proxy: Proxy, client: socket.socket
) -> None:
    ask(client)
    proxy.mode = "refuse"

    assert client.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)

    proxy.mode = "pass"
    with connect(proxy) as other:
        assert ask(other) == b"hello"


def test_it_resets(proxy: Proxy, client: socket.socket) -> None:
    proxy.mode = "reset"

    with pytest.raises(ConnectionResetError):
        ask(client)


def test_it_hangs_until_it_does_not(proxy: Proxy, client: socket.socket) -> None:
    proxy.mode = "hang"
    client.settimeout(0.1)
    with pytest.raises(TimeoutError):
        ask(client)

    proxy.mode = "pass"
    client.settimeout(TIMEOUT)

    assert ask(client, b"only this") == b"only this"


def test_it_drips(proxy: Proxy, client: socket.socket) -> None:
    proxy.mode = "drip"
    before = time.monotonic()

    assert [ask(client, b"ab"), client.recv(65_536)] == [b"a", b"b"]

    assert time.monotonic() - before >= 2 * DRIP


def test_it_is_slow(proxy: Proxy, client: socket.socket) -> None:
    proxy.mode = "slow"
    before = time.monotonic()

    assert ask(client) == b"hello"

    assert time.monotonic() - before >= SLOWNESS


def test_it_speaks_another_protocol(proxy: Proxy, client: socket.socket) -> None:
    proxy.mode = "garbage"

    assert ask(client) == GARBAGE


def test_it_refuses_every_command_but_select(proxy: Proxy, client: socket.socket) -> None:
    proxy.mode = "read-only"

    commands = b"*2\r\n$6\r\nSELECT\r\n$1\r\n6\r\n" + 2 * b"*2\r\n$3\r\nDEL\r\n$1\r\na\r\n"

    assert ask(client, commands) == b"+OK\r\n" + 2 * READ_ONLY


def test_it_drops_connections_and_takes_new_ones(proxy: Proxy, client: socket.socket) -> None:
    ask(client)

    proxy.drop()

    assert client.recv(1) == b""
    with connect(proxy) as other:
        assert ask(other) == b"hello"


def test_it_closes_the_connection_of_a_client_whose_server_is_gone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gone = listener.getsockname()
    with Proxy(gone) as proxy, connect(proxy) as client:
        assert client.recv(1) == b""
