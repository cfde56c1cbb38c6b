"""``flow``: T steps of a one-step method as one function, with all four modes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flowgraph.ode.systems import Field
from flowgraph.program import Program
from flowgraph.tracing import trace

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Flow:
    """x ↦ x after T steps. Made by ``flow`` and ``discretize``.

    Attributes:
        step: step(x, k) for k = 0 … T − 1.
        T: the number of steps.
    """

    step: Callable[[Any, int], Any]
    T: int

    def __call__(self, x: Any) -> Any:
        """x after T steps."""
        for k in range(self.T):
            x = self.step(x, k)
        return x

    def trajectory(self, x0: ArrayLike) -> Array:
        """(T + 1, n) the states, x0 included."""
        x = np.asarray(x0, dtype=float)
        states = [x]
        for k in range(self.T):
            x = self.step(x, k)
            states.append(x)
        return np.array(states)

    def program(self, n: int | ArrayLike) -> Program:
        """The program of T steps, for n inputs or at a point."""
        return trace(self, n)


def flow(step: Callable[..., Any], T: int) -> Flow:
    """The function that takes T steps."""
    import inspect

    required = [p for p in inspect.signature(step).parameters.values() if p.default is p.empty]
    return Flow(step if len(required) == 2 else lambda x, k: step(x), T)


def discretize(stepper: Callable[..., Any], F: Field, h: Any, T: int, t0: float = 0.0) -> Flow:
    """The function that takes T steps of size h of a stepper from the time t0."""
    return flow(lambda x, k: stepper(F, x, h, t0 + k * h), T)
