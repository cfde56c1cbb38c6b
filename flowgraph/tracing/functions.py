"""How NumPy functions that are no ufuncs are recorded: ``FUNCTIONS``, and ``on_function``, to which
``__array_function__`` leads.

Every lowering has its NumPy function's parameters after the recorder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple
from numpy.typing import NDArray

from flowgraph.tracing import linear
from flowgraph.tracing.array import TracedArray, TracedBool, boolean, is_boolean, lift, result
from flowgraph.tracing.conditions import choose, numeric
from flowgraph.tracing.recorder import Recorder
from flowgraph.tracing.reduction import accumulate, reduce_axes
from flowgraph.tracing.structure import CREATORS, STRUCTURE, array_of
from flowgraph.tracing.ufuncs import (
    COMPARISONS,
    CONTRACTIONS,
    ELEMENTWISE,
    LOGICAL,
    check_dtype,
    plain_constant,
    reduce_boolean,
    store,
)
from flowgraph.tracing.unsupported import unsupported

Array = NDArray[Any]
Lowering = Callable[..., Any]

_NoValue = np._NoValue  # type: ignore[attr-defined]  # the default that NumPy's reductions pass on


def _given(value: Any, default: Any) -> Any:
    return default if value is _NoValue else value


# -- reductions -------------------------------------------------------------------------------------------------------


def _reduction(name: str) -> Lowering:
    def lowering(
        recorder: Recorder,
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        keepdims: Any = False,
        initial: Any = None,
        where: Any = True,
    ) -> Any:
        check_dtype(recorder, name, dtype)
        mask = None if _given(where, True) is True else boolean(recorder, where)
        codes = reduce_axes(
            recorder, name, lift(recorder, a), axis, _given(keepdims, False), _given(initial, None), mask
        )
        return store(recorder, result(recorder, codes), out)

    return lowering


def _extremum(name: str) -> Lowering:
    reduction = _reduction(name)

    def lowering(recorder: Recorder, a: Any, axis: Any = None, out: Any = None, *args: Any, **keywords: Any) -> Any:
        return reduction(recorder, a, axis, None, out, *args, **keywords)

    return lowering


def _logical(conjunction: bool) -> Lowering:
    def lowering(
        recorder: Recorder, a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = True
    ) -> Any:
        if _given(where, True) is not True:
            raise recorder.error(
                "np.all and np.any with where= cannot be traced", remedy="combine the conditions with &"
            )
        return store(recorder, reduce_boolean(recorder, a, conjunction, axis, _given(keepdims, False)), out)

    return lowering


def _accumulation(name: str) -> Lowering:
    def lowering(recorder: Recorder, a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
        check_dtype(recorder, name, dtype)
        codes = lift(recorder, a)
        codes = (
            accumulate(recorder, name, codes.reshape(-1), 0)
            if axis is None
            else accumulate(recorder, name, codes, axis)
        )
        return store(recorder, result(recorder, codes), out)

    return lowering


def _count(a: Any, axis: Any) -> int:
    shape = np.shape(a)
    axes = range(len(shape)) if axis is None else normalize_axis_tuple(axis, len(shape))
    total = 1
    for k in axes:
        total *= shape[k]
    return total


def _mean(
    recorder: Recorder, a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False
) -> Any:
    check_dtype(recorder, "mean", dtype)
    a = TracedArray(recorder, lift(recorder, a))
    return store(recorder, np.sum(a, axis=axis, keepdims=_given(keepdims, False)) / _count(a, axis), out)


def _average(
    recorder: Recorder, a: Any, axis: Any = None, weights: Any = None, returned: Any = False, *, keepdims: Any = False
) -> Any:
    a = TracedArray(recorder, lift(recorder, a))
    if returned:
        raise unsupported(recorder, "np.average with returned=True")
    keep = _given(keepdims, False)
    if weights is None:
        return _mean(recorder, a, axis, keepdims=keep)
    w = TracedArray(recorder, lift(recorder, weights))
    if w.shape != a.shape and axis is not None:
        w = w.reshape([a.shape[k] if k == normalize_axis_index(axis, a.ndim) else 1 for k in range(a.ndim)])
        w = np.broadcast_to(w, a.shape)
    return np.sum(a * w, axis=axis, keepdims=keep) / np.sum(w, axis=axis, keepdims=keep)


def _var(
    recorder: Recorder,
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    correction: Any = _NoValue,
) -> Any:
    check_dtype(recorder, "var", dtype)
    a = TracedArray(recorder, lift(recorder, a))
    spread = np.square(a - _mean(recorder, a, axis, keepdims=True))
    total = np.sum(spread, axis=axis, keepdims=_given(keepdims, False))
    return store(recorder, total / (_count(a, axis) - _given(correction, ddof)), out)


def _std(recorder: Recorder, a: Any, *args: Any, **keywords: Any) -> Any:
    return np.sqrt(_var(recorder, a, *args, **keywords))


def _ptp(recorder: Recorder, a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    a = TracedArray(recorder, lift(recorder, a))
    keep = _given(keepdims, False)
    return store(recorder, np.max(a, axis=axis, keepdims=keep) - np.min(a, axis=axis, keepdims=keep), out)


def _count_nonzero(recorder: Recorder, a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    flags = boolean(recorder, a)
    ones = numeric(recorder, flags.codes, flags.negated)
    return result(recorder, reduce_axes(recorder, "add", ones, axis, keepdims))


def _norm(recorder: Recorder, x: Any, ord: Any = None, axis: Any = None, keepdims: Any = False) -> Any:
    x = TracedArray(recorder, lift(recorder, x))
    over = x.ndim if axis is None else np.size(axis)
    if ord is None or (ord == "fro" and over == 2):
        return np.sqrt(np.sum(np.square(x), axis=axis, keepdims=keepdims))
    if over != 1:
        raise unsupported(recorder, f"np.linalg.norm of a matrix with ord={ord!r}")
    if ord == 2:
        return np.sqrt(np.sum(np.square(x), axis=axis, keepdims=keepdims))
    size = np.abs(x)
    if ord == np.inf:
        return np.max(size, axis=axis, keepdims=keepdims)
    if ord == -np.inf:
        return np.min(size, axis=axis, keepdims=keepdims)
    if ord == 1:
        return np.sum(size, axis=axis, keepdims=keepdims)
    if not isinstance(ord, (int, float)) or not ord:
        raise unsupported(recorder, f"np.linalg.norm of a vector with ord={ord!r}")
    return np.sum(size**ord, axis=axis, keepdims=keepdims) ** (1.0 / ord)


def _vector_norm(recorder: Recorder, x: Any, /, *, axis: Any = None, keepdims: Any = False, ord: Any = 2) -> Any:
    return _norm(recorder, np.ravel(x) if axis is None else x, ord, axis, keepdims)


# -- choices ----------------------------------------------------------------------------------------------------------


def _where(recorder: Recorder, condition: Any, x: Any = None, y: Any = None) -> Any:
    flags = boolean(recorder, condition)
    if x is None and y is None:
        return np.nonzero(flags.resolve("np.where with one argument"))
    if all(map(is_boolean, (x, y))):
        return (flags & boolean(recorder, x)) | (~flags & boolean(recorder, y))
    return result(recorder, choose(recorder, flags.codes, flags.negated, lift(recorder, x), lift(recorder, y)))


def _nonzero(recorder: Recorder, a: Any) -> Any:
    return np.nonzero(boolean(recorder, a).resolve("np.nonzero"))


def _flatnonzero(recorder: Recorder, a: Any) -> Any:
    return np.flatnonzero(boolean(recorder, a).resolve("np.flatnonzero"))


def _select(recorder: Recorder, condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    answer = lift(recorder, default)
    for condition, choice in zip(reversed(list(condlist)), reversed(list(choicelist)), strict=True):
        flags = boolean(recorder, condition)
        answer = choose(recorder, flags.codes, flags.negated, lift(recorder, choice), answer)
    return result(recorder, answer)


def _piecewise(recorder: Recorder, x: Any, condlist: Any, funclist: Any, *args: Any, **keywords: Any) -> Any:
    x = TracedArray(recorder, lift(recorder, x))
    if isinstance(condlist, (TracedBool, np.ndarray)) and condlist.ndim == x.ndim:
        condlist = [condlist]
    pieces = [piece(x, *args, **keywords) if callable(piece) else piece for piece in funclist]
    default = pieces.pop() if len(pieces) == len(condlist) + 1 else 0.0
    # np.piecewise lets the last condition that holds win, np.select the first.
    return np.broadcast_to(_select(recorder, list(condlist)[::-1], pieces[::-1], default), x.shape).copy()


def _clip(
    recorder: Recorder,
    a: Any,
    a_min: Any = None,
    a_max: Any = None,
    out: Any = None,
    *,
    min: Any = _NoValue,
    max: Any = _NoValue,
    **keywords: Any,
) -> Any:
    low, high = _given(min, _given(a_min, None)), _given(max, _given(a_max, None))
    check_dtype(recorder, "clip", keywords.pop("dtype", None))
    answer = TracedArray(recorder, lift(recorder, a).copy())
    if low is not None:
        answer = np.maximum(answer, low)
    if high is not None:
        answer = np.minimum(answer, high)
    return store(recorder, answer, out)


def _isclose(recorder: Recorder, a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: Any = False) -> Any:
    if equal_nan:
        raise unsupported(recorder, "np.isclose with equal_nan=True")
    a, b = (TracedArray(recorder, lift(recorder, side)) for side in (a, b))
    return np.abs(a - b) <= atol + rtol * np.abs(b)


def _allclose(recorder: Recorder, a: Any, b: Any, *args: Any, **keywords: Any) -> Any:
    return bool(np.all(_isclose(recorder, a, b, *args, **keywords)))


def _array_equal(recorder: Recorder, a1: Any, a2: Any, equal_nan: Any = False) -> Any:
    if equal_nan:
        raise unsupported(recorder, "np.array_equal with equal_nan=True")
    a1, a2 = (TracedArray(recorder, lift(recorder, side)) for side in (a1, a2))
    return a1.shape == a2.shape and bool(np.all(a1 == a2))


# -- sums of products -------------------------------------------------------------------------------------------------


def _product(lowering: Callable[..., Array]) -> Lowering:
    def record(recorder: Recorder, a: Any, b: Any, out: Any = None) -> Any:
        return store(recorder, result(recorder, linear.product(recorder, lowering, a, b)), out)

    return record


def _tensordot(recorder: Recorder, a: Any, b: Any, axes: Any = 2) -> Any:
    return result(recorder, linear.tensordot(recorder, lift(recorder, a), lift(recorder, b), axes))


def _vdot(recorder: Recorder, a: Any, b: Any) -> Any:
    return result(recorder, linear.dot(recorder, lift(recorder, a).reshape(-1), lift(recorder, b).reshape(-1)))


def _einsum(recorder: Recorder, *operands: Any, out: Any = None, optimize: Any = False, **keywords: Any) -> Any:
    # The order in which NumPy would contract is of no account here.
    del optimize
    check_dtype(recorder, "einsum", keywords.get("dtype"))
    return store(recorder, result(recorder, linear.einsum(recorder, *operands)), out)


def _multi_dot(recorder: Recorder, arrays: Sequence[Any], *, out: Any = None) -> Any:
    answer = arrays[0]
    for factor in arrays[1:]:
        answer = np.dot(answer, factor)
    return store(recorder, TracedArray(recorder, lift(recorder, answer)), out)


def _matrix_power(recorder: Recorder, a: Any, n: int) -> Any:
    if n < 0:
        raise unsupported(recorder, "np.linalg.matrix_power with a negative exponent")
    answer, factor = np.eye(np.shape(a)[-1]), a
    while n:
        if n & 1:
            answer = np.matmul(answer, factor)
        n >>= 1
        factor = np.matmul(factor, factor) if n else factor
    return TracedArray(recorder, lift(recorder, answer))


def _cross(
    recorder: Recorder, a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None
) -> Any:
    if axis is not None:
        axisa = axisb = axisc = axis
    a = TracedArray(recorder, np.moveaxis(lift(recorder, a), axisa, -1))
    b = TracedArray(recorder, np.moveaxis(lift(recorder, b), axisb, -1))
    if a.shape[-1] != 3 or b.shape[-1] != 3:
        raise recorder.error(
            "np.cross of vectors that are not in three dimensions",
            got=f"shapes {a.shape} and {b.shape}",
            remedy="write a[0] * b[1] - a[1] * b[0] for vectors in the plane",
        )
    parts = [a[..., i] * b[..., j] - a[..., j] * b[..., i] for i, j in ((1, 2), (2, 0), (0, 1))]
    return np.moveaxis(np.stack(parts, axis=-1), -1, axisc)


def _trace(
    recorder: Recorder, a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None
) -> Any:
    check_dtype(recorder, "trace", dtype)
    diagonal = np.diagonal(TracedArray(recorder, lift(recorder, a)), offset, axis1, axis2)
    return store(recorder, np.sum(diagonal, axis=-1), out)


def _linalg_trace(recorder: Recorder, x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    return _trace(recorder, x, offset, -2, -1, dtype)


def _windows(recorder: Recorder, a: Any, v: Any) -> tuple[TracedArray, TracedArray]:
    a, v = TracedArray(recorder, lift(recorder, a)), TracedArray(recorder, lift(recorder, v))
    if a.ndim != 1 or v.ndim != 1 or not a.size or not v.size:
        raise recorder.error(
            "np.convolve and np.correlate take two vectors",
            got=f"shapes {a.shape} and {v.shape}",
            remedy="flatten them, and give each at least one entry",
        )
    return a, v


def _convolve(recorder: Recorder, a: Any, v: Any, mode: str = "full") -> Any:
    a, v = _windows(recorder, a, v)
    if len(v) > len(a):
        a, v = v, a
    n, m = len(a), len(v)
    # Row i of the band matrix holds a[i − m + 1 … i]; entries outside are constant zeros and leave no product.
    padded = np.pad(a, m - 1)
    full = padded[np.arange(n + m - 1)[:, None] + np.arange(m)] @ v[::-1]
    first, length = {"full": (0, n + m - 1), "same": ((m - 1) // 2, n), "valid": (m - 1, n - m + 1)}[mode]
    return full[first : first + length].copy()


def _correlate(recorder: Recorder, a: Any, v: Any, mode: str = "valid") -> Any:
    a, v = _windows(recorder, a, v)
    if len(v) > len(a):
        # c[k] of the pair exchanged is c[−k].
        return _correlate(recorder, v, a, mode)[::-1].copy()
    return _convolve(recorder, a, v[::-1], mode)


# -- differences and polynomials --------------------------------------------------------------------------------------


def _diff(
    recorder: Recorder, a: Any, n: int = 1, axis: int = -1, prepend: Any = _NoValue, append: Any = _NoValue
) -> Any:
    a = TracedArray(recorder, lift(recorder, a))
    axis = normalize_axis_index(axis, a.ndim)
    parts = []
    for part in (prepend, a, append):
        if part is not _NoValue:
            side = TracedArray(recorder, lift(recorder, part))
            parts.append(
                side if side.ndim else np.broadcast_to(side, [1 if k == axis else s for k, s in enumerate(a.shape)])
            )
    a = np.moveaxis(np.concatenate(parts, axis=axis), axis, 0)
    for _ in range(n):
        a = a[1:] - a[:-1]
    return np.moveaxis(a, 0, axis)


def _ediff1d(recorder: Recorder, ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    inside = np.diff(np.ravel(TracedArray(recorder, lift(recorder, ary))))
    ends = [[] if end is None else np.ravel(end) for end in (to_begin, to_end)]
    return np.concatenate([ends[0], inside, ends[1]])


def _gradient(recorder: Recorder, f: Any, *spacing: Any, axis: Any = None, edge_order: int = 1) -> Any:
    f = TracedArray(recorder, lift(recorder, f))
    axes = tuple(range(f.ndim)) if axis is None else normalize_axis_tuple(axis, f.ndim)
    steps = spacing * len(axes) if len(spacing) == 1 else spacing or (1.0,) * len(axes)
    if edge_order not in (1, 2) or len(steps) != len(axes) or any(np.ndim(step) for step in steps):
        raise unsupported(recorder, "np.gradient with a spacing that varies")
    parts = [_slope(f, h, k, edge_order) for k, h in zip(axes, steps, strict=True)]
    return parts[0] if len(parts) == 1 else tuple(parts)


def _slope(f: TracedArray, h: Any, axis: int, edge_order: int) -> Any:
    y = f.swapaxes(axis, 0)
    inside = (y[2:] - y[:-2]) / (2.0 * h)
    if edge_order == 1:
        first, last = (y[1] - y[0]) / h, (y[-1] - y[-2]) / h
    else:
        first = (-1.5 * y[0] + 2.0 * y[1] - 0.5 * y[2]) / h
        last = (1.5 * y[-1] - 2.0 * y[-2] + 0.5 * y[-3]) / h
    return np.concatenate([first[None], inside, last[None]]).swapaxes(axis, 0)


def _trapezoid(recorder: Recorder, y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    y = TracedArray(recorder, np.moveaxis(lift(recorder, y), axis, -1))
    if x is None:
        width = dx
    else:
        width = np.diff(x) if np.ndim(x) == 1 else np.diff(np.moveaxis(x, axis, -1))
    return np.sum(width * (y[..., 1:] + y[..., :-1]) / 2.0, axis=-1)


def _polyval(recorder: Recorder, p: Any, x: Any) -> Any:
    coefficients = TracedArray(recorder, lift(recorder, p))
    answer = TracedArray(recorder, lift(recorder, np.zeros(np.shape(x))))
    for coefficient in coefficients:
        answer = answer * x + coefficient
    return answer


def _vander(recorder: Recorder, x: Any, N: int | None = None, increasing: bool = False) -> Any:
    x = TracedArray(recorder, lift(recorder, x))
    powers = [TracedArray(recorder, lift(recorder, np.ones(len(x))))]
    for _ in range(1, len(x) if N is None else N):
        powers.append(powers[-1] * x)
    return np.stack(powers if increasing else powers[::-1], axis=-1)


def _linspace(
    recorder: Recorder,
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    check_dtype(recorder, "linspace", dtype)
    start, stop = (TracedArray(recorder, lift(recorder, side)) for side in (start, stop))
    step = (stop - start) / max(num - 1 if endpoint else num, 1)
    ramp = np.arange(num).reshape(-1, *(1,) * np.ndim(step))
    points = np.moveaxis(start + ramp * step, 0, axis)
    return (points, step) if retstep else points


def _sinc(recorder: Recorder, x: Any) -> Any:
    x = TracedArray(recorder, lift(recorder, x))
    y = np.pi * np.where(x == 0, 1e-20, x)
    return np.sin(y) / y


# -- questions about the array ----------------------------------------------------------------------------------------


def _same(recorder: Recorder, x: Any) -> Any:
    return TracedArray(recorder, lift(recorder, x))


def _copyto(recorder: Recorder, dst: Any, src: Any, casting: Any = "same_kind", where: Any = True) -> None:
    del casting
    store(recorder, TracedArray(recorder, np.broadcast_to(lift(recorder, src), np.shape(dst))), dst, where)


def _table() -> dict[Any, Lowering]:
    table: dict[Any, Lowering] = {
        **STRUCTURE,
        np.sum: _reduction("add"),
        np.prod: _reduction("mul"),
        np.max: _extremum("maximum"),
        np.amax: _extremum("maximum"),
        np.min: _extremum("minimum"),
        np.amin: _extremum("minimum"),
        np.all: _logical(True),
        np.any: _logical(False),
        np.cumsum: _accumulation("add"),
        np.cumprod: _accumulation("mul"),
        np.mean: _mean,
        np.average: _average,
        np.var: _var,
        np.std: _std,
        np.ptp: _ptp,
        np.count_nonzero: _count_nonzero,
        np.linalg.norm: _norm,
        np.linalg.vector_norm: _vector_norm,
        np.where: _where,
        np.nonzero: _nonzero,
        np.flatnonzero: _flatnonzero,
        np.select: _select,
        np.piecewise: _piecewise,
        np.clip: _clip,
        np.isclose: _isclose,
        np.allclose: _allclose,
        np.array_equal: _array_equal,
        np.dot: _product(linear.dot),
        np.inner: _product(linear.inner),
        np.outer: _product(linear.outer),
        np.linalg.outer: _product(linear.outer),
        np.kron: _product(linear.kron),
        np.linalg.matmul: _product(linear.matmul),
        np.tensordot: _tensordot,
        np.linalg.tensordot: _tensordot,
        np.vdot: _vdot,
        np.einsum: _einsum,
        np.linalg.multi_dot: _multi_dot,
        np.linalg.matrix_power: _matrix_power,
        np.cross: _cross,
        np.linalg.cross: _cross,
        np.trace: _trace,
        np.linalg.trace: _linalg_trace,
        np.convolve: _convolve,
        np.correlate: _correlate,
        np.diff: _diff,
        np.ediff1d: _ediff1d,
        np.gradient: _gradient,
        np.trapezoid: _trapezoid,
        np.polyval: _polyval,
        np.vander: _vander,
        np.linspace: _linspace,
        np.sinc: _sinc,
        np.real: _same,
        np.copyto: _copyto,
        np.shape: lambda recorder, a: a.shape,
        np.ndim: lambda recorder, a: a.ndim,
        np.size: lambda recorder, a, axis=None: a.size if axis is None else a.shape[axis],
        np.iscomplexobj: lambda recorder, x: False,
        np.isrealobj: lambda recorder, x: True,
        np.imag: lambda recorder, val: np.zeros(val.shape),
        np.array_repr: lambda recorder, arr, *args, **keywords: repr(arr),
        np.array_str: lambda recorder, a, *args, **keywords: repr(a),
        np.array2string: lambda recorder, a, *args, **keywords: repr(a),
    }
    return table


FUNCTIONS: Mapping[Any, Lowering] = MappingProxyType(_table())
"""Lowering by NumPy function."""

SUPPORTED = frozenset(
    {f.__name__ for f in FUNCTIONS}
    | {f.__name__ for table in (ELEMENTWISE, COMPARISONS, LOGICAL, CONTRACTIONS) for f in table}
)
"""Names of everything that can be traced."""


def on_function(recorder: Recorder, function: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """Record a NumPy function that is no ufunc.

    Args:
        recorder: the trace.
        function: the function.
        arguments: its arguments.
        keywords: its keyword arguments.

    Raises:
        TraceError: the function cannot be traced; the message names the nearest that can.
    """
    lowering = FUNCTIONS.get(function)
    if lowering is not None:
        return lowering(recorder, *arguments, **keywords)
    plain = plain_constant(list(arguments))
    plain_keywords = {name: plain_constant(value) for name, value in keywords.items()}
    if not any(map(_holds_traced, (*plain, *plain_keywords.values()))):
        if function in CREATORS:
            return array_of(recorder, function, tuple(plain), plain_keywords)
        return function(*plain, **plain_keywords)
    module = function.__module__.replace("numpy", "np", 1)
    raise unsupported(recorder, f"{module}.{function.__name__}", SUPPORTED)


def _holds_traced(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(map(_holds_traced, value))
    return isinstance(value, (TracedArray, TracedBool))
