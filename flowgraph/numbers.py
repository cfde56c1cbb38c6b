"""Random points inside the domain of a program, and J there to 30 digits by SymPy and mpmath: the numeric oracle.

The local partials are SymPy's derivatives of the operations' SymPy forms, evaluated by mpmath; the registry's own
partials and NumPy functions are not used, so that they can be held against this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowgraph.errors import DomainError
from flowgraph.operations import OPERATIONS
from flowgraph.partials import edge_slots, evaluate, exact
from flowgraph.program import Program, Step

_DIGITS = (30, 60, 120, 240, 480, 960)
_RANGES = ((0.2, 1.2), (-1.0, 1.0), (0.5, 2.0), (-3.0, 3.0), (1.1, 3.0), (0.05, 0.4), (-0.4, 0.4), (2.0, 8.0))


@dataclass(frozen=True, slots=True)
class NumericPoint:
    """A point at which every step of a program is defined and differentiable.

    Attributes:
        values: (n + T,) the value of every step, in float64.
        letters: the partials of uninterpreted functions by (step, argument), random numbers away from 0.
        unknown: the values of uninterpreted functions by step, random numbers.
    """

    values: NDArray[Any]
    letters: Mapping[tuple[int, int], float]
    unknown: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Reference:
    """J at a point, to 30 digits, rounded to float64 at the end.

    Attributes:
        jacobian: (m, n) J.
        inverse: (n, n) J⁻¹, or None where J is not square or is singular at the point.
    """

    jacobian: NDArray[Any]
    inverse: NDArray[Any] | None

    def of_mode(self, mode: str) -> NDArray[Any] | None:
        """The matrix that a mode multiplies by, or None where J has no inverse and the mode needs it."""
        matrix = self.inverse if mode.endswith("inverse") else self.jacobian
        return matrix.T if matrix is not None and mode.startswith("reverse") else matrix


def draw_points(program: Program, random: Random, count: int, attempts: int = 200) -> tuple[NumericPoint, ...]:
    """Draw points at which a program is defined and its guards hold; fewer, or none, where they are hard to find."""
    points: list[NumericPoint] = []
    for attempt in range(attempts):
        low, high = _RANGES[attempt % len(_RANGES)]
        x = np.array([random.uniform(low, high) for _ in range(program.n_inputs)])
        unknown = {k: random.uniform(low, high) for k in range(program.n_steps) if program.codes[k] < 0}
        try:
            values = evaluate(program, x, unknown.__getitem__)
        except DomainError:
            continue
        if not all(np.array_equal(values[guard.values] > 0.0, guard.outcomes) for guard in program.guards):
            continue
        letters = {
            (step, argument): random.choice((-1.0, 1.0)) * random.uniform(0.5, 1.5)
            for step, arguments in edge_slots(program)
            if program.codes[step] < 0
            for argument, _ in arguments
        }
        points.append(NumericPoint(values, letters, unknown))
        if len(points) == count:
            break
    return tuple(points)


@cache
def _compiled(code: int) -> tuple[Callable[..., Any], tuple[Callable[..., Any], ...]]:
    """An operation and its SymPy derivatives as mpmath functions."""
    import sympy

    operation = OPERATIONS[code]
    symbols = sympy.symbols(f"x0:{operation.arity}", real=True)
    form = operation.form(sympy, *symbols)
    modules = [{"Heaviside": _heaviside}, "mpmath"]
    partials = tuple(
        sympy.lambdify(symbols, 0 if slot in operation.inactive else sympy.diff(form, symbols[slot]), modules)
        for slot in range(operation.arity)
    )
    return sympy.lambdify(symbols, form, modules), partials


def _heaviside(x: Any, middle: Any = 0.5) -> Any:
    return 1 if x > 0 else 0 if x < 0 else middle


def reference_jacobian(program: Program, point: NumericPoint) -> Reference:
    """J and J⁻¹ at a point by the chain rule over SymPy's local partials, with as many digits as they need.

    The digits are doubled until J and J⁻¹ come out the same twice; where they never do, there is no J⁻¹.

    The partials are taken at the float64 values of their operands, so that what is compared is the partials and how the
    graph combines them, and not how rounding errors in the values grow (see ``value_error`` for the values).

    Raises:
        DomainError: an expression of SymPy's has no real value at the point.
    """
    import mpmath

    n, m = program.n_inputs, program.n_outputs
    before: Reference | None = None
    jacobian = np.zeros((m, n))
    for digits in _DIGITS:
        with mpmath.workdps(digits):
            rows = _jacobian_rows(program, point)
            jacobian = np.array([[float(x) for x in row] for row in rows]).reshape(m, n)
            found = Reference(jacobian, _inverse(rows) if m == n else None)
        # Rows that cancel lose their digits before the inverse is taken, which no residual shows: do it twice.
        if before is not None and _agree(before, found):
            return found
        before = found
    return Reference(jacobian, None)


def _agree(one: Reference, two: Reference) -> bool:
    """Whether two precisions came to the same matrices, and to an inverse where there can be one."""
    if one.inverse is None or two.inverse is None:
        return one.jacobian.shape[0] != one.jacobian.shape[1] and _close(one.jacobian, two.jacobian)
    return _close(one.jacobian, two.jacobian) and _close(one.inverse, two.inverse)


def _close(x: NDArray[Any], y: NDArray[Any]) -> bool:
    with np.errstate(all="ignore"):
        return bool((np.abs(x - y) <= 1e-14 * np.abs(y) + 1e-25 * np.max(np.abs(y), initial=0.0)).all())


def _jacobian_rows(program: Program, point: NumericPoint) -> list[list[Any]]:
    import mpmath

    n = program.n_inputs
    operands_of = _operands_in_mpmath(program, point)
    rows = [{j: mpmath.mpf(1)} for j in range(n)]
    for step in program.steps():
        if step.operation is None:
            known = {o: point.letters[step.index, o] for o in step.operands if (step.index, o) in point.letters}
            factors = list(known.items())
        else:
            _, partials = _compiled(int(program.codes[step.index]))
            operands = operands_of(step)
            factors = [
                (o, _steady(partials[slot], operands))
                for slot, o in enumerate(step.operands)
                if o >= 0 and slot not in step.operation.inactive
            ]
        row: dict[int, Any] = {}
        for argument, factor in factors:
            for j, x in rows[argument].items():
                row[j] = row.get(j, 0) + factor * x
        rows.append(row)
    return [[rows[k].get(j, mpmath.mpf(0)) for j in range(n)] for k in program.outputs.tolist()]


def _steady(function: Callable[..., Any], operands: list[Any]) -> Any:
    """The value of a function to about 20 digits, whatever cancels inside it: 1 − tanh²x is e⁻⁶⁰ at x = 30.

    Raises:
        DomainError: SymPy's expression has no real value there, as y·x^y/x at x = 0.
    """
    import mpmath

    with mpmath.workdps(mpmath.mp.dps):
        try:
            value = function(*operands)
            for _ in range(6):
                mpmath.mp.dps *= 2
                coarse, value = value, function(*operands)
                if abs(value - coarse) <= abs(value) * mpmath.mpf(10) ** -20:
                    break
        except ZeroDivisionError:
            value = mpmath.nan
        if isinstance(value, mpmath.mpc) or not mpmath.isfinite(value):
            raise DomainError("SymPy's value or derivative is not a real number there")
        return value


def _operands_in_mpmath(program: Program, point: NumericPoint) -> Callable[[Step], list[Any]]:
    import mpmath

    constants = [mpmath.mpf(x.numerator) / x.denominator for x in map(exact, program.constants.tolist())]
    values = [mpmath.mpf(float(x)) for x in point.values]
    return lambda step: [values[o] if o >= 0 else constants[-1 - o] for o in step.operands]


def value_error(program: Program, point: NumericPoint) -> float:
    """The largest relative error of a step's NumPy value against SymPy's value at the same operands."""
    import mpmath

    worst = 0.0
    with mpmath.workdps(_DIGITS[0]):
        operands_of = _operands_in_mpmath(program, point)
        for step in program.steps():
            if step.operation is None:
                continue
            function, _ = _compiled(int(program.codes[step.index]))
            exactly = mpmath.mpf(_steady(function, operands_of(step)))
            found = float(point.values[program.n_inputs + step.index])
            worst = max(worst, float(abs(found - exactly) / max(abs(exactly), mpmath.mpf(10) ** -300)))
    return worst


def _inverse(rows: list[list[Any]]) -> NDArray[Any] | None:
    """The inverse by Gauss–Jordan elimination, or None where the residual shows that the precision is too low."""
    n = len(rows)
    work = [[*row, *(int(i == j) for j in range(n))] for i, row in enumerate(rows)]
    for k in range(n):
        pivot = max(range(k, n), key=lambda i: abs(work[i][k]))
        if work[pivot][k] == 0:
            return None
        work[k], work[pivot] = work[pivot], work[k]
        head = work[k][k]
        work[k] = [x / head for x in work[k]]
        for i in range(n):
            factor = work[i][k]
            if i != k and factor != 0:
                work[i] = [x - factor * y for x, y in zip(work[i], work[k], strict=True)]
    inverse = [row[n:] for row in work]
    # The right residual bounds the relative error of the inverse: X = J⁻¹ (I + R).
    for i, row in enumerate(rows):
        for j in range(n):
            total = sum(x * inverse[k][j] for k, x in enumerate(row) if x != 0)
            if abs(total - int(i == j)) * n > 1e-16:
                return None
    return np.array([[float(x) for x in row] for row in inverse]).reshape(n, n)
