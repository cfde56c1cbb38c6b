"""Plans used again and again, tape-free sweeps, memory that is not shared, threads, and silence."""

from __future__ import annotations

import gc
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numeric_checks import check_all, right_hand_sides, warned_rightly
from numeric_oracle import EPS, truth
from numeric_programs import Case, conditioned_cases, steady_cases

import flowgraph as fg
from flowgraph.builder import Builder
from flowgraph.operations import CODES, OPERATIONS

MODES = ("jvp", "vjp", "ijvp", "ivjp")


def everything(lin: Any, v: Any) -> list[Any]:
    return [lin.value, *(getattr(lin, mode)(v) for mode in MODES), *lin.slogdet(), lin.jacobian(), lin.condest()]


def same(one: list[Any], two: list[Any]) -> None:
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


# -- plans -------------------------------------------------------------------------------------------------------------


def test_plans_at_many_points_in_turn(backend: str) -> None:
    """Plans of many programs, used in turn at points of their own: no state is left behind."""
    cases = steady_cases()[:25]
    plans = [fg.plan(case.program, backend=backend) for case in cases]
    first = []
    for case, plan in zip(cases, plans, strict=True):
        first.append(everything(plan.linearize(case.x), right_hand_sides(case.seed, case.truth.n)))
    for case, plan in zip(cases, plans, strict=True):
        plan.linearize(case.x * 1.001).ijvp(np.ones(case.truth.n))
        plan.linearize(np.tile(case.x, (3, 1)) * 0.999).ivjp(np.ones((3, case.truth.n)))
    for case, plan, before in zip(reversed(cases), reversed(plans), reversed(first), strict=True):
        same(everything(plan.linearize(case.x), right_hand_sides(case.seed, case.truth.n)), before)


def test_linearisations_of_one_plan_do_not_disturb_each_other(backend: str) -> None:
    case = steady_cases()[7]
    plan = fg.plan(case.program, backend=backend)
    v = right_hand_sides(0, case.truth.n)
    one = plan.linearize(case.x)
    before = everything(one, v)
    other = plan.linearize(case.x * 1.01)
    everything(other, 2 * v)
    plan.linearize(np.tile(case.x, (40, 1))).ijvp(np.ones((40, case.truth.n)))
    same(everything(one, v), before)


def test_the_order_of_the_calls_does_not_matter(backend: str) -> None:
    for case in steady_cases()[:15]:
        v = right_hand_sides(1, case.truth.n)
        plan = fg.plan(case.program, backend=backend)
        lin, again = plan.linearize(case.x), plan.linearize(case.x)
        expected = {mode: getattr(lin, mode)(v) for mode in MODES}
        for mode in reversed(MODES):
            np.testing.assert_array_equal(getattr(again, mode)(v), expected[mode])


def test_programs_of_one_structure_with_other_constants(backend: str) -> None:
    """Plans may be kept by structure; constants are no part of it that may be forgotten."""
    x, v = np.array([1.0, 2.0]), np.ones(2)
    for factor in (2.0, 3.0, 2.0, -1.0):
        program = fg.parse(f"inputs x, y\nz = ({factor}) * x\noutputs z, y")
        np.testing.assert_array_equal(fg.ijvp(program, x, v, backend=backend), [1 / factor, 1.0])
    for power in (2.0, 3.0, 2.5):
        found = fg.jvp(lambda z, p=power: z**p, x, v, backend=backend)[1]
        np.testing.assert_allclose(found, power * x ** (power - 1), rtol=1e-15)


def test_functions_with_a_closure_that_changes(backend: str) -> None:
    """A function is what it is when it is called, not when it was first seen."""
    scale = np.array([2.0])

    def f(x: Any) -> Any:
        return scale[0] * x

    assert fg.ijvp(f, [1.0], [1.0], backend=backend) == [0.5]
    scale[0] = 4.0
    assert fg.ijvp(f, [1.0], [1.0], backend=backend) == [0.25]


