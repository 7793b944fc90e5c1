from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.management import CommandError

from authsvc import processes

WAITS = [sys.executable, "-c", "import time; time.sleep(60)"]
ENDS_WITH_3 = [sys.executable, "-c", "raise SystemExit(3)"]
ENDS_WITH_0 = [sys.executable, "-c", ""]
STOPS_ITS_PARENT = "import os, signal; os.kill(os.getppid(), signal.SIGTERM);"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://localhost:8000"),  # noqa: S104 - only compared
        ("::1", "http://[::1]:8000"),
    ],
)
def test_the_url_is_one_that_a_person_can_open(host: str, url: str) -> None:
    assert processes.url_of(host, 8000) == url


def test_a_granian_command_names_its_socket_and_its_application() -> None:
    command = processes.granian("--interface", "wsgi", "a:b", host="::1", port=8001)

    assert command[:3] == [sys.executable, "-m", "granian"]
    assert command[command.index("--port") + 1] == "8001"
    assert command[-3:] == ["--interface", "wsgi", "a:b"]


def test_the_server_of_sockets_is_told_where_to_listen() -> None:
    command = processes.sockets(host="::1", port=8001)

    assert command == [sys.executable, "-m", "authsvc.sockets", "::1", "8001"]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_in_use_is_refused(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as taken:
        taken.bind((host, 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(CommandError, match=r"in use. Choose another PORT\."):
            processes.require_free_port(host, port, variable="PORT")

    processes.require_free_port(host, port, variable="PORT")


def test_when_one_child_ends_the_others_are_stopped(tmp_path: Path) -> None:
    assert processes.supervise([WAITS, ENDS_WITH_3], cwd=tmp_path) == 3


def test_a_server_that_ends_without_an_error_has_failed_all_the_same(tmp_path: Path) -> None:
    assert processes.supervise([ENDS_WITH_0], cwd=tmp_path) == 1


def test_a_server_that_dies_after_a_while_is_replaced_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # It dies when it is started first, and the second time it has the signal sent that ends all.
    monkeypatch.setattr(processes, "STEADY", 0.0)
    dies = f"""
import os, pathlib, time
began = pathlib.Path("began")
if not began.exists():
    began.touch()
    os.kill(os.getpid(), 9)
{STOPS_ITS_PARENT}
time.sleep(60)
"""
    goes_on = "import pathlib, time; pathlib.Path('goes-on').open('a').write('.'); time.sleep(60)"

    status = processes.supervise(
        [[sys.executable, "-c", dies], [sys.executable, "-c", goes_on]], cwd=tmp_path
    )

    assert status == 0
    assert "ended with status -9 and is started again" in caplog.text
    assert (tmp_path / "goes-on").read_text() == "."


def test_a_server_that_has_failed_is_not_replaced(tmp_path: Path) -> None:
    child = processes.Child(ENDS_WITH_3, tmp_path)
    failed = child.process
    failed.wait()

    child.replace_if_dead()

    assert child.process is failed


def test_a_signal_stops_the_children_and_is_no_failure(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    stops_us = [sys.executable, "-c", f"{STOPS_ITS_PARENT} import time; time.sleep(60)"]

    assert processes.supervise([stops_us, WAITS], cwd=tmp_path) == 0

    assert signal.getsignal(signal.SIGTERM) is before


def test_a_child_that_does_not_stop_is_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(processes, "GRACE", 0.05)
    deaf = f"import signal, time; signal.signal(15, signal.SIG_IGN); {STOPS_ITS_PARENT}"

    status = processes.supervise([[sys.executable, "-c", f"{deaf} time.sleep(60)"]], cwd=tmp_path)

    assert status == 0


def test_a_command_that_cannot_be_started_stops_the_others(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        processes.supervise([WAITS, [str(tmp_path / "missing")]], cwd=tmp_path)


def test_on_linux_a_child_hears_of_the_death_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, ...]] = []
    libc = SimpleNamespace(prctl=lambda *arguments: asked.append(arguments))
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: libc)

    processes.end_with_parent()

    assert asked == [(1, signal.SIGTERM)]


def test_elsewhere_it_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: SimpleNamespace())

    processes.end_with_parent()


def test_a_process_becomes_the_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    became: list[tuple[str, list[str]]] = []
    got: dict[str, str] = {}

    def execve(path: str, command: list[str], environment: dict[str, str]) -> None:
        became.append((path, command))
        got.update(environment)

    monkeypatch.setattr(os, "execve", execve)
    monkeypatch.setenv("MALLOC_ARENA_MAX", "4")
    monkeypatch.chdir(tmp_path.parent)

    processes.replace_by(WAITS, cwd=tmp_path)

    assert became == [(sys.executable, WAITS)]
    assert Path.cwd() == tmp_path
    assert got["MALLOC_MMAP_THRESHOLD_"] == "1048576"
    assert got["MALLOC_ARENA_MAX"] == "4"
