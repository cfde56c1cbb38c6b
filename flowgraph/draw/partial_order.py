"""A program without a total order: every value as low as the longest chain of steps that leads to it.

Columns do not depend on an order either. They are the disjoint paths from inputs to outputs that the matching gives,
and beside them a column for every value that is on no path.
"""

from __future__ import annotations

from flowgraph.graph import Edge, FlowGraph, Vertex, VertexId
from flowgraph.labels import CountingLabels
from flowgraph.structure import Structure


def depth_graph(structure: Structure) -> FlowGraph:
    """The data flow graph with (column, depth) for the place of every value.

    Args:
        structure: of a program whose Jacobian is not singular for every x.

    Example:
        >>> from flowgraph.language import parse
        >>> from flowgraph.structure import decompose
        >>> graph = depth_graph(decompose(parse("inputs x, y\\nv = k(y)\\nz = f(x, v)\\noutputs z, y")))
        >>> {vertex.name: vertex.id for vertex in graph.vertices}
        {'x': (0, 0), 'y': (2, 0), 'v': (1, 1), 'z': (0, 2)}
    """
    flow, program = structure.flow, structure.program
    n = flow.n_inputs
    reads: dict[int, list[int]] = {}
    for step, value in zip(flow.readers.tolist(), flow.arguments.tolist(), strict=True):
        reads.setdefault(n + step, []).append(value)
    depth = dict.fromkeys(range(n), 0)
    for result, values in reads.items():
        depth[result] = 1 + max(depth[value] for value in values)
    column = _columns(structure, reads, depth)
    place: dict[int, VertexId] = {value: (column[value], depth[value]) for value in depth}
    algebra = CountingLabels()
    vertices = (Vertex(*place[v], name=program.name(v), value=program.name(v)) for v in place)
    edges = (Edge(place[value], place[result], algebra.one) for result, values in reads.items() for value in values)
    return FlowGraph(
        algebra,
        tuple(sorted(vertices, key=lambda vertex: (vertex.time, vertex.register))),
        tuple(edges),
        tuple(place[value] for value in range(n)),
        tuple(place[value] for value in flow.outputs.tolist()),
    )


def _columns(structure: Structure, reads: dict[int, list[int]], depth: dict[int, int]) -> dict[int, int]:
    flow = structure.flow
    n = flow.n_inputs
    holder = {int(value): row for row, value in enumerate(structure.matching.tolist()) if value >= 0}
    position: dict[int, float] = {}
    for start in range(n):
        value = start
        while True:
            position[value] = float(start)
            row = holder[value]
            if row >= flow.n_steps:
                break
            value = n + row
    neighbours: dict[int, list[int]] = {value: list(reads.get(value, ())) for value in depth}
    for result, values in reads.items():
        for value in values:
            neighbours[value].append(result)
    # A value off the paths stands between the two columns around the middle of what it meets, or outside them all.
    aside = [value for value in depth if value not in position]
    for count, value in enumerate(aside, 1):
        known = [position[other] for other in neighbours[value] if other in position]
        middle = sum(known) / len(known) if known else n / 2
        inward = -0.5 if middle < (n - 1) / 2 else 0.5
        near = round(middle) + inward if middle == round(middle) else int(middle) + 0.5
        position[value] = near + 0.3 * count / len(aside)
    rank = {x: k for k, x in enumerate(sorted(set(position.values())))}
    return {value: rank[x] for value, x in position.items()}
