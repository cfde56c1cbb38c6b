"""The algebras an edge label may live in. Every rewrite pass is generic in them.

A label algebra is a field (as far as the elements at hand are concerned) with a way to print its elements. The same
derivation then yields SymPy expressions, exact rational functions, residues of a prime field, floats, or the number of
arithmetic operations it would take.

Reference: Naumann and Utke's edge-labelled linearised computational graph; arXiv:2411.18786, Figs. 1–3.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any, final

import numpy as np

Label = Any
"""An element of some label algebra."""

PRIME = 2**61 - 1
"""The largest modulus of the residues, a Mersenne prime."""


class LabelAlgebra(ABC):
    """A field of edge labels.

    ``add``, ``mul``, ``neg`` and ``reciprocal`` are exact in every algebra but the floats. ``reciprocal`` of zero
    raises ``ZeroDivisionError``.
    """

    name: str
    zero: Label
    one: Label

    def add(self, x: Label, y: Label) -> Label:
        """x + y, by default Python's."""
        return x + y

    def mul(self, x: Label, y: Label) -> Label:
        """x·y, by default Python's."""
        return x * y

    def neg(self, x: Label) -> Label:
        """−x, by default Python's."""
        return -x

    @abstractmethod
    def reciprocal(self, x: Label) -> Label:
        """1/x."""

    @abstractmethod
    def number(self, value: Fraction) -> Label:
        """A rational constant as a label."""

    def key(self) -> tuple[Any, ...]:
        """What tells two algebras of one class apart."""
        return ()

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.key() == other.key()  # pyright: ignore[reportAttributeAccessIssue]

    def __hash__(self) -> int:
        return hash((type(self), self.key()))

    def equal(self, x: Label, y: Label) -> bool:
        """Whether two labels are the same element."""
        return bool(x == y)

    def is_zero(self, x: Label) -> bool:
        """Whether a label is the zero of the algebra."""
        return self.equal(x, self.zero)

    def text(self, x: Label) -> str:
        """The label as text that SymPy reads."""
        return str(x)

    def latex(self, x: Label) -> str:
        """The label as LaTeX."""
        return self.text(x)

    def matrix(self, rows: Sequence[Sequence[Label]], columns: int) -> Any:
        """The algebra's own kind of matrix: here, a tuple of rows."""
        return tuple(tuple(row) for row in rows)


@final
class SymbolicLabels(LabelAlgebra):
    """SymPy expressions. Equality is decided after ``cancel``; labels are kept as they arise."""

    name = "symbolic"

    def __init__(self) -> None:
        import sympy

        self._sympy = sympy
        self.zero = sympy.S.Zero
        self.one = sympy.S.One

    def reciprocal(self, x: Label) -> Label:
        if self.is_zero(x):
            raise ZeroDivisionError("1/0")
        return 1 / x

    def number(self, value: Fraction) -> Label:
        return self._sympy.Rational(value.numerator, value.denominator)

    def equal(self, x: Label, y: Label) -> bool:
        return bool(x == y) or bool(self._sympy.cancel(x - y) == 0)

    def is_zero(self, x: Label) -> bool:
        if x.is_zero is not None:
            return bool(x.is_zero)
        if x.is_Mul:
            return any(self.is_zero(factor) for factor in x.args)
        if x.is_Pow:
            return bool(x.exp.is_positive) and self.is_zero(x.base)
        return bool(x.is_Add and self._sympy.cancel(x) == 0)

    def latex(self, x: Label) -> str:
        return self._sympy.latex(x)

    def matrix(self, rows: Sequence[Sequence[Label]], columns: int) -> Any:
        """An immutable SymPy matrix."""
        return self._sympy.ImmutableDenseMatrix(len(rows), columns, [entry for row in rows for entry in row])


@final
class FractionLabels(LabelAlgebra):
    """Exact rational functions: SymPy's fraction field Q(g₁, …, g_k), where equality is equality of normal forms.

    Args:
        generators: names of the field's generators.
    """

    name = "fractions"

    def __init__(self, generators: Sequence[str]) -> None:
        from sympy import QQ
        from sympy.polys.fields import FracField

        self.generators = tuple(generators)
        # SymPy's fields are compared by their symbols; one without generators is Q itself.
        self._field = FracField(self.generators or ("unused",), QQ)
        self.symbols = dict(zip(self.generators, self._field.gens, strict=False))
        self.zero = self._field(0)
        self.one = self._field(1)

    def key(self) -> tuple[Any, ...]:
        return self.generators

    def mul(self, x: Label, y: Label) -> Label:
        # Most labels are the unit of a carry edge, and a product in the field costs a gcd.
        if x is self.one:
            return y
        return x if y is self.one else x * y

    def reciprocal(self, x: Label) -> Label:
        if not x:
            raise ZeroDivisionError("1/0")
        return self.one / x

    def number(self, value: Fraction) -> Label:
        return self._field(value.numerator) / self._field(value.denominator)

    def is_zero(self, x: Label) -> bool:
        return not x

    def text(self, x: Label) -> str:
        return str(x.as_expr())


