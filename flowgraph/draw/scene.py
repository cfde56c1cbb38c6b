"""``Scene``: a drawing as data, in points, with y downward as time is. Layout makes it, writers read it, nothing else.

A writer needs no knowledge of graphs: it draws lines, curves, circles and labels in the order given here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

Point = tuple[float, float]
"""(x, y) in points (1/72 inch), y downward."""

Box = tuple[float, float, float, float]
"""(left, top, right, bottom)."""


class Ink(StrEnum):
    """The four greys of a drawing, from dark to light."""

    INK = "ink"
    MUTED = "muted"
    GHOST = "ghost"
    PALE = "pale"
    """For areas behind everything else."""


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line.

    Attributes:
        start: where it begins.
        end: where it ends, and the tip of its arrowhead if it has one.
        arrow: whether it has an arrowhead at its end.
        ink: its grey.
        width: of the stroke.
        key: what it stands for, such as ``"x1 -> z1"``; empty where it stands for nothing.
    """

    start: Point
    end: Point
    arrow: bool = False
    ink: Ink = Ink.INK
    width: float = 0.55
    key: str = ""


@dataclass(frozen=True, slots=True)
class Curve:
    """A chain of cubic Bézier curves.

    Attributes:
        points: 3k + 1 control points for k cubics.
        arrow: whether it has an arrowhead at its end.
        ink: its grey.
        width: of the stroke.
        key: what it stands for.
    """

    points: tuple[Point, ...]
    arrow: bool = False
    ink: Ink = Ink.INK
    width: float = 0.55
    key: str = ""


@dataclass(frozen=True, slots=True)
class Circle:
    """The outline of a vertex: a circle, drawn out sideways where the name is long.

    It is the set of points at distance ``radius`` from the segment of half-length ``stretch`` through the centre.

    Attributes:
        centre: its centre.
        radius: its radius.
        stretch: half the length of the straight part; 0 for a circle.
        visible: whether it is drawn; edges end on it even where it is not.
        filled: whether it is a filled dot.
        ink: its grey.
        width: of the stroke.
        key: name of the vertex.
    """

    centre: Point
    radius: float
    stretch: float = 0.0
    visible: bool = True
    filled: bool = False
    ink: Ink = Ink.INK
    width: float = 0.55
    key: str = ""

    @property
    def box(self) -> Box:
        """The smallest upright rectangle around it."""
        x, y = self.centre
        return (x - self.stretch - self.radius, y - self.radius, x + self.stretch + self.radius, y + self.radius)


@dataclass(frozen=True, slots=True)
class Band:
    """A filled upright rectangle behind everything else, without an outline.

    Attributes:
        box: the rectangle.
        ink: its grey.
        key: what it stands for.
    """

    box: Box
    ink: Ink = Ink.PALE
    key: str = ""


@dataclass(frozen=True, slots=True)
class Label:
    """A piece of text, with mathematics between dollar signs as in LaTeX.

    Attributes:
        position: where it is anchored: on the baseline, at the place that ``anchor`` names.
        text: the text.
        size: font size.
        anchor: ``"start"``, ``"middle"`` or ``"end"`` of the text.
        ink: its grey.
        box: the rectangle that its ink fills, as measured.
        title: the text as one reads it aloud, for readers and search engines.
        host: name of the vertex whose outline it stands in; empty for a label that stands free.
    """

    position: Point
    text: str
    size: float
    box: Box
    anchor: str = "middle"
    ink: Ink = Ink.INK
    title: str = ""
    host: str = ""


@dataclass(frozen=True, slots=True)
class Scene:
    """A drawing.

    Attributes:
        width: in points.
        height: in points.
        lines: straight lines.
        curves: curves.
        circles: outlines of vertices.
        labels: texts.
        bands: areas behind everything else.
        title: what the drawing shows, in plain words.
    """

    width: float
    height: float
    lines: tuple[Line, ...] = ()
    curves: tuple[Curve, ...] = ()
    circles: tuple[Circle, ...] = ()
    labels: tuple[Label, ...] = ()
    bands: tuple[Band, ...] = ()
    title: str = ""

    def moved(self, dx: float, dy: float) -> Scene:
        """The same drawing with every item moved; width and height stay."""

        def at(p: Point) -> Point:
            return (p[0] + dx, p[1] + dy)

        return replace(
            self,
            lines=tuple(replace(item, start=at(item.start), end=at(item.end)) for item in self.lines),
            curves=tuple(replace(item, points=tuple(at(p) for p in item.points)) for item in self.curves),
            circles=tuple(replace(item, centre=at(item.centre)) for item in self.circles),
            labels=tuple(
                replace(item, position=at(item.position), box=(*at(item.box[:2]), *at(item.box[2:])))
                for item in self.labels
            ),
            bands=tuple(replace(item, box=(*at(item.box[:2]), *at(item.box[2:]))) for item in self.bands),
        )

    @property
    def bounds(self) -> Box:
        """The smallest rectangle around everything drawn (control points stand for their curves)."""
        boxes = [item.box for item in (*self.circles, *self.labels, *self.bands)]
        for line in self.lines:
            boxes += [(*line.start, *line.start), (*line.end, *line.end)]
        for curve in self.curves:
            boxes += [(*p, *p) for p in curve.points]
        return hull(boxes)

    def fitted(self, margin: float = 3.0) -> Scene:
        """The same drawing moved into the smallest page that holds it with a margin."""
        left, top, right, bottom = self.bounds
        page = replace(self, width=round(right - left + 2 * margin, 2), height=round(bottom - top + 2 * margin, 2))
        return page.moved(margin - left, margin - top)


def hull(boxes: Sequence[Box]) -> Box:
    """The smallest upright rectangle around some; a point where there are none.

    Example:
        >>> hull([(0, 0, 1, 1), (-2, 3, 0, 4)])
        (-2, 0, 1, 4)
    """
    if not boxes:
        return (0.0, 0.0, 0.0, 0.0)
    return (
        min(box[0] for box in boxes),
        min(box[1] for box in boxes),
        max(box[2] for box in boxes),
        max(box[3] for box in boxes),
    )


def overlay(scenes: Iterable[Scene], width: float, height: float, title: str = "") -> Scene:
    """Several drawings on one page, each where its coordinates say.

    Example:
        >>> page = overlay([Scene(9, 9, lines=(Line((0, 0), (9, 9)),)), Scene(5, 5)], 20, 30)
        >>> page.width, page.height, len(page.lines)
        (20, 30, 1)
    """
    scenes = tuple(scenes)
    return Scene(
        width=width,
        height=height,
        lines=tuple(item for scene in scenes for item in scene.lines),
        curves=tuple(item for scene in scenes for item in scene.curves),
        circles=tuple(item for scene in scenes for item in scene.circles),
        labels=tuple(item for scene in scenes for item in scene.labels),
        bands=tuple(item for scene in scenes for item in scene.bands),
        title=title,
    )
