"""What the pages say about waits, reasons and refusals."""

from __future__ import annotations

import datetime as dt

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.timesince import timesince
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from accounts.exceptions import AccountsError, RetryLater
from accounts.models import UserSession

EndReason = UserSession.EndReason

SIGNED_OUT = _("You were signed out.")
REASONS: dict[str, Promise] = {
    EndReason.LOGOUT: _("You signed out on this device."),
    EndReason.LOGOUT_ALL: _("You signed out on all your devices."),
    EndReason.LOGOUT_OTHERS: _("You signed this device out from another one."),
    EndReason.REVOKED: _("You signed this device out from your list of devices."),
    EndReason.REPLACED: _("Somebody signed in again in this browser."),
    EndReason.FORCED: _("An administrator signed you out."),
    EndReason.PASSWORD_CHANGED: _("Your password was changed, which signs out all other devices."),
    EndReason.PASSWORD_RESET: _("Your password was reset, which signs out all devices."),
    EndReason.USER_DEACTIVATED: _("Your account was deactivated."),
    EndReason.TOKEN_REUSED: _(
        "This device was signed out because its access may have been copied."
    ),
    EndReason.LIMIT: _(
        "You signed in on another device, and this one had gone unused the longest."
    ),
    EndReason.EXPIRED: _("You had been signed in for a long time, or away for a while."),
    EndReason.INCIDENT: _("All devices were signed out as a precaution."),
}

WAIT = _("This is not possible now. Please try again in %(time)s.")
WAITS: dict[str, Promise] = {
    "locked_out": _("Too many failed attempts. Please try again in %(time)s."),
    "throttled": _("Too many requests. Please try again in %(time)s."),
}


def why(reason: str) -> str | Promise:
    """Return a sentence for an end reason; a general one for whatever is not one."""
    return REASONS.get(reason, SIGNED_OUT)


def of_error(error: AccountsError) -> str:
    """Return what to tell people; for a refusal in time, also how long to wait."""
    if isinstance(error, RetryLater):
        message = WAITS.get(error.code, WAIT)
        return str(message) % {"time": _duration(error.retry_after)}
    return str(error.message)


def ago(moment: dt.datetime) -> str:
    """Return how long ago ``moment`` was, in one unit."""
    now = timezone.now()
    if now - moment < dt.timedelta(minutes=1):
        return gettext("just now")
    return gettext("%(time)s ago") % {"time": timesince(moment, now, depth=1)}


def _duration(seconds: int) -> str:
    if seconds < 60:
        return ngettext("%(count)d second", "%(count)d seconds", seconds) % {"count": seconds}
    minutes = -(-seconds // 60)
    return ngettext("%(count)d minute", "%(count)d minutes", minutes) % {"count": minutes}
