"""What changes something: signing out of n sessions, and refreshes in a row."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from benchmarks.callgrind import counting
from benchmarks.contenders import Contender, Headers

# Until CPython has specialised its bytecode; with 20 the figures differ by a fifth.
WARM_UP = 150

Send = Callable[[str, str, Headers, bytes], bytes]


def logout(contender: Contender, send: Send, user: Any, count: int) -> dict[str, Any]:
    """Open ``count`` sessions and end them all by one call; return what it cost and left."""
    headers = contender.sign_in(user)
    OPENERS[contender.name](user, count - 1)
    path = "/auth/logout"
    found = _measured(lambda: send("POST", path, headers, b"{}"))
    try:
        send("GET", contender.path, headers, b"")
    except AssertionError:
        return found | {"refused": True}
    return found | {"refused": False}


def refresh(contender: Contender, send: Send, user: Any, times: int) -> dict[str, Any]:
    """Refresh so many times, each time with the token of the time before."""
    key, token = FIRST_TOKENS[contender.name](user)

    def once() -> None:
        nonlocal token
        answer = json.loads(send("POST", "/auth/refresh", {}, json.dumps({key: token}).encode()))
        token = answer.get("data", answer)[key]

    for _each in range(WARM_UP):
        once()
    before, lsn = _rows(), _lsn()
    cost = _measured(lambda: [once() for _each in range(times)])
    wal = _query("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), %s)", lsn)
    return {
        "statements": cost["statements"] / times,
        "cpu": cost["cpu"] / times,
        "rows": _rows() - before,
        "wal": float(wal),
    }


def _ours(user: Any, count: int) -> None:
    from django.utils import timezone

    from accounts.models import UserSession

    until = timezone.now() + timedelta(days=30)
    rows = [UserSession(user=user, client="app", expires_at=until) for _each in range(count)]
    UserSession.objects.bulk_create(rows, batch_size=1000)


def _knox(user: Any, count: int) -> None:
    from django.utils import timezone
    from knox.models import AuthToken

    until = timezone.now() + timedelta(days=10)
    names = [uuid.uuid4().hex for _each in range(count)]
    rows = [AuthToken(digest=n * 4, token_key=n[:15], user=user, expiry=until) for n in names]
    AuthToken.objects.bulk_create(rows, batch_size=1000)


def _rotation(user: Any, count: int) -> None:
    from rest_framework_simplejwt.token_blacklist.models import OutstandingToken
    from rest_framework_simplejwt.tokens import RefreshToken

    # Its users loop over all there ever were, those of the try before included.
    OutstandingToken.objects.filter(user=user).delete()
    for _each in range(count + 1):
        RefreshToken.for_user(user)


OPENERS: dict[str, Callable[[Any, int], None]] = {
    "ours": _ours,
    "knox": _knox,
    "rotation": _rotation,
}


def _our_token(user: Any) -> tuple[str, str]:
    from accounts import tokens
    from accounts.devices import Device
    from accounts.services.sessions import open_session

    device = Device(ip_address="192.0.2.1", user_agent="", name="phone")
    session = open_session(user, client="app", device=device)  # type: ignore[arg-type]
    return "refresh_token", tokens.issue(session).refresh_token


def _simplejwt_token(user: Any) -> tuple[str, str]:
    from rest_framework_simplejwt.tokens import RefreshToken

    return "refresh", str(RefreshToken.for_user(user))


FIRST_TOKENS = {"ours": _our_token, "rotation": _simplejwt_token}


def _measured(act: Callable[[], object]) -> dict[str, Any]:
    """Return the statements and the CPU time in milliseconds of ``act``."""
    from django.db import connection

    found: list[str] = []

    def note(execute: Any, sql: str, *arguments: Any) -> Any:
        found.append(sql.split(None, 1)[0])
        return execute(sql, *arguments)

    with connection.execute_wrapper(note), counting():
        begun = time.process_time()
        act()
        spent = time.process_time() - begun
    return {"statements": len(found), "cpu": spent * 1e3}


def _rows() -> int:
    """Return how many rows all of the database's tables have."""
    from django.apps import apps

    return sum(model._default_manager.count() for model in apps.get_models())


def _lsn() -> str:
    return str(_query("SELECT pg_current_wal_lsn()"))


def _query(sql: str, *parameters: object) -> Any:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchone()[0]
