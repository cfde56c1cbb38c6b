"""The labels of a program's edges, one *labelling* per label algebra, and the primal graph that carries them.

A labelling gives the partial of every step with respect to every argument as an element of its algebra. ``linearise``
turns a program and a labelling into the primal data-flow graph from which every derivation starts.

Reference: arXiv:2411.18786, Fig. 2 (a) and (b).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import count
from math import gcd
from random import Random
from types import MappingProxyType
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from flowgraph.errors import DomainError
from flowgraph.graph import Vertex, VertexId, Workspace
from flowgraph.labels import (
    GENERIC,
    CountingLabels,
    FloatLabels,
    FractionLabels,
    Label,
    LabelAlgebra,
    ResidueLabels,
    SymbolicLabels,
)
from flowgraph.operations import OPERATIONS
from flowgraph.program import Program, number_text


class Labelling(ABC):
    """The partials of one program in one algebra.

    Attributes:
        algebra: what they are elements of.
        meanings: what each letter stands for, e.g. ``{"a": "∂f/∂x1"}``, where the labelling has letters of its own.
    """

    algebra: LabelAlgebra
    meanings: Mapping[str, str] = MappingProxyType({})

    @abstractmethod
    def partial(self, step: int, slot: int) -> Label:
        """∂(result of step)/∂(operand in that place)."""


def coefficient_names(taken: Iterable[str]) -> Iterator[str]:
    """a, b, c, …, z, a1, b1, … without the names in ``taken``.

    Example:
        >>> from itertools import islice
        >>> list(islice(coefficient_names({"b"}), 3))
        ['a', 'c', 'd']
    """
    used = frozenset(taken)
    letters = "abcdefghijklmnopqrstuvwxyz"
    for round_number in count():
        for letter in letters:
            name = letter if round_number == 0 else f"{letter}{round_number}"
            if name not in used:
                yield name


def exact(value: float) -> Fraction:
    """A constant as the exact number that its shortest decimal text writes: 0.1 is 1/10."""
    return Fraction(number_text(value))


def edge_slots(program: Program) -> Iterator[tuple[int, tuple[tuple[int, tuple[int, ...]], ...]]]:
    """For every step that carries a derivative: its distinct arguments, each with the operand places it stands in.

    Yields:
        (step, ((argument, (place, …)), …)), places counted from 0 within the step.
    """
    active = program.liveness().active.tolist()
    arguments = program.arguments().tolist()
    starts = program.starts.tolist()
    for step in range(program.n_steps):
        if not active[step]:
            continue
        slots: dict[int, tuple[int, ...]] = {}
        for slot, argument in enumerate(arguments[starts[step] : starts[step + 1]]):
            if argument >= 0:
                slots[argument] = (*slots.get(argument, ()), slot)
        yield step, tuple(slots.items())


def _in_order_of_lines(program: Program) -> list[tuple[int, tuple[tuple[int, tuple[int, ...]], ...]]]:
    """``edge_slots`` by source line: so letters stay with their partials where the steps are put in another order."""
    return sorted(edge_slots(program), key=lambda item: program.line(item[0]))


class ConstantPartials:
    """Finds the partials that are the same number for every x, such as those of + and of a product with a constant.

    The partials with respect to an argument that stands in several places are added and entered at the first of them:
    those of x / x are 0 together.
    """

    def __init__(self, program: Program) -> None:
        self._codes = program.codes.tolist()
        self._starts = program.starts.tolist()
        self._operands = program.operands.tolist()
        self._constants = program.constants.tolist()
        self._cache: dict[tuple[Any, ...], Fraction | None] = {}

    def find(self, step: int, slot: int) -> Fraction | None:
        """The partial with respect to the operand in that place, or None where it is no number for every x."""
        code = self._codes[step]
        operands = self._operands[self._starts[step] : self._starts[step + 1]]
        if code < 0:
            return None if operands.index(operands[slot]) == slot else Fraction(0)
        # What the partial depends on: where each operand stood first, or which constant it is.
        pattern = tuple(operands.index(o) if o >= 0 else self._constants[-1 - o] for o in operands)
        kinds = tuple(o >= 0 for o in operands)
        key = (code, slot, pattern, kinds)
        if key not in self._cache:
            self._cache[key] = _constant_partial(code, slot, pattern, kinds)
        return self._cache[key]


def _constant_partial(code: int, slot: int, pattern: tuple[float, ...], kinds: tuple[bool, ...]) -> Fraction | None:
    import sympy

    operation = OPERATIONS[code]
    active = [k for k, is_value in enumerate(kinds) if is_value and k not in operation.inactive]
    places = [k for k in active if pattern[k] == pattern[slot]]
    if slot not in places[:1]:
        return Fraction(0)
    symbols = {k: sympy.Dummy(real=True) for k, is_value in enumerate(kinds) if is_value and pattern[k] == k}
    arguments = [
        symbols[int(x)] if is_value else sympy.Rational(str(exact(x)))
        for x, is_value in zip(pattern, kinds, strict=True)
    ]
    value: Any = sum((operation.symbolic_partials[k](sympy, *arguments) for k in places), start=sympy.S.Zero)
    if len(places) > 1 and not value.is_Rational:
        value = sympy.piecewise_fold(sympy.simplify(value))
    return Fraction(int(value.p), int(value.q)) if value.is_Rational else None


def _taken(program: Program) -> set[str]:
    # A function that only dead code called is gone from the record of a derivation, and must not take a letter here.
    called = {program.functions[-1 - int(code)] for code in np.unique(program.codes) if code < 0}
    return {program.name(k) for k in range(program.n_values)} | called


@final
class SymbolicPartials(Labelling):
    """SymPy expressions in the names of the values; the partials of uninterpreted functions are letters a, b, c, …"""

    def __init__(self, program: Program) -> None:
        import sympy

        self.algebra = SymbolicLabels()
        self._sympy = sympy
        self._program = program
        self._letters: dict[tuple[int, int], Any] = {}
        meanings: dict[str, str] = {}
        names = coefficient_names(_taken(program))
        for step, arguments in _in_order_of_lines(program):
            if program.codes[step] >= 0:
                continue
            function = program.functions[-1 - int(program.codes[step])]
            for argument, slots in arguments:
                # One letter per argument: partials of f(x, x) are added, and their sum is ∂f/∂x.
                letter = next(names)
                self._letters[step, slots[0]] = sympy.Symbol(letter)
                meanings[letter] = f"∂{function}/∂{program.name(argument)}"
        self.meanings = MappingProxyType(meanings)

    def partial(self, step: int, slot: int) -> Label:
        view = self._program.step(step)
        if view.operation is None:
            return self._letters.get((step, slot), self.algebra.zero)
        values = [self._sympy.Symbol(self._program.name(o)) if o >= 0 else self._constant(o) for o in view.operands]
        return view.operation.symbolic_partials[slot](self._sympy, *values)

    def _constant(self, operand: int) -> Any:
        return self.algebra.number(exact(float(self._program.constants[-1 - operand])))


@final
class FractionPartials(Labelling):
    """The generators of a fraction field, one per edge; partials that are the same number for every x are that number.

    Attributes:
        definitions: for each generator the (step, argument) whose partial it stands for.
    """

    def __init__(self, program: Program) -> None:
        constants = ConstantPartials(program)
        names = coefficient_names(_taken(program))
        self.definitions: dict[str, tuple[int, int]] = {}
        found: dict[tuple[int, int], Fraction | str] = {}
        for step, arguments in _in_order_of_lines(program):
            for argument, slots in arguments:
                value = constants.find(step, slots[0])
                if value is None:
                    value = next(names)
                    self.definitions[value] = (step, argument)
                found[step, slots[0]] = value
        self.algebra = FractionLabels(tuple(self.definitions))
        self._found = {
            key: self.algebra.symbols[value] if isinstance(value, str) else self.algebra.number(value)
            for key, value in found.items()
        }

    def partial(self, step: int, slot: int) -> Label:
        return self._found.get((step, slot), self.algebra.zero)


@final
class ResiduePartials(Labelling):
    """Independent uniform non-zero residues in several prime fields side by side; constant partials are exact.

    Args:
        program: the program.
        points: number of points.
        seed: seed of the residues.
    """

    def __init__(self, program: Program, points: int, seed: int) -> None:
        self.algebra = algebra = ResidueLabels(points)
        self._modulus = algebra.modulus
        self._constants = ConstantPartials(program)
        self._random = Random(seed)
        self._numbers: dict[Fraction, Label] = {}

    def partial(self, step: int, slot: int) -> Label:
        value = self._constants.find(step, slot)
        if value is None:
            return self.draw()
        if value not in self._numbers:
            self._numbers[value] = self.algebra.number(value)
        return self._numbers[value]

    def draw(self) -> Label:
        """A fresh random element, not zero in any of the fields."""
        modulus = self._modulus
        while True:
            label = self._random.randrange(1, modulus)
            if gcd(label, modulus) == 1:
                return label


@final
class CountedPartials(Labelling):
    """What an operation counter needs to know of each partial: whether it is 0, 1, −1 or anything else.

    Attributes:
        tally: the operations performed on the labels so far.
    """

    def __init__(self, program: Program) -> None:
        self.algebra = algebra = CountingLabels()
        self.tally = algebra.tally
        self._constants = ConstantPartials(program)

    def partial(self, step: int, slot: int) -> Label:
        value = self._constants.find(step, slot)
        return GENERIC if value is None else self.algebra.number(value)


def evaluate(program: Program, x: NDArray[Any], unknown: Callable[[int], float] | None = None) -> NDArray[Any]:
    """All values of a program at x, one step after the other.

    Args:
        program: straight-line code.
        x: (n,) the inputs.
        unknown: the value of step k where it is an uninterpreted function; None refuses such steps.

    Returns:
        (n + T,) every value.

    Raises:
        DomainError: an operation is not defined at its operands; or not differentiable, where a derivative flows.
    """
    values = np.empty(program.n_values)
    values[: program.n_inputs] = x
    active = program.liveness().active.tolist()
    with np.errstate(all="ignore"):
        for step in program.steps():
            operands = [values[o] if o >= 0 else program.constants[-1 - o] for o in step.operands]
            if step.operation is None:
                if unknown is None:
                    raise DomainError(
                        f"{step.function} is uninterpreted and has no value",
                        step=step.index + 1,
                        where=f"step {step.index + 1}",
                    )
                values[program.n_inputs + step.index] = unknown(step.index)
                continue
            result = step.operation.evaluate(*operands)
            inside = not active[step.index] or step.operation.domain.contains(*operands)
            if inside and not np.isfinite(result) and step.operation.domain.contains(*operands):
                raise DomainError(
                    f"the result of {step.function} is not finite here",
                    step=step.index + 1,
                    where=f"step {step.index + 1}: {step}" + (f", line {step.line}" if step.line else ""),
                    got=", ".join(repr(float(o)) for o in operands),
                    expected="a result that float64 can hold",
                    remedy="float64 ends at 1.8e308: scale the program",
                )
            if not (inside and np.isfinite(result)):
                raise DomainError(
                    f"{step.function} is not defined and differentiable here",
                    step=step.index + 1,
                    where=f"step {step.index + 1}: {step}" + (f", line {step.line}" if step.line else ""),
                    got=", ".join(repr(float(o)) for o in operands),
                    expected=step.operation.domain.text,
                )
            values[program.n_inputs + step.index] = result
    return values


@final
class FloatPartials(Labelling):
    """Partials at a point, by the NumPy functions of the registry; given numbers for uninterpreted functions.

    Args:
        program: the program.
        values: (n + T,) value of every step; ignored where only uninterpreted functions read it.
        letters: the number of each partial of an uninterpreted function, by (step, argument).
    """

    def __init__(self, program: Program, values: NDArray[Any], letters: Mapping[tuple[int, int], float]) -> None:
        self.algebra = FloatLabels()
        self._program = program
        self._values = values
        self._letters = letters

    def partial(self, step: int, slot: int) -> Label:
        view = self._program.step(step)
        if view.operation is None:
            argument = view.operands[slot]
            first = view.operands.index(argument) == slot
            return self._letters[step, argument] if first else 0.0
        operands = [self._values[o] if o >= 0 else float(self._program.constants[-1 - o]) for o in view.operands]
        return float(view.operation.partials[slot](*operands))


def linearise(program: Program, labelling: Labelling) -> Workspace:
    """The primal data-flow graph: one vertex per value at (register, time of birth), one edge per argument.

    The value of an input is born at time 0, the result of step k (from 0) at time k + 1. An argument that stands in
    several places of a step is one edge, with the sum of its partials as label. Passive and dead steps have no vertex.
    """
    algebra = labelling.algebra
    work = Workspace(algebra)
    n = program.n_inputs
    registers = program.registers().tolist()
    place: dict[int, VertexId] = {}
    for value in range(n):
        place[value] = (registers[value], 0)
        name = program.name(value)
        work.add_vertex(Vertex(registers[value], 0, name, name))
    for step, arguments in edge_slots(program):
        value = n + step
        place[value] = (registers[value], step + 1)
        name = program.name(value)
        work.add_vertex(Vertex(registers[value], step + 1, name, name))
        row = []
        for argument, slots in arguments:
            label = labelling.partial(step, slots[0])
            for slot in slots[1:]:
                label = algebra.add(label, labelling.partial(step, slot))
            row.append((place[argument], label, False))
        work.set_row(place[value], tuple(row))
    for value in range(n):
        work.add_input(place[value])
    for value in program.outputs.tolist():
        work.add_output(place[value])
    work.forget()
    return work
