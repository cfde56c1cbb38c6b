"""The four modes of accumulation as pipelines of rules.

| mode            | finds  | pipeline                                           |
|-----------------|--------|----------------------------------------------------|
| forward         | J v    | carry, unlayer                                     |
| reverse         | Jᵀ w   | carry, unlayer, reverse                            |
| reverse-inverse | J⁻ᵀ w  | carry, invert, shift, unlayer                      |
| forward-inverse | J⁻¹ v  | carry, invert, shift, unlayer, reverse             |

Reference: arXiv:2411.18786, Fig. 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flowgraph.costs import Operations
from flowgraph.errors import InputError, NotApplicable, NotInvertible
from flowgraph.graph import Workspace
from flowgraph.labels import GENERIC, CountingLabels
from flowgraph.liveness import Liveness
from flowgraph.partials import CountedPartials, linearise
from flowgraph.program import Program, Step, require_program
from flowgraph.rewrite.derivation import LABELLINGS, Derivation, Mode, Pipeline, record, run
from flowgraph.rewrite.rules import with_carry


def pipeline(mode: Mode | str, *, sparse: bool = False) -> Pipeline:
    """The stages of a mode after the primal graph, each with the rule that leads to it.

    Args:
        mode: one of the four modes.
        sparse: carry values only to the rows where they are read (see ``Carry``).
    """
    rules = with_carry(sparse=sparse)
    return tuple((stage, rules[rule]) for stage, rule in Mode(mode).stages)


def derive(program: Program, mode: Mode | str, *, labels: str = "symbolic", sparse: bool | None = None) -> Derivation:
    """Derive the graph of a mode from a program, rule by rule.

    Args:
        program: straight-line code; dead code is removed first.
        mode: ``"forward"``, ``"reverse"``, ``"forward-inverse"`` or ``"reverse-inverse"``.
        labels: ``"symbolic"`` (SymPy expressions), ``"fractions"`` (exact rational functions with one generator per
            edge) or ``"counts"`` (an operation counter).
        sparse: False draws every live value in every row, as the paper does, n·T vertices in all; True only in the rows
            where it is read. None takes False up to 50,000 vertices.

    Returns:
        The derivation: ``stages`` from ``"primal"`` to the last one, ``steps``, and ``graph``, the result.

    Raises:
        NotInvertible: an inverse mode of a program that is not square, or has a step that is not equasive.

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
    """
    require_program(program)
    mode = Mode(mode)
    if not isinstance(labels, str) or labels not in LABELLINGS:
        raise InputError("there are no such labels", got=repr(labels), expected=", ".join(map(repr, LABELLINGS)))
    program = program.without_dead_code()
    live = program.liveness()
    if mode.inverse:
        require_equasive(program, live)
    if sparse is None:
        sparse = int(live.widths.sum()) > 50_000
    try:
        return record(program, mode, LABELLINGS[labels](program), pipeline(mode, sparse=sparse))
    except NotApplicable as error:
        raise zero_pivot(program, error) from error


def zero_pivot(program: Program, error: NotApplicable) -> NotInvertible | NotApplicable:
    """The error for an equasive step whose dying argument has a partial that is zero for every x.

    Any other reason for a rule not to apply is a fault of the rule and comes back as it is.
    """
    if error.place is None:
        return error
    step = program.step(error.place[1] - 1)
    return NotInvertible(
        "the Jacobian is singular for every x: a step loses the argument that dies",
        step=step.index + 1,
        kind="equasive",
        where=_place_of(step),
        got=error.what,
        remedy="the result must depend on the argument it overwrites; z = x - x does not",
    )


def _place_of(step: Step) -> str:
    line = f"line {step.line}, " if step.line else ""
    return f"{line}step {step.index + 1}: {step}"


def require_equasive(program: Program, live: Liveness) -> None:
    """Raise ``NotInvertible`` unless the program is square and every step of it is equasive.

    Raises:
        NotInvertible: with the line, the kind of the step, and the arguments that die there.
    """
    n, m = program.n_inputs, program.n_outputs
    if m != n:
        raise NotInvertible(
            "an inverse mode needs as many outputs as inputs",
            got=f"{n} input{'s' * (n != 1)} and {m} output{'s' * (m != 1)}",
            expected="n inputs and n outputs",
            remedy="list the values to keep after `outputs`, passive inputs too",
        )
    values, counts = np.unique(program.outputs, return_counts=True)
    if (counts > 1).any():
        twice = program.name(int(values[counts > 1][0]))
        raise NotInvertible(
            f"the Jacobian is singular for every x: {twice} is listed twice among the outputs",
            got=f"outputs {', '.join(program.output_names[:20])}",
            remedy="list every output once",
        )
    unread = np.flatnonzero(live.last_use[:n] < 0)
    if len(unread):
        raise NotInvertible(
            f"the Jacobian is singular for every x: nothing reads the input {program.name(int(unread[0]))}",
            remedy="remove the input, or list it among the outputs",
        )
    wrong = np.flatnonzero(live.active & (live.deaths != 1))
    if len(wrong) == 0:
        return
    step = program.step(int(wrong[0]))
    arguments = program.arguments()[program.starts[step.index] : program.starts[step.index + 1]]
    died = tuple(program.name(v) for v in live.died(step.index, arguments))
    kind = live.kind(step.index)
    others = f" ({len(wrong)} steps of this program are not equasive)" if len(wrong) > 1 else ""
    raise NotInvertible(
        f"step {step.index + 1} is {kind}, so its local Jacobian is not square",
        step=step.index + 1,
        kind=str(kind),
        died=died,
        where=f"{_place_of(step)}{others}",
        got=f"{len(died)} arguments die there: {', '.join(died)}" if died else "no argument dies there",
        expected="exactly one argument dies, and the result overwrites it",
        remedy="order the steps so that each result overwrites one argument; steps that only jointly keep the width "
        "need lumps, which this version does not have yet",
    )


@dataclass(frozen=True, slots=True)
class OperationCount:
    """What a mode costs beyond the partials themselves. Signs are free, and so are products with ±1.

    Attributes:
        labels: to compute the edge labels from the partials, once per point x.
        sweep: to push one vector through the graph.
    """

    labels: Operations
    sweep: Operations


def count_operations(program: Program, mode: Mode | str) -> OperationCount:
    """The exact number of arithmetic operations of a mode, counted by deriving its graph in the counting algebra.

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
    program = program.without_dead_code()
    if mode.inverse:
        require_equasive(program, program.liveness())
    labelling = CountedPartials(program)
    tally = labelling.tally
    work = linearise(program, labelling)
    try:
        for _ in run(work, pipeline(mode, sparse=True)):
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
