"""The dashboard, the alerts and the operators' documents name what the code has, and all of it."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import promql_parser
import pytest
import yaml
from django.core.cache import caches
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from prometheus_client.parser import text_string_to_metric_families

from authsvc.observability import METHODS
from tests.documents import ROOT, rows, section

OPERATIONS = ROOT / "docs" / "operations"
MONITORING = OPERATIONS / "MONITORING.md"
ALERTS: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((OPERATIONS / "alert-rules.yml").read_text("utf-8"))["groups"]
    for rule in group["rules"]
]
DASHBOARD: dict[str, Any] = json.loads((OPERATIONS / "grafana-dashboard.json").read_text("utf-8"))
TARGETS: list[dict[str, Any]] = [
    target for panel in DASHBOARD["panels"] for target in panel.get("targets", ())
]
EXPRESSIONS = [
    *(rule["expr"] for rule in ALERTS),
    # Grafana puts an interval there.
    *(target["expr"].replace("$__rate_interval", "5m") for target in TARGETS),
]
# What Prometheus itself adds to whatever it scrapes, by the job of MONITORING.md.
SCRAPED = {"job": {"authsvc"}, "instance": {"$instance"}}
OURS = ("accounts_", "authsvc_")


@dataclass
class Figure:
    """What /metrics shows of one figure: the names of its samples, and the values of its labels."""

    name: str
    samples: set[str] = field(default_factory=set)
    labels: dict[str, set[str]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def figures() -> dict[str, Figure]:
    """Return what /metrics shows, by the name that documents use."""
    # So that there is a request, and something asked of the cache, to show.
    caches["default"].clear()
    Client().get("/healthz")
    found: dict[str, Figure] = {}
    for family in text_string_to_metric_families(Client().get("/metrics").content.decode()):
        if not family.name.startswith(OURS) or family.name.endswith("_created"):
            continue
        name = f"{family.name}_total" if family.type == "counter" else family.name
        figure = found.setdefault(name, Figure(name))
        for sample in family.samples:
            figure.samples.add(sample.name)
            for label, value in sample.labels.items():
                figure.labels.setdefault(label, set()).add(value)
    # These grow with what is asked for, from lists that are fixed as well.
    found["authsvc_requests_total"].labels |= {
        "method": {*METHODS, "other"},
        "route": set(_routes(get_resolver())),
        "status": {str(status.value) for status in HTTPStatus},
    }
    found["authsvc_request_duration_seconds"].labels["route"] = set(_routes(get_resolver()))
    return found


def _routes(resolver: URLResolver, before: str = "") -> Iterator[str]:
    for entry in resolver.url_patterns:
        route = before + str(entry.pattern)
        if isinstance(entry, URLPattern):
            yield route
        else:
            yield from _routes(entry, route)


def _parts(expression: str) -> list[promql_parser.Expr]:
    """Return the expression and everything in it; ValueError if it is not PromQL."""
    found: list[promql_parser.Expr] = []
    promql_parser.walk(promql_parser.parse(expression), found.append)
    return found


def _selectors(expression: str) -> list[promql_parser.VectorSelector]:
    return [part for part in _parts(expression) if isinstance(part, promql_parser.VectorSelector)]


def _grouped_by(expression: str) -> set[str]:
    """Return the labels that are left; where each part is grouped anew, those of all of them."""
    return {
        label
        for listed in re.findall(r"by \(([^)]*)\)", expression)
        for label in listed.split(", ")
    }


def _named(figures: Mapping[str, Figure], sample: str | None) -> Figure:
    """Return the figure that a sample belongs to; ``up`` is Prometheus' own."""
    if sample == "up":
        return Figure("up")
    return next(figure for figure in figures.values() if sample in figure.samples)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_names_figures_that_there_are(
    figures: dict[str, Figure], expression: str
) -> None:
    known = {"up"}.union(*(figure.samples for figure in figures.values()))

    named = {selector.name for selector in _selectors(expression)}

    assert named
    assert named <= known


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_selects_labels_and_values_that_there_are(
    figures: dict[str, Figure], expression: str
) -> None:
    for selector in _selectors(expression):
        labels = _named(figures, selector.name).labels | SCRAPED
        for matcher in selector.matchers.matchers:
            is_pattern = matcher.op in (promql_parser.MatchOp.Re, promql_parser.MatchOp.NotRe)
            for value in matcher.value.split("|"):
                pattern = value if is_pattern and "$" not in value else re.escape(value)
                assert any(re.fullmatch(pattern, known) for known in labels[matcher.name]), value


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_groups_by_labels_that_there_are(
    figures: dict[str, Figure], expression: str
) -> None:
    for part in _parts(expression):
        if isinstance(part, promql_parser.AggregateExpr) and part.modifier is not None:
            for selector in _selectors(part.expr.prettify()):
                labels = _named(figures, selector.name).labels | SCRAPED
                assert set(part.modifier.labels) <= labels.keys()


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: str(target["expr"]))
def test_a_legend_names_what_the_panel_groups_by(target: dict[str, Any]) -> None:
    assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= _grouped_by(target["expr"])


