"""``Linearization``: a program's Jacobian at a point or a batch of points, as an operator in all four modes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flowgraph.errors import AccuracyWarning, InputError, SingularJacobian
from flowgraph.numeric import faults
from flowgraph.numeric.analysed import Analysed
from flowgraph.numeric.backend import Pivoting, Values
from flowgraph.numeric.merging import merge
from flowgraph.numeric.norms import one_norm
from flowgraph.numeric.schedule import Schedule
from flowgraph.numeric.shapes import like, right_hand_sides

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator

Array = NDArray[Any]

MODES = ("forward", "reverse", "forward-inverse", "reverse-inverse")

SMALL = 2.0**-7
"""A scalar pivot of at most that times the largest coefficient of its row is looked after: the residual is checked."""

_TINY = 2.0**-12
"""Where the residual stays large, rows with pivots of at most that are merged with the rows that read them."""

_ENOUGH = 8.0 * np.finfo(float).eps
"""A relative residual that needs no further refinement."""

WARN = 2.0**10 * np.finfo(float).eps
"""Relative residuals above this, about 2.3e-13, are warned about."""

_AUTOMATIC = 2
_MERGES = 32
_MOST_MERGED = 64
_COLUMNS = 64


class SlogdetResult(NamedTuple):
    """det J = sign · exp(logabsdet), as ``numpy.linalg.slogdet`` has it.

    Attributes:
        sign: 1, −1, or 0 where J is singular.
        logabsdet: log|det J|, −∞ where J is singular.
    """

    sign: Any
    logabsdet: Any


@dataclass(frozen=True, slots=True, eq=False)
class Pivots:
    """The scalar pivots at a point: the partials that the inverse sweeps divide by.

    Attributes:
        steps: (P,) the 1-based step whose statement is divided by each.
        values: (P,) the partials.
        relative: (P,) |partial| over the largest coefficient in its row; small ones lose digits.
        blocks: how many blocks of several rows are solved with pivoting of their own besides.
    """

    steps: Array
    values: Array
    relative: Array
    blocks: int

    def __str__(self) -> str:
        if len(self.steps) == 0:
            return f"no scalar pivots, {self.blocks} blocks"
        k = int(np.abs(self.relative).argmin())
        return (
            f"{len(self.steps)} scalar pivots and {self.blocks} blocks; the smallest beside its row is "
            f"{self.values[k]:.3g} at step {self.steps[k]} ({self.relative[k]:.1e} of the largest there)"
        )


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

    @cached_property
    def pivoting(self) -> Pivoting:
        """The scalar pivots, and the blocks factored."""
        found = self.analysed.backend.factor(self.analysed.inverse, self.values, SMALL)
        if found.any_singular:
            # A product of partials inside a statement may be too small for float64 where none of them is 0.
            plain = self.analysed.uncontracted
            values = plain.evaluate(self.x, linearise=True)
            other = plain.backend.factor(plain.inverse, values, SMALL)
            if other.singular.sum() < found.singular.sum():
                self.analysed, self.values = plain, values
                return other
        return found

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

    def solve(self, rhs: Array, *, transposed: bool) -> Array:
        """J⁻¹ v or J⁻ᵀ w by one sweep."""
        backend, inverse = self.analysed.backend, self.analysed.inverse
        sweep = backend.reverse_inverse if transposed else backend.forward_inverse
        return sweep(inverse, self.values, self.pivoting, rhs)

    def inverse(self, rhs: Array, *, transposed: bool, refine: int | None) -> Array:
        """J⁻¹ v or J⁻ᵀ w with what ``refine`` asks for; NaN for members that are singular."""
        found = self.solve(rhs, transposed=transposed)
        if refine is None:
            if self.pivoting.any_small:
                suspects = (self.pivoting.n_small > 0) & ~self.pivoting.singular
                if suspects.any():
                    self._look_after(found, rhs, suspects, transposed)
            return found
        for _ in range(refine):
            with np.errstate(all="ignore"):
                found += self.solve(self.residual(found, rhs, transposed), transposed=transposed)
        if refine:
            error = self.relative(self.residual(found, rhs, transposed), found, rhs, transposed)
            self._warn(error, self.pivoting.singular)
        return found

    def residual(self, found: Array, rhs: Array, transposed: bool) -> Array:
        """v − J x, or w − Jᵀ y."""
        with np.errstate(all="ignore"):
            return rhs - (self.reverse(found) if transposed else self.forward(found))

    def relative(self, residual: Array, found: Array, rhs: Array, transposed: bool) -> Array:
        """(b,) ‖v − J x‖ / (‖J‖ ‖x‖ + ‖v‖) in the maximum norm, the largest over right-hand sides."""

        def size(array: Array) -> Array:
            return np.abs(array).max(axis=1, initial=0.0)

        wrong, given = size(residual), size(rhs)
        with np.errstate(all="ignore"):
            plain = np.where(wrong == 0.0, 0.0, wrong / given).max(axis=1, initial=0.0)
            if not (plain > _ENOUGH).any():
                return plain
            norm = self.norms[1 if transposed else 0][:, None]
            return np.where(wrong == 0.0, 0.0, wrong / (norm * size(found) + given)).max(axis=1, initial=0.0)

    def _look_after(self, found: Array, rhs: Array, suspects: Array, transposed: bool) -> None:
        """Refine where pivots are small and the residual is not; merge rows where that does not help."""
        residual = self.residual(found, rhs, transposed)
        error = self.relative(residual, found, rhs, transposed)
        for _ in range(_AUTOMATIC):
            poor = suspects & ~(error <= _ENOUGH)
            if not poor.any():
                return
            with np.errstate(all="ignore"):
                better = found + self.solve(residual, transposed=transposed)
                new_residual = self.residual(better, rhs, transposed)
                new_error = self.relative(new_residual, better, rhs, transposed)
            gained = poor & (new_error < 0.5 * error)
            if not gained.any():
                break
            found[gained], residual[gained], error[gained] = better[gained], new_residual[gained], new_error[gained]
        for b in np.flatnonzero(suspects & ~(error <= _ENOUGH)).tolist():
            error[b] = self._merged(found, rhs, b, error[b], transposed)
        self._warn(error, ~suspects)

    def _merged(self, found: Array, rhs: Array, b: int, error: float, transposed: bool) -> float:
        """Solve one member with rows merged; keep what is better. Returns its relative residual."""
        backend = self.analysed.backend
        schedule = self.analysed.inverse.schedule
        c = self.values.coefficients[b : b + 1]
        for _ in range(_MERGES):
            small = _rows_with_tiny_pivots(schedule, c[0])
            merged = merge(schedule, small) if len(small) else None
            if merged is None:
                return error
            schedule, c = merged.schedule, merged.coefficients(c)
            inverse = backend.prepare_inverse(schedule)
            values = replace(self.values.of_members(np.array([b])), data=c, offset=0)
            pivoting = backend.factor(inverse, values, SMALL)
            if pivoting.singular[0]:
                return error
            one = rhs[b : b + 1]
            sweep, back = (
                (backend.reverse_inverse, backend.reverse) if transposed else (backend.forward_inverse, backend.forward)
            )
            better = sweep(inverse, values, pivoting, one)
            with np.errstate(all="ignore"):
                residual = one - back(schedule, values, better)
                size, norms = np.abs(better).max(initial=0.0), self.norms[1 if transposed else 0][b]
                new = float(np.abs(residual).max(initial=0.0) / (norms * size + np.abs(one).max(initial=0.0)))
            if new < error:
                found[b], error = better[0], new
            if error <= _ENOUGH:
                break
        return error

    def _warn(self, error: Array, without: Array) -> None:
        poor = np.flatnonzero(~without & ~(error <= WARN))
        if len(poor):
            which = "" if len(error) == 1 else f" for members {', '.join(map(str, self.members[poor][:8].tolist()))}"
            worst = float(error[poor].max())
            if not np.isfinite(worst):
                warnings.warn(
                    f"the result of the inverse sweep{which} is not finite: it, or a number on the way, leaves float64",
                    AccuracyWarning,
                    stacklevel=5,
                )
                return
            warnings.warn(
                f"the result of the inverse sweep{which} has a relative residual of {worst:.1e}, more than {WARN:.1e}: "
                "J is ill-conditioned on the way (see condest and pivots); refine=2 may help",
                AccuracyWarning,
                stacklevel=5,
            )


def _looked_after(part: Part, v: Array, *, transposed: bool) -> Array:
    """J⁻¹ v or J⁻ᵀ v for an estimate: 0 where J is singular, and without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AccuracyWarning)
        return np.nan_to_num(part.inverse(v, transposed=transposed, refine=None))


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


