"""The maps of graphs in every label algebra and at numbers, and the Jacobian by SymPy alone."""

from __future__ import annotations

import math
import warnings
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given, reject, settings
from hypothesis import strategies as st

import flowgraph as fg
from flowgraph.graph import Edge, FlowGraph, Vertex
from flowgraph.labels import CountingLabels, FloatLabels, FractionLabels, ResidueLabels, SymbolicLabels
from flowgraph.partials import ConstantPartials, FractionPartials, SymbolicPartials
from flowgraph.symbolic import partial_defects, paths, vanishes
from tests.evaluate import evaluate
from tests.strategies import equasive_programs, programs

EXAMPLES = sorted((Path(__file__).resolve().parent.parent / "papers_examples").glob("*.fg"))
KNOWN = ("add", "sub", "mul", "sin", "tanh", "square", "neg", "constant")
A, B = sympy.symbols("a b")


# -- the Jacobian -----------------------------------------------------------------------------------------------------


def numerically(program: fg.Program, x: list[float]) -> np.ndarray[Any, Any]:
    """J by central differences of the values, with no derivative through what is inactive."""
    h = 1e-6
    columns = []
    for j in range(len(x)):
        ends = [evaluate(program, [v + sign * h * (k == j) for k, v in enumerate(x)]) for sign in (1, -1)]
        columns.append((ends[0] - ends[1]) / (2 * h))
    return np.array(columns).T.reshape(program.n_outputs, len(x))


@settings(max_examples=40, deadline=None)
@given(programs(operations=KNOWN[:-1], functions=(), guards=False, max_inputs=3, max_steps=5), st.integers(0, 99))
def test_jacobian_forward_graph_and_differences_agree(program: fg.Program, seed: int) -> None:
    random = Random(seed)
    x = [random.uniform(-1, 1) for _ in range(program.n_inputs)]
    symbolic = fg.jacobian(program)
    at = {sympy.Symbol(program.name(k)): sympy.Float(v, 30) for k, v in enumerate(x)}
    exact = np.array(symbolic.subs(at).evalf(20).tolist(), dtype=float).reshape(symbolic.shape)
    np.testing.assert_allclose(exact, numerically(program, x), atol=1e-6, rtol=1e-6)
    derivation = fg.derive(program, "forward")
    known = [float(v) for v in x]
    for step in derivation.program.steps():
        assert step.operation is not None
        known.append(
            float(
                step.operation.evaluate(
                    *(known[o] if o >= 0 else derivation.program.constants[-1 - o] for o in step.operands)
                )
            )
        )
    numbers = {derivation.program.name(k): v for k, v in enumerate(known)}
    np.testing.assert_allclose(fg.linear_map(derivation.graph, numbers), exact, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("inputs x\nz = constant(x)\nz = z * x\noutputs z", [["x"]]),
        ("inputs c, x\nd = constant(c)\nz = d * x\nw = constant(z)\nv = w + z\noutputs v, w", [["0", "c"], ["0", "0"]]),
        ("inputs c, x\nd = c * x\nz = select(d, x, 2)\noutputs z", [["0", "Piecewise((1, c*x > 0), (0, True))"]]),
        ("inputs x, y\nz = maximum(x, y)\noutputs z", [["Heaviside(x - y)", "Heaviside(y - x)"]]),
        ("inputs x\nz = abs(x)\nw = z * z\noutputs w", [["2*Abs(x)*sign(x)"]]),
        ("inputs x, y\noutputs y, y", [["0", "1"], ["0", "1"]]),
    ],
)
def test_no_derivative_flows_through_what_is_inactive(text: str, rows: list[list[str]]) -> None:
    program = fg.parse(text)
    symbols: dict[str, Any] = {name: sympy.Symbol(name) for name in program.input_names}
    found = fg.jacobian(program)
    for i, row in enumerate(rows):
        for j, entry in enumerate(row):
            assert vanishes(found[i, j] - sympy.parse_expr(entry, local_dict=symbols)), f"{found[i, j]} is not {entry}"
    assert found.free_symbols <= set(symbols.values())


