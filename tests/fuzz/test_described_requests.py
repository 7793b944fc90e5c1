"""
Requests made from the OpenAPI document, by people who may ask and by people who may not.

What the document allows and what it forbids, each field at its bounds; with made-up values, and
with those of Alice, which is how requests get past the first refusal.
"""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest
from django.core.handlers.wsgi import WSGIHandler
from hypothesis import note
from hypothesis import strategies as st
from schemathesis import GenerationMode

from tests.fuzz import oddities
from tests.fuzz.asking import assert_enveloped
from tests.fuzz.described import OPERATIONS, Case, bounds_of, make_real, name_of, parts_of, send
from tests.fuzz.trying import seed_of, seeds, try_out
from tests.fuzz.world import FACTS, World
from tests.races.course import Tally

EXAMPLES = 8


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_part_at_its_bounds_is_answered_as_described(
    application: WSGIHandler, world: World, name: str
) -> None:
    statuses = Counter[int]()
    for case in bounds_of(name):
        world.begin()

        answer = send(case, application, world.credentials("carol"))

        assert_enveloped(answer)
        statuses[answer.status] += 1
    assert statuses


def facts_of(operation: str) -> st.SearchStrategy[set[str]]:
    """Return which of the operation's parts are real: all that can be, or some, or none."""
    names = sorted(FACTS & parts_of(operation))
    some = st.sets(st.sampled_from(names)) if names else st.nothing()
    return st.one_of(st.just(set(names)), some)


def modes_of(operation: str) -> list[GenerationMode]:
    """Return the ways to ask: without parts, or with one that may be any text, none is wrong."""
    can_be_wrong = parts_of(operation) - {"user_id"}
    return list(GenerationMode) if can_be_wrong else [GenerationMode.POSITIVE]


def test_what_the_document_allows_and_forbids_is_answered_as_described(
    application: WSGIHandler, world: World, tally: Tally
) -> None:
    found: dict[str, Counter[int]] = defaultdict(Counter)

    def check(case: Case, who: str, real: set[str]) -> None:
        world.begin()
        operation = name_of(case)
        make_real(case, {name: world.fact(name, operation) for name in sorted(real)})
        note(repr(case))
        answer = send(case, application, world.credentials(who))
        found[operation][answer.status] += 1
        assert_enveloped(answer)

    for by in seeds(tally, 40):
        for name, operation in OPERATIONS.items():
            for mode in modes_of(name):
                try_out(
                    check,
                    examples=EXAMPLES,
                    by=seed_of(by, name, mode.name),
                    case=operation.as_strategy(generation_mode=mode),
                    who=oddities.callers,
                    real=facts_of(name),
                )

    succeeded = [name for name, statuses in found.items() if min(statuses) < 300]
    assert len(succeeded) >= (len(OPERATIONS) if tally.is_full else len(OPERATIONS) // 2)
    assert not any(429 in statuses for statuses in found.values())
    total = sum(statuses.total() for statuses in found.values())
    tally.claim(
        "fuzzing from the OpenAPI document",
        f"0 answers of 500, 0 outside the envelope, 0 not as described in {total} requests to "
        f"{len(found)} operations",
    )
