"""``examples/authsvc.mjs`` and ``examples/authsvc_client.py``: whole clients, in both languages."""

from __future__ import annotations

import datetime as dt
import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.signals import request_started
from django.utils import timezone
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from accounts import tokens
from accounts.models import User, UserSession
from tests.examples.talking import CLIENTS, LISTENING, Talking
from tests.people import PASSWORD, Phone
from tests.ws.server import Server

# Without node there is nothing to run; where everything must be there, it fails.
HERE = [
    client
    for client, (program, *_arguments) in CLIENTS.items()
    if shutil.which(program) or os.environ.get("REQUIRE_SERVICES") == "1"
]
PROFILE = ["call", "GET", "/auth/profile"]
FORGOTTEN = ["keep", None]


def tokens_of(phone: Phone, *, age: dt.timedelta = dt.timedelta(0)) -> dict[str, str]:
    """Return what an app keeps of a device that got its tokens ``age`` ago."""
    pair = tokens.issue(phone.session, now=timezone.now() - age)
    return {"access_token": pair.access_token, "refresh_token": pair.refresh_token}


@pytest.fixture
def phone(transactional_db: None, alice: User, phone_of: Callable[..., Phone]) -> Phone:
    """A device of Alice's."""
    return phone_of(alice)


@pytest.fixture
def calls() -> Iterator[list[str]]:
    """The paths that the server of this process is asked for."""
    paths: list[str] = []

    def note(*, environ: dict[str, Any], **_signal: object) -> None:
        paths.append(environ["PATH_INFO"])

    request_started.connect(note)
    yield paths
    request_started.disconnect(note)


@pytest.mark.parametrize("client", HERE)
class TestTheClient:
    def test_signs_in_calls_and_signs_out_on_every_device(
        self, live_server: LiveServer, phone: Phone, alice: User, bob: User, client: str
    ) -> None:
        bobs = Phone().sign_in(bob)
        with Talking(client, live_server.url) as app:
            kept, (done, user) = app.does("signIn", alice.email, PASSWORD, "desk")
            profile = app.does(*PROFILE)
            out = app.does("signOut")
            again = app.does("signOut")

        assert (kept[0], set(kept[1])) == ("keep", {"access_token", "refresh_token"})
        assert (done, user) == (
            "done",
            {"id": str(alice.pk), "email": alice.email, "name": "Alice"},
        )
        assert profile[0][1]["email"] == alice.email
        assert out == [FORGOTTEN, ["signed out", "logout_all"], ["done", None]]
        assert again == [["done", None]]
        assert not phone.is_signed_in
        assert bobs.is_signed_in

    def test_says_that_a_password_is_wrong(
        self, live_server: LiveServer, alice: User, client: str
    ) -> None:
        with Talking(client, live_server.url) as app:
            assert app.does("signIn", alice.email, "wrong", "desk") == [
                ["failed", "invalid_credentials"]
            ]

    def test_refreshes_once_for_all_that_wait(
        self, live_server: LiveServer, phone: Phone, calls: list[str], client: str
    ) -> None:
        hour_old = tokens_of(phone, age=dt.timedelta(hours=1))
        with Talking(client, live_server.url) as app:
            app.does("resume", hour_old)
            kept, (done, profiles) = app.does("many", 8, *PROFILE[1:])

        assert calls.count("/auth/refresh") == 1
        assert (done, len(profiles)) == ("done", 8)
        assert kept[0] == "keep"
        assert kept[1]["access_token"] != hour_old["access_token"]
        assert phone.session.refresh_generation == 2

    def test_signs_out_with_an_access_token_that_has_expired(
        self, live_server: LiveServer, phone: Phone, alice: User, client: str
    ) -> None:
        laptop = Phone("laptop").sign_in(alice)
        with Talking(client, live_server.url) as app:
            app.does("resume", tokens_of(phone, age=dt.timedelta(hours=1)))
            said = app.does("signOut")

        assert said[1:] == [FORGOTTEN, ["signed out", "logout_all"], ["done", None]]
        assert not laptop.is_signed_in

    @pytest.mark.parametrize("age", [dt.timedelta(0), dt.timedelta(hours=1)])
    @pytest.mark.parametrize(("act", "ending"), [(PROFILE, "failed"), (["signOut"], "done")])
    def test_forgets_everything_where_its_session_has_ended(
        self,
        live_server: LiveServer,
        phone: Phone,
        alice: User,
        client: str,
        age: dt.timedelta,
        act: list[str],
        ending: str,
    ) -> None:
        held = tokens_of(phone, age=age)
        Phone("laptop").sign_in(alice).ok("post", "/auth/logout")
        with Talking(client, live_server.url) as app:
            app.does("resume", held)
            said = app.does(*act)
            again = app.does(*PROFILE)

        assert said[:-1] == [FORGOTTEN, ["signed out", "session_ended"]]
        assert said[-1][0] == ending
        assert again == [["failed", "no answer"]]

    def test_stays_signed_in_when_the_server_refuses_to_sign_it_out(
        self, live_server: LiveServer, phone: Phone, settings: Settings, client: str
    ) -> None:
        settings.ACCOUNTS = settings.ACCOUNTS | {"REQUIRE_HTTPS": True}
        with Talking(client, live_server.url) as app:
            app.does("resume", tokens_of(phone))
            refused = app.does("signOut")
            settings.ACCOUNTS = settings.ACCOUNTS | {"REQUIRE_HTTPS": False}
            done, _profile = app.does(*PROFILE)[0]

        assert refused == [["failed", "https_required"]]
        assert done == "done"

    def test_stays_signed_in_when_nobody_answers(self, phone: Phone, client: str) -> None:
        with Talking(client, "http://127.0.0.1:9") as app:
            app.does("resume", tokens_of(phone))

            assert app.does("signOut") == [["failed", "no answer"]]
            assert app.does("signOut") == [["failed", "no answer"]]


