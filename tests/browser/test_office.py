"""The administration in a browser: on a phone, without a mouse, read aloud, in both languages."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import NewBrowser, Window, pale
from tests.people import PASSWORD

pytestmark = pytest.mark.browser

SESSIONS = "/admin/accounts/usersession/"
PATHS = [
    "/admin/",
    "/admin/?period=fortnight",
    SESSIONS,
    f"{SESSIONS}?state=active",
    f"{SESSIONS}end-matching/?state=active",
    "/admin/accounts/auditevent/",
    "/admin/accounts/user/",
    "/admin/password_change/",
]
IS_TOO_WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
UNNAMED = """() => [...document.querySelectorAll("main input, main select, main textarea")]
    .filter((field) => field.type !== "hidden" && field.checkVisibility())
    .filter((field) => !field.labels?.length && !field.ariaLabel && !["submit", "button"].includes(
        field.type))
    .map((field) => field.outerHTML)"""
# Of whatever has the focus: whether it is to be seen, and that it has it.
FOCUS = """() => {
    const style = getComputedStyle(document.activeElement);
    const isRinged = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
    return document.activeElement.checkVisibility() && (isRinged || style.boxShadow !== "none");
}"""
# With no place to break at.
LONG = "a.person.with.a.remarkably.long.address@subdomain.of-some.company.example.com"


def sign_in_staff(window: Window, email: str) -> Page:
    """Make somebody staff and sign in to the administration."""
    window.service.make_staff(email)
    page = window.go("/admin/login/")
    page.locator("[name=username]").fill(email)
    page.locator("[name=password]").fill(PASSWORD)
    page.locator(".submit-row [type=submit]").click()
    expect(page.locator(".overview")).to_be_visible()
    return page


def assert_readable(page: Page) -> None:
    """Assert that nothing sticks out, is too pale, or has no name."""
    assert not page.evaluate(IS_TOO_WIDE), page.url
    assert pale(page) == [], page.url
    assert page.evaluate(UNNAMED) == [], page.url


def follow(link: Locator) -> None:
    """Click, and wait for the page that the link leads to."""
    with link.page.expect_navigation():
        link.click()


@pytest.mark.parametrize(("language", "colours"), [("en-GB", "light"), ("zh-CN", "dark")])
def test_every_page_can_be_read_on_a_phone(
    new_browser: NewBrowser, somebody: str, language: str, colours: str
) -> None:
    phone = {"width": 390, "height": 800}
    window = new_browser(locale=language, color_scheme=colours, viewport=phone)
    long_name = window.service.register(f"{colours}.{LONG}")
    window.service.sign_in_app(
        long_name, "Pixel 9", address="2001:db8:85a3:1234:5678:8a2e:370:7334"
    )
    page = sign_in_staff(window, somebody)

    for path in PATHS:
        assert_readable(window.go(path))
    window.go(f"{SESSIONS}?q={long_name}")
    row = page.locator("#result_list tbody tr")
    follow(row.locator("a", has=page.locator(".session-state")))
    assert_readable(page)
    follow(page.locator(".field-owner a"))
    assert_readable(page)
    follow(page.locator(".object-tools .deletelink"))
    assert_readable(page)
    expect(page.get_by_role("heading", level=1)).to_contain_text(long_name)


def test_each_plot_is_told_in_words_and_as_a_table(new_browser: NewBrowser, somebody: str) -> None:
    window = new_browser()
    page = sign_in_staff(window, somebody)

    plots = page.get_by_role(
        "img", name=re.compile(r"^(Sign-ins|Failed sign-ins|Signed-in devices): ")
    )
    expect(plots).to_have_count(3)
    page.get_by_text("As a table").first.click()
    expect(page.get_by_role("table", name="Sign-ins").get_by_role("row")).to_have_count(25)
    page.get_by_role("link", name="14 days").click()
    expect(page.get_by_role("heading", name="Last 14 days")).to_be_visible()
    expect(page.get_by_role("link", name="14 days")).to_have_attribute("aria-current", "true")


def test_a_device_is_signed_out_without_a_mouse(
    new_browser: NewBrowser, two_people: list[str]
) -> None:
    alice, carol = two_people
    window = new_browser()
    window.service.sign_in_app(alice, "Pixel 9")
    page = sign_in_staff(window, carol)
    window.go(f"{SESSIONS}?q={alice}")

    tab_to(
        page, page.get_by_role("checkbox", name="Select this object").first.get_attribute("value")
    )
    page.keyboard.press("Space")
    page.locator("select[name=action]").focus()
    page.keyboard.press("ArrowDown")
    tab_to(page, "0", name="index")
    page.keyboard.press("Enter")
    expect(page.get_by_text("This signs out 1 person on 1 device.")).to_be_visible()
    tab_to(page, "Yes, sign out")
    page.keyboard.press("Enter")

    expect(page.get_by_text("1 session was signed out.")).to_be_visible()
    expect(page.get_by_text("Signed out by staff, by")).to_be_visible()


def tab_to(page: Page, value: str | None, name: str = "") -> None:
    """Press the tab key until what has that value has the focus; all on the way shows it."""
    for _press in range(60):
        page.keyboard.press("Tab")
        assert page.evaluate(FOCUS)
        found = page.evaluate("[document.activeElement.value, document.activeElement.name]")
        if found[0] == value and (not name or found[1] == name):
            return
    pytest.fail(f"the tab key does not lead to {value}")
