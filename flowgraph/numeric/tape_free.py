"""Forward and reverse inverse sweeps beside the primal, without a tape.

Both run in the primal's direction: tangents and cotangents of the values that live are carried along with them, segment
by segment (see ``segments``). What is alive at any time is one register for each live value, and the coefficients of
one segment: O(width) numbers, however many steps the program has.

Reference: arXiv:2411.18786, sections 4 and 5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property, lru_cache
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flowgraph.errors import DomainError, FlowgraphError, InputError, SingularJacobian
from flowgraph.numeric import faults
from flowgraph.numeric.analysed import Analysed, backend_named
from flowgraph.numeric.backend import Backend, Values
from flowgraph.numeric.parts import Part
from flowgraph.numeric.plan import MOST_VARIANTS, require_values, traced_first
from flowgraph.numeric.segments import Segment, Segments, Watch, excerpt, segments
from flowgraph.numeric.shapes import like, points, right_hand_sides
from flowgraph.program import Guard, Program, size_text
from flowgraph.tracing import trace

Array = NDArray[Any]

_CACHED = 8
_CACHED_STEPS = 1_000_000
"""Longer programs are not kept for the next call: hold a ``TapeFree`` instead."""


@final
class _Content:
    """A program, equal to those that compute the same."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._digest = program.fingerprint()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Content) and self._digest == other._digest

    def __hash__(self) -> int:
        return hash(self._digest)


@lru_cache(maxsize=_CACHED)
def _cached(content: _Content, backend: str, size: int | None, inverse: bool) -> Segments:
    return segments(content.program, backend_named(backend), inverse=inverse, size=size)


@final
class _Variant:
    """A program with its segments for both sweeps, each made when it is first needed.

    Attributes:
        program: as the user gave it, or as it was traced.
    """

    def __init__(self, program: Program, backend: Backend, size: int | None) -> None:
        self.program = program
        self._backend = backend
        self._size = size

    def _segments(self, *, inverse: bool) -> Segments:
        live = self.program.without_dead_code()
        if live.n_steps > _CACHED_STEPS:
            return segments(live, self._backend, inverse=inverse, size=self._size)
        return _cached(_Content(live), self._backend.name, self._size, inverse)

    @cached_property
    def forward(self) -> Segments:
        return self._segments(inverse=False)

    @cached_property
    def inverse(self) -> Segments:
        return self._segments(inverse=True)


class _Swept(NamedTuple):
    """What one program gave for the members of a batch.

    Attributes:
        values: (B, m) f(x).
        results: (B, m, k) tangents or cotangents of the outputs; NaN for members that are singular.
        fits: (B,) whether the branches that were traced are those taken.
        singular: why a member is singular, by number.
    """

    values: Array
    results: Array
    fits: Array
    singular: dict[int, SingularJacobian]


