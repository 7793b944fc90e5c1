"""The embedded service as a process of its own, with people in it."""

from __future__ import annotations

import os
import secrets
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import orjson

from tests.people import PASSWORD
from tests.ports import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
START = 30.0


@dataclass
class Service:
    """A running server. ``database`` is its SQLite file, ``mails`` where its mails are put."""

    url: str
    database: Path
    mails: Path

    def call(
        self, path: str, body: object, *, token: str = "", agent: str = "", address: str = ""
    ) -> Any:
        """Make a POST to the API and return its ``data``."""
        headers = {"Content-Type": "application/json"}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        headers |= {"User-Agent": agent} if agent else {}
        headers |= {"X-Forwarded-For": address} if address else {}
        request = Request(f"{self.url}{path}", orjson.dumps(body), headers)  # noqa: S310 - ours
        with urlopen(request, timeout=10) as answer:  # noqa: S310
            return orjson.loads(answer.read())["data"]

    def register(self, email: str) -> str:
        """Make an account with the tests' password; return the address."""
        self.call("/auth/register", {"email": email, "password": PASSWORD, "name": "Alice"})
        return email

    def sign_in_app(self, email: str, name: str, **device: str) -> Any:
        """Sign a device in; return its tokens."""
        body = {"email": email, "password": PASSWORD, "device_name": name}
        return self.call("/auth/login", body, **device)

    def last_seen(self, session_id: str, ago: timedelta) -> None:
        """Let the device have been quiet for a while."""
        then = datetime.now(UTC) - ago
        self._write(
            "UPDATE user_sessions SET last_seen_at = ?, created_at = ? WHERE id = ?",
            then.replace(tzinfo=None).isoformat(sep=" "),
            (then - timedelta(days=2)).replace(tzinfo=None).isoformat(sep=" "),
            session_id.replace("-", ""),
        )

    def make_staff(self, email: str) -> None:
        """Let somebody into the administration."""
        statement = "UPDATE users SET is_staff = 1, is_superuser = 1 WHERE email = ?"
        self._write(statement, email)

    def last_mail(self, *, to: str) -> str:
        """Return the newest mail to an address, once there is one."""
        deadline = time.monotonic() + 5
        while not (found := [mail for mail in self._mails() if f"To: {to}" in mail]):
            assert time.monotonic() < deadline, "no mail came"
            time.sleep(0.05)
        return found[-1]

    def _mails(self) -> list[str]:
        files = sorted(self.mails.glob("*"), key=os.path.getmtime)
        return [file.read_text() for file in files]

    def _write(self, statement: str, *values: str) -> None:
        with sqlite3.connect(self.database, timeout=10) as connection:
            assert connection.execute(statement, values).rowcount == 1
        connection.close()


def start(directory: Path) -> tuple[Service, subprocess.Popen[bytes]]:
    """Migrate, start the server and wait until it answers."""
    port = free_port()
    mails = directory / "mails"
    mails.mkdir()
    service = Service(f"http://127.0.0.1:{port}", directory / "db.sqlite3", mails)
    environment = os.environ | {
        "AUTHSVC_ENV_FILE": "",
        "DJANGO_SETTINGS_MODULE": "authsvc.settings",
        "DATABASE_URL": f"sqlite:///{service.database}",
        "REDIS_URL": "",
        "EMAIL_URL": f"filemail:///{mails}",
        "JWT_SIGNING_KEY": secrets.token_urlsafe(48),
        "LOG_LEVEL": "WARNING",
        "PORT": str(port),
        "SECRET_KEY": secrets.token_urlsafe(48),
        "SECURE_SSL_REDIRECT": "0",
        # The devices of the tests say where they are by X-Forwarded-For.
        "TRUSTED_PROXIES": "1",
    }
    process = subprocess.Popen([sys.executable, "manage.py", "run"], cwd=ROOT, env=environment)
    deadline = time.monotonic() + START
    while not _answers(service.url):
        assert process.poll() is None, "the server ended"
        assert time.monotonic() < deadline, "the server does not answer"
        time.sleep(0.1)
    return service, process


def _answers(url: str) -> bool:
    try:
        with urlopen(f"{url}/account/login", timeout=1) as answer:  # noqa: S310 - ours
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False
