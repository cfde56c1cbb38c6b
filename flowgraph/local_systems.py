"""The local linear systems of a program, lump by lump or block by block, and what all of them cost together.

A lump or block is brought to a form without value numbers, so that the thousands of equal ones of a program with a loop
are counted once. Lumps and blocks of a single row, by far the most frequent, are counted in arrays.

The model is that of ``flowgraph.costs``: for a lump A = ∂z/∂u and B = ∂z/∂w are accumulated over its steps, for a block
over the rows whose own results are off the matched paths; then A is factored by its structure, and solved.

Reference: THEORY sections 5 and 7.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowgraph.costs import LocalCost, LocalSystem, Operations, local_cost
from flowgraph.data_flow import DataFlow, graph_of, reachable
from flowgraph.lumping import Lumping
from flowgraph.partials import ConstantPartials
from flowgraph.program import Program
from flowgraph.structure import Structure

Array = NDArray[Any]

MOST_ROWS = 150_000
"""A lump or block of more rows is not counted: its cost is unknown, and so is the total."""

MOST_ENTRIES = 30_000_000
"""Nor is one of more rows times unknowns, which is what accumulating its A may take."""

MOST_THOROUGH = 100
"""So many different lumps or blocks are accumulated in the cheapest order; of more, the rarer ones forward or reverse,
and those with one unknown forward, all of them at once."""

_MASK_BITS = 63

_NOTHING = Operations(0, 0, 0)
_INNER, _UNKNOWN, _KNOWN = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Count:
    """The operations of J⁻¹v, exactly.

    Attributes:
        accumulate: to find the matrices A and B of all lumps or blocks, once per point x.
        factor: to factor every A, once per point x.
        solve: to apply the inverse to one vector.
    """

    accumulate: Operations
    factor: Operations
    solve: Operations

    @property
    def total(self) -> Operations:
        """All of it, for one point and one vector."""
        return self.accumulate + self.factor + self.solve


@dataclass(frozen=True, slots=True)
class Piece:
    """A lump or block of more than one row, and its cost.

    Attributes:
        index: its place among the lumps or blocks.
        cost: what it costs, None where it is too large to be counted.
    """

    index: int
    cost: LocalCost | None


@dataclass(frozen=True, slots=True)
class Counted:
    """The cost of all lumps of an order, or of all blocks.

    Attributes:
        count: the total; None where a piece is too large to be counted.
        pieces: those of more than one row, in order.
    """

    count: Count | None
    pieces: tuple[Piece, ...]


# -- labels that are units ------------------------------------------------------------------------------------------


def unit_labels(program: Program, flow: DataFlow) -> Array:
    """(E,) whether the partial at each place of the data flow is +1 or −1 for every x.

    What the partial is depends on the operation, on which operands are the same, and on which are 0, 1, −1 or another
    constant; one step of each sort is asked.
    """
    readers = flow.readers
    if len(readers) == 0:
        return np.zeros(0, dtype=bool)
    codes = program.codes[readers].astype(np.int64)
    arity = np.diff(program.starts)
    # Partials of uninterpreted functions, which may have any number of arguments, are no units.
    most = int(arity[program.codes >= 0].max(initial=0))
    key = codes * (most + 1) + (flow.places - program.starts[readers])
    operands = program.operands
    for slot in range(most):
        at = np.minimum(program.starts[:-1] + slot, len(operands) - 1)
        kind = _operand_kind(program, operands[at])
        for other in range(slot):
            before = operands[np.minimum(program.starts[:-1] + other, len(operands) - 1)]
            kind = np.where((operands[at] == before) & (operands[at] >= 0), 8 + other, kind)
        key = key * 16 + np.where(slot < arity, kind, 0)[readers]
    key[codes < 0] = -1
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    constants = ConstantPartials(program)
    unit = np.zeros(len(first), dtype=bool)
    for k, place in enumerate(first.tolist()):
        step = int(readers[place])
        if codes[place] >= 0:
            unit[k] = constants.find(step, int(flow.places[place] - program.starts[step])) in (1, -1)
    return unit[inverse]


def _operand_kind(program: Program, operands: Array) -> Array:
    constant = operands < 0
    kind = np.full(len(operands), 1)
    if constant.any():
        value = program.constants[np.where(constant, -1 - operands, 0)]
        kind = np.where(constant, 2 + (value == 0.0) + 2 * (value == 1.0) + 3 * (value == -1.0), kind)
    return kind


# -- groups of rows -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Rows of linear systems, group after group.

    Attributes:
        starts: (G + 1,) where the rows of each group begin.
        roles: (R,) 0 for an inner row, 1 for an equation, 2 for an inner row whose value is given besides.
        entry_starts: (R + 1,) where the entries of each row begin.
        kinds: (E,) whether an entry stands for the value of an inner row, an unknown, or a known value.
        numbers: (E,) for inner values the row within the group; else numbered within the group by first appearance.
        units: (E,) whether the label is ±1.
    """

    starts: Array
    roles: Array
    entry_starts: Array
    kinds: Array
    numbers: Array
    units: Array


