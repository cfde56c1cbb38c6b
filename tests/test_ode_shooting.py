"""Multiple shooting against closed solutions, SciPy's solvers at tight tolerances, and orders of convergence."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import optimize
from scipy.integrate import solve_bvp, solve_ivp

from flowgraph.errors import DomainError, InputError, NonFiniteTrajectory, NotInvertible
from flowgraph.numeric.newton import Status
from flowgraph.ode import (
    Separable,
    boundary_value,
    leapfrog,
    lorenz63,
    pendulum,
    periodic_orbit,
)


def van_der_pol(mu: float) -> Any:
    return lambda x, t: np.stack([x[1], mu * (1 - x[0] ** 2) * x[1] - x[0]])


def circle(x: Any, t: Any) -> Any:
    """Every orbit but the origin is drawn to the unit circle, which is run through in 2π; e^{−4π} a round."""
    rest = 1 - x[0] ** 2 - x[1] ** 2
    return np.stack([x[0] * rest - x[1], x[1] * rest + x[0]])


def bratu(x: Any, t: Any) -> Any:
    return np.stack([x[1], -np.exp(x[0])])


def ends_at_zero(a: Any, b: Any) -> Any:
    return np.stack([a[0], b[0]])


def bratu_exact(t: Any, upper: bool) -> Any:
    """y = −2 log(cosh(θ (t − ½)/2) / cosh(θ/4)) with θ = √2 cosh(θ/4), which has two solutions."""
    theta: Any = optimize.brentq(lambda x: x - math.sqrt(2) * math.cosh(x / 4), *((5.0, 20.0) if upper else (0.1, 5.0)))
    return -2 * np.log(np.cosh(theta * (t - 0.5) / 2) / np.cosh(theta / 4))


# -- boundary values --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("upper", [False, True])
def test_both_solutions_of_bratus_problem(upper: bool) -> None:
    top = 4.0 if upper else 0.1
    found = boundary_value(bratu, ends_at_zero, (0, 1), lambda t: [4 * top * t * (1 - t), 4 * top * (1 - 2 * t)])
    assert found.success, found.message
    assert found.x.shape == (201, 2)
    assert found.t[0] == 0.0
    assert found.t[-1] == pytest.approx(1.0, rel=1e-15)
    np.testing.assert_allclose(found.x[:, 0], bratu_exact(found.t, upper), atol=3e-8)
    assert np.abs(found.x[[0, -1], 0]).max() <= 1e-12
    assert found.newton.x.shape == (22,)


@pytest.mark.parametrize(("stepper", "order"), [("explicit_euler", 1), ("midpoint", 2), ("rk4", 4)])
def test_the_error_falls_with_the_order_of_the_stepper(stepper: str, order: int) -> None:
    errors = []
    for steps in (4, 8, 16):
        found = boundary_value(bratu, ends_at_zero, (0, 1), [0.1, 0.0], segments=5, steps=steps, stepper=stepper)
        assert found.success
        errors.append(np.abs(found.x[:, 0] - bratu_exact(found.t, False)).max())
    slope = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    np.testing.assert_allclose(slope, order, atol=0.25)


def test_a_field_that_depends_on_the_time() -> None:
    # x¨ + 9x = sin 2t, with x(0) = 1 and x(1) + x˙(0) = 2.
    def forced(x: Any, t: Any) -> Any:
        return np.stack([x[1], np.sin(2 * t) - 9 * x[0]])

    found = boundary_value(
        forced, lambda a, b: np.stack([a[0] - 1, b[0] + a[1] - 2]), (0.0, 1.0), [0.0, 0.0], segments=4, steps=40
    )
    assert found.success
    assert found.newton.nit <= 2
    by_scipy = solve_bvp(
        lambda t, x: np.array([x[1], np.sin(2 * t) - 9 * x[0]]),
        lambda a, b: np.array([a[0] - 1, b[0] + a[1] - 2]),
        np.linspace(0, 1, 50),
        np.zeros((2, 50)),
        tol=1e-9,
    )
    np.testing.assert_allclose(found.x, by_scipy.sol(found.t).T, atol=1e-6)


def test_backward_in_time_and_from_another_time() -> None:
    forward = boundary_value(bratu, ends_at_zero, (0, 1), [0.1, 0.0])
    backward = boundary_value(bratu, ends_at_zero, (8, 7), [0.1, 0.0])
    assert backward.success
    assert backward.t[-1] == pytest.approx(7.0, rel=1e-15)
    np.testing.assert_allclose(backward.x[::-1, 0], forward.x[:, 0], atol=1e-7)


def test_more_segments_are_the_same_discrete_solution() -> None:
    one = boundary_value(bratu, ends_at_zero, (0, 1), [0.1, 0.0], segments=1, steps=60)
    many = boundary_value(bratu, ends_at_zero, (0, 1), [0.1, 0.0], segments=12, steps=5)
    np.testing.assert_allclose(one.x, many.x, atol=1e-12)


def test_segments_reach_where_a_single_shot_does_not() -> None:
    def troesch(x: Any, t: Any) -> Any:
        return np.stack([x[1], 5 * np.sinh(5 * x[0])])

    def conditions(a: Any, b: Any) -> Any:
        return np.stack([a[0], b[0] - 1])

    with pytest.raises(DomainError, match="sinh"):
        boundary_value(troesch, conditions, (0, 1), [0.0, 1.0], segments=1, steps=400)
    found = boundary_value(troesch, conditions, (0, 1), lambda t: [t, 1.0], segments=20, steps=40)
    assert found.success, found.message
    at = np.linspace(0, 1, 400)
    by_scipy = solve_bvp(
        lambda t, x: np.array([x[1], 5 * np.sinh(5 * x[0])]),
        lambda a, b: np.array([a[0], b[0] - 1]),
        at,
        np.array([at**5, 5 * at**4]),
        tol=1e-8,
        max_nodes=100_000,
    )
    assert by_scipy.success
    assert found.x[0, 1] == pytest.approx(by_scipy.y[1, 0], rel=1e-6)


def test_symplectic_steppers_and_a_stepper_of_ones_own() -> None:
    def conditions(a: Any, b: Any) -> Any:
        return np.stack([a[0] - 1.0, b[0]])

    named = boundary_value(pendulum(), conditions, (0, 2), [0.5, 0.0], stepper="leapfrog")
    own = boundary_value(pendulum(), conditions, (0, 2), [0.5, 0.0], stepper=lambda F, x, h, t: leapfrog(F, x, h, t))
    assert named.success
    np.testing.assert_array_equal(named.x, own.x)


def test_a_field_that_branches() -> None:
    def stiffer_outside(x: Any, t: Any) -> Any:
        return np.stack([x[1], -x[0] if x[0] < 0.5 else 0.5 - 2 * x[0]])

    found = boundary_value(
        stiffer_outside, lambda a, b: np.stack([a[0], b[0] - 1.0]), (0, 1.5), [0.1, 0.0], segments=6, steps=10
    )
    assert found.success, found.message
    assert found.x[:, 0].min() < 0.5 < found.x[:, 0].max()
    state = found.x[0]
    again = solve_ivp(
        lambda t, x: [x[1], -x[0] if x[0] < 0.5 else 0.5 - 2 * x[0]], (0, 1.5), state, rtol=1e-9, max_step=1e-2
    )
    assert again.y[0, -1] == pytest.approx(1.0, abs=1e-3)


def test_no_solution_is_no_exception() -> None:
    def beyond(x: Any, t: Any) -> Any:
        # Bratu's problem has no solution for λ > 3.5138.
        return np.stack([x[1], -3.9 * np.exp(x[0])])

    found = boundary_value(beyond, ends_at_zero, (0, 1), [1.0, 0.0], segments=5, steps=10)
    assert not found.success
    assert found.message == found.newton.message
    assert found.x.shape == (51, 2)
    stopped = boundary_value(bratu, ends_at_zero, (0, 1), [0.1, 0.0], maxiter=1)
    assert stopped.newton.status is Status.MAXITER
    assert not stopped.success


# -- periodic orbits --------------------------------------------------------------------------------------------------


def test_the_unit_circle() -> None:
    found = periodic_orbit(circle, [1.1, 0.1], 6.0, segments=8, steps=40)
    assert found.success, found.message
    assert found.period == pytest.approx(2 * np.pi, rel=1e-7)
    np.testing.assert_allclose(np.hypot(*found.x.T), 1.0, atol=1e-6)
    np.testing.assert_allclose(found.multipliers, [1.0, np.exp(-4 * np.pi)], atol=1e-6)
    np.testing.assert_array_equal(found.x[0], found.x[-1])
    assert found.t[-1] == pytest.approx(found.period, rel=1e-14)
    assert found.x.shape == (321, 2)


def test_the_van_der_pol_orbit_against_scipy() -> None:
    found = periodic_orbit(van_der_pol(1.0), [2.0, 0.0], 6.5, segments=10, steps=60)

    def top(t: float, x: Any) -> float:
        return float(x[1])

    crossings = solve_ivp(
        lambda t, x: [x[1], (1 - x[0] ** 2) * x[1] - x[0]], (0, 60), [2.0, 0.0], rtol=1e-11, atol=1e-13, events=top
    )
    assert found.period == pytest.approx(crossings.t_events[0][-1] - crossings.t_events[0][-3], rel=1e-8)
    # Liouville: the product of the multipliers is exp ∮ tr F′.
    along = solve_ivp(
        lambda t, x: [x[1], (1 - x[0] ** 2) * x[1] - x[0], 1 - x[0] ** 2],
        (0, found.period),
        [*found.x[0], 0.0],
        rtol=1e-11,
        atol=1e-13,
    )
    np.testing.assert_allclose(along.y[:2, -1], found.x[0], atol=1e-7)
    assert float(np.prod(found.multipliers).real) == pytest.approx(math.exp(along.y[2, -1]), rel=1e-4)
    assert found.multipliers[0] == pytest.approx(1.0, abs=1e-7)


def test_the_period_has_the_order_of_the_stepper() -> None:
    errors = []
    for steps in (8, 16, 32):
        found = periodic_orbit(circle, [1.1, 0.1], 6.0, segments=5, steps=steps)
        errors.append(abs(found.period - 2 * np.pi))
    np.testing.assert_allclose(np.log2(np.array(errors[:-1]) / np.array(errors[1:])), 4.0, atol=0.3)


def test_an_unstable_orbit_of_lorenz() -> None:
    # D. Viswanath, Nonlinearity 16 (2003) 1035–1056: the orbit LR has the period 1.55865221 and starts on z = 27 here.
    found = periodic_orbit(lorenz63(), [-13.7636, -19.5788, 27.0], 1.56, segments=10, steps=80)
    assert found.success, found.message
    assert found.period == pytest.approx(1.5586522107, rel=1e-8)
    assert found.multipliers[0].real > 4.0
    assert np.abs(found.multipliers - 1.0).min() < 1e-6
    # tr F′ = −(σ + 1 + β).
    volume = math.exp(-(10 + 1 + 8 / 3) * found.period)
    dense = np.prod(found.multipliers)
    assert abs(dense) < 1e-6
    assert volume < 1e-6


def test_all_states_may_be_guessed() -> None:
    angle = 2 * np.pi * np.arange(6) / 6
    guess = 1.2 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    found = periodic_orbit(circle, guess, 6.0, segments=6)
    assert found.success
    np.testing.assert_allclose(found.x[0], [1.0, 0.0], atol=0.3)
    single = periodic_orbit(circle, [1.0, 0.1], 6.2, segments=1, steps=120)
    assert single.success
    assert single.period == pytest.approx(found.period, rel=1e-6)


def test_an_equilibrium_is_no_orbit() -> None:
    def saddle(x: Any, t: Any) -> Any:
        return np.stack([x[0] - 1.0, -2.0 * (x[1] - 1.0)])

    found = periodic_orbit(saddle, [1.001, 1.0], 1.0, segments=3, steps=10)
    assert not found.success
    assert "no orbit" in found.message or found.message == found.newton.message
    assert found.x.shape == (31, 2)


def test_an_orbit_that_shrinks_to_a_point_is_none() -> None:
    # All circles have the period 2π, and the guess is another: only the origin is left.
    found = periodic_orbit(Separable(lambda p: p, lambda q: -q), [1.0, 0.0], 6.0, segments=4, stepper="leapfrog")
    assert not found.success
    assert "equilibrium" in found.message
    assert np.abs(found.x).max() < 1e-6


# -- bad input --------------------------------------------------------------------------------------------------------

GUESS = [0.1, 0.0]
BAD: dict[str, tuple[Any, type[Exception], str]] = {
    "field": (lambda: boundary_value(3, ends_at_zero, (0, 1), GUESS), InputError, "F is no function"),  # pyright: ignore[reportArgumentType]
    "conditions": (lambda: boundary_value(bratu, None, (0, 1), GUESS), InputError, "conditions is no function"),  # pyright: ignore[reportArgumentType]
    "span": (lambda: boundary_value(bratu, ends_at_zero, (1, 1), GUESS), InputError, "no span of time"),
    "span-nan": (
        lambda: boundary_value(bratu, ends_at_zero, (0, math.nan), GUESS),
        InputError,
        "t_span must be finite",
    ),
    "segments": (lambda: boundary_value(bratu, ends_at_zero, (0, 1), GUESS, segments=0), InputError, "segments"),
    "steps": (lambda: boundary_value(bratu, ends_at_zero, (0, 1), GUESS, steps=2.5), InputError, "2.5"),  # pyright: ignore[reportArgumentType]
    "stepper": (lambda: boundary_value(bratu, ends_at_zero, (0, 1), GUESS, stepper="rk5"), InputError, "'rk5'"),
    "guess-rows": (lambda: boundary_value(bratu, ends_at_zero, (0, 1), np.zeros((3, 2))), InputError, r"\(11, n\)"),
    "guess-nan": (lambda: boundary_value(bratu, ends_at_zero, (0, 1), [0.0, math.nan]), InputError, r"guess\[1\]"),
    "guess-ragged": (
        lambda: boundary_value(bratu, ends_at_zero, (0, 1), lambda t: np.ones(2 if t < 0.5 else 3)),
        InputError,
        r"\(2,\) and \(3,\)",
    ),
    "guess-function": (lambda: boundary_value(bratu, ends_at_zero, (0, 1), lambda t: t), InputError, "shape"),
    "too-many": (
        lambda: boundary_value(bratu, lambda a, b: np.stack([a[0], b[0], a[1]]), (0, 1), GUESS),
        InputError,
        "as many conditions",
    ),
    "none": (lambda: boundary_value(bratu, lambda a, b: None, (0, 1), GUESS), InputError, "NoneType"),
    "separable": (
        lambda: boundary_value(bratu, ends_at_zero, (0, 1), GUESS, stepper="leapfrog"),
        InputError,
        "separable",
    ),
    "same-twice": (
        lambda: boundary_value(bratu, lambda a, b: np.stack([a[0], 2 * a[0]]), (0, 1), GUESS),
        NotInvertible,
        "singular for every x",
    ),
    "period": (lambda: periodic_orbit(circle, [1.0, 0.0], 0.0), InputError, "no period"),
    "period-negative": (lambda: periodic_orbit(circle, [1.0, 0.0], -1.0), InputError, "no period"),
    "period-text": (lambda: periodic_orbit(circle, [1.0, 0.0], "1"), InputError, "no period"),  # pyright: ignore[reportArgumentType]
    "x0-rows": (lambda: periodic_orbit(circle, np.zeros((3, 2)), 1.0), InputError, r"\(10, n\)"),
    "at-rest": (lambda: periodic_orbit(circle, [0.0, 0.0], 1.0), InputError, "the field is 0"),
    "forced": (
        lambda: periodic_orbit(lambda x, t: np.stack([x[1], np.cos(t) - x[0]]), [1.0, 0.0], 6.0),
        InputError,
        "depends on the time",
    ),
    "shape": (lambda: periodic_orbit(lambda x, t: x[:1], [1.0, 0.0], 6.0), InputError, "shape"),
    "runs-away": (lambda: periodic_orbit(lambda x, t: x**3, [3.0, 3.0], 60.0), NonFiniteTrajectory, "not finite"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name: str) -> None:
    call, kind, says = BAD[name]
    with pytest.raises(kind, match=says):
        call()


def test_an_orbit_that_runs_backward_in_time_is_none() -> None:
    orbit = periodic_orbit(van_der_pol(1.0), [2.0, 0.0], 6.5)
    states = orbit.x[:-1:20]
    found = periodic_orbit(van_der_pol(1.0), np.concatenate([states[:1], states[:0:-1]]), 1.0)
    assert found.newton.success
    assert abs(found.period + orbit.period) < 1e-6
    assert not found.success
    assert "the period is -6.66" in found.message
