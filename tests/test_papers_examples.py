"""The programs in ``papers_examples``: each parses, is square, round-trips, and is what its row of the table says.

The table in ``papers_examples/README.md`` is held against brute force on one side and against flowgraph on the other.
"""

from __future__ import annotations

import importlib.util
import random
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings

from flowgraph.language import format_program, load, parse
from flowgraph.liveness import Kind
from flowgraph.program import Program
from flowgraph.user_code import open_program
from tests.examples import EQUASIVE, FILES, REGULAR, SINGULAR, is_square_and_equasive
from tests.examples import FOLDER as EXAMPLES
from tests.lump_oracle import (
    Facts,
    OracleLump,
    an_order_with_most_lumps,
    blocks_of,
    facts_of,
    frontier,
    is_singular,
    levels,
    lumps_along,
)
from tests.strategies import equasive_programs


class Row(NamedTuple):
    """One row of the table, as text; lumps, best and blocks are – where the program is singular."""

    what: str
    kind: str
    n: str
    steps: str
    lumps: str
    best: str
    blocks: str


def read_table(text: str) -> dict[str, Row]:
    """The rows of the table, by file. Every line that begins with | must be one, or the head."""
    head, rule, *lines = [line for line in text.splitlines() if line.startswith("|")]
    assert head == "| file | what it shows | kind | n | steps | lumps | best | blocks |"
    assert set(rule) == {"|", "-"}
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    rows = {name.strip("`"): Row(*rest) for name, *rest in cells}
    assert len(rows) == len(lines), "a file has two rows"
    return rows


TABLE = read_table((EXAMPLES / "README.md").read_text(encoding="utf-8"))


def sizes(lumps: Iterable[OracleLump]) -> list[tuple[int, int]]:
    """(number of steps, l) of each lump."""
    return [(len(lump.steps), len(lump.consumed)) for lump in lumps]


def sizes_along(program: Program, order: Iterable[int] | None = None) -> list[tuple[int, int]]:
    """Those of the lumps along an order, by default the program's own."""
    return sizes(lumps_along(facts_of(program), range(program.n_steps) if order is None else tuple(order)))


def least_width(facts: Facts) -> int:
    """The least number of live values at any time of any order."""
    return min(len(frontier(facts, ideal)) for level in levels(facts) for ideal in level)


def blocks(program: Program) -> list[list[int]] | None:
    """The steps of every block that holds any, or None where the program is singular."""
    facts = facts_of(program)
    if is_singular(facts):
        return None
    found = (sorted(row for row in block.rows if row < facts.n_steps) for block in blocks_of(facts))
    return sorted(steps for steps in found if steps)


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
    kinds = set(program.liveness().kinds())
    widths = set(program.liveness().widths.tolist())
    assert text.startswith("# ")
    assert text.endswith("\n")
    assert program.n_inputs == program.n_outputs
    assert kinds <= {Kind.EQUASIVE, Kind.EXPANSIVE, Kind.CONTRACTIVE}
    assert (TABLE[file.name].kind == "equasive") == is_square_and_equasive(program)
    if TABLE[file.name].kind == "equasive":
        assert kinds == {Kind.EQUASIVE}
        assert widths == {program.n_inputs}
    elif TABLE[file.name].kind == "lumps":
        assert kinds >= {Kind.EXPANSIVE, Kind.CONTRACTIVE}
        assert min(widths) == program.n_inputs < max(widths)
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


def _values(program: Program, x: Iterable[float]) -> list[float]:
    """The outputs at x, in order; a value that is listed twice comes twice."""
    values = list(x)
    assert len(values) == program.n_inputs
    for step in program.steps():
        assert step.operation is not None
        values.append(
            float(step.operation.evaluate(*(values[o] if o >= 0 else program.constants[-1 - o] for o in step.operands)))
        )
    return [values[int(v)] for v in program.outputs]


def _value(program: Program, point: dict[str, float]) -> dict[str, float]:
    found = _values(program, (point[name] for name in program.input_names))
    return dict(zip(program.output_names, found, strict=True))


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


# -- what the programs with lumps compute ------------------------------------------------------------------------------

Array = np.ndarray[Any, Any]


def _lotka_volterra(x: Array) -> Array:
    return np.array([x[0] * (1.1 - 0.4 * x[1]), x[1] * (0.1 * x[0] - 0.4)])


def _pendulum(x: Array) -> Array:
    return np.array([x[1], -np.sin(x[0])])


