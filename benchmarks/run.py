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

from benchmarks import report, rig, served
from benchmarks.contenders import BY_NAME, CONTENDERS, DATABASE_URL, Contender
from benchmarks.fill import fill

ROUNDS = 5
# Of how many sessions somebody signs out, and how often that is measured.
SIZES = {1: 60, 10: 30, 100: 10, 10_000: 3}
# And for how many sessions at most: simplejwt's loop takes minutes for ten thousand.
ENDERS = {"ours": 10_000, "knox": 10_000, "rotation": 100}
COUNTED = 30
REFRESHERS = ("ours", "rotation")
REFRESHES = 1000
SERVED = ("ours", "ours-profile", "stock", "stateless", "knox", "ours-cookie", "sessions")
PACKAGES = (
    *("Django", "djangorestframework", "djangorestframework-simplejwt", "PyJWT", "psycopg"),
    *("django-rest-knox", "django-allauth", "granian"),
)


def main() -> int:
    """Measure and write."""
    if problem := rig.missing() or served.problem():
        sys.exit(f"Cannot measure: {problem}")
    rig.begin_anew()
    rig.make_databases(CONTENDERS)
    report.write(
        checks=checks(),
        served=under_load(),
        logouts=logouts(),
        refreshes=refreshes(),
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


def under_load() -> dict[str, dict[str, float]]:
    """Return what one server process does, by contender; medians of rounds in turns."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in SERVED}
    for _round in range(3):
        for name in SERVED:
            found[name].append(served.measure(BY_NAME[name]))
            say(f"served {name}: {found[name][-1]}")
    return {
        name: {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}
        for name, rounds in found.items()
    }


def logouts() -> dict[str, dict[int, dict[str, Any]]]:
    """Return what signing out costs by contender and number of sessions, among a million."""
    found: dict[str, dict[int, dict[str, Any]]] = {name: {} for name in ENDERS}
    for name in ENDERS:
        fill(BY_NAME[name])
    for size, times in SIZES.items():
        for name, most in ENDERS.items():
            if size <= most:
                found[name][size] = step(BY_NAME[name], "logout", str(size), str(times))
    for name, sizes in found.items():
        sizes[1]["instructions"] = rig.counted(BY_NAME[name], "logout", "1", times=COUNTED)
        say(f"logout {name}: {sizes[1]['instructions']:.2f} M instructions")
    return found


def refreshes() -> dict[str, dict[str, Any]]:
    """Return what a refresh costs by contender."""
    found = {}
    for name in REFRESHERS:
        contender = BY_NAME[name]
        found[name] = step(contender, "refresh", str(REFRESHES))
        found[name]["instructions"] = rig.counted(contender, "refresh", times=COUNTED)
    return found


def step(contender: Contender, what: str, *arguments: str) -> dict[str, Any]:
    """Return what a worker finds out in its own database."""
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
