"""Elementwise operations on codes: what is constant is computed at once, what changes nothing leaves no step.

Exact simplifications, element by element: x + 0, 0 + x, x − 0, x·1, 1·x, x/1 and x**1 are x; 0 − x is neg(x);
x·0, 0·x and 0/x are the constant 0; x**2, x**−1, x**0.5 are square, reciprocal and sqrt, as NumPy itself computes
them; x**0 and 1**x are 1; minimum(x, ∞) and maximum(x, −∞) are x. They hold for every finite x up to the sign of a
zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowgraph.operations import CODES, OPERATIONS
from flowgraph.tracing.recorder import Recorder

Array = NDArray[Any]

_PENDING = np.iinfo(np.int64).min

_Action = Callable[[Recorder, Array], Array]


def _same(recorder: Recorder, x: Array) -> Array:
    return x.copy()


def _zero(recorder: Recorder, x: Array) -> Array:
    return np.full(x.shape, recorder.constant(0.0), dtype=np.int64)


def _one(recorder: Recorder, x: Array) -> Array:
    return np.full(x.shape, recorder.constant(1.0), dtype=np.int64)


def _emitter(name: str) -> _Action:
    return lambda recorder, x: recorder.emit(name, x)


_RULES: Mapping[str, tuple[tuple[int, float, _Action], ...]] = MappingProxyType(
    {
        # (place of the constant operand, its value, what becomes of the other operand)
        "add": ((0, 0.0, _same), (1, 0.0, _same)),
        "sub": ((1, 0.0, _same), (0, 0.0, _emitter("neg"))),
        "mul": ((0, 1.0, _same), (1, 1.0, _same), (0, 0.0, _zero), (1, 0.0, _zero)),
        "div": ((1, 1.0, _same), (0, 0.0, _zero)),
        "power": (
            (1, 2.0, _emitter("square")),
            (1, 1.0, _same),
            (1, 0.0, _one),
            (1, -1.0, _emitter("reciprocal")),
            (1, 0.5, _emitter("sqrt")),
            (0, 1.0, _one),
        ),
        "minimum": ((0, np.inf, _same), (1, np.inf, _same)),
        "maximum": ((0, -np.inf, _same), (1, -np.inf, _same)),
    }
)


def _traced(codes: Array) -> bool:
    """Whether no entry is a constant."""
    return int(codes) >= 0 if codes.ndim == 0 else codes.size == 0 or int(codes.min()) >= 0


def constant(codes: Array) -> bool:
    """Whether every entry is a constant."""
    return int(codes) < 0 if codes.ndim == 0 else codes.size == 0 or int(codes.max()) < 0


def _fold(recorder: Recorder, name: str, operands: tuple[Array, ...]) -> Array:
    return recorder.constants(OPERATIONS[CODES[name]].evaluate(*(recorder.numbers(c) for c in operands)))


def unary(recorder: Recorder, name: str, x: Array) -> Array:
    """An operation of one argument, element by element.

    Args:
        recorder: the trace.
        name: canonical name of the operation.
        x: codes.

    Returns:
        Codes of the same shape.
    """
    if _traced(x):
        return recorder.emit(name, x)
    fixed = x < 0
    if fixed.all():
        return _fold(recorder, name, (x,))
    result = np.empty(x.shape, dtype=np.int64)
    result[fixed] = _fold(recorder, name, (x[fixed],))
    result[~fixed] = recorder.emit(name, x[~fixed])
    return result


def binary(recorder: Recorder, name: str, x: Array, y: Array) -> Array:
    """An operation of two arguments, element by element, with the simplifications above.

    Args:
        recorder: the trace.
        name: canonical name of the operation.
        x: codes.
        y: codes that broadcast against x.

    Returns:
        Codes of the broadcast shape.
    """
    traced = (_traced(x), _traced(y))
    if all(traced):
        return recorder.emit(name, x, y)
    # The common case, a traced array and one number, needs no masks.
    for place, operand, other in ((0, x, y), (1, y, x)):
        if operand.ndim == 0 and traced[1 - place] and other.size:
            number = float(recorder.numbers(operand))
            for side, value, action in _RULES.get(name, ()):
                if side == place and value == number:
                    return action(recorder, other)
            return recorder.emit(name, x, y)
    return _masked(recorder, name, x, y)


def _masked(recorder: Recorder, name: str, x: Array, y: Array) -> Array:
    if constant(x) and constant(y):
        return _fold(recorder, name, (x, y))
    whole = (x, y)
    sides = np.broadcast_arrays(x, y)
    fixed = tuple(side < 0 for side in sides)
    result = np.full(sides[0].shape, _PENDING, dtype=np.int64)
    both = fixed[0] & fixed[1]
    if both.any():
        result[both] = _fold(recorder, name, (sides[0][both], sides[1][both]))
    for place, value, action in _RULES.get(name, ()):
        hit = fixed[place] & (result == _PENDING)
        hit[hit] = recorder.numbers(sides[place][hit]) == value
        if hit.any():
            result[hit] = action(recorder, sides[1 - place][hit])
    rest = result == _PENDING
    if rest.all() and rest.size:
        return recorder.emit(name, *whole)
    if rest.any():
        result[rest] = recorder.emit(name, sides[0][rest], sides[1][rest])
    return result


def select(recorder: Recorder, c: Array, x: Array, y: Array) -> Array:
    """x where c > 0, else y; no step where c is constant or both branches are the same value.

    Args:
        recorder: the trace.
        c: codes of the condition.
        x: codes.
        y: codes; all three broadcast.

    Returns:
        Codes of the broadcast shape.
    """
    c, x, y = np.broadcast_arrays(c, x, y)
    if c.ndim == 0:
        return select(recorder, c[None], x, y)[0, ...]
    fixed = c < 0
    result = np.full(c.shape, _PENDING, dtype=np.int64)
    result[fixed] = np.where(recorder.numbers(c[fixed]) > 0.0, x[fixed], y[fixed])
    result[x == y] = x[x == y]
    rest = result == _PENDING
    if rest.any():
        result[rest] = recorder.emit("select", c[rest], x[rest], y[rest])
    return result
