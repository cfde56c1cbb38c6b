"""The partials of the elementary operations as expressions, in the paper's notation, for every language at once.

They are the forms of the registry, which do not cancel and overflow only where the partial does; x, y and z are the
operands. What stands before a semicolon is computed first. Where the arguments are on the edge of an operation's
domain, as at a tie of ``maximum``, one of the neighbouring values is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import MappingProxyType

from flowgraph.codegen.terms import ONE, Apply, Name, Number, Term, minus, negative, over, plus, times
from flowgraph.expressions import SourceLine, TermKind, postfix, tokens

PARTIALS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "add": ("1", "1"),
        "sub": ("1", "-1"),
        "mul": ("y", "x"),
        "div": ("1 / y", "-(x / y) / y"),
        "power": ("y * x**(y - 1)", "x**y * log(x)"),
        "neg": ("-1",),
        "reciprocal": ("-(1 / x) / x",),
        "square": ("2*x",),
        "sqrt": ("0.5 / sqrt(x)",),
        "exp": ("exp(x)",),
        "expm1": ("exp(x)",),
        "log": ("1 / x",),
        "log1p": ("1 / (1 + x)",),
        "sin": ("cos(x)",),
        "cos": ("-sin(x)",),
        "tan": ("1 + square(tan(x))",),
        "asin": ("1 / sqrt((1 - x) * (1 + x))",),
        "acos": ("-1 / sqrt((1 - x) * (1 + x))",),
        "atan": ("h = hypot(1, x); 1 / h / h",),
        "atan2": ("h = hypot(x, y); y / h / h", "h = hypot(x, y); -(x / h) / h"),
        "sinh": ("cosh(x)",),
        "cosh": ("sinh(x)",),
        "tanh": ("s = exp(-2*abs(x)); 4*s / square(1 + s)",),
        "asinh": ("1 / hypot(1, x)",),
        "acosh": ("1 / (sqrt(x - 1) * sqrt(x + 1))",),
        "atanh": ("1 / ((1 - x) * (1 + x))",),
        "hypot": ("h = hypot(x, y); x / h", "h = hypot(x, y); y / h"),
        "abs": ("select(x, 1, -1)",),
        "minimum": ("select(y - x, 1, 0)", "select(y - x, 0, 1)"),
        "maximum": ("select(x - y, 1, 0)", "select(x - y, 0, 1)"),
        "erf": ("1.1283791670955126 * exp(-square(x))",),
        "logistic": ("logistic(x) * logistic(-x)",),
        "softplus": ("logistic(x)",),
        "select": ("0", "select(x, 1, 0)", "select(x, 0, 1)"),
        "constant": ("0",),
    }
)
"""For each operation its partials, one for each operand."""

FROM_RESULT: Mapping[str, str] = MappingProxyType({"exp": "z", "sqrt": "0.5 / z", "tan": "1 + square(z)"})
"""Unary operations whose partial is best computed from the result z."""

_OPERANDS = ("x", "y", "z")

_FOLDED: Mapping[str, Callable[[Term, Term], Term]] = MappingProxyType(
    {"add": plus, "sub": minus, "mul": times, "div": over}
)


@cache
def _parsed(text: str) -> tuple[tuple[str, Term], ...]:
    """The assignments that lead to a partial; the last one, to nothing, is the partial."""
    found = []
    for part in text.split("; "):
        target, _, right = part.rpartition(" = ")
        found.append((target, _expression(right)))
    return tuple(found)


def _expression(text: str) -> Term:
    line = SourceLine(text, 1)
    stack: list[Term] = []
    for term in postfix(tokens(line), line):
        if term.kind is TermKind.NUMBER:
            stack.append(Number(float(term.text)))
        elif term.kind is TermKind.NAME:
            stack.append(Name(term.text))
        else:
            operands = tuple(stack[-term.arity :])
            del stack[-term.arity :]
            stack.append(Apply(term.text, operands))
    return stack[0]


def partial(operation: str, slot: int, operands: Sequence[Term], hold: Callable[[Term], Term]) -> Term:
    """The partial of an operation with respect to one operand.

    Args:
        operation: its name in the registry.
        slot: the operand, from 0.
        operands: names and numbers.
        hold: puts an expression into a temporary and gives its name.

    Example:
        >>> partial("power", 0, (Name("r1"), Number(2.0)), lambda term: term)
        Apply(operation='mul', operands=(Number(value=2.0), Name(text='r1')))
    """
    known: dict[str, Term] = dict(zip(_OPERANDS, operands, strict=False))
    *before, (_, last) = _parsed(PARTIALS[operation][slot])
    for target, term in before:
        known[target] = hold(_substituted(term, known))
    return _substituted(last, known)


def from_result(operation: str, result: Term) -> Term:
    """The partial of a unary operation in terms of its result."""
    ((_, term),) = _parsed(FROM_RESULT[operation])
    return _substituted(term, {"z": result})


def _substituted(term: Term, known: Mapping[str, Term]) -> Term:
    match term:
        case Name(text):
            return known[text]
        case Apply(operation, operands):
            inner = tuple(_substituted(operand, known) for operand in operands)
            if operation in _FOLDED:
                return _FOLDED[operation](*inner)
            if operation == "neg":
                return negative(*inner)
            if operation == "power" and isinstance(inner[1], Number) and inner[1].value in (0.0, 1.0):
                return inner[0] if inner[1].value else ONE
            return Apply(operation, inner)
        case _:
            return term
