"""Accuracy where it is hard: tiny pivots, long chains, and the families of programs that the engine is made for."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from numeric_checks import right_hand_sides, slack
from numeric_oracle import EPS, Truth, complex_step, residual, truth

import flowgraph as fg
from flowgraph.errors import AccuracyWarning

# -- tiny pivots -------------------------------------------------------------------------------------------------------

TINY = [1e-4, 1e-8, 1e-12]


def swapped(eps: float) -> fg.Program:
    """u ← εu + w; w ← (w − u)/ε. J = [[ε, 1], [−1, 0]] has condition 1, and the first pivot is ε."""
    return fg.parse(f"inputs u, w\nt = {eps!r} * u\nu = t + w\ns = w - u\nw = s / {eps!r}\noutputs u, w")


@pytest.mark.parametrize("eps", TINY)
@pytest.mark.parametrize("seed", range(5))
def test_the_tiny_pivot(eps: float, seed: int, backend: str) -> None:
    program, x = swapped(eps), np.array([0.7, -1.3])
    matrix = np.array([[eps, 1.0], [-1.0, 0.0]])
    v = right_hand_sides(seed, 2)
    inverse = np.array([[0.0, -1.0], [1.0, eps]])
    lin = fg.linearize(program, x, backend=backend)
    for found, expected, system in (
        (lin.ijvp(v), inverse @ v, matrix),
        (lin.ivjp(v), inverse.T @ v, matrix.T),
        (fg.ijvp(program, x, v, backend=backend), inverse @ v, matrix),
        (fg.ivjp(program, x, v, backend=backend), inverse.T @ v, matrix.T),
    ):
        np.testing.assert_allclose(found, expected, rtol=0, atol=4 * EPS * np.abs(expected).max())
        assert residual(system, found, v) <= 4.0
    sign, value = lin.slogdet()
    assert sign == 1.0
    # Two logarithms of size |log ε| cancel, each correctly rounded.
    assert abs(value) <= 4 * EPS * (1 - 2 * np.log(eps))


@pytest.mark.parametrize("eps", TINY)
def test_the_condition_of_the_tiny_pivot(eps: float, backend: str) -> None:
    """An estimate that believes a lossy sweep would show a condition that is worse than the true one."""
    found = fg.linearize(swapped(eps), [0.7, -1.3], backend=backend).condest()
    # J v itself, and with it ‖J‖, is only known to machine epsilon / ε.
    assert found == pytest.approx((1 + eps) ** 2, rel=max(1e-9, EPS / eps))


@pytest.mark.parametrize("eps", TINY)
def test_tiny_pivots_in_a_batch(eps: float, backend: str) -> None:
    """Some members have the tiny pivot and others have not."""
    program = fg.parse("inputs a, u, w\nt = a * u\ns = t + w\nr = w - s\nq = r / a\noutputs a, s, q")
    x = np.array([[eps, 0.7, -1.3], [2.0, 0.7, -1.3], [-eps, 1.0, 1.0], [0.5, 0.2, 0.1]])
    v = right_hand_sides(1, 4, 3)
    lin = fg.linearize(program, x, backend=backend)
    found, back = lin.ijvp(v), lin.ivjp(v)
    for b in range(4):
        exact = truth(program, x[b])
        # The value r/a has lost the digits that cancel, and its partial by a needs it: only there is J uncertain.
        assert exact.residual(found[b], v[b]) <= 4 * slack(exact)
        assert exact.transposed.residual(back[b], v[b]) <= 4 * slack(exact.transposed)
        v_b = v[b].copy()
        v_b[0] = 0.0
        a = x[b, 0]
        alone = lin_alone(program, x[b], backend).ijvp(v_b)
        expected = np.linalg.solve([[a, 1.0], [-1.0, 0.0]], v_b[1:])
        np.testing.assert_allclose(alone[1:], expected, rtol=0, atol=4 * EPS * np.abs(expected).max())


def lin_alone(program: fg.Program, x: Any, backend: str) -> Any:
    return fg.linearize(program, x, backend=backend)


@pytest.mark.filterwarnings("ignore::flowgraph.errors.AccuracyWarning")
@pytest.mark.parametrize("count", [1, 2, 10])
@pytest.mark.parametrize("eps", TINY)
def test_tiny_pivots_in_a_row(eps: float, count: int, backend: str) -> None:
    """Rotations by a quarter turn, each through a tiny pivot, with a harmless step between; cond(J) ≤ 2.25."""
    lines = ["inputs u, w"]
    for _ in range(count):
        lines += [f"t = {eps!r} * u", "u = t + w", "s = w - u", f"w = s / {eps!r}", "u = 1.5 * u", "w = w / 1.5"]
    program = fg.parse("\n".join([*lines, "outputs u, w"]))
    x, v = np.array([0.7, -1.3]), right_hand_sides(3, 2)
    exact = truth(program, x)
    lin = fg.linearize(program, x, backend=backend)
    for found, expected in ((lin.ijvp(v), exact.solve(v)), (lin.ivjp(v), exact.transposed.solve(v))):
        assert np.abs(found - expected).max() <= 4 * count * EPS * exact.condition * np.abs(expected).max()


def test_a_tiny_pivot_that_is_the_matrix(backend: str) -> None:
    """z = εx + y, w = y has a tiny pivot and a bad condition: the residual is small, and no warning is given."""
    program = fg.parse("inputs x, y\nt = 0.00000001 * x\nz = t + y\noutputs z, y")
    exact = truth(program, [1.0, 2.0])
    v = right_hand_sides(0, 2)
    found = fg.ijvp(program, [1.0, 2.0], v, backend=backend)
    assert exact.residual(found, v) <= 4.0
    np.testing.assert_allclose(found, exact.solve(v), rtol=1e-7)


def test_many_right_hand_sides_with_a_tiny_pivot(backend: str) -> None:
    lin = fg.linearize(swapped(1e-8), [0.7, -1.3], backend=backend)
    v = right_hand_sides(2, 2, 7)
    assert residual(np.array([[1e-8, 1.0], [-1.0, 0.0]]), lin.ijvp(v), v) <= 4.0


@pytest.mark.parametrize("eps", TINY)
def test_a_loss_is_warned_about_or_does_not_happen(eps: float, backend: str) -> None:
    """A chain of tiny pivots with terms that no local exchange mends: small residuals, or a warning."""

    def f(x: Any) -> Any:
        for k in range(6):
            u = eps * x + np.roll(x, 1) * (1 + 0.1 * k)
            x = (np.roll(x, 1) - u) / eps * 0.01 + np.roll(x, 2)
        return x

    x = np.linspace(0.5, 1.0, 5)
    exact = truth(fg.trace(f, 5), x)
    v = right_hand_sides(4, 5)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = fg.linearize(f, x, backend=backend).ijvp(v)
    assert all(issubclass(w.category, AccuracyWarning) for w in caught)
    assert caught or exact.residual(found, v) <= 2**11 * slack(exact)


# -- families ----------------------------------------------------------------------------------------------------------


def tridiagonal_layers(layers: int, coefficient: float) -> Any:
    def f(x: Any) -> Any:
        for q in range(1, layers + 1):
            left = np.concatenate([np.zeros(1), x[:-1]])
            right = np.concatenate([x[1:], np.zeros(1)])
            x = x + coefficient / q * (np.sin(left) - 0.5 * right * x)
        return x

    return f


def lorenz(x: Any) -> Any:
    return (np.roll(x, -1) - np.roll(x, 2)) * np.roll(x, 1) - x + 8.0


def rk4(steps: int, h: float = 0.01) -> Any:
    def f(x: Any) -> Any:
        for _ in range(steps):
            a = lorenz(x)
            b = lorenz(x + h / 2 * a)
            c = lorenz(x + h / 2 * b)
            d = lorenz(x + h * c)
            x = x + h / 6 * (a + 2 * b + 2 * c + d)
        return x

    return f


def sparse_layer(n: int) -> Any:
    matrix = (
        scipy.sparse.random_array((n, n), density=3.0 / n, rng=np.random.default_rng(7)) + scipy.sparse.eye_array(n) * 3
    )
    csr = matrix.tocsr()
    return lambda x: csr @ np.tanh(x) + 0.1 * x


def dense_layer(n: int) -> Any:
    matrix = np.random.default_rng(5).standard_normal((n, n))
    return lambda x: np.tanh(matrix @ x / n) + 0.5 * x


def leapfrog(x: Any) -> Any:
    n = len(x) // 2
    q, p = x[:n], x[n:]
    for _ in range(10):
        force = -np.sin(q) + 0.3 * (np.roll(q, 1) - 2 * q + np.roll(q, -1))
        p = p + 0.1 * force
        q = q + 0.1 * p
    return np.concatenate([q, p])


FAMILIES: dict[str, tuple[Any, int]] = {
    "tridiagonal": (tridiagonal_layers(8, 0.4), 30),
    "tridiagonal-one": (tridiagonal_layers(1, 0.4), 60),
    "lorenz": (rk4(3), 40),
    "dense": (dense_layer(30), 30),
    "dense-large": (dense_layer(90), 90),
    "sparse": (sparse_layer(400), 400),
    "leapfrog": (leapfrog, 24),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_families_against_dense_matrices(name: str, backend: str) -> None:
    f, n = FAMILIES[name]
    x = np.random.default_rng(1).uniform(0.5, 1.5, n)
    matrix = complex_step(f, x)
    lin = fg.linearize(f, x, backend=backend)
    condition = np.linalg.cond(matrix)
    assert condition < 1e5
    np.testing.assert_allclose(lin.value, f(x), rtol=1e-12, atol=1e-12)
    size = float(np.linalg.norm(matrix, np.inf))
    v = right_hand_sides(2, n, 2)
    np.testing.assert_allclose(lin.jvp(v), matrix @ v, rtol=0, atol=1e-13 * size)
    np.testing.assert_allclose(lin.vjp(v), matrix.T @ v, rtol=0, atol=1e-13 * size * n)
    for found, system in ((lin.ijvp(v), matrix), (lin.ivjp(v), matrix.T)):
        expected = np.linalg.solve(system, v)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14 * condition * np.abs(expected).max())
        # The matrix itself is known to a few units in the last place of its entries.
        assert residual(system, found, v) <= 10 + 2 * np.sqrt(n)
    sign, value = np.linalg.slogdet(matrix)
    assert lin.slogdet().sign == sign
    assert lin.slogdet().logabsdet == pytest.approx(value, abs=1e-11 * condition)
    true = np.linalg.cond(matrix, 1)
    assert true / 10 <= lin.condest() <= true * (1 + 1e-8)


@pytest.mark.parametrize("name", ["tridiagonal", "lorenz", "dense", "leapfrog", "sparse"])
def test_batches_of_the_families(name: str, backend: str) -> None:
    f, n = FAMILIES[name]
    x = np.random.default_rng(2).uniform(0.5, 1.5, (3, n))
    v = np.random.default_rng(3).standard_normal((3, n))
    lin = fg.linearize(f, x, backend=backend)
    found, back, sign = lin.ijvp(v), lin.ivjp(v), lin.slogdet().sign
    for b in range(3):
        matrix = complex_step(f, x[b])
        np.testing.assert_allclose(found[b], np.linalg.solve(matrix, v[b]), rtol=0, atol=1e-10)
        np.testing.assert_allclose(back[b], np.linalg.solve(matrix.T, v[b]), rtol=0, atol=1e-10)
        assert sign[b] == np.linalg.slogdet(matrix)[0]


@pytest.mark.parametrize(("name", "n"), [("tridiagonal", 8), ("lorenz", 6), ("leapfrog", 8), ("dense", 9)])
def test_small_members_of_the_families_against_50_digits(name: str, n: int, backend: str) -> None:
    f = dense_layer(n) if name == "dense" else rk4(2) if name == "lorenz" else FAMILIES[name][0]
    x = np.random.default_rng(4).uniform(0.5, 1.5, n)
    exact = truth(fg.trace(f, n), x)
    lin = fg.linearize(f, x, backend=backend)
    v = right_hand_sides(6, n)
    for refine, bound in ((None, 10.0), (1, 4.0)):
        assert exact.residual(lin.ijvp(v, refine=refine), v) <= bound * slack(exact)
        assert exact.transposed.residual(lin.ivjp(v, refine=refine), v) <= bound * slack(exact.transposed)
    assert slack(exact) < 10


def test_the_composition_that_dense_factors_lose_digits_on(backend: str) -> None:
    """Ill conditioned as a whole, each layer well: for a random right-hand side the layers keep nearly all digits."""
    n, layers = 24, 40

    def f(x: Any) -> Any:
        for _ in range(layers):
            left = np.concatenate([np.zeros(1), x[:-1]])
            right = np.concatenate([x[1:], np.zeros(1)])
            x = 0.5 * x + 0.1 * (left + right)
        return x

    x = np.linspace(0.2, 0.9, n)
    exact = linear_truth(f, n)
    matrix = exact.jacobian
    v = right_hand_sides(8, n)
    expected = exact.solve(v)
    dense = np.abs(np.linalg.solve(matrix, v) - expected).max() / np.abs(expected).max()
    found = np.abs(fg.ijvp(f, x, v, backend=backend) - expected).max() / np.abs(expected).max()
    assert np.linalg.cond(matrix) > 1e9
    assert dense > 1e-10
    assert found <= 1e-13


def linear_truth(f: Any, n: int) -> Truth:
    """J of a map that is linear, exactly as its float64 coefficients have it."""
    return truth(fg.trace(f, n), np.ones(n))


def test_long_chains(backend: str) -> None:
    """100,000 rotations: the residual does not grow with the length, as the sweep undoes what it did."""
    steps = 20_000

    def f(x: Any) -> Any:
        u, w = x[0], x[1]
        for _ in range(steps):
            u = u + 0.01 * w
            w = w - 0.01 * u
        return np.stack([u, w])

    lin = fg.linearize(f, [0.3, 0.4], backend=backend)
    # Each round is [[1, h], [−h, 1 − h²]] with determinant 1.
    matrix = np.linalg.matrix_power(np.array([[1.0, 0.01], [-0.01, 1 - 1e-4]]), steps)
    v = np.array([0.2, -0.9])
    np.testing.assert_allclose(lin.jvp(v), matrix @ v, rtol=1e-10)
    np.testing.assert_allclose(lin.ijvp(v), np.linalg.solve(matrix, v), rtol=1e-10)
    np.testing.assert_allclose(lin.ivjp(v), np.linalg.solve(matrix.T, v), rtol=1e-10)
    np.testing.assert_allclose(lin.ijvp(lin.jvp(v)), v, rtol=1e-11)
    assert lin.slogdet().sign == 1
    assert abs(lin.slogdet().logabsdet) < 1e-12