def _first_appearance(groups: Array, kinds: Array, values: Array) -> Array:
    """Number the values of each group and kind from 0 in the order in which they appear first."""
    if len(values) == 0:
        return values
    base = int(values.max()) + 1
    _, first, inverse = np.unique((groups * 3 + kinds) * base + values, return_index=True, return_inverse=True)
    order = np.lexsort((first, kinds[first], groups[first]))
    pair = groups[first[order]] * 3 + kinds[first[order]]
    begins = np.append(True, np.diff(pair) != 0)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order)) - np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))
    return rank[inverse]


def _system(rows: _Rows, group: int) -> LocalSystem:
    """The local system of a group in full."""
    first, last = int(rows.starts[group]), int(rows.starts[group + 1])
    low, high = int(rows.entry_starts[first]), int(rows.entry_starts[last])
    kinds = rows.kinds[low:high]
    numbers = rows.numbers[low:high]
    roles = rows.roles[first:last]
    equations = int(np.count_nonzero(roles > 0))
    named = int(numbers[kinds == _KNOWN].max(initial=-1)) + 1
    knowns = named + int(np.count_nonzero(roles == 2))
    place = np.cumsum(roles != 1) - 1
    vertex = numbers.copy()
    vertex[kinds == _KNOWN] += equations
    vertex[kinds == _INNER] = equations + knowns + place[numbers[kinds == _INNER]]
    pairs = list(zip(vertex.tolist(), rows.units[low:high].tolist(), strict=True))
    cuts = (rows.entry_starts[first : last + 1] - low).tolist()
    entries = [tuple(pairs[a:b]) for a, b in pairwise(cuts)]
    inner = tuple(entry for entry, role in zip(entries, roles.tolist(), strict=True) if role != 1)
    given = equations + named
    ends: list[tuple[tuple[int, bool], ...]] = []
    for k, role in enumerate(roles.tolist()):
        if role == 1:
            ends.append(entries[k])
        elif role == 2:
            ends.append(((given, True), (equations + knowns + int(place[k]), True)))
            given += 1
    return LocalSystem(equations, knowns, inner, tuple(ends))


