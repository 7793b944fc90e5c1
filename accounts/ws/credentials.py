"""
Who a socket is. The first that is there counts, and a wrong one is not made up for by the next::

    Authorization: Bearer <access token>                              native apps
    Sec-WebSocket-Protocol: authsvc.v1, bearer.<access token>         browsers without a cookie
    Cookie: sessionid=…  with an Origin of the site or a trusted one  browsers

A token in the URL stands in logs and histories, and is refused whatever else was sent. Browsers
send the cookie along with whichever page opens a socket, and no CSRF token: the Origin is all
that tells our pages from others (RFC 6455 section 10.2).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse
from django.middleware.csrf import CsrfViewMiddleware

from accounts import tokens
from accounts.exceptions import TokenError, TokenExpired, TokenInvalid
from accounts.services.authentication import authenticate_access
from accounts.web import cookies
from accounts.ws import rows

SUBPROTOCOL = "authsvc.v1"
BEARER = "bearer."

_NAMES_OF_TOKENS = {"token", "access_token", "refresh_token", "bearer", "authorization", "jwt"}
# A JWT begins with the base64 of '{"'.
_JWT = re.compile(r"eyJ[\w-]*\.[\w-]+\.")
# The path knows no parameters: what is longer than this cannot be harmless.
_LONG = 1000


@dataclass(frozen=True, slots=True)
class Claim:
    """
    The session that a genuine credential names.

    ``prove`` asks the database, and raises TokenError unless the credential is taken.
    """

    session_id: UUID
    user_id: str
    prove: Callable[[], object]


def request_of(scope: dict[str, Any]) -> ASGIRequest:
    """Return the handshake as the request that it is, so that Django's own rules apply to it."""
    scheme = "https" if scope.get("scheme") == "wss" else "http"
    # A handshake has no body, and Django raises for a Content-Type that it cannot read.
    headers = [field for field in scope["headers"] if field[0].lower() != b"content-type"]
    facts = {"type": "http", "method": "GET", "scheme": scheme, "headers": headers}
    return ASGIRequest({**scope, **facts}, BytesIO())


async def find_claim(request: ASGIRequest) -> Claim | None:
    """Return the session that the handshake names; None without a genuine credential."""
    if _has_token_in_url(request):
        return None
    token = _bearer(request)
    if token is not None:
        return _of_token(token)
    if settings.SESSION_COOKIE_NAME in request.COOKIES and _is_same_site(request):
        return await rows.ask(rows.HANDSHAKES, partial(_of_cookie, request))
    return None


def judge(claim: Claim) -> rows.Ending | None:
    """
    Return None where the credential is taken, or how its session ended.

    Raise TokenError for a credential that is not taken though its session goes on: an access
    token that has expired, a cookie of an earlier password.
    """
    try:
        claim.prove()
    except TokenError:
        ending = rows.find_ending(claim.session_id, claim.user_id)
        if ending is None:
            raise
        return ending
    return None


def _has_token_in_url(request: ASGIRequest) -> bool:
    query = str(request.META["QUERY_STRING"])
    if len(query) > _LONG:
        return True
    parts = parse_qsl(query, keep_blank_values=True)
    return any(
        name.lower() in _NAMES_OF_TOKENS or _JWT.search(name + value) for name, value in parts
    )


def _bearer(request: ASGIRequest) -> str | None:
    scheme, _space, token = request.headers.get("Authorization", "").strip().partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    offered: list[str] = request.scope.get("subprotocols", [])
    found = [name.removeprefix(BEARER) for name in offered if name.startswith(BEARER)]
    if not found:
        return None
    # Without authsvc.v1 there is nothing to select but the token, which must not be sent back.
    return found[0] if SUBPROTOCOL in offered and len(found) == 1 else ""


def _of_token(token: str) -> Claim | None:
    try:
        claims: tokens.Claims | None = tokens.read(token, "access")
    except TokenExpired:
        # It will not be taken, but a phone that comes back after hours is told of its end.
        claims = tokens.read_ended(token)
    except TokenInvalid:
        return None
    if claims is None:
        return None
    return Claim(claims.session_id, claims.user_id, partial(authenticate_access, token))


def _of_cookie(request: ASGIRequest) -> Claim | None:
    key = request.COOKIES[settings.SESSION_COOKIE_NAME]
    if not (key.isascii() and key.isprintable()):
        return None
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(key)
    session_id, user_id = cookies.bound_id(request), request.session.get(SESSION_KEY)
    if session_id is None or user_id is None:
        return None
    return Claim(session_id, user_id, partial(cookies.hold, request))


def _is_same_site(request: ASGIRequest) -> bool:
    if "Origin" not in request.headers:
        return False
    # Django's own comparison, with CSRF_TRUSTED_ORIGINS and their wildcards.
    check: Any = CsrfViewMiddleware(lambda _request: HttpResponse())
    return bool(check._origin_verified(request))
