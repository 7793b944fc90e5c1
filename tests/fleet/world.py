"""
A clock that jumps from one event to the next, a bad network, and the real services behind it.

Apps are generators: they yield ``Sleep`` or ``Call`` and are resumed with what came of it. They
may be killed wherever they wait. Nothing happens at once; the chance is seeded.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import timedelta

import time_machine
from django.utils import timezone

from accounts.devices import Device
from accounts.exceptions import TokenError
from accounts.services.authentication import authenticate_access
from accounts.services.sessions import rotate
from accounts.tokens import TokenPair

PHONE = Device("192.0.2.1", "an app", "phone")
# Seconds that an app waits for an answer.
PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class Sleep:
    """Nothing to do for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Call:
    """A request with a token: a refresh, or any other."""

    token: str
    is_refresh: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service said: ``code`` is empty for success; a refresh brings ``pair``."""

    code: str = ""
    pair: TokenPair | None = None


Program = Generator[Sleep | Call, Answer | None, None]


@dataclass(frozen=True, slots=True)
class Network:
    """
    How bad the network is: how likely what happens is, and seconds that things take at most.

    An answer that is late comes when the app may have given up. A request stays under way at most
    ``transit``; with the service's ten seconds of grace that is the longest it may.
    """

    request_lost: float = 0.06
    request_doubled: float = 0.06
    answer_lost: float = 0.10
    answer_doubled: float = 0.05
    answer_late: float = 0.08
    killed: float = 0.05
    transit: float = 4.0
    lateness: float = 90.0


class World:
    """The clock, the network and the service. ``happened`` counts what went on."""

    def __init__(self, clock: time_machine.Traveller, seed: int, network: Network) -> None:
        self.chance = random.Random(seed)
        self.network = network
        self.happened = Counter[str]()
        self.now = 0.0
        self._clock, self._start = clock, timezone.now()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = 0

    def after(self, seconds: float, event: Callable[[], None]) -> None:
        """Let ``event`` happen in so many seconds."""
        self._numbers += 1
        heapq.heappush(self._events, (self.now + seconds, self._numbers, event))

    def run(self, is_over: Callable[[], bool]) -> None:
        """Let things happen until it is over."""
        while not is_over():
            self.now, _number, event = heapq.heappop(self._events)
            self._clock.move_to(self._start + timedelta(seconds=self.now))
            event()

    def happens(self, name: str, probability: float) -> bool:
        """Throw the dice, and count what happens."""
        does = self.chance.random() < probability
        self.happened[name] += does
        return does

    def send(self, call: Call, take: Callable[[Answer], None]) -> None:
        """Carry a request to the service, perhaps, or twice, and its answers back, perhaps."""
        if self.happens("requests lost", self.network.request_lost):
            return
        doubled = self.happens("requests doubled", self.network.request_doubled)
        for _copy in range(1 + doubled):
            transit = self.chance.uniform(0.02, self.network.transit)
            self.after(transit, lambda: self._answer(serve(call), take))

    def _answer(self, answer: Answer, take: Callable[[Answer], None]) -> None:
        self.happened["requests served"] += 1
        if self.happens("answers lost", self.network.answer_lost):
            return
        doubled = self.happens("answers doubled", self.network.answer_doubled)
        late = self.happens("answers late", self.network.answer_late)
        for _copy in range(1 + doubled):
            longest = self.network.lateness if late else self.network.transit
            self.after(self.chance.uniform(0.02, longest), lambda: take(answer))


def serve(call: Call) -> Answer:
    """Be the service."""
    try:
        if call.is_refresh:
            return Answer(pair=rotate(call.token, device=PHONE))
        authenticate_access(call.token)
    except TokenError as error:
        return Answer(error.code)
    return Answer()
