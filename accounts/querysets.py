"""Questions about rows. A queryset method returns a queryset and never writes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.conf import get_settings

if TYPE_CHECKING:
    _Lookup = models.Lookup[bool]

    from accounts.models import AuditEvent, UserSession  # noqa: F401 - named as text below
else:
    _Lookup = models.Lookup


class UserSessionQuerySet(models.QuerySet["UserSession"]):
    """Questions about signed-in devices."""

    def of(self, user: Any) -> Self:
        """Return the sessions of ``user``: the start of every query on somebody's behalf."""
        return self.filter(user=user)

    def unended(self) -> Self:
        """Return the rows nobody has ended, expired ones included."""
        return self.filter(is_active=True)

    def active(self, *, now: dt.datetime | None = None) -> Self:
        """Return the sessions whose credentials are taken: not ended, not expired, not idle."""
        now = now or timezone.now()
        idle_since = now - get_settings().session_idle_lifetime
        return self.unended().filter(expires_at__gt=now, last_seen_at__gt=idle_since)

    def expired(self, *, now: dt.datetime | None = None) -> Self:
        """Return the sessions that nobody has ended and whose time has passed: not ``active``."""
        now = now or timezone.now()
        idle_since = now - get_settings().session_idle_lifetime
        passed = models.Q(expires_at__lte=now) | models.Q(last_seen_at__lte=idle_since)
        return self.unended().filter(passed)

    def excluding(self, session_id: UUID) -> Self:
        """Return all but the given one."""
        return self.exclude(pk=session_id)

    def on_device(self, device_id: str) -> Self:
        """Return the sessions of the device that calls itself ``device_id``."""
        return self.filter(device_id=device_id)

    def from_networks(self, networks: Iterable[IPv4Network | IPv6Network]) -> Self:
        """Return the sessions that were opened from an address in one of ``networks``."""
        inside = Q()
        for network in networks:
            inside |= Q(ip_address__within=str(network))
        return self.filter(inside)

    def recent_first(self) -> Self:
        """Order by last use, the latest first."""
        return self.order_by("-last_seen_at", "-id")


class AuditEventQuerySet(models.QuerySet["AuditEvent"]):
    """Questions about the trail."""

    def of(self, user: Any) -> Self:
        """Return what happened to ``user``."""
        return self.filter(user_id=str(user.pk))


@models.GenericIPAddressField.register_lookup
class Within(_Lookup):
    """``ip_address__within="192.0.2.0/24"``: whether an address lies in a network."""

    lookup_name = "within"
    prepare_rhs = False

    def as_postgresql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """Use the operator of the type inet."""
        lhs, parameters = self.process_lhs(compiler, connection)
        return f"{lhs} <<= %s::inet", [*parameters, self.rhs]

    def as_sqlite(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """Have Python judge each address, which is all SQLite's text can offer."""
        connection.ensure_connection()
        connection.connection.create_function("ip_within", 2, _is_within, deterministic=True)
        lhs, parameters = self.process_lhs(compiler, connection)
        return f"ip_within({lhs}, %s)", [*parameters, self.rhs]


def _is_within(address: str | None, network: str) -> bool:
    return address is not None and ip_address(address) in ip_network(network)
