"""Operations outside their domains or at their kinks, overflow, and functions that have no value."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from numeric_checks import check_all
from numeric_oracle import truth

import flowgraph as fg
from flowgraph.builder import Builder
from flowgraph.errors import DomainError, FlowgraphError
from flowgraph.operations import CODES, OPERATIONS
from flowgraph.program import Program

OUTSIDE: dict[str, tuple[tuple[float, ...], ...]] = {
    "div": ((1.0, 0.0), (0.0, 0.0), (1.0, -0.0)),
    "power": ((-1.0, 0.5), (0.0, -1.0), (0.0, 0.5), (-2.0, -1.5)),
    "reciprocal": ((0.0,), (-0.0,)),
    "sqrt": ((0.0,), (-1.0,)),
    "log": ((0.0,), (-1.0,)),
    "log1p": ((-1.0,), (-2.0,)),
    "asin": ((1.0,), (-1.0,), (1.5,)),
    "acos": ((1.0,), (-1.0,), (-1.5,)),
    "atan2": ((0.0, 0.0), (0.0, -1.0)),
    "acosh": ((1.0,), (0.5,), (-2.0,)),
    "atanh": ((1.0,), (-1.0,), (2.0,)),
    "hypot": ((0.0, 0.0),),
    "abs": ((0.0,), (-0.0,)),
    "minimum": ((0.5, 0.5), (0.0, -0.0)),
    "maximum": ((0.5, 0.5), (0.0, -0.0)),
    "select": ((0.0, 1.0, 2.0), (-0.0, 1.0, 2.0)),
}
OVERFLOWING: dict[str, tuple[float, ...]] = {
    "add": (1e308, 1e308),
    "sub": (-1e308, 1e308),
    "mul": (1e200, 1e200),
    "div": (1e200, 1e-200),
    "power": (1e10, 1e3),
    "reciprocal": (1e-310,),
    "square": (1e200,),
    "exp": (800.0,),
    "expm1": (800.0,),
    "sinh": (800.0,),
    "cosh": (-800.0,),
}


def program_of(name: str) -> tuple[Program, int]:
    """Step 3 of a program is the operation on all inputs, in source line 7; 2 harmless steps stand before it."""
    arity = OPERATIONS[CODES[name]].arity
    builder = Builder(arity + 1)
    first = builder.scalar("sin", arity, line=2)
    second = builder.scalar("neg", first, line=2)
    z = builder.scalar(name, *range(arity), line=7)
    # Added to a path, so that the program is square and nonsingular.
    total = builder.scalar("add", second, z, line=9)
    return builder.finish(np.array([*range(arity), total])), arity


def test_every_operation_with_a_domain_is_here() -> None:
    for operation in OPERATIONS:
        smooth = operation.domain.text in ("every real", "cos x ≠ 0")
        assert (operation.name in OUTSIDE) != smooth, operation.name
    for name, points in OUTSIDE.items():
        for point in points:
            assert not OPERATIONS[CODES[name]].domain.contains(*point), (name, point)


def check_message(error: DomainError, name: str, point: tuple[float, ...]) -> None:
    text = str(error)
    assert name in text or (OPERATIONS[CODES[name]].infix or name) in text
    assert re.search(r"step 3\b", text), text
    assert re.search(r"line 7\b", text), text
    for number in point:
        assert re.search(rf"(?<![\d.]){re.escape(repr(number))}|{number:g}", text), (number, text)
    assert error.got
    assert error.expected


@pytest.mark.parametrize("name", OUTSIDE)
def test_outside_the_domain(name: str, backend: str) -> None:
    program, _ = program_of(name)
    v = np.ones(program.n_inputs)
    for point in OUTSIDE[name]:
        x = np.array([*point, 0.5])
        for call in (
            lambda at=x: fg.linearize(program, at, backend=backend),
            lambda at=x: fg.jvp(program, at, v, backend=backend),
            lambda at=x: fg.vjp(program, at, v, backend=backend),
            lambda at=x: fg.ijvp(program, at, v, backend=backend),
            lambda at=x: fg.ivjp(program, at, v, backend=backend),
        ):
            with pytest.raises(DomainError) as caught:
                call()
            check_message(caught.value, name, point)
            assert OPERATIONS[CODES[name]].domain.text in str(caught.value.expected)


@pytest.mark.parametrize("name", OUTSIDE)
def test_without_a_tape(name: str, backend: str) -> None:
    program, _ = program_of(name)
    v = np.ones(program.n_inputs)
    x = np.array([*OUTSIDE[name][0], 0.5])
    for mode in (fg.jvp, fg.ivjp):
        with pytest.raises(DomainError) as caught:
            mode(program, x, v, backend=backend, tape=False)
        check_message(caught.value, name, OUTSIDE[name][0])


@pytest.mark.parametrize("size", [3, 40])
@pytest.mark.parametrize("name", OUTSIDE)
def test_one_member_of_a_batch_outside_the_domain(name: str, size: int, backend: str) -> None:
    program, _ = program_of(name)
    operation = OPERATIONS[CODES[name]]
    inside = [0.4 * low + 0.6 * high for low, high in operation.domain.sample]
    x = np.tile([*inside, 0.5], (size, 1))
    fg.linearize(program, x, backend=backend)
    x[size - 2, :-1] = OUTSIDE[name][0]
    with pytest.raises(DomainError) as caught:
        fg.linearize(program, x, backend=backend)
    check_message(caught.value, name, OUTSIDE[name][0])
    assert re.search(rf"member {size - 2}\b", str(caught.value)), str(caught.value)


@pytest.mark.parametrize("name", [op.name for op in OPERATIONS if op.name != "constant"])
def test_inside_the_domain_near_its_edges(name: str, backend: str) -> None:
    """What the registry calls defined and differentiable gets a result, which agrees with 50 digits."""
    operation = OPERATIONS[CODES[name]]
    program, arity = program_of(name)
    for weight in (0.0, 0.02, 0.5, 0.93, 1.0):
        x = np.array([low + weight * (high - low) for low, high in operation.domain.sample] + [0.5])
        if not operation.domain.contains(*x[:arity]):
            continue
        check_all(fg.linearize(program, x, backend=backend), truth(program, x))


EDGES: dict[str, tuple[tuple[float, ...], ...]] = {
    "power": ((0.0, 2.0), (0.0, 1.0), (-1.5, 3.0), (-1.5, -2.0), (1.0, 0.0)),
    "atan2": ((-1.0, 0.0), (1.0, -2.0), (0.0, 1.0)),
    "hypot": ((0.0, 1.0), (-2.0, 0.0), (3e200, 4e200), (3e-200, 4e-200)),
    "tanh": ((30.0,), (-400.0,), (1e-300,)),
    "logistic": ((-700.0,), (40.0,), (-30.0,)),
    "softplus": ((-700.0,), (40.0,), (800.0,), (-30.0,)),
    "erf": ((6.0,), (30.0,), (-5.0,)),
    "expm1": ((1e-12,), (-40.0,), (-800.0,)),
    "log1p": ((1e-12,), (1e300,)),
    "exp": ((-800.0,), (700.0,)),
    "atan": ((1e200,),),
    "asinh": ((1e200,), (-1e200,), (1e-12,)),
    "div": ((1e-300, 1e-5), (1e300, -1e5)),
    "minimum": ((1.0, 1.0 + 2**-52),),
    "maximum": ((1.0, 1.0 + 2**-52),),
    "sqrt": ((1e-300,), (1e300,)),
    "asin": ((1 - 2**-53,), (1e-9,)),
    "acosh": ((1 + 2**-52,), (1e200,)),
    "atanh": ((1 - 2**-53,), (1e-12,)),
    "sin": ((1e5,), (1e-300,)),
    "tan": ((1.5707963,),),
}


@pytest.mark.parametrize("name", EDGES)
def test_the_backends_are_the_registry_in_extremes(name: str, backend: str) -> None:
    """Values and partials where a careless form overflows, underflows or cancels, as the registry's own forms give."""
    operation = OPERATIONS[CODES[name]]
    for point in EDGES[name]:
        builder = Builder(operation.arity)
        z = builder.scalar(name, *range(operation.arity))
        program = builder.finish(np.array([z]))
        assert operation.domain.contains(*point), point
        with np.errstate(all="ignore"):
            value = float(operation.evaluate(*point))
            partials = [float(p(*point)) for p in operation.partials]
        if not np.isfinite(partials).all():
            # 0^y has no derivative by y at y = 2 and a base of −1.5 has none either; with y fixed it is fine.
            builder = Builder(1)
            z = builder.scalar(name, 0, builder.constant(point[1]))
            program, partials = builder.finish(np.array([z])), partials[:1]
            point = point[:1]
        lin = fg.linearize(program, np.array(point), backend=backend)
        np.testing.assert_allclose(lin.value, [value], rtol=4e-16, atol=0)
        np.testing.assert_allclose(lin.jacobian(), [partials], rtol=2e-15, atol=5e-324)


