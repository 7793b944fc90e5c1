"""
Whether others notice an incident: their logins and logouts while 100,000 sessions are ended.

    DATABASE_URL=postgres://postgres@127.0.0.1:5432/postgres REDIS_URL=redis://127.0.0.1:6379/0 \\
        python -m benchmarks.incident

makes a PostgreSQL database of its own beside the one that DATABASE_URL names, with 25,000 people
of four devices each (``--people``), and starts ``manage.py serve``. Some people, anybody, sign in
over HTTP and out again at a steady pace (``--pace``, per second): for a while alone, then beside
``manage.py end_sessions --everybody --yes``, whose ``--batch`` and ``--rate`` can be given. A
third process asks PostgreSQL all the while who waits for a lock, and for how long.

A delay is the time from when the act was due to its answer, so that a server that is held up
cannot hide it. Clients, servers, PostgreSQL and Redis share the machine. Ends with 1 when an act
failed, a session is left, or a figure is over its goal.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import psycopg
from tqdm import tqdm

from benchmarks.rig import set_up
from benchmarks.rows import database
from benchmarks.sockets import free_port, wait_for

DEVICES = 4
ALONE = 30.0
CLIENTS = 16
PASSWORD = "correct horse battery staple"
# Seconds: what somebody who signs in meanwhile may feel, and how long anybody waits for a lock.
P99, LOCKED = 1.0, 0.5
LOCK_WAIT = """
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - waitstart)), 0)::float8 FROM pg_locks
WHERE NOT granted
"""


@dataclass
class Delays:
    """How long the acts of one phase took, in seconds, and those that were answered otherwise."""

    logins: list[float] = field(default_factory=list)
    logouts: list[float] = field(default_factory=list)
    overtaken: int = 0
    failed: list[int] = field(default_factory=list)
    locked: float = 0.0


class Others:
    """People who sign in and out at a steady pace, and a look at the locks, until stopped."""

    def __init__(self, port: int, url: str, people: int, pace: float) -> None:
        self.port, self.url, self.people, self.pace = port, url, people, pace
        self.delays = Delays()
        self._stop = threading.Event()

    @contextlib.contextmanager
    def at_work(self) -> Iterator[Delays]:
        """Let them work, and yield what is being found."""
        self.delays = Delays()
        self._stop.clear()
        with ThreadPoolExecutor(CLIENTS + 2) as threads:
            running = [threads.submit(self._come, threads), threads.submit(self._watch)]
            try:
                yield self.delays
            finally:
                self._stop.set()
                for task in running:
                    task.result()

    def _come(self, threads: ThreadPoolExecutor) -> None:
        due = time.monotonic()
        acts = []
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            acts.append(threads.submit(self._visit, due))
            due += 1 / self.pace
        for act in acts:
            act.result()

    def _visit(self, due: float) -> None:
        """Sign in as anybody, and out again."""
        email = f"person{random.randrange(self.people)}@example.com"
        status, answer = self._post("/auth/login", {"email": email, "password": PASSWORD})
        self.delays.logins.append(time.monotonic() - due)
        if status != 200:
            self.delays.failed.append(status)
            return
        begun = time.monotonic()
        status, _answer = self._post("/auth/logout/current", {}, answer["data"]["access_token"])
        self.delays.logouts.append(time.monotonic() - begun)
        if status == 401:
            # The incident has ended this session too, in between.
            self.delays.overtaken += 1
        elif status != 200:
            self.delays.failed.append(status)

    def _post(self, path: str, body: object, token: str = "") -> tuple[int, dict[str, dict]]:  # type: ignore[type-arg]
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Content-Type": "application/json"}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        with contextlib.closing(connection):
            connection.request("POST", path, json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"{}")

    def _watch(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            while not self._stop.wait(0.01):
                [waited] = connection.execute(LOCK_WAIT).fetchone() or [0.0]
                self.delays.locked = max(self.delays.locked, waited)


def main() -> int:
    """Measure; return 1 when a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.incident")
    parser.add_argument("--people", type=int, default=25_000)
    parser.add_argument("--pace", type=float, default=8.0)
    parser.add_argument("--batch", default="500")
    parser.add_argument("--rate", default="5000")
    options = parser.parse_args()
    with database(os.environ["DATABASE_URL"], "incident") as url:
        set_up(url, REDIS_URL=os.environ["REDIS_URL"])
        fill(options.people)
        with server() as port:
            others = Others(port, url, options.people, options.pace)
            return measure(others, ["--batch", options.batch, "--rate", options.rate])


