"""Asking before somebody is signed out: who, on how many devices, and the way back."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.querysets import UserSessionQuerySet

# The people that a question names; the figures count them all.
NAMED = 10


@dataclass(frozen=True)
class Toll:
    """How many devices an act signs out, and the keys of those whose they are."""

    devices: int
    people: frozenset[Any]

    def in_words(self) -> str:
        """Return both figures, such as "3 people on 5 devices"."""
        people, devices = len(self.people), self.devices
        return _("%(people)s on %(devices)s") % {
            "people": ngettext("%(count)s person", "%(count)s people", people)
            % {"count": number_format(people, force_grouping=True)},
            "devices": ngettext("%(count)s device", "%(count)s devices", devices)
            % {"count": number_format(devices, force_grouping=True)},
        }


def toll_of(sessions: UserSessionQuerySet, *, most: int) -> Toll | None:
    """Return whom the end of ``sessions`` concerns; None where there are more than ``most``."""
    owners = list(sessions.unended().order_by().values_list("user_id", flat=True)[: most + 1])
    return Toll(len(owners), frozenset(owners)) if len(owners) <= most else None


def ask(
    request: HttpRequest,
    options: Any,
    *,
    title: str,
    toll: Toll | None,
    people: Collection[Any],
    back: str,
    button: str = "",
    notes: Iterable[str] = (),
    hidden: Iterable[tuple[str, str]] = (),
    may_go_on: bool = True,
) -> TemplateResponse:
    """
    Return the page whose button posts ``hidden`` to the path of ``request``.

    It says what ``toll`` is and names some of the ``people``. Without ``may_go_on`` it has no
    button.
    """
    model = get_user_model()
    named = list(people)[:NAMED]
    users = model._default_manager.filter(pk__in=named).order_by(model.USERNAME_FIELD)
    context = {
        **admin.site.each_context(request),
        "title": title,
        "opts": options,
        "toll": toll and toll.in_words(),
        "notes": notes,
        "names": list(users.values_list(model.USERNAME_FIELD, flat=True)),
        "unnamed": len(people) - len(named),
        "hidden": hidden,
        "back": back,
        "button": button or _("Yes, sign out"),
        "may_go_on": may_go_on,
    }
    request.current_app = admin.site.name
    return TemplateResponse(request, "accounts/admin/confirm.html", context)
