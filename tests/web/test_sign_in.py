"""Signing a browser in."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import AuditEvent, User, UserSession
from tests.people import PASSWORD
from tests.web.conftest import LaptopOf, Overtake
from tests.web.laptop import Laptop, text_of


def test_a_browser_that_signs_in_has_a_row_and_comes_to_its_devices(
    laptop: Laptop, alice: User
) -> None:
    answer = laptop.sign_in(alice)

    assert answer.url == "/account/sessions"
    row = laptop.row
    assert (row.user, row.client, row.device_name) == (alice, "browser", "Firefox on Linux")
    assert laptop.is_signed_in


def test_the_address_may_be_written_in_capitals(laptop: Laptop, alice: User) -> None:
    laptop.post("login", {"email": " ALICE@example.com ", "password": PASSWORD})

    assert laptop.is_signed_in


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("alice@example.com", "wrong"),
        ("nobody@example.com", PASSWORD),
        ("dave@example.com", PASSWORD),
    ],
)
def test_a_wrong_address_a_wrong_password_and_an_inactive_user_look_the_same(
    laptop: Laptop, alice: User, email: str, password: str
) -> None:
    User.objects.create_user("dave@example.com", PASSWORD, is_active=False)

    answer = laptop.post("login", {"email": email, "password": password})

    assert answer.status_code == 400
    assert "Email or password is incorrect." in text_of(answer)
    assert "Error:" in answer.content.decode()
    assert not UserSession.objects.exists()
    assert not laptop.is_signed_in


def test_a_password_is_never_written_back_into_the_page(laptop: Laptop, alice: User) -> None:
    answer = laptop.sign_in(alice, "a wrong secret")

    assert alice.email in answer.content.decode()
    assert "a wrong secret" not in answer.content.decode()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"email": "alice@example.com"},
        {"email": "alice", "password": PASSWORD},
        {"email": "alice@example.com\0", "password": PASSWORD},
        {"email": "alice@example.com", "password": "\0"},
        {"email": "alice@example.com", "password": "x" * 257},
        {"email": f"{'x' * 255}@example.com", "password": PASSWORD},
        {"email": b"\xed\xa0\x80@example.com", "password": b"\xed\xa0\x80"},
    ],
)
def test_what_cannot_be_right_is_refused_before_anything_is_counted(
    laptop: Laptop, alice: User, fields: dict[str, Any]
) -> None:
    answer = laptop.post("login", fields)

    assert answer.status_code == 400
    assert not laptop.is_signed_in
    assert not AuditEvent.objects.filter(type="login.failed").exists()


def test_the_cursor_is_where_something_is_to_be_done(laptop: Laptop, alice: User) -> None:
    first = laptop.get("login").content.decode()
    half_filled = laptop.post("login", {"email": alice.email}).content.decode()
    refused = laptop.sign_in(alice, "wrong").content.decode()

    assert _element_with_autofocus(first) == '<input type="email" name="email"'
    assert _element_with_autofocus(half_filled) == '<input type="password" name="password"'
    assert _element_with_autofocus(refused) == '<div class="alert" role="alert"'


def _element_with_autofocus(html: str) -> str:
    before, found, _after = html.partition("autofocus")
    assert found
    assert "autofocus" not in _after
    return " ".join(before[before.rindex("<") :].split()[:3])


def test_after_too_many_failures_one_is_told_how_long_to_wait(
    laptop: Laptop, alice: User, bob: User, laptop_of: LaptopOf
) -> None:
    for _try in range(10):
        assert laptop.sign_in(alice, "wrong").status_code == 400

    answer = laptop.sign_in(alice)

    assert answer.status_code == 429
    assert 25 <= int(answer["Retry-After"]) <= 31
    assert "Too many failed attempts. Please try again in" in text_of(answer)
    assert "seconds" in text_of(answer)
    assert not laptop.is_signed_in
    assert laptop_of(bob).is_signed_in


def test_pages_and_api_count_failures_together(laptop: Laptop, alice: User) -> None:
    for _try in range(5):
        laptop.sign_in(alice, "wrong")
        laptop.client.post(
            "/auth/login", {"email": alice.email, "password": "wrong"}, "application/json"
        )

    assert laptop.sign_in(alice).status_code == 429


@pytest.mark.parametrize(
    ("asked", "led"),
    [
        ("/account/password", "/account/password"),
        ("/admin/?x=1&y=2", "/admin/?x=1&y=2"),
        ("http://testserver/auth/profile", "http://testserver/auth/profile"),
        ("", "/account/sessions"),
        ("https://evil.example/", "/account/sessions"),
        ("//evil.example/", "/account/sessions"),
        ("/\\evil.example/", "/account/sessions"),
        ("javascript:alert(1)", "/account/sessions"),
        ("http://[", "/account/sessions"),
        ("/" + "x" * 2000, "/account/sessions"),
        ("/a\r\nSet-Cookie: x=1", "/a%0D%0ASet-Cookie:%20x=1"),
        ("/\0", "/%00"),
    ],
)
def test_next_leads_to_this_site_only(laptop: Laptop, alice: User, asked: str, led: str) -> None:
    answer = laptop.sign_in(alice, next=asked)

    assert (answer.status_code, answer.url) == (302, led)


def test_next_is_kept_from_the_link_to_the_form(laptop: Laptop, alice: User) -> None:
    page = laptop.get("login", next="/account/password").content.decode()
    foreign = laptop.get("login", next="https://evil.example/").content.decode()

    assert '<input type="hidden" name="next" value="/account/password">' in page
    assert "evil.example" not in foreign.partition("<main")[2].partition("</main")[0]


def test_next_may_not_leave_https(laptop: Laptop, alice: User) -> None:
    fields = {"email": alice.email, "password": PASSWORD, "next": "http://testserver/x"}

    answer: Any = laptop.client.post("/account/login", fields, secure=True)

    assert answer.url == "/account/sessions"


def test_a_session_key_from_before_the_sign_in_is_worthless(laptop: Laptop, alice: User) -> None:
    planted = laptop.client.session
    planted["visited"] = True
    planted.save()
    laptop.client.cookies["sessionid"] = planted.session_key or ""

    laptop.sign_in(alice)

    assert laptop.cookie != planted.session_key
    assert not Session.objects.filter(session_key=planted.session_key).exists()
    thief = Laptop()
    thief.client.cookies["sessionid"] = planted.session_key or ""
    assert not thief.is_signed_in


def test_signing_in_again_replaces_the_row(
    laptop: Laptop, alice: User, laptop_of: LaptopOf
) -> None:
    elsewhere = laptop_of(alice)
    laptop.sign_in(alice)
    first = laptop.row

    laptop.sign_in(alice)

    first.refresh_from_db()
    assert (first.is_active, first.end_reason) == (False, "replaced")
    assert laptop.row.is_active
    assert elsewhere.is_signed_in


def test_somebody_else_who_signs_in_takes_nothing_over(
    laptop: Laptop, alice: User, bob: User, laptop_of: LaptopOf
) -> None:
    elsewhere = laptop_of(alice)
    laptop.sign_in(alice)
    of_alice, old_cookie = laptop.row, laptop.cookie

    laptop.sign_in(bob)

    of_alice.refresh_from_db()
    assert (of_alice.is_active, of_alice.end_reason) == (False, "replaced")
    assert laptop.row.user == bob
    assert laptop.cookie != old_cookie
    assert elsewhere.is_signed_in
    thief = Laptop()
    thief.client.cookies["sessionid"] = old_cookie
    assert not thief.is_signed_in


def test_somebody_signed_in_is_told_so_and_may_go_on(alice: User, laptop_of: LaptopOf) -> None:
    page = laptop_of(alice).get("login", next="/account/password")

    assert f"You are signed in as {alice.email} ." in text_of(page)
    assert '<a href="/account/password">Continue</a>' in page.content.decode()


def test_a_refused_attempt_leaves_whoever_is_signed_in_signed_in(
    alice: User, bob: User, laptop_of: LaptopOf
) -> None:
    laptop = laptop_of(alice)

    laptop.sign_in(bob, "wrong")

    assert laptop.is_signed_in
    assert laptop.row.user == alice


def test_two_tabs_share_one_cookie(laptop: Laptop, alice: User) -> None:
    laptop.sign_in(alice)
    other_tab = Laptop()
    other_tab.client.cookies = laptop.client.cookies

    other_tab.post("logout")

    assert not laptop.is_signed_in


def test_a_form_from_before_another_tab_signed_in_is_out_of_date(alice: User) -> None:
    client = Client(enforce_csrf_checks=True)
    form = {"email": alice.email, "password": PASSWORD}
    stale = _token(client.get("/account/login"))
    client.post("/account/login", {**form, "csrfmiddlewaretoken": stale})

    answer = client.post("/account/login", {**form, "csrfmiddlewaretoken": stale})

    assert answer.status_code == 403
    assert "This page is out of date" in answer.content.decode()
    assert '<a class="button" href="/account/login">' in answer.content.decode()


def _token(page: Any) -> str:
    return str(page.context["csrf_token"])


def test_a_password_that_keeps_changing_meanwhile_does_not_sign_in(
    laptop: Laptop, alice: User, overtaken: Overtake
) -> None:
    overtaken(3)

    answer = laptop.sign_in(alice)

    assert answer.status_code == 400
    assert "Email or password is incorrect." in text_of(answer)
    assert not UserSession.objects.exists()
    assert not laptop.is_signed_in


def test_a_password_that_was_rehashed_meanwhile_signs_in_at_the_second_try(
    laptop: Laptop, alice: User, overtaken: Overtake
) -> None:
    overtaken(1)

    laptop.sign_in(alice)

    assert laptop.is_signed_in


def test_the_form_itself_asks_the_database_nothing(
    laptop: Laptop, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        laptop.get("login")
