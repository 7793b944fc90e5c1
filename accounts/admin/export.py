"""
The audit trail as a file: what the list shows for the same filters, newest first, without its end.

Rows are read in bites, each a short query of its own by key: one query for everything would meet
the server's time limit, and one transaction would hold back VACUUM for as long as somebody's
connection is slow.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import orjson
from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import AuditEvent

if TYPE_CHECKING:
    from accounts.admin.long_lists import LongChangeList

    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = object

FIELDS = (
    "id",
    "at",
    "type",
    "user_id",
    "actor",
    "actor_id",
    "session_id",
    "ip_address",
    "user_agent",
    "reason",
    "count",
)
BITE = 2000
# What a spreadsheet takes for a formula, in some languages also in full width; and a user agent may
# begin with whatever somebody likes.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

Row = tuple[Any, ...]


class Export(_ModelAdmin):
    """Adds the two files."""

    def get_urls(self) -> list[URLPattern]:
        """Return the urls, with one more."""
        view = self.admin_site.admin_view(self.export)
        name = "accounts_auditevent_export"
        return [path("export/<str:form>/", view, name=name), *super().get_urls()]

    def export(self, request: HttpRequest, form: str) -> HttpResponseBase:
        """Stream what the list shows for the query string, and note who took it along."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            write, content_type = FORMS[form]
            changes = cast("LongChangeList", self.get_changelist_instance(request))
        except (KeyError, IncorrectLookupParameters) as error:
            raise Http404 from error
        _note(request, form)
        response = StreamingHttpResponse(write(_rows(changes.queryset)), content_type=content_type)
        name = f"audit-trail-{timezone.now():%Y%m%d-%H%M%S}.{form}"
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return response


def _rows(queryset: models.QuerySet[Any]) -> Iterator[Row]:
    """Yield the rows, newest first."""
    remaining = queryset.order_by("-pk").values_list(*FIELDS)
    bite: list[Row] = list(remaining[:BITE])
    while bite:
        yield from bite
        bite = list(remaining.filter(pk__lt=bite[-1][0])[:BITE]) if len(bite) == BITE else []


class _Line:
    """What csv writes to: gives each line back instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def as_csv(rows: Iterable[Row]) -> Iterator[str]:
    """Yield lines that a spreadsheet reads as text, never as a formula."""
    writer = csv.writer(_Line())
    yield writer.writerow(FIELDS)
    for row in rows:
        yield writer.writerow([_harmless(_plain(value)) for value in row])


def as_json_lines(rows: Iterable[Row]) -> Iterator[bytes]:
    """Yield one JSON object per line."""
    for row in rows:
        yield orjson.dumps(dict(zip(FIELDS, map(_plain, row), strict=True))) + b"\n"


def _plain(value: Any) -> Any:
    """Return the value as the API writes it."""
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
    return str(value) if isinstance(value, UUID) else value


def _harmless(value: Any) -> Any:
    is_formula = isinstance(value, str) and value.startswith(_FORMULA)
    return f"'{value}" if is_formula else value


def _note(request: HttpRequest, form: str) -> None:
    """Leave a line in the administration's own log, which the trail of acts has no type for."""
    LogEntry.objects.create(
        user_id=str(request.user.pk),
        content_type=ContentType.objects.get_for_model(AuditEvent),
        object_repr=_("Audit trail as %(form)s") % {"form": form},
        action_flag=CHANGE,
        change_message=_("Exported: %(filters)s") % {"filters": request.GET.urlencode() or "–"},
    )


FORMS: dict[str, tuple[Callable[[Iterable[Row]], Iterator[str] | Iterator[bytes]], str]] = {
    "csv": (as_csv, "text/csv; charset=utf-8"),
    "jsonl": (as_json_lines, "application/jsonl"),
}
