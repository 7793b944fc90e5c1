"""
The middleware around every request, made to cost an app's call nothing that it has no use for.

Most requests are calls of apps: below ``/auth/``, with a bearer token, without a cookie. For those
Django's middleware for browsers has nothing to do, and says so only after some work; and a header
is parsed, or a figure looked up in the settings, for an answer that is always the same. The
classes here are Django's and django-cors-headers' own, which do whatever is more than that.
Together they save about a quarter of such a call's instructions.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import uuid_utils
from corsheaders import middleware as cors
from django.conf import settings
from django.contrib.auth import middleware as auth
from django.contrib.messages import middleware as messages
from django.contrib.sessions import middleware as sessions
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware import csrf, locale
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django_guid.context import guid

from accounts.web import middleware as web

API = "/auth/"

_GetResponse = Callable[[HttpRequest], HttpResponseBase]


class RequestIdMiddleware:
    """
    Names the request: by the proxy's X-Request-ID, if it is a UUID, else by a new one.

    The name is kept where django-guid keeps it, for its filter puts it into the logs and its
    receiver forgets it. Its own middleware compares paths and words two messages each time.
    """

    def __init__(self, get_response: _GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Name the request, and tell the name."""
        name = _uuid_in(request.META.get("HTTP_X_REQUEST_ID")) or str(uuid_utils.uuid4())
        guid.set(name)
        response = self.get_response(request)
        response.headers["X-Request-ID"] = name
        return response


def _uuid_in(text: str | None) -> str | None:
    """Return ``text`` if it is a UUID, with or without its dashes."""
    return text if text and _UUID.fullmatch(text) else None


_UUID = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class CorsMiddleware(cors.CorsMiddleware):
    """Only a browser sends an Origin; anything else is told that the answer depends on it."""

    def __call__(self, request: HttpRequest) -> Any:
        """Pass a request without an Origin on."""
        if "HTTP_ORIGIN" in request.META:
            return super().__call__(request)
        response = self.get_response(request)
        if re.match(settings.CORS_URLS_REGEX, request.path_info):
            vary_on(response, "origin")
        return response


class LocaleMiddleware(locale.LocaleMiddleware):
    """Knows what language is meant by what was asked for before."""

    def process_request(self, request: HttpRequest) -> None:
        """Choose the language; a cookie may ask for one too."""
        if request.META.get("HTTP_COOKIE"):
            return super().process_request(request)
        language = _language(request.META.get("HTTP_ACCEPT_LANGUAGE", ""))
        translation.activate(language)
        request.LANGUAGE_CODE = language
        return None

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Tell the language. No path begins with one, so there is none to redirect to."""
        vary_on(response, "Accept-Language")
        response.headers.setdefault("Content-Language", translation.get_language() or "")
        return response


class _ForBrowsers:
    """Lets the calls of apps pass; stands before a middleware that only browsers need."""

    get_response: Any

    def __call__(self, request: HttpRequest) -> Any:
        if not request.META.get("HTTP_COOKIE") and request.path_info.startswith(API):
            return self.get_response(request)
        return super().__call__(request)  # type: ignore[misc]  # of the class after this one


class SessionMiddleware(_ForBrowsers, sessions.SessionMiddleware):
    """Keeps a browser's session."""


class CsrfViewMiddleware(_ForBrowsers, csrf.CsrfViewMiddleware):
    """Protects a browser's cookie from other sites."""


class AuthenticationMiddleware(_ForBrowsers, auth.AuthenticationMiddleware):
    """Finds who a browser belongs to."""


class SessionRowMiddleware(_ForBrowsers, web.SessionRowMiddleware):
    """Holds a browser's cookie to its row."""


class MessageMiddleware(_ForBrowsers, messages.MessageMiddleware):
    """Keeps what is to be said to a browser."""


def vary_on(response: Any, header: str) -> None:
    """Tell caches that the answer depends on ``header``."""
    response.headers["Vary"] = _varying(response.headers.get("Vary", ""), header)


@functools.lru_cache(maxsize=256)
def _varying(known: str, header: str) -> str:
    """Return the value of Vary with ``header`` in it, as Django puts it together."""
    response = HttpResponse()
    if known:
        response.headers["Vary"] = known
    patch_vary_headers(response, (header,))
    return response.headers["Vary"]


@functools.lru_cache(maxsize=256)
def _language(accepted: str) -> str:
    """Return the language for an Accept-Language header, as Django chooses it."""
    request = HttpRequest()
    request.META["HTTP_ACCEPT_LANGUAGE"] = accepted
    return translation.get_language_from_request(request)
