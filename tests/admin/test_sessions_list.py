"""The list of sessions: what it shows, finds and leaves out."""

from __future__ import annotations

import datetime as dt
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.admin import estimates, long_lists, people
from accounts.admin.keys import first_key, moment_of
from accounts.admin.long_lists import LongListAdmin
from accounts.admin.read_only import ReadOnlyAdmin
from accounts.admin.sessions import UserSessionAdmin
from accounts.models import User, UserSession
from accounts.web import cookies
from tests.admin.office import (
    SESSIONS,
    USERS,
    EndReason,
    allow,
    browser_of,
    end,
    listed,
    session_of,
)
from tests.people import PASSWORD

DAY = dt.timedelta(days=1)
FAR = ("0001-01-01", "9999-12-31")


def made(user: User, *, ago: dt.timedelta) -> UserSession:
    """Return a session that began a while ago, its key included."""
    then = timezone.now() - ago
    key = UUID(int=first_key(then).int | uuid4().int % (1 << 62) | 7 << 76 | 2 << 62)
    return UserSession.objects.create(
        id=key, user=user, client="app", created_at=then, expires_at=then + 30 * DAY
    )


def own(browser: Client) -> UUID:
    """Return the key of the browser's own session, which is in the list as everybody's is."""
    return UUID(browser.session[cookies.KEY])


# At a glance


def test_a_row_says_state_and_why_and_by_whom(staff: Client, carol: User, alice: User) -> None:
    by_staff, by_herself, active = session_of(alice), session_of(alice), session_of(alice, "Pixel")
    end(by_staff, EndReason.FORCED, carol)
    end(by_herself, EndReason.LOGOUT_ALL)

    page = staff.get(SESSIONS).content.decode()

    assert "Signed out by staff, by <a href=" in page
    assert f'{USERS}{carol.pk}/change/">carol@example.com</a>' in page
    assert "Signed out everywhere<br>" in page
    assert f'<a href="{SESSIONS}{active.pk}/change/">' in page
    assert "Pixel <small>App · 192.0.2.1</small>" in page
    assert f'<time datetime="{active.created_at.isoformat()}">' in page


def test_who_may_not_see_users_sees_names_without_links(
    helper: User, carol: User, alice: User
) -> None:
    helper.user_permissions.remove(*helper.user_permissions.filter(codename="view_user"))
    end(session_of(alice), EndReason.FORCED, carol)

    page = browser_of(helper).get(SESSIONS).content.decode()

    assert "alice@example.com" in page
    assert "by carol@example.com" in page
    assert USERS not in page


def test_staff_that_is_gone_stays_by_key(staff: Client, helper: User, alice: User) -> None:
    key = helper.pk
    end(session_of(alice), EndReason.FORCED, helper)
    User.objects.filter(pk=key).delete()

    assert f"by {key}" in staff.get(SESSIONS).content.decode()


# Filters


def test_sessions_are_filtered_by_the_days_of_the_sign_in(staff: Client, alice: User) -> None:
    today = timezone.localdate()
    old, older = made(alice, ago=5 * DAY), made(alice, ago=40 * DAY)
    day = (today - 5 * DAY).isoformat()

    assert listed(staff, SESSIONS, since=day, until=day) == [old.pk]
    assert listed(staff, SESSIONS, since=today.isoformat()) == [own(staff)]
    assert listed(staff, SESSIONS, until=day) == [old.pk, older.pk]
    assert listed(staff, SESSIONS, since="", until="") == [own(staff), old.pk, older.pk]


@pytest.mark.parametrize("day", FAR)
def test_days_before_and_after_everything_are_taken(staff: Client, day: str) -> None:
    assert staff.get(SESSIONS, {"since": day}).status_code == 200
    assert staff.get(SESSIONS, {"until": day}).status_code == 200