def _cost_of_groups(rows: _Rows, groups: Sequence[int], *, frequent_only: bool = False) -> list[LocalCost | None]:
    """The cost of some groups; groups that look the same are counted once, the most frequent ones most thoroughly.

    None stands for groups that are too large, and with ``frequent_only`` for those that are rare.
    """
    code = rows.numbers * 8 + rows.kinds * 2 + rows.units
    counts = np.diff(rows.entry_starts)
    starts, entry_starts = rows.starts.tolist(), rows.entry_starts
    roles = rows.roles.astype(np.int8)
    equations = np.concatenate([[0], np.cumsum(rows.roles > 0)])
    alike: dict[tuple[bytes, ...], list[int]] = {}
    for place, group in enumerate(groups):
        first, last = starts[group], starts[group + 1]
        entries = code[entry_starts[first] : entry_starts[last]]
        key = (entries.tobytes(), counts[first:last].tobytes(), roles[first:last].tobytes())
        alike.setdefault(key, []).append(place)
    result: list[LocalCost | None] = [None] * len(groups)
    by_frequency = sorted(alike.values(), key=lambda places: (-len(places), places[0]))
    rare = np.array([groups[places[0]] for places in by_frequency[MOST_THOROUGH:]], dtype=np.int64)
    at_once = {} if frequent_only else _forward_at_once(rows, rare)
    for number, places in enumerate(by_frequency):
        group = groups[places[0]]
        if group in at_once:
            for place in places:
                result[place] = at_once[group]
            continue
        size = starts[group + 1] - starts[group]
        entries = size * int(equations[starts[group + 1]] - equations[starts[group]])
        if size > MOST_ROWS or entries > MOST_ENTRIES or (frequent_only and number >= MOST_THOROUGH):
            continue
        cost = local_cost(_system(rows, group), thorough=number < MOST_THOROUGH)
        for place in places:
            result[place] = cost
    return result


def _forward_at_once(rows: _Rows, groups: Array) -> dict[int, LocalCost]:
    """The forward cost of those groups that have one unknown, and few rows and values: the k-th rows of all together.

    A bit mask for each row says on which values outside it depends: bit 0 is the unknown, the others are known.
    """
    if len(groups) == 0:
        return {}
    counts = np.diff(rows.entry_starts)
    lengths = rows.starts[groups + 1] - rows.starts[groups]
    row_group = np.repeat(np.arange(len(rows.starts) - 1), np.diff(rows.starts))
    entry_group = np.repeat(row_group, counts)
    bit = np.where(rows.kinds == _KNOWN, rows.numbers + 1, 0)
    widest = np.zeros(len(rows.starts) - 1, dtype=np.int64)
    np.maximum.at(widest, entry_group, bit)
    equations = np.bincount(row_group[rows.roles > 0], minlength=len(rows.starts) - 1)
    chosen = (equations[groups] == 1) & (widest[groups] < _MASK_BITS) & (lengths <= _MASK_BITS)
    groups, lengths = groups[chosen], lengths[chosen]
    mask = np.zeros(len(rows.roles), dtype=np.uint64)
    generic = np.zeros_like(mask)
    products = np.zeros(len(rows.roles), dtype=np.int64)
    terms = np.zeros_like(products)
    repeated = np.zeros_like(mask)
    for k in range(int(lengths.max(initial=0))):
        row = rows.starts[groups[lengths > k]] + k
        for slot in range(int(counts[row].max(initial=0))):
            r = row[counts[row] > slot]
            entry = rows.entry_starts[r] + slot
            inner = rows.kinds[entry] == _INNER
            source = np.where(inner, rows.starts[row_group[r]] + rows.numbers[entry], 0)
            unit = rows.units[entry]
            alone = np.uint64(1) << bit[entry].astype(np.uint64)
            those = np.where(inner, mask[source], alone)
            plain = np.where(inner, generic[source], np.uint64(0))
            products[r] += np.where(inner & ~unit, np.bitwise_count(plain), 0)
            plain = np.where(unit, plain, those)
            repeated[r] |= mask[r] & those
            mask[r] |= those
            generic[r] |= plain
            terms[r] += np.bitwise_count(those)
        generic[row] |= repeated[row]
    additions = terms - np.bitwise_count(mask)
    total, added = (np.concatenate([[0], np.cumsum(column)]) for column in (products, additions))
    final = np.zeros(len(rows.starts) - 1, dtype=np.int64)
    ends = np.flatnonzero(rows.roles > 0)
    final[row_group[ends]] = ends
    last = final[groups]
    first, stop = rows.starts[groups], rows.starts[groups + 1]
    pivots = (generic[last] & np.uint64(1)).astype(np.int64)
    known_generic = np.bitwise_count(generic[last] >> np.uint64(1)).astype(np.int64)
    known = np.bitwise_count(mask[last] >> np.uint64(1)).astype(np.int64) + (rows.roles[last] == 2)
    found: dict[int, LocalCost] = {}
    columns = (groups, total[stop] - total[first], added[stop] - added[first], pivots, known_generic, known)
    for group, m, a, pivot, by, of in zip(*(column.tolist() for column in columns), strict=True):
        accumulate = Operations(m, a, 0)
        solve = Operations(by + pivot, max(of - 1, 0), 0)
        forward = (("forward", accumulate),)
        found[group] = LocalCost(accumulate, "forward", forward, Operations(0, 0, pivot), solve, 1, "scalar", True)
    return found


