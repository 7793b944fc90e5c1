"""
Where everything is. What apps call comes first: each pattern before it would be tried each time.

``accounts.api.urls`` answers for all of ``auth/``, so it comes last there.
"""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from authsvc.docs import SchemaView, docs
from authsvc.health import healthz, readyz
from authsvc.observability import metrics

urlpatterns = [
    path("auth/", include("authsvc.workspaces.urls")),
    path("auth/", include("accounts.api.urls")),
    path("", RedirectView.as_view(pattern_name="accounts_web:sessions")),
    path("healthz", healthz),
    path("readyz", readyz),
    path("metrics", metrics),
    path("api/schema", SchemaView.as_view(), name="schema"),
    path("api/docs", docs, name="docs"),
    path("admin/", admin.site.urls),
    path("account/", include("accounts.web.urls")),
    path("account/browsable/", include("accounts.web.browsable")),
]

handler400 = "accounts.api.errors.bad_request"
handler403 = "accounts.api.errors.forbidden"
handler404 = "accounts.api.errors.not_found"
handler500 = "accounts.api.errors.server_error"