def test_functions_that_took_the_place_of_another(backend: str) -> None:
    """A cache by identity would take a new function for a dead one."""
    for k in range(1, 30):
        found = fg.ijvp(lambda x, k=k: k * x, [1.0], [1.0], backend=backend)
        np.testing.assert_array_equal(found, [1.0 / k])
        gc.collect()


def test_linearisations_outlive_their_plan(backend: str) -> None:
    case = steady_cases()[3]
    lin = fg.plan(case.program, backend=backend).linearize(case.x)
    gc.collect()
    check_all(lin, case.truth)
    np.testing.assert_array_equal(lin.x, case.x)


@pytest.mark.parametrize("name", [op.name for op in OPERATIONS if len(op.inactive) < op.arity])
@pytest.mark.parametrize("length", [3, 8, 40])
def test_chains_of_equal_steps(name: str, length: int, backend: str) -> None:
    """Steps that look alike and read each other's results are no array operation."""
    operation = OPERATIONS[CODES[name]]
    x = np.array([0.5 * (low + high) + 0.15 * (high - low) for low, high in operation.domain.sample])
    n = operation.arity
    slot = int(np.argmax([abs(float(partial(*x))) for partial in operation.partials]))
    result, slope = float(operation.evaluate(*x)), float(operation.partials[slot](*x))
    builder = Builder(n)
    head = slot
    for _ in range(length):
        # After each step the value is brought back to where the chain began, and its derivative to 1.
        head = builder.scalar(name, *(head if k == slot else k for k in range(n)))
        head = builder.scalar("sub", head, builder.constant(result))
        head = builder.scalar("div", head, builder.constant(slope))
        head = builder.scalar("add", head, builder.constant(float(x[slot])))
    program = builder.finish(np.array([head if k == slot else k for k in range(n)]))
    check_all(fg.linearize(program, x, backend=backend), truth(program, x))


@pytest.mark.parametrize("length", [1, 3, 4, 5, 16, 17, 100])
@pytest.mark.parametrize("text", ["a = a + b", "a = b - a", "a = 0.5 * a", "a = a * b", "a = a / b", "a = sin(a)"])
def test_chains_of_one_step(text: str, length: int, backend: str) -> None:
    program = fg.parse("\n".join(["inputs a, b", *[text] * length, "outputs a, b"]))
    x = np.array([1.25, 0.75])
    exact = truth(program, x)
    lin = fg.linearize(program, x, backend=backend)
    np.testing.assert_allclose(lin.value, exact.value, rtol=1e-13)
    np.testing.assert_allclose(lin.jacobian(), exact.jacobian, rtol=1e-12, atol=1e-13)
    v = np.array([0.25, -0.5])
    np.testing.assert_allclose(lin.ijvp(v), exact.solve(v), rtol=1e-11)
    batch = fg.linearize(program, np.tile(x, (20, 1)), backend=backend)
    np.testing.assert_allclose(batch.value, np.tile(exact.value, (20, 1)), rtol=1e-13)


@pytest.mark.parametrize("text", ["a = a + b\nb = b + a", "t = a * b\na = t - b\nt = a + b\nb = t * b"])
def test_loops_written_out(text: str, backend: str) -> None:
    program = fg.parse("\n".join(["inputs a, b", *[text] * 6, "outputs a, b"]))
    x = np.array([0.8, 0.6])
    check_all(fg.linearize(program, x, backend=backend), truth(program, x))