def _three_euler_steps(x: Array) -> Array:
    for _ in range(3):
        x = x + 0.1 * _pendulum(x)
    return x


def _rk4(x: Array) -> Array:
    h = 0.1
    k1 = _pendulum(x)
    k2 = _pendulum(x + h / 2 * k1)
    k3 = _pendulum(x + h / 2 * k2)
    k4 = _pendulum(x + h * k3)
    return x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def _leapfrog(x: Array) -> Array:
    q, p = x
    for _ in range(2):
        p = p - 0.05 * np.sin(q)
        q = q + 0.1 * p
        p = p - 0.05 * np.sin(q)
    return np.array([q, p])


def _broyden(x: Array) -> Array:
    padded = np.concatenate([[0.0], x, [0.0]])
    return (3 - 2 * x) * x - padded[:-2] - 2 * padded[2:] + 1


def _householder(x: Array) -> Array:
    x, v = x[:3], x[3:]
    return np.concatenate([(np.eye(3) - 2 * np.outer(v, v) / (v @ v)) @ x, v])


def _horner_live(x: Array) -> Array:
    cubic = np.polynomial.Polynomial(x[1:])
    return np.array([x[0], cubic(x[0]), cubic.deriv()(x[0]), x[3], x[4]])


def _rosenbrock(x: Array) -> Array:
    from scipy.optimize import rosen_der

    return rosen_der(x)


def _softmax(x: Array) -> Array:
    weights = np.exp(x)
    return np.array([*(weights / weights.sum())[:2], np.log(weights.sum())])


def _real_nvp(x: Array) -> Array:
    hidden = np.tanh(0.5 * x[0])
    second = x[1] * np.exp(0.3 * hidden) + hidden
    hidden = np.tanh(0.8 * second)
    return np.array([x[0] * np.exp(0.6 * hidden) - hidden, second])


def _complex_square(x: Array) -> Array:
    square = complex(*x) ** 2
    return np.array([square.real, square.imag])


MATRIX = np.array([[2, -3, 5], [4, 0.5, -2], [3, 7, 0.25]])

FORMULAS: dict[str, Callable[[Array], Array]] = {
    "euler": lambda x: x + 0.1 * _lotka_volterra(x),
    "euler_steps": _three_euler_steps,
    "rk4": _rk4,
    "linear3": lambda x: MATRIX @ x,
    "horner_live": _horner_live,
    "lifting": _leapfrog,
    "real_nvp": _real_nvp,
    "softmax": _softmax,
    "rosenbrock": _rosenbrock,
    "broyden": _broyden,
    "householder": _householder,
    "singular_point": _complex_square,
    "bottleneck": lambda x: np.array([x[1], np.exp(x[1]), x[2] + x[0] * np.exp(x[1])]),
    "forgotten": lambda x: np.array([x[0] + 0.1 * x[1], x[1] - 0.1 * np.sin(x[0]), np.sin(x[0])]),
    "twice": lambda x: np.hypot(*x) * np.ones(2),
}


def _points(n: int) -> list[Array]:
    return list(np.random.default_rng(24664).normal(size=(5, n)))


def _jacobian(name: str, x: Array) -> Array:
    """J of the program by central differences: good to about 1e-9."""
    program = load(EXAMPLES / f"{name}.fg")
    unit = 1e-5 * np.eye(program.n_inputs)
    columns = [(np.array(_values(program, x + d)) - np.array(_values(program, x - d))) / 2e-5 for d in unit]
    return np.array(columns).T


def test_every_known_program_without_formulas_above_has_one():
    known = {f.stem for f in FILES if TABLE[f.name].kind != "equasive" and all(s.operation for s in load(f).steps())}
    assert known == set(FORMULAS)


