"""Tokens and the shunting-yard parser, held against Python's own parser."""

from __future__ import annotations

import ast
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowgraph.errors import ParseError
from flowgraph.expressions import SourceLine, Term, TokenKind, is_name, postfix, tokens, words

_BINARY = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "power"}


def parsed(text: str) -> list[tuple[str, int]]:
    line = SourceLine(text, 1)
    return [(term.text, term.arity) for term in postfix(tokens(line), line)]


def by_python(node: ast.AST) -> list[tuple[str, int]]:
    """The postfix form that Python's parser gives; an independent oracle for precedence and grouping."""
    match node:
        case ast.Expression():
            return by_python(node.body)
        case ast.BinOp():
            return [*by_python(node.left), *by_python(node.right), (_BINARY[type(node.op)], 2)]
        case ast.UnaryOp(op=ast.USub()):
            return [*by_python(node.operand), ("neg", 1)]
        case ast.UnaryOp(op=ast.UAdd()):
            return by_python(node.operand)
        case ast.Call(func=ast.Name(id=name), args=args) if args:
            return [*(term for arg in args for term in by_python(arg)), (name, len(args))]
        case ast.Name(id=name):
            return [(name, 0)]
        case ast.Constant(value=int() | float() as value):
            return [(str(value), 0)]
    raise SyntaxError(f"not of the notation: {ast.dump(node)}")


def parsed_by_python(text: str) -> list[tuple[str, int]]:
    return by_python(ast.parse(text, mode="eval"))


_ATOMS = st.sampled_from(["x", "y", "z1", "2", "3.5"])


def _compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def call(name: str, arguments: Sequence[str]) -> str:
        return f"{name}({', '.join(arguments)})"

    return st.one_of(
        st.builds(lambda a, op, b: f"{a} {op} {b}", inner, st.sampled_from(["+", "-", "*", "/", "**"]), inner),
        st.builds(lambda op, a: f"{op}{a}", st.sampled_from(["-", "+"]), inner),
        st.builds(lambda a: f"({a})", inner),
        st.builds(call, st.sampled_from(["f", "sin", "g"]), st.lists(inner, min_size=1, max_size=3)),
    )


EXPRESSIONS = st.recursive(_ATOMS, _compound, max_leaves=12)


@settings(max_examples=300, deadline=None)
@given(EXPRESSIONS)
def test_grouping_is_that_of_python(text: str):
    assert parsed(text) == parsed_by_python(text)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(["x", "2", "f(", "(", ")", ",", "+", "-", "*", "/", "**"]), min_size=1, max_size=9))
def test_what_is_an_expression_is_decided_as_in_python(soup: list[str]):
    text = " ".join(soup)
    try:
        expected = parsed_by_python(text)
    except SyntaxError:
        expected = None
    # Python alone takes a comma before ), and a call of a call or of a parenthesis.
    if expected is not None and ", )" in text:
        expected = None
    try:
        got = parsed(text)
    except ParseError:
        got = None
    assert got == expected


@pytest.mark.parametrize(
    ("text", "same_as"),
    [
        ("x − y", "x - y"),
        ("x · y", "x * y"),
        ("x ⋅ y", "x * y"),
        ("x × y", "x * y"),
        ("x ^ y ^ z", "x ** y ** z"),
        ("-x^2", "-(x**2)"),
        ("2**-x*y", "(2**(-x))*y"),
        ("x - y - z", "(x - y) - z"),
        ("x / y / z", "(x / y) / z"),
        ("x\t+\u00a0y", "x + y"),
        ("x + y  # x * (", "x + y"),
        ("f (x)", "f(x)"),
    ],
)
def test_spellings(text: str, same_as: str):
    assert parsed(text) == parsed(same_as)


@pytest.mark.parametrize("text", ["1e-3", ".5", "5.", "0.5e+2", "1E6", "007"])
def test_numbers(text: str):
    line = SourceLine(text, 1)
    first, end = tokens(line)
    assert (first.kind, first.text, first.column) == (TokenKind.NUMBER, text, 1)
    assert end.kind is TokenKind.END


