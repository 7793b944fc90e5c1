"""
How many rows there are, without counting them: what PostgreSQL's planner believes.

ANALYZE, which autovacuum runs, keeps these figures within some percent. SQLite has none.
"""

from __future__ import annotations

from typing import Any

import orjson
from django.db import connection, models


def rows_of(model: type[models.Model]) -> int | None:
    """Return about how many rows the table has; None where nobody knows."""
    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass",
            [connection.ops.quote_name(model._meta.db_table)],
        )
        found = cursor.fetchone()
    # -1: never analysed.
    return int(found[0]) if found is not None and found[0] >= 0 else None


def rows_in(queryset: models.QuerySet[Any]) -> int:
    """Return about how many rows ``queryset`` has. Only on PostgreSQL."""
    [plan] = orjson.loads(queryset.order_by().explain(format="json"))
    return int(plan["Plan"]["Plan Rows"])
