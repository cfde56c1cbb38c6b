"""LU factors of small dense matrices and of bands, in place, with partial pivoting; and solving with them.

A dense matrix is kept row by row. So is a band: row i holds columns i − lower … i + upper + lower, with room for what
row exchanges fill in; multipliers stay where they eliminated.

Unsigned places tell the compiler that no index counts from the end, without which it does not use vector registers.

Reference: G. Golub and C. Van Loan, Matrix Computations, sections 3.4 and 4.3.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from flowgraph.numeric.blocks import BAND
from flowgraph.numeric.compiled.unsigned import U

Array = NDArray[Any]


@njit(cache=True, error_model="numpy")
def subtract(x: Array, to: int, source: int, m: float, count: int) -> None:
    """x[to : to + count] −= m · x[source : source + count]."""
    for k in range(count):
        x[U(to) + U(k)] -= m * x[U(source) + U(k)]


@njit(cache=True, error_model="numpy")
def add_from(x: Array, to: int, y: Array, source: int, m: float, count: int) -> None:
    """x[to : to + count] += m · y[source : source + count]."""
    for k in range(count):
        x[U(to) + U(k)] += m * y[U(source) + U(k)]


@njit(cache=True, error_model="numpy")
def _dot(a: Array, first: int, y: Array, start: int, count: int) -> float:
    """a[first : first + count] · y[start : start + count]; four sums, so that no addition waits for the one before."""
    s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
    k = 0
    while k + 3 < count:
        s0 += a[U(first + k)] * y[U(start + k)]
        s1 += a[U(first + k + 1)] * y[U(start + k + 1)]
        s2 += a[U(first + k + 2)] * y[U(start + k + 2)]
        s3 += a[U(first + k + 3)] * y[U(start + k + 3)]
        k += 4
    while k < count:
        s0 += a[U(first + k)] * y[U(start + k)]
        k += 1
    return (s0 + s1) + (s2 + s3)


@njit(cache=True, error_model="numpy")
def _exchange(x: Array, one: int, other: int, count: int) -> None:
    for k in range(count):
        kept = x[U(one) + U(k)]
        x[U(one) + U(k)] = x[U(other) + U(k)]
        x[U(other) + U(k)] = kept


@njit(cache=True, error_model="numpy")
def factor(a: Array, kind: int, size: int, lower: int, upper: int, swaps: Array) -> bool:
    """LU in place. False where a column has no pivot that is finite and not 0."""
    if kind != BAND:
        return _factor_dense(a, size, swaps)
    if lower == 1 and upper == 1:
        return _factor_tridiagonal(a, size, swaps)
    return _factor_band(a, size, lower, upper, swaps)


@njit(cache=True, error_model="numpy")
def _factor_dense(a: Array, size: int, swaps: Array) -> bool:
    for j in range(size):
        best, at = abs(a[j * size + j]), j
        for i in range(j + 1, size):
            if abs(a[i * size + j]) > best:
                best, at = abs(a[i * size + j]), i
        swaps[j] = at
        if not 0.0 < best < np.inf:
            return False
        if at != j:
            _exchange(a, j * size, at * size, size)
        pivot = a[j * size + j]
        for i in range(j + 1, size):
            m = a[i * size + j] / pivot
            a[i * size + j] = m
            if m != 0.0:
                subtract(a, i * size + j + 1, j * size + j + 1, m, size - j - 1)
    return True


@njit(cache=True, error_model="numpy")
def _factor_band(a: Array, size: int, lower: int, upper: int, swaps: Array) -> bool:
    # From a place in one row to the same column in the next row.
    down = 2 * lower + upper
    for j in range(size):
        last = min(size - 1, j + lower)
        count = min(lower + upper, size - 1 - j)
        row = j * (down + 1) + lower
        best, at = abs(a[row]), j
        for i in range(j + 1, last + 1):
            if abs(a[row + (i - j) * down]) > best:
                best, at = abs(a[row + (i - j) * down]), i
        swaps[j] = at
        if not 0.0 < best < np.inf:
            return False
        if at != j:
            _exchange(a, row, row + (at - j) * down, count + 1)
        pivot = a[row]
        for i in range(j + 1, last + 1):
            other = row + (i - j) * down
            m = a[other] / pivot
            a[other] = m
            if m != 0.0:
                subtract(a, other + 1, row + 1, m, count)
    return True


@njit(cache=True, error_model="numpy")
def _factor_tridiagonal(a: Array, size: int, swaps: Array) -> bool:
    b0, b1, b2 = a[1], a[2], 0.0
    for j in range(size - 1):
        o = 4 * j + 4
        c0, c1, c2 = a[U(o)], a[U(o + 1)], a[U(o + 2)]
        if abs(c0) > abs(b0):
            swaps[j] = j + 1
            b0, b1, b2, c0, c1, c2 = c0, c1, c2, b0, b1, b2
        else:
            swaps[j] = j
        if not 0.0 < abs(b0) < np.inf:
            return False
        m = c0 / b0
        a[U(o - 3)], a[U(o - 2)], a[U(o - 1)], a[U(o)] = b0, b1, b2, m
        b0, b1, b2 = c1 - m * b1, c2 - m * b2, 0.0
    a[4 * size - 3] = b0
    swaps[size - 1] = size - 1
    return 0.0 < abs(b0) < np.inf


@njit(cache=True, error_model="numpy")
def solve(a: Array, kind: int, size: int, lower: int, upper: int, swaps: Array, y: Array) -> None:
    """y ← A⁻¹ y, for every column of y (size, columns)."""
    if kind != BAND:
        _solve_dense(a, size, swaps, y)
    elif lower == 1 and upper == 1 and y.shape[1] == 1:
        _solve_tridiagonal(a, size, swaps, y.reshape(size))
    elif y.shape[1] == 1:
        _solve_band_one(a, size, lower, upper, swaps, y.reshape(size))
    else:
        _solve_band(a, size, lower, upper, swaps, y)


@njit(cache=True, error_model="numpy")
def _solve_dense(a: Array, size: int, swaps: Array, y: Array) -> None:
    columns = y.shape[1]
    for j in range(size):
        at = swaps[j]
        if at != j:
            for q in range(columns):
                y[j, q], y[at, q] = y[at, q], y[j, q]
    for i in range(1, size):
        for q in range(columns):
            s = y[i, q]
            for j in range(i):
                s -= a[U(i * size + j)] * y[j, q]
            y[i, q] = s
    for j in range(size - 1, -1, -1):
        for q in range(columns):
            s = y[j, q]
            for k in range(j + 1, size):
                s -= a[U(j * size + k)] * y[U(k), q]
            y[j, q] = s / a[j * size + j]


@njit(cache=True, error_model="numpy")
def _solve_band(a: Array, size: int, lower: int, upper: int, swaps: Array, y: Array) -> None:
    down, columns = 2 * lower + upper, y.shape[1]
    flat = y.reshape(size * columns)
    for j in range(size):
        at = swaps[j]
        if at != j:
            _exchange(flat, j * columns, at * columns, columns)
        row = j * (down + 1) + lower
        for i in range(j + 1, min(size - 1, j + lower) + 1):
            subtract(flat, i * columns, j * columns, a[row + (i - j) * down], columns)
    for j in range(size - 1, -1, -1):
        row = j * (down + 1) + lower
        for k in range(1, min(lower + upper, size - 1 - j) + 1):
            subtract(flat, j * columns, (j + k) * columns, a[row + k], columns)
        for q in range(columns):
            y[j, q] /= a[row]


@njit(cache=True, error_model="numpy")
def _solve_band_one(a: Array, size: int, lower: int, upper: int, swaps: Array, y: Array) -> None:
    """As ``_solve_band`` for y (size,)."""
    down = 2 * lower + upper
    for j in range(size):
        at = swaps[j]
        if at != j:
            y[j], y[at] = y[at], y[j]
        g = y[j]
        row = j * (down + 1) + lower
        for i in range(1, min(size - 1 - j, lower) + 1):
            y[U(j + i)] -= a[U(row + i * down)] * g
    for j in range(size - 1, -1, -1):
        row = j * (down + 1) + lower
        count = min(lower + upper, size - 1 - j)
        y[j] = (y[j] - _dot(a, row + 1, y, j + 1, count)) / a[row]


@njit(cache=True, error_model="numpy")
def _solve_tridiagonal(a: Array, size: int, swaps: Array, y: Array) -> None:
    this = y[0]
    for j in range(size - 1):
        following = y[j + 1]
        if swaps[j] != j:
            this, following = following, this
        y[j] = this
        this = following - a[U(4 * j + 4)] * this
    one, two = 0.0, 0.0
    for j in range(size - 1, -1, -1):
        s = this if j == size - 1 else y[j]
        s = (s - a[U(4 * j + 3)] * two - a[U(4 * j + 2)] * one) / a[U(4 * j + 1)]
        two, one = one, s
        y[j] = s


@njit(cache=True, error_model="numpy")
def _solve_tridiagonal_transposed(a: Array, size: int, swaps: Array, y: Array) -> None:
    one, two = 0.0, 0.0
    for j in range(size):
        s = y[j]
        if j > 0:
            s -= a[U(4 * j - 2)] * one
        if j > 1:
            s -= a[U(4 * j - 5)] * two
        s /= a[U(4 * j + 1)]
        two, one = one, s
        y[j] = s
    after = y[size - 1]
    for j in range(size - 2, -1, -1):
        s = y[j] - a[U(4 * j + 4)] * after
        if swaps[j] != j:
            y[j + 1], after = s, after
        else:
            y[j + 1], after = after, s
    y[0] = after


@njit(cache=True, error_model="numpy")
def solve_transposed(a: Array, kind: int, size: int, lower: int, upper: int, swaps: Array, y: Array) -> None:
    """y ← A⁻ᵀ y, for every column of y (size, columns)."""
    columns = y.shape[1]
    flat = y.reshape(size * columns)
    if kind == BAND and lower == 1 and upper == 1 and columns == 1:
        _solve_tridiagonal_transposed(a, size, swaps, flat)
        return
    band = kind == BAND
    # From a place in one row to the same column in the next row.
    down = 2 * lower + upper if band else size
    wide = lower + upper if band else size
    for j in range(size):
        row = j * (down + 1) + (lower if band else 0)
        for q in range(columns):
            y[j, q] /= a[row]
        for k in range(1, min(wide, size - 1 - j) + 1):
            subtract(flat, (j + k) * columns, j * columns, a[row + k], columns)
    if not band:
        for i in range(size - 1, 0, -1):
            for j in range(i):
                subtract(flat, j * columns, i * columns, a[i * size + j], columns)
    for j in range(size - 1, -1, -1):
        if band:
            row = j * (down + 1) + lower
            for i in range(j + 1, min(size - 1, j + lower) + 1):
                subtract(flat, j * columns, i * columns, a[row + (i - j) * down], columns)
        at = swaps[j]
        if at != j:
            _exchange(flat, j * columns, at * columns, columns)


@njit(cache=True, error_model="numpy")
def solve_one(
    numbers: Array, at: int, kind: int, size: int, lower: int, upper: int, swaps: Array, first: int, y: Array
) -> None:
    """y[:size] ← A⁻¹ y[:size]; the factors of A begin at ``at`` among the numbers, its exchanges at ``first``."""
    if kind == BAND:
        solve(numbers[at:], BAND, size, lower, upper, swaps[first:], y[:size].reshape(size, 1))
        return
    for j in range(size):
        other = swaps[U(first + j)]
        if other != j:
            y[U(j)], y[U(other)] = y[U(other)], y[U(j)]
    for i in range(1, size):
        y[U(i)] -= _dot(numbers, at + i * size, y, 0, i)
    for j in range(size - 1, -1, -1):
        row = at + j * size + j
        y[U(j)] = (y[U(j)] - _dot(numbers, row + 1, y, j + 1, size - 1 - j)) / numbers[U(row)]


@njit(cache=True, error_model="numpy")
def solve_one_transposed(
    numbers: Array, at: int, kind: int, size: int, lower: int, upper: int, swaps: Array, first: int, y: Array
) -> None:
    """y[:size] ← A⁻ᵀ y[:size]; see ``solve_one``."""
    if kind == BAND:
        solve_transposed(numbers[at:], BAND, size, lower, upper, swaps[first:], y[:size].reshape(size, 1))
        return
    for j in range(size):
        row = at + j * size + j
        y[U(j)] /= numbers[U(row)]
        add_from(y, j + 1, numbers, row + 1, -y[U(j)], size - 1 - j)
    for i in range(size - 1, 0, -1):
        add_from(y, 0, numbers, at + i * size, -y[U(i)], i)
    for j in range(size - 1, -1, -1):
        other = swaps[U(first + j)]
        if other != j:
            y[U(j)], y[U(other)] = y[U(other)], y[U(j)]


@njit(cache=True, error_model="numpy")
def log_determinant(a: Array, kind: int, size: int, lower: int, upper: int, swaps: Array) -> tuple[float, float]:
    """(sign, log|·|) of the determinant of a factored matrix."""
    sign, total = 1.0, 0.0
    step = 2 * lower + upper + 1 if kind == BAND else size + 1
    first = lower if kind == BAND else 0
    for j in range(size):
        p = a[first + j * step]
        if p < 0.0:
            sign = -sign
        if swaps[j] != j:
            sign = -sign
        total += np.log(abs(p))
    return sign, total
