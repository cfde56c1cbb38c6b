"""The kernels over whole right-hand sides."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from flowgraph.numeric.compiled import block_kernels, block_sweeps, sweeps

Array = NDArray[Any]

COLUMNS = 16
"""So many right-hand sides go through a sweep together: their tangents of one value fill two cache lines."""


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
    numbers: Array,
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
        if table is None:
            sweeps.forward_inverse(order, starts, arguments, pivots, c, n, x)
        else:
            block_sweeps.forward_inverse(order, starts, arguments, pivots, c, n, table, numbers, swaps, x)
        for v in range(n):
            out[v, 0] = x[v]
        return
    for first in range(0, k, COLUMNS):
        last = min(k, first + COLUMNS)
        many = np.zeros((size, last - first))
        for i in range(len(outputs)):
            many[outputs[i]] = rhs[i, first:last]
        sweeps.forward_inverse_many(order, starts, arguments, pivots, c, n, table, numbers, swaps, many)
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
    numbers: Array,
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
        if table is None:
            sweeps.reverse_inverse(order, starts, arguments, pivots, c, n, x)
        else:
            block_sweeps.reverse_inverse(order, starts, arguments, pivots, c, n, table, numbers, swaps, x)
        for i in range(len(outputs)):
            out[i, 0] = x[outputs[i]]
        return
    for first in range(0, k, COLUMNS):
        last = min(k, first + COLUMNS)
        many = np.zeros((size, last - first))
        many[:n] = rhs[:, first:last]
        sweeps.reverse_inverse_many(order, starts, arguments, pivots, c, n, table, numbers, swaps, many)
        for i in range(len(outputs)):
            out[i, first:last] = many[outputs[i]]


@njit(cache=True, error_model="numpy")
def factor_one(
    starts: Array,
    arguments: Array,
    pivots: Array,
    n: int,
    table: Any,
    workspace: int,
    c: Array,
    threshold: float,
    numbers: Array,
    swaps: Array,
) -> tuple[int, int, int]:
    """The first row with pivot 0, the first singular block, and how many rows have a small pivot."""
    first, small = sweeps.survey(starts, arguments, pivots, table, c, threshold)
    bad = block_kernels.factor_blocks(starts, arguments, c, n, table, workspace, numbers, swaps)
    return first, bad, small


@njit(cache=True, error_model="numpy")
def forward_inverse_members(
    order: Array,
    starts: Array,
    arguments: Array,
    pivots: Array,
    outputs: Array,
    n: int,
    table: Any,
    data: Array,
    offset: int,
    numbers: Array,
    swaps: Array,
    rhs: Array,
    out: Array,
) -> None:
    """out (B, n, k) ← J⁻¹ rhs (B, n, k), each member with its own J; its coefficients begin at ``offset``."""
    for b in range(len(rhs)):
        forward_inverse_one(
            order, starts, arguments, pivots, outputs, n, table, data[b, offset:], numbers[b], swaps[b], rhs[b], out[b]
        )


@njit(cache=True, error_model="numpy")
def reverse_inverse_members(
    order: Array,
    starts: Array,
    arguments: Array,
    pivots: Array,
    outputs: Array,
    n: int,
    table: Any,
    data: Array,
    offset: int,
    numbers: Array,
    swaps: Array,
    rhs: Array,
    out: Array,
) -> None:
    """out (B, n, k) ← J⁻ᵀ rhs (B, n, k), each member with its own J; its coefficients begin at ``offset``."""
    for b in range(len(rhs)):
        reverse_inverse_one(
            order, starts, arguments, pivots, outputs, n, table, data[b, offset:], numbers[b], swaps[b], rhs[b], out[b]
        )


@njit(cache=True, error_model="numpy")
def factor_members(
    starts: Array,
    arguments: Array,
    pivots: Array,
    n: int,
    table: Any,
    workspace: int,
    data: Array,
    offset: int,
    threshold: float,
    numbers: Array,
    swaps: Array,
    zero_row: Array,
    zero_block: Array,
    small: Array,
) -> None:
    """``factor_one`` for each of B members."""
    for b in range(len(data)):
        zero_row[b], zero_block[b], small[b] = factor_one(
            starts, arguments, pivots, n, table, workspace, data[b, offset:], threshold, numbers[b], swaps[b]
        )


@njit(cache=True, error_model="numpy")
def log_members(
    order: Array,
    pivots: Array,
    table: Any,
    data: Array,
    offset: int,
    numbers: Array,
    swaps: Array,
    signs: Array,
    logs: Array,
) -> None:
    """Sign and log|·| of the product of all pivots and blocks of each of B members, external blocks left out."""
    for b in range(len(data)):
        sign, log = sweeps.log_pivots(order, pivots, data[b, offset:])
        if table is not None:
            sign_of_blocks, log_of_blocks = block_kernels.log_blocks(table, numbers[b], swaps[b])
            sign *= sign_of_blocks
            log += log_of_blocks
        signs[b], logs[b] = sign, log
