"""GET /auth/events: one's own audit trail."""

from __future__ import annotations

import datetime as dt
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from accounts import audit
from accounts.models import AuditEvent, User
from tests.people import PASSWORD, Phone, assert_error

pytestmark = pytest.mark.django_db

SignIn = Callable[..., Phone]


def make_events(user: User, count: int) -> list[str]:
    """Write ``count`` events about ``user``; return their ids, newest first."""
    made = AuditEvent.objects.bulk_create(
        AuditEvent(type=AuditEvent.Type.LOGIN_FAILED, user_id=str(user.pk), actor="system")
        for _number in range(count)
    )
    return sorted((str(event.pk) for event in made), reverse=True)


def forget(made: list[str] | None = None) -> None:
    """Prune these events from the trail, or all."""
    with audit.retention():
        events = AuditEvent.objects.all()
        (events if made is None else events.filter(pk__in=made)).delete()


def page(phone: Phone, query: str = "") -> dict[str, Any]:
    """Return one page."""
    found: dict[str, Any] = phone.ok("get", f"/auth/events{query}")
    return found


def ids(found: dict[str, Any]) -> list[str]:
    """Return the ids on a page."""
    return [event["id"] for event in found["results"]]


def test_what_a_user_did_is_there_newest_first() -> None:
    phone = Phone(client=APIClient(headers={"User-Agent": "Shop/1.0"}))
    person = {"email": "ada@example.com", "password": PASSWORD}
    phone.ok("post", "/auth/register", person)
    phone.call("post", "/auth/login", person | {"password": "wrong"})
    ada = User.objects.get()
    tablet = Phone().sign_in(ada)
    phone.sign_in(ada)
    phone.ok("post", "/auth/logout/others")

    found = page(phone)

    sid = str(phone.session.pk)
    expected = [
        ("session.ended", "self", sid, "Shop/1.0", "logout_others", 1),
        ("session.started", "self", sid, "Shop/1.0", None, None),
        ("session.started", "self", str(tablet.session.pk), "", None, None),
        ("login.failed", "system", None, "Shop/1.0", None, None),
        ("user.registered", "self", None, "Shop/1.0", None, None),
    ]
    names = ("type", "actor", "session_id", "user_agent", "reason", "count")
    assert [tuple(event[name] for name in names) for event in found["results"]] == expected
    assert (found["next"], found["previous"]) == (None, None)


def test_an_event_has_the_fields_of_the_contract(alice: User, phone_of: SignIn) -> None:
    phone = phone_of(alice)

    found = page(phone)

    row = AuditEvent.objects.get()
    assert set(found) == {"results", "next", "previous"}
    assert found["results"] == [
        {
            "id": str(row.pk),
            "type": "session.started",
            "at": row.at.isoformat().replace("+00:00", "Z"),
            "session_id": str(phone.session.pk),
            "actor": "self",
            "ip_address": "127.0.0.1",
            "user_agent": "",
            "reason": None,
            "count": None,
        }
    ]


def test_the_trail_is_the_callers_own(alice: User, bob: User, phone_of: SignIn) -> None:
    phone = phone_of(alice)
    bobs = make_events(bob, 3)

    assert not set(ids(page(phone))) & set(bobs)


def test_a_session_that_had_to_go_for_another_names_the_other(
    settings: Settings, alice: User, phone_of: SignIn
) -> None:
    settings.ACCOUNTS = settings.ACCOUNTS | {"SESSIONS_PER_USER": 1}
    phone_of(alice, device_id="4711")
    again = phone_of(alice, device_id="4711")
    tablet = phone_of(alice, device_id="4712")

    ended = [event for event in page(tablet)["results"] if event["type"] == "session.ended"]

    assert [(event["reason"], event["actor"], event["session_id"]) for event in ended] == [
        ("limit", "system", str(tablet.session.pk)),
        ("replaced", "self", str(again.session.pk)),
    ]


def test_what_staff_did_says_so_and_not_who(alice: User, carol: User, phone_of: SignIn) -> None:
    phone = phone_of(alice)
    AuditEvent.objects.create(
        type="session.ended",
        user_id=str(alice.pk),
        actor="staff",
        actor_id=str(carol.pk),
        reason="forced",
        count=2,
    )

    answer = phone.call("get", "/auth/events")

    event = answer.json()["data"]["results"][0]
    assert (event["actor"], event["reason"], event["count"]) == ("staff", "forced", 2)
    assert str(carol.pk) not in answer.content.decode()


def test_the_pages_lead_to_the_end_and_back(alice: User, bob: User, phone_of: SignIn) -> None:
    phone = phone_of(alice)
    forget()
    made = make_events(alice, 5)
    make_events(bob, 5)

    first = page(phone, "?page_size=2")
    second = phone.ok("get", first["next"])
    third = phone.ok("get", second["next"])
    back = phone.ok("get", third["previous"])

    assert [ids(found) for found in (first, second, third)] == [made[:2], made[2:4], made[4:]]
    assert (first["previous"], third["next"]) == (None, None)
    assert ids(back) == ids(second)


