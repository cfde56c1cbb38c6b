"""Scenes as JSON for a front end that draws them without a font: every text is an outline, kept once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flowgraph.draw.scene import Circle, Curve, Label, Line, Scene
from flowgraph.draw.svg import contours
from flowgraph.draw.text import measure, outline

GLYPH_SIZE = 10.0
"""The font size at which outlines are given."""


def scene_json(scene: Scene) -> dict[str, Any]:
    """A scene as JSON: lengths in points, y downward; ``glyphs`` holds the outline of every text.

    Example:
        >>> from flowgraph.draw.text import write
        >>> data = scene_json(Scene(20, 10, labels=(write("$x$", (5, 8), 8.0),)))
        >>> data["labels"][0]["text"], sorted(data["glyphs"]["$x$"])
        ('$x$', ['bottom', 'd', 'left', 'right', 'top'])
    """
    return {
        "width": _round(scene.width),
        "height": _round(scene.height),
        "title": scene.title,
        "glyphs": _glyphs(label.text for label in scene.labels),
        "bands": [{"box": _all(item.box), "ink": str(item.ink), "key": item.key} for item in scene.bands],
        "lines": [_line(item) for item in scene.lines],
        "curves": [_curve(item) for item in scene.curves],
        "circles": [_circle(item) for item in scene.circles],
        "labels": [_label(item) for item in scene.labels],
    }


def _round(x: float) -> float:
    return round(float(x), 2)


def _all(numbers: Iterable[float]) -> list[float]:
    return [_round(x) for x in numbers]


def _glyphs(texts: Iterable[str]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for text in texts:
        if text not in found:
            extent = measure(text, GLYPH_SIZE)
            found[text] = {
                "d": contours(outline(text)),
                "left": _round(extent.left),
                "top": _round(extent.top),
                "right": _round(extent.right),
                "bottom": _round(extent.bottom),
            }
    return found


def _stroke(item: Line | Curve | Circle) -> dict[str, Any]:
    return {"ink": str(item.ink), "width": item.width, "key": item.key}


def _line(item: Line) -> dict[str, Any]:
    (x1, y1), (x2, y2) = item.start, item.end
    ends = {"x1": _round(x1), "y1": _round(y1), "x2": _round(x2), "y2": _round(y2)}
    return {**ends, "arrow": item.arrow, **_stroke(item)}


def _curve(item: Curve) -> dict[str, Any]:
    return {"points": [_all(point) for point in item.points], "arrow": item.arrow, **_stroke(item)}


def _circle(item: Circle) -> dict[str, Any]:
    return {
        "cx": _round(item.centre[0]),
        "cy": _round(item.centre[1]),
        "r": _round(item.radius),
        "stretch": _round(item.stretch),
        "visible": item.visible,
        "filled": item.filled,
        **_stroke(item),
    }


def _label(item: Label) -> dict[str, Any]:
    # The box begins where the ink does, which may be right of where the baseline begins.
    return {
        "x": _round(item.box[0] - measure(item.text, item.size).left),
        "y": _round(item.position[1]),
        "text": item.text,
        "size": item.size,
        "ink": str(item.ink),
        "title": item.title,
        "host": item.host,
    }
