"""How each block of several rows is solved: what is eliminated, in which order, and how its matrix is stored.

A row of a block that computes its own result is *inner*: it is eliminated with the pivot 1, so its result is a
combination D of the block's unknowns and of known values. The others are *equations*: A u = (known), A is l×l. Unknowns
and equations are ordered so that the entries of every D and every row of A lie in short intervals; A is then a band,
or a small dense matrix. What fits neither is *external*: it goes to LAPACK or SuperLU as a whole.

Blocks that look the same are laid out once.

Reference: THEORY section 7; A. George and J. Liu, Computer Solution of Large Sparse Positive Definite Systems, ch. 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import reverse_cuthill_mckee

Array = NDArray[Any]

DENSE, BAND, EXTERNAL = 0, 1, 2
"""The kinds of blocks: a dense matrix, row by row; a band, row by row with room for row exchanges; external."""

_LARGEST_DENSE = 160
"""Dense blocks with more unknowns than this go to LAPACK."""

_WIDEST = 96
"""Bands with more diagonals below the main one than this go to SuperLU."""

_MOST_ENTRIES = 20_000_000
"""Blocks whose elimination has more entries than this go to SuperLU without looking closer."""

_AT_ONCE = 2**15
"""Rows that are looked at together."""


@dataclass(frozen=True, slots=True, eq=False)
class BlockTable:
    """The blocks of several rows.

    Attributes:
        starts: (K + 1,) where the rows of each block begin in ``rows``.
        rows: row numbers, ascending in each block.
        found_in: (n + R,) the block that finds each value, or −1. Empty without blocks.
        place: (n + R,) column of each unknown; −1 − (offset of its D in the workspace) for inner results.
        equation: per row of ``rows``: its place among the equations, or −1 for inner rows.
        row_at: (n + R,) where the row that computes an inner result stands in ``rows``. Empty without blocks.
        offset: per row of ``rows``: where its D begins in the workspace; 0 for equations.
        low, high: per row of ``rows``: the first column of its D or its row of A, and one more than the last.
        sizes: (K,) l, the number of unknowns.
        lower, upper: (K,) diagonals of A below and above the main one.
        kinds: (K,) DENSE, BAND or EXTERNAL.
        unknown_starts: (K + 1,) where the unknowns of each block begin in ``unknowns``.
        unknowns: value numbers by column.
        factor_starts: (K + 1,) where the numbers of each factored A begin; 0 numbers where external.
        workspace: numbers needed for the D of one block at most.
        template: (K,) blocks with one number look the same.
    """

    starts: Array
    rows: Array
    found_in: Array
    place: Array
    row_at: Array
    equation: Array
    offset: Array
    low: Array
    high: Array
    sizes: Array
    lower: Array
    upper: Array
    kinds: Array
    unknown_starts: Array
    unknowns: Array
    factor_starts: Array
    workspace: int
    template: Array

    def __len__(self) -> int:
        return len(self.sizes)


@dataclass(frozen=True, slots=True, eq=False)
class _Template:
    """One layout, in numbers local to the block.

    Attributes:
        place: per row: column of the unknown that it is matched with, or −1 − (offset of D) for inner rows.
        equation, low, high: as in ``BlockTable``.
        size, lower, upper, kind: as there, for one block.
        columns: the local row matched with the unknown of each column.
        workspace: numbers for the D of the inner rows.
    """

    place: Array
    equation: Array
    low: Array
    high: Array
    size: int
    lower: int
    upper: int
    kind: int
    columns: Array
    workspace: int

    @property
    def n_numbers(self) -> int:
        """Numbers of the factored A."""
        width = {DENSE: self.size, BAND: 2 * self.lower + self.upper + 1, EXTERNAL: 0}[self.kind]
        return self.size * width


def no_blocks() -> BlockTable:
    """The table where all rows stand alone."""
    none = np.zeros(0, dtype=np.int32)
    zero = np.zeros(1, dtype=np.int64)
    return BlockTable(
        starts=zero,
        rows=none,
        found_in=none,
        place=none,
        row_at=none,
        equation=none,
        offset=none,
        low=none,
        high=none,
        sizes=none,
        lower=none,
        upper=none,
        kinds=none,
        unknown_starts=zero,
        unknowns=none,
        factor_starts=zero,
        workspace=0,
        template=none,
    )


def lay_out(
    starts: Array, arguments: Array, n: int, pivots: Array, holder: Array, block_of: Array, rows: Array, begin: Array
) -> BlockTable:
    """Lay out the blocks of several rows.

    Args:
        starts, arguments, pivots: the system, see ``Schedule``.
        n: number of inputs.
        holder: (n + R,) the row matched with each value.
        block_of: (R,) the block of each row, or −1 where it stands alone.
        rows: the rows of the blocks, block after block, ascending in each.
        begin: (K + 1,) where each block begins there.
    """
    n_rows, n_blocks = len(pivots), len(begin) - 1
    own_starts, own_rows = begin.astype(np.int64), rows
    counts = np.diff(starts)[own_rows]
    entry_starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    codes, results = _local_codes(starts, arguments, n, holder, block_of, rows, begin, entry_starts)
    inner = pivots[own_rows] < 0
    templates: list[_Template] = []
    known: dict[tuple[bytes, ...], int] = {}
    template = np.empty(n_blocks, dtype=np.int32)
    for b in range(n_blocks):
        first, last = own_starts[b], own_starts[b + 1]
        span = slice(entry_starts[first], entry_starts[last])
        columns = (counts[first:last], codes[span], results[first:last], inner[first:last])
        key = tuple(column.tobytes() for column in columns)
        if key not in known:
            known[key] = len(templates)
            templates.append(_lay_out_one(*columns))
        template[b] = known[key]
    del codes, results
    of = [templates[t] for t in template.tolist()]
    table_sizes = np.array([t.size for t in of], dtype=np.int32)
    found_in = np.full(n + n_rows, -1, dtype=np.int32)
    place = np.zeros(n + n_rows, dtype=np.int32)
    values = n + own_rows
    divided = ~inner
    values[divided] = arguments[pivots[own_rows[divided]]]
    found_in[values] = block_of[own_rows]
    local_places = np.concatenate([t.place for t in of])
    place[values] = local_places
    row_at = np.full(n + n_rows, -1, dtype=np.int32)
    row_at[values[inner]] = np.flatnonzero(inner)
    by_column = np.concatenate([t.columns + start for t, start in zip(of, own_starts[:-1].tolist(), strict=True)])
    return BlockTable(
        starts=own_starts,
        rows=own_rows,
        found_in=found_in,
        place=place,
        row_at=row_at,
        equation=np.concatenate([t.equation for t in of]),
        offset=np.where(inner, -1 - local_places, 0).astype(np.int32),
        low=np.concatenate([t.low for t in of]),
        high=np.concatenate([t.high for t in of]),
        sizes=table_sizes,
        lower=np.array([t.lower for t in of], dtype=np.int32),
        upper=np.array([t.upper for t in of], dtype=np.int32),
        kinds=np.array([t.kind for t in of], dtype=np.int32),
        unknown_starts=np.concatenate([[0], np.cumsum(table_sizes)]),
        unknowns=values[by_column].astype(np.int32),
        factor_starts=np.concatenate([[0], np.cumsum([t.n_numbers for t in of])]),
        workspace=max(t.workspace for t in of),
        template=template,
    )


def _local_codes(
    starts: Array,
    arguments: Array,
    n: int,
    holder: Array,
    block_of: Array,
    rows: Array,
    begin: Array,
    entry_starts: Array,
) -> tuple[Array, Array]:
    """Every entry, and every row's own result, by the local number of the row that finds the value; −1 if known."""
    local = np.zeros(len(block_of), dtype=np.int32)
    local[rows] = np.arange(len(rows), dtype=np.int32) - np.repeat(begin[:-1], np.diff(begin))

    def code(values: Array, of: Array) -> Array:
        held = holder[values]
        # What nobody holds is looked up at the end, and does not count.
        outside = (held < 0) | (block_of[held] != of)
        found = local[held]
        found[outside] = -1
        return found

    codes = np.empty(entry_starts[-1], dtype=np.int32)
    results = np.empty(len(rows), dtype=np.int32)
    # Piece by piece, so that little memory is needed besides.
    for first in range(0, len(rows), _AT_ONCE):
        own = rows[first : first + _AT_ONCE]
        bounds = entry_starts[first : first + _AT_ONCE + 1]
        counts = np.diff(bounds)
        entries = np.arange(bounds[0], bounds[-1]) + np.repeat(starts[own] - bounds[:-1], counts)
        codes[bounds[0] : bounds[-1]] = code(arguments[entries], np.repeat(block_of[own], counts))
        results[first : first + _AT_ONCE] = code(n + own, block_of[own])
    return codes, results


