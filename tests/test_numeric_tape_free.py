"""Sweeps without a tape, against a dense Jacobian that shares nothing with them, and against the sweeps with a tape."""

from __future__ import annotations

import tracemalloc
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import flowgraph as fg
from flowgraph.builder import Builder
from flowgraph.errors import (
    AccuracyWarning,
    DomainError,
    FlowgraphError,
    InputError,
    NotInvertible,
    SingularJacobian,
)
from flowgraph.numeric import segments as cutting
from flowgraph.numeric.analysed import backend_named
from flowgraph.numeric.segments import excerpt, period, segments
from flowgraph.numeric.tape_free import tape_free
from flowgraph.operations import OPERATIONS
from flowgraph.program import Program
from tests.evaluate import evaluate, guards_hold, values
from tests.lump_programs import random_program
from tests.strategies import GENERAL, invertible_programs, programs

Array = NDArray[Any]

BACKENDS = [
    name
    for name, needed in (("numpy", "flowgraph.numeric.numpy_backend"), ("compiled", "numba"))
    if find_spec(needed) is not None
]

each_backend = pytest.mark.parametrize("backend", BACKENDS)


# -- the oracle --------------------------------------------------------------------------------------------------------


def dense(program: Program, x: Array) -> Array:
    """J by the chain rule on the columns, one step after the other."""
    known = values(program, x)
    rows = [*np.eye(program.n_inputs)]
    for k, code in enumerate(program.codes.tolist()):
        operands = program.operands[program.starts[k] : program.starts[k + 1]].tolist()
        numbers = [np.float64(known[o] if o >= 0 else program.constants[-1 - o]) for o in operands]
        row = np.zeros(program.n_inputs)
        for slot, operand in enumerate(operands):
            if operand >= 0 and slot not in OPERATIONS[code].inactive:
                row = row + float(OPERATIONS[code].partials[slot](*numbers)) * rows[operand]
        rows.append(row)
    return np.array([rows[v] for v in program.outputs.tolist()]).reshape(program.n_outputs, program.n_inputs)


