"""The figures. Figures 1, 2 and 3 are here, drawn from derivations: nothing in them is typed in but two short programs.

Reference: arXiv:2411.18786, Figs. 1–4. Figures 5 and 6 are not in the paper.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType

from flowgraph.draw.figure_4 import figure_4
from flowgraph.draw.figure_5 import figure_5
from flowgraph.draw.figure_6 import figure_6
from flowgraph.draw.layout import drawing
from flowgraph.draw.panel import (
    LEADING,
    SMALL,
    STYLE,
    Panel,
    code_lines,
    compose,
    functions,
    stack,
    text_block,
)
from flowgraph.draw.scene import Label, Line, Scene
from flowgraph.draw.text import claimed_width, measure, name_latex, plain, write
from flowgraph.errors import InputError
from flowgraph.graph import Edge, FlowGraph
from flowgraph.language import parse
from flowgraph.modes import Derivation, derive

ATOMIC_STEP = "inputs u, w\nz = f(u, w)\noutputs z, w"
"""The binary atomic program step of Fig. 1."""

EXAMPLE = "inputs x1, x2, x3\nz1 = f(x1, x2)\nz2 = g(x3, z1)\noutputs z1, x2, z2"
"""The straight-line code of Fig. 2."""

_VECTOR: Mapping[str, str] = MappingProxyType(
    {
        "a": "\\mathbf{A}",
        "b": "\\mathbf{B}",
        "1/a": "\\mathbf{A}^{-1}",
        "-b/a": "-\\mathbf{A}^{-1}\\mathbf{B}",
        "0": "\\mathbf{0}",
        "1": "\\mathbf{I}",
    }
)
"""The caption of Fig. 1: what replaces each scalar label where u and z are vectors."""


def accent_of(mode: str, stage: str) -> str:
    """The accent of the names at a stage: ``"dot"`` for tangents, ``"bar"`` for cotangents, empty for primal values.

    Example:
        >>> accent_of("reverse-inverse", "layered"), accent_of("reverse-inverse", "inverted")
        ('dot', 'bar')
    """
    if stage == "primal":
        return ""
    turned = stage in ("inverted", "shifted") or (stage == "unlayered" and "inverse" in mode)
    return "bar" if turned != (stage == "reversed" and "inverse" not in mode) else "dot"


# -- Figure 1 ---------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _atomic() -> tuple[Derivation, Mapping[str, FlowGraph]]:
    """The derivation of forward inverse mode for the atomic step, and the graph of each mode before unlayering."""
    derivation = derive(parse(ATOMIC_STEP), "forward-inverse")
    reversal = derivation.steps[-1]
    turn = derivation.rules[reversal.rule]
    forward, reverse_inverse = derivation.stages["layered"], derivation.stages["inverted"]
    graphs = {
        "forward": forward,
        "reverse": turn.apply(forward, reversal.site),
        "forward inverse": turn.apply(reverse_inverse, reversal.site),
        "reverse inverse": reverse_inverse,
    }
    return derivation, MappingProxyType(graphs)


def _scalar_latex(graph: FlowGraph, edge: Edge) -> str:
    return graph.label_latex(edge)


def _vector_latex(graph: FlowGraph, edge: Edge) -> str:
    return _VECTOR[graph.label_text(edge)]


def _entries(graph: FlowGraph, written: Callable[[FlowGraph, Edge], str], zero: str) -> list[list[str]]:
    """The local matrix: one row per output, one column per input."""
    edges = {(edge.target, edge.source): written(graph, edge) for edge in graph.edges}
    return [[f"${edges.get((target, source), zero)}$" for source in graph.inputs] for target in graph.outputs]


def _matrix(rows: Sequence[Sequence[str]], centre: float, top: float, size: float) -> Scene:
    """A matrix in brackets, centred at x = centre."""
    extents = [[measure(entry, size) for entry in row] for row in rows]
    widths = [max(claimed_width(row[k], size) for row in rows) for k in range(len(rows[0]))]
    gap, pad, foot = 7.0, 3.8, 2.2
    total = sum(widths) + gap * (len(widths) - 1)
    labels: list[Label] = []
    y = top + 1.5
    for row, measured in zip(rows, extents, strict=True):
        # A tall entry makes its row tall, and a row of single digits still has a line's height.
        baseline = y + max(0.72 * size, *(-extent.top for extent in measured))
        x = centre - total / 2
        for entry, width in zip(row, widths, strict=True):
            labels.append(write(entry, (x + width / 2, baseline), size))
            x += width + gap
        y = baseline + max(0.2 * size, *(extent.bottom for extent in measured)) + 2.8
    bottom = y - 0.5
    lines = []
    for x, inward in ((centre - total / 2 - pad, foot), (centre + total / 2 + pad, -foot)):
        lines += [
            Line((x, top), (x, bottom)),
            Line((x, top), (x + inward, top)),
            Line((x, bottom), (x + inward, bottom)),
        ]
    return Scene(0.0, 0.0, lines=tuple(lines), labels=tuple(labels))


_PARTIAL = re.compile(r"∂(\w+)/∂(\w+)")


def _meanings(derivation: Derivation, written: Mapping[str, str]) -> list[str]:
    """Lines such as a = ∂f/∂x₁, from the derivation's own record."""
    lines = []
    for letter, meaning in derivation.meanings.items():
        match = _PARTIAL.fullmatch(meaning)
        if match is None:
            continue
        function, argument = (name_latex(name) for name in match.groups())
        lines.append(f"${written.get(letter, letter)} = \\partial {function} / \\partial {argument}$")
    return lines


