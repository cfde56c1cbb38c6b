"""The tab "Order" in a browser: rows are dragged, moved by keys, and put into other orders."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

import flowgraph as fg
from tests.explorer_browser import Explorer, Visit, browser, chromium, expect, scaling, server, visit

__all__ = ["browser", "chromium", "server", "visit"]

HALVES = "inputs x1, x2\nt1 = p(x1)\nt2 = p(x2)\nz1 = q(x1, t1)\nz2 = q(x2, t2)\noutputs z1, z2"
"""One lump of two as it stands; two lumps in the order 0 2 1 3."""

ROSENBROCK = "inputs x, y\nd = y - x**2\nu = 2*(x - 1) - 400*x*d\nv = 200*d\noutputs u, v"
"""Eight steps, best as they stand: three lumps. With the second step later there are two, and they cost more."""


def _is_shown(explorer: Explorer, program: str, order: Sequence[int]) -> None:
    """Hold that lumps and costs are those that the library finds for an order."""
    found = fg.analyze(fg.parse(program), order).to_json()["operation_counts"]["lumps"]
    sizes = [lump.size for lump in fg.lumps(fg.parse(program), order)]
    expect(explorer.part("lump")).to_have_count(len(sizes))
    labels = [label.get_attribute("aria-label") or "" for label in explorer.part("lump").all()]
    assert sorted(int(re.findall(r"l = (\d+)", label)[0]) for label in labels) == sorted(sizes)
    expect(explorer.page.locator(".cost-number")).to_have_text(str(found["total"]["total"]))
    expect(explorer.part("costs")).to_contain_text(re.compile(rf"(?<![\d.]){found['ratio']:.3g} ×\sJ\sv"))


def test_dragging_to_a_legal_place_shows_the_order_before_it_is_taken(visit: Visit) -> None:
    explorer = visit(ROSENBROCK)
    _is_shown(explorer, ROSENBROCK, range(8))
    seq = explorer.seq
    explorer.drag(1, 1, drop=False)
    explorer.drawn_since(seq)
    # The second step needs the first, and the sixth needs it: rows 2 to 5.
    expect(explorer.page.locator(".legal rect")).to_have_count(1)
    dimmed = [row.get_attribute("data-row") for row in explorer.page.locator(".row.dimmed").all()]
    assert sorted(map(str, dimmed)) == ["1", "6", "7", "8"]
    after = (0, 2, 1, *range(3, 8))
    explorer.expect_steps(*after)
    expect(explorer.part("costs")).to_contain_text("(was 3)")
    expect(explorer.page.locator(".change.worse")).to_have_text("+4")
    assert "order" not in explorer.page.evaluate("location.hash") or explorer.state()["order"] is None
    explorer.page.mouse.up()
    expect(explorer.page.locator(".legal rect")).to_have_count(0)
    expect(explorer.part("costs")).not_to_contain_text("(was 3)")
    explorer.expect_steps(*after)
    _is_shown(explorer, ROSENBROCK, after)
    assert explorer.until_state(lambda state: state["order"] is not None)["order"] == list(after)


def test_dragging_to_an_illegal_place_names_what_is_in_the_way(visit: Visit) -> None:
    explorer = visit(HALVES)
    explorer.drag(2, -2, drop=False)
    expect(explorer.page.locator(".blocking-words")).to_have_text("z1 needs t1")
    explorer.page.mouse.up()
    explorer.toast("z1 needs t1")
    explorer.live("z1 needs t1")
    explorer.expect_steps(0, 1, 2, 3)
    expect(explorer.part("undo")).to_have_attribute("aria-disabled", "true")
    explorer.drag(0, 3)
    expect(explorer.part("toast").filter(has_text="z1 needs t1")).to_have_count(1)
    explorer.expect_steps(0, 1, 2, 3)


def test_escape_puts_a_dragged_row_back(visit: Visit) -> None:
    explorer = visit(HALVES)
    explorer.drag(0, 1, drop=False)
    explorer.expect_steps(1, 0, 2, 3)
    explorer.press("Escape")
    assert explorer.steps() == [0, 1, 2, 3], "at once, and not with the next answer"
    expect(explorer.page.locator(".row.dragged")).to_have_count(0)
    explorer.page.mouse.up()
    explorer.idle()
    explorer.expect_steps(0, 1, 2, 3)
    expect(explorer.part("undo")).to_have_attribute("aria-disabled", "true")


def test_a_press_that_ended_outside_the_drawing_is_no_drag(visit: Visit) -> None:
    explorer = visit(HALVES)
    x, y = explorer.middle(2)
    editor = explorer.part("editor").bounding_box()
    assert editor is not None
    explorer.page.mouse.move(x, y)
    explorer.page.mouse.down()
    explorer.page.mouse.move(editor["x"] + 9, y)
    explorer.page.mouse.up()
    explorer.page.mouse.move(x, y - explorer.pitch(), steps=4)
    expect(explorer.page.locator(".row.dragged")).to_have_count(0)
    explorer.expect_steps(0, 1, 2, 3)


def test_a_click_on_a_row_selects_it_and_moves_nothing(visit: Visit) -> None:
    explorer = visit(HALVES)
    explorer.row(3).click()
    expect(explorer.part("detail")).to_contain_text("z2 = q(x2, t2)")
    expect(explorer.row(3)).to_be_focused()
    expect(explorer.row(3)).to_have_class(re.compile("selected"))
    explorer.expect_steps(0, 1, 2, 3)


def _touch(explorer: Explorer, x: float, y: float, by: float) -> None:
    """A finger that goes straight down (or up) and leaves."""
    session = explorer.page.context.new_cdp_session(explorer.page)
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for part in range(1, 9):
        points = [{"x": x, "y": y + by * part / 8}]
        session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": points})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    session.detach()


def test_a_finger_drags_by_the_handle_and_scrolls_elsewhere(visit: Visit) -> None:
    explorer = visit(scaling(40), has_touch=True, is_mobile=True, viewport={"width": 390, "height": 700})
    scroller = explorer.page.locator(".scroller")
    before = explorer.steps()
    box = explorer.row(5).locator(".code").bounding_box()
    assert box is not None
    scroller.evaluate("(element) => element.addEventListener('scrollend', () => element.dataset.still = 'yes')")
    _touch(explorer, box["x"] + 5, box["y"] + 5, -120)
    explorer.page.locator(".scroller[data-still]").wait_for()
    assert scroller.evaluate("(element) => element.scrollTop") > 40
    assert explorer.steps()[:4] == before[:4]
    scroller.evaluate("(element) => element.scrollTo(0, 0)")
    explorer.row(0).wait_for()
    # v1 reads x1 and x2, and v2 overwrites x2: of the first steps, only neighbours in the ring hold each other.
    x, y = explorer.middle(2)
    expect(explorer.row(2)).to_have_attribute("aria-label", re.compile("may go to rows"))
    first, last = map(int, re.findall(r"rows (\d+) to (\d+)", explorer.row(2).get_attribute("aria-label") or "")[0])
    assert first <= 4 <= last
    _touch(explorer, x, y, explorer.pitch())
    explorer.until("() => ROOT.querySelector(\"[data-testid=row][data-step='2']\").dataset.row === '4'")
    assert explorer.until_state(lambda state: state["order"] is not None)["order"][:4] == [0, 1, 3, 2]


def test_alt_and_arrows_move_the_row_that_has_the_focus(visit: Visit) -> None:
    explorer = visit(HALVES)
    explorer.row(2).focus()
    explorer.press("Alt+ArrowUp")
    explorer.expect_steps(0, 2, 1, 3)
    explorer.live("z1 is in row 2, 2 lumps")
    expect(explorer.row(2)).to_be_focused()
    explorer.press("Alt+ArrowUp")
    explorer.toast("z1 needs t1")
    expect(explorer.page.locator(".blocking-words")).to_have_text("z1 needs t1")
    explorer.expect_steps(0, 2, 1, 3)
    explorer.press("Alt+ArrowDown", "Alt+ArrowDown")
    explorer.expect_steps(0, 1, 3, 2)
    explorer.press("Alt+ArrowDown")
    explorer.live("already the last step")
    explorer.press("Home")
    expect(explorer.row(0)).to_be_focused()
    # After a click on a tab the keys are for what it shows.
    explorer.part("tab-check").click()
    explorer.part("tab-order").click()
    explorer.press("ArrowDown")
    expect(explorer.row(0)).to_be_focused()
    explorer.press("ArrowDown")
    expect(explorer.row(1)).to_be_focused()
    explorer.press("End")
    expect(explorer.row(2)).to_be_focused()


def test_orders_at_the_push_of_a_button(visit: Visit) -> None:
    explorer = visit(ROSENBROCK)
    expect(explorer.part("original")).to_have_attribute("aria-pressed", "true")
    explorer.part("worst").click()
    expect(explorer.part("lump")).to_have_count(1)
    expect(explorer.part("costs")).to_contain_text("6 above the best order")
    _is_shown(explorer, ROSENBROCK, explorer.steps())
    explorer.part("best").click()
    explorer.expect_steps(*fg.best_order(fg.parse(ROSENBROCK)))
    expect(explorer.part("best")).to_have_attribute("aria-pressed", "true")
    expect(explorer.part("costs")).to_contain_text("as cheap as the best order")
    for _ in range(3):
        explorer.part("random").click()
        explorer.idle()
        order = explorer.steps()
        _is_shown(explorer, ROSENBROCK, order)
        assert order.index(0) < order.index(1) < order.index(5)
    explorer.part("original").click()
    explorer.expect_steps(*range(8))


def test_the_distribution_of_costs_marks_the_order_at_hand(visit: Visit) -> None:
    explorer = visit(ROSENBROCK)
    histogram = explorer.page.locator(".histogram")
    expect(histogram).to_have_attribute("aria-label", re.compile(r"^\d+ random orders, 10 to 16 operations"))
    place = "() => ROOT.querySelector('.histogram .mark.{}')?.getAttribute('d').match(/M([\\d.]+)/)[1]"
    best = explorer.ask(place.format("this"))
    explorer.part("worst").click()
    explorer.until(f"(best) => Number(({place.format('this')})()) > Number(best)", best)
    expect(histogram).to_have_attribute("aria-label", re.compile("better than 0 %"))


def test_undo_redo_by_buttons_and_keys(visit: Visit) -> None:
    explorer = visit(HALVES)
    explorer.part("best").click()
    explorer.expect_steps(0, 2, 1, 3)
    explorer.drag(2, 1)
    explorer.expect_steps(0, 1, 2, 3)
    explorer.part("undo").click()
    explorer.expect_steps(0, 2, 1, 3)
    explorer.press("Control+z")
    explorer.expect_steps(0, 1, 2, 3)
    expect(explorer.part("undo")).to_have_attribute("aria-disabled", "true")
    explorer.press("Control+z")
    explorer.live("nothing to undo")
    explorer.press("Control+Shift+Z")
    explorer.expect_steps(0, 2, 1, 3)
    explorer.part("redo").click()
    explorer.expect_steps(0, 1, 2, 3)
    expect(explorer.part("redo")).to_have_attribute("aria-disabled", "true")


def test_saved_orders_are_taken_up_and_forgotten(visit: Visit) -> None:
    explorer = visit(HALVES)
    explorer.part("best").click()
    explorer.expect_steps(0, 2, 1, 3)
    explorer.part("save-name").fill("in pairs")
    explorer.part("save").click()
    saved = explorer.part("saved").locator(".saved-load")
    expect(saved).to_have_text(re.compile(r"in pairs.*2 lumps"))
    expect(explorer.part("save-name")).to_have_value("")
    explorer.part("original").click()
    expect(saved).to_have_attribute("aria-pressed", "false")
    saved.click()
    explorer.expect_steps(0, 2, 1, 3)
    expect(saved).to_have_attribute("aria-pressed", "true")
    explorer.page.get_by_role("button", name="forget in pairs").click()
    expect(saved).to_have_count(0)


def test_pointing_tells_where_a_value_lives_and_why_a_lump_exists(visit: Visit) -> None:
    explorer = visit(HALVES)
    card = explorer.page.locator(".card")
    explorer.row(0).locator(".vertex").hover()
    expect(card).to_contain_text("lives from row 1 to row 3; read by z1")
    expect(explorer.page.locator(".live-ring")).to_have_count(1)
    explorer.part("lump").locator(".lump-text").hover()
    expect(card).to_contain_text("lump 1 of 1: l = 2")
    expect(card.locator("p")).not_to_have_count(0)
    expect(card).not_to_contain_text("why it exists")
    explorer.part("editor").hover()
    expect(card).to_be_hidden()


def test_blocks_are_outlined_where_they_are_finer_than_lumps(visit: Visit) -> None:
    explorer = visit(HALVES)
    expect(explorer.part("block")).to_have_count(2)
    explorer.part("best").click()
    expect(explorer.part("block")).to_have_count(0)


@pytest.mark.parametrize("steps", [400, 2_000])
def test_long_programs_are_scrolled_reordered_and_dragged(visit: Visit, steps: int) -> None:
    text = scaling(steps)
    explorer = visit(text)
    expect(explorer.page.locator(".caption")).to_contain_text(f"{steps:,} steps".replace(",", "\u202f"))
    rows = len(explorer.steps())
    assert 10 < rows < 60, "only rows near the view are in the document"
    best = list(fg.best_order(fg.parse(text)))
    explorer.part("random").click()
    assert explorer.until_state(lambda state: state["order"] is not None)["order"] != best
    explorer.part("best").click()
    explorer.until_state(lambda state: (state["order"] or list(range(steps))) == best)
    explorer.page.locator(".scroller").evaluate("(element) => element.scrollTo(0, element.scrollHeight)")
    explorer.row(best[-1]).wait_for()
    assert len(explorer.steps()) < 60
    # A lump has one step, so some step near the end may go one row up.
    movable = next(
        (
            k
            for k in reversed(explorer.steps())
            if "may go to rows" in (explorer.row(k).get_attribute("aria-label") or "")
        ),
        None,
    )
    assert movable is not None
    label = explorer.row(movable).get_attribute("aria-label") or ""
    row, first, last = map(int, re.findall(r"row (\d+):.* rows (\d+) to (\d+)", label)[0])
    by = -1 if first < row else 1
    assert first <= row + by <= last
    explorer.row(movable).locator(".grip").scroll_into_view_if_needed()
    explorer.drag(movable, by)
    explorer.until(
        "([step, row]) => ROOT.querySelector(`[data-testid=row][data-step='${step}']`)?.dataset.row === String(row)",
        [movable, row + by],
    )
    state = explorer.until_state(lambda state: state["order"] not in (None, best))
    assert state["order"].index(movable) == row + by - 1
    assert sorted(state["order"]) == list(range(steps))
