"""Workspaces and who belongs to them."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from uuid_utils.compat import uuid7

from authsvc.workspaces.querysets import MembershipQuerySet

NAME_LENGTH = 150
SLUG_LENGTH = 80


class Workspace(models.Model):
    """What people work in together, or one person alone. The slug stays when the name changes."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(_("name"), max_length=NAME_LENGTH)
    # Unique by the constraint below, where its reason stands.
    slug = models.SlugField(_("slug"), max_length=SLUG_LENGTH, db_index=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        db_table = "workspaces"
        verbose_name = _("workspace")
        verbose_name_plural = _("workspaces")
        constraints: ClassVar = [
            # A slug is an address. Not unique=True: PostgreSQL would get a second index, for LIKE.
            models.UniqueConstraint(fields=["slug"], name="workspaces_slug_unique"),
        ]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A user's place in a workspace."""

    class Role(models.TextChoices):
        """What a member may do: an owner and an admin change the workspace, a member does not."""

        OWNER = "owner", _("Owner")
        ADMIN = "admin", _("Admin")
        MEMBER = "member", _("Member")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # The indexes of both keys are declared below, where their reasons stand.
    workspace = models.ForeignKey(
        Workspace,
        on_delete=models.CASCADE,
        related_name="memberships",
        db_index=False,
        verbose_name=_("workspace"),
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="workspace_memberships",
        db_index=False,
        verbose_name=_("user"),
    )
    role = models.CharField(_("role"), max_length=10, choices=Role, default=Role.MEMBER)

    objects = MembershipQuerySet.as_manager()

    class Meta:
        db_table = "workspace_memberships"
        verbose_name = _("member")
        verbose_name_plural = _("members")
        indexes: ClassVar = [
            # The members of a workspace: whose caches to clear, and what goes with it.
            models.Index(fields=["workspace"], name="workspace_memberships_of"),
        ]
        constraints: ClassVar = [
            # Nobody is twice in a workspace. The user comes first, so that the same index finds
            # the workspaces of a user.
            models.UniqueConstraint(
                fields=["user", "workspace"], name="workspace_memberships_user_once"
            ),
            models.CheckConstraint(
                name="workspace_memberships_role_known",
                condition=models.Q(role__in=["owner", "admin", "member"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} ({self.get_role_display()})"

    @property
    def may_change_workspace(self) -> bool:
        """Whether the member may rename the workspace."""
        return self.role in {self.Role.OWNER, self.Role.ADMIN}
