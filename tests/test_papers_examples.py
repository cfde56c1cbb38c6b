"""The programs in ``papers_examples``: each parses, is square, has equasive steps only, and round-trips."""

from __future__ import annotations

import importlib.util
import random
import re
from collections import Counter
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from flowgraph.language import format_program, load, parse
from flowgraph.liveness import Kind
from flowgraph.program import Program

EXAMPLES = Path(__file__).parent.parent / "papers_examples"
FILES = sorted(EXAMPLES.glob("*.fg"))


def is_square_and_equasive(program: Program) -> bool:
    kinds = program.liveness().kinds()
    return program.n_inputs == program.n_outputs and all(kind is Kind.EQUASIVE for kind in kinds)


def register_machine(seed: int) -> str:
    """Sixty equasive steps on five registers; the text of ``register_machine.fg``."""
    draw = random.Random(seed)
    registers = ["r1", "r2", "r3", "r4", "r5"]
    lines = [
        "# A machine of five registers that runs sixty random steps, known operations and uninterpreted ones mixed.",
        "# Every step overwrites one register and may read others, so the width is five throughout.",
        f"inputs {', '.join(registers)}",
    ]
    for _ in range(60):
        u, v, w = draw.sample(registers, 3)
        line = draw.choice(
            [
                f"{u} + {v}",
                f"{u} - {v}",
                f"{v} - {u}",
                f"{u} * {v}",
                f"hypot({u}, {v})",
                f"atan2({u}, {v})",
                f"asinh({u})",
                f"tanh({u})",
                f"softplus({u})",
                f"0.5 * {u}",
                f"f({u}, {v})",
                f"g({u}, {v}, {w})",
                f"h({u})",
            ]
        )
        lines.append(f"{u} = {line}")
    return "\n".join([*lines, f"outputs {', '.join(registers)}\n"])


def test_there_are_at_least_ten_besides_figure2():
    assert len(FILES) >= 11
    assert EXAMPLES / "figure2.fg" in FILES


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_example(file: Path):
    text = file.read_text(encoding="utf-8")
    program = load(file)
    assert text.startswith("# ")
    assert text.endswith("\n")
    assert is_square_and_equasive(program), program.describe()
    assert set(program.liveness().widths.tolist()) == {program.n_inputs}
    assert parse(format_program(program)) == program
    assert all(program.line(k) > 0 for k in range(program.n_steps))


def test_the_check_refuses_a_program_of_rising_width():
    rising = parse("inputs p, q\np = p - 0.1*sin(q)\nq = q + 0.1*p\noutputs p, q")
    assert not is_square_and_equasive(rising)
    assert Counter(rising.liveness().kinds())[Kind.EXPANSIVE] == 2


def test_figure2_is_the_program_of_the_paper():
    program = load(EXAMPLES / "figure2.fg")
    assert format_program(program) == "inputs x1, x2, x3\nz1 = f(x1, x2)\nz2 = g(x3, z1)\noutputs z1, x2, z2"
    assert program.registers().tolist() == [0, 1, 2, 0, 2]


def test_register_machine_is_what_its_generator_writes():
    text = (EXAMPLES / "register_machine.fg").read_text(encoding="utf-8")
    assert text == register_machine(24664)
    assert parse(text).n_steps == 60


def _value(program: Program, point: dict[str, float]) -> dict[str, float]:
    values = [point[name] for name in program.input_names]
    for step in program.steps():
        assert step.operation is not None
        values.append(
            float(step.operation.evaluate(*(values[o] if o >= 0 else program.constants[-1 - o] for o in step.operands)))
        )
    return {f"{program.name(int(v))}": values[int(v)] for v in program.outputs}


def test_known_programs_compute_what_their_headers_say():
    x, y = 0.8, -0.3
    turned = list(_value(load(EXAMPLES / "givens.fg"), {"x": x, "y": y}).values())
    c, s = np.cos(0.6), np.sin(0.6)
    np.testing.assert_allclose(turned, [c * x - s * y, s * x + c * y], rtol=1e-13)
    polar = _value(load(EXAMPLES / "polar.fg"), {"x": x, "y": y})
    np.testing.assert_allclose([polar["r"], polar["theta"]], [np.hypot(x, y), np.arctan2(y, x)], rtol=1e-13)
    horner = _value(load(EXAMPLES / "horner.fg"), {"x": 1.7, "c0": 2.0, "c1": -3.0, "c2": 0.5, "c3": 4.0})
    np.testing.assert_allclose(list(horner.values())[-1], np.polyval([4.0, 0.5, -3.0, 2.0], 1.7), rtol=1e-13)
    fibonacci = list(_value(load(EXAMPLES / "fibonacci.fg"), {"a": 1.0, "b": 0.0}).values())
    assert fibonacci == [13.0, 21.0]
    swapped = list(_value(load(EXAMPLES / "swap.fg"), {"x": 1.0, "y": 2.0, "z": 3.0}).values())
    assert swapped == [6.0, 2.0, 1.0]
    ratios = list(_value(load(EXAMPLES / "log_ratio.fg"), {"a": 1.0, "b": 2.0, "c": 4.0}).values())
    np.testing.assert_allclose(ratios, np.log([0.25, 0.5, 4.0]), rtol=1e-13)
    fraction = list(_value(load(EXAMPLES / "continued_fraction.fg"), {"x": 3.0, "a": 2.0, "b": 5.0}).values())
    np.testing.assert_allclose(fraction[0], 2 + 1 / (5 + 1 / (2 + 1 / (5 + 1 / 3.0))), rtol=1e-13)


# -- the README and the Python functions -----------------------------------------------------------------------------


def test_the_readme_lists_every_file_with_its_sizes():
    rows = re.findall(r"^\| `([^`]+)` \|.*\| (\d+|any) \| (\d+|[^|]+) \|$", (EXAMPLES / "README.md").read_text(), re.M)
    listed = {name: (n, steps.strip()) for name, n, steps in rows}
    assert {file.name for file in FILES} == {name for name in listed if name.endswith(".fg")}
    for file in FILES:
        program = load(file)
        assert listed[file.name] == (str(program.n_inputs), str(program.n_steps))


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_python_functions_agree_with_the_programs():
    x = np.array([0.8, -0.3])
    np.testing.assert_allclose(_module("polar").polar(x), [np.hypot(*x), np.arctan2(x[1], x[0])], rtol=1e-13)
    amounts = np.array([1.0, 2.0, 4.0])
    np.testing.assert_allclose(_module("log_ratio").log_ratio(amounts), np.log([0.25, 0.5, 4.0]), rtol=1e-13)
