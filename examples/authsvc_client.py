"""
A client for programs: it signs in, makes calls, listens for its end, and forgets everything then.

Threads may share it. Listening takes the package ``websockets``::

    client = Client("https://auth.example.com", signed_out=lambda reason: ...)
    client.sign_in("ada@example.com", password, "the build machine")
    client.listen()
    profile = client.call("GET", "/auth/profile")

    AUTHSVC_URL=... EMAIL=... PASSWORD=... python examples/authsvc_client.py    # to try it
"""

from __future__ import annotations

import json
import os
import random
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from queue import Queue
from typing import Any

from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection, connect

# Seconds.
TIMEOUT, FIRST_PAUSE, LONGEST_PAUSE = 10.0, 0.5, 30.0

Tokens = dict[str, str]


class CallFailed(Exception):
    """The server refused. ``code`` is for programs, the message for people."""

    def __init__(self, status: int, answer: dict[str, Any], retry_after: str | None) -> None:
        super().__init__(answer["message"])
        self.status, self.code, self.field = status, answer["code"], answer["field"]
        self.retry_after = int(retry_after) if retry_after else None


class _Session:
    """What there is of one signed-in device until its end."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = {name: tokens[name] for name in ("access_token", "refresh_token")}
        self.refreshing = threading.Lock()
        self.ended = threading.Event()
        self.socket: ClientConnection | None = None
        self.ear: threading.Thread | None = None


class Client:
    """
    One signed-in device. Tokens are kept in memory; ``keep`` is told them, and None at the end.

    ``signed_out(reason)`` and ``sessions_changed()`` are called in whichever thread finds out.
    """

    def __init__(
        self,
        url: str,
        *,
        signed_out: Callable[[str], object] = lambda reason: None,
        sessions_changed: Callable[[], object] = lambda: None,
        keep: Callable[[Tokens | None], object] = lambda tokens: None,
    ) -> None:
        self._url = url.rstrip("/")
        self._signed_out = signed_out
        self._sessions_changed = sessions_changed
        self._keep = keep
        self._lock = threading.Lock()
        self._session: _Session | None = None

    @property
    def is_signed_in(self) -> bool:
        """Whether there are tokens that nobody has refused."""
        return self._session is not None

    def sign_in(self, email: str, password: str, device: str) -> Any:
        """Sign this device in; return the user."""
        person = {"email": email, "password": password, "device_name": device}
        answer = self._send("POST", "/auth/login", person)
        self.resume(answer)
        return answer["user"]

    def resume(self, tokens: Tokens) -> None:
        """Go on with tokens that were kept; whatever session there was before is left alone."""
        before, self._session = self._session, _Session(tokens)
        if before is not None:
            self._stop(before)
        self._keep(self._session.tokens)

    def call(self, method: str, path: str, body: object = None) -> Any:
        """
        Make a call and return its data. An access token that has expired is exchanged on the way.

        Raise CallFailed when the server refused, OSError when nobody answered.
        """
        session = self._session
        if session is None:
            raise RuntimeError("Nobody is signed in.")
        tokens = session.tokens
        try:
            return self._send(method, path, body, tokens)
        except CallFailed as error:
            if error.code != "token_expired":
                raise self._judged(session, error) from None
        self._refresh(session, tokens)
        try:
            return self._send(method, path, body, session.tokens)
        except CallFailed as error:
            raise self._judged(session, error) from None

    def sign_out(self) -> None:
        """Sign out on every device. Raises when that was not done: the user is still signed in."""
        session = self._session
        if session is None:
            return
        try:
            self.call("POST", "/auth/logout")
        except (CallFailed, OSError):
            # Ended meanwhile: the refusal itself said so, or the socket did.
            if not session.ended.is_set():
                raise
        self._end(session, "logout_all")

    def listen(self) -> None:
        """Listen for the end of this session, and for the user's others, in a thread of its own."""
        session = self._session
        if session is not None and session.ear is None:
            session.ear = threading.Thread(target=self._listen, args=[session], daemon=True)
            session.ear.start()

    def _listen(self, session: _Session) -> None:
        tries = 0
        while not session.ended.is_set():
            tokens = session.tokens
            code, was_ready = self._hear(session)
            tries = 0 if was_ready else tries + 1
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(tries, 10))
            session.ended.wait(pause * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
            if code == 4401 and not session.ended.is_set():
                # Closed without a word of an end: the access token has expired. Who cannot be
                # asked now is asked again; that a socket is gone says nothing of the session.
                try:
                    self._refresh(session, tokens)
                except (CallFailed, OSError):
                    continue

    def _hear(self, session: _Session) -> tuple[int | None, bool]:
        """Listen until the socket is closed; return the code, and whether it was let in."""
        was_ready = False
        headers = {"Authorization": f"Bearer {session.tokens['access_token']}"}
        address = f"ws{self._url.removeprefix('http')}/ws/sessions"
        try:
            with connect(address, additional_headers=headers, open_timeout=TIMEOUT) as socket:
                session.socket = socket
                while not session.ended.is_set():
                    message = json.loads(socket.recv())
                    if message["type"] == "session.ended":
                        self._end(session, message["reason"])
                    elif message["type"] in {"ready", "sessions.changed"}:
                        # After "ready" too: something may have changed while nobody listened.
                        was_ready = True
                        self._sessions_changed()
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None, was_ready
        except (OSError, WebSocketException):
            return None, was_ready
        return None, was_ready

    def _refresh(self, session: _Session, used: Tokens) -> None:
        """Exchange the refresh token, unless another thread has while this one waited."""
        with session.refreshing:
            if session.tokens is not used:
                return
            try:
                answer = self._send(
                    "POST", "/auth/refresh", {"refresh_token": used["refresh_token"]}
                )
            except CallFailed as error:
                # Whatever the code: with this token there is no coming back.
                if error.status == 401:
                    self._end(session, error.code)
                raise
            session.tokens = {name: answer[name] for name in used}
            if not session.ended.is_set():
                self._keep(session.tokens)

    def _judged(self, session: _Session, error: CallFailed) -> CallFailed:
        """A 401 says that the session has ended; no other answer, and no silence, does."""
        if error.status == 401 and error.code != "token_expired":
            self._end(session, error.code)
        return error

    def _end(self, session: _Session, reason: str) -> None:
        """Forget the session and say so. A second time it does nothing."""
        with self._lock:
            if self._session is not session:
                return
            self._session = None
        self._stop(session)
        self._keep(None)
        self._signed_out(reason)

    def _stop(self, session: _Session) -> None:
        session.ended.set()
        if session.socket is not None and session.ear is not threading.current_thread():
            session.socket.close()

    def _send(
        self, method: str, path: str, body: object = None, tokens: Tokens | None = None
    ) -> Any:
        headers = {"Content-Type": "application/json"}
        if tokens:
            headers["Authorization"] = f"Bearer {tokens['access_token']}"
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, content, headers, method=method)
        try:
            response = urllib.request.urlopen(request, timeout=TIMEOUT)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            try:
                answer = json.load(response)
            except ValueError as error:
                raise ConnectionError("Something else than authsvc has answered.") from error
        if not answer["success"]:
            raise CallFailed(response.status, answer, response.headers["Retry-After"])
        return answer["data"]


def main() -> None:
    """Sign in and listen until somebody signs this device out."""
    over: Queue[str] = Queue()
    client = Client(
        os.environ["AUTHSVC_URL"],
        signed_out=over.put,
        sessions_changed=lambda: print("Look at GET /auth/sessions", flush=True),
    )
    client.sign_in(os.environ["EMAIL"], os.environ["PASSWORD"], "Python")
    client.listen()
    print(f"Signed out: {over.get()}")


if __name__ == "__main__":
    main()
