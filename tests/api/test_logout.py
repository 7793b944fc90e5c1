"""POST /auth/logout, /auth/logout/current and /auth/logout/others."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from django.core.cache import caches
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import AuditEvent, User, UserSession
from tests.api.forgery import STRANGERS_KEY, aged, forge
from tests.people import PASSWORD, Phone, assert_error

pytestmark = pytest.mark.django_db

SignIn = Callable[..., Phone]
LOGOUTS = ["/auth/logout", "/auth/logout/current", "/auth/logout/others"]
KEYS = ["user:{}", "user_profile:{}", "user_workspace:{}"]


def assert_signed_out(phone: Phone, reason: str) -> None:
    """Assert it on the row and on what both tokens are answered."""
    assert (phone.session.is_active, phone.session.end_reason) == (False, reason)
    assert_error(phone.call("get", "/auth/profile"), 401, "session_ended")
    assert_error(phone.refresh(), 401, "session_ended")


def test_logout_by_the_letter() -> None:
    client = APIClient()
    person = {"email": "ada@example.com", "password": PASSWORD}
    client.post("/auth/register", person, format="json")
    login = client.post("/auth/login", person, format="json").json()["data"]
    bearer = {"Authorization": f"Bearer {login['access_token']}"}

    answer = client.post("/auth/logout", headers=bearer)

    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    assert answer["Cache-Control"] == "no-store"
    assert answer.json() == {
        "success": True,
        "message": "Logout successful",
        "data": None,
        "code": None,
        "field": None,
    }
    assert client.get("/auth/profile", headers=bearer).status_code == 401
    assert client.post("/auth/login", person, format="json").status_code == 200


def test_logout_ends_every_session_of_the_user_and_of_nobody_else(
    alice: User, bob: User, phone_of: SignIn
) -> None:
    phone, tablet, laptop = phone_of(alice), phone_of(alice), phone_of(alice)
    bobs = phone_of(bob)

    phone.ok("post", "/auth/logout")

    for device in (phone, tablet, laptop):
        assert_signed_out(device, "logout_all")
        assert device.session.ended_by_id == str(alice.pk)
    assert bobs.is_signed_in
    assert bobs.refresh().status_code == 200


def test_logout_is_one_event_that_counts_the_devices(alice: User, phone_of: SignIn) -> None:
    phone, _tablet, _laptop = phone_of(alice), phone_of(alice), phone_of(alice)

    phone.ok("post", "/auth/logout")

    event = AuditEvent.objects.get(type="session.ended")
    assert (event.reason, event.count, event.actor) == ("logout_all", 3, "self")
    assert (event.user_id, event.session_id) == (str(alice.pk), phone.session.pk)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", ["/auth/logout", "/auth/logout/current"])
def test_logout_clears_the_users_cache_and_nobody_elses(
    alice: User, bob: User, phone_of: SignIn, path: str
) -> None:
    phone, cache = phone_of(alice), caches["default"]
    for user in (alice, bob):
        cache.set_many({key.format(user.pk): {"some": "thing"} for key in KEYS})

    phone.ok("post", path)

    assert cache.get_many([key.format(alice.pk) for key in KEYS]) == {}
    assert len(cache.get_many([key.format(bob.pk) for key in KEYS])) == len(KEYS)


def test_a_second_logout_is_refused_and_recorded_once(alice: User, phone_of: SignIn) -> None:
    phone = phone_of(alice)
    phone.ok("post", "/auth/logout")
    ended_at = phone.session.ended_at

    answer = phone.call("post", "/auth/logout")

    assert_error(answer, 401, "session_ended")
    assert phone.session.ended_at == ended_at
    assert AuditEvent.objects.filter(type="session.ended").count() == 1


def test_a_session_that_ended_before_keeps_its_reason(alice: User, phone_of: SignIn) -> None:
    tablet, phone = phone_of(alice), phone_of(alice)
    tablet.ok("post", "/auth/logout/current")
    ended_at = tablet.session.ended_at

    phone.ok("post", "/auth/logout")

    assert (tablet.session.end_reason, tablet.session.ended_at) == ("logout", ended_at)
    assert AuditEvent.objects.get(reason="logout_all").count == 1


def test_logging_out_here_leaves_the_other_devices_alone(
    alice: User, bob: User, phone_of: SignIn
) -> None:
    phone, tablet, bobs = phone_of(alice), phone_of(alice), phone_of(bob)

    answer = phone.call("post", "/auth/logout/current")

    assert (answer.json()["message"], answer.json()["data"]) == ("Logout successful", None)
    assert_signed_out(phone, "logout")
    assert tablet.is_signed_in
    assert bobs.is_signed_in
    event = AuditEvent.objects.get(type="session.ended")
    assert (event.reason, event.count, event.session_id) == ("logout", 1, phone.session.pk)


def test_logging_out_elsewhere_leaves_this_device_and_says_how_many(
    alice: User, bob: User, phone_of: SignIn
) -> None:
    tablet, laptop, phone, bobs = (phone_of(user) for user in (alice, alice, alice, bob))

    assert phone.ok("post", "/auth/logout/others") == {"ended": 2}

    assert_signed_out(tablet, "logout_others")
    assert_signed_out(laptop, "logout_others")
    assert phone.is_signed_in
    assert phone.refresh().status_code == 200
    assert bobs.is_signed_in


def test_logging_out_elsewhere_when_there_is_nowhere_else_is_no_event(
    alice: User, bob: User, phone_of: SignIn
) -> None:
    phone, bobs = phone_of(alice), phone_of(bob)

    assert phone.ok("post", "/auth/logout/others") == {"ended": 0}

    assert not AuditEvent.objects.filter(type="session.ended").exists()
    assert phone.is_signed_in
    assert bobs.is_signed_in


@pytest.mark.parametrize("path", LOGOUTS)
@pytest.mark.parametrize(
    ("make", "code"),
    [
        pytest.param(lambda _phone: None, "not_authenticated", id="none"),
        pytest.param(lambda phone: aged(phone.session).access_token, "token_expired", id="expired"),
        pytest.param(
            lambda phone: forge(phone.tokens["access_token"], key=STRANGERS_KEY),
            "token_invalid",
            id="forged",
        ),
        pytest.param(lambda phone: phone.tokens["refresh_token"], "token_invalid", id="refresh"),
        pytest.param(lambda phone: phone.session.pk, "token_invalid", id="session-id"),
    ],
)
def test_without_a_valid_access_token_nobody_is_signed_out(
    alice: User, phone_of: SignIn, path: str, make: Callable[[Phone], object], code: str
) -> None:
    phone, tablet = phone_of(alice), phone_of(alice)
    token = make(phone)
    credentials = {} if token is None else {"Authorization": f"Bearer {token}"}

    answer = APIClient().post(path, headers=credentials)

    assert_error(answer, 401, code)
    assert phone.is_signed_in
    assert tablet.is_signed_in


@pytest.mark.parametrize("path", LOGOUTS)
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param("", "application/json", id="empty"),
        pytest.param("{not json", "application/json", id="garbage"),
        pytest.param('{"refresh_token": "x"}', "application/json", id="habit"),
        pytest.param("a=b", "application/x-www-form-urlencoded", id="form"),
        pytest.param("hello", "text/plain", id="text"),
    ],
)
def test_a_logout_does_not_look_at_the_body(
    alice: User, phone_of: SignIn, path: str, body: str, content_type: str
) -> None:
    phone = phone_of(alice)

    answer = APIClient().generic(
        "POST",
        path,
        body,
        content_type=content_type,
        headers={"Authorization": f"Bearer {phone.tokens['access_token']}"},
    )

    assert answer.status_code == 200


def test_an_access_token_of_an_earlier_generation_can_log_out(
    alice: User, phone_of: SignIn
) -> None:
    phone = phone_of(alice)
    old = phone.tokens["access_token"]
    phone.refresh()

    answer = APIClient().post("/auth/logout", headers={"Authorization": f"Bearer {old}"})

    assert answer.status_code == 200
    assert_signed_out(phone, "logout_all")


def test_a_logout_does_not_revive_a_session_that_has_expired(alice: User, phone_of: SignIn) -> None:
    phone, idle = phone_of(alice), phone_of(alice)
    long_ago = timezone.now() - dt.timedelta(days=14)
    UserSession.objects.filter(pk=idle.session.pk).update(last_seen_at=long_ago)

    phone.ok("post", "/auth/logout")

    assert_error(idle.call("get", "/auth/profile"), 401, "session_ended")
    assert idle.session.last_seen_at == long_ago


def test_after_a_logout_the_user_signs_in_anew(alice: User, phone_of: SignIn) -> None:
    phone = phone_of(alice)
    ended = phone.session
    phone.ok("post", "/auth/logout")

    phone.sign_in(alice)

    assert phone.is_signed_in
    assert phone.session.pk != ended.pk
    ended.refresh_from_db()
    assert not ended.is_active
