"""Scenes as SVG. Text is outlines, each with a ``<title>``: no font is needed, and the words can still be found."""

from __future__ import annotations

from hashlib import sha256
from types import MappingProxyType
from xml.sax.saxutils import escape, quoteattr

from flowgraph.draw.curves import head, shaft
from flowgraph.draw.scene import Band, Circle, Curve, Ink, Label, Line, Point, Scene
from flowgraph.draw.text import Outline, measure, outline

COLOURS = MappingProxyType({Ink.INK: "#000000", Ink.MUTED: "#737373", Ink.GHOST: "#c8c8c8", Ink.PALE: "#eeeeee"})
"""The greys of a drawing on a screen."""

_MOVE, _LINE, _QUADRATIC, _CUBIC, _CLOSE = 1, 2, 3, 4, 79


def _number(x: float) -> str:
    text = f"{x:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _pair(p: Point) -> str:
    return f"{_number(p[0])} {_number(p[1])}"


def _path(points: tuple[Point, ...]) -> str:
    if len(points) == 2:
        return f"M{_pair(points[0])}L{_pair(points[1])}"
    rest = points[1:]
    return f"M{_pair(points[0])}" + "".join(
        "C" + " ".join(_pair(p) for p in rest[k : k + 3]) for k in range(0, len(rest), 3)
    )


def contours(shape: Outline) -> str:
    """An outline as the data of an SVG path, y downward."""
    parts: list[str] = []
    index = 0
    while index < len(shape.codes):
        code = shape.codes[index]
        count = {_QUADRATIC: 2, _CUBIC: 3}.get(code, 1)
        letter = {_MOVE: "M", _LINE: "L", _QUADRATIC: "Q", _CUBIC: "C", _CLOSE: "Z"}[code]
        points = shape.vertices[index : index + count] if code != _CLOSE else ()
        parts.append(letter + " ".join(_pair((x, -y)) for x, y in points))
        index += count
    return "".join(parts)


def _identifier(text: str) -> str:
    # The same text has the same outline on every page, so equal identifiers do no harm where several drawings meet.
    return "t" + sha256(text.encode()).hexdigest()[:12]


def _stroke(item: Line | Curve | Circle) -> str:
    return f'stroke="{COLOURS[item.ink]}" stroke-width="{_number(item.width)}"'


def _key(key: str) -> str:
    return f" data-key={quoteattr(key)}" if key else ""


def _band(item: Band) -> str:
    left, top, right, bottom = item.box
    corner = f'x="{_number(left)}" y="{_number(top)}"'
    size = f'width="{_number(right - left)}" height="{_number(bottom - top)}"'
    return f'<rect {corner} {size} fill="{COLOURS[item.ink]}"{_key(item.key)}/>'


def _edge(item: Line | Curve) -> str:
    body = f'<path d="{_path(shaft(item))}" fill="none" {_stroke(item)}/>'
    if item.arrow:
        corners = "L".join(_pair(p) for p in head(item))
        body += f'<path d="M{corners}Z" fill="{COLOURS[item.ink]}"/>'
    return f"<g{_key(item.key)}>{body}</g>"


def _circle(item: Circle) -> str:
    left, top, right, bottom = item.box
    if item.filled:
        paint = f'fill="{COLOURS[item.ink]}"'
    else:
        paint = f'fill="none" {_stroke(item)}'
    corner = f'x="{_number(left)}" y="{_number(top)}"'
    size = f'width="{_number(right - left)}" height="{_number(bottom - top)}"'
    return f'<rect {corner} {size} rx="{_number(item.radius)}" {paint}{_key(item.key)}/>'


def _label(item: Label) -> str:
    scale = item.size / 10.0
    x = item.box[0] - measure(item.text, item.size).left
    return (
        f'<g{_key(item.host)} fill="{COLOURS[item.ink]}"><title>{escape(item.title)}</title>'
        f'<use href="#{_identifier(item.text)}" '
        f'transform="translate({_number(x)} {_number(item.position[1])}) scale({_number(scale)})"/></g>'
    )


def svg(scene: Scene) -> bytes:
    """A scene as an SVG document.

    Example:
        >>> svg(Scene(10, 10, lines=(Line((0, 0), (10, 10)),)))[:4]
        b'<svg'
    """
    width, height = _number(scene.width), _number(scene.height)
    texts = sorted({label.text for label in scene.labels})
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}pt" height="{height}pt" viewBox="0 0 {width} {height}" '
        'role="img">',
        f"<title>{escape(scene.title)}</title>",
        "<defs>",
        *(f'<path id="{_identifier(text)}" d="{contours(outline(text))}"/>' for text in texts),
        "</defs>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        *(_band(item) for item in scene.bands),
        *(_edge(item) for item in (*scene.lines, *scene.curves)),
        *(_circle(item) for item in scene.circles if item.visible),
        *(_label(item) for item in scene.labels),
        "</svg>",
        "",
    ]
    return "\n".join(lines).encode()
