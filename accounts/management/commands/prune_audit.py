"""Delete the part of the audit trail that is older than it is kept."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from accounts.management import progress
from accounts.services import retention


class Command(BaseCommand):
    help = (
        "Deletes audit events older than ACCOUNTS['AUDIT_RETENTION'] and removes the addresses "
        "from those older than ACCOUNTS['AUDIT_ADDRESS_RETENTION']. Works in small bites; may be "
        "interrupted and run again."
    )

    def handle(self, **_options: Any) -> None:
        """Prune, say how many."""
        deleted = cut = 0
        with progress.bar(self.stderr, unit="events") as bar:
            for bite in retention.prune_audit():
                deleted, cut = deleted + bite[0], cut + bite[1]
                bar.update(sum(bite))
        self.stdout.write(f"{deleted} events deleted, {cut} addresses removed.")
