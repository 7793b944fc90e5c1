"""The clients of the documents, in curl, JavaScript and Python, against a server that listens."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping

import pytest
from django.utils import timezone
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from accounts import tokens
from accounts.models import User, UserSession
from tests.documents import ROOT
from tests.people import PASSWORD, Phone

PROGRAMS = {
    "curl": ["bash", "examples/curl_logout.sh"],
    "node": ["node", "examples/logout.mjs"],
    "python": [sys.executable, "examples/logout.py"],
}
# The same story for the two that are libraries as well: sign out with the tokens in TOKENS, and
# print what is left of them, and the error if there is one.
LIBRARIES = {
    "node": [
        *("node", "--input-type=module", "--eval"),
        """
        import { signOut } from "./examples/logout.mjs";
        const tokens = JSON.parse(process.env.TOKENS);
        let error = null;
        await signOut(process.env.AUTHSVC_URL, tokens).catch((e) => { error = `${e}`; });
        console.log(JSON.stringify([Object.keys(tokens), error]));
        """,
    ],
    "python": [
        *(sys.executable, "-c"),
        "\n".join(
            (
                "import json, os, runpy",
                "library = runpy.run_path('examples/logout.py')",
                "tokens, error = json.loads(os.environ['TOKENS']), None",
                "try: library['sign_out'](os.environ['AUTHSVC_URL'], tokens)",
                "except Exception as e: error = str(e)",
                "print(json.dumps([list(tokens), error]))",
            )
        ),
    ],
}
NEEDS = {"curl": ["bash", "curl"], "node": ["node"], "python": [sys.executable]}
# Without its tool there is no client to run; where everything must be there, it fails.
HERE = [
    name
    for name, tools in NEEDS.items()
    if all(map(shutil.which, tools)) or os.environ.get("REQUIRE_SERVICES") == "1"
]


def run(command: list[str], url: str, extra: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a client against the server at ``url``."""
    environment = {**os.environ, "AUTHSVC_URL": url, "NO_PROXY": "*", **extra}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def sign_out(library: str, url: str, held: Mapping[str, str]) -> tuple[list[str], str | None]:
    """Sign out with the tokens ``held``; return the names of those that are left, and the error."""
    ended = run(LIBRARIES[library], url, {"TOKENS": json.dumps(held)})
    assert ended.returncode == 0, ended.stderr
    left, error = json.loads(ended.stdout)
    return left, error


@pytest.fixture
def held(live_server: LiveServer, alice: User, phone_of: Callable[..., Phone]) -> dict[str, str]:
    """The tokens of a device of Alice's that has just signed in."""
    phone = phone_of(alice)
    return {name: phone.tokens[name] for name in ("access_token", "refresh_token")}


@pytest.fixture
def expired(held: dict[str, str]) -> dict[str, str]:
    """The tokens of a device of Alice's that comes back after an hour."""
    earlier = timezone.now() - dt.timedelta(hours=1)
    pair = tokens.issue(UserSession.objects.get(), now=earlier)
    return {**held, "access_token": pair.access_token}


@pytest.mark.parametrize("program", HERE)
def test_a_client_signs_out_on_every_device(
    live_server: LiveServer, alice: User, bob: User, phone_of: Callable[..., Phone], program: str
) -> None:
    phone, bobs = phone_of(alice), phone_of(bob)

    person = {"EMAIL": alice.email, "PASSWORD": PASSWORD}
    ended = run(PROGRAMS[program], live_server.url, person)

    assert ended.returncode == 0, ended.stderr
    assert not UserSession.objects.of(alice).unended().exists()
    assert not phone.is_signed_in
    assert bobs.is_signed_in


@pytest.mark.parametrize("program", HERE)
def test_a_client_says_that_a_password_is_wrong(
    live_server: LiveServer, alice: User, program: str
) -> None:
    person = {"EMAIL": alice.email, "PASSWORD": "a wrong one"}
    ended = run(PROGRAMS[program], live_server.url, person)

    assert ended.returncode != 0
    assert "Email or password is incorrect." in ended.stderr


@pytest.mark.parametrize("library", [name for name in HERE if name in LIBRARIES])
class TestSigningOut:
    def test_empties_the_tokens(
        self, live_server: LiveServer, held: dict[str, str], library: str
    ) -> None:
        assert sign_out(library, live_server.url, held) == ([], None)
        assert not UserSession.objects.unended().exists()

    def test_reaches_every_device_with_an_access_token_that_has_expired(
        self, live_server: LiveServer, alice: User, expired: dict[str, str], library: str
    ) -> None:
        laptop = Phone("laptop").sign_in(alice)

        assert sign_out(library, live_server.url, expired) == ([], None)
        assert not laptop.is_signed_in

    def test_empties_the_tokens_of_a_session_that_another_device_has_ended(
        self, live_server: LiveServer, alice: User, held: dict[str, str], library: str
    ) -> None:
        Phone("laptop").sign_in(alice).ok("post", "/auth/logout")

        assert sign_out(library, live_server.url, held) == ([], None)

    def test_empties_the_tokens_when_both_are_refused(
        self, live_server: LiveServer, alice: User, expired: dict[str, str], library: str
    ) -> None:
        Phone("laptop").sign_in(alice).ok("post", "/auth/logout")

        assert sign_out(library, live_server.url, expired) == ([], None)

    def test_keeps_the_tokens_when_the_server_refuses_to_do_it(
        self,
        live_server: LiveServer,
        held: dict[str, str],
        settings: Settings,
        library: str,
    ) -> None:
        settings.ACCOUNTS = settings.ACCOUNTS | {"REQUIRE_HTTPS": True}

        left, error = sign_out(library, live_server.url, held)

        assert left == list(held)
        assert error is not None
        assert "HTTPS is required." in error
        assert UserSession.objects.unended().exists()

    def test_keeps_the_tokens_when_nobody_answers(self, held: dict[str, str], library: str) -> None:
        left, error = sign_out(library, "http://127.0.0.1:9", held)

        assert left == list(held)
        assert error
