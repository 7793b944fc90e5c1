"""The OpenAPI document: valid, complete, true, and no burden for a host's own endpoints."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.core.management import call_command
from django.test import override_settings
from django.urls import URLPattern, include, path
from django.utils import translation
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from rest_framework import generics, serializers
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.views import APIView

from accounts.api import openapi
from accounts.api.authentication import SessionJWTAuthentication
from accounts.api.envelope import succeed
from accounts.api.errors import STATUSES
from accounts.api.schema import EnvelopeSchema, describe, described_by
from accounts.api.serializers import IdentitySerializer, ProfileChangesSerializer
from accounts.api.urls import urlpatterns as accounts_urls
from accounts.api.views.base import EnvelopeView, PublicView
from accounts.api.views.profile import EventPagination
from accounts.models import User
from authsvc.workspaces.urls import urlpatterns as workspace_urls
from tests.people import PASSWORD, Phone

Document = dict[str, Any]
PhoneOf = Callable[..., Phone]

PUBLISHED = Path(__file__).resolve().parents[2] / "docs" / "openapi.yaml"
RENEW = "The schema changed; if it is meant: manage.py spectacular --file docs/openapi.yaml"
KEYS = ["success", "message", "data", "code", "field"]
EVERYWHERE = {"https_required", "not_acceptable", "server_error", "service_unavailable"}
WITH_TOKEN = {"not_authenticated", "token_invalid", "token_expired", "session_ended"}
WITH_BODY = {"parse_error", "payload_too_large", "unsupported_media_type"}


def generate(*patterns: Any) -> Document:
    """Return the document for these url patterns, or for the project; warnings are failures."""
    generator: Any = SchemaGenerator(patterns=list(patterns) or None)  # type: ignore[no-untyped-call]
    with translation.override("en"):
        document: Document = generator.get_schema(public=True)
    stats: Any = GENERATOR_STATS
    assert not stats, (dict(stats._warn_cache), dict(stats._error_cache))
    return document


@pytest.fixture(scope="module")
def document() -> Document:
    """What /api/schema serves."""
    return generate()


def operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    """Yield (method, path, operation)."""
    for url, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, url, operation


def resolve(document: Document, node: Document) -> Document:
    """Return what a reference refers to."""
    while "$ref" in node:
        found: Any = document
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        node = found
    return node


def json_schema(document: Document, response: Document) -> Document:
    """Return the schema of a response's body, as it stands in the document."""
    found: Document = resolve(document, response)["content"]["application/json"]["schema"]
    return found


def codes_of(document: Document, response: Document) -> set[str]:
    """Return the codes that an error response enumerates."""
    shape = json_schema(document, response)
    found: set[str] = set()
    for branch in shape.get("oneOf", [shape]):
        parts = [resolve(document, part) for part in branch.get("allOf", [branch])]
        code = parts[-1]["properties"]["code"]
        found |= set(code.get("enum") or [code["const"]])
    return found


def endpoints() -> Iterator[tuple[str, str, type[APIView]]]:
    """Yield (method, path, view) of everything that our urls lead to."""
    patterns: list[URLPattern] = [*workspace_urls, *accounts_urls]
    for pattern in patterns:
        view = pattern.callback.cls  # type: ignore[attr-defined]
        if view.schema is not None:
            url = re.sub(r"<\w+:(\w+)>", r"{\1}", str(pattern.pattern))
            for method in view().allowed_methods:
                if method != "OPTIONS":
                    yield method.lower(), f"/auth/{url}", view


def test_the_document_is_valid_and_made_without_a_warning(tmp_path: Path) -> None:
    target = tmp_path / "openapi.yaml"

    call_command("spectacular", validate=True, fail_on_warn=True, file=str(target))

    assert yaml.safe_load(target.read_text())["openapi"].startswith("3.1")


def test_the_published_document_is_this_one(tmp_path: Path) -> None:
    target = tmp_path / "openapi.yaml"
    call_command("spectacular", file=str(target), lang="en")

    assert PUBLISHED.exists(), RENEW
    assert PUBLISHED.read_text() == target.read_text(), RENEW


