"""What users give as points and right-hand sides, as arrays of float64 of known shape."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flowgraph.errors import InputError

Array = NDArray[Any]


def real_array(given: ArrayLike, name: str) -> Array:
    """A float64 array of finite numbers; integers and float32 are promoted.

    Raises:
        InputError: it holds what is no real number, NaN or ∞.
    """
    if type(given) is np.ndarray and given.dtype == np.float64:
        array = given
    else:
        try:
            array = np.asarray(given)
        except ValueError as error:
            raise InputError(f"{name} is no array", got=str(error), expected="numbers in a regular shape") from error
        if array.dtype.kind not in "fiub":
            raise InputError(
                f"{name} must hold real numbers",
                got=f"an array of {array.dtype}",
                expected="float64, or what converts to it without loss of meaning",
                remedy="split complex numbers into real and imaginary parts" if array.dtype.kind == "c" else None,
            )
        with np.errstate(over="ignore"):
            # What float64 cannot hold is found below.
            array = array.astype(np.float64)
    # The sum is finite where all are, unless it overflows; only then does it pay to look at each.
    with np.errstate(all="ignore"):
        total = array.sum()
    if not isfinite(total) and not np.isfinite(array).all():
        place = tuple(np.argwhere(~np.isfinite(array))[0].tolist())
        raise InputError(
            f"{name} must be finite",
            where=f"{name}[{', '.join(map(str, place))}]",
            got=repr(float(array[place])),
            expected="finite numbers",
            remedy="look where the number comes from: no derivative can be computed there",
        )
    return array


def points(given: ArrayLike, n: int) -> Array:
    """x of shape (n,) or (B, n).

    Raises:
        InputError: another shape, or no finite real numbers.
    """
    x = real_array(given, "x")
    if x.ndim not in (1, 2) or x.shape[-1] != n:
        raise InputError(
            "x has the wrong shape",
            got=str(x.shape),
            expected=f"({n},), or (B, {n}) for a batch",
            remedy=None if x.ndim else "a number is no vector: give [x]",
        )
    return x


def right_hand_sides(given: ArrayLike, name: str, size: int, batch: int | None) -> Array:
    """Right-hand sides as (B, size, k); B = 1 for a single point.

    Args:
        given: (size,) or (size, k) for one point, (B, size) or (B, size, k) for a batch.
        name: what errors call it.
        size: n or m.
        batch: B, or None for a single point.

    Raises:
        InputError: another shape, or no finite real numbers.
    """
    v = real_array(given, name)
    lead = () if batch is None else (batch,)
    places = len(lead)
    if v.ndim in (places + 1, places + 2) and v.shape[: places + 1] == (*lead, size):
        return np.ascontiguousarray(
            v.reshape(batch or (1 if batch is None else 0), size, -1 if v.size else _last(v, places))
        )
    head = f"{batch}, " if batch is not None else ""
    raise InputError(
        f"{name} has the wrong shape",
        got=str(v.shape),
        expected=f"({head}{size}{',' if batch is None else ''}) or ({head}{size}, k)",
        remedy="one number for each of them, or k columns; a batch of points comes first",
    )


def _last(v: Array, places: int) -> int:
    """k of an array without entries."""
    return v.shape[places + 1] if v.ndim == places + 2 else 1


def like(result: Array, given: ArrayLike, batch: int | None) -> Array:
    """A result (B, size, k) in the shape of the right-hand side that was given."""
    single = np.ndim(given) == (1 if batch is None else 2)
    if batch is None:
        result = result[0]
    return result[..., 0] if single else result
