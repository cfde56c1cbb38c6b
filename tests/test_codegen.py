"""Generated code is run, in every language that runs, and held against the chain rule and dense solves."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import flowgraph as fg
from flowgraph.builder import Builder
from flowgraph.codegen import build, generate, triangular
from flowgraph.codegen.derivatives import FROM_RESULT, PARTIALS
from flowgraph.codegen.generate import MODES, generate_code
from flowgraph.codegen.languages import LANGUAGES
from flowgraph.codegen.terms import Apply, Name, Number, over, plus, times
from flowgraph.example_programs import examples
from flowgraph.operations import OPERATIONS
from flowgraph.program import Program
from tests.codegen_oracle import (
    compiled,
    evaluated,
    from_c,
    linearised,
    python_function,
    result_of,
    with_definitions,
)
from tests.strategies import equasive_programs, invertible_programs, programs

Array = NDArray[np.float64]

GOLDEN = Path(__file__).parent / "golden" / "code"
SWEEPS = ("forward", "reverse", "forward-inverse", "reverse-inverse")
FIGURE2 = "inputs x1, x2, x3\nz1 = f(x1, x2)\nz2 = g(x3, z1)\noutputs z1, x2, z2"

EXAMPLES = {example.name: example.program() for example in examples()}
SINGULAR = ("bottleneck.fg", "forgotten.fg", "twice.fg")
CASES = [(name, mode) for name in EXAMPLES for mode in MODES if "inverse" not in mode or name not in SINGULAR]


def point_of(program: Program, mode: str, seed: int = 1) -> tuple[Array, Array]:
    """x in the domain of every example, and v."""
    rng = np.random.default_rng(seed)
    size = program.n_outputs if mode in ("reverse", "forward-inverse") else program.n_inputs
    return rng.uniform(0.3, 1.2, program.n_inputs), rng.normal(size=size)


def expected(program: Program, mode: str, x: Array, v: Array) -> list[Array]:
    """y, and what the mode finds."""
    y, jacobian = linearised(program, x)
    return [y] if mode == "primal" else [y, result_of(mode, jacobian, v)]


def given_to(mode: str, x: Array, v: Array) -> list[Array]:
    return [x] if mode == "primal" else [x, v]


def hold(found: list[Array], wanted: list[Array], rtol: float = 1e-9) -> None:
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        scale = np.abs(other).max(initial=0.0)
        np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol * float(scale))


def run_numpy(program: Program, mode: str, x: Array, v: Array) -> list[Array]:
    function = python_function(generate_code(program, mode, name="mode_of"), "mode_of")
    found = function(*given_to(mode, x, v))
    return [found] if mode == "primal" else list(found)


# -- examples ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "mode"), CASES)
def test_numpy_code_of_every_example(name: str, mode: str) -> None:
    program = EXAMPLES[name]
    for seed in range(2):
        x, v = point_of(program, mode, seed)
        hold(run_numpy(program, mode, x, v), expected(program, mode, x, v))


@pytest.mark.parametrize(("name", "mode"), CASES)
def test_notation_code_of_every_example(name: str, mode: str) -> None:
    program = EXAMPLES[name]
    x, v = point_of(program, mode)
    found = fg.parse(generate_code(program, mode, "fg"))
    assert found.n_inputs == len(x) + (0 if mode == "primal" else len(v))
    hold([evaluated(found, np.concatenate(given_to(mode, x, v)))], expected(program, mode, x, v)[-1:])


@pytest.mark.parametrize(("name", "mode"), CASES)
def test_latex_code_of_every_example_is_well_formed(name: str, mode: str) -> None:
    text = generate_code(EXAMPLES[name], mode, "latex")
    assert text.startswith("\\begin{align*}\n")
    assert text.endswith("\\end{align*}\n")
    depth = 0
    for token in re.findall(r"\\.|[{}]", text):
        depth += {"{": 1, "}": -1}.get(token, 0)
        assert depth >= 0
    assert depth == 0
    assert text.count("\\left") == text.count("\\right")
    body = text.splitlines()[1:-1]
    assert all(line.endswith((" \\\\", " \\\\[6pt]")) for line in body[:-1])
    assert not body[-1].endswith("]")
    # At most four columns, and no empty relation.
    assert all(1 <= re.sub(r"\\begin\{pmatrix\}.*?\\end\{pmatrix\}", "", line).count("&") <= 3 for line in body)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdfLaTeX is not installed")
def test_latex_code_compiles(tmp_path: Path) -> None:
    parts = [generate_code(EXAMPLES[name], mode, "latex") for name, mode in CASES]
    head = "\\documentclass{article}\\usepackage{amsmath,amssymb}\\allowdisplaybreaks\\begin{document}\n"
    (tmp_path / "code.tex").write_text(head + "\n".join(parts) + "\\end{document}\n")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "code.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]


# -- C -----------------------------------------------------------------------------------------------------------------


def operation_programs() -> dict[str, Program]:
    """Every operation alone, and with a constant in each place."""
    found = {}
    for op in OPERATIONS:
        names = [f"x{k + 1}" for k in range(op.arity)]
        head = f"inputs {', '.join(names)}"
        if op.name == "constant":
            found[op.name] = fg.parse(f"{head}\ny = constant(2.5)\nz = x1 * y\noutputs y, z")
            continue
        found[op.name] = fg.parse(f"{head}\ny = {op.name}({', '.join(names)})\noutputs y")
        for k in range(op.arity if op.arity > 1 else 0):
            constant = repr(round(float(np.mean(op.domain.sample[k])) + 0.4, 3))
            operands = [*names[:k], constant, *names[k + 1 :]]
            found[f"{op.name}-{k + 1}"] = fg.parse(f"{head}\ny = {op.name}({', '.join(operands)})\noutputs y")
    for exponent in ("2", "3", "1", "0", "-1", "-2", "0.5"):
        found[f"power {exponent}"] = fg.parse(f"inputs x1\ny = x1**({exponent})\noutputs y")
    for name in ("add", "sub", "mul", "div", "hypot", "atan2", "power"):
        found[f"{name} twice"] = fg.parse(f"inputs x1\ny = {name}(x1, x1)\noutputs y")
    return found


OPERATION_PROGRAMS = operation_programs()

BRANCHED = fg.trace(lambda x: [x[0] * x[1], x[1] + 1.0] if x[0] > 0.5 else [x[1], x[0]], [1.0, 1.0])

ODD = {
    "nothing": Builder(0).finish(np.zeros(0, dtype=np.int64)),
    "no outputs": Builder(2).finish(np.zeros(0, dtype=np.int64)),
    "no steps": fg.parse("inputs x, y\noutputs y, x"),
    "unused": fg.parse("inputs x, y, z\nu = sin(y)\noutputs u"),
    "repeated": fg.parse("inputs x, y\nu = x * y\noutputs u, u, x"),
    "a number": fg.parse("inputs x\ny = 3\noutputs y"),
    "names": fg.parse("inputs int, np\nreturn = np * int\nnp = exp(np)\noutputs return, np"),
    "keyword functions": fg.parse("inputs x, y\nx = while(x, y)\ny = floor(y, x)\noutputs x, y"),
    "letters": fg.parse("inputs x, y\nc = a(x, y)\nd = b(y, c)\noutputs c, d"),
    "partials": fg.parse("inputs a, b\nc = f(a, b)\nd = f_1(b, c)\noutputs c, d"),
    "condition": fg.parse("inputs x, y\nc = x - y\ny = select(c, y*x, y + x)\nx = x * c\noutputs x, y"),
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """All C code of these tests, in one translation unit."""
    if shutil.which("cc") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("there is no C compiler, so generated C cannot be tested")
        pytest.skip("there is no C compiler")
    units = [*EXAMPLES.items(), *OPERATION_PROGRAMS.items(), *ODD.items(), ("branched", BRANCHED)]
    texts = []
    for name, program in units:
        for mode in ("forward",) if name in OPERATION_PROGRAMS else MODES:
            if "inverse" not in mode or invertible(program):
                text = generate_code(program, mode, "c", name=unit_name(name, mode))
                texts.append(with_definitions(text, len(texts)))
    assert len(texts) > 250
    return ctypes.CDLL(str(compiled("\n".join(texts), tmp_path_factory.mktemp("c"))))


def invertible(program: Program) -> bool:
    try:
        generate_code(program, "reverse-inverse", "latex")
    except fg.NotInvertible:
        return False
    return True


def unit_name(name: str, mode: str) -> str:
    return re.sub(r"\W", lambda match: f"_{ord(match[0])}_", f"unit_{name}_{mode}")


def run_c(library: ctypes.CDLL, name: str, program: Program, mode: str, x: Array, v: Array) -> tuple[int, list[Array]]:
    found = program.n_inputs if mode in ("reverse", "forward-inverse") else program.n_outputs
    sizes = [program.n_outputs] if mode == "primal" else [program.n_outputs, found]
    return from_c(library, unit_name(name, mode), given_to(mode, x, v), sizes)


@pytest.mark.parametrize(("name", "mode"), CASES)
def test_c_code_of_every_example(library: ctypes.CDLL, name: str, mode: str) -> None:
    program = EXAMPLES[name]
    x, v = point_of(program, mode)
    status, found = run_c(library, name, program, mode, x, v)
    assert status == 0
    hold(found, expected(program, mode, x, v))


@pytest.mark.parametrize("name", OPERATION_PROGRAMS)
def test_every_operation_in_every_language(library: ctypes.CDLL, name: str) -> None:
    program = OPERATION_PROGRAMS[name]
    op = next(op for op in OPERATIONS if op.name == re.split("[- ]", name)[0])
    rng = np.random.default_rng(3)
    notation = fg.parse(generate_code(program, "forward", "fg"))
    for _ in range(4):
        x = np.array([rng.uniform(*op.domain.sample[k]) for k in range(program.n_inputs)])
        for v in np.eye(program.n_inputs):
            wanted = expected(program, "forward", x, v)
            hold(run_numpy(program, "forward", x, v), wanted, 1e-13)
            status, found = run_c(library, name, program, "forward", x, v)
            assert status == 0
            hold(found, wanted, 1e-13)
            hold([evaluated(notation, np.concatenate([x, v]))], wanted[-1:], 1e-13)


def test_an_operation_that_a_language_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    known = LANGUAGES["c"]
    lacking = replace(known, operations=known.operations - {"erf"})
    monkeypatch.setattr(generate, "LANGUAGES", {"c": lacking})
    with pytest.raises(fg.InputError, match="C99 has no code for the operation erf"):
        generate_code(fg.parse("inputs x\ny = erf(x)\noutputs y"), "forward", "c")
    generate_code(fg.parse("inputs x\ny = exp(x)\noutputs y"), "forward", "c")


def test_every_operation_has_its_partials() -> None:
    assert all(language.operations == {op.name for op in OPERATIONS} for language in LANGUAGES.values())
    assert set(PARTIALS) == {op.name for op in OPERATIONS}
    assert all(len(PARTIALS[op.name]) == op.arity for op in OPERATIONS)
    assert all(next(op.arity for op in OPERATIONS if op.name == name) == 1 for name in FROM_RESULT)


@pytest.mark.parametrize("name", ODD)
def test_odd_programs(library: ctypes.CDLL, name: str) -> None:
    program = ODD[name]
    for mode in MODES:
        if "inverse" in mode and not invertible(program):
            continue
        x, v = point_of(program, mode)
        wanted = expected(program, mode, x, v)
        hold(run_numpy(program, mode, x, v), wanted)
        status, found = run_c(library, name, program, mode, x, v)
        assert status == 0
        hold(found, wanted)
        if name == "keyword functions":
            continue  # the notation spells them as they are
        if name == "nothing" or len(wanted[-1]) == 0:
            with pytest.raises(fg.InputError, match="without inputs or outputs"):
                generate_code(program, mode, "fg")
            continue
        notation = fg.parse(generate_code(program, mode, "fg"))
        hold([evaluated(notation, np.concatenate(given_to(mode, x, v)))], wanted[-1:])


def test_a_branch_that_goes_the_other_way(library: ctypes.CDLL) -> None:
    x, v = np.array([0.8, 0.4]), np.array([1.0, -2.0])
    other = np.array([0.2, 0.4])
    for mode in MODES:
        wanted = expected(BRANCHED, mode, x, v)
        hold(run_numpy(BRANCHED, mode, x, v), wanted)
        with pytest.raises(ValueError, match="the branch for"):
            run_numpy(BRANCHED, mode, other, v)
        with pytest.raises(ValueError, match="the branch for"):
            run_numpy(BRANCHED, mode, np.full(2, np.nan), v)
        # At many points at once, one suffices.
        with pytest.raises(ValueError, match="the branch for"):
            run_numpy(BRANCHED, mode, np.stack([x, other], axis=1), np.stack([v, v], axis=1))
        status, found = run_c(library, "branched", BRANCHED, mode, x, v)
        assert status == 0
        hold(found, wanted)
        status, found = run_c(library, "branched", BRANCHED, mode, other, v)
        assert status == 1
        assert all(np.isnan(vector).all() for vector in found)
        assert "only where" in generate_code(BRANCHED, mode, "latex")
        with pytest.raises(fg.InputError, match="no branches"):
            generate_code(BRANCHED, mode, "fg")


def test_a_zero_pivot_gives_no_finite_number(library: ctypes.CDLL) -> None:
    program = EXAMPLES["singular_point.fg"]
    _, found = run_c(library, "singular_point.fg", program, "forward-inverse", np.zeros(2), np.ones(2))
    assert not np.isfinite(found[1]).any()


# -- the notation, symbolically ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["atomic.fg", "figure2.fg", "fine_blocks.fg", "two_orders.fg", "swap.fg", "euler.fg"])
@pytest.mark.parametrize("mode", SWEEPS)
def test_the_code_is_the_matrix_of_its_mode(name: str, mode: str) -> None:
    program = EXAMPLES[name]
    n = program.n_inputs
    code = fg.parse(generate_code(program, mode, "fg"))
    rename = {f"r{k + 1}": sympy.Symbol(program.name(k)) for k in range(n)}
    found = symbolic(code).xreplace({sympy.Symbol(name): symbol for name, symbol in rename.items()})
    v = [sympy.Symbol(code.name(k)) for k in range(n, 2 * n)]
    matrix = found.jacobian(v)
    jacobian = symbolic(program).jacobian([sympy.Symbol(program.name(k)) for k in range(n)])
    # The partials of f that the code calls are functions f_1 and f_2.
    jacobian = jacobian.replace(sympy.Subs, lambda e, *rest: sympy.Subs(e, *rest).doit())
    jacobian = as_partials(jacobian)
    unit = {
        "forward": lambda: matrix - jacobian,
        "reverse": lambda: matrix - jacobian.T,
        "forward-inverse": lambda: jacobian * matrix - sympy.eye(n),
        "reverse-inverse": lambda: jacobian.T * matrix - sympy.eye(n),
    }[mode]()
    assert sympy.simplify(unit) == sympy.zeros(n, n)


def symbolic(program: Program) -> sympy.Matrix:
    """The outputs of a program as SymPy expressions; uninterpreted functions stay what they are."""
    values: list[sympy.Expr] = [sympy.Symbol(program.name(k)) for k in range(program.n_inputs)]
    for step in program.steps():
        a = [values[o] if o >= 0 else sympy.Rational(str(program.constants[-1 - o])) for o in step.operands]
        values.append(sympy.Function(step.function)(*a) if step.operation is None else step.operation.form(sympy, *a))
    return sympy.Matrix([values[k] for k in program.outputs.tolist()])


def as_partials(matrix: Any) -> Any:
    """Derivatives of uninterpreted functions written as f_1, f_2, …"""

    def one(node: Any) -> Any:
        if isinstance(node, sympy.Subs):
            inside, value = node.args[1].args[0], node.args[2].args[0]
            call = node.args[0].args[0]
            slot = call.args.index(inside) + 1
            return sympy.Function(f"{call.func}_{slot}")(*(value if a == inside else a for a in call.args))
        call, by = node.args[0], node.args[1].args[0]
        return sympy.Function(f"{call.func}_{call.args.index(by) + 1}")(*call.args)

    nodes = matrix.atoms(sympy.Subs)
    matrix = matrix.xreplace({node: one(node) for node in nodes})
    return matrix.xreplace({node: one(node) for node in matrix.atoms(sympy.Derivative)})


# -- random programs ---------------------------------------------------------------------------------------------------


def hold_everywhere(program: Program, seed: int) -> None:
    """Every mode in NumPy, at one point and at three points at once."""
    for mode in SWEEPS:
        x, v = point_of(program, mode, seed)
        y, jacobian = linearised(program, x)
        try:
            text = generate_code(program, mode, name="mode_of")
        except fg.NotInvertible:
            assert "inverse" in mode
            assert len(y) != len(x) or abs(np.linalg.det(jacobian)) <= 1e-9
            continue
        if "inverse" in mode and np.linalg.cond(jacobian) > 1e7:
            continue
        function = python_function(text, "mode_of")
        found = function(x, v)
        hold(list(found), [y, result_of(mode, jacobian, v)], 1e-7)
        scales = np.array([1.0, 2.0, -0.5])
        if len(x) and len(v):
            many = function(np.stack([x] * 3, axis=1), np.outer(v, scales))
            assert [vector.shape[1:] for vector in many if len(vector)] == [(3,) for vector in many if len(vector)]
            hold(list(many), [np.stack([y] * 3, axis=1).reshape(len(y), 3), np.outer(found[1], scales)], 1e-12)


SOME = settings(max_examples=60, deadline=None)


@SOME
@given(invertible_programs(functions=(), guards=False), st.integers(0, 99))
def test_random_invertible_programs(program: Program, seed: int) -> None:
    hold_everywhere(program, seed)


@SOME
@given(equasive_programs(functions=()), st.integers(0, 99))
def test_random_equasive_programs(program: Program, seed: int) -> None:
    hold_everywhere(program, seed)


@SOME
@given(programs(functions=(), guards=False), st.integers(0, 99))
def test_random_programs_of_any_kind(program: Program, seed: int) -> None:
    for mode in ("forward", "reverse"):
        x, v = point_of(program, mode, seed)
        hold(run_numpy(program, mode, x, v), expected(program, mode, x, v), 1e-9)


def sparse_map(seed: int) -> tuple[Program, Array, Array, Array]:
    """y = M sin(x) with a sparse M: one lump of few blocks. The program, x, J and v."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 7))
    pattern = (rng.random((n, n)) < rng.choice([0.15, 0.3, 0.5])) | np.eye(n, dtype=bool)[rng.permutation(n)]
    matrix = np.where(pattern, rng.uniform(0.5, 2.0, (n, n)) * rng.choice([-1, 1], (n, n)), 0.0).round(3)
    lines = [f"inputs {', '.join(f'x{j}' for j in range(n))}", *(f"s{j} = sin(x{j})" for j in range(n))]
    for i in range(n):
        lines.append(f"y{i} = {' + '.join(f'{matrix[i, j]}*s{j}' for j in np.flatnonzero(matrix[i]))}")
    lines.append(f"outputs {', '.join(f'y{i}' for i in range(n))}")
    x = rng.uniform(-0.5, 0.5, n)
    return fg.parse("\n".join(lines)), x, matrix * np.cos(x), rng.normal(size=n)


