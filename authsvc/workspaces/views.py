"""The caller's workspace, in the envelope and behind the same check as everything in accounts."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import user_cache
from accounts.api.envelope import succeed
from accounts.api.schema import describe
from accounts.api.views.base import EnvelopeView
from accounts.exceptions import PermissionDenied
from authsvc.workspaces.serializers import WorkspaceChangesSerializer, WorkspaceSerializer
from authsvc.workspaces.services import WORKSPACE, personal_workspace_of, rename

WORKSPACE_KEYS = frozenset(WorkspaceSerializer().fields)


class WorkspaceView(EnvelopeView):
    """The caller's workspace."""

    @describe(data=WorkspaceSerializer)
    def get(self, request: Request) -> Response:
        """Return the workspace, read through the cache; it is made on first use."""
        user = request.user
        return succeed(
            user_cache.remember(
                WORKSPACE,
                user.pk,
                lambda: dict(WorkspaceSerializer(personal_workspace_of(user)).data),
                fields=WORKSPACE_KEYS,
            )
        )

    @describe(
        request=WorkspaceChangesSerializer,
        data=WorkspaceSerializer,
        codes=["validation_error", "permission_denied"],
    )
    def patch(self, request: Request) -> Response:
        """Change what is given and return the whole workspace; a plain member may not."""
        membership = personal_workspace_of(request.user)
        if not membership.may_change_workspace:
            raise PermissionDenied
        form = WorkspaceChangesSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        if "name" in form.validated_data:
            rename(membership.workspace, form.validated_data["name"])
        return succeed(WorkspaceSerializer(membership).data, _("Workspace updated"))