def _lay_out_one(counts: Array, codes: Array, results: Array, inner: Array) -> _Template:
    """The layout of one block.

    Args:
        counts: number of entries of each row.
        codes: per entry: the local row that finds the value, or −1.
        results: per row: the local row that finds its result, or −1.
        inner: per row: whether it computes its own result.
    """
    equations = np.flatnonzero(~inner)
    size = len(equations)
    ordinal = np.full(len(counts), -1, dtype=np.int64)
    ordinal[equations] = np.arange(size)
    patterns = _patterns(counts, codes, results, inner, ordinal)
    column, lower, upper = np.arange(size), size, size
    if patterns is not None:
        lengths, unknowns = patterns
        in_equation = np.repeat(~inner, lengths)
        at = np.repeat(np.arange(size), lengths[equations])
        column, lower, upper = _best_order(at, unknowns[in_equation], size)
    # A wide band is no better than a dense matrix, but it is where that would be too large.
    as_band = lower <= _WIDEST and (2 * lower + upper + 1 < 0.8 * size or size > _LARGEST_DENSE)
    kind = BAND if as_band else DENSE if size <= _LARGEST_DENSE else EXTERNAL
    if kind == EXTERNAL or patterns is None:
        kind, low, high = EXTERNAL, np.zeros(len(counts)), np.zeros(len(counts))
    else:
        # Equations stand in the order of the unknowns that they are matched with, so the pairing is even.
        lengths, unknowns = patterns
        some, starts = lengths > 0, np.cumsum(lengths) - lengths
        low, high = np.zeros((2, len(counts)), dtype=np.int64)
        low[some] = np.minimum.reduceat(column[unknowns], starts[some])
        high[some] = np.maximum.reduceat(column[unknowns], starts[some]) + 1
    lengths = np.where(inner, high - low, 0)
    offsets = np.cumsum(lengths) - lengths
    equation = np.where(inner, -1, column[ordinal])
    return _Template(
        place=np.where(inner, -1 - offsets, column[ordinal]).astype(np.int32),
        equation=equation.astype(np.int32),
        low=low.astype(np.int32),
        high=high.astype(np.int32),
        size=size,
        lower=lower if kind == BAND else size - 1,
        upper=upper if kind == BAND else size - 1,
        kind=kind,
        columns=equations[np.argsort(column)].astype(np.int32),
        workspace=int(lengths.sum()),
    )


