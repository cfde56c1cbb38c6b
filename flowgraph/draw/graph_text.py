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
    for edge in graph.edges:
        style = {"style": "dotted"} if edge.carry else {}
        # A colon in an end of an edge would be read as a port; vertex names have none.
        result.edge(name[edge.source], name[edge.target], label=escape(graph.label_text(edge)), **style)
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
    ends = [f"{name[edge.source]} -> {name[edge.target]}" for edge in graph.edges]
    width = max(map(len, ends), default=0)
    lines = [
        *(f"{head:<9}  {text}".rstrip() for head, text in heads),
        *(f"{end:<{width}}  {graph.label_text(edge)}" for end, edge in zip(ends, graph.edges, strict=True)),
    ]
    return ("\n".join(lines) + "\n").encode()
