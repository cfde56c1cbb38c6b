"""The compiled backend: one generic kernel for each sweep, compiled by Numba once and kept on disk."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from flowgraph.numeric.backend import Backend, Pivoting, System, Values
from flowgraph.numeric.blocks import EXTERNAL
from flowgraph.numeric.compiled import drivers, interpreter, lanes, sweeps
from flowgraph.numeric.compiled.block_kernels import Table, log_blocks, table_of
from flowgraph.numeric.compiled.interpreter import CUBE
from flowgraph.numeric.external import ExternalBlock, factor_external
from flowgraph.numeric.reduced import Reduced
from flowgraph.numeric.schedule import Schedule
from flowgraph.operations import CODES

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Tape:
    """A program as the interpreter reads it, see ``interpreter.rows``; ``length`` as ``lanes.runs`` gives it."""

    codes: Array
    left: Array
    right: Array
    third: Array
    to_left: Array
    to_right: Array
    inner: int
    longest: int
    constants: Array
    length: Array


@dataclass(frozen=True, slots=True, eq=False)
class _Order:
    """What the kernels need of a schedule.

    Attributes:
        schedule: the schedule.
        table: the blocks.
        alone: (R,) whether a row stands alone.
        n_factors: numbers of all factored blocks.
        n_unknowns: unknowns of all blocks.
        external: blocks that the kernels do not solve, and where they stand in the order.
    """

    schedule: Schedule
    table: Table
    alone: Array
    n_factors: int
    n_unknowns: int
    external: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Factors:
    """Factored blocks of B members.

    Attributes:
        numbers: (B, ·) the factors.
        swaps: (B, ·) the row exchanges.
        external: per member, the external blocks in the order in which they stand.
    """

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
        t, n = prepared, reduced.n_inputs
        first = t.inner + t.longest
        v = np.empty((len(x), first + reduced.n_values))
        v[:, : t.inner] = t.constants
        v[:, first : first + n] = x
        fine = np.ones(len(x), dtype=bool)
        offset = 1 + t.longest
        if linearise:
            data = np.zeros((len(x), offset + len(reduced.arguments)))
            columns = (t.codes, t.left, t.right, t.third, t.to_left, t.to_right, reduced.ends, reduced.starts)
            if len(x) == 1:
                fine[0] = lanes.linearise(*columns, t.length, t.inner, t.longest, v[0], data[0])
            elif len(x):
                drivers.linearise_batch(*columns, t.inner, t.longest, v, data, fine)
        else:
            data = np.zeros((len(x), 0))
            columns = (t.codes, t.left, t.right, t.third, reduced.ends)
            if len(x) == 1:
                fine[0] = interpreter.evaluate(*columns, t.inner, v[0])
            elif len(x):
                drivers.evaluate_batch(*columns, t.inner, v, fine)
        found = v[:, first:]
        return Values(
            outputs=found[:, reduced.outputs],
            watched=tuple(found[:, places] for places in reduced.watched),
            fine=fine,
            data=data,
            offset=offset,
        )

    def forward(self, system: System, values: Values, rhs: Array) -> Array:
        out = np.empty((len(rhs), len(system.outputs), rhs.shape[2]))
        columns = (system.starts, system.arguments, system.outputs, system.n_inputs)
        if len(rhs) == 1:
            drivers.forward_one(*columns, values.data[0, values.offset :], rhs[0], out[0])
        elif len(rhs):
            drivers.forward_batch(*columns, values.data, values.offset, rhs, out)
        return out

    def reverse(self, system: System, values: Values, rhs: Array) -> Array:
        out = np.empty((len(rhs), system.n_inputs, rhs.shape[2]))
        columns = (system.starts, system.arguments, system.outputs, system.n_inputs)
        if len(rhs) == 1:
            drivers.reverse_one(*columns, values.data[0, values.offset :], rhs[0], out[0])
        elif len(rhs):
            drivers.reverse_batch(*columns, values.data, values.offset, rhs, out)
        return out

    def prepare_inverse(self, schedule: Schedule) -> _Order:
        table = schedule.table
        alone = np.ones(schedule.n_rows, dtype=bool)
        alone[table.rows] = False
        places = np.flatnonzero(np.isin(schedule.order, -1 - np.flatnonzero(table.kinds == EXTERNAL))).tolist()
        return _Order(
            schedule=schedule,
            table=table_of(table),
            alone=alone,
            n_factors=int(table.factor_starts[-1]),
            n_unknowns=int(table.unknown_starts[-1]),
            external=tuple((i, -1 - int(schedule.order[i])) for i in places),
        )

    def factor(self, inverse: _Order, values: Values, threshold: float) -> Pivoting:
        own, s, size = inverse, inverse.schedule, len(values.data)
        numbers = np.zeros((size, own.n_factors))
        swaps = np.zeros((size, own.n_unknowns), dtype=np.int32)
        zero_row, zero_block = np.full(size, -1), np.full(size, -1)
        small: list[Array] = []
        columns = (s.starts, s.arguments, s.pivots, own.alone, s.n_inputs, own.table, s.table.workspace)
        if size == 1:
            zero_row[0], zero_block[0], rows = drivers.factor_one(
                *columns, values.data[0, values.offset :], threshold, numbers[0], swaps[0]
            )
            small.append(rows)
        elif size:
            n_small = np.zeros(size, dtype=np.int64)
            drivers.factor_batch(
                *columns, values.data, values.offset, threshold, numbers, swaps, zero_row, zero_block, n_small
            )
            none = np.zeros(0, dtype=np.int32)
            for b, count in enumerate(n_small.tolist()):
                c = values.data[b, values.offset :]
                rows = sweeps.survey(s.starts, s.arguments, s.pivots, own.alone, c, threshold)[2] if count else none
                small.append(rows)
        external: list[tuple[ExternalBlock | None, ...]] = []
        for b in range(size):
            found = tuple(factor_external(s, block, values.coefficients[b]) for _, block in own.external)
            if None in found:
                zero_block[b] = own.external[found.index(None)][1]
            external.append(found)
        return Pivoting(zero_row, zero_block, tuple(small), _Factors(numbers, swaps, tuple(external)))

    def forward_inverse(self, inverse: _Order, values: Values, pivoting: Pivoting, rhs: Array) -> Array:
        return self._inverse(inverse, values, pivoting, rhs, transposed=False)

    def reverse_inverse(self, inverse: _Order, values: Values, pivoting: Pivoting, rhs: Array) -> Array:
        return self._inverse(inverse, values, pivoting, rhs, transposed=True)

    def _inverse(self, inverse: _Order, values: Values, pivoting: Pivoting, rhs: Array, *, transposed: bool) -> Array:
        own, s, factors = inverse, inverse.schedule, pivoting.factors
        out = np.empty(rhs.shape)
        columns = (s.order, s.starts, s.arguments, s.pivots, s.outputs, s.n_inputs, own.table)
        if own.external:
            for b in np.flatnonzero(~pivoting.singular).tolist():
                _inverse_with_external(own, s, values.coefficients[b], factors, b, rhs[b], out[b], transposed)
        elif len(rhs) == 1:
            one = drivers.reverse_inverse_one if transposed else drivers.forward_inverse_one
            one(*columns, values.data[0, values.offset :], factors.numbers[0], factors.swaps[0], rhs[0], out[0])
        elif len(rhs):
            batch = drivers.reverse_inverse_batch if transposed else drivers.forward_inverse_batch
            batch(*columns, values.data, values.offset, factors.numbers, factors.swaps, rhs, out)
        out[pivoting.singular] = np.nan
        return out

    def log_determinant(self, inverse: _Order, values: Values, pivoting: Pivoting) -> tuple[Array, Array]:
        own, schedule, size = inverse, inverse.schedule, len(values.data)
        signs, logs = np.zeros(size), np.full(size, -np.inf)
        factors = pivoting.factors
        for b in np.flatnonzero(~pivoting.singular).tolist():
            sign, log = sweeps.log_pivots(schedule.order, schedule.pivots, values.data[b, values.offset :])
            of_blocks = log_blocks(own.table, factors.numbers[b], factors.swaps[b])
            sign, log = schedule.sign * sign * of_blocks[0], log + of_blocks[1]
            for block in factors.external[b]:
                sign, log = sign * block.sign, log + block.log
            signs[b], logs[b] = sign, log
        return signs, logs


def make_tape(reduced: Reduced) -> Tape:
    """The program as the interpreter reads it."""
    program, tape = reduced.program, reduced.tape
    n, n_steps = program.n_inputs, program.n_steps
    steps = np.diff(reduced.ends, prepend=0)
    longest = int(steps.max(initial=1))
    inner = len(program.constants)
    # Where each value lies: inside the statement, or among the results of the rows.
    within = np.arange(n_steps, dtype=np.int64) - np.repeat(reduced.ends - steps, steps)
    place = np.empty(n + n_steps, dtype=np.int32)
    place[:n] = inner + longest + np.arange(n)
    place[n + tape] = inner + within
    place[n + reduced.roots] = inner + longest + n + np.arange(reduced.n_rows)
    # Where its adjoint lies, for results inside a statement.
    adjoint = np.zeros(n + n_steps, dtype=np.int32)
    adjoint[n + tape] = 1 + within
    adjoint[n + reduced.roots] = 0
    operands, counts = program.operands, np.diff(program.starts)[tape]
    first = program.starts[tape]
    where = np.where(operands >= 0, place[np.maximum(operands, 0)], -1 - operands).astype(np.int32)
    inside = np.where(reduced.linear, adjoint[np.maximum(operands, 0)], 0)
    target = np.where(reduced.entry_of >= 0, 1 + longest + reduced.entry_of, inside).astype(np.int32)
    codes = program.codes[tape].astype(np.uint8)
    is_select = codes == CODES["select"]
    third = where[first[is_select]]
    first = first + is_select
    second = np.minimum(first + 1, max(len(operands) - 1, 0))
    binary = counts > 1
    right = np.where(binary, where[second], 0).astype(np.int32) if n_steps else np.zeros(0, np.int32)
    to_right = np.where(binary, target[second], 0).astype(np.int32) if n_steps else np.zeros(0, np.int32)
    if inner == 0 and n_steps:
        right = np.where(binary, right, where[first]).astype(np.int32)
    exponent = np.full(n_steps, np.nan)
    fixed = (codes == CODES["power"]) & (operands[second] < 0) if n_steps else np.zeros(0, dtype=bool)
    exponent[fixed] = program.constants[-1 - operands[second[fixed]]]
    codes[exponent == 2.0] = CODES["square"]
    codes[exponent == 3.0] = CUBE
    left, to_left = where[first], target[first]
    length = lanes.runs(codes, left, right, to_left, to_right, reduced.ends, inner, longest)
    return Tape(codes, left, right, third, to_left, to_right, inner, longest, program.constants, length)


def _inverse_with_external(
    own: _Order, s: Schedule, c: Array, factors: _Factors, b: int, rhs: Array, out: Array, transposed: bool
) -> None:
    """One member of a batch: the kernels from one external block to the next."""
    x = np.zeros((s.n_inputs + s.n_rows, rhs.shape[1]))
    sweep = sweeps.reverse_inverse_many if transposed else sweeps.forward_inverse_many
    rest = (s.starts, s.arguments, s.pivots, np.ascontiguousarray(c), s.n_inputs, own.table)
    state = (factors.numbers[b], factors.swaps[b], x)
    if transposed:
        x[: s.n_inputs] = rhs
    else:
        x[s.outputs] = rhs
    bounds = [-1, *(place for place, _ in own.external), len(s.order)]
    runs = [s.order[i + 1 : j] for i, j in pairwise(bounds)]
    blocks = factors.external[b]
    for k in range(len(runs)):
        sweep(runs[-1 - k] if transposed else runs[k], *rest, *state)
        if k < len(blocks):
            block = blocks[-1 - k] if transposed else blocks[k]
            assert block is not None
            block.solve_transposed(x) if transposed else block.solve(x)
    out[...] = x[s.outputs] if transposed else x[: s.n_inputs]
