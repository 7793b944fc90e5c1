"""The API in a browser: each endpoint as a page, showing the envelope, with a form to send."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from tests.people import PASSWORD, Phone

PhoneOf = Callable[..., Phone]

READABLE = ["/auth/profile", "/auth/sessions", "/auth/events", "/auth/workspace"]
ACTIONS = ["/auth/register", "/auth/login", "/auth/refresh", "/auth/revoke"]
SIGNED_IN_ACTIONS = ["/auth/logout", "/auth/logout/current", "/auth/logout/others"]


def page(phone: Phone, path: str, method: str = "get", body: object = None) -> Any:
    """Make the call as a browser does."""
    answer = phone.call(method, path, body, Accept="text/html,*/*;q=0.8")
    assert answer["Content-Type"].startswith("text/html")
    return answer


def shown(answer: Any) -> Any:
    """Return the content that the page shows."""
    text = re.sub(r"<[^>]+>", "", answer.content.decode().split("response-info")[1])
    found, _end = json.JSONDecoder().raw_decode(html.unescape(text[text.index("{") :]))
    return found


def body_form(answer: Any) -> str | None:
    """Return what the form for a body is filled in with, or None where there is no form."""
    found = re.search(
        r'<textarea name="_content"[^>]*>(.*?)</textarea>', answer.content.decode(), re.S
    )
    return found and html.unescape(found[1]).strip()


@pytest.mark.parametrize("path", READABLE)
def test_a_page_shows_the_envelope(path: str, phone_of: PhoneOf, alice: User) -> None:
    answer = page(phone_of(alice), path)

    assert answer.status_code == 200
    assert list(shown(answer)) == ["success", "message", "data", "code", "field"]
    assert shown(answer)["success"] is True


@pytest.mark.parametrize("path", READABLE)
def test_a_stranger_is_shown_the_401_and_no_form(path: str, db: None) -> None:
    answer = page(Phone(), path)

    assert answer.status_code == 401
    assert shown(answer)["code"] == "not_authenticated"
    assert body_form(answer) is None


@pytest.mark.parametrize("path", [*READABLE, *SIGNED_IN_ACTIONS])
def test_somebody_whose_session_ended_is_shown_the_401(
    path: str, phone_of: PhoneOf, alice: User
) -> None:
    phone = phone_of(alice)
    phone.ok("post", "/auth/logout")

    answer = page(phone, path)

    assert answer.status_code == 401
    assert shown(answer)["code"] == "session_ended"


def test_an_unknown_path_is_a_page_too() -> None:
    answer = page(Phone(), "/auth/nowhere")

    assert answer.status_code == 404
    assert shown(answer)["code"] == "not_found"
    assert "Unknown Path</a>" not in answer.content.decode()


@pytest.mark.parametrize("path", ACTIONS)
def test_a_path_that_takes_post_offers_a_body_to_fill_in(path: str) -> None:
    answer = page(Phone(), path)

    assert answer.status_code == 405
    assert shown(answer)["code"] == "method_not_allowed"
    assert set(json.loads(body_form(answer) or "{}").values()) == {""}


@pytest.mark.parametrize("path", SIGNED_IN_ACTIONS)
def test_signing_out_is_offered_to_who_is_signed_in_only(
    path: str, phone_of: PhoneOf, alice: User
) -> None:
    assert body_form(page(phone_of(alice), path)) == ""
    assert body_form(page(Phone(), path)) is None


def test_an_app_that_takes_a_wrong_method_costs_no_query(
    phone_of: PhoneOf, alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    phone = phone_of(alice)

    with django_assert_num_queries(0):
        assert phone.call("get", "/auth/logout").status_code == 405


def test_the_form_for_a_change_is_filled_in_with_what_is(phone_of: PhoneOf, alice: User) -> None:
    answer = page(phone_of(alice), "/auth/profile")

    assert json.loads(body_form(answer) or "") == {
        "name": "Alice",
        "locale": "",
        "time_zone": "",
        "avatar_url": "",
    }


def test_the_description_of_an_endpoint_fills_in_no_form(phone_of: PhoneOf, alice: User) -> None:
    answer = page(phone_of(alice), "/auth/profile", "options")

    assert shown(answer)["data"]["name"] == "Profile"
    assert json.loads(body_form(answer) or "")["name"] == ""


def test_what_the_form_offers_can_be_sent(phone_of: PhoneOf, alice: User) -> None:
    phone = phone_of(alice)
    body = json.loads(body_form(page(phone, "/auth/profile")) or "") | {
        "time_zone": "Asia/Shanghai"
    }

    answer = page(phone, "/auth/profile", "patch", body)

    assert answer.status_code == 200
    assert shown(answer)["data"]["time_zone"] == "Asia/Shanghai"
    assert User.objects.get(pk=alice.pk).name == "Alice"


def test_a_refused_body_is_shown_with_its_problems_and_offered_again(db: None) -> None:
    answer = page(Phone(), "/auth/login", "post", {"email": "alice@example.com"})

    assert answer.status_code == 400
    assert shown(answer)["field"] == "password"
    assert "password" in json.loads(body_form(answer) or "{}")


def test_what_somebody_called_themselves_is_no_markup(phone_of: PhoneOf, alice: User) -> None:
    alice.name = "<script>alert(1)</script>"
    alice.save(update_fields=["name"])

    answer = page(phone_of(alice), "/auth/profile")

    assert "<script>alert(1)" not in answer.content.decode()
    assert PASSWORD not in answer.content.decode()
