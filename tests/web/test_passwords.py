"""The pages for passwords."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail

from accounts.models import AuditEvent, User
from accounts.services import passwords
from tests.people import PASSWORD, Phone
from tests.web.conftest import LaptopOf
from tests.web.laptop import Laptop, text_of

NEW = "another long enough secret"


def change(laptop: Laptop, current: str = PASSWORD, new: str = NEW) -> Any:
    return laptop.post("password", {"current_password": current, "new_password": new})


def test_a_change_signs_out_all_others_and_this_one_goes_on(
    alice: User, bob: User, laptop_of: LaptopOf, phone_of: Callable[..., Phone]
) -> None:
    laptop, other, phone, of_bob = (
        laptop_of(alice),
        laptop_of(alice),
        phone_of(alice),
        laptop_of(bob),
    )
    row = other.row

    answer = change(laptop)
    page = laptop.client.get(answer.url)

    assert answer.url == "/account/sessions"
    assert "Your password is changed. All other devices are signed out." in text_of(page)
    row.refresh_from_db()
    assert row.end_reason == "password_changed"
    assert phone.session.end_reason == "password_changed"
    assert not other.is_signed_in
    assert not phone.is_signed_in
    assert laptop.is_signed_in
    assert of_bob.is_signed_in


def test_only_the_new_password_signs_in_afterwards(alice: User, laptop_of: LaptopOf) -> None:
    change(laptop_of(alice))

    old, new = Laptop(), Laptop()
    old.sign_in(alice, PASSWORD)
    new.sign_in(alice, NEW)

    assert not old.is_signed_in
    assert new.is_signed_in


def test_the_cookie_of_before_the_change_is_worthless(alice: User, laptop_of: LaptopOf) -> None:
    laptop, thief = laptop_of(alice), Laptop()
    thief.client.cookies["sessionid"] = laptop.cookie

    change(laptop)

    assert not thief.is_signed_in
    assert laptop.is_signed_in


@pytest.mark.parametrize(
    ("current", "new", "said"),
    [
        ("wrong", NEW, "The password is incorrect."),
        (PASSWORD, "12345", "This password is too short."),
        (PASSWORD, "alice@example.com", "too similar"),
        (PASSWORD, "x" * 257, "at most 256 characters"),
        (PASSWORD, "\0" * 20, "Null characters are not allowed."),
        ("", NEW, "This field is required."),
    ],
)
def test_a_refused_change_changes_nothing(
    alice: User, laptop_of: LaptopOf, current: str, new: str, said: str
) -> None:
    laptop, other = laptop_of(alice), laptop_of(alice)

    answer = change(laptop, current, new)

    assert answer.status_code == 400
    assert said in text_of(answer)
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)
    assert other.is_signed_in
    assert laptop.is_signed_in


def test_a_field_that_is_wrong_is_described_by_what_is_wrong_with_it(
    alice: User, laptop_of: LaptopOf
) -> None:
    html = change(laptop_of(alice), "wrong").content.decode()

    found = re.search(r'<input type="password" name="current_password"[^>]*>', html)
    assert found is not None
    assert 'aria-invalid="true"' in found[0]
    assert 'aria-describedby="id_current_password_error"' in found[0]
    assert "autofocus" in found[0]
    assert 'id="id_current_password_error"' in html


def test_the_rules_are_told_beforehand(alice: User, laptop_of: LaptopOf) -> None:
    html = laptop_of(alice).get("password").content.decode()

    assert 'aria-describedby="id_new_password_helptext"' in html
    assert "at least 8 characters" in html


def test_guessing_the_current_password_has_to_wait(alice: User, laptop_of: LaptopOf) -> None:
    laptop = laptop_of(alice)
    for _try in range(10):
        change(laptop, "wrong")

    answer = change(laptop)

    # A device that has been signed in before has some tries of its own; then it waits as well.
    assert answer.status_code == 302
    alice.refresh_from_db()
    assert alice.check_password(NEW)


def test_guessing_on_and_on_has_to_wait_even_where_one_is_known(
    alice: User, laptop_of: LaptopOf
) -> None:
    laptop = laptop_of(alice)
    for _try in range(20):
        change(laptop, "wrong")

    answer = change(laptop)

    assert answer.status_code == 429
    assert int(answer["Retry-After"]) > 0
    assert "Too many failed attempts. Please try again in" in text_of(answer)
    assert laptop.is_signed_in


def ask_for_mail(laptop: Laptop, email: str) -> Any:
    return laptop.post("password/reset", {"email": email})


def mails_sent(count: int) -> list[Any]:
    """Wait for ``count`` mails; they are sent by threads of their own."""
    deadline = time.monotonic() + 5
    while len(mail.outbox) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return mail.outbox


def link_in(message: Any) -> str:
    found = re.search(r"http://testserver(/account/password/reset/\S+)", str(message.body))
    assert found is not None
    return found[1]


def test_a_mailed_link_sets_a_password_and_signs_out_everywhere(
    alice: User,
    bob: User,
    laptop: Laptop,
    laptop_of: LaptopOf,
    phone_of: Callable[..., Phone],
) -> None:
    signed_in, phone, of_bob = laptop_of(alice), phone_of(alice), laptop_of(bob)

    asked = ask_for_mail(laptop, alice.email)
    message = mails_sent(1)[0]
    link = link_in(message)
    shown = laptop.get(link)
    answer = laptop.post(link, {"new_password": NEW})
    page = laptop.client.get(answer.url)

    assert asked.url == "/account/password/reset/sent"
    assert message.to == [alice.email]
    assert "Set a new password" in text_of(shown)
    assert f'value="{alice.email}" autocomplete="username"' in shown.content.decode()
    assert "Your password is set" in text_of(page)
    assert phone.session.end_reason == "password_reset"
    assert not signed_in.is_signed_in
    assert not laptop.is_signed_in
    assert of_bob.is_signed_in
    assert laptop.sign_in(alice, NEW).url == "/account/sessions"


def test_looking_at_the_link_does_not_use_it_up(alice: User, laptop: Laptop) -> None:
    uid, token = passwords.reset_link_parts(alice)
    link = f"/account/password/reset/{uid}/{token}"

    for _scanner in range(3):
        laptop.get(link)

    assert laptop.post(link, {"new_password": NEW}).status_code == 302


def test_a_link_is_good_once(alice: User, laptop: Laptop) -> None:
    uid, token = passwords.reset_link_parts(alice)
    link = f"/account/password/reset/{uid}/{token}"
    laptop.post(link, {"new_password": NEW})

    shown, sent = laptop.get(link), laptop.post(link, {"new_password": "yet another secret"})

    assert (shown.status_code, sent.status_code) == (400, 400)
    assert "This link no longer works" in text_of(shown)
    assert "This link no longer works" in text_of(sent)
    alice.refresh_from_db()
    assert alice.check_password(NEW)


def test_somebody_elses_link_is_good_for_nobody_else(
    alice: User, bob: User, laptop: Laptop
) -> None:
    _uid, token = passwords.reset_link_parts(alice)
    uid, _token = passwords.reset_link_parts(bob)

    answer = laptop.post(f"/account/password/reset/{uid}/{token}", {"new_password": NEW})

    assert answer.status_code == 400
    bob.refresh_from_db()
    assert bob.check_password(PASSWORD)


@pytest.mark.parametrize("link", ["x/y", "%00/%00", "_w/%ff", "%ED%A0%80/y", f"{'x' * 900}/y"])
def test_a_link_that_makes_no_sense_is_answered_kindly(laptop: Laptop, db: None, link: str) -> None:
    assert laptop.get(f"password/reset/{link}").status_code == 400


def test_a_password_against_the_rules_may_be_thought_over(alice: User, laptop: Laptop) -> None:
    uid, token = passwords.reset_link_parts(alice)
    link = f"/account/password/reset/{uid}/{token}"

    refused = laptop.post(link, {"new_password": "12345"})
    accepted = laptop.post(link, {"new_password": NEW})

    assert refused.status_code == 400
    assert "This password is too short." in text_of(refused)
    assert accepted.status_code == 302


def test_nobody_learns_who_has_an_account(alice: User, laptop: Laptop) -> None:
    unknown = ask_for_mail(laptop, "nobody@example.com")
    known = ask_for_mail(laptop, alice.email)

    assert (known.status_code, known.url) == (unknown.status_code, unknown.url)
    assert [message.to for message in mails_sent(1)] == [[alice.email]]
    assert "If the address is known" in text_of(laptop.client.get(unknown.url))


def test_too_many_mails_have_to_wait(alice: User, laptop: Laptop) -> None:
    for _try in range(6):
        answer = ask_for_mail(laptop, alice.email)

    assert answer.status_code == 429
    assert int(answer["Retry-After"]) > 3000
    assert "Too many requests. Please try again in 60 minutes." in text_of(answer)
    assert len(mails_sent(5)) == 5


def test_what_is_no_address_is_refused(laptop: Laptop, db: None) -> None:
    answer = ask_for_mail(laptop, "alice")

    assert answer.status_code == 400
    assert "Enter a valid email address." in text_of(answer)
    assert not AuditEvent.objects.exists()
