"""The oracle of the numeric tests against other ways to the same numbers, and the programs it is asked about."""

from __future__ import annotations

from collections import Counter
from random import Random

import mpmath
import numpy as np
import pytest
from evaluate import evaluate
from numeric_checks import slack
from numeric_oracle import EPS, complex_step, parity, residual, sweep, truth
from numeric_programs import conditioned_cases, random_case, random_rectangle
from sympy.combinatorics.permutations import Permutation

import flowgraph as fg
from flowgraph.operations import CODES, OPERATIONS

SEEDS = range(40)


@pytest.mark.parametrize("seed", SEEDS)
def test_more_digits_change_nothing(seed: int) -> None:
    case = random_case(seed)
    coarse, fine = case.truth, truth(case.program, case.x, digits=120)
    np.testing.assert_array_equal(coarse.value, fine.value)
    np.testing.assert_array_equal(coarse.jacobian, fine.jacobian)
    assert coarse.slogdet == fine.slogdet


@pytest.mark.parametrize("seed", SEEDS)
def test_values_are_those_of_numpy(seed: int) -> None:
    case = random_case(seed)
    np.testing.assert_allclose(case.truth.value, evaluate(case.program, case.x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_jacobian_is_the_limit_of_differences(seed: int) -> None:
    """At 120 digits a difference of 10⁻⁴⁰ is exact to 40 digits; no derivative of SymPy's is in it."""
    case = random_case(seed)
    if (case.program.codes == CODES["constant"]).any():
        pytest.skip("a constant is what it is and has no derivative, which no difference shows")
    n = case.program.n_inputs
    with mpmath.workdps(120):
        step = mpmath.mpf(10) ** -40
        x = [mpmath.mpf(float(a)) for a in case.x]
        outputs = case.program.outputs.tolist()
        here, _ = sweep(case.program, x)
        for j in range(n):
            there, _ = sweep(case.program, [a + step * (i == j) for i, a in enumerate(x)])
            found = np.array([float((there[k] - here[k]) / step) for k in outputs])
            np.testing.assert_allclose(found, case.truth.jacobian[:, j], rtol=1e-13, atol=1e-25)


@pytest.mark.parametrize("seed", SEEDS)
def test_solutions_and_determinants(seed: int) -> None:
    case = random_case(seed)
    found = case.truth
    n = found.n
    sign, value = np.linalg.slogdet(found.jacobian)
    if sign == 0 or np.linalg.cond(found.jacobian) > 1e8:
        pytest.skip("singular, or nearly")
    assert found.slogdet[0] == sign
    np.testing.assert_allclose(found.slogdet[1], value, rtol=1e-7, atol=1e-7)
    v = np.random.default_rng(seed).standard_normal((n, 2))
    # A correctly rounded solution leaves one rounding error; a product rounded to float64 two.
    assert found.residual(found.solve(v), v) <= 1.0
    assert found.transposed.residual(found.transposed.solve(v), v) <= 1.0
    np.testing.assert_allclose(found.solve(found.times(v)), v, rtol=0, atol=1e-15 * n * found.condition)
    np.testing.assert_allclose(found.times(v), found.jacobian @ v, rtol=0, atol=1e-14 * np.abs(found.jacobian).max())
    assert found.condition == pytest.approx(np.linalg.cond(found.jacobian, 1), rel=1e-6)


def test_a_residual_sees_one_wrong_digit() -> None:
    matrix = np.array([[2.0, 1.0], [1.0, 3.0]])
    x = np.array([1.0, -2.0])
    assert residual(matrix, x, matrix @ x) == 0.0
    assert residual(matrix, x * (1 + 40 * EPS), matrix @ x) > 8.0


def test_complex_steps() -> None:
    def f(x):
        return np.stack([x[0] * np.sin(x[1]), np.exp(x[0]) / x[1], x[1]])

    x = np.array([0.7, 1.3])
    expected = [[np.sin(1.3), 0.7 * np.cos(1.3)], [np.exp(0.7) / 1.3, -np.exp(0.7) / 1.3**2], [0, 1]]
    np.testing.assert_allclose(complex_step(f, x), expected, rtol=1e-15)
    np.testing.assert_allclose(complex_step(f, x), truth(fg.trace(f, 2), x).jacobian, rtol=1e-15)


def test_parities() -> None:
    for seed in range(30):
        order = Random(seed).sample(range(7), 7)
        assert parity(order) == Permutation(order).signature()


def test_what_the_random_programs_hold() -> None:
    """They are a test of something: all operations, lumps of many sizes, tiny pivots, permutations, dead code."""
    cases = conditioned_cases()
    assert len(cases) == 1000
    used = Counter(OPERATIONS[code].name for case in cases for code in case.program.codes.tolist())
    assert set(used) == {operation.name for operation in OPERATIONS}
    assert min(used.values()) >= 20
    sizes = Counter(len(block.steps) for case in cases[:300] for block in fg.decompose(case.program).blocks)
    assert len([size for size in sizes if size > 1]) >= 15
    assert max(len(case.program.codes) for case in cases) >= 30
    conditions = np.array([np.linalg.cond(case.truth.jacobian, 1) for case in cases])
    assert (conditions > 1e4).sum() >= 20
    strict = sum(slack(case.truth) <= 2.0 for case in cases)
    assert strict >= 600, strict
    repeated = outputs_are_inputs = dead = permuted = 0
    for case in cases:
        program = case.program
        arguments = [program.step(k).operands for k in range(program.n_steps)]
        repeated += any(len({o for o in a if o >= 0}) < len([o for o in a if o >= 0]) for a in arguments)
        outputs_are_inputs += bool((program.outputs < program.n_inputs).any())
        dead += not program.liveness().needed.all()
        permuted += bool((np.diff(program.outputs) < 0).any())
    assert min(repeated, outputs_are_inputs, dead, permuted) >= 100


def test_rectangles() -> None:
    shapes = {(case.truth.m, case.truth.n) for case in map(random_rectangle, range(150))}
    assert {(0, 2), (2, 2), (5, 3)} <= shapes
    assert any((case.truth.jacobian == 0).all(axis=1).any() for case in map(random_rectangle, range(50)))
