"""
What the lists of sessions and of events share: they show, and change nothing.

That holds for superusers too: a session is ended by an action, which takes the same way as every
other end, and never by a form that saves a row.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.admin.long_lists import LongListAdmin
from accounts.admin.people import Names


class ReadOnlyAdmin(LongListAdmin):
    """Shows rows and changes none."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody adds a row by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody edits a row by hand."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes a row by hand."""
        return False

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        """Return the row, and what the people in it are called."""
        found = super().get_object(request, object_id, from_field)
        return found and self.name_people(request, [found])[0]

    def people_in(self, row: Any) -> Iterable[str]:
        """Return the keys of the users whom ``row`` names by value."""
        raise NotImplementedError

    def name_people(self, request: HttpRequest, rows: list[Any]) -> list[Any]:
        """Return the rows, each with the ``names`` of all the people in them."""
        names = Names(request, {key for row in rows for key in self.people_in(row)})
        for row in rows:
            row.names = names
        return rows


def as_time(moment: dt.datetime) -> SafeString:
    """Return the moment in few characters, the same in every language."""
    local = timezone.localtime(moment)
    day, hour = f"{local:%Y-%m-%d}", f"{local:%H:%M:%S}"
    return format_html(
        '<time datetime="{}"><span>{}</span> <span>{}</span></time>', local.isoformat(), day, hour
    )


def as_uuid(text: str) -> UUID | None:
    """Return the id that somebody typed; None for anything else."""
    try:
        return UUID(text)
    except ValueError:
        return None


def as_address(text: str) -> str | None:
    """Return the whole IP address that somebody typed; None for anything else."""
    try:
        return str(ipaddress.ip_address(text.partition("%")[0]))
    except ValueError:
        return None
