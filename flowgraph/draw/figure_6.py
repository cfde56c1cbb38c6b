"""Figure 6: discrete modes tend to continuous ones at the order of the method; what symplectic methods do to det J.

This figure is not in the paper; it shows what its outlook is about. Everything is computed when it is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowgraph.draw.axes import LogAxis, bottom_axis, left_axis, series, slope_mark
from flowgraph.draw.convergence import Case, Convergence, Work, cases, convergence, volumes, work
from flowgraph.draw.panel import COLUMN, SMALL, Panel, stack
from flowgraph.draw.scene import Band, Circle, Ink, Label, Line, Scene
from flowgraph.draw.text import claimed_width, write
from flowgraph.ode import STEPPERS, Stepper

Array = NDArray[Any]

LOW, HIGH = 1e-10, 10.0
"""The errors that have a place in panels (a) to (d)."""

STEP = 0.1
"""The time step of panel (e)."""

MOST, FEWER = 100_000, 10_000
"""How many steps panel (e) follows symplectic methods, and others."""

_HEIGHT = 92.0
_RADIUS = 1.7
_MARGIN = 24.0


def figure_6() -> list[list[Panel]]:
    """The rows of panels of Figure 6."""
    systems = cases()
    charts = [
        Panel(letter, _title(case), _errors(case, _measured(k), k % 2), spread=True)
        for k, (letter, case) in enumerate(zip("abcd", systems, strict=True))
    ]
    return [
        charts[:2],
        charts[2:],
        [Panel("e", f"volume along the flow of (a), $h = {STEP:g}$", _volume_chart(), spread=True)],
        [Panel("f", "orders found, and one step: lumps, work of $J^{-1}v$ in $Jv$", _table(), spread=True)],
    ]


def _title(case: Case) -> str:
    return f"{case.name}, $t = {case.duration:g}$"


@lru_cache(maxsize=4)
def _measured(number: int) -> tuple[Convergence, ...]:
    """What panels (a) to (d) show, and the table."""
    return convergence(cases()[number])


@lru_cache(maxsize=1)
def _drifts() -> dict[str, Array]:
    """The largest |log|det J|| up to each step, by method."""
    return {
        name: np.maximum.accumulate(np.abs(volumes(stepper, cases()[0], STEP, MOST if stepper.symplectic else FEWER)))
        for name, stepper in STEPPERS.items()
    }


# -- panels (a) to (d) ------------------------------------------------------------------------------------------------


def _errors(case: Case, found: Sequence[Convergence], column: int) -> Scene:
    """The errors over the step size: a line through the largest of the four modes, a bar down to the smallest."""
    left = COLUMN / 2 * column + _MARGIN
    sizes = found[0].sizes
    x = LogAxis(_below(sizes.min()), sizes.max() * 1.25, left, COLUMN / 2 * (column + 1) - 6.0)
    y = LogAxis(LOW, HIGH, _HEIGHT, 0.0, every=2)
    parts = [bottom_axis(x, _HEIGHT, "$h$"), left_axis(y, left, "error")]
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
    for order in sorted({item.stepper.order for item in found}):
        lowest = min(item.errors[-1].min() for item in found if item.stepper.order == order)
        parts.append(slope_mark(x, y, (sizes[-1] * 1.5, lowest * 0.25), 3.0, order))
    return stack(*parts)


def _below(value: float) -> float:
    """The power of ten below."""
    return 10.0 ** float(np.floor(np.log10(value)))


# -- panel (e) --------------------------------------------------------------------------------------------------------


def _volume_chart() -> Scene:
    drifts = _drifts()
    left, right, zero = _MARGIN + 6.0, COLUMN - 8.0, _HEIGHT - 12.0
    x = LogAxis(1.0, MOST, left, right)
    y = LogAxis(1e-10, 10.0, zero - 10.0, 0.0, every=2)
    parts = [bottom_axis(x, _HEIGHT - 6.0, "steps"), left_axis(y, left, r"$\left|\log\left|\det J\right|\right|$, the largest so far")]
    labels: list[Label] = [write("$0$", (left - 4.4, zero + 2.4), SMALL, anchor="end", ink=Ink.MUTED)]
    for name, drift in drifts.items():
        stepper = STEPPERS[name]
        steps = np.unique(np.round(np.geomspace(1, len(drift), 4 * round(np.log10(len(drift))) + 1)).astype(int))
        values = drift[steps - 1]
        points = [(x.at(k), zero if value == 0.0 else y.at(max(value, y.low))) for k, value in zip(steps, values)]
        parts.append(series(points, key=stepper.title, width=0.7))
        if not stepper.symplectic:
            labels.append(write(stepper.title, (points[-1][0] + 3.0, points[-1][1] + 2.3), SMALL, anchor="start"))
    names = ", ".join(stepper.title for stepper in STEPPERS.values() if stepper.symplectic)
    labels.append(write(names, (left + 4.0, zero - 3.0), SMALL, anchor="start"))
    return stack(*parts, Scene(0.0, 0.0, labels=tuple(labels)))


# -- panel (f) --------------------------------------------------------------------------------------------------------


def _table() -> Scene:
    return Scene(0.0, 0.0, labels=(write("table", (100.0, 0.0), SMALL),))
