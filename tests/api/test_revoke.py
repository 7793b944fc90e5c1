"""POST /auth/revoke: for the phone that comes back late (RFC 7009)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import AuditEvent, User, UserSession
from tests.api.forgery import STRANGERS_KEY, aged, forge
from tests.people import Phone, assert_error

pytestmark = pytest.mark.django_db

SignIn = Callable[..., Phone]
FORM = "application/x-www-form-urlencoded"


def as_json(token: str, **more: str) -> Any:
    """Give the token back in JSON."""
    return APIClient().post("/auth/revoke", {"token": token, **more}, format="json")


def as_form(token: str, **more: str) -> Any:
    """Give the token back as RFC 7009 has it."""
    fields = "&".join(f"{name}={value}" for name, value in {"token": token, **more}.items())
    return APIClient().post("/auth/revoke", fields, content_type=FORM)


def access(phone: Phone) -> str:
    """A token that is still good."""
    return str(phone.tokens["access_token"])


def refresh(phone: Phone) -> str:
    """The token that a phone keeps longest."""
    return str(phone.tokens["refresh_token"])


def expired_access(phone: Phone) -> str:
    """A token of three weeks ago."""
    return aged(phone.session).access_token


def expired_refresh(phone: Phone) -> str:
    """A refresh token that lay in a drawer."""
    return aged(phone.session).refresh_token


def of_an_old_generation(phone: Phone) -> str:
    """A refresh token used up long ago."""
    old = refresh(phone)
    for _time in range(3):
        phone.refresh()
    return old


OURS = [access, refresh, expired_access, expired_refresh, of_an_old_generation]


@pytest.mark.parametrize("revoke", [as_json, as_form])
@pytest.mark.parametrize("token_of", OURS)
def test_a_token_of_ours_ends_its_one_session(
    alice: User,
    bob: User,
    phone_of: SignIn,
    token_of: Callable[[Phone], str],
    revoke: Callable[..., Any],
) -> None:
    phone, tablet, bobs = phone_of(alice), phone_of(alice), phone_of(bob)

    answer = revoke(token_of(phone))

    assert answer.status_code == 200
    assert answer.json() == {
        "success": True,
        "message": "Token revoked",
        "data": None,
        "code": None,
        "field": None,
    }
    assert (phone.session.is_active, phone.session.end_reason) == (False, "revoked")
    assert_error(phone.call("get", "/auth/profile"), 401, "session_ended")
    assert_error(phone.refresh(), 401, "session_ended")
    assert tablet.is_signed_in
    assert bobs.is_signed_in


def test_giving_a_token_back_is_recorded_as_the_users_own_act(
    alice: User, phone_of: SignIn
) -> None:
    phone = phone_of(alice)

    as_json(refresh(phone))
    as_json(refresh(phone))

    event = AuditEvent.objects.get(type="session.ended")
    assert (event.reason, event.count, event.actor) == ("revoked", 1, "self")
    assert (event.user_id, event.session_id) == (str(alice.pk), phone.session.pk)


@pytest.mark.parametrize("revoke", [as_json, as_form])
def test_a_hint_at_the_kind_of_token_does_not_matter(
    alice: User, phone_of: SignIn, revoke: Callable[..., Any]
) -> None:
    phone = phone_of(alice)

    answer = revoke(access(phone), token_type_hint="refresh_token")

    assert answer.status_code == 200
    assert not phone.is_signed_in


def test_no_credentials_are_asked_for_or_looked_at(alice: User, phone_of: SignIn) -> None:
    phone = phone_of(alice)
    body = {"token": expired_refresh(phone)}

    answer = phone.call("post", "/auth/revoke", body, Authorization="Bearer long.gone.token")

    assert answer.status_code == 200
    assert not phone.is_signed_in


@pytest.mark.parametrize("revoke", [as_json, as_form])
@pytest.mark.parametrize(
    "tamper",
    [
        pytest.param(lambda _phone: "x", id="a-letter"),
        pytest.param(lambda _phone: "not.a.token", id="garbage"),
        pytest.param(lambda _phone: "..", id="dots"),
        pytest.param(lambda _phone: "é中🙂", id="not-ascii"),
        pytest.param(lambda _phone: "x" * 100_000, id="long"),
        pytest.param(lambda phone: phone.tokens["session"]["id"], id="session-id"),
        pytest.param(lambda phone: refresh(phone)[:-1], id="cut-short"),
        pytest.param(lambda phone: forge(refresh(phone), key=STRANGERS_KEY), id="forged"),
        pytest.param(lambda phone: forge(refresh(phone), algorithm="none"), id="unsigned"),
        pytest.param(lambda phone: forge(refresh(phone), token_type="id"), id="other-kind"),
        pytest.param(lambda phone: forge(refresh(phone), iss="elsewhere"), id="other-issuer"),
        pytest.param(lambda phone: forge(refresh(phone), aud="elsewhere"), id="other-audience"),
        pytest.param(lambda phone: forge(refresh(phone), exp=-(10**12)), id="before-all-ages"),
        pytest.param(
            lambda phone: forge(refresh(phone), sid="01a203cf-51b1-7344-a478-a48a73b67051"),
            id="unknown-session",
        ),
    ],
)
def test_any_other_token_is_a_200_and_ends_nothing(
    alice: User, phone_of: SignIn, tamper: Callable[[Phone], str], revoke: Callable[..., Any]
) -> None:
    phone = phone_of(alice)

    answer = revoke(tamper(phone))

    assert (answer.status_code, answer.json()["success"]) == (200, True)
    assert phone.is_signed_in
    assert not AuditEvent.objects.filter(type="session.ended").exists()


def test_a_token_that_names_somebody_elses_session_ends_nothing(
    alice: User, bob: User, phone_of: SignIn
) -> None:
    phone, bobs = phone_of(alice), phone_of(bob)

    answer = as_json(forge(refresh(phone), sid=str(bobs.session.pk)))

    assert answer.status_code == 200
    assert phone.is_signed_in
    assert bobs.is_signed_in


def test_a_session_that_had_ended_keeps_its_reason(alice: User, phone_of: SignIn) -> None:
    phone = phone_of(alice)
    phone.ok("post", "/auth/logout")

    assert as_json(refresh(phone)).status_code == 200

    assert phone.session.end_reason == "logout_all"


def test_the_token_of_an_expired_session_still_ends_it(alice: User, phone_of: SignIn) -> None:
    phone = phone_of(alice)
    long_ago = timezone.now() - dt.timedelta(days=15)
    UserSession.objects.filter(pk=phone.session.pk).update(last_seen_at=long_ago)

    assert as_json(expired_refresh(phone)).status_code == 200

    assert not phone.session.is_active


def test_the_token_of_a_deactivated_user_ends_its_session(alice: User, phone_of: SignIn) -> None:
    phone = phone_of(alice)
    User.objects.filter(pk=alice.pk).update(is_active=False)

    assert as_json(refresh(phone)).status_code == 200

    assert phone.session.end_reason == "revoked"


def test_the_token_of_a_deleted_user_is_a_200(alice: User, phone_of: SignIn) -> None:
    token = refresh(phone_of(alice))
    alice.delete()

    assert as_json(token).status_code == 200


@pytest.mark.parametrize("body", [{}, {"token": ""}, {"token": None}, {"refresh_token": "x"}])
def test_a_missing_token_is_named(body: dict[str, Any]) -> None:
    answer = APIClient().post("/auth/revoke", body, format="json")

    assert_error(answer, 400, "validation_error", "token")


@pytest.mark.parametrize(
    ("content_type", "body", "status", "code"),
    [
        pytest.param(FORM, b"", 400, "validation_error", id="empty"),
        pytest.param(FORM, b"tokens=x", 400, "validation_error", id="other-field"),
        pytest.param(FORM, b"token=\xff", 400, "parse_error", id="not-utf-8"),
        pytest.param(FORM, b"token=x&" + b"a=1&" * 300, 400, "parse_error", id="many-fields"),
        pytest.param(f"{FORM}; charset=gbk", b"token=x", 415, "unsupported_media_type", id="gbk"),
        pytest.param(FORM, b"x" * 300_000, 413, "payload_too_large", id="large"),
        pytest.param("multipart/form-data", b"", 400, "validation_error", id="nothing-multipart"),
        pytest.param(
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="token"\r\n\r\nx\r\n--b--',
            415,
            "unsupported_media_type",
            id="multipart",
        ),
    ],
)
def test_a_bad_form_is_refused(content_type: str, body: bytes, status: int, code: str) -> None:
    answer = APIClient().post("/auth/revoke", body, content_type=content_type)

    assert_error(answer, status, code, "token" if code == "validation_error" else None)


def test_what_a_form_cannot_say_in_utf_8_is_no_token_of_ours() -> None:
    assert as_form("%ED%A0%80").status_code == 200
