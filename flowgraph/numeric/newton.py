"""Roots of f: Rⁿ → Rⁿ by Newton's method, damped by a line search; every step is exact, one inverse sweep.

A point whose full step is not acceptable is left along the Newton direction dx = −J⁻¹f, along which ½‖f‖² falls at the
known rate −‖f‖². Shorter steps are chosen by interpolation between safeguards.

References: arXiv:2411.18786 (J⁻¹v by inverse accumulation). J. E. Dennis and R. B. Schnabel, *Numerical Methods for
Unconstrained Optimization and Nonlinear Equations*, SIAM 1996, sections 6.3 and 7.2 (line search; local minima of ‖f‖).
P. Deuflhard, *Newton Methods for Nonlinear Problems*, Springer 2004, section 2.1 (a test of convergence on the Newton
step, and the contraction that makes it a safe one). F. Tisseur, *SIAM J. Matrix Anal. Appl.* 22 (2001) 1038–1057 (the
residual that can be attained in floating point).
"""

from __future__ import annotations

import math
import operator
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import OptimizeResult

from flowgraph.errors import AccuracyWarning, DomainError, FlowgraphError, InputError, SingularJacobian
from flowgraph.numeric.linearization import Linearization
from flowgraph.numeric.plan import Plan, plan
from flowgraph.program import Program

Array = NDArray[Any]

TOLERANCE = 1e-12
"""Default bound on the last Newton step, relative to x."""

MAXITER = 100
"""Default bound on the number of iterations. Near a root where J is singular each gains one bit."""

ROUNDING = 100
"""A residual of so many machine epsilons relative to ‖ |J| |x| ‖ is called attained, where no step makes it smaller."""

_NOISE = 10
"""A residual of so many times the noise of f is called attained, where no step makes it smaller."""

_SHAKE = 2.0**-40
"""Points so much aside, relative to x, have other rounding errors inside f, and no curvature that shows."""

_EPSILON = float(np.finfo(float).eps)
_SUFFICIENT = 1e-4
"""The part of the predicted decrease that a step must reach (Dennis & Schnabel, section 6.3)."""
_VISIBLE = 8.0 * _EPSILON
"""A decrease of ½‖f‖² relative to ‖f‖² that is no rounding error."""
_SHORTEST, _LONGEST = 0.1, 0.5
"""A step that is refused is multiplied by a number between these."""
_CONTRACTION = 0.3
"""Full steps shrink the residual by more than this near a root, less near a pole: there by 1/2 to 1/e."""
_FLAT = _EPSILON ** (1 / 3)
"""A relative gradient of ½‖f‖² up to this is called zero (Dennis & Schnabel, section 7.2)."""
_PROBES = 4
_LONG = 100.0
"""A Newton step that is so many times as long as x comes from a nearly singular J."""
_LEAST = 1e-100
_HUGE = 1e100
"""‖f‖ relative to before: what exceeds it tells a parabola nothing."""


class Status(IntEnum):
    """Why the iteration stopped; ``CONVERGED`` is the only success."""

    CONVERGED = 0
    MAXITER = 1
    SINGULAR = 2
    LINE_SEARCH = 3
    DOMAIN = 4
    NOT_FINITE = 5
    CALLBACK = 6


@dataclass(frozen=True, slots=True)
class NewtonIterate:
    """What is known of one iterate.

    Attributes:
        iteration: its number; 0 is x0.
        residual: ‖f(x) − y‖ in the max norm.
        correction: max-norm size of the Newton step from here, relative to ‖x‖ + ε‖x0‖/max(tol, ε): to first order the
            relative error of x. inf where J is singular; None where it is not known, after the last step.
        step: max norm of the step that led here; None at x0.
        damping: the part of the Newton step that it was, 1 for a full step; None at x0.
    """

    iteration: int
    residual: float
    correction: float | None
    step: float | None = None
    damping: float | None = None


