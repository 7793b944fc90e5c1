"""The overview on the front page: sign-ins, refusals, ends and signed-in devices, lately."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.admin.ledger import Counted, Tally, Type, ledger
from accounts.admin.plots import Plot, Span, bars, line, number
from accounts.models import UserSession

TEMPLATE = "accounts/admin/front.html"
_DAY = dt.timedelta(days=1)
_HOUR = dt.timedelta(hours=1)
REASONS = dict(UserSession.EndReason.choices)


@dataclass(frozen=True)
class Period:
    """How far back the overview goes, and in what steps."""

    name: str
    title: Promise
    step: dt.timedelta
    steps: int


PERIODS = (
    Period("day", gettext_lazy("24 hours"), _HOUR, 24),
    Period("fortnight", gettext_lazy("14 days"), _DAY, 14),
)


@dataclass(frozen=True)
class Overview:
    """What the template shows. ``reasons`` are why sessions ended: name, number, share of all."""

    period: Period
    plots: list[Plot]
    reasons: list[tuple[str, str, str]] | None
    first: str
    last: str
    note: str
    periods: tuple[Period, ...] = PERIODS


def put_on(site: AdminSite) -> None:
    """Show the overview on the site's front page, unless that has a template of its own."""
    plain = site.index

    def index(
        request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        return plain(request, {"overview": overview(request), **(extra_context or {})})

    if site.index_template is None:
        site.index_template = TEMPLATE
        site.index = index  # type: ignore[method-assign]


def overview(request: HttpRequest) -> Overview | None:
    """Return what whoever asks may see of it; None for nothing."""
    may_see_events = request.user.has_perm("accounts.view_auditevent")
    may_see_sessions = request.user.has_perm("accounts.view_usersession")
    if not (may_see_events or may_see_sessions):
        return None
    chosen = request.GET.get("period")
    period = next((period for period in PERIODS if period.name == chosen), PERIODS[0])
    counted = ledger.look()
    spans = _spans(period, counted)
    plots: list[Plot] = []
    if may_see_events:
        plots.append(bars("started", _("Sign-ins"), spans, _started))
        plots.append(bars("failed", _("Failed sign-ins"), spans, _failed))
    if may_see_sessions:
        plots.append(_signed_in(spans, counted))
    return Overview(
        period=period,
        plots=plots,
        reasons=_reasons(spans) if may_see_events else None,
        first=spans[0].label,
        last=spans[-1].label,
        note=_note(spans, counted),
    )


def _spans(period: Period, counted: Counted) -> list[Span]:
    """Return the steps of the period, the current one last."""
    now = timezone.localtime()
    is_hours = period.step == _HOUR
    begin = now.replace(minute=0, second=0, microsecond=0, hour=now.hour if is_hours else 0)
    spans = []
    for back in reversed(range(period.steps)):
        since = begin - back * period.step
        label = date_format(since, "TIME_FORMAT" if is_hours else "MONTH_DAY_FORMAT")
        tally = _sum(counted, since, since + period.step) if since >= counted.since else None
        spans.append(Span(label, tally))
    return spans


def _sum(counted: Counted, since: dt.datetime, until: dt.datetime) -> Tally:
    total: Tally = Counter()
    for hour, tally in counted.hours.items():
        if since <= hour < until:
            total.update(tally)
    return total


def _started(tally: Tally) -> int:
    return tally[Type.SESSION_STARTED, ""]


def _failed(tally: Tally) -> int:
    return tally[Type.LOGIN_FAILED, ""]


def _ended(tally: Tally) -> int:
    return sum(count for (type_, _reason), count in tally.items() if type_ == Type.SESSION_ENDED)


def _signed_in(spans: list[Span], counted: Counted) -> Plot:
    """Return how many there were at the end of each step, counted back from how many there are."""
    values: list[int | None] = []
    current: int = counted.signed_in
    for span in reversed(spans):
        values.insert(0, None if span.tally is None else max(0, current))
        if span.tally is not None:
            current += _ended(span.tally) - _started(span.tally)
    figure = number(counted.signed_in)
    if counted.is_estimate:
        figure = _("about %(count)s") % {"count": figure}
    return line("signed-in", _("Signed-in devices"), figure, spans, values)


def _reasons(spans: list[Span]) -> list[tuple[str, str, str]]:
    """Return why sessions ended, the most frequent first: name, number, share of all ends."""
    total: Tally = Counter()
    for span in spans:
        total.update(span.tally or {})
    ends = [(count, why) for (type_, why), count in total.items() if type_ == Type.SESSION_ENDED]
    whole = sum(count for count, _why in ends)
    return [
        (str(REASONS.get(why, why)), number(count), f"{count / whole * 100:.1f}")
        for count, why in sorted(ends, reverse=True)
        if count
    ]


def _note(spans: list[Span], counted: Counted) -> str:
    if all(span.tally is not None for span in spans):
        return ""
    moment = date_format(timezone.localtime(counted.since), "DATETIME_FORMAT")
    return _(
        "There is much in the trail: it is counted back to %(moment)s so far. "
        "More follows when this page is opened again, a minute from now."
    ) % {"moment": moment}