def test_terms_know_their_columns():
    line = SourceLine("z = f(x, 2*y)", 7)
    stream = tokens(line)
    assert [next(stream).text for _ in range(2)] == ["z", "="]
    terms: list[Term] = postfix(stream, line)
    assert [(t.text, t.column) for t in terms] == [("x", 7), ("2", 10), ("y", 12), ("mul", 11), ("f", 5)]


@pytest.mark.parametrize("name", ["x", "_", "x1", "θ", "Δt", "x₁", "lambda", "E", "I", "S", "N", "é", "名", "f_2"])
def test_names(name: str):
    assert is_name(name)
    assert parsed(name) == [(name, 0)]


@pytest.mark.parametrize("name", ["", "1x", "x²", "½", "x y", "x[0]", "x'", "inputs", "outputs", "x\n", "x#", "²"])
def test_no_names(name: str):
    assert not is_name(name)


@settings(deadline=None)
@given(st.text(max_size=20))
def test_a_word_is_a_name_exactly_when_it_is_one_token(text: str):
    try:
        stream = list(tokens(SourceLine(text, 1)))
    except ParseError:
        stream = []
    one = [token.kind for token in stream] == [TokenKind.NAME, TokenKind.END] and stream[0].text == text
    assert is_name(text) == (one and text not in ("inputs", "outputs"))


@settings(deadline=None)
@given(st.lists(st.sampled_from(["x", "θ", "x₁", "t1", "_a"]), max_size=6))
def test_words_miss_no_name(names: list[str]):
    text = " + ".join(names)
    assert words(text) >= {token.text for token in tokens(SourceLine(text, 1)) if token.kind is TokenKind.NAME}


@settings(deadline=None)
@given(st.text(max_size=40))
def test_only_parse_errors_come_out(text: str):
    line = SourceLine(text, 3, "some.fg")
    error = None
    try:
        postfix(tokens(line), line)
    except ParseError as refusal:
        error = refusal
    if error is not None:
        assert error.line == 3
        assert 1 <= error.column <= len(text) + 1
        assert str(error).encode("utf-8")


@pytest.mark.parametrize(
    ("text", "column", "words_of_message"),
    [
        ("x²", 2, "**2"),
        ("x[1]", 2, "SQUARE BRACKET"),
        ("x; y", 2, "line of its own"),
        ("x\x1b[2J", 2, "U+001B"),
        ("x ÷ y", 3, "write /"),
        ("inputs²", 7, "SUPERSCRIPT TWO"),
        ("(x", 1, "never closed"),
        ("f (x", 3, "never closed"),
        ("f(x, (y)", 2, "never closed"),
        ("x)", 2, "closes nothing"),
        ("2x", 2, "write 2*x"),
        ("sin x", 5, "write sin(…)"),
        ("x * * y", 5, "operand is missing"),
        ("x +", 4, "not complete"),
        ("()", 2, "nothing between"),
        ("f()", 3, "no argument"),
        ("f(x,)", 5, "operand is missing"),
        ("(x, y)", 3, "comma outside"),
        ("x, y", 2, "comma outside"),
        ("x = y", 3, "second ="),
        ("x + = y", 5, "before this ="),
        ("x + inputs", 5, "keyword"),
    ],
)
def test_errors_point_at_the_place_and_name_the_remedy(text: str, column: int, words_of_message: str):
    with pytest.raises(ParseError) as caught:
        parsed(text)
    assert caught.value.column == column
    assert words_of_message in str(caught.value)
    assert caught.value.remedy


def test_long_and_deep_expressions_need_no_recursion():
    depth = 50_000
    assert parsed("(" * depth + "x" + ")" * depth) == [("x", 0)]
    assert len(parsed("x" + "+x" * depth)) == 2 * depth + 1
    assert len(parsed("-" * depth + "x")) == depth + 1
    assert parsed("f(" * 1000 + "x" + ")" * 1000) == [("x", 0)] + [("f", 1)] * 1000
    assert parsed("x" + "**x" * 1000) == [("x", 0)] * 1001 + [("power", 2)] * 1000
    with pytest.raises(ParseError, match="not complete"):
        parsed("(" * depth)
