from __future__ import annotations

import os
import runpy
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from authsvc import environment, processes
from authsvc.management.commands import serve
from tests import ports

ROOT = Path(environment.BASE_DIR)


def choose_port(monkeypatch: pytest.MonkeyPatch, variable: str) -> int:
    """Set a variable to a port that nobody listens on; return the port."""
    port = ports.free_port()
    monkeypatch.setenv(variable, str(port))
    return port


@pytest.fixture
def free_port(monkeypatch: pytest.MonkeyPatch) -> int:
    """PORT, where nobody listens."""
    monkeypatch.setenv("HOST", "127.0.0.1")
    return choose_port(monkeypatch, "PORT")


@pytest.fixture
def free_ws_port(monkeypatch: pytest.MonkeyPatch) -> int:
    """WS_PORT, where nobody listens."""
    return choose_port(monkeypatch, "WS_PORT")


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The servers that would have been started; each ends at once with status 3."""
    started: list[list[str]] = []

    def server(*options: str, **where: Any) -> list[str]:
        started.append([*options, f"{where['host']}:{where['port']}"])
        return [sys.executable, "-c", "raise SystemExit(3)"]

    monkeypatch.setattr(processes, "granian", server)
    monkeypatch.setattr(processes, "sockets", server)
    monkeypatch.setattr(os, "execve", lambda _path, _command, _environment: None)
    return started


@pytest.fixture
def _elsewhere(settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What serve writes is not where the developer's own server has it."""
    settings.STATIC_ROOT = tmp_path / "static"
    monkeypatch.setattr(environment, "VAR_DIR", tmp_path)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")


