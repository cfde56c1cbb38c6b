"""The inverse sweeps through rows and blocks, for one right-hand side.

A flow has a small block in every time step, so nothing is allocated for a block here, no view is made of an array and
no array taken out of the table: each would count references, which cost more than the arithmetic of a 2 × 2 block.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from flowgraph.numeric.compiled import factors as lu
from flowgraph.numeric.compiled.unsigned import U

Array = NDArray[Any]


@njit(cache=True, error_model="numpy")
def forward_inverse(
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
    """As ``sweeps.forward_inverse``, with blocks."""
    block_starts, rows, equation, unknowns = table.starts, table.rows, table.equation, table.unknowns
    sizes, kinds, firsts, factor_starts = table.sizes, table.kinds, table.unknown_starts, table.factor_starts
    lower, upper = table.lower, table.upper
    y = np.empty(sizes.max())
    for i in range(len(order)):
        r = order[i]
        if r >= 0:
            s = 0.0
            # The argument sought is still 0.
            for e in range(starts[U(r)], starts[U(r + 1)]):
                s += c[U(e)] * x[U(arguments[U(e)])]
            p = pivots[U(r)]
            if p >= 0:
                x[U(arguments[U(p)])] = (x[U(n + r)] - s) / c[U(p)]
            else:
                x[U(n + r)] = s
            continue
        b = -1 - r
        size, first, at = sizes[U(b)], firsts[U(b)], factor_starts[U(b)]
        begin, end = block_starts[U(b)], block_starts[U(b + 1)]
        for k in range(begin, end):
            r, q = rows[U(k)], equation[U(k)]
            s = 0.0
            for e in range(starts[U(r)], starts[U(r + 1)]):
                s += c[U(e)] * x[U(arguments[U(e)])]
            if q >= 0:
                y[U(q)] = x[U(n + r)] - s
            else:
                x[U(n + r)] = s
        lu.solve_one(numbers, at, kinds[U(b)], size, lower[U(b)], upper[U(b)], swaps, first, y)
        for k in range(size):
            x[U(unknowns[U(first + k)])] = y[U(k)]
        for k in range(begin, end):
            if equation[U(k)] < 0:
                r = rows[U(k)]
                s = 0.0
                for e in range(starts[U(r)], starts[U(r + 1)]):
                    s += c[U(e)] * x[U(arguments[U(e)])]
                x[U(n + r)] = s


@njit(cache=True, error_model="numpy")
def reverse_inverse(
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
    """As ``sweeps.reverse_inverse``, with blocks."""
    block_starts, rows, equation, unknowns = table.starts, table.rows, table.equation, table.unknowns
    sizes, kinds, firsts, factor_starts = table.sizes, table.kinds, table.unknown_starts, table.factor_starts
    lower, upper = table.lower, table.upper
    y = np.empty(sizes.max())
    for i in range(len(order) - 1, -1, -1):
        r = order[i]
        if r >= 0:
            p = pivots[U(r)]
            if p >= 0:
                # What is left at the argument found is not read again.
                g = -x[U(arguments[U(p)])] / c[U(p)]
                x[U(n + r)] -= g
            else:
                g = x[U(n + r)]
            for e in range(starts[U(r)], starts[U(r + 1)]):
                x[U(arguments[U(e)])] += c[U(e)] * g
            continue
        b = -1 - r
        size, first, at = sizes[U(b)], firsts[U(b)], factor_starts[U(b)]
        begin, end = block_starts[U(b)], block_starts[U(b + 1)]
        for k in range(end - 1, begin - 1, -1):
            if equation[U(k)] < 0:
                r = rows[U(k)]
                g = x[U(n + r)]
                x[U(n + r)] = 0.0
                for e in range(starts[U(r)], starts[U(r + 1)]):
                    x[U(arguments[U(e)])] += c[U(e)] * g
        for k in range(size):
            y[U(k)] = x[U(unknowns[U(first + k)])]
        lu.solve_one_transposed(numbers, at, kinds[U(b)], size, lower[U(b)], upper[U(b)], swaps, first, y)
        for k in range(end - 1, begin - 1, -1):
            r, q = rows[U(k)], equation[U(k)]
            if q >= 0:
                g = -y[U(q)]
                x[U(n + r)] -= g
            else:
                g = x[U(n + r)]
            for e in range(starts[U(r)], starts[U(r + 1)]):
                x[U(arguments[U(e)])] += c[U(e)] * g
