"""The four modes of the flow of ẋ = F(x, t): four linear differential equations, integrated beside or along the state.

Reference: section 9 of the theory pages. Between t₀ and t₁, with F′ = ∂F/∂x on the trajectory,

    forward           δ̇ =  F′ δ      from t₀ to t₁      beside the state
    reverse           λ̇ = −F′ᵀ λ     from t₁ to t₀      along the state's dense output
    forward inverse   δ̇ =  F′ δ      from t₁ to t₀      along the state's dense output
    reverse inverse   λ̇ = −F′ᵀ λ     from t₀ to t₁      beside the state

so an inverse mode is its own forward or reverse mode with the time turned round, and reverse inverse needs no tape.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flowgraph.errors import DomainError, InputError, NonFiniteTrajectory
from flowgraph.numeric.linearization import Linearization, SlogdetResult
from flowgraph.numeric.plan import Plan, plan
from flowgraph.numeric.shapes import like, real_array, right_hand_sides
from flowgraph.ode.systems import require_field

if TYPE_CHECKING:
    from scipy.integrate import OdeSolution

Array = NDArray[Any]

METHODS = ("RK23", "RK45", "DOP853", "Radau", "BDF", "LSODA")
"""The integrators of ``scipy.integrate.solve_ivp``."""

_LEAST_RTOL = 100 * float(np.finfo(float).eps)
"""What ``solve_ivp`` cannot go below."""


def _joined(F: Callable[..., Any], z: Any) -> Any:
    """F as a function of one vector (x, t)."""
    return F(z[:-1], z[-1])


@dataclass(frozen=True, slots=True, eq=False)
class _Field:
    """F and the products with F′, by the numeric engine.

    Attributes:
        plan: of (x, t) ↦ F(x, t).
        n: the length of x.
    """

    plan: Plan
    n: int

    def value(self, x: Array, t: float) -> Array:
        """F(x, t); NaN where F is not defined, so that the integrator tries a shorter step."""
        z = np.append(x, t)
        if not np.isfinite(z).all():
            return np.full(self.n, np.nan)
        try:
            return self.plan.evaluate(z)
        except DomainError:
            return np.full(self.n, np.nan)

    def linearize(self, x: Array, t: float) -> Linearization | None:
        """F at (x, t) with its Jacobian; None where F is not defined or not differentiable."""
        z = np.append(x, t)
        if not np.isfinite(z).all():
            return None
        try:
            return self.plan.linearize(z)
        except DomainError:
            return None

    def product(self, lin: Linearization | None, columns: Array, *, adjoint: bool) -> Array:
        """F′δ, or −F′ᵀλ, for columns (n, k)."""
        if lin is None or not np.isfinite(columns).all():
            return np.full(columns.shape, np.nan)
        if adjoint:
            return -lin.vjp(columns)[: self.n]
        return lin.jvp(np.vstack([columns, np.zeros((1, columns.shape[1]))]))


@dataclass(frozen=True, slots=True)
class _Integrator:
    """How to integrate: the options of ``scipy.integrate.solve_ivp``."""

    method: str
    rtol: float
    atol: float

    def run(
        self, right: Callable[[float, Array], Array], span: tuple[float, float], start: Array, what: str, *, dense: bool
    ) -> Any:
        """The solution of ẏ = right(t, y).

        Raises:
            NonFiniteTrajectory: it cannot be continued to the end.
        """
        from scipy.integrate import solve_ivp

        # Where F overflows or is not defined the integrator is given NaN, and says so by a step that is too short.
        with np.errstate(all="ignore"):
            solution = solve_ivp(
                right, span, start, method=self.method, dense_output=dense, rtol=self.rtol, atol=self.atol
            )
        # LSODA goes on to the end with NaN, and does not complain.
        finite = np.isfinite(solution.y).all(axis=0)
        if solution.status == 0 and finite.all():
            return solution
        reached = int(np.argmin(finite)) - 1 if not finite.all() else len(finite) - 1
        end = solution.y[:, reached]
        k = int(np.argmax(np.abs(end)))
        raise NonFiniteTrajectory(
            f"{what} cannot be continued to t = {span[1]:g}",
            where=f"t = {solution.t[reached]:.9g}",
            got=f"entry {k} is {end[k]:.6g}; {self.method} finds no time step that is short enough",
            expected="a solution that exists, and is finite, on the whole interval",
            remedy="end before that time; where the equation is stiff, try method='Radau'",
            entry=k,
            trajectory=solution.y[:, : reached + 1].T,
        )


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Continuous:
    """The flow of a differential equation and its Jacobian J = ∂x(t₁)/∂x(t₀), as operators in all four modes.

    Made by ``continuous``; the methods are those of a ``Linearization``. Each product is an integration of its own, all
    columns at once. Columns are scaled to 1 before, so that the tolerances mean the same for each.

    Attributes:
        x: (n,) the state at t₀.
        value: (n,) the state at t₁.
        t_span: (t₀, t₁).

    Example:
        >>> import numpy as np
        >>> flow = continuous(lambda x, t: np.stack([x[1], -x[0]]), [1.0, 0.0], (0.0, np.pi / 2))
        >>> print(np.round(flow.value, 8) + 0.0, np.round(flow.ijvp([1.0, 0.0]), 8) + 0.0)
        [ 0. -1.] [0. 1.]
        >>> round(flow.slogdet().logabsdet, 8)
        0.0
    """

    x: Array
    value: Array
    t_span: tuple[float, float]
    _state: OdeSolution
    _field: _Field
    _integrator: _Integrator

    def __repr__(self) -> str:
        t0, t1 = self.t_span
        return f"<Continuous: {len(self.x)} unknowns, t = {t0:g} to {t1:g}, {self._integrator.method}>"

    def trajectory(self, t: ArrayLike) -> Array:
        """The state at some times, from the dense output of the integrator.

        Args:
            t: (k,) times between t₀ and t₁, or one time.

        Returns:
            (k, n), one state a row; (n,) for one time.

        Raises:
            InputError: a time outside the interval, or no vector of times.
        """
        times = real_array(t, "t")
        low, high = sorted(self.t_span)
        if times.ndim > 1 or ((times < low) | (times > high)).any():
            raise InputError(
                "t must be times of the trajectory",
                got=f"shape {times.shape}, {times.min():g} to {times.max():g}" if times.size else str(times.shape),
                expected=f"a number or a vector, between {low:g} and {high:g}",
            )
        return np.asarray(self._state(times)).T

    # -- the four modes ---------------------------------------------------------------------------------------------

    def jvp(self, v: ArrayLike) -> Array:
        """J v, the forward mode: δ̇ = F′δ from t₀ to t₁, δ(t₀) = v, beside the state.

        Args:
            v: (n,) or (n, k).

        Raises:
            InputError: another shape, or numbers that are not finite.
            NonFiniteTrajectory: the tangents cannot be integrated to the end; with the time.
        """
        return self._sweep(v, "v", adjoint=False, backward=False)

    def vjp(self, w: ArrayLike) -> Array:
        """Jᵀ w, the reverse mode: λ̇ = −F′ᵀλ from t₁ to t₀, λ(t₁) = w, along the stored state. See ``jvp``."""
        return self._sweep(w, "w", adjoint=True, backward=True)

    def ijvp(self, dy: ArrayLike) -> Array:
        """J⁻¹ dy, the forward inverse mode: δ̇ = F′δ from t₁ to t₀, δ(t₁) = dy, along the stored state. See ``jvp``.

        J is never singular. But what decays forward in time grows backward, and errors with it.
        """
        return self._sweep(dy, "dy", adjoint=False, backward=True)

    def ivjp(self, gx: ArrayLike) -> Array:
        """J⁻ᵀ gx, the reverse inverse mode: λ̇ = −F′ᵀλ from t₀ to t₁, λ(t₀) = gx, beside the state. See ``jvp``."""
        return self._sweep(gx, "gx", adjoint=True, backward=False)

    # -- what follows from them -------------------------------------------------------------------------------------

    def jacobian(self) -> Array:
        """The dense J, (n, n), by the forward mode on n columns."""
        return self.jvp(np.eye(len(self.x)))

    def slogdet(self) -> SlogdetResult:
        """Sign and logarithm of det J. The sign is 1; log det J = ∫ tr F′ dt (Liouville), n sweeps at each time.

        Raises:
            NonFiniteTrajectory: the integral does not exist; with the time.
        """
        field, n = self._field, len(self.x)
        units = np.eye(n)

        def right(t: float, y: Array) -> Array:
            lin = field.linearize(y[:n], t)
            trace = np.trace(field.product(lin, units, adjoint=False))
            return np.append(np.full(n, np.nan) if lin is None else lin.value, trace)

        solution = self._integrator.run(
            right, self.t_span, np.append(self.x, 0.0), "the integral of the trace of F′", dense=False
        )
        return SlogdetResult(1.0, float(solution.y[-1, -1]))

    def _sweep(self, given: ArrayLike, name: str, *, adjoint: bool, backward: bool) -> Array:
        columns = right_hand_sides(given, name, len(self.x), None)[0]
        sizes = np.abs(columns).max(axis=0, initial=0.0)
        sizes[sizes == 0.0] = 1.0
        run = self._along_state if backward else self._beside_state
        return like((run(columns / sizes, adjoint) * sizes)[None], given, None)

    def _beside_state(self, columns: Array, adjoint: bool) -> Array:
        """(Co)tangents in the direction of the state, integrated together with it."""
        field, n = self._field, len(self.x)

        def right(t: float, y: Array) -> Array:
            lin = field.linearize(y[:n], t)
            change = field.product(lin, y[n:].reshape(columns.shape), adjoint=adjoint)
            return np.concatenate([np.full(n, np.nan) if lin is None else lin.value, change.ravel()])

        start = np.concatenate([self.x, columns.ravel()])
        solution = self._integrator.run(right, self.t_span, start, _what(adjoint), dense=False)
        return solution.y[n:, -1].reshape(columns.shape)

    def _along_state(self, columns: Array, adjoint: bool) -> Array:
        """(Co)tangents against the direction of the state, along its dense output."""
        field, state = self._field, self._state

        def right(t: float, y: Array) -> Array:
            lin = field.linearize(np.asarray(state(t)), t)
            return field.product(lin, y.reshape(columns.shape), adjoint=adjoint).ravel()

        back = (self.t_span[1], self.t_span[0])
        solution = self._integrator.run(right, back, columns.ravel(), _what(adjoint), dense=False)
        return solution.y[:, -1].reshape(columns.shape)


def _what(adjoint: bool) -> str:
    return "the cotangent" if adjoint else "the tangent"


def continuous(
    F: Callable[..., Any],
    x0: ArrayLike,
    t_span: tuple[float, float],
    *,
    method: str = "DOP853",
    rtol: float = 1e-10,
    atol: float = 1e-12,
    backend: str | None = None,
) -> Continuous:
    """The flow of ẋ = F(x, t) from x0, and its Jacobian in all four modes: what a discrete flow tends to as h → 0.

    F is traced with x and t, and planned once; F′δ and F′ᵀλ are products of the numeric engine. The state is integrated
    here, with dense output; it is kept for the two modes that run against it. Where F branches on x it is traced on
    each side, and has to be continuous across: a jump of F makes J jump, and no mode sees that.

    Args:
        F: F(x, t) → ẋ, NumPy code that ``trace`` takes, x (n,) and t a number.
        x0: (n,) the state at t₀.
        t_span: (t₀, t₁), t₁ before or after t₀.
        method: an integrator of ``scipy.integrate.solve_ivp``.
        rtol: relative tolerance of each step, 100 ε = 2.2e-14 at least.
        atol: absolute tolerance of each step, positive: in the unit of the state, and for (co)tangents of size 1.
        backend: of the products, ``"numpy"`` or ``"compiled"``; None takes the compiled one where Numba is installed.

    Raises:
        InputError: F has another number of arguments or of results than states, t_span is empty or not finite, x0 is no
            vector of finite numbers, or there is no such method or tolerance.
        DomainError: F is not defined at the start.
        NonFiniteTrajectory: the solution ends before t₁; with the time where it does, and the states before.
        TraceError: F cannot be traced.

    Reference: arXiv:2411.18786, outlook; E. Hairer, S. P. Nørsett and G. Wanner, Solving Ordinary Differential
    Equations I, section I.14 (derivatives with respect to initial values).

    Example:
        >>> import numpy as np
        >>> flow = continuous(lambda x, t: -2.0 * t * x, [3.0], (0.0, 1.0))
        >>> bool(abs(flow.value[0] - 3.0 / np.e) < 1e-9), bool(abs(flow.ijvp([1.0])[0] - np.e) < 1e-9)
        (True, True)
    """
    start = real_array(x0, "x0")
    if start.ndim != 1 or len(start) == 0:
        raise InputError("x0 is no state", got=f"shape {start.shape}", expected="a vector, (n,)", remedy="give [x0]")
    start = start.copy()
    span = _span(t_span)
    integrator = _integrator(method, rtol, atol)
    field = _field(F, start, span[0], backend)
    solution = integrator.run(lambda t, x: field.value(x, t), span, start, "the trajectory", dense=True)
    return Continuous(start, solution.y[:, -1].copy(), span, solution.sol, field, integrator)


def _field(F: Callable[..., Any], x0: Array, t0: float, backend: str | None) -> _Field:
    """F, planned; tried at the start, where an error must not become a shorter step."""
    require_field(F)
    joined = functools.partial(_joined, F)
    # Errors about what F returns call it by its name.
    joined.__dict__["__name__"] = getattr(F, "__name__", type(F).__name__)
    planned = plan(joined, len(x0) + 1, backend=backend)
    change = planned.linearize(np.append(x0, t0)).value
    if len(change) != len(x0):
        raise InputError(
            "F changes the size of the state",
            got=f"{len(change)} number{'s' * (len(change) != 1)} for a state of {len(x0)}",
            expected=f"ẋ with {len(x0)} entries, one for each of x",
            remedy="fields are F(x, t), the state first; scipy.integrate has it the other way round",
        )
    return _Field(planned, len(x0))


def _span(t_span: tuple[float, float]) -> tuple[float, float]:
    ends = real_array(t_span, "t_span")
    if ends.shape != (2,) or ends[0] == ends[1]:
        raise InputError(
            "t_span is no interval",
            got=repr(t_span),
            expected="(t0, t1), two different times",
            remedy="say from when to when",
        )
    return float(ends[0]), float(ends[1])


def _integrator(method: str, rtol: float, atol: float) -> _Integrator:
    if method not in METHODS:
        raise InputError("there is no such integrator", got=repr(method), expected=", ".join(METHODS))
    tolerances = real_array([rtol, atol], "rtol, atol")
    if tolerances[0] < _LEAST_RTOL or tolerances[1] <= 0.0:
        raise InputError(
            "the tolerances are too small",
            got=f"rtol={rtol}, atol={atol}",
            expected=f"rtol at least {_LEAST_RTOL:.2g}, atol positive",
        )
    return _Integrator(method, float(rtol), float(atol))
