"""The paper's notation: reading, writing, errors, and the laws that tie them together."""

from __future__ import annotations

import math
import operator
import re
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from flowgraph.builder import Builder
from flowgraph.errors import InputError, ParseError
from flowgraph.expressions import is_name
from flowgraph.language import LINE_LIMIT, format_program, load, parse
from flowgraph.operations import NAMES, OPERATIONS, operation
from flowgraph.program import Program

FIGURE_2 = "inputs x1, x2, x3\nz1 = f(x1, x2)\nz2 = g(x3, z1)\noutputs z1, x2, z2"


def steps(text: str) -> list[str]:
    return [str(step) for step in parse(text).steps()]


def evaluate(program: Program, point: list[float]) -> list[float]:
    """The outputs at a point, step by step; known operations only."""
    values = [np.float64(x) for x in point]
    for step in program.steps():
        assert step.operation is not None
        operands = [values[o] if o >= 0 else program.constants[-1 - o] for o in step.operands]
        values.append(step.operation.evaluate(*operands))
    return [float(values[int(v)]) for v in program.outputs]


def attempt(text: str) -> Program | ParseError:
    """What parsing gives; any exception but ``ParseError`` fails the test that asked."""
    try:
        return parse(text)
    except ParseError as error:
        return error


# -- reading ---------------------------------------------------------------------------------------------------------


def test_figure_2():
    program = parse(FIGURE_2)
    assert program.input_names == ("x1", "x2", "x3")
    assert program.output_names == ("z1", "x2", "z2")
    assert program.functions == ("f", "g")
    assert program.operands.tolist() == [0, 1, 2, 3]
    assert [program.line(k) for k in range(2)] == [2, 3]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("z = x*3", ["z = x * 3"]),
        ("z = 2*x + y", ["t1 = 2 * x", "z = t1 + y"]),
        ("z = -x", ["z = neg(x)"]),
        ("z = +x*y", ["z = x * y"]),
        ("z = x^2", ["z = x ** 2"]),
        ("z = -2*x", ["z = (-2) * x"]),
        ("z = x**-2", ["z = x ** (-2)"]),
        ("z = 2*3*x", ["z = 6 * x"]),
        ("z = x + sin(0)", ["z = x + 0"]),
        ("z = arcsin(x)", ["z = asin(x)"]),
        ("z = min(x, max(y, 1))", ["t1 = maximum(y, 1)", "z = minimum(x, t1)"]),
        ("z = pow(x, y) + ln(sigmoid(y))", ["t1 = x ** y", "t2 = logistic(y)", "t3 = log(t2)", "z = t1 + t3"]),
        ("z = select(x, y, 0)", ["z = select(x, y, 0)"]),
        ("z = f(x, 2)", ["z = f(x, 2)"]),
        ("z = f(x, y, x, 1, 2)", ["z = f(x, y, x, 1, 2)"]),
        ("z = mul(x, y)", ["z = x * y"]),
        ("a = 3\nz = a*x", ["z = 3 * x"]),
        ("a = 1/4\nb = a\nz = b*x", ["z = 0.25 * x"]),
        ("a = x\nz = a*y", ["z = x * y"]),
        ("z = constant(2*2)", ["z = constant(4)"]),
        ("z = x + constant(2)", ["t1 = constant(2)", "z = x + t1"]),
        ("z = constant(x)", ["z = constant(x)"]),
        ("z = f(f(x))", ["t1 = f(x)", "z = f(t1)"]),
        ("z = lambda(x)\nE = z*x\nz = E", ["z = lambda(x)", "E = z * x"]),
    ],
)
def test_steps(lines: str, expected: list[str]):
    assert steps(f"inputs x, y\n{lines}\noutputs z") == expected


def test_a_name_assigned_again_gets_a_version():
    text = "inputs u, w\nu = u*w\nu = u + w\nw_2 = w\nw = u*w\nw = w_2 + w\noutputs u, w"
    assert steps(text) == ["u_2 = u * w", "u_3 = u_2 + w", "w_3 = u_3 * w", "w_4 = w + w_3"]
    assert parse(text).output_names == ("u_3", "w_4")


