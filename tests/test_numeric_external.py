"""Blocks that SuperLU factors: the sign that its permutations give the determinant."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np
import pytest

import flowgraph as fg
from flowgraph.numeric import external

SIZE = 600
"""Large enough that no band holds the entries, so that the block goes to SuperLU."""


def scattered(n: int, seed: int) -> Callable[[Any], Any]:
    """Every entry reads two more, anywhere: one sparse block of n unknowns, whose pivots are not on its diagonal."""
    rng = np.random.default_rng(seed)
    first, second = rng.permutation(n), rng.permutation(n)
    return lambda x: 0.1 * x + x[first] * x[first] + 0.7 * np.sin(x[second])


def signs_agree() -> bool:
    """Whether the signs are the dense ones, in blocks where both occur."""
    found, right = [], []
    for seed in range(4):
        lin = fg.linearize(scattered(SIZE, seed), np.random.default_rng(seed + 10).normal(size=SIZE))
        dense = np.linalg.slogdet(lin.jacobian())
        np.testing.assert_allclose(lin.slogdet().logabsdet, dense[1], rtol=1e-10)
        found.append(lin.slogdet().sign)
        right.append(float(dense[0]))
    assert set(right) == {-1.0, 1.0}
    return found == right


def test_signs_of_sparse_external_blocks() -> None:
    assert signs_agree()


def test_wrong_parities_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external, "_odd", lambda p: 0)
    assert not signs_agree()


@pytest.mark.parametrize("size", range(7))
def test_parity_is_that_of_the_inversions(size: int) -> None:
    for order in permutations(range(size)):
        inversions = sum(order[i] > order[j] for i in range(size) for j in range(i + 1, size))
        assert external._odd(np.array(order, dtype=np.int64)) == inversions % 2
