"""GET /auth/sessions and DELETE /auth/sessions/{id}."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import AuditEvent, User, UserSession
from tests.people import Phone, assert_error

pytestmark = pytest.mark.django_db

SignIn = Callable[..., Phone]


def change(phone: Phone, **facts: object) -> None:
    """Write ``facts`` to the row."""
    UserSession.objects.filter(pk=phone.session.pk).update(**facts)


def expired(phone: Phone) -> None:
    """Let the session's thirty days be over."""
    change(phone, expires_at=timezone.now())


def idle(phone: Phone) -> None:
    """Let the session's fourteen days without use be over."""
    change(phone, last_seen_at=timezone.now() - dt.timedelta(days=14))


def ended(phone: Phone) -> None:
    """End the session."""
    phone.ok("post", "/auth/logout/current")


def test_the_list_shows_each_device_last_seen_first(alice: User, phone_of: SignIn) -> None:
    phone = phone_of(alice, name="Alice's phone")
    tablet, laptop = phone_of(alice), phone_of(alice)
    now = timezone.now()
    change(tablet, last_seen_at=now + dt.timedelta(seconds=2))
    change(laptop, last_seen_at=now - dt.timedelta(minutes=2))

    listed = phone.ok("get", "/auth/sessions")

    assert [UUID(item["id"]) for item in listed] == [
        device.session.pk for device in (tablet, phone, laptop)
    ]
    assert [item["current"] for item in listed] == [False, True, False]
    assert listed[1] == phone.tokens["session"]
    assert {item["is_active"] for item in listed} == {True}


def test_the_list_is_the_callers_own(alice: User, bob: User, phone_of: SignIn) -> None:
    phone, bobs = phone_of(alice), phone_of(bob)

    listed = phone.ok("get", "/auth/sessions")

    assert [item["id"] for item in listed] == [phone.tokens["session"]["id"]]
    assert [item["id"] for item in bobs.ok("get", "/auth/sessions")] == [str(bobs.session.pk)]


@pytest.mark.parametrize("make", [ended, expired, idle])
def test_the_list_leaves_out_what_is_over(
    alice: User, phone_of: SignIn, make: Callable[[Phone], None]
) -> None:
    phone, tablet = phone_of(alice), phone_of(alice)
    make(tablet)

    listed = phone.ok("get", "/auth/sessions")

    assert [item["id"] for item in listed] == [str(phone.session.pk)]


def test_a_session_shows_the_earlier_of_its_two_ends(alice: User, phone_of: SignIn) -> None:
    phone = phone_of(alice)
    soon = timezone.now().replace(microsecond=123456) + dt.timedelta(days=1)
    change(phone, expires_at=soon)

    listed = phone.ok("get", "/auth/sessions")

    assert listed[0]["expires_at"] == f"{soon:%Y-%m-%dT%H:%M:%S.123456Z}"


def test_one_device_can_be_signed_out_from_another(
    alice: User, bob: User, phone_of: SignIn
) -> None:
    phone, lost, tablet, bobs = (phone_of(user) for user in (alice, alice, alice, bob))

    answer = phone.call("delete", f"/auth/sessions/{lost.session.pk}")

    assert (answer.status_code, answer.json()["data"]) == (200, None)
    assert (lost.session.is_active, lost.session.end_reason) == (False, "revoked")
    assert_error(lost.call("get", "/auth/profile"), 401, "session_ended")
    assert_error(lost.refresh(), 401, "session_ended")
    assert all(device.is_signed_in for device in (phone, tablet, bobs))
    event = AuditEvent.objects.get(type="session.ended")
    assert (event.reason, event.count, event.actor) == ("revoked", 1, "self")
    assert event.session_id == phone.session.pk


def test_a_device_can_sign_itself_out(alice: User, phone_of: SignIn) -> None:
    phone, tablet = phone_of(alice), phone_of(alice)

    phone.ok("delete", f"/auth/sessions/{phone.session.pk}")

    assert_error(phone.call("get", "/auth/profile"), 401, "session_ended")
    assert tablet.is_signed_in


def test_an_id_in_upper_case_is_the_same_id(alice: User, phone_of: SignIn) -> None:
    phone, lost = phone_of(alice), phone_of(alice)

    phone.ok("delete", f"/auth/sessions/{str(lost.session.pk).upper()}")

    assert not lost.is_signed_in


def test_a_strangers_session_is_not_there(alice: User, bob: User, phone_of: SignIn) -> None:
    phone, bobs = phone_of(alice), phone_of(bob)

    answer = phone.call("delete", f"/auth/sessions/{bobs.session.pk}")

    assert_error(answer, 404, "not_found")
    unknown = phone.call("delete", f"/auth/sessions/{uuid4()}")
    assert (unknown.status_code, unknown.content) == (404, answer.content)
    assert bobs.is_signed_in
    assert not AuditEvent.objects.filter(type="session.ended").exists()


@pytest.mark.parametrize("make", [ended, expired, idle])
def test_a_session_that_is_over_is_not_there(
    alice: User, phone_of: SignIn, make: Callable[[Phone], None]
) -> None:
    phone, tablet = phone_of(alice), phone_of(alice)
    make(tablet)
    before = tablet.session

    answer = phone.call("delete", f"/auth/sessions/{before.pk}")

    assert_error(answer, 404, "not_found")
    assert tablet.session.end_reason == before.end_reason
    assert tablet.session.ended_at == before.ended_at


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("1", id="number"),
        pytest.param("current", id="word"),
        pytest.param("01a203cf51b17344a478a48a73b67051", id="no-hyphens"),
        pytest.param("01a203cf-51b1-7344-a478-a48a73b6705", id="a-digit-short"),
        pytest.param("01a203cf-51b1-7344-a478-a48a73b67051/", id="slash"),
        pytest.param("01a203cf-51b1-7344-a478-a48a73b6705g", id="not-hexadecimal"),
        pytest.param("%00", id="nul"),
        pytest.param("%ff%fe", id="not-utf-8"),
        pytest.param("x" * 5000, id="long"),
        pytest.param("../profile", id="dots"),
    ],
)
def test_what_is_no_id_is_not_there(alice: User, phone_of: SignIn, name: str) -> None:
    phone = phone_of(alice)

    answer = phone.call("delete", f"/auth/sessions/{name}")

    assert_error(answer, 404, "not_found")
    assert phone.is_signed_in


def test_without_credentials_nothing_is_listed_or_ended(alice: User, phone_of: SignIn) -> None:
    phone = phone_of(alice)

    for answer in (
        APIClient().get("/auth/sessions"),
        APIClient().delete(f"/auth/sessions/{phone.session.pk}"),
    ):
        assert_error(answer, 401, "not_authenticated")
    assert phone.is_signed_in


def test_using_a_device_moves_it_up_at_most_every_five_minutes(
    alice: User, phone_of: SignIn
) -> None:
    phone = phone_of(alice)
    lately = timezone.now() - dt.timedelta(minutes=4)
    change(phone, last_seen_at=lately)
    phone.ok("get", "/auth/sessions")
    assert phone.session.last_seen_at == lately
    long_ago = timezone.now() - dt.timedelta(minutes=6)
    change(phone, last_seen_at=long_ago)

    phone.ok("get", "/auth/sessions")

    assert phone.session.last_seen_at > lately
