"""``Recorder``: what one trace has recorded so far, and where in the user's code it stands.

Traced arrays hold *codes*, the program's operand encoding: value numbers ≥ 0, and −1 − i for entry i of the recorder's
constants. A constant enters the program's own pool when a step reads it, so constants that only pass through leave
nothing behind.
"""

from __future__ import annotations

import linecache
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from flowgraph.builder import Builder
from flowgraph.errors import TraceError
from flowgraph.operations import CODES, OPERATIONS, Operation
from flowgraph.program import Program

Array = NDArray[Any]

_LIBRARY = str(Path(__file__).parents[1])
_INTERNAL = tuple(folder + os.sep for folder in (_LIBRARY, *np.__path__, *scipy.__path__))
_APART = 2**30
"""Numbers of values that are recorded apart begin here, so that none of them means anything elsewhere."""
_SMALL = 16
"""Up to this many constants are looked up one by one, so that equal numbers share an entry of the pool."""


class _Column:
    """A float64 column that grows at its end."""

    def __init__(self) -> None:
        self._data = np.empty(1024)
        self.size = 0

    def extend(self, values: Array) -> int:
        """Put values at the end and return the index of the first."""
        first, size = self.size, self.size + values.size
        if size > len(self._data):
            grown = np.empty(max(size, 2 * len(self._data)))
            grown[:first] = self._data[:first]
            self._data = grown
        self._data[first:size] = values.reshape(-1)
        self.size = size
        return first

    def at(self, indices: Array) -> Array:
        """The numbers at these indices."""
        return self._data[indices]


def _tape(block: Program) -> Iterator[tuple[Operation, Array, int, int]]:
    """Runs of steps of one operation that do not read each other: their operands (arity, N), and where results go."""
    n, codes, starts = block.n_inputs, block.codes.tolist(), block.starts.tolist()
    newest = np.maximum.reduceat(block.operands, block.starts[:-1]).tolist() if codes else []
    begin = 0
    for end in range(1, len(codes) + 1):
        if end == len(codes) or codes[end] != codes[begin] or newest[end] >= n + begin:
            operands = block.operands[starts[begin] : starts[end]].reshape(end - begin, -1).T
            yield OPERATIONS[codes[begin]], operands, n + begin, n + end
            begin = end


