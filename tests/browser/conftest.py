"""A server, a browser, and people who each have a browser of their own."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser import live
from tests.people import PASSWORD

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LAPTOP = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/141.0.0.0 Safari/537.36"
)
CONTRAST = (Path(__file__).parent / "contrast.js").read_text(encoding="utf-8")
_numbers = itertools.count(1)

NewBrowser = Callable[..., "Window"]


class Window:
    """
    A browser of its own, with its own cookies and one page.

    ``complaints`` collects what the console says and what was asked of other hosts; at the end of
    the test there must be none, save those of answers that the test has meant to get.
    """

    def __init__(self, context: BrowserContext, service: live.Service) -> None:
        self.context = context
        self.service = service
        self.complaints: list[str] = []
        self.page = self.new_page()

    def new_page(self) -> Page:
        """Open another page of the same browser."""
        page = self.context.new_page()
        page.on("console", lambda said: self._note(said.type, said.text))
        page.on("pageerror", lambda error: self._note("error", str(error)))
        page.on("request", lambda request: self._note_request(request.url))
        page.on("response", lambda answer: self._note_missing(answer.url, answer.status))
        return page

    def go(self, path: str) -> Page:
        """Open a path of the service."""
        self.page.goto(f"{self.service.url}{path}")
        return self.page

    def sign_in(self, email: str, password: str = PASSWORD) -> Page:
        """Fill in the form for signing in and send it."""
        page = self.go("/account/login")
        page.get_by_label("Email address").fill(email)
        page.get_by_label("Password", exact=True).fill(password)
        page.get_by_role("button", name="Sign in").click()
        return page

    def _note(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"} and "Failed to load resource" not in text:
            self.complaints.append(text)

    def _note_missing(self, url: str, status: int) -> None:
        if "/static/" in url and status >= 400:
            self.complaints.append(f"{status} for {url}")

    def _note_request(self, url: str) -> None:
        host = self.service.url.removeprefix("http://")
        if not url.startswith((f"http://{host}/", f"ws://{host}/", "data:")):
            self.complaints.append(f"a request to {url}")


def expect_live(page: Page) -> None:
    """Wait until the list of devices is kept up to date by a socket."""
    expect(page.locator("#live").get_by_text("Live")).to_be_visible()


def pale(page: Page) -> list[str]:
    """Return the texts whose contrast is under WCAG's 4.5 to 1, large ones under 3."""
    found: list[str] = page.evaluate(CONTRAST)
    return found


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[live.Service]:
    """The running service."""
    found, process = live.start(tmp_path_factory.mktemp("live"))
    yield found
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """
    The browser's program, as long as a module's tests.

    Playwright keeps an event loop running in this thread, beside which Django refuses to ask the
    database: tests of other modules must not meet it.
    """
    if not CHROMIUM.exists():
        pytest.skip("needs Chromium (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def new_browser(service: live.Service, chromium: Browser) -> Iterator[NewBrowser]:
    """Return a browser with cookies of its own: ``new_browser(viewport=…)``."""
    windows: list[Window] = []

    def make(**options: Any) -> Window:
        given = {"user_agent": LAPTOP, "locale": "en-GB", "reduced_motion": "reduce"} | options
        given.setdefault("extra_http_headers", {"X-Forwarded-For": "203.0.113.7"})
        window = Window(chromium.new_context(**given), service)
        window.page.set_default_timeout(10_000)
        windows.append(window)
        return window

    yield make
    for window in windows:
        window.context.close()
    assert [said for window in windows for said in window.complaints] == []


@pytest.fixture
def somebody(service: live.Service) -> str:
    """The address of somebody new who may sign in."""
    return service.register(f"alice{next(_numbers)}@example.com")


@pytest.fixture
def two_people(service: live.Service) -> list[str]:
    """The addresses of two people who have nothing to do with each other."""
    return [service.register(f"{name}{next(_numbers)}@example.com") for name in ("alice", "bob")]
