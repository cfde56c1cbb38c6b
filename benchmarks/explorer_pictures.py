"""Draw the pictures of docs/explorer.md: ``python -m benchmarks.explorer_pictures [FOLDER]``.

Starts the explorer, drives Chromium through Playwright, and writes order.png and derivation.png, by default where the
documentation has them. Needs ``pip install 'flowgraph[explore,dev]'``, Pillow and Chromium.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from playwright.sync_api import sync_playwright

from benchmarks.explorer_page import COMMAND, FLAGS, chromium_path, serving

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "explorer"
PROGRAMS = tuple(str(ROOT / "papers_examples" / name) for name in ("delayed.fg", "figure2.fg"))
MOST_BYTES = 250_000


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
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with serving(*COMMAND, *PROGRAMS) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(FLAGS))
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
