"""The racers themselves: they start together, and tell of what went wrong."""

from __future__ import annotations

import os
import time

import pytest
from django.db import OperationalError, connection, transaction

from accounts.conf import get_settings
from accounts.models import User
from tests.races.conftest import Person
from tests.races.holding import count_deadlocks
from tests.races.racers import Racers, act

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.usefixtures("db")]


def where_and_when() -> tuple[int, int, float]:
    """Return which process and which connection this is, and when it was asked."""
    now = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return os.getpid(), (cursor.fetchone() or (0,))[0], now


def sessions_per_user() -> int:
    """Return an option of ACCOUNTS."""
    return get_settings().sessions_per_user


def lock_both(first: str, second: str) -> bool:
    """Lock two users, one after the other; tell whether PostgreSQL found a deadlock."""
    try:
        with transaction.atomic():
            for email in (first, second):
                User.objects.select_for_update().get(email=email)
                time.sleep(0.2)
    except OperationalError as error:
        return "deadlock detected" in str(error)
    return False


def fail(reason: str) -> None:
    """Fail."""
    raise ValueError(reason)


def test_racers_are_several_processes_with_a_connection_each(started: Racers) -> None:
    found = started.race(*[act(where_and_when)] * 9)

    assert len({process for process, _backend, _at in found} | {os.getpid()}) == 5
    assert len({backend for _process, backend, _at in found}) == 9


def test_a_racer_that_fails_is_told(started: Racers) -> None:
    with pytest.raises(AssertionError, match="ValueError: out of breath"):
        started.race(act(time.time), act(fail, "out of breath"))

    assert len(started.race(act(time.time))) == 1


def test_an_option_lasts_as_long_as_the_race(started: Racers) -> None:
    asking = [act(sessions_per_user)] * 5

    assert started.race(*asking, options={"SESSIONS_PER_USER": 7}) == [7] * 5
    assert set(started.race(*asking)) == {50}


def test_a_deadlock_would_be_seen(started: Racers, person: Person) -> None:
    alice, bob = person("alice").email, person("bob").email
    before = count_deadlocks()

    found = started.race(act(lock_both, alice, bob), act(lock_both, bob, alice))

    assert sorted(found) == [False, True]
    assert count_deadlocks() == before + 1
