"""
The one check's query, compiled once per process and sent as text.

What costs in an authenticated request is not the database but the ORM, which builds and compiles
the same join of session and user each time: two thirds of the whole request's instructions.
Compiled once it is as cheap as a Redis GET, and there is no cache that could lie.

The statement and the way its columns become objects are taken from the queryset itself, so they
cannot drift from the models; a test compares them. It goes through Django's cursor, so it shows
in ``assertNumQueries`` and in logs, and to the database that writes: a replica may not yet know
that a session has ended.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connections, models, router

from accounts.models import UserSession

_Row = Sequence[Any]
_Converter = tuple[int, list[Callable[[Any, Any, Any], Any]], Any]


@dataclass(frozen=True, slots=True)
class _Lookup:
    """A compiled query: its text, and which columns belong to which model."""

    sql: str
    converters: tuple[_Converter, ...]
    session_columns: slice
    user_model: type[models.Model]
    user_columns: slice


def find_with_user(session_id: UUID) -> UserSession | None:
    """Return the session with its user, by one query; None if there is none. No state is judged."""
    alias = router.db_for_write(UserSession)
    lookup = _compile(alias)
    connection = connections[alias]
    key = UserSession._meta.pk.get_db_prep_value(session_id, connection)
    with connection.cursor() as cursor:
        cursor.execute(lookup.sql, (key,))
        row = cursor.fetchone()
    return None if row is None else _build(lookup, alias, row)


def _build(lookup: _Lookup, alias: str, row: _Row) -> UserSession:
    if lookup.converters:
        row = _convert(lookup, alias, row)
    session = UserSession.from_db(alias, _names(UserSession), row[lookup.session_columns])
    user_model = lookup.user_model
    user = user_model.from_db(alias, _names(user_model), row[lookup.user_columns])
    session._state.fields_cache["user"] = user
    return session


def _convert(lookup: _Lookup, alias: str, row: _Row) -> _Row:
    """Return the row with Python's values where the database has none of the kind (SQLite)."""
    connection, values = connections[alias], list(row)
    for index, functions, expression in lookup.converters:
        for convert in functions:
            values[index] = convert(values[index], expression, connection)
    return values


@functools.cache
def _names(model: type[models.Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]


@functools.cache
def _compile(alias: str) -> _Lookup:
    by_key = UserSession.objects.using(alias).select_related("user").filter(pk=UUID(int=0))
    compiler = by_key.query.get_compiler(alias)
    sql, _parameters = compiler.as_sql()
    expressions = [column for column, _sql, _alias in compiler.select]
    converters = compiler.get_converters(expressions)
    of_session = compiler.klass_info
    of_user = of_session["related_klass_infos"][0]
    return _Lookup(
        sql=sql,
        converters=tuple((i, list(functions), e) for i, (functions, e) in converters.items()),
        session_columns=_columns(compiler, of_session),
        user_model=of_user["model"],
        user_columns=_columns(compiler, of_user),
    )


def _columns(compiler: Any, info: dict[str, Any]) -> slice:
    """Return where the model's columns stand; they are contiguous and in the model's own order."""
    places = info["select_fields"]
    found = [compiler.select[place][0].target.attname for place in places]
    if found != _names(info["model"]) or places != list(range(places[0], places[-1] + 1)):
        raise AssertionError(f"unexpected columns of {info['model'].__name__}: {found}")
    return slice(places[0], places[-1] + 1)
