"""Who reads which value: the extended Jacobian of a program as index arrays, and a maximum matching of it.

The *extended Jacobian* E has one row for each step, v̇ − Σ c·ẋ = 0, and one for each output, v̇ = ẏ; its columns are the
values. A perfect matching of E's rows with its columns exists exactly when disjoint paths join all inputs with all
outputs: a step matched with its own result computes it, one matched with an argument continues the path from that
argument to the result.

Reference: THEORY section 7.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components, maximum_flow

from flowgraph.program import Program

Array = NDArray[Any]


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
    unmatched = np.flatnonzero((matching < 0) & is_row(flow))
    return augment(flow, matching, unmatched) if len(unmatched) else matching


def is_row(flow: DataFlow) -> Array:
    """(T + m,) which rows of E there are: those of steps that are not dead, and all outputs."""
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


def ints(values: Array) -> tuple[int, ...]:
    """Numbers of an index array as Python's."""
    return tuple(values.tolist())
