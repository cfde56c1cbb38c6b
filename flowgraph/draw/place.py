"""Where labels stand: beside their edges, clear of everything that is already on the page.

The page is divided into cells, so a candidate is held only against what lies near it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from flowgraph.draw.curves import along, boxes_meet, circle_meets, flatten, grown, segment_meets
from flowgraph.draw.scene import Box, Circle, Point

_CELL = 28.0

_MIDDLE = (0.5, 0.44, 0.56, 0.38, 0.62, 0.32, 0.68)
_ENDS = (0.26, 0.74, 0.2, 0.8)
"""Where along its edge a label may stand, best first: its middle, or near an end."""

_GAPS = (1.8, 2.8, 5.5)
"""How far from its edge a label may stand, in points."""

_COMFORTABLE, _CLOSE, _CLOSEST = 2.4, 1.6, 1.0
"""How far a label stays from everything else."""

_APART = 3.0
"""How many times farther it stays from other labels, lest 1 beside −d/c read as 1 − d/c."""


class Page:
    """What is already drawn, by cell."""

    def __init__(self) -> None:
        self._segments: dict[tuple[int, int], list[tuple[Point, Point]]] = {}
        self._boxes: dict[tuple[int, int], list[Box]] = {}
        self._circles: dict[tuple[int, int], list[Circle]] = {}

    def add_path(self, points: Sequence[Point]) -> None:
        """Add a chain of straight segments."""
        for p, q in pairwise(points):
            pieces = max(1, math.ceil(min(abs(q[0] - p[0]), abs(q[1] - p[1])) / _CELL))
            for k in range(pieces):
                a, b = along(p, q, k / pieces), along(p, q, (k + 1) / pieces)
                box = (min(a[0], b[0]), min(a[1], b[1]), max(a[0], b[0]), max(a[1], b[1]))
                for cell in _cells(box):
                    self._segments.setdefault(cell, []).append((a, b))

    def add_box(self, box: Box) -> None:
        """Add a rectangle, such as that of a label."""
        for cell in _cells(box):
            self._boxes.setdefault(cell, []).append(box)

    def add_circle(self, circle: Circle) -> None:
        """Add the outline of a vertex with what is inside."""
        for cell in _cells(circle.box):
            self._circles.setdefault(cell, []).append(circle)

    def is_free(self, box: Box, clearance: float) -> bool:
        """Whether nothing on the page is nearer to a box than ``clearance``."""
        wide, box = grown(box, _APART * clearance), grown(box, clearance)
        for cell in _cells(wide):
            for other in self._boxes.get(cell, ()):
                if boxes_meet(wide, other):
                    return False
        for cell in _cells(box):
            for circle in self._circles.get(cell, ()):
                if circle_meets(box, circle):
                    return False
            for p, q in self._segments.get(cell, ()):
                if segment_meets(box, p, q):
                    return False
        return True


def _cells(box: Box) -> Iterator[tuple[int, int]]:
    left, right = math.floor(box[0] / _CELL), math.floor(box[2] / _CELL)
    top, bottom = math.floor(box[1] / _CELL), math.floor(box[3] / _CELL)
    if left == right and top == bottom:
        return iter(((left, top),))
    return ((x, y) for x in range(left, right + 1) for y in range(top, bottom + 1))


def _beside(
    path: Sequence[Point], places: Sequence[float], width: float, height: float, outward: float
) -> Iterator[Point]:
    """Centres for a label of a given size beside a path, best first.

    Args:
        path: two points of a straight line, or a chain of cubics.
        places: where along it, as parts of its length.
        width: of the label.
        height: of the label.
        outward: the x direction to prefer for steep paths, +1 for right or −1 for left.
    """
    points = flatten(path)
    lengths = [math.dist(p, q) for p, q in pairwise(points)]
    total = sum(lengths)
    for gap in _GAPS:
        for part in places:
            rest = part * total
            index = 0
            while index < len(lengths) - 1 and rest > lengths[index]:
                rest -= lengths[index]
                index += 1
            p, q = points[index], points[index + 1]
            length = lengths[index] or 1.0
            x, y = along(p, q, rest / length)
            nx, ny = -(q[1] - p[1]) / length, (q[0] - p[0]) / length
            # The preferred side first: outward for steep paths, above for level ones.
            if (nx * outward < -1e-9) if abs(nx) > 0.3 else ny > 0:
                nx, ny = -nx, -ny
            reach = abs(nx) * width / 2 + abs(ny) * height / 2 + gap
            yield (x + nx * reach, y + ny * reach)
            yield (x - nx * reach, y - ny * reach)


def _around(circle: Circle, width: float, height: float, outward: float) -> Iterator[Point]:
    """Centres for a note beside a vertex, best first: on the outer side, then elsewhere around."""
    x, y = circle.centre
    for gap in _GAPS:
        dx = circle.stretch + circle.radius + width / 2 + gap
        dy = circle.radius + height / 2 + gap
        for side in (outward, -outward):
            yield (x + side * dx, y)
            yield (x + side * dx * 0.8, y - dy * 0.7)
            yield (x + side * dx * 0.8, y + dy * 0.7)


class _Candidates:
    """Candidates that are computed when they are first looked at, and kept for a closer look."""

    def __init__(self, points: Iterator[Point]) -> None:
        self._points = points
        self._seen: list[Point] = []

    def __iter__(self) -> Iterator[Point]:
        yield from self._seen
        for point in self._points:
            self._seen.append(point)
            yield point


def _first_free(page: Page, candidates: _Candidates, width: float, height: float, clearance: float) -> Point | None:
    for x, y in candidates:
        if page.is_free((x - width / 2, y - height / 2, x + width / 2, y + height / 2), clearance):
            return (x, y)
    return None


def place_beside(page: Page, path: Sequence[Point], width: float, height: float, outward: float) -> Point | None:
    """The centre of a label beside its edge, clear of the page; None where there is no room.

    Args:
        page: what is already drawn.
        path: two points of a straight line, or a chain of cubics.
        width: of the label.
        height: of the label.
        outward: the x direction to prefer for steep paths, +1 for right or −1 for left.
    """
    middle = _Candidates(_beside(path, _MIDDLE, width, height, outward))
    ends = _Candidates(_beside(path, _ENDS, width, height, outward))
    for candidates, clearance in (
        (middle, _COMFORTABLE),
        (middle, _CLOSE),
        (ends, _COMFORTABLE),
        (ends, _CLOSE),
        (middle, _CLOSEST),
        (ends, _CLOSEST),
    ):
        centre = _first_free(page, candidates, width, height, clearance)
        if centre is not None:
            return centre
    return None


def place_around(page: Page, circle: Circle, width: float, height: float, outward: float) -> Point | None:
    """The centre of a note beside a vertex, clear of the page; None where there is no room."""
    candidates = _Candidates(_around(circle, width, height, outward))
    for clearance in (_COMFORTABLE, _CLOSE, _CLOSEST):
        centre = _first_free(page, candidates, width, height, clearance)
        if centre is not None:
            return centre
    return None
