"""A PostgreSQL of the tests' own, which may be restarted and killed."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from authsvc.environment import BASE_DIR
from authsvc.processes import end_with_parent
from tests.ports import free_port
from tests.races.servers import PATIENCE

# Debian keeps them out of the PATH.
PROGRAMS = sorted(
    Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[4])
)
INITDB = Path(shutil.which("initdb") or next(reversed(PROGRAMS), "initdb")).resolve()
# Where a process's children are told; not every system does.
CHILDREN = "/proc/{0}/task/{0}/children"
IS_HERE = os.environ.get("REQUIRE_SERVICES") == "1" or (
    INITDB.exists() and Path(CHILDREN.format(os.getpid())).exists()
)


class OwnPostgreSQL:
    """A server in a directory, with what a new cluster has: fsync and synchronous commits."""

    def __init__(self, directory: str) -> None:
        self._directory, self._port = directory, free_port()
        # PostgreSQL refuses to be root.
        is_root = os.geteuid() == 0
        user = {"user": "postgres", "group": "postgres", "extra_groups": []} if is_root else {}
        self._as_owner: dict[str, Any] = {"cwd": "/", "stdout": subprocess.DEVNULL, **user}
        if is_root:
            os.chown(directory, pwd.getpwnam("postgres").pw_uid, -1)
        options = ("-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale", "C", "--no-sync")
        subprocess.run([str(INITDB), *options, "-D", directory], check=True, **self._as_owner)
        self.url = f"postgres://postgres@127.0.0.1:{self._port}/postgres"

    def migrate(self) -> None:
        """Make the service's tables."""
        variables = {"DJANGO_SETTINGS_MODULE": "authsvc.settings", "DATABASE_URL": self.url}
        command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(command, check=True, cwd=BASE_DIR, env=os.environ | variables)

    def start(self) -> float:
        """Start the server; return when it takes connections."""
        self._launch()
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            assert time.monotonic() < deadline, "PostgreSQL takes no connections"
            time.sleep(0.01)
            # It refuses to start while a process of the last one is dying.
            if self._process.poll() is not None:
                self._launch()
        return time.monotonic()

    def stop(self) -> None:
        """Stop as an operator does ("fast"): whoever is connected is told and cut off."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(PATIENCE)

    def kill(self) -> None:
        """Let everything of it die at once, the processes of its connections too."""
        pid = self._process.pid
        children = [int(child) for child in Path(CHILDREN.format(pid)).read_text().split()]
        for process in (pid, *children):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self._process.wait()

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Return what the database says to whoever asks it directly."""
        with psycopg.connect(self.url) as connection:
            return connection.execute(query, values).fetchall()

    def _launch(self) -> None:
        place = ("-D", self._directory, "-p", str(self._port), "-h", "127.0.0.1", "-k", "")
        self._process = subprocess.Popen(
            [str(INITDB.with_name("postgres")), *place],
            stderr=subprocess.DEVNULL,
            preexec_fn=end_with_parent,
            **self._as_owner,
        )

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url).close()
        except psycopg.OperationalError:
            return False
        return True


@contextlib.contextmanager
def own_postgresql() -> Iterator[OwnPostgreSQL]:
    """Make a server with the service's tables, and remove it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        server = OwnPostgreSQL(directory)
        server.start()
        try:
            server.migrate()
            yield server
        finally:
            server.kill()
