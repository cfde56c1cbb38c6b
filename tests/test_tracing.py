"""Traced programs compute what the function computes: a table of functions against plain NumPy."""

from __future__ import annotations

import functools
import importlib
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from evaluate import evaluate
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from flowgraph.tracing import trace

A = np.array([[0.5, 0.0, -1.0], [0.0, 2.0, 0.0], [1.0, 1.0, 0.25]])
B = np.arange(12.0).reshape(4, 3) / 7 - 0.4
T3 = np.arange(18.0).reshape(2, 3, 3) / 5 - 1
UNIT = (0.15, 0.45, 0.8)
ABOVE = (1.2, 2.5, 1.7)
ANY = (-1.3, 0.4, 2.1)


def _check(f: Callable[[Any], Any], *points: tuple[float, ...]) -> None:
    """The program traced without a point agrees with f at each point."""
    n = len(points[0])
    program = trace(f, n)
    for point in points:
        x = np.array(point)
        expected = np.asarray(f(x.copy()), dtype=float).reshape(-1)
        got = evaluate(program, x)
        assert got.shape == expected.shape
        np.testing.assert_allclose(got, expected, rtol=1e-13, atol=1e-14)


UFUNCS = [
    *((u, ANY) for u in (np.negative, np.positive, np.exp, np.expm1, np.sin, np.cos, np.tan, np.arctan, np.sinh)),
    *((u, ANY) for u in (np.cosh, np.tanh, np.arcsinh, np.absolute, np.fabs, np.square, np.reciprocal, np.cbrt)),
    *((u, ANY) for u in (np.sign, np.exp2, np.deg2rad, np.rad2deg, np.radians, np.degrees, np.conjugate)),
    *((u, ANY) for u in (special.erf, special.expit, special.exp2, special.exp10, special.expm1, special.cbrt)),
    *((u, ANY) for u in (special.log_expit,)),
    *((u, UNIT) for u in (np.sqrt, np.log, np.log1p, np.log2, np.log10, np.arcsin, np.arccos, np.arctanh)),
    *((u, UNIT) for u in (special.logit, special.log1p)),
    (np.arccosh, ABOVE),
]


@pytest.mark.parametrize(("ufunc", "point"), UFUNCS, ids=lambda p: getattr(p, "__name__", None))
def test_unary_ufuncs(ufunc: np.ufunc, point: tuple[float, ...]) -> None:
    _check(ufunc, point)
    _check(lambda x: ufunc(x[1]) + x[0], point)


BINARY = [np.add, np.subtract, np.multiply, np.divide, np.power, np.float_power, np.arctan2, np.hypot, np.minimum]
BINARY += [np.maximum, np.fmin, np.fmax, np.logaddexp, np.logaddexp2, np.copysign, np.heaviside]


@pytest.mark.parametrize("ufunc", BINARY, ids=lambda u: u.__name__)
@pytest.mark.parametrize("constant", [0.0, 1.0, 2.0, -1.0, 0.5, 3.25])
def test_binary_ufuncs_with_values_and_constants(ufunc: np.ufunc, constant: float) -> None:
    _check(lambda x: ufunc(x, x[::-1] + 0.5), ABOVE)
    if ufunc is not np.divide or constant != 0.0:
        _check(lambda x: ufunc(x, constant), ABOVE)
        _check(lambda x: ufunc(x, np.array([constant, 2.5, 1.0])), ABOVE)
    if ufunc not in (np.power, np.float_power) or constant >= 0.0:
        _check(lambda x: ufunc(constant, x), ABOVE)
        _check(lambda x: ufunc(np.array([[constant], [1.0]]), x).ravel(), ABOVE)


