"""
Requests whose Content-Type cannot be read, such as ``application/json; charset*=nonsense''x``.

Django reads it as soon as there is a request, before any middleware and outside of what answers
for errors, and raises: the server would answer 500, without the envelope. RFC 9110 section 8.3
lets a body of no known type be taken for ``application/octet-stream``, which is a 415 wherever a
body is read, and nothing to whoever reads none.

A charset makes Django ask for the query too, which may have too many parameters. Whoever looks at
it is told again, where there is an answer for it.
"""

from __future__ import annotations

from typing import Any, TypeVar

from django.core.exceptions import TooManyFieldsSent
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest

UNKNOWN = "application/octet-stream"

Handler = TypeVar("Handler", bound=WSGIHandler | ASGIHandler)


class _Tolerant:
    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        try:
            super()._set_content_type_params(meta)  # type: ignore[misc]  # of the class after this
        except TooManyFieldsSent:
            pass
        # Of the codec, of RFC 2231's encoding, or of the standard library's reading of the header.
        except (ValueError, LookupError):
            meta["CONTENT_TYPE"] = UNKNOWN
            super()._set_content_type_params(meta)  # type: ignore[misc]


class TolerantWSGIRequest(_Tolerant, WSGIRequest):
    """A request to a WSGI server, whatever its Content-Type."""


class TolerantASGIRequest(_Tolerant, ASGIRequest):
    """A request to an ASGI server, whatever its Content-Type."""


def tolerate(handler: Handler) -> Handler:
    """Let ``handler`` take requests with any Content-Type, and return it."""
    if isinstance(handler, WSGIHandler):
        handler.request_class = TolerantWSGIRequest
    else:
        handler.request_class = TolerantASGIRequest
    return handler
