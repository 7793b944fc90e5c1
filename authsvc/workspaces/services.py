"""
What happens to workspaces, and to the document that other services of the estate read::

    user_workspace:{user_id}    the answer of GET /auth/workspace

The key stands in ``ACCOUNTS["USER_CACHE_KEYS"]``, so signing out deletes it as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.utils.text import slugify
from django.utils.translation import gettext as _

from accounts import user_cache
from accounts.exceptions import SessionEnded
from authsvc.workspaces.models import NAME_LENGTH, SLUG_LENGTH, Membership, Workspace

WORKSPACE = "user_workspace:{user_id}"

# Random hexadecimal digits of the id, so that people of the same name get different slugs.
_SUFFIX_LENGTH = 12


def personal_workspace_of(user: Any) -> Membership:
    """
    Return the place of ``user`` in their workspace, which is made on first use.

    Of several it is the one they own, the oldest if they own more. Somebody who owns none but was
    taken into another's sees that one. Raise SessionEnded for a user deleted meanwhile.
    """
    return find_membership(user) or _make_personal_workspace(user)


def find_membership(user: Any) -> Membership | None:
    """Return the place that counts among those of ``user``, with its workspace."""
    mine = Membership.objects.of(user).select_related("workspace")
    return mine.owned_first().first()


def rename(workspace: Workspace, name: str) -> None:
    """Give ``workspace`` and its row the name ``name``, and clear the cache of every member."""
    workspace.name = name
    with transaction.atomic():
        Workspace.objects.filter(pk=workspace.pk).update(name=name)
        forget_after_commit(member_ids_of([workspace]))


def member_ids_of(workspaces: Iterable[Workspace]) -> set[Any]:
    """Return the keys of everybody who belongs to one of ``workspaces``."""
    members = Membership.objects.filter(workspace__in=workspaces)
    return set(members.values_list("user_id", flat=True))


def forget_after_commit(user_ids: Iterable[Any]) -> None:
    """Clear the cache of these users, in one round trip, once the transaction has committed."""

    def forget() -> None:
        user_cache.clear(user_ids)

    transaction.on_commit(forget, robust=True)


def _make_personal_workspace(user: Any) -> Membership:
    with transaction.atomic():
        # Two first requests at once: the second waits here, and then finds what the first made.
        stored = get_user_model()._default_manager.select_for_update(no_key=True)
        if not stored.filter(pk=user.pk).values_list("pk").first():
            raise SessionEnded
        if found := find_membership(user):
            return found
        workspace = Workspace(name=_personal_name(user))
        workspace.slug = _slug(workspace)
        workspace.save(force_insert=True)
        return Membership.objects.create(workspace=workspace, user=user, role=Membership.Role.OWNER)


def _personal_name(user: Any) -> str:
    """Return a name without the domain of an address: other members will see it."""
    short = user.get_short_name()
    called = short.partition("@")[0] or short
    return (_("%(name)s’s workspace") % {"name": called})[:NAME_LENGTH]


def _slug(workspace: Workspace) -> str:
    name = slugify(workspace.name)[: SLUG_LENGTH - _SUFFIX_LENGTH - 1].strip("-") or "workspace"
    return f"{name}-{workspace.pk.hex[-_SUFFIX_LENGTH:]}"