def test_every_endpoint_is_in_the_document_and_nothing_else(document: Document) -> None:
    described = {(method, url) for method, url, _operation in operations(document)}

    assert described == {(method, url) for method, url, _view in endpoints()}


def test_every_method_says_what_it_takes_and_answers() -> None:
    assert [
        (method, view) for method, _url, view in endpoints() if not described_by(view, method)
    ] == []


def test_every_code_has_a_meaning_and_is_in_the_document(document: Document) -> None:
    assert list(openapi.MEANINGS) == list(STATUSES)
    assert document["components"]["schemas"]["ErrorCode"]["enum"] == list(STATUSES)


def test_every_code_stands_under_its_own_status(document: Document) -> None:
    for _method, url, operation in operations(document):
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                found = codes_of(document, response)
                assert {STATUSES[code] for code in found} == {int(status)}, (url, found)


def test_every_operation_has_its_own_codes_and_those_all_share(document: Document) -> None:
    views = {(method, url): view for method, url, view in endpoints()}
    for method, url, operation in operations(document):
        described = described_by(views[method, url], method)
        assert described is not None
        signed_in = WITH_TOKEN | ({"csrf_failed"} if method != "get" else set())
        expected = (
            described.codes
            | EVERYWHERE
            | (WITH_BODY if described.request else set())
            | (signed_in if issubclass(views[method, url], PublicView) is False else set())
            | ({"not_found"} if "{" in url else set())
        )
        errors = [found for status, found in operation["responses"].items() if int(status) >= 400]
        assert set().union(*(codes_of(document, error) for error in errors)) == expected, url


def test_every_answer_is_in_the_envelope(document: Document) -> None:
    for _method, url, operation in operations(document):
        for status, response in operation["responses"].items():
            shape = json_schema(document, response)
            for branch in shape.get("oneOf", [shape]):
                envelope = resolve(document, branch.get("allOf", [branch])[0])
                assert list(envelope["properties"]) == KEYS, (url, status)
                assert envelope["required"] == KEYS
                assert envelope["additionalProperties"] is False
                assert envelope["properties"]["success"]["const"] is (int(status) < 400)


def test_who_may_call_is_said_of_every_operation(document: Document) -> None:
    public = {url for _method, url, operation in operations(document) if not operation["security"]}

    assert public >= {"/auth/register", "/auth/login", "/auth/refresh", "/auth/revoke"}
    assert {str(operation["security"]) for _method, _url, operation in operations(document)} == {
        "[]",
        "[{'bearer': []}]",
    }
    scheme = document["components"]["securitySchemes"]["bearer"]
    assert (scheme["type"], scheme["scheme"], scheme["bearerFormat"]) == ("http", "bearer", "JWT")


def test_names_are_readable_and_unique(document: Document) -> None:
    names = [operation["operationId"] for _method, _url, operation in operations(document)]
    known = {tag["name"] for tag in document["tags"]}

    assert len(names) == len(set(names))
    assert {"login", "logout", "logout_others", "list_sessions", "delete_session"} < set(names)
    assert {"get_profile", "update_profile", "list_events"} < set(names)
    for _method, _url, operation in operations(document):
        assert set(operation["tags"]) <= known
        assert operation["summary"]
        assert operation["description"]


@pytest.mark.parametrize(
    ("status", "header"),
    [("401", "WWW-Authenticate"), ("429", "Retry-After"), ("503", "Retry-After")],
)
def test_what_comes_in_a_header_is_described(status: str, header: str) -> None:
    document = generate(
        path("limited", LimitedView.as_view()), path("auth/", include(accounts_urls))
    )
    found = [
        resolve(document, operation["responses"][status])
        for _method, _url, operation in operations(document)
        if status in operation["responses"]
    ]

    assert found
    assert all(list(response["headers"]) == [header] for response in found)


def test_logging_out_is_shown_by_example(document: Document) -> None:
    responses = document["paths"]["/auth/logout"]["post"]["responses"]
    refused = resolve(document, responses["401"])["content"]["application/json"]["examples"]

    assert "requestBody" not in document["paths"]["/auth/logout"]["post"]
    assert responses["200"]["content"]["application/json"]["examples"]["success"]["value"] == {
        "success": True,
        "message": "Logout successful",
        "data": None,
        "code": None,
        "field": None,
    }
    assert set(refused) == WITH_TOKEN
    assert refused["session_ended"]["value"]["message"].startswith("This session has ended")


