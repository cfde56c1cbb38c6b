"""Identities that hold whatever the program is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numeric_checks import slack
from numeric_oracle import EPS
from numeric_programs import Case, random_rectangle, steady_cases

import flowgraph as fg

SEEDS = st.integers(0, 2**32 - 1)
LAWS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
MODES = ("forward", "reverse", "forward-inverse", "reverse-inverse")


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A nonsingular program and its point."""
    return draw(st.sampled_from(steady_cases()))


@st.composite
def rectangles(draw: st.DrawFn) -> Case:
    return random_rectangle(draw(st.integers(0, 300)))


def vectors(seed: int, size: int, count: int) -> Any:
    return np.random.default_rng(seed).standard_normal((count, size))


def size_of(case: Case, v: Any, w: Any) -> float:
    """What the rounding errors of a number of size |wᵀ J v| may be."""
    matrix = np.abs(case.truth.jacobian)
    uncertain = max(slack(case.truth), slack(case.truth.transposed))
    return 50 * EPS * uncertain * float(np.abs(w).sum() * np.max(matrix.sum(axis=1), initial=0.0) * np.abs(v).max())


def error_of(case: Case) -> float:
    """How far J⁻¹ J v may be from v."""
    return 100 * EPS * max(slack(case.truth), slack(case.truth.transposed)) * max(1.0, case.truth.condition)


FACTORS = st.one_of(st.just(0.0), st.floats(1e-100, 4), st.floats(-4, -1e-100))
"""Denormal right-hand sides have fewer digits than float64, which is warned about."""


@LAWS
@given(case=cases(), seed=SEEDS)
def test_each_inverse_undoes_its_mode(backend: str, case: Case, seed: int) -> None:
    lin = fg.linearize(case.program, case.x, backend=backend)
    (v,) = vectors(seed, case.truth.n, 1)
    slip = error_of(case) * np.abs(v).max()
    np.testing.assert_allclose(lin.ijvp(lin.jvp(v)), v, rtol=0, atol=slip * case.truth.n)
    np.testing.assert_allclose(lin.ivjp(lin.vjp(v)), v, rtol=0, atol=slip * case.truth.n)


@LAWS
@given(case=rectangles(), seed=SEEDS)
def test_reverse_is_the_transpose_of_forward(backend: str, case: Case, seed: int) -> None:
    lin = fg.linearize(case.program, case.x, backend=backend)
    v, w = vectors(seed, case.truth.n, 1)[0], vectors(seed + 1, case.truth.m, 1)[0]
    assert abs(w @ lin.jvp(v) - lin.vjp(w) @ v) <= size_of(case, v, w)


@LAWS
@given(case=cases(), seed=SEEDS)
def test_reverse_inverse_is_the_transpose_of_forward_inverse(backend: str, case: Case, seed: int) -> None:
    lin = fg.linearize(case.program, case.x, backend=backend)
    v, w = vectors(seed, case.truth.n, 2)
    slip = error_of(case) * np.abs(case.truth.inverse).sum() * np.abs(v).max() * np.abs(w).max()
    assert abs(w @ lin.ijvp(v) - lin.ivjp(w) @ v) <= slip


@LAWS
@given(case=cases(), seed=SEEDS, a=FACTORS, b=FACTORS)
def test_every_mode_is_linear(backend: str, case: Case, seed: int, a: float, b: float) -> None:
    lin = fg.linearize(case.program, case.x, backend=backend)
    v, w = vectors(seed, case.truth.n, 2)
    n = case.truth.n
    for apply, matrix, slip in (
        (lin.jvp, case.truth.jacobian, 50 * EPS * slack(case.truth)),
        (lin.vjp, case.truth.jacobian.T, 50 * EPS * slack(case.truth.transposed)),
        (lin.ijvp, case.truth.inverse, error_of(case)),
        (lin.ivjp, case.truth.inverse.T, error_of(case)),
    ):
        size = 8 * n * np.linalg.norm(matrix, np.inf) * max(np.abs(v).max(), np.abs(w).max())
        np.testing.assert_allclose(apply(a * v + b * w), a * apply(v) + b * apply(w), rtol=0, atol=slip * size)


