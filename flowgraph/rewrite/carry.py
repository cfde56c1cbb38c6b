"""Rule 1: carry a live value forward, row by row, until it is read for the last time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import final

from flowgraph.errors import NotApplicable
from flowgraph.graph import Vertex, VertexId, Workspace
from flowgraph.rewrite.engine import Effect, Rule, Site


@final
class Carry(Rule):
    """Carry a live variable: give value v a vertex in every row from its birth to the row before its last reader.

    Outputs are carried to the last row. Each reader then reads the copy in the row just above it, so that all edges
    lead from one row to the next: the graph becomes *layered*.

    Site: (v,), the vertex where the value is born.

    Args:
        sparse: give the value a vertex only in the rows of the readers that it outlives, and let a carry edge span the
            rows between. The later rules act in the same way, and the graph has O(T) vertices instead of O(nT).
    """

    name = "carry"
    title = "Carry a live variable"
    tooltip = "Copy a value from row to row until its last reader, so that every edge spans one time step."
    reference = "arXiv:2411.18786, Fig. 3 (a) to (b); layered graphs: Naumann"
    effect = Effect.KEEPS

    def __init__(self, sparse: bool = False) -> None:
        self.sparse = sparse

    def sites(self, work: Workspace) -> tuple[Site, ...]:
        last = _last_row(work)
        return tuple(
            Site((place,))
            for place in _in_order(work)
            if (rows := self._rows(work, place, last)) and not _taken(work, place[0], rows)
        )

    def run(self, work: Workspace) -> Iterator[Site]:
        last = _last_row(work)
        for place in _in_order(work):
            if self._rows(work, place, last):
                self._carry(work, place, last)
                yield Site((place,))

    def rewrite(self, work: Workspace, site: Site) -> None:
        (place,) = site.places(1)
        if place not in work.vertices:
            raise NotApplicable("there is no vertex at the site", where=str(place))
        # Only outputs are carried to the last row of the graph, which has to be looked for.
        self._carry(work, place, _last_row(work) if place in work.output_places else place[1])

    def _rows(self, work: Workspace, place: VertexId, last: int) -> list[int]:
        """The rows in which the value needs a copy; ``last`` is the last row of the graph."""
        birth = place[1]
        read_at = sorted(time for _, time in work.readers[place])
        if read_at and read_at[0] <= birth:
            return []
        end = last if place in work.output_places else (read_at[-1] - 1 if read_at else birth)
        if not self.sparse:
            return list(range(birth + 1, end + 1))
        return [row for row in read_at if row <= end]

    def _carry(self, work: Workspace, place: VertexId, last: int) -> None:
        rows = self._rows(work, place, last)
        if not rows:
            raise NotApplicable("no reader of the value is more than one row below it", where=work.vertices[place].name)
        register = place[0]
        if taken := _taken(work, register, rows):
            raise NotApplicable(
                "another vertex stands where the copy would go", where=f"{work.vertices[place].name}, row {taken[0]}"
            )
        value = work.vertices[place].value
        one = work.algebra.one
        readers = tuple(work.readers[place])
        previous = place
        for row in rows:
            copy = (register, row)
            work.add_vertex(Vertex(register, row, f"{value}@{row}", value))
            work.set_row(copy, ((previous, one, True),))
            previous = copy
        for target in readers:
            above = bisect_left(rows, target[1])
            if above:
                source = (register, rows[above - 1])
                work.set_row(
                    target, tuple((source if s == place else s, label, carry) for s, label, carry in work.rows[target])
                )
        work.move_outputs(place, previous)


def _in_order(work: Workspace) -> list[VertexId]:
    return sorted(work.vertices, key=lambda place: (place[1], place[0]))


def _taken(work: Workspace, register: int, rows: list[int]) -> list[int]:
    return [row for row in rows if (register, row) in work.vertices]


def _last_row(work: Workspace) -> int:
    return max((time for _, time in work.vertices), default=0)
