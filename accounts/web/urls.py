"""
The pages. A project includes them where it likes; ours does under ``account/``::

    path("account/", include("accounts.web.urls"))
"""

from __future__ import annotations

from django.urls import path
from django.views.generic import RedirectView
from django.views.i18n import set_language

from accounts.web.views.devices import (
    DeviceListPart,
    DevicesPage,
    SignOutEverywherePage,
    SignOutOnePage,
    SignOutOthersPage,
)
from accounts.web.views.passwords import (
    PasswordPage,
    ResetConfirmPage,
    ResetDonePage,
    ResetRequestPage,
    ResetSentPage,
)
from accounts.web.views.sign_in import SignedOutPage, SignInPage, SignOutPage

app_name = "accounts_web"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="accounts_web:sessions")),
    path("login", SignInPage.as_view(), name="login"),
    path("logout", SignOutPage.as_view(), name="logout"),
    path("signed-out", SignedOutPage.as_view(), name="signed-out"),
    path("language", set_language, name="language"),
    path("sessions", DevicesPage.as_view(), name="sessions"),
    path("sessions/list", DeviceListPart.as_view(), name="session-list"),
    path("sessions/logout/all", SignOutEverywherePage.as_view(), name="logout-all"),
    path("sessions/logout/others", SignOutOthersPage.as_view(), name="logout-others"),
    path("sessions/<uuid:session_id>/logout", SignOutOnePage.as_view(), name="logout-one"),
    path("password", PasswordPage.as_view(), name="password"),
    path("password/reset", ResetRequestPage.as_view(), name="password-reset"),
    path("password/reset/sent", ResetSentPage.as_view(), name="password-reset-sent"),
    path("password/reset/done", ResetDonePage.as_view(), name="password-reset-done"),
    path(
        "password/reset/<str:uid>/<str:token>",
        ResetConfirmPage.as_view(),
        name="password-reset-confirm",
    ),
]
