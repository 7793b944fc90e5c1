"""Requests that no document describes: odd methods, paths, queries, headers, cookies and bodies."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler
from hypothesis import strategies as st

from tests.fuzz import oddities
from tests.fuzz.asking import Asking, ask, assert_enveloped
from tests.fuzz.described import OPERATIONS, parts_of
from tests.fuzz.trying import seeds, try_out
from tests.fuzz.world import FACTS, World
from tests.races.course import Tally

EXAMPLES = 120
IDS = {"session_id", "user_id"}

# The path of an operation, something after it, or something in its place.
paths = st.one_of(
    *[st.just("{}")] * 3,
    st.builds("{{}}{}".format, st.sampled_from(["/", "//", "/..", ";x", "\x00", "%2f", "\xff"])),
    oddities.latin.map(lambda text: f"/auth/{text}".replace("{", "(").replace("}", ")")),
    st.sampled_from(["/auth", "/auth/", "/auth//", "/auth/./login", "/auth/\xed\xa0\x80"]),
)
requests = st.fixed_dictionaries(
    {
        "method": st.one_of(st.none(), st.none(), oddities.methods),
        "path": paths,
        "query": st.one_of(st.just(""), oddities.queries),
        "headers": st.one_of(st.just({}), oddities.headers),
        "content_type": st.one_of(st.just("application/json"), oddities.content_types),
        "length": st.one_of(st.none(), st.none(), st.none(), oddities.lengths),
        "body": st.one_of(st.none(), oddities.bodies),
    }
)


def real(name: str, world: World) -> Asking:
    """Return a request that an operation takes."""
    operation = OPERATIONS[name]
    facts = {part: world.fact(part, name) for part in sorted(parts_of(name) & FACTS)}
    ids = {part: facts.pop(part) for part in IDS & facts.keys()}
    return Asking(
        operation.method.upper(),
        operation.path.format(**ids),
        headers={"Content-Type": "application/json"},
        body=json.dumps(facts).encode(),
    )


def odd(asking: Asking, oddity: dict[str, Any]) -> Asking:
    """Return the request with something odd about it."""
    headers = oddity["headers"] | {"Content-Type": oddity["content_type"]}
    if oddity["length"] is not None:
        headers["Content-Length"] = oddity["length"]
    return Asking(
        oddity["method"] or asking.method,
        oddity["path"].format(asking.path),
        oddity["query"],
        headers,
        asking.body if oddity["body"] is None else oddity["body"],
    )


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_is_odd_here_is_otherwise_taken(
    application: WSGIHandler, world: World, name: str
) -> None:
    world.begin()
    asking = real(name, world)
    who = world.credentials("carol" if name == "user_logout" else "alice")

    answer = ask(application, asking, who)

    assert answer.status < 300
    assert_enveloped(answer)


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("wanted", ["text/html", "application/json"])
def test_a_browser_is_shown_the_envelope_too(application: WSGIHandler, wanted: str) -> None:
    answer = ask(application, Asking("GET", "/auth/profile", headers={"Accept": wanted}))

    assert answer.media_type == wanted
    assert_enveloped(answer)


@pytest.mark.usefixtures("db")
def test_what_a_page_of_another_site_may_do_is_said_in_headers_alone(
    application: WSGIHandler,
) -> None:
    headers = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"}
    asking = Asking("OPTIONS", "/auth/login", headers=headers)

    assert_enveloped(ask(application, asking), asking)


def test_what_no_document_describes_is_answered_in_the_envelope(
    application: WSGIHandler, world: World, tally: Tally
) -> None:
    found = Counter[int]()

    def check(name: str, oddity: dict[str, Any], who: str) -> None:
        world.begin()
        asking = odd(real(name, world), oddity)

        answer = ask(application, asking, world.credentials(who))

        found[answer.status] += 1
        assert_enveloped(answer, asking)

    for by in seeds(tally, 40):
        try_out(
            check,
            examples=EXAMPLES,
            by=by,
            name=st.sampled_from(sorted(OPERATIONS)),
            oddity=requests,
            who=oddities.callers,
        )

    assert {200, 400, 401, 404, 405, 415} <= found.keys()
    assert 429 not in found
    tally.claim(
        "requests that the OpenAPI document does not describe",
        f"0 answers of 500, 0 outside the envelope in {found.total()} requests",
    )
