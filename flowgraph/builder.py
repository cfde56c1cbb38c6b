"""``Builder``: appends blocks of steps to columns. Every front end ends here.

A block is N steps of one operation. Its operands are index arrays that broadcast against each other, in the program's
encoding: value numbers ≥ 0, constants as −1 − i.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowgraph.errors import ProgramError
from flowgraph.operations import CODES
from flowgraph.program import Guard, Program

Array = NDArray[Any]

_LIMIT = 2**31 - 2


class Builder:
    """Collects steps; ``finish`` freezes them into a ``Program``.

    Args:
        n_inputs: n, the number of inputs.

    Example:
        >>> builder = Builder(2)
        >>> z = builder.append("mul", np.array([0]), np.array([1]))
        >>> builder.finish(outputs=np.array([int(z[0]), 1]))
        <Program: 2 inputs, 1 steps, 2 outputs>
    """

    def __init__(self, n_inputs: int) -> None:
        self.n_inputs = n_inputs
        self.n_values = n_inputs
        self._codes: list[int] = []
        self._counts: list[int] = []
        self._arities: list[int] = []
        self._operands: list[Array] = []
        self._lines: list[int] = []
        self._constants: list[Array] = []
        self._n_constants = 0
        self._scalar_constants: dict[float, int] = {}
        self._functions: dict[str, int] = {}
        self._guards: list[Guard] = []

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
        array = np.asarray(values, dtype=float)
        if array.size == 1:
            return np.full(array.shape, self.constant(float(array.reshape(-1)[0])), dtype=np.int64)
        if not np.isfinite(array).all():
            bad = array[~np.isfinite(array)].reshape(-1)[0]
            raise ProgramError("a constant is not finite", got=repr(float(bad)), remedy="use finite numbers only")
        return self._pool(array.reshape(-1)).reshape(array.shape)

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

    def _append(self, code: int, operands: Sequence[Array], line: int) -> Array:
        shape = np.broadcast_shapes(*(np.shape(o) for o in operands))
        count = 1
        for side in shape:
            count *= side
        if count == 0:
            return np.zeros(shape, dtype=np.int64)
        if self.n_values + count > _LIMIT:
            raise ProgramError("the program is too long", got=f"{self.n_values + count} values", expected=f"{_LIMIT}")
        block = np.empty((*shape, len(operands)), dtype=np.int32)
        for place, operand in enumerate(operands):
            block[..., place] = operand
        self._codes.append(code)
        self._counts.append(count)
        self._arities.append(len(operands))
        self._operands.append(block.reshape(-1))
        self._lines.append(line)
        first = self.n_values
        self.n_values += count
        return np.arange(first, first + count, dtype=np.int64).reshape(shape)

    def guard(self, values: Array, outcomes: Array, line: int = 0) -> None:
        """Record that each of ``values`` was > 0 exactly where ``outcomes`` says so."""
        self._guards.append(Guard(np.asarray(values).reshape(-1), np.asarray(outcomes, dtype=bool).reshape(-1), line))

    def finish(self, outputs: Array, names: Sequence[str] | None = None) -> Program:
        """Freeze into a program.

        Args:
            outputs: value numbers.
            names: one name per value, or None for x1 … xn, t1 … tT.
        """
        counts = np.array(self._counts, dtype=np.int64)
        arities = np.repeat(np.array(self._arities, dtype=np.int64), counts)
        lines = np.array(self._lines, dtype=np.int64)
        # One run per source line rather than one per block.
        turns = np.flatnonzero(np.diff(lines, prepend=-1))
        firsts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64) if len(counts) else counts
        return Program(
            n_inputs=self.n_inputs,
            codes=np.repeat(np.array(self._codes, dtype=np.int16), counts),
            starts=np.concatenate([[0], np.cumsum(arities)]).astype(np.int64),
            operands=np.concatenate([np.zeros(0, dtype=np.int32), *self._operands]),
            constants=np.concatenate([np.zeros(0), *self._constants]),
            outputs=np.asarray(outputs, dtype=np.int32),
            functions=tuple(self._functions),
            names=None if names is None else tuple(names),
            line_starts=firsts[turns],
            line_numbers=lines[turns],
            guards=tuple(self._guards),
        )