# -- memory ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [None, 3, 20])
@pytest.mark.parametrize("k", [None, 2])
def test_inputs_are_not_modified_and_results_are_not_shared(batch: int | None, k: int | None, backend: str) -> None:
    for case in steady_cases()[:12]:
        n = case.truth.n
        x = case.x.copy() if batch is None else np.tile(case.x, (batch, 1))
        shape = (*x.shape, *(() if k is None else (k,)))
        v = np.random.default_rng(0).standard_normal(shape)
        x_before, v_before = x.copy(), v.copy()
        lin = fg.plan(case.program, backend=backend).linearize(x)
        first = [getattr(lin, mode)(v) for mode in MODES]
        kept = [found.copy() for found in first]
        value, jacobian = lin.value.copy(), lin.jacobian().copy()
        np.testing.assert_array_equal(x, x_before)
        np.testing.assert_array_equal(v, v_before)
        for found in first:
            assert not np.shares_memory(found, v)
            assert not np.shares_memory(found, x)
            assert found.flags.writeable
            found[...] = np.nan
        lin.jacobian()[...] = np.nan
        # A caller who overwrites the arrays that were given must not change what is known of them.
        x[...] = 7.0
        for mode, expected in zip(MODES, kept, strict=True):
            np.testing.assert_array_equal(getattr(lin, mode)(v), expected)
        np.testing.assert_array_equal(lin.value, value)
        np.testing.assert_array_equal(lin.jacobian(), jacobian)
        assert n == lin.value.shape[-1]


def test_values_and_points_cannot_be_spoiled(backend: str) -> None:
    """Either read-only, or copies."""
    lin = fg.linearize(fg.parse("inputs x, y\nz = x * y\noutputs z, y"), [2.0, 3.0], backend=backend)
    for name in ("value", "x"):
        array = getattr(lin, name)
        if array.flags.writeable:
            array[...] = np.nan
    np.testing.assert_array_equal(lin.jvp([1.0, 0.0]), [3.0, 0.0])
    assert lin.slogdet().logabsdet == pytest.approx(np.log(3.0))
    y, _ = fg.jvp(lambda x: x, [2.0, 3.0], [1.0, 1.0], backend=backend)
    y[...] = 0.0
    np.testing.assert_array_equal(fg.jvp(lambda x: x, [2.0, 3.0], [1.0, 1.0], backend=backend)[0], [2.0, 3.0])


def test_outputs_that_are_inputs_are_copies(backend: str) -> None:
    x, v = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    program = fg.parse("inputs x, y\noutputs x, y")
    lin = fg.linearize(program, x, backend=backend)
    for mode in MODES:
        found = getattr(lin, mode)(v)
        np.testing.assert_array_equal(found, v)
        assert not np.shares_memory(found, v)
    assert not np.shares_memory(lin.value, x)


# -- tape-free sweeps --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", range(4))
def test_without_a_tape_the_result_is_the_same(part: int, backend: str) -> None:
    for case in conditioned_cases()[part:200:4]:
        with warned_rightly(case.truth):
            check_tape_free(case, backend)


def check_tape_free(case: Case, backend: str) -> None:
    n = case.truth.n
    matrix, condition = case.truth.jacobian, case.truth.condition
    growth = max(case.truth.growth, case.truth.growth_transposed, 1.0)
    for k in (None, 3):
        v = right_hand_sides(case.seed, n, k)
        y, dy = fg.jvp(case.program, case.x, v, backend=backend, tape=True)
        free, found = fg.jvp(case.program, case.x, v, backend=backend, tape=False)
        np.testing.assert_allclose(free, y, rtol=1e-9, atol=1e-9)
        size = np.linalg.norm(matrix, np.inf) * np.abs(v).max()
        np.testing.assert_allclose(found, dy, rtol=0, atol=20 * EPS * growth * size)
        kept = fg.ivjp(case.program, case.x, v, backend=backend, tape=True)
        found = fg.ivjp(case.program, case.x, v, backend=backend, tape=False)
        assert found.shape == kept.shape
        slip = 40 * EPS * growth * n * condition * np.abs(kept).max()
        np.testing.assert_allclose(found, kept, rtol=0, atol=slip)


