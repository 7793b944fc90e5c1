"""What staff does to chosen sessions: it is asked about once more, and says who did it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from accounts.admin import sign_out
from accounts.models import AuditEvent, User, UserSession
from tests.admin.office import (
    SESSIONS,
    EndReason,
    allow,
    browser_of,
    choose,
    confirm,
    end,
    ends,
    is_active,
    said,
    session_of,
)
from tests.people import PASSWORD, Phone, assert_error

PhoneOf = Callable[..., Phone]
ACTIONS = ["sign_out", "sign_out_users", "deactivate_users"]


def test_an_act_is_asked_about_with_the_figures_before_it_is_done(
    staff: Client, alice: User, bob: User
) -> None:
    sessions = [session_of(alice), session_of(alice), session_of(bob)]

    asked = choose(staff, "sign_out", *sessions)

    page = asked.content.decode()
    assert "This signs out 2 people on 3 devices." in page
    assert "alice@example.com" in page
    assert "bob@example.com" in page
    assert all(is_active(session) for session in sessions)
    assert ends() == []


def test_chosen_sessions_end_when_it_is_confirmed_and_no_others(
    staff: Client, carol: User, alice: User, bob: User, phone_of: PhoneOf
) -> None:
    stolen, kept, bobs = phone_of(alice, "stolen"), phone_of(alice, "kept"), phone_of(bob)

    answer = confirm(staff, choose(staff, "sign_out", stolen.session))

    assert said(answer) == ["1 session was signed out."]
    assert_error(stolen.call("get", "/auth/profile"), 401, "session_ended")
    assert (stolen.session.end_reason, stolen.session.ended_by_id) == ("forced", str(carol.pk))
    assert kept.is_signed_in
    assert bobs.is_signed_in
    [event] = ends()
    assert (event.user_id, event.actor, event.actor_id) == (str(alice.pk), "staff", str(carol.pk))
    assert (event.ip_address, event.count) == ("127.0.0.1", 1)
    assert "Firefox" in event.user_agent


def test_what_had_ended_is_counted_apart_and_not_asked_about(staff: Client, alice: User) -> None:
    ended, active = session_of(alice), session_of(alice)
    end(ended)

    first = confirm(staff, choose(staff, "sign_out", ended, active))
    again = choose(staff, "sign_out", active)

    assert said(first) == ["1 session was signed out.", "1 session had already ended."]
    assert said(again) == ["1 session had already ended."]


def test_the_users_of_chosen_sessions_are_signed_out_everywhere(
    staff: Client, carol: User, alice: User, bob: User
) -> None:
    chosen, other, bobs = session_of(alice), session_of(alice), session_of(bob)

    asked = choose(staff, "sign_out_users", chosen)
    answer = confirm(staff, asked)
    again = choose(staff, "sign_out_users", chosen)

    assert "This signs out 1 person on 2 devices." in asked.content.decode()
    assert said(answer) == ["2 sessions were signed out."]
    assert (is_active(chosen), is_active(other), is_active(bobs)) == (False, False, True)
    assert ends()[0].actor_id == str(carol.pk)
    assert said(again) == ["None of these people is signed in any more."]


def test_users_are_deactivated_and_cannot_come_back(
    staff: Client, carol: User, alice: User, bob: User, phone_of: PhoneOf
) -> None:
    alices, bobs = phone_of(alice), phone_of(bob)

    asked = choose(staff, "deactivate_users", alices.session)
    before = alices.is_signed_in
    answer = confirm(staff, asked)

    assert "Yes, deactivate and sign out" in asked.content.decode()
    assert before
    assert said(answer) == ["Deactivated and signed out: 1 person on 1 device."]
    assert not alices.is_signed_in
    body = {"email": alice.email, "password": PASSWORD}
    assert_error(Phone().call("post", "/auth/login", body), 401, "invalid_credentials")
    deactivated = AuditEvent.objects.get(type=AuditEvent.Type.USER_DEACTIVATED)
    assert (deactivated.user_id, deactivated.actor_id) == (str(alice.pk), str(carol.pk))
    assert alices.session.end_reason == EndReason.USER_DEACTIVATED
    assert bobs.is_signed_in


def test_nobody_deactivates_themselves_or_somebody_inactive(
    staff: Client, carol: User, alice: User
) -> None:
    own, other = session_of(carol), session_of(alice)
    gone = User.objects.create_user("gone@example.com", PASSWORD)
    goners = session_of(gone)
    User.objects.filter(pk=gone.pk).update(is_active=False)

    alone = choose(staff, "deactivate_users", own, goners)
    asked = choose(staff, "deactivate_users", own, other)
    confirm(staff, asked)

    assert said(alone) == [
        "2 people are left out: yourself, superusers, or inactive already.",
    ]
    assert "1 person is left out: yourself, a superuser, or inactive already." in (
        asked.content.decode()
    )
    assert User.objects.get(pk=carol.pk).is_active
    assert not User.objects.get(pk=alice.pk).is_active


def test_staff_that_is_no_superuser_cannot_deactivate_one(
    helper: User, carol: User, alice: User
) -> None:
    allow(helper, "end_usersession", "change_user")
    browser, sessions = browser_of(helper), [session_of(carol), session_of(alice)]

    asked = choose(browser, "deactivate_users", *sessions)
    confirm(browser, asked)

    assert "carol@example.com" not in asked.content.decode()
    assert User.objects.get(pk=carol.pk).is_active
    assert is_active(sessions[0])
    assert not is_active(sessions[1])


def test_a_user_model_without_an_active_flag_has_nobody_to_deactivate(
    staff: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accounts.services.users.has_field", lambda name: name != "is_active")
    session = session_of(alice)

    page = staff.get(SESSIONS)
    answer = choose(staff, "deactivate_users", session)

    assert "Deactivate their users" not in page.content.decode()
    assert said(answer) == ["No action selected."]


def test_all_that_a_search_finds_can_be_chosen_at_once(
    staff: Client, alice: User, bob: User
) -> None:
    sessions, bobs = [session_of(alice) for _number in range(3)], session_of(bob)

    asked = choose(staff, "sign_out", sessions[0], query="?q=alice&state=active", select_across="1")
    answer = confirm(staff, asked)

    assert "This signs out 1 person on 3 devices." in asked.content.decode()
    assert said(answer) == ["3 sessions were signed out."]
    assert is_active(bobs)


def test_the_way_back_is_the_list_as_it_was(staff: Client, alice: User) -> None:
    session = session_of(alice)

    asked = choose(staff, "sign_out", session, query="?q=alice")

    assert f'<a href="{SESSIONS}?q=alice" class="button">' in asked.content.decode()


@pytest.mark.parametrize("action", ACTIONS)
def test_too_many_sessions_are_refused_in_one_step(
    staff: Client, alice: User, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    monkeypatch.setattr(sign_out, "MOST_CHOSEN", 1)
    sessions = [session_of(alice), session_of(alice)]

    answer = choose(staff, action, *sessions, post="yes")

    [message] = said(answer)
    assert message.startswith("That is too much for one step: 1 sessions or 5000 devices")
    assert all(is_active(session) for session in sessions)
    assert User.objects.get(pk=alice.pk).is_active


def test_too_many_devices_are_refused_in_one_step(
    staff: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_out, "MOST_DEVICES", 1)
    sessions = [session_of(alice), session_of(alice)]

    answer = choose(staff, "sign_out_users", sessions[0], post="yes")
    asked = choose(staff, "deactivate_users", sessions[0])

    assert said(answer)[0].startswith("That is too much for one step")
    assert all(is_active(session) for session in sessions)
    # A person is deactivated however many devices they have.
    assert "This signs out" not in asked.content.decode()
    assert "Deactivate these people" in asked.content.decode()


@pytest.mark.parametrize("action", ACTIONS)
def test_staff_without_the_permission_cannot_act(helper: User, alice: User, action: str) -> None:
    session, browser = session_of(alice), browser_of(helper)

    page = browser.get(SESSIONS).content.decode()
    choose(browser, action, session, post="yes")

    assert "alice@example.com" in page
    assert "<select" not in page
    assert is_active(session)
    assert User.objects.get(pk=alice.pk).is_active


def test_ending_sessions_does_not_entitle_to_deactivating(helper: User, alice: User) -> None:
    allow(helper, "end_usersession")
    session, browser = session_of(alice), browser_of(helper)

    refused = choose(browser, "deactivate_users", session, post="yes")
    ended = confirm(browser, choose(browser, "sign_out", session))

    assert said(refused) == ["No action selected."]
    assert User.objects.get(pk=alice.pk).is_active
    assert said(ended) == ["1 session was signed out."]


@pytest.mark.parametrize("action", ACTIONS)
def test_bob_who_is_not_staff_cannot_act_whatever_he_may(
    bob: User, alice: User, action: str
) -> None:
    session = session_of(alice)
    allow(bob, "end_usersession", "view_usersession", "change_user")

    answer = choose(browser_of(bob), action, session, post="yes")

    assert answer.redirect_chain[0][0].startswith("/admin/login/")
    assert is_active(session)


def test_a_form_of_another_site_is_refused(carol: User, alice: User) -> None:
    session, browser = session_of(alice), browser_of(carol, enforce_csrf_checks=True)

    answer = choose(browser, "sign_out", session, post="yes")

    assert answer.status_code == 403
    assert is_active(session)


def test_a_session_is_ended_from_its_own_page(staff: Client, helper: User, alice: User) -> None:
    session = session_of(alice)
    path = f"{SESSIONS}{session.pk}/change/"

    page, looked = staff.get(path), browser_of(helper).get(path)
    confirm(staff, choose(staff, "sign_out", session))
    after = staff.get(path).content.decode()

    assert "Sign out…" in page.content.decode()
    assert "Sign out…" not in looked.content.decode()
    assert "Sign out…" not in after
    assert "carol@example.com" in after


def test_the_question_names_ten_people_and_counts_the_others(staff: Client) -> None:
    people = [User.objects.create_user(f"person{n}@example.com") for n in range(12)]
    sessions = [session_of(person) for person in people]

    page = choose(staff, "sign_out", *sessions).content.decode()

    assert page.count("@example.com</li>") == 10
    assert "and 2 more" in page
    assert UserSession.objects.active().count() == 13
