"""The extended system E: one row per step, v − Σ c·x_arg = 0, and one per output; sparse solvers take it as it is.

Written for the peers: no code is shared with the numeric engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

import flowgraph as fg

Array = np.ndarray[Any, Any]


def _groups(program: fg.Program) -> list[Array]:
    """Steps in groups of one operation whose members do not read each other, in an order that computes all values."""
    n, codes, starts = program.n_inputs, program.codes, program.starts
    turns = np.flatnonzero(np.diff(codes, prepend=-1))
    if len(turns) * 50 < len(codes):
        latest = np.maximum.reduceat(program.operands, starts[:-1]) - n
        groups = []
        for first, last in zip(turns.tolist(), [*turns[1:].tolist(), len(codes)], strict=True):
            while first < last:
                late = np.flatnonzero(latest[first:last] >= first)
                end = first + int(late[0]) if len(late) else last
                groups.append(np.arange(first, end))
                first = end
        return groups
    levels = [0] * program.n_values
    operands, bounds = program.operands.tolist(), starts.tolist()
    for step in range(len(codes)):
        levels[n + step] = 1 + max((levels[o] for o in operands[bounds[step] : bounds[step + 1]] if o >= 0), default=0)
    level = np.array(levels[n:])
    order = np.lexsort((codes, level))
    key = level[order] * len(fg.OPERATIONS) + codes[order]
    return np.split(order, np.flatnonzero(np.diff(key)) + 1)


@dataclass(frozen=True, slots=True, eq=False)
class Partials:
    """The partial of every step by every operand that carries a derivative.

    Attributes:
        values: (n + T,) all values.
        matrix: (T, n + T) one row of partials per step.
    """

    values: Array
    matrix: Any


def partials(program: fg.Program, x: Array) -> Partials:
    """All values and partials at x, one operation at a time."""
    values = np.empty(program.n_values)
    values[: program.n_inputs] = x
    coefficients = np.zeros(len(program.operands))
    for steps in _groups(program):
        operation = fg.OPERATIONS[int(program.codes[steps[0]])]
        places = program.starts[steps][:, None] + np.arange(operation.arity)
        operands = program.operands[places]
        known = values[np.maximum(operands, 0)]
        if len(program.constants):
            known = np.where(operands >= 0, known, program.constants[np.maximum(-1 - operands, 0)])
        arguments = tuple(known.T)
        values[program.n_inputs + steps] = operation.evaluate(*arguments)
        for slot, partial in enumerate(operation.partials):
            coefficients[places[:, slot]] = partial(*arguments)
    arguments = program.arguments()
    used = arguments >= 0
    rows = np.repeat(np.arange(program.n_steps), np.diff(program.starts))[used]
    shape = (program.n_steps, program.n_values)
    return Partials(values, sparse.csr_array((coefficients[used], (rows, arguments[used])), shape=shape))


@dataclass(frozen=True, slots=True, eq=False)
class ExtendedSystem:
    """E at one point.

    Attributes:
        matrix: (N, N) compressed sparse columns, the columns of the n inputs first. The rows are permuted so that no
            entry of the diagonal is a structural zero: KLU's own matching takes minutes on long programs.
        n: the number of inputs and outputs.
        rows: (N,) which row, steps first and then outputs, is in each place.
    """

    matrix: Any
    n: int
    rows: Array

    def right_hand_side(self, v: Array) -> Array:
        """The right-hand side for J⁻¹ v; the solution begins with J⁻¹ v."""
        return np.concatenate([np.zeros(self.matrix.shape[0] - self.n), v])[self.rows]


def extended_system(program: fg.Program, x: Array, *, merged: bool = False) -> ExtendedSystem:
    """E of a program at x.

    Args:
        program: straight-line code, as many outputs as inputs.
        x: (n,) the point.
        merged: True to substitute each value that only one step reads into that step, which leaves the sparse solver a
            smaller system with the same solution.
    """
    program = program.without_dead_code()
    n = program.n_inputs
    rows = partials(program, x).matrix
    matched = _matching(_with_outputs(rows, program.outputs))
    kept = np.arange(program.n_values)
    if merged:
        reads = np.bincount(rows.indices, minlength=program.n_values)
        reads[program.outputs] = 2
        once = reads == 1
        once[:n] = False
        rows, matched = _merged(rows, once, matched)
        kept = np.flatnonzero(~once)
    position = np.zeros(program.n_values, dtype=np.int64)
    position[kept] = np.arange(len(kept))
    matrix = sparse.csc_array(_with_outputs(rows, position[program.outputs])[matched])
    matrix.sort_indices()
    return ExtendedSystem(matrix, n, matched)


def _with_outputs(rows: Any, outputs: Array) -> Any:
    """I − C for the steps, and a unit row for each output."""
    count, width = rows.shape
    n = width - count
    steps = sparse.eye_array(count, width, k=n, format="csr") - rows
    units = sparse.csr_array((np.ones(n), (np.arange(n), outputs)), shape=(n, width))
    return sparse.csr_array(sparse.vstack([steps, units], format="csr"))


def _merged(rows: Any, once: Array, matched: Array) -> tuple[Any, Array]:
    """The rows with the values that are read once substituted, and the matching that this leaves."""
    n = len(once) - rows.shape[0]
    inner, outer = rows[once[n:]], rows[~once[n:]]
    stays = sparse.diags_array((~once).astype(float))
    gone = np.flatnonzero(once)
    goes = sparse.csr_array((np.ones(len(gone)), (gone, np.arange(len(gone)))), shape=(len(once), len(gone)))
    while (part := sparse.csr_array(outer @ goes)).nnz:
        outer = sparse.csr_array(outer @ stays + part @ inner)
    # A row whose column goes gets the column that the row of that value had.
    column = np.empty(len(once), dtype=np.int64)
    column[matched] = np.arange(len(once))
    rows_kept = np.concatenate([~once[n:], np.ones(n, dtype=bool)])
    found = column[rows_kept]
    while (late := once[found]).any():
        found[late] = column[found[late] - n]
    place = np.cumsum(~once) - 1
    order = np.empty(len(found), dtype=np.int64)
    order[place[found]] = np.arange(len(found))
    return sparse.csr_array(outer[:, ~once]), order


def _matching(matrix: Any) -> Array:
    """A row for each column, so that the diagonal is free of structural zeros.

    SciPy's search begins greedily with the first column of each row: put the columns first that are read last here,
    that is, those of the values that the step overwrites. Then little is left to search.
    """
    size = matrix.shape[0]
    last = np.zeros(size, dtype=np.int64)
    np.maximum.at(last, matrix.indices, np.repeat(np.arange(size), np.diff(matrix.indptr)))
    columns = np.argsort(last, kind="stable")
    sorted_matrix = sparse.csr_array(matrix[:, columns])
    sorted_matrix.sort_indices()
    rows = csgraph.maximum_bipartite_matching(sorted_matrix, perm_type="row")
    order = np.empty(size, dtype=np.int64)
    order[columns] = rows
    return order
