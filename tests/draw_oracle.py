"""What is wrong with a drawing, by brute force: every label against everything else, every arrow against its ends.

Shares no code with the layout: curves are sampled here, and nothing is divided into cells.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowgraph.draw.scene import Circle, Curve, Line, Scene

_STEP = 0.4
_HEAD = 4.0


def _samples(item: Line | Curve) -> NDArray[np.float64]:
    points = np.array((item.start, item.end) if isinstance(item, Line) else item.points)
    if isinstance(item, Line):
        t = np.linspace(0, 1, 2 + int(np.hypot(*(points[1] - points[0])) / _STEP))[:, None]
        return points[0] * (1 - t) + points[1] * t
    parts = []
    for k in range(0, len(points) - 1, 3):
        p = points[k : k + 4]
        length = np.hypot(*np.diff(p, axis=0).T).sum()
        t = np.linspace(0, 1, 2 + int(length / _STEP))[:, None]
        parts.append((1 - t) ** 3 * p[0] + 3 * (1 - t) ** 2 * t * p[1] + 3 * (1 - t) * t**2 * p[2] + t**3 * p[3])
    return np.concatenate(parts)


def _with_head(item: Line | Curve) -> NDArray[np.float64]:
    path = _samples(item)
    if not item.arrow:
        return path
    tip = path[-1]
    near = path[np.hypot(*(path - tip).T) <= _HEAD]
    back = near[0] if len(near) > 1 else path[0]
    along = (back - tip) / max(np.hypot(*(back - tip)), 1e-9)
    across = np.array((-along[1], along[0]))
    s = np.linspace(0, 1, 12)[:, None]
    sides = [tip + s * _HEAD * along + sign * s * 1.4 * across for sign in (-1, 1)]
    return np.concatenate([path, *sides])


def _inside(points: NDArray[np.float64], box: tuple[float, float, float, float]) -> bool:
    x, y = points.T
    return bool(((x > box[0]) & (x < box[2]) & (y > box[1]) & (y < box[3])).any())


def _gap(circle: Circle, points: NDArray[np.float64]) -> NDArray[np.float64]:
    dx = np.maximum(0, np.abs(points[:, 0] - circle.centre[0]) - circle.stretch)
    return np.hypot(dx, points[:, 1] - circle.centre[1]) - circle.radius


def _box_points(box: tuple[float, float, float, float]) -> NDArray[np.float64]:
    x, y = np.meshgrid(np.linspace(box[0], box[2], 9), np.linspace(box[1], box[3], 9))
    return np.stack([x.ravel(), y.ravel()], axis=1)


def faults(scene: Scene) -> list[str]:
    """Everything that is wrong with a drawing, as sentences."""
    found: list[str] = []
    edges = [*scene.lines, *scene.curves]
    paths = [_with_head(item) for item in edges]
    boxes = np.array([label.box for label in scene.labels]).reshape(-1, 4)
    if len(boxes):
        left, top, right, bottom = boxes.T
        if left.min() < -0.01 or top.min() < -0.01 or right.max() > scene.width or bottom.max() > scene.height:
            found.append("a label reaches over the edge of the page")
        meet = (left[:, None] < right) & (left < right[:, None]) & (top[:, None] < bottom) & (top < bottom[:, None])
        for i, j in zip(*np.nonzero(np.triu(meet, 1)), strict=True):
            found.append(f"label {scene.labels[i].text} over label {scene.labels[j].text}")
    for item, path in zip(edges, paths, strict=True):
        x0, y0 = path.min(axis=0)
        x1, y1 = path.max(axis=0)
        near = (boxes[:, 0] < x1) & (boxes[:, 2] > x0) & (boxes[:, 1] < y1) & (boxes[:, 3] > y0)
        for k in np.flatnonzero(near):
            label = scene.labels[k]
            own = label.host and label.host in item.key.split(" -> ")
            if _inside(path, label.box) and not own:
                found.append(f"label {label.text} over edge {item.key}")
        if x0 < 0 or y0 < 0 or x1 > scene.width or y1 > scene.height:
            found.append(f"edge {item.key} reaches over the edge of the page")
    for label in scene.labels:
        points = _box_points(label.box)
        hosts = [circle for circle in scene.circles if label.host and circle.key == label.host]
        if label.host and not any((_gap(circle, points) < 0.01).all() for circle in hosts):
            found.append(f"name {label.text} sticks out of its outline")
        cx, cy = (label.box[0] + label.box[2]) / 2, (label.box[1] + label.box[3]) / 2
        reach = np.hypot(label.box[2] - label.box[0], label.box[3] - label.box[1])
        for circle in scene.circles:
            if circle.key and circle.key == label.host:
                continue
            if abs(circle.centre[0] - cx) + abs(circle.centre[1] - cy) > 2 * (reach + circle.radius + circle.stretch):
                continue
            if (_gap(circle, points) < 0).any():
                found.append(f"label {label.text} over vertex {circle.key or 'ghost'}")
    for band in scene.bands:
        left, top, right, bottom = band.box
        if left < -0.01 or top < -0.01 or right > scene.width + 0.01 or bottom > scene.height + 0.01:
            found.append(f"band {band.key} reaches over the edge of the page")
        for label in scene.labels:
            x0, y0, x1, y1 = label.box
            meets = x0 < right and x1 > left and y0 < bottom and y1 > top
            if meets and not (x0 >= left and x1 <= right and y0 >= top and y1 <= bottom):
                found.append(f"label {label.text} over the edge of band {band.key}")
    found += _ends(scene, edges)
    found += _crossed(scene, edges)
    return found


def _ends(scene: Scene, edges: list[Line | Curve]) -> list[str]:
    found = []
    outlines: dict[str, list[Circle]] = {}
    for circle in scene.circles:
        outlines.setdefault(circle.key, []).append(circle)
    for item in edges:
        if " -> " not in item.key:
            continue
        path = _samples(item)
        for name, end in zip(item.key.split(" -> "), (path[:1], path[-1:]), strict=True):
            if name in ("input", "output") and name not in outlines:
                continue
            if min(abs(float(_gap(circle, end)[0])) for circle in outlines[name]) > 0.01:
                found.append(f"edge {item.key} does not touch the outline of {name}")
    return found


def _crossed(scene: Scene, edges: list[Line | Curve]) -> list[str]:
    found = []
    circles = [circle for circle in scene.circles if circle.key]
    if not circles:
        return found
    boxes = np.array([circle.box for circle in circles])
    for item in edges:
        path = _samples(item)
        (x0, y0), (x1, y1) = path.min(axis=0), path.max(axis=0)
        near = (boxes[:, 0] < x1) & (boxes[:, 2] > x0) & (boxes[:, 1] < y1) & (boxes[:, 3] > y0)
        for k in np.flatnonzero(near):
            circle = circles[k]
            depth = float(_gap(circle, path).min())
            if depth < (-0.05 if circle.key in item.key.split(" -> ") else 0.0):
                found.append(f"edge {item.key} runs through vertex {circle.key}")
    return found
