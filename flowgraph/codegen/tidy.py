"""Two passes over finished statements: what nothing needs is left out, and temporaries get names."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from flowgraph.codegen.statements import (
    Assign,
    Check,
    Heading,
    Load,
    Solve,
    Statement,
    reads,
    writes,
)
from flowgraph.codegen.terms import Apply, Call, Name, Term, names
from flowgraph.partials import coefficient_names

_LETTERS = 22
"""So many letters there are without r, v, x and y, which other variables are named by."""


def without_dead_code(body: Sequence[Statement], results: Iterable[Term]) -> tuple[Statement, ...]:
    """The statements that the results need, and all checks; headings of nothing go as well."""
    live = {name for term in results for name in names(term)}
    kept: list[Statement] = []
    for statement in reversed(body):
        if isinstance(statement, Heading):
            # The headings above it are looser, or it has nothing below.
            if kept and not (isinstance(kept[-1], Heading) and kept[-1].level <= statement.level):
                kept.append(statement)
            continue
        if isinstance(statement, Load):
            statement = replace(statement, targets=tuple(name if name in live else None for name in statement.targets))
        elif not isinstance(statement, Check) and live.isdisjoint(writes(statement)):
            continue
        live.difference_update(writes(statement))
        live.update(reads(statement))
        kept.append(statement)
    return tuple(reversed(kept))


def named(body: Sequence[Statement], results: Sequence[Term], taken: Iterable[str]) -> tuple[Statement, ...]:
    """The statements with names for temporaries: a, b, c, …, as the paper names partials.

    A name that is read for the last time goes to the end of the queue, so that letters come back as late as they can,
    and no more names are used than live at a time, or than there are letters.
    """
    last: dict[str, int] = {}
    read = [reads(statement) for statement in body]
    for k, statement in enumerate(body):
        for name in (*read[k], *writes(statement)):
            last[name] = k
    for term in results:
        for name in names(term):
            last[name] = len(body)
    fresh = _letters(taken)
    queue = deque(next(fresh) for _ in range(_LETTERS))
    names_of: dict[str, str] = {}
    done: list[Statement] = []
    for k, statement in enumerate(body):
        statement = _with_reads(statement, names_of)
        for name in dict.fromkeys(read[k]):
            if last[name] == k and name in names_of:
                queue.append(names_of.pop(name))
        for name in writes(statement):
            if name.startswith("%"):
                names_of[name] = queue.popleft() if queue else next(fresh)
        done.append(_with_targets(statement, names_of))
    return tuple(done)


def _letters(taken: Iterable[str]) -> Iterator[str]:
    return (name for name in coefficient_names(taken) if name[0] not in "rvxy")


def _with_reads(statement: Statement, names_of: dict[str, str]) -> Statement:
    match statement:
        case Assign(value=value):
            return replace(statement, value=_in(value, names_of))
        case Solve(matrix=matrix, right=right):
            return replace(
                statement,
                matrix=tuple(tuple(_in(entry, names_of) for entry in row) for row in matrix),
                right=tuple(_in(term, names_of) for term in right),
            )
        case _:
            return statement


def _with_targets(statement: Statement, names_of: dict[str, str]) -> Statement:
    match statement:
        case Assign(target=target):
            return replace(statement, target=names_of.get(target, target))
        case Load(targets=targets):
            return replace(statement, targets=tuple(None if t is None else names_of.get(t, t) for t in targets))
        case Solve(targets=targets):
            return replace(statement, targets=tuple(names_of.get(target, target) for target in targets))
        case _:
            return statement


def _in(term: Term, names_of: dict[str, str]) -> Term:
    match term:
        case Name(text):
            return Name(names_of.get(text, text))
        case Apply(operation, operands):
            return Apply(operation, tuple(_in(operand, names_of) for operand in operands))
        case Call(function, slot, operands):
            return Call(function, slot, tuple(_in(operand, names_of) for operand in operands))
        case _:
            return term
