"""Evaluation on whole arrays: values level by level, partials operation by operation, coefficients of the statements.

Values are renumbered so that the results of one operation in one level are consecutive. Partials are those of all steps
of one operation at one depth inside their statements: the adjoint of an inner step is the product of the adjoint of its
reader and of the partial that it is read with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from flowgraph.numeric.numpy_sweeps import row_levels
from flowgraph.numeric.numpy_terms import MINUS, OFFSET, PLUS, Places, compress, gather
from flowgraph.numeric.passes import heights_of, sort_by_level
from flowgraph.numeric.reduced import Reduced, Statements
from flowgraph.operations import CODES, OPERATIONS

Array = NDArray[Any]

CUBE = len(OPERATIONS)
"""x³, which NumPy functions spell as a power."""

ONES = MappingProxyType({"add": (1.0, 1.0), "sub": (1.0, -1.0), "neg": (-1.0,)})
"""Operations whose partials are 1 or −1 everywhere; a test holds them against the registry."""

_EVERYWHERE = OPERATIONS[CODES["add"]].domain.contains
_MUL, _POWER, _SQUARE = CODES["mul"], CODES["power"], CODES["square"]

_AT_ONCE = 2**18
"""Members of a batch go through together as long as they have so many values, and in eights beyond."""


def _cube(x: Array) -> Array:
    return x * x * x


def _cube_partial(x: Array) -> Array:
    return 3.0 * np.square(x)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """The steps of one operation in one level.

    Attributes:
        function: what they compute.
        to: where the results go.
        operands: where each operand lies.
    """

    function: Callable[..., Any]
    to: slice
    operands: tuple[Places, ...]

    def run(self, v: Array) -> None:
        """Compute the results."""
        operands = (gather(v, places) for places in self.operands)
        if isinstance(self.function, np.ufunc):
            self.function(*operands, out=v[self.to])
        else:
            v[self.to] = self.function(*operands)


@final
@dataclass(frozen=True, slots=True, eq=False)
class PartialGroup:
    """The partials of one operation by one operand, for all steps at one depth.

    Attributes:
        partial: the function; or the number that the partials are.
        to: where they go.
        operands: where the operands of the steps lie.
        above: where the partial lies that each step is read with, or None at the top.
        again: members that are read twice by one step, and where the other partials lie.
    """

    partial: Callable[..., Any] | float
    to: slice
    operands: tuple[Places, ...]
    above: Places | None
    again: tuple[tuple[Array, Array], ...]

    def run(self, v: Array, p: Array) -> None:
        """Compute the partials, and multiply them by the adjoints of their steps."""
        into = p[self.to]
        adjoint: Any = 1.0
        if self.above is not None:
            adjoint = gather(p, self.above)
            if self.again:
                adjoint = adjoint.copy()
                for members, others in self.again:
                    adjoint[members] += p[others]
        if not callable(self.partial):
            np.multiply(adjoint, self.partial, out=into)
            return
        found = self.partial(*(gather(v, places) for places in self.operands))
        if self.above is None:
            into[...] = found
        else:
            np.multiply(found, adjoint, out=into)


def _itself(x: Array) -> Array:
    return x


@final
@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """How a program is evaluated.

    Attributes:
        constants: the constant pool.
        n_inputs: n.
        n_values: constants, inputs and results.
        groups: what is computed, in order.
        partials: the partials, in order; ``n_partials`` numbers.
        entries: where the first partial of each entry lies.
        further: entries with several, and where another one lies.
        conditions: tests of the domains of operations, and where their operands lie.
        outputs, watched: where outputs, and the values that guards look at, lie.
    """

    constants: Array
    n_inputs: int
    n_values: int
    groups: tuple[Group, ...]
    partials: tuple[PartialGroup, ...]
    n_partials: int
    entries: Places
    n_entries: int
    further: tuple[tuple[Array, Array], ...]
    conditions: tuple[tuple[Callable[..., Any], tuple[Places, ...]], ...]
    outputs: Array
    watched: tuple[Array, ...]

    def run(self, x: Array, data: Array | None) -> tuple[Array, tuple[Array, ...], Array]:
        """Outputs, watched values and whether all is well, at x (B, n); the coefficients go to data (2 + E, B)."""
        size = len(x)
        outputs = np.empty((size, len(self.outputs)))
        watched = tuple(np.empty((size, len(places))) for places in self.watched)
        fine = np.ones(size, dtype=bool)
        step = max(8, _AT_ONCE // max(1, self.n_values))
        for first in range(0, size, step):
            part = slice(first, min(first + step, size))
            labels = None if data is None else data[:, part]
            v, fine[part] = self._run(x[part], labels)
            outputs[part] = v[self.outputs].T
            for into, places in zip(watched, self.watched, strict=True):
                into[part] = v[places].T
        return outputs, watched, fine

    def _run(self, x: Array, data: Array | None) -> tuple[Array, Array]:
        size, first = len(x), len(self.constants) + self.n_inputs
        # One axis is quicker than two with one column.
        shape = (size,) if size > 1 else ()
        v = np.empty((self.n_values, *shape))
        v[: len(self.constants)] = self.constants.reshape(-1, *(1 for _ in shape))
        v[len(self.constants) : first] = x.T.reshape(-1, *shape)
        with np.errstate(all="ignore"):
            for group in self.groups:
                group.run(v)
            fine = np.isfinite(v[first:]).all(axis=0)
            for contains, operands in self.conditions:
                fine = fine & contains(*(gather(v, places) for places in operands)).all(axis=0)
            if data is not None:
                p = np.empty((self.n_partials, *shape))
                for partial in self.partials:
                    partial.run(v, p)
                labels = gather(p, self.entries)
                if self.further:
                    labels = labels.copy()
                for entries, places in self.further:
                    labels[entries] += p[places]
                fine = fine & np.isfinite(labels).all(axis=0)
                data[MINUS], data[PLUS] = -1.0, 1.0
                data[OFFSET:] = labels.reshape(self.n_entries, size)
        return v.reshape(self.n_values, size), np.broadcast_to(fine, (size,))


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Layout:
    """Where everything lies.

    Attributes:
        reduced: the reduced system.
        statements: its statements.
        entry_of: for each operand place, the entry that its partial adds to, or −1.
        starts: (T + 1,) where the operands of each step begin.
        lies: where each operand lies.
        arity: (T,) number of operands, without the exponents of squares and cubes.
        kinds: (T,) operations, with CUBE.
        order: (T,) the steps by level and operation.
        begin, end: where each run of one level and operation begins and ends in ``order``.
        first: where the results begin.
    """

    reduced: Reduced
    statements: Statements
    entry_of: Array
    starts: Array
    lies: Array
    arity: Array
    kinds: Array
    order: Array
    begin: Array
    end: Array
    first: int

    def places(self, steps: Array, begin: Array, end: Array) -> list[tuple[Places, ...]]:
        """The operands of runs of steps of one operation each."""
        if len(begin) == 0:
            return []
        columns = []
        for slot in range(int(self.arity[steps].max())):
            at = np.minimum(self.starts[steps] + slot, len(self.lies) - 1)
            columns.append(compress(self.lies[at], begin, end, broadcast=True))
        counts = self.arity[steps[begin]].tolist()
        return [tuple(column[k] for column in columns[:count]) for k, count in enumerate(counts)]


def evaluation_of(reduced: Reduced) -> Evaluation:
    """Analyse how a program is evaluated."""
    program = reduced.program
    n, pool = program.n_inputs, len(program.constants)
    layout, position = _lay_out(reduced)
    partials, at = _partials(layout)
    entry_of = layout.entry_of
    ended = np.flatnonzero((entry_of >= 0) & (at >= 0))
    n_entries = len(reduced.arguments)
    entries, further = _ranked(entry_of[ended], at[ended], n_entries)
    whole = compress(entries, np.zeros(1, dtype=np.int64), np.array([n_entries])) if n_entries else [slice(0, 0)]
    return Evaluation(
        constants=program.constants,
        n_inputs=n,
        n_values=pool + n + program.n_steps,
        groups=_groups(layout),
        partials=partials,
        n_partials=int(np.count_nonzero(at >= 0)),
        entries=whole[0],
        n_entries=n_entries,
        further=tuple((np.flatnonzero(more >= 0), more[more >= 0]) for more in further),
        conditions=_conditions(layout),
        outputs=position[program.outputs],
        watched=tuple(position[guard.values] for guard in program.guards),
    )


def _lay_out(reduced: Reduced) -> tuple[_Layout, Array]:
    """Where everything lies, and (n + T,) where each value does."""
    program = reduced.program
    n, n_steps, pool = program.n_inputs, program.n_steps, len(program.constants)
    starts, operands = program.starts.astype(np.int64), program.operands.astype(np.int32)
    arity, kinds = _fixed_powers(program.constants, program.codes.astype(np.int64), starts, operands, np.diff(starts))
    key = row_levels(n, starts, operands).astype(np.int64) * (CUBE + 1) + kinds
    order = sort_by_level(key, np.ones(n_steps, dtype=bool))[0]
    begin, end = _runs(key[order])
    position = np.empty(n + n_steps, dtype=np.int32)
    position[:n] = pool + np.arange(n)
    position[n + order] = pool + n + np.arange(n_steps)
    lies = np.where(operands >= 0, position[np.maximum(operands, 0)], -1 - operands).astype(np.int32)
    own = reduced.statements()
    entry_of = reduced.entry_of(own)
    return _Layout(reduced, own, entry_of, starts, lies, arity, kinds, order, begin, end, pool + n), position


def _groups(layout: _Layout) -> tuple[Group, ...]:
    begin, end, order, first = layout.begin, layout.end, layout.order, layout.first
    columns = (layout.kinds[order[begin]].tolist(), begin.tolist(), end.tolist(), layout.places(order, begin, end))
    return tuple(
        Group(_cube if kind == CUBE else OPERATIONS[kind].evaluate, slice(first + a, first + b), own)
        for kind, a, b, own in zip(*columns, strict=True)
    )


def _conditions(layout: _Layout) -> tuple[tuple[Callable[..., Any], tuple[Places, ...]], ...]:
    restricted = np.array([*(op.domain.contains is not _EVERYWHERE for op in OPERATIONS), False])
    # Where no derivative flows, the result must be finite, and nothing more.
    linear = np.diff(layout.reduced.starts)[layout.statements.row_of] > 0
    tested = layout.order[restricted[layout.kinds[layout.order]] & linear[layout.order]]
    tested = tested[np.argsort(layout.kinds[tested], kind="stable")]
    begin, end = _runs(layout.kinds[tested])
    columns = (layout.kinds[tested[begin]].tolist(), layout.places(tested, begin, end))
    return tuple((OPERATIONS[kind].domain.contains, own) for kind, own in zip(*columns, strict=True))


def _partials(layout: _Layout) -> tuple[tuple[PartialGroup, ...], Array]:
    """The partials, and for each operand place where its partial lies, or −1."""
    n, operands = layout.reduced.n_inputs, layout.reduced.program.operands
    n_steps = len(layout.order)
    owner = np.repeat(np.arange(n_steps, dtype=np.int32), np.diff(layout.starts))
    inner_reads = np.flatnonzero((operands >= n) & (layout.entry_of < 0) & layout.statements.linear)
    read = operands[inner_reads] - n
    above = np.arange(n_steps, dtype=np.int32)
    above[read] = owner[inner_reads]
    depth = heights_of(above)
    # The places that a derivative flows through, by depth, operation and operand.
    used = np.flatnonzero(layout.statements.linear)
    by = owner[used]
    slot = (used - layout.starts[by]).astype(np.int8)
    key = (depth[by] * (CUBE + 1) + layout.kinds[by].astype(np.int32)) * 4 + slot
    rank = np.empty(n_steps, dtype=np.int32)
    rank[layout.order] = np.arange(n_steps, dtype=np.int32)
    order = np.lexsort((rank[by], key))
    used, key, by, slot = used[order], key[order], by[order], slot[order]
    at = np.full(len(operands), -1, dtype=np.int32)
    at[used] = np.arange(len(used), dtype=np.int32)
    firsts, others = _ranked(read, at[inner_reads], n_steps)
    begin, end = _runs(key)
    reads = compress(firsts[by], begin, end)
    own_places = layout.places(by, begin, end)
    deep = (depth[by[begin]] > 0).tolist()
    columns = (layout.kinds[by[begin]].tolist(), slot[begin].tolist(), begin.tolist(), end.tolist())
    found: list[PartialGroup] = []
    for k, (kind, operand, a, b) in enumerate(zip(*columns, strict=True)):
        again = tuple(
            (members, more[by[a:b]][members]) for more in others if len(members := np.flatnonzero(more[by[a:b]] >= 0))
        )
        partial, needed = _partial(kind, operand, own_places[k])
        found.append(PartialGroup(partial, slice(a, b), needed, reads[k] if deep[k] else None, again))
    return tuple(found), at


def _fixed_powers(constants: Array, kinds: Array, starts: Array, operands: Array, arity: Array) -> tuple[Array, Array]:
    """Arities and operations, with squares and cubes for powers whose exponent is the constant 2 or 3."""
    powers = np.flatnonzero(kinds == _POWER)
    powers = powers[operands[starts[powers] + 1] < 0]
    exponent = constants[-1 - operands[starts[powers] + 1]] if len(powers) else np.zeros(0)
    for number, kind in ((2.0, _SQUARE), (3.0, CUBE)):
        kinds[powers[exponent == number]] = kind
        arity[powers[exponent == number]] = 1
    return arity, kinds


def _partial(kind: int, slot: int, operands: tuple[Places, ...]) -> tuple[Any, tuple[Places, ...]]:
    """The partial of an operation by an operand, and where what it is computed from lies."""
    if kind == CUBE:
        return _cube_partial, operands
    if OPERATIONS[kind].name in ONES:
        return ONES[OPERATIONS[kind].name][slot], ()
    if kind == _MUL:
        return _itself, (operands[1 - slot],)
    return OPERATIONS[kind].partials[slot], operands


def _runs(key: Array) -> tuple[Array, Array]:
    """Where each run of equal keys begins and ends."""
    begin = np.flatnonzero(np.diff(key, prepend=-1))
    return begin, np.append(begin[1:], len(key))[: len(begin)]


def _ranked(target: Array, places: Array, size: int) -> tuple[Array, list[Array]]:
    """For each target the first of its places, or −1; and likewise the second, the third and so on."""
    found: list[Array] = []
    order = np.argsort(target, kind="stable")
    target, places = target[order], places[order]
    begin = np.flatnonzero(np.diff(target, prepend=-1))
    rank = np.arange(len(target)) - np.repeat(begin, np.diff(np.append(begin, len(target))))
    for r in range(int(rank.max(initial=0)) + 1):
        column = np.full(size, -1, dtype=np.int32)
        column[target[rank == r]] = places[rank == r]
        found.append(column)
    return found[0], found[1:]
