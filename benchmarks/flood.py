"""
``python -m benchmarks.flood``: logouts while strangers guess.

Starts ``manage.py serve`` on a database of its own, measures logouts one after the other while
nothing else goes on, and then while RATE wrong passwords a second arrive, each for another account
and from another address, so that no limit on guessing stops them before the hasher.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from statistics import quantiles
from typing import Any

from tqdm import tqdm

from benchmarks.contenders import BY_NAME, HOST
from benchmarks.rig import ROOT, free_port, prepare

RATE = 50
LOGOUTS = 500


def main() -> int:
    """Measure and print."""
    prepare(BY_NAME["ours"])
    port = free_port()
    environment = BY_NAME["ours"].environment() | {
        "PORT": str(port),
        "LOG_LEVEL": "ERROR",
        "MIGRATE": "0",
    }
    environment |= {"WS_PORT": str(port + 1), "WORKERS": os.environ.get("WORKERS", "2")}
    server = subprocess.Popen([sys.executable, "manage.py", "serve"], cwd=ROOT, env=environment)
    try:
        wait(port)
        headers = sign_in(2 * LOGOUTS, environment)
        show("nothing else", log_out(port, headers[:LOGOUTS]))
        over, answers = threading.Event(), Counter[int]()
        with ThreadPoolExecutor(RATE) as guessers:
            for number in range(RATE):
                guessers.submit(guess, port, number, over, answers)
            time.sleep(2)
            answers.clear()
            begun = time.monotonic()
            found = log_out(port, headers[LOGOUTS:])
            rate = answers.total() / (time.monotonic() - begun)
            over.set()
        show(f"{rate:.0f} wrong passwords a second {dict(answers)}", found)
    finally:
        server.terminate()
        server.wait()
    return 0


def wait(port: int) -> None:
    """Wait until the server answers."""
    for _try in range(300):
        try:
            if call(port, "GET", "/readyz", {})[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    sys.exit("the server does not answer")


def sign_in(number: int, environment: dict[str, str]) -> list[dict[str, str]]:
    """Return the headers of so many people, each signed in on one device."""
    code = (
        "import django, json, sys; django.setup(); "
        "from accounts.models import User; from benchmarks.contenders import ours_by_token; "
        "import uuid; make = lambda: User.objects.create(email=f'{uuid.uuid4()}@example.com'); "
        "print(json.dumps([ours_by_token(make()) for _each in range(int(sys.argv[1]))]))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(number)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    people: list[dict[str, str]] = json.loads(ended.stdout.splitlines()[-1])
    return [{"Authorization": each["HTTP_AUTHORIZATION"]} for each in people]


def log_out(port: int, people: list[dict[str, str]]) -> list[float]:
    """Sign everybody out, one after the other; return how many ms each took."""
    found = []
    for headers in tqdm(people, desc="logouts", unit="", leave=False):
        begun = time.perf_counter()
        status, _body = call(port, "POST", "/auth/logout", headers)
        found.append((time.perf_counter() - begun) * 1e3)
        if status != 200:
            raise AssertionError(status)
        time.sleep(0.01)
    return found


def guess(port: int, number: int, over: threading.Event, answers: Counter[int]) -> None:
    """Send a wrong password each second until it is over."""
    over.wait(number / RATE)
    times = 0
    while not over.is_set():
        begun = time.monotonic()
        times += 1
        body = {"email": f"nobody-{number}-{times}@example.com", "password": "wrong"}
        address = f"10.{number}.{times >> 8 & 255}.{times & 255}"
        answers[call(port, "POST", "/auth/login", {"X-Forwarded-For": address}, body)[0]] += 1
        over.wait(max(0.0, 1 - (time.monotonic() - begun)))


def call(
    port: int, method: str, path: str, headers: dict[str, str], body: Any = None
) -> tuple[int, bytes]:
    """Make a call over a connection of its own, as through a proxy."""
    http = HTTPConnection("127.0.0.1", port, timeout=30)
    known = {"Host": HOST, "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"}
    content = None if body is None else json.dumps(body)
    known |= {} if body is None else {"Content-Type": "application/json"}
    try:
        http.request(method, path, content, known | headers)
        answer = http.getresponse()
        return answer.status, answer.read()
    finally:
        http.close()


def show(meanwhile: str, found: list[float]) -> None:
    """Print a line."""
    cuts = quantiles(found, n=100)
    figures = f"p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms, most {max(found):.1f} ms"
    print(f"{len(found)} logouts, meanwhile {meanwhile}: {figures}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
