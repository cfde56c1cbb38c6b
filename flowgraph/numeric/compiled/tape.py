"""A program as the interpreter reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from flowgraph.numeric.compiled import lanes
from flowgraph.numeric.compiled.interpreter import CUBE
from flowgraph.numeric.reduced import Reduced, columns
from flowgraph.operations import CODES

Array = NDArray[Any]

_POWER, _SELECT, _SQUARE = CODES["power"], CODES["select"], CODES["square"]

_LONGEST_RUN = 15 * lanes.LANES


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
    program, own = reduced.program, reduced.statements()
    longest = int(np.diff(own.ends, prepend=0).max(initial=1))
    # Of the rest nothing is needed here.
    linear, tape = own.linear, own.tape
    del own
    found = _write(
        program.n_inputs,
        *columns(program),
        program.constants,
        linear,
        tape,
        reduced.ends,
        reduced.starts,
        reduced.arguments,
        longest,
    )
    del linear, tape
    codes, left, right, third, to_left, to_right = found
    inner = len(program.constants)
    length = _shortened(lanes.runs(codes, left, right, to_left, to_right, reduced.ends, reduced.levels, inner, longest))
    return Tape(codes, left, right, third, to_left, to_right, inner, longest, program.constants, length)


@njit(cache=True)
def _write(
    n: int,
    program_codes: Array,
    starts: Array,
    operands: Array,
    constants: Array,
    linear: Array,
    tape: Array,
    ends: Array,
    row_starts: Array,
    arguments: Array,
    longest: int,
) -> tuple[Array, Array, Array, Array, Array, Array]:
    """The columns of ``Tape``: codes, left, right, third, to_left, to_right."""
    n_steps, inner = len(tape), len(constants)
    outside = inner + longest
    # Where each value lies: inside its statement, or among the results of the rows.
    place = np.empty(n + n_steps, np.int32)
    for v in range(n):
        place[v] = outside + v
    begin = 0
    for r in range(len(ends)):
        for t in range(begin, ends[r] - 1):
            place[n + tape[t]] = inner + t - begin
        place[n + tape[ends[r] - 1]] = outside + n + r
        begin = ends[r]
    selects = 0
    for k in range(n_steps):
        selects += program_codes[k] == _SELECT
    codes = np.empty(n_steps, np.uint8)
    left, right = np.empty(n_steps, np.int32), np.zeros(n_steps, np.int32)
    to_left, to_right = np.empty(n_steps, np.int32), np.zeros(n_steps, np.int32)
    third = np.empty(selects, np.int32)
    # The entry of each value in the row at hand.
    slot = np.empty(n + len(ends), np.int32)
    selects = 0
    begin = 0
    for r in range(len(ends)):
        for e in range(row_starts[r], row_starts[r + 1]):
            slot[arguments[e]] = e
        for t in range(begin, ends[r]):
            k = tape[t]
            code = program_codes[k]
            first, last = starts[k], starts[k + 1]
            if code == _SELECT:
                third[selects] = _where(operands[first], place)
                selects += 1
                first += 1
            left[t] = _where(operands[first], place)
            to_left[t] = _target(operands[first], linear[first], place, slot, inner, longest)
            if first + 1 < last:
                second = operands[first + 1]
                right[t] = _where(second, place)
                to_right[t] = _target(second, linear[first + 1], place, slot, inner, longest)
                if code == _POWER and second < 0:
                    if constants[-1 - second] == 2.0:
                        code = _SQUARE
                    elif constants[-1 - second] == 3.0:
                        code = CUBE
            elif inner == 0:
                # Any place that there is.
                right[t] = left[t]
            codes[t] = code
        begin = ends[r]
    return codes, left, right, third, to_left, to_right


@njit(inline="always")
def _where(operand: Any, place: Array) -> Any:
    return place[operand] if operand >= 0 else -1 - operand


@njit(inline="always")
def _target(operand: Any, linear: Any, place: Array, slot: Array, inner: int, longest: int) -> Any:
    """Where the partial by an operand is added: to an entry, to the adjoint of a step inside the statement, or to 0."""
    if not linear:
        return 0
    at = place[operand] - inner
    return 1 + at if at < longest else 1 + longest + slot[at - longest]


@njit(cache=True)
def _shortened(length: Array) -> Array:
    """Lengths of runs in one byte each: long runs are cut into several."""
    short = np.zeros(len(length), np.uint8)
    for r in range(len(length)):
        for first in range(0, length[r], _LONGEST_RUN):
            short[r + first] = min(_LONGEST_RUN, length[r] - first)
    return short
