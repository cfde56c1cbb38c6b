"""Plane geometry of drawings: Bézier curves, outlines of vertices, boxes, arrowheads."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

from flowgraph.draw.scene import Box, Circle, Curve, Line, Point

HEAD_LENGTH = 4.2
"""Length of an arrowhead, in points."""

HEAD_WIDTH = 3.0
"""Width of an arrowhead, in points."""

_NOTCH = 0.75
"""How far back along the head its rear notch lies, as a part of its length."""


def along(p: Point, q: Point, t: float) -> Point:
    """The point p + t(q − p)."""
    return (p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1]))


def bezier(points: Sequence[Point], t: float) -> Point:
    """The point of one cubic Bézier curve at t in [0, 1]."""
    a, b, c, d = points
    s = 1.0 - t
    wa, wb, wc, wd = s * s * s, 3 * s * s * t, 3 * s * t * t, t * t * t
    return (wa * a[0] + wb * b[0] + wc * c[0] + wd * d[0], wa * a[1] + wb * b[1] + wc * c[1] + wd * d[1])


def split(points: Sequence[Point], t: float) -> tuple[tuple[Point, ...], tuple[Point, ...]]:
    """One cubic cut in two at t, by de Casteljau's construction."""
    a, b, c, d = points
    ab, bc, cd = along(a, b, t), along(b, c, t), along(c, d, t)
    abc, bcd = along(ab, bc, t), along(bc, cd, t)
    middle = along(abc, bcd, t)
    return (a, ab, abc, middle), (middle, bcd, cd, d)


def _steps(points: Sequence[Point], spacing: float) -> int:
    if points[0][0] == points[1][0] == points[2][0] == points[3][0]:
        return 1
    length = sum(math.dist(p, q) for p, q in pairwise(points))
    return max(4, math.ceil(length / spacing))


def polyline(item: Line | Curve, spacing: float = 5.0) -> list[Point]:
    """Points along a line or curve, close enough to stand for it."""
    if isinstance(item, Line):
        return [item.start, item.end]
    return flatten(item.points, spacing)


def flatten(points: Sequence[Point], spacing: float = 5.0) -> list[Point]:
    """Points along a chain of cubics (or along the two ends of a straight line)."""
    if len(points) == 2:
        return list(points)
    result = [points[0]]
    for first in range(0, len(points) - 1, 3):
        piece = points[first : first + 4]
        steps = _steps(piece, spacing)
        result += [bezier(piece, k / steps) for k in range(1, steps + 1)]
    return result


def distance(circle: Circle, p: Point) -> float:
    """The signed distance of a point from an outline, negative inside."""
    dx = max(0.0, abs(p[0] - circle.centre[0]) - circle.stretch)
    return math.hypot(dx, p[1] - circle.centre[1]) - circle.radius


def _crossing(outside: Callable[[float], bool], inner: float, outer: float) -> float:
    for _ in range(26):
        middle = (inner + outer) / 2
        if outside(middle):
            outer = middle
        else:
            inner = middle
    return outer


def clip(points: Sequence[Point], source: Circle, target: Circle) -> tuple[Point, ...]:
    """A path from centre to centre, cut so that it starts on the outline of the source and ends on that of the target.

    Args:
        points: two points for a straight line, 3k + 1 for a chain of cubics.
        source: outline around the first point.
        target: outline around the last point.
    """
    if len(points) == 2:
        p, q = points
        return along(p, q, leaving(source, p, q)), along(q, p, leaving(target, q, p))
    turned = tuple(reversed(_clip_start(tuple(points), source)))
    return tuple(reversed(_clip_start(turned, target)))


def leaving(circle: Circle, p: Point, q: Point) -> float:
    """Where on the segment from the centre p to q the outline is."""
    if not circle.stretch:
        return circle.radius / math.dist(p, q)
    return _crossing(lambda t: distance(circle, along(p, q, t)) > 0, 0.0, 1.0)


def _clip_start(points: tuple[Point, ...], circle: Circle) -> tuple[Point, ...]:
    steps = 16
    for first in range(0, len(points) - 1, 3):
        piece = points[first : first + 4]
        inside = [k for k in range(steps + 1) if distance(circle, bezier(piece, k / steps)) <= 0]
        if len(inside) == steps + 1:
            continue
        if not inside:
            return points[first:]
        cut = _crossing(
            lambda t, piece=piece: distance(circle, bezier(piece, t)) > 0, inside[-1] / steps, (inside[-1] + 1) / steps
        )
        return (*split(piece, cut)[1], *points[first + 4 :])
    return points


def head(item: Line | Curve) -> tuple[Point, Point, Point, Point]:
    """The arrowhead of a line or curve: tip, one barb, rear notch, the other barb."""
    if isinstance(item, Line):
        tip, back = item.end, item.start
    else:
        # The chord over the head's own length, so that the head lies on a curve that bends beneath it.
        tip = item.points[-1]
        piece = item.points[-4:]
        back = next(
            (p for p in (bezier(piece, 1 - k / 32) for k in range(1, 33)) if math.dist(p, tip) >= HEAD_LENGTH * 0.8),
            piece[0],
        )
    length = math.dist(tip, back) or 1.0
    ux, uy = (back[0] - tip[0]) / length, (back[1] - tip[1]) / length
    bx, by = tip[0] + ux * HEAD_LENGTH, tip[1] + uy * HEAD_LENGTH
    half = HEAD_WIDTH / 2
    notch = (tip[0] + ux * HEAD_LENGTH * _NOTCH, tip[1] + uy * HEAD_LENGTH * _NOTCH)
    return tip, (bx - uy * half, by + ux * half), notch, (bx + uy * half, by - ux * half)


