"""The system checks: each is silent about this project, and speaks up about its own fault."""

from __future__ import annotations

import select
import socket
from io import StringIO
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.checks import CheckMessage, run_checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from pytest_django import Settings

from accounts.checks import AUTHENTICATION, COOKIES, SESSION_ROW
from accounts.web.middleware import SessionRowMiddleware

REDIS: dict[str, Any] = {
    "BACKEND": "django_redis.cache.RedisCache",
    "LOCATION": "redis://127.0.0.1:1/0",
    "KEY_FUNCTION": "accounts.user_cache.raw_key",
    "OPTIONS": {
        "PARSER_CLASS": "accounts.redis_patience.DeadlineParser",
        "SOCKET_CONNECT_TIMEOUT": 0.2,
        "SOCKET_TIMEOUT": 0.2,
    },
}
MEMORY: dict[str, Any] = {
    "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
    "KEY_FUNCTION": "accounts.user_cache.raw_key",
}
PRODUCTION: dict[str, Any] = {"SIGNING_KEY": "k" * 48, "REQUIRE_HTTPS": True}


def found(*, deploy: bool = False) -> dict[str, CheckMessage]:
    """Return what the checks say, by id."""
    messages = run_checks(tags=["accounts"], include_deployment_checks=deploy)
    return {str(message.id): message for message in messages}


def test_this_project_is_told_nothing() -> None:
    assert found() == {}


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"SESION_LIFETIME": 1}, "Did you mean 'SESSION_LIFETIME'?"),
        ({"SESSIONS_PER_USER": "many"}, "must be a int"),
        (["a list"], "must be a dictionary"),
    ],
)
def test_e001_names_a_wrong_option(settings: Settings, options: Any, part: str) -> None:
    settings.ACCOUNTS = options

    assert list(found(deploy=True)) == ["accounts.E001"]
    assert part in found()["accounts.E001"].msg
    assert "settings.ACCOUNTS" in str(found()["accounts.E001"].hint)


def test_e001_stops_a_command_of_the_project(settings: Settings) -> None:
    settings.ACCOUNTS = {"SESSIONS_PER_USER": -1, "ISSUER": 3}

    with pytest.raises(SystemCheckError) as stopped:
        call_command("check", stdout=StringIO(), stderr=StringIO())

    assert "SESSIONS_PER_USER" in str(stopped.value)
    assert "ISSUER" in str(stopped.value)


def test_e002_a_cache_that_is_not_there(settings: Settings) -> None:
    settings.ACCOUNTS = {"USER_CACHE_ALIAS": "people"}

    message = found(deploy=True)["accounts.E002"]

    assert "'people'" in message.msg
    assert "default" in str(message.hint)


def test_e002_is_silent_about_another_cache_that_is_there(settings: Settings) -> None:
    settings.CACHES = {"default": {"BACKEND": MEMORY["BACKEND"]}, "people": MEMORY}
    settings.ACCOUNTS = {"USER_CACHE_ALIAS": "people"}

    assert found() == {}


@pytest.mark.parametrize("cache", [MEMORY, REDIS], ids=["memory", "redis"])
def test_e003_a_cache_whose_keys_others_would_not_find(
    settings: Settings, cache: dict[str, Any]
) -> None:
    cache = {**cache, "KEY_PREFIX": "host", "VERSION": 2}
    settings.CACHES = {"default": cache}
    assert found() == {}

    del cache["KEY_FUNCTION"]
    settings.CACHES = {"default": cache}

    assert list(found()) == ["accounts.E003"]
    assert "'host:2:user:1'" in found()["accounts.E003"].msg
    assert "KEY_FUNCTION" in str(found()["accounts.E003"].hint)