@pytest.mark.parametrize("name", OVERFLOWING)
def test_overflow(name: str, backend: str) -> None:
    program, _ = program_of(name)
    point = OVERFLOWING[name]
    x = np.array([*point, 0.5])
    for mode in (fg.jvp, fg.ijvp):
        with pytest.raises(DomainError) as caught:
            mode(program, x, np.ones(len(x)), backend=backend)
        check_message(caught.value, name, point)


def test_a_partial_that_overflows(backend: str) -> None:
    """√ of 10⁻³²⁰ is a number, and its derivative of 10¹⁶⁰ too; that of x/y by y at 1/10⁻¹⁶⁰ is none."""
    assert np.isfinite(fg.linearize(lambda x: np.sqrt(x), [1e-320], backend=backend).jacobian()).all()
    with pytest.raises(FlowgraphError):
        fg.linearize(fg.parse("inputs x, y\nz = x / y\noutputs z, x"), [1.0, 1e-160], backend=backend)


def test_dead_steps_are_not_evaluated(backend: str) -> None:
    """A step that nothing needs is dropped; so it cannot be outside its domain."""
    program = fg.parse("inputs x\nt = log(x)\nz = 2 * x\noutputs z")
    np.testing.assert_array_equal(fg.linearize(program, [-1.0], backend=backend).value, [-2.0])


