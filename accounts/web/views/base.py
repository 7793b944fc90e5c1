"""What all pages share: nothing is cached, and who is signed out is led to the door."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from accounts.models import UserSession
from accounts.querysets import UserSessionQuerySet
from accounts.web import destinations, problems
from accounts.web.forms import ActingForm

EndReason = UserSession.EndReason

# Those that the pages are translated to, as they call themselves.
LANGUAGES = {"en": "English", "zh-hans": "简体中文"}


class Page(View):
    """A page. No cache keeps it, so that the back button shows nothing after a sign-out."""

    template_name: ClassVar[str]

    @classmethod
    def as_view(cls, **options: Any) -> Callable[..., HttpResponseBase]:
        """Return the view; around ``dispatch``, so that no answer of a subclass slips past."""
        view: Callable[..., HttpResponseBase] = super().as_view(**options)
        return never_cache(sensitive_post_parameters()(view))

    def page(self, *, status: int = 200, **context: Any) -> HttpResponse:
        """Return the page itself."""
        context["languages"] = _languages(self.request)
        return render(self.request, self.template_name, context, status=status)

    def page_of(self, form: ActingForm, **context: Any) -> HttpResponse:
        """Return the page with its form, and what was wrong with it."""
        status = 200
        if form.refusal is not None:
            status = problems.status_of(form.refusal)
        elif form.errors:
            status = 400
        form.point_out()
        response = self.page(status=status, form=form, **context)
        return problems.set_retry_after(response, form.refusal)


class SignedInPage(Page):
    """A page for somebody who is signed in; everybody else is led to where they can."""

    user_session: UserSession
    # Where signing in leads then: a page that is more than a part of one, or a question.
    returns_to: ClassVar[str] = "sessions"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Go on only with the session that the middleware has found."""
        found = session_of(request)
        if found is None:
            return self._show_out(request)
        self.user_session = found
        return super().dispatch(request, *args, **kwargs)

    @property
    def mine(self) -> UserSessionQuerySet:
        """Every session of whoever asks."""
        return UserSession.objects.of(self.user_session.user)

    def _show_out(self, request: HttpRequest) -> HttpResponseRedirect:
        back = destinations.url_of(self.returns_to)
        if getattr(request, "user_session_ended", False):
            reason = reason_of_end(request)
            return redirect(destinations.url_of("signed-out", reason=reason, next=back))
        return redirect(destinations.url_of("login", next=back))


def _languages(request: HttpRequest) -> dict[str, str]:
    """Return the languages to choose from; none without a middleware that heeds the choice."""
    if not (settings.USE_I18N and hasattr(request, "LANGUAGE_CODE")):
        return {}
    offered = dict(settings.LANGUAGES)
    return {code: name for code, name in LANGUAGES.items() if code in offered}


def session_of(request: HttpRequest) -> UserSession | None:
    """Return the session of the request's cookie; None for a stranger."""
    session: UserSession | None = getattr(request, "user_session", None)
    return session


def reason_of_end(request: HttpRequest) -> str:
    """Return why the session of the request's dead cookie ended; empty where nobody knows."""
    session_id = getattr(request, "user_session_id_before", None)
    row = UserSession.objects.filter(pk=session_id).first() if session_id else None
    if row is None or row.is_active:
        # Not ended by anybody: expired, unless it is the user or the password that has changed.
        return EndReason.EXPIRED if row and not row.is_usable(timezone.now()) else ""
    return row.end_reason