@final
class Linearization:
    """f and its Jacobian J at x, as operators. Made by ``linearize`` or ``Plan.linearize``.

    For one point x (n,), right-hand sides are (n,) or (n, k); for a batch x (B, n), they are (B, n) or (B, n, k).
    Results have the shape of the right-hand side, with m in the place of n where they are outputs.

    Attributes:
        x: (n,) or (B, n).
        value: f(x), (m,) or (B, m).

    Example:
        >>> from flowgraph.numeric.functions import linearize
        >>> lin = linearize(lambda u, w: (u * w, w), [3.0, 2.0])
        >>> lin.value, lin.jvp([1.0, 0.0]), lin.ijvp([2.0, 0.0])
        (array([6., 2.]), array([2., 0.]), array([1., 0.]))
        >>> lin.slogdet().sign
        1.0
    """

    def __init__(self, x: Array, parts: tuple[Part, ...]) -> None:
        self.x = x
        self._parts = parts
        self._batch = None if x.ndim == 1 else len(x)
        self._n = x.shape[-1]
        self._m = len(parts[0].analysed.reduced.outputs)

    @cached_property
    def value(self) -> Array:
        """f(x)."""
        return self._gather(lambda part: part.values.outputs, (self._m,))

    # -- the four modes ---------------------------------------------------------------------------------------------

    def jvp(self, v: ArrayLike) -> Array:
        """J v, the forward mode: one sweep with the primal.

        Args:
            v: (n,) or (n, k); for a batch (B, n) or (B, n, k).

        Raises:
            InputError: another shape, or numbers that are not finite.
        """
        rhs = right_hand_sides(v, "v", self._n, self._batch)
        return like(self._apply(Part.forward, rhs, self._m), v, self._batch)

    def vjp(self, w: ArrayLike) -> Array:
        """Jᵀ w, the reverse mode: one sweep against the primal. Shapes and errors as ``jvp``, with m for n."""
        rhs = right_hand_sides(w, "w", self._m, self._batch)
        return like(self._apply(Part.reverse, rhs, self._n), w, self._batch)

    def ijvp(self, dy: ArrayLike, *, refine: int | None = None) -> Array:
        """J⁻¹ dy, the forward inverse mode: one sweep against the primal, about as dear as J v.

        Where a scalar pivot is small beside its row, the residual is computed (one forward sweep), refined, and if
        that does not help the row is merged with the rows that read its result and solved with pivoting. A relative
        residual ‖dy − J x‖ / (‖J‖ ‖x‖ + ‖dy‖) above 2¹⁰ ε is warned about.

        Args:
            dy: (n,) or (n, k); for a batch (B, n) or (B, n, k).
            refine: rounds of iterative refinement, one forward and one inverse sweep each; None decides by the pivots.

        Raises:
            NotInvertible: J is not square, or singular for every x.
            SingularJacobian: J is singular at this x; of a batch, the error has the results of the other members.
            InputError: another shape, or numbers that are not finite.

        Reference: arXiv:2411.18786, sections 3 to 5.
        """
        return self._inverse(dy, "dy", refine, transposed=False)

    def ivjp(self, gx: ArrayLike, *, refine: int | None = None) -> Array:
        """J⁻ᵀ gx, the reverse inverse mode: one sweep in the primal's direction. See ``ijvp``."""
        return self._inverse(gx, "gx", refine, transposed=True)

    # -- what follows from them -------------------------------------------------------------------------------------

    def slogdet(self) -> SlogdetResult:
        """Sign and logarithm of |det J|; arrays (B,) for a batch. Singular members have sign 0 and −∞.

        Raises:
            NotInvertible: J is not square, or singular for every x.
        """
        signs, logs = np.zeros(self._batch or 1), np.zeros(self._batch or 1)
        for part in self._parts:
            analysed = part.analysed
            sign, log = analysed.backend.log_determinant(analysed.inverse, part.values, part.pivoting)
            signs[part.members], logs[part.members] = sign, log
        if self._batch is None:
            return SlogdetResult(float(signs[0]), float(logs[0]))
        return SlogdetResult(signs[: self._batch], logs[: self._batch])

    def jacobian(self) -> Array:
        """The dense J, (m, n) or (B, m, n), by min(m, n) sweeps."""
        by_rows = self._m < self._n
        count, size = (self._m, self._n) if by_rows else (self._n, self._m)
        batch = 1 if self._batch is None else self._batch
        dense = np.zeros((batch, size, count))
        for first in range(0, count, _COLUMNS):
            last = min(count, first + _COLUMNS)
            unit = np.zeros((batch, count, last - first))
            unit[:, np.arange(first, last), np.arange(last - first)] = 1.0
            dense[:, :, first:last] = self._apply(Part.reverse if by_rows else Part.forward, unit, size)
        dense = np.ascontiguousarray(np.swapaxes(dense, 1, 2)) if by_rows else dense
        return dense[0] if self._batch is None else dense

    def condest(self) -> Any:
        """An estimate of ‖J‖₁ ‖J⁻¹‖₁ from below, almost always within a factor of 10; ∞ where J is singular.

        A few sweeps in each of the four modes (Hager and Higham).

        Raises:
            NotInvertible: J is not square, or singular for every x.
        """
        found = np.zeros(self._batch if self._batch is not None else 1)
        for part in self._parts:
            singular = part.pivoting.singular
            inverse_norm = one_norm(
                self._n,
                len(part.members),
                lambda v, part=part: _looked_after(part, v, transposed=False),
                lambda v, part=part: _looked_after(part, v, transposed=True),
            )
            found[part.members] = np.where(singular, np.inf, part.norms[1] * inverse_norm)
        return float(found[0]) if self._batch is None else found

    @cached_property
    def pivots(self) -> Pivots:
        """The scalar pivots at this point, in the order of the rows.

        Raises:
            NotInvertible: J is not square, or singular for every x.
            InputError: this is a batch.
        """
        self._single("pivots")
        part = self._parts[0]
        part.analysed.require_inverse()
        # Looking at the pivots may change the statements.
        _ = part.pivoting
        schedule = part.analysed.inverse.schedule
        c = part.values.coefficients[0]
        rows = np.flatnonzero(schedule.pivots >= 0)
        relative = relative_pivots(schedule.starts, schedule.pivots, c)
        alone = ~np.isin(rows, schedule.table.rows)
        return Pivots(
            steps=part.analysed.reduced.statements().roots[rows[alone]] + 1,
            values=c[schedule.pivots[rows[alone]]],
            relative=relative[alone],
            blocks=len(schedule.table),
        )

    def as_linear_operator(self, mode: str = "forward") -> LinearOperator:
        """J, Jᵀ, J⁻¹ or J⁻ᵀ for SciPy's iterative solvers, with adjoint.

        Args:
            mode: ``"forward"`` (J), ``"reverse"`` (Jᵀ), ``"forward-inverse"`` (J⁻¹) or ``"reverse-inverse"`` (J⁻ᵀ).

        Raises:
            InputError: there is no such mode, or this is a batch.
            NotInvertible: the mode is an inverse one, and J is not square or is singular for every x.
        """
        from scipy.sparse.linalg import LinearOperator

        self._single("as_linear_operator")
        pairs: dict[str, tuple[Callable[..., Array], Callable[..., Array], tuple[int, int]]] = {
            "forward": (self.jvp, self.vjp, (self._m, self._n)),
            "reverse": (self.vjp, self.jvp, (self._n, self._m)),
            "forward-inverse": (self.ijvp, self.ivjp, (self._n, self._m)),
            "reverse-inverse": (self.ivjp, self.ijvp, (self._m, self._n)),
        }
        if mode not in pairs:
            raise InputError("there is no such mode", got=repr(mode), expected=", ".join(MODES))
        apply, adjoint, shape = pairs[mode]
        if mode.endswith("inverse"):
            self._parts[0].analysed.require_inverse()
        # SciPy's untyped constructor takes the products by name.
        return LinearOperator(shape, matvec=apply, rmatvec=adjoint, matmat=apply, rmatmat=adjoint, dtype=np.float64)  # pyright: ignore[reportCallIssue]

    # -- batches ----------------------------------------------------------------------------------------------------

    def _single(self, what: str) -> None:
        if self._batch is not None:
            raise InputError(
                f"{what} is for one point", got=f"a batch of {self._batch}", remedy="linearize the members one by one"
            )

    def _gather(self, of: Callable[[Part], Array], shape: tuple[int, ...]) -> Array:
        if len(self._parts) == 1:
            found = of(self._parts[0])
        else:
            found = np.empty((self._batch or 0, *shape))
            for part in self._parts:
                found[part.members] = of(part)
        return found[0] if self._batch is None else found

    def _apply(self, sweep: Callable[[Part, Array], Array], rhs: Array, size: int) -> Array:
        """A sweep on every part: (B, ·, k) → (B, size, k)."""
        if len(self._parts) == 1:
            return sweep(self._parts[0], rhs)
        found = np.empty((len(rhs), size, rhs.shape[2]))
        for part in self._parts:
            found[part.members] = sweep(part, np.ascontiguousarray(rhs[part.members]))
        return found

    def _inverse(self, given: ArrayLike, name: str, refine: int | None, *, transposed: bool) -> Array:
        if refine is not None and (not isinstance(refine, (int, np.integer)) or isinstance(refine, bool) or refine < 0):
            raise InputError("refine is a number of rounds", got=repr(refine), expected="None, 0, 1, 2, …")
        for part in self._parts:
            part.analysed.require_inverse()
        rhs = right_hand_sides(given, name, self._n, self._batch)
        found = self._apply(lambda part, b: part.inverse(b, transposed=transposed, refine=refine), rhs, self._n)
        result = like(found, given, self._batch)
        if any(part.pivoting.any_singular for part in self._parts):
            raise self._singular(result)
        return result

    def _singular(self, result: Array) -> SingularJacobian:
        """The error for the first singular member, with what the others gave."""
        members: list[int] = []
        error: SingularJacobian | None = None
        for part in self._parts:
            singular = np.flatnonzero(part.pivoting.singular)
            members.extend(part.members[singular].tolist())
            if error is None and len(singular):
                b = int(singular[0])
                error = part.analysed.singular(part.pivoting, b, part.x[b], self._member(part, b))
        assert error is not None
        if self._batch is not None:
            error.members = tuple(sorted(members))
            error.solution = result
        return error

    def _member(self, part: Part, b: int) -> int | None:
        return None if self._batch is None else int(part.members[b])


__all__ = ["MODES", "Linearization", "Part", "Pivots", "SlogdetResult", "faults"]
