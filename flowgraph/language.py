"""The paper's notation: ``parse`` reads it into a ``Program``, ``format_program`` writes it, ``load`` reads a file.

    inputs x1, x2, x3          # one line, first
    z1 = f(x1, x2)             # one assignment per line; f is no elementary operation, so it stays uninterpreted
    z2 = 2*sin(x3) + z1        # an expression is split into elementary steps
    outputs z1, x2, z2         # one line, last

Assigning to a name again overwrites it, as registers do. What has only constant operands is computed on reading.

Reference: arXiv:2411.18786, section 2 and Fig. 2(d).
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from os import PathLike
from pathlib import Path
from types import MappingProxyType

import numpy as np

from flowgraph.builder import Builder
from flowgraph.errors import InputError, ParseError
from flowgraph.expressions import (
    KEYWORDS,
    SourceLine,
    Term,
    TermKind,
    Token,
    TokenKind,
    is_name,
    number,
    postfix,
    shorten,
    tokens,
    words,
)
from flowgraph.operations import NAMES, operation
from flowgraph.program import Program, number_text

LINE_LIMIT = 500_000
"""Longest line of an assignment, in characters."""

_FUNCTION_LIMIT = 2**15
_LINE_BREAK = re.compile("\r\n|\r|\n")
_KNOWN_CONSTANTS = MappingProxyType({"pi": math.pi, "π": math.pi, "e": math.e, "E": math.e})
_NOT_FINITE = frozenset({"nan", "inf", "infinity", "oo"})

_Operand = int | float
"""A value number (int) or a constant (float)."""


def parse(text: str, *, file: str | None = None) -> Program:
    """Read a program in the paper's notation.

    An expression is split into elementary steps; inner results are named t1, t2, … with names that the text does not
    use. Where a name is assigned again, the later values are called ``u_2``, ``u_3``, …. ``y = x`` and ``y = 3`` only
    bind the name y and make no step, except that a constant output becomes a ``constant`` step.

    Args:
        text: the program, lines parted by LF, CRLF or CR.
        file: its file name, for error messages.

    Returns:
        The program; every step knows its source line.

    Raises:
        ParseError: the text is not a program; the message points at line and column and names the remedy.

    Reference:
        arXiv:2411.18786, section 2.

    Example:
        >>> program = parse("inputs x, y\\nz = 2*x + y\\noutputs z, y")
        >>> [str(step) for step in program.steps()]
        ['t1 = 2 * x', 'z = t1 + y']
    """
    if not isinstance(text, str):
        raise InputError("a program is read from text", got=type(text).__name__, expected="str", remedy="decode it")
    lines = _LINE_BREAK.split(text.removeprefix("\ufeff"))
    if "\0" in text:
        row = next(k for k, line in enumerate(lines) if "\0" in line)
        raise SourceLine(lines[row], row + 1, file).error(
            "this is binary data, not a program",
            lines[row].index("\0") + 1,
            got="a NUL character",
            remedy="give a text file in the paper's notation (.fg)",
        )
    return _Reader(lines, words(text), file).program()


def load(path: str | PathLike[str]) -> Program:
    """Read a program from a UTF-8 file in the paper's notation, by custom with the suffix ``.fg``.

    Raises:
        InputError: the file cannot be read, or is not UTF-8 text.
        ParseError: the text is not a program.

    Example:
        >>> load("no_such_file.fg")
        Traceback (most recent call last):
            ...
        flowgraph.errors.InputError: the file cannot be read
          where:    no_such_file.fg
          got:      No such file or directory
          remedy:   give the path of a program in the paper's notation (.fg); `flowgraph examples` lists some
    """
    return parse(read_file(path), file=str(path))


def read_file(path: str | PathLike[str]) -> str:
    """The text of a UTF-8 file.

    Raises:
        InputError: the file cannot be read, or is not UTF-8 text.

    Example:
        >>> read_file(".")
        Traceback (most recent call last):
            ...
        flowgraph.errors.InputError: the file cannot be read
          where:    .
          got:      Is a directory
          remedy:   give the path of a program in the paper's notation (.fg)
    """
    remedy = "give the path of a program in the paper's notation (.fg)"
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise InputError(
            "the file cannot be read",
            where=str(path),
            got=error.strerror,
            remedy=f"{remedy}; `flowgraph examples` lists some",
        ) from error
    except OSError as error:
        raise InputError(
            "the file cannot be read", where=str(path), got=error.strerror or str(error), remedy=remedy
        ) from error
    except ValueError as error:  # a NUL character in the path
        raise InputError("this is no path", where=repr(path), got=str(error), remedy=remedy) from error
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            "the file is not UTF-8 text",
            where=f"{path}, line {line}, byte {error.start}",
            got=f"byte 0x{data[error.start]:02x}",
            remedy="save it as UTF-8; a program is plain text",
        ) from error


def format_program(program: Program) -> str:
    """Write a program in the paper's notation, one line per step.

    ``parse`` reads the text back to an equal program. Names that the notation cannot write (``x[0]``, keywords, two
    functions of one name …) are spelled anew. Branches that tracing took are no part of the notation and are added as
    comments, and steps of constants only are computed when the text is read.

    Returns:
        The text, without a line break at its end.

    Example:
        >>> print(format_program(parse("inputs x, y\\nx = x*y  # scale\\noutputs x, y")))
        inputs x, y
        x_2 = x * y
        outputs x_2, y
    """
    program = _writable(program)
    lines = [f"inputs {', '.join(program.input_names)}".rstrip()]
    lines.extend(str(step) for step in program.steps())
    lines.append(f"outputs {', '.join(program.output_names)}".rstrip())
    for guard in program.guards:
        for value, positive in zip(guard.values, guard.outcomes, strict=True):
            where = f", source line {guard.line}" if guard.line else ""
            lines.append(f"# branch: {program.name(int(value))} {'> 0' if positive else '<= 0'}{where}")
    return "\n".join(lines)


# -- reading ----------------------------------------------------------------------------------------------------------


class _Reader:
    """The state of reading: what each name stands for after the lines read so far."""

    def __init__(self, lines: Sequence[str], reserved: Collection[str], file: str | None) -> None:
        self._lines = lines
        self._reserved = reserved
        self._file = file
        self._builder = Builder(0)
        self._bound: dict[str, _Operand] = {}
        self._functions: dict[str, tuple[int, int]] = {}
        self._names: list[str] = []
        self._taken: set[str] = set()
        self._next_version: dict[str, int] = {}
        self._next_inner = 1
        self._inputs: SourceLine | None = None
        self._outputs: SourceLine | None = None
        self._results: list[int] = []

    def program(self) -> Program:
        """Read all lines."""
        for row, text in enumerate(self._lines, 1):
            self._read(SourceLine(text, row, self._file))
        return self._finish()

    # -- statements -------------------------------------------------------------------------------------------------

    def _read(self, line: SourceLine) -> None:
        stream = tokens(line)
        first = next(stream)
        if first.kind is TokenKind.END:
            return
        if self._outputs is not None:
            again = first.text == "outputs"
            raise line.error(
                "there is a second outputs line" if again else "there is a statement after the outputs line",
                first.column,
                got=f"outputs on line {self._outputs.number}",
                remedy="name all outputs on one line, the last one",
            )
        if first.text == "inputs":
            self._read_inputs(line, first, stream)
        elif first.text == "outputs":
            self._need_inputs(line, first)
            self._read_outputs(line, first, stream)
        else:
            self._read_assignment(line, first, stream)

    def _read_inputs(self, line: SourceLine, first: Token, stream: Iterator[Token]) -> None:
        for token in _name_list(line, first, stream):
            if self._inputs is not None:
                raise line.error(
                    "there is a second inputs line",
                    first.column,
                    got=f"inputs on line {self._inputs.number}",
                    remedy="name all inputs on one line, the first one",
                )
            if token.text in self._bound:
                raise line.error(
                    f"the input {shorten(token.text)} is named twice",
                    token.column,
                    remedy="name each input once",
                )
            self._bound[token.text] = len(self._names)
            self._names.append(token.text)
        self._taken.update(self._names)
        self._inputs = line
        self._builder = Builder(len(self._names))

    def _read_outputs(self, line: SourceLine, first: Token, stream: Iterator[Token]) -> None:
        for token in _name_list(line, first, stream):
            value = self._look_up(token.text, token.column, line)
            if isinstance(value, float):
                value = self._append("constant", [value], line)
                self._names.append(self._unused_name(token.text))
                self._bound[token.text] = value
            self._results.append(value)
        self._outputs = line

    def _read_assignment(self, line: SourceLine, first: Token, stream: Iterator[Token]) -> None:
        if len(line.text) > LINE_LIMIT:
            raise line.error(
                "this line is too long",
                1,
                got=f"{len(line.text)} characters",
                expected=f"at most {LINE_LIMIT}",
                remedy="split the expression over several lines, each with a name",
            )
        second = next(stream)
        if first.kind is not TokenKind.NAME or second.text != "=":
            raise _no_statement(line, first, second)
        self._need_inputs(line, first)
        n_before = self._builder.n_values
        value = self._evaluate(postfix(stream, line), line)
        if first.text in self._functions:
            raise line.error(
                f"{shorten(first.text)} is a function and a value",
                first.column,
                got=f"a call of {shorten(first.text)} on line {self._functions[first.text][1]}",
                remedy="give the value or the function another name",
            )
        n_new = self._builder.n_values - n_before
        if n_new:
            self._names.extend(self._inner_name() for _ in range(n_new - 1))
            self._names.append(self._unused_name(first.text))
        self._bound[first.text] = value

    def _need_inputs(self, line: SourceLine, first: Token) -> None:
        if self._inputs is None:
            raise line.error(
                "there is no inputs line before this line",
                first.column,
                expected="inputs x1, x2, …",
                remedy="name the inputs on the first line",
            )

    # -- expressions ------------------------------------------------------------------------------------------------

    def _evaluate(self, terms: Iterable[Term], line: SourceLine) -> _Operand:
        stack: list[_Operand] = []
        for term in terms:
            if term.kind is TermKind.NUMBER:
                stack.append(number(term, line))
            elif term.kind is TermKind.NAME:
                stack.append(self._look_up(term.text, term.column, line))
            else:
                operands = stack[-term.arity :]
                del stack[-term.arity :]
                known = NAMES.get(term.text)
                result = self._call(term, operands, line) if known is None else self._apply(term, operands, line)
                stack.append(result)
        return stack[0]

    def _apply(self, term: Term, operands: list[_Operand], line: SourceLine) -> _Operand:
        record = operation(term.text)
        if len(operands) != record.arity:
            raise line.error(
                f"{term.text} takes {_count(record.arity, 'argument')}",
                term.column,
                got=_count(len(operands), "argument"),
                expected=f"{term.text}({', '.join('abc'[: record.arity])})",
                remedy="correct the call, or give an uninterpreted function a name that is no elementary operation",
            )
        constants = [operand for operand in operands if isinstance(operand, float)]
        if record.name == "div" and constants == [0.0] and isinstance(operands[1], float):
            raise line.error(
                "division by 0", term.column, expected="a divisor other than 0", remedy="correct the divisor"
            )
        # constant(3) is how a step that only holds a number is written, so it stays a step.
        if len(constants) < len(operands) or record.name == "constant":
            return self._append(record.name, operands, line)
        with np.errstate(all="ignore"):
            value = float(record.evaluate(*constants))
        if not math.isfinite(value):
            shown = ", ".join(number_text(constant) for constant in constants)
            raise line.error(
                f"{record.name}({shown}) is not a finite number",
                term.column,
                got=repr(value),
                expected=f"operands in the domain: {record.domain.text}",
                remedy="correct the constants",
            )
        return value

    def _call(self, term: Term, operands: list[_Operand], line: SourceLine) -> int:
        shown = shorten(term.text)
        if term.text in self._bound:
            raise line.error(
                f"{shown} is a value and cannot be called",
                term.column,
                remedy=f"for a product write {shown}*(…); a function needs a name that no value has",
            )
        arity, first = self._functions.setdefault(term.text, (len(operands), line.number))
        if arity != len(operands):
            raise line.error(
                f"the function {shown} is used with different numbers of arguments",
                term.column,
                got=f"{_count(len(operands), 'argument')} on line {line.number}",
                expected=f"{_count(arity, 'argument')}, as on line {first}",
                remedy="correct one of the two calls, or use two function names",
            )
        if all(isinstance(operand, float) for operand in operands):
            raise line.error(
                f"{shown} is called with constants only, so its value is an unknown constant",
                term.column,
                expected="at least one argument that depends on an input",
                remedy=f"write the number itself in place of {shown}(…), or make it an input",
            )
        if len(self._functions) > _FUNCTION_LIMIT:
            raise line.error(
                "there are too many uninterpreted functions",
                term.column,
                expected=f"at most {_FUNCTION_LIMIT}",
                remedy="give functions that are the same one name",
            )
        return self._builder.call(term.text, *self._encode(operands), line=line.number)

    def _append(self, name: str, operands: Sequence[_Operand], line: SourceLine) -> int:
        encoded = (np.asarray(operand) for operand in self._encode(operands))
        return int(self._builder.append(name, *encoded, line=line.number))

    def _encode(self, operands: Iterable[_Operand]) -> list[int]:
        constant = self._builder.constant
        return [constant(operand) if isinstance(operand, float) else operand for operand in operands]

    # -- names ------------------------------------------------------------------------------------------------------

    def _inner_name(self) -> str:
        while (name := f"t{self._next_inner}") in self._reserved:
            self._next_inner += 1
        self._next_inner += 1
        return name

    def _unused_name(self, name: str) -> str:
        if name not in self._taken:
            self._taken.add(name)
            return name
        version = self._next_version.get(name, 2)
        while (later := f"{name}_{version}") in self._reserved:
            version += 1
        self._next_version[name] = version + 1
        return later

    def _look_up(self, name: str, column: int, line: SourceLine) -> _Operand:
        value = self._bound.get(name)
        if value is not None:
            return value
        shown = shorten(name)
        if name.lower() in _NOT_FINITE:
            raise line.error(f"{shown} is not a finite number", column, remedy="constants must be finite")
        if name in _KNOWN_CONSTANTS:
            remedy = f"constants have no names here: write {_KNOWN_CONSTANTS[name]!r}, or assign it to {name} first"
        elif name in NAMES:
            remedy = f"{name} is an operation: write {name}(…)"
        elif name in self._functions:
            remedy = f"{shown} is a function on line {self._functions[name][1]}: write {shown}(…)"
        else:
            remedy = self._nearest(name, line)
        raise line.error(f"{shown} is not defined", column, remedy=remedy)

    def _nearest(self, name: str, line: SourceLine) -> str:
        assigned = re.compile(rf"\s*{name}\s*=")
        later = next((k for k in range(line.number, len(self._lines)) if assigned.match(self._lines[k])), None)
        if later is not None:
            return f"{shorten(name)} is assigned on line {later + 1} only: move that line up"
        # The latest names are the likeliest; the search must stay quick in a long program.
        near = get_close_matches(name, list(self._bound)[-2000:], n=3) if len(name) <= 60 else []
        return f"did you mean {' or '.join(near)}?" if near else "assign it on an earlier line, or add it to inputs"

    def _finish(self) -> Program:
        last = SourceLine(self._lines[-1], len(self._lines), self._file)
        end = len(last.text) + 1
        if self._inputs is None:
            raise last.error(
                "there is no program in this text",
                end,
                expected="a line inputs x1, x2, …, then steps, then a line outputs z1, z2, …",
                remedy="begin with an inputs line",
            )
        if self._outputs is None:
            raise last.error(
                "there is no outputs line",
                end,
                expected="outputs z1, z2, …",
                remedy="name the outputs on the last line",
            )
        return self._builder.finish(np.array(self._results), self._names)


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _name_list(line: SourceLine, keyword: Token, stream: Iterator[Token]) -> Iterator[Token]:
    """The names after ``inputs`` or ``outputs``."""
    while True:
        token = next(stream)
        if token.kind is not TokenKind.NAME or token.text in KEYWORDS:
            if token.text == "=" or token.text in KEYWORDS:
                word = keyword if token.text == "=" else token
                what, remedy = f"{word} is a keyword and cannot be the name of a value", "choose another name"
            else:
                what = f"a name is missing on the {keyword} line"
                remedy = f"write {keyword} followed by names parted by commas"
            raise line.error(what, token.column, got=str(token), expected="a name", remedy=remedy)
        yield token
        after = next(stream)
        if after.kind is TokenKind.END:
            return
        if after.text != ",":
            if after.kind is TokenKind.NAME:
                remedy = "part the names by commas"
            elif keyword.text == "outputs":
                remedy = "give the expression a name on a line of its own, and put that name here"
            else:
                remedy = "inputs are names, without values or sizes"
            raise line.error(
                f"a comma is missing on the {keyword} line",
                after.column,
                got=str(after),
                expected=", or the end of the line",
                remedy=remedy,
            )


def _no_statement(line: SourceLine, first: Token, second: Token) -> ParseError:
    expected = "name = expression, or inputs …, or outputs …"
    near = get_close_matches(first.text.lower(), KEYWORDS, n=1) if len(first.text) <= 20 else []
    column = second.column
    if first.kind is not TokenKind.NAME:
        what, column = "a statement begins with a name", first.column
        remedy = "write name = expression"
    elif near and second.kind is not TokenKind.SYMBOL:
        what, column = f"{first} is no keyword", first.column
        remedy = f"did you mean {near[0]}?"
    elif second.text == "(" and "=" in line.text:
        what, remedy = "a call cannot be assigned to", "write the name of the result to the left of ="
    elif second.text == ",":
        what, remedy = "one line assigns one name", "write one assignment per line"
    elif second.kind is TokenKind.SYMBOL and line.text[second.column :].lstrip("*").startswith("="):
        what, remedy = "there is no such assignment", f"write {first} = {first} {second} …"
    elif "=" in line.text:
        what, remedy = "an expression cannot be assigned to", "write one name to the left of ="
    else:
        what, remedy = "this is no statement", "write name = expression"
    return line.error(what, column, got=str(second), expected=expected, remedy=remedy)


# -- writing ----------------------------------------------------------------------------------------------------------


def _writable(program: Program) -> Program:
    """The program with every name spelled so that ``parse`` reads it back; itself where all are well spelled."""
    values = [program.name(value) for value in range(program.n_values)]
    spelled_values = _spell(values, frozenset())
    spelled_functions = _spell(program.functions, frozenset(spelled_values) | NAMES.keys())
    if spelled_values == values and spelled_functions == list(program.functions):
        return program
    return replace(program, names=tuple(spelled_values), functions=tuple(spelled_functions))


def _spell(names: Sequence[str], avoid: frozenset[str]) -> list[str]:
    kept = {name for name in names if is_name(name) and name not in avoid}
    used = set(kept)
    out = []
    for name in names:
        if name not in kept:
            stem = "_".join(re.findall(r"[A-Za-z0-9]+", name)) or "v"
            stem = stem if is_name(stem) else f"v_{stem}"
            spelled, version = stem, 2
            while spelled in used or spelled in avoid:
                spelled, version = f"{stem}_{version}", version + 1
            used.add(spelled)
            name = spelled
        out.append(name)
    return out
