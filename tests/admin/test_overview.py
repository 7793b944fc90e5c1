"""The overview on the front page: what happened lately, for whoever may see it."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest
import time_machine
from django.contrib.admin import AdminSite
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from accounts.admin import ledger as ledgers
from accounts.admin import overview
from accounts.models import AuditEvent, User
from tests.admin.office import allow, browser_of, end, event, session_of
from tests.people import PASSWORD

FRONT = "/admin/"
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
# The middle of an hour and of a day.
NOON = dt.datetime(2026, 11, 22, 12, 30, tzinfo=dt.UTC)
Type = AuditEvent.Type


@pytest.fixture(autouse=True)
def _look_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks again sees what is new, and not what was found a moment ago."""
    monkeypatch.setattr(ledgers, "INTERVAL", 0.0)


def seen(browser: Client, **query: str) -> Any:
    """Return what the front page shows."""
    return browser.get(FRONT, query).context["overview"]


def figures(browser: Client, **query: str) -> dict[str, str]:
    """Return the figure above each plot."""
    return {plot.key: plot.figure for plot in seen(browser, **query).plots}


def values(browser: Client, key: str, **query: str) -> list[str]:
    """Return the values of a plot, the current step last."""
    [plot] = [plot for plot in seen(browser, **query).plots if plot.key == key]
    return [mark.value for mark in plot.marks]


# What is counted


def test_sign_ins_failures_and_ends_are_counted(staff: Client, alice: User, bob: User) -> None:
    phone, _tablet, _bobs = session_of(alice), session_of(alice), session_of(bob)
    end(phone)
    event()
    event()

    shown = seen(staff)

    assert {plot.key: plot.figure for plot in shown.plots} == {
        "started": "4",
        "failed": "2",
        "signed-in": "3",
    }
    assert shown.reasons == [("Signed out", "1", "100.0")]
    assert shown.note == ""


def test_why_sessions_ended_is_told_in_order_with_the_most_frequent_first(staff: Client) -> None:
    for reason, count in (("forced", 1), ("incident", 6), ("something new", 1), ("expired", 0)):
        event(type=Type.SESSION_ENDED, reason=reason, count=count)

    assert seen(staff).reasons == [
        ("Signed out in an incident", "6", "75.0"),
        ("something new", "1", "12.5"),
        ("Signed out by staff", "1", "12.5"),
    ]


@time_machine.travel(NOON, tick=False)
def test_each_hour_and_each_day_has_its_own_value(carol: User) -> None:
    staff = browser_of(carol)
    for hours in (0, 3, 3, 23, 24):
        event(ago=hours * HOUR)

    hourly = values(staff, "failed")
    daily = values(staff, "failed", period="fortnight")

    assert hourly == ["1", *["0"] * 19, "2", "0", "0", "1"]
    assert daily == ["0"] * 12 + ["2", "3"]


@time_machine.travel(NOON, tick=False)
def test_how_many_were_signed_in_is_counted_back_from_how_many_are(carol: User) -> None:
    staff = browser_of(carol)
    event(ago=2 * HOUR, type=Type.SESSION_STARTED)
    event(ago=HOUR, type=Type.SESSION_ENDED, reason="logout", count=3)

    found = values(staff, "signed-in")

    assert found == ["3"] * 21 + ["4", "1", "1"]


@time_machine.travel(NOON, tick=False)
def test_no_number_of_devices_is_below_nothing(carol: User) -> None:
    staff = browser_of(carol)
    for _number in range(3):
        event(ago=HOUR, type=Type.SESSION_STARTED)

    assert values(staff, "signed-in") == ["0"] * 22 + ["1", "1"]


def test_where_nothing_happened_the_plots_say_so(carol: User) -> None:
    with time_machine.travel(NOON - 30 * DAY, tick=False):
        page = browser_of(carol).get(FRONT).content.decode()

    assert page.count("Nothing in this time.") == 2
    assert "None ended in this time." in page


