"""The page about a user: where they are signed in, what happened, and one button."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from accounts.admin import person
from accounts.models import User
from tests.admin.office import (
    EVENTS,
    SESSIONS,
    USERS,
    EndReason,
    allow,
    browser_of,
    confirm,
    end,
    ends,
    is_active,
    listed,
    said,
    session_of,
)
from tests.people import PASSWORD, Phone, assert_error

PhoneOf = Callable[..., Phone]
STRANGER = "0197a0c0-0000-7000-8000-000000000000"


def path_of(user: User, page: str = "change") -> str:
    """Return the path of a page about ``user``."""
    return f"{USERS}{user.pk}/{page}/"


def test_the_page_shows_the_last_sessions_and_events(
    staff: Client, carol: User, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(person, "SHOWN", 2)
    sessions = [session_of(alice, name) for name in ("tablet", "laptop", "Pixel")]
    session_of(bob, "bobs")
    end(sessions[1], EndReason.FORCED, carol)

    answer = staff.get(path_of(alice))

    tables = answer.context["tables"]
    assert [(table.title, len(table.rows)) for table in tables] == [
        ("Sessions", 2),
        ("Audit trail", 2),
    ]
    page = answer.content.decode()
    assert "Pixel" in page
    assert "laptop" in page
    assert "tablet" not in page
    assert "bobs" not in page
    assert "Signed out by staff, by <a" in page
    assert f"{SESSIONS}?user={alice.pk}" in page
    assert f"{EVENTS}?user_id={alice.pk}" in page


def test_who_only_looks_sees_all_of_it_and_changes_nothing(helper: User, alice: User) -> None:
    session_of(alice)

    page = browser_of(helper).get(path_of(alice)).content.decode()
    posted = browser_of(helper).post(path_of(alice), {"email": "new@example.com"})

    assert "Sign out everywhere" not in page
    assert 'name="email"' not in page
    assert "person-table" in page
    assert posted.status_code == 403


def test_the_button_signs_out_everywhere_without_a_permission_to_edit(
    helper: User, alice: User, bob: User, phone_of: PhoneOf
) -> None:
    allow(helper, "end_usersession")
    browser, phones, bobs = browser_of(helper), [phone_of(alice), phone_of(alice)], phone_of(bob)

    page = browser.get(path_of(alice)).content.decode()
    asked = browser.get(path_of(alice, "sign-out"))
    before = [phone.is_signed_in for phone in phones]
    answer = confirm(browser, asked)

    assert f'href="{path_of(alice, "sign-out")}"' in page
    assert "This signs out 1 person on 2 devices." in asked.content.decode()
    assert "Sign out alice@example.com everywhere?" in asked.content.decode()
    assert before == [True, True]
    assert answer.redirect_chain == [(path_of(alice), 302)]
    assert said(answer) == ["2 sessions were signed out."]
    for phone in phones:
        assert_error(phone.call("get", "/auth/profile"), 401, "session_ended")
        assert (phone.session.end_reason, phone.session.ended_by_id) == ("forced", str(helper.pk))
    assert bobs.is_signed_in
    [event] = ends()
    assert (event.user_id, event.actor_id, event.count) == (str(alice.pk), str(helper.pk), 2)
    assert event.ip_address == "127.0.0.1"


def test_who_is_not_signed_in_needs_no_signing_out(staff: Client, alice: User) -> None:
    answer = staff.get(path_of(alice, "sign-out"), follow=True)

    assert said(answer) == ["This person is not signed in any more."]


@pytest.mark.parametrize("missing", ["end_usersession", "view_user"])
def test_who_lacks_a_permission_has_no_button_and_is_refused(
    db: None, alice: User, missing: str
) -> None:
    session = session_of(alice)
    dave = User.objects.create_user("dave@example.com", PASSWORD, is_staff=True)
    allow(dave, *{"end_usersession", "view_user"} - {missing})
    browser = browser_of(dave)

    page = browser.get(path_of(alice)).content.decode()
    answers = browser.get(path_of(alice, "sign-out")), browser.post(path_of(alice, "sign-out"))

    assert "Sign out everywhere" not in page
    assert [answer.status_code for answer in answers] == [403, 403]
    assert is_active(session)


def test_each_table_is_for_whoever_may_see_the_list(db: None, alice: User) -> None:
    session_of(alice)
    dave = User.objects.create_user("dave@example.com", PASSWORD, is_staff=True)
    allow(dave, "view_user", "view_auditevent")

    tables = browser_of(dave).get(path_of(alice)).context["tables"]

    assert [table.title for table in tables] == ["Audit trail"]


@pytest.mark.parametrize("key", ["nobody", STRANGER])
def test_nobody_has_no_page(staff: Client, key: str) -> None:
    page = staff.get(f"{USERS}{key}/change/", follow=True)

    assert page.redirect_chain[0][0] == "/admin/"
    assert staff.get(f"{USERS}{key}/sign-out/").status_code == 404
    assert staff.post(f"{USERS}{key}/sign-out/").status_code == 404


def test_a_user_with_more_devices_than_a_page_counts_is_signed_out_all_the_same(
    staff: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(person, "MOST_DEVICES", 1)
    sessions = [session_of(alice), session_of(alice)]

    answer = confirm(staff, staff.get(path_of(alice, "sign-out")))

    assert said(answer) == ["2 sessions were signed out."]
    assert not any(is_active(session) for session in sessions)


def test_bob_signs_nobody_out(bob: User, alice: User) -> None:
    session = session_of(alice)
    allow(bob, "end_usersession", "view_user")

    answer = browser_of(bob).post(path_of(alice, "sign-out"))

    assert answer.headers["Location"].startswith("/admin/login/")
    assert is_active(session)


def test_a_form_of_another_site_is_refused(carol: User, alice: User) -> None:
    session = session_of(alice)

    answer = browser_of(carol, enforce_csrf_checks=True).post(path_of(alice, "sign-out"))

    assert answer.status_code == 403
    assert is_active(session)


# The list of users


def test_users_are_found_by_key_beginning_and_part(staff: Client, alice: User, bob: User) -> None:
    assert listed(staff, USERS, q=str(alice.pk)) == [alice.pk]
    assert listed(staff, USERS, q="ALI") == [alice.pk]
    assert listed(staff, USERS, q="ob@") == [bob.pk]
    assert listed(staff, USERS, q="nobody") == []


def test_users_are_in_the_order_of_their_addresses(staff: Client, alice: User, bob: User) -> None:
    group = Group.objects.create(name="Readers")
    for user in (bob, alice):
        user.groups.add(group)

    assert listed(staff, USERS, o="-2")[:2] == [alice.pk, bob.pk]
    assert listed(staff, USERS, groups__id__exact=str(group.pk)) == [alice.pk, bob.pk]


def test_users_are_suggested_as_staff_types(staff: Client, alice: User, bob: User) -> None:
    query = {"app_label": "workspaces", "model_name": "membership", "field_name": "user"}

    found = staff.get("/admin/autocomplete/", query | {"term": "ali"}).json()

    assert [result["text"] for result in found["results"]] == ["alice@example.com"]


def test_a_page_with_a_mistake_in_its_form_still_shows_the_rest(staff: Client, alice: User) -> None:
    session_of(alice, "Pixel")

    page = staff.post(path_of(alice), {"email": "not an address"})

    assert page.status_code == 200
    assert "Pixel" in page.content.decode()


def test_deleting_a_user_stays_off(staff: Client, alice: User) -> None:
    assert staff.post(path_of(alice, "delete"), {"post": "yes"}).status_code == 403
    assert User.objects.filter(pk=alice.pk).exists()
