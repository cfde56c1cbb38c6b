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

from flowgraph.data_flow import DataFlow, augment
from flowgraph.numeric.blocks import BlockTable, lay_out, no_blocks
from flowgraph.numeric.choice import analysis_passes
from flowgraph.numeric.passes import NOBODY
from flowgraph.numeric.reduced import Reduced
from flowgraph.structure import require_invertible

Array = NDArray[Any]


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
    program, n = reduced.program, reduced.n_inputs
    if program.n_outputs != n:
        require_invertible(program)
    found = complete(reduced.starts, reduced.arguments, reduced.outputs, n, reduced.passed)
    if found is None:
        require_invertible(program)
        raise RuntimeError("the reduced system is singular where the program is not")
    return arrange(reduced.starts, reduced.arguments, reduced.outputs, n, found)


def arrange(starts: Array, arguments: Array, outputs: Array, n: int, pivots: Array) -> Schedule:
    """The schedule of a system with a perfect matching."""
    passes = analysis_passes()
    n_rows = len(pivots)
    holder = passes.holders(n, arguments, outputs, pivots)
    label, count, level = passes.blocks(starts, arguments, holder, n)
    if count == n_rows:
        del label
        table = no_blocks()
        items, levels = passes.sort_by_level(level, np.ones(n_rows, dtype=bool))
    else:
        sizes = np.bincount(label, minlength=count)
        number = np.full(count, -1, dtype=np.int32)
        number[sizes > 1] = np.arange(np.count_nonzero(sizes > 1), dtype=np.int32)
        block = number[label]
        del label, number, sizes
        rows, begin = passes.sort_by_level(block, block >= 0)
        table = lay_out(starts, arguments, n, pivots, holder, block, rows, begin)
        # A block stands where its first row does.
        chosen = block < 0
        chosen[rows[begin[:-1]]] = True
        items, levels = passes.sort_by_level(level, chosen)
        block = block[items]
        items[block >= 0] = -1 - block[block >= 0]
    return Schedule(
        n_inputs=n,
        starts=starts,
        arguments=arguments,
        pivots=pivots,
        order=items,
        levels=levels,
        table=table,
        outputs=outputs,
    )


def complete(starts: Array, arguments: Array, outputs: Array, n: int, pivots: Array) -> Array | None:
    """A perfect matching, as pivots, from a partial one; None where there is none."""
    n_rows = len(pivots)
    # As many as there are values take one each: where every value is taken, no two take the same.
    if len(outputs) == n and not (analysis_passes().holders(n, arguments, outputs, pivots) == NOBODY).any():
        return pivots
    divided = np.flatnonzero(pivots >= 0)
    own = np.flatnonzero(pivots < 0)
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
