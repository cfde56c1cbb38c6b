"""The structure of a Jacobian, on the columns of a program: rank, certificate, matching, and the blocks to be solved.

The *extended Jacobian* E has one row for each step, v̇ − Σ c·ẋ = 0, and one for each output, v̇ = ẏ; its columns are the
values. det J = ± det E. A perfect matching of E's rows with its columns exists exactly when disjoint paths join all
inputs with all outputs: a step matched with its own result computes it, one matched with an argument continues the path
from that argument to the result. Without a perfect matching J is singular for every x, and the rows that cannot all be
matched (Dulmage and Mendelsohn) give a small set of values through which too much has to pass. With one, the strongly
connected components of E are the *blocks*: what really has to be solved, in the order in which it can be.

References: arXiv:2411.18786, section on lumps; A. Pothen and C.-J. Fan, ACM TOMS 16 (1990) 303–324; THEORY section 7.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final, overload

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components, maximum_flow

from flowgraph.errors import NotInvertible
from flowgraph.program import Program, require_program

Array = NDArray[Any]

_TRIED = 24
"""How many unmatched rows and columns are tried for the smallest certificate."""

_LISTED = 8
"""How many names a sentence lists before it says how many more there are."""


# -- who reads what ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class DataFlow:
    """Which step reads which value. Dead steps take no part, and keep their numbers.

    Attributes:
        n_inputs: n.
        n_steps: T.
        readers: (E,) the step at each place where a derivative flows, ascending.
        arguments: (E,) the value it reads there; every pair stands once.
        places: (E,) where in the program's ``operands`` that value stands, the first place if there are several.
        before: (P,) a step whose result another one reads, for a derivative or not.
        after: (P,) that other step.
        active: (T,) whether a derivative flows through the step to an output.
        needed: (T,) whether an output or a condition needs the step.
        last_use: (n + T,) see ``Liveness``, along the program's own order.
        outputs: (m,) value numbers.
    """

    n_inputs: int
    n_steps: int
    readers: Array
    arguments: Array
    places: Array
    before: Array
    after: Array
    active: Array
    needed: Array
    last_use: Array
    outputs: Array


def data_flow(program: Program) -> DataFlow:
    """Read the columns of a program: O(T)."""
    live = program.liveness()
    n, n_steps = program.n_inputs, program.n_steps
    owner = np.repeat(np.arange(n_steps, dtype=np.int64), np.diff(program.starts))
    arguments = program.arguments().astype(np.int64)
    linear = (arguments >= 0) & live.active[owner]
    places = np.flatnonzero(linear)
    places = places[_first_reads(owner[places], arguments[places])]
    operands = program.operands
    inner = (operands >= n) & live.needed[owner]
    return DataFlow(
        n_inputs=n,
        n_steps=n_steps,
        readers=owner[places],
        arguments=arguments[places],
        places=places,
        before=operands[inner].astype(np.int64) - n,
        after=owner[inner],
        active=live.active,
        needed=live.needed,
        last_use=live.last_use,
        outputs=program.outputs.astype(np.int64),
    )


def _first_reads(readers: Array, arguments: Array) -> Array:
    """(E,) whether a step reads the value there for the first time. The readers ascend."""
    first = np.ones(len(readers), dtype=bool)
    if len(readers) == 0:
        return first
    first[1:] = (readers[1:] != readers[:-1]) | (arguments[1:] != arguments[:-1])
    wide = np.flatnonzero(np.bincount(readers)[readers] > 2)
    if len(wide):
        pairs = readers[wide] * (int(arguments.max()) + 1) + arguments[wide]
        _, at = np.unique(pairs, return_index=True)
        first[wide] = False
        first[wide[at]] = True
    return first


def graph_of(tails: Array, heads: Array, size: int) -> csr_array:
    """The adjacency matrix of a directed graph for ``scipy.sparse.csgraph``; parallel arcs become one."""
    return csr_array((np.ones(len(tails), dtype=bool), (tails, heads)), shape=(size, size))


def reachable(graph: csr_array, starts: Array) -> Array:
    """(size,) which vertices can be reached from any of ``starts``, those included."""
    size = len(graph.indptr) - 1
    mark = np.zeros(size + 1, dtype=bool)
    if len(starts):
        # One more vertex that leads to all starts.
        indptr = np.concatenate([graph.indptr, [graph.indptr[-1] + len(starts)]])
        indices = np.concatenate([graph.indices, starts]).astype(graph.indices.dtype)
        wider = csr_array((np.ones(len(indices), dtype=bool), indices, indptr), shape=(size + 1, size + 1))
        mark[breadth_first_order(wider, size, return_predecessors=False)] = True
    return mark[:size]


# -- matching ---------------------------------------------------------------------------------------------------------


def match_rows(flow: DataFlow) -> Array:
    """A maximum matching of the rows of E with its columns.

    Where one value is overwritten by one result, as in the paper's atomic steps, following the values that die gives
    a perfect matching at once. What that leaves unmatched is joined by a maximum flow (Dinic) in the residual graph.

    Returns:
        (T + m,) for each step, then for each output, the value matched with it; −1 where there is none. Steps through
        which no derivative flows have none.
    """
    matching = _follow_what_dies(flow)
    unmatched = np.flatnonzero((matching < 0) & _is_row(flow))
    return augment(flow, matching, unmatched) if len(unmatched) else matching


def _is_row(flow: DataFlow) -> Array:
    return np.concatenate([flow.active, np.ones(len(flow.outputs), dtype=bool)])


def _follow_what_dies(flow: DataFlow) -> Array:
    """A good matching in linear time.

    Every value dies at one step, so "dies at" is a forest on the values. A result is on a path where an input stands
    below it in the forest; it is matched with the first such argument, and any other result with itself.
    """
    n, n_steps, m = flow.n_inputs, flow.n_steps, len(flow.outputs)
    size = n + n_steps
    dies = flow.last_use[flow.arguments] == flow.readers
    dying, at = flow.arguments[dies], flow.readers[dies]
    on_path = reachable(graph_of(dying, n + at, size), np.arange(n))
    matching = np.full(n_steps + m, -1, dtype=np.int64)
    steps = np.flatnonzero(flow.active)
    matching[steps] = n + steps
    followed = on_path[dying]
    # Of several assignments to one place the last stays, so the first argument wins.
    matching[at[followed][::-1]] = dying[followed][::-1]
    matching[n_steps:] = flow.outputs
    rows = np.flatnonzero(matching >= 0)[::-1]
    holder = np.full(size, -1, dtype=np.int64)
    holder[matching[rows]] = rows
    # An output has one column only.
    holder[flow.outputs[::-1]] = np.arange(n_steps + m - 1, n_steps - 1, -1)
    lost = rows[holder[matching[rows]] != rows]
    matching[lost] = -1
    return matching


def augment(flow: DataFlow, matching: Array, unmatched: Array) -> Array:
    """Match as many more rows as can be, by a maximum flow of unit capacities from them to the free columns."""
    rows, columns = entries(flow)
    n_rows, n_columns = len(matching), flow.n_inputs + flow.n_steps
    held = np.flatnonzero(matching >= 0)
    free = np.ones(n_columns, dtype=bool)
    free[matching[held]] = False
    free[flow.n_inputs :] &= flow.active
    empty = np.flatnonzero(free)
    source, sink = n_rows + n_columns, n_rows + n_columns + 1
    other = matching[rows] != columns
    tails = np.concatenate([rows[other], n_rows + matching[held], np.full(len(unmatched), source), n_rows + empty])
    heads = np.concatenate([n_rows + columns[other], held, unmatched, np.full(len(empty), sink)])
    network = csr_array((np.ones(len(tails), dtype=np.int32), (tails, heads)), shape=(sink + 1, sink + 1))
    flowing = maximum_flow(network, source, sink, method="dinic").flow.tocoo()
    # From a row to a column: the reverse arcs only say which matches were given up, and those rows got another.
    used = (flowing.data > 0) & (flowing.row < n_rows) & (flowing.col >= n_rows) & (flowing.col < source)
    result = matching.copy()
    result[flowing.row[used]] = flowing.col[used] - n_rows
    return result


def entries(flow: DataFlow) -> tuple[Array, Array]:
    """Rows and columns of the entries of E: steps' arguments, steps' own results, outputs."""
    n, n_steps, m = flow.n_inputs, flow.n_steps, len(flow.outputs)
    steps = np.flatnonzero(flow.active)
    rows = np.concatenate([flow.readers, steps, np.arange(n_steps, n_steps + m)])
    return rows, np.concatenate([flow.arguments, n + steps, flow.outputs])


# -- certificate ------------------------------------------------------------------------------------------------------


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
    bare_rows = np.flatnonzero((matching < 0) & _is_row(flow))
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
        found.append(("outputs", _ints(inputs), _ints(outputs), _ints(cut)))
    for column in bare_columns[:_TRIED]:
        part = under(np.array([column]))
        own = np.isin(n + part.steps, part.values)
        cut = np.union1d(n + part.steps[~own], flow.outputs[part.outputs])
        inputs = part.values[part.values < n]
        reached = reachable(arcs, inputs)
        found.append(("inputs", _ints(inputs), _ints(flow.outputs[reached[flow.outputs]]), _ints(cut)))
    kind, inputs, outputs, cut = min(found, key=lambda c: (len(c[3]), len(c[2 if c[0] == "outputs" else 1])))
    return Certificate(program, kind, inputs, outputs, cut, over(bare_rows), under(bare_columns))


def _ints(values: Array) -> tuple[int, ...]:
    return tuple(values.tolist())


def _part(mark: Array, values: Array, n_steps: int) -> Part:
    rows = np.flatnonzero(mark)
    return Part(rows[rows < n_steps], rows[rows >= n_steps] - n_steps, values)


def _distinct(numbers: Array, size: int) -> Array:
    """``np.unique`` of numbers from 0 to size − 1, which takes a hundred times as long for a million of them."""
    mark = np.zeros(size, dtype=bool)
    mark[numbers] = True
    return np.flatnonzero(mark)


# -- blocks -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of E that have to be solved together, and the values they are solved for.

    Attributes:
        steps: step numbers, ascending.
        outputs: output places, from 0; a block with an output has nothing else and gives that value.
        values: value numbers found by the block, as many as it has rows.
        path: those found by path rows: by dividing by the partial of an argument, or given by an output. The other rows
            compute their own results from known values.
        unknowns: those that no step of the block computes, l in number: with the results of its steps eliminated, the
            block is an l×l system.
        scalar: whether there is one row only, and so no linear system.
    """

    steps: tuple[int, ...]
    outputs: tuple[int, ...]
    values: tuple[int, ...]
    path: tuple[int, ...]
    unknowns: tuple[int, ...]

    @property
    def size(self) -> int:
        """l, the number of equations that are left when what the steps compute inside the block is eliminated."""
        return len(self.unknowns)

    @property
    def scalar(self) -> bool:
        """Whether the block is one scalar operation."""
        return len(self.steps) + len(self.outputs) == 1


