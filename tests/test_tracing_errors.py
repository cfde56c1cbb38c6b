"""What cannot be traced is an error that says what, where, and what instead."""

from __future__ import annotations

import math
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg
from scipy import special

from flowgraph.errors import FlowgraphError, InputError, TraceError
from flowgraph.tracing import TracedArray, trace


def _error(f: Callable[..., Any], n: Any = 3, **keywords: Any) -> FlowgraphError:
    with pytest.raises((TraceError, InputError)) as caught:
        trace(f, n, **keywords)
    assert caught.value.remedy
    return caught.value


def _branch(x: Any) -> Any:
    if x[0] > 1.0:  # this line
        return x
    return -x


def _while(x: Any) -> Any:
    while x[0] < 1.0:
        x = x * 2
    return x


BRANCHES: list[Callable[[Any], Any]] = [
    _branch,
    _while,
    lambda x: x if x[0] else -x,
    lambda x: x if x[0] == 0 and x[1] else -x,
    lambda x: x if np.any(x > 0) else -x,
    lambda x: x[x > 0],
    lambda x: x * max(x),
    lambda x: np.array(sorted(x)),
    lambda x: x if np.allclose(x, 0.0) else -x,
    lambda x: x[np.where(x > 0)],
    lambda x: x[np.nonzero(x)],
]


@pytest.mark.parametrize("f", BRANCHES)
def test_a_branch_on_a_traced_value(f: Callable[[Any], Any]) -> None:
    error = _error(f)
    assert "depends on a traced value" in error.what
    assert "np.where" in str(error.remedy)
    assert "point x" in str(error.remedy)
    assert error.where is not None
    assert __file__ in error.where


def test_the_place_of_a_branch_is_the_line_of_the_user() -> None:
    error = _error(_branch)
    line = _branch.__code__.co_firstlineno + 1
    assert error.where == f"{__file__}, line {line}, in _branch: if x[0] > 1.0:  # this line"


