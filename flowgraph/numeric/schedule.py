"""The order in which J⁻¹ and J⁻ᵀ are applied: matching, blocks, and items sorted by (level, position).

An *item* is a row that stands alone, or a block of several rows that must be solved together. Items of one level need
values of lower levels only. Executing level by level, in the order of the rows within each, keeps neighbours in memory
together and independent operations next to each other.

Reference: THEORY section 7.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from flowgraph.numeric.blocks import BlockTable, lay_out
from flowgraph.numeric.choice import analysis_passes
from flowgraph.numeric.reduced import Reduced
from flowgraph.structure import DataFlow, augment, require_invertible

Array = NDArray[Any]

_KNOWN, _NOBODY = -1, -2


@dataclass(frozen=True, eq=False)
class Schedule:
    """What the inverse sweeps need to know, for every x at once.

    Attributes:
        starts: (R + 1,) the rows of the system, as in ``Reduced``; merging rows changes them.
        arguments: (E,) likewise.
        pivots: (R,) the entry by which each row is divided to find its argument; −1 where it computes its own result.
        order: the items in solution order of J⁻¹: row r, or −1 − b for block b.
        levels: (L + 1,) where each level begins in ``order``.
        table: the blocks.
        outputs: (m,) value numbers.
    """

    n_inputs: int
    starts: Array
    arguments: Array
    pivots: Array
    order: Array
    levels: Array
    table: BlockTable
    outputs: Array

    @property
    def n_rows(self) -> int:
        """R."""
        return len(self.pivots)

    @cached_property
    def sign(self) -> int:
        """The sign that permutations give det J, when the pivots count as they are.

        det J = (−1)^(n·R) det E, and det E is the product of the pivots −c, of the blocks' det (−A), and of the sign of
        the permutation that the matching is. Equations of a block stand in the order of the unknowns matched with them.
        """
        n, n_rows = self.n_inputs, self.n_rows
        divided = np.flatnonzero(self.pivots >= 0)
        column = n + np.arange(n_rows + len(self.outputs), dtype=np.int64)
        column[divided] = self.arguments[self.pivots[divided]]
        column[n_rows:] = self.outputs
        size = len(column)
        graph = csr_array((np.ones(size, dtype=bool), (np.arange(size), column)), shape=(size, size))
        cycles = connected_components(graph, directed=False, return_labels=False) if size else 0
        odd = (size - int(cycles)) + n * n_rows + len(divided)
        return -1 if odd % 2 else 1


def schedule(reduced: Reduced) -> Schedule:
    """Find the matching, the blocks and the order of the inverse sweeps: O(R) for usual programs.

    Raises:
        NotInvertible: J is not square, or singular for every x; with the certificate.
    """
    program, n, n_rows = reduced.program, reduced.n_inputs, reduced.n_rows
    if program.n_outputs != n:
        require_invertible(program)
    passes = analysis_passes()
    live = program.liveness()
    pivots = passes.follow(
        n,
        program.starts.astype(np.int32),
        program.operands.astype(np.int32),
        reduced.linear,
        live.last_use.astype(np.int32),
        reduced.root_of,
        reduced.row_of,
        reduced.entry_of,
        n_rows,
    )
    found = complete(reduced.starts, reduced.arguments, reduced.outputs, n, pivots)
    if found is None:
        require_invertible(program)
        raise RuntimeError("the reduced system is singular where the program is not")
    return arrange(reduced.starts, reduced.arguments, reduced.outputs, n, found)


def arrange(starts: Array, arguments: Array, outputs: Array, n: int, pivots: Array) -> Schedule:
    """The schedule of a system with a perfect matching."""
    passes = analysis_passes()
    holder = _holders(starts, arguments, outputs, n, pivots)
    label, count = passes.components(starts, arguments, holder, n)
    level, begin, rows = passes.block_levels(starts, arguments, holder, n, label, count)
    sizes = np.diff(begin)
    several = np.flatnonzero(sizes > 1)
    number = np.full(count, -1, dtype=np.int32)
    number[several] = np.arange(len(several), dtype=np.int32)
    first = rows[begin[:-1]]
    # Sorted by (level, first row): rows of one level are almost always in order already.
    by_row = np.argsort(first, kind="stable") if count else np.zeros(0, dtype=np.int64)
    order = by_row[passes.sort_by_level(level[by_row], np.ones(count, dtype=bool))] if count else by_row
    heights = level[order]
    items = np.where(number[order] >= 0, -1 - number[order], first[order]).astype(np.int32)
    table = lay_out(starts, arguments, n, pivots, holder, begin, rows, several)
    return Schedule(
        n_inputs=n,
        starts=starts,
        arguments=arguments,
        pivots=pivots,
        order=items,
        levels=np.searchsorted(heights, np.arange(int(heights[-1]) + 2 if count else 1)),
        table=table,
        outputs=outputs,
    )


def _holders(starts: Array, arguments: Array, outputs: Array, n: int, pivots: Array) -> Array:
    """(n + R,) the row matched with each value; −1 for outputs, whose values are given."""
    n_rows = len(pivots)
    holder = np.full(n + n_rows, _NOBODY, dtype=np.int32)
    divided = np.flatnonzero(pivots >= 0)
    own = np.flatnonzero(pivots < 0)
    holder[n + own] = own
    holder[arguments[pivots[divided]]] = divided
    holder[outputs] = _KNOWN
    return holder


def complete(starts: Array, arguments: Array, outputs: Array, n: int, pivots: Array) -> Array | None:
    """A perfect matching, as pivots, from a partial one; None where there is none."""
    n_rows = len(pivots)
    divided = np.flatnonzero(pivots >= 0)
    own = np.flatnonzero(pivots < 0)
    taken = np.concatenate([n + own, arguments[pivots[divided]], outputs])
    times = np.bincount(taken, minlength=n + n_rows)
    if len(taken) == n + n_rows and (times == 1).all():
        return pivots
    readers = np.repeat(np.arange(n_rows, dtype=np.int64), np.diff(starts))
    matching = np.full(n_rows + len(outputs), -1, dtype=np.int64)
    matching[divided] = arguments[pivots[divided]]
    free = np.ones(n + n_rows, dtype=bool)
    free[matching[divided]] = False
    for place, value in enumerate(outputs.tolist()):
        if free[value]:
            matching[n_rows + place] = value
            free[value] = False
    alone = own[free[n + own]]
    matching[alone] = n + alone
    last = np.full(n + n_rows, -1, dtype=np.int64)
    last[arguments] = readers
    last[outputs] = n_rows
    flow = DataFlow(
        n_inputs=n,
        n_steps=n_rows,
        readers=readers,
        arguments=arguments.astype(np.int64),
        places=np.arange(len(arguments)),
        before=np.zeros(0, dtype=np.int64),
        after=np.zeros(0, dtype=np.int64),
        active=np.ones(n_rows, dtype=bool),
        needed=np.ones(n_rows, dtype=bool),
        last_use=last,
        outputs=outputs.astype(np.int64),
    )
    matching = augment(flow, matching, np.flatnonzero(matching < 0))
    if (matching < 0).any():
        return None
    found = np.full(n_rows, -1, dtype=np.int32)
    hits = np.flatnonzero(matching[readers] == arguments)
    found[readers[hits]] = hits
    return found
