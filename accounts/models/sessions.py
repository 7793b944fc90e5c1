"""
The signed-in devices: the only thing that decides whether a credential is taken.

The id of a row is the ``sid`` of its tokens. A token carries the session's refresh generation and
is signed, so neither a token nor the hash of one is stored.
"""

from __future__ import annotations

import datetime as dt
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from uuid_utils.compat import uuid7

from accounts.conf import get_settings
from accounts.querysets import UserSessionQuerySet


class UserSession(models.Model):
    """
    One signed-in device, whatever credential it holds.

    An ended row is never revived and never edited; it stays for the retention period.
    """

    class Client(models.TextChoices):
        """What kind of credential the device holds."""

        APP = "app", _("App")
        BROWSER = "browser", _("Browser")

    class EndReason(models.TextChoices):
        """Why a session ended."""

        LOGOUT = "logout", _("Signed out")
        LOGOUT_ALL = "logout_all", _("Signed out everywhere")
        LOGOUT_OTHERS = "logout_others", _("Signed out from another device")
        REVOKED = "revoked", _("Revoked")
        REPLACED = "replaced", _("Signed in again on the same device")
        FORCED = "forced", _("Signed out by staff")
        PASSWORD_CHANGED = "password_changed", _("Password changed")
        PASSWORD_RESET = "password_reset", _("Password reset")
        USER_DEACTIVATED = "user_deactivated", _("User deactivated")
        TOKEN_REUSED = "token_reused", _("Refresh token used twice")
        LIMIT = "limit", _("Too many devices")
        EXPIRED = "expired", _("Expired")
        INCIDENT = "incident", _("Signed out in an incident")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="user_sessions",
        # The index is declared below, where its reason stands.
        db_index=False,
        verbose_name=_("user"),
    )
    is_active = models.BooleanField(_("active"), default=True)
    client = models.CharField(_("client"), max_length=10, choices=Client)
    device_name = models.CharField(_("device"), max_length=100, blank=True)
    device_id = models.CharField(_("device id"), max_length=128, blank=True)
    ip_address = models.GenericIPAddressField(_("address"), null=True, blank=True)
    user_agent = models.CharField(_("user agent"), max_length=400, blank=True)
    created_at = models.DateTimeField(_("signed in"), default=timezone.now)
    last_seen_at = models.DateTimeField(_("last seen"), default=timezone.now)
    expires_at = models.DateTimeField(_("expires"))
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    end_reason = models.CharField(_("reason"), max_length=20, blank=True, choices=EndReason)
    # By value: deleting the staff member must not edit the row.
    ended_by_id = models.CharField(_("ended by"), max_length=64, blank=True)
    refresh_generation = models.PositiveIntegerField(_("generation"), default=1)
    # The highest generation that a request has been seen to hold; see services.sessions.rotate.
    used_generation = models.PositiveIntegerField(default=1, editable=False)
    rotated_at = models.DateTimeField(_("refreshed"), null=True, blank=True)

    objects = UserSessionQuerySet.as_manager()

    class Meta:
        db_table = "user_sessions"
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        permissions: ClassVar = [("end_usersession", _("Can end the sessions of any user"))]
        indexes: ClassVar = [
            # All of one user's sessions. Plain, not partial on is_active: a partial index would
            # make is_active an indexed column, and ending a session could not be a HOT update.
            # To end 10,000 among a million takes 80 ms of CPU and 3.7 MB of WAL, all of it HOT;
            # with a partial index 153 ms, 5.1 MB and none. The price is that ended rows are gone
            # through: beside 2,000 of them, a logout takes 18 ms rather than 3.
            # The table's fillfactor of 85, which a migration sets, leaves the room. At 90 it is
            # the same; at 100 the first use of a session is HOT in 4 %, and those 10,000 take
            # 118 ms. (make scale ARGS=--indexes)
            models.Index(fields=["user"], name="user_sessions_user"),
            # What has expired, for the sweep. expires_at never changes, so this costs no HOT.
            models.Index(fields=["expires_at"], name="user_sessions_expires_at"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                name="user_sessions_end_is_whole",
                condition=Q(is_active=True, ended_at=None, end_reason="", ended_by_id="")
                | (Q(is_active=False, ended_at__isnull=False) & ~Q(end_reason="")),
            ),
            models.CheckConstraint(
                name="user_sessions_generation_used_exists",
                condition=Q(used_generation__lte=models.F("refresh_generation")),
            ),
        ]

    def __str__(self) -> str:
        client = str(self.get_client_display())
        return f"{self.device_name} ({client})" if self.device_name else client

    @property
    def usable_until(self) -> dt.datetime:
        """When the session ends by itself if nothing more is heard of the device."""
        return min(self.expires_at, self.last_seen_at + get_settings().session_idle_lifetime)

    def is_usable(self, now: dt.datetime) -> bool:
        """Tell whether the session's credentials are taken at ``now``; the user aside."""
        return self.is_active and now < self.usable_until

    def is_in_grace(self, now: dt.datetime) -> bool:
        """Tell whether the newest tokens were handed out for the first time, or again, just now."""
        handed_out_at = self.rotated_at
        return handed_out_at is not None and now - handed_out_at < get_settings().refresh_grace

    def forgives(self, generation: int, now: dt.datetime) -> bool:
        """Tell whether a refresh token of an earlier ``generation`` is a retry, and not stolen."""
        is_unused = self.used_generation < self.refresh_generation
        is_predecessor = generation == self.refresh_generation - 1
        return is_predecessor and (is_unused or self.is_in_grace(now))
