"""J that is singular: at this x, for every x, or because it is not square."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import flowgraph as fg
from flowgraph.errors import FlowgraphError, NotInvertible, SingularJacobian
from flowgraph.language import load
from flowgraph.program import Program
from tests.examples import SINGULAR
from tests.lump_oracle import check_certificate

MODES = ("ijvp", "ivjp")


def singular(call: Any) -> SingularJacobian:
    with pytest.raises(SingularJacobian) as caught:
        call()
    assert isinstance(caught.value, FlowgraphError)
    assert isinstance(caught.value, ArithmeticError)
    return caught.value


def solution(error: SingularJacobian) -> np.ndarray:
    """The results of the members that are not singular."""
    assert isinstance(error.solution, np.ndarray)
    return error.solution


SCALAR: dict[str, tuple[str, list[float], int, str]] = {
    # name: (program, x, the step to blame, an operand value)
    "product": ("inputs x, y\nt = 2*y\nz = x * t\noutputs z, y", [3.0, 0.0], 2, "0"),
    "square": ("inputs x, y\nz = x + y\ny = square(y)\noutputs z, y", [3.0, 0.0], 2, "0"),
    "cosine": ("inputs x\nz = x + 0\ny = cos(z)\noutputs y", [0.0], 2, "0"),
    "select": ("inputs c, x, y\nz = select(c, x, y)\noutputs c, z, y", [-1.0, 2.0, 3.0], 1, "2"),
    "maximum": ("inputs x, y\nz = max(x, y)\noutputs z, y", [2.0, 3.0], 1, "2"),
    "underflow": ("inputs x, y\nt = tanh(x)\nz = t + y\noutputs t, z", [500.0, 1.0], 1, "500"),
}


@pytest.mark.parametrize("refine", [None, 0, 2])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", SCALAR)
def test_a_scalar_pivot_of_zero(name: str, mode: str, refine: int | None, backend: str) -> None:
    text, x, step, operand = SCALAR[name]
    program = fg.parse(text)
    lin = fg.linearize(program, x, backend=backend)
    v = np.ones(len(x))
    for call in (
        lambda: getattr(lin, mode)(v, refine=refine),
        lambda: getattr(fg, mode)(program, x, v, backend=backend, refine=refine),
        lambda: getattr(lin, mode)(np.ones((len(x), 2)), refine=refine),
    ):
        error = singular(call)
        assert error.step == step
        assert error.members is None
        shown = str(error)
        assert f"step {step}" in shown
        assert re.search(rf"line {program.line(step - 1)}\b", shown), shown
        assert re.search(rf"(?<![\d.]){operand}(\.0)?\b", shown), shown
        function = program.step(step - 1)
        assert function.function in shown or function.right_hand_side in shown
    # What needs no inverse still works.
    assert np.isfinite(lin.jvp(v)).all()
    assert np.isfinite(lin.vjp(v)).all()
    assert lin.slogdet().sign == 0
    assert lin.condest() == np.inf


BLOCKS: dict[str, tuple[Any, list[float]]] = {
    "complex square": (lambda x: np.stack([x[0] ** 2 - x[1] ** 2, 2 * x[0] * x[1]]), [0.0, 0.0]),
    "equal rows": (
        lambda x: np.stack([x[0] + x[1] + x[2], x[0] + 2 * x[1] + x[2] ** 2, 2 * x[0] + 3 * x[1] + 2 * x[2]]),
        [1.0, 1.0, 0.5],
    ),
    "rank one": (lambda x: np.array([[1.0, 2.0], [2.0, 4.0]]) @ x, [1.0, 1.0]),
    "dense": (lambda x: np.ones((6, 6)) @ np.sin(x), [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]),
    "band": (lambda x: x + np.append(x[1:], 0 * x[:1]) * 1.0 + np.append(x[:1] * 0, x[:-1]), [1.0] * 5),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_that_is_singular(name: str, mode: str, backend: str) -> None:
    f, x = BLOCKS[name]
    matrix = fg.linearize(f, x, backend=backend).jacobian()
    assert np.linalg.matrix_rank(matrix) < len(x)
    error = singular(lambda: getattr(fg, mode)(f, x, np.arange(1.0, len(x) + 1), backend=backend))
    assert "block" in str(error) or "step" in str(error)
    lines = re.findall(r"line (\d+)", str(error))
    assert str(f.__code__.co_firstlineno) in lines, str(error)


def test_nearly_singular_is_not_singular(backend: str) -> None:
    """A pivot of 10⁻³⁰⁰ is no zero: the result is large and right."""
    program = fg.parse("inputs x, y\nz = x * y\noutputs z, y")
    found = fg.ijvp(program, [1.0, 1e-300], [1e-300, 0.0], backend=backend)
    np.testing.assert_allclose(found, [1.0, 0.0], rtol=1e-15)


def test_a_result_that_overflows_is_no_number_in_silence(backend: str) -> None:
    """1/10⁻³⁰⁰ applied to 10³⁰⁰ has no float64: infinity, with a warning."""
    program = fg.parse("inputs x, y\nz = x * y\noutputs z, y")
    with pytest.warns(fg.AccuracyWarning, match="not finite"):
        found = fg.ijvp(program, [1.0, 1e-300], [1e300, 0.0], backend=backend)
    assert not np.isfinite(found[0])


def test_a_cancelled_partial(backend: str) -> None:
    """The partials of x·x − x at ½ are 1 and −1: a zero pivot of two paths."""
    error = singular(lambda: fg.ijvp(lambda x: x * x - x, [0.5, 1.0], [1.0, 1.0], backend=backend))
    assert "step" in str(error) or "block" in str(error)
    np.testing.assert_allclose(fg.ijvp(lambda x: x * x - x, [1.0, 2.0], [1.0, 3.0], backend=backend), [1.0, 1.0])


# -- batches -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [None, 2])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [3, 37])
def test_one_member_is_singular(mode: str, k: int | None, size: int, backend: str) -> None:
    program = fg.parse("inputs x, y\nt = y - 1\nz = x * t\noutputs z, y")
    rng = np.random.default_rng(0)
    x = rng.uniform(2.0, 3.0, (size, 2))
    x[1] = [2.5, 1.0]
    v = rng.standard_normal((size, 2) if k is None else (size, 2, k))
    lin = fg.linearize(program, x, backend=backend)
    for call in (lambda: getattr(lin, mode)(v), lambda: getattr(fg, mode)(program, x, v, backend=backend)):
        error = singular(call)
        assert error.members == (1,)
        assert solution(error).shape == v.shape
        assert np.isnan(solution(error)[1]).all()
        assert "1" in str(error)
        for member in range(size):
            if member != 1:
                alone = getattr(fg, mode)(program, x[member], v[member], backend=backend)
                np.testing.assert_allclose(solution(error)[member], alone, rtol=1e-14, atol=1e-14)
    assert lin.slogdet().sign[1] == 0
    assert np.isneginf(lin.slogdet().logabsdet[1])
    assert (lin.slogdet().sign[np.arange(size) != 1] == 1).all()
    assert np.isposinf(lin.condest()[1])
    assert np.isfinite(np.delete(lin.condest(), 1)).all()


def test_some_members_are_singular_in_different_steps(backend: str) -> None:
    program = fg.parse("inputs x, y\nx = square(x)\ny = square(y)\noutputs x, y")
    x = np.array([[1.0, 1.0], [0.0, 1.0], [2.0, 3.0], [1.0, 0.0], [0.0, 0.0]])
    error = singular(lambda: fg.ijvp(program, x, np.ones((5, 2)), backend=backend))
    assert error.members == (1, 3, 4)
    np.testing.assert_allclose(solution(error)[[0, 2]], [[0.5, 0.5], [0.25, 1 / 6]], rtol=1e-15)
    assert np.isnan(solution(error)[[1, 3, 4]]).all()
    assert error.step in (1, 2)


def test_members_with_singular_blocks(backend: str) -> None:
    def f(x: Any) -> Any:
        return np.stack([x[0] ** 2 - x[1] ** 2, 2 * x[0] * x[1], x[2] + x[0]])

    x = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 1.0], [0.5, 1.0, 0.0]])
    v = np.ones((3, 3))
    error = singular(lambda: fg.ivjp(f, x, v, backend=backend))
    assert error.members == (1,)
    for member in (0, 2):
        np.testing.assert_allclose(
            solution(error)[member], fg.ivjp(f, x[member], v[member], backend=backend), rtol=1e-14
        )


def test_all_members_are_singular(backend: str) -> None:
    error = singular(lambda: fg.ijvp(lambda x: x**2, np.zeros((2, 3)), np.ones((2, 3)), backend=backend))
    assert error.members == (0, 1)
    assert np.isnan(solution(error)).all()


# -- singular for every x ----------------------------------------------------------------------------------------------


def refused(call: Any) -> NotInvertible:
    with pytest.raises(NotInvertible) as caught:
        call()
    return caught.value


def check_no_inverse(program: Program, x: Any, backend: str) -> NotInvertible:
    m = program.n_outputs
    lin = fg.linearize(program, x, backend=backend)
    matrix = lin.jacobian()
    np.testing.assert_allclose(lin.jvp(np.ones(len(x))), matrix.sum(axis=1), rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(lin.vjp(np.ones(m)), matrix.sum(axis=0), rtol=1e-13, atol=1e-13)
    error = refused(lambda: lin.ijvp(np.ones(m)))
    for call in (
        lambda: lin.ivjp(np.ones(len(x))),
        lin.slogdet,
        lin.condest,
        lambda: lin.as_linear_operator("forward-inverse"),
        lambda: lin.as_linear_operator("reverse-inverse"),
        lambda: fg.ijvp(program, x, np.ones(m), backend=backend),
        lambda: fg.ivjp(program, x, np.ones(len(x)), backend=backend),
        lambda: fg.ivjp(program, x, np.ones(len(x)), backend=backend, tape=False),
    ):
        assert refused(call).what == error.what
    return error


@pytest.mark.parametrize("file", [f for f in SINGULAR if (load(f).codes >= 0).all()], ids=lambda file: file.stem)
def test_examples_without_an_inverse(file: Any, backend: str) -> None:
    program = load(file)
    error = check_no_inverse(program, np.linspace(0.4, 1.1, program.n_inputs), backend)
    assert error.certificate is not None
    assert check_certificate(program, error.certificate) is None


@pytest.mark.parametrize(
    "text",
    [
        "inputs x, y\nz = x + y\noutputs z",
        "inputs x, y\nz = x * y\noutputs z, x, y",
        "inputs x\noutputs x, x",
        "inputs x, y\nz = sin(x)\noutputs z, y, z",
    ],
)
def test_programs_that_are_not_square(text: str, backend: str) -> None:
    program = fg.parse(text)
    error = check_no_inverse(program, np.ones(program.n_inputs), backend)
    assert str(program.n_inputs) in str(error)
    assert str(program.n_outputs) in str(error)


def test_an_unused_input(backend: str) -> None:
    program = fg.parse("inputs x, y\nz = sin(x)\nw = x + z\noutputs z, w")
    error = check_no_inverse(program, [1.0, 2.0], backend)
    assert "y" in str(error)


def test_a_constant_output(backend: str) -> None:
    error = refused(
        lambda: fg.ijvp(lambda x: np.stack([x[0], 1.0 + 0 * x[0]]), [1.0, 2.0], [1.0, 1.0], backend=backend)
    )
    assert error.certificate is not None


def test_the_structure_is_told_before_the_point(backend: str) -> None:
    """A program without inverse is told so whatever x is, a batch of none included."""
    program = fg.parse("inputs x, y\nr = hypot(x, y)\noutputs r, r")
    plan = fg.plan(program, backend=backend)
    lin = plan.linearize(np.ones((0, 2)))
    assert lin.jvp(np.ones((0, 2))).shape == (0, 2)
    refused(lambda: lin.ijvp(np.ones((0, 2))))
