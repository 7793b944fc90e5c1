"""
A TCP proxy that stands in front of a server and fails in the ways networks and servers do.

Modes: ``pass``; ``refuse`` (nobody listens); ``reset`` (RST instead of an answer); ``hang`` (takes
the bytes and says nothing); ``drip`` (answers a byte at a time); ``slow`` (answers late);
``garbage`` (answers in another protocol); ``read-only`` (answers as a Redis replica does).
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Literal, Self

Mode = Literal["pass", "refuse", "reset", "hang", "drip", "slow", "garbage", "read-only"]

# Below the socket timeouts of the service, so that only a deadline for the whole act ends it.
DRIP = 0.1
SLOWNESS = 0.1
GARBAGE = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"
READ_ONLY = b"-READONLY You can't write against a read only replica.\r\n"
RST_ON_CLOSE = struct.pack("ii", 1, 0)


class Proxy:
    """
    Forwards to ``target`` as ``mode`` says.

    ``connections`` and ``requests`` came so far; ``on_request`` is called before each of the
    latter is forwarded.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._mode: Mode = "pass"
        self.connections = 0
        self.requests = 0
        self.on_request: Callable[[], object] = lambda: None
        self.port = 0

    def __enter__(self) -> Self:
        self._listen()
        return self

    def __exit__(self, *_error: object) -> None:
        self.mode = "refuse"
        for thread in self._threads:
            thread.join()

    @property
    def mode(self) -> Mode:
        """What happens to bytes from now on, on open connections too."""
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        before, self._mode = self._mode, mode
        if mode == "refuse" != before:
            _shut(self._listener)
            self.drop()
            self._accepting.join()
        elif before == "refuse" != mode:
            self._listen()

    def drop(self) -> None:
        """Close the open connections, as a restart of the server does."""
        with self._lock:
            for connection in self._open:
                _shut(connection)

    def _listen(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self.port = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def _accept(self) -> None:
        with self._listener:
            while True:
                try:
                    client, _address = self._listener.accept()
                except OSError:
                    return
                self.connections += 1
                thread = threading.Thread(target=self._serve, args=[client], daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            with self._lock:
                self._open.add(client)
            with contextlib.suppress(OSError), socket.create_connection(self._target) as server:
                # A connection that comes while the others are dropped is dropped too.
                while self._mode != "refuse" and self._carry(client, server):
                    pass
            with self._lock:
                self._open.discard(client)

    def _carry(self, client: socket.socket, server: socket.socket) -> bool:
        """Carry what is there in either direction; tell whether there may be more."""
        ready, _, _ = select.select([client, server], [], [])
        for source in ready:
            data = source.recv(65_536)
            if not data:
                return False
            if source is server:
                self._answer(client, data)
            elif not self._ask(client, server, data):
                return False
        return True

    def _ask(self, client: socket.socket, server: socket.socket, data: bytes) -> bool:
        self.requests += 1
        self.on_request()
        match self._mode:
            case "reset":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)
                return False
            case "hang":
                pass
            case "garbage":
                client.sendall(GARBAGE)
            case "read-only":
                client.sendall(_refusals(data))
            case _:
                server.sendall(data)
        return True

    def _answer(self, client: socket.socket, data: bytes) -> None:
        if self._mode == "drip":
            for byte in data:
                time.sleep(DRIP)
                client.sendall(bytes([byte]))
            return
        if self._mode == "slow":
            time.sleep(SLOWNESS)
        client.sendall(data)


def _refusals(data: bytes) -> bytes:
    """Return one answer for each command in ``data``; SELECT is allowed to a reader."""
    commands = (b"\r\n" + data).split(b"\r\n*")[1:]
    return b"".join(b"+OK\r\n" if b"SELECT" in command else READ_ONLY for command in commands)


def _shut(connection: socket.socket) -> None:
    """Wake up whoever waits for ``connection``; its owner closes it."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
