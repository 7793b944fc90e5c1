"""A real server over the database of the tests, and clients that speak to it over TCP."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable
from typing import Any, Self
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from django.db import connection
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from authsvc import processes
from authsvc.environment import BASE_DIR
from tests.people import Phone
from tests.ports import free_port
from tests.ws.cable import Cable
from tests.ws.conftest import CHANNEL
from tests.ws.ears import PATIENCE

START = 30.0


def database_url(cable: Cable | None = None) -> str:
    """Return where the database of the tests is; with a ``cable``, at the end of that."""
    place = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{place['NAME']}"
    host, port = (place["HOST"], place["PORT"]) if cable is None else ("127.0.0.1", cable.port)
    return f"postgres://{place['USER']}:{place['PASSWORD']}@{host}:{port}/{place['NAME']}"


def everything(*, host: str, port: int) -> list[str]:
    """Return the command of ``run``'s server, which has HTTP besides."""
    options = ("--interface", "asginl", "--workers", "1", "authsvc.asgi:application")
    return processes.granian(*options, host=host, port=port, grace=2)


class Server:
    """A server as the service starts it: of ``everything``, or of ``processes.sockets`` alone."""

    def __init__(self, command: Callable[..., list[str]] = everything, **options: object) -> None:
        self._environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.ws.server_settings",
            "DATABASE_URL": database_url(),
            "TEST_WS_OPTIONS": json.dumps({"notification_channel": CHANNEL, **options}),
        }
        self.port = free_port()
        self._command = command(host="127.0.0.1", port=self.port)

    def with_(self, **variables: str) -> Self:
        """Change the environment of a server that has not been started."""
        self._environment |= variables
        return self

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, cwd=BASE_DIR, env=self._environment)
        deadline = time.monotonic() + START
        while True:
            assert self._process.poll() is None, "the server ended by itself"
            assert time.monotonic() < deadline, "the server does not listen"
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.1)
            else:
                return self

    def __exit__(self, *_error: object) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE)

    def post(self, path: str, phone: Phone) -> int:
        """Make a call with the phone's access token; return the status."""
        headers = {"Authorization": f"Bearer {phone.tokens['access_token']}"}
        url = f"http://127.0.0.1:{self.port}{path}"
        try:
            with urlopen(Request(url, method="POST", headers=headers), timeout=PATIENCE) as answer:
                return int(answer.status)
        except HTTPError as error:
            with error:
                return error.code

    def open(self, phone: Phone | None = None, **more: Any) -> Wire:
        """Open a socket with the phone's access token."""
        if phone is not None:
            more["additional_headers"] = {"Authorization": f"Bearer {phone.tokens['access_token']}"}
        return Wire(self.port, more)


class Wire:
    """A socket over TCP, from the moment that its block is entered."""

    client: ClientConnection

    def __init__(self, port: int, options: dict[str, Any]) -> None:
        path = options.pop("path", "/ws/sessions")
        self._url = f"ws://127.0.0.1:{port}{path}"
        self._options = options
        self._closing = contextlib.ExitStack()

    def __enter__(self) -> Self:
        connecting = connect(self._url, proxy=None, open_timeout=PATIENCE, **self._options)
        self.client = self._closing.enter_context(connecting)
        return self

    def __exit__(self, *_error: object) -> None:
        self._closing.close()

    def hears(self) -> Any:
        """Return the next message, or the code where it is a close."""
        try:
            return json.loads(self.client.recv(PATIENCE))
        except ConnectionClosed as closed:
            return closed.rcvd and closed.rcvd.code

    def hears_nothing(self, seconds: float = 0.3) -> bool:
        """Tell whether it stays silent for a moment."""
        with pytest.raises(TimeoutError):
            self.client.recv(seconds)
        return True