def test_examples_are_what_the_schemas_allow(document: Document) -> None:
    responses = [
        response
        for _method, _url, operation in operations(document)
        for response in operation["responses"].values()
    ]
    for response in [*responses, *document["components"]["responses"].values()]:
        content = resolve(document, response)["content"]["application/json"]
        for example in content.get("examples", {}).values():
            assert problems(document, content["schema"], example["value"]) == []


def test_a_token_may_be_revoked_by_a_form(document: Document) -> None:
    body = document["paths"]["/auth/revoke"]["post"]["requestBody"]

    assert set(body["content"]) == {"application/json", "application/x-www-form-urlencoded"}


def test_pages_are_asked_for_as_the_endpoint_reads_them(document: Document) -> None:
    found = {item["name"]: item for item in document["paths"]["/auth/events"]["get"]["parameters"]}

    assert set(found) == {
        EventPagination.cursor_query_param,
        EventPagination.page_size_query_param,
    }
    assert found["page_size"]["schema"]["maximum"] == EventPagination.max_page_size
    assert found["page_size"]["schema"]["default"] == EventPagination.page_size


def test_an_id_in_a_path_is_a_uuid(document: Document) -> None:
    (parameter,) = document["paths"]["/auth/sessions/{session_id}"]["delete"]["parameters"]

    assert parameter["schema"] == {"type": "string", "format": "uuid"}


def problems(document: Document, schema: Document, content: object) -> list[str]:
    """Return what in ``content`` the schema does not allow."""
    whole = {"$schema": Draft202012Validator.META_SCHEMA["$id"], **document, **schema}
    return [error.message for error in Draft202012Validator(whole).iter_errors(content)]


def test_what_is_answered_is_what_the_document_says(
    document: Document, phone_of: PhoneOf, alice: User, bob: User
) -> None:
    phone, stranger = phone_of(alice), Phone()
    bobs = phone_of(bob).tokens["session"]["id"]
    one = phone_of(alice, name="tablet").tokens["session"]["id"]
    person = {"email": "dora@example.com", "password": PASSWORD}
    login = {"email": alice.email, "password": PASSWORD}
    calls: list[tuple[Phone, str, str, object]] = [
        (stranger, "post", "/auth/register", person),
        (stranger, "post", "/auth/register", person),
        (stranger, "post", "/auth/login", login),
        (stranger, "post", "/auth/login", login | {"password": "wrong"}),
        (stranger, "post", "/auth/login", {}),
        (stranger, "post", "/auth/login", []),
        (stranger, "post", "/auth/refresh", {"refresh_token": phone.tokens["refresh_token"]}),
        (stranger, "post", "/auth/refresh", {"refresh_token": "x"}),
        (stranger, "post", "/auth/revoke", {"token": "x"}),
        (stranger, "get", "/auth/profile", None),
        (phone, "get", "/auth/profile", None),
        (phone, "patch", "/auth/profile", {"time_zone": "Asia/Shanghai"}),
        (phone, "patch", "/auth/profile", {"time_zone": "Mars"}),
        (phone, "get", "/auth/workspace", None),
        (phone, "patch", "/auth/workspace", {"name": "Bench"}),
        (phone, "get", "/auth/sessions", None),
        (phone, "delete", f"/auth/sessions/{one}", None),
        (phone, "delete", f"/auth/sessions/{bobs}", None),
        (phone, "get", "/auth/events?page_size=2", None),
        (phone, "get", "/auth/events?cursor=x", None),
        (phone, "post", "/auth/logout/others", None),
        (phone, "post", "/auth/logout/current", None),
        (phone, "post", "/auth/logout", None),
    ]
    for who, method, url, body in calls:
        answer = who.call(method, url, body)

        described = document["paths"][
            re.sub("sessions/.+", "sessions/{session_id}", url.partition("?")[0])
        ][method]["responses"]
        schema = json_schema(document, described[str(answer.status_code)])
        assert problems(document, schema, answer.json()) == [], (method, url, answer.json())