def newton(
    f: Callable[..., Any] | Program | Plan,
    x0: ArrayLike,
    *,
    tol: float = TOLERANCE,
    maxiter: int = MAXITER,
    line_search: bool = True,
    callback: Callable[[OptimizeResult], object] | None = None,
    backend: str | None = None,
) -> OptimizeResult:
    """A root of f: Rⁿ → Rⁿ by Newton's method, x ← x − λ J⁻¹f with λ = 1 wherever that is acceptable.

    J⁻¹f costs about what one product J v costs, whatever n. Where f branches on values, it is traced anew on each side.

    *Line search.* λ = 1, or the first of a falling sequence for which ½‖f‖₂² falls by 10⁻⁴ of the predicted λ‖f‖₂².
    Each next λ minimises the parabola or cubic through what is known, within 0.1 and 0.5 times the last; outside the
    domain of an operation, and where f overflows, λ is halved. How the entries of f are scaled matters to this test,
    but not to the direction.

    *Convergence.* With the max norm and the machine epsilon ε = 2⁻⁵², x is accepted

    - if f(x) = 0; or
    - if the next Newton step is at most tol ‖x‖ + ε ‖x0‖, and the one before was a full step that multiplied ‖f‖₂ by at
      most 0.3. The first bounds the error of x to first order, in the unit of x, whatever the scale of f. The second
      tells a root from a pole, where steps are small too. The next step is then taken if it makes ‖f‖ smaller; or
    - if no full step makes ‖f‖ smaller, and it is at rounding level: at most 100 ε ‖ |J| |x| ‖ (estimated by four
      products J v); or at most √ε ‖f(x0)‖ and 10 times the noise of f at points next to x, for terms that cancel
      inside f leave more. The result's ``error`` says what this leaves of x. So tol = 0 asks for all there is.

    Args:
        f: a function of one vector or of n scalars, or a program; n outputs.
        x0: (n,) where to start. Several starts at once are refused: they would stop at different times.
        tol: relative size of the last Newton step, ≥ 0.
        maxiter: the largest number of steps.
        line_search: False takes full steps only.
        callback: called with the state at x0 and after every step, an ``OptimizeResult`` of x, fun, nit and iterate
            (a ``NewtonIterate``). Raising ``StopIteration`` ends the iteration.
        backend: "numpy" or "compiled"; None for the fastest there is.

    Returns:
        ``scipy.optimize.OptimizeResult`` with x (n,) and fun (n,), the best found; success; status, a ``Status``;
        message, why it stopped; nit; nfev and njev, at how many points f was evaluated and linearised; history, a
        ``NewtonIterate`` for x0 and for every step; error, the last ``correction`` that is known. What fails
        numerically (J is singular on the way, no root, too many steps) is no exception, but success=False.

    Raises:
        InputError: x0 is no finite vector, or an option is not what it should be.
        NotInvertible: f is not square, or its Jacobian is singular for every x.
        DomainError: an operation is not defined, or not differentiable, at x0.
        TraceError: f cannot be traced.

    Reference: Dennis & Schnabel (1996), algorithm A6.3.1; Deuflhard (2004), section 2.1.

    Example:
        >>> import numpy as np
        >>> sol = newton(lambda x: np.stack([x[0] ** 2 + x[1] ** 2 - 5, x[0] * x[1] - 2]), [3.0, 0.5])
        >>> sol.x.round(12), sol.success, sol.nit
        (array([2., 1.]), True, 6)
        >>> print(newton(lambda x: x**2 + 1, [0.5]).message)  # doctest: +ELLIPSIS
        no root found: ...
    """
    return _run(f, None, x0, tol, maxiter, line_search, callback, backend)


def solve(
    f: Callable[..., Any] | Program | Plan,
    y: ArrayLike,
    x0: ArrayLike,
    *,
    tol: float = TOLERANCE,
    maxiter: int = MAXITER,
    line_search: bool = True,
    callback: Callable[[OptimizeResult], object] | None = None,
    backend: str | None = None,
) -> OptimizeResult:
    """A solution x of f(x) = y: ``newton`` on f − y, with f as it is.

    What rounding allows of f(x) − y is 100 ε (‖ |J| |x| ‖ + ‖y‖), for y is known to rounding only.

    Args:
        f: a function of one vector or of n scalars, or a program; n outputs.
        y: (n,) what f shall be.
        x0: (n,) where to start.
        tol: as for ``newton``.
        maxiter: as for ``newton``.
        line_search: as for ``newton``.
        callback: as for ``newton``.
        backend: as for ``newton``.

    Returns:
        As ``newton``; ``fun`` is f(x) − y.

    Raises:
        InputError: y or x0 is no finite vector of n numbers, or an option is not what it should be.
        NotInvertible: f is not square, or its Jacobian is singular for every x.
        DomainError: an operation is not defined, or not differentiable, at x0.
        TraceError: f cannot be traced.

    Example:
        >>> import numpy as np
        >>> sol = solve(lambda x: x * np.exp(x), [np.e], [0.5])
        >>> sol.x.round(12), sol.message.split(":")[0]
        (array([1.]), 'converged')
    """
    return _run(f, _vector(y, "y"), x0, tol, maxiter, line_search, callback, backend)


