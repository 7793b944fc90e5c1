"""A Content-Type that cannot be read is no reason for a server error."""

from __future__ import annotations

from io import BytesIO

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler

from authsvc.requests import UNKNOWN, tolerate
from tests.fuzz.asking import Asking, ask, assert_enveloped

UNREADABLE = [
    pytest.param("application/json; charset*=nonsense''x", id="encoding"),
    pytest.param("application/json; charset*=utf-8''%00", id="nul"),
    pytest.param("application/json; name*=nonsense''x", id="any-parameter"),
    pytest.param("application/json; charset=\x00", id="nul-as-it-is"),
]


@pytest.mark.django_db
@pytest.mark.parametrize("content_type", UNREADABLE)
def test_a_body_of_an_unreadable_type_is_a_415(content_type: str) -> None:
    headers = {"Content-Type": content_type}
    asking = Asking("POST", "/auth/revoke", headers=headers, body=b'{"token": "x"}')

    answer = ask(tolerate(WSGIHandler()), asking)

    assert answer.status == 415
    assert_enveloped(answer)


@pytest.mark.django_db
@pytest.mark.parametrize("content_type", UNREADABLE)
def test_whoever_reads_no_body_does_not_care(content_type: str) -> None:
    asking = Asking("GET", "/account/login", headers={"Content-Type": content_type})

    assert ask(tolerate(WSGIHandler()), asking).status == 200


@pytest.mark.django_db
def test_too_many_parameters_are_a_400_with_a_charset_too() -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    asking = Asking("POST", "/auth/revoke", "a=1&" * 300, headers, b'{"token": "x"}')

    answer = ask(tolerate(WSGIHandler()), asking)

    assert answer.status == 400
    assert_enveloped(answer)


def test_the_asgi_server_reads_such_a_request_too() -> None:
    headers = [(b"content-type", b"application/json; charset*=nonsense''x")]
    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": headers}

    request, error = tolerate(ASGIHandler()).create_request(scope, BytesIO())

    assert error is None
    assert request is not None
    assert (request.content_type, request.META["CONTENT_TYPE"]) == (UNKNOWN, UNKNOWN)


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "text/plain", ""])
def test_any_other_type_is_left_as_it_is(content_type: str) -> None:
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "headers": [(b"content-type", content_type.encode())],
    }

    request, _error = tolerate(ASGIHandler()).create_request(scope, BytesIO())

    assert request is not None
    assert request.META["CONTENT_TYPE"] == content_type
