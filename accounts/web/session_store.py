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
from django.db import router
from django.utils import timezone

from accounts import statements
from accounts.statements import Parameter, Statement


class SessionStore(db.SessionStore):
    """A browser's session, in Django's own table."""

    def load(self) -> dict[str, Any]:
        """Return what is kept under the key; nothing, and no key, where that is past or unknown."""
        row = self._find()
        if row is None:
            self._session_key = None
            return {}
        return self.decode(row[0])

    def _find(self) -> tuple[Any, ...] | None:
        # A quoted cookie can hold a NUL, for which PostgreSQL raises.
        if "\x00" in (self.session_key or ""):
            return None
        alias = router.db_for_write(self.model)
        known = {"session_key": self.session_key, "expire_date": timezone.now()}
        return next(iter(_reading(self.model, alias).fetch(known)), None)


@functools.cache
def _reading(model: Any, alias: str) -> Statement:
    key, until = Parameter("session_key"), Parameter("expire_date")
    kept = model.objects.using(alias).filter(session_key=key, expire_date__gt=until)
    return statements.select(kept.values_list("session_data"))
