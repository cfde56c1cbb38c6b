"""J of a program at x to 50 digits and more, for the tests of the numeric engine, with which it shares no code.

The values are those of the exact composition: x and the constants are taken as the float64 numbers they are, and every
step is computed by mpmath from the multi-precision results of the steps before it. The partials are SymPy's derivatives
of the registry's SymPy forms, not the registry's own. A second oracle is the complex-step derivative of functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from random import Random
from typing import Any

import mpmath
import numpy as np
from mpmath import mpf
from numpy.typing import ArrayLike, NDArray

from flowgraph.operations import OPERATIONS
from flowgraph.program import Program

Array = NDArray[Any]
Numbers = list[Any]
"""Multi-precision numbers."""

EPS = float(np.finfo(float).eps)
DIGITS = 50
ROUNDINGS = 4


# -- one operation -----------------------------------------------------------------------------------------------------


@cache
def _functions(code: int) -> tuple[Callable[..., Any], tuple[Callable[..., Any], ...]]:
    """An operation and its derivatives, as mpmath functions of multi-precision operands."""
    import sympy

    operation = OPERATIONS[code]
    symbols = sympy.symbols(f"x0:{operation.arity}", real=True)
    form = operation.form(sympy, *symbols)
    modules = [{"Heaviside": _heaviside}, "mpmath"]
    derivatives = [0 if k in operation.inactive else sympy.diff(form, s) for k, s in enumerate(symbols)]
    return sympy.lambdify(symbols, form, modules), tuple(sympy.lambdify(symbols, d, modules) for d in derivatives)


def _heaviside(x: Any, middle: Any = 0.5) -> Any:
    return 1 if x > 0 else 0 if x < 0 else middle


# -- a program at a point ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Truth:
    """f and J at a point in multi-precision numbers.

    Attributes:
        digits: decimal digits carried.
        outputs: (m,) f(x).
        rows: (m, n) J, row by row.
        growth: the error of J v relative to ‖J‖ ‖v‖ that rounding makes, in the values, the partials and the forward
            sweep, in units of the machine epsilon, as a few random roundings show it. An engine that computes in
            float64 knows the residual of a solution no better than this.
        growth_transposed: the same for Jᵀ w.
    """

    digits: int
    outputs: Numbers
    rows: list[Numbers]
    n: int
    growth: float
    growth_transposed: float

    @property
    def m(self) -> int:
        return len(self.rows)

    @cached_property
    def value(self) -> Array:
        """f(x) rounded to float64."""
        return np.array([float(y) for y in self.outputs])

    @cached_property
    def jacobian(self) -> Array:
        """J rounded to float64."""
        return np.array([[float(a) for a in row] for row in self.rows]).reshape(self.m, self.n)

    @cached_property
    def transposed(self) -> Truth:
        """The same for Jᵀ, without a value."""
        columns = [[row[j] for row in self.rows] for j in range(self.n)]
        return Truth(self.digits, [], columns, self.m, self.growth_transposed, self.growth)

    @cached_property
    def _factored(self) -> tuple[list[Numbers], list[int], int]:
        """The LU factors with partial pivoting, in one table, the order of the rows, and the sign of that order."""
        with mpmath.workdps(self.digits):
            return _lu(self.rows)

    @cached_property
    def slogdet(self) -> tuple[float, float]:
        """The sign of det J and log|det J|."""
        with mpmath.workdps(self.digits):
            table, _, sign = self._factored
            total = mpf(0)
            for k in range(self.n):
                pivot = table[k][k]
                if pivot == 0:
                    return 0.0, -np.inf
                sign = sign if pivot > 0 else -sign
                total += mpmath.log(abs(pivot))
            return float(sign), float(total)

    def times(self, v: ArrayLike) -> Array:
        """J v, or J V for the columns of a matrix."""
        with mpmath.workdps(self.digits):
            return _columnwise(lambda c: _product(self.rows, c), v)

    def solve(self, v: ArrayLike) -> Array:
        """J⁻¹ v."""
        with mpmath.workdps(self.digits):
            table, order, _ = self._factored
            return _columnwise(lambda c: _substitute(table, [c[i] for i in order]), v)

    def residual(self, x: Array, v: Array) -> float:
        """‖v − J x‖ / (‖J‖ ‖x‖ + ‖v‖) in the maximum norm, in units of the machine epsilon."""
        with mpmath.workdps(self.digits):
            worst = 0.0
            size = max((sum(abs(a) for a in row) for row in self.rows), default=mpf(0))
            for x_k, v_k in zip(_columns(x), _columns(v), strict=True):
                product = _product(self.rows, x_k)
                error = max((abs(a - b) for a, b in zip(v_k, product, strict=True)), default=mpf(0))
                scale = size * max(map(abs, x_k), default=0) + max(map(abs, v_k), default=0)
                worst = max(worst, float(error / scale / EPS) if scale else float(error != 0))
            return worst

    @cached_property
    def inverse(self) -> Array:
        """J⁻¹ rounded to float64."""
        return self.solve(np.eye(self.n))

    @property
    def condition(self) -> float:
        """cond₁(J)."""
        return float(np.linalg.norm(self.jacobian, 1) * np.linalg.norm(self.inverse, 1)) if self.n else 0.0


def _columns(v: ArrayLike) -> list[Numbers]:
    array = np.asarray(v, dtype=float)
    assert np.isfinite(array).all(), "the engine returned a number that is not finite"
    table = array[:, np.newaxis] if array.ndim == 1 else array
    return [[mpf(float(a)) for a in column] for column in table.T]


def _columnwise(function: Callable[[Numbers], Numbers], v: ArrayLike) -> Array:
    shape = np.shape(v)
    columns = [[float(a) for a in function(column)] for column in _columns(v)]
    size = len(columns[0]) if columns else 0
    return np.array(columns).T.reshape(size, *shape[1:])


def _product(rows: list[Numbers], v: Numbers) -> Numbers:
    return [mpmath.fdot(row, v) for row in rows]


def _lu(rows: list[Numbers]) -> tuple[list[Numbers], list[int], int]:
    n = len(rows)
    table, order, sign = [list(row) for row in rows], list(range(n)), 1
    for k in range(n):
        best = max(range(k, n), key=lambda i: abs(table[i][k]))
        if best != k:
            table[k], table[best] = table[best], table[k]
            order[k], order[best] = order[best], order[k]
            sign = -sign
        if table[k][k] == 0:
            continue
        for i in range(k + 1, n):
            if table[i][k] == 0:
                continue
            table[i][k] = factor = table[i][k] / table[k][k]
            for j in range(k + 1, n):
                if table[k][j] != 0:
                    table[i][j] -= factor * table[k][j]
    return table, order, sign


def _substitute(table: list[Numbers], v: Numbers) -> Numbers:
    n, x = len(v), list(v)
    for i in range(n):
        for j in range(i):
            if table[i][j] != 0:
                x[i] -= table[i][j] * x[j]
    for i in reversed(range(n)):
        for j in range(i + 1, n):
            if table[i][j] != 0:
                x[i] -= table[i][j] * x[j]
        x[i] /= table[i][i]
    return x


def truth(program: Program, x: ArrayLike, digits: int = DIGITS) -> Truth:
    """f and J of a program of known operations at x; cached, so that two backends share one computation."""
    return _truth(program, tuple(np.asarray(x, dtype=float).tolist()), digits)


@lru_cache(maxsize=20_000)
def _truth(program: Program, x: tuple[float, ...], digits: int) -> Truth:
    with mpmath.workdps(digits):
        assert len(x) == program.n_inputs
        point = [mpf(float(a)) for a in x]
        exact, rows = sweep(program, point)
        forward, reverse = _growth(program, point, rows)
        outputs = [exact[k] for k in program.outputs.tolist()]
        return Truth(digits, outputs, rows, program.n_inputs, forward, reverse)


def _functions_of(program: Program) -> Iterator[tuple[Any, tuple[Any, ...], list[int], list[int]]]:
    """For every step: the operation, its derivatives, its operands, and the places through which derivatives flow."""
    starts, columns = program.starts.tolist(), program.operands.tolist()
    for k, code in enumerate(program.codes.tolist()):
        operands = columns[starts[k] : starts[k + 1]]
        slots = [s for s, o in enumerate(operands) if o >= 0 and s not in OPERATIONS[code].inactive]
        yield *_functions(code), operands, slots


def _evaluate(program: Program, x: Numbers, rounded: Callable[[Any], Any]) -> tuple[Numbers, list[list[Any]]]:
    """All values, and for each step the pairs of an argument and the partial by it."""
    constants = [mpf(c) for c in program.constants.tolist()]
    values, partials = list(x), []
    for value, derivatives, operands, slots in _functions_of(program):
        numbers = [values[o] if o >= 0 else constants[-1 - o] for o in operands]
        found = [(operands[s], mpf(derivatives[s](*numbers))) for s in slots]
        # A partial of 1 or −1 has no rounding error.
        partials.append([(o, p if abs(p) == 1 else rounded(p)) for o, p in found])
        result = value(*numbers)
        assert not isinstance(result, mpmath.mpc), "a value is not real"
        values.append(rounded(mpf(result)))
    return values, partials


def sweep(program: Program, x: Numbers) -> tuple[Numbers, list[Numbers]]:
    """All values, and the rows of J by the chain rule."""
    n = program.n_inputs
    values, partials = _evaluate(program, x, lambda number: number)
    rows: list[dict[int, Any]] = [{j: mpf(1)} for j in range(n)]
    for pairs in partials:
        row: dict[int, Any] = {}
        for argument, partial in pairs:
            for j, a in rows[argument].items():
                row[j] = row.get(j, 0) + partial * a
        rows.append(row)
    return values, [[rows[k].get(j, mpf(0)) for j in range(n)] for k in program.outputs.tolist()]


def _growth(program: Program, x: Numbers, rows: list[Numbers]) -> tuple[float, float]:
    """What ``Truth.growth`` and its transpose are: J v and Jᵀ w by sweeps in which every operation rounds at random."""
    n, outputs = program.n_inputs, program.outputs.tolist()
    columns = [[row[j] for row in rows] for j in range(n)]
    forward = reverse = 0.0
    for seed in range(ROUNDINGS):
        rng = Random(seed)

        def rounded(number: Any, rng: Random = rng) -> Any:
            return number * (1 + mpf(EPS * rng.uniform(-0.5, 0.5)))

        _, partials = _evaluate(program, x, rounded)
        v = [mpf(rng.choice((-1, 1)) * rng.uniform(0.3, 1.0)) for _ in range(n)]
        tangents = list(v)
        for pairs in partials:
            total = mpf(0)
            for argument, partial in pairs:
                total = rounded(total + rounded(partial * tangents[argument]))
            tangents.append(total)
        forward = max(forward, _relative([tangents[k] for k in outputs], rows, v))
        w = [mpf(rng.choice((-1, 1)) * rng.uniform(0.3, 1.0)) for _ in outputs]
        cotangents = [mpf(0)] * program.n_values
        for k, a in zip(outputs, w, strict=True):
            cotangents[k] += a
        for k in reversed(range(program.n_steps)):
            for argument, partial in partials[k]:
                cotangents[argument] = rounded(cotangents[argument] + rounded(partial * cotangents[n + k]))
        reverse = max(reverse, _relative(cotangents[:n], columns, w))
    return forward, reverse


def _relative(found: Numbers, rows: list[Numbers], v: Numbers) -> float:
    """‖found − M v‖ / (‖M‖ ‖v‖) in units of the machine epsilon."""
    size = max((sum(abs(a) for a in row) for row in rows), default=mpf(0)) * max(map(abs, v), default=mpf(0))
    error = max((abs(a - b) for a, b in zip(found, _product(rows, v), strict=True)), default=mpf(0))
    return float(error / size / EPS) if size else 0.0


# -- NumPy functions ---------------------------------------------------------------------------------------------------


def complex_step(f: Callable[[Any], Any], x: ArrayLike) -> Array:
    """J of an analytic NumPy function by complex steps of 10⁻²⁰⁰: no difference is taken, so no digit is lost."""
    point = np.asarray(x, dtype=complex)
    step = 1e-200
    columns = [np.imag(np.asarray(f(point + 1j * step * unit))) / step for unit in np.eye(len(point))]
    return np.stack(columns, axis=1) if columns else np.zeros((len(np.asarray(f(point))), 0))


def residual(matrix: Array, x: Array, v: Array) -> float:
    """‖v − M x‖ / (‖M‖ ‖x‖ + ‖v‖) for a float64 matrix, in units of the machine epsilon, by exact products."""
    rows = [[mpf(float(a)) for a in row] for row in matrix]
    return Truth(DIGITS, [], rows, matrix.shape[1], 0.0, 0.0).residual(x, v)


def parity(order: Sequence[int]) -> int:
    """The sign of a permutation."""
    seen, sign = set[int](), 1
    for first in range(len(order)):
        length, k = 0, first
        while k not in seen:
            seen.add(k)
            k, length = order[k], length + 1
        if length:
            sign *= -1 if length % 2 == 0 else 1
    return sign
