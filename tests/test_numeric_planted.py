"""Tests of the tests: what is planted in a small engine of dense matrices must be caught by the checks.

The engine here takes the registry's NumPy partials at float64 values, multiplies them out to J, and solves with LAPACK.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from evaluate import values
from numeric_checks import check_all, check_direct, check_inverse, check_slogdet, check_value, residuals
from numeric_oracle import EPS, Truth, truth
from numeric_programs import Case, conditioned_cases
from numpy.typing import NDArray

import flowgraph as fg
from flowgraph.builder import Builder
from flowgraph.operations import OPERATIONS, Operation
from flowgraph.program import Program

Array = NDArray[Any]


class DenseEngine:
    """What ``Linearization`` gives, by dense matrices."""

    def __init__(self, program: Program, x: Array, operations: tuple[Operation, ...] = OPERATIONS) -> None:
        known = values(program, x)
        n = program.n_inputs
        rows = list(np.eye(n))
        for k, code in enumerate(program.codes.tolist()):
            operands = program.operands[program.starts[k] : program.starts[k + 1]].tolist()
            numbers = [known[o] if o >= 0 else float(program.constants[-1 - o]) for o in operands]
            row = np.zeros(n)
            for slot, o in enumerate(operands):
                if o >= 0 and slot not in operations[code].inactive:
                    row = row + float(operations[code].partials[slot](*numbers)) * rows[o]
            rows.append(row)
        outputs = program.outputs.tolist()
        self.value = np.array([known[o] for o in outputs])
        self.matrix = np.array([rows[o] for o in outputs]).reshape(len(outputs), n)

    def jacobian(self) -> Array:
        return self.matrix

    def jvp(self, v: Array) -> Array:
        return self.matrix @ v

    def vjp(self, w: Array) -> Array:
        return self.matrix.T @ w

    def ijvp(self, v: Array, *, refine: int | None = None) -> Array:
        return _refined(self.matrix, v, refine)

    def ivjp(self, w: Array, *, refine: int | None = None) -> Array:
        return _refined(self.matrix.T, w, refine)

    def slogdet(self) -> tuple[float, float]:
        sign, value = np.linalg.slogdet(self.matrix)
        return float(sign), float(value)


def _refined(matrix: Array, v: Array, refine: int | None) -> Array:
    x = np.linalg.solve(matrix, v)
    for _ in range(refine or 0):
        x = x + np.linalg.solve(matrix, v - matrix @ x)
    return x


def cases(count: int = 60) -> tuple[Case, ...]:
    return conditioned_cases()[:count]


def test_the_checks_pass_an_engine_that_is_right() -> None:
    for case in conditioned_cases()[:200]:
        check_all(DenseEngine(case.program, case.x), case.truth)


def one_step(operation: Operation) -> tuple[Program, Array]:
    """A nonsingular program around one operation: the operand that counts most goes on to the output."""
    middle = [0.5 * (low + high) + 0.2 * (high - low) for low, high in operation.domain.sample]
    n = operation.arity
    builder = Builder(n)
    z = builder.scalar(operation.name, *range(n))
    path = int(np.argmax([abs(float(partial(*middle))) for partial in operation.partials]))
    outputs = [z if k == path else k for k in range(n)]
    return builder.finish(np.array(outputs)), np.array(middle)


ACTIVE = [op for op in OPERATIONS if len(op.inactive) < op.arity]
WRONG: dict[str, Callable[[Any], Any]] = {
    "scaled": lambda p: p * (1 + 100 * EPS),
    "negative": lambda p: -p,
    "shifted": lambda p: p + 1e-13,
    "doubled": lambda p: 2 * p,
}


def check_inverse_and_determinant(engine: DenseEngine, expected: Truth) -> None:
    check_inverse(engine, expected)
    check_slogdet(engine, expected)


def spoiled(operation: Operation, slot: int, change: Callable[[Any], Any]) -> tuple[Operation, ...]:
    def wrong(*args: Any) -> Any:
        return change(operation.partials[slot](*args))

    partials = tuple(wrong if k == slot else p for k, p in enumerate(operation.partials))
    return tuple(replace(op, partials=partials) if op.name == operation.name else op for op in OPERATIONS)


@pytest.mark.parametrize("operation", ACTIVE, ids=lambda op: op.name)
def test_a_partial_that_is_wrong_in_its_last_digits_is_caught(operation: Operation) -> None:
    program, x = one_step(operation)
    expected = truth(program, x)
    check_all(DenseEngine(program, x), expected)
    for slot in range(operation.arity):
        if slot in operation.inactive:
            continue
        size = abs(float(operation.partials[slot](*x)))
        for name, change in WRONG.items():
            if size < 0.05 and name != "shifted":
                continue
            engine = DenseEngine(program, x, spoiled(operation, slot, change))
            with pytest.raises(AssertionError):
                check_direct(engine, expected)
            with pytest.raises(AssertionError):
                check_inverse_and_determinant(engine, expected)


def test_a_wrong_partial_is_caught_among_the_random_programs() -> None:
    """Each operation is used where its partials count, so that a wrong one fails some of the first programs."""
    some = conditioned_cases()[:250]
    for operation in ACTIVE:
        slot = next(k for k in range(operation.arity) if k not in operation.inactive)
        operations = spoiled(operation, slot, lambda p: p * (1 + 1e-9))
        used = [case for case in some if (case.program.codes == OPERATIONS.index(operation)).any()]
        assert any(_fails(DenseEngine(case.program, case.x, operations), case) for case in used), operation.name


def _fails(engine: DenseEngine, case: Case) -> bool:
    try:
        check_all(engine, case.truth)
    except AssertionError:
        return True
    return False


class WrongSign(DenseEngine):
    def slogdet(self) -> tuple[float, float]:
        sign, value = super().slogdet()
        return -sign, value


class NotTransposed(DenseEngine):
    def ivjp(self, w: Array, *, refine: int | None = None) -> Array:
        return self.ijvp(w, refine=refine)


class LosesHalf(DenseEngine):
    """Solves in single precision: correct, and too coarse."""

    def ijvp(self, v: Array, *, refine: int | None = None) -> Array:
        return np.linalg.solve(self.matrix.astype(np.float32), v.astype(np.float32)).astype(float)


class UnscaledLogarithm(DenseEngine):
    """log|det J| without its first pivot."""

    def slogdet(self) -> tuple[float, float]:
        sign, value = super().slogdet()
        return sign, value - np.log(abs(self.matrix[0]).max())


@pytest.mark.parametrize("engine", [WrongSign, NotTransposed, LosesHalf, UnscaledLogarithm])
def test_a_wrong_engine_is_caught(engine: type[DenseEngine]) -> None:
    found = [_fails(engine(case.program, case.x), case) for case in cases() if case.program.n_inputs > 1]
    assert np.mean(found) > 0.5


def test_an_engine_that_does_not_refine_is_caught() -> None:
    """Seven machine epsilons pass as a first residual, and not as a refined one."""

    class Coarse(DenseEngine):
        def ijvp(self, v: Array, *, refine: int | None = None) -> Array:
            return super().ijvp(v) * (1 + 14 * EPS)

    program, x = fg.parse("inputs x\nz = 3 * x\noutputs z"), np.array([0.5])
    engine, expected = Coarse(program, x), truth(program, x)
    assert 4.0 < residuals(engine, expected)[0] <= 10.0
    with pytest.raises(AssertionError):
        check_inverse(engine, expected)


def test_a_value_in_single_precision_is_caught() -> None:
    for case in cases(10):
        engine = DenseEngine(case.program, case.x)
        if case.program.n_steps:
            engine.value = engine.value.astype(np.float32).astype(float)
            with pytest.raises(AssertionError):
                check_value(engine, case.truth)


def test_a_program_whose_argument_is_forgotten_the_second_time() -> None:
    """x·x with the partial of one place only."""
    program = fg.parse("inputs x, y\nz = x * x\noutputs z, y")
    x = np.array([1.5, 2.0])
    engine = DenseEngine(program, x)
    check_all(engine, truth(program, x))
    engine.matrix[0, 0] /= 2
    with pytest.raises(AssertionError):
        check_direct(engine, truth(program, x))