def test_what_happens_meanwhile_shifts_no_page(alice: User, phone_of: SignIn) -> None:
    phone = phone_of(alice)
    forget()
    made = make_events(alice, 4)
    first = page(phone, "?page_size=2")

    newer = make_events(alice, 3)

    assert ids(phone.ok("get", first["next"])) == made[2:]
    assert ids(page(phone, "?page_size=100")) == [*newer, *made]


@pytest.mark.parametrize(
    ("query", "size"),
    [
        pytest.param("", 50, id="unasked"),
        pytest.param("?page_size=1", 1, id="one"),
        pytest.param("?page_size=100", 100, id="most"),
        pytest.param("?page_size=101", 100, id="more-than-most"),
        pytest.param("?page_size=99999999999999999999", 100, id="huge"),
        pytest.param("?page_size=0", 50, id="zero"),
        pytest.param("?page_size=-1", 50, id="negative"),
        pytest.param("?page_size=x", 50, id="word"),
        pytest.param("?page_size=", 50, id="empty"),
        pytest.param(f"?page_size={'9' * 5000}", 50, id="five-thousand-digits"),
    ],
)
def test_a_page_has_at_most_a_hundred_events(
    alice: User, phone_of: SignIn, query: str, size: int
) -> None:
    phone = phone_of(alice)
    make_events(alice, 101)

    assert len(page(phone, query)["results"]) == size


def cursor(text: str) -> str:
    """Return a cursor in the form in which the service gives them."""
    return b64encode(text.encode()).decode().replace("=", "%3D").replace("+", "%2B")


@pytest.mark.parametrize(
    "malformed",
    [
        pytest.param("x", id="a-letter"),
        pytest.param("%00", id="nul"),
        pytest.param("%ff%fe", id="not-utf-8"),
        pytest.param("é", id="not-ascii"),
        pytest.param("!!!!", id="not-base64"),
        pytest.param(cursor("p=yesterday"), id="position-in-words"),
        pytest.param(cursor("p=1"), id="position-as-a-number"),
        pytest.param(cursor("p=\x00"), id="position-nul"),
        pytest.param(cursor("p=2026-11-22T05:55:00Z"), id="position-as-a-time"),
        pytest.param(cursor("p=' OR 1=1 --"), id="position-as-sql"),
        pytest.param(cursor("abc"), id="nothing-said"),
        pytest.param(cursor("o=x"), id="offset-in-words"),
        pytest.param(cursor("o=-1"), id="offset-negative"),
        pytest.param(cursor("r=x"), id="direction-in-words"),
        pytest.param("x" * 50_000, id="long"),
    ],
)
def test_a_cursor_the_service_never_gave_is_not_found(
    alice: User, phone_of: SignIn, malformed: str
) -> None:
    answer = phone_of(alice).call("get", f"/auth/events?cursor={malformed}")

    assert_error(answer, 404, "not_found")


@pytest.mark.parametrize("query", ["?cursor=", "?page=2", "?cursor=&page_size="])
def test_an_empty_cursor_is_the_first_page(alice: User, phone_of: SignIn, query: str) -> None:
    phone = phone_of(alice)
    make_events(alice, 2)

    assert ids(page(phone, query)) == ids(page(phone))


def test_the_links_of_a_page_that_was_pruned_meanwhile_are_taken(
    alice: User, phone_of: SignIn
) -> None:
    phone = phone_of(alice)
    forget()
    made = make_events(alice, 4)
    first = page(phone, "?page_size=2")
    forget(made[2:])

    pruned = phone.ok("get", first["next"])

    assert (ids(pruned), pruned["next"]) == ([], None)
    assert set(ids(phone.ok("get", pruned["previous"]))) <= set(made[:2])


def test_a_strangers_cursor_shows_nothing_of_theirs(
    alice: User, bob: User, phone_of: SignIn
) -> None:
    phone, bobs = phone_of(alice), phone_of(bob)
    make_events(bob, 5)
    bobs_next = page(bobs, "?page_size=2")["next"]
    theirs = {str(pk) for pk in AuditEvent.objects.of(bob).values_list("pk", flat=True)}

    assert not set(ids(phone.ok("get", bobs_next))) & theirs


def test_events_of_long_ago_are_in_order_too(alice: User, phone_of: SignIn) -> None:
    phone = phone_of(alice)
    made = make_events(alice, 3)

    times = [event["at"] for event in page(phone)["results"]]

    assert times == sorted(times, reverse=True)
    assert ids(page(phone))[:3] == made
    assert all(dt.datetime.fromisoformat(time).tzinfo == dt.UTC for time in times)


def test_without_credentials_there_is_no_trail(alice: User) -> None:
    make_events(alice, 1)

    assert_error(APIClient().get("/auth/events"), 401, "not_authenticated")
