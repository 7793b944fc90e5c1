"""
Tokens that the service did not hand out in this form: older, changed, or signed by somebody else.

Unless a key is given they are signed with the service's own, so that what refuses them is the
check of what they say.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from typing import Any

import jwt
from django.utils import timezone

from accounts import tokens
from accounts.conf import get_settings
from accounts.models import UserSession

STRANGERS_KEY = "a stranger's key, of some sixty-four characters, known to nobody."


def aged(session: UserSession, age: dt.timedelta = dt.timedelta(days=20)) -> tokens.TokenPair:
    """Return genuine tokens handed out ``age`` ago; after twenty days both have expired."""
    return tokens.issue(session, now=timezone.now() - age)


def claims_of(token: str) -> dict[str, Any]:
    """Return what the token says, unverified."""
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def forge(
    token: str,
    *,
    without: Iterable[str] = (),
    key: str | None = None,
    algorithm: str = "HS256",
    **changes: object,
) -> str:
    """Return ``token`` with these claims changed or left out, signed again."""
    claims = {**claims_of(token), **changes}
    for name in without:
        del claims[name]
    return sign(claims, key=key, algorithm=algorithm)


def sign(payload: object, *, key: str | None = None, algorithm: str = "HS256") -> str:
    """Return a token with whatever payload; bytes are taken as they are."""
    content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    secret = "" if algorithm == "none" else key or get_settings().signing_key
    return jwt.PyJWS().encode(content, secret, algorithm=algorithm)
