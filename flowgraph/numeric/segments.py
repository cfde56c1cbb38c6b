"""A program cut into segments, each a small program of its own: what tape-free sweeps run one after the other.

A segment is a run of consecutive steps. Its inputs are the values that it reads and that were there before; its outputs
are the results that live on. Values that only pass by take no part. So one segment's coefficients are all that a sweep
holds at a time, beside one register for each live value.

Forward sweeps may be cut anywhere. Reverse inverse sweeps are cut where exactly n values live, along an order with the
most lumps; several lumps make a segment. Inputs that live on are outputs too there, which makes the segment's Jacobian
square: [[A, B], [0, I]].

Programs that repeat themselves, as every loop does, are cut at multiples of their period. The segments then are equal
but for the registers, and one analysis serves all of them.

Reference: arXiv:2411.18786, section 5; THEORY sections 3 and 5.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowgraph.lumping import Lumping, finest_order
from flowgraph.numeric.analysed import Analysed, Structure
from flowgraph.numeric.backend import Backend
from flowgraph.numeric.faults import Excerpt
from flowgraph.program import Guard, Program
from flowgraph.structure import require_invertible

Array = NDArray[Any]

STEPS = 2**15
"""A segment has about that many steps: enough to hide what a call of a kernel costs, few enough to stay in a cache."""

WIDTHS = 8
"""Or that many times the width, if it is more: what a segment reads and writes stays small beside what it computes."""

_LONGEST = 2**20
"""Longer periods are not looked for."""


@dataclass(frozen=True, slots=True, eq=False)
class Watch:
    """What guards say of some values.

    Attributes:
        guards: (·,) which of the program's guards looks at each.
        places: (·,) where it stands in that guard.
        outcomes: (·,) whether it must be > 0.
    """

    guards: Array
    places: Array
    outcomes: Array


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """A run of steps as a program of its own.

    Attributes:
        start: the time before it, along the order at hand.
        stop: the time after it.
        analysed: its program. It has one guard, for the values that no derivative reads: first those that later
            segments read, then those that the guards of the whole program look at.
        reads: the registers of its inputs.
        writes: the registers of its results that live on; the first outputs of its program.
        kept: the registers of inputs whose cotangents change and that live on; the next outputs. Inverse only.
        carried: the registers of results that later segments read, though no derivative does.
        watch: what the guards say of those that they look at.
    """

    start: int
    stop: int
    analysed: Analysed
    reads: Array
    writes: Array
    kept: Array
    carried: Array
    watch: Watch


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """A program as segments along an order of its steps.

    Attributes:
        order: (T,) step numbers; None is the program's own order.
        all: the segments, in order.
        n_registers: how many registers the live values need. Input k begins in register k.
        outputs: (m,) the registers in which the outputs end.
        looked: the inputs that guards look at.
        watch: what they say of them.
    """

    order: Array | None
    all: tuple[Segment, ...]
    n_registers: int
    outputs: Array
    looked: Array
    watch: Watch

    def steps(self, segment: Segment) -> Array:
        """The numbers of a segment's steps."""
        return (
            np.arange(segment.start, segment.stop) if self.order is None else self.order[segment.start : segment.stop]
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    """A program with its steps in the order at hand.

    Attributes:
        codes: (T,) operation codes.
        starts: (T + 1,) where the operands of each step begin.
        operands: (E,) value numbers in this order, or −1 − i for constant i.
        last_read: (n + T,) the time of the step that reads a value last; T + 1 for outputs, 0 where nothing does.
        last_linear: (n + T,) likewise for steps through which a derivative flows.
        outputs: (m,) value numbers in this order.
        watched: (·, 3) value, guard and place in it, of all that guards look at; by value.
    """

    n_inputs: int
    codes: Array
    starts: Array
    operands: Array
    last_read: Array
    last_linear: Array
    outputs: Array
    watched: Array

    @property
    def widths(self) -> Array:
        """(T + 1,) how many values some later step reads, or are outputs."""
        total = len(self.codes)
        born = np.maximum(np.arange(len(self.last_read)) - self.n_inputs + 1, 0)
        alive = self.last_read > 0
        change = np.bincount(born[alive], minlength=total + 2) - np.bincount(self.last_read[alive], minlength=total + 2)
        return np.cumsum(change)[: total + 1]


def segments(program: Program, backend: Backend, *, inverse: bool, size: int | None = None) -> Segments:
    """Cut a program into segments: O(T).

    Args:
        program: straight-line code without dead steps.
        backend: what will run them.
        inverse: for the reverse inverse sweep; else for the forward sweep.
        size: about how many steps a segment has; None chooses.

    Raises:
        NotInvertible: ``inverse``, and J is not square or is singular for every x.
    """
    order, places = None, None
    if inverse:
        structure = require_invertible(program)
        order = finest_order(structure)
        places = Lumping(program, structure.flow, order).bounds
        active = structure.flow.active
    else:
        active = program.liveness().active
    columns = _columns(program, order, active)
    if size is None:
        size = max(STEPS, WIDTHS * int(columns.widths.max(initial=0)))
    bounds = _bounds(columns, size, places)
    registers = _Registers(columns)
    shared = _Shared(backend, program.constants)
    found = tuple(
        _segment(columns, start, stop, registers, shared, program.guards, inverse=inverse)
        for start, stop in pairwise(bounds.tolist())
    )
    looked = columns.watched[columns.watched[:, 0] < columns.n_inputs]
    return Segments(
        order=order,
        all=found,
        n_registers=registers.count,
        outputs=registers.of[columns.outputs].astype(np.int32),
        looked=looked[:, 0],
        watch=_watch(looked, program.guards),
    )


def _columns(program: Program, order: Array | None, active: Array) -> _Columns:
    n, total = program.n_inputs, program.n_steps
    counts = np.diff(program.starts)
    linear = (program.arguments() >= 0) & np.repeat(active, counts)
    renumber = np.arange(n + total)
    codes, starts, operands = program.codes, program.starts, program.operands.astype(np.int64)
    if order is not None:
        renumber[n + order] = np.arange(n, n + total)
        codes, counts = codes[order], counts[order]
        starts = np.concatenate([[0], np.cumsum(counts)])
        places = np.repeat(program.starts[order] - starts[:-1], counts) + np.arange(starts[-1])
        operands, linear = operands[places], linear[places]
        operands = np.where(operands >= 0, renumber[np.maximum(operands, 0)], operands)
    times = np.repeat(np.arange(1, total + 1), counts)
    outputs = renumber[program.outputs]
    last: list[Array] = []
    for reads in (operands >= 0, linear):
        # Times ascend, and the last assignment stays.
        found = np.zeros(n + total, dtype=np.int64)
        found[operands[reads]] = times[reads]
        found[outputs] = total + 1
        last.append(found)
    watched = [
        np.stack([renumber[guard.values], np.full(len(guard.values), g), np.arange(len(guard.values))], axis=1)
        for g, guard in enumerate(program.guards)
    ]
    looked = np.concatenate([np.zeros((0, 3), dtype=np.int64), *watched])
    return _Columns(
        n_inputs=n,
        codes=codes,
        starts=starts,
        operands=operands,
        last_read=last[0],
        last_linear=last[1],
        outputs=outputs,
        watched=looked[np.argsort(looked[:, 0], kind="stable")],
    )


# -- where to cut -----------------------------------------------------------------------------------------------------


def _bounds(columns: _Columns, size: int, places: Array | None) -> Array:
    """The times at which the segments begin and end.

    Args:
        columns: the program.
        size: about how many steps a segment has.
        places: the times at which a cut is allowed, ascending, with 0 and T among them; None allows all.
    """
    total = len(columns.codes)
    if total == 0:
        return np.zeros(1, dtype=np.int64)
    length = period(columns.codes, columns.starts, columns.operands, columns.n_inputs) if total > size else 0
    if length > size:
        pieces = round(length / size)
        within = np.arange(pieces) * length // pieces
        wanted = (np.arange(0, total, length)[:, None] + within).reshape(-1)
    else:
        wanted = np.arange(0, total, round(size / length) * length if length else size)
    wanted = np.append(wanted[wanted < total], total)
    if places is None:
        return wanted
    # Where all steps are passive there is no lump, and 0 is the only place.
    return np.unique(np.append(places, total)[np.searchsorted(places, wanted)])


def period(codes: Array, starts: Array, operands: Array, n: int) -> int:
    """After how many steps the middle part of a program repeats itself, 0 where it does not.

    Two steps are alike here if they have the same operation and read what was computed as many steps before; constants,
    and all values from long before, count as equal. This only decides where to cut.

    Example:
        >>> import numpy as np
        >>> from flowgraph.tracing import trace
        >>> def f(u, v):
        ...     for _ in range(10):
        ...         u, v = v, u * np.sin(v)
        ...     return u, v
        >>> program = trace(f, 2)
        >>> period(program.codes, program.starts, program.operands, 2)
        2
    """
    total = len(codes)
    first = total // 2
    window = min(3 * total // 8, _LONGEST)
    if window == 0:
        return 0
    begin, end = first - window, first + window
    counts = np.diff(starts[begin : end + 1])
    own = n + np.repeat(np.arange(begin, end), counts)
    read = operands[starts[begin] : starts[end]]
    back = np.where(read < 0, 0, np.where(own - read > total // 4, -1, own - read))
    slot = np.arange(len(read)) - np.repeat(starts[begin:end] - starts[begin], counts)
    # Sums of odd multiples modulo 2^64, scrambled between; a collision costs equal segments, never a wrong result.
    mixed = _scrambled(back.astype(np.uint64) * np.uint64(2) + np.uint64(1)) * (
        2 * slot.astype(np.uint64) + np.uint64(1)
    )
    sums = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(mixed)])
    local = starts[begin : end + 1] - starts[begin]
    steps = _scrambled(np.diff(sums[local]) + codes[begin:end].astype(np.uint64))
    powers = np.full(2 * window + 1, 0x9E3779B97F4A7C15, dtype=np.uint64)
    powers[0] = 1
    powers = np.cumprod(powers)
    polynomial = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(steps * powers[:-1])])
    # The last ``window`` steps against those p steps before, for every p at once.
    shifts = np.arange(1, window + 1)
    here = polynomial[2 * window :] - polynomial[window : window + 1]
    before = (polynomial[2 * window - shifts] - polynomial[window - shifts]) * powers[shifts]
    hits = np.flatnonzero(before == here)
    return int(shifts[hits[0]]) if len(hits) else 0


