"""The four modes at a point in numbers: J v, Jᵀ v, J⁻¹ v and J⁻ᵀ v, each held against a dense Jacobian."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowgraph.errors import AccuracyWarning, FlowgraphError, InputError, NotApplicable
from flowgraph.explorer.derived import Case, Point, case, partials_at, point
from flowgraph.modes import Mode, has_lumps, pipeline
from flowgraph.numeric.functions import linearize
from flowgraph.numeric.linearization import Linearization
from flowgraph.partials import FloatPartials, linearise
from flowgraph.program import Program
from flowgraph.rewrite.derivation import run
from flowgraph.structure import require_invertible
from flowgraph.symbolic import Row, accumulate, accumulate_adjoint, push

Array = NDArray[Any]

DENSE = 1_000_000
"""Up to so many entries of all tangents together J is made as a whole; above, only its product with the vector."""


_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class ModeNumbers:
    """One mode at a point.

    Attributes:
        mode: the mode.
        symbol: the matrix that it multiplies by.
        given: names of the values whose tangents or cotangents go in.
        found: names of those that come out.
        vector: what goes in.
        result: what comes out; None where there is nothing.
        error: why not.
        check: how the result compares with an independent computation.
    """

    mode: str
    symbol: str
    given: tuple[str, ...]
    found: tuple[str, ...]
    vector: tuple[float, ...]
    result: tuple[float | None, ...] | None
    error: str | None
    check: str

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "mode": self.mode,
            "symbol": self.symbol,
            "given": list(self.given),
            "found": list(self.found),
            "vector": list(self.vector),
            "result": None if self.result is None else list(self.result),
            "error": self.error,
            "check": self.check,
        }


@dataclass(frozen=True, slots=True)
class Numbers:
    """The four modes at a point.

    Attributes:
        x: the point.
        v: the vector; a mode that takes one of another length is given a random one.
        names_in: names of the inputs.
        names_out: names of the outputs.
        seed: of what is drawn at random.
        modes: one entry for each mode.
        note: what has to be said about all of them, or empty.
    """

    x: tuple[float, ...]
    v: tuple[float, ...]
    names_in: tuple[str, ...]
    names_out: tuple[str, ...]
    seed: int
    modes: tuple[ModeNumbers, ...]
    note: str

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "x": list(self.x),
            "v": list(self.v),
            "names_in": list(self.names_in),
            "names_out": list(self.names_out),
            "seed": self.seed,
            "modes": [mode.to_json() for mode in self.modes],
            "note": self.note,
        }


def numbers(
    program: Program,
    order: tuple[int, ...] | None,
    x: tuple[float, ...] | None,
    v: tuple[float, ...] | None,
    seed: int,
) -> Numbers:
    """J v, Jᵀ v, J⁻¹ v and J⁻ᵀ v at a point.

    The numeric engine computes them. Where the program has functions without a definition, their values and partials
    are drawn at random, and the derived graphs are evaluated. What cannot be computed, because J is singular there or x
    is outside a domain, is said in ``error``.

    Args:
        program: straight-line code.
        order: step numbers without those of dead code; None is the program's own order.
        x: (n,) the point; drawn at random where None.
        v: (n,) or (m,) the vector; drawn at random where None.
        seed: of what is drawn.

    Raises:
        InputError: x or v has a length that fits nothing, or is not finite; or the order is none of the program.

    Example:
        >>> from flowgraph.language import parse
        >>> found = numbers(parse("inputs x, y\\nz = x * y\\noutputs z, y"), None, (2.0, 4.0), (1.0, 0.0), 0)
        >>> [mode.result for mode in found.modes]
        [(4.0, 0.0), (4.0, 2.0), (0.25, 0.0), (0.25, -0.5)]
        >>> found.modes[2].check
        'agrees with the dense Jacobian to rounding'
    """
    n, m = program.n_inputs, program.n_outputs
    if x is not None:
        _check_vector("x", x, (n,))
    if v is None:
        v = _drawn(n, seed)
    _check_vector("v", v, tuple(dict.fromkeys((n, m))))
    unknown = sorted({program.functions[-1 - int(code)] for code in program.codes if code < 0})
    note = ""
    if unknown:
        listed = ", ".join(unknown[:6]) + (", …" if len(unknown) > 6 else "")
        note = f"functions without a definition ({listed}): values and partials drawn at random"
    try:
        where = point(program, x, seed)
    except FlowgraphError as error:
        told = _told(error)
        modes = tuple(_entry(program, mode, _fitting(program, mode, v, seed), None, told, "") for mode in Mode)
        return Numbers(x or (), v, program.input_names, program.output_names, seed, modes, note)
    solver = _Engine(program, order, where) if not unknown else _Graphs(program, order, where)
    oracle = _Oracle(case(program, order, Mode.FORWARD), where)
    found = []
    for mode in Mode:
        vector = _fitting(program, mode, v, seed)
        try:
            result, remark = solver.apply(mode, np.array(vector, dtype=float))
        except FlowgraphError as error:
            found.append(_entry(program, mode, vector, None, _told(error), ""))
            continue
        check = oracle.check(mode, np.array(vector, dtype=float), result)
        found.append(_entry(program, mode, vector, result, None, "; ".join(text for text in (check, remark) if text)))
    return Numbers(where.x, v, program.input_names, program.output_names, seed, tuple(found), note)


def _check_vector(name: str, vector: tuple[float, ...], lengths: tuple[int, ...]) -> None:
    if len(vector) not in lengths or not all(map(math.isfinite, vector)):
        raise InputError(
            f"{name} does not fit the program",
            got=f"{len(vector)} numbers" + ("" if all(map(math.isfinite, vector)) else ", not all finite"),
            expected=" or ".join(map(str, lengths)) + " finite numbers",
        )


def _drawn(length: int, seed: int) -> tuple[float, ...]:
    return tuple((np.random.default_rng(seed).integers(-20, 21, length) / 10).tolist())


def _fitting(program: Program, mode: Mode, v: tuple[float, ...], seed: int) -> tuple[float, ...]:
    """The vector, or a random one where it has another length than the mode takes."""
    length = program.n_inputs if mode in (Mode.FORWARD, Mode.REVERSE_INVERSE) else program.n_outputs
    return v if len(v) == length else _drawn(length, seed)


def _entry(
    program: Program, mode: Mode, vector: tuple[float, ...], result: Array | None, error: str | None, check: str
) -> ModeNumbers:
    given, found = program.input_names, program.output_names
    if mode in (Mode.REVERSE, Mode.FORWARD_INVERSE):
        given, found = found, given
    listed = None if result is None else tuple(y if math.isfinite(y) else None for y in result.tolist())
    return ModeNumbers(str(mode), mode.symbol, given, found, vector, listed, error, check)


def _told(error: FlowgraphError) -> str:
    return "; ".join(text for text in (error.what, error.where, error.got) if text)


class _Engine:
    """The numeric engine on the program in an order."""

    def __init__(self, program: Program, order: tuple[int, ...] | None, where: Point) -> None:
        self._program = case(program, order, Mode.FORWARD).reordered
        self._x = np.array(where.x, dtype=float)

    @cached_property
    def _at(self) -> Linearization:
        return linearize(self._program, self._x, backend="numpy")

    def apply(self, mode: Mode, vector: Array) -> tuple[Array, str]:
        """The mode's matrix times a vector, and what the engine warns of."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", AccuracyWarning)
            at = self._at
            operators: Mapping[Mode, Callable[[Array], Array]] = MappingProxyType(
                {
                    Mode.FORWARD: at.jvp,
                    Mode.REVERSE: at.vjp,
                    Mode.FORWARD_INVERSE: at.ijvp,
                    Mode.REVERSE_INVERSE: at.ivjp,
                }
            )
            result = operators[mode](vector)
        return result, "; ".join(str(warning.message).splitlines()[0] for warning in caught)


