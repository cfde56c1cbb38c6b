"""Local systems executed on exact numbers that count as they go: the oracle of ``tests/test_costs.py``.

It eliminates, factors and solves in dictionaries, operation by operation, and shares no code with
``flowgraph.elimination`` and ``flowgraph.costs``, but for the records that say what is asked and what was counted.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import networkx as nx
import numpy as np

from flowgraph.costs import LocalSystem, Operations


@dataclass(frozen=True)
class Number:
    """A value, and whether it is known to be ±1 whatever the point."""

    value: Fraction
    unit: bool


class Machine:
    """Does arithmetic and counts it."""

    def __init__(self) -> None:
        self.multiplications = self.additions = self.divisions = 0
        self.sound = True

    def mul(self, x: Number, y: Number) -> Number:
        self.multiplications += not x.unit and not y.unit
        return Number(x.value * y.value, x.unit and y.unit)

    def add(self, x: Number, y: Number) -> Number:
        self.additions += 1
        return Number(x.value + y.value, False)

    def sub(self, x: Number, y: Number) -> Number:
        return self.add(x, Number(-y.value, y.unit))

    def reciprocal(self, x: Number) -> Number:
        self.divisions += not x.unit
        if x.value == 0:
            # Units have cancelled by chance. The counts go on; the numbers mean nothing from here.
            self.sound = False
            return Number(Fraction(1), False)
        return Number(1 / x.value, x.unit)

    @property
    def operations(self) -> Operations:
        return Operations(self.multiplications, self.additions, self.divisions)


Rows = dict[int, dict[int, Number]]


def with_numbers(system: LocalSystem, seed: int = 0) -> Rows:
    """By vertex, the equations after the inner values: numbers for the labels."""
    rng = random.Random(seed)

    def number(unit: bool) -> Number:
        return Number(Fraction(rng.choice((-1, 1)) * (1 if unit else rng.randrange(2, 10**4))), unit)

    first = system.unknowns + system.knowns
    rows = enumerate(system.inner + system.equations, start=first)
    return {v: {source: number(unit) for source, unit in row} for v, row in rows}


def inner_of(system: LocalSystem) -> range:
    first = system.unknowns + system.knowns
    return range(first, first + len(system.inner))


def drop_unneeded(system: LocalSystem, rows: Rows) -> list[int]:
    """Remove inner values nobody reads and those that read nothing, until there are none; return those that stay."""
    left = set(inner_of(system))
    while True:
        unneeded = [v for v in left if not rows[v] or not any(v in row for row in rows.values())]
        if not unneeded:
            return sorted(left)
        for v in unneeded:
            left.remove(v)
            del rows[v]
            for row in rows.values():
                row.pop(v, None)


def eliminate(rows: Rows, v: int, machine: Machine) -> None:
    own = rows.pop(v)
    for row in rows.values():
        if v in row:
            label = row.pop(v)
            for p, inside in own.items():
                product = machine.mul(label, inside)
                row[p] = machine.add(row[p], product) if p in row else product


def degree(rows: Rows, v: int) -> int:
    return len(rows[v]) * sum(v in row for row in rows.values())


def execute(system: LocalSystem, method: str | Sequence[int], seed: int = 0) -> tuple[Operations, Rows]:
    """Accumulate by a named method, or in a given order of the inner values that stay."""
    machine, rows = Machine(), with_numbers(system, seed)
    left = drop_unneeded(system, rows)
    order = list(method) if not isinstance(method, str) else left[::-1] if method == "reverse" else left
    while order:
        v = min(order, key=lambda v: (degree(rows, v), v)) if method == "markowitz" else order[0]
        order.remove(v)
        eliminate(rows, v, machine)
    return machine.operations, rows


def matrix_of(system: LocalSystem, rows: Rows) -> np.ndarray:
    """Exact, as an array of Python's integers."""
    found = np.zeros((len(rows), system.unknowns + system.knowns + len(system.inner)), dtype=object)
    for i, v in enumerate(sorted(rows)):
        for source, label in rows[v].items():
            assert label.value.denominator == 1
            found[i, source] = int(label.value)
    return found


def dense_matrix(system: LocalSystem, seed: int = 0) -> np.ndarray:
    """[A B 0] as E + F (I − L)⁻¹ G, with the rows of the inner values G u + L v and of the equations E u + F v."""
    n, m = system.unknowns + system.knowns, len(system.inner)
    whole = matrix_of(system, with_numbers(system, seed))
    inner, equations = whole[:m], whole[m:]
    # (I − L)⁻¹ = I + L + … + Lᵐ, because L is strictly triangular.
    solved = inner[:, :n]
    for _ in range(m):
        solved = inner[:, :n] + inner[:, n:] @ solved
    return np.hstack([equations[:, :n] + equations[:, n:] @ solved, np.zeros((system.unknowns, m), dtype=object)])


