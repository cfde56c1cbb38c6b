"""LU factors of small dense matrices and of bands, in place, with partial pivoting; and solving with them.

A dense matrix is kept row by row. A band is kept row by row too, left-justified: when column j is eliminated, it stands
first in every row that holds it, so rows can be exchanged as they are. Row i of a band takes 2·lower + upper + 1
numbers: first columns max(0, i − lower) … i + upper, later those of U; then the multipliers of column i.

Unsigned places tell the compiler that no index counts from the end, without which it does not use vector registers.

Reference: G. Golub and C. Van Loan, Matrix Computations, sections 3.4 and 4.3.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from flowgraph.numeric.blocks import BAND

Array = NDArray[Any]


@njit(cache=True, error_model="numpy")
def subtract(x: Array, to: int, source: int, m: float, count: int) -> None:
    """x[to : to + count] −= m · x[source : source + count]."""
    for k in range(count):
        x[np.uint64(to) + np.uint64(k)] -= m * x[np.uint64(source) + np.uint64(k)]


@njit(cache=True, error_model="numpy")
def add_from(x: Array, to: int, y: Array, source: int, m: float, count: int) -> None:
    """x[to : to + count] += m · y[source : source + count]."""
    for k in range(count):
        x[np.uint64(to) + np.uint64(k)] += m * y[np.uint64(source) + np.uint64(k)]


@njit(cache=True, error_model="numpy")
def _shift(x: Array, to: int, source: int, m: float, count: int) -> None:
    """x[to + k − 1] ← x[to + k] − m · x[source + k] for k = 0 … count − 1."""
    for k in range(count):
        x[np.uint64(to - 1) + np.uint64(k)] = x[np.uint64(to) + np.uint64(k)] - m * x[np.uint64(source) + np.uint64(k)]


@njit(cache=True, error_model="numpy")
def _exchange(x: Array, one: int, other: int, count: int) -> None:
    for k in range(count):
        kept = x[np.uint64(one) + np.uint64(k)]
        x[np.uint64(one) + np.uint64(k)] = x[np.uint64(other) + np.uint64(k)]
        x[np.uint64(other) + np.uint64(k)] = kept


@njit(cache=True, error_model="numpy")
def factor(a: Array, kind: int, size: int, lower: int, upper: int, swaps: Array) -> bool:
    """LU in place. False where a column has no pivot, so the matrix is singular."""
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
        if not best > 0.0:
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
    width = 2 * lower + upper + 1
    wide = lower + upper + 1
    for j in range(size):
        last = min(size - 1, j + lower)
        row = j * width
        best, at = abs(a[row]), j
        for i in range(j + 1, last + 1):
            if abs(a[i * width]) > best:
                best, at = abs(a[i * width]), i
        swaps[j] = at
        if not best > 0.0:
            return False
        if at != j:
            _exchange(a, row, at * width, wide)
        pivot = a[row]
        for i in range(j + 1, last + 1):
            other = i * width
            m = a[other] / pivot
            a[row + wide + i - j - 1] = m
            _shift(a, other + 1, row + 1, m, wide - 1)
            a[other + wide - 1] = 0.0
    return True


@njit(cache=True, error_model="numpy")
def _factor_tridiagonal(a: Array, size: int, swaps: Array) -> bool:
    b0, b1, b2 = a[0], a[1], a[2]
    for j in range(size - 1):
        o = 4 * j + 4
        c0, c1, c2 = a[o], a[o + 1], a[o + 2]
        if abs(c0) > abs(b0):
            swaps[j] = j + 1
            b0, b1, b2, c0, c1, c2 = c0, c1, c2, b0, b1, b2
        else:
            swaps[j] = j
        if not abs(b0) > 0.0:
            return False
        m = c0 / b0
        a[o - 4], a[o - 3], a[o - 2], a[o - 1] = b0, b1, b2, m
        b0, b1, b2 = c1 - m * b1, c2 - m * b2, 0.0
    o = 4 * size - 4
    a[o], a[o + 1], a[o + 2] = b0, b1, b2
    swaps[size - 1] = size - 1
    return abs(b0) > 0.0


@njit(cache=True, error_model="numpy")
def solve(a: Array, kind: int, size: int, lower: int, upper: int, swaps: Array, y: Array) -> None:
    """y ← A⁻¹ y, for every column of y (size, columns)."""
    if kind != BAND:
        _solve_dense(a, size, swaps, y)
    elif lower == 1 and upper == 1 and y.shape[1] == 1:
        _solve_tridiagonal(a, size, swaps, y.reshape(size))
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
                s -= a[i * size + j] * y[j, q]
            y[i, q] = s
    for j in range(size - 1, -1, -1):
        for q in range(columns):
            s = y[j, q]
            for k in range(j + 1, size):
                s -= a[j * size + k] * y[k, q]
            y[j, q] = s / a[j * size + j]


@njit(cache=True, error_model="numpy")
def _solve_band(a: Array, size: int, lower: int, upper: int, swaps: Array, y: Array) -> None:
    width, wide, columns = 2 * lower + upper + 1, lower + upper + 1, y.shape[1]
    flat = y.reshape(size * columns)
    for j in range(size):
        at = swaps[j]
        if at != j:
            _exchange(flat, j * columns, at * columns, columns)
        for i in range(j + 1, min(size - 1, j + lower) + 1):
            subtract(flat, i * columns, j * columns, a[j * width + wide + i - j - 1], columns)
    for j in range(size - 1, -1, -1):
        first = j * width
        for k in range(1, min(wide, size - j)):
            subtract(flat, j * columns, (j + k) * columns, a[first + k], columns)
        for q in range(columns):
            y[j, q] /= a[first]


@njit(cache=True, error_model="numpy")
def _solve_tridiagonal(a: Array, size: int, swaps: Array, y: Array) -> None:
    this = y[0]
    for j in range(size - 1):
        following = y[j + 1]
        if swaps[j] != j:
            this, following = following, this
        y[j] = this
        this = following - a[4 * j + 3] * this
    one, two = 0.0, 0.0
    for j in range(size - 1, -1, -1):
        s = this if j == size - 1 else y[j]
        s = (s - a[4 * j + 2] * two - a[4 * j + 1] * one) / a[4 * j]
        two, one = one, s
        y[j] = s


@njit(cache=True, error_model="numpy")
def solve_transposed(a: Array, kind: int, size: int, lower: int, upper: int, swaps: Array, y: Array) -> None:
    """y ← A⁻ᵀ y, for every column of y (size, columns)."""
    columns = y.shape[1]
    flat = y.reshape(size * columns)
    band = kind == BAND
    wide = lower + upper + 1 if band else size
    width = 2 * lower + upper + 1 if band else size
    for j in range(size):
        first = j * width if band else j * width + j
        for q in range(columns):
            y[j, q] /= a[first]
        for k in range(1, min(wide, size - j)):
            subtract(flat, (j + k) * columns, j * columns, a[first + k], columns)
    if not band:
        for i in range(size - 1, 0, -1):
            for j in range(i):
                subtract(flat, j * columns, i * columns, a[i * width + j], columns)
    for j in range(size - 1, -1, -1):
        if band:
            for i in range(j + 1, min(size - 1, j + lower) + 1):
                subtract(flat, j * columns, i * columns, a[j * width + wide + i - j - 1], columns)
        at = swaps[j]
        if at != j:
            _exchange(flat, j * columns, at * columns, columns)


@njit(cache=True, error_model="numpy")
def log_determinant(a: Array, kind: int, size: int, lower: int, upper: int, swaps: Array) -> tuple[float, float]:
    """(sign, log|·|) of the determinant of a factored matrix."""
    sign, total = 1.0, 0.0
    step = 2 * lower + upper + 1 if kind == BAND else size + 1
    for j in range(size):
        p = a[j * step]
        if p < 0.0:
            sign = -sign
        if swaps[j] != j:
            sign = -sign
        total += np.log(abs(p))
    return sign, total
