"""Lumps and blocks of small programs by the definitions, with nothing of flowgraph but the columns of a program.

Live sets are searched for anew at every time, the order with the most lumps by dynamic programming over all ideals, the
matching by augmenting paths. For programs without dead steps, guards and conditions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import networkx as nx

from flowgraph.program import Program


class Best(NamedTuple):
    """An order with the most lumps, how many those are, and the least width in any order."""

    order: tuple[int, ...]
    lumps: int
    least_width: int


def _reads(program: Program) -> list[set[int]]:
    ends = program.starts.tolist()
    operands = program.operands.tolist()
    return [{o for o in operands[ends[k] : ends[k + 1]] if o >= 0} for k in range(program.n_steps)]


def live(program: Program, done: Iterable[int]) -> set[int]:
    """The values that exist once the steps ``done`` are done, and that another step reads or that are outputs."""
    executed = set(done)
    if not executed:
        return set(range(program.n_inputs))
    present = set(range(program.n_inputs)) | {program.n_inputs + k for k in executed}
    wanted = set(program.outputs.tolist())
    for step, arguments in enumerate(_reads(program)):
        if step not in executed:
            wanted |= arguments
    return present & wanted


def lumps_along(program: Program, order: Sequence[int] | None = None) -> list[tuple[int, int]]:
    """(number of steps, l) of every lump along an order, by default the program's own.

    Raises:
        ValueError: the width falls below n.
    """
    steps = range(program.n_steps) if order is None else order
    sets = [live(program, steps[:time]) for time in range(program.n_steps + 1)]
    if min(map(len, sets)) < program.n_inputs:
        raise ValueError("the width falls below n")
    cuts = [time for time, values in enumerate(sets) if len(values) == program.n_inputs]
    return [(end - start, len(sets[start] - sets[end])) for start, end in pairwise(cuts)]


def best(program: Program) -> Best:
    """The order with the most cuts, over all ideals of steps, level by level."""
    n, n_steps = program.n_inputs, program.n_steps
    reads = _reads(program)
    outputs = set(program.outputs.tolist())
    needs = [sum(1 << (a - n) for a in arguments if a >= n) for arguments in reads]
    readers = [sum(1 << k for k in range(n_steps) if value in reads[k]) for value in range(n + n_steps)]

    def width(ideal: int) -> int:
        present = (v for v in range(n + n_steps) if v < n or ideal >> (v - n) & 1)
        return sum(v in outputs or readers[v] & ~ideal != 0 for v in present)

    level: dict[int, tuple[int, tuple[int, ...]]] = {0: (0, ())}
    least = n
    for _ in range(n_steps):
        longer: dict[int, tuple[int, tuple[int, ...]]] = {}
        for ideal, (cuts, order) in level.items():
            for step in range(n_steps):
                grown = ideal | 1 << step
                if grown == ideal or needs[step] & ~ideal:
                    continue
                if grown not in longer or longer[grown][0] < cuts:
                    longer[grown] = cuts, (*order, step)
        level = {}
        for ideal, (cuts, order) in longer.items():
            found = width(ideal)
            least = min(least, found)
            level[ideal] = cuts + (found == n), order
    ((lumps, order),) = level.values()
    return Best(order, lumps, least)


def blocks(program: Program) -> list[list[int]] | None:
    """The steps of every block, or None where the program is structurally singular."""
    n, n_steps = program.n_inputs, program.n_steps
    rows = [arguments | {n + k} for k, arguments in enumerate(_reads(program))]
    rows += [{output} for output in program.outputs.tolist()]
    owner: dict[int, int] = {}

    def augment(row: int, seen: set[int]) -> bool:
        for column in rows[row] - seen:
            seen.add(column)
            if column not in owner or augment(owner[column], seen):
                owner[column] = row
                return True
        return False

    if len(rows) != n + n_steps or not all(augment(row, set()) for row in range(len(rows))):
        return None
    needs: nx.DiGraph[Any] = nx.DiGraph()
    needs.add_nodes_from(range(len(rows)))
    needs.add_edges_from((row, owner[column]) for row, columns in enumerate(rows) for column in columns)
    found = (sorted(k for k in component if k < n_steps) for component in nx.strongly_connected_components(needs))
    return [steps for steps in found if steps]
