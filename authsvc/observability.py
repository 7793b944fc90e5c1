"""
Seeing what goes on: one log line per request that matters, figures for Prometheus.

A line carries the request's id (which the answer carries too, as X-Request-ID), the user's and
the session's, and the route: never the path, where a mailed link has its token, never a header, a
query or a body. What only reads and goes well is logged at DEBUG: the proxy in front logs it too.
"""

from __future__ import annotations

import functools
import logging
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

logger = logging.getLogger("authsvc.requests")

REQUESTS = Counter("authsvc_requests", "Requests answered.", ["method", "route", "status"])
DURATION = Histogram(
    "authsvc_request_duration_seconds",
    "How long requests took.",
    ["route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)
POOL = Gauge(
    "authsvc_database_pool_connections",
    "Connections of the processes' pools, by state.",
    ["state"],
    multiprocess_mode="livesum",
)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
READING = frozenset({"GET", "HEAD", "OPTIONS"})
# Looking at the pool costs more than the rest of this module together.
POOL_INTERVAL = 5.0
for _state in ("in_use", "idle", "waited_for"):
    POOL.labels(_state)

_LINK = re.compile(r"(/password/reset/)[^/\s]+/[^/\s]+")


class RequestMiddleware:
    """Counts, times and logs each request. Stands right after the one that names it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self._pool_seen_at = 0.0

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer and note it."""
        begun = time.perf_counter()
        response = self.get_response(request)
        took = time.perf_counter() - begun
        match = request.resolver_match
        route = match.route if match is not None else "unmatched"
        method = request.method if request.method in METHODS else "other"
        count, duration = _figures(method or "other", route, response.status_code)
        count.inc()
        duration.observe(took)
        self._look_at_pool(begun)
        self._log(request, route, response.status_code, took)
        return response

    def _log(self, request: HttpRequest, route: str, status: int, took: float) -> None:
        quiet = status < 400 and request.method in READING
        level = logging.DEBUG if quiet else logging.INFO
        if not logger.isEnabledFor(level):
            return
        session = getattr(request, "asking_session", None)
        facts = {
            "method": request.method,
            "route": route,
            "status": status,
            "duration_ms": round(took * 1000, 1),
            "session_id": str(session.pk) if session is not None else None,
            "user_id": str(session.user_id) if session is not None else None,
        }
        logger.log(level, "%s %s %s", request.method, route, status, extra=facts)

    def _look_at_pool(self, now: float) -> None:
        if now - self._pool_seen_at < POOL_INTERVAL:
            return
        self._pool_seen_at = now
        pool: Any = getattr(connection, "pool", None)
        if pool is not None:
            figures = pool.get_stats()
            size, free = figures.get("pool_size", 0), figures.get("pool_available", 0)
            POOL.labels("in_use").set(size - free)
            POOL.labels("idle").set(free)
            POOL.labels("waited_for").set(figures.get("requests_waiting", 0))


@functools.cache
def _figures(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    """Return what to raise; looking it up by its labels costs more. Bounded, as they are."""
    return REQUESTS.labels(method, route, status), DURATION.labels(route)


class WithoutLinks(logging.Filter):
    """Takes the token out of a mailed link's path, which Django names in its own messages."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record through, its arguments cleaned and without the request's own name."""
        # What Django adds to a record becomes a field in JSON, with the path in it.
        vars(record).pop("request", None)
        if isinstance(record.args, tuple):
            record.args = tuple(
                _LINK.sub(r"\1…", value) if isinstance(value, str) else value
                for value in record.args
            )
        return True


class WithoutGarbage(logging.Filter):
    """Leaves out a stranger's text that is no UTF-8, with a traceback each: the close says 1007."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the record is about anything else."""
        return not (record.exc_info and isinstance(record.exc_info[1], UnicodeDecodeError))


@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """
    Return the figures of all processes, in Prometheus' format.

    With METRICS_TOKEN only to whoever sends it as bearer token; without it only where TLS is not
    demanded, which is not production. To everybody else there is nothing here: 404.
    """
    sent = request.headers.get("Authorization", "")
    if settings.METRICS_TOKEN:
        allowed = constant_time_compare(sent, f"Bearer {settings.METRICS_TOKEN}")
    else:
        allowed = not settings.HTTPS
    if not allowed:
        raise Http404
    return HttpResponse(generate_latest(_registry()), content_type=CONTENT_TYPE_LATEST)


def _registry() -> CollectorRegistry:
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    _forget_the_dead(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry


def _forget_the_dead(directory: Path) -> None:
    """Leave out what processes hold that hold nothing any more; what they counted stays."""
    for pid in {int(path.stem.rpartition("_")[2]) for path in directory.glob("gauge_live*.db")}:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            mark_process_dead(pid)  # type: ignore[no-untyped-call]
