"""What Figure 6 shows: how discrete modes tend to continuous ones, what det J does, and what a step costs to invert."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowgraph import ode
from flowgraph.analysis import analyze
from flowgraph.numeric.functions import linearize
from flowgraph.numeric.linearization import Linearization
from flowgraph.numeric.plan import plan
from flowgraph.ode.systems import Field

Array = NDArray[Any]

MODES = ("jvp", "vjp", "ijvp", "ivjp")
"""The products J v, Jᵀ v, J⁻¹ v and J⁻ᵀ v, as a ``Linearization`` and a ``Continuous`` name them."""

STEPS = (8, 16, 32, 64, 128)
"""Into so many steps the time is divided."""

_BACKEND = "numpy"
"""Everything here is computed where Numba is not installed, too, and gives the same figure."""

_RTOL, _ATOL = 1e-13, 1e-14
"""Of the continuous modes: far below the smallest error that is measured."""

_FITTED = 3
"""A slope is fitted to the errors of so many step sizes, the smallest ones."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A differential equation with a start and a time.

    Attributes:
        name: what it is called in text.
        field: F(x, t); a ``Separable`` where there are symplectic methods for it.
        x0: (n,) the start.
        duration: from the start to the end.
    """

    name: str
    field: Field
    x0: Array
    duration: float

    @property
    def steppers(self) -> tuple[ode.Stepper, ...]:
        """The methods that can be used."""
        separable = isinstance(self.field, ode.Separable)
        return tuple(stepper for stepper in ode.STEPPERS.values() if separable or not stepper.symplectic)


def cases() -> tuple[Case, ...]:
    """The four systems of Figure 6, the chaotic ones for a short time only.

    Example:
        >>> [(case.name, len(case.x0), len(case.steppers)) for case in cases()]
        [('pendulum', 2, 6), ('Lotka–Volterra', 2, 6), ('Lorenz-63', 3, 3), ('Lorenz-96', 20, 3)]
    """
    places = np.arange(20)
    return (
        Case("pendulum", ode.pendulum(), np.array([1.0, 0.5]), 2.56),
        Case("Lotka–Volterra", ode.lotka_volterra_logarithmic(), np.log([1.5, 1.0]), 2.56),
        Case("Lorenz-63", ode.lorenz63(), np.array([1.0, 1.0, 20.0]), 0.128),
        Case("Lorenz-96", ode.lorenz96(20), 8.0 + np.sin(3.0 * places), 0.128),
    )


@dataclass(frozen=True, eq=False)
class Convergence:
    """The errors of one method on one system.

    Attributes:
        stepper: the method.
        sizes: (s,) step sizes, falling.
        errors: (s, 4) the relative error of the product with one vector, for each of ``MODES``.
    """

    stepper: ode.Stepper
    sizes: Array
    errors: Array

    @cached_property
    def slopes(self) -> Array:
        """(4,) the order that the errors of each mode show: least squares in logarithms, for the smallest steps."""
        return _slope(self.sizes[-_FITTED:], self.errors[-_FITTED:])

    @cached_property
    def slope(self) -> float:
        """The order that the largest of the four errors shows."""
        return float(_slope(self.sizes[-_FITTED:], self.errors[-_FITTED:].max(axis=1, keepdims=True))[0])


def _slope(sizes: Array, errors: Array) -> Array:
    x = np.log(sizes) - np.log(sizes).mean()
    return x @ np.log(errors) / (x @ x)


def convergence(case: Case, steps: Sequence[int] = STEPS) -> tuple[Convergence, ...]:
    """The errors of the discrete modes beside the continuous ones, for each method.

    The vector is the same in all four modes, (cos 1, cos 2, …), and errors are ‖found − expected‖ / ‖expected‖.

    Args:
        case: the system.
        steps: numbers of steps, rising.

    Example:
        >>> found = convergence(cases()[0], (32, 64, 128))
        >>> [(item.stepper.order, round(item.slope, 1)) for item in found]
        [(1, 1.0), (2, 2.0), (4, 4.0), (1, 1.0), (2, 2.0), (4, 4.0)]
    """
    v = np.cos(np.arange(1.0, 1.0 + len(case.x0)))
    span = (0.0, case.duration)
    exact = ode.continuous(case.field, case.x0, span, rtol=_RTOL, atol=_ATOL, backend=_BACKEND)
    expected = _products(exact, v)
    sizes = case.duration / np.array(steps)
    found = []
    for stepper in case.steppers:
        errors = []
        for count, h in zip(steps, sizes.tolist(), strict=True):
            flow = ode.discretize(stepper.function, case.field, h, count)
            differences = _products(linearize(flow, case.x0, backend=_BACKEND), v) - expected
            errors.append(np.linalg.norm(differences, axis=1) / np.linalg.norm(expected, axis=1))
        found.append(Convergence(stepper, sizes, np.array(errors)))
    return tuple(found)


def _products(operator: Linearization | ode.Continuous, v: Array) -> Array:
    """(4, n) the product of each mode with v."""
    return np.array([operator.jvp(v), operator.vjp(v), operator.ijvp(v), operator.ivjp(v)])


def volumes(stepper: ode.Stepper, case: Case, h: float, count: int) -> Array:
    """log det ∂x(t)/∂x(0) along the discrete flow: the sum over its steps of the logarithms of their determinants.

    Args:
        stepper: the method.
        case: the system.
        h: the time step.
        count: the number of steps.

    Returns:
        (count,) after each step.

    Example:
        >>> log = volumes(ode.STEPPERS["explicit_euler"], cases()[0], 0.1, 2)
        >>> print(log.round(5))  # log(1 + h² cos q) in the first step, with q = 1
        [0.00539 0.01035]
    """
    one = ode.discretize(stepper.function, case.field, h, 1)
    states = np.empty((count, len(case.x0)))
    x = case.x0
    for k in range(count):
        states[k] = x
        x = one.step(x, 0)
    lin = plan(one, len(case.x0), backend=_BACKEND).linearize(states)
    return np.cumsum(lin.slogdet().logabsdet)


@dataclass(frozen=True, slots=True)
class Work:
    """What it takes to invert one step.

    Attributes:
        lumps: how many lumps the best order has.
        largest: the size l of the largest one; 1 where all are atomic, and nothing has to be solved.
        ratio: operations of J⁻¹ v over those of J v.
    """

    lumps: int
    largest: int
    ratio: float


def work(stepper: ode.Stepper, case: Case) -> Work:
    """What it takes to invert one step of a method.

    Example:
        >>> pendulum = cases()[0]
        >>> work(ode.STEPPERS["explicit_euler"], pendulum), work(ode.STEPPERS["leapfrog"], pendulum)
        (Work(lumps=1, largest=2, ratio=1.8), Work(lumps=3, largest=1, ratio=1.0))
    """
    step = ode.discretize(stepper.function, case.field, case.duration / STEPS[-1], 1)
    analysis = analyze(step.program(len(case.x0)))
    found = analysis.best_lumps
    assert found is not None
    assert analysis.ratio is not None
    return Work(len(found), max(lump.size for lump in found), analysis.ratio)
