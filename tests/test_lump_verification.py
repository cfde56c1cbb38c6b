"""Random programs with lumps, proved in all four modes along the best order and along another legal one."""

from __future__ import annotations

from functools import cache
from random import Random

import numpy as np
import pytest

import flowgraph as fg
from flowgraph.builder import Builder
from tests import modular
from tests.lump_oracle import an_order_with_most_lumps, extensions, facts_of, is_singular, lumps_along
from tests.lump_programs import random_program

CHUNKS = 10
PER_CHUNK = 30
KNOWN = {1: ("sin", "tanh", "atan", "square", "neg"), 2: ("add", "sub", "mul", "hypot"), 3: ("select",)}


def with_known_operations(program: fg.Program, rng: Random) -> fg.Program:
    """The same program with most of its uninterpreted functions replaced by operations of as many arguments."""
    builder = Builder(program.n_inputs)
    for step in program.steps():
        operands = list(step.operands)
        if step.operation is not None or rng.random() < 0.3 or len(set(operands)) < len(operands):
            name = step.function
            known = step.operation is not None
        else:
            name, known = rng.choice(KNOWN[len(operands)]), True
        if known:
            builder.append(name, *(np.asarray(o) for o in operands))
        else:
            builder.call(name, *operands)
    for guard in program.guards:
        builder.guard(np.array(guard.values), np.array(guard.outcomes))
    return builder.finish(np.array(program.outputs))


@cache
def sample(chunk: int) -> tuple[fg.Program, ...]:
    """Nonsingular programs with a lump of more than one step in every order; one in three of known operations."""
    rng = Random(f"verify lumps, chunk {chunk}")
    found: list[fg.Program] = []
    while len(found) < PER_CHUNK:
        program = random_program(rng, max_steps=8)
        if len(found) % 3 == 2:
            program = with_known_operations(program, rng)
        facts = facts_of(program)
        if is_singular(facts):
            continue
        lumps = lumps_along(facts, an_order_with_most_lumps(facts))
        # Every other one has a matrix A of two rows or more, which most lumps of random programs have not.
        least = 1 + len(found) % 2
        if any(len(lump.steps) > 1 and len(lump.consumed) >= least for lump in lumps):
            found.append(program)
    return tuple(found)


def a_legal_order(rng: Random, program: fg.Program) -> tuple[int, ...]:
    facts = facts_of(program)
    order: list[int] = []
    while next_steps := extensions(facts, frozenset(order)):
        order.append(rng.choice(next_steps))
    return tuple(order)


def test_the_programs_are_of_all_sorts() -> None:
    programs = [program for chunk in range(CHUNKS) for program in sample(chunk)]
    assert len(programs) == 300
    found = [lumps_along(facts, an_order_with_most_lumps(facts)) for facts in map(facts_of, programs)]
    assert sum(max(len(lump.consumed) for lump in lumps) >= 2 for lumps in found) >= 150
    assert sum(any(len(lump.consumed) >= 2 and lump.read for lump in lumps) for lumps in found) > 25
    assert sum(sum(len(lump.steps) > 1 for lump in lumps) >= 2 for lumps in found) > 30
    assert sum(any(step.operation for step in program.steps()) for program in programs) > 90
    assert sum(bool(program.guards) for program in programs) > 20
    assert {program.n_inputs for program in programs} == {1, 2, 3, 4}


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_all_modes_by_the_best_order_and_by_another_one(chunk: int) -> None:
    rng = Random(chunk)
    for program in sample(chunk):
        for order in (None, a_legal_order(rng, program)):
            # u − u and the like: J is singular for every x, and at random points of a prime field.
            forward = fg.derive(program, "forward", labels="fractions").graph
            if modular.rank(modular.map_of(forward)) < program.n_inputs:
                with pytest.raises(fg.NotInvertible, match="loses what dies"):
                    fg.verify(program, method="exact", order=order)
                continue
            report = fg.verify(program, method="exact", order=order)
            assert report.ok, f"{program.describe()}\n{order}\n{report}"
            subjects = {check.subject for check in report.checks}
            assert {f"{mode} = {mode.symbol}" for mode in fg.Mode} <= subjects
            assert {"rule lump keeps the map", "rule expand keeps the map"} <= subjects


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_the_prime_field_says_the_same(chunk: int) -> None:
    rng = Random(chunk)
    for program in sample(chunk):
        try:
            fg.derive(program, "reverse-inverse", labels="counts")
            report = fg.verify(program, method="prime-field", order=a_legal_order(rng, program))
        except fg.NotInvertible:
            with pytest.raises(fg.NotInvertible):
                fg.verify(program, method="exact", modes="reverse-inverse")
            continue
        assert report.ok, f"{program.describe()}\n{report}"
