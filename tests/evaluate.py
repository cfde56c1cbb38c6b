"""An evaluator of programs that shares nothing with the numeric backend: one step after the other, from the columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowgraph.operations import OPERATIONS
from flowgraph.program import Program


def values(program: Program, x: Sequence[float] | NDArray[Any]) -> list[float]:
    """The value of every input and step at the point x."""
    known = [float(entry) for entry in x]
    assert len(known) == program.n_inputs
    for k, code in enumerate(program.codes):
        operands = program.operands[program.starts[k] : program.starts[k + 1]]
        numbers = [known[o] if o >= 0 else float(program.constants[-1 - o]) for o in operands]
        with np.errstate(all="ignore"):
            known.append(float(OPERATIONS[code].evaluate(*numbers)))
    return known


def evaluate(program: Program, x: Sequence[float] | NDArray[Any]) -> NDArray[Any]:
    """The outputs at the point x."""
    known = values(program, x)
    return np.array([known[output] for output in program.outputs], dtype=float)


def guards_hold(program: Program, x: Sequence[float] | NDArray[Any]) -> bool:
    """Whether every branch that tracing took is taken at x too."""
    known = values(program, x)
    return all(
        (known[value] > 0.0) == bool(outcome)
        for guard in program.guards
        for value, outcome in zip(guard.values, guard.outcomes, strict=True)
    )
