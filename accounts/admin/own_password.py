"""The administration's page for one's own password: the same act as at every other door."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.forms import AdminPasswordChangeForm
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.views import PasswordChangeView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse

from accounts import devices
from accounts.exceptions import AccountsError
from accounts.services import passwords
from accounts.web import cookies, texts


class OwnPasswordForm(AdminPasswordChangeForm):
    """Django's own, which leaves the current password to the service and its limits."""

    def clean_old_password(self) -> str:
        """Return what was typed."""
        typed: str = self.cleaned_data["old_password"]
        return typed


class OwnPasswordView(PasswordChangeView):
    """Changes the password and signs out every other device; this browser goes on."""

    form_class = OwnPasswordForm

    def form_valid(self, form: Any) -> HttpResponse:
        """Change it; a refusal becomes an error of the form."""
        user: Any = self.request.user
        try:
            passwords.change_password(
                user,
                form.cleaned_data["old_password"],
                form.cleaned_data["new_password1"],
                session_id=cookies.bound_id(self.request),
                device=devices.from_request(self.request),
            )
        except AccountsError as error:
            # The form has asked the validators, so this is about the current password or a wait,
            # and Django's template has no place for an error of the form as a whole.
            form.add_error("old_password", ValidationError(texts.of_error(error), code=error.code))
            return self.form_invalid(form)
        update_session_auth_hash(self.request, user)
        return HttpResponseRedirect(self.get_success_url())


def change_own_password(
    request: HttpRequest, extra_context: dict[str, Any] | None = None
) -> HttpResponseBase:
    """Answer for ``AdminSite.password_change``."""
    site = admin.site
    request.current_app = site.name
    view = OwnPasswordView.as_view(
        success_url=reverse("admin:password_change_done", current_app=site.name),
        template_name=site.password_change_template or OwnPasswordView.template_name,
        extra_context={**site.each_context(request), **(extra_context or {})},
    )
    return view(request)
