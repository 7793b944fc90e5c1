"""Tokens: what they say, who signs them, and what is believed of them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import hypothesis
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from django.conf import settings as django_settings
from django.utils import timezone
from hypothesis import strategies as st
from pytest_django import Settings

from accounts import tokens
from accounts.exceptions import TokenExpired, TokenInvalid
from accounts.models import UserSession

SECRET = "a secret of more than thirty-two characters"
OLD_SECRET = "the secret that was in use until last month"
USER_ID = "01890000-0000-7000-8000-000000000001"
SESSION_ID = "01890000-0000-7000-8000-00000000beef"


@pytest.fixture(autouse=True)
def _our_key(settings: Settings) -> None:
    sign_with(settings, SIGNING_KEY=SECRET)


def sign_with(settings: Settings, **options: object) -> None:
    """Put ``options`` into ACCOUNTS."""
    settings.ACCOUNTS = {"ISSUER": "authsvc", "AUDIENCE": "authsvc", **options}


def a_session(**facts: Any) -> UserSession:
    """Return a session that is in no database."""
    now = timezone.now()
    defaults = {"expires_at": now + timedelta(days=30), "refresh_generation": 3}
    return UserSession(id=UUID(SESSION_ID), user_id=UUID(USER_ID), **(defaults | facts))


def claims(**changed: Any) -> dict[str, Any]:
    """Return the claims of a good access token, with changes; None leaves a claim out."""
    now = int(timezone.now().timestamp())
    good = {"sub": USER_ID, "sid": SESSION_ID, "gen": 3, "jti": "a" * 32, "token_type": "access"}
    good |= {"iat": now, "exp": now + 60, "iss": "authsvc", "aud": "authsvc"}
    return {name: value for name, value in (good | changed).items() if value is not None}


def signed(payload: object, key: Any = SECRET, **options: Any) -> str:
    """Return ``payload`` as a token, whatever it is."""
    body = json.dumps(payload).encode()
    return jwt.api_jws.encode(body, key, **({"algorithm": "HS256"} | options))


def pems(key: Any) -> dict[str, str]:
    """Return both halves of a key as PEM."""
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return {"SIGNING_KEY": private.decode(), "VERIFYING_KEY": public.decode()}


def make_rsa() -> rsa.RSAPrivateKey:
    """Return an RSA key of the smallest size that is taken."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


