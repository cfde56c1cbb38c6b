"""The registry of elementary operations. Adding an operation is adding one record to ``OPERATIONS``.

A record holds the operation as NumPy evaluates it, its partials as NumPy functions in forms that do not cancel, the
same two things as SymPy expressions (written independently of ``sympy.diff``, which the tests hold them against), its
LaTeX and its domain. The SymPy callables take the ``sympy`` module as first argument, so importing this module does
not import SymPy.

Reference: the basis functions of arXiv:2411.18786, section 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from types import MappingProxyType
from typing import Any

import numpy as np
from scipy import special

Number = Any
"""A float64 scalar or array, as NumPy's functions take and give."""


@dataclass(frozen=True, slots=True)
class Domain:
    """Where an operation is defined and differentiable.

    Attributes:
        text: the condition as a reader writes it, in x (and y, z).
        contains: vectorised, broadcasting test of the arguments; false where one of them is not finite.
        sample: one closed interval per argument inside the domain, from which tests and random checks draw.
    """

    text: str
    contains: Callable[..., Any]
    sample: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """One elementary operation.

    Attributes:
        name: the name in the paper's notation, in JSON and in error messages.
        arity: number of arguments.
        evaluate: NumPy evaluation, float64 in, float64 out, broadcasting.
        partials: for each argument the partial derivative as a NumPy function of all arguments.
        form: the SymPy expression of the operation: ``form(sympy, *arguments)``.
        symbolic_partials: for each argument the partial as a SymPy expression: ``partial(sympy, *arguments)``.
        latex: LaTeX template; ``{0}``, ``{1}`` … stand for the arguments.
        domain: where the operation is defined and differentiable.
        infix: the infix symbol in the paper's notation, or None.
        inactive: argument positions through which no derivative flows (the condition of ``select``).
        aliases: other names the parser accepts.
    """

    name: str
    arity: int
    evaluate: Callable[..., Number]
    partials: tuple[Callable[..., Number], ...]
    form: Callable[..., Any]
    symbolic_partials: tuple[Callable[..., Any], ...]
    latex: str
    domain: Domain
    infix: str | None = None
    inactive: tuple[int, ...] = ()
    aliases: tuple[str, ...] = ()


def _finite(*args: Number) -> Any:
    return reduce(np.logical_and, (np.isfinite(a) for a in args))


def _everywhere(*sample: tuple[float, float]) -> Domain:
    return Domain("every real", _finite, sample or ((-3.0, 3.0),))


def _where(text: str, condition: Callable[..., Any], *sample: tuple[float, float]) -> Domain:
    return Domain(text, lambda *args: _finite(*args) & condition(*args), sample)


def _one(*args: Number) -> Number:
    return np.ones(np.broadcast_shapes(*(np.shape(a) for a in args)))


def _minus_one(*args: Number) -> Number:
    return -_one(*args)


def _zero(*args: Number) -> Number:
    return np.zeros(np.broadcast_shapes(*(np.shape(a) for a in args)))


def _power_by_base(x: Number, y: Number) -> Number:
    # y·x^(y−1) is 0·∞ at x = 0, y = 0, where the function is constantly 1. Beside the 1, y loses its digits when it is
    # small and its parity from 2⁵³ on; there the form is y·x^y / x.
    x, size = np.asarray(x, dtype=float), np.abs(y)
    quotient = np.not_equal(x, 0.0) & ((size < 0.5) | (size >= 2.0**53))
    exponent = np.where(quotient, y, np.where(np.equal(y, 0.0), 1.0, np.subtract(y, 1.0)))
    return np.multiply(y, np.power(x, exponent)) / np.where(quotient, x, 1.0)


def _power_by_exponent(x: Number, y: Number) -> Number:
    # x^y·log x → 0 as x → 0+ for y > 0. A negative base has no derivative by its exponent, nor has 0 by the exponent 0.
    # x^y may leave the range of float64 where the product with log x stays in it; its square root does not.
    positive = np.greater(x, 0.0)
    base = np.where(positive, x, 1.0)
    root = np.power(base, np.multiply(y, 0.5))
    limit = np.where(np.equal(x, 0.0) & np.greater(y, 0.0), 0.0, np.nan)
    return np.where(positive, root * np.log(base) * root, limit)


def _power_domain(x: Number, y: Number) -> Any:
    whole = np.equal(np.floor(y), y)
    return np.greater(x, 0.0) | (whole & (np.not_equal(x, 0.0) | np.greater_equal(y, 0.0)))


