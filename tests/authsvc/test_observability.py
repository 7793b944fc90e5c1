"""Logs with ids and without secrets; figures for those who may see them."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from django.conf import settings
from django.test import Client, override_settings
from prometheus_client import REGISTRY

from accounts.models import User
from authsvc import observability
from tests.people import Phone

pytestmark = pytest.mark.django_db


def value(name: str, **labels: str) -> float:
    """Return a figure, zero where nothing has been counted yet."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_an_answer_carries_the_id_that_the_logs_carry() -> None:
    answer = Client().get("/healthz")

    assert str(UUID(answer["X-Request-ID"]))


def test_the_proxys_id_is_kept_and_a_strange_one_is_not() -> None:
    given = "7c1d7b52-2a0e-4f4e-9a39-6b0d8a4f5d11"

    kept = Client().get("/healthz", headers={"X-Request-ID": given})
    strange = Client().get("/healthz", headers={"X-Request-ID": 'x" onload=evil'})

    assert kept["X-Request-ID"].replace("-", "") == given.replace("-", "")
    assert "evil" not in strange["X-Request-ID"]


def test_what_changes_something_or_fails_is_one_line_with_ids(
    alice: User, phone_of: Callable[..., Phone], caplog: pytest.LogCaptureFixture
) -> None:
    phone = phone_of(alice)
    caplog.clear()

    with caplog.at_level(logging.INFO, "authsvc.requests"):
        phone.ok("get", "/auth/profile")
        phone.ok("post", "/auth/logout")
        phone.call("get", "/auth/profile")

    lines = [record for record in caplog.records if record.name == "authsvc.requests"]
    assert [line.getMessage() for line in lines] == [
        "POST auth/logout 200",
        "GET auth/profile 401",
    ]
    facts = vars(lines[0])
    assert facts["user_id"] == str(alice.pk)
    assert facts["session_id"] == phone.tokens["session"]["id"]
    assert facts["duration_ms"] >= 0
    assert vars(lines[1])["user_id"] is None


def test_what_reads_and_goes_well_is_logged_for_who_debugs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG, "authsvc.requests"):
        Client().get("/healthz")

    assert [record.getMessage() for record in caplog.records] == ["GET healthz 200"]


def test_nothing_is_logged_for_who_wants_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "authsvc.requests"):
        Client().get("/nowhere")

    assert not [record for record in caplog.records if record.name == "authsvc.requests"]


def test_a_mailed_links_token_is_in_no_log_line() -> None:
    record = logging.LogRecord(
        "django.request",
        logging.ERROR,
        __file__,
        1,
        "%s: %s %d",
        ("Internal Server Error", "/account/password/reset/MQ/abc-123", 500),
        None,
    )
    plain = logging.LogRecord("x", logging.ERROR, __file__, 1, "nothing to clean", None, None)

    assert observability.WithoutLinks().filter(record)
    assert observability.WithoutLinks().filter(plain)
    assert record.getMessage() == "Internal Server Error: /account/password/reset/… 500"


def test_a_strangers_text_that_is_none_fills_no_log() -> None:
    garbage = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")
    theirs, ours, plain = (
        logging.LogRecord("uvicorn.error", logging.ERROR, __file__, 1, "an error", None, cause)
        for cause in ((type(garbage), garbage, None), (OSError, OSError(), None), None)
    )

    assert not observability.WithoutGarbage().filter(theirs)
    assert observability.WithoutGarbage().filter(ours)
    assert observability.WithoutGarbage().filter(plain)


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_fault_on_the_page_of_a_mailed_link_does_not_log_the_token(form: str) -> None:
    program = (
        "import logging, django; django.setup();"
        "from django.test import RequestFactory;"
        "from django.http import HttpResponse;"
        "from django.utils.log import log_response;"
        "request = RequestFactory().get('/account/password/reset/MQ/abc-123');"
        "log_response('%s: %s', 'Fault', request.path, request=request,"
        " response=HttpResponse(status=500))"
    )

    line = _logged_by(program, form)

    assert "Fault: /account/password/reset/" in line
    assert "abc-123" not in line


def test_requests_are_counted_by_route_and_never_by_what_was_sent() -> None:
    labels = {"method": "other", "route": "unmatched", "status": "404"}
    before = value("authsvc_requests_total", **labels)

    Client().generic("BREW", "/no/such/place/4711")

    assert value("authsvc_requests_total", **labels) == before + 1


