"""The reusable app."""

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.utils.translation import gettext_lazy as _

from accounts import checks, metrics


class AccountsConfig(AppConfig):
    """Signing in and, above all, signing out."""

    name = "accounts"
    verbose_name = _("Accounts")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks; bind the cookies of whoever calls Django's ``login()``."""
        from accounts.models import UserSession  # noqa: PLC0415 - not there before
        from accounts.web import receivers  # noqa: PLC0415

        checks.register()
        metrics.begin_at_zero(
            clients=UserSession.Client.values, reasons=UserSession.EndReason.values
        )
        user_logged_in.connect(receivers.bind_cookie, dispatch_uid="accounts.bind_cookie")
        user_logged_out.connect(receivers.release_cookie, dispatch_uid="accounts.release_cookie")