def test_inner_names_avoid_every_name_of_the_text():
    assert steps("inputs t1, x\ny = x*t1 + x\nt2 = (y + 1)*f3(y)\noutputs t2 # t5") == [
        "t3 = x * t1",
        "y = t3 + x",
        "t4 = y + 1",
        "t5 = f3(y)",
        "t2 = t4 * t5",
    ]


def test_a_constant_and_a_copy_are_no_steps_but_a_constant_output_is_one():
    program = parse("inputs x\na = 3\nb = x\nc = -0.0\noutputs a, b, a, c")
    assert [str(step) for step in program.steps()] == ["a = constant(3)", "c = constant(-0.0)"]
    assert program.output_names == ("a", "x", "a", "c")
    again = parse("inputs x\ny = 2*x\ny = 5\noutputs y")
    assert [str(step) for step in again.steps()] == ["y = 2 * x", "y_2 = constant(5)"]
    assert again.output_names == ("y_2",)


def test_every_step_of_a_line_knows_the_line():
    program = parse("# head\ninputs x\n\ny = sin(x) + cos(x)\n  # gap\nz = y*y\noutputs z")
    assert [program.line(k) for k in range(program.n_steps)] == [4, 4, 4, 6]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffinputs x, y\nz = x*y\noutputs z",
        "inputs x, y\r\nz = x*y\r\noutputs z\r\n",
        "inputs x, y\rz = x*y\routputs z",
        "\tinputs\tx\t,\ty\t\n\tz\t=\tx\t*\ty\n\toutputs\tz\n\n\n",
        "# c\n  inputs x,y#c\nz=x*y# = (\n#\noutputs z#",
    ],
)
def test_layout_does_not_matter(text: str):
    assert parse(text) == parse("inputs x, y\nz = x * y\noutputs z")


def test_a_long_program_is_read_in_seconds():
    lines = 20_000
    text = "inputs u, w\n" + "\n".join(f"u = u*{k} + w" for k in range(1, lines + 1)) + "\noutputs u, w"
    start = time.perf_counter()
    program = parse(text)
    assert time.perf_counter() - start < 10.0
    assert program.n_steps == 2 * lines
    assert program.line(2 * lines - 1) == lines + 1


@pytest.mark.parametrize("body", ["(" * 10_000_000, "x" + "+x" * 5_000_000, "sin(" * 2_500_000])
def test_ten_megabytes_on_one_line_are_refused_at_once(body: str):
    start = time.perf_counter()
    with pytest.raises(ParseError, match="too long"):
        parse(f"inputs x\ny = {body}\noutputs y")
    assert time.perf_counter() - start < 10.0


@pytest.mark.parametrize("text", ["(" * 10_000_000, "inputs x\n" + "((\n" * 3_000_000, "inputs " + "x," * 5_000_000])
def test_ten_megabytes_of_nonsense_are_refused(text: str):
    with pytest.raises(ParseError):
        parse(text)


def test_deep_nesting_is_read():
    depth = (LINE_LIMIT - 10) // 2 // 4
    program = parse(f"inputs x\ny = {'sin(' * depth}x{')' * depth}\noutputs y")
    assert program.n_steps == depth


# -- reading: an expression means what Python says it means ----------------------------------------------------------

_SMOOTH = ("sin", "cos", "tanh", "atan", "asinh", "erf", "logistic", "softplus", "square", "exp", "abs")
_PAIRS = ("hypot", "minimum", "maximum", "atan2")
_PYTHON = {name: operation(name).evaluate for name in (*_SMOOTH, *_PAIRS)}
_OPERATORS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}

_LEAVES = st.sampled_from(["x", "y", "z", "2", "0.5", "3"])


def _compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds(lambda a, op, b: f"{a} {op} {b}", inner, st.sampled_from(list(_OPERATORS)), inner),
        st.builds(lambda a: f"-{a}", inner),
        st.builds(lambda a: f"({a})", inner),
        st.builds(lambda a, k: f"({a})**{k}", inner, st.sampled_from([0, 1, 2, 3])),
        st.builds(lambda name, a: f"{name}({a})", st.sampled_from(_SMOOTH), inner),
        st.builds(lambda name, a, b: f"{name}({a}, {b})", st.sampled_from(_PAIRS), inner, inner),
    )


