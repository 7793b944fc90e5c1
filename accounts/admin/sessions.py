"""The signed-in devices of everybody: their state at a glance, and signing them out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.auth import get_user_model
from django.db import models
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.admin.dates import DatesFilter
from accounts.admin.incidents import EndMatching
from accounts.admin.long_lists import Sought
from accounts.admin.people import MOST_PEOPLE, as_user_key, find_people, known_by
from accounts.admin.read_only import ReadOnlyAdmin, as_address, as_time, as_uuid
from accounts.admin.sign_out import SignOutActions, may_end_sessions
from accounts.models import UserSession
from accounts.querysets import UserSessionQuerySet


class StateFilter(admin.SimpleListFilter):
    """Active, expired or ended."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the choices."""
        return [("active", _("Active")), ("expired", _("Expired")), ("ended", _("Ended"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> UserSessionQuerySet:
        """Return the sessions in the chosen state, or all."""
        sessions: UserSessionQuerySet = queryset
        match self.value():
            case "active":
                return sessions.active()
            case "expired":
                return sessions.expired()
            case "ended":
                return sessions.filter(is_active=False)
            case None:
                return sessions
        # Not "all": somebody may be about to end what the filter lets through.
        raise IncorrectLookupParameters


class SignedInFilter(DatesFilter):
    """By the day of the sign-in."""

    title = _("day of the sign-in")


@admin.register(UserSession)
class UserSessionAdmin(EndMatching, SignOutActions, ReadOnlyAdmin):
    """The signed-in devices of everybody."""

    change_list_template = "accounts/admin/sessions.html"
    change_form_template = "accounts/admin/session.html"
    list_display = (
        "state",
        "owner",
        "device",
        "signed_in",
        "last_seen",
    )
    list_display_links = None
    list_filter = (StateFilter, "client", "end_reason", SignedInFilter)
    search_help_text = _(
        "How somebody’s address begins or a part of it, or a whole session id, user id or IP "
        "address"
    )
    looked_at = 1_000_000
    indexed_parameter = "user"
    fieldsets = (
        (None, {"fields": ("owner", "state_and_end")}),
        (
            _("Device"),
            {"fields": ("device_name", "client", "ip_address", "user_agent", "device_id")},
        ),
        (
            _("Times"),
            {"fields": ("created_at", "last_seen_at", "rotated_at", "expires_at", "ended_at")},
        ),
        (_("For programs"), {"fields": ("id", "refresh_generation")}),
    )
    readonly_fields = ("id", "owner", "state_and_end")

    @admin.display(description=_("state"))
    def state(self, session: Any) -> SafeString:
        """Return the state, which leads to the session's own page."""
        path = reverse(f"{self.admin_site.name}:accounts_usersession_change", args=[session.pk])
        return format_html('<a href="{}">{}</a>{}', path, _badge(session), _end(session))

    @admin.display(description=_("state"))
    def state_and_end(self, session: Any) -> SafeString:
        """Return the same for the session's own page."""
        return format_html("{}{}", _badge(session), _end(session))

    @admin.display(description=_("device and address"))
    def device(self, session: UserSession) -> SafeString:
        """Return what the device is called, what it holds, and from where it signed in."""
        facts = [session.get_client_display(), session.ip_address]
        name, rest = session.device_name or "–", " · ".join(filter(None, facts))
        return format_html("{} <small>{}</small>", name, rest)

    @admin.display(description=_("signed in"))
    def signed_in(self, session: UserSession) -> str:
        """Return when the session began."""
        return as_time(session.created_at)

    @admin.display(description=_("last seen"))
    def last_seen(self, session: UserSession) -> str:
        """Return when the device was last heard of, to five minutes."""
        return as_time(session.last_seen_at)

    @admin.display(description=_("user"))
    def owner(self, session: Any) -> str:
        """Return whose session it is, as a link for whoever may follow it."""
        name: str = session.names.link(str(session.user_id))
        return name

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the session, with a button to end it for whoever may."""
        known = {"may_end": may_end_sessions(request), **(extra_context or {})}
        return super().change_view(request, object_id, form_url, known)

    def people_in(self, row: UserSession) -> Iterable[str]:
        """Return the keys of the owner and of whoever ended the session."""
        return str(row.user_id), row.ended_by_id

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        """Return what people are known by, in whatever user model the project has."""
        return [f"user__{name}" for name in known_by()]

    def seek(self, term: str) -> Sought:
        """Find an id or an IP address exactly; else look for people."""
        if (key := as_uuid(term)) is not None:
            is_user_key = isinstance(get_user_model()._meta.pk, models.UUIDField)
            of_user = Q(user=key) if is_user_key else Q()
            return Sought(Q(pk=key) | of_user, is_indexed=True)
        if (address := as_address(term)) is not None:
            return Sought(Q(ip_address=address))
        people = find_people(term)
        meant = Q(user__in=people[:MOST_PEOPLE])
        if (user_key := as_user_key(term)) is not None:
            meant |= Q(user=user_key)
        return Sought(meant, is_indexed=True, is_cut=len(people) > MOST_PEOPLE)


def _badge(session: UserSession) -> SafeString:
    """Return the state as a word; its colour only repeats it."""
    if session.is_usable(timezone.now()):
        state, word = "active", _("Active")
    elif session.is_active:
        state, word = "expired", _("Expired")
    else:
        state, word = "ended", _("Ended")
    return format_html('<span class="session-state session-state--{}">{}</span>', state, word)


def _end(session: Any) -> SafeString | str:
    """Return why the session ended, by whom if that was not its user, and when."""
    if session.ended_at is None:
        return ""
    by: SafeString | str = ""
    if session.ended_by_id not in {"", str(session.user_id)}:
        by = format_html(gettext(", by {}"), session.names.link(session.ended_by_id))
    reason = session.get_end_reason_display()
    return format_html(" <small>{}{}<br>{}</small>", reason, by, as_time(session.ended_at))
