"""A program as the interpreter reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowgraph.numeric.compiled import lanes
from flowgraph.numeric.compiled.interpreter import CUBE
from flowgraph.numeric.reduced import Reduced
from flowgraph.operations import CODES

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Tape:
    """A program as the interpreter reads it, see ``interpreter.rows``; ``length`` as ``lanes.runs`` gives it."""

    codes: Array
    left: Array
    right: Array
    third: Array
    to_left: Array
    to_right: Array
    inner: int
    longest: int
    constants: Array
    length: Array


def make_tape(reduced: Reduced) -> Tape:
    """The program as the interpreter reads it."""
    program, tape = reduced.program, reduced.tape
    n, n_steps = program.n_inputs, program.n_steps
    steps = np.diff(reduced.ends, prepend=0)
    longest = int(steps.max(initial=1))
    inner = len(program.constants)
    # Where each value lies: inside the statement, or among the results of the rows.
    within = np.arange(n_steps, dtype=np.int64) - np.repeat(reduced.ends - steps, steps)
    place = np.empty(n + n_steps, dtype=np.int32)
    place[:n] = inner + longest + np.arange(n)
    place[n + tape] = inner + within
    place[n + reduced.roots] = inner + longest + n + np.arange(reduced.n_rows)
    # Where its adjoint lies, for results inside a statement.
    adjoint = np.zeros(n + n_steps, dtype=np.int32)
    adjoint[n + tape] = 1 + within
    adjoint[n + reduced.roots] = 0
    operands, counts = program.operands, np.diff(program.starts)[tape]
    first = program.starts[tape]
    where = np.where(operands >= 0, place[np.maximum(operands, 0)], -1 - operands).astype(np.int32)
    inside = np.where(reduced.linear, adjoint[np.maximum(operands, 0)], 0)
    target = np.where(reduced.entry_of >= 0, 1 + longest + reduced.entry_of, inside).astype(np.int32)
    codes = program.codes[tape].astype(np.uint8)
    is_select = codes == CODES["select"]
    third = where[first[is_select]]
    first = first + is_select
    second = np.minimum(first + 1, max(len(operands) - 1, 0))
    binary = counts > 1
    right = np.where(binary, where[second], 0).astype(np.int32) if n_steps else np.zeros(0, np.int32)
    to_right = np.where(binary, target[second], 0).astype(np.int32) if n_steps else np.zeros(0, np.int32)
    if inner == 0 and n_steps:
        right = np.where(binary, right, where[first]).astype(np.int32)
    exponent = np.full(n_steps, np.nan)
    fixed = (codes == CODES["power"]) & (operands[second] < 0) if n_steps else np.zeros(0, dtype=bool)
    exponent[fixed] = program.constants[-1 - operands[second[fixed]]]
    codes[exponent == 2.0] = CODES["square"]
    codes[exponent == 3.0] = CUBE
    left, to_left = where[first], target[first]
    length = lanes.runs(codes, left, right, to_left, to_right, reduced.ends, reduced.levels, inner, longest)
    return Tape(codes, left, right, third, to_left, to_right, inner, longest, program.constants, length)