@pytest.mark.parametrize("seed", range(25))
def test_sparse_systems_are_solved_block_by_block(seed: int) -> None:
    hold_sparse(seed)


def hold_sparse(seed: int) -> None:
    program, x, jacobian, v = sparse_map(seed)
    for mode in ("forward-inverse", "reverse-inverse"):
        wanted = result_of(mode, jacobian, v)
        for order in (None, range(program.n_steps)):
            text = generate_code(program, mode, name="mode_of", order=order)
            hold([python_function(text, "mode_of")(x, v)[1]], [wanted], 1e-9)
            notation = fg.parse(generate_code(program, mode, "fg", order=order))
            hold([evaluated(notation, np.concatenate([x, v]))], [wanted], 1e-7)


def test_a_triangular_matrix_is_not_solved_with() -> None:
    for mode in ("forward-inverse", "reverse-inverse"):
        assert "solve" not in generate_code(EXAMPLES["horner_live.fg"], mode)
        assert "solve" in generate_code(EXAMPLES["euler.fg"], mode)


def test_a_block_that_overwrites_what_a_later_one_reads_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triangular, "names", lambda term: [])
    with pytest.raises(AssertionError):
        [hold_sparse(seed) for seed in range(25)]


# -- what the code looks like ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("mode", MODES)
def test_golden_texts_of_figure_2(mode: str, language: str) -> None:
    text = generate_code(EXAMPLES["figure2.fg"], mode, language)
    assert text == (GOLDEN / f"figure2-{mode}{LANGUAGES[language].suffix}").read_text(encoding="utf-8")