@final
class Blocks(Sequence[Block]):
    """The blocks in an order in which J⁻¹ can be applied: each needs values of earlier ones only.

    Attributes:
        rows: (T′ + n,) the rows of E, block after block: step k is row k, output i is row T + i.
        starts: (B + 1,) where each block begins in ``rows``.
    """

    def __init__(self, rows: Array, starts: Array, matching: Array, n_inputs: int, n_steps: int) -> None:
        self.rows = rows
        self.starts = starts
        self._matching = matching
        self._n_inputs = n_inputs
        self._n_steps = n_steps

    @cached_property
    def sizes(self) -> Array:
        """(B,) number of rows of each block."""
        return np.diff(self.starts)

    @cached_property
    def with_steps(self) -> Array:
        """(B,) whether the block holds a step rather than an output."""
        return self.rows[self.starts[:-1]] < self._n_steps

    def __len__(self) -> int:
        return len(self.starts) - 1

    @overload
    def __getitem__(self, index: int) -> Block: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Block, ...]: ...
    def __getitem__(self, index: int | slice) -> Block | tuple[Block, ...]:
        if isinstance(index, slice):
            return tuple(self[k] for k in range(*index.indices(len(self))))
        if not -len(self) <= index < len(self):
            raise IndexError(f"block {index} of {len(self)}")
        index %= len(self)
        rows = np.sort(self.rows[self.starts[index] : self.starts[index + 1]])
        steps = rows[rows < self._n_steps]
        found = self._matching[rows]
        return Block(
            steps=_ints(steps),
            outputs=_ints(rows[rows >= self._n_steps] - self._n_steps),
            values=_ints(np.sort(found)),
            path=_ints(np.sort(found[found != self._n_inputs + rows])),
            unknowns=_ints(np.setdiff1d(found, self._n_inputs + steps)),
        )

    def __iter__(self) -> Iterator[Block]:
        return (self[k] for k in range(len(self)))