OPERATORS: list[Callable[[Any], Any]] = [
    lambda x: x + 1 - 2 * x / 3,
    lambda x: 1 / (2 + x) ** 2,
    lambda x: (x + 3) ** -1 + (x + 3) ** 0.5 + x**3 + x**1 + x**0,
    lambda x: 2.0**x + abs(-x) + +x,
    lambda x: x @ x,
    lambda x: A @ x + x @ A,
    lambda x: A.dot(x) if isinstance(x, np.ndarray) else np.dot(A, x),
    lambda x: [1.0, 2.0, 3.0] * x,
    lambda x: np.float64(2.0) * x[0] + np.float32(0.5) * x[1] + np.int64(3) * x[2],
    lambda x: x * np.array([1, 2, 3]) + np.array([True, False, True]) * x,
    lambda x: sum(x),
    lambda x: sum(a * b for a, b in zip(x, x[::-1], strict=True)),
    lambda x: [x[0], x[1] * 2, 3.0],
    lambda x: (x[2], 1, np.float64(2.5)),
    lambda x: 4.0,
    lambda x: np.array([1.0, 2.0]),
    lambda x: np.sin(x[0]) * x[1:],
    lambda x: x[0],
    lambda x: np.broadcast_to(x[:, None], (3, 2)).ravel(),
]


@pytest.mark.parametrize("f", OPERATORS)
def test_arithmetic_and_forms_of_results(f: Callable[[Any], Any]) -> None:
    _check(f, ANY, ABOVE)


STRUCTURAL: list[Callable[[Any], Any]] = [
    lambda x: np.concatenate([x, [1.0, 2.0], x[:1]]),
    lambda x: np.concatenate((x[None], A), axis=0).ravel(),
    lambda x: np.stack([x, x * 2], axis=1).ravel(),
    lambda x: np.stack([x[0], x[1]]),
    lambda x: np.vstack([x, x + 1]).T.ravel(),
    lambda x: np.hstack([x, x[0]]),
    lambda x: np.dstack([x, x]).ravel(),
    lambda x: np.column_stack([x, x * x]).ravel(),
    lambda x: np.block([[np.diag(x), np.zeros((3, 1))], [np.ones((1, 3)), np.array([[7.0]])]]).ravel(),
    lambda x: np.append(x, [5.0, x[0]]),
    lambda x: np.insert(x, 1, [9.0]),
    lambda x: np.delete(x, 1),
    lambda x: np.reshape(np.tile(x, 2), (2, 3)).T.ravel(),
    lambda x: np.repeat(x, 2),
    lambda x: np.repeat(x, [1, 0, 2]),
    lambda x: np.roll(x, 1) - np.roll(x, -1),
    lambda x: np.roll(np.outer(x, x), 1, axis=0).ravel(),
    lambda x: np.transpose(np.outer(x, x[:2])).ravel(),
    lambda x: np.flip(x),
    lambda x: np.fliplr(np.outer(x, A[0])).ravel(),
    lambda x: np.flipud(np.outer(x, A[0])).ravel(),
    lambda x: np.rot90(np.outer(x, A[2])).ravel(),
    lambda x: np.squeeze(x[None, :, None]),
    lambda x: np.expand_dims(x, 0)[0],
    lambda x: np.moveaxis(x[:, None] * B.T, 0, 1).ravel(),
    lambda x: np.swapaxes(x[:, None] * B.T, 0, 1).ravel(),
    lambda x: np.rollaxis(x[:, None] * B.T, 1).ravel(),
    lambda x: np.take(x, [2, 0, 0]),
    lambda x: np.take_along_axis(x, np.array([1, 2]), axis=0),
    lambda x: np.compress([True, False, True], x),
    lambda x: np.extract(np.array([True, False, True]), x),
    lambda x: x.compress([True, False, True]) * x.take([0, 1]) + x.conj()[:2],
    lambda x: np.resize(x, 5),
    lambda x: np.pad(x, 2).ravel(),
    lambda x: np.pad(x, (1, 2), constant_values=3.0),
    lambda x: np.pad(x, 1, mode="wrap"),
    lambda x: np.pad(x, 1, mode="edge"),
    lambda x: np.pad(x, 2, mode="reflect"),
    lambda x: np.pad(x, 1, mode="symmetric"),
    lambda x: np.concatenate(np.split(x, 3)[::-1]),
    lambda x: np.concatenate(np.array_split(x, 2)[::-1]),
    lambda x: np.diag(x).ravel(),
    lambda x: np.diag(np.outer(x, x), 1),
    lambda x: np.diagonal(np.outer(x, x)),
    lambda x: np.diagflat(x[:2], -1).ravel(),
    lambda x: np.tril(np.outer(x, x)).ravel(),
    lambda x: np.triu(np.outer(x, x), 1).ravel(),
    lambda x: np.concatenate([np.atleast_1d(x[0]), np.atleast_2d(x)[0], np.atleast_3d(x).ravel()]),
    lambda x: np.array(np.broadcast_arrays(x, x[:1])).ravel(),
    lambda x: np.concatenate([np.ravel(m) for m in np.meshgrid(x, x[:2])]),
    lambda x: np.concatenate([np.ravel(m) for m in np.meshgrid(x, x[:2], indexing="ij")]),
    lambda x: np.zeros_like(x) + np.ones_like(x) * x + np.full_like(x, 2.5),
    lambda x: np.full_like(x, x[1]),
    lambda x: np.copy(x).reshape(1, -1).flatten(),
    lambda x: np.array([[x[0], 1.0], [x[1], x[2]]]).ravel(),
    lambda x: np.array([x, x * 2]).sum(axis=0),
    lambda x: np.asarray([v * 2 for v in x]),
    lambda x: np.array(x, dtype=float) + np.array(x, dtype=np.float32 if x is None else float),
    lambda x: np.linspace(x[0], x[1], 4),
    lambda x: np.linspace(x, x + 1, 3, axis=1).ravel(),
    lambda x: np.real(x) + np.imag(x),
    lambda x: np.vander(x).ravel(),
    lambda x: np.vander(x, 2, increasing=True).ravel(),
    lambda x: x.reshape(3, 1).T[0].astype(float).ravel("F"),
]


