"""/api/schema and /api/docs: served as asked for, and from here alone."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from django.contrib.staticfiles import finders
from django.template.loader import render_to_string
from django.test import Client
from django.utils import translation

# None of these tests may use the database: nothing here depends on anybody.

YAML, JSON = "application/vnd.oai.openapi", "application/vnd.oai.openapi+json"


@pytest.mark.parametrize(
    ("query", "accept", "expected"),
    [
        ("", "*/*", YAML),
        ("", "application/json", "application/json"),
        ("", "application/yaml", "application/yaml"),
        ("", "text/html,application/xhtml+xml,*/*;q=0.8", YAML),
        ("?format=json", "*/*", JSON),
        ("?format=yaml", "*/*", YAML),
    ],
)
def test_the_document_is_yaml_or_json_as_asked_for(query: str, accept: str, expected: str) -> None:
    answer = Client().get(f"/api/schema{query}", headers={"Accept": accept})

    assert answer.status_code == 200
    assert answer["Content-Type"].partition(";")[0] == expected
    read = json.loads if "json" in expected else yaml.safe_load
    assert "/auth/logout" in read(answer.content)["paths"]


@pytest.mark.parametrize(
    ("method", "query", "accept", "status"),
    [
        ("get", "", "image/png", 406),
        ("get", "?format=xml", "*/*", 404),
        ("post", "", "application/json", 405),
    ],
)
def test_what_cannot_be_served_is_refused(
    method: str, query: str, accept: str, status: int
) -> None:
    answer = Client().generic(method.upper(), f"/api/schema{query}", headers={"Accept": accept})

    assert answer.status_code == status


def test_credentials_that_are_wrong_keep_nobody_from_reading() -> None:
    headers = {"Authorization": "Bearer x", "Cookie": "sessionid=x"}

    assert Client().get("/api/schema", headers=headers).status_code == 200
    assert Client().get("/api/docs", headers=headers).status_code == 200


@pytest.mark.parametrize(("asked", "language"), [("en", "en"), ("zh-CN", "zh-hans")])
def test_the_document_comes_in_the_language_asked_for(asked: str, language: str) -> None:
    headers = {"Accept-Language": asked, "Accept": "application/json"}

    document = Client().get("/api/schema", headers=headers).json()

    responses = document["components"]["responses"]
    sample = responses["Unauthorized"]["content"]["application/json"]["examples"]
    with translation.override(language):
        expected = translation.gettext("Authentication credentials were not provided.")
    assert sample["not_authenticated"]["value"]["message"] == expected
    assert (expected.isascii()) is (language == "en")


@pytest.mark.parametrize(("asked", "language"), [("en", "en"), ("zh-CN", "zh-hans")])
def test_the_page_fits_a_phone_and_names_its_language(asked: str, language: str) -> None:
    page = Client().get("/api/docs", headers={"Accept-Language": asked}).content.decode()

    assert f'<html lang="{language}">' in page
    assert 'name="viewport" content="width=device-width, initial-scale=1"' in page


def test_the_page_asks_no_other_host() -> None:
    answer = Client().get("/api/docs")

    links = re.findall(r'(?:src|href|data-schema)="([^"]+)"', answer.content.decode())
    assert len(links) >= 6
    assert all(link.startswith("/") and not link.startswith("//") for link in links)
    assert not re.search(r"<script>|<style| style=| on\w+=", answer.content.decode())
    policy = answer["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "http" not in policy


def test_everything_the_page_loads_is_there() -> None:
    page = render_to_string("authsvc/docs.html")

    for link in re.findall(r'(?:src|href)="/static/([^"]+)"', page):
        assert finders.find(link), link


def test_the_page_can_only_be_read() -> None:
    assert Client().post("/api/docs").status_code == 405
