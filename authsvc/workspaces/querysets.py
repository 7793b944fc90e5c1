"""Questions about who belongs where. A queryset method returns a queryset and never writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from django.db import models
from django.db.models import Case, Value, When

if TYPE_CHECKING:
    from authsvc.workspaces.models import Membership  # noqa: F401 - named as text below


class MembershipQuerySet(models.QuerySet["Membership"]):
    """Questions about members."""

    def of(self, user: Any) -> Self:
        """Return the places of ``user``: the start of every query on somebody's behalf."""
        return self.filter(user=user)

    def owned_first(self) -> Self:
        """Order by owned before other, then by age, the oldest first: ids are UUIDv7."""
        owned = Case(When(role="owner", then=Value(0)), default=Value(1))
        return self.order_by(owned, "id")