def test_a_step_in_a_loop_is_named_by_its_line(backend: str) -> None:
    def f(x: Any) -> Any:
        for _ in range(5):
            x = np.sqrt(x - 1.0)
        return x

    line = f.__code__.co_firstlineno + 2
    with pytest.raises(DomainError, match=rf"line {line}\b"):
        fg.ijvp(f, np.full(3, 4.0), np.ones(3), backend=backend)


def test_the_first_step_to_fail_is_named(backend: str) -> None:
    program = fg.parse("inputs x, y\nu = log(x)\nv = sqrt(u)\nw = y + v\noutputs w, x")
    with pytest.raises(DomainError, match="step 1"):
        fg.linearize(program, [-1.0, 1.0], backend=backend)
    with pytest.raises(DomainError, match="step 2"):
        fg.linearize(program, [0.5, 1.0], backend=backend)


# -- uninterpreted functions -------------------------------------------------------------------------------------------

UNKNOWN = fg.parse("inputs x, y\nu = sin(x)\nz = couple(u, y)\noutputs z, y")


@pytest.mark.parametrize("mode", ["jvp", "vjp", "ijvp", "ivjp"])
def test_uninterpreted_functions_have_no_value(mode: str, backend: str) -> None:
    with pytest.raises(FlowgraphError) as caught:
        getattr(fg, mode)(UNKNOWN, [1.0, 2.0], [1.0, 1.0], backend=backend)
    text = str(caught.value)
    assert "couple" in text
    assert "step 2" in text
    assert caught.value.remedy


def test_plans_of_uninterpreted_functions(backend: str) -> None:
    with pytest.raises(FlowgraphError, match="couple"):
        fg.plan(UNKNOWN, backend=backend)
    with pytest.raises(FlowgraphError, match="couple"):
        fg.linearize(UNKNOWN, np.ones((0, 2)), backend=backend)


def test_a_plan_need_not_look_for_the_step_at_fault() -> None:
    made = fg.plan(lambda x: np.log(x) * x[0], 2)
    with pytest.raises(DomainError, match="log") as told:
        made.evaluate([-1.0, 1.0])
    assert told.value.step is not None
    with pytest.raises(DomainError, match="not finite") as brief:
        made.evaluate([-1.0, 1.0], explain=False)
    assert brief.value.step is None
    np.testing.assert_array_equal(made.evaluate([1.0, np.e], explain=False), made.evaluate([1.0, np.e]))
