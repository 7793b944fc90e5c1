"""The API asked by a browser: the cookie is as good as a token, and dies like one."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.test import Client, override_settings

from accounts.models import AuditEvent, User
from tests.people import PASSWORD, Phone, assert_error
from tests.web.laptop import Laptop

pytestmark = pytest.mark.django_db

PhoneOf = Callable[..., Phone]
NEW = "another horse, another battery"
CHANGING = [
    ("post", "/auth/logout"),
    ("post", "/auth/logout/current"),
    ("post", "/auth/logout/others"),
    ("patch", "/auth/profile"),
    ("post", "/auth/password/change"),
]


class Browser(Laptop):
    """A laptop whose server asks for the CSRF token, as it does in use."""

    def __init__(self) -> None:
        super().__init__(client=Client(enforce_csrf_checks=True))

    def sign_in(self, user: User, password: str = PASSWORD, **more: str) -> Any:
        """Go to the page and send its form."""
        form = {"csrfmiddlewaretoken": self.csrf_token("login"), **more}
        return super().sign_in(user, password, **form)

    def csrf_token(self, page: str = "password") -> str:
        """Return the token that stands in a page."""
        found = re.search(
            r'name="csrfmiddlewaretoken" value="(\w+)"', self.get(page).content.decode()
        )
        assert found is not None
        return found[1]

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        """Make a call to the API as the page's own script would, without a token unless given."""
        call = getattr(self.client, method)
        return call(path, body, content_type="application/json", headers=headers)

    def tell(self, method: str, path: str, body: object = None) -> Any:
        """Make a call that changes something."""
        return self.ask(method, path, body, **{"X-CSRFToken": self.csrf_token()})


@pytest.fixture
def browser(alice: User) -> Browser:
    """Alice's, signed in."""
    browser = Browser()
    assert browser.sign_in(alice).status_code == 302
    return browser


def reasons() -> set[str]:
    """Return why sessions ended, of those whose end is in the trail."""
    ends = AuditEvent.objects.filter(type="session.ended")
    return set(ends.values_list("reason", flat=True))


def test_a_cookie_says_who_asks_and_which_session_it_is(
    browser: Browser, alice: User, phone_of: PhoneOf
) -> None:
    phone_of(alice)

    profile = browser.ask("get", "/auth/profile").json()["data"]
    listed = browser.ask("get", "/auth/sessions").json()["data"]

    assert profile["email"] == alice.email
    assert [(one["id"], one["client"]) for one in listed if one["current"]] == [
        (str(browser.session_id), "browser")
    ]
    assert len(listed) == 2


@pytest.mark.parametrize(("method", "path"), CHANGING)
def test_another_site_cannot_have_the_browser_change_anything(
    browser: Browser, alice: User, phone_of: PhoneOf, method: str, path: str
) -> None:
    phone = phone_of(alice)

    missing = browser.ask(method, path, {})
    wrong = browser.ask(method, path, {}, **{"X-CSRFToken": "x" * 32})

    for answer in (missing, wrong):
        assert_error(answer, 403, "csrf_failed")
    assert browser.is_signed_in
    assert phone.is_signed_in
    assert reasons() == set()


def test_a_token_needs_no_csrf_token(browser: Browser, alice: User, phone_of: PhoneOf) -> None:
    phone = phone_of(alice)

    answer = browser.ask(
        "post", "/auth/logout", Authorization=f"Bearer {phone.tokens['access_token']}"
    )

    assert answer.status_code == 200
    assert not phone.is_signed_in


def test_a_logout_with_the_cookie_ends_everything_and_takes_the_cookie_back(
    browser: Browser, alice: User, bob: User, phone_of: PhoneOf
) -> None:
    phone, bobs, row, copy = phone_of(alice), phone_of(bob), browser.row, browser.cookie

    answer = browser.tell("post", "/auth/logout")

    assert (answer.status_code, answer.json()["message"]) == (200, "Logout successful")
    assert browser.cookie == ""
    row.refresh_from_db()
    assert row.end_reason == "logout_all"
    assert not phone.is_signed_in
    assert bobs.is_signed_in
    thief = Browser()
    thief.client.cookies[settings.SESSION_COOKIE_NAME] = copy
    assert_error(thief.ask("get", "/auth/profile"), 401, "not_authenticated")