def test_units_leave_no_trace() -> None:
    for name in ("fibonacci.fg", "swap.fg", "lifting.fg", "givens.fg"):
        for mode in SWEEPS:
            text = generate_code(EXAMPLES[name], mode)
            assert not re.search(r"(?<![\d.])-?[01]\.0 [*]|[*] -?[01]\.0(?!\d)|/ -?1\.0|[+] 0\.0", text), (name, mode)


@pytest.mark.parametrize("mode", ["forward", "reverse-inverse"])
def test_code_beside_the_primal_keeps_no_tape(mode: str) -> None:
    def variables(steps: int) -> set[str]:
        lines = ["inputs q, p", *["q = q + 0.1*p", "p = p - 0.1*sin(q)"] * steps, "outputs q, p"]
        text = generate_code(fg.parse("\n".join(lines)), mode)
        return set(re.findall(r"^    (\w+) =", text, re.MULTILINE)) - {"y", "v"}

    assert variables(400) == variables(40)
    # Two registers, and one or two more within an update.
    assert {name for name in variables(40) if re.fullmatch(r"[rv]\d+", name)} <= {
        f"{k}{i}" for k in "rv" for i in "1234"
    }


@pytest.mark.parametrize("name", EXAMPLES)
def test_no_more_registers_than_the_width(name: str) -> None:
    program = EXAMPLES[name]
    width = int(program.liveness().widths.max())
    for mode in MODES:
        if "inverse" in mode:
            continue
        text = generate_code(program, mode)
        used = {int(k) for k in re.findall(r"\b[rv](\d+)\b", text.split('"""')[2])}
        assert max(used, default=0) <= width


