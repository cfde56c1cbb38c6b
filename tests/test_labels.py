"""The label algebras: field laws, printing, identity of algebras, and what the counting algebra counts."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from flowgraph.labels import (
    GENERIC,
    PRIME,
    CountingLabels,
    FloatLabels,
    FractionLabels,
    LabelAlgebra,
    ResidueLabels,
    SymbolicLabels,
    Tally,
)

FRACTIONS = FractionLabels(("a", "b"))
SYMBOLIC = SymbolicLabels()
A, B = sympy.symbols("a b")
rationals = st.fractions(min_value=-5, max_value=5, max_denominator=7)


def in_fractions(p: Fraction, q: Fraction, r: Fraction) -> Any:
    g = FRACTIONS.symbols
    x = FRACTIONS.add(FRACTIONS.mul(FRACTIONS.number(p), g["a"]), FRACTIONS.number(q))
    return FRACTIONS.mul(x, FRACTIONS.reciprocal(FRACTIONS.add(g["b"], FRACTIONS.number(r))))


def in_symbols(p: Fraction, q: Fraction, r: Fraction) -> Any:
    number = SYMBOLIC.number
    return (number(p) * A + number(q)) / (B + number(r))


EXACT: dict[str, tuple[LabelAlgebra, st.SearchStrategy[Any]]] = {
    "symbolic": (SYMBOLIC, st.builds(in_symbols, rationals, rationals, rationals)),
    "fractions": (FRACTIONS, st.builds(in_fractions, rationals, rationals, rationals)),
    "residues": (ResidueLabels(1), st.integers(0, PRIME - 1)),
    "residues in three fields": (ResidueLabels(3), st.integers(0, ResidueLabels(3).modulus - 1)),
}


@pytest.mark.parametrize("name", EXACT)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_field_laws(name: str, data: st.DataObject) -> None:
    algebra, elements = EXACT[name]
    x, y, z = (data.draw(elements) for _ in range(3))
    add, mul, equal = algebra.add, algebra.mul, algebra.equal
    assert equal(add(x, y), add(y, x))
    assert equal(mul(x, y), mul(y, x))
    assert equal(add(add(x, y), z), add(x, add(y, z)))
    assert equal(mul(mul(x, y), z), mul(x, mul(y, z)))
    assert equal(mul(x, add(y, z)), add(mul(x, y), mul(x, z)))
    assert equal(add(x, algebra.zero), x)
    assert equal(mul(x, algebra.one), x)
    assert algebra.is_zero(add(x, algebra.neg(x)))
    if algebra.is_zero(x):
        with pytest.raises(ZeroDivisionError):
            algebra.reciprocal(x)
    else:
        try:
            assert equal(mul(x, algebra.reciprocal(x)), algebra.one)
        except ZeroDivisionError:
            assert math.gcd(int(x), ResidueLabels(3).modulus) > 1


@pytest.mark.parametrize("name", EXACT)
@settings(max_examples=25, deadline=None)
@given(p=rationals, q=rationals)
def test_numbers_are_a_ring_homomorphism(name: str, p: Fraction, q: Fraction) -> None:
    algebra, _ = EXACT[name]
    number = algebra.number
    assert algebra.equal(number(p + q), algebra.add(number(p), number(q)))
    assert algebra.equal(number(p * q), algebra.mul(number(p), number(q)))
    assert algebra.is_zero(number(p)) == (p == 0)


@pytest.mark.parametrize(
    "algebra", [SYMBOLIC, FRACTIONS, ResidueLabels(1), ResidueLabels(2), FloatLabels(), CountingLabels()]
)
def test_nothing_divides_by_zero(algebra: LabelAlgebra) -> None:
    with pytest.raises(ZeroDivisionError):
        algebra.reciprocal(algebra.zero)


def test_residues_are_one_residue_per_field() -> None:
    algebra = ResidueLabels(3)
    assert all(sympy.isprime(p) and 2**60 < p < 2**61 for p in algebra.primes)
    assert len(set(algebra.primes)) == 3
    assert algebra.primes[0] == PRIME
    assert algebra.modulus == math.prod(algebra.primes)
    x, y = 3**80 % algebra.modulus, 5**70 % algebra.modulus
    for p in algebra.primes:
        assert algebra.mul(x, y) % p == pow(3, 80, p) * pow(5, 70, p) % p
        assert algebra.reciprocal(x) % p == pow(pow(3, 80, p), -1, p)


def test_text_is_read_by_sympy_as_the_same_expression() -> None:
    algebra = FRACTIONS
    label = algebra.mul(algebra.neg(algebra.symbols["b"]), algebra.reciprocal(algebra.symbols["a"]))
    assert algebra.text(label) == "-b/a"
    assert sympy.sympify(algebra.text(label)) == -B / A
    assert SYMBOLIC.text(-B / A) == "-b/a"
    assert sympy.sympify(SYMBOLIC.text(sympy.cos(A) / B)) == sympy.cos(A) / B
    assert SYMBOLIC.latex(-B / A) == "- \\frac{b}{a}"
    assert FloatLabels().text(0.1) == "0.1"


def test_algebras_are_the_same_by_kind_and_generators() -> None:
    assert SymbolicLabels() == SymbolicLabels()
    assert FractionLabels(("a",)) == FractionLabels(("a",)) != FractionLabels(("b",))
    assert ResidueLabels(1) != ResidueLabels(2)
    assert FloatLabels() != SymbolicLabels()
    assert len({SymbolicLabels(), SymbolicLabels(), ResidueLabels(2), ResidueLabels(2)}) == 2


def test_symbolic_equality_is_mathematical() -> None:
    assert SYMBOLIC.equal((A**2 - 1) / (A - 1), A + 1)
    assert not SYMBOLIC.equal(A, B)


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        (lambda c: c.mul(GENERIC, GENERIC), Tally(1, 0, 0)),
        (lambda c: c.mul(c.one, GENERIC), Tally(0, 0, 0)),
        (lambda c: c.mul(GENERIC, -1), Tally(0, 0, 0)),
        (lambda c: c.mul(c.zero, GENERIC), Tally(0, 0, 0)),
        (lambda c: c.add(GENERIC, c.zero), Tally(0, 0, 0)),
        (lambda c: c.add(GENERIC, GENERIC), Tally(0, 1, 0)),
        (lambda c: c.neg(GENERIC), Tally(0, 0, 0)),
        (lambda c: c.reciprocal(GENERIC), Tally(0, 0, 1)),
        (lambda c: c.reciprocal(-1), Tally(0, 0, 0)),
        (lambda c: c.number(Fraction(3, 2)), Tally(0, 0, 0)),
    ],
)
def test_what_the_counter_counts(work: Callable[[CountingLabels], object], expected: Tally) -> None:
    algebra = CountingLabels()
    work(algebra)
    assert algebra.tally == expected
