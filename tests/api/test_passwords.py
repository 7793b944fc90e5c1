"""POST /auth/password/change, /reset and /reset/confirm."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.core import mail
from django.test import override_settings

from accounts import mails
from accounts.models import AuditEvent, User
from tests.people import PASSWORD, Phone, assert_error

pytestmark = pytest.mark.django_db

NEW = "another horse, another battery"
LINK = "https://app.example/reset?uid={uid}&token={token}"
with_link = override_settings(ACCOUNTS={**settings.ACCOUNTS, "PASSWORD_RESET_URL": LINK})


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for something, two seconds at most; what then is not so fails by itself."""
    deadline = time.monotonic() + 2.0
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.01)


def mails_sent(count: int) -> list[Any]:
    """Wait for ``count`` mails; they are sent by threads of their own."""
    wait_until(lambda: len(mail.outbox) >= count)
    return mail.outbox


def parts_of(message: Any) -> dict[str, str]:
    """Return uid and token of the mailed link."""
    found = re.search(r"uid=(\S+)&token=(\S+)", message.body)
    assert found is not None, message.body
    return {"uid": found[1], "token": found[2]}


def test_changing_the_password_signs_out_the_other_devices(
    alice: User, bob: User, phone_of: Callable[..., Phone]
) -> None:
    phone, laptop, bobs = phone_of(alice), phone_of(alice, "laptop"), phone_of(bob)

    data = phone.ok(
        "post", "/auth/password/change", {"current_password": PASSWORD, "new_password": NEW}
    )

    assert data is None
    assert phone.is_signed_in
    assert not laptop.is_signed_in
    assert bobs.is_signed_in
    assert Phone().sign_in(alice, NEW).is_signed_in


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"current_password": "wrong", "new_password": NEW}, "current_password"),
        ({"current_password": PASSWORD, "new_password": "123"}, "new_password"),
        ({"current_password": PASSWORD}, "new_password"),
        ({"new_password": NEW}, "current_password"),
        ({"current_password": PASSWORD, "new_password": None}, "new_password"),
    ],
    ids=["wrong current", "weak new", "new missing", "current missing", "new null"],
)
def test_a_change_that_is_refused_names_the_field(
    alice: User, phone_of: Callable[..., Phone], body: dict[str, Any], field: str
) -> None:
    phone, laptop = phone_of(alice), phone_of(alice, "laptop")

    answer = phone.call("post", "/auth/password/change", body)

    assert_error(answer, 400, "validation_error", field)
    assert laptop.is_signed_in


def test_nobody_changes_a_password_without_a_session(alice: User) -> None:
    body = {"current_password": PASSWORD, "new_password": NEW}

    assert_error(Phone().call("post", "/auth/password/change", body), 401, "not_authenticated")


@override_settings(ACCOUNTS={**settings.ACCOUNTS, "LOGIN_FAILURES_PER_ACCOUNT": 2})
def test_whoever_holds_a_phone_cannot_guess_the_current_password(
    alice: User, phone_of: Callable[..., Phone]
) -> None:
    phone = phone_of(alice)
    # The phone is known, so it has a counter of its own beside the account's.
    wrong = {"current_password": "wrong", "new_password": NEW}
    codes = [phone.call("post", "/auth/password/change", wrong).json()["code"] for _ in range(6)]

    assert codes == ["validation_error"] * 4 + ["locked_out"] * 2
    assert AuditEvent.objects.filter(type="login.locked_out").count() == 2


@with_link
def test_a_reset_by_mail_sets_the_password_and_ends_every_session(
    alice: User, bob: User, phone_of: Callable[..., Phone]
) -> None:
    phone, bobs = phone_of(alice), phone_of(bob)
    asked = Phone().call("post", "/auth/password/reset", {"email": "ALICE@example.com"})

    message = mails_sent(1)[0]
    confirmed = Phone().call(
        "post", "/auth/password/reset/confirm", {**parts_of(message), "new_password": NEW}
    )

    assert asked.status_code == 202
    assert message.to == ["alice@example.com"]
    assert confirmed.status_code == 200, confirmed.content
    assert not phone.is_signed_in
    assert bobs.is_signed_in
    assert Phone().sign_in(alice, NEW).is_signed_in
    types = set(AuditEvent.objects.values_list("type", flat=True))
    assert {"password.reset_requested", "password.reset"} <= types


@with_link
@pytest.mark.parametrize("state", ["unknown", "inactive", "without a password"])
def test_who_has_no_account_gets_the_same_answer_and_no_mail(
    alice: User, bob: User, state: str
) -> None:
    email = "nobody@example.com" if state == "unknown" else bob.email
    if state == "inactive":
        User.objects.filter(pk=bob.pk).update(is_active=False)
    if state == "without a password":
        User.objects.filter(pk=bob.pk).update(password="!")

    known = Phone().call("post", "/auth/password/reset", {"email": alice.email})
    answer = Phone().call("post", "/auth/password/reset", {"email": email})

    assert (answer.status_code, answer.content) == (known.status_code, known.content)
    assert [message.to for message in mails_sent(1)] == [[alice.email]]
    assert AuditEvent.objects.filter(type="password.reset_requested").count() == 2


@with_link
def test_the_mail_is_in_the_language_of_its_reader(alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(locale="zh-hans")

    Phone().call("post", "/auth/password/reset", {"email": alice.email})

    message = mails_sent(1)[0]
    assert "app.example/reset?uid=" in message.body
    assert "&amp;" not in message.body


@with_link
@override_settings(
    ACCOUNTS={**settings.ACCOUNTS, "RESETS_PER_ACCOUNT": 2, "PASSWORD_RESET_URL": LINK}
)
def test_nobody_is_flooded_with_mails(alice: User) -> None:
    answers = [
        Phone().call("post", "/auth/password/reset", {"email": alice.email}) for _time in range(3)
    ]

    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert_error(answers[-1], 429, "throttled")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"uid": "AAAA", "token": "x", "new_password": NEW}, "token"),
        ({"uid": "AAAA", "token": "x"}, "new_password"),
        ({"token": "x", "new_password": NEW}, "uid"),
        ({"uid": "A" * 101, "token": "x", "new_password": NEW}, "uid"),
    ],
    ids=["made up", "no password", "no uid", "uid too long"],
)
def test_a_confirmation_that_is_refused_names_the_field(
    db: None, body: dict[str, str], field: str
) -> None:
    answer = Phone().call("post", "/auth/password/reset/confirm", body)

    assert_error(answer, 400, "validation_error", field)


@with_link
@override_settings(EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend", EMAIL_PORT=1)
def test_a_mail_server_that_fails_is_logged_and_told_to_nobody(
    alice: User, caplog: pytest.LogCaptureFixture
) -> None:
    answer = Phone().call("post", "/auth/password/reset", {"email": alice.email})

    mails._senders.submit(int).result()
    wait_until(lambda: bool(caplog.records))
    assert answer.status_code == 202
    errors = [record for record in caplog.records if record.name == "accounts.mails"]
    assert [(record.levelname, record.exc_info is not None) for record in errors] == [
        ("ERROR", True)
    ]