def manage(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run manage.py as a person would, with nothing set but these variables."""
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *arguments],
        env={"PATH": os.environ["PATH"], "AUTHSVC_ENV_FILE": "", **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.django_db(transaction=True)
def test_run_says_what_to_try_and_becomes_one_asgi_server(
    commands: list[list[str]], free_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("run")

    said = capsys.readouterr().out
    assert f"http://127.0.0.1:{free_port}/account/login" in said
    assert f"curl -s -X POST http://127.0.0.1:{free_port}/auth/logout" in said
    assert commands[0][-2:] == ["authsvc.asgi:application", f"127.0.0.1:{free_port}"]


def test_run_says_when_the_port_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("HOST", "127.0.0.1")
        monkeypatch.setenv("PORT", str(taken.getsockname()[1]))

        with pytest.raises(CommandError, match="Choose another PORT"):
            call_command("run")


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_elsewhere")
def test_serve_prepares_everything_and_fails_with_its_servers(
    monkeypatch: pytest.MonkeyPatch,
    commands: list[list[str]],
    free_port: int,
    free_ws_port: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("WORKERS", "2")
    monkeypatch.setenv("THREADS", "4")
    figures = tmp_path / "metrics"
    figures.mkdir()
    (figures / "of an earlier run").touch()

    with pytest.raises(CommandError, match="ended by itself") as failed:
        call_command("serve")

    assert failed.value.returncode == 3
    assert (tmp_path / "static" / "admin" / "css" / "base.css").is_file()
    assert os.environ["PROMETHEUS_MULTIPROC_DIR"] == str(figures)
    assert list(figures.iterdir()) == []
    said = capsys.readouterr().out
    assert f"http://127.0.0.1:{free_port}: 2 processes of 4 threads" in said
    assert f"/ws/ on port {free_ws_port}" in said


@pytest.mark.usefixtures("_elsewhere")
def test_serve_has_processes_for_requests_and_one_for_sockets(
    monkeypatch: pytest.MonkeyPatch, commands: list[list[str]], free_port: int, free_ws_port: int
) -> None:
    supervised: list[int] = []

    def supervise(servers: list[list[str]], **_where: Any) -> int:
        supervised.append(len(servers))
        return 0

    monkeypatch.setenv("WORKERS", "2")
    monkeypatch.setenv("MIGRATE", "0")
    monkeypatch.setattr(processes, "supervise", supervise)

    call_command("serve")

    http, sockets = commands
    assert http[-2:] == ["authsvc.wsgi:application", f"127.0.0.1:{free_port}"]
    assert http[http.index("--workers") + 1] == "2"
    assert {"--no-ws"} == {"--ws", "--no-ws"} & set(http)
    assert sockets == [f"127.0.0.1:{free_ws_port}"]
    assert supervised == [2]


@pytest.mark.parametrize("variable", ["PORT", "WS_PORT"])
@pytest.mark.usefixtures("_elsewhere", "free_port", "free_ws_port")
def test_serve_says_which_port_is_taken(
    monkeypatch: pytest.MonkeyPatch, commands: list[list[str]], variable: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv(variable, str(taken.getsockname()[1]))

        with pytest.raises(CommandError, match=f"Choose another {variable}"):
            call_command("serve")

    assert commands == []


@pytest.mark.usefixtures("_elsewhere", "commands", "free_port", "free_ws_port")
def test_serve_ends_well_after_a_signal_and_migrates_only_if_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MIGRATE", "0")
    monkeypatch.setattr(processes, "supervise", lambda _commands, cwd: 0)

    call_command("serve")


@pytest.mark.usefixtures("_elsewhere", "commands", "free_port", "free_ws_port")
def test_serve_warns_that_nothing_could_be_https(
    monkeypatch: pytest.MonkeyPatch, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.HTTPS = True
    settings.TRUSTED_PROXIES = 0
    monkeypatch.setenv("MIGRATE", "0")
    monkeypatch.setattr(processes, "supervise", lambda _commands, cwd: 0)

    call_command("serve")

    assert "TRUSTED_PROXIES is 0" in capsys.readouterr().err


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_elsewhere", "commands", "free_port", "free_ws_port")
def test_serve_waits_for_a_database_that_is_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = iter([OperationalError("starting up"), None])

    def ensure_connection() -> None:
        if error := next(outcomes, None):
            raise error

    monkeypatch.setattr(serve, "DATABASE_PAUSE", 0.0)
    monkeypatch.setattr(connection, "ensure_connection", ensure_connection)
    monkeypatch.setattr(processes, "supervise", lambda _commands, cwd: 0)
    monkeypatch.setattr(serve, "call_command", lambda *_names, **_options: None)

    call_command("serve")

    assert next(outcomes, "all used") == "all used"


@pytest.mark.django_db
@pytest.mark.usefixtures("_elsewhere", "commands", "free_port", "free_ws_port")
def test_serve_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    def ensure_connection() -> None:
        raise OperationalError("no route to host")

    monkeypatch.setattr(serve, "DATABASE_WAIT", -1.0)
    monkeypatch.setattr(connection, "ensure_connection", ensure_connection)
    monkeypatch.setattr(serve, "call_command", lambda *_names, **_options: None)

    with pytest.raises(CommandError, match="database cannot be reached: no route to host"):
        call_command("serve")


def test_without_a_key_serve_ends_in_one_line() -> None:
    ended = manage("serve")

    assert ended.returncode == 1
    assert ended.stderr.startswith("authsvc cannot start: SECRET_KEY must be set")
    assert ended.stderr.count("\n") == 1


def test_a_wrong_variable_ends_run_in_one_line() -> None:
    ended = manage("run", DEBUG="maybe", SECRET_KEY="k" * 32, JWT_SIGNING_KEY="k" * 32)

    assert ended.returncode == 1
    assert ended.stderr == (
        "authsvc cannot start: DEBUG must be 1 or 0 (also true/false, yes/no, on/off), "
        "not 'maybe'.\n"
    )


def test_with_a_throwaway_key_what_needs_none_can_be_done() -> None:
    assert manage("check", AUTHSVC_THROWAWAY_KEYS="1").returncode == 0


def test_manage_prepares_a_command_before_the_settings_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def prepare() -> None:
        raise ImproperlyConfigured("PORT must be a port.")

    monkeypatch.setattr(environment, "prepare_run", prepare)
    main = runpy.run_path(str(ROOT / "manage.py"))["main"]

    with pytest.raises(SystemExit, match="PORT must be a port"):
        main(["manage.py", "run"])
