"""Setting up, starting workers, and reading what they found."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import callgrind
from benchmarks.contenders import DATABASE_URL, Contender

ROOT = Path(__file__).resolve().parent.parent
COUNTED = 100
TIMED = 500


def prepare(contender: Contender) -> str:
    """Make the contender's database, sign in, and return the headers as JSON."""
    return json.dumps(work(contender, "prepare"))


def instructions(contender: Contender) -> float:
    """Return how many million instructions one authenticated GET takes in the web process."""
    return counted(contender, "measure", prepare(contender), times=COUNTED)


def counted(contender: Contender, what: str, *arguments: str, times: int) -> float:
    """Return how many million instructions each of so many acts takes in the web process."""
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory) / "callgrind"
        work(contender, what, *arguments, str(times), before=callgrind.command(output))
        return callgrind.total(output) / times / 1e6


def work(
    contender: Contender, what: str, *arguments: str, before: Sequence[str] = ()
) -> dict[str, Any]:
    """Run a worker in a process of its own, and return what it printed."""
    with tempfile.TemporaryDirectory() as figures:
        environment = contender.environment()
        if what != "prepare":
            # As the processes of ``serve`` have it.
            environment |= {"PROMETHEUS_MULTIPROC_DIR": figures}
        ended = subprocess.run(
            [*before, sys.executable, "-m", "benchmarks.worker", what, contender.name, *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    if ended.returncode:
        sys.exit(f"{what} {contender.name}: {ended.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


def set_up(url: str, **variables: str) -> None:
    """Start Django in this process on the database, without limits, and migrate it."""
    os.environ |= {
        "AUTHSVC_ENV_FILE": "",
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "authsvc.settings",
        "JWT_SIGNING_KEY": secrets.token_urlsafe(48),
        "LOG_LEVEL": "WARNING",
        "RATE_LIMITS": "off",
        "REDIS_URL": "",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "SECURE_SSL_REDIRECT": "0",
        **variables,
    }
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", interactive=False, verbosity=0)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_databases(contenders: Iterable[Contender]) -> None:
    """Make each database once, before several workers want the same one."""
    for contender in {each.rig: each for each in contenders}.values():
        prepare(contender)


def begin_anew() -> None:
    """Drop what an earlier run has left: rows of it would be ended, and paid for, once more."""
    import psycopg

    url = os.environ.get("BENCH_DATABASE_URL") or DATABASE_URL
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(
            "SELECT datname FROM pg_database WHERE datname LIKE 'authsvc\\_bench\\_%'"
        ).fetchall()
        for (name,) in found:
            connection.execute(f'DROP DATABASE "{name}"')


def missing() -> str:
    """Return why there is nothing to be measured here; empty if all is there."""
    import psycopg

    if problem := callgrind.problem():
        return problem
    try:
        url = os.environ.get("BENCH_DATABASE_URL") or DATABASE_URL
        psycopg.connect(url, connect_timeout=3).close()
    except psycopg.Error:
        return "PostgreSQL cannot be used at BENCH_DATABASE_URL"
    return ""
