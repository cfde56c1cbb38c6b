"""The labellings: every partial of every operation against numerical differentiation, letters, constants, residues."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import islice
from random import Random
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given, settings

import flowgraph as fg
from flowgraph.builder import Builder
from flowgraph.labels import GENERIC, FractionLabels, ResidueLabels
from flowgraph.operations import OPERATIONS, Operation
from flowgraph.partials import (
    ConstantPartials,
    CountedPartials,
    FloatPartials,
    FractionPartials,
    ResiduePartials,
    SymbolicPartials,
    coefficient_names,
    edge_slots,
    evaluate,
    exact,
    linearise,
)
from tests.evaluate import values as evaluated
from tests.strategies import programs

ACTIVE = [op for op in OPERATIONS if op.name != "constant"]


def one_step(op: Operation, operands: tuple[int | float, ...]) -> fg.Program:
    """A program of one step: ints are inputs, floats constants."""
    n = max((o for o in operands if isinstance(o, int)), default=-1) + 1
    builder = Builder(n)
    places = [o if isinstance(o, int) else builder.constant(o) for o in operands]
    z = builder.append(op.name, *(np.asarray(o) for o in places))
    return builder.finish(np.array([int(z)]))


def cases() -> list[tuple[Operation, tuple[int | float, ...]]]:
    """Every operation with different arguments, with one argument throughout, and with each operand a constant."""
    found: list[tuple[Operation, tuple[int | float, ...]]] = []
    for op in ACTIVE:
        found.append((op, tuple(range(op.arity))))
        if op.arity > 1 and op.domain.text != "x ≠ y":
            found.append((op, (0,) * op.arity))
        if op.arity == 2:
            middle = [sum(interval) / 2 for interval in op.domain.sample]
            found += [(op, (0, middle[1] or 2.0)), (op, (middle[0] or 2.0, 0))]
    return found


CASES = cases()


def point_of(program: fg.Program, op: Operation, operands: tuple[int | float, ...], random: Random) -> list[float]:
    """Inputs inside the operation's domain."""
    for _ in range(400):
        x = [0.0] * program.n_inputs
        for (low, high), operand in zip(op.domain.sample, operands, strict=True):
            if isinstance(operand, int):
                x[operand] = random.uniform(low, high)
        if bool(op.domain.contains(*(x[o] if isinstance(o, int) else o for o in operands))):
            return x
    raise AssertionError("no point found in the domain")


def derivative(op: Operation, operands: tuple[int | float, ...], x: list[float], j: int) -> float:
    """∂/∂x_j by central differences of the SymPy form in mpmath, with 60 digits."""
    form = sympy.lambdify(
        symbols := sympy.symbols(f"v0:{op.arity}", real=True),
        op.form(sympy, *symbols),
        [{"Heaviside": lambda t, middle=0.5: 1 if t > 0 else 0 if t < 0 else middle}, "mpmath"],
    )
    with mpmath.workdps(60):
        h = mpmath.mpf(10) ** -20

        def at(shift: Any) -> Any:
            y = [mpmath.mpf(value) + (shift if k == j else 0) for k, value in enumerate(x)]
            return form(*(y[o] if isinstance(o, int) else mpmath.mpf(o) for o in operands))

        return float((at(h) - at(-h)) / (2 * h))


@pytest.mark.parametrize(("op", "operands"), CASES, ids=lambda value: getattr(value, "name", str(value)))
def test_every_label_is_the_derivative(op: Operation, operands: tuple[int | float, ...]) -> None:
    program = one_step(op, operands)
    random = Random(f"{op.name}{operands}")
    constants, fractions = ConstantPartials(program), FractionPartials(program)
    counted, symbolic = CountedPartials(program), SymbolicPartials(program)
    assert isinstance(fractions.algebra, FractionLabels)
    ((_, arguments),) = edge_slots(program)
    for _ in range(3):
        x = point_of(program, op, operands, random)
        labelled = linearise(program, symbolic)
        at_point = linearise(program, FloatPartials(program, evaluate(program, np.array(x)), {}))
        edges = {source: label for row in labelled.rows.values() for source, label, _ in row}
        numbers = {source: label for row in at_point.rows.values() for source, label, _ in row}
        given = {sympy.Symbol(f"x{k + 1}"): sympy.Float(value, 40) for k, value in enumerate(x)}
        for argument, slots in arguments:
            place = (argument, 0)
            expected = derivative(op, operands, x, argument)
            assert float(sympy.N(edges[place].subs(given), 30)) == pytest.approx(expected, rel=1e-12, abs=1e-15)
            assert numbers[place] == pytest.approx(expected, rel=1e-12, abs=1e-14)
            found = constants.find(0, slots[0])
            assert all(constants.find(0, slot) == 0 for slot in slots[1:])
            generator = fractions.partial(0, slots[0])
            if found is None:
                assert generator in fractions.algebra.symbols.values()
                assert counted.partial(0, slots[0]) == GENERIC
            else:
                assert float(found) == pytest.approx(expected, rel=1e-12, abs=1e-15)
                assert generator == fractions.algebra.number(found)
                assert counted.partial(0, slots[0]) == (found if found in (0, 1, -1) else GENERIC)
            assert all(fractions.partial(0, slot) == 0 for slot in slots[1:])


