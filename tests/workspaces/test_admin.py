"""Staff looks after workspaces: whatever is changed there, nobody goes on seeing the old."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.cache import caches
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks

from accounts.models import User
from authsvc.workspaces.models import Membership, Workspace
from authsvc.workspaces.services import personal_workspace_of
from tests.people import PASSWORD

LIST = "/admin/workspaces/workspace/"


@pytest.fixture
def staff(carol: User, client: Client) -> Client:
    """Return Carol's browser, signed in to the administration."""
    client.force_login(carol)
    return client


@pytest.fixture
def workspace(alice: User) -> Workspace:
    """Alice's workspace."""
    return personal_workspace_of(alice).workspace


def keep_documents(*users: User) -> None:
    """Put a document of each user into the cache."""
    for user in users:
        caches["default"].set(f"user_workspace:{user.pk}", {"name": "kept"})


def who_is_kept(*users: User) -> list[User]:
    """Return those whose document is still in the cache."""
    return [user for user in users if caches["default"].get(f"user_workspace:{user.pk}")]


def form_of(workspace: Workspace, **changes: str) -> dict[str, str]:
    """Return what the browser posts when somebody changes only ``changes``."""
    members = list(workspace.memberships.order_by("pk"))
    form = {
        "name": workspace.name,
        "slug": workspace.slug,
        "memberships-TOTAL_FORMS": str(len(members)),
        "memberships-INITIAL_FORMS": str(len(members)),
    }
    for number, member in enumerate(members):
        form |= {
            f"memberships-{number}-id": str(member.pk),
            f"memberships-{number}-workspace": str(workspace.pk),
            f"memberships-{number}-user": str(member.user_id),
            f"memberships-{number}-role": member.role,
        }
    return form | changes


def change_path(workspace: Workspace) -> str:
    """Return the path of the form."""
    return reverse("admin:workspaces_workspace_change", args=[workspace.pk])


def test_a_rename_reaches_every_member_and_nobody_else(
    staff: Client,
    workspace: Workspace,
    alice: User,
    bob: User,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    dave = User.objects.create_user("dave@example.com", PASSWORD)
    Membership.objects.create(user=dave, workspace=workspace)
    keep_documents(alice, bob, dave)

    with django_capture_on_commit_callbacks(execute=True):
        answer = staff.post(change_path(workspace), form_of(workspace, name="Engine room"))

    assert answer.status_code == 302
    workspace.refresh_from_db()
    assert workspace.name == "Engine room"
    assert who_is_kept(alice, bob, dave) == [bob]


def test_a_member_who_is_taken_out_does_not_go_on_seeing_the_workspace(
    staff: Client,
    workspace: Workspace,
    alice: User,
    bob: User,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    bobs = Membership.objects.create(user=bob, workspace=workspace)
    form = form_of(workspace)
    line = next(key for key, value in form.items() if value == str(bobs.pk)).removesuffix("-id")
    keep_documents(alice, bob)

    with django_capture_on_commit_callbacks(execute=True):
        answer = staff.post(change_path(workspace), form | {f"{line}-DELETE": "on"})

    assert answer.status_code == 302
    assert not Membership.objects.of(bob).exists()
    assert who_is_kept(alice, bob) == []


def test_a_new_workspace_clears_what_its_members_saw(
    staff: Client,
    alice: User,
    bob: User,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    keep_documents(alice, bob)
    form = {
        "name": "Lab",
        "slug": "lab",
        "memberships-TOTAL_FORMS": "1",
        "memberships-INITIAL_FORMS": "0",
        "memberships-0-user": str(alice.pk),
        "memberships-0-role": "owner",
    }

    with django_capture_on_commit_callbacks(execute=True):
        answer = staff.post(f"{LIST}add/", form)

    assert answer.status_code == 302
    assert personal_workspace_of(alice).workspace.slug == "lab"
    assert who_is_kept(alice, bob) == [bob]


@pytest.mark.parametrize("by_action", [True, False])
def test_deleting_a_workspace_clears_the_caches_of_its_members(
    staff: Client,
    workspace: Workspace,
    alice: User,
    bob: User,
    by_action: bool,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    keep_documents(alice, bob)
    path = reverse("admin:workspaces_workspace_delete", args=[workspace.pk])
    form = {"post": "yes"}
    if by_action:
        path = LIST
        form |= {"action": "delete_selected", "_selected_action": str(workspace.pk)}

    with django_capture_on_commit_callbacks(execute=True):
        answer = staff.post(path, form)

    assert answer.status_code == 302
    assert not Workspace.objects.exists()
    assert who_is_kept(alice, bob) == [bob]


def test_a_slug_that_is_taken_is_told_beside_the_field(
    staff: Client, workspace: Workspace, bob: User
) -> None:
    theirs = personal_workspace_of(bob).workspace

    answer = staff.post(change_path(workspace), form_of(workspace, slug=theirs.slug))

    assert answer.status_code == 200
    assert "Workspace with this Slug already exists." in answer.content.decode()


@pytest.mark.parametrize("term", ["alices", "Alice’s", "alice@example.com"])
def test_a_workspace_is_found_by_name_slug_and_member(
    staff: Client, workspace: Workspace, bob: User, term: str
) -> None:
    theirs = personal_workspace_of(bob).workspace

    page = staff.get(LIST, {"q": term}).content.decode()

    assert workspace.slug in page
    assert theirs.slug not in page


def test_the_list_costs_the_same_however_long_it_is(
    staff: Client, alice: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(20):
        Workspace.objects.create(name=f"Lab {number}", slug=f"lab-{number}")

    with django_assert_max_num_queries(6):
        page = staff.get(LIST)

    assert "lab-19" in page.content.decode()


@pytest.mark.parametrize("permissions", [[], ["view_workspace"]])
def test_staff_without_the_permission_cannot_change_a_workspace(
    client: Client, workspace: Workspace, bob: User, permissions: list[str]
) -> None:
    User.objects.filter(pk=bob.pk).update(is_staff=True)
    bob.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(User.objects.get(pk=bob.pk))

    answer = client.post(change_path(workspace), form_of(workspace, name="Bob was here"))

    assert answer.status_code == 403
    workspace.refresh_from_db()
    assert workspace.name == "Alice’s workspace"


def test_bob_who_is_not_staff_is_sent_to_the_login(
    client: Client, workspace: Workspace, bob: User
) -> None:
    client.force_login(bob)

    answer: Any = client.get(change_path(workspace))

    assert answer.status_code == 302
    assert "/admin/login/" in answer["Location"]
