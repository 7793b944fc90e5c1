"""
An incident, from the list of sessions: end all that match its filters and its search.

For what is too much for one request there is ``manage.py end_sessions``, which knows the same
filters and may take its time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ERROR_FLAG
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts import devices
from accounts.admin.confirmations import Toll, ask, toll_of
from accounts.admin.long_lists import LongChangeList
from accounts.admin.sign_out import may_end_sessions
from accounts.querysets import UserSessionQuerySet
from accounts.services.incidents import end_in_bites

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = object

MOST_DEVICES = 20_000
USERS_PER_BITE = 200
NO_BOUND = 0


class EndMatching(_ModelAdmin):
    """Adds the page, and tells the list whether to link to it."""

    def get_urls(self) -> list[URLPattern]:
        """Return the urls, with one more."""
        view = self.admin_site.admin_view(self.end_matching)
        name = "accounts_usersession_end_matching"
        return [path("end-matching/", view, name=name), *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list."""
        known = {"may_end": may_end_sessions(request), **(extra_context or {})}
        return super().changelist_view(request, known)

    def end_matching(self, request: HttpRequest) -> HttpResponse:
        """Ask, and then end all sessions that the list would show for the same query string."""
        if not (may_end_sessions(request) and self.has_view_permission(request)):
            raise PermissionDenied
        listed = reverse("admin:accounts_usersession_changelist", current_app=admin.site.name)
        try:
            changes = cast("LongChangeList", self.get_changelist_instance(request))
        except IncorrectLookupParameters:
            return HttpResponseRedirect(f"{listed}?{ERROR_FLAG}=1")
        back = listed + changes.get_query_string()
        if not changes.is_definite:
            text = _("Filter the list first, or search for less: this ends all that match.")
            messages.warning(request, text)
            return HttpResponseRedirect(back)
        matching, own = _without_own(
            request, cast("UserSessionQuerySet", changes.all_matching(request))
        )
        toll = toll_of(matching, most=MOST_DEVICES)
        if toll is None or not toll.devices or request.method != "POST":
            return self._ask_all(request, toll, own=own, back=back)
        _end_all(request, matching, toll)
        return HttpResponseRedirect(back)

    def _ask_all(
        self, request: HttpRequest, toll: Toll | None, *, own: bool, back: str
    ) -> HttpResponse:
        notes = []
        if toll is None:
            text = _(
                "More than %(count)s devices match, which is too much for a page. Use the command "
                "manage.py end_sessions, or filters that fewer match."
            )
            notes.append(text % {"count": number_format(MOST_DEVICES, force_grouping=True)})
        elif toll.devices:
            notes.append(_("They are told that it was a precaution, and can sign in again."))
        if own:
            notes.append(_("Your own session here matches too; it is left out."))
        return ask(
            request,
            self.opts,
            title=_("Sign out all that match?"),
            toll=toll,
            people=toll.people if toll else (),
            notes=notes,
            back=back,
            may_go_on=bool(toll and toll.devices),
        )


def _without_own(
    request: HttpRequest, matching: UserSessionQuerySet
) -> tuple[UserSessionQuerySet, bool]:
    """Return the sessions without the one that asks, and whether that was among them."""
    own = getattr(request, "user_session", None)
    if own is None or not matching.filter(pk=own.pk).exists():
        return matching, False
    return matching.excluding(own.pk), True


def _end_all(request: HttpRequest, matching: UserSessionQuerySet, toll: Toll) -> None:
    """End what matches of those people; by their keys, so that nothing is looked for twice."""
    bites = end_in_bites(
        matching,
        sorted(toll.people),
        actor=request.user,
        users_per_bite=USERS_PER_BITE,
        per_second=NO_BOUND,
        device=devices.from_request(request),
    )
    ended = sum(bites)
    text = ngettext(
        "%(count)s session was signed out.", "%(count)s sessions were signed out.", ended
    )
    messages.success(request, text % {"count": number_format(ended, force_grouping=True)})