def _run(
    f: Any, y: Array | None, x0: ArrayLike, tol: Any, maxiter: Any, damped: bool, callback: Any, backend: str | None
) -> OptimizeResult:
    start = _vector(x0, "x0")
    tol, maxiter = _tolerance(tol), _count(maxiter)
    if not (callback is None or callable(callback)):
        raise InputError("callback is no function", got=type(callback).__name__, expected="a function of one argument")
    if isinstance(f, Program) and f.n_inputs != len(start):
        raise InputError(
            "x0 does not have as many entries as the program has inputs",
            got=f"{len(start)} entries",
            expected=f"{f.n_inputs}",
        )
    made = plan(f, len(start), backend=backend)
    first = made.linearize(start)
    if y is not None and len(y) != len(first.value):
        raise InputError(
            "y does not have as many entries as f(x)", got=f"{len(y)} entries", expected=f"{len(first.value)}"
        )
    # A program holds on one side of its branches only; a function is traced anew.
    outside = (DomainError, InputError) if isinstance(f, Program) and f.guards else (DomainError,)
    target = np.zeros(len(first.value)) if y is None else y
    problem = _Problem(made, target, start, _norm(first.value - target), tol, outside)
    return _iterate(problem, problem.point(first), maxiter, damped, callback)


# -- the iteration ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Point:
    """An iterate with f(x) − y and the last linearization."""

    x: Array
    residual: Array
    linearization: Linearization


@dataclass(frozen=True, slots=True)
class _Problem:
    """f(x) = y from a start, with what the tests of the iteration need to know."""

    plan: Plan
    y: Array
    start: Array
    scale: float
    tol: float
    outside: tuple[type[FlowgraphError], ...]

    def point(self, linearization: Linearization) -> _Point:
        return _Point(linearization.x, linearization.value - self.y, linearization)

    def correction(self, x: Array, dx: Array) -> float:
        """‖dx‖ relative to x, so that tol bounds it exactly where ‖dx‖ ≤ tol ‖x‖ + ε ‖x0‖."""
        size = _norm(dx)
        scale = _norm(x) + _EPSILON / max(self.tol, _EPSILON) * _norm(self.start)
        return size / scale if scale > 0 else math.inf if size > 0 else 0.0

    def attained(self, point: _Point) -> bool:
        """Whether the residual is no larger than what rounding x and y, or rounding inside f, brings.

        An entry of J diag(x) g, where g is standard normal, has the 2-norm of that row of J diag(x) as its standard
        deviation. What f differs by at points next to x, over and above J times the distance, is rounding inside f; a
        jump of f at x would look alike, were it not large.
        """
        size = _norm(point.x)
        scale = point.x / size if size > 0.0 else point.x
        probes = np.random.default_rng(0).standard_normal((len(scale), _PROBES))
        with np.errstate(over="ignore", invalid="ignore"):
            rows = size * np.sqrt(np.mean(np.square(point.linearization.jvp(scale[:, None] * probes)), axis=1))
        bound = ROUNDING * _EPSILON * (_norm(rows) + _norm(self.y))
        if not math.isfinite(bound):
            return False
        residual = _norm(point.residual)
        return residual <= bound or (residual <= math.sqrt(_EPSILON) * self.scale and residual <= self.noise(point))

    def noise(self, point: _Point) -> float:
        """What a residual may be made of by rounding inside f alone; 0 where f is not defined all around x.

        The second smallest of several counts, for at a jump or a kink all those across it are large.

        Reference: J. J. Moré and S. M. Wild, *SIAM J. Sci. Comput.* 33 (2011) 1292–1314 (computational noise).
        """
        probes = np.random.default_rng(1).standard_normal((len(point.x), 2 * _PROBES))
        near = point.x[:, None] * (1.0 + _SHAKE * probes)
        try:
            values = np.stack([self.plan.evaluate(x, explain=False) for x in near.T], axis=1)
        except self.outside:
            return 0.0
        with np.errstate(over="ignore", invalid="ignore"):
            straight = point.linearization.jvp(near - point.x[:, None])
            found = np.sort(np.abs(values - self.y[:, None] - point.residual[:, None] - straight).max(axis=0))
        return _NOISE * float(found[1]) if math.isfinite(found[1]) else 0.0

    def flat(self, point: _Point) -> bool:
        """Whether x is a stationary point of ½‖f(x) − y‖², of which a root is the only kind where J is regular."""
        size = _norm(point.residual)
        unit = point.residual / size
        slope = np.abs(point.linearization.vjp(unit)) * (np.abs(point.x) + np.abs(self.start))
        return bool(_norm(slope) <= _FLAT * size * float(unit @ unit))


