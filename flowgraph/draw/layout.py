"""``layout``: a flow graph as a ``Scene``. Pure: the same graph and options give the same drawing.

Registers are columns and time runs downward, so every vertex has its place before layout begins. What remains is to
bend the edges that would run through a vertex, and to find room for the labels: a label stands clear of every vertex,
edge and other label, and rows move apart where there is no room for one.

Reference: arXiv:2411.18786, Figs. 1–3.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from flowgraph.draw.coefficients import Entry, LabelLatex, Numbering, block_labels, coefficients, write_legend
from flowgraph.draw.curves import along, clip, head, leaving, polyline
from flowgraph.draw.place import Page, place_around, place_beside
from flowgraph.draw.route import Place, Router
from flowgraph.draw.scene import Box, Circle, Curve, Ink, Label, Line, Point, Scene, hull
from flowgraph.draw.text import Extent, centred, claimed_width, measure, name_latex, write
from flowgraph.graph import Edge, FlowGraph, VertexId

_ATTEMPTS = 7


@dataclass(frozen=True, slots=True)
class LayoutOptions:
    """What to draw of a graph, and how large. Lengths are in points.

    Attributes:
        column_pitch: least distance of neighbouring columns.
        row_pitch: least distance of neighbouring rows.
        room: least free space between the outlines of neighbouring columns.
        name_size: font size of vertex names.
        label_size: font size of edge labels.
        radius: least radius of a circled vertex.
        accent: ``"dot"`` marks the names as tangents, ``"bar"`` as cotangents; empty leaves them plain.
        labels: whether edges have labels.
        carry_labels: whether carry edges have theirs, which is always 1.
        circles: whether vertices where fan-in adds are circled.
        stubs: whether short arrows mark inputs and outputs.
        registers: whether the columns have headings r1, r2, ….
        times: whether the rows are numbered.
        notes: text beside vertices, such as the function computed there, by place.
        note_ink: the grey of the notes.
        ghosts: places of vertices that are gone, drawn as faint dots.
        outside: vertices that stand for what lies outside a window, drawn faintly and without a circle: by place the
            LaTeX of their names.
        bare: edges without a label, by their ends.
        headed: the registers and times that have a heading or a number; all where None.
        label_latex: how labels are written, where not as the graph writes them.
        max_label: labels wider than this become numbered coefficients with a legend.
        caption: a line below the drawing; empty for none.
    """

    column_pitch: float = 46.0
    row_pitch: float = 44.0
    room: float = 20.0
    name_size: float = 9.0
    label_size: float = 9.0
    radius: float = 7.2
    accent: str = ""
    labels: bool = True
    carry_labels: bool = False
    circles: bool = True
    stubs: bool = True
    registers: bool = True
    times: bool = False
    notes: Mapping[VertexId, str] = field(default_factory=dict)
    note_ink: Ink = Ink.INK
    ghosts: tuple[VertexId, ...] = ()
    outside: Mapping[VertexId, str] = field(default_factory=dict)
    bare: frozenset[tuple[VertexId, VertexId]] = frozenset()
    headed: tuple[frozenset[int], frozenset[int]] | None = None
    label_latex: LabelLatex | None = None
    max_label: float = 44.0
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Grid:
    """Where columns and rows stand: several drawings on one grid line up.

    Attributes:
        registers: the registers that have a column, ascending.
        times: the times that have a row, ascending.
        widths: distances of neighbouring columns.
        heights: distances of neighbouring rows.
        bounds: what the drawings fill, without headings, row numbers and legends; None where nothing is drawn.
    """

    registers: tuple[int, ...] = ()
    times: tuple[int, ...] = ()
    widths: tuple[float, ...] = ()
    heights: tuple[float, ...] = ()
    bounds: Box | None = None

    @staticmethod
    def of(registers: Iterable[int], times: Iterable[int]) -> Grid:
        """A grid that keeps a column for each register and a row for each time, however narrow."""
        columns, rows = tuple(sorted(set(registers))), tuple(sorted(set(times)))
        return Grid(columns, rows, (0.0,) * (len(columns) - 1), (0.0,) * (len(rows) - 1))


def layout(graph: FlowGraph, options: LayoutOptions | None = None) -> Scene:
    """Draw a flow graph.

    Args:
        graph: any flow graph whose vertices have a register and a time.
        options: what to draw and how large.

    Returns:
        The drawing, on a page that just holds it.

    Example:
        >>> from flowgraph.language import parse
        >>> from flowgraph.modes import derive
        >>> graph = derive(parse("inputs u, w\\nz = f(u, w)\\noutputs z, w"), "reverse-inverse").graph
        >>> scene = layout(graph)
        >>> [circle.key for circle in scene.circles if circle.visible]
        ['w']
    """
    return drawing(graph, options or LayoutOptions()).fitted()


def drawing(graph: FlowGraph, options: LayoutOptions) -> Scene:
    """As ``layout``, but column 0 is at x = 0 and row 0 at y = 0, so that drawings on one page can share a grid."""
    (scene,), _ = drawings([(graph, options)])
    return scene


def drawings(
    items: Sequence[tuple[FlowGraph, LayoutOptions]], least: Grid | None = None, attempts: int = _ATTEMPTS
) -> tuple[tuple[Scene, ...], Grid]:
    """Draw several graphs on one grid: every register has the same x in all of them, and every time the same y.

    Args:
        items: graphs, with how each is drawn.
        least: a grid that must not shrink: its columns and rows are kept, and moved apart only.
        attempts: how often to try, moving columns and rows apart in between, before labels without room go into a
            legend.

    Returns:
        The drawings in the coordinates of ``drawing``, and the grid they stand on.

    Example:
        >>> from flowgraph.language import parse
        >>> from flowgraph.modes import derive
        >>> stages = derive(parse("inputs u, w\\nz = f(u, w)\\noutputs z, w"), "reverse-inverse").stages
        >>> (one, two), grid = drawings([(stages["inverted"], LayoutOptions()), (stages["unlayered"], LayoutOptions())])
        >>> grid.registers, grid.times, one.circles[0].centre == two.circles[0].centre
        ((0, 1), (0, 1), True)
    """
    grid = Grid() if least is None else least
    taken = {vertex.id for graph, _ in items for vertex in graph.vertices}
    taken |= {place for _, options in items for place in options.ghosts}
    registers = tuple(sorted({register for register, _ in taken} | set(grid.registers)))
    times = tuple(sorted({time for _, time in taken} | set(grid.times)))
    frames = [_Frame(graph, options, registers, times) for graph, options in items]
    if (grid.registers, grid.times) == (registers, times):
        for frame in frames:
            frame.spread(grid.widths, grid.heights)
    results = _attempts(frames)
    for _ in range(attempts - 1):
        if not any(result.homeless or result.lonely for result in results):
            break
        for frame, result in zip(frames, results, strict=True):
            frame.widen(result)
        results = _attempts(frames)
    scenes = [frame.scene(result) for frame, result in zip(frames, results, strict=True)]
    boxes = [scene.bounds for scene in scenes] + ([] if grid.bounds is None else [grid.bounds])
    bounds = hull(boxes)
    finished = tuple(
        frame.finish(result, scene, bounds) for frame, result, scene in zip(frames, results, scenes, strict=True)
    )
    widths, heights = (frames[0].widths, frames[0].heights) if frames else ((), ())
    return finished, Grid(registers, times, tuple(widths), tuple(heights), bounds)


def _attempts(frames: Sequence[_Frame]) -> list[_Attempt]:
    """Lay every graph out on the widest of their grids."""
    for frame in frames:
        for other in frames:
            frame.spread(other.widths, other.heights)
    return [frame.attempt() for frame in frames]


@dataclass(frozen=True, slots=True)
class _Attempt:
    lines: tuple[Line, ...]
    curves: tuple[Curve, ...]
    circles: tuple[Circle, ...]
    labels: tuple[Label, ...]
    legend: tuple[Entry, ...]
    homeless: tuple[int, ...]
    """Edges for whose labels there was no room."""
    lonely: tuple[VertexId, ...]
    """Vertices for whose notes there was no room."""


class _Frame:
    """One drawing in the making: what does not change from attempt to attempt, and the distances, which do."""

    def __init__(
        self, graph: FlowGraph, options: LayoutOptions, registers: Sequence[int], times: Sequence[int]
    ) -> None:
        self.graph = graph
        self.options = options
        places = {vertex.id for vertex in graph.vertices} | set(options.ghosts)
        self.registers, self.times = registers, times
        column = {register: k for k, register in enumerate(registers)}
        row = {time: k for k, time in enumerate(times)}
        self.place: dict[VertexId, Place] = {(r, t): (column[r], row[t]) for r, t in places}
        self.names = {vertex.id: vertex.name for vertex in graph.vertices}
        self.texts = {
            v.id: f"${options.outside.get(v.id) or name_latex(v.value, options.accent)}$" for v in graph.vertices
        }
        self.adds = {vertex.id for vertex in graph.additions} - options.outside.keys() if options.circles else set()
        matrices = block_labels(graph)
        self.shown = tuple(
            index
            for index, edge in enumerate(graph.edges)
            if options.labels
            and (options.carry_labels or not edge.carry)
            and matrices.get(index) != ""
            and (edge.source, edge.target) not in options.bare
        )
        size = options.label_size
        self.coefficients = coefficients(
            graph, self.shown, options.label_latex, size, options.max_label, 2.4 * size, matrices
        )
        self.flow = _flow(graph)
        self._size_outlines()
        half = [0.0] * len(registers)
        for place, (radius, stretch) in self.outlines.items():
            k = column[place[0]]
            half[k] = max(half[k], radius + stretch)
        self.widths = [max(options.column_pitch, a + b + options.room) for a, b in pairwise(half)]
        self.heights = [max(options.row_pitch, 2.6 * options.radius)] * max(0, len(times) - 1)

    def _size_outlines(self) -> None:
        """The radius and stretch of every vertex; one baseline serves all names, so that rows of names are level."""
        options = self.options
        extents = {text: measure(text, options.name_size) for text in set(self.texts.values())}
        top = min((e.top for e in extents.values()), default=0.0)
        bottom = max((e.bottom for e in extents.values()), default=0.0)
        # The circle looks centred on the letter, not on letter and accent together.
        self.baseline = -(max(top, -0.72 * options.name_size) + bottom) / 2
        reach = max(self.baseline + bottom, -(self.baseline + top))
        self.outlines: dict[VertexId, tuple[float, float]] = {}
        for place, text in self.texts.items():
            radius = options.radius if place in self.adds else 0.8 * options.radius
            radius = max(radius, reach + (1.2 if place in self.adds else 0.6))
            self.outlines[place] = (radius, stretch(extents[text], reach, radius, place in self.adds))

    # -- one attempt ------------------------------------------------------------------------------------------------

    def attempt(self) -> _Attempt:
        graph, options = self.graph, self.options
        xs, ys = _sums(self.widths)[: len(self.registers)], _sums(self.heights)[: len(self.times)]
        self.xs, self.ys = xs, ys
        page = Page()
        circles: dict[VertexId, Circle] = {}
        labels: list[Label] = []
        for vertex in graph.vertices:
            column, row = self.place[vertex.id]
            radius, stretch = self.outlines[vertex.id]
            circle = Circle((xs[column], ys[row]), radius, stretch, visible=vertex.id in self.adds, key=vertex.name)
            circles[vertex.id] = circle
            page.add_circle(circle)
            labels.append(self._name(vertex.id, circle))
        router = Router({self.place[place]: circle for place, circle in circles.items()}, xs, ys)
        drawn, near = self._edges(circles, router)
        stubs = self._stubs(circles)
        for item in (*drawn, *stubs):
            page.add_path(polyline(item))
            if item.arrow:
                tip, left, _, right = head(item)
                page.add_path((tip, left, right, tip))
        ghosts = tuple(
            Circle((xs[column], ys[row]), 1.7, filled=True, ink=Ink.GHOST)
            for column, row in (self.place[ghost] for ghost in options.ghosts)
        )
        for ghost in ghosts:
            page.add_circle(ghost)
        notes, lonely = self._notes(page, circles)
        found, legend, homeless = self._place_labels(page, near)
        items = (*drawn, *stubs)
        return _Attempt(
            lines=tuple(item for item in items if isinstance(item, Line)),
            curves=tuple(item for item in items if isinstance(item, Curve)),
            circles=(*ghosts, *circles.values()),
            labels=(*labels, *notes, *found),
            legend=legend,
            homeless=homeless,
            lonely=lonely,
        )

    def _name(self, place: VertexId, circle: Circle) -> Label:
        position = (circle.centre[0], circle.centre[1] + self.baseline)
        name = self.names[place]
        ink = Ink.MUTED if place in self.options.outside else Ink.INK
        return write(self.texts[place], position, self.options.name_size, ink=ink, title=name, host=name)

    def _edges(
        self, circles: Mapping[VertexId, Circle], router: Router
    ) -> tuple[list[Line | Curve], list[tuple[Point, ...]]]:
        drawn: list[Line | Curve] = []
        near: list[tuple[Point, ...]] = []
        twins: dict[tuple[VertexId, VertexId], int] = {}
        for edge in self.graph.edges:
            ends = (edge.source, edge.target)
            twin = twins.get(ends, 0)
            twins[ends] = twin + 1
            route = router.route(self.place[edge.source], self.place[edge.target], twin)
            source, target = circles[edge.source], circles[edge.target]
            points = clip(route.points, source, target)
            key = f"{source.key} -> {target.key}"
            beyond = edge.source in self.options.outside or edge.target in self.options.outside
            ink = Ink.MUTED if edge.carry or beyond else Ink.INK
            if len(points) == 2:
                drawn.append(Line(points[0], points[1], True, ink, key=key))
            else:
                drawn.append(Curve(points, True, ink, key=key))
            near.append(points if route.near is route.points else route.near)
        return drawn, near

    def _stubs(self, circles: Mapping[VertexId, Circle]) -> list[Line]:
        if not self.options.stubs:
            return []
        stubs: list[Line] = []
        for places, direction in ((self.graph.inputs, -self.flow), (self.graph.outputs, self.flow)):
            total = {place: places.count(place) for place in places} if len(set(places)) < len(places) else {}
            seen: dict[VertexId, int] = {}
            for place in places:
                circle = circles[place]
                count = total.get(place, 1)
                index = seen.get(place, 0)
                seen[place] = index + 1
                angle = (index - (count - 1) / 2) * min(0.7, 2.0 / count)
                ux, uy = math.sin(angle), math.cos(angle) * direction
                x, y = circle.centre
                beyond = (x + ux * 1000.0, y + uy * 1000.0)
                rim = along(circle.centre, beyond, leaving(circle, circle.centre, beyond))
                far = (rim[0] + ux * 9.0, rim[1] + uy * 9.0)
                incoming = direction == -self.flow
                start, end = (far, rim) if incoming else (rim, far)
                key = f"input -> {circle.key}" if incoming else f"{circle.key} -> output"
                stubs.append(Line(start, end, True, Ink.MUTED, key=key))
        return stubs

    def _outward(self, x: float) -> float:
        return -1.0 if x < self.xs[-1] / 2 - 1e-6 else 1.0

    def _notes(self, page: Page, circles: Mapping[VertexId, Circle]) -> tuple[list[Label], tuple[VertexId, ...]]:
        labels: list[Label] = []
        homeless: list[VertexId] = []
        size = self.options.label_size
        for place, note in self.options.notes.items():
            text = f"${name_latex(note)}$"
            extent = measure(text, size)
            circle = circles[place]
            outward = self._outward(circle.centre[0])
            centre = place_around(page, circle, claimed_width(text, size), extent.height, outward)
            if centre is None:
                homeless.append(place)
                continue
            label = centred(text, centre, size, ink=self.options.note_ink, title=note)
            page.add_box(label.box)
            labels.append(label)
        return labels, tuple(homeless)

    def _place_labels(
        self, page: Page, near: list[tuple[Point, ...]]
    ) -> tuple[list[Label], tuple[Entry, ...], tuple[int, ...]]:
        """The labels of the edges, the legend of those that became numbers, and the edges without a label."""
        labels: list[Label] = []
        homeless: list[int] = []
        numbering = Numbering(self.coefficients)
        # Carry labels are all alike and may stand anywhere along their edges, so they come last.
        for index in sorted(self.shown, key=lambda k: (self.graph.edges[k].carry, k)):
            formula = self.coefficients.formulas[index]
            label = None if index in self.coefficients.large else self._label(page, near[index], index, formula)
            if label is None and len(formula) > 1:
                symbol = numbering.symbol(index)
                label = self._label(page, near[index], index, symbol)
            if label is None:
                homeless.append(index)
                continue
            page.add_box(label.box)
            labels.append(label)
        return labels, tuple(numbering.entries), tuple(homeless)

    def _label(self, page: Page, path: tuple[Point, ...], index: int, formula: str) -> Label | None:
        text, size = f"${formula}$", self.options.label_size
        outward = self._outward((path[0][0] + path[-1][0]) / 2)
        centre = place_beside(page, path, claimed_width(text, size), measure(text, size).height, outward)
        if centre is None:
            return None
        ink = Ink.MUTED if self.graph.edges[index].carry else Ink.INK
        return centred(text, centre, size, ink=ink, title=self.coefficients.titles[index])

    def spread(self, widths: Sequence[float], heights: Sequence[float]) -> None:
        """Move columns and rows at least so far apart."""
        self.widths = [max(pair) for pair in zip(self.widths, widths, strict=True)]
        self.heights = [max(pair) for pair in zip(self.heights, heights, strict=True)]

    # -- between and after attempts ---------------------------------------------------------------------------------

    def widen(self, result: _Attempt) -> None:
        """Make room where labels found none: only the rows and columns beside them move apart."""
        rows, columns = set(), set()
        for place in result.lonely:
            column, row = self.place[place]
            rows |= {row - 1, row}
            columns |= {column - 1, column}
        for index in result.homeless:
            edge = self.graph.edges[index]
            (c0, r0), (c1, r1) = self.place[edge.source], self.place[edge.target]
            low = max(r0, r1)
            rows |= {low - 1, low} if r0 == r1 else {low - 1}
            columns |= set(range(min(c0, c1), max(c0, c1))) or {c0 - 1, c0}
        for k in rows:
            if 0 <= k < len(self.heights):
                self.heights[k] *= 1.3
        for k in columns:
            if 0 <= k < len(self.widths):
                self.widths[k] *= 1.06

    def scene(self, result: _Attempt) -> Scene:
        """The drawing alone."""
        title = self.options.caption or "flow graph"
        return Scene(0.0, 0.0, result.lines, result.curves, result.circles, result.labels, title=title)

    def finish(self, result: _Attempt, scene: Scene, bounds: Box) -> Scene:
        """Headings, row numbers, legend and caption around the drawing."""
        options = self.options
        left, top, right, bottom = bounds
        headed, numbered = (self.registers, self.times) if options.headed is None else options.headed
        extra: list[Label] = []
        small = options.label_size - 1.0
        if options.registers:
            for x, register in zip(self.xs, self.registers, strict=True):
                if register not in headed:
                    continue
                extra.append(write(f"$r_{{{register + 1}}}$", (x, top - 5.0), small, ink=Ink.MUTED))
        if options.times:
            for y, time in zip(self.ys, self.times, strict=True):
                if time not in numbered:
                    continue
                extra.append(write(f"${time}$", (left - 8.0, y + 0.32 * small), small, anchor="end", ink=Ink.MUTED))
        legend = self._legend(result)
        if legend:
            lines = write_legend(legend, left, bottom + 8.0, max(right - left, 220.0), small)
            extra += lines
            bottom = lines[-1].box[3]
        if options.caption:
            extra.append(write(options.caption, (left, bottom + 7.0 + small), small, anchor="start", ink=Ink.MUTED))
        return replace(scene, labels=(*scene.labels, *extra))

    def _legend(self, result: _Attempt) -> list[Entry]:
        """The numbered coefficients, and what found no room: labels by their edges' ends, notes by their vertex."""
        entries = list(result.legend)
        for place in result.lonely:
            note = self.options.notes[place]
            entries.append((_bare(self.texts[place]), name_latex(note), note))
        for index in result.homeless:
            edge = self.graph.edges[index]
            ends = f"{_bare(self.texts[edge.source])} \\to {_bare(self.texts[edge.target])}"
            entries.append((ends, self.coefficients.formulas[index], self.coefficients.titles[index]))
        return entries


def _bare(text: str) -> str:
    return text[1:-1]


def _sums(steps: list[float]) -> list[float]:
    result = [0.0]
    for step in steps:
        result.append(result[-1] + step)
    return result


def stretch(extent: Extent, reach: float, radius: float, circled: bool) -> float:
    """How far an outline is drawn out so that the corners of its name stay inside."""
    inner = radius - (0.9 if circled else 0.3)
    return max(0.0, extent.width / 2 - math.sqrt(max(0.0, inner * inner - reach * reach)))


def _flow(graph: FlowGraph) -> float:
    """+1 where the graph flows downward, −1 where it flows upward."""

    def mean(places: tuple[VertexId, ...]) -> float:
        return sum(time for _, time in places) / len(places) if places else 0.0

    if not graph.inputs or not graph.outputs:
        return 1.0 if sum(_fall(edge) for edge in graph.edges) >= 0 else -1.0
    return 1.0 if mean(graph.inputs) <= mean(graph.outputs) else -1.0


def _fall(edge: Edge) -> int:
    return edge.target[1] - edge.source[1]
