"""
The OpenAPI description: every answer in the envelope, every code an endpoint can give.

``describe`` stands on each method of a view. What all endpoints share is added by
``EnvelopeSchema``: https_required, not_acceptable, server_error and service_unavailable; with a
body parse_error, payload_too_large and unsupported_media_type; with a path parameter not_found;
with credentials those of a token and, where something is changed, csrf_failed. A method without
``describe`` is drf-spectacular's, as in any other project.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from django.urls.converters import UUIDConverter, get_converters
from django.utils.functional import Promise
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ComponentRegistry, get_doc
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.serializers import ListSerializer, Serializer

from accounts.api import openapi
from accounts.api.errors import STATUSES
from accounts.api.schemes import SECURITY, BearerScheme

_View = TypeVar("_View", bound=Callable[..., Any])
_Serializer = type[Serializer[Any]] | Serializer[Any] | ListSerializer[Any]

_VERBS = {"GET": "get", "PUT": "replace", "PATCH": "update", "DELETE": "delete"}
# By the first word of the view's name, which is a subject's own tag where nothing else is said.
_TAGS = {
    "register": "sign in",
    "login": "sign in",
    "refresh": "sign in",
    "logout": "sign out",
    "revoke": "sign out",
    "session": "sessions",
    "event": "events",
    "user": "staff",
}


@dataclass(frozen=True)
class Description:
    """What ``describe`` was told."""

    data: _Serializer | Mapping[str, _Serializer] | None
    request: type[Serializer[Any]] | None
    status: int
    codes: frozenset[str]
    paginated: bool
    message: str | Promise | None


def describe(
    *,
    data: _Serializer | Mapping[str, _Serializer] | None,
    request: type[Serializer[Any]] | None = None,
    status: int = 200,
    codes: Iterable[str] = (),
    paginated: bool = False,
    message: str | Promise | None = None,
) -> Callable[[_View], _View]:
    """
    Describe a method: what its body is, what ``data`` it answers, which codes of its own.

    ``data`` is a serializer, one with ``many=True``, several by name, or None for null. Its
    object is wrapped in ``results``, ``next`` and ``previous`` when ``paginated``. ``message``
    is shown as an example of an answer without data.
    """
    description = Description(data, request, status, frozenset(codes), paginated, message)
    if unknown := description.codes - STATUSES.keys():
        raise ValueError(f"accounts.api.errors.STATUSES has no {', '.join(sorted(unknown))}")

    def describe_method(method: _View) -> _View:
        method.described = description  # type: ignore[attr-defined]
        # Gives the operation a schema object of its own, as extend_schema does. The one of the
        # class would hold the view of whoever generated last, and two threads may generate.
        method.kwargs = {"schema": EnvelopeSchema}  # type: ignore[attr-defined]
        return method

    return describe_method


def described_by(view: object, method: str) -> Description | None:
    """Return what ``describe`` was told of a view's method, or None where it does not stand."""
    found = getattr(getattr(view, method.lower(), None), "described", None)
    return found if isinstance(found, Description) else None