@pytest.mark.parametrize("name", FORMULAS)
def test_programs_compute_what_numpy_computes(name: str):
    program = load(EXAMPLES / f"{name}.fg")
    for x in _points(program.n_inputs):
        np.testing.assert_allclose(_values(program, x), FORMULAS[name](x), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("file", REGULAR, ids=lambda file: file.stem)
def test_regular_programs_have_an_inverse_jacobian_somewhere(file: Path):
    program = load(file)
    if not all(step.operation for step in program.steps()):
        assert blocks(program) is not None  # of uninterpreted functions, the structure is all there is
        return
    x = np.linspace(0.8, 0.3, program.n_inputs)
    assert np.linalg.cond(_jacobian(file.stem, x)) < 1e6


@pytest.mark.parametrize("file", SINGULAR, ids=lambda file: file.stem)
def test_singular_programs_have_a_singular_jacobian_everywhere(file: Path):
    program = load(file)
    for x in _points(program.n_inputs):
        sizes = np.linalg.svd(_jacobian(file.stem, x), compute_uv=False)
        assert sizes[-1] < 1e-8 < 1e-3 < sizes[-2]  # the rank is n − 1


def test_what_the_headers_say_of_jacobians():
    x = np.array([0.7, -0.4])
    np.testing.assert_allclose(np.linalg.det(_jacobian("singular_point", x)), 4 * (x @ x), rtol=1e-7)
    np.testing.assert_allclose(_jacobian("singular_point", np.zeros(2)), 0, atol=1e-12)
    np.testing.assert_allclose(_jacobian("linear3", np.ones(3)), MATRIX, rtol=1e-8)
    np.testing.assert_allclose(np.linalg.det(_jacobian("lifting", x)), 1, rtol=1e-8)
    horner = _jacobian("horner_live", np.array([0.7, 2.0, -3.0, 0.5, 4.0]))
    np.testing.assert_allclose(horner[1:3, 1:3], [[1, 0.7], [0, 1]], atol=1e-7)
    np.testing.assert_allclose(np.linalg.det(horner), 1, rtol=1e-7)
    broyden = _jacobian("broyden", np.linspace(-1, 1, 5))
    np.testing.assert_allclose(broyden, np.triu(np.tril(broyden, 1), -1), atol=1e-9)
    at, d = 0.7, 1 / 200
    on_the_curve = _jacobian("rosenbrock", np.array([at, at**2 + d]))
    assert abs(np.linalg.det(on_the_curve)) < 1e-3 < 10 < abs(np.linalg.det(_jacobian("rosenbrock", np.ones(2))))
    np.testing.assert_allclose(on_the_curve, on_the_curve.T, atol=1e-5)


def test_softmax_with_all_three_probabilities_is_singular_though_its_structure_is_sound():
    text = (EXAMPLES / "softmax.fg").read_text(encoding="utf-8")
    full = parse(text.replace("s = log(s)", "r = c / s").replace("outputs p, q, s", "outputs p, q, r"))
    assert blocks(full) is not None
    for x in _points(3):
        np.testing.assert_allclose(sum(_values(full, x)), 1, rtol=1e-14)


# -- the table --------------------------------------------------------------------------------------------------------

BEST_LUMPS: dict[str, list[tuple[int, int]]] = {
    "euler": [(10, 2)],
    "euler_steps": [(5, 2)] * 3,
    "rk4": [(30, 2)],
    "linear3": [(15, 3)],
    "horner_live": [(10, 2)],
    "two_orders": [(2, 1)] * 2,
    "fine_blocks": [(2, 1)],
    "lifting": [(2, 1)] * 2 + [(3, 1)] * 3,
    "real_nvp": [(6, 1)] * 2,
    "softmax": [(1, 1)] * 6 + [(2, 1)],
    "rosenbrock": [(1, 1), (2, 1), (5, 1)],
    "broyden": [(1, 1)] * 5 + [(23, 5)],
    "householder": [(18, 3)],
    "singular_point": [(5, 2)],
}
"""(steps, l) of every lump in the best order, as the headers say, sorted."""

LARGER_BLOCKS: dict[str, list[int]] = {
    "euler": [10],
    "euler_steps": [5, 5, 5],
    "rk4": [30],
    "linear3": [15],
    "two_orders": [2, 2],
    "rosenbrock": [5],
    "broyden": [23],
    "householder": [13],
    "singular_point": [5],
}
"""Number of steps of every block of more than one, as the headers say."""


def counts(sizes: Iterable[int]) -> str:
    """Scalar and larger blocks, as the table writes them."""
    found = list(sizes)
    return f"{found.count(1)} / {len(found) - found.count(1)}"


def test_the_table_lists_every_file_with_its_sizes():
    assert {file.name for file in FILES} == {name for name in TABLE if name.endswith(".fg")}
    assert {file.name for file in EXAMPLES.glob("*.py")} == {name for name in TABLE if name.endswith(".py")}
    assert {row.kind for row in TABLE.values()} == {"equasive", "lumps", "singular"}
    for kind, files in (("equasive", EQUASIVE), ("singular", SINGULAR)):
        assert {EXAMPLES / name for name, row in TABLE.items() if row.kind == kind and name.endswith(".fg")} == set(
            files
        )
    for file in FILES:
        program = load(file)
        assert (TABLE[file.name].n, TABLE[file.name].steps) == (str(program.n_inputs), str(program.n_steps))


@pytest.mark.parametrize("file", REGULAR, ids=lambda file: file.stem)
def test_the_table_agrees_with_brute_force(file: Path):
    program, row = load(file), TABLE[file.name]
    facts = facts_of(program)
    as_it_stands, top, parts = sizes_along(program), an_order_with_most_lumps(facts), blocks(program)
    assert parts is not None
    at_best = sorted(sizes_along(program, top))
    assert sorted(step for part in parts for step in part) == list(range(program.n_steps))
    assert (row.lumps, row.best, row.blocks) == (str(len(as_it_stands)), str(len(at_best)), counts(map(len, parts)))
    assert len(as_it_stands) <= len(at_best) <= len(parts)
    assert least_width(facts) == program.n_inputs
    assert at_best == BEST_LUMPS.get(file.stem, [(1, 1)] * program.n_steps)
    assert [len(part) for part in parts if len(part) > 1] == LARGER_BLOCKS.get(file.stem, [])


@pytest.mark.parametrize("file", SINGULAR, ids=lambda file: file.stem)
def test_singular_rows_agree_with_brute_force(file: Path):
    assert blocks(load(file)) is None
    assert TABLE[file.name][-3:] == ("–", "–", "–")
    # Only the width of one of them tells; in the others it is at least n in every order.
    assert least_width(facts_of(load(file))) == {"twice": 1}.get(file.stem, 3)


def test_the_header_of_two_orders_names_the_best_order():
    program = load(EXAMPLES / "two_orders.fg")
    names = [step.name for step in program.steps()]
    assert sizes_along(program) == [(4, 2)]
    assert sizes_along(program, [names.index(name) for name in ("t1", "z1", "t2", "z2")]) == [(2, 1), (2, 1)]


def test_the_header_of_broyden_tells_the_lumps_as_it_stands():
    assert sizes_along(load(EXAMPLES / "broyden.fg")) == [(27, 5), (1, 1)]


@pytest.mark.parametrize("n", [2, 5])
def test_the_rows_of_the_python_functions(n: int):
    for name in ("polar", "log_ratio"):
        if name == "polar" and n != 2:
            continue
        program = open_program(f"{EXAMPLES / name}.py:{name}", n=n)
        row = TABLE[f"{name}.py"]
        assert is_square_and_equasive(program)
        assert row.kind == "equasive"
        assert row.n in (str(n), "any")
        assert {row.steps, row.lumps, row.best, row.blocks.removesuffix(" / 0")} == {row.steps}
        assert program.n_steps == (2 * n - 1 if row.steps == "2n − 1" else int(row.steps))


@settings(max_examples=30, deadline=None)
@given(equasive_programs(max_steps=6))
def test_brute_force_finds_every_equasive_step_a_lump_and_a_block(program: Program):
    program = program.without_dead_code()
    assert sizes_along(program) == [(1, 1)] * program.n_steps
    assert len(sizes_along(program, an_order_with_most_lumps(facts_of(program)))) == program.n_steps
    assert blocks(program) is not None
    assert len(blocks(program) or ()) == program.n_steps


@pytest.mark.parametrize("file", REGULAR, ids=lambda file: file.stem)
def test_the_lumps_of_flowgraph_are_those_of_the_table(file: Path):
    from flowgraph.lumping import best_order, lumps

    program, row = load(file), TABLE[file.name]
    assert str(len(lumps(program))) == row.lumps
    assert str(len(lumps(program, best_order(program)))) == row.best


@pytest.mark.parametrize("file", REGULAR, ids=lambda file: file.stem)
def test_the_blocks_of_flowgraph_are_those_of_the_table(file: Path):
    from flowgraph.structure import decompose

    program = load(file)
    found = decompose(program)
    assert not found.singular
    parts = [block for block in found.blocks if block.steps]  # an output's own equation holds no step
    assert counts(len(block.steps) for block in parts) == TABLE[file.name].blocks
    assert all(block.scalar == (len(block.steps) == 1) for block in parts)
    expected = blocks(program)
    assert expected is not None
    assert sorted(sorted(block.steps) for block in parts) == sorted(expected)


@pytest.mark.parametrize("file", SINGULAR, ids=lambda file: file.stem)
def test_flowgraph_finds_the_singular_programs_singular(file: Path):
    from flowgraph.structure import decompose

    assert decompose(load(file)).singular


# -- the Python functions ----------------------------------------------------------------------------------------------


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