def test_generated_python_is_formatted_as_ruff_would(tmp_path: Path) -> None:
    for k, (name, mode) in enumerate(CASES):
        (tmp_path / f"code_{k}.py").write_text(generate_code(EXAMPLES[name], mode), encoding="utf-8")
    ruff = [sys.executable, "-m", "ruff", "format", "--isolated", "--no-cache", "--diff", "."]
    done = subprocess.run(ruff, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert done.returncode == 0, done.stderr


# -- mistakes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["forward-inverse", "reverse-inverse"])
def test_a_wrong_sign_is_caught(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "minus", plus)
    program = EXAMPLES["figure2.fg"]
    x, v = point_of(program, mode)
    with pytest.raises(AssertionError):
        hold(run_numpy(program, mode, x, v), expected(program, mode, x, v))


@pytest.mark.parametrize("mode", ["forward-inverse", "reverse-inverse"])
def test_a_pivot_that_multiplies_is_caught(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "over", times)
    program = EXAMPLES["chain2.fg"]
    x, v = point_of(program, mode)
    with pytest.raises(AssertionError):
        hold(run_numpy(program, mode, x, v), expected(program, mode, x, v))


def test_a_partial_that_is_read_too_late_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build._Writer, "_kept", lambda self, value, until, meaning: value)
    program = fg.parse("inputs x, y\nx = x * y\ny = y * x\noutputs x, y")
    x, v = point_of(program, "reverse")
    with pytest.raises(AssertionError):
        hold(run_numpy(program, "reverse", x, v), expected(program, "reverse", x, v))


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SINGULAR)
def test_a_singular_jacobian_comes_with_its_certificate(name: str) -> None:
    for language in LANGUAGES:
        with pytest.raises(fg.NotInvertible) as caught:
            generate_code(EXAMPLES[name], "forward-inverse", language)
        assert isinstance(caught.value.certificate, fg.Certificate)


