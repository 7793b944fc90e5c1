"""What staff does to the sessions chosen in the list. Each act is asked about once more first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth import get_permission_codename, get_user_model
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts import devices
from accounts.admin.confirmations import Toll, ask, toll_of
from accounts.models import UserSession
from accounts.querysets import UserSessionQuerySet
from accounts.services import users
from accounts.services.sessions import end_sessions

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = object

# What one act may concern, as it is one transaction. An incident has no such bound: it is taken in
# bites.
MOST_CHOSEN = 500
MOST_DEVICES = 5000


@dataclass(frozen=True)
class Chosen:
    """The rows that were ticked: their keys and those of their users."""

    keys: list[Any]
    owners: set[Any]


class SignOutActions(_ModelAdmin):
    """The actions of the list of sessions."""

    actions = ("sign_out", "sign_out_users", "deactivate_users")

    def has_end_permission(self, request: HttpRequest) -> bool:
        """Tell whether sessions may be ended."""
        return may_end_sessions(request)

    def has_deactivate_permission(self, request: HttpRequest) -> bool:
        """Tell whether users may be deactivated, which ends their sessions."""
        options = get_user_model()._meta
        change = f"{options.app_label}.{get_permission_codename('change', options)}"
        may_both = may_end_sessions(request) and request.user.has_perm(change)
        return may_both and users.has_field("is_active")

    @admin.action(description=gettext_lazy("Sign out the chosen sessions"), permissions=["end"])
    def sign_out(self, request: HttpRequest, queryset: UserSessionQuerySet) -> HttpResponse | None:
        """End the chosen sessions, and say how many that were and how many had ended before."""
        chosen = _chosen(request, queryset)
        if chosen is None:
            return None
        sessions = UserSession.objects.filter(pk__in=chosen.keys)
        toll = toll_of(sessions, most=MOST_CHOSEN)
        if toll and toll.devices and not _is_confirmed(request):
            title = _("Sign out the chosen sessions?")
            return self._ask("sign_out", request, title, toll, toll.people)
        ended = end_by_staff(request, sessions)
        if had_ended := len(chosen.keys) - ended:
            text = ngettext(
                "%(count)d session had already ended.",
                "%(count)d sessions had already ended.",
                had_ended,
            )
            messages.info(request, text % {"count": had_ended})
        return None

    @admin.action(
        description=gettext_lazy("Sign out their users everywhere"),
        permissions=["end"],
    )
    def sign_out_users(
        self, request: HttpRequest, queryset: UserSessionQuerySet
    ) -> HttpResponse | None:
        """End all sessions of those who have the chosen ones."""
        chosen = _chosen(request, queryset)
        if chosen is None:
            return None
        sessions = UserSession.objects.filter(user__in=chosen.owners)
        toll = toll_of(sessions, most=MOST_DEVICES)
        if toll is None:
            _refuse(request)
        elif not toll.devices:
            messages.info(request, _("None of these people is signed in any more."))
        elif _is_confirmed(request):
            end_by_staff(request, sessions)
        else:
            title = _("Sign these people out everywhere?")
            return self._ask("sign_out_users", request, title, toll, toll.people)
        return None

    @admin.action(
        description=gettext_lazy("Deactivate their users and sign them out"),
        permissions=["deactivate"],
    )
    def deactivate_users(
        self, request: HttpRequest, queryset: UserSessionQuerySet
    ) -> HttpResponse | None:
        """Let nobody sign in as these users, and end all their sessions."""
        chosen = _chosen(request, queryset)
        if chosen is None:
            return None
        people = _whom_to_deactivate(request, chosen.owners)
        spared = len(chosen.owners) - len(people)
        if not people:
            messages.warning(request, _spared(spared))
        elif _is_confirmed(request):
            _deactivate(request, people)
        else:
            keys = [user.pk for user in people]
            sessions = UserSession.objects.filter(user__in=keys)
            toll = toll_of(sessions, most=MOST_DEVICES)
            title = _("Deactivate these people and sign them out everywhere?")
            notes = [_("They cannot sign in again until somebody activates them.")]
            notes += [_spared(spared)] if spared else []
            button = _("Yes, deactivate and sign out")
            return self._ask("deactivate_users", request, title, toll, keys, button, *notes)
        return None

    def _ask(
        self,
        action: str,
        request: HttpRequest,
        title: str,
        toll: Toll | None,
        people: Any,
        button: str = "",
        *notes: str,
    ) -> HttpResponse:
        ticked = request.POST.getlist(ACTION_CHECKBOX_NAME)
        hidden = [(ACTION_CHECKBOX_NAME, key) for key in ticked]
        hidden += [("action", action), ("post", "yes")]
        hidden += [("select_across", request.POST.get("select_across", "0"))]
        return ask(
            request,
            self.opts,
            title=title,
            toll=toll,
            notes=notes,
            people=people,
            button=button,
            hidden=hidden,
            back=request.get_full_path(),
        )


def may_end_sessions(request: HttpRequest) -> bool:
    """Tell whether whoever asks may end anybody's sessions."""
    return request.user.has_perm("accounts.end_usersession")


