"""Every error flowgraph raises on purpose: what happened, where, what was got, what was expected, and the remedy."""

from __future__ import annotations

from typing import Any


class FlowgraphError(Exception):
    """Base class of all errors a user can cause.

    Args:
        what: one sentence saying what went wrong.
        where: the file, line, step or vertex.
        got: what was found there.
        expected: what would have been right.
        remedy: what to do about it.

    Example:
        >>> print(FlowgraphError("the width is wrong", where="step 3", remedy="look again"))
        the width is wrong
          where:    step 3
          remedy:   look again
    """

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        got: str | None = None,
        expected: str | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.got = got
        self.expected = expected
        self.remedy = remedy

    def __str__(self) -> str:
        parts = (("where", self.where), ("got", self.got), ("expected", self.expected), ("remedy", self.remedy))
        return "\n".join([self.what, *(f"  {name + ':':<9} {text}" for name, text in parts if text)])


class ProgramError(FlowgraphError, ValueError):
    """Columns, names or outputs that do not make a program."""


class InputError(FlowgraphError, ValueError):
    """A file or an argument that cannot be read as what it should be."""


class ParseError(FlowgraphError, ValueError):
    """Text that is not in the paper's notation.

    Attributes:
        line: 1-based line number.
        column: 1-based column of the caret.
    """

    def __init__(
        self,
        what: str,
        *,
        line: int,
        column: int,
        source: str = "",
        file: str | None = None,
        got: str | None = None,
        expected: str | None = None,
        remedy: str | None = None,
    ) -> None:
        place = f"{file + ', ' if file else ''}line {line}, column {column}"
        super().__init__(what, where=place, got=got, expected=expected, remedy=remedy)
        self.line = line
        self.column = column
        self.source = source
        self.file = file

    def __str__(self) -> str:
        head, *rest = super().__str__().split("\n")
        if not self.source:
            return "\n".join([head, *rest])
        # A long line is cut to a window around the caret, so that the caret stays visible in a terminal.
        left = max(0, self.column - 60)
        window = self.source[left : left + 100].replace("\t", " ")
        return "\n".join([head, f"    {window}", f"    {' ' * (self.column - 1 - left)}^", *rest])


class TraceError(FlowgraphError, TypeError):
    """A Python function that cannot be traced."""


class BranchError(TraceError):
    """A branch on a traced value where there is no point at which to take it."""


class DomainError(FlowgraphError, ValueError):
    """A value outside the domain of an operation.

    Attributes:
        step: 1-based index of the step to blame, or None when no single step is.
        members: of a batch, the numbers of the members at fault; None for a single point.
    """

    def __init__(
        self, what: str, *, step: int | None = None, members: tuple[int, ...] | None = None, **told: str | None
    ) -> None:
        super().__init__(what, **told)
        self.step = step
        self.members = members


class NonFiniteTrajectory(FlowgraphError, ArithmeticError):
    """A trajectory that led to a state that is not finite, or that cannot be continued to its end.

    Attributes:
        k: number of the time step, from 0, after which the state is not finite; None for a continuous one.
        entry: the first entry of the state that is not finite; of a continuous one, the largest entry; or None.
        trajectory: (k + 1, n) the states before, an array; or None.
    """

    def __init__(
        self,
        what: str,
        *,
        k: int | None = None,
        entry: int | None = None,
        trajectory: Any = None,
        **told: str | None,
    ) -> None:
        super().__init__(what, **told)
        self.k = k
        self.entry = entry
        self.trajectory = trajectory


class NotInvertible(FlowgraphError, ValueError):
    """An inverse asked of a program whose Jacobian has none.

    Attributes:
        step: 1-based index of the step to blame, or None when no single step is.
        certificate: the ``Certificate`` that J is singular for every x by its structure, or None.
    """

    def __init__(
        self,
        what: str,
        *,
        step: int | None = None,
        certificate: object | None = None,
        **told: str | None,
    ) -> None:
        super().__init__(what, **told)
        self.step = step
        self.certificate = certificate


class SingularJacobian(FlowgraphError, ArithmeticError):
    """An inverse asked of a Jacobian that is singular at the point at hand.

    Attributes:
        step: 1-based index of the step to blame.
        members: of a batch, the numbers of the members that are singular; None for a single point.
        solution: of a batch, the results, NaN for the members that are singular; else None.
    """

    def __init__(
        self,
        what: str,
        *,
        step: int | None = None,
        members: tuple[int, ...] | None = None,
        solution: object | None = None,
        **told: str | None,
    ) -> None:
        super().__init__(what, **told)
        self.step = step
        self.members = members
        self.solution = solution


class AccuracyWarning(UserWarning):
    """A result of an inverse sweep that has fewer correct digits than float64 could give."""


class NotApplicable(FlowgraphError, ValueError):
    """A rewrite rule asked to act at a site where its conditions do not hold.

    Attributes:
        place: (register, time) of the vertex to blame, or None.
    """

    def __init__(
        self,
        what: str,
        *,
        place: tuple[int, int] | None = None,
        **told: str | None,
    ) -> None:
        super().__init__(what, **told)
        self.place = place


class GraphError(FlowgraphError, ValueError):
    """Vertices and edges that do not make a linear flow graph, or a value asked of a graph that it does not have."""
