"""
Django's ``changepassword``, which also ends the user's sessions, in the same transaction.

Found before Django's own where ``accounts`` stands before ``django.contrib.auth`` in
INSTALLED_APPS; ``accounts.W009`` says so where it does not.
"""

from __future__ import annotations

import getpass
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.management.commands import changepassword
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from accounts.services.passwords import set_password

TRIES = 3


class Command(changepassword.Command):
    help = "Change a user's password and sign the user out everywhere."

    def handle(self, *_args: Any, **options: Any) -> str:
        """Ask for the password twice, as Django does, before any transaction begins."""
        name = options["username"] or getpass.getuser()
        model = get_user_model()
        try:
            user = model._default_manager.get_by_natural_key(name)
        except model.DoesNotExist as error:
            raise CommandError(f"user '{name}' does not exist") from error
        self.stdout.write(f"Changing password for user '{user}'")
        for _try in range(TRIES):
            password = self._ask(user)
            if password is not None:
                set_password(user, password, actor=None, device=None)
                return f"Password changed successfully for user '{user}'"
        raise CommandError(f"Aborting password change for user '{user}' after {TRIES} attempts")

    def _ask(self, user: Any) -> str | None:
        password = getpass.getpass()
        if getpass.getpass("Password (again): ") != password:
            self.stdout.write("Passwords do not match. Please try again.")
            return None
        try:
            validate_password(password, user)
        except ValidationError as error:
            self.stderr.write("\n".join(error.messages))
            return None
        return password
