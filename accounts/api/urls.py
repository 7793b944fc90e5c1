"""
The endpoints. A project includes them where it likes; ours does under ``auth/``::

    path("auth/", include("accounts.api.urls"))

The last pattern answers for every other path below, so it must be the last include under its
prefix.
"""

from __future__ import annotations

from django.urls import path, re_path, register_converter, reverse
from django.urls.converters import UUIDConverter
from django.views.decorators.common import no_append_slash

from accounts.api.views.base import UnknownPathView
from accounts.api.views.passwords import (
    PasswordChangeView,
    PasswordResetConfirmView,
    PasswordResetView,
)
from accounts.api.views.profile import EventListView, ProfileView
from accounts.api.views.sign_in import LoginView, RefreshView, RegisterView
from accounts.api.views.sign_out import (
    LogoutCurrentView,
    LogoutOthersView,
    LogoutView,
    RevokeView,
    SessionListView,
    SessionView,
)
from accounts.api.views.staff import UserLogoutView

app_name = "accounts_api"


class CaselessUUIDConverter(UUIDConverter):
    """Takes upper case as well: Apple's UUID type writes ids so."""

    regex = f"(?i:{UUIDConverter.regex})"


register_converter(CaselessUUIDConverter, "caseless_uuid")

# Those that are called most come first: they are tried one after the other.
urlpatterns = [
    path("profile", ProfileView.as_view(), name="profile"),
    path("refresh", RefreshView.as_view(), name="refresh"),
    path("register", RegisterView.as_view(), name="register"),
    path("login", LoginView.as_view(), name="login"),
    path("logout", LogoutView.as_view(), name="logout"),
    path("logout/current", LogoutCurrentView.as_view(), name="logout-current"),
    path("logout/others", LogoutOthersView.as_view(), name="logout-others"),
    path("revoke", RevokeView.as_view(), name="revoke"),
    path("sessions", SessionListView.as_view(), name="sessions"),
    path("sessions/<caseless_uuid:session_id>", SessionView.as_view(), name="session"),
    path("users/<str:user_id>/logout", UserLogoutView.as_view(), name="user-logout"),
    path("password/change", PasswordChangeView.as_view(), name="password-change"),
    path("password/reset", PasswordResetView.as_view(), name="password-reset"),
    path(
        "password/reset/confirm", PasswordResetConfirmView.as_view(), name="password-reset-confirm"
    ),
    path("events", EventListView.as_view(), name="events"),
    # Without its slash the root is unknown too, not a redirect to a page that is not there.
    re_path(r"", no_append_slash(UnknownPathView.as_view()), name="unknown"),
]


def api_root() -> str:
    """Return the path everything here lies under, with its slash."""
    return reverse("accounts_api:login").removesuffix("login")
