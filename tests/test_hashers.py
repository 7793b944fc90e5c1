"""Password hashing: parameters that two cores can bear."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from argon2.exceptions import HashingError
from django.contrib.auth.hashers import Argon2PasswordHasher, check_password, make_password
from pytest_django import Settings

from accounts.hashers import Argon2PasswordHasher as ShippedHasher
from accounts.models import User
from authsvc import settings as shipped
from tests.people import PASSWORD


def test_the_shipped_hasher_is_argon2id_at_the_parameters_of_owasp(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = shipped.PASSWORD_HASHERS

    hashed = make_password(PASSWORD)

    assert hashed.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")
    assert check_password(PASSWORD, hashed)
    assert not check_password(f"{PASSWORD} ", hashed)


def test_a_hash_of_djangos_parameters_is_taken_and_made_anew(
    settings: Settings, alice: User
) -> None:
    settings.PASSWORD_HASHERS = shipped.PASSWORD_HASHERS
    alice.password = Argon2PasswordHasher().encode(PASSWORD, "a salt of some length")
    alice.save(update_fields=["password"])

    assert alice.check_password(PASSWORD)

    alice.refresh_from_db()
    assert "$m=19456,t=2,p=1$" in alice.password
    assert alice.check_password(PASSWORD)


def test_the_parameters_are_settings(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = shipped.PASSWORD_HASHERS
    before = make_password(PASSWORD)
    cheaper = {"ARGON2_TIME_COST": 1, "ARGON2_MEMORY_KIB": 64, "ARGON2_PARALLELISM": 2}
    settings.ACCOUNTS = {**settings.ACCOUNTS, **cheaper}

    assert "$m=64,t=1,p=2$" in make_password(PASSWORD)
    assert check_password(PASSWORD, before)


@pytest.mark.parametrize("at_once", [1, 3])
def test_no_more_threads_hash_at_once_than_may(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    settings.ACCOUNTS = {**settings.ACCOUNTS, "PASSWORD_HASHES_AT_ONCE": at_once}
    under_way, seen, changing = [0], [0], threading.Lock()
    djangos = Argon2PasswordHasher.verify

    def watch(hasher: Argon2PasswordHasher, password: str, encoded: str) -> bool:
        with changing:
            under_way[0] += 1
            seen.append(under_way[0])
        time.sleep(0.01)
        with changing:
            under_way[0] -= 1
        return djangos(hasher, password, encoded)

    monkeypatch.setattr(Argon2PasswordHasher, "verify", watch)
    hasher = ShippedHasher()
    encoded = hasher.encode(PASSWORD, "a salt of some length")

    with ThreadPoolExecutor(8) as threads:
        verified = list(threads.map(lambda _try: hasher.verify(PASSWORD, encoded), range(16)))

    assert verified == [True] * 16
    assert max(seen) == at_once


def test_an_error_gives_the_turn_back(settings: Settings) -> None:
    settings.ACCOUNTS = {**settings.ACCOUNTS, "PASSWORD_HASHES_AT_ONCE": 1}
    hasher = ShippedHasher()

    for _try in range(2):
        with pytest.raises(HashingError, match="Salt is too short"):
            hasher.encode(PASSWORD, "short")
