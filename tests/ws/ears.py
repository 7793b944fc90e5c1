"""
Sockets in the process of the tests. An ``Ear`` is what a device of Alice's or Bob's listens with.

The sockets live in an event loop in a thread of its own, so that a test reads as any other: it
acts, and then asks what was heard.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from asgiref.testing import ApplicationCommunicator
from django.conf import settings
from django.test import Client

from accounts.models import UserSession
from accounts.ws.urls import application
from tests.people import Phone

Result = TypeVar("Result")
Headers = list[tuple[bytes, bytes]]

# Far longer than anything takes: a test that fails by it has not heard what it should have.
PATIENCE = 10.0
SILENCE = 0.3
CHANGED = {"type": "sessions.changed"}


def wait_for(condition: Callable[[], bool]) -> bool:
    """Tell whether ``condition`` comes true in time."""
    deadline = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


class Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        # A loop itself holds its tasks weakly: one that waits could be collected as garbage.
        self._tasks: list[asyncio.Task[Any]] = []
        started = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=[started], daemon=True)
        self._thread.start()
        started.wait()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return what ``work`` returns."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(2 * PATIENCE)

    def call(self, function: Callable[..., Result], *args: Any) -> Result:
        """Return what ``function`` returns when it is called in the loop."""

        async def work() -> Result:
            return function(*args)

        return self.run(work())

    def start(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Return ``work`` as a task that has begun."""
        task = self.call(asyncio.create_task, work)
        self._tasks.append(task)
        return task

    def close(self) -> None:
        """Cancel whatever runs, as a server does at its end."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _serve(self, started: threading.Event) -> None:
        async def until_stopped() -> None:
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            started.set()
            await self._stop.wait()

        asyncio.run(until_stopped())


class Ear:
    """A socket that was opened, with what the server answered to that."""

    def __init__(
        self,
        loop: Loop,
        headers: Headers | None = None,
        *,
        subprotocols: tuple[str, ...] = (),
        path: str = "/ws/sessions",
        scheme: str = "ws",
        host: str = "testserver",
        application: Any = application,
    ) -> None:
        self._loop = loop
        path, _mark, query = path.partition("?")
        scope = {
            "type": "websocket",
            "scheme": scheme,
            "path": path,
            "query_string": query.encode(),
            "headers": [(b"host", host.encode()), *(headers or [])],
            "subprotocols": list(subprotocols),
        }
        # Any: it has no types.
        self._socket: Any = loop.call(ApplicationCommunicator, application, scope)
        self._send("connect")
        answer = self._receive()
        self.is_accepted = answer["type"] == "websocket.accept"
        self.subprotocol = answer.get("subprotocol")

    def hears(self) -> Any:
        """Return the next message, or the code where it is a close."""
        event = self._receive()
        if event["type"] == "websocket.close":
            return event["code"]
        return json.loads(event["text"])

    def hears_nothing(self) -> bool:
        """Tell whether it stays silent for a moment."""
        return bool(self._loop.run(self._socket.receive_nothing(SILENCE)))

    def settles(self) -> None:
        """Hear whatever is still on its way."""
        while not self.hears_nothing():
            self.hears()

    def says(self, content: str | bytes) -> None:
        """Send a message."""
        kind = "text" if isinstance(content, str) else "bytes"
        self._send("receive", **{kind: content})

    def leaves(self) -> None:
        """Close it from the client's side."""
        self._send("disconnect", code=1000)
        assert self.is_over()

    def is_over(self) -> bool:
        """Tell whether the server lets go of it."""
        return self._loop.run(self._finish())

    def _send(self, what: str, **content: object) -> None:
        self._loop.run(self._socket.send_input({"type": f"websocket.{what}", **content}))

    def _receive(self) -> dict[str, Any]:
        event: dict[str, Any] = self._loop.run(self._socket.receive_output(PATIENCE))
        return event

    async def _finish(self) -> bool:
        await asyncio.wait([self._socket.future], timeout=PATIENCE)
        return bool(self._socket.future.done())


def bearer(phone: Phone) -> Headers:
    """Return the header of a native app."""
    return [(b"authorization", f"Bearer {phone.tokens['access_token']}".encode())]


def cookie(browser: Client, origin: str | None = "http://testserver") -> Headers:
    """Return the headers of a browser that has signed in, on a page of ``origin``."""
    value = browser.cookies[settings.SESSION_COOKIE_NAME].value
    headers = [(b"cookie", f"{settings.SESSION_COOKIE_NAME}={value}".encode())]
    return [*headers, (b"origin", origin.encode())] if origin else headers


def ready(session: UserSession) -> dict[str, str]:
    """Return what a socket hears first."""
    return {"type": "ready", "session_id": str(session.pk)}


def ended(session: UserSession) -> dict[str, str]:
    """Return what a socket hears when ``session``, as its row is now, has ended."""
    assert session.ended_at is not None
    return {
        "type": "session.ended",
        "session_id": str(session.pk),
        "reason": session.end_reason,
        "at": session.ended_at.isoformat().replace("+00:00", "Z"),
    }
