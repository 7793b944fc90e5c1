"""Every page, for people to look at: in var/screenshots, in two languages, colours and widths."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser import live
from tests.browser.conftest import NewBrowser, Window
from tests.people import PASSWORD

pytestmark = pytest.mark.browser

PICTURES = live.ROOT / "var" / "screenshots"
TABLET = (
    "Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.5 Mobile/15E148 Safari/604.1"
)
WIDTHS = {"wide": 1200, "phone": 360}
LANGUAGES = {"en": "en-GB", "zh": "zh-CN"}
DEVICES = [
    ("Pixel 9", "okhttp/4.12.0", "198.51.100.23", timedelta(minutes=3)),
    ("", TABLET, "2001:db8:85a3::8a2e:370:7334", timedelta(hours=5)),
    ("backup-runner", "curl/8.9.1", "192.0.2.40", timedelta(days=9)),
]


class Camera:
    """Takes pictures of pages; none may be wider than its window."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def take(self, page: Page, name: str) -> None:
        """Keep what the page looks like now."""
        is_too_wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert not page.evaluate(is_too_wide), f"{name} scrolls sideways"
        page.screenshot(path=self.directory / f"{name}.png", full_page=True)


def link_in(mail: str) -> str:
    """Return the path of the link in a mail."""
    found = re.search(r"http://[^/\s]+(/account/password/reset/\S+)", mail)
    assert found is not None
    return found[1]


def sign_in_with_devices(window: Window, email: str) -> Page:
    """Sign in where there are other devices, one of each kind."""
    for name, agent, address, ago in DEVICES:
        signed_in = window.service.sign_in_app(email, name, agent=agent, address=address)
        window.service.last_seen(signed_in["session"]["id"], ago)
    window.go("/account/login")
    page = window.page
    page.locator("[name=email]").fill(email)
    page.locator("[name=password]").fill(PASSWORD)
    page.locator(".primary").click()
    expect(page.locator("#live.up")).to_be_visible()
    return page


def link_of(page: Page, scope: str) -> str:
    """Return where the question of a scope is asked without a script."""
    return page.locator(f"[data-confirm={scope}]").first.get_attribute("href") or ""


@pytest.fixture(params=["light", "dark"])
def colours(request: pytest.FixtureRequest) -> str:
    """The colour scheme."""
    return str(request.param)


@pytest.fixture(params=list(WIDTHS))
def width(request: pytest.FixtureRequest) -> str:
    """The name of the window's width."""
    return str(request.param)


@pytest.fixture(params=list(LANGUAGES))
def language(request: pytest.FixtureRequest) -> str:
    """The language that the browser asks for."""
    return str(request.param)


@pytest.fixture
def window(new_browser: NewBrowser, language: str, colours: str, width: str) -> Window:
    """A browser of that language, colours and width."""
    return new_browser(
        locale=LANGUAGES[language],
        color_scheme=colours,
        viewport={"width": WIDTHS[width], "height": 760},
    )


@pytest.fixture
def camera(language: str, colours: str, width: str) -> Camera:
    """A camera that sorts its pictures by language, colours and width."""
    return Camera(PICTURES / f"{language}-{colours}-{width}")


def fail_to_sign_in(page: Page, email: str) -> None:
    """Send the form with a wrong password."""
    page.locator("[name=email]").fill(email)
    page.locator("[name=password]").fill("wrong")
    page.locator(".primary").click()
    expect(page.locator(".alert")).to_be_visible()


def test_pages_of_strangers(window: Window, camera: Camera, somebody: str) -> None:
    page = window.go("/account/login")
    camera.take(page, "sign-in")
    fail_to_sign_in(page, somebody)
    camera.take(page, "sign-in-refused")
    for _try in range(10):
        fail_to_sign_in(page, somebody)
    camera.take(page, "sign-in-locked-out")
    shown: dict[str, str] = {
        "signed-out": "/account/signed-out?reason=logout_all",
        "reset": "/account/password/reset",
        "reset-sent": "/account/password/reset/sent",
        "reset-link-used": "/account/password/reset/x/y",
        "reset-done": "/account/password/reset/done",
        "not-found": "/account/nothing",
    }
    for name, path in shown.items():
        camera.take(window.go(path), name)


def test_pages_for_a_new_password(window: Window, camera: Camera, somebody: str) -> None:
    page = window.go("/account/password/reset")
    page.locator("[name=email]").fill(somebody)
    page.locator(".primary").click()

    page = window.go(link_in(window.service.last_mail(to=somebody)))
    camera.take(page, "reset-confirm")
    page.locator("[name=new_password]").fill("12345")
    page.locator(".primary").click()
    expect(page.locator(".errorlist").first).to_be_visible()
    camera.take(page, "reset-confirm-refused")


def test_pages_of_somebody_signed_in(window: Window, camera: Camera, somebody: str) -> None:
    page = sign_in_with_devices(window, somebody)
    camera.take(page, "devices")
    for scope in ("this", "one", "others", "all"):
        page.locator(f"[data-confirm={scope}]").first.click()
        camera.take(page, f"dialog-{scope}")
        page.keyboard.press("Escape")
    paths = {scope: link_of(page, scope) for scope in ("one", "others", "all")}
    for scope, path in paths.items():
        camera.take(window.go(path), f"confirm-{scope}")
    page = window.go(paths["one"])
    page.locator("main .danger").click()
    expect(page.locator(".flash")).to_be_visible()
    camera.take(page, "devices-one-signed-out")
    page = window.go("/account/password")
    camera.take(page, "password")
    page.locator("[name=current_password]").fill("wrong")
    page.locator("[name=new_password]").fill("another good one")
    page.locator(".primary").click()
    expect(page.locator(".errorlist")).to_be_visible()
    camera.take(page, "password-refused")
    camera.take(window.go("/account/login"), "sign-in-again")
