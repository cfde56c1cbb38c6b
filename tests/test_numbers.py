"""The numeric oracle: J and J⁻¹ at a point against exact rational arithmetic and against composed expressions."""

from __future__ import annotations

from fractions import Fraction
from random import Random

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as fg
from flowgraph import numbers
from flowgraph.numbers import NumericPoint, draw_points, reference_jacobian, value_error
from flowgraph.partials import edge_slots
from tests.dense import identity, jacobian_of, product, solve
from tests.evaluate import guards_hold, values
from tests.strategies import equasive_programs, programs

SMOOTH = ("add", "sub", "mul", "sin", "tanh", "atan", "logistic")


def as_floats(rows: list[list[Fraction]]) -> np.ndarray:
    return np.array([[float(x) for x in row] for row in rows])


@settings(max_examples=40, deadline=None)
@given(equasive_programs(operations=(), max_inputs=4, max_steps=8), st.integers(0, 999))
def test_uninterpreted_programs_are_exact_linear_algebra(program: fg.Program, seed: int) -> None:
    (point,) = draw_points(program, Random(seed), count=1)
    exact = jacobian_of(program, {key: Fraction(x) for key, x in point.letters.items()})
    reference = reference_jacobian(program, point)
    np.testing.assert_allclose(reference.jacobian, as_floats(exact), rtol=1e-15, atol=1e-25)
    assert reference.inverse is not None
    inverse = solve(exact, identity(program.n_inputs))
    assert product(inverse, exact) == identity(program.n_inputs)
    np.testing.assert_allclose(reference.inverse, as_floats(inverse), rtol=1e-14, atol=1e-20)
    assert all(0.5 <= abs(x) <= 1.5 for x in point.letters.values())
    assert set(point.letters) == {(step, a) for step, arguments in edge_slots(program) for a, _ in arguments}


@settings(max_examples=25, deadline=None)
@given(programs(operations=SMOOTH, functions=(), guards=False, max_inputs=3, max_steps=5), st.integers(0, 999))
def test_known_programs_are_sympys_composed_derivatives(program: fg.Program, seed: int) -> None:
    (point,) = draw_points(program, Random(seed), count=1)
    at = {sympy.Symbol(program.name(k)): sympy.Float(point.values[k], 40) for k in range(program.n_inputs)}
    composed = np.array(fg.jacobian(program).subs(at).evalf(30).tolist(), dtype=float)
    reference = reference_jacobian(program, point)
    np.testing.assert_allclose(
        reference.jacobian, composed.reshape(program.n_outputs, program.n_inputs), rtol=1e-10, atol=1e-12
    )
    assert value_error(program, point) < 1e-13


@settings(max_examples=60, deadline=None)
@given(programs(max_inputs=3, max_steps=6, functions=()), st.integers(0, 999))
def test_points_lie_in_the_domain_and_keep_the_guards(program: fg.Program, seed: int) -> None:
    for point in draw_points(program, Random(seed), count=2, attempts=16):
        x = point.values[: program.n_inputs]
        assert point.values.tolist() == values(program, x)
        assert guards_hold(program, x)
        active = program.liveness().active
        for step in program.steps():
            assert step.operation is not None
            # What only conditions read, or nothing, must be finite, and nothing more.
            if not active[step.index]:
                continue
            operands = [point.values[o] if o >= 0 else program.constants[-1 - o] for o in step.operands]
            assert step.operation.domain.contains(*operands)


def test_points_are_decided_by_the_seed() -> None:
    program = fg.parse("inputs x, y\nx = f(x, y)\ny = log(y)\noutputs x, y")
    one, same, other = (draw_points(program, Random(seed), count=3) for seed in (1, 1, 2))
    assert [p.values.tolist() for p in one] == [p.values.tolist() for p in same]
    assert [p.values.tolist() for p in one] != [p.values.tolist() for p in other]
    assert len(one) == 3


def test_points_that_cannot_be_found_are_not_given() -> None:
    assert draw_points(fg.parse("inputs x\ny = x + 100\nz = asin(y)\noutputs z"), Random(0), count=2) == ()


def shears(epsilon: str, count: int) -> fg.Program:
    """u ← εu + w; w ← (w − u)/ε, over and over: each pair has J = [[ε, 1], [−1, 0]]."""
    pair = f"u = {epsilon} * u\nu = u + w\nw = w - u\nw = w / {epsilon}\n"
    return fg.parse(f"inputs u, w\n{pair * count}outputs u, w")


