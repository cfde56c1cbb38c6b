"""The four sweeps as lists of sums: which unknowns are found together, from what, and where they lie.

Forward and forward inverse find tangents of values. Reverse finds cotangents of values, and reverse inverse one
multiplier λ for each row: Σ c λ over the rows that read a value, less λ of the row that computes it, plus the cotangent
that is given for it, is 0 for every value that is no output. Both are gathered from where they are known, so that no
two sums write to one place.

Reference: THEORY sections 2 and 7.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from flowgraph.numeric.blocks import EXTERNAL
from flowgraph.numeric.choice import analysis_passes
from flowgraph.numeric.numpy_runs import Run, find_runs, lay_out_all
from flowgraph.numeric.numpy_terms import MINUS, OFFSET, PLUS, Terms, arrange, lay_out
from flowgraph.numeric.schedule import Schedule

Array = NDArray[Any]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Solve:
    """Blocks that are solved together: x ← −A⁻¹ x, or with Aᵀ, block after block.

    Attributes:
        template: their template, or −1 for an external block.
        first, last: which blocks of the template; of external blocks, which one.
        at: where their unknowns lie.
    """

    template: int
    first: int
    last: int
    at: slice


@final
@dataclass(frozen=True, slots=True, eq=False)
class Sweep:
    """One sweep.

    Attributes:
        size: how many numbers it needs for each right-hand side; what is given stands first.
        steps: what to do.
        result: where the results lie.
    """

    size: int
    steps: tuple[Terms | Run | Solve, ...]
    result: Array


@final
@dataclass(frozen=True, slots=True, eq=False)
class Templates:
    """The blocks by the way in which they are solved.

    Attributes:
        members: for each template that is not external, its blocks in order of their levels.
        external: the external blocks, likewise.
        number: (K,) which of its template, or which external block, each block is.
    """

    members: tuple[Array, ...]
    external: Array
    number: Array


def row_levels(n: int, starts: Array, arguments: Array) -> Array:
    """(R,) the level of each row of a system."""
    rows = np.arange(len(starts) - 1, dtype=np.int32)
    return analysis_passes().levels(n, starts.astype(np.int32), arguments.astype(np.int32), rows)


def _by_key(key: Array, size: int) -> tuple[Array, Array]:
    """Where the terms of each of ``size`` unknowns begin, and the terms in their order."""
    starts = np.concatenate([[0], np.cumsum(np.bincount(key, minlength=size))])
    return starts, np.argsort(key, kind="stable")


def forward_sweep(n: int, starts: Array, arguments: Array, outputs: Array, *, runs: bool) -> Sweep:
    """J v, with ``runs`` for one point only."""
    n_rows = len(starts) - 1
    none = np.full(n_rows, -1, dtype=np.int64)
    level = row_levels(n, starts, arguments)
    order, begin, pooled = arrange(level, np.diff(starts), none >= 0, np.arange(n_rows))
    narrow = find_runs(level[order], none[order]) if runs else []
    position = np.arange(n + n_rows)
    position[n + order] = n + np.arange(n_rows)
    labels = OFFSET + np.arange(len(arguments))
    steps = lay_out_all(narrow, order, begin, pooled, starts, labels, position[arguments], position[n:], none)
    return Sweep(n + n_rows, tuple(step for _, step in steps), position[outputs])


def reverse_sweep(n: int, starts: Array, arguments: Array, outputs: Array, *, runs: bool) -> Sweep:
    """Jᵀ w, with ``runs`` for one point only."""
    n_rows, m = len(starts) - 1, len(outputs)
    level = row_levels(n, starts, arguments)
    highest = int(level.max(initial=-1)) + 1
    stage = np.concatenate([np.full(n, highest), highest - 1 - level])
    begin_of, terms = _by_key(np.concatenate([arguments, outputs]), n + n_rows)
    none = np.full(n + n_rows, -1, dtype=np.int64)
    order, begin, pooled = arrange(stage, np.diff(begin_of), none >= 0, np.arange(n + n_rows))
    narrow = find_runs(stage[order], none[order]) if runs else []
    position = np.empty(n + n_rows, dtype=np.int64)
    position[order] = m + np.arange(n + n_rows)
    readers = np.repeat(n + np.arange(n_rows), np.diff(starts))
    sources = np.concatenate([position[readers], np.arange(m)])[terms]
    labels = np.concatenate([OFFSET + np.arange(len(arguments)), np.full(m, PLUS)])[terms]
    steps = lay_out_all(narrow, order, begin, pooled, begin_of, labels, sources, position, none)
    return Sweep(m + n + n_rows, tuple(step for _, step in steps), position[:n])


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """What both inverse sweeps need to know of the rows.

    Attributes:
        level: (R,) the level of the item that each row belongs to.
        block: (R,) its block, or −1.
        equation: (R,) its place among the equations of the block, or −1.
        inner: (R,) whether it is eliminated inside a block.
        found: (R,) the value that it finds.
        column: (n + R,) the place of each value among the unknowns of its block, or −1.
        kept: (E,) entries that are summed: neither a pivot nor an entry of A.
        kept_results: (R,) whether the row's own result is summed.
    """

    level: Array
    block: Array
    equation: Array
    inner: Array
    found: Array
    column: Array
    kept: Array
    kept_results: Array


def _rows_of(schedule: Schedule) -> _Rows:
    s, table, n = schedule, schedule.table, schedule.n_inputs
    n_rows = s.n_rows
    items, item_level = s.order, np.repeat(np.arange(len(s.levels) - 1), np.diff(s.levels))
    level = np.zeros(n_rows, dtype=np.int64)
    level[items[items >= 0]] = item_level[items >= 0]
    divided = s.pivots >= 0
    found = n + np.arange(n_rows)
    found[divided] = s.arguments[s.pivots[divided]]
    block, equation = np.full(n_rows, -1, dtype=np.int64), np.full(n_rows, -1, dtype=np.int64)
    column, owner = np.full(n + n_rows, -1, dtype=np.int64), np.full(n + n_rows, -1, dtype=np.int64)
    external = np.zeros(n_rows, dtype=bool)
    if len(table):
        sizes = np.diff(table.starts)
        block_level = np.zeros(len(table), dtype=np.int64)
        block_level[-1 - items[items < 0]] = item_level[items < 0]
        level[table.rows] = np.repeat(block_level, sizes)
        block[table.rows] = np.repeat(np.arange(len(table)), sizes)
        external[table.rows] = np.repeat(table.kinds == EXTERNAL, sizes)
        local = np.arange(len(table.rows)) - np.repeat(table.starts[:-1], sizes)
        whole = external[table.rows]
        equation[table.rows] = np.where(whole, local, table.equation)
        values = found[table.rows]
        owner[values] = block[table.rows]
        column[values] = np.where(whole, local, np.maximum(table.place[values], -1))
    row = np.repeat(np.arange(n_rows), np.diff(s.starts))
    kept = (equation[row] < 0) | (column[s.arguments] < 0) | (owner[s.arguments] != block[row])
    alone = divided & (block < 0)
    kept[s.pivots[alone]] = False
    results = n + np.arange(n_rows)
    kept_results = (divided | external) & ((column[results] < 0) | (owner[results] != block))
    inner = (block >= 0) & (equation < 0)
    return _Rows(level, block, equation, inner, found, column, kept, kept_results)


def templates_of(schedule: Schedule) -> Templates:
    """The blocks by template, in order of their levels."""
    table = schedule.table
    blocks = -1 - schedule.order[schedule.order < 0].astype(np.int64)
    number = np.zeros(len(table), dtype=np.int64)
    external = blocks[table.kinds[blocks] == EXTERNAL]
    number[external] = np.arange(len(external))
    members: list[Array] = []
    n_templates = int(table.template.max(initial=-1)) + 1
    starts, order = _by_key(table.template[blocks], n_templates)
    for t in range(n_templates):
        own = blocks[order[starts[t] : starts[t + 1]]]
        own = own[table.kinds[own] != EXTERNAL]
        number[own] = np.arange(len(own))
        members.append(own)
    return Templates(tuple(members), external, number)


def _depths(schedule: Schedule, rows: _Rows, transposed: bool) -> Array:
    """(R,) the level of each inner row inside its block, against the direction of reading with ``transposed``."""
    n, n_rows = schedule.n_inputs, schedule.n_rows
    row = np.repeat(np.arange(n_rows), np.diff(schedule.starts))
    made = schedule.arguments.astype(np.int64) - n
    arc = rows.inner[row] & (made >= 0)
    row, made = row[arc], made[arc]
    arc = rows.inner[made] & (rows.block[made] == rows.block[row])
    row, made = row[arc], made[arc]
    if transposed:
        row, made = n_rows - 1 - made, n_rows - 1 - row
    starts, order = _by_key(row, n_rows)
    depth = row_levels(0, starts, made[order])
    return depth[::-1] if transposed else depth


def inverse_sweep(schedule: Schedule, templates: Templates, *, transposed: bool, runs: bool) -> Sweep:
    """J⁻¹ v, or J⁻ᵀ w with ``transposed``; with ``runs`` for one point only."""
    s, n, n_rows, m = schedule, schedule.n_inputs, schedule.n_rows, len(schedule.outputs)
    rows = _rows_of(schedule)
    has_inner = bool(rows.inner.any())
    depth = _depths(s, rows, transposed) if has_inner else np.zeros(n_rows, dtype=np.int64)
    readers = np.repeat(np.arange(n_rows), np.diff(s.starts))[rows.kept]
    labels = OFFSET + np.flatnonzero(rows.kept)
    read = s.arguments[rows.kept].astype(np.int64)
    own = np.flatnonzero(rows.kept_results)
    size = n_rows + (m if transposed else 0)
    level = rows.level
    if transposed:
        # Unknown r is λ of row r, gathered for the value that it finds; unknown R + i is the cotangent of output i.
        unknown_of = np.empty(n + n_rows, dtype=np.int64)
        unknown_of[rows.found] = np.arange(n_rows)
        unknown_of[s.outputs] = n_rows + np.arange(m)
        highest = len(s.levels) - 1
        level = np.concatenate([highest - 1 - level, np.full(m, highest)])
        key = np.concatenate([unknown_of[read], unknown_of[n + own], unknown_of[:n]])
        labels = np.concatenate([labels, np.full(len(own), MINUS), np.full(n, PLUS)])
    else:
        key = np.concatenate([readers, own])
        labels = np.concatenate([labels, np.full(len(own), MINUS)])
    starts, terms = _by_key(key, size)
    counts, labels = np.diff(starts), labels[terms]
    is_equation = np.zeros(size, dtype=bool)
    is_equation[:n_rows] = rows.equation >= 0
    inner = np.zeros(size, dtype=bool)
    inner[:n_rows] = rows.inner
    divisor = np.full(size, -1, dtype=np.int64)
    alone = np.flatnonzero((s.pivots >= 0) & (rows.block < 0))
    divisor[alone] = OFFSET + s.pivots[alone]
    sub = np.zeros(size, dtype=np.int64)
    sub[:n_rows][rows.inner] = 1 + depth[rows.inner]
    deepest = int(sub.max(initial=0)) + 1
    free, bound = np.flatnonzero(~is_equation), np.flatnonzero(is_equation)
    free_order, free_begin, free_pooled = arrange((level * deepest + sub)[free], counts[free], divisor[free] >= 0, free)
    free_order = free[free_order]
    # No run goes past a level with blocks, nor mixes their inner rows, which run before and after a solve, with others.
    passed = np.zeros(len(s.levels) + 1, dtype=np.int64)
    passed[level[:n_rows][rows.block >= 0]] = 1
    passed = 2 * np.cumsum(passed) - passed
    narrow = (
        find_runs((level * deepest + sub)[free_order], 2 * passed[level[free_order]] + (sub[free_order] > 0))
        if runs
        else []
    )
    # Where each unknown lies: what is given, then those that stand alone or inside, then those of the blocks.
    given = n if transposed else m
    solves, base = _solves(s, templates, level, given + len(free))
    position = np.empty(size, dtype=np.int64)
    position[free_order] = given + np.arange(len(free))
    position[bound] = base[rows.block[bound]] + rows.equation[bound]
    to = position.copy()
    if transposed:
        to[bound] = base[rows.block[bound]] + rows.column[rows.found[bound]]
        sources = np.concatenate([position[readers], position[own], np.arange(n)])[terms]
        result = position[n_rows:]
    else:
        place = np.empty(n + n_rows, dtype=np.int64)
        place[rows.found] = position
        place[rows.found[bound]] = base[rows.block[bound]] + rows.column[rows.found[bound]]
        place[s.outputs] = np.arange(m)
        sources = np.concatenate([place[read], place[n + own]])[terms]
        result = place[:n]
    ranked: list[tuple[int, int, int, int, Terms | Run | Solve]] = []
    free_steps = lay_out_all(narrow, free_order, free_begin, free_pooled, starts, labels, sources, to, divisor)
    firsts = free_order[[first for first, _ in free_steps]] if free_steps else free_order
    for k, (at, below, depth_at) in enumerate(
        zip(level[firsts].tolist(), inner[firsts].tolist(), sub[firsts].tolist(), strict=True)
    ):
        ranked.append((at, 1 if below else 0, depth_at, k, free_steps[k][1]))
        if below:
            ranked.append((at, 4, depth_at, k, free_steps[k][1]))
    if len(bound):
        order, begin, pooled = arrange(level[bound], counts[bound], np.zeros(len(bound), dtype=bool), to[bound])
        order = bound[order]
        found = lay_out(order, begin, pooled, starts, labels, sources, to, np.full(size, -1))
        ranked.extend((at, 2, 0, k, found[k]) for k, at in enumerate(level[order[begin[:-1]]].tolist()))
        ranked.extend((at, 3, 0, k, solve) for k, (at, solve) in enumerate(solves))
    ranked.sort(key=lambda step: step[:4])
    return Sweep(given + size, tuple(step for *_, step in ranked), result)


def _solves(
    schedule: Schedule, templates: Templates, level: Array, first: int
) -> tuple[list[tuple[int, Solve]], Array]:
    """The solves of each level, with their levels, and (K,) where the unknowns of each block begin."""
    table = schedule.table
    base = np.zeros(len(table), dtype=np.int64)
    solves: list[tuple[int, Solve]] = []
    block_level = level[table.rows[table.starts[:-1]]] if len(table) else base
    for t, members in enumerate(templates.members):
        if len(members) == 0:
            continue
        size = int(table.sizes[members[0]])
        base[members] = first + size * np.arange(len(members))
        heights = block_level[members]
        turns = np.flatnonzero(np.diff(heights, prepend=-1)).tolist()
        for at, end in zip(turns, [*turns[1:], len(members)], strict=True):
            solves.append((int(heights[at]), Solve(t, at, end, slice(first + size * at, first + size * end))))
        first += size * len(members)
    for k, block in enumerate(templates.external.tolist()):
        size = int(table.starts[block + 1] - table.starts[block])
        base[block] = first
        solves.append((int(block_level[block]), Solve(-1, k, k + 1, slice(first, first + size))))
        first += size
    return solves, base
