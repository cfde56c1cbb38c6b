"""Entries of A⁻¹ and A⁻¹B as SymPy expressions that print short and know what they are.

The entries of a matrix inverse are rational functions with l! terms. On paper one writes A⁻¹. A *block entry* prints as
``A1inv_1_2``; it holds A (and B), so it can be written out, differentiated after that, and evaluated.

Reference: arXiv:2411.18786, Fig. 1 (vector version).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from random import Random
from typing import Any

_PRIMES = (2**61 - 1, 2**61 - 31)
"""Two primes: what vanishes has to vanish in both fields, at points drawn anew."""


@lru_cache(maxsize=1)
def block_entry() -> type[Any]:
    """The class of block entries: ``block_entry()(name, i, j, A, B)`` is entry (i, j) of A⁻¹B, counted from 1.

    ``doit()`` writes the entry out.

    Example:
        >>> import sympy
        >>> a, b, c, d = sympy.symbols("a b c d")
        >>> matrix, unit = sympy.ImmutableDenseMatrix([[a, b], [c, d]]), sympy.ImmutableDenseMatrix(sympy.eye(2))
        >>> entry = block_entry()("Ainv", 1, 2, matrix, unit)
        >>> print(entry, "=", entry.doit())
        Ainv_1_2 = -b/(a*d - b*c)
    """
    import sympy
    from sympy.core.symbol import Str

    class BlockEntry(sympy.Expr):
        """Entry (i, j) of A⁻¹B."""

        is_commutative = True

        def __new__(cls, name: Any, row: Any, column: Any, matrix: Any, right: Any) -> BlockEntry:
            return sympy.Basic.__new__(cls, Str(str(name)), sympy.Integer(row), sympy.Integer(column), matrix, right)

        @property
        def system(self) -> tuple[Any, Any]:
            """A and B."""
            return self.args[3], self.args[4]

        @property
        def index(self) -> tuple[int, int]:
            """(i, j) from 0."""
            row, column = (int(str(place)) for place in self.args[1:3])
            return row - 1, column - 1

        def doit(self, **hints: Any) -> Any:
            """The entry written out."""
            matrix, right = self.system
            i, j = self.index
            column = matrix.adjugate()[i, :] * right[:, j]
            return sympy.cancel(column[0] / matrix.det(method="berkowitz"))

        def _sympystr(self, printer: Any) -> str:
            return f"{self.args[0]}_{self.args[1]}_{self.args[2]}"

        _sympyrepr = _sympystr

        def _latex(self, printer: Any) -> str:
            base = str(self.args[0])
            return f"({matrix_latex(base)})_{{{self.args[1]}{',' if max(self.index) > 8 else ''}{self.args[2]}}}"

    return BlockEntry


def matrix_latex(name: str) -> str:
    """The name of a block label in LaTeX.

    Example:
        >>> matrix_latex("A1"), matrix_latex("A1inv"), matrix_latex("A2invB2")
        ('\\\\mathbf{A}_{1}', '\\\\mathbf{A}_{1}^{-1}', '\\\\mathbf{A}_{2}^{-1}\\\\mathbf{B}_{2}')
    """
    letter, rest = name[0], name[1:]
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    rest = rest[len(digits) :]
    text = f"\\mathbf{{{letter}}}" + (f"_{{{digits}}}" if digits else "")
    if rest.startswith("inv"):
        return text + "^{-1}" + (matrix_latex(rest[3:]) if rest[3:] else "")
    return text


def solved_entries(
    name: str, rows: Sequence[Sequence[Any]], right: Sequence[Sequence[Any]] | None
) -> tuple[tuple[Any, ...], ...]:
    """A⁻¹ (or A⁻¹B) for symbolic A: block entries, and 0 where an entry vanishes for every x.

    Whether A is singular, and which entries vanish, is decided at random points of two prime fields: wrong with a
    probability of about (degree·2⁻⁶¹)².

    Raises:
        ZeroDivisionError: A is singular for every x.
    """
    import sympy

    size = len(rows)
    columns = size if right is None else len(right[0]) if right else 0
    matrix = sympy.ImmutableDenseMatrix(size, size, [x for row in rows for x in row])
    second = (
        sympy.ImmutableDenseMatrix(sympy.eye(size))
        if right is None
        else sympy.ImmutableDenseMatrix(size, columns, [x for row in right for x in row])
    )
    found = [solution for prime in _PRIMES if (solution := _random_solution(matrix, second, prime)) is not None]
    if not found:
        raise ZeroDivisionError("singular matrix")
    values = [[any(solution[i][j] for solution in found) for j in range(columns)] for i in range(size)]
    entry = block_entry()
    return tuple(
        tuple(entry(name, i + 1, j + 1, matrix, second) if values[i][j] else sympy.S.Zero for j in range(columns))
        for i in range(size)
    )


def _random_solution(matrix: Any, right: Any, prime: int) -> list[list[int]] | None:
    """A⁻¹B modulo a prime, at a random point; None where A is singular there."""
    known: dict[Any, int] = {}
    random = Random(prime + matrix.rows)
    size = matrix.rows
    try:
        work = [[_residue(x, prime, known, random) for x in (*matrix.row(i), *right.row(i))] for i in range(size)]
    except ValueError:  # a reciprocal that does not exist at this point
        return None
    for k in range(size):
        pivot = next((i for i in range(k, size) if work[i][k]), None)
        if pivot is None:
            return None
        work[k], work[pivot] = work[pivot], work[k]
        factor = pow(work[k][k], -1, prime)
        work[k] = [x * factor % prime for x in work[k]]
        for i in range(size):
            if i != k and work[i][k]:
                by = work[i][k]
                work[i] = [(x - by * y) % prime for x, y in zip(work[i], work[k], strict=True)]
    return [row[size:] for row in work]


def _residue(expression: Any, prime: int, known: dict[Any, int], random: Random) -> int:
    """An expression modulo a prime: rational operations as they are, anything else a random residue.

    Labels of long lumps are nested deeply, so this keeps a stack of its own.
    """
    pending = [expression]
    while pending:
        x = pending[-1]
        if x in known:
            pending.pop()
            continue
        power = x.is_Pow and x.exp.is_Integer
        parts: tuple[Any, ...] = x.args if x.is_Add or x.is_Mul else x.args[:1] if power else ()
        missing = [part for part in parts if part not in known]
        if missing:
            pending += missing
            continue
        if x.is_Rational:
            known[x] = int(x.p) * pow(int(x.q), -1, prime) % prime
        elif x.is_Add:
            known[x] = sum(known[part] for part in parts) % prime
        elif x.is_Mul:
            total = 1
            for part in parts:
                total = total * known[part] % prime
            known[x] = total
        elif power:
            known[x] = pow(known[parts[0]], int(x.exp), prime)
        else:
            known[x] = random.randrange(1, prime)
        pending.pop()
    return known[expression]