def outcome(run: Callable[[], Any]) -> Any:
    """What a call gives, or the class of its error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AccuracyWarning)
            return run()
    except FlowgraphError as error:
        return type(error)


def assert_close(found: Array, expected: Array, tolerance: float) -> None:
    assert found.shape == expected.shape
    assert np.abs(found - expected).max(initial=0.0) <= tolerance * max(1.0, np.abs(expected).max(initial=0.0))


def known_program(rng: Random) -> Program:
    """A program of ``random_program`` with operations in the place of its functions."""
    source = random_program(rng, max_inputs=4, max_steps=14)
    builder = Builder(source.n_inputs)
    value = list(range(source.n_inputs))
    for step in source.steps():
        operands = [np.asarray(value[v]) for v in step.operands]
        if step.operation is not None:
            value.append(int(builder.append("select", *operands)))
            continue
        first, *others = operands
        result = builder.append(rng.choice(("atan", "sin", "tanh", "asinh")), first, line=step.index + 1)
        for other in others:
            result = builder.append(rng.choice(("add", "sub", "mul", "add")), np.asarray(result), other)
        value.append(int(result))
    for guard in source.guards:
        builder.guard(np.array([value[v] for v in guard.values.tolist()]), guard.outcomes)
    return builder.finish(np.array([value[v] for v in source.outputs.tolist()], dtype=np.int64))


def holds_somewhere(program: Program, rng: np.random.Generator) -> Array | None:
    for _ in range(4):
        x = rng.uniform(-1.5, 1.5, program.n_inputs)
        if guards_hold(program, x):
            return x
    return None


# -- against the oracle ------------------------------------------------------------------------------------------------


@each_backend
@pytest.mark.parametrize("segment", [1, 3, None])
def test_random_programs_agree_with_the_dense_jacobian(backend: str, segment: int | None) -> None:
    rng, numbers = Random(1), np.random.default_rng(1)
    forward = inverse = several = 0
    for _ in range(150):
        program = known_program(rng)
        x = holds_somewhere(program, numbers)
        if x is None:
            continue
        jacobian = dense(program, x)
        sweeps = tape_free(program, backend=backend, segment=segment)
        v = numbers.normal(size=(program.n_inputs, 3))
        value, tangent = sweeps.jvp(x, v)
        assert_close(value, evaluate(program, x), 1e-13)
        assert_close(tangent, jacobian @ v, 1e-12)
        forward += 1
        found = outcome(lambda sweeps=sweeps, x=x, v=v: sweeps.ivjp(x, v))
        taped = outcome(lambda program=program, x=x, v=v: fg.ivjp(program, x, v, backend=backend))
        if isinstance(taped, type):
            assert found is taped
            continue
        several += len(sweeps._variants[0].inverse.all) > 1
        # Where J is small, or its inverse is, the oracle loses its digits in differences.
        if max(np.linalg.cond(jacobian), np.linalg.norm(np.linalg.inv(jacobian))) < 1e5:
            assert_close(found, np.linalg.solve(jacobian.T, v), 1e-7)
            inverse += 1
    assert forward > 100
    assert inverse > 40
    assert (several > 40) == (segment is not None)


@each_backend
@settings(max_examples=60, deadline=None)
@given(data=st.data(), segment=st.integers(1, 6), seed=st.integers(0, 2**32 - 1))
def test_both_ways_do_the_same(backend: str, data: st.DataObject, segment: int, seed: int) -> None:
    """Dead and passive steps, constants, guards that fail, repeated outputs, no inputs: the same result or error."""
    program = data.draw(programs(operations=(*GENERAL, "sqrt", "div"), functions=(), max_steps=12))
    rng = np.random.default_rng(seed)
    x, v = rng.uniform(-2, 2, program.n_inputs), rng.normal(size=program.n_inputs)
    sweeps = tape_free(program, backend=backend, segment=segment)
    taped, found = outcome(lambda: fg.jvp(program, x, v, backend=backend)), outcome(lambda: sweeps.jvp(x, v))
    if isinstance(taped, type):
        assert found is taped
    else:
        assert_close(found[0], taped[0], 1e-13)
        assert_close(found[1], taped[1], 1e-12)


@each_backend
@settings(max_examples=60, deadline=None)
@given(
    program=invertible_programs(operations=GENERAL, functions=(), max_steps=14),
    segment=st.integers(1, 6),
    seed=st.integers(0, 2**32 - 1),
)
def test_invertible_programs_agree_with_the_dense_inverse(
    backend: str, program: Program, segment: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x, v = rng.uniform(-2, 2, program.n_inputs), rng.normal(size=program.n_inputs)
    assume(guards_hold(program, x))
    found = outcome(lambda: tape_free(program, backend=backend, segment=segment).ivjp(x, v))
    if isinstance(found, type):
        assert found is outcome(lambda: fg.ivjp(program, x, v, backend=backend))
        return
    jacobian = dense(program, x)
    assume(np.linalg.cond(jacobian) < 1e4)
    assume(np.linalg.norm(np.linalg.inv(jacobian)) < 1e4)
    assert_close(found, np.linalg.solve(jacobian.T, v), 1e-8)


# -- families ----------------------------------------------------------------------------------------------------------


def leapfrog(half: int, steps: int) -> Callable[[Any], Any]:
    def f(x: Any) -> Any:
        q, p = x[:half], x[half:]
        for _ in range(steps):
            p = p + 0.05 * (np.roll(q, 1) - 2.0 * q + np.roll(q, -1) - np.sin(q))
            q = q + 0.05 * p
        return np.concatenate([q, p])

    return f


def tridiagonal(layers: int) -> Callable[[Any], Any]:
    def f(x: Any) -> Any:
        for _ in range(layers):
            s = 0.1 * np.sin(x)
            y = x + 0.5 * s
            y[1:] += s[:-1]
            y[:-1] += s[1:]
            x = y
        return x

    return f


def lorenz96(steps: int) -> Callable[[Any], Any]:
    def rate(x: Any) -> Any:
        return (np.roll(x, -1) - np.roll(x, 2)) * np.roll(x, 1) - x + 8.0

    def f(x: Any) -> Any:
        h = 0.01
        for _ in range(steps):
            a = rate(x)
            b = rate(x + h / 2 * a)
            c = rate(x + h / 2 * b)
            x = x + h / 6 * (a + 2 * b + 2 * c + rate(x + h * c))
        return x

    return f


FAMILIES = {"leapfrog": (leapfrog(6, 20), 12), "tridiagonal": (tridiagonal(20), 11), "lorenz96": (lorenz96(8), 10)}


@each_backend
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("segment", [50, 333, None])
def test_families_agree_with_the_tape_and_the_dense_jacobian(backend: str, family: str, segment: int | None) -> None:
    f, n = FAMILIES[family]
    program = fg.trace(f, n)
    rng = np.random.default_rng(3)
    x, v = rng.normal(size=n), rng.normal(size=(n, 2))
    jacobian = dense(program, x)
    sweeps = tape_free(program, backend=backend, segment=segment)
    value, tangent = sweeps.jvp(x, v)
    assert_close(value, evaluate(program, x), 1e-13)
    assert_close(tangent, jacobian @ v, 1e-13)
    cotangent = sweeps.ivjp(x, v)
    assert_close(cotangent, np.linalg.solve(jacobian.T, v), 1e-12)
    assert_close(cotangent, fg.ivjp(program, x, v, backend=backend), 1e-12)
    assert_close(sweeps.ivjp(x, v[:, 0]), cotangent[:, 0], 1e-14)


@each_backend
def test_batches(backend: str) -> None:
    f, n = FAMILIES["tridiagonal"]
    rng = np.random.default_rng(4)
    x, v = rng.normal(size=(5, n)), rng.normal(size=(5, n, 2))
    sweeps = tape_free(f, n, backend=backend, segment=200)
    value, tangent = sweeps.jvp(x, v)
    cotangent = sweeps.ivjp(x, v)
    for b in range(5):
        one, along = sweeps.jvp(x[b], v[b])
        assert_close(value[b], one, 1e-15)
        assert_close(tangent[b], along, 1e-15)
        assert_close(cotangent[b], sweeps.ivjp(x[b], v[b]), 1e-14)
    assert_close(sweeps.ivjp(x, v[..., 0]), cotangent[..., 0], 1e-14)
    none = np.zeros((0, n))
    assert [part.shape for part in sweeps.jvp(none, none)] == [(0, n), (0, n)]
    assert sweeps.ivjp(none, np.zeros((0, n, 3))).shape == (0, n, 3)


@each_backend
def test_the_functions_of_one_call(backend: str) -> None:
    f, n = FAMILIES["leapfrog"]
    x, v = np.linspace(0.1, 1.0, n), np.ones(n)
    value, tangent = fg.jvp(f, x, v, backend=backend, tape=False)
    taped = fg.jvp(f, x, v, backend=backend)
    assert_close(value, taped[0], 1e-15)
    assert_close(tangent, taped[1], 1e-14)
    assert_close(fg.ivjp(f, x, v, backend=backend, tape=False), fg.ivjp(f, x, v, backend=backend), 1e-12)
    with pytest.raises(InputError, match="cannot be refined"):
        fg.ivjp(f, x, v, backend=backend, tape=False, refine=1)


# -- edges -------------------------------------------------------------------------------------------------------------


@each_backend
def test_no_inputs_no_steps_and_outputs_that_are_inputs(backend: str) -> None:
    empty = Builder(0).finish(np.zeros(0, dtype=np.int64))
    sweeps = tape_free(empty, backend=backend)
    assert [part.shape for part in sweeps.jvp([], [])] == [(0,), (0,)]
    assert sweeps.ivjp([], np.zeros((0, 2))).shape == (0, 2)
    swap = Builder(2).finish(np.array([1, 0]))
    assert tape_free(swap, backend=backend).ivjp([1.0, 2.0], [3.0, 4.0]).tolist() == [4.0, 3.0]
    twice = fg.parse("inputs x, y\nz = sin(x)\nu = z * y\noutputs z, x, z, y, u")
    value, tangent = tape_free(twice, backend=backend, segment=1).jvp([0.5, 2.0], [1.0, 10.0])
    assert_close(value, evaluate(twice, [0.5, 2.0]), 1e-15)
    assert_close(tangent, dense(twice, np.array([0.5, 2.0])) @ [1.0, 10.0], 1e-15)


@each_backend
def test_constants_conditions_and_dead_code_between_segments(backend: str) -> None:
    """A constant, a condition and a value that later conditions only read all pass cuts."""
    builder = Builder(2)
    three = builder.scalar("constant", builder.constant(3.0))
    condition = builder.scalar("sub", 0, builder.constant(0.25))
    builder.scalar("exp", 1)
    grown = builder.scalar("mul", 0, three)
    first = builder.scalar("select", condition, grown, 1)
    second = builder.scalar("mul", 1, builder.constant(2.0))
    third = builder.scalar("select", 0, second, first)
    last = builder.scalar("select", condition, third, three)
    program = builder.finish(np.array([first, last]))
    for x in (np.array([1.0, 2.0]), np.array([2.0, -2.0])):
        jacobian = dense(program, x)
        for segment in (1, 2, 3, 4, 8):
            sweeps = tape_free(program, backend=backend, segment=segment)
            assert_close(sweeps.jvp(x, [1.0, 10.0])[1], jacobian @ [1.0, 10.0], 1e-15)
            assert_close(sweeps.ivjp(x, [1.0, 10.0]), np.linalg.solve(jacobian.T, [1.0, 10.0]), 1e-14)


@each_backend
@pytest.mark.parametrize("segment", [1, 2, None])
def test_conditions_are_held_to_their_domain_as_with_a_tape(backend: str, segment: int | None) -> None:
    program = fg.trace(lambda x: np.where(np.sqrt(x) > 0.5, 2.0, 3.0) * np.exp(np.sin(x)), 2)
    sweeps = tape_free(program, backend=backend, segment=segment)
    assert_close(
        sweeps.ivjp([0.04, 4.0], [1.0, 1.0]), fg.ivjp(program, [0.04, 4.0], [1.0, 1.0], backend=backend), 1e-14
    )
    with pytest.raises(DomainError) as taped:
        fg.jvp(program, [0.1, -1.0], [1.0, 1.0], backend=backend)
    for run in (sweeps.jvp, sweeps.ivjp):
        with pytest.raises(DomainError) as caught:
            run([0.1, -1.0], [1.0, 1.0])
        assert str(caught.value) == str(taped.value)
    # A kink is none of f's where no derivative flows.
    assert_close(
        sweeps.jvp([0.1, 0.0], [1.0, 1.0])[1], fg.jvp(program, [0.1, 0.0], [1.0, 1.0], backend=backend)[1], 1e-14
    )


@each_backend
def test_a_tiny_pivot_is_merged_within_a_segment(backend: str) -> None:
    program = fg.trace(lambda u, w: (1e-8 * u + w, (w - (1e-8 * u + w)) / 1e-8), 2)
    found = tape_free(program, backend=backend).ivjp([0.3, 0.7], [1.0, 2.0])
    assert_close(found, np.linalg.solve(dense(program, np.array([0.3, 0.7])).T, [1.0, 2.0]), 1e-7)
    assert_close(found, fg.ivjp(program, [0.3, 0.7], [1.0, 2.0], backend=backend), 1e-15)


# -- branches ----------------------------------------------------------------------------------------------------------


def branching(x: Any) -> Any:
    y = np.stack([x[0] + x[1], x[1]])
    for _ in range(3):
        # The root belongs to one branch only.
        y = np.stack([np.sqrt(y[0]), y[1]]) if y[0] > 0 else np.stack([y[0] - 1.0, y[1] * 2.0])
    return y


@each_backend
@pytest.mark.parametrize("segment", [1, 2, None])
def test_a_function_is_traced_again_where_its_branch_goes_the_other_way(backend: str, segment: int | None) -> None:
    sweeps = tape_free(branching, 2, backend=backend, segment=segment)
    x = np.array([[3.0, 1.0], [-3.0, 1.0], [2.0, 2.0], [-1.0, 0.5]])
    v = np.array([1.0, -2.0])
    for batch in (x, x[::-1]):
        value, tangent = sweeps.jvp(batch, np.tile(v, (4, 1)))
        cotangent = sweeps.ivjp(batch, np.tile(v, (4, 1)))
        for b in range(4):
            program = fg.trace(branching, batch[b])
            jacobian = dense(program, batch[b])
            assert_close(value[b], evaluate(program, batch[b]), 1e-14)
            assert_close(tangent[b], jacobian @ v, 1e-14)
            assert_close(cotangent[b], np.linalg.solve(jacobian.T, v), 1e-13)
    assert len(sweeps._variants) == 2


@each_backend
@pytest.mark.parametrize("segment", [1, 2, None])
def test_a_program_refuses_the_other_branch(backend: str, segment: int | None) -> None:
    program = fg.trace(branching, [3.0, 1.0])
    sweeps = tape_free(program, backend=backend, segment=segment)
    for run in (sweeps.jvp, sweeps.ivjp):
        # At −3 the root is outside its domain too; but that stands on the branch not taken.
        with pytest.raises(InputError, match="a branch goes the other way") as caught:
            run([-3.0, 1.0], [1.0, 1.0])
        with pytest.raises(InputError) as taped:
            fg.jvp(program, [-3.0, 1.0], [1.0, 1.0], backend=backend)
        assert str(caught.value) == str(taped.value)
        with pytest.raises(InputError, match="member 1 of the batch"):
            run([[3.0, 1.0], [-3.0, 1.0]], np.ones((2, 2)))


@each_backend
def test_branches_on_inputs_and_without_steps(backend: str) -> None:
    sweeps = tape_free(lambda x: x[::-1] if x[0] > 0 else 2.0 * x, 2, backend=backend)
    found = sweeps.ivjp([[1.0, 1.0], [-1.0, 1.0]], [[3.0, 4.0], [3.0, 4.0]])
    assert found.tolist() == [[4.0, 3.0], [1.5, 2.0]]


# -- errors ------------------------------------------------------------------------------------------------------------

BAD_LINE = "inputs x, y\nd = exp(y)\nu = x * y\nv = log(u)\nw = square(y)\nz = w + v\noutputs v, z"


@each_backend
@pytest.mark.parametrize("segment", [1, 2, None])
def test_outside_the_domain_the_step_is_that_of_the_user(backend: str, segment: int | None) -> None:
    """The first step is dead, and steps are cut into programs of their own: the numbers are those of the text."""
    program = fg.parse(BAD_LINE)
    sweeps = tape_free(program, backend=backend, segment=segment)
    for run in (sweeps.jvp, sweeps.ivjp):
        with pytest.raises(DomainError) as caught:
            run([1.0, -2.0], [1.0, 1.0])
        assert caught.value.step == 3
        assert caught.value.where == "step 3: v = log(u), line 4"
        assert caught.value.got == "-2.0"
        with pytest.raises(DomainError, match="member 1 of the batch, step 3"):
            run([[1.0, 2.0], [1.0, -2.0]], np.ones((2, 2)))


@each_backend
@pytest.mark.parametrize("segment", [1, 2, None])
def test_singular_at_x_names_the_step_and_returns_the_other_members(backend: str, segment: int | None) -> None:
    program = fg.parse(BAD_LINE)
    sweeps = tape_free(program, backend=backend, segment=segment)
    swapped = fg.parse("inputs x, y\nd = exp(y)\na = sin(x)\nb = square(y)\nc = a * b\noutputs b, c")
    sweeps = tape_free(swapped, backend=backend, segment=segment)
    with pytest.raises(SingularJacobian) as caught:
        sweeps.ivjp([1.0, 0.0], [1.0, 1.0])
    assert caught.value.step in (3, 4)
    assert str(caught.value.where).startswith(f"step {caught.value.step}: ")
    assert f"line {caught.value.step + 1}" in str(caught.value.where)
    x, v = np.array([[1.0, 2.0], [1.0, 0.0], [0.5, 0.25], [0.2, 0.0]]), np.ones((4, 2))
    with pytest.raises(SingularJacobian) as batch:
        sweeps.ivjp(x, v)
    assert batch.value.members == (1, 3)
    assert "member 1 of the batch" in str(batch.value.where)
    solution: Any = batch.value.solution
    assert np.isnan(solution[[1, 3]]).all()
    for b in (0, 2):
        assert_close(solution[b], np.linalg.solve(dense(swapped, x[b]).T, v[b]), 1e-13)


@each_backend
@pytest.mark.parametrize("segment", [1, 2, None])
def test_where_f_is_not_defined_it_does_not_count_whether_j_is_singular(backend: str, segment: int | None) -> None:
    program = fg.parse("inputs x\ny = square(x)\nz = log(y)\nu = exp(z)\noutputs u")
    sweeps = tape_free(program, backend=backend, segment=segment)
    with pytest.raises(DomainError, match="step 2: z = log"):
        sweeps.ivjp([0.0], [1.0])
    with pytest.raises(DomainError, match="member 1 of the batch, step 2"):
        sweeps.ivjp([[1.0], [0.0]], np.ones((2, 1)))


@each_backend
def test_a_singular_block_names_its_first_and_last_step(backend: str) -> None:
    program = fg.parse("inputs x, y\nd = exp(y)\np = x * y\nq = x + y\na = p * 2\nb = q * 3\nc = sin(a)\noutputs c, b")
    with pytest.raises(SingularJacobian) as caught:
        tape_free(program, backend=backend, segment=2).ivjp([1.0, 1.0], [1.0, 1.0])
    assert "rows from step 2: p = x * y, line 3 to step 3: q = x + y, line 4" in str(caught.value.where)
    assert caught.value.step == 2


@each_backend
def test_structurally_singular_programs_have_a_certificate(backend: str) -> None:
    program = fg.parse("inputs x, y\nu = x + y\na = sin(u)\nb = exp(u)\noutputs a, b")
    with pytest.raises(NotInvertible) as caught:
        tape_free(program, backend=backend).ivjp([1.0, 2.0], [1.0, 1.0])
    assert caught.value.certificate is not None
    wide = fg.parse("inputs x, y\nu = x + y\noutputs u")
    sweeps = tape_free(wide, backend=backend)
    assert sweeps.jvp([1.0, 2.0], [1.0, 10.0])[1].tolist() == [11.0]
    with pytest.raises(NotInvertible, match="as many outputs as inputs"):
        sweeps.ivjp([1.0, 2.0], [1.0, 1.0])


def test_what_is_refused_before_anything_runs() -> None:
    f, n = FAMILIES["leapfrog"]
    sweeps = tape_free(f, n)
    for x, v, message in (
        (np.ones(n + 1), np.ones(n), "x has the wrong shape"),
        (np.ones(n), np.ones(n + 1), "has the wrong shape"),
        (np.ones((2, n)), np.ones(n), "has the wrong shape"),
        (np.full(n, np.nan), np.ones(n), "must be finite"),
        (np.ones(n), np.full(n, np.inf), "must be finite"),
        (np.ones(n, dtype=complex), np.ones(n), "real numbers"),
    ):
        for run in (sweeps.jvp, sweeps.ivjp):
            with pytest.raises(InputError, match=message):
                run(x, v)
    for segment in (0, -1, 2.5, True):
        with pytest.raises(InputError, match="positive number of steps"):
            tape_free(f, n, segment=segment)  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match="uninterpreted"):
        tape_free(fg.parse("inputs x\ny = f(x)\noutputs y"))
    assert sweeps.jvp(np.ones(n, dtype=int), np.ones(n, dtype=np.float32))[0].dtype == np.float64


# -- memory and sharing ------------------------------------------------------------------------------------------------


def peak(run: Callable[[], Any]) -> int:
    """Bytes that a call needs at most, beside what is there before."""
    run()
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@each_backend
@pytest.mark.parametrize("family", [leapfrog, lambda half, steps: lorenz96(steps)], ids=["leapfrog", "lorenz96"])
def test_memory_does_not_grow_with_the_number_of_steps(backend: str, family: Callable[..., Any]) -> None:
    n = 32
    x, v = np.linspace(-1.0, 1.0, n), np.ones(n)
    peaks: dict[str, list[int]] = {"jvp": [], "ivjp": [], "taped": []}
    for steps in (20, 200):
        program = fg.trace(family(n // 2, steps), n)
        sweeps = tape_free(program, backend=backend, segment=1000)
        peaks["jvp"].append(peak(lambda sweeps=sweeps: sweeps.jvp(x, v)))
        peaks["ivjp"].append(peak(lambda sweeps=sweeps: sweeps.ivjp(x, v)))
        plan = fg.plan(program, backend=backend)
        peaks["taped"].append(peak(lambda plan=plan: plan.linearize(x).jvp(v)))
    assert peaks["taped"][1] > 5 * peaks["taped"][0]
    for mode in ("jvp", "ivjp"):
        assert peaks[mode][1] < 1.3 * peaks[mode][0]
        assert peaks[mode][1] < peaks["taped"][1] / 4


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize(("family", "n"), [(leapfrog(16, 200), 32), (lorenz96(40), 20), (tridiagonal(90), 20)])
def test_equal_segments_share_one_analysis(family: Callable[[Any], Any], n: int, inverse: bool) -> None:
    program = fg.trace(family, n)
    found = segments(program, backend_named(BACKENDS[-1]), inverse=inverse, size=700)
    assert len(found.all) > 9
    assert len({id(segment.analysed) for segment in found.all}) <= 4
    assert found.n_registers == n


def test_periods() -> None:
    program = fg.trace(leapfrog(16, 60), 32)
    columns = (program.codes, program.starts, program.operands, program.n_inputs)
    assert period(*columns) == program.n_steps // 60
    rng = Random(2)
    random = fg.trace(lambda *x: [x[rng.randrange(3)] * x[rng.randrange(3)] for _ in range(200)], 3)
    assert period(random.codes, random.starts, random.operands, 3) in (0, 1)
    aperiodic = Builder(3)
    for _ in range(300):
        aperiodic.scalar("mul", rng.randrange(aperiodic.n_values), aperiodic.n_values - 1)
    last = aperiodic.finish(np.array([300, 301, 302]))
    assert period(last.codes, last.starts, last.operands, 3) == 0


def test_excerpts_have_the_names_and_lines_of_the_whole() -> None:
    program = fg.parse(BAD_LINE)
    whole = segments(program.without_dead_code(), backend_named(BACKENDS[-1]), inverse=False, size=2)
    for segment in whole.all:
        part = excerpt(program, whole, segment)
        assert part.numbers is not None
        for step, number in zip(part.program.steps(), part.numbers.tolist(), strict=True):
            original = program.step(number)
            assert (str(step), step.line) == (str(original), original.line)
    numbers = [excerpt(program, whole, segment).numbers for segment in whole.all]
    assert np.concatenate([n for n in numbers if n is not None]).tolist() == [1, 2, 3, 4]


# -- planted errors ----------------------------------------------------------------------------------------------------


def _disagrees(backend: str) -> bool:
    """Whether some family's sweeps, cut small, give a wrong result or fail."""
    rng = np.random.default_rng(5)
    for f, n in FAMILIES.values():
        program = fg.trace(f, n)
        x, v = rng.normal(size=n), rng.normal(size=n)
        jacobian = dense(program, x)
        try:
            sweeps = tape_free(program, backend=backend, segment=77)
            assert_close(sweeps.jvp(x, v)[1], jacobian @ v, 1e-10)
            assert_close(sweeps.ivjp(x, v), np.linalg.solve(jacobian.T, v), 1e-10)
        except (AssertionError, ValueError, IndexError, RuntimeError):
            return True
    return False