def fill(people: int) -> None:
    """Write the people, who all have one password, and their sessions."""
    from django.contrib.auth.hashers import make_password
    from django.db import connection
    from django.utils import timezone

    from accounts.conf import get_settings
    from accounts.models import User, UserSession

    password, expires_at = make_password(PASSWORD), timezone.now() + get_settings().session_lifetime
    with tqdm(total=people, desc="filling", unit="people") as bar:
        for first in range(0, people, 1000):
            numbers = range(first, min(first + 1000, people))
            users = [User(email=f"person{n}@example.com", password=password) for n in numbers]
            User.objects.bulk_create(users)
            UserSession.objects.bulk_create(
                UserSession(user=user, client="app", device_name=f"{n}", expires_at=expires_at)
                for user in users
                for n in range(DEVICES)
            )
            bar.update(len(users))
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    connection.close()


@contextlib.contextmanager
def server() -> Iterator[int]:
    """Start the production shape, yield its port, and stop it in the end."""
    port, ws = free_port(), free_port()
    variables = {"HOST": "127.0.0.1", "PORT": str(port), "WS_PORT": str(ws), "MIGRATE": "0"}
    command = [sys.executable, "manage.py", "serve"]
    with subprocess.Popen(command, env=os.environ | variables) as process:
        try:
            wait_for(port)
            yield port
        finally:
            process.terminate()


def measure(others: Others, options: list[str]) -> int:
    """Let the others work alone, then beside the incident; print what was found."""
    with others.at_work() as alone, tqdm(total=int(ALONE), desc="alone", unit="s") as bar:
        for _second in range(int(ALONE)):
            time.sleep(1)
            bar.update()
    command = [sys.executable, "manage.py", "end_sessions", "--everybody", "--yes", *options]
    with others.at_work() as beside:
        begun = time.monotonic()
        subprocess.run(command, check=True)
        took = time.monotonic() - begun
    print(f"\nend_sessions {' '.join(options)} took {took:.1f} s")
    print(f"{'':8} {'logins':>7} {'p50':>7} {'p99':>7} {'max':>7} {'logouts: p50':>13} {'p99':>7}")
    for name, found in (("alone", alone), ("beside", beside)):
        print(line(name, found))
    print(f"longest wait for a lock: {alone.locked * 1000:.0f} ms alone, ", end="")
    print(f"{beside.locked * 1000:.0f} ms beside; overtaken: {beside.overtaken}")
    failed = alone.failed + beside.failed
    print(f"failed: {failed or 'none'}")
    slow = percentile(beside.logins, 99) > P99 or percentile(beside.logouts, 99) > P99
    return int(bool(failed) or slow or beside.locked > LOCKED)


def line(name: str, found: Delays) -> str:
    """Return the figures of a phase, in milliseconds."""
    logins = [percentile(found.logins, 50), percentile(found.logins, 99), max(found.logins)]
    logouts = [percentile(found.logouts, 50), percentile(found.logouts, 99)]
    first, *rest = (f"{1000 * value:.1f}" for value in (*logins, *logouts))
    cells = f"{first:>7} {rest[0]:>7} {rest[1]:>7} {rest[2]:>13} {rest[3]:>7}"
    return f"{name:8} {len(found.logins):7} {cells}"


def percentile(values: list[float], percent: int) -> float:
    """Return the value that so many percent do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


if __name__ == "__main__":
    sys.exit(main())