class Recorder:
    """The steps, constants and (at a point) the values of one trace.

    Args:
        n_inputs: n, the number of inputs.
        point: (n,) the point of tracing, or None where branches are errors.
        on_ufunc: records a ufunc: ``on_ufunc(recorder, ufunc, method, inputs, keywords)``.
        on_function: records another NumPy function: ``on_function(recorder, function, arguments, keywords)``.
        entry: code object of the frame that calls the user's function; the search for the user's line stops there.
    """

    def __init__(
        self,
        n_inputs: int,
        point: Array | None,
        on_ufunc: Callable[..., Any],
        on_function: Callable[..., Any],
        entry: CodeType,
    ) -> None:
        self.builder = Builder(n_inputs)
        self.point = point
        self.on_ufunc = on_ufunc
        self.on_function = on_function
        self._entry = entry
        self._over = False
        self._users: dict[CodeType, bool] = {}
        self._constants = _Column()
        self._scalars: dict[str, int] = {}
        self._arrays: dict[bytes, Array] = {}
        self._pooled = np.zeros(1024, dtype=np.int64)
        self._values = _Column()
        self._repeated: list[tuple[Program, Array]] = []
        self._has_been_apart = False
        if point is not None:
            self._values.extend(point)

    # -- constants and values ---------------------------------------------------------------------------------------

    def constant(self, value: float) -> int:
        """The code of one constant; equal constants share one."""
        key = float(value).hex()
        code = self._scalars.get(key)
        if code is None:
            code = self._scalars[key] = -1 - self._constants.extend(np.array([value], dtype=float))
        return code

    def constants(self, values: Any) -> Array:
        """Codes of an array of constants, of the same shape."""
        array = np.asarray(values, dtype=float)
        if array.size == 0:
            return np.zeros(array.shape, dtype=np.int64)
        flat = np.ascontiguousarray(array).reshape(-1)
        bits = flat.view(np.int64)
        if (bits == bits[0]).all():
            return np.full(array.shape, self.constant(float(flat[0])), dtype=np.int64)
        if flat.size <= _SMALL:
            return np.array([self.constant(v) for v in flat.tolist()], dtype=np.int64).reshape(array.shape)
        key = blake2b(flat.data, digest_size=16).digest()
        if key not in self._arrays:
            first = self._constants.extend(flat)
            self._arrays[key] = -1 - np.arange(first, first + flat.size, dtype=np.int64)
        return self._arrays[key].reshape(array.shape).copy()

    def numbers(self, codes: Array) -> Array:
        """The numbers that constant codes stand for."""
        return self._constants.at(-1 - codes)

    def values(self, codes: Array) -> Array:
        """The numbers that codes stand for at the point of tracing."""
        self._catch_up()
        constant = codes < 0
        known = self._values.at(np.where(constant, 0, codes)) if self._values.size else np.zeros(codes.shape)
        return np.where(constant, self._constants.at(np.where(constant, -1 - codes, 0)), known)

    def _catch_up(self) -> None:
        """Find the values of steps that were repeated, which nobody asked for so far."""
        repeated, self._repeated = self._repeated, []
        for block, inputs in repeated:
            tape, n = tuple(_tape(block)), block.n_inputs
            # Constants stand at the end, backward, where −1 − i finds constant i.
            row = np.concatenate([np.empty(block.n_values), block.constants[::-1]])
            with np.errstate(all="ignore"):
                for given in inputs:
                    row[:n] = self.values(given)
                    for operation, operands, begin, end in tape:
                        row[begin:end] = operation.evaluate(*row[operands])
                    self._values.extend(row[n : block.n_values])

    def _pool(self, codes: Array) -> Array:
        """The same operands with the recorder's constants replaced by those of the program's pool."""
        constant = codes < 0
        indices = -1 - codes[constant]
        if self._constants.size > len(self._pooled):
            self._pooled = np.concatenate([self._pooled, np.zeros(self._constants.size, dtype=np.int64)])
        missing = indices[self._pooled[indices] == 0]
        if missing.size:
            if (missing[1:] <= missing[:-1]).any():
                missing = np.unique(missing)
            numbers = self._constants.at(missing)
            if not np.isfinite(numbers).all():
                raise self.not_finite(float(numbers[~np.isfinite(numbers)][0]))
            self._pooled[missing] = self.builder.constants(numbers)
        pooled = codes.copy()
        pooled[constant] = self._pooled[indices]
        return pooled

    def _pool_one(self, code: int) -> int:
        """``_pool`` for one constant."""
        index = -1 - code
        if index < len(self._pooled) and self._pooled[index]:
            return int(self._pooled[index])
        return int(self._pool(np.array([code]))[0])

    # -- steps ------------------------------------------------------------------------------------------------------

    def emit(self, name: str, *operands: Array) -> Array:
        """Append a block of steps of one operation and return the value numbers of the results.

        Args:
            name: canonical name of the operation.
            operands: codes that broadcast to one shape. Nothing is folded here: every element becomes a step.
        """
        if self._over:
            raise self.error(
                "a traced array is used after its trace ended",
                remedy="do not keep traced arrays in globals or attributes beyond the function under trace",
            )
        line = self.line()
        if all(c.ndim == 0 for c in operands):
            places = [c if c >= 0 else self._pool_one(c) for c in map(int, operands)]
            results = np.array(self.builder.scalar(name, *places, line=line))
        else:
            pooled = tuple(self._pool(c) if c.size and c.min() < 0 else c for c in operands)
            results = self.builder.append(name, *pooled, line=line)
        if self.point is not None and results.size:
            self._catch_up()
            # A lowering may leave the domain where the function itself does not (the branch that ``select`` drops).
            with np.errstate(all="ignore"):
                numbers = OPERATIONS[CODES[name]].evaluate(*(self.values(c) for c in operands))
            self._values.extend(np.broadcast_to(numbers, results.shape))
        return results

    def repeat(self, block: Program, inputs: Array, time_steps: Array) -> None:
        """Append the steps of a block once for each row of its inputs, as ``Builder.extend`` does.

        Args:
            block: a program without guards.
            inputs: (R, n) codes.
            time_steps: (R,) the numbers of the time steps.
        """
        self.builder.extend(block, self._pool(inputs), time_steps)
        if self.point is not None:
            self._repeated.append((block, inputs))

    @contextmanager
    def apart(self, n: int) -> Iterator[Array]:
        """Inside the ``with``, steps go into a builder of their own, and branches are errors.

        Args:
            n: how many values to make up.

        Yields:
            (n,) codes of the values made up. Smaller numbers are those of the values recorded before.
        """
        outer = self.builder, self.point, self._pooled
        first = max(_APART, self.builder.n_values)
        self._has_been_apart = True
        self.builder, self.point, self._pooled = Builder(first + n), None, np.zeros(1024, dtype=np.int64)
        try:
            yield np.arange(first, first + n, dtype=np.int64)
        finally:
            self.builder, self.point, self._pooled = outer

    def is_stray(self, codes: Array) -> bool:
        """Whether some codes were given apart, and nothing is recorded apart any more."""
        return self._has_been_apart and self.builder.n_inputs < _APART and codes.size > 0 and codes.max() >= _APART

    def finish(self, outputs: Array, names: Sequence[str] | None) -> Program:
        """The program recorded. Nothing can be recorded afterwards."""
        program = self.builder.finish(outputs, names)
        # The function under trace and what it sees refer to each other; the columns need not wait for the collector.
        self.builder = Builder(0)
        self._over = True
        return program

    # -- where the user's code stands ---------------------------------------------------------------------------------

    def frame(self, frame: FrameType | None = None) -> FrameType | None:
        """The innermost frame of the user's code, or None when there is none.

        Args:
            frame: where to start; None for the frame that runs now.
        """
        frame = frame or sys._getframe(1)
        while frame is not None:
            code = frame.f_code
            if code is self._entry:
                return None
            user = self._users.get(code)
            if user is None:
                user = self._users[code] = not code.co_filename.startswith(_INTERNAL)
            if user:
                return frame
            frame = frame.f_back
        return None

    def line(self) -> int:
        """The 1-based line of the user's code, 0 where unknown."""
        frame = self.frame()
        return frame.f_lineno if frame is not None else 0

    def place(self, raised: TracebackType | None = None) -> str | None:
        """File, line, function and text of the user's code, for messages.

        Args:
            raised: traceback of an exception, whose place is wanted instead.
        """
        while raised is not None and raised.tb_next is not None:
            raised = raised.tb_next
        frame = self.frame(raised.tb_frame if raised is not None else None)
        if frame is None:
            return None
        code = frame.f_code
        text = linecache.getline(code.co_filename, frame.f_lineno, frame.f_globals).strip()
        place = f"{code.co_filename}, line {frame.f_lineno}, in {code.co_name}"
        return f"{place}: {text if len(text) <= 80 else text[:77] + '…'}" if text else place

    def error(
        self,
        what: str,
        *,
        got: str | None = None,
        expected: str | None = None,
        remedy: str,
        kind: type[TraceError] = TraceError,
    ) -> TraceError:
        """A ``TraceError`` that says where the user's code stands."""
        return kind(what, where=self.place(), got=got, expected=expected, remedy=remedy)

    def not_finite(self, number: float) -> TraceError:
        """The error for a constant that is no finite number."""
        return self.error(
            "a constant is not finite",
            got=repr(number),
            expected="finite numbers",
            remedy="np.empty holds NaN until it is assigned; assign every entry before it is read"
            if math.isnan(number)
            else "use a finite number",
        )