def sorted_components(tails: Array, heads: Array, members: Array, size: int) -> tuple[Array, Array]:
    """Strongly connected components, each after all that it leads to.

    Args:
        tails: where each arc begins.
        heads: where it ends.
        members: the vertices to sort; the arcs lead between them.
        size: number of vertices, members or not.

    Returns:
        The members component after component, ascending in each; and where each component begins (one entry more).
    """
    _, label = connected_components(graph_of(tails, heads, size), directed=True, connection="strong")
    if (label[heads] > label[tails]).any():
        raise RuntimeError("scipy does not number strong components in topological order any more")
    # SciPy numbers a component when the search leaves it, so what lies in its own order already stays in it.
    order = members[np.argsort(label[members], kind="stable")]
    starts = np.flatnonzero(np.diff(label[order], prepend=-1))
    return order, np.append(starts, len(order))


def _blocks(flow: DataFlow, matching: Array) -> Blocks:
    rows, columns = entries(flow)
    holder = np.empty(flow.n_inputs + flow.n_steps, dtype=np.int64)
    members = np.flatnonzero(matching >= 0)
    holder[matching[members]] = members
    order, starts = sorted_components(rows, holder[columns], members, len(matching))
    return Blocks(order, starts, matching, flow.n_inputs, flow.n_steps)


