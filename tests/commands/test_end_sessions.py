"""manage.py end_sessions: counts first, ends in bites, can be stopped."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AuditEvent, User, UserSession
from accounts.services import incidents
from tests.people import Phone

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    """Run the command; return what it says."""
    out = StringIO()
    call_command("end_sessions", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def signed_in() -> set[str]:
    """Return whose sessions have not ended."""
    return set(UserSession.objects.unended().values_list("user__email", flat=True))


@pytest.fixture
def two(alice: User, bob: User) -> tuple[Phone, Phone]:
    """Alice on a phone, Bob on another, each from an address of their own."""
    phones = (Phone().sign_in(alice), Phone().sign_in(bob))
    UserSession.objects.filter(user=alice).update(
        ip_address="192.0.2.7", user_agent="okhttp/4.1", client="browser"
    )
    UserSession.objects.filter(user=bob).update(ip_address="2001:db8::7", user_agent="Safari")
    return phones


def test_without_yes_it_only_counts(two: tuple[Phone, Phone], alice: User) -> None:
    Phone().sign_in(alice)

    said = run("--everybody")

    assert said == "Would sign out 2 users on 3 devices. Add --yes to do it.\n"
    assert all(phone.is_signed_in for phone in two)


def test_everybody_is_signed_out_with_one_event_per_bite(two: tuple[Phone, Phone]) -> None:
    before = AuditEvent.objects.count()

    said = run("--everybody", "--yes")

    assert said == "Signed out 2 devices.\n"
    assert not any(phone.is_signed_in for phone in two)
    event = AuditEvent.objects.order_by("-id")[0]
    assert AuditEvent.objects.count() == before + 1
    assert (event.type, event.reason, event.count, event.user_id, event.actor) == (
        "session.ended",
        "incident",
        2,
        "",
        "system",
    )


@pytest.mark.parametrize(
    "filters",
    [
        ["--user", "Alice@example.com"],
        ["--group", "editors"],
        ["--address", "192.0.2.7"],
        ["--address", "192.0.2.0/24"],
        ["--address", "10.0.0.0/8", "--address", "192.0.0.0/16"],
        ["--client", "browser"],
        ["--user-agent", "OKHTTP"],
        ["--issued-before", "{now}", "--client", "browser"],
        ["--last-seen-before", "2026-01-01"],
    ],
    ids=" ".join,
)
def test_filters_choose_and_combine(
    two: tuple[Phone, Phone], alice: User, filters: list[str]
) -> None:
    alice.groups.add(Group.objects.create(name="editors"))
    UserSession.objects.filter(user=alice).update(
        last_seen_at=dt.datetime(2025, 12, 31, tzinfo=dt.UTC)
    )
    now = timezone.now().isoformat()

    run(*[part.replace("{now}", now) for part in filters], "--yes")

    assert signed_in() == {"bob@example.com"}


def test_a_user_can_be_named_by_id(two: tuple[Phone, Phone], alice: User) -> None:
    run("--user", str(alice.pk), "--yes")

    assert signed_in() == {"bob@example.com"}


def test_filters_that_nobody_meets_end_nothing(two: tuple[Phone, Phone]) -> None:
    said = run("--address", "198.51.100.0/24", "--yes")

    assert said == "Signed out 0 devices.\n"
    assert all(phone.is_signed_in for phone in two)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Give at least one filter"),
        (["--yes"], "Give at least one filter"),
        (["--user", "nobody@example.com"], "There is no user 'nobody@example.com'"),
        (["--address", "here"], "'here' is no address or range"),
        (["--issued-before", "yesterday"], "'yesterday' is no time"),
        (["--issued-before", "2026-13-45"], "'2026-13-45' is no time"),
        (["--everybody", "--batch", "0"], "at least 1"),
        (["--everybody", "--rate", "-1"], "no whole number"),
    ],
    ids=" ".join,
)
def test_what_makes_no_sense_is_refused(
    two: tuple[Phone, Phone], arguments: list[str], message: str
) -> None:
    with pytest.raises(CommandError, match=message):
        run(*arguments)

    assert all(phone.is_signed_in for phone in two)


def test_a_run_that_was_stopped_goes_on_where_it_was(
    two: tuple[Phone, Phone], monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Callable[..., Iterator[int]] = incidents.end_in_bites

    def interrupted(*arguments: Any, **options: Any) -> Iterator[int]:
        yield next(real(*arguments, **options))
        raise KeyboardInterrupt

    module = "accounts.management.commands.end_sessions.end_in_bites"
    with monkeypatch.context() as patched:
        patched.setattr(module, interrupted)
        with pytest.raises(CommandError, match=r"Stopped\. 1 devices are signed out"):
            run("--everybody", "--yes", "--batch", "1")
    assert len(signed_in()) == 1

    said = run("--everybody", "--yes", "--batch", "1", "--rate", "0")

    assert said == "Signed out 1 devices.\n"
    assert signed_in() == set()


def test_a_run_that_the_database_stops_says_how_far_it_came(
    two: tuple[Phone, Phone], monkeypatch: pytest.MonkeyPatch
) -> None:
    def held_up(*_arguments: Any, **_options: Any) -> Iterator[int]:
        yield 7
        raise OperationalError("canceling statement due to lock timeout\n")

    monkeypatch.setattr("accounts.management.commands.end_sessions.end_in_bites", held_up)

    with pytest.raises(CommandError) as raised:
        run("--everybody", "--yes")

    assert str(raised.value) == (
        "canceling statement due to lock timeout\n"
        "Stopped. 7 devices are signed out; run the command again to go on."
    )


def test_the_progress_is_one_bar_without_colour(two: tuple[Phone, Phone]) -> None:
    progress = StringIO()
    options = {"stdout": StringIO(), "stderr": progress, "force_color": True}

    call_command("end_sessions", "--everybody", "--yes", "--batch", "1", **options)

    drawn = progress.getvalue()
    assert "2/2" in drawn
    assert drawn.count("\n") == 1
    assert "\x1b[31" not in drawn


def test_people_are_looked_for_some_at_a_time_and_nobody_is_left_out(
    two: tuple[Phone, Phone], carol: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incidents, "STRIDE", 2)
    Phone().sign_in(carol)

    said = run("--everybody", "--yes", "--batch", "2")

    assert said == "Signed out 3 devices.\n"
    assert signed_in() == set()


def test_the_rate_is_kept(two: tuple[Phone, Phone], monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("accounts.services.incidents.time.sleep", slept.append)

    run("--everybody", "--yes", "--batch", "1", "--rate", "1")

    assert len(slept) == 2
    assert all(0 < pause <= 1 for pause in slept)


def test_no_two_lists_of_users_are_asked_about_in_one_query(two: tuple[Phone, Phone]) -> None:
    with CaptureQueriesContext(connection) as asked:
        run("--everybody", "--yes")

    queries = [query["sql"] for query in asked.captured_queries]
    [update] = [query for query in queries if query.startswith('UPDATE "user_sessions"')]
    assert '"user_id" IN' not in update
    assert all(query.count('"user_id" IN') < 2 for query in queries)