def diagonal_blocks(size: int, rows: Sequence[dict[int, Number]]) -> list[tuple[list[int], list[int]]]:
    """(rows, columns) of the block triangular form, in the order of solving."""
    graph = nx.Graph()
    graph.add_nodes_from(("row", i) for i in range(size))
    graph.add_edges_from((("row", i), ("column", j)) for i, row in enumerate(rows) for j in row if j < size)
    mate = nx.bipartite.maximum_matching(graph, top_nodes=[("row", i) for i in range(size)])
    assert len(mate) == 2 * size
    needs = nx.DiGraph()
    needs.add_nodes_from(range(size))
    for i, row in enumerate(rows):
        needs.add_edges_from((mate["row", i][1], j) for j in row if j < size)
    blocks = nx.condensation(needs)
    found = []
    for block in reversed(list(nx.topological_sort(blocks))):
        columns = sorted(blocks.nodes[block]["members"])
        found.append((sorted(mate["column", j][1] for j in columns), columns))
    return found


@dataclass
class PivotStep:
    row: int
    column: int
    reciprocal: Number
    below: dict[int, Number]
    beside: dict[int, Number]
    scaled: str


def pivot_step(entries: dict[tuple[int, int], Number], i: int, j: int, scaled: str, machine: Machine) -> PivotStep:
    """Take the pivot out of ``entries`` and update the rest."""
    reciprocal = machine.reciprocal(entries[i, j])
    below = {a: x for (a, b), x in entries.items() if b == j and a != i}
    beside = {b: x for (a, b), x in entries.items() if a == i and b != j}
    if scaled == "column":
        below = {a: machine.mul(x, reciprocal) for a, x in below.items()}
    else:
        beside = {b: machine.mul(x, reciprocal) for b, x in beside.items()}
    for place in [place for place in entries if place[0] == i or place[1] == j]:
        del entries[place]
    for a, x in below.items():
        for b, y in beside.items():
            product = machine.mul(x, Number(-y.value, y.unit))
            entries[a, b] = machine.add(entries[a, b], product) if (a, b) in entries else product
    return PivotStep(i, j, reciprocal, below, beside, scaled)


def factor_block(entries: dict[tuple[int, int], Number], machine: Machine) -> list[PivotStep]:
    steps = []
    while entries:
        in_row = {a: sum(p[0] == a for p in entries) for a, _ in entries}
        in_column = {b: sum(p[1] == b for p in entries) for _, b in entries}

        def fill(place: tuple[int, int], r: Any = in_row, c: Any = in_column) -> tuple[int, bool, tuple[int, int]]:
            return (r[place[0]] - 1) * (c[place[1]] - 1), not entries[place].unit, place

        i, j = min(entries, key=fill)

        def price(scaled: str, i: int = i, j: int = j) -> int:
            trial = Machine()
            step = pivot_step(dict(entries), i, j, scaled, trial)
            in_solve = [x for x in (*step.below.values(), *step.beside.values()) if not x.unit]
            return trial.operations.total + len(in_solve)

        steps.append(pivot_step(entries, i, j, min(("column", "row"), key=price), machine))
    return steps


def solve_block(steps: list[PivotStep], side: dict[int, Number], machine: Machine) -> dict[int, Number]:
    for step in steps:
        if step.scaled == "row":
            side[step.row] = machine.mul(side[step.row], step.reciprocal)
        for a, x in step.below.items():
            side[a] = machine.sub(side[a], machine.mul(x, side[step.row]))
    found: dict[int, Number] = {}
    for step in reversed(steps):
        total = side[step.row]
        for b, x in step.beside.items():
            total = machine.sub(total, machine.mul(x, found[b]))
        found[step.column] = machine.mul(total, step.reciprocal) if step.scaled == "column" else total
    return found


def generic(rng: random.Random) -> Number:
    return Number(Fraction(rng.randrange(2, 10**4)), False)


def factor_and_solve(size: int, rows: Sequence[dict[int, Number]]) -> tuple[Operations, Operations]:
    """Do it, and see that 0 = A u + B w."""
    rng = random.Random(1)
    factoring, solving = Machine(), Machine()
    w = {j: generic(rng) for row in rows for j in row if j >= size}
    side: dict[int, Number] = {}
    for i, row in enumerate(rows):
        terms = [solving.mul(x, w[j]) for j, x in row.items() if j >= size]
        total = terms[0] if terms else Number(Fraction(0), False)
        for term in terms[1:]:
            total = solving.add(total, term)
        side[i] = Number(-total.value, False)
    u: dict[int, Number] = {}
    for own_rows, columns in diagonal_blocks(size, rows):
        entries = {(i, j): x for i in own_rows for j, x in rows[i].items() if j in columns}
        for i in own_rows:
            for j, x in rows[i].items():
                if j < size and j not in columns:
                    side[i] = solving.sub(side[i], solving.mul(x, u[j]))
        steps = factor_block(entries, factoring)
        u |= solve_block(steps, {i: side[i] for i in own_rows}, solving)
    if factoring.sound:
        for row in rows:
            assert sum(x.value * (u if j < size else w)[j].value for j, x in row.items()) == 0
    return factoring.operations, solving.operations