@settings(max_examples=200, deadline=None)
@given(st.recursive(_LEAVES, _compound, max_leaves=10), st.lists(st.floats(-3, 3), min_size=3, max_size=3))
def test_an_expression_has_the_value_that_python_gives_it(text: str, point: list[float]):
    # Python's own parser and NumPy are the oracle; the text comes from the strategy above.
    scope = {**_PYTHON, **{name: np.float64(value) for name, value in zip("xyz", point, strict=True)}}
    # The oracle gives up (nan) at the first value that is not finite, as folding of constants does.
    try:
        with np.errstate(all="raise", under="ignore"):
            expected = float(eval(re.sub(r"\b([23])\b", r"\1.0", text), {"__builtins__": {}}, scope))
    except ArithmeticError:
        expected = math.nan
    program = attempt(f"inputs x, y, z\nr = {text}\noutputs r")
    if isinstance(program, ParseError):
        assert "finite" in program.what
        assert math.isnan(expected)
    else:
        with np.errstate(all="ignore"):
            got = evaluate(program, point)[0]
        assert math.isnan(expected) or got == pytest.approx(expected, rel=1e-12, abs=1e-300)


# -- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("", 1, 1, "no program"),
        ("\n  \n# only a comment\n", 4, 1, "no program"),
        ("y = 1\ninputs x\noutputs y", 1, 1, "no inputs line"),
        ("outputs x", 1, 1, "no inputs line"),
        ("inputs x\ny = x*x", 2, 8, "no outputs line"),
        ("inputs\noutputs x", 1, 7, "name is missing"),
        ("inputs x\noutputs", 2, 8, "name is missing"),
        ("inputs x,\noutputs x", 1, 10, "name is missing"),
        ("inputs x y\noutputs x", 1, 10, "comma is missing"),
        ("inputs x = 3\noutputs x", 1, 10, "without values"),
        ("inputs x, y, x\noutputs x", 1, 14, "named twice"),
        ("inputs x\ninputs y\noutputs x", 2, 1, "inputs on line 1"),
        ("inputs x\noutputs x\noutputs x", 3, 1, "second outputs"),
        ("inputs x\noutputs x\ny = x", 3, 1, "after the outputs line"),
        ("inputs x\noutputs y", 2, 9, "not defined"),
        ("inputs x\noutputs x + 1", 2, 11, "line of its own"),
        ("inputs alpha\ny = alhpa\noutputs y", 2, 5, "did you mean alpha?"),
        ("inputs x\ny = z\nz = x*x\noutputs y", 2, 5, "assigned on line 3 only"),
        ("inputs x\ny = pi*x\noutputs y", 2, 5, "3.141592653589793"),
        ("inputs x\ny = sin*x\noutputs y", 2, 5, "sin is an operation"),
        ("inputs x\nz = g(x)\ny = g\noutputs y", 3, 5, "g is a function on line 2"),
        ("inputs x\ny = sin(x, x)\noutputs y", 2, 5, "sin takes 1 argument"),
        ("inputs x\ny = 1 + pow(x)\noutputs y", 2, 9, "pow takes 2 arguments"),
        ("inputs x\ny = f(x)\nz = f(x, y)\noutputs z", 3, 5, "1 argument, as on line 2"),
        ("inputs x\ny = f(2)\noutputs y", 2, 5, "constants only"),
        ("inputs x\ny = 2\nz = f(y, 1)\noutputs z", 3, 5, "constants only"),
        ("inputs x\ny = x(x + 1)\noutputs y", 2, 5, "for a product write x*(…)"),
        ("inputs x\nf = f(x)\noutputs f", 2, 1, "a function and a value"),
        ("inputs x\ny = 1e999*x\noutputs y", 2, 5, "not a finite float64"),
        ("inputs x\ny = x + nan\noutputs y", 2, 9, "not a finite number"),
        ("inputs x\ny = x - inf\noutputs y", 2, 9, "not a finite number"),
        ("inputs x\ny = x + 1/(2 - 2)\noutputs y", 2, 10, "div(1, 0) is not a finite number"),
        ("inputs x\ny = log(-1)\noutputs y", 2, 5, "x > 0"),
        ("inputs x\ny = 10**400\noutputs y", 2, 7, "not a finite number"),
        ("inputs x\ny = (-8)**(1/3)\noutputs y", 2, 9, "not a finite number"),
        ("inputs inputs\noutputs x", 1, 8, "keyword"),
        ("inputs = 3\noutputs x", 1, 8, "keyword"),
        ("inputs x\ninputs = 3\noutputs x", 2, 8, "keyword"),
        ("inputs x\noutputs = x\noutputs x", 2, 9, "keyword"),
        ("inputs x\ny = 2*outputs\noutputs y", 2, 7, "keyword"),
        ("input x\noutputs x", 1, 1, "did you mean inputs?"),
        ("inputs x\nOutput x", 2, 1, "did you mean outputs?"),
        ("inputs x\nf(x) = x\noutputs x", 2, 2, "a call cannot be assigned to"),
        ("inputs x\nx + 1 = x\noutputs x", 2, 3, "an expression cannot be assigned to"),
        ("inputs x\nx, y = x\noutputs x", 2, 2, "one line assigns one name"),
        ("inputs x\nx *= 3\noutputs x", 2, 3, "write x = x * …"),
        ("inputs x\nx **= 3\noutputs x", 2, 3, "write x = x ** …"),
        ("inputs x\n3 = x\noutputs x", 2, 1, "begins with a name"),
        ("inputs x\nsin(x)\noutputs x", 2, 4, "no statement"),
        ("inputs x\ny =\noutputs x", 2, 4, "not complete"),
        ("inputs x\ny = x = x\noutputs x", 2, 7, "second ="),
        ("inputs x\ny = (x\n)\noutputs y", 2, 5, "never closed"),
        ("inputs x\r\ny = x\x00\r\noutputs y", 2, 6, "binary"),
    ],
)
def test_errors_say_where_and_what_to_do(text: str, line: int, column: int, words: str):
    with pytest.raises(ParseError) as caught:
        parse(text, file="p.fg")
    assert (caught.value.line, caught.value.column) == (line, column)
    assert words in str(caught.value)
    assert f"p.fg, line {line}, column {column}" in str(caught.value)
    assert caught.value.remedy or caught.value.expected


