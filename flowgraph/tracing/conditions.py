"""Comparisons and logic on codes.

A condition is a pair (codes, negated): entry c stands for c > 0, or for ¬(c > 0) where negated. So x > y is
(x − y) > 0, x ≤ y is ¬((x − y) > 0), x = y is ¬(|x − y| > 0); "and" is the minimum, "or" the maximum. ``np.where``
lowers to the operation ``select(c, a, b)``, through whose condition no derivative flows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowgraph.tracing.elementwise import binary, select, unary
from flowgraph.tracing.recorder import Recorder

Array = NDArray[Any]


def compare(recorder: Recorder, name: str, x: Array, y: Array) -> tuple[Array, bool]:
    """The condition ``x name y`` for a NumPy comparison: its codes and whether they are negated."""
    if name in ("less", "greater_equal"):
        x, y = y, x
    difference = binary(recorder, "sub", x, y)
    if name in ("equal", "not_equal"):
        return unary(recorder, "abs", difference), name == "equal"
    return difference, name in ("less_equal", "greater_equal")


def signed(recorder: Recorder, codes: Array, negated: bool) -> Array:
    """Codes that are > 0 exactly where the condition holds."""
    if not negated:
        return codes
    return select(recorder, codes, _number(recorder, -1.0), _number(recorder, 1.0))


def numeric(recorder: Recorder, codes: Array, negated: bool) -> Array:
    """The condition as the numbers 1 and 0."""
    yes, no = _number(recorder, 1.0), _number(recorder, 0.0)
    return select(recorder, codes, no, yes) if negated else select(recorder, codes, yes, no)


def choose(recorder: Recorder, codes: Array, negated: bool, x: Array, y: Array) -> Array:
    """x where the condition holds, else y."""
    return select(recorder, codes, y, x) if negated else select(recorder, codes, x, y)


def both(recorder: Recorder, x: Array, y: Array) -> Array:
    """Codes > 0 exactly where both are."""
    return _combine(recorder, "minimum", x, y)


def either(recorder: Recorder, x: Array, y: Array) -> Array:
    """Codes > 0 exactly where one of both is."""
    return _combine(recorder, "maximum", x, y)


def differ(recorder: Recorder, x: Array, y: Array) -> Array:
    """Codes > 0 exactly where one of both is > 0 and the other is not."""
    return select(recorder, x, signed(recorder, y, True), y)


def _number(recorder: Recorder, value: float) -> Array:
    return np.array(recorder.constant(value))


def _combine(recorder: Recorder, name: str, x: Array, y: Array) -> Array:
    x, y = np.broadcast_arrays(x, y)
    if x.ndim == 0:
        return _combine(recorder, name, x[None], y)[0, ...]
    result = np.empty(x.shape, dtype=np.int64)
    rest = np.ones(x.shape, dtype=bool)
    for side, other in ((x, y), (y, x)):
        fixed = (side < 0) & rest
        holds = recorder.numbers(side[fixed]) > 0.0
        # A constant side decides the result, or leaves it to the other side.
        result[fixed] = np.where(holds == (name == "maximum"), side[fixed], other[fixed])
        rest &= ~fixed
    if rest.any():
        result[rest] = recorder.emit(name, x[rest], y[rest])
    return result
