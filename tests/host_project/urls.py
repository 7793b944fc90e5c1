"""Where a stranger puts things: not where this project does."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("office/", admin.site.urls),
    path("api/auth/", include("accounts.api.urls")),
    path("me/", include("accounts.web.urls")),
]
