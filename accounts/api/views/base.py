"""
What all endpoints share: parsers, renderers, authentication and the envelope.

The classes are set here and not in a project's REST_FRAMEWORK, so that a host's own API keeps
its settings.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import MethodNotAllowed, NotFound
from rest_framework.parsers import BaseParser
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.authentication import SessionCookieAuthentication, SessionJWTAuthentication
from accounts.api.envelope import EnvelopeBrowsableRenderer, EnvelopeRenderer, succeed
from accounts.api.errors import exception_handler
from accounts.api.parsers import BoundedJSONParser, admit_chunks, read_rest
from accounts.api.schema import EnvelopeSchema
from accounts.conf import get_settings
from accounts.exceptions import HttpsRequired
from accounts.models import UserSession

ANYTHING, JSON = "*/*", "application/json"


class EnvelopeView(APIView):
    """An endpoint for somebody who is signed in."""

    authentication_classes: Sequence[type[BaseAuthentication]] = (
        SessionJWTAuthentication,
        SessionCookieAuthentication,
    )
    permission_classes: Sequence[Any] = (IsAuthenticated,)
    parser_classes: Sequence[type[BaseParser]] = (BoundedJSONParser,)
    renderer_classes = (EnvelopeRenderer, EnvelopeBrowsableRenderer)
    throttle_classes = ()
    schema = EnvelopeSchema()
    # DRF sets it in initial(), and without it shows a browser JSON where that was not reached.
    format_kwarg: str | None = None

    @property
    def session(self) -> UserSession:
        """The session that asks."""
        session: UserSession = self.request.auth  # type: ignore[assignment]
        return session

    @property
    def default_response_headers(self) -> dict[str, str]:
        """
        Return what every answer says; no cache may keep it (RFC 6749 section 5.1).

        DRF puts them together anew for each answer, and takes Vary apart again.
        """
        kind: Any = type(self)  # which mypy takes for something that cannot be hashed
        return dict(_headers_of(kind))

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Return DRF's request, which goes by the length that a body declares."""
        admit_chunks(request)
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse plain HTTP and a wrong method before anything is asked of the database."""
        _refuse_plain_http(request)
        if not self._takes(request.method):
            renderer, _media_type = self.perform_content_negotiation(request, force=True)
            if isinstance(renderer, EnvelopeBrowsableRenderer):
                # The page has forms for the right methods, for whoever may use them.
                self.perform_authentication(request)
            raise MethodNotAllowed(request.method or "")
        super().initial(request, *args, **kwargs)

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[Any, str]:
        """Return JSON at once for whoever asks for no more; negotiate with the others."""
        facts, first = request._request.META, self.renderer_classes[0]
        undisputed = facts.get("HTTP_ACCEPT", ANYTHING) in {ANYTHING, JSON}
        if undisputed and first.media_type == JSON and not facts.get("QUERY_STRING"):
            return first(), JSON
        return super().perform_content_negotiation(request, force)

    def handle_exception(self, exc: Exception) -> Response:
        """Answer; who could not be authenticated is nobody, also to the page showing it."""
        request: Any = self.request
        if not hasattr(request, "_user"):
            request._not_authenticated()
        return super().handle_exception(exc)

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], Response]:
        """Return ours, whatever the project's REST_FRAMEWORK says."""
        return exception_handler

    def options(  # type: ignore[override]  # as DRF itself calls it
        self, request: Request, *args: Any, **kwargs: Any
    ) -> Response:
        """Answer with DRF's description of the endpoint, in the envelope."""
        described = super().options(request, *args, **kwargs)
        return succeed(described.data)

    def finalize_response(
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> Response:
        """Leave nothing of the request unread, and say that a browser is shown something else."""
        read_rest(request._request)
        final = super().finalize_response(request, response, *args, **kwargs)
        final.headers["Vary"] = "Accept"
        return final

    def _takes(self, method: str | None) -> bool:
        name = (method or "").lower()
        return name in self.http_method_names and hasattr(self, name)


@functools.cache
def _headers_of(view: type[EnvelopeView]) -> dict[str, str]:
    asked = view()
    # Only then it answers HEAD where it answers GET.
    asked.setup(HttpRequest())
    return {"Allow": ", ".join(asked.allowed_methods), "Cache-Control": "no-store"}


class PublicView(EnvelopeView):
    """An endpoint that asks for no credentials, and looks at none."""

    authentication_classes = ()
    permission_classes = (AllowAny,)


class UnknownPathView(PublicView):
    """Answers for every path under the API's root that is not one."""

    schema = None  # type: ignore[assignment]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Say that there is nothing, whatever the method."""
        _refuse_plain_http(request)
        raise NotFound(_("Not found."))


def _refuse_plain_http(request: Request) -> None:
    if get_settings().require_https and not request.is_secure():
        raise HttpsRequired
