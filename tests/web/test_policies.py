"""What pages may load, and from where."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import User
from tests.web.conftest import LaptopOf
from tests.web.laptop import Laptop

STRICT = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
}


def policy_of(laptop: Laptop, path: str) -> set[str]:
    answer = laptop.client.get(path, headers={"Accept": "text/html"})
    return set(answer.headers.get("Content-Security-Policy", "").split("; ")) - {""}


@pytest.mark.parametrize(
    "path", ["/account/sessions", "/account/login", "/account/nothing", "/admin/"]
)
def test_our_pages_load_nothing_but_our_files(carol: User, laptop_of: LaptopOf, path: str) -> None:
    assert policy_of(laptop_of(carol), path) == STRICT


def test_the_browsable_api_may_have_style_attributes_and_fonts(
    alice: User, laptop_of: LaptopOf
) -> None:
    policy = policy_of(laptop_of(alice), "/auth/sessions")

    assert policy - STRICT == {"style-src 'self' 'unsafe-inline'", "font-src 'self'"}
    assert STRICT - policy == {"style-src 'self'"}


def test_what_is_not_a_page_has_no_policy(alice: User, laptop_of: LaptopOf) -> None:
    answer = laptop_of(alice).client.get("/auth/sessions")

    assert "Content-Security-Policy" not in answer.headers


def test_a_view_may_have_a_policy_of_its_own(laptop: Laptop, db: None) -> None:
    from csp.decorators import csp_replace
    from django.http import HttpResponse
    from django.test import RequestFactory

    from authsvc.policies import ContentSecurityPolicyMiddleware

    view = csp_replace({"style-src": ["'none'"]})(lambda _request: HttpResponse("<p>"))

    answer: Any = ContentSecurityPolicyMiddleware(view)(RequestFactory().get("/auth/x"))

    policy = set(answer.headers["Content-Security-Policy"].split("; "))
    assert "style-src 'none'" in policy
    assert "font-src 'self'" in policy
