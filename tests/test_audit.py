"""The trail: one event per fact, and nothing in it that must not be."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts import audit
from accounts.devices import Device
from accounts.models import AuditEvent, User
from tests.people import PASSWORD, Phone
from tests.test_models import a_session

PHONE = Device("192.0.2.1", "an agent", "Alice's phone", "device-1")
SOME_ID = UUID("01890000-0000-7000-8000-00000000beef")
FACTS = ("type", "user_id", "actor", "actor_id", "session_id", "reason", "count")


def the_event() -> dict[str, Any]:
    """Return what the only event says, and check where it says it happened."""
    event = AuditEvent.objects.get()
    assert (event.ip_address, event.user_agent) == ("192.0.2.1", "an agent")
    assert abs(event.at - timezone.now()) < timedelta(minutes=1)
    return {name: getattr(event, name) for name in FACTS}


def facts(type_: str, user_id: object, actor: str, **others: Any) -> dict[str, Any]:
    """Return what an event says; what is not mentioned is empty."""
    empty = {"actor_id": "", "session_id": None, "reason": "", "count": None}
    return {"type": type_, "user_id": str(user_id), "actor": actor, **empty, **others}


def test_a_registration_is_the_users_own_act(alice: User) -> None:
    audit.user_registered(alice, device=PHONE)

    assert the_event() == facts("user.registered", alice.pk, "self", actor_id=str(alice.pk))


def test_a_sign_in_names_the_session(alice: User) -> None:
    session = a_session(alice)

    audit.session_started(session, device=PHONE)

    expected = facts("session.started", alice.pk, "self", actor_id=str(alice.pk))
    assert the_event() == {**expected, "session_id": session.pk}


def test_a_failed_sign_in_names_the_user_if_there_is_one(alice: User) -> None:
    audit.login_failed(alice.pk, device=PHONE)

    assert the_event() == facts("login.failed", alice.pk, "system")


@pytest.mark.django_db
def test_a_failed_sign_in_of_nobody_names_nobody() -> None:
    audit.login_failed(None, device=PHONE)

    assert the_event() == facts("login.failed", "", "system")


def test_reuse_names_the_session_and_accuses_nobody(alice: User) -> None:
    session = a_session(alice)

    audit.token_reused(session, device=PHONE)

    assert the_event() == facts("token.reused", alice.pk, "system", session_id=session.pk)


def ended(user: User, actor: User | None, **options: Any) -> None:
    """Record that two sessions of ``user`` were ended by ``actor``."""
    given: dict[str, Any] = {"reason": "logout_all", "session_id": SOME_ID, "device": PHONE}
    given |= options
    audit.sessions_ended({user.pk: 2}, actor=actor, **given)


def test_an_end_tells_how_many_and_why(alice: User) -> None:
    ended(alice, alice)

    expected = facts("session.ended", alice.pk, "self", actor_id=str(alice.pk))
    assert the_event() == {**expected, "session_id": SOME_ID, "reason": "logout_all", "count": 2}


def test_an_end_by_somebody_else_is_one_by_staff(alice: User, carol: User) -> None:
    ended(alice, carol)

    assert (the_event()["actor"], the_event()["actor_id"]) == ("staff", str(carol.pk))


def test_an_end_by_nobody_is_one_by_the_service(alice: User) -> None:
    ended(alice, None)

    assert (the_event()["actor"], the_event()["actor_id"]) == ("system", "")


def test_an_act_without_a_device_came_from_nowhere(alice: User) -> None:
    ended(alice, None, device=None, session_id=None)

    event = AuditEvent.objects.get()
    assert (event.ip_address, event.user_agent, event.session_id) == (None, "", None)


def ended_for_all(reason: str, actor: User, *users: User) -> set[tuple[str, int | None, str]]:
    """Record an end of two sessions of each of these users; return (whose, how many, who acted)."""
    ended: dict[object, int] = {user.pk: 2 for user in users}
    audit.sessions_ended(ended, reason=reason, actor=actor, session_id=None, device=None)
    found = AuditEvent.objects.filter(reason=reason)
    return set(found.values_list("user_id", "count", "actor"))


def test_an_act_on_several_users_is_one_event_each_and_one_statement(
    alice: User, bob: User, carol: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(2):
        found = ended_for_all("forced", carol, alice, bob, carol)

    assert found == {
        (str(alice.pk), 2, "staff"),
        (str(bob.pk), 2, "staff"),
        (str(carol.pk), 2, "self"),
    }


def test_an_incident_is_one_event_of_nobody_in_particular_however_many_users_it_is_about(
    alice: User, bob: User, carol: User
) -> None:
    assert ended_for_all("incident", carol, alice, bob) == {("", 4, "staff")}


def test_an_incident_of_one_user_is_found_in_that_users_trail(alice: User, carol: User) -> None:
    assert ended_for_all("incident", carol, alice) == {(str(alice.pk), 2, "staff")}


def test_an_event_goes_with_the_act_that_is_given_up(alice: User) -> None:
    with transaction.atomic():
        audit.login_failed(alice.pk, device=PHONE)
        transaction.set_rollback(True)

    assert not AuditEvent.objects.exists()


def test_the_trail_holds_no_secret(alice: User) -> None:
    phone = Phone().sign_in(alice)
    Phone().call("post", "/auth/login", {"email": "alice@example.com", "password": "wr0ng"})
    Phone().call("post", "/auth/login", {"email": "secret@example.com", "password": PASSWORD})
    phone.refresh()
    phone.ok("post", "/auth/logout")

    written = repr(list(AuditEvent.objects.values()))

    assert AuditEvent.objects.count() == 4
    credentials = [phone.tokens["access_token"], phone.tokens["refresh_token"]]
    for secret in (PASSWORD, "wr0ng", "secret@", "alice@", *credentials):
        assert secret not in written
