"""The lumps of a program, drawn: registers are columns and time runs downward as in the figures of the paper.

Row t shows the value that step t computes. A grey line is a value that lives on, so the line between rows t and t + 1
is crossed by the w_t values alive at time t, which the profile on the right plots. Where w_t = n the bands part: there
a lump ends and the next one begins.

Reference: arXiv:2411.18786, section on lumps and Fig. 4.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowgraph.certificate import Certificate
from flowgraph.draw.curves import clip
from flowgraph.draw.layout import stretch
from flowgraph.draw.panel import SMALL, code_line, stack
from flowgraph.draw.route import Place, Router
from flowgraph.draw.scene import Band, Circle, Curve, Ink, Label, Line, Scene
from flowgraph.draw.text import claimed_width, measure, name_latex, plain, write
from flowgraph.lumping import Lumping
from flowgraph.orders import legal_order
from flowgraph.program import Program
from flowgraph.structure import decompose

_NAME = 8.0
_RADIUS = 5.4
_BASELINE = 2.6
_DOT = 1.2
_STUB = 9.0
_MARGIN = 5.0
"""Between the edges of a band and what stands in it."""
_GAP = 1.4
"""The white between two bands."""
_CUT = 1.3
"""Stroke of the circles around the cut of a certificate."""
_ROOM = 7.0
"""Least space between the outlines of neighbouring columns."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A lumping by rows: row 0 holds the inputs, row t the result of the t-th step that carries a derivative.

    Attributes:
        lumping: the lumps.
        code: the text of each step, row 1 first.
        names: the name of every value that has a place.
        place: (register, row) of the same values, by value number.
        outputs: the values among them that are outputs.
        reads: for each row, the values that its step reads.
        widths: number of live values after each row.
        cuts: the rows after which n values live, from 0. Where there are lumps, one ends at each.
        sizes: l of each lump; empty where J is singular for every x, which leaves no lumps.
        certificate: then, why it is; else None.
    """

    lumping: Lumping
    code: tuple[str, ...]
    names: Mapping[int, str]
    place: Mapping[int, Place]
    outputs: frozenset[int]
    reads: tuple[tuple[int, ...], ...]
    widths: tuple[int, ...]
    cuts: tuple[int, ...]
    sizes: tuple[int, ...]
    certificate: Certificate | None = None

    @property
    def count(self) -> int:
        """Number of rows after the inputs."""
        return len(self.code)

    @property
    def columns(self) -> int:
        """Number of registers."""
        return 1 + max((register for register, _ in self.place.values()), default=-1)


def rows_of(lumping: Lumping, certificate: Certificate | None = None) -> Rows:
    """Give every value of a lumping its register and row.

    Args:
        lumping: the order, with its lumps.
        certificate: why J is singular for every x, where it is: then nothing is a lump.
    """
    program, order = lumping.program, lumping.order
    n = program.n_inputs
    shown = lumping.birth[n + order] > 0
    row = np.concatenate([[0], np.cumsum(shown)])
    registers = program.reordered(order).registers()
    values = np.concatenate([np.arange(n), n + order])
    drawn = np.concatenate([np.ones(n, dtype=bool), shown])
    place = {int(v): (int(r), int(row[lumping.birth[v]])) for v, r in zip(values[drawn], registers[drawn], strict=True)}
    arguments = program.arguments()
    steps = order[shown].tolist()
    return Rows(
        lumping=lumping,
        code=tuple(code_line(program.step(k)) for k in steps),
        names={v: program.name(v) for v in place},
        place=place,
        outputs=frozenset(program.outputs.tolist()),
        reads=tuple(_distinct(arguments[program.starts[k] : program.starts[k + 1]]) for k in steps),
        widths=tuple(lumping.widths[np.append(True, shown)].tolist()),
        cuts=tuple(row[lumping.bounds if certificate is None else lumping.cuts].tolist()),
        sizes=tuple(lumping.sizes.tolist()) if certificate is None else (),
        certificate=certificate,
    )


def _distinct(arguments: NDArray[Any]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(v for v in arguments.tolist() if v >= 0))


@dataclass(frozen=True, slots=True)
class Frame:
    """Where everything stands: one frame may serve several drawings, which then line up.

    Attributes:
        code: x of the straight-line code.
        xs: x of each register.
        profile: x of width n.
        unit: how far apart the profile draws widths w and w + 1.
        right: x of the right edge of the bands.
        pitch: distance of rows.
    """

    code: float
    xs: tuple[float, ...]
    profile: float
    unit: float
    right: float
    pitch: float


def frame_for(tables: Sequence[Rows], width: float = 0.0, pitch: float = 24.0) -> Frame:
    """A frame that holds some drawings.

    Args:
        tables: what is to be drawn.
        width: what the whole is spread to where it would be narrower.
        pitch: distance of rows.
    """
    times = max(measure(f"${table.count}$", SMALL).width for table in tables)
    code = max(claimed_width(line, _NAME) for table in tables for line in (*table.code, "$z$"))
    half = [_RADIUS] * max(table.columns for table in tables)
    for table in tables:
        for value, (radius, sideways) in _outlines(table).items():
            register = table.place[value][0]
            half[register] = max(half[register], radius + sideways)
    lowest = min(min(table.widths) - table.widths[0] for table in tables)
    excess = max(max(table.widths) - table.widths[0] for table in tables) - lowest
    unit = min(13.0, 60.0 / max(excess, 1))
    tail = max(measure(_size_text(int(size)), _NAME).width for table in tables for size in (*table.sizes, 0))
    start = _MARGIN + times + 6.0
    steps = [max(16.0, a + b + _ROOM) for a, b in pairwise(half)]
    first = start + code + 8.0 + half[0]
    end = first + sum(steps) + half[-1] + 14.0 + excess * unit + 12.0 + tail + _MARGIN
    # Of the room to spare, code and profile are each two parts away from the graph and columns one from each other.
    spare = max(0.0, width - end) / (len(steps) + 4)
    xs = [first + 2 * spare]
    for step in steps:
        xs.append(xs[-1] + step + spare)
    profile = xs[-1] + half[-1] + 14.0 + 2 * spare - lowest * unit
    return Frame(start, tuple(xs), profile, unit, max(end, width), pitch)


def draw_rows(table: Rows, frame: Frame) -> Scene:
    """The drawing of a lumping in a frame, row 0 at y = 0."""
    drawn = stack(_bands(table, frame), _graph(table, frame), _code(table, frame), _profile(table, frame))
    return drawn if table.certificate is None else _with_certificate(table, table.certificate, drawn)


def draw_lumps(program: Program, order: Sequence[int | str] | NDArray[Any] | None = None) -> Scene:
    """The lumps of a program along an order of its steps, with its code, its graph in registers, and its widths.

    Where J is singular for every x there are no lumps. Then the cut of the certificate is circled: the values through
    which more would have to pass than they can hold.

    Meant for programs of up to about 40 steps.

    Args:
        program: straight-line code.
        order: as for ``lumps``; None is the program's own order, ``best_order(program)`` the one with most lumps.

    Raises:
        InputError: the order leaves out, repeats or misplaces a step.

    Example:
        >>> from flowgraph.language import parse
        >>> scene = draw_lumps(parse("inputs x, y\\nv = k(y)\\nz = f(x, v)\\noutputs z, y"))
        >>> [band.key for band in scene.bands], scene.title
        (['lump 1'], 'lumps of a program: 1 lump, largest l = 1')
        >>> draw_lumps(parse("inputs x, y\\nt = f(x, y)\\nu = g(t)\\noutputs t, u")).title
        'a program without lumps: this 1 value separates 2 inputs (x, y) from 2 outputs (t, u): t (line 2)'
    """
    structure = decompose(program)
    lumping = Lumping(program, structure.flow, legal_order(program, structure.flow, order))
    table = rows_of(lumping, structure.certificate)
    if table.certificate is None:
        title = plain(f"lumps of a program: {count_of_lumps(lumping)}")
    else:
        title = f"a program without lumps: {table.certificate}"
    return replace(draw_rows(table, frame_for([table])), title=title).fitted()


def count_of_lumps(lumping: Lumping) -> str:
    """How many lumps there are, and the largest.

    Example:
        >>> from flowgraph.language import parse
        >>> from flowgraph.lumping import lumps
        >>> count_of_lumps(lumps(parse("inputs x\\ny = f(x)\\noutputs y")))
        '1 lump, largest $l = 1$'
    """
    count = len(lumping)
    return f"{count} lump{'s' * (count != 1)}, largest $l = {max(lumping.sizes.tolist(), default=0)}$"


def _size_text(size: int) -> str:
    return f"$l = {size}$"


def _outlines(table: Rows) -> dict[int, tuple[float, float]]:
    """Radius and stretch of every value's outline."""
    extents = {value: measure(_text(name), _NAME) for value, name in table.names.items()}
    # Names stand on one baseline, and every outline is high enough for the deepest subscript.
    reach = max((max(_BASELINE + e.bottom, -(_BASELINE + e.top)) for e in extents.values()), default=0.0)
    radius = max(_RADIUS, reach + 0.6)
    return {value: (radius, stretch(extent, reach, radius, False)) for value, extent in extents.items()}


