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
from math import lcm, prod
from typing import Any, final

import numpy as np

from flowgraph.block_entries import block_entry, solved_entries

Label = Any
"""An element of some label algebra."""

Matrix = Sequence[Sequence[Label]]
"""Rows of labels."""

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

    def inverse(self, name: str, rows: Matrix) -> Matrix:
        """A⁻¹ for a square matrix A of labels, by default by Gauss and Jordan.

        Args:
            name: what A is called, for algebras that write A⁻¹ rather than its entries.
            rows: A.

        Raises:
            ZeroDivisionError: A is singular.
        """
        return gauss_jordan(self, rows)

    def solve(self, name: str, rows: Matrix, right: Matrix, inverse: Matrix) -> Matrix:
        """A⁻¹ B, by default the product of the inverse, which is at hand, with B.

        Args:
            name: what A⁻¹ B is called, for algebras that write it so.
            rows: A.
            right: B.
            inverse: A⁻¹.
        """
        return product(self, inverse, right)

    def cleared(self, labels: Sequence[Label]) -> tuple[Label, ...]:
        """The labels times one non-zero factor that makes them simple: in a fraction field, without denominators."""
        return tuple(labels)

    def text(self, x: Label) -> str:
        """The label as text that SymPy reads."""
        return str(x)

    def latex(self, x: Label) -> str:
        """The label as LaTeX."""
        return self.text(x)

    def matrix(self, rows: Sequence[Sequence[Label]], columns: int) -> Any:
        """The algebra's own kind of matrix: here, a tuple of rows."""
        return tuple(tuple(row) for row in rows)


def gauss_jordan(algebra: LabelAlgebra, rows: Matrix) -> Matrix:
    """The inverse of a square matrix of labels; the first non-zero entry of a column is its pivot.

    Raises:
        ZeroDivisionError: the matrix is singular.
    """
    size = len(rows)
    work = [[*row, *(algebra.one if i == j else algebra.zero for j in range(size))] for i, row in enumerate(rows)]
    for k in range(size):
        pivot, factor = _first_pivot(algebra, [row[k] for row in work[k:]])
        work[k], work[k + pivot] = work[k + pivot], work[k]
        # What elimination makes 1 or 0 is written down, not computed.
        head = [algebra.one if j == k else algebra.mul(factor, x) for j, x in enumerate(work[k])]
        work[k] = head
        for i in range(size):
            if i == k or algebra.is_zero(work[i][k]):
                continue
            by = algebra.neg(work[i][k])
            work[i] = [
                algebra.zero if j == k else x if algebra.is_zero(y) else algebra.add(x, algebra.mul(by, y))
                for j, (x, y) in enumerate(zip(work[i], head, strict=True))
            ]
    return tuple(tuple(row[size:]) for row in work)


def _first_pivot(algebra: LabelAlgebra, column: Sequence[Label]) -> tuple[int, Label]:
    """The place of the first label that has a reciprocal, and that: residues may be zero in one of their fields."""
    for place, label in enumerate(column):
        if not algebra.is_zero(label):
            try:
                return place, algebra.reciprocal(label)
            except ZeroDivisionError:
                continue
    raise ZeroDivisionError("singular matrix")