def test_the_pool_is_looked_at_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    class Pool:
        def get_stats(self) -> dict[str, int]:
            return {"pool_size": 5, "pool_available": 3, "requests_waiting": 1}

    class Connection:
        pool = Pool()

    monkeypatch.setattr(observability, "connection", Connection)
    middleware = observability.RequestMiddleware(lambda _request: None)  # type: ignore[arg-type, return-value]

    middleware._look_at_pool(100.0)

    states = {"in_use": 2.0, "idle": 3.0, "waited_for": 1.0}
    for state, expected in states.items():
        assert value("authsvc_database_pool_connections", state=state) == expected


@pytest.mark.parametrize(
    ("token", "https", "sent", "status"),
    [
        ("", False, "", 200),
        ("", True, "", 404),
        ("secret", True, "", 404),
        ("secret", True, "Bearer wrong", 404),
        ("secret", True, "Bearer secret", 200),
        ("secret", False, "", 404),
    ],
)
def test_the_figures_are_for_those_who_may_see_them(
    token: str, https: bool, sent: str, status: int
) -> None:
    with override_settings(METRICS_TOKEN=token, HTTPS=https):
        answer = Client().get("/metrics", headers={"Authorization": sent} if sent else {})

    assert answer.status_code == status
    if status == 200:
        assert "accounts_logins_total" in answer.content.decode()
        assert "no-store" in answer["Cache-Control"]


@pytest.mark.django_db(transaction=True)
def test_an_act_is_counted_where_operators_look(
    alice: User, phone_of: Callable[..., Phone]
) -> None:
    ended = value("accounts_sessions_ended_total", reason="logout_all")
    opened = value("accounts_sessions_opened_total", client="app")
    refused = value("accounts_logins_total", result="invalid_credentials")
    phone = phone_of(alice)

    Phone().call("post", "/auth/login", {"email": alice.email, "password": "wrong"})
    phone.ok("post", "/auth/logout")

    assert value("accounts_logins_total", result="invalid_credentials") == refused + 1
    assert value("accounts_sessions_ended_total", reason="logout_all") == ended + 1
    assert value("accounts_sessions_opened_total", client="app") == opened + 1


def test_several_processes_add_up_their_figures(tmp_path: Path) -> None:
    said = [_told_by_a_process(tmp_path) for _process in range(2)]

    assert 'accounts_logins_total{result="success"} 2.0' in said[1]


def test_a_process_that_is_gone_holds_nothing_any_more(tmp_path: Path) -> None:
    said = [_told_by_a_process(tmp_path) for _process in range(2)]

    assert ["accounts_sockets_open 1.0" in text for text in said] == [True, True]


def _told_by_a_process(directory: Path) -> str:
    """Start a process in which somebody signs in and listens; return the figures, as it ends."""
    program = (
        "import os, sys; sys.path.insert(0, os.getcwd());"
        "import django; django.setup();"
        "from accounts import metrics;"
        "from authsvc import observability;"
        "metrics.LOGINS.labels('success').inc();"
        "metrics.SOCKETS.inc();"
        "from prometheus_client import generate_latest;"
        "print(generate_latest(observability._registry()).decode())"
    )
    environment = {
        **os.environ,
        "PROMETHEUS_MULTIPROC_DIR": str(directory),
        "DJANGO_SETTINGS_MODULE": "tests.settings",
    }
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=settings.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_log_line_is_whole_in_both_forms(form: str) -> None:
    program = (
        "import logging, django; django.setup();"
        "logging.getLogger('authsvc').warning('Something %s', 'happened', extra={'user_id': '7'})"
    )
    line = _logged_by(program, form)

    if form == "text":
        assert "WARNING authsvc [None]: Something happened" in line
    else:
        facts = json.loads(line)
        assert (facts["level"], facts["logger"], facts["message"], facts["user_id"]) == (
            "WARNING",
            "authsvc",
            "Something happened",
            "7",
        )
        assert "request_id" in facts


def _logged_by(program: str, form: str) -> str:
    """Run the program in a process of its own; return what it logs."""
    environment = {
        **os.environ,
        "LOG_FORMAT": form,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
    }
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=settings.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stderr
