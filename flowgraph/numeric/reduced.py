"""The linear system of a program, reduced: one row per *statement*.

A result that one step reads, and nothing else, is merged into that step: its partials are multiplied together before
any sweep (preaccumulation). A statement is a tree of such steps; its row is ż − Σ c ẋ = 0 with one entry for each value
that the tree reads. Fewer unknowns, fewer entries, and the results inside statements need no memory.

Merging keeps the structural rank: disjoint paths that pass a value with one reader pass that reader too.

Reference: arXiv:2411.18786, section 2; A. Griewank and A. Walther, Evaluating Derivatives, section 10.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowgraph.numeric.choice import analysis_passes
from flowgraph.program import INACTIVE, Program

Array = NDArray[Any]

DEEPEST = 64
"""Statements are cut where they would get deeper: products of more partials may leave the range of float64."""


@dataclass(frozen=True, slots=True, eq=False)
class Statements:
    """How the steps of a program make up its statements.

    Attributes:
        linear: for each operand place, whether a derivative flows through it.
        is_root: (T,) whether a step gives the result of its statement.
        row_of: (T,) the row of the statement that each step belongs to.
        tape: (T,) the program's steps, statement after statement; the last of each gives its result.
        ends: (R,) where each statement ends on the tape.
        levels: (L + 1,) where each level begins among the rows.
    """

    linear: Array
    is_root: Array
    row_of: Array
    tape: Array
    ends: Array
    levels: Array

    @property
    def roots(self) -> Array:
        """(R,) the step that gives each row's result."""
        return self.tape[self.ends - 1]


@dataclass(frozen=True, slots=True, eq=False)
class Reduced:
    """The statements of a program and the entries of their rows.

    Rows are numbered by (level, position): a row reads values of lower levels only, and keeps the program's order
    within its level. Value v < n is input v; value n + r is the result of row r.

    What is needed for a short while only is not kept, but found anew by ``statements`` and ``entry_of``: long programs
    are to fit into memory.

    Attributes:
        program: the program, without dead code.
        deepest: what its statements are cut at.
        starts: (R + 1,) where the entries of each row begin.
        arguments: (E,) the value that each entry multiplies.
        passed: (R,) the entry by which each row passes on a value that it reads last; −1 where there is none.
        outputs: (m,) value numbers.
        watched: for each guard, value numbers.
        levels: (L + 1,) where each level begins among the rows.
        ends: (R,) where each statement ends on the tape.
    """

    program: Program
    deepest: int
    starts: Array
    arguments: Array
    passed: Array
    outputs: Array
    watched: tuple[Array, ...]
    levels: Array
    ends: Array

    @property
    def n_inputs(self) -> int:
        """n."""
        return self.program.n_inputs

    @property
    def n_rows(self) -> int:
        """R, the number of statements."""
        return len(self.ends)

    @property
    def n_values(self) -> int:
        """n + R."""
        return self.program.n_inputs + len(self.ends)

    def statements(self) -> Statements:
        """How the steps make up the statements. O(T), computed anew at each call."""
        return statements(self.program, self.deepest)

    def entry_of(self, own: Statements) -> Array:
        """For each operand place of the program, the entry that its partial adds to, or −1. O(T), likewise."""
        return _entries(self.program, own)[2]


def columns(program: Program) -> tuple[Array, Array, Array]:
    """Codes, starts and operands in the types that the passes are compiled for; no copies where they have them."""
    found = (
        program.codes.astype(np.int16, copy=False),
        program.starts.astype(np.int64, copy=False),
        program.operands.astype(np.int32, copy=False),
    )
    for column in found:
        column.setflags(write=False)
    return found


def without_dead_code(program: Program) -> Program:
    """As ``Program.without_dead_code``, with less memory."""
    _, starts, operands = columns(program)
    roots = np.concatenate([program.outputs, *(guard.values for guard in program.guards)]).astype(np.int32)
    return program.keeping(analysis_passes().needed(program.n_inputs, starts, operands, roots))


def statements(program: Program, deepest: int) -> Statements:
    """Find the statements of a program: O(T).

    Args:
        program: straight-line code without dead steps.
        deepest: statements have fewer than so many steps from the result to the deepest operand.
    """
    passes = analysis_passes()
    n, n_steps = program.n_inputs, program.n_steps
    codes, starts, operands = columns(program)
    linear = passes.linear(n, codes, starts, operands, program.outputs.astype(np.int32), INACTIVE)
    kept = np.zeros(n + n_steps, dtype=bool)
    kept[program.outputs] = True
    for guard in program.guards:
        kept[guard.values] = True
    root = passes.contract(n, starts, operands, kept[n:], deepest)
    is_root = root == np.arange(n_steps, dtype=np.int32)
    level = passes.levels(n, starts, operands, root)
    roots, levels = passes.sort_by_level(level, is_root)
    # The row of a root takes the place of its level.
    row = level
    row[roots] = np.arange(len(roots), dtype=np.int32)
    del roots
    row_of = row[root]
    del root, row, level
    tape, bounds = passes.sort_by_level(row_of, np.ones(n_steps, dtype=bool))
    return Statements(linear, is_root, row_of, tape, bounds[1:], levels)


def _entries(program: Program, own: Statements) -> tuple[Array, Array, Array]:
    _, starts, operands = columns(program)
    return analysis_passes().entries(
        program.n_inputs, starts, operands, own.linear, own.row_of, own.is_root, own.tape, own.ends
    )


def reduce(program: Program, *, contract: bool = True) -> Reduced:
    """Find the statements of a program and their entries: O(T).

    Args:
        program: straight-line code without dead steps.
        contract: False keeps every step a statement of its own.
    """
    n, deepest = program.n_inputs, DEEPEST if contract else 1
    own = statements(program, deepest)
    row_starts, arguments, entry_of = _entries(program, own)
    _, starts, operands = columns(program)
    outputs = program.outputs.astype(np.int32)
    passed = analysis_passes().follow(
        n, starts, operands, own.linear, outputs, own.is_root, own.row_of, entry_of, len(own.ends)
    )

    def value_of(values: Array) -> Array:
        found = values.astype(np.int32)
        results = found >= n
        found[results] = n + own.row_of[found[results] - n]
        return found

    return Reduced(
        program=program,
        deepest=deepest,
        starts=row_starts,
        arguments=arguments,
        passed=passed,
        outputs=value_of(outputs),
        watched=tuple(value_of(guard.values) for guard in program.guards),
        levels=own.levels,
        ends=own.ends,
    )
