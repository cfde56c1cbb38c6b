"""The explorer in Chromium: a real server process, pages that are watched, and what a person does on them.

Every page is watched while a test runs. At its end nothing may stand in the console, no script may have failed, no
policy may have been broken, and nothing may have been asked of any other machine.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.explorer_page import FLAGS, chromium_path, link, serving, unlink

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page

SCRIPTS = Path(__file__).with_suffix(".js")

PATIENCE = 30_000
"""How long a test waits for something that should come at once, in ms: the machine may have much else to do."""

ROOT = "document.querySelector('#explorer').shadowRoot"

_STEPS = (
    f"[...{ROOT}.querySelectorAll('[data-testid=row][data-step]')]"
    ".sort((a, b) => a.dataset.row - b.dataset.row).map((row) => Number(row.dataset.step))"
)

_WATCH = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy ${event.violatedDirective} against ${event.blockedURI || event.sample}`));
"""


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium. Where it is missing tests are skipped; in continuous integration they fail."""
    found = chromium_path()
    missing = "Chromium" if found is None else "Playwright" if find_spec("playwright") is None else None
    if found is not None and missing is None:
        return found
    why = f"{missing} is not installed, so nothing can be tested in a browser (.ci/run installs Chromium)"
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


# -- the server --------------------------------------------------------------------------------------------------------


_PATIENT = """
from dataclasses import replace
from flowgraph.explorer.limits import LIMITS
from flowgraph.explorer.server import serve
limits = replace(LIMITS, order_seconds=30.0, derivation_seconds=60.0)
serve(limits=limits, ready=lambda address: print(address, flush=True))
"""

PATIENT = (sys.executable, "-c", _PATIENT)
"""The same, but requests may take long: a machine that is busy with other tests is no mistake of the explorer."""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return place.getsockname()[1]


@pytest.fixture(scope="session")
def server(chromium: str) -> Iterator[str]:
    """The address of a server for all tests of this process: it keeps nothing between requests."""
    with serving(*PATIENT) as address:
        yield address


# -- pages that are watched --------------------------------------------------------------------------------------------


@dataclass
class Watch:
    """What pages did that they should not.

    Attributes:
        address: where they may ask.
        faults: what was seen.
        expected: what has to be seen, once at least, and is no fault.
    """

    address: str
    faults: list[str] = field(default_factory=list)
    expected: re.Pattern[str] | None = None

    def attach(self, context: BrowserContext) -> None:
        context.on("console", self._console)
        context.on("weberror", lambda error: self.faults.append(f"page error: {error.error}"))
        context.on("request", lambda request: self._request(request.url))
        context.add_init_script(_WATCH)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning", "assert"):
            self.faults.append(f"console {message.type}: {message.text}")

    def _request(self, url: str) -> None:
        if not url.startswith((self.address, f"blob:{self.address}", "data:")):
            self.faults.append(f"request to {url}")

    def check(self) -> None:
        """Raise what was seen."""
        expected = self.expected
        faults = [fault for fault in self.faults if expected is None or not expected.search(fault)]
        assert not faults, "\n".join(faults)
        assert expected is None or self.faults, f"nothing like {expected.pattern} was seen"


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """Chromium. It ends with the module: while it runs, no test of its process can run a loop of asyncio."""
    from playwright.sync_api import expect as assertions
    from playwright.sync_api import sync_playwright

    assertions.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield found
        found.close()


Visit = Callable[..., "Explorer"]


@pytest.fixture
def visit(browser: Browser, server: str) -> Iterator[Visit]:
    """Opens the explorer in a new browser context: ``visit(text, tab="check", viewport=...)``.

    Args:
        text: the program; None for what the explorer shows by itself.
        at: another address.
        state: fields of the state that the link holds, such as mode and tab.
        settings: of the context, such as viewport and color_scheme.
    """
    opened: list[tuple[BrowserContext, Watch]] = []

    def open_page(
        text: str | None = None, *, at: str = server, state: dict[str, Any] | None = None, **settings: Any
    ) -> Explorer:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **settings})
        context.set_default_timeout(PATIENCE)
        watch = Watch(at)
        watch.attach(context)
        opened.append((context, watch))
        explorer = Explorer(context.new_page(), watch)
        explorer.go("" if text is None else link(text, **(state or {})))
        return explorer

    try:
        yield open_page
    finally:
        for context, _ in opened:
            context.close()
    for _, watch in opened:
        watch.check()


def expect(shown: Locator) -> Any:
    """Playwright's assertions, which wait; without Playwright tests are to be skipped, not broken."""
    from playwright.sync_api import expect as assertions

    return assertions(shown)


