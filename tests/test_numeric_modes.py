"""The four modes, J and its determinant against the multi-precision oracle: the examples and 1,000 random programs."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pytest
from numeric_checks import check_all, check_direct, check_value, residuals, right_hand_sides
from numeric_oracle import complex_step, truth
from numeric_programs import conditioned_cases, random_rectangle, steady_cases

import flowgraph as fg
from flowgraph.language import load
from flowgraph.numbers import draw_points
from flowgraph.program import Program
from tests.examples import FILES, FOLDER, REGULAR

KNOWN = [file for file in FILES if (load(file).codes >= 0).all()]
POINTS = 3


def points(program: Program) -> list[np.ndarray]:
    found = draw_points(program, Random(0), POINTS)
    assert len(found) == POINTS
    return [point.values[: program.n_inputs] for point in found]


def test_there_are_examples_of_both_kinds() -> None:
    assert len([file for file in KNOWN if file in REGULAR]) >= 18
    assert len([file for file in KNOWN if file not in REGULAR]) >= 3


@pytest.mark.parametrize("file", [file for file in KNOWN if file in REGULAR], ids=lambda file: file.stem)
def test_examples(file: Any, backend: str) -> None:
    program = load(file)
    plan = fg.plan(program, backend=backend)
    for seed, x in enumerate(points(program)):
        check_all(plan.linearize(x), truth(program, x), seed)


@pytest.mark.parametrize("file", [file for file in KNOWN if file not in REGULAR], ids=lambda file: file.stem)
def test_examples_that_have_no_inverse(file: Any, backend: str) -> None:
    program = load(file)
    for x in points(program):
        lin = fg.linearize(program, x, backend=backend)
        check_value(lin, truth(program, x))
        check_direct(lin, truth(program, x))


@pytest.mark.parametrize("name", ["polar", "log_ratio"])
def test_python_examples(name: str, backend: str) -> None:
    scope: dict[str, Any] = {}
    exec((FOLDER / f"{name}.py").read_text(encoding="utf-8"), scope)
    x = np.array([1.2, 0.7]) if name == "polar" else np.array([0.3, 1.1, 2.2, 0.9])
    lin = fg.linearize(scope[name], x, backend=backend)
    check_all(lin, truth(fg.trace(scope[name], len(x)), x))
    np.testing.assert_array_equal(lin.value.shape, x.shape)
    np.testing.assert_allclose(lin.value, scope[name](x), rtol=1e-15)


@pytest.mark.parametrize("part", range(10))
def test_a_thousand_random_programs(part: int, backend: str) -> None:
    """Residual ≤ 10 machine epsilons, ≤ 4 after a round of refinement, and everything else, at cond(J) ≤ 10⁸."""
    for case in conditioned_cases()[part::10]:
        try:
            check_all(fg.linearize(case.program, case.x, backend=backend), case.truth, case.seed)
        except AssertionError as error:
            raise AssertionError(f"{case}\n{error}") from error


def test_most_residuals_are_within_one_machine_epsilon(backend: str) -> None:
    """The bounds of the test above are bounds; what is typical is better."""
    found = [
        residuals(fg.linearize(case.program, case.x, backend=backend), case.truth, case.seed)
        for case in steady_cases()[::5]
    ]
    assert np.quantile(found, 0.9) <= 1.0


@pytest.mark.parametrize("seed", range(80))
def test_rectangles(seed: int, backend: str) -> None:
    case = random_rectangle(seed)
    lin = fg.linearize(case.program, case.x, backend=backend)
    check_value(lin, case.truth)
    check_direct(lin, case.truth)


def test_functions_give_what_linearisations_give(backend: str) -> None:
    for case in steady_cases()[:20]:
        program, x, n = case.program, case.x, case.program.n_inputs
        lin = fg.linearize(program, x, backend=backend)
        v = right_hand_sides(case.seed, n)
        y, dy = fg.jvp(program, x, v, backend=backend)
        np.testing.assert_array_equal(y, lin.value)
        np.testing.assert_array_equal(dy, lin.jvp(v))
        y, gx = fg.vjp(program, x, v, backend=backend)
        np.testing.assert_array_equal(y, lin.value)
        np.testing.assert_array_equal(gx, lin.vjp(v))
        np.testing.assert_array_equal(fg.ijvp(program, x, v, backend=backend), lin.ijvp(v))
        np.testing.assert_array_equal(fg.ivjp(program, x, v, backend=backend), lin.ivjp(v))
        np.testing.assert_array_equal(fg.ijvp(program, x, v, backend=backend, refine=1), lin.ijvp(v, refine=1))
        np.testing.assert_array_equal(fg.ivjp(program, x, v, backend=backend, refine=1), lin.ivjp(v, refine=1))


def _coupling(x: Any) -> Any:
    left, right = x[:3], x[3:]
    right = right * np.exp(0.3 * np.tanh(left)) + np.sin(left)
    left = left * np.exp(0.2 * np.cos(right)) - right[::-1]
    return np.concatenate([right, left])


def _euler(x: Any) -> Any:
    for _ in range(4):
        x = x + 0.1 * (np.roll(x, -1) - np.roll(x, 2)) * np.roll(x, 1) - 0.1 * x
    return x


def _triangular(x: Any) -> Any:
    return np.cumsum(np.exp(x) * (1 + x**2))


FUNCTIONS: dict[str, Callable[[Any], Any]] = {"coupling": _coupling, "euler": _euler, "triangular": _triangular}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_against_complex_steps(name: str, backend: str) -> None:
    """An oracle that knows neither programs nor SymPy."""
    f = FUNCTIONS[name]
    x = np.random.default_rng(3).uniform(0.2, 1.5, 6)
    matrix = complex_step(f, x)
    lin = fg.linearize(f, x, backend=backend)
    size = float(np.linalg.norm(matrix, np.inf))
    np.testing.assert_allclose(lin.jacobian(), matrix, rtol=0, atol=1e-14 * size)
    v = right_hand_sides(5, 6, 3)
    np.testing.assert_allclose(lin.jvp(v), matrix @ v, rtol=0, atol=1e-13 * size)
    np.testing.assert_allclose(lin.vjp(v), matrix.T @ v, rtol=0, atol=1e-13 * size)
    inverse = float(np.linalg.norm(np.linalg.inv(matrix), np.inf))
    slip = 1e-14 * inverse * float(np.linalg.cond(matrix))
    np.testing.assert_allclose(lin.ijvp(v), np.linalg.solve(matrix, v), rtol=0, atol=slip)
    np.testing.assert_allclose(lin.ivjp(v), np.linalg.solve(matrix.T, v), rtol=0, atol=slip)
    sign, value = np.linalg.slogdet(matrix)
    assert lin.slogdet()[0] == sign
    assert lin.slogdet()[1] == pytest.approx(value, abs=1e-12)
