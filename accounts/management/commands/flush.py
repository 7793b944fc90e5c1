"""
Django's ``flush``, which may empty the audit trail too.

On SQLite that is a DELETE, which the trail refuses to anybody else. The test cases of a project
that use real transactions end with a flush.
"""

from __future__ import annotations

from typing import Any

from django.core.management.commands import flush

from accounts import audit


class Command(flush.Command):
    def handle(self, **options: Any) -> None:
        """Flush, as Django does."""
        with audit.emptying():
            super().handle(**options)
