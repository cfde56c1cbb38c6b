"""``Plan``: a function or a program, analysed once, to be linearized at many points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flowgraph.errors import BranchError, DomainError, InputError
from flowgraph.numeric import faults
from flowgraph.numeric.analysed import Analysed, backend_named
from flowgraph.numeric.backend import Values
from flowgraph.numeric.linearization import Linearization
from flowgraph.numeric.parts import Part
from flowgraph.numeric.shapes import points
from flowgraph.program import Program, size_text
from flowgraph.tracing import trace

Array = NDArray[Any]

MOST_VARIANTS = 64
"""So many branches of one function are kept."""


@final
class Plan:
    """A function or a program, analysed once. Made by ``plan``.

    A function is traced. Where a branch goes the other way at a new x, it is traced again there, and the plan keeps
    both programs; a ``Program`` alone cannot be, and raises ``InputError``.

    Example:
        >>> p = plan(lambda u, w: (u * w, w), 2)
        >>> p.linearize([3.0, 2.0]).ijvp([2.0, 0.0])
        array([1., 0.])
    """

    def __init__(
        self, source: Program | Callable[..., Any], n: int, backend: str | None, first: Program | None
    ) -> None:
        self._source = source
        self._n = n
        self._backend = backend_named(backend)
        self._variants: tuple[Analysed, ...] = ()
        if first is not None:
            self._add(first)

    @property
    def n_inputs(self) -> int:
        """n."""
        return self._n

    @property
    def n_outputs(self) -> int:
        """m."""
        return self.program.n_outputs

    @property
    def backend(self) -> str:
        """``"numpy"`` or ``"compiled"``."""
        return self._backend.name

    @property
    def program(self) -> Program:
        """The program, without dead code; of a function with branches, the one traced first.

        Raises:
            InputError: the function branches, so it is traced at the first point only.
        """
        if not self._variants:
            raise InputError("the function branches, and was not traced yet", remedy="linearize at a point first")
        return self._variants[0].reduced.program

    def __repr__(self) -> str:
        what = size_text(self.program) if self._variants else f"{self._n} inputs, not traced yet"
        return f"<Plan: {what}; {self.backend} backend>"

    def evaluate(self, x: ArrayLike, *, explain: bool = True) -> Array:
        """f(x) alone: (n,) → (m,) or (B, n) → (B, m).

        Args:
            x: (n,), or (B, n) for a batch.
            explain: False leaves out of a ``DomainError`` which step is at fault: it costs many evaluations to find.

        Raises:
            InputError: x has another shape, or is not finite.
            DomainError: an operation is not defined at x.
        """
        given = points(x, self._n)
        parts = self._parts(
            given if given.ndim == 2 else given[None], given.ndim == 2, linearise=False, explain=explain
        )
        return Linearization(given, parts).value

    def linearize(self, x: ArrayLike) -> Linearization:
        """f and its Jacobian at x.

        Args:
            x: (n,), or (B, n) for a batch.

        Raises:
            InputError: x has another shape, or is not finite; or a branch of a ``Program`` goes the other way.
            DomainError: an operation is not defined, or not differentiable, at x.
            TraceError: a function cannot be traced at x.
        """
        given = points(x, self._n)
        parts = self._parts(given if given.ndim == 2 else given[None], given.ndim == 2, linearise=True)
        return Linearization(given.copy(), parts)

    def _add(self, program: Program) -> Analysed:
        require_values(program, self.n_outputs if self._variants else None)
        analysed = Analysed(program, self._backend)
        self._variants = (*self._variants, analysed)[-MOST_VARIANTS:]
        return analysed

    def _parts(self, x: Array, batched: bool, *, linearise: bool, explain: bool = True) -> tuple[Part, ...]:
        """The points, each with the program that it runs."""
        # What results keep must not change with the caller's array.
        x = np.array(x)
        rest = np.arange(len(x))
        if len(self._variants) == 1 and not self._variants[0].reduced.watched:
            values = self._variants[0].evaluate(x, linearise=linearise)
            return (self._part(rest, x, self._variants[0], values, batched, linearise, explain),)
        parts: list[Part] = []
        tried = list(self._variants)
        while True:
            if tried:
                analysed = tried.pop(0)
            elif len(rest) or not parts:
                analysed = self._retraced(x, rest)
            else:
                break
            some = x if len(rest) == len(x) else x[rest]
            values = analysed.evaluate(some, linearise=linearise)
            fits = analysed.holds(values)
            if fits.all():
                parts.append(self._part(rest, some, analysed, values, batched, linearise, explain))
                break
            if fits.any():
                good = np.flatnonzero(fits)
                held = values.of_members(good)
                parts.append(self._part(rest[good], some[good], analysed, held, batched, linearise, explain))
            if isinstance(self._source, Program):
                self._refuse(analysed, values, rest, fits, batched)
            rest = rest[~fits]
        return tuple(parts)

    def _retraced(self, x: Array, rest: Array) -> Analysed:
        """The function traced at the first point that fits no program so far; a ``Program`` was refused before."""
        assert not isinstance(self._source, Program)
        # An empty batch has no point to take branches at; any will do.
        at = x[rest[0]] if len(rest) else np.zeros(self._n)
        return self._add(trace(self._source, at))

    def _refuse(self, analysed: Analysed, values: Values, rest: Array, fits: Array, batched: bool) -> None:
        b = int(np.flatnonzero(~fits)[0])
        for guard, watched in zip(analysed.reduced.program.guards, values.watched, strict=True):
            if not ((watched[b] > 0.0) == guard.outcomes).all():
                raise faults.guard_fault(guard, watched[b], int(rest[b]) if batched else None)

    def _part(
        self,
        members: Array,
        x: Array,
        analysed: Analysed,
        values: Values,
        batched: bool,
        linearise: bool,
        explain: bool,
    ) -> Part:
        if not values.fine.all():
            # Where no single partial is at fault, their product inside a statement left the range of float64.
            plain = analysed.uncontracted
            values = plain.evaluate(x, linearise=linearise)
            bad = np.flatnonzero(~values.fine)
            if len(bad):
                b = int(bad[0])
                part = analysed.excerpt or faults.Excerpt(analysed.reduced.program, None)
                member = int(members[b]) if batched else None
                fault = faults.domain_fault(part.program, x[b], member, part.numbers) if explain else None
                fault = fault or DomainError("a value or a partial is not finite", remedy="scale the program")
                fault.members = tuple(members[bad].tolist()) if batched else None
                raise fault
            analysed = plain
        return Part(members, x, analysed, values)


def plan(f: Program | Plan | Callable[..., Any], n: int | None = None, *, backend: str | None = None) -> Plan:
    """Analyse a function or a program once, to linearize it at many points.

    Args:
        f: a function that ``trace`` takes, or a ``Program``; a ``Plan`` is given back.
        n: the number of inputs of a function; not needed for a program.
        backend: ``"numpy"`` or ``"compiled"``; None takes the compiled one where Numba is installed.

    Raises:
        InputError: n is missing or does not fit, the program has uninterpreted functions, or no such backend is there.
        TraceError: the function cannot be traced.

    Example:
        >>> import numpy as np
        >>> p = plan(lambda x: x[::-1] * np.exp(x[0]), 2)
        >>> lin = p.linearize([0.0, 3.0])
        >>> lin.value, lin.ijvp(lin.jvp([1.0, 2.0]))
        (array([3., 0.]), array([1., 2.]))
    """
    if isinstance(f, Plan):
        if n not in (None, f.n_inputs) or backend not in (None, f.backend):
            raise InputError("the plan was made for something else", got=f"n={n}, backend={backend}", expected=repr(f))
        return f
    size, first = traced_first(f, n)
    return Plan(f, size, backend, first)


def require_values(program: Program, n_outputs: int | None) -> None:
    """Raise ``InputError`` unless a program can be evaluated, and has so many outputs if that is known."""
    if (program.codes < 0).any():
        step = program.step(int(np.flatnonzero(program.codes < 0)[0]))
        raise InputError(
            f"{step.function} is uninterpreted and has no value",
            where=faults.place(step),
            remedy="name operations of the registry, or give a Python function",
        )
    if n_outputs is not None and program.n_outputs != n_outputs:
        raise InputError(
            "the number of outputs changes with x",
            got=f"{program.n_outputs} outputs here, {n_outputs} before",
            remedy="return a vector of one length on every branch",
        )


def traced_first(f: Program | Callable[..., Any], n: int | None) -> tuple[int, Program | None]:
    """The number of inputs, and the program unless that depends on the point.

    Raises:
        InputError: f is neither a function nor a program, or n is missing or does not fit.
        TraceError: the function cannot be traced.
    """
    if isinstance(f, Program):
        if n is not None and n != f.n_inputs:
            raise InputError("n does not fit the program", got=str(n), expected=str(f.n_inputs))
        return f.n_inputs, f
    if not callable(f):
        raise InputError("f is neither a function nor a program", got=type(f).__name__)
    if n is None:
        raise InputError(
            "the number of inputs is not known", remedy="say how long the vector is: plan(f, n), or give a Program"
        )
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 0:
        raise InputError("n is no number of inputs", got=repr(n), expected="0, 1, 2, …")
    try:
        return int(n), trace(f, int(n))
    except BranchError:
        return int(n), None
