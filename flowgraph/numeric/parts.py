"""Those members of a batch that run the same program, and how J⁻¹ is applied to them with care."""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from flowgraph.errors import AccuracyWarning
from flowgraph.numeric.analysed import Analysed
from flowgraph.numeric.backend import Pivoting, System, Values
from flowgraph.numeric.merging import merge
from flowgraph.numeric.norms import one_norm
from flowgraph.numeric.schedule import Schedule

Array = NDArray[Any]

SMALL = 2.0**-7
"""A scalar pivot of at most that times the largest coefficient of its row is looked after: the residual is checked."""

_TINY = 2.0**-12
"""Rows with pivots of at most that are merged with the rows that read them."""

_ENOUGH = 8.0 * np.finfo(float).eps
"""A relative residual that needs no further refinement."""

WARN = 2.0**10 * np.finfo(float).eps
"""Relative residuals above this, about 2.3e-13, are warned about."""

_AUTOMATIC = 2
_MERGES = 32
_MOST_MERGED = 64
_MOST_ROWS = 20_000
"""Longer programs are merged only where the residual asks for it: J v may lose the same digits, but merging is slow."""

_HERE = str(Path(__file__).resolve().parent.parent)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Solver:
    """One way to apply J⁻¹, and J through the same rows.

    Attributes:
        analysed: the program.
        system: the rows.
        inverse: what the backend made of their schedule.
        values: the coefficients.
        pivoting: the pivots.
    """

    analysed: Analysed
    system: System
    inverse: Any
    values: Values
    pivoting: Pivoting

    def solve(self, rhs: Array, *, transposed: bool) -> Array:
        """J⁻¹ v or J⁻ᵀ w by one sweep; NaN for members that are singular."""
        backend = self.analysed.backend
        sweep = backend.reverse_inverse if transposed else backend.forward_inverse
        return sweep(self.inverse, self.values, self.pivoting, rhs)

    def residual(self, found: Array, rhs: Array, *, transposed: bool) -> Array:
        """v − J x, or w − Jᵀ y."""
        backend = self.analysed.backend
        sweep = backend.reverse if transposed else backend.forward
        with np.errstate(all="ignore"):
            return rhs - sweep(self.system, self.values, found)