# -- what a person does and sees ---------------------------------------------------------------------------------------


class Explorer:
    """A page with the explorer."""

    def __init__(self, page: Page, watch: Watch) -> None:
        self.page = page
        self.watch = watch

    def go(self, fragment: str = "") -> None:
        """Open it, and wait until it shows something."""
        self.page.goto(self.watch.address + fragment)
        self.page.locator(".root[data-ready=true]").wait_for()
        self.idle()

    def again(self) -> Explorer:
        """Another page of the same browser context."""
        return Explorer(self.page.context.new_page(), self.watch)

    def part(self, name: str) -> Locator:
        return self.page.get_by_test_id(name)

    def row(self, step: int) -> Locator:
        return self.page.locator(f"[data-testid=row][data-step='{step}']")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def ask(self, script: str, given: Any = None) -> Any:
        """Evaluate JavaScript; ``ROOT`` in it is the shadow root."""
        return self.page.evaluate(script.replace("ROOT", ROOT), given)

    def until(self, script: str, given: Any = None) -> Any:
        """Wait until JavaScript gives something true; that."""
        return self.page.wait_for_function(script.replace("ROOT", ROOT), arg=given).json_value()

    def look(self) -> None:
        """Give the page the functions of ``explorer_browser.js``."""
        self.page.evaluate("{" + SCRIPTS.read_text(encoding="utf-8") + "}")

    def idle(self) -> None:
        """Wait until no request runs."""
        self.page.locator(".root[data-busy=false]").wait_for()

    @property
    def seq(self) -> int:
        """The number of the reply that is drawn."""
        return int(self.page.locator(".root").get_attribute("data-seq") or 0)

    def drawn_since(self, seq: int) -> None:
        """Wait until something newer is drawn."""
        self.until("(seq) => Number(ROOT.querySelector('.root').dataset.seq) > seq", seq)

    def steps(self) -> list[int]:
        """The steps whose rows are in the document, from above."""
        return self.page.evaluate(_STEPS)

    def expect_steps(self, *steps: int) -> None:
        """Wait until exactly these rows stand there, in this order."""
        from playwright.sync_api import TimeoutError as Late

        try:
            self.page.wait_for_function(f"(wanted) => {_STEPS}.join() === wanted", arg=",".join(map(str, steps)))
        except Late:
            assert self.steps() == list(steps)

    def live(self, words: str | re.Pattern[str]) -> None:
        """Wait until a screen reader is told something."""
        expect(self.part("live")).to_contain_text(words)

    def toast(self, words: str) -> None:
        """Wait for a note that says something."""
        self.part("toast").filter(has_text=words).wait_for()

    def type(self, text: str) -> None:
        """Put a whole text into the editor, as somebody who pastes it."""
        self.part("editor").fill(text)

    def middle(self, step: int) -> tuple[float, float]:
        """A place on the handle of a row, in the window."""
        box = self.row(step).locator(".grip").bounding_box()
        assert box is not None
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def pitch(self) -> float:
        """The distance of rows on the screen."""
        return self.ask(
            "() => { const rows = [...ROOT.querySelectorAll('[data-testid=row]')].map((row) => "
            "row.querySelector('.hit').getBoundingClientRect().height); return rows[0] + 2; }"
        )

    def drag(self, step: int, rows: float, drop: bool = True) -> None:
        """Drag a row by its handle with the mouse, some rows down (or up), in moves of a few pixels."""
        # Where a row still glides to its place, the mouse would take hold of another one.
        self.row(step).locator(".code").first.hover(trial=True)
        x, y = self.middle(step)
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x + 2, y + rows * self.pitch(), steps=8)
        if drop:
            self.page.mouse.up()

    def state(self) -> dict[str, Any]:
        """The state in the address; it is written a moment after the last change."""
        return unlink(self.page.evaluate("location.hash"))

    def until_state(self, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until the state in the address is as wanted."""
        before = ""
        while True:
            fragment = self.page.evaluate("location.hash")
            if fragment and true(unlink(fragment)):
                return unlink(fragment)
            before = fragment
            self.page.wait_for_function("(before) => location.hash !== before", arg=before)


def scaling(steps: int, registers: int = 8) -> str:
    """A long program of lumps of one step: each register is overwritten in turn, read by its neighbour."""
    names = [f"x{k}" for k in range(registers)]
    lines = [f"inputs {', '.join(names)}"]
    for k in range(steps):
        target, other = k % registers, (k + 1) % registers
        lines.append(f"v{k} = f{k % 5}({names[target]}, {names[other]})")
        names[target] = f"v{k}"
    return "\n".join([*lines, f"outputs {', '.join(names)}"])