@pytest.mark.parametrize("f", STRUCTURAL)
def test_functions_that_move_entries(f: Callable[[Any], Any]) -> None:
    _check(f, ANY, ABOVE)


REDUCTIONS: list[Callable[[Any], Any]] = [
    np.sum,
    np.prod,
    np.max,
    np.min,
    np.amax,
    np.amin,
    np.mean,
    np.var,
    np.std,
    np.ptp,
    np.cumsum,
    np.cumprod,
    np.diff,
    np.ediff1d,
    lambda x: np.gradient(x),
    np.trapezoid,
    np.linalg.norm,
    lambda x: np.sum(np.outer(x, x), axis=0, initial=2.0),
    lambda x: np.sum(x[:, None] * B.T, axis=(0, 1), keepdims=True).ravel(),
    lambda x: np.sum(x, where=np.array([True, False, True])),
    lambda x: np.max(x, initial=1.0),
    lambda x: np.min(x[:, None] * B.T, axis=1),
    lambda x: np.mean(x[:, None] * B.T, axis=1),
    lambda x: np.var(x, ddof=1),
    lambda x: np.std(x[:, None] * B.T, axis=0, keepdims=True).ravel(),
    lambda x: np.average(x, weights=[1.0, 2.0, 3.0]),
    lambda x: np.average(np.outer(x, x), axis=0, weights=[1.0, 2.0, 3.0]),
    lambda x: np.cumsum(np.outer(x, A[2]), axis=1).ravel(),
    lambda x: np.cumsum(np.outer(x, A[2])),
    lambda x: np.diff(x, n=2),
    lambda x: np.diff(x, prepend=0.0, append=x[0]),
    lambda x: np.diff(np.outer(x, x), axis=0).ravel(),
    lambda x: np.ediff1d(x, to_begin=0.5, to_end=[1.0, 2.0]),
    lambda x: np.gradient(x, 0.5, edge_order=2),
    lambda x: np.ravel(np.gradient(np.outer(x, A[2]), 0.5, axis=1)),
    lambda x: np.trapezoid(x, dx=0.5),
    lambda x: np.trapezoid(x, [0.0, 1.0, 3.0]),
    lambda x: np.add.reduce(x) + np.multiply.reduce(x) + np.maximum.reduce(x),
    lambda x: np.add.accumulate(x) + np.minimum.accumulate(x),
    lambda x: np.multiply.outer(x, x).ravel() + np.subtract.outer(x, [1.0, 2.0, 3.0]).ravel(),
    lambda x: x.sum() + x.prod() + x.mean() + x.min() * x.max() + x.std() + x.var(),
    lambda x: x.cumsum() + x.cumprod() + x.clip(0, 1),
    lambda x: np.linalg.norm(x, 1) + np.linalg.norm(x, np.inf) + np.linalg.norm(x, 3) + np.linalg.norm(x, -np.inf),
    lambda x: np.linalg.norm(np.outer(x, A[2])) + np.linalg.norm(np.outer(x, A[2]), axis=1),
    lambda x: np.linalg.norm(np.outer(x, A[2]), "fro") + np.linalg.norm(x, 2),
    lambda x: np.clip(x, -1, 1) + np.clip(x, None, 0.5) + np.clip(x, 0.1, None),
    lambda x: np.polyval([1.0, -2.0, 0.5], x) + np.polyval(x, 2.0),
    lambda x: np.sinc(x),
    lambda x: np.sum(np.zeros((0,))) + np.prod(x[:0]) + np.sum(x[:0]) + x,
]


