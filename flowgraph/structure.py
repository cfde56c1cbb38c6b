"""The structure of a Jacobian, on the columns of a program: rank, certificate, matching, and the blocks to be solved.

The *extended Jacobian* E has one row for each step, v̇ − Σ c·ẋ = 0, and one for each output, v̇ = ẏ; its columns are the
values. det J = ± det E. A perfect matching of E's rows with its columns exists exactly when disjoint paths join all
inputs with all outputs: a step matched with its own result computes it, one matched with an argument continues the path
from that argument to the result. Without a perfect matching J is singular for every x, and the rows that cannot all be
matched (Dulmage and Mendelsohn) give a small set of values through which too much has to pass. With one, the strongly
connected components of E are the *blocks*: what really has to be solved, in the order in which it can be.

References: arXiv:2411.18786, section on lumps; A. Pothen and C.-J. Fan, ACM TOMS 16 (1990) 303–324; THEORY section 7.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final, overload

import numpy as np
from numpy.typing import NDArray

from flowgraph.certificate import Certificate, certify
from flowgraph.data_flow import DataFlow, data_flow, entries, ints, is_row, match_rows, sorted_components
from flowgraph.errors import NotInvertible
from flowgraph.program import Program, require_program

Array = NDArray[Any]


# -- blocks -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of E that have to be solved together, and the values they are solved for.

    Attributes:
        steps: step numbers, ascending.
        outputs: output places, from 0; a block with an output has nothing else and gives that value.
        values: value numbers found by the block, as many as it has rows.
        path: those found by path rows: by dividing by the partial of an argument, or given by an output. The other rows
            compute their own results from known values.
        unknowns: those that no step of the block computes, l in number: with the results of its steps eliminated, the
            block is an l×l system.
        scalar: whether there is one row only, and so no linear system.
    """

    steps: tuple[int, ...]
    outputs: tuple[int, ...]
    values: tuple[int, ...]
    path: tuple[int, ...]
    unknowns: tuple[int, ...]

    @property
    def size(self) -> int:
        """l, the number of equations that are left when what the steps compute inside the block is eliminated."""
        return len(self.unknowns)

    @property
    def scalar(self) -> bool:
        """Whether the block is one scalar operation."""
        return len(self.steps) + len(self.outputs) == 1


@final
class Blocks(Sequence[Block]):
    """The blocks in an order in which J⁻¹ can be applied: each needs values of earlier ones only.

    Attributes:
        rows: (T′ + n,) the rows of E, block after block: step k is row k, output i is row T + i.
        starts: (B + 1,) where each block begins in ``rows``.
    """

    def __init__(self, rows: Array, starts: Array, matching: Array, n_inputs: int, n_steps: int) -> None:
        self.rows = rows
        self.starts = starts
        self._matching = matching
        self._n_inputs = n_inputs
        self._n_steps = n_steps

    @cached_property
    def sizes(self) -> Array:
        """(B,) number of rows of each block."""
        return np.diff(self.starts)

    @cached_property
    def with_steps(self) -> Array:
        """(B,) whether the block holds a step rather than an output."""
        return self.rows[self.starts[:-1]] < self._n_steps

    def __len__(self) -> int:
        return len(self.starts) - 1

    @overload
    def __getitem__(self, index: int) -> Block: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Block, ...]: ...
    def __getitem__(self, index: int | slice) -> Block | tuple[Block, ...]:
        if isinstance(index, slice):
            return tuple(self[k] for k in range(*index.indices(len(self))))
        if not -len(self) <= index < len(self):
            raise IndexError(f"block {index} of {len(self)}")
        index %= len(self)
        rows = np.sort(self.rows[self.starts[index] : self.starts[index + 1]])
        steps = rows[rows < self._n_steps]
        found = self._matching[rows]
        return Block(
            steps=ints(steps),
            outputs=ints(rows[rows >= self._n_steps] - self._n_steps),
            values=ints(np.sort(found)),
            path=ints(np.sort(found[found != self._n_inputs + rows])),
            unknowns=ints(np.setdiff1d(found, self._n_inputs + steps)),
        )

    def __iter__(self) -> Iterator[Block]:
        return (self[k] for k in range(len(self)))


