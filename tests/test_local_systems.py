"""What lumps and blocks cost in all: systems written out one by one from the lumps and blocks that people see."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np
import pytest

import flowgraph as fg
from flowgraph import local_systems
from flowgraph.costs import LocalSystem, Operations, local_cost
from flowgraph.local_systems import Counted, count_blocks, count_lumps, forward_count, unit_labels
from flowgraph.lumping import Lumping, best_order, lumps
from flowgraph.partials import ConstantPartials, edge_slots
from flowgraph.structure import decompose
from tests.examples import REGULAR
from tests.lump_programs import random_program

Rows = dict[int, dict[int, bool]]
"""For each step the values that it reads, and whether the label is ±1."""


def rows_of(program: fg.Program) -> Rows:
    constants = ConstantPartials(program)
    return {
        step: {argument: constants.find(step, slots[0]) in (1, -1) for argument, slots in arguments}
        for step, arguments in edge_slots(program)
    }


def system(
    unknowns: Sequence[int], inner: Sequence[int], equations: Sequence[dict[int, bool]], rows: Rows, n: int
) -> LocalSystem:
    """The local system with these unknown values, inner steps, and equations over values."""
    own = {n + step for step in inner}
    named = [v for step in inner for v in rows[step]] + [v for row in equations for v in row]
    knowns = [v for v in dict.fromkeys(named) if v not in own and v not in unknowns]
    vertex = {v: k for k, v in enumerate([*unknowns, *knowns, *(n + step for step in inner)])}
    return LocalSystem(
        len(unknowns),
        len(knowns),
        tuple(tuple((vertex[v], unit) for v, unit in rows[step].items()) for step in inner),
        tuple(tuple((vertex[v], unit) for v, unit in row.items()) for row in equations),
    )


GIVEN = 10**6
"""Value number of a produced value as it is known, beside the one that the lump computes."""


def lump_totals(program: fg.Program, lumping: Lumping) -> list[Operations]:
    """Accumulate, factor and solve, summed over the lumps; the accumulation by the cheapest way."""
    rows, n = rows_of(program), program.n_inputs
    total = [Operations(0, 0, 0)] * 3
    for lump in lumping:
        inner = [step for step in lump.steps if step in rows]
        equations = [{value: True, GIVEN + value: True} for value in lump.produced]
        if len(inner) == 1:
            # z = f(u, w) as it stands.
            (step,) = inner
            equations, inner = [{**rows[step], GIVEN: True}], []
        cost = local_cost(system(lump.consumed, inner, equations, rows, n))
        total = [a + b for a, b in zip(total, (cost.accumulate, cost.factor, cost.solve), strict=True)]
    return total


def parts_of(counted: Counted) -> list[Operations]:
    assert counted.count is not None
    return [counted.count.accumulate, counted.count.factor, counted.count.solve]


def nonsingular(count: int, seed: int) -> list[fg.Program]:
    random = Random(seed)
    found: list[fg.Program] = []
    while len(found) < count:
        program = random_program(random)
        if not decompose(program).singular:
            found.append(program)
    return found


@pytest.mark.parametrize("path", REGULAR, ids=lambda path: path.stem)
def test_the_units_and_the_forward_count_of_every_example(path) -> None:
    program = fg.load(path)
    flow = decompose(program).flow
    units = unit_labels(program, flow)
    rows = rows_of(program)
    assert [rows[k][v] for k, v in zip(flow.readers.tolist(), flow.arguments.tolist(), strict=True)] == units.tolist()
    sweep = fg.count_operations(program, "forward").sweep
    assert forward_count(flow, units) == sweep


@pytest.mark.parametrize("path", REGULAR, ids=lambda path: path.stem)
def test_the_lumps_of_every_example_cost_what_they_cost_one_by_one(path) -> None:
    program = fg.load(path)
    flow = decompose(program).flow
    units = unit_labels(program, flow)
    for order in (None, best_order(program)):
        lumping = lumps(program, order)
        assert parts_of(count_lumps(flow, units, lumping)) == lump_totals(program, lumping)


@pytest.mark.parametrize("seed", range(4))
def test_so_do_those_of_random_programs(seed: int) -> None:
    for program in nonsingular(60, seed):
        flow = decompose(program).flow
        units = unit_labels(program, flow)
        for order in (None, best_order(program), fg.sample_orders(program, 1, seed)[0]):
            lumping = lumps(program, order)
            assert parts_of(count_lumps(flow, units, lumping)) == lump_totals(program, lumping), program.describe()


def block_cost(
    program: fg.Program, structure: fg.Structure, block: fg.Block, form: str, rows: Rows
) -> list[Operations]:
    """A block with the values on its paths as unknowns, or with all that its steps compute accumulated."""
    n = program.n_inputs
    own = {step: int(structure.matching[step]) == n + step for step in block.steps}
    inner = [k for k in block.steps if (own[k] if form == "paths" else n + k in block.values)]
    rest = [k for k in block.steps if k not in inner]
    unknowns = [v for v in block.values if v - n not in inner]
    equations = [{**rows[k], n + k: True} for k in rest]
    cost = local_cost(system(unknowns, inner, equations, rows, n))
    # Inner values that others read are computed from the unknowns.
    needed: set[int] = set()
    for k in reversed(inner):
        readers = [step for step, row in rows.items() if n + k in row]
        if any(step not in block.steps or step in needed for step in readers):
            needed.add(k)
    solve = cost.solve
    for k in needed:
        generic = sum(not unit for unit in rows[k].values())
        solve += Operations(generic, max(len(rows[k]) - 1, 0), 0)
    return [cost.accumulate, cost.factor, solve]


def block_totals(program: fg.Program) -> list[Operations]:
    structure, rows, n = decompose(program), rows_of(program), program.n_inputs
    total = [Operations(0, 0, 0)] * 3
    for block in structure.blocks:
        if not block.steps:
            continue
        if block.scalar:
            (step,) = block.steps
            row = rows[step]
            generic = sum(not unit for unit in row.values())
            divided = n + step not in block.values
            pivot = divided and not row[block.values[0]]
            parts = [
                Operations(0, 0, 0),
                Operations(0, 0, int(pivot)),
                Operations(generic, max(len(row) - 1, 0), 0),
            ]
        else:
            ways = [block_cost(program, structure, block, form, rows) for form in ("all", "paths")]
            parts = min(ways, key=lambda way: sum(part.total for part in way))
        total = [a + b for a, b in zip(total, parts, strict=True)]
    return total


@pytest.mark.parametrize("path", REGULAR, ids=lambda path: path.stem)
def test_the_blocks_of_every_example_cost_what_they_cost_one_by_one(path) -> None:
    program = fg.load(path)
    structure = decompose(program)
    found = parts_of(count_blocks(structure, unit_labels(program, structure.flow)))
    assert sum(p.total for p in found) == sum(p.total for p in block_totals(program))


@pytest.mark.parametrize("seed", range(4))
def test_so_do_the_blocks_of_random_programs(seed: int) -> None:
    for program in nonsingular(60, seed + 10):
        structure = decompose(program)
        found = parts_of(count_blocks(structure, unit_labels(program, structure.flow)))
        expected = block_totals(program)
        assert sum(p.total for p in found) == sum(p.total for p in expected), program.describe()


def test_many_different_lumps_are_counted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The forward count in arrays is the forward count of the systems one by one."""
    monkeypatch.setattr(local_systems, "MOST_THOROUGH", 0)
    seen = 0
    for program in nonsingular(150, 77):
        structure = decompose(program)
        units = unit_labels(program, structure.flow)
        lumping = lumps(program, best_order(program))
        for piece in count_lumps(structure.flow, units, lumping).pieces:
            lump = lumping[piece.index]
            if piece.cost is None or lump.size != 1:
                continue
            rows = rows_of(program)
            inner = [step for step in lump.steps if step in rows]
            equations = [{value: True, GIVEN + value: True} for value in lump.produced]
            plain = local_cost(system(lump.consumed, inner, equations, rows, program.n_inputs), thorough=False)
            assert piece.cost.method == "forward"
            assert piece.cost.accumulate == dict(plain.accumulations)["forward"]
            assert (piece.cost.factor, piece.cost.solve) == (plain.factor, plain.solve)
            seen += 1
    assert seen > 50


def test_a_lump_that_is_too_large_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_systems, "MOST_ROWS", 3)
    program = fg.parse("inputs x, y\na = f(x, y)\nb = g(a)\nc = h(b)\nd = k(x, y)\noutputs c, d")
    structure = decompose(program)
    counted = count_lumps(structure.flow, unit_labels(program, structure.flow), lumps(program))
    assert counted.count is None
    assert [piece.cost for piece in counted.pieces] == [None]
    report = fg.analyze(program)
    assert report.operation_counts.given is not None
    assert "too large to count" in str(report)
    assert report.to_json()["operation_counts"]["lumps"] is None


def test_repeated_arguments_and_constants_in_the_units() -> None:
    program = fg.parse("inputs x, y\na = x + x\nb = a - 2\nc = 3 * b\nd = y * (-1)\ne = c + d\noutputs e, d")
    flow = decompose(program).flow
    assert unit_labels(program, flow).tolist() == [False, True, False, True, True, True]
    assert np.array_equal(flow.readers, [0, 1, 2, 3, 4, 4])
