"""
The shapes of the OpenAPI document: the envelope around ``data``, and the errors by status.

An error's ``code`` is an enumeration of those that this very status can have there::

    401: {allOf: [Error, {properties: {code: {enum: [token_invalid, token_expired]}}}]}

Nothing here knows of views; ``accounts.api.schema`` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any

from django.utils.functional import Promise
from drf_spectacular.plumbing import ComponentRegistry, ResolvedComponent
from drf_spectacular.utils import OpenApiParameter
from rest_framework import exceptions as drf
from rest_framework.fields import Field

from accounts.api.envelope import Envelope, failure
from accounts.api.errors import STATUSES
from accounts.exceptions import AccountsError

Schema = dict[str, Any]

# When each code is given, for the people who write clients.
MEANINGS = {
    "parse_error": "the body is not JSON, or not an object",
    "validation_error": "a field is missing or wrong; `data.errors` has them all",
    "not_authenticated": "no credentials were sent",
    "token_invalid": "the token is malformed, forged, of another kind, or of an unknown session",
    "token_expired": "the token is genuine and its `exp` has passed; refresh",
    "session_ended": "the token is genuine and its session was ended; sign in again",
    "invalid_credentials": "wrong email, wrong password or inactive user, indistinguishable",
    "permission_denied": "the caller is known and may not do this",
    "csrf_failed": "a cookie was sent without its CSRF token; apps never see this",
    "https_required": "plain HTTP where HTTPS is demanded",
    "not_found": "there is no such thing, or it is not the caller's",
    "method_not_allowed": "the path has other methods, named in `Allow`; any path can answer this",
    "not_acceptable": "`Accept` leaves no format that there is",
    "payload_too_large": "the body is larger than the service reads",
    "unsupported_media_type": "the body's `Content-Type` is not one of those described",
    "throttled": "too many requests from this address",
    "locked_out": "too many failed sign-ins to this account",
    "server_error": "an error of the service; nothing internal is told",
    "service_unavailable": "the database cannot be reached; nothing was decided, keep the tokens",
}

_TEXT: Schema = {"type": "string"}
_NULL: Schema = {"type": "null"}
_HEADERS: dict[int, dict[str, Schema]] = {
    401: {
        "WWW-Authenticate": {
            "description": '`Bearer`; with `error="invalid_token"` for a token (RFC 6750).',
            "required": True,
            "schema": _TEXT,
        }
    }
}
_HEADERS[429] = _HEADERS[503] = {
    "Retry-After": {
        "description": "Seconds to wait before the next try.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    }
}
# Sets of codes that have a name of their own; others are called after their codes.
_NAMES = {
    ("parse_error", "validation_error"): "InvalidBody",
    ("not_authenticated", "token_invalid", "token_expired", "session_ended"): "Unauthorized",
    ("token_invalid", "token_expired", "session_ended"): "TokenRefused",
    ("csrf_failed", "https_required"): "Forbidden",
}
# As accounts.api.views.profile.EventPagination reads them.
PAGE_PARAMETERS = (
    OpenApiParameter("cursor", str, description="From `next` or `previous` of another page."),
    OpenApiParameter("page_size", {"type": "integer", "minimum": 1, "maximum": 100, "default": 50}),
)


def success(
    registry: ComponentRegistry,
    name: str,
    data: Schema | None,
    *,
    status: int,
    message: str | Promise | None,
) -> Schema:
    """
    Return the response with ``data`` in the envelope, which is registered as ``<name>Answer``.

    With ``message``, a call whose ``data`` is null gets an example.
    """
    answer = _component(registry, f"{name}Answer", _envelope(success=True, data=data or _NULL))
    content: Schema = {"schema": answer.ref}
    if message is not None and data is None:
        sample = Envelope(success=True, message=str(message), data=None, code=None, field=None)
        content["examples"] = {"success": {"value": dict(sample)}}
    return {"description": HTTPStatus(status).phrase, "content": {"application/json": content}}


def error_responses(registry: ComponentRegistry, codes: Iterable[str]) -> dict[str, Schema]:
    """Return the responses for the codes, by status; each is registered once and referred to."""
    wanted = set(codes)
    found: dict[int, list[str]] = {}
    for code, status in STATUSES.items():
        if code in wanted:
            found.setdefault(status, []).append(code)
    return {str(status): _error_response(registry, status, found[status]).ref for status in found}


def object_of(properties: dict[str, Schema]) -> Schema:
    """Return an object with exactly these properties."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def camel(words: Iterable[str]) -> str:
    """Return snake_case words as the name of a component."""
    return "_".join(words).title().replace("_", "")


