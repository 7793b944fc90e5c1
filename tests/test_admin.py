"""What staff sees and does: sessions to sign out, a trail to read, users to look after."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.admin import site
from django.contrib.auth.models import Group, Permission
from django.core.cache import caches
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks

from accounts.admin.sessions import UserSessionAdmin
from accounts.models import AuditEvent, User, UserSession
from accounts.services.sessions import end_sessions
from accounts.web import cookies
from tests.admin.office import EVENTS, SESSIONS, USERS, EndReason, allow, session_of
from tests.people import PASSWORD, Phone

PhoneOf = Callable[..., Phone]


@pytest.fixture
def staff(carol: User) -> Client:
    """Return Carol's browser, signed in to the administration."""
    return browser_of(carol)


@pytest.fixture
def helper(db: None) -> User:
    """Staff who may look, and nothing else."""
    helper = User.objects.create_user("helper@example.com", PASSWORD, is_staff=True)
    may_look = ["view_usersession", "view_auditevent", "view_user"]
    helper.user_permissions.set(Permission.objects.filter(codename__in=may_look))
    return helper


def browser_of(user: User) -> Client:
    """Return a browser in which ``user`` is signed in."""
    client = Client(headers={"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"})
    client.force_login(user)
    return client


def change(session: UserSession, **values: object) -> UserSession:
    """Write to the row, whatever the rules."""
    UserSession.objects.filter(pk=session.pk).update(**values)
    return session


def end(session: UserSession) -> UserSession:
    """End the session as its owner does."""
    mine = UserSession.objects.filter(pk=session.pk)
    end_sessions(mine, reason=EndReason.LOGOUT, actor=session.user)
    return session


def sign_out(browser: Client, *sessions: UserSession, **extra: str) -> Any:
    """Choose the sessions in the list, and confirm the action; return the page that follows."""
    keys = [str(session.pk) for session in sessions]
    form = {"action": "sign_out", "_selected_action": keys, "post": "yes"}
    return browser.post(SESSIONS, {**form, **extra}, follow=True)


def said(answer: Any) -> list[str]:
    """Return the messages above the list."""
    return [str(message) for message in answer.context["messages"]]


def own(browser: Client) -> UUID:
    """Return the key of the browser's own session, which is in the lists as everybody's is."""
    return UUID(browser.session[cookies.KEY])


def listed(browser: Client, path: str, **query: str) -> list[UUID]:
    """Return the keys of the rows that the list shows, from the top."""
    return [row.pk for row in browser.get(path, query).context["cl"].result_list]


# Signing out


def test_staff_signs_out_the_chosen_sessions_and_no_others(
    staff: Client, carol: User, alice: User, bob: User, phone_of: PhoneOf
) -> None:
    stolen, kept, bobs = phone_of(alice, "stolen"), phone_of(alice, "kept"), phone_of(bob)

    answer = sign_out(staff, stolen.session)

    assert said(answer) == ["1 session was signed out."]
    assert not stolen.is_signed_in
    assert stolen.session.end_reason == EndReason.FORCED
    assert stolen.session.ended_by_id == str(carol.pk)
    assert kept.is_signed_in
    assert bobs.is_signed_in


def test_one_event_says_who_signed_out_whom_and_from_where(
    staff: Client, carol: User, alice: User
) -> None:
    phones = [session_of(alice), session_of(alice)]

    sign_out(staff, *phones)

    event = AuditEvent.objects.get(type=AuditEvent.Type.SESSION_ENDED)
    assert (event.user_id, event.actor, event.actor_id) == (str(alice.pk), "staff", str(carol.pk))
    assert (event.reason, event.count, event.ip_address) == ("forced", 2, "127.0.0.1")
    assert "Firefox" in event.user_agent


def test_sessions_of_several_users_are_ended_in_one_statement_and_never_saved(
    staff: Client, alice: User, bob: User
) -> None:
    sessions = [session_of(alice), session_of(bob), session_of(bob)]

    with CaptureQueriesContext(connection) as queries:
        answer = sign_out(staff, *sessions)

    assert said(answer) == ["3 sessions were signed out."]
    updates = [q for q in queries if q["sql"].startswith('UPDATE "user_sessions"')]
    assert len(updates) == 1
    assert "refresh_generation" not in updates[0]["sql"]