UNSUPPORTED: list[tuple[Callable[[Any], Any], str, str]] = [
    (lambda x: np.floor(x), "np.floor", "np.where"),
    (lambda x: np.round(x), "np.round", "np.where"),
    (lambda x: round(x[0]), "np.round", "np.where"),
    (lambda x: x // 2, "np.floor_divide", "np.divide"),
    (lambda x: x % 2, "np.remainder", "np.subtract"),
    (lambda x: np.sort(x), "np.sort", "np.minimum"),
    (lambda x: np.argmax(x), "np.argmax", "np.max"),
    (lambda x: x.argmin(), "np.argmin", "np.min"),
    (lambda x: x.sort(), "the method sort", "NumPy"),
    (lambda x: x.resize(2), "the method resize", "NumPy"),
    (lambda x: x.view(int), "the method view", "NumPy"),
    (lambda x: np.median(x), "np.median", "np.mean"),
    (lambda x: np.linalg.solve(np.outer(x, x), x), "np.linalg.solve", "np.matmul"),
    (lambda x: np.linalg.inv(np.diag(x)), "np.linalg.inv", "np.matmul"),
    (lambda x: np.fft.fft(x), "np.fft.fft", "np.matmul"),
    (lambda x: np.isnan(x), "np.isnan", "finite"),
    (lambda x: special.erfc(x), "scipy.special.erfc", "scipy.special.erf"),
    (lambda x: special.j0(x), "scipy.special.j0", "can be traced"),
    (lambda x: np.nanstd(x), "np.nanstd", "np.std"),
    (lambda x: np.fmax.reduceat(x, [0, 1]), "np.fmax.reduceat", "can be traced"),
    (lambda x: np.linalg.norm(np.outer(x, x), 2), "np.linalg.norm", "can be traced"),
    (lambda x: np.interp(x, [0, 1], [1, 2]), "np.interp", "np.where"),
    (lambda x: np.apply_over_axes(np.sum, x, 0), "np.apply_over_axes", "np."),
]


@pytest.mark.parametrize(("f", "name", "near"), UNSUPPORTED)
def test_unsupported_functions_name_the_nearest(f: Callable[[Any], Any], name: str, near: str) -> None:
    error = _error(f)
    assert error.what.startswith(name)
    assert "cannot be traced" in error.what
    assert near in str(error.remedy)
    assert error.where is not None


NUMBERS: list[Callable[[Any], Any]] = [
    lambda x: math.sin(x[0]),
    lambda x: float(x[0]) * x,
    lambda x: int(x[0]) * x,
    lambda x: complex(x[0]) * x,
    lambda x: np.float64(x[0]) * x,
]


@pytest.mark.parametrize("f", NUMBERS)
def test_asking_for_the_number_of_a_traced_value(f: Callable[[Any], Any]) -> None:
    error = _error(f)
    assert "asks for the number" in error.what
    assert "math.sin" in str(error.remedy)


def _plain_zeros(x: Any) -> Any:
    y = np.zeros(3)
    y[0] = x[0]
    return y


def _plain_slice(x: Any) -> Any:
    y = np.zeros(3)
    y[:2] = x[:2]
    return y


def _plain_in_place(x: Any) -> Any:
    y = np.zeros(3)
    y += x
    return y


def _plain_mixture(x: Any) -> Any:
    return np.sin(np.array([x[0], 1.0]))


@pytest.mark.parametrize("f", [_plain_zeros, _plain_slice, _plain_in_place, _plain_mixture])
def test_plain_arrays_out_of_reach_name_the_remedy(f: Callable[[Any], Any]) -> None:
    holder = types.SimpleNamespace(f=f)
    error = _error(lambda x: holder.f(x))
    assert "np.zeros_like(x)" in str(error.remedy) or "np.stack" in str(error.remedy)
    assert error.where is not None
    assert f"in {f.__name__}" in error.where


RETURNS: list[tuple[Callable[[Any], Any], str]] = [
    (lambda x: None, "None"),
    (lambda x: x.reshape(1, 3), "shape (1, 3)"),
    (lambda x: [x, x], "a list of 2: an array of shape (3,), an array of shape (3,)"),
    (lambda x: ([x[0], x[1]], x[2]), "a tuple of 2"),
    (lambda x: {"a": x}, "dict"),
    (lambda x: "abc", "str"),
    (lambda x: x > 0, "conditions of shape (3,)"),
    (lambda x: np.zeros((2, 2)), "shape (2, 2)"),
    (lambda x: (v for v in x), "generator"),
]


@pytest.mark.parametrize(("f", "got"), RETURNS)
def test_what_is_returned_must_be_a_vector(f: Callable[[Any], Any], got: str) -> None:
    error = _error(f)
    assert "returned" in error.what
    assert got in str(error.got)
    assert "vector" in str(error.expected)


COMPLEX: list[Callable[[Any], Any]] = [
    lambda x: x * 1j,
    lambda x: x + np.array([1j, 0, 0]),
    lambda x: x.astype(complex),
    lambda x: np.sum(x, dtype=complex),
    lambda x: np.array([1j, 2.0]),
    lambda x: [x[0], 1j],
    lambda x: 1j,
]


@pytest.mark.parametrize("f", COMPLEX)
def test_complex_numbers_are_refused(f: Callable[[Any], Any]) -> None:
    error = _error(f)
    assert "complex" in str(error)


OPERANDS: list[Callable[[Any], Any]] = [
    lambda x: x + "a",
    lambda x: x + None,
    lambda x: x * {"a": 1},
    lambda x: x + np.array(["a", "b", "c"]),
    lambda x: x + np.array([object(), 1, 2], dtype=object),
    lambda x: np.add(x, [x, x[:2]]),
]


@pytest.mark.parametrize("f", OPERANDS)
def test_operands_that_are_no_numbers(f: Callable[[Any], Any]) -> None:
    error = _error(f)
    assert error.where is not None


NOT_FINITE: list[Callable[[Any], Any]] = [
    lambda x: x * np.nan,
    lambda x: x + np.inf,
    lambda x: x * np.array([1.0, -np.inf, 2.0]),
    lambda x: np.empty(3) + x,
    lambda x: [x[0], np.nan],
    lambda x: np.full(2, np.inf),
]


@pytest.mark.parametrize("f", NOT_FINITE)
def test_constants_that_are_not_finite(f: Callable[[Any], Any]) -> None:
    error = _error(f)
    assert "not finite" in error.what
    assert error.got in ("nan", "inf", "-inf")


def test_the_number_of_inputs() -> None:
    def f(x: Any) -> Any:
        return x

    for bad in (-1, 2.5, True, "3", None, [[1.0, 2.0]], [1j], [np.nan, 1.0], np.array(["a"]), [np.inf]):
        assert isinstance(_error(f, bad), InputError)
    assert trace(f, np.int64(2)).n_inputs == 2


def test_parameters_that_do_not_fit() -> None:
    assert "3 inputs for <lambda>(a, b)" in str(_error(lambda a, b: a, 3).got)
    assert "say which" in str(_error(lambda x, *rest: x, 3).remedy)
    assert "one argument" in str(_error(lambda a, b: a, 2, scalars=False).expected)
    assert "0" in str(_error(lambda: 1.0, 3).expected)
    assert "functools.partial" in str(_error(lambda x, *, h: x * h, 3).remedy)
    assert "1 to 2" in str(_error(lambda x, h=1.0: x * h, 3, scalars=True).expected)
    assert isinstance(_error(3.0), InputError)  # type: ignore[arg-type]


def test_exceptions_of_the_user_pass_unchanged() -> None:
    class MineError(Exception):
        pass

    mine = MineError("text")

    def f(x: Any) -> Any:
        raise mine

    with pytest.raises(MineError) as caught:
        trace(f, 2)
    assert caught.value is mine
    with pytest.raises(IndexError, match="out of bounds"):
        trace(lambda x: x[7], 2)
    with pytest.raises(ValueError, match="broadcast"):
        trace(lambda x: x[:2] + x, 3)
    with pytest.raises(ZeroDivisionError):
        trace(lambda x: x / (1 // 0), 3)

    def forever(x: Any) -> Any:
        return forever(x)

    with pytest.raises(RecursionError):
        trace(forever, 1)
    with pytest.raises(TypeError, match="unsupported operand"):
        trace(lambda x: x + (1 + "a"), 1)  # type: ignore[operator]
    with pytest.raises(AttributeError, match="no attribute 'spam'"):
        trace(lambda x: x.spam, 1)


def test_traced_values_of_another_trace() -> None:
    kept: list[Any] = []

    def keeps(x: Any) -> Any:
        kept.append(x)
        return x

    trace(keeps, 2)
    assert "another trace" in _error(lambda x: x + kept[0], 2).what
    assert "another trace" in _error(lambda x: np.concatenate([x, kept[0]]), 2).what
    with pytest.raises(TraceError, match="after its trace ended"):
        np.sin(kept[0])


def test_an_inner_trace_has_its_own_values() -> None:
    def outer(x: Any) -> Any:
        inner = trace(lambda y: y * 2, 2)
        assert inner.n_steps == 2
        return x * 3

    assert trace(outer, 2).n_steps == 2


def test_functions_that_ask_for_numbers() -> None:
    error = _error(lambda x: scipy.linalg.expm(np.outer(x, x)))
    assert "scipy.linalg" in error.what
    assert "asks for the numbers" in error.what


SHAPES: list[Callable[[Any], Any]] = [
    lambda x: np.ones((2, 2)) @ x,
    lambda x: np.einsum("i,j", x, x, x),
    lambda x: np.einsum("ij", x),
    lambda x: np.einsum("i->j", x),
    lambda x: np.einsum("i->ii", x),
    lambda x: np.einsum("ii", np.outer(x, x[:2])),
    lambda x: np.tensordot(np.ones((2, 2)), x, 1),
    lambda x: x @ 2.0,
    lambda x: np.cross(x[:2], x[:2]),
    lambda x: np.max(x[:0]),
    lambda x: np.pad(x, 1, mode="linear_ramp"),
    lambda x: np.sum(x, dtype=int),
    lambda x: x.astype(int),
    lambda x: np.convolve(x, x[None]),
    lambda x: np.sin(x, where=np.array([True, False, True])),
]


@pytest.mark.parametrize("f", SHAPES)
def test_shapes_and_arguments_that_do_not_fit(f: Callable[[Any], Any]) -> None:
    error = _error(f)
    assert error.where is not None
    assert __file__ in error.where


def test_in_place_results_must_fit() -> None:
    def f(x: Any) -> Any:
        y = x[:1]
        y += x
        return y

    assert "does not fit" in _error(f).what


def test_an_index_must_be_known() -> None:
    assert "index" in _error(lambda x: x[x[0]]).what
    assert "index" in _error(lambda x: [1, 2, 3][x[0]]).what
    assert "index" in _error(lambda x: range(x[0])).what


def test_conditions_are_not_assigned_to() -> None:
    def f(x: Any) -> Any:
        mask = x > 0
        mask[0] = True
        return np.where(mask, x, 0)

    assert "np.logical_and" in str(_error(f).remedy)


def test_formatting_does_not_need_numbers() -> None:
    def f(x: Any) -> Any:
        assert f"{x[0]:.3f}" == "<traced scalar>"
        assert str(x) == repr(x) == "<traced array of shape (3,)>"
        assert np.array2string(x) == repr(x)
        assert isinstance(x, TracedArray)
        assert f"{np.ones(1)[0]:.1f}" == "1.0"
        return x

    trace(f, 3)
