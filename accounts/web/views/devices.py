"""One's signed-in devices: see them, and sign them out."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts import devices
from accounts.querysets import UserSessionQuerySet
from accounts.services.sessions import end_sessions
from accounts.web.cards import card_of, cards_of
from accounts.web.views.base import EndReason, SignedInPage
from accounts.web.views.sign_in import leave


class DevicesPage(SignedInPage):
    """Shows where somebody is signed in; a script keeps it up to date."""

    template_name = "accounts/devices.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the devices, this one first, then those last seen."""
        active = self.mine.active().recent_first()
        cards = cards_of(active, current_id=self.user_session.pk)
        return self.page(cards=cards, others=len(cards) - 1)


class DeviceListPart(DevicesPage):
    """The list alone, for the script."""

    template_name = "accounts/_devices.html"


class SignOutView(SignedInPage):
    """Ends some of one's own sessions, after asking."""

    template_name = "accounts/confirm.html"

    def end(self, sessions: UserSessionQuerySet, reason: EndReason) -> int:
        """End ``sessions`` in the name of the session that asks; return how many."""
        return end_sessions(
            sessions,
            reason=reason,
            actor=self.user_session.user,
            session_id=self.user_session.pk,
            device=devices.from_request(self.request),
        )

    def say(self, message: str) -> HttpResponse:
        """Lead back to the list, which says what was done."""
        messages.success(self.request, message, fail_silently=True)
        return redirect("accounts_web:sessions")


class SignOutOnePage(SignOutView):
    """Signs out one device."""

    def get(self, request: HttpRequest, session_id: UUID) -> HttpResponse:
        """Ask; a stranger's session is a 404."""
        session = get_object_or_404(self.mine, pk=session_id)
        card = card_of(session, current_id=self.user_session.pk)
        return self.page(scope="this" if card.is_current else "one", card=card)

    def post(self, request: HttpRequest, session_id: UUID) -> HttpResponse:
        """End the session; whether it had ended meanwhile makes no difference to anybody."""
        session = get_object_or_404(self.mine, pk=session_id)
        if session.pk == self.user_session.pk:
            return leave(request, EndReason.LOGOUT)
        self.end(self.mine.filter(pk=session.pk), EndReason.REVOKED)
        card = card_of(session, current_id=self.user_session.pk)
        return self.say(_("“%(device)s” is signed out.") % {"device": card.name})


class SignOutOthersPage(SignOutView):
    """Signs out everywhere else."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Ask."""
        return self.page(scope="others", others=self.mine.active().count() - 1)

    def post(self, request: HttpRequest) -> HttpResponse:
        """End all sessions but the one that asks."""
        ended = self.end(self.mine.excluding(self.user_session.pk), EndReason.LOGOUT_OTHERS)
        return self.say(
            ngettext(
                "%(count)d other device is signed out.",
                "%(count)d other devices are signed out.",
                ended,
            )
            % {"count": ended}
        )


class SignOutEverywherePage(SignOutView):
    """Signs out everywhere."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Ask."""
        return self.page(scope="all", others=self.mine.active().count() - 1)

    def post(self, request: HttpRequest) -> HttpResponse:
        """End all sessions, the one that asks included."""
        self.end(self.mine, EndReason.LOGOUT_ALL)
        return leave(request, EndReason.LOGOUT_ALL)
