"""``Linearization``: a program's Jacobian at a point or a batch of points, as an operator in all four modes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flowgraph.errors import AccuracyWarning, InputError, SingularJacobian
from flowgraph.numeric.norms import one_norm
from flowgraph.numeric.parts import Part, relative_pivots
from flowgraph.numeric.shapes import like, right_hand_sides

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator

Array = NDArray[Any]

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


def _looked_after(part: Part, v: Array, *, transposed: bool) -> Array:
    """J⁻¹ v or J⁻ᵀ v for an estimate: 0 where J is singular, and without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AccuracyWarning)
        return np.nan_to_num(part.inverse(v, transposed=transposed, refine=None))


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

    def __repr__(self) -> str:
        at = "one point" if self._batch is None else f"{self._batch} points"
        return f"<Linearization: J is {self._m} × {self._n}, at {at}; {self._parts[0].analysed.backend.name} backend>"

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
            part.analysed.require_inverse()
            solver = part.solver
            sign, log = part.analysed.backend.log_determinant(solver.inverse, solver.values, solver.pivoting)
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
        solver = part.solver
        schedule = solver.inverse.schedule
        c = solver.values.coefficients[0]
        rows = np.flatnonzero(schedule.pivots >= 0)
        relative = relative_pivots(schedule.starts, schedule.pivots, c)
        alone = ~np.isin(rows, schedule.table.rows)
        steps = solver.analysed.reduced.statements().roots[rows[alone]]
        part_of = solver.analysed.excerpt
        return Pivots(
            steps=1 + (steps if part_of is None or part_of.numbers is None else part_of.numbers[steps]),
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
        if not isinstance(mode, str) or mode not in pairs:
            raise InputError("there is no such mode", got=repr(mode), expected=", ".join(pairs))
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
                error = part.solver.analysed.singular(part.pivoting, b, part.x[b], self._member(part, b))
        assert error is not None
        if self._batch is not None:
            error.members = tuple(sorted(members))
            error.solution = result
        return error

    def _member(self, part: Part, b: int) -> int | None:
        return None if self._batch is None else int(part.members[b])
