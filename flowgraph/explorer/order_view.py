"""``OrderView``: a program along an order as rows: registers, widths, lumps, blocks, and where each step may go.

Row 0 holds the inputs, row r ≥ 1 is the r-th step of the order. Everything is by row, step or value number, so that a
front end draws and moves rows without knowing what an order is.

Reference: arXiv:2411.18786, section on lumps; THEORY sections 5 to 7.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowgraph.explorer.study import Along, Order, Study

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class LumpView:
    """One lump.

    Attributes:
        index: its place, from 0.
        start: the row after which it begins.
        stop: its last row.
        size: l.
        operations: what J⁻¹v costs by it, None where not counted.
        matrix: what A looks like.
        consumed: u, value numbers.
        produced: z, value numbers.
        read: w, value numbers.
        blocks: how many blocks it consists of.
        largest: rows of the largest of them.
    """

    index: int
    start: int
    stop: int
    size: int
    operations: int | None
    matrix: str
    consumed: tuple[int, ...]
    produced: tuple[int, ...]
    read: tuple[int, ...]
    blocks: int
    largest: int


@dataclass(frozen=True, slots=True)
class BlockView:
    """A block of several rows that is finer than its lump.

    Attributes:
        rows: its rows.
        size: l of the system that has to be solved.
        operations: what it costs, None where not counted.
        matrix: what its A looks like.
        unknowns: value numbers.
    """

    rows: tuple[int, ...]
    size: int
    operations: int | None
    matrix: str
    unknowns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class OrderView:
    """A program along an order.

    Attributes:
        steps: the step of each row, from row 1.
        place: the register of each value, −1 where it has none.
        columns: number of registers.
        rows: the row in which each value is made, −1 where it is not drawn.
        last: the last row that reads each value; one more than the last row for outputs; −1 where nothing reads it.
        widths: number of live values after each row.
        n: number of inputs.
        band: for each row from row 1 the first and last row in which its step may stand.
        blocker: for each row the step that must come before, nearest to it, and the one that must come after; None
            where there is none.
        lumps: the lumps; none where J is singular for every x.
        blocks: the blocks of several rows that are finer than their lump.
        own: whether it is the program's own order.
        best: whether it has as many lumps as any order.
    """

    steps: tuple[int, ...]
    place: tuple[int, ...]
    columns: int
    rows: tuple[int, ...]
    last: tuple[int, ...]
    widths: tuple[int, ...]
    n: int
    band: tuple[tuple[int, int], ...]
    blocker: tuple[tuple[int | None, int | None], ...]
    lumps: tuple[LumpView, ...]
    blocks: tuple[BlockView, ...]
    own: bool
    best: bool

    def to_json(self) -> dict[str, Any]:
        """As a JSON object; tuples become lists when it is written."""
        plain = _plain(self)
        return {**plain, "lumps": [_plain(lump) for lump in self.lumps], "blocks": [_plain(b) for b in self.blocks]}


def _plain(record: OrderView | LumpView | BlockView) -> dict[str, Any]:
    # ``asdict`` copies what is inside, which takes longer than all the rest of a long program's view.
    return {name: getattr(record, name) for name in record.__slots__}


def order_view(study: Study, order: Order | None) -> OrderView:
    """A program along a legal order.

    Example:
        >>> from flowgraph.explorer.limits import LIMITS
        >>> from flowgraph.explorer.study import study
        >>> text = "inputs x, y\\nt1 = p(x)\\nt2 = p(y)\\nz1 = q(x, t1)\\nz2 = q(y, t2)\\noutputs z1, z2"
        >>> seen = order_view(study(text, LIMITS), None)
        >>> seen.widths, [lump.size for lump in seen.lumps], seen.band
        ((2, 3, 4, 3, 2), [2], ((1, 2), (1, 3), (2, 4), (3, 4)))
    """
    program = study.program
    along = study.along(order)
    lumping = along.lumping
    steps = lumping.order
    n, total = program.n_inputs, len(steps)
    place = np.full(n + program.n_steps, -1, dtype=np.int64)
    values = np.concatenate([np.arange(n), n + steps])
    # An order without dead steps renumbers what it computes; values that carry no derivative have no register.
    found = program.reordered(steps).registers()
    drawn = lumping.birth[values] >= 0
    place[values[drawn]] = found[drawn]
    bands, blockers = precedence(study, steps)
    return OrderView(
        steps=tuple(steps.tolist()),
        place=tuple(place.tolist()),
        columns=1 + int(place.max(initial=-1)),
        rows=tuple(lumping.birth.tolist()),
        last=tuple(lumping.death.tolist()),
        widths=tuple(lumping.widths.tolist()),
        n=n,
        band=bands,
        blocker=blockers,
        lumps=() if study.structure.singular else _lumps(study, along),
        blocks=() if study.structure.singular else _blocks(study, along, total),
        own=order is None,
        best=study.best is not None and len(lumping) == len(study.along(study.best).lumping),
    )


def precedence(
    study: Study, steps: Array
) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int | None, int | None], ...]]:
    """Between which rows each row's step may stand, and the steps that keep it from going further."""
    flow, total = study.structure.flow, len(steps)
    row = np.zeros(flow.n_steps, dtype=np.int64)
    row[steps] = np.arange(1, total + 1)
    before, after = row[flow.before], row[flow.after]
    first = np.zeros(total + 2, dtype=np.int64)
    last = np.full(total + 2, total + 1, dtype=np.int64)
    np.maximum.at(first, after, before)
    np.minimum.at(last, before, after)
    low, high = first[1 : total + 1].tolist(), last[1 : total + 1].tolist()
    ordered = steps.tolist()
    bands = tuple((a + 1, b - 1) for a, b in zip(low, high, strict=True))
    blockers = tuple(
        (ordered[a - 1] if a >= 1 else None, ordered[b - 1] if b <= total else None)
        for a, b in zip(low, high, strict=True)
    )
    return bands, blockers


