"""
Small plots as numbers and words; the template draws them as inline SVG.

A plot has no style and no script of its own, so that it stands under a strict
Content-Security-Policy and in the administration's own colours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from accounts.admin.ledger import Tally

# The drawing's own units; it is stretched to the width there is.
WIDTH, HEIGHT = 240, 60


@dataclass(frozen=True)
class Span:
    """A part of the time shown: what it is called, and what was counted in it, if it was."""

    label: str
    tally: Tally | None


@dataclass(frozen=True)
class Mark:
    """One step of a plot. The geometry is text: a number would be written as in the language."""

    label: str
    value: str
    x: str
    y: str
    width: str
    height: str


@dataclass(frozen=True)
class Plot:
    """One plot: bars, or with ``line`` a line."""

    key: str
    title: str
    figure: str
    summary: str
    marks: list[Mark]
    line: str = ""


def bars(key: str, title: str, spans: Sequence[Span], value_of: Callable[[Tally], int]) -> Plot:
    """Return the plot of a bar per span, and of their sum."""
    values = [None if span.tally is None else value_of(span.tally) for span in spans]
    total = sum(value or 0 for value in values)
    return Plot(
        key=key,
        title=title,
        figure=number(total),
        summary=_summary(spans, values),
        marks=_marks(spans, values),
    )


def line(
    key: str, title: str, figure: str, spans: Sequence[Span], values: Sequence[int | None]
) -> Plot:
    """Return the plot of a line through the middles of the spans, over what is known."""
    marks = _marks(spans, values)
    points = [
        f"{float(mark.x) + float(mark.width) / 2:.1f},{mark.y}"
        for mark, value in zip(marks, values, strict=True)
        if value is not None
    ]
    return Plot(key, title, figure, _summary(spans, values), marks, line=" ".join(points))


def _marks(spans: Sequence[Span], values: Sequence[int | None]) -> list[Mark]:
    """Return the geometry of bars: two units of air between them, the highest as high as can be."""
    step = WIDTH / len(spans)
    scale = HEIGHT / max(1, *(value or 0 for value in values))
    marks = []
    for place, (span, value) in enumerate(zip(spans, values, strict=True)):
        # What there is can be seen, however little it is.
        height = max((value or 0) * scale, 1.0) if value else 0.0
        marks.append(
            Mark(
                label=span.label,
                value="–" if value is None else number(value),
                x=f"{place * step + 1:.1f}",
                y=f"{HEIGHT - height:.1f}",
                width=f"{step - 2:.1f}",
                height=f"{height:.1f}",
            )
        )
    return marks


def _summary(spans: Sequence[Span], values: Sequence[int | None]) -> str:
    known = [(value, span.label) for value, span in zip(values, spans, strict=True) if value]
    if not known:
        return _("Nothing in this time.")
    most, when = max(known, key=lambda found: found[0])
    return _("At most %(count)s (%(when)s)") % {"count": number(most), "when": when}


def number(value: int) -> str:
    """Return the number as people write it."""
    return str(number_format(value, force_grouping=True))
