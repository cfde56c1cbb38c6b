"""What a linearisation must satisfy, held against the oracle. Anything with ``Linearization``'s methods will do."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numeric_oracle import EPS, Truth
from numpy.typing import NDArray

from flowgraph.errors import AccuracyWarning

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
    forward, back = truth.jacobian, truth.jacobian.T
    found = direct_error(lin.jvp(v), truth.times(v), forward, v)
    assert found <= bound * slack(truth), found
    found = direct_error(lin.vjp(w), truth.transposed.times(w), back, w)
    assert found <= bound * slack(truth.transposed), found
    assert lin.jacobian().shape == (truth.m, truth.n)
    found = direct_error(lin.jacobian(), forward, forward, np.ones(1))
    assert found <= bound * max(slack(truth), slack(truth.transposed)), found


def residuals(lin: Any, truth: Truth, seed: int = 0, refine: int | None = None) -> tuple[float, float]:
    """The residuals of J⁻¹ v and J⁻ᵀ w, in units of the machine epsilon and of what J itself is uncertain by."""
    v, w = right_hand_sides(seed + 2, truth.m), right_hand_sides(seed + 3, truth.n)
    x, y = lin.ijvp(v, refine=refine), lin.ivjp(w, refine=refine)
    assert x.shape == v.shape
    assert y.shape == w.shape
    return truth.residual(x, v) / slack(truth), truth.transposed.residual(y, w) / slack(truth.transposed)


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
    uncertain = max(slack(truth), slack(truth.transposed))
    slip = 20 * EPS * uncertain * (truth.n * np.linalg.cond(truth.jacobian) + abs(expected)) if truth.n else 0.0
    assert abs(value - expected) <= slip, (value, expected, slip)


@contextmanager
def warned_rightly(truth: Truth) -> Iterator[None]:
    """Let through warnings about the residual where rounding alone makes it large, and no other."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        assert issubclass(warning.category, AccuracyWarning), warning
    assert not caught or max(slack(truth), slack(truth.transposed)) > 50.0, [str(w.message) for w in caught]


def check_all(lin: Any, truth: Truth, seed: int = 0) -> None:
    """Everything above, for a square J that is not singular at the point."""
    with warned_rightly(truth):
        check_value(lin, truth)
        check_direct(lin, truth, seed)
        check_inverse(lin, truth, seed)
        check_slogdet(lin, truth)
