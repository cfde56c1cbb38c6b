"""Small linear systems written out as scalar statements, and whether their matrices are singular for every x.

Pivots are chosen without values, so they must be non-zero for almost all x. That is decided at one random point of
a prime field: what code computes by + − × ÷ is computed there, and any other expression is a random residue, the same
one for the same operands.

Reference: THEORY section 8.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any, final

from flowgraph.codegen.statements import Assign, Load, Solve, Statement
from flowgraph.codegen.terms import ZERO, Apply, Call, Name, Number, Term, minus, names, over, times
from flowgraph.errors import InputError, NotInvertible
from flowgraph.labels import PRIME
from flowgraph.partials import exact

MOST_UNKNOWNS = 6
"""A larger system is not written out: without pivoting at run time it would lose too many digits."""

MOST_TESTED = 24
"""Larger matrices are not tested for being singular for every x."""


def check_matrices(body: Sequence[Statement]) -> None:
    """Raise ``NotInvertible`` where the matrix of a system is singular for every x."""
    for statement, values in _walk(body):
        if isinstance(statement, Solve) and len(statement.targets) <= MOST_TESTED:
            _pivots(statement, values)


def written_out(body: Sequence[Statement]) -> tuple[Statement, ...]:
    """The statements with every system solved by elimination in scalars.

    Raises:
        InputError: a system has more than ``MOST_UNKNOWNS`` unknowns.
        NotInvertible: the matrix of a system is singular for every x.
    """
    done: list[Statement] = []
    for statement, values in _walk(body):
        if not isinstance(statement, Solve):
            done.append(statement)
            continue
        if len(statement.targets) > MOST_UNKNOWNS:
            raise InputError(
                "the system of a lump is too large to be written out",
                got=f"{len(statement.targets)} unknowns",
                expected=f"at most {MOST_UNKNOWNS}",
                remedy="take a language that can solve: numpy or c",
            )
        done.extend(_Elimination(statement, len(done)).statements(_pivots(statement, values)))
    return tuple(done)


@final
class _Elimination:
    """The solution of one system in scalars."""

    def __init__(self, system: Solve, number: int) -> None:
        self._system = system
        self._prefix = f"%{number}."
        self._done: list[Statement] = []

    def statements(self, pivots: Sequence[tuple[int, int]]) -> list[Statement]:
        """The statements, for pivots (row, column) in order."""
        size = range(len(pivots))
        matrix = [list(row) for row in self._system.system]
        right = [self._held(term) for term in self._system.right]
        for k, (p, q) in enumerate(pivots):
            for i, _ in pivots[k + 1 :]:
                if matrix[i][q] == ZERO:
                    continue
                factor = self._held(over(matrix[i][q], matrix[p][q]))
                for _, j in pivots[k + 1 :]:
                    matrix[i][j] = self._held(minus(matrix[i][j], times(factor, matrix[p][j])))
                right[i] = self._held(minus(right[i], times(factor, right[p])))
        solution: dict[int, Term] = {}
        for p, q in reversed(pivots):
            value = right[p]
            for j, x in solution.items():
                value = minus(value, times(matrix[p][j], x))
            target = self._system.targets[q]
            self._done.append(Assign(target, over(value, matrix[p][q])))
            solution[q] = Name(target)
        assert len(solution) == len(size)
        return self._done

    def _held(self, term: Term) -> Term:
        if isinstance(term, Number) or (isinstance(term, Name) and not term.text.startswith("v")):
            return term
        name = f"{self._prefix}{len(self._done)}"
        self._done.append(Assign(name, term))
        return Name(name)


def _pivots(system: Solve, values: Mapping[str, int]) -> list[tuple[int, int]]:
    """Places of pivots that are not zero for every x, those that make the least fill-in first."""
    matrix = [[_residue(entry, values) for entry in row] for row in system.system]
    unit = [[isinstance(entry, Number) for entry in row] for row in system.system]
    rows, columns = list(range(len(matrix))), list(range(len(matrix)))
    chosen: list[tuple[int, int]] = []
    while rows:
        in_row = {i: sum(matrix[i][j] != 0 for j in columns) for i in rows}
        in_column = {j: sum(matrix[i][j] != 0 for i in rows) for j in columns}
        candidates = [(i, j) for i in rows for j in columns if matrix[i][j]]
        if not candidates:
            raise NotInvertible(
                "the Jacobian is singular for every x: the matrix of a lump is",
                where=f"{system.name or 'A'}, which gives {', '.join(system.targets)}",
                got=f"rank {len(chosen)}",
                expected=f"rank {len(matrix)}",
                remedy="the results of a lump must depend on what they consume, independently",
            )
        p, q = min(
            candidates, key=lambda at: ((in_row[at[0]] - 1) * (in_column[at[1]] - 1), not unit[at[0]][at[1]], at)
        )
        chosen.append((p, q))
        rows.remove(p)
        columns.remove(q)
        inverse = pow(matrix[p][q], -1, PRIME)
        for i in rows:
            factor = matrix[i][q] * inverse % PRIME
            if factor:
                for j in columns:
                    if matrix[p][j]:
                        matrix[i][j] = (matrix[i][j] - factor * matrix[p][j]) % PRIME
                        unit[i][j] = False
    return chosen


# -- values in a prime field ------------------------------------------------------------------------------------------


def _walk(body: Sequence[Statement]) -> Iterator[tuple[Statement, Mapping[str, int]]]:
    """Every statement, with the residues of the variables before it."""
    values: dict[str, int] = {}
    for statement in body:
        yield statement, values
        match statement:
            case Load(targets, "x" as source):
                for k, target in enumerate(targets):
                    if target is not None:
                        values[target] = _drawn(source, k)
            case Assign(target, value):
                # No matrix depends on the vector that is swept.
                if not target.startswith("v") and all(name in values for name in names(value)):
                    values[target] = _residue(value, values)


def _residue(term: Term, values: Mapping[str, int]) -> int:
    match term:
        case Name(text):
            return values[text]
        case Number(value):
            return _quotient(exact(value).numerator, exact(value).denominator)
        case Apply(operation, operands):
            return _applied(operation, [_residue(operand, values) for operand in operands])
        case Call(function, slot, operands):
            return _drawn("call", function, slot, *(_residue(operand, values) for operand in operands))


def _applied(operation: str, x: list[int]) -> int:
    match operation, x:
        case "add", [a, b]:
            return (a + b) % PRIME
        case "sub", [a, b]:
            return (a - b) % PRIME
        case "mul", [a, b]:
            return a * b % PRIME
        case "neg", [a]:
            return -a % PRIME
        case "square", [a]:
            return a * a % PRIME
        case "constant", [a]:
            return a
        case "div", [a, b] if b:
            return _quotient(a, b)
        case "reciprocal", [a] if a:
            return _quotient(1, a)
        case _:
            return _drawn(operation, *x)


def _quotient(a: int, b: int) -> int:
    return a * pow(b, -1, PRIME) % PRIME


def _drawn(*key: Any) -> int:
    return Random(repr(key)).randrange(1, PRIME)
