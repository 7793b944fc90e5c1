"""The audit trail: searched, filtered, and taken along."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.admin import export
from accounts.admin.audit import AuditEventAdmin
from accounts.admin.keys import first_key
from accounts.models import AuditEvent, User, UserSession
from tests.admin.office import (
    EVENTS,
    EndReason,
    allow,
    browser_of,
    end,
    event,
    listed,
    session_of,
)
from tests.people import PASSWORD

CSV, JSON_LINES = f"{EVENTS}export/csv/", f"{EVENTS}export/jsonl/"
DAY = dt.timedelta(days=1)
Type = AuditEvent.Type


def taken(browser: Client, path: str, **query: str) -> str:
    """Return the file."""
    answer = browser.get(path, query)
    assert answer.status_code == 200, answer
    return b"".join(answer).decode()


def lines(browser: Client, **query: str) -> list[dict[str, Any]]:
    """Return the objects of the JSON lines."""
    return [json.loads(line) for line in taken(browser, JSON_LINES, **query).splitlines()]


# Search and filters


def test_the_trail_of_somebody_is_found_by_their_address(
    staff: Client, alice: User, bob: User
) -> None:
    session_of(alice)
    session_of(bob)
    started = AuditEvent.objects.get(user_id=str(alice.pk))

    assert listed(staff, EVENTS, q="alice@") == [started.pk]
    assert listed(staff, EVENTS, q="nobody@example.com") == []


def test_the_trail_of_a_session_begins_and_ends_with_it(
    staff: Client, carol: User, alice: User
) -> None:
    session, other = session_of(alice), session_of(alice)
    started = AuditEvent.objects.get(session_id=session.pk)
    reused = event(type=Type.TOKEN_REUSED, user_id=str(alice.pk), session_id=session.pk)
    end(session, EndReason.FORCED, carol)

    assert listed(staff, EVENTS, q=str(session.pk)) == [reused.pk, started.pk]
    assert len(listed(staff, EVENTS, q=str(other.pk))) == 1


def test_the_trail_of_a_session_that_is_gone_is_still_found(staff: Client, alice: User) -> None:
    session = session_of(alice)
    started = AuditEvent.objects.get(session_id=session.pk)
    UserSession.objects.filter(pk=session.pk).delete()

    assert listed(staff, EVENTS, q=str(session.pk)) == [started.pk]


def test_somebody_who_was_deleted_is_still_found_by_key(staff: Client, alice: User) -> None:
    session_of(alice)
    key = str(alice.pk)
    alice.delete()

    page = staff.get(EVENTS, {"q": key})

    assert len(page.context["cl"].result_list) == 1
    assert key in page.content.decode()


def test_an_event_is_found_by_its_own_id_of_whatever_kind(staff: Client) -> None:
    one, foreign = event(), event(id=uuid4())
    event()

    assert listed(staff, EVENTS, q=str(one.pk)) == [one.pk]
    assert listed(staff, EVENTS, q=str(foreign.pk)) == [foreign.pk]


def test_the_trail_is_filtered_by_address_type_actor_and_day(staff: Client, alice: User) -> None:
    old = event(ago=5 * DAY, ip_address="192.0.2.7")
    new = event(ip_address="192.0.2.7", actor="staff")
    day = (timezone.localdate() - 5 * DAY).isoformat()

    assert listed(staff, EVENTS, q="192.0.2.7") == [new.pk, old.pk]
    assert listed(staff, EVENTS, q="192.0.2.7", actor__exact="staff") == [new.pk]
    assert listed(staff, EVENTS, type__exact="login.failed", since=day, until=day) == [old.pk]
    assert listed(staff, EVENTS, type__exact="user.activated") == []


def test_a_filter_without_an_index_looks_at_the_newest_of_the_days_chosen(
    staff: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AuditEventAdmin, "looked_at", 2)
    old = [event(ago=days * DAY, user_id=str(alice.pk)).pk for days in (9, 8, 7, 6)]
    for _number in range(3):
        event()
    then = (timezone.localdate() - 6 * DAY).isoformat()

    page = staff.get(EVENTS, {"actor__exact": "system"})

    assert not set(old) & {row.pk for row in page.context["cl"].result_list}
    assert "Only the newest 2 were looked through" in page.content.decode()
    assert listed(staff, EVENTS, actor__exact="system", until=then) == [old[3], old[2], old[1]]
    assert listed(staff, EVENTS, user_id=str(alice.pk)) == old[::-1]


def test_the_trail_of_an_old_session_is_looked_for_at_its_time(
    staff: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AuditEventAdmin, "looked_at", 2)
    then = timezone.now() - 9 * DAY
    key = UUID(int=first_key(then).int | 7 << 76 | 2 << 62)
    UserSession.objects.create(
        id=key,
        user=alice,
        client="app",
        created_at=then,
        expires_at=then + DAY,
        is_active=False,
        ended_at=then,
        end_reason="logout",
    )
    started = event(ago=9 * DAY, type=Type.SESSION_STARTED, session_id=key)
    for _number in range(4):
        event()

    assert listed(staff, EVENTS, q=str(key)) == [started.pk]


def test_a_row_says_why_how_many_who_and_on_what(staff: Client, carol: User, alice: User) -> None:
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
    event(
        type=Type.SESSION_ENDED,
        actor="staff",
        actor_id=str(carol.pk),
        user_id=str(alice.pk),
        reason="forced",
        count=3,
        user_agent=agent,
    )
    event(type=Type.SESSION_ENDED, reason="something else", count=1)

    page = staff.get(EVENTS).content.decode()

    assert "Signed out <small>Signed out by staff × 3</small>" in page
    assert "Signed out <small>something else</small>" in page
    assert f'{carol.pk}/change/">carol@example.com</a>' in page
    assert "Firefox on Linux" in page


def test_an_event_has_its_reason_in_words_and_no_history(staff: Client, alice: User) -> None:
    session = session_of(alice)
    end(session, EndReason.LOGOUT_ALL)
    ended = AuditEvent.objects.get(type=Type.SESSION_ENDED)

    page = staff.get(f"{EVENTS}{ended.pk}/change/").content.decode()

    assert '<div class="readonly">Signed out everywhere</div>' in page
    assert f"{EVENTS}{ended.pk}/history/" not in page


# Taking it along


def test_the_file_holds_what_the_list_shows(staff: Client, alice: User, bob: User) -> None:
    session, _bobs = session_of(alice), session_of(bob)
    end(session)

    rows = list(csv.DictReader(io.StringIO(taken(staff, CSV, q="alice"))))
    objects = lines(staff, q="alice")

    assert [row["type"] for row in rows] == ["session.ended", "session.started"]
    assert rows[1]["session_id"] == str(session.pk)
    assert rows[1]["at"].endswith("Z")
    assert [row["id"] for row in rows] == [found["id"] for found in objects]
    assert objects[0] | {"id": 0, "at": 0} == {
        "id": 0,
        "at": 0,
        "type": "session.ended",
        "user_id": str(alice.pk),
        "actor": "self",
        "actor_id": str(alice.pk),
        "session_id": None,
        "ip_address": None,
        "user_agent": "",
        "reason": "logout",
        "count": 1,
    }


def test_filters_hold_for_the_file_too(staff: Client) -> None:
    old, _new = event(ago=5 * DAY), event()
    day = (timezone.localdate() - 5 * DAY).isoformat()

    assert [found["id"] for found in lines(staff, until=day)] == [str(old.pk)]
    assert [found["type"] for found in lines(staff, type__exact="session.started")] == [
        "session.started"
    ]


@pytest.mark.parametrize("number", [3, 4, 5])
def test_the_file_has_every_row_once_however_many_bites_it_takes(
    staff: Client, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(export, "BITE", 2)
    for _number in range(number):
        event()

    found = [found["id"] for found in lines(staff)]

    assert found == [
        str(key) for key in AuditEvent.objects.order_by("-id").values_list("pk", flat=True)
    ]
    assert len(found) == number + 1


@pytest.mark.parametrize("beginning", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＠"])
def test_no_cell_is_a_formula(staff: Client, beginning: str) -> None:
    event(user_agent=f'{beginning}HYPERLINK("https://example.com"),x')

    text = taken(staff, CSV, type__exact="login.failed")

    [row] = csv.DictReader(io.StringIO(text, newline=""))
    assert row["user_agent"] == f'\'{beginning}HYPERLINK("https://example.com"),x'
    [found] = lines(staff, type__exact="login.failed")
    assert found["user_agent"].startswith(beginning)


def test_the_file_has_what_a_device_called_itself_in_whatever_script(staff: Client) -> None:
    agent = '浏览器 🦊 "quoted", and, cut'
    event(user_agent=agent)

    [row] = csv.DictReader(io.StringIO(taken(staff, CSV, type__exact="login.failed"), newline=""))
    [found] = lines(staff, type__exact="login.failed")

    assert row["user_agent"] == found["user_agent"] == agent


def test_a_file_of_nothing_has_its_headings_and_no_row(staff: Client) -> None:
    assert taken(staff, CSV, q="nobody@example.com") == ",".join(export.FIELDS) + "\r\n"
    assert taken(staff, JSON_LINES, q="nobody@example.com") == ""


def test_the_file_is_read_as_it_is_sent_and_never_whole(
    staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "BITE", 2)
    for _number in range(6):
        event()

    with CaptureQueriesContext(connection) as asked:
        answer = staff.get(JSON_LINES)
        before = bites(asked)
        next(iter(answer))
        first = bites(asked)
        b"".join(answer)

    assert (before, first, bites(asked)) == (0, 1, 4)


def bites(asked: CaptureQueriesContext) -> int:
    """Return how often two rows were read."""
    queries = [query["sql"] for query in asked.captured_queries]
    return sum('"user_agent"' in query and query.endswith("LIMIT 2") for query in queries)


def test_the_file_is_streamed_under_a_name(staff: Client) -> None:
    answer = staff.get(CSV)

    assert answer.streaming
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="audit-trail-')
    assert "no-store" in answer.headers["Cache-Control"]


def test_who_took_what_along_is_noted(staff: Client, carol: User) -> None:
    taken(staff, CSV, type__exact="login.failed")
    taken(staff, JSON_LINES)

    all_of_it, some = LogEntry.objects.order_by("-pk")
    assert (some.user_id, some.object_repr) == (carol.pk, "Audit trail as csv")
    assert some.change_message == "Exported: type__exact=login.failed"
    assert all_of_it.change_message == "Exported: –"
    assert "Audit trail as jsonl" in staff.get("/admin/").content.decode()


@pytest.mark.parametrize("path", [f"{EVENTS}export/xml/", f"{CSV}?since=x", f"{CSV}?nothing=1"])
def test_a_file_of_something_else_is_not_found(staff: Client, path: str) -> None:
    assert staff.get(path).status_code == 404
    assert not LogEntry.objects.exists()


def test_the_list_leads_to_the_files_with_its_filters(staff: Client, helper: User) -> None:
    for browser in (staff, browser_of(helper)):
        page = browser.get(EVENTS, {"type__exact": "login.failed"}).content.decode()
        assert f'href="{CSV}?type__exact=login.failed"' in page
        assert f'href="{JSON_LINES}?type__exact=login.failed"' in page


def test_who_may_not_see_the_trail_takes_none_of_it_along(bob: User) -> None:
    dave = User.objects.create_user("dave@example.com", PASSWORD, is_staff=True)
    allow(dave, "view_usersession")
    allow(bob, "view_auditevent")

    assert browser_of(dave).get(CSV).status_code == 403
    assert browser_of(bob).get(CSV).headers["Location"].startswith("/admin/login/")
    assert not LogEntry.objects.exists()
