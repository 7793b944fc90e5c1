"""The service's paths, and ``/auth/me``, which answers what the peers' view answers."""

from __future__ import annotations

from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.envelope import succeed
from accounts.api.views.base import EnvelopeView
from authsvc.urls import handler400, handler403, handler404, handler500, urlpatterns

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]


class MeView(EnvelopeView):
    """Who asks."""

    def get(self, request: Request) -> Response:
        """Return id and email."""
        return succeed({"id": request.user.pk, "email": request.user.email})


# First, as it is the only one of the peers.
urlpatterns = [path("auth/me", MeView.as_view()), *urlpatterns]
