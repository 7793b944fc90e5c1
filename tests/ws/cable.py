"""A cable between a client and a server on this machine, which can be cut, mended and jammed."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from typing import Self


class Cable:
    """
    Carries bytes to ``target`` and back.

    Cut, it drops its connections and refuses new ones; jammed, it takes bytes and carries none.
    ``connections`` were made so far.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._ends: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self.is_jammed = False
        self.connections = 0
        self.port = 0

    def __enter__(self) -> Self:
        self.mend()
        return self

    def __exit__(self, *_error: object) -> None:
        self.cut()

    def mend(self) -> None:
        """Carry again."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        self._begin(self._accept, self._listener)

    def cut(self) -> None:
        """Drop every connection and refuse new ones."""
        for end in [self._listener, *self._ends]:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def _begin(self, work: object, *args: socket.socket) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        with listener, contextlib.suppress(OSError):
            while True:
                near, _address = listener.accept()
                self.connections += 1
                self._ends.add(near)
                self._begin(self._carry, near)

    def _carry(self, near: socket.socket) -> None:
        with near, contextlib.suppress(OSError), socket.create_connection(self._target) as far:
            other = {near: far, far: near}
            while True:
                for end in select.select([near, far], [], [])[0]:
                    if not (data := end.recv(65_536)):
                        return
                    if not self.is_jammed:
                        other[end].sendall(data)
