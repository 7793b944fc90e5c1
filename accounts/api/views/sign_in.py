"""Signing in: register, login, refresh."""

from __future__ import annotations

from django.contrib.auth.signals import user_logged_in
from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import devices, tokens, user_cache
from accounts.api.envelope import succeed
from accounts.api.schema import describe
from accounts.api.serializers import (
    IdentitySerializer,
    LoginSerializer,
    RefreshSerializer,
    RegisterSerializer,
    SessionSerializer,
    SignedInSerializer,
    TokensSerializer,
)
from accounts.api.views.base import PublicView
from accounts.models import UserSession
from accounts.services.sessions import rotate
from accounts.services.sign_in import sign_in
from accounts.services.users import register


class RegisterView(PublicView):
    """Make an account."""

    @describe(
        request=RegisterSerializer,
        data={"user": IdentitySerializer},
        status=201,
        codes=["validation_error", "permission_denied", "throttled"],
    )
    def post(self, request: Request) -> Response:
        """Make an account. Signing in is a call of its own."""
        form = RegisterSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        user = register(
            form.identifier,
            form.validated_data["password"],
            name=form.validated_data["name"],
            device=devices.from_request(request),
        )
        data = {"user": IdentitySerializer(user).data}
        return succeed(data, _("Registration successful"), status=201)


class LoginView(PublicView):
    """Sign a device in."""

    @describe(
        request=LoginSerializer,
        data=SignedInSerializer,
        codes=["validation_error", "invalid_credentials", "locked_out"],
    )
    def post(self, request: Request) -> Response:
        """Open a session for this device and hand out its tokens."""
        form = LoginSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        given = form.validated_data
        device = devices.from_request(
            request, name=given["device_name"], device_id=given["device_id"]
        )
        session = sign_in(
            form.identifier, given["password"], client=UserSession.Client.APP, device=device
        )
        user = session.user
        request.is_app_sign_in = True  # type: ignore[attr-defined]
        user_logged_in.send(sender=type(user), request=request, user=user)
        identity = IdentitySerializer(user).data
        user_cache.store(user_cache.IDENTITY, user.pk, identity)
        context = {"current_id": session.pk}
        data = {
            **_as_data(tokens.issue(session)),
            "session": SessionSerializer(session, context=context).data,
            "user": identity,
        }
        return succeed(data, _("Login successful"))


class RefreshView(PublicView):
    """Exchange a refresh token for new tokens."""

    @describe(
        request=RefreshSerializer,
        data=TokensSerializer,
        codes=["validation_error", "token_invalid", "token_expired", "session_ended"],
    )
    def post(self, request: Request) -> Response:
        """Raise the session's generation; a token that was used up ends the session."""
        form = RefreshSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        device = devices.from_request(request)
        pair = rotate(form.validated_data["refresh_token"], device=device)
        return succeed(_as_data(pair), _("Tokens refreshed"))


def _as_data(pair: tokens.TokenPair) -> dict[str, object]:
    return {
        "access_token": pair.access_token,
        "refresh_token": pair.refresh_token,
        "token_type": "Bearer",
        "expires_in": pair.expires_in,
    }
