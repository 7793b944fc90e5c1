from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from django.utils.module_loading import import_string

from authsvc import backends, environment


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ours = ("DATABASE_URL", "DATABASE_POOL_SIZE", "DATABASE_PREPARE", "REDIS_URL", "THREADS")
    for name in (*ours, "AUTHSVC_PROCESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(environment, "VAR_DIR", tmp_path / "var")


def database() -> dict[str, Any]:
    return backends.databases()["default"]


def cache() -> dict[str, Any]:
    return backends.caches()["default"]


def test_without_a_url_the_database_is_a_file_under_var(tmp_path: Path) -> None:
    found = database()

    assert found["ENGINE"] == "django.db.backends.sqlite3"
    assert found["NAME"] == tmp_path / "var" / "db.sqlite3"
    assert found["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert (tmp_path / "var").is_dir()


def test_a_sqlite_url_names_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:////srv/auth.sqlite3")

    found = database()

    assert found["NAME"] == "/srv/auth.sqlite3"
    assert found["OPTIONS"]["init_command"] == "PRAGMA journal_mode=WAL;"


def test_a_postgres_url_is_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "DATABASE_URL", "postgres://ada:s%40crt@db.example:6432/auth?sslmode=require"
    )

    found = database()

    assert found["ENGINE"] == "django.db.backends.postgresql"
    assert (found["USER"], found["PASSWORD"]) == ("ada", "s@crt")
    assert (found["HOST"], found["PORT"], found["NAME"]) == ("db.example", 6432, "auth")
    assert found["OPTIONS"]["sslmode"] == "require"


def test_a_command_has_neither_a_pool_nor_a_limit_for_its_statements(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://ada@db.example/auth")

    options = database()["OPTIONS"]

    assert "pool" not in options
    assert "options" not in options


def test_a_server_has_a_pool_and_no_statement_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://ada@db.example/auth?conn_max_age=60")
    monkeypatch.setenv("AUTHSVC_PROCESS", "server")
    monkeypatch.setenv("DATABASE_POOL_SIZE", "3")

    found = database()

    assert found["ENGINE"] == "authsvc.postgresql"
    assert found["CONN_MAX_AGE"] == 0
    assert found["CONN_HEALTH_CHECKS"] is True
    assert found["OPTIONS"]["pool"]["max_size"] == 3
    assert "statement_timeout" in found["OPTIONS"]["options"]


@pytest.mark.parametrize(("value", "is_prepared"), [("", True), ("1", True), ("0", False)])
def test_statements_are_prepared_unless_a_pooler_in_between_forbids_it(
    monkeypatch: pytest.MonkeyPatch, value: str, is_prepared: bool
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://ada@db.example/auth")
    monkeypatch.setenv("DATABASE_PREPARE", value)

    options = database()["OPTIONS"]

    assert options.get("server_side_binding", False) is is_prepared
    assert ("prepare_threshold" in options) is is_prepared


@pytest.mark.parametrize(
    "url",
    [
        "garbage-hunter2",
        "mysql://ada:hunter2@db.example/auth",
        "postgres://ada:hunter2@db.example/",
        "postgres://ada:hunter2@db.example:port/auth",
        "postgres://ada:hunter2@[db.example/auth",
        "sqlite://hunter2/db.sqlite3",
        "sqlite://",
        "sqlite:///:memory:",
    ],
)
def test_a_wrong_database_url_is_told_by_name_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)

    with pytest.raises(ImproperlyConfigured, match=r"^DATABASE_URL must be like") as refused:
        database()

    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_without_a_url_the_cache_is_in_memory() -> None:
    found = cache()

    assert found["BACKEND"] == "django.core.cache.backends.locmem.LocMemCache"


def test_every_cache_has_the_keys_of_the_estate(monkeypatch: pytest.MonkeyPatch) -> None:
    in_memory = cache()
    monkeypatch.setenv("REDIS_URL", "redis://cache.example")
    in_redis = cache()

    for found in (in_memory, in_redis):
        assert import_string(found["KEY_FUNCTION"])("user:1", "prefix", 1) == "user:1"


@pytest.mark.parametrize(
    "url",
    [
        "redis://cache.example",
        "rediss://ada:s%40crt@cache.example:6380/3",
        "redis://[::1]:6379/0",
    ],
)
def test_a_single_redis_is_named_by_its_url(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("REDIS_URL", url)

    found = cache()

    assert found["LOCATION"] == url
    assert found["OPTIONS"]["SOCKET_TIMEOUT"] == 0.2
    assert found["OPTIONS"]["CONNECTION_POOL_KWARGS"]["retry"].get_retries() == 0


def test_sentinels_are_a_list_and_the_service_is_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis+sentinel://:s%40crt@one:26380,two/my-primary/3")

    found = cache()

    assert found["LOCATION"] == "redis://my-primary/3"
    assert found["OPTIONS"]["SENTINELS"] == [("one", 26380), ("two", 26379)]
    assert found["OPTIONS"]["PASSWORD"] == "s@crt"
    assert found["OPTIONS"]["SENTINEL_KWARGS"]["socket_timeout"] == 0.2


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("redis+cluster://ada:s%40crt@node.example:7000", "redis://ada:s%40crt@node.example:7000"),
        ("rediss+cluster://node.example", "rediss://node.example"),
    ],
)
def test_a_cluster_has_a_factory_of_its_own(
    monkeypatch: pytest.MonkeyPatch, url: str, location: str
) -> None:
    monkeypatch.setenv("REDIS_URL", url)

    found = cache()

    assert found["LOCATION"] == location
    assert import_string(found["OPTIONS"]["CONNECTION_FACTORY"])


@pytest.mark.parametrize(
    "url",
    [
        "http://hunter2@cache.example",
        "redis://",
        "redis://:hunter2@cache.example:port/0",
        "redis://:hunter2@cache.example/users",
        "redis+cluster://:hunter2@cache.example/1",
        "redis+sentinel://:hunter2@one:26379",
        "redis+sentinel://:hunter2@one:26379/Primary/0",
        "redis+sentinel://:hunter2@/primary/0",
        "redis+sentinel://:hunter2@one:port/primary/0",
    ],
)
def test_a_wrong_redis_url_is_told_by_name_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("REDIS_URL", url)

    with pytest.raises(ImproperlyConfigured, match=r"^REDIS_URL must be like") as refused:
        cache()

    assert "hunter2" not in str(refused.value)


def test_django_takes_what_is_made_for_a_single_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "rediss://cache.example:6380/3")

    with override_settings(CACHES=backends.caches()):
        from django.core.cache import caches

        cache: Any = caches["default"]
        client = cache.client.get_client()

    options = client.connection_pool.connection_kwargs
    assert (options["host"], options["port"], options["db"]) == ("cache.example", 6380, 3)
    assert options["parser_class"].__name__ == "DeadlineParser"
    assert options["driver_info"] is None
