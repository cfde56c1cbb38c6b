"""The modes: their stages, what they refuse, and their operation counts against counts made by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import sympy
from hypothesis import given, reject, settings
from hypothesis import strategies as st

import flowgraph as fg
from flowgraph.liveness import Kind
from flowgraph.modes import OperationCount, Operations, pipeline
from tests.examples import EQUASIVE
from tests.strategies import equasive_programs, programs


def naive_sweep(graph: fg.FlowGraph) -> Operations:
    """A product for every label that is not ±1, an addition for every further term; labels of 0 are no terms."""
    multiplications = additions = 0
    for vertex in graph.vertices:
        labels = [label for label in map(sympy.sympify, (e.label for e in graph.edges if e.target == vertex.id))]
        terms = [label for label in labels if label != 0]
        multiplications += sum(label not in (1, -1) for label in terms)
        additions += max(len(terms) + (vertex.id in graph.inputs) - 1, 0)
    return Operations(multiplications, additions, 0)


def naive_labels(program: fg.Program, mode: fg.Mode) -> Operations:
    """For an inverse mode a division for every pivot that is not ±1, and a product for every b/a that needs one."""
    divisions = products = 0
    if mode.inverse:
        forward = fg.derive(program, "forward").stages["layered"]
        for vertex in forward.vertices:
            into = [edge for edge in forward.edges_into(vertex.id) if not edge.carry]
            if not into:
                continue
            (pivot,) = [e for e in into if len(forward.edges_from(e.source)) == 1]
            unit = pivot.label in (1, -1)
            divisions += not unit
            products += sum(e.label not in (0, 1, -1) for e in into if e is not pivot) if not unit else 0
    return Operations(products, 0, divisions)


@pytest.mark.parametrize("path", EQUASIVE, ids=lambda path: path.stem)
@pytest.mark.parametrize("mode", list(fg.Mode))
def test_every_example_costs_what_its_graph_says(path: Path, mode: fg.Mode) -> None:
    program = fg.load(path)
    count = fg.count_operations(program, mode)
    assert count == OperationCount(naive_labels(program, mode), naive_sweep(fg.derive(program, mode).graph))
    assert count.sweep.total == count.sweep.multiplications + count.sweep.additions


@settings(max_examples=40, deadline=None)
@given(equasive_programs(operations=("add", "sub", "neg", "sin"), max_inputs=3), st.sampled_from(list(fg.Mode)))
def test_so_do_random_programs(program: fg.Program, mode: fg.Mode) -> None:
    try:
        graph = fg.derive(program, mode).graph
    except fg.NotInvertible:
        reject()
    count = fg.count_operations(program, mode)
    assert count.sweep == naive_sweep(graph)
    assert count.labels.divisions == naive_labels(program.without_dead_code(), mode).divisions


@pytest.mark.parametrize(
    ("text", "forward", "inverse_labels"),
    [
        ("x = x + y", (0, 1, 0), (0, 0, 0)),
        ("x = y - x", (0, 1, 0), (0, 0, 0)),
        ("x = 3 * x", (1, 0, 0), (0, 0, 1)),
        ("x = x * y", (2, 1, 0), (1, 0, 1)),
        ("x = x * x", (1, 0, 0), (0, 0, 1)),
        ("x = f(x, y)\ny = g(y, x)", (4, 2, 0), (2, 0, 2)),
    ],
)
def test_counts_by_hand(text: str, forward: tuple[int, int, int], inverse_labels: tuple[int, int, int]) -> None:
    program = fg.parse(f"inputs x, y\n{text}\noutputs x, y")
    for mode in fg.Mode:
        count = fg.count_operations(program, mode)
        assert count.sweep == Operations(*forward)
        assert count.labels == Operations(*(inverse_labels if mode.inverse else (0, 0, 0)))


STAGES = {
    "forward": ["layered", "unlayered"],
    "reverse": ["layered", "unlayered", "reversed"],
    "reverse-inverse": ["layered", "inverted", "shifted", "unlayered"],
    "forward-inverse": ["layered", "inverted", "shifted", "unlayered", "reversed"],
}
RULE_OF = {"layered": "carry", "inverted": "invert", "shifted": "shift", "unlayered": "unlayer", "reversed": "reverse"}


@pytest.mark.parametrize("mode", STAGES)
def test_pipelines_are_those_of_figure_3(mode: str) -> None:
    for sparse in (False, True):
        stages = pipeline(mode, sparse=sparse)
        assert [(stage, rule.name) for stage, rule in stages] == [(s, RULE_OF[s]) for s in STAGES[mode]]
        assert getattr(stages[0][1], "sparse", None) is sparse
    derivation = fg.derive(fg.parse("inputs u, w\nz = f(u, w)\noutputs z, w"), mode)
    assert list(derivation.stages) == ["primal", *STAGES[mode]]
    assert {(step.stage, step.rule) for step in derivation.steps} <= {(s, RULE_OF[s]) for s in STAGES[mode]}
    assert derivation.graph == derivation.stages[STAGES[mode][-1]]
    assert fg.Mode(mode) == mode
    assert str(fg.Mode(mode)) == mode


@pytest.mark.parametrize("wrong", ["Forward", "", "inverse", None, 3, [], "forward inverse"])
def test_what_is_no_mode(wrong: object) -> None:
    program = fg.parse("inputs x\nx = f(x)\noutputs x")
    for call in (fg.derive, fg.count_operations, lambda p, m: fg.verify(p, modes=(m,)), lambda p, m: fg.Mode(m)):
        with pytest.raises(fg.InputError, match="no such mode"):
            call(program, wrong)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("wrong", ["Symbolic", "", None, 3, [], ["symbolic"], {}])
def test_what_are_no_labels(wrong: object) -> None:
    with pytest.raises(fg.InputError, match="no such labels"):
        fg.derive(fg.parse("inputs x\nx = f(x)\noutputs x"), "forward", labels=wrong)  # pyright: ignore[reportArgumentType]


@settings(max_examples=150, deadline=None)
@given(programs(max_inputs=3, max_steps=6, guards=False))
def test_the_first_step_that_is_not_equasive_is_named_with_what_dies(program: fg.Program) -> None:
    """Deaths counted here from the operands: a value dies at its last reader unless it is an output."""
    program = program.without_dead_code()
    live = program.liveness()
    readers: dict[int, int] = {}
    for step in program.steps():
        if live.active[step.index]:
            inactive = step.operation.inactive if step.operation else ()
            for place, operand in enumerate(step.operands):
                if operand >= 0 and place not in inactive:
                    readers[operand] = step.index
    outputs = set(program.outputs.tolist())
    first = None
    for step in program.steps():
        if live.active[step.index]:
            died = tuple(
                program.name(o)
                for o in dict.fromkeys(o for o in step.operands if o >= 0)
                if readers.get(o) == step.index and o not in outputs
            )
            if len(died) != 1:
                first = (step.index + 1, Kind.EXPANSIVE if not died else Kind.CONTRACTIVE, died)
                break
    square = program.n_inputs == program.n_outputs == len(outputs)
    unread = any(k not in readers and k not in outputs for k in range(program.n_inputs))
    for mode in ("forward-inverse", "reverse-inverse"):
        if square and not unread and first:
            with pytest.raises(fg.NotInvertible) as caught:
                fg.derive(program, mode)
            error = caught.value
            assert (error.step, error.kind, error.died) == first
            step = program.step(first[0] - 1)
            assert str(step) in str(error)
            assert not step.line or f"line {step.line}," in str(error)
        elif not square or unread:
            with pytest.raises(fg.NotInvertible):
                fg.derive(program, mode)
        else:
            try:
                assert fg.derive(program, mode).graph
            except fg.NotInvertible as error:
                kind = error.kind
                assert kind == "equasive"