@final
class TapeFree:
    """A function or a program, cut into segments once, for sweeps that keep O(width) numbers alive. See ``tape_free``.

    Where a branch goes the other way at a new x, a function is traced again there, and both programs are kept; a
    ``Program`` alone cannot be, and raises ``InputError``.

    Example:
        >>> sweeps = tape_free(lambda u, w: (u * w, w), 2)
        >>> sweeps.jvp([3.0, 2.0], [1.0, 1.0])
        (array([6., 2.]), array([5., 1.]))
        >>> sweeps.ivjp([3.0, 2.0], [2.0, 4.0])
        array([1., 1.])
    """

    def __init__(
        self,
        source: Program | Callable[..., Any],
        n: int,
        backend: str | None,
        first: Program | None,
        segment: int | None,
    ) -> None:
        self._source = source
        self._n = n
        self._backend = backend_named(backend)
        self._size = segment
        self._variants: tuple[_Variant, ...] = ()
        if first is not None:
            self._add(first)

    @property
    def n_inputs(self) -> int:
        """n."""
        return self._n

    @property
    def backend(self) -> str:
        """``"numpy"`` or ``"compiled"``."""
        return self._backend.name

    def __repr__(self) -> str:
        what = size_text(self._variants[0].program) if self._variants else f"{self._n} inputs, not traced yet"
        return f"<TapeFree: {what}; {self.backend} backend>"

    def jvp(self, x: ArrayLike, v: ArrayLike) -> tuple[Array, Array]:
        """f(x) and J v, the forward mode beside the primal.

        Args:
            x: (n,), or (B, n) for a batch.
            v: (n,) or (n, k); for a batch (B, n) or (B, n, k).

        Returns:
            f(x), (m,) or (B, m); and J v in the shape of v with m for n.

        Raises:
            InputError: another shape, or numbers that are not finite; or a branch of a ``Program`` goes the other way.
            DomainError: an operation is not defined, or not differentiable, at x.
            TraceError: a function cannot be traced at x.
        """
        given = points(x, self._n)
        batch = len(given) if given.ndim == 2 else None
        rhs = right_hand_sides(v, "v", self._n, batch)
        values, results, _ = self._run(given if given.ndim == 2 else given[None], rhs, batch, inverse=False)
        return values[0] if batch is None else values, like(results, v, batch)

    def ivjp(self, x: ArrayLike, gx: ArrayLike) -> Array:
        """J⁻ᵀ gx, the reverse inverse mode beside the primal.

        Residuals are checked, and rows with small pivots refined or merged, within each segment.

        Args:
            x: (n,), or (B, n) for a batch.
            gx: (n,) or (n, k); for a batch (B, n) or (B, n, k).

        Raises:
            NotInvertible: J is not square, or singular for every x.
            SingularJacobian: J is singular at this x; of a batch, the error has the results of the other members.
            InputError, DomainError, TraceError: see ``jvp``.
        """
        given = points(x, self._n)
        batch = len(given) if given.ndim == 2 else None
        rhs = right_hand_sides(gx, "gx", self._n, batch)
        _, results, singular = self._run(given if given.ndim == 2 else given[None], rhs, batch, inverse=True)
        result = like(results, gx, batch)
        if singular:
            error = singular[min(singular)]
            if batch is not None:
                error.members, error.solution = tuple(sorted(singular)), result
            raise error
        return result

    def _add(self, program: Program) -> _Variant:
        require_values(program, self._variants[0].program.n_outputs if self._variants else None)
        variant = _Variant(program, self._backend, self._size)
        self._variants = (*self._variants, variant)[-MOST_VARIANTS:]
        return variant

    def _run(
        self, x: Array, rhs: Array, batch: int | None, *, inverse: bool
    ) -> tuple[Array, Array, dict[int, SingularJacobian]]:
        """f(x), the sweep's results, and the members that are singular."""
        rest = np.arange(len(x))
        tried = list(self._variants)
        singular: dict[int, SingularJacobian] = {}
        values: Array | None = None
        results = values
        while values is None or results is None or len(rest):
            if tried:
                variant = tried.pop(0)
            else:
                # A program comes here only if it refused no member, that is never.
                at: Any = x[rest[0]] if len(rest) else self._n
                variant = self._add(trace(self._source, at))  # pyright: ignore[reportArgumentType]
            sweep = _Sweep(variant, rest, batch is not None, isinstance(self._source, Program), inverse)
            swept = sweep.run(x[rest], rhs[rest])
            if values is None or results is None:
                values, results = (
                    np.empty((len(x), swept.values.shape[1])),
                    np.empty((len(x), *swept.results.shape[1:])),
                )
            done = rest[swept.fits]
            values[done], results[done] = swept.values[swept.fits], swept.results[swept.fits]
            singular |= swept.singular
            rest = rest[~swept.fits]
        return values, results, singular


