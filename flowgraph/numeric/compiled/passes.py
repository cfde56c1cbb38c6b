"""The passes of the analysis as compiled loops: linear in the number of steps, with a few integers for each.

``flowgraph.numeric.passes`` has the same functions on whole arrays; both give the same results up to the order of the
entries within a row, and of blocks that do not depend on each other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from flowgraph.numeric.passes import KNOWN, NOBODY

Array = NDArray[Any]


@njit(cache=True)
def needed(n: int, starts: Array, operands: Array, roots: Array) -> Array:
    """See ``passes.needed``."""
    n_steps = len(starts) - 1
    mark = np.zeros(n_steps, np.bool_)
    for value in roots:
        if value >= n:
            mark[value - n] = True
    for k in range(n_steps - 1, -1, -1):
        if mark[k]:
            for place in range(starts[k], starts[k + 1]):
                if operands[place] >= n:
                    mark[operands[place] - n] = True
    return mark


@njit(cache=True)
def linear(n: int, codes: Array, starts: Array, operands: Array, outputs: Array, inactive: Array) -> Array:
    """See ``passes.linear``."""
    n_steps = len(codes)
    active = np.zeros(n_steps, np.bool_)
    for value in outputs:
        if value >= n:
            active[value - n] = True
    flows = np.zeros(len(operands), np.bool_)
    for k in range(n_steps - 1, -1, -1):
        if not active[k]:
            continue
        for place in range(starts[k], starts[k + 1]):
            if operands[place] < 0 or (codes[k] >= 0 and inactive[codes[k], place - starts[k]]):
                continue
            flows[place] = True
            if operands[place] >= n:
                active[operands[place] - n] = True
    return flows


@njit(cache=True)
def contract(n: int, starts: Array, operands: Array, kept: Array, deepest: int) -> Array:
    """See ``passes.contract``."""
    n_steps = len(starts) - 1
    reader = np.full(n_steps, -1, np.int32)
    for k in range(n_steps):
        for place in range(starts[k], starts[k + 1]):
            made = operands[place] - n
            if made >= 0:
                if reader[made] == -1 or reader[made] == k:
                    reader[made] = k
                else:
                    reader[made] = -2
    depth = np.zeros(n_steps, np.uint8)
    root = reader
    for k in range(n_steps - 1, -1, -1):
        parent = reader[k]
        if parent < 0 or kept[k] or depth[parent] + 1 == deepest:
            root[k] = k
        else:
            depth[k] = depth[parent] + 1
            root[k] = root[parent]
    return root


@njit(cache=True)
def levels(n: int, starts: Array, operands: Array, root: Array) -> Array:
    """See ``passes.levels``."""
    n_steps = len(root)
    level = np.zeros(n_steps, np.int32)
    for k in range(n_steps):
        own = root[k]
        for place in range(starts[k], starts[k + 1]):
            made = operands[place] - n
            if made >= 0 and root[made] != own and level[made] + 1 > level[own]:
                level[own] = level[made] + 1
    return level


@njit(cache=True)
def sort_by_level(level: Array, chosen: Array) -> tuple[Array, Array]:
    """See ``passes.sort_by_level``."""
    count, highest = 0, -1
    for k in range(len(level)):
        if chosen[k]:
            count += 1
            highest = max(highest, level[k])
    begin = np.zeros(highest + 2, np.int32)
    for k in range(len(level)):
        if chosen[k]:
            begin[level[k]] += 1
    total = 0
    for k in range(highest + 2):
        total += begin[k]
        begin[k] = total
    order = np.empty(count, np.int32)
    for k in range(len(level) - 1, -1, -1):
        if chosen[k]:
            begin[level[k]] -= 1
            order[begin[level[k]]] = k
    return order, begin


@njit(cache=True)
def entries(
    n: int, starts: Array, operands: Array, linear: Array, row_of: Array, is_root: Array, tape: Array, ends: Array
) -> tuple[Array, Array, Array]:
    """See ``passes.entries``."""
    n_rows = len(ends)
    # Where a value was met last. What was met in an earlier row has an entry before those of this one.
    slot = np.full(n + n_rows, -1, np.int32)
    entry_of = np.full(len(operands), -1, np.int32)
    row_starts = np.zeros(n_rows + 1, np.int32)
    count = 0
    begin = 0
    for r in range(n_rows):
        for t in range(begin, ends[r]):
            k = tape[t]
            for place in range(starts[k], starts[k + 1]):
                if not linear[place]:
                    continue
                v = operands[place]
                if v >= n:
                    if not is_root[v - n]:
                        continue
                    v = n + row_of[v - n]
                if slot[v] < row_starts[r]:
                    slot[v] = count
                    count += 1
                entry_of[place] = slot[v]
        begin = ends[r]
        row_starts[r + 1] = count
    arguments = np.empty(count, np.int32)
    for place in range(len(operands)):
        if entry_of[place] >= 0:
            v = operands[place]
            arguments[entry_of[place]] = v if v < n else n + row_of[v - n]
    return row_starts, arguments, entry_of


@njit(cache=True)
def follow(
    n: int,
    starts: Array,
    operands: Array,
    linear: Array,
    outputs: Array,
    is_root: Array,
    row_of: Array,
    entry_of: Array,
    n_rows: int,
) -> Array:
    """See ``passes.follow``."""
    n_steps = len(is_root)
    last_use = np.full(n + n_steps, -1, np.int32)
    for k in range(n_steps):
        for place in range(starts[k], starts[k + 1]):
            if linear[place]:
                last_use[operands[place]] = k
    for value in outputs:
        last_use[value] = n_steps
    on_path = np.zeros(n_steps, np.bool_)
    carried = np.full(n_steps, -1, np.int32)
    pivots = np.full(n_rows, -1, np.int32)
    for k in range(n_steps):
        for place in range(starts[k], starts[k + 1]):
            if not linear[place]:
                continue
            v = operands[place]
            if last_use[v] != k or not (v < n or on_path[v - n]):
                continue
            on_path[k] = True
            carried[k] = entry_of[place] if entry_of[place] >= 0 else carried[v - n]
            break
        if on_path[k] and is_root[k]:
            pivots[row_of[k]] = carried[k]
    return pivots


@njit(cache=True)
def holders(n: int, arguments: Array, outputs: Array, pivots: Array) -> Array:
    """See ``passes.holders``."""
    holder = np.full(n + len(pivots), NOBODY, np.int32)
    for r in range(len(pivots)):
        p = pivots[r]
        if p < 0:
            holder[n + r] = r
    for r in range(len(pivots)):
        p = pivots[r]
        if p >= 0:
            holder[arguments[p]] = r
    for value in outputs:
        holder[value] = KNOWN
    return holder


@njit(cache=True)
def blocks(starts: Array, arguments: Array, holder: Array, n: int) -> tuple[Array, int, Array]:
    """See ``passes.blocks``.

    Tarjan's algorithm without recursion, in Pearce's form: the lowest rank that a row reaches overwrites its own, and
    rows that are not the first of their block wait on a stack. In the end −1 − (its block) takes the place of the rank.
    """
    n_rows = len(starts) - 1
    rank = np.zeros(n_rows, np.int32)
    level = np.zeros(n_rows, np.int32)
    # Of these four only as much is touched, and so only as much memory used, as paths are long and blocks are large.
    waiting = np.empty(n_rows, np.int32)
    path = np.empty(n_rows, np.int32)
    # The entry of each row on the path that is looked at next; one more than its entries stands for its own result.
    position = np.empty(n_rows, np.int32)
    is_first = np.empty(n_rows, np.bool_)
    n_waiting, found, index = 0, 0, 0
    for start in range(n_rows):
        if rank[start] != 0:
            continue
        depth = 0
        path[0] = start
        position[0] = starts[start]
        is_first[0] = True
        index += 1
        rank[start] = index
        while depth >= 0:
            r = path[depth]
            e = position[depth]
            if e <= starts[r + 1]:
                position[depth] = e + 1
                v = arguments[e] if e < starts[r + 1] else n + r
                s = holder[v]
                if s < 0 or s == r:
                    continue
                if rank[s] == 0:
                    depth += 1
                    path[depth] = s
                    position[depth] = starts[s]
                    is_first[depth] = True
                    index += 1
                    rank[s] = index
                elif 0 < rank[s] < rank[r]:
                    rank[r] = rank[s]
                    is_first[depth] = False
                continue
            depth -= 1
            waiting[n_waiting] = r
            n_waiting += 1
            if not is_first[depth + 1]:
                if rank[r] < rank[path[depth]]:
                    rank[path[depth]] = rank[r]
                    is_first[depth] = False
                continue
            bottom = n_waiting - 1
            while bottom > 0 and rank[waiting[bottom - 1]] >= rank[r]:
                bottom -= 1
            for i in range(bottom, n_waiting):
                rank[waiting[i]] = -1 - found
            highest = 0
            for i in range(bottom, n_waiting):
                r = waiting[i]
                for e in range(starts[r], starts[r + 1] + 1):
                    v = arguments[e] if e < starts[r + 1] else n + r
                    s = holder[v]
                    if s >= 0 and rank[s] != -1 - found and level[s] + 1 > highest:
                        highest = level[s] + 1
            for i in range(bottom, n_waiting):
                level[waiting[i]] = highest
            n_waiting = bottom
            found += 1
    for r in range(n_rows):
        rank[r] = -1 - rank[r]
    return rank, found, level