@pytest.mark.parametrize(
    "text",
    [
        "inputs x, y\nx = x - x\noutputs x, y",
        "inputs x, y\ns = x + y\nd = x - y\nx = s + d\ny = 2*s + 2*d\noutputs x, y",
    ],
)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_pivot_that_is_zero_for_every_x(text: str, language: str) -> None:
    for mode in ("forward-inverse", "reverse-inverse"):
        with pytest.raises(fg.NotInvertible, match="singular for every x"):
            generate_code(fg.parse(text), mode, language)


def test_a_large_lump_is_not_written_out() -> None:
    n = 7
    names = [f"x{k}" for k in range(n)]
    steps = [f"y{k} = f{k}({', '.join(names)})" for k in range(n)]
    outputs = ", ".join(f"y{k}" for k in range(n))
    program = fg.parse("\n".join([f"inputs {', '.join(names)}", *steps, f"outputs {outputs}"]))
    with pytest.raises(fg.InputError, match="too large to be written out") as caught:
        generate_code(program, "forward-inverse", "fg")
    assert "numpy or c" in str(caught.value)
    x, v = point_of(program, "forward-inverse")
    hold(run_numpy(program, "forward-inverse", x, v), expected(program, "forward-inverse", x, v))


def test_wrong_arguments() -> None:
    program = fg.parse(FIGURE2)
    with pytest.raises(fg.InputError, match="no such mode"):
        generate_code(program, "backward")
    with pytest.raises(fg.InputError, match="no such language"):
        generate_code(program, language="fortran")
    for language, name in (
        ("numpy", "lambda"),
        ("c", "restrict"),
        ("c", "exp"),
        ("numpy", "r1"),
        ("c", "a b"),
        ("c", ""),
    ):
        with pytest.raises(fg.InputError, match="cannot have this name"):
            generate_code(program, "forward", language, name=name)
    with pytest.raises(fg.InputError, match="a program is needed"):
        generate_code(lambda x: x, "forward")  # type: ignore[arg-type]
    with pytest.raises(fg.InputError, match="the order"):
        generate_code(program, "forward", order=["z2", "z1"])