def page_of(results: Schema) -> Schema:
    """Return one page of a list by cursor."""
    link: Schema = {"type": ["string", "null"], "format": "uri"}
    return object_of({"results": results, "next": link, "previous": link})


def register_security(registry: ComponentRegistry, name: str, scheme: Schema) -> None:
    """Register a security scheme."""
    _registered(registry, name, ResolvedComponent.SECURITY_SCHEMA, scheme)


def register_errors(registry: ComponentRegistry) -> None:
    """Register what all error responses share, and the one that every path can give."""
    listed = "\n".join(
        f"* `{code}` ({status}) - {MEANINGS[code]}" for code, status in STATUSES.items()
    )
    codes = {"type": "string", "enum": list(STATUSES), "description": listed}
    code = _component(registry, "ErrorCode", codes)
    problem = _component(
        registry,
        "FieldError",
        object_of({"field": {"type": ["string", "null"]}, "code": _TEXT, "message": _TEXT}),
    )
    problems = object_of({"errors": {"type": "array", "items": problem.ref, "minItems": 1}})
    _component(registry, "Error", _envelope(success=False, data=_NULL, code=code.ref))
    _component(
        registry,
        "ValidationError",
        _envelope(
            success=False,
            data=problems,
            code={"type": "string", "const": "validation_error"},
            field={"type": ["string", "null"], "description": "The first offending input."},
        ),
    )
    _error_response(registry, STATUSES["method_not_allowed"], ["method_not_allowed"])


def _envelope(
    *, success: bool, data: Schema, code: Schema | None = None, field: Schema | None = None
) -> Schema:
    about = "For people; `Accept-Language` chooses English or Simplified Chinese."
    return object_of(
        {
            "success": {"type": "boolean", "const": success},
            "message": {"type": "string", "description": about},
            "data": data,
            "code": code or _NULL,
            "field": field or _NULL,
        }
    )


def _component(registry: ComponentRegistry, name: str, schema: Schema) -> ResolvedComponent:
    return _registered(registry, name, ResolvedComponent.SCHEMA, schema)


def _registered(
    registry: ComponentRegistry, name: str, kind: str, schema: Schema
) -> ResolvedComponent:
    component = ResolvedComponent(name, kind, schema, name)  # type: ignore[no-untyped-call]
    registry.register_on_missing(component)
    return component


def _error_response(
    registry: ComponentRegistry, status: int, codes: list[str]
) -> ResolvedComponent:
    name = _NAMES.get(tuple(codes)) or camel(["_or_".join(codes)])
    plain = [code for code in codes if code != "validation_error"]
    narrowed = {"properties": {"code": {"type": "string", "enum": plain}}}
    shapes: list[Schema] = []
    if plain:
        shapes.append({"allOf": [{"$ref": "#/components/schemas/Error"}, narrowed]})
    if plain != codes:
        shapes.append({"$ref": "#/components/schemas/ValidationError"})
    messages = _messages()
    samples = {code: {"value": _sample(code, messages[code])} for code in codes if code in messages}
    content = {
        "schema": shapes[0] if len(shapes) == 1 else {"oneOf": shapes},
        **({"examples": samples} if samples else {}),
    }
    response: Schema = {
        "description": "\n".join(f"* `{code}` - {MEANINGS[code]}" for code in codes),
        "content": {"application/json": content},
    }
    if status in _HEADERS:
        response["headers"] = _HEADERS[status]
    return _registered(registry, name, ResolvedComponent.RESPONSE, response)


def _sample(code: str, message: str) -> Schema:
    if code != "validation_error":
        return dict(failure(code, message))
    problem = {"field": "email", "code": "required", "message": message}
    return dict(failure(code, message, field="email", data={"errors": [problem]}))


def _messages() -> dict[str, str]:
    """Return what people read, by code, in the language that is active."""
    raised = (
        drf.ParseError(),
        drf.NotAuthenticated(),
        drf.NotFound(),
        drf.MethodNotAllowed("PUT"),
        drf.NotAcceptable(),
        drf.UnsupportedMediaType("text/plain"),
    )
    return {
        **{str(error.default_code): str(error.detail) for error in raised},
        **{leaf.code: str(leaf.message) for leaf in _leaves(AccountsError)},
        "validation_error": str(Field.default_error_messages["required"]),
    }


def _leaves(parent: type[AccountsError]) -> Iterator[type[AccountsError]]:
    for child in parent.__subclasses__():
        if "code" in vars(child) and "message" in vars(child):
            yield child
        yield from _leaves(child)