KEYS: dict[str, Callable[[], Any]] = {
    "RS256": make_rsa,
    "PS256": make_rsa,
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


def test_a_pair_says_what_the_module_promises() -> None:
    now = timezone.now().replace(microsecond=999_999)

    pair = tokens.issue(a_session(), now=now)

    at = int(now.timestamp())
    access, refresh = (
        jwt.decode(token, SECRET, algorithms=["HS256"], audience="authsvc")
        for token in (pair.access_token, pair.refresh_token)
    )
    common = {"sub": USER_ID, "sid": SESSION_ID, "gen": 3, "iat": at}
    common |= {"iss": "authsvc", "aud": "authsvc"}
    assert len({access.pop("jti"), refresh.pop("jti")}) == 2
    assert access == {**common, "token_type": "access", "exp": at + 15 * 60}
    assert refresh == {**common, "token_type": "refresh", "exp": at + 14 * 86_400}
    assert pair.expires_in == 15 * 60


def test_what_is_issued_is_read() -> None:
    pair = tokens.issue(a_session())

    read = tokens.Claims(USER_ID, UUID(SESSION_ID), 3)
    assert tokens.read(pair.access_token, "access") == read
    assert tokens.read(pair.refresh_token, "refresh") == read
    assert tokens.read_ended(pair.access_token) == tokens.read_ended(pair.refresh_token) == read


def test_a_token_is_of_one_kind() -> None:
    pair = tokens.issue(a_session())

    with pytest.raises(TokenInvalid):
        tokens.read(pair.access_token, "refresh")
    with pytest.raises(TokenInvalid):
        tokens.read(pair.refresh_token, "access")


@pytest.mark.parametrize(("left", "expires_in"), [(timedelta(0), 0), (timedelta(minutes=5), 300)])
def test_no_token_outlives_its_session(left: timedelta, expires_in: int) -> None:
    now = timezone.now()

    pair = tokens.issue(a_session(expires_at=now + left), now=now)

    for token in (pair.access_token, pair.refresh_token):
        found = jwt.decode(token, options={"verify_signature": False})
        assert found["exp"] == int((now + left).timestamp())
    assert pair.expires_in == expires_in


def test_a_session_that_has_expired_gets_no_negative_time() -> None:
    pair = tokens.issue(a_session(expires_at=timezone.now() - timedelta(days=1)))

    assert pair.expires_in == 0
    with pytest.raises(TokenExpired):
        tokens.read(pair.access_token, "access")


@pytest.mark.parametrize("ago", [11, 1_000_000])
def test_an_expired_token_is_told_from_an_invalid_one(ago: int) -> None:
    token = signed(claims(exp=int(timezone.now().timestamp()) - ago))

    with pytest.raises(TokenExpired):
        tokens.read(token, "access")
    assert tokens.read_ended(token) is not None


def test_clocks_may_differ_by_the_leeway() -> None:
    now = int(timezone.now().timestamp())

    for given in (claims(exp=now - 8), claims(iat=now + 8)):
        assert tokens.read(signed(given), "access").user_id == USER_ID
    with pytest.raises(TokenInvalid):
        tokens.read(signed(claims(iat=now + 60)), "access")


WRONG: dict[str, tuple[Any, ...]] = {
    "sid": (None, 7, True, [], {}, [SESSION_ID], "", "x" * 36, "\x00"),
    "sid spelt otherwise": (SESSION_ID.upper(), SESSION_ID.replace("-", "")),
    "sub": (None, 7, [USER_ID], {"a": 1}),
    "gen": (None, 0, -1, 1.0, "3", True, [3], 1e30),
    "token_type": (None, "Access", "", 1, [], {}, ["access"]),
    "jti": (None, 7, []),
    "exp": (None, 1e30, "tomorrow", "9" * 400, [], {}, float("inf"), float("nan"), 3e10 + 0.5),
    "iat": (None, "now", 0.5, [], 10**30, float("inf")),
    "nbf": (33_333_333_333, "then", [], float("nan")),
    "iss": (None, "stranger", ["authsvc"], 7),
    "aud": (None, "stranger", ["stranger"], [7], 7, {}),
}


@pytest.mark.parametrize(
    ("name", "value"), [(name.split()[0], value) for name in WRONG for value in WRONG[name]]
)
def test_a_signed_token_with_a_wrong_claim_is_invalid_and_never_an_error(
    name: str, value: object
) -> None:
    token = signed(claims(**{name: value}))

    with pytest.raises(TokenInvalid):
        tokens.read(token, "access")
    with pytest.raises(TokenInvalid):
        tokens.read(token, "refresh")


@pytest.mark.parametrize("payload", [None, [], "text", 7, True, [[]], {}])
def test_a_signed_token_that_is_no_object_of_claims_is_invalid(payload: object) -> None:
    with pytest.raises(TokenInvalid):
        tokens.read(signed(payload), "access")
    assert tokens.read_ended(signed(payload)) is None


_JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
@hypothesis.given(st.dictionaries(st.sampled_from([*claims(), "nbf", "crit"]), _JUNK, max_size=3))
def test_no_signed_claims_are_an_error(changed: dict[str, object]) -> None:
    token = signed(claims(**changed))

    for read in (tokens.read, lambda token, _kind: tokens.read_ended(token)):
        try:
            found = read(token, "access")
        except (TokenInvalid, TokenExpired):
            continue
        assert found is None or isinstance(found, tokens.Claims)


def b64(part: object) -> str:
    """Return a part of a token; text as it is."""
    raw = part if isinstance(part, str) else json.dumps(part)
    return base64.urlsafe_b64encode(raw.encode()).rstrip(b"=").decode()


DEEP = "[" * 1200 + "]" * 1200


@pytest.mark.parametrize(
    "token",
    [
        *("", ".", "..", "...", "a.b.c", "\x00", "é.é.é", "\ud800", "null", "Bearer x", " "),
        f"{b64({'alg': 'none'})}.{b64(claims())}.",
        f"{b64({'alg': 'HS256', 'typ': 7})}.{b64(claims())}.AAAA",
        f"{b64({'alg': ['HS256']})}.{b64(claims())}.AAAA",
        f"{b64({'alg': 'HS256', 'kid': 7})}.{b64(claims())}.AAAA",
        f"{b64({'alg': 'HS256', 'crit': ['b64'], 'b64': False})}.{b64(claims())}.AAAA",
        f"{b64(DEEP)}.e30.AAAA",
        f"{b64({'alg': 'HS256'})}.{b64(DEEP)}.AAAA",
        f"{b64([])}.e30.AAAA",
        f"{b64('9' * 2000)}.e30.AAAA",
    ],
)
def test_what_nobody_signed_is_invalid(token: str) -> None:
    with pytest.raises(TokenInvalid):
        tokens.read(token, "access")
    assert tokens.read_ended(token) is None


def test_deeply_nested_claims_that_we_signed_are_invalid() -> None:
    body = json.dumps(claims())[:-1] + f', "x": {DEEP}}}'
    token = jwt.api_jws.encode(body.encode(), SECRET, algorithm="HS256")
    assert len(token) <= tokens.MAX_LENGTH

    with pytest.raises(TokenInvalid):
        tokens.read(token, "access")


def test_a_token_that_is_too_long_is_not_even_decoded() -> None:
    token = signed(claims(x="x" * tokens.MAX_LENGTH))

    with pytest.raises(TokenInvalid):
        tokens.read(token, "access")


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_token_with_a_changed_part_is_invalid(part: int) -> None:
    parts = tokens.issue(a_session()).access_token.split(".")
    others = signed(claims(sub="somebody else"), "another secret of thirty-two characters")

    parts[part] = others.split(".")[part] if part else b64({"alg": "HS512", "typ": "JWT"})

    with pytest.raises(TokenInvalid):
        tokens.read(".".join(parts), "access")


@pytest.mark.parametrize("key", ["", "0" * 32, "another secret of thirty-two characters"])
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_a_strangers_key_signs_nothing(key: str) -> None:
    header, payload = b64({"alg": "HS256", "typ": "JWT"}), b64(claims())
    signer = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signature = signer.sign(f"{header}.{payload}".encode(), key.encode())
    token = f"{header}.{payload}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"

    with pytest.raises(TokenInvalid):
        tokens.read(token, "access")
    assert tokens.read_ended(token) is None


@pytest.mark.parametrize("option", ["ISSUER", "AUDIENCE"])
def test_a_token_of_another_service_with_the_same_key_is_invalid(
    settings: Settings, option: str
) -> None:
    sign_with(settings, SIGNING_KEY=SECRET, **{option: "another"})
    token = tokens.issue(a_session()).access_token

    sign_with(settings, SIGNING_KEY=SECRET)

    with pytest.raises(TokenInvalid):
        tokens.read(token, "access")


def test_a_rotated_key_still_verifies_and_no_longer_signs(settings: Settings) -> None:
    sign_with(settings, SIGNING_KEY=OLD_SECRET)
    before = tokens.issue(a_session()).access_token

    sign_with(settings, SIGNING_KEY=SECRET, PREVIOUS_KEYS=[OLD_SECRET])
    after = tokens.issue(a_session()).access_token

    assert tokens.read(before, "access") == tokens.read(after, "access")
    jwt.decode(after, SECRET, algorithms=["HS256"], audience="authsvc")
    with pytest.raises(TokenExpired):
        tokens.read(signed(claims(exp=1), OLD_SECRET), "access")
    sign_with(settings, SIGNING_KEY=SECRET)
    with pytest.raises(TokenInvalid):
        tokens.read(before, "access")


def test_without_a_signing_key_one_is_derived_from_the_secret_key(settings: Settings) -> None:
    sign_with(settings)
    token = tokens.issue(a_session()).access_token

    assert tokens.read(token, "access").user_id == USER_ID
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, django_settings.SECRET_KEY, algorithms=["HS256"], audience="authsvc")

    settings.SECRET_KEY = "another secret key of this project, long enough"
    with pytest.raises(TokenInvalid):
        tokens.read(token, "access")


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_the_longer_hashes_take_longer_keys(settings: Settings, algorithm: str) -> None:
    sign_with(settings, ALGORITHM=algorithm, SIGNING_KEY="k" * 64)

    token = tokens.issue(a_session()).access_token

    assert jwt.get_unverified_header(token)["alg"] == algorithm
    assert tokens.read(token, "access").user_id == USER_ID


