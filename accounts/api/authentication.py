"""Who is asking: a bearer token, or a browser's cookie, held to its session's row."""

from __future__ import annotations

from typing import Any

from rest_framework.authentication import BaseAuthentication, CSRFCheck
from rest_framework.request import Request

from accounts.exceptions import CsrfFailed, SessionEnded, TokenInvalid
from accounts.models import UserSession
from accounts.services.authentication import authenticate_access


class SessionJWTAuthentication(BaseAuthentication):
    """
    Takes ``Authorization: Bearer <access token>`` (RFC 6750 section 2.1).

    ``request.user`` is the session's user, ``request.auth`` the UserSession. Raises TokenInvalid,
    TokenExpired or SessionEnded, which the exception handler answers with a 401.
    """

    def authenticate(self, request: Request) -> tuple[Any, UserSession] | None:
        """Return the user and the session; None where no bearer token was sent."""
        scheme, _space, token = _authorization(request).strip().partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = token.strip()
        if not token or " " in token:
            raise TokenInvalid
        session = authenticate_access(token)
        request._request.asking_session = session  # type: ignore[attr-defined]
        return session.user, session

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge; DRF answers 403 instead of 401 without one."""
        return "Bearer"


class SessionCookieAuthentication(BaseAuthentication):
    """
    Takes the session cookie, which ``SessionRowMiddleware`` has held to its row.

    As Django's pages do it wants the CSRF token with every request that changes something.
    Stands after SessionJWTAuthentication, whose challenge a 401 carries.
    """

    def authenticate(self, request: Request) -> tuple[Any, UserSession] | None:
        """Return the user and the session; None where there is no cookie."""
        session: UserSession | None = getattr(request._request, "user_session", None)
        if session is None:
            if getattr(request._request, "user_session_ended", False):
                raise SessionEnded
            return None
        _enforce_csrf(request)
        return session.user, session


def _authorization(request: Request) -> str:
    # request.headers would read every header for this one.
    header: str = request._request.META.get("HTTP_AUTHORIZATION", "")
    return header


def _enforce_csrf(request: Request) -> None:
    check = CSRFCheck(lambda _request: None)  # type: ignore[arg-type]
    check.process_request(request._request)
    if check.process_view(request._request, None, (), {}):  # type: ignore[arg-type]
        raise CsrfFailed