@pytest.mark.slow
@pytest.mark.parametrize("client", LISTENING)
class TestListening:
    @pytest.fixture
    def server(self, transactional_db: None) -> Server:
        """A server with sockets."""
        return Server()

    @staticmethod
    def listen(app: Talking, held: dict[str, str]) -> None:
        """Have it listen; it has heard that it does."""
        app.does("resume", held)
        app.does("listen")
        assert app.says() == ["changed"]

    def test_it_is_told_that_it_was_signed_out(
        self, server: Server, phone: Phone, alice: User, client: str
    ) -> None:
        laptop = Phone("laptop").sign_in(alice)
        with server, Talking(client, f"http://127.0.0.1:{server.port}") as app:
            self.listen(app, tokens_of(phone))
            server.post("/auth/logout/others", laptop)

            assert [app.says(), app.says()] == [FORGOTTEN, ["signed out", "logout_others"]]
            assert app.is_silent()

    def test_it_is_told_of_other_devices_and_not_of_other_people(
        self, server: Server, phone: Phone, alice: User, bob: User, client: str
    ) -> None:
        laptop, bobs = Phone("laptop").sign_in(alice), Phone().sign_in(bob)
        with server, Talking(client, f"http://127.0.0.1:{server.port}") as app:
            self.listen(app, tokens_of(phone))
            server.post("/auth/logout", bobs)
            assert app.is_silent()

            server.post("/auth/logout/current", laptop)

            assert app.says() == ["changed"]

    def test_its_own_logout_is_told_once(self, server: Server, phone: Phone, client: str) -> None:
        with server, Talking(client, f"http://127.0.0.1:{server.port}") as app:
            self.listen(app, tokens_of(phone))

            said = app.does("signOut")
            # Where the socket was faster, it may still be at it.
            said += [app.says() for _missing in range(3 - len(said))]

            assert sorted(said) == [["done", None], FORGOTTEN, ["signed out", "logout_all"]]
            assert app.is_silent()

    def test_an_access_token_that_has_expired_is_exchanged_for_a_new_one(
        self, server: Server, phone: Phone, client: str
    ) -> None:
        hour_old = tokens_of(phone, age=dt.timedelta(hours=1))
        with server, Talking(client, f"http://127.0.0.1:{server.port}") as app:
            app.does("resume", hour_old)
            app.does("listen")

            assert app.says()[0] == "keep"
            assert app.says() == ["changed"]

    def test_a_server_that_starts_anew_is_no_sign_out(
        self, server: Server, phone: Phone, client: str
    ) -> None:
        with Talking(client, f"http://127.0.0.1:{server.port}") as app:
            with server:
                self.listen(app, tokens_of(phone))
            with server:
                assert app.says() == ["changed"]
                server.post("/auth/logout", phone)
                assert [app.says(), app.says()] == [FORGOTTEN, ["signed out", "logout_all"]]


@pytest.mark.parametrize("client", HERE)
def test_a_session_that_was_let_go_is_not_confused_with_the_next(
    live_server: LiveServer, phone: Phone, alice: User, client: str
) -> None:
    laptop = Phone("laptop").sign_in(alice)
    with Talking(client, live_server.url) as app:
        app.does("resume", tokens_of(phone))
        app.does("resume", tokens_of(laptop))
        phone.ok("post", "/auth/logout/current")

        done, _profile = app.does(*PROFILE)[0]

    assert done == "done"
    assert UserSession.objects.unended().count() == 1
