"""Paths of edges on the grid of registers and times: straight where nothing is in the way, bent where something is.

A value keeps its register to itself while it lives, so the column below it is free until its last reader. A long edge
runs down beside that column and crosses over in the last gap; no search over the drawing is needed, and the cost of an
edge is proportional to its length.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from flowgraph.draw.curves import distance, flatten
from flowgraph.draw.scene import Circle, Point

Place = tuple[int, int]
"""(column, row), both counted from 0 on the drawing."""

_CLEAR = 2.5
"""How far an edge stays away from the outlines of vertices it does not touch."""

_LONG = 4
"""Edges over this many rows or more run beside a column rather than straight."""


@dataclass(frozen=True, slots=True)
class Route:
    """The path of an edge from centre to centre.

    Attributes:
        points: two points for a straight line, 3k + 1 for a chain of cubics.
        near: the part of it, as points of the same kind, beside which its label may stand.
    """

    points: tuple[Point, ...]
    near: tuple[Point, ...]


class Router:
    """Finds paths between the vertices of one drawing.

    Args:
        circles: the outline of each vertex, by (column, row).
        xs: the x of each column, ascending.
        ys: the y of each row, ascending.
    """

    def __init__(self, circles: Mapping[Place, Circle], xs: Sequence[float], ys: Sequence[float]) -> None:
        self._circles = circles
        self._xs = xs
        self._ys = ys
        self._in_row: dict[int, list[int]] = {}
        self._in_column: dict[int, list[int]] = {}
        for column, row in sorted(circles):
            self._in_row.setdefault(row, []).append(column)
            self._in_column.setdefault(column, []).append(row)
        widest: dict[int, float] = {}
        for (column, _), circle in circles.items():
            widest[column] = max(widest.get(column, 0.0), circle.stretch + circle.radius)
        self._half_width = widest

    def route(self, source: Place, target: Place, twin: int = 0) -> Route:
        """The path of an edge.

        Args:
            source: place of the vertex it leaves.
            target: place of the vertex it enters.
            twin: how many edges between the same two vertices came before this one.
        """
        paths = self._paths(source, target)
        if twin:
            paths = (self._bow(source, target, 14.0 * twin), *paths)
        first: Route | None = None
        for path in paths:
            if self._clear(path.points, source, target):
                return path
            first = first or path
        if first is None:
            raise AssertionError("every edge has a candidate path")
        return first

    def _centre(self, place: Place) -> Point:
        return (self._xs[place[0]], self._ys[place[1]])

    def _paths(self, source: Place, target: Place) -> Iterator[Route]:
        rows = abs(target[1] - source[1])
        if rows == 0:
            yield from self._within_row(source, target)
        elif source[0] == target[0]:
            yield from self._within_column(source, target)
        elif rows == 1:
            yield self._straight(source, target)
            yield from (self._swung(source, target, part) for part in (0.35, 0.5, 0.65, 0.8, 0.95))
        elif rows < _LONG:
            yield self._straight(source, target)
            yield from (self._bow(source, target, height) for height in (12.0, -12.0, 20.0, -20.0))
            yield from self._beside(source, target)
        else:
            yield from self._beside(source, target)
            yield self._straight(source, target)

    def _straight(self, source: Place, target: Place) -> Route:
        points = (self._centre(source), self._centre(target))
        return Route(points, points)

    def _within_row(self, source: Place, target: Place) -> Iterator[Route]:
        columns = self._in_row[source[1]]
        low, high = sorted((source[0], target[0]))
        if bisect_left(columns, high) - bisect_right(columns, low) == 0:
            yield self._straight(source, target)
        (x0, y0), (x1, _) = self._centre(source), self._centre(target)
        lean = max(-16.0, min(16.0, (x1 - x0) / 4))
        # Longer arcs swing wider, so that those of one row lie inside each other.
        least = 16.0 + min(14.0, 2.2 * max(0, high - low - 2))
        for height in (least, -least, least + 3.0, -least - 3.0, least + 7.0, -least - 7.0, least + 12.0):
            points = ((x0, y0), (x0 + lean, y0 + height * 4 / 3), (x1 - lean, y0 + height * 4 / 3), (x1, y0))
            yield Route(points, points)

    def _within_column(self, source: Place, target: Place) -> Iterator[Route]:
        rows = self._in_column[source[0]]
        low, high = sorted((source[1], target[1]))
        if bisect_left(rows, high) - bisect_right(rows, low) == 0:
            yield self._straight(source, target)
        else:
            yield from self._beside(source, target)

    def _swung(self, source: Place, target: Place, part: float) -> Route:
        """An S from one row to the next, steep at both ends, level in the middle."""
        (x0, y0), (x1, y1) = self._centre(source), self._centre(target)
        lean = 9.0 if x1 > x0 else -9.0
        points = ((x0, y0), (x0 + lean, y0 + part * (y1 - y0)), (x1 - lean, y1 - part * (y1 - y0)), (x1, y1))
        return Route(points, points)

    def _bow(self, source: Place, target: Place, height: float) -> Route:
        (x0, y0), (x1, y1) = self._centre(source), self._centre(target)
        dx, dy = x1 - x0, y1 - y0
        length = (dx * dx + dy * dy) ** 0.5
        nx, ny = -dy / length * height * 4 / 3, dx / length * height * 4 / 3
        points = (
            (x0, y0),
            (x0 + dx / 4 + nx, y0 + dy / 4 + ny),
            (x1 - dx / 4 + nx, y1 - dy / 4 + ny),
            (x1, y1),
        )
        return Route(points, points)

    def _beside(self, source: Place, target: Place) -> Iterator[Route]:
        """Along the column of the upper end, on the side of the lower end, then across in the last gap."""
        downward = target[1] > source[1]
        upper, lower = (source, target) if downward else (target, source)
        side = 1.0 if lower[0] >= upper[0] else -1.0
        (xu, yu), (xl, yl) = self._centre(upper), self._centre(lower)
        # Edges that leave the upper end and edges that come up to it keep to lanes of their own.
        lane = self._half_width[upper[0]] + (3.0 if downward else 6.5)
        above, below = self._ys[upper[1] + 1] - yu, yl - self._ys[lower[1] - 1]
        for sign in (side, -side):
            x = xu + sign * lane
            enter, leave = yu + 0.75 * above, yl - 0.95 * below
            turn = (
                (xu, yu),
                (xu + sign * lane * 0.8, yu + 0.2 * above),
                (x, yu + 0.4 * above),
                (x, enter),
            )
            across = ((x, leave), (x, leave + 0.45 * below), (xl - sign * 9.0, yl - 0.5 * below), (xl, yl))
            if leave > enter:
                middle = ((x, enter + (leave - enter) / 3), (x, enter + (leave - enter) * 2 / 3), (x, leave))
            else:
                across = ((x, enter), *across[1:])
                middle = ()
            points = (*turn, *middle, *across[1:])
            near = across
            yield Route(points, near) if downward else Route(tuple(reversed(points)), tuple(reversed(near)))

    def _clear(self, points: Sequence[Point], source: Place, target: Place) -> bool:
        xs, ys = self._xs, self._ys
        if len(points) == 2:
            (x0, y0), (x1, y1) = points
            if x0 == x1 or y0 == y1:
                return True
            count = int(max(abs(x1 - x0), abs(y1 - y0)) / 5) + 1
            samples = [(x0 + (x1 - x0) * k / count, y0 + (y1 - y0) * k / count) for k in range(1, count)]
        else:
            samples = flatten(points)
        for p in samples:
            row = _nearest(ys, p[1])
            right = bisect_left(xs, p[0])
            # The outline of a long name may reach past the middle between two columns, never to the next one.
            for column in (right - 1, right):
                circle = self._circles.get((column, row))
                if circle is None or (column, row) == source or (column, row) == target:
                    continue
                if distance(circle, p) < _CLEAR:
                    return False
        return True


def _nearest(values: Sequence[float], x: float) -> int:
    after = bisect_left(values, x)
    if after == 0:
        return 0
    if after == len(values):
        return after - 1
    return after if values[after] - x < x - values[after - 1] else after - 1
