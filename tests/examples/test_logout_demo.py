"""The demonstration: it tells what the README shows, and insists on every line of it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from tests.documents import ROOT, blocks, comparable

DEMO = [sys.executable, "examples/logout_demo.py"]


def demonstrate(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the demonstration."""
    services = {"DATABASE_URL", "REDIS_URL"}
    environment = {name: value for name, value in os.environ.items() if name not in services}
    return subprocess.run(
        [*DEMO, *arguments],
        cwd=ROOT,
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def shown() -> list[object]:
    """Return what the README shows."""
    return comparable(blocks(ROOT / "README.md", "text")[0])


def is_heard(line: object) -> bool:
    """Tell whether a line is of a device that listens."""
    return " hears " in str(line)


def test_without_sockets_it_tells_the_rest_of_what_the_readme_shows(
    live_server: LiveServer,
) -> None:
    ended = demonstrate("--url", live_server.url)

    assert ended.returncode == 0, ended.stderr
    told = comparable(ended.stdout)
    assert [line for line in told if not is_heard(line)] == [
        line for line in shown() if not is_heard(line)
    ]
    assert [line for line in told if is_heard(line)] == [
        "laptop  hears nothing: this server has no /ws/"
    ]


@pytest.mark.slow
def test_with_a_server_of_its_own_it_tells_what_the_readme_shows() -> None:
    ended = demonstrate("--serve")

    assert ended.returncode == 0, ended.stderr
    assert comparable(ended.stdout) == shown()


@pytest.mark.redis
def test_it_shows_the_keys_in_redis_come_and_go(live_server: LiveServer) -> None:
    ended = demonstrate("--url", live_server.url, REDIS_URL=os.environ["REDIS_URL"])

    assert ended.returncode == 0, ended.stderr
    held = [line.strip() for line in ended.stdout.splitlines() if "Redis holds" in line]
    assert len(held) == 2
    assert all(f" {name}:" in held[0] for name in ("user", "user_profile", "user_workspace"))
    assert held[1] == "Redis holds none of her keys"


def test_it_fails_where_a_promise_is_broken(live_server: LiveServer, settings: Settings) -> None:
    settings.ACCOUNTS = settings.ACCOUNTS | {"REGISTRATION_OPEN": False}

    ended = demonstrate("--url", live_server.url)

    assert ended.returncode == 1
    assert "Not as promised: POST /auth/register must answer 201" in ended.stderr


def test_it_fails_where_nobody_answers() -> None:
    ended = demonstrate("--url", "http://127.0.0.1:9")

    assert ended.returncode == 1
    assert "Cannot go on" in ended.stderr