@pytest.mark.parametrize("f", REDUCTIONS)
def test_reductions(f: Callable[[Any], Any]) -> None:
    _check(f, ANY, ABOVE)


PRODUCTS: list[Callable[[Any], Any]] = [
    lambda x: np.dot(x, x) * np.dot(A, x) + np.dot(x, A) + np.dot(2.0, x),
    lambda x: np.dot(T3, x).ravel(),
    lambda x: np.dot(np.outer(x, x), T3).ravel(),
    lambda x: x.dot(A),
    lambda x: np.vdot(x, x[::-1]),
    lambda x: np.inner(A, x) + np.inner(x, x),
    lambda x: np.outer(x, x[:2]).ravel(),
    lambda x: np.kron(x, A[0]),
    lambda x: np.kron(np.diag(x), A).ravel(),
    lambda x: np.kron(np.outer(x, x), x).ravel(),
    lambda x: np.matmul(np.outer(x, x), A).ravel(),
    lambda x: (T3 @ np.outer(x, x)).ravel(),
    lambda x: (np.outer(x, x) @ T3).ravel(),
    lambda x: (T3 @ x).ravel(),
    lambda x: (T3[:, None] @ np.stack([A * x, A])[None]).ravel(),
    lambda x: np.vecdot(B, x),
    lambda x: np.tensordot(T3, x, axes=1).ravel(),
    lambda x: np.tensordot(T3, np.outer(x, x), axes=([1, 2], [0, 1])),
    lambda x: np.tensordot(x, x, axes=0).ravel(),
    lambda x: np.einsum("i,i->", x, x),
    lambda x: np.einsum("i,i", x, x),
    lambda x: np.einsum("ij,j->i", A, x),
    lambda x: np.einsum("ij,j", A, x),
    lambda x: np.einsum("ji,j,i->i", A, x, x),
    lambda x: np.einsum("ii->i", np.outer(x, A[2])),
    lambda x: np.einsum("ii", np.outer(x, A[2])),
    lambda x: np.einsum("ij->ji", np.outer(x, A[2])).ravel(),
    lambda x: np.einsum("ba", np.outer(x, A[2])).ravel(),
    lambda x: np.einsum("bij,j->bi", T3, x).ravel(),
    lambda x: np.einsum("...ij,j->...i", T3, x).ravel(),
    lambda x: np.einsum("...i,...i", T3, x).ravel(),
    lambda x: np.einsum("i,j,k->ijk", x, x, x[:2]).ravel(),
    lambda x: np.einsum(A, [0, 1], x, [1], [0]),
    lambda x: np.einsum(A, [0, 1], x, [1]),
    lambda x: np.einsum("i->", x),
    lambda x: np.trace(np.outer(x, A[2])) + np.linalg.trace(np.outer(x, A[2])),
    lambda x: np.linalg.multi_dot([A, np.outer(x, x), A]).ravel(),
    lambda x: np.linalg.matrix_power(np.outer(x, A[2]) / 4, 5).ravel(),
    lambda x: np.cross(x, A[0]),
    lambda x: np.cross(np.stack([x, A[2]]), A[0]).ravel(),
    lambda x: np.convolve(x, [1.0, -2.0]),
    lambda x: np.convolve(x, [1.0, -2.0, 1.0, 0.5, 0.25], mode="same"),
    lambda x: np.convolve(x, x[:2], mode="valid"),
    lambda x: np.correlate(x, [1.0, -2.0]),
    lambda x: np.correlate([1.0, -2.0], x, mode="full"),
    lambda x: np.correlate(x, [1.0, 0.5], mode="same"),
    lambda x: sp.csr_array(A) @ x + x @ sp.csr_array(A),
    lambda x: sp.csc_matrix(A) @ x,
    lambda x: (sp.coo_array(A) @ np.outer(x, x)).ravel(),
    lambda x: (np.outer(x, x) @ sp.csr_array(A)).ravel(),
]


