"""The list of devices, and signing them out from there."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import AuditEvent, User, UserSession
from tests.people import Phone
from tests.web.conftest import LaptopOf
from tests.web.laptop import Laptop, text_of

PhoneOf = Callable[..., Phone]
KILOBYTE = 1024


def test_the_list_shows_ones_own_devices_this_one_first(
    alice: User, bob: User, laptop_of: LaptopOf, phone_of: PhoneOf
) -> None:
    laptop = laptop_of(alice)
    phone_of(alice, "Pixel 9")
    phone_of(bob, "Bob's phone")

    page = text_of(laptop.get("sessions"))

    assert page.index("Firefox on Linux This device") < page.index("Pixel 9")
    assert "127.0.0.1 Active now Signed in" in page
    assert "Last seen just now Signed in" in page
    assert "Bob" not in page


def test_what_has_ended_or_expired_is_not_listed(
    alice: User, laptop_of: LaptopOf, phone_of: PhoneOf
) -> None:
    laptop = laptop_of(alice)
    phone_of(alice, "ended").ok("post", "/auth/logout/current")
    expired = phone_of(alice, "expired").session
    UserSession.objects.filter(pk=expired.pk).update(expires_at=timezone.now())

    page = text_of(laptop.get("sessions"))

    assert "ended" not in page
    assert "expired" not in page


def test_times_are_told_in_words_and_exactly(
    alice: User, laptop_of: LaptopOf, phone_of: PhoneOf
) -> None:
    laptop, phone = laptop_of(alice), phone_of(alice)
    then = timezone.now() - timedelta(minutes=3, seconds=30)
    UserSession.objects.filter(pk=phone.session.pk).update(last_seen_at=then)

    html = laptop.get("sessions").content.decode()

    found = re.search(r'<time class="ago" datetime="([^"]+)" title="([^"]+)">([^<]+)</time>', html)
    assert found is not None
    assert found[1].startswith(then.isoformat(timespec="seconds")[:19])
    assert found[2].endswith("UTC")
    assert found[3].replace("\xa0", " ") == "3 minutes ago"


def test_a_name_is_text_whatever_it_looks_like(
    alice: User, laptop_of: LaptopOf, phone_of: PhoneOf
) -> None:
    laptop = laptop_of(alice)
    phone = phone_of(alice, "<script>alert(1)</script>")

    page = laptop.get("sessions").content.decode()
    flash = laptop.client.post(f"/account/sessions/{phone.session.pk}/logout", follow=True)

    assert "<script>alert" not in page + flash.content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_the_lists_part_is_the_same_list(
    alice: User, laptop_of: LaptopOf, phone_of: PhoneOf
) -> None:
    laptop = laptop_of(alice)
    phone_of(alice, "Pixel 9")

    part = laptop.get("sessions/list").content.decode()

    assert part.startswith('<div id="devices" data-announce="2 devices are signed in.">')
    assert "Pixel 9" in part
    assert "<html" not in part


def test_the_part_leads_a_signed_out_script_to_the_page_that_says_so(
    alice: User, laptop_of: LaptopOf, phone_of: PhoneOf
) -> None:
    laptop = laptop_of(alice)
    phone_of(alice).ok("post", "/auth/logout")

    answer = laptop.get("sessions/list")

    assert answer.url == "/account/signed-out?reason=logout_all&next=%2Faccount%2Fsessions"


@pytest.mark.parametrize("path", ["sessions", "sessions/list"])
def test_the_list_asks_the_database_three_things(
    alice: User,
    laptop_of: LaptopOf,
    phone_of: PhoneOf,
    django_assert_num_queries: DjangoAssertNumQueries,
    path: str,
) -> None:
    laptop = laptop_of(alice)
    for _device in range(3):
        phone_of(alice)

    # Django's session, the row with its user, the list.
    with django_assert_num_queries(3):
        laptop.get(path)


def test_the_whole_page_is_under_fifty_kilobytes(
    alice: User, laptop_of: LaptopOf, phone_of: PhoneOf
) -> None:
    laptop = laptop_of(alice)
    for number in range(9):
        phone_of(alice, f"device {number}")

    page = laptop.get("sessions")

    assets = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.content.decode())
    assert len(assets) == 4
    sizes = [len(b"".join(laptop.client.get(asset).streaming_content)) for asset in assets]  # type: ignore[attr-defined]
    assert len(page.content) + sum(sizes) < 50 * KILOBYTE


def test_no_page_mentions_another_host(alice: User, laptop_of: LaptopOf) -> None:
    laptop = laptop_of(alice)
    pages = [laptop.get(path).content.decode() for path in ("sessions", "password", "login")]

    for page in pages:
        assert re.findall(r'(?:href|src|action)="(?:https?:)?//', page) == []
        assert " style=" not in page
        assert re.findall(r"<script(?! src=)", page) == []
        assert re.findall(r"\son\w+=", page) == []


def scopes(laptop: Laptop, phone: Phone) -> dict[str, str]:
    return {
        "one": f"sessions/{phone.session.pk}/logout",
        "this": f"sessions/{laptop.session_id}/logout",
        "others": "sessions/logout/others",
        "all": "sessions/logout/all",
    }


QUESTIONS = {
    "one": "Sign out this device? Pixel 9",
    "this": "Sign out here? Firefox on Linux This device",
    "others": "Sign out all other devices? 2 other devices lose access",
    "all": "Sign out everywhere? This device and 2 others lose access",
}


@pytest.mark.parametrize("scope", list(QUESTIONS))
def test_each_way_to_sign_out_asks_first(
    alice: User, laptop_of: LaptopOf, phone_of: PhoneOf, scope: str
) -> None:
    laptop, phone = laptop_of(alice), phone_of(alice, "Pixel 9")
    other = laptop_of(alice)

    page = laptop.get(scopes(laptop, phone)[scope])

    assert QUESTIONS[scope] in re.sub(r"\s+", " ", text_of(page))
    assert '<form method="post">' in page.content.decode()
    assert laptop.is_signed_in
    assert other.is_signed_in
    assert phone.is_signed_in


def test_one_device_is_signed_out(
    alice: User, bob: User, laptop_of: LaptopOf, phone_of: PhoneOf
) -> None:
    laptop, phone, other = laptop_of(alice), phone_of(alice, "Pixel 9"), phone_of(alice)
    of_bob = phone_of(bob)

    answer = laptop.post(f"sessions/{phone.session.pk}/logout")
    page = text_of(laptop.client.get(answer.url))

    assert answer.url == "/account/sessions"
    assert "“Pixel 9” is signed out." in page
    row = phone.session
    assert (row.end_reason, row.ended_by_id) == ("revoked", str(alice.pk))
    assert not phone.is_signed_in
    assert laptop.is_signed_in
    assert other.is_signed_in
    assert of_bob.is_signed_in
    event = AuditEvent.objects.get(type="session.ended")
    assert (event.actor, event.session_id) == ("self", laptop.session_id)


def test_what_was_done_is_said_once(alice: User, laptop_of: LaptopOf, phone_of: PhoneOf) -> None:
    laptop, phone = laptop_of(alice), phone_of(alice, "Pixel 9")
    laptop.post(f"sessions/{phone.session.pk}/logout")

    first, second = laptop.get("sessions"), laptop.get("sessions")

    assert "Pixel 9" in text_of(first)
    assert "Pixel 9" not in text_of(second)


def test_a_device_that_has_ended_meanwhile_is_no_error(
    alice: User, laptop_of: LaptopOf, phone_of: PhoneOf
) -> None:
    laptop, phone = laptop_of(alice), phone_of(alice, "Pixel 9")
    session_id = phone.session.pk
    phone.ok("post", "/auth/logout/current")

    answer = laptop.post(f"sessions/{session_id}/logout")

    assert answer.url == "/account/sessions"
    assert UserSession.objects.get(pk=session_id).end_reason == "logout"


def test_this_device_is_signed_out_from_the_list(
    alice: User, laptop_of: LaptopOf, phone_of: PhoneOf
) -> None:
    laptop, phone = laptop_of(alice), phone_of(alice)
    row = laptop.row

    answer = laptop.post(f"sessions/{row.pk}/logout")

    row.refresh_from_db()
    assert answer.url == "/account/signed-out?reason=logout"
    assert row.end_reason == "logout"
    assert not laptop.is_signed_in
    assert phone.is_signed_in


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_strangers_device_is_not_there(
    alice: User, bob: User, laptop_of: LaptopOf, phone_of: PhoneOf, method: str
) -> None:
    phone = phone_of(alice)
    of_bob = laptop_of(bob)
    call = getattr(of_bob, method)

    theirs = call(f"sessions/{phone.session.pk}/logout")
    unknown = call(f"sessions/{uuid4()}/logout")

    assert (theirs.status_code, unknown.status_code) == (404, 404)
    assert theirs.content.replace(str(phone.session.pk).encode(), b"") != b""
    assert "Page not found" in text_of(theirs)
    assert phone.is_signed_in


def test_all_others_are_signed_out(
    alice: User, bob: User, laptop_of: LaptopOf, phone_of: PhoneOf
) -> None:
    laptop, phone, other = laptop_of(alice), phone_of(alice), laptop_of(alice)
    of_bob = laptop_of(bob)

    answer = laptop.post("sessions/logout/others")
    page = laptop.client.get(answer.url)

    assert "2 other devices are signed out." in text_of(page)
    assert "Sign out all other devices" not in text_of(page)
    assert phone.session.end_reason == "logout_others"
    assert not phone.is_signed_in
    assert not other.is_signed_in
    assert laptop.is_signed_in
    assert of_bob.is_signed_in


def test_everything_is_signed_out(
    alice: User, bob: User, laptop_of: LaptopOf, phone_of: PhoneOf
) -> None:
    laptop, phone, other = laptop_of(alice), phone_of(alice), laptop_of(alice)
    of_bob = laptop_of(bob)
    row = laptop.row

    answer = laptop.post("sessions/logout/all")

    row.refresh_from_db()
    assert answer.url == "/account/signed-out?reason=logout_all"
    assert row.end_reason == "logout_all"
    assert phone.session.end_reason == "logout_all"
    assert not laptop.is_signed_in
    assert not phone.is_signed_in
    assert not other.is_signed_in
    assert of_bob.is_signed_in
    assert AuditEvent.objects.get(type="session.ended").count == 3


def test_a_single_device_is_asked_about_as_such(alice: User, laptop_of: LaptopOf) -> None:
    page = laptop_of(alice).get("sessions/logout/all")

    assert "This is your only device." in text_of(page)


def test_a_project_without_messages_signs_out_silently(
    alice: User, laptop_of: LaptopOf, phone_of: PhoneOf, settings: Settings
) -> None:
    laptop, phone = laptop_of(alice), phone_of(alice)
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "Message" not in name]

    answer = laptop.post(f"sessions/{phone.session.pk}/logout")

    assert answer.url == "/account/sessions"
    assert not phone.is_signed_in


FORMS = [
    "login",
    "logout",
    "sessions/logout/all",
    "sessions/logout/others",
    "sessions/{session_id}/logout",
    "password",
    "password/reset",
    "password/reset/x/y",
    "language",
    "browsable/logout",
]


@pytest.mark.parametrize("path", FORMS)
def test_another_site_can_send_none_of_our_forms(
    alice: User, laptop_of: LaptopOf, path: str
) -> None:
    laptop = laptop_of(alice)
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = laptop.client.cookies
    address = f"/account/{path.format(session_id=laptop.session_id)}"

    answer: Any = strict.post(address, headers={"Origin": "https://evil.example"})

    assert answer.status_code == 403
    assert "This page is out of date" in answer.content.decode()
    assert laptop.is_signed_in


def test_the_forms_of_the_pages_carry_what_they_need(
    alice: User, laptop_of: LaptopOf, phone_of: PhoneOf
) -> None:
    laptop, phone = laptop_of(alice), phone_of(alice)
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = laptop.client.cookies
    path = f"/account/sessions/{phone.session.pk}/logout"

    token: Any = strict.get(path).context["csrf_token"]
    strict.post(path, {"csrfmiddlewaretoken": str(token)})

    assert not phone.is_signed_in
