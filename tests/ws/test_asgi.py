from __future__ import annotations

import importlib
import json
import resource
import runpy
import socket
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from accounts.models import User
from authsvc.environment import BASE_DIR
from tests.people import Phone
from tests.ws.ears import Ear, bearer, ready

KEPT_ALIVE = (socket.SOL_SOCKET, socket.SO_KEEPALIVE)


@pytest.fixture
def asgi(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The module that a server imports, as it is before the first handshake."""
    monkeypatch.setenv("AUTHSVC_PROCESS", "")
    monkeypatch.setattr("logging.config.dictConfig", lambda config: None)
    return runpy.run_path(str(BASE_DIR / "authsvc" / "asgi.py"))


@pytest.fixture
def _few_descriptors() -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.usefixtures("_few_descriptors")
@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
def test_what_the_server_accepts_is_watched_and_may_be_many(asgi: dict[str, Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as other:
        asgi["watch_connections"]()
        with (
            socket.create_connection(listener.getsockname()),
            listener.accept()[0] as accepted,
        ):
            assert accepted.getsockopt(*KEPT_ALIVE) == 1
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30
            assert other.getsockopt(*KEPT_ALIVE) == 0

    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 1000


def test_where_the_system_cannot_be_asked_nothing_is_watched(
    asgi: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        asgi["watch_connections"]()

        assert listener.getsockopt(*KEPT_ALIVE) == 0


@pytest.mark.usefixtures("_few_descriptors")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["application", "sockets"])
def test_both_applications_have_the_sockets(
    asgi: dict[str, Any],
    alice: User,
    phone_of: Callable[..., Phone],
    open_ear: Callable[..., Ear],
    name: str,
) -> None:
    phone = phone_of(alice)

    ear = open_ear(bearer(phone), application=asgi[name])

    assert ear.hears() == ready(phone.session)


def test_a_server_of_the_tests_takes_options(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"ws_recheck_interval": 0.5, "ws_messages": 7}
    monkeypatch.setenv("TEST_WS_OPTIONS", json.dumps(options))

    accounts = importlib.import_module("tests.ws.server_settings").ACCOUNTS

    assert accounts["WS_RECHECK_INTERVAL"] == timedelta(seconds=0.5)
    assert accounts["WS_MESSAGES"] == 7
