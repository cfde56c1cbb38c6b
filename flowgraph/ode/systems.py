"""Differential equations ẋ = F(x, t) to try things on, and ``Separable``, the form that symplectic methods need.

A *field* is a function F(x, t) of a vector x (n,) and a time t, written with NumPy; it can be traced.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from flowgraph.errors import InputError

Field = Callable[[Any, Any], Any]
"""F(x, t) → ẋ, (n,) → (n,)."""


def require_field(F: Any) -> None:
    """Raise ``InputError`` unless F can be called as F(x, t).

    Example:
        >>> require_field(lambda x: -x)
        Traceback (most recent call last):
        flowgraph.errors.InputError: the field does not take a state and a time
          got:      too many positional arguments
          expected: F(x, t)
          remedy:   let it take both, the state first, also where it does not depend on the time
    """
    if not callable(F):
        raise InputError("the field is no function", got=type(F).__name__, expected="F(x, t)")
    try:
        parameters = inspect.signature(F)
    except ValueError:
        # Some functions written in C do not say what they take.
        return
    try:
        parameters.bind(None, None)
    except TypeError as error:
        raise InputError(
            "the field does not take a state and a time",
            got=str(error),
            expected="F(x, t)",
            remedy="let it take both, the state first, also where it does not depend on the time",
        ) from error


@dataclass(frozen=True, slots=True)
class Separable:
    """A separable system: q̇ = velocity(p), ṗ = force(q).

    The state x = (q, p) holds the positions first, so n is even. Where velocity and force are gradients, as they are
    for a Hamiltonian H(q, p) = K(p) + V(q) with velocity = ∇K and force = −∇V, the flow is symplectic; its volume
    is kept in any case, since the divergence of the field is 0. A ``Separable`` is itself a field F(x, t).

    Attributes:
        velocity: p ↦ q̇, (n/2,) → (n/2,).
        force: q ↦ ṗ, (n/2,) → (n/2,).

    Reference: Hairer, Lubich and Wanner, Geometric Numerical Integration, 2nd ed. 2006, section I.1.

    Example:
        >>> spring = Separable(velocity=lambda p: p, force=lambda q: -q)
        >>> spring(np.array([1.0, 2.0]), 0.0)
        array([ 2., -1.])
    """

    velocity: Callable[[Any], Any]
    force: Callable[[Any], Any]

    def __post_init__(self) -> None:
        for name, function in (("velocity", self.velocity), ("force", self.force)):
            if not callable(function):
                raise InputError(
                    f"{name} is no function",
                    got=type(function).__name__,
                    expected="velocity: p ↦ q̇, and force: q ↦ ṗ",
                    remedy="give two functions of one vector each",
                )

    def with_functions(self, replaced: Callable[[Any], Any]) -> Separable:
        """The system of other functions. ``trace`` puts in those that see its stand-in for NumPy."""
        return Separable(replaced(self.velocity), replaced(self.force))

    def __call__(self, x: Any, t: Any = 0.0) -> Any:
        """The field at x = (q, p); it is the same at all times t."""
        q, p = halves(x)
        return np.concatenate([self.velocity(p), self.force(q)])


def halves(x: Any) -> tuple[Any, Any]:
    """The positions q and the momenta p of a state x = (q, p).

    Raises:
        InputError: x has an odd number of entries.

    Example:
        >>> halves(np.array([1.0, 2.0]))
        (array([1.]), array([2.]))
    """
    half, rest = divmod(len(x), 2)
    if rest:
        raise InputError(
            "the state of a separable system has an odd number of entries",
            got=f"n = {len(x)}",
            expected="x = (q, p): as many momenta as positions",
            remedy="join positions and momenta with np.concatenate([q, p])",
        )
    return x[:half], x[half:]


def pendulum() -> Separable:
    """The mathematical pendulum, q̇ = p, ṗ = −sin q; of more than one position, so many pendulums side by side.

    Example:
        >>> pendulum()(np.array([0.0, 1.0]), 0.0)
        array([ 1., -0.])
    """
    return Separable(velocity=lambda p: p, force=lambda q: -np.sin(q))


def lotka_volterra(alpha: float = 2 / 3, beta: float = 4 / 3, gamma: float = 1.0, delta: float = 1.0) -> Field:
    """Prey u and predators v: u̇ = u (α − β v), v̇ = v (δ u − γ), with x = (u, v).

    Args:
        alpha: growth rate of the prey, per unit of time.
        beta: rate at which one predator takes prey.
        gamma: death rate of the predators.
        delta: rate at which one prey feeds predators.

    Example:
        >>> lotka_volterra(1.0, 1.0, 1.0, 1.0)(np.array([2.0, 1.0]), 0.0)
        array([0., 1.])
    """

    def field(x: Any, t: Any) -> Any:
        u, v = x
        return np.stack([u * (alpha - beta * v), v * (delta * u - gamma)])

    return field


def lotka_volterra_logarithmic(
    alpha: float = 2 / 3, beta: float = 4 / 3, gamma: float = 1.0, delta: float = 1.0
) -> Separable:
    """The equations of ``lotka_volterra`` in q = log u and p = log v, where they are separable.

    q̇ = α − β eᵖ, ṗ = δ e^q − γ. The invariant H = α p − β eᵖ + γ q − δ e^q is a Hamiltonian of these variables.

    Args:
        alpha, beta, gamma, delta: see ``lotka_volterra``.

    Example:
        >>> lotka_volterra_logarithmic(1.0, 1.0, 1.0, 1.0)(np.array([0.0, 0.0]), 0.0)
        array([0., 0.])
    """
    return Separable(velocity=lambda p: alpha - beta * np.exp(p), force=lambda q: delta * np.exp(q) - gamma)


def lorenz63(sigma: float = 10.0, rho: float = 28.0, beta: float = 8 / 3) -> Field:
    """Lorenz's convection model: ẋ = σ (y − x), ẏ = x (ρ − z) − y, ż = x y − β z.

    Args:
        sigma: Prandtl number.
        rho: Rayleigh number, relative to its critical value.
        beta: aspect ratio of the convection rolls.

    Reference: Lorenz, Deterministic nonperiodic flow, 1963, doi:10.1175/1520-0469(1963)020<0130:DNF>2.0.CO;2.

    Example:
        >>> lorenz63()(np.array([1.0, 1.0, 1.0]), 0.0).round(3)
        array([ 0.   , 26.   , -1.667])
    """

    def field(x: Any, t: Any) -> Any:
        a, b, c = x
        return np.stack([sigma * (b - a), a * (rho - c) - b, a * b - beta * c])

    return field


def lorenz96(n: int, forcing: float = 8.0) -> Field:
    """Lorenz's model of a latitude circle: ẋᵢ = (xᵢ₊₁ − xᵢ₋₂) xᵢ₋₁ − xᵢ + forcing, indices modulo n.

    Args:
        n: the number of places, at least 4.
        forcing: the constant forcing; 8 is chaotic.

    Raises:
        InputError: n is less than 4, or x does not have n entries.

    Reference: Lorenz, Predictability: a problem partly solved, 1996, reprinted as doi:10.1017/CBO9780511617652.004.

    Example:
        >>> lorenz96(4)(np.full(4, 8.0), 0.0)
        array([0., 0., 0., 0.])
    """
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 4:
        raise InputError("Lorenz-96 needs at least four places", got=f"n = {n!r}", expected="n = 4, 5, …")

    def field(x: Any, t: Any) -> Any:
        if len(x) != n:
            raise InputError("the state does not fit the system", got=f"{len(x)} entries", expected=f"{n} entries")
        return (np.roll(x, -1) - np.roll(x, 2)) * np.roll(x, 1) - x + forcing

    return field
