"""Batches of one program: LANES members side by side, every number of theirs next to each other; chunks in parallel.

For programs whose rows all stand alone; blocks of several rows are solved member by member.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from flowgraph.numeric.compiled.lanes import LANES, operate
from flowgraph.numeric.compiled.unsigned import U
from flowgraph.operations import CODES

Array = NDArray[Any]

_SELECT = CODES["select"]


@njit(cache=True, error_model="numpy")
def _evaluate_chunk(
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
    linear: bool,
    v: Array,
    d: Array,
    bad: Array,
) -> None:
    """``interpreter.rows`` for LANES members: v and d have one column for each."""
    x, y, c = np.zeros(LANES), np.zeros(LANES), np.zeros(LANES)
    z, a, b = np.empty((longest, LANES)), np.empty((longest, LANES)), np.empty((longest, LANES))
    check = np.zeros(LANES)
    # Where no derivative flows, the result must be finite, and nothing more.
    nowhere = np.zeros(LANES, np.bool_)
    result = len(v) - len(ends)
    conditions = 0
    begin = 0
    for r in range(len(ends)):
        size = ends[r] - begin
        for j in range(size):
            t = begin + j
            p, o = left[t], right[t]
            for q in range(LANES):
                x[q] = v[U(p), q]
            for q in range(LANES):
                y[q] = v[U(o), q]
            if codes[t] == _SELECT:
                p = third[conditions]
                conditions += 1
                for q in range(LANES):
                    c[q] = v[U(p), q]
            operate(codes[t], x, y, c, z, a, b, j, bad if starts[r + 1] > starts[r] else nowhere)
            p = inner + j if j < size - 1 else result + r
            for q in range(LANES):
                v[U(p), q] = z[U(j), q]
                check[q] += z[U(j), q] * 0.0
        if linear:
            for j in range(size - 1, -1, -1):
                t = begin + j
                if j == size - 1:
                    for q in range(LANES):
                        x[q] = 1.0
                else:
                    for q in range(LANES):
                        x[q] = d[U(1 + j), q]
                        d[U(1 + j), q] = 0.0
                p = to_left[t]
                if p > 0:
                    for q in range(LANES):
                        d[U(p), q] += x[q] * a[U(j), q]
                p = to_right[t]
                if p > 0:
                    for q in range(LANES):
                        d[U(p), q] += x[q] * b[U(j), q]
            for e in range(starts[r], starts[r + 1]):
                p = 1 + longest + e
                for q in range(LANES):
                    check[q] += d[U(p), q] * 0.0
        begin = ends[r]
    for q in range(LANES):
        bad[q] |= check[q] != 0.0


@njit(cache=True, parallel=True, error_model="numpy")
def evaluate(
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
    linear: bool,
    constants: Array,
    size: int,
    x: Array,
    wanted: Array,
    found: Array,
    fine: Array,
    d: Array,
) -> None:
    """Values, and with ``linear`` the coefficients, of every member.

    Args:
        size: numbers of one member: constants, the longest statement, inputs and results.
        x: (B, n).
        wanted: which values to give back.
        found: (B, ·) these values.
        fine: (B,) whether everything is finite and inside its domain.
        d: (chunks, ·, LANES) zeros, see ``interpreter.rows``.
        The others: see ``interpreter.rows``.
    """
    n = x.shape[1]
    for chunk in prange(len(d)):
        v = np.empty((size, LANES))
        bad = np.zeros(LANES, np.bool_)
        first = chunk * LANES
        for k in range(inner):
            for q in range(LANES):
                v[k, q] = constants[k]
        for q in range(LANES):
            # Lanes without a member repeat the last one.
            b = min(first + q, len(x) - 1)
            for k in range(n):
                v[inner + longest + k, q] = x[b, k]
        _evaluate_chunk(
            codes, left, right, third, to_left, to_right, ends, starts, inner, longest, linear, v, d[chunk], bad
        )
        for q in range(min(LANES, len(x) - first)):
            fine[first + q] = not bad[q]
            for k in range(len(wanted)):
                found[first + q, k] = v[inner + longest + wanted[k], q]


@njit(cache=True, error_model="numpy")
def _forward(starts: Array, arguments: Array, c: Array, offset: int, n: int, x: Array) -> None:
    s = np.empty(LANES)
    for r in range(len(starts) - 1):
        for q in range(LANES):
            s[q] = 0.0
        for e in range(starts[r], starts[r + 1]):
            v, p = arguments[U(e)], offset + e
            for q in range(LANES):
                s[q] += c[U(p), q] * x[U(v), q]
        for q in range(LANES):
            x[U(n + r), q] = s[q]


@njit(cache=True, error_model="numpy")
def _reverse(starts: Array, arguments: Array, c: Array, offset: int, n: int, x: Array) -> None:
    g = np.empty(LANES)
    for r in range(len(starts) - 2, -1, -1):
        for q in range(LANES):
            g[q] = x[U(n + r), q]
        for e in range(starts[r], starts[r + 1]):
            v, p = arguments[U(e)], offset + e
            for q in range(LANES):
                x[U(v), q] += c[U(p), q] * g[q]


@njit(cache=True, error_model="numpy")
def _forward_inverse(
    order: Array, starts: Array, arguments: Array, pivots: Array, c: Array, offset: int, n: int, x: Array
) -> None:
    s = np.empty(LANES)
    for i in range(len(order)):
        r = order[i]
        for q in range(LANES):
            s[q] = 0.0
        for e in range(starts[r], starts[r + 1]):
            v, p = arguments[U(e)], offset + e
            for q in range(LANES):
                s[q] += c[U(p), q] * x[U(v), q]
        if pivots[r] >= 0:
            v, p = arguments[pivots[r]], offset + pivots[r]
            for q in range(LANES):
                x[U(v), q] = (x[U(n + r), q] - s[q]) / c[U(p), q]
        else:
            for q in range(LANES):
                x[U(n + r), q] = s[q]


@njit(cache=True, error_model="numpy")
def _reverse_inverse(
    order: Array, starts: Array, arguments: Array, pivots: Array, c: Array, offset: int, n: int, x: Array
) -> None:
    g = np.empty(LANES)
    for i in range(len(order) - 1, -1, -1):
        r = order[i]
        if pivots[r] >= 0:
            v, p = arguments[pivots[r]], offset + pivots[r]
            for q in range(LANES):
                g[q] = x[U(v), q] / c[U(p), q]
                x[U(n + r), q] += g[q]
        else:
            for q in range(LANES):
                g[q] = -x[U(n + r), q]
        for e in range(starts[r], starts[r + 1]):
            v, p = arguments[U(e)], offset + e
            for q in range(LANES):
                x[U(v), q] -= c[U(p), q] * g[q]


FORWARD, REVERSE, FORWARD_INVERSE, REVERSE_INVERSE = range(4)


@njit(cache=True, parallel=True, error_model="numpy")
def sweep(
    mode: int,
    order: Array,
    starts: Array,
    arguments: Array,
    pivots: Array,
    outputs: Array,
    n: int,
    c: Array,
    offset: int,
    rhs: Array,
    out: Array,
) -> None:
    """One of the four modes for every member: rhs (B, ·, k), out (B, ·, k), c (chunks, offset + E, LANES)."""
    into_outputs = mode == FORWARD or mode == REVERSE_INVERSE
    for chunk in prange(len(c)):
        first = chunk * LANES
        width = min(LANES, len(rhs) - first)
        x = np.empty((n + len(starts) - 1, LANES))
        for j in range(rhs.shape[2]):
            x[:] = 0.0
            for q in range(width):
                if into_outputs:
                    for v in range(n):
                        x[U(v), q] = rhs[first + q, v, j]
                else:
                    for i in range(len(outputs)):
                        x[outputs[i], q] += rhs[first + q, i, j]
            if mode == FORWARD:
                _forward(starts, arguments, c[chunk], offset, n, x)
            elif mode == REVERSE:
                _reverse(starts, arguments, c[chunk], offset, n, x)
            elif mode == FORWARD_INVERSE:
                _forward_inverse(order, starts, arguments, pivots, c[chunk], offset, n, x)
            else:
                _reverse_inverse(order, starts, arguments, pivots, c[chunk], offset, n, x)
            for q in range(width):
                if into_outputs:
                    for i in range(len(outputs)):
                        out[first + q, i, j] = x[outputs[i], q]
                else:
                    for v in range(n):
                        out[first + q, v, j] = x[U(v), q]


@njit(cache=True, parallel=True, error_model="numpy")
def survey(
    starts: Array, pivots: Array, c: Array, offset: int, threshold: float, zero_row: Array, n_small: Array
) -> None:
    """``sweeps.survey`` for every member, without the rows."""
    for chunk in prange(len(c)):
        largest = np.empty(LANES)
        first = np.full(LANES, -1)
        small = np.zeros(LANES, np.int64)
        for r in range(len(pivots)):
            if pivots[r] < 0:
                continue
            for q in range(LANES):
                largest[q] = 0.0
            for e in range(starts[r], starts[r + 1]):
                p = offset + e
                for q in range(LANES):
                    largest[q] = max(largest[q], abs(c[chunk, U(p), q]))
            p = offset + pivots[r]
            for q in range(LANES):
                size = abs(c[chunk, U(p), q])
                small[q] += size <= threshold * largest[q]
                if size == 0.0 and first[q] < 0:
                    first[q] = r
        for q in range(min(LANES, len(zero_row) - chunk * LANES)):
            zero_row[chunk * LANES + q] = first[q]
            n_small[chunk * LANES + q] = small[q]


@njit(cache=True, error_model="numpy")
def log_pivots(order: Array, pivots: Array, c: Array, offset: int, signs: Array, logs: Array) -> None:
    """``sweeps.log_pivots`` for every member."""
    for chunk in range(len(c)):
        sign, total, product = np.ones(LANES), np.zeros(LANES), np.ones(LANES)
        for i in range(len(order)):
            p = pivots[order[i]]
            if p < 0:
                continue
            for q in range(LANES):
                factor = c[chunk, offset + p, q]
                sign[q] = -sign[q] if factor < 0.0 else sign[q]
                size = abs(factor)
                if 1e-20 < size < 1e20:
                    product[q] *= size
                    if not 1e-150 < product[q] < 1e150:
                        total[q] += np.log(product[q])
                        product[q] = 1.0
                else:
                    total[q] += np.log(size)
        for q in range(min(LANES, len(signs) - chunk * LANES)):
            signs[chunk * LANES + q] = sign[q]
            logs[chunk * LANES + q] = total[q] + np.log(product[q])
