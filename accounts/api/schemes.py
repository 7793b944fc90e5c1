"""How the OpenAPI description calls the ways of saying who one is."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema

SECURITY = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "The `access_token` of a login or a refresh.",
}


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The access token, wherever ``SessionJWTAuthentication`` is used."""

    target_class = "accounts.api.authentication.SessionJWTAuthentication"
    match_subclasses = True
    name = "bearer"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        """Return HTTP's bearer scheme (RFC 6750)."""
        return SECURITY


class CookieScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The browser's cookie, where a host's own endpoint takes it; ours do not speak of it."""

    target_class = "accounts.api.authentication.SessionCookieAuthentication"
    name = "cookie"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        """Return Django's session cookie, by its name in this project."""
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}
