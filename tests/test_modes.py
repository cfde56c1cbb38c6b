"""The modes: their stages, what they refuse, and their operation counts against counts made by hand."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import sympy
from hypothesis import given, reject, settings
from hypothesis import strategies as st

import flowgraph as fg
from flowgraph.language import format_program
from flowgraph.modes import OperationCount, Operations, has_lumps, in_order, pipeline
from tests.examples import EQUASIVE, LUMPED, REGULAR
from tests.lump_oracle import check_certificate, facts_of, is_singular
from tests.modular import map_of, rank
from tests.strategies import equasive_programs, programs, square_programs


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
@given(programs(max_inputs=3, max_steps=6, guards=False) | square_programs(max_inputs=3, max_steps=6))
def test_what_has_an_inverse_is_decided_by_the_structure_and_then_by_the_partials(program: fg.Program) -> None:
    """In every function that takes an inverse mode, and with any labels, by the oracle of ``lump_oracle``."""
    facts = facts_of(program)
    forward = map_of(fg.derive(program, "forward", labels="fractions").graph)
    regular = not is_singular(facts) and rank(forward) == program.n_inputs
    for mode in ("forward-inverse", "reverse-inverse"):
        for call in (
            lambda p, m: fg.derive(p, m, labels="fractions"),
            lambda p, m: fg.verify(p, method="prime-field", modes=m).ok,
        ):
            if regular:
                assert call(program, mode)
                continue
            with pytest.raises(fg.NotInvertible) as caught:
                call(program, mode)
            error = caught.value
            if is_singular(facts):
                assert check_certificate(program, error.certificate) is None
                assert error.step is None
            else:
                assert error.certificate is None
                assert error.step is not None


# -- lumps ------------------------------------------------------------------------------------------------------------

LUMPED_STAGES = {
    "forward": ["layered", "unlayered"],
    "reverse": ["layered", "unlayered", "reversed"],
    "reverse-inverse": ["layered", "lumped", "inverted", "expanded", "shifted", "unlayered"],
    "forward-inverse": ["layered", "lumped", "inverted", "expanded", "shifted", "unlayered", "reversed"],
}
LUMPED_RULE_OF = {**RULE_OF, "lumped": "lump", "expanded": "expand"}


@pytest.mark.parametrize("mode", STAGES)
def test_pipelines_through_lumps(mode: str) -> None:
    for sparse in (False, True):
        stages = pipeline(mode, sparse=sparse, lumped=True)
        assert [(stage, rule.name) for stage, rule in stages] == [(s, LUMPED_RULE_OF[s]) for s in LUMPED_STAGES[mode]]
        assert getattr(stages[0][1], "sparse", None) is sparse
    assert fg.Mode(mode).stages_with_lumps == tuple((s, LUMPED_RULE_OF[s]) for s in LUMPED_STAGES[mode])
    derivation = fg.derive(fg.parse("inputs x, y\nu = f(x, y)\nv = g(x, y)\noutputs u, v"), mode)
    assert list(derivation.stages) == ["primal", *LUMPED_STAGES[mode]]
    assert derivation.graph == derivation.stages[LUMPED_STAGES[mode][-1]]


@pytest.mark.parametrize("path", REGULAR, ids=lambda path: path.stem)
def test_the_stages_say_whether_a_step_is_not_equasive(path: Path) -> None:
    program = fg.load(path)
    assert has_lumps(program) == (path in LUMPED)
    for mode in fg.Mode:
        expected = LUMPED_STAGES if path in LUMPED else STAGES
        assert list(fg.derive(program, mode).stages) == ["primal", *expected[mode.value]]


def test_dead_and_passive_steps_make_no_lump() -> None:
    dead = fg.parse("inputs x, y\nt = f(x, y)\nz = g(x, y)\noutputs z, y")
    assert not has_lumps(dead)
    passive = fg.parse("inputs x, y, s\nc = x - 0.5\nx = select(c, x, y)\noutputs x, y, s")
    assert not has_lumps(passive)
    assert has_lumps(fg.parse("inputs x, y\nt = f(x, y)\nz = g(x, y, t)\noutputs z, y"))


def test_what_comes_out_in_a_given_order() -> None:
    program = fg.parse("inputs x, y\nt = f(x, y)\nd = f(x, x)\nz = g(x, y, t)\nw = h(y)\noutputs z, w")
    program = fg.parse(format_program(program).replace("f(x, x)", "f(x, y)"))

    def names(order: object, inverse: bool) -> list[str]:
        return [step.name for step in in_order(program, order, inverse=inverse).steps()]

    assert names(None, False) == ["t", "z", "w"]
    assert names(["t", "w", "z"], False) == names(["t", "d", "w", "z"], True) == ["t", "w", "z"]
    assert names([0, 2, 3], False) == names((0, 2, 3), True) == ["t", "z", "w"]
    assert set(names(None, True)) == {"t", "z", "w"}
    singular = fg.parse("inputs x, y\nz = f(x, y)\noutputs z, z")
    assert in_order(singular, ["z"], inverse=False) == singular
    with pytest.raises(fg.NotInvertible):
        in_order(singular, ["z"], inverse=True)
    # Whether there is an inverse at all is said first.
    with pytest.raises(fg.NotInvertible):
        in_order(singular, ["nobody"], inverse=True)


@pytest.mark.parametrize("size", range(2, 6))
def test_the_labels_of_a_lump_cost_what_gauss_and_jordan_need(size: int) -> None:
    """A full l×l matrix A and l×k matrix B: l divisions, l³ − l products and l(l − 1)² sums for A⁻¹, and A⁻¹B."""
    inputs = [f"x{k}" for k in range(size)]
    for passive in range(3):
        read = [*inputs, *(f"w{k}" for k in range(passive))]
        lines = [f"z{k} = f{k}({', '.join(read)})" for k in range(size)]
        outputs = [*(f"z{k}" for k in range(size)), *read[size:]]
        program = fg.parse("\n".join([f"inputs {', '.join(read)}", *lines, f"outputs {', '.join(outputs)}"]))
        for mode in ("forward-inverse", "reverse-inverse"):
            count = fg.count_operations(program, mode)
            assert count.labels == Operations(
                size**3 - size + size**2 * passive, size * (size - 1) ** 2 + size * (size - 1) * passive, size
            )
            # x = A⁻¹ (ż − B ẇ) as one edge per entry.
            sums = size * (size - 1 + passive) if mode == "forward-inverse" else size * (size - 1) + size * passive
            assert count.sweep == Operations(size * (size + passive), sums, 0)


def test_the_labels_of_lumps_cost_what_was_counted_by_hand() -> None:
    def inverse(text: str, order: object = None) -> Operations:
        count = fg.count_operations(fg.parse(text), "reverse-inverse", order=order)
        return count.labels

    # A = [[a, b], [c, 1]]: 1/a, b/a, c/a, 1 − c·b/a, its reciprocal, and three products with it.
    assert inverse("inputs x, y\nu = f(x, y)\nt = g(x)\nv = t + y\noutputs u, v") == Operations(6, 2, 2)
    # A = [[1, 1], [1, −1]]: only the pivot 1 − (1)·1 = −2 is no unit: 1/(−2) costs one division.
    assert inverse("inputs x, y\nu = x + y\nv = x - y\noutputs u, v").divisions <= 1
    # l = 1: z = q(x, p(x)) costs the product along the path, the sum, and one division.
    assert inverse("inputs x\nt = p(x)\nz = q(x, t)\noutputs z") == Operations(1, 1, 1)
    two = "inputs x, y\nt1 = p(x)\nt2 = p(y)\nz1 = q(x, t1)\nz2 = q(y, t2)\noutputs z1, z2"
    assert inverse(two) == Operations(2, 2, 2)
    # As one lump of size 2, diagonal, it costs no more.
    assert inverse(two, ["t1", "t2", "z1", "z2"]) == Operations(2, 2, 2)


@pytest.mark.parametrize("path", LUMPED, ids=lambda path: path.stem)
@pytest.mark.parametrize("mode", list(fg.Mode))
def test_no_label_of_an_example_is_free_that_the_graph_has(path: Path, mode: fg.Mode) -> None:
    """The counter knows only 0, ±1 and anything else, so it counts at least what the exact graph needs."""
    program = fg.load(path)
    graph = fg.derive(program, mode, labels="fractions").graph
    exact = [(e.target, e.label) for e in graph.edges if not graph.algebra.is_zero(e.label)]
    units = (graph.algebra.one, -graph.algebra.one)
    products = sum(label not in units for _, label in exact)
    found = fg.count_operations(program, mode).sweep
    assert products <= found.multiplications <= len(graph.edges)
    targets = Counter([target for target, _ in exact] + list(graph.inputs))
    assert sum(count - 1 for count in targets.values()) <= found.additions <= len(graph.edges)
