"""SymPy expressions as programs, held against SymPy's own evaluation to 30 digits."""

from __future__ import annotations

import math
import re
import time
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy.codegen import cfunctions

from flowgraph.errors import FlowgraphError, InputError
from flowgraph.language import format_program, parse
from flowgraph.operations import OPERATIONS, Operation
from flowgraph.program import Program
from flowgraph.sympy_import import from_sympy

x, y, z = SYMBOLS = sp.symbols("x y z", real=True)
f, g = sp.Function("f"), sp.Function("g")


def steps(exprs: Any, **options: Any) -> list[str]:
    return [str(step) for step in from_sympy(exprs, SYMBOLS, **options).steps()]


def evaluate(program: Program, point: tuple[float, ...]) -> list[float]:
    values: list[Any] = [np.float64(v) for v in point]
    with np.errstate(all="ignore"):
        for step in program.steps():
            assert step.operation is not None
            operands = [values[o] if o >= 0 else program.constants[-1 - o] for o in step.operands]
            values.append(step.operation.evaluate(*operands))
    return [float(values[int(v)]) for v in program.outputs]


def by_sympy(expr: sp.Basic, point: tuple[float, ...]) -> float | None:
    """The value to 30 digits, or None where it is not a finite real number of moderate size."""
    with mpmath.workdps(30):
        try:
            value = sp.lambdify(SYMBOLS, expr, "mpmath")(*(mpmath.mpf(v) for v in point))
        except (ZeroDivisionError, ValueError, OverflowError, TypeError):  # TypeError: complex numbers have no order
            return None
        if isinstance(value, mpmath.mpc) or not mpmath.isfinite(value) or abs(value) > 1e8:
            return None
        return float(value)


def leaves_the_reals(expr: sp.Expr, point: tuple[float, ...]) -> bool:
    """Whether some part has no finite real value there, though the whole may have one, as |√−1| has."""
    parts = (part for part in sp.preorder_traversal(expr) if isinstance(part, sp.Expr) and not part.is_Atom)
    return any(by_sympy(part, point) is None for part in parts)


# -- shapes of the steps ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        (x - y, ["t1 = x - y"]),
        (-x - y, ["t1 = neg(x)", "t2 = t1 - y"]),
        (1 - x, ["t1 = 1 - x"]),
        (x - 1, ["t1 = x - 1"]),
        (x + y - 3 * z, ["t1 = 3 * z", "t2 = x + y", "t3 = t2 - t1"]),
        (x / y, ["t1 = x / y"]),
        (x / 3, ["t1 = x / 3"]),
        (-x, ["t1 = neg(x)"]),
        (1 / x, ["t1 = reciprocal(x)"]),
        (3 / x, ["t1 = 3 / x"]),
        (y - 3 / x, ["t1 = 3 / x", "t2 = y - t1"]),
        (1 / (x * y), ["t1 = x * y", "t2 = reciprocal(t1)"]),
        (y / x**2, ["t1 = square(x)", "t2 = y / t1"]),
        (x**2, ["t1 = square(x)"]),
        (x**3, ["t1 = x ** 3"]),
        (x**-2, ["t1 = x ** (-2)"]),
        (sp.sqrt(x), ["t1 = sqrt(x)"]),
        (1 / sp.sqrt(x), ["t1 = sqrt(x)", "t2 = reciprocal(t1)"]),
        (x**y, ["t1 = x ** y"]),
        (2**x, ["t1 = 2 ** x"]),
        (sp.pi * x, ["t1 = 3.141592653589793 * x"]),
        (x + sp.sin(sp.Integer(1)), [f"t1 = x + {math.sin(1.0)!r}"]),
        (sp.cot(x), ["t1 = tan(x)", "t2 = reciprocal(t1)"]),
        (sp.atan2(y, x), ["t1 = atan2(y, x)"]),
        (sp.Abs(x), ["t1 = abs(x)"]),
        (sp.Max(x, y), ["t1 = maximum(x, y)"]),
        (sp.Heaviside(x), ["t1 = select(x, 1, 0)"]),
        (sp.Piecewise((x, y > z), (z, True)), ["t1 = y - z", "t2 = select(t1, x, z)"]),
        (sp.Piecewise((x, y > 0), (z, True)), ["t1 = select(y, x, z)"]),
        (sp.Piecewise((x, y < 0), (z, True)), ["t1 = neg(y)", "t2 = select(t1, x, z)"]),
        (sp.Piecewise((x, y <= 0), (z, True)), ["t1 = select(y, z, x)"]),
        (f(x, y), ["t1 = f(x, y)"]),
        (f(x, 2), ["t1 = f(x, 2)"]),
        (sp.Function("hypot")(x, y), ["t1 = hypot(x, y)"]),
        (sp.Function("sigmoid")(x), ["t1 = logistic(x)"]),
        (cfunctions.log1p(x), ["t1 = log1p(x)"]),
        (sp.Integer(3), ["t1 = constant(3)"]),
        (x, []),
    ],
    ids=str,
)
def test_steps(expr: sp.Expr, expected: list[str]):
    assert steps(expr) == expected


