"""What the paper's captions say of its Figures 1, 2 and 3, held on the derivations, entry by entry."""

from __future__ import annotations

import pytest
import sympy

import flowgraph as fg

FIGURE_2 = "inputs x1, x2, x3\nz1 = f(x1, x2)\nz2 = g(x3, z1)\noutputs z1, x2, z2"

FORWARD = {("x1", "z1", "a"), ("x2", "z1", "b"), ("x3", "z2", "c"), ("z1", "z2", "d")}
REVERSE_INVERSE = {("x1", "z1", "1/a"), ("x1", "x2", "-b/a"), ("x3", "z2", "1/c"), ("x3", "z1", "-d/c")}
INPUTS, OUTPUTS = ["x1", "x2", "x3"], ["z1", "x2", "z2"]


def turned(edges: set[tuple[str, str, str]]) -> set[tuple[str, str, str]]:
    return {(target, source, label) for source, target, label in edges}


def edges_of(graph: fg.FlowGraph) -> set[tuple[str, str, str]]:
    edges = [(e["source"], e["target"], e["label"]) for e in graph.to_json()["edges"]]
    assert len(set(edges)) == len(edges)
    return set(edges)


@pytest.mark.parametrize(
    ("mode", "edges", "inputs", "outputs", "additions"),
    [
        ("forward", FORWARD, INPUTS, OUTPUTS, {"z1", "z2"}),
        ("reverse", turned(FORWARD), OUTPUTS, INPUTS, {"x2", "z1"}),
        ("reverse-inverse", REVERSE_INVERSE, INPUTS, OUTPUTS, {"x2", "z1"}),
        ("forward-inverse", turned(REVERSE_INVERSE), OUTPUTS, INPUTS, {"x1", "x3"}),
    ],
)
def test_figure_2(
    mode: str, edges: set[tuple[str, str, str]], inputs: list[str], outputs: list[str], additions: set[str]
) -> None:
    graph = fg.derive(fg.parse(FIGURE_2), mode).graph
    data = graph.to_json()
    assert data["schema"] == "flowgraph/graph/1"
    assert edges_of(graph) == edges
    assert (data["inputs"], data["outputs"]) == (inputs, outputs)
    assert {(v["name"], v["register"], v["time"]) for v in data["vertices"]} == {
        ("x1", 0, 0),
        ("x2", 1, 0),
        ("x3", 2, 0),
        ("z1", 0, 1),
        ("z2", 2, 2),
    }
    assert {vertex.name for vertex in graph.additions} == additions


def test_labels_are_text_that_sympy_reads() -> None:
    a, b = sympy.symbols("a b")
    graph = fg.derive(fg.parse(FIGURE_2), "reverse-inverse").graph
    label = {(e["source"], e["target"]): e["label"] for e in graph.to_json()["edges"]}
    assert sympy.sympify(label["x1", "x2"]) == -b / a


def test_the_letters_are_the_partials_in_order() -> None:
    derivation = fg.derive(fg.parse(FIGURE_2), "forward")
    assert dict(derivation.meanings) == {"a": "∂f/∂x1", "b": "∂f/∂x2", "c": "∂g/∂x3", "d": "∂g/∂z1"}


CARRIED = {("x2", "x2@1", "1"), ("x2@1", "x2@2", "1"), ("x3", "x3@1", "1"), ("z1", "z1@2", "1")}
STAGES = {
    "primal": FORWARD,
    "layered": {("x1", "z1", "a"), ("x2", "z1", "b"), ("x3@1", "z2", "c"), ("z1", "z2", "d")} | CARRIED,
    "inverted": {("x1", "z1", "1/a"), ("x1", "x2@1", "-b/a"), ("x3@1", "z2", "1/c"), ("x3@1", "z1@2", "-d/c")}
    | CARRIED,
    "shifted": {("x1", "z1", "1/a"), ("x1", "x2", "-b/a"), ("x3@1", "z2", "1/c"), ("x3@1", "z1", "-d/c")} | CARRIED,
    "unlayered": REVERSE_INVERSE,
}


def test_figure_3_stage_by_stage() -> None:
    stages = fg.derive(fg.parse(FIGURE_2), "reverse-inverse").stages
    assert list(stages) == list(STAGES)
    assert {name: edges_of(graph) for name, graph in stages.items()} == STAGES


@pytest.mark.parametrize(
    ("mode", "names"),
    [
        ("forward", ["primal", "layered", "unlayered"]),
        ("reverse", ["primal", "layered", "unlayered", "reversed"]),
        ("reverse-inverse", ["primal", "layered", "inverted", "shifted", "unlayered"]),
        ("forward-inverse", ["primal", "layered", "inverted", "shifted", "unlayered", "reversed"]),
    ],
)
def test_every_mode_has_its_stages(mode: str, names: list[str]) -> None:
    derivation = fg.derive(fg.parse(FIGURE_2), mode)
    assert list(derivation.stages) == names
    assert derivation.graph is derivation.stages[names[-1]]
    assert derivation.mode == mode


def test_no_addition_happens_one_step_late_after_the_shift() -> None:
    """Caption of Fig. 3: the shift eliminates the noop in the first time step."""
    stages = fg.derive(fg.parse(FIGURE_2), "reverse-inverse").stages
    row_0 = {v.name for v in stages["inverted"].additions if v.time == 0}
    assert row_0 == set()
    assert {v.name for v in stages["shifted"].additions if v.time == 0} == {"x2"}
    assert all(v.time < 2 for v in stages["shifted"].additions)


def test_figure_1_local_matrices() -> None:
    a, b = sympy.symbols("a b")
    program = fg.parse("inputs u, w\nz = f(u, w)\noutputs z, w")
    expected = {
        "forward": [[a, b], [0, 1]],
        "reverse": [[a, 0], [b, 1]],
        "forward-inverse": [[1 / a, -b / a], [0, 1]],
        "reverse-inverse": [[1 / a, 0], [-b / a, 1]],
    }
    for mode, rows in expected.items():
        assert fg.linear_map(fg.derive(program, mode).graph) == sympy.Matrix(rows)


def test_sparsity_is_invariant_to_inversion() -> None:
    program = fg.parse("inputs u, v, w\nz = f(u, v, w)\noutputs z, v, w")
    pattern = {mode: [entry != 0 for entry in fg.linear_map(fg.derive(program, mode).graph)] for mode in fg.Mode}
    assert pattern[fg.Mode.FORWARD] == pattern[fg.Mode.FORWARD_INVERSE]
    assert pattern[fg.Mode.REVERSE] == pattern[fg.Mode.REVERSE_INVERSE]


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_the_cost_of_an_atomic_step_is_the_same_in_all_modes_up_to_one_division(k: int) -> None:
    names = ", ".join(f"x{i}" for i in range(k))
    rest = "".join(f", x{i}" for i in range(1, k))
    program = fg.parse(f"inputs {names}\nz = f({names})\noutputs z{rest}")
    for mode in fg.Mode:
        cost = fg.count_operations(program, mode)
        assert (cost.sweep.multiplications, cost.sweep.additions, cost.sweep.divisions) == (k, k - 1, 0)
        labels = (k - 1, 0, 1) if mode.inverse else (0, 0, 0)
        assert (cost.labels.multiplications, cost.labels.additions, cost.labels.divisions) == labels
