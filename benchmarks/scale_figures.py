"""What an act on sessions cost, and how PostgreSQL went about it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

# Characters of a statement and of each line of its plan that are kept.
WIDTH = 800
SCAN = re.compile(r"Scan (?:Backward )?using (\w+)|Bitmap Index Scan on (\w+)|(Seq Scan on \w+)")


@dataclass
class Figure:
    """
    What one act cost: each time and CPU time in ms, WAL in bytes, the updates of sessions' rows.

    The CPU time is this process's and that of its server process in PostgreSQL.
    """

    took: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    wal: list[int] = field(default_factory=list)
    statements: int = 0
    updates: int = 0
    hot: int = 0
    plans: dict[str, str] = field(default_factory=dict)

    def indexes(self) -> str:
        """Return by what sessions' rows were found; a table's name where all of it was read."""
        found = SCAN.findall("\n".join(self.plans.values()))
        names = {"".join(places) for places in found}
        return ", ".join(sorted(name for name in names if "user_sessions" in name))


Figures = dict[str, Figure]


@contextlib.contextmanager
def noted() -> Iterator[list[tuple[str, Any]]]:
    """Yield the list of the statements sent meanwhile, with their parameters."""
    from django.db import connection

    found: list[tuple[str, Any]] = []

    def note(execute: Any, sql: str, parameters: Any, *arguments: Any) -> Any:
        found.append((sql, parameters))
        return execute(sql, parameters, *arguments)

    with connection.execute_wrapper(note):
        yield found


def explained(statements: list[tuple[str, Any]]) -> dict[str, str]:
    """Return the plan of each statement about sessions, by its text."""
    from django.db import connection

    plans = {}
    for sql, parameters in statements:
        if "user_sessions" in sql and not sql.startswith("INSERT"):
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (COSTS off) {sql}", parameters)
                plans[sql[:WIDTH]] = "\n".join(line[:WIDTH] for (line,) in cursor.fetchall())
    return plans
