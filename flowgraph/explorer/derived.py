"""Derivations at hand: each is made once for a program, an order and a mode, with its twins in other labels.

What is kept depends on the arguments only, and a few of each kind are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from types import MappingProxyType
from typing import Any, final

import numpy as np

from flowgraph.data_flow import data_flow
from flowgraph.errors import DomainError, InputError, NotApplicable
from flowgraph.explorer.limits import LIMITS
from flowgraph.labels import PRIME, Label, ResidueLabels
from flowgraph.lumping import lumps
from flowgraph.modes import Derivation, Mode, derive, has_lumps
from flowgraph.orders import legal_order
from flowgraph.partials import (
    FloatPartials,
    FractionPartials,
    Labelling,
    ResiduePartials,
    edge_slots,
    evaluate,
)
from flowgraph.program import Program, require_program
from flowgraph.rewrite import Application
from flowgraph.rewrite.derivation import Summary
from flowgraph.symbolic import convert_labels, label_atoms
from flowgraph.verification import check_application

EXACT_STEPS = 200
"""Applications are checked over the fraction field in programs of up to so many steps."""

EXACT_SIZE = 3
"""And with lumps of up to this l: the entries of a matrix inverse over the fraction field have l! terms."""

EXACT_LENGTH = 40
"""And with lumps of up to so many steps: the sums over all paths through a lump are multiplied out."""

_RANGES = ((0.5, 1.5), (-1.0, 1.0), (0.05, 0.95), (1.1, 3.0), (-3.0, 3.0))
"""Where the coordinates of a point are drawn from, in turn: what is no point of the domain is drawn again."""

_ATTEMPTS = 100


@dataclass(frozen=True, slots=True)
class Case:
    """What a derivation follows from. Equal cases have equal derivations.

    Attributes:
        program: the program, in its own numbering.
        order: step numbers, without those of dead code.
        mode: the mode.
    """

    program: Program
    order: tuple[int, ...]
    mode: Mode

    @property
    def reordered(self) -> Program:
        """The program with its steps in this order, as the derivation has it."""
        return self.program.reordered(np.array(self.order, dtype=np.int64))


def case(program: Program, order: tuple[int, ...] | None, mode: Mode | str) -> Case:
    """A case, with the program's own order where none is given.

    Raises:
        InputError: the order leaves out, repeats or misplaces a step.
    """
    require_program(program)
    steps = legal_order(program, data_flow(program), order)
    return Case(program, tuple(steps.tolist()), Mode(mode))


def own_order(program: Program) -> tuple[int, ...]:
    """The steps that are not dead, as they stand."""
    return tuple(np.flatnonzero(program.liveness().needed).tolist())


@lru_cache(maxsize=8)
def derivation_of(at: Case) -> Derivation:
    """The derivation of a case, in symbols.

    Raises:
        NotInvertible: an inverse mode, and the Jacobian has no inverse.
        InputError: the layered graph would be too large.
    """
    _check_size(at)
    return derive(at.program, at.mode, order=at.order)


def _check_size(at: Case) -> None:
    widths = int(at.reordered.liveness().widths.sum())
    if widths > LIMITS.vertices:
        raise InputError(
            "the program is too large to be derived here",
            got=f"{widths:,} live values over all rows",
            expected=f"at most {LIMITS.vertices:,}",
            remedy="use fg.derive, or a shorter program",
        )


@lru_cache(maxsize=8)
def summaries_of(at: Case) -> tuple[Summary, ...]:
    """Every step of a derivation in words, and whether it changed anything."""
    return derivation_of(at).summaries()


@lru_cache(maxsize=32)
def application_of(at: Case, number: int) -> Application:
    """Application ``number`` (from 1) of a derivation."""
    return derivation_of(at).application(number)


# -- checks ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Badge:
    """What a check of one application found.

    Attributes:
        ok: whether it had the effect that its rule claims.
        method: ``"fraction field"`` or ``"prime field"``.
        text: the same in a sentence.
        witness: what is wrong, empty where nothing is.
    """

    ok: bool
    method: str
    text: str
    witness: str

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {"ok": self.ok, "method": self.method, "text": self.text, "witness": self.witness}


@lru_cache(maxsize=512)
def badge(at: Case, number: int) -> Badge:
    """Check one application of a derivation: that of the same rule at the same site, with labels that decide equality.

    The labels are elements of the fraction field, one generator for each partial that is no number. In programs of more
    than 200 steps, or with large lumps, they are random elements of the field with 2⁶¹ − 1 elements: what is wrong
    is missed with a probability of about 10⁻¹⁵.
    """
    twin, method = _twin(at)
    effect = derivation_of(at).rules[derivation_of(at).steps[number - 1].rule].effect
    if twin is None:
        method, trouble = "prime field", _symbols_at_a_point(application_of(at, number), at)
    else:
        application = twin.application(number)
        trouble = check_application(application, twin.rules[application.step.rule])
    how = "exactly" if method == "fraction field" else "at a random point of a prime field"
    if trouble is None:
        return Badge(True, method, f"checked {how}: {effect}", "")
    return Badge(False, method, f"checked {how}: does not do what it claims, that it {effect}", trouble)


@lru_cache(maxsize=4)
def _twin(at: Case) -> tuple[Derivation | None, str]:
    """The same derivation with labels that decide equality, and what they are; None where it cannot be repeated."""
    derivation = derivation_of(at)
    program = derivation.program
    exact = _is_small(program, at.mode)
    labelling = FractionPartials(program) if exact else _Fixed(program)
    try:
        return derivation.relabelled(labelling), "fraction field" if exact else "prime field"
    except NotApplicable:
        # Symbols may cancel where independent partials do not, so that other edges are there.
        return None, "prime field"


def _is_small(program: Program, mode: Mode) -> bool:
    """Whether labels stay small enough for the fraction field."""
    if program.n_steps > EXACT_STEPS:
        return False
    if not mode.inverse or not has_lumps(program):
        return True
    lumping = lumps(program)
    return max(lumping.sizes.tolist()) <= EXACT_SIZE and max(lumping.lengths.tolist()) <= EXACT_LENGTH


@final
class _Fixed(Labelling):
    """Random residues, the same at each use of a partial."""

    def __init__(self, program: Program) -> None:
        drawn = ResiduePartials(program, 1, 0)
        self.algebra = drawn.algebra
        slots = [(k, slot) for k in range(program.n_steps) for slot in range(program.starts[k + 1] - program.starts[k])]
        self._partials = {key: drawn.partial(*key) for key in slots}

    def partial(self, step: int, slot: int) -> Label:
        return self._partials[step, slot]


def _symbols_at_a_point(application: Application, at: Case) -> str | None:
    """The check of an application in symbols, each of them a random residue."""
    random, values = Random(0), {}
    for graph in (application.before, application.after):
        for edge in graph.edges:
            for atom in label_atoms(edge.label):
                values.setdefault(str(atom), random.randrange(1, PRIME))
    algebra = ResidueLabels(1)
    before, after = (convert_labels(graph, algebra, values) for graph in (application.before, application.after))
    step = application.step
    return check_application(Application(step, before, after), derivation_of(at).rules[step.rule])


# -- numbers --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Point:
    """A point at which a program has values and partials. Numbers are those of the program's own order.

    Attributes:
        x: the inputs.
        values: of every value.
        letters: the partials of uninterpreted functions, by (step, argument), drawn at random.
    """

    x: tuple[float, ...]
    values: tuple[float, ...]
    letters: Mapping[tuple[int, int], float]


def point(program: Program, x: tuple[float, ...] | None, seed: int) -> Point:
    """A point: the values of uninterpreted functions and their partials are drawn at random, and x where it is None.

    Raises:
        InputError: x has another length, is not finite, or takes a branch the other way.
        DomainError: the program is not defined there; or no point is found at which it is.
    """
    if x is not None and (len(x) != program.n_inputs or not np.isfinite(x).all()):
        raise InputError(
            "x does not fit the program",
            got=f"{len(x)} numbers" + ("" if np.isfinite(x).all() else ", not all finite"),
            expected=f"{program.n_inputs} finite numbers, one for each input",
        )
    # What is drawn for functions does not depend on whether x is given.
    random, inputs = Random(seed), Random(seed + 1)
    unknown = [k for k in range(program.n_steps) if program.codes[k] < 0]
    attempts = _ATTEMPTS if x is None or unknown else 1
    for attempt in range(attempts):
        low, high = _RANGES[attempt % len(_RANGES)]
        here = tuple(round(inputs.uniform(low, high), 2) for _ in range(program.n_inputs)) if x is None else x
        drawn = {k: random.uniform(low, high) for k in unknown}
        try:
            values = evaluate(program, np.array(here, dtype=float), drawn.__getitem__)
            _check_branches(program, values)
        except (DomainError, InputError):
            if attempt == attempts - 1:
                raise
            continue
        return Point(here, tuple(values.tolist()), _letters(program, Random(seed)))
    raise AssertionError("the last attempt returns or raises")


def _check_branches(program: Program, values: Any) -> None:
    for guard in program.guards:
        if not np.array_equal(values[guard.values] > 0.0, guard.outcomes):
            raise InputError(
                "a branch of the program goes the other way at this point",
                where=f"line {guard.line}" if guard.line else None,
                remedy="give a point that takes the same branches, or trace the function at this one",
            )


def _letters(program: Program, random: Random) -> Mapping[tuple[int, int], float]:
    return MappingProxyType(
        {
            (step, argument): random.choice((-1.0, 1.0)) * round(random.uniform(0.5, 1.5), 2)
            for step, arguments in edge_slots(program)
            if program.codes[step] < 0
            for argument, _ in arguments
        }
    )


def partials_at(at: Case, where: Point) -> FloatPartials:
    """The partials of the reordered program at a point."""
    n = at.program.n_inputs
    place = {n + step: n + k for k, step in enumerate(at.order)}
    values = np.array([*where.values[:n], *(where.values[n + step] for step in at.order)])
    letters = {
        (place[n + step] - n, place.get(argument, argument)): number
        for (step, argument), number in where.letters.items()
        if n + step in place
    }
    return FloatPartials(at.reordered, values, letters)


@lru_cache(maxsize=4)
def numeric_twin(at: Case, x: tuple[float, ...], seed: int) -> Derivation:
    """The same derivation with numbers at a point as labels.

    Raises:
        NotApplicable: a pivot is 0 there.
        DomainError: the program is not defined there.
        InputError: x does not fit.
    """
    with np.errstate(all="ignore"):
        return derivation_of(at).relabelled(partials_at(at, point(at.program, x, seed)))
