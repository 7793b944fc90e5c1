"""What every test may ask for. What needs PostgreSQL or Redis is skipped in the embedded run."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.conf import settings
from django.core.cache import caches
from django.utils import translation

from accounts import redis_patience
from accounts.models import User
from tests.people import PASSWORD, Phone


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what the services of this run cannot carry."""
    engine = settings.DATABASES["default"]["ENGINE"]
    backend = settings.CACHES["default"]["BACKEND"]
    for item in items:
        if item.get_closest_marker("postgres") and "postgresql" not in engine:
            item.add_marker(pytest.mark.skip(reason="needs PostgreSQL (DATABASE_URL)"))
        if item.get_closest_marker("redis") and "redis" not in backend:
            item.add_marker(pytest.mark.skip(reason="needs Redis (REDIS_URL)"))


@pytest.fixture(autouse=True)
def _clean_cache() -> Iterator[None]:
    redis_patience.forget_failures()
    caches["default"].clear()
    yield
    redis_patience.forget_failures()


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    """Whatever a test has activated, the next one begins with the project's language."""
    translation.deactivate()
    yield
    translation.deactivate()


@pytest.fixture
def alice(db: None) -> User:
    """Somebody who signs in."""
    return User.objects.create_user("alice@example.com", PASSWORD, name="Alice")


@pytest.fixture
def bob(db: None) -> User:
    """Somebody who must not be affected."""
    return User.objects.create_user("bob@example.com", PASSWORD, name="Bob")


@pytest.fixture
def carol(db: None) -> User:
    """Staff, with every permission."""
    return User.objects.create_superuser("carol@example.com", PASSWORD, name="Carol")


@pytest.fixture
def phone_of(db: None) -> Callable[..., Phone]:
    """Return a device that has just signed in: ``phone_of(alice, name="laptop")``."""

    def sign_in(user: User, name: str = "phone", **extra: str) -> Phone:
        return Phone(name).sign_in(user, **extra)

    return sign_in