def _blocks(flow: DataFlow, matching: Array) -> Blocks:
    rows, columns = entries(flow)
    holder = np.empty(flow.n_inputs + flow.n_steps, dtype=np.int64)
    members = np.flatnonzero(matching >= 0)
    holder[matching[members]] = members
    order, starts = sorted_components(rows, holder[columns], members, len(matching))
    return Blocks(order, starts, matching, flow.n_inputs, flow.n_steps)


# -- all of it --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Structure:
    """What the pattern of a Jacobian says about its inverse, for every x at once. See ``decompose``.

    Attributes:
        program: the program.
        flow: who reads what in it.
        rank: structural rank of J: the largest number of disjoint paths from inputs to outputs, the rank of J for
            almost all values of its partials.
        matching: (T + m,) the value matched with each step, then with each output; −1 where there is none.
        certificate: why J is singular for every x, or None.
        blocks: what has to be solved, in order; empty where J is singular for every x.
    """

    program: Program
    flow: DataFlow
    rank: int
    matching: Array
    certificate: Certificate | None
    blocks: Blocks

    @property
    def singular(self) -> bool:
        """Whether J has no inverse for any x: it is not square, or its structural rank is less than n."""
        return self.certificate is not None


def decompose(program: Program) -> Structure:
    """Find the structural rank of a program's Jacobian, the blocks of its inverse, or why it has none.

    Linear in the number of steps for programs whose steps overwrite what they read last, and fast in practice for all.
    Dead steps take no part. A partial that is zero for every x, as in x − x, counts as an entry: deriving an inverse
    mode finds it.

    Args:
        program: straight-line code, square or not.

    Reference: THEORY section 7.

    Example:
        >>> from flowgraph.language import parse
        >>> structure = decompose(parse("inputs x, y\\nv = k(y)\\nz = f(x, v)\\noutputs z, y"))
        >>> structure.rank, [block.steps for block in structure.blocks if block.steps]
        (2, [(0,), (1,)])
        >>> print(decompose(parse("inputs x, y\\nt = f(x, y)\\nu = g(t)\\noutputs t, u")).certificate)
        this 1 value separates 2 inputs (x, y) from 2 outputs (t, u): t (line 2)
    """
    require_program(program)
    flow = data_flow(program)
    matching = match_rows(flow)
    rows = int(np.count_nonzero(is_row(flow)))
    matched = int(np.count_nonzero(matching >= 0))
    steps = rows - program.n_outputs
    rank = matched - steps
    if matched < rows or program.n_outputs != program.n_inputs:
        none = Blocks(np.zeros(0, dtype=np.int64), np.zeros(1, dtype=np.int64), matching, flow.n_inputs, flow.n_steps)
        return Structure(program, flow, rank, matching, certify(program, flow, matching), none)
    return Structure(program, flow, rank, matching, None, _blocks(flow, matching))


def require_invertible(program: Program) -> Structure:
    """The structure of a program whose Jacobian has an inverse for almost all values of its partials.

    Raises:
        NotInvertible: J is not square, or singular for every x; with the certificate.
    """
    structure = decompose(program)
    n, m = program.n_inputs, program.n_outputs
    if m != n:
        raise NotInvertible(
            "an inverse mode needs as many outputs as inputs",
            certificate=structure.certificate,
            got=f"{n} input{'s' * (n != 1)} and {m} output{'s' * (m != 1)}",
            expected="n inputs and n outputs",
            remedy="keep as many values as there are inputs, passive ones too: after `outputs`, or in what f returns",
        )
    if structure.certificate is not None:
        raise NotInvertible(
            "the Jacobian is singular for every x",
            certificate=structure.certificate,
            where=str(structure.certificate),
            got=f"structural rank {structure.rank}",
            expected=f"rank {n}",
            remedy="keep as many independent values as there are inputs: `flowgraph analyze` shows what is lost where",
        )
    return structure