def test_sizes_with_nothing_in_them() -> None:
    from flowgraph.builder import Builder

    empty = Builder(0).finish(np.zeros(0, dtype=int))
    assert fg.jacobian(empty).shape == (0, 0)
    assert fg.linear_map(fg.derive(empty, "reverse-inverse").graph).shape == (0, 0)
    wide = Builder(3).finish(np.zeros(0, dtype=int))
    assert fg.jacobian(wide).shape == (0, 3)
    assert fg.linear_map(fg.derive(wide, "forward").graph).shape == (0, 3)
    assert fg.linear_map(fg.derive(wide, "reverse").graph).shape == (3, 0)


# -- labels against SymPy ---------------------------------------------------------------------------------------------


def test_every_example_has_sympys_partials() -> None:
    for path in EXAMPLES:
        program = fg.load(path)
        checked, trouble = partial_defects(program, SymbolicPartials(program).partial, ConstantPartials(program).find)
        assert trouble is None
        assert (checked > 0) == any(step.operation for step in program.steps())


PROGRAM = fg.parse("inputs x, y\nx = x - y\ny = y / x\nx = 3 * x\noutputs x, y")


def test_labels_that_are_not_sympys_partials_are_named() -> None:
    symbolic, constants = SymbolicPartials(PROGRAM), ConstantPartials(PROGRAM)

    def swapped(step: int, slot: int) -> Any:
        return symbolic.partial(step, 1 - slot if step == 1 else slot)

    def wrong_sign(step: int, slot: int) -> Fraction | None:
        return Fraction(1) if (step, slot) == (0, 1) else constants.find(step, slot)

    def wrong_factor(step: int, slot: int) -> Fraction | None:
        return Fraction(2) if step == 2 else constants.find(step, slot)

    def too_constant(step: int, slot: int) -> Fraction | None:
        return Fraction(1) if step == 1 else constants.find(step, slot)

    assert partial_defects(PROGRAM, symbolic.partial, constants.find) == (3, None)
    for label, constant, step in (
        (swapped, constants.find, 2),
        (symbolic.partial, wrong_sign, 1),
        (symbolic.partial, wrong_factor, 3),
        (symbolic.partial, too_constant, 2),
    ):
        _, trouble = partial_defects(PROGRAM, label, constant)
        assert trouble is not None
        assert trouble.startswith(f"step {step}: ")


def test_verify_holds_the_labels_that_people_see(monkeypatch: pytest.MonkeyPatch) -> None:
    right = SymbolicPartials.partial
    monkeypatch.setattr(SymbolicPartials, "partial", lambda self, step, slot: -right(self, step, slot))
    for method in ("exact", "prime-field"):
        report = fg.verify(PROGRAM, method=method)
        assert [check.subject for check in report.checks if not check.ok] == ["labels = SymPy's partials"]


def test_verify_holds_the_constants_that_proofs_use(monkeypatch: pytest.MonkeyPatch) -> None:
    right = ConstantPartials.find

    def wrong(self: ConstantPartials, step: int, slot: int) -> Fraction | None:
        found = right(self, step, slot)
        return -found if found else found

    monkeypatch.setattr(ConstantPartials, "find", wrong)
    for method in ("exact", "prime-field"):
        report = fg.verify(PROGRAM, method=method)
        assert [check.subject for check in report.checks if not check.ok] == ["labels = SymPy's partials"]


def test_what_vanishes() -> None:
    x, y = sympy.symbols("x y", real=True)
    for zero in (
        1 - sympy.tanh(x) ** 2 - 1 / sympy.cosh(x) ** 2,
        sympy.exp(x + y) - sympy.exp(x) * sympy.exp(y),
        sympy.sign(x) - x / sympy.Abs(x),
        (x**2 - y**2) / (x - y) - x - y,
        sympy.Piecewise((x, x > 0), (y, True)) - sympy.Piecewise((x, x > 0), (y, True)),
        x**y * y / x - y * x ** (y - 1),
    ):
        assert vanishes(zero), zero
    for other in (x, x - y, sympy.sin(x) - x, sympy.Piecewise((0, x > 0), (1, True)), sympy.exp(x) - 1):
        assert not vanishes(other), other


