"""The server processes: how each server is called, and how several live and die together."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from django.core.management import CommandError

logger = logging.getLogger(__name__)

# After SIGTERM: for requests on their way. The servers' own limit comes first.
GRACE = 12.0
GRACE_OF_SERVERS = 10
BACKLOG = 1024
# granian counts connections with this, not requests: a small number lets a handful of idle
# keep-alive connections keep everybody else out.
CONNECTIONS = 1024
# A server that has run for so long, in seconds, did not fail to start.
STEADY = 10.0
# glibc would keep the 19 MiB of each password hash, once for every thread: 277 MB for a process
# after some logins, against 121 MB like this. For other C libraries these names mean nothing.
FRUGAL_MALLOC = {
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": "1048576",
    "MALLOC_TRIM_THRESHOLD_": "1048576",
}


def granian(*options: str, host: str, port: int, grace: int = GRACE_OF_SERVERS) -> list[str]:
    """Return the command of a granian server; the options that are the same for all are added."""
    return [
        *(sys.executable, "-m", "granian"),
        *("--host", host, "--port", str(port)),
        *("--http", "1", "--backlog", str(BACKLOG), "--backpressure", str(CONNECTIONS)),
        *("--log-level", "error", "--no-access-log"),
        *("--workers-kill-timeout", str(grace)),
        *options,
    ]


def sockets(*, host: str, port: int) -> list[str]:
    """Return the command of the server that holds the sockets and nothing else."""
    return [sys.executable, "-m", "authsvc.sockets", host, str(port)]


def url_of(host: str, port: int) -> str:
    """Return where a person on this machine finds the service."""
    name = {"0.0.0.0": "localhost", "::": "localhost"}.get(host, host)  # noqa: S104 - compared only
    return f"http://{f'[{name}]' if ':' in name else name}:{port}"


def family_of(host: str) -> socket.AddressFamily:
    """Return the family of an address or a name."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def require_free_port(host: str, port: int, *, variable: str) -> None:
    """Refuse a port that another process listens on, which granian would share with it."""
    with socket.socket(family_of(host), socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(
                f"Cannot listen on {host}:{port}: {error.strerror}. Choose another {variable}."
            ) from error


def supervise(commands: Sequence[Sequence[str]], *, cwd: Path) -> int:
    """
    Run the commands until one fails or a signal comes, stop the others, and return the status.

    One that ends after it has run for STEADY seconds is started again, for which the others need
    not stop. One that ends sooner has failed: the status is its own, 1 at the least, since a
    server does not end by itself. After SIGINT or SIGTERM it is 0.
    """
    caught: list[int] = []
    previous = {
        number: signal.signal(number, lambda received, _frame: caught.append(received))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    children: list[Child] = []
    try:
        for command in commands:
            children.append(Child(command, cwd))
        while not caught and not any(child.has_failed() for child in children):
            for child in children:
                child.replace_if_dead()
            time.sleep(0.2)
        ended = [child.process.poll() or 0 for child in children]
    finally:
        stop([child.process for child in children])
        for number, handler in previous.items():
            signal.signal(number, handler)
    return 0 if caught else max(1, *ended)


class Child:
    """A command that runs."""

    def __init__(self, command: Sequence[str], cwd: Path) -> None:
        self._command, self._cwd = command, cwd
        self._begin()

    def has_failed(self) -> bool:
        """Tell whether it has ended too soon for another try."""
        return self.process.poll() is not None and time.monotonic() - self._since < STEADY

    def replace_if_dead(self) -> None:
        """Start it again if it has ended, and not failed."""
        status = self.process.poll()
        if status is None or self.has_failed():
            return
        logger.error("A server process ended with status %s and is started again", status)
        # Its workers would go on listening.
        stop([self.process])
        self._begin()

    def _begin(self) -> None:
        self.process = start(self._command, cwd=self._cwd)
        self._since = time.monotonic()


def start(command: Sequence[str], *, cwd: Path) -> subprocess.Popen[bytes]:
    """
    Start a child in a process group of its own.

    granian's workers must not hear a Ctrl-C before granian does, or it waits for them until its
    patience ends. A child that hears no signals from the terminal would survive a supervisor that
    was killed, so it is told of its death.
    """
    return subprocess.Popen(  # noqa: S603 - the commands are ours
        command, cwd=cwd, env=environment(), process_group=0, preexec_fn=end_with_parent
    )


def environment() -> dict[str, str]:
    """Return what the servers get: ours, and a malloc that gives memory back unless told."""
    return FRUGAL_MALLOC | os.environ


def end_with_parent() -> None:
    """Ask Linux for SIGTERM when the parent dies (prctl, PR_SET_PDEATHSIG); elsewhere nothing."""
    if prctl := getattr(ctypes.CDLL(None), "prctl", None):
        prctl(1, signal.SIGTERM)


def stop(children: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ask the children to end, and kill what is left of them and their workers after GRACE."""
    for child in children:
        child.terminate()
    deadline = time.monotonic() + GRACE
    for child in children:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(max(0.0, deadline - time.monotonic()))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def replace_by(command: Sequence[str], *, cwd: Path) -> None:
    """Become the command: the process keeps its id, and signals reach the server directly."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.chdir(cwd)
    os.execve(command[0], list(command), environment())  # noqa: S606 - no shell is wanted