@final
class _Sweep:
    """One program's sweep over some members of a batch."""

    def __init__(self, variant: _Variant, members: Array, batched: bool, strict: bool, inverse: bool) -> None:
        self._program = variant.program
        self._whole = variant.inverse if inverse else variant.forward
        self._members = members
        self._batched = batched
        self._strict = strict
        self._inverse = inverse

    def run(self, x: Array, rhs: Array) -> _Swept:
        """Run the segments one after the other.

        Raises:
            DomainError: an operation is not defined, or not differentiable, at a member that takes these branches.
            InputError: a branch goes the other way, and the program cannot be traced again.
        """
        whole, (size, n, k) = self._whole, rhs.shape
        m = len(whole.outputs)
        alive = np.arange(size)
        fits = np.ones(size, dtype=bool)
        singular: dict[int, SingularJacobian] = {}
        # No register is read before it is written; but NumPy must not meet what lay there.
        primal, tangent = np.zeros((size, whole.n_registers)), np.zeros((size, whole.n_registers, k))
        primal[:, :n], tangent[:, :n] = x, rhs
        held = self._holds(whole.watch, x[:, whole.looked], alive)
        for number, segment in enumerate(whole.all):
            if not held.all():
                fits[alive[~held]] = False
                alive, primal, tangent = alive[held], primal[held], tangent[held]
                if len(alive) == 0:
                    break
            at, along = primal.take(segment.reads, axis=1), tangent.take(segment.reads, axis=1)
            analysed, values = _evaluated(segment, at)
            wrong: dict[int, FlowgraphError] = {}
            if not values.fine.all():
                wrong |= {b: self._domain(segment, at[b], alive[b]) for b in np.flatnonzero(~values.fine).tolist()}
            swept = self._swept(segment, analysed, values, at, along, alive, wrong)
            primal[:, segment.writes] = values.outputs[:, : len(segment.writes)]
            primal[:, segment.carried] = values.watched[0][:, : len(segment.carried)]
            reached = len(segment.writes)
            tangent[:, segment.writes] = swept[:, :reached]
            if len(segment.kept):
                tangent[:, segment.kept] = swept[:, reached : reached + len(segment.kept)]
            held = self._holds(segment.watch, values.watched[0][:, len(segment.carried) :], alive)
            if wrong:
                for b, error in sorted(wrong.items()):
                    found = self._settled(error, whole.all[number + 1 :], primal[b], alive[b]) if held[b] else None
                    if found is None:
                        fits[alive[b]] = False
                    elif isinstance(found, SingularJacobian):
                        singular[int(self._members[alive[b]])] = found
                    else:
                        raise found
                kept = np.ones(len(alive), dtype=bool)
                kept[list(wrong)] = False
                alive, primal, tangent, held = alive[kept], primal[kept], tangent[kept], held[kept]
        fits[alive[~held]] = False
        outputs, along = np.full((size, m), np.nan), np.full((size, m, k), np.nan)
        outputs[alive], along[alive] = primal[:, whole.outputs], tangent[:, whole.outputs]
        return _Swept(outputs, along, fits, singular)

    def _swept(
        self,
        segment: Segment,
        analysed: Analysed,
        values: Values,
        at: Array,
        along: Array,
        alive: Array,
        wrong: dict[int, FlowgraphError],
    ) -> Array:
        """The segment's (co)tangents; notes which members are singular."""
        if not self._inverse:
            return analysed.backend.forward(analysed.reduced, values, along)
        if not wrong:
            part = Part(self._members[alive], at, analysed, values)
            swept = part.inverse(along, transposed=True, refine=None)
            for b in np.flatnonzero(part.pivoting.singular).tolist():
                solved = part.solver.analysed
                wrong[b] = solved.singular(part.pivoting, b, at[b], self._name(alive[b]), self._excerpt(segment))
            return swept
        # Members outside the domain have no coefficients to be factored.
        good = np.setdiff1d(np.arange(len(alive)), list(wrong))
        swept = np.zeros((len(alive), values.outputs.shape[1], along.shape[2]))
        if len(good):
            none: dict[int, FlowgraphError] = {}
            swept[good] = self._swept(
                segment, analysed, values.of_members(good), at[good], along[good], alive[good], none
            )
            wrong |= {int(good[b]): error for b, error in none.items()}
        return swept

    def _holds(self, watch: Watch, watched: Array, alive: Array) -> Array:
        """(b,) which members take the branches that were traced.

        Raises:
            InputError: one does not, and the program cannot be traced again.
        """
        right = (watched > 0.0) == watch.outcomes
        held = right.all(axis=1)
        if self._strict and not held.all():
            b = int(np.flatnonzero(~held)[0])
            missed = np.flatnonzero(~right[b])
            i = int(missed[np.lexsort((watch.places[missed], watch.guards[missed]))[0]])
            guard = self._program.guards[int(watch.guards[i])]
            one = slice(int(watch.places[i]), int(watch.places[i]) + 1)
            only = Guard(guard.values[one], guard.outcomes[one], guard.line)
            raise faults.guard_fault(only, watched[b, i : i + 1], self._name(alive[b]))
        return held

    def _settled(self, error: FlowgraphError, rest: Iterable[Segment], primal: Array, b: int) -> FlowgraphError | None:
        """An error of one member, settled by the segments that follow.

        What the error is about may stand on a branch that this member does not take: then there is none. And where f
        is not defined, it does not count whether J is singular.
        """
        primal = primal[None].copy()
        for segment in rest:
            at = primal.take(segment.reads, axis=1)
            if isinstance(error, SingularJacobian):
                _, values = _evaluated(segment, at)
                if not values.fine[0]:
                    error = self._domain(segment, at[0], b)
            else:
                values = segment.analysed.evaluate(at, linearise=False)
            primal[:, segment.writes] = values.outputs[:, : len(segment.writes)]
            primal[:, segment.carried] = values.watched[0][:, : len(segment.carried)]
            if not self._holds(segment.watch, values.watched[0][:, len(segment.carried) :], np.array([b]))[0]:
                return None
        return error

    def _domain(self, segment: Segment, at: Array, b: int) -> DomainError:
        part = self._excerpt(segment)
        fault = faults.domain_fault(part.program, at, self._name(b), part.numbers)
        if fault is not None:
            return fault
        return DomainError("a value or a partial is not finite", remedy="scale the program")

    def _excerpt(self, segment: Segment) -> faults.Excerpt:
        return excerpt(self._program, self._whole, segment)

    def _name(self, b: int) -> int | None:
        """What errors call a member."""
        return int(self._members[b]) if self._batched else None


