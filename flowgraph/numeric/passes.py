"""The passes of the analysis on whole arrays: what serves where Numba is not installed.

``flowgraph.numeric.compiled.passes`` has the same functions as compiled loops; both give the same results up to the
order of the entries within a row, and of blocks that do not depend on each other. Everything here is linear in the
number of steps up to sorting, with one turn of a Python loop for each level.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from flowgraph.data_flow import graph_of, reachable
from flowgraph.liveness import reaching

Array = NDArray[Any]

KNOWN, NOBODY = -1, -2
"""Who finds a value: it is given, or no row does."""

_NARROW = 24
"""Levels with fewer members than this are cheaper one member after the other."""


def needed(n: int, starts: Array, operands: Array, roots: Array) -> Array:
    """The steps from which a root is computed.

    Args:
        n: number of inputs.
        starts: (T + 1,) where the operands of each step begin.
        operands: value numbers, or negative for constants.
        roots: value numbers.

    Returns:
        (T,) booleans.

    Example:
        >>> needed(1, np.array([0, 1, 2]), np.array([0, 0]), np.array([2]))
        array([False,  True])
    """
    n_values = n + len(starts) - 1
    owner = np.repeat(np.arange(n, n_values), np.diff(starts))
    read = operands >= 0
    return reaching(n, n_values, owner[read], operands[read], roots)[n:]


def linear(n: int, codes: Array, starts: Array, operands: Array, outputs: Array, inactive: Array) -> Array:
    """Whether a derivative flows through each operand place to an output.

    Args:
        n: number of inputs.
        codes: (T,) operation codes; negative for uninterpreted functions.
        starts: (T + 1,) where the operands of each step begin.
        operands: value numbers, or negative for constants.
        outputs: value numbers.
        inactive: (operations, operands) the operands through which no derivative flows.

    Returns:
        (E,) booleans.

    Example:
        >>> linear(1, np.array([0]), np.array([0, 2]), np.array([0, -1]), np.array([1]), np.zeros((1, 2), dtype=bool))
        array([ True, False])
    """
    counts = np.diff(starts)
    slot = np.arange(len(operands)) - np.repeat(starts[:-1], counts)
    code = np.repeat(codes, counts)
    flows = operands >= 0
    flows[code >= 0] &= ~inactive[code[code >= 0], slot[code >= 0]]
    n_values = n + len(codes)
    owner = np.repeat(np.arange(n, n_values), counts)
    return flows & reaching(n, n_values, owner[flows], operands[flows], outputs)[owner]


def contract(n: int, starts: Array, operands: Array, kept: Array, deepest: int) -> Array:
    """The statement of each step: a result that one step reads, and nothing else, is merged into that step.

    Args:
        n: number of inputs.
        starts: (T + 1,) where the operands of each step begin.
        operands: value numbers, or negative for constants.
        kept: (T,) results that must not be merged: outputs, and what guards look at.
        deepest: statements have fewer than so many steps from the result to the deepest operand; 1 merges nothing.

    Returns:
        (T,) the step that gives the result of the statement that each step belongs to.

    Example:
        >>> starts, operands = np.array([0, 2, 3, 5]), np.array([0, 1, 2, 3, 3])
        >>> contract(2, starts, operands, np.array([False, False, True]), 64)
        array([2, 2, 2], dtype=int32)
    """
    n_steps = len(starts) - 1
    reader = np.repeat(np.arange(n_steps, dtype=np.int32), np.diff(starts))
    made = operands - n
    reader, made = reader[made >= 0], made[made >= 0]
    first = np.full(n_steps, -1, dtype=np.int32)
    last = np.full(n_steps, -1, dtype=np.int32)
    last[made] = reader  # readers ascend, and the last assignment stays
    first[made[::-1]] = reader[::-1]
    steps = np.arange(n_steps, dtype=np.int32)
    above = np.where((first == last) & (first >= 0) & ~kept, first, steps)
    depth, _ = _climb(above)
    cut = np.where(depth % deepest == 0, steps, above)
    return _climb(cut)[1]


def _climb(above: Array) -> tuple[Array, Array]:
    """How far each step is below the top of its tree, and that top, by pointer doubling."""
    depth = (above != np.arange(len(above))).astype(np.int32)
    top = above.copy()
    moving = np.flatnonzero(depth)
    while len(moving):
        middle = top[moving]
        gain, higher = depth[middle], top[middle]
        depth[moving] += gain
        top[moving] = higher
        moving = moving[gain > 0]
    return depth, top


def heights_of(above: Array) -> Array:
    """How far each step is below the top of its tree, given the step above it, or itself at the top."""
    return _climb(above)[0]


def levels(n: int, starts: Array, operands: Array, root: Array) -> Array:
    """The level of each statement: one more than the highest level that it reads, 0 where it reads inputs only.

    Args:
        n: number of inputs.
        starts: (T + 1,) where the operands of each step begin; they are earlier values.
        operands: value numbers, or negative for constants.
        root: (T,) the step that gives the result of each step's statement.

    Returns:
        (T,) the level of each statement, at its root; 0 at other steps.

    Example:
        >>> levels(1, np.array([0, 1, 2, 4]), np.array([0, 1, 1, 2]), np.arange(3))
        array([0, 1, 2], dtype=int32)
    """
    made = operands - n
    own = np.repeat(root, np.diff(starts))[made >= 0]
    tails = root[made[made >= 0]]
    apart = tails != own
    return _longest_paths(tails[apart], own[apart], len(root))


def _longest_paths(tails: Array, heads: Array, size: int) -> Array:
    """(size,) the number of arcs on the longest path to each vertex of an acyclic graph: Kahn's algorithm by levels."""
    level = np.zeros(size, dtype=np.int32)
    waiting = np.bincount(heads, minlength=size).astype(np.int32)
    front = np.flatnonzero(waiting == 0)
    begin = np.concatenate([[0], np.cumsum(np.bincount(tails, minlength=size))])
    targets = heads[_sorted_by(tails, size)]
    # Small numbers one after the other are read and written quickest through memory views.
    columns: tuple[Any, ...] = (begin, targets, waiting, level)
    views = tuple(memoryview(column) for column in columns)
    reached = 0
    while len(front):
        level[front] = reached
        if len(front) < _NARROW:
            front = np.array(_advance(front.tolist(), reached, *views), dtype=np.int64)
            reached = int(level[front[0]]) if len(front) else reached
            continue
        counts = begin[front + 1] - begin[front]
        ends = np.cumsum(counts)
        met = targets[np.repeat(begin[front] - (ends - counts), counts) + np.arange(ends[-1])]
        if len(met) * 8 > size:
            waiting -= np.bincount(met, minlength=size).astype(np.int32)
            met = met[waiting[met] == 0]
        else:
            np.subtract.at(waiting, met, 1)
            met = met[waiting[met] == 0]
        # A mark by position finds each vertex once without sorting; what is ready is never met again.
        waiting[met] = -1 - np.arange(len(met), dtype=np.int32)
        front = met[waiting[met] == -1 - np.arange(len(met), dtype=np.int32)]
        reached += 1
    return level


