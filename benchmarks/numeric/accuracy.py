"""Forward errors against a 50-digit reference: the composition of tridiagonal maps with cond(J) ≈ 10¹⁰, n = 256.

The reference differentiates the layer by hand and computes with mpmath throughout: the trajectory, the tridiagonal
matrix of each layer, and the solves, 50 digits each. It knows nothing of the programs, of the registry of operations or
of the engine. Two right-hand sides, because they differ by orders of magnitude: a random v, for which J⁻¹ v lies where
J is smallest and methods that never form J keep their digits; and v = J x₀ for a random x₀, for which every method
loses what the condition number takes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator, gmres, splu

from benchmarks.numeric import klu
from benchmarks.numeric.engine import BACKENDS, engine, missing
from benchmarks.numeric.extended import extended_system
from benchmarks.numeric.families import ILL_CONDITIONED_COEFFICIENT, Instance, tridiagonal

Array = np.ndarray[Any, Any]
Bands = list[tuple[list[Any], list[Any], list[Any]]]

DIGITS = 50


def layers_in_mpmath(x: Array, layers: int, coefficient: float) -> Bands:
    """Sub-diagonal, diagonal and super-diagonal of each layer's matrix, in the working precision of mpmath."""
    from mpmath import mp, mpf

    state = [mpf(float(value)) for value in x]
    half = mpf(0.5) * mpf(coefficient)
    zero = mpf(0)
    bands: Bands = []
    for _ in range(layers):
        left, right = [zero, *state[:-1]], [*state[1:], zero]
        angles = [a + b - 2 * c for a, b, c in zip(left, right, state, strict=True)]
        slopes = [half * mp.cos(angle) for angle in angles]
        bands.append((slopes[1:], [1 - 2 * slope for slope in slopes], slopes[:-1]))
        state = [value + half * mp.sin(angle) for value, angle in zip(state, angles, strict=True)]
    return bands


def multiply(bands: Bands, v: Sequence[Any]) -> list[Any]:
    """J v, layer by layer."""
    found = list(v)
    for low, middle, high in bands:
        before, after = [0, *found[:-1]], [*found[1:], 0]
        found = [
            a * p + d * q + b * r
            for a, p, d, q, b, r in zip([0, *low], before, middle, found, [*high, 0], after, strict=True)
        ]
    return found


def solve(bands: Bands, v: Sequence[Any]) -> list[Any]:
    """J⁻¹ v, layer by layer; elimination without pivoting, which diagonally dominant matrices allow."""
    found = list(v)
    for low, middle, high in reversed(bands):
        pivots = list(middle)
        for k in range(1, len(found)):
            factor = low[k - 1] / pivots[k - 1]
            pivots[k] = middle[k] - factor * high[k - 1]
            found[k] = found[k] - factor * found[k - 1]
        found[-1] = found[-1] / pivots[-1]
        for k in range(len(found) - 2, -1, -1):
            found[k] = (found[k] - high[k] * found[k + 1]) / pivots[k]
    return found


def _dense(instance: Instance, coefficient: float, layers: int) -> Array:
    """J in float64 as a product of the layers' matrices, what forward mode over all unit vectors computes."""
    matrix = np.eye(instance.n)
    state = instance.x
    for _ in range(layers):
        left, right = np.concatenate([[0.0], state[:-1]]), np.concatenate([state[1:], [0.0]])
        slopes = 0.5 * coefficient * np.cos(left + right - 2.0 * state)
        shifted = np.zeros_like(matrix)
        shifted[1:] += matrix[:-1]
        shifted[:-1] += matrix[1:]
        matrix = matrix + slopes[:, None] * (shifted - 2.0 * matrix)
        state = state + 0.5 * coefficient * np.sin(left + right - 2.0 * state)
    return matrix


def _solvers(instance: Instance, matrix: Array) -> dict[str, Callable[[Array], Array] | str]:
    """Each contender as a function v ↦ J⁻¹ v, or the reason why it is absent."""
    n = instance.n
    program = instance.program()
    system = extended_system(program, instance.x, merged=True)
    superlu = splu(system.matrix)
    operator = LinearOperator((n, n), matvec=lambda t: matrix @ t, dtype=float)  # pyright: ignore[reportCallIssue]

    def by_gmres(v: Array) -> Array:
        return gmres(operator, v, rtol=1e-14, atol=0.0, restart=n, maxiter=4)[0]

    found: dict[str, Callable[[Array], Array] | str] = {
        "dense LU": lambda v: np.linalg.solve(matrix, v),
        "GMRES": by_gmres,
        "SuperLU on E": lambda v: superlu.solve(system.right_hand_side(v))[:n],
    }
    if klu.library() is None:
        found["KLU on E"] = "libklu is not installed"
    else:
        factors = klu.Klu(system.matrix)
        found["KLU on E"] = lambda v: factors.solve(system.right_hand_side(v))[:n]
    for backend in BACKENDS:
        reason = missing(backend)
        if reason is not None:
            found[f"flowgraph {backend}"] = reason
            continue
        point = engine(backend).plan(program).linearize(instance.x)
        found[f"flowgraph {backend}"] = point.ijvp
        found[f"flowgraph {backend}, refined once"] = lambda v, point=point: point.ijvp(v, refine=1)
    return found


def accuracy(n: int = 256, layers: int = 256, coefficient: float = ILL_CONDITIONED_COEFFICIENT) -> dict[str, Any]:
    """Relative forward errors ‖x − x_exact‖ / ‖x_exact‖ of every contender, for both kinds of right-hand side."""
    from mpmath import mp, mpf

    instance = tridiagonal(n, layers, coefficient)
    matrix = _dense(instance, coefficient, layers)
    rng = np.random.default_rng(11)
    random, true = rng.standard_normal(n), rng.standard_normal(n)
    with mp.workdps(DIGITS):
        bands = layers_in_mpmath(instance.x, layers, coefficient)
        exact = solve(bands, [mpf(float(value)) for value in random])
        image = np.array([float(value) for value in multiply(bands, [mpf(float(value)) for value in true])])
        # The image is rounded to float64; the exact answer is that of the rounded one.
        recovered = solve(bands, [mpf(float(value)) for value in image])
        references = tuple(np.array([float(value) for value in row]) for row in (exact, recovered))
    rows = []
    for name, solver in _solvers(instance, matrix).items():
        if isinstance(solver, str):
            rows.append({"method": name, "absent": solver})
            continue
        random_error, image_error = (
            float(np.linalg.norm(solver(v) - reference) / np.linalg.norm(reference))
            for v, reference in zip((random, image), references, strict=True)
        )
        true_error = float(np.linalg.norm(solver(image) - true) / np.linalg.norm(true))
        rows.append({"method": name, "random": random_error, "image": image_error, "recovered": true_error})
    return {"n": n, "layers": layers, "condition": float(np.linalg.cond(matrix)), "digits": DIGITS, "rows": rows}
