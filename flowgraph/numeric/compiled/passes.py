"""The passes of the analysis as compiled loops: linear in the number of steps, with a few integers for each.

``flowgraph.numeric.passes`` has the same functions on whole arrays; both give the same results up to the order of the
entries within a row, and of blocks that do not depend on each other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[Any]


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
def sort_by_level(level: Array, chosen: Array) -> Array:
    """See ``passes.sort_by_level``."""
    count, highest = 0, 0
    for k in range(len(level)):
        if chosen[k]:
            count += 1
            highest = max(highest, level[k])
    begin = np.zeros(highest + 2, np.int64)
    for k in range(len(level)):
        if chosen[k]:
            begin[level[k] + 1] += 1
    for k in range(highest + 1):
        begin[k + 1] += begin[k]
    order = np.empty(count, np.int32)
    for k in range(len(level)):
        if chosen[k]:
            order[begin[level[k]]] = k
            begin[level[k]] += 1
    return order


@njit(cache=True)
def entries(
    n: int, starts: Array, operands: Array, linear: Array, row_of: Array, is_root: Array, tape: Array, ends: Array
) -> tuple[Array, Array, Array]:
    """See ``passes.entries``."""
    n_rows = len(ends)
    value_of = np.full(n + len(row_of), -1, np.int32)
    for v in range(n):
        value_of[v] = v
    for k in range(len(row_of)):
        if is_root[k]:
            value_of[n + k] = n + row_of[k]
    seen = np.full(n + n_rows, -1, np.int32)
    slot = np.empty(n + n_rows, np.int32)
    entry_of = np.full(len(operands), -1, np.int32)
    row_starts = np.zeros(n_rows + 1, np.int32)
    count = 0
    begin = 0
    for r in range(n_rows):
        for t in range(begin, ends[r]):
            k = tape[t]
            for place in range(starts[k], starts[k + 1]):
                if linear[place] and value_of[operands[place]] >= 0:
                    v = value_of[operands[place]]
                    if seen[v] != r:
                        seen[v] = r
                        slot[v] = count
                        count += 1
                    entry_of[place] = slot[v]
        begin = ends[r]
        row_starts[r + 1] = count
    arguments = np.empty(count, np.int32)
    for place in range(len(operands)):
        if entry_of[place] >= 0:
            arguments[entry_of[place]] = value_of[operands[place]]
    return row_starts, arguments, entry_of


@njit(cache=True)
def follow(
    n: int,
    starts: Array,
    operands: Array,
    linear: Array,
    last_use: Array,
    root: Array,
    row_of: Array,
    entry_of: Array,
    n_rows: int,
) -> Array:
    """See ``passes.follow``."""
    n_steps = len(root)
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
        if on_path[k] and root[k] == k:
            pivots[row_of[k]] = carried[k]
    return pivots


@njit(cache=True)
def components(starts: Array, arguments: Array, holder: Array, n: int) -> tuple[Array, int]:
    """See ``passes.components``. Tarjan's algorithm without recursion, in Pearce's form with one array of ranks."""
    n_rows = len(starts) - 1
    rank = np.zeros(n_rows, np.int32)
    label = np.full(n_rows, -1, np.int32)
    stack = np.empty(n_rows, np.int32)
    path = np.empty(n_rows, np.int32)
    # The entry of each row on the path that is looked at next; one more than its entries stands for its own result.
    position = np.empty(n_rows, np.int32)
    low = np.empty(n_rows, np.int32)
    on_stack, found, index = 0, 0, 0
    for start in range(n_rows):
        if rank[start] != 0:
            continue
        depth = 0
        path[0] = start
        position[0] = starts[start]
        index += 1
        rank[start] = index
        low[start] = index
        stack[on_stack] = start
        on_stack += 1
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
                    index += 1
                    rank[s] = index
                    low[s] = index
                    stack[on_stack] = s
                    on_stack += 1
                elif label[s] < 0 and rank[s] < low[r]:
                    low[r] = rank[s]
                continue
            if low[r] == rank[r]:
                while True:
                    on_stack -= 1
                    s = stack[on_stack]
                    label[s] = found
                    if s == r:
                        break
                found += 1
            depth -= 1
            if depth >= 0 and low[r] < low[path[depth]]:
                low[path[depth]] = low[r]
    return label, found


@njit(cache=True)
def block_levels(
    starts: Array, arguments: Array, holder: Array, n: int, label: Array, count: int
) -> tuple[Array, Array, Array]:
    """See ``passes.block_levels``."""
    n_rows = len(starts) - 1
    begin = np.zeros(count + 1, np.int32)
    for r in range(n_rows):
        begin[label[r] + 1] += 1
    for b in range(count):
        begin[b + 1] += begin[b]
    rows = np.empty(n_rows, np.int32)
    fill = begin[:-1].copy()
    for r in range(n_rows):
        rows[fill[label[r]]] = r
        fill[label[r]] += 1
    level = np.zeros(count, np.int32)
    for b in range(count):
        highest = 0
        for i in range(begin[b], begin[b + 1]):
            r = rows[i]
            for e in range(starts[r], starts[r + 1] + 1):
                v = arguments[e] if e < starts[r + 1] else n + r
                s = holder[v]
                if s >= 0 and label[s] != b and level[label[s]] + 1 > highest:
                    highest = level[label[s]] + 1
        level[b] = highest
    return level, begin, rows