def shaft(item: Line | Curve) -> tuple[Point, ...]:
    """The points of the stroke: the line or curve, without the part that its arrowhead covers."""
    points = (item.start, item.end) if isinstance(item, Line) else item.points
    if not item.arrow:
        return points
    notch = head(item)[2]
    if isinstance(item, Line):
        return (item.start, notch)
    tip = points[-1]
    piece = points[-4:]
    covered = HEAD_LENGTH * _NOTCH
    if math.dist(piece[0], tip) <= covered:
        return points
    cut = _crossing(lambda t: math.dist(bezier(piece, t), tip) > covered, 1.0, 0.0)
    return (*points[:-4], *split(piece, cut)[0])


def grown(box: Box, by: float) -> Box:
    """A box made larger on every side."""
    return (box[0] - by, box[1] - by, box[2] + by, box[3] + by)


def boxes_meet(a: Box, b: Box) -> bool:
    """Whether two boxes have a point in common."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def segment_meets(box: Box, p: Point, q: Point) -> bool:
    """Whether the segment from p to q has a point in a box (slab method)."""
    enter, leave = 0.0, 1.0
    for axis in (0, 1):
        start, step = p[axis], q[axis] - p[axis]
        low, high = box[axis], box[axis + 2]
        if abs(step) < 1e-12:
            if start <= low or start >= high:
                return False
            continue
        near, far = (low - start) / step, (high - start) / step
        if near > far:
            near, far = far, near
        enter, leave = max(enter, near), min(leave, far)
        if enter >= leave:
            return False
    return True


def circle_meets(box: Box, circle: Circle) -> bool:
    """Whether a box has a point inside an outline."""
    x, y = circle.centre
    left, right = x - circle.stretch, x + circle.stretch
    dx = max(0.0, box[0] - right, left - box[2])
    dy = max(0.0, box[1] - y, y - box[3])
    return math.hypot(dx, dy) < circle.radius


def rounded_hull(centres: Sequence[Point], reach: float) -> tuple[Point, ...]:
    """The closed chain of cubics at a distance around the convex hull of some points.

    Example:
        >>> points = rounded_hull([(0.0, 0.0), (4.0, 0.0)], 1.0)
        >>> points[0] == points[-1], round(max(x for x, _ in points), 6)
        (True, 5.0)
    """
    corners = _hull(centres)
    points: list[Point] = []
    for k, corner in enumerate(corners):
        start, end = _direction(corners[k - 1], corner), _direction(corner, corners[(k + 1) % len(corners)])
        turn = (end - start) % math.tau if len(corners) > 1 else math.tau
        pieces = math.ceil(turn / (math.pi / 2) - 1e-9)
        for piece in range(pieces):
            first = start - math.pi / 2 + turn * piece / pieces
            arc = _arc(corner, reach, first, turn / pieces)
            if points and piece == 0:
                points += _straight(points[-1], arc[0])
            points += arc[1:] if points else arc
    return (*points, *_straight(points[-1], points[0])) if len(corners) > 1 else (*points[:-1], points[0])


def _hull(centres: Sequence[Point]) -> list[Point]:
    """The corners of the convex hull, with growing angles (Andrew's monotone chain)."""
    points = sorted(set(centres))
    if len(points) == 1:
        return points
    chains: list[list[Point]] = []
    for ordered in (points, points[::-1]):
        chain: list[Point] = []
        for p in ordered:
            while len(chain) > 1 and _cross(chain[-2], chain[-1], p) <= 0:
                chain.pop()
            chain.append(p)
        chains.append(chain[:-1])
    return chains[0] + chains[1]


def _cross(o: Point, p: Point, q: Point) -> float:
    return (p[0] - o[0]) * (q[1] - o[1]) - (p[1] - o[1]) * (q[0] - o[0])


def _direction(p: Point, q: Point) -> float:
    return math.atan2(q[1] - p[1], q[0] - p[0])


def _straight(p: Point, q: Point) -> list[Point]:
    return [along(p, q, 1 / 3), along(p, q, 2 / 3), q]


def _arc(centre: Point, radius: float, start: float, turn: float) -> list[Point]:
    """Four control points of an arc of at most a quarter of a circle."""
    lean = 4 / 3 * math.tan(turn / 4)
    ux, uy = math.cos(start), math.sin(start)
    vx, vy = math.cos(start + turn), math.sin(start + turn)
    offsets = ((ux, uy), (ux - lean * uy, uy + lean * ux), (vx + lean * vy, vy - lean * vx), (vx, vy))
    return [(centre[0] + radius * x, centre[1] + radius * y) for x, y in offsets]
