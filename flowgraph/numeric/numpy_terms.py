"""Sums of products on whole arrays: u = Σ label · x for all unknowns of one stage at once.

A sweep is a list of such sums. Unknowns of one stage are grouped by the number of their terms; the j-th terms of all
members of a group are one gather each of labels and of values, or a view where the places are consecutive, as they are
for programs made of array expressions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Places = slice | Array

MINUS, PLUS, OFFSET = 0, 1, 2
"""Labels stand after two numbers, −1 and 1, so that every term has a label."""

_SMALL = 16
"""Groups of fewer members than this are summed together with others, as runs of unequal length."""

_SHORT = 400
"""Groups of fewer members than this gather all terms in one call."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """The sums of one group.

    Attributes:
        to: where they go.
        slots: for each term, the places of the labels, or MINUS or PLUS for all of them, and of the values.
        begin: where the terms of each member begin, if they are gathered as runs; the only slot has all of them.
        matrix: whether the only slot has the terms of all members, term by term.
        divisor: places of the labels p that the sums are divided by, as −p; None where they are not.
    """

    to: Places
    slots: tuple[tuple[Any, Places], ...]
    begin: Array | None
    matrix: bool
    divisor: Places | None

    def run(self, labels: Array, x: Array) -> None:
        """x[to] ← Σ label · x, divided by −p."""
        into = x[self.to] if isinstance(self.to, slice) else None
        if not self.slots:
            x[self.to] = 0.0
            return
        if self.matrix or self.begin is not None:
            total = gather(labels, self.slots[0][0]) * gather(x, self.slots[0][1])
            total = total.sum(axis=0) if self.begin is None else np.add.reduceat(total, self.begin, axis=0)
        else:
            total = self._sum(labels, x, into)
        if self.divisor is not None:
            total = np.divide(total, gather(labels, self.divisor), out=into)
            np.negative(total, out=total)
        if into is None:
            x[self.to] = total
        elif total is not into:
            into[...] = total

    def _sum(self, labels: Array, x: Array, into: Array | None) -> Array:
        total: Any = None
        for label, places in self.slots:
            values = x[places] if isinstance(places, slice) else x.take(places, axis=0)
            if isinstance(label, int):
                if total is None:
                    total = np.negative(values, out=into) if label == MINUS else _copy(values, into)
                elif label == MINUS:
                    total -= values
                else:
                    total += values
                continue
            factors = labels[label] if isinstance(label, slice) else labels.take(label, axis=0)
            if total is None:
                total = np.multiply(factors, values, out=into)
            else:
                total += factors * values
        return total


def gather(x: Array, places: Places) -> Array:
    """The numbers at some places."""
    return x[places] if isinstance(places, slice) else x.take(places, axis=0)


def _copy(values: Array, into: Array | None) -> Array:
    if into is None:
        return values.copy()
    into[...] = values
    return into


def arrange(stage: Array, counts: Array, divided: Array, position: Array) -> tuple[Array, Array, Array]:
    """The order of unknowns: by stage, and by group within each.

    Args:
        stage: (N,) stages from 0.
        counts: (N,) numbers of terms.
        divided: (N,) whether the sum is divided.
        position: (N,) the order within a group.

    Returns:
        The order; (G + 1,) where each group begins in it; (G,) whether a group has runs of unequal length.
    """
    size = len(stage)
    if size == 0:
        return np.zeros(0, dtype=np.int64), np.zeros(1, dtype=np.int64), np.zeros(0, dtype=bool)
    counts = counts.astype(np.int64)
    wide = 2 * (int(counts.max()) + 2)
    key = stage.astype(np.int64) * wide + divided * (wide // 2) + counts + 1
    order, begin = _groups(key, position)
    sizes = np.diff(begin)
    first = key[order[begin[:-1]]]
    few = (sizes < _SMALL) & (first % (wide // 2) > 1)
    together, of = np.unique(first // (wide // 2), return_inverse=True)
    pooled = few & (np.bincount(of, weights=few, minlength=len(together)) > 2)[of]
    if not pooled.any():
        return order, begin, pooled
    members = order[np.repeat(pooled, sizes)]
    key[members] -= counts[members] + 1
    order, begin = _groups(key, position)
    return order, begin, key[order[begin[:-1]]] % (wide // 2) == 0


def _groups(key: Array, position: Array) -> tuple[Array, Array]:
    order = np.lexsort((position, key))
    return order, np.append(np.flatnonzero(np.diff(key[order], prepend=-1)), len(order))


def lay_out(
    order: Array,
    begin: Array,
    pooled: Array,
    starts: Array,
    labels: Array,
    sources: Array,
    to: Array,
    divisor: Array,
) -> list[Terms]:
    """The sums of all groups.

    Args:
        order, begin, pooled: see ``arrange``.
        starts: (N + 1,) where the terms of each unknown begin.
        labels: places of the labels.
        sources: places of the values.
        to: (N,) where each unknown goes.
        divisor: (N,) the place of the label that it is divided by, or −1.
    """
    counts = np.diff(starts)[order]
    sizes = np.diff(begin)
    group = np.repeat(np.arange(len(sizes)), sizes)
    row_begin = np.cumsum(counts) - counts
    total = int(counts.sum())
    term = np.arange(total) - np.repeat(row_begin, counts)
    entry = np.repeat(starts[:-1][order], counts) + term
    # Term by term in each group; member by member where the numbers differ.
    rank = np.arange(len(order)) - begin[group]
    base = np.append(row_begin, total)[begin]
    flat = np.repeat(base[group] + rank, counts) + term * np.repeat(sizes[group], counts)
    runs = np.repeat(pooled[group], counts)
    flat[runs] = np.flatnonzero(runs)
    by_label, by_source = np.empty(total, dtype=np.int64), np.empty(total, dtype=np.int64)
    by_label[flat], by_source[flat] = labels[entry], sources[entry]
    group_counts = np.where(pooled, 0, counts[begin[:-1]])
    run_begin = np.repeat(base[:-1], group_counts)
    run_sizes = np.repeat(sizes, group_counts)
    run_begin = run_begin + run_sizes * (np.arange(len(run_begin)) - np.repeat(_before(group_counts), group_counts))
    label_at = compress(by_label, run_begin, run_begin + run_sizes, units=True)
    source_at = compress(by_source, run_begin, run_begin + run_sizes)
    to_at = compress(to[order], begin[:-1], begin[1:])
    divisor_at = compress(divisor[order], begin[:-1], begin[1:])
    slots = list(zip(label_at, source_at, strict=True))
    divided = (divisor[order[begin[:-1]]] >= 0).tolist()
    found: list[Terms] = []
    columns = (begin[:-1].tolist(), sizes.tolist(), base.tolist(), base[1:].tolist(), group_counts.tolist())
    used = 0
    for k, (at, size, first, last, count) in enumerate(zip(*columns, strict=False)):
        own, used = tuple(slots[used : used + count]), used + count
        by = divisor_at[k] if divided[k] else None
        runs_begin, matrix = None, count > 2 and size < _SHORT
        if pooled[k]:
            own = ((by_label[first:last].copy(), by_source[first:last].copy()),)
            runs_begin = _before(counts[at : at + size])
        elif matrix:
            shape = (count, size)
            own = ((by_label[first:last].reshape(shape).copy(), by_source[first:last].reshape(shape).copy()),)
        found.append(Terms(to_at[k], own, runs_begin, matrix, by))
    return found


def _before(counts: Array) -> Array:
    """How many come before each."""
    return np.cumsum(counts) - counts


def compress(values: Array, begin: Array, end: Array, *, units: bool = False, broadcast: bool = False) -> list[Any]:
    """The places of each run: a slice where they are consecutive.

    Args:
        values: places.
        begin, end: where each run begins and ends in ``values``; none is empty.
        units: whether a run is written as MINUS or PLUS where it is the same of them throughout.
        broadcast: whether a run of one place throughout becomes a slice of length 1.
    """
    if len(begin) == 0:
        return []
    step = np.diff(values)
    jumps = np.concatenate([[0], np.cumsum(step != 1, dtype=np.int32)])
    consecutive = (jumps[end - 1] == jumps[begin]).tolist()
    same = [False] * len(begin)
    if units or broadcast:
        turns = np.concatenate([[0], np.cumsum(step != 0, dtype=np.int32)])
        same = ((turns[end - 1] == turns[begin]) & (broadcast | (values[begin] < OFFSET))).tolist()
    found: list[Any] = []
    for value, first, last, run, equal in zip(
        values[begin].tolist(), begin.tolist(), end.tolist(), consecutive, same, strict=True
    ):
        if equal:
            found.append(slice(value, value + 1) if broadcast else value)
        else:
            found.append(slice(value, value + last - first) if run else values[first:last].astype(np.int64))
    return found