def _advance(front: list[int], reached: int, begin: Any, targets: Any, waiting: Any, level: Any) -> list[int]:
    """Go on from one level to the next while they are narrow; the first that is not, or none."""
    while front and len(front) < _NARROW:
        following: list[int] = []
        for v in front:
            for e in range(begin[v], begin[v + 1]):
                head = targets[e]
                waiting[head] -= 1
                if waiting[head] == 0:
                    level[head] = reached + 1
                    following.append(head)
        front = following
        reached += 1
    return front


def _sorted_by(key: Array, size: int) -> Array:
    """The stable order of keys from 0 to size − 1, by counting."""
    # SciPy's conversion from coordinates to rows is a counting sort; the columns of a row are left in their order.
    count = len(key)
    if count == 0:
        return np.zeros(0, dtype=np.int64)
    return csr_array((np.ones(count, dtype=np.int8), (key, np.arange(count))), shape=(size, count)).indices


def sort_by_level(level: Array, chosen: Array) -> tuple[Array, Array]:
    """The chosen places in the order of their levels, those of one level ascending.

    Args:
        level: (N,) levels from 0.
        chosen: (N,) which places count.

    Returns:
        The places; and where each level begins among them, with one number more than the highest level has.

    Example:
        >>> sort_by_level(np.array([1, 0, 1, 0]), np.array([True, True, True, False]))
        (array([1, 0, 2], dtype=int32), array([0, 1, 3], dtype=int32))
    """
    places = np.flatnonzero(chosen).astype(np.int32)
    found = level[places]
    bounds = np.concatenate([[0], np.cumsum(np.bincount(found))]).astype(np.int32)
    if (found[1:] >= found[:-1]).all():
        return places, bounds
    return places[_sorted_by(found, len(bounds) - 1)], bounds


