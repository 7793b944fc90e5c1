"""
What the page about a user says besides: where they are signed in, and what happened lately.

A project that registers its own user model gets the same by putting this class first::

    class PersonAdmin(SignedInAdmin, UserAdmin): ...
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin.utils import (
    display_for_field,
    label_for_field,
    lookup_field,
    quote,
    unquote,
)
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from accounts.admin.audit import AuditEventAdmin
from accounts.admin.confirmations import ask, toll_of
from accounts.admin.incidents import MOST_DEVICES
from accounts.admin.people import as_user_key
from accounts.admin.read_only import ReadOnlyAdmin
from accounts.admin.sessions import UserSessionAdmin
from accounts.admin.sign_out import end_by_staff, may_end_sessions
from accounts.models import AuditEvent, UserSession

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = object

SHOWN = 20
# What goes without saying on the page about one user.
_OMITTED = {"owner", "user"}


@dataclass(frozen=True)
class Table:
    """The last rows of a list, in its own columns."""

    title: str
    headers: list[str]
    rows: list[list[Any]]
    all_path: str


class SignedInAdmin(_ModelAdmin):
    """Adds the last sessions and events of a user, and the button that signs them out."""

    change_form_template = "accounts/admin/person.html"

    def get_urls(self) -> list[URLPattern]:
        """Return the urls, with one more."""
        view = self.admin_site.admin_view(self.sign_out_everywhere)
        own = path("<path:object_id>/sign-out/", view, name=self._name("sign_out"))
        return [own, *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the form, or its content to whoever may not change it, and the rest."""
        key = as_user_key(unquote(object_id))
        known = {
            "tables": [] if key is None else self._tables(request, key),
            "may_end": may_end_sessions(request),
            "sign_out": f"{self.admin_site.name}:{self._name('sign_out')}",
        }
        return super().change_view(request, object_id, form_url, known | (extra_context or {}))

    def sign_out_everywhere(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, and then end all sessions of the user."""
        user = self.get_object(request, unquote(object_id))
        if not (may_end_sessions(request) and self.has_view_or_change_permission(request, user)):
            raise PermissionDenied
        if user is None:
            raise Http404
        sessions = UserSession.objects.of(user)
        back = reverse(f"{self.admin_site.name}:{self._name('change')}", args=[quote(user.pk)])
        toll = toll_of(sessions, most=MOST_DEVICES)
        if toll and not toll.devices:
            messages.info(request, _("This person is not signed in any more."))
        elif request.method == "POST":
            end_by_staff(request, sessions)
        else:
            title = _("Sign out %(name)s everywhere?") % {"name": user.get_username()}
            return ask(request, self.opts, title=title, toll=toll, people=[user.pk], back=back)
        return HttpResponseRedirect(back)

    def _name(self, page: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{page}"

    def _tables(self, request: HttpRequest, key: Any) -> list[Table]:
        sessions = UserSession.objects.filter(user=key)
        events = AuditEvent.objects.filter(user_id=str(key))
        tables = (
            (UserSessionAdmin(UserSession, self.admin_site), sessions, {"user": key}),
            (AuditEventAdmin(AuditEvent, self.admin_site), events, {"user_id": key}),
        )
        return [
            _table(request, shown, rows, f"?{urlencode(query)}")
            for shown, rows, query in tables
            if shown.has_view_permission(request)
        ]


def _table(request: HttpRequest, shown: ReadOnlyAdmin, rows: QuerySet[Any], query: str) -> Table:
    """Return the newest of ``rows`` as ``shown`` has them in its list."""
    names = [str(name) for name in shown.list_display if name not in _OMITTED]
    labels = [capfirst(str(label_for_field(name, shown.model, shown))) for name in names]
    found = shown.name_people(request, list(rows.order_by("-pk")[:SHOWN]))
    listed = f"{shown.admin_site.name}:{shown.opts.app_label}_{shown.opts.model_name}"
    return Table(
        title=capfirst(str(shown.opts.verbose_name_plural)),
        headers=labels,
        rows=[_cells(shown, row, names) for row in found],
        all_path=reverse(f"{listed}_changelist") + query,
    )


def _cells(shown: ReadOnlyAdmin, row: Any, names: Sequence[str]) -> list[Any]:
    cells = []
    for name in names:
        field, _attribute, value = lookup_field(name, row, shown)
        cells.append(value if field is None else display_for_field(value, field, "–"))
    return cells
