"""The backend that needs NumPy and SciPy only: whole levels at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from flowgraph.numeric.backend import Backend, Pivoting, System, Values
from flowgraph.numeric.external import ExternalBlock, factor_external
from flowgraph.numeric.numpy_blocks import Assembly, Factor, assembly_of, solve_external
from flowgraph.numeric.numpy_evaluation import Evaluation, evaluation_of
from flowgraph.numeric.numpy_sweeps import (
    Solve,
    Sweep,
    Templates,
    forward_sweep,
    inverse_sweep,
    reverse_sweep,
    templates_of,
)
from flowgraph.numeric.numpy_terms import MINUS, OFFSET, PLUS
from flowgraph.numeric.reduced import Reduced
from flowgraph.numeric.schedule import Schedule

Array = NDArray[Any]

_AT_ONCE = 2**22
"""Right-hand sides go through a sweep together as long as they have so many numbers."""


@final
@dataclass(frozen=True, eq=False)
class Sweeps:
    """A sweep for one point, and the same for batches; each made when it is first asked for."""

    make: Callable[[bool], Sweep]

    @cached_property
    def one(self) -> Sweep:
        """For one point: narrow levels in runs."""
        return self.make(True)

    @cached_property
    def many(self) -> Sweep:
        """For batches, or for one point without narrow levels."""
        return self.make(False)

    def of(self, size: int) -> Sweep:
        """For so many points."""
        return self.one if size == 1 else self.many


def _forward_sweeps(system: System) -> Sweeps:
    columns = (system.n_inputs, system.starts, system.arguments, system.outputs)
    return Sweeps(lambda runs: forward_sweep(*columns, runs=runs))


def _reverse_sweeps(system: System) -> Sweeps:
    columns = (system.n_inputs, system.starts, system.arguments, system.outputs)
    return Sweeps(lambda runs: reverse_sweep(*columns, runs=runs))


@final
@dataclass(frozen=True, eq=False)
class Prepared:
    """What is made once for a reduced system; each part when it is first asked for."""

    reduced: Reduced

    @cached_property
    def evaluation(self) -> Evaluation:
        """How it is evaluated."""
        return evaluation_of(self.reduced)

    @cached_property
    def forward(self) -> Sweeps:
        """J v."""
        return _forward_sweeps(self.reduced)

    @cached_property
    def reverse(self) -> Sweeps:
        """Jᵀ w."""
        return _reverse_sweeps(self.reduced)


@final
@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class NumpyValues(Values):
    """Values that know how to be swept.

    Attributes:
        prepared: what was made for their system.
    """

    prepared: Prepared


@final
@dataclass(frozen=True, eq=False)
class PreparedInverse:
    """What is made once for a schedule; each part when it is first asked for."""

    schedule: Schedule

    @cached_property
    def templates(self) -> Templates:
        """The blocks by template."""
        return templates_of(self.schedule)

    @cached_property
    def assemblies(self) -> tuple[Assembly | None, ...]:
        """How A is assembled, by template."""
        members = self.templates.members
        return tuple(assembly_of(self.schedule, own) if len(own) else None for own in members)

    @cached_property
    def forward(self) -> Sweeps:
        """J⁻¹ v."""
        return Sweeps(lambda runs: inverse_sweep(self.schedule, self.templates, transposed=False, runs=runs))

    @cached_property
    def reverse(self) -> Sweeps:
        """J⁻ᵀ w."""
        return Sweeps(lambda runs: inverse_sweep(self.schedule, self.templates, transposed=True, runs=runs))

    @cached_property
    def survey(self) -> tuple[Array, Array, Array, Array]:
        """The rows that stand alone and divide, their pivots, and their other entries with the place of their row."""
        s = self.schedule
        alone = s.pivots >= 0
        alone[s.table.rows] = False
        rows = np.flatnonzero(alone)
        counts = np.diff(s.starts)[rows]
        place = np.repeat(np.arange(len(rows)), counts)
        ends = np.cumsum(counts)
        entries = np.repeat(s.starts[rows] - (ends - counts), counts) + np.arange(len(place))
        others = entries != s.pivots[rows][place]
        return rows, OFFSET + s.pivots[rows].astype(np.int64), OFFSET + entries[others], place[others]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Factors:
    """Factored blocks of B members.

    Attributes:
        templates: by template.
        external: by external block, by member.
    """

    templates: tuple[Factor | None, ...]
    external: tuple[tuple[ExternalBlock | None, ...], ...]


@final
class NumpyBackend(Backend):
    """Whole levels at once on arrays."""

    name = "numpy"

    def prepare(self, reduced: Reduced) -> Prepared:
        return Prepared(reduced)

    def evaluate(self, reduced: Reduced, prepared: Prepared, x: Array, *, linearise: bool) -> Values:
        data = np.empty((OFFSET + len(reduced.arguments), len(x))) if linearise else None
        outputs, watched, fine = prepared.evaluation.run(x, data)
        if data is None:
            return Values(outputs, watched, fine, np.zeros((len(x), 0)), 0)
        return NumpyValues(outputs, watched, fine, data.T, OFFSET, prepared=prepared)

    def forward(self, system: System, values: Values, rhs: Array) -> Array:
        if isinstance(values, NumpyValues) and values.prepared.reduced is system:
            sweeps = values.prepared.forward
        else:
            sweeps = _forward_sweeps(system)
        return _run(sweeps.of(len(rhs)), labels_of(values), None, rhs, transposed=False)

    def reverse(self, system: System, values: Values, rhs: Array) -> Array:
        if isinstance(values, NumpyValues) and values.prepared.reduced is system:
            sweeps = values.prepared.reverse
        else:
            sweeps = _reverse_sweeps(system)
        return _run(sweeps.of(len(rhs)), labels_of(values), None, rhs, transposed=True)

    def prepare_inverse(self, schedule: Schedule) -> PreparedInverse:
        return PreparedInverse(schedule)

    def factor(self, inverse: PreparedInverse, values: Values, threshold: float) -> Pivoting:
        labels, size = labels_of(values), len(values.data)
        zero_row, n_small = _survey(inverse.survey, labels, threshold)
        zero_block = np.full(size, -1)
        templates, external = inverse.templates, inverse.templates.external
        with np.errstate(all="ignore"):
            factors = tuple(None if own is None else own.factor(labels) for own in inverse.assemblies)
        whole = tuple(
            tuple(factor_external(inverse.schedule, block, values.coefficients[b]) for b in range(size))
            for block in external.tolist()
        )
        blocks = len(inverse.schedule.table)
        first = np.full(size, blocks)
        for own, factor in zip(templates.members, factors, strict=True):
            if factor is not None:
                np.minimum(
                    first, np.where(factor.singular, own[:, None], blocks).min(axis=0, initial=blocks), out=first
                )
        for block, members in zip(external.tolist(), whole, strict=True):
            failed = np.array([found is None for found in members], dtype=bool)
            first[failed] = np.minimum(first[failed], block)
        zero_block[first < blocks] = first[first < blocks]
        return Pivoting.of(zero_row, zero_block, n_small, Factors(factors, whole))

    def forward_inverse(self, inverse: PreparedInverse, values: Values, pivoting: Pivoting, rhs: Array) -> Array:
        out = _run(inverse.forward.of(len(rhs)), labels_of(values), pivoting.factors, rhs, transposed=False)
        out[pivoting.singular] = np.nan
        return out

    def reverse_inverse(self, inverse: PreparedInverse, values: Values, pivoting: Pivoting, rhs: Array) -> Array:
        out = _run(inverse.reverse.of(len(rhs)), labels_of(values), pivoting.factors, rhs, transposed=True)
        out[pivoting.singular] = np.nan
        return out

    def log_determinant(self, inverse: PreparedInverse, values: Values, pivoting: Pivoting) -> tuple[Array, Array]:
        pivots = labels_of(values)[inverse.survey[1]]
        odd = np.count_nonzero(pivots < 0.0, axis=0) % 2
        signs = inverse.schedule.sign * np.where(odd, -1.0, 1.0)
        with np.errstate(all="ignore"):
            logs = np.log(np.abs(pivots)).sum(axis=0)
        for factor in pivoting.factors.templates:
            if factor is not None:
                signs, logs = signs * factor.sign.prod(axis=0), logs + factor.log.sum(axis=0)
        for members in pivoting.factors.external:
            signs = signs * np.array([0.0 if block is None else block.sign for block in members])
            logs = logs + np.array([-np.inf if block is None else block.log for block in members])
        return np.where(pivoting.singular, 0.0, signs), np.where(pivoting.singular, -np.inf, logs)


def _survey(survey: tuple[Array, Array, Array, Array], labels: Array, threshold: float) -> tuple[Array, Array]:
    """(B,) the first row with pivot 0, or −1; and (B,) how many rows have a pivot that is 0 or small."""
    rows, pivots, others, place = survey
    size = labels.shape[1]
    zero_row, n_small = np.full(size, -1), np.zeros(size, dtype=np.int64)
    step = max(1, _AT_ONCE // max(1, 8 * len(labels)))
    for first in range(0, size, step):
        own = labels[:, first : first + step]
        pivot_sizes = np.abs(own.take(pivots, axis=0))
        beside = pivot_sizes.take(place, axis=0) <= threshold * np.abs(own.take(others, axis=0))
        for b in np.flatnonzero(beside.any(axis=0) | (pivot_sizes == 0.0).any(axis=0)).tolist():
            zero = pivot_sizes[:, b] == 0.0
            listed = zero.copy()
            listed[place[beside[:, b]]] = True
            n_small[first + b] = np.count_nonzero(listed)
            if zero.any():
                zero_row[first + b] = rows[zero][0]
    return zero_row, n_small


def labels_of(values: Values) -> Array:
    """(2 + E, B) the coefficients after −1 and 1."""
    if isinstance(values, NumpyValues) and values.offset == OFFSET:
        return values.data.T
    coefficients = values.coefficients
    labels = np.empty((OFFSET + coefficients.shape[1], len(coefficients)))
    labels[MINUS], labels[PLUS] = -1.0, 1.0
    labels[OFFSET:] = coefficients.T
    return labels


def _parts(sweep: Sweep, shape: tuple[int, ...]) -> Iterator[tuple[slice, slice]]:
    """Members and right-hand sides that go through together."""
    size, _, columns = shape
    members = max(1, min(size, _AT_ONCE // max(1, sweep.size)))
    width = max(1, _AT_ONCE // max(1, sweep.size * members))
    for first in range(0, size, members):
        for column in range(0, columns, width):
            yield slice(first, first + members), slice(column, column + width)


def _run(sweep: Sweep, labels: Array, factors: Factors | None, rhs: Array, *, transposed: bool) -> Array:
    """One sweep: (B, given, k) → (B, results, k)."""
    size, given, columns = rhs.shape
    out = np.empty((size, len(sweep.result), columns))
    with np.errstate(all="ignore"):
        for members, width in _parts(sweep, rhs.shape):
            own = rhs[members, :, width]
            one = own.shape[0] == own.shape[2] == 1
            # One axis is quicker than three with one column.
            shape = () if one else (own.shape[0], own.shape[2])
            x = np.zeros((sweep.size, *shape))
            x[:given] = own.transpose(1, 0, 2).reshape(given, *shape)
            c = labels[:, members]
            c = np.ascontiguousarray(c.reshape(len(c)) if one else c[:, :, None])
            for step in sweep.steps:
                if isinstance(step, Solve):
                    assert factors is not None
                    _solve(step, factors, x.reshape(len(x), own.shape[0], own.shape[2]), members, transposed)
                else:
                    step.run(c, x)
            found = x[sweep.result]
            found = found.reshape(len(found), own.shape[0], own.shape[2])
            out[members, :, width] = found.transpose(1, 0, 2)
    return out


def _solve(step: Solve, factors: Factors, x: Array, members: slice, transposed: bool) -> None:
    rhs = x[step.at]
    if step.template < 0:
        for b, block in enumerate(factors.external[step.first][members]):
            rhs[:, b] = np.nan if block is None else solve_external(block, rhs[:, b], transposed=transposed)
        return
    factor = factors.templates[step.template]
    assert factor is not None
    blocks = step.last - step.first
    y = rhs.reshape(blocks, len(rhs) // blocks, *rhs.shape[1:])
    found = factor.solve(step.first, step.last, y, members, transposed=transposed)
    np.negative(found.reshape(rhs.shape), out=rhs)
