"""``Program``: straight-line code in columns, and ``Step``, the view of one line that people read.

Value k < n is input k; value n + k is the result of step k. An operand is a value number, or −1 − i for entry i of the
constant pool. An operation code ≥ 0 is an entry of ``OPERATIONS``; −1 − i is the uninterpreted function
``functions[i]``.

Reference: arXiv:2411.18786, section 2.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowgraph.errors import InputError, ProgramError
from flowgraph.liveness import Kind, Liveness, analyse, registers
from flowgraph.operations import CODES, OPERATIONS, Operation
from flowgraph.runs import Runs

Array = NDArray[Any]

SCHEMA = "flowgraph/program/1"

_CHUNK = 2**17
_ARITIES = np.array([op.arity for op in OPERATIONS])
INACTIVE = np.array([[slot in op.inactive for slot in range(_ARITIES.max())] for op in OPERATIONS])
"""(operations, operands) through which operands no derivative flows."""
INACTIVE.setflags(write=False)


def number_text(value: float) -> str:
    """A constant as the notation writes it: the shortest decimal that reads back as the same float64.

    Example:
        >>> number_text(2.0), number_text(0.1)
        ('2', '0.1')
    """
    whole = value == int(value) and abs(value) < 1e15 and (value != 0.0 or math.copysign(1.0, value) > 0.0)
    return str(int(value)) if whole else repr(float(value))


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a program, as people read it.

    Attributes:
        index: 0-based position; the step leads from time ``index`` to time ``index + 1``.
        name: name of the result.
        function: name of the operation or of the uninterpreted function.
        operation: its record, or None for an uninterpreted function.
        operands: value numbers ≥ 0, or −1 − i for constant i of the program's pool.
        texts: the operands as names and numbers.
        line: 1-based line of the source, 0 where unknown.
        time_step: number of the time step that it belongs to, from 0; −1 where it belongs to none.
    """

    index: int
    name: str
    function: str
    operation: Operation | None
    operands: tuple[int, ...]
    texts: tuple[str, ...]
    line: int
    time_step: int = -1

    @property
    def right_hand_side(self) -> str:
        """The right-hand side in the paper's notation."""
        infix = self.operation.infix if self.operation else None
        if infix is None:
            return f"{self.function}({', '.join(self.texts)})"
        left, right = (f"({text})" if text.startswith("-") else text for text in self.texts)
        return f"{left} {infix} {right}"

    def __str__(self) -> str:
        return f"{self.name} = {self.right_hand_side}"


