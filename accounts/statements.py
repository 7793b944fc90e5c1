"""
Statements that are compiled once per process and sent as text, each time with other values.

The ORM builds and compiles a statement anew each time, and that costs several times what sending
it does: a logout's three were 3.7 of its 8.0 million instructions. Here a statement is written
as a queryset all the same, with a ``Parameter`` wherever a value belongs, so it cannot drift from
the models. It goes through Django's cursor, to the database that writes, and so shows in
``assertNumQueries`` and in logs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connections, models
from django.db.models import sql


class Parameter(models.Expression):
    """Stands in a queryset for a value of the model's field ``name``, given with each sending."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        """Return the place, and what it is the place of."""
        return "%s", [self]


@dataclass(frozen=True, slots=True)
class Statement:
    """A compiled statement. ``fields`` has, for each place, the field or a constant."""

    alias: str
    text: str
    fields: tuple[Any, ...]

    def execute(self, values: Mapping[str, object]) -> int:
        """Send it with ``values`` by the names of fields; return how many rows it changed."""
        with connections[self.alias].cursor() as cursor:
            cursor.execute(self.text, self._parameters(values))
            return int(cursor.rowcount)

    def fetch(self, values: Mapping[str, object]) -> list[tuple[Any, ...]]:
        """Send it with ``values`` by the names of fields; return the rows as the database does."""
        with connections[self.alias].cursor() as cursor:
            cursor.execute(self.text, self._parameters(values))
            return list(cursor.fetchall())

    def _parameters(self, values: Mapping[str, object]) -> list[Any]:
        connection = connections[self.alias]
        return [
            field.get_db_prep_save(values[field.name], connection)
            if isinstance(field, models.Field)
            else field
            for field in self.fields
        ]


def select(rows: models.QuerySet[Any, Any]) -> Statement:
    """Return the statement that reads ``rows``."""
    return _statement(rows.db, rows.model, *rows.query.get_compiler(rows.db).as_sql())


def update(rows: models.QuerySet[Any, Any], **values: object) -> Statement:
    """Return the statement that gives ``rows`` these values."""
    query: Any = rows.query.chain(sql.UpdateQuery)
    query.add_update_values(values)
    return _statement(rows.db, rows.model, *query.get_compiler(rows.db).as_sql())


def insert(model: type[models.Model], *, alias: str) -> Statement:
    """Return the statement that writes one row of ``model``, with a value for every field."""
    fields = list(model._meta.concrete_fields)
    query = sql.InsertQuery(model)
    row = model(**{field.attname: Parameter(field.name) for field in fields})
    query.insert_values(fields, [row])
    [(text, parameters)] = query.get_compiler(alias).as_sql()
    return _statement(alias, model, text, parameters)


def _statement(
    alias: str, model: type[models.Model], text: str, parameters: Iterable[Any]
) -> Statement:
    fields = tuple(
        model._meta.get_field(each.name) if isinstance(each, Parameter) else each
        for each in parameters
    )
    return Statement(alias, text, fields)
