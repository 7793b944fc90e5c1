"""
The one check: a credential counts as long as its session's row says so.

One query by primary key brings the session and its user. It costs no more queries than
simplejwt's own authentication, which looks the user up, and it makes every access token
revocable at once. No verdict is cached, so nothing can be stale.
"""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from django.contrib.auth import authenticate, get_user_model
from django.db.models import Q
from django.db.models.functions import Greatest
from django.utils import timezone

from accounts import audit, metrics, tokens
from accounts.conf import get_settings
from accounts.devices import Device
from accounts.exceptions import InvalidCredentials, LockedOut, SessionEnded, TokenInvalid
from accounts.models import UserSession
from accounts.services import limits
from accounts.services.session_lookup import find_with_user


def authenticate_access(token: str) -> UserSession:
    """
    Return the session, with its user, that the access token ``token`` belongs to.

    Raise TokenExpired, TokenInvalid or SessionEnded. The use is noted in the row at most once per
    ``ACCOUNTS["LAST_SEEN_INTERVAL"]``, and at the first use after a refresh.
    """
    claims = tokens.read(token, "access")
    now = timezone.now()
    session = find_session(claims, now=now)
    _note_use(session, claims.generation, now)
    return session


def authenticate_browser(session_id: UUID, user_id: str) -> UserSession:
    """
    Return the session, with its user, that a browser's cookie is bound to.

    Raise SessionEnded for one that has ended, is not there or is somebody else's: what the
    cookie's own store says is genuine, so there is nothing to call invalid.
    """
    now = timezone.now()
    session = find_with_user(session_id)
    if session is None or str(session.user_id) != user_id:
        raise SessionEnded
    _require_usable(session, now)
    _note_use(session, session.used_generation, now)
    return session


def find_session(claims: tokens.Claims, *, now: dt.datetime) -> UserSession:
    """Return the usable session, with its user; raise TokenInvalid or SessionEnded."""
    session = find_with_user(claims.session_id)
    if session is None or str(session.user_id) != claims.user_id:
        raise TokenInvalid
    if claims.generation > session.refresh_generation:
        raise TokenInvalid
    _require_usable(session, now)
    return session


def verify_password(identifier: str, password: str, *, device: Device) -> Any:
    """
    Return the user whose USERNAME_FIELD is ``identifier``, if the password is theirs.

    Otherwise record the failure and raise InvalidCredentials: whoever asks cannot tell an unknown
    address, a wrong password and an inactive user apart, and the work done is the same. After too
    many failures raise LockedOut before the password is looked at.
    """
    model = get_user_model()
    try:
        reservation = limits.reserve_login(identifier, device)
    except LockedOut:
        metrics.LOGINS.labels("locked_out").inc()
        raise
    user = authenticate(None, **{model.USERNAME_FIELD: identifier, "password": password})
    metrics.LOGINS.labels("success" if user is not None else "invalid_credentials").inc()
    if user is None:
        user_id = _find_key(identifier)
        audit.login_failed(user_id, device=device)
        if reservation.is_last:
            audit.login_locked_out(user_id, device=device)
        raise InvalidCredentials
    limits.forgive(reservation)
    return user


def _require_usable(session: UserSession, now: dt.datetime) -> None:
    if not session.is_usable(now) or not session.user.is_active:
        raise SessionEnded


def _find_key(identifier: str) -> object | None:
    model = get_user_model()
    try:
        found: object = model._default_manager.get_by_natural_key(identifier).pk
    except model.DoesNotExist:
        return None
    return found


def _note_use(session: UserSession, generation: int, now: dt.datetime) -> None:
    """Write the use if it is news. Several requests at once write once: the row is asked again."""
    seen_before = now - get_settings().last_seen_interval
    if session.last_seen_at > seen_before and session.used_generation >= generation:
        return
    is_news = Q(last_seen_at__lte=seen_before) | Q(used_generation__lt=generation)
    UserSession.objects.unended().filter(is_news, pk=session.pk).update(
        last_seen_at=Greatest("last_seen_at", now),
        used_generation=Greatest("used_generation", generation),
    )
