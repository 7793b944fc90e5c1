"""Cache backends that fail, or that look around while they are told."""

from __future__ import annotations

import threading
from typing import Any, ClassVar

from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.db import connection, transaction
from django_redis.exceptions import ConnectionInterrupted
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from accounts.models import UserSession

# What django-redis, redis-py, the operating system and other backends have been seen to raise.
UNREACHABLE: dict[str, Exception] = {
    "refused": RedisConnectionError("Connection refused."),
    "timed out": RedisTimeoutError("Timeout reading from socket"),
    "garbage": InvalidResponse("Protocol error"),
    "interrupted by the system": OSError(110, "Connection timed out"),
    "timed out in the system": TimeoutError("timed out"),
}
REFUSING: dict[str, Exception] = {
    "wrong type": ResponseError("WRONGTYPE Operation against a key"),
    "no JSON": ValueError("Expecting value"),
    "interrupted": ConnectionInterrupted(connection=None),
    "another backend's": RuntimeError("no server"),
}


def failing(name: str) -> dict[str, dict[str, Any]]:
    """Return CACHES with a cache that fails with the named error."""
    BrokenCache.calls.clear()
    return {"default": {"BACKEND": "tests.faults.caches.BrokenCache", "LOCATION": name}}


class BrokenCache(BaseCache):
    """Fails whatever it is asked, with the error that its LOCATION names."""

    calls: ClassVar[list[str]] = []

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        self._error = (UNREACHABLE | REFUSING)[location]

    def get(self, *_args: Any, **_options: Any) -> Any:
        """Fail."""
        self._fail("get")

    def set(self, *_args: Any, **_options: Any) -> None:
        """Fail."""
        self._fail("set")

    def delete_many(self, *_args: Any, **_options: Any) -> None:
        """Fail."""
        self._fail("delete_many")

    def _fail(self, call: str) -> None:
        self.calls.append(call)
        raise self._error


WATCHING = {"default": {"BACKEND": "tests.faults.caches.WatchingCache", "LOCATION": "watching"}}


class WatchingCache(LocMemCache):
    """Notes, whenever keys are deleted, what everybody else sees in the database."""

    seen: ClassVar[list[tuple[bool, int]]] = []

    def delete_many(self, *args: Any, **options: Any) -> None:
        """Note whether a transaction is open here, and how many sessions are active elsewhere."""
        self.seen.append((transaction.get_connection().in_atomic_block, active_elsewhere()))
        super().delete_many(*args, **options)


def active_elsewhere() -> int:
    """Return how many sessions are active for another connection to the database."""
    found: list[int] = []

    def look() -> None:
        found.append(UserSession.objects.unended().count())
        connection.close()

    other = threading.Thread(target=look)
    other.start()
    other.join()
    return found[0]
