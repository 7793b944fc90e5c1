"""The guardian of the house's plan: who imports whom, who writes what, how long things may get."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# A room imports from its own layer and from those before it.
LAYERS = (
    {"conf", "checks", "exceptions", "signals", "hashers", "validators", "metrics"},
    {"querysets", "statements"},
    {"models"},
    {"devices", "tokens", "user_cache", "notifications", "redis_patience", "audit"},
    {"services"},
    {"api", "web", "ws", "admin", "management", "apps", "migrations", "mails"},
)
# What only these rooms may import. ``checks`` reads how the cache is set up and never asks it.
RESERVED = {
    "django.core.cache": {"user_cache", "checks"},
    "redis": {"notifications", "redis_patience"},
    "django_redis": {"notifications", "redis_patience"},
    "channels.layers": {"notifications"},
    "jwt": {"tokens"},
    "rest_framework_simplejwt": {"tokens"},
}
NO_SUBJECT = {"utils", "helpers", "common", "mixins", "managers", "selectors", "constants"}
MODEL_SIGNALS = {"pre_save", "post_save", "pre_delete", "post_delete", "m2m_changed"}
WRITES = {"save", "delete", "update", "create", "bulk_create", "bulk_update", "get_or_create"}
WRITES |= {"update_or_create", *(f"a{name}" for name in WRITES)}
MODULE_LENGTH, FUNCTION_LENGTH = 250, 50


def violations(root: Path) -> list[str]:
    """Return a sentence for each thing under ``root`` that is not as planned."""
    return [
        f"{path.relative_to(root)}: {found}"
        for package in ("accounts", "authsvc")
        for path in sorted((root / package).rglob("*.py"))
        for found in _of_module(path.relative_to(root), path.read_text(encoding="utf-8"))
    ]


def _of_module(path: Path, source: str) -> Iterator[str]:
    tree = ast.parse(source)
    room = Path(path.parts[1]).stem
    yield from (f"{name!r} is no subject" for name in {*path.with_suffix("").parts} & NO_SUBJECT)
    yield from _too_long(tree, source, is_generated=room == "migrations")
    yield from _reached(tree)
    if path.parts[0] == "accounts":
        if room != "__init__":
            yield from _misplaced(room, set(_imported(tree)))
        yield from _written(tree, room)


def _too_long(tree: ast.Module, source: str, *, is_generated: bool) -> Iterator[str]:
    if not is_generated and (lines := len(source.splitlines())) > MODULE_LENGTH:
        yield f"{lines} lines"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            if lines > FUNCTION_LENGTH:
                yield f"{node.name} has {lines} lines"


def _reached(tree: ast.Module) -> Iterator[str]:
    names = {name.rpartition(".")[2] for name in _imported(tree)}
    names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    yield from (f"{name} acts behind the caller's back" for name in names & MODEL_SIGNALS)


def _misplaced(room: str, imported: set[str]) -> Iterator[str]:
    layer = _layer(room)
    if layer < 0:
        yield f"{room!r} has no place in the plan"
    for name in sorted(imported):
        package, _dot, rest = name.partition(".")
        if package in {"authsvc", "tests"}:
            yield f"imports {name}: a host has no such thing"
        if package == "accounts" and _layer(rest.partition(".")[0]) > layer:
            yield f"imports {name}, against the direction"
        for reserved, rooms in RESERVED.items():
            if f"{name}.".startswith(f"{reserved}.") and room not in rooms:
                yield f"imports {name}: for {' and '.join(sorted(rooms))} only"


def _layer(room: str) -> int:
    return next((rank for rank, rooms in enumerate(LAYERS) if room in rooms), -1)


def _imported(tree: ast.AST) -> Iterator[str]:
    """Yield what is imported at run time, wherever the statement stands."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        yield from _imported(node)


