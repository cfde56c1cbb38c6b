"""A part of a large graph, with what lies outside gathered at its borders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from flowgraph.draw.layout import Grid, LayoutOptions
from flowgraph.draw.text import name_latex
from flowgraph.graph import Bundle, Edge, FlowGraph, Vertex, VertexId

Span = tuple[int, int]
"""The first and the last of some rows."""

_NAMED = 2
"""So many vertices outside are named at one place of the border."""


@dataclass(frozen=True, slots=True)
class Window:
    """Rows and registers of a graph's drawing.

    Attributes:
        rows: the first and the last time.
        registers: the registers that are shown, ascending.
        times: the first and the last time of the whole graph.
        elsewhere: the column at which edges to other registers end; None where all registers are shown.
    """

    rows: Span
    registers: tuple[int, ...]
    times: Span
    elsewhere: int | None = None

    def holds(self, place: VertexId) -> bool:
        """Whether a place is inside."""
        return self.rows[0] <= place[1] <= self.rows[1] and (self.elsewhere is None or place[0] in self.registers)

    def at(self, place: VertexId) -> VertexId:
        """A place inside, or the place at the border that stands for one outside."""
        register, time = place
        if self.elsewhere is not None and register not in self.registers:
            register = self.elsewhere
        return register, min(max(time, self.rows[0] - 1), self.rows[1] + 1)

    @property
    def grid(self) -> Grid:
        """A column for each register and a row for each time, those of the border included."""
        first, last = self.rows
        times = [*range(first - (first > self.times[0]), last + (last < self.times[1]) + 1)]
        return Grid.of((*self.registers, *(() if self.elsewhere is None else (self.elsewhere,))), times)


@dataclass(frozen=True, slots=True)
class View:
    """A graph as it shows in a window.

    Attributes:
        graph: what is inside, and one vertex for each place of the border at which edges end.
        outside: the places of the latter, with their names as LaTeX.
        bare: edges that stand for several, by their ends.
        window: the window.
    """

    graph: FlowGraph
    outside: Mapping[VertexId, str]
    bare: frozenset[tuple[VertexId, VertexId]]
    window: Window

    def options(self, options: LayoutOptions) -> LayoutOptions:
        """How to draw it, where the whole graph would be drawn with these options."""
        first, last = self.window.rows
        shown = {vertex.id for vertex in self.graph.vertices} - self.outside.keys()
        return replace(
            options,
            outside=self.outside,
            bare=options.bare | self.bare,
            headed=(frozenset(self.window.registers), frozenset(range(first, last + 1))),
            notes={place: note for place, note in options.notes.items() if place in shown},
            ghosts=tuple(place for place in options.ghosts if self.window.holds(place)),
        )


def window_around(
    registers: Sequence[int],
    times: Span,
    site: Iterable[VertexId],
    near: Iterable[VertexId] = (),
    *,
    rows: Span | None = None,
    most_rows: int = 16,
    most_columns: int = 24,
) -> Window:
    """The window to look at a site through: the whole graph where it is small.

    Args:
        registers: all registers of the graph, ascending.
        times: its first and last time.
        site: what is to be seen.
        near: what is to be seen as well, if there is room for all of it.
        rows: the rows to show, where not those around the site; at most 24 of them are taken.
        most_rows: more rows are shown in part.
        most_columns: more registers are shown in part.

    Example:
        >>> window_around(range(3), (0, 99), [(1, 50)]).rows
        (42, 57)
    """
    site = tuple(site)
    first, last = times
    if rows is not None:
        start = min(max(rows[0], first), last)
        shown = start, min(max(rows[1], start), last, start + _MOST_ROWS - 1)
    elif last - first < most_rows:
        shown = times
    else:
        at = [time for _, time in site] or [first]
        # A site that is longer than the window is shown from where it begins.
        middle = (min(at) + max(at)) // 2 if max(at) - min(at) < most_rows else min(at) + most_rows // 2 - 1
        start = max(first, min(middle - most_rows // 2, last - most_rows + 1))
        shown = start, start + most_rows - 1
    registers = tuple(registers)
    if len(registers) <= most_columns:
        return Window(shown, registers, times)
    wanted = {register for register, _ in site} or {registers[0]}
    also = {register for register, _ in near} - wanted

    def distance(register: int) -> tuple[int, int, int]:
        rank = 0 if register in wanted else 1 if register in also else 2
        return rank, min(abs(register - other) for other in wanted), register

    kept = sorted(sorted(registers, key=distance)[: most_columns - 1])
    return Window(shown, tuple(kept), times, registers[-1] + 1)


_MOST_ROWS = 24
"""The highest window."""


def view(graph: FlowGraph, window: Window, accent: str = "") -> View:
    """A graph through a window. Edges that leave it end at its border, at the name of what they lead to.

    Args:
        graph: the graph.
        window: the rows and registers to show.
        accent: of the names at the border.

    Example:
        >>> from flowgraph.language import parse
        >>> from flowgraph.modes import derive
        >>> graph = derive(parse("inputs x\\nu = f(x)\\nv = g(u)\\nw = h(v)\\noutputs w"), "forward").graph
        >>> part = view(graph, Window((1, 1), (0,), (0, 3)))
        >>> [edge.source for edge in part.graph.edges], sorted(part.outside.values())
        ([(0, 0), (0, 1)], ['v', 'x'])
    """
    inside = [vertex for vertex in graph.vertices if window.holds(vertex.id)]
    if len(inside) == len(graph.vertices):
        return View(graph, {}, frozenset(), window)
    by_place = {vertex.id: vertex for vertex in graph.vertices}
    here = {vertex.id for vertex in inside}
    groups: dict[tuple[VertexId, VertexId], list[Edge]] = {}
    gathered: dict[VertexId, dict[VertexId, Vertex]] = {}
    for edge in graph.edges:
        if edge.source not in here and edge.target not in here:
            continue
        ends = window.at(edge.source), window.at(edge.target)
        groups.setdefault(ends, []).append(replace(edge, source=ends[0], target=ends[1]))
        for place, end in ((edge.source, ends[0]), (edge.target, ends[1])):
            if place not in here:
                gathered.setdefault(end, {})[place] = by_place[place]
    # Two edges say that there is more than one, and that their target adds.
    edges = [edge for group in groups.values() for edge in group[:2]]
    bare = frozenset(ends for ends, group in groups.items() if len(group) > 2)
    edges.sort(key=lambda edge: (edge.target[1], edge.target[0], edge.source[1], edge.source[0]))
    stand_ins = [
        Vertex(*end, ", ".join(vertex.name for vertex in found.values()), ", ".join(v.value for v in found.values()))
        for end, found in gathered.items()
    ]
    outside = {end: _latex(tuple(found.values()), accent) for end, found in gathered.items()}
    vertices = sorted([*inside, *stand_ins], key=lambda vertex: (vertex.time, vertex.register))
    part = FlowGraph(
        graph.algebra,
        tuple(vertices),
        tuple(edges),
        tuple(place for place in graph.inputs if place in here),
        tuple(place for place in graph.outputs if place in here),
        tuple(_bundles(graph.bundles, window, here | gathered.keys())),
    )
    return View(part, outside, bare, window)


def _latex(vertices: Sequence[Vertex], accent: str) -> str:
    names = list(dict.fromkeys(name_latex(vertex.value, accent) for vertex in vertices))
    return ",\\,".join([*names[:_NAMED], *(["\\ldots"] if len(names) > _NAMED else [])])


def _bundles(bundles: Iterable[Bundle], window: Window, places: set[VertexId]) -> Iterable[Bundle]:
    for bundle in bundles:
        sources, targets = (
            tuple(dict.fromkeys(at for place in ends if (at := window.at(place)) in places))
            for ends in (bundle.sources, bundle.targets)
        )
        if sources and targets:
            yield replace(bundle, sources=sources, targets=targets)
