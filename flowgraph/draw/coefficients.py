"""How the labels of edges are written: short ones beside their edges, long ones as numbers that a legend explains."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from flowgraph.draw.scene import Ink, Label
from flowgraph.draw.text import measure, readable, write
from flowgraph.graph import Edge, FlowGraph
from flowgraph.labels import LabelAlgebra

LabelLatex = Callable[[FlowGraph, Edge], str]
"""How the label of an edge is written in LaTeX."""

_LETTERS = "ckqs"


Entry = tuple[str, str, str]
"""One line of a legend: a symbol and what it stands for as LaTeX, without dollar signs; the same as text."""


@dataclass(frozen=True, slots=True)
class Coefficients:
    """The labels of the edges of one drawing.

    Attributes:
        formulas: for every edge with a label, the label as LaTeX without dollar signs.
        titles: for the same edges, the label as plain text.
        large: the edges whose labels are too large to stand beside them.
        stem: the letter of numbered coefficients.
    """

    formulas: Mapping[int, str]
    titles: Mapping[int, str]
    large: frozenset[int]
    stem: str


class Numbering:
    """Numbers formulas as they come, each once.

    Args:
        coefficients: the labels that may need numbers.
    """

    def __init__(self, coefficients: Coefficients) -> None:
        self._coefficients = coefficients
        self._symbols: dict[str, str] = {}
        self.entries: list[Entry] = []

    def symbol(self, index: int) -> str:
        """The numbered coefficient that stands for the label of an edge, such as c_{7}."""
        formula = self._coefficients.formulas[index]
        if formula not in self._symbols:
            self._symbols[formula] = f"{self._coefficients.stem}_{{{len(self._symbols) + 1}}}"
            self.entries.append((self._symbols[formula], formula, self._coefficients.titles[index]))
        return self._symbols[formula]


@lru_cache(maxsize=16384)
def _text(algebra: LabelAlgebra, label: Any) -> str:
    return algebra.text(label)


@lru_cache(maxsize=16384)
def _latex(algebra: LabelAlgebra, label: Any) -> str:
    return _tidy(algebra.latex(label))


def block_labels(graph: FlowGraph) -> dict[int, str]:
    """How the edges of bundles are labelled, by index: one edge of each has the name of the matrix, the others nothing.

    Example:
        >>> from flowgraph.language import parse
        >>> from flowgraph.modes import derive
        >>> lump = parse("inputs x, y\\nu = f(x, y)\\nv = g(x, y)\\noutputs u, v")
        >>> block_labels(derive(lump, "reverse-inverse").stages["lumped"])
        {0: '\\\\mathbf{A}_{1}', 1: '', 2: '', 3: ''}
    """
    written: dict[int, str] = {}
    for bundle in graph.bundles:
        indices = [k for k, e in enumerate(graph.edges) if not e.carry and bundle.holds(e.source, e.target)]
        written |= dict.fromkeys(indices, "")
        if indices:
            # A short edge has its label close by.
            spans = [abs(graph.edges[k].source[0] - graph.edges[k].target[0]) for k in indices]
            written[indices[spans.index(min(spans))]] = bundle.latex
    return written


def coefficients(
    graph: FlowGraph,
    shown: Iterable[int],
    written: LabelLatex | None,
    size: float,
    max_width: float,
    max_height: float,
    matrices: Mapping[int, str],
) -> Coefficients:
    """How the labels of a graph's edges are written, and which of them are too large to stand beside their edges.

    Args:
        graph: the graph.
        shown: indices of the edges whose labels are drawn.
        written: how labels are written; the graph's own LaTeX where None.
        size: font size of the labels.
        max_width: a wider label is too large.
        max_height: a higher one too.
        matrices: labels of bundles, by index of the edge.
    """
    formulas: dict[int, str] = {}
    titles: dict[int, str] = {}
    large: set[int] = set()
    for index in shown:
        edge = graph.edges[index]
        titles[index] = _text(graph.algebra, edge.label)
        if index in matrices:
            formulas[index] = matrices[index]
        else:
            formulas[index] = written(graph, edge) if written else _latex(graph.algebra, edge.label)
        text = f"${formulas[index]}$"
        if len(text) > 120 or not readable(text):
            large.add(index)
            continue
        extent = measure(text, size)
        if extent.width > max_width or extent.height > max_height:
            large.add(index)
    stem = _stem((*{vertex.value for vertex in graph.vertices}, *titles.values()))
    return Coefficients(formulas, titles, frozenset(large), stem)


def _tidy(formula: str) -> str:
    """SymPy's LaTeX with the parts of a double subscript, as in r_{1 2}, kept apart."""
    return re.sub(r"_\{\w+(?: \w+)+\}", lambda match: match[0].replace(" ", ","), formula)


def _stem(texts: Iterable[str]) -> str:
    """A letter that the program does not number itself."""
    used = {match[0][0] for text in texts for match in re.finditer(r"\b[a-zA-Z]_?\d+\b", text)}
    return next((letter for letter in _LETTERS if letter not in used), "\\kappa")


def write_legend(entries: Iterable[Entry], left: float, top: float, width: float, size: float) -> tuple[Label, ...]:
    """The lines of a legend, one below the other.

    Args:
        entries: what to write.
        left: x where the lines begin.
        top: y where the first line's ink may begin.
        width: of the space; longer formulas are written as text and broken into lines.
        size: font size.
    """
    labels: list[Label] = []
    y = top
    for symbol, formula, text in entries:
        whole = f"${symbol} = {formula}$"
        if len(formula) <= 240 and readable(whole) and measure(whole, size).width <= width:
            lines = [whole]
        else:
            head = f"${symbol} =$ "
            letters = max(16, int((width - measure(head, size).width) / (0.5 * size)))
            pieces = textwrap.wrap(text.replace("**", "^"), letters, max_lines=4, placeholder=" ...") or [""]
            lines = [head + pieces[0], *(f"$\\qquad$ {piece}" for piece in pieces[1:])]
        for line in lines:
            extent = measure(line, size)
            y -= extent.top
            labels.append(write(line, (left, y), size, anchor="start", ink=Ink.INK))
            y += extent.bottom + 0.35 * size
    return tuple(labels)
