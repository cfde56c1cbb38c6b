"""Timelines and applications: held against a replay with all graphs, and against planted wrong rules."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import pytest

import flowgraph as fg
from flowgraph.draw.scene import Scene
from flowgraph.draw.window import Window, view, window_around
from flowgraph.errors import InputError, NotInvertible
from flowgraph.explorer import derived
from flowgraph.explorer.derivation_view import Given, application, timeline
from flowgraph.graph import Workspace
from flowgraph.language import load, parse
from flowgraph.modes import Mode, derive
from flowgraph.program import Program
from flowgraph.rewrite import RULES
from flowgraph.rewrite.engine import Rule, Site
from flowgraph.rewrite.invert import Invert
from flowgraph.rewrite.shift import Shift
from flowgraph.rewrite.unlayer import Unlayer
from flowgraph.symbolic import accumulate
from tests.examples import FILES, FOLDER, REGULAR

FIGURE_2 = load(FOLDER / "figure2.fg")
LUMPED = parse("inputs x, y\nu = f(x, y)\nv = g(x, y)\nw = h(u)\noutputs w, v")
SMALL = [file for file in REGULAR if load(file).n_steps <= 12]


def long_program(steps: int, width: int, seed: int = 0) -> Program:
    random = Random(seed)
    live = [f"x{k + 1}" for k in range(width)]
    lines = [f"inputs {', '.join(live)}"]
    for k in range(steps):
        register, other = random.sample(range(width), 2)
        lines.append(f"z{k + 1} = f{k}({live[register]}, {live[other]})")
        live[register] = f"z{k + 1}"
    return parse("\n".join([*lines, f"outputs {', '.join(live)}"]))


@pytest.fixture
def fresh() -> Iterator[None]:
    """Nothing is kept from before, nor for later: rules are changed here."""
    kept = (
        derived.derivation_of,
        derived.summaries_of,
        derived.application_of,
        derived.badge,
        derived._twin,
        derived.numeric_twin,
    )
    for cache in kept:
        cache.cache_clear()
    yield
    for cache in kept:
        cache.cache_clear()


# -- timelines ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SMALL, ids=lambda path: path.stem)
@pytest.mark.parametrize("mode", list(Mode))
def test_a_timeline_is_the_derivation(path: Path, mode: Mode) -> None:
    program = load(path)
    found = timeline(program, None, mode)
    derivation = derive(program, mode, order=range(program.n_steps))
    assert [stage.name for stage in found.stages] == list(derivation.stages)
    assert [moment.rule for moment in found.applications] == [step.rule for step in derivation.steps]
    assert found.stages[0].start == found.stages[0].stop == 0
    at = 0
    for stage in found.stages[1:]:
        assert stage.start == at
        at = stage.stop
        assert all(step.stage == stage.name for step in derivation.steps[stage.start : stage.stop])
        assert stage.rule in RULES
        assert derivation.graph_after(stage.stop) == derivation.stages[stage.name]
    assert at == len(found.applications) == len(derivation.steps)
    replayed = list(derivation.applications())
    assert [moment.noop for moment in found.applications] == [a.before == a.after for a in replayed]
    for number, (moment, each) in enumerate(zip(found.applications, replayed, strict=True), 1):
        assert derivation.application(number) == each
        assert derivation.graph_after(number) == each.after
        assert derivation.graph_after(number - 1) == each.before
        assert derivation.site_text(number) == moment.site
        names = {vertex.id: vertex.name for vertex in each.before.vertices}
        assert all(names[place] in moment.site for place in each.step.site.vertices[:6])
    json.dumps(found.to_json(), allow_nan=False)


def test_there_are_no_ops_and_changes_that_move_no_row() -> None:
    shift_by_one = timeline(parse("inputs x\ny = x + 1\noutputs y"), None, "reverse-inverse")
    assert [moment.noop for moment in shift_by_one.applications] == [True]
    expanded = [moment for moment in timeline(LUMPED, None, "forward-inverse").applications if moment.rule == "expand"]
    assert expanded
    assert not any(moment.noop for moment in expanded)
    empty = timeline(parse("inputs x\noutputs x"), None, "reverse")
    assert [(moment.rule, moment.noop) for moment in empty.applications] == [("reverse", True)]


def test_refusals() -> None:
    with pytest.raises(NotInvertible):
        timeline(load(FOLDER / "bottleneck.fg"), None, "forward-inverse")
    assert timeline(load(FOLDER / "bottleneck.fg"), None, "reverse").applications
    with pytest.raises(InputError, match="no such position"):
        application(FIGURE_2, None, "forward", 99)
    with pytest.raises(InputError, match="no such position"):
        application(FIGURE_2, None, "forward", -1)
    with pytest.raises(InputError, match="leaves out"):
        timeline(FIGURE_2, (0,), "forward")
    with pytest.raises(InputError, match="too large"):
        timeline(long_program(700, 100), None, "forward")
    derivation = derive(FIGURE_2, "forward")
    for wrong in (derivation.graph_after, derivation.application, derivation.site_text, derivation.stage_at):
        with pytest.raises(InputError, match="no such application"):
            wrong(len(derivation.steps) + 1)
    with pytest.raises(InputError, match="no such application"):
        derivation.application(0)


def test_the_order_is_the_one_that_is_given() -> None:
    program = load(FOLDER / "two_orders.fg")
    best = tuple(fg.best_order(program).tolist())
    lumps = [
        sum(moment.rule == "lump" for moment in timeline(program, order, "forward-inverse").applications)
        for order in (tuple(range(program.n_steps)), best)
    ]
    assert lumps == [len(fg.lumps(program)), len(fg.lumps(program, best))] or lumps[0] != lumps[1]


def test_a_derivation_is_made_once(fresh: None) -> None:
    again = parse("inputs x1, x2, x3\nz1 = f(x1, x2)\nz2 = g(x3, z1)\noutputs z1, x2, z2")
    one = derived.derivation_of(derived.case(again, None, "reverse"))
    assert one is derived.derivation_of(derived.case(parse(fg.format(again)), (0, 1), Mode.REVERSE))
    renamed = parse(fg.format(again).replace("z1", "q"))
    assert renamed.fingerprint() == again.fingerprint()
    other = derived.derivation_of(derived.case(renamed, None, "reverse"))
    assert other is not one
    assert "q" in str(other.graph)


# -- checks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SMALL, ids=lambda path: path.stem)
@pytest.mark.parametrize("exact", [True, False])
def test_every_application_is_checked(path: Path, exact: bool, fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    if not exact:
        monkeypatch.setattr(derived, "EXACT_STEPS", -1)
    at = derived.case(load(path), None, "forward-inverse")
    for number in range(1, len(derived.derivation_of(at).steps) + 1):
        found = derived.badge(at, number)
        assert found.ok, found
        assert found.witness == ""
        assert found.method == ("fraction field" if exact else "prime field")


def _plant(monkeypatch: pytest.MonkeyPatch, rule: type[Rule]) -> None:
    """Make a rule double what it writes into one row."""
    right = rule.rewrite

    def wrong(self: Rule, work: Workspace, site: Site) -> None:
        right(self, work, site)
        algebra = work.algebra
        for place in site.vertices:
            if place in work.rows and any(not carry for _, _, carry in work.rows[place]):
                row = work.rows[place]
                work.set_row(place, tuple((s, x if c else algebra.add(x, x), c) for s, x, c in row))
                return

    monkeypatch.setattr(rule, "rewrite", wrong)


@pytest.mark.parametrize("rule", [Invert, Unlayer])
@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("program", [FIGURE_2, LUMPED], ids=["equasive", "lumped"])
def test_a_wrong_rule_fails_its_check(
    program: Program, rule: type[Rule], exact: bool, fresh: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not exact:
        monkeypatch.setattr(derived, "EXACT_STEPS", -1)
    _plant(monkeypatch, rule)
    steps = derived.derivation_of(derived.case(program, None, "reverse-inverse")).steps
    badges = [application(program, None, "reverse-inverse", k).check for k in range(1, len(steps) + 1)]
    wrong = [step.rule for step, found in zip(steps, badges, strict=True) if found and not found.ok]
    assert wrong
    assert set(wrong) == {rule.name}
    assert all(found.witness for found in badges if found and not found.ok)


def test_symbols_are_checked_where_other_labels_take_other_ways(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(derived, "_twin", lambda at: (None, "prime field"))
    at = derived.case(LUMPED, None, "forward-inverse")
    count = len(derived.derivation_of(at).steps)
    assert all(derived.badge(at, number).ok for number in range(1, count + 1))
    derived.badge.cache_clear()
    derived.application_of.cache_clear()
    _plant(monkeypatch, Invert)
    derived.derivation_of.cache_clear()
    assert not all(derived.badge(at, number).ok for number in range(1, count + 1))


# -- drawings -------------------------------------------------------------------------------------------------------


def _keys(scene: Scene) -> set[str]:
    return {item.key for item in (*scene.lines, *scene.curves, *scene.circles) if item.key}


@pytest.mark.parametrize("name", ["figure2", "two_orders", "euler", "fine_blocks", "polar", "rk4", "leapfrog"])
@pytest.mark.parametrize("mode", ["reverse", "forward-inverse"])
def test_before_and_after_share_a_page_and_changes_are_in_the_drawings(name: str, mode: str) -> None:
    program = load(FOLDER / f"{name}.fg")
    count = len(timeline(program, None, mode).applications)
    for position in sorted({*range(1, count + 1, max(1, count // 8)), count}):
        found = application(program, None, mode, position)
        assert found.before is not None
        assert (found.before.width, found.before.height) == (found.after.width, found.after.height)
        before, after = _keys(found.before), _keys(found.after)
        assert set(found.changed.added) == after - before
        assert set(found.changed.removed) | set(found.changed.gone) == before - after
        assert set(found.changed.relabelled) <= before & after
        assert set(found.at) <= before | after
        centres = {circle.key: circle.centre for circle in found.before.circles if circle.key}
        for circle in found.after.circles:
            # A lump makes the last copy of a value the place where it is born.
            if circle.key in centres and found.rule != "lump":
                assert circle.centre == pytest.approx(centres[circle.key])
        for scene in (found.before, found.after):
            left, top, right, bottom = scene.bounds
            assert left >= 0
            assert top >= 0
            assert right <= scene.width
            assert bottom <= scene.height
        noop = not any((found.changed.added, found.changed.removed, found.changed.relabelled, found.changed.gone))
        assert found.noop <= noop
        json.dumps(found.to_json(), allow_nan=False)


def test_vertices_stay_where_they_are_while_one_steps_through_a_stage() -> None:
    for stage in timeline(FIGURE_2, None, "forward-inverse").stages[1:]:
        places: dict[str, tuple[float, float]] = {}
        for position in range(stage.start + 1, stage.stop + 1):
            for circle in application(FIGURE_2, None, "forward-inverse", position).after.circles:
                if circle.key:
                    assert places.setdefault(circle.key, circle.centre) == pytest.approx(circle.centre)


def test_the_primal_graph() -> None:
    found = application(FIGURE_2, None, "forward-inverse", 0)
    assert found.before is None
    assert found.check is None
    assert (found.stage, found.rule, found.site) == ("primal", "", "")
    assert {circle.key for circle in found.after.circles} == {"x1", "x2", "x3", "z1", "z2"}
    assert found.to_json()["before"] is None


def test_the_application_is_told() -> None:
    found = application(FIGURE_2, None, "forward-inverse", 4)
    assert (found.rule, found.site, found.stage, found.noop) == ("invert", "z1", "inverted", False)
    assert found.changed.added == ("x1 -> x2@1",)
    assert found.changed.removed == ("x2 -> z1",)
    assert found.changed.relabelled == ("x1 -> z1",)
    assert found.at == ("z1",)
    assert dict(found.meanings) == {"a": "∂f/∂x1", "b": "∂f/∂x2", "c": "∂g/∂x3", "d": "∂g/∂z1"}
    data = found.to_json()
    assert data["check"]["ok"] is True
    assert data["check"]["method"] == "fraction field"
    assert set(data["after"]["glyphs"]) == {label["text"] for label in data["after"]["labels"]}
    assert data["rows"] == data["all_rows"] == [0, 2]


def test_meanings_of_lumps() -> None:
    count = len(timeline(LUMPED, None, "forward-inverse").applications)
    assert "A1" in application(LUMPED, None, "forward-inverse", count).meanings


# -- windows --------------------------------------------------------------------------------------------------------


def test_a_long_program_is_seen_through_a_window() -> None:
    program = long_program(400, 10)
    moments = timeline(program, None, "forward-inverse").applications
    for position in (1, 450, 1500, 3200, len(moments) - 1, len(moments)):
        found = application(program, None, "forward-inverse", position)
        assert found.all_rows == (0, 400)
        assert 0 <= found.rows[0] < found.rows[1] <= 400
        assert found.rows[1] - found.rows[0] == 15
        assert len(found.after.circles) <= 18 * 11 * 2
        assert found.check is not None
        assert found.check.ok
        assert found.check.method == "prime field"
        if moments[position - 1].rule in ("invert", "shift"):
            assert found.at
    found = application(program, None, "forward-inverse", 450, rows=(100, 300))
    assert found.rows == (100, 123)
    assert application(program, None, "forward-inverse", 450, rows=(390, 9999)).rows == (390, 400)
    assert application(program, None, "forward-inverse", 450, rows=(-5, 3)).rows == (0, 3)


def test_edges_that_leave_a_window_end_at_its_border() -> None:
    program = long_program(40, 4)
    graph = derive(program, "forward-inverse").stages["unlayered"]
    window = Window((10, 20), (0, 1, 2, 3), (0, 40))
    part = view(graph, window)
    inside = {v.id for v in graph.vertices if 10 <= v.time <= 20}
    assert inside == {v.id for v in part.graph.vertices} - part.outside.keys()
    assert all(time in (9, 21) for _, time in part.outside)
    for edge in graph.edges:
        ends = (edge.source in inside) + (edge.target in inside)
        shown = [
            e for e in part.graph.edges if (e.source, e.target) == (window.at(edge.source), window.at(edge.target))
        ]
        assert bool(shown) == (ends > 0)
    names = " ".join(vertex.name for vertex in part.graph.vertices if vertex.id in part.outside)
    crossing = {
        place for e in graph.edges if (e.source in inside) != (e.target in inside) for place in (e.source, e.target)
    }
    for vertex in graph.vertices:
        if vertex.id in crossing - inside:
            assert vertex.name in names


def test_many_registers_are_shown_in_part() -> None:
    program = long_program(60, 40)
    for position in (1, 50, 120, 200):
        found = application(program, None, "reverse-inverse", position)
        columns = {round(circle.centre[0], 3) for circle in found.after.circles}
        assert len(columns) <= 24
        assert found.at
    window = window_around(range(40), (0, 60), [(35, 30)], [(0, 29)])
    assert {0, 35} <= set(window.registers)
    assert len(window.registers) == 23
    assert window.elsewhere == 40


def test_a_window_is_laid_out_at_once() -> None:
    program = long_program(400, 10)
    application(program, None, "forward-inverse", 500)
    best = min(_seconds(program) for _ in range(3))
    assert best < 0.5, f"{best:.3f} s for an application with all texts at hand"


def _seconds(program: Program) -> float:
    derived.application_of.cache_clear()
    start = time.perf_counter()
    application(program, None, "forward-inverse", 500)
    return time.perf_counter() - start


# -- numbers in the graphs --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [p for p in FILES if p.stem in ("polar", "figure2", "euler", "rk4", "householder")])
@pytest.mark.parametrize("mode", list(Mode))
def test_numbers_at_the_vertices_are_those_of_the_sweep(path: Path, mode: Mode) -> None:
    program = load(path)
    at = derived.case(program, None, mode)
    where = derived.point(program, None, 3)
    n = program.n_inputs
    v = tuple(0.5 + k for k in range(n))
    count = len(timeline(program, None, mode).applications)
    last = program.n_steps
    rows = (max(0, last - 23), last) if mode in (Mode.FORWARD, Mode.REVERSE_INVERSE) else (0, 23)
    found = application(program, None, mode, count, rows=rows, numbers=Given(where.x, v, 3))
    assert found.note == ""
    assert found.values is not None
    labelling = derived.partials_at(at, where)
    tangents = accumulate(at.reordered, labelling.algebra, labelling.partial, [{j: 1.0} for j in range(n)])
    dense = np.array([[tangents[k].get(j, 0.0) for j in range(n)] for k in at.reordered.outputs])
    matrix = {
        Mode.FORWARD: dense,
        Mode.REVERSE: dense.T,
        Mode.FORWARD_INVERSE: np.linalg.inv(dense),
        Mode.REVERSE_INVERSE: np.linalg.inv(dense).T,
    }[mode]
    graph = derived.derivation_of(at).graph
    name = {vertex.id: vertex.name for vertex in graph.vertices}
    shown = [found.values.get(name[place]) for place in graph.outputs]
    for number, expected in zip(shown, matrix @ np.array(v), strict=True):
        assert number is None or number == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert any(number is not None for number in shown)


def test_numbers_are_on_the_edges_at_every_position() -> None:
    program = load(FOLDER / "polar.fg")
    count = len(timeline(program, None, "forward-inverse").applications)
    for position in range(count + 1):
        found = application(program, None, "forward-inverse", position, numbers=Given((3.0, 1.5), (1.0, 2.0), 0))
        assert found.values is not None
        assert dict(found.meanings) == {}
        texts = {label.text for label in found.after.labels}
        assert any("." in text for text in texts)
        assert not any("frac" in text for text in texts)
        json.dumps(found.to_json(), allow_nan=False)


def test_where_there_are_no_numbers_symbols_stay_and_a_note_says_why() -> None:
    program = load(FOLDER / "polar.fg")
    for given, why in (
        (Given((0.0, 0.0), None, 0), "not defined"),
        (Given((1.0,), None, 0), "does not fit"),
    ):
        found = application(program, None, "forward-inverse", 3, numbers=given)
        assert why in found.note
        assert found.values is None
        assert found.meanings == application(program, None, "forward-inverse", 3).meanings
    singular = parse("inputs x, y\nz = x * y\noutputs z, y")
    found = application(singular, None, "forward-inverse", 2, numbers=Given((1.0, 0.0), (1.0, 1.0), 0))
    assert "pivot is 0" in found.note
    assert application(singular, None, "forward", 1, numbers=Given((1.0, 0.0), (1.0, 1.0), 0)).note == ""
    # A vector of another length goes into no graph; the labels are numbers all the same.
    found = application(program, None, "forward", 1, numbers=Given((3.0, 1.5), (1.0,), 0))
    assert found.values is None
    assert found.note == ""


def test_shift_is_planted_too(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    right = Shift.rewrite

    def wrong(self: Shift, work: Workspace, site: Site) -> None:
        right(self, work, site)
        source, target = site.vertices
        work.set_row(target, (*work.rows[target], (source, work.algebra.one, False)))

    monkeypatch.setattr(Shift, "rewrite", wrong)
    at = derived.case(FIGURE_2, None, "reverse-inverse")
    steps = derived.derivation_of(at).steps
    failed = {step.rule for number, step in enumerate(steps, 1) if not derived.badge(at, number).ok}
    assert failed == {"shift"}
