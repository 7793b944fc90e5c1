"""Passwords: change one's own, or get another by mail."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from accounts import devices, mails
from accounts.services import passwords
from accounts.web.forms import NewPasswordForm, PasswordChangeForm, ResetRequestForm
from accounts.web.views.base import Page, SignedInPage


class PasswordPage(SignedInPage):
    """Changes one's own password."""

    template_name = "accounts/password.html"
    returns_to = "password"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the form."""
        return self._show(PasswordChangeForm())

    def post(self, request: HttpRequest) -> HttpResponse:
        """Change the password and sign out every other device; this one goes on."""
        form = PasswordChangeForm(request.POST)
        if form.carry_out(lambda: self._change(form)):
            changed = _("Your password is changed. All other devices are signed out.")
            messages.success(request, changed, fail_silently=True)
            return redirect("accounts_web:sessions")
        return self._show(form)

    def _change(self, form: PasswordChangeForm) -> None:
        user = self.user_session.user
        passwords.change_password(
            user,
            form.cleaned_data["current_password"],
            form.cleaned_data["new_password"],
            session_id=self.user_session.pk,
            device=devices.from_request(self.request),
        )
        # Django binds its session to the password's hash; this one goes on, under another key.
        update_session_auth_hash(self.request, user)

    def _show(self, form: PasswordChangeForm) -> HttpResponse:
        username = self.user_session.user.get_username()
        return self.page_of(form, username=username)


class ResetRequestPage(Page):
    """Asks where to send a password mail."""

    template_name = "accounts/password_reset.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the form."""
        return self.page_of(ResetRequestForm())

    def post(self, request: HttpRequest) -> HttpResponse:
        """Mail a link that is good once, where the address is known; always answer the same."""
        form = ResetRequestForm(request.POST)
        if form.carry_out(lambda: self._mail(form.cleaned_data["email"])):
            return redirect("accounts_web:password-reset-sent")
        return self.page_of(form)

    def _mail(self, email: str) -> None:
        user = passwords.request_reset(email, device=devices.from_request(self.request))
        if user is not None:
            mails.send_password_reset(user, self.request)


class ResetSentPage(Page):
    """Says that a mail is on its way."""

    template_name = "accounts/password_reset_sent.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Say it, whether or not the address is known."""
        return self.page()


class ResetConfirmPage(Page):
    """Sets a password with the mailed link. Looking at the page does not use the link up."""

    template_name = "accounts/password_reset_confirm.html"

    def get(self, request: HttpRequest, uid: str, token: str) -> HttpResponse:
        """Show the form, or that the link is good for nothing."""
        return self._show(NewPasswordForm(), uid, token)

    def post(self, request: HttpRequest, uid: str, token: str) -> HttpResponse:
        """Set the password and sign out every device."""
        form = NewPasswordForm(request.POST)
        if form.carry_out(
            lambda: passwords.reset_password(
                uid,
                token,
                form.cleaned_data["new_password"],
                device=devices.from_request(request),
            )
        ):
            return redirect("accounts_web:password-reset-done")
        return self._show(form, uid, token)

    def _show(self, form: NewPasswordForm, uid: str, token: str) -> HttpResponse:
        user = passwords.find_by_link(uid, token)
        if user is None:
            return self.page(status=400, form=None)
        return self.page_of(form, username=user.get_username())


class ResetDonePage(Page):
    """Says that the password is set."""

    template_name = "accounts/password_reset_done.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Say it and lead to the door."""
        return self.page()