def test_each_figure_is_on_the_dashboard(figures: dict[str, Figure]) -> None:
    shown = {
        selector.name
        for target in TARGETS
        for selector in _selectors(target["expr"].replace("$__rate_interval", "5m"))
    }

    assert [name for name, figure in figures.items() if not figure.samples & shown] == []


def test_each_figure_is_described_with_its_labels(figures: dict[str, Figure]) -> None:
    described = {
        name: set(re.findall(r"`(\w+)`", cells[0]))
        for name, cells in rows(section(MONITORING, "## The figures")).items()
    }

    assert described == {name: figure.labels.keys() - {"le"} for name, figure in figures.items()}


@pytest.mark.parametrize(
    "figure",
    [
        "authsvc_database_pool_connections",
        "accounts_logins_total",
        "accounts_sessions_opened_total",
        "accounts_refreshes_total",
        "accounts_cache_operations_total",
    ],
)
def test_each_value_of_a_label_is_described(figures: dict[str, Figure], figure: str) -> None:
    described = rows(section(MONITORING, "## The figures"))[figure][1]

    values = set[str]().union(*figures[figure].labels.values())

    assert values <= set(re.findall(r"`(\w+)`", described))


class TestAlerts:
    def test_each_has_its_heading_and_each_heading_its_alert(self) -> None:
        headings = re.findall(r"^### (\w+)$", section(MONITORING, "## The alerts"), re.MULTILINE)

        assert headings == [rule["alert"] for rule in ALERTS]

    @pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: str(rule["alert"]))
    def test_it_says_who_is_woken_what_is_wrong_and_where_to_read(
        self, rule: dict[str, Any]
    ) -> None:
        said = rule["annotations"]

        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert said.keys() == {"summary", "description", "runbook_url"}
        anchor = rule["alert"].lower()
        assert said["runbook_url"] == f"{MONITORING.relative_to(ROOT).as_posix()}#{anchor}"

    @pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: str(rule["alert"]))
    def test_its_description_names_labels_that_it_has(self, rule: dict[str, Any]) -> None:
        named = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["description"]))

        assert named <= _grouped_by(rule["expr"]) | (
            SCRAPED.keys() if rule["expr"].startswith("up") else set()
        )


class TestDashboard:
    def test_it_asks_which_prometheus_and_uses_no_other(self) -> None:
        variables = {one["name"]: one for one in DASHBOARD["templating"]["list"]}
        shown = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]

        assert variables["datasource"]["type"] == "datasource"
        assert {panel["datasource"]["uid"] for panel in shown} == {"${datasource}"}
        assert {target["datasource"]["uid"] for target in TARGETS} == {"${datasource}"}

    def test_its_machines_come_from_a_figure_that_there_is(
        self, figures: dict[str, Figure]
    ) -> None:
        [machines] = [one for one in DASHBOARD["templating"]["list"] if one["name"] == "instance"]

        asked = re.fullmatch(r"label_values\((\w+), instance\)", machines["definition"])

        assert asked
        assert asked[1] in figures

    def test_no_panel_covers_another(self) -> None:
        places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
        cells = [
            (x, y)
            for place in places
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        ]

        assert len(cells) == len(set(cells))
        assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(places)


def test_each_check_that_can_come_is_described() -> None:
    key = "k" * 32
    unsafe = {
        "PATH": os.environ["PATH"],
        "AUTHSVC_ENV_FILE": "",
        "SECRET_KEY": key,
        "SECRET_KEY_FALLBACKS": secrets.token_urlsafe(32) + f",{key}",
        "DATABASE_URL": "postgres://authsvc@database.example/authsvc",
        "SECURE_SSL_REDIRECT": "0",
        "RATE_LIMITS": "0",
        "DEBUG": "1",
    }

    said = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy"],
        cwd=ROOT,
        env=unsafe,
        capture_output=True,
        text=True,
        check=True,
    ).stderr

    table = section(OPERATIONS / "DEPLOY.md", "## What `check --deploy` says")
    described = {
        check
        for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
        for check in re.findall(r"`([\w.]+)`", row)
    }
    assert described == set(re.findall(r"\(((?:accounts|security)\.\w+)\)", said))


def test_the_list_of_documents_is_whole() -> None:
    listed = set(re.findall(r"\]\(([A-Z]+\.md)\)", (OPERATIONS / "README.md").read_text("utf-8")))

    assert listed == {path.name for path in OPERATIONS.glob("*.md")} - {"README.md"}