@final
class Part:
    """Those members of a batch that run the same program.

    Attributes:
        members: (b,) their numbers.
        x: (b, n).
        analysed: the program they run.
        values: f and the coefficients there.
    """

    def __init__(self, members: Array, x: Array, analysed: Analysed, values: Values) -> None:
        self.members = members
        self.x = x
        self.analysed = analysed
        self.values = values
        self._merged: dict[int, Solver | None] = {}
        self._least_norms: dict[bool, Array] = {}

    @cached_property
    def solver(self) -> Solver:
        """The pivots looked at and the blocks factored."""
        own, values = self.analysed, self.values
        pivoting = own.backend.factor(own.inverse, values, SMALL)
        if pivoting.any_singular:
            # A product of partials inside a statement may be too small for float64 where none of them is 0.
            plain = own.uncontracted
            others = plain.evaluate(self.x, linearise=True)
            other = plain.backend.factor(plain.inverse, others, SMALL)
            if other.singular.sum() < pivoting.singular.sum():
                own, values, pivoting = plain, others, other
        return Solver(own, own.reduced, own.inverse, values, pivoting)

    @property
    def pivoting(self) -> Pivoting:
        """What is known of the pivots."""
        return self.solver.pivoting

    @cached_property
    def norms(self) -> Array:
        """(2, b) estimates of ‖J‖∞ and ‖J‖₁."""
        n = self.analysed.reduced.n_inputs
        size = len(self.members)
        return np.stack([one_norm(n, size, self.reverse, self.forward), one_norm(n, size, self.forward, self.reverse)])

    def forward(self, rhs: Array) -> Array:
        """J v."""
        return self.analysed.backend.forward(self.analysed.reduced, self.values, rhs)

    def reverse(self, rhs: Array) -> Array:
        """Jᵀ w."""
        return self.analysed.backend.reverse(self.analysed.reduced, self.values, rhs)

    def inverse(self, rhs: Array, *, transposed: bool, refine: int | None) -> Array:
        """J⁻¹ v or J⁻ᵀ w with what ``refine`` asks for; NaN for members that are singular."""
        solver = self.solver
        found = solver.solve(rhs, transposed=transposed)
        if refine == 0:
            return found
        singular = solver.pivoting.singular
        error = np.zeros(len(self.members))
        solvers: dict[int, Solver] = {}
        # Beside the solve of a block, a residual costs little.
        blocks = len(solver.inverse.schedule.table) > 0
        if solver.pivoting.any_small or blocks:
            suspects = ((solver.pivoting.n_small > 0) | blocks) & ~singular
            if suspects.any():
                error = self._look_after(found, rhs, suspects, solvers, transposed)
        if refine:
            error = self._refined(found, rhs, refine, solvers, transposed)
        with np.errstate(all="ignore"):
            total = found.sum()
        if not np.isfinite(total):
            error = np.where(np.isfinite(found).all(axis=(1, 2)), error, np.inf)
        self._warn(error, singular)
        return found

    def _relative(self, residual: Array, found: Array, rhs: Array, transposed: bool, chosen: Array) -> Array:
        """(b,) ‖v − J x‖ / (‖J‖ ‖x‖ + ‖v‖) in the maximum norm, the largest over right-hand sides."""

        def size(array: Array) -> Array:
            return np.abs(array).max(axis=1, initial=0.0)

        wrong, given = size(residual), size(rhs)
        with np.errstate(all="ignore"):
            plain = np.where(wrong == 0.0, 0.0, wrong / given).max(axis=1, initial=0.0)
            if not (plain > _ENOUGH).any():
                return plain
            norm = self.norms[1 if transposed else 0][chosen][:, None]
            return np.where(wrong == 0.0, 0.0, wrong / (norm * size(found) + given)).max(axis=1, initial=0.0)

    def _norm_from_below(self, transposed: bool) -> Array:
        """(b,) what one product tells of ‖J‖ or ‖Jᵀ‖; found once."""
        if transposed not in self._least_norms:
            signs = np.where(np.arange(self.analysed.reduced.n_inputs) % 3 == 1, -1.0, 1.0)
            along = np.broadcast_to(signs[:, None], (len(self.members), len(signs), 1)).copy()
            with np.errstate(all="ignore"):
                product = self.reverse(along) if transposed else self.forward(along)
            self._least_norms[transposed] = np.abs(product).max(axis=(1, 2), initial=0.0)
        return self._least_norms[transposed]

    def _far_off(self, residual: Array, found: Array, rhs: Array, transposed: bool) -> Array:
        """(b,) whether a residual is too large to go unnoticed, by what one product tells of ‖J‖."""
        norm = self._norm_from_below(transposed)[:, None]
        with np.errstate(all="ignore"):
            bound = norm * np.abs(found).max(axis=1, initial=0.0) + np.abs(rhs).max(axis=1, initial=0.0)
            wrong = np.abs(residual).max(axis=1, initial=0.0)
            return ~((wrong <= WARN * bound) | (wrong == 0.0)).all(axis=1)

    def _look_after(
        self, found: Array, rhs: Array, suspects: Array, solvers: dict[int, Solver], transposed: bool
    ) -> Array:
        """Refine where pivots are small and the residual is not; merge rows with tiny pivots.

        Returns:
            (b,) the relative residuals; ``solvers`` gets those of members whose rows were merged.
        """
        solver, everyone = self.solver, np.arange(len(self.members))
        residual = solver.residual(found, rhs, transposed=transposed)
        # Members that only have blocks are looked at for what went wrong altogether, with a lower bound of ‖J‖.
        suspects = suspects & ((solver.pivoting.n_small > 0) | self._far_off(residual, found, rhs, transposed))
        if not suspects.any():
            return np.zeros(len(self.members))
        error = self._relative(residual, found, rhs, transposed, everyone)
        for _ in range(_AUTOMATIC):
            poor = suspects & ~(error <= _ENOUGH)
            if not poor.any():
                break
            with np.errstate(all="ignore"):
                better = found + solver.solve(residual, transposed=transposed)
            new_residual = solver.residual(better, rhs, transposed=transposed)
            new_error = self._relative(new_residual, better, rhs, transposed, everyone)
            gained = poor & (new_error < 0.5 * error)
            if not gained.any():
                break
            found[gained], residual[gained], error[gained] = better[gained], new_residual[gained], new_error[gained]
        # J v may lose the same digits on the way through a tiny pivot, so its residual decides in long programs only.
        ask = suspects & ~(error <= _ENOUGH)
        if len(solver.inverse.schedule.pivots) <= _MOST_ROWS:
            ask |= suspects & (solver.pivoting.n_small > 0)
        for b in np.flatnonzero(ask).tolist():
            merged = self._merged_solver(b)
            if merged is not None:
                solvers[b] = merged
                error[b] = self._through(merged, found, rhs, b, transposed)
        return np.where(suspects, error, 0.0)

    def _through(self, solver: Solver, found: Array, rhs: Array, b: int, transposed: bool) -> float:
        """Solve one member another way, judge both results that way, and keep the better one."""
        one, chosen = rhs[b : b + 1], np.array([b])

        def judged(result: Array) -> tuple[float, Array, Array]:
            residual = solver.residual(result, one, transposed=transposed)
            return float(self._relative(residual, result, one, transposed, chosen)[0]), result, residual

        best = min(judged(solver.solve(one, transposed=transposed)), judged(found[b : b + 1]), key=_error_of)
        if not best[0] <= _ENOUGH:
            with np.errstate(all="ignore"):
                refined = best[1] + solver.solve(best[2], transposed=transposed)
            best = min(best, judged(refined), key=_error_of)
        found[b] = best[1][0]
        return best[0]

    def _refined(self, found: Array, rhs: Array, rounds: int, solvers: dict[int, Solver], transposed: bool) -> Array:
        """(b,) the relative residuals after some rounds of refinement of every member; none is made worse."""
        solver, everyone = self.solver, np.arange(len(self.members))
        plain = np.array([b not in solvers for b in everyone.tolist()], dtype=bool)
        errors = np.zeros(len(self.members))
        for _ in range(rounds if plain.any() else 0):
            residual = solver.residual(found, rhs, transposed=transposed)
            error = self._relative(residual, found, rhs, transposed, everyone)
            with np.errstate(all="ignore"):
                better = found + solver.solve(residual, transposed=transposed)
            new = solver.residual(better, rhs, transposed=transposed)
            new_error = self._relative(new, better, rhs, transposed, everyone)
            gained = plain & ~(new_error > error)
            found[gained] = better[gained]
            errors[plain] = np.where(gained, new_error, error)[plain]
        for b, solver in solvers.items():
            for _ in range(rounds):
                errors[b] = self._through(solver, found, rhs, b, transposed)
        return errors

    def _merged_solver(self, b: int) -> Solver | None:
        """One member with rows of tiny pivots merged into those that read them, until there are none; made once."""
        if b not in self._merged:
            self._merged[b] = _merge_all(self.solver, b)
        return self._merged[b]

    def _warn(self, error: Array, without: Array) -> None:
        poor = np.flatnonzero(~without & ~(error <= WARN))
        if len(poor) == 0:
            return
        which = "" if len(error) == 1 else f" for members {', '.join(map(str, self.members[poor][:8].tolist()))}"
        worst = float(error[poor].max())
        text = (
            f"the result of the inverse sweep{which} has a relative residual of {worst:.1e}, more than {WARN:.1e}: "
            "digits are lost on the way (see pivots and condest)"
        )
        if not np.isfinite(worst):
            text = f"the result of the inverse sweep{which} is not finite: it, or a number on the way, leaves float64"
        warnings.warn(text, AccuracyWarning, stacklevel=_callers_level())