def _text(name: str) -> str:
    return f"${name_latex(name)}$"


def _between(frame: Frame, row: int) -> float:
    """The height of the line between a row and the next one: where the width is counted."""
    return (row + 0.5) * frame.pitch


def _bands(table: Rows, frame: Frame) -> Scene:
    bands: list[Band] = []
    labels: list[Label] = []
    for k, (size, (start, stop)) in enumerate(zip(table.sizes, pairwise(table.cuts), strict=False)):
        top, bottom = _between(frame, start) + _GAP / 2, _between(frame, stop) - _GAP / 2
        bands.append(Band((0.0, top, frame.right, bottom), key=f"lump {k + 1}"))
        baseline = (top + bottom) / 2 + 0.34 * _NAME
        labels.append(write(_size_text(size), (frame.right - _MARGIN, baseline), _NAME, anchor="end"))
    return Scene(0.0, 0.0, bands=tuple(bands), labels=tuple(labels))


def _with_certificate(table: Rows, certificate: Certificate, drawn: Scene) -> Scene:
    """Circle the values of the cut, and say below what it separates."""
    marked = {table.names[value] for value in certificate.cut if value in table.names}
    circles = tuple(
        replace(circle, visible=True, width=_CUT) if circle.key in marked else circle for circle in drawn.circles
    )
    left, _, right, bottom = drawn.bounds
    letters = max(40, int((right - left) / (0.42 * SMALL)))
    program = table.lumping.program
    what = "singular for every x" if program.n_inputs == program.n_outputs else "no inverse"
    lines = textwrap.wrap(f"{what}: {certificate}", letters)
    labels = tuple(
        write(line, (left + _MARGIN, bottom + (k + 1.6) * 1.5 * SMALL), SMALL, anchor="start")
        for k, line in enumerate(lines)
    )
    return replace(drawn, circles=circles, labels=(*drawn.labels, *labels))


