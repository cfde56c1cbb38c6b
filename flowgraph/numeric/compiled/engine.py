"""The compiled backend: one generic kernel for each sweep, compiled by Numba once and kept on disk."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from flowgraph.numeric.backend import Backend, Pivoting, System, Values
from flowgraph.numeric.blocks import EXTERNAL
from flowgraph.numeric.compiled import drivers, interpreter, lanes, members, sweeps
from flowgraph.numeric.compiled.block_kernels import Table, table_of
from flowgraph.numeric.compiled.lanes import LANES
from flowgraph.numeric.compiled.tape import Tape, make_tape
from flowgraph.numeric.external import ExternalBlock, factor_external
from flowgraph.numeric.reduced import Reduced
from flowgraph.numeric.schedule import Schedule

Array = NDArray[Any]

_FEWEST = 4
"""Smaller batches run member by member."""

_NONE = np.zeros(0)
_NOT_ONE = np.array([-1])
_NO_SWAPS = np.zeros(0, dtype=np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class _Order:
    """What the kernels need of a schedule.

    Attributes:
        schedule: the schedule.
        table: the blocks; None where all rows stand alone.
        n_factors: numbers of all factored blocks.
        n_unknowns: unknowns of all blocks.
        external: blocks that the kernels do not solve, and where they stand in the order.
    """

    schedule: Schedule
    table: Table | None
    n_factors: int
    n_unknowns: int
    external: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Factors:
    """Factored blocks of B members.

    Attributes:
        data: (B, offset + E) the coefficients, member by member.
        offset: where they begin in a row.
        numbers: (B, ·) the factors.
        swaps: (B, ·) the row exchanges.
        external: per member, the external blocks in the order in which they stand.
    """

    data: Array
    offset: int
    numbers: Array
    swaps: Array
    external: tuple[tuple[ExternalBlock | None, ...], ...]


@final
class CompiledBackend(Backend):
    """Kernels compiled by Numba."""

    name = "compiled"

    def prepare(self, reduced: Reduced) -> Tape:
        return make_tape(reduced)

    def evaluate(self, reduced: Reduced, prepared: Tape, x: Array, *, linearise: bool) -> Values:
        t, n, size = prepared, reduced.n_inputs, len(x)
        first, offset = t.inner + t.longest, 1 + t.longest
        entries = len(reduced.arguments) if linearise else 0
        if size >= _FEWEST:
            return self._evaluate_side_by_side(reduced, t, x, linearise)
        data = np.zeros((size, offset + entries))
        outputs = np.empty((size, len(reduced.outputs)))
        watched = tuple(np.empty((size, len(places))) for places in reduced.watched)
        fine = np.empty(size, dtype=bool)
        v = np.empty(first + reduced.n_values)
        v[: t.inner] = t.constants
        for b in range(size):
            v[first : first + n] = x[b]
            if linearise:
                fine[b] = lanes.linearise(
                    t.codes,
                    t.left,
                    t.right,
                    t.third,
                    t.to_left,
                    t.to_right,
                    reduced.ends,
                    reduced.starts,
                    t.length,
                    t.inner,
                    t.longest,
                    v,
                    data[b],
                )
            else:
                fine[b] = interpreter.evaluate(
                    t.codes, t.left, t.right, t.third, reduced.ends, reduced.starts, t.inner, v
                )
            found = v[first:]
            outputs[b] = found[reduced.outputs]
            for seen, places in zip(watched, reduced.watched, strict=True):
                seen[b] = found[places]
        return Values(outputs, watched, fine, data, offset)

    def _evaluate_side_by_side(self, reduced: Reduced, t: Tape, x: Array, linearise: bool) -> Values:
        """A batch, LANES members at a time."""
        size, offset = len(x), 1 + t.longest
        entries = len(reduced.arguments) if linearise else 0
        wanted = np.concatenate([reduced.outputs, *reduced.watched]).astype(np.int32)
        found = np.empty((size, len(wanted)))
        fine = np.empty(size, dtype=bool)
        side_by_side = np.zeros((-(-size // LANES), offset + entries, LANES))
        members.evaluate(
            t.codes,
            t.left,
            t.right,
            t.third,
            t.to_left,
            t.to_right,
            reduced.ends,
            reduced.starts,
            t.inner,
            t.longest,
            linearise,
            t.constants,
            t.inner + t.longest + reduced.n_values,
            x,
            wanted,
            found,
            fine,
            side_by_side,
        )
        bounds = np.cumsum([0, len(reduced.outputs), *(len(places) for places in reduced.watched)]).tolist()
        outputs, *watched = (found[:, i:j] for i, j in pairwise(bounds))
        return Values(outputs, tuple(watched), fine, _NONE, offset, side_by_side)

    def forward(self, system: System, values: Values, rhs: Array) -> Array:
        out = np.empty((len(rhs), len(system.outputs), rhs.shape[2]))
        columns = (system.starts, system.arguments, system.outputs, system.n_inputs)
        if values.side_by_side is not None:
            _sweep(members.FORWARD, system, _NO_SWAPS, _NO_SWAPS, values, rhs, out)
            return out
        for b in range(len(rhs)):
            drivers.forward_one(*columns, values.data[b, values.offset :], rhs[b], out[b])
        return out

    def reverse(self, system: System, values: Values, rhs: Array) -> Array:
        out = np.empty((len(rhs), system.n_inputs, rhs.shape[2]))
        columns = (system.starts, system.arguments, system.outputs, system.n_inputs)
        if values.side_by_side is not None:
            _sweep(members.REVERSE, system, _NO_SWAPS, _NO_SWAPS, values, rhs, out)
            return out
        for b in range(len(rhs)):
            drivers.reverse_one(*columns, values.data[b, values.offset :], rhs[b], out[b])
        return out

    def prepare_inverse(self, schedule: Schedule) -> _Order:
        table = schedule.table
        places = np.flatnonzero(np.isin(schedule.order, -1 - np.flatnonzero(table.kinds == EXTERNAL))).tolist()
        return _Order(
            schedule=schedule,
            table=table_of(table) if len(table) else None,
            n_factors=int(table.factor_starts[-1]),
            n_unknowns=int(table.unknown_starts[-1]),
            external=tuple((i, -1 - int(schedule.order[i])) for i in places),
        )

    def factor(self, inverse: _Order, values: Values, threshold: float) -> Pivoting:
        own, s = inverse, inverse.schedule
        if own.table is None:
            return self._survey(s, values, threshold)
        data, offset = values.by_member()
        size = len(data)
        numbers = np.zeros((size, own.n_factors))
        swaps = np.zeros((size, own.n_unknowns), dtype=np.int32)
        zero_row, zero_block, n_small = np.empty((3, size), dtype=np.int64)
        drivers.factor_members(
            s.starts,
            s.arguments,
            s.pivots,
            s.n_inputs,
            own.table,
            s.table.workspace,
            data,
            offset,
            threshold,
            numbers,
            swaps,
            zero_row,
            zero_block,
            n_small,
        )
        external: list[tuple[ExternalBlock | None, ...]] = []
        for b in range(size if own.external else 0):
            found = tuple(factor_external(s, block, data[b, offset:]) for _, block in own.external)
            if None in found:
                zero_block[b] = own.external[found.index(None)][1]
            external.append(found)
        return Pivoting.of(zero_row, zero_block, n_small, _Factors(data, offset, numbers, swaps, tuple(external)))

    def _survey(self, s: Schedule, values: Values, threshold: float) -> Pivoting:
        """The pivots where all rows stand alone."""
        if values.side_by_side is not None:
            size = len(values.fine)
            zero_row, zero_block, n_small = np.full((3, size), -1)
            members.survey(s.starts, s.pivots, values.side_by_side, values.offset, threshold, zero_row, n_small)
            return Pivoting.of(zero_row, zero_block, n_small, None)
        if len(values.data) == 1:
            first, small = sweeps.survey(
                s.starts, s.arguments, s.pivots, None, values.data[0, values.offset :], threshold
            )
            singular = first >= 0
            return Pivoting(
                np.array([first]), _NOT_ONE, np.array([small]), None, np.array([singular]), singular, small > 0
            )
        found = [
            sweeps.survey(s.starts, s.arguments, s.pivots, None, c[values.offset :], threshold) for c in values.data
        ]
        rows = np.array(found, dtype=np.int64).reshape(-1, 2)
        return Pivoting.of(rows[:, 0], np.full(len(rows), -1), rows[:, 1], None)

    def forward_inverse(self, inverse: _Order, values: Values, pivoting: Pivoting, rhs: Array) -> Array:
        return self._inverse(inverse, values, pivoting, rhs, transposed=False)

    def reverse_inverse(self, inverse: _Order, values: Values, pivoting: Pivoting, rhs: Array) -> Array:
        return self._inverse(inverse, values, pivoting, rhs, transposed=True)

    def _inverse(self, inverse: _Order, values: Values, pivoting: Pivoting, rhs: Array, *, transposed: bool) -> Array:
        own, s, factors = inverse, inverse.schedule, pivoting.factors
        out = np.empty(rhs.shape)
        if factors is None and values.side_by_side is not None:
            mode = members.REVERSE_INVERSE if transposed else members.FORWARD_INVERSE
            _sweep(mode, s, s.order, s.pivots, values, rhs, out)
        elif factors is not None and own.external:
            for b in np.flatnonzero(~pivoting.singular).tolist():
                _inverse_with_external(own, factors, b, rhs[b], out[b], transposed)
        else:
            columns = (s.order, s.starts, s.arguments, s.pivots, s.outputs, s.n_inputs, own.table)
            every = drivers.reverse_inverse_members if transposed else drivers.forward_inverse_members
            every(*columns, *_members(values, factors), rhs, out)
        if pivoting.any_singular:
            out[pivoting.singular] = np.nan
        return out

    def log_determinant(self, inverse: _Order, values: Values, pivoting: Pivoting) -> tuple[Array, Array]:
        own, s, factors = inverse, inverse.schedule, pivoting.factors
        size = len(values.fine)
        signs, logs = np.empty(size), np.empty(size)
        if factors is None and values.side_by_side is not None:
            members.log_pivots(s.order, s.pivots, values.side_by_side, values.offset, signs, logs)
        else:
            drivers.log_members(s.order, s.pivots, own.table, *_members(values, factors), signs, logs)
            external: tuple[tuple[ExternalBlock | None, ...], ...] = () if factors is None else factors.external
            for b, blocks in enumerate(external):
                for block in blocks:
                    sign, log = (block.sign, block.log) if block else (0.0, -np.inf)
                    signs[b], logs[b] = signs[b] * sign, logs[b] + log
        signs *= s.sign
        signs[pivoting.singular], logs[pivoting.singular] = 0.0, -np.inf
        return signs, logs


def _members(values: Values, factors: _Factors | None) -> tuple[Array, int, Array, Array]:
    """Coefficients, where they begin, factors and row exchanges of each member."""
    if factors is not None:
        return factors.data, factors.offset, factors.numbers, factors.swaps
    none = len(values.data), 0
    return values.data, values.offset, np.zeros(none), np.zeros(none, dtype=np.int32)


def _sweep(mode: int, system: System, order: Array, pivots: Array, values: Values, rhs: Array, out: Array) -> None:
    members.sweep(
        mode,
        order,
        system.starts,
        system.arguments,
        pivots,
        system.outputs,
        system.n_inputs,
        _chunks(values),
        values.offset,
        rhs,
        out,
    )


def _chunks(values: Values) -> Array:
    assert values.side_by_side is not None
    return values.side_by_side


def _inverse_with_external(own: _Order, factors: _Factors, b: int, rhs: Array, out: Array, transposed: bool) -> None:
    """One member of a batch: the kernels from one external block to the next."""
    s = own.schedule
    x = np.zeros((s.n_inputs + s.n_rows, rhs.shape[1]))
    sweep = sweeps.reverse_inverse_many if transposed else sweeps.forward_inverse_many
    c = np.ascontiguousarray(factors.data[b, factors.offset :])
    rest = (s.starts, s.arguments, s.pivots, c, s.n_inputs, own.table, factors.numbers[b], factors.swaps[b], x)
    if transposed:
        x[: s.n_inputs] = rhs
    else:
        x[s.outputs] = rhs
    bounds = [-1, *(place for place, _ in own.external), len(s.order)]
    runs = [s.order[i + 1 : j] for i, j in pairwise(bounds)]
    blocks = factors.external[b]
    for k in range(len(runs)):
        sweep(runs[-1 - k] if transposed else runs[k], *rest)
        if k < len(blocks):
            block = blocks[-1 - k] if transposed else blocks[k]
            if block is not None:
                (block.solve_transposed if transposed else block.solve)(x)
    out[...] = x[s.outputs] if transposed else x[: s.n_inputs]
