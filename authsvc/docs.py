"""The description of the API: the OpenAPI document, and Swagger UI to read it and try it out."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView, exception_handler

# Swagger UI sets style attributes and draws with data: pictures; nothing comes from elsewhere.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


class SchemaView(APIView):
    """The OpenAPI document as YAML or JSON, by ``Accept`` or ``?format=``."""

    authentication_classes = ()
    permission_classes = ()
    renderer_classes = SpectacularAPIView.renderer_classes
    schema = None

    def get(self, request: Request) -> Response:
        """Return the document in the language that was asked for."""
        return Response(document(translation.get_language()))

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], Response | None]:
        """Return DRF's own: the renderers here know nothing of the envelope."""
        return exception_handler


@functools.lru_cache(maxsize=len(settings.LANGUAGES))
def document(language: str) -> dict[str, Any]:
    """Return the OpenAPI document; it is the same as long as the process lives."""
    with translation.override(language):
        found: dict[str, Any] = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]
        return found


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """Show the document in Swagger UI."""
    response = render(request, "authsvc/docs.html")
    response["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    return response
