"""The kernels over whole right-hand sides and batches: members of a batch run in parallel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from flowgraph.numeric.compiled import block_kernels, interpreter, sweeps

Array = NDArray[Any]

COLUMNS = 16
"""So many right-hand sides go through a sweep together: their tangents of one value fill two cache lines."""


@njit(cache=True, parallel=True, error_model="numpy")
def linearise_batch(
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
    fine: Array,
) -> None:
    """Evaluation and coefficients of every member."""
    for b in prange(len(v)):
        fine[b] = interpreter.rows(
            0, len(ends), codes, left, right, third, to_left, to_right, ends, starts, inner, longest, v[b], d[b], 0
        )[0]


@njit(cache=True, parallel=True, error_model="numpy")
def evaluate_batch(
    codes: Array, left: Array, right: Array, third: Array, ends: Array, inner: int, v: Array, fine: Array
) -> None:
    """``interpreter.evaluate`` for every member."""
    for b in prange(len(v)):
        fine[b] = interpreter.evaluate(codes, left, right, third, ends, inner, v[b])


@njit(cache=True, error_model="numpy")
def forward_one(starts: Array, arguments: Array, outputs: Array, n: int, c: Array, rhs: Array, out: Array) -> None:
    """out (m, k) ← J rhs (n, k)."""
    size, k = n + len(starts) - 1, rhs.shape[1]
    if k == 1:
        x = np.empty(size)
        for v in range(n):
            x[v] = rhs[v, 0]
        sweeps.forward(starts, arguments, c, n, x)
        for i in range(len(outputs)):
            out[i, 0] = x[outputs[i]]
        return
    for first in range(0, k, COLUMNS):
        last = min(k, first + COLUMNS)
        many = np.empty((size, last - first))
        many[:n] = rhs[:, first:last]
        sweeps.forward_many(starts, arguments, c, n, many)
        for i in range(len(outputs)):
            out[i, first:last] = many[outputs[i]]


@njit(cache=True, error_model="numpy")
def reverse_one(starts: Array, arguments: Array, outputs: Array, n: int, c: Array, rhs: Array, out: Array) -> None:
    """out (n, k) ← Jᵀ rhs (m, k)."""
    size, k = n + len(starts) - 1, rhs.shape[1]
    if k == 1:
        x = np.zeros(size)
        for i in range(len(outputs)):
            x[outputs[i]] += rhs[i, 0]
        sweeps.reverse(starts, arguments, c, n, x)
        for v in range(n):
            out[v, 0] = x[v]
        return
    for first in range(0, k, COLUMNS):
        last = min(k, first + COLUMNS)
        many = np.zeros((size, last - first))
        for i in range(len(outputs)):
            many[outputs[i]] += rhs[i, first:last]
        sweeps.reverse_many(starts, arguments, c, n, many)
        out[:, first:last] = many[:n]


@njit(cache=True, error_model="numpy")
def forward_inverse_one(
    order: Array,
    starts: Array,
    arguments: Array,
    pivots: Array,
    outputs: Array,
    n: int,
    table: Any,
    c: Array,
    factors: Array,
    swaps: Array,
    rhs: Array,
    out: Array,
) -> None:
    """out (n, k) ← J⁻¹ rhs (n, k)."""
    size, k = n + len(starts) - 1, rhs.shape[1]
    if k == 1:
        x = np.zeros(size)
        for i in range(len(outputs)):
            x[outputs[i]] = rhs[i, 0]
        sweeps.forward_inverse(order, starts, arguments, pivots, c, n, table, factors, swaps, x)
        for v in range(n):
            out[v, 0] = x[v]
        return
    for first in range(0, k, COLUMNS):
        last = min(k, first + COLUMNS)
        many = np.zeros((size, last - first))
        for i in range(len(outputs)):
            many[outputs[i]] = rhs[i, first:last]
        sweeps.forward_inverse_many(order, starts, arguments, pivots, c, n, table, factors, swaps, many)
        out[:, first:last] = many[:n]


@njit(cache=True, error_model="numpy")
def reverse_inverse_one(
    order: Array,
    starts: Array,
    arguments: Array,
    pivots: Array,
    outputs: Array,
    n: int,
    table: Any,
    c: Array,
    factors: Array,
    swaps: Array,
    rhs: Array,
    out: Array,
) -> None:
    """out (n, k) ← J⁻ᵀ rhs (n, k)."""
    size, k = n + len(starts) - 1, rhs.shape[1]
    if k == 1:
        x = np.zeros(size)
        for v in range(n):
            x[v] = rhs[v, 0]
        sweeps.reverse_inverse(order, starts, arguments, pivots, c, n, table, factors, swaps, x)
        for i in range(len(outputs)):
            out[i, 0] = x[outputs[i]]
        return
    for first in range(0, k, COLUMNS):
        last = min(k, first + COLUMNS)
        many = np.zeros((size, last - first))
        many[:n] = rhs[:, first:last]
        sweeps.reverse_inverse_many(order, starts, arguments, pivots, c, n, table, factors, swaps, many)
        for i in range(len(outputs)):
            out[i, first:last] = many[outputs[i]]


@njit(cache=True, parallel=True, error_model="numpy")
def forward_batch(
    starts: Array, arguments: Array, outputs: Array, n: int, data: Array, offset: int, rhs: Array, out: Array
) -> None:
    """``forward_one`` for every member."""
    for b in prange(len(data)):
        forward_one(starts, arguments, outputs, n, data[b][offset:], rhs[b], out[b])


@njit(cache=True, parallel=True, error_model="numpy")
def reverse_batch(
    starts: Array, arguments: Array, outputs: Array, n: int, data: Array, offset: int, rhs: Array, out: Array
) -> None:
    """``reverse_one`` for every member."""
    for b in prange(len(data)):
        reverse_one(starts, arguments, outputs, n, data[b][offset:], rhs[b], out[b])


@njit(cache=True, parallel=True, error_model="numpy")
def forward_inverse_batch(
    order: Array,
    starts: Array,
    arguments: Array,
    pivots: Array,
    outputs: Array,
    n: int,
    table: Any,
    data: Array,
    offset: int,
    factors: Array,
    swaps: Array,
    rhs: Array,
    out: Array,
) -> None:
    """``forward_inverse_one`` for every member."""
    for b in prange(len(data)):
        forward_inverse_one(
            order, starts, arguments, pivots, outputs, n, table, data[b][offset:], factors[b], swaps[b], rhs[b], out[b]
        )


@njit(cache=True, parallel=True, error_model="numpy")
def reverse_inverse_batch(
    order: Array,
    starts: Array,
    arguments: Array,
    pivots: Array,
    outputs: Array,
    n: int,
    table: Any,
    data: Array,
    offset: int,
    factors: Array,
    swaps: Array,
    rhs: Array,
    out: Array,
) -> None:
    """``reverse_inverse_one`` for every member."""
    for b in prange(len(data)):
        reverse_inverse_one(
            order, starts, arguments, pivots, outputs, n, table, data[b][offset:], factors[b], swaps[b], rhs[b], out[b]
        )


@njit(cache=True, error_model="numpy")
def factor_one(
    starts: Array,
    arguments: Array,
    pivots: Array,
    alone: Array,
    n: int,
    table: Any,
    workspace: int,
    c: Array,
    threshold: float,
    factors: Array,
    swaps: Array,
) -> tuple[int, int, Array]:
    """The first row with pivot 0, the first singular block, and the rows with a small pivot."""
    first, _, small = sweeps.survey(starts, arguments, pivots, alone, c, threshold)
    bad = block_kernels.factor_blocks(starts, arguments, c, n, table, workspace, factors, swaps)
    return first, bad, small


@njit(cache=True, parallel=True, error_model="numpy")
def factor_batch(
    starts: Array,
    arguments: Array,
    pivots: Array,
    alone: Array,
    n: int,
    table: Any,
    workspace: int,
    data: Array,
    offset: int,
    threshold: float,
    factors: Array,
    swaps: Array,
    zero_row: Array,
    zero_block: Array,
    n_small: Array,
) -> None:
    """``factor_one`` for every member; of the rows with a small pivot, their number."""
    for b in prange(len(data)):
        first, bad, small = factor_one(
            starts, arguments, pivots, alone, n, table, workspace, data[b][offset:], threshold, factors[b], swaps[b]
        )
        zero_row[b], zero_block[b], n_small[b] = first, bad, len(small)
