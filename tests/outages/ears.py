"""Many sockets at a time, over TCP, and when each of them is told of its end."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable

from websockets.asyncio.client import connect

from tests.races.acts import Tokens
from tests.races.servers import PATIENCE, Server, bearer

# What ends the sessions of some devices, and those devices.
End = tuple[Callable[[], object], list[Tokens]]


def told_after(server: Server, ends: Iterable[End], pauses: Iterable[float]) -> list[float]:
    """
    Open a socket for every device; then end their sessions, one act after the other.

    Return how many seconds after the beginning of the act each socket was told. Before each act
    comes a pause, of so many seconds.
    """
    return asyncio.run(_told_after(server, list(ends), pauses))


async def _told_after(server: Server, ends: list[End], pauses: Iterable[float]) -> list[float]:
    began: dict[int, float] = {}
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
        ears = [
            (number, asyncio.Event(), held)
            for number, (_act, devices) in enumerate(ends)
            for held in devices
        ]
        told = [
            (number, tasks.create_task(_told_at(server, held, is_open)))
            for number, is_open, held in ears
        ]
        for _number, is_open, _held in ears:
            await is_open.wait()
        for number, ((act, _devices), pause) in enumerate(zip(ends, pauses, strict=False)):
            await asyncio.sleep(pause)
            began[number] = time.monotonic()
            await asyncio.to_thread(act)
    return [one.result() - began[number] for number, one in told]


async def _told_at(server: Server, held: Tokens, is_open: asyncio.Event) -> float:
    """Listen until the server closes the socket; return when that said that it has ended."""
    headers = {"Authorization": bearer(held)}
    url = f"ws://127.0.0.1:{server.port}/ws/sessions"
    async with connect(url, proxy=None, additional_headers=headers, open_timeout=PATIENCE) as wire:
        assert json.loads(await wire.recv())["type"] == "ready"
        is_open.set()
        while (heard := json.loads(await wire.recv()))["type"] == "sessions.changed":
            continue
        at = time.monotonic()
        await wire.wait_closed()
    assert heard["type"] == "session.ended"
    assert wire.close_code == 4401
    return at