@LAWS
@given(case=cases(), power=st.integers(-30, 30), seed=SEEDS)
def test_scaling_by_a_power_of_two_is_exact(backend: str, case: Case, power: int, seed: int) -> None:
    """Sweeps add and multiply only, so no bit may change; a threshold that depends on the size of v would show here."""
    lin = fg.linearize(case.program, case.x, backend=backend)
    (v,) = vectors(seed, case.truth.n, 1)
    scale = 2.0**power
    for apply in (lin.jvp, lin.vjp, lin.ijvp, lin.ivjp):
        np.testing.assert_array_equal(apply(scale * v), scale * apply(v))


@LAWS
@given(case=cases())
def test_zero_goes_to_zero(backend: str, case: Case) -> None:
    lin = fg.linearize(case.program, case.x, backend=backend)
    for apply in (lin.jvp, lin.vjp, lin.ijvp, lin.ivjp):
        np.testing.assert_array_equal(apply(np.zeros(case.truth.n)), np.zeros(case.truth.n))


@LAWS
@given(case=cases(), seed=SEEDS, k=st.integers(1, 5))
def test_many_right_hand_sides_are_columns(backend: str, case: Case, seed: int, k: int) -> None:
    lin = fg.linearize(case.program, case.x, backend=backend)
    v = vectors(seed, case.truth.n, k).T
    n = case.truth.n
    for apply, matrix, slip in modes_of(lin, case):
        found = apply(v)
        assert found.shape == (n, k)
        for column in range(k):
            size = slip * n * np.linalg.norm(matrix, np.inf) * np.abs(v).max()
            np.testing.assert_allclose(found[:, column], apply(v[:, column].copy()), rtol=0, atol=size)


def modes_of(lin: Any, case: Case) -> tuple[tuple[Any, Any, float], ...]:
    """Each mode with its matrix and how far two ways to it may be apart, relative to the norm."""
    t = case.truth
    return (
        (lin.jvp, t.jacobian, 20 * EPS * slack(t)),
        (lin.vjp, t.jacobian.T, 20 * EPS * slack(t.transposed)),
        (lin.ijvp, t.inverse, error_of(case)),
        (lin.ivjp, t.inverse.T, error_of(case)),
    )


@LAWS
@given(case=cases(), seed=SEEDS, size=st.integers(1, 20), k=st.sampled_from([None, 1, 3]))
def test_a_batch_is_a_loop(backend: str, case: Case, seed: int, size: int, k: int | None) -> None:
    """Every member comes out as it does alone; batches of other sizes may be summed in another order."""
    n = case.truth.n
    plan = fg.plan(case.program, backend=backend)
    x = np.tile(case.x, (size, 1))
    v = np.random.default_rng(seed).standard_normal((size, n) if k is None else (size, n, k))
    together = plan.linearize(x)
    alone = plan.linearize(case.x)
    np.testing.assert_allclose(together.value, np.tile(alone.value, (size, 1)), rtol=1e-10, atol=1e-10)
    for (apply, matrix, slip), (one, _, _) in zip(modes_of(together, case), modes_of(alone, case), strict=True):
        found = apply(v)
        assert found.shape == v.shape
        bound = slip * n * np.linalg.norm(matrix, np.inf) * np.abs(v).max()
        for b in range(size):
            np.testing.assert_allclose(found[b], one(v[b]), rtol=0, atol=bound)


@LAWS
@given(case=cases(), seed=SEEDS)
def test_different_members(backend: str, case: Case, seed: int) -> None:
    """The members have points of their own, so that one cannot pass for another."""
    rng = np.random.default_rng(seed)
    n = case.truth.n
    x = case.x * (1 + 1e-3 * rng.uniform(-1, 1, (6, n)))
    v = rng.standard_normal((6, n))
    plan = fg.plan(case.program, backend=backend)
    together = plan.linearize(x)
    for b in range(6):
        alone = plan.linearize(x[b])
        np.testing.assert_allclose(together.value[b], alone.value, rtol=1e-10, atol=1e-10)
        for (apply, matrix, slip), (one, _, _) in zip(modes_of(together, case), modes_of(alone, case), strict=True):
            # The points differ a little from the one at which J is known.
            bound = 10 * slip * n * np.linalg.norm(matrix, np.inf) * np.abs(v).max()
            np.testing.assert_allclose(apply(v)[b], one(v[b]), rtol=0, atol=bound)


