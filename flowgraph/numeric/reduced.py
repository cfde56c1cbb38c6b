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
from flowgraph.program import Program

Array = NDArray[Any]

DEEPEST = 64
"""Statements are cut where they would get deeper: products of more partials may leave the range of float64."""


@dataclass(frozen=True, slots=True, eq=False)
class Reduced:
    """The statements of a program and the entries of their rows.

    Rows are numbered by (level, position): a row reads values of lower levels only, and keeps the program's order
    within its level. Value v < n is input v; value n + r is the result of row r.

    Attributes:
        program: the program, without dead code.
        roots: (R,) the step that gives each row's result.
        starts: (R + 1,) where the entries of each row begin.
        arguments: (E,) the value that each entry multiplies.
        outputs: (m,) value numbers.
        watched: for each guard, value numbers.
        levels: (L + 1,) where each level begins among the rows.
        tape: (T,) the program's steps, statement after statement.
        ends: (R,) where each statement ends on the tape.
        row_of: (T,) the row of the statement that each step belongs to.
        entry_of: for each operand place of the program, the entry that its partial adds to, or −1.
        linear: for each operand place, whether a derivative flows through it.
        root_of: (T,) the step that gives the result of each step's statement.
    """

    program: Program
    roots: Array
    starts: Array
    arguments: Array
    outputs: Array
    watched: tuple[Array, ...]
    levels: Array
    tape: Array
    ends: Array
    row_of: Array
    entry_of: Array
    linear: Array
    root_of: Array

    @property
    def n_inputs(self) -> int:
        """n."""
        return self.program.n_inputs

    @property
    def n_rows(self) -> int:
        """R, the number of statements."""
        return len(self.roots)

    @property
    def n_values(self) -> int:
        """n + R."""
        return self.program.n_inputs + len(self.roots)


def reduce(program: Program, *, contract: bool = True) -> Reduced:
    """Find the statements of a program and their entries: O(T).

    Args:
        program: straight-line code without dead steps.
        contract: False keeps every step a statement of its own.
    """
    passes = analysis_passes()
    n, n_steps = program.n_inputs, program.n_steps
    starts, operands = program.starts.astype(np.int32), program.operands.astype(np.int32)
    live = program.liveness()
    linear = (program.arguments() >= 0) & np.repeat(live.active, np.diff(starts))
    kept = np.zeros(n + n_steps, dtype=bool)
    kept[program.outputs] = True
    for guard in program.guards:
        kept[guard.values] = True
    root = passes.contract(n, starts, operands, kept[n:], DEEPEST if contract else 1)
    is_root = root == np.arange(n_steps)
    level = passes.levels(n, starts, operands, root)
    roots = passes.sort_by_level(level, is_root)
    n_rows = len(roots)
    row_of = np.empty(n_steps, dtype=np.int32)
    row_of[roots] = np.arange(n_rows, dtype=np.int32)
    row_of = row_of[root]
    tape = passes.sort_by_level(row_of, np.ones(n_steps, dtype=bool))
    ends = np.cumsum(np.bincount(row_of, minlength=n_rows)).astype(np.int32)
    row_starts, arguments, entry_of = passes.entries(n, starts, operands, linear, row_of, is_root, tape, ends)
    value_of = np.concatenate([np.arange(n, dtype=np.int32), n + row_of])
    heights = level[roots]
    return Reduced(
        program=program,
        roots=roots,
        starts=row_starts,
        arguments=arguments,
        outputs=value_of[program.outputs],
        watched=tuple(value_of[guard.values] for guard in program.guards),
        levels=np.searchsorted(heights, np.arange(int(heights[-1]) + 2 if n_rows else 1)),
        tape=tape,
        ends=ends,
        row_of=row_of,
        entry_of=entry_of,
        linear=linear,
        root_of=root,
    )