@pytest.mark.parametrize(
    "query", ["since=yesterday", "until=2026-13-01", "state=any", "state=", "nothing=1"]
)
def test_a_filter_that_does_not_exist_is_said_and_not_left_out(staff: Client, query: str) -> None:
    answer = staff.get(f"{SESSIONS}?{query}")

    assert (answer.status_code, answer.headers["Location"]) == (302, f"{SESSIONS}?e=1")


def test_other_filters_are_kept_when_days_are_chosen(staff: Client, alice: User) -> None:
    session_of(alice)

    page = staff.get(SESSIONS, {"q": "alice", "state": "active", "since": "2026-01-01", "p": "1"})

    text = page.content.decode()
    form = text[text.index('class="dates-filter"') :]
    assert '<input type="hidden" name="q" value="alice">' in form
    assert '<input type="hidden" name="state" value="active">' in form
    assert '<input type="date" name="since" value="2026-01-01">' in form
    assert "?q=alice&amp;state=active" in text
    assert 'name="p"' not in form


def test_the_usual_days_are_marked_when_chosen(staff: Client) -> None:
    since = (timezone.localdate() - 7 * DAY).isoformat()

    text = staff.get(SESSIONS, {"since": since}).content.decode()

    marked = text.index("Past 7 days")
    assert '<li class="selected">' in text[marked - 80 : marked]


def test_sessions_of_one_user_are_said_to_be_that(staff: Client, alice: User, bob: User) -> None:
    mine, _bobs = session_of(alice), session_of(bob)

    page = staff.get(SESSIONS, {"user": str(alice.pk)})

    assert [row.pk for row in page.context["cl"].result_list] == [mine.pk]
    assert f"Only where user = {alice.pk}." in page.content.decode()


# Search


def test_people_are_found_by_how_they_begin_and_else_by_any_part(
    staff: Client, alice: User, bob: User
) -> None:
    malice = User.objects.create_user("malice@example.com", PASSWORD, name="Alicia")
    alices, malices = session_of(alice), session_of(malice)

    assert listed(staff, SESSIONS, q="ALICE") == [alices.pk]
    assert listed(staff, SESSIONS, q="lice@") == [malices.pk, alices.pk]
    assert listed(staff, SESSIONS, q="Alicia") == [malices.pk]
    assert listed(staff, SESSIONS, q="nobody") == []


def test_more_people_than_are_looked_for_are_said_to_be_more(
    staff: Client, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "MOST_PEOPLE", 1)
    monkeypatch.setattr("accounts.admin.sessions.MOST_PEOPLE", 1)
    monkeypatch.setattr(long_lists, "MOST_PEOPLE", 1)
    session_of(alice)
    session_of(bob)

    page = staff.get(SESSIONS, {"q": "example.com"})

    assert len(page.context["cl"].result_list) == 1
    text = page.content.decode()
    assert "More than 1 people match" in text
    assert "Sign out all that match" not in text


def test_an_address_is_found_however_it_is_written(staff: Client, alice: User) -> None:
    session = session_of(alice, address="2001:db8::7")

    assert listed(staff, SESSIONS, q="2001:DB8:0::7") == [session.pk]
    assert listed(staff, SESSIONS, q="2001:db8::7%eth0") == [session.pk]
    assert listed(staff, SESSIONS, q="2001:db8::8") == []


# Bounds


def test_the_order_cannot_be_one_without_an_index(staff: Client, alice: User) -> None:
    sessions = [session_of(alice).pk for _number in range(3)]
    newest_first = [*sessions[::-1], own(staff)]

    for column in ("1", "-2", "3.4", "x"):
        assert listed(staff, SESSIONS, o=column) == newest_first


