"""
What can go wrong, in the words of the contract: a stable code for programs, a message for people.

Nothing here knows of HTTP. The API's table from code to status is ``accounts.api.errors.STATUSES``.
"""

from __future__ import annotations

from typing import ClassVar

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class AccountsError(Exception):
    """A command that cannot be carried out. ``code`` is stable, ``message`` is translated."""

    code: ClassVar[str]
    message: str | Promise

    def __init__(self, message: str | Promise | None = None) -> None:
        if message is not None:
            self.message = message
        super().__init__(self.code)


class TokenError(AccountsError):
    """A token was presented and is refused (RFC 6750 section 3.1, ``invalid_token``)."""


class TokenInvalid(TokenError):
    """Malformed, forged, of another kind, audience or issuer, or of a session nobody knows."""

    code = "token_invalid"
    message = _("The token is invalid.")


class TokenExpired(TokenError):
    """The signature holds and ``exp`` has passed."""

    code = "token_expired"
    message = _("The token has expired.")


class SessionEnded(TokenError):
    """The token is genuine; the session it belongs to has ended."""

    code = "session_ended"
    message = _("This session has ended. Please sign in again.")


class InvalidCredentials(AccountsError):
    """Wrong address, wrong password or inactive user: deliberately one and the same."""

    code = "invalid_credentials"
    message = _("Email or password is incorrect.")


class PermissionDenied(AccountsError):
    """The caller is known and may not do this."""

    code = "permission_denied"
    message = _("You do not have permission to perform this action.")


class RegistrationClosed(PermissionDenied):
    """``ACCOUNTS["REGISTRATION_OPEN"]`` is off."""

    message = _("Registration is closed.")


class CsrfFailed(AccountsError):
    """A cookie came without its token: perhaps another site sent the request."""

    code = "csrf_failed"
    message = _("The CSRF token is missing or wrong.")


class HttpsRequired(AccountsError):
    """A credential must not travel over plain HTTP, so nothing is redirected."""

    code = "https_required"
    message = _("HTTPS is required.")


class PayloadTooLarge(AccountsError):
    """The body is larger than ``ACCOUNTS["MAX_BODY_BYTES"]``."""

    code = "payload_too_large"
    message = _("The request body is too large.")


class FieldInvalid(AccountsError):
    """One input is wrong for a reason only the database or a validator could tell."""

    code = "validation_error"

    def __init__(self, field: str, problems: list[tuple[str, str | Promise]]) -> None:
        """``problems`` are (code, message) pairs, at least one."""
        self.field = field
        self.problems = problems
        super().__init__(problems[0][1])


class RetryLater(AccountsError):
    """Refused for now. ``retry_after`` is in whole seconds, at least one."""

    def __init__(self, retry_after: int) -> None:
        self.retry_after = max(1, retry_after)
        super().__init__()


class Throttled(RetryLater):
    """Too many of these requests from this address."""

    code = "throttled"
    message = _("Too many requests. Please try again later.")


class LockedOut(RetryLater):
    """Too many failures in a row, for this account or from this address."""

    code = "locked_out"
    message = _("Too many failed attempts. Please try again later.")


class ServiceUnavailable(RetryLater):
    """The database cannot be reached; nothing was decided."""

    code = "service_unavailable"
    message = _("The service is temporarily unavailable. Please try again shortly.")


class RedisLeftAlone(Exception):
    """Redis failed a moment ago and is not asked again yet. Never leaves the ports."""
