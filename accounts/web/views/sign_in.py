"""Signing in and out of a browser."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from accounts.web import cookies, destinations, texts
from accounts.web.forms import SignInForm
from accounts.web.sign_in import sign_in
from accounts.web.views.base import EndReason, Page, SignedInPage, reason_of_end, session_of


class SignInPage(Page):
    """Asks who somebody is."""

    template_name = "accounts/sign_in.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the form, also to somebody signed in: perhaps somebody else is meant to be."""
        return self._show(SignInForm())

    def post(self, request: HttpRequest) -> HttpResponse:
        """Sign in and lead to where one wanted to go."""
        form = SignInForm(request.POST)
        if form.carry_out(lambda: sign_in(request, form.identifier, form.cleaned_data["password"])):
            return redirect(destinations.asked_for(request) or destinations.url_of("sessions"))
        return self._show(form)

    def _show(self, form: SignInForm) -> HttpResponse:
        session = session_of(self.request)
        context: dict[str, Any] = {
            "next": destinations.asked_for(self.request),
            "signed_in_as": session.user.get_username() if session else "",
        }
        if getattr(self.request, "user_session_ended", False):
            context["notice"] = texts.why(reason_of_end(self.request))
        return self.page_of(form, **context)


class SignOutPage(SignedInPage):
    """Signs this browser out."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Ask first: nothing is ended by following a link."""
        return redirect("accounts_web:logout-one", session_id=self.user_session.pk)

    def post(self, request: HttpRequest) -> HttpResponse:
        """End this session and take the cookie back."""
        return leave(request, EndReason.LOGOUT)


class SignedOutPage(Page):
    """Says that, and why, somebody was signed out."""

    template_name = "accounts/signed_out.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Say it to somebody who is signed out; nobody else is told what is not so."""
        if session_of(request) is not None:
            return redirect("accounts_web:sessions")
        reason = reason_of_end(request) or request.GET.get("reason", "")
        return self.page(why=texts.why(reason), next=destinations.asked_for(request))


def leave(request: HttpRequest, reason: EndReason) -> HttpResponse:
    """Take the cookie back, which ends its row, and lead to the page that says so."""
    response = redirect(destinations.url_of("signed-out", reason=reason))
    cookies.forget(request, response)
    return response
