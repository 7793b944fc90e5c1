"""Requests as a server hands them over, however odd they are, and what an answer must look like."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any, cast

from django.core.handlers.wsgi import WSGIHandler

from accounts.api.errors import STATUSES

KEYS = {"success", "message", "data", "code", "field"}
# What stands in the environment without HTTP_ before it (RFC 3875 section 4.1).
_BARE = {"CONTENT_TYPE", "CONTENT_LENGTH"}


@dataclass(frozen=True)
class Answer:
    """What came back; the names of ``headers`` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        """The type of the body, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0]


@dataclass(frozen=True)
class Asking:
    """A request: ``path`` and ``query`` with a byte in each character, as PEP 3333 wants them."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] | None = None
    body: bytes = b""


def ask(
    application: WSGIHandler, asking: Asking, credentials: Mapping[str, str] | None = None
) -> Answer:
    """Send the request as a WSGI server does, with these headers too; return the answer."""
    began: list[tuple[str, list[tuple[str, str]]]] = []

    def begin(status: str, headers: list[tuple[str, str]], _error: Any = None) -> Any:
        began.append((status, headers))

    response: Any = application(_environ(asking, credentials or {}), cast("Any", begin))
    try:
        body = b"".join(response)
    finally:
        response.close()
    [(status, headers)] = began
    return Answer(int(status[:3]), {name.lower(): value for name, value in headers}, body)


def _environ(asking: Asking, credentials: Mapping[str, str]) -> dict[str, Any]:
    environ = {
        "REQUEST_METHOD": asking.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": asking.path,
        "QUERY_STRING": asking.query,
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.7",
        "CONTENT_LENGTH": str(len(asking.body)),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(asking.body),
        "wsgi.input_terminated": True,
        "wsgi.errors": BytesIO(),
    }
    headers = {**credentials, **(asking.headers or {})}
    return environ | dict(_variables(headers.items()))


def _variables(headers: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    for name, value in headers:
        variable = name.upper().replace("-", "_")
        yield variable if variable in _BARE else f"HTTP_{variable}", value


def assert_enveloped(answer: Answer, asking: Asking | None = None) -> None:
    """Assert that this is one of the API's answers, and none that tells of a fault."""
    assert answer.status < 500, answer
    if asking is not None and _is_preflight(asking):
        # A browser asks what a page of another site may do, and looks at headers only.
        assert (answer.status, answer.body) == (200, b""), answer
        return
    if answer.media_type == "text/html":
        # The browsable API, for whoever asks for it: the page shows the envelope.
        assert all(f"&quot;{key}&quot;".encode() in answer.body for key in KEYS), answer
        return
    assert answer.media_type == "application/json", answer
    content = json.loads(answer.body)
    assert isinstance(content, dict), answer
    assert content.keys() == KEYS, answer
    assert isinstance(content["message"], str), answer
    assert content["message"], answer
    assert content["success"] is (answer.status < 400), answer
    assert STATUSES.get(content["code"], answer.status) == answer.status, answer
    assert (content["code"] is None) is content["success"], answer
    assert ("www-authenticate" in answer.headers) is (answer.status == 401), answer
    assert answer.headers["cache-control"] == "no-store", answer


def _is_preflight(asking: Asking) -> bool:
    asked = {"Origin", "Access-Control-Request-Method"}
    return asking.method == "OPTIONS" and asked <= (asking.headers or {}).keys()
