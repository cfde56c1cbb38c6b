"""What a rewrite did, and what a graph's equations are: exact decisions in any label algebra.

A graph stands for a linear system, one row per vertex: value = Σ label·source. It has one solution for every input
because the graph has no cycles. Two facts decide everything here.

*Locality.* If two systems agree but for a few rows, and those rows agree once the values that only they read are
eliminated, then the systems define the same map. So a rewrite is checked by looking at the rows it changed.

*Solved form.* Let every row of a graph hold for all tangents that a program can have: the row vanishes when the
program's equations are substituted into it, latest value first. Then the graph maps the tangents of its input values to
those of its output values, whatever they are. If the former are the program's outputs and the latter its inputs, the
map is J⁻¹. A row of a lump vanishes when the steps of that lump are substituted, so this proves J⁻¹ without multiplying
whole programs out.

Nothing here imports the rewriter, so that it can be held against it.

Reference: arXiv:2411.18786, sections 3 and 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import Any

from flowgraph.graph import Delta, FlowGraph, SparseRow, VertexId
from flowgraph.labels import Label, LabelAlgebra
from flowgraph.program import Program
from flowgraph.symbolic import Row, active_slots, add_to

# -- what a rewrite did --------------------------------------------------------------------------------------------


def kept_map(delta: Delta) -> str | None:
    """Decide whether a rewrite kept the map, by locality. None if it did, else what went wrong.

    The values that only changed rows read are eliminated from the rows before and from the rows after; what is left
    must be the same rows.
    """
    before: dict[Any, Row] = {}
    after: dict[Any, Row] = {}
    trouble = _reduce(delta, delta.before, before) or _reduce(delta, delta.after, after)
    if trouble:
        return trouble
    hidden = delta.hidden
    for key, row in before.items():
        if key in hidden:
            continue
        if key not in after:
            return f"row {key} was removed, and something else reads it"
        if row != after[key] and not _same_row(delta.algebra, row, after[key]):
            return f"row {key}: {_row_text(delta.algebra, row)} became {_row_text(delta.algebra, after[key])}"
    added = [key for key in after if key not in before and key not in hidden]
    return f"row {added[0]} was added, and something else reads it" if added else None


def _reduce(delta: Delta, rows: Mapping[Any, SparseRow], solved: dict[Any, Row]) -> str | None:
    """Enter in ``solved`` the rows with the hidden values substituted away; returns a complaint if that fails."""
    # In order of time a row mostly reads what is solved already, so the recursion below stays shallow.
    for key in sorted(rows, key=_by_time) if len(rows) > 2 else rows:
        trouble = _solve(delta.algebra, delta.hidden, rows, solved, key, ())
        if trouble:
            return trouble
    return None


def _by_time(key: Any) -> tuple[bool, int, int]:
    first, second = key
    return (True, second, 0) if isinstance(first, str) else (False, second, first)


def _solve(
    algebra: LabelAlgebra,
    hidden: frozenset[Any],
    rows: Mapping[Any, SparseRow],
    solved: dict[Any, Row],
    key: Any,
    path: tuple[Any, ...],
) -> str | None:
    """Enter in ``solved`` the row of ``key`` in terms of visible values; returns a complaint if there is none."""
    if key in solved:
        return None
    if key in path:
        return f"a cycle through {key}"
    one = algebra.one
    total: Row = {}
    for source, label in rows[key]:
        if source not in hidden:
            if source in total:
                add_to(algebra, total, source, label)
            elif not algebra.is_zero(label):
                total[source] = label
            continue
        if source not in rows:
            return f"{key} reads {source}, which does not exist there"
        trouble = _solve(algebra, hidden, rows, solved, source, (*path, key))
        if trouble:
            return trouble
        for unknown, x in solved[source].items():
            add_to(algebra, total, unknown, x if label is one else algebra.mul(label, x))
    solved[key] = total
    return None


def _same_row(algebra: LabelAlgebra, x: Row, y: Row) -> bool:
    return x.keys() == y.keys() and all(algebra.equal(label, y[unknown]) for unknown, label in x.items())


def _row_text(algebra: LabelAlgebra, row: Row) -> str:
    return " + ".join(f"({algebra.text(label)})*{unknown}" for unknown, label in row.items()) or "0"


def inverted_layer(delta: Delta) -> str | None:
    """Decide whether a rewrite replaced one layer L by L⁻ᵀ: L′ Lᵀ = I. None if it did, else what went wrong.

    All changed vertices must lie below all that they read, and nothing else may read what they read.
    """
    algebra = delta.algebra
    if delta.before.keys() != delta.after.keys():
        return "vertices were added or removed"
    targets = list(delta.before)
    if any(isinstance(target[0], str) for target in targets):
        return "an output was moved"
    sources = {source for rows in (delta.before, delta.after) for row in rows.values() for source, _ in row}
    first = min((target[1] for target in targets), default=0)
    if any(isinstance(s[0], str) or s[1] >= first for s in sources):
        return "the changed rows are not one layer"
    if any(delta.unchanged_readers(source) for source in sources):
        return "a value of the layer is read by rows that did not change"
    if len(sources) != len(targets):
        return f"the layer is not square: {len(sources)} values to {len(targets)}"
    before = {target: _collect(algebra, row) for target, row in delta.before.items()}
    after = {target: _collect(algebra, row) for target, row in delta.after.items()}
    columns: dict[Any, list[tuple[Any, Label]]] = {}
    for target, row in before.items():
        for source, label in row.items():
            columns.setdefault(source, []).append((target, label))
    for i in targets:
        product: Row = {}
        for (source, _), label in zip(after[i].items(), algebra.cleared(list(after[i].values())), strict=True):
            for j, x in columns.get(source, ()):
                add_to(algebra, product, j, algebra.mul(label, x))
        factor = _common_factor(algebra, list(after[i].values()))
        for j in targets:
            expected = factor if i == j else algebra.zero
            if not algebra.equal(product.get(j, algebra.zero), expected):
                found = algebra.mul(product.get(j, algebra.zero), algebra.reciprocal(factor))
                return f"row {i} of the new layer times row {j} of the old is {algebra.text(found)}"
    return None


def _common_factor(algebra: LabelAlgebra, labels: Sequence[Label]) -> Label:
    """What ``cleared`` multiplied these labels by."""
    return algebra.cleared([*labels, algebra.one])[-1]


def _collect(algebra: LabelAlgebra, row: SparseRow) -> Row:
    total: Row = {}
    for source, label in row:
        add_to(algebra, total, source, label)
    return total


Edges = Iterable[tuple[VertexId, VertexId, Label]]


def transposed(
    algebra: LabelAlgebra,
    before: tuple[Edges, Sequence[VertexId], Sequence[VertexId]],
    after: tuple[Edges, Sequence[VertexId], Sequence[VertexId]],
) -> str | None:
    """Decide whether one graph is another with every edge turned round. None if it is, else what went wrong.

    With L the matrix of labels and P, Q the choices of inputs and outputs, the map is Q (I − L)⁻¹ Pᵀ; turning the edges
    round transposes L, and swapping inputs and outputs swaps P and Q, so the map is transposed.

    Args:
        algebra: what the labels are.
        before: edges (source, target, label), inputs, outputs.
        after: the same of the other graph.
    """
    if tuple(before[1]) != tuple(after[2]) or tuple(before[2]) != tuple(after[1]):
        return "inputs and outputs did not change places"
    there: Row = {}
    for source, target, label in before[0]:
        add_to(algebra, there, (target, source), label)
    back: Row = {}
    for source, target, label in after[0]:
        add_to(algebra, back, (source, target), label)
    if not _same_row(algebra, there, back):
        odd = [pair for pair in there.keys() | back.keys() if pair not in there or pair not in back]
        return f"the edges are not the same turned round, e.g. {odd[0] if odd else 'a label'}"
    return None


# -- solved forms --------------------------------------------------------------------------------------------------


def program_equations(program: Program, algebra: LabelAlgebra, partial: Callable[[int, int], Label]) -> dict[str, Row]:
    """For the result of each step that carries a derivative, by name and in order, what its tangent is: ż = Σ c·ẋ."""
    active = program.liveness().active
    equations: dict[str, Row] = {}
    for k, slots in enumerate(active_slots(program)):
        if not active[k]:
            continue
        row: Row = {}
        for slot, value in slots:
            add_to(algebra, row, program.name(value), partial(k, slot))
        equations[program.name(program.n_inputs + k)] = row
    return equations


def graph_equations(graph: FlowGraph, *, transpose: bool = False) -> list[Row] | str:
    """One equation per vertex that is no input, over value names, or why the graph is not in solved form.

    Args:
        graph: a graph in which every value has one vertex.
        transpose: read the edges the other way round first.
    """
    algebra = graph.algebra
    name = {vertex.id: vertex.value for vertex in graph.vertices}
    if len(set(name.values())) != len(name):
        return "a value has several vertices"
    inputs = set(graph.outputs if transpose else graph.inputs)
    minus_one = algebra.neg(algebra.one)
    rows: dict[VertexId, Row] = {place: {name[place]: minus_one} for place in name if place not in inputs}
    for edge in graph.edges:
        source, target = (edge.target, edge.source) if transpose else (edge.source, edge.target)
        if target in inputs:
            return f"something is added to the input {name[target]}"
        add_to(algebra, rows[target], name[source], edge.label)
    return list(rows.values())


def implied(algebra: LabelAlgebra, equations: Mapping[Any, Row], rows: Iterable[Row]) -> str | None:
    """Decide whether rows vanish for all tangents that a program can have. None if so, else which row does not.

    Args:
        algebra: what the labels are.
        equations: the program's, each in terms of earlier values and of inputs (see ``program_equations``).
        rows: linear forms over value names, each meant to be zero.
    """
    in_order = tuple(equations)
    position = {name: k for k, name in enumerate(in_order)}
    for row in rows:
        names = list(row)
        form: Row = dict(zip(names, algebra.cleared([row[name] for name in names]), strict=True))
        # Substituting the latest value first never brings a value back.
        waiting = [-position[name] for name in names if name in position]
        heapify(waiting)
        while waiting and form:
            latest = in_order[-heappop(waiting)]
            if latest not in form:
                continue
            factor = form.pop(latest)
            for name, label in equations[latest].items():
                if name in position and name not in form:
                    heappush(waiting, -position[name])
                add_to(algebra, form, name, algebra.mul(factor, label))
        if form:
            return f"{_row_text(algebra, row)} = 0 does not follow from the program: {_row_text(algebra, form)} is left"
    return None
