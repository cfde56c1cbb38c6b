"""Expressions of generated code, without a language: names, numbers, operations of the registry, calls.

The functions ``plus``, ``minus``, ``times``, ``over`` and ``negative`` leave out what does nothing, 1·x and x + 0, so
that unit partials leave no trace in the code. Numbers are combined at once, unless the result is too large or too small
for a float64. They are for partials and sweeps; steps of the program stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from math import inf, isfinite


@dataclass(frozen=True, slots=True)
class Name:
    """A variable.

    Attributes:
        text: its name.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Number:
    """A constant.

    Attributes:
        value: a finite float64.
    """

    value: float


@dataclass(frozen=True, slots=True)
class Apply:
    """An elementary operation.

    Attributes:
        operation: its name in the registry.
        operands: what it is applied to.
    """

    operation: str
    operands: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """An uninterpreted function, or one of its partials.

    Attributes:
        function: its name in the program.
        slot: 0 for the function; k for its partial with respect to operand k, counted from 1.
        operands: what it is called with.
    """

    function: str
    slot: int
    operands: tuple[Term, ...]


Term = Name | Number | Apply | Call
"""An expression."""

ZERO, ONE = Number(0.0), Number(1.0)


def is_atom(term: Term) -> bool:
    """Whether the expression is a name or a number."""
    return isinstance(term, Name | Number)


def parts(term: Term) -> Iterator[Term]:
    """The expression and all expressions in it."""
    stack = [term]
    while stack:
        term = stack.pop()
        yield term
        if isinstance(term, Apply | Call):
            stack.extend(term.operands)


def names(term: Term) -> list[str]:
    """The variables that the expression reads."""
    if isinstance(term, Name):
        return [term.text]
    return [part.text for part in parts(term) if isinstance(part, Name)]


def negative(x: Term) -> Term:
    """−x."""
    match x:
        case Number(value):
            return Number(-value if value else 0.0)
        case Apply("neg", (y,)):
            return y
        case Apply("sub", (y, z)):
            return Apply("sub", (z, y))
        case Apply("mul", (Number(value), y)):
            return times(Number(-value), y)
        case _:
            return Apply("neg", (x,))


def plus(x: Term, y: Term) -> Term:
    """x + y."""
    match x, y:
        case Number(a), Number(b) if isfinite(a + b):
            return Number(a + b)
        case Number(0.0), _:
            return y
        case _, Number(0.0):
            return x
        case _, Apply("neg", (z,)):
            return Apply("sub", (x, z))
        case Apply("neg", (z,)), _:
            return minus(y, z)
        case _, Number(b) if b < 0:
            return Apply("sub", (x, Number(-b)))
        case _, Apply("mul", (Number(b), z)) if b < 0:
            return Apply("sub", (x, times(Number(-b), z)))
        case _:
            return Apply("add", (x, y))


def minus(x: Term, y: Term) -> Term:
    """x − y."""
    return plus(x, negative(y))


def times(x: Term, y: Term) -> Term:
    """x·y, a number in front."""
    match x, y:
        case (Number(0.0), _) | (_, Number(0.0)):
            return ZERO
        case Number(a), Number(b) if 0.0 < abs(a * b) < inf:
            return Number(a * b)
        case Number(1.0), _:
            return y
        case Number(-1.0), _:
            return negative(y)
        case _, Number(_) if not isinstance(x, Number):
            return times(y, x)
        case Apply("neg", (z,)), _:
            return negative(times(z, y))
        case _, Apply("neg", (z,)):
            return negative(times(x, z))
        case _:
            return Apply("mul", (x, y))


def over(x: Term, y: Term) -> Term:
    """x/y, for y that is not the number 0."""
    match x, y:
        case Number(0.0), _:
            return ZERO
        case _, Number(1.0):
            return x
        case _, Number(-1.0):
            return negative(x)
        case Number(a), Number(b) if 0.0 < abs(a / b) < inf:
            return Number(a / b)
        case _, Apply("neg", (z,)):
            return negative(over(x, z))
        case _:
            return Apply("div", (x, y))


def total(terms: list[Term]) -> Term:
    """The sum of some expressions."""
    return reduce(plus, terms, ZERO)
