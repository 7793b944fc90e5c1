"""What the documents say is so: their consoles, programs, tables, links and commands."""

from __future__ import annotations

import ast
import inspect
import os
import re
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator

import accounts
from accounts import conf
from accounts.api.errors import STATUSES
from accounts.models import AuditEvent, UserSession
from authsvc import environment
from tests.documents import AUTH, ROOT, blocks, comparable, documents, rows, section, steps, type_in
from tests.ws.server import Server, database_url

API = AUTH / "AUTH_README.md"
LOGOUT = AUTH / "LOGOUT_API.md"
SETTINGS = AUTH / "SETTINGS.md"
TEXTS = {path.relative_to(ROOT).as_posix(): path for path in documents()}
# Without curl there is no console to type into; where everything must be there, they fail.
CONSOLES = [
    name
    for name, path in TEXTS.items()
    if blocks(path, "console")
    and (shutil.which("curl") or os.environ.get("REQUIRE_SERVICES") == "1")
]


@pytest.mark.slow
@pytest.mark.parametrize("name", CONSOLES)
def test_a_console_prints_what_the_document_shows(transactional_db: None, name: str) -> None:
    told = steps(blocks(TEXTS[name], "console"))

    with Server() as server:
        printed = type_in(
            [step.command for step in told],
            url=f"http://127.0.0.1:{server.port}",
            database_url=database_url(),
        )

    assert len(printed) == len(told)
    for step, output in zip(told, printed, strict=True):
        assert comparable(output) == comparable(step.output), step.command


@pytest.mark.parametrize(
    ("program", "language"),
    [("curl_logout.sh", "bash"), ("logout.mjs", "javascript"), ("logout.py", "python")],
)
def test_a_program_stands_in_the_document_as_it_is(program: str, language: str) -> None:
    text = (ROOT / "examples" / program).read_text(encoding="utf-8")

    assert text in blocks(LOGOUT, language)


class TestErrors:
    def test_each_code_has_its_heading_below_its_status(self) -> None:
        found: dict[str, list[int]] = {}
        for heading, codes in {
            "### 400": [400],
            "### 401": [401],
            "### 403": [403],
            "### 404 to 415": [404, 405, 406, 413, 415],
            "### 429": [429],
            "### 500 and 503": [500, 503],
        }.items():
            below = re.findall(r"^#### `(\w+)`$", section(API, heading), re.MULTILINE)
            found |= dict.fromkeys(below, codes)

        assert found.keys() == STATUSES.keys()
        assert [code for code, status in STATUSES.items() if status not in found[code]] == []

    def test_the_codes_of_logout_have_their_statuses(self) -> None:
        answers = re.findall(r"^\| (\d+) \| `(\w+)`", section(LOGOUT, "## Answers"), re.MULTILINE)

        assert answers[0] == ("200", "null")
        assert {code: int(status) for status, code in answers[1:]}.items() <= STATUSES.items()


def test_each_call_is_described() -> None:
    paths: dict[str, Any] = SchemaGenerator().get_schema(public=True)["paths"]  # type: ignore[no-untyped-call]
    calls = {
        f"`{method.upper()} {re.sub('{[a-z]+_id}', '{id}', path)}`"
        for path, methods in paths.items()
        for method in methods
    }
    text = API.read_text(encoding="utf-8")

    assert len(calls) > 10
    assert [call for call in calls if call not in text] == []


def test_each_reason_and_each_event_is_described() -> None:
    described = rows(section(API, "## Reasons and events"))

    assert list(described) == [*UserSession.EndReason.values, *AuditEvent.Type.values]


class TestSettings:
    def test_each_option_of_accounts_has_its_row_and_its_default(self) -> None:
        described = rows(section(SETTINGS, "## Options of `accounts`"))
        defaults = {
            field.name.upper(): _spelled(field.default)
            for field in conf.Settings.__dataclass_fields__.values()
        }

        assert {key: cells[0].strip("`") for key, cells in described.items()} == defaults

    def test_each_variable_of_the_environment_has_its_row(self) -> None:
        assert set(_described_variables()) == _variables_read()

    @pytest.mark.parametrize("name", [".env.example", "docker-compose.yml"])
    def test_what_others_set_is_described(self, name: str) -> None:
        text = (ROOT / name).read_text(encoding="utf-8")
        pattern = r"^#?([A-Z_]+)=" if name == ".env.example" else r"\$\{([A-Z_]+)"
        set_there = set(re.findall(pattern, text, re.MULTILINE))

        assert set_there - {"POSTGRES_PASSWORD"} <= _described_variables().keys()


def _described_variables() -> dict[str, list[str]]:
    return rows(section(SETTINGS, "## Environment variables"))


def _variables_read() -> set[str]:
    """Return the variables that ``authsvc.environment`` is asked for, the private ones aside."""
    readers = {
        name
        for name, function in inspect.getmembers(environment, inspect.isfunction)
        if next(iter(inspect.signature(function).parameters), "") == "name"
    }
    found = set()
    for path in (ROOT / "authsvc").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr=reader) | ast.Name(id=reader),
                    args=[ast.Constant(value=str(variable)), *_],
                ) if reader in readers and variable.isupper():
                    found.add(variable)
    return {name for name in found if not name.startswith("AUTHSVC_")}


def _spelled(default: object) -> str:
    """Return ``default`` as the document spells it."""
    if not isinstance(default, timedelta):
        return repr(default).replace("'", '"')
    if not default:
        return "timedelta(0)"
    units = ("days", "hours", "minutes", "seconds", "milliseconds")
    unit = next(unit for unit in units if not default % timedelta(**{unit: 1}))
    return f"timedelta({unit}={default // timedelta(**{unit: 1})})"


def test_each_system_check_is_described() -> None:
    source = (ROOT / "accounts" / "checks.py").read_text(encoding="utf-8")
    described = rows(section(AUTH / "HOST_PROJECT.md", "## What the checks say"))

    assert described.keys() == set(re.findall(r'id="(accounts\.[EW]\d+)"', source))


@pytest.mark.parametrize("name", TEXTS)
def test_links_lead_somewhere(name: str) -> None:
    targets = re.findall(r"\]\((?!https?://)([^)]+)\)", TEXTS[name].read_text(encoding="utf-8"))

    assert [target for target in targets if not _leads_somewhere(TEXTS[name], target)] == []


def _leads_somewhere(document: Path, target: str) -> bool:
    path, _hash, anchor = target.partition("#")
    there = document.parent / path if path else document
    return there.exists() and (not anchor or anchor in _anchors(there))


def _anchors(document: Path) -> set[str]:
    """Return the anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", TEXTS)
def test_the_commands_of_make_exist(name: str) -> None:
    told = re.findall(
        r"(?:`|^)make ([a-z]+)", TEXTS[name].read_text(encoding="utf-8"), re.MULTILINE
    )
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    assert set(told) <= set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))


@pytest.mark.parametrize("name", TEXTS)
def test_nothing_is_of_this_machine(name: str) -> None:
    assert f"{ROOT}/" not in TEXTS[name].read_text(encoding="utf-8")


def test_the_changelog_begins_with_this_version_and_security() -> None:
    headings = re.findall(r"^##+ (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)

    assert headings[0].startswith(f"[{accounts.__version__}] - ")
    assert headings[1] == "Security"
