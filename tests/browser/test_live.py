"""What other devices see, without a reload, when somebody signs out."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.conftest import NewBrowser, Window, expect_live

pytestmark = pytest.mark.browser

# Milliseconds. The contract says a second; the page has to be fetched and drawn as well.
AT_ONCE = 2000
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"


def sign_in_live(window: Window, email: str) -> Page:
    """Sign in and wait until the list is live; mark the page, to see that it stays."""
    page = window.sign_in(email)
    expect_live(page)
    page.evaluate("window.stays = true")
    return page


def stays(page: Page) -> bool:
    """Tell whether the page has not been loaded anew."""
    return bool(page.evaluate("window.stays === true"))


def test_a_browser_that_is_signed_out_from_another_leaves_by_itself(
    new_browser: NewBrowser, somebody: str
) -> None:
    chrome = sign_in_live(new_browser(), somebody)
    firefox = sign_in_live(new_browser(user_agent=FIREFOX), somebody)
    row = chrome.get_by_role("listitem").filter(has_text="Firefox on Linux")
    expect(row).to_be_visible(timeout=AT_ONCE)
    assert stays(chrome)

    row.get_by_role("link", name="Sign out Firefox on Linux").click()
    chrome.get_by_role("dialog").get_by_role("button", name="Sign out").click()

    expect(firefox).to_have_url(re.compile("signed-out.reason=revoked$"), timeout=AT_ONCE)
    expect(firefox.get_by_text("from your list of devices")).to_be_visible()
    expect(chrome.get_by_text("“Firefox on Linux” is signed out.")).to_be_visible()
    expect(chrome.get_by_role("listitem")).to_have_count(1)
    firefox.go_back()
    expect(firefox).to_have_url(re.compile("/account/login"))


def test_the_list_follows_what_happens_elsewhere(new_browser: NewBrowser, somebody: str) -> None:
    window = new_browser()
    page = sign_in_live(window, somebody)

    phone = window.service.sign_in_app(somebody, "Pixel 9")
    expect(page.get_by_text("Pixel 9")).to_be_visible(timeout=AT_ONCE)
    expect(page.locator("#announcer")).to_have_text("2 devices are signed in.")
    window.service.call("/auth/logout/current", {}, token=phone["access_token"])
    expect(page.get_by_text("Pixel 9")).to_have_count(0, timeout=AT_ONCE)

    assert stays(page)


def test_what_has_the_focus_keeps_it_when_the_list_changes(
    new_browser: NewBrowser, somebody: str
) -> None:
    window = new_browser()
    page = sign_in_live(window, somebody)
    page.get_by_role("link", name="Sign out everywhere").focus()

    window.service.sign_in_app(somebody, "Pixel 9")

    expect(page.get_by_text("Pixel 9")).to_be_visible(timeout=AT_ONCE)
    expect(page.get_by_role("link", name="Sign out everywhere")).to_be_focused()


def test_signing_out_everywhere_reaches_every_browser_and_tab(
    new_browser: NewBrowser, somebody: str
) -> None:
    here, there = new_browser(), new_browser(user_agent=FIREFOX)
    page, other = sign_in_live(here, somebody), sign_in_live(there, somebody)
    tab = here.new_page()
    tab.goto(f"{here.service.url}/account/sessions")
    expect_live(tab)

    page.get_by_role("link", name="Sign out everywhere").click()
    page.get_by_role("dialog").get_by_role("button", name="Sign out").click()

    for left in (page, tab, other):
        expect(left).to_have_url(re.compile("signed-out.reason=logout_all"), timeout=AT_ONCE)
        expect(left.get_by_text("You signed out on all your devices.")).to_be_visible()


def test_somebody_else_sees_nothing_of_it(new_browser: NewBrowser, two_people: list[str]) -> None:
    alice, bob = two_people
    page, of_bob = sign_in_live(new_browser(), alice), sign_in_live(new_browser(), bob)

    page.get_by_role("banner").get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/account/signed-out.reason=logout$"))

    of_bob.wait_for_timeout(500)
    assert stays(of_bob)
    of_bob.reload()
    expect(of_bob.get_by_text(bob).first).to_be_visible()


def test_without_a_socket_the_list_is_asked_for_again_and_again(
    new_browser: NewBrowser, somebody: str
) -> None:
    window = new_browser()
    window.context.route_web_socket("**/ws/sessions", lambda socket: socket.close(code=1013))
    window.page.clock.install()
    page = window.sign_in(somebody)
    expect(page.get_by_text("Connecting…")).to_be_visible()
    phone = window.service.sign_in_app(somebody, "Pixel 9")

    page.clock.fast_forward(30_000)
    expect(page.get_by_text("Pixel 9")).to_be_visible()
    window.service.call("/auth/logout", {}, token=phone["access_token"])
    page.clock.fast_forward(30_000)

    expect(page).to_have_url(re.compile("/account/signed-out.reason=logout_all"))


def test_a_socket_that_was_lost_comes_back(new_browser: NewBrowser, somebody: str) -> None:
    window = new_browser()
    tries: list[WebSocketRoute] = []

    def lose_the_first(socket: WebSocketRoute) -> None:
        tries.append(socket)
        if len(tries) == 1:
            socket.close(code=1001)
        else:
            socket.connect_to_server()

    window.context.route_web_socket("**/ws/sessions", lose_the_first)

    page = window.sign_in(somebody)

    expect_live(page)
    assert len(tries) == 2


def test_a_socket_that_is_refused_wrongly_signs_nobody_out(
    new_browser: NewBrowser, somebody: str
) -> None:
    window = new_browser()
    window.context.route_web_socket("**/ws/sessions", lambda socket: socket.close(code=4401))

    page = window.sign_in(somebody)
    page.wait_for_timeout(1500)

    expect(page.get_by_role("heading", name="Your devices")).to_be_visible()
    expect(page.get_by_text("Connecting…")).to_be_visible()
