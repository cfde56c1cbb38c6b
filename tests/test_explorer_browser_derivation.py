"""The tabs "Derivation" and "Check" in a browser, held against the derivations and the numbers of the library."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pytest

import flowgraph as fg
from tests.explorer_browser import Explorer, Visit, browser, chromium, expect, scaling, server, visit

__all__ = ["browser", "chromium", "server", "visit"]

POLAR = "inputs x, y\nr = hypot(x, y)\ns = y / r\ntheta = asin(s)\noutputs r, theta"
SHIFTED = "inputs x, y\nu = x + 1\nv = f(y, u)\noutputs u, v"
"""Its first step has the partial 1, whose inverse is 1: to invert it changes nothing."""

HALVES = "inputs x1, x2\nt1 = p(x1)\nt2 = p(x2)\nz1 = q(x1, t1)\nz2 = q(x2, t2)\noutputs z1, z2"
BOTTLENECK = "inputs x, y, z\nt = exp(y)\ns = t * x\nu = z + s\noutputs y, t, u"
"""Singular for every x: x and z reach the outputs through u only."""

MODES = ("forward", "reverse", "forward-inverse", "reverse-inverse")

_EDGES = (
    "(name) => [...ROOT.querySelectorAll(`[data-testid=scene-${name}] .is-edge[data-key*=' -> ']`)]"
    ".map((edge) => edge.dataset.key).filter((key) => !/^input -> | -> output$/.test(key)).sort()"
)


def _edges(graph: fg.FlowGraph) -> list[str]:
    name = {vertex.id: vertex.name for vertex in graph.vertices}
    return sorted(f"{name[edge.source]} -> {name[edge.target]}" for edge in graph.edges)


def _derivation(text: str, mode: str, order: Sequence[int] | None = None) -> fg.Derivation:
    """The library's derivation in an order, the program's own where none is given."""
    program = fg.parse(text)
    return fg.derive(program, mode, order=range(program.n_steps) if order is None else order)


def _shows(explorer: Explorer, pane: str, graph: fg.FlowGraph) -> None:
    """Wait until a drawing has the edges of a graph, and no others."""
    from playwright.sync_api import TimeoutError as Late

    wanted = _edges(graph)
    try:
        explorer.until(f"([name, wanted]) => ({_EDGES})(name).join() === wanted", [pane, ",".join(wanted)])
    except Late:
        assert explorer.ask(_EDGES, pane) == wanted


def _at(explorer: Explorer, derivation: fg.Derivation, position: int) -> None:
    """Wait for a place of a derivation, and hold that it is what the library says."""
    total = len(derivation.steps)
    words = f"{position} of {total} in all" if position else f"{total} application"
    expect(explorer.page.locator(".crumbs .overall")).to_contain_text(words)
    expect(explorer.page.locator(".stage-button[aria-current=step]")).to_have_attribute(
        "data-stage", derivation.stage_at(position)
    )
    if position:
        expect(explorer.part("site")).to_have_text(derivation.site_text(position))
        rule = derivation.rules[derivation.steps[position - 1].rule]
        expect(explorer.part("rule-name")).to_have_text(rule.title)
        expect(explorer.part("badge")).to_have_attribute("data-ok", "true")
        expect(explorer.part("badge")).to_contain_text("checked exactly")
        _shows(explorer, "before", derivation.graph_after(position - 1))
    _shows(explorer, "after", derivation.graph_after(position))


@pytest.mark.parametrize("mode", MODES)
def test_arrows_lead_through_the_whole_derivation(visit: Visit, mode: str) -> None:
    explorer = visit(HALVES, state={"tab": "derivation", "mode": mode}, reduced_motion="reduce")
    derivation = _derivation(HALVES, mode)
    last = len(derivation.steps)
    assert not any(summary.no_op for summary in derivation.summaries())
    _at(explorer, derivation, 0)
    expect(explorer.part("previous")).to_have_attribute("aria-disabled", "true")
    for position in range(1, last + 1):
        explorer.press("ArrowRight")
        _at(explorer, derivation, position)
    expect(explorer.part("next")).to_have_attribute("aria-disabled", "true")
    explorer.live(f"{last} of {last}")
    explorer.press("ArrowRight")
    explorer.live("the end of the derivation")
    explorer.until_state(lambda state: state["position"] == last)
    explorer.press("ArrowLeft")
    _at(explorer, derivation, last - 1)
    ends = [k for k in range(last) if derivation.stage_at(k) != derivation.stage_at(k + 1)]
    for end in (end for end in reversed(ends) if end < last - 1):
        explorer.press("Shift+ArrowLeft")
        _at(explorer, derivation, end)
    for end in [*ends[1:], last]:
        explorer.press("Shift+ArrowRight")
        _at(explorer, derivation, end)


def test_modes_stages_and_applications_are_chosen_with_the_mouse(visit: Visit) -> None:
    explorer = visit(HALVES, reduced_motion="reduce")
    explorer.part("tab-derivation").click()
    explorer.page.locator("[data-mode=reverse]").click()
    derivation = _derivation(HALVES, "reverse")
    _at(explorer, derivation, 0)
    explorer.part("stage").nth(1).click()
    _at(explorer, derivation, next(k for k in range(99) if derivation.stage_at(k + 1) != derivation.stage_at(1)))
    explorer.part("application").nth(1).click()
    _at(explorer, derivation, 2)
    explorer.part("next").click()
    _at(explorer, derivation, 3)
    explorer.part("previous").click()
    _at(explorer, derivation, 2)
    track = explorer.page.locator(".track").bounding_box()
    assert track is not None
    explorer.page.mouse.click(track["x"] + track["width"] - 2, track["y"] + track["height"] / 2)
    _at(explorer, derivation, len(derivation.steps))
    explorer.part("tab-order").click()
    explorer.part("best").click()
    explorer.expect_steps(*fg.best_order(fg.parse(HALVES)))
    explorer.part("tab-derivation").click()
    best = _derivation(HALVES, "reverse", list(fg.best_order(fg.parse(HALVES))))
    _at(explorer, best, 0)


def test_what_changed_is_marked_before_and_after(visit: Visit) -> None:
    explorer = visit(HALVES, state={"tab": "derivation", "mode": "forward", "position": 1}, reduced_motion="reduce")
    derivation = _derivation(HALVES, "forward")
    _at(explorer, derivation, 1)
    before, after = (set(_edges(derivation.graph_after(k))) for k in (0, 1))
    marked = (
        "([pane, mark]) => [...ROOT.querySelectorAll(`[data-testid=scene-${pane}] .is-edge.${mark}`)]"
        ".map((edge) => edge.dataset.key)"
    )
    assert set(explorer.ask(marked, ["after", "added"])) == after - before
    assert set(explorer.ask(marked, ["before", "removed"])) == before - after
    assert after - before
    expect(explorer.page.locator(".marks-key")).to_contain_text("added")


def test_applications_that_change_nothing_are_hidden_or_shown(visit: Visit) -> None:
    explorer = visit(SHIFTED, state={"tab": "derivation", "mode": "forward-inverse"}, reduced_motion="reduce")
    derivation = _derivation(SHIFTED, "forward-inverse")
    telling = [k + 1 for k, summary in enumerate(derivation.summaries()) if not summary.no_op]
    assert len(telling) < len(derivation.steps)
    for position in telling:
        explorer.press("ArrowRight")
        _at(explorer, derivation, position)
    expect(explorer.part("application")).to_have_count(len(telling))
    explorer.part("hide").uncheck()
    expect(explorer.part("application")).to_have_count(len(derivation.steps))
    expect(explorer.page.locator(".application .noop")).to_have_count(len(derivation.steps) - len(telling))
    silent = next(k for k in range(1, len(derivation.steps) + 1) if k not in telling)
    explorer.page.locator(f"#application-{silent}").click()
    _at(explorer, derivation, silent)
    expect(explorer.page.locator(".facts")).to_contain_text("the graph stays as it was")


def test_a_long_derivation_shows_the_rows_around_its_site(visit: Visit) -> None:
    explorer = visit(scaling(400), state={"tab": "derivation", "mode": "reverse"}, reduced_motion="reduce")
    explorer.press("ArrowRight")
    expect(explorer.part("site")).not_to_be_empty()
    expect(explorer.part("badge")).to_have_attribute("data-ok", "true")
    expect(explorer.page.locator(".window-controls")).to_contain_text(re.compile(r"rows \d+–\d+ of 0–400"))
    site = explorer.part("site").inner_text()
    explorer.press("Shift+ArrowRight", "ArrowRight")
    expect(explorer.part("site")).not_to_have_text(site)
    expect(explorer.part("badge")).to_have_attribute("data-ok", "true")
    assert explorer.part("application").count() < 60
    assert len(explorer.ask(_EDGES, "after")) < 600


def test_a_singular_program_has_two_modes(visit: Visit) -> None:
    explorer = visit(BOTTLENECK, state={"tab": "derivation"}, reduced_motion="reduce")
    problem = explorer.page.locator(".derivation-message")
    expect(problem).to_contain_text("J and Jᵀ need no inverse")
    explorer.page.locator("[data-mode=forward]").click()
    expect(problem).to_be_empty()
    explorer.press("ArrowRight")
    _at(explorer, _derivation(BOTTLENECK, "forward"), 1)
    explorer.part("tab-check").click()
    explorer.part("verify").click()
    explorer.part("check-row").first.wait_for()
    expect(explorer.page.locator(".check-row.fail")).to_have_count(0)
    refused = explorer.page.locator(".number-result .refused")
    expect(refused).to_have_count(2)


@pytest.mark.parametrize("text", [POLAR, HALVES])
def test_verifying_decides_every_claim(visit: Visit, text: str) -> None:
    explorer = visit(text, state={"tab": "check"})
    explorer.part("verify").click()
    rows = explorer.part("check-row")
    rows.first.wait_for()
    report = fg.verify(fg.parse(text))
    assert report.ok
    expect(rows).to_have_count(len(report.checks))
    assert [row.get_attribute("data-result") for row in rows.all()] == [
        "skipped" if check.skipped else "ok" for check in report.checks
    ]
    subjects = explorer.page.locator(".check-row th").all_inner_texts()
    assert subjects == [check.subject for check in report.checks]
    expect(explorer.page.locator(".verdict")).to_have_attribute("data-ok", "true")
    explorer.live("checks hold")


def _fill(explorer: Explorer, name: str, numbers: list[float]) -> None:
    fields = explorer.part(name).locator("input")
    expect(fields).to_have_count(len(numbers))
    for k, number in enumerate(numbers):
        fields.nth(k).fill(str(number))


def _found(explorer: Explorer, mode: str) -> list[float]:
    cells = explorer.page.locator(f".number-result[data-mode={mode}] td.found").all_inner_texts()
    return [float(cell.replace("−", "-")) for cell in cells]


def test_numbers_are_those_of_the_jacobian(visit: Visit) -> None:
    explorer = visit(POLAR, state={"tab": "check"})
    results = explorer.part("number-result")
    expect(results).to_have_count(4)
    (x, y), v = (0.6, 1.1), np.array([0.5, -2.0])
    _fill(explorer, "numbers-x", [x, y])
    _fill(explorer, "numbers-v", [0.5, -2.0])
    explorer.part("numbers-run").click()
    given = explorer.page.locator(".number-result[data-mode=forward] td.given")
    expect(given).to_have_text(["0.5", "−2"])
    explorer.idle()
    r = np.hypot(x, y)
    jacobian = np.array([[x / r, y / r], [-y / r**2, x / r**2]])
    inverse = np.linalg.inv(jacobian)
    for mode, matrix in zip(MODES, (jacobian, jacobian.T, inverse, inverse.T), strict=True):
        np.testing.assert_allclose(_found(explorer, mode), matrix @ v, rtol=2e-5)
    expect(explorer.page.locator(".agreement[data-ok=true]")).to_have_count(4)
    before = given.all_inner_texts()
    explorer.part("numbers-random").click()
    expect(given).not_to_have_text(before)
    explorer.page.get_by_role("button", name="numbers on the graph of reverse inverse").click()
    expect(explorer.page.locator(".numbers-graph h3")).to_have_text("The graph of reverse inverse mode")
    expect(explorer.page.locator(".numbers-graph .values li")).not_to_have_count(0)


def test_a_field_that_holds_no_number_is_named(visit: Visit) -> None:
    explorer = visit(POLAR, state={"tab": "check"})
    expect(explorer.part("number-result")).to_have_count(4)
    field = explorer.part("numbers-x").locator("input").nth(1)
    field.fill("one")
    explorer.part("numbers-run").click()
    message = explorer.page.locator(".numbers-message")
    expect(message).to_contain_text("x, field y")
    expect(message).to_contain_text("one")
    expect(field).to_be_focused()
    field.fill("0.25")
    field.press("Enter")
    expect(message).to_be_empty()
