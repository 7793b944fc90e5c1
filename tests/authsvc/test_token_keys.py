"""Keys for tokens, from the environment: what cannot sign or verify stops the start."""

from __future__ import annotations

import os

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from django.core.exceptions import ImproperlyConfigured

from authsvc.token_keys import jwt_keys

LONG = "k" * 32


def pair(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> tuple[str, str]:
    """Return the private and the public half as PEMs on one line."""
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return private.decode().replace("\n", "\\n"), public.decode().replace("\n", "\\n")


PRIVATE, PUBLIC = pair(ec.generate_private_key(ec.SECP256R1()))
_OTHER, OTHER_PUBLIC = pair(ec.generate_private_key(ec.SECP256R1()))
ED_PRIVATE, ED_PUBLIC = pair(ed25519.Ed25519PrivateKey.generate())
CUT = "-----BEGIN PUBLIC KEY-----\\nhunter2\\n-----END PUBLIC KEY-----"


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("JWT_"):
            monkeypatch.delenv(name)


def test_without_variables_the_key_is_left_to_accounts() -> None:
    assert jwt_keys() == {
        "ALGORITHM": "HS256",
        "SIGNING_KEY": "",
        "VERIFYING_KEY": "",
        "PREVIOUS_KEYS": [],
    }


def test_keys_of_an_asymmetric_algorithm_may_be_written_on_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("JWT_ALGORITHM", "EdDSA")
    monkeypatch.setenv("JWT_SIGNING_KEY", ED_PRIVATE)
    monkeypatch.setenv("JWT_VERIFYING_KEY", ED_PUBLIC)
    monkeypatch.setenv("JWT_PREVIOUS_KEYS", f"{ED_PUBLIC},{ED_PUBLIC}")

    keys = jwt_keys()

    written_out = ED_PUBLIC.replace("\\n", "\n")
    assert keys["SIGNING_KEY"] == ED_PRIVATE.replace("\\n", "\n")
    assert keys["VERIFYING_KEY"] == written_out
    assert keys["PREVIOUS_KEYS"] == [written_out, written_out]


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"JWT_ALGORITHM": "none"}, "JWT_ALGORITHM"),
        ({"JWT_SIGNING_KEY": "hunter2"}, "JWT_SIGNING_KEY"),
        ({"JWT_ALGORITHM": "HS512", "JWT_SIGNING_KEY": LONG}, "JWT_SIGNING_KEY"),
        ({"JWT_PREVIOUS_KEYS": f"{LONG},hunter2"}, "JWT_PREVIOUS_KEYS"),
        ({"JWT_ALGORITHM": "HS384", "JWT_PREVIOUS_KEYS": LONG}, "JWT_PREVIOUS_KEYS"),
    ],
)
def test_a_wrong_key_is_told_by_name_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], named: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(ImproperlyConfigured, match=f"^{named} must be") as refused:
        jwt_keys()

    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("signing", "verifying", "previous", "named"),
    [
        ("", PUBLIC, "", "JWT_SIGNING_KEY"),
        (LONG, PUBLIC, "", "JWT_SIGNING_KEY"),
        (ED_PRIVATE, PUBLIC, "", "JWT_SIGNING_KEY"),
        (PRIVATE, "", "", "JWT_VERIFYING_KEY"),
        (PRIVATE, CUT, "", "JWT_VERIFYING_KEY"),
        (PRIVATE, OTHER_PUBLIC, "", "JWT_VERIFYING_KEY"),
        (PUBLIC, PUBLIC, "", "JWT_VERIFYING_KEY"),
        (PRIVATE, PUBLIC, "hunter2", "JWT_PREVIOUS_KEYS"),
        (PRIVATE, PUBLIC, f"{PUBLIC},{CUT}", "JWT_PREVIOUS_KEYS"),
        (PRIVATE, PUBLIC, ED_PUBLIC, "JWT_PREVIOUS_KEYS"),
    ],
)
def test_what_is_no_pair_for_the_algorithm_is_told_before_the_first_token(
    monkeypatch: pytest.MonkeyPatch, signing: str, verifying: str, previous: str, named: str
) -> None:
    monkeypatch.setenv("JWT_ALGORITHM", "ES256")
    monkeypatch.setenv("JWT_SIGNING_KEY", signing)
    monkeypatch.setenv("JWT_VERIFYING_KEY", verifying)
    monkeypatch.setenv("JWT_PREVIOUS_KEYS", previous)

    with pytest.raises(ImproperlyConfigured, match=f"^{named} must be") as refused:
        jwt_keys()

    assert "hunter2" not in str(refused.value)