def test_there_is_an_end_to_paging_and_it_is_said(
    staff: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_lists, "MOST_PAGED", 3)
    monkeypatch.setattr(UserSessionAdmin, "list_per_page", 2)
    # PostgreSQL may have analysed the table during an earlier test.
    monkeypatch.setattr(estimates, "rows_of", lambda _model: None)
    newest_first = [session_of(alice).pk for _number in range(5)][::-1]

    first = staff.get(SESSIONS)

    assert listed(staff, SESSIONS) == newest_first[:2]
    assert listed(staff, SESSIONS, p="2") == newest_first[2:3]
    assert staff.get(SESSIONS, {"p": "3"}).headers["Location"] == f"{SESSIONS}?e=1"
    text = first.content.decode()
    assert "More than 3 entries" in text
    assert "Click here to select" not in text


def test_without_an_end_all_are_counted(staff: Client, alice: User) -> None:
    one = staff.get(SESSIONS).content.decode()
    session_of(alice)
    two = staff.get(SESSIONS).content.decode()

    assert "1 entry\n" in one
    assert "2 entries\n" in two


@pytest.mark.postgres
def test_the_planner_knows_about_how_many_there_are(
    staff: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_lists, "MOST_PAGED", 1)
    for _number in range(4):
        session_of(alice)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE user_sessions")

    everything = staff.get(SESSIONS).content.decode()
    filtered = staff.get(SESSIONS, {"state": "active"}).content.decode()

    assert "About 5 entries" in everything
    assert "More than 1 entries" in filtered


def test_a_filter_without_an_index_looks_at_the_newest_and_says_so(
    staff: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(UserSessionAdmin, "looked_at", 2)
    older = [made(alice, ago=days * DAY).pk for days in (40, 30, 20, 10)]
    then = (timezone.localdate() - 25 * DAY).isoformat()

    page = staff.get(SESSIONS, {"client__exact": "app"})
    earlier = listed(staff, SESSIONS, client__exact="app", until=then)

    assert [row.pk for row in page.context["cl"].result_list] == [older[3], older[2]]
    assert "Only the newest 2 were looked through (back to " in page.content.decode()
    assert earlier == [older[1], older[0]]


def test_what_an_index_serves_is_found_however_old(
    staff: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(UserSessionAdmin, "looked_at", 1)
    oldest = made(alice, ago=40 * DAY)
    for _number in range(3):
        session_of(alice, address="192.0.2.9")

    assert oldest.pk in listed(staff, SESSIONS)
    assert oldest.pk in listed(staff, SESSIONS, q="alice")
    assert oldest.pk in listed(staff, SESSIONS, user=str(alice.pk), client__exact="app")
    assert listed(staff, SESSIONS, q=str(oldest.pk), client__exact="app") == [oldest.pk]
    assert len(listed(staff, SESSIONS, q="192.0.2.9")) == 2


@pytest.mark.postgres
def test_all_are_looked_at_where_they_are_hardly_more(
    staff: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(UserSessionAdmin, "looked_at", 8)
    sessions = [session_of(alice).pk for _number in range(8)]
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE user_sessions")

    page = staff.get(SESSIONS, {"state": "active"})

    assert len(page.context["cl"].result_list) == len(sessions) + 1
    assert "were looked through" not in page.content.decode()


# Keys


def test_a_key_tells_its_time() -> None:
    moment = dt.datetime(2026, 11, 22, 5, 55, 0, 123000, tzinfo=dt.UTC)

    assert moment_of(UUID(int=first_key(moment).int | 7 << 76 | 2 << 62)) == moment
    assert moment_of(uuid4()) is None
    assert moment_of(UUID(int=(1 << 128) - 1 - (8 << 76))) is None


def test_a_list_has_to_say_how_it_searches() -> None:
    with pytest.raises(NotImplementedError):
        LongListAdmin.seek(None, "x")  # type: ignore[arg-type]


def test_a_list_that_only_shows_has_to_say_who_is_in_a_row() -> None:
    with pytest.raises(NotImplementedError):
        ReadOnlyAdmin.people_in(None, object())  # type: ignore[arg-type]


def test_bob_sees_no_list(bob: User, alice: User) -> None:
    allow(bob, "view_usersession", "end_usersession")
    session_of(alice)

    answer = browser_of(bob).get(SESSIONS)

    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/admin/login/")
