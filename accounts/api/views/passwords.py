"""Passwords: change one's own, or get another by mail."""

from __future__ import annotations

from django.contrib.auth import update_session_auth_hash
from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import devices, mails
from accounts.api.envelope import succeed
from accounts.api.schema import describe
from accounts.api.serializers import (
    PasswordChangeSerializer,
    PasswordResetConfirmSerializer,
    PasswordResetSerializer,
)
from accounts.api.views.base import EnvelopeView, PublicView
from accounts.models import UserSession
from accounts.services import passwords


class PasswordChangeView(EnvelopeView):
    """Change one's own password."""

    @describe(request=PasswordChangeSerializer, data=None, codes=["validation_error", "locked_out"])
    def post(self, request: Request) -> Response:
        """Change the password and sign out every other device; this one goes on."""
        form = PasswordChangeSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        passwords.change_password(
            self.session.user,
            form.validated_data["current_password"],
            form.validated_data["new_password"],
            session_id=self.session.pk,
            device=devices.from_request(request),
        )
        if self.session.client == UserSession.Client.BROWSER:
            # Django binds its session to the password's hash; this one goes on.
            update_session_auth_hash(request._request, self.session.user)
        return succeed(None, _("Password changed"))


class PasswordResetView(PublicView):
    """Ask for a password mail."""

    @describe(
        request=PasswordResetSerializer,
        data=None,
        status=202,
        codes=["validation_error", "throttled"],
    )
    def post(self, request: Request) -> Response:
        """Mail a link that is good once, where the address is known; always answer the same."""
        form = PasswordResetSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        email = form.validated_data["email"]
        user = passwords.request_reset(email, device=devices.from_request(request))
        if user is not None:
            mails.send_password_reset(user, request)
        sent = _("If the address is known, a mail with a link is on its way.")
        return succeed(None, sent, status=202)


class PasswordResetConfirmView(PublicView):
    """Set a password with what the mailed link holds."""

    @describe(request=PasswordResetConfirmSerializer, data=None, codes=["validation_error"])
    def post(self, request: Request) -> Response:
        """Set the password and sign out every device."""
        form = PasswordResetConfirmSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        given = form.validated_data
        passwords.reset_password(
            given["uid"],
            given["token"],
            given["new_password"],
            device=devices.from_request(request),
        )
        return succeed(None, _("Password set. Please sign in."))