def test_the_caret_stands_under_the_place():
    with pytest.raises(ParseError) as caught:
        parse("inputs x\ny = x + zeta\noutputs y")
    assert str(caught.value).split("\n")[:3] == ["zeta is not defined", "    y = x + zeta", "            ^"]


def test_too_many_functions_are_refused():
    calls = "\n".join(f"x = f{k}(x)" for k in range(2**15 + 1))
    with pytest.raises(ParseError, match="too many uninterpreted functions"):
        parse(f"inputs x\n{calls}\noutputs x")


def test_text_must_be_text():
    with pytest.raises(InputError, match="read from text"):
        parse(b"inputs x\noutputs x")  # type: ignore[arg-type]


def test_load(tmp_path: Path):
    file = tmp_path / "figure.fg"
    file.write_bytes(b"\xef\xbb\xbf" + FIGURE_2.encode().replace(b"\n", b"\r\n"))
    assert load(file) == load(str(file)) == parse(FIGURE_2)
    file.write_text("inputs x\noutputs y")
    with pytest.raises(ParseError) as caught:
        load(file)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("data", [b"\xff\xfei\x00n\x00", b"\x80", b"inputs x\n\xc3\x28\noutputs x", bytes(range(256))])
def test_load_refuses_what_is_not_text(tmp_path: Path, data: bytes):
    file = tmp_path / "binary.fg"
    file.write_bytes(data)
    with pytest.raises(InputError, match="not UTF-8"):
        load(file)


