"""What went wrong, and what is answered: in a view, before a view, and without a database."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFieldsSent,
)
from django.core.signals import got_request_exception
from django.db import (
    DataError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
    connection,
)
from django.http import Http404, HttpRequest, HttpResponse
from pytest_django.fixtures import Settings
from rest_framework import exceptions as drf
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient, APIRequestFactory

from accounts import exceptions as ours
from accounts.api.errors import STATUSES
from accounts.api.views.base import PublicView
from accounts.models import User
from tests.api.endpoints import PROTECTED, PUBLIC, Endpoint
from tests.people import Phone, assert_error

SignIn = Callable[..., Phone]
SECRET = "postgres://authsvc:hunter2@db/authsvc"


class FailingView(PublicView):
    """Raises."""

    error: Exception = RuntimeError()

    def get(self, request: Request) -> Response:
        """Raise what the view was made with."""
        raise self.error


def answer_to(error: Exception, **headers: str) -> Any:
    """Return what a view answers that raises ``error``."""
    view: Any = FailingView.as_view(error=error)
    answer = view(APIRequestFactory().get("/auth/failing", headers=headers))
    answer.render()
    answer.json = lambda: json.loads(answer.content)
    return answer


RAISED: dict[str, tuple[Exception, int, str]] = {
    "parse": (drf.ParseError(), 400, "parse_error"),
    "suspicious": (SuspiciousOperation(SECRET), 400, "parse_error"),
    "many-fields": (TooManyFieldsSent(SECRET), 400, "parse_error"),
    "bad-request": (BadRequest(SECRET), 400, "parse_error"),
    "too-big": (RequestDataTooBig(SECRET), 413, "payload_too_large"),
    "too-large": (ours.PayloadTooLarge(), 413, "payload_too_large"),
    "anonymous": (drf.NotAuthenticated(), 401, "not_authenticated"),
    "host-credentials": (drf.AuthenticationFailed(SECRET), 401, "token_invalid"),
    "invalid": (ours.TokenInvalid(), 401, "token_invalid"),
    "expired": (ours.TokenExpired(), 401, "token_expired"),
    "ended": (ours.SessionEnded(), 401, "session_ended"),
    "credentials": (ours.InvalidCredentials(), 401, "invalid_credentials"),
    "denied": (ours.PermissionDenied(), 403, "permission_denied"),
    "django-denied": (PermissionDenied(SECRET), 403, "permission_denied"),
    "drf-denied": (drf.PermissionDenied(), 403, "permission_denied"),
    "https": (ours.HttpsRequired(), 403, "https_required"),
    "django-not-found": (Http404(SECRET), 404, "not_found"),
    "drf-not-found": (drf.NotFound(), 404, "not_found"),
    "method": (drf.MethodNotAllowed("GET"), 405, "method_not_allowed"),
    "accept": (drf.NotAcceptable(), 406, "not_acceptable"),
    "media": (drf.UnsupportedMediaType("text/plain"), 415, "unsupported_media_type"),
    "throttled": (ours.Throttled(30), 429, "throttled"),
    "drf-throttled": (drf.Throttled(), 429, "throttled"),
    "bug": (RuntimeError(SECRET), 500, "server_error"),
    "key": (KeyError(SECRET), 500, "server_error"),
    "drf-unknown": (drf.APIException(SECRET), 500, "server_error"),
    "integrity": (IntegrityError(SECRET), 500, "server_error"),
    "data": (DataError(SECRET), 500, "server_error"),
    "programming": (ProgrammingError(SECRET), 500, "server_error"),
    "operational": (OperationalError(SECRET), 503, "service_unavailable"),
    "interface": (InterfaceError(SECRET), 503, "service_unavailable"),
    "unavailable": (ours.ServiceUnavailable(5), 503, "service_unavailable"),
}


@pytest.mark.parametrize(("error", "status", "code"), RAISED.values(), ids=RAISED)
def test_what_a_view_raises_has_its_status_and_tells_nothing_internal(
    error: Exception, status: int, code: str
) -> None:
    answer = answer_to(error)

    assert_error(answer, status, code)
    assert STATUSES[code] == status
    assert answer["Cache-Control"] == "no-store"
    assert SECRET not in answer.content.decode()


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        pytest.param(ours.Throttled(30), "30", id="throttled"),
        pytest.param(ours.Throttled(0), "1", id="at-once"),
        pytest.param(drf.Throttled(wait=6.2), "7", id="drf-throttled"),
        pytest.param(drf.Throttled(), "1", id="drf-throttled-without-a-time"),
        pytest.param(OperationalError(), "2", id="no-database"),
        pytest.param(ours.ServiceUnavailable(5), "5", id="unavailable"),
    ],
)
def test_whoever_may_come_again_is_told_when(error: Exception, seconds: str) -> None:
    assert answer_to(error)["Retry-After"] == seconds


@pytest.mark.parametrize(
    ("error", "challenge"),
    [
        pytest.param(drf.NotAuthenticated(), "Bearer", id="nothing-presented"),
        pytest.param(ours.InvalidCredentials(), "Bearer", id="a-password-presented"),
        pytest.param(ours.TokenExpired(), 'Bearer error="invalid_token"', id="a-token-presented"),
        pytest.param(drf.AuthenticationFailed(), 'Bearer error="invalid_token"', id="drf"),
    ],
)
def test_a_401_carries_its_challenge(error: Exception, challenge: str) -> None:
    assert answer_to(error)["WWW-Authenticate"] == challenge


@pytest.mark.parametrize(
    ("detail", "field", "errors"),
    [
        pytest.param("wrong", None, [(None, "invalid", "wrong")], id="text"),
        pytest.param(["a", "b"], None, [(None, "invalid", "a"), (None, "invalid", "b")], id="list"),
        pytest.param({"name": ["wrong"]}, "name", [("name", "invalid", "wrong")], id="field"),
        pytest.param(
            {"non_field_errors": ["a"], "name": ["b"]},
            None,
            [(None, "invalid", "a"), ("name", "invalid", "b")],
            id="no-field",
        ),
        pytest.param(
            {"owner": {"name": ["a"], "non_field_errors": ["b"]}},
            "owner.name",
            [("owner.name", "invalid", "a"), ("owner", "invalid", "b")],
            id="nested",
        ),
        pytest.param([{}, {"name": ["a"]}], "name", [("name", "invalid", "a")], id="of-many"),
        pytest.param(
            {"message": ["a"], "code": ["b"]},
            "message",
            [("message", "invalid", "a"), ("code", "invalid", "b")],
            id="fields-named-as-ours",
        ),
    ],
)
def test_a_validation_error_names_every_field_by_its_path(
    detail: Any, field: str | None, errors: list[tuple[str | None, str, str]]
) -> None:
    answer = answer_to(drf.ValidationError(detail))

    content = answer.json()
    assert_error(answer, 400, "validation_error", field)
    assert content["message"] == errors[0][2]
    assert [(e["field"], e["code"], e["message"]) for e in content["data"]["errors"]] == errors


def test_several_problems_of_one_input_are_all_given() -> None:
    answer = answer_to(ours.FieldInvalid("password", [("short", "Too short."), ("weak", "Weak.")]))

    assert_error(answer, 400, "validation_error", "password")
    assert answer.json()["data"]["errors"] == [
        {"field": "password", "code": "short", "message": "Too short."},
        {"field": "password", "code": "weak", "message": "Weak."},
    ]


def test_a_bug_is_logged_with_its_traceback_and_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard: list[object] = []

    def listen(**facts: object) -> None:
        heard.append(facts["request"])

    got_request_exception.connect(listen)
    try:
        answer_to(RuntimeError("a bug"))
    finally:
        got_request_exception.disconnect(listen)

    (record,) = [record for record in caplog.records if record.name == "accounts.api.errors"]
    assert record.levelno == logging.ERROR
    assert record.getMessage() == "Unhandled error in GET /auth/failing"
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "a bug"
    assert [isinstance(request, HttpRequest) for request in heard] == [True]


def test_a_database_that_is_gone_is_logged_with_its_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer_to(OperationalError("connection refused"))

    (record,) = [record for record in caplog.records if record.name == "accounts.api.errors"]
    assert record.getMessage() == "The database could not be used"
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "connection refused"


@contextmanager
def no_database(error: type[Exception]) -> Iterator[None]:
    """Let every statement fail."""

    def fail(*_arguments: object) -> None:
        raise error("server closed the connection unexpectedly")

    with connection.execute_wrapper(fail):
        yield


ASKING = {name: PUBLIC[name] for name in ("register", "login")} | PROTECTED


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
@pytest.mark.parametrize("endpoint", ASKING.values(), ids=ASKING)
def test_without_a_database_every_endpoint_is_a_503_and_nobody_loses_a_token(
    alice: User, phone_of: SignIn, endpoint: Endpoint, error: type[Exception]
) -> None:
    phone = phone_of(alice)

    with no_database(error):
        answer = phone.call(endpoint.method, endpoint.path, endpoint.body)

    assert_error(answer, 503, "service_unavailable")
    assert answer["Retry-After"] == "2"
    assert not answer.has_header("WWW-Authenticate")
    assert phone.is_signed_in
    assert phone.refresh().status_code == 200


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("path", "field"), [("/auth/refresh", "refresh_token"), ("/auth/revoke", "token")]
)
def test_without_a_database_no_refresh_token_is_refused(
    alice: User, phone_of: SignIn, path: str, field: str
) -> None:
    phone = phone_of(alice)
    body = {field: phone.tokens["refresh_token"]}

    with no_database(OperationalError):
        answer = phone.call("post", path, body)

    assert_error(answer, 503, "service_unavailable")
    assert phone.is_signed_in
    assert phone.refresh().status_code == 200


@pytest.mark.django_db(transaction=True)
def test_without_a_database_a_browser_is_shown_the_503(alice: User, phone_of: SignIn) -> None:
    phone = phone_of(alice)

    with no_database(OperationalError):
        answer = phone.call("get", "/auth/profile", Accept="text/html")

    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    assert b"service_unavailable" in answer.content


@pytest.mark.django_db(transaction=True)
def test_what_is_forged_is_refused_without_a_database() -> None:
    with no_database(OperationalError):
        answer = APIClient().get("/auth/profile", headers={"Authorization": "Bearer x"})

    assert_error(answer, 401, "token_invalid")


BEFORE_THE_VIEW: dict[str, tuple[Exception, int, str]] = {
    "suspicious": (SuspiciousOperation(SECRET), 400, "parse_error"),
    "bad-request": (BadRequest(SECRET), 400, "parse_error"),
    "too-big": (RequestDataTooBig(SECRET), 413, "payload_too_large"),
    "denied": (PermissionDenied(SECRET), 403, "permission_denied"),
    "not-found": (Http404(SECRET), 404, "not_found"),
    "bug": (RuntimeError(SECRET), 500, "server_error"),
    "operational": (OperationalError(SECRET), 503, "service_unavailable"),
    "interface": (InterfaceError(SECRET), 503, "service_unavailable"),
}
GetResponse = Callable[[HttpRequest], HttpResponse]


def failing(_get_response: GetResponse) -> GetResponse:
    """Middleware that raises what the request's header names."""

    def middleware(request: HttpRequest) -> HttpResponse:
        raise BEFORE_THE_VIEW[request.headers["X-Failure"]][0]

    return middleware


