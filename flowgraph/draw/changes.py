"""What differs between two drawings of one graph, by the keys of what is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flowgraph.graph import FlowGraph


@dataclass(frozen=True, slots=True)
class Changes:
    """Keys as they occur in scenes: names of vertices, and ``"x1 -> z1"`` for edges.

    Attributes:
        added: vertices and edges that are in the second graph only; also the arrows of inputs and outputs.
        removed: edges that are in the first graph only; also the arrows of inputs and outputs.
        relabelled: edges with another label.
        gone: vertices that are in the first graph only.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    relabelled: tuple[str, ...]
    gone: tuple[str, ...]


def changes(before: FlowGraph, after: FlowGraph) -> Changes:
    """What differs between two graphs.

    Example:
        >>> from flowgraph.language import parse
        >>> from flowgraph.modes import derive
        >>> found = list(derive(parse("inputs u, w\\nz = f(u, w)\\noutputs z, w"), "forward-inverse").applications())
        >>> changes(found[1].before, found[1].after)
        Changes(added=('u -> w@1',), removed=('w -> z',), relabelled=('u -> z',), gone=())
    """
    old, new = _edges(before), _edges(after)
    there = [vertex.name for vertex in before.vertices]
    here = [vertex.name for vertex in after.vertices]
    known, kept = set(there), set(here)
    return Changes(
        added=(*(name for name in here if name not in known), *(key for key in new if key not in old)),
        removed=tuple(key for key in old if key not in new),
        relabelled=tuple(key for key, labels in new.items() if key in old and old[key] != labels),
        gone=tuple(name for name in there if name not in kept),
    )


def _edges(graph: FlowGraph) -> dict[str, list[Any]]:
    """By key the labels of the edges, with the names of the matrices that they are parts of."""
    name = {vertex.id: vertex.name for vertex in graph.vertices}
    found: dict[str, list[Any]] = {}
    bundled = {target for bundle in graph.bundles for target in bundle.targets}
    for place in graph.inputs:
        found.setdefault(f"input -> {name[place]}", [])
    for edge in graph.edges:
        bundle = graph.bundle_of(edge) if edge.target in bundled else None
        key = f"{name[edge.source]} -> {name[edge.target]}"
        found.setdefault(key, []).append((edge.label, edge.carry, bundle.text if bundle else ""))
    for place in graph.outputs:
        found.setdefault(f"{name[place]} -> output", [])
    return found