@pytest.mark.parametrize(
    "engine",
    [
        "django.contrib.sessions.backends.cache",
        "django.contrib.sessions.backends.cached_db",
        "django.contrib.sessions.backends.file",
        "django.contrib.sessions.backends.signed_cookies",
    ],
)
def test_w001_cookies_that_could_come_back(settings: Settings, engine: str) -> None:
    settings.SESSION_ENGINE = engine

    assert list(found()) == ["accounts.W001"]
    assert "SESSION_ENGINE = 'django.contrib.sessions.backends.db'" in str(
        found()["accounts.W001"].hint
    )


@pytest.mark.parametrize(
    "engine", ["django.contrib.sessions.backends.db", "accounts.web.session_store"]
)
def test_w001_is_silent_about_cookies_in_the_database(settings: Settings, engine: str) -> None:
    settings.SESSION_ENGINE = engine

    assert found() == {}


def test_w001_is_silent_in_a_project_without_cookies(settings: Settings) -> None:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    settings.MIDDLEWARE = []

    assert found() == {}


class HeldMiddleware(SessionRowMiddleware):
    """A host's own, derived from ours."""


@pytest.mark.parametrize(
    "middleware", [[AUTHENTICATION], [SESSION_ROW, AUTHENTICATION]], ids=["missing", "too early"]
)
def test_e004_a_browser_that_would_stay_signed_in(
    settings: Settings, middleware: list[str]
) -> None:
    settings.MIDDLEWARE = [COOKIES, *middleware]

    assert list(found()) == ["accounts.E004"]
    assert SESSION_ROW in str(found()["accounts.E004"].hint)


@pytest.mark.parametrize(
    "added",
    [
        [AUTHENTICATION, SESSION_ROW],
        [AUTHENTICATION, f"{__name__}.HeldMiddleware"],
        ["django.utils.decorators.sync_and_async_middleware", "no.such.middleware"],
        [SESSION_ROW],
    ],
    ids=["as documented", "derived", "no cookies", "no users of Django's"],
)
def test_e004_is_silent_where_a_cookie_is_held_to_its_row_or_says_nothing(
    settings: Settings, added: list[str]
) -> None:
    settings.MIDDLEWARE = [COOKIES, *added]

    assert found() == {}


@pytest.mark.parametrize(("on", "ids"), [(True, ["accounts.W002"]), (False, [])])
def test_w002_transactions_around_requests(
    monkeypatch: pytest.MonkeyPatch, on: bool, ids: list[str]
) -> None:
    monkeypatch.setitem(django_settings.DATABASES["default"], "ATOMIC_REQUESTS", on)

    assert list(found()) == ids


@pytest.mark.parametrize(
    ("engine", "cache", "ids"),
    [
        ("django.db.backends.postgresql", MEMORY, ["accounts.W003"]),
        ("django.db.backends.postgresql", REDIS, []),
        ("django.db.backends.sqlite3", MEMORY, []),
    ],
    ids=["postgresql and memory", "postgresql and redis", "sqlite and memory"],
)
def test_w003_a_cache_for_one_process_beside_a_database_for_many(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    engine: str,
    cache: dict[str, Any],
    ids: list[str],
) -> None:
    settings.ACCOUNTS = PRODUCTION
    settings.CACHES = {"default": cache}
    monkeypatch.setitem(django_settings.DATABASES["default"], "ENGINE", engine)

    assert list(found(deploy=True)) == ids
    assert found() == {}


@pytest.mark.parametrize(
    ("options", "lacking"),
    [
        ({}, "PARSER_CLASS, SOCKET_CONNECT_TIMEOUT, SOCKET_TIMEOUT"),
        (REDIS["OPTIONS"] | {"PARSER_CLASS": "redis.connection.DefaultParser"}, "PARSER_CLASS"),
        (REDIS["OPTIONS"] | {"SOCKET_TIMEOUT": None}, "SOCKET_TIMEOUT"),
        (REDIS["OPTIONS"] | {"SOCKET_CONNECT_TIMEOUT": 0}, "SOCKET_CONNECT_TIMEOUT"),
    ],
)
def test_w004_a_redis_that_may_hang(
    settings: Settings, options: dict[str, Any], lacking: str
) -> None:
    settings.CACHES = {"default": {**REDIS, "OPTIONS": options}}

    assert list(found()) == ["accounts.W004"]
    assert found()["accounts.W004"].msg.endswith(f" lacks {lacking}.")
    assert "accounts.redis_patience.DeadlineParser" in str(found()["accounts.W004"].hint)


