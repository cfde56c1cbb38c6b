"""LaTeX: an ``align*`` of assignments, for pdfLaTeX with amsmath and for MathJax."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType

from flowgraph.codegen.language import Language
from flowgraph.codegen.notation import ANY, ATOM, POWER, PRODUCT, SIGN, SUM, Notation, Spelling
from flowgraph.codegen.statements import Assign, Check, Heading, Load, Partial, Routine, Solve, Statement
from flowgraph.codegen.terms import Term
from flowgraph.operations import OPERATIONS
from flowgraph.program import number_text

_FUNCTION = 2.25
"""``\\sin x``: weaker than a product, lest sin x · y be read as sin (x·y)."""

_DELIMITED = re.compile(r"\\sqrt|\\min|\\max|\\sigma|\\operatorname\{\{(atan2|hypot|select)\}\}|\|")


def _of_registry(template: str) -> Spelling:
    if _DELIMITED.match(template):
        return Spelling(template)
    return Spelling(template, SUM if " - " in template else _FUNCTION, (ATOM,))


_SPELLINGS = MappingProxyType(
    {
        **{op.name: _of_registry(op.latex) for op in OPERATIONS},
        "add": Spelling("{0} + {1}", SUM, (SUM, PRODUCT)),
        "sub": Spelling("{0} - {1}", SUM, (SUM, PRODUCT)),
        "mul": Spelling("{0} \\, {1}", 2.5, (2.5, SIGN + 0.5)),
        "div": Spelling("\\frac{{{0}}}{{{1}}}", SIGN + 0.5),
        "neg": Spelling("-{0}", SUM, (PRODUCT,)),
        "reciprocal": Spelling("\\frac{{1}}{{{0}}}", SIGN + 0.5),
        "power": Spelling("{0}^{{{1}}}", POWER, (ATOM, ANY)),
        "square": Spelling("{0}^2", POWER, (ATOM,)),
        "softplus": Spelling("\\log(1 + \\exp {0})", _FUNCTION, (ATOM,)),
        "constant": Spelling("{0}", SUM),
    }
)

_SYMBOLS = MappingProxyType(
    {
        "primal": "f(x)",
        "forward": "J v",
        "reverse": "J^{\\mathsf T} v",
        "forward-inverse": "J^{-1} v",
        "reverse-inverse": "J^{-\\mathsf T} v",
    }
)

_APART = ("&\\textbf", "&\\underline", "y &=")
"""Rows with some space above them."""

_OUTSIDE = MappingProxyType({"->": "$\\to$", **{c: c for c in "[]()+-*/="}})


def write(routine: Routine) -> str:
    """An ``align*`` environment."""
    return _Writer(routine).text()


class _Writer:
    def __init__(self, routine: Routine) -> None:
        self._routine = routine
        self._notation = Notation(
            spellings=_SPELLINGS,
            number=_number,
            name=_register,
            function=lambda function, slot: f"\\partial_{{{slot}}} {_symbol(function)}" if slot else _symbol(function),
            sign=SUM,
            brackets=("\\left(", "\\right)"),
        )
        self._steps = replace(self._notation, name=_symbol)

    def text(self) -> str:
        rows = [row for statement in self._routine.body for row in self._statement(statement)]
        rows.append(f"y &= {self._column(self._routine.values)}")
        if self._routine.mode != "primal":
            rows.append(f"{_SYMBOLS[self._routine.mode]} &= {self._column(self._routine.result)}")
        ends = [" \\\\[6pt]" if row.startswith(_APART) else " \\\\" for row in rows[1:]] + [""]
        lines = "\n".join(f"  {row}{end}" for row, end in zip(rows, ends, strict=True))
        return f"\\begin{{align*}}\n{lines}\n\\end{{align*}}\n"

    def _column(self, terms: tuple[Term, ...]) -> str:
        return f"({', '.join(map(self._notation.text, terms))})"

    def _statement(self, statement: Statement) -> list[str]:
        text = self._notation.text
        match statement:
            case Heading(words, 0):
                return [f"&\\textbf{{{words}}}"]
            case Heading(_, level, Assign(target, value)):
                step = f"{_symbol(target)} = {self._steps.text(value)}"
                return [f"&\\underline{{{step}}}" if level == 1 else f"&\\quad\\langle {step} \\rangle"]
            case Heading(words, _):
                return [f"&\\underline{{\\text{{{_plain(words)}}}}}"]
            case Load(targets, source):
                if not any(targets):
                    return []
                names = ", ".join(_register(target) if target else "\\cdot" for target in targets)
                return [f"({names}) &\\gets {source}"]
            case Assign(target, value, meaning):
                note = f" && {_derivative(meaning)}" if meaning else ""
                return [f"{_register(target)} &\\gets {text(value)}{note}"]
            case Check(variable, positive, _):
                relation = ">" if positive else "\\le"
                return [f"&\\text{{only where }} {_register(variable)} {relation} 0"]
            case Solve(targets, name, matrix, transposed, right):
                symbol = f"A_{{{name[1:]}}}" if name[1:] else "A"
                power = "-\\mathsf T" if transposed else "-1"
                rows = " \\\\ ".join(" & ".join(map(text, row)) for row in matrix)
                left = " \\\\ ".join(map(_register, targets))
                given = " \\\\ ".join(map(text, right))
                return [
                    f"{symbol} &= \\begin{{pmatrix}} {rows} \\end{{pmatrix}}",
                    f"\\begin{{pmatrix}} {left} \\end{{pmatrix}} &\\gets {symbol}^{{{power}}} "
                    f"\\begin{{pmatrix}} {given} \\end{{pmatrix}}",
                ]


def _number(value: float) -> str:
    text, _, exponent = number_text(value).partition("e")
    return f"{text} \\cdot 10^{{{int(exponent)}}}" if exponent else text


def _register(name: str) -> str:
    """r12 → r_{12}, A3_1_2 → (A_{3})_{12}."""
    letter, rest = name[0], name[1:]
    if "_" not in rest:
        return f"{letter}_{{{rest}}}" if rest else letter
    number, row, column = rest.split("_")
    index = f"{row}{column}" if len(row) == len(column) == 1 else f"{row},{column}"
    return f"({letter}_{{{number}}})_{{{index}}}" if number else f"{letter}_{{{index}}}"


@lru_cache(maxsize=16384)
def _symbol(name: str) -> str:
    """A name of the program."""
    import sympy

    if re.fullmatch(r"\w+", name):
        return sympy.latex(sympy.Symbol(name))
    return f"\\text{{{_plain(name)}}}"


def _plain(text: str) -> str:
    """Words that name values, outside of mathematics."""
    return re.sub(r"->|[^\w ,:.]", lambda match: _OUTSIDE.get(match[0], "?"), text).replace("_", "\\_")


def _derivative(meaning: Partial) -> str:
    return f"\\partial {_symbol(meaning.of)} / \\partial {_symbol(meaning.by)}"


LATEX = Language(
    name="latex",
    title="LaTeX",
    suffix=".tex",
    write=write,
    operations=frozenset(_SPELLINGS),
    reserved=frozenset(),
)
"""LaTeX."""
