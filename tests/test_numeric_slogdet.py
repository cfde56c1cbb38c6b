"""log|det J| and its sign, the estimate of the condition number, and the pivots."""

from __future__ import annotations

from itertools import permutations
from random import Random
from typing import Any

import numpy as np
import pytest
from numeric_checks import check_slogdet
from numeric_oracle import parity, truth
from numeric_programs import random_case, steady_cases

import flowgraph as fg
from flowgraph.builder import Builder
from flowgraph.program import Program


def permuted(order: tuple[int, ...]) -> Program:
    """Outputs are the inputs in another order."""
    return Builder(len(order)).finish(np.array(order, dtype=np.int64))


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_every_permutation_of_the_inputs(n: int, backend: str) -> None:
    for order in permutations(range(n)):
        sign, value = fg.linearize(permuted(order), np.ones(n), backend=backend).slogdet()
        assert (sign, value) == (parity(order), 0.0)


@pytest.mark.parametrize("seed", range(25))
def test_permuted_outputs_of_random_programs(seed: int, backend: str) -> None:
    """Permuting the outputs multiplies the determinant by the sign of the permutation."""
    from dataclasses import replace

    case = steady_cases()[seed]
    n = case.program.n_inputs
    sign, value = fg.linearize(case.program, case.x, backend=backend).slogdet()
    for k in range(6):
        order = Random(10 * seed + k).sample(range(n), n)
        outputs = case.program.outputs[order]
        lin = fg.linearize(replace(case.program, outputs=outputs), case.x, backend=backend)
        assert lin.slogdet()[0] == sign * parity(order)
        assert lin.slogdet()[1] == pytest.approx(value, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("kind", ["dense", "diagonal", "tridiagonal", "triangular", "permutation"])
def test_blocks_of_every_kind(size: int, kind: str, backend: str) -> None:
    """Linear maps, twice: the second layer shows that the signs of blocks multiply."""
    rng = np.random.default_rng(size)
    matrix = rng.standard_normal((size, size))
    if kind == "diagonal":
        matrix = np.diag(np.diag(matrix))
    elif kind == "tridiagonal":
        matrix = np.triu(np.tril(matrix, 1), -1)
    elif kind == "triangular":
        matrix = np.tril(matrix)
    elif kind == "permutation":
        matrix = matrix[rng.permutation(size)] * np.eye(size)[rng.permutation(size)] + 2 * np.eye(size)[::-1]

    def f(x: Any) -> Any:
        return matrix @ np.sinh(matrix @ x)

    x = rng.uniform(0.2, 0.8, size)
    program = fg.trace(f, size)
    check_slogdet(fg.linearize(f, x, backend=backend), truth(program, x))


def test_members_of_a_batch(backend: str) -> None:
    for case in steady_cases()[:30]:
        n = case.program.n_inputs
        x = case.x * np.random.default_rng(0).uniform(0.999, 1.001, (5, n))
        plan = fg.plan(case.program, backend=backend)
        sign, value = plan.linearize(x).slogdet()
        assert sign.shape == value.shape == (5,)
        for member in range(5):
            one = plan.linearize(x[member]).slogdet()
            assert sign[member] == one[0]
            assert value[member] == pytest.approx(one[1], rel=1e-13, abs=1e-13)


def test_the_result_is_a_named_tuple_like_numpys(backend: str) -> None:
    found = fg.linearize(permuted((1, 0)), [1.0, 2.0], backend=backend).slogdet()
    assert (found.sign, found.logabsdet) == (-1.0, 0.0)
    assert float(found.sign) == -1.0


def test_signs_differ_between_members(backend: str) -> None:
    program = fg.parse("inputs x, y\nz = x * y\noutputs z, y")
    sign, value = fg.linearize(program, [[1.0, 2.0], [1.0, -3.0]], backend=backend).slogdet()
    np.testing.assert_array_equal(sign, [1.0, -1.0])
    np.testing.assert_allclose(value, np.log([2.0, 3.0]), rtol=1e-15)


def test_singular_at_x(backend: str) -> None:
    program = fg.parse("inputs x, y\nu = x**2 - y**2\nv = 2*x*y\noutputs u, v")
    assert tuple(fg.linearize(program, [0.0, 0.0], backend=backend).slogdet()) == (0.0, -np.inf)
    sign, value = fg.linearize(program, [[0.0, 0.0], [1.0, 2.0]], backend=backend).slogdet()
    np.testing.assert_array_equal(sign, [0.0, 1.0])
    np.testing.assert_allclose(value, [-np.inf, np.log(20.0)], rtol=1e-15)
    chain = fg.parse("inputs x, y\nz = x * y\nw = y * z\noutputs z, w")
    assert tuple(fg.linearize(chain, [1.0, 0.0], backend=backend).slogdet()) == (0.0, -np.inf)


def test_no_overflow_of_the_determinant(backend: str) -> None:
    """log|det| of a product that is no float64."""
    scales = np.full(400, 1e-3)
    for factor, sign in ((1e-3, 1.0), (-1e3, 1.0)):
        found = fg.linearize(lambda x, c=factor: c * x * scales / 1e-3, np.ones(400), backend=backend).slogdet()
        assert found.sign == sign
        assert found.logabsdet == pytest.approx(400 * np.log(abs(factor)), rel=1e-14)
    odd = fg.linearize(lambda x: -2.0 * x, np.ones(401), backend=backend).slogdet()
    assert odd.sign == -1.0


# -- condition ---------------------------------------------------------------------------------------------------------


def test_the_estimate_of_the_condition(backend: str) -> None:
    """A lower bound of cond₁(J), seldom three times too low, and never ten times on these."""
    ratios = []
    for case in steady_cases()[:300]:
        found = fg.linearize(case.program, case.x, backend=backend).condest()
        true = case.truth.condition
        assert found <= true * (1 + 1e-6 + 1e-15 * true * case.truth.growth), (str(case), found, true)
        ratios.append(found / true)
    assert min(ratios) >= 0.1
    assert np.quantile(ratios, 0.05) >= 1 / 3


def test_the_estimate_is_exact_for_diagonal_matrices(backend: str) -> None:
    found = fg.linearize(lambda x: x * np.array([1.0, 1e-5, 10.0]), np.ones(3), backend=backend).condest()
    assert found == pytest.approx(1e6, rel=1e-12)


def test_the_estimate_of_dense_matrices(backend: str) -> None:
    for seed in range(10):
        matrix = np.random.default_rng(seed).standard_normal((12, 12))
        found = fg.linearize(lambda x, a=matrix: a @ x, np.ones(12), backend=backend).condest()
        true = np.linalg.cond(matrix, 1)
        assert true / 3 <= found <= true * (1 + 1e-10)


def test_the_estimate_where_j_is_singular(backend: str) -> None:
    program = fg.parse("inputs x, y\nu = x**2 - y**2\nv = 2*x*y\noutputs u, v")
    assert fg.linearize(program, [0.0, 0.0], backend=backend).condest() == np.inf
    found = fg.linearize(program, [[0.0, 0.0], [1.0, 2.0]], backend=backend).condest()
    assert found.shape == (2,)
    assert found[0] == np.inf
    assert found[1] == pytest.approx(np.linalg.cond([[2.0, -4.0], [4.0, 2.0]], 1), rel=1e-12)


def test_estimates_of_batches(backend: str) -> None:
    case = random_case(3)
    x = np.stack([case.x, case.x * 1.0001, case.x])
    plan = fg.plan(case.program, backend=backend)
    found = plan.linearize(x).condest()
    for member in range(3):
        assert found[member] == pytest.approx(plan.linearize(x[member]).condest(), rel=1e-9)
