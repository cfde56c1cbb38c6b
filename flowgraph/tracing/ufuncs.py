"""How each ufunc is recorded: the tables, and ``on_ufunc``, to which ``__array_ufunc__`` leads."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from flowgraph.tracing import conditions, linear
from flowgraph.tracing.array import TracedArray, TracedBool, boolean, is_boolean, lift, plain_key, result
from flowgraph.tracing.elementwise import binary, constant, select, unary
from flowgraph.tracing.recorder import Recorder
from flowgraph.tracing.reduction import accumulate, reduce_axes
from flowgraph.tracing.unsupported import unsupported

Array = NDArray[Any]
Lowering = Callable[..., Array]


def _unary(name: str) -> Lowering:
    return lambda recorder, x: unary(recorder, name, x)


def _binary(name: str) -> Lowering:
    return lambda recorder, x, y: binary(recorder, name, x, y)


def _number(recorder: Recorder, value: float) -> Array:
    return np.array(recorder.constant(value))


def _scaled(name: str, factor: float) -> Lowering:
    """The operation ``name`` with a constant second argument."""
    return lambda recorder, x: binary(recorder, name, x, _number(recorder, factor))


def _copy(recorder: Recorder, x: Array) -> Array:
    return x.copy()


def _to_power(base: float) -> Lowering:
    return lambda recorder, x: binary(recorder, "power", _number(recorder, base), x)


def _logarithm(base: float) -> Lowering:
    return lambda recorder, x: binary(recorder, "div", unary(recorder, "log", x), _number(recorder, math.log(base)))


def _cbrt(recorder: Recorder, x: Array) -> Array:
    root = binary(recorder, "power", unary(recorder, "abs", x), _number(recorder, 1.0 / 3.0))
    return select(recorder, x, root, unary(recorder, "neg", root))


def _sign(recorder: Recorder, x: Array) -> Array:
    below = select(recorder, unary(recorder, "neg", x), _number(recorder, -1.0), _number(recorder, 0.0))
    return select(recorder, x, _number(recorder, 1.0), below)


def _heaviside(recorder: Recorder, x: Array, middle: Array) -> Array:
    rest = select(recorder, unary(recorder, "neg", x), _number(recorder, 0.0), middle)
    return select(recorder, x, _number(recorder, 1.0), rest)


def _copysign(recorder: Recorder, x: Array, sign: Array) -> Array:
    size = unary(recorder, "abs", x)
    return select(recorder, unary(recorder, "neg", sign), unary(recorder, "neg", size), size)


def _logaddexp(recorder: Recorder, x: Array, y: Array) -> Array:
    # log(eˣ + eʸ) = x + softplus(y − x), which neither overflows nor cancels; the constant, if any, stands for x.
    if constant(y):
        x, y = y, x
    return binary(recorder, "add", x, unary(recorder, "softplus", binary(recorder, "sub", y, x)))


def _logaddexp2(recorder: Recorder, x: Array, y: Array) -> Array:
    log2 = _number(recorder, math.log(2.0))
    both = _logaddexp(recorder, binary(recorder, "mul", x, log2), binary(recorder, "mul", y, log2))
    return binary(recorder, "div", both, log2)


def _ldexp(recorder: Recorder, x: Array, exponent: Array) -> Array:
    return binary(recorder, "mul", x, binary(recorder, "power", _number(recorder, 2.0), exponent))


def _log_expit(recorder: Recorder, x: Array) -> Array:
    return unary(recorder, "neg", unary(recorder, "softplus", unary(recorder, "neg", x)))


def _logit(recorder: Recorder, x: Array) -> Array:
    return binary(recorder, "sub", unary(recorder, "log", x), unary(recorder, "log1p", unary(recorder, "neg", x)))


def _clip(recorder: Recorder, x: Array, low: Array, high: Array) -> Array:
    return binary(recorder, "minimum", binary(recorder, "maximum", x, low), high)


ELEMENTWISE: Mapping[np.ufunc, Lowering] = MappingProxyType(
    {
        np.add: _binary("add"),
        np.subtract: _binary("sub"),
        np.multiply: _binary("mul"),
        np.divide: _binary("div"),
        np.power: _binary("power"),
        np.float_power: _binary("power"),
        np.arctan2: _binary("atan2"),
        np.hypot: _binary("hypot"),
        np.minimum: _binary("minimum"),
        np.maximum: _binary("maximum"),
        np.fmin: _binary("minimum"),
        np.fmax: _binary("maximum"),
        np.negative: _unary("neg"),
        np.reciprocal: _unary("reciprocal"),
        np.square: _unary("square"),
        np.sqrt: _unary("sqrt"),
        np.exp: _unary("exp"),
        np.expm1: _unary("expm1"),
        np.log: _unary("log"),
        np.log1p: _unary("log1p"),
        np.sin: _unary("sin"),
        np.cos: _unary("cos"),
        np.tan: _unary("tan"),
        np.arcsin: _unary("asin"),
        np.arccos: _unary("acos"),
        np.arctan: _unary("atan"),
        np.sinh: _unary("sinh"),
        np.cosh: _unary("cosh"),
        np.tanh: _unary("tanh"),
        np.arcsinh: _unary("asinh"),
        np.arccosh: _unary("acosh"),
        np.arctanh: _unary("atanh"),
        np.absolute: _unary("abs"),
        np.fabs: _unary("abs"),
        special.erf: _unary("erf"),
        special.expit: _unary("logistic"),
        np.positive: _copy,
        np.conjugate: _copy,
        np.exp2: _to_power(2.0),
        special.exp2: _to_power(2.0),
        special.exp10: _to_power(10.0),
        special.expm1: _unary("expm1"),
        special.log1p: _unary("log1p"),
        special.cbrt: _cbrt,
        special.logit: _logit,
        special.log_expit: _log_expit,
        np.log2: _logarithm(2.0),
        np.log10: _logarithm(10.0),
        np.cbrt: _cbrt,
        np.deg2rad: _scaled("mul", math.pi / 180.0),
        np.radians: _scaled("mul", math.pi / 180.0),
        np.rad2deg: _scaled("mul", 180.0 / math.pi),
        np.degrees: _scaled("mul", 180.0 / math.pi),
        np.sign: _sign,
        np.heaviside: _heaviside,
        np.copysign: _copysign,
        np.logaddexp: _logaddexp,
        np.logaddexp2: _logaddexp2,
        np.ldexp: _ldexp,
    }
)
"""Ufuncs on numbers, element by element."""

COMPARISONS = frozenset({np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal})

LOGICAL: Mapping[np.ufunc, Lowering] = MappingProxyType(
    {
        np.logical_and: conditions.both,
        np.logical_or: conditions.either,
        np.logical_xor: conditions.differ,
        np.bitwise_and: conditions.both,
        np.bitwise_or: conditions.either,
        np.bitwise_xor: conditions.differ,
    }
)

NEGATIONS = frozenset({np.logical_not, np.invert})

CONTRACTIONS: Mapping[np.ufunc, Lowering] = MappingProxyType(
    {
        ufunc: lowering
        for name, lowering in (
            ("matmul", linear.matmul),
            ("vecdot", linear.vecdot),
            ("matvec", linear.matvec),
            ("vecmat", linear.vecmat),
        )
        if (ufunc := getattr(np, name, None)) is not None
    }
)
"""Ufuncs that sum products."""

_REDUCTIONS: Mapping[np.ufunc, str] = MappingProxyType(
    {
        np.add: "add",
        np.multiply: "mul",
        np.minimum: "minimum",
        np.maximum: "maximum",
        np.fmin: "minimum",
        np.fmax: "maximum",
    }
)


def on_ufunc(
    recorder: Recorder, ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], keywords: dict[str, Any]
) -> Any:
    """Record a ufunc or one of its methods.

    Args:
        recorder: the trace.
        ufunc: the ufunc.
        method: ``"__call__"``, ``"reduce"``, ``"accumulate"``, ``"outer"`` or ``"at"``.
        inputs: its arguments.
        keywords: its keyword arguments.

    Returns:
        A traced array or condition.

    Raises:
        TraceError: the ufunc, the method or a keyword cannot be traced.
    """
    if method == "__call__" and not keywords and ufunc in ELEMENTWISE:
        # Loops over scalars spend their time here.
        if not any(isinstance(value, TracedBool) for value in inputs):
            return result(recorder, ELEMENTWISE[ufunc](recorder, *[lift(recorder, value) for value in inputs]))
    keywords = dict(keywords)
    outs = keywords.pop("out", None) or (None,)
    where = keywords.pop("where", True)
    for name in ("casting", "order", "subok"):
        keywords.pop(name, None)
    check_dtype(recorder, ufunc.__name__, keywords.pop("dtype", None))
    if method == "__call__":
        answer = _call(recorder, ufunc, inputs, keywords)
    elif method == "outer":
        left, right = inputs
        ones = [1] * np.ndim(right)
        answer = _call(recorder, ufunc, (np.reshape(left, [*np.shape(left), *ones]), right), keywords)
    elif method == "at":
        return _at(recorder, ufunc, *inputs)
    elif method == "reduce":
        return _reduce(recorder, ufunc, inputs[0], outs[0], where, **keywords)
    elif method == "accumulate" and ufunc in _REDUCTIONS:
        axis = keywords.pop("axis", (*inputs[1:], 0)[0])
        answer = result(recorder, accumulate(recorder, _REDUCTIONS[ufunc], lift(recorder, inputs[0]), axis))
    else:
        raise unsupported(recorder, f"np.{ufunc.__name__}.{method}")
    return store(recorder, answer, outs[0], where)


def _call(recorder: Recorder, ufunc: np.ufunc, inputs: tuple[Any, ...], keywords: Mapping[str, Any]) -> Any:
    if keywords and not (ufunc in CONTRACTIONS and set(keywords) <= {"axes", "axis"}):
        raise unsupported(recorder, f"np.{ufunc.__name__} with {', '.join(sorted(keywords))}")
    if ufunc in ELEMENTWISE:
        if ufunc in (np.add, np.multiply) and all(is_boolean(value) for value in inputs):
            # Booleans under + and * are "or" and "and", as in NumPy.
            ufunc = np.logical_or if ufunc is np.add else np.logical_and
        else:
            return result(recorder, ELEMENTWISE[ufunc](recorder, *(lift(recorder, value) for value in inputs)))
    if ufunc in COMPARISONS:
        left, right = (lift(recorder, value) for value in inputs)
        return TracedBool(recorder, *conditions.compare(recorder, ufunc.__name__, left, right))
    if ufunc in NEGATIONS:
        answer = boolean(recorder, inputs[0])
        return TracedBool(recorder, answer.codes, not answer.negated)
    if ufunc in LOGICAL:
        if ufunc.__name__.startswith("bitwise") and not all(is_boolean(value) for value in inputs):
            raise unsupported(recorder, f"np.{ufunc.__name__} of numbers")
        return _logical(recorder, ufunc, *(boolean(recorder, value) for value in inputs))
    if ufunc in CONTRACTIONS:
        if keywords:
            raise unsupported(recorder, f"np.{ufunc.__name__} with {', '.join(sorted(keywords))}")
        return result(recorder, linear.product(recorder, CONTRACTIONS[ufunc], *inputs))
    if ufunc.__name__ == "clip":
        return result(recorder, _clip(recorder, *(lift(recorder, value) for value in inputs)))
    plain = [plain_constant(value) for value in inputs]
    if not any(isinstance(value, (TracedArray, TracedBool)) for value in plain):
        return ufunc(*plain)
    raise unsupported(recorder, f"{_module(ufunc)}.{ufunc.__name__}")


def _module(ufunc: np.ufunc) -> str:
    return "np" if getattr(np, ufunc.__name__, None) is ufunc else "scipy.special"


def _logical(recorder: Recorder, ufunc: np.ufunc, left: TracedBool, right: TracedBool) -> TracedBool:
    lowering = LOGICAL[ufunc]
    if left.negated and right.negated and lowering is not conditions.differ:
        # ¬a ∧ ¬b = ¬(a ∨ b), and ¬a ∨ ¬b = ¬(a ∧ b).
        other = conditions.either if lowering is conditions.both else conditions.both
        return TracedBool(recorder, other(recorder, left.codes, right.codes), True)
    if lowering is conditions.differ:
        return TracedBool(recorder, lowering(recorder, left.codes, right.codes), left.negated != right.negated)
    sides = (conditions.signed(recorder, side.codes, side.negated) for side in (left, right))
    return TracedBool(recorder, lowering(recorder, *sides))


def plain_constant(value: Any) -> Any:
    """The numbers of a traced array of constants, also inside lists; anything else as it is."""
    if isinstance(value, (TracedArray, TracedBool)) and constant(value.codes):
        return value.numbers()
    if isinstance(value, (list, tuple)):
        parts = [plain_constant(part) for part in value]
        return parts if isinstance(value, list) else tuple(parts)
    return value


def check_dtype(recorder: Recorder, name: str, dtype: Any) -> None:
    """Refuse a dtype that traced values cannot have."""
    if dtype is not None and np.dtype(dtype).kind not in "fO":
        raise recorder.error(
            f"np.{name} of traced values with dtype {np.dtype(dtype)}",
            expected="float64",
            remedy="leave out the dtype; values under trace are float64",
        )


def store(recorder: Recorder, answer: Any, out: Any, where: Any = True) -> Any:
    """Put an answer where ``out=`` and ``where=`` ask for it.

    Args:
        recorder: the trace.
        answer: the traced array or condition computed.
        out: a traced array, an object array, or None.
        where: a mask, True for everywhere.
    """
    if where is not True:
        if not isinstance(out, TracedArray):
            raise recorder.error("where= without out= leaves entries undefined", remedy="use np.where(mask, a, b)")
        mask = boolean(recorder, where)
        answer = result(
            recorder, conditions.choose(recorder, mask.codes, mask.negated, lift(recorder, answer), out.codes)
        )
    if out is None:
        return answer
    if isinstance(out, TracedArray):
        if out.codes.ndim == 0 and not out.codes.flags.writeable:
            # y += x on a scalar makes a new scalar, as in NumPy.
            return answer
        codes = lift(recorder, answer)
        if np.broadcast_shapes(codes.shape, out.shape) != out.shape:
            raise recorder.error(
                "the result does not fit into the array it is assigned to",
                got=f"shape {codes.shape}",
                expected=f"shape {out.shape}",
                remedy="write y = y + x in place of y += x",
            )
        out.codes[...] = codes
        return out
    if isinstance(out, np.ndarray) and out.dtype.kind == "O":
        out[...] = np.array(answer, dtype=object)
        return out
    raise recorder.error(
        "a traced value is assigned into a plain NumPy array",
        got=f"an array of {getattr(out, 'dtype', type(out).__name__)}",
        remedy="create it with np.zeros_like(x) or np.zeros(n, like=x), or write y = y + x in place of y += x",
    )


def _reduce(
    recorder: Recorder,
    ufunc: np.ufunc,
    array: Any,
    out: Any,
    where: Any,
    axis: Any = 0,
    keepdims: bool = False,
    initial: Any = None,
) -> Any:
    if ufunc in (np.logical_and, np.logical_or):
        if initial is not None or where is not True:
            raise unsupported(recorder, f"np.{ufunc.__name__}.reduce with initial or where")
        return store(recorder, reduce_boolean(recorder, array, ufunc is np.logical_and, axis, keepdims), out)
    if ufunc not in _REDUCTIONS:
        raise unsupported(recorder, f"np.{ufunc.__name__}.reduce")
    mask = None if where is True else boolean(recorder, where)
    codes = reduce_axes(recorder, _REDUCTIONS[ufunc], lift(recorder, array), axis, keepdims, initial, mask)
    return store(recorder, result(recorder, codes), out)


def reduce_boolean(recorder: Recorder, array: Any, conjunction: bool, axis: Any, keepdims: bool) -> TracedBool:
    """Whether all (or any) of the conditions along the axes hold."""
    flags = boolean(recorder, array)
    # all of ¬c is ¬(any of c), so one flag of negation carries through.
    name = "all" if conjunction != flags.negated else "any"
    return TracedBool(recorder, reduce_axes(recorder, name, flags.codes, axis, keepdims), flags.negated)


def _at(recorder: Recorder, ufunc: np.ufunc, array: Any, key: Any, *values: Any) -> None:
    if not isinstance(array, TracedArray):
        store(recorder, None, array)
    places = np.arange(array.size).reshape(array.shape)[plain_key(recorder, key)]
    operands = [np.broadcast_to(lift(recorder, value), places.shape).reshape(-1) for value in values]
    places = places.reshape(-1)
    # A place that occurs k times is updated k times, one occurrence after the other.
    order = np.argsort(places, kind="stable")
    ordered = places[order]
    turn = np.empty(places.shape, dtype=np.int64)
    turn[order] = np.arange(len(places)) - np.searchsorted(ordered, ordered)
    for k in range(int(turn.max(initial=-1)) + 1):
        now = turn == k
        index = np.unravel_index(places[now], array.shape)
        parts = [TracedArray(recorder, operand[now]) for operand in operands]
        array[index] = ufunc(TracedArray(recorder, array.codes[index]), *parts)
