"""``FlowGraph``: a linear flow graph, frozen; ``Workspace``: the same graph while it is being rewritten.

Vertices hold values, an edge multiplies by its label, fan-in adds, and the graph maps its ordered inputs to its ordered
outputs. A vertex is named by its place, (register, time); edges are called *carry* edges when they only take a value to
a later row (label 1).

Reference: arXiv:2411.18786, Figs. 2 and 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from flowgraph.errors import GraphError
from flowgraph.labels import Label, LabelAlgebra

if TYPE_CHECKING:
    import networkx

SCHEMA = "flowgraph/graph/1"

VertexId = tuple[int, int]
"""(register, time): a column and a row of the drawing, both from 0."""

RowEntry = tuple[VertexId, Label, bool]
"""One edge as its target sees it: source, label, whether it is a carry edge."""


@dataclass(frozen=True, slots=True)
class Vertex:
    """A vertex of a flow graph.

    Attributes:
        register: the column.
        time: the row.
        name: unique in the graph: the value's name where the value is born, and name@time for a carried copy.
        value: the name of the value that the vertex holds.
    """

    register: int
    time: int
    name: str
    value: str

    @property
    def id(self) -> VertexId:
        """(register, time)."""
        return (self.register, self.time)


@dataclass(frozen=True, slots=True)
class Edge:
    """An edge of a flow graph.

    Attributes:
        source: place of the vertex it leaves.
        target: place of the vertex it enters.
        label: what it multiplies by.
        carry: whether it only takes a value to a later row; its label is then 1.
    """

    source: VertexId
    target: VertexId
    label: Label
    carry: bool = False


@dataclass(frozen=True, slots=True)
class Bundle:
    """Edges that carry a matrix together: value of targets += matrix · value of sources.

    The edges from the sources to the targets of a bundle are in the graph with the entries of the matrix as labels; the
    bundle says that they belong together, and what the matrix is called.

    Attributes:
        sources: places of the vertices that the edges leave, one per column.
        targets: places of the vertices that the edges enter, one per row.
        text: name of the matrix as text, e.g. ``"A1"`` or ``"A1^-1"``.
        latex: the same in LaTeX.
    """

    sources: tuple[VertexId, ...]
    targets: tuple[VertexId, ...]
    text: str
    latex: str

    def holds(self, source: VertexId, target: VertexId) -> bool:
        """Whether an edge between these places belongs to the bundle, unless it is a carry edge."""
        return source in self.sources and target in self.targets


def _edge_order(edge: Edge) -> tuple[int, int, int, int]:
    return (edge.target[1], edge.target[0], edge.source[1], edge.source[0])


@dataclass(frozen=True, slots=True)
class FlowGraph:
    """A linear flow graph, immutable, in canonical order.

    Attributes:
        algebra: what the labels are.
        vertices: sorted by (time, register).
        edges: sorted by target, then source.
        inputs: places of the input vertices, in order.
        outputs: places of the output vertices, in order.
        bundles: edges that carry a matrix together, as where a lump is one step.

    Example:
        >>> import flowgraph as fg
        >>> graph = fg.derive(fg.parse("inputs u, w\\nz = f(u, w)\\noutputs z, w"), "reverse-inverse").graph
        >>> print(graph)
        inputs u w, outputs z w
        u -> w : -b/a
        u -> z : 1/a
    """

    algebra: LabelAlgebra
    vertices: tuple[Vertex, ...]
    edges: tuple[Edge, ...]
    inputs: tuple[VertexId, ...]
    outputs: tuple[VertexId, ...]
    bundles: tuple[Bundle, ...] = ()

    def __post_init__(self) -> None:
        places = {vertex.id for vertex in self.vertices}
        if len(places) != len(self.vertices):
            raise GraphError("two vertices have the same place")
        for edge in self.edges:
            if edge.source not in places or edge.target not in places:
                raise GraphError("an edge has an end that is no vertex", where=f"{edge.source} -> {edge.target}")
            if (
                edge.carry
                and edge.label is not self.algebra.one
                and not self.algebra.equal(edge.label, self.algebra.one)
            ):
                raise GraphError(
                    "a carry edge multiplies by 1 and nothing else",
                    where=f"{edge.source} -> {edge.target}",
                    got=self.label_text(edge),
                )
        for place in (*self.inputs, *self.outputs):
            if place not in places:
                raise GraphError("an input or output is no vertex", where=str(place))
        for bundle in self.bundles:
            if not places.issuperset((*bundle.sources, *bundle.targets)):
                raise GraphError("a bundle of edges has an end that is no vertex", where=bundle.text)

    # -- looking ----------------------------------------------------------------------------------------------------

    def vertex(self, place: VertexId) -> Vertex:
        """The vertex at a place.

        Raises:
            GraphError: there is none.
        """
        for vertex in self.vertices:
            if vertex.id == place:
                return vertex
        raise GraphError("no vertex there", where=f"register {place[0]}, time {place[1]}")

    def edges_into(self, place: VertexId) -> tuple[Edge, ...]:
        """The edges that enter a vertex."""
        return tuple(edge for edge in self.edges if edge.target == place)

    def edges_from(self, place: VertexId) -> tuple[Edge, ...]:
        """The edges that leave a vertex."""
        return tuple(edge for edge in self.edges if edge.source == place)

    def fan_in(self, place: VertexId) -> int:
        """How many edges enter a vertex; where it is two or more, the vertex adds."""
        return len(self.edges_into(place))

    @property
    def additions(self) -> tuple[Vertex, ...]:
        """The vertices where fan-in adds: two or more edges, or one edge into a vertex that is also an input."""
        count: dict[VertexId, int] = {}
        for place in self.inputs:
            count[place] = count.get(place, 0) + 1
        for edge in self.edges:
            count[edge.target] = count.get(edge.target, 0) + 1
        return tuple(vertex for vertex in self.vertices if count.get(vertex.id, 0) >= 2)

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the values at the inputs."""
        return self._values(self.inputs)

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the values at the outputs."""
        return self._values(self.outputs)

    def _values(self, places: Iterable[VertexId]) -> tuple[str, ...]:
        value = {vertex.id: vertex.value for vertex in self.vertices}
        return tuple(value[place] for place in places)

    def bundle_of(self, edge: Edge) -> Bundle | None:
        """The bundle that an edge belongs to, or None."""
        if edge.carry:
            return None
        return next((bundle for bundle in self.bundles if bundle.holds(edge.source, edge.target)), None)

    def matrix(self, bundle: Bundle) -> Any:
        """The matrix of a bundle in the algebra's own kind: one row per target, one column per source."""
        label = {(edge.target, edge.source): edge.label for edge in self.edges if not edge.carry}
        zero = self.algebra.zero
        rows = [[label.get((target, source), zero) for source in bundle.sources] for target in bundle.targets]
        return self.algebra.matrix(rows, len(bundle.sources))

    def label_text(self, edge: Edge) -> str:
        """The label of an edge as text that SymPy reads."""
        return self.algebra.text(edge.label)

    def label_latex(self, edge: Edge) -> str:
        """The label of an edge as LaTeX."""
        return self.algebra.latex(edge.label)

    def __str__(self) -> str:
        name = {vertex.id: vertex.name for vertex in self.vertices}
        head = f"inputs {' '.join(name[p] for p in self.inputs)}, outputs {' '.join(name[p] for p in self.outputs)}"
        lines = []
        for bundle in self.bundles:
            ends = (" ".join(name[place] for place in places) for places in (bundle.sources, bundle.targets))
            lines.append(f"{' -> '.join(ends)} : {bundle.text}")
        lines += [
            f"{name[e.source]} -> {name[e.target]} : {self.label_text(e)}"
            for e in self.edges
            if self.bundle_of(e) is None
        ]
        return "\n".join([head, *lines])

    def __repr__(self) -> str:
        return f"<FlowGraph: {len(self.vertices)} vertices, {len(self.edges)} edges, {self.algebra.name} labels>"

    # -- taking home ------------------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """A JSON object: ``schema``, ``inputs``, ``outputs``, ``vertices``, ``edges``, ``bundles``.

        ``inputs`` and ``outputs`` are value names; an edge names its ends by their vertex names, which are the value
        names too except for carried copies (``x2@1``); labels are text that SymPy reads.
        """
        name = {vertex.id: vertex.name for vertex in self.vertices}
        return {
            "schema": SCHEMA,
            "labels": self.algebra.name,
            "inputs": list(self.input_names),
            "outputs": list(self.output_names),
            "vertices": [
                {"name": v.name, "value": v.value, "register": v.register, "time": v.time} for v in self.vertices
            ],
            "edges": [
                {
                    "source": name[e.source],
                    "target": name[e.target],
                    "label": self.label_text(e),
                    "carry": e.carry,
                }
                for e in self.edges
            ],
            "bundles": [
                {
                    "sources": [name[place] for place in bundle.sources],
                    "targets": [name[place] for place in bundle.targets],
                    "matrix": bundle.text,
                }
                for bundle in self.bundles
            ],
        }

    def to_networkx(self) -> networkx.MultiDiGraph:
        """A networkx graph: nodes are vertex names with ``register``, ``time``, ``value``; edges have ``label``."""
        import networkx

        result = networkx.MultiDiGraph(inputs=self.input_names, outputs=self.output_names)
        name = {vertex.id: vertex.name for vertex in self.vertices}
        for v in self.vertices:
            result.add_node(v.name, register=v.register, time=v.time, value=v.value)
        for e in self.edges:
            result.add_edge(name[e.source], name[e.target], label=e.label, carry=e.carry)
        return result


OutputKey = tuple[str, int]
"""("output", i): the row that says which vertex output i reads. Inputs appear as sources ("input", i)."""

Key = VertexId | OutputKey
SparseRow = tuple[tuple[Any, Label], ...]
"""Sources and labels of one row: value = Σ label·source."""


@dataclass(frozen=True, slots=True)
class Delta:
    """What one rewrite changed, as rows of the linear system that the graph stands for.

    A row is keyed by its vertex, or by ("output", i); sources are vertices or ("input", i). A key missing from
    ``before`` was added, one missing from ``after`` was removed. Rows that did not change are not listed.

    Attributes:
        algebra: what the labels are.
        before: changed rows as they were.
        after: changed rows as they are.
        hidden: changed vertices that nothing outside the changed rows reads, before or after.
        unchanged_readers: how many unchanged rows read a vertex; to be asked before the next rewrite.
    """

    algebra: LabelAlgebra
    before: Mapping[Key, SparseRow]
    after: Mapping[Key, SparseRow]
    hidden: frozenset[VertexId]
    unchanged_readers: Callable[[VertexId], int]


def difference(before: FlowGraph, after: FlowGraph, touched: Iterable[VertexId] = ()) -> Delta:
    """What lies between two graphs with the same algebra, as a rewrite between them would have recorded it.

    Args:
        before: the graph before.
        after: the graph after.
        touched: vertices whose rows are listed even where they are the same, as after 1 became 1/1.
    """
    old, new = _all_rows(before), _all_rows(after)
    changed = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
    changed.update(place for place in touched if place in old and place in new)
    readers: dict[Any, int] = {}
    for key, row in new.items():
        if key not in changed:
            for source, _ in row:
                readers[source] = readers.get(source, 0) + 1
    return Delta(
        after.algebra,
        {key: row for key, row in old.items() if key in changed},
        {key: row for key, row in new.items() if key in changed},
        frozenset(key for key in changed if not isinstance(key[0], str) and not readers.get(key)),  # pyright: ignore[reportArgumentType]
        lambda place: readers.get(place, 0),
    )


def _all_rows(graph: FlowGraph) -> dict[Key, SparseRow]:
    one = graph.algebra.one
    rows: dict[Key, list[tuple[Any, Label]]] = {vertex.id: [] for vertex in graph.vertices}
    for index, place in enumerate(graph.inputs):
        rows[place].append((("input", index), one))
    for edge in graph.edges:
        rows[edge.target].append((edge.source, edge.label))
    for index, place in enumerate(graph.outputs):
        rows["output", index] = [(place, one)]
    return {key: tuple(row) for key, row in rows.items()}


class Workspace:
    """A flow graph under rewriting, with a journal of the rows that changed.

    Rules change it only through the primitives here, so the journal is complete whatever a rule does.

    Args:
        algebra: what the labels are.
    """

    def __init__(self, algebra: LabelAlgebra) -> None:
        self.algebra = algebra
        self.vertices: dict[VertexId, Vertex] = {}
        self.rows: dict[VertexId, tuple[RowEntry, ...]] = {}
        self.readers: dict[VertexId, dict[VertexId, int]] = {}
        self.inputs: list[VertexId] = []
        self.outputs: list[VertexId] = []
        self.input_places: dict[VertexId, list[int]] = {}
        self.output_places: dict[VertexId, list[int]] = {}
        self.bundles: list[Bundle] = []
        self._bundled: dict[VertexId, int] = {}
        self._journal: dict[Key, SparseRow | None] = {}

    @staticmethod
    def of(graph: FlowGraph) -> Workspace:
        """A workspace that holds a graph."""
        work = Workspace(graph.algebra)
        rows: dict[VertexId, list[RowEntry]] = {vertex.id: [] for vertex in graph.vertices}
        for edge in graph.edges:
            rows[edge.target].append((edge.source, edge.label, edge.carry))
        for vertex in graph.vertices:
            work.add_vertex(vertex)
        for place, row in rows.items():
            work.set_row(place, tuple(row))
        for place in graph.inputs:
            work.add_input(place)
        for place in graph.outputs:
            work.add_output(place)
        for bundle in graph.bundles:
            work.add_bundle(bundle)
        work.forget()
        return work

    def copy(self) -> Workspace:
        """An independent workspace with the same graph and an empty journal."""
        other = Workspace(self.algebra)
        other.vertices = dict(self.vertices)
        other.rows = dict(self.rows)
        other.readers = {place: dict(count) for place, count in self.readers.items()}
        other.inputs, other.outputs = list(self.inputs), list(self.outputs)
        other.input_places = {place: list(places) for place, places in self.input_places.items()}
        other.output_places = {place: list(places) for place, places in self.output_places.items()}
        other.bundles, other._bundled = list(self.bundles), dict(self._bundled)
        return other

    def freeze(self) -> FlowGraph:
        """The graph as it stands."""
        edges = [
            Edge(source, target, label, carry) for target, row in self.rows.items() for source, label, carry in row
        ]
        edges.sort(key=_edge_order)
        vertices = sorted(self.vertices.values(), key=lambda v: (v.time, v.register))
        ends = tuple(self.inputs), tuple(self.outputs)
        return FlowGraph(self.algebra, tuple(vertices), tuple(edges), *ends, tuple(self.bundles))

    # -- primitives -------------------------------------------------------------------------------------------------

    def add_vertex(self, vertex: Vertex) -> None:
        """Add a vertex with no edges."""
        place = (vertex.register, vertex.time)
        if place in self.vertices:
            raise GraphError("two vertices would have the same place", where=vertex.name)
        self._journal.setdefault(place, None)
        self.vertices[place] = vertex
        self.rows[place] = ()
        self.readers[place] = {}

    def remove_vertex(self, place: VertexId) -> None:
        """Remove a vertex that nothing reads and that is neither input nor output."""
        if self.readers[place] or place in self.input_places or place in self.output_places:
            raise GraphError("a vertex that is in use would be removed", where=self.vertices[place].name)
        self.set_row(place, ())
        del self.vertices[place], self.rows[place], self.readers[place]

    def rename(self, place: VertexId, name: str) -> None:
        """Give a vertex another name."""
        self.vertices[place] = replace(self.vertices[place], name=name)

    def add_bundle(self, bundle: Bundle) -> None:
        """Say that the edges between some vertices carry a matrix together."""
        self.bundles.append(bundle)
        for target in bundle.targets:
            self._bundled[target] = self._bundled.get(target, 0) + 1

    def is_bundled(self, place: VertexId) -> bool:
        """Whether a bundle ends at a vertex."""
        return place in self._bundled

    def remove_bundle(self, bundle: Bundle) -> None:
        """Leave the edges of a bundle as they are, each for itself."""
        self.bundles.remove(bundle)
        for target in bundle.targets:
            self._bundled[target] -= 1
            if not self._bundled[target]:
                del self._bundled[target]

    def set_row(self, place: VertexId, row: tuple[RowEntry, ...]) -> None:
        """Replace all edges into a vertex. A bundle that ends there is no bundle any more."""
        if place in self._bundled:
            for bundle in [bundle for bundle in self.bundles if place in bundle.targets]:
                self.remove_bundle(bundle)
        if place not in self._journal:
            self._journal[place] = self._sparse(place)
        for source, _, _ in self.rows[place]:
            count = self.readers[source]
            count[place] -= 1
            if not count[place]:
                del count[place]
        for source, _, _ in row:
            count = self.readers[source]
            count[place] = count.get(place, 0) + 1
        self.rows[place] = row

    def add_input(self, place: VertexId) -> None:
        """Make a vertex the next input."""
        if place not in self._journal:
            self._journal[place] = self._sparse(place)
        self.input_places.setdefault(place, []).append(len(self.inputs))
        self.inputs.append(place)

    def add_output(self, place: VertexId) -> None:
        """Make a vertex the next output."""
        self._journal.setdefault(("output", len(self.outputs)), None)
        self.output_places.setdefault(place, []).append(len(self.outputs))
        self.outputs.append(place)

    def move_outputs(self, old: VertexId, new: VertexId) -> None:
        """Let every output that reads ``old`` read ``new``."""
        for index in self.output_places.pop(old, ()):
            self._journal.setdefault(("output", index), ((old, self.algebra.one),))
            self.outputs[index] = new
            self.output_places.setdefault(new, []).append(index)

    def replace_source(self, old: VertexId, new: VertexId) -> None:
        """Let every vertex and output that reads ``old`` read ``new``, with the same labels."""
        for target in tuple(self.readers[old]):
            self.set_row(
                target,
                tuple((new if source == old else source, label, carry) for source, label, carry in self.rows[target]),
            )
        self.move_outputs(old, new)

    def turn_round(self) -> None:
        """Turn every edge round, and swap inputs and outputs."""
        rows: dict[VertexId, list[RowEntry]] = {place: [] for place in self.rows}
        for target, row in self.rows.items():
            for source, label, carry in row:
                rows[source].append((target, label, carry))
        self.rows = {place: tuple(row) for place, row in rows.items()}
        self.readers = {place: {} for place in rows}
        for target, row in self.rows.items():
            for source, _, _ in row:
                self.readers[source][target] = self.readers[source].get(target, 0) + 1
        self.inputs, self.outputs = self.outputs, self.inputs
        self.input_places, self.output_places = self.output_places, self.input_places
        turned = [replace(bundle, sources=bundle.targets, targets=bundle.sources) for bundle in self.bundles]
        self.bundles, self._bundled = [], {}
        for bundle in turned:
            self.add_bundle(bundle)
        self.forget()

    # -- the journal ------------------------------------------------------------------------------------------------

    def _sparse(self, place: VertexId) -> SparseRow:
        row = tuple([(source, label) for source, label, _ in self.rows[place]])
        if place not in self.input_places:
            return row
        return (*((("input", index), self.algebra.one) for index in self.input_places[place]), *row)

    def forget(self) -> None:
        """Start a new journal."""
        self._journal = {}

    def delta(self) -> Delta:
        """What changed since the journal was last started."""
        before: dict[Key, SparseRow] = {}
        after: dict[Key, SparseRow] = {}
        hidden: list[Any] = []
        for key, old in self._journal.items():
            if old is not None:
                before[key] = old
            if isinstance(key[0], str):
                after[key] = ((self.outputs[key[1]], self.algebra.one),)
                continue
            if key in self.rows:
                after[key] = self._sparse(key)  # pyright: ignore[reportArgumentType]
            if not self._unchanged_readers(key):
                hidden.append(key)
        return Delta(self.algebra, before, after, frozenset(hidden), self._unchanged_readers)

    def _unchanged_readers(self, place: Any) -> int:
        if place not in self.readers:
            return 0
        journal = self._journal
        count = 0
        for target in self.readers[place]:
            count += target not in journal
        for index in self.output_places.get(place, ()):
            count += ("output", index) not in journal
        return count
