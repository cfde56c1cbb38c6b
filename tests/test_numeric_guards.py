"""Branches that tracing took: a function is traced again where they go the other way, a program refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numeric_oracle import complex_step

import flowgraph as fg
from flowgraph.errors import InputError

SIZES = st.floats(-2, 2).filter(lambda a: abs(a) > 1e-3)


def branching(x: Any) -> Any:
    """One of four maps, all invertible."""
    u, v = x[0], x[1]
    if u > v:
        u = u * 3
    else:
        v = v - u**2
    if v > 0.25:
        return np.stack([v, np.sinh(u)])
    return np.stack([u + v, 2 * v])


def same_as_numpy(lin: Any, f: Any, x: np.ndarray) -> None:
    matrix = complex_step(lambda z: f_at(f, z, x), x)
    np.testing.assert_allclose(lin.value, f(x), rtol=1e-15, atol=1e-15)
    np.testing.assert_allclose(lin.jacobian(), matrix, rtol=1e-13, atol=1e-14)
    v = np.array([1.0, -2.0])
    np.testing.assert_allclose(lin.jvp(v), matrix @ v, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(lin.vjp(v), matrix.T @ v, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(lin.ijvp(v), np.linalg.solve(matrix, v), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(lin.ivjp(v), np.linalg.solve(matrix.T, v), rtol=1e-10, atol=1e-12)
    sign, value = np.linalg.slogdet(matrix)
    assert lin.slogdet().sign == sign
    assert lin.slogdet().logabsdet == pytest.approx(value, abs=1e-12)


def f_at(f: Any, z: np.ndarray, x: np.ndarray) -> np.ndarray:
    """``branching`` at complex z, with the branches that it takes at x."""
    assert f is branching
    u, v = z[0], z[1]
    a, b = x[0], x[1]
    if a > b:
        u, a = u * 3, a * 3
    else:
        v, b = v - u**2, b - a**2
    if b > 0.25:
        return np.stack([v, np.sinh(u)])
    return np.stack([u + v, 2 * v])


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(points=st.lists(st.tuples(SIZES, SIZES), min_size=1, max_size=6))
def test_a_function_is_traced_again(backend: str, points: list[tuple[float, float]]) -> None:
    """One plan at points of all branches, in any order and again."""
    plan = fg.plan(branching, 2, backend=backend)
    for point in [*points, *points]:
        x = np.array(point)
        same_as_numpy(plan.linearize(x), branching, x)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(points=st.lists(st.tuples(SIZES, SIZES), min_size=1, max_size=30), k=st.sampled_from([None, 1, 2]))
def test_members_of_a_batch_take_branches_of_their_own(
    backend: str, points: list[tuple[float, float]], k: int | None
) -> None:
    x = np.array(points)
    size = len(x)
    rng = np.random.default_rng(0)
    v = rng.standard_normal((size, 2) if k is None else (size, 2, k))
    lin = fg.linearize(branching, x, backend=backend)
    together = (lin.jvp(v), lin.vjp(v), lin.ijvp(v), lin.ivjp(v))
    sign, value = lin.slogdet()
    matrices, conditions = lin.jacobian(), lin.condest()
    assert matrices.shape == (size, 2, 2)
    for b in range(size):
        one = fg.linearize(branching, x[b], backend=backend)
        np.testing.assert_allclose(lin.value[b], branching(x[b]), rtol=1e-15, atol=1e-15)
        np.testing.assert_allclose(matrices[b], one.jacobian(), rtol=1e-14, atol=1e-15)
        assert sign[b] == one.slogdet().sign
        assert value[b] == pytest.approx(one.slogdet().logabsdet, abs=1e-12)
        assert conditions[b] == pytest.approx(one.condest(), rel=1e-9)
        for found, mode in zip(together, (one.jvp, one.vjp, one.ijvp, one.ivjp), strict=True):
            assert found.shape == v.shape
            np.testing.assert_allclose(found[b], mode(v[b]), rtol=1e-10, atol=1e-12)


def test_functions_do_it_too(backend: str) -> None:
    v = np.array([0.3, 0.7])
    for point in ([1.0, 0.5], [0.5, 1.0], [1.0, 0.1], [-1.0, -0.9]):
        x = np.array(point)
        matrix = complex_step(lambda z, at=x: f_at(branching, z, at), x)
        y, dy = fg.jvp(branching, x, v, backend=backend)
        np.testing.assert_allclose(y, branching(x), rtol=1e-15)
        np.testing.assert_allclose(dy, matrix @ v, rtol=1e-13)
        np.testing.assert_allclose(fg.vjp(branching, x, v, backend=backend)[1], matrix.T @ v, rtol=1e-13)
        np.testing.assert_allclose(fg.ijvp(branching, x, v, backend=backend), np.linalg.solve(matrix, v), rtol=1e-12)
        np.testing.assert_allclose(fg.ivjp(branching, x, v, backend=backend), np.linalg.solve(matrix.T, v), rtol=1e-12)
        _, dy = fg.jvp(branching, x, v, backend=backend, tape=False)
        np.testing.assert_allclose(dy, matrix @ v, rtol=1e-13)
        found = fg.ivjp(branching, x, v, backend=backend, tape=False)
        np.testing.assert_allclose(found, np.linalg.solve(matrix.T, v), rtol=1e-12)


def test_loops_until_convergence(backend: str) -> None:
    """The number of rounds depends on x: √a by Newton's method, whose derivative is 1/(2√a)."""

    def root(a: Any) -> Any:
        y = a
        while np.max((y * y - a) ** 2) > 1e-24:
            y = 0.5 * (y + a / y)
        return y

    plan = fg.plan(root, 1, backend=backend)
    for a in (2.0, 1.0001, 500.0, 1e-3, 2.0):
        lin = plan.linearize([a])
        np.testing.assert_allclose(lin.value, [a**0.5], rtol=1e-8)
        np.testing.assert_allclose(lin.jvp([1.0]), [0.5 / a**0.5], rtol=1e-4)
    batch = plan.linearize(np.array([[2.0], [500.0], [1e-3], [2.1]]))
    np.testing.assert_allclose(batch.ijvp(np.ones((4, 1)))[:, 0], 2 * np.sqrt([2.0, 500.0, 1e-3, 2.1]), rtol=1e-4)


