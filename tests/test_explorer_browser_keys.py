"""The explorer for everybody: by keys alone, to screen readers, on narrow pages, in both themes, without motion."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from tests.explorer_browser import Explorer, Visit, browser, chromium, expect, server, visit

__all__ = ["browser", "chromium", "server", "visit"]

TEXT = "inputs x1, x2\nt1 = p(x1)\nt2 = p(x2)\nz1 = q(x1, t1)\nz2 = q(x2, t2)\noutputs z1, z2"
TABS = ("order", "derivation", "check")


def open_tab(visit: Visit, tab: str, **settings: Any) -> Explorer:
    """A tab with all that it loads by itself."""
    explorer = visit(TEXT, state={"tab": tab, "position": 2 if tab == "derivation" else 0}, **settings)
    if tab == "derivation":
        expect(explorer.part("badge")).to_have_attribute("data-ok", "true")
    if tab == "check":
        expect(explorer.part("number-result")).to_have_count(4)
        expect(explorer.page.locator(".numbers-graph .values li").first).to_be_visible()
    if tab == "order":
        explorer.page.locator(".distribution p").filter(has_text="random orders").wait_for(state="attached")
    explorer.idle()
    return explorer


# -- keys --------------------------------------------------------------------------------------------------------------


def _walk(explorer: Explorer) -> list[str]:
    """What Tab reaches, from the top of the page to its end. Each must look different with the focus on it."""
    explorer.look()
    explorer.page.evaluate("() => window.focusOf()?.blur()")
    seen: list[str] = []
    plain: list[str] = []
    for _ in range(120):
        explorer.press("Tab")
        found = explorer.page.evaluate("window.step()")
        plain += [found[1]] if found[1] else []
        if found[0] is None or found[0] in seen:
            break
        seen.append(found[0])
    assert not plain, f"the focus cannot be seen on: {plain}"
    return seen


@pytest.mark.parametrize("tab", TABS)
def test_tab_reaches_everything_and_the_focus_is_seen(visit: Visit, tab: str) -> None:
    explorer = open_tab(visit, tab)
    seen = _walk(explorer)
    wanted = explorer.page.evaluate("() => window.tabbable().map(window.nameOf)")
    assert len(seen) > 15
    assert set(wanted) <= set(seen), f"not reached: {set(wanted) - set(seen)}"


def test_everything_is_done_without_a_mouse(visit: Visit) -> None:
    explorer = visit()

    def tab_to(name: str, back: bool = False) -> None:
        for _ in range(60):
            if explorer.part(name).evaluate("(each) => each.getRootNode().activeElement === each"):
                return
            explorer.press("Shift+Tab" if back else "Tab")
        raise AssertionError(f"{name} is not reached")

    # Open another program from the menu, then type one.
    tab_to("program-menu")
    explorer.press("Enter")
    explorer.page.keyboard.type("figure2")
    explorer.press("ArrowDown", "Enter")
    expect(explorer.part("program-menu")).to_have_text("figure2.fg")
    tab_to("editor")
    explorer.press("Control+a")
    explorer.page.keyboard.insert_text(TEXT)
    explorer.expect_steps(0, 1, 2, 3)
    # Reorder it.
    explorer.press("Tab")
    while not explorer.ask("() => ROOT.activeElement?.matches('.row')"):
        explorer.press("Tab")
    explorer.press("End", "ArrowUp", "Alt+ArrowUp")
    explorer.expect_steps(0, 2, 1, 3)
    explorer.press("o")
    explorer.expect_steps(0, 1, 2, 3)
    explorer.press("b")
    explorer.expect_steps(0, 2, 1, 3)
    explorer.press("ArrowRight")
    expect(explorer.part("lump").first).to_be_focused()
    expect(explorer.part("detail")).to_contain_text("ump 1")
    explorer.press("ArrowLeft", "Control+z")
    explorer.expect_steps(0, 1, 2, 3)
    explorer.press("w")
    explorer.idle()
    explorer.press("r")
    explorer.idle()
    explorer.press("o")
    explorer.expect_steps(0, 1, 2, 3)
    # Save the order under a name.
    tab_to("save-name")
    explorer.page.keyboard.type("mine b r w 1 2 3 ? s")
    explorer.press("Enter")
    expect(explorer.part("saved")).to_contain_text("mine b r w 1 2 3 ? s")
    expect(explorer.part("tab-order")).to_have_attribute("aria-selected", "true")
    # To the tabs, by digits and by arrows.
    tab_to("tab-order", back=True)
    explorer.press("ArrowRight")
    expect(explorer.part("tab-derivation")).to_be_focused()
    explorer.press("3")
    expect(explorer.part("verify")).to_be_visible()
    tab_to("verify")
    explorer.press("Enter")
    explorer.part("check-row").first.wait_for()
    explorer.press("2")
    expect(explorer.page.locator(".stage-button").first).to_be_visible()
    explorer.press("ArrowRight")
    expect(explorer.part("badge")).to_be_visible()
    # Help and taking home.
    explorer.press("?")
    expect(explorer.part("help-dialog")).to_be_visible()
    explorer.press("Escape")
    expect(explorer.part("help-dialog")).to_be_hidden()
    explorer.press("s")
    expect(explorer.part("take-home-dialog")).to_be_visible()
    explorer.press("ArrowDown")
    tab_to("export")
    with explorer.page.expect_download() as download:
        explorer.press("Enter")
    assert download.value.suggested_filename.startswith("figure2")
    explorer.press("Escape")
    expect(explorer.part("take-home-dialog")).to_be_hidden()
    explorer.press("1")
    explorer.expect_steps(0, 1, 2, 3)


# -- screen readers ----------------------------------------------------------------------------------------------------

_NAMED = {
    *("button", "textbox", "searchbox", "checkbox", "radio", "slider", "combobox", "tab", "option", "link", "dialog"),
    *(
        "tablist",
        "listbox",
        "tabpanel",
        "region",
        "group",
        "radiogroup",
        "image",
        "img",
        "progressbar",
        "table",
        "menu",
    ),
}
_MAY_BE_NAMELESS = {"group", "table"}
"""Disclosures and tables have their words inside."""


def _tree(explorer: Explorer) -> list[tuple[str, str, dict[str, Any]]]:
    """Role, name and properties of all that Chromium tells screen readers."""
    session = explorer.page.context.new_cdp_session(explorer.page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()
    return [
        (
            node["role"]["value"],
            node.get("name", {}).get("value", "").strip(),
            {entry["name"]: entry["value"].get("value") for entry in node.get("properties", [])},
        )
        for node in nodes
        if not node["ignored"]
    ]


@pytest.mark.parametrize("tab", TABS)
def test_everything_has_a_name_and_a_place(visit: Visit, tab: str) -> None:
    explorer = open_tab(visit, tab)
    for dialog in (None, "help", "take-home"):
        if dialog is not None:
            explorer.part(dialog).click()
            expect(explorer.part(f"{dialog}-dialog")).to_be_visible()
        tree = _tree(explorer)
        nameless = [role for role, name, _ in tree if role in _NAMED - _MAY_BE_NAMELESS and not name]
        assert not nameless, f"{dialog or tab}: {nameless}"
        if dialog is None:
            levels = [int(told["level"]) for role, _, told in tree if role == "heading"]
            assert levels.count(1) == 1
            assert all(b - a <= 1 for a, b in pairwise(levels)), levels
            roles = [role for role, *_ in tree]
            assert roles.count("main") == roles.count("banner") == 1
            live = [told for role, _, told in tree if role == "status" and told.get("live") == "polite"]
            assert live
        else:
            explorer.press("Escape")
