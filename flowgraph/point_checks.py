"""Checks of derived graphs at points: symbolic labels in a prime field, and NumPy against SymPy.

Reference: THEORY section 8.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random
from typing import Any, final

import numpy as np

from flowgraph.checks import Check
from flowgraph.errors import DomainError, GraphError, NotApplicable
from flowgraph.graph import FlowGraph
from flowgraph.labels import PRIME, BoundedFloatLabels, Label, ResidueLabels, SymbolicLabels
from flowgraph.modes import Mode, has_lumps, pipeline
from flowgraph.numbers import NumericPoint, Reference, draw_points, reference_jacobian, value_error
from flowgraph.partials import FloatPartials, FractionPartials, Labelling, linearise
from flowgraph.program import Program
from flowgraph.rewrite.derivation import run
from flowgraph.symbolic import (
    accumulate,
    accumulate_adjoint,
    convert_labels,
    graph_rows,
    label_value,
    linear_map,
    push,
)

_TOLERANCE = 1e-9


def symbolic_checks(program: Program, modes: Sequence[Mode], seed: int) -> list[Check]:
    """The inverse modes as people see them, with A⁻¹ and A⁻¹B of lumps in symbols, at a random point of a prime field.

    Every partial is a letter here, so that what SymPy does to functions has no part in it.
    """
    inverse = [mode for mode in modes if mode.inverse]
    if not inverse:
        return []
    fractions = FractionPartials(program)
    algebra, random = ResidueLabels(1), Random(seed)
    letters = {name: random.randrange(1, PRIME) for name in fractions.definitions}
    lettered = _Lettered(fractions)
    atoms: dict[Any, Label] = {lettered.letters[name]: residue for name, residue in letters.items()}

    def partial(step: int, slot: int) -> Label:
        return label_value(lettered.partial(step, slot), algebra, atoms)

    v = [random.randrange(1, PRIME) for _ in range(program.n_inputs)]
    tangents = accumulate(program, algebra, partial, [{0: x} for x in v])
    image = [tangents[k].get(0, algebra.zero) for k in program.outputs.tolist()]
    given = {
        Mode.FORWARD_INVERSE: (image, v),
        Mode.REVERSE_INVERSE: (accumulate_adjoint(program, algebra, partial, v), v),
    }
    checks = []
    for mode in inverse:
        graph = convert_labels(_evaluated(program, lettered, mode), algebra, letters)
        source, target = given[mode]
        found = push(algebra, graph_rows(graph), graph.inputs, graph.outputs, [{0: x} for x in source])
        wrong = [k for k, row in enumerate(found) if row.get(0, algebra.zero) != target[k]]
        witness = f"component {wrong[0] + 1} differs at the random point" if wrong else ""
        detail = f"{len(graph.edges)} edges"
        checks.append(Check(f"{mode} in symbols", "random point in GF(2⁶¹−1)", not wrong, detail, witness))
    return checks


@final
class _Lettered(Labelling):
    """Symbolic labels with a letter for each generator of the fraction field.

    Attributes:
        letters: the symbols by name.
    """

    def __init__(self, fractions: FractionPartials) -> None:
        import sympy

        self.algebra = SymbolicLabels()
        self.letters = {name: sympy.Symbol(name) for name in fractions.definitions}
        self._fractions = fractions

    def partial(self, step: int, slot: int) -> Label:
        return self._fractions.partial(step, slot).as_expr()


def numeric_checks(program: Program, modes: Sequence[Mode], seed: int) -> list[Check]:
    """NumPy evaluations of the graphs at random points against J, Jᵀ, J⁻¹, J⁻ᵀ from SymPy to 30 digits or more."""
    points = draw_points(program, Random(seed), count=3)
    errors: dict[Mode, list[float]] = {mode: [] for mode in modes}
    for point in points:
        try:
            reference = reference_jacobian(program, point)
            in_values = value_error(program, point)
        except DomainError:
            continue
        for mode in modes:
            # Where J is singular at the point, or a pivot underflows there, the inverse modes have nothing to compare.
            error = _relative_error(program, point, mode, reference)
            if error is not None:
                errors[mode].append(max(error, in_values))
    return [_numeric_check(mode, found) for mode, found in errors.items()]


def _numeric_check(mode: Mode, errors: Sequence[float]) -> Check:
    subject = f"{mode} in NumPy"
    if not errors:
        reason = "no usable point found in the domain" if not mode.inverse else "no point found where J is invertible"
        return Check(subject, "against J from SymPy", True, reason, skipped=True)
    # max() would pass over a NaN.
    worst = math.inf if any(math.isnan(error) for error in errors) else max(errors)
    ok = worst <= _TOLERANCE
    detail = f"{len(errors)} point{'' if len(errors) == 1 else 's'}, error {worst:.0e}"
    witness = "" if ok else f"error {worst:.2e} above {_TOLERANCE:.0e}"
    return Check(subject, "against J from SymPy, 30 digits or more", ok, detail, witness)


def _relative_error(program: Program, point: NumericPoint, mode: Mode, reference: Reference) -> float | None:
    """The largest error of an entry relative to the sum of the absolute values of the terms that make it up.

    None where J is not invertible at the point and the mode needs it to be, or where the numbers overflow; infinite
    where the graph has no map.
    """
    expected = reference.of_mode(mode)
    labelling = FloatPartials(program, point.values, point.letters)
    try:
        graph = _evaluated(program, labelling, mode)
        bounded = _evaluated(program, _Bounded(labelling), mode)
    except NotApplicable:
        return None
    if expected is None:
        return None
    if not all(math.isfinite(edge.label) for edge in graph.edges):
        # The reciprocal of a tiny pivot may overflow where nothing is wrong; a partial that is no number may not.
        return None if mode.inverse or not np.isfinite(expected).all() else math.inf
    with np.errstate(all="ignore"):
        try:
            found = linear_map(graph)
        except GraphError:
            return math.inf
        scale = np.array([[bound for _, bound in row] for row in linear_map(bounded)]).reshape(found.shape)
        if not (np.isfinite(scale).all() and np.isfinite(expected).all()):
            return None
        # Entries that no path reaches are 0 in the graph and of the order of 10⁻³⁰ in the reference.
        floor = 1e-12 * float(np.max(scale, initial=0.0)) or 1.0
        return float(np.max(np.abs(found - expected) / np.maximum(scale, floor), initial=0.0))


def _evaluated(program: Program, labelling: Labelling, mode: Mode) -> FlowGraph:
    work = linearise(program, labelling)
    with np.errstate(all="ignore"):
        for _ in run(work, pipeline(mode, sparse=True, lumped=has_lumps(program))):
            pass
    return work.freeze()


class _Bounded(Labelling):
    """Numbers with the magnitudes that their rounding errors are relative to."""

    def __init__(self, labelling: FloatPartials) -> None:
        self.algebra = BoundedFloatLabels()
        self._labelling = labelling

    def partial(self, step: int, slot: int) -> Label:
        value = self._labelling.partial(step, slot)
        return (value, abs(value))
