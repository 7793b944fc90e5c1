"""
``/ws/sessions``: what a socket hears of its session. Messages, each a JSON text::

    {"type": "ready", "session_id": "…"}
    {"type": "session.ended", "session_id": "…", "reason": "logout_all", "at": "…"}  then close 4401
    {"type": "sessions.changed"}

It is closed with::

    4401  no or bad credentials, or the session has ended
    1008  more messages than a client has reason to send
    1009  a message that is too large
    1013  the database cannot be asked, or there are too many sockets: try again later
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from functools import partial
from typing import Any, cast
from uuid import UUID

import orjson
from channels.generic.websocket import AsyncWebsocketConsumer

from accounts.conf import get_settings
from accounts.exceptions import ServiceUnavailable, TokenError
from accounts.ws import credentials, relay, rows

UNAUTHORIZED = 4401
POLICY_VIOLATION = 1008
TOO_LARGE = 1009
TRY_AGAIN_LATER = 1013

HANDSHAKE_PATIENCE = 10.0
# For a client's answer to a close: the end of the connection must not overtake what it was told.
CLOSE_PATIENCE = 5.0
# Over how many seconds messages are counted.
COUNTING = 10.0

Event = dict[str, Any]


class SessionConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """
    One open socket.

    Whatever it has to say goes through one queue, which a task empties that exists only as long
    as there is something to say. A client that does not take it in time is dropped, and has not
    delayed anybody else.
    """

    # None, even where the project has a layer for its own consumers.
    channel_layer_alias = ""

    session_id: UUID
    user_id: str

    def __init__(self) -> None:
        super().__init__()
        self._relay: relay.Relay | None = None
        self._outbox: deque[Event] = deque()
        self._delivery: asyncio.Task[None] | None = None
        self._ending: rows.Ending | None = None
        self._receiving: asyncio.Task[Any] | None = None
        self._is_closed = asyncio.Event()
        self._is_ready = self._is_leaving = self._is_dropped = False
        self._counting_since = 0.0
        self._received = 0

    async def __call__(self, scope: Event, receive: Any, send: Any) -> None:
        """Serve the socket until its end, whoever brings that about."""
        self._serving = cast("asyncio.Task[None]", asyncio.current_task())
        self._base_receive = receive
        try:
            await super().__call__(scope, self._receive, send)
        except asyncio.CancelledError:
            if not self._is_dropped:
                raise
        finally:
            if self._relay is not None:
                self._relay.remove(self)
            if self._delivery is not None:
                self._delivery.cancel()

    async def connect(self) -> None:
        """Accept, so that the client can be told why it is closed; then ask who it is."""
        request = credentials.request_of(self.scope)
        if get_settings().require_https and not request.is_secure():
            await self.close()
            return
        offered = self.scope.get("subprotocols", [])
        known = credentials.SUBPROTOCOL in offered
        await self.accept(credentials.SUBPROTOCOL if known else None)
        try:
            async with asyncio.timeout(HANDSHAKE_PATIENCE):
                await self._enter(await credentials.find_claim(request))
        except TokenError:
            self._leave(UNAUTHORIZED)
        except (ServiceUnavailable, TimeoutError):
            self._leave(TRY_AGAIN_LATER)

    async def _enter(self, claim: credentials.Claim | None) -> None:
        if claim is None:
            self._leave(UNAUTHORIZED)
            return
        self.session_id, self.user_id = claim.session_id, claim.user_id
        here = relay.of_this_process()
        if not here.add(self):
            self._leave(TRY_AGAIN_LATER)
            return
        # The row is asked after the relay has taken the socket in: an end that commits before the
        # question is seen by it, and the notice of a later one finds the socket.
        self._relay = here
        ending = await rows.ask(rows.HANDSHAKES, partial(credentials.judge, claim))
        if ending is not None:
            self._say_ended(ending)
            return
        self._say({"type": "ready", "session_id": self.session_id})
        self._is_ready = True
        if self._ending is not None:
            self._say_ended(self._ending)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Ignore what a client says, as long as it is little."""
        options = get_settings()
        now = time.monotonic()
        if now - self._counting_since > COUNTING:
            self._counting_since, self._received = now, 0
        self._received += 1
        content = (bytes_data or b"") if text_data is None else text_data.encode()
        if len(content) > options.ws_message_bytes:
            self._leave(TOO_LARGE)
        elif self._received > options.ws_messages:
            self._leave(POLICY_VIOLATION)

    def tell_changed(self) -> None:
        """Say that another of the user's sessions began or ended; once is enough."""
        if self._is_ready and _CHANGED not in self._outbox:
            self._put(_CHANGED)

    def tell_ended(self, ending: rows.Ending) -> None:
        """Say how the session ended, and close; a second time it does nothing."""
        if self._is_ready:
            self._say_ended(ending)
        else:
            # Whether the credential is good is still being asked.
            self._ending = ending

    def _say_ended(self, ending: rows.Ending) -> None:
        said = {"session_id": ending.session_id, "reason": ending.reason, "at": ending.at}
        self._say({"type": "session.ended", **said})
        self._leave(UNAUTHORIZED)

    def _say(self, content: Event) -> None:
        self._put(_text(content))

    def _leave(self, code: int) -> None:
        self._put({"type": "websocket.close", "code": code})
        self._is_leaving = True
        if self._receiving is not None:
            self._receiving.cancel()
            self._receiving = None

    def _put(self, event: Event) -> None:
        if self._is_leaving:
            return
        self._outbox.append(event)
        if self._delivery is None:
            self._delivery = asyncio.create_task(self._deliver())

    async def _receive(self) -> Event:
        """
        Wait for the client, but never while a close is on its way.

        granian, which serves ``run``, sends the close only when nobody waits for the client, as
        Channels always does. Where the server does not mind, nothing is lost by it.
        """
        if not self._is_leaving:
            self._receiving = task = asyncio.current_task()
            try:
                return cast("Event", await self._base_receive())
            except asyncio.CancelledError:
                # By ``_leave``, which has taken it back, unless it was the server too.
                if self._receiving is not None or task is None or task.uncancel():
                    raise
            finally:
                self._receiving = None
        await self._is_closed.wait()
        return cast("Event", await self._base_receive())

    async def _deliver(self) -> None:
        patience = get_settings().ws_send_timeout.total_seconds()
        try:
            while self._outbox:
                async with asyncio.timeout(patience):
                    await self.base_send(self._outbox.popleft())
        except (TimeoutError, OSError, RuntimeError):
            # Servers do not agree on what a connection that is gone raises.
            self._drop()
        if self._is_leaving:
            self._is_closed.set()
            await asyncio.sleep(CLOSE_PATIENCE)
            self._drop()
        self._delivery = None

    def _drop(self) -> None:
        """End the connection without the client's help."""
        self._is_dropped = True
        self._serving.cancel()


def _text(content: Event) -> Event:
    text = orjson.dumps(content, option=orjson.OPT_UTC_Z).decode()
    return {"type": "websocket.send", "text": text}


_CHANGED = _text({"type": "sessions.changed"})
