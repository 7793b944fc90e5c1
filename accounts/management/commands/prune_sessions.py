"""Delete the sessions that ended longer ago than they are kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand

from accounts.conf import get_settings
from accounts.management import progress
from accounts.services import retention


class Command(BaseCommand):
    help = (
        "Gives every overdue session its end and deletes those that ended longer ago than "
        "ACCOUNTS['SESSION_RETENTION']. Works in small bites; may be interrupted and run again."
    )

    def handle(self, **_options: Any) -> None:
        """Sweep, prune, say how many."""
        ended = self._run("Ending overdue sessions", retention.sweep_all())
        deleted = self._run("Deleting old sessions", retention.prune_sessions())
        kept = get_settings().session_retention
        self.stdout.write(
            f"{ended} overdue sessions ended, {deleted} deleted that had ended more than "
            f"{kept.days} days ago."
        )

    def _run(self, title: str, bites: Iterator[int]) -> int:
        total = 0
        with progress.bar(self.stderr, desc=title, unit="sessions") as bar:
            for count in bites:
                total += count
                bar.update(count)
        return total
