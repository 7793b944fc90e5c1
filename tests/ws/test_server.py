"""Sockets over TCP, of a server in a process of its own."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.test import Client
from redis import Redis
from websockets.exceptions import ConnectionClosed, InvalidStatus

from accounts.models import User, UserSession
from authsvc import processes
from tests.people import Phone
from tests.ws.cable import Cable
from tests.ws.ears import CHANGED, ended, ready, wait_for
from tests.ws.server import Server, Wire, database_url, everything

pytestmark = pytest.mark.django_db(transaction=True)

PhoneOf = Callable[..., Phone]


@pytest.fixture
def server(transactional_db: None) -> Iterator[Server]:
    """Everything in one process, as ``manage.py run`` serves it."""
    with Server() as server:
        yield server


@pytest.fixture(params=[everything, processes.sockets], ids=["run", "serve"])
def either(request: pytest.FixtureRequest, transactional_db: None) -> Iterator[Server]:
    """A server of each kind: what clients see of it must be the same."""
    with Server(request.param) as server:
        yield server


def assert_told(wire: Wire, phone: Phone, reason: str) -> None:
    """Assert that the socket hears how its session ended, and is closed."""
    assert wire.hears() == ended(phone.session)
    assert wire.hears() == 4401
    assert phone.session.end_reason == reason


def test_a_logout_over_http_tells_every_socket_of_the_user(
    alice: User, bob: User, phone_of: PhoneOf, server: Server
) -> None:
    phone, tablet, bobs = phone_of(alice), phone_of(alice), phone_of(bob)
    with server.open(phone) as wire, server.open(tablet) as tablets, server.open(bobs) as other:
        assert wire.hears() == ready(phone.session)
        assert tablets.hears() == ready(tablet.session)
        assert other.hears() == ready(bobs.session)

        assert server.post("/auth/logout", phone) == 200

        assert_told(wire, phone, "logout_all")
        assert_told(tablets, tablet, "logout_all")
        assert other.hears_nothing()


def test_a_logout_of_one_device_is_news_to_the_others(
    alice: User, phone_of: PhoneOf, server: Server
) -> None:
    phone, tablet = phone_of(alice), phone_of(alice)
    with server.open(phone) as wire, server.open(tablet) as tablets:
        assert [wire.hears(), tablets.hears()] == [ready(phone.session), ready(tablet.session)]

        assert server.post("/auth/logout/current", phone) == 200

        assert_told(wire, phone, "logout")
        assert tablets.hears() == CHANGED
        assert tablets.hears_nothing()


def test_each_kind_of_credential_opens_a_socket_and_nothing_else_does(
    alice: User, phone_of: PhoneOf, either: Server
) -> None:
    phone, browser = phone_of(alice), Client()
    browser.force_login(alice)
    token, name = phone.tokens["access_token"], django_settings.SESSION_COOKIE_NAME
    cookie = {"Cookie": f"{name}={browser.cookies[name].value}"}
    site = f"http://127.0.0.1:{either.port}"
    row = UserSession.objects.get(client="browser")

    with (
        either.open(phone) as by_header,
        either.open(subprotocols=["authsvc.v1", f"bearer.{token}"]) as by_protocol,
        either.open(additional_headers=cookie, origin=site) as by_cookie,
        either.open() as stranger,
        either.open(additional_headers=cookie, origin="http://evil.example") as attacker,
        either.open(additional_headers=cookie) as without_origin,
        either.open(phone, path=f"/ws/sessions?token={token}") as in_url,
    ):
        assert by_header.hears() == ready(phone.session)
        assert by_protocol.hears() == ready(phone.session)
        assert by_protocol.client.subprotocol == "authsvc.v1"
        assert by_cookie.hears() == ready(row)
        refused = [stranger, attacker, without_origin, in_url]
        assert [wire.hears() for wire in refused] == [4401] * 4


def test_who_comes_back_is_told_what_happened_meanwhile(
    alice: User, phone_of: PhoneOf, either: Server
) -> None:
    phone = phone_of(alice)
    phone.ok("post", "/auth/logout")

    with either.open(phone) as wire:
        assert_told(wire, phone, "logout_all")


def test_there_is_no_socket_elsewhere(either: Server) -> None:
    elsewhere = either.open(path="/ws/elsewhere")

    with pytest.raises(InvalidStatus) as refused:
        elsewhere.__enter__()

    assert refused.value.response.status_code == 403


def test_floods_and_huge_frames_close_the_socket_that_sends_them(
    alice: User, phone_of: PhoneOf, either: Server
) -> None:
    phone = phone_of(alice)
    with (
        either.open(phone) as flooding,
        either.open(phone) as huge,
        either.open(phone) as enormous,
        either.open(phone) as quiet,
    ):
        for wire in (flooding, huge, enormous, quiet):
            assert wire.hears() == ready(phone.session)

        for _ in range(21):
            flooding.client.send("x")
        huge.client.send("x" * 100_000)
        # The server's own limit for a frame, which it does not read to its end.
        with contextlib.suppress(ConnectionClosed, OSError):
            enormous.client.send(b"x" * (20 * 1024 * 1024))
        with pytest.raises(ConnectionClosed):
            enormous.client.recv(10)

        assert flooding.hears() == 1008
        assert huge.hears() == 1009
        assert quiet.client.ping().wait(10)
        assert quiet.hears_nothing()


def test_a_client_that_reads_nothing_delays_nobody(
    alice: User, phone_of: PhoneOf, server: Server
) -> None:
    phone, tablet = phone_of(alice), phone_of(alice)
    address = ("127.0.0.1", server.port)
    with server.open(phone) as wire, socket.create_connection(address, 10) as stuck:
        assert wire.hears() == ready(phone.session)
        stuck.sendall(handshake(tablet))
        assert b"101" in stuck.recv(12)
        time.sleep(0.5)

        assert server.post("/auth/logout", phone) == 200

        assert_told(wire, phone, "logout_all")
        # It does not answer the close either, and is let go: what was sent, and then the end.
        with contextlib.suppress(ConnectionResetError):
            while stuck.recv(65_536):
                continue


def handshake(phone: Phone) -> bytes:
    """Return the request that opens a socket (RFC 6455 section 1.3)."""
    lines = [
        "GET /ws/sessions HTTP/1.1",
        "Host: 127.0.0.1",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        f"Authorization: Bearer {phone.tokens['access_token']}",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux")
def test_tcp_finds_out_a_client_that_left_without_a_word(
    alice: User, phone_of: PhoneOf, either: Server
) -> None:
    phone = phone_of(alice)
    with either.open(phone) as first, either.open(phone) as wire:
        assert [first.hears(), wire.hears()] == [ready(phone.session)] * 2
        ours, theirs = (
            f":{address[1]:04X}"
            for address in (wire.client.socket.getsockname(), wire.client.socket.getpeername())
        )

        def is_asked_for() -> bool:
            ends = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
            timers = [end[5] for end in ends if end[1].endswith(theirs) and end[2].endswith(ours)]
            # "02": a timer that asks whether the other end is there (proc_net_tcp of the kernel).
            # Before that, "01": what was sent is not acknowledged yet.
            return [timer[:2] for timer in timers] == ["02"]

        assert wait_for(is_asked_for)


def test_what_nobody_told_is_found_within_the_interval(
    alice: User, bob: User, phone_of: PhoneOf
) -> None:
    phone, bobs = phone_of(alice), phone_of(bob)
    server = Server(processes.sockets, ws_recheck_interval=1.0)
    with server, server.open(phone) as wire, server.open(bobs) as bobs_wire:
        assert [wire.hears(), bobs_wire.hears()] == [ready(phone.session), ready(bobs.session)]

        session = phone.session
        UserSession.objects.filter(pk=session.pk).update(
            is_active=False, ended_at=session.created_at, end_reason="incident"
        )

        assert_told(wire, phone, "incident")
        assert bobs_wire.hears_nothing()


@pytest.mark.redis
def test_a_server_of_sockets_alone_hears_what_another_process_does(
    alice: User, bob: User, phone_of: PhoneOf
) -> None:
    phone, tablet, bobs = phone_of(alice), phone_of(alice), phone_of(bob)
    server = Server(processes.sockets, ws_recheck_interval=600.0)
    with (
        server,
        server.open(phone) as wire,
        server.open(tablet) as tablets,
        server.open(bobs) as other,
    ):
        assert wire.hears() == ready(phone.session)
        assert tablets.hears() == ready(tablet.session)
        assert other.hears() == ready(bobs.session)

        phone.ok("post", "/auth/logout/others")

        assert_told(tablets, tablet, "logout_others")
        assert wire.hears() == CHANGED
        assert other.hears_nothing()
        assert server.post("/auth/logout", phone) == 426


@pytest.mark.redis
def test_a_redis_that_restarts_is_listened_to_again(alice: User, phone_of: PhoneOf) -> None:
    phone, tablet = phone_of(alice), phone_of(alice)
    location = django_settings.CACHES["default"]["LOCATION"]
    with Redis.from_url(location) as redis:
        place = redis.connection_pool.connection_kwargs
    with Cable((place["host"], place["port"])) as cable:
        server = Server(processes.sockets, ws_recheck_interval=600.0).with_(
            REDIS_URL=f"redis://127.0.0.1:{cable.port}/{place.get('db', 0)}"
        )
        with server, server.open(phone) as wire, server.open(tablet) as tablets:
            assert [wire.hears(), tablets.hears()] == [ready(phone.session), ready(tablet.session)]
            cable.cut()
            tablet.ok("post", "/auth/logout/current")
            assert tablets.hears_nothing()

            cable.mend()

            # What was missed meanwhile is looked for as soon as notices are heard again.
            assert_told(tablets, tablet, "logout")
            phone.ok("post", "/auth/logout")
            while (heard := wire.hears()) == CHANGED:
                continue
            assert heard == ended(phone.session)


@pytest.mark.postgres
def test_while_the_database_is_away_nobody_is_signed_out_and_nobody_forgotten(
    alice: User, bob: User, phone_of: PhoneOf
) -> None:
    phone, bobs = phone_of(alice), phone_of(bob)
    database = django_settings.DATABASES["default"]
    with Cable((database["HOST"], int(database["PORT"]))) as cable:
        server = Server(processes.sockets, ws_recheck_interval=0.5).with_(
            DATABASE_URL=database_url(cable)
        )
        with server, server.open(phone) as wire, server.open(bobs) as bobs_wire:
            assert [wire.hears(), bobs_wire.hears()] == [ready(phone.session), ready(bobs.session)]
            cable.cut()
            phone.ok("post", "/auth/logout")

            with server.open(bobs) as newcomer:
                assert newcomer.hears() == 1013
            assert wire.hears_nothing(1.5)
            cable.mend()

            assert_told(wire, phone, "logout_all")
            assert bobs_wire.hears_nothing()
            with server.open(bobs) as newcomer:
                assert newcomer.hears() == ready(bobs.session)


@pytest.mark.parametrize(
    ("command", "code"), [(everything, None), (processes.sockets, 1012)], ids=["run", "serve"]
)
def test_a_server_that_stops_lets_its_sockets_go_at_once(
    alice: User, phone_of: PhoneOf, command: Callable[..., list[str]], code: int | None
) -> None:
    phone = phone_of(alice)
    with contextlib.ExitStack() as stack:
        with Server(command) as server:
            wire = stack.enter_context(server.open(phone))
            assert wire.hears() == ready(phone.session)
            began = time.monotonic()

        # granian says no word of goodbye.
        assert wire.hears() == code
        assert time.monotonic() - began < 8


def test_what_strangers_send_to_the_sockets_is_not_logged(
    alice: User, phone_of: PhoneOf, capfd: pytest.CaptureFixture[str]
) -> None:
    phone = phone_of(alice)
    server = Server(processes.sockets).with_(LOG_LEVEL="DEBUG")
    with server, server.open(phone, path="/ws/sessions?secret=in-the-url") as in_url:
        assert in_url.hears() == ready(phone.session)
        with server.open(phone) as garbage:
            assert garbage.hears() == ready(phone.session)

            garbage.client.send(b"\xff", text=True)

            assert garbage.hears() == 1007

    logged = capfd.readouterr().err
    assert "in-the-url" not in logged
    assert "Traceback" not in logged