@final
class ResidueLabels(LabelAlgebra):
    """An identity evaluated at random points of several prime fields at once.

    An element is one integer modulo N, the product of the k largest primes below 2⁶¹, of which p = 2⁶¹ − 1 is the
    first: by the Chinese remainder theorem that is one residue in each of k prime fields, and one product serves all.

    Args:
        points: how many fields, and so how many independent points, k ≥ 1.
    """

    name = "residues"
    zero = 0
    one = 1

    def __init__(self, points: int) -> None:
        from sympy import prevprime

        primes = [PRIME]
        while len(primes) < points:
            primes.append(int(prevprime(primes[-1])))
        self.points = points
        self.primes = tuple(primes)
        self.modulus = prod(primes)

    def key(self) -> tuple[Any, ...]:
        return (self.points,)

    def add(self, x: Label, y: Label) -> Label:
        return (x + y) % self.modulus

    def mul(self, x: Label, y: Label) -> Label:
        return x * y % self.modulus

    def neg(self, x: Label) -> Label:
        return -x % self.modulus

    def reciprocal(self, x: Label) -> Label:
        try:
            return pow(x, -1, self.modulus)
        except ValueError as error:
            raise ZeroDivisionError("1/0") from error

    def number(self, value: Fraction) -> Label:
        return value.numerator * pow(value.denominator, -1, self.modulus) % self.modulus

    def equal(self, x: Label, y: Label) -> bool:
        return x == y

    def is_zero(self, x: Label) -> bool:
        return x == 0


@final
class FloatLabels(LabelAlgebra):
    """Python floats. ``equal`` is exact equality: comparisons to rounding belong to whoever knows the scale."""

    name = "floats"
    zero = 0.0
    one = 1.0

    def reciprocal(self, x: Label) -> Label:
        return 1.0 / x

    def number(self, value: Fraction) -> Label:
        return float(value)

    def text(self, x: Label) -> str:
        return repr(float(x))

    def matrix(self, rows: Sequence[Sequence[Label]], columns: int) -> Any:
        """A float64 array."""
        return np.array(rows, dtype=float).reshape(len(rows), columns)


@dataclass(slots=True)
class Tally:
    """Numbers of arithmetic operations. Signs are free, and so are products with ±1 and sums with 0."""

    multiplications: int = 0
    additions: int = 0
    divisions: int = 0


GENERIC = "generic"
"""The label of the counting algebra that is none of 0, 1, −1."""


@final
class CountingLabels(LabelAlgebra):
    """Labels 0, 1, −1 and ``GENERIC``; every operation that a machine would perform is entered in ``tally``.

    Example:
        >>> algebra = CountingLabels()
        >>> _ = algebra.mul(algebra.reciprocal(GENERIC), algebra.mul(GENERIC, algebra.one))
        >>> algebra.tally
        Tally(multiplications=1, additions=0, divisions=1)
    """

    name = "counts"
    zero = 0
    one = 1

    def __init__(self) -> None:
        self.tally = Tally()

    def add(self, x: Label, y: Label) -> Label:
        if x == 0:
            return y
        if y == 0:
            return x
        self.tally.additions += 1
        return 0 if GENERIC not in (x, y) and x == -y else GENERIC

    def mul(self, x: Label, y: Label) -> Label:
        if x == 0 or y == 0:
            return 0
        if x in (1, -1):
            return y if x == 1 else self.neg(y)
        if y in (1, -1):
            return x if y == 1 else self.neg(x)
        self.tally.multiplications += 1
        return GENERIC

    def neg(self, x: Label) -> Label:
        return x if x == GENERIC else -x

    def reciprocal(self, x: Label) -> Label:
        if x == 0:
            raise ZeroDivisionError("1/0")
        if x in (1, -1):
            return x
        self.tally.divisions += 1
        return GENERIC

    def number(self, value: Fraction) -> Label:
        return int(value) if value in (0, 1, -1) else GENERIC
