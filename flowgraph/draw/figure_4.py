"""Figure 4: the lumps of one data flow graph depend on the total order that its steps are put in.

Reference: arXiv:2411.18786, Fig. 4.
"""

from __future__ import annotations

from dataclasses import replace

from flowgraph.draw.layout import drawing
from flowgraph.draw.lumped import count_of_lumps, draw_rows, frame_for, rows_of
from flowgraph.draw.panel import COLUMN, STYLE, Panel, functions
from flowgraph.draw.partial_order import depth_graph
from flowgraph.language import parse
from flowgraph.lumping import best_order, lumps
from flowgraph.structure import decompose

ORDERED = (
    "inputs x1, x2, x3\nz1 = f(x1, x2)\nt = p(x3)\nz2 = g(x1, x2)\nz3 = q(x3, t)\ny = h(z1, z3)\noutputs y, z2, z3"
)
"""The straight-line code of Fig. 4, in an order that has fewer lumps than another."""


def figure_4() -> list[list[Panel]]:
    """The rows of panels of Figure 4."""
    program = parse(ORDERED)
    graph = depth_graph(decompose(program))
    style = replace(
        STYLE,
        column_pitch=32.0,
        row_pitch=31.0,
        labels=False,
        circles=False,
        registers=False,
        notes=functions(program, graph),
    )
    found = [lumps(program), lumps(program, best_order(program))]
    tables = [rows_of(lumping) for lumping in found]
    frame = frame_for(tables, COLUMN, 23.0)
    ordered = [
        [Panel(letter, f"{which}: {count_of_lumps(lumping)}", draw_rows(table, frame), spread=True)]
        for letter, which, table, lumping in zip("bc", ("one order", "another order"), tables, found, strict=True)
    ]
    return [[Panel("a", "data flow: a partial order", drawing(graph, style))], *ordered]
