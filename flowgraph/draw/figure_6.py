"""Figure 6: discrete modes tend to continuous ones at the order of the method; what symplectic methods do to det J.

This figure is not in the paper; it shows what its outlook is about. Everything is computed when it is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from flowgraph.draw.axes import LogAxis, bottom_axis, left_axis, series
from flowgraph.draw.convergence import Case, Convergence, Work, cases, convergence, volumes, work
from flowgraph.draw.panel import COLUMN, SMALL, Panel, stack
from flowgraph.draw.scene import Circle, Ink, Line, Scene
from flowgraph.draw.text import write
from flowgraph.ode import STEPPERS

LOW, HIGH = 1e-10, 10.0
"""The errors that have a place in panels (a) to (d)."""

STEP = 0.1
"""The time step of panel (e)."""

MOST, FEWER = 100_000, 10_000
"""How many steps panel (e) follows symplectic methods, and others."""

_HEIGHT = 84.0
_RADIUS = 1.7
_MARGIN = 24.0
_PITCH = 10.0


def figure_6() -> list[list[Panel]]:
    """The rows of panels of Figure 6."""
    return [list(row) for row in _rows()]


@lru_cache(maxsize=1)
def _rows() -> tuple[tuple[Panel, ...], ...]:
    """The rows of panels; they take seconds, so they are kept."""
    systems = cases()
    found = [convergence(case) for case in systems]
    charts = tuple(
        Panel(letter, f"{case.name}, $t = {case.duration:g}$", _errors(errors, k % 2), spread=True)
        for k, (letter, case, errors) in enumerate(zip("abcd", systems, found, strict=True))
    )
    volume = Panel("e", f"volume along the flow of (a), $h = {STEP:g}$", _volumes(systems[0]), spread=True)
    words = "$k \\times l$: $k$ lumps of size $l$; work: of $J^{-1}v$, in products $Jv$"
    return charts[:2], charts[2:], (volume,), (Panel("f", words, _table(systems, found), spread=True),)


# -- panels (a) to (d) ------------------------------------------------------------------------------------------------


def _errors(found: Sequence[Convergence], column: int) -> Scene:
    """The errors over the step size: a line through the largest of the four modes, a bar down to the smallest."""
    left = COLUMN / 2 * column + _MARGIN
    sizes = found[0].sizes.tolist()
    x = LogAxis(sizes[-1] / 2, 1.25 * sizes[0], left, COLUMN / 2 * (column + 1) - 5.0)
    y = LogAxis(LOW, HIGH, _HEIGHT, 0.0, every=2)
    parts = [bottom_axis(x, _HEIGHT, "$h$"), left_axis(y, left, "relative error")]
    for item in found:
        parts.append(_guide(x, y, item))
    for item in found:
        points = [(x.at(h), y.at(error)) for h, error in zip(sizes, item.errors.max(axis=1), strict=True)]
        least = [y.at(error) for error in item.errors.min(axis=1)]
        bars = tuple(
            Line((px, py + _RADIUS), (px, low), ink=Ink.MUTED, width=0.4, key=f"{item.stepper.title}, other modes")
            for (px, py), low in zip(points, least, strict=True)
            if low > py + _RADIUS
        )
        parts.append(Scene(0.0, 0.0, lines=bars))
        parts.append(series(points, radius=_RADIUS, filled=item.stepper.symplectic, key=item.stepper.title))
    labels = []
    for order in sorted({item.stepper.order for item in found}):
        ends = [y.at(item.errors[-1].max()) for item in found if item.stepper.order == order]
        text = "$h$" if order == 1 else f"$h^{{{order}}}$"
        labels.append(write(text, (x.at(sizes[-1]) - 4.5, (min(ends) + max(ends)) / 2 + 3.2), SMALL, anchor="end"))
    return stack(*parts, Scene(0.0, 0.0, labels=tuple(labels)))


def _guide(x: LogAxis, y: LogAxis, item: Convergence) -> Scene:
    """A straight line through the error of the smallest step, with the slope that the method's order demands."""
    first, last = item.sizes[-1], item.sizes[0]
    error = item.errors[-1].max()
    ends = (x.at(first), y.at(error)), (x.at(last), y.at(error * (last / first) ** item.stepper.order))
    return Scene(0.0, 0.0, lines=(Line(*ends, ink=Ink.GHOST, width=1.6, key=f"slope {item.stepper.order}"),))


