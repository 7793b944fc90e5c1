from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from authsvc import environment

LONG = "k" * 32


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith(("JWT_", "AUTHSVC_")):
            monkeypatch.delenv(name)
    for name in (
        "SECRET_KEY",
        "SECRET_KEY_FALLBACKS",
        "SECURE_SSL_REDIRECT",
        "DATABASE_URL",
        "REDIS_URL",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(environment, "BASE_DIR", tmp_path)
    monkeypatch.setattr(environment, "VAR_DIR", tmp_path / "var")


@pytest.mark.parametrize("value", ["1", "true", "Yes", " on "])
def test_a_yes_can_be_written_in_several_ways(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("DEBUG", value)

    assert environment.flag("DEBUG", default=False) is True


@pytest.mark.parametrize("value", ["0", "false", "NO", "off"])
def test_a_no_can_be_written_in_several_ways(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("DEBUG", value)

    assert environment.flag("DEBUG", default=True) is False


@pytest.mark.parametrize("default", [True, False])
def test_an_empty_variable_means_the_default(
    monkeypatch: pytest.MonkeyPatch, default: bool
) -> None:
    monkeypatch.setenv("DEBUG", "")

    assert environment.flag("DEBUG", default=default) is default


def test_neither_yes_nor_no_is_told_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEBUG", "maybe")

    with pytest.raises(ImproperlyConfigured, match=r"^DEBUG must be 1 or 0 .* not 'maybe'\.$"):
        environment.flag("DEBUG", default=False)


@pytest.mark.parametrize("value", ["-1", "17", "abc", "1.5", "²"])
def test_a_number_out_of_bounds_is_told_by_name(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("TRUSTED_PROXIES", value)

    with pytest.raises(ImproperlyConfigured, match=r"TRUSTED_PROXIES must be .* from 0 to 16"):
        environment.number("TRUSTED_PROXIES", 0, least=0, most=16)


def test_the_bounds_of_a_number_are_included(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUSTED_PROXIES", "16")

    assert environment.number("TRUSTED_PROXIES", 0, least=0, most=16) == 16


def test_a_pool_has_a_connection_for_each_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_POOL_SIZE", raising=False)
    monkeypatch.setenv("THREADS", "5")

    assert environment.database_pool_size() == 5


def test_one_worker_per_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORKERS", raising=False)

    assert environment.workers() == os.cpu_count()


def test_a_word_is_found_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "debug")

    assert environment.choice("LOG_LEVEL", "INFO", accepted={"INFO", "DEBUG"}) == "DEBUG"


def test_an_unknown_word_is_told_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_FORMAT", "xml")

    with pytest.raises(ImproperlyConfigured, match="LOG_FORMAT must be one of json, text, not"):
        environment.choice("LOG_FORMAT", "text", accepted={"json", "text"})


def test_a_list_has_no_empty_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_HOSTS", " a.example ,, b.example,")

    assert environment.words("ALLOWED_HOSTS") == ["a.example", "b.example"]


def test_origins_have_a_scheme_and_no_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ALLOWED_ORIGINS", "https://a.example,http://localhost:3000")

    found = environment.origins("CORS_ALLOWED_ORIGINS")

    assert found == ["https://a.example", "http://localhost:3000"]


@pytest.mark.parametrize("value", ["a.example", "https://a.example/", "*", "ftp://a.example"])
def test_what_is_no_origin_is_told_by_name(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("CORS_ALLOWED_ORIGINS", value)

    with pytest.raises(ImproperlyConfigured, match="CORS_ALLOWED_ORIGINS must be"):
        environment.origins("CORS_ALLOWED_ORIGINS")


def test_a_long_secret_key_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", LONG)

    assert environment.secret_key() == LONG


def test_without_a_secret_key_nothing_starts() -> None:
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY must be set"):
        environment.secret_key()


def test_a_short_secret_key_is_refused_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "hunter2")
    monkeypatch.setenv("AUTHSVC_THROWAWAY_KEYS", "1")

    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY must be longer") as refused:
        environment.secret_key()

    assert "hunter2" not in str(refused.value)


def test_earlier_secret_keys_are_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY_FALLBACKS", f"{LONG}, {LONG}x")

    assert environment.secret_key_fallbacks() == [LONG, f"{LONG}x"]


def test_a_short_earlier_key_is_refused_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY_FALLBACKS", f"{LONG},hunter2")

    with pytest.raises(ImproperlyConfigured, match=r"^SECRET_KEY_FALLBACKS must be") as refused:
        environment.secret_key_fallbacks()

    assert "hunter2" not in str(refused.value)


def test_a_throwaway_key_is_another_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTHSVC_THROWAWAY_KEYS", "1")

    first, second = environment.secret_key(), environment.secret_key()

    assert len(first) >= 32
    assert first != second


def test_a_server_never_takes_a_throwaway_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTHSVC_PROCESS", "")
    monkeypatch.setenv("AUTHSVC_THROWAWAY_KEYS", "1")

    environment.prepare_server()

    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY"):
        environment.secret_key()


def test_without_an_email_url_mail_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMAIL_URL", raising=False)

    found = environment.email_url()

    assert found["EMAIL_BACKEND"] == "django.core.mail.backends.console.EmailBackend"


def test_an_email_url_names_server_user_and_encryption(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMAIL_URL", "smtp+tls://ada:s%40crt@mail.example:587")

    found = environment.email_url()

    assert found["EMAIL_HOST"] == "mail.example"
    assert found["EMAIL_HOST_PASSWORD"] == "s@crt"
    assert found["EMAIL_USE_TLS"] is True


@pytest.mark.parametrize("url", ["smtp://", "pigeon://u:hunter2@h", "smtp://u:hunter2@h:port"])
def test_a_wrong_email_url_is_told_by_name_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("EMAIL_URL", url)

    with pytest.raises(ImproperlyConfigured, match=r"^EMAIL_URL must be") as refused:
        environment.email_url()

    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_dotenv_fills_in_and_does_not_override(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("AUTHSVC_A=from file\nAUTHSVC_B=from file\n", encoding="utf-8")
    monkeypatch.setenv("AUTHSVC_A", "from process")
    monkeypatch.setenv("AUTHSVC_B", "")
    monkeypatch.delenv("AUTHSVC_B")

    environment.read_dotenv()

    assert environment.text("AUTHSVC_A") == "from process"
    assert environment.text("AUTHSVC_B") == "from file"


def test_an_empty_name_means_no_dotenv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("AUTHSVC_A=from file\n", encoding="utf-8")
    monkeypatch.setenv("AUTHSVC_ENV_FILE", "")

    environment.read_dotenv()

    assert environment.text("AUTHSVC_A") == ""


def test_a_wrong_configuration_ends_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, environment.one_line_errors():
        raise ImproperlyConfigured("PORT must be\n a port.")

    assert ended.value.code == "authsvc cannot start: PORT must be a port."


def test_run_makes_keys_once_that_nobody_else_can_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("SECRET_KEY", "JWT_SIGNING_KEY", "SECURE_SSL_REDIRECT"):
        monkeypatch.setenv(name, "")

    environment.prepare_run()

    first = environment.secret_key()
    monkeypatch.setenv("SECRET_KEY", "")
    environment.prepare_run()
    assert environment.secret_key() == first
    assert environment.text("JWT_SIGNING_KEY") not in {"", first}
    assert stat.S_IMODE((tmp_path / "var" / "secret_key").stat().st_mode) == 0o600


def test_run_leaves_keys_alone_that_were_given(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SECRET_KEY", LONG)
    monkeypatch.setenv("JWT_SIGNING_KEY", LONG)
    monkeypatch.setenv("SECURE_SSL_REDIRECT", "1")

    environment.prepare_run()

    assert environment.secret_key() == LONG
    assert environment.flag("SECURE_SSL_REDIRECT", default=False) is True
    assert not (tmp_path / "var").exists()


def test_run_makes_no_random_key_for_an_algorithm_that_needs_a_pair(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SECRET_KEY", LONG)
    monkeypatch.setenv("SECURE_SSL_REDIRECT", "0")
    monkeypatch.setenv("JWT_ALGORITHM", "ES256")

    environment.prepare_run()

    assert environment.text("JWT_SIGNING_KEY") == ""


def test_other_commands_find_the_keys_that_run_has_made(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SECRET_KEY", "JWT_SIGNING_KEY", "SECURE_SSL_REDIRECT"):
        monkeypatch.setenv(name, "")
    environment.prepare_run()
    made = environment.secret_key()
    monkeypatch.setenv("SECRET_KEY", "")
    monkeypatch.setenv("JWT_SIGNING_KEY", LONG)

    environment.prepare_command()

    assert environment.secret_key() == made
    assert environment.text("JWT_SIGNING_KEY") == LONG


def test_other_commands_make_no_keys(tmp_path: Path) -> None:
    environment.prepare_command()

    assert not (tmp_path / "var").exists()
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY"):
        environment.secret_key()


def test_serve_wants_a_real_key_and_collected_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTHSVC_STATIC", "")
    monkeypatch.setenv("AUTHSVC_THROWAWAY_KEYS", "1")

    environment.prepare_serve()

    assert environment.text("AUTHSVC_STATIC") == "collected"
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY"):
        environment.secret_key()


def test_the_backends_are_told_without_their_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    embedded = environment.describe_backends()
    monkeypatch.setenv("DATABASE_URL", "postgres://u:hunter2@h/n")
    monkeypatch.setenv("REDIS_URL", "redis://h")
    services = environment.describe_backends()

    assert embedded == "SQLite and the cache in memory"
    assert services == "PostgreSQL and Redis"