# -- maps in other algebras -------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(equasive_programs(max_inputs=3, max_steps=5), st.sampled_from(list(fg.Mode)), st.integers(0, 99))
def test_fractions_are_the_symbols_after_substitution(program: fg.Program, mode: fg.Mode, seed: int) -> None:
    """Edge by edge: a generator stands for the symbolic label of its edge."""
    try:
        symbolic, fractions = (fg.derive(program, mode, labels=labels).graph for labels in ("symbolic", "fractions"))
    except fg.NotInvertible:
        reject()
    program = program.without_dead_code()
    partials, generators = SymbolicPartials(program), FractionPartials(program).definitions
    meaning = {}
    for name, (step, argument) in generators.items():
        operands = program.step(step).operands
        meaning[sympy.Symbol(name)] = sum(partials.partial(step, k) for k, o in enumerate(operands) if o == argument)
    random = Random(seed)
    ends = [(e.source, e.target, e.carry) for e in symbolic.edges]
    assert ends == [(e.source, e.target, e.carry) for e in fractions.edges]
    for one, two in zip(symbolic.edges, fractions.edges, strict=True):
        expected = two.label.as_expr().subs(meaning, simultaneous=True)
        point = {s: sympy.Rational(random.randint(3, 9), 7) for s in (one.label - expected).free_symbols}
        assert abs(sympy.N((one.label - expected).subs(point), 30)) < 1e-20


GRAPH = fg.derive(fg.parse("inputs u, w\nz = f(u, w)\noutputs z, w"), "reverse-inverse").graph


def test_one_map_in_every_algebra() -> None:
    p = 2**61 - 1
    assert fg.linear_map(GRAPH) == sympy.Matrix([[1 / A, 0], [-B / A, 1]])
    assert fg.linear_map(GRAPH, "symbolic") == fg.linear_map(GRAPH)
    residues = fg.linear_map(GRAPH, ResidueLabels(1), {"a": 5, "b": 7})
    assert residues == ((pow(5, -1, p), 0), (-7 * pow(5, -1, p) % p, 1))
    floats = fg.linear_map(GRAPH, FloatLabels(), {"a": 5.0, "b": 7.0})
    assert floats.tolist() == fg.linear_map(GRAPH, {"a": 5, "b": 7}).tolist() == [[0.2, 0.0], [-1.4, 1.0]]
    assert fg.linear_map(GRAPH, CountingLabels()) == (("generic", 0), ("generic", 1))
    own = FractionLabels(("t",))
    (row, _) = fg.linear_map(GRAPH, own, {"a": own.symbols["t"], "b": own.one})
    assert own.text(row[0]) == "1/t"
    chosen = fg.linear_map(GRAPH, SymbolicLabels(), {"a": sympy.Integer(2), "b": A})
    assert chosen == sympy.Matrix([[sympy.Rational(1, 2), 0], [-A / 2, 1]])


def forward(right: str) -> FlowGraph:
    return fg.derive(fg.parse(f"inputs x, y\nz = {right}\noutputs z"), "forward").graph


@pytest.mark.parametrize(
    ("graph", "numbers"),
    [
        (GRAPH, {"a": 0.0, "b": 1.0}),
        (GRAPH, {"a": 1.0, "b": math.inf}),
        (GRAPH, {"a": math.nan, "b": 1.0}),
        (GRAPH, {"a": 1e-320, "b": 1.0}),
        (forward("x ** y"), {"x": -2.0, "y": 0.5}),
        (forward("x ** y"), {"x": 0.0, "y": 0.5}),
        (forward("x ** y"), {"x": 1e300, "y": 3.0}),
        (forward("sqrt(x)"), {"x": -1.0}),
        (forward("asin(x)"), {"x": 1.0}),
        (forward("exp(x)"), {"x": 1000.0}),
        (forward("(x ** 3) * y"), {"x": 1e200, "y": 1.0, "t1": 1.0}),
        (forward("1 / x"), {"x": 0.0}),
    ],
)
def test_numbers_at_which_a_label_has_no_value(graph: FlowGraph, numbers: dict[str, float]) -> None:
    """An error of the library's own, never a warning, a complex number, NaN or one of Python's errors."""
    names = {str(s) for edge in graph.edges for s in edge.label.free_symbols}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(fg.GraphError, match="no finite real number") as caught:
            fg.linear_map(graph, {name: numbers.get(name, 1.0) for name in names})
    assert "label" in str(caught.value.where)


