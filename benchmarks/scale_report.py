"""The tables about size, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median, quantiles

from benchmarks.scale_figures import Figure, Figures


def times(found: Mapping[str, Figures]) -> str:
    """Return what each act took in each place: median and 95th percentile."""
    rows = []
    for act in _acts(found):
        places = _places(act, found)
        cells = [
            f"{median(each.took):.2f} ({quantiles(each.took, n=20)[-1]:.2f})" for each in places
        ]
        rows.append([act, str(places[0].statements), *cells])
    return _table(["act", "statements", *(f"{label}: ms" for label in found)], rows)


def work(found: Mapping[str, Figures]) -> str:
    """Return the CPU time of each act in each place, and what it is in the last by the first."""
    rows = []
    for act in _acts(found):
        medians = [median(each.cpu) for each in _places(act, found)]
        growth = medians[-1] / medians[0]
        rows.append([act, *(f"{each:.3f}" for each in medians), f"{growth:.2f}"])
    return _table(["act", *(f"{label}: CPU ms" for label in found), "last ÷ first"], rows)


def writes(found: Mapping[str, Figures]) -> str:
    """Return what each act wrote in each place, and how many of the updates were HOT."""
    head = ["act", *(f"{label}: WAL kB, HOT" for label in found)]
    rows = [[act, *map(_written, _places(act, found))] for act in _acts(found)]
    return _table(head, [row for row in rows if any(cell not in {"–", "0.0"} for cell in row[1:])])


def ways(found: Mapping[str, Figures]) -> str:
    """Return by which index each act found sessions in each place."""
    rows = [[act, *(each.indexes() for each in _places(act, found))] for act in _acts(found)]
    return _table(["act", *found], rows)


def plans(figures: Figures) -> str:
    """Return the plan of each statement of each act."""
    parts = []
    for act, figure in figures.items():
        for sql, plan in figure.plans.items():
            parts.append(f"-- {act}\n{sql}\n\n{plan}\n")
    return "\n".join(parts)


def _written(figure: Figure) -> str:
    share = f", {figure.hot / figure.updates:.0%}" if figure.updates else ""
    return f"{median(figure.wal) / 1e3:.1f}{share}"


def _acts(found: Mapping[str, Figures]) -> list[str]:
    return list(next(iter(found.values())))


def _places(act: str, found: Mapping[str, Figures]) -> list[Figure]:
    return [figures[act] for figures in found.values()]


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    ruler = ["---", *("---:" for _column in head[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ruler, *rows]) + "\n"