def test_equal_subexpressions_are_one_step():
    shared = sp.sin(x * y)
    assert steps([shared + z, shared * z, sp.exp(shared)]) == [
        "t1 = x * y",
        "t2 = sin(t1)",
        "t3 = z + t2",
        "t4 = z * t2",
        "t5 = exp(t2)",
    ]
    assert from_sympy([x * y, x * y], [x, y]).outputs.tolist() == [2, 2]


def test_a_tree_of_exponential_size_is_a_program_of_linear_size():
    expr: Any = x
    for _ in range(100):
        expr = sp.Mul(sp.sin(expr, evaluate=False), sp.cos(expr, evaluate=False), evaluate=False)
    assert from_sympy(expr, x).n_steps == 300


def test_objects_that_are_equal_but_not_the_same_are_shared_too():
    once, again = sp.Basic.__new__(sp.sin, x), sp.Basic.__new__(sp.sin, x)
    assert once is not again
    assert steps([f(once), g(y, again)]) == ["t1 = sin(x)", "t2 = f(t1)", "t3 = g(y, t1)"]


def test_constants_and_value_numbers_are_not_mixed_up():
    # z is value 2, and 2.0 is a constant: both keys would be (power, 0, 2).
    assert steps([x**z, x ** sp.Float(2.5), f(x, z), f(x, 2)]) == [
        "t1 = x ** z",
        "t2 = x ** 2.5",
        "t3 = f(x, z)",
        "t4 = f(x, 2)",
    ]


def test_only_what_commutes_is_shared_in_either_order():
    assert steps([x - y, y - x, x / y, y / x, f(x, y), f(y, x)]) == [
        "t1 = x - y",
        "t2 = y - x",
        "t3 = x / y",
        "t4 = y / x",
        "t5 = f(x, y)",
        "t6 = f(y, x)",
    ]
    swapped = sp.Add(y, x, evaluate=False), sp.Mul(y, x, evaluate=False)
    assert steps([f(x + y, x * y), g(*swapped)])[2:] == ["t3 = f(t1, t2)", "t4 = g(t1, t2)"]


@pytest.mark.parametrize("depth", [5_000])
def test_deep_expressions_need_no_recursion(depth: int):
    tower: Any = x
    horner: Any = x
    for _ in range(depth):
        tower = sp.sin(tower, evaluate=False)
        horner = sp.Add(sp.Mul(horner, y, evaluate=False), x, evaluate=False)
    start = time.perf_counter()
    assert from_sympy(tower, x).n_steps == depth
    assert from_sympy([horner, tower], [x, y]).n_steps == 3 * depth
    assert time.perf_counter() - start < 10.0


# -- values -----------------------------------------------------------------------------------------------------------

_CONSTANTS = st.sampled_from(
    [sp.Integer(2), sp.Integer(-3), sp.Rational(1, 2), sp.Rational(-2, 3), sp.pi, sp.E, sp.sqrt(2), sp.Float("0.3")]
)
_LEAVES = st.one_of(st.sampled_from(SYMBOLS), st.sampled_from(SYMBOLS), _CONSTANTS)
_UNARY = st.sampled_from(
    [sp.sin, sp.cos, sp.tan, sp.exp, sp.atan, sp.asinh, sp.tanh, sp.erf, sp.Abs, sp.log, sp.sqrt, sp.sec, sp.coth]
)
_RELATIONS = st.sampled_from(
    [x > y, x < y, y >= z, z <= sp.Rational(1, 3), (x > 0) & (y > sp.Rational(1, 3)), (x < z) | (y < z)]
)


