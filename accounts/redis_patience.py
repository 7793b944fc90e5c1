"""
How long Redis may take: a deadline for a whole act, and a pause after a failure.

A socket timeout is per read, so a server that answers a byte at a time is waited for without
bound. ``patience()`` bounds everything an act reads from Redis; the bound is enforced by
``DeadlineParser``, which the project names in its cache::

    "OPTIONS": {"PARSER_CLASS": "accounts.redis_patience.DeadlineParser", ...}

After a failure Redis is left alone for ``ACCOUNTS["REDIS_COOLDOWN"]``: one request pays its
patience, the others do not. pybreaker was looked at: it holds its lock while the call runs, so
all threads would queue up for one Redis connection.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from redis.connection import DefaultParser
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.utils import SENTINEL

from accounts.conf import get_settings
from accounts.exceptions import RedisLeftAlone

if TYPE_CHECKING:
    from redis._parsers import _HiredisParser as Parser
else:
    Parser = DefaultParser

_deadline: ContextVar[float | None] = ContextVar("redis_deadline", default=None)


class DeadlineParser(Parser):
    """The default parser of redis-py (hiredis), which stops reading at the act's deadline."""

    def read_from_socket(self, timeout: Any = SENTINEL, raise_on_timeout: bool = True) -> bool:
        """Read once; raise redis.TimeoutError when the deadline has passed or passes meanwhile."""
        deadline = _deadline.get()
        if deadline is None:
            return self._read(timeout=timeout, raise_on_timeout=raise_on_timeout)
        left = deadline - time.monotonic()
        if left <= 0:
            raise RedisTimeoutError("the deadline for Redis has passed")
        if self._socket_timeout is not None:
            left = min(left, self._socket_timeout)
        return self._read(timeout=left, raise_on_timeout=raise_on_timeout)

    def _read(self, **options: Any) -> bool:
        return bool(super().read_from_socket(**options))  # type: ignore[no-untyped-call]


class _Breaker:
    """Closed until a failure; then open for the cooldown; then one caller at a time may try."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._retry_at = 0.0
        self._failed = False

    def admit(self) -> None:
        with self._lock:
            if not self._failed:
                return
            now = time.monotonic()
            if now < self._retry_at:
                raise RedisLeftAlone
            self._retry_at = now + get_settings().redis_cooldown.total_seconds()

    def succeeded(self) -> None:
        self._failed = False

    def failed(self) -> None:
        with self._lock:
            self._failed = True
            self._retry_at = time.monotonic() + get_settings().redis_cooldown.total_seconds()


_breaker = _Breaker()


@contextlib.contextmanager
def patience() -> Iterator[None]:
    """
    Bound what the block may wait for Redis, and remember how it went.

    Raise RedisLeftAlone, without running the block, while Redis is left alone. Whatever the
    block raises goes through; the caller decides what to do without Redis. An error that the
    server itself answered (a wrong type, read-only, out of memory) came quickly and is no reason
    to leave it alone.
    """
    _breaker.admit()
    token = _deadline.set(time.monotonic() + get_settings().redis_deadline.total_seconds())
    try:
        yield
    except ResponseError:
        _breaker.succeeded()
        raise
    except (RedisError, OSError):
        _breaker.failed()
        raise
    else:
        _breaker.succeeded()
    finally:
        _deadline.reset(token)


def forget_failures() -> None:
    """Ask Redis again at once. For tests and for a process that has just been told it is back."""
    _breaker.succeeded()
