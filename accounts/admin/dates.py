"""A filter by date that asks the primary key, which has an index, and no column that has none."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db import models
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.admin.keys import between

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList

SINCE, UNTIL = "since", "until"
PARAMETERS = (SINCE, UNTIL)
_DAY = dt.timedelta(days=1)
# No row is older or younger, and arithmetic with these goes well in every time zone.
_FIRST, _LAST = dt.date(1970, 1, 2), dt.date(8999, 1, 1)


class DatesFilter(admin.ListFilter):
    """From one day to another, both included: ``?since=2026-11-01&until=2026-11-22``."""

    title = _("date")
    template = "accounts/admin/dates.html"
    kept: list[tuple[str, str]]

    def __init__(
        self,
        request: HttpRequest,
        params: dict[str, list[str]],
        model: type[models.Model],
        model_admin: Any,
    ) -> None:
        super().__init__(request, params, model, model_admin)
        self.since, self.until = (_day(params.pop(name, [""])[-1]) for name in PARAMETERS)

    @property
    def condition(self) -> Q:
        """What the keys of the rows between the two days have in common."""
        until = self.until and self.until + _DAY
        return between(_begin(self.since), _begin(until))

    def has_output(self) -> bool:
        """There is always something to choose."""
        return True

    def expected_parameters(self) -> list[str | None]:
        """Return the names of both ends."""
        return list(PARAMETERS)

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[Any]
    ) -> models.QuerySet[Any]:
        """Return the rows that were made between the two days."""
        return queryset.filter(self.condition)

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Yield the usual choices; the template has fields for others."""
        given = changelist.get_filters_params() | {"q": [changelist.query]}
        self.kept = [
            (name, value)
            for name, values in given.items()
            for value in values
            if value and name not in PARAMETERS
        ]
        today = timezone.localdate()
        for display, days in (
            (_("Any date"), None),
            (_("Today"), 0),
            (_("Past 7 days"), 7),
            (_("Past 30 days"), 30),
        ):
            since = None if days is None else today - days * _DAY
            yield {
                "display": display,
                "selected": self.since == since and self.until is None,
                "query_string": changelist.get_query_string(
                    {SINCE: since.isoformat()} if since else {}, list(PARAMETERS)
                ),
            }


def _day(text: str) -> dt.date | None:
    if not text:
        return None
    try:
        return min(max(dt.date.fromisoformat(text), _FIRST), _LAST)
    except ValueError as error:
        raise IncorrectLookupParameters(error) from error


def _begin(day: dt.date | None) -> dt.datetime | None:
    """Return the first moment of ``day``, in the current time zone."""
    if day is None:
        return None
    return timezone.make_aware(dt.datetime.combine(day, dt.time()))
