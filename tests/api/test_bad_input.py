"""
What breaks naive builds, as far as a request can bring it: each is a clear 4xx in the envelope.

Tokens signed with the service's own key that say nonsense, bodies that are no object, strings
that no database takes, headers that nobody should send.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIRequest
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from accounts.api.views.sign_in import RefreshView
from accounts.models import AuditEvent, User, UserSession
from tests.api.endpoints import ALL, SOME_ID, WITH_BODY, Endpoint
from tests.api.forgery import STRANGERS_KEY, claims_of, forge, sign
from tests.people import PASSWORD, Phone, assert_error

pytestmark = pytest.mark.django_db

SignIn = Callable[..., Phone]
Tamper = Callable[[str], str]


def changed(**changes: Any) -> Tamper:
    """Return how to change these claims."""
    return lambda token: forge(token, **changes)


def left_out(name: str) -> Tamper:
    """Return how to leave this claim out."""
    return lambda token: forge(token, without=[name])


def as_text(name: str) -> Tamper:
    """Return how to turn this number into a string."""
    return lambda token: forge(token, **{name: str(claims_of(token)[name])})


def raw(payload: bytes) -> Tamper:
    """Return how to sign something else altogether."""
    return lambda _token: sign(payload)


def with_header(**header: object) -> Tamper:
    """Return how to put something else before the payload; the signature is then wrong too."""
    head = urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")
    return lambda token: ".".join([head, *token.split(".")[1:]])


WRONG: dict[str, Tamper] = {
    "sid-null": changed(sid=None),
    "sid-list": changed(sid=[SOME_ID]),
    "sid-object": changed(sid={"id": SOME_ID}),
    "sid-number": changed(sid=1),
    "sid-word": changed(sid="current"),
    "sid-empty": changed(sid=""),
    "sid-nul": changed(sid="\x00"),
    "sid-surrogate": changed(sid="\ud800"),
    "sid-missing": left_out("sid"),
    "sid-unknown": changed(sid=SOME_ID),
    "sid-upper-case": lambda token: forge(token, sid=claims_of(token)["sid"].upper()),
    "sid-without-hyphens": lambda token: forge(token, sid=claims_of(token)["sid"].replace("-", "")),
    "sid-in-braces": lambda token: forge(token, sid=f"{{{claims_of(token)['sid']}}}"),
    "sub-null": changed(sub=None),
    "sub-list": changed(sub=[SOME_ID]),
    "sub-number": changed(sub=1),
    "sub-true": changed(sub=True),
    "sub-empty": changed(sub=""),
    "sub-nul": changed(sub="\x00"),
    "sub-surrogate": changed(sub="\ud800"),
    "sub-somebody-else": changed(sub=SOME_ID),
    "sub-missing": left_out("sub"),
    "exp-beyond-floats": changed(exp=1e30),
    "exp-beyond-numbers": raw(b'{"exp": 1e999}'),
    "exp-not-a-number": changed(exp=float("nan")),
    "exp-fraction": lambda token: forge(token, exp=claims_of(token)["exp"] + 0.5),
    "exp-text": as_text("exp"),
    "exp-word": changed(exp="tomorrow"),
    "exp-null": changed(exp=None),
    "exp-list": changed(exp=[1]),
    "exp-missing": left_out("exp"),
    "iat-beyond-floats": changed(iat=1e30),
    "iat-infinite": changed(iat=float("inf")),
    "iat-text": as_text("iat"),
    "iat-true": changed(iat=True),
    "iat-null": changed(iat=None),
    "iat-missing": left_out("iat"),
    "gen-null": changed(gen=None),
    "gen-zero": changed(gen=0),
    "gen-negative": changed(gen=-1),
    "gen-true": changed(gen=True),
    "gen-text": changed(gen="1"),
    "gen-fraction": changed(gen=1.0),
    "gen-huge": changed(gen=10**400),
    "gen-beyond-column": changed(gen=2**63),
    "gen-list": changed(gen=[1]),
    "gen-missing": left_out("gen"),
    "jti-null": changed(jti=None),
    "jti-number": changed(jti=1),
    "jti-missing": left_out("jti"),
    "iss-other": changed(iss="elsewhere"),
    "iss-list": changed(iss=["authsvc"]),
    "iss-missing": left_out("iss"),
    "aud-other": changed(aud="elsewhere"),
    "aud-null": changed(aud=None),
    "aud-number": changed(aud=1),
    "aud-missing": left_out("aud"),
    "token-type-other": changed(token_type="id"),
    "token-type-null": changed(token_type=None),
    "token-type-list": changed(token_type=["access", "refresh"]),
    "token-type-missing": left_out("token_type"),
    "not-yet": changed(nbf=2**40),
    "payload-list": raw(b"[]"),
    "payload-null": raw(b"null"),
    "payload-text": raw(b'"token"'),
    "payload-empty": raw(b""),
    "payload-not-json": raw(b"{"),
    "payload-not-utf-8": raw(b'{"sub": "\xff"}'),
    "payload-nested": raw(b"[" * 2500),
    "alg-none": lambda token: forge(token, algorithm="none"),
    "alg-hs384": lambda token: forge(token, algorithm="HS384"),
    "alg-hs512": lambda token: forge(token, algorithm="HS512"),
    "alg-rs256": with_header(alg="RS256", typ="JWT"),
    "alg-null": with_header(alg=None),
    "alg-list": with_header(alg=["HS256"]),
    "alg-missing": with_header(typ="JWT"),
    "kid-list": with_header(alg="HS256", kid=[1]),
    "critical-header": with_header(alg="HS256", crit=["b64"], b64=False),
    "other-key": lambda token: forge(token, key=STRANGERS_KEY),
    "unsigned": lambda token: token.rpartition(".")[0] + ".",
    "two-parts": lambda token: token.rpartition(".")[0],
    "four-parts": lambda token: f"{token}.x",
    "five-parts": lambda token: f"{token}.x.y",
    "other-payload": lambda token: ".".join([*forge(token, gen=9).split(".")[:2], token[-43:]]),
    "dots": lambda _token: "...",
    "not-ascii": lambda _token: "\xe9\xfc",
    "long": lambda token: token + "x" * 5000,
}
# A number that can be read as a time long ago has expired, whatever its type.
EXPIRED: dict[str, Tamper] = {
    "exp-true": changed(exp=True),
    "exp-zero": changed(exp=0),
    "exp-negative": changed(exp=-(10**12)),
}
TOKENS = [pytest.param(tamper, "token_invalid", id=name) for name, tamper in WRONG.items()]
TOKENS += [pytest.param(tamper, "token_expired", id=name) for name, tamper in EXPIRED.items()]


@pytest.mark.parametrize(("tamper", "code"), TOKENS)
def test_an_access_token_that_says_nonsense_is_a_401(
    alice: User, phone_of: SignIn, tamper: Tamper, code: str
) -> None:
    phone = phone_of(alice)
    token = tamper(phone.tokens["access_token"])

    answer = phone.call("post", "/auth/logout", Authorization=f"Bearer {token}")

    assert_error(answer, 401, code)
    assert answer["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert phone.is_signed_in


@pytest.mark.parametrize(("tamper", "code"), [param for param in TOKENS if param.id != "long"])
def test_a_refresh_token_that_says_nonsense_is_a_401_and_ends_nothing(
    alice: User, phone_of: SignIn, tamper: Tamper, code: str
) -> None:
    phone = phone_of(alice)

    answer = phone.refresh(tamper(phone.tokens["refresh_token"]))

    assert_error(answer, 401, code)
    assert answer["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert phone.session.refresh_generation == 1
    assert phone.is_signed_in


# A generation of the future is still the session's own, and whoever holds it may give it back.
GIVEN_BACK = {name: WRONG[name] for name in WRONG if name not in {"gen-huge", "gen-beyond-column"}}


@pytest.mark.parametrize("tamper", GIVEN_BACK.values(), ids=GIVEN_BACK)
def test_a_token_that_says_nonsense_can_be_given_back_and_ends_nothing(
    alice: User, phone_of: SignIn, tamper: Tamper
) -> None:
    phone = phone_of(alice)
    token = tamper(phone.tokens["refresh_token"])

    answer = phone.call("post", "/auth/revoke", {"token": token})

    assert answer.status_code == 200
    assert phone.is_signed_in


def test_the_tokens_of_these_tests_are_good_when_nothing_is_changed(
    alice: User, phone_of: SignIn
) -> None:
    phone = phone_of(alice)
    bearer = {"Authorization": f"Bearer {forge(phone.tokens['access_token'])}"}

    assert phone.call("get", "/auth/profile", **bearer).status_code == 200
    assert phone.refresh(forge(phone.tokens["refresh_token"])).status_code == 200


BODIES: dict[str, bytes] = {
    "list": b"[]",
    "list-of-objects": b'[{"email": "alice@example.com"}]',
    "string": b'"token"',
    "number": b"1",
    "true": b"true",
    "null": b"null",
    "not-json": b"email=alice",
    "half": b'{"email": ',
    "single-quotes": b"{'email': 'alice@example.com'}",
    "trailing-comma": b'{"email": "x",}',
    "two-values": b"{}{}",
    "blank": b"   ",
    "nul": b"\x00",
    "not-a-number": b'{"email": NaN}',
    "infinity": b'{"email": Infinity}',
    "beyond-numbers": b'{"email": 1e999}',
    "five-thousand-digits": b'{"email": ' + b"9" * 5000 + b"}",
    "raw-control-character": b'{"email": "a\nb"}',
    "invalid-utf-8": b'{"email": "\xff"}',
    "overlong-utf-8": b'{"email": "\xc0\x80"}',
    "surrogate-in-utf-8": b'{"email": "\xed\xa0\x80"}',
    "lone-surrogate": b'{"email": "\\ud800"}',
    "lone-low-surrogate": b'{"email": "\\udc00x"}',
    "surrogate-as-a-key": b'{"\\ud800": 1}',
    "utf-16": '{"email": "x"}'.encode("utf-16"),
    "byte-order-mark": b'\xef\xbb\xbf{"email": "x"}',
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
    "nested-21": b'{"email": ' + b"[" * 20 + b"]" * 20 + b"}",
    "nested-1000": b'{"email": ' + b"[" * 999 + b"]" * 999 + b"}",
    "nested-1000-objects": b'{"email": ' * 1000 + b"1" + b"}" * 1000,
    "nested-100000": b'{"email": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "nested-100000-open": b"[" * 100_000,
}


def send(endpoint: Endpoint, phone: Phone, body: bytes, **options: Any) -> Any:
    """Send these bytes as JSON."""
    options = {"content_type": "application/json"} | options
    headers = {"Authorization": f"Bearer {phone.tokens['access_token']}"}
    call = getattr(APIClient(), endpoint.method)
    return call(endpoint.path, body, headers=headers, **options)


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("endpoint", WITH_BODY.values(), ids=WITH_BODY)
def test_a_body_that_is_no_json_object_is_a_parse_error(
    alice: User, phone_of: SignIn, endpoint: Endpoint, body: bytes
) -> None:
    phone = phone_of(alice)

    answer = send(endpoint, phone, body)

    assert_error(answer, 400, "parse_error")
    assert answer.json()["data"] is None
    assert (User.objects.count(), UserSession.objects.count()) == (1, 1)


@pytest.mark.parametrize(
    "charset", ["latin-1", "gbk", "utf-16", '"utf-16"', "utf-7", "x" * 1000, ""]
)
@pytest.mark.parametrize("endpoint", WITH_BODY.values(), ids=WITH_BODY)
def test_a_charset_that_json_does_not_have_is_a_415(
    alice: User, phone_of: SignIn, endpoint: Endpoint, charset: str
) -> None:
    content_type = f"application/json; charset={charset}"

    answer = send(endpoint, phone_of(alice), b"{}", content_type=content_type)

    assert_error(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
        "application/json; charset=utf8; profile=x",
        "application/json; ",
        "Application/JSON",
    ],
)
def test_json_is_recognised_however_it_is_written(alice: User, content_type: str) -> None:
    body = json.dumps({"email": alice.email, "password": PASSWORD}).encode()

    answer = APIClient().post("/auth/login", body, content_type=content_type)

    assert answer.status_code == 200


def test_a_body_may_be_as_large_as_the_setting_and_no_larger(
    settings: Settings, alice: User
) -> None:
    settings.ACCOUNTS = settings.ACCOUNTS | {"MAX_BODY_BYTES": 200}
    body = json.dumps({"email": alice.email, "password": PASSWORD}).encode()

    fits = APIClient().post("/auth/login", body.ljust(200), content_type="application/json")
    exceeds = APIClient().post("/auth/login", body.ljust(201), content_type="application/json")

    assert fits.status_code == 200
    assert_error(exceeds, 413, "payload_too_large")


@pytest.mark.parametrize(
    ("declared", "status", "code"),
    [
        pytest.param("9" * 30, 413, "payload_too_large", id="huge"),
        pytest.param("300000", 413, "payload_too_large", id="more-than-sent"),
        pytest.param("0", 400, "validation_error", id="nothing"),
        pytest.param("", 400, "validation_error", id="empty"),
        pytest.param("a lot", 400, "validation_error", id="words"),
    ],
)
def test_a_length_that_is_a_lie_is_refused(declared: str, status: int, code: str) -> None:
    answer = APIClient().post(
        "/auth/login", b"x" * 50, content_type="application/json", CONTENT_LENGTH=declared
    )

    assert_error(answer, status, code, "email" if status == 400 else None)


class Hangup(BytesIO):
    """A connection that breaks while the body is on its way."""

    def read(self, *_size: Any) -> bytes:
        raise OSError("Connection reset by peer")


def send_unwanted(body: BytesIO, size: int) -> int:
    """Send a body to an endpoint that has no use for one; return how much was left of it."""
    environ: dict[str, Any] = {"wsgi.input": body}
    answer = APIClient().generic(
        "POST", "/auth/logout", "x" * size, content_type="text/plain", **environ
    )
    assert_error(answer, 401, "not_authenticated")
    return len(body.getvalue()) - body.tell()


def test_a_small_body_that_nobody_wanted_is_read_to_its_end_and_a_large_one_is_not() -> None:
    assert send_unwanted(BytesIO(b"x" * 100), 100) == 0
    assert send_unwanted(BytesIO(b"x" * 1_000_000), 1_000_000) == 1_000_000


def test_whoever_hangs_up_in_the_middle_of_such_a_body_does_no_harm() -> None:
    assert send_unwanted(Hangup(b"xx"), 2) == 2


def send_chunks(body: bytes, **facts: Any) -> Any:
    """Send a body whose length is not declared to a WSGI server."""
    environ: dict[str, Any] = {"wsgi.input": BytesIO(body), "wsgi.input_terminated": True}
    return APIClient().generic(
        "POST",
        "/auth/refresh",
        "a body of some length",
        content_type="application/json",
        CONTENT_LENGTH="",
        HTTP_TRANSFER_ENCODING="chunked",
        **(environ | facts),
    )


def test_a_body_in_chunks_is_read() -> None:
    assert_error(send_chunks(b'{"refresh_token": "x"}'), 401, "token_invalid")
    assert_error(send_chunks(b""), 400, "parse_error")
    assert_error(send_chunks(b"x" * 3_000_000), 413, "payload_too_large")


def test_a_body_in_chunks_is_not_waited_for_where_the_server_does_not_end_it() -> None:
    answer = send_chunks(b'{"refresh_token": "x"}', **{"wsgi.input_terminated": False})

    assert_error(answer, 400, "validation_error", "refresh_token")


def test_a_body_in_chunks_is_read_by_the_asgi_server_too() -> None:
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/auth/refresh",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), (b"transfer-encoding", b"chunked")],
    }

    answer: Any = RefreshView.as_view()(ASGIRequest(scope, BytesIO(b'{"refresh_token": "x"}')))

    assert (answer.status_code, answer.data["code"]) == (401, "token_invalid")


def test_a_large_body_is_measured_where_its_length_is_not_declared(settings: Settings) -> None:
    settings.ACCOUNTS = settings.ACCOUNTS | {"MAX_BODY_BYTES": 10}

    answer = APIClient().post(
        "/auth/login", b"{" * 50, content_type="application/json", CONTENT_LENGTH="+50"
    )

    assert_error(answer, 413, "payload_too_large")


STRINGS: dict[str, object] = {
    "nul": "a\x00b",
    "nul-alone": "\x00",
    "null": None,
    "true": True,
    "list": ["x"],
    "empty-list": [],
    "object": {"$ne": None},
    "empty-object": {},
    "hundred-thousand-letters": "x" * 100_000,
    "hundred-thousand-wide-letters": "\N{CJK UNIFIED IDEOGRAPH-4E2D}" * 80_000,
}
FIELDS = [
    pytest.param(endpoint, field, value, id=f"{name}-{field}-{kind}")
    for name, endpoint in WITH_BODY.items()
    for field in endpoint.body or {}
    for kind, value in STRINGS.items()
    # Whatever is given back: no token of ours, and no error.
    if not (field == "token" and kind.startswith("hundred"))
]


@pytest.mark.parametrize(("endpoint", "field", "value"), FIELDS)
def test_a_value_that_no_field_takes_is_a_validation_error(
    alice: User, phone_of: SignIn, endpoint: Endpoint, field: str, value: object
) -> None:
    phone = phone_of(alice)
    body = json.dumps((endpoint.body or {}) | {field: value}, ensure_ascii=False).encode()

    answer = send(endpoint, phone, body)

    assert_error(answer, 400, "validation_error", field)
    assert (User.objects.count(), UserSession.objects.count()) == (1, 1)
    assert not AuditEvent.objects.filter(type="login.failed").exists()


LIMITS = {
    ("register", "email"): 254,
    ("register", "password"): 256,
    ("register", "name"): 150,
    ("login", "email"): 254,
    ("login", "password"): 256,
    ("login", "device_name"): 100,
    ("login", "device_id"): 128,
    ("refresh", "refresh_token"): 4096,
    ("profile-change", "name"): 150,
    ("profile-change", "locale"): 20,
    ("profile-change", "time_zone"): 64,
    ("profile-change", "avatar_url"): 500,
}


@pytest.mark.parametrize(
    ("name", "field", "limit"),
    [pytest.param(*place, limit, id=f"{place[0]}-{place[1]}") for place, limit in LIMITS.items()],
)
def test_a_string_one_letter_too_long_is_named(
    alice: User, phone_of: SignIn, name: str, field: str, limit: int
) -> None:
    endpoint = ALL[name]
    body = (endpoint.body or {}) | {field: "x" * (limit + 1)}

    answer = phone_of(alice).call(endpoint.method, endpoint.path, body)

    assert_error(answer, 400, "validation_error", field)
    assert "max_length" in {error["code"] for error in answer.json()["data"]["errors"]}


@pytest.mark.parametrize(
    ("credentials", "code"),
    [
        pytest.param("", "not_authenticated", id="empty"),
        pytest.param("   ", "not_authenticated", id="blank"),
        pytest.param("Basic YWxpY2U6eA==", "not_authenticated", id="basic"),
        pytest.param("Token {token}", "not_authenticated", id="other-scheme"),
        pytest.param("{token}", "not_authenticated", id="no-scheme"),
        pytest.param("Bearer{token}", "not_authenticated", id="no-space"),
        pytest.param("Bearer\t{token}", "not_authenticated", id="tab"),
        pytest.param('"Bearer" {token}', "not_authenticated", id="quoted-scheme"),
        pytest.param("\xe9\xfc", "not_authenticated", id="not-ascii"),
        pytest.param("\x00", "not_authenticated", id="nul"),
        pytest.param("Bearer", "token_invalid", id="nothing-after-it"),
        pytest.param("Bearer ", "token_invalid", id="blank-after-it"),
        pytest.param("Bearer {token} {token}", "token_invalid", id="two-tokens"),
        pytest.param("Bearer {token}, Bearer {token}", "token_invalid", id="sent-twice"),
        pytest.param("Bearer Bearer {token}", "token_invalid", id="scheme-twice"),
        pytest.param('Bearer "{token}"', "token_invalid", id="quoted"),
        pytest.param("Bearer {token}\x00", "token_invalid", id="nul-after-it"),
        pytest.param("Bearer \xe9\xfc", "token_invalid", id="token-not-ascii"),
        pytest.param("Bearer \xed\xa0\x80", "token_invalid", id="surrogate"),
        pytest.param("Bearer null", "token_invalid", id="null"),
        pytest.param("Bearer undefined", "token_invalid", id="undefined"),
        pytest.param("Bearer " + "x" * 60_000, "token_invalid", id="long"),
        pytest.param("Bearer " + "." * 4000, "token_invalid", id="dots"),
    ],
)
def test_credentials_nobody_should_send_are_a_401(
    alice: User, phone_of: SignIn, credentials: str, code: str
) -> None:
    phone = phone_of(alice)
    sent = credentials.format(token=phone.tokens["access_token"])

    answer = phone.call("post", "/auth/logout", Authorization=sent)

    assert_error(answer, 401, code)
    challenge = "Bearer" if code == "not_authenticated" else 'Bearer error="invalid_token"'
    assert answer["WWW-Authenticate"] == challenge
    assert phone.is_signed_in


@pytest.mark.parametrize("credentials", ["bearer {}", "BEARER {}", "Bearer  {}", " Bearer {} "])
def test_the_scheme_is_compared_without_regard_to_case(
    alice: User, phone_of: SignIn, credentials: str
) -> None:
    phone = phone_of(alice)
    sent = credentials.format(phone.tokens["access_token"])

    assert phone.call("get", "/auth/profile", Authorization=sent).status_code == 200


@pytest.mark.parametrize("place", ["?access_token={}", "?token={}", "?authorization=Bearer%20{}"])
def test_a_token_in_the_url_is_no_credential(alice: User, phone_of: SignIn, place: str) -> None:
    token = phone_of(alice).tokens["access_token"]

    answer = APIClient().get(f"/auth/profile{place.format(token)}")

    assert_error(answer, 401, "not_authenticated")


ODD_HEADERS = {
    "user-agent-nul": {"User-Agent": "a\x00b"},
    "user-agent-surrogate": {"User-Agent": "\xed\xa0\x80"},
    "user-agent-not-ascii": {"User-Agent": "\xe4\xb8\xad\xe6\x96\x87"},
    "user-agent-long": {"User-Agent": "x" * 20_000},
    "user-agent-escapes": {"User-Agent": "\x1b[31m\r\nSet-Cookie: a=b"},
    "forwarded-words": {"X-Forwarded-For": "nobody, \x00, 300.1.1.1"},
    "forwarded-long": {"X-Forwarded-For": "1.2.3.4, " * 2000},
    "session-cookie-nul": {"Cookie": "sessionid=\x00; csrftoken=\x00"},
    "session-cookie-escaped-nul": {"Cookie": 'sessionid="0000000\\000"; csrftoken=x'},
    "session-cookie-surrogate": {"Cookie": "sessionid=\xed\xa0\x80; csrftoken=\xed\xa0\x80"},
    "session-cookie-long": {"Cookie": f"sessionid={'x' * 20_000}"},
    "cookie-garbage": {"Cookie": ";;;=;=\xff;sessionid"},
    "language-garbage": {"Accept-Language": "\xff;q=x,,,*;q=9"},
    "language-long": {"Accept-Language": "zh-" + "x" * 20_000},
    "language-nul": {"Accept-Language": "\x00"},
    "origin-null": {"Origin": "null"},
    "origin-garbage": {"Origin": "http://["},
    "referer-garbage": {"Referer": "\xff://["},
    "method-override": {"X-HTTP-Method-Override": "DELETE"},
    "encoding": {"Content-Encoding": "gzip"},
    "range": {"Range": "bytes=0-0"},
    "conditional": {"If-None-Match": "*", "If-Modified-Since": "yesterday"},
}


@pytest.mark.parametrize("headers", ODD_HEADERS.values(), ids=ODD_HEADERS)
def test_a_header_nobody_should_send_stops_nobody(alice: User, headers: dict[str, str]) -> None:
    phone = Phone(client=APIClient(headers=headers)).sign_in(alice)

    assert phone.call("get", "/auth/profile").status_code == 200
    assert phone.call("get", "/auth/sessions").status_code == 200
    row = phone.session
    assert len(row.user_agent) <= 400
    assert row.user_agent.isprintable()
    assert row.ip_address == "127.0.0.1"
    assert phone.ok("post", "/auth/logout") is None


@pytest.mark.parametrize("endpoint", ALL.values(), ids=ALL)
def test_three_hundred_parameters_are_a_400(
    alice: User, phone_of: SignIn, endpoint: Endpoint
) -> None:
    phone = phone_of(alice)
    path = f"{endpoint.path}?{'a=1&' * 300}"

    answer = phone.call(endpoint.method, path, endpoint.body)

    assert_error(answer, 400, "parse_error")
    assert phone.is_signed_in


@pytest.mark.parametrize(
    "query", ["?%00=%00", "?%ff", "?a=%ed%a0%80", "?=&&=", "?format=json", f"?a={'x' * 20_000}"]
)
def test_a_query_nobody_should_send_is_not_looked_at(
    alice: User, phone_of: SignIn, query: str
) -> None:
    assert phone_of(alice).call("get", f"/auth/profile{query}").status_code == 200


@pytest.mark.parametrize("query", ["?format=xml", "?format=%00", "?format=../../etc/passwd"])
def test_a_format_nobody_can_give_is_not_found(alice: User, phone_of: SignIn, query: str) -> None:
    assert_error(phone_of(alice).call("get", f"/auth/profile{query}"), 404, "not_found")