def _iterate(
    problem: _Problem,
    start: _Point,
    maxiter: int,
    damped: bool,
    callback: Callable[[OptimizeResult], object] | None,
) -> OptimizeResult:
    point = best = start
    if not np.isfinite(point.residual).all():
        k = int(np.flatnonzero(~np.isfinite(point.residual))[0])
        raise InputError("f(x0) is not finite", where=f"entry {k} of f(x0)", got=repr(float(point.residual[k])))
    history: list[NewtonIterate] = []
    nfev = njev = 1
    step = damping = None
    contracted, error = False, math.inf
    while True:
        dx, failure = _newton_step(problem, point, point is best)
        size = problem.correction(point.x, dx) if failure is None else math.inf
        record = NewtonIterate(len(history), _norm(point.residual), size, step, damping)
        history.append(record)
        if point is best:
            error = size
        if callback is not None and _stops(callback, point, record):
            stop = Status.CALLBACK, "stopped by the callback"
            break
        if record.residual == 0.0:
            stop = Status.CONVERGED, "converged: f(x) is zero"
            break
        if failure is not None:
            stop = failure
            break
        if contracted and size <= problem.tol:
            stop = Status.CONVERGED, f"converged: the last Newton step is {size:.1e} of the size of x"
            if size > _EPSILON and record.iteration < maxiter:
                nfev += 1
                last = _last_step(problem, point, dx)
                if last is not None:
                    point = last
                    history.append(NewtonIterate(len(history), _norm(last.residual), None, _norm(dx), 1.0))
            break
        if record.iteration == maxiter:
            stop = Status.MAXITER, f"no convergence in {maxiter} iteration{'s' * (maxiter != 1)}"
            break
        found = _search(problem, point, dx, size, damped)
        nfev += found.evaluations
        if found.point is None:
            stop = found.status, found.message
            break
        njev += 1
        step, damping = _norm(found.point.x - point.x), found.damping
        contracted = damping == 1.0 and found.ratio <= _CONTRACTION
        point = found.point
        if damped or _ratio(point.residual, best.residual) < 1.0:
            best = point
    status, message = stop
    # Without a line search the last iterate need not be the best.
    chosen = point if status is Status.CONVERGED else best
    return OptimizeResult(
        x=chosen.x,
        fun=chosen.residual,
        success=status is Status.CONVERGED,
        status=status,
        message=message,
        nit=len(history) - 1,
        nfev=nfev,
        njev=njev,
        history=tuple(history),
        error=error,
    )


def _last_step(problem: _Problem, point: _Point, dx: Array) -> _Point | None:
    """x + dx, where that makes the residual smaller: a step that is known may as well be taken."""
    x = point.x + dx
    trial = _try(problem, x)
    if isinstance(trial, np.ndarray) and _ratio(trial, point.residual) < 1.0:
        return _Point(x, trial, point.linearization)
    return None