def test_a_kink_in_a_condition_is_no_kink_of_f(backend: str) -> None:
    """No derivative flows through |y² − a| here, so the loop may end where it is exactly 0."""

    def root(a: Any) -> Any:
        y = a
        while abs(y[0] * y[0] - a[0]) > 1e-12:
            y = 0.5 * (y + a / y)
        return y

    y, dy = fg.jvp(root, [1.0], [1.0], backend=backend)
    np.testing.assert_array_equal(y, [1.0])
    assert dy.shape == (1,)
    np.testing.assert_allclose(fg.linearize(root, [4.0], backend=backend).value, [2.0], rtol=1e-12)


def test_the_number_of_outputs_may_not_depend_on_the_branch(backend: str) -> None:
    """Members of one batch with results of different lengths make no array."""

    def f(x: Any) -> Any:
        return x[:1] if x[0] > 0 else x

    assert fg.linearize(f, [1.0, 2.0], backend=backend).value.shape == (1,)
    assert fg.linearize(f, [-1.0, 2.0], backend=backend).value.shape == (2,)
    with pytest.raises(InputError) as caught:
        fg.linearize(f, [[1.0, 2.0], [-1.0, 2.0]], backend=backend)
    assert "1" in str(caught.value)
    assert "2" in str(caught.value)


def test_a_program_refuses(backend: str) -> None:
    program = fg.trace(branching, [1.0, 0.5])
    x = np.array([1.2, 0.4])
    same_as_numpy(fg.linearize(program, x, backend=backend), branching, x)
    line = program.guards[0].line
    v = np.ones(2)
    wrong = np.array([0.5, 1.0])
    for call in (
        lambda: fg.linearize(program, wrong, backend=backend),
        lambda: fg.plan(program, backend=backend).linearize(wrong),
        lambda: fg.jvp(program, wrong, v, backend=backend),
        lambda: fg.ijvp(program, wrong, v, backend=backend),
        lambda: fg.jvp(program, wrong, v, backend=backend, tape=False),
        lambda: fg.ivjp(program, wrong, v, backend=backend, tape=False),
    ):
        with pytest.raises(InputError) as caught:
            call()
        assert f"line {line}" in str(caught.value)
        assert caught.value.remedy
    with pytest.raises(InputError) as caught:
        fg.linearize(program, np.stack([x, x, wrong]), backend=backend)
    assert "2" in str(caught.value)


def test_a_guard_on_an_input_and_on_a_value_nothing_reads(backend: str) -> None:
    program = fg.trace(lambda x: x * 2 if x[0] > 0 and np.sin(x[1]) > 0 else -x, [1.0, 1.0])
    np.testing.assert_array_equal(fg.linearize(program, [2.0, 3.0], backend=backend).value, [4.0, 6.0])
    for wrong in ([-1.0, 1.0], [1.0, 4.0], [0.0, 1.0], [1.0, 0.0]):
        with pytest.raises(InputError):
            fg.linearize(program, wrong, backend=backend)


def test_where_needs_no_second_trace(backend: str) -> None:
    """``np.where`` is an operation: one program serves both sides."""
    count = 0

    def f(x: Any) -> Any:
        nonlocal count
        count += 1
        return np.where(x > 0, np.exp(x), 1 + x)

    plan = fg.plan(f, 2, backend=backend)
    plan.linearize([1.0, -1.0])
    before = count
    for x in ([1.0, 2.0], [-1.0, 2.0], [-3.0, -1.0]):
        expected = np.where(np.array(x) > 0, np.exp(x), 1.0)
        np.testing.assert_allclose(plan.linearize(x).jvp(np.ones(2)), expected, rtol=1e-15)
    assert count == before


def test_a_branch_is_traced_once(backend: str) -> None:
    """Coming back to a branch traces nothing anew."""
    count = 0

    def f(x: Any) -> Any:
        nonlocal count
        count += 1
        return np.exp(x) if x[0] > 0 else x**3

    plan = fg.plan(f, 1, backend=backend)
    for x in (1.0, -1.0):
        plan.linearize([x])
    before = count
    for x in (2.0, -2.0, 3.0, -3.0, 1.0):
        plan.linearize([x])
    assert count == before
