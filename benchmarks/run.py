"""``make bench``: measures everybody in one run and writes docs/benchmarks.md with its plot."""

from __future__ import annotations

import importlib.metadata
import platform
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import report, rig
from benchmarks.contenders import BY_NAME, CONTENDERS, DATABASE_URL, Contender

ROUNDS = 5
SIZES = (1, 10, 100, 10_000)
# And for how many sessions at most: simplejwt's loop takes minutes for ten thousand.
ENDERS = {"ours": 10_000, "knox": 10_000, "rotation": 100}
REFRESHERS = ("ours", "rotation")
PACKAGES = (
    *("Django", "djangorestframework", "djangorestframework-simplejwt", "PyJWT", "psycopg"),
    *("django-rest-knox", "django-allauth", "granian"),
)


def main() -> int:
    """Measure and write."""
    if problem := rig.missing():
        sys.exit(f"Cannot measure: {problem}")
    rig.begin_anew()
    rig.make_databases(CONTENDERS)
    report.write(
        checks=checks(),
        logouts={
            name: {size: step(BY_NAME[name], "logout", str(size)) for size in SIZES if size <= most}
            for name, most in ENDERS.items()
        },
        refreshes={name: step(BY_NAME[name], "refresh") for name in REFRESHERS},
        versions=versions(),
        machine=machine(),
    )
    return 0


def checks() -> dict[str, dict[str, Any]]:
    """Return the cost of an authenticated GET by contender; the times are taken in turns."""
    found: dict[str, dict[str, Any]] = {contender.name: {} for contender in CONTENDERS}
    spent: dict[str, list[float]] = {contender.name: [] for contender in CONTENDERS}
    with ThreadPoolExecutor(max_workers=2) as pool:
        for contender, counted in zip(
            CONTENDERS, pool.map(rig.instructions, CONTENDERS), strict=True
        ):
            say(f"{contender.name}: {counted:.2f} M instructions")
            found[contender.name]["instructions"] = counted
    for _round in range(ROUNDS):
        for contender in CONTENDERS:
            answer = rig.work(contender, "measure", rig.prepare(contender), str(rig.TIMED))
            spent[contender.name].append(answer["cpu"])
            found[contender.name] |= {key: answer[key] for key in ("statements", "memory")}
    for name, times in spent.items():
        found[name]["cpu"] = statistics.median(times)
    return found


def step(contender: Contender, what: str, *arguments: str) -> dict[str, Any]:
    """Return what a worker finds out in its own database."""
    rig.prepare(contender)
    found = rig.work(contender, what, *arguments)
    say(f"{what} {contender.name} {' '.join(arguments)}: {found}")
    return found


def versions() -> dict[str, str]:
    """Return what was measured with."""
    with psycopg.connect(DATABASE_URL) as connection:
        server = str(connection.info.server_version // 10000)
    known = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"Python": platform.python_version(), "PostgreSQL": server, **known}


def machine() -> str:
    """Return what it was measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if "model name" in line), "?")
    cores = sum(line.startswith("processor") for line in lines)
    valgrind = subprocess.run(["valgrind", "--version"], capture_output=True, text=True, check=True)
    return f"{cores} cores of an {model}, {platform.system()}, {valgrind.stdout.strip()}"


def say(what: str) -> None:
    """Show that it goes on."""
    print(what, flush=True)


if __name__ == "__main__":
    sys.exit(main())