def test_load_refuses_what_is_no_file(tmp_path: Path):
    with pytest.raises(InputError, match="cannot be read"):
        load(tmp_path / "missing.fg")
    with pytest.raises(InputError, match="cannot be read"):
        load(tmp_path)
    with pytest.raises(InputError, match="no path"):
        load("a\0b")


# -- only FlowgraphError comes out -----------------------------------------------------------------------------------


def parse_or_refuse(text: str) -> bool:
    """Whether the text is a program; it must round-trip then, and give an error that points into it otherwise."""
    result = attempt(text)
    if isinstance(result, Program):
        assert parse(format_program(result)) == result
        return True
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert 1 <= result.line <= len(lines)
    assert 1 <= result.column <= len(lines[result.line - 1]) + 1
    assert str(result).encode("utf-8")
    return False


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80))
def test_random_text(text: str):
    parse_or_refuse(text)
    parse_or_refuse(f"inputs x\ny = {text}\noutputs y")


_WORDS = "inputs outputs x y z t1 y_2 f sin atan2 select constant pi nan 2 .5 1e-3 1e999 0 = + - * / ** ^ − · × ( ) , #"
_SOUP = st.sampled_from(
    [*_WORDS.split(), "\n", "\ninputs x, y\n", "\noutputs ", "\ny = ", "\t", "\r\n", "²", "\ufeff", "ζ"]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(_SOUP, max_size=30))
def test_token_soup(soup: list[str]):
    parse_or_refuse(" ".join(soup))
    parse_or_refuse("inputs x, y\n" + " ".join(soup) + "\noutputs x")


_VALID = (
    FIGURE_2,
    "inputs u, w\nu = u*w + sin(2)*-u**2\nw = hypot(w, u)/3 # scale\nk = 1e-3\noutputs u, w, k",
    "inputs a, b\nc = select(a - b, a, b)\nd = min(c, 2^-a)\nd = d + f(c, 1)\noutputs d, c",
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(_VALID), st.data())
def test_mutations_of_valid_programs(text: str, data: st.DataObject):
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 3)))
        text = text[:start] + data.draw(st.one_of(_SOUP, st.text(max_size=2))) + text[end:]
    parse_or_refuse(text)


def test_the_fuzzers_do_reach_programs():
    # Guards the three tests above against refusing everything.
    for text in _VALID:
        assert parse_or_refuse(text)


# -- round trips -----------------------------------------------------------------------------------------------------

_FUNCTIONS = {"f": 1, "g": 2, "φ": 3, "lambda_": 4}
_NAMES = st.one_of(
    st.sampled_from(["x", "lambda", "E", "I", "S", "N", "θ", "x₁", "t1", "t2", "u_2", "u", "_", "e1", "sin", "add"]),
    st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,3}", fullmatch=True),
).filter(lambda name: is_name(name) and name not in _FUNCTIONS)
_CONSTANTS = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.0, 0.1]), st.floats(allow_nan=False, allow_infinity=False)
)


@st.composite
def programs(draw: st.DrawFn, names: st.SearchStrategy[str] | None = _NAMES) -> Program:
    """Programs over the whole registry and uninterpreted functions, in the form every front end gives."""
    n = draw(st.integers(1, 4))
    builder = Builder(n)
    for _ in range(draw(st.integers(0, 8))):
        name = draw(st.sampled_from([op.name for op in OPERATIONS] + list(_FUNCTIONS)))
        arity = _FUNCTIONS[name] if name in _FUNCTIONS else operation(name).arity
        values = st.integers(0, builder.n_values - 1)
        operands = draw(st.lists(st.one_of(values, values, _CONSTANTS), min_size=arity, max_size=arity))
        if name != "constant" and all(isinstance(o, float) for o in operands):
            operands[draw(st.integers(0, arity - 1))] = draw(values)
        if name == "div" and isinstance(operands[1], float) and operands[1] == 0.0:
            operands[1] = 2.0
        encoded = [builder.constant(o) if isinstance(o, float) else o for o in operands]
        if name in _FUNCTIONS:
            builder.call(name, *encoded)
        else:
            builder.append(name, *(np.asarray(o) for o in encoded))
    outputs = draw(st.lists(st.integers(0, builder.n_values - 1), min_size=1, max_size=4))
    total = builder.n_values
    chosen = None
    if names is not None and draw(st.booleans()):
        chosen = draw(st.lists(names, min_size=total, max_size=total, unique=True))
    return builder.finish(np.array(outputs), chosen)


