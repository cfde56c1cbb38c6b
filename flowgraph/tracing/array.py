"""``TracedArray`` and ``TracedBool``: what a function under trace sees in place of NumPy arrays.

Both hold an int64 array of codes (see ``recorder``), so indexing, views and assignment are NumPy's own.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import NDArray

from flowgraph.errors import BranchError
from flowgraph.tracing.conditions import numeric, signed
from flowgraph.tracing.elementwise import constant, select, unary
from flowgraph.tracing.recorder import Recorder

Array = NDArray[Any]

_REMEDY_FLOAT = (
    "create arrays that are assigned to with np.zeros_like(x) or np.zeros(n, like=x), build them with np.stack([...]), "
    "and use np.sin, not math.sin"
)
_IN_PLACE = frozenset({"resize", "sort", "partition"})
"""Methods that change their array, whose namesakes in ``np`` return another."""

_REMEDY_BRANCH = (
    "use np.where(condition, a, b), np.minimum, np.maximum or np.clip; or give trace a point x, "
    "at which the branch is taken and recorded as a guard"
)


class _Traced(NDArrayOperatorsMixin):
    """What both kinds of traced array share."""

    __slots__ = ("codes", "recorder")
    __hash__ = None  # type: ignore[assignment]  # equality is elementwise, as in NumPy

    recorder: Recorder
    codes: Array

    def _like(self, codes: Any) -> Self:
        raise NotImplementedError

    # -- NumPy's protocols ------------------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return self.recorder.on_ufunc(self.recorder, ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return self.recorder.on_function(self.recorder, func, args, kwargs)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if constant(self.codes):
            return np.array(self.numbers(), dtype=dtype)
        if dtype is not None and np.dtype(dtype).kind != "O":
            raise self.recorder.error(
                f"an array of {np.dtype(dtype)} asks for the numbers of a traced array", remedy=_REMEDY_FLOAT
            )
        caller = sys._getframe(1).f_globals.get("__name__", "")
        if caller.startswith("scipy.sparse"):
            # SciPy's sparse matrices leave A @ x to x where x looks like an object without shape.
            return _object_array((), [self])
        if caller.partition(".")[0] in ("numpy", "scipy"):
            name = sys._getframe(1).f_code.co_name
            raise self.recorder.error(
                f"{caller}.{name} asks for the numbers of a traced array",
                remedy="use functions that can be traced; the documentation of trace lists them",
            )
        return _object_array(self.shape, [self._like(code) for code in self.codes.reshape(-1)])

    # -- shape ------------------------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape, as in NumPy."""
        return self.codes.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.codes.ndim

    @property
    def size(self) -> int:
        """The number of entries."""
        return self.codes.size

    @property
    def T(self) -> Self:
        """The transpose, a view."""
        return self._like(self.codes.T)

    @property
    def mT(self) -> Self:
        """The transpose of the last two axes, a view."""
        return self._like(np.swapaxes(self.codes, -1, -2))

    @property
    def flat(self) -> Self:
        """The entries in order: a flat view, or a read-only copy where there is no view."""
        codes = self.codes.reshape(-1)
        if not np.shares_memory(codes, self.codes):
            codes.flags.writeable = False
        return self._like(codes)

    def __len__(self) -> int:
        if self.codes.ndim == 0:
            raise TypeError("len() of unsized object")
        return len(self.codes)

    def __iter__(self) -> Iterator[Self]:
        if self.codes.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return (self._like(part) for part in self.codes)

    def __getitem__(self, key: Any) -> Self:
        return self._like(self.codes[plain_key(self.recorder, key)])

    def item(self, *place: int) -> Any:
        """The entry at that place: a number where it is constant, else a traced scalar."""
        code = self.codes.item(*place)
        return self._like(np.int64(code)) if code >= 0 else self._like(np.int64(code)).numbers().item()

    def tolist(self) -> Any:
        """Nested lists of traced scalars."""
        return self._like(self.codes) if self.ndim == 0 else [part.tolist() for part in self]

    def copy(self, order: Any = "C") -> Self:
        """A copy."""
        return self._like(self.codes.copy(order))

    def __copy__(self) -> Self:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Self:
        return self.copy()

    def reshape(self, *shape: Any, order: Any = "C") -> Self:
        """A view of another shape where there is one, else a copy."""
        return self._like(self.codes.reshape(*shape, order=order))

    def ravel(self, order: Any = "C") -> Self:
        """A flat view where there is one, else a copy."""
        return self._like(self.codes.ravel(order))

    def flatten(self, order: Any = "C") -> Self:
        """A flat copy."""
        return self._like(self.codes.flatten(order))

    def transpose(self, *axes: Any) -> Self:
        """A view with permuted axes."""
        return self._like(self.codes.transpose(*axes))

    def compress(self, condition: Any, axis: int | None = None) -> Any:
        """The entries where the condition, known before tracing, holds."""
        return np.compress(condition, self, axis=axis)

    def swapaxes(self, a: int, b: int) -> Self:
        """A view with two axes exchanged."""
        return self._like(self.codes.swapaxes(a, b))

    def squeeze(self, axis: Any = None) -> Self:
        """A view without axes of length 1."""
        return self._like(self.codes.squeeze(axis))

    def numbers(self) -> Any:
        """The numbers of an array of constants."""
        raise NotImplementedError

    def _read(self, what: str) -> Any:
        """The number of a constant with one entry; an error for a traced value."""
        if self.codes.size != 1:
            raise TypeError("only arrays of one entry can be converted to Python scalars")
        if constant(self.codes):
            return self.numbers().reshape(-1)[0]
        raise self.recorder.error(f"{what} asks for the number of a traced value", remedy=_REMEDY_FLOAT)

    def __float__(self) -> float:
        return float(self._read("float()"))

    def __int__(self) -> int:
        return int(self._read("int()"))

    def __complex__(self) -> complex:
        return complex(self._read("complex()"))

    def __index__(self) -> int:
        raise self.recorder.error(
            "a traced array is used as an index",
            expected="integers known before tracing",
            remedy="compute indices outside the traced function, or from shapes and loop counters",
        )

    def __round__(self, ndigits: int | None = None) -> Any:
        return np.round(self, ndigits or 0)  # type: ignore[call-overload]

    def __format__(self, spec: str) -> str:
        if self.codes.size == 1 and constant(self.codes):
            return format(self.numbers().item(), spec)
        return repr(self)

    def __getattr__(self, name: str) -> Any:
        ufunc = getattr(np, name, None)
        if isinstance(ufunc, np.ufunc):
            # NumPy's loops over object arrays call x.sin() for np.sin(x).
            return partial(ufunc, self)
        if not name.startswith("_") and hasattr(np.ndarray, name):
            function = getattr(np, name, None)
            if callable(function) and name not in _IN_PLACE:
                return partial(function, self)
            raise self.recorder.error(
                f"the method {name} of a traced array cannot be traced", remedy="write it with functions of NumPy"
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


class TracedArray(_Traced):
    """An array of float64 values under trace.

    Args:
        recorder: the trace it belongs to.
        codes: int64 array of codes; shared, not copied, so views behave as NumPy's.
    """

    __slots__ = ()

    def __init__(self, recorder: Recorder, codes: Any) -> None:
        self.recorder = recorder
        if not isinstance(codes, np.ndarray):
            codes = np.asarray(codes, dtype=np.int64)
            codes.flags.writeable = False
        self.codes = codes

    def _like(self, codes: Any) -> TracedArray:
        return TracedArray(self.recorder, codes)

    def __repr__(self) -> str:
        return f"<traced array of shape {self.shape}>" if self.ndim else "<traced scalar>"

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64."""
        return np.dtype(float)

    @property
    def real(self) -> TracedArray:
        """The array itself."""
        return self

    @property
    def imag(self) -> Array:
        """Zeros."""
        return np.zeros(self.shape)

    def numbers(self) -> Any:
        """The numbers of an array of constants."""
        return self.recorder.numbers(self.codes)

    def __setitem__(self, key: Any, value: Any) -> None:
        codes = lift(self.recorder, value)
        if isinstance(key, TracedBool) and not constant(key.codes) and self.recorder.point is None and codes.ndim == 0:
            # Assigning one number where a condition holds needs no knowledge of where that is.
            key = check_owner(self.recorder, key)
            self.codes[...] = select(self.recorder, signed(self.recorder, key.codes, key.negated), codes, self.codes)
            return
        self.codes[plain_key(self.recorder, key)] = codes

    def __bool__(self) -> bool:
        return bool(self != 0)

    def fill(self, value: Any) -> None:
        """Assign one value to every entry."""
        self[...] = value

    def astype(self, dtype: Any, *args: Any, **kwargs: Any) -> Any:
        """A copy; real floating-point types only, all of which are float64 under trace."""
        kind = np.dtype(dtype).kind
        if kind == "b":
            return self != 0
        if kind == "f":
            return self.copy()
        if kind == "O":
            return _object_array(self.shape, [self._like(code) for code in self.codes.reshape(-1)])
        if constant(self.codes):
            return self.numbers().astype(dtype, *args, **kwargs)
        raise self.recorder.error(
            f"a traced array cannot become {np.dtype(dtype)}",
            expected="float64",
            remedy="keep traced values in float64; complex numbers need real and imaginary parts apart",
        )


class TracedBool(_Traced):
    """An array of conditions under trace: entry c stands for c > 0, or for ¬(c > 0) where negated.

    Args:
        recorder: the trace it belongs to.
        codes: int64 array of codes.
        negated: whether the conditions are negated.
    """

    __slots__ = ("negated",)

    def __init__(self, recorder: Recorder, codes: Any, negated: bool = False) -> None:
        self.recorder = recorder
        self.codes = np.asarray(codes, dtype=np.int64)
        self.negated = negated

    def _like(self, codes: Any) -> TracedBool:
        return TracedBool(self.recorder, codes, self.negated)

    def __repr__(self) -> str:
        return f"<traced condition of shape {self.shape}>" if self.ndim else "<traced condition>"

    @property
    def dtype(self) -> np.dtype[Any]:
        """bool."""
        return np.dtype(bool)

    def numbers(self) -> Any:
        """The truth values of an array of constants."""
        return (self.recorder.numbers(self.codes) > 0.0) != self.negated

    def __setitem__(self, key: Any, value: Any) -> None:
        raise self.recorder.error(
            "assignment into an array of traced conditions",
            remedy="combine conditions with np.logical_and, np.logical_or and np.where",
        )

    def __bool__(self) -> bool:
        if self.codes.size != 1:
            raise ValueError("the truth value of an array with more than one entry is ambiguous; use np.any or np.all")
        return bool(self.resolve("a branch").reshape(-1)[0])

    def resolve(self, what: str) -> Array:
        """The truth values at the point of tracing, which become a guard.

        Args:
            what: what needs them, for the message where there is no point.

        Raises:
            TraceError: there is no point, or a condition compares what is no number there.
        """
        recorder, codes = self.recorder, self.codes
        if constant(codes):
            return self.numbers()
        if recorder.point is None:
            raise recorder.error(f"{what} depends on a traced value", remedy=_REMEDY_BRANCH, kind=BranchError)
        values = recorder.values(codes)
        if np.isnan(values).any():
            raise recorder.error(
                f"{what} compares a value that is not a number at the point of tracing",
                got="nan",
                remedy="trace at a point inside the domain of every operation",
            )
        outcomes = values > 0.0
        traced = codes >= 0
        recorder.builder.guard(codes[traced], outcomes[traced], line=recorder.line())
        return outcomes != self.negated

    def astype(self, dtype: Any, *args: Any, **kwargs: Any) -> Any:
        """The conditions as the numbers 1 and 0."""
        if np.dtype(dtype).kind == "b":
            return self.copy()
        return TracedArray(self.recorder, lift(self.recorder, self))


def _object_array(shape: tuple[int, ...], entries: Sequence[Any]) -> Array:
    result = np.empty(len(entries), dtype=object)
    for k, entry in enumerate(entries):
        # One by one: a slice would ask each entry for its array.
        result[k] = entry
    return result.reshape(shape)


def check_owner(recorder: Recorder, array: Any) -> Any:
    """The traced array, which must belong to this trace."""
    if array.recorder is not recorder:
        raise recorder.error(
            "a traced array of another trace",
            remedy="do not keep traced arrays in globals or attributes between traces, and pass the values of an outer "
            "trace to an inner one as inputs",
        )
    if recorder.is_stray(array.codes):
        raise recorder.error(
            "a traced array is used outside the time step that it was computed in",
            remedy="a step of a flow runs once for all time steps: return what is needed later as part of the state",
        )
    return array


def plain_key(recorder: Recorder, key: Any) -> Any:
    """An index with its traced conditions resolved at the point of tracing."""
    if isinstance(key, tuple):
        return tuple(plain_key(recorder, part) if isinstance(part, _Traced) else part for part in key)
    if isinstance(key, TracedBool):
        return check_owner(recorder, key).resolve("a Boolean mask")
    if isinstance(key, TracedArray):
        return key.__index__()
    return key


def lift(recorder: Recorder, value: Any) -> Array:
    """Codes of anything that NumPy would take as an array of real numbers.

    Args:
        recorder: the trace.
        value: a traced array, a condition (1 and 0), numbers, or nested lists of all these.

    Returns:
        int64 codes. Those of a traced array are its own, not a copy.

    Raises:
        TraceError: complex numbers, or what is no number.
    """
    if isinstance(value, TracedArray):
        return check_owner(recorder, value).codes
    if isinstance(value, (float, int)):
        return np.array(recorder.constant(value))
    if isinstance(value, TracedBool):
        check_owner(recorder, value)
        return numeric(recorder, value.codes, value.negated)
    if isinstance(value, (list, tuple)) and contains_traced(value):
        return _lift_sequence(recorder, value)
    array = value if isinstance(value, np.ndarray) else np.asarray(value)
    if array.dtype.kind in "fiub":
        return recorder.constants(array)
    if array.dtype.kind == "O" and all(isinstance(v, (_Traced, float, int, np.number)) for v in array.flat):
        parts = [lift(recorder, entry) for entry in array.flat]
        if any(part.ndim for part in parts):
            raise recorder.error("an object array holds traced arrays", remedy="build it with np.stack")
        return np.array([int(part) for part in parts], dtype=np.int64).reshape(array.shape)
    if array.dtype.kind == "c" or any(isinstance(v, (complex, np.complexfloating)) for v in array.flat):
        raise recorder.error(
            "a complex number in a traced function",
            got=str(array.dtype),
            expected="real numbers",
            remedy="carry real and imaginary parts as two real values",
        )
    raise recorder.error(
        "an operand of a traced array is not a number",
        got=f"{type(value).__name__}{'' if array.dtype == object else f' of {array.dtype}'}",
        expected="real numbers and traced values",
        remedy="convert it to float64 first",
    )


def contains_traced(value: Any) -> bool:
    """Whether nested lists and tuples hold a traced array, or an object array of such."""
    if isinstance(value, (list, tuple)):
        return any(contains_traced(part) for part in value)
    if isinstance(value, np.ndarray) and value.dtype.kind == "O":
        return any(isinstance(part, _Traced) for part in value.flat)
    return isinstance(value, _Traced)


def _lift_sequence(recorder: Recorder, values: Sequence[Any]) -> Array:
    parts = [lift(recorder, part) for part in values]
    shapes = {part.shape for part in parts}
    if len(shapes) > 1:
        raise recorder.error(
            "a nested list whose parts differ in shape",
            got=", ".join(str(part.shape) for part in parts[:6]),
            remedy="join arrays of different lengths with np.concatenate",
        )
    if shapes == {()}:
        return np.array([int(part) for part in parts], dtype=np.int64)
    return np.stack(parts)


def boolean(recorder: Recorder, value: Any) -> TracedBool:
    """The truth values of anything: conditions stay, numbers are true where they are not 0."""
    if isinstance(value, TracedBool):
        return check_owner(recorder, value)
    if not isinstance(value, TracedArray):
        if contains_traced(value):
            parts = [boolean(recorder, part) for part in value]
            return TracedBool(recorder, np.stack([signed(recorder, p.codes, p.negated) for p in parts]))
        value = np.asarray(value)
        if value.dtype.kind == "b":
            return TracedBool(recorder, recorder.constants(np.where(value, 1.0, -1.0)))
    return TracedBool(recorder, unary(recorder, "abs", lift(recorder, value)))


def result(recorder: Recorder, codes: Array) -> TracedArray:
    """A freshly computed array; one without axes is a scalar, which cannot be assigned to."""
    if codes.ndim == 0:
        codes.flags.writeable = False
    return TracedArray(recorder, codes)


def is_boolean(value: Any) -> bool:
    """Whether a value is a condition or an array of conditions, traced or not."""
    return isinstance(value, (TracedBool, bool, np.bool)) or getattr(value, "dtype", None) == np.dtype(bool)
