"""A server for a demonstration, on a free port and over a database that is thrown away."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 60.0
# The server is on this machine: no proxy stands between.
HTTP = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@contextlib.contextmanager
def server() -> Iterator[str]:
    """Start ``manage.py run`` on a free port and yield its URL; stop it in the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as directory:
        defaults = {
            "DATABASE_URL": f"sqlite:///{directory}/db.sqlite3",
            "SECRET_KEY": secrets.token_urlsafe(48),
            "JWT_SIGNING_KEY": secrets.token_urlsafe(48),
        }
        fixed = {
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "SECURE_SSL_REDIRECT": "0",
            "AUTHSVC_ENV_FILE": "",
        }
        log = Path(directory, "log")
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "manage.py", "run"],
                cwd=ROOT,
                env=defaults | os.environ | fixed,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        url = f"http://127.0.0.1:{port}"
        try:
            wait_for(url, process, log)
            yield url
        finally:
            process.terminate()
            process.wait()


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the server answers; ConnectionError, with its log, when it does not."""
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            HTTP.open(f"{url}/auth/profile", timeout=5).close()
        except urllib.error.HTTPError as error:
            error.close()
            return
        except OSError:
            time.sleep(0.1)
    raise ConnectionError(f"the server did not start:\n{log.read_text(errors='replace')}")