@pytest.mark.parametrize("f", PRODUCTS)
def test_sums_of_products(f: Callable[[Any], Any]) -> None:
    _check(f, ANY, ABOVE)


CHOICES: list[Callable[[Any], Any]] = [
    lambda x: np.where(x > 0.5, np.sin(x), -x),
    lambda x: np.where(x >= 0.4, 1.0, x),
    lambda x: np.where(x < x[::-1], x, 2.0),
    lambda x: np.where(x <= x[::-1], x, 2.0),
    lambda x: np.where(x == x[::-1], x * 3, 2.0),
    lambda x: np.where(x != x[::-1], x * 3, 2.0),
    lambda x: np.where((x > 0) & (x < 1), x, -1.0),
    lambda x: np.where((x >= 0) & (x <= 1), x, -1.0),
    lambda x: np.where((x > 0) & (x <= 1), x, -1.0),
    lambda x: np.where((x < 0) | (x > 1), x, -1.0),
    lambda x: np.where((x <= 0) | (x >= 2), x, -1.0),
    lambda x: np.where((x > 0) ^ (x >= 1), x, -1.0),
    lambda x: np.where((x <= 0) ^ (x >= 1), x, -1.0),
    lambda x: np.where(~(x > 0), x, 5.0),
    lambda x: np.where(np.logical_and(x, [True, False, True]), x, 5.0),
    lambda x: np.where(np.logical_or(x > 0, [True, False, False]), x, 5.0),
    lambda x: np.where(np.logical_not(x > 0), x, 5.0),
    lambda x: np.where(np.any(x > 2), x, -x),
    lambda x: np.where(np.all(x > 0), x, -x),
    lambda x: np.where((x >= 0).all(), x, -x) + np.where((x <= 0).any(), 1.0, x),
    lambda x: np.where(np.array([True, False, True]), x, -x),
    lambda x: np.where(np.where(x > 0, x > 1, x > -1), x, -x),
    lambda x: np.where(np.concatenate([x[:1] > 0, x[1:] <= 1]), x, -x),
    lambda x: np.where(np.roll(x <= 0.4, 1), x, -x),
    lambda x: (x > 0) * x + (x <= 0.4) * 2.0,
    lambda x: np.sum(x > 0) + np.count_nonzero(x > 1) + (x >= 0).sum() + (x > 0).astype(float).sum(),
    lambda x: np.select([x > 2, x > 0], [x, x * x], default=-1.0),
    lambda x: np.piecewise(x, [x < 0, x >= 1], [lambda v: -v, lambda v: v * v, 0.5]),
    lambda x: np.maximum(x, 0) + np.minimum(x, 1),
    lambda x: np.where(x > 0, 1, 0) * x,
    lambda x: np.logaddexp(0, x) + np.logaddexp(x, 0.0),
    lambda x: np.where(np.isclose(x, 0.4), 1.0, x),
    lambda x: np.where(np.equal(x > 0, True), x, -x),
]


