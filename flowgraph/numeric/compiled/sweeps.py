"""The four sweeps over rows that stand alone, as compiled loops; blocks are called where they stand in the order.

Row r is ż − Σ c ẋ = 0. The array of tangents or cotangents has one row per value and one column per right-hand side.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from flowgraph.numeric.compiled.block_kernels import solve_block, solve_block_transposed
from flowgraph.numeric.compiled.unsigned import U

Array = NDArray[Any]


@njit(cache=True, error_model="numpy")
def forward(starts: Array, arguments: Array, c: Array, n: int, x: Array) -> None:
    """Tangents of all values from those of the inputs, one right-hand side."""
    for r in range(len(starts) - 1):
        s = 0.0
        for e in range(starts[r], starts[r + 1]):
            s += c[U(e)] * x[U(arguments[U(e)])]
        x[U(n + r)] = s


@njit(cache=True, error_model="numpy")
def forward_many(starts: Array, arguments: Array, c: Array, n: int, x: Array) -> None:
    """As ``forward``, for several right-hand sides."""
    for r in range(len(starts) - 1):
        for j in range(x.shape[1]):
            x[U(n + r), j] = 0.0
        for e in range(starts[r], starts[r + 1]):
            v, label = arguments[U(e)], c[U(e)]
            for j in range(x.shape[1]):
                x[U(n + r), j] += label * x[U(v), j]


@njit(cache=True, error_model="numpy")
def reverse(starts: Array, arguments: Array, c: Array, n: int, x: Array) -> None:
    """Cotangents of all values from those of the outputs, one right-hand side."""
    for r in range(len(starts) - 2, -1, -1):
        g = x[U(n + r)]
        for e in range(starts[r], starts[r + 1]):
            x[U(arguments[U(e)])] += c[U(e)] * g


@njit(cache=True, error_model="numpy")
def reverse_many(starts: Array, arguments: Array, c: Array, n: int, x: Array) -> None:
    """As ``reverse``, for several right-hand sides."""
    for r in range(len(starts) - 2, -1, -1):
        for e in range(starts[r], starts[r + 1]):
            v, label = arguments[U(e)], c[U(e)]
            for j in range(x.shape[1]):
                x[U(v), j] += label * x[U(n + r), j]


@njit(cache=True, error_model="numpy")
def forward_inverse(
    order: Array,
    starts: Array,
    arguments: Array,
    pivots: Array,
    c: Array,
    n: int,
    x: Array,
) -> None:
    """Tangents of all values from those of the outputs, one right-hand side. The others must be 0 before."""
    for i in range(len(order)):
        r = order[i]
        s = 0.0
        # The argument sought is still 0.
        for e in range(starts[r], starts[r + 1]):
            s += c[U(e)] * x[U(arguments[U(e)])]
        p = pivots[r]
        if p >= 0:
            x[U(arguments[U(p)])] = (x[U(n + r)] - s) / c[U(p)]
        else:
            x[U(n + r)] = s


@njit(cache=True, error_model="numpy")
def forward_inverse_many(
    order: Array,
    starts: Array,
    arguments: Array,
    pivots: Array,
    c: Array,
    n: int,
    table: Any,
    numbers: Array,
    swaps: Array,
    x: Array,
) -> None:
    """As ``forward_inverse``, for several right-hand sides."""
    k = x.shape[1]
    s = np.empty(k)
    for i in range(len(order)):
        r = order[i]
        if r < 0:
            if table is not None:
                solve_block(-1 - r, starts, arguments, c, n, table, numbers, swaps, x)
            continue
        s[:] = 0.0
        for e in range(starts[r], starts[r + 1]):
            v, label = arguments[U(e)], c[U(e)]
            for j in range(k):
                s[j] += label * x[U(v), j]
        p = pivots[r]
        if p >= 0:
            v, label = arguments[p], c[U(p)]
            for j in range(k):
                x[U(v), j] = (x[U(n + r), j] - s[j]) / label
        else:
            for j in range(k):
                x[U(n + r), j] = s[j]


@njit(cache=True, error_model="numpy")
def reverse_inverse(
    order: Array,
    starts: Array,
    arguments: Array,
    pivots: Array,
    c: Array,
    n: int,
    x: Array,
) -> None:
    """Cotangents of the outputs from those of the inputs, one right-hand side. The others must be 0 before."""
    for i in range(len(order) - 1, -1, -1):
        r = order[i]
        p = pivots[r]
        if p >= 0:
            # What is left at the argument found is not read again.
            g = x[U(arguments[U(p)])] / c[U(p)]
            x[U(n + r)] += g
            for e in range(starts[r], starts[r + 1]):
                x[U(arguments[U(e)])] -= c[U(e)] * g
        else:
            g = x[U(n + r)]
            for e in range(starts[r], starts[r + 1]):
                x[U(arguments[U(e)])] += c[U(e)] * g


@njit(cache=True, error_model="numpy")
def reverse_inverse_many(
    order: Array,
    starts: Array,
    arguments: Array,
    pivots: Array,
    c: Array,
    n: int,
    table: Any,
    numbers: Array,
    swaps: Array,
    x: Array,
) -> None:
    """As ``reverse_inverse``, for several right-hand sides."""
    k = x.shape[1]
    g = np.empty(k)
    for i in range(len(order) - 1, -1, -1):
        r = order[i]
        if r < 0:
            if table is not None:
                solve_block_transposed(-1 - r, starts, arguments, c, n, table, numbers, swaps, x)
            continue
        p = pivots[r]
        if p >= 0:
            v, label = arguments[p], c[U(p)]
            for j in range(k):
                g[j] = x[U(v), j] / label
                x[U(n + r), j] += g[j]
        else:
            for j in range(k):
                g[j] = -x[U(n + r), j]
        for e in range(starts[r], starts[r + 1]):
            v, label = arguments[U(e)], c[U(e)]
            for j in range(k):
                x[U(v), j] -= label * g[j]


@njit(cache=True, error_model="numpy")
def survey(starts: Array, arguments: Array, pivots: Array, table: Any, c: Array, threshold: float) -> tuple[int, int]:
    """The first row that stands alone and has pivot 0, or −1; and how many rows have a small pivot.

    Small: at most ``threshold`` times the largest coefficient of the row.
    """
    first, small = -1, 0
    for r in range(len(starts) - 1):
        p = pivots[r]
        if p < 0:
            continue
        if table is not None:
            if table.found_in[arguments[p]] >= 0:
                continue
        largest = 0.0
        for e in range(starts[r], starts[r + 1]):
            largest = max(largest, abs(c[U(e)]))
        size = abs(c[U(p)])
        if size <= threshold * largest:
            small += 1
            if size == 0.0 and first < 0:
                first = r
    return first, small


@njit(cache=True, error_model="numpy")
def log_pivots(order: Array, pivots: Array, c: Array) -> tuple[float, float]:
    """(sign, log|·|) of the product of the scalar pivots, without overflow on the way."""
    sign, total, product = 1.0, 0.0, 1.0
    for i in range(len(order)):
        r = order[i]
        if r < 0 or pivots[r] < 0:
            continue
        p = c[pivots[r]]
        if p < 0.0:
            sign = -sign
        size = abs(p)
        if 1e-20 < size < 1e20:
            product *= size
            if not 1e-150 < product < 1e150:
                total += math.log(product)
                product = 1.0
        else:
            total += math.log(size)
    return sign, total + math.log(product)
