"""Generated code without a language: a list of statements on registers, made once for each mode.

The primal's registers are r1, r2, …, those of the sweep v1, v2, …: register v_k holds the tangent or cotangent of the
value in r_k. Everything else is a *temporary*, which has a number until ``tidy`` names it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flowgraph.codegen.terms import Apply, Call, Term, names, parts


@dataclass(frozen=True, slots=True)
class Partial:
    """What a temporary stands for.

    Attributes:
        of: name of the function or value that is differentiated.
        by: name of the value with respect to which.
    """

    of: str
    by: str


@dataclass(frozen=True, slots=True)
class Heading:
    """Says what the statements after it do.

    Attributes:
        text: what they do; a step stands in the paper's notation.
        level: 0 for a sweep, 1 for a step or a lump, 2 for a step within a lump.
        step: the step with the names of the program, where it is one.
    """

    text: str
    level: int
    step: Assign | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """Takes the entries of a vector that the code is given.

    Attributes:
        targets: the variable for each entry, None where it is not needed.
        source: ``"x"`` or ``"v"``.
    """

    targets: tuple[str | None, ...]
    source: str


@dataclass(frozen=True, slots=True)
class Assign:
    """target ← value.

    Attributes:
        target: a variable, which the value may read.
        value: an expression.
        meaning: the partial that it is, if it is one.
    """

    target: str
    value: Term
    meaning: Partial | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """Stops unless a branch is taken as it was when the program was traced.

    Attributes:
        variable: the variable that was compared with 0.
        positive: whether it was greater than 0.
        text: the branch, for the message.
    """

    variable: str
    positive: bool
    text: str


@dataclass(frozen=True, slots=True)
class Solve:
    """targets ← A⁻¹ right, or A⁻ᵀ right. All of ``right`` is read before a target is written.

    Attributes:
        targets: l variables.
        name: the name of A.
        matrix: A, l×l names and numbers.
        transposed: whether the system is that of Aᵀ.
        right: l expressions.
    """

    targets: tuple[str, ...]
    name: str
    matrix: tuple[tuple[Term, ...], ...]
    transposed: bool
    right: tuple[Term, ...]

    @property
    def system(self) -> tuple[tuple[Term, ...], ...]:
        """The matrix of the system, transposed where that is asked for."""
        return tuple(zip(*self.matrix, strict=True)) if self.transposed else self.matrix


Statement = Heading | Load | Assign | Check | Solve
"""One line of code, or a heading."""


@dataclass(frozen=True, slots=True)
class Routine:
    """The code of one mode.

    Attributes:
        name: what the function is called.
        mode: ``"primal"`` or the mode.
        n_inputs: n.
        n_outputs: m.
        body: the statements.
        values: the outputs of the program, m expressions.
        result: what the mode finds; empty for the primal.
        functions: by name in the program, how each uninterpreted function is spelled.
    """

    name: str
    mode: str
    n_inputs: int
    n_outputs: int
    body: tuple[Statement, ...]
    values: tuple[Term, ...]
    result: tuple[Term, ...]
    functions: tuple[tuple[str, str], ...] = ()


def terms_of(statement: Statement) -> tuple[Term, ...]:
    """The expressions that a statement evaluates."""
    match statement:
        case Assign(value=value):
            return (value,)
        case Solve(matrix=matrix, right=right):
            return (*(entry for row in matrix for entry in row), *right)
        case _:
            return ()


def reads(statement: Statement) -> list[str]:
    """The variables that a statement reads."""
    if isinstance(statement, Check):
        return [statement.variable]
    if isinstance(statement, Assign):
        return names(statement.value)
    return [name for term in terms_of(statement) for name in names(term)]


def writes(statement: Statement) -> tuple[str, ...]:
    """The variables that a statement sets."""
    match statement:
        case Assign(target=target):
            return (target,)
        case Solve(targets=targets):
            return targets
        case Load(targets=targets):
            return tuple(target for target in targets if target is not None)
        case _:
            return ()


def calls(routine: Routine) -> tuple[tuple[str, int, int], ...]:
    """The uninterpreted functions and partials that are called: (function, slot, number of operands), each once."""
    found = {
        (part.function, part.slot, len(part.operands)): None
        for statement in routine.body
        for term in terms_of(statement)
        for part in parts(term)
        if isinstance(part, Call)
    }
    order = {function: k for k, (function, _) in enumerate(routine.functions)}
    return tuple(sorted(found, key=lambda call: (order[call[0]], call)))


def applied(routine: Routine) -> frozenset[str]:
    """The operations that the code applies."""
    return frozenset(name for statement in routine.body for term in terms_of(statement) for name in _operations(term))


def _operations(term: Term) -> Iterator[str]:
    return (part.operation for part in parts(term) if isinstance(part, Apply))
