"""
Lists of very long tables: nothing is counted, and nothing sorted but by an index.

A page is found in one look: the keys of the newest rows that match, up to a bound, which is also
what there is to page through. A filter that no index helps looks through the newest rows only,
and the list says so.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Page, Paginator
from django.db import models
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.admin import estimates
from accounts.admin.dates import PARAMETERS, DatesFilter
from accounts.admin.keys import between, moment_of
from accounts.admin.people import MOST_PEOPLE

if TYPE_CHECKING:
    import datetime as dt

    _ModelAdmin = admin.ModelAdmin[Any]
    _Paginator = Paginator[Any]
else:
    _ModelAdmin, _Paginator = admin.ModelAdmin, Paginator

# Rows to page through: nobody pages on, they search.
MOST_PAGED = 1000


@dataclass(frozen=True)
class Sought:
    """What somebody typed into the search box, as a condition and what it costs."""

    condition: Q = field(default_factory=Q)
    # Whether an index leads to the rows. If not, when the rows were made, as far as that is known.
    is_indexed: bool = False
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    # Whether more people were found than are looked for.
    is_cut: bool = False


class BoundedPaginator(_Paginator):
    """Pages through the first MOST_PAGED rows and never counts the others."""

    @functools.cached_property
    def keys(self) -> list[Any]:
        """The keys of these rows, and of one more if there is one."""
        rows = cast("models.QuerySet[Any]", self.object_list)
        return list(rows.values_list("pk", flat=True)[: MOST_PAGED + 1])

    @functools.cached_property
    def count(self) -> int:
        """How many rows there are to page through."""
        return min(len(self.keys), MOST_PAGED)

    @property
    def is_cut(self) -> bool:
        """Whether there are more rows than that."""
        return len(self.keys) > MOST_PAGED

    def page(self, number: int | str) -> Page[Any]:
        """Return the page, its rows found by their keys."""
        number = self.validate_number(number)
        keys = self.keys[: self.count][(number - 1) * self.per_page : number * self.per_page]
        rows = cast("models.QuerySet[Any]", self.object_list).filter(pk__in=keys)
        return Page(rows, number, self)


class LongChangeList(ChangeList):
    """The rows of a LongListAdmin, in the one order there is an index for."""

    paginator: BoundedPaginator
    oldest: Any = None

    def get_ordering(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> list[Any]:
        """Return the admin's own order, whatever ``?o=`` asks for."""
        return list(self.model_admin.get_ordering(request))

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: list[str | None] | None = None
    ) -> models.QuerySet[Any]:
        """Return what matches among the rows that are looked at."""
        queryset = self.all_matching(request)
        self.oldest = self._oldest_looked_at()
        return queryset if self.oldest is None else queryset.filter(pk__gte=self.oldest)

    def all_matching(self, request: HttpRequest) -> models.QuerySet[Any]:
        """Return what matches, however long it takes to find."""
        queryset = super().get_queryset(request)
        self.sought: Sought = request.sought  # type: ignore[attr-defined]
        return queryset

    def get_results(self, request: HttpRequest) -> None:
        """Find the rows of the page, and what the people in them are called."""
        super().get_results(request)
        page = self.result_list if self.multi_page else self.paginator.page(1).object_list
        long_list = cast("LongListAdmin", self.model_admin)
        self.result_list = long_list.name_people(request, list(page))

    @property
    def is_definite(self) -> bool:
        """Whether what matches is narrowed, and known to its end."""
        return self.is_narrowed and not self.sought.is_cut

    @property
    def is_narrowed(self) -> bool:
        """Whether a filter or a search is in force."""
        return bool(self.query.strip() or self._given())

    def notes(self) -> list[str]:
        """Return what to know about the list: what is not in it."""
        found, long_list = [], cast("LongListAdmin", self.model_admin)
        if self.oldest is not None:
            moment = moment_of(self.oldest)
            found.append(
                _(
                    "Only the newest %(count)s were looked through (back to %(moment)s). "
                    "Choose dates to look further back."
                )
                % {
                    "count": number_format(long_list.looked_at or 0, force_grouping=True),
                    "moment": moment and date_format(timezone.localtime(moment), "DATETIME_FORMAT"),
                }
            )
        shown = {name for spec in self.filter_specs for name in spec.expected_parameters()}
        for name in sorted(self._given() - shown):
            condition = f"{name} = {self.params[name]}"
            found.append(_("Only where %(condition)s.") % {"condition": condition})
        if self.sought.is_cut:
            text = _("More than %(count)s people match; these are some of them. Type more.")
            found.append(text % {"count": MOST_PEOPLE})
        return found

    def total(self) -> str:
        """Return how many rows there are, as far as that is known without counting them."""
        count = self.result_count
        if not self.paginator.is_cut:
            text = ngettext("%(count)s entry", "%(count)s entries", count)
            return text % {"count": number_format(count, force_grouping=True)}
        about = None if self.is_narrowed else estimates.rows_of(self.model)
        if about is None or about <= count:
            text = _("More than %(count)s entries")
        else:
            text, count = _("About %(count)s entries"), about
        return text % {"count": number_format(count, force_grouping=True)}

    def _oldest_looked_at(self) -> Any:
        """Return the key of the oldest row that a filter without an index looks at; None: all."""
        long_list = cast("LongListAdmin", self.model_admin)
        if long_list.looked_at is None or not self._looks_through():
            return None
        about = (estimates.rows_of(self.model) or 0) / long_list.looked_at
        if 0.5 < about < 1.2:
            # To find the oldest one would take longer than to look at all of them.
            return None
        dates = between(self.sought.since, self.sought.until)
        for spec in self.filter_specs:
            if isinstance(spec, DatesFilter):
                dates &= spec.condition
        rows = self.root_queryset.filter(dates).order_by("-pk").values_list("pk", flat=True)
        return next(iter(rows[long_list.looked_at : long_list.looked_at + 1]), None)

    def _looks_through(self) -> bool:
        given, long_list = self._given(), cast("LongListAdmin", self.model_admin)
        if self.sought.is_indexed or long_list.indexed_parameter in given:
            return False
        return bool(self.sought.condition or given.difference(PARAMETERS))

    def _given(self) -> set[str]:
        """Return the names of the filters in force."""
        return {name for name, values in self.get_filters_params().items() if any(values)}


class LongListAdmin(_ModelAdmin):
    """Shows long tables. The order must be that of a unique index."""

    change_list_template = "accounts/admin/long_list.html"
    paginator = BoundedPaginator
    ordering = ("-id",)
    sortable_by = ()
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    # One page at most: what is chosen on it has to fit into one form.
    list_max_show_all = 50
    # How many of the newest rows are looked through where no index helps; None: all of them.
    looked_at: int | None = None
    # A filter that an index serves and that leaves little, besides the dates.
    indexed_parameter = ""

    class Media:
        css: ClassVar = {"all": ["accounts/admin.css"]}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list for long tables."""
        return LongChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Any], search_term: str
    ) -> tuple[models.QuerySet[Any], bool]:
        """Return what ``seek`` says, and leave the rest of what it says to the list."""
        term = search_term.strip()
        sought = self.seek(term) if term else Sought()
        request.sought = sought  # type: ignore[attr-defined]
        return queryset.filter(sought.condition), False

    def seek(self, term: str) -> Sought:
        """Return what ``term``, which is not empty, means in this list."""
        raise NotImplementedError

    def name_people(self, request: HttpRequest, rows: list[Any]) -> list[Any]:
        """Return the rows of one page, with what their columns need to know about people."""
        return rows
