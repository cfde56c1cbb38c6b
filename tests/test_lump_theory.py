"""Lumps, blocks, ranks and orders against the oracle of ``lump_oracle``, on random programs of every sort."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import combinations
from random import Random

import pytest
from hypothesis import given, settings

from flowgraph.errors import InputError, NotInvertible
from flowgraph.language import parse
from flowgraph.lumping import best_order, lumps
from flowgraph.orders import count_orders, enumerate_orders
from flowgraph.program import Program
from flowgraph.structure import decompose
from tests.lump_oracle import (
    Facts,
    all_orders,
    check_best_order,
    check_blocks,
    check_certificate,
    check_lumps,
    check_matching,
    check_rank,
    check_structure,
    count_lumps,
    exact_rank,
    extensions,
    facts_of,
    is_legal,
    is_singular,
    most_lumps,
    number_of_orders,
)
from tests.lump_programs import random_program
from tests.strategies import invertible_programs, programs, square_programs

CHUNKS = 10
PROGRAMS_PER_CHUNK = 300
FEW_ORDERS = 200

chunks = pytest.mark.parametrize("chunk", range(CHUNKS))


@cache
def sample(chunk: int) -> tuple[tuple[Program, Facts], ...]:
    rng = Random(f"lumps and blocks, chunk {chunk}")
    found = (random_program(rng) for _ in range(PROGRAMS_PER_CHUNK))
    return tuple((program, facts_of(program)) for program in found)


def nonsingular(chunk: int) -> tuple[tuple[Program, Facts], ...]:
    found = tuple((program, facts) for program, facts in sample(chunk) if not is_singular(facts))
    assert len(found) > PROGRAMS_PER_CHUNK / 2
    return found


def singular(chunk: int) -> tuple[tuple[Program, Facts], ...]:
    found = tuple((program, facts) for program, facts in sample(chunk) if is_singular(facts))
    assert len(found) > PROGRAMS_PER_CHUNK / 10
    return found


def a_legal_order(rng: Random, facts: Facts) -> tuple[int, ...]:
    order: list[int] = []
    while next_steps := extensions(facts, frozenset(order)):
        order.append(rng.choice(next_steps))
    return tuple(order)


def text(program: Program) -> str:
    return "\n" + program.describe()


# -- structure ---------------------------------------------------------------------------------------------------------


@chunks
def test_singular_is_what_is_singular_over_the_field_of_labels(chunk: int) -> None:
    for program, facts in sample(chunk):
        structure = decompose(program)
        rank = exact_rank(facts)
        assert structure.rank == rank, text(program)
        assert structure.singular == (rank < facts.n), text(program)
        assert check_rank(program, structure) is None, text(program)


@chunks
def test_matchings(chunk: int) -> None:
    for program, _ in sample(chunk):
        assert check_matching(program, decompose(program).matching) is None, text(program)


@chunks
def test_certificates(chunk: int) -> None:
    for program, _ in singular(chunk):
        certificate = decompose(program).certificate
        assert certificate is not None, text(program)
        assert check_certificate(program, certificate) is None, text(program)
    for program, _ in nonsingular(chunk):
        assert decompose(program).certificate is None, text(program)


@chunks
def test_blocks(chunk: int) -> None:
    for program, _ in nonsingular(chunk):
        assert check_blocks(program, decompose(program)) is None, text(program)


# -- orders and lumps --------------------------------------------------------------------------------------------------


@chunks
def test_best_orders_have_as_many_lumps_as_any(chunk: int) -> None:
    for program, facts in nonsingular(chunk):
        order = best_order(program)
        assert check_best_order(program, order) is None, text(program)
        assert count_lumps(lumps(program, order)) == most_lumps(facts), text(program)


@chunks
def test_there_are_no_fewer_blocks_than_lumps(chunk: int) -> None:
    for program, _ in nonsingular(chunk):
        blocks = sum(len(block.steps) > 0 for block in decompose(program).blocks)
        assert blocks >= count_lumps(lumps(program, best_order(program))), text(program)


@chunks
def test_lumps_along_the_given_the_best_and_any_order(chunk: int) -> None:
    rng = Random(chunk)
    for program, facts in nonsingular(chunk):
        assert check_lumps(program, lumps(program)) is None, text(program)
        order = best_order(program)
        assert check_lumps(program, lumps(program, order), order.tolist()) is None, text(program)
        order = a_legal_order(rng, facts)
        assert check_lumps(program, lumps(program, order), order) is None, text(program)


@chunks
def test_orders_are_counted_and_enumerated(chunk: int) -> None:
    enumerated = 0
    for program, facts in sample(chunk):
        count = number_of_orders(facts)
        assert count_orders(program) == count, text(program)
        if count <= FEW_ORDERS:
            enumerated += 1
            orders = list(enumerate_orders(program))
            assert len(orders) == len(set(orders)) == count, text(program)
            assert all(is_legal(facts, order) for order in orders), text(program)
            assert set(orders) == set(all_orders(facts)), text(program)
    assert enumerated > PROGRAMS_PER_CHUNK / 2


@chunks
def test_singular_programs_have_no_lumps(chunk: int) -> None:
    for program, _ in singular(chunk):
        with pytest.raises(NotInvertible):
            lumps(program)
        with pytest.raises(NotInvertible):
            best_order(program)


def refuses(program: Program, order: Sequence[int]) -> bool:
    try:
        lumps(program, order)
    except InputError:
        return True
    return False


@chunks
def test_illegal_orders_are_refused(chunk: int) -> None:
    swaps = 0
    for program, facts in nonsingular(chunk)[:60]:
        order = a_legal_order(Random(chunk), facts)
        for i, j in combinations(range(len(order)), 2):
            swapped = list(order)
            swapped[i], swapped[j] = order[j], order[i]
            assert refuses(program, swapped) != is_legal(facts, swapped), text(program)
            swaps += not is_legal(facts, swapped)
        assert refuses(program, (*order, facts.n_steps))
        assert refuses(program, (*order, -1))
        if order:
            assert refuses(program, order[:-1])
            assert refuses(program, (*order, order[0]))
            assert refuses(program, (*order[:-1], order[0])) == (len(order) > 1)
    assert swaps > 100


# -- programs that are not square --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "inputs x, y\nz = f(x, y)\noutputs z",
        "inputs x\nz = f(x)\noutputs z, x",
        "inputs x, y\noutputs x",
        "inputs x\noutputs x, x",
    ],
)
def test_programs_that_are_not_square_are_singular_and_have_no_lumps(source: str) -> None:
    program = parse(source)
    structure = decompose(program)
    assert structure.singular
    assert structure.rank == 1
    assert check_structure(program, structure) is None
    with pytest.raises(NotInvertible):
        lumps(program)
    with pytest.raises(NotInvertible):
        best_order(program)


# -- the same, with known operations, constants, conditions and guards -------------------------------------------------


@given(programs())
@settings(max_examples=60, deadline=None)
def test_the_structure_of_programs_of_any_shape(program: Program) -> None:
    assert check_structure(program, decompose(program)) is None


@given(square_programs())
@settings(max_examples=60, deadline=None)
def test_the_structure_of_square_programs(program: Program) -> None:
    structure = decompose(program)
    assert check_structure(program, structure) is None
    assert structure.rank == exact_rank(facts_of(program))


@given(invertible_programs())
@settings(max_examples=80, deadline=None)
def test_the_lumps_of_invertible_programs(program: Program) -> None:
    facts = facts_of(program)
    order = best_order(program)
    assert check_structure(program, decompose(program)) is None
    assert check_best_order(program, order) is None
    assert check_lumps(program, lumps(program)) is None
    assert check_lumps(program, lumps(program, order), order.tolist()) is None
    assert count_lumps(lumps(program, order)) == most_lumps(facts)


@given(programs(max_steps=6) | square_programs(max_steps=6))
@settings(max_examples=40, deadline=None)
def test_the_orders_of_programs_of_any_shape(program: Program) -> None:
    facts = facts_of(program)
    count = number_of_orders(facts)
    assert count_orders(program) == count
    if count <= FEW_ORDERS:
        assert sorted(enumerate_orders(program)) == sorted(all_orders(facts))
