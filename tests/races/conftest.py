"""What the races on PostgreSQL may ask for: processes, and rows that all of them see."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
from django.core.management import call_command
from pytest_django import DjangoDbBlocker

from accounts.models import Attempt, User
from tests.people import PASSWORD
from tests.races.course import tally, tally_of
from tests.races.racers import Racers
from tests.ws.server import database_url

__all__ = ["tally"]

# On two cores more processes would only wait for each other.
PROCESSES = 4
Person = Callable[..., User]


def pytest_ignore_collect(collection_path: object, config: pytest.Config) -> bool | None:
    """Leave what takes a quiet machine and minutes to ``make races``."""
    is_timing = str(collection_path).endswith("test_timing.py")
    return True if is_timing and not tally_of(config).is_full else None


@pytest.fixture(scope="module")
def db(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """
    The database of the tests, with rows that are committed; emptied after the module.

    In the place of pytest-django's own fixture, whose rows nobody else sees.
    """
    with django_db_blocker.unblock():
        yield
        call_command("flush", interactive=False, verbosity=0)


@pytest.fixture(scope="session")
def started(django_db_setup: None) -> Iterator[Racers]:
    """Processes that act at once and only look."""
    environment = {
        "DATABASE_URL": database_url(),
        "DJANGO_SETTINGS_MODULE": "tests.races.settings",
        "LOG_LEVEL": "CRITICAL",
    }
    with Racers(PROCESSES, environment) as racers:
        yield racers


@pytest.fixture
def racers(db: None, started: Racers) -> Racers:
    """Processes that act at once on the rows of this module, and whom no limit holds up yet."""
    Attempt.objects.all().delete()
    return started


@pytest.fixture(scope="module")
def person(db: None) -> Person:
    """Return somebody new: ``person("alice")``."""
    numbers = itertools.count()

    def make(name: str, **facts: bool) -> User:
        return User.objects.create_user(f"{name}{next(numbers)}@example.com", PASSWORD, **facts)

    return make
