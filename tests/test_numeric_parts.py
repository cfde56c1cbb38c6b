"""The first inverse call on a fresh linearization, tiny pivots at any right-hand side, results out of range."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest

import flowgraph as fg

RANK_TWO = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])


def underflowing(x: Any) -> Any:
    """J = diag(2 + cos x1, 1e-140): merged, the second pivot is 0."""
    return np.stack([2 * x[0] + np.sin(x[0]), ((x[1] * 1e200) * 1e-170) * 1e-170])


def with_one_singular_member(x: Any) -> Any:
    return np.concatenate([RANK_TWO @ x[:3] + x[3] ** 2 * x[:3][::-1], x[3:]])


@pytest.mark.parametrize("first", ["ijvp", "ivjp", "slogdet"])
def test_the_first_call_says_what_the_second_says(first: str, backend: str) -> None:
    plan = fg.plan(underflowing, 2, backend=backend)
    lin = plan.linearize([1.0, 1.0])
    ask = (lambda: lin.slogdet()) if first == "slogdet" else (lambda: getattr(lin, first)([1.0, 1e-140]))
    one, two = ask(), ask()
    np.testing.assert_array_equal(one, two)
    if first == "ivjp":
        # Cotangents pass 1e-340 on the way.
        return
    slope = 2 + np.cos(1.0)
    expected = [1.0, np.log(slope) - 140 * np.log(10.0)] if first == "slogdet" else [1 / slope, 1.0]
    np.testing.assert_allclose(one, expected, rtol=1e-13)


@pytest.mark.parametrize("first", ["ijvp", "ivjp", "slogdet"])
def test_regular_members_do_not_suffer_from_a_nearly_singular_one(first: str, backend: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((6, 4))
    x[2, 3] = 0.0
    v = rng.standard_normal((6, 4))
    lin = fg.plan(with_one_singular_member, 4, backend=backend).linearize(x)
    regular = [0, 1, 3, 4, 5]
    if first == "slogdet":
        sign, log = lin.slogdet()
        expected = np.linalg.slogdet(lin.jacobian())
        np.testing.assert_array_equal(sign[regular], expected.sign[regular])
        np.testing.assert_allclose(log[regular], expected.logabsdet[regular], rtol=1e-10)
        return
    # The backends' roundings decide whether member 2 is singular or only nearly so.
    found: Any = None
    with contextlib.suppress(fg.SingularJacobian):
        found = getattr(lin, first)(v)
    if found is None:
        with pytest.raises(fg.SingularJacobian) as caught:
            getattr(lin, first)(v)
        assert caught.value.members == (2,)
        found = caught.value.solution
    jacobians = lin.jacobian()
    for b in regular:
        matrix = jacobians[b] if first == "ijvp" else jacobians[b].T
        np.testing.assert_allclose(found[b], np.linalg.solve(matrix, v[b]), rtol=1e-8)


@pytest.mark.parametrize("refine", [None, 1, 2])
@pytest.mark.parametrize("eps", [1e-4, 1e-8, 1e-12, 1e-15])
def test_tiny_pivots_at_unit_vectors(eps: float, refine: int | None, backend: str) -> None:
    """J v loses the same digits there, so its residual is 0 where the solution is wrong."""

    def swap(x: Any) -> Any:
        u, w = x
        u = eps * u + w
        w = (w - u) / eps
        return np.stack([u, w])

    lin = fg.linearize(swap, [0.3, 0.7], backend=backend)
    inverse = np.array([[0.0, -1.0], [1.0, eps]])
    for v in (np.eye(2), np.array([[1.0, 3.0], [1.0, -2.0]])):
        np.testing.assert_allclose(lin.ijvp(v, refine=refine), inverse @ v, rtol=0, atol=4e-16 * 4)
        np.testing.assert_allclose(lin.ivjp(v, refine=refine), inverse.T @ v, rtol=0, atol=4e-16 * 4)


def test_a_result_that_leaves_float64_is_warned_about(backend: str) -> None:
    with pytest.warns(fg.AccuracyWarning, match="not finite"):
        found = fg.ijvp(lambda x: 1e-200 * x, [1.0, 2.0], [1e200, 1.0], backend=backend)
    assert np.isinf(found[0])


def test_what_is_kept_is_the_callers_no_longer(backend: str) -> None:
    x = np.array([1.0, 2.0])
    lin = fg.linearize(lambda x: x * x, x, backend=backend)
    x[:] = 99.0
    np.testing.assert_array_equal(lin.x, [1.0, 2.0])


def test_all_members_outside_a_domain_are_named(backend: str) -> None:
    with pytest.raises(fg.DomainError) as caught:
        fg.linearize(lambda x: np.log(x), [[1.0], [-1.0], [2.0], [-3.0]], backend=backend)
    assert caught.value.members == (1, 3)


def test_a_plan_serves_where_a_function_does(backend: str) -> None:
    plan = fg.plan(lambda x: x * x - 2.0, 2, backend=backend)
    np.testing.assert_allclose(fg.newton(plan, [1.0, 1.0]).x, np.sqrt([2.0, 2.0]))
    np.testing.assert_array_equal(fg.ijvp(plan, [1.0, 1.0], [1.0, 4.0]), [0.5, 2.0])
    with pytest.raises(fg.InputError, match="tape"):
        fg.jvp(plan, [1.0, 1.0], [1.0, 1.0], tape=False)
