"""What went wrong at a point, in the program's own terms: which step, which operation, which operands, which line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowgraph.errors import DomainError, InputError, SingularJacobian
from flowgraph.numeric.reduced import Reduced
from flowgraph.partials import evaluate
from flowgraph.program import Guard, Program, Step

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Excerpt:
    """Some steps of a program as a program of their own, with the names they have there.

    Attributes:
        program: the steps.
        numbers: (T,) their numbers in the whole program, from 0; None where they are the same.
    """

    program: Program
    numbers: Array | None


def place(step: Step, numbers: Array | None = None) -> str:
    """A step with its number, line and time step; ``numbers`` where its program is a part of another one."""
    line = f", line {step.line}" if step.line else ""
    time_step = f", in time step k = {step.time_step}" if step.time_step >= 0 else ""
    return f"step {number(step, numbers)}: {step}{line}{time_step}"


def number(step: Step, numbers: Array | None) -> int:
    """The 1-based number of a step."""
    return 1 + (step.index if numbers is None else int(numbers[step.index]))


def _operands(program: Program, values: Array, step: Step) -> list[float]:
    return [float(values[o]) if o >= 0 else float(program.constants[-1 - o]) for o in step.operands]


def domain_fault(program: Program, x: Array, member: int | None, numbers: Array | None = None) -> DomainError | None:
    """Why a program has no finite value, or no finite partials, at x (n,); None where it has.

    Args:
        program: straight-line code.
        x: the point.
        member: which member of a batch it is.
        numbers: (T,) where the program is a part of another one, the steps' numbers there, from 0.
    """
    of = "" if member is None else f"member {member} of the batch, "
    try:
        values = evaluate(program, x)
    except DomainError as error:
        return _renumbered(error, program, of, numbers)
    active = program.liveness().active
    with np.errstate(all="ignore"):
        for step in program.steps():
            if not active[step.index]:
                continue
            operands = _operands(program, values, step)
            for slot, operand in enumerate(step.operands):
                if operand < 0 or step.operation is None or slot in step.operation.inactive:
                    continue
                partial = float(step.operation.partials[slot](*operands))
                if not np.isfinite(partial):
                    return DomainError(
                        f"the partial of {step.function} with respect to {step.texts[slot]} is not finite here",
                        step=number(step, numbers),
                        where=f"{of}{place(step, numbers)}",
                        got=", ".join(map(repr, operands)),
                        remedy="float64 ends at 1.8e308: scale the program",
                    )
    return None


def _renumbered(error: DomainError, program: Program, of: str, numbers: Array | None) -> DomainError:
    """What ``evaluate`` says of one of the program's steps, with that step's number in the whole program."""
    assert error.step is not None
    step = program.step(error.step - 1)
    return DomainError(
        error.what,
        step=number(step, numbers),
        where=f"{of}{place(step, numbers)}",
        got=error.got,
        expected=error.expected,
        remedy=error.remedy,
    )


def guard_fault(guard: Guard, watched: Array, member: int | None) -> InputError:
    """The program was traced along another branch than the one this point takes."""
    wrong = int(np.flatnonzero((watched > 0.0) != guard.outcomes)[0])
    of = "" if member is None else f"member {member} of the batch, "
    return InputError(
        "the program does not hold at this x: a branch goes the other way",
        where=f"{of}line {guard.line}" if guard.line else of.rstrip(", ") or None,
        got=f"a condition that is {float(watched[wrong])!r}",
        expected="more than 0" if guard.outcomes[wrong] else "at most 0",
        remedy="trace the function at this x; a plan of the function itself does that",
    )


def zero_partial(reduced: Reduced, row: int, argument: int, x: Array) -> tuple[Step, int, list[float]] | None:
    """The first step on the way from an argument to the result of a statement whose partial is 0 at x.

    Returns:
        The step, the operand place, and the operands; None where no single partial is 0, so that it is their sum, or
        their product is too small for float64.
    """
    program = reduced.program
    n = program.n_inputs
    values = evaluate(program, x)
    own = reduced.statements()
    source = argument if argument < n else n + int(own.roots[argument - n])
    reached = {source}
    with np.errstate(all="ignore"):
        for k in np.flatnonzero(own.row_of == row).tolist():
            step = program.step(k)
            for slot, operand in enumerate(step.operands):
                if operand not in reached or step.operation is None or slot in step.operation.inactive:
                    continue
                operands = _operands(program, values, step)
                if float(step.operation.partials[slot](*operands)) == 0.0:
                    return step, slot, operands
                reached.add(n + k)
    return None


def singular_row(
    reduced: Reduced, row: int, argument: int, x: Array, member: int | None, numbers: Array | None = None
) -> SingularJacobian:
    """J is singular at x because of one scalar pivot."""
    program = reduced.program
    found = zero_partial(reduced, row, argument, x)
    of = "" if member is None else f"member {member} of the batch, "
    if found is not None:
        step, slot, operands = found
        got = f"∂{step.name}/∂{step.texts[slot]} = 0"
    else:
        roots = reduced.statements().roots
        step = program.step(int(roots[row]))
        values = evaluate(program, x)
        operands = _operands(program, values, step)
        n = program.n_inputs
        name = program.name(argument if argument < n else n + int(roots[argument - n]))
        got = f"∂{step.name}/∂{name} = 0"
    listed = ", ".join(
        text if text == repr(v) or not text.isidentifier() else f"{text} = {v!r}"
        for text, v in zip(step.texts, operands, strict=True)
    )
    return SingularJacobian(
        "the Jacobian is singular at this x",
        step=number(step, numbers),
        where=f"{of}{place(step, numbers)}",
        got=f"{got} at {listed}",
        expected="a partial that is not 0: the value is found by dividing by it",
        remedy="choose another x; jvp and vjp work here",
    )


def singular_block(reduced: Reduced, rows: Array, member: int | None, numbers: Array | None = None) -> SingularJacobian:
    """J is singular at x because of a block of several rows."""
    steps = reduced.statements().roots[rows]
    steps = steps[np.argsort(steps if numbers is None else numbers[steps])]
    first, last = reduced.program.step(int(steps[0])), reduced.program.step(int(steps[-1]))
    of = "" if member is None else f"member {member} of the batch, "
    return SingularJacobian(
        "the Jacobian is singular at this x",
        step=number(first, numbers),
        where=f"{of}the block of {len(steps)} rows from {place(first, numbers)} to {place(last, numbers)}",
        got="a matrix without an inverse",
        remedy="choose another x; jvp and vjp work here",
    )