# -- panel (e) --------------------------------------------------------------------------------------------------------


def _volumes(case: Case) -> Scene:
    """The largest |log|det J|| so far over the number of steps; below the axis of logarithms a line for 0."""
    left, right, foot = _MARGIN + 4.0, COLUMN - 8.0, 66.0
    zero = foot + 11.0
    x = LogAxis(1.0, MOST, left, right)
    y = LogAxis(1e-10, 10.0, foot, 0.0, every=2)
    title = r"$\left|\log\left|\det J\right|\right|$, the largest so far"
    parts = [bottom_axis(x, zero + 5.0, "steps"), left_axis(y, left, title)]
    labels = [write("$0$", (left - 4.4, zero + 2.4), SMALL, anchor="end", ink=Ink.MUTED)]
    flat: list[str] = []
    for stepper in case.steppers:
        drift = np.abs(volumes(stepper, case, STEP, MOST if stepper.symplectic else FEWER))
        drift = np.maximum.accumulate(drift).tolist()
        points = [(x.at(k), y.at(max(drift[k - 1], y.low)) if drift[k - 1] else zero) for k in _spread(len(drift))]
        parts.append(series(points, key=stepper.title, width=0.7))
        if drift[-1]:
            labels.append(write(stepper.title, (points[-1][0] + 3.0, points[-1][1] + 2.3), SMALL, anchor="start"))
        else:
            flat.append(stepper.title)
    labels.append(write(", ".join(flat), (right, zero - 3.0), SMALL, anchor="end"))
    return stack(*parts, Scene(0.0, 0.0, labels=tuple(labels)))


def _spread(most: int) -> list[int]:
    """1, 2, 3, 6, 10, …, most: four numbers to a decade."""
    decades = math.log10(most)
    return sorted({round(10.0 ** (k / 4)) for k in range(math.ceil(4 * decades))} | {most})


# -- panel (f) --------------------------------------------------------------------------------------------------------


def _table(systems: Sequence[Case], found: Sequence[Sequence[Convergence]]) -> Scene:
    """A row for each method: its mark, the orders found on the four systems, and what a step of two of them takes."""
    slopes = [{item.stepper: item.slope for item in items} for items in found]
    columns = (88.0, 108.0, 128.0, 148.0, 176.0, 193.0, 221.0, 239.0)
    heads = ("(a)", "(b)", "(c)", "(d)", "lumps", "work", "lumps", "work")
    groups = (("order found", 0, 3), ("step of (a)", 4, 5), ("step of (d)", 6, 7))
    labels = [write(head, (x, 0.0), SMALL, anchor="end", ink=Ink.MUTED) for head, x in zip(heads, columns, strict=True)]
    lines: list[Line] = []
    circles: list[Circle] = []
    for text, start, end in groups:
        left, right = labels[start].box[0], columns[end]
        lines.append(Line((left, -8.5), (right, -8.5), ink=Ink.MUTED, width=0.4))
        labels.append(write(text, ((left + right) / 2, -11.5), SMALL, ink=Ink.MUTED))
    for k, stepper in enumerate(STEPPERS.values()):
        y = _PITCH * (k + 1) + 2.0
        circles.append(Circle((5.0, y - 2.3), _RADIUS, filled=stepper.symplectic, width=0.7))
        labels.append(write(stepper.title, (11.0, y), SMALL, anchor="start"))
        texts = [f"${item[stepper]:.2f}$" if stepper in item else "–" for item in slopes]
        for case in (systems[0], systems[-1]):
            texts += _written(work(stepper, case)) if stepper in case.steppers else ["–", "–"]
        labels += [write(text, (x, y), SMALL, anchor="end") for text, x in zip(texts, columns, strict=True)]
    return Scene(0.0, 0.0, tuple(lines), circles=tuple(circles), labels=tuple(labels))


def _written(found: Work) -> list[str]:
    """The lumps of a step as number × size, and its work."""
    return [f"${found.lumps} \\times {found.largest}$", f"${found.ratio:.1f}$"]