def _written(tree: ast.Module, room: str) -> Iterator[str]:
    """Yield writes of events outside of audit, and of sessions outside of the services."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        call = ast.unparse(node.func)
        target, _dot, verb = call.rpartition(".")
        if room != "audit" and (
            call == "AuditEvent" or (target.startswith("AuditEvent.") and verb in WRITES)
        ):
            yield f"{call}(): events are written in audit only"
        on_session = "session" in target.lower() and "request.session" not in target
        if room != "services" and on_session and verb in WRITES:
            yield f"{call}(): sessions are written by the services only"


def test_everything_is_where_the_plan_says() -> None:
    assert violations(ROOT) == []


@pytest.mark.parametrize(
    ("path", "source", "sentence"),
    [
        ("accounts/conf.py", "import accounts.models", "imports accounts.models, against"),
        ("accounts/conf.py", "from accounts import audit", "imports accounts.audit, against"),
        ("accounts/querysets.py", "from accounts.models import User", "against the direction"),
        ("accounts/models/a.py", "from accounts import tokens", "against the direction"),
        ("accounts/tokens.py", "from accounts.services import users", "against the direction"),
        ("accounts/services/a.py", "from accounts.api.urls import x", "against the direction"),
        ("accounts/audit.py", "def f():\n    from accounts.api import x", "against"),
        ("accounts/rooms.py", "", "'rooms' has no place in the plan"),
        ("accounts/api/a.py", "from authsvc import settings", "imports authsvc.settings: a host"),
        ("accounts/api/a.py", "import tests.people", "imports tests.people: a host"),
        ("accounts/api/a.py", "from django.core.cache import cache", "user_cache only"),
        ("accounts/api/a.py", "from django.core import cache", "user_cache only"),
        ("accounts/user_cache.py", "import redis", "notifications and redis_patience only"),
        ("accounts/services/a.py", "from django_redis import x", "redis_patience only"),
        ("accounts/ws/a.py", "from channels.layers import x", "notifications only"),
        ("accounts/api/a.py", "import jwt", "imports jwt: for tokens only"),
        ("accounts/api/a.py", "from rest_framework_simplejwt.views import x", "tokens only"),
        ("accounts/services/a.py", "AuditEvent(type=1).save()", "written in audit only"),
        ("accounts/api/a.py", "AuditEvent.objects.create()", "written in audit only"),
        ("accounts/api/a.py", "self.session.save()", "written by the services only"),
        ("accounts/admin/a.py", "UserSession.objects.filter(pk=1).delete()", "services only"),
        ("accounts/ws/a.py", "async def f(s):\n    await user_session.asave()", "services only"),
        ("accounts/api/a.py", "from django.db.models.signals import post_save", "post_save acts"),
        ("authsvc/a.py", "signals.post_delete.connect(f)", "post_delete acts behind"),
        ("accounts/api/helpers.py", "", "'helpers' is no subject"),
        ("authsvc/utils/a.py", "", "'utils' is no subject"),
        ("accounts/models/managers.py", "", "'managers' is no subject"),
        ("authsvc/a.py", "x = 1\n" * 251, "251 lines"),
        ("authsvc/a.py", "async def f():\n" + "    x = 1\n" * 50, "f has 51 lines"),
    ],
)
def test_a_planted_violation_is_found(
    tmp_path: Path, path: str, source: str, sentence: str
) -> None:
    planted = tmp_path / path
    planted.parent.mkdir(parents=True)
    planted.write_text(source, encoding="utf-8")

    [found] = violations(tmp_path)

    assert found.startswith(f"{path}: ")
    assert sentence in found


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("accounts/__init__.py", ""),
        ("accounts/models/a.py", "from accounts.querysets import x"),
        ("accounts/querysets.py", "if TYPE_CHECKING:\n    from accounts.models import User"),
        ("accounts/services/a.py", "from accounts import audit\nsession.save()"),
        ("accounts/user_cache.py", "from django.core.cache import caches"),
        ("accounts/user_cache.py", "from django.core.cache.backends.base import BaseCache"),
        ("accounts/api/a.py", "from redistribution import x\nimport jwtless"),
        ("accounts/web/a.py", "request.session.save()\nAuditEvent.objects.filter()"),
        ("accounts/migrations/a.py", "x = 1\n" * 251),
        ("authsvc/a.py", "from django.core.cache import cache\ncache.delete('x')"),
        ("authsvc/a.py", "def f():\n" + "    x = 1\n" * 49),
    ],
)
def test_what_is_allowed_is_not_found(tmp_path: Path, path: str, source: str) -> None:
    allowed = tmp_path / path
    allowed.parent.mkdir(parents=True)
    allowed.write_text(source, encoding="utf-8")

    assert violations(tmp_path) == []