def test_two_who_ask_at_once_get_the_same(document: Document) -> None:
    with ThreadPoolExecutor(4) as askers:
        found = list(askers.map(lambda _asker: generate(), range(4)))

    assert found == [document] * 4


def test_the_names_do_not_depend_on_where_a_host_puts_the_urls(document: Document) -> None:
    moved = generate(path("api/v1/people/", include(accounts_urls)))

    assert moved["paths"]["/api/v1/people/logout"] == document["paths"]["/auth/logout"]


def test_a_code_that_nobody_knows_is_refused_when_the_view_is_written() -> None:
    with pytest.raises(ValueError, match="has no teapot"):
        describe(data=None, codes=["teapot", "not_found"])


class ThingSerializer(serializers.Serializer[Any]):
    """Something of a host's own."""

    size = serializers.IntegerField()


class HostView(generics.ListCreateAPIView[Any]):
    """A host's own endpoint, which is not in the envelope."""

    serializer_class = ThingSerializer
    authentication_classes = (SessionJWTAuthentication,)
    permission_classes = (IsAuthenticated,)
    pagination_class = None
    schema = EnvelopeSchema()


class PlainView(EnvelopeView, generics.DestroyAPIView[Any]):
    """An endpoint of ours for which nothing is said."""

    serializer_class = ThingSerializer


class LimitedView(PublicView):
    """An endpoint with a limit."""

    put = describe(data={"user": IdentitySerializer}, codes=["throttled", "locked_out"])(
        lambda _view, _request: succeed()
    )


class CookieView(EnvelopeView):
    """An endpoint that takes a browser's cookie too."""

    authentication_classes = (SessionJWTAuthentication, SessionAuthentication)

    delete = describe(data=None, codes=["validation_error"])(lambda _view, _request: succeed())


def test_a_cookie_is_not_for_those_who_read_the_document() -> None:
    found = generate(path("cookie", CookieView.as_view()))

    operation = found["paths"]["/cookie"]["delete"]
    assert operation["security"] == [{"bearer": []}]
    assert codes_of(found, operation["responses"]["400"]) == {"validation_error"}
    assert set(found["components"]["securitySchemes"]) == {"bearer"}


def test_a_hosts_own_endpoints_stay_as_they_are() -> None:
    found = generate(path("things", HostView.as_view()), path("plain", PlainView.as_view()))

    listed = found["paths"]["/things"]["get"]
    assert listed["operationId"] == "things_list"
    assert listed["tags"] == ["things"]
    assert listed["security"] == [{"bearer": []}]
    assert list(listed["responses"]) == ["200"]
    assert list(found["paths"]["/plain"]["delete"]["responses"]) == ["204"]
    assert set(found["components"]["schemas"]) == {"Thing"}
    assert found["paths"]["/plain"]["delete"]["security"] == [{"bearer": []}, {"cookie": []}]
    cookie = found["components"]["securitySchemes"]["cookie"]
    assert cookie == {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}
    validate_schema(found)  # type: ignore[no-untyped-call]


def test_a_limited_endpoint_names_both_of_its_limits() -> None:
    found = generate(path("limited", LimitedView.as_view()))

    operation = found["paths"]["/limited"]["put"]
    assert operation["operationId"] == "replace_limited"
    assert codes_of(found, operation["responses"]["429"]) == {"throttled", "locked_out"}
    data = found["components"]["schemas"]["UserAnswer"]["properties"]["data"]
    assert data["properties"] == {"user": {"$ref": "#/components/schemas/Identity"}}


def test_a_host_may_have_another_default_schema_class() -> None:
    with override_settings(REST_FRAMEWORK={}):

        class ChangeView(EnvelopeView):
            """An endpoint of ours in a host with DRF's own defaults."""

            patch = describe(data=IdentitySerializer(many=True), request=ProfileChangesSerializer)(
                lambda _view, _request: succeed()
            )

        found = generate(path("change", ChangeView.as_view()))

    operation = found["paths"]["/change"]["patch"]
    assert operation["operationId"] == "update_change"
    answered = resolve(found, json_schema(found, operation["responses"]["200"]))
    assert answered["properties"]["data"]["type"] == "array"
    assert codes_of(found, operation["responses"]["400"]) == {"parse_error"}
