"""Five keys in every answer, the right challenge, nothing for caches; the browsable API too."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import pytest
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from accounts.models import AuditEvent, User, UserSession
from tests.api.endpoints import ALL, PROTECTED, PUBLIC, WITH_BODY, Endpoint
from tests.api.forgery import aged
from tests.people import Phone, assert_error

pytestmark = pytest.mark.django_db

SignIn = Callable[..., Phone]
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"]
OFFERED: dict[str, set[str]] = {}
for _endpoint in ALL.values():
    OFFERED.setdefault(_endpoint.path, {"OPTIONS"}).add(_endpoint.method.upper())
    if _endpoint.method == "get":
        OFFERED[_endpoint.path].add("HEAD")
UNKNOWN = [
    "/auth/",
    "/auth/nothing",
    "/auth/login/",
    "/auth/logout/",
    "/auth/logout/all",
    "/auth/LOGIN",
    "/auth/sessions/",
    "/auth//login",
    "/auth/%00",
    "/auth/%ff%fe",
    "/auth/a%0Ab",
    "/auth/../admin/",
    "/auth/" + "x" * 5000,
]


def send(endpoint: Endpoint, client: APIClient | None = None, **options: Any) -> Any:
    """Make the call with the body it takes."""
    call = getattr(client or APIClient(), endpoint.method)
    return call(endpoint.path, endpoint.body, format="json", **options)


def rows() -> list[int]:
    """Return how many users, sessions and events there are."""
    return [model._default_manager.count() for model in (User, UserSession, AuditEvent)]


@pytest.mark.parametrize("endpoint", ALL.values(), ids=ALL)
def test_every_answer_is_json_that_no_cache_keeps(
    alice: User, phone_of: SignIn, endpoint: Endpoint
) -> None:
    phone = phone_of(alice)

    for headers in ({}, {"Authorization": f"Bearer {phone.tokens['access_token']}"}):
        answer = send(endpoint, headers=headers)

        assert answer["Content-Type"] == "application/json"
        assert answer["Cache-Control"] == "no-store"
        content = answer.json()
        assert list(content) == ["success", "message", "data", "code", "field"]
        assert content["success"] == (answer.status_code < 300) == (content["code"] is None)
        assert isinstance(content["message"], str)
        assert content["message"]


@pytest.mark.parametrize("endpoint", PROTECTED.values(), ids=PROTECTED)
def test_without_credentials_the_challenge_names_no_error(endpoint: Endpoint) -> None:
    answer = send(endpoint)

    assert_error(answer, 401, "not_authenticated")
    assert answer["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("endpoint", PROTECTED.values(), ids=PROTECTED)
@pytest.mark.parametrize(
    ("token_of", "code"),
    [
        pytest.param(lambda _phone: "not.a.token", "token_invalid", id="garbage"),
        pytest.param(lambda phone: aged(phone.session).access_token, "token_expired", id="expired"),
        pytest.param(lambda phone: phone.tokens["access_token"], "session_ended", id="ended"),
    ],
)
def test_with_a_token_that_is_refused_the_challenge_says_so(
    alice: User,
    phone_of: SignIn,
    endpoint: Endpoint,
    token_of: Callable[[Phone], str],
    code: str,
) -> None:
    phone = phone_of(alice)
    phone.ok("post", "/auth/logout")

    answer = send(endpoint, headers={"Authorization": f"Bearer {token_of(phone)}"})

    assert_error(answer, 401, code)
    assert answer["WWW-Authenticate"] == 'Bearer error="invalid_token"'


@pytest.mark.parametrize("endpoint", PUBLIC.values(), ids=PUBLIC)
def test_an_answer_that_is_no_401_challenges_nobody(alice: User, endpoint: Endpoint) -> None:
    answer = APIClient().post(endpoint.path, {}, format="json")

    assert answer.status_code == 400
    assert not answer.has_header("WWW-Authenticate")


@pytest.mark.parametrize(
    ("path", "method"),
    [
        pytest.param(path, method, id=f"{method}-{path.removeprefix('/auth/')[:20]}")
        for path, offered in OFFERED.items()
        for method in METHODS
        if method not in offered
    ],
)
def test_a_wrong_method_is_told_the_right_ones(path: str, method: str) -> None:
    answer = APIClient().generic(method, path)

    assert_error(answer, 405, "method_not_allowed")
    allowed = {name.strip() for name in answer["Allow"].split(",")}
    assert allowed == OFFERED[path]


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS", "BREW"])
@pytest.mark.parametrize("path", UNKNOWN, ids=lambda path: path[:20])
def test_an_unknown_path_is_a_404_whatever_the_method(path: str, method: str) -> None:
    answer = APIClient().generic(method, path)

    assert_error(answer, 404, "not_found")
    assert answer["Content-Type"] == "application/json"
    assert answer["Cache-Control"] == "no-store"


def test_credentials_make_no_path_known(alice: User, phone_of: SignIn) -> None:
    assert_error(phone_of(alice).call("get", "/auth/nothing"), 404, "not_found")


@pytest.mark.parametrize("accept", ["image/png", "application/xml", ";;;", "\xe9/\xfc", "json"])
@pytest.mark.parametrize("endpoint", ALL.values(), ids=ALL)
def test_what_nobody_can_give_is_a_406_and_nothing_is_done(
    alice: User, phone_of: SignIn, endpoint: Endpoint, accept: str
) -> None:
    phone = phone_of(alice)
    before = rows()

    answer = phone.call(endpoint.method, endpoint.path, endpoint.body, Accept=accept)

    assert_error(answer, 406, "not_acceptable")
    assert answer["Content-Type"] == "application/json"
    assert rows() == before
    assert phone.is_signed_in


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/*", "a/b, */*;q=0.1"])
def test_json_is_what_apps_get(alice: User, phone_of: SignIn, accept: str) -> None:
    answer = phone_of(alice).call("get", "/auth/profile", Accept=accept)

    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")


@pytest.mark.parametrize("endpoint", WITH_BODY.values(), ids=WITH_BODY)
def test_a_large_body_is_a_413(alice: User, phone_of: SignIn, endpoint: Endpoint) -> None:
    phone = phone_of(alice)

    answer = getattr(APIClient(), endpoint.method)(
        endpoint.path,
        b'{"name": "' + b"x" * 3_000_000 + b'"}',
        content_type="application/json",
        headers={"Authorization": f"Bearer {phone.tokens['access_token']}"},
    )

    assert_error(answer, 413, "payload_too_large")


@pytest.mark.parametrize("endpoint", WITH_BODY.values(), ids=WITH_BODY)
@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/xml", "multipart/form-data; boundary=b", "", "\xe9"]
)
def test_a_body_of_another_kind_is_a_415(
    alice: User, phone_of: SignIn, endpoint: Endpoint, content_type: str
) -> None:
    phone = phone_of(alice)

    answer = APIClient().generic(
        endpoint.method.upper(),
        endpoint.path,
        "{}",
        content_type=content_type,
        headers={"Authorization": f"Bearer {phone.tokens['access_token']}"},
    )

    assert_error(answer, 415, "unsupported_media_type")


def test_a_head_is_a_get_without_its_body(alice: User, phone_of: SignIn) -> None:
    phone = phone_of(alice)

    answer = phone.call("head", "/auth/profile")

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer["Cache-Control"] == "no-store"


def test_options_describe_an_endpoint_to_whoever_may_use_it(alice: User, phone_of: SignIn) -> None:
    described = phone_of(alice).call("options", "/auth/profile").json()

    assert set(described) == {"success", "message", "data", "code", "field"}
    assert described["data"]["name"] == "Profile"
    assert_error(APIClient().options("/auth/profile"), 401, "not_authenticated")


def require_https(settings: Settings) -> None:
    """Be in production."""
    settings.ACCOUNTS = settings.ACCOUNTS | {"REQUIRE_HTTPS": True}
    settings.SECURE_SSL_REDIRECT = True


@pytest.mark.parametrize(
    "endpoint",
    [*ALL.values(), Endpoint("get", "/auth/nothing"), Endpoint("put", "/auth/login")],
    ids=[*ALL, "unknown-path", "wrong-method"],
)
def test_plain_http_is_refused_and_nothing_is_done(
    settings: Settings, alice: User, phone_of: SignIn, endpoint: Endpoint
) -> None:
    phone = phone_of(alice)
    require_https(settings)
    before = rows()
    headers = {"Authorization": f"Bearer {phone.tokens['access_token']}"}

    answer = send(endpoint, headers=headers)

    assert_error(answer, 403, "https_required")
    assert not answer.has_header("Location")
    assert answer["Cache-Control"] == "no-store"
    assert rows() == before
    assert APIClient().get("/auth/profile", headers=headers, secure=True).status_code == 200


def test_nobody_is_believed_to_have_come_over_https(settings: Settings) -> None:
    require_https(settings)

    answer = APIClient().get("/auth/profile", headers={"X-Forwarded-Proto": "https"})

    assert_error(answer, 403, "https_required")


def test_elsewhere_plain_http_is_redirected(settings: Settings) -> None:
    require_https(settings)

    answer = APIClient().get("/admin/")

    assert (answer.status_code, answer["Location"]) == (301, "https://testserver/admin/")


def shown(answer: Any) -> str:
    """Return the text of the browsable API's page."""
    assert answer["Content-Type"] == "text/html; charset=utf-8"
    return html.unescape(answer.content.decode())


