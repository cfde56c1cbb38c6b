"""Scenes as TikZ: one ``tikzpicture`` to \\input, with the text as LaTeX so that it takes on the paper's fonts."""

from __future__ import annotations

import re
from types import MappingProxyType

from flowgraph.draw.scene import Band, Circle, Curve, Ink, Label, Line, Point, Scene
from flowgraph.draw.text import name_latex

_COLOURS = MappingProxyType({Ink.INK: "", Ink.MUTED: "black!55", Ink.GHOST: "black!22", Ink.PALE: "black!7"})
_ANCHORS = MappingProxyType({"start": "base west", "middle": "base", "end": "base east"})
_SPECIAL = MappingProxyType(
    {
        "\\": "\\textbackslash{}",
        "^": "\\textasciicircum{}",
        "~": "\\textasciitilde{}",
        "<": "\\textless{}",
        ">": "\\textgreater{}",
        "|": "\\textbar{}",
        **{c: f"\\{c}" for c in "_%&#{}"},
    }
)
_LATIN = 0x17F
"""The last letter of Latin Extended-A, which pdfTeX sets in text without a package."""


def _number(x: float) -> str:
    text = f"{x:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _at(p: Point) -> str:
    return f"({_number(p[0])},{_number(p[1])})"


def _options(*parts: str) -> str:
    kept = [part for part in parts if part]
    return f"[{','.join(kept)}]" if kept else ""


def _style(item: Line | Curve | Circle) -> tuple[str, str]:
    return _COLOURS[item.ink], "" if item.width == 0.55 else f"line width={_number(item.width)}bp"


def _band(item: Band) -> str:
    left, top, right, bottom = item.box
    return f"\\fill{_options(_COLOURS[item.ink])} {_at((left, top))} rectangle {_at((right, bottom))};"


def _edge(item: Line | Curve) -> str:
    options = _options("->" if item.arrow else "", *_style(item))
    if isinstance(item, Line):
        return f"\\draw{options} {_at(item.start)} -- {_at(item.end)};"
    rest = item.points[1:]
    pieces = [
        f" .. controls {_at(rest[k])} and {_at(rest[k + 1])} .. {_at(rest[k + 2])}" for k in range(0, len(rest), 3)
    ]
    return f"\\draw{options} {_at(item.points[0])}{''.join(pieces)};"


def _circle(item: Circle) -> str:
    command = "\\fill" if item.filled else "\\draw"
    if not item.stretch:
        return f"{command}{_options(*_style(item))} {_at(item.centre)} circle[radius={_number(item.radius)}];"
    left, top, right, bottom = item.box
    options = _options(f"rounded corners={_number(item.radius)}bp", *_style(item))
    return f"{command}{options} {_at((left, top))} rectangle {_at((right, bottom))};"


def _tex(text: str) -> str:
    """LaTeX with the words outside its mathematics escaped."""
    parts = re.split(r"(\$[^$]*\$)", text)
    return "".join(
        part if part.startswith("$") else "".join(_SPECIAL.get(c) or _letter(c) for c in part) for part in parts if part
    )


def _letter(c: str) -> str:
    """A character outside mathematics; letters that pdfTeX does not know are written as they are in names."""
    return f"${name_latex(c)}$" if ord(c) > _LATIN and c.isalpha() else c


def _label(item: Label) -> str:
    # A space at the start or end of a node's text would be lost, and shift it.
    font = f"\\fontsize{{{_number(item.size)}}}{{{_number(1.2 * item.size)}}}\\selectfont"
    at = item.position
    options = _options(f"anchor={_ANCHORS[item.anchor]}", f"font={font}", _COLOURS[item.ink])
    return f"\\node{options} at {_at(at)} {{{_tex(item.text)}}};"


def tikz(scene: Scene) -> bytes:
    """A scene as a ``tikzpicture`` environment, with a preamble in comments.

    Example:
        >>> print(tikz(Scene(10, 10, lines=(Line((0, 0), (10, 10), arrow=True),))).decode().splitlines()[-2])
        \\draw[->] (0,0) -- (10,10);
    """
    lines = [
        *(f"% {line}" for line in scene.title.splitlines()),
        "% In the preamble: \\usepackage{tikz}",
        "% In the text:     \\input{this file}",
        "\\begin{tikzpicture}[x=1bp,y=-1bp,>=stealth,line width=0.55bp,every node/.style={inner sep=0pt}]",
        f"\\useasboundingbox (0,0) rectangle {_at((scene.width, scene.height))};",
        *(_band(item) for item in scene.bands),
        *(_edge(item) for item in (*scene.lines, *scene.curves)),
        *(_circle(item) for item in scene.circles if item.visible),
        *(_label(item) for item in scene.labels),
        "\\end{tikzpicture}",
    ]
    return ("\n".join(lines) + "\n").encode()