def _patterns(counts: Array, codes: Array, results: Array, inner: Array, ordinal: Array) -> tuple[Array, Array] | None:
    """Which unknowns each row's D, or its row of A, depends on; None where that is too much.

    Returns:
        (R,) how many of each row, and all of them row by row.
    """
    patterns: list[tuple[int, ...]] = []
    position, total = 0, 0
    # Most rows have a few unknowns: too few for arrays to pay.
    all_codes, is_inner, unknown = codes.tolist(), inner.tolist(), ordinal.tolist()
    for row, (count, result) in enumerate(zip(counts.tolist(), results.tolist(), strict=True)):
        met: set[int] = set()
        own = (result,) if not is_inner[row] else ()
        for code in (*all_codes[position : position + count], *own):
            if code < 0:
                continue
            if is_inner[code]:
                met.update(patterns[code])
            else:
                met.add(unknown[code])
        position += count
        patterns.append(tuple(met))
        total += len(met)
        if total > _MOST_ENTRIES:
            return None
    lengths = np.fromiter(map(len, patterns), dtype=np.int64, count=len(patterns))
    return lengths, np.fromiter(chain.from_iterable(patterns), dtype=np.int64, count=total)


def _best_order(at: Array, to: Array, size: int) -> tuple[Array, int, int]:
    """The column of each unknown, and the diagonals of A below and above the main one, in the best of three orders.

    As they stand; from both ends to the middle, which makes a periodic band a band; reverse Cuthill and McKee.

    Args:
        at: per entry of A: its equation.
        to: per entry of A: its unknown.
        size: the number of either.
    """
    natural = np.arange(size)
    best = (natural, *_band(natural, at, to))
    if best[1] + best[2] <= 2 or size <= 2:
        return best
    both = csr_array((np.ones(2 * len(at)), (np.concatenate([at, to]), np.concatenate([to, at]))), shape=(size, size))
    mckee = np.empty(size, dtype=np.int64)
    mckee[reverse_cuthill_mckee(both, symmetric_mode=True)] = natural
    folded = np.where(2 * natural < size, 2 * natural, 2 * (size - 1 - natural) + 1)
    for column in (folded, mckee):
        other = (column, *_band(column, at, to))
        if other[1] + other[2] < best[1] + best[2]:
            best = other
    return best


def _band(column: Array, at: Array, to: Array) -> tuple[int, int]:
    offset = column[to] - column[at]
    return int(max(0, -offset.min(initial=0))), int(max(0, offset.max(initial=0)))