@pytest.mark.parametrize(
    ("right", "expected"),
    [
        ("x + y", [1, 1]),
        ("x - y", [1, -1]),
        ("x - x", [0]),
        ("x + x", [2]),
        ("-x", [-1]),
        ("3 * x", [3]),
        ("x / 4", [Fraction(1, 4)]),
        ("0.1 * x", [Fraction(1, 10)]),
        ("x / x", [0]),
        ("x ** 1", [1]),
        ("x ** 0", [0]),
        ("maximum(x, x)", [1]),
        ("atan2(x, x)", [0]),
        ("x * y", [None, None]),
        ("x * x", [None]),
        ("x ** 2", [None]),
        ("hypot(x, x)", [None]),
        ("f(x, x, y)", [None, None]),
    ],
)
def test_which_partials_are_numbers(right: str, expected: list[Fraction | None]) -> None:
    program = fg.parse(f"inputs x, y\nz = {right}\noutputs z")
    constants = ConstantPartials(program)
    ((step, arguments),) = edge_slots(program)
    assert [constants.find(step, slots[0]) for _, slots in arguments] == expected


def test_letters_are_one_for_each_argument_and_avoid_the_names_of_the_program() -> None:
    program = fg.parse("inputs a, c\nz = f(a, c, a)\nw = g(z, c)\nb = sin(w)\noutputs b, c")
    labelling = SymbolicPartials(program)
    assert labelling.meanings == {"d": "∂f/∂a", "e": "∂f/∂c", "h": "∂g/∂z", "i": "∂g/∂c"}  # f and g are taken too
    assert [str(labelling.partial(0, slot)) for slot in range(3)] == ["d", "e", "0"]
    assert str(labelling.partial(2, 0)) == "cos(w)"
    fractions = FractionPartials(program)
    assert fractions.definitions == {"d": (0, 0), "e": (0, 1), "h": (1, 2), "i": (1, 1), "j": (2, 3)}
    assert isinstance(fractions.algebra, FractionLabels)
    assert fractions.algebra.generators == ("d", "e", "h", "i", "j")


def test_letters_go_on_for_ever() -> None:
    names = list(islice(coefficient_names({"b", "a1"}), 60))
    assert names[:3] == ["a", "c", "d"]
    assert names[24:27] == ["z", "b1", "c1"]
    assert len(set(names)) == 60


@pytest.mark.parametrize("value", [0.1, 1e-3, -2.5, 1e300, 5e-324, 123456789.0, -0.0, 2.0**60])
def test_constants_are_their_shortest_decimals(value: float) -> None:
    assert float(exact(value)) == value
    assert exact(value) == Fraction(repr(value))


@settings(max_examples=40, deadline=None)
@given(programs(max_steps=6))
def test_the_primal_graph_has_an_edge_for_each_argument(program: fg.Program) -> None:
    program = program.without_dead_code()
    live = program.liveness()
    graph = linearise(program, FractionPartials(program)).freeze()
    names = {vertex.id: vertex.value for vertex in graph.vertices}
    expected = set()
    for step in program.steps():
        if live.active[step.index]:
            inactive = step.operation.inactive if step.operation else ()
            read = [o for place, o in enumerate(step.operands) if o >= 0 and place not in inactive]
            expected |= {(program.name(o), step.name) for o in read}
    assert {(names[e.source], names[e.target]) for e in graph.edges} == expected
    assert len(graph.edges) == len(expected)
    assert len(names) == program.n_inputs + int(live.active.sum())
    assert graph.input_names == program.input_names
    assert graph.output_names == program.output_names
    assert not any(edge.carry for edge in graph.edges)


def test_residues_are_units_the_seed_decides_and_constants_are_exact() -> None:
    program = fg.parse("inputs x, y\nz = f(x, y)\nz = z / 3\nz = z - y\noutputs z, y")
    one, same, other = (ResiduePartials(program, 2, seed) for seed in (1, 1, 2))
    algebra = one.algebra
    assert isinstance(algebra, ResidueLabels)
    drawn = [labelling.partial(0, 0) for labelling in (one, same, other)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert one.partial(0, 0) != drawn[0]  # every draw is fresh
    assert math.gcd(drawn[0], algebra.modulus) == 1
    assert algebra.mul(one.partial(1, 0), 3) == 1
    assert one.partial(2, 1) == algebra.neg(1)
    assert algebra == ResidueLabels(2)


def test_values_are_those_of_the_columns() -> None:
    program = fg.parse("inputs x, y\nx = x * y\ny = hypot(x, y)\nx = 2 - x\nx = exp(x)\noutputs x, y")
    x = np.array([0.7, -1.3])
    assert evaluate(program, x).tolist() == evaluated(program, x)


def test_values_outside_a_domain_are_refused() -> None:
    program = fg.parse("inputs x\ny = log(x)\nz = f(y)\noutputs z")
    with pytest.raises(fg.DomainError, match="log is not defined") as caught:
        evaluate(program, np.array([-1.0]), lambda step: 0.0)
    assert "step 1" in str(caught.value)
    with pytest.raises(fg.DomainError, match="f is uninterpreted"):
        evaluate(program, np.array([1.0]))
    assert evaluate(program, np.array([1.0]), lambda step: 10.0 + step).tolist() == [1.0, 0.0, 11.0]


def test_the_partials_at_a_point_take_the_given_numbers_for_letters() -> None:
    program = fg.parse("inputs x, y\nz = f(x, y, x)\noutputs z, y")
    labelling = FloatPartials(program, np.zeros(3), {(0, 0): 5.0, (0, 1): 7.0})
    assert [labelling.partial(0, slot) for slot in range(3)] == [5.0, 7.0, 0.0]
