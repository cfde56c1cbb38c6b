"""Newton's method: standard problems against SciPy, and every reason to stop, each where it must be given."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from flowgraph.errors import AccuracyWarning, DomainError, InputError, NotInvertible
from flowgraph.language import parse
from flowgraph.numeric.linearization import Linearization
from flowgraph.numeric.newton import MAXITER, ROUNDING, TOLERANCE, NewtonIterate, Status, newton, solve
from flowgraph.problems import PROBLEMS
from flowgraph.tracing import trace

EPSILON = float(np.finfo(float).eps)


def rosenbrock(x: Any) -> Any:
    return np.stack([10 * (x[1] - x[0] ** 2), 1 - x[0]])


def powell_singular(x: Any) -> Any:
    return np.stack(
        [x[0] + 10 * x[1], 5**0.5 * (x[2] - x[3]), (x[1] - 2 * x[2]) ** 2, 10**0.5 * (x[0] - x[3]) ** 2],
    )


def powell_badly_scaled(x: Any) -> Any:
    return np.stack([1e4 * x[0] * x[1] - 1, np.exp(-x[0]) + np.exp(-x[1]) - 1.0001])


def helical_valley(x: Any) -> Any:
    angle = np.arctan2(x[1], x[0]) / (2 * np.pi)
    return np.stack([10 * (x[2] - 10 * angle), 10 * (np.hypot(x[0], x[1]) - 1), x[2]])


def broyden_tridiagonal(x: Any) -> Any:
    left, right = np.concatenate([[0.0], x[:-1]]), np.concatenate([x[1:], [0.0]])
    return (3 - 2 * x) * x - left - 2 * right + 1


def freudenstein_roth(x: Any) -> Any:
    return np.stack(
        [-13 + x[0] + ((5 - x[1]) * x[1] - 2) * x[1], -29 + x[0] + ((x[1] + 1) * x[1] - 14) * x[1]],
    )


STANDARD: dict[str, tuple[Callable[[Any], Any], list[float]]] = {
    "rosenbrock": (rosenbrock, [-1.2, 1.0]),
    "powell-badly-scaled": (powell_badly_scaled, [0.0, 1.0]),
    "helical-valley": (helical_valley, [-1.0, 0.1, 0.0]),
    "broyden-tridiagonal": (broyden_tridiagonal, [-1.0] * 10),
}
"""J. J. Moré, B. S. Garbow, K. E. Hillstrom, ACM TOMS 7 (1981) 17-41, from their standard starts."""


# -- roots ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line_search", [True, False])
@pytest.mark.parametrize("name", STANDARD)
@pytest.mark.parametrize("backend", ["numpy", "compiled"])
def test_standard_problems_against_scipy(name: str, line_search: bool, backend: str) -> None:
    if backend == "compiled":
        pytest.importorskip("numba")
    f, x0 = STANDARD[name]
    found = newton(f, x0, line_search=line_search, backend=backend)
    expected = optimize.root(f, x0, tol=1e-13)
    assert found.success, found.message
    assert expected.success
    np.testing.assert_allclose(found.x, expected.x, rtol=1e-9, atol=1e-12)
    assert np.abs(found.fun).max() <= 1e-13
    np.testing.assert_array_equal(found.fun, f(found.x))
    assert found.error <= TOLERANCE


def test_powells_singular_root_is_approached_by_halves() -> None:
    found = newton(powell_singular, [3.0, -1.0, 0.0, 1.0])
    assert found.success
    assert np.abs(found.x).max() <= 1e-14
    residuals = np.array([entry.residual for entry in found.history])
    # Linear convergence with factor 1/2 in x is 1/4 in f.
    np.testing.assert_allclose(residuals[6:20] / residuals[5:19], 0.25, rtol=1e-6)


def test_convergence_is_quadratic() -> None:
    root = np.array([2.0, 1.0])
    errors = []

    def look(state: optimize.OptimizeResult) -> None:
        errors.append(float(np.abs(state.x - root).max()))

    def circle(x: Any) -> Any:
        return np.stack([x[0] ** 2 + x[1] ** 2 - 5, x[0] * x[1] - 2])

    found = newton(circle, [2.5, 0.7], callback=look)
    assert found.success
    ratios = [after / before**2 for before, after in pairwise(errors) if after > 1e-14]
    assert len(ratios) >= 3
    assert max(ratios) < 2.0
    assert all(entry.damping == 1.0 for entry in found.history[1:])
    np.testing.assert_allclose(found.x, root, rtol=4 * EPSILON)
    # The correction at each iterate is to first order its error, which the next iterate shows.
    told = [entry.correction * np.abs(root).max() for entry in found.history if entry.correction is not None]
    assert told[2] == pytest.approx(errors[2], rel=0.05)


def test_a_linear_system_takes_one_step() -> None:
    random = np.random.default_rng(5)
    a, b = random.standard_normal((6, 6)) + 3 * np.eye(6), random.standard_normal(6)
    found = newton(lambda x: a @ x - b, np.zeros(6))
    np.testing.assert_allclose(found.x, np.linalg.solve(a, b), rtol=1e-12)
    assert [entry.damping for entry in found.history[:2]] == [None, 1.0]
    assert found.history[1].residual <= 1e-14
    assert found.nit <= 2
    assert found.success


def test_solve_is_newton_on_the_difference() -> None:
    y, x0 = np.array([5.0, 2.0]), [3.0, 0.5]

    def f(u: Any, v: Any) -> Any:
        return u * u + v * v, u * v

    found = solve(f, y, x0)
    other = newton(lambda x: np.stack([x[0] ** 2 + x[1] ** 2, x[0] * x[1]]) - y, x0)
    assert found.success
    np.testing.assert_allclose(found.x, [2.0, 1.0], rtol=1e-14)
    np.testing.assert_allclose(found.x, other.x, rtol=1e-14)
    np.testing.assert_allclose(found.fun, np.array(f(*found.x)) - y, atol=1e-15)
    assert [entry.damping for entry in found.history] == [entry.damping for entry in other.history]


def test_programs_and_functions_are_solved_alike() -> None:
    program = parse("inputs u, v\np = exp(u)\nq = p * v\nr = u + q\noutputs q, r")
    found = solve(program, [1.0, 0.5], [0.0, 0.0])
    again = solve(lambda u, v: (np.exp(u) * v, u + np.exp(u) * v), [1.0, 0.5], [0.0, 0.0])
    np.testing.assert_allclose(found.x, [-0.5, math.exp(0.5)], rtol=1e-14)
    np.testing.assert_allclose(again.x, found.x, rtol=1e-14)
    assert found.success
    assert again.success


@pytest.mark.parametrize("scale", [1e200, 1e-200])
def test_the_scale_of_f_does_not_matter(scale: float) -> None:
    found = newton(lambda x: scale * (x**2 - 2), [1.0])
    plain = newton(lambda x: x**2 - 2, [1.0])
    assert found.success
    assert found.x[0] == pytest.approx(math.sqrt(2), rel=2 * EPSILON)
    assert found.nit == plain.nit


@pytest.mark.parametrize("scale", [1e100, 1e-100])
def test_the_unit_of_x_does_not_matter(scale: float) -> None:
    found = newton(lambda x: (x / scale) ** 2 - 2, [scale])
    assert found.success
    assert found.x[0] == pytest.approx(scale * math.sqrt(2), rel=2 * EPSILON)


@pytest.mark.parametrize("line_search", [True, False])
def test_a_start_that_is_a_root_to_rounding_is_returned(line_search: bool) -> None:
    for unit in (1e100, 1.0, 1e-100):
        found = newton(lambda x, unit=unit: (x / unit) ** 2 - 2, [unit * math.sqrt(2)], line_search=line_search)
        assert (found.success, found.nit, found.njev) == (True, 0, 1)
        assert "rounding level" in found.message
        assert 0.0 < found.error <= 2 * EPSILON


@pytest.mark.parametrize("line_search", [True, False])
def test_terms_that_cancel_inside_f_leave_more_rounding_than_x_does(line_search: bool) -> None:
    # f_i = n − Σ cos xⱼ + …: terms of size n, and |J| |x| of size 1/n only.
    problem = PROBLEMS["trigonometric"]
    found = newton(problem.f, problem.start(200), line_search=line_search)
    assert found.success, found.message
    assert np.abs(found.fun).max() <= 200 * EPSILON
    assert found.error < 1e-10


@pytest.mark.parametrize("line_search", [True, False])
def test_a_step_too_short_to_change_x_ends_at_a_root(line_search: bool) -> None:
    found = newton(lambda x: (x - 1) + 1e-17, [1.0], line_search=line_search)
    assert (found.success, found.nit, found.x[0]) == (True, 0, 1.0)
    assert "rounding level" in found.message


def test_tol_zero_asks_for_all_there_is() -> None:
    rough = newton(broyden_tridiagonal, [-1.0] * 10, tol=1e-2)
    fine = newton(broyden_tridiagonal, [-1.0] * 10, tol=0.0)
    assert rough.success
    assert fine.success
    assert rough.nit < fine.nit
    # ‖ |J| |x| ‖ with diagonal 3 − 4x beside −1 and −2.
    size = np.abs(fine.x)
    scale = float(np.max((3 - 4 * fine.x) * size + np.append(0, size[:-1]) + 2 * np.append(size[1:], 0)))
    assert np.abs(fine.fun).max() <= EPSILON * scale < np.abs(rough.fun).max()


def test_an_ill_conditioned_system_converges_and_tells_the_error() -> None:
    n = 12
    hilbert = 1.0 / (np.arange(n)[:, None] + np.arange(n) + 1.0)
    found = newton(lambda x: hilbert @ x - hilbert.sum(axis=1), np.zeros(n))
    assert found.success
    assert np.abs(found.fun).max() <= ROUNDING * EPSILON * hilbert.sum(axis=1).max()
    assert TOLERANCE < found.error < 100


@given(st.integers(1, 8), st.integers(0, 2**32 - 1), st.floats(0.0, 0.15))
@settings(max_examples=40, deadline=None)
def test_a_planted_root_is_found(n: int, seed: int, strength: float) -> None:
    random = np.random.default_rng(seed)
    orthogonal, _ = np.linalg.qr(random.standard_normal((n, n)))
    a = orthogonal * random.uniform(1.0, 10.0, n)
    b = random.standard_normal((n, n)) / n
    root = random.uniform(-2.0, 2.0, n)
    # ‖A⁻¹‖ ≤ 1 and the other term has slope < 1, so that this is the only root.
    small = strength * np.sin(b @ root)

    def f(x: Any) -> Any:
        return a @ x + strength * np.sin(b @ x) - (a @ root + small)

    found = newton(f, root + random.standard_normal(n))
    assert found.success, found.message
    np.testing.assert_allclose(found.x, root, atol=1e-12)
    assert found.status is Status.CONVERGED


def test_a_step_that_is_not_quite_exact_is_no_cause_for_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = Linearization.ijvp

    def rough(self: Linearization, dy: Any, *, refine: int | None = None) -> Any:
        warnings.warn("a large residual", AccuracyWarning, stacklevel=2)
        return exact(self, dy, refine=refine) * (1 + 1e-6)

    monkeypatch.setattr(Linearization, "ijvp", rough)
    found = newton(broyden_tridiagonal, [-1.0] * 10)
    assert found.success
    assert np.abs(found.fun).max() <= 20 * EPSILON


# -- what a root is not -----------------------------------------------------------------------------------------------


def test_a_pole_is_no_root() -> None:
    found = newton(lambda x: 1 / (x - 1), [1 + 1e-14])
    assert not found.success
    assert found.status is Status.MAXITER
    assert found.nit == MAXITER
    # From so near the first step is shorter than the tolerance.
    assert found.history[0].correction is not None
    assert found.history[0].correction < TOLERANCE * 1e-1


@pytest.mark.parametrize("x0", [0.5, 3e5, -2.0])
def test_no_root(x0: float) -> None:
    found = newton(lambda x: x * x + 1, [x0])
    assert not found.success
    assert found.status in (Status.LINE_SEARCH, Status.SINGULAR)
    assert found.message.startswith("no root found")
    assert "minimum" in found.message or "stationary" in found.message
    assert abs(found.x[0]) < 1e-6
    assert found.fun[0] == pytest.approx(1.0)
    assert found.nfev < 150


def test_a_singular_start_names_the_step() -> None:
    found = newton(lambda x: np.stack([x[0] * x[0] - 2, x[1] - 1]), [0.0, 5.0])
    assert not found.success
    assert (found.status, found.nit, found.nfev, found.njev) == (Status.SINGULAR, 0, 1, 1)
    assert "singular" in found.message
    assert "step" in found.message
    assert found.error == math.inf
    np.testing.assert_array_equal(found.x, [0.0, 5.0])
    np.testing.assert_array_equal(found.fun, [-2.0, 4.0])


def test_a_singular_root_is_a_root() -> None:
    found = newton(lambda x: x**2, [0.0])
    assert (found.success, found.nit, found.error) == (True, 0, math.inf)


def test_a_singular_root_at_zero_is_reached_relative_to_the_start() -> None:
    # Each step halves x, so no step is ever small relative to x itself.
    found = newton(lambda x: x**2, [8.0])
    assert found.success
    assert abs(found.x[0]) <= 8 * EPSILON
    assert found.nit < 60


def test_a_nearly_singular_line_stops_the_line_search() -> None:
    found = newton(freudenstein_roth, [0.5, -2.0])
    assert found.status is Status.LINE_SEARCH
    assert "nearly singular" in found.message
    assert found.nit < 20
    # Full steps wander about and find the root, as SciPy's trust region does not from here.
    wild = newton(freudenstein_roth, [0.5, -2.0], line_search=False)
    assert wild.success
    np.testing.assert_allclose(wild.x, [5.0, 4.0], rtol=1e-12)


def test_a_jump_is_no_root() -> None:
    found = newton(lambda x: x + 1 if x[0] > 0 else x - 1, [3.0])
    assert found.status is Status.LINE_SEARCH
    assert abs(found.fun[0]) >= 1.0


def test_a_jump_is_no_rounding_however_large_f_was_before() -> None:
    found = newton(lambda x: 1e6 * (x - 1) + (1 if x[0] > 1 else -1), [30.0])
    assert found.status is Status.LINE_SEARCH
    assert abs(found.fun[0]) >= 0.9


def test_a_hopeless_line_search_ends() -> None:
    # The Newton step is 10⁷⁷ times as long as x: every shorter one overflows, down to those that change nothing.
    problem = PROBLEMS["brown-almost-linear"]
    found = newton(problem.f, problem.start(250))
    assert found.status is Status.LINE_SEARCH
    assert "nearly singular" in found.message
    assert found.nfev < 1000


# -- damping, domains, branches ---------------------------------------------------------------------------------------


def test_steps_are_shortened_where_full_ones_diverge() -> None:
    full = newton(np.arctan, [20.0], line_search=False)
    assert not full.success
    # There is a root, though full steps ran away from it to where atan is flat. The best is the start.
    assert full.status is Status.SINGULAR
    assert "no root" not in full.message
    np.testing.assert_array_equal(full.x, [20.0])
    damped = newton(np.arctan, [20.0])
    assert damped.success
    assert abs(damped.x[0]) < 1e-15
    dampings = [entry.damping for entry in damped.history[1:] if entry.damping is not None]
    assert dampings[0] < 0.1
    assert dampings[-1] == 1.0
    residuals = [entry.residual for entry in damped.history]
    assert residuals == sorted(residuals, reverse=True)


def test_an_accepted_step_decreases_f_as_armijo_asks() -> None:
    found = newton(helical_valley, [-1.0, 0.1, 0.0])
    values: list[float] = []
    newton(helical_valley, [-1.0, 0.1, 0.0], callback=lambda state: values.append(float(state.fun @ state.fun)))
    for before, after, entry in zip(values, values[1:], found.history[1:], strict=False):
        assert entry.damping is not None
        assert after <= before * (1 - 2e-4 * entry.damping)
    assert min(entry.damping or 1.0 for entry in found.history) < 1.0


def test_steps_that_leave_the_domain_are_shortened() -> None:
    found = newton(np.log, [10.0])
    assert found.success
    assert found.x[0] == pytest.approx(1.0, abs=EPSILON)
    assert found.history[1].damping is not None
    assert found.history[1].damping < 1.0
    assert found.nfev > found.njev
    full = newton(np.log, [10.0], line_search=False)
    assert (full.success, full.status, full.nit) == (False, Status.DOMAIN, 0)
    assert "log" in full.message
    assert "step 1" in full.message
    np.testing.assert_array_equal(full.x, [10.0])


def test_steps_that_overflow_are_shortened() -> None:
    # The first Newton step leads to x = 4 · 10⁵, where exp is infinite.
    found = newton(lambda x: np.exp(x) - 2, [-13.0])
    assert found.success
    assert found.x[0] == pytest.approx(math.log(2), rel=4 * EPSILON)
    full = newton(lambda x: np.exp(x) - 2, [-13.0], line_search=False)
    assert not full.success
    assert full.status in (Status.NOT_FINITE, Status.DOMAIN)
    np.testing.assert_array_equal(full.x, [-13.0])


def test_a_root_at_a_kink_is_approached() -> None:
    found = newton(lambda x: np.abs(x - 1), [3.0])
    assert found.success
    assert found.x[0] == pytest.approx(1.0, abs=1e-13)


def piecewise(x: Any) -> Any:
    return x**2 - 0.25 if x[0] > 1 else 2 * x - 1.25


def test_a_branch_that_goes_the_other_way_is_traced_again() -> None:
    found = newton(piecewise, [3.0])
    assert found.success
    assert found.x[0] == pytest.approx(0.625, rel=2 * EPSILON)


def test_a_program_holds_on_its_side_of_a_branch_only() -> None:
    found = newton(trace(piecewise, [3.0]), [3.0])
    assert not found.success
    assert found.x[0] > 1
    assert found.status in (Status.DOMAIN, Status.LINE_SEARCH)


# -- the record -------------------------------------------------------------------------------------------------------


def test_the_history_tells_what_happened() -> None:
    states: list[tuple[Any, Any, NewtonIterate]] = []

    def keep(state: optimize.OptimizeResult) -> None:
        states.append((state.x.copy(), state.fun.copy(), state.iterate))
        # What the callback does to its copy changes nothing.
        state.x[:] = math.nan

    found = newton(rosenbrock, [-1.2, 1.0], callback=keep)
    assert found.success
    assert found.nit == len(found.history) - 1
    assert [entry.iteration for entry in found.history] == list(range(found.nit + 1))
    for (x, fun, entry), kept in zip(states, found.history, strict=False):
        assert entry == kept
        np.testing.assert_array_equal(fun, rosenbrock(x))
        assert entry.residual == np.abs(fun).max()
    for (x, _, _), (after, _, entry) in pairwise(states):
        assert entry.step == pytest.approx(np.abs(after - x).max(), rel=1e-15)
    assert found.nfev >= found.njev >= len(states)
    assert found.nfev > found.nit + 1


def test_the_callback_can_stop() -> None:
    def stop(state: optimize.OptimizeResult) -> None:
        if state.nit == 2:
            raise StopIteration

    found = newton(broyden_tridiagonal, [-1.0] * 10, callback=stop)
    assert (found.success, found.status, found.nit) == (False, Status.CALLBACK, 2)
    assert np.abs(found.fun).max() == found.history[-1].residual < found.history[0].residual

    def fail(state: optimize.OptimizeResult) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        newton(broyden_tridiagonal, [-1.0] * 10, callback=fail)


@pytest.mark.parametrize("maxiter", [0, 2])
def test_the_number_of_steps_is_bounded(maxiter: int) -> None:
    found = newton(broyden_tridiagonal, [-1.0] * 10, maxiter=maxiter)
    assert (found.success, found.status, found.nit) == (False, Status.MAXITER, maxiter)
    assert f"no convergence in {maxiter} iterations" == found.message
    assert found.njev == maxiter + 1


def test_nothing_to_solve() -> None:
    found = newton(lambda x: x, [])
    assert (found.success, found.nit, found.x.shape, found.fun.shape) == (True, 0, (0,), (0,))


def test_integers_and_float32_are_promoted_and_the_start_is_kept() -> None:
    start = np.array([-1, 1], dtype=np.int32)
    found = newton(rosenbrock, start)
    assert found.x.dtype == np.float64
    np.testing.assert_array_equal(start, [-1, 1])
    single = newton(rosenbrock, np.array([-1.0, 1.0], dtype=np.float32))
    np.testing.assert_array_equal(single.x, found.x)
    own = np.array([1.0, 1.0])
    own_root = newton(rosenbrock, own)
    own[:] = 7.0
    np.testing.assert_array_equal(own_root.x, [1.0, 1.0])


# -- bad input --------------------------------------------------------------------------------------------------------


def narrow(x: Any) -> Any:
    total = x.sum()
    return np.stack([total, total**2])


BAD: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "batch": (lambda: newton(rosenbrock, np.zeros((3, 2))), InputError, "once for each start"),
    "scalar": (lambda: newton(rosenbrock, 1.0), InputError, "no vector"),
    "ragged": (lambda: newton(rosenbrock, [[1.0], [1.0, 2.0]]), InputError, "no vector"),
    "complex": (lambda: newton(rosenbrock, [1j, 0]), InputError, "complex128"),
    "text": (lambda: newton(rosenbrock, ["a", "b"]), InputError, "no vector"),
    "nan": (lambda: newton(rosenbrock, [0.0, math.nan]), InputError, r"x0\[1\]"),
    "infinite": (lambda: newton(rosenbrock, [-math.inf, 0.0]), InputError, "x0 is not finite"),
    "y-nan": (lambda: solve(rosenbrock, [0.0, math.nan], [1.0, 1.0]), InputError, r"y\[1\]"),
    "y-long": (lambda: solve(rosenbrock, [0.0] * 3, [1.0, 1.0]), InputError, "3 entries"),
    "x0-long": (lambda: newton(parse("inputs x\ny = exp(x)\noutputs y"), [1.0, 1.0]), InputError, "2"),
    "wide": (lambda: newton(lambda x: x[:1] * x[1:], [1.0, 1.0]), NotInvertible, "as many outputs"),
    "tall": (lambda: newton(lambda x: np.concatenate([x, x]), [1.0]), NotInvertible, "as many outputs"),
    "wide-root": (lambda: newton(lambda x: x[:1] * x[1:], [0.0, 0.0]), NotInvertible, "as many outputs"),
    "singular": (lambda: newton(narrow, [1.0, 1.0]), NotInvertible, "every x"),
    "singular-root": (lambda: newton(narrow, [0.0, 0.0]), NotInvertible, "every"),
    "domain": (lambda: newton(np.log, [-1.0]), DomainError, "log"),
    "tol": (lambda: newton(rosenbrock, [1.0, 1.0], tol=-1e-3), InputError, "tol"),
    "tol-nan": (lambda: newton(rosenbrock, [1.0, 1.0], tol=math.nan), InputError, "tol"),
    "tol-text": (lambda: newton(rosenbrock, [1.0, 1.0], tol="small"), InputError, "tol"),  # pyright: ignore[reportArgumentType]
    "maxiter": (lambda: newton(rosenbrock, [1.0, 1.0], maxiter=-1), InputError, "maxiter"),
    "maxiter-float": (lambda: newton(rosenbrock, [1.0, 1.0], maxiter=2.5), InputError, "maxiter"),  # pyright: ignore[reportArgumentType]
    "callback": (lambda: newton(rosenbrock, [1.0, 1.0], callback=3), InputError, "callback"),  # pyright: ignore[reportArgumentType]
    "backend": (lambda: newton(rosenbrock, [1.0, 1.0], backend="abacus"), InputError, "abacus"),
    "function": (lambda: newton(3, [1.0]), InputError, "function"),  # pyright: ignore[reportArgumentType]
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name: str) -> None:
    call, kind, says = BAD[name]
    with pytest.raises(kind, match=says):
        call()


def test_a_structurally_singular_system_has_a_certificate() -> None:
    with pytest.raises(NotInvertible) as caught:
        newton(lambda x: np.stack([x[0], x[0] ** 2]), [1.0, 1.0])
    assert caught.value.certificate is not None
