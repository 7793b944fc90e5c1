"""GET and PATCH /auth/profile, and the cache before it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

import pytest
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django_redis import get_redis_connection
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from accounts.models import User
from tests.people import PASSWORD, Phone, assert_error

pytestmark = pytest.mark.django_db

SignIn = Callable[..., Phone]


class BrokenCache(BaseCache):
    """A cache that raises, whatever it is asked."""

    def __init__(self, _location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def _fail(self, *_args: object, **_options: object) -> Any:
        raise RuntimeError("the cache is broken")

    get = set = delete = delete_many = clear = _fail


def profile_of(user: User) -> dict[str, Any]:
    """Return what the endpoint should say of ``user``, as the row is now."""
    user.refresh_from_db()
    return {
        "id": str(user.pk),
        "email": user.email,
        "name": user.name,
        "locale": user.locale,
        "time_zone": user.time_zone,
        "avatar_url": user.avatar_url,
        "date_joined": user.date_joined.isoformat().replace("+00:00", "Z"),
    }


def test_a_profile_is_the_callers_own(alice: User, bob: User, phone_of: SignIn) -> None:
    phone, bobs = phone_of(alice), phone_of(bob)

    assert phone.ok("get", "/auth/profile") == profile_of(alice)
    assert bobs.ok("get", "/auth/profile") == profile_of(bob)


def test_a_profile_is_kept_in_the_cache_as_it_was_answered(alice: User, phone_of: SignIn) -> None:
    phone = phone_of(alice)

    answered = phone.ok("get", "/auth/profile")

    assert caches["default"].get(f"user_profile:{alice.pk}") == answered


def test_a_profile_is_read_through_the_cache(alice: User, phone_of: SignIn) -> None:
    phone = phone_of(alice)
    kept = profile_of(alice) | {"name": "As another service wrote it"}
    caches["default"].set(f"user_profile:{alice.pk}", kept)

    assert phone.ok("get", "/auth/profile") == kept


POISON = {
    "text": "Alice",
    "number": 42,
    "true": True,
    "list": [1, 2],
    "empty-list": [],
    "empty-object": {},
    "one-field": {"name": "Mallory"},
    "without-a-field": {
        "id": "1",
        "email": "m@example.com",
        "name": "M",
        "locale": "",
        "time_zone": "",
        "avatar_url": "",
    },
}
WHOLE = {
    "id": "1",
    "email": "m@example.com",
    "name": "M",
    "locale": "",
    "time_zone": "",
    "avatar_url": "",
    "date_joined": None,
}
POISON |= {
    "one-field-more": WHOLE | {"is_staff": True},
    "lone-surrogate": WHOLE | {"name": "\ud800"},
    "number-of-a-thousand-digits": WHOLE | {"name": 10**999},
    "nested-deeply": WHOLE | {"name": json.loads("[" * 300 + "]" * 300)},
}


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON)
def test_what_another_service_left_in_the_cache_is_replaced(
    alice: User, phone_of: SignIn, poison: object
) -> None:
    phone = phone_of(alice)
    caches["default"].set(f"user_profile:{alice.pk}", poison)

    answered = phone.ok("get", "/auth/profile")

    assert answered == profile_of(alice)
    assert caches["default"].get(f"user_profile:{alice.pk}") == answered


@pytest.mark.redis
@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda redis, key: redis.set(key, "{not json"), id="not-json"),
        pytest.param(lambda redis, key: redis.set(key, b"\x80\x04\x95"), id="not-utf-8"),
        pytest.param(lambda redis, key: redis.set(key, ""), id="empty"),
        pytest.param(lambda redis, key: redis.set(key, "[" * 100_000), id="nested-deeply"),
        pytest.param(lambda redis, key: redis.rpush(key, "a", "b"), id="a-redis-list"),
        pytest.param(lambda redis, key: redis.hset(key, "name", "M"), id="a-redis-hash"),
    ],
)
def test_what_is_no_document_in_redis_is_replaced(
    alice: User, phone_of: SignIn, write: Callable[[Any, str], object]
) -> None:
    phone, key = phone_of(alice), f"user_profile:{alice.pk}"
    redis = get_redis_connection("default")
    write(redis, key)

    answered = phone.ok("get", "/auth/profile")

    assert answered == profile_of(alice)
    assert json.loads(cast("bytes", redis.get(key))) == answered
    assert 0 < cast("int", redis.ttl(key)) <= 300


@pytest.mark.django_db(transaction=True)
def test_a_broken_cache_is_logged_and_changes_no_answer(
    settings: Settings, alice: User, phone_of: SignIn, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.BrokenCache"}}
    phone = phone_of(alice)

    assert phone.ok("get", "/auth/profile") == profile_of(alice)
    assert phone.ok("patch", "/auth/profile", {"name": "Alicia"})["name"] == "Alicia"
    assert phone.ok("post", "/auth/logout") is None

    assert not phone.is_signed_in
    warnings = [record for record in caplog.records if record.name == "accounts.user_cache"]
    assert {record.levelname for record in warnings} == {"WARNING"}
    assert all(record.exc_info for record in warnings)
    assert {record.getMessage().split(" user")[0] for record in warnings} == {
        "Could not read",
        "Could not write",
        "Could not clear the cache of",
    }


CHANGES = {
    "name": "爱丽丝 🙂",
    "locale": "zh-Hans",
    "time_zone": "Asia/Shanghai",
    "avatar_url": "https://example.com/alice.png",
}


@pytest.mark.parametrize(("field", "value"), CHANGES.items(), ids=CHANGES)
def test_a_field_can_be_changed_and_emptied_alone(
    alice: User, bob: User, phone_of: SignIn, field: str, value: str
) -> None:
    phone = phone_of(alice)
    before = profile_of(alice)

    changed = phone.ok("patch", "/auth/profile", {field: value})
    emptied = phone.ok("patch", "/auth/profile", {field: ""})

    assert changed == before | {field: value}
    assert emptied == before | {field: ""} == profile_of(alice)
    assert profile_of(bob)["name"] == "Bob"


@pytest.mark.django_db(transaction=True)
def test_a_change_is_seen_by_every_device_at_once(alice: User, bob: User, phone_of: SignIn) -> None:
    phone, tablet, bobs = phone_of(alice), phone_of(alice), phone_of(bob)
    tablet.ok("get", "/auth/profile")
    bobs_kept = bobs.ok("get", "/auth/profile")

    answer = phone.call("patch", "/auth/profile", CHANGES)

    assert (answer.status_code, answer.json()["message"]) == (200, "Profile updated")
    assert answer.json()["data"] == tablet.ok("get", "/auth/profile") == profile_of(alice)
    assert caches["default"].get(f"user:{alice.pk}") is None
    assert caches["default"].get(f"user_profile:{bob.pk}") == bobs_kept


def test_an_empty_change_changes_nothing(alice: User, phone_of: SignIn) -> None:
    phone = phone_of(alice)
    before = profile_of(alice)

    assert phone.ok("patch", "/auth/profile", {}) == before == profile_of(alice)


def test_what_is_not_the_callers_to_change_stays(alice: User, phone_of: SignIn) -> None:
    phone = phone_of(alice)
    before = profile_of(alice)

    answered = phone.ok(
        "patch",
        "/auth/profile",
        {
            "id": "1",
            "email": "mallory@example.com",
            "date_joined": "2000-01-01T00:00:00Z",
            "password": "x",
            "is_staff": True,
            "is_superuser": True,
            "is_active": False,
        },
    )

    assert answered == before == profile_of(alice)
    assert (alice.is_staff, alice.is_superuser, alice.is_active) == (False, False, True)
    assert alice.check_password(PASSWORD)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("name", "x" * 151, id="long-name"),
        pytest.param("name", None, id="null-name"),
        pytest.param("name", ["Alice"], id="name-in-a-list"),
        pytest.param("locale", "english please", id="locale-in-words"),
        pytest.param("locale", "en\nde", id="locale-and-a-line"),
        pytest.param("locale", "-" * 20, id="locale-of-hyphens"),
        pytest.param("locale", "zh-" + "x" * 20, id="long-locale"),
        pytest.param("time_zone", "Mars/Olympus", id="unknown-zone"),
        pytest.param("time_zone", "../../etc/passwd", id="zone-as-a-path"),
        pytest.param("time_zone", "asia/shanghai", id="zone-in-lower-case"),
        pytest.param("avatar_url", "alice.png", id="relative-url"),
        pytest.param("avatar_url", "javascript:alert(1)", id="script"),
        pytest.param("avatar_url", "ftp://example.com/alice.png", id="ftp"),
        pytest.param("avatar_url", "data:image/png;base64,AAAA", id="data"),
        pytest.param("avatar_url", "http://[", id="broken-url"),
        pytest.param("avatar_url", "https://example.com/" + "x" * 500, id="long-url"),
    ],
)
def test_a_wrong_value_is_refused_and_nothing_is_changed(
    alice: User, phone_of: SignIn, field: str, value: object
) -> None:
    phone = phone_of(alice)
    before = profile_of(alice)
    body = {"name": "Alicia", field: value} if field != "name" else {"locale": "en", field: value}

    answer = phone.call("patch", "/auth/profile", body)

    assert_error(answer, 400, "validation_error", field)
    assert profile_of(alice) == before


def test_a_long_list_of_wrong_fields_is_answered_in_their_order(
    alice: User, phone_of: SignIn
) -> None:
    phone = phone_of(alice)

    answer = phone.call("patch", "/auth/profile", {"avatar_url": "x", "locale": "?", "name": None})

    assert_error(answer, 400, "validation_error", "name")
    assert [error["field"] for error in answer.json()["data"]["errors"]] == [
        "name",
        "locale",
        "avatar_url",
    ]


def test_without_credentials_nothing_is_shown_or_changed(alice: User) -> None:
    before = profile_of(alice)

    for answer in (
        APIClient().get("/auth/profile"),
        APIClient().patch("/auth/profile", {"name": "Mallory"}, format="json"),
    ):
        assert_error(answer, 401, "not_authenticated")
    assert profile_of(alice) == before


def test_putting_a_profile_is_not_offered(alice: User, phone_of: SignIn) -> None:
    assert_error(phone_of(alice).call("put", "/auth/profile", {}), 405, "method_not_allowed")
