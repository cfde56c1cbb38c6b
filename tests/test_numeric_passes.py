"""The passes of the analysis: array code and compiled loops find the same, and what they find is what they say."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

from flowgraph import trace
from flowgraph.language import load
from flowgraph.numeric import passes
from flowgraph.numeric.reduced import columns
from flowgraph.program import INACTIVE, Program
from tests.examples import FILES, REGULAR
from tests.lump_programs import random_program
from tests.strategies import invertible_programs, programs

compiled = pytest.importorskip("flowgraph.numeric.compiled.passes")

Array = NDArray[Any]


def compare(program: Program, deepest: int, other: Any) -> None:
    """Hold two modules with the passes against each other on one program, pass after pass."""
    compare_needed(program, other)
    program = program.without_dead_code()
    n, n_steps = program.n_inputs, program.n_steps
    codes, starts, operands = columns(program)
    live = program.liveness()
    linear = (program.arguments() >= 0) & np.repeat(live.active, np.diff(starts))
    outputs = program.outputs.astype(np.int32)
    for found in (passes, other):
        np.testing.assert_array_equal(found.linear(n, codes, starts, operands, outputs, INACTIVE), linear)
    kept = np.zeros(n + n_steps, dtype=bool)
    kept[program.outputs] = True
    for guard in program.guards:
        kept[guard.values] = True
    root = passes.contract(n, starts, operands, kept[n:], deepest)
    np.testing.assert_array_equal(other.contract(n, starts, operands, kept[n:], deepest), root)
    level = passes.levels(n, starts, operands, root)
    np.testing.assert_array_equal(other.levels(n, starts, operands, root), level)
    is_root = root == np.arange(n_steps)
    roots, levels = passes.sort_by_level(level, is_root)
    assert sorted(level[roots].tolist()) == level[roots].tolist()
    np.testing.assert_array_equal(np.repeat(np.arange(len(levels) - 1), np.diff(levels)), level[roots])
    roots_2, levels_2 = other.sort_by_level(level, is_root)
    np.testing.assert_array_equal(roots_2, roots)
    np.testing.assert_array_equal(levels_2, levels)
    n_rows = len(roots)
    row_of = np.empty(n_steps, dtype=np.int32)
    row_of[roots] = np.arange(n_rows, dtype=np.int32)
    row_of = row_of[root]
    tape, bounds = passes.sort_by_level(row_of, np.ones(n_steps, dtype=bool))
    ends = bounds[1:]
    np.testing.assert_array_equal(ends, np.cumsum(np.bincount(row_of, minlength=n_rows)))
    np.testing.assert_array_equal(tape[ends - 1], roots)
    arrays = (n, starts, operands, linear, row_of, is_root, tape, ends)
    begin, arguments, entry_of = passes.entries(*arrays)
    begin_2, arguments_2, entry_2 = other.entries(*arrays)
    np.testing.assert_array_equal(begin_2, begin)
    for r in range(n_rows):
        own = slice(begin[r], begin[r + 1])
        assert sorted(arguments_2[own]) == sorted(arguments[own])
        assert len(set(arguments[own].tolist())) == begin[r + 1] - begin[r]
    np.testing.assert_array_equal(entry_2 >= 0, entry_of >= 0)
    used = entry_of >= 0
    np.testing.assert_array_equal(arguments_2[entry_2[used]], arguments[entry_of[used]])
    row_of_place = np.repeat(row_of, np.diff(starts))
    for found in (entry_of, entry_2):
        np.testing.assert_array_equal(np.searchsorted(begin, found[used], side="right") - 1, row_of_place[used])
    pivots = passes.follow(n, starts, operands, linear, outputs, is_root, row_of, entry_of, n_rows)
    pivots_2 = other.follow(n, starts, operands, linear, outputs, is_root, row_of, entry_2, n_rows)
    np.testing.assert_array_equal(pivots_2 >= 0, pivots >= 0)
    divided = pivots >= 0
    value_of = np.concatenate([np.arange(n), n + row_of]).astype(np.int32)
    np.testing.assert_array_equal(arguments_2[pivots_2[divided]], arguments[pivots[divided]])
    holder = passes.holders(n, arguments, outputs[:0], pivots)
    np.testing.assert_array_equal(other.holders(n, arguments, outputs[:0], pivots), holder)
    given = value_of[outputs]
    known = passes.holders(n, arguments, given, pivots)
    np.testing.assert_array_equal(other.holders(n, arguments, given, pivots), known)
    assert (known[given] == passes.KNOWN).all()
    for v in np.setdiff1d(np.arange(n + n_rows), given).tolist():
        if known[v] == passes.NOBODY:
            assert v < n or divided[v - n]
            assert v not in arguments[pivots[divided]]
        else:
            r = known[v]
            assert v == (arguments[pivots[r]] if divided[r] else n + r)
    compare_blocks(begin, arguments, holder, n, other)


def compare_needed(program: Program, other: Any) -> None:
    n = program.n_inputs
    _, starts, operands = columns(program)
    conditions = [guard.values for guard in program.guards]
    roots = np.concatenate([program.outputs, *conditions]).astype(np.int32)
    needed = program.liveness().needed
    np.testing.assert_array_equal(passes.needed(n, starts, operands, roots), needed)
    np.testing.assert_array_equal(other.needed(n, starts, operands, roots), needed)


def compare_blocks(begin: Array, arguments: Array, holder: Array, n: int, other: Any) -> None:
    n_rows = len(begin) - 1
    label, count, level = passes.blocks(begin, arguments, holder, n)
    label_2, count_2, level_2 = other.blocks(begin, arguments, holder, n)
    assert count_2 == count
    assert set(label_2.tolist()) == set(range(count))
    assert len(set(zip(label.tolist(), label_2.tolist(), strict=True))) == count
    np.testing.assert_array_equal(level_2, level)
    for r in range(n_rows):
        for v in [*arguments[begin[r] : begin[r + 1]].tolist(), n + r]:
            s = holder[v]
            if s >= 0 and label_2[s] != label_2[r]:
                assert label_2[s] < label_2[r]
    for r in range(n_rows):
        for v in [*arguments[begin[r] : begin[r + 1]].tolist(), n + r]:
            s = holder[v]
            if s >= 0 and label[s] != label[r]:
                assert label[s] < label[r]
                assert level[s] < level[r]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
@pytest.mark.parametrize("deepest", [1, 2, 64])
def test_examples(file: Path, deepest: int) -> None:
    compare(load(file), deepest, compiled)


def test_random_programs() -> None:
    for seed in range(400):
        compare(random_program(Random(seed), max_inputs=6, max_steps=30), 1 + seed % 5, compiled)


@given(programs())
@settings(max_examples=60, deadline=None)
def test_programs_of_every_kind(program: Program) -> None:
    compare(program, 64, compiled)


@given(invertible_programs(max_inputs=6, max_steps=40))
@settings(max_examples=60, deadline=None)
def test_programs_with_an_inverse(program: Program) -> None:
    compare(program, 3, compiled)


@pytest.mark.parametrize("n", [2, 40])
def test_narrow_and_wide_levels(n: int) -> None:
    def f(x: Any) -> Any:
        for _ in range(300 // n):
            x = np.sin(x) + 0.5 * np.roll(x, 1)
        return [x[0] * x[1], *x[1:]]

    compare(trace(f, n), 64, compiled)


def test_long_chains_are_cut() -> None:
    starts = np.arange(1001, dtype=np.int32)
    operands = np.arange(1000, dtype=np.int32)
    root = passes.contract(1, starts, operands, np.zeros(1000, dtype=bool), 64)
    np.testing.assert_array_equal(root, compiled.contract(1, starts, operands, np.zeros(1000, dtype=bool), 64))
    assert np.bincount(root).max() == 64


def test_levels_against_their_definition() -> None:
    for seed in range(100):
        program = random_program(Random(seed), max_steps=30)
        n = program.n_inputs
        level: list[int] = []
        for k in range(program.n_steps):
            read = program.operands[program.starts[k] : program.starts[k + 1]].tolist()
            level.append(max((level[v - n] + 1 for v in read if v >= n), default=0))
        found = passes.levels(n, program.starts, program.operands, np.arange(program.n_steps))
        assert found.tolist() == level


class _Wrong:
    """The compiled passes, one of which is wrong."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        right = getattr(compiled, name)
        if name != self._name:
            return right

        def wrong(*arguments: Any) -> Any:
            found = right(*arguments)
            if isinstance(found, tuple):
                changed = found[0].copy()
                changed[-1] += 1
                return (changed, *found[1:])
            found = found.copy()
            if found.dtype == bool:
                found[-1] = not found[-1]
                return found
            found[-1] = found[0] if found[-1] != found[0] else found[0] - 1
            return found

        return wrong


@pytest.mark.parametrize(
    "name", ["needed", "linear", "contract", "levels", "sort_by_level", "entries", "follow", "holders", "blocks"]
)
def test_a_wrong_pass_is_caught(name: str) -> None:
    program = load(REGULAR[0])
    compare(program, 1, compiled)
    with pytest.raises((AssertionError, IndexError)):
        compare(program, 1, _Wrong(name))