class _Graphs:
    """The derived graphs with numbers for labels."""

    def __init__(self, program: Program, order: tuple[int, ...] | None, where: Point) -> None:
        at = case(program, order, Mode.FORWARD)
        self._program = at.reordered
        self._labelling = partials_at(at, where)

    def apply(self, mode: Mode, vector: Array) -> tuple[Array, str]:
        """The mode's matrix times a vector."""
        if mode.inverse:
            require_invertible(self._program)
        work = linearise(self._program, self._labelling)
        try:
            with np.errstate(all="ignore"):
                for _ in run(work, pipeline(mode, sparse=True, lumped=has_lumps(self._program))):
                    pass
        except NotApplicable as error:
            raise InputError("the Jacobian is singular at this point", where=error.where, got=error.what) from error
        seeds: list[Row] = [{0: y} for y in vector.tolist()]
        rows = push(work.algebra, work.rows, work.inputs, work.outputs, seeds)
        return np.array([row.get(0, 0.0) for row in rows], dtype=float), ""


class _Oracle:
    """J by forward accumulation on the columns, and ``numpy.linalg``: no rewriting, and no engine."""

    def __init__(self, at: Case, where: Point) -> None:
        self._program = at.reordered
        self._labelling: FloatPartials = partials_at(at, where)
        self._dense: Array | None = None
        if self._program.n_values * self._program.n_inputs <= DENSE:
            self._dense = self._jacobian()

    def check(self, mode: Mode, vector: Array, result: Array) -> str:
        """How a result compares with what is computed here."""
        if not np.isfinite(result).all():
            return "the result is not finite"
        if self._dense is None:
            found, expected, what = (*self._backwards(mode, vector, result), "product with the Jacobian")
        else:
            found, expected, what = result, self._expected(mode, vector), "dense Jacobian"
        if expected is None:
            return "the dense Jacobian is singular to rounding"
        scale = max(float(np.max(np.abs(expected), initial=0.0)), float(np.max(np.abs(found), initial=0.0)))
        error = float(np.max(np.abs(found - expected), initial=0.0)) / (scale or 1.0)
        if error == 0.0:
            return f"agrees with the {what} to rounding"
        if error < _TOLERANCE:
            return f"agrees with the {what} to {error:.0e}"
        return f"DIFFERS from the {what} by {error:.0e}"

    def _jacobian(self) -> Array:
        n = self._program.n_inputs
        seeds: list[Row] = [{j: 1.0} for j in range(n)]
        tangents = accumulate(self._program, self._labelling.algebra, self._labelling.partial, seeds)
        rows = [[tangents[k].get(j, 0.0) for j in range(n)] for k in self._program.outputs.tolist()]
        return np.array(rows, dtype=float).reshape(len(rows), n)

    def _expected(self, mode: Mode, vector: Array) -> Array | None:
        dense = self._dense
        if dense is None:
            return None
        if mode is Mode.FORWARD:
            return dense @ vector
        if mode is Mode.REVERSE:
            return dense.T @ vector
        try:
            return np.linalg.solve(dense if mode is Mode.FORWARD_INVERSE else dense.T, vector)
        except np.linalg.LinAlgError:
            return None

    def _backwards(self, mode: Mode, vector: Array, result: Array) -> tuple[Array, Array]:
        """For inverse modes the product of the result with J or Jᵀ, which should be the vector."""
        given, expected = (result, vector) if mode.inverse else (vector, result)
        algebra, partial = self._labelling.algebra, self._labelling.partial
        if mode in (Mode.FORWARD, Mode.FORWARD_INVERSE):
            tangents = accumulate(self._program, algebra, partial, [{0: y} for y in given.tolist()])
            found = [tangents[k].get(0, 0.0) for k in self._program.outputs.tolist()]
        else:
            found = accumulate_adjoint(self._program, algebra, partial, given.tolist())
        return np.array(found, dtype=float), expected