def _code(table: Rows, frame: Frame) -> Scene:
    labels: list[Label] = []
    for row in range(table.count + 1):
        y = row * frame.pitch + _BASELINE
        labels.append(write(f"${row}$", (frame.code - 6.0, y), SMALL, anchor="end", ink=Ink.MUTED))
        if row:
            labels.append(write(table.code[row - 1], (frame.code, y), _NAME, anchor="start"))
    return Scene(0.0, 0.0, labels=tuple(labels))


def _graph(table: Rows, frame: Frame) -> Scene:
    outlines = _outlines(table)
    stations: dict[Place, Circle] = {}
    labels: list[Label] = []
    for value, place in table.place.items():
        radius, sideways = outlines[value]
        name = table.names[value]
        centre = (frame.xs[place[0]], place[1] * frame.pitch)
        stations[place] = Circle(centre, radius, sideways, visible=False, key=name)
        labels.append(write(_text(name), (centre[0], centre[1] + _BASELINE), _NAME, title=name, host=name))
    # A value that is read later than at once is read from a copy in the row before, as in the layered graph.
    rows: dict[int, list[int]] = {value: [row] for value, (_, row) in table.place.items()}
    for row, read in enumerate(table.reads):
        for value in read:
            if rows[value][-1] != row:
                rows[value].append(row)
                register = table.place[value][0]
                centre = (frame.xs[register], row * frame.pitch)
                stations[register, row] = Circle(
                    centre, _DOT, filled=True, ink=Ink.GHOST, key=f"{table.names[value]}@{row}"
                )
    lines, curves = _carried(table, frame, rows, stations), []
    router = Router(stations, frame.xs, [row * frame.pitch for row in range(table.count + 1)])
    results = {row: place for place in table.place.values() if (row := place[1])}
    for row, read in enumerate(table.reads):
        target = results[row + 1]
        for value in read:
            source = (table.place[value][0], row)
            points = clip(router.route(source, target).points, stations[source], stations[target])
            key = f"{stations[source].key} -> {stations[target].key}"
            if len(points) == 2:
                lines.append(Line(points[0], points[1], True, key=key))
            else:
                curves.append(Curve(points, True, key=key))
    return Scene(0.0, 0.0, tuple(lines), tuple(curves), tuple(stations.values()), tuple(labels))