@pytest.mark.parametrize("path", ["/auth/logout/current", "/auth/sessions/{id}"])
def test_a_browser_that_signs_itself_out_leaves_the_others(
    browser: Browser, alice: User, phone_of: PhoneOf, path: str
) -> None:
    phone, row = phone_of(alice), browser.row
    method = "delete" if "{id}" in path else "post"

    answer = browser.tell(method, path.format(id=row.pk))

    assert answer.status_code == 200
    assert browser.cookie == ""
    row.refresh_from_db()
    assert not row.is_active
    assert phone.is_signed_in


def test_a_browser_that_signs_out_the_others_or_one_of_them_goes_on(
    browser: Browser, alice: User, phone_of: PhoneOf
) -> None:
    one, other = phone_of(alice), phone_of(alice)

    revoked = browser.tell("delete", f"/auth/sessions/{one.session.pk}")
    ended = browser.tell("post", "/auth/logout/others")

    assert (revoked.status_code, ended.json()["data"]) == (200, {"ended": 1})
    assert not one.is_signed_in
    assert not other.is_signed_in
    assert browser.is_signed_in


@pytest.mark.parametrize("path", ["/auth/logout", "/auth/logout/current"])
def test_a_token_that_signs_out_leaves_the_cookie_of_somebody_else_alone(
    browser: Browser, bob: User, phone_of: PhoneOf, path: str
) -> None:
    phone = phone_of(bob)

    answer = browser.ask("post", path, Authorization=f"Bearer {phone.tokens['access_token']}")

    assert answer.status_code == 200
    assert not phone.is_signed_in
    assert browser.is_signed_in
    assert browser.row.is_active


def test_a_token_that_signs_out_here_leaves_ones_own_browser_signed_in(
    browser: Browser, alice: User, phone_of: PhoneOf
) -> None:
    phone = phone_of(alice)
    bearer = f"Bearer {phone.tokens['access_token']}"

    answer = browser.ask("post", "/auth/logout/current", Authorization=bearer)

    assert answer.status_code == 200
    assert browser.is_signed_in


def test_a_bad_token_is_not_made_good_by_a_cookie(browser: Browser) -> None:
    answer = browser.ask("get", "/auth/profile", Authorization="Bearer forged")

    assert_error(answer, 401, "token_invalid")
    assert browser.is_signed_in


def test_a_cookie_whose_session_has_ended_is_told_so_once(
    browser: Browser, alice: User, phone_of: PhoneOf
) -> None:
    phone_of(alice).ok("post", "/auth/logout")

    answer, again = browser.ask("get", "/auth/profile"), browser.ask("get", "/auth/profile")

    assert_error(answer, 401, "session_ended")
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert_error(again, 401, "not_authenticated")


def test_a_password_changed_with_the_cookie_keeps_this_browser_only(
    browser: Browser, alice: User, bob: User, phone_of: PhoneOf
) -> None:
    phone, bobs, before = phone_of(alice), phone_of(bob), browser.cookie
    body = {"current_password": PASSWORD, "new_password": NEW}

    answer = browser.tell("post", "/auth/password/change", body)

    assert answer.status_code == 200
    assert browser.is_signed_in
    assert browser.cookie != before
    assert not phone.is_signed_in
    assert bobs.is_signed_in
    assert reasons() == {"password_changed"}


def test_in_production_the_browser_forgets_all_it_kept(browser: Browser) -> None:
    token = browser.csrf_token()

    with override_settings(ACCOUNTS={**settings.ACCOUNTS, "REQUIRE_HTTPS": True}):
        answer = browser.client.post(
            "/auth/logout",
            secure=True,
            headers={"X-CSRFToken": token, "Referer": "https://testserver/"},
        )

    assert answer.status_code == 200
    assert answer["Clear-Site-Data"] == '"cache", "cookies", "storage"'
