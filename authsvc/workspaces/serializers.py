"""Shapes: the body of a change, and the ``data`` of the answers."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from accounts.api.fields import UtcDateTimeField
from authsvc.workspaces.models import NAME_LENGTH, Membership


class WorkspaceSerializer(serializers.Serializer[Membership]):
    """The ``data`` of GET /auth/workspace: a workspace, and the caller's own role in it."""

    id = serializers.UUIDField(source="workspace_id", read_only=True)
    name = serializers.CharField(source="workspace.name", read_only=True)
    slug = serializers.CharField(source="workspace.slug", read_only=True)
    role = serializers.ChoiceField(choices=Membership.Role.choices, read_only=True)
    created_at = UtcDateTimeField(source="workspace.created_at", read_only=True)


class WorkspaceChangesSerializer(serializers.Serializer[Any]):
    """The body of PATCH /auth/workspace; what is left out stays as it is."""

    name = serializers.CharField(max_length=NAME_LENGTH, required=False)
