"""Who the caller is and what happened to them: profile and audit trail."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import user_cache
from accounts.api.envelope import succeed
from accounts.api.schema import describe
from accounts.api.serializers import EventSerializer, ProfileChangesSerializer, ProfileSerializer
from accounts.api.views.base import EnvelopeView
from accounts.models import AuditEvent
from accounts.services.users import update_profile

PROFILE_KEYS = frozenset(ProfileSerializer().fields)


class ProfileView(EnvelopeView):
    """The caller's profile."""

    @describe(data=ProfileSerializer)
    def get(self, request: Request) -> Response:
        """Return the profile, read through the cache."""
        user = request.user
        return succeed(
            user_cache.remember(
                user_cache.PROFILE,
                user.pk,
                lambda: dict(ProfileSerializer(user).data),
                fields=PROFILE_KEYS,
            )
        )

    @describe(request=ProfileChangesSerializer, data=ProfileSerializer, codes=["validation_error"])
    def patch(self, request: Request) -> Response:
        """Change what is given and return the whole profile."""
        form = ProfileChangesSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        update_profile(request.user, form.validated_data)
        return succeed(ProfileSerializer(request.user).data, _("Profile updated"))


class EventPagination(CursorPagination):
    """Newest first, by cursor: ids are UUIDv7, so their order is that of time."""

    ordering = "-id"
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 100

    def decode_cursor(self, request: Any) -> Any:
        """Return the cursor; NotFound for one that no answer of ours has given."""
        if not request.query_params.get(self.cursor_query_param):
            return None
        cursor: Any = super().decode_cursor(request)
        if not _is_ours(cursor):
            raise NotFound(self.invalid_cursor_message)
        return cursor

    def get_paginated_response(self, data: Any) -> Response:
        """Return one page and where the next ones are."""
        links = {"next": self.get_next_link(), "previous": self.get_previous_link()}
        return succeed({"results": data, **links})


def _is_ours(cursor: Any) -> bool:
    """Base64 is read leniently: what is none at all decodes to a cursor that says nothing."""
    if cursor.position is None:
        return bool(cursor.offset)
    try:
        UUID(cursor.position)
    except ValueError:
        return False
    return True


class EventListView(EnvelopeView):
    """The caller's own audit trail."""

    @describe(data=EventSerializer(many=True), paginated=True, codes=["not_found"])
    def get(self, request: Request) -> Response:
        """Return what happened to the caller, newest first."""
        pages = EventPagination()
        mine = AuditEvent.objects.of(request.user)
        events: Any = pages.paginate_queryset(mine, request, self)
        return pages.get_paginated_response(EventSerializer(events, many=True).data)