def _callers_level() -> int:
    """The stack level of the first caller outside the library, as ``warnings.warn`` counts from its own caller."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HERE):
        level, frame = level + 1, frame.f_back
    return level - 1


def _error_of(judged: tuple[float, Array, Array]) -> float:
    return judged[0] if np.isfinite(judged[0]) else np.inf


def _merge_all(solver: Solver, b: int) -> Solver | None:
    analysed, found = solver.analysed, None
    schedule, c = solver.inverse.schedule, solver.values.coefficients[b : b + 1]
    own = solver.values.of_members(np.array([b]))
    for _ in range(_MERGES):
        rows = _rows_with_tiny_pivots(schedule, c[0])
        merged = merge(schedule, rows) if len(rows) else None
        if merged is None:
            break
        schedule, c = merged.schedule, merged.coefficients(c)
        inverse = analysed.backend.prepare_inverse(schedule)
        values = replace(own, data=c, offset=0)
        pivoting = analysed.backend.factor(inverse, values, SMALL)
        if pivoting.any_singular or not np.isfinite(c).all():
            break
        found = Solver(analysed, schedule, inverse, values, pivoting)
    return found


def _rows_with_tiny_pivots(schedule: Schedule, c: Array) -> Array:
    """The rows that say least of what they are solved for beside what they read, at most ``_MOST_MERGED``.

    A row that stands alone is solved for its pivot, one of a block for any of the values that the block finds.
    """
    rows = np.flatnonzero(schedule.pivots >= 0)
    relative = relative_pivots(schedule.starts, schedule.pivots, c)
    table = schedule.table
    if len(table):
        block = np.full(schedule.n_rows, -1)
        block[table.rows] = np.repeat(np.arange(len(table)), np.diff(table.starts))
        owner = np.repeat(np.arange(schedule.n_rows), np.diff(schedule.starts))
        inside = (block[owner] >= 0) & (table.found_in[schedule.arguments] == block[owner])
        sizes = np.zeros(schedule.n_rows)
        np.maximum.at(sizes, owner[inside], np.abs(c[inside]))
        sizes[(block >= 0) & (table.found_in[schedule.n_inputs :] == block)] = np.inf
        largest = np.zeros(schedule.n_rows)
        np.maximum.at(largest, owner, np.abs(c))
        within = block[rows] >= 0
        with np.errstate(all="ignore"):
            relative[within] = (sizes / largest)[rows[within]]
    tiny = relative <= _TINY
    rows, relative = rows[tiny], relative[tiny]
    return np.sort(rows[np.argsort(relative, kind="stable")[:_MOST_MERGED]])


def relative_pivots(starts: Array, pivots: Array, c: Array) -> Array:
    """|pivot| over the largest coefficient of its row, for every row that is divided by one."""
    rows = np.flatnonzero(pivots >= 0)
    if len(rows) == 0:
        return np.zeros(0)
    # Rows without entries are not among these; reduceat needs the others only.
    filled = np.flatnonzero(np.diff(starts) > 0)
    largest = np.zeros(len(pivots))
    largest[filled] = np.maximum.reduceat(np.abs(c), starts[filled])
    with np.errstate(all="ignore"):
        return np.abs(c[pivots[rows]]) / largest[rows]
