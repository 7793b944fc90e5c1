"""
How a browser's cookie is bound to its row.

Django's session keeps the row's id under ``KEY``. The row decides: a cookie whose row has ended
is nobody's, whatever else the session says. The session itself stays in the database
(``SESSION_ENGINE`` ``db``): in a cache, an old one could come back with the cache.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, logout
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.crypto import constant_time_compare

from accounts import devices
from accounts.conf import get_settings
from accounts.exceptions import SessionEnded
from accounts.models import UserSession
from accounts.services.authentication import authenticate_browser
from accounts.services.sessions import end_sessions, open_session

KEY = "accounts_user_session_id"


def bound_id(request: HttpRequest) -> UUID | None:
    """Return the id of the row that the request's cookie is bound to; None where there is none."""
    value = request.session.get(KEY)
    return UUID(value) if value else None


def hold(request: HttpRequest) -> UserSession | None:
    """
    Return the usable session of the request's cookie, with its user; None for a stranger.

    Raise SessionEnded for a cookie that says somebody is signed in whose row says otherwise, or
    whose password has been changed by whatever path since.
    """
    session = request.session
    if SESSION_KEY not in session:
        return None
    value = session.get(KEY)
    if not value:
        # Signed in before this app was installed: there is no row that could be ended.
        raise SessionEnded
    row = authenticate_browser(UUID(value), session[SESSION_KEY])
    if not _is_of_this_password(row.user, session.get(HASH_SESSION_KEY, "")):
        raise SessionEnded
    row.user.backend = str(session.get(BACKEND_SESSION_KEY))
    return row


def bind(request: HttpRequest, user: Any) -> None:
    """Open a session for a browser that has just signed in, and bind its cookie to the row."""
    device = devices.from_request(request)
    before = getattr(request, "user_session_id_before", None)
    if before is not None:
        # The same browser signs in again, perhaps as somebody else: its old row is nobody's now.
        end_sessions(
            UserSession.objects.filter(pk=before),
            reason=UserSession.EndReason.REPLACED,
            actor=user,
            session_id=before,
            device=device,
        )
    row = open_session(user, client=UserSession.Client.BROWSER, device=device)
    request.session[KEY] = str(row.pk)
    request.user_session = row  # type: ignore[attr-defined]


def release(request: HttpRequest, user: Any) -> None:
    """End the session of a browser that signs out."""
    session_id = bound_id(request)
    if session_id is not None:
        end_sessions(
            UserSession.objects.filter(pk=session_id),
            reason=UserSession.EndReason.LOGOUT,
            actor=user,
            session_id=session_id,
            device=devices.from_request(request),
        )
        # Whoever called logout(), the administration for one: SessionRowMiddleware looks at this.
        request.user_session_released = True  # type: ignore[attr-defined]


def forget(request: HttpRequest, response: HttpResponseBase) -> None:
    """Take the cookie back from a browser that has signed out; in production, all it kept too."""
    logout(request)
    clear_browser(response)


def clear_browser(response: HttpResponseBase) -> None:
    """In production, have the browser that ``response`` goes to forget all it kept of this site."""
    if get_settings().require_https:
        response["Clear-Site-Data"] = '"cache", "cookies", "storage"'


def _is_of_this_password(user: Any, known: str) -> bool:
    if constant_time_compare(known, user.get_session_auth_hash()):
        return True
    fallbacks = user.get_session_auth_fallback_hash()
    return any(constant_time_compare(known, fallback) for fallback in fallbacks)
