"""What a language has to be able to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from flowgraph.codegen.statements import Routine


@dataclass(frozen=True, slots=True)
class Language:
    """A language in which code can be written.

    Attributes:
        name: the name on the command line.
        title: the name in a text.
        suffix: the ending of its files.
        write: a routine as text, which ends with a line break.
        operations: what it can spell, by name in the registry.
        reserved: names that an uninterpreted function must not have.
        returns_values: whether the code also gives the outputs of the program.
        checks_branches: whether the code can stop where a branch is taken otherwise.
        solves: whether the code can solve a linear system; where it cannot, systems are written out.
    """

    name: str
    title: str
    suffix: str
    write: Callable[[Routine], str]
    operations: frozenset[str]
    reserved: frozenset[str]
    returns_values: bool = True
    checks_branches: bool = True
    solves: bool = True


FINDS: Mapping[str, str] = MappingProxyType(
    {
        "primal": "",
        "forward": "J v",
        "reverse": "the transpose of J times v",
        "forward-inverse": "the inverse of J times v",
        "reverse-inverse": "the inverse of the transpose of J times v",
    }
)
"""What each mode finds besides y = f(x)."""


def function_names(routine: Routine) -> Callable[[str, int], str]:
    """How the uninterpreted functions and their partials are called: f, and f_1 for its partial by operand 1."""
    spelled = dict(routine.functions)
    return lambda function, slot: f"{spelled[function]}_{slot}" if slot else spelled[function]


def one_line(text: str) -> str:
    """A text for a comment: one line that ends no comment early.

    Example:
        >>> one_line("a\\nb \\\\")
        'a?b ?'
    """
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(c if c.isprintable() and c != "\\" else "?" for c in text)


def without_first_blank(lines: list[str]) -> list[str]:
    """Lines of code that do not begin with an empty one."""
    return lines[1:] if lines[:1] == [""] else lines
