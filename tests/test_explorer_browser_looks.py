"""How the explorer looks: on narrow pages, in both themes, and without motion."""

from __future__ import annotations

import pytest

from tests.explorer_browser import Visit, browser, chromium, expect, server, visit
from tests.test_explorer_browser_keys import TABS, TEXT, open_tab

__all__ = ["browser", "chromium", "server", "visit"]

SINGULAR = "inputs x, y, z\nt = exp(y)\ns = t * x\nu = z + s\noutputs y, t, u"


# -- narrow pages ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tab", TABS)
def test_nothing_is_cut_off_or_covered(visit: Visit, tab: str) -> None:
    """At 200 % a page of 1280 by 800 is laid out in 640 by 400: the same pixels, and half as many units."""
    explorer = open_tab(visit, tab)
    explorer.look()
    for width, height in ((1280, 800), (640, 400), (390, 844)):
        explorer.page.set_viewport_size({"width": width, "height": height})
        # Observers of sizes act in the next frame, and what they change is laid out in the one after.
        explorer.ask("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert explorer.ask("innerWidth") == width
        for script in ("wide", "overlaps", "covered"):
            assert explorer.ask(f"window.{script}()") == [], f"{script} at {width}"
        for dialog in ("help", "take-home"):
            explorer.part(dialog).click()
            explorer.page.locator("dialog[open]").wait_for()
            assert explorer.ask("window.wide()") == [], f"{dialog} at {width}"
            explorer.press("Escape")


# -- colours -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_stand_out_from_their_ground(visit: Visit, theme: str) -> None:
    explorer = open_tab(visit, "order", color_scheme=theme)
    explorer.look()

    def check(place: str) -> None:
        count, weak = explorer.ask("window.contrast()")
        assert count > 20, place
        assert not weak, f"{place}: {weak}"

    explorer.row(1).click()
    explorer.part("random").hover()
    check("order")
    explorer.part("best").click()
    explorer.idle()
    explorer.type(TEXT.replace("t1)", "t9)"))
    expect(explorer.part("message")).to_be_visible()
    explorer.row(0).focus()
    explorer.press("Alt+ArrowUp", "End", "Alt+ArrowUp", "Alt+ArrowUp", "Alt+ArrowUp")
    expect(explorer.part("toast").first).to_be_visible()
    check("a mistake and a refusal")
    explorer.part("program-menu").click()
    check("the menu")
    explorer.press("Escape")
    explorer.type(TEXT)
    expect(explorer.part("message")).to_have_count(0)
    for name in ("help", "take-home"):
        explorer.part(name).click()
        expect(explorer.part(f"{name}-dialog")).to_be_visible()
        check(name)
        explorer.press("Escape")
    explorer.part("tab-derivation").click()
    explorer.page.locator(".stage-button").nth(2).click()
    expect(explorer.part("badge")).to_have_attribute("data-ok", "true")
    explorer.idle()
    check("derivation")
    explorer.part("tab-check").click()
    explorer.part("verify").click()
    explorer.part("check-row").first.wait_for()
    expect(explorer.part("number-result")).to_have_count(4)
    check("check")
    explorer.type(SINGULAR)
    explorer.part("tab-order").click()
    expect(explorer.part("certificate")).to_be_visible()
    check("a certificate")


# -- motion ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_nothing_moves_by_itself_where_that_is_not_wanted(visit: Visit, motion: str) -> None:
    explorer = visit(TEXT, reduced_motion=motion)
    explorer.page.evaluate(
        """() => {
          window.moves = 0;
          const animate = Element.prototype.animate;
          Element.prototype.animate = function (...given) { window.moves++; return animate.apply(this, given); };
          const { shadowRoot } = document.querySelector("#explorer");
          for (const name of ["transitionrun", "animationstart"]) {
            shadowRoot.addEventListener(name, () => window.moves++);
          }
        }"""
    )
    explorer.part("best").click()
    explorer.expect_steps(0, 2, 1, 3)
    explorer.row(2).focus()
    explorer.press("Alt+ArrowDown")
    explorer.expect_steps(0, 1, 2, 3)
    assert (explorer.page.evaluate("window.moves") > 0) == (motion == "no-preference")
    explorer.part("tab-derivation").click()
    expect(explorer.page.locator(".stage-button").first).to_be_visible()
    explorer.press("ArrowRight")
    expect(explorer.part("badge")).to_be_visible()
    # In the derivation vertices glide from frame to frame; without motion a drawing is where it stays, at once.
    explorer.page.evaluate(
        """() => {
          const { shadowRoot } = document.querySelector("#explorer");
          const scene = shadowRoot.querySelector("[data-testid=scene-after]");
          window.places = [];
          window.watch = () => {
            window.places.push(scene.innerHTML);
            if (window.places.length < 60) requestAnimationFrame(window.watch);
          };
          requestAnimationFrame(window.watch);
        }"""
    )
    explorer.press("ArrowRight")
    explorer.until("() => window.places.length >= 60")
    different = explorer.page.evaluate("new Set(window.places).size")
    assert (different > 2) == (motion == "no-preference"), different
