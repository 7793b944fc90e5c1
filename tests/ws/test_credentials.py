from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client
from django.utils import timezone

from accounts import tokens
from accounts.models import User, UserSession
from tests.people import Phone
from tests.ws.ears import Ear, Headers, bearer, cookie, ended, ready

pytestmark = pytest.mark.django_db(transaction=True)

OpenEar = Callable[..., Ear]
PhoneOf = Callable[..., Phone]
BrowserOf = Callable[[User], Client]


def row_of(browser: Client) -> UserSession:
    """Return the row that a browser's cookie is bound to."""
    return UserSession.objects.get(pk=browser.session["accounts_user_session_id"])


def protocols(phone: Phone) -> tuple[str, ...]:
    """Return the subprotocols of a page that holds a token."""
    return ("authsvc.v1", f"bearer.{phone.tokens['access_token']}")


def cookie_of(value: str) -> Headers:
    """Return the headers of a browser whose cookie has this value."""
    cookie = f"{django_settings.SESSION_COOKIE_NAME}={value}".encode("latin-1")
    return [(b"cookie", cookie), (b"origin", b"http://testserver")]


def assert_refused(ear: Ear) -> None:
    """Assert that the socket was accepted, and closed with nothing said."""
    assert ear.is_accepted
    assert ear.hears() == 4401


def test_an_app_says_who_it_is_with_its_header(
    alice: User, phone_of: PhoneOf, open_ear: OpenEar
) -> None:
    phone = phone_of(alice)

    ear = open_ear(bearer(phone))

    assert (ear.hears(), ear.subprotocol) == (ready(phone.session), None)


@pytest.mark.parametrize(
    "content_type", [b"text/plain; charset*=nonsense''x", b"text/plain; charset=\x00", b"\xff;"]
)
def test_a_content_type_that_cannot_be_read_does_not_matter(
    alice: User, phone_of: PhoneOf, open_ear: OpenEar, content_type: bytes
) -> None:
    phone = phone_of(alice)

    ear = open_ear([*bearer(phone), (b"content-type", content_type)])

    assert ear.hears() == ready(phone.session)


def test_a_page_with_a_token_says_who_it_is_with_a_subprotocol(
    alice: User, phone_of: PhoneOf, open_ear: OpenEar
) -> None:
    phone = phone_of(alice)

    ear = open_ear(subprotocols=protocols(phone))

    assert (ear.hears(), ear.subprotocol) == (ready(phone.session), "authsvc.v1")


@pytest.mark.parametrize(
    "origin", ["http://testserver", "https://app.example", "https://a.b.example"]
)
def test_a_page_of_the_site_says_who_it_is_with_its_cookie(
    alice: User, browser_of: BrowserOf, open_ear: OpenEar, settings: Any, origin: str
) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://app.example", "https://*.b.example"]
    browser = browser_of(alice)

    ear = open_ear(cookie(browser, origin), subprotocols=("authsvc.v1",))

    assert (ear.hears(), ear.subprotocol) == (ready(row_of(browser)), "authsvc.v1")


def test_another_site_cannot_use_the_cookie(
    alice: User, browser_of: BrowserOf, open_ear: OpenEar
) -> None:
    browser = browser_of(alice)

    for origin in (
        None,
        "null",
        "https://evil.example",
        "https://testserver",
        "http://testserver.evil.example",
        "http://testserver:81",
        "http://[",
    ):
        assert_refused(open_ear(cookie(browser, origin)))


def test_the_host_of_an_attacker_is_no_site_of_ours(
    alice: User, browser_of: BrowserOf, open_ear: OpenEar
) -> None:
    headers = cookie(browser_of(alice), "http://evil.example")

    assert_refused(open_ear(headers, host="evil.example"))


