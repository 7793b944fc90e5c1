"""
Bodies, bounded before they are read: size, character set, shape.

orjson refuses what is not UTF-8 JSON by RFC 8259, NaN and lone surrogates included, and stops at
a nesting of some thousand without recursion in Python.
"""

from __future__ import annotations

import contextlib
from typing import IO, Any

import orjson
from django.http import QueryDict, UnreadablePostError
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ParseError, UnsupportedMediaType
from rest_framework.parsers import BaseParser

from accounts.conf import get_settings
from accounts.exceptions import PayloadTooLarge

MAX_DEPTH = 20
# What is read of a body that nobody wanted.
MAX_REST = 16 * 1024


class BoundedJSONParser(BaseParser):
    """Reads a JSON object."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Any = None
    ) -> dict[str, Any]:
        """Return the object; raise ParseError, UnsupportedMediaType or PayloadTooLarge."""
        _require_utf8(media_type)
        body = _read(stream, parser_context)
        try:
            found = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise ParseError(_("The request body is not valid JSON.")) from error
        if not isinstance(found, dict):
            raise ParseError(_("The request body must be a JSON object."))
        if _is_deeper(found, MAX_DEPTH):
            raise ParseError(_("The request body is nested too deeply."))
        return found


class BoundedFormParser(BaseParser):
    """Reads a form, as RFC 7009 section 2.1 sends it."""

    media_type = "application/x-www-form-urlencoded"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Any = None
    ) -> QueryDict:
        """Return the fields; raise ParseError, UnsupportedMediaType or PayloadTooLarge."""
        _require_utf8(media_type)
        try:
            return QueryDict(_read(stream, parser_context).decode())
        except (UnicodeDecodeError, ValueError) as error:
            raise ParseError(_("The request body is not a valid form.")) from error


def admit_chunks(request: Any) -> None:
    """
    Let a body be read that is sent in chunks, without a length (RFC 9112 section 7.1).

    Django and DRF take it for an empty one; the HTTP library of .NET sends all JSON so. A WSGI
    server has to say that it ends the input itself, otherwise reading would never end.
    """
    facts = request.META
    if facts.get("CONTENT_LENGTH") or "HTTP_TRANSFER_ENCODING" not in facts:
        return
    if "wsgi.input" in facts:
        if not facts.get("wsgi.input_terminated"):
            return
        request._stream = facts["wsgi.input"]
    facts["CONTENT_LENGTH"] = str(get_settings().max_body_bytes)


def read_rest(request: Any) -> None:
    """
    Read what is left of a small body that no endpoint asked for, such as the ``{}`` of a logout.

    A server closes the connection over the rest of a body that arrives after the answer, and the
    next call of a client that keeps its connections fails.
    """
    declared = request.META.get("CONTENT_LENGTH") or "0"
    if declared.isdecimal() and 0 < int(declared) <= MAX_REST:
        # Whoever has left will not hear the answer either.
        with contextlib.suppress(UnreadablePostError):
            request.read(MAX_REST)


def _read(stream: IO[Any], context: Any) -> bytes:
    limit = get_settings().max_body_bytes
    declared = context["request"].META.get("CONTENT_LENGTH") or "0"
    if declared.isdecimal() and int(declared) > limit:
        raise PayloadTooLarge
    body: bytes = stream.read(limit + 1)
    if len(body) > limit:
        raise PayloadTooLarge
    return body


def _require_utf8(media_type: str | None) -> None:
    for parameter in (media_type or "").split(";")[1:]:
        name, _equals, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip(' "').lower() not in {"utf-8", "utf8"}:
            raise UnsupportedMediaType(media_type or "")


def _is_deeper(found: Any, depth: int) -> bool:
    level = [found]
    for _step in range(depth):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True
