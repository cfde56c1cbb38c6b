"""Blocks of several rows as compiled loops: assemble A and factor it, solve, and solve transposed."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from flowgraph.numeric.blocks import BAND, EXTERNAL, BlockTable
from flowgraph.numeric.compiled import factors as lu
from flowgraph.numeric.compiled.unsigned import U

Array = NDArray[Any]

Table = namedtuple(
    "Table",
    "starts rows found_in place row_at equation low high offset sizes lower upper kinds unknown_starts unknowns "
    "factor_starts",
)
"""The arrays of a ``BlockTable`` that the kernels read."""


def table_of(table: BlockTable) -> Table:
    """The block table as the kernels take it."""
    return Table(*(getattr(table, name) for name in Table._fields))


@njit(cache=True, error_model="numpy")
def factor_blocks(
    starts: Array,
    arguments: Array,
    c: Array,
    n: int,
    table: Any,
    workspace: int,
    numbers: Array,
    swaps: Array,
) -> int:
    """Assemble A of every block that is not external in ``numbers``, which must be 0 before, and factor it.

    Returns:
        The first block whose A is singular, or −1.
    """
    # Taken out once: each time counts references, which costs more than factoring a 2 × 2 block.
    block_starts, rows, found_in, place, row_at = table.starts, table.rows, table.found_in, table.place, table.row_at
    equation, lows, highs, offsets, kinds = table.equation, table.low, table.high, table.offset, table.kinds
    sizes, lowers, uppers, firsts, at = table.sizes, table.lower, table.upper, table.unknown_starts, table.factor_starts
    # For the inner rows.
    d = np.empty(workspace)
    for b in range(len(sizes)):
        kind, size, lower, upper = kinds[U(b)], sizes[U(b)], lowers[U(b)], uppers[U(b)]
        if kind == EXTERNAL:
            continue
        a = numbers[at[U(b)] : at[U(b + 1)]]
        width = 2 * lower + upper + 1 if kind == BAND else size
        for i in range(block_starts[U(b)], block_starts[U(b + 1)]):
            r, q, low = rows[U(i)], equation[U(i)], lows[U(i)]
            if q >= 0:
                # Where column 0 would stand in this row.
                target = q * width + (lower - q if kind == BAND else 0)
                if found_in[U(n + r)] == b and place[U(n + r)] >= 0:
                    a[target + place[U(n + r)]] -= 1.0
            else:
                target = offsets[U(i)] - low
                for k in range(offsets[U(i)], target + highs[U(i)]):
                    d[U(k)] = 0.0
            for e in range(starts[U(r)], starts[U(r + 1)]):
                v, label = arguments[U(e)], c[U(e)]
                if found_in[U(v)] != b:
                    continue
                p = place[U(v)]
                if p >= 0:
                    if q >= 0:
                        a[U(target + p)] += label
                    else:
                        d[U(target + p)] += label
                    continue
                other = row_at[U(v)]
                first, count = lows[U(other)], highs[U(other)] - lows[U(other)]
                if q >= 0:
                    lu.add_from(a, target + first, d, offsets[U(other)], label, count)
                else:
                    lu.add_from(d, target + first, d, offsets[U(other)], label, count)
        if not lu.factor(a, kind, size, lower, upper, swaps[firsts[U(b)] : firsts[U(b + 1)]]):
            return b
    return -1


@njit(cache=True, error_model="numpy")
def _inner_rows(b: int, starts: Array, arguments: Array, c: Array, n: int, table: Any, x: Array) -> None:
    """The results of the inner rows from the values they read."""
    for i in range(table.starts[b], table.starts[b + 1]):
        if table.equation[i] >= 0:
            continue
        r = table.rows[i]
        for j in range(x.shape[1]):
            s = 0.0
            for e in range(starts[r], starts[r + 1]):
                s += c[U(e)] * x[U(arguments[U(e)]), j]
            x[U(n + r), j] = s


@njit(cache=True, error_model="numpy")
def _residuals(b: int, starts: Array, arguments: Array, c: Array, n: int, table: Any, x: Array, y: Array) -> None:
    """y ← what is missing in every equation, with the results of the inner rows brought up to date."""
    for i in range(table.starts[b], table.starts[b + 1]):
        r, q = table.rows[i], table.equation[i]
        for j in range(x.shape[1]):
            s = 0.0
            for e in range(starts[r], starts[r + 1]):
                s += c[U(e)] * x[U(arguments[U(e)]), j]
            if q >= 0:
                y[q, j] = x[U(n + r), j] - s
            else:
                x[U(n + r), j] = s


@njit(cache=True, error_model="numpy")
def solve_block(
    b: int,
    starts: Array,
    arguments: Array,
    c: Array,
    n: int,
    table: Any,
    numbers: Array,
    swaps: Array,
    x: Array,
) -> None:
    """Find the values of a block from known ones. Its own values must be 0 before."""
    columns, size, first = x.shape[1], table.sizes[b], table.unknown_starts[b]
    a = numbers[table.factor_starts[b] : table.factor_starts[b + 1]]
    own_swaps = swaps[first : first + size]
    y = np.empty((size, columns))
    _residuals(b, starts, arguments, c, n, table, x, y)
    lu.solve(a, table.kinds[b], size, table.lower[b], table.upper[b], own_swaps, y)
    for k in range(size):
        v = table.unknowns[first + k]
        for j in range(columns):
            x[U(v), j] = y[k, j]
    if table.starts[b + 1] - table.starts[b] > size:
        _inner_rows(b, starts, arguments, c, n, table, x)


@njit(cache=True, error_model="numpy")
def solve_block_transposed(
    b: int,
    starts: Array,
    arguments: Array,
    c: Array,
    n: int,
    table: Any,
    numbers: Array,
    swaps: Array,
    x: Array,
) -> None:
    """The adjoint of ``solve_block``: what is left at the block's own values is not read again."""
    columns, size, first = x.shape[1], table.sizes[b], table.unknown_starts[b]
    begin, end = table.starts[b], table.starts[b + 1]
    if end - begin > size:
        for i in range(end - 1, begin - 1, -1):
            if table.equation[i] >= 0:
                continue
            r = table.rows[i]
            for j in range(columns):
                g = x[U(n + r), j]
                x[U(n + r), j] = 0.0
                for e in range(starts[r], starts[r + 1]):
                    x[U(arguments[U(e)]), j] += c[U(e)] * g
    y = np.empty((size, columns))
    for k in range(size):
        for j in range(columns):
            y[k, j] = x[table.unknowns[first + k], j]
    a = numbers[table.factor_starts[b] : table.factor_starts[b + 1]]
    own_swaps = swaps[first : first + size]
    lu.solve_transposed(a, table.kinds[b], size, table.lower[b], table.upper[b], own_swaps, y)
    for i in range(end - 1, begin - 1, -1):
        r, q = table.rows[i], table.equation[i]
        for j in range(columns):
            if q >= 0:
                x[U(n + r), j] += y[q, j]
                g = -y[q, j]
            else:
                g = x[U(n + r), j]
            for e in range(starts[r], starts[r + 1]):
                x[U(arguments[U(e)]), j] += c[U(e)] * g


@njit(cache=True, error_model="numpy")
def log_blocks(table: Any, numbers: Array, swaps: Array) -> tuple[float, float]:
    """(sign, log|·|) of the product of det A of all blocks that are not external."""
    sign, total = 1.0, 0.0
    for b in range(len(table.sizes)):
        if table.kinds[b] == EXTERNAL:
            continue
        a = numbers[table.factor_starts[b] : table.factor_starts[b + 1]]
        own_swaps = swaps[table.unknown_starts[b] : table.unknown_starts[b + 1]]
        s, log = lu.log_determinant(a, table.kinds[b], table.sizes[b], table.lower[b], table.upper[b], own_swaps)
        sign *= s
        total += log
    return sign, total
