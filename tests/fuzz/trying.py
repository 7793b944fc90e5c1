"""Trying out: so many examples of what strategies describe, by a seed."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from random import SystemRandom
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

from tests.races.course import Tally


def try_out(
    check: Callable[..., None],
    *,
    examples: int,
    by: int,
    **strategies: SearchStrategy[Any],
) -> None:
    """Call ``check`` with so many examples; the same ones again for the same seed ``by``."""
    test = given(**strategies)(check)
    test = settings(
        max_examples=examples,
        phases=[Phase.generate, Phase.shrink],
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )(test)
    seed(by)(test)()


def seeds(tally: Tally, full: int) -> Iterator[int]:
    """Yield one seed, always the same, or in the full form ``full`` new ones."""
    for number in tally.rounds(1, full):
        yield SystemRandom().getrandbits(64) if tally.is_full else number


def seed_of(by: int, *parts: str) -> int:
    """Return another seed for each of what is tried with one."""
    return zlib.crc32("\0".join(parts).encode(), by & 0xFFFFFFFF)
