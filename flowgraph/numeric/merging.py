"""Rows with a tiny pivot, merged with the rows that read their results.

``z = ε u + w`` finds u as (z − w)/ε: what is lost in z − w comes out divided by ε, however well conditioned J is.
Written into the rows that read z, its entries meet theirs before anything is divided: ``(w − z)/ε`` becomes −u exactly.
The rows then form a block, which is solved with pivoting.

Reference: THEORY section 8.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowgraph.numeric.schedule import Schedule, arrange, complete

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Merged:
    """A system in which some rows are written into those that read them.

    Attributes:
        schedule: the new system.
        kept: old entries that go over as they are, and where to.
        kept_to: the new entries.
        outer, inner: pairs of old entries whose products are added.
        product_to: the new entries.
    """

    schedule: Schedule
    kept: Array
    kept_to: Array
    outer: Array
    inner: Array
    product_to: Array

    def coefficients(self, c: Array) -> Array:
        """(B, E′) the coefficients of the new system from those (B, E) of the old one."""
        new = np.zeros((len(c), len(self.schedule.arguments)))
        for b in range(len(c)):
            np.add.at(new[b], self.kept_to, c[b, self.kept])
            np.add.at(new[b], self.product_to, c[b, self.outer] * c[b, self.inner])
        return new


def merge(schedule: Schedule, rows: Array) -> Merged | None:
    """Write rows into the rows that read their results; None where nothing reads them.

    Args:
        schedule: the system.
        rows: the rows. Of two that read each other's result, the later one is left for another time.
    """
    n, starts, arguments = schedule.n_inputs, schedule.starts, schedule.arguments
    n_rows = schedule.n_rows
    owner = np.repeat(np.arange(n_rows), np.diff(starts))
    chosen = np.zeros(n + n_rows, dtype=bool)
    chosen[n + rows] = True
    # A row that reads another chosen one waits.
    waiting = owner[chosen[arguments] & chosen[n + owner]]
    chosen[n + waiting] = False
    through = np.flatnonzero(chosen[arguments])
    if len(through) == 0:
        return None
    direct = np.flatnonzero(~chosen[arguments])
    counts = np.diff(starts)[arguments[through] - n]
    ends = np.cumsum(counts)
    outer = np.repeat(through, counts)
    inner = np.repeat(starts[arguments[through] - n] - (ends - counts), counts) + np.arange(ends[-1])
    row = np.concatenate([owner[direct], owner[outer]])
    value = np.concatenate([arguments[direct], arguments[inner]])
    key, to = np.unique(row.astype(np.int64) * (n + n_rows) + value, return_inverse=True)
    new_rows, new_arguments = key // (n + n_rows), (key % (n + n_rows)).astype(np.int32)
    new_starts = np.searchsorted(new_rows, np.arange(n_rows + 1)).astype(np.int32)
    # The matching as far as it survives; rows whose result nobody reads any more compute it themselves.
    pivots = np.full(n_rows, -1, dtype=np.int32)
    divided = np.flatnonzero(schedule.pivots >= 0)
    old = schedule.pivots[divided]
    place = np.full(len(arguments), -1, dtype=np.int64)
    place[direct] = to[: len(direct)]
    pivots[divided] = place[old]
    pivots[rows] = -1
    found = complete(new_starts, new_arguments, schedule.outputs, n, pivots)
    if found is None:
        return None
    return Merged(
        schedule=arrange(new_starts, new_arguments, schedule.outputs, n, found),
        kept=direct,
        kept_to=to[: len(direct)],
        outer=outer,
        inner=inner,
        product_to=to[len(direct) :],
    )
