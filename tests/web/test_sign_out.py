"""Signing a browser out, and what one is told about it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils import timezone
from django.utils.translation import override
from pytest_django import Settings

from accounts.models import AuditEvent, User, UserSession
from accounts.services import passwords, users
from accounts.web import texts
from tests.people import Phone
from tests.web.conftest import LaptopOf
from tests.web.laptop import Laptop, text_of

CLEARED = '"cache", "cookies", "storage"'


@pytest.fixture
def in_production(settings: Settings) -> None:
    """Demand TLS."""
    settings.ACCOUNTS = {**settings.ACCOUNTS, "REQUIRE_HTTPS": True}


def test_signing_out_ends_this_browser_only(
    alice: User, bob: User, laptop_of: LaptopOf, phone_of: Callable[..., Phone]
) -> None:
    laptop, other, of_bob, phone = (
        laptop_of(alice),
        laptop_of(alice),
        laptop_of(bob),
        phone_of(alice),
    )
    row, cookie = laptop.row, laptop.cookie

    answer = laptop.post("logout")

    assert answer.url == "/account/signed-out?reason=logout"
    row.refresh_from_db()
    assert (row.is_active, row.end_reason, row.ended_by_id) == (False, "logout", str(alice.pk))
    assert not laptop.is_signed_in
    assert not Session.objects.filter(session_key=cookie).exists()
    assert other.is_signed_in
    assert of_bob.is_signed_in
    assert phone.is_signed_in


def test_a_copy_of_the_cookie_dies_with_it(alice: User, laptop_of: LaptopOf) -> None:
    laptop, thief = laptop_of(alice), Laptop()
    thief.client.cookies["sessionid"] = laptop.cookie

    laptop.post("logout")

    assert not thief.is_signed_in


def test_nothing_is_ended_by_following_a_link(alice: User, laptop_of: LaptopOf) -> None:
    laptop = laptop_of(alice)

    answer = laptop.get("logout")

    assert answer.url == f"/account/sessions/{laptop.session_id}/logout"
    assert laptop.is_signed_in


def test_whoever_is_signed_out_already_is_led_to_the_door(laptop: Laptop) -> None:
    answer = laptop.post("logout")

    assert answer.url == "/account/login?next=%2Faccount%2Fsessions"


def test_the_browser_forgets_all_it_kept(
    alice: User, laptop_of: LaptopOf, in_production: None
) -> None:
    answer = laptop_of(alice).client.post("/account/logout", secure=True)

    assert answer["Clear-Site-Data"] == CLEARED
    assert answer.cookies["sessionid"]["max-age"] == 0


def test_the_browser_forgets_also_when_other_code_signs_out(
    carol: User, laptop_of: LaptopOf, in_production: None
) -> None:
    laptop = laptop_of(carol)
    row = laptop.row

    answer = laptop.client.post("/admin/logout/", secure=True)

    assert answer["Clear-Site-Data"] == CLEARED
    row.refresh_from_db()
    assert row.end_reason == "logout"


def test_without_tls_nothing_is_said_that_browsers_would_ignore(
    alice: User, laptop_of: LaptopOf
) -> None:
    assert "Clear-Site-Data" not in laptop_of(alice).post("logout")


def test_a_page_that_signs_nobody_out_clears_nothing(
    alice: User, laptop_of: LaptopOf, in_production: None
) -> None:
    answer = laptop_of(alice).client.get("/account/password", secure=True)

    assert answer.status_code == 200
    assert "Clear-Site-Data" not in answer


@pytest.mark.parametrize("path", ["sessions", "password", "login", "signed-out", "password/reset"])
def test_no_cache_keeps_a_page(alice: User, laptop_of: LaptopOf, path: str) -> None:
    signed_in = laptop_of(alice).get(path)
    stranger = Laptop().get(path)

    assert "no-store" in signed_in["Cache-Control"]
    assert "no-store" in stranger["Cache-Control"]


@pytest.mark.parametrize(
    ("path", "back"),
    [
        ("sessions", "/account/sessions"),
        ("sessions/list", "/account/sessions"),
        ("sessions/logout/all", "/account/sessions"),
        ("sessions/logout/others", "/account/sessions"),
        ("password?x=1", "/account/password"),
    ],
)
def test_a_stranger_is_led_to_the_door_and_back(laptop: Laptop, path: str, back: str) -> None:
    seen = laptop.get(path)
    sent = laptop.post(path)

    door = f"/account/login?next={back.replace('/', '%2F')}"
    assert (seen.status_code, seen.url) == (302, door)
    assert (sent.status_code, sent.url) == (302, door)


def end_by_api(phone: Phone, laptop: Laptop) -> None:
    phone.ok("delete", f"/auth/sessions/{laptop.session_id}")


ENDS: dict[str, Callable[[User, Phone, Laptop], object]] = {
    "logout_all": lambda _alice, phone, _laptop: phone.ok("post", "/auth/logout"),
    "logout_others": lambda _alice, phone, _laptop: phone.ok("post", "/auth/logout/others"),
    "revoked": lambda _alice, phone, laptop: end_by_api(phone, laptop),
    "password_changed": lambda alice, _phone, _laptop: passwords.set_password(
        alice, "another", actor=None, device=None
    ),
    "user_deactivated": lambda alice, _phone, _laptop: users.deactivate(
        alice, actor=None, device=None
    ),
    "expired": lambda _alice, _phone, laptop: UserSession.objects.filter(
        pk=laptop.session_id
    ).update(expires_at=timezone.now() - timedelta(hours=1)),
}


@pytest.mark.parametrize("reason", list(ENDS))
def test_a_dead_cookie_is_told_why(
    alice: User, bob: User, laptop_of: LaptopOf, phone_of: Callable[..., Phone], reason: str
) -> None:
    laptop, of_bob = laptop_of(alice), laptop_of(bob)
    ENDS[reason](alice, phone_of(alice), laptop)

    answer = laptop.get("password")
    page = laptop.client.get(answer.url)

    assert answer.url == f"/account/signed-out?reason={reason}&next=%2Faccount%2Fpassword"
    assert str(texts.REASONS[reason]) in text_of(page)
    assert 'href="/account/login?next=/account/password"' in page.content.decode()
    assert of_bob.is_signed_in


def test_a_dead_cookie_is_told_why_at_the_door_too(alice: User, laptop_of: LaptopOf) -> None:
    laptop = laptop_of(alice)
    passwords.set_password(alice, "another", actor=None, device=None)

    page = laptop.get("login")

    assert "Your password was changed" in text_of(page)
    assert "You are signed in" not in text_of(page)


def test_a_cookie_whose_password_another_program_has_changed_is_dead(
    alice: User, laptop_of: LaptopOf
) -> None:
    laptop = laptop_of(alice)
    alice.set_password("another")
    User.objects.filter(pk=alice.pk).update(password=alice.password)

    answer = laptop.get("password")

    assert answer.url == "/account/signed-out?next=%2Faccount%2Fpassword"


def test_a_cookie_of_a_row_that_is_gone_is_dead(alice: User, laptop_of: LaptopOf) -> None:
    laptop = laptop_of(alice)
    laptop.row.delete()

    answer = laptop.get("password")

    assert answer.url == "/account/signed-out?next=%2Faccount%2Fpassword"


def test_a_dead_cookie_is_told_once(alice: User, laptop_of: LaptopOf) -> None:
    laptop = laptop_of(alice)
    passwords.set_password(alice, "another", actor=None, device=None)

    laptop.get("password")

    assert laptop.get("password").url == "/account/login?next=%2Faccount%2Fpassword"


@pytest.mark.parametrize("path", ["/", "/account/"])
def test_whoever_comes_to_the_door_of_the_house_finds_the_list(laptop: Laptop, path: str) -> None:
    assert laptop.get(path).url == "/account/sessions"


@pytest.mark.parametrize("reason", UserSession.EndReason.values)
def test_every_reason_has_its_sentence(laptop: Laptop, reason: str) -> None:
    page = text_of(laptop.get("signed-out", reason=reason))

    assert str(texts.REASONS[reason]) in page


@pytest.mark.parametrize("query", [{}, {"reason": "<script>"}, {"reason": "\0", "next": "//evil"}])
def test_an_unknown_reason_has_a_general_sentence(laptop: Laptop, query: dict[str, str]) -> None:
    answer = laptop.get("signed-out", **query)

    assert str(texts.SIGNED_OUT) in text_of(answer)
    assert 'href="/account/login"' in answer.content.decode()
    assert "<script>" not in answer.content.decode()


def test_nobody_is_told_to_be_signed_out_who_is_not(alice: User, laptop_of: LaptopOf) -> None:
    answer = laptop_of(alice).get("signed-out", reason="logout_all")

    assert answer.url == "/account/sessions"


def test_after_signing_out_the_list_is_not_shown_again(alice: User, laptop_of: LaptopOf) -> None:
    laptop = laptop_of(alice)
    laptop.get("sessions")
    laptop.post("logout")

    answer = laptop.get("sessions")

    assert answer.status_code == 302
    assert alice.email not in answer.content.decode()


def test_the_trail_says_who_signed_out_and_from_where(alice: User, laptop_of: LaptopOf) -> None:
    laptop = laptop_of(alice)
    session_id = laptop.session_id

    laptop.post("logout")

    event = AuditEvent.objects.get(type="session.ended")
    assert (event.reason, event.count, event.session_id) == ("logout", 1, session_id)
    assert (event.actor, event.ip_address) == ("self", "127.0.0.1")


def test_an_error_of_ours_in_any_page_is_a_page(alice: User, laptop_of: LaptopOf) -> None:
    from accounts.exceptions import LockedOut, SessionEnded
    from accounts.web.middleware import SessionRowMiddleware

    hold = SessionRowMiddleware(lambda _request: HttpResponse())
    request = RequestFactory().get("/")

    locked_out: Any = hold.process_exception(request, LockedOut(90))
    ended: Any = hold.process_exception(request, SessionEnded())

    assert (locked_out.status_code, locked_out["Retry-After"]) == (429, "90")
    assert "try again in 2 minutes" in text_of(locked_out)
    assert (ended.status_code, "Retry-After" in ended) == (400, False)
    assert hold.process_exception(request, ValueError()) is None


def test_the_pages_speak_chinese(laptop: Laptop, alice: User) -> None:
    with override("zh-hans"):
        page = laptop.client.get("/account/login", headers={"Accept-Language": "zh-CN"})

    assert '<html lang="zh-hans">' in page.content.decode()
    assert page["Content-Language"] == "zh-hans"
    assert "Accept-Language" in page["Vary"]


def test_a_language_that_was_chosen_stays(laptop: Laptop) -> None:
    answer = laptop.post("language", {"language": "zh-hans", "next": "/account/login"})

    assert answer.url == "/account/login"
    cookie = answer.cookies["language"]
    assert (cookie.value, cookie["httponly"], cookie["samesite"]) == ("zh-hans", True, "Lax")
    assert '<html lang="zh-hans">' in laptop.get("login").content.decode()


def test_choosing_a_language_leads_nowhere_else(laptop: Laptop) -> None:
    answer = laptop.post("language", {"language": "zh-hans", "next": "https://evil.example/"})

    assert answer.url == "/"


def test_languages_a_project_does_not_have_are_not_offered(
    laptop: Laptop, settings: Settings
) -> None:
    settings.LANGUAGES = [("en", "English")]
    only_english = laptop.get("login").content.decode()
    settings.USE_I18N = False
    none = laptop.get("login").content.decode()

    assert "简体中文" not in only_english
    assert "<footer" not in none
