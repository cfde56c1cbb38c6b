"""``from_sympy``: SymPy expressions → ``Program``, with equal subexpressions computed once.

The expressions are walked with an explicit stack and lowered to numbered values: two values of the same operation on
the same operands are one (value numbering), whichever expressions they come from. n-ary sums and products become
chains of binary steps; negative terms become subtractions and negative powers divisions. What no output needs in the
end is left out.

Reference: arXiv:2411.18786, section 2 (straight-line code of elementary operations).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from numbers import Integral, Real
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from flowgraph.builder import Builder
from flowgraph.errors import InputError
from flowgraph.operations import NAMES, operation
from flowgraph.program import Program

if TYPE_CHECKING:
    import sympy

_Operand = int | float
"""A value number (int) or a constant (float)."""

_DIRECT = (
    *("sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh"),
    *("exp", "log", "erf"),
)
_RECIPROCALS = MappingProxyType(
    {"sec": "cos", "csc": "sin", "cot": "tan", "sech": "cosh", "csch": "sinh", "coth": "tanh"}
)
_C_FUNCTIONS = ("expm1", "log1p", "hypot")
_TO_DO = ("Derivative", "Integral", "Sum", "Product", "Limit", "Subs")


def from_sympy(
    exprs: sympy.Expr | float | sympy.MatrixBase | Iterable[sympy.Basic | float],
    symbols: sympy.Symbol | sympy.MatrixBase | Iterable[sympy.Basic],
    *,
    names: Sequence[str] | None = None,
) -> Program:
    """The program that computes SymPy expressions.

    Sums, products, powers, the elementary functions, ``Abs``, ``Min``, ``Max``, ``Heaviside`` and ``Piecewise`` over
    inequalities become known operations. An undefined function, ``Function("f")(x, y)``, is uninterpreted unless its
    name is that of an elementary operation. Numbers become float64.

    Args:
        exprs: m expressions, in order; a matrix is read row by row.
        symbols: the n inputs, in order.
        names: m names for the outputs. An output that is an input, or equal to an earlier output, keeps the name it
            has. Inner values are named t1, t2, ….

    Returns:
        The program Rⁿ → Rᵐ.

    Raises:
        InputError: a symbol that is not declared, a part with no real elementary operation for it, or arguments that
            are no expressions and symbols.

    Reference:
        arXiv:2411.18786, section 2.

    Example:
        >>> import sympy
        >>> x, y = sympy.symbols("x y")
        >>> program = from_sympy([sympy.sin(x * y) / y, x * y - 2], [x, y], names=["u", "v"])
        >>> [str(step) for step in program.steps()]
        ['t1 = x * y', 't2 = sin(t1)', 'u = t2 / y', 'v = t1 - 2']
    """
    import sympy as sp

    inputs = _inputs(sp, symbols)
    roots = _roots(sp, exprs)
    order = _postorder(sp, roots)
    _check_declared(sp, order, inputs)
    lowering = _Lowering(sp, inputs)
    for node in order:
        lowering.lower(node)
    return _emit(lowering.values, [lowering.of(root) for root in roots], [str(s.name) for s in inputs], names)


# -- arguments --------------------------------------------------------------------------------------------------------


def _inputs(sp: Any, symbols: Any) -> list[Any]:
    if isinstance(symbols, sp.MatrixBase):
        listed = symbols.flat()
    else:
        listed = [symbols] if isinstance(symbols, sp.Basic) and not isinstance(symbols, sp.Tuple) else symbols
    if isinstance(listed, str) or not isinstance(listed, Iterable):
        raise InputError("the inputs must be SymPy symbols", got=_shown(symbols), remedy='give sympy.symbols("x y")')
    inputs = list(listed)
    seen: set[str] = set()
    for place, symbol in enumerate(inputs, 1):
        if not isinstance(symbol, sp.Symbol):
            raise InputError(
                "an input is not a SymPy symbol",
                where=f"input {place}",
                got=f"{_shown(symbol)} ({type(symbol).__name__})",
                remedy="give a sympy.Symbol; replace anything else by one with .subs or .xreplace",
            )
        if symbol.name in seen:
            raise InputError(
                f"two inputs are called {symbol.name}",
                where=f"input {place}",
                remedy="give every input once, under a name of its own",
            )
        seen.add(symbol.name)
    if not inputs:
        raise InputError("there are no inputs", remedy="list the symbols that the expressions depend on")
    return inputs


def _roots(sp: Any, exprs: Any) -> list[Any]:
    if isinstance(exprs, sp.MatrixBase):
        listed = exprs.flat()
    elif isinstance(exprs, str | Real) or (isinstance(exprs, sp.Basic) and not isinstance(exprs, sp.Tuple)):
        listed = [exprs]
    else:
        listed = exprs
    if not isinstance(listed, Iterable):
        raise InputError("there are no SymPy expressions here", got=type(exprs).__name__, remedy="give a list of them")
    roots = []
    for place, expr in enumerate(listed, 1):
        if isinstance(expr, Real) and not isinstance(expr, bool | sp.Basic):
            root = sp.Integer(int(expr)) if isinstance(expr, Integral) else sp.Float(float(expr))
        else:
            root = expr
        if not isinstance(root, sp.Expr):
            raise InputError(
                "an output is not a SymPy expression",
                where=f"output {place}",
                got=f"{_shown(expr)} ({type(expr).__name__})",
                remedy="read text with flowgraph.parse, or make it an expression first",
            )
        roots.append(root)
    if not roots:
        raise InputError("there are no expressions", remedy="give one expression for each output")
    return roots


def _check_declared(sp: Any, order: Sequence[Any], inputs: Sequence[Any]) -> None:
    declared = set(inputs)
    missing = dict.fromkeys(node for node in order if isinstance(node, sp.Symbol) and node not in declared)
    if not missing:
        return
    known = [symbol.name for symbol in inputs]
    listed = ", ".join(symbol.name for symbol in missing)
    first = next(iter(missing))
    near = get_close_matches(first.name, known)
    if first.name in known:
        remedy = f"{first.name} has other assumptions than the input of that name: use one and the same symbol"
    else:
        remedy = (f"did you mean {near[0]}? " if near else "") + "add them to the symbols, or substitute numbers"
    raise InputError(
        "the expressions have symbols that are no inputs",
        got=listed,
        expected=f"only {', '.join(known)}",
        remedy=remedy,
    )


def _shown(node: Any) -> str:
    # str() of a deep expression recurses, and that of a huge integer fails; its uppermost level says enough.
    parts = getattr(node, "args", ())
    if not parts or all(not getattr(part, "args", ()) and not _is_huge(part) for part in parts):
        return "a huge number" if _is_huge(node) else str(node)[:80]
    return f"{type(node).__name__}({', '.join(_outline(part) for part in parts)})"[:80]


def _outline(node: Any) -> str:
    return "…" if getattr(node, "args", ()) or _is_huge(node) else str(node)


def _is_huge(node: Any) -> bool:
    sides = (getattr(node, side, 0) for side in ("p", "q"))
    return any(isinstance(side, int) and abs(side) >= 10**60 for side in sides)


# -- the walk ---------------------------------------------------------------------------------------------------------


def _children(sp: Any, node: Any) -> tuple[Any, ...]:
    """What is computed before ``node``."""
    if isinstance(node, sp.Piecewise):
        sides = (side for _, condition in node.args for side in _sides(sp, condition, node))
        return (*(expr for expr, _ in node.args), *sides)
    if isinstance(node, sp.Heaviside):
        return node.args[:1]
    return node.args if isinstance(node, _composite(sp)) else ()


def _composite(sp: Any) -> tuple[Any, ...]:
    return (sp.Add, sp.Mul, sp.Pow, sp.Min, sp.Max, sp.Function)


def _sides(sp: Any, condition: Any, node: Any) -> Iterator[Any]:
    parts = condition.args if isinstance(condition, sp.And | sp.Or) else (condition,)
    for part in parts:
        if isinstance(part, sp.Gt | sp.Ge | sp.Lt | sp.Le):
            yield from part.args
        elif part not in (sp.true, sp.false):
            raise InputError(
                "a Piecewise has a condition that is no inequality",
                where=_shown(node),
                got=_shown(part),
                expected="<, <=, >, >=, or And or Or of these",
                remedy="write the condition with inequalities",
            )


def _postorder(sp: Any, roots: Sequence[Any]) -> list[Any]:
    """Every node once (by identity: comparing deep expressions recurses), operands before what they are used in."""
    order: list[Any] = []
    visited: set[int] = set()
    stack: list[tuple[Any, bool]] = [(root, False) for root in reversed(roots)]
    while stack:
        node, complete = stack.pop()
        if complete:
            order.append(node)
        elif id(node) not in visited:
            visited.add(id(node))
            stack.append((node, True))
            stack.extend((child, False) for child in reversed(_children(sp, node)))
    return order


# -- lowering ---------------------------------------------------------------------------------------------------------


class _Values:
    """Numbered values: inputs first, then one per distinct (function, operands)."""

    def __init__(self, n_inputs: int) -> None:
        self.n_inputs = n_inputs
        self.nodes: list[tuple[bool, str, tuple[_Operand, ...]]] = [(True, "", ())] * n_inputs
        self._numbers: dict[Any, int] = {}

    def apply(self, name: str, *operands: _Operand) -> _Operand:
        """A known operation; computed at once where all operands are constants."""
        constants = [operand for operand in operands if isinstance(operand, float)]
        if len(constants) == len(operands):
            with np.errstate(all="ignore"):
                value = float(operation(name).evaluate(*constants))
            if not math.isfinite(value):
                raise InputError(
                    f"{name}({', '.join(map(repr, constants))}) is not a finite real number",
                    got=repr(value),
                    remedy="the expressions must be real and finite",
                )
            return value
        if name in ("add", "mul") and _kind_first(operands[1]) < _kind_first(operands[0]):
            key_operands = operands[::-1]
        else:
            key_operands = operands
        return self._number(True, name, operands, key_operands)

    def call(self, name: str, operands: tuple[_Operand, ...]) -> int:
        """An uninterpreted function."""
        return self._number(False, name, operands, operands)

    def _number(self, known: bool, name: str, operands: tuple[_Operand, ...], same_as: tuple[_Operand, ...]) -> int:
        # Value 2 and constant 2.0 are equal as keys of a dictionary.
        key = (known, name, tuple(map(_kind_first, same_as)))
        if key not in self._numbers:
            self._numbers[key] = len(self.nodes)
            self.nodes.append((known, name, operands))
        return self._numbers[key]

    def made_by(self, operand: _Operand) -> tuple[str, tuple[_Operand, ...]]:
        """The known operation and the operands that gave a value; ``("", ())`` for anything else."""
        if isinstance(operand, float):
            return "", ()
        known, name, operands = self.nodes[operand]
        return (name, operands) if known else ("", ())

    # -- sums and products ------------------------------------------------------------------------------------------

    def total(self, terms: Sequence[_Operand]) -> _Operand:
        """The sum; terms with a minus sign are subtracted, and the constant comes last where it can."""
        constant, plus, minus = 0.0, [], []
        for term in terms:
            name, operands = self.made_by(term)
            if isinstance(term, float):
                constant = self._constant("add", constant, term)
            elif name == "neg":
                minus.append(operands[0])
            elif name == "mul" and isinstance(operands[0], float) and operands[0] < 0.0:
                minus.append(self.apply("mul", -operands[0], operands[1]))
            elif name == "div" and isinstance(operands[0], float) and operands[0] < 0.0:
                minus.append(self.quotient(-operands[0], operands[1]))
            else:
                plus.append(term)
        if not plus and (constant != 0.0 or not minus):
            plus, constant = [constant], 0.0
        if plus:
            result, *plus = plus
        else:
            first, *minus = minus
            result = self.apply("neg", first)
        for term in plus:
            result = self.apply("add", result, term)
        for term in minus:
            result = self.apply("sub", result, term)
        return self._shifted(result, constant)

    def _shifted(self, value: _Operand, constant: float) -> _Operand:
        if constant == 0.0:
            return value
        return self.apply("add", value, constant) if constant > 0.0 else self.apply("sub", value, -constant)

    def difference(self, left: _Operand, right: _Operand) -> _Operand:
        """left − right, without a step where one of them is 0."""
        if isinstance(right, float):
            return self._shifted(left, -right)
        return self.apply("neg", right) if left == 0.0 and isinstance(left, float) else self.apply("sub", left, right)

    def product(self, factors: Sequence[_Operand]) -> _Operand:
        """The product; factors with a negative exponent are divided by."""
        constant, above, below = 1.0, [], []
        for factor in factors:
            name, operands = self.made_by(factor)
            if isinstance(factor, float):
                constant = self._constant("mul", constant, factor)
            elif name == "reciprocal":
                below.append(operands[0])
            elif name == "power" and isinstance(operands[1], float) and operands[1] < 0.0:
                below.append(self.power(operands[0], -operands[1]))
            else:
                above.append(factor)
        bottom = self._chain(below)
        top = self._chain(above)
        if bottom is None:
            return constant if top is None else self.scaled(constant, top)
        if top is None:
            return self.quotient(constant, bottom)
        if constant in (1.0, -1.0):
            return self.scaled(constant, self.apply("div", top, bottom))
        return self.apply("div", self.scaled(constant, top), bottom)

    def _chain(self, factors: Sequence[_Operand]) -> _Operand | None:
        result: _Operand | None = None
        for factor in factors:
            result = factor if result is None else self.apply("mul", result, factor)
        return result

    def _constant(self, name: str, left: float, right: float) -> float:
        value = self.apply(name, left, right)
        assert isinstance(value, float)
        return value

    def scaled(self, constant: float, value: _Operand) -> _Operand:
        """constant · value, where a constant of ±1 costs no product."""
        if constant == 1.0:
            return value
        return self.apply("neg", value) if constant == -1.0 else self.apply("mul", constant, value)

    def quotient(self, constant: float, value: _Operand) -> _Operand:
        """constant / value."""
        return self.apply("reciprocal", value) if constant == 1.0 else self.apply("div", constant, value)

    def power(self, base: _Operand, exponent: _Operand) -> _Operand:
        """base ** exponent, by the operation of its own that a common exponent has."""
        if isinstance(exponent, float):
            if exponent == 1.0:
                return base
            special = {2.0: "square", 0.5: "sqrt", -1.0: "reciprocal"}.get(exponent)
            if special is not None:
                return self.apply(special, base)
            if exponent == -0.5:
                return self.apply("reciprocal", self.apply("sqrt", base))
        return self.apply("power", base, exponent)


def _kind_first(operand: _Operand) -> tuple[bool, _Operand]:
    return isinstance(operand, float), operand


class _Lowering:
    """Turns nodes, operands first, into values."""

    def __init__(self, sp: Any, inputs: Sequence[Any]) -> None:
        self.values = _Values(len(inputs))
        self._sp = sp
        self._inputs = {symbol: place for place, symbol in enumerate(inputs)}
        self._of: dict[int, _Operand] = {}
        self._arities: dict[str, int] = {}
        from sympy.codegen import cfunctions

        self._functions = {
            **{getattr(sp, name): name for name in _DIRECT},
            **{getattr(cfunctions, name): name for name in _C_FUNCTIONS},
            sp.Abs: "abs",
        }
        self._reciprocals = {getattr(sp, name): inverse for name, inverse in _RECIPROCALS.items()}

    def of(self, node: Any) -> _Operand:
        """The value of a node that was lowered."""
        return self._of[id(node)]

    def lower(self, node: Any) -> None:
        """Find the value of a node whose operands are lowered."""
        self._of[id(node)] = self._value(node)

    def _value(self, node: Any) -> _Operand:
        sp, values = self._sp, self.values
        if isinstance(node, sp.Symbol):
            return self._inputs[node]
        if isinstance(node, sp.Number | sp.NumberSymbol):
            return _number(node)
        if isinstance(node, sp.Piecewise):
            return self._piecewise(node)
        if isinstance(node, sp.Heaviside):
            return values.apply("select", self.of(node.args[0]), 1.0, 0.0)
        if not isinstance(node, _composite(sp)) or not node.args:
            raise self._unsupported(node)
        operands = [self.of(arg) for arg in node.args]
        if isinstance(node, sp.Add):
            return values.total(operands)
        if isinstance(node, sp.Mul):
            return self._mul(node, operands)
        if isinstance(node, sp.Pow):
            return values.power(*operands)
        if isinstance(node, sp.Min | sp.Max):
            name = "minimum" if isinstance(node, sp.Min) else "maximum"
            result = operands[0]
            for operand in operands[1:]:
                result = values.apply(name, result, operand)
            return result
        known = self._functions.get(node.func)
        if known is not None and len(operands) == operation(known).arity:
            return values.apply(known, *operands)
        inverse = self._reciprocals.get(node.func)
        if inverse is not None:
            return values.apply("reciprocal", values.apply(inverse, *operands))
        if isinstance(node, sp.core.function.AppliedUndef):
            return self._undefined(node, tuple(operands))
        raise self._unsupported(node)

    def _mul(self, node: Any, operands: list[_Operand]) -> _Operand:
        sp = self._sp
        first = node.args[0]
        # x/3 is one rounding, (1/3)*x is two.
        if (
            isinstance(first, sp.Rational)
            and not isinstance(first, sp.Integer)
            and abs(first.p) == 1
            and first.q < 2**53
        ):
            rest = self.values.product(operands[1:])
            return self.values.scaled(float(first.p), self.values.apply("div", rest, float(first.q)))
        return self.values.product(operands)

    def _undefined(self, node: Any, operands: tuple[_Operand, ...]) -> _Operand:
        name = str(node.func.__name__)
        canonical = NAMES.get(name)
        arity = operation(canonical).arity if canonical else self._arities.setdefault(name, len(operands))
        if len(operands) != arity:
            raise InputError(
                f"the function {name} takes {arity} argument{'' if arity == 1 else 's'}",
                where=_shown(node),
                got=f"{len(operands)} arguments",
                remedy="correct the call, or use two function names",
            )
        if canonical:
            return self.values.apply(canonical, *operands)
        if all(isinstance(operand, float) for operand in operands):
            raise InputError(
                f"{name} is called with constants only, so its value is an unknown constant",
                where=_shown(node),
                remedy="make its value a symbol and an input",
            )
        return self.values.call(name, operands)

    def _piecewise(self, node: Any) -> _Operand:
        sp = self._sp
        *pieces, (default, last) = node.args
        if last != sp.true:
            raise InputError(
                "a Piecewise leaves some points without a value",
                where=_shown(node),
                remedy="end it with a pair (expression, True)",
            )
        result = self.of(default)
        for expr, condition in reversed(pieces):
            result = self._choose(condition, self.of(expr), result)
        return result

    def _choose(self, condition: Any, yes: _Operand, no: _Operand) -> _Operand:
        sp = self._sp
        if isinstance(condition, sp.And):
            for part in condition.args:
                yes = self._compare(part, yes, no)
            return yes
        if isinstance(condition, sp.Or):
            for part in condition.args:
                no = self._compare(part, yes, no)
            return no
        return self._compare(condition, yes, no)

    def _compare(self, relation: Any, yes: _Operand, no: _Operand) -> _Operand:
        sp = self._sp
        if relation in (sp.true, sp.false):
            return yes if relation == sp.true else no
        left, right = self.of(relation.args[0]), self.of(relation.args[1])
        if isinstance(relation, sp.Lt | sp.Ge):
            left, right = right, left
        # select asks for > 0; a >= b holds exactly where b > a does not.
        if isinstance(relation, sp.Ge | sp.Le):
            yes, no = no, yes
        return self.values.apply("select", self.values.difference(left, right), yes, no)

    def _unsupported(self, node: Any) -> InputError:
        sp = self._sp
        name = type(node).__name__
        if node == sp.I or isinstance(node, sp.re | sp.im | sp.conjugate | sp.arg):
            remedy = "programs are real: split the expression into real and imaginary part, and declare symbols real"
        elif node in (sp.zoo, sp.nan, sp.oo, -sp.oo):
            remedy = "constants must be finite"
        elif name in _TO_DO:
            remedy = "call .doit() on the expression first"
        else:
            near = get_close_matches(name.lower(), [*NAMES, *_RECIPROCALS], n=1)
            nearest = f"the nearest supported one is {near[0]}" if near else "use elementary functions"
            remedy = f"{nearest}; node.rewrite(...) may help, or an undefined Function that stays uninterpreted"
        return InputError(f"no elementary operation computes {_shown(node)}", got=name, remedy=remedy)


def _number(node: Any) -> float:
    try:
        value = float(node)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise InputError(
            "a constant is not a finite float64",
            got=_shown(node),
            expected="a number below 1.8e308 in magnitude",
            remedy="scale the expressions",
        )
    return value


# -- writing the program ----------------------------------------------------------------------------------------------


def _emit(
    values: _Values, results: Sequence[_Operand], input_names: Sequence[str], names: Sequence[str] | None
) -> Program:
    """The program of the values that the results need."""
    n = values.n_inputs
    needed = [False] * len(values.nodes)
    for result in results:
        if isinstance(result, int):
            needed[result] = True
    for number in range(len(values.nodes) - 1, n - 1, -1):
        if needed[number]:
            for operand in values.nodes[number][2]:
                if isinstance(operand, int):
                    needed[operand] = True
    builder = Builder(n)
    place = dict(enumerate(range(n)))
    for number in range(n, len(values.nodes)):
        if needed[number]:
            known, name, operands = values.nodes[number]
            encoded = [builder.constant(o) if isinstance(o, float) else place[o] for o in operands]
            if known:
                place[number] = int(builder.append(name, *map(np.asarray, encoded)))
            else:
                place[number] = builder.call(name, *encoded)
    outputs: list[int] = []
    held: dict[float, int] = {}
    for result in results:
        if isinstance(result, float) and result not in held:
            held[result] = int(builder.append("constant", np.asarray(builder.constant(result))))
        outputs.append(held[result] if isinstance(result, float) else place[result])
    return builder.finish(np.array(outputs), _names(builder.n_values, input_names, outputs, names))


def _names(n_values: int, input_names: Sequence[str], outputs: Sequence[int], names: Sequence[str] | None) -> list[str]:
    n = len(input_names)
    chosen: dict[int, str] = {}
    if names is not None:
        given = list(names)
        if isinstance(names, str) or len(given) != len(outputs):
            raise InputError(
                "there must be one name per output", got=f"{len(given)} names", expected=f"{len(outputs)} names"
            )
        for output, name in zip(outputs, given, strict=True):
            if output >= n:
                chosen.setdefault(output, name)
        if len({*input_names, *chosen.values()}) != n + len(chosen):
            raise InputError(
                "two values would have one name",
                got=", ".join([*input_names, *chosen.values()]),
                remedy="give every output a name that no input and no other output has",
            )
    taken = {*input_names, *chosen.values()}
    fresh = (name for k in range(1, n_values + len(taken) + 1) if (name := f"t{k}") not in taken)
    return [*input_names, *(chosen.get(value) or next(fresh) for value in range(n, n_values))]
