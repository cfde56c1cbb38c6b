"""The systems of Moré, Garbow and Hillstrom against their formulas, written index by index in 40 digits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mpmath
import numpy as np
import pytest

from flowgraph.errors import InputError
from flowgraph.numeric.functions import linearize
from flowgraph.numeric.newton import newton
from flowgraph.problems import PROBLEMS, Problem
from flowgraph.tracing import trace

Vector = Sequence[Any]
mp = mpmath.mp.clone()
mp.dps = 40


# -- the paper's formulas: x[1] … x[n], one entry at a time --------------------------------------------------------


def rosenbrock(n: int, x: Vector) -> Vector:
    f = [mp.mpf(0)] * (n + 1)
    for i in range(1, n // 2 + 1):
        f[2 * i - 1] = 10 * (x[2 * i] - x[2 * i - 1] ** 2)
        f[2 * i] = 1 - x[2 * i - 1]
    return f


def freudenstein_roth(n: int, x: Vector) -> Vector:
    return [
        None,
        -13 + x[1] + ((5 - x[2]) * x[2] - 2) * x[2],
        -29 + x[1] + ((x[2] + 1) * x[2] - 14) * x[2],
    ]


def powell_badly_scaled(n: int, x: Vector) -> Vector:
    return [None, 10**4 * x[1] * x[2] - 1, mp.exp(-x[1]) + mp.exp(-x[2]) - mp.mpf("1.0001")]


def helical_valley(n: int, x: Vector) -> Vector:
    theta = mp.atan(x[2] / x[1]) / (2 * mp.pi)
    if x[1] < 0:
        theta += mp.mpf("0.5")
    return [None, 10 * (x[3] - 10 * theta), 10 * (mp.sqrt(x[1] ** 2 + x[2] ** 2) - 1), x[3]]


def powell_singular(n: int, x: Vector) -> Vector:
    f = [mp.mpf(0)] * (n + 1)
    for i in range(1, n // 4 + 1):
        f[4 * i - 3] = x[4 * i - 3] + 10 * x[4 * i - 2]
        f[4 * i - 2] = mp.sqrt(5) * (x[4 * i - 1] - x[4 * i])
        f[4 * i - 1] = (x[4 * i - 2] - 2 * x[4 * i - 1]) ** 2
        f[4 * i] = mp.sqrt(10) * (x[4 * i - 3] - x[4 * i]) ** 2
    return f


def trigonometric(n: int, x: Vector) -> Vector:
    f = [mp.mpf(0)] * (n + 1)
    for i in range(1, n + 1):
        f[i] = n + i * (1 - mp.cos(x[i])) - mp.sin(x[i])
        for j in range(1, n + 1):
            f[i] -= mp.cos(x[j])
    return f


def brown_almost_linear(n: int, x: Vector) -> Vector:
    f = [mp.mpf(0)] * (n + 1)
    for i in range(1, n):
        f[i] = x[i] - (n + 1)
        for j in range(1, n + 1):
            f[i] += x[j]
    f[n] = mp.mpf(1)
    for j in range(1, n + 1):
        f[n] *= x[j]
    f[n] -= 1
    return f


def discrete_boundary_value(n: int, x: Vector) -> Vector:
    f, h = [mp.mpf(0)] * (n + 1), mp.mpf(1) / (n + 1)
    for i in range(1, n + 1):
        left = x[i - 1] if i > 1 else 0
        right = x[i + 1] if i < n else 0
        f[i] = 2 * x[i] - left - right + h**2 * (x[i] + i * h + 1) ** 3 / 2
    return f


def discrete_integral_equation(n: int, x: Vector) -> Vector:
    f, h = [mp.mpf(0)] * (n + 1), mp.mpf(1) / (n + 1)
    for i in range(1, n + 1):
        below = sum((j * h * (x[j] + j * h + 1) ** 3 for j in range(1, i + 1)), mp.mpf(0))
        above = sum(((1 - j * h) * (x[j] + j * h + 1) ** 3 for j in range(i + 1, n + 1)), mp.mpf(0))
        f[i] = x[i] + h * ((1 - i * h) * below + i * h * above) / 2
    return f


def broyden_tridiagonal(n: int, x: Vector) -> Vector:
    f = [mp.mpf(0)] * (n + 1)
    for i in range(1, n + 1):
        left = x[i - 1] if i > 1 else 0
        right = x[i + 1] if i < n else 0
        f[i] = (3 - 2 * x[i]) * x[i] - left - 2 * right + 1
    return f


def broyden_banded(n: int, x: Vector) -> Vector:
    f = [mp.mpf(0)] * (n + 1)
    for i in range(1, n + 1):
        f[i] = x[i] * (2 + 5 * x[i] ** 2) + 1
        for j in range(max(1, i - 5), min(n, i + 1) + 1):
            if j != i:
                f[i] -= x[j] * (1 + x[j])
    return f


def chebyquad(n: int, x: Vector) -> Vector:
    f = [mp.mpf(0)] * (n + 1)
    for i in range(1, n + 1):
        for j in range(1, n + 1):
            # T_i(cos φ) = cos iφ, continued outside [−1, 1].
            f[i] += mp.re(mp.cos(i * mp.acos(2 * x[j] - 1))) / n
        f[i] -= mp.quad(lambda s, i=i: mp.cos(i * mp.acos(2 * s - 1)), [0, 1])
    return f


FORMULAS: dict[str, Callable[[int, Vector], Vector]] = {
    "rosenbrock": rosenbrock,
    "freudenstein-roth": freudenstein_roth,
    "powell-badly-scaled": powell_badly_scaled,
    "helical-valley": helical_valley,
    "powell-singular": powell_singular,
    "extended-rosenbrock": rosenbrock,
    "extended-powell-singular": powell_singular,
    "trigonometric": trigonometric,
    "brown-almost-linear": brown_almost_linear,
    "discrete-boundary-value": discrete_boundary_value,
    "discrete-integral-equation": discrete_integral_equation,
    "broyden-tridiagonal": broyden_tridiagonal,
    "broyden-banded": broyden_banded,
    "chebyquad": chebyquad,
}


def exact(name: str, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    values = FORMULAS[name](len(x), [None, *(mp.mpf(float(v)) for v in x)])
    return np.array([float(v) for v in values[1:]])


def sizes(problem: Problem) -> tuple[int, ...]:
    return problem.sizes or tuple(k * problem.multiple for k in (1, 2, 3, 9))


CASES = [(name, n) for name, problem in PROBLEMS.items() for n in sizes(problem)]


@pytest.mark.parametrize(("name", "n"), CASES)
def test_f_is_the_formula_of_the_paper(name: str, n: int) -> None:
    problem = PROBLEMS[name]
    random = np.random.default_rng(n)
    points = [problem.start(n), *(random.uniform(-2.0, 2.0, n) for _ in range(3))]
    for x in points:
        expected = exact(name, x)
        np.testing.assert_allclose(problem.f(x), expected, rtol=1e-12, atol=1e-12 * (1 + np.abs(expected).max()))


@pytest.mark.parametrize(("name", "n"), CASES)
def test_f_can_be_traced_and_its_jacobian_is_right(name: str, n: int) -> None:
    problem = PROBLEMS[name]
    x = np.random.default_rng(n).uniform(0.2, 0.9, n)
    lin = linearize(trace(problem.f, n), x)
    np.testing.assert_allclose(lin.value, problem.f(x), rtol=1e-13, atol=1e-12)
    for j in range(n):
        ahead, behind = x.copy(), x.copy()
        ahead[j] += 1e-6
        behind[j] -= 1e-6
        slope = (exact(name, ahead) - exact(name, behind)) / (ahead[j] - behind[j])
        np.testing.assert_allclose(lin.jvp(np.eye(n)[j]), slope, rtol=1e-5, atol=1e-5)


# -- starts and roots -------------------------------------------------------------------------------------------------

STARTS = {
    ("rosenbrock", 2): 4.9193495504995,
    ("powell-singular", 4): 14.662878298615,
    ("powell-badly-scaled", 2): 1.0654866105909,
    ("helical-valley", 3): 50.0,
    ("chebyquad", 5): 0.22570656557090,
    ("brown-almost-linear", 10): 16.530216206350,
    ("discrete-boundary-value", 10): 0.028080582281442,
    ("trigonometric", 10): 0.084117533643247,
    ("broyden-tridiagonal", 10): 4.5825756949558,
    ("broyden-banded", 10): 18.973665961010,
}
"""‖f(x0)‖₂ by the formulas in 40 digits. In the literature: 4.919350, 14.66288, 1.065487 and 50 for the first four."""


@pytest.mark.parametrize(("name", "n"), STARTS)
def test_the_size_of_f_at_the_start(name: str, n: int) -> None:
    problem = PROBLEMS[name]
    assert float(np.linalg.norm(problem.f(problem.start(n)))) == pytest.approx(STARTS[name, n], rel=1e-12)


def test_the_starts() -> None:
    assert PROBLEMS["helical-valley"].start().tolist() == [-1.0, 0.0, 0.0]
    assert PROBLEMS["powell-badly-scaled"].start(2).tolist() == [0.0, 1.0]
    assert PROBLEMS["extended-rosenbrock"].start(4).tolist() == [-1.2, 1.0, -1.2, 1.0]
    assert PROBLEMS["extended-powell-singular"].start(8).tolist() == [3.0, -1.0, 0.0, 1.0] * 2
    assert PROBLEMS["discrete-boundary-value"].start(3).tolist() == [-3 / 16, -1 / 4, -3 / 16]
    assert PROBLEMS["chebyquad"].start(4).tolist() == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert PROBLEMS["broyden-banded"].start(7).tolist() == [-1.0] * 7
    # Every call gives an array of its own.
    first = PROBLEMS["rosenbrock"].start()
    first[:] = 7.0
    assert PROBLEMS["rosenbrock"].start().tolist() == [-1.2, 1.0]


ROOTS = [(name, n) for name, n in CASES if PROBLEMS[name].root(n) is not None]


@pytest.mark.parametrize(("name", "n"), ROOTS)
def test_known_roots_are_roots(name: str, n: int) -> None:
    problem = PROBLEMS[name]
    root = problem.root(n)
    assert root is not None
    assert root.shape == (n,)
    np.testing.assert_array_equal(problem.f(root), np.zeros(n))


@pytest.mark.parametrize("angle", [-1.5, -1.0, 0.0, 1.0, 2.0, 3.0, 3.2, 4.0, 4.7])
def test_the_angle_of_the_helical_valley_is_the_papers(angle: float) -> None:
    x = np.array([2 * np.cos(angle), 2 * np.sin(angle), 0.5])
    np.testing.assert_allclose(PROBLEMS["helical-valley"].f(x), exact("helical-valley", x), rtol=1e-13, atol=1e-13)


UNSOLVED = frozenset({("freudenstein-roth", 2), ("chebyquad", 9)})
"""Where the line search ends at a line of singular Jacobians that does not hold a root."""


@pytest.mark.parametrize(("name", "n"), CASES)
def test_newton_solves_them_from_their_starts(name: str, n: int) -> None:
    problem = PROBLEMS[name]
    found = newton(problem.f, problem.start(n))
    assert found.success is ((name, n) not in UNSOLVED)
    assert np.abs(exact(name, found.x)).max() <= 1e-12 or not found.success


# -- records and errors -----------------------------------------------------------------------------------------------


def test_the_table() -> None:
    assert len({name for name, _ in ROOTS}) == 7
    assert list(PROBLEMS) == list(FORMULAS)
    numbers = [problem.number for problem in PROBLEMS.values()]
    assert numbers == sorted(set(numbers)) == [1, 2, 3, 7, 13, 21, 22, 26, 27, 28, 29, 30, 31, 35]
    for name, problem in PROBLEMS.items():
        assert problem.name == name
        assert problem.title.endswith("function")


BAD = {
    "odd": (lambda: PROBLEMS["extended-rosenbrock"].start(5), "a multiple of 2"),
    "not-by-four": (lambda: PROBLEMS["extended-powell-singular"].root(6), "a multiple of 4"),
    "zero": (lambda: PROBLEMS["broyden-tridiagonal"].start(0), "an integer ≥ 1"),
    "zero-multiple": (lambda: PROBLEMS["extended-rosenbrock"].start(0), "a multiple of 2"),
    "negative": (lambda: PROBLEMS["trigonometric"].start(-3), "an integer ≥ 1"),
    "fixed": (lambda: PROBLEMS["helical-valley"].start(4), "expected: 3"),
    "eight": (lambda: PROBLEMS["chebyquad"].start(8), "7 or 9"),
    "none": (lambda: PROBLEMS["broyden-banded"].start(), "None"),
    "float": (lambda: PROBLEMS["broyden-banded"].start(5.0), "5.0"),  # pyright: ignore[reportArgumentType]
    "bool": (lambda: PROBLEMS["broyden-banded"].start(True), "True"),
}


@pytest.mark.parametrize("name", BAD)
def test_sizes_that_are_not_there(name: str) -> None:
    call, says = BAD[name]
    with pytest.raises(InputError, match=says):
        call()
