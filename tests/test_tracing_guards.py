"""Tracing at a point: branches are taken there and recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from evaluate import evaluate, guards_hold, values
from hypothesis import given, settings
from hypothesis import strategies as st

from flowgraph.errors import TraceError
from flowgraph.tracing import trace


def _branch(x: Any) -> Any:
    if x[0] > x[1]:
        return x * 2
    return np.sin(x)


def test_a_branch_becomes_a_guard() -> None:
    program = trace(_branch, [2.0, 1.0])
    (guard,) = program.guards
    assert guard.line == _branch.__code__.co_firstlineno + 1
    assert guard.outcomes.tolist() == [True]
    assert [str(program.step(int(v) - 2)) for v in guard.values] == ["t1 = x1 - x2"]
    assert guards_hold(program, [5.0, 1.0])
    assert not guards_hold(program, [1.0, 5.0])
    np.testing.assert_array_equal(evaluate(program, [5.0, 1.0]), [10.0, 2.0])
    other = trace(_branch, [1.0, 2.0])
    assert other.guards[0].outcomes.tolist() == [False]
    np.testing.assert_array_equal(evaluate(other, [1.0, 5.0]), np.sin([1.0, 5.0]))


COMPARISONS: list[Callable[[Any], Any]] = [
    lambda x: x[0] > 1,
    lambda x: x[0] >= 1,
    lambda x: x[0] < 1,
    lambda x: x[0] <= 1,
    lambda x: x[0] == 1,
    lambda x: x[0] != 1,
    lambda x: 1 > x[0],
    lambda x: not x[0] >= 1,
    lambda x: x[0],
    lambda x: (x[0] > 0) & (x[1] > 0),
    lambda x: (x[0] >= 0) | (x[1] > 0),
    lambda x: (x[0] >= 0) ^ (x[1] <= 0),
    lambda x: np.any(x >= 1) and np.all(x <= 1),
    lambda x: x[0] > 0 and x[1] > 0,
    lambda x: 0 < x[0] <= 1,
    lambda x: np.allclose(x, 1.0),
    lambda x: np.array_equal(x, [1.0, -1.0]),
    lambda x: np.array_equal(x, [1.0]),
    lambda x: (x > 0)[1],
    lambda x: np.sum(x > 0) > 1,
]

SPECIAL = st.sampled_from([-1.0, -0.0, 0.0, 1.0, 5e-324, 2.0, 1e308, -1e308])
TAME = st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0, 2.0])


@pytest.mark.parametrize("condition", COMPARISONS)
@settings(max_examples=25, deadline=None)
@given(a=SPECIAL, b=SPECIAL)
def test_the_branch_taken_is_the_one_numpy_takes(condition: Callable[[Any], Any], a: float, b: float) -> None:
    point = np.array([a, b])
    expected = 1.0 if condition(point) else 2.0
    program = trace(lambda x: [1.0 if condition(x) else 2.0], point)
    assert evaluate(program, point) == [expected]
    assert guards_hold(program, point)


@settings(max_examples=80, deadline=None)
@given(a=st.lists(TAME, min_size=3, max_size=3), b=st.lists(TAME, min_size=3, max_size=3))
def test_guards_hold_exactly_where_the_path_is_the_same(a: list[float], b: list[float]) -> None:
    """Where all guards hold, the program computes f; where f takes another path, a guard fails."""

    def path(x: Any) -> list[int]:
        taken = []
        for k in range(3):
            if x[k] > 0.5:
                taken.append(k)
            elif x[k] <= -0.5:
                taken.append(-k - 1)
        return taken

    def f(x: Any) -> Any:
        return sum((k + 2) * x[k] for k in path(x)) + 0 * x[0] + 1.0

    program = trace(f, np.array(a))
    assert guards_hold(program, b) == (path(a) == path(b))
    if path(a) == path(b):
        np.testing.assert_allclose(evaluate(program, b), [f(np.array(b))])


def test_masks_become_guards() -> None:
    def f(x: Any) -> Any:
        y = x * 2
        y[y > 3] = 0.0
        return np.append(y[x > 1], np.sum(x[np.nonzero(x < 0)]))

    point = np.array([-1.0, 1.4, 2.0, 0.5])
    program = trace(f, point)
    assert [len(guard.values) for guard in program.guards] == [4, 4, 4]
    np.testing.assert_allclose(evaluate(program, point), f(point))
    nearby = point + 0.05
    assert guards_hold(program, nearby)
    np.testing.assert_allclose(evaluate(program, nearby), f(nearby))


def test_assignment_under_a_condition_needs_no_point() -> None:
    def f(x: Any) -> Any:
        y = x * 2
        y[y > 3] = 1.0
        return y

    program = trace(f, 3)
    assert not program.guards
    for point in ([1.0, 2.0, 3.0], [3.0, -1.0, 0.0]):
        np.testing.assert_allclose(evaluate(program, point), f(np.array(point)))


def test_constants_in_conditions_need_no_guard() -> None:
    def f(x: Any) -> Any:
        y = np.zeros(2)
        y[1] = x[0]
        if y[0] >= 0 and np.all(np.array([1.0, 2.0]) > 0.5):
            return y + 1
        return y

    assert trace(f, 1).guards == ()
    program = trace(lambda x: np.append(x, 1.0)[np.append(x, 1.0) > 0], [2.0])
    assert [guard.values.tolist() for guard in program.guards] == [[0]]


def test_loops_until_convergence() -> None:
    def newton(a: Any) -> Any:
        y = a[0]
        while abs(y * y - a[0]) > 1e-12:
            y = 0.5 * (y + a[0] / y)
        return y

    program = trace(newton, [2.0])
    assert len(program.guards) == 6
    np.testing.assert_allclose(evaluate(program, [2.0]), [2**0.5], rtol=1e-12)
    assert guards_hold(program, [2.0])


def test_values_at_the_point_are_those_of_the_program() -> None:
    point = np.array([0.5, 1.5])
    seen: list[Any] = []

    def f(x: Any) -> Any:
        y: Any = np.stack([np.sin(x[0]) * 2, np.float64(3.0), x[1] ** 3])
        seen.append(y.recorder.values(y.codes))
        return y

    program = trace(f, point)
    np.testing.assert_array_equal(seen[0][[0, 2]], evaluate(program, point)[[0, 2]])
    assert seen[0][1] == 3.0
    assert len(values(program, point)) == program.n_values


def test_a_branch_at_a_value_that_is_no_number() -> None:
    with pytest.raises(TraceError, match="not a number at the point"):
        trace(lambda x: x if np.log(x[0]) > 0 else -x, [-1.0])
    with pytest.raises(TraceError, match="not a number at the point"):
        trace(lambda x: x if (x[0] / x[1]) <= 0 else -x, [0.0, 0.0])


def test_where_leaves_no_guard_at_a_point() -> None:
    program = trace(lambda x: np.where(x > 0, np.log(x), x), [-1.0, 2.0])
    assert program.guards == ()
    np.testing.assert_allclose(evaluate(program, [-1.0, 2.0]), [-1.0, np.log(2.0)])


def test_numbers_are_still_not_given_away() -> None:
    with pytest.raises(TraceError, match="asks for the number"):
        trace(lambda x: float(x[0]) * x, [1.0])


def test_an_ambiguous_truth_value() -> None:
    with pytest.raises(ValueError, match="ambiguous"):
        trace(lambda x: x if x > 0 else -x, [1.0, 2.0])
