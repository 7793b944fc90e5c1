"""The page about the figures, and its plot."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.contenders import BY_NAME, CONTENDERS
from benchmarks.fill import ROWS
from benchmarks.served import CONNECTIONS, SECONDS, THREADS

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE, PLOT = DOCS / "benchmarks.md", DOCS / "benchmarks.svg"

Figures = Mapping[str, Mapping[str, Any]]

HEAD = """\
# What it costs

Written by `make bench`. An access token that can be taken back at once is checked against its
session's row at every request; these figures say what that costs, next to what others cost.

**Compare by instructions.** They are counted by callgrind in the web process, from the request's
entry into WSGI to its close, {counted} requests after a warm-up of 150 (CPython specialises its
bytecode meanwhile), and repeat to half a percent on any machine. CPU times are the median of five
rounds in which all contenders took turns, on a machine that others used too: for orientation only.

* Machine: {machine}
* Versions: {versions}

## A GET with credentials

![Instructions per request](benchmarks.svg)

The view answers id and email. authsvc runs in its shipped settings: every middleware, envelope,
request ids, logs, figures, connection pool, HTTPS behind a proxy. The peers run in a new
project's settings with a connection that stays open, without logs, figures, pool or health
checks.

| | M instructions | ÷ stock | CPU µs | statements | MB | can be taken back |
| --- | ---: | ---: | ---: | ---: | ---: | --- |
"""
SERVED = """
MB is the memory of the process alone (PSS) after these requests, without a server around it.

authsvc remembers which tokens it has verified the signature of (2048 per process); the session's
row and the token's time are looked at in every request all the same. "For the first time" is the
cost without that: what a process pays that sees every device only once.

## The same through a server

One granian process with {threads} threads, as `serve` starts it, asked by `wrk` over {connections}
connections that stay open; medians of three turns of {seconds} seconds. The load, PostgreSQL and
Redis run on the same cores, so requests per second are for orientation, and the times are those of
a server that is asked as fast as it answers. MB is the worker process (PSS).

| | requests/s | p50 ms | p99 ms | MB |
| --- | ---: | ---: | ---: | ---: |
"""
LOGOUT = """
## Signing out everywhere

One call that ends all of a user's sessions, in a table of {rows} others': CPU ms in the web process
(statements), medians. authsvc writes the audit trail and tells the other devices meanwhile; the
peers do not. simplejwt has no such call; its users loop over the outstanding tokens.

| sessions | """
REFRESH = """
## A refresh

A thousand in a row, per refresh. WAL is the server's in that time, so other work on the server
counts too.

| | M instructions | CPU ms | statements | new rows per 1 000 | WAL kB per 1 000 |
| --- | ---: | ---: | ---: | ---: | ---: |
"""
LIMITS = """
The goal for a refresh was a quarter of simplejwt's, and it is missed. Of 3.8 M instructions Django
and REST framework take 1.1 before and after the view, which is what a view costs that does nothing;
checking the body takes 0.35, verifying the token that comes 0.57, signing the two that go 0.55,
reading the row with its user 0.58 and writing it 0.27. One statement instead of two would win
another 0.5, but the check would then be written twice, in Python and in SQL.

## What these figures do not say

* Nothing about PostgreSQL's and Redis' own work, and nothing about waiting for them: instructions
  are those of the web process in user mode.
* Save for the table that says so, nothing about a server: requests are handed to WSGI in process,
  one after the other, in one thread.
* Tables are small, save for signing out.
* The warm figure of authsvc is for a token that its process has seen; see above for the other.

`make bench-quick` measures only authsvc and stock simplejwt, and fails when the ratio has risen
above the one in `benchmarks/recorded.json`; `make check` does that where valgrind and PostgreSQL
are there. PostgreSQL and Redis are found at `BENCH_DATABASE_URL` and `BENCH_REDIS_URL`, else on
this machine; each contender gets a database `authsvc_bench_…` of its own.
"""


def write(
    *,
    checks: Figures,
    served: Figures,
    logouts: Mapping[str, Mapping[int, Any]],
    refreshes: Figures,
    versions: Mapping[str, str],
    machine: str,
) -> None:
    """Write the page and the plot."""
    text = HEAD.format(
        counted=100,
        machine=machine,
        versions=", ".join(f"{name} {version}" for name, version in versions.items()),
    )
    text += "".join(_check(name, found, checks) for name, found in checks.items())
    text += SERVED.format(threads=THREADS, connections=CONNECTIONS, seconds=SECONDS)
    text += "".join(_served(name, found) for name, found in served.items())
    text += LOGOUT.format(rows=f"{ROWS:,}".replace(",", " ")) + _logouts(logouts)
    text += REFRESH + "".join(_refresh(name, found) for name, found in refreshes.items())
    PAGE.write_text(text + LIMITS, encoding="utf-8")
    _plot(checks)


def _check(name: str, found: Mapping[str, Any], checks: Figures) -> str:
    contender = BY_NAME[name]
    ratio = found["instructions"] / checks["stock"]["instructions"]
    return (
        f"| {contender.title} | {found['instructions']:.2f} | {ratio:.2f} | {found['cpu']:.0f} "
        f"| {found['statements']} | {found['memory']:.0f} | {contender.revocable} |\n"
    )


def _served(name: str, found: Mapping[str, Any]) -> str:
    return (
        f"| {BY_NAME[name].title} | {found['rate']:.0f} | {found['p50']:.1f} "
        f"| {found['p99']:.1f} | {found['memory']:.0f} |\n"
    )


def _logouts(logouts: Mapping[str, Mapping[int, Any]]) -> str:
    titles = [BY_NAME[name].title for name in logouts]
    lines = [" | ".join(titles) + " |", "| ---: " * (len(titles) + 1) + "|"]
    for size in next(iter(logouts.values())):
        cells = [_act(found[size]) if size in found else "" for found in logouts.values()]
        lines.append(f"| {size} | {' | '.join(cells)} |")
    counted = [f"{found[1]['instructions']:.2f}" for found in logouts.values()]
    lines.append(f"| 1, M instructions | {' | '.join(counted)} |")
    after = ["refused" if found[1]["refused"] else "**still 200**" for found in logouts.values()]
    lines.append(f"| old token afterwards | {' | '.join(after)} |")
    return "\n".join(lines) + "\n"


def _act(found: Mapping[str, Any]) -> str:
    return f"{found['cpu']:.1f} ({found['statements']})"


def _refresh(name: str, found: Mapping[str, Any]) -> str:
    return (
        f"| {BY_NAME[name].title} | {found['instructions']:.2f} "
        f"| {found['cpu']:.2f} | {found['statements']:.0f} "
        f"| {found['rows']} | {found['wal'] / 1000:.0f} |\n"
    )


def _plot(checks: Figures) -> None:
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "authsvc"
    from matplotlib import pyplot

    shown = [contender for contender in reversed(CONTENDERS) if contender.name in checks]
    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    bars = axes.barh(
        [contender.title.replace("*", "").replace("`", "") for contender in shown],
        [checks[contender.name]["instructions"] for contender in shown],
        color=["#1f6feb" if contender.ours else "#9aa4b2" for contender in shown],
    )
    axes.bar_label(bars, fmt="%.2f", padding=3)
    axes.set_xlabel("million instructions per authenticated GET; less is better")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(PLOT, metadata={"Date": None})
