"""A chart of what inverting costs for several programs: by the lumps of two orders, and by blocks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from flowgraph.analysis import analyze
from flowgraph.draw.panel import COLUMN, SMALL
from flowgraph.draw.scene import Band, Circle, Ink, Label, Line, Scene
from flowgraph.draw.text import claimed_width, write
from flowgraph.lumping import lumps
from flowgraph.program import Program

_MOST_ROWS = 14
_PITCH = 12.5
_RING, _DOT, _TICK = 2.9, 1.7, 4.4
_KEYS = ("given order", "best order", "blocks")
_EDGE = 6.0
_MANTISSAS = (1, 2, 3, 4, 5, 7)


@dataclass(frozen=True, slots=True)
class Gain:
    """What inverting one program costs, relative to one product J v.

    Attributes:
        name: of the program.
        given: by the lumps of its own order.
        best: by the lumps of the best order.
        blocks: by its blocks.
    """

    name: str
    given: float
    best: float
    blocks: float

    @property
    def costs(self) -> tuple[float, float, float]:
        """The three, in the order of the key."""
        return self.given, self.best, self.blocks


def _gains(program: Program) -> tuple[float, float, float]:
    """The operations of J⁻¹v over those of J v: by the lumps of the program's own order, of the best one, by blocks."""
    counts = analyze(program).operation_counts
    given, best, blocks = (counts.ratio(counted) or math.nan for counted in (counts.given, counts.best, counts.blocks))
    return given, best, blocks


def gains(programs: Mapping[str, Program]) -> list[Gain]:
    """What inverting costs for those programs that are more than a chain of atomic steps, largest gain first.

    Args:
        programs: by name, none of them singular for every x.

    Example:
        >>> from flowgraph.language import parse
        >>> source = "inputs y, x1, x2\\nv = k(y)\\nz1 = f(x1, v)\\nz2 = g(x2, v)\\noutputs y, z1, z2"
        >>> [gain] = gains({"shared": parse(source), "atomic": parse("inputs u, w\\nz = f(u, w)\\noutputs z, w")})
        >>> gain.name, gain.given == gain.best > gain.blocks
        ('shared', True)
    """
    found = [Gain(name, *_gains(program)) for name, program in programs.items() if (lumps(program).lengths > 1).any()]
    return sorted(found, key=lambda gain: (-gain.given / gain.blocks, -gain.best / gain.blocks, -gain.given, gain.name))


def chart(programs: Mapping[str, Program]) -> Scene:
    """A row for each program that has lumps of several steps, the three costs on a logarithmic axis.

    Args:
        programs: by name; at most 14 rows are drawn, those with the largest gains.
    """
    rows = gains(programs)[:_MOST_ROWS]
    if not rows:
        note = write("no program has a lump of several steps", (COLUMN / 2, 0.0), SMALL, ink=Ink.MUTED)
        return Scene(0.0, 0.0, labels=(note,))
    costs = [cost for row in rows for cost in row.costs]
    low = _round(min(*costs, 1.0), up=False)
    high = max(_round(max(costs), up=True), 2 * low)
    left = max(claimed_width(row.name, SMALL) for row in rows) + 10.0
    right = COLUMN - 2 * _EDGE

    def x(cost: float) -> float:
        return left + _EDGE + (right - left - _EDGE) * math.log(cost / low) / math.log(high / low)

    foot = _PITCH * (len(rows) - 1) + 8.0
    ticks = list(_ticks(low, high))
    grid = tuple(Band((x(tick) - 0.3, -8.0, x(tick) + 0.3, foot), key=f"{tick:g}") for tick in ticks)
    lines = [Line((left, foot), (right + _EDGE, foot), ink=Ink.MUTED, key="axis")]
    lines += [Line((x(tick), foot), (x(tick), foot + 2.5), ink=Ink.MUTED) for tick in ticks]
    labels = [write(f"${tick:g}$", (x(tick), foot + 10.0), SMALL, ink=Ink.MUTED) for tick in ticks]
    circles: list[Circle] = []
    for k, row in enumerate(rows):
        y = k * _PITCH
        labels.append(write(row.name, (left - 4.0, y + 2.2), SMALL, anchor="end"))
        given, best, blocks = map(x, row.costs)
        if given - _RING > blocks + _DOT:
            lines.append(Line((blocks + _DOT, y), (given - _RING, y), ink=Ink.MUTED, key=row.name))
        lines.append(Line((best, y - _TICK), (best, y + _TICK), width=0.9, key=f"{row.name} best order"))
        circles.append(Circle((given, y), _RING, width=0.8))
        circles.append(Circle((blocks, y), _DOT, filled=True))
    key_lines, key_labels = _key([x(cost) for cost in rows[0].costs], left, right + _EDGE)
    return Scene(0.0, 0.0, (*lines, *key_lines), circles=tuple(circles), labels=(*labels, *key_labels), bands=grid)


def _key(xs: Sequence[float], left: float, right: float) -> tuple[list[Line], list[Label]]:
    """The names of the marks above those of the first row, moved apart where they would meet."""
    gap, level = 6.0, -16.0
    order = sorted(range(len(xs)), key=lambda k: (xs[k], -k))
    widths = [claimed_width(_KEYS[k], SMALL) for k in order]
    least = [0.0]
    for a, b in pairwise(widths):
        least.append(least[-1] + a / 2 + gap + b / 2)
    # Seen from places that are so far apart already, the centres only have to ascend.
    offsets = [xs[k] - d for k, d in zip(order, least, strict=True)]
    ascending = [(max(offsets[: k + 1]) + min(offsets[k:])) / 2 for k in range(len(offsets))]
    lowest, highest = left + widths[0] / 2, right - widths[-1] / 2 - least[-1]
    centres = [max(lowest, min(highest, a)) + d for a, d in zip(ascending, least, strict=True)]
    lines: list[Line] = []
    labels: list[Label] = []
    for k, centre in zip(order, centres, strict=True):
        labels.append(write(_KEYS[k], (centre, level), SMALL))
        lines.append(Line((centre, level + 2.8), (xs[k], -5.4), ink=Ink.MUTED, width=0.4, key=f"to {_KEYS[k]}"))
    return lines, labels


def _ticks(low: float, high: float) -> Iterator[float]:
    """1, 2, 5, 10, … between two bounds; powers of ten alone over three decades and more."""
    mantissas = _MANTISSAS if high / low < 1000 else (1,)
    for decade in range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1):
        for mantissa in mantissas:
            tick = mantissa * 10.0**decade
            if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9):
                yield tick


def _round(cost: float, up: bool) -> float:
    """The next of 1, 2, 5, 10, … at or above a cost, or at or below it."""
    decade = math.floor(math.log10(cost))
    steps = [mantissa * 10.0**power for power in (decade - 1, decade, decade + 1) for mantissa in _MANTISSAS]
    if up:
        return min(step for step in steps if step >= cost * (1 - 1e-9))
    return max(step for step in steps if step <= cost * (1 + 1e-9))
