from __future__ import annotations

import json
import logging
import logging.config
import runpy
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

import authsvc

AUTHSVC = Path(authsvc.__file__).parent
VARIABLES = (
    "ALLOWED_HOSTS CORS_ALLOWED_ORIGINS DATABASE_URL DEBUG EMAIL_URL LOG_FORMAT LOG_LEVEL "
    "METRICS_TOKEN REDIS_URL SECURE_SSL_REDIRECT TRUSTED_PROXIES"
)


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES.split():
        monkeypatch.delenv(name, raising=False)


def settings(monkeypatch: pytest.MonkeyPatch, **variables: str) -> dict[str, Any]:
    """Return the project's settings under these variables."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return runpy.run_path(str(AUTHSVC / "settings.py"))


def test_the_defaults_are_those_of_production(monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings(monkeypatch)

    assert found["DEBUG"] is False
    assert found["SECURE_SSL_REDIRECT"] is True
    assert found["SECURE_HSTS_SECONDS"] == 31_536_000
    assert found["SESSION_COOKIE_NAME"] == "__Host-sessionid"
    assert found["CSRF_COOKIE_NAME"] == "__Host-csrftoken"
    assert found["SESSION_COOKIE_SECURE"]
    assert found["CSRF_COOKIE_SECURE"]
    assert found["ACCOUNTS"]["REQUIRE_HTTPS"] is True
    assert found["ACCOUNTS"]["RATE_LIMITS"] is True


def test_one_variable_takes_every_demand_for_tls_away(monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings(monkeypatch, SECURE_SSL_REDIRECT="0")

    assert found["SECURE_HSTS_SECONDS"] == 0
    assert found["SESSION_COOKIE_NAME"] == "sessionid"
    assert not found["SESSION_COOKIE_SECURE"]
    assert found["ACCOUNTS"]["REQUIRE_HTTPS"] is False
    assert "security.W008" in found["SILENCED_SYSTEM_CHECKS"]


def test_a_forwarded_scheme_counts_only_behind_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    direct = settings(monkeypatch)
    behind_one = settings(monkeypatch, TRUSTED_PROXIES="1")

    assert direct["SECURE_PROXY_SSL_HEADER"] is None
    assert behind_one["SECURE_PROXY_SSL_HEADER"] == ("HTTP_X_FORWARDED_PROTO", "https")


def test_health_checks_reach_the_service_by_the_names_of_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = settings(monkeypatch, ALLOWED_HOSTS="auth.example.com")

    assert found["ALLOWED_HOSTS"] == ["auth.example.com", "localhost", "127.0.0.1", "[::1]"]


def test_collected_files_have_names_that_change_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    from_packages = settings(monkeypatch)
    collected = settings(monkeypatch, AUTHSVC_STATIC="collected")

    assert from_packages["WHITENOISE_USE_FINDERS"] is True
    assert collected["WHITENOISE_USE_FINDERS"] is False
    assert "Manifest" in collected["STORAGES"]["staticfiles"]["BACKEND"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEBUG", "maybe"),
        ("TRUSTED_PROXIES", "-1"),
        ("LOG_FORMAT", "xml"),
        ("DATABASE_URL", "garbage"),
        ("REDIS_URL", "http://cache.example"),
        ("CORS_ALLOWED_ORIGINS", "*"),
        ("EMAIL_URL", "pigeon://"),
    ],
)
def test_a_wrong_variable_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"^{name} must be"):
        settings(monkeypatch, **{name: value})


def test_logs_are_lines_of_json_when_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = settings(monkeypatch, LOG_FORMAT="json")
    formatter = logging.config.DictConfigurator(found["LOGGING"]).configure_formatter(
        found["LOGGING"]["formatters"]["json"]
    )
    record = logging.LogRecord("accounts", logging.WARNING, __file__, 1, "Bob's %s", ("cat",), None)

    line = json.loads(formatter.format(record))

    assert line["level"] == "WARNING"
    assert line["logger"] == "accounts"
    assert line["message"] == "Bob's cat"
    assert line["at"]


@pytest.mark.parametrize(("level", "pool"), [("debug", "WARNING"), ("error", "ERROR")])
def test_the_pool_tells_nothing_of_each_connection(
    monkeypatch: pytest.MonkeyPatch, level: str, pool: str
) -> None:
    found = settings(monkeypatch, LOG_LEVEL=level)

    assert found["LOGGING"]["loggers"]["psycopg.pool"]["level"] == pool


@pytest.mark.parametrize("edge", ["wsgi", "asgi"])
def test_a_server_process_knows_that_it_is_one(
    monkeypatch: pytest.MonkeyPatch, edge: str, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AUTHSVC_PROCESS", "")
    monkeypatch.setattr("logging.config.dictConfig", lambda config: None)

    module = runpy.run_path(str(AUTHSVC / f"{edge}.py"))

    assert callable(module["application"])
    assert module["os"].environ["AUTHSVC_PROCESS"] == "server"


@pytest.mark.parametrize("edge", ["wsgi", "asgi"])
def test_a_server_process_ends_in_one_line_when_a_variable_is_wrong(
    monkeypatch: pytest.MonkeyPatch, edge: str
) -> None:
    monkeypatch.setenv("AUTHSVC_PROCESS", "")

    def setup(**_options: object) -> None:
        raise ImproperlyConfigured("DEBUG must be 1 or 0.")

    monkeypatch.setattr("django.setup", setup)

    with pytest.raises(SystemExit, match=r"^authsvc cannot start: DEBUG must be 1 or 0\.$"):
        runpy.run_path(str(AUTHSVC / f"{edge}.py"))


def test_the_project_keeps_nothing_but_state_under_var(monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings(monkeypatch)

    assert found["VAR_DIR"] == Path(found["BASE_DIR"]) / "var"
