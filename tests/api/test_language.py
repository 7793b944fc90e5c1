"""Messages in the reader's language; codes and fields in nobody's."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from tests.api.endpoints import ALL
from tests.people import PASSWORD, Phone

pytestmark = pytest.mark.django_db

SignIn = Callable[..., Phone]
HAN = re.compile("[\N{CJK UNIFIED IDEOGRAPH-4E00}-\N{CJK UNIFIED IDEOGRAPH-9FFF}]")


def call(name: str, body: object = None, **headers: str) -> Callable[[Phone], Any]:
    """Return how to make the call; without a body with the one the endpoint takes."""
    endpoint = ALL[name]
    content = endpoint.body if body is None else body
    return lambda phone: phone.call(endpoint.method, endpoint.path, content, **headers)


def other(method: str, path: str, body: object = None, **headers: str) -> Callable[[Phone], Any]:
    """Return how to make a call of another kind."""
    return lambda phone: phone.call(method, path, body, **headers)


def refreshed(phone: Phone) -> Any:
    """Refresh with the phone's own token."""
    body = {"refresh_token": phone.tokens["refresh_token"]}
    return phone.call("post", "/auth/refresh", body)


def after_logout(phone: Phone) -> Any:
    """Use a token after the logout."""
    phone.call("post", "/auth/logout")
    return phone.call("get", "/auth/profile")


CALLS: dict[str, Callable[[Phone], Any]] = {
    "registered": call("register"),
    "signed-in": call("login"),
    "refreshed": refreshed,
    "logged-out": call("logout"),
    "logged-out-here": call("logout-current"),
    "logged-out-elsewhere": call("logout-others"),
    "revoked": call("revoke"),
    "sessions": call("sessions"),
    "profile": call("profile"),
    "profile-changed": call("profile-change"),
    "wrong-password": call("login", {"email": "alice@example.com", "password": "wrong"}),
    "taken": call("register", {"email": "alice@example.com", "password": PASSWORD}),
    "weak-password": call("register", {"email": "dave@example.com", "password": "12345"}),
    "missing": call("login", {}),
    "not-an-address": call("login", {"email": "alice", "password": "x"}),
    "wrong-locale": call("profile-change", {"locale": "?"}),
    "wrong-zone": call("profile-change", {"time_zone": "Mars/Olympus"}),
    "wrong-picture": call("profile-change", {"avatar_url": "ftp://example.com/x.png"}),
    "no-object": call("login", []),
    "no-json": lambda phone: phone.client.post(
        "/auth/login", b"{", content_type="application/json"
    ),
    "nested": call("login", {"email": [[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]}),
    "no-credentials": call("profile", Authorization=""),
    "bad-token": call("profile", Authorization="Bearer x"),
    "ended": after_logout,
    "no-such-session": call("session"),
    "no-such-page": other("get", "/auth/nothing"),
    "no-such-cursor": other("get", "/auth/events?cursor=x"),
    "wrong-method": other("get", "/auth/login"),
    "not-acceptable": call("profile", Accept="image/png"),
    "many-parameters": other("get", f"/auth/profile?{'a=1&' * 300}"),
    "unknown-host": other("get", "/auth/profile", Host="elsewhere.example"),
    "large": call("login", {"email": "x" * 300_000}),
    "unknown-kind": lambda phone: phone.client.post("/auth/login", "x", content_type="text/plain"),
}


def messages(content: dict[str, Any]) -> list[str]:
    """Return everything in the answer that people read."""
    errors = (content["data"] or {}).get("errors", []) if not content["success"] else []
    return [content["message"], *(error["message"] for error in errors)]


def without_messages(content: dict[str, Any]) -> tuple[object, ...]:
    """Return what programs read of a refusal."""
    errors = (content["data"] or {}).get("errors", [])
    return content["code"], content["field"], [(e["field"], e["code"]) for e in errors]


@pytest.mark.parametrize("make", CALLS.values(), ids=CALLS)
def test_every_message_is_there_in_chinese(
    alice: User, phone_of: SignIn, make: Callable[[Phone], Any]
) -> None:
    phone = phone_of(alice)
    phone.client = APIClient(headers={"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"})

    content = make(phone).json()

    assert all(HAN.search(message) for message in messages(content)), content


@pytest.mark.parametrize("make", CALLS.values(), ids=CALLS)
def test_without_a_wish_every_message_is_in_english(
    alice: User, phone_of: SignIn, make: Callable[[Phone], Any]
) -> None:
    content = make(phone_of(alice)).json()

    assert all(message.isascii() for message in messages(content)), content


@pytest.mark.parametrize("name", ["taken", "weak-password", "missing", "ended", "no-such-session"])
def test_codes_and_fields_are_the_same_in_every_language(
    alice: User, phone_of: SignIn, name: str
) -> None:
    english, chinese = phone_of(alice), phone_of(alice)
    chinese.client = APIClient(headers={"Accept-Language": "zh-hans"})

    found = [CALLS[name](phone).json() for phone in (english, chinese)]

    assert without_messages(found[0]) == without_messages(found[1])
    assert messages(found[0]) != messages(found[1])


@pytest.mark.parametrize(
    ("wish", "language"),
    [
        ("zh-hans", "zh-hans"),
        ("zh-Hans", "zh-hans"),
        ("zh-CN", "zh-hans"),
        ("zh-Hans-CN", "zh-hans"),
        ("zh-SG", "zh-hans"),
        ("zh", "zh-hans"),
        ("fr, zh-CN;q=0.9, en;q=0.5", "zh-hans"),
        ("en-GB, zh-CN;q=0.9", "en"),
        ("en", "en"),
        ("fr", "en"),
        ("*", "en"),
        ("", "en"),
    ],
)
def test_the_language_is_the_best_of_those_asked_for(
    alice: User, phone_of: SignIn, wish: str, language: str
) -> None:
    answer = phone_of(alice).call("post", "/auth/logout", **{"Accept-Language": wish})

    message = answer.json()["message"]
    assert answer["Content-Language"] == language
    assert "Accept-Language" in answer["Vary"]
    assert (message == "Logout successful") == (language == "en")
    assert bool(HAN.search(message)) == (language == "zh-hans")


def test_one_request_does_not_choose_the_language_of_the_next(alice: User) -> None:
    APIClient().get("/auth/profile", headers={"Accept-Language": "zh-CN"})

    content = APIClient().get("/auth/profile").json()

    assert content["message"].isascii()
