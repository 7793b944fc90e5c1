"""What support tools may do to somebody else's sessions."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import NotFound
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import devices
from accounts.api.envelope import succeed
from accounts.api.schema import describe
from accounts.api.serializers import EndedSerializer
from accounts.api.views.base import EnvelopeView
from accounts.models import UserSession
from accounts.services.sessions import end_sessions


class MayEndSessions(BasePermission):
    """Staff with the permission ``accounts.end_usersession``."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Tell whether the caller is staff and has it."""
        user = request.user
        return bool(user.is_staff and user.has_perm("accounts.end_usersession"))


class UserLogoutView(EnvelopeView):
    """Sign somebody out everywhere."""

    permission_classes = (IsAuthenticated, MayEndSessions)

    @describe(data=EndedSerializer, codes=["permission_denied", "not_found"])
    def post(self, request: Request, user_id: str) -> Response:
        """End all sessions of the user ``user_id``, in the name of the staff member who asks."""
        ended = end_sessions(
            UserSession.objects.of(_find_user(user_id)),
            reason=UserSession.EndReason.FORCED,
            actor=request.user,
            session_id=self.session.pk,
            device=devices.from_request(request),
        )
        return succeed({"ended": ended}, _("User signed out"))


def _find_user(user_id: str) -> object:
    try:
        user = get_user_model()._default_manager.filter(pk=user_id).first()
    except (ValidationError, ValueError, OverflowError):
        user = None
    if user is None:
        raise NotFound(_("There is no such user."))
    return user