def test_one_function_with_two_numbers_of_arguments() -> None:
    builder = fg.parse("inputs x, y\nz = f(x)\nw = g(y, z)\noutputs z, w")
    data = builder.to_json()
    data["steps"][1]["function"] = "f"
    with pytest.raises(fg.InputError, match="different numbers of arguments"):
        generate_code(fg.Program.from_json(data), "forward")


def test_code_that_would_be_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "MOST_STATEMENTS", 20)
    with pytest.raises(fg.InputError, match="too long") as caught:
        generate_code(EXAMPLES["rk4.fg"], "forward")
    assert "linearize" in str(caught.value)


def test_the_order_is_kept() -> None:
    program = EXAMPLES["two_orders.fg"]
    best = generate_code(program, "forward-inverse")
    assert "# lump 2: x2 -> z2" in best
    assert "# lump 1: x1, x2 -> z1, z2" in generate_code(program, "forward-inverse", order=["t1", "t2", "z1", "z2"])
    assert generate_code(program, "forward-inverse", order=["t1", "z1", "t2", "z2"]) == best


def test_names_cannot_leave_their_comment() -> None:
    data = fg.parse("inputs x, y\nz = x * y\noutputs z, y").to_json()
    wicked = "z */ \n boom() \\"
    data["steps"][0]["name"] = wicked
    data["outputs"][0] = wicked
    program = fg.Program.from_json(data)
    for language in LANGUAGES:
        text = generate_code(program, "reverse-inverse", language)
        assert not any(line.lstrip().startswith("boom") for line in text.splitlines())
    fg.parse(generate_code(program, "reverse-inverse", "fg"))
    compile(generate_code(program, "reverse-inverse"), "code", "exec")


