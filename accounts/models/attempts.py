"""How often something was tried lately: what limits guessing."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Attempt(models.Model):
    """
    A counter of tries that count against somebody, an account or an address.

    ``key`` is a hash, so that the table tells nobody which addresses were tried. A row is worth
    nothing once ``forgotten_at`` has passed, and is then deleted in passing.
    """

    key = models.CharField(_("key"), max_length=64, primary_key=True)
    count = models.PositiveIntegerField(_("count"), default=0)
    blocked_until = models.DateTimeField(_("blocked until"), null=True, blank=True)
    # Plain index: the deletion in passing looks for the oldest.
    forgotten_at = models.DateTimeField(_("forgotten at"), db_index=True)

    class Meta:
        db_table = "attempts"
        verbose_name = _("attempt counter")
        verbose_name_plural = _("attempt counters")

    def __str__(self) -> str:
        return f"{self.key[:8]}: {self.count}"
