"""POST /auth/login."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import caches
from django.utils import timezone
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from accounts.models import AuditEvent, User, UserSession
from tests.api.forgery import claims_of
from tests.people import PASSWORD, Phone, assert_error

pytestmark = pytest.mark.django_db

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def login(headers: dict[str, str] | None = None, **body: object) -> Any:
    """Sign Alice in, unless the body says otherwise."""
    content = {"email": "alice@example.com", "password": PASSWORD} | body
    return APIClient().post("/auth/login", content, format="json", headers=headers or {})


def test_signing_in_answers_with_tokens_session_and_user(alice: User) -> None:
    answer = login({"User-Agent": "Shop/1.0"}, device_name="Alice's phone")

    content = answer.json()
    data = content.pop("data")
    row = UserSession.objects.get()
    assert answer.status_code == 200
    assert content == {"success": True, "message": "Login successful", "code": None, "field": None}
    assert data.pop("access_token") != data.pop("refresh_token")
    assert data == {
        "token_type": "Bearer",
        "expires_in": 15 * 60,
        "session": {
            "id": str(row.pk),
            "current": True,
            "is_active": True,
            "client": "app",
            "device_name": "Alice's phone",
            "ip_address": "127.0.0.1",
            "user_agent": "Shop/1.0",
            "created_at": rfc3339(row.created_at),
            "last_seen_at": rfc3339(row.last_seen_at),
            "expires_at": rfc3339(row.last_seen_at + dt.timedelta(days=14)),
            "ended_at": None,
            "end_reason": None,
        },
        "user": {"id": str(alice.pk), "email": "alice@example.com", "name": "Alice"},
    }


def rfc3339(moment: dt.datetime) -> str:
    """Return the moment as the contract writes it."""
    return moment.isoformat().replace("+00:00", "Z")


def test_both_tokens_say_what_the_contract_lists_and_no_more(alice: User) -> None:
    data = login().json()["data"]

    for kind, lifetime in (("access", 15 * 60), ("refresh", 14 * 24 * 60 * 60)):
        claims = claims_of(data[f"{kind}_token"])
        assert claims.pop("exp") - claims.pop("iat") == lifetime
        assert len(claims.pop("jti")) == 32
        assert claims == {
            "sub": str(alice.pk),
            "sid": data["session"]["id"],
            "gen": 1,
            "token_type": kind,
            "iss": "authsvc",
            "aud": "authsvc",
        }


def test_each_token_has_an_id_of_its_own(alice: User, phone_of: Callable[..., Phone]) -> None:
    phones = [phone_of(alice), phone_of(alice)]

    tokens = [phone.tokens[f"{kind}_token"] for phone in phones for kind in ("access", "refresh")]

    assert len({claims_of(token)["jti"] for token in tokens}) == 4


@pytest.mark.parametrize("email", ["ALICE@example.com", "Alice@Example.Com", " alice@example.com "])
def test_an_address_is_compared_without_regard_to_case(alice: User, email: str) -> None:
    answer = login(email=email)

    assert answer.json()["data"]["user"]["id"] == str(alice.pk)


def test_a_device_without_a_name_is_named_after_its_user_agent(alice: User) -> None:
    session = login({"User-Agent": FIREFOX}, device_name="  ").json()["data"]["session"]

    assert session["device_name"] == "Firefox on Linux"
    assert session["user_agent"] == FIREFOX


def test_a_device_of_which_nothing_is_known_has_no_name(alice: User) -> None:
    session = login().json()["data"]["session"]

    assert (session["device_name"], session["user_agent"]) == ("", "")


def test_signing_in_is_recorded(alice: User) -> None:
    session = login({"User-Agent": "Shop/1.0"}).json()["data"]["session"]

    event = AuditEvent.objects.get()
    assert (event.type, event.actor, event.user_id) == ("session.started", "self", str(alice.pk))
    assert (str(event.session_id), event.user_agent) == (session["id"], "Shop/1.0")


def test_signing_in_notes_the_time_on_the_user(alice: User) -> None:
    before = timezone.now()

    login()

    alice.refresh_from_db()
    assert alice.last_login is not None
    assert before <= alice.last_login <= timezone.now()


def test_wrong_password_unknown_address_and_inactive_user_cannot_be_told_apart(
    alice: User, bob: User
) -> None:
    bob.is_active = False
    bob.save()

    answers = [
        login(password="wrong horse battery staple"),
        login(email="nobody@example.com"),
        login(email="bob@example.com"),
    ]

    for answer in answers:
        assert_error(answer, 401, "invalid_credentials")
        assert answer["WWW-Authenticate"] == "Bearer"
    assert len({answer.content for answer in answers}) == 1
    headers = [{**answer.headers, "X-Request-ID": "one for each"} for answer in answers]
    assert headers == headers[:1] * 3
    assert not UserSession.objects.exists()


def test_a_refused_sign_in_is_on_the_record_of_whom_it_concerned(alice: User) -> None:
    login(password="wrong horse battery staple")
    login(email="nobody@example.com")

    events = AuditEvent.objects.order_by("id")
    assert [event.type for event in events] == ["login.failed", "login.failed"]
    assert [event.user_id for event in events] == [str(alice.pk), ""]
    assert {event.actor for event in events} == {"system"}


@pytest.mark.parametrize(
    "password",
    [
        pytest.param(PASSWORD.upper(), id="other-case"),
        pytest.param(f" {PASSWORD}", id="a-blank-before"),
        pytest.param(f"{PASSWORD} ", id="a-blank-after"),
        pytest.param(PASSWORD[:-1], id="a-letter-short"),
    ],
)
def test_nearly_the_password_is_not_the_password(alice: User, password: str) -> None:
    assert_error(login(password=password), 401, "invalid_credentials")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        pytest.param({}, ["email", "password"], id="nothing"),
        pytest.param({"email": "alice@example.com"}, ["password"], id="no-password"),
        pytest.param({"password": PASSWORD}, ["email"], id="no-email"),
        pytest.param({"username": "alice", "password": PASSWORD}, ["email"], id="username"),
        pytest.param({"email": "alice", "password": PASSWORD}, ["email"], id="not-an-address"),
        pytest.param({"email": "", "password": ""}, ["email", "password"], id="empty"),
    ],
)
def test_what_is_missing_is_named(alice: User, body: dict[str, str], fields: list[str]) -> None:
    answer = APIClient().post("/auth/login", body, format="json")

    assert_error(answer, 400, "validation_error", fields[0])
    assert [error["field"] for error in answer.json()["data"]["errors"]] == fields
    assert not UserSession.objects.exists()


@pytest.mark.parametrize("credentials", ["Bearer not.a.token", "Bearer", "Basic Ym9iOmJvYg=="])
def test_stale_credentials_beside_a_good_password_do_not_matter(
    alice: User, credentials: str
) -> None:
    assert login({"Authorization": credentials}).status_code == 200


def test_the_same_device_signing_in_again_replaces_its_session(
    alice: User, bob: User, phone_of: Callable[..., Phone]
) -> None:
    earlier = phone_of(alice, device_id="4711")
    tablet = phone_of(alice, device_id="4712")
    nameless = phone_of(alice)
    bobs = phone_of(bob, device_id="4711")

    later = phone_of(alice, device_id="4711")

    assert (earlier.session.is_active, earlier.session.end_reason) == (False, "replaced")
    assert_error(earlier.call("get", "/auth/profile"), 401, "session_ended")
    assert_error(earlier.refresh(), 401, "session_ended")
    assert all(phone.is_signed_in for phone in (later, tablet, nameless, bobs))


def test_devices_without_an_id_replace_nothing(alice: User, phone_of: Callable[..., Phone]) -> None:
    phones = [phone_of(alice), phone_of(alice, device_id=""), phone_of(alice)]

    assert all(phone.is_signed_in for phone in phones)


def test_over_the_limit_the_least_recently_used_session_ends(
    settings: Settings, alice: User, bob: User, phone_of: Callable[..., Phone]
) -> None:
    settings.ACCOUNTS = settings.ACCOUNTS | {"SESSIONS_PER_USER": 2}
    bobs = phone_of(bob)
    first, second = phone_of(alice), phone_of(alice)
    used_again = timezone.now() + dt.timedelta(seconds=1)
    UserSession.objects.filter(pk=first.session.pk).update(last_seen_at=used_again)

    third = phone_of(alice)

    assert second.session.end_reason == "limit"
    assert_error(second.call("get", "/auth/profile"), 401, "session_ended")
    assert all(phone.is_signed_in for phone in (first, third, bobs))


@pytest.mark.django_db(transaction=True)
def test_signing_in_keeps_the_identity_in_the_cache(alice: User) -> None:
    user = login().json()["data"]["user"]

    assert caches["default"].get(f"user:{alice.pk}") == user
