"""Workspaces: made once, renamed for everybody, kept by constraints."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from django.db import IntegrityError, connection, transaction
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks

from accounts import user_cache
from accounts.exceptions import SessionEnded
from accounts.models import User
from authsvc.workspaces.models import Membership, Workspace
from authsvc.workspaces.services import personal_workspace_of, rename
from tests.people import PASSWORD

Role = Membership.Role


def take_in(user: User, workspace: Workspace, role: Role = Role.MEMBER) -> Membership:
    """Make ``user`` a member of ``workspace``."""
    return Membership.objects.create(user=user, workspace=workspace, role=role)


def workspace_named(name: str, slug: str) -> Workspace:
    """Make a workspace that belongs to nobody."""
    return Workspace.objects.create(name=name, slug=slug)


def key_of(user: User) -> str:
    """Return the key of the user's document."""
    return f"user_workspace:{user.pk}"


def keep_documents(*users: User) -> None:
    """Put a document of each user into the cache."""
    for user in users:
        caches["default"].set(key_of(user), {"name": "kept"})


def who_is_kept(*users: User) -> list[User]:
    """Return those whose document is still in the cache."""
    return [user for user in users if caches["default"].get(key_of(user)) is not None]


class CountingCache(LocMemCache):
    """Counts the round trips that delete."""

    deletions = 0

    def delete_many(self, keys: Any, version: int | None = None) -> None:
        """Count once, however many keys there are."""
        type(self).deletions += 1
        super().delete_many(keys, version)


def test_the_first_use_makes_a_workspace_that_the_user_owns(alice: User, bob: User) -> None:
    mine = personal_workspace_of(alice)

    assert mine.role == Role.OWNER
    assert mine.workspace.name == "Alice’s workspace"
    assert Workspace.objects.get(memberships__user=alice) == mine.workspace
    assert not Membership.objects.of(bob).exists()


