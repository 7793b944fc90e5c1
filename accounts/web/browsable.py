"""
What the browsable API's links for signing in and out lead to: the pages, under the names that
REST framework looks for::

    path("account/browsable/", include("accounts.web.browsable"))
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path

from accounts.web import destinations
from accounts.web.views.devices import SignOutEverywherePage

app_name = "rest_framework"


class BrowsableSignOutPage(SignOutEverywherePage):
    """Signs out everywhere, as POST /auth/logout does."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Ask first: nothing is ended by following a link."""
        return redirect("accounts_web:logout-all")


def sign_in(request: HttpRequest) -> HttpResponse:
    """Lead to the page for signing in, which leads back to what was looked at."""
    return redirect(destinations.url_of("login", next=destinations.asked_for(request)))


urlpatterns = [
    path("login", sign_in, name="login"),
    path("logout", BrowsableSignOutPage.as_view(), name="logout"),
]
