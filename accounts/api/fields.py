"""Single values: a password, a time, an address."""

from __future__ import annotations

import datetime as dt
from typing import Any

from rest_framework import serializers

from accounts.models import UserManager

# OWASP ASVS 6.2.9 asks for 64 at least; hashing time does not depend on it, memory does.
PASSWORD_LENGTH = 256


class PasswordField(serializers.CharField):
    """A password, taken as it is: spaces count."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            trim_whitespace=False,
            max_length=PASSWORD_LENGTH,
            write_only=True,
            style={"input_type": "password"},
            **options,
        )


class UtcDateTimeField(serializers.DateTimeField):
    """RFC 3339 in UTC, whatever the host project's time zone."""

    def __init__(self, **options: Any) -> None:
        super().__init__(default_timezone=dt.UTC, **options)


class EmailField(serializers.EmailField):
    """An address in the form in which it is stored and compared."""

    def to_internal_value(self, data: Any) -> str:
        """Return the address in lower case."""
        return UserManager.normalize_email(super().to_internal_value(data))
