"""``Builder``: blocks equal scalar appends, operands broadcast, constants are kept as they were given."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from flowgraph.builder import Builder
from flowgraph.errors import ProgramError
from flowgraph.operations import OPERATIONS, operation

finite = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def blocks(draw: st.DrawFn) -> tuple[int, list[tuple[str, tuple[np.ndarray, ...], int]]]:
    """n, and a list of (operation, index arrays that broadcast, line); operands are inputs."""
    n = draw(st.integers(1, 5))
    result = []
    for _ in range(draw(st.integers(0, 4))):
        op = draw(st.sampled_from(OPERATIONS))
        shapes = draw(arrays.mutually_broadcastable_shapes(num_shapes=op.arity, min_side=0, max_side=3, max_dims=3))
        operands = tuple(
            draw(arrays.arrays(np.int64, shape, elements=st.integers(0, n - 1))) for shape in shapes.input_shapes
        )
        result.append((op.name, operands, draw(st.integers(0, 2))))
    return n, result


@given(blocks())
def test_a_block_is_its_steps_one_by_one(drawn: tuple[int, list[tuple[str, tuple[np.ndarray, ...], int]]]) -> None:
    n, steps = drawn
    whole, single = Builder(n), Builder(n)
    for name, operands, line in steps:
        got = whole.append(name, *operands, line=line)
        wide = np.broadcast_arrays(*operands)
        shape = wide[0].shape
        expected = [
            int(single.append(name, *(w[place] for w in wide), line=line)) for place in np.ndindex(shape)
        ]  # row-major: the last index runs fastest
        assert got.dtype == np.int64
        assert got.shape == shape
        assert got.reshape(-1).tolist() == expected
        assert whole.n_values == single.n_values
    outputs = np.arange(whole.n_values)
    a, b = whole.finish(outputs), single.finish(outputs)
    assert a == b
    assert [s.line for s in a.steps()] == [s.line for s in b.steps()]
    assert a.codes.dtype == np.int16
    assert a.operands.dtype == np.int32
    assert a.n_steps == whole.n_values - n


def test_values_are_numbered_in_order() -> None:
    builder = Builder(3)
    assert builder.append("sin", np.arange(3)).tolist() == [3, 4, 5]
    assert builder.call("f", 0, 5) == 6
    assert builder.append("add", np.array([[0], [1]]), np.array([2, 3])).tolist() == [[7, 8], [9, 10]]
    assert builder.n_values == 11


@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0, 1)])
def test_an_empty_block_appends_nothing(shape: tuple[int, ...]) -> None:
    builder = Builder(1)
    result = builder.append("add", np.zeros(shape, dtype=int), np.asarray(0))
    assert result.shape == shape
    assert builder.n_values == 1
    assert builder.finish(np.array([0])).n_steps == 0


def test_shapes_that_do_not_broadcast_are_refused() -> None:
    with pytest.raises(ValueError, match=r"broadcast|mismatch"):
        Builder(1).append("add", np.zeros(2, dtype=int), np.zeros(3, dtype=int))


def test_an_operand_array_may_be_changed_after_it_was_appended() -> None:
    builder = Builder(2)
    operand = np.array([0, 1])
    builder.append("sin", operand)
    operand[:] = 7
    assert builder.finish(np.array([2])).operands.tolist() == [0, 1]


# -- constants ---------------------------------------------------------------------------------------------------------


def pool(builder: Builder) -> list[bytes]:
    return [struct.pack("<d", c) for c in builder.finish(np.array([], dtype=int)).constants]


@given(st.lists(finite, max_size=6))
def test_constants_are_kept_bit_by_bit_and_shared(numbers: list[float]) -> None:
    builder = Builder(0)
    first = [builder.constant(x) for x in numbers]
    again = [builder.constant(x) for x in numbers]
    entries = pool(builder)
    assert [entries[-1 - o] for o in first] == [entries[-1 - o] for o in again]
    assert [entries[-1 - o] for o in first] == [struct.pack("<d", x) for x in numbers]
    nonzero = [x for x in numbers if x != 0.0]
    assert [first[k] for k, x in enumerate(numbers) if x] == [again[k] for k, x in enumerate(numbers) if x]
    assert len({entry for entry in entries if struct.unpack("<d", entry)[0]}) == len(set(nonzero))


@given(arrays.arrays(float, arrays.array_shapes(min_dims=0, min_side=0, max_side=3), elements=finite))
def test_an_array_of_constants(values: np.ndarray) -> None:
    builder = Builder(0)
    operands = builder.constants(values)
    entries = pool(builder)
    assert operands.shape == values.shape
    assert [entries[-1 - o] for o in operands.reshape(-1)] == [struct.pack("<d", x) for x in values.reshape(-1)]


def test_negative_zero_is_not_zero() -> None:
    builder = Builder(0)
    operands = [builder.constant(0.0), builder.constant(-0.0), builder.constant(0.0)]
    entries = pool(builder)
    assert [math.copysign(1.0, struct.unpack("<d", entries[-1 - o])[0]) for o in operands] == [1.0, -1.0, 1.0]


def test_an_array_of_one_shares_with_the_scalars() -> None:
    builder = Builder(0)
    assert builder.constants(np.array([[2.0]])).tolist() == [[builder.constant(2)]]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_refused(bad: float) -> None:
    builder = Builder(0)
    with pytest.raises(ProgramError, match="not finite") as caught:
        builder.constant(bad)
    assert caught.value.got == repr(bad)
    for array in (np.array(bad), np.array([1.0, bad, 2.0])):
        with pytest.raises(ProgramError, match="not finite") as caught:
            builder.constants(array)
        assert caught.value.got == repr(bad)
    assert pool(builder) == []


@pytest.mark.parametrize("size", [1, 2])
def test_an_array_of_constants_may_be_changed_afterwards(size: int) -> None:
    builder = Builder(0)
    values = np.full(size, 3.0)
    builder.constants(values)
    values[:] = 7.0
    assert set(pool(builder)) == {struct.pack("<d", 3.0)}


# -- guards, functions, finish -----------------------------------------------------------------------------------------


def test_guards_are_recorded_flat() -> None:
    builder = Builder(4)
    builder.guard(np.array([[0, 1], [2, 3]]), np.array([[1, 0], [0, 1]]), line=8)
    (guard,) = builder.finish(np.array([0])).guards
    assert guard.values.tolist() == [0, 1, 2, 3]
    assert guard.outcomes.tolist() == [True, False, False, True]
    assert guard.outcomes.dtype == bool
    assert guard.line == 8


def test_what_a_guard_was_given_may_be_changed_afterwards() -> None:
    builder = Builder(2)
    values, outcomes = np.array([0, 1]), np.array([True, True])
    builder.guard(values, outcomes)
    values[:], outcomes[:] = 9, False
    (guard,) = builder.finish(np.array([0])).guards
    assert guard.values.tolist() == [0, 1]
    assert guard.outcomes.tolist() == [True, True]


def test_the_same_function_has_the_same_code() -> None:
    builder = Builder(1)
    for name in ("f", "g", "f"):
        builder.call(name, 0)
    program = builder.finish(np.array([1]))
    assert program.functions == ("f", "g")
    assert program.codes.tolist() == [-1, -2, -1]


def test_finish_does_not_take_the_array_of_the_caller() -> None:
    outputs = np.array([0, 1], dtype=np.int32)
    program = Builder(2).finish(outputs)
    outputs[:] = 1
    assert program.outputs.tolist() == [0, 1]


def test_finish_may_be_called_again_after_more_steps() -> None:
    builder = Builder(1)
    builder.append("sin", np.asarray(0))
    short = builder.finish(np.array([1]))
    builder.append("cos", np.asarray(1))
    builder.constant(4.0)
    long = builder.finish(np.array([2]), names=["x", "s", "c"])
    assert short.n_steps == 1
    assert short.constants.tolist() == []
    assert [str(s) for s in long.steps()] == ["s = sin(x)", "c = cos(s)"]


def test_the_empty_program() -> None:
    program = Builder(0).finish(np.array([], dtype=int))
    assert (program.n_inputs, program.n_steps, program.n_outputs, program.n_values) == (0, 0, 0, 0)
    assert Builder(0).finish(np.array([])).outputs.dtype == np.int32


@pytest.mark.parametrize("outputs", [[2], [-1]])
def test_outputs_are_checked(outputs: list[int]) -> None:
    with pytest.raises(ProgramError, match="an output is not a value"):
        Builder(2).finish(np.array(outputs))


def test_operands_are_checked_at_the_end() -> None:
    builder = Builder(1)
    builder.append("sin", np.asarray(1))
    with pytest.raises(ProgramError, match="not computed yet"):
        builder.finish(np.array([0]))
    builder = Builder(1)
    builder.append("sin", np.asarray(-1))
    with pytest.raises(ProgramError, match="constant pool"):
        builder.finish(np.array([0]))
    builder = Builder(1)
    builder.append("sin", np.asarray(0), np.asarray(0))
    with pytest.raises(ProgramError, match="sin takes 1 operands"):
        builder.finish(np.array([0]))


def test_too_many_steps_are_refused_before_any_memory_is_taken() -> None:
    builder = Builder(1)
    row = np.zeros((2**16, 1), dtype=np.int8)
    huge: Any = np.broadcast_to(row, (2**16, 2**15))
    with pytest.raises(ProgramError, match="too long"):
        builder.append("sin", huge)
    assert builder.n_values == 1


def test_every_operation_can_be_appended() -> None:
    builder = Builder(1)
    for op in OPERATIONS:
        builder.append(op.name, *[np.asarray(0)] * op.arity)
    program = builder.finish(np.array([builder.n_values - 1]))
    assert [step.operation for step in program.steps()] == list(OPERATIONS)
    assert [step.function for step in program.steps()] == [operation(op.name).name for op in OPERATIONS]
