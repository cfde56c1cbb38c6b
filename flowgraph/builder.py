"""``Builder``: appends blocks of steps to columns. Every front end ends here.

A block is N steps of one operation. Its operands are index arrays that broadcast against each other, in the program's
encoding: value numbers ≥ 0, constants as −1 − i.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowgraph.errors import ProgramError
from flowgraph.operations import CODES
from flowgraph.program import Guard, Program
from flowgraph.runs import Runs

Array = NDArray[Any]

_LIMIT = 2**31 - 2


def _starts(counts: Array, arities: Array) -> Array:
    """Where the operands of each step begin, from the blocks' lengths and arities."""
    total = int(counts.sum())
    starts = np.empty(total + 1, dtype=np.int64)
    starts[0] = 0
    if len(counts) > total // 16:
        np.cumsum(np.repeat(arities, counts), out=starts[1:])
        return starts
    step = place = 0
    for count, arity in zip(counts.tolist(), arities.tolist(), strict=True):
        end = place + count * arity
        starts[step + 1 : step + count + 1] = place + arity * np.arange(1, count + 1)
        step, place = step + count, end
    return starts


class Builder:
    """Collects steps; ``finish`` freezes them into a ``Program``.

    Args:
        n_inputs: n, the number of inputs.

    Example:
        >>> builder = Builder(2)
        >>> z = builder.append("mul", np.array([0]), np.array([1]))
        >>> builder.finish(outputs=np.array([int(z[0]), 1]))
        <Program: 2 inputs, 1 step, 2 outputs>
    """

    def __init__(self, n_inputs: int) -> None:
        self.n_inputs = n_inputs
        self.n_values = n_inputs
        self._codes: list[int] = []
        self._counts: list[int] = []
        self._arities: list[int] = []
        self._operands: list[Array] = []
        self._single = array("i")
        self._lines: list[int] = []
        self._runs: list[Array] = []
        self._constants: list[Array] = []
        self._n_constants = 0
        self._scalar_constants: dict[float, int] = {}
        self._functions: dict[str, int] = {}
        self._guards: list[Guard] = []
        self._time_steps: list[tuple[Array, Array]] = []

    def constant(self, value: float) -> int:
        """The operand that stands for one constant; equal constants share an entry of the pool."""
        number = float(value)
        if not np.isfinite(number):
            raise ProgramError("a constant is not finite", got=repr(number), remedy="use finite numbers only")
        # −0.0 and 0.0 are equal as keys and differ as numbers.
        if number == 0.0 and np.signbit(number):
            return int(self._pool(np.array([number]))[0])
        if number not in self._scalar_constants:
            self._scalar_constants[number] = int(self._pool(np.array([number]))[0])
        return self._scalar_constants[number]

    def constants(self, values: Array) -> Array:
        """Operands that stand for an array of constants, of the same shape."""
        numbers = np.asarray(values, dtype=float)
        if numbers.size == 1:
            return np.full(numbers.shape, self.constant(float(numbers.reshape(-1)[0])), dtype=np.int64)
        if not np.isfinite(numbers).all():
            bad = numbers[~np.isfinite(numbers)].reshape(-1)[0]
            raise ProgramError("a constant is not finite", got=repr(float(bad)), remedy="use finite numbers only")
        return self._pool(numbers.flatten()).reshape(numbers.shape)

    def _pool(self, values: Array) -> Array:
        first = self._n_constants
        self._constants.append(values)
        self._n_constants += len(values)
        return -1 - np.arange(first, first + len(values), dtype=np.int64)

    def append(self, operation: str, *operands: Array, line: int = 0) -> Array:
        """Append one step of ``operation`` per element of the broadcast operands.

        Args:
            operation: canonical name of an elementary operation.
            operands: index arrays that broadcast to one shape.
            line: 1-based source line, 0 where unknown.

        Returns:
            Value numbers of the results, int64, of the broadcast shape.
        """
        return self._append(CODES[operation], operands, line)

    def call(self, function: str, *operands: int, line: int = 0) -> int:
        """Append one step of an uninterpreted function and return its value number."""
        code = -1 - self._functions.setdefault(function, len(self._functions))
        return int(self._append(code, tuple(np.asarray(o) for o in operands), line))

    def scalar(self, operation: str, *operands: int, line: int = 0) -> int:
        """Append one step and return its value number: ``append`` without arrays, for loops over scalars."""
        return self._scalar(CODES[operation], operands, line)

    def _scalar(self, code: int, operands: Sequence[int], line: int) -> int:
        self._check_length(1)
        # Equal neighbours share a block as long as nothing but single steps comes between.
        if self._single and self._codes[-1] == code and self._lines[-1] == line and self._arities[-1] == len(operands):
            self._counts[-1] += 1
        else:
            self._open(code, 1, len(operands), line)
        self._single.extend(operands)
        self.n_values += 1
        return self.n_values - 1

    def _append(self, code: int, operands: Sequence[Array], line: int) -> Array:
        shape = np.broadcast_shapes(*(np.shape(o) for o in operands))
        if shape == ():
            return np.array(self._scalar(code, [int(o) for o in operands], line), dtype=np.int64)
        count = 1
        for side in shape:
            count *= side
        if count == 0:
            return np.zeros(shape, dtype=np.int64)
        self._check_length(count)
        self._flush()
        block = np.empty((*shape, len(operands)), dtype=np.int32)
        for place, operand in enumerate(operands):
            block[..., place] = operand
        self._open(code, count, len(operands), line)
        self._operands.append(block.reshape(-1))
        first = self.n_values
        self.n_values += count
        return np.arange(first, first + count, dtype=np.int64).reshape(shape)

    def extend(self, block: Program, inputs: Array, time_steps: Array | None = None) -> int:
        """Append the steps of a program without guards, once for each row of ``inputs``.

        Args:
            block: the program.
            inputs: (R, n) the operand that stands for each of its inputs, in each repetition. It may be a value of an
                earlier repetition: value n + k of the block is value ``first`` + r·T + k of repetition r.
            time_steps: (R,) the number of the time step that each repetition is; None where it is none.

        Returns:
            ``first``, the number of the first value appended.

        Example:
            >>> square = Builder(1)
            >>> block = square.finish(square.append("mul", np.array([0]), np.array([0])))
            >>> builder = Builder(1)
            >>> first = builder.extend(block, np.array([[0], [1], [2]]))
            >>> [str(step) for step in builder.finish(np.array([first + 2])).steps()]
            ['t1 = x1 * x1', 't2 = t1 * t1', 't3 = t2 * t2']
        """
        first, repetitions, n = self.n_values, len(inputs), block.n_inputs
        self._check_length(repetitions * block.n_steps)
        self._flush()
        source = block.operands.astype(np.int64)
        given = (source >= 0) & (source < n)
        row = np.where(source < 0, 0, first + source - n)
        row[source < 0] = [self.constant(number) for number in block.constants[-1 - source[source < 0]].tolist()]
        shifts = (block.n_steps * np.arange(repetitions)).astype(np.int32)
        operands = shifts[:, None] * (source >= n).astype(np.int32)
        operands += row.astype(np.int32)
        operands[:, given] = inputs[:, source[given]]
        self._operands.append(operands.reshape(-1))
        codes = block.codes.astype(np.int64)
        for place, name in enumerate(block.functions):
            codes[block.codes == -1 - place] = -1 - self._functions.setdefault(name, len(self._functions))
        columns = np.stack([codes, np.diff(block.starts), block.lines(np.arange(block.n_steps))])
        runs = np.flatnonzero(np.diff(columns, prepend=-(2**31)).any(axis=0))
        codes, arities, lines = columns[:, runs]
        self._close()
        self._runs.append(np.tile([codes, np.diff(runs, append=block.n_steps), arities, lines], repetitions))
        if time_steps is not None:
            self._time_steps.append((first - self.n_inputs + block.n_steps * np.arange(repetitions), time_steps))
        self.n_values += repetitions * block.n_steps
        return first

    def _check_length(self, count: int) -> None:
        if self.n_values + count > _LIMIT:
            raise ProgramError("the program is too long", got=f"{self.n_values + count} values", expected=f"{_LIMIT}")

    def _open(self, code: int, count: int, arity: int, line: int) -> None:
        self._codes.append(code)
        self._counts.append(count)
        self._arities.append(arity)
        self._lines.append(line)

    def _close(self) -> None:
        """Move the blocks that were opened to the table of blocks."""
        self._runs.append(np.array([self._codes, self._counts, self._arities, self._lines], dtype=np.int64))
        self._codes, self._counts, self._arities, self._lines = [], [], [], []

    def _flush(self) -> None:
        """Move the operands of single steps to the columns."""
        if self._single:
            self._operands.append(np.array(self._single, dtype=np.int32))
            self._single = array("i")

    def guard(self, values: Array, outcomes: Array, line: int = 0) -> None:
        """Record that each of ``values`` was > 0 exactly where ``outcomes`` says so."""
        self._guards.append(Guard(np.array(values).reshape(-1), np.array(outcomes, dtype=bool).reshape(-1), line))

    def begin_time_step(self, number: int) -> None:
        """Say that the steps from here on belong to a time step, from 0; −1 for none."""
        self._time_steps.append((np.array([self.n_values - self.n_inputs]), np.array([number])))

    def _time_steps_so_far(self) -> Runs | None:
        if not self._time_steps:
            return None
        none = np.array([0]), np.array([-1])
        starts, numbers = (np.concatenate(column) for column in zip(none, *self._time_steps, strict=True))
        # Time steps without steps, which begin where the next one does, and what begins at the end.
        kept = np.append(starts[1:] > starts[:-1], True) & (starts < self.n_values - self.n_inputs)
        return Runs(starts[kept], numbers[kept])

    def finish(self, outputs: Array, names: Sequence[str] | None = None) -> Program:
        """Freeze into a program.

        Args:
            outputs: value numbers.
            names: one name per value, or None for x1 … xn, t1 … tT.
        """
        self._flush()
        self._close()
        codes, counts, arities, lines = np.concatenate(self._runs, axis=1)
        # One run per source line rather than one per block.
        turns = np.flatnonzero(np.diff(lines, prepend=-1))
        firsts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64) if len(counts) else counts
        return Program(
            n_inputs=self.n_inputs,
            codes=np.repeat(codes.astype(np.int16), counts),
            starts=_starts(counts, arities),
            operands=np.concatenate([np.zeros(0, dtype=np.int32), *self._operands]),
            constants=np.concatenate([np.zeros(0), *self._constants]),
            outputs=np.array(outputs, dtype=np.int32),
            functions=tuple(self._functions),
            names=None if names is None else tuple(names),
            source_lines=Runs(firsts[turns], lines[turns]),
            time_steps=self._time_steps_so_far(),
            guards=tuple(self._guards),
        )