def _finite(expr: sp.Expr) -> sp.Expr:
    return expr if not expr.has(sp.zoo, sp.nan, sp.oo, sp.I) else x


def _minimum(a: Any, b: Any) -> Any:
    try:
        return sp.Min(a, b)
    except ValueError:  # SymPy refuses what it knows not to be real
        return a


def _compound(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    exponents = st.sampled_from([-3, -2, -1, 2, 3, sp.Rational(1, 2), sp.Rational(-1, 2), sp.Rational(3, 2)])
    return st.one_of(
        st.builds(lambda parts: sp.Add(*parts), st.lists(inner, min_size=2, max_size=4)),
        st.builds(lambda parts: sp.Mul(*parts), st.lists(inner, min_size=2, max_size=4)),
        st.builds(lambda a, b: a - b, inner, inner),
        st.builds(lambda a, b: a / b, inner, inner),
        st.builds(lambda a, k: a**k, inner, exponents),
        st.builds(lambda function, a: function(a), _UNARY, inner),
        st.builds(lambda a, b, c: sp.Piecewise((a, c), (b, True)), inner, inner, _RELATIONS),
        st.builds(_minimum, inner, inner),
    ).map(_finite)


EXPRESSIONS = st.recursive(_LEAVES, _compound, max_leaves=8)
# Distinct dyadic numbers, so that no relation above is a tie.
POINTS = st.permutations([0.4375, 1.3125, -0.8125, 2.15625, 0.65625]).map(lambda numbers: tuple(numbers[:3]))


@settings(max_examples=120, deadline=None)
@given(st.lists(EXPRESSIONS, min_size=1, max_size=3), POINTS)
def test_the_program_has_the_values_of_the_expressions(exprs: list[Any], point: tuple[float, ...]):
    expected = [by_sympy(expr, point) for expr in exprs]
    try:
        program = from_sympy(exprs, SYMBOLS)
    except InputError as error:
        program = error
    if isinstance(program, InputError):
        assert "finite" in program.what or "no elementary operation" in program.what
        assert any(leaves_the_reals(expr, point) for expr in exprs)
        return
    for expr, got, value in zip(exprs, evaluate(program, point), expected, strict=True):
        if value is not None and not (math.isnan(got) and leaves_the_reals(expr, point)):
            assert got == pytest.approx(value, rel=1e-8, abs=1e-8)
    assert parse(format_program(program)) == program
    assert program.without_dead_code() is program


def test_the_oracle_notices_a_wrong_program():
    wrong = from_sympy(y - x, SYMBOLS)
    point = (0.4375, 1.3125, 2.15625)
    assert evaluate(wrong, point)[0] != pytest.approx(by_sympy(x - y, point))


@pytest.mark.parametrize("record", [op for op in OPERATIONS if op.name != "constant"], ids=lambda op: op.name)
def test_the_form_of_every_operation_is_imported(record: Operation):
    symbols = sp.symbols("a b c")[: record.arity]
    program = from_sympy(record.form(sp, *symbols), symbols)
    random = np.random.default_rng(7)
    for _ in range(5):
        point = tuple(float(random.uniform(*side)) for side in record.domain.sample)
        assert evaluate(program, point)[0] == pytest.approx(float(record.evaluate(*point)), rel=1e-12, abs=1e-14)


# -- names and shapes of the arguments --------------------------------------------------------------------------------


def test_names_go_to_the_outputs():
    program = from_sympy([x * y, x, x * y, sp.exp(x * y)], [x, y], names=["u", "v", "w", "t1"])
    assert program.names == ("x", "y", "u", "t1")
    assert program.output_names == ("u", "x", "u", "t1")
    clash = from_sympy([x + y + z], sp.symbols("x y z", real=True), names=["t1"])
    assert clash.names == ("x", "y", "z", "t2", "t1")


def test_names_avoid_the_inputs():
    t1, t3 = sp.symbols("t1 t3")
    assert from_sympy(sp.sin(sp.cos(t1)) * t3, [t1, t3]).names == ("t1", "t3", "t2", "t4", "t5")


def test_one_expression_a_matrix_a_tuple_or_numbers():
    matrix = sp.Matrix([[x, x * y], [2, y]])
    assert from_sympy(matrix, sp.Matrix([x, y])) == from_sympy([x, x * y, 2, y], (x, y))
    assert from_sympy(sp.ImmutableMatrix(matrix), sp.Tuple(x, y)) == from_sympy(sp.Tuple(x, x * y, 2, y), [x, y])
    assert evaluate(from_sympy([2.5, np.float64(0.5), 2.5], x), (1.0,)) == [2.5, 0.5, 2.5]
    assert from_sympy(1, x).n_outputs == 1


# -- errors -----------------------------------------------------------------------------------------------------------

_w = sp.Symbol("w")
_UNREAL = sp.Symbol("x")


@pytest.mark.parametrize(
    ("exprs", "symbols", "words"),
    [
        ([x + _w, _w * sp.Symbol("q")], SYMBOLS, r"w, q"),
        ([x * sp.Symbol("alhpa")], [x, sp.Symbol("alpha")], r"did you mean alpha\?"),
        ([_UNREAL], [x], "other assumptions"),
        ([sp.I * x], SYMBOLS, "ImaginaryUnit"),
        ([sp.re(_w)], [_w], "programs are real"),
        ([sp.gamma(x)], SYMBOLS, r"gamma\(x\)"),
        ([sp.erfc(x)], SYMBOLS, "nearest supported one is erf"),
        ([sp.Derivative(f(x), x)], SYMBOLS, "doit"),
        ([sp.Integral(f(x), x)], SYMBOLS, "doit"),
        ([x + sp.oo], SYMBOLS, "not a finite float64"),
        ([x + sp.zoo], SYMBOLS, "finite"),
        ([sp.nan], SYMBOLS, "finite"),
        ([sp.Integer(10) ** 400 * x], SYMBOLS, "not a finite float64"),
        ([sp.Integer(10) ** 9000 + x], SYMBOLS, "not a finite float64"),
        ([f(sp.Integer(10) ** 9000, x)], SYMBOLS, "not a finite float64"),
        ([sp.Pow(sp.sin(0, evaluate=False), -1, evaluate=False) + x], SYMBOLS, "not a finite real number"),
        ([f(2)], SYMBOLS, "constants only"),
        ([f(x) + f(x, y)], SYMBOLS, "takes 1 argument|takes 2 arguments"),
        ([sp.Function("sin")(x, y)], SYMBOLS, "takes 1 argument"),
        ([sp.Piecewise((x, x > 0))], SYMBOLS, "without a value"),
        ([sp.Piecewise((x, sp.Eq(x, 1)), (y, True))], SYMBOLS, "no inequality"),
        ([x > 0], SYMBOLS, "not a SymPy expression"),
        (["x + 1"], SYMBOLS, "flowgraph.parse"),
        ("x + 1", SYMBOLS, "flowgraph.parse"),
        ([[x]], SYMBOLS, "not a SymPy expression"),
        ([object()], SYMBOLS, "not a SymPy expression"),
        (None, SYMBOLS, "no SymPy expressions"),
        ([], SYMBOLS, "no expressions"),
        ([x], [], "no inputs"),
        ([x], [x, y, x], "two inputs are called x"),
        ([x], [x, _UNREAL], "two inputs are called x"),
        ([x], "x", "must be SymPy symbols"),
        ([x], None, "must be SymPy symbols"),
        ([x], ["x"], "not a SymPy symbol"),
        ([x], [x + 1], "not a SymPy symbol"),
        ([x], [f(x)], "not a SymPy symbol"),
    ],
)
def test_errors_name_the_node_and_the_remedy(exprs: Any, symbols: Any, words: str):
    with pytest.raises(FlowgraphError) as caught:
        from_sympy(exprs, symbols)
    assert isinstance(caught.value, InputError)
    assert re.search(words, str(caught.value)), str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize("names", [["u"], "uv", ["u", "u"], ["x", "v"], ["u", "v", "w"]])
def test_wrong_names_are_refused(names: Any):
    with pytest.raises(InputError, match="name"):
        from_sympy([x * y, x + y], [x, y], names=names)