def _figure_1(vector: bool) -> list[Panel]:
    derivation, graphs = _atomic()
    style = replace(
        STYLE, column_pitch=49.0, row_pitch=60.0 if vector else 44.0, carry_labels=True, stubs=False, registers=False
    )
    written = _vector_latex if vector else _scalar_latex
    layered = derivation.stages["layered"]
    notes = functions(derivation.program, layered)
    scenes = [drawing(layered, replace(style, labels=False, circles=False, notes=notes))]
    for words, graph in graphs.items():
        accent = "bar" if words.startswith("reverse") else "dot"
        scenes.append(drawing(graph, replace(style, accent=accent, label_latex=written)))
    below = max(scene.bounds[3] for scene in scenes) + 7.0
    centre = style.column_pitch / 2
    panels = [
        Panel(
            "a", "primal step", stack(scenes[0], text_block(code_lines(derivation.program), centre, below + 6.0, 8.0))
        )
    ]
    for letter, (words, graph), scene in zip("bcde", graphs.items(), scenes[1:], strict=True):
        matrix = _matrix(_entries(graph, written, _VECTOR["0"] if vector else "0"), centre, below, 8.0)
        panels.append(Panel(letter, words, stack(scene, matrix)))
    key = _meanings(derivation, _VECTOR if vector else {})
    if vector:
        key += ["$u, z \\in \\mathbf{R}^{l}$", "$w \\in \\mathbf{R}^{k-l}$", "$\\bar{u}, \\bar{w}, \\bar{z}$ are rows"]
    else:
        key.append("$u, w, z \\in \\mathbf{R}$")
    panels.insert(3, Panel("", "", text_block(key, centre, 0.0, 8.0)))
    return panels


# -- Figures 2 and 3 --------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4)
def _example(mode: str) -> Derivation:
    return derive(parse(EXAMPLE), mode)


def _primal() -> Scene:
    derivation = _example("forward")
    graph = derivation.stages["primal"]
    notes = functions(derivation.program, graph)
    return drawing(graph, replace(STYLE, labels=False, circles=False, notes=notes))


def _stage(mode: str, stage: str, **changes: object) -> Scene:
    style = replace(STYLE, accent=accent_of(mode, stage), carry_labels=True, **changes)  # pyright: ignore[reportArgumentType]
    return drawing(_example(mode).stages[stage], style)


