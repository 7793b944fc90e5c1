"""
Who is to be told: the open sockets of this process, one subscription and one regular look for all.

A notice names a user; the database says which of that user's sessions have ended. Notices that
come while it is asked are answered together by the next question. What notices fail to tell, the
regular look at all rows finds. While the database is away nobody is told anything and every
socket stays open: a server that is ill ends no session.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections import defaultdict
from collections.abc import Callable, Collection, Coroutine
from functools import partial
from typing import Protocol
from uuid import UUID

from accounts import notifications
from accounts.conf import get_settings
from accounts.exceptions import ServiceUnavailable
from accounts.metrics import SOCKETS
from accounts.ws import rows

logger = logging.getLogger(__name__)

Work = Callable[[], Coroutine[object, object, None]]


class Socket(Protocol):
    """What the relay knows of a socket. Telling it something never waits and never raises."""

    session_id: UUID
    user_id: str

    def tell_changed(self) -> None:
        """Say that another of the user's sessions began or ended."""

    def tell_ended(self, ending: rows.Ending) -> None:
        """Say how the socket's own session ended, and close; a second time it does nothing."""


class Relay:
    """Tells the sockets of one event loop. Nothing here is called from another thread."""

    def __init__(self) -> None:
        self._sockets: defaultdict[str, set[Socket]] = defaultdict(set)
        self._count = 0
        self._due: set[str] = set()
        self._is_due = asyncio.Event()
        self._look_now = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return self._count

    def start(self) -> None:
        """Listen, answer and look from now on, for as long as the event loop runs."""
        for work in (self._hear, self._answer, self._look):
            self._keep_doing(work)

    def add(self, socket: Socket) -> bool:
        """Take a socket in; False where there are too many, of this user or in all."""
        options = get_settings()
        mine = self._sockets.get(socket.user_id, ())
        if 0 < options.ws_sockets_per_process <= self._count:
            return False
        if 0 < options.ws_sockets_per_user <= len(mine):
            return False
        self._sockets[socket.user_id].add(socket)
        self._count += 1
        SOCKETS.inc()
        return True

    def remove(self, socket: Socket) -> None:
        """Forget a socket that was taken in."""
        mine = self._sockets[socket.user_id]
        mine.remove(socket)
        self._count -= 1
        SOCKETS.dec()
        if not mine:
            del self._sockets[socket.user_id]

    def heard(self, user_id: str) -> None:
        """Take a notice: ask about this user's sockets as soon as possible."""
        if user_id in self._sockets:
            self._due.add(user_id)
            self._is_due.set()

    def _keep_doing(self, work: Work) -> None:
        task = asyncio.create_task(work())
        self._tasks.add(task)
        task.add_done_callback(partial(self._restart, work))

    def _restart(self, work: Work, task: asyncio.Task[None]) -> None:
        """Begin anew after an error nobody thought of: without the relay nobody is told."""
        self._tasks.discard(task)
        if task.cancelled():
            # The event loop ends.
            _relays.pop(task.get_loop(), None)
            return
        logger.error("The relay met an error and goes on", exc_info=task.exception())
        task.get_loop().call_later(rows.RETRY_AFTER, self._keep_doing, work)

    async def _hear(self) -> None:
        await notifications.hear(self.heard, gap=self._look_now.set)

    async def _answer(self) -> None:
        """Tell the sockets of users of whom there was a notice."""
        while True:
            await self._is_due.wait()
            self._is_due.clear()
            users, self._due = self._due, set()
            sockets = self._of(users)
            ended = await self._ask_until_answered(sockets)
            for socket in sockets:
                if socket.session_id in ended:
                    socket.tell_ended(ended[socket.session_id])
                else:
                    socket.tell_changed()

    async def _look(self) -> None:
        """Look at the rows of all sockets now and then, and at once when notices were missed."""
        while True:
            # Never later than the option says, and not all processes at once.
            jitter = random.uniform(0.8, 1.0)  # noqa: S311 - no secret
            pause = get_settings().ws_recheck_interval.total_seconds() * jitter
            # Not wait_for, which forgets in Python 3.11 that it was cancelled when what it waits
            # for comes at the same time: the event loop would never end.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._look_now.wait()
            self._look_now.clear()
            sockets = self._of(self._sockets)
            ended = await self._ask_until_answered(sockets)
            for socket in sockets:
                if socket.session_id in ended:
                    socket.tell_ended(ended[socket.session_id])
                    # The user's other sockets have missed the notice as well.
                    self.heard(socket.user_id)

    def _of(self, users: Collection[str]) -> list[Socket]:
        return [socket for user_id in users for socket in self._sockets.get(user_id, ())]

    async def _ask_until_answered(self, sockets: list[Socket]) -> dict[UUID, rows.Ending]:
        session_ids = {socket.session_id for socket in sockets}
        while session_ids:
            try:
                return await rows.ask(rows.LOOKS, partial(rows.endings, session_ids))
            except ServiceUnavailable as error:
                await asyncio.sleep(error.retry_after)
        return {}


_relays: dict[asyncio.AbstractEventLoop, Relay] = {}


def of_this_process() -> Relay:
    """Return the relay of the running event loop; a process that serves has one."""
    loop = asyncio.get_running_loop()
    if loop not in _relays:
        _relays[loop] = Relay()
        _relays[loop].start()
    return _relays[loop]