def golden() -> Iterator[tuple[Path, str]]:
    """What the golden files should hold: run this module to write them anew."""
    for mode in MODES:
        for language in LANGUAGES.values():
            yield (
                GOLDEN / f"figure2-{mode}{language.suffix}",
                generate_code(EXAMPLES["figure2.fg"], mode, language.name),
            )


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for path, text in golden():
        path.write_text(text, encoding="utf-8")


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
@pytest.mark.parametrize("standard", ["-std=c99", "-std=gnu11"])
def test_names_of_the_c_library_and_of_later_standards_are_left_to_them(standard: str, tmp_path: Path) -> None:
    names = (
        "double asm typeof linux unix sinf expl isless NAN INFINITY HUGE_VAL M_PI bool true nullptr alignas printf "
        "malloc exp10 sincos drem finite significand float_t double_t pow10 index erff time "
        "matrix right result x v r1 A"
    ).split()
    lines = [f"z{k + 1} = {name}(z{k}, b)" for k, name in enumerate(names)]
    program = fg.parse("\n".join(["inputs z0, b", *lines, f"outputs z{len(names)}, b"]))
    text = generate_code(program, "reverse", "c")
    file = tmp_path / "names.c"
    file.write_text(text)
    command = ["cc", standard, "-Wall", "-Wextra", "-Werror", "-c", str(file), "-o", str(tmp_path / "names.o")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:2000]
    for name in ("sinf", "NAN", "asm", "malloc"):
        with pytest.raises(fg.InputError, match="cannot have this name"):
            generate_code(program, "reverse", "c", name=name)