def test_w004_speaks_of_the_users_cache_alone(settings: Settings) -> None:
    other = {"BACKEND": REDIS["BACKEND"], "LOCATION": REDIS["LOCATION"]}
    settings.CACHES = {"default": REDIS, "pages": other}

    assert found() == {}


@pytest.mark.parametrize(
    "app",
    [
        "rest_framework_simplejwt.token_blacklist",
        "rest_framework_simplejwt.token_blacklist.apps.TokenBlacklistConfig",
    ],
)
def test_w005_an_app_that_stores_whole_tokens(monkeypatch: pytest.MonkeyPatch, app: str) -> None:
    # Only what is read: installing it for real would leave its models and pages behind.
    apps = [*django_settings.INSTALLED_APPS, app]
    monkeypatch.setattr(django_settings, "INSTALLED_APPS", apps)

    assert list(found()) == ["accounts.W005"]


def test_w009_a_changepassword_that_is_not_ours(settings: Settings) -> None:
    apps = [app for app in django_settings.INSTALLED_APPS if app != "accounts"]

    settings.INSTALLED_APPS = [*apps, "accounts"]

    assert list(found()) == ["accounts.W009"]
    assert "changepassword" in found()["accounts.W009"].msg


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        ({}, []),
        ({"SIGNING_KEY": ""}, ["accounts.W006"]),
        ({"REQUIRE_HTTPS": False}, ["accounts.W007"]),
        ({"RATE_LIMITS": False}, ["accounts.W008"]),
        (
            {"SIGNING_KEY": "", "REQUIRE_HTTPS": False, "RATE_LIMITS": False},
            ["accounts.W006", "accounts.W007", "accounts.W008"],
        ),
    ],
)
def test_w006_w007_w008_are_about_a_deployment_only(
    settings: Settings, options: dict[str, Any], ids: list[str]
) -> None:
    settings.CACHES = {"default": REDIS}
    settings.ACCOUNTS = PRODUCTION | options

    assert list(found(deploy=True)) == ids
    assert found() == {}
    assert all("ACCOUNTS[" in str(message.hint) for message in found(deploy=True).values())


def test_no_check_opens_a_connection(settings: Settings) -> None:
    # The database is out of bounds anyway: a test without ``db`` must not touch it.
    with socket.create_server(("127.0.0.1", 0)) as redis:
        port = redis.getsockname()[1]
        settings.CACHES = {"default": {**REDIS, "LOCATION": f"redis://127.0.0.1:{port}/0"}}

        found(deploy=True)

        called, _writable, _failed = select.select([redis], [], [], 0.1)
        assert called == []


def test_every_message_has_a_hint_that_says_what_to_do(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CACHES = {"default": {"BACKEND": REDIS["BACKEND"], "LOCATION": REDIS["LOCATION"]}}
    settings.ACCOUNTS = {"RATE_LIMITS": False}
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    settings.MIDDLEWARE = [COOKIES, AUTHENTICATION]
    settings.INSTALLED_APPS = [*reversed(django_settings.INSTALLED_APPS)]
    monkeypatch.setitem(django_settings.DATABASES["default"], "ATOMIC_REQUESTS", True)
    verbs = ("Set ", "Turn ", "Take ", "Let ", "Add ", "Put ", "Correct ")

    messages = found(deploy=True)

    assert len(messages) == 9
    assert all(str(message.hint).startswith(verbs) for message in messages.values())
