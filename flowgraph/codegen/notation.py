"""How a language writes expressions: a spelling for each operation, and parentheses where precedence asks for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from flowgraph.codegen.terms import Apply, Call, Name, Number, Term

ANY, SUM, PRODUCT, SIGN, POWER, ATOM = 0.0, 1.0, 2.0, 3.0, 4.0, 5.0
"""How tightly an expression holds together, from nothing to a name."""


@dataclass(frozen=True, slots=True)
class Spelling:
    """How an operation is written.

    Attributes:
        template: ``{0}``, ``{1}`` … stand for the operands.
        strength: how tightly what is written holds together.
        operands: how tightly each operand must hold together to stand without parentheses; the last one for all further
            ones.
    """

    template: str
    strength: float = ATOM
    operands: tuple[float, ...] = (ANY,)

    def of_operand(self, place: int) -> float:
        """How tightly the operand in that place must hold together."""
        return self.operands[min(place, len(self.operands) - 1)]


def infix(symbol: str, strength: float) -> Spelling:
    """An infix operator that groups to the left."""
    return Spelling(f"{{0}} {symbol} {{1}}", strength, (strength, strength + 1))


def call(function: str, arity: int = 1) -> Spelling:
    """A call of a function."""
    return Spelling(f"{function}({', '.join(f'{{{k}}}' for k in range(arity))})")


ARITHMETIC: Mapping[str, Spelling] = MappingProxyType(
    {
        "add": infix("+", SUM),
        "sub": infix("-", SUM),
        "mul": infix("*", PRODUCT),
        "div": infix("/", PRODUCT),
        "neg": Spelling("-{0}", SIGN, (POWER,)),
    }
)
"""What C, Python and the paper's notation write alike."""


@dataclass(frozen=True, slots=True)
class Notation:
    """The expressions of a language.

    Attributes:
        spellings: by name of the operation.
        number: a constant, without its sign.
        name: a variable.
        function: an uninterpreted function, or its partial by operand ``slot`` from 1.
        sign: how tightly a negative number holds together.
        brackets: what encloses a weak operand.
    """

    spellings: Mapping[str, Spelling]
    number: Callable[[float], str]
    name: Callable[[str], str]
    function: Callable[[str, int], str]
    sign: float = SIGN
    brackets: tuple[str, str] = ("(", ")")

    def text(self, term: Term) -> str:
        """An expression."""
        return self._spelled(term)[0]

    def _spelled(self, term: Term) -> tuple[str, float]:
        match term:
            case Name(text):
                return self.name(text), ATOM
            case Number(value):
                text = self.number(value)
                return text, self.sign if text.startswith("-") else ATOM
            case Call(function, slot, operands):
                listed = ", ".join(self.text(operand) for operand in operands)
                return f"{self.function(function, slot)}({listed})", ATOM
            case Apply(operation, operands):
                spelling = self.spellings[operation]
                inner = (self._operand(o, spelling.of_operand(k)) for k, o in enumerate(operands))
                return spelling.template.format(*inner), spelling.strength
        raise TypeError(term)

    def _operand(self, term: Term, needed: float) -> str:
        text, strength = self._spelled(term)
        left, right = self.brackets
        return text if strength >= needed else f"{left}{text}{right}"
