"""What happened: written once, by ``accounts.audit`` alone."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from uuid_utils.compat import uuid7

from accounts.querysets import AuditEventQuerySet


class AuditEvent(models.Model):
    """
    One act, written once and never changed.

    Users and sessions are named by value, without foreign keys: deleting a user leaves the trail.
    """

    class Type(models.TextChoices):
        """What happened: object, dot, past participle."""

        USER_REGISTERED = "user.registered", _("User registered")
        SESSION_STARTED = "session.started", _("Signed in")
        SESSION_ENDED = "session.ended", _("Signed out")
        LOGIN_FAILED = "login.failed", _("Sign-in failed")
        LOGIN_LOCKED_OUT = "login.locked_out", _("Sign-in locked out")
        TOKEN_REUSED = "token.reused", _("Refresh token used twice")
        PASSWORD_CHANGED = "password.changed", _("Password changed")
        PASSWORD_RESET_REQUESTED = "password.reset_requested", _("Password reset requested")
        PASSWORD_RESET = "password.reset", _("Password reset")
        USER_DEACTIVATED = "user.deactivated", _("User deactivated")
        USER_ACTIVATED = "user.activated", _("User activated")

    class Actor(models.TextChoices):
        """Who acted, as seen from the user concerned."""

        SELF = "self", _("The user")
        STAFF = "staff", _("Staff")
        SYSTEM = "system", _("The service")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    type = models.CharField(_("event"), max_length=40, choices=Type)
    at = models.DateTimeField(_("at"), default=timezone.now)
    user_id = models.CharField(_("user id"), max_length=64, blank=True)
    actor = models.CharField(_("actor"), max_length=10, choices=Actor)
    actor_id = models.CharField(_("actor id"), max_length=64, blank=True)
    session_id = models.UUIDField(_("session id"), null=True, blank=True)
    ip_address = models.GenericIPAddressField(_("address"), null=True, blank=True)
    user_agent = models.CharField(_("user agent"), max_length=400, blank=True)
    reason = models.CharField(_("reason"), max_length=40, blank=True)
    count = models.PositiveIntegerField(_("count"), null=True, blank=True)

    objects = AuditEventQuerySet.as_manager()

    class Meta:
        db_table = "audit_events"
        verbose_name = _("audit event")
        verbose_name_plural = _("audit trail")
        indexes: ClassVar = [
            # A user's trail, newest first: ids are UUIDv7, so they are in order of time.
            models.Index(fields=["user_id", "-id"], name="audit_events_user_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.at:%Y-%m-%d %H:%M:%S}"
