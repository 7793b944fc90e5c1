"""The documents of a user in the cache: shared keys, and nothing that could not be lost."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import caches
from django_redis import get_redis_connection
from pytest_django import Settings

from accounts import redis_patience, user_cache
from tests.faults.caches import REFUSING, UNREACHABLE, BrokenCache, failing

ALICE, BOB = "01890000-alice", "01890000-bob"
NAMED = frozenset({"name"})


def remember(user_id: str = ALICE, **document: Any) -> Any:
    """Return what is remembered, or ``document``, which is kept then."""
    return user_cache.remember(
        user_cache.IDENTITY, user_id, lambda: document, fields=frozenset(document)
    )


def test_a_user_has_these_keys_and_the_projects_own(settings: Settings) -> None:
    keys = ["{user_id}/x", user_cache.PROFILE, "user_workspace:{user_id}"]
    settings.ACCOUNTS = {**settings.ACCOUNTS, "USER_CACHE_KEYS": keys}

    assert user_cache.keys_of(7) == ["user:7", "user_profile:7", "7/x", "user_workspace:7"]


def test_a_key_in_the_cache_is_the_key_itself() -> None:
    assert user_cache.raw_key("user:7", "a prefix", 2) == "user:7"
    assert caches["default"].make_key("user:7") == "user:7"


@pytest.mark.redis
def test_another_service_finds_json_under_the_key_for_five_minutes() -> None:
    remember(name="Алиса")

    redis = get_redis_connection("default")
    assert redis.get(f"user:{ALICE}") == b'{"name": "\\u0410\\u043b\\u0438\\u0441\\u0430"}'
    assert 299 <= redis.ttl(f"user:{ALICE}") <= 300


@pytest.mark.redis
def test_what_another_service_writes_counts_if_it_has_the_fields() -> None:
    get_redis_connection("default").set(f"user:{ALICE}", '{"name": "theirs"}')

    assert remember(name="ours") == {"name": "theirs"}


@pytest.mark.redis
@pytest.mark.parametrize("value", [b"\xff\xfe", b"", b"{", b"gASVBQAAAAAAAACMAWGULg==\n"])
def test_what_is_no_json_is_replaced_and_told(
    value: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    redis = get_redis_connection("default")
    redis.set(f"user:{ALICE}", value)

    assert remember(name="ours") == {"name": "ours"}

    assert redis.get(f"user:{ALICE}") == b'{"name": "ours"}'
    [record] = caplog.records
    assert (record.levelname, bool(record.exc_info)) == ("WARNING", True)


def test_a_document_is_built_once() -> None:
    assert remember(name="first") == {"name": "first"}

    assert remember(name="second") == {"name": "first"}
    assert remember(BOB, name="Bob's") == {"name": "Bob's"}


@pytest.mark.parametrize(
    "junk",
    [None, 7, "text", [], ["name"], {}, {"name": 1, "more": 2}, {"nom": 1}, {"name": "\ud800"}],
)
def test_what_is_not_the_document_is_replaced(junk: object) -> None:
    caches["default"].set(f"user:{ALICE}", junk)

    assert remember(name="ours") == {"name": "ours"}

    assert caches["default"].get(f"user:{ALICE}") == {"name": "ours"}


def test_a_lifetime_below_a_second_keeps_nothing(settings: Settings) -> None:
    lifetime = timedelta(milliseconds=900)
    settings.ACCOUNTS = {**settings.ACCOUNTS, "USER_CACHE_TTL": lifetime}

    remember(name="first")

    assert remember(name="second") == {"name": "second"}


def test_clearing_deletes_every_key_of_these_users_and_of_no_other() -> None:
    for key in (*user_cache.keys_of(ALICE), *user_cache.keys_of(BOB)):
        caches["default"].set(key, {"name": "x"})

    user_cache.clear([ALICE])

    assert caches["default"].get_many(user_cache.keys_of(ALICE)) == {}
    assert len(caches["default"].get_many(user_cache.keys_of(BOB))) == 3


def test_clearing_nobody_asks_nothing(settings: Settings) -> None:
    settings.CACHES = failing("refused")

    user_cache.clear([])

    assert BrokenCache.calls == []


@pytest.mark.parametrize("error", [*UNREACHABLE, *REFUSING])
def test_a_document_is_built_where_the_cache_fails(
    settings: Settings, error: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CACHES = failing(error)

    assert remember(name="ours") == {"name": "ours"}

    assert caplog.messages[0] == f"Could not read user:{ALICE} from the cache"
    assert caplog.records[0].levelname == "WARNING"
    assert caplog.records[0].exc_info


@pytest.mark.parametrize("error", UNREACHABLE)
def test_a_cache_that_cannot_be_reached_is_asked_once(
    settings: Settings, error: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CACHES = failing(error)

    remember(name="ours")
    user_cache.clear([ALICE])
    user_cache.clear([ALICE, BOB])

    assert BrokenCache.calls == ["get"]
    assert caplog.messages[1:] == [
        f"Did not clear the cache of user {ALICE}: Redis failed a moment ago",
        "Did not clear the cache of 2 users: Redis failed a moment ago",
    ]
    assert {record.levelname for record in caplog.records} == {"WARNING"}


@pytest.mark.parametrize("error", REFUSING)
def test_a_cache_that_answers_with_an_error_is_asked_again(
    settings: Settings, error: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CACHES = failing(error)

    remember(name="ours")
    user_cache.clear([ALICE])

    assert BrokenCache.calls == ["get", "set", "delete_many"]
    assert caplog.messages[1:] == [
        f"Could not write user:{ALICE} to the cache",
        f"Could not clear the cache of user {ALICE}",
    ]
    assert all(record.exc_info for record in caplog.records)


@pytest.mark.parametrize("error", UNREACHABLE)
def test_a_failure_to_clear_is_told_with_its_traceback(
    settings: Settings, error: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CACHES = failing(error)

    user_cache.clear([ALICE])

    [record] = caplog.records
    assert record.getMessage() == f"Could not clear the cache of user {ALICE}"
    assert record.levelname == "WARNING"
    assert record.exc_info
    assert record.exc_info[1] is UNREACHABLE[error]


def test_a_cache_that_works_again_is_used_again(settings: Settings) -> None:
    healthy = settings.CACHES
    settings.CACHES = failing("refused")
    remember(name="built")
    settings.CACHES = healthy

    assert remember(name="built again") == {"name": "built again"}
    assert caches["default"].get(f"user:{ALICE}") is None

    redis_patience.forget_failures()
    remember(name="kept")
    assert caches["default"].get(f"user:{ALICE}") == {"name": "kept"}
