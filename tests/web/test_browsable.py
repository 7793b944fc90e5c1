"""The browsable API's links for signing in and out."""

from __future__ import annotations

from collections.abc import Callable

from accounts.models import User
from tests.people import Phone
from tests.web.conftest import LaptopOf
from tests.web.laptop import Laptop

AS_A_PERSON = {"Accept": "text/html"}


def test_a_stranger_finds_the_page_for_signing_in_and_comes_back(
    laptop: Laptop, alice: User
) -> None:
    page = laptop.client.get("/auth/sessions", headers=AS_A_PERSON)
    link = "/account/browsable/login?next=/auth/sessions"
    assert f"href='{link}'" in page.content.decode()

    led = laptop.client.get(link)
    answer = laptop.sign_in(alice, next="/auth/sessions")

    assert led.headers["Location"] == "/account/login?next=%2Fauth%2Fsessions"
    assert answer.url == "/auth/sessions"
    assert laptop.client.get("/auth/sessions", headers=AS_A_PERSON).status_code == 200


def test_the_link_for_signing_in_leads_nowhere_else(laptop: Laptop, db: None) -> None:
    answer = laptop.get("browsable/login", next="https://evil.example/")

    assert answer.url == "/account/login"


def test_signing_out_there_signs_out_everywhere(
    alice: User, bob: User, laptop_of: LaptopOf, phone_of: Callable[..., Phone]
) -> None:
    laptop, phone, of_bob = laptop_of(alice), phone_of(alice), laptop_of(bob)
    page = laptop.client.get("/auth/sessions", headers=AS_A_PERSON).content.decode()
    row = laptop.row

    answer = laptop.post("browsable/logout")

    assert 'action="/account/browsable/logout"' in page
    assert "onclick" not in page
    assert answer.url == "/account/signed-out?reason=logout_all"
    row.refresh_from_db()
    assert row.end_reason == "logout_all"
    assert phone.session.end_reason == "logout_all"
    assert not laptop.is_signed_in
    assert not phone.is_signed_in
    assert of_bob.is_signed_in


def test_signing_out_there_is_not_done_by_following_a_link(
    alice: User, laptop_of: LaptopOf
) -> None:
    laptop = laptop_of(alice)

    answer = laptop.get("browsable/logout")

    assert answer.url == "/account/sessions/logout/all"
    assert laptop.is_signed_in


def test_a_stranger_signs_nobody_out(
    laptop: Laptop, alice: User, phone_of: Callable[..., Phone]
) -> None:
    phone = phone_of(alice)

    answer = laptop.post("browsable/logout")

    assert answer.url == "/account/login?next=%2Faccount%2Fsessions"
    assert phone.is_signed_in