def _sech2(x: Number) -> Number:
    # 1 − tanh² cancels and 1/cosh² overflows; with s = e^(−2|x|), which is 0 from |x| = 373 on, neither happens.
    s = np.exp(-2.0 * np.minimum(np.abs(x), 400.0))
    return 4.0 * s / np.square(1.0 + s)


def _inverse_square_plus_one(x: Number) -> Number:
    h = np.hypot(1.0, x)
    return 1.0 / h / h


def _is_greater(x: Number, y: Number) -> Number:
    # 1, 0 or one half at a tie. The difference of the two could overflow.
    return 0.5 * np.greater(x, y) + 0.5 * np.greater_equal(x, y)


def _hypot_partial(x: Number, y: Number) -> Number:
    # The norm overflows near the largest float64 and loses digits among the smallest: divide by the larger one first.
    size = np.maximum(np.abs(x), np.abs(y))
    return x / size / np.hypot(x / size, y / size)


def _over_square_norm(x: Number, y: Number) -> Number:
    # x/(x² + y²), scaled so that no square overflows or underflows before the result does.
    size = np.maximum(np.abs(x), np.abs(y))
    return x / size / (np.square(x / size) + np.square(y / size)) / size


def _gauss(x: Number) -> Number:
    # e^(−x²) is 0 from |x| = 28 on, and the square of a large x overflows.
    return np.exp(-np.square(np.minimum(np.abs(x), 30.0)))


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        name="add",
        arity=2,
        evaluate=np.add,
        partials=(_one, _one),
        form=lambda sp, x, y: x + y,
        symbolic_partials=(lambda sp, x, y: sp.Integer(1), lambda sp, x, y: sp.Integer(1)),
        latex="{0} + {1}",
        domain=_everywhere((-3.0, 3.0), (-3.0, 3.0)),
        infix="+",
    ),
    Operation(
        name="sub",
        arity=2,
        evaluate=np.subtract,
        partials=(_one, _minus_one),
        form=lambda sp, x, y: x - y,
        symbolic_partials=(lambda sp, x, y: sp.Integer(1), lambda sp, x, y: sp.Integer(-1)),
        latex="{0} - {1}",
        domain=_everywhere((-3.0, 3.0), (-3.0, 3.0)),
        infix="-",
        aliases=("subtract",),
    ),
    Operation(
        name="mul",
        arity=2,
        evaluate=np.multiply,
        partials=(lambda x, y: y * _one(x, y), lambda x, y: x * _one(x, y)),
        form=lambda sp, x, y: x * y,
        symbolic_partials=(lambda sp, x, y: y, lambda sp, x, y: x),
        latex="{0} \\, {1}",
        domain=_everywhere((-3.0, 3.0), (-3.0, 3.0)),
        infix="*",
        aliases=("multiply",),
    ),
    Operation(
        name="div",
        arity=2,
        evaluate=np.divide,
        partials=(lambda x, y: _one(x, y) / y, lambda x, y: -(x / y) / y),
        form=lambda sp, x, y: x / y,
        symbolic_partials=(lambda sp, x, y: 1 / y, lambda sp, x, y: -x / y**2),
        latex="{0} / {1}",
        domain=_where("y ≠ 0", lambda x, y: np.not_equal(y, 0.0), (-3.0, 3.0), (0.3, 3.0)),
        infix="/",
        aliases=("divide",),
    ),
    Operation(
        name="power",
        arity=2,
        evaluate=lambda x, y: np.power(np.asarray(x, dtype=np.result_type(x, float)), y),
        partials=(_power_by_base, _power_by_exponent),
        form=lambda sp, x, y: x**y,
        symbolic_partials=(lambda sp, x, y: y * x ** (y - 1), lambda sp, x, y: x**y * sp.log(x)),
        latex="{0}^{{{1}}}",
        domain=_where("x > 0, or y a constant integer (and x ≠ 0 if y < 0)", _power_domain, (0.2, 3.0), (-2.0, 2.0)),
        infix="**",
        aliases=("pow",),
    ),
    Operation(
        name="neg",
        arity=1,
        evaluate=np.negative,
        partials=(_minus_one,),
        form=lambda sp, x: -x,
        symbolic_partials=(lambda sp, x: sp.Integer(-1),),
        latex="-{0}",
        domain=_everywhere(),
        aliases=("negative",),
    ),
    Operation(
        name="reciprocal",
        arity=1,
        evaluate=lambda x: 1.0 / np.asarray(x),
        partials=(lambda x: -(1.0 / x) / x,),
        form=lambda sp, x: 1 / x,
        symbolic_partials=(lambda sp, x: -1 / x**2,),
        latex="1 / {0}",
        domain=_where("x ≠ 0", lambda x: np.not_equal(x, 0.0), (0.3, 3.0)),
    ),
    Operation(
        name="square",
        arity=1,
        evaluate=np.square,
        partials=(lambda x: 2.0 * x,),
        form=lambda sp, x: x**2,
        symbolic_partials=(lambda sp, x: 2 * x,),
        latex="{0}^2",
        domain=_everywhere(),
    ),
    Operation(
        name="sqrt",
        arity=1,
        evaluate=np.sqrt,
        partials=(lambda x: 0.5 / np.sqrt(x),),
        form=lambda sp, x: sp.sqrt(x),
        symbolic_partials=(lambda sp, x: 1 / (2 * sp.sqrt(x)),),
        latex="\\sqrt{{{0}}}",
        domain=_where("x > 0", lambda x: np.greater(x, 0.0), (0.2, 4.0)),
    ),
    Operation(
        name="exp",
        arity=1,
        evaluate=np.exp,
        partials=(np.exp,),
        form=lambda sp, x: sp.exp(x),
        symbolic_partials=(lambda sp, x: sp.exp(x),),
        latex="\\exp {0}",
        domain=_everywhere(),
    ),
    Operation(
        name="expm1",
        arity=1,
        evaluate=np.expm1,
        partials=(np.exp,),
        form=lambda sp, x: sp.exp(x) - 1,
        symbolic_partials=(lambda sp, x: sp.exp(x),),
        latex="\\exp {0} - 1",
        domain=_everywhere(),
    ),
    Operation(
        name="log",
        arity=1,
        evaluate=np.log,
        partials=(lambda x: 1.0 / x,),
        form=lambda sp, x: sp.log(x),
        symbolic_partials=(lambda sp, x: 1 / x,),
        latex="\\log {0}",
        domain=_where("x > 0", lambda x: np.greater(x, 0.0), (0.2, 4.0)),
        aliases=("ln",),
    ),
    Operation(
        name="log1p",
        arity=1,
        evaluate=np.log1p,
        partials=(lambda x: 1.0 / (1.0 + x),),
        form=lambda sp, x: sp.log(1 + x),
        symbolic_partials=(lambda sp, x: 1 / (1 + x),),
        latex="\\log(1 + {0})",
        domain=_where("x > −1", lambda x: np.greater(x, -1.0), (-0.8, 3.0)),
    ),
    Operation(
        name="sin",
        arity=1,
        evaluate=np.sin,
        partials=(np.cos,),
        form=lambda sp, x: sp.sin(x),
        symbolic_partials=(lambda sp, x: sp.cos(x),),
        latex="\\sin {0}",
        domain=_everywhere(),
    ),
    Operation(
        name="cos",
        arity=1,
        evaluate=np.cos,
        partials=(lambda x: -np.sin(x),),
        form=lambda sp, x: sp.cos(x),
        symbolic_partials=(lambda sp, x: -sp.sin(x),),
        latex="\\cos {0}",
        domain=_everywhere(),
    ),
    Operation(
        name="tan",
        arity=1,
        evaluate=np.tan,
        partials=(lambda x: 1.0 + np.square(np.tan(x)),),
        form=lambda sp, x: sp.tan(x),
        symbolic_partials=(lambda sp, x: 1 + sp.tan(x) ** 2,),
        latex="\\tan {0}",
        # No float64 is an odd multiple of π/2.
        domain=Domain("cos x ≠ 0", _finite, ((-1.4, 1.4),)),
    ),
    Operation(
        name="asin",
        arity=1,
        evaluate=np.arcsin,
        partials=(lambda x: 1.0 / np.sqrt((1.0 - x) * (1.0 + x)),),
        form=lambda sp, x: sp.asin(x),
        symbolic_partials=(lambda sp, x: 1 / sp.sqrt(1 - x**2),),
        latex="\\arcsin {0}",
        domain=_where("−1 < x < 1", lambda x: np.less(np.abs(x), 1.0), (-0.9, 0.9)),
        aliases=("arcsin",),
    ),
    Operation(
        name="acos",
        arity=1,
        evaluate=np.arccos,
        partials=(lambda x: -1.0 / np.sqrt((1.0 - x) * (1.0 + x)),),
        form=lambda sp, x: sp.acos(x),
        symbolic_partials=(lambda sp, x: -1 / sp.sqrt(1 - x**2),),
        latex="\\arccos {0}",
        domain=_where("−1 < x < 1", lambda x: np.less(np.abs(x), 1.0), (-0.9, 0.9)),
        aliases=("arccos",),
    ),
    Operation(
        name="atan",
        arity=1,
        evaluate=np.arctan,
        partials=(_inverse_square_plus_one,),
        form=lambda sp, x: sp.atan(x),
        symbolic_partials=(lambda sp, x: 1 / (1 + x**2),),
        latex="\\arctan {0}",
        domain=_everywhere(),
        aliases=("arctan",),
    ),
    Operation(
        name="atan2",
        arity=2,
        evaluate=np.arctan2,
        partials=(lambda y, x: _over_square_norm(x, y), lambda y, x: -_over_square_norm(y, x)),
        form=lambda sp, y, x: sp.atan2(y, x),
        symbolic_partials=(lambda sp, y, x: x / (x**2 + y**2), lambda sp, y, x: -y / (x**2 + y**2)),
        latex="\\operatorname{{atan2}}({0}, {1})",
        domain=_where(
            "y ≠ 0 or x > 0",
            lambda y, x: np.not_equal(y, 0.0) | np.greater(x, 0.0),
            (-3.0, 3.0),
            (0.3, 3.0),
        ),
        aliases=("arctan2",),
    ),
    Operation(
        name="sinh",
        arity=1,
        evaluate=np.sinh,
        partials=(np.cosh,),
        form=lambda sp, x: sp.sinh(x),
        symbolic_partials=(lambda sp, x: sp.cosh(x),),
        latex="\\sinh {0}",
        domain=_everywhere(),
    ),
    Operation(
        name="cosh",
        arity=1,
        evaluate=np.cosh,
        partials=(np.sinh,),
        form=lambda sp, x: sp.cosh(x),
        symbolic_partials=(lambda sp, x: sp.sinh(x),),
        latex="\\cosh {0}",
        domain=_everywhere(),
    ),
    Operation(
        name="tanh",
        arity=1,
        evaluate=np.tanh,
        partials=(_sech2,),
        form=lambda sp, x: sp.tanh(x),
        symbolic_partials=(lambda sp, x: 1 / sp.cosh(x) ** 2,),
        latex="\\tanh {0}",
        domain=_everywhere(),
    ),
    Operation(
        name="asinh",
        arity=1,
        evaluate=np.arcsinh,
        partials=(lambda x: 1.0 / np.hypot(1.0, x),),
        form=lambda sp, x: sp.asinh(x),
        symbolic_partials=(lambda sp, x: 1 / sp.sqrt(1 + x**2),),
        latex="\\operatorname{{arsinh}} {0}",
        domain=_everywhere(),
        aliases=("arcsinh",),
    ),
    Operation(
        name="acosh",
        arity=1,
        evaluate=np.arccosh,
        partials=(lambda x: 1.0 / (np.sqrt(x - 1.0) * np.sqrt(x + 1.0)),),
        form=lambda sp, x: sp.acosh(x),
        symbolic_partials=(lambda sp, x: 1 / (sp.sqrt(x - 1) * sp.sqrt(x + 1)),),
        latex="\\operatorname{{arcosh}} {0}",
        domain=_where("x > 1", lambda x: np.greater(x, 1.0), (1.2, 4.0)),
        aliases=("arccosh",),
    ),
    Operation(
        name="atanh",
        arity=1,
        evaluate=np.arctanh,
        partials=(lambda x: 1.0 / ((1.0 - x) * (1.0 + x)),),
        form=lambda sp, x: sp.atanh(x),
        symbolic_partials=(lambda sp, x: 1 / (1 - x**2),),
        latex="\\operatorname{{artanh}} {0}",
        domain=_where("−1 < x < 1", lambda x: np.less(np.abs(x), 1.0), (-0.9, 0.9)),
        aliases=("arctanh",),
    ),
    Operation(
        name="hypot",
        arity=2,
        evaluate=np.hypot,
        partials=(_hypot_partial, lambda x, y: _hypot_partial(y, x)),
        form=lambda sp, x, y: sp.sqrt(x**2 + y**2),
        symbolic_partials=(
            lambda sp, x, y: x / sp.sqrt(x**2 + y**2),
            lambda sp, x, y: y / sp.sqrt(x**2 + y**2),
        ),
        latex="\\operatorname{{hypot}}({0}, {1})",
        domain=_where(
            "(x, y) ≠ (0, 0)",
            lambda x, y: np.not_equal(x, 0.0) | np.not_equal(y, 0.0),
            (0.3, 3.0),
            (-3.0, 3.0),
        ),
    ),
    Operation(
        name="abs",
        arity=1,
        evaluate=np.abs,
        partials=(np.sign,),
        form=lambda sp, x: sp.Abs(x),
        symbolic_partials=(lambda sp, x: sp.sign(x),),
        latex="|{0}|",
        domain=_where("x ≠ 0", lambda x: np.not_equal(x, 0.0), (0.2, 3.0)),
        aliases=("fabs", "absolute"),
    ),
    Operation(
        name="minimum",
        arity=2,
        evaluate=np.minimum,
        partials=(lambda x, y: _is_greater(y, x), lambda x, y: _is_greater(x, y)),
        form=lambda sp, x, y: sp.Min(x, y),
        symbolic_partials=(lambda sp, x, y: sp.Heaviside(y - x), lambda sp, x, y: sp.Heaviside(x - y)),
        latex="\\min({0}, {1})",
        domain=_where("x ≠ y", np.not_equal, (-3.0, -0.2), (0.2, 3.0)),
        aliases=("min", "fmin"),
    ),
    Operation(
        name="maximum",
        arity=2,
        evaluate=np.maximum,
        partials=(lambda x, y: _is_greater(x, y), lambda x, y: _is_greater(y, x)),
        form=lambda sp, x, y: sp.Max(x, y),
        symbolic_partials=(lambda sp, x, y: sp.Heaviside(x - y), lambda sp, x, y: sp.Heaviside(y - x)),
        latex="\\max({0}, {1})",
        domain=_where("x ≠ y", np.not_equal, (-3.0, -0.2), (0.2, 3.0)),
        aliases=("max", "fmax"),
    ),
    Operation(
        name="erf",
        arity=1,
        evaluate=special.erf,
        partials=(lambda x: 2.0 / math.sqrt(math.pi) * _gauss(x),),
        form=lambda sp, x: sp.erf(x),
        symbolic_partials=(lambda sp, x: 2 * sp.exp(-(x**2)) / sp.sqrt(sp.pi),),
        latex="\\operatorname{{erf}} {0}",
        domain=_everywhere(),
    ),
    Operation(
        name="logistic",
        arity=1,
        evaluate=special.expit,
        partials=(lambda x: special.expit(x) * special.expit(-x),),
        form=lambda sp, x: 1 / (1 + sp.exp(-x)),
        symbolic_partials=(lambda sp, x: sp.exp(-x) / (1 + sp.exp(-x)) ** 2,),
        latex="\\sigma({0})",
        domain=_everywhere(),
        aliases=("sigmoid", "expit"),
    ),
    Operation(
        name="softplus",
        arity=1,
        evaluate=lambda x: np.logaddexp(0.0, x),
        partials=(special.expit,),
        form=lambda sp, x: sp.log(1 + sp.exp(x)),
        symbolic_partials=(lambda sp, x: 1 / (1 + sp.exp(-x)),),
        latex="\\log(1 + \\exp {0})",
        domain=_everywhere(),
    ),
    Operation(
        name="select",
        arity=3,
        evaluate=lambda c, x, y: np.where(np.greater(c, 0.0), x, y),
        partials=(
            _zero,
            lambda c, x, y: np.where(np.greater(c, 0.0), 1.0, 0.0) + _zero(x, y),
            lambda c, x, y: np.where(np.greater(c, 0.0), 0.0, 1.0) + _zero(x, y),
        ),
        form=lambda sp, c, x, y: sp.Piecewise((x, c > 0), (y, True)),
        symbolic_partials=(
            lambda sp, c, x, y: sp.Integer(0),
            lambda sp, c, x, y: sp.Piecewise((1, c > 0), (0, True)),
            lambda sp, c, x, y: sp.Piecewise((0, c > 0), (1, True)),
        ),
        latex="\\operatorname{{select}}({0} > 0; {1}, {2})",
        domain=_where("c ≠ 0", lambda c, x, y: np.not_equal(c, 0.0), (-3.0, 3.0), (-3.0, 3.0), (-3.0, 3.0)),
        inactive=(0,),
    ),
    Operation(
        name="constant",
        arity=1,
        evaluate=np.positive,
        partials=(_zero,),
        form=lambda sp, x: x,
        symbolic_partials=(lambda sp, x: sp.Integer(0),),
        latex="{0}",
        domain=_everywhere(),
        inactive=(0,),
    ),
)
"""All operations; the position in this tuple is the operation's code in a program's columns."""

CODES = MappingProxyType({op.name: code for code, op in enumerate(OPERATIONS)})
"""Code of each operation by name."""

NAMES = MappingProxyType(
    {**{alias: op.name for op in OPERATIONS for alias in op.aliases}, **{op.name: op.name for op in OPERATIONS}}
)
"""Canonical name by every accepted name."""


def operation(name: str) -> Operation:
    """The record of that name or alias.

    Raises:
        KeyError: no operation has that name.

    Example:
        >>> operation("arcsin").name
        'asin'
    """
    return OPERATIONS[CODES[NAMES[name]]]