@dataclass(frozen=True, slots=True, eq=False)
class Guard:
    """Branches that tracing took: value ``values[i]`` was > 0 exactly where ``outcomes[i]``.

    Attributes:
        values: value numbers.
        outcomes: what the comparison with 0 gave at the point of tracing.
        line: 1-based source line of the branch, 0 where unknown.
    """

    values: Array
    outcomes: Array
    line: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """Straight-line code in single-assignment form, in columns.

    Attributes:
        n_inputs: n, the number of inputs.
        codes: (T,) operation code of each step.
        starts: (T + 1,) where the operands of each step begin.
        operands: (E,) value numbers ≥ 0, or −1 − i for constant i.
        constants: the constant pool, finite float64.
        outputs: (m,) value numbers.
        functions: names of the uninterpreted functions, code −1 − i.
        names: names of all values, or None for x1 … xn and t1 … tT.
        source_lines: the 1-based source line of each step, 0 where unknown; or None.
        time_steps: the time step of a flow that each step belongs to, from 0, −1 where to none; or None.
        guards: the branches that tracing took.

    Example:
        >>> from flowgraph.language import parse
        >>> program = parse("inputs x, y\\nz = x * y\\noutputs z, y")
        >>> program.n_inputs, program.n_steps, str(program.step(0))
        (2, 1, 'z = x * y')
    """

    n_inputs: int
    codes: Array
    starts: Array
    operands: Array
    constants: Array
    outputs: Array
    functions: tuple[str, ...] = ()
    names: tuple[str, ...] | None = None
    source_lines: Runs | None = None
    time_steps: Runs | None = None
    guards: tuple[Guard, ...] = ()

    def __post_init__(self) -> None:
        columns = (self.codes, self.starts, self.operands, self.constants, self.outputs)
        watched = (column for guard in self.guards for column in (guard.values, guard.outcomes))
        for column in (*columns, *watched):
            column.setflags(write=False)
        _check(self)

    # -- sizes ------------------------------------------------------------------------------------------------------

    @property
    def n_steps(self) -> int:
        """T, the number of steps."""
        return len(self.codes)

    @property
    def n_values(self) -> int:
        """n + T."""
        return self.n_inputs + len(self.codes)

    @property
    def n_outputs(self) -> int:
        """m, the number of outputs."""
        return len(self.outputs)

    # -- names and steps --------------------------------------------------------------------------------------------

    def name(self, value: int) -> str:
        """The name of a value."""
        if self.names is not None:
            return self.names[value]
        return f"x{value + 1}" if value < self.n_inputs else f"t{value - self.n_inputs + 1}"

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the inputs, in order."""
        return tuple(self.name(value) for value in range(self.n_inputs))

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs, in order."""
        return tuple(self.name(int(value)) for value in self.outputs)

    def line(self, step: int) -> int:
        """The 1-based source line of a step, 0 where unknown."""
        return int(self.lines(np.array([step]))[0])

    def lines(self, steps: Array) -> Array:
        """The 1-based source lines of some steps, 0 where unknown."""
        return _numbers_of(self.source_lines, steps, 0)

    def operand_text(self, operand: int) -> str:
        """An operand as a name or a number."""
        return self.name(operand) if operand >= 0 else number_text(float(self.constants[-1 - operand]))

    def step(self, index: int) -> Step:
        """The view of step ``index`` (0-based).

        Raises:
            ProgramError: the program has no such step.
        """
        if not 0 <= index < self.n_steps:
            raise ProgramError("there is no such step", got=str(index), expected=f"0 to {self.n_steps - 1}")
        code = int(self.codes[index])
        operation = OPERATIONS[code] if code >= 0 else None
        operands = tuple(int(o) for o in self.operands[self.starts[index] : self.starts[index + 1]])
        return Step(
            index=index,
            name=self.name(self.n_inputs + index),
            function=operation.name if operation else self.functions[-1 - code],
            operation=operation,
            operands=operands,
            texts=tuple(self.operand_text(o) for o in operands),
            line=self.line(index),
            time_step=int(_numbers_of(self.time_steps, np.array([index]), -1)[0]),
        )

    def steps(self) -> Iterator[Step]:
        """All steps in order."""
        return (self.step(index) for index in range(self.n_steps))

    # -- what derivatives see ---------------------------------------------------------------------------------------

    def arguments(self) -> Array:
        """(E,) the value number in each operand place, −1 where no derivative flows (constants, conditions)."""
        slot = np.arange(len(self.operands)) - np.repeat(self.starts[:-1], np.diff(self.starts))
        code = np.repeat(self.codes, np.diff(self.starts))
        known = code >= 0
        inactive = np.zeros(len(self.operands), dtype=bool)
        inactive[known] = INACTIVE[code[known], slot[known]]
        return np.where(inactive | (self.operands < 0), -1, self.operands)

    def liveness(self) -> Liveness:
        """Live ranges, widths and step kinds. O(T), computed anew at each call."""
        conditions = np.concatenate([np.zeros(0, dtype=np.int64), *(guard.values for guard in self.guards)])
        return analyse(self.n_inputs, self.starts, self.arguments(), self.operands, self.outputs, conditions)

    def registers(self) -> Array:
        """(n + T,) the register of every value, from 0; −1 for results that carry no derivative."""
        return registers(self.liveness(), self.starts, self.arguments())

    def without_dead_code(self) -> Program:
        """The program without the steps that neither an output nor a condition needs; itself where there are none."""
        return self.keeping(self.liveness().needed)

    def keeping(self, needed: Array) -> Program:
        """The program with the steps ``needed`` (T,) only, which must read no others; itself where these are all."""
        if needed.all():
            return self
        n = self.n_inputs
        kept = np.concatenate([np.ones(n, dtype=bool), needed])
        renumber = np.cumsum(kept) - 1
        counts = np.diff(self.starts)
        operands = self.operands[np.repeat(needed, counts)]
        kept_steps = np.flatnonzero(needed)
        return replace(
            self,
            codes=self.codes[needed],
            starts=np.concatenate([[0], np.cumsum(counts[needed])]).astype(self.starts.dtype),
            operands=np.where(operands >= 0, renumber[np.maximum(operands, 0)], operands).astype(self.operands.dtype),
            outputs=renumber[self.outputs].astype(self.outputs.dtype),
            names=None if self.names is None else tuple(self.names[k] for k in np.flatnonzero(kept)),
            source_lines=self.source_lines and self.source_lines.taken(kept_steps),
            time_steps=self.time_steps and self.time_steps.taken(kept_steps),
            guards=tuple(replace(g, values=renumber[g.values]) for g in self.guards),
        )

    def reordered(self, order: Array) -> Program:
        """The same program with its steps in another order. Names stay with their values, so that both can be compared.

        Args:
            order: (T′,) step numbers, each after those it reads. Steps that are left out must be dead.

        Raises:
            ProgramError: a step reads a value that is not computed before it.

        Example:
            >>> from flowgraph.language import parse
            >>> program = parse("inputs x, y\\nu = f(x)\\nv = g(y)\\noutputs u, v")
            >>> [str(step) for step in program.reordered(np.array([1, 0])).steps()]
            ['v = g(y)', 'u = f(x)']
        """
        n = self.n_inputs
        order = np.asarray(order, dtype=np.int64)
        if self.names is None and np.array_equal(order, np.arange(self.n_steps)):
            return self
        values = np.concatenate([np.arange(n), n + order])
        # What is left out gets a number that no step may read.
        renumber = np.full(self.n_values, self.n_values, dtype=np.int64)
        renumber[values] = np.arange(len(values))
        counts = np.diff(self.starts)[order]
        starts = np.concatenate([[0], np.cumsum(counts)])
        places = np.repeat(self.starts[order] - starts[:-1], counts) + np.arange(starts[-1])
        operands = self.operands[places]
        return replace(
            self,
            codes=self.codes[order],
            starts=starts.astype(self.starts.dtype),
            operands=np.where(operands >= 0, renumber[np.maximum(operands, 0)], operands).astype(self.operands.dtype),
            outputs=renumber[self.outputs].astype(self.outputs.dtype),
            names=tuple(self.name(int(v)) for v in values),
            source_lines=self.source_lines and self.source_lines.taken(order),
            time_steps=self.time_steps and self.time_steps.taken(order),
            guards=tuple(replace(g, values=renumber[g.values]) for g in self.guards),
        )

    def describe(self) -> str:
        """The straight-line code with register, width and kind of every line.

        Example:
            >>> from flowgraph.language import parse
            >>> print(parse("inputs x1, x2\\nz1 = f(x1, x2)\\noutputs z1, x2").describe())
            2 inputs, 1 step, 2 outputs; width 2
             time  step            register  width  kind      dies
                0  x1, x2                        2
                1  z1 = f(x1, x2)  r1            2  equasive  x1
                   outputs z1, x2
        """
        return _describe(self)

    # -- identity ---------------------------------------------------------------------------------------------------

    def fingerprint(self) -> str:
        """A digest of everything that decides what the program computes.

        Names and lines do not count, nor do the order and the unused entries of the constant pool and of ``functions``.
        """
        digest = hashlib.blake2b(digest_size=16)
        codes, functions = self._functions_in_order_of_use()
        constant = self.operands < 0
        numbers = self.constants[-1 - self.operands[constant]]
        # The sizes tell where one column ends and the next begins.
        watched = [len(guard.values) for guard in self.guards]
        sizes = (int(self.n_inputs), self.n_steps, self.n_outputs, len(numbers), watched)
        digest.update(repr((sizes, functions)).encode())
        for column in (codes, self.starts, np.where(constant, -1, self.operands), self.outputs):
            digest.update(np.ascontiguousarray(column, dtype=np.int64).tobytes())
        digest.update(np.ascontiguousarray(numbers, dtype=float).tobytes())
        for guard in self.guards:
            digest.update(np.ascontiguousarray(guard.values, dtype=np.int64).tobytes())
            digest.update(np.ascontiguousarray(guard.outcomes, dtype=bool).tobytes())
        return digest.hexdigest()

    def _functions_in_order_of_use(self) -> tuple[Array, tuple[str, ...]]:
        """The codes and the names of the uninterpreted functions, renumbered by first use."""
        called = self.codes < 0
        used, first, entry = np.unique(-1 - self.codes[called], return_index=True, return_inverse=True)
        order = np.argsort(first)
        rank = np.empty(len(used), dtype=np.int64)
        rank[order] = np.arange(len(used))
        codes = self.codes.astype(np.int64)
        codes[called] = -1 - rank[entry]
        return codes, tuple(self.functions[k] for k in used[order])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Program):
            return NotImplemented
        same_names = self.input_names == other.input_names and (
            (self.names is None and other.names is None)
            or (
                self.n_values == other.n_values
                and all(self.name(k) == other.name(k) for k in range(self.n_inputs, self.n_values))
            )
        )
        return same_names and self.fingerprint() == other.fingerprint()

    def __hash__(self) -> int:
        return hash(self.fingerprint())

    def __repr__(self) -> str:
        return f"<Program: {size_text(self)}>"

    # -- JSON -------------------------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """A JSON object with one entry per step; ``from_json`` gives the program back."""
        return {
            "schema": SCHEMA,
            "inputs": list(self.input_names),
            "steps": [
                {
                    "name": step.name,
                    "function": step.function,
                    "known": step.operation is not None,
                    "operands": [self.name(o) if o >= 0 else float(self.constants[-1 - o]) for o in step.operands],
                    "line": step.line,
                    **({"time step": step.time_step} if step.time_step >= 0 else {}),
                }
                for step in self.steps()
            ],
            "outputs": list(self.output_names),
            "guards": [
                {
                    "values": [self.name(int(v)) for v in guard.values],
                    "positive": [bool(o) for o in guard.outcomes],
                    "line": guard.line,
                }
                for guard in self.guards
            ],
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Program:
        """The program that ``to_json`` described.

        Raises:
            ProgramError: the object is not of that schema.
        """
        return _from_json(data)


def _numbers_of(runs: Runs | None, steps: Array, missing: int) -> Array:
    """The numbers of some steps, or the same one for all where there are no runs."""
    return np.full(len(steps), missing) if runs is None or len(runs.starts) == 0 else runs.at(steps)


def _check(program: Program) -> None:
    """Raise ``ProgramError`` unless the columns make a program."""
    n, n_steps = program.n_inputs, program.n_steps
    if n < 0 or len(program.starts) != n_steps + 1 or program.starts[0] != 0:
        raise ProgramError("the columns do not fit together", got=f"{n_steps} codes, {len(program.starts)} starts")
    if (np.diff(program.starts) < 0).any():
        raise ProgramError("the columns do not fit together", got="starts that descend")
    if program.starts[-1] != len(program.operands):
        raise ProgramError("the columns do not fit together", got=f"{len(program.operands)} operands")
    if n_steps:
        if program.codes.max() >= len(OPERATIONS) or program.codes.min() < -len(program.functions):
            raise ProgramError("a step has an operation code that is not in the registry")
        # In chunks that fit a cache: programs have millions of steps.
        for first in range(0, n_steps, _CHUNK):
            _check_steps(program, first, min(first + _CHUNK, n_steps))
        if len(program.operands) and program.operands.min() < -len(program.constants):
            raise ProgramError("an operand points outside the constant pool")
    if not np.isfinite(program.constants).all():
        raise ProgramError("a constant is not finite", remedy="every constant must be a finite float64")
    if len(program.outputs) and not (0 <= program.outputs.min() and program.outputs.max() < n + n_steps):
        raise ProgramError("an output is not a value of the program")
    for guard in program.guards:
        if len(guard.values) != len(guard.outcomes):
            got = f"{len(guard.values)} values, {len(guard.outcomes)} outcomes"
            raise ProgramError("a guard must have one outcome per value", got=got)
        if len(guard.values) and not (0 <= guard.values.min() and guard.values.max() < n + n_steps):
            raise ProgramError("a guard looks at what is not a value of the program")
    _check_divisors(program)
    if len(set(program.functions)) != len(program.functions):
        raise ProgramError("two uninterpreted functions have one name")
    if program.names is not None:
        if len(program.names) != n + n_steps:
            raise ProgramError("there must be one name per value", got=f"{len(program.names)} names")
        if len(set(program.names)) != len(program.names):
            twice = next(name for name, count in Counter(program.names).items() if count > 1)
            raise ProgramError(f"two values have the name {twice}")


def _check_divisors(program: Program) -> None:
    """Raise ``ProgramError`` where a step divides by the constant 0, which is in no domain."""
    steps = np.flatnonzero(program.codes == CODES["div"])
    divisors = program.operands[program.starts[steps] + 1]
    constant = np.flatnonzero(divisors < 0)
    zero = constant[program.constants[-1 - divisors[constant]] == 0.0]
    if len(zero):
        step = int(steps[zero[0]])
        line = program.line(step)
        raise ProgramError(
            "a step divides by the constant 0",
            where=f"step {step + 1}" + (f", line {line}" if line else ""),
            remedy="every divisor must be able to differ from 0",
        )


def _check_steps(program: Program, first: int, last: int) -> None:
    """Raise ``ProgramError`` unless steps ``first`` … ``last − 1`` have the right operands."""
    n = program.n_inputs
    codes = program.codes[first:last]
    counts = np.diff(program.starts[first : last + 1])
    known = codes >= 0
    wrong = np.flatnonzero(known & (counts != _ARITIES[np.where(known, codes, 0)]))
    if len(wrong):
        step = first + int(wrong[0])
        operation = OPERATIONS[int(program.codes[step])]
        raise ProgramError(
            f"{operation.name} takes {operation.arity} operands",
            where=f"step {step + 1}",
            got=f"{int(counts[wrong[0]])} operands",
        )
    own = np.repeat(np.arange(n + first, n + last), counts)
    late = np.flatnonzero(program.operands[program.starts[first] : program.starts[last]] >= own)
    if len(late):
        raise ProgramError(
            "a step reads a value that is not computed yet",
            where=f"step {int(own[late[0]]) - n + 1}",
            remedy="put the step that computes it first",
        )


def _from_json(data: Mapping[str, Any]) -> Program:
    if not isinstance(data, Mapping) or data.get("schema") != SCHEMA:
        raise ProgramError("this JSON is not a program", expected=f'"schema": "{SCHEMA}"')
    try:
        return _rebuild(data)
    except ProgramError:
        raise
    except (KeyError, TypeError, IndexError, AttributeError, ValueError, OverflowError) as error:
        raise ProgramError("this JSON is not a program", got=f"{type(error).__name__}: {error}") from error


def _rebuild(data: Mapping[str, Any]) -> Program:
    names = [str(name) for name in data["inputs"]]
    n = len(names)
    number = {name: k for k, name in enumerate(names)}
    functions: dict[str, int] = {}
    constants: list[float] = []
    codes: list[int] = []
    starts, operands, lines, time_steps = [0], [], [], []
    for step in data["steps"]:
        known, function = bool(step["known"]), str(step["function"])
        codes.append(CODES[function] if known else -1 - functions.setdefault(function, len(functions)))
        for operand in step["operands"]:
            if isinstance(operand, str):
                operands.append(number[operand])
            else:
                constants.append(float(operand))
                operands.append(-len(constants))
        starts.append(len(operands))
        lines.append(int(step["line"]))
        time_steps.append(int(step.get("time step", -1)))
        number[str(step["name"])] = len(names)
        names.append(str(step["name"]))
    return Program(
        n_inputs=n,
        codes=np.array(codes, dtype=np.int16),
        starts=np.array(starts, dtype=np.int64),
        operands=np.array(operands, dtype=np.int32),
        constants=np.array(constants, dtype=float),
        outputs=np.array([number[name] for name in data["outputs"]], dtype=np.int32),
        functions=tuple(functions),
        names=tuple(names),
        source_lines=Runs.of(np.array(lines, dtype=np.int64)),
        time_steps=Runs.of(np.array(time_steps, dtype=np.int64)) if any(k >= 0 for k in time_steps) else None,
        guards=tuple(
            Guard(
                np.array([number[name] for name in guard["values"]], dtype=np.int64),
                np.array(guard["positive"], dtype=bool),
                int(guard["line"]),
            )
            for guard in data["guards"]
        ),
    )


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def size_text(program: Program) -> str:
    """How many inputs, steps and outputs a program has."""
    counts = ((program.n_inputs, "input"), (program.n_steps, "step"), (program.n_outputs, "output"))
    return ", ".join(_plural(count, noun) for count, noun in counts)


def require_program(value: object) -> None:
    """Raise ``InputError`` unless the value is a program."""
    if not isinstance(value, Program):
        makers = "flowgraph.parse, trace, from_sympy and load make one"
        raise InputError(
            "a program is needed",
            got=type(value).__name__,
            expected="a Program",
            remedy="record the function first: flowgraph.trace(f, n), for n inputs" if callable(value) else makers,
        )


def text_table(rows: Sequence[Sequence[str]], right: frozenset[int]) -> str:
    """Rows of cells as lines of text with aligned columns; those in ``right`` are aligned to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            text.rjust(width) if column in right else text.ljust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _describe(program: Program) -> str:
    live = program.liveness()
    arguments = program.arguments()
    places = registers(live, program.starts, arguments)
    low, high = int(live.widths.min()), int(live.widths.max())
    head = f"{size_text(program)}; width {low if low == high else f'{low} to {high}'}"
    rows = [(" time", "step", "register", "width", "kind", "dies")]
    rows.append(("0", ", ".join(program.input_names), "", str(live.widths[0]), "", ""))
    for step in program.steps():
        k = step.index
        kind = live.kind(k)
        place = int(places[program.n_inputs + k])
        died = live.died(k, arguments[program.starts[k] : program.starts[k + 1]]) if live.active[k] else ()
        rows.append(
            (
                str(k + 1),
                str(step),
                "" if kind in (Kind.DEAD, Kind.PASSIVE) else f"r{place + 1}",
                str(live.widths[k + 1]),
                kind.value,
                ", ".join(program.name(v) for v in died),
            )
        )
    rows.append(("", "outputs " + ", ".join(program.output_names), "", "", "", ""))
    return head + "\n" + text_table(rows, right=frozenset({0, 3}))