@pytest.mark.parametrize("period", ["", "week", "fortnight\0", "<script>"])
def test_a_period_that_there_is_not_is_a_day(staff: Client, period: str) -> None:
    answer = staff.get(FRONT, {"period": period})

    assert answer.context["overview"].period.name == "day"
    assert "<script>alert" not in answer.content.decode()
    assert "Last 24 hours" in answer.content.decode()


# A long trail


def long_trail() -> None:
    """Have three refusals in each of six hours."""
    for hours in range(6):
        for _number in range(3):
            event(ago=hours * HOUR)


@time_machine.travel(NOON, tick=False)
def test_a_long_trail_is_counted_back_look_by_look(
    carol: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "BUDGET", 7)
    staff = browser_of(carol)
    long_trail()

    looks = [seen(staff) for _look in range(3)]

    failed = [next(plot.figure for plot in look.plots if plot.key == "failed") for look in looks]
    assert failed == ["6", "12", "18"]
    assert "it is counted back to Nov. 22, 2026, 11 a.m. so far" in looks[0].note
    assert "counted back to Nov. 22, 2026, 9 a.m. so far" in looks[1].note
    assert looks[2].note == ""
    assert looks[0].plots[1].marks[0].value == "–"


@time_machine.travel(NOON, tick=False)
def test_what_is_new_is_added_and_nothing_is_counted_twice(carol: User) -> None:
    staff = browser_of(carol)
    long_trail()
    before = values(staff, "failed")

    event()
    with CaptureQueriesContext(connection) as asked:
        after = values(staff, "failed")

    assert (before[-2:], after[-2:]) == (["3", "3"], ["3", "4"])
    assert after[:-1] == before[:-1]
    [counted] = [query["sql"] for query in asked if "GROUP BY" in query["sql"]]
    assert "audit_events" in counted


def test_an_hour_goes_by_and_the_oldest_falls_out(carol: User) -> None:
    with time_machine.travel(NOON, tick=False):
        event(ago=14 * DAY)
        event()
        first = figures(browser_of(carol), period="fortnight")
    with time_machine.travel(NOON + HOUR, tick=False):
        event()
        later = values(browser_of(carol), "failed")
    with time_machine.travel(NOON + 30 * DAY, tick=False):
        much_later = figures(browser_of(carol), period="fortnight")

    assert first["failed"] == "1"
    assert later[-2:] == ["1", "1"]
    assert much_later["failed"] == "0"


@time_machine.travel(NOON, tick=False)
def test_so_much_that_is_new_that_there_is_a_gap_is_counted_from_anew(
    carol: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "BUDGET", 4)
    staff = browser_of(carol)
    with time_machine.travel(NOON - 5 * HOUR, tick=False):
        event()
        assert figures(staff)["failed"] == "1"
    for hours in (0, 1, 2):
        event(ago=hours * HOUR)
        event(ago=hours * HOUR)

    shown = seen(staff)

    assert values(staff, "failed")[-6:] == ["1", "0", "0", "2", "2", "2"]
    assert "Nov. 22, 2026, 11 a.m." in shown.note


@time_machine.travel(NOON, tick=False)
def test_more_than_a_look_counts_in_the_current_hour_leaves_that_hour_open(
    carol: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "BUDGET", 2)
    staff = browser_of(carol)
    for _number in range(3):
        event()

    shown = seen(staff)

    assert {mark.value for mark in shown.plots[1].marks} == {"–"}
    assert shown.plots[1].summary == "Nothing in this time."
    assert "counted back to" in shown.note


# What it costs