def _evaluated(segment: Segment, at: Array) -> tuple[Analysed, Values]:
    """A segment's values and coefficients, with every step a statement of its own if products leave float64."""
    values = segment.analysed.evaluate(at, linearise=True)
    if values.fine.all():
        return segment.analysed, values
    plain = segment.analysed.uncontracted
    return plain, plain.evaluate(at, linearise=True)


def tape_free(
    f: Program | Callable[..., Any], n: int | None = None, *, backend: str | None = None, segment: int | None = None
) -> TapeFree:
    """Cut a function or a program into segments once, for J v and J⁻ᵀ w in O(width) memory at many points.

    The sweeps hold one register for each live value, with its (co)tangents, and the coefficients of one segment of the
    program. The program itself stays in memory; of one that repeats itself, all that is analysed is kept once.

    Args:
        f: a function that ``trace`` takes, or a ``Program``.
        n: the number of inputs of a function; not needed for a program.
        backend: ``"numpy"`` or ``"compiled"``; None takes the compiled one where Numba is installed.
        segment: about how many steps a segment has; in inverse sweeps one lump at least. None takes 32,768, or 8 times
            the width if that is more: smaller segments need less memory and more time.

    Raises:
        InputError: n is missing or does not fit, ``segment`` is no positive number, the program has uninterpreted
            functions, or there is no such backend.
        TraceError: the function cannot be traced.

    Reference: arXiv:2411.18786, sections 4 and 5.

    Example:
        >>> import numpy as np
        >>> def f(q, p):
        ...     for _ in range(1000):
        ...         p = p - 0.01 * np.sin(q)
        ...         q = q + 0.01 * p
        ...     return q, p
        >>> sweeps = tape_free(f, 2)
        >>> value, tangent = sweeps.jvp([1.0, 0.0], [1.0, 0.0])
        >>> cotangent = sweeps.ivjp([1.0, 0.0], [1.0, 0.0])
        >>> bool(abs(cotangent @ tangent - 1.0) < 1e-12)
        True
    """
    if segment is not None and (isinstance(segment, bool) or not isinstance(segment, (int, np.integer)) or segment < 1):
        raise InputError("a segment has a positive number of steps", got=repr(segment), expected="1, 2, 3, …")
    size, first = traced_first(f, n)
    return TapeFree(f, size, backend, first, None if segment is None else int(segment))