@pytest.mark.parametrize("name", ["profile", "sessions", "events", "logout"])
def test_the_browsable_api_shows_the_envelope(alice: User, phone_of: SignIn, name: str) -> None:
    endpoint = ALL[name]

    answer = phone_of(alice).call(endpoint.method, endpoint.path, Accept="text/html")

    page = shown(answer)
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    assert '"success": true' in page
    assert '"field": null' in page


@pytest.mark.parametrize(
    ("credentials", "status", "code"),
    [
        pytest.param("", 401, "not_authenticated", id="none"),
        pytest.param("Bearer not.a.token", 401, "token_invalid", id="garbage"),
        pytest.param(None, 401, "session_ended", id="ended"),
    ],
)
def test_the_browsable_api_shows_a_refusal(
    alice: User, phone_of: SignIn, credentials: str | None, status: int, code: str
) -> None:
    phone = phone_of(alice)
    phone.ok("post", "/auth/logout")
    headers = {} if credentials is None else {"Authorization": credentials}

    answer = phone.call("get", "/auth/profile", Accept="text/html", **headers)

    page = shown(answer)
    assert answer.status_code == status
    assert f'"code": "{code}"' in page
    assert answer["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        pytest.param(b"{", 400, "parse_error", id="garbage"),
        pytest.param(b"{}", 400, "validation_error", id="empty"),
        pytest.param(b"x" * 3_000_000, 413, "payload_too_large", id="large"),
    ],
)
def test_the_browsable_api_shows_what_is_wrong_with_a_body(
    content: bytes, status: int, code: str
) -> None:
    answer = APIClient().post(
        "/auth/login", content, content_type="application/json", headers={"Accept": "text/html"}
    )

    assert answer.status_code == status
    assert f'"code": "{code}"' in shown(answer)


def test_the_browsable_api_is_no_place_for_somebody_elses_script(
    alice: User, phone_of: SignIn
) -> None:
    phone = phone_of(alice, name="<script>alert(1)</script>")

    answer = phone.call("get", "/auth/sessions", Accept="text/html")

    assert b"<script>alert(1)" not in answer.content
