"""A password validator of Django's, in every language that Django speaks."""

from __future__ import annotations

from django.contrib.auth import password_validation
from django.utils.translation import ngettext

# Not literals of the call below: the translations are Django's, and none of ours to make.
_ONE = "This password is too short. It must contain at least %(min_length)d character."
_MANY = "This password is too short. It must contain at least %(min_length)d characters."


class MinimumLengthValidator(password_validation.MinimumLengthValidator):
    """
    Django's own, with the message that is in Django's catalogues.

    Django 5.2 put another one into the code alone, which is English in every language.
    """

    def get_error_message(self) -> str:
        """Return the message, translated."""
        return ngettext(_ONE, _MANY, self.min_length) % {"min_length": self.min_length}
