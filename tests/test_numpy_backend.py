"""The NumPy backend against dense matrices made of the registry's partials, and against the compiled backend."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmarks.trace import leapfrog, scalar_loop
from flowgraph import trace
from flowgraph.builder import Builder
from flowgraph.numeric import numpy_blocks, numpy_runs, passes
from flowgraph.numeric.backend import Backend, Values
from flowgraph.numeric.blocks import BAND, DENSE, EXTERNAL
from flowgraph.numeric.numpy_backend import NumpyBackend, NumpyValues
from flowgraph.numeric.numpy_blocks import SmallFactor
from flowgraph.numeric.numpy_evaluation import ONES
from flowgraph.numeric.numpy_runs import Run
from flowgraph.numeric.reduced import Reduced, reduce
from flowgraph.numeric.schedule import Schedule, arrange, schedule
from flowgraph.operations import OPERATIONS, operation
from flowgraph.program import Program
from tests.evaluate import values as values_of
from tests.strategies import GENERAL, SMOOTH, equasive_programs, invertible_programs, programs

Array = NDArray[Any]

BACKEND = NumpyBackend()


def dense(program: Program, x: Array, strict: Array | None = None) -> tuple[Array, Array, bool]:
    """f(x), J, and whether all is finite and every step (of ``strict``) inside its domain, one step after the other."""
    n = program.n_inputs
    v, j = np.zeros(program.n_values), np.zeros((program.n_values, n))
    v[:n], j[:n] = x, np.eye(n)
    fine = True
    with np.errstate(all="ignore"):
        for step in program.steps():
            assert step.operation is not None
            o = [v[k] if k >= 0 else program.constants[-1 - k] for k in step.operands]
            v[n + step.index] = step.operation.evaluate(*o)
            fine &= bool(np.isfinite(v[n + step.index]))
            fine &= (strict is not None and not strict[step.index]) or bool(step.operation.domain.contains(*o))
            for slot, k in enumerate(step.operands):
                if k >= 0 and slot not in step.operation.inactive:
                    j[n + step.index] += step.operation.partials[slot](*o) * j[k]
    return v[program.outputs], j[program.outputs], fine


def tridiagonal(n: int, layers: int, c: float) -> Callable[[Any], Any]:
    def f(x: Any) -> Any:
        for _ in range(layers):
            s = np.sin(x)
            x = x + c * (0.7 * np.concatenate([[0.0], s[:-1]]) + np.concatenate([s[1:], [0.0]]) + 0.3 * x * x)
        return x

    return f


def lorenz(steps: int, h: float = 0.01) -> Callable[[Any], Any]:
    def rate(x: Any) -> Any:
        return (np.roll(x, -1) - np.roll(x, 2)) * np.roll(x, 1) - x + 8.0

    def f(x: Any) -> Any:
        for _ in range(steps):
            k1 = rate(x)
            k2 = rate(x + h / 2 * k1)
            x = x + h * k2
        return x

    return f


def layer(n: int) -> Callable[[Any], Any]:
    weights = np.random.default_rng(0).normal(size=(n, n)) / np.sqrt(n)
    return lambda x: np.tanh(weights @ x) + x


def scaled(x: Any) -> Any:
    """J = (1 + s) I + x 1ᵀ with s = Σ x."""
    return x * np.sum(x) + x


def diagonal_blocks(x: Any) -> Any:
    """Three pairs of rows that need each other, and nothing of other pairs, under one that reads them."""
    a, b = x[:3], x[3:]
    return np.concatenate([a * b, a + b])


FAMILIES: dict[str, tuple[Callable[[Any], Any], int, set[int]]] = {
    "leapfrog": (leapfrog(6, 3), 12, set()),
    "narrow leapfrog": (leapfrog(3, 40), 6, set()),
    "scalar loop": (scalar_loop(50), 2, set()),
    "band": (tridiagonal(40, 3, 0.3), 40, {BAND}),
    "small band": (tridiagonal(9, 3, 0.3), 9, {BAND}),
    "periodic band": (lorenz(2), 60, {BAND}),
    "small dense": (layer(5), 5, {DENSE}),
    "dense": (layer(30), 30, {DENSE}),
    "external": (layer(165), 165, {EXTERNAL}),
    "external and sparse": (lambda x: np.sin(scaled(x)), 300, {EXTERNAL}),
    "pairs": (diagonal_blocks, 6, {DENSE, BAND}),
    "narrow blocks": (lorenz(20), 4, {DENSE}),
    "permuted": (lambda x: np.stack([x[1] * x[2], np.sin(x[0]) + x[2], x[2]]), 3, set()),
    "wide powers": (lambda x: x**3 + x**2.0 + np.abs(x) ** 1.5 + 1.0 / (2.0 + x * x) + np.hypot(x, 1.0), 7, set()),
}
"""Functions, their number of inputs, and the kinds of their blocks."""


def distance(found: Array, right: Array) -> float:
    """The largest error, beside the largest number."""
    return float(np.abs(found - right).max(initial=0.0) / max(np.abs(right).max(initial=0.0), 1e-300))


def linearised(program: Program, x: Array, backend: Backend = BACKEND) -> tuple[Reduced, Values, Schedule, Any, Any]:
    reduced = reduce(program)
    values = backend.evaluate(reduced, backend.prepare(reduced), x, linearise=True)
    order = schedule(reduced)
    inverse = backend.prepare_inverse(order)
    return reduced, values, order, inverse, backend.factor(inverse, values, 1e-3)


def check(program: Program, x: Array, parts: Any, columns: int, tolerance: float) -> None:
    """Hold all that a backend does at some points against dense matrices."""
    check_against([dense(program, point) for point in x], parts, columns, tolerance)


def check_against(right: list[tuple[Array, Array, bool]], parts: Any, columns: int, tolerance: float) -> None:
    reduced, values, _, inverse, pivoting = parts
    rng = np.random.default_rng(columns)
    rhs = rng.normal(size=(len(right), reduced.n_inputs, columns))
    forward, reverse = BACKEND.forward(reduced, values, rhs), BACKEND.reverse(reduced, values, rhs)
    back = BACKEND.forward_inverse(inverse, values, pivoting, rhs)
    back_transposed = BACKEND.reverse_inverse(inverse, values, pivoting, rhs)
    signs, logs = BACKEND.log_determinant(inverse, values, pivoting)
    for b, (y, j, fine) in enumerate(right):
        assert fine
        assert values.fine[b]
        assert distance(values.outputs[b], y) < 1e-13
        assert distance(forward[b], j @ rhs[b]) < 1e-12
        assert distance(reverse[b], j.T @ rhs[b]) < 1e-12
        sign, log = np.linalg.slogdet(j)
        assert signs[b] == sign
        assert abs(logs[b] - log) < tolerance * max(1.0, abs(log))
        assert distance(back[b], np.linalg.solve(j, rhs[b])) < tolerance
        assert distance(back_transposed[b], np.linalg.solve(j.T, rhs[b])) < tolerance


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("name", FAMILIES)
def test_families(name: str, members: int) -> None:
    f, n, kinds = FAMILIES[name]
    program = trace(f, n).without_dead_code()
    x = np.random.default_rng(1).normal(size=(members, n))
    parts = linearised(program, x)
    found = set(parts[2].table.kinds.tolist())
    assert found <= kinds if name in ("pairs", "periodic band") else found == kinds
    right = [dense(program, point) for point in x]
    for columns in (1, 4):
        check_against(right, parts, columns, 1e-10)


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("name", FAMILIES)
def test_both_backends_agree(name: str, members: int) -> None:
    engine = pytest.importorskip("flowgraph.numeric.compiled.engine")
    f, n, _ = FAMILIES[name]
    program = trace(f, n).without_dead_code()
    x = np.random.default_rng(2).normal(size=(members, n))
    other = engine.CompiledBackend()
    reduced, values, _, inverse, pivoting = linearised(program, x)
    _, values_2, _, inverse_2, pivoting_2 = linearised(program, x, other)
    assert distance(values.coefficients, values_2.coefficients) < 1e-14
    assert distance(values.outputs, values_2.outputs) < 1e-14
    for mine, others in zip(pivoting.n_small, pivoting_2.n_small, strict=True):
        np.testing.assert_array_equal(mine, others)
    rhs = np.random.default_rng(3).normal(size=(members, n, 2))
    for name_of in ("forward", "reverse"):
        mine = getattr(BACKEND, name_of)(reduced, values, rhs)
        assert distance(mine, getattr(other, name_of)(reduced, values_2, rhs)) < 1e-12
        name_of = f"{name_of}_inverse"
        mine = getattr(BACKEND, name_of)(inverse, values, pivoting, rhs)
        assert distance(mine, getattr(other, name_of)(inverse_2, values_2, pivoting_2, rhs)) < 1e-11
    sign, log = BACKEND.log_determinant(inverse, values, pivoting)
    sign_2, log_2 = other.log_determinant(inverse_2, values_2, pivoting_2)
    np.testing.assert_array_equal(sign, sign_2)
    np.testing.assert_allclose(log, log_2, rtol=1e-12, atol=1e-12)
    # What one backend evaluates, the other can sweep.
    mine = BACKEND.forward_inverse(inverse, values_2, pivoting, rhs)
    assert distance(mine, BACKEND.forward_inverse(inverse, values, pivoting, rhs)) < 1e-11


@given(programs(functions=()), st.integers(0, 2**32 - 1), st.sampled_from([1, 2]))
@settings(max_examples=80, deadline=None)
def test_evaluation_of_programs_of_every_kind(program: Program, seed: int, members: int) -> None:
    program = program.without_dead_code()
    x = np.random.default_rng(seed).normal(size=(members, program.n_inputs))
    reduced = reduce(program)
    prepared = BACKEND.prepare(reduced)
    values = BACKEND.evaluate(reduced, prepared, x, linearise=True)
    plain = BACKEND.evaluate(reduced, prepared, x, linearise=False)
    np.testing.assert_array_equal(values.outputs, plain.outputs)
    v = np.random.default_rng(0).normal(size=(members, program.n_inputs, 2))
    w = np.random.default_rng(0).normal(size=(members, program.n_outputs, 2))
    forward, reverse = BACKEND.forward(reduced, values, v), BACKEND.reverse(reduced, values, w)
    for b in range(members):
        y, j, fine = dense(program, x[b], np.diff(reduced.starts)[reduced.statements().row_of] > 0)
        assert plain.fine[b] == fine
        assert values.fine[b] == (fine and np.isfinite(j).all())
        if not values.fine[b]:
            continue
        np.testing.assert_allclose(values.outputs[b], y, rtol=1e-13)
        scale = 1e-12 * max(1.0, np.abs(j).max(initial=0.0))
        np.testing.assert_allclose(forward[b], j @ v[b], rtol=1e-9, atol=scale * 100)
        np.testing.assert_allclose(reverse[b], j.T @ w[b], rtol=1e-9, atol=scale * 100)
        known = np.array(values_of(program, x[b]))
        for guard, watched in zip(program.guards, values.watched, strict=True):
            np.testing.assert_allclose(watched[b], known[guard.values], rtol=1e-13)


@given(
    st.one_of(
        invertible_programs(functions=(), operations=GENERAL, max_inputs=5, max_steps=25),
        equasive_programs(functions=(), operations=SMOOTH, max_steps=30),
    ),
    st.integers(0, 2**32 - 1),
    st.booleans(),
)
@settings(max_examples=120, deadline=None)
def test_inverses_of_random_programs(program: Program, seed: int, runs: bool) -> None:
    program = program.without_dead_code()
    x = np.random.default_rng(seed).normal(size=(2, program.n_inputs))
    for size in (1, 2):
        with pytest.MonkeyPatch.context() as patch:
            if runs:
                patch.setattr(numpy_runs, "_SHORTEST", 1)
            parts = linearised(program, x[:size])
            keep = np.ones(size, dtype=bool)
            for b in range(size):
                _, j, fine = dense(program, x[b], np.diff(parts[0].starts)[parts[0].statements().row_of] > 0)
                assert parts[1].fine[b] == fine
                keep[b] = fine
                if fine and parts[4].singular[b]:
                    assert np.linalg.matrix_rank(j, tol=1e-9 * max(1.0, np.abs(j).max(initial=0.0))) < len(j)
                keep[b] &= not parts[4].singular[b] and parts[4].n_small[b] == 0
                keep[b] = keep[b] and np.linalg.cond(j) < 1e5
            if keep.all():
                check(program, x[:size], parts, 2, 1e-7)


SINGULAR: dict[str, tuple[Callable[[Any], Any], Array, Array]] = {
    "row": (lambda x: np.stack([x[0] * x[1], x[1]]), np.array([3.0, 0.0]), np.array([3.0, 2.0])),
    "small": (lambda x: np.stack([x[0] * x[1], x[0] + x[1]]), np.array([2.0, 2.0]), np.array([2.0, 3.0])),
    "band": (
        lambda x: x * x + np.concatenate([[0.0], x[:-1]]) + np.concatenate([x[1:], [0.0]]),
        np.zeros(25),
        np.linspace(0.5, 3.0, 25),
    ),
    "dense": (scaled, np.array([*range(-10, 0), *range(1, 10), 9.0]), np.linspace(0.1, 1.0, 20)),
    "external": (scaled, np.array([-1.0, *([1.0, -1.0] * 100)]), np.linspace(0.1, 1.0, 201)),
}
"""Functions, a point where J is singular, and one where it is not."""


@pytest.mark.parametrize("name", SINGULAR)
def test_singular_members_are_noted_and_the_others_found(name: str) -> None:
    f, bad, good = SINGULAR[name]
    program = trace(f, len(bad)).without_dead_code()
    x = np.stack([good, bad, good + 0.25])
    assert np.linalg.matrix_rank(dense(program, bad)[1]) < len(bad)
    reduced, values, order, inverse, pivoting = linearised(program, x)
    np.testing.assert_array_equal(pivoting.singular, [False, True, False])
    if name == "row":
        assert pivoting.n_small[1] > 0
        assert pivoting.zero_block[1] == -1
        assert order.pivots[pivoting.zero_row[1]] >= 0
    else:
        assert pivoting.zero_row[1] == -1
        assert pivoting.zero_block[1] == 0
    rhs = np.random.default_rng(0).normal(size=(3, len(bad), 2))
    for found, transposed in (
        (BACKEND.forward_inverse(inverse, values, pivoting, rhs), False),
        (BACKEND.reverse_inverse(inverse, values, pivoting, rhs), True),
    ):
        assert np.isnan(found[1]).all()
        for b in (0, 2):
            j = dense(program, x[b])[1]
            assert distance(found[b], np.linalg.solve(j.T if transposed else j, rhs[b])) < 1e-9
    signs, logs = BACKEND.log_determinant(inverse, values, pivoting)
    assert signs[1] == 0.0
    assert logs[1] == -np.inf
    assert np.isfinite(logs[[0, 2]]).all()
    alone = linearised(program, bad[None])
    assert alone[4].singular.all()
    assert np.isnan(BACKEND.forward_inverse(alone[3], alone[1], alone[4], rhs[:1])).all()
    assert np.isfinite(BACKEND.forward(reduced, values, rhs)).all()


@pytest.mark.parametrize("name", ["leapfrog", "band", "dense", "external and sparse", "narrow blocks"])
def test_without_numba(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("reduced", "schedule", "numpy_sweeps"):
        monkeypatch.setattr(f"flowgraph.numeric.{module}.analysis_passes", lambda: passes)
    f, n, _ = FAMILIES[name]
    program = trace(f, n).without_dead_code()
    x = np.random.default_rng(5).normal(size=(1, n))
    check(program, x, linearised(program, x), 2, 1e-10)


def test_small_pivots_are_counted() -> None:
    program = trace(lambda x: np.stack([x[0] * 1e-8 + x[1], x[1]]), 2).without_dead_code()
    _, values, _, inverse, pivoting = linearised(program, np.ones((2, 2)))
    assert pivoting.n_small.tolist() == [1, 1]
    exact = BACKEND.factor(inverse, values, 1e-9)
    assert exact.n_small.tolist() == [0, 0]


def test_a_transposed_matrix_that_rounds_to_singular_is_solved_with_the_factors() -> None:
    matrices = np.random.default_rng(0).normal(size=(3, 2, 4, 4))
    y = np.random.default_rng(1).normal(size=(3, 4, 2, 5))
    factor = SmallFactor(matrices.copy())

    def refuse(*_: Any) -> None:
        raise np.linalg.LinAlgError("singular")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np.linalg, "solve", refuse)
        found = [factor.solve(1, 3, y[1:], slice(0, 2), transposed=transposed) for transposed in (False, True)]
    for transposed in (False, True):
        right = np.linalg.solve(matrices[1:].swapaxes(2, 3) if transposed else matrices[1:], y[1:].swapaxes(1, 2))
        assert distance(found[transposed], right.swapaxes(1, 2)) < 1e-12


def test_outside_a_domain() -> None:
    program = trace(lambda x: np.stack([np.log(x[0]) + x[1], 1.0 / x[1]]), 2).without_dead_code()
    reduced = reduce(program)
    x = np.array([[1.0, 1.0], [-1.0, 1.0], [1.0, 0.0], [2.0, 3.0]])
    for linearise in (True, False):
        values = BACKEND.evaluate(reduced, BACKEND.prepare(reduced), x, linearise=linearise)
        np.testing.assert_array_equal(values.fine, [True, False, False, True])


def test_overflow_is_not_fine() -> None:
    program = trace(lambda x: np.exp(x) * np.exp(x), 1).without_dead_code()
    reduced = reduce(program)
    values = BACKEND.evaluate(reduced, BACKEND.prepare(reduced), np.array([[1.0], [500.0]]), linearise=True)
    np.testing.assert_array_equal(values.fine, [True, False])


@pytest.mark.parametrize("shape", [(0, 12), (1, 0), (2, 0)])
def test_nothing_at_all(shape: tuple[int, int]) -> None:
    program = trace(FAMILIES["leapfrog"][0], 12) if shape[1] else trace(lambda x: x, 0)
    reduced, values, _, inverse, pivoting = linearised(program.without_dead_code(), np.zeros(shape))
    assert values.outputs.shape == shape
    for columns in (0, 2):
        rhs = np.zeros((*shape, columns))
        assert BACKEND.forward(reduced, values, rhs).shape == rhs.shape
        assert BACKEND.reverse(reduced, values, rhs).shape == rhs.shape
        assert BACKEND.forward_inverse(inverse, values, pivoting, rhs).shape == rhs.shape
        assert BACKEND.reverse_inverse(inverse, values, pivoting, rhs).shape == rhs.shape
    sign, log = BACKEND.log_determinant(inverse, values, pivoting)
    np.testing.assert_array_equal(sign, np.ones(shape[0]))
    np.testing.assert_array_equal(log, np.zeros(shape[0]))


@pytest.mark.parametrize("part", ["evaluation", "sweeps", "assembly"])
def test_large_batches_go_through_in_parts(part: str) -> None:
    f, n, _ = FAMILIES["small band"]
    program = trace(f, n).without_dead_code()
    x = np.random.default_rng(4).normal(size=(20, n))
    with pytest.MonkeyPatch.context() as patch:
        module = {"evaluation": "numpy_evaluation", "sweeps": "numpy_backend", "assembly": "numpy_blocks"}[part]
        patch.setattr(f"flowgraph.numeric.{module}._AT_ONCE", 600)
        check(program, x, linearised(program, x), 3, 1e-10)


def test_narrow_levels_become_a_run_for_one_point_only() -> None:
    program = trace(FAMILIES["narrow leapfrog"][0], 6).without_dead_code()
    _, values, _, inverse, _ = linearised(program, np.ones((1, 6)))
    assert isinstance(values, NumpyValues)
    for sweeps in (values.prepared.forward, values.prepared.reverse, inverse.forward, inverse.reverse):
        assert any(isinstance(step, Run) for step in sweeps.one.steps)
        assert not any(isinstance(step, Run) for step in sweeps.many.steps)
        assert len(sweeps.one.steps) < len(sweeps.many.steps) / 5


def test_the_partials_written_as_numbers_are_those_of_the_registry() -> None:
    for name, numbers in ONES.items():
        record = operation(name)
        points = np.random.default_rng(0).normal(size=(record.arity, 9))
        for partial, number in zip(record.partials, numbers, strict=True):
            np.testing.assert_array_equal(partial(*points), np.full(9, number))


@pytest.mark.parametrize("name", [op.name for op in OPERATIONS])
def test_every_operation(name: str) -> None:
    record = operation(name)
    builder = Builder(record.arity)
    first = int(builder.append(name, *(np.asarray(k) for k in range(record.arity))))
    # Read twice inside a statement, and below another step.
    square = int(builder.append("mul", np.asarray(first), np.asarray(first)))
    last = int(builder.append("sin", np.asarray(square)))
    program = builder.finish(np.array([last]))
    rng = np.random.default_rng(0)
    x = np.stack([rng.uniform(low, high, size=5) for low, high in record.domain.sample], axis=1)
    reduced = reduce(program)
    values = BACKEND.evaluate(reduced, BACKEND.prepare(reduced), x, linearise=True)
    w = np.ones((5, 1, 1))
    found = BACKEND.reverse(reduced, values, w)
    for b in range(5):
        y, j, fine = dense(program, x[b])
        assert fine == values.fine[b]
        assert distance(values.outputs[b], y) < 1e-14
        np.testing.assert_allclose(found[b, :, 0], j[0], rtol=1e-12, atol=1e-14)


def _matched_inside() -> Program:
    """t = a · b, z = t + sin a, outputs z and b."""
    builder = Builder(2)
    t = int(builder.append("mul", np.asarray(0), np.asarray(1)))
    s = int(builder.append("sin", np.asarray(0)))
    z = int(builder.append("add", np.asarray(t), np.asarray(s)))
    return builder.finish(np.array([z, 1]))


def _linearised_inside(program: Program, x: Array) -> Any:
    """With the first row matched with a, and the one that reads its result with that: the result is an unknown."""
    reduced = reduce(program, contract=False)
    pivots = np.full(reduced.n_rows, -1, dtype=np.int32)
    mul, sin, add = (int(np.flatnonzero(reduced.statements().roots == k)[0]) for k in range(3))
    for row, value in ((mul, 0), (add, 2 + mul)):
        own = np.arange(reduced.starts[row], reduced.starts[row + 1])
        pivots[row] = own[reduced.arguments[own] == value][0]
    order = arrange(reduced.starts, reduced.arguments, reduced.outputs, 2, pivots)
    assert sorted(order.table.rows.tolist()) == sorted([mul, sin, add])
    values = BACKEND.evaluate(reduced, BACKEND.prepare(reduced), x, linearise=True)
    inverse = BACKEND.prepare_inverse(order)
    return reduced, values, order, inverse, BACKEND.factor(inverse, values, 1e-3)


@pytest.mark.parametrize("members", [1, 3])
def test_a_result_may_be_an_unknown_of_the_block_of_its_own_row(members: int) -> None:
    program, x = _matched_inside(), np.random.default_rng(1).normal(size=(members, 2))
    check(program, x, _linearised_inside(program, x), 2, 1e-12)


# -- a test of the tests -----------------------------------------------------------------------------------------------


def _spoilt(values: Values) -> Values:
    data = values.data.copy()
    data[0, values.offset + data[0, values.offset :].size // 2] += 1e-3
    return replace(values, data=data)


def test_a_wrong_coefficient_is_caught() -> None:
    f, n, _ = FAMILIES["leapfrog"]
    program = trace(f, n).without_dead_code()
    x = np.random.default_rng(1).normal(size=(1, n))
    reduced, values, order, inverse, pivoting = linearised(program, x)
    check(program, x, (reduced, values, order, inverse, pivoting), 1, 1e-10)
    with pytest.raises(AssertionError):
        check(program, x, (reduced, _spoilt(values), order, inverse, pivoting), 1, 1e-10)


@pytest.mark.parametrize("name", ["band", "small band", "dense", "small dense", "external"])
def test_wrong_factors_are_caught(name: str) -> None:
    f, n, _ = FAMILIES[name]
    program = trace(f, n).without_dead_code()
    x = np.random.default_rng(1).normal(size=(1, n))
    reduced, values, order, inverse, _ = linearised(program, x)
    wrong = BACKEND.factor(inverse, _spoilt(values), 1e-3)
    with pytest.raises(AssertionError):
        check(program, x, (reduced, values, order, inverse, wrong), 1, 1e-10)


def test_a_wrong_sign_of_own_results_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    program, x = _matched_inside(), np.random.default_rng(1).normal(size=(1, 2))
    check(program, x, _linearised_inside(program, x), 1, 1e-12)
    monkeypatch.setattr(numpy_blocks, "MINUS", 1)
    with pytest.raises(AssertionError):
        check(program, x, _linearised_inside(program, x), 1, 1e-12)