@pytest.mark.parametrize("f", CHOICES)
def test_conditions_without_a_point(f: Callable[[Any], Any]) -> None:
    _check(f, ANY, ABOVE, (1.0, 2.0, 1.0), (-0.5, -0.25, -3.0), (0.0, 1.0, 2.0))


def test_piecewise_constant_ufuncs_at_their_jumps() -> None:
    _check(lambda x: np.sign(x) + np.heaviside(x, 0.25), (0.0, -1.0, 2.0))
    _check(lambda x: np.cbrt(x), (-8.0, 27.0, 1e-3))


def _assign(x: Any) -> Any:
    y = np.zeros(3)
    y[0] = x[0] * x[1]
    y[1:] = np.sin(x[1:])
    y += x
    return y


def _matrix(x: Any) -> Any:
    m = np.empty((3, 3))
    for i in range(3):
        for j in range(3):
            m[i, j] = x[i] * x[j] if i != j else 1.0
    m[0] *= 2.0
    return m.ravel()


def _from_list(x: Any) -> Any:
    return np.array([x[0] + 1, 2.0, x[1:].sum()])


def _helper(v: Any) -> Any:
    out = np.ones(2)
    out[1] = v
    return out


def _uses_helper(x: Any) -> Any:
    return _helper(x[0]) + _helper(x[1])


def _recursive(x: Any, depth: int = 3) -> Any:
    if depth == 0:
        return np.array([x[0], x[1], x[2]])
    return _recursive(x * 0.5 + 1, depth - 1)


def _closure(x: Any) -> Any:
    def inner(v: Any) -> Any:
        w = np.zeros(2)
        w[:] = v
        return w

    return inner(x[0]) * 3


def _imports(x: Any) -> Any:
    import numpy
    from numpy import zeros

    y = zeros(3)
    z = numpy.ones(3)
    y[1] = x[1]
    z[0] = x[0]
    return y + z


def _index_arrays_stay_integers(x: Any) -> Any:
    order = np.arange(3)[::-1]
    mask = np.array([True, False, True])
    return np.concatenate([x[order], x[mask], x[np.array([0, 0])]])


def _identity_matrix(x: Any) -> Any:
    m = np.eye(3)
    m[0, 1] = x[2]
    return m @ x


def _accumulator(x: Any) -> Any:
    total, largest = 0.0, -np.inf
    for value in x:
        total = total + value
        largest = np.maximum(largest, value)
    return [total, largest]


def _scatter(x: Any) -> Any:
    y = np.zeros(4)
    np.add.at(y, [0, 2, 0, 3, 0], np.append(x, x[:2]))
    np.multiply.at(y, [0, 0], x[1])
    np.subtract.at(y, 1, x[0])
    return y


def _puts(x: Any) -> Any:
    m = np.zeros((3, 3))
    np.fill_diagonal(m, x)
    np.put(m, [1, 2], x[:2] * 2)
    np.put_along_axis(m, np.array([[0], [1], [2]]), x[:, None] + 1, axis=1)
    np.place(m, np.eye(3, k=1, dtype=bool), [x[0], 5.0])
    np.putmask(m, np.eye(3, k=-1, dtype=bool), x[0])
    return m.ravel()


def _outs(x: Any) -> Any:
    y = np.empty_like(x)
    np.sin(x, out=y)
    np.multiply(y, 2.0, out=y)
    np.add(y, x, out=y[::-1])
    np.exp(x, out=y, where=np.array([True, False, False]))
    np.copyto(y[1:2], x[2])
    return y