def fail_before_the_view(settings: Settings, path: str, failure: str) -> Any:
    """Return the answer where a middleware has failed."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.failing"]
    client = APIClient(raise_request_exception=False)
    return client.post(path, {}, format="json", headers={"X-Failure": failure})


@pytest.mark.parametrize("path", ["/auth/login", "/auth/nothing", "/auth"])
@pytest.mark.parametrize("failure", BEFORE_THE_VIEW)
def test_what_fails_before_a_view_is_in_the_envelope_too(
    settings: Settings, path: str, failure: str
) -> None:
    answer = fail_before_the_view(settings, path, failure)

    _error, status, code = BEFORE_THE_VIEW[failure]
    assert_error(answer, status, code)
    assert answer["Content-Type"] == "application/json"
    assert answer["Cache-Control"] == "no-store"
    assert answer.get("Retry-After") == ("2" if status == 503 else None)
    assert SECRET not in answer.content.decode()


@pytest.mark.parametrize("path", ["/admin/", "/nothing", "/authentic"])
@pytest.mark.parametrize("failure", BEFORE_THE_VIEW)
def test_elsewhere_what_fails_before_a_view_is_a_page(
    settings: Settings, path: str, failure: str
) -> None:
    answer = fail_before_the_view(settings, path, failure)

    status = BEFORE_THE_VIEW[failure][1]
    # Django has no page of its own for a body that is too large.
    assert answer.status_code == (400 if status == 413 else status)
    assert answer["Content-Type"].startswith("text/")
    assert answer.get("Retry-After") == ("2" if status == 503 else None)
    assert SECRET not in answer.content.decode()


def test_an_unknown_host_is_a_400_in_the_envelope() -> None:
    answer = APIClient().post("/auth/login", {}, headers={"Host": "elsewhere.example"})

    assert_error(answer, 400, "parse_error")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_root_without_its_slash_is_unknown_and_leads_nowhere(method: str) -> None:
    answer = APIClient().generic(method, "/auth")

    assert_error(answer, 404, "not_found")


def test_an_unknown_page_is_a_page() -> None:
    answer = APIClient().get("/nothing")

    assert answer.status_code == 404
    assert answer["Content-Type"].startswith("text/html")


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_standby_in_the_place_of_the_database_is_a_503(alice: User, phone_of: SignIn) -> None:
    phone = phone_of(alice)
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    try:
        answer = phone.call("post", "/auth/logout")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = off")

    assert_error(answer, 503, "service_unavailable")
    assert int(answer["Retry-After"]) > 0
    assert phone.is_signed_in
