"""Random register machines: straight-line code that overwrites one of the registers it reads, with tame values.

The program keeps the random order of its steps. For JAX the steps are put in levels: a level reads all its registers
before it writes any, its steps are independent, and a scan runs over the levels, padded to one width. Unrolling the
levels instead runs 1.4 to 2.1 times faster at 10,000 steps, but XLA then compiles for 13 seconds rather than for half a
second, and for 20 more for each dense form.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from random import Random
from types import MappingProxyType
from typing import Any

import numpy as np

import flowgraph as fg
from flowgraph.builder import Builder

Array = np.ndarray[Any, Any]

_WEAK = 0.03


def is_jax(xp: Any) -> bool:
    """Whether the array module is JAX's. (The tracer puts a module of its own in the place of NumPy's.)"""
    return xp.__name__ == "jax.numpy"


def put(xp: Any, x: Any, places: Array, values: Any) -> Any:
    """x with ``values`` in some places, all different."""
    if is_jax(xp):
        return x.at[places].set(values, unique_indices=True)
    x = x.copy()
    x[places] = values
    return x


@dataclass(frozen=True, slots=True)
class _Operation:
    """One kind of step u ← op(u, w).

    Attributes:
        value: op by the functions of an array module.
        slope: |∂op/∂u|.
        steps: appends it to a program, gives the value number of the result.
    """

    value: Callable[[Any, Any, Any], Any]
    slope: Callable[[float, float], float]
    steps: Callable[[Builder, int, int], int]


def _weak_sum(builder: Builder, u: int, w: int) -> int:
    return builder.scalar("add", u, builder.scalar("mul", w, builder.constant(_WEAK)))


def _weak_sine(builder: Builder, u: int, w: int) -> int:
    product = builder.scalar("mul", builder.scalar("sin", w), builder.constant(_WEAK))
    return builder.scalar("add", u, product)


_STRONG: Mapping[str, _Operation] = MappingProxyType(
    {
        "add": _Operation(lambda xp, u, w: u + w, lambda u, w: 1.0, lambda builder, u, w: builder.scalar("add", u, w)),
        "sub": _Operation(lambda xp, u, w: u - w, lambda u, w: 1.0, lambda builder, u, w: builder.scalar("sub", u, w)),
        "mul": _Operation(
            lambda xp, u, w: u * w, lambda u, w: abs(w), lambda builder, u, w: builder.scalar("mul", u, w)
        ),
        "div": _Operation(
            lambda xp, u, w: u / w, lambda u, w: 1.0 / abs(w), lambda builder, u, w: builder.scalar("div", u, w)
        ),
        "hypot": _Operation(
            lambda xp, u, w: xp.hypot(u, w),
            lambda u, w: abs(u) / math.hypot(u, w),
            lambda builder, u, w: builder.scalar("hypot", u, w),
        ),
    }
)

_MIXING: Mapping[str, _Operation] = MappingProxyType(
    {
        "weak sum": _Operation(lambda xp, u, w: u + w * _WEAK, lambda u, w: 1.0, _weak_sum),
        "weak sine": _Operation(lambda xp, u, w: u + xp.sin(w) * _WEAK, lambda u, w: 1.0, _weak_sine),
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class Machine:
    """A random register machine.

    Attributes:
        x: (n,) the start point.
        operations: the kinds of step.
        kinds: (S,) the kind of each step, a position in ``operations``.
        targets: (S,) the register that it overwrites.
        others: (S,) the register that it reads besides.
    """

    x: Array
    operations: tuple[_Operation, ...]
    kinds: Array
    targets: Array
    others: Array

    def program(self) -> fg.Program:
        """The straight-line program, its steps in the order in which they were drawn."""
        builder = Builder(len(self.x))
        live = list(range(len(self.x)))
        for kind, target, other in zip(self.kinds.tolist(), self.targets.tolist(), self.others.tolist(), strict=True):
            live[target] = self.operations[kind].steps(builder, live[target], live[other])
        return builder.finish(np.array(live))

    def levels(self) -> Array:
        """(S,) the level of each step: after the writers of what it reads, not before a reader of what it replaces."""
        written = [-1] * len(self.x)
        read = [0] * len(self.x)
        levels = []
        for target, other in zip(self.targets.tolist(), self.others.tolist(), strict=True):
            level = max(written[target] + 1, written[other] + 1, read[target])
            written[target] = level
            read[other] = max(read[other], level)
            levels.append(level)
        return np.array(levels)

    def run(self, x: Any, xp: Any) -> Any:
        """The same function level by level, for NumPy and JAX."""
        levels = self.levels()
        order = np.lexsort((self.kinds, levels))
        bounds = np.searchsorted(levels[order], np.arange(levels.max() + 2))
        if is_jax(xp):
            return self._scanned(x, xp, order, bounds)
        for first, last in pairwise(bounds.tolist()):
            x = self._level(x, xp, order[first:last])
        return x

    def _level(self, x: Any, xp: Any, steps: Array) -> Any:
        """One level, its steps sorted by kind."""
        u, w = x[self.targets[steps]], x[self.others[steps]]
        bounds = np.searchsorted(self.kinds[steps], np.arange(len(self.operations) + 1))
        parts = [
            operation.value(xp, u[first:last], w[first:last])
            for operation, first, last in zip(self.operations, bounds[:-1], bounds[1:], strict=True)
            if last > first
        ]
        fresh = xp.concatenate(parts)
        return put(xp, x, self.targets[steps], fresh)

    def _scanned(self, x: Any, xp: Any, order: Array, bounds: Array) -> Any:
        """All levels by a scan; what pads a level out reads and writes a register of its own."""
        lax = import_module("jax.lax")
        n, width = len(self.x), int(np.diff(bounds).max())
        shape = (len(bounds) - 1, width)
        kinds, others = np.zeros(shape, dtype=np.int32), np.full(shape, n, dtype=np.int32)
        targets = np.broadcast_to(n + np.arange(width, dtype=np.int32), shape).copy()
        level = np.repeat(np.arange(shape[0]), np.diff(bounds))
        place = np.arange(len(order)) - bounds[level]
        kinds[level, place] = self.kinds[order]
        others[level, place] = self.others[order]
        targets[level, place] = self.targets[order]

        def body(state: Any, row: Any) -> Any:
            kind, target, other = row
            u, w = state[target], state[other]
            fresh = self.operations[0].value(xp, u, w)
            for code, operation in enumerate(self.operations[1:], start=1):
                fresh = xp.where(kind == code, operation.value(xp, u, w), fresh)
            return state.at[target].set(fresh, unique_indices=True), None

        padded = xp.concatenate([x, xp.ones(width)])
        return lax.scan(body, padded, (xp.asarray(kinds), xp.asarray(targets), xp.asarray(others)))[0][:n]


def random_machine(n: int, steps: int, seed: int = 0) -> Machine:
    """One binary operation a step: +, −, ×, ÷ or hypot, drawn anew until the result keeps to [½, 2] and |∂z/∂u| ≥ ¼.

    So no pivot is tiny and no value runs away; at ten steps a register J is invertible to working precision.
    """
    random = Random(seed)
    x = np.array([random.uniform(0.5, 2.0) for _ in range(n)])
    operations = tuple(_STRONG.values())
    state = x.tolist()
    rows = []
    while len(rows) < steps:
        target, other = random.sample(range(n), 2)
        kind = random.randrange(len(operations))
        u, w = state[target], state[other]
        value = float(operations[kind].value(math, u, w))
        if 0.5 <= value <= 2.0 and operations[kind].slope(u, w) >= 0.25:
            state[target] = value
            rows.append((kind, target, other))
    return Machine(x, operations, *np.array(rows, dtype=np.int64).T)


def mixing_machine(n: int, steps: int, seed: int = 0) -> Machine:
    """u ← u + 0.03 w, or u ← u + 0.03 sin w: thousands of steps a register, and J stays well scaled.

    ``steps`` counts scalar steps, of which a sum takes two and a sine three.
    """
    random = Random(seed)
    x = np.array([random.uniform(-1.0, 1.0) for _ in range(n)])
    operations = tuple(_MIXING.values())
    rows = []
    while steps > 0:
        kind = random.randrange(len(operations))
        target, other = random.sample(range(n), 2)
        steps -= 2 + kind
        rows.append((kind, target, other))
    return Machine(x, operations, *np.array(rows, dtype=np.int64).T)
