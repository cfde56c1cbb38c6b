"""Scenes as PDF and PNG through matplotlib, a handful of collections for any number of items.

No pyplot and no change to the user's settings; the files hold no date, no version and no random identifier.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flowgraph.draw.curves import head, shaft
from flowgraph.draw.scene import Circle, Curve, Line, Point, Scene
from flowgraph.draw.svg import COLOURS
from flowgraph.draw.text import Outline, measure, outline

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.path import Path

_DPI = 300
_LARGEST = 30_000
"""Longest side of a PNG in pixels; a longer drawing is drawn at fewer dots per inch."""

_QUADRATIC, _CUBIC = 3, 4
"""matplotlib's path codes for the points of quadratic and cubic curves."""

_ARC = 0.5522847498307936
"""Control length with which four cubics make a circle."""

_SETTINGS = MappingProxyType(
    {
        "path.simplify": False,
        "path.sketch": None,
        "path.effects": [],
        "path.snap": False,
        "agg.path.chunksize": 0,
        "pdf.compression": 6,
        "pdf.inheritcolor": False,
    }
)


def _paths(chains: Sequence[Sequence[Point]]) -> list[Path]:
    from matplotlib.path import Path

    return [Path(list(points), [Path.MOVETO, *[Path.CURVE4] * (len(points) - 1)]) for points in chains]


def _outline(circle: Circle) -> Path:
    from matplotlib.path import Path

    (x, y), r, s, k = circle.centre, circle.radius, circle.stretch, circle.radius * _ARC
    points = [
        (x + s, y - r),
        *((x + s + k, y - r), (x + s + r, y - k), (x + s + r, y)),
        *((x + s + r, y + k), (x + s + k, y + r), (x + s, y + r)),
        (x - s, y + r),
        *((x - s - k, y + r), (x - s - r, y + k), (x - s - r, y)),
        *((x - s - r, y - k), (x - s - k, y - r), (x - s, y - r)),
        (x + s, y - r),
    ]
    curve = [Path.CURVE4] * 6
    return Path(points, [Path.MOVETO, *curve, Path.LINETO, *curve, Path.CLOSEPOLY])


def _cubics(shape: Outline) -> tuple[NDArray[Any], NDArray[Any]]:
    """The contours of a text with every quadratic curve raised to a cubic, as PDF needs them."""
    vertices = np.array(shape.vertices)
    codes = np.array(shape.codes)
    control = np.flatnonzero(codes == _QUADRATIC)[::2]
    q = vertices[control]
    first = q + (vertices[control - 1] - q) / 3
    second = q + (vertices[control + 1] - q) / 3
    vertices[control] = first
    codes[codes == _QUADRATIC] = _CUBIC
    return np.insert(vertices, control + 1, second, axis=0), np.insert(codes, control + 1, _CUBIC)


def _texts(scene: Scene) -> tuple[list[Path], list[str]]:
    from matplotlib.path import Path

    paths: list[Path] = []
    colours: list[str] = []
    shapes = {text: _cubics(outline(text)) for text in {label.text for label in scene.labels} if outline(text).codes}
    for label in scene.labels:
        if label.text not in shapes:
            continue
        vertices, codes = shapes[label.text]
        left = label.box[0] - measure(label.text, label.size).left
        points = vertices * (label.size / 10.0, -label.size / 10.0) + (left, label.position[1])
        # Hundredths of a point are finer than any printer, and make the file a third of the size.
        paths.append(Path(np.round(points, 2), codes))
        colours.append(COLOURS[label.ink])
    return paths, colours


def _figure(scene: Scene, dpi: float, face: str) -> Figure:
    from matplotlib.collections import LineCollection, PathCollection
    from matplotlib.figure import Figure
    from matplotlib.path import Path
    from matplotlib.transforms import Affine2D

    figure = Figure(figsize=(scene.width / 72, scene.height / 72), dpi=dpi, facecolor=face, edgecolor="none")
    page = Affine2D().scale(1 / 72, -1 / 72).translate(0, scene.height / 72) + figure.dpi_scale_trans

    def add(collection: LineCollection | PathCollection) -> None:
        collection.set_transform(page)
        # matplotlib would draw all lines after all areas; a scene is drawn in the order of its parts.
        collection.set_zorder(len(figure.artists))
        figure.add_artist(collection)

    def ink(items: Sequence[Line | Curve | Circle]) -> tuple[list[str], list[float]]:
        return [COLOURS[item.ink] for item in items], [item.width for item in items]

    if scene.bands:
        boxes = [
            Path([(a, b), (c, b), (c, d), (a, d), (a, b)], closed=True) for a, b, c, d in (x.box for x in scene.bands)
        ]
        tones = [COLOURS[item.ink] for item in scene.bands]
        add(PathCollection(boxes, facecolors=tones, edgecolors="none", linewidths=0))
    straight = scene.lines
    if straight:
        colours, widths = ink(straight)
        add(LineCollection([shaft(item) for item in straight], colors=colours, linewidths=widths, capstyle="butt"))
    if scene.curves:
        colours, widths = ink(scene.curves)
        paths = _paths([shaft(item) for item in scene.curves])
        add(PathCollection(paths, facecolors="none", edgecolors=colours, linewidths=widths))
    arrows = [item for item in (*scene.lines, *scene.curves) if item.arrow]
    if arrows:
        heads = [Path([*head(item), head(item)[0]], closed=True) for item in arrows]
        add(PathCollection(heads, facecolors=ink(arrows)[0], edgecolors="none", linewidths=0))
    dots = [circle for circle in scene.circles if circle.visible and circle.filled]
    if dots:
        add(PathCollection([_outline(c) for c in dots], facecolors=ink(dots)[0], edgecolors="none", linewidths=0))
    rings = [circle for circle in scene.circles if circle.visible and not circle.filled]
    if rings:
        colours, widths = ink(rings)
        add(PathCollection([_outline(c) for c in rings], facecolors="none", edgecolors=colours, linewidths=widths))
    texts, colours = _texts(scene)
    if texts:
        add(PathCollection(texts, facecolors=colours, edgecolors="none", linewidths=0))
    return figure


def pdf(scene: Scene) -> bytes:
    """A scene as a PDF page of its own size."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_pdf import FigureCanvasPdf

    buffer = BytesIO()
    with rc_context(dict[Any, Any](_SETTINGS)):
        canvas = FigureCanvasPdf(_figure(scene, 72, "none"))
        canvas.print_pdf(
            buffer, metadata={"Creator": None, "Producer": None, "CreationDate": None, "Title": scene.title}
        )
    return buffer.getvalue()


def png(scene: Scene) -> bytes:
    """A scene as a PNG at 300 dots per inch, fewer where it would be larger than 30,000 pixels."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    dpi = min(_DPI, _LARGEST * 72 / max(scene.width, scene.height))
    buffer = BytesIO()
    with rc_context(dict[Any, Any](_SETTINGS)):
        canvas = FigureCanvasAgg(_figure(scene, dpi, "white"))
        canvas.print_png(buffer, metadata={"Software": None}, pil_kwargs={"dpi": (dpi, dpi)})
    return buffer.getvalue()