@pytest.fixture
def nothing_cached() -> Any:
    from flowgraph.numeric.tape_free import _cached

    _cached.cache_clear()
    yield
    _cached.cache_clear()


@each_backend
@pytest.mark.usefixtures("nothing_cached")
def test_planted_errors_are_caught(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not _disagrees(backend)
    from flowgraph.numeric.tape_free import _cached

    real_columns, real_take, real_use = cutting._columns, cutting._Registers.take, cutting._in_order_of_use
    real_release, real_bounds = cutting._Registers.release, cutting._bounds

    def dies_early(program: Program, *rest: Any) -> Any:
        """A wrong live set: some values are forgotten as soon as they are there."""
        columns = real_columns(program, *rest)
        some = np.arange(program.n_inputs + 2, program.n_values, 5)
        columns.last_read[some] = columns.last_linear[some] = some - program.n_inputs + 1
        return columns

    def never_consumed(program: Program, *rest: Any) -> Any:
        """A wrong live set: inputs live for ever."""
        columns = real_columns(program, *rest)
        columns.last_linear[: program.n_inputs] = program.n_steps + 1
        return columns

    def wrong_registers(self: Any, wanted: Array) -> Array:
        """Two results change places, but not for those who read them."""
        return real_take(self, wanted)[::-1]

    def too_free(self: Any, dead: Array) -> None:
        """A register that is still in use is given away."""
        real_release(self, np.append(dead, self.of.argmax()))

    def anywhere(columns: Any, size: int, places: Array | None) -> Array:
        """Inverse sweeps are cut where more than n values live."""
        return real_bounds(columns, size, None)

    def shifted(numbers: Array) -> tuple[Array, Array]:
        """Inputs of a segment are mixed up."""
        distinct, place = real_use(numbers)
        return np.roll(distinct, 1), place

    planted: list[tuple[Any, str, Any]] = [
        (cutting, "_columns", dies_early),
        (cutting, "_columns", never_consumed),
        (cutting._Registers, "take", wrong_registers),
        (cutting._Registers, "release", too_free),
        (cutting, "_bounds", anywhere),
        (cutting, "_in_order_of_use", shifted),
    ]
    for where, name, wrong in planted:
        with monkeypatch.context() as patched:
            patched.setattr(where, name, wrong)
            _cached.cache_clear()
            assert _disagrees(backend), wrong.__doc__