class EnvelopeSchema(AutoSchema):
    """Describes our views."""

    @property
    def described(self) -> Description | None:
        """What ``describe`` was told of this operation."""
        return described_by(self.view, self.method)

    def get_operation(
        self,
        path: str,
        path_regex: str,
        path_prefix: str,
        method: str,
        registry: ComponentRegistry,
    ) -> dict[str, Any] | None:
        """Return the operation with all of its answers; those of ``extend_schema`` stay."""
        operation = super().get_operation(path, path_regex, path_prefix, method, registry)
        if operation is None or self.described is None:
            return operation
        openapi.register_errors(registry)
        described, security = self.described, self.get_auth()
        codes = {*described.codes, *self._shared_codes(signed_in=bool(security))}
        responses = {
            str(described.status): self._success(described),
            **openapi.error_responses(registry, codes),
            **operation.pop("responses"),
        }
        # An operation for everybody says so, and does not leave it to a document's default.
        return {**operation, "security": security, "responses": responses}

    def _shared_codes(self, *, signed_in: bool) -> Iterator[str]:
        yield from ("https_required", "not_acceptable", "server_error", "service_unavailable")
        if self.get_request_serializer() is not None:
            yield from ("parse_error", "payload_too_large", "unsupported_media_type")
        if "{" in self.path:
            yield "not_found"
        if signed_in:
            yield from ("not_authenticated", "token_invalid", "token_expired", "session_ended")
        if signed_in and self.method != "GET":
            yield "csrf_failed"

    def _success(self, described: Description) -> dict[str, Any]:
        name, data = self._data(described)
        return openapi.success(
            self.registry, name, data, status=described.status, message=described.message
        )

    def _data(self, described: Description) -> tuple[str, dict[str, Any] | None]:
        """Return a name for what is answered, and its schema."""
        if described.data is None:
            return "Empty", None
        if isinstance(described.data, Mapping):
            parts = {name: self._schema_of(part)[1] for name, part in described.data.items()}
            return openapi.camel(parts), openapi.object_of(parts)
        name, schema = self._schema_of(described.data)
        if described.paginated:
            return f"{name.removesuffix('List')}Page", openapi.page_of(schema)
        return name, schema

    def _schema_of(self, serializer: _Serializer) -> tuple[str, dict[str, Any]]:
        if isinstance(serializer, ListSerializer):
            name, item = self._schema_of(cast("Serializer[Any]", serializer.child))
            return f"{name}List", {"type": "array", "items": item}
        component = self.resolve_serializer(serializer, "response")
        return component.name, component.ref

    def get_request_serializer(self) -> Any:
        """Return what ``describe`` was told."""
        return (
            super().get_request_serializer() if self.described is None else self.described.request
        )

    def get_response_serializers(self) -> Any:
        """Return none where ``get_operation`` adds the answers."""
        return super().get_response_serializers() if self.described is None else {}

    def get_override_parameters(self) -> list[Any]:
        """Return those of a list by cursor, and ids, whatever the case of their letters."""
        given = super().get_override_parameters()
        if self.described is None:
            return given
        converters = get_converters()
        ids = [
            OpenApiParameter(name, OpenApiTypes.UUID, OpenApiParameter.PATH)
            for kind, name in re.findall(r"<(\w+):(\w+)>", self.path_regex)
            if isinstance(converters[kind], UUIDConverter)
        ]
        return [*given, *ids, *(openapi.PAGE_PARAMETERS if self.described.paginated else ())]

    def get_auth(self) -> list[dict[str, Any]]:
        """Return the bearer token, or nothing; a browser's cookie is not for who reads this."""
        if self.described is None:
            return super().get_auth()
        needs: list[dict[str, Any]] = []
        for authenticator in self.view.get_authenticators():
            scheme = OpenApiAuthenticationExtension.get_match(authenticator)
            if isinstance(scheme, BearerScheme):
                openapi.register_security(self.registry, scheme.name, SECURITY)
                needs.append({scheme.name: []})
        return needs

    def get_operation_id(self) -> str:
        """Return a name such as ``login``, ``list_sessions``, ``update_profile``."""
        if self.described is None:
            return super().get_operation_id()
        words = self._words()
        if self.method == "POST":
            return "_".join(words)
        if words[-1] == "list":
            return f"list_{'_'.join(words[:-1])}s"
        return "_".join([_VERBS[self.method], *words])

    def get_tags(self) -> list[str]:
        """Return the subject."""
        if self.described is None:
            return super().get_tags()
        first = self._words()[0]
        return [_TAGS.get(first, first)]

    def get_summary(self) -> str | None:
        """Return what the view's docstring says first."""
        if self.described is None:
            return super().get_summary()
        return get_doc(type(self.view)).partition("\n")[0].removesuffix(".")

    def _words(self) -> list[str]:
        name = type(self.view).__name__.removesuffix("View")
        return [word.lower() for word in re.findall("[A-Z][a-z0-9]*", name)]
