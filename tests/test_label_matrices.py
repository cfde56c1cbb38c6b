"""``inverse`` and ``solve`` of every label algebra against SymPy, Fractions, NumPy and mpmath, and block entries."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from random import Random
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from flowgraph.block_entries import block_entry, matrix_latex, solved_entries
from flowgraph.labels import (
    GENERIC,
    BoundedFloatLabels,
    CountingLabels,
    FloatLabels,
    FractionLabels,
    LabelAlgebra,
    ResidueLabels,
    SymbolicLabels,
    Tally,
    gauss_jordan,
    product,
)
from tests.dense import solve as solve_fractions

FRACTIONS = FractionLabels(tuple("abcdefghi"))
SYMBOLIC = SymbolicLabels()
RESIDUES = ResidueLabels(2)

small = st.fractions(min_value=-4, max_value=4, max_denominator=5)
squares = st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(small, min_size=n, max_size=n), min_size=n, max_size=n))


def determinant(rows: list[list[Fraction]]) -> Fraction:
    """By Leibniz along the first row."""
    if not rows:
        return Fraction(1)
    minors = ([row[:j] + row[j + 1 :] for row in rows[1:]] for j in range(len(rows)))
    return sum(((-1) ** j * rows[0][j] * determinant(minor) for j, minor in enumerate(minors)), Fraction(0))


def unit(n: int) -> list[list[Fraction]]:
    return [[Fraction(int(i == j)) for j in range(n)] for i in range(n)]


def written_out(label: Any) -> Any:
    return sympy.sympify(label).doit()


# -- numbers -----------------------------------------------------------------------------------------------------------

EXACT: dict[str, LabelAlgebra] = {"symbolic": SYMBOLIC, "fractions": FRACTIONS, "residues": RESIDUES}


def same(algebra: LabelAlgebra, label: Any, value: Fraction) -> bool:
    if isinstance(algebra, SymbolicLabels):
        label = written_out(label)
    return algebra.equal(label, algebra.number(value))


@pytest.mark.parametrize("name", EXACT)
@settings(max_examples=40, deadline=None)
@given(rows=squares, data=st.data())
def test_the_inverse_of_numbers_is_that_of_fractions(
    name: str, rows: list[list[Fraction]], data: st.DataObject
) -> None:
    algebra, n = EXACT[name], len(rows)
    labels = [[algebra.number(x) for x in row] for row in rows]
    if determinant(rows) == 0:
        for call in (lambda: algebra.inverse("A", labels), lambda: gauss_jordan(algebra, labels)):
            with pytest.raises(ZeroDivisionError):
                call()
        return
    expected = solve_fractions(rows, unit(n))
    for found in (algebra.inverse("A", labels), gauss_jordan(algebra, labels)):
        assert [len(row) for row in found] == [n] * n
        assert all(same(algebra, found[i][j], expected[i][j]) for i in range(n) for j in range(n))
    columns = data.draw(st.integers(1, 3))
    right = data.draw(st.lists(st.lists(small, min_size=columns, max_size=columns), min_size=n, max_size=n))
    given = [[algebra.number(x) for x in row] for row in right]
    solved = algebra.solve("AinvB", labels, given, algebra.inverse("A", labels))
    answer = solve_fractions(rows, right)
    assert all(same(algebra, solved[i][j], answer[i][j]) for i in range(n) for j in range(columns))


@pytest.mark.parametrize("n", range(1, 6))
def test_the_inverse_of_floats_is_numpys(n: int) -> None:
    rng = np.random.default_rng(n)
    matrix = rng.normal(size=(n, n))
    for algebra in (FloatLabels(), BoundedFloatLabels()):
        bounded = isinstance(algebra, BoundedFloatLabels)
        labels = [[(x, abs(x)) if bounded else x for x in row] for row in matrix.tolist()]
        found = algebra.inverse("A", labels)
        values = np.array([[x[0] if bounded else x for x in row] for row in found])
        np.testing.assert_allclose(values @ matrix, np.eye(n), atol=1e-12)
        # Of floats a matrix is singular where a pivot is exactly 0.
        singular = [*labels[:-1], [algebra.zero] * n]
        with pytest.raises(ZeroDivisionError):
            algebra.inverse("A", singular)


# -- rational functions ------------------------------------------------------------------------------------------------


def random_fraction(rng: Random) -> Any:
    g = FRACTIONS.symbols
    letters = list(g.values())
    terms = [rng.randint(-3, 3) * rng.choice(letters) * rng.choice([*letters, FRACTIONS.one]) for _ in range(2)]
    numerator = sum(terms, FRACTIONS.number(Fraction(rng.randint(-2, 2), rng.randint(1, 3))))
    if rng.random() < 0.5:
        return numerator
    return FRACTIONS.mul(numerator, FRACTIONS.reciprocal(FRACTIONS.add(rng.choice(letters), FRACTIONS.one)))


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_inverses_of_rational_functions(size: int, seed: int) -> None:
    rng = Random(f"{size} {seed}")
    rows = [[random_fraction(rng) for _ in range(size)] for _ in range(size)]
    if size == 3:
        letters = list(FRACTIONS.symbols.values())
        rows = [[rng.choice(letters) / rng.choice(letters) for _ in range(size)] for _ in range(size)]
    found = FRACTIONS.inverse("A", rows)
    for matrix in (product(FRACTIONS, found, rows), product(FRACTIONS, rows, found)):
        for i, row in enumerate(matrix):
            assert all(FRACTIONS.equal(x, FRACTIONS.one if i == j else FRACTIONS.zero) for j, x in enumerate(row))
    # Normal forms: equal to what elimination gives, as elements and not only as functions.
    assert found == gauss_jordan(FRACTIONS, rows)
    matrix = sympy.Matrix([[x.as_expr() for x in row] for row in rows])
    adjugate, determinant_of_all = matrix.adjugate(), matrix.det(method="berkowitz")
    for i in range(size):
        for j in range(size):
            assert sympy.cancel(found[i][j].as_expr() * determinant_of_all - adjugate[i, j]) == 0


def test_matrices_that_are_singular_for_every_x() -> None:
    a, b, c = (FRACTIONS.symbols[name] for name in "abc")
    one, zero = FRACTIONS.one, FRACTIONS.zero
    for rows in (
        [[zero]],
        [[a, b], [a, b]],
        [[a, b], [a * c, b * c]],
        [[a / b, one], [a, b]],
        [[a, zero], [b, zero]],
        [[a, b, c], [b, c, a], [a + b, b + c, c + a]],
    ):
        for call in (FRACTIONS.inverse, lambda _, rows: gauss_jordan(FRACTIONS, rows)):
            with pytest.raises(ZeroDivisionError):
                call("A", rows)
        with pytest.raises(ZeroDivisionError):
            SYMBOLIC.inverse("A", [[x.as_expr() for x in row] for row in rows])
    with pytest.raises(ZeroDivisionError):
        CountingLabels().inverse("A", [[1, 1], [1, 1]])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4))
def test_cleared_labels_are_polynomials_in_normal_form_and_one_multiple(seed: int, count: int) -> None:
    rng = Random(seed)
    labels = [random_fraction(rng) for _ in range(count)]
    cleared = FRACTIONS.cleared(labels)
    assert len(cleared) == count
    *parts, factor = FRACTIONS.cleared([*labels, FRACTIONS.one])
    assert not FRACTIONS.is_zero(factor)
    for label, part in zip(labels, parts, strict=True):
        assert part == FRACTIONS.mul(label, factor)
        # A normal form: the same element computed in another way is the same object to ==, and so is its hash.
        again = FRACTIONS.add(FRACTIONS.add(part, FRACTIONS.one), FRACTIONS.neg(FRACTIONS.one))
        assert part == again
        assert hash(part) == hash(again)
        assert part.denom == 1
        assert all(coefficient.denominator == 1 for coefficient in part.numer.coeffs())
    pivot = next((k for k, label in enumerate(labels) if label), None)
    if pivot is not None:
        multiple = FRACTIONS.mul(cleared[pivot], FRACTIONS.reciprocal(labels[pivot]))
        assert multiple
        assert all(x == FRACTIONS.mul(y, multiple) for x, y in zip(cleared, labels, strict=True))


def test_cleared_of_nothing_and_of_other_algebras() -> None:
    assert FRACTIONS.cleared([]) == ()
    assert FRACTIONS.cleared([FRACTIONS.zero, FRACTIONS.zero]) == (FRACTIONS.zero, FRACTIONS.zero)
    half = FRACTIONS.number(Fraction(1, 2))
    assert FRACTIONS.cleared([half, FRACTIONS.one]) == (FRACTIONS.one, FRACTIONS.number(Fraction(2)))
    assert RESIDUES.cleared([3, 5]) == (3, 5)
    assert FloatLabels().cleared([0.5]) == (0.5,)


# -- counting ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", range(1, 7))
def test_a_full_matrix_costs_a_cube(size: int) -> None:
    algebra = CountingLabels()
    inverse = algebra.inverse("A", [[GENERIC] * size for _ in range(size)])
    assert algebra.tally == Tally(size**3 - size, size * (size - 1) ** 2, size)
    assert all(x == GENERIC for row in inverse for x in row)
    right = [[GENERIC] * 2 for _ in range(size)]
    algebra.solve("AinvB", [], right, inverse)
    assert algebra.tally == Tally(size**3 - size + 2 * size**2, size * (size - 1) ** 2 + 2 * size * (size - 1), size)


def test_what_is_known_costs_nothing() -> None:
    def cost(rows: list[list[Any]]) -> Tally:
        algebra = CountingLabels()
        algebra.inverse("A", rows)
        return algebra.tally

    assert cost([[1, 0], [0, -1]]) == Tally(0, 0, 0)
    assert cost([[0, 1], [1, 0]]) == Tally(0, 0, 0)
    assert cost([[GENERIC, 0], [0, GENERIC]]) == Tally(0, 0, 2)
    # [[1, g], [0, 1]] has the inverse [[1, −g], [0, 1]]; a triangle with pivots needs two products more.
    assert cost([[1, GENERIC], [0, 1]]) == Tally(0, 0, 0)
    assert cost([[GENERIC, GENERIC], [0, GENERIC]]) == Tally(2, 0, 2)


# -- bounds ------------------------------------------------------------------------------------------------------------

ROUNDOFF = 2.0**-53


def ill_conditioned(seed: int, n: int, log_condition: float) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(seed)
    left, right = (np.linalg.qr(rng.normal(size=(n, n)))[0] for _ in range(2))
    return left @ np.diag(np.logspace(0, -log_condition, n)) @ right


MATRICES: dict[str, Callable[[int, int], np.ndarray[Any, Any]]] = {
    "orthogonal": lambda seed, n: ill_conditioned(seed, n, 0),
    "condition 1e6": lambda seed, n: ill_conditioned(seed, n, 6),
    "condition 1e12": lambda seed, n: ill_conditioned(seed, n, 12),
    "hilbert": lambda seed, n: 1.0 / (np.arange(n)[:, None] + np.arange(n) + 1 + seed),
    "badly scaled": lambda seed, n: ill_conditioned(seed, n, 2) * np.logspace(0, 12, n)[:, None],
    "triangular": lambda seed, n: np.triu(ill_conditioned(seed, n, 3)) + 1e-9 * np.eye(n),
}


@pytest.mark.parametrize("kind", MATRICES)
@pytest.mark.parametrize("n", [1, 2, 3, 5, 8])
def test_the_error_of_an_inverse_is_within_its_bound(kind: str, n: int) -> None:
    """|computed − true| ≤ a small multiple of the unit roundoff times the magnitude, entry by entry."""
    for seed in range(3):
        matrix = MATRICES[kind](seed, n)
        labels = [[(x, abs(x)) for x in row] for row in matrix.tolist()]
        found = BoundedFloatLabels().inverse("A", labels)
        with mpmath.workdps(80):
            true = mpmath.matrix(matrix.tolist()) ** -1
            for i in range(n):
                for j in range(n):
                    value, bound = found[i][j]
                    assert abs(value) <= bound * (1 + 1e-9)
                    assert float(abs(value - true[i, j])) <= 20 * n * ROUNDOFF * bound


@pytest.mark.parametrize("seed", range(5))
def test_magnitudes_of_uncertain_entries_bound_what_their_errors_do(seed: int) -> None:
    """Entries that are off by ε times their magnitudes move A⁻¹ by no more than about ε times its bound."""
    rng = np.random.default_rng(seed)
    n, epsilon = 3, 1e-9
    matrix = ill_conditioned(seed, n, 3)
    magnitude = np.abs(matrix) * rng.uniform(1, 1e3, size=(n, n))
    labels = [
        [(x, m) for x, m in zip(*pair, strict=True)] for pair in zip(matrix.tolist(), magnitude.tolist(), strict=True)
    ]
    bound = np.array([[m for _, m in row] for row in BoundedFloatLabels().inverse("A", labels)])
    moved = np.linalg.inv(matrix + epsilon * magnitude * rng.choice([-1, 1], size=(n, n)))
    assert (np.abs(moved - np.linalg.inv(matrix)) <= 1.5 * epsilon * bound).all()


def test_the_bounds_are_no_bounds_of_everything() -> None:
    """Of an orthogonal matrix they are of the order of its entries, so a wrong digit would be seen."""
    for seed in range(5):
        matrix = ill_conditioned(seed, 4, 0)
        found = BoundedFloatLabels().inverse("A", [[(x, abs(x)) for x in row] for row in matrix.tolist()])
        assert max(bound for row in found for _, bound in row) < 20


# -- block entries -----------------------------------------------------------------------------------------------------

A, B, C, D = sympy.symbols("a b c d")
FULL = [[A, B], [C, D]]


def test_entries_print_short_and_write_themselves_out() -> None:
    inverse = SYMBOLIC.inverse("A1inv", FULL)
    assert [[SYMBOLIC.text(x) for x in row] for row in inverse] == [
        ["A1inv_1_1", "A1inv_1_2"],
        ["A1inv_2_1", "A1inv_2_2"],
    ]
    expected = sympy.Matrix(FULL).inv()
    for i in range(2):
        for j in range(2):
            assert sympy.cancel(inverse[i][j].doit() - expected[i, j]) == 0
            assert inverse[i][j].index == (i, j)
            assert inverse[i][j].free_symbols == {A, B, C, D}
            assert inverse[i][j].system[0] == sympy.ImmutableDenseMatrix(FULL)
    assert str(-2 * inverse[0][1] + A) in ("a - 2*A1inv_1_2", "-2*A1inv_1_2 + a")
    assert sympy.latex(inverse[0][1]) == "(\\mathbf{A}_{1}^{-1})_{12}"
    entry = block_entry()("A2invB2", 10, 3, sympy.eye(12).as_immutable(), sympy.eye(12).as_immutable())
    assert sympy.latex(entry) == "(\\mathbf{A}_{2}^{-1}\\mathbf{B}_{2})_{10,3}"
    assert SYMBOLIC.latex(inverse[1][1]) == sympy.latex(inverse[1][1])


def test_entries_of_a_product_with_b() -> None:
    right = [[sympy.Symbol("p"), 0], [sympy.Symbol("q"), 0]]
    right = [[sympy.sympify(x) for x in row] for row in right]
    solved = SYMBOLIC.solve("A1invB1", FULL, right, SYMBOLIC.inverse("A1inv", FULL))
    expected = sympy.Matrix(FULL).inv() * sympy.Matrix(right)
    assert [[str(x) for x in row] for row in solved] == [["A1invB1_1_1", "0"], ["A1invB1_2_1", "0"]]
    for i in range(2):
        for j in range(2):
            assert sympy.cancel(solved[i][j].doit() - expected[i, j]) == 0


def test_entries_are_evaluated_and_replaced_like_any_expression() -> None:
    entry = SYMBOLIC.inverse("A", FULL)[0][1]
    numbers = {A: 2, B: 3, C: 5, D: 11}
    assert entry.subs(numbers).doit() == sympy.Rational(-3, 7)
    assert (entry**2 + A).subs(numbers).doit() == sympy.Rational(9, 49) + 2
    assert entry == SYMBOLIC.inverse("A", FULL)[0][1]
    assert entry != SYMBOLIC.inverse("A", [[A, B], [C, D + 1]])[0][1]
    assert hash(entry) == hash(SYMBOLIC.inverse("A", FULL)[0][1])
    # In the algebra an entry is equal to what it stands for.
    assert SYMBOLIC.equal(entry, -B / (A * D - B * C))
    assert not SYMBOLIC.equal(entry, B / (A * D - B * C))
    total = sum(SYMBOLIC.inverse("A", FULL)[0][k] * FULL[k][1] for k in range(2))
    assert SYMBOLIC.is_zero(total)
    assert SYMBOLIC.equal(sum(SYMBOLIC.inverse("A", FULL)[0][k] * FULL[k][0] for k in range(2)), SYMBOLIC.one)
    inner = SYMBOLIC.inverse("A", [[entry, A], [B, SYMBOLIC.one]])[0][0]
    assert SYMBOLIC.equal(inner, 1 / (-B / (A * D - B * C) - A * B))


@pytest.mark.parametrize(
    "rows",
    [
        [[A, 0], [0, D]],
        [[A, B], [0, D]],
        [[0, B], [C, 0]],
        [[A, B, 0], [0, C, 0], [D, 0, A]],
        [[0, A, 0], [0, 0, B], [C, 0, 0]],
        [[A + B, A, B], [A, A, 0], [B, 0, B + C]],
        [[1, 1], [1, -1]],
        [[sympy.sin(A), sympy.cos(A)], [0, sympy.exp(B)]],
        [[1, B, B * C], [0, 1, C], [0, 0, 1]],
    ],
    ids=str,
)
def test_the_zeros_of_an_inverse_are_exactly_those_of_sympy(rows: list[list[Any]]) -> None:
    rows = [[sympy.sympify(x) for x in row] for row in rows]
    expected = sympy.Matrix(rows).inv().applyfunc(sympy.cancel)
    found = solved_entries("A", rows, None)
    for i, row in enumerate(found):
        for j, x in enumerate(row):
            assert (x == 0) == (expected[i, j] == 0)
            assert sympy.simplify(sympy.sympify(x).doit() - expected[i, j]) == 0


def test_a_matrix_without_columns_to_solve_for() -> None:
    assert solved_entries("A", FULL, [[], []]) == ((), ())
    assert solved_entries("A", [], None) == ()
    assert FRACTIONS.inverse("A", []) == ()
    assert gauss_jordan(FRACTIONS, []) == ()


@pytest.mark.parametrize(
    ("name", "latex"),
    [
        ("A", "\\mathbf{A}"),
        ("B12", "\\mathbf{B}_{12}"),
        ("A12inv", "\\mathbf{A}_{12}^{-1}"),
        ("A3invB3", "\\mathbf{A}_{3}^{-1}\\mathbf{B}_{3}"),
        ("Ainv", "\\mathbf{A}^{-1}"),
    ],
)
def test_names_of_blocks_in_latex(name: str, latex: str) -> None:
    assert matrix_latex(name) == latex
