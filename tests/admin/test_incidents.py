"""Ending all sessions that match, from the list."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from accounts.admin import incidents
from accounts.models import User
from tests.admin.office import (
    MATCHING,
    SESSIONS,
    EndReason,
    allow,
    browser_of,
    confirm,
    ends,
    is_active,
    said,
    session_of,
)
from tests.people import Phone, assert_error

PhoneOf = Callable[..., Phone]


def test_all_that_match_end_and_nothing_else(
    staff: Client, carol: User, alice: User, bob: User, phone_of: PhoneOf
) -> None:
    alices, bobs = [phone_of(alice), phone_of(alice)], phone_of(bob)

    asked = staff.get(MATCHING, {"q": "alice"})
    before = [phone.is_signed_in for phone in alices]
    answer = confirm(staff, asked)

    assert "This signs out 1 person on 2 devices." in asked.content.decode()
    assert before == [True, True]
    assert answer.redirect_chain == [(f"{SESSIONS}?q=alice", 302)]
    assert said(answer) == ["2 sessions were signed out."]
    for phone in alices:
        assert_error(phone.call("get", "/auth/profile"), 401, "session_ended")
        assert phone.session.end_reason == EndReason.INCIDENT
        assert phone.session.ended_by_id == str(carol.pk)
    assert bobs.is_signed_in
    [event] = ends()
    assert (event.reason, event.actor, event.actor_id) == ("incident", "staff", str(carol.pk))
    assert (event.ip_address, event.count) == ("127.0.0.1", 2)
    assert "Firefox" in event.user_agent


def test_many_people_are_taken_some_at_a_time(
    staff: Client, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incidents, "USERS_PER_BITE", 1)
    sessions = [session_of(alice), session_of(bob), session_of(bob)]

    answer = confirm(staff, staff.get(MATCHING, {"client__exact": "app"}))

    assert said(answer) == ["3 sessions were signed out."]
    assert not any(is_active(session) for session in sessions)
    assert [event.count for event in ends()] == [1, 2]


def test_the_session_that_asks_is_left_out(staff: Client, alice: User) -> None:
    session = session_of(alice)

    asked = staff.get(MATCHING, {"state": "active"})
    confirm(staff, asked)

    assert "This signs out 1 person on 1 device." in asked.content.decode()
    assert "Your own session here matches too; it is left out." in asked.content.decode()
    assert not is_active(session)
    assert staff.get(SESSIONS).status_code == 200


def test_what_matches_nobody_ends_nobody(staff: Client, alice: User) -> None:
    session = session_of(alice)

    asked = staff.get(MATCHING, {"q": "nobody"})
    answer = staff.post(f"{MATCHING}?q=nobody")

    for page in (asked, answer):
        assert "This signs out 0 people on 0 devices." in page.content.decode()
        assert 'type="submit" value="Yes' not in page.content.decode()
    assert is_active(session)


@pytest.mark.parametrize("query", ["", "?q=", "?q=+", "?client__exact=", "?since=&until=", "?o=1"])
def test_everybody_is_not_ended_for_want_of_a_filter(
    staff: Client, alice: User, query: str
) -> None:
    session = session_of(alice)

    answer = staff.post(MATCHING + query, follow=True)

    assert said(answer) == ["Filter the list first, or search for less: this ends all that match."]
    assert is_active(session)


@pytest.mark.parametrize("query", ["state=any", "since=x", "nothing=1", "id__exact=x"])
def test_a_filter_that_does_not_exist_does_not_let_everybody_through(
    staff: Client, alice: User, query: str
) -> None:
    session = session_of(alice)

    answer = staff.post(f"{MATCHING}?{query}")

    assert (answer.status_code, answer.headers["Location"]) == (302, f"{SESSIONS}?e=1")
    assert is_active(session)


def test_a_search_that_was_cut_short_is_no_ground_to_end_anything(
    staff: Client, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accounts.admin.people.MOST_PEOPLE", 1)
    monkeypatch.setattr("accounts.admin.sessions.MOST_PEOPLE", 1)
    sessions = [session_of(alice), session_of(bob)]

    answer = staff.post(f"{MATCHING}?q=example.com", follow=True)

    assert said(answer)[0].startswith("Filter the list first")
    assert all(is_active(session) for session in sessions)


def test_too_much_for_a_page_is_left_to_the_command(
    staff: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incidents, "MOST_DEVICES", 1)
    sessions = [session_of(alice), session_of(alice)]

    asked = staff.get(MATCHING, {"q": "alice"})
    answer = staff.post(f"{MATCHING}?q=alice")

    for page in (asked, answer):
        text = page.content.decode()
        assert "More than 1 devices match" in text
        assert "manage.py end_sessions" in text
        assert 'type="submit" value="Yes' not in text
    assert all(is_active(session) for session in sessions)


def test_the_list_leads_there_once_it_is_filtered(staff: Client, helper: User, alice: User) -> None:
    link = f'href="{MATCHING}?q=alice"'

    assert link in staff.get(SESSIONS, {"q": "alice"}).content.decode()
    assert MATCHING not in staff.get(SESSIONS).content.decode()
    assert MATCHING not in browser_of(helper).get(SESSIONS, {"q": "alice"}).content.decode()


@pytest.mark.parametrize("missing", ["end_usersession", "view_usersession"])
def test_who_lacks_a_permission_is_refused(db: None, alice: User, missing: str) -> None:
    session = session_of(alice)
    dave = User.objects.create_user("dave@example.com", is_staff=True)
    allow(dave, *{"end_usersession", "view_usersession", "view_user"} - {missing})

    answer = browser_of(dave).post(f"{MATCHING}?q=alice")

    assert answer.status_code == 403
    assert is_active(session)


def test_bob_is_sent_to_the_login(bob: User, alice: User) -> None:
    session = session_of(alice)
    allow(bob, "end_usersession", "view_usersession")

    answer = browser_of(bob).post(f"{MATCHING}?q=alice")

    assert answer.headers["Location"].startswith("/admin/login/")
    assert is_active(session)


def test_a_form_of_another_site_is_refused(carol: User, alice: User) -> None:
    session = session_of(alice)

    answer = browser_of(carol, enforce_csrf_checks=True).post(f"{MATCHING}?q=alice")

    assert answer.status_code == 403
    assert is_active(session)
