"""The four modes of accumulation as pipelines of rules.

| mode            | finds  | pipeline                                           |
|-----------------|--------|----------------------------------------------------|
| forward         | J v    | carry, unlayer                                     |
| reverse         | Jᵀ w   | carry, unlayer, reverse                            |
| reverse-inverse | J⁻ᵀ w  | carry, invert, shift, unlayer                      |
| forward-inverse | J⁻¹ v  | carry, invert, shift, unlayer, reverse             |

Where a step is not equasive, ``lump`` comes before ``invert`` and ``expand`` after it.

Reference: arXiv:2411.18786, Fig. 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flowgraph.costs import Operations
from flowgraph.data_flow import data_flow
from flowgraph.errors import InputError, NotApplicable, NotInvertible
from flowgraph.graph import Workspace
from flowgraph.labels import GENERIC, CountingLabels
from flowgraph.lumping import finest_order
from flowgraph.orders import legal_order
from flowgraph.partials import CountedPartials, linearise
from flowgraph.program import Program, Step, require_program
from flowgraph.rewrite.derivation import LABELLINGS, Derivation, Mode, Pipeline, record, run
from flowgraph.rewrite.rules import with_carry
from flowgraph.structure import require_invertible

Order = Sequence[int | str] | Any
"""Step numbers from 0 or names of results, as a sequence or an integer array."""


def pipeline(mode: Mode | str, *, sparse: bool = False, lumped: bool = False) -> Pipeline:
    """The stages of a mode after the primal graph, each with the rule that leads to it.

    Args:
        mode: one of the four modes.
        sparse: carry values only to the rows where they are read (see ``Carry``).
        lumped: make lumps before an inversion, and expand their block labels after it.
    """
    rules = with_carry(sparse=sparse)
    mode = Mode(mode)
    return tuple((stage, rules[rule]) for stage, rule in (mode.stages_with_lumps if lumped else mode.stages))


def derive(
    program: Program,
    mode: Mode | str,
    *,
    labels: str = "symbolic",
    sparse: bool | None = None,
    order: Order | None = None,
) -> Derivation:
    """Derive the graph of a mode from a program, rule by rule.

    An inverse mode puts the steps into the order with the most lumps (see ``best_order``), unless it is given one.
    Where every step is equasive that is the program's own order, and every lump is one step.

    Args:
        program: straight-line code; dead code is removed first.
        mode: ``"forward"``, ``"reverse"``, ``"forward-inverse"`` or ``"reverse-inverse"``.
        labels: ``"symbolic"`` (SymPy expressions), ``"fractions"`` (exact rational functions with one generator per
            edge) or ``"counts"`` (an operation counter).
        sparse: False draws every live value in every row, as the paper does, n·T vertices in all; True only in the rows
            where it is read. None takes False up to 50,000 vertices.
        order: step numbers from 0, or names of results: the order of the steps.

    Returns:
        The derivation: ``stages`` from ``"primal"`` to the last one, ``steps``, and ``graph``, the result.

    Raises:
        NotInvertible: an inverse mode of a program that is not square, or whose Jacobian is singular for every x.
        InputError: the order leaves out, repeats or misplaces a step.

    Reference: arXiv:2411.18786, Fig. 3.

    Example:
        >>> from flowgraph.language import parse
        >>> program = parse("inputs x1, x2, x3\\nz1 = f(x1, x2)\\nz2 = g(x3, z1)\\noutputs z1, x2, z2")
        >>> print(derive(program, "forward-inverse").graph)
        inputs z1 x2 z2, outputs x1 x2 x3
        x2 -> x1 : -b/a
        z1 -> x1 : 1/a
        z1 -> x3 : -d/c
        z2 -> x3 : 1/c
        >>> lump = parse("inputs x, y\\nu = f(x, y)\\nv = g(x, y)\\noutputs u, v")
        >>> derivation = derive(lump, "reverse-inverse")
        >>> print(derivation.stages["lumped"])
        inputs x y, outputs u v
        x y -> u v : A1
        >>> print(derivation.graph)
        inputs x y, outputs u v
        x -> v : A1inv_1_2
        y -> v : A1inv_2_2
        x -> u : A1inv_1_1
        y -> u : A1inv_2_1
    """
    require_program(program)
    mode = Mode(mode)
    if not isinstance(labels, str) or labels not in LABELLINGS:
        raise InputError("there are no such labels", got=repr(labels), expected=", ".join(map(repr, LABELLINGS)))
    program = in_order(program, order, inverse=mode.inverse)
    if sparse is None:
        sparse = int(program.liveness().widths.sum()) > 50_000
    stages = pipeline(mode, sparse=sparse, lumped=has_lumps(program))
    try:
        return record(program, mode, LABELLINGS[labels](program), stages)
    except NotApplicable as error:
        raise zero_pivot(program, error) from error


def in_order(program: Program, order: Order | None, *, inverse: bool) -> Program:
    """The program without dead code, in the given order, or in the best one where its inverse is wanted.

    Raises:
        NotInvertible: the inverse is wanted and the Jacobian has none, for every x.
        InputError: the order leaves out, repeats or misplaces a step.
    """
    structure = require_invertible(program) if inverse else None
    if order is not None:
        flow = data_flow(program) if structure is None else structure.flow
        return program.reordered(legal_order(program, flow, order))
    if structure is None or not has_lumps(program):
        # Not ``without_dead_code``, which gives values without names the names of others.
        needed = program.liveness().needed
        return program if needed.all() else program.reordered(np.flatnonzero(needed))
    return program.reordered(finest_order(structure))


def has_lumps(program: Program) -> bool:
    """Whether some step is not equasive, so that an inverse mode has to make lumps."""
    live = program.liveness()
    return bool((live.active & (live.deaths != 1)).any())


def zero_pivot(program: Program, error: NotApplicable) -> NotInvertible | NotApplicable:
    """The error for a step or lump whose pivot is zero for every x, though its pattern is not.

    Any other reason for a rule not to apply is a fault of the rule and comes back as it is.
    """
    if error.place is None:
        return error
    step = program.step(error.place[1] - 1)
    return NotInvertible(
        "the Jacobian is singular for every x: a step or lump loses what dies in it",
        step=step.index + 1,
        where=_place_of(step),
        got=error.what,
        remedy="the results must depend on the arguments they overwrite, independently; z = x - x does not",
    )


def _place_of(step: Step) -> str:
    line = f"line {step.line}, " if step.line else ""
    return f"{line}step {step.index + 1}: {step}"


@dataclass(frozen=True, slots=True)
class OperationCount:
    """What a mode costs beyond the partials themselves. Signs are free, and so are products with ±1.

    Attributes:
        labels: to compute the edge labels from the partials, once per point x.
        sweep: to push one vector through the graph.
    """

    labels: Operations
    sweep: Operations


def count_operations(program: Program, mode: Mode | str, *, order: Order | None = None) -> OperationCount:
    """The exact number of arithmetic operations of a mode, counted by deriving its graph in the counting algebra.

    A lump has one edge for each entry of A⁻¹ and of −A⁻¹B, and its labels are counted as Gauss and Jordan compute them.
    What a lump costs when A is factored instead is in ``analyze``.

    Args:
        program: straight-line code.
        mode: one of the four modes.
        order: as in ``derive``.

    Example:
        >>> from flowgraph.language import parse
        >>> program = parse("inputs u, w\\nz = f(u, w)\\noutputs z, w")
        >>> count_operations(program, "forward").sweep
        Operations(multiplications=2, additions=1, divisions=0)
        >>> count_operations(program, "reverse-inverse").labels
        Operations(multiplications=1, additions=0, divisions=1)
    """
    require_program(program)
    mode = Mode(mode)
    program = in_order(program, order, inverse=mode.inverse)
    labelling = CountedPartials(program)
    tally = labelling.tally
    work = linearise(program, labelling)
    try:
        for _ in run(work, pipeline(mode, sparse=True, lumped=has_lumps(program))):
            pass
    except NotApplicable as error:
        raise zero_pivot(program, error) from error
    prepared = Operations(tally.multiplications, tally.additions, tally.divisions)
    return OperationCount(prepared, _sweep_cost(work))


def _sweep_cost(work: Workspace) -> Operations:
    algebra = CountingLabels()
    tally = algebra.tally
    for place, row in work.rows.items():
        total = GENERIC if place in work.input_places else algebra.zero
        for _, label, _ in row:
            total = algebra.add(total, algebra.mul(label, GENERIC))
    return Operations(tally.multiplications, tally.additions, tally.divisions)
