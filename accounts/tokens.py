"""
The JSON Web Tokens: what stands in them, how they are signed, what is believed of them.

Claims of both kinds (RFC 7519)::

    {"sub": "<user id>", "sid": "<session id>", "gen": 3, "jti": "<hex>", "token_type": "access",
     "iat": 1795334100, "exp": 1795335000, "iss": "authsvc", "aud": "authsvc"}

simplejwt's backend signs and verifies; its own settings, which freeze at import and ignore what
is misspelt, and its blacklist, which stores whole tokens, are not used. Nothing here asks the
database: a token that is read is genuine, not valid. That is for the session's row to say.
"""

from __future__ import annotations

import datetime as dt
import functools
import time
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID, uuid4

from django.conf import settings as django_settings
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.utils import timezone
from django.utils.crypto import salted_hmac
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenBackendExpiredToken

from accounts.conf import get_settings
from accounts.exceptions import TokenError, TokenExpired, TokenInvalid
from accounts.models import UserSession

Kind = Literal["access", "refresh"]

# Ours have some 400 characters with HS256 and 800 with RS256.
MAX_LENGTH = 4096
KINDS = frozenset({"access", "refresh"})
# Tokens per process whose signature has been verified; some 2 kB each.
REMEMBERED = 2048
_AGES = dt.timedelta(days=365 * 100)


@dataclass(frozen=True, slots=True)
class Claims:
    """What a genuine token says."""

    user_id: str
    session_id: UUID
    generation: int


@dataclass(frozen=True, slots=True)
class _Genuine:
    claims: Claims
    kind: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What an app holds. ``expires_in`` is in seconds, of the access token (RFC 6749 5.1)."""

    access_token: str
    refresh_token: str
    expires_in: int


def issue(session: UserSession, *, now: dt.datetime | None = None) -> TokenPair:
    """Return tokens of the session's current generation; neither outlives the session."""
    now = now or timezone.now()
    options = get_settings()
    access_until = min(now + options.access_token_lifetime, session.expires_at)
    refresh_until = min(now + options.session_idle_lifetime, session.expires_at)
    return TokenPair(
        access_token=_sign(session, "access", now, access_until),
        refresh_token=_sign(session, "refresh", now, refresh_until),
        expires_in=max(0, int((access_until - now).total_seconds())),
    )


def read(token: str, kind: Kind) -> Claims:
    """Return what ``token`` says; raise TokenExpired or TokenInvalid."""
    genuine = _genuine(token)
    if genuine.expires_at <= time.time() - get_settings().clock_leeway.total_seconds():
        raise TokenExpired
    if genuine.kind != kind:
        raise TokenInvalid
    return genuine.claims


def read_ended(token: str) -> Claims | None:
    """Return what a token of either kind says, expired or not; None if it is not one of ours."""
    try:
        return _judge(_verify(token, _timeless_backends())).claims
    except TokenError:
        return None


def _sign(session: UserSession, kind: Kind, now: dt.datetime, until: dt.datetime) -> str:
    payload = {
        "sub": str(session.user_id),
        "sid": str(session.pk),
        "gen": session.refresh_generation,
        "jti": uuid4().hex,
        "token_type": kind,
        "iat": int(now.timestamp()),
        "exp": int(until.timestamp()),
    }
    return _backends()[0].encode(payload)


@functools.lru_cache(maxsize=REMEMBERED)
def _genuine(token: str) -> _Genuine:
    """
    Return what a token says that was genuine and in time when it was first seen.

    A signature does not change, so it is verified once; what time and the session's row do to a
    token is looked at each time. A token that is refused is not remembered: nobody without a
    genuine one can push another out.
    """
    return _judge(_verify(token, _backends()))


def _verify(token: str, backends: list[TokenBackend]) -> dict[str, Any]:
    if len(token) > MAX_LENGTH:
        raise TokenInvalid
    for backend in backends:
        try:
            return backend.decode(token)  # type: ignore[arg-type]  # annotated for a Token object
        except TokenBackendExpiredToken as error:
            raise TokenExpired from error
        except (TokenBackendError, ValueError, TypeError, OverflowError, RecursionError):
            continue
    raise TokenInvalid


def _judge(payload: dict[str, Any]) -> _Genuine:
    """Check the type of every claim before anything is looked up with it."""
    generation, session_id, user_id = (payload.get(name) for name in ("gen", "sid", "sub"))
    kind, expires_at = payload.get("token_type"), payload.get("exp")
    good = (
        isinstance(kind, str)
        and kind in KINDS
        and type(generation) is int
        and generation > 0
        and isinstance(session_id, str)
        and isinstance(user_id, str)
        and type(expires_at) is int
        and type(payload.get("iat")) is int
        and isinstance(payload.get("jti"), str)
    )
    if not good:
        raise TokenInvalid
    try:
        session = UUID(session_id)
    except ValueError as error:
        raise TokenInvalid from error
    if str(session) != session_id:
        raise TokenInvalid
    claims = Claims(str(user_id), session, int(str(generation)))
    return _Genuine(claims, str(kind), int(str(expires_at)))


@functools.cache
def _backends() -> list[TokenBackend]:
    """Return the verifiers, the current key first; only that one signs."""
    return _make_backends(get_settings().clock_leeway)


@functools.cache
def _timeless_backends() -> list[TokenBackend]:
    """Return verifiers for which no token has expired. The signature counts as always."""
    return _make_backends(_AGES)


def _make_backends(leeway: dt.timedelta) -> list[TokenBackend]:
    options = get_settings()
    signing_key = options.signing_key or _derived_key()
    keys = [(signing_key, options.verifying_key), *((key, key) for key in options.previous_keys)]
    return [
        TokenBackend(
            options.algorithm,
            signing_key=private,
            verifying_key=public,
            audience=options.audience,
            issuer=options.issuer,
            leeway=leeway,
        )
        for private, public in keys
    ]


def _derived_key() -> str:
    """Return a key of the tokens' own: theirs and the cookies' never sign for each other."""
    return salted_hmac(
        "accounts.tokens", "HS256", django_settings.SECRET_KEY, algorithm="sha256"
    ).hexdigest()


@receiver(setting_changed)
def _forget_keys(*, setting: str, **_kwargs: object) -> None:
    if setting in {"ACCOUNTS", "SECRET_KEY"}:
        _backends.cache_clear()
        _timeless_backends.cache_clear()
        _genuine.cache_clear()
