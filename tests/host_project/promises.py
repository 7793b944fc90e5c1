"""
What ``accounts`` promises to a stranger's project; run inside of it by tests/test_host_project.py.

People here sign in with whatever the user model says: a username, or a handle.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.cache import caches
from django.db import connection
from django.test import Client

ROOT = "/api/auth/"
PASSWORD = "correct horse battery staple"
MODEL: Any = get_user_model()
FIELD: str = MODEL.USERNAME_FIELD

# With real commits: what follows them is part of the promises.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _clean_cache() -> None:
    caches["default"].clear()


class App:
    """An app on somebody's device."""

    def __init__(self, name: str = "") -> None:
        self.tokens: dict[str, Any] = {}
        if name:
            self.register(name)
            self.tokens = self.ok("post", "login", {FIELD: name, "password": PASSWORD})

    def register(self, name: str) -> Any:
        """Make an account."""
        return self.ok("post", "register", {FIELD: name, "password": PASSWORD, "name": "Ada"})

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Make a call, with the access token if there is one; return the response."""
        headers = {}
        if self.tokens:
            headers["Authorization"] = f"Bearer {self.tokens['access_token']}"
        call = getattr(Client(), method)
        return call(ROOT + path, body, content_type="application/json", headers=headers)

    def ok(self, method: str, path: str, body: object = None) -> Any:
        """Make a call that must succeed; return its data."""
        content = self.call(method, path, body).json()
        assert content["success"], content
        return content["data"]

    def code(self, method: str, path: str, body: object = None) -> tuple[int, str, str | None]:
        """Make a call that must fail; return how it did."""
        answer = self.call(method, path, body)
        content = answer.json()
        assert set(content) == {"success", "message", "data", "code", "field"}
        return answer.status_code, content["code"], content["field"]


def test_somebody_registers_with_what_this_project_calls_people() -> None:
    user = App().register("ada")["user"]

    row = MODEL.objects.get(**{FIELD: "ada"})
    assert user == {"id": str(row.pk), "email": "", "name": getattr(row, "name", "")}
    assert isinstance(row.pk, int)
    assert row.check_password(PASSWORD)


def test_a_name_that_is_taken_or_malformed_is_told_by_its_field() -> None:
    app = App("ada")

    assert app.code("post", "register", {FIELD: "ada", "password": PASSWORD}) == (
        400,
        "validation_error",
        FIELD,
    )
    for wrong in ("", "a b", "a\0", "x" * 500, None):
        body = {FIELD: wrong, "password": PASSWORD}
        assert app.code("post", "register", body) == (400, "validation_error", FIELD), wrong
    answer = app.call("post", "register", {FIELD: "ada", "password": PASSWORD}).json()
    assert "email" not in answer["message"]
    assert FIELD in answer["message"].lower()


def test_a_token_carries_the_integer_key_as_text() -> None:
    app = App("ada")

    payload = app.tokens["access_token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    assert claims["sub"] == str(MODEL.objects.get().pk)
    assert (claims["iss"], claims["aud"]) == ("host", "host")


@pytest.mark.parametrize("wrong", [{FIELD: "eve"}, {"password": "not hers"}])
def test_wrong_credentials_are_refused(wrong: dict[str, str]) -> None:
    App("ada")

    body = {FIELD: "ada", "password": PASSWORD} | wrong

    assert App().code("post", "login", body) == (401, "invalid_credentials", None)


def test_a_profile_shows_as_empty_what_the_model_does_not_have() -> None:
    app = App("ada")

    profile = app.ok("get", "profile")

    user = MODEL.objects.get()
    joined = hasattr(user, "date_joined")
    assert (profile.pop("date_joined") is not None) is joined
    assert profile == {
        "id": str(user.pk),
        "email": "",
        "name": getattr(user, "name", ""),
        "locale": "",
        "time_zone": "",
        "avatar_url": "",
    }


def test_a_change_of_what_the_model_does_not_have_is_ignored() -> None:
    app, bob = App("ada"), App("bob")
    before, bobs = app.ok("get", "profile"), bob.ok("get", "profile")

    app.ok("patch", "profile", {"locale": "de", "time_zone": "Europe/Berlin", "is_staff": True})
    after = app.ok("patch", "profile", {"name": "Ada L."})

    expected = before | ({"name": "Ada L."} if hasattr(MODEL, "name") else {})
    assert after == expected
    assert app.ok("get", "profile") == expected
    assert bob.ok("get", "profile") == bobs
    assert not MODEL.objects.filter(is_staff=True).exists()


def test_signing_out_ends_every_session_of_this_user_and_of_no_other() -> None:
    phone, bob = App("ada"), App("bob")
    laptop = App()
    laptop.tokens = laptop.ok("post", "login", {FIELD: "ada", "password": PASSWORD})
    assert len(phone.ok("get", "sessions")) == 2

    assert phone.ok("post", "logout") is None

    for device in (phone, laptop):
        assert device.code("get", "profile") == (401, "session_ended", None)
        refresh = {"refresh_token": device.tokens["refresh_token"]}
        assert App().code("post", "refresh", refresh) == (401, "session_ended", None)
    assert len(bob.ok("get", "sessions")) == 1


def test_a_session_is_refreshed_and_ended_by_its_owner_alone() -> None:
    app, bob = App("ada"), App("bob")
    app.tokens |= app.ok("post", "refresh", {"refresh_token": app.tokens["refresh_token"]})
    mine = app.ok("get", "sessions")[0]["id"]

    assert bob.code("delete", f"sessions/{mine}") == (404, "not_found", None)
    assert app.ok("get", "sessions")[0]["current"]
    assert app.ok("delete", f"sessions/{mine}") is None

    assert app.code("get", "sessions") == (401, "session_ended", None)
    assert bob.ok("get", "events")["results"][0]["type"] == "session.started"


def test_a_stranger_gets_the_envelope_wherever_the_api_was_put() -> None:
    assert App().code("get", "sessions") == (401, "not_authenticated", None)
    assert App().code("get", "nowhere") == (404, "not_found", None)


def test_deleting_a_user_takes_the_sessions_and_leaves_the_trail() -> None:
    app, bob = App("ada"), App("bob")
    user = MODEL.objects.get(**{FIELD: "ada"})
    key = str(user.pk)

    user.delete()

    assert app.code("get", "profile") == (401, "token_invalid", None)
    assert bob.ok("get", "sessions")
    trail = apps.get_model("accounts.AuditEvent").objects.filter(user_id=key)
    assert set(trail.values_list("type", flat=True)) == {"user.registered", "session.started"}


def test_staff_finds_sessions_by_what_people_are_called_and_signs_them_out() -> None:
    app, bob = App("ada"), App("bob")
    carol = MODEL.objects.create_user(
        **{FIELD: "carol"}, password=PASSWORD, is_staff=True, is_superuser=True
    )
    office = Client()
    office.force_login(carol)
    path = "/office/accounts/usersession/"

    for term in ("ADA", app.tokens["session"]["id"]):
        found = list(office.get(path, {"q": term}).context["cl"].result_list)
        assert [str(session.pk) for session in found] == [app.tokens["session"]["id"]]
    chosen = {"action": "sign_out", "_selected_action": str(found[0].pk)}
    office.post(path, {**chosen, "post": "yes"})

    assert app.code("get", "profile") == (401, "session_ended", None)
    assert bob.ok("get", "sessions")
    office.force_login(MODEL.objects.get(**{FIELD: "bob"}))
    assert office.get(path).status_code == 302


def test_people_sign_in_on_the_pages_and_sign_out_everywhere() -> None:
    app, bob = App("ada"), App("bob")
    browser = Client()
    form = {FIELD: "ada", "password": PASSWORD}

    shown = browser.get("/me/login").content.decode()
    refused = browser.post("/me/login", {**form, "password": "wrong"})
    answer = browser.post("/me/login", form)
    page = browser.get("/me/sessions").content.decode()

    assert f'<label for="id_{FIELD}">' in shown
    assert "简体中文" not in shown
    assert (refused.status_code, answer.headers["Location"]) == (400, "/me/sessions")
    assert page.count("data-confirm=") == 4
    browser.post("/me/sessions/logout/all")
    assert app.code("get", "profile") == (401, "session_ended", None)
    assert browser.get("/me/sessions").status_code == 302
    assert bob.ok("get", "sessions")


def office_of(name: str) -> Client:
    """Return the browser of somebody who may do everything in the administration."""
    staff = MODEL.objects.create_user(**{FIELD: name}, password=PASSWORD)
    MODEL.objects.filter(pk=staff.pk).update(is_staff=True, is_superuser=True)
    browser = Client()
    assert browser.login(**{FIELD: name, "password": PASSWORD})
    return browser


def test_staff_finds_people_by_what_this_project_calls_them_and_signs_them_out() -> None:
    app, bob, office = App("ada"), App("bob"), office_of("carol")
    key = MODEL.objects.get(**{FIELD: "ada"}).pk
    sessions = "/office/accounts/usersession/"

    found = [office.get(sessions, {"q": term}).context["cl"].result_list for term in ("AD", key)]
    asked = office.get(f"{sessions}end-matching/?q=ada")
    office.post(f"{sessions}end-matching/?q=ada")

    assert [[row.user_id for row in rows] for rows in found] == [[key], [key]]
    assert "This signs out 1 person on 1 device." in asked.content.decode()
    assert app.code("get", "profile") == (401, "session_ended", None)
    assert bob.ok("get", "sessions")
    assert office.get("/office/").context["overview"].plots


def test_people_are_links_only_where_the_administration_has_a_page_about_them() -> None:
    App("ada")
    key, office = MODEL.objects.get(**{FIELD: "ada"}).pk, office_of("carol")

    page = office.get("/office/accounts/auditevent/").content.decode()

    options = MODEL._meta
    link = f'<a href="/office/{options.app_label}/{options.model_name}/{key}/change/">ada</a>'
    assert (link in page) is admin.site.is_registered(MODEL)
    assert ">ada<" in page


def test_our_own_user_model_leaves_no_trace() -> None:
    ours = apps.get_model("accounts.User")

    assert not admin.site.is_registered(ours)
    assert ours._meta.db_table not in connection.introspection.table_names()
