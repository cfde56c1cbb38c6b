"""Estimates of the 1-norm of a matrix that is known by its products only.

Reference: N. Higham, ACM TOMS 14 (1988) 381–396, algorithm 2.4 after W. Hager, as in LAPACK's DLACON.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_ROUNDS = 5


def one_norm(n: int, batch: int, apply: Callable[[Array], Array], apply_transposed: Callable[[Array], Array]) -> Array:
    """A lower bound of ‖M‖₁ of B matrices, almost always within a factor of 3.

    Args:
        n: columns of M.
        batch: B.
        apply: (B, n, 1) → (B, m, 1), x ↦ M x.
        apply_transposed: (B, m, 1) → (B, n, 1).

    Returns:
        (B,) the estimates.

    Example:
        >>> matrix = np.array([[[1.0, -5.0], [2.0, 3.0]]])
        >>> one_norm(2, 1, lambda x: matrix @ x, lambda y: np.swapaxes(matrix, 1, 2) @ y)
        array([8.])
    """
    if n == 0 or batch == 0:
        return np.zeros(batch)
    members = np.arange(batch)
    x = np.full((batch, n, 1), 1.0 / n)
    best = np.zeros(batch)
    last = np.full(batch, -1)
    active = np.ones(batch, dtype=bool)
    with np.errstate(all="ignore"):
        for _ in range(_ROUNDS):
            y = apply(x)
            found = np.abs(y).sum(axis=(1, 2))
            grown = found > best
            best = np.where(np.isnan(found), found, np.fmax(best, found))
            active &= grown
            if not active.any():
                break
            z = apply_transposed(np.where(y >= 0.0, 1.0, -1.0))[:, :, 0]
            at = np.abs(z).argmax(axis=1)
            # Where z is largest at the unit vector just tried, the estimate is a local maximum.
            active &= at != last
            last = at
            x = np.zeros((batch, n, 1))
            x[members, at, 0] = 1.0
        alternate = np.where(np.arange(n) % 2, -1.0, 1.0) * (1.0 + np.arange(n) / max(n - 1, 1))
        found = np.abs(apply(np.broadcast_to(alternate[:, None], (batch, n, 1)).copy())).sum(axis=(1, 2))
        return np.fmax(best, 2.0 * found / (3.0 * n))
