"""Evaluation of many equal statements at once: lanes.

Code written on arrays becomes runs of rows whose statements are equal but for the values they read; the members of a
batch are equal statements too. Each operation code is then looked at once for LANES of them, the arithmetic runs in
vector registers, and no lane waits for another.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from flowgraph.numeric.compiled import interpreter
from flowgraph.numeric.compiled.interpreter import step
from flowgraph.numeric.compiled.unsigned import U
from flowgraph.operations import CODES, OPERATIONS

Array = NDArray[Any]

LANES = 16
"""Statements that are evaluated together."""


_ADD, _SUB, _MUL, _DIV, _NEG, _SQUARE, _SELECT = (
    CODES[name] for name in ("add", "sub", "mul", "div", "neg", "square", "select")
)
_CUBE = interpreter.CUBE
_UNARY = np.zeros(256, dtype=np.bool_)
_UNARY[[_CUBE, *(code for code, op in enumerate(OPERATIONS) if op.arity == 1)]] = True


@njit(inline="always", error_model="numpy")
def operate(code: Any, x: Array, y: Array, c: Array, z: Array, a: Array, b: Array, j: int, bad: Array) -> None:
    """``interpreter.step`` on all lanes; results go to row j of z, a and b.

    ``bad`` becomes True where the operands are outside the domain.
    """
    if code == _ADD:
        for q in range(LANES):
            z[j, q] = x[q] + y[q]
            a[j, q] = 1.0
            b[j, q] = 1.0
        return
    if code == _SUB:
        for q in range(LANES):
            z[j, q] = x[q] - y[q]
            a[j, q] = 1.0
            b[j, q] = -1.0
        return
    if code == _MUL:
        for q in range(LANES):
            z[j, q] = x[q] * y[q]
            a[j, q] = y[q]
            b[j, q] = x[q]
        return
    if code == _SQUARE:
        for q in range(LANES):
            z[j, q] = x[q] * x[q]
            a[j, q] = 2.0 * x[q]
            b[j, q] = 0.0
        return
    if code == _CUBE:
        for q in range(LANES):
            s = x[q] * x[q]
            z[j, q] = s * x[q]
            a[j, q] = 3.0 * s
            b[j, q] = 0.0
        return
    if code == _NEG:
        for q in range(LANES):
            z[j, q] = -x[q]
            a[j, q] = -1.0
            b[j, q] = 0.0
        return
    if code == _DIV:
        for q in range(LANES):
            s = x[q] / y[q]
            z[j, q] = s
            a[j, q] = 1.0 / y[q]
            b[j, q] = -s / y[q]
            bad[q] |= y[q] == 0.0
        return
    for q in range(LANES):
        s, t, u, outside = step(code, x[q], y[q], c[q])
        z[j, q] = s
        a[j, q] = t
        b[j, q] = u
        bad[q] |= outside


@njit(cache=True)
def runs(
    codes: Array,
    left: Array,
    right: Array,
    to_left: Array,
    to_right: Array,
    ends: Array,
    levels: Array,
    inner: int,
    longest: int,
) -> Array:
    """(R,) for the first row of a run of equal statements its length, else 0.

    A run stays in one level, where no row reads the result of another one.
    """
    n_rows = len(ends)
    opens = np.zeros(n_rows + 1, np.bool_)
    for level in levels:
        opens[level] = True
    length = np.zeros(n_rows, np.int32)
    first = 0
    before = -1
    begin = 0
    for r in range(n_rows):
        end = ends[r]
        same = end - begin == before and not opens[r]
        t = begin
        while same and t < end:
            o = t - before
            same = codes[t] == codes[o] and codes[t] != _SELECT
            same = same and _alike(left[t] - inner, left[o] - inner, longest)
            same = same and _alike(right[t] - inner, right[o] - inner, longest)
            same = same and _alike(to_left[t], to_left[o], longest + 1)
            same = same and _alike(to_right[t], to_right[o], longest + 1)
            t += 1
        if not same:
            first = r
        length[first] += 1
        before = end - begin
        begin = end
    return length


@njit(cache=True)
def _alike(one: int, other: int, bound: int) -> bool:
    """Equal, or both outside 0 … bound − 1."""
    return one == other or ((one < 0 or one >= bound) and (other < 0 or other >= bound))


@njit(cache=True, error_model="numpy")
def linearise(
    codes: Array,
    left: Array,
    right: Array,
    third: Array,
    to_left: Array,
    to_right: Array,
    ends: Array,
    starts: Array,
    length: Array,
    inner: int,
    longest: int,
    v: Array,
    d: Array,
) -> bool:
    """``interpreter.linearise`` with the runs found by ``runs``."""
    n_rows = len(ends)
    result = len(v) - n_rows
    base = 1 + longest
    x, y, c = np.zeros(LANES), np.zeros(LANES), np.zeros(LANES)
    z, a, b = np.empty((longest, LANES)), np.empty((longest, LANES)), np.empty((longest, LANES))
    g = np.zeros((longest, LANES))
    check = np.zeros(LANES)
    bad = np.zeros(LANES, np.bool_)
    fine = True
    conditions = 0
    r = 0
    begin = 0
    while r < n_rows:
        count = length[r]
        size = ends[r] - begin
        full = count - count % LANES
        if full == 0:
            # From here to the next run, one by one.
            last = r + count
            while last < n_rows and length[last] < LANES:
                last += length[last]
            ok, conditions = interpreter.rows(
                r, last, codes, left, right, third, to_left, to_right, ends, starts, inner, longest, v, d, conditions
            )
            fine &= ok
            r = last
            begin = ends[r - 1]
            continue
        for first in range(0, full, LANES):
            t0 = begin + first * size
            for j in range(size):
                t = t0 + j
                p = left[t] - inner
                if 0 <= p < longest:
                    for q in range(LANES):
                        x[q] = z[U(p), q]
                else:
                    for q in range(LANES):
                        x[q] = v[U(left[U(t + q * size)])]
                p = right[t] - inner
                if _UNARY[codes[t]]:
                    pass
                elif 0 <= p < longest:
                    for q in range(LANES):
                        y[q] = z[U(p), q]
                else:
                    for q in range(LANES):
                        y[q] = v[U(right[U(t + q * size)])]
                operate(codes[t], x, y, c, z, a, b, j, bad)
                for q in range(LANES):
                    check[q] += z[U(j), q] * 0.0
            r0 = r + first
            if starts[r0] == starts[r0 + LANES]:
                # Where no derivative flows, the result must be finite, and nothing more.
                bad[:] = False
            fine &= not bad.any()
            for q in range(LANES):
                v[U(result + r0 + q)] = z[size - 1, q]
                g[size - 1, q] = 1.0
            for j in range(size - 1, -1, -1):
                t = t0 + j
                p = to_left[t]
                if 0 < p < base:
                    for q in range(LANES):
                        g[U(p - 1), q] += g[U(j), q] * a[U(j), q]
                elif p > 0:
                    for q in range(LANES):
                        d[U(to_left[U(t + q * size)])] += g[U(j), q] * a[U(j), q]
                p = to_right[t]
                if 0 < p < base:
                    for q in range(LANES):
                        g[U(p - 1), q] += g[U(j), q] * b[U(j), q]
                elif p > 0:
                    for q in range(LANES):
                        d[U(to_right[U(t + q * size)])] += g[U(j), q] * b[U(j), q]
                for q in range(LANES):
                    g[U(j), q] = 0.0
            e, stop = base + starts[r0], base + starts[r0 + LANES]
            while e + LANES <= stop:
                for q in range(LANES):
                    check[q] += d[U(e + q)] * 0.0
                e += LANES
            while e < stop:
                check[0] += d[e] * 0.0
                e += 1
        if full < count:
            ok, conditions = interpreter.rows(
                r + full,
                r + count,
                codes,
                left,
                right,
                third,
                to_left,
                to_right,
                ends,
                starts,
                inner,
                longest,
                v,
                d,
                conditions,
            )
            fine &= ok
        r += count
        begin = ends[r - 1]
    d[0] = 0.0
    return fine and check.sum() == 0.0
