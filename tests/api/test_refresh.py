"""POST /auth/refresh: rotation, the lost answer, the stolen token."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from accounts.models import AuditEvent, User, UserSession
from tests.api.forgery import STRANGERS_KEY, aged, claims_of, forge
from tests.people import Phone, assert_error

pytestmark = pytest.mark.django_db

SignIn = Callable[..., Phone]
CHALLENGE = 'Bearer error="invalid_token"'


@pytest.fixture
def no_grace(settings: Settings) -> None:
    """The ten seconds are over at once."""
    settings.ACCOUNTS = settings.ACCOUNTS | {"REFRESH_GRACE": dt.timedelta(0)}


def refresh(token: str) -> Any:
    """Refresh with this token, and keep nothing."""
    return APIClient().post("/auth/refresh", {"refresh_token": token}, format="json")


def profile(access_token: str) -> Any:
    """Use this access token."""
    return APIClient().get("/auth/profile", headers={"Authorization": f"Bearer {access_token}"})


def assert_reuse(answer: Any, phone: Phone) -> None:
    """Assert that the token was taken for a stolen one, and nothing of the session is left."""
    assert_error(answer, 401, "session_ended")
    assert answer["WWW-Authenticate"] == CHALLENGE
    assert phone.session.end_reason == "token_reused"
    assert_error(phone.call("get", "/auth/profile"), 401, "session_ended")
    assert_error(refresh(phone.tokens["refresh_token"]), 401, "session_ended")


def test_a_refresh_answers_with_new_tokens_of_the_next_generation(
    alice: User, phone_of: SignIn
) -> None:
    phone = phone_of(alice)
    old = dict(phone.tokens)

    answer = phone.refresh()

    content = answer.json()
    data = content.pop("data")
    assert content == {"success": True, "message": "Tokens refreshed", "code": None, "field": None}
    assert set(data) == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert (data["token_type"], data["expires_in"]) == ("Bearer", 15 * 60)
    for kind in ("access", "refresh"):
        before, after = claims_of(old[f"{kind}_token"]), claims_of(data[f"{kind}_token"])
        assert (before["gen"], after["gen"]) == (1, 2)
        assert after["token_type"] == kind
        assert [after[name] for name in ("sub", "sid")] == [before[name] for name in ("sub", "sid")]
        assert after["jti"] != before["jti"]
    assert phone.is_signed_in
    assert phone.session.refresh_generation == 2


def test_a_refresh_adds_no_row_and_keeps_the_session(alice: User, phone_of: SignIn) -> None:
    phone = phone_of(alice)
    rows = UserSession.objects.count(), AuditEvent.objects.count()

    for _time in range(3):
        assert phone.refresh().status_code == 200

    assert (UserSession.objects.count(), AuditEvent.objects.count()) == rows
    assert phone.session.refresh_generation == 4


def test_the_access_token_of_before_works_until_it_expires(alice: User, phone_of: SignIn) -> None:
    phone = phone_of(alice)
    old = phone.tokens["access_token"]

    phone.refresh()

    assert profile(old).status_code == 200


def test_a_refresh_puts_off_the_end_by_disuse_and_never_that_of_the_session(
    alice: User, phone_of: SignIn
) -> None:
    phone = phone_of(alice)
    now = timezone.now()
    soon = now + dt.timedelta(minutes=5)
    UserSession.objects.filter(pk=phone.session.pk).update(
        last_seen_at=now - dt.timedelta(days=13), expires_at=soon
    )

    answer = phone.refresh().json()["data"]

    assert 290 <= answer["expires_in"] <= 300
    for kind in ("access", "refresh"):
        assert claims_of(answer[f"{kind}_token"])["exp"] == int(soon.timestamp())
    assert phone.session.last_seen_at >= now


def test_a_lost_answer_costs_nothing(alice: User, phone_of: SignIn) -> None:
    phone = phone_of(alice)
    first = phone.tokens["refresh_token"]

    lost, retried = refresh(first).json()["data"], refresh(first).json()["data"]

    for data in (lost, retried):
        assert claims_of(data["refresh_token"])["gen"] == 2
        assert profile(data["access_token"]).status_code == 200
    assert phone.session.refresh_generation == 2


def test_within_the_grace_the_predecessor_is_taken_though_the_new_tokens_are_in_use(
    alice: User, phone_of: SignIn
) -> None:
    phone = phone_of(alice)
    first = phone.tokens["refresh_token"]
    phone.refresh()
    assert phone.is_signed_in

    other_tab = refresh(first)

    assert other_tab.status_code == 200
    assert claims_of(other_tab.json()["data"]["refresh_token"])["gen"] == 2
    assert phone.session.is_active


@pytest.mark.usefixtures("no_grace")
def test_a_retry_is_taken_however_late_while_nothing_newer_was_used(
    alice: User, phone_of: SignIn
) -> None:
    phone = phone_of(alice)
    first = phone.tokens["refresh_token"]
    refresh(first)
    UserSession.objects.filter(pk=phone.session.pk).update(
        rotated_at=timezone.now() - dt.timedelta(days=3)
    )

    answers = [phone.refresh(first) for _time in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert phone.session.refresh_generation == 2
    assert phone.is_signed_in


@pytest.mark.usefixtures("no_grace")
def test_using_the_old_access_token_does_not_use_up_the_retry(
    alice: User, phone_of: SignIn
) -> None:
    phone = phone_of(alice)
    first = phone.tokens["refresh_token"]
    refresh(first)

    assert phone.is_signed_in

    assert refresh(first).status_code == 200


@pytest.mark.usefixtures("no_grace")
def test_once_a_newer_access_token_was_used_the_predecessor_is_a_stolen_one(
    alice: User, bob: User, phone_of: SignIn
) -> None:
    phone, tablet, bobs = phone_of(alice), phone_of(alice), phone_of(bob)
    first = phone.tokens["refresh_token"]
    phone.refresh()
    assert phone.is_signed_in

    answer = refresh(first)

    assert_reuse(answer, phone)
    assert tablet.is_signed_in
    assert bobs.is_signed_in


@pytest.mark.usefixtures("no_grace")
def test_a_stolen_token_is_recorded_as_an_end_and_as_a_reuse(alice: User, phone_of: SignIn) -> None:
    phone = phone_of(alice)
    first = phone.tokens["refresh_token"]
    phone.refresh()
    phone.refresh()

    refresh(first)
    refresh(first)

    events = AuditEvent.objects.exclude(type="session.started").order_by("id")
    assert [event.type for event in events] == ["session.ended", "token.reused"]
    for event in events:
        assert (event.actor, event.session_id) == ("system", phone.session.pk)
    ended = events[0]
    assert (ended.reason, ended.count) == ("token_reused", 1)


def test_a_token_before_the_predecessor_is_a_stolen_one_even_within_the_grace(
    alice: User, phone_of: SignIn
) -> None:
    phone = phone_of(alice)
    first = phone.tokens["refresh_token"]
    phone.refresh()
    phone.refresh()

    answer = refresh(first)

    assert_reuse(answer, phone)


def test_a_token_of_a_generation_that_never_was_is_invalid_and_ends_nothing(
    alice: User, phone_of: SignIn
) -> None:
    phone = phone_of(alice)

    for kind, call in (("refresh", refresh), ("access", profile)):
        answer = call(forge(phone.tokens[f"{kind}_token"], gen=2))

        assert_error(answer, 401, "token_invalid")
    assert phone.is_signed_in


@pytest.mark.parametrize(
    "tamper",
    [
        pytest.param(lambda phone: phone.tokens["access_token"], id="access-token"),
        pytest.param(lambda phone: f"{phone.tokens['refresh_token']}x", id="longer"),
        pytest.param(lambda phone: phone.tokens["refresh_token"][:-1], id="shorter"),
        pytest.param(
            lambda phone: forge(phone.tokens["refresh_token"], key=STRANGERS_KEY), id="forged"
        ),
        pytest.param(lambda _phone: "not.a.token", id="garbage"),
        pytest.param(lambda phone: phone.tokens["session"]["id"], id="session-id"),
    ],
)
def test_what_is_no_refresh_token_is_invalid(
    alice: User, phone_of: SignIn, tamper: Callable[[Phone], str]
) -> None:
    phone = phone_of(alice)

    answer = refresh(tamper(phone))

    assert_error(answer, 401, "token_invalid")
    assert answer["WWW-Authenticate"] == CHALLENGE
    assert phone.session.refresh_generation == 1
    assert phone.is_signed_in


def test_a_refresh_token_opens_nothing_but_a_refresh(alice: User, phone_of: SignIn) -> None:
    phone = phone_of(alice)

    answer = profile(phone.tokens["refresh_token"])

    assert_error(answer, 401, "token_invalid")
    assert answer["WWW-Authenticate"] == CHALLENGE


def test_an_expired_refresh_token_says_so(alice: User, phone_of: SignIn) -> None:
    phone = phone_of(alice)

    answer = refresh(aged(phone.session).refresh_token)

    assert_error(answer, 401, "token_expired")
    assert answer["WWW-Authenticate"] == CHALLENGE
    assert phone.session.refresh_generation == 1


def test_a_token_is_taken_for_as_long_as_clocks_may_differ(alice: User, phone_of: SignIn) -> None:
    phone = phone_of(alice)
    now = int(timezone.now().timestamp())
    token = phone.tokens["refresh_token"]

    assert_error(refresh(forge(token, exp=now - 20)), 401, "token_expired")
    assert_error(refresh(forge(token, iat=now + 60)), 401, "token_invalid")
    assert refresh(forge(token, exp=now - 3, iat=now + 3)).status_code == 200


@pytest.mark.parametrize("path", ["/auth/logout", "/auth/logout/current"])
def test_after_a_logout_a_refresh_is_refused(alice: User, phone_of: SignIn, path: str) -> None:
    phone = phone_of(alice)
    phone.ok("post", path)

    answer = phone.refresh()

    assert_error(answer, 401, "session_ended")
    assert answer["WWW-Authenticate"] == CHALLENGE
    assert phone.session.refresh_generation == 1


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"expires_at": dt.timedelta(0)}, id="its-thirty-days-are-over"),
        pytest.param({"last_seen_at": dt.timedelta(days=-14)}, id="unused-for-fourteen-days"),
    ],
)
def test_an_expired_session_cannot_be_refreshed(
    alice: User, phone_of: SignIn, changes: dict[str, dt.timedelta]
) -> None:
    phone = phone_of(alice)
    now = timezone.now()
    UserSession.objects.filter(pk=phone.session.pk).update(
        **{name: now + offset for name, offset in changes.items()}
    )

    assert_error(phone.refresh(), 401, "session_ended")
    assert_error(phone.call("get", "/auth/profile"), 401, "session_ended")


def test_a_deactivated_user_cannot_refresh(alice: User, bob: User, phone_of: SignIn) -> None:
    phone, bobs = phone_of(alice), phone_of(bob)
    User.objects.filter(pk=alice.pk).update(is_active=False)

    assert_error(phone.refresh(), 401, "session_ended")
    assert_error(phone.call("get", "/auth/profile"), 401, "session_ended")
    assert bobs.refresh().status_code == 200


def test_the_tokens_of_a_deleted_user_belong_to_no_session(alice: User, phone_of: SignIn) -> None:
    phone = phone_of(alice)
    alice.delete()

    assert_error(phone.refresh(), 401, "token_invalid")
    assert_error(phone.call("get", "/auth/profile"), 401, "token_invalid")


def test_a_token_for_somebody_elses_session_is_invalid(
    alice: User, bob: User, phone_of: SignIn
) -> None:
    phone, bobs = phone_of(alice), phone_of(bob)

    answer = refresh(forge(phone.tokens["refresh_token"], sid=str(bobs.session.pk)))

    assert_error(answer, 401, "token_invalid")
    assert bobs.session.refresh_generation == 1


@pytest.mark.parametrize("credentials", ["Bearer not.a.token", "Bearer", "Basic Ym9iOmJvYg=="])
def test_an_expired_access_token_beside_it_does_not_stop_a_refresh(
    alice: User, phone_of: SignIn, credentials: str
) -> None:
    phone = phone_of(alice)
    body = {"refresh_token": phone.tokens["refresh_token"]}

    answer = phone.call("post", "/auth/refresh", body, Authorization=credentials)

    assert answer.status_code == 200


@pytest.mark.parametrize("body", [{}, {"refresh_token": ""}, {"refresh_token": None}])
def test_a_missing_token_is_named(body: dict[str, Any]) -> None:
    answer = APIClient().post("/auth/refresh", body, format="json")

    assert_error(answer, 400, "validation_error", "refresh_token")