def product(algebra: LabelAlgebra, left: Matrix, right: Matrix) -> Matrix:
    """The product of two matrices of labels."""
    columns = len(right[0]) if right else 0
    result = []
    for row in left:
        total = [algebra.zero] * columns
        for x, factors in zip(row, right, strict=True):
            if not algebra.is_zero(x):
                total = [algebra.add(t, algebra.mul(x, y)) for t, y in zip(total, factors, strict=True)]
        result.append(tuple(total))
    return tuple(result)


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
        return bool(x == y) or self._cancels(x - y)

    def is_zero(self, x: Label) -> bool:
        if x.is_zero is not None:
            return bool(x.is_zero)
        if x.is_Mul:
            return any(self.is_zero(factor) for factor in x.args)
        if x.is_Pow:
            return bool(x.exp.is_positive) and self.is_zero(x.base)
        return bool(x.is_Add and self._cancels(x))

    def _cancels(self, x: Label) -> bool:
        """Whether a sum is zero as a rational function of its parts, with entries of A⁻¹ written out."""
        while entries := x.atoms(block_entry()):
            x = x.xreplace({entry: entry.doit() for entry in entries})
        return bool(self._sympy.cancel(x) == 0)

    def inverse(self, name: str, rows: Matrix) -> Matrix:
        """Entries that print as those of A⁻¹ and know A (see ``block_entry``); zero where they are zero for every x."""
        return solved_entries(name, rows, None)

    def solve(self, name: str, rows: Matrix, right: Matrix, inverse: Matrix) -> Matrix:
        """Entries that print as those of A⁻¹ B and know A and B."""
        return solved_entries(name, rows, right)

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

    def inverse(self, name: str, rows: Matrix) -> Matrix:
        """A⁻¹ without fractions on the way: the adjugate and the determinant of a matrix of polynomials (SymPy)."""
        from sympy.polys.matrices import DomainMatrix
        from sympy.polys.matrices.exceptions import DMNonInvertibleMatrixError

        # Row i times its common denominator d: A = D⁻¹ P, so A⁻¹ = P⁻¹ D.
        cleared = [self._cleared(row) for row in rows]
        ring = self._field.ring.to_domain()
        matrix = DomainMatrix([list(row) for row, _ in cleared], (len(rows), len(rows)), ring)
        try:
            numerators, determinant = matrix.inv_den()
        except DMNonInvertibleMatrixError as error:
            raise ZeroDivisionError("singular matrix") from error
        if not determinant:
            raise ZeroDivisionError("singular matrix")
        new = self._field.new
        return tuple(
            tuple(new(entry * factor, determinant) for entry, (_, factor) in zip(row, cleared, strict=True))
            for row in numerators.to_list()
        )

    def _cleared(self, labels: Sequence[Label]) -> tuple[tuple[Any, ...], Any]:
        """The labels as polynomials with whole coefficients, times a common denominator, and that denominator."""
        common = self._field.ring.one
        for label in labels:
            if label.denom != common and label.denom != 1:
                common = common.lcm(label.denom)
        cleared = [label.numer * common.exquo(label.denom) for label in labels]
        # Polynomials over Q are no normal forms of the field unless their coefficients are whole.
        scale = lcm(*(int(c.denominator) for polynomial in (common, *cleared) for c in polynomial.coeffs()))
        return tuple(polynomial * scale for polynomial in cleared), common * scale

    def cleared(self, labels: Sequence[Label]) -> tuple[Label, ...]:
        return tuple(self._field.raw_new(numerator) for numerator in self._cleared(labels)[0])

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

    def inverse(self, name: str, rows: Matrix) -> Matrix:
        """A⁻¹ by LAPACK, with partial pivoting."""
        return tuple(map(tuple, _float_inverse(np.array(rows, dtype=float)).tolist()))

    def text(self, x: Label) -> str:
        return repr(float(x))

    def matrix(self, rows: Sequence[Sequence[Label]], columns: int) -> Any:
        """A float64 array."""
        return np.array(rows, dtype=float).reshape(len(rows), columns)


@final
class BoundedFloatLabels(LabelAlgebra):
    """Pairs (x, m): a float and a magnitude that bounds what its rounding error is relative to.

    |x| ≤ m, and the error of x is of the order of m times the unit roundoff: sums add magnitudes, products multiply
    them, 1/x has m/x², and A⁻¹ = (LU)⁻¹ has |A⁻¹| (M + |L||U|) |A⁻¹|. So a cancellation shows as x much smaller than m.
    """

    name = "bounded floats"
    zero = (0.0, 0.0)
    one = (1.0, 1.0)

    def add(self, x: Label, y: Label) -> Label:
        return (x[0] + y[0], x[1] + y[1])

    def mul(self, x: Label, y: Label) -> Label:
        return (x[0] * y[0], x[1] * y[1])

    def neg(self, x: Label) -> Label:
        return (-x[0], x[1])

    def reciprocal(self, x: Label) -> Label:
        return (1.0 / x[0], x[1] / x[0] / x[0])

    def number(self, value: Fraction) -> Label:
        return (float(value), abs(float(value)))

    def inverse(self, name: str, rows: Matrix) -> Matrix:
        from scipy.linalg import lu

        matrix = np.array([[x for x, _ in row] for row in rows])
        found = _float_inverse(matrix)
        # LU rounds where A has zeros, so its factors bound the error, and A's entries have errors of their own.
        factors: Any = lu(matrix, permute_l=True, check_finite=False)
        within = np.abs(factors[0]) @ np.abs(factors[1]) + np.array([[m for _, m in row] for row in rows])
        bound = np.abs(found) @ within @ np.abs(found)
        return tuple(tuple(zip(*pair, strict=True)) for pair in zip(found.tolist(), bound.tolist(), strict=True))


def _float_inverse(matrix: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    try:
        return np.linalg.inv(matrix)
    except np.linalg.LinAlgError as error:
        raise ZeroDivisionError("singular matrix") from error


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
