"""The middleware of the shipped settings: cheap for apps, and all there for browsers."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from django.test import Client

from accounts.models import User

pytestmark = pytest.mark.django_db


def test_an_answer_to_an_app_tells_caches_what_it_depends_on() -> None:
    answer = Client().get("/auth/profile")

    assert {name.strip().lower() for name in answer["Vary"].split(",")} >= {
        "accept",
        "accept-language",
        "origin",
    }


def test_a_page_does_not_depend_on_the_origin() -> None:
    answer = Client().get("/healthz")

    assert "origin" not in answer["Vary"].lower()


@pytest.mark.parametrize("header", ["zh-hans", "zh-CN,zh;q=0.9,en;q=0.8"])
def test_an_app_is_answered_in_the_language_it_asks_for(header: str) -> None:
    answer = Client().get("/auth/profile", headers={"Accept-Language": header})
    next_one = Client().get("/auth/profile")

    assert answer["Content-Language"] == "zh-hans"
    assert next_one["Content-Language"] == "en"


def test_an_origin_is_judged_by_the_settings() -> None:
    answer = Client().get("/auth/profile", headers={"Origin": "https://evil.example"})

    assert "Access-Control-Allow-Origin" not in answer


@pytest.mark.parametrize("given", [str(uuid4()), uuid4().hex])
def test_a_request_keeps_the_name_that_a_proxy_gave_it(given: str) -> None:
    assert Client().get("/auth/profile", headers={"X-Request-ID": given})["X-Request-ID"] == given


@pytest.mark.parametrize(
    "given", ["", "x", f"{{{uuid4()}}}", f"{uuid4()}\tx", f"urn:uuid:{uuid4()}"]
)
def test_a_request_with_a_strange_name_gets_another(given: str) -> None:
    answer = Client().get("/auth/profile", headers={"X-Request-ID": given})

    assert answer["X-Request-ID"] == str(UUID(answer["X-Request-ID"])) != given


def test_a_cookie_brings_an_api_call_its_browser_and_a_stale_one_nobody(alice: User) -> None:
    browser, stranger = Client(), Client()
    browser.force_login(alice)
    stranger.cookies["sessionid"] = "stale"

    assert browser.get("/auth/profile").json()["data"]["email"] == alice.email
    assert stranger.get("/auth/profile").status_code == 401
