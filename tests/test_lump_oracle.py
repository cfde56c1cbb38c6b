"""The oracle of lumps and blocks: held against slower definitions, and its checkers against planted errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations, islice, pairwise
from random import Random
from typing import Any

import networkx as nx
import numpy as np
from hypothesis import find, given, settings
from hypothesis import strategies as st

from flowgraph.builder import Builder
from flowgraph.language import parse
from flowgraph.program import Program
from tests.lump_oracle import (
    Facts,
    OracleBlock,
    P,
    all_orders,
    an_order_with_most_lumps,
    blocks_by_enumeration,
    blocks_of,
    certificates,
    check_best_order,
    check_blocks,
    check_certificate,
    check_lumps,
    check_matching,
    check_rank,
    check_structure,
    count_lumps,
    cuts_along,
    derivatives,
    disjoint_paths,
    edges_of,
    exact_rank,
    facts_of,
    frontiers,
    is_legal,
    is_singular,
    lumps_along,
    maximum_matching,
    most_lumps,
    number_of_orders,
    perfect_matchings,
    rank_over_the_fraction_field,
    reached,
    rows_of,
)
from tests.lump_programs import random_program
from tests.strategies import invertible_programs, programs, square_programs

# -- what an implementation would answer, made of the oracle's own answers ---------------------------------------------


@dataclass(frozen=True)
class Block:
    steps: tuple[int, ...]
    outputs: tuple[int, ...]
    path: tuple[int, ...]
    scalar: bool


@dataclass(frozen=True)
class Structure:
    rank: int
    singular: bool
    certificate: Any
    matching: tuple[int, ...]
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Lump:
    steps: tuple[int, ...]
    consumed: tuple[int, ...]
    produced: tuple[int, ...]
    read: tuple[int, ...]
    size: int


@dataclass(frozen=True)
class Lumping:
    order: tuple[int, ...]
    widths: tuple[int, ...]
    cuts: tuple[int, ...]
    lumps: tuple[Lump, ...]

    def __len__(self) -> int:
        return len(self.lumps)

    def __getitem__(self, place: int) -> Lump:
        return self.lumps[place]

    def __iter__(self) -> Iterator[Lump]:
        return iter(self.lumps)


def in_solution_order(facts: Facts) -> list[OracleBlock]:
    """Repeatedly the first block that reads nothing unknown."""
    rows, rest, known, found = rows_of(facts), sorted(blocks_of(facts), key=lambda b: min(b.rows)), set[int](), []
    while rest:
        block = next(b for b in rest if set().union(*(rows[r] for r in b.rows)) <= known | b.columns)
        rest.remove(block)
        known |= block.columns
        found.append(block)
    return found


def oracle_structure(program: Program) -> Structure:
    facts = facts_of(program)
    matching = maximum_matching(facts)
    singular = is_singular(facts)
    blocks = []
    for block in [] if singular else in_solution_order(facts):
        path = [matching[r] for r in block.rows if r >= facts.n_steps or matching[r] != facts.n + r]
        steps = tuple(sorted(r for r in block.rows if r < facts.n_steps))
        places = tuple(sorted(r - facts.n_steps for r in block.rows if r >= facts.n_steps))
        blocks.append(Block(steps, places, tuple(path), len(block.rows) == 1))
    square = facts.n == len(facts.outputs)
    certificate = certificates(facts)[0] if singular and square else None
    return Structure(disjoint_paths(facts)[0], singular, certificate, matching, tuple(blocks))


def oracle_lumping(program: Program, order: tuple[int, ...]) -> Lumping:
    facts = facts_of(program)
    lumps = tuple(
        Lump(x.steps, tuple(sorted(x.consumed)), tuple(sorted(x.produced)), tuple(sorted(x.read)), len(x.consumed))
        for x in lumps_along(facts, order)
    )
    return Lumping(order, tuple(map(len, frontiers(facts, order))), cuts_along(facts, order), lumps)


@cache
def sample() -> tuple[Program, ...]:
    rng = Random("lumps and blocks")
    return tuple(random_program(rng) for _ in range(300))


def chosen(singular: bool) -> list[tuple[Program, Facts]]:
    pairs = [(program, facts_of(program)) for program in sample()]
    return [(program, facts) for program, facts in pairs if is_singular(facts) == singular]


def build(n: int, steps: list[list[int]], outputs: list[int]) -> Program:
    builder = Builder(n)
    for operands in steps:
        builder.call("f", *operands)
    return builder.finish(np.array(outputs, dtype=np.int64))


# -- examples whose answers are known ----------------------------------------------------------------------------------


def test_the_smallest_example_has_two_lumps_in_one_order_and_one_in_another() -> None:
    program = parse("inputs x1, x2\nt1 = p(x1)\nt2 = p(x2)\nz1 = q(x1, t1)\nz2 = q(x2, t2)\noutputs z1, z2")
    facts = facts_of(program)
    assert [(lump.steps, len(lump.consumed)) for lump in lumps_along(facts, (0, 1, 2, 3))] == [((0, 1, 2, 3), 2)]
    assert [(lump.steps, len(lump.consumed)) for lump in lumps_along(facts, (0, 2, 1, 3))] == [((0, 2), 1), ((1, 3), 1)]
    assert most_lumps(facts) == 2
    assert number_of_orders(facts) == 6


def test_a_program_that_never_falls_below_width_n_can_be_singular() -> None:
    program = parse("inputs x1, x2, x3\nt = f(x2)\ns = g(t, x1)\ny = h(x3, s)\noutputs x2, t, y")
    facts = facts_of(program)
    assert min(len(live) for live in frontiers(facts, (0, 1, 2))) == 3
    assert disjoint_paths(facts)[0] == exact_rank(facts) == rank_over_the_fraction_field(facts) == 2


def test_a_lump_of_two_scalar_blocks() -> None:
    program = parse("inputs x, y\nv = k(y)\nz = f(x, v)\noutputs z, y")
    facts = facts_of(program)
    (lump,) = lumps_along(facts, (0, 1))
    assert (lump.steps, lump.consumed, lump.produced, lump.read) == ((0, 1), {0}, {3}, {1})
    assert {block.rows for block in blocks_of(facts)} == {frozenset({r}) for r in range(4)}


def test_a_block_of_two_rows() -> None:
    facts = facts_of(parse("inputs x\nt = p(x)\nz = q(x, t)\noutputs z"))
    assert blocks_of(facts) == {
        OracleBlock(frozenset({0, 1}), frozenset({0, 1})),
        OracleBlock(frozenset({2}), frozenset({2})),
    }


def test_a_passive_step_has_a_place_in_the_order_and_no_lump() -> None:
    program = parse("inputs x, y\ns = sin(x)\nc = s - 1\nz = select(c, s, y)\noutputs z, s")
    facts = facts_of(program)
    assert (facts.needed, facts.active) == ({0, 1, 2}, {0, 2})
    assert [lump.steps for lump in lumps_along(facts, (0, 1, 2))] == [(0,), (2,)]
    assert number_of_orders(facts) == 1
    assert maximum_matching(facts)[1] == -1


# -- the oracle against slower definitions -----------------------------------------------------------------------------


def test_the_random_programs_are_of_all_sorts() -> None:
    found = Counter[str]()
    for program in sample():
        facts = facts_of(program)
        found["no steps"] += facts.n_steps == 0
        found["dead steps"] += len(facts.needed) < facts.n_steps
        found["passive steps"] += len(facts.needed) > len(facts.active)
        found["an input is an output"] += min(facts.outputs) < facts.n
        if is_singular(facts):
            repeated = len(set(facts.outputs)) < facts.n
            unused = any(not reached(facts, {v}) & set(facts.outputs) for v in range(facts.n))
            narrow = min(len(live) for live in frontiers(facts, sorted(facts.needed))) < facts.n
            found["repeated output"] += repeated
            found["unused input"] += unused
            found["bottleneck"] += not (repeated or unused)
            found["singular at full width"] += not narrow
            continue
        given, best = lumps_along(facts, sorted(facts.needed)), lumps_along(facts, an_order_with_most_lumps(facts))
        matching = maximum_matching(facts)
        solving = [b for b in blocks_of(facts) if any(matching[r] != facts.n + r for r in b.rows if r < facts.n_steps)]
        found["nonsingular"] += 1
        found["a lump of many steps"] += any(len(lump.steps) > 1 for lump in best)
        found["a lump of many values"] += any(len(lump.consumed) > 1 for lump in best)
        found["a better order"] += len(best) > len(given)
        found["finer blocks"] += len(solving) > len(best)
        found["a block of many rows"] += any(len(block.rows) > 1 for block in blocks_of(facts))
        found["equasive"] += bool(given) and all(len(lump.steps) == 1 for lump in given)
    least = {
        "nonsingular": 50,
        "a lump of many steps": 25,
        "a lump of many values": 8,
        "a better order": 15,
        "finer blocks": 4,
        "a block of many rows": 25,
        "equasive": 10,
        "dead steps": 20,
        "passive steps": 4,
        "an input is an output": 20,
        "no steps": 2,
        "repeated output": 2,
        "unused input": 5,
        "bottleneck": 5,
        "singular at full width": 4,
    }
    assert {sort for sort, share in least.items() if found[sort] < share * len(sample()) / 100} == set(), found


def test_orders_one_by_one() -> None:
    compared = 0
    for program in sample():
        facts = facts_of(program)
        if number_of_orders(facts) > 100:
            continue
        orders = list(all_orders(facts))
        assert len(set(orders)) == len(orders) == number_of_orders(facts)
        assert all(is_legal(facts, order) for order in orders)
        if not is_singular(facts):
            compared += len(orders) > 1
            assert max(len(lumps_along(facts, order)) for order in orders) == most_lumps(facts)
            # The finest lumps are canonical: section 6.
            assert all(
                check_best_order(program, order) is None
                for order in orders
                if len(lumps_along(facts, order)) == most_lumps(facts)
            )
    assert compared > 80


def test_liveness_says_the_same() -> None:
    for program in sample():
        facts, live = facts_of(program), program.liveness()
        assert facts.active == set(np.flatnonzero(live.active).tolist())
        assert facts.needed == set(np.flatnonzero(live.needed).tolist())
        if len(facts.needed) == facts.n_steps:
            expected = [frozenset(live.live(t)) for t in range(facts.n_steps + 1)]
            assert list(frontiers(facts, range(facts.n_steps)))[1:] == expected[1:]


def test_ranks_by_elimination() -> None:
    compared = Counter[bool]()
    for program in sample():
        facts = facts_of(program)
        if len(edges_of(facts)) <= 10:
            compared[is_singular(facts)] += 1
            assert rank_over_the_fraction_field(facts) == exact_rank(facts) == disjoint_paths(facts)[0]
    assert min(compared.values()) > 30


def test_cuts_and_matchings_bound_the_number_of_paths_from_both_sides() -> None:
    for program in sample():
        facts = facts_of(program)
        count, cut = disjoint_paths(facts)
        assert len(cut) == count
        assert not reached(facts, range(facts.n), cut) & set(facts.outputs)
        assert sum(v != -1 for v in maximum_matching(facts)) == len(facts.active) + count


def test_blocks_by_all_perfect_matchings() -> None:
    compared = 0
    for _, facts in chosen(singular=False):
        if len(list(islice(perfect_matchings(rows_of(facts)), 201))) <= 200:
            compared += 1
            assert blocks_by_enumeration(facts) == blocks_of(facts)
    assert compared > 150


def test_a_singular_program_has_no_perfect_matching() -> None:
    for _, facts in chosen(singular=True):
        assert next(perfect_matchings(rows_of(facts)), None) is None


def determinant_modulo(given: Sequence[Sequence[int]]) -> int:
    """The determinant over GF(P), by elimination."""
    matrix = [list(row) for row in given]
    result = 1
    for k in range(len(matrix)):
        pivot = next((i for i in range(k, len(matrix)) if matrix[i][k] % P), None)
        if pivot is None:
            return 0
        if pivot != k:
            matrix[k], matrix[pivot] = matrix[pivot], matrix[k]
            result = -result
        result = result * matrix[k][k] % P
        scale = pow(matrix[k][k], -1, P)
        for i in range(k + 1, len(matrix)):
            factor = matrix[i][k] * scale
            matrix[i] = [(x - factor * y) % P for x, y in zip(matrix[i], matrix[k], strict=True)]
    return result % P


def test_the_determinant_is_that_of_e_of_the_blocks_and_of_the_lumps() -> None:
    rng = Random(7)
    for _, facts in chosen(singular=False):
        labels = {edge: rng.randrange(1, P) for edge in edges_of(facts)}
        jacobian = derivatives(facts, range(facts.n), labels, 0, 1)
        determinant = determinant_modulo([jacobian[v] for v in facts.outputs])
        rows = rows_of(facts)
        columns = sorted({*range(facts.n), *(facts.n + k for k in facts.active)})
        extended = {
            r: {v: 1 if r >= facts.n_steps or v == facts.n + r else -labels[r, v] for v in rows[r]} for r in rows
        }

        def part(
            some: Iterable[int], of: Iterable[int], extended: dict[int, dict[int, int]] = extended
        ) -> list[list[int]]:
            return [[extended[r].get(v, 0) for v in sorted(of)] for r in sorted(some)]

        assert determinant != 0
        assert (-1) ** (facts.n * len(facts.active)) * determinant_modulo(part(rows, columns)) % P == determinant
        product = 1
        for block in blocks_of(facts):
            product = product * determinant_modulo(part(block.rows, block.columns)) % P
        assert product in (determinant, P - determinant)
        order = an_order_with_most_lumps(facts)
        product = 1
        for lump in lumps_along(facts, order):
            # What the lump reads and consumes decides what it produces; A is square and has an inverse.
            seeds = sorted(lump.consumed | lump.read)
            inside = derivatives(facts, seeds, labels, 0, 1)
            local = [[inside[z][seeds.index(u)] for u in sorted(lump.consumed)] for z in sorted(lump.produced)]
            product = product * determinant_modulo(local) % P
        assert product in (determinant, P - determinant)


@given(square_programs())
@settings(max_examples=60, deadline=None)
def test_square_programs_are_square(program: Program) -> None:
    assert program.n_outputs == program.n_inputs


@given(invertible_programs())
@settings(max_examples=100, deadline=None)
def test_invertible_programs_are_invertible(program: Program) -> None:
    facts = facts_of(program)
    assert not is_singular(facts)
    assert exact_rank(facts) == facts.n


def smallest(strategy: st.SearchStrategy[Program], condition: Callable[[Facts], bool]) -> tuple[int, int]:
    """n and T of the example that Hypothesis shrinks to."""
    few = settings(max_examples=2000, database=None, deadline=None, derandomize=True)
    program = find(strategy, lambda program: condition(facts_of(program)), settings=few)
    return program.n_inputs, program.n_steps


def test_programs_shrink() -> None:
    def has_a_lump_of_many_steps(facts: Facts) -> bool:
        return any(len(lump.steps) > 1 for lump in lumps_along(facts, an_order_with_most_lumps(facts)))

    def is_a_bottleneck(facts: Facts) -> bool:
        ends = set(facts.outputs)
        return is_singular(facts) and len(ends) == facts.n and all(reached(facts, {v}) & ends for v in range(facts.n))

    # The smallest there are have n = 1, T = 2 and n = 2, T = 2; shrinking may stop a little earlier.
    n, n_steps = smallest(invertible_programs(), has_a_lump_of_many_steps)
    assert n + n_steps <= 5
    n, n_steps = smallest(square_programs(), is_a_bottleneck)
    assert n + n_steps <= 6


# -- the checkers pass what is right -----------------------------------------------------------------------------------


def test_right_answers_pass() -> None:
    for program in sample():
        facts = facts_of(program)
        assert check_structure(program, oracle_structure(program)) is None
        if is_singular(facts):
            assert [check_certificate(program, certificate) for certificate in certificates(facts)] == [None, None]
            continue
        order = an_order_with_most_lumps(facts)
        lumping = oracle_lumping(program, order)
        assert check_best_order(program, order) is None
        assert check_lumps(program, lumping, order) is None
        assert check_lumps(program, oracle_lumping(program, tuple(sorted(facts.needed)))) is None
        assert count_lumps(lumping) == most_lumps(facts)


@given(programs())
@settings(max_examples=60, deadline=None)
def test_right_answers_of_programs_of_any_shape_pass(program: Program) -> None:
    assert check_structure(program, oracle_structure(program)) is None


# -- the checkers catch what is wrong ----------------------------------------------------------------------------------


def test_a_matching_with_two_entries_swapped_is_caught() -> None:
    caught = 0
    for program in sample():
        facts = facts_of(program)
        rows, matching = rows_of(facts), maximum_matching(facts)
        for i, j in combinations(sorted(rows), 2):
            swapped = list(matching)
            swapped[i], swapped[j] = matching[j], matching[i]
            still_right = swapped[i] in {*rows[i], -1} and swapped[j] in {*rows[j], -1}
            assert (check_matching(program, swapped) is None) == still_right
            caught += not still_right
    assert caught > 1000


def test_a_matching_that_misses_repeats_or_lengthens_is_caught() -> None:
    for program, facts in chosen(singular=False):
        matching = maximum_matching(facts)
        row = min(rows_of(facts))
        assert check_matching(program, [*matching[:row], -1, *matching[row + 1 :]])
        assert check_matching(program, [*matching, -1])
        assert check_matching(program, matching[:-1])
        idle = set(range(facts.n_steps)) - facts.active
        for k in idle:
            assert check_matching(program, [*matching[:k], facts.n + k, *matching[k + 1 :]])
    twice = build(2, [[0, 1], [0, 1]], [2, 3])
    assert check_matching(twice, (0, 1, 2, 3)) is None
    assert check_matching(twice, (0, 0, 2, 3)) == "a value is matched twice"


def test_a_wrong_rank_is_caught() -> None:
    for program in sample():
        right = oracle_structure(program)
        assert check_rank(program, replace(right, rank=right.rank + 1))
        assert check_rank(program, replace(right, rank=right.rank - 1))
        assert check_rank(program, replace(right, singular=not right.singular))


def leaks(facts: Facts, inputs: tuple[int, ...], outputs: tuple[int, ...], cut: set[int]) -> bool:
    """Whether networkx finds a path that a cut misses."""
    graph = nx.DiGraph()
    graph.add_nodes_from(range(facts.n + facts.n_steps))
    graph.add_edges_from((u, facts.n + k) for k in facts.active for u in facts.arguments[k])
    graph.remove_nodes_from(cut)
    return any(u in graph and v in graph and nx.has_path(graph, u, v) for u in inputs for v in outputs)


def test_a_cut_with_one_value_removed_or_replaced_is_caught() -> None:
    caught = 0
    for program, facts in chosen(singular=True):
        for right in certificates(facts):
            for value in right.cut:
                removed = tuple(v for v in right.cut if v != value)
                # The cut is a smallest one, so every value of it is needed.
                assert check_certificate(program, replace(right, cut=removed))
                for other in set(range(facts.n + facts.n_steps)) - set(right.cut):
                    cut = (*removed, other)
                    wrong = leaks(facts, right.inputs, right.outputs, set(cut))
                    assert bool(check_certificate(program, replace(right, cut=cut))) == wrong
                    caught += wrong
    assert caught > 300


def test_a_certificate_that_names_too_little_or_too_much_is_caught() -> None:
    caught = Counter[str]()
    for program, facts in chosen(singular=True):
        by_outputs, by_inputs = certificates(facts)
        for v in by_outputs.inputs:
            caught["inputs"] += 1
            assert check_certificate(program, replace(by_outputs, inputs=tuple({*by_outputs.inputs} - {v})))
        for v in by_inputs.outputs:
            caught["outputs"] += 1
            assert check_certificate(program, replace(by_inputs, outputs=tuple({*by_inputs.outputs} - {v})))
        few = by_inputs.inputs[: len(by_inputs.cut)]
        ends = tuple(reached(facts, few) & set(facts.outputs))
        assert check_certificate(program, replace(by_inputs, inputs=few, outputs=ends))
        spare = tuple(v for v in range(facts.n + facts.n_steps) if v not in by_outputs.cut)
        padding = spare[: facts.n - len(by_outputs.cut)]
        assert check_certificate(program, replace(by_outputs, cut=(*by_outputs.cut, *padding)))
        assert check_certificate(program, replace(by_outputs, kind="neither"))
        assert check_certificate(program, replace(by_outputs, cut=(facts.n + facts.n_steps,)))
        assert check_structure(program, replace(oracle_structure(program), certificate=None))
    assert min(caught.values()) > 30


def test_a_certificate_of_a_nonsingular_program_is_caught() -> None:
    for program, facts in chosen(singular=False):
        for claim in certificates(facts):
            assert check_certificate(program, claim)
            assert check_structure(program, replace(oracle_structure(program), certificate=claim))


def test_wrong_blocks_are_caught() -> None:
    caught = Counter[str]()
    for program, facts in chosen(singular=False):
        right = oracle_structure(program)
        blocks = right.blocks
        rows = rows_of(facts)

        def refused(sort: str, *wrong: Block, program: Program = program, right: Structure = right) -> None:
            caught[sort] += 1
            assert check_blocks(program, replace(right, blocks=wrong)), sort

        refused("missing", *blocks[1:])
        refused("twice", *blocks, blocks[0])
        for k, block in enumerate(blocks):
            refused("scalar", *blocks[:k], replace(block, scalar=not block.scalar), *blocks[k + 1 :])
            refused("path", *blocks[:k], replace(block, path=(*block.path, 0)), *blocks[k + 1 :])
            if block.path:
                refused("no path", *blocks[:k], replace(block, path=block.path[1:]), *blocks[k + 1 :])
            if len(block.steps) > 1:
                halves = (replace(block, steps=block.steps[:1]), replace(block, steps=block.steps[1:]))
                refused("split", *blocks[:k], *halves, *blocks[k + 1 :])
        for k, (first, second) in enumerate(pairwise(blocks)):
            merged = Block(
                (*first.steps, *second.steps), (*first.outputs, *second.outputs), (*first.path, *second.path), False
            )
            refused("merged", *blocks[:k], merged, *blocks[k + 2 :])
            needs = set().union(*(rows[r] for r in (*second.steps, *(facts.n_steps + j for j in second.outputs))))
            solves = {right.matching[r] for r in (*first.steps, *(facts.n_steps + j for j in first.outputs))}
            if needs & solves:
                refused("too early", *blocks[:k], second, first, *blocks[k + 2 :])
    assert len(caught) == 8
    assert min(caught.values()) > 50, caught


def test_wrong_lumps_are_caught() -> None:
    caught = Counter[str]()
    for program, facts in chosen(singular=False):
        order = an_order_with_most_lumps(facts)
        right = oracle_lumping(program, order)

        def refused(
            sort: str,
            wrong: Lumping,
            program: Program = program,
            order: tuple[int, ...] = order,
        ) -> None:
            caught[sort] += 1
            assert check_lumps(program, wrong, order), sort

        refused("cuts", replace(right, cuts=right.cuts[1:]))
        refused("widths", replace(right, widths=(*right.widths[:-1], right.widths[-1] + 1)))
        refused("order", replace(right, order=(*order, 0)))
        for k, lump in enumerate(right.lumps):
            before, after = right.lumps[:k], right.lumps[k + 1 :]
            changes: dict[str, Callable[[Lump], Lump]] = {
                "consumed": lambda x: replace(x, consumed=x.consumed[1:]),
                "produced": lambda x: replace(x, produced=(*x.produced, x.produced[0])),
                "read": lambda x: replace(x, read=(*x.read, x.consumed[0])),
                "size": lambda x: replace(x, size=x.size + 1),
            }
            for sort, change in changes.items():
                refused(sort, replace(right, lumps=(*before, change(lump), *after)))
            refused("missing", replace(right, lumps=(*before, *after)))
            refused("twice", replace(right, lumps=(*before, lump, lump, *after)))
            if len(lump.steps) > 1:
                halves = (replace(lump, steps=lump.steps[:1]), replace(lump, steps=lump.steps[1:]))
                refused("split", replace(right, lumps=(*before, *halves, *after)))
            if after:
                joined = replace(lump, steps=(*lump.steps, *after[0].steps), size=lump.size + after[0].size)
                refused("merged", replace(right, lumps=(*before, joined, *after[1:])))
                shifted = (
                    replace(lump, steps=(*lump.steps, after[0].steps[0])),
                    replace(after[0], steps=after[0].steps[1:]),
                )
                refused("boundary", replace(right, lumps=(*before, *shifted, *after[1:])))
    assert len(caught) == 12
    assert min(caught.values()) > 50, caught


def test_an_order_with_two_steps_swapped_illegally_is_caught() -> None:
    caught = 0
    for program, facts in chosen(singular=False):
        order = an_order_with_most_lumps(facts)
        for i, j in combinations(range(len(order)), 2):
            swapped = list(order)
            swapped[i], swapped[j] = order[j], order[i]
            between = order[i + 1 : j]
            illegal = order[i] in facts.before(order[j]) or any(
                k in facts.before(order[j]) or order[i] in facts.before(k) for k in between
            )
            assert is_legal(facts, swapped) != illegal
            if illegal:
                caught += 1
                assert check_best_order(program, swapped)
        if order:
            assert check_best_order(program, order[:-1])
            assert check_best_order(program, (*order, order[0]))
    assert caught > 500


def test_an_order_with_fewer_lumps_is_caught() -> None:
    caught = 0
    for program, facts in chosen(singular=False):
        given = sorted(facts.needed)
        if len(lumps_along(facts, given)) < most_lumps(facts):
            caught += 1
            assert check_best_order(program, given)
    assert caught > 30
