"""Blocks of several rows as compiled loops: assemble A, factor it with partial pivoting, solve with it and with Aᵀ.

A band is kept row by row, left-justified: when column j is eliminated, it stands first in every row that holds it, so
rows can be exchanged as they are. The multipliers follow the upper triangle.

Reference: G. Golub and C. Van Loan, Matrix Computations, section 4.3.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from flowgraph.numeric.blocks import BAND, DENSE, BlockTable

Array = NDArray[Any]

Table = namedtuple(
    "Table",
    "starts rows found_in place equation low high sizes lower upper kinds unknown_starts unknowns factor_starts",
)
"""The arrays of a ``BlockTable`` that the kernels read."""


def table_of(table: BlockTable) -> Table:
    """The block table as the kernels take it."""
    return Table(*(getattr(table, name) for name in Table._fields))


@njit(cache=True, error_model="numpy")
def _factor_dense(a: Array, size: int, swaps: Array) -> int:
    """LU of a dense matrix, row by row, in place. Returns the first column without a pivot, or −1."""
    for j in range(size):
        best, at = abs(a[j * size + j]), j
        for i in range(j + 1, size):
            if abs(a[i * size + j]) > best:
                best, at = abs(a[i * size + j]), i
        swaps[j] = at
        if not best > 0.0:
            return j
        if at != j:
            for k in range(size):
                a[j * size + k], a[at * size + k] = a[at * size + k], a[j * size + k]
        pivot = a[j * size + j]
        for i in range(j + 1, size):
            m = a[i * size + j] / pivot
            a[i * size + j] = m
            if m != 0.0:
                for k in range(j + 1, size):
                    a[i * size + k] -= m * a[j * size + k]
    return -1


@njit(cache=True, error_model="numpy")
def _factor_band(a: Array, size: int, lower: int, upper: int, swaps: Array) -> int:
    """LU of a band, in place; as ``_factor_dense``. Row i begins at i·(2·lower + upper + 1).

    The first lower + upper + 1 numbers of row i are columns max(0, i − lower) … i + upper, then those of U.
    """
    width = 2 * lower + upper + 1
    wide = lower + upper + 1
    for j in range(size):
        last = min(size - 1, j + lower)
        best, at = abs(a[j * width]), j
        for i in range(j + 1, last + 1):
            if abs(a[i * width]) > best:
                best, at = abs(a[i * width]), i
        swaps[j] = at
        if not best > 0.0:
            return j
        row = j * width
        if at != j:
            other = at * width
            for k in range(wide):
                a[row + k], a[other + k] = a[other + k], a[row + k]
        pivot = a[row]
        for i in range(j + 1, last + 1):
            other = i * width
            m = a[other] / pivot
            a[row + wide + i - j - 1] = m
            for k in range(1, wide):
                a[other + k - 1] = a[other + k] - m * a[row + k]
            a[other + wide - 1] = 0.0
    return -1


@njit(cache=True, error_model="numpy")
def _solve(a: Array, kind: int, size: int, lower: int, upper: int, swaps: Array, y: Array) -> None:
    """y ← A⁻¹ y, for every column of y."""
    wide = lower + upper + 1 if kind == BAND else size
    width = 2 * lower + upper + 1 if kind == BAND else size
    columns = y.shape[1]
    for j in range(size):
        at = swaps[j]
        last = min(size - 1, j + lower)
        if at != j:
            for q in range(columns):
                y[j, q], y[at, q] = y[at, q], y[j, q]
        if kind == DENSE:
            continue
        for i in range(j + 1, last + 1):
            m = a[j * width + wide + i - j - 1]
            for q in range(columns):
                y[i, q] -= m * y[j, q]
    if kind == DENSE:
        # The exchanges of a dense matrix move its multipliers too, so all are done first.
        for i in range(1, size):
            for j in range(i):
                m = a[i * width + j]
                for q in range(columns):
                    y[i, q] -= m * y[j, q]
    for j in range(size - 1, -1, -1):
        first = j * width if kind == BAND else j * width + j
        for k in range(1, min(wide, size - j)):
            m = a[first + k]
            for q in range(columns):
                y[j, q] -= m * y[j + k, q]
        for q in range(columns):
            y[j, q] /= a[first]


@njit(cache=True, error_model="numpy")
def _solve_transposed(a: Array, kind: int, size: int, lower: int, upper: int, swaps: Array, y: Array) -> None:
    """y ← A⁻ᵀ y, for every column of y."""
    wide = lower + upper + 1 if kind == BAND else size
    width = 2 * lower + upper + 1 if kind == BAND else size
    columns = y.shape[1]
    for j in range(size):
        first = j * width if kind == BAND else j * width + j
        for q in range(columns):
            y[j, q] /= a[first]
        for k in range(1, min(wide, size - j)):
            m = a[first + k]
            for q in range(columns):
                y[j + k, q] -= m * y[j, q]
    if kind == DENSE:
        for i in range(size - 1, 0, -1):
            for j in range(i):
                m = a[i * width + j]
                for q in range(columns):
                    y[j, q] -= m * y[i, q]
    for j in range(size - 1, -1, -1):
        if kind == BAND:
            for i in range(j + 1, min(size - 1, j + lower) + 1):
                m = a[j * width + wide + i - j - 1]
                for q in range(columns):
                    y[j, q] -= m * y[i, q]
        at = swaps[j]
        if at != j:
            for q in range(columns):
                y[j, q], y[at, q] = y[at, q], y[j, q]


@njit(cache=True, error_model="numpy")
def factor_blocks(
    starts: Array, arguments: Array, c: Array, n: int, table: Any, workspace: int, factors: Array, swaps: Array
) -> int:
    """Assemble and factor A of every block that is not external; ``factors`` must be 0 before.

    Returns:
        The first block whose A is singular, or −1.
    """
    d = np.zeros(workspace)
    for b in range(len(table.sizes)):
        kind = table.kinds[b]
        if kind != DENSE and kind != BAND:
            continue
        size, lower, upper = table.sizes[b], table.lower[b], table.upper[b]
        a = factors[table.factor_starts[b] : table.factor_starts[b + 1]]
        width = 2 * lower + upper + 1 if kind == BAND else size
        for i in range(table.starts[b], table.starts[b + 1]):
            r = table.rows[i]
            q = table.equation[i]
            low = table.low[i]
            if q >= 0:
                # Where column 0 would stand in this row.
                target = q * width - (max(0, q - lower) if kind == BAND else 0)
                into = a
                own = n + r
                if table.found_in[own] == b and table.place[own] >= 0:
                    into[target + table.place[own]] -= 1.0
            else:
                target = -1 - table.place[n + r] - low
                into = d
                for k in range(low, table.high[i]):
                    into[target + k] = 0.0
            for e in range(starts[r], starts[r + 1]):
                v, label = arguments[e], c[e]
                if table.found_in[v] != b:
                    continue
                p = table.place[v]
                if p >= 0:
                    into[target + p] += label
                else:
                    other = _row_of(table, b, v - n)
                    source = -1 - p - table.low[other]
                    for k in range(table.low[other], table.high[other]):
                        into[target + k] += label * d[source + k]
        own_swaps = swaps[table.unknown_starts[b] : table.unknown_starts[b + 1]]
        if kind == BAND:
            bad = _factor_band(a, size, lower, upper, own_swaps)
        else:
            bad = _factor_dense(a, size, own_swaps)
        if bad >= 0:
            return b
    return -1


@njit(cache=True, error_model="numpy")
def _row_of(table: Any, b: int, r: int) -> int:
    """Where a row of block b stands in ``table.rows``."""
    low, high = table.starts[b], table.starts[b + 1]
    while high - low > 1:
        middle = (low + high) // 2
        if table.rows[middle] <= r:
            low = middle
        else:
            high = middle
    return low


@njit(cache=True, error_model="numpy")
def solve_block(
    b: int, starts: Array, arguments: Array, c: Array, n: int, table: Any, factors: Array, swaps: Array, x: Array
) -> None:
    """Find the values of a block from known ones. Its own values must be 0 before."""
    columns = x.shape[1]
    size = table.sizes[b]
    y = np.empty((size, columns))
    inner = False
    for i in range(table.starts[b], table.starts[b + 1]):
        r, q = table.rows[i], table.equation[i]
        for j in range(columns):
            s = 0.0
            for e in range(starts[r], starts[r + 1]):
                s += c[e] * x[arguments[e], j]
            if q >= 0:
                y[q, j] = x[n + r, j] - s
            else:
                x[n + r, j] = s
        inner |= q < 0
    a = factors[table.factor_starts[b] : table.factor_starts[b + 1]]
    first = table.unknown_starts[b]
    _solve(a, table.kinds[b], size, table.lower[b], table.upper[b], swaps[first : first + size], y)
    for k in range(size):
        v = table.unknowns[first + k]
        for j in range(columns):
            x[v, j] = y[k, j]
    if not inner:
        return
    for i in range(table.starts[b], table.starts[b + 1]):
        r = table.rows[i]
        if table.equation[i] >= 0:
            continue
        for j in range(columns):
            s = 0.0
            for e in range(starts[r], starts[r + 1]):
                s += c[e] * x[arguments[e], j]
            x[n + r, j] = s


@njit(cache=True, error_model="numpy")
def solve_block_transposed(
    b: int, starts: Array, arguments: Array, c: Array, n: int, table: Any, factors: Array, swaps: Array, x: Array
) -> None:
    """The adjoint of ``solve_block``: what is left at the block's own values is not read again."""
    columns = x.shape[1]
    size = table.sizes[b]
    for i in range(table.starts[b + 1] - 1, table.starts[b] - 1, -1):
        if table.equation[i] >= 0:
            continue
        r = table.rows[i]
        for j in range(columns):
            g = x[n + r, j]
            x[n + r, j] = 0.0
            for e in range(starts[r], starts[r + 1]):
                x[arguments[e], j] += c[e] * g
    y = np.empty((size, columns))
    first = table.unknown_starts[b]
    for k in range(size):
        for j in range(columns):
            y[k, j] = x[table.unknowns[first + k], j]
    a = factors[table.factor_starts[b] : table.factor_starts[b + 1]]
    _solve_transposed(a, table.kinds[b], size, table.lower[b], table.upper[b], swaps[first : first + size], y)
    for i in range(table.starts[b + 1] - 1, table.starts[b] - 1, -1):
        r, q = table.rows[i], table.equation[i]
        for j in range(columns):
            if q >= 0:
                x[n + r, j] += y[q, j]
                g = -y[q, j]
            else:
                g = x[n + r, j]
            for e in range(starts[r], starts[r + 1]):
                x[arguments[e], j] += c[e] * g


@njit(cache=True, error_model="numpy")
def log_blocks(table: Any, factors: Array, swaps: Array) -> tuple[float, float]:
    """(sign, log|·|) of the product of det A of all blocks that are not external."""
    sign, total = 1.0, 0.0
    for b in range(len(table.sizes)):
        kind = table.kinds[b]
        if kind != DENSE and kind != BAND:
            continue
        size = table.sizes[b]
        width = 2 * table.lower[b] + table.upper[b] + 1 if kind == BAND else size + 1
        for j in range(size):
            p = factors[table.factor_starts[b] + j * width]
            if p < 0.0:
                sign = -sign
            if swaps[table.unknown_starts[b] + j] != j:
                sign = -sign
            total += np.log(abs(p))
    return sign, total