def _figure_2() -> list[Panel]:
    derivation = _example("forward")
    centre = STYLE.column_pitch
    code = text_block(code_lines(derivation.program), centre, 0.0, 8.0)
    key = text_block(_meanings(derivation, {}), centre, 3.2 * LEADING, 8.0)
    return [
        Panel("a", "data flow", _primal()),
        Panel("b", "forward", _stage("forward", "unlayered")),
        Panel("c", "reverse", _stage("reverse", "reversed")),
        Panel("d", "straight-line code", stack(code, key)),
        Panel("e", "forward inverse", _stage("forward-inverse", "reversed")),
        Panel("f", "reverse inverse", _stage("reverse-inverse", "unlayered")),
    ]


def _figure_3() -> list[Panel]:
    mode = "reverse-inverse"
    stages = _example(mode).stages
    kept = {vertex.id for vertex in stages["unlayered"].vertices}
    gone = tuple(vertex.id for vertex in stages["layered"].vertices if vertex.id not in kept)
    return [
        Panel("a", "data flow", _primal()),
        Panel("b", "layered", _stage(mode, "layered")),
        Panel("c", "inverted", _stage(mode, "inverted")),
        Panel("d", "shifted", _stage(mode, "shifted")),
        Panel("e", "layering removed", _stage(mode, "unlayered", ghosts=gone)),
        Panel("f", "reverse inverse", _stage(mode, "unlayered")),
    ]


# -- pages ------------------------------------------------------------------------------------------------------------

Rows = list[list[Panel]]


def _in_threes(panels: list[Panel]) -> Rows:
    return [panels[k : k + 3] for k in range(0, len(panels), 3)]


def _pages() -> Mapping[int, Callable[[], tuple[Rows, str]]]:
    return {
        1: lambda: (
            _in_threes([*_figure_1(vector=False), *_figure_1(vector=True)]),
            "Figure 1: transformation of a binary atomic program step, for scalars above and for vectors below",
        ),
        2: lambda: (
            _in_threes(_figure_2()),
            "Figure 2: the four modes of automatic differentiation for straight-line code",
        ),
        3: lambda: (_in_threes(_figure_3()), "Figure 3: derivation of reverse inverse mode from the data flow graph"),
        4: lambda: (figure_4(), "Figure 4: the lumps of one data flow graph along two total orders of its steps"),
        5: lambda: (figure_5(), "Figure 5: what the best order and the blocks gain on the example programs"),
        6: lambda: (figure_6(), "Figure 6: discrete modes tend to continuous ones, and what symplectic methods keep"),
    }


FIGURES = tuple(_pages())
"""The numbers of the figures that ``figure`` draws."""


def _page(number: int) -> tuple[Rows, str]:
    pages = _pages()
    if number not in pages:
        raise InputError("there is no such figure", got=repr(number), expected=", ".join(map(str, pages)))
    return pages[number]()


def figure(number: int) -> Scene:
    """A whole figure, one column (8.5 cm) wide.

    Args:
        number: 1, 2, 3 or 4 for the figures of the paper; 5 for the gains on the example programs; 6 for
            differential equations.

    Raises:
        InputError: there is no figure of that number.

    Reference: arXiv:2411.18786, Figs. 1–4.

    Example:
        >>> [round(figure(number).width) for number in FIGURES]
        [241, 241, 241, 241, 241, 241]
    """
    rows, title = _page(number)
    return compose(rows, title)


def panels(number: int) -> dict[str, Scene]:
    """The panels of a figure, each on a page of its own, by the letter in the caption.

    For Figure 1, the vector versions have the keys ``"vector a"`` to ``"vector e"``.

    Raises:
        InputError: there is no figure of that number.

    Example:
        >>> list(panels(2))
        ['a', 'b', 'c', 'd', 'e', 'f']
    """
    result: dict[str, Scene] = {}
    for panel in (panel for row in _page(number)[0] for panel in row):
        if not panel.letter:
            continue
        left, _, right, bottom = panel.scene.bounds
        label = write(panel.label, ((left + right) / 2, bottom + 12.0), SMALL)
        scene = replace(panel.scene, labels=(*panel.scene.labels, label), title=plain(f"Figure {number} {panel.label}"))
        result[f"vector {panel.letter}" if panel.letter in result else panel.letter] = scene.fitted()
    return result
