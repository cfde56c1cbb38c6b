"""Draw the pictures of docs/explorer.md: ``python docs/explorer/pictures.py [FOLDER]``.

Starts the explorer, drives Chromium through Playwright, and writes order.png and derivation.png, by default beside this
file. Needs ``pip install 'flowgraph[explore,dev]'``, Pillow and Chromium.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from playwright.sync_api import Page

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "papers_examples"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
MOST_BYTES = 250_000


@contextmanager
def explorer(*programs: str) -> Iterator[str]:
    """The address of an explorer with some examples open."""
    files = [str(EXAMPLES / name) for name in programs]
    command = [sys.executable, "-m", "flowgraph", "explore", *files, "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        try:
            yield next(found[0] for line in process.stdout if (found := re.search(r"http://127\.0\.0\.1:\d+/", line)))
        finally:
            process.terminate()


def choose(page: Page, program: str) -> None:
    """Open one of the programs by the menu."""
    page.get_by_test_id("program-menu").click()
    page.locator(f"[data-testid=program][data-name='{program}']").first.click()
    settled(page)


def settled(page: Page) -> None:
    """Wait until nothing is under way."""
    page.wait_for_timeout(400)
    page.wait_for_selector(".root[data-busy=false]", timeout=60_000)
    page.wait_for_timeout(300)


def order(page: Page) -> None:
    """Two sweeps of couplings on the way from their own order, one lump, to the best one of 21."""
    choose(page, "delayed.fg")
    page.locator("[data-testid=row][data-row='1']").click(position={"x": 60, "y": 12})
    for _ in range(15):
        page.keyboard.press("Alt+ArrowDown")
        page.wait_for_timeout(60)
    page.wait_for_selector(".histogram", timeout=60_000)
    settled(page)


def derivation(page: Page) -> None:
    """Figure 3 of the paper, from (b) to (c): a layer is inverted."""
    choose(page, "figure2.fg")
    page.get_by_test_id("tab-derivation").click()
    page.locator(".derivation [data-mode=forward-inverse]").click()
    settled(page)
    page.locator(".crumbs").click()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(150)
    settled(page)


def main() -> None:
    """Write both pictures."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    folder.mkdir(parents=True, exist_ok=True)
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with explorer("delayed.fg", "figure2.fg") as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        for draw in (order, derivation):
            context = browser.new_context(
                viewport={"width": 1280, "height": 800},
                device_scale_factor=1.5,
                color_scheme="light",
                reduced_motion="reduce",
            )
            page = context.new_page()
            page.goto(address)
            page.wait_for_selector("[data-ready=true]")
            draw(page)
            page.mouse.move(800, 20)
            page.wait_for_timeout(200)
            path = folder / f"{draw.__name__}.png"
            data = page.screenshot()
            context.close()
            # Few colours are in it, so a palette loses nothing that can be seen.
            image = Image.open(io.BytesIO(data)).convert("RGB")
            image.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
            size = path.stat().st_size
            print(f"{path}: {size} bytes" + (f", more than {MOST_BYTES}" if size > MOST_BYTES else ""))
        browser.close()


if __name__ == "__main__":
    main()
