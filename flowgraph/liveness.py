"""Liveness of straight-line code, on index arrays: who lives when, in which register, and what kind each step is.

Everything here works on the columns of a program and imports nothing of it, so it serves programs of millions of steps.
Time t runs from 0 (before the first step) to T; step k (0-based) leads from time k to time k + 1.

Reference: arXiv:2411.18786, sections 3 and 4 (width; equasive, expansive and contractive steps).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from heapq import heapify, heappop, heappush
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order

from flowgraph.errors import InputError

IndexArray = NDArray[Any]


class Kind(StrEnum):
    """What a step does to the width: d of its arguments die, and the width changes by 1 − d."""

    EQUASIVE = "equasive"
    EXPANSIVE = "expansive"
    CONTRACTIVE = "contractive"
    PASSIVE = "passive"
    """No derivative flows through the step: it only decides a condition."""
    DEAD = "dead"
    """Nothing reads the result and it is no output."""


@dataclass(frozen=True, slots=True, eq=False)
class Liveness:
    """Live ranges of all values of a program with n inputs and T steps.

    Attributes:
        n_inputs: n.
        last_use: (n + T,) the 0-based step that reads the value last; T for outputs; −1 where no active step reads it.
        deaths: (T,) number of distinct arguments that die at each step.
        widths: (T + 1,) number of live values after t steps. ``widths[0]`` counts every input.
        active: (T,) whether a derivative flows through the step to an output.
        needed: (T,) whether the step is needed to evaluate the outputs or a condition.
    """

    n_inputs: int
    last_use: IndexArray
    deaths: IndexArray
    widths: IndexArray
    active: IndexArray
    needed: IndexArray

    @property
    def n_steps(self) -> int:
        """T, the number of steps."""
        return len(self.deaths)

    def kind(self, step: int) -> Kind:
        """What step ``step`` (0-based) does to the width.

        Raises:
            InputError: the program has no such step.
        """
        if not 0 <= step < self.n_steps:
            raise InputError("there is no such step", got=str(step), expected=f"0 to {self.n_steps - 1}")
        if not self.needed[step]:
            return Kind.DEAD
        if not self.active[step]:
            return Kind.PASSIVE
        return (Kind.EXPANSIVE, Kind.EQUASIVE, Kind.CONTRACTIVE)[min(int(self.deaths[step]), 2)]

    def kinds(self) -> tuple[Kind, ...]:
        """The kind of every step, in order."""
        return tuple(self.kind(step) for step in range(self.n_steps))

    def live(self, time: int) -> tuple[int, ...]:
        """Values alive after ``time`` steps, ascending. At time 0, every input.

        Raises:
            InputError: the time is not one of 0 … T.
        """
        n = self.n_inputs
        if not 0 <= time <= self.n_steps:
            raise InputError("there is no such time", got=str(time), expected=f"0 to {self.n_steps}")
        if time == 0:
            return tuple(range(n))
        alive = np.flatnonzero(self.last_use[: n + time] >= time)
        return tuple(int(value) for value in alive)

    def died(self, step: int, arguments: IndexArray) -> tuple[int, ...]:
        """Those of ``arguments`` (value numbers) that die at ``step``, in argument order, each once."""
        return tuple(dict.fromkeys(int(a) for a in arguments if a >= 0 and self.last_use[a] == step))


def _reachable(n_values: int, owners: IndexArray, operands: IndexArray, roots: IndexArray) -> IndexArray:
    mark = np.zeros(n_values, dtype=bool)
    if len(roots) == 0:
        return mark
    sink = n_values
    rows = np.concatenate([owners, np.full(len(roots), sink)])
    columns = np.concatenate([operands, roots])
    reads = csr_array((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(sink + 1, sink + 1))
    order = breadth_first_order(reads, sink, directed=True, return_predecessors=False)
    mark[order[order < sink]] = True
    return mark


def reaching(n_inputs: int, n_values: int, owners: IndexArray, operands: IndexArray, roots: IndexArray) -> IndexArray:
    """Mark every value from which a root is computed. ``owners[e]`` is the value that reads ``operands[e]``."""
    used = np.zeros(n_values, dtype=bool)
    used[operands] = True
    used[roots] = True
    # Where every result is read or is a root, every chain of readers ends in a root: no search is needed.
    if used[n_inputs:].all():
        return used
    return _reachable(n_values, owners, operands, roots)


def analyse(
    n_inputs: int,
    starts: IndexArray,
    arguments: IndexArray,
    reads: IndexArray,
    outputs: IndexArray,
    conditions: IndexArray,
) -> Liveness:
    """Find the live ranges of a program given by columns.

    Args:
        n_inputs: n; value k < n is input k, value n + k is the result of step k.
        starts: (T + 1,) where each step's operands begin.
        arguments: (E,) the value number in each operand place, −1 where no derivative flows (constants, conditions).
        reads: (E,) the value number in each operand place, −1 for constants only.
        outputs: value numbers of the outputs.
        conditions: value numbers that guards look at.

    Returns:
        The live ranges, with the passive and the dead steps told apart.
    """
    n_steps = len(starts) - 1
    n_values = n_inputs + n_steps
    owner = np.repeat(np.arange(n_inputs, n_values, dtype=np.int64), np.diff(starts))
    plain = reads >= 0
    linear = arguments >= 0
    active = reaching(n_inputs, n_values, owner[linear], arguments[linear], outputs)
    needed = reaching(n_inputs, n_values, owner[plain], reads[plain], np.concatenate([outputs, conditions]))
    counted = linear & active[owner]
    last_use = np.full(n_values, -1, dtype=np.int64)
    last_use[arguments[counted]] = owner[counted] - n_inputs  # owners ascend, and the last assignment stays
    last_use[outputs] = n_steps
    dying = last_use[(last_use >= 0) & (last_use < n_steps)]
    deaths = np.bincount(dying, minlength=n_steps).astype(np.int64)
    widths = np.empty(n_steps + 1, dtype=np.int64)
    widths[0] = n_inputs
    unread = int(np.count_nonzero(last_use[:n_inputs] < 0))
    widths[1:] = n_inputs - unread + np.cumsum(active[n_inputs:].astype(np.int64) - deaths)
    return Liveness(n_inputs, last_use, deaths, widths, active[n_inputs:], needed[n_inputs:])


def registers(liveness: Liveness, starts: IndexArray, arguments: IndexArray) -> IndexArray:
    """The register of every value: inputs take registers 0 … n − 1, and a result overwrites the argument that dies.

    Where several arguments die the result overwrites the first of them and the other registers become free; where none
    dies it takes the free register of lowest number, or a new one. Passive and dead steps have register −1.

    Returns:
        (n + T,) register numbers from 0.
    """
    n = liveness.n_inputs
    place = np.full(n + liveness.n_steps, -1, dtype=np.int64)
    place[:n] = np.arange(n)
    free = [k for k in range(n) if liveness.last_use[k] < 0]
    heapify(free)
    fresh = n
    deaths, active = liveness.deaths, liveness.active
    for step in range(liveness.n_steps):
        if not active[step]:
            continue
        if deaths[step] == 0:
            if free:
                place[n + step] = heappop(free)
            else:
                place[n + step] = fresh
                fresh += 1
            continue
        first, *others = liveness.died(step, arguments[starts[step] : starts[step + 1]])
        place[n + step] = place[first]
        for value in others:
            heappush(free, int(place[value]))
    return place