def _sum(single: Count, pieces: tuple[Piece, ...]) -> Counted:
    distinct: dict[int, LocalCost] = {}
    times: Counter[int] = Counter()
    for piece in pieces:
        if piece.cost is None:
            return Counted(None, pieces)
        distinct[id(piece.cost)] = piece.cost
        times[id(piece.cost)] += 1
    parts = [(distinct[key], number) for key, number in times.items()]

    def total(start: Operations, of: Sequence[tuple[Operations, int]]) -> Operations:
        return Operations(
            start.multiplications + sum(part.multiplications * number for part, number in of),
            start.additions + sum(part.additions * number for part, number in of),
            start.divisions + sum(part.divisions * number for part, number in of),
        )

    count = Count(
        total(single.accumulate, [(cost.accumulate, number) for cost, number in parts]),
        total(single.factor, [(cost.factor, number) for cost, number in parts]),
        total(single.solve, [(cost.solve, number) for cost, number in parts]),
    )
    return Counted(count, pieces)


def _single_rows(entries: Array, generic: Array, divided: Array, units: Array) -> Count:
    """The cost of rows that stand alone.

    Args:
        entries: (R,) number of arguments of each row.
        generic: (R,) how many of them have labels other than ±1.
        divided: (R,) whether the row is solved for an argument rather than for its result.
        units: (R,) whether that argument's label is ±1.
    """
    additions = int(np.maximum(entries - 1, 0).sum())
    return Count(
        _NOTHING,
        Operations(0, 0, int(np.count_nonzero(divided & ~units))),
        Operations(int(generic.sum()), additions, 0),
    )


# -- lumps and blocks -----------------------------------------------------------------------------------------------


def forward_count(flow: DataFlow, units: Array) -> Operations:
    """The operations of one J v: a product for each label that is no unit, and the sums."""
    counts = np.bincount(flow.readers, minlength=1)
    return Operations(int(np.count_nonzero(~units)), int(np.maximum(counts - 1, 0).sum()), 0)


