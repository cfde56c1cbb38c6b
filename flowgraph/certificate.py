"""The certificate of a Jacobian that is singular for every x: a few values that too much has to pass through.

Without a perfect matching of the extended Jacobian the rows that cannot all be matched (Dulmage and Mendelsohn) give a
small cut of values.

References: A. Pothen and C.-J. Fan, ACM TOMS 16 (1990) 303–324; THEORY section 7.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from flowgraph.data_flow import DataFlow, entries, graph_of, ints, is_row, reachable
from flowgraph.program import Program

Array = NDArray[Any]

_TRIED = 24
"""How many unmatched rows and columns are tried for the smallest certificate."""

_LISTED = 8
"""How many names a sentence lists before it says how many more there are."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A part of E in which rows and columns do not balance.

    Attributes:
        steps: step numbers, ascending.
        outputs: output places, from 0.
        values: value numbers: the columns.
    """

    steps: Array
    outputs: Array
    values: Array


@dataclass(frozen=True, slots=True, eq=False)
class Certificate:
    """Why J is singular for every x: a few values through which more has to pass than they can hold.

    Every path from ``inputs`` to ``outputs`` meets ``cut``, and the side named by ``kind`` has more members than that.

    Attributes:
        program: the program.
        kind: ``"outputs"``: ``inputs`` are all that reach these outputs. ``"inputs"``: ``outputs`` are all that these
            inputs reach.
        inputs: value numbers.
        outputs: value numbers, one for each output place.
        cut: value numbers.
        overdetermined: more rows than columns: outputs and steps that cannot all be matched.
        underdetermined: more columns than rows: values that cannot all be found.
    """

    program: Program
    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    cut: tuple[int, ...]
    overdetermined: Part
    underdetermined: Part

    def __str__(self) -> str:
        inputs, outputs = self._named(self.inputs, "input"), self._named(self.outputs, "output")
        if not self.cut:
            if self.kind == "inputs":
                return f"no output depends on {inputs}"
            return f"{outputs} depend{'s' * (len(self.outputs) == 1)} on no input"
        these = "this 1 value separates" if len(self.cut) == 1 else f"these {len(self.cut)} values separate"
        text = f"{these} {inputs} from {outputs}: {self._list(self.cut, lines=True)}"
        twice = [value for value in dict.fromkeys(self.outputs) if self.outputs.count(value) > 1]
        return text + (f" (listed twice among the outputs: {self._list(twice)})" if twice else "")

    def _named(self, values: Sequence[int], noun: str) -> str:
        count = f"{len(values)} {noun}{'s' * (len(values) != 1)}"
        return f"{count} ({self._list(values)})"

    def _list(self, values: Sequence[int], lines: bool = False) -> str:
        texts = [self._text(value, lines) for value in values[:_LISTED]]
        more = len(values) - len(texts)
        return ", ".join(texts) + (f" and {more} more" if more > 0 else "")

    def _text(self, value: int, with_line: bool) -> str:
        n = self.program.n_inputs
        line = self.program.line(value - n) if value >= n else 0
        name = self.program.name(value)
        return f"{name} (line {line})" if with_line and line else name

    def defect(self) -> str | None:
        """Decide from the program alone that the certificate holds: by reachability, whatever matching led to it.

        Let M be the rows of J for ``outputs`` (or its columns for ``inputs``, for the other kind). Where every path
        meets ``cut``, M is a product through as many values as the cut has, so its rank is less than its size.

        Returns:
            None where the certificate holds, else what is wrong with it.

        Example:
            >>> from dataclasses import replace
            >>> from flowgraph.language import parse
            >>> from flowgraph.structure import decompose
            >>> program = parse("inputs x, y\\nt = f(x, y)\\nu = g(t)\\noutputs t, u")
            >>> certificate = decompose(program).certificate
            >>> certificate.defect() is None
            True
            >>> replace(certificate, cut=()).defect()
            'a path joins x with the outputs and does not meet the cut'
        """
        program, kind, cut = self.program, self.kind, self.cut
        n, size, name = program.n_inputs, program.n_values, program.name
        if kind not in ("outputs", "inputs"):
            return f"there is no kind {kind!r}"
        # The side that has too many members, and the ends of their paths: all inputs, or all places among the outputs.
        inputs, outputs = Counter(self.inputs), Counter(self.outputs)
        places = Counter(program.outputs.tolist())
        allowed = {"inputs": (inputs, range(n)), "outputs": (outputs, places), "cut": (cut, range(size))}
        for what, (found, most) in allowed.items():
            for over in Counter(found) - Counter(most):
                return f"value {over} stands more often in the {what} than it may"
        side, other, ends = (outputs, inputs, Counter(range(n))) if kind == "outputs" else (inputs, outputs, places)
        if side.total() <= len(cut):
            return f"the {kind} are no more than the values of the cut: {side.total()} and {len(cut)}"
        arguments, results = program.arguments(), np.repeat(np.arange(n, size), np.diff(program.starts))
        tails, heads = (results, arguments) if kind == "outputs" else (arguments, results)
        tails, heads = tails[arguments >= 0], heads[arguments >= 0]
        met = reachable(graph_of(tails, heads, size), np.array(list(side)))
        for v in (v for v, times in ends.items() if other[v] != times * bool(met[v])):
            return f"{name(v)} is missing or too much: it is {'' if met[v] else 'not '}joined with the {kind}"
        free = ~(np.isin(tails, cut) | np.isin(heads, cut))
        leaks = reachable(graph_of(tails[free], heads[free], size), np.setdiff1d(list(side), cut))
        through = [name(v) for v in ends if leaks[v]]
        return f"a path joins {through[0]} with the {kind} and does not meet the cut" if through else None

    def to_json(self) -> dict[str, Any]:
        """A JSON object with names, and lines where they are known."""
        n, name = self.program.n_inputs, self.program.name

        def part(part: Part) -> dict[str, Any]:
            return {
                "steps": [name(n + k) for k in part.steps.tolist()],
                "outputs": [name(int(self.program.outputs[k])) for k in part.outputs.tolist()],
                "values": [name(v) for v in part.values.tolist()],
            }

        return {
            "text": str(self),
            "kind": self.kind,
            "inputs": [name(v) for v in self.inputs],
            "outputs": [name(v) for v in self.outputs],
            "cut": [
                {"name": name(v), "line": (self.program.line(v - n) or None) if v >= n else None} for v in self.cut
            ],
            "overdetermined": part(self.overdetermined),
            "underdetermined": part(self.underdetermined),
        }


def certify(program: Program, flow: DataFlow, matching: Array) -> Certificate:
    """The smallest certificate that an unmatched row or column of a maximum matching leads to.

    From an unmatched row, let R be the rows that alternating paths reach and C the columns in them: |C| = |R| − 1. A
    step of R has its own result in C, so C holds fewer other values than R holds outputs, and everything that these
    outputs depend on comes in through them. Columns likewise.
    """
    n, n_steps = flow.n_inputs, flow.n_steps
    rows, columns = entries(flow)
    n_rows, n_columns = len(matching), n + n_steps
    held = np.flatnonzero(matching >= 0)
    holder = np.full(n_columns, -1, dtype=np.int64)
    holder[matching[held]] = held
    linked = holder[columns] >= 0
    reads = graph_of(rows[linked], holder[columns[linked]], n_rows)
    by_row = csr_array((np.ones(len(rows), dtype=bool), (rows, columns)), shape=(n_rows, n_columns))
    by_column = csr_array((np.ones(len(rows), dtype=bool), (columns, rows)), shape=(n_columns, n_rows))
    bare_rows = np.flatnonzero((matching < 0) & is_row(flow))
    is_column = np.ones(n_columns, dtype=bool)
    is_column[n:] = flow.active
    bare_columns = np.flatnonzero((holder < 0) & is_column)
    read_by = csr_array(reads.T)

    def over(starts: Array) -> Part:
        mark = reachable(reads, starts)
        return _part(mark, _distinct(by_row[np.flatnonzero(mark)].indices, n_columns), n_steps)

    def under(starts: Array) -> Part:
        mark = reachable(read_by, _distinct(by_column[starts].indices, n_rows))
        met = np.flatnonzero(mark)
        return _part(mark, _distinct(np.concatenate([matching[met], starts]), n_columns), n_steps)

    arcs = graph_of(flow.arguments, n + flow.readers, n_columns)
    backward = csr_array(arcs.T)
    found: list[tuple[str, tuple[int, ...], tuple[int, ...], tuple[int, ...]]] = []
    for row in bare_rows[:_TRIED]:
        part = over(np.array([row]))
        cut = np.setdiff1d(part.values, n + part.steps)
        outputs = flow.outputs[part.outputs]
        inputs = np.flatnonzero(reachable(backward, np.unique(outputs))[:n])
        found.append(("outputs", ints(inputs), ints(outputs), ints(cut)))
    for column in bare_columns[:_TRIED]:
        part = under(np.array([column]))
        own = np.isin(n + part.steps, part.values)
        cut = np.union1d(n + part.steps[~own], flow.outputs[part.outputs])
        inputs = part.values[part.values < n]
        reached = reachable(arcs, inputs)
        found.append(("inputs", ints(inputs), ints(flow.outputs[reached[flow.outputs]]), ints(cut)))
    kind, inputs, outputs, cut = min(found, key=lambda c: (len(c[3]), len(c[2 if c[0] == "outputs" else 1])))
    return Certificate(program, kind, inputs, outputs, cut, over(bare_rows), under(bare_columns))


def _part(mark: Array, values: Array, n_steps: int) -> Part:
    rows = np.flatnonzero(mark)
    return Part(rows[rows < n_steps], rows[rows >= n_steps] - n_steps, values)


def _distinct(numbers: Array, size: int) -> Array:
    """``np.unique`` of numbers from 0 to size − 1, which takes a hundred times as long for a million of them."""
    mark = np.zeros(size, dtype=bool)
    mark[numbers] = True
    return np.flatnonzero(mark)
