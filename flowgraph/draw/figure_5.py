"""Figure 5: what has to be solved. Lumps of the given order, lumps of the best order, and blocks.

This figure is not in the paper. Panel (a) is one lump of every order and three blocks; panel (b) sets the work of
inverting side by side for the example programs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from flowgraph.draw.curves import rounded_hull
from flowgraph.draw.figure_4 import ORDERED
from flowgraph.draw.gains import chart
from flowgraph.draw.layout import drawing
from flowgraph.draw.panel import COLUMN, LEADING, SMALL, STYLE, Panel, code_line, stack
from flowgraph.draw.partial_order import depth_graph
from flowgraph.draw.scene import Band, Curve, Ink, Line, Scene
from flowgraph.draw.text import name_latex, write
from flowgraph.example_programs import examples
from flowgraph.language import parse
from flowgraph.lumping import best_order, lumps
from flowgraph.program import Program
from flowgraph.structure import Block, decompose

SHARED = "inputs y, x1, x2, x3\nv = k(y)\nz1 = f(x1, v)\nz2 = g(x2, x3, v)\nz3 = h(x2, x3)\noutputs y, z1, z2, z3"
"""The straight-line code of Fig. 5(a): v is shared, y lives on, and no order has more than one lump."""

_REACH = 9.5
"""How far the outline of a block is from the centres of its vertices."""

_BETWEEN = 4.0
"""White between two blocks of code."""


def figure_5(programs: Mapping[str, Program] | None = None) -> list[list[Panel]]:
    """The rows of panels of Figure 5.

    Args:
        programs: the programs of panel (b) by name; by default those of Figs. 4 and 5(a) and the examples of
            flowgraph that have an inverse.
    """
    shared = parse(SHARED)
    blocks = Panel("a", "one lump in every order, and its blocks", _lump_and_blocks(shared), spread=True)
    found = _programs() if programs is None else programs
    return [[blocks], [Panel("b", "work of one product $J^{-1}v$, in products $Jv$", chart(found), spread=True)]]


def _programs() -> dict[str, Program]:
    """The programs to compare, each once."""
    named = {"Fig. 4(b)": parse(ORDERED), "Fig. 5(a)": parse(SHARED)}
    seen = {program.fingerprint() for program in named.values()}
    for example in examples():
        program = example.program()
        if program.fingerprint() in seen or decompose(program).singular:
            continue
        seen.add(program.fingerprint())
        named[example.name.partition(":")[2] or example.file.stem] = program
    return named


# -- panel (a) --------------------------------------------------------------------------------------------------------


def _lump_and_blocks(program: Program) -> Scene:
    structure = decompose(program)
    (lump,) = lumps(program, best_order(program))
    style = replace(STYLE, column_pitch=22.0, row_pitch=36.0, labels=False, circles=False, registers=False)
    scene = drawing(depth_graph(structure), style).moved(17.0, 0.0)
    circles = {circle.key: circle for circle in scene.circles}
    results = {step: circles[program.name(program.n_inputs + step)] for step in lump.steps}
    blocks = [block for block in structure.blocks if block.steps]
    outlines = tuple(
        Curve(
            rounded_hull([results[step].centre for step in block.steps], _REACH),
            ink=Ink.MUTED,
            width=0.7,
            key=f"block {k}",
        )
        for k, block in enumerate(blocks, 1)
    )
    right = max(circle.centre[0] for circle in results.values()) + 17.0
    heights = [circle.centre[1] for circle in results.values()]
    top, bottom = min(heights) - 14.0, max(heights) + 14.0
    band = Band((0.0, top, right, bottom), key="lump 1")
    size = write(f"$l = {lump.size}$", (5.0, bottom - 5.0), STYLE.name_size, anchor="start")
    behind = Scene(0.0, 0.0, curves=outlines, labels=(size,), bands=(band,))
    return stack(behind, scene, _solved(program, blocks, right + 9.0, (top + bottom) / 2))


def _solved(program: Program, blocks: Sequence[Block], left: float, middle: float) -> Scene:
    """The steps of each block and the values that they give, blocks in the order in which they are solved."""
    size = STYLE.name_size
    code = [[code_line(program.step(step)) for step in block.steps] for block in blocks]
    gives = [", ".join(name_latex(program.name(v)) for v in (block.path or block.values)) for block in blocks]
    bar, text, end = left, left + 4.5, COLUMN - 5.0
    given = end - 10.0
    height = LEADING * sum(map(len, code)) + _BETWEEN * len(blocks)
    y = middle - height / 2
    labels = [
        write("block", (text, y), SMALL, anchor="start", ink=Ink.MUTED),
        write("gives", (given, y), SMALL, anchor="end", ink=Ink.MUTED),
        write("$l$", (end, y), SMALL, ink=Ink.MUTED),
    ]
    lines: list[Line] = []
    y += _BETWEEN
    for k, steps in enumerate(code):
        bottom = y + LEADING * len(steps)
        lines.append(Line((bar, y + 0.5), (bar, bottom - 0.5), ink=Ink.MUTED, width=0.7, key=f"steps of block {k + 1}"))
        for row, step in enumerate(steps):
            labels.append(write(step, (text, y + LEADING * row + 8.3), size, anchor="start"))
        level = (y + bottom) / 2 + 2.55
        labels.append(write(f"${gives[k]}$", (given, level), size, anchor="end"))
        labels.append(write(f"${len(blocks[k].path)}$", (end, level), size))
        y = bottom + _BETWEEN
    return Scene(0.0, 0.0, tuple(lines), labels=tuple(labels))
