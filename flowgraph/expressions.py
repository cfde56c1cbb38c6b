"""Infix expressions of the paper's notation: one line of text → tokens → postfix terms.

The parser is an operator-precedence parser with one explicit stack (Dijkstra's shunting-yard algorithm), so the depth
of nesting is bounded by memory and not by Python's call stack. It knows names and numbers only as text; what they mean
is decided in ``language.py``.

Precedence, from loosest to tightest, as in Python: ``+ -``, ``* /``, unary ``+ -``, ``**`` (groups to the right).
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple

from flowgraph.errors import ParseError
from flowgraph.operations import NAMES, OPERATIONS

KEYWORDS = ("inputs", "outputs")
"""Words that cannot be names."""

_NAME = r"[^\W\d](?:[^\W\d]|[0-9₀-₉])*"
_SUBSCRIPTS = MappingProxyType(dict.fromkeys(map(ord, "₀₁₂₃₄₅₆₇₈₉")))
_SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_SYMBOLS = MappingProxyType(
    {"**": "**", "^": "**", "*": "*", "·": "*", "⋅": "*", "×": "*", "/": "/", "+": "+", "-": "-", "−": "-"}
)

_WORD = re.compile(_NAME)
_TOKEN = re.compile(
    rf"\s*(?:(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    rf"|(?P<name>{_NAME})"
    r"|(?P<symbol>\*\*|[-+*/^·⋅×−(),=])"
    r"|(?P<end>\#|\Z))"
)


class TokenKind(Enum):
    """What a token is."""

    NUMBER = "a number"
    NAME = "a name"
    SYMBOL = "a symbol"
    END = "the end of the line"


_KINDS = MappingProxyType(
    {"number": TokenKind.NUMBER, "name": TokenKind.NAME, "symbol": TokenKind.SYMBOL, "end": TokenKind.END}
)


class Token(NamedTuple):
    """One token: its kind, its text (operators in canonical spelling) and its 1-based column."""

    kind: TokenKind
    text: str
    column: int

    def __str__(self) -> str:
        return self.kind.value if self.kind is TokenKind.END else shorten(self.text)


class TermKind(Enum):
    """What a postfix term does to the stack."""

    NUMBER = "push a number"
    NAME = "push the value of a name"
    APPLY = "apply a function to the topmost operands"


class Term(NamedTuple):
    """One item of a postfix expression.

    Attributes:
        kind: what it does to the stack.
        text: the number, the name, or the function applied (``add`` … for infix operators).
        arity: number of operands, 0 unless the term applies a function.
        column: 1-based column.
    """

    kind: TermKind
    text: str
    arity: int
    column: int


@dataclass(frozen=True, slots=True)
class SourceLine:
    """One line of the text, for error messages that point into it.

    Attributes:
        text: the line without its line break.
        number: 1-based line number.
        file: name of the file, or None.
    """

    text: str
    number: int
    file: str | None = None

    def error(
        self,
        what: str,
        column: int,
        *,
        got: str | None = None,
        expected: str | None = None,
        remedy: str | None = None,
    ) -> ParseError:
        """The error to raise for something at ``column`` of this line."""
        # Control characters and lone surrogates would reach the terminal, or break it.
        shown = "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in self.text[: column + 200])
        return ParseError(
            what,
            line=self.number,
            column=column,
            source=shown,
            file=self.file,
            got=got,
            expected=expected,
            remedy=remedy,
        )


def is_name(text: str) -> bool:
    """Whether the notation can write this name: letters of any script, digits, subscripts and ``_``; no digit first.

    Example:
        >>> is_name("θ_1"), is_name("x₁"), is_name("2x"), is_name("x²"), is_name("inputs")
        (True, True, False, False, False)
    """
    return bool(_WORD.fullmatch(text)) and _has_letters_only(text) and text not in KEYWORDS


def _has_letters_only(word: str) -> bool:
    # To the regular expression ² and ½ are letters; to the reader they are a power and a number.
    return word.isascii() or word.translate(_SUBSCRIPTS).isidentifier()


def words(text: str) -> set[str]:
    """Every name that occurs in the text, comments aside, and perhaps some more.

    Example:
        >>> sorted(words("z = f(x)  # note"))
        ['f', 'x', 'z']
    """
    return set(_WORD.findall(re.sub("#.*", "", text)))


def shorten(text: str) -> str:
    """The text, cut in the middle where it is too long for a message."""
    return text if len(text) <= 60 else f"{text[:40]}…{text[-10:]}"


def tokens(line: SourceLine) -> Iterator[Token]:
    """The tokens of one line, the last one of kind ``END``; a ``#`` ends the line.

    Raises:
        ParseError: a character that has no meaning in the notation.

    Example:
        >>> [token.text for token in tokens(SourceLine("z = x·2^y  # comment", 1))]
        ['z', '=', 'x', '*', '2', '**', 'y', '']
    """
    text, place, match = line.text, 0, _TOKEN.match
    while True:
        found = match(text, place)
        if found is None:
            raise _bad_character(line, place)
        kind = found.lastgroup or "end"
        start = found.start(kind)
        if kind == "end":
            yield Token(TokenKind.END, "", start + 1)
            return
        word = found[kind]
        if kind == "name" and not _has_letters_only(word):
            odd = (k for k, letter in enumerate(word) if not _has_letters_only(f"_{letter}" if k else letter))
            raise _bad_character(line, start + next(odd, 0))
        yield Token(_KINDS[kind], _SYMBOLS.get(word, word) if kind == "symbol" else word, start + 1)
        place = found.end()


def _bad_character(line: SourceLine, place: int) -> ParseError:
    while line.text[place].isspace():
        place += 1
    character = line.text[place]
    if character in _SUPERSCRIPTS:
        remedy = f"write a power as **{unicodedata.digit(character)}"
    elif character in "[]{}":
        remedy = "group with round parentheses; values have names, not indices"
    elif character == ";":
        remedy = "put each statement on a line of its own"
    elif character == "÷":
        remedy = "write /"
    else:
        remedy = "names are made of letters, digits and underscores; operators are + - * / **; comments begin with #"
    name = unicodedata.name(character, "")
    shown = character if character.isprintable() else "a character that cannot be shown"
    return line.error(
        f"{shown} has no meaning here",
        place + 1,
        got=f"U+{ord(character):04X} {name}".rstrip(),
        remedy=remedy,
    )


def number(term: Term, line: SourceLine) -> float:
    """The float64 that a term of kind ``NUMBER`` stands for.

    Raises:
        ParseError: it is too large for float64.
    """
    value = float(term.text)
    if not math.isfinite(value):
        raise line.error(
            f"{shorten(term.text)} is not a finite float64",
            term.column,
            expected="a number below 1.8e308 in magnitude",
            remedy="write a smaller number",
        )
    return value


_INFIX = MappingProxyType({op.infix: op.name for op in OPERATIONS if op.infix})
_PRECEDENCE = MappingProxyType({"+": 1, "-": 1, "*": 2, "/": 2, "**": 4})
_UNARY = 3
_OPEN = 0


class _Frame(NamedTuple):
    """An entry of the operator stack: an operator that waits for its right operand, or an open parenthesis."""

    precedence: int
    function: str
    arity: int
    column: int


def postfix(stream: Iterator[Token], line: SourceLine) -> list[Term]:
    """Parse an infix expression that reaches to the end of the line.

    Args:
        stream: the tokens, from the first one of the expression to ``END``.
        line: the line they come from, for error messages.

    Returns:
        The expression in postfix order: the operands of a term precede it.

    Raises:
        ParseError: the tokens are no expression.

    Example:
        >>> line = SourceLine("-x**2 + f(y, 3)", 1)
        >>> [term.text for term in postfix(tokens(line), line)]
        ['x', '2', 'power', 'neg', 'y', '3', 'f', 'add']
    """
    out: list[Term] = []
    stack: list[_Frame] = []
    token = next(stream)
    while True:
        # An operand is due: prefixes are stacked until a number or a name comes.
        kind, text, column = token
        if kind is TokenKind.NUMBER:
            out.append(Term(TermKind.NUMBER, text, 0, column))
            token = next(stream)
        elif kind is TokenKind.NAME:
            if text in KEYWORDS:
                raise _keyword(token, line)
            token = next(stream)
            if token.text == "(":
                stack.append(_Frame(_OPEN, text, 1, column))
                token = next(stream)
                if token.text == ")":
                    raise line.error(
                        f"{shorten(text)} has no argument",
                        token.column,
                        remedy=f"write {shorten(text)}(x) with the value that it is applied to",
                    )
                continue
            out.append(Term(TermKind.NAME, text, 0, column))
        elif text == "(":
            stack.append(_Frame(_OPEN, "", 0, column))
            token = next(stream)
            continue
        elif text == "-" or text == "+":
            if text == "-":
                stack.append(_Frame(_UNARY, "neg", 1, column))
            token = next(stream)
            continue
        else:
            raise _no_operand(token, line, stack)
        # An operand is complete: close what it completes, up to the next infix operator.
        while True:
            kind, text, column = token
            precedence = _PRECEDENCE.get(text)
            # Operators of equal precedence group to the left, except that ** groups to the right.
            limit = 5 if precedence == 4 else (precedence or 1)
            while stack and stack[-1].precedence >= limit:
                frame = stack.pop()
                out.append(Term(TermKind.APPLY, frame.function, frame.arity, frame.column))
            if precedence is not None:
                stack.append(_Frame(precedence, _INFIX[text], 2, column))
                token = next(stream)
                break
            if kind is TokenKind.END:
                if stack:
                    raise line.error(
                        "this parenthesis is never closed",
                        _parenthesis(stack[-1], line),
                        remedy="add the missing ) ; an expression does not go on over the end of its line",
                    )
                return out
            if text == ")":
                if not stack:
                    raise line.error("this ) closes nothing", column, remedy="remove it, or add the missing (")
                frame = stack.pop()
                if frame.function:
                    out.append(Term(TermKind.APPLY, frame.function, frame.arity, frame.column))
                token = next(stream)
                continue
            if text == ",":
                if not stack or not stack[-1].function:
                    raise line.error(
                        "a comma outside the arguments of a function",
                        column,
                        remedy="write one expression per line; a comma only parts the arguments of a function",
                    )
                stack[-1] = stack[-1]._replace(arity=stack[-1].arity + 1)
                token = next(stream)
                break
            raise _no_operator(token, line)


def _parenthesis(frame: _Frame, line: SourceLine) -> int:
    return line.text.index("(", frame.column - 1) + 1


def _keyword(token: Token, line: SourceLine) -> ParseError:
    return line.error(
        f"{token.text} is a keyword and cannot be the name of a value",
        token.column,
        remedy=f"choose another name, such as {token.text}_",
    )


def _no_operand(token: Token, line: SourceLine, stack: list[_Frame]) -> ParseError:
    if token.kind is TokenKind.END:
        what, remedy = "the expression is not complete", "add the operand that is missing at the end of the line"
    elif token.text == "=":
        what, remedy = "an operand is missing before this =", "write one assignment per line, name = expression"
    elif token.text == ")" and stack and stack[-1].precedence == _OPEN and not stack[-1].function:
        what, remedy = "there is nothing between these parentheses", "write an expression there, or remove them"
    else:
        what, remedy = f"an operand is missing before this {token}", "write the name, number or call that belongs there"
    return line.error(what, token.column, got=str(token), expected="a name, a number, a call or (", remedy=remedy)


def _no_operator(token: Token, line: SourceLine) -> ParseError:
    if token.text == "=":
        return line.error(
            "a second = on one line", token.column, got="=", remedy="write one assignment per line, name = expression"
        )
    before = re.search(rf"({_NAME})\s*\Z", line.text[max(0, token.column - 80) : token.column - 1])
    if before and before[1] in NAMES:
        remedy = f"write {before[1]}(…) with parentheses around the argument"
    else:
        remedy = "a product needs its sign: write 2*x, not 2x"
    return line.error(
        f"an operator is missing before {token}",
        token.column,
        got=str(token),
        expected="one of + - * / **, or the end of the line",
        remedy=remedy,
    )
