"""The administration's own form for signing in: the same limits as at every door."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import AuditEvent, User
from tests.people import PASSWORD
from tests.web.conftest import Overtake
from tests.web.laptop import Laptop, text_of

REFUSED = "Please enter the correct email address and password for a staff account."


def sign_in(laptop: Laptop, email: str, password: str = PASSWORD) -> Any:
    return laptop.post("/admin/login/?next=/admin/", {"username": email, "password": password})


def test_staff_come_in_and_have_a_row(laptop: Laptop, carol: User) -> None:
    answer = sign_in(laptop, carol.email)

    assert (answer.status_code, answer.url) == (302, "/admin/")
    assert laptop.row.user == carol
    assert laptop.get("/admin/").status_code == 200


@pytest.mark.parametrize("password", [PASSWORD, "wrong"])
def test_others_cannot_tell_whether_the_password_was_right(
    laptop: Laptop, bob: User, password: str
) -> None:
    answer = sign_in(laptop, bob.email, password)

    assert REFUSED in answer.content.decode()
    assert not laptop.is_signed_in


def test_failures_are_counted_and_recorded(laptop: Laptop, carol: User) -> None:
    for _try in range(10):
        sign_in(laptop, carol.email, "wrong")

    answer = sign_in(laptop, carol.email)
    elsewhere = laptop.sign_in(carol)

    assert "Too many failed attempts. Please try again in" in answer.content.decode()
    assert elsewhere.status_code == 429
    assert not laptop.is_signed_in
    assert AuditEvent.objects.filter(type="login.failed").count() == 10
    assert AuditEvent.objects.filter(type="login.locked_out").count() == 1


@pytest.mark.parametrize(("email", "password"), [("", PASSWORD), ("carol@example.com", "")])
def test_what_is_missing_is_asked_for(
    laptop: Laptop, carol: User, email: str, password: str
) -> None:
    answer = sign_in(laptop, email, password)

    assert "This field is required." in answer.content.decode()
    assert not AuditEvent.objects.exists()


def test_a_sign_in_that_a_change_overtakes_is_refused_with_a_page(
    laptop: Laptop, carol: User, overtaken: Overtake
) -> None:
    overtaken(1)

    answer = sign_in(laptop, carol.email)

    assert answer.status_code == 400
    assert "Email or password is incorrect." in text_of(answer)
    assert laptop.get("/admin/").status_code == 302
    assert not laptop.is_signed_in


def test_signing_out_there_ends_the_row(laptop: Laptop, carol: User) -> None:
    sign_in(laptop, carol.email)
    row = laptop.row

    laptop.post("/admin/logout/")

    row.refresh_from_db()
    assert row.end_reason == "logout"
    assert laptop.get("/admin/").status_code == 302
