"""NumPy functions that only move entries about: NumPy's own function, run on the codes.

So they return views exactly where NumPy returns views.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowgraph.tracing.array import TracedArray, TracedBool, check_owner, contains_traced, is_boolean, lift, plain_key
from flowgraph.tracing.conditions import signed
from flowgraph.tracing.recorder import Recorder
from flowgraph.tracing.ufuncs import check_dtype, store

Array = NDArray[Any]
Lowering = Callable[..., Any]


def _codes(recorder: Recorder, value: Any, boolean: bool) -> Any:
    """Codes of one data argument; conditions as codes that are > 0 where they hold."""
    if not boolean:
        return lift(recorder, value)
    if isinstance(value, TracedBool):
        check_owner(recorder, value)
        return signed(recorder, value.codes, value.negated)
    return recorder.constants(np.where(value, 1.0, -1.0))


def _wrap(recorder: Recorder, codes: Any, boolean: bool) -> Any:
    if isinstance(codes, (list, tuple)):
        parts = [_wrap(recorder, part, boolean) for part in codes]
        return parts if isinstance(codes, list) else tuple(parts)
    return TracedBool(recorder, codes) if boolean else TracedArray(recorder, codes)


def _moving(function: Callable[..., Any], **data: int) -> Lowering:
    """A function of which the arguments ``data`` (name = position) are arrays whose entries move."""

    def lowering(recorder: Recorder, *arguments: Any, **keywords: Any) -> Any:
        places = {at: arguments[at] for at in data.values() if at < len(arguments)}
        names = {name: keywords[name] for name in data if name in keywords}
        boolean = all(map(is_boolean, (*places.values(), *names.values())))
        moved = [
            _codes(recorder, v, boolean) if at in places else _plain(recorder, v) for at, v in enumerate(arguments)
        ]
        named = {
            name: _codes(recorder, v, boolean) if name in names else _plain(recorder, v) for name, v in keywords.items()
        }
        _refuse_out(recorder, function, named)
        return _wrap(recorder, function(*moved, **named), boolean)

    return lowering


def _plain(recorder: Recorder, value: Any) -> Any:
    """An argument that is no data: a mask or an index, which must be known."""
    return plain_key(recorder, value) if isinstance(value, (TracedArray, TracedBool)) else value


def _refuse_out(recorder: Recorder, function: Callable[..., Any], keywords: Mapping[str, Any]) -> None:
    if keywords.get("out") is not None:
        raise recorder.error(f"np.{function.__name__} with out= cannot be traced", remedy="assign with y[...] = …")


def _joining(function: Callable[..., Any]) -> Lowering:
    """A function whose first argument is a sequence of arrays."""

    def lowering(recorder: Recorder, arrays: Any, *arguments: Any, **keywords: Any) -> Any:
        check_dtype(recorder, function.__name__, keywords.pop("dtype", None))
        out = keywords.pop("out", None)
        keywords.pop("casting", None)
        parts = list(arrays)
        boolean = all(map(is_boolean, parts))
        joined = function([_codes(recorder, part, boolean) for part in parts], *arguments, **keywords)
        return store(recorder, _wrap(recorder, joined, boolean), out)

    return lowering


def _each(function: Callable[..., Any]) -> Lowering:
    """A function whose positional arguments are all arrays."""

    def lowering(recorder: Recorder, *arrays: Any, **keywords: Any) -> Any:
        boolean = all(map(is_boolean, arrays))
        return _wrap(recorder, function(*(_codes(recorder, a, boolean) for a in arrays), **keywords), boolean)

    return lowering


def _block(recorder: Recorder, arrays: Any) -> Any:
    def nested(part: Any) -> Any:
        return [nested(inner) for inner in part] if isinstance(part, list) else lift(recorder, part)

    return TracedArray(recorder, np.block(nested(arrays)))


def _zero(recorder: Recorder) -> int:
    return recorder.constant(0.0)


def _diag(recorder: Recorder, v: Any, k: int = 0) -> Any:
    codes = lift(recorder, v)
    if codes.ndim != 1:
        return TracedArray(recorder, np.diag(codes, k).copy())
    places = np.diag(np.ones(len(codes), dtype=bool), k)
    answer = np.full(places.shape, _zero(recorder), dtype=np.int64)
    answer[places] = codes
    return TracedArray(recorder, answer)


def _diagflat(recorder: Recorder, v: Any, k: int = 0) -> Any:
    return _diag(recorder, np.ravel(v), k)


def _triangle(lower: bool) -> Lowering:
    def lowering(recorder: Recorder, m: Any, k: int = 0) -> Any:
        codes = lift(recorder, m)
        below = np.tri(*codes.shape[-2:], k=k if lower else k - 1, dtype=bool)
        return TracedArray(recorder, np.where(below if lower else ~below, codes, _zero(recorder)))

    return lowering


def _pad(recorder: Recorder, array: Any, pad_width: Any, mode: Any = "constant", **keywords: Any) -> Any:
    codes = lift(recorder, array)
    if mode == "constant":
        fill = lift(recorder, keywords.get("constant_values", 0.0))
        return TracedArray(recorder, np.pad(codes, pad_width, mode, constant_values=fill))
    if mode not in ("wrap", "edge", "reflect", "symmetric") or keywords.get("reflect_type", "even") != "even":
        raise recorder.error(
            f"np.pad with mode {mode!r} cannot be traced",
            expected="constant, wrap, edge, reflect or symmetric",
            remedy="build the borders with np.concatenate",
        )
    return TracedArray(recorder, np.pad(codes, pad_width, mode, **keywords))


def _assigning(function: Callable[..., Any], values: int) -> Lowering:
    """A function that assigns into its first argument; ``values`` is the position of what it assigns."""

    def lowering(recorder: Recorder, target: Any, *arguments: Any, **keywords: Any) -> None:
        if not isinstance(target, TracedArray):
            raise recorder.error(
                f"np.{function.__name__} of traced values into a plain NumPy array",
                remedy="create it with np.zeros_like(x) or np.zeros(n, like=x)",
            )
        moved = [lift(recorder, v) if at == values else _plain(recorder, v) for at, v in enumerate(arguments, start=1)]
        function(check_owner(recorder, target).codes, *moved, **keywords)

    return lowering


def _like(fill: float) -> Lowering:
    def lowering(
        recorder: Recorder,
        a: Any,
        dtype: Any = None,
        order: Any = "K",
        subok: Any = True,
        shape: Any = None,
        *,
        device: Any = None,
    ) -> Any:
        return _full_like(recorder, a, fill, dtype, order, subok, shape, device=device)

    return lowering


def _full_like(
    recorder: Recorder,
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: Any = "K",
    subok: Any = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Any:
    del order, subok, device
    return _filled(recorder, np.shape(a) if shape is None else shape, fill_value, dtype)


def _filled(recorder: Recorder, shape: Any, fill: Any, dtype: Any) -> Any:
    if dtype is not None and np.dtype(dtype).kind not in "fO":
        return np.full(shape, fill, dtype=dtype)
    codes = np.empty(shape, dtype=np.int64)
    codes[...] = lift(recorder, fill)
    return TracedArray(recorder, codes)


def _creator(fill: float) -> Lowering:
    def lowering(recorder: Recorder, shape: Any, dtype: Any = None, order: Any = "C", **keywords: Any) -> Any:
        del order, keywords
        return _filled(recorder, shape, fill, dtype)

    return lowering


def _full(recorder: Recorder, shape: Any, fill_value: Any, dtype: Any = None, order: Any = "C", **keywords: Any) -> Any:
    del order, keywords
    return _filled(recorder, shape, fill_value, dtype)


def _array(
    recorder: Recorder, object: Any, dtype: Any = None, *, ndmin: int = 0, copy: Any = True, **keywords: Any
) -> Any:
    """``np.array`` and ``np.asarray`` of traced arrays and nested lists of such."""
    del keywords
    if isinstance(object, TracedBool) and (dtype is None or np.dtype(dtype).kind == "b"):
        return object
    check_dtype(recorder, "array", dtype)
    codes = lift(recorder, object)
    codes = codes.reshape((1,) * (ndmin - codes.ndim) + codes.shape)
    return TracedArray(recorder, codes.copy() if copy else codes)


def _asarray(recorder: Recorder, a: Any, dtype: Any = None, order: Any = None, **keywords: Any) -> Any:
    del order, keywords
    return _array(recorder, a, dtype, copy=False)


def array_of(recorder: Recorder, function: Any, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> Any:
    """What a function that creates arrays returns under trace: an array that traced values can be assigned to.

    Integer and Boolean arrays stay NumPy's: they serve as indices and masks.

    Args:
        recorder: the trace.
        function: the NumPy function.
        arguments: its arguments.
        keywords: its keyword arguments.
    """
    if any(map(contains_traced, (*arguments, *keywords.values()))):
        return (
            _CREATION[function](recorder, *arguments, **keywords)
            if function in _CREATION
            else function(*arguments, **keywords)
        )
    answer = function(*arguments, **keywords)
    if (
        answer is (arguments[0] if arguments else None)
        or not isinstance(answer, np.ndarray)
        or answer.dtype.kind != "f"
    ):
        return answer
    if function in (np.empty, np.empty_like):
        answer.fill(np.nan)
    return TracedArray(recorder, recorder.constants(answer))


_CREATION: Mapping[Any, Lowering] = MappingProxyType(
    {np.array: _array, np.asarray: _asarray, np.asanyarray: _asarray, np.ascontiguousarray: _asarray, np.full: _full}
)

CREATORS: tuple[Any, ...] = (
    np.array,
    np.asarray,
    np.asanyarray,
    np.ascontiguousarray,
    np.zeros,
    np.ones,
    np.empty,
    np.full,
    np.zeros_like,
    np.ones_like,
    np.empty_like,
    np.full_like,
    np.eye,
    np.identity,
    np.diag,
    np.diagflat,
    np.tri,
    np.tril,
    np.triu,
    np.copy,
    np.tile,
    np.repeat,
    np.concatenate,
    np.stack,
    np.vstack,
    np.hstack,
    np.column_stack,
    np.block,
)
"""Functions of ``np`` whose float results may be assigned to by a function under trace."""


def _optional(*entries: tuple[Any, str, dict[str, int]]) -> dict[Any, Lowering]:
    """Functions that only newer releases of NumPy have."""
    return {
        function: _moving(function, **data)
        for module, name, data in entries
        if (function := getattr(module, name, None)) is not None
    }


_FIRST = MappingProxyType(
    {
        "a": (
            np.reshape,
            np.ravel,
            np.transpose,
            np.swapaxes,
            np.moveaxis,
            np.rollaxis,
            np.squeeze,
            np.expand_dims,
            np.roll,
            np.repeat,
            np.take,
            np.diagonal,
            np.resize,
            np.copy,
        ),
        "m": (np.flip, np.fliplr, np.flipud, np.rot90),
        "A": (np.tile,),
        "array": (np.broadcast_to,),
        "ary": (np.split, np.array_split, np.hsplit, np.vsplit, np.dsplit),
        "arr": (np.delete, np.take_along_axis),
        "x": (np.linalg.diagonal, np.linalg.matrix_transpose, np.matrix_transpose),
    }
)

STRUCTURE: Mapping[Any, Lowering] = MappingProxyType(
    {
        **{function: _moving(function, **{name: 0}) for name, group in _FIRST.items() for function in group},
        **_optional((np, "unstack", {"x": 0})),
        np.fill_diagonal: _assigning(np.fill_diagonal, 1),
        np.put: _assigning(np.put, 2),
        np.place: _assigning(np.place, 2),
        np.putmask: _assigning(np.putmask, 2),
        np.put_along_axis: _assigning(np.put_along_axis, 2),
        np.compress: _moving(np.compress, a=1),
        np.extract: _moving(np.extract, arr=1),
        np.append: _moving(np.append, arr=0, values=1),
        np.insert: _moving(np.insert, arr=0, values=2),
        **{f: _joining(f) for f in (np.concatenate, np.stack, np.vstack, np.hstack, np.dstack, np.column_stack)},
        **{f: _each(f) for f in (np.atleast_1d, np.atleast_2d, np.atleast_3d, np.broadcast_arrays, np.meshgrid)},
        np.block: _block,
        np.diag: _diag,
        np.diagflat: _diagflat,
        np.tril: _triangle(True),
        np.triu: _triangle(False),
        np.pad: _pad,
        np.zeros_like: _like(0.0),
        np.ones_like: _like(1.0),
        np.empty_like: _like(np.nan),
        np.full_like: _full_like,
        np.zeros: _creator(0.0),
        np.ones: _creator(1.0),
        np.empty: _creator(np.nan),
        np.full: _full,
        np.array: _array,
        np.asarray: _asarray,
        np.asanyarray: _asarray,
    }
)
"""Lowering by NumPy function."""
