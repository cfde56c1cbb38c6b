"""Figure 6: its orders, volumes and counts, and that the marks stand where the numbers say."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from itertools import pairwise

import numpy as np
import pytest
from draw_oracle import faults

from flowgraph import ode
from flowgraph.draw import panels
from flowgraph.draw.axes import LogAxis, bottom_axis, left_axis, power, series
from flowgraph.draw.convergence import MODES, Case, Convergence, cases, convergence, volumes, work
from flowgraph.draw.figure_6 import HIGH, LOW, MOST, STEP
from flowgraph.draw.panel import stack
from flowgraph.draw.scene import Scene
from flowgraph.numeric.functions import linearize
from flowgraph.ode.systems import Field

NUMBERS = range(4)
CASES = cases()


@lru_cache(maxsize=4)
def _convergence(number: int) -> tuple[Convergence, ...]:
    return convergence(CASES[number])


# -- what is measured -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", NUMBERS, ids=[case.name for case in CASES])
def test_every_mode_of_every_method_has_the_order_of_the_method(number: int) -> None:
    found = _convergence(number)
    assert len(found) == (6 if isinstance(CASES[number].field, ode.Separable) else 3)
    for item in found:
        assert item.errors.shape == (len(item.sizes), len(MODES))
        # Far above rounding and above the error of the continuous modes, and far below 1: the order can be seen.
        assert 1e-11 < item.errors.min(), item.stepper.name
        assert item.errors[-1].max() < 0.1, item.stepper.name
        for mode, errors in zip(MODES, item.errors.T, strict=True):
            fitted = np.polyfit(np.log(item.sizes[-3:]), np.log(errors[-3:]), 1)[0]
            assert abs(fitted - item.stepper.order) < 0.15, (item.stepper.name, mode, fitted)
        np.testing.assert_allclose(item.slopes, np.polyfit(np.log(item.sizes[-3:]), np.log(item.errors[-3:]), 1)[0])
        assert abs(item.slope - item.stepper.order) < 0.15


def test_a_method_that_is_not_consistent_does_not_converge() -> None:
    # The limit is that of the system: a method for another one is not mistaken for a method of order 1.
    def wrong(F: Field, x: np.ndarray, h: float, t: float = 0.0) -> np.ndarray:
        return x + h * F(1.1 * x, t)

    case = CASES[2]
    flows = [ode.discretize(wrong, case.field, case.duration / count, count) for count in (64, 128)]
    exact = ode.continuous(case.field, case.x0, (0.0, case.duration)).jvp([1.0, 0.0, 0.0])
    errors = [np.linalg.norm(linearize(flow, case.x0).jvp([1.0, 0.0, 0.0]) - exact) for flow in flows]
    assert abs(math.log2(errors[0] / errors[1])) < 0.5


def test_the_volume_of_explicit_euler_is_the_product_of_its_steps() -> None:
    q, p, h = 1.0, 0.5, 0.1
    expected = []
    for _ in range(50):
        # The Jacobian of a step is [[1, h], [−h cos q, 1]].
        expected.append(math.log(1.0 + h * h * math.cos(q)))
        q, p = q + h * p, p - h * math.sin(q)
    found = volumes(ode.STEPPERS["explicit_euler"], CASES[0], h, 50)
    np.testing.assert_allclose(found, np.cumsum(expected), rtol=1e-10)


@pytest.mark.parametrize("stepper", ode.STEPPERS.values(), ids=list(ode.STEPPERS))
def test_volumes_are_those_of_the_whole_flow(stepper: ode.Stepper) -> None:
    case = CASES[1]
    whole = linearize(ode.discretize(stepper.function, case.field, 0.1, 40), case.x0)
    found = volumes(stepper, case, 0.1, 40)
    assert found.shape == (40,)
    np.testing.assert_allclose(found[-1], whole.slogdet().logabsdet, rtol=1e-9, atol=1e-13)
    # A determinant by dense arithmetic, which knows nothing of steps.
    np.testing.assert_allclose(found[-1], np.linalg.slogdet(whole.jacobian())[1], rtol=1e-9, atol=1e-12)
    assert (found == 0.0).all() == stepper.symplectic


@pytest.mark.parametrize("name", [name for name, stepper in ode.STEPPERS.items() if stepper.symplectic])
def test_symplectic_methods_keep_the_volume_for_all_steps_of_the_figure(name: str) -> None:
    flow = ode.discretize(ode.STEPPERS[name].function, CASES[0].field, STEP, MOST)
    lin = linearize(flow, CASES[0].x0)
    assert lin.slogdet() == (1.0, 0.0)
    # JᵀΩJ = Ω by dense products: entries of J grow with the number of steps, and with them what cancels.
    (a, b), (c, d) = lin.jacobian()
    assert abs(a * d - b * c - 1.0) < 1e-9 * max(abs(a * d), abs(b * c))


def test_only_symplectic_steps_are_atomic() -> None:
    for case in CASES:
        for stepper in case.steppers:
            found = work(stepper, case)
            if stepper.symplectic:
                assert (found.largest, found.ratio) == (1, 1.0)
                assert found.lumps > 1
            else:
                assert (found.lumps, found.largest) == (1, len(case.x0))
                assert found.ratio > 1.0


# -- what is drawn ----------------------------------------------------------------------------------------------------


def _read(scene: Scene) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """The values of rings and of dots, by the powers of ten beside the axes."""
    upright, level = (
        next(line for line in scene.lines if line.key == "axis" and line.start[k] == line.end[k]) for k in (0, 1)
    )
    ticks: dict[int, dict[float, float]] = {0: {}, 1: {}}
    for line in scene.lines:
        (x0, y0), (x1, y1) = line.start, line.end
        # A tick is as long as 2.6; the label next to its end says the value.
        if math.isclose(math.dist(line.start, line.end), 2.6):
            axis = 0 if x0 == x1 else 1
            near = min(
                (label for label in scene.labels if re.fullmatch(r"\$(1|10|10\^\{-?\d+\})\$", label.text)),
                key=lambda label: math.dist(
                    ((label.box[0] + label.box[2]) / 2, (label.box[1] + label.box[3]) / 2), (x1, y1)
                ),
            )
            exponent = {"$1$": 0, "$10$": 1}.get(near.text)
            ticks[axis][float(re.findall(r"-?\d+", near.text)[-1]) if exponent is None else exponent] = (x0, y0)[axis]
    assert upright.start[0] == level.start[0]

    def value(axis: int, at: float) -> float:
        # One tick is enough for the place; the scale is where two are.
        places = sorted(ticks[axis].items())
        (e0, p0), (e1, p1) = places[0], places[-1]
        return 10.0 ** (e0 + (at - p0) / (p1 - p0) * (e1 - e0))

    rings = [(c.centre[0], value(1, c.centre[1])) for c in scene.circles if not c.filled]
    dots = [(c.centre[0], value(1, c.centre[1])) for c in scene.circles if c.filled]
    return rings, dots


@pytest.mark.parametrize("letter", "abcd")
def test_marks_stand_at_the_largest_error_and_bars_reach_to_the_smallest(letter: str) -> None:
    scene = panels(6)[letter]
    found = _convergence("abcd".index(letter))
    rings, dots = _read(scene)
    for marks, symplectic in ((rings, False), (dots, True)):
        expected = [
            error for item in found if item.stepper.symplectic == symplectic for error in item.errors.max(axis=1)
        ]
        np.testing.assert_allclose([value for _, value in marks], expected, rtol=1e-6)
        assert all(LOW < value < HIGH for _, value in marks)
    xs = [x for x, _ in rings[: len(found[0].sizes)]]
    gaps = [a - b for a, b in pairwise(xs)]
    np.testing.assert_allclose(gaps, gaps[0], err_msg="step sizes are halved from mark to mark")
    for item in found:
        slope = [line for line in scene.lines if line.key == f"slope {item.stepper.order}"]
        bars = [line for line in scene.lines if line.key == f"{item.stepper.title}, other modes"]
        assert slope
        assert len(bars) <= len(item.sizes)
    labels = {label.text for label in scene.labels}
    assert {"$h$", "$h^{2}$", "$h^{4}$"} <= labels


def test_the_volume_chart_reaches_all_steps_with_the_symplectic_methods_alone() -> None:
    scene = panels(6)["e"]
    axis = next(line for line in scene.lines if line.key == "axis" and line.start[1] == line.end[1])
    for stepper in ode.STEPPERS.values():
        lines = [line for line in scene.lines if line.key == stepper.title]
        reach = max(line.end[0] for line in lines)
        heights = {line.start[1] for line in lines} | {line.end[1] for line in lines}
        if stepper.symplectic:
            assert reach == pytest.approx(axis.end[0])
            assert len(heights) == 1, "0 at every step"
        else:
            assert reach < axis.end[0]
            # The largest so far never falls, and it grows over all.
            assert all(line.end[1] <= line.start[1] + 1e-9 for line in lines)
            assert max(heights) - min(heights) > 10.0
    named = " ".join(label.text for label in scene.labels)
    assert all(stepper.title in named for stepper in ode.STEPPERS.values())


def test_the_table_holds_what_was_measured() -> None:
    scene = panels(6)["f"]
    rows: dict[float, list[tuple[float, str]]] = {}
    for label in scene.labels:
        rows.setdefault(round(label.position[1], 3), []).append((label.box[0], label.text))
    table = {texts[0]: texts[1:] for texts in ([text for _, text in sorted(row)] for row in rows.values())}
    for stepper in ode.STEPPERS.values():
        slopes = [{item.stepper: f"${item.slope:.2f}$" for item in _convergence(k)}.get(stepper, "–") for k in NUMBERS]
        counts = []
        for case in (CASES[0], CASES[3]):
            if stepper in case.steppers:
                found = work(stepper, case)
                counts += [f"${found.lumps} \\times {found.largest}$", f"${found.ratio:.1f}$"]
            else:
                counts += ["–", "–"]
        assert table[stepper.title] == [*slopes, *counts]
    assert [circle.filled for circle in scene.circles] == [stepper.symplectic for stepper in ode.STEPPERS.values()]


def test_the_systems_are_those_of_the_issue() -> None:
    assert [case.name for case in CASES] == ["pendulum", "Lotka–Volterra", "Lorenz-63", "Lorenz-96"]
    assert list(panels(6)) == list("abcdef")
    assert all(isinstance(case, Case) for case in CASES)


# -- axes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "every", "powers", "minor"),
    [
        (1e-3, 1e2, 1, (-3, -2, -1, 0, 1, 2), 40),
        (1e-3, 1e2, 2, (-2, 0, 2), 4),
        (2e-3, 5e-3, 1, (), 2),
        (0.5, 20.0, 1, (0, 1), 4 + 8),
    ],
)
def test_ticks_are_powers_of_ten(low: float, high: float, every: int, powers: tuple[int, ...], minor: int) -> None:
    axis = LogAxis(low, high, 10.0, 110.0, every=every)
    assert axis.powers == powers
    assert len(list(axis.minor)) == minor
    assert (axis.at(low), axis.at(high)) == (10.0, pytest.approx(110.0))
    assert axis.at(math.sqrt(low * high)) == pytest.approx(60.0)


@pytest.mark.parametrize(("low", "high"), [(1.0, 1e5), (0.01, 0.5), (2e-3, 5e-3), (1.0, 10.0), (3.0, 1e9)])
def test_axes_have_no_fault(low: float, high: float) -> None:
    x, y = LogAxis(low, high, 40.0, 200.0), LogAxis(low, high, 100.0, 20.0, every=2)
    scene = stack(bottom_axis(x, 100.0, "steps"), left_axis(y, 40.0, "error"), Scene(0.0, 0.0))
    drawn = scene.fitted()
    assert faults(drawn) == []
    written = [label.text for label in drawn.labels]
    assert {"steps", "error"} < set(written) or len(written) == 2
    assert written.count(power(math.floor(math.log10(high)))) <= 2


def test_series_end_at_their_marks() -> None:
    scene = series([(0.0, 0.0), (10.0, 0.0), (10.0, 1.0)], radius=2.0, filled=True, key="a")
    assert [circle.filled for circle in scene.circles] == [True] * 3
    assert [(line.start, line.end, line.key) for line in scene.lines] == [((2.0, 0.0), (8.0, 0.0), "a")]
    assert len(series([(0.0, 0.0), (10.0, 0.0), (10.0, 1.0)]).lines) == 2