FUNCTIONS = [_assign, _matrix, _from_list, _uses_helper, _recursive, _closure, _imports, _index_arrays_stay_integers]
FUNCTIONS += [_identity_matrix, _accumulator, _scatter, _puts, _outs]


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_ordinary_functions(f: Callable[[Any], Any]) -> None:
    _check(f, ANY, ABOVE)


class _Model:
    def __init__(self) -> None:
        self.k = 2.5
        self.calls = 0
        self.inner = types.SimpleNamespace(rate=_helper_of_two)

    def rate(self, x: Any) -> Any:
        y = np.zeros(3)
        y[:2] = self.k * x[:2]
        return y + self.other(x)

    def other(self, x: Any) -> Any:
        self.calls += 1
        return np.sin(np.array([x[0], x[1], 1.0])) ** 2 + A @ np.array([x[0] * 2, x[1], x[2]])

    def __call__(self, x: Any, factor: float = 1.0) -> Any:
        y = np.zeros(1)
        y[0] = x[0] * self.k
        return factor * y


def test_methods_callable_objects_and_partials() -> None:
    model = _Model()
    _check(model.rate, ANY)
    _check(model, ANY)
    _check(functools.partial(model, factor=3.0), ANY)
    _check(functools.partial(_helper_of_two, 2.0), ANY)
    _check(functools.partial(_applied, functools.partial(_helper_of_two, 2.0)), ANY)
    _check(functools.partial(_applied, _Model()), ANY)


def _helper_of_two(scale: float, x: Any) -> Any:
    y = np.zeros(2)
    y[0] = scale * x[0]
    return y


def _applied(f: Callable[[Any], Any], x: Any) -> Any:
    return f(x)


def test_attributes_set_under_trace_are_set() -> None:
    model = _Model()
    trace(model.rate, 3)
    assert model.calls == 1
    assert type(model) is _Model


_MODEL = _Model()


def test_objects_in_globals_and_closures() -> None:
    model = _Model()
    _check(lambda x: model.rate(x), ANY)
    _check(lambda x: _MODEL.rate(x), ANY)


