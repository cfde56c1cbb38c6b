"""The registry of elementary operations, held against SymPy, mpmath at hundreds of digits, and the complex step.

The checks are functions that return the list of failures, so that planted errors can be shown to be caught.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import FrozenInstanceError, replace
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy as sp

from flowgraph.operations import CODES, NAMES, OPERATIONS, Operation, operation

REQUIRED = (
    "add sub mul div power neg reciprocal square sqrt exp expm1 log log1p sin cos tan asin acos atan atan2 "
    "sinh cosh tanh asinh acosh atanh hypot abs minimum maximum erf logistic softplus select"
).split()

EPS = 2.0**-52
LARGEST = float(np.finfo(float).max)
SMALLEST_NORMAL = float(np.finfo(float).tiny)
SMALLEST = 5e-324
ULPS = 8.0

MAGNITUDES = (
    0.0, 5e-324, 1e-310, 1e-300, 1e-160, 1e-20, 1e-10, 1e-8, 1e-3, 0.3, 0.5, 1 - 1e-12, 1.0, 1 + 1e-14, 1.5, 2.0, 3.0,
    math.pi / 2, math.pi, 19.0, 26.5, 37.0, 354.0, 700.0, 744.0, 1e5, 1e8, 1e16, 1e100, 1e154, 1e155, 1e300, 1.7e308,
)  # fmt: skip
HARD = tuple(sorted({sign * x for x in MAGNITUDES for sign in (1.0, -1.0)}))
HARD_FEW = (-1.7e308, -700.0, -1.0, -1e-8, -5e-324, 5e-324, 1e-300, 1 - 1e-12, 2.0, 1e155, 1.7e308)

# The derivative of erf is e^(−x²), whose own condition number is 2x²: rounding x² alone costs so much. The condition
# number of x^(y−1) by y is y·log x: rounding y − 1 costs so much.
CONDITION: dict[tuple[str, int], Callable[..., float]] = {
    ("erf", 0): lambda x: 2.0 * x * x,
    ("power", 0): lambda x, y: abs(y * math.log(abs(x))) if x else 0.0,
}

COMPLEX_STEP = (
    "add sub mul div power neg reciprocal square sqrt exp expm1 log log1p sin cos tan asin acos atan "
    "sinh cosh tanh asinh acosh atanh erf constant"
).split()

Points = Sequence[tuple[float, ...]]


def digits(name: str, point: tuple[float, ...]) -> int:
    """Decimal digits the oracle must carry."""
    if name == "power":
        # Only y − 1 needs many: 309 at y = 1.7e308.
        return 330 if abs(point[1]) > 1e15 else 60
    # exp(x) − 1 at x = 1e−300 loses 300 digits, 1 + x² at x = 1e−300 loses 600.
    return 750


def symbols(op: Operation) -> tuple[Any, ...]:
    """Real symbols; the base of a power is positive, so that x^(y−1) = x^y / x."""
    if op.name == "power":
        return (sp.Symbol("x", positive=True), sp.Symbol("y", real=True))
    return sp.symbols("x y z", real=True)[: op.arity]


def is_zero(expression: Any) -> bool:
    """True only where cancellation in a field of rational functions of exponentials and radicals proves it."""
    expression = sp.expand(sp.sympify(expression).rewrite(sp.exp), power_exp=True)
    # e^(k·x) = (e^x)^k, so that cancel sees one generator for each x.
    base: dict[Any, Any] = {s: sp.Dummy(positive=True) for s in expression.free_symbols}
    for power in expression.atoms(sp.exp):
        exponent: Any = power.args[0]
        factor, symbol = exponent.as_coeff_Mul()
        if symbol in base:
            expression = expression.subs(power, base[symbol] ** factor)
    return sp.cancel(sp.together(expression)) == 0


def symbolic_failures(op: Operation) -> list[str]:
    """Slots whose symbolic partial is not ``sympy.diff`` of the form (not 0, where no derivative flows)."""
    args = symbols(op)
    form = op.form(sp, *args)
    failures = []
    for slot, partial in enumerate(op.symbolic_partials):
        expected = sp.Integer(0) if slot in op.inactive else sp.diff(form, args[slot])
        got = partial(sp, *args)
        if got != expected and not is_zero(got - expected):
            failures.append(f"{op.name}[{slot}]: {got} is not {expected}")
    return failures


def random_points(op: Operation, count: int = 12) -> Points:
    rng = np.random.default_rng(CODES[op.name])
    return [tuple(float(rng.uniform(*interval)) for interval in op.domain.sample) for _ in range(count)]


def hard_points(op: Operation) -> Points:
    few = {1: HARD, 2: HARD, 3: HARD_FEW}[op.arity]
    axes = [few] * op.arity
    if op.name == "power":
        # The oracle is slow at huge exponents, and these say nothing that 1e100 and 1.7e308 do not.
        axes[1] = tuple(y for y in few if not 1e101 < abs(y) < 1e301)
    return [point for point in itertools.product(*axes) if bool(op.domain.contains(*point))]


def power_limit(which: str, x: float, y: float) -> float | None:
    """Where the formulas for x^y and its partials meet 0·∞, 0^0 or the logarithm of a negative number."""
    if which == "partial 1" and (x < 0 or (x == 0 and y == 0)):
        return math.nan
    if which == "partial 1" and x == 0:
        return 0.0
    if which == "partial 0" and x == 0 and y == 0:
        return 0.0
    return None


def judge(got: float, exact: Any, condition: float) -> str | None:
    """What is wrong with a float64 that should be the exact number rounded."""
    if isinstance(exact, float) and math.isnan(exact):
        return None if math.isnan(got) else f"{got} instead of nan"
    if not math.isfinite(got):
        over = abs(exact) > LARGEST * (1 - ULPS * EPS * (1 + condition))
        return None if over and not math.isnan(got) and (got > 0) == (exact > 0) else f"{got} instead of {exact}"
    bound = ULPS * (EPS * (1 + condition) * abs(exact) + (SMALLEST if abs(exact) < SMALLEST_NORMAL else 0))
    error = abs(mpmath.mpf(got) - exact)
    return None if error <= bound else f"{got!r} instead of {mpmath.nstr(exact, 20)}, {float(error / bound):.3g} bounds"


def numeric_failures(op: Operation, points: Points) -> Iterator[str]:
    """Where the value or a partial is off by more than a few ulp, or warns although the exact result is a float64."""
    args = symbols(op)
    functions: list[tuple[str, Callable[..., Any], Any, tuple[str, int]]] = [
        ("value", op.evaluate, op.form(sp, *args), (op.name, -1))
    ]
    for slot in range(op.arity):
        exact = op.symbolic_partials[slot](sp, *args)
        functions.append((f"partial {slot}", op.partials[slot], exact, (op.name, slot)))
    for which, numeric, expression, key in functions:
        oracle = sp.lambdify(args, expression, modules=["mpmath"])
        for point in points:
            with mpmath.workdps(digits(op.name, point)):
                exact = power_limit(which, *point) if op.name == "power" else None
                if exact is None:
                    exact = mpmath.mpmathify(oracle(*(mpmath.mpf(x) for x in point)))
                condition = CONDITION[key](*point) if key in CONDITION else 0.0
                try:
                    with np.errstate(over="raise", divide="raise", invalid="raise"):
                        got = float(numeric(*(np.float64(x) for x in point)))
                except FloatingPointError as warning:
                    # Overflow is announced where the exact result overflows, and nowhere else.
                    if not (exact > LARGEST or exact < -LARGEST):
                        yield f"{op.name} {which} at {point}: {warning}; exact {mpmath.nstr(exact, 20)}"
                    continue
                wrong = judge(got, exact, condition)
                if wrong:
                    yield f"{op.name} {which} at {point}: {wrong}"


def complex_step_failures(op: Operation, points: Points) -> list[str]:
    """Where ∂f/∂x differs from Im f(x + ih)/h, which has no cancellation."""
    h = 1e-40
    failures = []
    for point in points:
        for slot in range(op.arity):
            if slot in op.inactive:
                continue
            moved: list[Any] = list(point)
            moved[slot] = complex(point[slot], h)
            expected = complex(op.evaluate(*moved)).imag / h
            got = float(op.partials[slot](*point))
            if abs(got - expected) > 1e-13 * abs(expected):
                failures.append(f"{op.name}[{slot}] at {point}: {got} is not {expected}")
    return failures


def difference_failures(op: Operation, points: Points) -> list[str]:
    """Where ∂f/∂x differs from a fourth-order central difference of the NumPy evaluation."""
    h = 2.0**-10
    failures = []
    for point in points:
        for slot in range(op.arity):

            def at(shift: float, point: tuple[float, ...] = point, slot: int = slot) -> float:
                return float(op.evaluate(*(x + shift * (k == slot) for k, x in enumerate(point))))

            expected = 0.0 if slot in op.inactive else (8 * (at(h) - at(-h)) - at(2 * h) + at(-2 * h)) / (12 * h)
            got = float(op.partials[slot](*point))
            if abs(got - expected) > 1e-7 * (1 + abs(expected)):
                failures.append(f"{op.name}[{slot}] at {point}: {got} is not {expected}")
    return failures


every_operation = pytest.mark.parametrize("op", OPERATIONS, ids=lambda op: op.name)


def test_the_required_operations_are_present() -> None:
    assert [name for name in REQUIRED if name not in CODES] == []


def test_names_and_aliases_are_unique_and_resolve() -> None:
    spoken = [name for op in OPERATIONS for name in (op.name, *op.aliases)]
    assert len(spoken) == len(set(spoken))
    assert sorted(NAMES) == sorted(spoken)
    for code, op in enumerate(OPERATIONS):
        assert CODES[op.name] == code
        assert all(operation(name) is op for name in (op.name, *op.aliases))
    with pytest.raises(KeyError):
        operation("no such thing")


@pytest.mark.parametrize("mapping", [CODES, NAMES])
def test_the_registry_cannot_be_written(mapping: Any) -> None:
    with pytest.raises(TypeError):
        mapping["new"] = 0
    with pytest.raises(FrozenInstanceError):
        OPERATIONS[0].name = "new"  # type: ignore[misc]


@every_operation
def test_a_record_is_complete(op: Operation) -> None:
    assert len(op.partials) == len(op.symbolic_partials) == len(op.domain.sample) == op.arity
    assert all(0 <= slot < op.arity for slot in op.inactive)
    assert all(name.isidentifier() for name in (op.name, *op.aliases))
    assert op.infix is None or op.arity == 2
    assert op.domain.text


@every_operation
def test_latex_uses_every_argument_and_no_other(op: Operation) -> None:
    marks = [f"ARG{k}" for k in range(op.arity)]
    text = op.latex.format(*marks)
    assert all(text.count(mark) == 1 for mark in marks)
    assert text.count("{") == text.count("}")
    with pytest.raises(IndexError):
        op.latex.format(*marks[:-1])


@every_operation
def test_symbolic_partials_are_the_derivatives_exactly(op: Operation) -> None:
    assert symbolic_failures(op) == []


@every_operation
def test_values_and_partials_at_random_points(op: Operation) -> None:
    assert list(numeric_failures(op, random_points(op))) == []


@every_operation
def test_values_and_partials_at_hard_points(op: Operation) -> None:
    points = hard_points(op)
    assert len(points) >= 20
    assert list(numeric_failures(op, points)) == []


@every_operation
def test_partials_against_the_complex_step_or_differences(op: Operation) -> None:
    check = complex_step_failures if op.name in COMPLEX_STEP else difference_failures
    assert check(op, random_points(op)) == []


# -- shapes and types --------------------------------------------------------------------------------------------------

SHAPES: tuple[tuple[tuple[int, ...], ...], ...] = (
    ((), (), ()),
    ((3,), (3,), (3,)),
    ((0,), (0,), (0,)),
    ((), (3,), (2, 1)),
    ((3,), (), ()),
    ((2, 1), (1, 3), ()),
    ((4, 0), (1, 1), (4, 1)),
)


@every_operation
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_float64_and_broadcasting(op: Operation, shapes: tuple[tuple[int, ...], ...]) -> None:
    rng = np.random.default_rng(0)
    args = [rng.uniform(*op.domain.sample[k], size=shapes[k]) for k in range(op.arity)]
    kept = [np.array(a) for a in args]
    shape = np.broadcast_shapes(*(a.shape for a in (np.asarray(a) for a in args)))
    for function in (op.evaluate, *op.partials):
        result = np.asarray(function(*args))
        assert result.dtype == np.float64
        assert result.shape == shape
        assert not any(np.shares_memory(result, np.asarray(a)) for a in args)
        wide = np.broadcast_arrays(*args) if args else []
        each = [float(function(*(float(w[i]) for w in wide))) for i in np.ndindex(shape)]
        assert result.reshape(-1).tolist() == pytest.approx(each, rel=1e-15)
    assert all(np.array_equal(a, b) for a, b in zip(args, kept, strict=True))
    assert np.shape(op.domain.contains(*args)) == shape
    assert np.asarray(op.domain.contains(*args)).dtype == bool


@every_operation
def test_python_floats_give_float64(op: Operation) -> None:
    point = random_points(op, 1)[0]
    for function in (op.evaluate, *op.partials):
        assert np.asarray(function(*point)).dtype == np.float64
        assert np.shape(function(*point)) == ()


# -- domains -----------------------------------------------------------------------------------------------------------

OUTSIDE: dict[str, Points] = {
    "div": [(1.0, 0.0), (1.0, -0.0)],
    "power": [(-1.0, 0.5), (0.0, -1.0), (0.0, 0.5), (-2.0, 1e-3)],
    "reciprocal": [(0.0,), (-0.0,)],
    "sqrt": [(0.0,), (-1e-300,)],
    "log": [(0.0,), (-1.0,)],
    "log1p": [(-1.0,), (-2.0,)],
    "asin": [(1.0,), (-1.0,), (1 + 1e-14,)],
    "acos": [(1.0,), (-1.0,), (-2.0,)],
    "atan2": [(0.0, 0.0), (-0.0, 0.0), (0.0, -1.0)],
    "acosh": [(1.0,), (0.0,), (-2.0,)],
    "atanh": [(1.0,), (-1.0,), (3.0,)],
    "hypot": [(0.0, 0.0)],
    "abs": [(0.0,)],
    "minimum": [(1.0, 1.0), (0.0, -0.0)],
    "maximum": [(1.0, 1.0), (0.0, -0.0)],
    "select": [(0.0, 1.0, 2.0)],
}
ALL_REALS = (
    "add sub mul neg square exp expm1 sin cos tan atan sinh cosh tanh asinh erf logistic softplus constant".split()
)


def test_every_operation_has_its_domain_tested() -> None:
    assert sorted([*OUTSIDE, *ALL_REALS]) == sorted(CODES)


@every_operation
def test_the_domain_holds_its_sample(op: Operation) -> None:
    ends = itertools.product(*op.domain.sample)
    inside = [p for p in (*ends, *random_points(op, 200)) if bool(op.domain.contains(*p))]
    assert all(low < high for low, high in op.domain.sample)
    assert len(inside) == 200 + 2**op.arity
    assert all(np.isfinite(op.evaluate(*p)) for p in inside)


@pytest.mark.parametrize(("name", "point"), [(name, point) for name, points in OUTSIDE.items() for point in points])
def test_points_outside_the_domain(name: str, point: tuple[float, ...]) -> None:
    assert not bool(operation(name).domain.contains(*point))


@every_operation
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_outside_every_domain(op: Operation, bad: float) -> None:
    for slot in range(op.arity):
        point = list(random_points(op, 1)[0])
        point[slot] = bad
        assert not bool(op.domain.contains(*point))


@pytest.mark.parametrize("name", ALL_REALS)
def test_all_finite_points_are_inside(name: str) -> None:
    op = operation(name)
    assert all(bool(op.domain.contains(*p)) for p in itertools.product(HARD, repeat=op.arity))


# -- powers ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "y", "value", "by_base"),
    [
        (0.0, 0.0, 1.0, 0.0),
        (0.0, 1.0, 0.0, 1.0),
        (0.0, 2.0, 0.0, 0.0),
        (0.0, 3.0, 0.0, 0.0),
        (-2.0, 0.0, 1.0, 0.0),
        (-2.0, 1.0, -2.0, 1.0),
        (-2.0, 2.0, 4.0, -4.0),
        (-2.0, 3.0, -8.0, 12.0),
        (-2.0, -1.0, -0.5, -0.25),
        (-2.0, -2.0, 0.25, 0.25),
        (5.0, 0.0, 1.0, 0.0),
    ],
)
def test_integer_powers(x: float, y: float, value: float, by_base: float) -> None:
    op = operation("power")
    assert float(op.evaluate(x, y)) == value
    assert float(op.partials[0](x, y)) == by_base


def test_the_exponent_of_a_negative_base_has_no_derivative() -> None:
    by_exponent = operation("power").partials[1]
    got = by_exponent(np.array([-2.0, 0.0, 0.0, 2.0]), np.array([2.0, 0.0, 2.0, 3.0]))
    assert np.isnan(got[:2]).all()
    assert got[2] == 0.0
    assert got[3] == pytest.approx(8 * math.log(2), rel=1e-15)


# -- ties --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["minimum", "maximum"])
def test_ties_share_the_derivative(name: str) -> None:
    op = operation(name)
    assert [float(p(2.0, 2.0)) for p in op.partials] == [0.5, 0.5]


def test_condition_of_select_is_strict() -> None:
    op = operation("select")
    assert float(op.evaluate(0.0, 1.0, 2.0)) == 2.0
    assert float(op.evaluate(1e-300, 1.0, 2.0)) == 1.0
    assert op.inactive == (0,)


# -- a test of the tests -----------------------------------------------------------------------------------------------


def planted(name: str, slot: int, wrong: Callable[..., Any]) -> Operation:
    op = operation(name)
    return replace(op, partials=(*op.partials[:slot], wrong, *op.partials[slot + 1 :]))


@pytest.mark.parametrize(
    "op",
    [
        planted("cos", 0, np.sin),
        planted("mul", 1, lambda x, y: y),
        planted("div", 1, lambda x, y: x / y**2),
        planted("power", 0, lambda x, y: y * x**y),
        planted("atan2", 0, lambda y, x: -x / (x**2 + y**2)),
        planted("softplus", 0, lambda x: np.exp(x)),
        planted("minimum", 0, lambda x, y: 1.0 * (x > y)),
        planted("select", 2, lambda c, x, y: 1.0),
        planted("sin", 0, lambda x: np.cos(x) * (1 + 1e-6)),
    ],
    ids=lambda op: op.name,
)
def test_a_planted_wrong_partial_is_caught(op: Operation) -> None:
    points = random_points(op)
    check = complex_step_failures if op.name in COMPLEX_STEP else difference_failures
    assert check(op, points)
    assert next(numeric_failures(op, points), None)
    assert check(operation(op.name), points) == []


@pytest.mark.parametrize(
    "op",
    [
        planted("tanh", 0, lambda x: 1.0 - np.square(np.tanh(x))),
        planted("tanh", 0, lambda x: 1.0 / np.square(np.cosh(x))),
        planted("asin", 0, lambda x: 1.0 / np.sqrt(1.0 - x * x)),
        planted("atanh", 0, lambda x: 1.0 / (1.0 - x * x)),
        planted("acosh", 0, lambda x: 1.0 / np.sqrt(x * x - 1.0)),
        planted("hypot", 0, lambda x, y: x / np.sqrt(x * x + y * y)),
        planted("atan2", 0, lambda y, x: x / (x * x + y * y)),
        planted("logistic", 0, lambda x: 1.0 / (1.0 + np.exp(-x)) * (1.0 - 1.0 / (1.0 + np.exp(-x)))),
        planted("power", 0, lambda x, y: y * np.power(np.asarray(x), y - 1.0)),
        planted("div", 1, lambda x, y: -x / (y * y)),
        replace(operation("expm1"), evaluate=lambda x: np.exp(x) - 1.0),
        replace(operation("log1p"), evaluate=lambda x: np.log(1.0 + x)),
        replace(operation("softplus"), evaluate=lambda x: np.log(1.0 + np.exp(x))),
        replace(operation("hypot"), evaluate=lambda x, y: np.sqrt(x * x + y * y)),
    ],
    ids=lambda op: op.name,
)
def test_a_planted_form_that_cancels_or_overflows_is_caught(op: Operation) -> None:
    assert next(numeric_failures(op, hard_points(op)), None)


@pytest.mark.parametrize(
    ("name", "slot", "wrong"),
    [
        ("tanh", 0, lambda sp, x: 1 / sp.cosh(x)),
        ("hypot", 1, lambda sp, x, y: x / sp.sqrt(x**2 + y**2)),
        ("power", 0, lambda sp, x, y: x ** (y - 1)),
        ("maximum", 0, lambda sp, x, y: sp.Heaviside(y - x)),
        ("select", 1, lambda sp, c, x, y: sp.Integer(1)),
        ("constant", 0, lambda sp, x: sp.Integer(1)),
    ],
)
def test_a_planted_wrong_symbolic_partial_is_caught(name: str, slot: int, wrong: Callable[..., Any]) -> None:
    op = operation(name)
    symbolic = (*op.symbolic_partials[:slot], wrong, *op.symbolic_partials[slot + 1 :])
    assert symbolic_failures(replace(op, symbolic_partials=symbolic))
