"""The page around the explorer, in Chromium: how it starts or says that it cannot; what it does without a server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from flowgraph.explorer.limits import Limits
from tests.explorer_browser import FLAGS, chromium
from tests.explorer_server import Client, running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["chromium"]

# The machines that run tests are slow and have more to do.
LIMITS = Limits(order_seconds=20.0, derivation_seconds=30.0)
READY = "[data-ready=true]"


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """Chromium."""
    from playwright.sync_api import sync_playwright

    with (
        sync_playwright() as playwright,
        closing(playwright.chromium.launch(executable_path=chromium, args=FLAGS)) as b,
    ):
        yield b


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """A server with its own workers."""
    with running(LIMITS) as found:
        yield found


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page without anything in it."""
    with closing(browser.new_page()) as found:
        yield found


def address(client: Client) -> str:
    return f"http://127.0.0.1:{client.port}/"


def test_it_starts_without_an_error_and_asks_nobody_else(page: Page, client: Client) -> None:
    said: list[Any] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address(client))
    page.wait_for_selector(READY, state="attached")
    page.wait_for_load_state("networkidle")
    assert said == []
    assert [url for url in asked if not url.startswith((address(client), "data:"))] == []
    assert page.locator("#status").count() == 0


def test_letters_of_mathematics_come_from_the_fonts_of_the_figures(page: Page, client: Client) -> None:
    page.goto(address(client))
    page.wait_for_selector(READY, state="attached")
    fonts = page.evaluate("[...document.fonts].map((font) => [font.family, font.status])")
    assert fonts == [["fg-math", "loaded"], ["fg-math-roman", "loaded"]]
    width = """(text) => {
      const canvas = new OffscreenCanvas(10, 10).getContext("2d");
      canvas.font = '100px "fg-math", monospace';
      return canvas.measureText(text).width;
    }"""
    # In the monospaced font all have one width: signs that cmmi10 keeps in other places are taken from there.
    assert len({page.evaluate(width, text) for text in "xyzm"}) > 2
    assert len({page.evaluate(width, text) for text in "0123456789()"}) == 1


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("page.js", "its scripts did not start"),
        ("explorer.js", "The explorer cannot start: "),
        ("dom.js", "The explorer cannot start: "),
        ("views.css", "The explorer cannot start: "),
    ],
)
def test_it_says_so_where_a_file_is_missing(page: Page, client: Client, file: str, says: str) -> None:
    page.route(f"**/{file}", lambda route: route.abort())
    page.goto(address(client))
    page.get_by_text(says).wait_for()
    assert page.locator("#status").is_visible()


def test_it_starts_without_the_fonts(page: Page, client: Client) -> None:
    page.route("**/fonts/*", lambda route: route.abort())
    page.goto(address(client))
    page.wait_for_selector(READY, state="attached")


def test_it_says_so_where_scripts_are_off(browser: Browser, client: Client) -> None:
    with closing(browser.new_context(java_script_enabled=False)) as context:
        page = context.new_page()
        page.goto(address(client))
        assert "Allow scripts for this page" in page.inner_text("noscript")


def test_a_lost_server_is_told_and_what_was_asked_is_answered_when_it_is_back(page: Page) -> None:
    with running(LIMITS) as client:
        page.goto(address(client))
        page.wait_for_selector(READY, state="attached")
        before = page.locator(READY).get_attribute("data-seq")
    page.keyboard.press("b")
    banner = page.get_by_role("alert").filter(has_text="does not answer")
    banner.wait_for()
    assert re.search(rf"flowgraph explore --port {client.port}\b", banner.inner_text())
    page.get_by_role("button", name="Try again").click()
    assert banner.is_visible()
    with running(LIMITS, port=client.port):
        banner.wait_for(state="hidden")
        # Playwright looks into the shadow root.
        page.locator(f"{READY}:not([data-seq='{before}'])").wait_for(state="attached")


def test_an_answer_with_a_status_is_an_error_like_any_other(page: Page, client: Client) -> None:
    page.goto(address(client))
    page.wait_for_selector(READY, state="attached")
    said = page.evaluate(
        """async () => {
          const send = (type) => fetch("/evaluate", { method: "POST", headers: { "Content-Type": type }, body: "[" });
          return [(await send("text/plain")).status, (await send("application/json")).status];
        }"""
    )
    assert said == [415, 400]