def _newton_step(problem: _Problem, point: _Point, is_best: bool) -> tuple[Array, tuple[Status, str] | None]:
    """−J⁻¹f, and why there is none."""
    none = np.zeros_like(point.x)
    try:
        with warnings.catch_warnings():
            # A step that is not quite exact is measured by what it does to the residual.
            warnings.simplefilter("ignore", AccuracyWarning)
            dx = -point.linearization.ijvp(point.residual)
    except SingularJacobian as error:
        # Full steps may have run away from a root.
        flat = is_best and _norm(point.residual) > 0.0 and problem.flat(point)
        head = "no root found: ‖f‖ is stationary at x, and" if flat else "stopped:"
        return none, (Status.SINGULAR, f"{head} {_told(error)}")
    if not np.isfinite(dx).all():
        return none, (
            Status.NOT_FINITE,
            "stopped: the Newton step from x overflows, for the Jacobian is nearly singular",
        )
    return dx, None


def _stops(callback: Callable[[OptimizeResult], object], point: _Point, record: NewtonIterate) -> bool:
    state = OptimizeResult(x=point.x.copy(), fun=point.residual.copy(), nit=record.iteration, iterate=record)
    try:
        callback(state)
    except StopIteration:
        return True
    return False


# -- the line search --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Found:
    """What a line search ended with: the next point, its damping and ‖f‖ relative to before; or why there is none."""

    evaluations: int
    point: _Point | None = None
    damping: float = 0.0
    ratio: float = math.inf
    status: Status = Status.LINE_SEARCH
    message: str = ""


def _search(problem: _Problem, point: _Point, dx: Array, size: float, damped: bool) -> _Found:
    """The next point along dx. With φ(λ) = ½‖f(x + λ dx)‖²/‖f(x)‖², φ(0) = ½ and φ′(0) = −1."""
    damping, evaluations = 1.0, 0
    last: tuple[float, float] | None = None
    refused: tuple[Array, tuple[Status, str]] | None = None
    seen = False
    while True:
        with np.errstate(over="ignore"):
            x = point.x + damping * dx
        if np.array_equal(x, point.x) or (damping < 1.0 and (damping * size < _EPSILON or damping < _LEAST)):
            break
        trial, value, ratio = _try(problem, x), math.inf, math.inf
        evaluations += 1
        if isinstance(trial, np.ndarray):
            ratio = _ratio(trial, point.residual)
            value = 0.5 * ratio * ratio if ratio < _HUGE else math.inf
        worse = value > 0.5 - max(_SUFFICIENT * damping, _VISIBLE) if damped else ratio >= 1.0
        if damping == 1.0 and worse and problem.attained(point):
            return _Found(evaluations, status=Status.CONVERGED, message=_at_rounding_level(point))
        if isinstance(trial, np.ndarray) and not (damped and worse):
            trial = _reach(problem, x)
            value = math.inf
            if isinstance(trial, _Point):
                return _Found(evaluations, trial, damping, ratio)
        if isinstance(trial, tuple):
            refused = x, trial
        if not damped:
            break
        damping, last = _shorter(damping, value, last), (damping, value) if value < math.inf else None
        seen = seen or value < math.inf
    if evaluations == 0 and problem.attained(point):
        return _Found(evaluations, status=Status.CONVERGED, message=_at_rounding_level(point))
    if refused is not None and not seen:
        told = _try(problem, refused[0], explain=True)
        status, message = told if isinstance(told, tuple) else refused[1]
        return _Found(evaluations, status=status, message=message)
    return _Found(evaluations, message=_why_no_step(problem, point, size))


def _at_rounding_level(point: _Point) -> str:
    return f"converged: the residual {_norm(point.residual):.1e} is at rounding level, and no step makes it smaller"


def _why_no_step(problem: _Problem, point: _Point, size: float) -> str:
    if problem.flat(point):
        return "no root found: x is a local minimum of ‖f‖, where f is not zero"
    head = "stopped: the line search failed, no step along the Newton direction makes ‖f‖ smaller"
    if size > _LONG:
        return f"{head}; the Newton step from x is {size:.0e} times as long as x, for J is nearly singular there"
    return f"{head}; f may jump at x, or its rounding errors may be as large as the residual"