def test_sessions_that_had_ended_are_counted_apart_and_stay_as_they_were(
    staff: Client, alice: User
) -> None:
    ended, active = [end(session_of(alice)), end(session_of(alice))], session_of(alice)
    before = UserSession.objects.get(pk=ended[0].pk).ended_at

    answer = sign_out(staff, *ended, active)
    again = sign_out(staff, active)

    assert said(answer) == ["1 session was signed out.", "2 sessions had already ended."]
    assert said(again) == ["1 session had already ended."]
    row = UserSession.objects.get(pk=ended[0].pk)
    assert (row.end_reason, row.ended_at) == (EndReason.LOGOUT, before)


def test_all_that_a_search_finds_can_be_signed_out_at_once(
    staff: Client, carol: User, alice: User, bob: User
) -> None:
    sessions = [session_of(alice) for _number in range(3)]
    session_of(bob)

    answer = staff.post(
        f"{SESSIONS}?q=alice&state=active",
        {
            "action": "sign_out",
            "_selected_action": str(sessions[0].pk),
            "select_across": "1",
            "post": "yes",
        },
        follow=True,
    )

    assert said(answer) == ["3 sessions were signed out."]
    assert {session.user for session in UserSession.objects.active()} == {bob, carol}


def test_the_cache_of_whoever_is_signed_out_is_cleared(
    staff: Client,
    alice: User,
    bob: User,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    session = session_of(alice)
    for user in (alice, bob):
        caches["default"].set(f"user_profile:{user.pk}", {"name": "kept"})

    with django_capture_on_commit_callbacks(execute=True):
        sign_out(staff, session)

    assert caches["default"].get(f"user_profile:{alice.pk}") is None
    assert caches["default"].get(f"user_profile:{bob.pk}") == {"name": "kept"}


def test_staff_without_the_permission_sees_the_sessions_and_cannot_end_them(
    helper: User, alice: User
) -> None:
    session, browser = session_of(alice), browser_of(helper)

    page = browser.get(SESSIONS)
    answer = sign_out(browser, session)

    assert "alice@example.com" in page.content.decode()
    assert "Sign out the chosen sessions" not in page.content.decode()
    assert not any("signed out" in message for message in said(answer))
    assert UserSession.objects.get(pk=session.pk).is_active


def test_the_permission_is_all_that_a_helper_lacks(helper: User, alice: User) -> None:
    session = session_of(alice)
    allow(helper, "end_usersession")

    answer = sign_out(browser_of(helper), session)

    assert said(answer) == ["1 session was signed out."]


def test_bob_who_is_not_staff_gets_no_further_than_the_login(bob: User, alice: User) -> None:
    session = session_of(alice)
    allow(bob, "end_usersession", "view_usersession")

    answer = browser_of(bob).post(
        SESSIONS, {"action": "sign_out", "_selected_action": str(session.pk)}
    )

    assert answer.status_code == 302
    assert answer["Location"].startswith("/admin/login/")
    assert UserSession.objects.get(pk=session.pk).is_active


# The list of sessions


def test_the_state_is_a_word_and_not_only_a_colour(staff: Client, alice: User) -> None:
    session_of(alice)
    expired, ended = session_of(alice), session_of(alice)
    change(expired, expires_at=timezone.now())
    end(ended)

    page = staff.get(SESSIONS).content.decode()

    for state, word in (("active", "Active"), ("expired", "Expired"), ("ended", "Ended")):
        assert f'<span class="session-state session-state--{state}">{word}</span>' in page
    assert "accounts/admin.css" in page


def test_the_newest_session_is_on_top(staff: Client, alice: User, bob: User) -> None:
    sessions = [session_of(user).pk for user in (alice, bob, alice)]

    assert listed(staff, SESSIONS) == [*sessions[::-1], own(staff)]


def test_sessions_are_filtered_by_state(staff: Client, alice: User) -> None:
    now = timezone.now()
    active, expired, idle, ended = (session_of(alice) for _number in range(4))
    change(expired, expires_at=now)
    change(idle, last_seen_at=now - dt.timedelta(days=14))
    end(ended)

    assert listed(staff, SESSIONS, state="active") == [active.pk, own(staff)]
    assert listed(staff, SESSIONS, state="expired") == [idle.pk, expired.pk]
    assert listed(staff, SESSIONS, state="ended") == [ended.pk]
    assert len(listed(staff, SESSIONS)) == 5


def test_sessions_are_filtered_by_client_reason_and_date(staff: Client, alice: User) -> None:
    phone = end(session_of(alice))
    browser = change(
        session_of(alice), client="browser", created_at=dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    )
    today = f"{timezone.now():%Y-%m-%d} 00:00:00+00:00"

    assert listed(staff, SESSIONS, client__exact="browser") == [browser.pk, own(staff)]
    assert listed(staff, SESSIONS, end_reason__exact="logout") == [phone.pk]
    assert listed(staff, SESSIONS, created_at__gte=today) == [phone.pk, own(staff)]


def test_sessions_are_found_by_person_address_and_id(staff: Client, alice: User, bob: User) -> None:
    one, other = session_of(alice, address="192.0.2.7"), session_of(bob, address="2001:db8::7")

    for term in (
        "alice@",
        "ALICE@example.com",
        str(one.pk),
        one.pk.hex,
        str(alice.pk),
        "192.0.2.7",
    ):
        assert listed(staff, SESSIONS, q=term) == [one.pk], term
    assert listed(staff, SESSIONS, q="2001:DB8:0::7") == [other.pk]
    assert listed(staff, SESSIONS, q=str(uuid4())) == []
    assert listed(staff, SESSIONS, q="example.com") == [other.pk, one.pk, own(staff)]


@pytest.mark.parametrize("path", [SESSIONS, EVENTS, USERS])
@pytest.mark.parametrize("term", ["\0", "%", "'; DROP TABLE users; --", "x" * 1000])
def test_a_strange_search_finds_nothing_and_breaks_nothing(
    staff: Client, alice: User, path: str, term: str
) -> None:
    answer = staff.get(path, {"q": term})

    assert answer.status_code == 200


def test_the_list_costs_the_same_however_many_sessions_there_are(
    staff: Client, alice: User, bob: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    staff.get(SESSIONS)
    with CaptureQueriesContext(connection) as empty:
        staff.get(SESSIONS)
    for user in (alice, bob) * 10:
        session_of(user)

    with django_assert_max_num_queries(min(12, len(empty))):
        page = staff.get(SESSIONS, {"q": ""})

    assert len(page.context["cl"].result_list) == 21


def test_a_host_project_searches_what_its_people_are_known_by(
    staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(User, "EMAIL_FIELD", "name")
    fields = UserSessionAdmin(UserSession, site).get_search_fields(staff.get(SESSIONS).wsgi_request)

    assert fields == ["user__email", "user__name"]


@pytest.mark.parametrize("path", [SESSIONS, EVENTS])
def test_nobody_adds_edits_or_deletes_a_session_or_an_event(
    staff: Client, alice: User, path: str
) -> None:
    session = session_of(alice)
    row = session if path == SESSIONS else AuditEvent.objects.get(session_id=session.pk)
    before = type(row).objects.filter(pk=row.pk).values().get()
    posted = {"device_name": "mine", "is_active": "", "reason": "none", "post": "yes"}

    assert staff.get(f"{path}{row.pk}/change/").status_code == 200
    assert staff.post(f"{path}{row.pk}/change/", posted).status_code == 403
    assert staff.post(f"{path}add/", posted).status_code == 403
    assert staff.post(f"{path}{row.pk}/delete/", posted).status_code == 403
    staff.post(path, {"action": "delete_selected", "_selected_action": str(row.pk), "post": "yes"})

    assert type(row).objects.filter(pk=row.pk).values().get() == before


# The audit trail


def test_the_trail_is_read_by_whole_ids_and_addresses(
    staff: Client, alice: User, bob: User
) -> None:
    one, other = session_of(alice, address="192.0.2.7"), session_of(bob, address="192.0.2.8")
    event = AuditEvent.objects.get(session_id=one.pk).pk

    for term in (str(one.pk), str(alice.pk), f" {alice.pk.hex} ", "192.0.2.7"):
        assert listed(staff, EVENTS, q=term) == [event], term
    assert listed(staff, EVENTS, q=str(alice.pk)[:13]) == []
    assert len(listed(staff, EVENTS, q="")) == 3
    assert listed(staff, EVENTS, q=str(other.pk)) != [event]


def test_the_trail_of_a_host_project_is_read_by_its_keys(staff: Client, db: None) -> None:
    event = AuditEvent.objects.create(type="login.failed", user_id="17", actor="system")
    AuditEvent.objects.create(type="login.failed", user_id="170", actor="system")

    assert listed(staff, EVENTS, q="17") == [event.pk]


def test_the_trail_is_filtered_by_type_and_actor(staff: Client, alice: User) -> None:
    end(session_of(alice))
    AuditEvent.objects.create(type="login.failed", actor="system")
    newest_first = list(AuditEvent.objects.order_by("-id").values_list("pk", flat=True))
    failed, ended, _started, _carols = newest_first

    assert listed(staff, EVENTS) == newest_first
    assert listed(staff, EVENTS, type__exact="session.ended") == [ended]
    assert listed(staff, EVENTS, actor__exact="system") == [failed]


# Users


def user_form(user: User, **changes: str) -> dict[str, str]:
    """Return what the browser posts when somebody changes only ``changes``; "" unticks a box."""
    form = {"email": user.email, "name": user.name, "is_active": "on", **changes}
    return {name: value for name, value in form.items() if value}


def acts(user: User) -> list[tuple[Any, ...]]:
    """Return what the user's trail says since they signed in: what, and by whom from where."""
    events = AuditEvent.objects.filter(user_id=str(user.pk)).exclude(type="session.started")
    return list(events.order_by("id").values_list("type", "actor", "actor_id", "ip_address"))


def path_of(user: User, page: str = "change") -> str:
    """Return the path of a page about ``user``."""
    return f"{USERS}{user.pk}/{page}/"


def test_staff_adds_a_user_who_can_sign_in(staff: Client) -> None:
    form = {
        "email": "Dave@Example.com",
        "usable_password": "true",
        "password1": PASSWORD,
        "password2": PASSWORD,
    }

    answer = staff.post(f"{USERS}add/", form)

    dave = User.objects.get(email="dave@example.com")
    assert answer.status_code == 302
    assert answer["Location"] == path_of(dave)
    assert not dave.is_staff
    assert Phone().sign_in(dave).is_signed_in


@pytest.mark.parametrize("email", ["alice@example.com", "ALICE@Example.COM"])
def test_an_address_is_taken_whatever_its_case(
    staff: Client, alice: User, bob: User, email: str
) -> None:
    passwords = {"usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}

    added = staff.post(f"{USERS}add/", {"email": email, **passwords})
    changed = staff.post(path_of(bob), user_form(bob, email=email))

    for answer in (added, changed):
        assert answer.status_code == 200
        assert answer.context["errors"] == [["This email address is already taken."]]
    assert list(User.objects.filter(email__iexact=email)) == [alice]


def test_a_weak_password_is_refused(staff: Client) -> None:
    weak = {"usable_password": "true", "password1": "12345", "password2": "12345"}

    answer = staff.post(f"{USERS}add/", {"email": "dave@example.com", **weak})

    assert answer.status_code == 200
    assert not User.objects.filter(email="dave@example.com").exists()


def test_staff_changes_a_user_and_the_user_sees_it_at_once(
    staff: Client,
    alice: User,
    phone_of: PhoneOf,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    phone = phone_of(alice)
    phone.ok("get", "/auth/profile")
    group = Group.objects.create(name="Readers")
    form = user_form(alice, name="Alice L.", email="Alice.L@example.com", groups=str(group.pk))

    with django_capture_on_commit_callbacks(execute=True):
        answer = staff.post(path_of(alice), form)

    assert answer.status_code == 302
    profile = phone.ok("get", "/auth/profile")
    assert (profile["name"], profile["email"]) == ("Alice L.", "alice.l@example.com")
    assert alice.groups.get() == group


def test_a_form_writes_back_nothing_that_it_did_not_change(staff: Client, alice: User) -> None:
    with CaptureQueriesContext(connection) as queries:
        staff.post(path_of(alice), user_form(alice, name="Alice L."))

    written = [q["sql"] for q in queries if q["sql"].startswith('UPDATE "users"')]
    assert len(written) == 1
    assert "password" not in written[0]


def test_deactivating_a_user_signs_them_out_for_good(
    staff: Client, carol: User, alice: User, bob: User, phone_of: PhoneOf
) -> None:
    alices, bobs = phone_of(alice), phone_of(bob)

    staff.post(path_of(alice), user_form(alice, is_active=""))
    staff.post(path_of(alice), user_form(alice))

    assert User.objects.get(pk=alice.pk).is_active
    assert not alices.is_signed_in
    assert acts(alice) == [
        ("user.deactivated", "staff", str(carol.pk), "127.0.0.1"),
        ("session.ended", "staff", str(carol.pk), "127.0.0.1"),
        ("user.activated", "staff", str(carol.pk), "127.0.0.1"),
    ]
    assert alices.session.end_reason == EndReason.USER_DEACTIVATED
    assert alices.session.ended_by_id == str(carol.pk)
    assert bobs.is_signed_in


def test_a_password_that_staff_sets_ends_every_session(
    staff: Client, carol: User, alice: User, bob: User, phone_of: PhoneOf
) -> None:
    phones, bobs = [phone_of(alice), phone_of(alice)], phone_of(bob)
    new = "another horse, another battery"
    form = {"usable_password": "true", "password1": new, "password2": new}

    answer = staff.post(path_of(alice, "password"), {**form, "set-password": "1"})

    assert answer.status_code == 302
    assert not any(phone.is_signed_in for phone in phones)
    assert phones[0].session.end_reason == EndReason.PASSWORD_CHANGED
    assert acts(alice) == [
        ("password.changed", "staff", str(carol.pk), "127.0.0.1"),
        ("session.ended", "staff", str(carol.pk), "127.0.0.1"),
    ]
    assert Phone().sign_in(alice, new).is_signed_in
    assert bobs.is_signed_in


def test_a_password_that_is_refused_ends_nothing(
    staff: Client, alice: User, phone_of: PhoneOf
) -> None:
    phone = phone_of(alice)
    form = {"usable_password": "true", "password1": "12345", "password2": "54321"}

    page = staff.get(path_of(alice, "password"))
    answer = staff.post(path_of(alice, "password"), form)

    assert (page.status_code, answer.status_code) == (200, 200)
    assert phone.is_signed_in
    assert acts(alice) == []


@pytest.mark.parametrize("key", ["nobody", "0197a0c0-0000-7000-8000-000000000000"])
def test_the_password_of_nobody_is_not_found(staff: Client, key: str) -> None:
    assert staff.post(f"{USERS}{key}/password/", {}).status_code == 404


def test_users_are_found_by_address_and_name(staff: Client, alice: User, bob: User) -> None:
    assert listed(staff, USERS, q="ALICE@") == [alice.pk]
    assert listed(staff, USERS, q="Bob") == [bob.pk]


def test_nobody_deletes_a_user_here(staff: Client, alice: User) -> None:
    assert staff.post(path_of(alice, "delete"), {"post": "yes"}).status_code == 403
    staff.post(
        USERS, {"action": "delete_selected", "_selected_action": str(alice.pk), "post": "yes"}
    )

    assert User.objects.filter(pk=alice.pk).exists()


def test_staff_who_may_change_users_cannot_hand_out_powers(helper: User, alice: User) -> None:
    allow(helper, "change_user")
    powers = {"is_staff": "on", "is_superuser": "on"}
    permission = str(Permission.objects.get(codename="end_usersession").pk)

    for user in (alice, helper):
        form = user_form(user, name="Renamed", user_permissions=permission, **powers)
        assert browser_of(helper).post(path_of(user), form).status_code == 302

    alice.refresh_from_db()
    assert (alice.name, alice.is_staff, alice.is_superuser) == ("Renamed", False, False)
    helper = User.objects.get(pk=helper.pk)
    assert not helper.is_superuser
    assert not helper.has_perm("accounts.end_usersession")


def test_staff_who_is_no_superuser_cannot_become_one_by_the_password(
    helper: User, carol: User
) -> None:
    allow(helper, "change_user")
    browser, new = browser_of(helper), "another horse, another battery"

    password = browser.post(
        path_of(carol, "password"), {"password1": new, "password2": new, "usable_password": "true"}
    )
    changed = browser.post(path_of(carol), user_form(carol, email="helper2@example.com"))

    assert (password.status_code, changed.status_code) == (403, 403)
    carol.refresh_from_db()
    assert carol.check_password(PASSWORD)
    assert carol.email == "carol@example.com"


def test_bob_sees_no_page_of_the_administration(bob: User, alice: User) -> None:
    browser = browser_of(bob)

    for path in (SESSIONS, EVENTS, USERS, path_of(alice), path_of(alice, "password")):
        answer = browser.get(path)
        assert answer.status_code == 302
        assert answer["Location"].startswith(f"{reverse('admin:login')}?next=")


# Staff's own door


def sign_in(browser: Client, email: str, password: str = PASSWORD) -> Any:
    """Fill in the administration's form."""
    return browser.post("/admin/login/?next=/admin/", {"username": email, "password": password})


def test_after_too_many_failures_the_door_says_how_long_it_stays_shut(
    carol: User, alice: User
) -> None:
    browser = Client()
    for _try in range(10):
        sign_in(browser, carol.email, "wrong")

    answer = sign_in(browser, carol.email)

    assert answer.status_code == 200
    assert "Too many failed attempts. Please try again in 30 seconds." in answer.content.decode()
    assert not UserSession.objects.exists()
    assert acts(carol)[-2:] == [
        ("login.failed", "system", "", "127.0.0.1"),
        ("login.locked_out", "system", "", "127.0.0.1"),
    ]
    assert Phone().sign_in(alice).is_signed_in


def test_a_session_that_staff_ends_takes_the_browser_with_it(
    staff: Client, carol: User, helper: User
) -> None:
    other = browser_of(helper)

    sign_out(staff, UserSession.objects.get(pk=own(other)))

    assert other.get(SESSIONS).status_code == 302
    assert staff.get(SESSIONS).status_code == 200


def own_password(browser: Client, old: str, new: str, again: str = "") -> Any:
    """Fill in the form for one's own password."""
    form = {"old_password": old, "new_password1": new, "new_password2": again or new}
    return browser.post("/admin/password_change/", form)


def test_staff_who_change_their_own_password_keep_this_browser_and_no_other_device(
    staff: Client, carol: User, bob: User, phone_of: PhoneOf
) -> None:
    elsewhere, phone, bobs = browser_of(carol), phone_of(carol), phone_of(bob)
    new = "another horse, another battery"

    answer = own_password(staff, PASSWORD, new)

    assert (answer.status_code, answer["Location"]) == (302, "/admin/password_change/done/")
    assert staff.get(answer["Location"]).status_code == 200
    assert elsewhere.get(SESSIONS).status_code == 302
    assert not phone.is_signed_in
    assert phone.session.end_reason == EndReason.PASSWORD_CHANGED
    assert [act[:2] for act in acts(carol)] == [
        ("password.changed", "self"),
        ("session.ended", "self"),
    ]
    assert bobs.is_signed_in
    assert Phone().sign_in(carol, new).is_signed_in


@pytest.mark.parametrize(
    ("old", "new", "again", "field"),
    [
        ("wrong", "another horse, another battery", "", "old_password"),
        (PASSWORD, "12345", "", "new_password2"),
        (PASSWORD, "another horse, another battery", "a third", "new_password2"),
    ],
)
def test_a_password_of_ones_own_that_is_refused_ends_nothing(
    staff: Client, carol: User, phone_of: PhoneOf, old: str, new: str, again: str, field: str
) -> None:
    phone = phone_of(carol)

    answer = own_password(staff, old, new, again)

    assert answer.status_code == 200
    assert list(answer.context["form"].errors) == [field]
    assert phone.is_signed_in
    assert acts(carol) == []


def test_whoever_sits_at_staffs_browser_cannot_guess_the_password_for_ever(
    staff: Client, carol: User
) -> None:
    new = "another horse, another battery"
    for _try in range(10):
        own_password(staff, "wrong", new)

    answer = own_password(staff, PASSWORD, new)

    assert "Too many failed attempts. Please try again in 30 seconds." in answer.content.decode()
    assert User.objects.get(pk=carol.pk).check_password(PASSWORD)


def test_a_stranger_and_bob_are_led_to_the_door(bob: User) -> None:
    for browser in (Client(), browser_of(bob)):
        answer = own_password(browser, PASSWORD, "another horse, another battery")

        assert answer.status_code == 302
        assert answer["Location"].startswith("/admin/login/")
    assert User.objects.get(pk=bob.pk).check_password(PASSWORD)