def test_a_stranger_is_closed_right_away(open_ear: OpenEar) -> None:
    for headers in (
        [],
        [(b"authorization", b"Bearer")],
        [(b"authorization", b"Bearer x")],
        [(b"authorization", b"Bearer a b")],
        [(b"authorization", b"Bearer \xff\x00\xfe.." + b"x" * 5000)],
        [(b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")],
        [(b"authorization", b"Basic YWxpY2U6cGFzc3dvcmQ=")],
        cookie_of("unknown-key-of-nobody"),
        cookie_of("x"),
        cookie_of("\x7f\xff\x01aaaaaaaaaaaa"),
    ):
        assert_refused(open_ear(headers))


def test_a_token_counts_only_next_to_the_protocol_to_select(
    alice: User, phone_of: PhoneOf, open_ear: OpenEar
) -> None:
    version, token = protocols(phone_of(alice))

    alone, twice = open_ear(subprotocols=(token,)), open_ear(subprotocols=(version, token, token))

    assert_refused(alone)
    assert alone.subprotocol is None
    assert_refused(twice)


def test_a_refresh_token_opens_no_socket(alice: User, phone_of: PhoneOf, open_ear: OpenEar) -> None:
    phone = phone_of(alice)
    phone.tokens["access_token"] = phone.tokens["refresh_token"]

    assert_refused(open_ear(bearer(phone)))


def test_a_token_in_the_url_is_refused_whatever_else_was_sent(
    alice: User, phone_of: PhoneOf, open_ear: OpenEar
) -> None:
    phone = phone_of(alice)

    for query in ("token={}", "access_token={}", "x={}", "{}", "TOKEN=1", "t=a{}", "&a=" * 400):
        path = f"/ws/sessions?{query.format(phone.tokens['access_token'])}"
        assert_refused(open_ear(path=path))
        assert_refused(open_ear(bearer(phone), path=path))


def test_a_harmless_query_is_ignored(alice: User, phone_of: PhoneOf, open_ear: OpenEar) -> None:
    phone = phone_of(alice)

    ear = open_ear(bearer(phone), path="/ws/sessions?v=2&page=sessions")

    assert ear.hears() == ready(phone.session)


def test_a_wrong_token_is_not_made_up_for_by_a_cookie(
    alice: User, browser_of: BrowserOf, open_ear: OpenEar
) -> None:
    headers = [(b"authorization", b"Bearer x"), *cookie(browser_of(alice))]

    assert_refused(open_ear(headers))


def test_a_token_of_a_row_that_is_gone_is_refused(
    alice: User, phone_of: PhoneOf, open_ear: OpenEar
) -> None:
    phone = phone_of(alice)
    phone.session.delete()

    assert_refused(open_ear(bearer(phone)))


def test_an_expired_token_opens_no_socket(
    alice: User, phone_of: PhoneOf, open_ear: OpenEar
) -> None:
    phone = phone_of(alice)
    phone.tokens["access_token"] = expired_token(phone)

    assert_refused(open_ear(bearer(phone)))


def expired_token(phone: Phone) -> str:
    """Return an access token of the phone that was good an hour ago."""
    return tokens.issue(phone.session, now=timezone.now() - timedelta(hours=1)).access_token


def test_something_expired_that_is_no_token_of_ours_is_refused(
    alice: User, phone_of: PhoneOf, open_ear: OpenEar
) -> None:
    phone = phone_of(alice)
    long_ago = int(timezone.now().timestamp()) - 3600
    payload = {"exp": long_ago, "iat": long_ago, "token_type": "access"}
    phone.tokens["access_token"] = tokens._backends()[0].encode(payload)

    assert_refused(open_ear(bearer(phone)))


@pytest.mark.parametrize("kind", ["header", "subprotocol", "expired"])
def test_a_phone_that_comes_back_is_told_that_its_session_ended(
    alice: User, phone_of: PhoneOf, open_ear: OpenEar, kind: str
) -> None:
    phone, other = phone_of(alice), phone_of(alice)
    other.ok("post", "/auth/logout")
    if kind == "expired":
        phone.tokens["access_token"] = expired_token(phone)

    with_token = {"subprotocols": protocols(phone)}
    ear = open_ear(**with_token) if kind == "subprotocol" else open_ear(bearer(phone))

    assert ear.hears() == ended(phone.session)
    assert ear.hears() == 4401
    assert phone.session.end_reason == "logout_all"


def test_a_browser_that_comes_back_is_told_that_its_session_ended(
    alice: User, browser_of: BrowserOf, phone_of: PhoneOf, open_ear: OpenEar
) -> None:
    browser = browser_of(alice)
    row = row_of(browser)
    phone_of(alice).ok("post", "/auth/logout/others")

    ear = open_ear(cookie(browser))

    row.refresh_from_db()
    assert ear.hears() == ended(row)
    assert ear.hears() == 4401


def test_a_cookie_of_an_earlier_password_is_refused(
    alice: User, browser_of: BrowserOf, open_ear: OpenEar
) -> None:
    browser = browser_of(alice)
    User.objects.filter(pk=alice.pk).update(password="!")

    assert_refused(open_ear(cookie(browser)))


def test_a_cookie_that_is_bound_to_somebody_elses_row_is_refused(
    alice: User, bob: User, browser_of: BrowserOf, phone_of: PhoneOf, open_ear: OpenEar
) -> None:
    browser = browser_of(alice)
    session = browser.session
    session["accounts_user_session_id"] = str(phone_of(bob).session.pk)
    session.save()

    assert_refused(open_ear(cookie(browser)))


def test_a_cookie_without_a_row_or_a_user_is_refused(
    alice: User, phone_of: PhoneOf, open_ear: OpenEar
) -> None:
    for content in (
        {SESSION_KEY: str(alice.pk)},
        {"accounts_user_session_id": str(phone_of(alice).session.pk)},
    ):
        store = SessionStore()
        store.update(content)
        store.create()

        assert_refused(open_ear(cookie_of(str(store.session_key))))


def test_a_session_that_expired_or_whose_user_is_inactive_is_told_so(
    alice: User, bob: User, phone_of: PhoneOf, open_ear: OpenEar
) -> None:
    phone, bobs = phone_of(alice), phone_of(bob)
    UserSession.objects.filter(user=alice).update(expires_at=timezone.now())
    User.objects.filter(pk=bob.pk).update(is_active=False)

    expired, deactivated = open_ear(bearer(phone)), open_ear(bearer(bobs))

    assert expired.hears()["reason"] == "expired"
    assert expired.hears() == 4401
    assert deactivated.hears()["reason"] == "user_deactivated"
    assert deactivated.hears() == 4401


def test_opening_a_socket_is_a_use_of_the_newer_token(
    alice: User, phone_of: PhoneOf, open_ear: OpenEar
) -> None:
    phone = phone_of(alice)
    phone.refresh()

    ear = open_ear(bearer(phone))

    assert ear.hears() == ready(phone.session)
    assert phone.session.used_generation == 2


def test_in_production_no_credential_travels_in_the_clear(
    alice: User, phone_of: PhoneOf, open_ear: OpenEar, configure: Callable[..., None]
) -> None:
    phone = phone_of(alice)
    configure(require_https=True)

    in_the_clear, over_tls = open_ear(bearer(phone)), open_ear(bearer(phone), scheme="wss")

    assert not in_the_clear.is_accepted
    assert over_tls.hears() == ready(phone.session)


def test_over_tls_the_page_must_have_come_over_tls(
    alice: User, browser_of: BrowserOf, open_ear: OpenEar
) -> None:
    browser = browser_of(alice)

    secure = open_ear(cookie(browser, "https://testserver"), scheme="wss")
    injected = open_ear(cookie(browser, "http://testserver"), scheme="wss")

    assert secure.hears() == ready(row_of(browser))
    assert_refused(injected)


def test_there_is_no_socket_anywhere_else(
    alice: User, phone_of: PhoneOf, open_ear: OpenEar
) -> None:
    assert not open_ear(bearer(phone_of(alice)), path="/ws/other").is_accepted
