"""Multiple shooting: boundary value problems and periodic orbits as one system of equations, solved by ``fg.newton``.

The time is cut into segments, each with a state of its own at its start. What a stepper makes of it has to meet the
start of the next segment. Errors grow along one segment only, so that orbits are found along which a single shot would
leave for infinity. The exact Newton step sweeps through all segments at once.

Reference: U. M. Ascher, R. M. M. Mattheij and R. D. Russell, *Numerical Solution of Boundary Value Problems for
Ordinary Differential Equations*, SIAM 1995, chapter 4.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import OptimizeResult

from flowgraph.errors import InputError
from flowgraph.numeric.newton import MAXITER, TOLERANCE, newton
from flowgraph.numeric.plan import plan
from flowgraph.numeric.shapes import real_array
from flowgraph.ode.flow import discretize
from flowgraph.ode.steppers import STEPPERS
from flowgraph.ode.systems import Field
from flowgraph.program import Program
from flowgraph.tracing import trace

Array = NDArray[Any]

SEGMENTS = 10
"""Default number of segments."""
STEPS = 20
"""Default number of time steps in each."""

_AT_REST = 1e-6
"""A way around the orbit that is so short beside the size of the states is that of an equilibrium."""


@dataclass(frozen=True, slots=True, eq=False)
class BoundaryValue:
    """What ``boundary_value`` found.

    Attributes:
        t: (segments · steps + 1,) the times.
        x: (segments · steps + 1, n) the states at these times; those at both ends fulfil the conditions.
        success: whether the equations are solved.
        message: why Newton's method stopped.
        newton: its result; ``newton.x`` holds the states at the ends of segments one after the other.
        program: the equations as a program of these unknowns.
    """

    t: Array
    x: Array
    success: bool
    message: str
    newton: OptimizeResult
    program: Program


@dataclass(frozen=True, slots=True, eq=False)
class PeriodicOrbit:
    """What ``periodic_orbit`` found.

    Attributes:
        period: the period, a time.
        t: (segments · steps + 1,) the times, from 0 to the period.
        x: (segments · steps + 1, n) the states at these times; the last is the first again.
        multipliers: (n,) the Floquet multipliers, complex, the largest first: the eigenvalues of the derivative of the
            state after one period. One of them is 1, up to the error of the stepper; an orbit with another outside the
            unit circle is unstable.
        success: whether the equations are solved by what is no equilibrium.
        message: why Newton's method stopped, or why the solution is none.
        newton: its result; ``newton.x`` holds the state at the start of each segment, followed by the period.
        program: the equations as a program of these unknowns.
    """

    period: float
    t: Array
    x: Array
    multipliers: Array
    success: bool
    message: str
    newton: OptimizeResult
    program: Program


def boundary_value(
    F: Field,
    conditions: Callable[[Any, Any], Any],
    t_span: tuple[float, float],
    guess: ArrayLike | Callable[[float], ArrayLike],
    *,
    segments: int = SEGMENTS,
    steps: int = STEPS,
    stepper: str | Callable[..., Any] = "rk4",
    tol: float = TOLERANCE,
    maxiter: int = MAXITER,
) -> BoundaryValue:
    """Solve ẋ = F(x, t) on [a, b] with n conditions on the states at both ends.

    The unknowns are the states s₀ … s_m at the ends of m segments; the equations φᵢ(sᵢ₋₁) − sᵢ = 0, where φᵢ takes
    ``steps`` steps through segment i, and conditions(s₀, s_m) = 0. Which of several solutions is found depends on the
    guess. The solution is that of the discrete equations: its error is O(hᵖ) for a stepper of order p.

    Args:
        F: the field F(x, t), (n,) → (n,); a ``Separable`` for symplectic steppers.
        conditions: (x(a), x(b)) ↦ (n,), zero where they are fulfilled; NumPy code.
        t_span: (a, b), b ≠ a.
        guess: t ↦ x (n,); or (segments + 1, n) the states at the ends of segments; or (n,) the same state everywhere.
        segments: m, at least 1; 1 is single shooting.
        steps: time steps in each segment, at least 1.
        stepper: a name of ``STEPPERS``, or ``stepper(F, x, h, t)``.
        tol: as for ``fg.newton``.
        maxiter: as for ``fg.newton``.

    Returns:
        The solution; what did not converge has success=False and the best that was found.

    Raises:
        InputError: an argument is not what it should be, or the conditions are not n numbers.
        NotInvertible: the conditions do not fix the solution, whatever the states.
        DomainError: F is not defined or not differentiable along the guess.
        TraceError: F or the conditions cannot be traced.

    Reference: Ascher, Mattheij and Russell (1995), section 4.3.

    Example:
        >>> from flowgraph.ode import pendulum
        >>> quarter = boundary_value(  # at rest at an angle of 1, hanging down at time 2
        ...     pendulum(), lambda a, b: np.stack([a[0] - 1.0, b[0]]), (0.0, 2.0), [0.5, 0.0]
        ... )
        >>> quarter.success, quarter.x[[0, -1], 0].round(12) + 0.0
        (True, array([1., 0.]))
    """
    _require_function(F, "F", "F(x, t)")
    _require_function(conditions, "conditions", "conditions(x_a, x_b)")
    segments, steps, step = _count(segments, "segments"), _count(steps, "steps"), _stepper(stepper)
    a, b = _span(t_span)
    ends = np.linspace(a, b, segments + 1)
    states = _states(guess, ends, "guess")
    n = states.shape[1]
    h = (b - a) / (segments * steps)
    flows = [discretize(step, F, h, steps, float(t)) for t in ends[:-1]]

    def equations(unknowns: Any) -> Any:
        s = unknowns.reshape(segments + 1, n)
        met = _condition(conditions(s[0], s[segments]), n)
        return np.concatenate([met, *(flows[i](s[i]) - s[i + 1] for i in range(segments))])

    program = trace(equations, states.ravel())
    # A program holds on one side of its branches; the function is traced anew on the others.
    found = newton(equations if program.guards else program, states.ravel(), tol=tol, maxiter=maxiter)
    solved = found.x.reshape(segments + 1, n)
    pieces = [flow.trajectory(s)[:-1] for flow, s in zip(flows, solved, strict=False)]
    x = np.concatenate([*pieces, solved[-1:]])
    return BoundaryValue(a + h * np.arange(len(x)), x, bool(found.success), found.message, found, program)


def periodic_orbit(
    F: Field,
    x0: ArrayLike,
    period: float,
    *,
    segments: int = SEGMENTS,
    steps: int = STEPS,
    stepper: str | Callable[..., Any] = "rk4",
    tol: float = TOLERANCE,
    maxiter: int = MAXITER,
) -> PeriodicOrbit:
    """A periodic orbit of ẋ = F(x), with its period as an unknown.

    The unknowns are the states s₀ … s_{m−1} at the starts of m segments and the period τ; the equations φ(sᵢ) − sᵢ₊₁ =
    0 with s_m = s₀, where φ takes ``steps`` steps of τ/(m · steps), and ⟨F(x₀), s₀ − x₀⟩ = 0: of all states on the
    orbit, s₀ is one where it passes through the plane across the field at x₀.

    A conservative system has families of orbits. There J is singular at the solution, for no equation says which of
    them is meant.

    Args:
        F: the field F(x, t), (n,) → (n,), the same at all times; a ``Separable`` for symplectic steppers.
        x0: (n,) a state near the orbit, followed over the guessed period for a guess of the others; or (segments, n)
            the guess of all.
        period: a guess of the period, > 0.
        segments: m, at least 1; 1 is single shooting.
        steps: time steps in each segment, at least 1.
        stepper: a name of ``STEPPERS``, or ``stepper(F, x, h, t)``.
        tol: as for ``fg.newton``.
        maxiter: as for ``fg.newton``.

    Returns:
        The orbit; what did not converge, or converged to an equilibrium, has success=False.

    Raises:
        InputError: an argument is not what it should be, F depends on the time, or is 0 at x0.
        NonFiniteTrajectory: the trajectory from x0 is not finite; more segments with a guess for each may help.
        DomainError: F is not defined or not differentiable along the guess.
        TraceError: F cannot be traced.

    Reference: R. Seydel, *Practical Bifurcation and Stability Analysis*, 3rd ed., Springer 2010, chapter 7.

    Example:
        >>> def van_der_pol(x, t):
        ...     return np.stack([x[1], (1 - x[0] ** 2) * x[1] - x[0]])
        >>> orbit = periodic_orbit(van_der_pol, [2.0, 0.0], 6.5)
        >>> orbit.success, round(orbit.period, 4), orbit.multipliers.real.round(4)
        (True, 6.6633, array([1.e+00, 9.e-04]))
    """
    _require_function(F, "F", "F(x, t)")
    segments, steps, step = _count(segments, "segments"), _count(steps, "steps"), _stepper(stepper)
    period = _period(period)
    pieces = segments * steps
    given = real_array(x0, "x0")
    if given.ndim == 1:
        given = discretize(step, F, period / pieces, pieces).trajectory(_states(given, np.zeros(1), "x0")[0])[:-1:steps]
    states = _states(given, np.arange(segments), "x0")
    n = states.shape[1]
    across = _field_across(F, states[0], period)

    def equations(unknowns: Any) -> Any:
        # A period for each segment keeps the equations a band; one for all would be a full column.
        s, tau = unknowns.reshape(segments, n + 1)[:, :n], unknowns.reshape(segments, n + 1)[:, n]
        rows = []
        for i in range(segments):
            end = discretize(step, F, tau[i] / pieces, steps)(s[i])
            after = tau[i + 1] - tau[i] if i + 1 < segments else np.sum(across * (s[0] - states[0]))
            rows.append(np.concatenate([end - s[(i + 1) % segments], np.stack([after])]))
        return np.concatenate(rows)

    start = np.column_stack([states, np.full(segments, period)]).ravel()
    program = trace(equations, start)
    found = newton(equations if program.guards else program, start, tol=tol, maxiter=maxiter)
    solved, tau = found.x.reshape(segments, n + 1)[:, :n], float(found.x[-1])
    success, message = bool(found.success), found.message
    if success and not tau > 0.0:
        success, message = False, f"no orbit found: the period is {tau:.3g}"
    # A period of 0 is told as no orbit; its states are those of the shortest time step there is.
    segment = discretize(step, F, tau / pieces or float(np.finfo(float).tiny), steps)
    x = np.concatenate([*(segment.trajectory(s)[:-1] for s in solved), solved[:1]])
    way, size = float(np.abs(np.diff(x, axis=0)).sum()), float(max(np.abs(x).max(), np.abs(states).max()))
    if success and way <= _AT_REST * size:
        success, message = False, "no orbit found: this is an equilibrium, which has every period"
    jacobians = plan(segment, n).linearize(solved).jacobian()
    monodromy = np.linalg.multi_dot([*jacobians[::-1], np.eye(n)]) if segments > 1 else jacobians[0]
    multipliers = np.linalg.eigvals(monodromy).astype(complex)
    multipliers = multipliers[np.argsort(-np.abs(multipliers), kind="stable")]
    return PeriodicOrbit(tau, tau / pieces * np.arange(len(x)), x, multipliers, success, message, found, program)


# -- arguments --------------------------------------------------------------------------------------------------------


def _require_function(value: Any, name: str, expected: str) -> None:
    if not callable(value):
        raise InputError(f"{name} is no function", got=type(value).__name__, expected=expected)


def _count(value: Any, name: str) -> int:
    if isinstance(value, (bool, np.bool)) or not isinstance(value, (int, np.integer)) or value < 1:
        raise InputError(f"{name} is no number of {name}", got=repr(value), expected="an integer, 1 or more")
    return int(value)


def _stepper(stepper: Any) -> Callable[..., Any]:
    if isinstance(stepper, str) and stepper in STEPPERS:
        return STEPPERS[stepper].function
    if not callable(stepper):
        raise InputError(
            "there is no such stepper",
            got=repr(stepper),
            expected=", ".join(STEPPERS),
            remedy="give one of these names, or a function stepper(F, x, h, t)",
        )
    return stepper


def _span(t_span: Any) -> tuple[float, float]:
    ends = real_array(t_span, "t_span")
    if ends.shape != (2,) or ends[0] == ends[1]:
        raise InputError(
            "t_span is no span of time", got=repr(t_span), expected="(a, b): two finite numbers that differ"
        )
    return float(ends[0]), float(ends[1])


def _period(period: Any) -> float:
    number = isinstance(period, (int, float, np.integer, np.floating)) and not isinstance(period, bool)
    if not number or not 0.0 < period < math.inf:
        raise InputError("the guess is no period", got=repr(period), expected="a finite number > 0")
    return float(period)


def _states(given: Any, times: Array, name: str) -> Array:
    """(len(times), n) states from a function of time, from all of them, or from one for all."""
    values = [np.asarray(given(float(t))) for t in times] if callable(given) else given
    if callable(given) and len(shapes := {value.shape for value in values}) > 1:
        raise InputError(
            f"{name} does not give one state at each time",
            got=f"arrays of shapes {' and '.join(map(str, sorted(shapes)))}",
            expected="(n,) at every time",
        )
    states = real_array(values, name)
    if states.ndim == 1 and not callable(given):
        states = np.tile(states, (len(times), 1))
    if states.ndim != 2 or len(states) != len(times) or states.shape[1] == 0:
        raise InputError(
            f"{name} has another shape than the states",
            got=f"an array of shape {states.shape}",
            expected=f"(n,), or ({len(times)}, n): one state for each end of a segment",
        )
    return states.astype(float)


def _condition(met: Any, n: int) -> Any:
    """What the conditions gave, if it is n numbers."""
    if isinstance(met, (list, tuple)) and len({np.shape(part) for part in met}) == 1:
        met = np.stack(met)
    if np.shape(met) != (n,):
        raise InputError(
            "the conditions do not fit the states",
            got=f"an array of shape {np.shape(met)}" if np.ndim(met) else type(met).__name__,
            expected=f"({n},): as many conditions as a state has entries",
            remedy="end them with np.stack([...]) of one number for each condition",
        )
    return met


def _field_across(F: Field, x: Array, period: float) -> Array:
    """The unit vector along the field at x."""
    now, later = (np.asarray(F(x, t), dtype=float) for t in (0.0, 0.382 * period))
    if now.shape != x.shape:
        raise InputError(
            "the field has another shape than the state", got=f"shape {now.shape}", expected=f"shape {x.shape}"
        )
    if not np.array_equal(now, later):
        raise InputError(
            "the field depends on the time, so its period is none that could be found",
            got=f"F(x0, 0) and F(x0, {0.382 * period:.3g}) differ",
            expected="a field that is the same at all times",
            remedy="a forced system has the period of its force: boundary_value with x(b) − x(a) as conditions",
        )
    size = float(np.linalg.norm(now))
    if not 0.0 < size < math.inf:
        raise InputError("the field is 0 or not finite at x0", got=f"‖F(x0)‖ = {size}", remedy="start elsewhere")
    return now / size
