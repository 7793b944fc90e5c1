"""
The server of ``/ws/`` in production: uvicorn, with bounds on what one connection can cost.

    python -m authsvc.sockets HOST PORT

A socket that is silent holds no buffer here; granian keeps 128 KiB for each. One that is not
silent must cost little as well, whoever it is: the kernel takes ``RECEIVED`` bytes at a time, a
message that is announced as larger than the consumer takes is refused before it is read, and more
frames of any kind than anybody has reason to send end the connection.

``Door`` and ``Wire`` change uvicorn's protocols, which promise nothing from one version to the
next: hence the narrow requirement.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from accounts.conf import get_settings
from authsvc.processes import BACKLOG, GRACE_OF_SERVERS, family_of

POLICY_VIOLATION = 1008

# Connections in all, with those that have not said yet what they want.
CONNECTIONS = 16_384
# Linux doubles it for its own needs. It bounds what a turn of the event loop reads of one client.
RECEIVED = 8192
HANDSHAKE_PATIENCE = 10.0
# For a client's answer to a close.
CLOSE_PATIENCE = 5.0
# Frames in so many seconds beside the messages that the consumer takes: pings, pongs, parts.
BESIDES, COUNTING = 80, 10.0
# Under the minute after which proxies lose their patience, and rare enough for a phone's battery.
PING_INTERVAL, PING_PATIENCE = 45.0, 20.0


class Door(H11Protocol):
    """A connection before the handshake; who does not come to that in time is let go."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Let it in unless there are too many."""
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS:
            transport.abort()
            return
        self.loop.call_later(HANDSHAKE_PATIENCE, self._let_go, transport)

    def _let_go(self, transport: asyncio.Transport) -> None:
        """End what is no socket by now: uvicorn itself waits for a request without end."""
        now = transport.get_protocol()
        if not (isinstance(now, Wire) and now.handshake_complete):
            transport.abort()


class Wire(WebSocketsSansIOProtocol):
    """A socket that cannot be flooded."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.close_timeout = CLOSE_PATIENCE
        self._counting_since = self.loop.time()
        self._received = 0
        self._limit = get_settings().ws_messages + BESIDES

    def data_received(self, data: bytes) -> None:
        """Take what has come; a client says nothing before the answer (RFC 6455 section 4.1)."""
        if self.handshake_initiated and not self.handshake_complete:
            self.transport.abort()
            return
        super().data_received(data)
        if not self.handshake_initiated:
            # A header too many or too long: uvicorn would not send the answer.
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    def handle_events(self) -> None:
        """
        Take the frames that have come, unless they are too many.

        Whichever they are: the consumer counts messages, but each ping is answered, and parts of a
        message are kept until the last of them, empty ones too, which no limit of size counts.
        """
        now = self.loop.time()
        if now - self._counting_since > COUNTING:
            self._counting_since, self._received = now, 0
        self._received += len(self.conn.events)
        if self._received <= self._limit:
            super().handle_events()
        elif self.conn.close_sent is None and self.handshake_complete:
            self.conn.fail(POLICY_VIOLATION)
            self.handle_parser_exception()
        else:
            self.transport.abort()


def configure(application: Any = "authsvc.asgi:sockets") -> uvicorn.Config:
    """Return how uvicorn serves the sockets; the import sets up Django, with its logging."""
    config = uvicorn.Config(
        application,
        http=Door,
        ws=Wire,
        loop="asyncio",
        lifespan="off",
        workers=1,
        backlog=BACKLOG,
        ws_ping_interval=PING_INTERVAL,
        ws_ping_timeout=PING_PATIENCE,
        # Messages are shorter than what a compressor for each socket takes.
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=GRACE_OF_SERVERS,
        # TRUSTED_PROXIES says whom to believe, and not who happens to connect from this machine.
        proxy_headers=False,
        server_header=False,
        date_header=False,
        access_log=False,
        log_config=None,
    )
    config.load()
    config.ws_max_size = get_settings().ws_message_bytes
    return config


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; what it accepts inherits how little is kept of each."""
    listener = socket.create_server((host, port), family=family_of(host), backlog=BACKLOG)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVED)
    return listener


if __name__ == "__main__":
    config = configure()
    uvicorn.Server(config).run(sockets=[listen(sys.argv[1], int(sys.argv[2]))])
