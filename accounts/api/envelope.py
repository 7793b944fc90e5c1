"""
The envelope: every JSON answer has exactly these five keys::

    {"success": true, "message": "Logout successful", "data": null, "code": null, "field": null}
"""

from __future__ import annotations

from typing import Any

import orjson
from django.http import HttpResponse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from rest_framework.renderers import BaseRenderer, BrowsableAPIRenderer
from rest_framework.response import Response

OK = _("OK")


class Envelope(dict[str, Any]):
    """A whole answer, so that nothing is wrapped twice."""


def succeed(data: object = None, message: str | Promise = OK, *, status: int = 200) -> Response:
    """Return the answer to a call that was carried out."""
    content = Envelope(success=True, message=message, data=data, code=None, field=None)
    return Response(content, status=status)


def failure(
    code: str, message: str | Promise, *, field: str | None = None, data: object = None
) -> Envelope:
    """Return the content of the answer to a call that was not."""
    return Envelope(success=False, message=message, data=data, code=code, field=field)


def encode(content: object) -> bytes:
    """Return ``content`` as JSON, lazy translations and everything else as text."""
    return orjson.dumps(content, default=_default)


def _default(value: object) -> str:
    return str(value)


class EnvelopeRenderer(BaseRenderer):
    """Renders JSON. Views and the exception handler have already made the envelope."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Any = None,
    ) -> bytes:
        """Return the body; a body there is, also where DRF would send none."""
        return encode(data)


class EnvelopeBrowsableRenderer(BrowsableAPIRenderer):
    """The browsable API, showing the envelope, indented."""

    template = "accounts/browsable_api.html"

    def get_default_renderer(self, view: Any) -> BaseRenderer:
        """Return the renderer whose output the page shows."""
        return _IndentedRenderer()

    def get_raw_data_form(self, data: Any, view: Any, method: str, request: Any) -> Any:
        """Return the form for a body, filled in with what the method's description takes."""
        form = super().get_raw_data_form(data, view, method, request)
        described = getattr(getattr(view, method.lower(), None), "described", None)
        if form and described and described.request:
            shown = data.get("data") if request.method in {"GET", method} else None
            known = shown if isinstance(shown, dict) else {}
            body = {
                name: known.get(name, empty) for name, empty in described.request().data.items()
            }
            form["_content"].field.initial = _indent(body).decode()
        return form

    def get_breadcrumbs(self, request: Any) -> list[tuple[str, str]]:
        """Return none: what answers for unknown paths would stand above every endpoint."""
        return []


class _IndentedRenderer(EnvelopeRenderer):
    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Any = None,
    ) -> bytes:
        return _indent(data)


def _indent(content: object) -> bytes:
    return orjson.dumps(content, default=_default, option=orjson.OPT_INDENT_2)


def json_response(content: Envelope, status: int) -> HttpResponse:
    """Return the envelope outside of DRF, for errors that never reach a view."""
    response = HttpResponse(encode(content), content_type="application/json", status=status)
    response["Cache-Control"] = "no-store"
    return response
