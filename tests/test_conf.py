"""ACCOUNTS: what is taken, what is refused, and in which words."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings as DjangoSettings

from accounts.conf import ALGORITHMS, Settings, get_settings, problems

SECRET = "s" * 32
PEM = "-----BEGIN PUBLIC KEY-----\n…\n-----END PUBLIC KEY-----\n"
ASYMMETRIC = {"ALGORITHM": "RS256", "SIGNING_KEY": PEM, "VERIFYING_KEY": PEM}
DURATIONS = [item.name.upper() for item in fields(Settings) if item.type == "timedelta"]
MAY_BE_ZERO = {
    "AUDIT_ADDRESS_RETENTION",
    "AUDIT_RETENTION",
    "CLOCK_LEEWAY",
    "REDIS_COOLDOWN",
    "REFRESH_GRACE",
}


def test_without_accounts_every_default_holds(settings: DjangoSettings) -> None:
    settings.ACCOUNTS = {}
    assert get_settings() == Settings()

    del settings.ACCOUNTS

    assert problems() == []
    assert get_settings() == Settings()


def test_a_project_reads_its_own_options_and_cannot_change_them(settings: DjangoSettings) -> None:
    settings.ACCOUNTS = {"ISSUER": "theirs", "SESSIONS_PER_USER": 0, "PREVIOUS_KEYS": [SECRET]}

    found = get_settings()

    assert (found.issuer, found.sessions_per_user) == ("theirs", 0)
    assert found.previous_keys == (SECRET,)
    with pytest.raises(FrozenInstanceError):
        found.issuer = "mine"  # type: ignore[misc]


def test_a_changed_setting_is_read_anew(settings: DjangoSettings) -> None:
    settings.ACCOUNTS = {"ISSUER": "before"}
    assert get_settings().issuer == "before"

    settings.ACCOUNTS = {"ISSUER": "after"}

    assert get_settings().issuer == "after"


def test_another_setting_makes_nothing_be_read_anew(settings: DjangoSettings) -> None:
    before = get_settings()

    settings.LANGUAGE_CODE = "zh-hans"

    assert get_settings() is before


def test_no_key_is_shown_when_the_options_are_printed(settings: DjangoSettings) -> None:
    settings.ACCOUNTS = {"SIGNING_KEY": SECRET, "PREVIOUS_KEYS": ["p" * 32]}

    shown = repr(get_settings())

    assert SECRET not in shown
    assert "p" * 32 not in shown


def test_everything_wrong_is_told_at_once(settings: DjangoSettings) -> None:
    settings.ACCOUNTS = {"ISSUER": 1, "AUDIENCE": None}

    with pytest.raises(ImproperlyConfigured) as refused:
        get_settings()

    assert str(refused.value) == (
        "ACCOUNTS['ISSUER'] must be a str. ACCOUNTS['AUDIENCE'] must be a str."
    )


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("ACCES_TOKEN_LIFETIME", " Did you mean 'ACCESS_TOKEN_LIFETIME'?"),
        ("issuer", " Did you mean 'ISSUER'?"),
        ("BLACKLIST_AFTER_ROTATION", ""),
        (7, ""),
    ],
)
def test_an_unknown_option_is_refused_with_a_guess(key: Any, sentence: str) -> None:
    assert problems({key: 1}) == [f"ACCOUNTS[{key!r}] is not an option.{sentence}"]


@pytest.mark.parametrize("accounts", [None, [], "ISSUER", 7])
def test_what_is_no_dictionary_is_refused(settings: DjangoSettings, accounts: object) -> None:
    settings.ACCOUNTS = accounts

    assert problems() == ["ACCOUNTS must be a dictionary."]


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [
        ("ISSUER", b"authsvc", "str"),
        ("TRUSTED_PROXIES", "1", "int"),
        ("TRUSTED_PROXIES", True, "int"),
        ("TRUSTED_PROXIES", 1.0, "int"),
        ("RATE_LIMITS", 1, "bool"),
        ("SESSION_LIFETIME", 3600, "timedelta"),
    ],
)
def test_a_value_of_another_type_is_refused(key: str, value: object, kind: str) -> None:
    assert problems({key: value}) == [f"ACCOUNTS[{key!r}] must be a {kind}."]


@pytest.mark.parametrize("value", ["a string", ["fine", 1], {"a": "b"}, None])
def test_a_list_of_strings_is_nothing_else(value: object) -> None:
    assert problems({"PREVIOUS_KEYS": value}) == [
        "ACCOUNTS['PREVIOUS_KEYS'] must be a list of strings."
    ]


@pytest.mark.parametrize("key", ["SESSIONS_PER_USER", "TRUSTED_PROXIES", "MAX_BODY_BYTES"])
def test_a_negative_number_is_refused(key: str) -> None:
    assert problems({key: -1}) == [f"ACCOUNTS[{key!r}] must not be negative."]
    assert problems({key: 0}) == []


@pytest.mark.parametrize("key", sorted(set(DURATIONS) - MAY_BE_ZERO))
def test_a_lifetime_must_be_longer_than_zero(key: str) -> None:
    assert problems({key: timedelta(0)}) == [f"ACCOUNTS[{key!r}] must be longer than zero."]
    assert problems({key: timedelta(microseconds=1)}) == []


@pytest.mark.parametrize("key", sorted(MAY_BE_ZERO))
def test_a_tolerance_may_be_zero_and_not_less(key: str) -> None:
    assert problems({key: timedelta(0)}) == []
    assert problems({key: timedelta(microseconds=-1)}) == [
        f"ACCOUNTS[{key!r}] must be zero or longer than zero."
    ]


@pytest.mark.parametrize(
    "options",
    [
        {"ARGON2_TIME_COST": 0},
        {"ARGON2_PARALLELISM": 0},
        {"ARGON2_MEMORY_KIB": 7},
        {"ARGON2_MEMORY_KIB": 16, "ARGON2_PARALLELISM": 3},
    ],
)
def test_what_argon2_cannot_do_is_refused(options: dict[str, int]) -> None:
    [sentence] = problems(options)

    assert "at least 8 for each lane" in sentence
    assert problems({"ARGON2_MEMORY_KIB": 16, "ARGON2_PARALLELISM": 2}) == []


def test_an_unknown_algorithm_is_refused() -> None:
    assert problems({"ALGORITHM": "none"}) == [
        f"ACCOUNTS['ALGORITHM'] must be one of {', '.join(sorted(ALGORITHMS))}."
    ]


@pytest.mark.parametrize(("algorithm", "least"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
def test_an_hmac_key_has_at_least_the_size_of_the_hash(algorithm: str, least: int) -> None:
    long_enough, too_short = "k" * least, "k" * (least - 1)

    assert problems({"ALGORITHM": algorithm, "SIGNING_KEY": long_enough}) == []
    for keys in ({"SIGNING_KEY": too_short}, {"PREVIOUS_KEYS": [long_enough, too_short]}):
        [sentence] = problems({"ALGORITHM": algorithm, **keys})
        assert f"at least {least} characters for {algorithm}" in sentence


def test_without_a_signing_key_one_is_derived_but_an_empty_previous_key_is_refused() -> None:
    assert problems({"SIGNING_KEY": ""}) == []

    assert len(problems({"PREVIOUS_KEYS": [""]})) == 1


@pytest.mark.parametrize("keys", [{"SIGNING_KEY": PEM}, {"PREVIOUS_KEYS": [PEM]}])
def test_a_pem_is_no_secret(keys: dict[str, object]) -> None:
    [sentence] = problems(keys)

    assert sentence.endswith("not a PEM.")


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
@pytest.mark.parametrize(
    "wrong",
    [
        {"SIGNING_KEY": ""},
        {"VERIFYING_KEY": ""},
        {"SIGNING_KEY": SECRET},
        {"PREVIOUS_KEYS": [PEM, SECRET]},
    ],
)
def test_an_asymmetric_algorithm_needs_pems(algorithm: str, wrong: dict[str, object]) -> None:
    good = {**ASYMMETRIC, "ALGORITHM": algorithm, "PREVIOUS_KEYS": [PEM]}
    assert problems(good) == []

    [sentence] = problems({**good, **wrong})

    assert sentence.startswith("ACCOUNTS needs 'SIGNING_KEY' and 'VERIFYING_KEY' for")


@pytest.mark.parametrize(
    "key",
    ["user_workspace", "{user_id}:{workspace}", "{{user_id}}", "{}:{user_id}", "{user_id", "{0.a}"],
)
def test_a_cache_key_that_cannot_name_the_user_is_refused(key: str) -> None:
    assert problems({"USER_CACHE_KEYS": ["{user_id}:fine"]}) == []

    [sentence] = problems({"USER_CACHE_KEYS": ["{user_id}:fine", key]})

    assert sentence.endswith(f"in braces: {key}.")
