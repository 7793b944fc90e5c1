"""Who is compared: each one's settings, and how somebody signs in there."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

DATABASE_URL = "postgres://postgres@127.0.0.1:5432/postgres"
REDIS_URL = "redis://127.0.0.1:6379/13"
KEY = "only for benchmarks, where nobody has anything to hide from"
EMAIL = "alice@example.com"
HOST = "auth.example.com"

Headers = dict[str, str]


@dataclass(frozen=True)
class Contender:
    """One way of knowing who asks. ``rig`` has its settings; ``sign_in`` returns WSGI's headers."""

    name: str
    title: str
    rig: str
    sign_in: Callable[[Any], Headers]
    revocable: str
    path: str = "/auth/me"
    # Whether each request brings a token that its process has not seen before.
    first: bool = False

    @property
    def ours(self) -> bool:
        """Whether it is this service."""
        return self.rig == "ours"

    def environment(self, number: int = 0) -> dict[str, str]:
        """Return the variables its process needs; each contender has a database of its own."""
        name = f"authsvc_bench_{self.rig}_{number}" if number else f"authsvc_bench_{self.rig}"
        url = os.environ.get("BENCH_DATABASE_URL") or DATABASE_URL
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return kept | {
            "AUTHSVC_ENV_FILE": "",
            "PYTHONHASHSEED": "0",
            "DJANGO_SETTINGS_MODULE": f"benchmarks.rigs.{'ours' if self.ours else 'peers'}",
            "BENCH_PEER": self.rig,
            "SECRET_KEY": KEY,
            "JWT_SIGNING_KEY": KEY,
            "ALLOWED_HOSTS": HOST,
            "TRUSTED_PROXIES": "1",
            "DATABASE_URL": urlsplit(url)._replace(path=f"/{name}").geturl(),
            "REDIS_URL": os.environ.get("BENCH_REDIS_URL") or REDIS_URL,
        }


def ours_by_token(user: Any) -> Headers:
    """Sign in as an app does."""
    from accounts import tokens
    from accounts.devices import Device
    from accounts.models import UserSession
    from accounts.services.sessions import open_session

    device = Device(ip_address="192.0.2.1", user_agent="", name="phone")
    session = open_session(user, client=UserSession.Client.APP, device=device)
    return _bearer(tokens.issue(session).access_token)


def by_cookie(user: Any) -> Headers:
    """Sign in as a browser does."""
    from django.conf import settings
    from django.test import Client

    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    cookie = settings.SESSION_COOKIE_NAME
    return {"HTTP_COOKIE": f"{cookie}={client.cookies[cookie].value}"}


def by_simplejwt(user: Any) -> Headers:
    """Take a token of simplejwt's."""
    from rest_framework_simplejwt.tokens import RefreshToken

    return _bearer(str(RefreshToken.for_user(user).access_token))


def by_knox(user: Any) -> Headers:
    """Take a token of knox's."""
    from knox.models import AuthToken

    _row, token = AuthToken.objects.create(user)
    return {"HTTP_AUTHORIZATION": f"Token {token}"}


def by_authtoken(user: Any) -> Headers:
    """Take the token that REST framework has for each user."""
    from rest_framework.authtoken.models import Token

    row, _made = Token.objects.get_or_create(user=user)
    return {"HTTP_AUTHORIZATION": f"Token {row.key}"}


def by_allauth(user: Any) -> Headers:
    """Take an access token of allauth's, behind which a session stands."""
    from allauth.headless.tokens.strategies.jwt.internal import create_access_token
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return _bearer(create_access_token(user, session, {}))


def _bearer(token: str) -> Headers:
    return {"HTTP_AUTHORIZATION": f"Bearer {token}"}


CONTENDERS = (
    Contender("ours", "**authsvc**, access token", "ours", ours_by_token, "at once"),
    Contender(
        "ours-first",
        "authsvc, each token for the first time",
        "ours",
        ours_by_token,
        "at once",
        first=True,
    ),
    Contender(
        "ours-profile",
        "authsvc, `GET /auth/profile` (one Redis GET more)",
        "ours",
        ours_by_token,
        "at once",
        "/auth/profile",
    ),
    Contender("stock", "simplejwt, stock", "stock", by_simplejwt, "no"),
    Contender("stateless", "simplejwt, stateless", "stateless", by_simplejwt, "no"),
    Contender("rotation", "simplejwt, rotation and blacklist", "rotation", by_simplejwt, "no"),
    Contender("authtoken", "DRF authtoken", "authtoken", by_authtoken, "all devices at once"),
    Contender("knox", "django-rest-knox", "knox", by_knox, "at once"),
    Contender("allauth", "allauth headless, stateful JWT", "allauth", by_allauth, "at once"),
    Contender("ours-cookie", "**authsvc**, cookie", "ours", by_cookie, "at once"),
    Contender("sessions", "Django session, `db`", "sessions", by_cookie, "at once"),
)
BY_NAME = {contender.name: contender for contender in CONTENDERS}