@pytest.mark.parametrize("algorithm", KEYS)
def test_an_asymmetric_key_signs_and_its_public_half_verifies(
    settings: Settings, algorithm: str
) -> None:
    current, previous = pems(KEYS[algorithm]()), pems(KEYS[algorithm]())
    sign_with(settings, ALGORITHM=algorithm, **previous)
    before = tokens.issue(a_session()).access_token
    old = previous["VERIFYING_KEY"]

    sign_with(settings, ALGORITHM=algorithm, **current, PREVIOUS_KEYS=[old])

    after = tokens.issue(a_session()).access_token
    assert tokens.read(after, "access") == tokens.read(before, "access")
    jwt.decode(after, current["VERIFYING_KEY"], algorithms=[algorithm], audience="authsvc")
    with pytest.raises(TokenInvalid):
        tokens.read("a.b.c", "access")
    sign_with(settings, ALGORITHM=algorithm, **current)
    with pytest.raises(TokenInvalid):
        tokens.read(before, "access")


def test_a_public_key_cannot_be_used_as_a_secret(settings: Settings) -> None:
    keys = pems(make_rsa())
    sign_with(settings, ALGORITHM="RS256", **keys)
    header, payload = b64({"alg": "HS256", "typ": "JWT"}), b64(claims())
    signer = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signature = signer.sign(f"{header}.{payload}".encode(), keys["VERIFYING_KEY"].encode())

    token = f"{header}.{payload}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"

    with pytest.raises(TokenInvalid):
        tokens.read(token, "access")


def test_a_user_with_a_number_as_key_gets_a_string_in_the_token() -> None:
    session = a_session()
    session.user_id = 7  # type: ignore[assignment]  # as with django.contrib.auth's own model

    token = tokens.issue(session).access_token

    assert tokens.read(token, "access").user_id == "7"


def test_tokens_are_as_long_as_the_limit_says(settings: Settings) -> None:
    with_hmac = tokens.issue(a_session()).refresh_token
    sign_with(settings, ALGORITHM="RS256", **pems(make_rsa()))
    with_rsa = tokens.issue(a_session()).refresh_token

    assert len(with_hmac) < 500
    assert len(with_rsa) < 900
