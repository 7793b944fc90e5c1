"""POST /auth/register."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from accounts.models import AuditEvent, User, UserSession
from tests.people import PASSWORD, Phone, assert_error

pytestmark = pytest.mark.django_db


def register(**body: object) -> Any:
    """Register Dave, unless the body says otherwise."""
    content = {"email": "dave@example.com", "password": PASSWORD} | body
    return APIClient().post("/auth/register", content, format="json")


def test_registering_makes_a_user_who_can_sign_in() -> None:
    answer = register(name="Dave")

    dave = User.objects.get(email="dave@example.com")
    assert answer.status_code == 201
    assert answer.json() == {
        "success": True,
        "message": "Registration successful",
        "data": {"user": {"id": str(dave.pk), "email": "dave@example.com", "name": "Dave"}},
        "code": None,
        "field": None,
    }
    assert Phone().sign_in(dave).is_signed_in


def test_registering_signs_nobody_in_and_is_recorded() -> None:
    register()

    event = AuditEvent.objects.get()
    assert not UserSession.objects.exists()
    assert event.type == "user.registered"
    assert event.user_id == str(User.objects.get().pk)


def test_a_registered_user_is_no_staff_whatever_the_body_says() -> None:
    answer = register(is_staff=True, is_superuser=True, id="1", is_active=False)

    dave = User.objects.get()
    assert answer.status_code == 201
    assert (dave.is_staff, dave.is_superuser, dave.is_active) == (False, False, True)


def test_a_name_is_optional() -> None:
    answer = register()

    assert answer.json()["data"]["user"]["name"] == ""


def test_an_address_is_kept_in_lower_case_without_the_blanks_around_it() -> None:
    answer = register(email="  Dave@Example.COM ")

    assert answer.json()["data"]["user"]["email"] == "dave@example.com"
    assert User.objects.get().email == "dave@example.com"


def test_a_password_is_taken_with_its_blanks() -> None:
    register(password=f"  {PASSWORD} ")

    dave = User.objects.get()
    assert dave.check_password(f"  {PASSWORD} ")
    assert not dave.check_password(PASSWORD)


@pytest.mark.parametrize("email", ["bob@example.com", "BOB@Example.Com", " bob@example.com "])
def test_a_taken_address_is_refused_whatever_its_case(bob: User, email: str) -> None:
    answer = register(email=email, name="Not Bob")

    assert_error(answer, 400, "validation_error", "email")
    assert answer.json()["data"]["errors"] == [
        {
            "field": "email",
            "code": "unique",
            "message": "This email address is already taken.",
        }
    ]
    bob.refresh_from_db()
    assert (bob.name, bob.check_password(PASSWORD)) == ("Bob", True)
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize(
    ("password", "code"),
    [
        pytest.param("x1y2z3", "password_too_short", id="short"),
        pytest.param("password123", "password_too_common", id="common"),
        pytest.param("8273645182736451", "password_entirely_numeric", id="numeric"),
        pytest.param("dave@example.com", "password_too_similar", id="the-address"),
        pytest.param("dave-the-great", "password_too_similar", id="the-name"),
        pytest.param("x" * 257, "max_length", id="long"),
        pytest.param("", "blank", id="empty"),
    ],
)
def test_a_bad_password_is_refused_and_nobody_is_made(password: str, code: str) -> None:
    answer = register(password=password, name="Dave The Great")

    assert_error(answer, 400, "validation_error", "password")
    assert code in {error["code"] for error in answer.json()["data"]["errors"]}
    assert not User.objects.exists()


def test_every_reason_against_a_password_is_given() -> None:
    answer = register(password="12345")

    errors = answer.json()["data"]["errors"]
    assert {error["field"] for error in errors} == {"password"}
    assert [error["code"] for error in errors] == [
        "password_too_short",
        "password_too_common",
        "password_entirely_numeric",
    ]
    assert answer.json()["message"] == errors[0]["message"]


def test_a_password_of_the_greatest_length_can_be_used() -> None:
    longest = "correct horse " * 18 + "ok"

    register(password=longest + "!!")

    assert len(longest + "!!") == 256
    assert Phone().sign_in(User.objects.get(), longest + "!!").is_signed_in


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        pytest.param({}, ["email", "password"], id="nothing"),
        pytest.param({"email": "dave@example.com"}, ["password"], id="no-password"),
        pytest.param({"password": PASSWORD}, ["email"], id="no-email"),
        pytest.param({"email": "dave", "password": ""}, ["email", "password"], id="both-wrong"),
        pytest.param({"email": "a@b", "password": PASSWORD}, ["email"], id="no-domain"),
    ],
)
def test_every_wrong_field_is_named_and_the_first_leads(
    body: dict[str, object], fields: list[str]
) -> None:
    answer = APIClient().post("/auth/register", body, format="json")

    content = answer.json()
    assert_error(answer, 400, "validation_error", fields[0])
    assert [error["field"] for error in content["data"]["errors"]] == fields
    assert content["message"] == content["data"]["errors"][0]["message"]
    assert not User.objects.exists()


def test_an_address_that_grows_in_lower_case_is_measured_as_it_is_stored() -> None:
    # One character whose lower case has two: 250 characters as sent, more as stored.
    domain = ".".join(["\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}" * 12] * 18)

    answer = register(email=f"dave@{domain}.example")

    assert_error(answer, 400, "validation_error", "email")
    assert not User.objects.exists()


def test_a_closed_registration_makes_nobody(settings: Settings) -> None:
    settings.ACCOUNTS = settings.ACCOUNTS | {"REGISTRATION_OPEN": False}

    answer = register()

    assert_error(answer, 403, "permission_denied")
    assert answer.json()["message"] == "Registration is closed."
    assert not User.objects.exists()
