"""
The forms of the pages, and the administration's.

A form is valid or not; what only a service can tell is asked with ``carry_out``, and becomes an
error of the form as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth import get_user_model
from django.contrib.auth.password_validation import password_validators_help_text_html
from django.core.exceptions import ValidationError
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from accounts import devices
from accounts.api.fields import PASSWORD_LENGTH
from accounts.exceptions import AccountsError, FieldInvalid, InvalidCredentials
from accounts.services.authentication import verify_password
from accounts.web import texts


class PasswordField(forms.CharField):
    """A password, taken as it is: spaces count."""

    def __init__(self, *, autocomplete: str, label: Any, help_text: Any = "") -> None:
        # Never rendered back into the page, as PasswordInput does by default.
        widget = forms.PasswordInput(
            attrs={"autocomplete": autocomplete, "autocapitalize": "none", "spellcheck": "false"}
        )
        super().__init__(
            strip=False,
            max_length=PASSWORD_LENGTH,
            label=label,
            help_text=help_text,
            widget=widget,
        )


class NewPasswordField(PasswordField):
    """A password to be, under the project's rules."""

    def __init__(self) -> None:
        super().__init__(
            autocomplete="new-password",
            label=_("New password"),
            help_text=password_validators_help_text_html(),
        )


class ActingForm(forms.Form):
    """A form that leads to an act. ``refusal`` is what the act was refused with."""

    refusal: AccountsError | None = None

    def __init__(self, data: Any = None) -> None:
        # Labels stand alone, without Django's colon.
        super().__init__(data, label_suffix="")

    def carry_out(self, act: Callable[[], object]) -> bool:
        """Act if the form is valid; tell whether that was done."""
        if not self.is_valid():
            return False
        try:
            act()
        except AccountsError as error:
            self.refusal = error
            self._take_over(error)
        return self.refusal is None

    def point_out(self) -> None:
        """Put the cursor into the first field that is wrong; a general error has it otherwise."""
        wrong = [name for name in self.fields if name in self.errors]
        if wrong and not self.non_field_errors():
            self.fields[wrong[0]].widget.attrs["autofocus"] = True

    def _take_over(self, error: AccountsError) -> None:
        if isinstance(error, FieldInvalid) and error.field in self.fields:
            for code, message in error.problems:
                self.add_error(error.field, ValidationError(str(message), code=code))
        else:
            self.add_error(None, ValidationError(texts.of_error(error), code=error.code))


class SignInForm(ActingForm):
    """Who somebody is, and the password."""

    password = PasswordField(autocomplete="current-password", label=_("Password"))

    def __init__(self, data: Any = None) -> None:
        super().__init__(data)
        self.identifying = get_user_model().USERNAME_FIELD
        self.fields = {self.identifying: _identifier_field(), **self.fields}
        if data is None:
            self.fields[self.identifying].widget.attrs["autofocus"] = True

    @property
    def identifier(self) -> str:
        """The value of the field people sign in with."""
        return str(self.cleaned_data[self.identifying])


class PasswordChangeForm(ActingForm):
    """The current password and another."""

    current_password = PasswordField(autocomplete="current-password", label=_("Current password"))
    new_password = NewPasswordField()


class ResetRequestForm(ActingForm):
    """Where to send a password mail."""

    email = forms.EmailField(
        max_length=254,
        label=_("Email address"),
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )


class NewPasswordForm(ActingForm):
    """Another password, for whoever holds a mailed link."""

    new_password = NewPasswordField()


class AdminSignInForm(AdminAuthenticationForm):
    """The administration's form, with the same limits as every other door."""

    password = PasswordField(autocomplete="current-password", label=_("Password"))

    def clean(self) -> dict[str, Any]:
        """Verify the password; an AccountsError becomes an error of the form."""
        identifier = self.cleaned_data.get("username")
        password = self.cleaned_data.get("password")
        if not identifier or not password or self.request is None:
            return self.cleaned_data
        device = devices.from_request(self.request)
        try:
            self.user_cache = verify_password(identifier, password, device=device)
        except InvalidCredentials as error:
            # In the words for a user who is not staff: the two are not to be told apart.
            raise self.get_invalid_login_error() from error
        except AccountsError as error:
            raise ValidationError(texts.of_error(error), code=error.code) from error
        self.confirm_login_allowed(self.user_cache)
        return self.cleaned_data


def _identifier_field() -> forms.Field:
    """Return the field people sign in with: an address, or a host model's own USERNAME_FIELD."""
    model = get_user_model()
    name = model.USERNAME_FIELD
    field = model._meta.get_field(name)
    attributes = {"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}
    if name == model.get_email_field_name():
        email = forms.EmailInput(attrs=attributes)
        return forms.EmailField(max_length=254, label=_("Email address"), widget=email)
    return forms.CharField(
        max_length=getattr(field, "max_length", None),
        label=capfirst(getattr(field, "verbose_name", name)),
        widget=forms.TextInput(attrs=attributes),
    )