def _shorter(damping: float, value: float, last: tuple[float, float] | None) -> float:
    """The next damping: the minimum of the parabola or cubic through φ(0), φ′(0), φ(λ) and the φ before."""
    if value == math.inf:
        return _LONGEST * damping
    # In the unit of λ, where nothing underflows: φ(μλ) − ½ = −λμ + bμ² + aμ³ with a + b > 0.
    above, a = value - 0.5 + damping, 0.0
    if last is not None:
        unit = last[0] / damping
        a = ((last[1] - 0.5 + last[0]) / unit**2 - above) / (unit - 1.0)
    b = above - a
    discriminant = b * b + 3.0 * a * damping
    if discriminant < 0.0:
        minimum = damping / (2.0 * above)
    elif b > 0.0:
        minimum = damping / (b + math.sqrt(discriminant))
    else:
        minimum = (math.sqrt(discriminant) - b) / (3.0 * a)
    guess = minimum * damping
    return min(max(guess, _SHORTEST * damping), _LONGEST * damping)


def _try(problem: _Problem, x: Array, *, explain: bool = False) -> Array | tuple[Status, str]:
    """f(x) − y, or why there is no such number; which step is at fault only on demand, for it is dear to find."""
    if not np.isfinite(x).all():
        return Status.NOT_FINITE, "stopped: the Newton step leads beyond the largest float64"
    try:
        residual = problem.plan.evaluate(x, explain=explain) - problem.y
    except problem.outside as error:
        return Status.DOMAIN, f"stopped: the Newton step leaves the domain of f: {_told(error)}"
    if not np.isfinite(residual).all():
        return Status.NOT_FINITE, "stopped: f is not finite where the Newton step leads"
    return residual


def _reach(problem: _Problem, x: Array) -> _Point | tuple[Status, str]:
    """The point at x, or why there are no partials."""
    try:
        return problem.point(problem.plan.linearize(x))
    except problem.outside as error:
        return Status.DOMAIN, f"stopped: f is not differentiable where the Newton step leads: {_told(error)}"


# -- small things -----------------------------------------------------------------------------------------------------


def _told(error: FlowgraphError) -> str:
    places = "; ".join(text for text in (error.where, error.got) if text)
    return f"{error.what} ({places})" if places else error.what


def _norm(vector: Array) -> float:
    return float(np.max(np.abs(vector), initial=0.0))


def _ratio(new: Array, old: Array) -> float:
    """‖new‖₂/‖old‖₂ without overflow on the way."""
    size = _norm(old)
    if size == 0.0:
        return math.inf if new.any() else 1.0
    with np.errstate(over="ignore", under="ignore"):
        return float(np.linalg.norm(new / size) / np.linalg.norm(old / size))


def _vector(value: ArrayLike, name: str) -> Array:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise InputError(f"{name} is no vector", got=str(error), expected="a vector of n real numbers") from error
    if array.dtype.kind not in "fiub" or array.ndim != 1:
        batch = array.dtype.kind in "fiub" and array.ndim == 2
        raise InputError(
            f"{name} is no vector of real numbers",
            got=f"an array of {array.dtype} of shape {array.shape}",
            expected="a vector of n real numbers",
            remedy="call it once for each start: they would stop at different times"
            if batch
            else "flatten it with np.ravel",
        )
    vector = array.astype(float)
    if not np.isfinite(vector).all():
        k = int(np.flatnonzero(~np.isfinite(vector))[0])
        raise InputError(
            f"{name} is not finite", where=f"{name}[{k}]", got=repr(float(vector[k])), remedy="use finite numbers"
        )
    return vector


def _tolerance(tol: Any) -> float:
    number = isinstance(tol, (int, float, np.integer, np.floating)) and not isinstance(tol, bool)
    if number and 0.0 <= tol < math.inf:
        return float(tol)
    raise InputError(
        "tol is no tolerance", got=repr(tol), expected="a number ≥ 0", remedy=f"the default is {TOLERANCE}"
    )


def _count(maxiter: Any) -> int:
    try:
        count = operator.index(maxiter)
    except TypeError:
        count = -1
    if count < 0:
        raise InputError("maxiter is no number of iterations", got=repr(maxiter), expected="an integer ≥ 0")
    return count
