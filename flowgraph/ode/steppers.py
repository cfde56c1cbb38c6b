"""One step of a one-step method, x(t) ↦ x(t + h): plain functions of one signature, and ``STEPPERS``, their table.

x may be under trace, and so may h: an unknown period is found by Newton's method in this way. A step that must be
taken backward has h < 0.

Reference: Hairer, Nørsett and Wanner, Solving Ordinary Differential Equations I, 2nd ed. 1993; Hairer, Lubich and
Wanner, Geometric Numerical Integration, 2nd ed. 2006.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from types import MappingProxyType
from typing import Any

import numpy as np

from flowgraph.errors import InputError
from flowgraph.ode.systems import Field, Separable, halves, require_field
from flowgraph.tracing.array import TracedArray

_CUBE_ROOT = 2.0 ** (1.0 / 3.0)
YOSHIDA_WEIGHTS = (1.0 / (2.0 - _CUBE_ROOT), -_CUBE_ROOT / (2.0 - _CUBE_ROOT), 1.0 / (2.0 - _CUBE_ROOT))
"""The three leapfrog steps of ``yoshida4`` in units of h: w₁ = 1/(2 − ∛2), w₀ = −∛2 w₁, w₁; they add up to 1."""


def explicit_euler(F: Field, x: Any, h: Any, t: Any = 0.0) -> Any:
    """Explicit Euler, of order 1: x + h F(x, t).

    Args:
        F: the field F(x, t), (n,) → (n,).
        x: (n,) the state at time t.
        h: the time step, not 0.
        t: the time.

    Returns:
        (n,) the state at time t + h.

    Raises:
        InputError: F is no function or gives another shape, x is no vector, or h is 0 or not finite.

    Example:
        >>> explicit_euler(lambda x, t: -x, np.array([1.0]), 0.5)
        array([0.5])
    """
    x = _state(x, h)
    return x + h * _slope(F, x, t)


def midpoint(F: Field, x: Any, h: Any, t: Any = 0.0) -> Any:
    """The explicit midpoint rule, of order 2: x + h F(x + (h/2) F(x, t), t + h/2).

    Args, Returns, Raises: see ``explicit_euler``.

    Reference: Runge, Über die numerische Auflösung von Differentialgleichungen, 1895, doi:10.1007/BF01446807.

    Example:
        >>> midpoint(lambda x, t: -x, np.array([1.0]), 0.5)
        array([0.625])
    """
    x = _state(x, h)
    return x + h * _slope(F, x + h / 2 * _slope(F, x, t), t + h / 2)


def rk4(F: Field, x: Any, h: Any, t: Any = 0.0) -> Any:
    """The classical Runge–Kutta method, of order 4.

    k₁ = F(x, t), k₂ = F(x + (h/2) k₁, t + h/2), k₃ = F(x + (h/2) k₂, t + h/2), k₄ = F(x + h k₃, t + h);
    x + (h/6) (k₁ + 2 k₂ + 2 k₃ + k₄).

    Args, Returns, Raises: see ``explicit_euler``.

    Reference: Kutta, Beitrag zur näherungsweisen Integration totaler Differentialgleichungen, 1901.

    Example:
        >>> rk4(lambda x, t: -x, np.array([1.0]), 0.5)
        array([0.60677083])
    """
    x = _state(x, h)
    k1 = _slope(F, x, t)
    k2 = _slope(F, x + h / 2 * k1, t + h / 2)
    k3 = _slope(F, x + h / 2 * k2, t + h / 2)
    k4 = _slope(F, x + h * k3, t + h)
    return x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def symplectic_euler(system: Separable, x: Any, h: Any, t: Any = 0.0) -> Any:
    """Symplectic Euler, of order 1: p⁺ = p + h force(q), then q⁺ = q + h velocity(p⁺).

    Each line changes one half of the state and reads the other, so det ∂x⁺/∂x = 1, and every scalar operation is an
    atomic step: its inverse needs no linear solve.

    Args:
        system: the separable system.
        x: (n,) the state (q, p) at time t, n even.
        h: the time step, not 0.
        t: the time, for the common signature; a separable system is the same at all times.

    Returns:
        (n,) the state at time t + h.

    Raises:
        InputError: the system is not a ``Separable`` or gives another shape, n is odd, or h is 0 or not finite.

    Reference: Hairer, Lubich and Wanner 2006, section I.1.2; de Vogelaere 1956.

    Example:
        >>> symplectic_euler(Separable(lambda p: p, lambda q: -q), np.array([1.0, 0.0]), 0.5)
        array([ 0.75, -0.5 ])
    """
    q, p = _separated(system, x, h)
    p = p + h * _part(system, "force", q)
    q = q + h * _part(system, "velocity", p)
    return np.concatenate([q, p])


def leapfrog(system: Separable, x: Any, h: Any, t: Any = 0.0) -> Any:
    """Leapfrog in the form of velocity Verlet (kick, drift, kick), of order 2.

    p½ = p + (h/2) force(q), q⁺ = q + h velocity(p½), p⁺ = p½ + (h/2) force(q⁺). It is symmetric: a step with −h takes
    it back. det ∂x⁺/∂x = 1, by atomic steps only.

    Args, Returns, Raises: see ``symplectic_euler``.

    Reference: Verlet, Computer "experiments" on classical fluids, 1967, doi:10.1103/PhysRev.159.98; Hairer, Lubich and
    Wanner 2006, section I.1.4.

    Example:
        >>> leapfrog(Separable(lambda p: p, lambda q: -q), np.array([1.0, 0.0]), 0.5)
        array([ 0.875  , -0.46875])
    """
    q, p = _separated(system, x, h)
    p = p + h / 2 * _part(system, "force", q)
    q = q + h * _part(system, "velocity", p)
    p = p + h / 2 * _part(system, "force", q)
    return np.concatenate([q, p])


def yoshida4(system: Separable, x: Any, h: Any, t: Any = 0.0) -> Any:
    """Yoshida's triple jump, of order 4: three leapfrog steps of w₁h, w₀h and w₁h.

    w₁ = 1/(2 − ∛2) ≈ 1.3512 and w₀ = −∛2 w₁ ≈ −1.7024: 2w₁ + w₀ = 1, and 2w₁³ + w₀³ = 0 removes the error of third
    order. Kicks that follow each other are one: four kicks and three drifts. Symmetric, with det ∂x⁺/∂x = 1, by atomic
    steps only.

    Args, Returns, Raises: see ``symplectic_euler``.

    Reference: Yoshida, Construction of higher order symplectic integrators, 1990, doi:10.1016/0375-9601(90)90092-3.

    Example:
        >>> yoshida4(Separable(lambda p: p, lambda q: -q), np.array([1.0, 0.0]), 0.5).round(4)
        array([ 0.8786, -0.4789])
    """
    q, p = _separated(system, x, h)
    before = 0
    for weight in YOSHIDA_WEIGHTS:
        p = p + (before + weight) / 2 * h * _part(system, "force", q)
        q = q + weight * h * _part(system, "velocity", p)
        before = weight
    p = p + before / 2 * h * _part(system, "force", q)
    return np.concatenate([q, p])


@dataclass(frozen=True, slots=True)
class Stepper:
    """What is known of a stepper.

    Attributes:
        function: ``function(F, x, h, t=0.0)``; of a symplectic one, F is a ``Separable``.
        name: its name in Python.
        title: its name in text.
        order: p; the error after a fixed time is O(hᵖ).
        symplectic: whether it keeps the symplectic form of a separable Hamiltonian system, and det J = 1.
        stages: evaluations of F in a step; of a symplectic one, evaluations of the force.
        reference: where it comes from.
    """

    function: Callable[..., Any]
    name: str
    title: str
    order: int
    symplectic: bool
    stages: int
    reference: str


STEPPERS: Mapping[str, Stepper] = MappingProxyType(
    {
        stepper.name: stepper
        for stepper in (
            Stepper(explicit_euler, "explicit_euler", "explicit Euler", 1, False, 1, "Hairer, Nørsett and Wanner 1993"),
            Stepper(midpoint, "midpoint", "midpoint", 2, False, 2, "Runge 1895"),
            Stepper(rk4, "rk4", "RK4", 4, False, 4, "Kutta 1901"),
            Stepper(
                symplectic_euler, "symplectic_euler", "symplectic Euler", 1, True, 1, "Hairer, Lubich and Wanner 2006"
            ),
            Stepper(leapfrog, "leapfrog", "leapfrog", 2, True, 2, "Verlet 1967"),
            Stepper(yoshida4, "yoshida4", "Yoshida 4", 4, True, 4, "Yoshida 1990"),
        )
    }
)
"""The steppers by name."""


def require_time_step(h: Any) -> None:
    """Raise ``InputError`` unless h may be a time step: a finite number that is not 0, or a traced one or a symbol.

    Example:
        >>> require_time_step(0)
        Traceback (most recent call last):
        flowgraph.errors.InputError: h is no time step
          got:      0
          expected: a finite number that is not 0; h < 0 runs backward
    """
    if isinstance(h, (bool, np.bool, str)) or h is None:
        got = repr(h)
    elif isinstance(h, (int, float, np.integer, np.floating)):
        got = None if isfinite(h) and h != 0 else repr(h)
    else:
        # What is no float (a traced number, a symbol, a complex perturbation) cannot be asked for its value.
        got = f"an array of shape {np.shape(h)}" if np.ndim(h) else None
    if got is not None:
        raise InputError("h is no time step", got=got, expected="a finite number that is not 0; h < 0 runs backward")


def _state(x: Any, h: Any) -> Any:
    """x as a vector, once h is known to be a time step."""
    require_time_step(h)
    state = x if isinstance(x, TracedArray) else np.asarray(x)
    if state.ndim != 1:
        raise InputError(
            "the state is no vector",
            got=f"an array of shape {state.shape}" if state.ndim else "a number",
            expected="(n,)",
            remedy="flatten it with np.ravel, and reshape it inside the field",
        )
    return state


def _slope(F: Any, x: Any, t: Any) -> Any:
    """F(x, t), of the shape of x."""
    try:
        slope = F(x, t)
    except TypeError:
        require_field(F)
        raise
    return _fitting(slope, x, getattr(F, "__name__", type(F).__name__) + "(x, t)")


def _separated(system: Any, x: Any, h: Any) -> tuple[Any, Any]:
    """q and p."""
    if not isinstance(system, Separable):
        raise InputError(
            "a symplectic stepper needs a separable system",
            got=type(system).__name__,
            expected="Separable(velocity, force): q̇ = velocity(p), ṗ = force(q)",
            remedy="write the system as a Separable, or take explicit_euler, midpoint or rk4",
        )
    return halves(_state(x, h))


def _part(system: Separable, name: str, x: Any) -> Any:
    """The velocity at p, or the force at q."""
    return _fitting(getattr(system, name)(x), x, name)


def _fitting(slope: Any, x: Any, name: str) -> Any:
    """What a field gave, if it has the shape of x."""
    if not isinstance(slope, (np.ndarray, TracedArray)):
        slope = np.stack(slope) if isinstance(slope, (list, tuple)) and len(slope) else np.asarray(slope)
    if slope.shape != x.shape:
        raise InputError(
            f"{name} has another shape than the state",
            got=f"an array of shape {slope.shape}" if slope.ndim else f"no vector: {slope}"[:80],
            expected=f"{x.shape}: one rate of change for each entry",
            remedy="end it with np.stack([...]) or np.concatenate([...]) of one rate for each entry",
        )
    return slope
