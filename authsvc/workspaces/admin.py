"""Workspaces and their members, for staff. A change clears the cache of whom it concerns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from authsvc.workspaces.models import Membership, Workspace
from authsvc.workspaces.services import forget_after_commit, member_ids_of

if TYPE_CHECKING:
    _Inline = admin.TabularInline[Membership, Workspace]
    _Admin = admin.ModelAdmin[Workspace]
else:
    _Inline, _Admin = admin.TabularInline, admin.ModelAdmin


class MembershipInline(_Inline):
    """Who belongs to the workspace."""

    model = Membership
    autocomplete_fields = ("user",)
    extra = 0


@admin.register(Workspace)
class WorkspaceAdmin(_Admin):
    """Rename workspaces, and say who belongs to them."""

    inlines: ClassVar = [MembershipInline]
    list_display = ("name", "slug", "created_at")
    search_fields = ("name", "slug", "memberships__user__email")
    search_help_text = _("Name, slug or a member’s email address")
    # Newest first: ids are UUIDv7, and the primary key has an index.
    ordering = ("-id",)
    show_full_result_count = False
    readonly_fields = ("created_at",)
    prepopulated_fields: ClassVar = {"slug": ("name",)}

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save the members, and clear the cache of those who are, and of those who were."""
        with transaction.atomic():
            before = member_ids_of([form.instance])
            super().save_related(request, form, formsets, change)
            forget_after_commit(before | member_ids_of([form.instance]))

    def delete_model(self, request: HttpRequest, obj: Workspace) -> None:
        """Delete the workspace, and clear the cache of its members."""
        with transaction.atomic():
            forget_after_commit(member_ids_of([obj]))
            super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Workspace]) -> None:
        """Delete the workspaces, and clear the caches of their members in one round trip."""
        with transaction.atomic():
            forget_after_commit(member_ids_of(queryset))
            super().delete_queryset(request, queryset)
