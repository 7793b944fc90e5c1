"""
Alive and ready, for load balancers and orchestrators::

    GET /healthz   200 {"status": "ok"}
    GET /readyz    200 {"status": "ok", "database": "ok", "cache": "ok"}
                   200 {"status": "degraded", "database": "ok", "cache": "down"}
                   503 {"status": "down", "database": "down", "cache": "ok"}, with Retry-After

Alive asks nobody: a process is not to be killed because a database is. Ready asks both backends
the way requests do, and answers within a second, also when one of them hangs.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from accounts.api.errors import RETRY_AFTER
from accounts.redis_patience import patience

logger = logging.getLogger(__name__)

# Seconds for both together; an orchestrator gives up after one.
DEADLINE = 0.7


class Probe:
    """
    Asks one backend, on a thread of its own and never twice at once.

    Who asks while an answer is awaited waits for the same one. So a backend that hangs holds one
    thread, however many ask.
    """

    def __init__(self, name: str, ask: Callable[[], None]) -> None:
        self._name = name
        self._ask = ask
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"readyz-{name}")
        self._asked: Future[None] | None = None
        self._is_up = True

    def start(self) -> Future[None]:
        """Ask, unless an answer is awaited already."""
        with self._lock:
            if self._asked is None or self._asked.done():
                self._asked = self._thread.submit(self._ask)
            return self._asked

    def finish(self, asked: Future[None], deadline: float) -> bool:
        """Return whether the backend has answered by ``deadline``; a change is logged."""
        try:
            error = asked.exception(timeout=max(0.0, deadline - time.monotonic()))
        except TimeoutError as late:
            error = late
        is_up = error is None
        if is_up != self._is_up:
            self._is_up = is_up
            if is_up:
                logger.info("The %s is back", self._name)
            else:
                logger.warning("The %s is down", self._name, exc_info=error)
        return is_up


def _ask_database() -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    finally:
        connection.close()


def _ask_cache() -> None:
    # What a logout has to be able to do, and leaves nothing behind.
    with patience():
        cache.delete_many(["authsvc:readyz"])


DATABASE = Probe("database", _ask_database)
CACHE = Probe("cache", _ask_cache)


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Say that the process answers requests."""
    return _answer({"status": "ok"})


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Say whether requests can be served: not without the database, but without the cache."""
    deadline = time.monotonic() + DEADLINE
    asked = DATABASE.start(), CACHE.start()
    has_database = DATABASE.finish(asked[0], deadline)
    has_cache = CACHE.finish(asked[1], deadline)
    state = {"database": _word(has_database), "cache": _word(has_cache)}
    if not has_database:
        response = _answer({"status": "down", **state}, status=503)
        response["Retry-After"] = str(RETRY_AFTER)
        return response
    return _answer({"status": "ok" if has_cache else "degraded", **state})


def _word(is_up: bool) -> str:
    return "ok" if is_up else "down"


def _answer(content: dict[str, str], *, status: int = 200) -> HttpResponse:
    return JsonResponse(content, status=status, headers={"Cache-Control": "no-store"})