def test_a_look_costs_the_same_however_much_there_is(
    staff: Client, alice: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    staff.get(FRONT)
    with CaptureQueriesContext(connection) as quiet:
        staff.get(FRONT)
    for _number in range(10):
        session_of(alice)
        event()

    with django_assert_max_num_queries(min(12, len(quiet))):
        staff.get(FRONT)


def test_within_a_minute_nothing_is_counted_again(
    staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "INTERVAL", 60.0)
    before = figures(staff)
    event()

    with CaptureQueriesContext(connection) as asked:
        after = figures(staff)

    assert after == before
    assert not [query for query in asked if "audit_events" in query["sql"]]


@pytest.mark.postgres
def test_many_sessions_are_estimated_and_said_to_be(
    staff: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "EXACT", 3)
    for _number in range(9):
        session_of(alice)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE user_sessions")

    assert figures(staff)["signed-in"] == "about 10"


# Who sees it


@pytest.mark.parametrize(
    ("permissions", "plots", "tells_reasons"),
    [
        (["view_auditevent"], ["started", "failed"], True),
        (["view_usersession"], ["signed-in"], False),
        (["view_auditevent", "view_usersession"], ["started", "failed", "signed-in"], True),
    ],
)
def test_each_plot_is_for_whoever_may_see_what_it_counts(
    db: None, permissions: list[str], plots: list[str], tells_reasons: bool
) -> None:
    dave = User.objects.create_user("dave@example.com", PASSWORD, is_staff=True)
    allow(dave, *permissions)

    answer = browser_of(dave).get(FRONT)

    shown = answer.context["overview"]
    assert [plot.key for plot in shown.plots] == plots
    assert ("Why sessions ended" in answer.content.decode()) is tells_reasons


def test_staff_who_may_see_neither_sees_no_overview(db: None) -> None:
    dave = User.objects.create_user("dave@example.com", PASSWORD, is_staff=True)
    allow(dave, "view_user", "end_usersession")

    answer = browser_of(dave).get(FRONT)

    assert answer.context["overview"] is None
    assert 'class="plots"' not in answer.content.decode()


def test_bob_is_sent_to_the_login(bob: User) -> None:
    allow(bob, "view_auditevent", "view_usersession")

    answer = browser_of(bob).get(FRONT)

    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/admin/login/")


# How it is shown


@time_machine.travel(NOON, tick=False)
def test_a_plot_is_told_in_words_and_as_a_table_too(carol: User) -> None:
    staff = browser_of(carol)
    for hours in (3, 3, 1):
        event(ago=hours * HOUR)

    page = staff.get(FRONT).content.decode()

    assert '<title id="failed-title">Failed sign-ins: 3</title>' in page
    assert '<span id="failed-desc">At most 2 (9 a.m.)</span>' in page
    assert 'aria-labelledby="failed-title failed-desc"' in page
    assert '<tr><th scope="row">9 a.m.</th><td>2</td></tr>' in page
    assert page.count('role="img"') == page.count("<table>\n          <caption>") == 3


@time_machine.travel(NOON, tick=False)
def test_the_drawing_stays_in_its_frame_and_shows_what_is_little(carol: User) -> None:
    staff = browser_of(carol)
    event(ago=HOUR)
    event(type=Type.SESSION_ENDED, reason="logout", count=500)
    for _number in range(200):
        event()

    page = staff.get(FRONT).content.decode()

    heights = [float(height) for height in re.findall(r'height="([\d.]+)"><title>', page)]
    assert max(heights) == 60
    assert min(height for height in heights if height) == 1
    [points] = re.findall(r'points="([^"]+)"', page)
    assert len(points.split()) == 24
    assert all(0 <= float(point.split(",")[1]) <= 60 for point in points.split())


def test_chinese_staff_reads_it_in_chinese(carol: User) -> None:
    staff = browser_of(carol)
    event(type=Type.SESSION_ENDED, reason="forced", count=1)

    page = staff.get(FRONT, headers={"Accept-Language": "zh-hans"}).content.decode()

    for text in ("登录", "14 天", "24 小时"):
        assert text in page
    for text in ("Sign-ins", "Failed", "Why sessions", "As a table", "Last 24 hours", "by staff"):
        assert text not in page


def test_a_site_with_a_front_page_of_its_own_keeps_it() -> None:
    own = AdminSite(name="own")
    own.index_template = "own.html"

    overview.put_on(own)

    assert own.index_template == "own.html"
    assert "index" not in vars(own)
