"""Orders of steps: how they may be given, what is wrong with those that are refused, and samples.

Counts and enumerations are held to an oracle in ``test_lump_theory``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import flowgraph as fg
from flowgraph.builder import Builder
from flowgraph.data_flow import data_flow
from flowgraph.lumping import lumps
from flowgraph.orders import count_orders, enumerate_orders, legal_order, sample_orders, step_numbers
from tests.lump_oracle import facts_of, is_legal

PROGRAM = fg.parse("inputs x, y\nt1 = p(x)\nt2 = p(y)\nz1 = q(x, t1)\nz2 = q(y, t2)\noutputs z1, z2")


def order_of(program: fg.Program, order: Any) -> list[int]:
    return legal_order(program, data_flow(program), order).tolist()


@pytest.mark.parametrize(
    "order",
    [
        ["t2", "z2", "t1", "z1"],
        ("t2", "z2", "t1", "z1"),
        [1, 3, 0, 2],
        np.array([1, 3, 0, 2]),
        np.array([1, 3, 0, 2], dtype=np.int8),
        np.array([1, 3, 0, 2], dtype=np.uint64),
        [np.int64(1), np.int32(3), 0, 2],
        ["t2", 3, "t1", 2],
        np.array(["t2", "z2", "t1", "z1"]),
        np.array(["t2", 3, "t1", 2], dtype=object),
    ],
    ids=repr,
)
def test_the_ways_to_give_an_order(order: Any) -> None:
    assert order_of(PROGRAM, order) == [1, 3, 0, 2]
    assert lumps(PROGRAM, order).order.tolist() == [1, 3, 0, 2]
    names = [step.name for step in fg.derive(PROGRAM, "reverse-inverse", order=order).program.steps()]
    assert names == ["t2", "z2", "t1", "z1"]


def test_generators_and_other_iterables() -> None:
    assert step_numbers(PROGRAM, range(4)).tolist() == [0, 1, 2, 3]
    assert step_numbers(PROGRAM, {"t1": 1, "t2": 2}).tolist() == [0, 1]  # pyright: ignore[reportArgumentType]


UNKNOWN: list[Any] = [4, -1, 2**70, True, False, 1.0, 0.5, None, "x", "nobody", "", "T1", b"t1", (0,), float("nan")]


@pytest.mark.parametrize("wrong", UNKNOWN, ids=repr)
def test_steps_that_there_are_not(wrong: Any) -> None:
    for place, order in ((1, [wrong, 1, 2, 3]), (3, [0, 1, wrong]), (2, ["t1", wrong])):
        with pytest.raises(fg.InputError, match="names a step that the program does not have") as caught:
            order_of(PROGRAM, order)
        error = caught.value
        assert error.got == repr(wrong)
        assert error.where == f"place {place} of the order"
        assert "from 0 to 3" in (error.expected or "")


@pytest.mark.parametrize("order", [np.array([0.0, 1.0, 2.0, 3.0]), np.array([True, False]), [[0, 1], [2, 3]]], ids=repr)
def test_arrays_that_hold_no_steps(order: Any) -> None:
    with pytest.raises(fg.InputError, match="names a step"):
        order_of(PROGRAM, order)


@pytest.mark.parametrize(
    ("order", "missing"),
    [([], ["t1", "t2", "z1", "z2"]), ([0, 1, 2], ["z2"]), (["t2", "z2"], ["t1", "z1"]), ([1], ["t1", "z1", "z2"])],
)
def test_steps_that_are_left_out_are_named(order: list[Any], missing: list[str]) -> None:
    with pytest.raises(fg.InputError, match="leaves out") as caught:
        order_of(PROGRAM, order)
    error = caught.value
    assert f"leaves out {len(missing)} step{'s' * (len(missing) > 1)}" in error.what
    assert error.got == f"{len(order)} of 4 steps"
    assert error.remedy == f"give a place to {', '.join(missing)}"


def test_many_that_are_left_out_are_not_all_named() -> None:
    program = fg.parse("inputs x\n" + "\n".join("x = f(x)" for _ in range(12)) + "\noutputs x")
    with pytest.raises(fg.InputError) as caught:
        order_of(program, [0])
    assert "leaves out 11 steps" in str(caught.value)
    assert (caught.value.remedy or "").endswith(" and others")
    assert len((caught.value.remedy or "").split(",")) == 8


@pytest.mark.parametrize(
    ("order", "name", "where"),
    [
        ([0, 1, 2, 3, 0], "t1", "places 1, 5"),
        (["t1", "z1", "z1", "t2", "z2"], "z1", "places 2, 3"),
        ([3, 3, 3, 3], "z2", "places 1, 2, 3"),
        ([0, "t1", 1, 2, 3], "t1", "places 1, 2"),
    ],
)
def test_steps_that_stand_twice_are_named(order: list[Any], name: str, where: str) -> None:
    with pytest.raises(fg.InputError, match="more than once") as caught:
        order_of(PROGRAM, order)
    error = caught.value
    assert f"the step {name} more than once" in error.what
    assert error.where == where
    assert name in (error.got or "")


@pytest.mark.parametrize(
    ("order", "reader", "read", "place"),
    [
        (["z1", "t1", "t2", "z2"], "z1", "t1", 1),
        ([0, 3, 1, 2], "z2", "t2", 2),
        ([3, 2, 1, 0], "z2", "t2", 1),
        (["t2", "z1", "z2", "t1"], "z1", "t1", 2),
    ],
)
def test_a_pair_in_the_wrong_order_is_named(order: list[Any], reader: str, read: str, place: int) -> None:
    with pytest.raises(fg.InputError, match="comes later in the order") as caught:
        order_of(PROGRAM, order)
    error = caught.value
    assert error.what == f"{reader} needs {read}, which comes later in the order"
    line = {"z1": 4, "z2": 5}[reader]
    assert (error.where or "").startswith(f"place {place} of the order, line {line}: {reader} = q(")
    assert error.got == f"{reader} before {read}"
    assert error.remedy == f"put {read} before {reader}"


def test_programs_without_steps() -> None:
    program = fg.parse("inputs x, y\noutputs y, x")
    assert order_of(program, []) == order_of(program, None) == []
    assert (count_orders(program), list(enumerate_orders(program)), sample_orders(program, 2)) == (1, [()], ((), ()))
    assert len(lumps(program, [])) == 0
    with pytest.raises(fg.InputError) as caught:
        order_of(program, [0])
    assert caught.value.expected == "nothing: the program has no steps"


def test_dead_code_may_be_named_and_passive_steps_must_be() -> None:
    program = fg.parse("inputs x, y, s\nd = f(x)\nc = x - 0.5\nd2 = g(d)\nz = select(c, x, y)\noutputs z, y, s")
    for order in (["c", "z"], ["d", "c", "z"], ["d2", "d", "c", "z"], ["c", "z", "d2"], [1, 3], [1, 2, 3, 0], None):
        assert order_of(program, order) == [1, 3]
    with pytest.raises(fg.InputError, match="leaves out 1 step"):
        order_of(program, ["z"])
    with pytest.raises(fg.InputError, match="z needs c") as caught:
        order_of(program, ["d", "z", "d2", "c"])
    # Places are counted in the order as it was given, dead code with it.
    assert (caught.value.where or "").startswith("place 2 of the order")
    # A dead step may even stand there twice: it has no place in the order.
    assert order_of(program, ["d", "d", "c", "z"]) == [1, 3]
    assert count_orders(program) == 1


# -- counting and sampling ---------------------------------------------------------------------------------------------


def test_too_many_orders_to_count_are_refused_and_not_tried() -> None:
    names = [f"x{k}" for k in range(24)]
    lines = "\n".join(f"z{k} = f(x{k})" for k in range(24))
    program = fg.parse(f"inputs {', '.join(names)}\n{lines}\noutputs {', '.join(f'z{k}' for k in range(24))}")
    with pytest.raises(fg.InputError, match="too many orders") as caught:
        count_orders(program)
    assert "24 steps" in (caught.value.got or "")
    assert "sample_orders" in (caught.value.remedy or "")
    (order,) = sample_orders(program, 1)
    assert sorted(order) == list(range(24))
    found: Iterator[tuple[int, ...]] = enumerate_orders(program)
    assert next(found) == tuple(range(24))
    assert next(found) == (*range(22), 23, 22)


def test_samples_are_legal_repeatable_and_even() -> None:
    assert sample_orders(PROGRAM, 0) == ()
    found = sample_orders(PROGRAM, 6000, seed=3)
    assert found == sample_orders(PROGRAM, 6000, seed=3)
    assert found != sample_orders(PROGRAM, 6000, seed=4)
    facts = facts_of(PROGRAM)
    assert all(is_legal(facts, order) for order in set(found))
    counts = Counter(found)
    assert set(counts) == set(enumerate_orders(PROGRAM))
    # 1000 of each, with a standard deviation of 29.
    assert all(870 < count < 1130 for count in counts.values())


def test_a_sample_weighs_what_can_follow() -> None:
    """Of a long chain beside one step, that step is as likely in each of its eleven places."""
    chain = "\n".join("x = f(x)" for _ in range(10))
    program = fg.parse(f"inputs x, y\n{chain}\nw = g(y)\noutputs x, w")
    places = Counter(order.index(10) for order in sample_orders(program, 4400))
    assert set(places) == set(range(11))
    assert all(310 < count < 490 for count in places.values())


def test_a_long_program_is_sampled_too() -> None:
    lines = "\n".join(f"{v} = f({v})" for _ in range(150) for v in "xy")
    program = fg.parse(f"inputs x, y\n{lines}\noutputs x, y")
    facts = facts_of(program)
    one, two = sample_orders(program, 2, seed=1)
    assert one != two
    assert is_legal(facts, one)
    assert is_legal(facts, two)


def test_what_is_no_program() -> None:
    for call in (count_orders, lambda p: list(enumerate_orders(p)), lambda p: sample_orders(p, 1)):
        with pytest.raises(fg.InputError, match="a program is needed"):
            call(3)  # pyright: ignore[reportArgumentType]


# -- reordered ---------------------------------------------------------------------------------------------------------


def test_reordered_keeps_names_lines_outputs_and_guards() -> None:
    builder = Builder(2)
    a = builder.call("f", 0, line=1)
    b = builder.call("g", 1, line=2)
    c = builder.call("h", a, b, line=3)
    d = builder.call("k", b, line=3)
    builder.guard(np.array([b]), np.array([True]), line=2)
    program = builder.finish(np.array([c, d]))
    other = program.reordered(np.array([1, 3, 0, 2]))
    assert [str(step) for step in other.steps()] == ["t2 = g(x2)", "t4 = k(t2)", "t1 = f(x1)", "t3 = h(t1, t2)"]
    assert other.output_names == program.output_names == ("t3", "t4")
    assert [other.line(k) for k in range(4)] == [2, 3, 1, 3]
    assert [other.name(int(v)) for v in other.guards[0].values] == ["t2"]
    back = other.reordered(np.array([2, 0, 3, 1]))
    assert [str(step) for step in back.steps()] == [str(step) for step in program.steps()]
    assert program.reordered(np.arange(4)) == program
    named = fg.parse("inputs x\nx = f(x)\nx = f(x)\noutputs x")
    assert named.reordered(np.array([0, 1])) == named


def test_reordered_refuses_what_reads_too_early_or_what_is_gone() -> None:
    for wrong in ([2, 0, 1, 3], [0, 2, 3, 1], [2, 3, 0, 1]):
        with pytest.raises(fg.ProgramError):
            PROGRAM.reordered(np.array(wrong))
    # z2 is an output, and t2 is read.
    for fewer in ([0, 1, 2], [0, 2, 3]):
        with pytest.raises(fg.ProgramError):
            PROGRAM.reordered(np.array(fewer))
    dead = fg.parse("inputs x\nd = f(x)\nz = g(x)\noutputs z")
    assert [step.name for step in dead.reordered(np.array([1])).steps()] == ["z"]


def test_reordered_computes_the_same() -> None:
    program = fg.parse("inputs x, y\nt = sin(x)\nu = cos(y)\nz = t * u\nw = u + y\noutputs z, w")
    expected = fg.jacobian(program)
    for order in enumerate_orders(program):
        assert (fg.jacobian(program.reordered(np.array(order))) - expected).is_zero_matrix