@LAWS
@given(case=cases(), seed=SEEDS)
def test_linear_operators(backend: str, case: Case, seed: int) -> None:
    lin = fg.linearize(case.program, case.x, backend=backend)
    n = case.truth.n
    v = vectors(seed, n, 3).T
    applied = {"forward": lin.jvp, "reverse": lin.vjp, "forward-inverse": lin.ijvp, "reverse-inverse": lin.ivjp}
    adjoint = {"forward": lin.vjp, "reverse": lin.jvp, "forward-inverse": lin.ivjp, "reverse-inverse": lin.ijvp}
    for mode in MODES:
        operator = lin.as_linear_operator(mode)
        assert operator.shape == (n, n)
        assert operator.dtype == np.float64
        np.testing.assert_array_equal(operator @ v[:, 0], applied[mode](v[:, 0]))
        np.testing.assert_array_equal(operator @ v, applied[mode](v))
        np.testing.assert_array_equal(operator.H @ v[:, 0], adjoint[mode](v[:, 0]))
        np.testing.assert_array_equal(operator.T @ v, adjoint[mode](v))


@LAWS
@given(case=rectangles())
def test_operators_of_rectangles(backend: str, case: Case) -> None:
    lin = fg.linearize(case.program, case.x, backend=backend)
    m, n = case.truth.m, case.truth.n
    forward, reverse = lin.as_linear_operator("forward"), lin.as_linear_operator("reverse")
    assert (forward.shape, reverse.shape) == ((m, n), (n, m))
    np.testing.assert_array_equal(forward @ np.ones(n), lin.jvp(np.ones(n)))
    np.testing.assert_array_equal(reverse @ np.ones(m), lin.vjp(np.ones(m)))
    np.testing.assert_array_equal(forward.H @ np.ones(m), lin.vjp(np.ones(m)))


@LAWS
@given(case=cases(), seed=SEEDS)
def test_backends_agree_to_rounding(case: Case, seed: int) -> None:
    pytest.importorskip("numba")
    one, two = (fg.linearize(case.program, case.x, backend=name) for name in ("numpy", "compiled"))
    (v,) = vectors(seed, case.truth.n, 1)
    np.testing.assert_allclose(one.value, two.value, rtol=1e-10, atol=1e-10)
    for (apply, matrix, slip), (other, _, _) in zip(modes_of(one, case), modes_of(two, case), strict=True):
        bound = slip * case.truth.n * np.linalg.norm(matrix, np.inf) * np.abs(v).max()
        np.testing.assert_allclose(apply(v), other(v), rtol=0, atol=bound)


@LAWS
@given(case=cases(), seed=SEEDS)
def test_the_chain_rule(backend: str, case: Case, seed: int) -> None:
    """Two programs after each other: J of the whole is the product, and its inverse the product of the inverses."""
    n = case.truth.n
    matrix = np.random.default_rng(seed).standard_normal((n, n)) / (2 * n) + np.eye(n)

    def before(x: Any) -> Any:
        return x + 0.1 * np.sin(matrix @ x)

    def after(y: Any) -> Any:
        return y + 0.2 * np.tanh(np.roll(y, 1))

    x = case.x
    whole = fg.linearize(lambda z: after(before(z)), x, backend=backend)
    first = fg.linearize(before, x, backend=backend)
    second = fg.linearize(after, first.value, backend=backend)
    (v,) = vectors(seed, n, 1)
    np.testing.assert_allclose(whole.value, second.value, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(whole.jvp(v), second.jvp(first.jvp(v)), rtol=0, atol=1e-12)
    np.testing.assert_allclose(whole.ijvp(v), first.ijvp(second.ijvp(v)), rtol=0, atol=1e-10)
    signs = whole.slogdet().sign, first.slogdet().sign * second.slogdet().sign
    assert signs[0] == signs[1]
    total = first.slogdet().logabsdet + second.slogdet().logabsdet
    assert whole.slogdet().logabsdet == pytest.approx(total, abs=1e-11)


@LAWS
@given(case=cases())
def test_the_dense_jacobian_is_made_of_unit_vectors(backend: str, case: Case) -> None:
    lin = fg.linearize(case.program, case.x, backend=backend)
    n = case.truth.n
    bound = 20 * EPS * max(slack(case.truth), slack(case.truth.transposed)) * np.abs(case.truth.jacobian).sum()
    np.testing.assert_allclose(lin.jvp(np.eye(n)), lin.jacobian(), rtol=0, atol=bound)
    np.testing.assert_allclose(lin.vjp(np.eye(n)), lin.jacobian().T, rtol=0, atol=bound)
