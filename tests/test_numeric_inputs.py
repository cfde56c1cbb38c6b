"""Shapes and kinds of numbers: what is taken, what comes out, and what each wrong one is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numeric_oracle import complex_step

import flowgraph as fg
from flowgraph.errors import FlowgraphError, InputError

SQUARE = fg.parse("inputs x, y, z\nu = x * y\nv = y + z\nw = sin(z)\noutputs u, v, w")
TALL = fg.parse("inputs x, y\nu = x * y\nv = x + y\noutputs u, v, x")
X = np.array([1.5, 2.0, 0.5])
POINT = np.array([1.5, 2.0])
INVERSE = ("ijvp", "ivjp")
ALL = ("jvp", "vjp", *INVERSE)


# -- shapes that fit ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [None, 0, 1, 3])
@pytest.mark.parametrize("mode", ALL)
def test_right_hand_sides(mode: str, k: int | None, backend: str) -> None:
    shape = (3,) if k is None else (3, k)
    lin = fg.linearize(SQUARE, X, backend=backend)
    assert lin.value.shape == (3,)
    assert getattr(lin, mode)(np.ones(shape)).shape == shape
    returned = getattr(fg, mode)(SQUARE, X, np.ones(shape), backend=backend)
    if mode in INVERSE:
        assert returned.shape == shape
    else:
        assert (returned[0].shape, returned[1].shape) == ((3,), shape)


@pytest.mark.parametrize("k", [None, 0, 1, 3])
@pytest.mark.parametrize("size", [0, 1, 4])
@pytest.mark.parametrize("mode", ALL)
def test_batches(mode: str, size: int, k: int | None, backend: str) -> None:
    shape = (size, 3) if k is None else (size, 3, k)
    x = np.tile(X, (size, 1))
    lin = fg.linearize(SQUARE, x, backend=backend)
    assert lin.value.shape == (size, 3)
    found = getattr(lin, mode)(np.ones(shape))
    assert found.shape == shape
    assert found.dtype == np.float64
    assert lin.jacobian().shape == (size, 3, 3)
    assert lin.condest().shape == (size,)
    sign, value = lin.slogdet()
    assert sign.shape == value.shape == (size,)


@pytest.mark.parametrize("k", [None, 0, 1, 3])
@pytest.mark.parametrize("size", [None, 0, 1, 4])
def test_programs_that_are_not_square(size: int | None, k: int | None, backend: str) -> None:
    lead = () if size is None else (size,)
    tail = () if k is None else (k,)
    x = POINT if size is None else np.tile(POINT, (size, 1))
    lin = fg.linearize(TALL, x, backend=backend)
    assert lin.value.shape == (*lead, 3)
    assert lin.jvp(np.ones((*lead, 2, *tail))).shape == (*lead, 3, *tail)
    assert lin.vjp(np.ones((*lead, 3, *tail))).shape == (*lead, 2, *tail)
    assert lin.jacobian().shape == (*lead, 3, 2)


@pytest.mark.parametrize("k", [None, 0, 2])
@pytest.mark.parametrize("size", [None, 0, 3])
def test_no_inputs(size: int | None, k: int | None, backend: str) -> None:
    """J of a function of nothing is the empty matrix, whose determinant is 1."""
    program = fg.Program.from_json(
        {"schema": "flowgraph/program/1", "inputs": [], "steps": [], "outputs": [], "guards": []}
    )
    lead = () if size is None else (size,)
    shape = (*lead, 0) if k is None else (*lead, 0, k)
    lin = fg.linearize(program, np.zeros((*lead, 0)), backend=backend)
    assert lin.value.shape == (*lead, 0)
    for mode in ALL:
        assert getattr(lin, mode)(np.zeros(shape)).shape == shape
    sign, value = lin.slogdet()
    np.testing.assert_array_equal(sign, np.ones(lead))
    np.testing.assert_array_equal(value, np.zeros(lead))
    assert lin.jacobian().shape == (*lead, 0, 0)


def test_no_inputs_by_a_function(backend: str) -> None:
    assert fg.ijvp(lambda x: 2 * x, [], [], backend=backend).shape == (0,)


def test_no_steps_and_no_outputs(backend: str) -> None:
    lin = fg.linearize(fg.parse("inputs x, y\noutputs y, x"), [1.0, 2.0], backend=backend)
    np.testing.assert_array_equal(lin.ijvp([3.0, 4.0]), [4.0, 3.0])
    np.testing.assert_array_equal(lin.value, [2.0, 1.0])
    from flowgraph.builder import Builder

    nothing = fg.linearize(Builder(2).finish(np.zeros(0, dtype=np.int64)), [1.0, 2.0], backend=backend)
    assert nothing.value.shape == nothing.jvp([1.0, 2.0]).shape == (0,)
    np.testing.assert_array_equal(nothing.vjp(np.zeros(0)), [0.0, 0.0])
    assert nothing.jacobian().shape == (0, 2)


# -- numbers that are not float64 --------------------------------------------------------------------------------------

KINDS: dict[str, Any] = {
    "list": [1, 2, 3],
    "tuple": (1.0, 2, 3),
    "int": np.array([1, 2, 3]),
    "int8": np.array([1, 2, 3], dtype=np.int8),
    "unsigned": np.array([1, 2, 3], dtype=np.uint16),
    "float32": np.array([1, 2, 3], dtype=np.float32),
    "float16": np.array([1, 2, 3], dtype=np.float16),
    "big-endian": np.array([1, 2, 3], dtype=">f8"),
    "strided": np.array([1.0, 0, 2, 0, 3, 0])[::2],
    "reversed": np.array([3.0, 2.0, 1.0])[::-1],
    "read-only": np.frombuffer(np.array([1.0, 2.0, 3.0]).tobytes()),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ALL)
def test_numbers_are_promoted(kind: str, mode: str, backend: str) -> None:
    plain = np.array([1.0, 2.0, 3.0])
    lin = fg.linearize(SQUARE, plain, backend=backend)
    same = fg.linearize(SQUARE, KINDS[kind], backend=backend)
    assert same.value.dtype == same.x.dtype == np.float64
    np.testing.assert_array_equal(same.value, lin.value)
    expected = getattr(lin, mode)(plain)
    for found in (getattr(lin, mode)(KINDS[kind]), getattr(same, mode)(plain)):
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found, expected)


def test_integers_are_not_divided_as_integers(backend: str) -> None:
    y, dy = fg.jvp(lambda x: x / 2, np.array([1, 3]), np.array([1, 2]), backend=backend)
    np.testing.assert_array_equal(y, [0.5, 1.5])
    np.testing.assert_array_equal(dy, [0.5, 1.0])
    np.testing.assert_array_equal(fg.ijvp(lambda x: 4 * x, [1, 2], [1, 3], backend=backend), [0.25, 0.75])


@pytest.mark.parametrize("order", ["C", "F"])
def test_memory_order_does_not_matter(order: Any, backend: str) -> None:
    v = np.random.default_rng(0).standard_normal((3, 4))
    x = np.tile(X, (2, 1)) + np.array([[0.0], [0.1]])
    batch = np.random.default_rng(1).standard_normal((2, 3, 4))
    for mode in ALL:
        lin = fg.linearize(SQUARE, X, backend=backend)
        np.testing.assert_array_equal(getattr(lin, mode)(np.asarray(v, order=order)), getattr(lin, mode)(v))
        lin = fg.linearize(SQUARE, np.asarray(x, order=order), backend=backend)
        np.testing.assert_array_equal(getattr(lin, mode)(np.asarray(batch, order=order)), getattr(lin, mode)(batch))
    lin = fg.linearize(SQUARE, X, backend=backend)
    np.testing.assert_array_equal(lin.jvp(np.stack([v, v])[1][:, ::2]), lin.jvp(v[:, ::2].copy()))


# -- what is refused ---------------------------------------------------------------------------------------------------


def refused(call: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        call()
    error = caught.value
    assert error.what
    assert error.got
    assert error.expected or error.remedy
    return error


@pytest.mark.parametrize(
    "x",
    [
        np.ones(2),
        np.ones(4),
        np.ones(0),
        1.0,
        np.ones((2, 2)),
        np.ones((2, 3, 1)),
        np.ones((3, 1)),
        [[1.0, 2.0, 3.0], [1.0]],
    ],
    ids=["short", "long", "empty", "number", "narrow batch", "three axes", "column", "ragged"],
)
def test_points_of_a_wrong_shape(x: Any, backend: str) -> None:
    error = refused(lambda: fg.linearize(SQUARE, x, backend=backend))
    if not isinstance(x, list):
        assert str(np.shape(x)) in str(error.got)
        assert "3" in str(error.expected)


WRONG = [(2,), (4,), (0,), (), (2, 3), (1, 3), (3, 2, 1), (4, 2)]


@pytest.mark.parametrize("shape", WRONG, ids=str)
@pytest.mark.parametrize("mode", ALL)
def test_right_hand_sides_of_a_wrong_shape(mode: str, shape: tuple[int, ...], backend: str) -> None:
    lin = fg.linearize(SQUARE, X, backend=backend)
    for call in (
        lambda: getattr(lin, mode)(np.ones(shape)),
        lambda: getattr(fg, mode)(SQUARE, X, np.ones(shape), backend=backend),
    ):
        error = refused(call)
        assert str(shape) in str(error.got)
        assert "(3,)" in str(error.expected)


@pytest.mark.parametrize(
    "shape", [(3,), (2, 3), (5, 3), (4, 2), (4, 4), (4,), (3, 4), (4, 3, 2, 1), (3, 4, 3)], ids=str
)
@pytest.mark.parametrize("mode", ALL)
def test_right_hand_sides_that_do_not_fit_a_batch(mode: str, shape: tuple[int, ...], backend: str) -> None:
    lin = fg.linearize(SQUARE, np.tile(X, (4, 1)), backend=backend)
    error = refused(lambda: getattr(lin, mode)(np.ones(shape)))
    assert str(shape) in str(error.got)
    assert "(4, 3)" in str(error.expected)


def test_the_sides_of_a_rectangle_are_told_apart(backend: str) -> None:
    lin = fg.linearize(TALL, POINT, backend=backend)
    assert "(2,)" in str(refused(lambda: lin.jvp(np.ones(3))).expected)
    assert "(3,)" in str(refused(lambda: lin.vjp(np.ones(2))).expected)


UNREAL: dict[str, Any] = {
    "complex": np.array([1j, 0, 1]),
    "complex without imaginary part": np.array([1, 2, 3], dtype=complex),
    "text": ["1", "2", "3"],
    "objects": np.array([1.0, None, 2.0], dtype=object),
    "dates": np.array(["2020-01-01"] * 3, dtype="M8[D]"),
    "None": None,
}


@pytest.mark.parametrize("kind", UNREAL)
def test_what_is_no_real_number(kind: str, backend: str) -> None:
    refused(lambda: fg.linearize(SQUARE, UNREAL[kind], backend=backend))
    lin = fg.linearize(SQUARE, X, backend=backend)
    for mode in ALL:
        refused(lambda m=mode: getattr(lin, m)(UNREAL[kind]))
        refused(lambda m=mode: getattr(fg, m)(SQUARE, UNREAL[kind], X, backend=backend))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 2])
def test_points_that_are_not_finite(bad: float, place: int, backend: str) -> None:
    x = X.copy()
    x[place] = bad
    error = refused(lambda: fg.linearize(SQUARE, x, backend=backend))
    assert f"{place}" in str(error.where)
    assert repr(bad) in str(error.got)
    refused(lambda: fg.ijvp(SQUARE, x, X, backend=backend))
    refused(lambda: fg.jvp(lambda z: 2 * z, x, X, backend=backend))
    batch = np.stack([X, x, X])
    assert "1" in str(refused(lambda: fg.linearize(SQUARE, batch, backend=backend)).where)


def test_a_point_that_no_step_reads_must_be_finite_too(backend: str) -> None:
    refused(lambda: fg.linearize(fg.parse("inputs x, y\nz = sin(x)\noutputs z"), [1.0, np.nan], backend=backend))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("mode", ALL)
def test_right_hand_sides_that_are_not_finite(mode: str, bad: float, backend: str) -> None:
    """Refused, or propagated; never a finite number where the true result has none."""
    lin = fg.linearize(SQUARE, X, backend=backend)
    v = np.array([1.0, bad, 1.0])
    try:
        found = getattr(lin, mode)(v)
    except InputError:
        return
    assert not np.isfinite(found).all()


@pytest.mark.parametrize("bad", ["fast", "Numpy", 1, True, "", "jax"])
def test_backends_that_there_are_not(bad: Any) -> None:
    error = refused(lambda: fg.linearize(SQUARE, X, backend=bad))
    assert repr(bad) in str(error.got)
    assert "numpy" in str(error.expected)
    refused(lambda: fg.plan(SQUARE, backend=bad))
    refused(lambda: fg.jvp(SQUARE, X, X, backend=bad))


@pytest.mark.parametrize("bad", [-1, 1.5, "two", [1]])
def test_rounds_of_refinement_that_are_no_number(bad: Any, backend: str) -> None:
    lin = fg.linearize(SQUARE, X, backend=backend)
    for mode in INVERSE:
        refused(lambda m=mode: getattr(lin, m)(X, refine=bad))


def test_modes_that_there_are_not(backend: str) -> None:
    lin = fg.linearize(SQUARE, X, backend=backend)
    error = refused(lambda: lin.as_linear_operator("inverse"))
    assert "forward-inverse" in str(error.expected)
    refused(lambda: fg.linearize(SQUARE, np.tile(X, (2, 1)), backend=backend).as_linear_operator("forward"))


@pytest.mark.parametrize("f", [None, 3, "inputs x", np.ones(3)], ids=["None", "number", "text", "array"])
def test_what_is_no_function(f: Any, backend: str) -> None:
    for call in (
        lambda: fg.linearize(f, X, backend=backend),
        lambda: fg.jvp(f, X, X, backend=backend),
        lambda: fg.plan(f, 3, backend=backend),
    ):
        with pytest.raises(FlowgraphError):
            call()


def test_a_plan_of_a_function_needs_its_size(backend: str) -> None:
    with pytest.raises(InputError, match="number of inputs"):
        fg.plan(lambda x: x, backend=backend)
    refused(lambda: fg.plan(SQUARE, 4, backend=backend))
    assert fg.plan(SQUARE, 3, backend=backend).backend == backend
    assert fg.plan(SQUARE, backend=backend).program.n_inputs == 3
    plan = fg.plan(lambda x: x**2 + 1, 4, backend=backend)
    refused(lambda: plan.linearize(np.ones(3)))
    np.testing.assert_array_equal(plan.linearize([1, 2, 3, 4]).value, [2, 5, 10, 17])


def test_functions_of_several_scalars(backend: str) -> None:
    def f(u: Any, v: Any) -> Any:
        return u * v, u + np.sin(v)

    x = np.array([1.2, 0.4])
    found = fg.linearize(f, x, backend=backend).jacobian()
    np.testing.assert_allclose(found, complex_step(lambda z: np.stack(f(*z)), x), rtol=1e-15)
    with pytest.raises(InputError):
        fg.linearize(f, np.ones(3), backend=backend)


def test_functions_that_return_a_wrong_size(backend: str) -> None:
    """More or fewer outputs than inputs are fine for J v, and have no inverse."""
    assert fg.jvp(lambda x: x[:2], X, X, backend=backend)[1].shape == (2,)
    with pytest.raises(fg.NotInvertible) as caught:
        fg.ijvp(lambda x: x[:2], X, np.ones(2), backend=backend)
    assert "2" in str(caught.value)
    assert "3" in str(caught.value)
    with pytest.raises(fg.TraceError):
        fg.jvp(lambda x: np.outer(x, x), X, X, backend=backend)
