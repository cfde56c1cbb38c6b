"""One program, analysed for one backend."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property, lru_cache
from hashlib import blake2b
from importlib import import_module
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from flowgraph.errors import InputError, NotInvertible, SingularJacobian
from flowgraph.numeric import faults
from flowgraph.numeric.backend import Backend, Pivoting, Values
from flowgraph.numeric.choice import numba_is_installed
from flowgraph.numeric.reduced import Reduced, reduce, without_dead_code
from flowgraph.numeric.schedule import Schedule, schedule
from flowgraph.program import Program

Array = NDArray[Any]

BACKENDS = ("numpy", "compiled")

_CACHED = 16
_CACHED_STEPS = 1_000_000
"""Longer programs are not kept for the next call: hold their plan instead."""


def backend_named(name: str | None) -> Backend:
    """A backend by name; None takes the compiled one where Numba is installed.

    Raises:
        InputError: there is no such backend, or Numba is not installed.
    """
    if name is None:
        name = "compiled" if numba_is_installed() else "numpy"
    if name not in BACKENDS:
        raise InputError("there is no such backend", got=repr(name), expected="numpy or compiled")
    if name == "compiled" and not numba_is_installed():
        raise InputError("the compiled backend needs Numba", remedy="pip install 'flowgraph[fast]'")
    if name == "compiled":
        return import_module("flowgraph.numeric.compiled.engine").CompiledBackend()
    return import_module("flowgraph.numeric.numpy_backend").NumpyBackend()


@final
class Structure:
    """What depends on a program's structure only, not on its constants: shared by programs that differ in these."""

    def __init__(self, program: Program, *, contract: bool = True) -> None:
        self.reduced = reduce(program, contract=contract)

    @cached_property
    def schedule(self) -> Schedule | NotInvertible:
        """The order of the inverse sweeps, or why there is none."""
        try:
            return schedule(self.reduced)
        except NotInvertible as error:
            return error


@final
class _Key:
    """A program, equal to those that have the same structure."""

    def __init__(self, program: Program) -> None:
        digest = blake2b(digest_size=16)
        columns = (
            program.codes,
            program.starts,
            program.operands,
            program.outputs,
            *(g.values for g in program.guards),
        )
        digest.update(repr((program.n_inputs, [len(column) for column in columns])).encode())
        for column in columns:
            digest.update(np.ascontiguousarray(column, dtype=np.int32).data)
        self.program = program
        self._digest = digest.digest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self._digest == other._digest

    def __hash__(self) -> int:
        return hash(self._digest)


@lru_cache(maxsize=_CACHED)
def _structure(key: _Key) -> Structure:
    return Structure(key.program)


@final
class Analysed:
    """A program, analysed once: everything that does not depend on x.

    Attributes:
        backend: what evaluates and sweeps.
        reduced: the statements.
    """

    def __init__(self, program: Program, backend: Backend, structure: Structure | None = None) -> None:
        self.backend = backend
        self._whole = program
        live = without_dead_code(program)
        if structure is None or live is not program:
            structure = _structure(_Key(live)) if live.n_steps <= _CACHED_STEPS else Structure(live)
        self._structure = structure
        self.reduced = _with_program(structure.reduced, live)

    @cached_property
    def excerpt(self) -> faults.Excerpt | None:
        """The steps that count with the names and numbers that they have among all, or None where all count."""
        whole, live = self._whole, self.reduced.program
        if live.n_steps == whole.n_steps:
            return None
        numbers = np.flatnonzero(whole.liveness().needed)
        n = whole.n_inputs
        names = (*whole.input_names, *(whole.name(n + k) for k in numbers.tolist()))
        return faults.Excerpt(replace(live, names=names), numbers)

    @cached_property
    def _prepared(self) -> Any:
        return self.backend.prepare(self.reduced)

    @cached_property
    def inverse(self) -> Any:
        """What the inverse sweeps need.

        Raises:
            NotInvertible: J is not square, or singular for every x.
        """
        self.require_inverse()
        return self.backend.prepare_inverse(self._structure.schedule)  # pyright: ignore[reportArgumentType]

    def require_inverse(self) -> None:
        """Raise ``NotInvertible`` unless J has an inverse for almost all values of its partials."""
        found = self._structure.schedule
        if isinstance(found, NotInvertible):
            raise found.with_traceback(None)

    def evaluate(self, x: Array, *, linearise: bool) -> Values:
        """f, and with ``linearise`` the coefficients, at x (B, n)."""
        return self.backend.evaluate(self.reduced, self._prepared, x, linearise=linearise)

    def holds(self, values: Values) -> Array:
        """(B,) whether the branches that were traced are those taken at each point."""
        fits = np.ones(len(values.outputs), dtype=bool)
        for guard, watched in zip(self.reduced.program.guards, values.watched, strict=True):
            fits &= ((watched > 0.0) == guard.outcomes).all(axis=1)
        return fits

    @cached_property
    def uncontracted(self) -> Analysed:
        """The same program with every step a statement of its own: for partials whose products leave float64."""
        return Analysed(self.reduced.program, self.backend, Structure(self.reduced.program, contract=False))

    def singular(
        self, pivoting: Pivoting, b: int, x: Array, member: int | None, part: faults.Excerpt | None = None
    ) -> SingularJacobian:
        """Why member b of a batch is singular at x (n,); ``part`` where the program is a part of another one."""
        plan: Schedule = self.inverse.schedule
        row = int(pivoting.zero_row[b])
        reduced, numbers = self.reduced, None
        part = part or self.excerpt
        if part is not None:
            reduced, numbers = _with_program(reduced, part.program), part.numbers
        if row >= 0:
            return faults.singular_row(reduced, row, int(plan.arguments[plan.pivots[row]]), x, member, numbers)
        block = int(pivoting.zero_block[b])
        table = plan.table
        return faults.singular_block(
            reduced, table.rows[table.starts[block] : table.starts[block + 1]], member, numbers
        )


def _with_program(reduced: Reduced, program: Program) -> Reduced:
    """The same statements, of a program with other constants."""
    return reduced if reduced.program is program else replace(reduced, program=program)
