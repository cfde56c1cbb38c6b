"""``Program``: identity, JSON, immutability, the checks of its columns, names, and the text people read."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import programs

from flowgraph.builder import Builder
from flowgraph.errors import ProgramError
from flowgraph.operations import CODES
from flowgraph.program import SCHEMA, Guard, Program, number_text

finite = st.floats(allow_nan=False, allow_infinity=False)


def bits(value: float) -> bytes:
    return struct.pack("<d", value)


def figure_2() -> Program:
    builder = Builder(3)
    z1 = builder.call("f", 0, 1, line=2)
    z2 = builder.call("g", 2, z1, line=3)
    return builder.finish(np.array([z1, 1, z2]), names=["x1", "x2", "x3", "z1", "z2"])


def everything() -> Program:
    """Known and uninterpreted functions, constants, a guard, a passive and a dead step, and lines."""
    builder = Builder(2)
    two = builder.constant(-2.0)
    t1 = int(builder.append("mul", np.asarray(two), np.asarray(0), line=4))
    t2 = int(builder.append("sin", np.asarray(1), line=4))
    t3 = int(builder.append("select", np.asarray(t2), np.asarray(t1), np.asarray(two), line=6))
    builder.append("exp", np.asarray(0), line=7)
    builder.call("f", t3, 1, t3, line=9)
    builder.guard(np.array([t2, 0]), np.array([True, False]), line=5)
    return builder.finish(np.array([6, 6, 1]))


# -- numbers -----------------------------------------------------------------------------------------------------------


@given(finite)
@example(-0.0)
@example(0.0)
@example(1e15)
@example(999999999999999.0)
@example(-1e15)
@example(5e-324)
@example(1.7976931348623157e308)
def test_number_text_reads_back_as_the_same_float(value: float) -> None:
    assert bits(float(number_text(value))) == bits(value)
    assert bits(float(number_text(float(np.float64(value))))) == bits(value)


@pytest.mark.parametrize(
    ("value", "text"), [(2.0, "2"), (-3.0, "-3"), (0.1, "0.1"), (0.0, "0"), (1e14, "100000000000000"), (1e22, "1e+22")]
)
def test_number_text(value: float, text: str) -> None:
    assert number_text(value) == text


# -- identity ----------------------------------------------------------------------------------------------------------


@given(programs())
def test_equality_and_hash(program: Program) -> None:
    same = replace(program)
    assert program == same
    assert hash(program) == hash(same)
    assert program != "a program"
    assert not program == 1


tiny = programs(max_inputs=2, max_steps=2, operations=("sin", "add"), functions=("f",))


@given(tiny, tiny)
def test_programs_are_equal_where_people_read_the_same(a: Program, b: Program) -> None:
    def view(p: Program) -> Any:
        return (
            [str(s) for s in p.steps()],
            p.input_names,
            p.output_names,
            [(g.values.tolist(), g.outcomes.tolist()) for g in p.guards],
            [s.operation is None for s in p.steps()],
        )

    a, b = unshared(a), unshared(b)
    assert (a == b) == (view(a) == view(b))
    assert a != b or hash(a) == hash(b)


@given(programs(named=False))
def test_the_fingerprint_ignores_names_and_lines(program: Program) -> None:
    named = replace(program, names=tuple(f"q{k}" for k in range(program.n_values)))
    unlined = replace(program, source_lines=None)
    assert named.fingerprint() == program.fingerprint() == unlined.fingerprint()
    assert unlined == program
    if program.n_values:
        assert named != program
    spelled = replace(program, names=tuple(program.name(v) for v in range(program.n_values)))
    assert spelled == program
    assert hash(spelled) == hash(program)


def changes() -> dict[str, Callable[[Program], Program]]:
    def column(name: str, index: int, value: float) -> Callable[[Program], Program]:
        def change(program: Program) -> Program:
            new = getattr(program, name).copy()
            new[index] = value
            return replace(program, **{name: new})

        return change

    return {
        "operation": column("codes", 1, CODES["cos"]),
        "operand": column("operands", 2, 0),
        "constant": column("constants", 0, -2.5),
        "output": column("outputs", 0, 5),
        "order of outputs": lambda p: replace(p, outputs=p.outputs[::-1].copy()),
        "fewer outputs": lambda p: replace(p, outputs=p.outputs[:1].copy()),
        "function": lambda p: replace(p, functions=("g",)),
        "guard outcome": lambda p: replace(p, guards=(Guard(p.guards[0].values, ~p.guards[0].outcomes),)),
        "guard value": lambda p: replace(p, guards=(Guard(p.guards[0].values * 0, p.guards[0].outcomes),)),
        "no guard": lambda p: replace(p, guards=()),
        "split guard": lambda p: replace(
            p, guards=tuple(Guard(p.guards[0].values[k : k + 1], p.guards[0].outcomes[k : k + 1]) for k in (0, 1))
        ),
    }


@pytest.mark.parametrize("change", changes().values(), ids=changes())
def test_the_fingerprint_sees_every_change(change: Callable[[Program], Program]) -> None:
    program = everything()
    changed = change(program)
    assert changed.fingerprint() != program.fingerprint()
    assert changed != program


def test_the_fingerprint_tells_negative_zero_from_zero() -> None:
    def times(value: float) -> Program:
        builder = Builder(1)
        z = builder.append("mul", np.asarray(builder.constant(value)), np.asarray(0))
        return builder.finish(np.array([int(z)]))

    assert times(0.0) != times(-0.0)


def test_columns_that_read_alike_when_joined_are_told_apart() -> None:
    """[outputs 0 2 0 1 2] and [codes add | starts 0 2 | operands 0 1 | output 2] are the same numbers in a row."""
    builder = Builder(3)
    builder.append("add", np.asarray(0), np.asarray(1))
    assert Builder(3).finish(np.array([0, 2, 0, 1, 2])) != builder.finish(np.array([2]))


def test_the_number_of_inputs_may_be_a_numpy_integer() -> None:
    n: Any = np.int64(2)
    assert Builder(n).finish(np.array([0])) == Builder(2).finish(np.array([0]))


def test_the_layout_of_the_pool_is_not_part_of_the_identity() -> None:
    def square(share: bool) -> Program:
        builder = Builder(1)
        pool = [builder.constant(2.0)] * 2 if share else builder.constants(np.array([2.0, 2.0])).tolist()
        first = builder.append("mul", np.asarray(pool[0]), np.asarray(0))
        return builder.finish(builder.append("mul", np.asarray(pool[1]), first).reshape(1))

    assert square(True) == square(False)


def test_what_dead_code_left_behind_is_not_part_of_the_identity() -> None:
    def program(dead: bool) -> Program:
        builder = Builder(1)
        if dead:
            builder.call("f", builder.constant(3.0))
        z = builder.call("g", 0, builder.constant(2.0))
        return builder.finish(np.array([z])).without_dead_code()

    assert program(True) == program(False)


# -- JSON --------------------------------------------------------------------------------------------------------------


def unshared(program: Program) -> Program:
    """The same program with one pool entry per use of a constant, in the order of use, and no unused entries."""
    operands, constants = program.operands.copy(), []
    for k, operand in enumerate(operands):
        if operand < 0:
            constants.append(program.constants[-1 - operand])
            operands[k] = -len(constants)
    return replace(program, operands=operands, constants=np.array(constants, dtype=float))


@given(programs())
def test_json_round_trip(program: Program) -> None:
    program = unshared(program)
    text = json.dumps(program.to_json(), allow_nan=False)
    back = Program.from_json(json.loads(text))
    assert back == program
    assert hash(back) == hash(program)
    assert [s.line for s in back.steps()] == [s.line for s in program.steps()]
    assert [g.line for g in back.guards] == [g.line for g in program.guards]
    assert back.describe() == program.describe()
    assert json.dumps(back.to_json()) == text


def test_json_round_trip_with_a_shared_constant() -> None:
    program = everything()
    assert Program.from_json(program.to_json()) == program


def test_json_names_its_schema() -> None:
    assert figure_2().to_json()["schema"] == SCHEMA


BROKEN_JSON: dict[str, Callable[[dict[str, Any]], Any]] = {
    "not an object": lambda d: [d],
    "no schema": lambda d: {k: v for k, v in d.items() if k != "schema"},
    "other schema": lambda d: d | {"schema": "flowgraph/program/0"},
    "no steps": lambda d: {k: v for k, v in d.items() if k != "steps"},
    "no guards": lambda d: {k: v for k, v in d.items() if k != "guards"},
    "inputs a number": lambda d: d | {"inputs": 3},
    "steps a number": lambda d: d | {"steps": 3},
    "step a number": lambda d: d | {"steps": [1]},
    "step a list": lambda d: d | {"steps": [[1]]},
    "unknown output": lambda d: d | {"outputs": ["nowhere"]},
    "output a list": lambda d: d | {"outputs": [["x1"]]},
    "unknown operation": lambda d: d | {"steps": [d["steps"][0] | {"known": True}]},
    "unknown operand": lambda d: d | {"steps": [d["steps"][0] | {"operands": ["later"]}]},
    "operand null": lambda d: d | {"steps": [d["steps"][0] | {"operands": [None]}]},
    "operand not finite": lambda d: d | {"steps": [d["steps"][0] | {"operands": [math.inf]}], "outputs": []},
    "wrong arity": lambda d: d | {"steps": [d["steps"][0] | {"known": True, "function": "sin"}], "outputs": []},
    "line no number": lambda d: d | {"steps": [d["steps"][0] | {"line": "first"}]},
    "line infinite": lambda d: d | {"steps": [d["steps"][0] | {"line": math.inf}]},
    "name twice": lambda d: d | {"steps": [d["steps"][0], d["steps"][0]]},
    "input twice": lambda d: d | {"inputs": ["x1", "x1", "x2", "x3"]},
    "guard unknown": lambda d: d | {"guards": [{"values": ["nowhere"], "positive": [True], "line": 0}]},
}


@pytest.mark.parametrize("breakage", BROKEN_JSON.values(), ids=BROKEN_JSON)
def test_broken_json_is_refused_politely(breakage: Callable[[dict[str, Any]], Any]) -> None:
    with pytest.raises(ProgramError):
        Program.from_json(breakage(figure_2().to_json()))


# -- immutability ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["codes", "starts", "operands", "constants", "outputs"])
def test_columns_cannot_be_written(name: str) -> None:
    program = everything()
    with pytest.raises(ValueError, match="read-only"):
        getattr(program, name)[0] = 0
    with pytest.raises(FrozenInstanceError):
        setattr(program, name, np.zeros(1))


@pytest.mark.parametrize("name", ["starts", "numbers"])
def test_lines_cannot_be_written(name: str) -> None:
    with pytest.raises(ValueError, match="read-only"):
        getattr(everything().source_lines, name)[0] = 0


@pytest.mark.parametrize("name", ["values", "outcomes"])
def test_guards_cannot_be_written(name: str) -> None:
    with pytest.raises(ValueError, match="read-only"):
        getattr(everything().guards[0], name)[0] = 0


def test_what_is_made_from_a_program_cannot_be_written_either() -> None:
    program = everything().without_dead_code()
    with pytest.raises(ValueError, match="read-only"):
        program.operands[0] = 0


# -- checks ------------------------------------------------------------------------------------------------------------


def columns(**change: Any) -> Program:
    """t1 = x1 * x2; t2 = sin(t1), with columns changed."""
    good: dict[str, Any] = {
        "n_inputs": 2,
        "codes": np.array([CODES["mul"], CODES["sin"]]),
        "starts": np.array([0, 2, 3]),
        "operands": np.array([0, 1, 2]),
        "constants": np.array([1.5]),
        "outputs": np.array([3, 1]),
    }
    return Program(**(good | change))


BROKEN_COLUMNS: dict[str, tuple[dict[str, Any], str]] = {
    "negative n": ({"n_inputs": -1}, "do not fit together"),
    "starts too short": ({"starts": np.array([0, 2])}, "do not fit together"),
    "starts empty": ({"starts": np.array([], dtype=int)}, "do not fit together"),
    "starts not at 0": ({"starts": np.array([1, 2, 3])}, "do not fit together"),
    "starts end early": ({"starts": np.array([0, 2, 2])}, "do not fit together"),
    "unknown code": ({"codes": np.array([CODES["mul"], 10_000])}, "not in the registry"),
    "unknown function": ({"codes": np.array([CODES["mul"], -1])}, "not in the registry"),
    "arity": ({"codes": np.array([CODES["mul"], CODES["add"]])}, "add takes 2 operands"),
    "reads itself": ({"operands": np.array([0, 1, 3])}, "not computed yet"),
    "reads a later value": ({"operands": np.array([0, 3, 2])}, "not computed yet"),
    "no such constant": ({"operands": np.array([0, -2, 2])}, "outside the constant pool"),
    "nan": ({"constants": np.array([math.nan])}, "not finite"),
    "infinite": ({"constants": np.array([-math.inf])}, "not finite"),
    "output too large": ({"outputs": np.array([4])}, "an output is not a value"),
    "output negative": ({"outputs": np.array([-1])}, "an output is not a value"),
    "names too few": ({"names": ("a", "b", "c")}, "one name per value"),
    "names twice": ({"names": ("a", "b", "c", "a")}, "two values have the name a"),
}


def test_the_good_columns_are_good() -> None:
    assert [str(s) for s in columns().steps()] == ["t1 = x1 * x2", "t2 = sin(t1)"]


@pytest.mark.parametrize(("change", "message"), BROKEN_COLUMNS.values(), ids=BROKEN_COLUMNS)
def test_columns_that_make_no_program(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        columns(**change)


def test_errors_say_which_step() -> None:
    with pytest.raises(ProgramError, match="step 2") as caught:
        columns(codes=np.array([CODES["mul"], CODES["add"]]))
    assert caught.value.got == "1 operands"
    with pytest.raises(ProgramError, match="step 1") as caught:
        columns(operands=np.array([0, 3, 2]))
    assert caught.value.remedy


@pytest.mark.parametrize("bad", range(7))
def test_every_step_is_checked_whatever_the_size_of_a_chunk(bad: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowgraph.program._CHUNK", 3)
    good: dict[str, Any] = {
        "codes": np.full(7, CODES["sin"]),
        "starts": np.arange(8),
        "operands": np.arange(7),
        "outputs": np.array([7]),
        "n_inputs": 1,
    }
    assert columns(**good).n_steps == 7
    operands, codes = good["operands"].copy(), good["codes"].copy()
    operands[bad], codes[bad] = bad + 1, CODES["add"]
    with pytest.raises(ProgramError, match=f"(?s)not computed yet.*step {bad + 1}\n"):
        columns(**(good | {"operands": operands}))
    with pytest.raises(ProgramError, match=f"(?s)add takes 2 operands.*step {bad + 1}\n"):
        columns(**(good | {"codes": codes}))


UNCHECKED_COLUMNS: dict[str, dict[str, Any]] = {
    "starts descend": {
        "codes": np.array([-1, -1, -1]),
        "starts": np.array([0, 2, 1, 3]),
        "operands": np.array([0, 1, 0]),
        "functions": ("f",),
    },
    "a function named twice": {"functions": ("f", "f")},
    "a guard of no value": {"guards": (Guard(np.array([4]), np.array([True])),)},
    "a guard of a constant": {"guards": (Guard(np.array([-1]), np.array([True])),)},
    "a guard of two lengths": {"guards": (Guard(np.array([0, 1]), np.array([True])),)},
}


@pytest.mark.parametrize("change", UNCHECKED_COLUMNS.values(), ids=UNCHECKED_COLUMNS)
def test_columns_that_make_no_program_and_are_not_refused_yet(change: dict[str, Any]) -> None:
    try:
        columns(**change)
    except ProgramError:
        return
    pytest.fail("accepted")


@pytest.mark.parametrize("index", [-1, 2])
def test_a_step_that_does_not_exist(index: int) -> None:
    try:
        columns().step(index)
    except ProgramError:
        return
    except IndexError:
        pytest.fail("a bare IndexError")
    pytest.fail("accepted")


def test_two_equal_names_among_many_are_found_soon() -> None:
    class Name(str):
        """Counts its comparisons."""

        compared = 0
        __hash__ = str.__hash__

        def __eq__(self, other: object) -> bool:
            Name.compared += 1
            return str.__eq__(self, other)

    names = [Name(f"v{k}") for k in range(300)]
    with pytest.raises(ProgramError, match="two values have the name v298"):
        Builder(300).finish(np.array([0]), names=[*names[:-1], Name("v298")])
    assert Name.compared < 3000


# -- names, steps, lines -----------------------------------------------------------------------------------------------


def test_default_names() -> None:
    program = columns()
    assert [program.name(v) for v in range(4)] == ["x1", "x2", "t1", "t2"]
    assert program.input_names == ("x1", "x2")
    assert program.output_names == ("t2", "x2")


def test_the_view_of_a_step() -> None:
    program = everything()
    step = program.step(2)
    assert (step.index, step.name, step.function, step.line) == (2, "t3", "select", 6)
    assert step.operands == (3, 2, -1)
    assert step.texts == ("t2", "t1", "-2")
    assert step.operation is not None
    assert step.right_hand_side == "select(t2, t1, -2)"
    assert program.step(4).operation is None
    assert [str(s) for s in program.steps()] == [
        "t1 = (-2) * x1",
        "t2 = sin(x2)",
        "t3 = select(t2, t1, -2)",
        "t4 = exp(x1)",
        "t5 = f(t3, x2, t3)",
    ]
    assert program.arguments().tolist() == [-1, 0, 1, -1, 2, -1, 0, 4, 1, 4]


def test_lines() -> None:
    program = everything()
    assert [program.line(k) for k in range(5)] == [4, 4, 6, 7, 9]
    assert program.source_lines is not None
    assert program.source_lines.starts.tolist() == [0, 2, 3, 4]
    assert replace(program, source_lines=None).line(0) == 0
    assert Builder(0).finish(np.array([], dtype=int)).line(0) == 0


@given(st.lists(st.integers(0, 3), max_size=8))
def test_a_line_is_the_line_of_its_run(lines: list[int]) -> None:
    builder = Builder(1)
    for line in lines:
        builder.append("sin", np.zeros(1 + line, dtype=int), line=line)
    program = builder.finish(np.array([0]))
    expected = [line for line in lines for _ in range(1 + line)]
    assert [s.line for s in program.steps()] == expected


@given(programs())
def test_the_steps_are_the_columns(program: Program) -> None:
    steps = list(program.steps())
    assert [s.index for s in steps] == list(range(program.n_steps))
    assert [o for s in steps for o in s.operands] == program.operands.tolist()
    assert [s.name for s in steps] == [program.name(program.n_inputs + k) for k in range(program.n_steps)]
    assert program.n_values == program.n_inputs + len(steps)
    assert len(program.output_names) == program.n_outputs
    flat = [-1 if o < 0 or (s.operation and k in s.operation.inactive) else o
            for s in steps for k, o in enumerate(s.operands)]  # fmt: skip
    assert program.arguments().tolist() == flat


# -- what people read --------------------------------------------------------------------------------------------------


def test_describe_figure_2() -> None:
    assert figure_2().describe() == "\n".join(
        [
            "3 inputs, 2 steps, 3 outputs; width 3",
            " time  step                register  width  kind      dies",
            "    0  x1, x2, x3                        3",
            "    1  z1 = f(x1, x2)      r1            3  equasive  x1",
            "    2  z2 = g(x3, z1)      r3            3  equasive  x3",
            "       outputs z1, x2, z2",
        ]
    )


def test_describe_every_kind() -> None:
    builder = Builder(2)
    t1 = int(builder.append("sin", np.asarray(0)))
    builder.append("cos", np.asarray(t1))
    t3 = int(builder.append("exp", np.asarray(1)))
    t4 = int(builder.append("select", np.asarray(t3), np.asarray(t1), np.asarray(builder.constant(-0.5))))
    t5 = int(builder.append("sub", np.asarray(t4), np.asarray(t1)))
    builder.append("div", np.asarray(builder.constant(-1.0)), np.asarray(t5))
    assert builder.finish(np.array([7])).describe() == "\n".join(
        [
            "2 inputs, 6 steps, 1 output; width 1 to 2",
            " time  step                       register  width  kind         dies",
            "    0  x1, x2                                   2",
            "    1  t1 = sin(x1)               r1            1  equasive     x1",
            "    2  t2 = cos(t1)                             1  dead",
            "    3  t3 = exp(x2)                             1  passive",
            "    4  t4 = select(t3, t1, -0.5)  r2            2  expansive",
            "    5  t5 = t4 - t1               r2            1  contractive  t4, t1",
            "    6  t6 = (-1) / t5             r2            1  equasive     t5",
            "       outputs t6",
        ]
    )


def test_describe_the_empty_program() -> None:
    text = Builder(0).finish(np.array([], dtype=int)).describe()
    assert text.splitlines()[0] == "0 inputs, 0 steps, 0 outputs; width 0"
    assert text.splitlines()[-1].strip() == "outputs"


@given(programs())
def test_describe_has_a_line_per_step(program: Program) -> None:
    lines = program.describe().splitlines()
    assert len(lines) == program.n_steps + 4
    assert all(str(step) in line for step, line in zip(program.steps(), lines[3:], strict=False))
    assert all(kind.value in line for kind, line in zip(program.liveness().kinds(), lines[3:], strict=False))


def test_repr_is_short() -> None:
    assert repr(figure_2()) == "<Program: 3 inputs, 2 steps, 3 outputs>"
