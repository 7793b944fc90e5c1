"""
A WebSocket that listens, from the standard library alone: as much of RFC 6455 as that takes.

For programs that may install packages ``examples/authsvc_client.py`` shows a better way.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import ssl
import struct
from typing import Self
from urllib.parse import urlsplit

TEXT, CLOSE, PING = 1, 8, 9


class Socket:
    """An open socket, for as long as its block lasts."""

    def __init__(self, url: str, token: str, *, timeout: float) -> None:
        """Shake hands; ConnectionRefusedError where nobody does."""
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        address = (str(parts.hostname), parts.port or (443 if secure else 80))
        self._connection = socket.create_connection(address, timeout)
        if secure:
            context = ssl.create_default_context()
            self._connection = context.wrap_socket(self._connection, server_hostname=parts.hostname)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {parts.path} HTTP/1.1",
            f"Host: {parts.netloc}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
            f"Authorization: Bearer {token}",
        ]
        self._connection.sendall("\r\n".join([*lines, "", ""]).encode())
        self._stream = self._connection.makefile("rb")
        status = self._stream.readline().split()[1:2]
        if status != [b"101"]:
            self._connection.close()
            raise ConnectionRefusedError(f"{url} has no sockets")
        while self._stream.readline().strip():
            continue

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._stream.close()
        self._connection.close()

    def hear(self) -> str:
        """Return the next message's type, and its reason if it has one; or "close" and the code."""
        while True:
            kind, content = self._frame()
            if kind == TEXT:
                message = json.loads(content)
                return " ".join([message["type"], *filter(None, [message.get("reason")])])
            if kind == CLOSE:
                return f"close {int.from_bytes(content[:2], 'big')}"
            if kind == PING:
                self._pong(content)

    def _frame(self) -> tuple[int, bytes]:
        first, length = struct.unpack("!BB", self._read(2))
        if length == 126:
            (length,) = struct.unpack("!H", self._read(2))
        return first & 0x0F, self._read(length)

    def _pong(self, content: bytes) -> None:
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[number % 4] for number, byte in enumerate(content))
        self._connection.sendall(struct.pack("!BB", 0x8A, 0x80 | len(content)) + mask + masked)

    def _read(self, count: int) -> bytes:
        found = self._stream.read(count)
        if len(found) < count:
            raise ConnectionError("The socket was cut.")
        return found
