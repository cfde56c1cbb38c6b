"""Indexing, views, assignment and what the recorded steps look like."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from evaluate import evaluate
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from flowgraph.operations import CODES
from flowgraph.tracing import trace


def _steps(f: Any, n: Any) -> list[str]:
    return [str(step) for step in trace(f, n).steps()]


SHAPES = hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_basic_indexing_is_numpys(data: st.DataObject) -> None:
    shape = data.draw(SHAPES)
    index = data.draw(hnp.basic_indices(shape, allow_newaxis=True))
    x = np.arange(float(np.prod(shape)))
    program = trace(lambda v: np.ravel(v.reshape(shape)[index]), len(x))
    np.testing.assert_array_equal(evaluate(program, x), np.ravel(x.reshape(shape)[index]))
    assert program.n_steps == 0


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_integer_indexing_is_numpys(data: st.DataObject) -> None:
    shape = data.draw(SHAPES)
    index = data.draw(hnp.integer_array_indices(shape))
    x = np.arange(float(np.prod(shape)))
    program = trace(lambda v: np.ravel(v.reshape(shape)[index]), len(x))
    np.testing.assert_array_equal(evaluate(program, x), np.ravel(x.reshape(shape)[index]))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_boolean_indexing_is_numpys(data: st.DataObject) -> None:
    shape = data.draw(SHAPES)
    mask = data.draw(hnp.arrays(bool, shape))
    x = np.arange(float(np.prod(shape)))

    def f(v: Any) -> Any:
        y = v.reshape(shape) * 1.0
        y[mask] = y[mask] * 2 + 1
        return np.concatenate([y.ravel(), y[~mask]])

    np.testing.assert_array_equal(evaluate(trace(f, len(x)), x), f(x))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_views_alias_as_in_numpy(data: st.DataObject) -> None:
    """A chain of views, each assigned to, with reads of the base in between."""
    shape = data.draw(SHAPES)
    indices = []
    view = np.empty(shape)
    for _ in range(data.draw(st.integers(1, 3))):
        index = data.draw(hnp.basic_indices(view.shape, allow_newaxis=True))
        view = view[index]
        indices.append(index)
        if not isinstance(view, np.ndarray) or view.ndim == 0:
            break
    in_place = data.draw(st.booleans())

    def f(v: Any) -> Any:
        base = v.reshape(shape)
        part = base
        for index in indices:
            part = part[index]
            if np.ndim(part) == 0:
                part += 3.0
                continue
            if in_place:
                part += 2.0
            else:
                part[...] = part[::-1] * 2.0
        return np.concatenate([np.ravel(v), np.ravel(part)])

    x = np.arange(float(np.prod(shape))) + 1
    program = trace(f, len(x))
    np.testing.assert_array_equal(evaluate(program, x), f(x.copy()))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_assignment_broadcasts_as_in_numpy(data: st.DataObject) -> None:
    shape = data.draw(SHAPES)
    index = data.draw(hnp.basic_indices(shape) | hnp.integer_array_indices(shape))
    target = np.empty(shape)[index]
    sides = [side if data.draw(st.booleans()) else 1 for side in np.shape(target)]
    x = np.arange(float(np.prod(shape)) + max(int(np.prod(sides)), 1)) + 0.5

    def f(v: Any) -> Any:
        y = np.zeros(shape)
        y[index] = v[: int(np.prod(sides))].reshape(sides)
        return y.ravel()

    np.testing.assert_array_equal(evaluate(trace(f, len(x)), x), f(x))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_broadcasting_is_numpys(data: st.DataObject) -> None:
    shapes = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3)).input_shapes
    sizes = [int(np.prod(shape)) for shape in shapes]
    x = np.arange(float(sum(sizes))) + 1.0
    constant = np.resize([0.0, 1.0, 2.0], sizes[1]).reshape(shapes[1])

    def f(v: Any) -> Any:
        left, right = v[: sizes[0]].reshape(shapes[0]), v[sizes[0] :].reshape(shapes[1])
        return np.concatenate([np.ravel(left * right), np.ravel(left - constant), np.ravel(left * constant)])

    np.testing.assert_array_equal(evaluate(trace(f, len(x)), x), f(x))


def test_scalars_are_not_views() -> None:
    def f(x: Any) -> Any:
        a = x[0]
        b = a
        a += 1
        c = x.sum()
        d = c
        c *= 2
        z = x[1, ...]
        z += 5
        return np.stack([a, b, c, d, x[0], x[1]])

    x = np.array([1.0, 2.0])
    np.testing.assert_array_equal(evaluate(trace(f, 2), x), f(x.copy()))


def test_results_do_not_alias_their_operands() -> None:
    """What is simplified away still gives a new array."""

    def f(x: Any) -> Any:
        parts = [x * 1.0, x + 0.0, +x, x**1, x.copy(), np.array(x), x.flatten(), np.where(True, x, 0.0), x / 1]
        parts += [np.concatenate([x]), np.maximum(x, -1e9), x[[0, 1]], x[[True, True]]]
        for part in parts:
            part[0] = 7.0
        return x

    assert _steps(f, 2) == ["t1 = maximum(x1, -1000000000)", "t2 = maximum(x2, -1000000000)"]
    np.testing.assert_array_equal(evaluate(trace(f, 2), [1.0, 2.0]), [1.0, 2.0])


def test_the_input_may_be_changed() -> None:
    def f(x: Any) -> Any:
        x[0] = x[1] * 2
        return x

    program = trace(f, 2)
    assert program.outputs.tolist() == [2, 1]


def test_a_read_only_broadcast_is_not_assigned_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        trace(lambda x: np.broadcast_to(x, (2, 3)).__setitem__(0, 1.0), 3)


SIMPLIFIED: list[tuple[Any, list[str]]] = [
    (lambda x: x[0] * 1 + 0, []),
    (lambda x: 0 + x[0] - 0, []),
    (lambda x: x[0] / 1, []),
    (lambda x: x[0] ** 1, []),
    (lambda x: 0 - x[0], ["t1 = neg(x1)"]),
    (lambda x: x[0] ** 2, ["t1 = square(x1)"]),
    (lambda x: x[0] ** -1, ["t1 = reciprocal(x1)"]),
    (lambda x: x[0] ** 0.5, ["t1 = sqrt(x1)"]),
    (lambda x: x[0] ** 3, ["t1 = x1 ** 3"]),
    (lambda x: 1 / x[0], ["t1 = 1 / x1"]),
    (lambda x: x[0] * 0, ["t1 = constant(0)"]),
    (lambda x: x[0] * 0 + 2, ["t1 = constant(2)"]),
    (lambda x: x[0] ** 0, ["t1 = constant(1)"]),
    (lambda x: np.sin(2.0) * 2 + 1 + 0 * x[0], [f"t1 = constant({float(np.sin(2.0)) * 2 + 1!r})"]),
    (lambda x: np.minimum(np.inf, x[0]), []),
    (lambda x: np.where(True, x[0], x[1]), []),
    (lambda x: np.where(x[0] > 0, x[1], x[1]), []),
    (lambda x: np.maximum(0, x[0]), ["t1 = maximum(0, x1)"]),
    (lambda x: np.logaddexp(0, x[0]), ["t1 = softplus(x1)"]),
    (lambda x: np.where(x[0] > x[1], x[0], 1.0), ["t1 = x1 - x2", "t2 = select(t1, x1, 1)"]),
    (lambda x: np.where(x[0] <= x[1], x[0], 1.0), ["t1 = x1 - x2", "t2 = select(t1, 1, x1)"]),
]


@pytest.mark.parametrize(("f", "steps"), SIMPLIFIED)
def test_simplifications(f: Any, steps: list[str]) -> None:
    assert _steps(f, 2) == steps


def test_structural_zeros_leave_no_steps() -> None:
    dense = np.array([[1.0, 2.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.0, 3.0, 1.0, 4.0], [0.0, 0.0, 0.0, 1.0]])
    expected = ["t1 = 2 * x2", "t2 = 3 * x2", "t3 = 4 * x4", "t4 = x1 + t1", "t5 = t2 + x3", "t6 = t5 + t3"]
    programs = [
        trace(f, 4)
        for f in (
            lambda x: dense @ x,
            lambda x: np.dot(dense, x),
            lambda x: np.tensordot(dense, x, 1),
            lambda x: np.inner(dense, x),
            lambda x: sp.csr_array(dense) @ x,
            lambda x: np.einsum("ij,j->i", dense, x),
            lambda x: np.einsum("ij,j", dense, x),
        )
    ]
    for program in programs:
        assert sorted(str(step) for step in program.steps() if step.function == "mul") == expected[:3]
        assert sum(step.function == "add" for step in program.steps()) == 3
        assert sum(step.function == "constant" for step in program.steps()) == 1
        assert program.n_steps == 7
        assert program.outputs[3] == 3
        np.testing.assert_allclose(evaluate(program, [1.0, 2.0, 3.0, 5.0]), dense @ [1.0, 2.0, 3.0, 5.0])


def test_a_tridiagonal_matrix_costs_what_its_entries_cost() -> None:
    n = 400
    matrix = np.diag(np.full(n, -2.0)) + np.diag(np.ones(n - 1), 1) + np.diag(np.ones(n - 1), -1)
    program = trace(lambda x: matrix @ x, n)
    assert np.bincount(program.codes, minlength=2)[[CODES["mul"], CODES["add"]]].tolist() == [n, 2 * n - 2]
    x = np.sin(np.arange(n))
    np.testing.assert_allclose(evaluate(program, x), matrix @ x, atol=1e-14)


def test_sums_are_trees() -> None:
    n = 1000
    program = trace(lambda x: np.sum(x), n)
    assert program.n_steps == n - 1
    depth = np.zeros(program.n_values, dtype=int)
    for k in range(program.n_steps):
        operands = program.operands[program.starts[k] : program.starts[k + 1]]
        depth[n + k] = 1 + depth[operands].max()
    assert depth.max() == 10


def test_constants_that_no_step_reads_leave_nothing() -> None:
    def f(x: Any) -> Any:
        scratch = np.zeros(100)
        scratch[:50] = np.arange(50)
        return x * 3.0 + (scratch * 2)[0]

    program = trace(f, 2)
    assert program.constants.tolist() == [3.0]


def test_equal_constants_share_an_entry() -> None:
    weights = np.linspace(0.5, 2.5, 40)
    program = trace(lambda x: (x * weights + 0.1) * weights * 0.1, 40)
    assert len(program.constants) == 41


def test_signed_zeros_are_kept_apart() -> None:
    program = trace(lambda x: np.arctan2(np.array([0.0, -0.0]), x), 2)
    assert np.signbit(program.constants).tolist() == [False, True]


def _source(x: Any) -> Any:
    y = x * 2
    z = np.sum(
        y,
    )
    return _deeper(z)


def _deeper(v: Any) -> Any:
    return v**3


def test_every_step_knows_its_line() -> None:
    program = trace(_source, 2)
    first = _source.__code__.co_firstlineno
    lines = [program.line(k) for k in range(program.n_steps)]
    assert lines[:3] == [first + 1, first + 1, first + 2]
    assert lines[3] == _deeper.__code__.co_firstlineno + 1


def test_no_line_where_there_is_no_code_of_the_user() -> None:
    assert trace(np.sin, 2).line(0) == 0


def test_iteration_length_and_attributes() -> None:
    def f(x: Any) -> Any:
        assert len(x) == 4
        assert x.shape == (4,)
        assert (x.ndim, x.size, x.dtype) == (1, 4, np.dtype(float))
        assert np.shape(x) == (4,)
        assert np.ndim(x) == 1
        assert np.size(x) == 4
        m = x.reshape(2, 2)
        assert m.T.shape == (2, 2)
        assert m.mT.shape == (2, 2)
        assert (x > 0).dtype == bool
        assert x.real is x
        assert not np.iscomplexobj(x)
        assert [np.ndim(v) for v in x] == [0] * 4
        assert isinstance(x.tolist(), list)
        assert np.ones(2)[0].item() == 1.0
        with pytest.raises(TypeError):
            len(x[0])
        with pytest.raises(TypeError):
            iter(x[0])
        with pytest.raises(TypeError):
            hash(x)
        y = np.zeros_like(m)
        y.fill(x[0])
        z = np.zeros((2, 2))
        z.flat[1] = x[3]
        assert z.flat[1] is not None
        with pytest.raises(ValueError, match="read-only"):
            z.T.flat[1] = x[3]
        return np.array([v.item() for v in m.T.flat]) + y.ravel()

    np.testing.assert_array_equal(evaluate(trace(f, 4), [1.0, 2.0, 3.0, 4.0]), [2.0, 4.0, 3.0, 5.0])


def test_long_loops_over_scalars_are_bearable() -> None:
    def f(x: Any) -> Any:
        a, b = x[0], x[1]
        for _ in range(2000):
            a = a + b * 0.5
            b = b - a * 0.5
        return [a, b]

    best = min(_seconds(f) for _ in range(3))
    assert trace(f, 2).n_steps == 8000
    # 10 µs a step on a quiet machine; the bound only catches a blow-up.
    assert best < 8000 * 100e-6


def _seconds(f: Any) -> float:
    start = time.perf_counter()
    trace(f, 2)
    return time.perf_counter() - start
