"""Blocks of several rows on whole arrays: A of all blocks of one template assembled at once, factored by its structure.

The entries of A, and of the combinations D of inner rows, are sums of products of coefficients and of other D: they are
found by the same sums as everything else, for all blocks of a template side by side.

Reference: THEORY section 7.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import get_lapack_funcs, lu_solve

from flowgraph.numeric.blocks import BAND
from flowgraph.numeric.external import ExternalBlock
from flowgraph.numeric.numpy_sweeps import row_levels
from flowgraph.numeric.numpy_terms import MINUS, OFFSET, Terms, arrange, lay_out
from flowgraph.numeric.schedule import Schedule

Array = NDArray[Any]

_GETRF, _GETRS, _GBTRF, _GBTRS = get_lapack_funcs(("getrf", "getrs", "gbtrf", "gbtrs"))

_SMALLEST_FACTORED = 17
"""Smaller matrices are solved in batches, where factoring them again costs less than a call for each."""

_AT_ONCE = 2**21
"""So many numbers are assembled at once at most."""


class Factor(ABC):
    """A of all blocks of one template at B members, factored.

    Attributes:
        singular: (K, B) whether A is singular.
        sign: (K, B) the sign of det A.
        log: (K, B) log|det A|.
    """

    singular: Array
    sign: Array
    log: Array

    @abstractmethod
    def solve(self, first: int, last: int, y: Array, members: slice, *, transposed: bool) -> Array:
        """A⁻¹ y for some blocks and members, y (blocks, l, members, k); any numbers where A is singular."""


@final
class DiagonalFactor(Factor):
    """A is diagonal."""

    def __init__(self, diagonal: Array) -> None:
        """From (K, B, l)."""
        self.singular = ~((diagonal != 0.0) & np.isfinite(diagonal)).all(axis=2)
        self.sign = np.where(np.count_nonzero(diagonal < 0.0, axis=2) % 2 == 0, 1.0, -1.0)
        self.log = np.log(np.abs(diagonal)).sum(axis=2)
        self._diagonal = np.ascontiguousarray(diagonal.swapaxes(1, 2))[..., None]

    def solve(self, first: int, last: int, y: Array, members: slice, *, transposed: bool) -> Array:
        return y / self._diagonal[first:last, :, members]


@final
class SmallFactor(Factor):
    """A is small: kept as it is and solved anew, many at once."""

    def __init__(self, matrices: Array) -> None:
        """From (K, B, l, l)."""
        self.sign, self.log = np.linalg.slogdet(matrices)
        self.singular = ~((self.sign != 0.0) & np.isfinite(self.log))
        self._matrices = matrices
        self._matrices[self.singular] = np.eye(matrices.shape[-1])

    def solve(self, first: int, last: int, y: Array, members: slice, *, transposed: bool) -> Array:
        matrices = self._matrices[first:last, members]
        if transposed:
            matrices = matrices.swapaxes(2, 3)
        rhs = y.swapaxes(1, 2)
        try:
            found = np.linalg.solve(matrices, rhs)
        except np.linalg.LinAlgError:
            # Rounding can make Aᵀ singular where A is not: solve with the factors of A then.
            found = _one_by_one(self._matrices[first:last, members], rhs, int(transposed))
        return found.swapaxes(1, 2)


def _one_by_one(matrices: Array, rhs: Array, trans: int) -> Array:
    found = np.empty(rhs.shape)
    for k, b in np.ndindex(rhs.shape[:2]):
        lu, swaps, _ = _GETRF(matrices[k, b])
        found[k, b] = _GETRS(lu, swaps, rhs[k, b], trans=trans)[0]
    return found


@final
class LapackFactor(Factor):
    """A is a band, or dense: factored one by one."""

    def __init__(self, matrices: Array, lower: int, upper: int) -> None:
        """From (K, B, l, width) columns of bands, or (K, B, l, l) rows of dense matrices with ``lower`` = −1."""
        shape, size = matrices.shape[:2], matrices.shape[2]
        self._band = (lower, upper) if lower >= 0 else None
        self.singular = np.zeros(shape, dtype=bool)
        self.sign, self.log = np.ones(shape), np.zeros(shape)
        self._factors: dict[tuple[int, int], tuple[Array, Array]] = {}
        places = np.arange(size)
        for k, b in np.ndindex(*shape):
            if self._band:
                lu, swaps, info = _GBTRF(matrices[k, b].T, lower, upper, overwrite_ab=True)
                diagonal = lu[lower + upper]
            else:
                lu, swaps, info = _GETRF(matrices[k, b])
                diagonal = lu.diagonal()
            if info > 0 or not np.isfinite(diagonal).all():
                self.singular[k, b] = True
                continue
            odd = np.count_nonzero(diagonal < 0.0) + np.count_nonzero(swaps != places)
            self.sign[k, b] = -1.0 if odd % 2 else 1.0
            self.log[k, b] = np.log(np.abs(diagonal)).sum()
            self._factors[k, b] = (lu, swaps)

    def solve(self, first: int, last: int, y: Array, members: slice, *, transposed: bool) -> Array:
        found = np.full(y.shape, np.nan)
        for k, b in np.ndindex(y.shape[0], y.shape[2]):
            factor = self._factors.get((first + k, (members.start or 0) + b))
            if factor is None:
                continue
            if self._band:
                found[k, :, b] = _GBTRS(factor[0], *self._band, y[k, :, b], factor[1], trans=int(transposed))[0]
            else:
                found[k, :, b] = _GETRS(*factor, y[k, :, b], trans=int(transposed))[0]
        return found


@final
@dataclass(frozen=True, slots=True, eq=False)
class Assembly:
    """How A is assembled for the blocks of one template.

    Attributes:
        entries: (entries of one block, K) their labels.
        steps: sums that fill a workspace.
        workspace: numbers of the workspace: 1, the D of inner rows, A.
        first: where A begins in it.
        size, lower, upper: of A.
        kind: "diagonal", "small", "band" or "dense".
    """

    entries: Array
    steps: tuple[Terms, ...]
    workspace: int
    first: int
    size: int
    lower: int
    upper: int
    kind: str

    def factor(self, labels: Array) -> Factor:
        """Assemble and factor A of every block, given labels (2 + E, B)."""
        n_blocks, members = self.entries.shape[1], labels.shape[1]
        shape = (n_blocks, members, self.workspace - self.first)
        numbers = np.empty(shape)
        chunk = max(1, _AT_ONCE // ((self.workspace + len(self.entries)) * max(1, members)))
        for at in range(0, n_blocks, chunk):
            places = self.entries[:, at : at + chunk]
            own = np.empty((OFFSET + len(places), places.shape[1], members))
            own[:OFFSET] = labels[:OFFSET, None]
            own[OFFSET:] = labels[places]
            work = np.zeros((self.workspace, places.shape[1], members))
            work[0] = 1.0
            for step in self.steps:
                step.run(own, work)
            numbers[at : at + chunk] = work[self.first :].transpose(1, 2, 0)
        if self.kind == "diagonal":
            return DiagonalFactor(numbers)
        matrices = numbers.reshape(n_blocks, members, self.size, shape[2] // self.size)
        if self.kind == "small":
            return SmallFactor(matrices)
        return LapackFactor(matrices, *((self.lower, self.upper) if self.kind == "band" else (-1, -1)))


def assembly_of(schedule: Schedule, members: Array) -> Assembly:
    """How A is assembled for blocks of one template, whose numbers are given."""
    table, n = schedule.table, schedule.n_inputs
    block = int(members[0])
    size, lower, upper = int(table.sizes[block]), int(table.lower[block]), int(table.upper[block])
    span = slice(table.starts[block], table.starts[block + 1])
    rows = table.rows[span].astype(np.int64)
    equation, low, high = table.equation[span].astype(np.int64), table.low[span], table.high[span]
    width = (high - low).astype(np.int64)
    counts = schedule.starts[rows + 1] - schedule.starts[rows]
    local = np.arange(len(rows))
    row = np.repeat(local, counts)
    arguments = schedule.arguments[np.repeat(schedule.starts[rows] - _before(counts), counts) + np.arange(len(row))]
    place = np.where(table.found_in[arguments] == block, table.place[arguments], size)
    direct, through = (place >= 0) & (place < size), place < 0
    inner = np.searchsorted(rows, arguments[through] - n)
    # D of the inner rows, then A: where column 0 of each row would stand.
    first = 1 + int(width[equation < 0].sum())
    kind = "diagonal" if max(lower, upper) == 0 else "small" if size < _SMALLEST_FACTORED else "dense"
    if kind == "dense" and table.kinds[block] == BAND:
        kind = "band"
    # (row of A, column) → its place: the diagonal; rows of a matrix; columns of a band as LAPACK has them.
    band_width = 2 * lower + upper + 1
    pitch, across, shift = {"diagonal": (0, 1, 0), "band": (1, band_width - 1, lower + upper)}.get(kind, (size, 1, 0))
    zero = np.where(equation < 0, 1 + _before(np.where(equation < 0, width, 0)) - low, first + shift + pitch * equation)
    along = np.where(equation < 0, 1, across)
    result = np.where(table.found_in[n + rows] == block, table.place[n + rows], -1)
    minus = np.flatnonzero((equation >= 0) & (result >= 0))
    spread = width[inner]
    step = np.arange(int(spread.sum())) - np.repeat(_before(spread), spread)
    reader, made = np.repeat(row[through], spread), np.repeat(inner, spread)
    column = low[made] + step
    to = np.concatenate(
        [
            zero[row[direct]] + along[row[direct]] * place[direct],
            zero[reader] + along[reader] * column,
            zero[minus] + along[minus] * result[minus],
        ]
    )
    labels = np.concatenate(
        [
            OFFSET + np.flatnonzero(direct),
            OFFSET + np.repeat(np.flatnonzero(through), spread),
            np.full(len(minus), MINUS),
        ]
    )
    sources = np.concatenate(
        [
            np.zeros(int(direct.sum()), dtype=np.int64),
            zero[made] + column,
            np.zeros(len(minus), dtype=np.int64),
        ]
    )
    # Inner rows read inner rows above them; equations come last.
    starts = np.concatenate([[0], np.cumsum(np.bincount(row[through], minlength=len(rows)))])
    depth = row_levels(0, starts, inner)
    stage_of_row = np.where(equation < 0, depth, int(depth.max(initial=0)) + 1)
    targets, unknown = np.unique(to, return_inverse=True)
    stage = np.zeros(len(targets), dtype=np.int64)
    stage[unknown] = stage_of_row[np.concatenate([row[direct], reader, minus])]
    terms = np.argsort(unknown, kind="stable")
    begin_of = np.concatenate([[0], np.cumsum(np.bincount(unknown, minlength=len(targets)))])
    order, begin, pooled = arrange(stage, np.diff(begin_of), np.zeros(len(targets), dtype=bool), targets)
    none = np.full(len(targets), -1, dtype=np.int64)
    steps = lay_out(order, begin, pooled, begin_of, labels[terms], sources[terms], targets, none)
    store = {"diagonal": size, "band": size * band_width}.get(kind, size * size)
    own = schedule.starts[table.rows[table.starts[members] + local[:, None]]].astype(np.int64)
    entries = OFFSET + np.repeat(own - _before(counts)[:, None], counts, axis=0) + np.arange(len(row))[:, None]
    return Assembly(entries, tuple(steps), first + store, first, size, lower, upper, kind)


def _before(counts: Array) -> Array:
    return np.cumsum(counts) - counts


def solve_external(block: ExternalBlock, rhs: Array, *, transposed: bool) -> Array:
    """M⁻¹ rhs, or M⁻ᵀ rhs, of an external block."""
    if block.dense:
        return lu_solve(block.factor, rhs, trans=int(transposed), check_finite=False)
    return block.factor.solve(np.ascontiguousarray(rhs), trans="T" if transposed else "N")