def count_lumps(flow: DataFlow, units: Array, lumping: Lumping) -> Counted:
    """What J⁻¹v costs by the lumps of an order."""
    order = lumping.order[flow.active[lumping.order]]
    if len(order) == 0:
        return Counted(Count(_NOTHING, _NOTHING, _NOTHING), ())
    n = flow.n_inputs
    rank = np.full(flow.n_steps, -1, dtype=np.int64)
    rank[order] = np.arange(len(order))
    time = lumping.birth[n + order]
    group = np.searchsorted(lumping.bounds, time, side="left") - 1
    starts = np.searchsorted(group, np.arange(len(lumping) + 1))
    entry = np.argsort(rank[flow.readers], kind="stable")
    row = rank[flow.readers[entry]]
    value, unit = flow.arguments[entry], units[entry]
    of = group[row]
    stop = lumping.bounds[of + 1]
    inner = lumping.birth[value] > lumping.bounds[of]
    dies = lumping.death[value] <= stop
    kinds = np.where(inner, _INNER, np.where(dies, _UNKNOWN, _KNOWN))
    inside = np.where(inner, rank[np.maximum(value - n, 0)] - starts[of], 0)
    numbers = np.where(inner, inside, _first_appearance(of, kinds, value))
    produced = lumping.death[n + order] > lumping.bounds[group + 1]
    rows = _Rows(
        starts=starts,
        roles=np.where(produced, 2, 0),
        entry_starts=np.searchsorted(row, np.arange(len(order) + 1)),
        kinds=kinds,
        numbers=numbers,
        units=unit,
    )
    alone = np.diff(starts)[group] == 1
    counts = np.bincount(row, minlength=len(order))
    pivot = np.zeros(len(order), dtype=bool)
    pivot[row[(kinds == _UNKNOWN) & unit]] = True
    generic = np.bincount(row[~unit], minlength=len(order))
    single = _single_rows(counts[alone], generic[alone], np.ones(int(alone.sum()), dtype=bool), pivot[alone])
    several = np.flatnonzero(np.diff(starts) > 1).tolist()
    costs = _cost_of_groups(rows, several)
    return _sum(single, tuple(Piece(k, cost) for k, cost in zip(several, costs, strict=True)))


def count_blocks(structure: Structure, units: Array) -> Counted:
    """What J⁻¹v costs by the blocks."""
    flow, blocks = structure.flow, structure.blocks
    n, n_steps = flow.n_inputs, flow.n_steps
    which = np.repeat(np.arange(len(blocks)), blocks.sizes)
    block_of = np.empty(n_steps + n, dtype=np.int64)
    block_of[blocks.rows] = which
    holder = np.full(n + n_steps, -1, dtype=np.int64)
    held = np.flatnonzero(structure.matching >= 0)
    holder[structure.matching[held]] = held
    on_path = np.zeros(n_steps, dtype=bool)
    steps = np.flatnonzero(flow.active)
    on_path[steps] = structure.matching[steps] != n + steps

    # Rows that stand alone: output rows cost nothing, the others are in arrays.
    sizes = blocks.sizes[block_of[steps]]
    alone = sizes == 1
    counts = np.bincount(flow.readers, minlength=n_steps)
    generic = np.bincount(flow.readers[~units], minlength=n_steps)
    pivot = np.zeros(n_steps, dtype=bool)
    matched = structure.matching[flow.readers] == flow.arguments
    pivot[flow.readers[matched & units]] = True
    one = steps[alone]
    single = _single_rows(counts[one], generic[one], on_path[one], pivot[one])

    # The others, block after block, in program order within each.
    several = np.flatnonzero(blocks.sizes > 1)
    if len(several) == 0:
        return _sum(single, ())
    place = np.full(len(blocks), -1, dtype=np.int64)
    place[several] = np.arange(len(several))
    rest = steps[~alone]
    rest = rest[np.lexsort((rest, place[block_of[rest]]))]
    group = place[block_of[rest]]
    starts = np.searchsorted(group, np.arange(len(several) + 1))
    rank = np.full(n_steps, -1, dtype=np.int64)
    rank[rest] = np.arange(len(rest))
    form = _BlockRows(flow, structure, several, rest, rank, group, starts, units)
    paths = form.costs(on_path[rest], frequent_only=True)
    # A result that lies inside a block may be an unknown of its own or be accumulated: the paths keep A sparse and the
    # accumulation keeps it small.
    leaves = block_of[np.maximum(holder[n + rest], 0)] != block_of[rest]
    best = [_cheaper(x, y) for x, y in zip(form.costs(leaves), paths, strict=True)]
    return _sum(single, tuple(Piece(int(k), cost) for k, cost in zip(several, best, strict=True)))


def _cheaper(x: LocalCost | None, y: LocalCost | None) -> LocalCost | None:
    if x is None or y is None:
        return x
    return y if y.total.total < x.total.total else x


