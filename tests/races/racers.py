"""
Several processes that act at once, each racer in a thread with a connection of its own.

The processes are started once and wait for work. All racers of a race are ready, with open
connections, before the first one starts. What an act takes and returns goes through a pipe.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Self

# Nothing of Django: a process imports this before it knows its settings.

# Seconds; longer than the database takes to find a deadlock.
PATIENCE = 60
# Of one race in one process.
MOST = 16
Act = Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Failure:
    """What an act raised, as text: not every exception can go through a pipe."""

    traceback: str


class Racers:
    """``processes`` processes with this ``environment``."""

    def __init__(self, processes: int, environment: Mapping[str, str]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes = []
        for _process in range(processes):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, dict(environment)))
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for pipe in self._pipes:
            pipe.send(None)
        for process in self._processes:
            process.join(PATIENCE)

    def race(self, *acts: Act, options: Mapping[str, Any] | None = None) -> list[Any]:
        """
        Let all ``acts`` start at once, dealt out to the processes; return what each returned.

        ``options`` are options of ACCOUNTS while the race lasts. AssertionError for one that
        raised.
        """
        hands = [(pipe, acts[number :: len(self._pipes)]) for number, pipe in self._places(acts)]
        for pipe, hand in hands:
            pipe.send((hand, dict(options or {})))
        for pipe, _hand in hands:
            _receive(pipe)
        for pipe, _hand in hands:
            pipe.send("go")
        results: list[Any] = [None] * len(acts)
        for number, (pipe, _hand) in enumerate(hands):
            results[number :: len(self._pipes)] = _receive(pipe)
        failures = [result.traceback for result in results if isinstance(result, Failure)]
        assert not failures, failures[0]
        return results

    def _places(self, acts: Sequence[Act]) -> list[tuple[int, Connection]]:
        return list(enumerate(self._pipes))[: len(acts)]


def act(function: Callable[..., Any], *arguments: Any, **more: Any) -> Act:
    """Return an act that a process can be told: a function of a module, and what it is given."""
    return partial(function, *arguments, **more)


def _receive(pipe: Connection) -> Any:
    assert pipe.poll(PATIENCE), "a racer does not answer"
    return pipe.recv()


def _serve(pipe: Connection, environment: Mapping[str, str]) -> None:
    """Be one of the processes."""
    os.environ.update(environment)
    import django

    django.setup()
    from django.conf import settings
    from django.test import override_settings

    with ThreadPoolExecutor(MOST) as threads:
        while (work := pipe.recv()) is not None:
            acts, options = work
            gates = threading.Barrier(len(acts) + 1), threading.Barrier(len(acts) + 1)
            with override_settings(ACCOUNTS={**settings.ACCOUNTS, **options}):
                racing = [threads.submit(_run, one, *gates) for one in acts]
                gates[0].wait(PATIENCE)
                pipe.send("ready")
                pipe.recv()
                gates[1].wait(PATIENCE)
                pipe.send([racer.result(PATIENCE) for racer in racing])


def _run(one: Act, ready: threading.Barrier, start: threading.Barrier) -> Any:
    from django.db import connection

    connection.ensure_connection()
    ready.wait(PATIENCE)
    start.wait(PATIENCE)
    try:
        return one()
    except Exception:  # noqa: BLE001 - whatever it was, the test is told
        return Failure(traceback.format_exc())
    finally:
        connection.close()
