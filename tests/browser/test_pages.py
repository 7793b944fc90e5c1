"""The pages in a real browser: by keyboard, without a script, under the policy, for everybody."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewBrowser, Window, expect_live, pale
from tests.people import PASSWORD

pytestmark = pytest.mark.browser


def press(page: Page, *keys: str) -> None:
    """Press keys one after the other."""
    for key in keys:
        page.keyboard.press(key)


def test_the_keyboard_is_enough(new_browser: NewBrowser, somebody: str) -> None:
    window = new_browser()
    window.service.sign_in_app(somebody, "Pixel 9")
    page = window.go("/account/login")

    page.keyboard.type(somebody)
    press(page, "Tab")
    page.keyboard.type(PASSWORD)
    press(page, "Enter")
    expect_live(page)
    press(page, "Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    press(page, "Enter", "Tab", "Tab")
    expect(page.get_by_role("link", name="Sign out Pixel 9")).to_be_focused()
    press(page, "Enter")
    dialog = page.get_by_role("dialog", name="Sign out this device?")
    expect(dialog.get_by_text("Pixel 9")).to_be_visible()
    expect(dialog.get_by_role("link", name="Cancel")).to_be_focused()
    press(page, "Escape")
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("link", name="Sign out Pixel 9")).to_be_focused()
    press(page, "Enter", "Shift+Tab", "Enter")

    expect(page.get_by_text("“Pixel 9” is signed out.")).to_be_focused()


def test_a_dialog_is_left_in_every_usual_way(new_browser: NewBrowser, somebody: str) -> None:
    page = new_browser().sign_in(somebody)
    dialog, link = page.get_by_role("dialog"), page.get_by_role("link", name="Sign out everywhere")

    link.click()
    dialog.get_by_role("link", name="Cancel").click()
    expect(dialog).to_be_hidden()
    link.click()
    page.mouse.click(5, 5)

    expect(dialog).to_be_hidden()
    expect(link).to_be_focused()
    expect(page).to_have_url(re.compile("/account/sessions$"))


def test_everything_works_without_a_script(new_browser: NewBrowser, somebody: str) -> None:
    window = new_browser(java_script_enabled=False)
    window.service.sign_in_app(somebody, "Pixel 9")
    page = window.sign_in(somebody)

    page.get_by_role("link", name="Sign out Pixel 9").click()
    expect(page.get_by_role("heading", name="Sign out this device?")).to_be_visible()
    page.get_by_role("main").get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("“Pixel 9” is signed out.")).to_be_visible()
    expect(page.get_by_role("button", name="Show")).to_have_count(0)
    page.get_by_role("link", name="Sign out everywhere").click()
    page.get_by_role("main").get_by_role("button", name="Sign out").click()

    expect(page.get_by_role("heading", name="You were signed out")).to_be_visible()


def test_a_password_can_be_looked_at(new_browser: NewBrowser) -> None:
    page = new_browser().go("/account/login")
    field = page.get_by_label("Password", exact=True)
    field.fill("secret")

    page.get_by_role("button", name="Show Password").click()
    expect(field).to_have_attribute("type", "text")
    expect(page.get_by_role("button", name="Show Password", pressed=True)).to_be_visible()
    page.get_by_role("button", name="Show Password").click()

    expect(field).to_have_attribute("type", "password")


def test_the_back_button_shows_nothing_after_a_sign_out(
    new_browser: NewBrowser, somebody: str
) -> None:
    window = new_browser()
    page = window.sign_in(somebody)
    page.get_by_role("link", name="Password", exact=True).click()
    page.get_by_role("banner").get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="You were signed out")).to_be_visible()

    page.go_back()

    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert somebody not in page.content()


def test_a_change_of_password_goes_on_here_and_ends_elsewhere(
    new_browser: NewBrowser, somebody: str
) -> None:
    here, there = new_browser(), new_browser()
    page, other = here.sign_in(somebody), there.sign_in(somebody)
    expect_live(other)
    page.get_by_role("link", name="Password", exact=True).click()
    page.get_by_label("Current password", exact=True).fill(PASSWORD)
    page.get_by_label("New password", exact=True).fill("another good one")
    page.get_by_role("button", name="Change password").click()

    expect(page.get_by_text("Your password is changed.")).to_be_visible()
    expect_live(page)
    expect(other.get_by_text("Your password was changed")).to_be_visible()


def test_the_administration_and_the_browsable_api_die_with_a_sign_out(
    new_browser: NewBrowser, somebody: str
) -> None:
    window = new_browser()
    window.service.make_staff(somebody)
    window.sign_in(somebody)
    admin, browsable = window.new_page(), window.new_page()
    admin.goto(f"{window.service.url}/admin/")
    browsable.goto(f"{window.service.url}/auth/sessions")
    expect(admin.get_by_role("heading", name="Site administration")).to_be_visible()
    expect(browsable.get_by_text('"current": true')).to_be_visible()
    # The page of the devices would hear of the logout and take the cookie along.
    window.page.goto("about:blank")

    phone = window.service.sign_in_app(somebody, "Pixel 9")
    window.service.call("/auth/logout", {}, token=phone["access_token"])
    browsable.reload()
    admin.reload()

    expect(browsable.get_by_text('"code": "session_ended"')).to_be_visible()
    expect(admin).to_have_url(re.compile("/admin/login/"))


def test_signing_out_in_the_browsable_api_signs_out_everywhere(
    new_browser: NewBrowser, somebody: str
) -> None:
    window, other = new_browser(), new_browser().sign_in(somebody)
    page = window.go("/auth/sessions")
    page.get_by_role("link", name="Log in").click()
    page.get_by_label("Email address").fill(somebody)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile("/auth/sessions$"))

    page.get_by_role("button", name="Sign out everywhere").click()

    expect(page).to_have_url(re.compile("/account/signed-out.reason=logout_all"))
    expect(other).to_have_url(re.compile("/account/signed-out.reason=logout_all"))


OTHER_PEOPLES_PAGES = [
    "/admin/",
    "/admin/accounts/user/",
    "/admin/accounts/user/add/",
    "/admin/accounts/usersession/",
    "/admin/accounts/auditevent/",
    "/auth/profile",
    "/auth/sessions",
    "/auth/login",
    "/auth/events",
    "/api/docs",
]


@pytest.mark.parametrize("path", OTHER_PEOPLES_PAGES)
def test_other_peoples_pages_work_under_the_policy(
    new_browser: NewBrowser, somebody: str, path: str
) -> None:
    window = new_browser()
    window.service.make_staff(somebody)
    window.sign_in(somebody)

    page = window.go(path)
    page.wait_for_load_state("networkidle")

    # What the policy forbids is a complaint, which new_browser does not let pass.
    assert page.locator("h1, h2").first.is_visible()


def test_nothing_jumps_when_a_page_comes_alive(new_browser: NewBrowser, somebody: str) -> None:
    window = new_browser()
    window.service.sign_in_app(somebody, "Pixel 9")
    window.page.add_init_script(
        """
        window.jumped = 0;
        new PerformanceObserver((list) => {
          for (const entry of list.getEntries()) window.jumped += entry.value;
        }).observe({ type: "layout-shift", buffered: true });
        """
    )
    page = window.sign_in(somebody)
    expect_live(page)
    page.wait_for_timeout(300)

    assert page.evaluate("window.jumped") == 0


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_all_text_can_be_told_from_its_ground(
    new_browser: NewBrowser, somebody: str, colours: str
) -> None:
    window = new_browser(color_scheme=colours)
    window.service.sign_in_app(somebody, "Pixel 9")
    refused = window.go("/account/login")
    refused.get_by_label("Email address").fill(somebody)
    refused.get_by_label("Password", exact=True).fill("wrong")
    refused.get_by_role("button", name="Sign in").click()
    expect(refused.get_by_role("alert")).to_be_visible()
    assert pale(refused) == []

    page = window.sign_in(somebody)
    expect_live(page)
    assert pale(page) == []
    page.get_by_role("link", name="Sign out Pixel 9").click()
    assert pale(page) == []
    page.get_by_role("dialog").get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("“Pixel 9” is signed out.")).to_be_visible()
    assert pale(page) == []
    window.go("/account/login")
    assert pale(page) == []


@pytest.mark.parametrize("path", ["login", "sessions", "password", "password/reset"])
def test_every_control_has_a_name_and_every_page_one_heading(
    new_browser: NewBrowser, somebody: str, path: str
) -> None:
    page = in_(new_browser(), somebody).go(f"/account/{path}")

    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    for role in ("textbox", "button", "link", "img"):
        controls = page.locator("body").get_by_role(role)
        unnamed = page.locator("body").get_by_role(role, name=re.compile(r"^$"))
        assert controls.count() >= unnamed.count() == 0
    expect(page.get_by_role("main")).to_have_count(1)
    expect(page.get_by_role("banner")).to_have_count(1)
    expect(page.get_by_role("contentinfo")).to_have_count(1)


def in_(window: Window, email: str) -> Window:
    """Sign in first."""
    expect_live(window.sign_in(email))
    return window


def test_a_language_is_chosen_with_a_button_and_stays(new_browser: NewBrowser) -> None:
    window = new_browser()
    page = window.go("/account/login?next=/account/password")

    page.get_by_role("button", name="简体中文").click()

    expect(page.get_by_role("heading", name="登录")).to_be_visible()
    expect(page).to_have_url(re.compile("next=/account/password"))
    expect(window.go("/account/password/reset").get_by_role("heading")).to_have_text("忘记密码？")