def entries(
    n: int, starts: Array, operands: Array, linear: Array, row_of: Array, is_root: Array, tape: Array, ends: Array
) -> tuple[Array, Array, Array]:
    """The entries of each row: one for each value that its statement reads from outside.

    Args:
        n: number of inputs.
        starts: (T + 1,) where the operands of each step begin.
        operands: value numbers, or negative for constants.
        linear: for each operand place, whether a derivative flows through it.
        row_of: (T,) the row of the statement that each step belongs to.
        is_root: (T,) whether a step gives the result of its statement.
        tape: (T,) the steps, statement after statement.
        ends: (R,) where each statement ends on the tape.

    Returns:
        (R + 1,) where the entries of each row begin; (E,) their values, n + r for the result of row r; and for each
        operand place the entry that its partial adds to, or −1.

    Example:
        >>> starts, operands = np.array([0, 2, 4]), np.array([0, 1, 2, 0])
        >>> root = np.array([False, True])
        >>> entries(2, starts, operands, operands >= 0, np.array([0, 0]), root, np.arange(2), np.array([2]))
        (array([0, 2], dtype=int32), array([0, 1], dtype=int32), array([ 0,  1, -1,  0], dtype=int32))
    """
    n_rows = len(ends)
    value_of = np.concatenate([np.arange(n, dtype=np.int64), np.where(is_root, n + row_of, -1)])
    owner = np.repeat(row_of, np.diff(starts))
    places = np.flatnonzero(linear)
    read = value_of[operands[places]]
    places, read = places[read >= 0], read[read >= 0]
    n_values = n + n_rows
    keys, slot = np.unique(owner[places].astype(np.int64) * n_values + read, return_inverse=True)
    entry_of = np.full(len(operands), -1, dtype=np.int32)
    entry_of[places] = slot
    rows = keys // max(n_values, 1)
    row_starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n_rows))]).astype(np.int32)
    return row_starts, (keys - rows * n_values).astype(np.int32), entry_of


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
    """A matching, perfect for most programs: a step with an argument on a path from an input that it reads last.

    Args:
        n: number of inputs.
        starts: (T + 1,) where the operands of each step begin.
        operands: value numbers, or negative for constants.
        linear: for each operand place, whether a derivative flows through it.
        outputs: value numbers.
        is_root: (T,) whether a step gives the result of its statement.
        row_of: (T,) the row of each step's statement.
        entry_of: for each operand place, the entry that its partial adds to, or −1.
        n_rows: R.

    Returns:
        (R,) the entry that each row is matched with, or −1.
    """
    n_steps = len(is_root)
    owner = np.repeat(np.arange(n_steps, dtype=np.int64), np.diff(starts))
    places = np.flatnonzero(linear)
    last_use = np.full(n + n_steps, -1, dtype=np.int64)
    last_use[operands[places]] = owner[places]  # owners ascend, and the last assignment stays
    last_use[outputs] = n_steps
    places = places[last_use[operands[places]] == owner[places]]
    read, by = operands[places].astype(np.int64), owner[places]
    on_path = reachable(graph_of(read, n + by, n + n_steps), np.arange(n))
    places, read, by = places[on_path[read]], read[on_path[read]], by[on_path[read]]
    taken = np.full(n_steps, -1, dtype=np.int64)
    taken[by[::-1]] = places[::-1]  # the first place stays
    passed = np.flatnonzero(taken >= 0)
    # Down the path inside the statement, to the step that reads a value from outside.
    below = np.arange(n_steps, dtype=np.int64)
    inside = passed[entry_of[taken[passed]] < 0]
    below[inside] = operands[taken[inside]] - n
    _, deepest = _climb(below)
    pivots = np.full(n_rows, -1, dtype=np.int32)
    roots = passed[is_root[passed]]
    pivots[row_of[roots]] = entry_of[taken[deepest[roots]]]
    return pivots


def holders(n: int, arguments: Array, outputs: Array, pivots: Array) -> Array:
    """The row that finds each value.

    Args:
        n: number of inputs.
        arguments: (E,) the value that each entry multiplies.
        outputs: value numbers.
        pivots: (R,) the entry by which each row is divided to find its argument; −1 where it computes its own result.

    Returns:
        (n + R,) rows; KNOWN for outputs, whose values are given; NOBODY where no row finds the value.

    Example:
        >>> holders(1, np.array([0]), np.array([1]), np.array([0]))
        array([ 0, -1], dtype=int32)
    """
    holder = np.full(n + len(pivots), NOBODY, dtype=np.int32)
    divided = np.flatnonzero(pivots >= 0)
    own = np.flatnonzero(pivots < 0)
    holder[n + own] = own
    holder[arguments[pivots[divided]]] = divided
    holder[outputs] = KNOWN
    return holder


def blocks(starts: Array, arguments: Array, holder: Array, n: int) -> tuple[Array, int, Array]:
    """The blocks: strongly connected components of the rows, where a row needs those that find the values it reads.

    Args:
        starts: (R + 1,) where the entries of each row begin.
        arguments: (E,) value numbers.
        holder: (n + R,) the row that finds each value; negative where none does.
        n: number of inputs.

    Returns:
        (R,) the block of each row, numbered so that a block comes after all that it needs; their number; and (R,) the
        level of that block, one more than the highest level that it needs.
    """
    n_rows = len(starts) - 1
    if n_rows == 0:
        return np.zeros(0, dtype=np.int32), 0, np.zeros(0, dtype=np.int32)
    tails, heads = _needs(starts, arguments, holder, n)
    count, label = connected_components(graph_of(tails, heads, n_rows), directed=True, connection="strong")
    tails, heads = label[tails], label[heads]
    if (heads > tails).any():
        raise RuntimeError("scipy does not number strong components in topological order any more")
    apart = tails != heads
    level = _longest_paths(heads[apart], tails[apart], int(count))
    return label.astype(np.int32), int(count), level[label]


def _needs(starts: Array, arguments: Array, holder: Array, n: int) -> tuple[Array, Array]:
    """Rows, and other rows that find what they read or what they compute."""
    n_rows = len(starts) - 1
    rows = np.arange(n_rows, dtype=np.int64)
    tails = np.concatenate([np.repeat(rows, np.diff(starts)), rows])
    heads = holder[np.concatenate([arguments, n + rows])]
    apart = (heads >= 0) & (heads != tails)
    return tails[apart], heads[apart].astype(np.int64)