@dataclass(frozen=True, slots=True, eq=False)
class _BlockRows:
    """The blocks of several rows, and how to write their systems.

    Attributes:
        flow: who reads what.
        structure: the matching and the blocks.
        several: the blocks at hand.
        steps: their steps, block after block, in program order within each.
        rank: (T,) the place of each step among them, −1 elsewhere.
        group: the place in ``several`` of each step's block.
        starts: where each block's steps begin.
        units: which labels are ±1.
    """

    flow: DataFlow
    structure: Structure
    several: Array
    steps: Array
    rank: Array
    group: Array
    starts: Array
    units: Array

    def costs(self, is_equation: Array, *, frequent_only: bool = False) -> list[LocalCost | None]:
        """What each block costs if the given rows are its equations."""
        found = _cost_of_groups(self.rows(is_equation), range(len(self.several)), frequent_only=frequent_only)
        multiplications, additions = self._recovery(is_equation)
        return [
            cost and replace(cost, solve=cost.solve + Operations(m, a, 0))
            for cost, m, a in zip(found, multiplications, additions, strict=True)
        ]

    def _recovery(self, is_equation: Array) -> tuple[list[int], list[int]]:
        """What it takes to compute those inner values of each block that other blocks read, from the unknowns."""
        flow, rank = self.flow, self.rank
        inner = np.zeros(flow.n_steps, dtype=bool)
        inner[self.steps[~is_equation]] = True
        made = flow.arguments - flow.n_inputs
        read = np.where(made >= 0, inner[np.maximum(made, 0)], False)
        owner = np.full(flow.n_steps, -1, dtype=np.int64)
        owner[self.steps] = self.group
        outside = read & (owner[flow.readers] != owner[np.maximum(made, 0)])
        within = read & ~outside & inner[flow.readers]
        arcs = graph_of(flow.readers[within], made[within], flow.n_steps)
        needed = self.steps[reachable(arcs, np.unique(made[outside]))[self.steps]]
        generic = np.bincount(flow.readers[~self.units], minlength=flow.n_steps)[needed]
        terms = np.maximum(np.bincount(flow.readers, minlength=flow.n_steps)[needed] - 1, 0)
        of, count = self.group[rank[needed]], len(self.several)
        return tuple(  # pyright: ignore[reportReturnType]
            np.bincount(of, weights=weights, minlength=count).astype(int).tolist() for weights in (generic, terms)
        )

    def rows(self, is_equation: Array) -> _Rows:
        """The systems in which the given rows are equations, and the results of the others are inner values."""
        flow, rank, n = self.flow, self.rank, self.flow.n_inputs
        used = rank[flow.readers] >= 0
        # An equation reads its own result too, with label −1.
        own = self.steps[is_equation]
        row = np.concatenate([rank[flow.readers[used]], rank[own]])
        value = np.concatenate([flow.arguments[used], n + own])
        unit = np.concatenate([self.units[used], np.ones(len(own), dtype=bool)])
        entry = np.argsort(row, kind="stable")
        row, value, unit = row[entry], value[entry], unit[entry]
        of = self.group[row]
        found_in = np.full(n + flow.n_steps, -1, dtype=np.int64)
        blocks, matching = self.structure.blocks, self.structure.matching
        found_in[matching[blocks.rows]] = np.repeat(np.arange(len(blocks)), blocks.sizes)
        local = found_in[value] == self.several[of]
        computed = np.full(n + flow.n_steps, -1, dtype=np.int64)
        inner = self.steps[~is_equation]
        computed[n + inner] = rank[inner]
        is_inner = local & (computed[value] >= 0)
        kinds = np.where(is_inner, _INNER, np.where(local, _UNKNOWN, _KNOWN))
        inside = np.where(is_inner, computed[value] - self.starts[of], 0)
        return _Rows(
            starts=self.starts,
            roles=is_equation.astype(np.int64),
            entry_starts=np.searchsorted(row, np.arange(len(self.steps) + 1)),
            kinds=kinds,
            numbers=np.where(is_inner, inside, _first_appearance(of, kinds, value)),
            units=unit,
        )
