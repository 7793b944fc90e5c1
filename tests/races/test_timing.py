"""
Whether the time that a refusal takes tells who has an account. In ``make races`` only.

In one process, without a network that would hide it, with the hasher that the service uses. The
kinds take turns in a random order, so that what else the machine does is shared out evenly.
"""

from __future__ import annotations

import random
import statistics
import time
from itertools import combinations

import pytest
from pytest_django import Settings

from tests.people import PASSWORD, Phone
from tests.races.conftest import Person
from tests.races.course import Tally

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

EACH = 300
# Of a normal distribution: one comparison in 370 is beyond it by chance.
SIGNIFICANT = 3.0


def test_the_time_of_a_refusal_does_not_tell_who_has_an_account(
    person: Person, tally: Tally, settings: Settings
) -> None:
    settings.PASSWORD_HASHERS = ["accounts.hashers.Argon2PasswordHasher"]
    settings.ACCOUNTS = {**settings.ACCOUNTS, "RATE_LIMITS": False}
    known, inactive = person("alice"), person("bob", is_active=False)
    tries = {
        "known": (known.email, "wrong"),
        "unknown": ("nobody@example.com", "wrong"),
        "inactive": (inactive.email, PASSWORD),
    }
    took: dict[str, list[float]] = {kind: [] for kind in tries}
    order, chance = list(tries), random.Random(1)
    for number in tally.rounds(0, EACH + 5):
        chance.shuffle(order)
        for kind in order:
            took[kind].append(refusal(*tries[kind]))
        if number < 5:
            # Warming up.
            took = {kind: [] for kind in tries}

    medians = {kind: statistics.median(times) for kind, times in took.items()}
    ranks = {pair: rank_sum(took[pair[0]], took[pair[1]]) for pair in combinations(tries, 2)}
    apart = max(medians.values()) / min(medians.values()) - 1
    tally.claim(
        "the time of a refused sign-in: known, unknown and inactive address",
        ", ".join(f"{kind} {1000 * median:.1f} ms" for kind, median in medians.items())
        + f": medians within {100 * apart:.1f} %; a rank test separates them by z = "
        f"{max(map(abs, ranks.values())):.1f}; {len(took['known'])} each",
    )
    assert apart < 0.05, medians
    assert max(map(abs, ranks.values())) < SIGNIFICANT, ranks


def refusal(email: str, password: str) -> float:
    """Try to sign in and return how many seconds the refusal took."""
    before = time.perf_counter()
    answer = Phone().call("post", "/auth/login", {"email": email, "password": password})
    took = time.perf_counter() - before
    assert answer.status_code == 401
    return took


def rank_sum(some: list[float], others: list[float]) -> float:
    """Return z of the Mann-Whitney test: how far apart the ranks are, in standard deviations."""
    mixed = sorted([(time, True) for time in some] + [(time, False) for time in others])
    ranks = sum(rank for rank, (_time, is_ours) in enumerate(mixed, 1) if is_ours)
    n, m = len(some), len(others)
    u = ranks - n * (n + 1) / 2
    return float((u - n * m / 2) / (n * m * (n + m + 1) / 12) ** 0.5)