def _carried(
    table: Rows, frame: Frame, rows: Mapping[int, Sequence[int]], stations: Mapping[Place, Circle]
) -> list[Line]:
    """Grey lines down the registers, for values that live on, and the arrows of inputs and outputs."""
    lines: list[Line] = []
    for value, visited in rows.items():
        register = table.place[value][0]
        x = frame.xs[register]
        circles = [stations[register, row] for row in visited]
        if visited[0] == 0:
            rim = -circles[0].radius
            lines.append(Line((x, rim - _STUB), (x, rim), True, Ink.MUTED, key=f"input -> {circles[0].key}"))
        for upper, lower in pairwise(circles):
            start, end = upper.centre[1] + upper.radius, lower.centre[1] - lower.radius
            lines.append(Line((x, start), (x, end), False, Ink.MUTED, key=f"{upper.key} -> {lower.key}"))
        if value in table.outputs:
            start, end = circles[-1].centre[1] + circles[-1].radius, _between(frame, table.count) + _STUB - 3.0
            lines.append(Line((x, start), (x, end), True, Ink.MUTED, key=f"{circles[-1].key} -> output"))
    return lines


def _profile(table: Rows, frame: Frame) -> Scene:
    """The width after each row as a step line that begins at n, with a dot for each time, filled where w = n."""
    n, total = table.widths[0], table.count
    bottom = _between(frame, total)
    xs = [frame.profile + (width - n) * frame.unit for width in table.widths]
    heading = -_RADIUS - _STUB - 4.0
    lines = [Line((frame.profile, heading + 3.0), (frame.profile, bottom + _STUB - 3.0), ink=Ink.MUTED, key="w = n")]
    for row, x in enumerate(xs):
        top, end = row * frame.pitch, min((row + 1) * frame.pitch, bottom)
        lines.append(Line((x, top), (x, end), width=0.9, key=f"width at {row}"))
        if row < total and xs[row + 1] != x:
            lines.append(Line((x, end), (xs[row + 1], end), width=0.9))
    dots = [
        Circle((x, _between(frame, row)), 1.9, filled=True, ink=Ink.INK if row in table.cuts else Ink.MUTED)
        for row, x in enumerate(xs)
    ]
    labels = [write(f"$r_{{{k + 1}}}$", (frame.xs[k], heading), SMALL, ink=Ink.MUTED) for k in range(table.columns)]
    labels.append(write("$w = n$", (frame.profile, heading), SMALL, ink=Ink.MUTED))
    return Scene(0.0, 0.0, tuple(lines), circles=tuple(dots), labels=tuple(labels))
