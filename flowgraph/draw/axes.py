"""Charts: logarithmic axes with their ticks, and series of marks joined by lines, as parts of a ``Scene``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from flowgraph.draw.curves import along
from flowgraph.draw.panel import SMALL
from flowgraph.draw.scene import Box, Circle, Ink, Label, Line, Point, Scene
from flowgraph.draw.text import claimed_width, write

_TICK, _MINOR = 2.6, 1.4
_GAP = 3.0
_DROP, _LEADING = 7.6, 9.4


@dataclass(frozen=True, slots=True)
class LogAxis:
    """A logarithmic axis: where a value stands on the page.

    Attributes:
        low: the smallest value, positive.
        high: the largest value.
        start: the place of the smallest, in points.
        end: the place of the largest; above ``start`` on the page, and so smaller, for an axis that goes up.
        every: how many powers of ten lie between two ticks.

    Example:
        >>> axis = LogAxis(0.01, 100.0, 0.0, 40.0)
        >>> axis.at(0.01), axis.at(1.0), axis.powers
        (0.0, 20.0, (-2, -1, 0, 1, 2))
    """

    low: float
    high: float
    start: float
    end: float
    every: int = 1

    def at(self, value: float) -> float:
        """The place of a value."""
        return self.start + (self.end - self.start) * math.log(value / self.low) / math.log(self.high / self.low)

    @property
    def powers(self) -> tuple[int, ...]:
        """The exponents of the powers of ten that have a tick."""
        first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
        return tuple(k for k in range(first, last + 1) if k % self.every == 0)

    @property
    def minor(self) -> Iterator[float]:
        """2, 3, …, 9 times the powers of ten between; the powers themselves where only some have a tick."""
        for k in range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1):
            for mantissa in range(2, 10) if self.every == 1 else (1,):
                value = mantissa * 10.0**k
                if self.low < value < self.high:
                    yield value


def power(exponent: int) -> str:
    """A power of ten as it is written at a tick.

    Example:
        >>> power(-2), power(0), power(1)
        ('$10^{-2}$', '$1$', '$10$')
    """
    return {0: "$1$", 1: "$10$"}.get(exponent, f"$10^{{{exponent}}}$")


def bottom_axis(axis: LogAxis, y: float, title: str) -> Scene:
    """An axis that goes to the right at height y, with ticks and labels below, and what it shows between them."""
    lines = [Line((axis.start, y), (axis.end, y), ink=Ink.MUTED, key="axis")]
    labels: list[Label] = []
    for k in axis.powers:
        x = axis.at(10.0**k)
        lines.append(Line((x, y), (x, y + _TICK), ink=Ink.MUTED))
        labels.append(write(power(k), (x, y + _TICK + _DROP), SMALL, ink=Ink.MUTED))
    if axis.every == 1:
        lines += [Line((axis.at(v), y), (axis.at(v), y + _MINOR), ink=Ink.MUTED, width=0.4) for v in axis.minor]
    labels.append(_named(title, axis, y + _TICK + _DROP, [label.box for label in labels]))
    return Scene(0.0, 0.0, lines=tuple(lines), labels=tuple(labels))


def _named(title: str, axis: LogAxis, y: float, taken: Sequence[Box]) -> Label:
    """What an axis shows: at its end; between the last two ticks where one is written there; else a line below."""
    needed = claimed_width(title, SMALL) + 2 * _GAP
    if axis.end - (taken[-1][2] if taken else axis.start) >= needed - _GAP:
        return write(title, (axis.end, y), SMALL, anchor="end", ink=Ink.MUTED)
    if len(taken) > 1 and taken[-1][0] - taken[-2][2] >= needed:
        return write(title, ((taken[-1][0] + taken[-2][2]) / 2, y), SMALL, ink=Ink.MUTED)
    return write(title, ((axis.start + axis.end) / 2, y + _LEADING), SMALL, ink=Ink.MUTED)


def left_axis(axis: LogAxis, x: float, title: str) -> Scene:
    """An axis that goes up at x, with ticks and labels on the left, and what it shows above it."""
    lines = [Line((x, axis.start), (x, axis.end), ink=Ink.MUTED, key="axis")]
    labels = [write(title, (x, axis.end - 4.5), SMALL, anchor="start", ink=Ink.MUTED)]
    for k in axis.powers:
        y = axis.at(10.0**k)
        lines.append(Line((x, y), (x - _TICK, y), ink=Ink.MUTED))
        labels.append(write(power(k), (x - _TICK - 1.8, y + 2.4), SMALL, anchor="end", ink=Ink.MUTED))
    if axis.every > 1:
        lines += [Line((x, axis.at(v)), (x - _MINOR, axis.at(v)), ink=Ink.MUTED, width=0.4) for v in axis.minor]
    return Scene(0.0, 0.0, lines=tuple(lines), labels=tuple(labels))


def series(
    points: Sequence[Point],
    *,
    radius: float = 0.0,
    filled: bool = False,
    ink: Ink = Ink.INK,
    width: float = 0.55,
    key: str = "",
) -> Scene:
    """Points joined by straight lines, each marked by a ring or a dot at which the lines end.

    Args:
        points: where they are.
        radius: of the marks; 0 for none.
        filled: dots in place of rings.
        ink, width, key: of the lines, and the ink of the marks.

    Example:
        >>> scene = series([(0.0, 0.0), (10.0, 0.0)], radius=2.0)
        >>> scene.lines[0].start, scene.lines[0].end, len(scene.circles)
        ((2.0, 0.0), (8.0, 0.0), 2)
    """
    lines: list[Line] = []
    for p, q in pairwise(points):
        length = math.dist(p, q)
        if length > 2 * radius:
            start, end = (along(p, q, radius / length), along(q, p, radius / length)) if radius else (p, q)
            lines.append(Line(start, end, ink=ink, width=width, key=key))
    circles = tuple(Circle(p, radius, filled=filled, ink=ink, width=0.7) for p in points) if radius else ()
    return Scene(0.0, 0.0, lines=tuple(lines), circles=circles)