def test_numbers_that_leave_the_range_are_not_combined() -> None:
    program = fg.parse(
        "inputs x1, x2\na = 1e200 * x1\nb = 1e200 * a\nc = b * 1e-300\nd = c + x2\ne = x1 * d\noutputs d, e"
    )
    for mode in ("forward-inverse", "reverse-inverse"):
        for language in ("numpy", "c", "latex"):
            assert "inf" not in generate_code(program, mode, language, name="found").replace("inverse", "")
        with pytest.raises(fg.InputError, match="no finite number"):
            generate_code(program, mode, "fg")
        # Where x is small, nothing but a partial overflows.
        x, v = np.array([1e-250, 1.0]), np.array([1.0, 2.0])
        with np.errstate(all="ignore"):
            assert not np.isfinite(run_numpy(program, mode, x, v)[1]).all()
    # 1e-400 is no float64; as a factor of something large it is not 0.
    tiny = times(Number(1e-200), times(Number(1e-200), Name("x")))
    assert tiny == Apply("mul", (Number(1e-200), Apply("mul", (Number(1e-200), Name("x")))))
    assert times(Number(1e-200), Number(1e-200)) != Number(0.0)
    assert plus(Number(1e308), Number(1e308)) == Apply("add", (Number(1e308), Number(1e308)))
    assert over(Number(1e-200), Number(1e200)) != Number(0.0)