@pytest.mark.parametrize("size", [None, 0, 1, 4])
@pytest.mark.parametrize("k", [None, 2])
def test_without_a_tape_on_functions_and_batches(size: int | None, k: int | None, backend: str) -> None:
    def f(x: Any) -> Any:
        for _ in range(5):
            x = x + 0.1 * np.sin(np.roll(x, 1)) * np.roll(x, 2)
        return x

    lead = () if size is None else (size,)
    x = np.random.default_rng(0).uniform(0, 1, (*lead, 7))
    v = np.random.default_rng(1).standard_normal((*lead, 7) if k is None else (*lead, 7, k))
    kept = fg.jvp(f, x, v, backend=backend)
    for one, other in zip(fg.jvp(f, x, v, backend=backend, tape=False), kept, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=1e-13, atol=1e-14)
    one, other = (fg.ivjp(f, x, v, backend=backend, tape=tape) for tape in (False, True))
    assert one.shape == other.shape
    np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-13)


# -- threads and silence -----------------------------------------------------------------------------------------------


def test_one_plan_in_many_threads(backend: str) -> None:
    cases = [case for case in steady_cases()[:40] if case.program.n_steps > 10][:6]
    plans = [fg.plan(case.program, backend=backend) for case in cases]
    jobs = [(j % len(cases), 1.0 + 1e-4 * j) for j in range(60)]

    def work(job: tuple[int, float]) -> list[Any]:
        which, scale = job
        case = cases[which]
        return everything(plans[which].linearize(case.x * scale), right_hand_sides(which, case.truth.n))

    expected = [work(job) for job in jobs]
    with ThreadPoolExecutor(4) as pool:
        for found, known in zip(pool.map(work, jobs), expected, strict=True):
            same(found, known)


def test_one_linearisation_in_many_threads(backend: str) -> None:
    case = max(steady_cases()[:60], key=lambda c: c.program.n_steps)
    lin = fg.linearize(case.program, case.x, backend=backend)
    rhs = [right_hand_sides(seed, case.truth.n) for seed in range(40)]
    fresh = fg.linearize(case.program, case.x, backend=backend)
    expected = [[getattr(fresh, mode)(v) for mode in MODES] for v in rhs]
    with ThreadPoolExecutor(4) as pool:
        # The lazily factored parts are first asked for by four threads at once.
        for found, known in zip(pool.map(lambda v: [getattr(lin, m)(v) for m in MODES], rhs), expected, strict=True):
            same(found, known)


@pytest.mark.parametrize("state", ["raise", "ignore", "warn"])
def test_numpys_error_state_is_left_alone(state: Any, backend: str) -> None:
    """Underflow inside is nobody's business, whatever the caller's error state, which comes back as it was."""

    def f(x: Any) -> Any:
        return np.exp(-800.0 * x) + x + np.tanh(400 * x) * 1e-3 + np.log1p(np.exp(-700.0 * x))

    with np.errstate(all=state), warnings.catch_warnings():
        warnings.simplefilter("error")
        before = np.geterr()
        lin = fg.linearize(f, [1.0, 2.0], backend=backend)
        for mode in MODES:
            assert np.isfinite(getattr(lin, mode)(np.array([1e-300, 1.0]))).all()
        lin.slogdet()
        lin.condest()
        lin.jacobian()
        with pytest.raises(fg.DomainError):
            fg.linearize(lambda x: np.log(x), [-1.0], backend=backend)
        with pytest.raises(fg.FlowgraphError):
            fg.ijvp(lambda x: x**2, [0.0], [1.0], backend=backend)
        assert np.geterr() == before


def test_no_warnings_on_any_example(backend: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for case in steady_cases()[:60]:
            with np.errstate(all="warn"):
                everything(fg.linearize(case.program, case.x, backend=backend), np.ones(case.truth.n))


def test_programs_that_differ_in_their_outputs_only(backend: str) -> None:
    case = next(c for c in steady_cases() if c.truth.n == 4)
    lin = fg.linearize(case.program, case.x, backend=backend)
    v = right_hand_sides(2, 4)
    for shift in range(4):
        outputs = np.roll(case.program.outputs, shift)
        rolled = fg.linearize(replace(case.program, outputs=outputs), case.x, backend=backend)
        np.testing.assert_allclose(rolled.ijvp(np.roll(v, shift)), lin.ijvp(v), rtol=1e-10, atol=1e-12)
