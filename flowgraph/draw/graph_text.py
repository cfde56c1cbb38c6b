"""Flow graphs as text: DOT for Graphviz, and a listing that people read. Neither needs a layout."""

from __future__ import annotations

from flowgraph.graph import FlowGraph


def dot(graph: FlowGraph) -> bytes:
    """A flow graph in Graphviz's DOT language: one rank per row, circles where fan-in adds, dotted carry edges.

    Example:
        >>> from flowgraph.language import parse
        >>> from flowgraph.modes import derive
        >>> graph = derive(parse("inputs u, w\\nz = f(u, w)\\noutputs z, w"), "forward").graph
        >>> [line.strip() for line in dot(graph).decode().splitlines() if "->" in line]
        ['u -> z [label=a]', 'w -> z [label=b]']
    """
    from graphviz import Digraph
    from graphviz.quoting import escape

    adds = {vertex.id for vertex in graph.additions}
    name = {vertex.id: vertex.name for vertex in graph.vertices}
    result = Digraph("flowgraph", graph_attr={"ordering": "out"}, node_attr={"shape": "plaintext"})
    rows: dict[int, list[str]] = {}
    for vertex in graph.vertices:
        rows.setdefault(vertex.time, []).append(vertex.name)
        shape = {"shape": "circle"} if vertex.id in adds else {}
        result.node(vertex.name, label=escape(vertex.value), **shape)
    for names in rows.values():
        if len(names) > 1:
            row = Digraph(graph_attr={"rank": "same"})
            for vertex_name in names:
                row.node(vertex_name)
            result.subgraph(row)
    written = _labels(graph)
    for edge, label in zip(graph.edges, written, strict=True):
        style = {"style": "dotted"} if edge.carry else {}
        # A colon in an end of an edge would be read as a port; vertex names have none.
        result.edge(name[edge.source], name[edge.target], label=escape(label), **style)
    return result.source.encode()


def listing(graph: FlowGraph) -> bytes:
    """A flow graph as lines of text: inputs, outputs, the vertices that add, then one edge per line.

    Example:
        >>> from flowgraph.language import parse
        >>> from flowgraph.modes import derive
        >>> graph = derive(parse("inputs u, w\\nz = f(u, w)\\noutputs z, w"), "reverse-inverse").graph
        >>> print(listing(graph).decode(), end="")
        inputs     u, w
        outputs    z, w
        additions  w
        u -> w  -b/a
        u -> z  1/a
    """
    name = {vertex.id: vertex.name for vertex in graph.vertices}
    heads = (
        ("inputs", ", ".join(name[place] for place in graph.inputs)),
        ("outputs", ", ".join(name[place] for place in graph.outputs)),
        ("additions", ", ".join(vertex.name for vertex in graph.additions)),
    )
    rows = [
        (f"{', '.join(name[p] for p in bundle.sources)} -> {', '.join(name[p] for p in bundle.targets)}", bundle.text)
        for bundle in graph.bundles
    ]
    rows += [
        (f"{name[edge.source]} -> {name[edge.target]}", graph.label_text(edge))
        for edge in graph.edges
        if graph.bundle_of(edge) is None
    ]
    width = max((len(ends) for ends, _ in rows), default=0)
    lines = [
        *(f"{head:<9}  {text}".rstrip() for head, text in heads),
        *(f"{ends:<{width}}  {label}" for ends, label in rows),
    ]
    return ("\n".join(lines) + "\n").encode()


def _labels(graph: FlowGraph) -> list[str]:
    """The label of every edge as text; in a bundle the name of the matrix with the place of the entry."""
    texts = []
    for edge in graph.edges:
        bundle = graph.bundle_of(edge)
        if bundle is None:
            texts.append(graph.label_text(edge))
        else:
            row, column = bundle.targets.index(edge.target) + 1, bundle.sources.index(edge.source) + 1
            texts.append(f"({bundle.text})[{row},{column}]")
    return texts
