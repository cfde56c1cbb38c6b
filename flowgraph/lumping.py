"""Lumps: the runs of steps between two times at which exactly n values live, along an order or the best one.

A lump takes the live values S before it to S′ after it, |S| = |S′| = n: it consumes u = S ∖ S′, produces z = S′ ∖ S,
and reads some w in S ∩ S′. So it is an atomic step of vector kind, z = f(u, w), with a square A = ∂z/∂u, and the
inverse modes work on it as they do on a single equasive step.

*The order with the most lumps.* The sets of steps that are closed under predecessors and leave n values alive form a
distributive lattice; each maximal chain of it has the same lumps up to their order. They are the strong components of
the residual graph of a maximum flow whose cuts are these sets. The flow is the matching that ``structure`` finds, and
on the steps alone the residual graph has these arcs, each from a step to one that must not come later than its lump:

- from a step to every step whose result it reads;
- from the step at which the path through u goes on to every other reader of u;
- from a step whose result is on no path to every reader of that result.

References: arXiv:2411.18786, section on lumps and Fig. 4; THEORY sections 5 and 6.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final, overload

import numpy as np
from numpy.typing import NDArray

from flowgraph.data_flow import DataFlow, sorted_components
from flowgraph.orders import legal_order
from flowgraph.program import Program
from flowgraph.structure import Structure, require_invertible

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Lump:
    """A run of steps that leaves as many values alive as it found: z = f(u, w).

    Attributes:
        index: its place among the lumps of its order, from 0.
        start: the time before it.
        stop: the time after it.
        steps: step numbers, in the order at hand.
        consumed: u, the values that die in it, ascending.
        produced: z, the results that outlive it, in order.
        read: w, the values that it reads and that live on, ascending.
    """

    index: int
    start: int
    stop: int
    steps: tuple[int, ...]
    consumed: tuple[int, ...]
    produced: tuple[int, ...]
    read: tuple[int, ...]

    @property
    def size(self) -> int:
        """l, the number of values that it replaces: A is l×l."""
        return len(self.produced)


@final
class Lumping(Sequence[Lump]):
    """The lumps of a program along an order. See ``lumps``.

    Attributes:
        program: the program.
        order: (T′,) step numbers in the order at hand; dead steps are left out.
        widths: (T′ + 1,) number of live values at each time, w₀ = n.
        cuts: the times at which n values live, from 0 to T′.
        bounds: (L + 1,) those of them between which the lumps lie. Steps that only decide a branch move no cut; they
            belong to the next lump, or at the end to the last.
        birth: (n + T,) the time at which each value is there first; −1 for results that carry no derivative.
        death: (n + T,) the time at which it is gone; T′ + 1 for outputs, −1 where nothing reads it.
    """

    def __init__(self, program: Program, flow: DataFlow, order: Array) -> None:
        n, total = flow.n_inputs, len(order)
        self.program = program
        self._flow = flow
        self.order = order
        time = np.full(flow.n_steps, -1, dtype=np.int64)
        time[order] = np.arange(1, total + 1)
        self._time = time
        self.birth = np.concatenate([np.zeros(n, dtype=np.int64), np.where(flow.active, time, -1)])
        self.death = np.full(n + flow.n_steps, -1, dtype=np.int64)
        at = time[flow.readers]
        sequence = np.argsort(at, kind="stable")  # the last assignment stays
        self.death[flow.arguments[sequence]] = at[sequence]
        self.death[flow.outputs] = total + 1
        self.widths = self._widths(total)
        self.cuts = np.flatnonzero(self.widths == n)
        self.bounds = self._bounds(total)
        for column in (self.order, self.widths, self.cuts, self.bounds, self.birth, self.death):
            column.setflags(write=False)

    def _widths(self, total: int) -> Array:
        alive = self.death >= 0
        change = np.bincount(self.birth[alive], minlength=total + 2) - np.bincount(
            self.death[alive], minlength=total + 2
        )
        widths = np.cumsum(change)[: total + 1]
        widths[0] = self._flow.n_inputs
        return widths

    def _bounds(self, total: int) -> Array:
        done = np.concatenate([[0], np.cumsum(self._flow.active[self.order])])
        moved = self.cuts[np.append(True, np.diff(done[self.cuts]) > 0)]
        return np.append(moved[:-1], total) if len(moved) > 1 else moved

    @property
    def sizes(self) -> Array:
        """(L,) l of each lump."""
        made = np.flatnonzero(self.birth > 0)
        first = np.searchsorted(self.bounds, self.birth[made], side="left")
        last = np.searchsorted(self.bounds, self.death[made], side="left")
        return np.bincount(first[last > first] - 1, minlength=len(self))

    @property
    def lengths(self) -> Array:
        """(L,) number of steps of each lump."""
        return np.diff(self.bounds)

    def __len__(self) -> int:
        return len(self.bounds) - 1

    @overload
    def __getitem__(self, index: int) -> Lump: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Lump, ...]: ...
    def __getitem__(self, index: int | slice) -> Lump | tuple[Lump, ...]:
        if isinstance(index, slice):
            return tuple(self[k] for k in range(*index.indices(len(self))))
        if not -len(self) <= index < len(self):
            raise IndexError(f"lump {index} of {len(self)}")
        index %= len(self)
        start, stop = int(self.bounds[index]), int(self.bounds[index + 1])
        steps = self.order[start:stop]
        n = self._flow.n_inputs
        before = self.read_by(steps)
        before = before[self.birth[before] <= start]
        dies = self.death[before] <= stop
        made = n + steps[self._flow.active[steps]]
        return Lump(
            index=index,
            start=start,
            stop=stop,
            steps=tuple(steps.tolist()),
            consumed=tuple(before[dies].tolist()),
            produced=tuple(made[self.death[made] > stop].tolist()),
            read=tuple(before[~dies].tolist()),
        )

    def read_by(self, steps: Array) -> Array:
        """The values that some steps read, ascending."""
        first = np.searchsorted(self._flow.readers, steps, side="left")
        last = np.searchsorted(self._flow.readers, steps, side="right")
        counts = last - first
        places = np.repeat(first - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts) + np.arange(counts.sum())
        return np.unique(self._flow.arguments[places])

    def __iter__(self) -> Iterator[Lump]:
        return (self[k] for k in range(len(self)))

    def lump_at(self, time: int) -> int:
        """The lump that contains the step which leads to ``time`` (1 … T′)."""
        return int(np.searchsorted(self.bounds, time, side="left")) - 1

    def __repr__(self) -> str:
        sizes = self.sizes
        return f"<Lumping: {len(self)} lumps of {len(self.order)} steps, largest l {max(sizes.tolist(), default=0)}>"


def lumps(program: Program, order: Sequence[int | str] | Array | None = None) -> Lumping:
    """The lumps of a program along an order of its steps.

    Args:
        program: straight-line code whose Jacobian is not singular for every x. Dead steps take no part.
        order: step numbers from 0, or names of results: every step that is not dead, once, each after what it reads.
            None is the program's own order.

    Returns:
        A sequence of ``Lump`` with ``order``, ``widths`` and ``cuts``.

    Raises:
        NotInvertible: J is not square, or singular for every x.
        InputError: the order leaves out, repeats or misplaces a step.

    Example:
        >>> from flowgraph.language import parse
        >>> program = parse("inputs x, y\\nt1 = p(x)\\nt2 = p(y)\\nz1 = q(x, t1)\\nz2 = q(y, t2)\\noutputs z1, z2")
        >>> [lump.steps for lump in lumps(program)]
        [(0, 1, 2, 3)]
        >>> [lump.steps for lump in lumps(program, ["t1", "z1", "t2", "z2"])]
        [(0, 2), (1, 3)]
        >>> lumps(program).widths.tolist()
        [2, 3, 4, 3, 2]
    """
    structure = require_invertible(program)
    return Lumping(program, structure.flow, legal_order(program, structure.flow, order))


def best_order(program: Program) -> Array:
    """An order of the steps with the most lumps that any order has: the finest lumpification, which is canonical.

    Where the program's own order is among the best it is returned, and else one that departs from it only where it
    must. O(T) after the matching.

    Returns:
        Step numbers from 0, to be given as ``order``. Dead steps are left out.

    Raises:
        NotInvertible: J is not square, or singular for every x.

    Reference: THEORY section 6.

    Example:
        >>> from flowgraph.language import parse
        >>> program = parse("inputs x, y\\nt1 = p(x)\\nt2 = p(y)\\nz1 = q(x, t1)\\nz2 = q(y, t2)\\noutputs z1, z2")
        >>> best_order(program).tolist()
        [0, 2, 1, 3]
    """
    return finest_order(require_invertible(program))


def finest_order(structure: Structure) -> Array:
    """``best_order`` from a structure that is at hand."""
    flow, matching = structure.flow, structure.matching
    holder = np.empty(flow.n_inputs + flow.n_steps, dtype=np.int64)
    held = np.flatnonzero(matching >= 0)
    holder[matching[held]] = held
    onward = holder[flow.arguments]
    inside = onward < flow.n_steps
    tails = np.concatenate([flow.after, onward[inside]])
    heads = np.concatenate([flow.before, flow.readers[inside]])
    own = np.flatnonzero(flow.needed)
    order, starts = sorted_components(tails, heads, own, flow.n_steps)
    most = int(np.count_nonzero(np.add.reduceat(flow.active[order], starts[:-1]))) if len(order) else 0
    return own if len(Lumping(structure.program, flow, own)) == most else order
