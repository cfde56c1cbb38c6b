"""Many narrow levels as one sparse triangular solve, where a Python call for each of them would cost more.

Inside a run, u − Σ label · u = (known) for unknowns that are summed, and p u + Σ label · u = −(known) for those that
are divided. With p u for u, the matrix has a unit diagonal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array
from scipy.sparse.linalg import spsolve_triangular

from flowgraph.numeric.numpy_terms import Terms, lay_out

Array = NDArray[Any]

_NARROW = 128
"""Levels with fewer unknowns than this. A level costs some 5 µs as arrays, and an unknown 25 ns to 40 ns in a run."""

_SHORTEST = 16
"""Runs of fewer levels than this are not worth a solve, which costs some 100 µs."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Unknowns that lie together, found in their order; for one point only.

    Attributes:
        at: where they lie.
        labels: places of the labels of the matrix, column after column, the diagonal first in each.
        rows, starts: its rows, and where each column begins.
        negative: the entries that are subtracted.
        columns: the column of each entry.
        diagonal: where the diagonal stands among the entries.
        divided: the unknowns that are divided, and the places of the labels p.
        known: for each known term: the row, the place of the label, the place of the value.
    """

    at: slice
    labels: Array
    rows: Array
    starts: Array
    negative: Array
    columns: Array
    diagonal: Array
    divided: tuple[Array, Array]
    known: tuple[Array, Array, Array]

    def run(self, labels: Array, x: Array) -> None:
        """Find the unknowns, for labels (2 + E, …) of one point and x (N, …)."""
        c, y = labels.reshape(len(labels)), x.reshape(len(x), -1)
        size = self.at.stop - self.at.start
        members, pivots = self.divided
        scale = np.ones(size)
        scale[members] = c[pivots]
        rhs = np.zeros((size, y.shape[1]))
        to, label, source = self.known
        if len(to):
            np.add.at(rhs, to, c[label][:, None] * y[source])
        rhs[members] *= -1.0
        data = c[self.labels]
        data[self.negative] *= -1.0
        data /= scale[self.columns]
        data[self.diagonal] = 1.0
        matrix = csc_array((data, self.rows, self.starts), shape=(size, size))
        found = spsolve_triangular(matrix, rhs, lower=True, overwrite_A=True, overwrite_b=True, unit_diagonal=True)
        y[self.at] = found / scale[:, None]


def find_runs(stages: Array, group: Array) -> list[tuple[int, int]]:
    """Runs of narrow stages, given the stages of the unknowns in their order, and numbers that a run must not mix."""
    if len(stages) == 0:
        return []
    begin = np.flatnonzero(np.diff(stages, prepend=-1))
    end = np.append(begin[1:], len(stages))
    narrow = end - begin < _NARROW
    own = group[begin]
    turn = np.concatenate([[0], 1 + np.flatnonzero((narrow[1:] != narrow[:-1]) | (own[1:] != own[:-1]))])
    found: list[tuple[int, int]] = []
    for first, last in zip(turn.tolist(), [*turn[1:].tolist(), len(begin)], strict=True):
        if narrow[first] and last - first >= _SHORTEST:
            found.append((int(begin[first]), int(end[last - 1])))
    return found


def lay_out_all(
    runs: list[tuple[int, int]],
    order: Array,
    begin: Array,
    pooled: Array,
    starts: Array,
    labels: Array,
    sources: Array,
    to: Array,
    divisor: Array,
) -> list[tuple[int, Terms | Run]]:
    """As ``numpy_terms.lay_out``, with runs; each with the first of its unknowns, in order."""
    kept = np.ones(len(pooled), dtype=bool)
    for first, last in runs:
        kept[np.searchsorted(begin, first) : np.searchsorted(begin, last)] = False
    sizes = np.diff(begin)
    own = order[np.repeat(kept, sizes)]
    bounds = np.concatenate([[0], np.cumsum(sizes[kept])])
    found: list[tuple[int, Terms | Run]] = list(
        zip(
            begin[:-1][kept].tolist(),
            lay_out(own, bounds, pooled[kept], starts, labels, sources, to, divisor),
            strict=True,
        )
    )
    found.extend((first, _run_of(order[first:last], starts, labels, sources, to, divisor)) for first, last in runs)
    return sorted(found, key=lambda step: step[0])


def _run_of(members: Array, starts: Array, labels: Array, sources: Array, to: Array, divisor: Array) -> Run:
    size, first = len(members), int(to[members[0]])
    counts = starts[members + 1] - starts[members]
    row = np.repeat(np.arange(size), counts)
    terms = np.repeat(starts[members] - (np.cumsum(counts) - counts), counts) + np.arange(len(row))
    label, source = labels[terms], sources[terms]
    inside = (source >= first) & (source < first + size)
    diagonal = np.arange(size)
    rows = np.concatenate([diagonal, row[inside]])
    columns = np.concatenate([diagonal, source[inside] - first])
    order = np.lexsort((rows, columns))
    rows, columns = rows[order], columns[order]
    places = np.concatenate([np.zeros(size, dtype=np.int64), label[inside]])[order]
    divides = divisor[members] >= 0
    return Run(
        at=slice(first, first + size),
        labels=places,
        rows=rows.astype(np.int32),
        starts=np.concatenate([[0], np.cumsum(np.bincount(columns, minlength=size))]).astype(np.int32),
        negative=np.flatnonzero(~divides[rows]),
        columns=columns,
        diagonal=np.flatnonzero(rows == columns),
        divided=(np.flatnonzero(divides), divisor[members[divides]]),
        known=(row[~inside], label[~inside], source[~inside]),
    )
