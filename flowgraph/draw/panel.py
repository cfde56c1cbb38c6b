"""What all figures share: their width, their panels, code set as mathematics, and the page that panels make."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from flowgraph.draw.layout import LayoutOptions
from flowgraph.draw.scene import Box, Ink, Scene, overlay
from flowgraph.draw.text import measure, name_latex, write
from flowgraph.graph import FlowGraph, VertexId
from flowgraph.program import Program, Step

COLUMN = 240.94
"""The width of every figure: one column of a paper, 8.5 cm in points."""

STYLE = LayoutOptions(
    column_pitch=26.0, row_pitch=43.0, room=11.0, name_size=8.0, label_size=8.0, radius=6.3, max_label=60.0
)
"""How graphs are drawn in figures."""

SMALL = 7.0
"""Font size of panel labels and headings."""

LEADING = 11.5
"""Distance of baselines at font size 8."""

_SIGNS = MappingProxyType({"*": " \\cdot ", "**": "^"})


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel of a figure.

    Attributes:
        letter: as in the caption.
        words: what it shows, in a word or two.
        scene: the drawing, with the grid's origin at (0, 0).
        spread: whether the drawing has its place on the width of the column already.
    """

    letter: str
    words: str
    scene: Scene
    spread: bool = False

    @property
    def label(self) -> str:
        """What stands below the panel."""
        return f"({self.letter}) {self.words}"


def functions(program: Program, graph: FlowGraph) -> dict[VertexId, str]:
    """The function computed at each vertex of a primal or layered graph, by place."""
    computed = {step.name: step.function for step in program.steps()}
    return {vertex.id: computed[vertex.value] for vertex in graph.vertices if vertex.name in computed}


def code_line(step: Step) -> str:
    """A step as text with mathematics.

    Example:
        >>> from flowgraph.language import parse
        >>> [code_line(step) for step in parse("inputs x, y\\nz = f(x, y)\\nw = z * y\\noutputs w, y").steps()]
        ['$z$ := $f(x, y)$', '$w$ := $z \\\\cdot y$']
    """
    texts = [name_latex(text) for text in step.texts]
    infix = step.operation.infix if step.operation else None
    if infix is None:
        value = f"{name_latex(step.function)}({', '.join(texts)})"
    else:
        left, right = (
            f"({text})" if plain.startswith("-") else text for text, plain in zip(texts, step.texts, strict=True)
        )
        value = f"{left}^{{{right}}}" if infix == "**" else f"{left}{_SIGNS.get(infix, f' {infix} ')}{right}"
    return f"${name_latex(step.name)}$ := ${value}$"


def code_lines(program: Program) -> list[str]:
    """The straight-line code of a program, step by step."""
    return [code_line(step) for step in program.steps()]


def text_block(texts: Iterable[str], centre: float, top: float, size: float, ink: Ink = Ink.INK) -> Scene:
    """Lines of text, left-aligned as a block that is centred at x = centre."""
    texts = tuple(texts)
    left = centre - max(measure(text, size).width for text in texts) / 2
    leading = LEADING * size / 8.0
    labels = (
        write(text, (left, top + 0.75 * size + k * leading), size, anchor="start", ink=ink)
        for k, text in enumerate(texts)
    )
    return Scene(0.0, 0.0, labels=tuple(labels))


def stack(*scenes: Scene) -> Scene:
    """Several drawings as one, each where its coordinates say."""
    return overlay(scenes, 0.0, 0.0)


def compose(rows: Sequence[Sequence[Panel]], title: str) -> Scene:
    """Rows of panels of equal width, each row on one grid, with the panels' labels below."""
    placed: list[Scene] = []
    y = 2.0
    for row in rows:
        bounds = [panel.scene.bounds for panel in row]
        graphs = [b for panel, b in zip(row, bounds, strict=True) if panel.scene.circles] or bounds
        top, bottom = min(b[1] for b in graphs), max(b[3] for b in graphs)
        for k, (panel, b) in enumerate(zip(row, bounds, strict=True)):
            middle = COLUMN * (k + 0.5) / len(row)
            dy = y - top
            if not panel.scene.circles:
                dy = y + ((bottom - top) - (b[3] - b[1])) / 2 - b[1]
            dx = 0.0 if panel.spread else middle - _grid_centre(panel.scene, b)
            placed.append(panel.scene.moved(dx, dy))
            if panel.letter:
                text = write(panel.label, (middle, y + bottom - top + 12.0), SMALL)
                placed.append(Scene(0.0, 0.0, labels=(text,)))
        y += bottom - top + 24.0
    return overlay(placed, COLUMN, round(y - 9.0, 2), title)


def _grid_centre(scene: Scene, bounds: Box) -> float:
    """The middle of a panel's columns, so that graphs stand above each other; of its text where it has no graph."""
    if not scene.circles:
        return (bounds[0] + bounds[2]) / 2
    xs = [circle.centre[0] for circle in scene.circles]
    return (min(xs) + max(xs)) / 2
