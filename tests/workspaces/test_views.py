"""GET and PATCH /auth/workspace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import caches
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks

from accounts.models import User
from authsvc.workspaces.models import Membership, Workspace
from authsvc.workspaces.services import personal_workspace_of
from tests.people import Phone, assert_error

PATH = "/auth/workspace"
PhoneOf = Callable[..., Phone]


def stored_name(user: User) -> str:
    """Return what the row says."""
    return Workspace.objects.get(memberships__user=user).name


def test_the_first_look_makes_the_workspace_and_shows_it(
    alice: User, bob: User, phone_of: PhoneOf
) -> None:
    seen = phone_of(alice).ok("get", PATH)

    row = Workspace.objects.get(memberships__user=alice)
    assert seen == {
        "id": str(row.pk),
        "name": "Alice’s workspace",
        "slug": row.slug,
        "role": "owner",
        "created_at": row.created_at.isoformat().replace("+00:00", "Z"),
    }
    assert phone_of(bob).ok("get", PATH)["id"] != seen["id"]


def test_a_look_that_the_cache_answers_asks_the_database_for_nothing_but_the_session(
    alice: User, phone_of: PhoneOf, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    phone = phone_of(alice)
    first = phone.ok("get", PATH)

    with django_assert_num_queries(1):
        second = phone.ok("get", PATH)

    assert second == first


def test_a_look_without_the_cache_costs_one_query_more(
    alice: User, phone_of: PhoneOf, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    phone = phone_of(alice)
    first = phone.ok("get", PATH)
    caches["default"].clear()

    with django_assert_num_queries(2):
        second = phone.ok("get", PATH)

    assert second == first


@pytest.mark.parametrize("foreign", ["text", ["a"], {"id": "1"}, {"name": "Bob’s", "extra": 1}])
def test_what_others_wrote_into_the_cache_is_replaced(
    alice: User, phone_of: PhoneOf, foreign: object
) -> None:
    phone = phone_of(alice)
    first = phone.ok("get", PATH)
    caches["default"].set(f"user_workspace:{alice.pk}", foreign)

    assert phone.ok("get", PATH) == first
    assert caches["default"].get(f"user_workspace:{alice.pk}") == first


def test_a_new_name_is_seen_by_the_next_request(
    alice: User,
    bob: User,
    phone_of: PhoneOf,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    alices, bobs = phone_of(alice), phone_of(bob)
    before, theirs = alices.ok("get", PATH), bobs.ok("get", PATH)

    with django_capture_on_commit_callbacks(execute=True):
        answer = alices.call("patch", PATH, {"name": "  Engine room "})

    assert answer.json()["message"] == "Workspace updated"
    assert answer.json()["data"] == before | {"name": "Engine room"}
    assert alices.ok("get", PATH) == before | {"name": "Engine room"}
    assert stored_name(alice) == "Engine room"
    assert bobs.ok("get", PATH) == theirs


def test_the_first_call_may_be_the_change(alice: User, phone_of: PhoneOf) -> None:
    phone_of(alice).ok("patch", PATH, {"name": "Engine room"})

    assert stored_name(alice) == "Engine room"


@pytest.mark.parametrize("body", [{}, None, {"slug": "mine", "role": "owner", "id": "1"}])
def test_what_is_left_out_or_unknown_changes_nothing(
    alice: User, phone_of: PhoneOf, body: object
) -> None:
    phone = phone_of(alice)
    before = phone.ok("get", PATH)

    with CaptureQueriesContext(connection) as queries:
        assert phone.ok("patch", PATH, body) == before

    assert not [query for query in queries if query["sql"].startswith("UPDATE")]


@pytest.mark.parametrize(
    "name", ["", "   ", None, "a\x00b", "x" * 151, ["list"], {"an": "object"}, True]
)
def test_a_wrong_name_is_refused_in_the_envelope(
    alice: User, phone_of: PhoneOf, name: object
) -> None:
    answer = phone_of(alice).call("patch", PATH, {"name": name})

    assert_error(answer, 400, "validation_error", "name")
    assert answer.json()["data"]["errors"][0]["field"] == "name"
    assert stored_name(alice) == "Alice’s workspace"


def test_a_name_of_150_characters_is_taken(alice: User, phone_of: PhoneOf) -> None:
    phone_of(alice).ok("patch", PATH, {"name": "名" * 150})

    assert stored_name(alice) == "名" * 150


@pytest.mark.parametrize("role", ["owner", "admin"])
def test_owners_and_admins_rename_and_every_member_sees_it(
    alice: User,
    bob: User,
    phone_of: PhoneOf,
    role: str,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    workspace = personal_workspace_of(alice).workspace
    Membership.objects.create(user=bob, workspace=workspace, role=role)
    alices, bobs = phone_of(alice), phone_of(bob)
    assert alices.ok("get", PATH)["role"] == "owner"
    assert bobs.ok("get", PATH)["role"] == role

    with django_capture_on_commit_callbacks(execute=True):
        bobs.ok("patch", PATH, {"name": "Engine room"})

    assert alices.ok("get", PATH)["name"] == "Engine room"
    assert bobs.ok("get", PATH)["name"] == "Engine room"


@pytest.mark.parametrize("body", [{"name": "Bob was here"}, {"name": None}, {}])
def test_a_plain_member_cannot_rename(
    alice: User, bob: User, phone_of: PhoneOf, body: dict[str, Any]
) -> None:
    workspace = personal_workspace_of(alice).workspace
    Membership.objects.create(user=bob, workspace=workspace)
    bobs = phone_of(bob)

    answer = bobs.call("patch", PATH, body)

    assert_error(answer, 403, "permission_denied")
    assert stored_name(alice) == "Alice’s workspace"
    assert bobs.ok("get", PATH)["role"] == "member"


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["get", "patch"])
def test_a_stranger_is_asked_for_credentials(method: str) -> None:
    answer = Phone().call(method, PATH)

    assert_error(answer, 401, "not_authenticated")
    assert answer["WWW-Authenticate"] == "Bearer"
    assert answer["Cache-Control"] == "no-store"
    assert not Workspace.objects.exists()


def test_a_signed_out_phone_sees_nothing_though_the_cache_would_know(
    alice: User, phone_of: PhoneOf
) -> None:
    phone = phone_of(alice)
    kept = phone.ok("get", PATH)
    phone.ok("post", "/auth/logout")
    caches["default"].set(f"user_workspace:{alice.pk}", kept)

    answer = phone.call("get", PATH)

    assert_error(answer, 401, "session_ended")


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_other_methods_are_not_allowed(alice: User, phone_of: PhoneOf, method: str) -> None:
    answer = phone_of(alice).call(method, PATH)

    assert_error(answer, 405, "method_not_allowed")


def test_paths_below_and_beside_are_unknown(alice: User, phone_of: PhoneOf) -> None:
    phone = phone_of(alice)

    assert_error(phone.call("get", f"{PATH}/"), 404, "not_found")
    assert_error(phone.call("get", f"{PATH}s"), 404, "not_found")