def test_the_second_use_finds_the_first_one(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    first = personal_workspace_of(alice)

    with django_assert_num_queries(1):
        second = personal_workspace_of(alice)

    assert second == first
    assert second.workspace.name == first.workspace.name


def test_the_oldest_that_the_user_owns_counts_among_several(alice: User, bob: User) -> None:
    take_in(alice, personal_workspace_of(bob).workspace, Role.ADMIN)
    oldest = take_in(alice, workspace_named("First", "first"), Role.OWNER)
    take_in(alice, workspace_named("Second", "second"), Role.OWNER)

    assert personal_workspace_of(alice) == oldest


def test_who_owns_none_sees_the_oldest_they_were_taken_into(alice: User, bob: User) -> None:
    first = take_in(bob, personal_workspace_of(alice).workspace)
    take_in(bob, workspace_named("Later", "later"), Role.ADMIN)

    assert personal_workspace_of(bob) == first
    assert Workspace.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_two_first_requests_at_once_make_exactly_one_workspace(alice: User) -> None:
    barrier = threading.Barrier(4)
    found: list[Membership] = []

    def first_use() -> None:
        barrier.wait()
        try:
            found.append(personal_workspace_of(alice))
        finally:
            connection.close()

    threads = [threading.Thread(target=first_use) for _number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 4
    assert {membership.pk for membership in found} == {Membership.objects.get().pk}
    assert Workspace.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres
def test_a_first_request_waits_for_another_and_finds_what_it_made(alice: User) -> None:
    found: list[Membership] = []

    def second_use() -> None:
        try:
            found.append(personal_workspace_of(alice))
        finally:
            connection.close()

    thread = threading.Thread(target=second_use)
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=alice.pk)
        thread.start()
        thread.join(0.3)
        waited = thread.is_alive()
        first = personal_workspace_of(alice)
    thread.join()

    assert waited
    assert found == [first]


def test_a_user_deleted_meanwhile_gets_no_workspace(alice: User) -> None:
    User.objects.filter(pk=alice.pk).delete()

    with pytest.raises(SessionEnded):
        personal_workspace_of(alice)

    assert not Workspace.objects.exists()


@pytest.mark.parametrize(
    ("email", "name", "expected", "slug"),
    [
        ("a@example.com", "Ada Lovelace", "Ada’s workspace", "adas-workspace-"),
        ("ada.l@example.com", "", "ada.l’s workspace", "adals-workspace-"),
        ("a@example.com", "@ada", "@ada’s workspace", "adas-workspace-"),
        ("a@example.com", "李雷", "李雷’s workspace", "s-workspace-"),
        ("a@example.com", "x" * 150, "x" * 150, "x" * 67 + "-"),
    ],
)
def test_a_personal_workspace_is_called_after_its_owner(
    db: None, email: str, name: str, expected: str, slug: str
) -> None:
    user = User.objects.create_user(email, PASSWORD, name=name)

    workspace = personal_workspace_of(user).workspace

    assert workspace.name == expected
    assert workspace.slug.removesuffix(workspace.pk.hex[-12:]) == slug
    workspace.full_clean()


def test_people_of_the_same_name_get_different_slugs(alice: User) -> None:
    other = User.objects.create_user("alice@example.org", PASSWORD, name="Alice")

    slugs = {personal_workspace_of(user).workspace.slug for user in (alice, other)}

    assert len(slugs) == 2


def test_a_rename_changes_the_name_and_not_the_slug(alice: User, bob: User) -> None:
    workspace, theirs = (personal_workspace_of(user).workspace for user in (alice, bob))

    rename(workspace, "Engine room")

    stored = Workspace.objects.get(pk=workspace.pk)
    assert (stored.name, stored.slug) == ("Engine room", workspace.slug)
    assert Workspace.objects.get(pk=theirs.pk).name == "Bob’s workspace"


def test_a_rename_clears_the_cache_of_every_member_after_the_commit(
    alice: User,
    bob: User,
    carol: User,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    workspace = personal_workspace_of(alice).workspace
    take_in(carol, workspace)
    keep_documents(alice, bob, carol)

    with django_capture_on_commit_callbacks(execute=False) as callbacks:
        rename(workspace, "Engine room")

    assert who_is_kept(alice, bob, carol) == [alice, bob, carol]
    for callback in callbacks:
        callback()
    assert who_is_kept(alice, bob, carol) == [bob]


def test_a_rename_clears_all_caches_in_one_round_trip(
    alice: User,
    carol: User,
    settings: Any,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    workspace = personal_workspace_of(alice).workspace
    take_in(carol, workspace)
    settings.CACHES = {
        "default": {
            "BACKEND": f"{CountingCache.__module__}.CountingCache",
            "KEY_FUNCTION": "accounts.user_cache.raw_key",
        }
    }
    before = CountingCache.deletions

    with django_capture_on_commit_callbacks(execute=True):
        rename(workspace, "Engine room")

    assert CountingCache.deletions == before + 1


def test_a_rename_that_is_rolled_back_clears_nothing(alice: User) -> None:
    workspace = personal_workspace_of(alice).workspace
    keep_documents(alice)

    with transaction.atomic():
        rename(workspace, "Engine room")
        transaction.set_rollback(True)

    assert who_is_kept(alice) == [alice]
    assert Workspace.objects.get().name == "Alice’s workspace"


def test_signing_out_everywhere_deletes_the_document(
    alice: User,
    bob: User,
    phone_of: Callable[..., Any],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    phone = phone_of(alice)
    keep_documents(alice, bob)

    with django_capture_on_commit_callbacks(execute=True):
        phone.ok("post", "/auth/logout")

    assert who_is_kept(alice, bob) == [bob]
    assert key_of(alice) in user_cache.keys_of(alice.pk)


def test_nobody_is_twice_in_a_workspace(alice: User) -> None:
    workspace = personal_workspace_of(alice).workspace

    with (
        pytest.raises(IntegrityError, match=r"workspace_memberships|user_id"),
        transaction.atomic(),
    ):
        take_in(alice, workspace)


def test_two_workspaces_cannot_have_one_slug(db: None) -> None:
    workspace_named("One", "one")

    with pytest.raises(IntegrityError, match="slug"), transaction.atomic():
        workspace_named("Other", "one")


def test_a_role_that_nobody_knows_is_refused_by_the_database(alice: User) -> None:
    mine = personal_workspace_of(alice)

    with pytest.raises(IntegrityError, match="role_known"), transaction.atomic():
        Membership.objects.filter(pk=mine.pk).update(role="king")


def test_rows_say_who_they_are(alice: User) -> None:
    mine = personal_workspace_of(alice)

    assert str(mine) == "alice@example.com (Owner)"
    assert str(mine.workspace) == "Alice’s workspace"