def end_by_staff(request: HttpRequest, sessions: UserSessionQuerySet) -> int:
    """End the sessions in the name of whoever asks, say how many those were, and return that."""
    ended = end_sessions(
        sessions,
        reason=UserSession.EndReason.FORCED,
        actor=request.user,
        device=devices.from_request(request),
    )
    if ended:
        text = ngettext(
            "%(count)d session was signed out.", "%(count)d sessions were signed out.", ended
        )
        messages.success(request, text % {"count": ended})
    return ended


def _chosen(request: HttpRequest, queryset: UserSessionQuerySet) -> Chosen | None:
    """Return what was ticked; None, and say so, where that is more than one act may concern."""
    rows = list(queryset.order_by().values_list("pk", "user_id")[: MOST_CHOSEN + 1])
    if len(rows) > MOST_CHOSEN:
        _refuse(request)
        return None
    return Chosen([key for key, _owner in rows], {owner for _key, owner in rows})


def _refuse(request: HttpRequest) -> None:
    text = _(
        "That is too much for one step: %(sessions)d sessions or %(devices)d devices at most. "
        "Choose fewer, or filter the list and end all that match."
    )
    messages.error(request, text % {"sessions": MOST_CHOSEN, "devices": MOST_DEVICES})


def _is_confirmed(request: HttpRequest) -> bool:
    return request.POST.get("post") == "yes"


def _whom_to_deactivate(request: HttpRequest, owners: set[Any]) -> list[Any]:
    """Return who of them is active; not whoever asks, and superusers for superusers only."""
    manager = get_user_model()._default_manager
    found = manager.filter(pk__in=owners, is_active=True).exclude(pk=str(request.user.pk))
    may_all = _is_superuser(request.user)
    return [user for user in found.order_by("pk") if may_all or not _is_superuser(user)]


def _is_superuser(user: Any) -> bool:
    # A host's user model may have none.
    return bool(getattr(user, "is_superuser", False))


def _spared(count: int) -> str:
    text = ngettext(
        "%(count)d person is left out: yourself, a superuser, or inactive already.",
        "%(count)d people are left out: yourself, superusers, or inactive already.",
        count,
    )
    return text % {"count": count}


def _deactivate(request: HttpRequest, people: list[Any]) -> None:
    """Each in a transaction of their own: the next one waits for nobody."""
    device = devices.from_request(request)
    ended = [users.deactivate(user, actor=request.user, device=device) for user in people]
    toll = Toll(sum(ended), frozenset(user.pk for user in people))
    text = _("Deactivated and signed out: %(toll)s.")
    messages.success(request, text % {"toll": toll.in_words()})