@settings(max_examples=300, deadline=None)
@given(programs())
def test_a_program_written_and_read_is_the_same_program(program: Program):
    text = format_program(program)
    again = parse(text)
    assert again == program
    assert again.input_names == program.input_names
    assert [str(step) for step in again.steps()] == [str(step) for step in program.steps()]
    assert format_program(again) == text
    assert [again.line(k) for k in range(again.n_steps)] == list(range(2, 2 + again.n_steps))


_ODD_NAMES = st.one_of(
    st.sampled_from(["x[0]", "x[1]", "inputs", "outputs", "x²", "v", "v_2", "", "f", "g", "1"]), _NAMES
)


@settings(max_examples=200, deadline=None)
@given(programs(names=_ODD_NAMES), st.data())
def test_names_that_the_notation_cannot_write_are_spelled_anew(program: Program, data: st.DataObject):
    again = parse(format_program(program))
    for step, other in zip(program.steps(), again.steps(), strict=True):
        assert step.operands == other.operands
        assert step.operation == other.operation
        if is_name(step.name) and step.name not in program.functions:
            assert other.name == step.name
    assert again.outputs.tolist() == program.outputs.tolist()
    assert format_program(parse(format_program(again))) == format_program(again)


@pytest.mark.parametrize("function", ["sin", "max", "x y", "inputs", "t1"])
def test_functions_that_the_notation_cannot_write_are_spelled_anew(function: str):
    builder = Builder(1)
    builder.call(function, 0)
    text = format_program(builder.finish(np.array([1])))
    again = parse(text)
    assert again.step(0).operation is None
    assert again.functions[0] != function
    assert format_program(again) == text


def test_guards_are_written_as_comments():
    builder = Builder(2)
    d = builder.append("sub", np.asarray(0), np.asarray(1))
    builder.guard(d, np.array([True]), line=12)
    builder.guard(np.array([1]), np.array([False]))
    text = format_program(builder.finish(np.array([0, 1]), ["x", "y", "d"]))
    assert text.split("\n")[3:] == ["# branch: d > 0, source line 12", "# branch: y <= 0"]
    assert parse(text).n_steps == 1


def test_a_step_of_constants_only_is_computed_when_read():
    builder = Builder(1)
    two = builder.constant(2.0)
    six = builder.append("mul", np.asarray(two), np.asarray(builder.constant(3.0)))
    builder.append("add", np.asarray(0), six)
    program = builder.finish(np.array([2]))
    again = parse(format_program(program))
    assert [str(step) for step in again.steps()] == ["t2 = x1 + 6"]
    assert evaluate(again, [1.0]) == evaluate(program, [1.0])


@settings(max_examples=200, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_constant_survives(value: float):
    assume(value == value)
    text = format_program(parse(f"inputs x\ny = x + {value!r}\nz = constant({value!r})\noutputs y, z"))
    constants = parse(text).constants
    assert all(np.float64(c).tobytes() == np.float64(value).tobytes() for c in constants)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_operation_is_read_under_every_name(name: str):
    record = operation(name)
    letters = ", ".join("abc"[: record.arity])
    program = parse(f"inputs a, b, c\nz = {name}({letters})\noutputs z")
    assert program.n_steps == 1
    assert program.step(0).function == record.name
    assert program.operands.tolist() == list(range(record.arity))
    assert parse(format_program(program)) == program


@pytest.mark.parametrize("right", ["x / 0", "x / (2 - 2)", "3 + x / 0.0", "1 / 0 * x"])
def test_division_by_the_constant_zero_is_an_error_with_a_caret(right: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse(f"inputs x\ny = {right}\noutputs y")
    assert caught.value.line == 2
    assert "^" in str(caught.value)
