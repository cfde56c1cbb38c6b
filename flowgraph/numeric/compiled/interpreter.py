"""One generic kernel evaluates any program and its partials: an interpreter of operation codes, compiled once.

All numbers of one evaluation lie in one array, so that operands need no case distinction: constants, the results inside
the current statement, inputs, the results of the rows. Likewise the numbers that partials are added to: one that nobody
reads, the adjoints inside the current statement, the coefficients.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from flowgraph.numeric.compiled.unsigned import U
from flowgraph.operations import CODES

Array = NDArray[Any]

CUBE = 200
"""x³, which NumPy functions spell as a power."""

_ADD, _SUB, _MUL, _DIV, _POWER = (CODES[name] for name in ("add", "sub", "mul", "div", "power"))
_NEG, _RECIPROCAL, _SQUARE, _SQRT = (CODES[name] for name in ("neg", "reciprocal", "square", "sqrt"))
_EXP, _EXPM1, _LOG, _LOG1P = (CODES[name] for name in ("exp", "expm1", "log", "log1p"))
_SIN, _COS, _TAN = (CODES[name] for name in ("sin", "cos", "tan"))
_ASIN, _ACOS, _ATAN, _ATAN2 = (CODES[name] for name in ("asin", "acos", "atan", "atan2"))
_SINH, _COSH, _TANH = (CODES[name] for name in ("sinh", "cosh", "tanh"))
_ASINH, _ACOSH, _ATANH, _HYPOT = (CODES[name] for name in ("asinh", "acosh", "atanh", "hypot"))
_ABS, _MINIMUM, _MAXIMUM = (CODES[name] for name in ("abs", "minimum", "maximum"))
_ERF, _LOGISTIC, _SOFTPLUS = (CODES[name] for name in ("erf", "logistic", "softplus"))
_SELECT, _CONSTANT = (CODES[name] for name in ("select", "constant"))


@njit(cache=True, error_model="numpy")
def _expit(x: float) -> float:
    if x >= 0.0:
        return 1.0 / (1.0 + math.exp(-x))
    e = math.exp(x)
    return e / (1.0 + e)


@njit(cache=True, error_model="numpy")
def _tanh(x: float) -> tuple[float, float, float, bool]:
    """tanh and its derivative from one exponential, with s = e^(−2|x|), in forms that do not cancel."""
    u = abs(x)
    if u < 0.5:
        e = math.expm1(-2.0 * u)
        s = 1.0 + e
        t = -e / (2.0 + e)
    else:
        s = math.exp(-2.0 * min(u, 400.0))
        t = (1.0 - s) / (1.0 + s)
    return (t if x >= 0.0 else -t), 4.0 * s / ((1.0 + s) * (1.0 + s)), 0.0, False


@njit(cache=True, error_model="numpy")
def _power(x: float, y: float) -> tuple[float, float, float, bool]:
    """x^y with its partials, in the forms of the registry, and whether it is outside its domain."""
    z = x**y
    size = abs(y)
    if x != 0.0 and (size < 0.5 or size >= 2.0**53):
        a = y * z / x
    else:
        a = y * x ** (1.0 if y == 0.0 else y - 1.0)
    if x > 0.0:
        root = x ** (y * 0.5)
        b = root * math.log(x) * root
    elif x == 0.0 and y > 0.0:
        b = 0.0
    else:
        b = math.nan
    outside = not (x > 0.0 or (math.floor(y) == y and (x != 0.0 or y >= 0.0)))
    return z, a, b, outside


@njit(cache=True, error_model="numpy")
def step(code: Any, x: Any, y: Any, c: Any) -> tuple[float, float, float, bool]:
    """The result of an operation, its two partials, and whether the operands are outside its domain."""
    if code == _ADD:
        return x + y, 1.0, 1.0, False
    if code == _MUL:
        return x * y, y, x, False
    if code == _SUB:
        return x - y, 1.0, -1.0, False
    if code == _DIV:
        q = x / y
        return q, 1.0 / y, -q / y, y == 0.0
    if code == _NEG:
        return -x, -1.0, 0.0, False
    if code == _SQUARE:
        return x * x, 2.0 * x, 0.0, False
    if code == CUBE:
        s = x * x
        return s * x, 3.0 * s, 0.0, False
    if code == _RECIPROCAL:
        q = 1.0 / x
        return q, -q / x, 0.0, x == 0.0
    if code == _SQRT:
        s = math.sqrt(x) if x >= 0.0 else math.nan
        return s, 0.5 / s, 0.0, not x > 0.0
    if code == _EXP:
        e = math.exp(x)
        return e, e, 0.0, False
    if code == _SIN:
        return math.sin(x), math.cos(x), 0.0, False
    if code == _COS:
        return math.cos(x), -math.sin(x), 0.0, False
    if code == _TANH:
        return _tanh(x)
    if code == _LOG:
        return (math.log(x) if x > 0.0 else math.nan), 1.0 / x, 0.0, not x > 0.0
    if code == _POWER:
        return _power(x, y)
    return _rarer(code, x, y, c)


@njit(cache=True, error_model="numpy")
def _rarer(code: Any, x: Any, y: Any, c: Any) -> tuple[float, float, float, bool]:
    if code == _HYPOT:
        h = math.hypot(x, y)
        size = max(abs(x), abs(y))
        scaled = math.hypot(x / size, y / size)
        return h, x / size / scaled, y / size / scaled, size == 0.0
    if code == _EXPM1:
        return math.expm1(x), math.exp(x), 0.0, False
    if code == _LOG1P:
        return (math.log1p(x) if x > -1.0 else math.nan), 1.0 / (1.0 + x), 0.0, not x > -1.0
    if code == _TAN:
        t = math.tan(x)
        return t, 1.0 + t * t, 0.0, False
    if code == _ASIN:
        inside = abs(x) < 1.0
        return (math.asin(x) if inside else math.nan), 1.0 / math.sqrt(abs((1.0 - x) * (1.0 + x))), 0.0, not inside
    if code == _ACOS:
        inside = abs(x) < 1.0
        return (math.acos(x) if inside else math.nan), -1.0 / math.sqrt(abs((1.0 - x) * (1.0 + x))), 0.0, not inside
    if code == _ATAN:
        h = math.hypot(1.0, x)
        return math.atan(x), 1.0 / h / h, 0.0, False
    if code == _ATAN2:
        size = max(abs(x), abs(y))
        u, w = x / size, y / size
        norm = u * u + w * w
        return math.atan2(x, y), w / norm / size, -(u / norm / size), not (x != 0.0 or y > 0.0)
    if code == _SINH:
        return math.sinh(x), math.cosh(x), 0.0, False
    if code == _COSH:
        return math.cosh(x), math.sinh(x), 0.0, False
    if code == _ASINH:
        return math.asinh(x), 1.0 / math.hypot(1.0, x), 0.0, False
    if code == _ACOSH:
        inside = x > 1.0
        a = 1.0 / (math.sqrt(x - 1.0) * math.sqrt(x + 1.0)) if inside else math.nan
        return (math.acosh(x) if inside else math.nan), a, 0.0, not inside
    if code == _ATANH:
        inside = abs(x) < 1.0
        return (math.atanh(x) if inside else math.nan), 1.0 / ((1.0 - x) * (1.0 + x)), 0.0, not inside
    if code == _ABS:
        return abs(x), (1.0 if x > 0.0 else -1.0), 0.0, x == 0.0
    if code == _MINIMUM:
        return (x, 1.0, 0.0, False) if x < y else (y, 0.0, 1.0, x == y)
    if code == _MAXIMUM:
        return (x, 1.0, 0.0, False) if x > y else (y, 0.0, 1.0, x == y)
    if code == _ERF:
        bounded = min(abs(x), 30.0)
        return math.erf(x), 2.0 / math.sqrt(math.pi) * math.exp(-bounded * bounded), 0.0, False
    if code == _LOGISTIC:
        return _expit(x), _expit(x) * _expit(-x), 0.0, False
    if code == _SOFTPLUS:
        return max(x, 0.0) + math.log1p(math.exp(-abs(x))), _expit(x), 0.0, False
    if code == _SELECT:
        return (x, 1.0, 0.0, False) if c > 0.0 else (y, 0.0, 1.0, c == 0.0)
    if code == _CONSTANT:
        return x, 0.0, 0.0, False
    return math.nan, math.nan, math.nan, True


@njit(cache=True, error_model="numpy")
def rows(
    first: int,
    last: int,
    codes: Array,
    left: Array,
    right: Array,
    third: Array,
    to_left: Array,
    to_right: Array,
    ends: Array,
    starts: Array,
    inner: int,
    longest: int,
    v: Array,
    d: Array,
    conditions: int,
) -> tuple[bool, int]:
    """Evaluate rows ``first`` … ``last − 1`` and their coefficients, one after the other.

    Args:
        first, last: the rows.
        codes: (T,) operation codes along the tape.
        left, right: (T,) places of the operands in ``v``; of ``select``, those that are selected.
        third: places of the conditions of ``select`` in ``v``, in order.
        to_left, to_right: (T,) places in ``d`` that the partials are added to.
        ends: (R,) where each statement ends on the tape.
        starts: (R + 1,) where the coefficients of each row begin.
        inner: the number of constants: where the results inside the current statement begin in ``v``.
        longest: steps of the longest statement.
        v: constants, room for the longest statement, inputs; room for the results follows, and is filled.
        d: zeros: one number nobody reads, adjoints inside the statement, coefficients.
        conditions: how many conditions were used.

    Returns:
        Whether everything is finite and inside its domain; how many conditions were used.
    """
    result = len(v) - len(ends)
    a = np.empty(longest)
    b = np.empty(longest)
    wrong = False
    # 0 as long as everything is finite, NaN from then on.
    check = 0.0
    begin = ends[first - 1] if first > 0 else 0
    for r in range(first, last):
        end = ends[r]
        # Where no derivative flows, the result must be finite, and nothing more.
        linear = starts[r + 1] > starts[r]
        z = 0.0
        for t in range(begin, end):
            code = codes[U(t)]
            c = 0.0
            if code == _SELECT:
                c = v[third[conditions]]
                conditions += 1
            z, a[U(t - begin)], b[U(t - begin)], outside = step(code, v[U(left[U(t)])], v[U(right[U(t)])], c)
            wrong |= outside and linear
            v[U(inner + t - begin)] = z
            check += z * 0.0
        v[U(result + r)] = z
        g = 1.0
        for t in range(end - 1, begin - 1, -1):
            if t < end - 1:
                g = d[U(1 + t - begin)]
                d[U(1 + t - begin)] = 0.0
            d[U(to_left[U(t)])] += g * a[U(t - begin)]
            d[U(to_right[U(t)])] += g * b[U(t - begin)]
        for e in range(starts[r], starts[r + 1]):
            check += d[U(1 + longest + e)] * 0.0
        begin = end
    d[0] = 0.0
    return not wrong and check == 0.0, conditions


@njit(cache=True, error_model="numpy")
def evaluate(
    codes: Array, left: Array, right: Array, third: Array, ends: Array, starts: Array, inner: int, v: Array
) -> bool:
    """All rows as ``rows`` does it, without the coefficients."""
    result = len(v) - len(ends)
    wrong = False
    check = 0.0
    conditions = 0
    begin = 0
    for r in range(len(ends)):
        end = ends[r]
        # Where no derivative flows, the result must be finite, and nothing more.
        linear = starts[r + 1] > starts[r]
        z = 0.0
        for t in range(begin, end):
            code = codes[U(t)]
            c = 0.0
            if code == _SELECT:
                c = v[third[conditions]]
                conditions += 1
            z, _, _, outside = step(code, v[U(left[U(t)])], v[U(right[U(t)])], c)
            wrong |= outside and linear
            v[U(inner + t - begin)] = z
            check += z * 0.0
        v[U(result + r)] = z
        begin = end
    return not wrong and check == 0.0
