"""Signing out: everywhere, here, everywhere else, one device, or by giving a token back."""

from __future__ import annotations

from uuid import UUID

from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import devices
from accounts.api.envelope import succeed
from accounts.api.parsers import BoundedFormParser, BoundedJSONParser
from accounts.api.schema import describe
from accounts.api.serializers import EndedSerializer, RevokeSerializer, SessionSerializer
from accounts.api.views.base import EnvelopeView, PublicView
from accounts.models import UserSession
from accounts.querysets import UserSessionQuerySet
from accounts.services.owners import OwnSessions
from accounts.services.sessions import end_sessions, revoke
from accounts.web import cookies

LOGOUT_SUCCESSFUL = _("Logout successful")


class SignOutView(EnvelopeView):
    """Ends some of the caller's own sessions."""

    def end(
        self, sessions: UserSessionQuerySet | OwnSessions, reason: UserSession.EndReason
    ) -> int:
        """End ``sessions`` in the name of the session that asks; return how many."""
        return end_sessions(
            sessions,
            reason=reason,
            actor=self.request.user,
            session_id=self.session.pk,
            device=devices.from_request(self.request),
        )

    def leave(self, response: Response) -> Response:
        """Take the cookie back where it was a browser that has just signed itself out."""
        # A token may come along with the cookie of another session, which goes on.
        if getattr(self.request, "user_session", None) == self.session:
            cookies.forget(self.request._request, response)
        return response

    @property
    def mine(self) -> UserSessionQuerySet:
        """Every session of the caller."""
        return UserSession.objects.of(self.request.user)


class LogoutView(SignOutView):
    """Sign out everywhere."""

    @describe(request=None, data=None, message=LOGOUT_SUCCESSFUL)
    def post(self, request: Request) -> Response:
        """End all of the caller's sessions, on every device, and clear the caller's cache."""
        self.end(OwnSessions(request.user.pk), UserSession.EndReason.LOGOUT_ALL)
        return self.leave(succeed(None, LOGOUT_SUCCESSFUL))


class LogoutCurrentView(SignOutView):
    """Sign out here."""

    @describe(request=None, data=None, message=LOGOUT_SUCCESSFUL)
    def post(self, request: Request) -> Response:
        """End the session that asks."""
        this_one = OwnSessions(request.user.pk, only=self.session.pk)
        self.end(this_one, UserSession.EndReason.LOGOUT)
        return self.leave(succeed(None, LOGOUT_SUCCESSFUL))


class LogoutOthersView(SignOutView):
    """Sign out everywhere else."""

    @describe(request=None, data=EndedSerializer)
    def post(self, request: Request) -> Response:
        """End all of the caller's sessions but the one that asks."""
        others = OwnSessions(request.user.pk, all_but=self.session.pk)
        ended = self.end(others, UserSession.EndReason.LOGOUT_OTHERS)
        return succeed({"ended": ended}, _("Other devices signed out"))


class SessionListView(EnvelopeView):
    """The caller's signed-in devices."""

    @describe(data=SessionSerializer(many=True))
    def get(self, request: Request) -> Response:
        """Return the active sessions, last seen first."""
        sessions = UserSession.objects.of(request.user).active().recent_first()
        context = {"current_id": self.session.pk}
        return succeed(SessionSerializer(sessions, many=True, context=context).data)


class SessionView(SignOutView):
    """One of the caller's signed-in devices."""

    @describe(data=None, codes=["not_found"])
    def delete(self, request: Request, session_id: UUID) -> Response:
        """End one session of the caller's; a stranger's, an ended and an unknown one are a 404."""
        one = self.mine.active().filter(pk=session_id)
        if not self.end(one, UserSession.EndReason.REVOKED):
            raise NotFound(_("There is no such session."))
        answer = succeed(None, _("Device signed out"))
        return self.leave(answer) if session_id == self.session.pk else answer


class RevokeView(PublicView):
    """Give a token back (RFC 7009)."""

    parser_classes = (BoundedJSONParser, BoundedFormParser)

    @describe(request=RevokeSerializer, data=None, codes=["validation_error"])
    def post(self, request: Request) -> Response:
        """End the session of a token of ours; 200 whatever the token was."""
        form = RevokeSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        revoke(form.validated_data["token"], device=devices.from_request(request))
        return succeed(None, _("Token revoked"))
