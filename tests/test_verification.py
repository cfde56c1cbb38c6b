"""``fg.verify``: every example by both methods, odd programs, the stated bound, the report, and wrong arguments."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

import flowgraph as fg
from flowgraph.builder import Builder
from flowgraph.numbers import draw_points, reference_jacobian
from flowgraph.structure import decompose
from flowgraph.verification import points_needed
from tests.examples import LUMPED, REGULAR, SINGULAR
from tests.lump_oracle import check_certificate

METHODS = ("exact", "prime-field")


@pytest.mark.parametrize("path", REGULAR, ids=lambda path: path.stem)
@pytest.mark.parametrize("method", METHODS)
def test_every_example(path: Path, method: str) -> None:
    report = fg.verify(fg.load(path), method=method)
    assert report.ok, str(report)
    subjects = {check.subject for check in report.checks}
    assert {"forward = J", "reverse = Jᵀ", "forward-inverse = J⁻¹", "reverse-inverse = J⁻ᵀ"} <= subjects
    lumped = {"rule lump keeps the map", "rule expand keeps the map"}
    rules = {f"rule {name} {rule.effect}" for name, rule in fg.RULES.items()}
    assert {s for s in subjects if s.startswith("rule")} == (rules if path in LUMPED else rules - lumped)
    known = any(step.operation for step in fg.load(path).steps())
    assert ("labels = SymPy's partials" in subjects) == known
    assert not any(check.skipped for check in report.checks)


@pytest.mark.parametrize("path", SINGULAR, ids=lambda path: path.stem)
@pytest.mark.parametrize("method", METHODS)
def test_every_singular_example_is_refused_with_a_certificate(path: Path, method: str) -> None:
    program = fg.load(path)
    for modes in ("forward-inverse", "reverse-inverse", tuple(fg.Mode)):
        with pytest.raises(fg.NotInvertible) as caught:
            fg.verify(program, method=method, modes=modes)
        assert check_certificate(program, caught.value.certificate) is None
        assert str(caught.value.certificate) in str(caught.value)
    report = fg.verify(program, method=method, modes=("forward", "reverse"))
    assert report.ok, str(report)
    assert not any(check.skipped for check in report.checks)


@pytest.mark.parametrize("path", LUMPED, ids=lambda path: path.stem)
def test_the_lumps_of_every_example_are_checked_one_by_one(path: Path) -> None:
    """As many lumps are made as the best order has of two steps or more, and every block label is expanded."""
    from flowgraph.lumping import best_order, lumps

    program = fg.load(path)
    found = lumps(program, best_order(program))
    report = fg.verify(program, method="prime-field", modes="reverse-inverse")
    counted = {check.subject: check.detail for check in report.checks}

    def applications(count: int) -> str:
        return f"{count} application{'' if count == 1 else 's'}"

    assert counted["rule lump keeps the map"] == applications(sum(len(lump.steps) > 1 for lump in found))
    assert counted["rule invert replaces one layer by its inverse transpose"] == applications(len(found))
    expanded = sum(1 + bool(lump.read) for lump in found if lump.size > 1)
    assert counted["rule expand keeps the map"] == applications(expanded)


def test_the_order_of_the_steps_is_taken_as_given() -> None:
    program = fg.load(next(path for path in LUMPED if path.stem == "two_orders"))
    for method in METHODS:
        details = []
        for order in (["t1", "z1", "t2", "z2"], ["t1", "t2", "z1", "z2"]):
            report = fg.verify(program, method=method, order=order)
            assert report.ok, str(report)
            details.append({c.subject: c.detail for c in report.checks}["rule lump keeps the map"])
        assert details == ["2 applications", "1 application"]
        with pytest.raises(fg.InputError, match="z1 needs t1"):
            fg.verify(program, method=method, order=["z1", "t1", "t2", "z2"])
        with pytest.raises(fg.InputError, match="leaves out 1 step"):
            fg.verify(program, method=method, order=[0, 1, 2], modes="forward")


ODD = {
    "no steps": "inputs x, y\noutputs y, x",
    "an input that is an output": "inputs x, y\nx = exp(x)\noutputs x, y",
    "the same argument twice": "inputs x\nz = f(x, x)\nz = z * z\nz = z + z\noutputs z",
    "constants on either side": "inputs x\nz = 2 / x\nz = z ** 3\nz = 1.5 - z\nz = z ** (-2)\noutputs z",
    "a condition": "inputs x, y, s\nc = x - 0.5\nx = select(c, x, y)\noutputs x, y, s",
    "dead code": "inputs x\nt = sin(x)\nu = cos(t)\nz = exp(x)\noutputs z",
    "three arguments": "inputs x, y, w\nz = f(w, x, y)\noutputs x, y, z",
    "kinks": "inputs x, y\nx = maximum(x, y)\nx = abs(x)\ny = minimum(y, x)\noutputs y, x",
    "functions of functions": "inputs x, y\nx = f(x, y)\nx = sin(x)\ny = g(y, x)\ny = tanh(y)\noutputs x, y",
    "names that SymPy knows": "inputs E, S, N\nI = f(E, S)\nbeta = g(N, I)\nS = S * beta\noutputs I, S, beta",
    "a lump of all steps": "inputs x, y\nu = f(x, y)\nv = g(x, y)\noutputs u, v",
    "a lump that reads what lives on": "inputs x, y, p\nu = f(x, y, p)\nv = g(x, y, p)\noutputs u, v, p",
    "a lump of one result": "inputs x, y\nt = sin(x)\nz = t * x * y\noutputs z, y",
    "a lump with a condition": "inputs x, y, p\nc = p - 0.5\nu = select(c, x, y)\nv = x * y\noutputs u, v, p",
    "an output that is read again": "inputs x, y\nu = x * y\nv = u + x\noutputs v, u",
    "a path that cancels": "inputs x, y\nt = f(x)\nu = t - t\nz = g(u, x)\nw = h(y, t)\noutputs z, w",
    "names of blocks": "inputs A1, B1\nA1inv = f(A1, B1)\nA1inv_1_2 = g(A1, B1)\noutputs A1inv, A1inv_1_2",
    "names of letters": "inputs a, b\nc = f(a, b)\nd = g(b, c)\noutputs c, d",
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("method", METHODS)
def test_odd_programs(name: str, method: str) -> None:
    report = fg.verify(fg.parse(ODD[name]), method=method)
    assert report.ok, str(report)


def test_no_inputs_at_all() -> None:
    program = Builder(0).finish(np.zeros(0, dtype=int))
    for method in METHODS:
        report = fg.verify(program, method=method)
        assert report.ok, str(report)


def test_a_program_traced_at_a_point_is_checked_where_its_guards_hold() -> None:
    def f(x):
        return np.array([x[0] * x[1] if x[1] > 0.3 else x[0], x[1]])

    for point in ([0.5, 0.9], [0.5, 0.1]):
        program = fg.trace(f, np.array(point))
        assert program.guards
        report = fg.verify(program)
        assert report.ok, str(report)
        assert not any(check.skipped for check in report.checks)


def test_a_domain_that_no_point_is_found_in_is_said_and_not_claimed() -> None:
    report = fg.verify(fg.parse("inputs x\ny = x + 1e6\nz = asin(y)\noutputs z"))
    assert report.ok
    skipped = [check for check in report.checks if check.skipped]
    assert len(skipped) == 4
    assert all("point found" in check.detail for check in skipped)
    assert "skip" in str(report)
    assert sum(row["skipped"] for row in report.to_json()["checks"]) == 4


def test_programs_that_are_not_square_have_two_modes() -> None:
    program = fg.parse("inputs x, y\nz = x * y\nw = sin(z)\noutputs w")
    assert fg.verify(program, modes=("forward", "reverse")).ok
    with pytest.raises(fg.NotInvertible, match="as many outputs as inputs") as caught:
        fg.verify(program)
    assert check_certificate(program, caught.value.certificate) is None
    wide = fg.parse("inputs x\nz = f(x)\nw = g(x)\noutputs z, w")
    assert fg.verify(wide, modes=("forward", "reverse")).ok
    with pytest.raises(fg.NotInvertible, match="as many outputs as inputs") as caught:
        fg.verify(wide)
    assert check_certificate(wide, caught.value.certificate) is None


def test_auto_is_exact_for_short_programs_and_prime_for_long_ones() -> None:
    assert fg.verify(fg.parse("inputs x\nz = f(x)\noutputs z")).method == "exact"
    lines = "\n".join("x = f(x, y)" if k % 2 else "y = g(y, x)" for k in range(300))
    report = fg.verify(fg.parse(f"inputs x, y\n{lines}\noutputs x, y"))
    assert report.method == "prime-field"
    assert report.ok


@pytest.mark.parametrize("degree", [4, 1000, 300_004, 3_000_000])
@pytest.mark.parametrize("claims", [1, 1000, 10**7])
def test_the_stated_bound(degree: int, claims: int) -> None:
    """claims · (degree/(p − 1))^points < 2⁻⁶⁰, and one point fewer would not do."""
    size = 2**61 - 2

    def log2_missed(points: int) -> float:
        return math.log2(claims) + points * (math.log2(degree) - math.log2(size))

    points = points_needed(degree, claims)
    assert log2_missed(points) < -60 + 1e-6
    assert points == 1 or log2_missed(points - 1) > -60 - 1e-6


def test_the_report() -> None:
    report = fg.verify(fg.parse("inputs u, w\nz = f(u, w)\noutputs z, w"))
    data = json.loads(json.dumps(report.to_json()))
    assert data["schema"] == "flowgraph/verification/1"
    assert data["ok"] is True
    assert set(data["checks"][0]) == {"subject", "method", "ok", "detail", "witness", "skipped"}
    assert "all checks hold" in str(report)
    assert len(data["checks"]) == len(report.checks) == 13


def test_wrong_arguments() -> None:
    program = fg.parse("inputs x\nz = f(x)\noutputs z")
    with pytest.raises(fg.InputError, match="method"):
        fg.verify(program, method="by eye")
    with pytest.raises(fg.InputError, match="mode"):
        fg.verify(program, modes=("sideways",))


@pytest.mark.parametrize("method", METHODS)
def test_progress_ends_where_it_says(method: str) -> None:
    seen: list[tuple[str, int, int]] = []
    fg.verify(fg.parse(ODD["three arguments"]), method=method, progress=lambda *args: seen.append(args))
    assert seen
    assert all(0 <= done <= total for _, done, total in seen)


def test_the_reference_is_sympys_jacobian() -> None:
    from random import Random

    import mpmath
    import sympy

    program = fg.parse("inputs x, y\nx = x * y\ny = tanh(y)\nx = hypot(x, y)\noutputs x, y")
    (point,) = draw_points(program, Random(3), count=1)
    x, y = sympy.symbols("x y")
    composed = fg.jacobian(program).subs({x: sympy.Float(point.values[0]), y: sympy.Float(point.values[1])})
    reference = reference_jacobian(program, point)
    assert np.allclose(reference.jacobian, np.array(composed.evalf(30), dtype=float), rtol=1e-14)
    assert reference.inverse is not None
    inverse = mpmath.matrix(composed.evalf(30).tolist()) ** -1
    assert np.allclose(reference.inverse, np.array(inverse.tolist(), dtype=float), rtol=1e-13)


def test_the_reference_takes_the_digits_it_needs() -> None:
    """Two hundred products with 10⁻³ beside one with 1: cond J = 10¹⁸⁰, far beyond 30 digits with the rows mixed."""
    lines = "\n".join("x = x * 0.001" for _ in range(60))
    program = fg.parse(f"inputs x, y\n{lines}\nx = x + y\ny = y + x\nx = x + y\noutputs x, y")
    report = fg.verify(program)
    assert report.ok, str(report)
    assert not any(check.skipped for check in report.checks)


def test_a_jacobian_that_is_singular_everywhere_has_no_reference_inverse() -> None:
    from random import Random

    program = fg.parse("inputs x, y\nx = x + y\ny = y - x\nx = y + x\ny = x * 0 + y * 0\noutputs x, x")
    (point,) = draw_points(program, Random(0), count=1)
    assert reference_jacobian(program, point).inverse is None


@pytest.mark.parametrize("right", ["x / x", "atan2(x, x)", "x - x", "0 * x", "x ** 0", "maximum(x, x) - maximum(x, x)"])
def test_a_pivot_that_is_zero_for_every_x_is_refused_everywhere(right: str) -> None:
    program = fg.parse(f"inputs x, y\nx = {right}\nx = f(x)\noutputs x, y")
    for method in METHODS:
        with pytest.raises(fg.NotInvertible):
            fg.verify(program, method=method)
    for labels in ("symbolic", "fractions", "counts"):
        with pytest.raises(fg.NotInvertible):
            fg.derive(program, "forward-inverse", labels=labels)
    with pytest.raises(fg.NotInvertible):
        fg.count_operations(program, "reverse-inverse")
    report = fg.verify(program, modes=("forward", "reverse"))
    assert report.ok, str(report)


SINGULAR_FOR_EVERY_X = {
    "equal rows": "inputs x, y\ns = x + y\nr = y + x\noutputs s, r",
    "proportional rows": "inputs x, y\ns = x + y\nt = 2 * x\nu = 2 * y\nr = t + u\noutputs s, r",
    "a path that cancels": "inputs x, y\nt = x - x\nu = f(t)\nz = g(u, y)\nw = h(y)\noutputs z, w",
    "rank two of three": "inputs x, y, z\na = x - y\nb = y - z\nc = z - x\noutputs a, b, c",
    "behind a good lump": "inputs x, y\nu = f(x, y)\nv = g(x, y)\ns = u + v\nr = v + u\noutputs s, r",
}


@pytest.mark.parametrize("name", SINGULAR_FOR_EVERY_X)
def test_a_lump_that_is_singular_for_every_x_is_refused_though_its_pattern_is_not(name: str) -> None:
    program = fg.parse(SINGULAR_FOR_EVERY_X[name])
    assert not decompose(program).singular
    for method in METHODS:
        for mode in ("forward-inverse", "reverse-inverse"):
            with pytest.raises(fg.NotInvertible, match="singular for every x") as caught:
                fg.verify(program, method=method, modes=mode)
            error = caught.value
            assert error.certificate is None
            assert error.step is not None
            assert f"step {error.step}: " in (error.where or "")
            assert "which die" in (error.got or "")
    for labels in ("symbolic", "fractions"):
        with pytest.raises(fg.NotInvertible, match="singular for every x"):
            fg.derive(program, "reverse-inverse", labels=labels)
    report = fg.verify(program, modes=("forward", "reverse"))
    assert report.ok, str(report)


def test_a_function_that_is_singular_through_its_values_has_right_graphs() -> None:
    """The outputs sum to 1, which no rule sees: as rational functions of its partials J has an inverse."""
    from random import Random

    text = "inputs x, y, w\ns = x + y\ns = s + w\na = x / s\nb = y / s\nc = w / s\noutputs a, b, c"
    program = fg.parse(text)
    for point in draw_points(program, Random(1), count=3):
        assert np.linalg.cond(reference_jacobian(program, point).jacobian) > 1e12
    for method in METHODS:
        report = fg.verify(program, method=method)
        assert report.ok, str(report)


@pytest.mark.parametrize(
    "text",
    [
        "inputs x\nx = exp(x)\nx = exp(x)\nx = x + x\nx = tanh(x)\noutputs x",
        "inputs x, y\nx = exp(x)\nx = exp(x)\nx = exp(x)\nx = sin(x)\noutputs x, y",
        "inputs x\nx = hypot(x, x)\nx = hypot(x, 0)\noutputs x",
        "inputs x, c\nx = select(c, x, x)\noutputs x, c",
        "inputs x\nx = x * x\nx = x / 3\nx = minimum(x, 7)\noutputs x",
        "inputs x\nx = x + x\nx = power(x, x)\noutputs x",
    ],
)
@pytest.mark.parametrize("seed", range(5))
def test_no_false_alarm(text: str, seed: int) -> None:
    report = fg.verify(fg.parse(text), seed=seed)
    assert report.ok, str(report)


def test_forward_of_a_function_that_is_constant() -> None:
    report = fg.verify(fg.parse("inputs x\nx = sin(x)\nx = x / x\nx = x ** 3\noutputs x"), modes="forward")
    assert report.ok, str(report)


def test_a_program_is_needed() -> None:
    for call in (
        fg.verify,
        fg.jacobian,
        lambda p: fg.derive(p, "forward"),
        lambda p: fg.count_operations(p, "forward"),
    ):
        with pytest.raises(fg.InputError, match="a program is needed"):
            call("inputs x")  # pyright: ignore[reportArgumentType]
    with pytest.raises(fg.InputError, match="no mode"):
        fg.verify(fg.parse("inputs x\nx = f(x)\noutputs x"), modes=[])


@pytest.mark.parametrize("right", ["z ** z", "z ** 2", "atanh(z) ** 2", "(x - 5) ** z"])
def test_a_point_at_which_sympy_has_no_derivative_is_left_out(right: str) -> None:
    """z = 0, where y·x^y/x is 0/0, and powers of negative numbers, where x^y·log x is complex."""
    report = fg.verify(fg.parse(f"inputs x\nz = x - x\ny = {right}\noutputs y"), modes="forward")
    assert report.ok, str(report)