# -- all of it --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Structure:
    """What the pattern of a Jacobian says about its inverse, for every x at once. See ``decompose``.

    Attributes:
        program: the program.
        flow: who reads what in it.
        rank: structural rank of J: the largest number of disjoint paths from inputs to outputs, the rank of J for
            almost all values of its partials.
        matching: (T + m,) the value matched with each step, then with each output; −1 where there is none.
        certificate: why J is singular for every x, or None.
        blocks: what has to be solved, in order; empty where J is singular for every x.
    """

    program: Program
    flow: DataFlow
    rank: int
    matching: Array
    certificate: Certificate | None
    blocks: Blocks

    @property
    def singular(self) -> bool:
        """Whether J has no inverse for any x: it is not square, or its structural rank is less than n."""
        return self.certificate is not None


def decompose(program: Program) -> Structure:
    """Find the structural rank of a program's Jacobian, the blocks of its inverse, or why it has none.

    Linear in the number of steps for programs whose steps overwrite what they read last, and fast in practice for all.
    Dead steps take no part. A partial that is zero for every x, as in x − x, counts as an entry: deriving an inverse
    mode finds it.

    Args:
        program: straight-line code, square or not.

    Reference: THEORY section 7.

    Example:
        >>> from flowgraph.language import parse
        >>> structure = decompose(parse("inputs x, y\\nv = k(y)\\nz = f(x, v)\\noutputs z, y"))
        >>> structure.rank, [block.steps for block in structure.blocks if block.steps]
        (2, [(0,), (1,)])
        >>> print(decompose(parse("inputs x, y\\nt = f(x, y)\\nu = g(t)\\noutputs t, u")).certificate)
        this 1 value separates 2 inputs (x, y) from 2 outputs (t, u): t (line 2)
    """
    require_program(program)
    flow = data_flow(program)
    matching = match_rows(flow)
    rows = int(np.count_nonzero(_is_row(flow)))
    matched = int(np.count_nonzero(matching >= 0))
    steps = rows - program.n_outputs
    rank = matched - steps
    if matched < rows or program.n_outputs != program.n_inputs:
        none = Blocks(np.zeros(0, dtype=np.int64), np.zeros(1, dtype=np.int64), matching, flow.n_inputs, flow.n_steps)
        return Structure(program, flow, rank, matching, certify(program, flow, matching), none)
    return Structure(program, flow, rank, matching, None, _blocks(flow, matching))


def require_invertible(program: Program) -> Structure:
    """The structure of a program whose Jacobian has an inverse for almost all values of its partials.

    Raises:
        NotInvertible: J is not square, or singular for every x; with the certificate.
    """
    structure = decompose(program)
    n, m = program.n_inputs, program.n_outputs
    if m != n:
        raise NotInvertible(
            "an inverse mode needs as many outputs as inputs",
            certificate=structure.certificate,
            got=f"{n} input{'s' * (n != 1)} and {m} output{'s' * (m != 1)}",
            expected="n inputs and n outputs",
            remedy="keep as many values as there are inputs, passive ones too: after `outputs`, or in what f returns",
        )
    if structure.certificate is not None:
        raise NotInvertible(
            "the Jacobian is singular for every x",
            certificate=structure.certificate,
            where=str(structure.certificate),
            got=f"structural rank {structure.rank}",
            expected=f"rank {n}",
            remedy="keep as many independent values as there are inputs: `flowgraph analyze` shows what is lost where",
        )
    return structure
