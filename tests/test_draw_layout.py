"""Layout: nothing over anything else, and arrows touch; every example, mode and stage, and random programs."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from random import Random

import pytest
from draw_oracle import faults
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import equasive_programs, programs

from flowgraph.draw.curves import flatten, rounded_hull
from flowgraph.draw.layout import LayoutOptions, layout
from flowgraph.draw.scene import Circle, Curve, Ink, Line, Scene
from flowgraph.draw.writers import draw_graph
from flowgraph.errors import InputError, NotInvertible
from flowgraph.graph import Edge, FlowGraph, Vertex
from flowgraph.labels import SymbolicLabels
from flowgraph.language import load, parse
from flowgraph.modes import Mode, derive
from flowgraph.program import Program

EXAMPLES = sorted((Path(__file__).parents[1] / "papers_examples").glob("*.fg"))
FIGURE_2 = "inputs x1, x2, x3\nz1 = f(x1, x2)\nz2 = g(x3, z1)\noutputs z1, x2, z2"


def _drawings(program: Program, mode: Mode) -> list[tuple[str, Scene]]:
    try:
        derivation = derive(program, mode)
    except NotInvertible:
        return []
    return [(stage, draw_graph(derivation, stage)) for stage in derivation.stages]


def _graph(edges: list[tuple[tuple[int, int], tuple[int, int]]], label: object = None) -> FlowGraph:
    """A graph on exactly the vertices that its edges name, inputs in the first row, outputs in the last."""
    algebra = SymbolicLabels()
    places = sorted({p for edge in edges for p in edge}, key=lambda p: (p[1], p[0]))
    vertices = tuple(Vertex(r, t, f"v{r}_{t}", f"v{r}_{t}") for r, t in places)
    last = max(t for _, t in places)
    return FlowGraph(
        algebra,
        vertices,
        tuple(Edge(s, t, algebra.one if label is None else label) for s, t in edges),
        tuple(p for p in places if p[1] == 0),
        tuple(p for p in places if p[1] == last),
    )


# -- nothing over anything else ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_drawn_without_a_fault(path: Path, mode: Mode) -> None:
    drawings = _drawings(load(path), mode)
    assert drawings or mode.inverse
    for stage, scene in drawings:
        assert faults(scene) == [], stage


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(program=equasive_programs(max_inputs=6, max_steps=12), mode=st.sampled_from(list(Mode)))
def test_random_equasive_programs_are_drawn_without_a_fault(program: Program, mode: Mode) -> None:
    for stage, scene in _drawings(program, mode):
        assert faults(scene) == [], stage


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(program=programs(guards=False), mode=st.sampled_from([Mode.FORWARD, Mode.REVERSE]))
def test_random_programs_of_every_kind_are_drawn_without_a_fault(program: Program, mode: Mode) -> None:
    for stage, scene in _drawings(program, mode):
        assert faults(scene) == [], stage


@pytest.mark.parametrize("carry_labels", [False, True])
@pytest.mark.parametrize("name", ["z{}", "velocity_after_drag_{}"])
def test_long_names_and_unit_labels_find_room(name: str, carry_labels: bool) -> None:
    a, b, c = (name.format(k) for k in (1, 2, 3))
    program = parse(
        f"inputs x, y, w, v\n{a} = f(x, w)\n{b} = g(v, {a}, y)\n{c} = h(y, {b}, w)\noutputs {a}, {b}, {c}, w"
    )
    for mode in Mode:
        derivation = derive(program, mode)
        for stage in derivation.stages:
            options = LayoutOptions(carry_labels=carry_labels)
            assert faults(draw_graph(derivation, stage, options)) == [], (mode, stage)


def test_edges_bend_round_vertices_in_their_way() -> None:
    # The straight line from (0, 0) to (2, 2) runs through (1, 1), that from (0, 1) to (2, 1) too.
    graph = _graph(
        [((0, 0), (2, 2)), ((0, 0), (1, 1)), ((1, 1), (2, 2)), ((0, 1), (2, 1)), ((0, 0), (0, 1)), ((2, 1), (2, 2))]
    )
    scene = layout(graph)
    assert faults(scene) == []
    assert {curve.key for curve in scene.curves} == {"v0_0 -> v2_2", "v0_1 -> v2_1"}


def test_long_edges_run_beside_their_column() -> None:
    chain = [((0, t), (0, t + 1)) for t in range(8)] + [
        ((1, 0), (0, 8)),
        ((1, 0), (2, 8)),
        ((3, 0), (1, 0)),
        ((2, 8), (3, 0)),
    ]
    scene = layout(_graph(chain))
    assert faults(scene) == []


def test_parallel_edges_are_told_apart() -> None:
    scene = layout(_graph([((0, 0), (0, 1)), ((0, 0), (0, 1)), ((0, 0), (0, 1))]))
    assert faults(scene) == []
    paths = [(line.start, line.end) for line in scene.lines if line.key == "v0_0 -> v0_1"]
    paths += [curve.points for curve in scene.curves]
    assert len(set(paths)) == 3


def test_wide_fans_are_drawn_without_a_fault() -> None:
    dense = [((a, 0), (b, 1)) for a in range(5) for b in range(5)]
    import sympy

    scene = layout(_graph(dense, label=-sympy.Symbol("b") / sympy.Symbol("a")))
    assert faults(scene) == []


def test_an_output_listed_twice_has_two_stubs() -> None:
    derivation = derive(parse("inputs x, y\nz = f(x, y)\noutputs z, z"), "forward")
    scene = draw_graph(derivation, "unlayered")
    assert faults(scene) == []
    assert len({line.end for line in scene.lines if line.key == "z -> output"}) == 2


# -- what is drawn ----------------------------------------------------------------------------------------------------


def test_circles_stand_exactly_where_fan_in_adds() -> None:
    for path in EXAMPLES:
        for mode in Mode:
            try:
                derivation = derive(load(path), mode)
            except NotInvertible:
                continue
            for stage, graph in derivation.stages.items():
                scene = draw_graph(derivation, stage)
                drawn = {circle.key for circle in scene.circles if circle.visible}
                arrivals = [line.key.split(" -> ")[1] for line in (*scene.lines, *scene.curves) if line.arrow]
                expected = {v.name for v in graph.vertices if arrivals.count(v.name) >= 2}
                assert drawn == (set() if stage == "primal" else expected), (path.stem, mode, stage)


def test_every_edge_is_drawn_once_with_its_label() -> None:
    derivation = derive(parse(FIGURE_2), "reverse-inverse")
    scene = draw_graph(derivation, "inverted", LayoutOptions(carry_labels=True))
    graph = derivation.stages["inverted"]
    name = {v.id: v.name for v in graph.vertices}
    keys = sorted(i.key for i in (*scene.lines, *scene.curves) if "put" not in i.key)
    assert keys == sorted(f"{name[e.source]} -> {name[e.target]}" for e in graph.edges)
    titles = [label.title for label in scene.labels if not label.host]
    for edge in graph.edges:
        assert titles.count(graph.label_text(edge)) == sum(
            graph.label_text(other) == graph.label_text(edge) for other in graph.edges
        )


def test_registers_are_columns_and_time_runs_downward() -> None:
    derivation = derive(parse(FIGURE_2), "reverse-inverse")
    for stage, graph in derivation.stages.items():
        scene = draw_graph(derivation, stage)
        at = {circle.key: circle.centre for circle in scene.circles}
        for v in graph.vertices:
            for w in graph.vertices:
                (x, y), (p, q) = at[v.name], at[w.name]
                assert (v.register < w.register) == (x < p - 1)
                assert (v.time < w.time) == (y < q - 1)


@pytest.mark.parametrize(
    ("mode", "stage", "accent"),
    [
        ("forward", "primal", ""),
        ("forward", "layered", "dot"),
        ("forward", "unlayered", "dot"),
        ("reverse", "unlayered", "dot"),
        ("reverse", "reversed", "bar"),
        ("reverse-inverse", "layered", "dot"),
        ("reverse-inverse", "inverted", "bar"),
        ("reverse-inverse", "shifted", "bar"),
        ("reverse-inverse", "unlayered", "bar"),
        ("forward-inverse", "unlayered", "bar"),
        ("forward-inverse", "reversed", "dot"),
    ],
)
def test_names_are_accented_as_tangents_or_cotangents(mode: str, stage: str, accent: str) -> None:
    scene = draw_graph(derive(parse(FIGURE_2), mode), stage)
    texts = {label.text for label in scene.labels if label.host == "x1"}
    assert texts == {f"$\\{accent}{{x}}_{{1}}$" if accent else "$x_{1}$"}


def test_the_primal_graph_names_its_functions_and_has_no_labels() -> None:
    scene = draw_graph(derive(parse(FIGURE_2), "forward"), "primal", LayoutOptions(registers=False))
    free = [label.text for label in scene.labels if not label.host and label.ink is Ink.INK]
    assert sorted(free) == ["$f$", "$g$"]
    assert not any(circle.visible for circle in scene.circles)


def test_large_labels_become_numbers_with_a_legend() -> None:
    program = parse("inputs x, c1\nz = hypot(x, c1)\nw = atan2(z, c1)\noutputs w, c1")
    scene = draw_graph(derive(program, "reverse-inverse"), options=LayoutOptions(max_label=12.0))
    assert faults(scene) == []
    texts = [label.text for label in scene.labels]
    assert "$k_{1}$" in texts, "c1 is a name of the program, so the coefficients are called k"
    assert any(text.startswith("$k_{1} =") for text in texts)


def test_labels_that_mathtext_cannot_read_go_to_the_legend_as_text() -> None:
    program = parse("inputs c, x, y\nz = select(c, x, y)\noutputs z, c, y")
    scene = draw_graph(derive(program, "forward"))
    assert faults(scene) == []
    assert any("Piecewise" in label.title for label in scene.labels)


def test_ghosts_are_dots_that_no_label_covers() -> None:
    derivation = derive(parse(FIGURE_2), "reverse-inverse")
    kept = {v.id for v in derivation.graph.vertices}
    gone = tuple(v.id for v in derivation.stages["layered"].vertices if v.id not in kept)
    scene = layout(derivation.graph, LayoutOptions(ghosts=gone))
    assert sum(circle.filled for circle in scene.circles) == len(gone) == 4
    assert faults(scene) == []


def test_a_graph_without_vertices_is_an_empty_page() -> None:
    scene = layout(FlowGraph(SymbolicLabels(), (), (), (), ()))
    assert (scene.lines, scene.curves, scene.circles) == ((), (), ())


def test_an_unknown_stage_is_an_error_that_names_the_stages() -> None:
    with pytest.raises(InputError, match="no such stage") as caught:
        draw_graph(derive(parse(FIGURE_2), "forward"), "inverted")
    assert "primal, layered, unlayered" in str(caught.value)


def test_layout_is_pure() -> None:
    graph = derive(load(EXAMPLES[-1]), "forward").graph
    assert layout(graph) == layout(graph)


def test_fifty_steps_are_laid_out_quickly() -> None:
    text = ["inputs x1, x2, x3, x4, x5"]
    live = ["x1", "x2", "x3", "x4", "x5"]
    for k in range(50):
        text.append(f"z{k} = f{k}({live[k % 5]}, {live[(k + 1 + k % 4) % 5]})")
        live[k % 5] = f"z{k}"
    derivation = derive(parse("\n".join([*text, f"outputs {', '.join(live)}"])), "reverse-inverse")
    for graph in derivation.stages.values():
        layout(graph)  # measures the texts, once
        spent = []
        for _ in range(3):
            start = time.process_time()
            layout(graph)
            spent.append(time.process_time() - start)
        # 0.05 s is the aim and what an idle machine shows; shared ones are given four times that.
        assert min(spent) < 0.2


# -- the oracle sees what is wrong ------------------------------------------------------------------------------------


def _spoiled() -> dict[str, Scene]:
    good = draw_graph(derive(parse(FIGURE_2), "reverse-inverse"), "inverted", LayoutOptions(carry_labels=True))
    free = next(label for label in good.labels if "frac{b}" in label.text)
    others = tuple(label for label in good.labels if label is not free)
    line = next(line for line in good.lines if line.key == "x1 -> z1")
    circle = next(circle for circle in good.circles if circle.visible)

    def moved(x: float, y: float) -> Scene:
        cx, cy = (free.box[0] + free.box[2]) / 2, (free.box[1] + free.box[3]) / 2
        dx, dy = x - cx, y - cy
        box = (free.box[0] + dx, free.box[1] + dy, free.box[2] + dx, free.box[3] + dy)
        return replace(good, labels=(*others, replace(free, box=box)))

    short = replace(line, end=(line.end[0], line.end[1] - 1.0))
    through = Curve((line.start, *[circle.centre] * 5, line.end), True, key=line.key)
    rest = tuple(item for item in good.lines if item is not line)
    name = next(label for label in good.labels if label.host == "x1")
    wide = replace(name, box=(name.box[0] - 4, name.box[1], name.box[2], name.box[3]))
    page_ghost = Circle((free.box[0], free.box[1]), 2.0, filled=True)
    return {
        "over label": replace(good, labels=(*good.labels, free)),
        "over edge": moved((line.start[0] + line.end[0]) / 2, (line.start[1] + line.end[1]) / 2),
        "over vertex": moved(circle.centre[0] + circle.radius, circle.centre[1] - circle.radius),
        "over the edge of the page": moved(0.0, 40.0),
        "does not touch": replace(good, lines=(*rest, short)),
        "runs through vertex": replace(good, lines=rest, curves=(through,)),
        "sticks out": replace(good, labels=tuple(wide if label is name else label for label in good.labels)),
        "over vertex ghost": replace(good, circles=(*good.circles, page_ghost)),
    }


def test_the_oracle_finds_planted_faults() -> None:
    for fault, scene in _spoiled().items():
        assert any(fault in sentence for sentence in faults(scene)), fault


def test_a_layout_that_ignores_what_is_on_the_page_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowgraph.draw.place.Page.is_free", lambda page, box, clearance: True)
    found = [
        sentence for mode in Mode for _, scene in _drawings(load(EXAMPLES[-1]), mode) for sentence in faults(scene)
    ]
    assert found


def test_a_router_that_only_draws_straight_lines_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowgraph.draw.route.Router._clear", lambda router, points, source, target: True)
    scene = layout(_graph([((0, 0), (2, 2)), ((0, 0), (1, 1)), ((1, 1), (2, 2))]))
    assert any("runs through" in sentence for sentence in faults(scene))


def test_lines_and_curves_have_the_ends_they_claim() -> None:
    line = Line((10.0, 9.0), (30.0, 9.0), True, key="a -> b")
    scene = Scene(40, 40, lines=(line,), circles=(Circle((5.0, 9.0), 5.0, key="a"), Circle((36.0, 9.0), 5.0, key="b")))
    assert faults(scene) == ["edge a -> b does not touch the outline of b"]


@pytest.mark.parametrize("seed", range(12))
def test_a_rounded_hull_is_at_equal_distance_around_its_points(seed: int) -> None:
    random = Random(seed)
    centres = [(random.uniform(0, 60), random.uniform(0, 60)) for _ in range(1 + seed // 2)]
    points = rounded_hull(centres, 5.0)
    assert points[0] == pytest.approx(points[-1])
    pairs = list(combinations(centres, 2)) or [(centres[0], centres[0])]
    for x, y in flatten(points, 1.0):
        near = []
        for (ax, ay), (bx, by) in pairs:
            length = (bx - ax) ** 2 + (by - ay) ** 2
            t = min(1.0, max(0.0, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length)) if length else 0.0
            near.append(math.hypot(x - ax - t * (bx - ax), y - ay - t * (by - ay)))
        assert min(near) == pytest.approx(5.0, abs=0.01)