def test_functions_in_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "helpers_of_the_user.py").write_text(
        "import numpy as np\nscale = 1.0\ndef f(x):\n    y = np.zeros(2)\n    y[0] = x[0] * scale\n    return y\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    helpers: Any = importlib.import_module("helpers_of_the_user")

    def f(x: Any) -> Any:
        helpers.scale = 3.0
        return helpers.f(x)

    _check(f, (2.0,))
    assert helpers.scale == 3.0


def _reached_through_an_attribute(x: Any) -> Any:
    # Out of reach of the stand-in for NumPy: lists of traced values become object arrays, which work too.
    y = np.array([x[0], x[1], x[2] * 2])
    return np.sin(y) ** 2 + A @ y + np.hypot(y, 1.0) * np.exp(y.sum())


def test_object_arrays_of_traced_values() -> None:
    holder = types.SimpleNamespace(f=_reached_through_an_attribute)
    _check(lambda x: holder.f(x), ANY)


def test_the_function_is_left_as_it_was() -> None:
    before = dict(_assign.__globals__)
    trace(_assign, 3)
    assert _assign.__globals__["np"] is np
    assert dict(_assign.__globals__) == before
    assert isinstance(_assign(np.ones(3)), np.ndarray)


def test_nonlocal_variables_of_closures_are_shared() -> None:
    calls = 0

    def f(x: Any) -> Any:
        nonlocal calls
        calls += 1
        return np.array([x[0], x[1]])

    trace(f, 2)
    assert calls == 1


def test_scalar_functions_name_their_inputs() -> None:
    def f(u: Any, v: Any) -> Any:
        return u * v, np.sin(v)

    program = trace(f, 2)
    assert program.input_names == ("u", "v")
    assert [str(step) for step in program.steps()] == ["t1 = u * v", "t2 = sin(v)"]
    np.testing.assert_allclose(evaluate(program, [2.0, 0.5]), f(2.0, 0.5))


def test_names_of_results_avoid_the_names_of_parameters() -> None:
    program = trace(lambda t1, x: (t1 * x, t1), 2)
    assert [str(step) for step in program.steps()] == ["t_1 = t1 * x"]
    assert trace(lambda x1, x2: x1 + x2, 2).names is None


def test_starred_parameters_are_scalars() -> None:
    program = trace(lambda *x: x[0] * x[2], 3)
    assert program.n_inputs == 3
    assert [str(step) for step in program.steps()] == ["t1 = x1 * x3"]


def test_parameters_with_defaults_are_not_inputs() -> None:
    def f(x: Any, h: float = 0.5) -> Any:
        return x * h

    assert [str(step) for step in trace(f, 2).steps()] == ["t1 = x1 * 0.5", "t2 = x2 * 0.5"]
    assert trace(f, 2, scalars=True).input_names == ("x", "h")


def test_scalars_by_request() -> None:
    assert trace(lambda x: x * 2, 1, scalars=True).input_names == ("x",)
    assert trace(lambda *x: x[0] * 2, 2, scalars=False).n_inputs == 2


def test_ufuncs_and_builtins_are_functions_too() -> None:
    np.testing.assert_allclose(evaluate(trace(np.sin, 2), [1.0, 2.0]), np.sin([1.0, 2.0]))
    np.testing.assert_allclose(evaluate(trace(np.add, 2), [1.0, 2.0]), [3.0])


def test_no_inputs() -> None:
    assert trace(lambda x: x, 0).n_outputs == 0
    assert trace(lambda x: np.sum(x), 0).n_steps == 1
    assert evaluate(trace(lambda: 2.5, 0), []) == [2.5]
    assert trace(lambda x: [], 2).n_outputs == 0


def test_integers_and_float32_become_float64() -> None:
    program = trace(lambda x: x * np.float32(0.1) + np.arange(3), np.array([1, 2, 3]))
    assert program.constants.dtype == np.float64
    np.testing.assert_allclose(
        evaluate(program, [1.0, 2.0, 3.0]), np.array([1.0, 2, 3]) * float(np.float32(0.1)) + np.arange(3)
    )


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_random_expressions(data: st.DataObject) -> None:
    """Random straight-line array code with views, broadcasting and in-place operations."""
    leaves = st.sampled_from(["x", "c", "s", "k"])
    tree = st.recursive(
        leaves,
        lambda inner: st.tuples(st.sampled_from(["+", "-", "*", "max", "flip", "sum", "roll", "in"]), inner, inner),
        max_leaves=12,
    )
    code = data.draw(tree)
    constant = np.array(data.draw(st.lists(st.sampled_from([0.0, 1.0, -1.0, 2.0, 0.5]), min_size=4, max_size=4)))

    def run(node: Any, x: Any) -> Any:
        if isinstance(node, str):
            return {"x": lambda: x, "c": lambda: constant, "s": lambda: x[1], "k": lambda: 0.0}[node]()
        op, left, right = node[0], run(node[1], x), run(node[2], x)
        if op == "in":
            copy = np.zeros_like(x) + left
            copy[1:] += right if np.ndim(right) == 0 else right[:-1]
            return copy
        if op == "flip":
            return left[::-1] if np.ndim(left) else left
        if op == "sum":
            return np.sum(left) + right
        if op == "roll":
            return np.roll(left, 1) * right
        return {"+": np.add, "-": np.subtract, "*": np.multiply, "max": np.maximum}[op](left, right)

    point = np.array(data.draw(st.lists(st.floats(-2, 2), min_size=4, max_size=4)))
    program = trace(lambda x: run(code, x) + np.zeros(4), 4)
    np.testing.assert_allclose(evaluate(program, point), run(code, point) + np.zeros(4), rtol=1e-12, atol=1e-12)
