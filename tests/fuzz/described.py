"""The operations that the published document describes, and how to call them with what is real."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from itertools import chain
from pathlib import Path
from typing import Any

import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from hypothesis import core
from schemathesis.generation.drivers import CoverageGenerator
from schemathesis.generation.feedback import NO_FEEDBACK
from schemathesis.generation.hypothesis import setup
from schemathesis.generation.overrides import Override
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.fuzz.asking import Answer

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "openapi.yaml"
CONFIG = schemathesis.Config.from_dict(
    {
        "base-url": "http://testserver",
        # Who asks is ours to say.
        "generation": {"with-security-parameters": False},
        # Literals of our source: not the same ones in each order of the tests.
        "analysis": {"constants": {"enabled": False}},
    }
)
CONFORMANCE = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# Otherwise Hypothesis would name no failing example any more, here and in all the other tests.
_PRINTER = core.RepresentationPrinter  # type: ignore[attr-defined]
setup()
core.RepresentationPrinter = _PRINTER  # type: ignore[attr-defined]

Case = schemathesis.Case[Any]
SCHEMA = schemathesis.openapi.from_path(DOCUMENT, config=CONFIG)
_ALL: Any = SCHEMA.get_all_operations()
OPERATIONS: dict[str, Any] = {
    operation.definition.raw["operationId"]: operation
    for operation in (found.ok() for found in _ALL)
}


def name_of(case: Case) -> str:
    """Return the operation's id in the document."""
    return str(case.operation.definition.raw["operationId"])


def bounds_of(name: str) -> Iterator[Case]:
    """Yield requests with each part at its bounds and just beyond, and with wrong methods."""
    operation = OPERATIONS[name]
    config = SCHEMA.config.generation_for(operation=operation, phase="coverage")
    yield from CoverageGenerator(
        operation=operation,
        generation_modes=list(schemathesis.GenerationMode),
        generation_config=config,
        auth_storage=None,
        override=Override(),
        feedback=NO_FEEDBACK,
    )


def parts_of(name: str) -> set[str]:
    """Return the names of an operation's parameters and of the fields of its body."""
    operation = OPERATIONS[name]
    parameters = {one.name for one in chain(operation.path_parameters, operation.query)}
    schemas = (body.definition["schema"] for body in operation.body)
    return parameters.union(*(schema["properties"] for schema in schemas))


def make_real(case: Case, facts: Mapping[str, str]) -> None:
    """Put the facts in the places of what was made up: in the body, the path and the query."""
    # Not in the same objects, which Hypothesis may hand out again.
    inside = {one.name for one in case.operation.path_parameters}
    beyond = {one.name for one in case.operation.query}
    case.path_parameters = {**case.path_parameters, **_only(facts, inside)}
    case.query = {**case.query, **_only(facts, beyond)}
    if isinstance(case.body, dict):
        case.body = {**case.body, **_only(facts, facts.keys() - inside - beyond)}


def _only(facts: Mapping[str, str], names: Set[str]) -> dict[str, str]:
    return {name: facts[name] for name in facts.keys() & names}


def send(case: Case, application: WSGIHandler, headers: dict[str, str]) -> Answer:
    """Send the request, and assert that its answer is as the document describes it."""
    response = case.call(app=application, headers=headers)
    case.validate_response(response, checks=CONFORMANCE)
    headers = {name: ", ".join(values) for name, values in response.headers.items()}
    return Answer(response.status_code, headers, response.content)
