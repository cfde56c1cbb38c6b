"""What a linearisation must satisfy, held against the oracle; anything with the methods of ``Linearization`` will do."""

from __future__ import annotations

from typing import Any

import numpy as np
from numeric_oracle import EPS, Truth
from numpy.typing import NDArray

Array = NDArray[Any]

RESIDUAL = 10.0
"""Largest residual of an inverse mode, in units of the machine epsilon, where rounding does not grow in J itself."""

REFINED = 4.0
"""The same after one round of refinement."""

DIRECT = 10.0
"""Largest error of J v and Jᵀ w relative to ‖J‖ ‖v‖, in units of the machine epsilon."""


def slack(truth: Truth) -> float:
    """How much more rounding of values and partials changes J than one unit; no engine in float64 can avoid that."""
    return max(1.0, truth.growth)


def direct_error(found: Array, expected: Array, matrix: Array, v: Array) -> float:
    """‖found − expected‖ / (‖M‖ ‖v‖) in the maximum norm, in units of the machine epsilon."""
    assert found.shape == expected.shape, (found.shape, expected.shape)
    assert found.dtype == np.float64
    assert np.isfinite(found).all()
    scale = np.linalg.norm(matrix, np.inf) * np.max(np.abs(v), initial=0.0) if matrix.size else 0.0
    error = np.max(np.abs(found - expected), initial=0.0)
    return float(error / scale / EPS) if scale else float(error != 0)


def right_hand_sides(seed: int, size: int, k: int | None = None) -> Array:
    """A vector, or k columns, of entries from a normal distribution."""
    return np.random.default_rng(seed).standard_normal(size if k is None else (size, k))


def check_value(lin: Any, truth: Truth, tolerance: float = 1e-11) -> None:
    """f(x), to within the rounding that the values of the program amplify."""
    np.testing.assert_allclose(lin.value, truth.value, rtol=tolerance, atol=tolerance)


def check_direct(lin: Any, truth: Truth, seed: int = 0, bound: float = DIRECT) -> None:
    """J v, Jᵀ w and J itself."""
    v, w = right_hand_sides(seed, truth.n), right_hand_sides(seed + 1, truth.m)
    bound *= slack(truth)
    assert direct_error(lin.jvp(v), truth.times(v), truth.jacobian, v) <= bound
    back = truth.transposed
    assert direct_error(lin.vjp(w), back.times(w), back.jacobian, w) <= bound * max(1, _ratio(truth))
    assert lin.jacobian().shape == (truth.m, truth.n)
    difference = np.max(np.abs(lin.jacobian() - truth.jacobian), initial=0.0)
    assert difference <= bound * EPS * max(1e-300, np.max(np.abs(truth.jacobian).sum(axis=1), initial=0.0))


def _ratio(truth: Truth) -> float:
    """Growth is measured in ‖J‖∞; in Jᵀ the same errors weigh at most as much more as the two norms differ."""
    if not truth.jacobian.size or not truth.jacobian.any():
        return 1.0
    return float(np.linalg.norm(truth.jacobian, np.inf) / np.linalg.norm(truth.jacobian, 1))


def residuals(lin: Any, truth: Truth, seed: int = 0, refine: int | None = None) -> tuple[float, float]:
    """The residuals of J⁻¹ v and J⁻ᵀ w, in units of the machine epsilon over what J itself is uncertain by."""
    v, w = right_hand_sides(seed + 2, truth.m), right_hand_sides(seed + 3, truth.n)
    x, y = lin.ijvp(v, refine=refine), lin.ivjp(w, refine=refine)
    assert x.shape == v.shape
    assert y.shape == w.shape
    forward = truth.residual(x, v) / slack(truth)
    return forward, truth.transposed.residual(y, w) / slack(truth) / max(1.0, _ratio(truth))


def check_inverse(lin: Any, truth: Truth, seed: int = 0) -> None:
    """J⁻¹ v and J⁻ᵀ w by their residuals, as they come and after one round of refinement."""
    found = residuals(lin, truth, seed)
    assert max(found) <= RESIDUAL, found
    found = residuals(lin, truth, seed, refine=1)
    assert max(found) <= REFINED, found


def check_slogdet(lin: Any, truth: Truth) -> None:
    """The sign exactly, and log|det J| to within n cond(J) rounding errors."""
    sign, value = lin.slogdet()
    expected_sign, expected = truth.slogdet
    assert sign == expected_sign
    slip = 20 * EPS * slack(truth) * (truth.n * np.linalg.cond(truth.jacobian) + abs(expected)) if truth.n else 0.0
    assert abs(value - expected) <= slip, (value, expected, slip)


def check_all(lin: Any, truth: Truth, seed: int = 0) -> None:
    """Everything above, for a square J that is not singular at the point."""
    check_value(lin, truth)
    check_direct(lin, truth, seed)
    check_inverse(lin, truth, seed)
    check_slogdet(lin, truth)
