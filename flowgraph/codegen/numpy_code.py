"""Python with NumPy. Entries may be numbers, or arrays of one shape: then the code runs at many points at once."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Sequence
from types import MappingProxyType

from flowgraph.codegen.language import FINDS, Language, function_names, one_line, without_first_blank
from flowgraph.codegen.notation import ARITHMETIC, ATOM, POWER, SIGN, Notation, Spelling, call
from flowgraph.codegen.statements import (
    Assign,
    Check,
    Heading,
    Load,
    Partial,
    Routine,
    Solve,
    Statement,
    applied,
    calls,
    reads,
    writes,
)
from flowgraph.codegen.terms import names

_WIDTH = 88

# A power of a name by a name or number is written without blanks.
_SIMPLE_POWER = re.compile(r"(?<!\w)([a-zA-Z]\w*) \*\* (-?\w+(?:\.\w+)?)(?![\w(.])")

_SPELLINGS = MappingProxyType(
    {
        **ARITHMETIC,
        "power": Spelling("{0} ** {1}", POWER, (ATOM, SIGN)),
        "reciprocal": Spelling("1.0 / {0}", 2.0, (SIGN,)),
        "square": Spelling("{0} ** 2", POWER, (ATOM,)),
        "sqrt": call("np.sqrt"),
        "exp": call("np.exp"),
        "expm1": call("np.expm1"),
        "log": call("np.log"),
        "log1p": call("np.log1p"),
        "sin": call("np.sin"),
        "cos": call("np.cos"),
        "tan": call("np.tan"),
        "asin": call("np.arcsin"),
        "acos": call("np.arccos"),
        "atan": call("np.arctan"),
        "atan2": call("np.arctan2", 2),
        "sinh": call("np.sinh"),
        "cosh": call("np.cosh"),
        "tanh": call("np.tanh"),
        "asinh": call("np.arcsinh"),
        "acosh": call("np.arccosh"),
        "atanh": call("np.arctanh"),
        "hypot": call("np.hypot", 2),
        "abs": call("np.abs"),
        "minimum": call("np.minimum", 2),
        "maximum": call("np.maximum", 2),
        "erf": call("special.erf"),
        "logistic": call("special.expit"),
        "softplus": Spelling("np.logaddexp(0.0, {0})"),
        "select": Spelling("np.where({0} > 0.0, {1}, {2})", ATOM, (1.0, 0.0)),
        "constant": call("np.float64"),
    }
)

_SOLVE = '''\
def solve(A, b):
    """The solution of A x = b, whose entries are numbers or arrays of one shape."""
    n = len(b)
    entries = [entry for row in A for entry in row]
    flat = np.stack(np.broadcast_arrays(*entries, *b), axis=-1)
    matrix = flat[..., : n * n].reshape(*flat.shape[:-1], n, n)
    return np.moveaxis(np.linalg.solve(matrix, flat[..., n * n :, None])[..., 0], -1, 0)
'''


def write(routine: Routine) -> str:
    """A module with one function."""
    return _Writer(routine).text()


class _Writer:
    def __init__(self, routine: Routine) -> None:
        self._routine = routine
        self._constant = _constant(routine.body)
        self._notation = Notation(
            spellings=_SPELLINGS,
            number=lambda value: repr(float(value)),
            name=lambda name: name,
            function=function_names(routine),
        )

    def text(self) -> str:
        routine = self._routine
        lines = ["import numpy as np"]
        if applied(routine) & {"erf", "logistic"}:
            lines.append("from scipy import special")
        if any(isinstance(statement, Solve) for statement in routine.body):
            lines += ["", "", *_SOLVE.splitlines()]
        body = [line for statement in routine.body for line in self._statement(statement)]
        lines += ["", "", *self._head(), *(f"    {line}" if line else "" for line in without_first_blank(body))]
        return "\n".join([*lines, "", *(f"    {line}" for line in self._return())]) + "\n"

    def _head(self) -> list[str]:
        routine = self._routine
        functions = [self._notation.function(name, slot) for name, slot, _ in calls(routine)]
        parameters = ["x"] + ["v"] * (routine.mode != "primal") + (["*", *functions] if functions else [])
        shapes = f"x ({routine.n_inputs},)"
        if routine.mode != "primal":
            given = routine.n_outputs if routine.mode in ("reverse", "forward-inverse") else routine.n_inputs
            shapes += f" and v ({given},)"
        finds = f" and {FINDS[routine.mode]}" * (routine.mode != "primal")
        summary = f'"""{routine.mode.replace("-", " ")}: y = f(x){finds}.'
        more = f"{shapes}; for k points at once, x and v have a second axis of length k."
        if functions:
            first = functions[0]
            more += f"\n    {first} and the others are functions; {first}_1 is the partial of {first} by operand 1."
        return [
            *_bracketed(f"def {routine.name}(", parameters, "):"),
            f"    {summary}",
            "",
            *f'    {more}\n    """'.splitlines(),
        ]

    def _return(self) -> list[str]:
        routine = self._routine
        vectors = [("y", "x", routine.values), ("v", "v", routine.result)][: 1 + (routine.mode != "primal")]
        lines = []
        for name, like, terms in vectors:
            texts = [self._notation.text(term) for term in terms]
            if any(self._constant.issuperset(names(term)) for term in terms):
                # An entry that is the same for every x is a number, also where the others are arrays.
                shape = f"np.shape({like})[1:]"
                lines += _bracketed("entries = [", texts, "]")
                lines.append(f"{name} = np.array([np.broadcast_to(entry, {shape}) for entry in entries])")
            else:
                lines += _bracketed(f"{name} = np.array([", texts, "])")
        return [*lines, "return " + ", ".join(name for name, _, _ in vectors)]

    def _statement(self, statement: Statement) -> list[str]:
        text = self._notation.text
        match statement:
            case Heading(words, level, _):
                return [*([""] if level < 2 else []), f"# {one_line(words)}"]
            case Load(targets, source):
                if not any(targets):
                    return []
                listed = ", ".join(target or "_" for target in targets)
                left = listed if len(targets) > 1 else f"({listed},)"
                return [f"{left} = np.asarray({source}, dtype=float)"]
            case Assign(target, value, meaning):
                note = f"  # {one_line(_derivative(meaning))}" if meaning else ""
                return [f"{target} = {_hugged(text(value))}{note}"]
            case Check(variable, positive, words):
                return [
                    f"if not np.all({variable} {'>' if positive else '<='} 0.0):",
                    f"    raise ValueError({one_line(words)!r})",
                ]
            case Solve(targets, _, _, _, right):
                rows = [f"[{', '.join(map(text, row))}]" for row in statement.system]
                given = [*map(text, right)]
                left, short = ", ".join(targets), f"[{', '.join(given)}]"
                fits = len(left) + len(short) + len(" = solve(A, )") + 4 <= _WIDTH
                return [
                    *_bracketed("A = [", rows, "]"),
                    *([] if fits else _bracketed("right = [", given, "]")),
                    f"{left} = solve(A, {short if fits else 'right'})",
                ]


def _constant(body: Sequence[Statement]) -> set[str]:
    """The variables that are the same number for every x and v at the end."""
    found: set[str] = set()
    for statement in body:
        for name in writes(statement):
            if isinstance(statement, Load) or not found.issuperset(reads(statement)):
                found.discard(name)
            else:
                found.add(name)
    return found


def _hugged(text: str) -> str:
    return _SIMPLE_POWER.sub(r"\1**\2", text)


def _derivative(meaning: Partial) -> str:
    return f"∂{meaning.of}/∂{meaning.by}"


def _bracketed(before: str, items: list[str], after: str) -> list[str]:
    """Items in brackets on one line, or one on each line where that would be too long."""
    line = f"{before}{', '.join(items)}{after}"
    if len(line) + 4 <= _WIDTH or not items:
        return [line]
    return [before, *(f"    {item}," for item in items), after]


NUMPY = Language(
    name="numpy",
    title="Python with NumPy",
    suffix=".py",
    write=write,
    operations=frozenset(_SPELLINGS),
    reserved=frozenset(
        {*keyword.kwlist, *dir(builtins), "np", "special", "solve", "x", "v", "y", "A", "right", "entries", "_"}
    ),
)
"""Python with NumPy."""