@pytest.mark.parametrize("junk", ["two", None, [1.0], 1j, object()])
def test_values_that_are_no_numbers(junk: object) -> None:
    with pytest.raises(fg.GraphError, match="value of a is no number"):
        fg.linear_map(GRAPH, {"a": junk, "b": 1.0})  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("algebra", [ResidueLabels(1), ResidueLabels(2), FractionLabels(("t",)), SymbolicLabels()])
def test_a_pivot_of_zero_in_another_algebra(algebra: Any) -> None:
    with pytest.raises(fg.GraphError, match="divides by zero") as caught:
        fg.linear_map(GRAPH, algebra, {"a": algebra.zero, "b": algebra.one})
    assert caught.value.got == "a = 0"


@pytest.mark.parametrize("text", ["x + y", "sin(x)*y", "0.5*x", "x**3/y", "maximum(x, y)", "select(x, y, 2)", "erf(x)"])
def test_numbers_are_what_sympy_makes_of_the_labels(text: str) -> None:
    graph = forward(text)
    x, y = 0.75, 1.25
    inner = {name: 0.3 for e in graph.edges for name in map(str, e.label.free_symbols)} | {"x": x, "y": y}
    by_numpy = fg.linear_map(graph, inner)
    by_sympy = fg.linear_map(graph).subs({sympy.Symbol(k): v for k, v in inner.items()}).evalf(30)
    np.testing.assert_allclose(by_numpy, np.array(by_sympy.tolist(), dtype=float), rtol=1e-14)


def test_paths_are_counted() -> None:
    v = [Vertex(k, k, f"v{k}", f"v{k}") for k in range(4)]
    edges = tuple(Edge(v[i].id, v[j].id, 1.0) for i in range(4) for j in range(i + 1, 4))
    graph = FlowGraph(FloatLabels(), tuple(v), edges, (v[0].id, v[1].id), (v[3].id, v[0].id))
    assert paths(graph).tolist() == [[4, 2], [1, 0]]


# -- label algebras: zero is zero however it is written ---------------------------------------------------------------


def test_a_zero_is_seen_inside_products_and_powers() -> None:
    algebra = SymbolicLabels()
    hidden = (A**2 - 1) - (A - 1) * (A + 1)
    for zero in (hidden, B * hidden, hidden**2, hidden / B, sympy.S.Zero):
        assert algebra.is_zero(zero)
        assert algebra.equal(zero, algebra.zero)
        with pytest.raises(ZeroDivisionError):
            algebra.reciprocal(zero)
    for other in (A, A * B, A - B, 1 / A, A**-2, (A - B) ** 2, sympy.cos(A), sympy.pi):
        assert not algebra.is_zero(other)
        assert algebra.equal(algebra.mul(other, algebra.reciprocal(other)), algebra.one)


@pytest.mark.parametrize("label", [2.0, 0.0, -1.0, math.nan])
def test_a_carry_edge_that_multiplies_is_refused(label: float) -> None:
    u, q = Vertex(0, 0, "u", "u"), Vertex(0, 1, "u@1", "u")
    with pytest.raises(fg.GraphError, match="carry edge multiplies by 1"):
        FlowGraph(FloatLabels(), (u, q), (Edge(u.id, q.id, label, True),), (u.id,), (q.id,))
    assert FlowGraph(FloatLabels(), (u, q), (Edge(u.id, q.id, 1.0, True),), (u.id,), (q.id,)).edges