def _lumps(study: Study, along: Along) -> tuple[LumpView, ...]:
    lumping = along.lumping
    cost = {piece.index: piece.cost for piece in along.counted.pieces} if along.counted else {}
    single = _single_costs(study, along)
    parts, largest = _blocks_by_lump(study, along)
    bounds, order, death = lumping.bounds.tolist(), lumping.order.tolist(), lumping.death.tolist()
    n, active = study.program.n_inputs, study.structure.flow.active.tolist()
    found = []
    for index, (start, stop) in enumerate(pairwise(bounds)):
        steps = [k for k in order[start:stop] if active[k]]
        if len(steps) == 1:
            # Most lumps of long programs are single steps, and these need no search.
            step = steps[0]
            dies = tuple(v for v in study.reads[step] if death[v] <= stop)
            lives = tuple(v for v in study.reads[step] if death[v] > stop)
            found.append(
                LumpView(index, start, stop, 1, single[step], "scalar", dies, (n + step,), lives, parts[index], 1)
            )
            continue
        lump, local = lumping[index], cost.get(index)
        found.append(
            LumpView(
                index=index,
                start=start,
                stop=stop,
                size=lump.size,
                operations=None if local is None else local.total.total,
                matrix=local.structure if local else "",
                consumed=lump.consumed,
                produced=lump.produced,
                read=lump.read,
                blocks=parts[index],
                largest=largest[index],
            )
        )
    return tuple(found)


def _single_costs(study: Study, along: Along) -> list[int]:
    """For every step what J⁻¹v costs by it where it is a lump of its own: products, sums, and a division."""
    flow, units, death = study.structure.flow, study.units, along.lumping.death
    counts = np.bincount(flow.readers, minlength=flow.n_steps)
    generic = np.bincount(flow.readers[~units], minlength=flow.n_steps)
    row = along.lumping.birth[flow.n_inputs + flow.readers]
    pivots = (death[flow.arguments] == row) & units
    unit = np.bincount(flow.readers[pivots], minlength=flow.n_steps) > 0
    return (generic + np.maximum(counts - 1, 0) + ~unit).tolist()


def _block_of(study: Study) -> Array:
    """For every step the block it belongs to; −1 for steps without a derivative."""
    blocks, n_steps = study.structure.blocks, study.program.n_steps
    owner = np.full(n_steps, -1, dtype=np.int64)
    which = np.repeat(np.arange(len(blocks)), blocks.sizes)
    inside = blocks.rows < n_steps
    owner[blocks.rows[inside]] = which[inside]
    return owner


def _blocks_by_lump(study: Study, along: Along) -> tuple[list[int], list[int]]:
    """For every lump, how many blocks it has, and the rows of the largest."""
    lumping, flow = along.lumping, study.structure.flow
    steps = lumping.order[flow.active[lumping.order]]
    if len(steps) == 0:
        return [0] * len(lumping), [0] * len(lumping)
    lump = np.searchsorted(lumping.bounds, lumping.birth[flow.n_inputs + steps], side="left") - 1
    block = _block_of(study)[steps]
    pairs = np.unique(np.stack([lump, block]), axis=1)
    count = np.bincount(pairs[0], minlength=len(lumping))
    largest = np.zeros(len(lumping), dtype=np.int64)
    np.maximum.at(largest, pairs[0], study.structure.blocks.sizes[pairs[1]])
    return count.tolist(), largest.tolist()


def _blocks(study: Study, along: Along, total: int) -> tuple[BlockView, ...]:
    lumping, blocks = along.lumping, study.structure.blocks
    cost = {piece.index: piece.cost for piece in study.blocks.pieces} if study.blocks else {}
    row = np.zeros(study.program.n_steps, dtype=np.int64)
    row[lumping.order] = np.arange(1, total + 1)
    done = np.concatenate([[0], np.cumsum(study.structure.flow.active[lumping.order])])
    active = np.diff(done[lumping.bounds]).tolist()
    found = []
    for index in np.flatnonzero(blocks.sizes > 1).tolist():
        block = blocks[index]
        rows = np.sort(row[list(block.steps)])
        if active[lumping.lump_at(int(rows[0]))] == len(rows):
            continue
        local = cost.get(index)
        found.append(
            BlockView(
                rows=tuple(rows.tolist()),
                size=block.size,
                operations=None if local is None else local.total.total,
                matrix=local.structure if local else "",
                unknowns=block.unknowns,
            )
        )
    return tuple(found)
