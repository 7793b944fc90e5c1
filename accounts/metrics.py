"""
What is counted, for Prometheus. A host project exposes the default registry as it likes.

Names follow Prometheus' conventions: ``accounts_`` and what is counted, seconds and totals as
suffixes. Labels come from fixed lists, never from what somebody sent.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator

from prometheus_client import Counter, Gauge

from accounts.exceptions import RedisLeftAlone

LOGINS = Counter("accounts_logins", "Tries to sign in with a password.", ["result"])
SESSIONS_OPENED = Counter("accounts_sessions_opened", "Sessions opened.", ["client"])
SESSIONS_ENDED = Counter("accounts_sessions_ended", "Sessions ended.", ["reason"])
REFRESHES = Counter(
    "accounts_refreshes",
    "Refreshes: rotated to a new generation, replayed by a retry, reused by a thief.",
    ["result"],
)
CACHE = Counter(
    "accounts_cache_operations",
    "Reads, writes and clears of users' cached documents, skipped while Redis is left alone.",
    ["operation", "result"],
)
NOTICES = Counter(
    "accounts_notices", "Round trips that clear caches and tell other devices.", ["result"]
)
SOCKETS = Gauge(
    "accounts_sockets_open", "WebSockets that are listening.", multiprocess_mode="livesum"
)
OVERDUE = Gauge(
    "accounts_oldest_overdue_session_seconds",
    "How long ago the oldest session expired that the last sweep found without its end.",
    multiprocess_mode="livemax",
)


LOGIN_RESULTS = ("success", "invalid_credentials", "locked_out")
REFRESH_RESULTS = ("rotated", "replayed", "reused")
CACHE_OPERATIONS = ("read", "write", "clear")
RESULTS = ("ok", "failed", "skipped")


def begin_at_zero(*, clients: Iterable[str], reasons: Iterable[str]) -> None:
    """
    Show every label before it is first counted.

    Prometheus sees no rise in a figure that begins with one, so the first stolen token after a
    start would raise no alarm.
    """
    for counter, *values in (
        (LOGINS, LOGIN_RESULTS),
        (SESSIONS_OPENED, clients),
        (SESSIONS_ENDED, reasons),
        (REFRESHES, REFRESH_RESULTS),
        (CACHE, CACHE_OPERATIONS, RESULTS),
        (NOTICES, RESULTS),
    ):
        for labels in itertools.product(*values):
            counter.labels(*labels)


@contextlib.contextmanager
def counting(counter: Counter, *labels: str) -> Iterator[None]:
    """Count how the block went, as the last label: ``ok``, ``failed``, ``skipped``."""
    result = "ok"
    try:
        yield
    except RedisLeftAlone:
        result = "skipped"
        raise
    except Exception:
        result = "failed"
        raise
    finally:
        counter.labels(*labels, result).inc()
