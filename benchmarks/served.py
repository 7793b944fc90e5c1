"""One server process, as ``serve`` starts it, under the load of ``wrk``."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from authsvc import processes
from benchmarks.contenders import HOST, Contender
from benchmarks.rig import ROOT, free_port, prepare

THREADS = 8
CONNECTIONS = 8
SECONDS = 5
UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


def problem() -> str:
    """Return why no server can be put under load here; empty if it can."""
    return "" if shutil.which("wrk") else "wrk is not installed"


def measure(contender: Contender) -> dict[str, float]:
    """Return requests per second, times in ms and the worker's memory in MB."""
    credentials = json.loads(prepare(contender))
    headers = {name.removeprefix("HTTP_").title(): value for name, value in credentials.items()}
    headers |= {"Host": HOST, "X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https"}
    with serving(contender) as (server, port):
        wait(port, contender.path, headers)
        load(port, contender.path, headers, 2)
        found = load(port, contender.path, headers, SECONDS)
        return found | {"memory": memory(server.pid)}


@contextmanager
def serving(contender: Contender) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Serve the contender with one worker process; yield its supervisor and the port."""
    port = free_port()
    project = "authsvc" if contender.ours else "benchmarks.rigs"
    command = processes.granian(
        *("--interface", "wsgi", "--no-ws", "--workers", "1"),
        *("--blocking-threads", str(THREADS), f"{project}.wsgi:application"),
        host="127.0.0.1",
        port=port,
    )
    with tempfile.TemporaryDirectory() as figures:
        environment = processes.FRUGAL_MALLOC | contender.environment()
        environment |= {"PROMETHEUS_MULTIPROC_DIR": figures}
        # The lines of the log are made, and read by nobody.
        nobody = subprocess.DEVNULL
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=nobody, stderr=nobody)
        try:
            yield server, port
        finally:
            server.terminate()
            server.wait()


def wait(port: int, path: str, headers: dict[str, str]) -> None:
    """Wait until the credentials are taken."""
    for _try in range(300):
        http = HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            http.request("GET", path, headers=headers)
            if http.getresponse().status == 200:
                return
        except (OSError, HTTPException):
            pass
        finally:
            http.close()
        time.sleep(0.1)
    sys.exit(f"port {port} does not answer {path}")


def load(port: int, path: str, headers: dict[str, str], seconds: int) -> dict[str, float]:
    """Let wrk ask for so long; any answer but a 2xx is an error."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency"]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    command.append(f"http://127.0.0.1:{port}{path}")
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise AssertionError(said)
    times: dict[str, float] = {}
    for share in ("50", "99"):
        number, unit = _found(rf"{share}%\s+([\d.]+)(us|ms|s)", said).groups()
        times[f"p{share}"] = float(number) * UNITS[unit]
    return times | {"rate": float(_found(r"Requests/sec:\s+([\d.]+)", said).group(1))}


def memory(supervisor: int) -> float:
    """Return the MB (PSS) of the worker process below granian's own."""
    listing = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text()
    sizes = []
    for child in listing.split():
        rollup = Path(f"/proc/{child}/smaps_rollup").read_text()
        sizes.append(int(_found(r"^Pss:\s+(\d+)", rollup).group(1)) / 1024)
    return max(sizes)


def _found(pattern: str, text: str) -> Any:
    found = re.search(pattern, text, re.MULTILINE)
    if found is None:
        raise AssertionError(text)
    return found