@pytest.mark.parametrize(("epsilon", "count"), [("1e-12", 1), ("1e-12", 3), ("1e-200", 1)])
def test_tiny_pivots_do_not_cost_the_reference_its_digits(epsilon: str, count: int) -> None:
    program = shears(epsilon, count)
    point = NumericPoint(np.zeros(program.n_values), {}, {})
    e = Fraction(epsilon)
    pair = [[e, Fraction(1)], [Fraction(-1), Fraction(0)]]
    exact = identity(2)
    for _ in range(count):
        exact = product(pair, exact)
    reference = reference_jacobian(program, point)
    np.testing.assert_allclose(reference.jacobian, as_floats(exact), rtol=1e-15, atol=1e-30)
    assert reference.inverse is not None
    np.testing.assert_allclose(reference.inverse, as_floats(solve(exact, identity(2))), rtol=1e-14, atol=1e-30)


def scaled_and_mixed(n: int) -> fg.Program:
    """J = [[ε, 1], [ε, 2]]ⁿ with ε = 10⁻⁵: its rows cancel all but 5n digits of its determinant."""
    lines = "\n".join("x = x * 0.00001\nx = x + y\ny = y + x" for _ in range(n))
    return fg.parse(f"inputs x, y\n{lines}\noutputs x, y")


def test_more_digits_are_taken_where_thirty_are_too_few(monkeypatch: pytest.MonkeyPatch) -> None:
    program = scaled_and_mixed(12)
    (point,) = draw_points(program, Random(0), count=1)
    full = reference_jacobian(program, point).inverse
    assert full is not None
    for too_few in ((30,), (30, 60)):
        monkeypatch.setattr(numbers, "_DIGITS", too_few)
        assert reference_jacobian(program, point).inverse is None
    # det J = 10⁻⁶⁰, and the adjugate of a 2×2 matrix is the matrix rearranged.
    e = Fraction(1, 100000)
    exact = identity(2)
    for _ in range(12):
        exact = product([[e, Fraction(1)], [e, Fraction(2)]], exact)
    (a, b), (c, d) = exact
    scaled = [[d * 10**60, -b * 10**60], [-c * 10**60, a * 10**60]]
    assert a * d - b * c == Fraction(1, 10**60)
    np.testing.assert_allclose(full, as_floats(scaled), rtol=1e-14)


@pytest.mark.parametrize("n", [6, 12, 20, 35])
def test_cancellation_in_the_reference_is_no_false_alarm(n: int) -> None:
    report = fg.verify(scaled_and_mixed(n))
    assert report.ok, str(report)
    assert not any(check.skipped for check in report.checks)


@pytest.mark.parametrize(
    "lines",
    ["x = x + y\ny = y - x\nx = y + x\ny = x - x", "x = f(y, y)\ny = g(x)", "x = x * 0", "x = y + 1\nx = x + y"],
)
def test_a_singular_matrix_has_no_inverse(lines: str) -> None:
    program = fg.parse(f"inputs x, y\n{lines}\noutputs x, y")
    (point,) = draw_points(program, Random(0), count=1)
    reference = reference_jacobian(program, point)
    assert np.linalg.matrix_rank(reference.jacobian) < 2
    assert reference.inverse is None
    assert reference.of_mode("forward-inverse") is None
    assert reference.of_mode("reverse") is not None


def test_the_matrix_of_each_mode() -> None:
    program = fg.parse("inputs x, y\nx = x * y\noutputs x, y")
    point = NumericPoint(np.array([2.0, 4.0, 8.0]), {}, {})
    reference = reference_jacobian(program, point)
    expected = {
        "forward": [[4, 2], [0, 1]],
        "reverse": [[4, 0], [2, 1]],
        "forward-inverse": [[0.25, -0.5], [0, 1]],
        "reverse-inverse": [[0.25, 0], [-0.5, 1]],
    }
    for mode, rows in expected.items():
        found = reference.of_mode(mode)
        assert found is not None
        assert found.tolist() == rows


def test_a_wrong_value_is_measured_at_its_own_step() -> None:
    program = fg.parse("inputs x\ny = sin(x)\nz = exp(y)\noutputs z")
    (point,) = draw_points(program, Random(0), count=1)
    assert value_error(program, point) < 1e-15
    spoilt = point.values.copy()
    spoilt[2] *= 1 + 1e-6
    assert value_error(program, NumericPoint(spoilt, {}, {})) == pytest.approx(1e-6, rel=1e-3)
    spoilt = point.values.copy()
    spoilt[1] += 1e-3  # and so exp(y) is wrong too, at its own operand
    assert value_error(program, NumericPoint(spoilt, {}, {})) > 1e-4
