"""The one view that all peers have."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.urls import path
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class MeView(APIView):
    """Who asks."""

    permission_classes = (IsAuthenticated,)

    def get(self, request: Request) -> Response:
        """Return id and email; a token alone knows no address."""
        user: Any = request.user
        return Response({"id": user.pk, "email": getattr(user, "email", "")})


class BlacklistAllView(MeView):
    """Ends all sessions as far as simplejwt can: each refresh token is put on the blacklist."""

    def post(self, request: Request) -> Response:
        """Blacklist the tokens one by one, as its users do; access tokens stay valid."""
        from rest_framework_simplejwt.token_blacklist.models import (
            BlacklistedToken,
            OutstandingToken,
        )

        for token in OutstandingToken.objects.filter(user=request.user):
            BlacklistedToken.objects.get_or_create(token=token)
        return Response(status=200)


urlpatterns = [path("auth/me", MeView.as_view())]

if settings.PEER == "rotation":
    from rest_framework_simplejwt.views import TokenRefreshView

    urlpatterns += [
        path("auth/logout", BlacklistAllView.as_view()),
        path("auth/refresh", TokenRefreshView.as_view()),
    ]
elif settings.PEER == "knox":
    from knox.views import LogoutAllView

    urlpatterns += [path("auth/logout", LogoutAllView.as_view())]
