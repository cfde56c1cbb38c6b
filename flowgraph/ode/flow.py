"""``flow``: T steps of a one-step method as one function, with all four modes."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flowgraph.errors import BranchError, InputError, NonFiniteTrajectory
from flowgraph.numeric.shapes import real_array
from flowgraph.ode.steppers import require_time_step
from flowgraph.ode.systems import Field
from flowgraph.program import Program
from flowgraph.tracing import TracedArray, TracedBool, trace
from flowgraph.tracing.repeat import repeat

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Discretized:
    """A step of a stepper: step(x, k) leads from the time t0 + k h to t0 + (k + 1) h.

    Attributes:
        stepper: ``stepper(F, x, h, t)``.
        F: the field F(x, t), or what else the stepper takes.
        h: the time step.
        t0: the time before step 0.
    """

    stepper: Callable[..., Any]
    F: Field
    h: Any
    t0: Any

    def __call__(self, x: Any, k: int) -> Any:
        """The state after step k."""
        return self.at(x, self.t0 + k * self.h)

    def at(self, x: Any, t: Any) -> Any:
        """The state after a step from the time t."""
        return self.stepper(self.F, x, self.h, t)

    def with_functions(self, replaced: Callable[[Any], Any]) -> Discretized:
        """The same step of other functions."""
        return replace(self, stepper=replaced(self.stepper), F=replaced(self.F))


@dataclass(frozen=True, slots=True)
class Flow:
    """x ↦ x after T steps of a one-step method, xₖ₊₁ = step(xₖ). Made by ``flow`` and ``discretize``.

    A flow is a function of one vector. ``fg.trace``, ``linearize``, ``plan``, ``jvp`` and relatives, ``newton``,
    ``tape_free`` and the command line take it as such. Under trace the step runs once, and what it recorded is repeated
    T times. Only where it branches, or depends on its number in a way of its own, does it run T times.

    J is the product of the steps' Jacobians, and J⁻¹v and J⁻ᵀv invert the discrete map exactly: they solve with
    the Jacobian of each step, or need no solve at all where the step is made of atomic steps.

    Attributes:
        step: step(x), or step(x, k) where ``counted``.
        T: the number of steps.
        counted: whether the step depends on its number k = 0 … T − 1.

    Reference: arXiv:2411.18786, outlook; Hairer, Lubich and Wanner, Geometric Numerical Integration, section II.1.

    Example:
        >>> shear = flow(lambda x: np.stack([x[0] + x[1], x[1]]), 3)
        >>> shear(np.array([1.0, 2.0])), shear.trajectory([1.0, 2.0])[:, 0]
        (array([7., 2.]), array([1., 3., 5., 7.]))
        >>> shear.program(2)
        <Program: 2 inputs, 3 steps, 2 outputs>
    """

    step: Callable[..., Any]
    T: int
    counted: bool

    def __call__(self, x: Any) -> Any:
        """x after T steps.

        Args:
            x: (n,), which may be under trace.

        Raises:
            InputError: x is no vector, or a step gives what is no vector or of another size.
            NonFiniteTrajectory: a state is not finite.
        """
        if isinstance(x, TracedArray):
            return self._traced(_vector(x))
        start = state = _vector(_numbers(x))
        # What is not finite is told below, with the step where it happened.
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for k in range(self.T):
                after = _numbers(self._next(state, k))
                if not _finite(after):
                    raise _not_finite(self._states(start, k), after)
                state = after
        return state

    def trajectory(self, x0: ArrayLike) -> Array:
        """The states x0, x after one step, …, x after T steps.

        Args:
            x0: (n,) the first state.

        Returns:
            (T + 1, n).

        Raises:
            InputError: x0 is no vector of finite numbers, or a step gives what is no vector or of another size.
            NonFiniteTrajectory: a state is not finite; the error has the states before.
        """
        return self._states(_vector(real_array(x0, "x0")), self.T)

    def program(self, n: int | ArrayLike) -> Program:
        """The program of all T steps.

        Args:
            n: the number of inputs; or a point x0, along whose trajectory branches are taken.

        Raises:
            BranchError: a step branches, and there is no point.
            TraceError: a step cannot be traced.
            InputError: a step gives what is no vector or of another size.
        """
        return trace(self, n)

    def with_functions(self, replaced: Callable[[Any], Any]) -> Flow:
        """The flow of another step. ``trace`` puts in one that sees its stand-in for NumPy."""
        return replace(self, step=replaced(self.step))

    def _next(self, x: Any, k: int) -> Any:
        own = x.copy()  # which the step may write to
        return _checked(self.step(own, k) if self.counted else self.step(own), x, k)

    def _states(self, x: Array, steps: int) -> Array:
        states = [x]
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for k in range(steps):
                after = _numbers(self._next(states[-1], k))
                if not _finite(after):
                    raise _not_finite(np.array(states), after)
                states.append(after)
        return np.array(states)

    def _traced(self, x: TracedArray) -> Any:
        recorder = x.recorder
        # Entries that are constants at first, and change, keep a step from being like the next: once per entry.
        attempts = x.size + 1 if not self.counted or isinstance(self.step, Discretized) else 0
        k, after = 0, None
        while k < self.T and after is None:
            if attempts and self.T - k > 1:
                attempts -= 1
                try:
                    after = self._repeated(x, k)
                except (TypeError, ValueError) as error:
                    # Taken one by one, steps branch where the point leads, and t is a number.
                    branches = isinstance(error, BranchError) and recorder.point is not None
                    if not branches and not self.counted:
                        raise
                    attempts = 0
            if after is None:
                recorder.builder.begin_time_step(k)
                x = self._next(x, k)
                k += 1
        recorder.builder.begin_time_step(-1)
        return x if after is None else after

    def _repeated(self, x: TracedArray, k: int) -> Any:
        """The state after step T − 1, from that before step k; None where the steps are to be recorded one by one."""
        step = self.step
        if not self.counted:
            return repeat(x, self.T - k, lambda x: _checked(step(x), x, k), first=k)
        assert isinstance(step, Discretized)
        return repeat(
            x,
            self.T - k,
            lambda x, t: _checked(step.at(x, t), x, k),
            times=lambda: step.t0 + np.arange(k, self.T) * step.h,
            first=k,
        )


def flow(step: Callable[..., Any], T: int) -> Flow:
    """The function that takes T steps.

    Args:
        step: ``step(x)``, or ``step(x, k)`` with k = 0 … T − 1; (n,) → (n,). It depends on its arguments only.
        T: the number of steps, at least 1.

    Raises:
        InputError: step is no such function, or T is no such number.

    Example:
        >>> from flowgraph.ode import leapfrog, pendulum
        >>> swing = flow(lambda x: leapfrog(pendulum(), x, 0.01), 100_000)
        >>> swing.program(2)
        <Program: 2 inputs, 1000000 steps, 2 outputs>
    """
    counted = _takes_number(step)
    if isinstance(T, (bool, np.bool)) or not isinstance(T, (int, np.integer)) or T < 1:
        raise InputError(
            "T is no number of steps",
            got=repr(T),
            expected="an integer, 1 or more",
            remedy="round it with int()" if isinstance(T, (float, np.floating)) else None,
        )
    return Flow(step, operator.index(T), counted)


def discretize(stepper: Callable[..., Any], F: Field, h: Any, T: int, t0: Any = 0.0) -> Flow:
    """The flow of T steps of a stepper, from the time t0 to t0 + T h.

    It is ``flow(lambda x, k: stepper(F, x, h, t0 + k * h), T)``, but under trace the step still runs once: what depends
    on t alone is computed for all steps together.

    Args:
        stepper: one of ``STEPPERS``, or any ``stepper(F, x, h, t)``.
        F: the field F(x, t); a ``Separable`` for symplectic steppers.
        h: the time step, which may be under trace.
        T: the number of steps, at least 1.
        t0: the time at the start.

    Raises:
        InputError: T is no number of steps, h is 0 or not finite, or the stepper is no function.

    Example:
        >>> from flowgraph.ode import rk4
        >>> decay = discretize(rk4, lambda x, t: -x, 0.1, 10)
        >>> decay(np.array([1.0])).round(6), np.exp(-1.0).round(6)
        (array([0.36788]), np.float64(0.367879))
    """
    if not callable(stepper):
        raise InputError(
            "the stepper is no function",
            got=repr(stepper) if isinstance(stepper, str) else type(stepper).__name__,
            expected="stepper(F, x, h, t)",
            remedy="give the function itself, such as ode.rk4",
        )
    require_time_step(h)
    return flow(Discretized(stepper, F, h, t0), T)


def _takes_number(step: Any) -> bool:
    """Whether step(x, k) is to be called, and not step(x)."""
    if not callable(step):
        raise InputError("the step is no function", got=type(step).__name__, expected="step(x), or step(x, k)")
    try:
        parameters = inspect.signature(step).parameters.values()
    except ValueError:
        # Some functions written in C do not say what they take.
        return False
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = sum(p.default is p.empty for p in positional)
    rest = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    keywords = any(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in parameters)
    if keywords or required > 2 or not (positional or rest):
        name = getattr(step, "__name__", type(step).__name__)
        raise InputError(
            "the step has other parameters than a state and its number",
            got=f"{name}({', '.join(map(str, parameters))})",
            expected="step(x), or step(x, k)",
            remedy="bind the others: flow(lambda x: step(x, …), T)",
        )
    return required == 2


def _numbers(x: Any) -> Array:
    """An array of its own, integers as floats: they would wrap round, and cut off what is written into them."""
    array = np.array(x)
    return array.astype(float) if array.dtype.kind in "biu" else array


def _vector(x: Any) -> Any:
    if x.ndim != 1:
        raise InputError(
            "the state is no vector",
            got=f"an array of shape {x.shape}" if x.ndim else "a number",
            expected="(n,)",
            remedy="one state at a time: for a batch of them, fg.plan(flow, n) and its linearize or evaluate",
        )
    return x


def _checked(after: Any, before: Any, k: int) -> Any:
    """What a step returned, if it is a state."""
    if isinstance(after, (list, tuple)) and len({np.shape(part) for part in after}) == 1:
        after = np.stack(after)
    if isinstance(after, TracedBool):
        after = after.astype(float)
    if np.ndim(after) != 1:
        raise InputError(
            "a step returned what is no vector",
            where=f"step k = {k}",
            got=f"an array of shape {np.shape(after)}" if np.ndim(after) else type(after).__name__,
            expected=f"({len(before)},), the state after the step",
            remedy="end the step with a return statement" if after is None else "flatten it with np.ravel",
        )
    if len(after) != len(before):
        raise InputError(
            "a step changes the size of the state",
            where=f"step k = {k}",
            got=f"{len(before)} entries before, {len(after)} after",
            expected=f"{len(before)} entries",
            remedy="carry everything that changes in the state from the start",
        )
    return after


def _finite(x: Array) -> bool:
    """Whether all numbers are finite; symbols are."""
    return x.dtype.kind not in "fc" or bool(np.isfinite(x).all())


def _not_finite(states: Array, after: Array) -> NonFiniteTrajectory:
    k, before = len(states) - 1, states[-1]
    entry = int(np.flatnonzero(~np.isfinite(after))[0])
    shown = np.array2string(before, threshold=6, edgeitems=2, separator=", ")
    return NonFiniteTrajectory(
        "the trajectory is not finite",
        k=k,
        entry=entry,
        trajectory=states,
        where=f"x[{entry}] after step k = {k}",
        got=f"{after[entry]}, from x = {shown}",
        expected="finite numbers",
        remedy="take smaller time steps or another start; the error's trajectory has the states before",
    )