def _scrambled(numbers: Array) -> Array:
    """The finaliser of SplitMix64, a bijection that leaves no pattern."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


# -- registers --------------------------------------------------------------------------------------------------------


class _Registers:
    """Gives every value that outlives its segment a register, and takes it back after the segment that reads it last.

    Attributes:
        of: (n + T,) the register of each value; −1 for those that stay inside their segment.
        count: how many there are.
    """

    def __init__(self, columns: _Columns) -> None:
        n = columns.n_inputs
        self.of = np.full(n + len(columns.codes), -1, dtype=np.int64)
        self.of[:n] = np.arange(n)
        self.count = n
        self._free = np.flatnonzero(columns.last_read[:n] == 0)

    def release(self, values: Array) -> None:
        self._free = np.concatenate([self._free, self.of[values]])

    def take(self, values: Array) -> Array:
        """Registers for new values."""
        missing = len(values) - len(self._free)
        if missing > 0:
            self._free = np.concatenate([self._free, np.arange(self.count, self.count + missing)])
            self.count += missing
        self.of[values], self._free = self._free[: len(values)], self._free[len(values) :]
        return self.of[values]


# -- the segments' programs -------------------------------------------------------------------------------------------


class _Shared:
    """One analysis for all segments that are equal, one structure for those equal but for their constants."""

    def __init__(self, backend: Backend, constants: Array) -> None:
        self.constants = constants
        self._backend = backend
        self._structures: dict[bytes, Structure] = {}
        self._analysed: dict[bytes, Analysed] = {}
        self._arrays: dict[bytes, Array] = {}

    def analysed(self, program: Program) -> Analysed:
        columns = (program.codes, program.starts, program.operands, program.outputs, program.guards[0].values)
        digest = blake2b(digest_size=16)
        digest.update(repr((program.n_inputs, [len(column) for column in columns])).encode())
        for column in columns:
            digest.update(column.tobytes())
        structure = digest.digest()
        digest.update(program.constants.tobytes())
        whole = digest.digest()
        if whole not in self._analysed:
            if structure not in self._structures:
                self._structures[structure] = Structure(program)
            self._analysed[whole] = Analysed(program, self._backend, self._structures[structure])
        return self._analysed[whole]

    def array(self, numbers: Array) -> Array:
        """The array, or an equal one that is at hand."""
        small = numbers.astype(np.int32)
        return self._arrays.setdefault(small.tobytes(), small)


def _in_order_of_use(numbers: Array) -> tuple[Array, Array]:
    """The distinct numbers in the order of their first use, and the place of each in it."""
    distinct, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return distinct[order], place[inverse]


def _watch(watched: Array, guards: tuple[Guard, ...]) -> Watch:
    outcomes = [guards[g].outcomes[i] for _, g, i in watched.tolist()]
    return Watch(watched[:, 1], watched[:, 2], np.array(outcomes, dtype=bool))


def _segment(
    columns: _Columns,
    start: int,
    stop: int,
    registers: _Registers,
    shared: _Shared,
    guards: tuple[Guard, ...],
    *,
    inverse: bool,
) -> Segment:
    n = columns.n_inputs
    first = int(columns.starts[start])
    operands = columns.operands[first : columns.starts[stop]]
    local = operands - (n + start)
    outside, constant = (operands >= 0) & (local < 0), operands < 0
    inputs, place = _in_order_of_use(operands[outside])
    pool, entry = _in_order_of_use(-1 - operands[constant])
    local += len(inputs)
    local[outside], local[constant] = place, -1 - entry
    made = np.arange(n + start, n + stop)
    lives, flows = columns.last_read[made] > stop, columns.last_linear[made] > stop
    produced, carried = made[flows], made[lives & ~flows]
    after = columns.last_linear[inputs]
    kept, passive = np.flatnonzero(after > stop), np.flatnonzero(after <= start)
    if not inverse:
        kept, passive = kept[:0], passive[:0]
    low, high = np.searchsorted(columns.watched[:, 0], [n + start, n + stop])
    watched = columns.watched[low:high]
    base = len(inputs) - n - start
    looked = base + np.concatenate([carried, watched[:, 0]])
    program = Program(
        n_inputs=len(inputs),
        codes=columns.codes[start:stop].copy(),
        starts=columns.starts[start : stop + 1] - first,
        operands=local.astype(np.int32),
        constants=shared.constants[pool],
        outputs=np.concatenate([base + produced, kept, passive]).astype(np.int32),
        guards=(Guard(looked, np.zeros(len(looked), dtype=bool)),),
    )
    reads = registers.of[inputs]
    dead = inputs[columns.last_read[inputs] <= stop]
    kept_registers = registers.of[inputs[kept]]
    registers.release(dead)
    writes, carries = registers.take(produced), registers.take(carried)
    return Segment(
        start=start,
        stop=stop,
        analysed=shared.analysed(program),
        reads=shared.array(reads),
        writes=shared.array(writes),
        kept=shared.array(kept_registers),
        carried=shared.array(carries),
        watch=_watch(watched, guards),
    )


def excerpt(original: Program, whole: Segments, segment: Segment) -> Excerpt:
    """A segment's program with the names, lines and step numbers of the program as the user gave it.

    Args:
        original: that program, with its dead code.
        whole: its segments, of the program without dead code.
        segment: one of them.
    """
    n = original.n_inputs
    steps = np.flatnonzero(original.liveness().needed)[whole.steps(segment)]
    local = segment.analysed.reduced.program
    counts = np.diff(original.starts)[steps]
    places = np.repeat(original.starts[steps] - local.starts[:-1], counts) + np.arange(local.starts[-1])
    operands = original.operands[places]
    inputs, _ = _in_order_of_use(operands[(local.operands >= 0) & (local.operands < local.n_inputs)])
    named = replace(
        local,
        names=tuple(original.name(int(v)) for v in [*inputs, *(n + steps)]),
        source_lines=original.source_lines and original.source_lines.taken(steps),
        time_steps=original.time_steps and original.time_steps.taken(steps),
    )
    return Excerpt(named, steps)
