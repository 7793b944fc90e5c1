"""
Django's ``db`` session engine, with its one query of every request compiled once.

``SESSION_ENGINE = "accounts.web.session_store"`` does what ``django.contrib.sessions.backends.db``
does, in the same table. As in ``accounts.services.session_lookup`` it is not the database that
costs, but the ORM's compiling: here a quarter of a browser's whole request. It goes to the
database that writes: a replica may not yet know that somebody has signed out.
"""

from __future__ import annotations

import functools
from typing import Any

from django.contrib.sessions.backends import db
from django.db import connections, router
from django.utils import timezone


class SessionStore(db.SessionStore):
    """A browser's session, in Django's own table."""

    def load(self) -> dict[str, Any]:
        """Return what is kept under the key; nothing, and no key, where that is past or unknown."""
        row = self._find()
        if row is None:
            self._session_key = None
            return {}
        return self.decode(row[0])

    def _find(self) -> tuple[str] | None:
        # A quoted cookie can hold a NUL, for which PostgreSQL raises.
        if "\x00" in (self.session_key or ""):
            return None
        alias = router.db_for_write(self.model)
        connection = connections[alias]
        expiry = self.model._meta.get_field("expire_date")
        now = expiry.get_db_prep_value(timezone.now(), connection)
        with connection.cursor() as cursor:
            cursor.execute(_compile(self.model, alias), (self.session_key, now))
            row: tuple[str] | None = cursor.fetchone()
        return row


@functools.cache
def _compile(model: Any, alias: str) -> str:
    # One after the other: filter() puts what it is given at once in the order of the names.
    kept = model.objects.using(alias).filter(session_key="").filter(expire_date__gt=timezone.now())
    sql: str = kept.values_list("session_data").query.get_compiler(alias).as_sql()[0]
    return sql
