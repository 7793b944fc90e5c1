"""
How fast open sockets are told of their end, and what a thousand of them cost.

    DATABASE_URL=postgres://postgres@127.0.0.1:5432/postgres REDIS_URL=redis://127.0.0.1:6379/0 \\
        python -m benchmarks.sockets

makes a PostgreSQL database of its own beside the one that DATABASE_URL names, and starts the
production shape on this machine: one WSGI process for HTTP and one process for ``/ws/``. It opens
1,000 sockets (``--sockets``), five of each user, and ends them in three ways:

    paced   half of the users sign out everywhere over HTTP, one after the other
    burst   a quarter do so all at once
    lost    the rest are ended by SQL, and nobody publishes a notice

Between those of ``paced`` as many users sign out who have sessions and no socket: what a logout
takes longer for being listened to is the difference.

A delay is the time from the answer to the logout, or from the commit, until the client has the
message; one that has it before the answer counts as 0. Clients, servers, PostgreSQL and Redis
share the machine. Ends with 1 when a figure is over its goal or a socket was not told.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import psycopg
from tqdm import tqdm
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.rig import free_port, set_up
from benchmarks.rows import database

DEVICES = 5
# Seconds, and for the process of the sockets MiB.
MEDIAN, P99, LOST, MEMORY = 0.050, 1.0, 15.0, 200
# Of a logout's own time.
RISE = 0.001
PAUSE = 0.05
AT_ONCE = 16
CONNECTING = 50
END = "UPDATE user_sessions SET is_active = false, ended_at = now(), end_reason = 'incident' "


@dataclass
class Device:
    """One socket, and when it was told."""

    session_id: str
    token: str
    told_at: float | None = None


@dataclass
class Person:
    """
    Somebody with several devices.

    ``ended_at`` is when their end was answered or committed, ``took`` how long their logout took.
    """

    devices: list[Device]
    ended_at: float = 0.0
    took: float = 0.0

    def delays(self) -> Iterator[float]:
        """Yield how long each device waited."""
        for device in self.devices:
            if device.told_at is not None:
                yield max(0.0, device.told_at - self.ended_at)


@dataclass
class Servers:
    """Where the servers are, and the process of the sockets."""

    http: int
    ws: int
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def memory(self) -> float:
        """Return the resident memory of the process that holds the sockets, in MiB."""
        pages = int(Path(f"/proc/{self.processes[1].pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> int:
    """Measure; return 1 when a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sockets")
    parser.add_argument("--sockets", type=int, default=1000)
    number = parser.parse_args().sockets
    if not 20 <= number <= 20_000:
        parser.error("--sockets must be from 20 to 20000")
    with database(os.environ["DATABASE_URL"], "sockets") as url:
        set_up(url, REDIS_URL=os.environ["REDIS_URL"])
        people = sign_in(number // DEVICES)
        unheard = sign_in(number // DEVICES // 2)
        with servers() as running, ThreadPoolExecutor(AT_ONCE) as threads:
            return asyncio.run(measure(people, unheard, running, threads, url))


def sign_in(number: int) -> list[Person]:
    """Return people whose devices hold tokens."""
    from django.db import connections
    from django.utils import timezone

    from accounts import tokens
    from accounts.conf import get_settings
    from accounts.models import User, UserSession

    expires_at = timezone.now() + get_settings().session_lifetime
    before = User.objects.count()
    users = [User(email=f"person{before + n}@example.com", password="!") for n in range(number)]
    User.objects.bulk_create(users)
    rows = [
        UserSession(user=user, client="app", device_name=f"phone {n}", expires_at=expires_at)
        for user in users
        for n in range(DEVICES)
    ]
    UserSession.objects.bulk_create(rows)
    devices = [Device(str(row.pk), tokens.issue(row).access_token) for row in rows]
    connections.close_all()
    return [Person(devices[n : n + DEVICES]) for n in range(0, len(devices), DEVICES)]


@contextlib.contextmanager
def servers() -> Iterator[Servers]:
    """Start the two servers and stop them in the end."""
    from authsvc import processes

    running = Servers(http=free_port(), ws=free_port())
    http = processes.granian(
        *("--interface", "wsgi", "--no-ws", "--blocking-threads", "8", "authsvc.wsgi:application"),
        host="127.0.0.1",
        port=running.http,
    )
    try:
        for command in (http, processes.sockets(host="127.0.0.1", port=running.ws)):
            running.processes.append(
                subprocess.Popen(command, env=processes.FRUGAL_MALLOC | os.environ)
            )
        for port in (running.http, running.ws):
            wait_for(port)
        yield running
    finally:
        for process in running.processes:
            process.terminate()
        for process in running.processes:
            process.wait(30)


def wait_for(port: int) -> None:
    """Wait until a server listens."""
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


async def measure(
    people: list[Person],
    unheard: list[Person],
    running: Servers,
    threads: ThreadPoolExecutor,
    url: str,
) -> int:
    """Open the sockets, end them, and print what was found."""
    empty = running.memory()
    half, quarter = len(people) // 2, len(people) // 4
    groups = {
        "paced": people[:half],
        "burst": people[half : half + quarter],
        "lost": people[half + quarter :],
    }
    async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as listening:
        await open_all(people, running.ws, stack, listening)
        full = running.memory()
        with tqdm(total=len(people) + len(unheard), desc="signing out", unit="people") as bar:
            turns = chain.from_iterable(zip(groups["paced"], unheard, strict=True))
            await pace(turns, running.http, threads, bar)
            await burst(groups["burst"], running.http, threads, bar)
            await lose(groups["lost"], url, bar)
    missed = report(groups, empty, max(full, running.memory()))
    return int(missed | report_rise(groups["paced"], unheard))


async def open_all(
    people: list[Person],
    port: int,
    stack: contextlib.AsyncExitStack,
    listening: asyncio.TaskGroup,
) -> None:
    """Open a socket for every device, some at a time, and wait until it is ready."""
    devices = list(chain.from_iterable(person.devices for person in people))
    with tqdm(total=len(devices), desc="opening", unit="sockets") as bar:
        for first in range(0, len(devices), CONNECTING):
            some = devices[first : first + CONNECTING]
            for device, wire in zip(
                some, await asyncio.gather(*(open_(device, port) for device in some)), strict=True
            ):
                stack.push_async_callback(wire.close)
                listening.create_task(listen(device, wire))
            bar.update(len(some))


async def open_(device: Device, port: int) -> ClientConnection:
    """Open the device's socket."""
    wire = await connect(
        f"ws://127.0.0.1:{port}/ws/sessions",
        additional_headers={"Authorization": f"Bearer {device.token}"},
        compression=None,
        ping_interval=None,
        proxy=None,
    )
    message = json.loads(await wire.recv())
    assert message == {"type": "ready", "session_id": device.session_id}, message
    return wire


async def listen(device: Device, wire: ClientConnection) -> None:
    """Note when the device is told of its end; give up some time after it must have been."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(300):
            async for message in wire:
                if b"session.ended" in (
                    message if isinstance(message, bytes) else message.encode()
                ):
                    device.told_at = time.monotonic()


async def pace(people: Iterable[Person], port: int, threads: ThreadPoolExecutor, bar: Any) -> None:
    """Let the people sign out one after the other."""
    for person in people:
        await in_thread(threads, person, port)
        bar.update()
        await asyncio.sleep(PAUSE)
    await asyncio.sleep(2)


async def burst(people: list[Person], port: int, threads: ThreadPoolExecutor, bar: Any) -> None:
    """Let the people sign out all at once, as many as there are threads."""
    await asyncio.gather(*(in_thread(threads, person, port) for person in people))
    bar.update(len(people))
    await asyncio.sleep(3)


async def in_thread(threads: ThreadPoolExecutor, person: Person, port: int) -> None:
    """Sign the person out without holding up those who listen."""
    await asyncio.get_running_loop().run_in_executor(threads, sign_out, person, port)


def sign_out(person: Person, port: int) -> None:
    """Sign out everywhere, and note when the answer came."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(connection):
        headers = {"Authorization": f"Bearer {person.devices[0].token}"}
        began = time.monotonic()
        connection.request("POST", "/auth/logout", headers=headers)
        answer = connection.getresponse()
        answer.read()
        person.ended_at = time.monotonic()
        person.took = person.ended_at - began
        assert answer.status == 200, answer.status


async def lose(people: list[Person], url: str, bar: Any) -> None:
    """End the people's sessions behind the service's back."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        keys = [device.session_id for person in people for device in person.devices]
        await connection.execute((END + "WHERE id = ANY(%s::uuid[])").encode(), [keys])
    ended_at = time.monotonic()
    for person in people:
        person.ended_at = ended_at
    deadline = ended_at + 2 * LOST
    while time.monotonic() < deadline and any(
        device.told_at is None for person in people for device in person.devices
    ):
        await asyncio.sleep(0.1)
    bar.update(len(people))


def report(groups: dict[str, list[Person]], empty: float, full: float) -> bool:
    """Print the figures; return whether one is over its goal."""
    missed = False
    for name, people in groups.items():
        sockets = sum(len(person.devices) for person in people)
        delays = sorted(chain.from_iterable(person.delays() for person in people))
        median, p99 = statistics.median(delays), delays[max(0, -(-len(delays) * 99 // 100) - 1)]
        print(
            f"{name}: {len(delays)} of {sockets} sockets of {len(people)} users told; "
            f"p50 {1000 * median:.1f} ms, p99 {1000 * p99:.1f} ms, max {1000 * delays[-1]:.1f} ms"
        )
        missed |= len(delays) < sockets
        missed |= delays[-1] > LOST if name == "lost" else p99 > P99
        missed |= name == "paced" and median > MEDIAN
    sockets = sum(len(person.devices) for people in groups.values() for person in people)
    print(
        f"memory of the sockets' process: {full:.0f} MiB with {sockets}, {empty:.0f} without, "
        f"{1024 * (full - empty) / sockets:.0f} KiB each"
    )
    return missed | (full > MEMORY)


def report_rise(heard: list[Person], unheard: list[Person]) -> bool:
    """Print what a logout takes; return whether being listened to makes it take too long."""
    taken = [statistics.median(person.took for person in people) for people in (heard, unheard)]
    print(
        f"a logout's own time, p50 of {len(heard)} each: {1000 * taken[0]:.2f} ms with {DEVICES} "
        f"sockets that are told, {1000 * taken[1]:.2f} ms with none"
    )
    return taken[0] - taken[1] > RISE


if __name__ == "__main__":
    sys.exit(main())
