"""The audit trail, for reading and for taking along."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Q
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from accounts import devices
from accounts.admin.dates import DatesFilter
from accounts.admin.export import Export
from accounts.admin.keys import between, moment_of
from accounts.admin.long_lists import Sought
from accounts.admin.people import MOST_PEOPLE, find_people
from accounts.admin.read_only import ReadOnlyAdmin, as_address, as_time, as_uuid
from accounts.models import AuditEvent, UserSession

REASONS = dict(UserSession.EndReason.choices)
# Between the making of a session's key and its commit, and between its end and the event.
_MARGIN = dt.timedelta(minutes=5)


@admin.register(AuditEvent)
class AuditEventAdmin(Export, ReadOnlyAdmin):
    """What happened, newest first."""

    change_list_template = "accounts/admin/trail.html"
    change_form_template = "accounts/admin/event.html"
    list_display = ("when", "what", "user", "who", "device")
    list_filter = ("type", "actor", DatesFilter)
    # Only for the box to be there: ``seek`` is what searches.
    search_fields = ("user_id",)
    search_help_text = _(
        "How somebody’s address begins or a part of it, or a whole user id, session id or IP "
        "address"
    )
    looked_at = 300_000
    indexed_parameter = "user_id"
    fieldsets = (
        (None, {"fields": ("at", "type", "user", "who", "why", "count")}),
        (_("Device"), {"fields": ("ip_address", "user_agent", "session_id")}),
        (_("For programs"), {"fields": ("id", "user_id", "actor_id")}),
    )
    readonly_fields = ("id", "user", "who", "why")

    @admin.display(description=_("user"))
    def user(self, event: Any) -> str:
        """Return whom the event concerns, as a link for whoever may follow it."""
        name: str = event.names.link(event.user_id)
        return name

    @admin.display(description=_("actor"))
    def who(self, event: Any) -> str:
        """Return who acted: by name if it was staff."""
        if event.actor == AuditEvent.Actor.STAFF:
            name: str = event.names.link(event.actor_id)
            return name
        return str(event.get_actor_display())

    @admin.display(description=_("at"))
    def when(self, event: AuditEvent) -> str:
        """Return when it happened, to the second."""
        return as_time(event.at)

    @admin.display(description=_("event"))
    def what(self, event: AuditEvent) -> SafeString:
        """Return what happened; for ends also why, and how many if it was not one."""
        number = "" if event.count in {None, 1} else f" × {event.count}"
        why = self.why(event)
        return format_html("{} <small>{}{}</small>", event.get_type_display(), why, number)

    @admin.display(description=_("reason"))
    def why(self, event: AuditEvent) -> str:
        """Return why sessions ended, in words where there are any."""
        return str(REASONS.get(event.reason, event.reason))

    @admin.display(description=_("device and address"))
    def device(self, event: AuditEvent) -> SafeString:
        """Return what the user agent says, and from where it came."""
        name = devices.describe(event.user_agent) or "–"
        return format_html("{} <small>{}</small>", name, event.ip_address or "")

    def people_in(self, row: AuditEvent) -> Iterable[str]:
        """Return the keys of whom the event concerns and of who acted."""
        return row.user_id, row.actor_id

    def seek(self, term: str) -> Sought:
        """Find an id or an IP address exactly; else look for people."""
        if (key := as_uuid(term)) is not None:
            return _sought_by_id(key)
        if (address := as_address(term)) is not None:
            return Sought(Q(ip_address=address))
        people = find_people(term)
        keys = [term, *map(str, people[:MOST_PEOPLE])]
        return Sought(Q(user_id__in=keys), is_indexed=True, is_cut=len(people) > MOST_PEOPLE)


def _sought_by_id(key: UUID) -> Sought:
    """
    Return the events of the user, of the session or of that id.

    A session's events lie between its beginning, which its id tells, and its end.
    """
    if AuditEvent.objects.filter(user_id=str(key)).exists():
        return Sought(Q(user_id=str(key)), is_indexed=True)
    began = moment_of(key)
    ended = UserSession.objects.filter(pk=key).values_list("ended_at", flat=True).first()
    since, until = began and began - _MARGIN, ended and ended + _MARGIN
    named = Q(session_id=key) | Q(pk=key)
    return Sought(named & between(since, until), since=since, until=until)
