"""Holds each browser's cookie to its row."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from accounts.exceptions import AccountsError, SessionEnded
from accounts.web import cookies, problems


class SessionRowMiddleware:
    """
    Sets ``request.user`` and ``request.user_session`` from the cookie's row, by one query.

    Stands after Django's AuthenticationMiddleware, whose own look-up of the user it saves. A dead
    row means an anonymous request and a flushed cookie; ``request.user_session_ended`` then tells
    the API to answer 401 ``session_ended`` instead of ``not_authenticated``.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Hold the cookie to its row, if there is one, and go on."""
        if settings.SESSION_COOKIE_NAME in request.COOKIES:
            self._hold(request)
        response = self.get_response(request)
        if getattr(request, "user_session_released", False):
            cookies.clear_browser(response)
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer an AccountsError of any page with a page; REST framework answers for its own."""
        return problems.page(request, error) if isinstance(error, AccountsError) else None

    def _hold(self, request: HttpRequest) -> None:
        request.user_session_id_before = cookies.bound_id(request)  # type: ignore[attr-defined]
        try:
            row = cookies.hold(request)
        except SessionEnded:
            request.session.flush()
            request.user = AnonymousUser()
            request.user_session_ended = True  # type: ignore[attr-defined]
            return
        if row is not None:
            request.user = row.user
            request.user_session = request.asking_session = row  # type: ignore[attr-defined]
