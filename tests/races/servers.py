"""Server processes as ``manage.py serve`` starts them, and a client that keeps its connection."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from typing import Any, Self
from unittest.mock import patch

from websockets.sync.client import connect

from authsvc import processes
from authsvc.environment import BASE_DIR
from tests.ports import free_port
from tests.races.acts import Tokens
from tests.ws.server import database_url

PATIENCE = 60.0
THREADS = 16
OPTIONS = (
    *("--interface", "wsgi", "--no-ws", "--workers", "1", "--blocking-threads", str(THREADS)),
    "authsvc.wsgi:application",
)


def web(*, host: str, port: int) -> list[str]:
    """Return the command of a server for HTTP."""
    return processes.granian(*OPTIONS, host=host, port=port)


class Server:
    """One server process on a port of its own, known to PostgreSQL as ``name``."""

    def __init__(self, name: str, command: Callable[..., list[str]]) -> None:
        self.name = name
        self.port = free_port()
        self._variables = {
            "DATABASE_URL": f"{database_url()}?application_name={name}",
            "DJANGO_SETTINGS_MODULE": "authsvc.settings",
            "LOG_LEVEL": "CRITICAL",
        }
        self._command = command(host="127.0.0.1", port=self.port)

    def with_(self, **variables: str) -> Self:
        """Change the environment of a server that has not been started."""
        self._variables |= variables
        return self

    def start(self) -> Self:
        """Start it; ``wait`` is for later, so that several can be started at a time."""
        with patch.dict(os.environ, self._variables):
            self.process: subprocess.Popen[bytes] = processes.start(self._command, cwd=BASE_DIR)
        return self

    def wait(self) -> Self:
        """Wait until it answers."""
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            assert self.process.poll() is None, "the server has ended"
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.05)
        return self

    def kill(self) -> None:
        """Let it die at once, with its workers."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Let it end."""
        processes.stop([self.process])

    def opens_socket(self, tokens: Tokens) -> str:
        """Open a socket with the access token; return what kind of message comes first."""
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        url = f"ws://127.0.0.1:{self.port}/ws/sessions"
        with connect(url, proxy=None, additional_headers=headers, open_timeout=PATIENCE) as wire:
            return str(json.loads(wire.recv(PATIENCE))["type"])

    def _answers(self) -> bool:
        http = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            http.request("GET", "/healthz")
            return http.getresponse().status > 0
        except (OSError, HTTPException):
            return False
        finally:
            http.close()


class Caller:
    """A client of one server, over one connection."""

    def __init__(self, server: Server) -> None:
        self._http = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._http.close()

    def call(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        """Make a call; return the status, 0 where no answer came, and the ``data``."""
        content = None if body is None else json.dumps(body)
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            self._http.request(method, path, content, headers)
            answer = self._http.getresponse()
            data = json.loads(answer.read())["data"]
        except (OSError, HTTPException):
            return 0, None
        return answer.status, data

    def ask(self, tokens: Tokens) -> int:
        """Ask for the profile with an access token; return the status."""
        return self.call("GET", "/auth/profile", Authorization=bearer(tokens))[0]

    def ask_with_cookie(self, cookie: str) -> int:
        """Ask for the profile with a browser's cookie; return the status."""
        return self.call("GET", "/auth/profile", Cookie=f"sessionid={cookie}")[0]

    def refresh(self, tokens: Tokens) -> tuple[int, Tokens]:
        """Refresh; return the status and what is held then."""
        body = {"refresh_token": tokens["refresh_token"]}
        status, data = self.call("POST", "/auth/refresh", body)
        return status, tokens | (data or {})

    def log_out(self, tokens: Tokens) -> int:
        """Log out everywhere; return the status."""
        return self.call("POST", "/auth/logout", Authorization=bearer(tokens))[0]


def bearer(tokens: Tokens) -> str:
    """Return the header's value."""
    return f"Bearer {tokens['access_token']}"
