"""Systems whose matrix is block triangular by its pattern: scalar divisions and smaller systems, one after the other.

Reference: THEORY section 7.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, maximum_bipartite_matching

from flowgraph.codegen.statements import Assign, Solve, Statement
from flowgraph.codegen.terms import ZERO, Name, Term, minus, names, over, times

_Block = tuple[list[int], list[int]]
"""The rows and the columns of a block."""


def in_blocks(body: Sequence[Statement]) -> tuple[Statement, ...]:
    """The statements with every system split into the irreducible blocks of its matrix."""
    done: list[Statement] = []
    for statement in body:
        done.extend(_split(statement, f"%s{len(done)}.") if isinstance(statement, Solve) else (statement,))
    return tuple(done)


def _split(system: Solve, prefix: str) -> Iterator[Statement]:
    blocks = _blocks(system)
    if len(blocks) < 2:
        yield system
        return
    right = list(system.right)
    for k, (_, columns) in enumerate(blocks):
        # What a later block reads of the vector must not be overwritten by this one.
        written = {system.targets[j] for j in columns}
        for i in (i for later, _ in blocks[k + 1 :] for i in later):
            if not written.isdisjoint(names(right[i])):
                yield Assign(f"{prefix}{i}", right[i])
                right[i] = Name(f"{prefix}{i}")
        yield from _solved(system, blocks[k], right, blocks[:k])


def _solved(system: Solve, block: _Block, right: list[Term], before: list[_Block]) -> Iterator[Statement]:
    """One block, with the unknowns of the blocks before it known."""
    matrix = system.system
    rows, columns = block
    given = []
    for i in rows:
        term = right[i]
        for j in (j for _, known in before for j in known):
            term = minus(term, times(matrix[i][j], Name(system.targets[j])))
        given.append(term)
    if len(rows) == 1:
        yield Assign(system.targets[columns[0]], over(given[0], matrix[rows[0]][columns[0]]))
        return
    part = tuple(tuple(matrix[i][j] for j in columns) for i in rows)
    yield replace(
        system,
        targets=tuple(system.targets[j] for j in columns),
        matrix=tuple(zip(*part, strict=True)) if system.transposed else part,
        right=tuple(given),
    )


def _blocks(system: Solve) -> list[_Block]:
    """The blocks in an order in which they can be solved; a single one where the pattern is singular."""
    size = len(system.targets)
    everything = [(list(range(size)), list(range(size)))]
    pattern = np.array([[entry != ZERO for entry in row] for row in system.system], dtype=np.int8).reshape(size, size)
    column_of = maximum_bipartite_matching(csr_array(pattern), perm_type="column")
    if (column_of < 0).any():
        return everything
    # Row i needs the unknowns that the rows which hold them are solved for.
    needs = csr_array(pattern[:, column_of])
    count, label = connected_components(needs, directed=True, connection="strong")
    if count == 1:
        return everything
    waits = [{int(label[j]) for j in np.flatnonzero(pattern[i, column_of])} - {int(label[i])} for i in range(size)]
    done: list[int] = []
    while len(done) < count:
        done.extend(
            block
            for block in range(count)
            if block not in done and all(waits[i] <= set(done) for i in np.flatnonzero(label == block).tolist())
        )
    return [
        (members, sorted(int(column_of[i]) for i in members))
        for members in (np.flatnonzero(label == block).tolist() for block in done)
    ]
