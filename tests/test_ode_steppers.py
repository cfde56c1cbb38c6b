"""The steppers of ``flowgraph.ode``: their order, their formulas, and what the symplectic ones keep."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import flowgraph as fg
from flowgraph import ode
from flowgraph.ode import steppers

ALL = tuple(ode.STEPPERS)
SYMPLECTIC = tuple(name for name, stepper in ode.STEPPERS.items() if stepper.symplectic)
OTHERS = tuple(name for name, stepper in ode.STEPPERS.items() if not stepper.symplectic)

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Case:
    """A system, a start and a time to run."""

    system: Any
    x0: tuple[float, ...]
    time: float


CASES: Mapping[str, Case] = MappingProxyType(
    {
        "pendulum": Case(ode.pendulum(), (1.0, 0.5), 1.0),
        "logarithmic Lotka–Volterra": Case(ode.lotka_volterra_logarithmic(), (0.3, -0.4), 1.0),
        "Lotka–Volterra": Case(ode.lotka_volterra(), (1.3, 0.7), 1.0),
        "Lorenz-63": Case(ode.lorenz63(), (1.0, 2.0, 20.0), 0.1),
        "Lorenz-96": Case(ode.lorenz96(6), (1.0, 2.0, 8.0, -1.0, 4.0, 3.0), 0.1),
        "forced": Case(lambda x, t: np.stack([x[1], np.cos(3 * t) - x[0]]), (1.0, 0.5), 1.0),
    }
)
PAIRS = tuple(
    (name, case) for name in ALL for case in CASES if name in OTHERS or isinstance(CASES[case].system, ode.Separable)
)


def coupled(q: Any) -> Any:
    """The force in a ring of masses between springs, some of them cubic."""
    right, left = np.roll(q, -1) - q, q - np.roll(q, 1)
    return right + right * right * right - left - left * left * left


OSCILLATORS = ode.Separable(velocity=lambda p: p, force=coupled)


# -- order -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "case"), PAIRS)
def test_the_error_falls_with_the_order_of_the_method(name: str, case: str) -> None:
    problem, stepper = CASES[case], ode.STEPPERS[name]
    x0, span = np.array(problem.x0), (0.0, problem.time)

    def field(t: float, x: Array) -> Array:
        return problem.system(x, t)

    truth = solve_ivp(field, span, x0, method="DOP853", rtol=1e-13, atol=1e-14).y[:, -1]
    # Coarse enough for the error to be far above rounding, fine enough for its leading term to rule.
    sizes = (64, 128) if stepper.order == 4 else (1024, 2048)
    errors = [
        np.abs(ode.discretize(stepper.function, problem.system, problem.time / steps, steps)(x0) - truth).max()
        for steps in sizes
    ]
    assert abs(np.log2(errors[0] / errors[1]) - stepper.order) < 0.1
    assert errors[1] > 1e-12


def mp_vector(values: list[Any]) -> Any:
    result = np.empty(len(values), dtype=object)
    result[:] = values
    return result


@pytest.mark.parametrize("name", ALL)
def test_the_error_of_one_step_agrees_with_taylor_to_the_order(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # For q̇ = p, ṗ = −q the flow is a rotation. With 60 digits, steps are small enough to see the exponent to 0.001.
    stepper = ode.STEPPERS[name]
    system = ode.Separable(lambda p: p, lambda q: -q)
    with mpmath.workdps(60):
        outer = 1 / (2 - mpmath.cbrt(2))
        monkeypatch.setattr(steppers, "YOSHIDA_WEIGHTS", (outer, 1 - 2 * outer, outer))
        errors = []
        for h in (mpmath.mpf("1e-5"), mpmath.mpf("2e-5")):
            q, p = mpmath.mpf("0.6"), mpmath.mpf("0.7")
            x = stepper.function(system, mp_vector([q, p]), h)
            truth = (q * mpmath.cos(h) + p * mpmath.sin(h), p * mpmath.cos(h) - q * mpmath.sin(h))
            errors.append(max(abs(a - b) for a, b in zip(x, truth, strict=True)))
        slope = float(mpmath.log(errors[1] / errors[0], 2))
    assert abs(slope - (stepper.order + 1)) < 1e-3


def test_yoshida_s_weights_satisfy_the_conditions_of_order_four() -> None:
    outer, inner, last = steppers.YOSHIDA_WEIGHTS
    assert outer == last
    assert abs(2 * outer + inner - 1) < 1e-15
    assert abs(2 * outer**3 + inner**3) < 1e-14
    # doi:10.1016/0375-9601(90)90092-3, eq. (2.11).
    assert abs(outer - 1.3512071919596578) < 1e-15
    assert abs(inner + 1.7024143839193153) < 1e-15


def test_yoshida_s_step_is_three_leapfrog_steps() -> None:
    x = np.array([0.3, -0.2, 0.4, 0.1])
    jumped = x
    for weight in steppers.YOSHIDA_WEIGHTS:
        jumped = ode.leapfrog(OSCILLATORS, jumped, weight * 0.1)
    assert np.abs(ode.yoshida4(OSCILLATORS, x, 0.1) - jumped).max() < 1e-15


def test_the_table() -> None:
    for name, stepper in ode.STEPPERS.items():
        assert stepper.function is getattr(ode, name)
        assert stepper.name == name == stepper.function.__name__
    assert [s.order for s in ode.STEPPERS.values()] == [1, 2, 4, 1, 2, 4]


@pytest.mark.parametrize("name", ALL)
def test_the_stages_are_those_of_the_table(name: str) -> None:
    calls = []

    def force(q: Array) -> Array:
        calls.append(None)
        return -q

    stepper = ode.STEPPERS[name]
    stepper.function(ode.Separable(lambda p: p, force), np.array([1.0, 0.5]), 0.1)
    assert len(calls) == stepper.stages


def test_time_goes_to_the_field_at_the_nodes_of_the_method() -> None:
    seen: list[float] = []

    def field(x: Array, t: float) -> Array:
        seen.append(t)
        return x

    for name in OTHERS:
        ode.STEPPERS[name].function(field, np.ones(1), 0.5, 2.0)
    assert seen == [2.0, 2.0, 2.25, 2.0, 2.25, 2.25, 2.5]


# -- what symplectic steppers keep -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Dual:
    """a + b ε with ε² = 0 over the rationals: polynomials are differentiated exactly."""

    a: Fraction
    b: Fraction = Fraction(0)

    def __add__(self, other: Dual) -> Dual:
        return Dual(self.a + other.a, self.b + other.b)

    def __sub__(self, other: Dual) -> Dual:
        return Dual(self.a - other.a, self.b - other.b)

    def __neg__(self) -> Dual:
        return Dual(-self.a, -self.b)

    def __mul__(self, other: Any) -> Dual:
        if isinstance(other, Dual):
            return Dual(self.a * other.a, self.a * other.b + self.b * other.a)
        return Dual(self.a * other, self.b * other)

    __rmul__ = __mul__


def gradients(p: Any, q: Any) -> tuple[Any, Any]:
    """∇K of K = p₁²/2 + p₁ p₂² and −∇V of V = q₁² q₂ + q₂³ + q₁⁴, in polynomials that no coordinate separates."""
    velocity = mp_vector([p[0] + p[1] * p[1], p[0] * p[1] * 2])
    force = mp_vector([-(q[0] * q[1] * 2 + q[0] * q[0] * q[0] * 4), -(q[0] * q[0] + q[1] * q[1] * 3)])
    return velocity, force


HAMILTONIAN = ode.Separable(lambda p: gradients(p, p)[0], lambda q: gradients(q, q)[1])
POINT = (Fraction(1, 3), Fraction(-2, 5), Fraction(1, 2), Fraction(3, 7))


def exact_jacobian(function: Callable[[Any], Any], x: tuple[Fraction, ...]) -> list[list[Fraction]]:
    columns = []
    for k in range(len(x)):
        seeded = function(mp_vector([Dual(v, Fraction(int(i == k))) for i, v in enumerate(x)]))
        columns.append([entry.b for entry in seeded])
    return [list(row) for row in zip(*columns, strict=True)]


def pull_back(m: list[list[Fraction]]) -> list[list[Fraction]]:
    """Mᵀ Ω M for Ω = [[0, I], [−I, 0]]."""
    n = len(m)
    half = n // 2
    return [
        [sum((m[k][i] * m[k + half][j] - m[k + half][i] * m[k][j] for k in range(half)), Fraction(0)) for j in range(n)]
        for i in range(n)
    ]


OMEGA = [[Fraction((j == i + 2) - (i == j + 2)) for j in range(4)] for i in range(4)]


@pytest.fixture
def exact_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rational weights for ``yoshida4``: what it keeps, it keeps for any weights."""
    monkeypatch.setattr(steppers, "YOSHIDA_WEIGHTS", (Fraction(27, 20), Fraction(-17, 10), Fraction(27, 20)))


@pytest.mark.usefixtures("exact_weights")
@pytest.mark.parametrize("name", SYMPLECTIC)
def test_the_symplectic_form_is_kept_exactly(name: str) -> None:
    def step(x: Any) -> Any:
        return ode.STEPPERS[name].function(HAMILTONIAN, x, Fraction(1, 10))

    assert pull_back(exact_jacobian(step, POINT)) == OMEGA


@pytest.mark.parametrize("name", OTHERS)
def test_the_others_do_not_keep_the_symplectic_form(name: str) -> None:
    def step(x: Any) -> Any:
        return ode.STEPPERS[name].function(HAMILTONIAN, x, Fraction(1, 10))

    assert pull_back(exact_jacobian(step, POINT)) != OMEGA


@pytest.mark.usefixtures("exact_weights")
@pytest.mark.parametrize("name", ["leapfrog", "yoshida4"])
def test_a_symmetric_step_is_taken_back_exactly(name: str) -> None:
    stepper = ode.STEPPERS[name].function
    there = stepper(HAMILTONIAN, mp_vector(list(POINT)), Fraction(1, 10))
    assert tuple(stepper(HAMILTONIAN, there, Fraction(-1, 10))) == POINT
    there = ode.symplectic_euler(HAMILTONIAN, mp_vector(list(POINT)), Fraction(1, 10))
    assert tuple(ode.symplectic_euler(HAMILTONIAN, there, Fraction(-1, 10))) != POINT


# -- atomic steps, lumps and operations --------------------------------------------------------------------------------

STRUCTURES = (("pendulum", ode.pendulum(), 2), ("oscillators", OSCILLATORS, 8))


@pytest.mark.parametrize(("system", "n"), [case[1:] for case in STRUCTURES], ids=[case[0] for case in STRUCTURES])
@pytest.mark.parametrize("name", SYMPLECTIC)
def test_symplectic_steppers_are_made_of_atomic_steps(name: str, system: ode.Separable, n: int) -> None:
    program = ode.discretize(ode.STEPPERS[name].function, system, 0.1, 5).program(n)
    assert all(block.scalar for block in fg.decompose(program).blocks)
    assert {lump.size for lump in fg.lumps(program, fg.best_order(program))} == {1}
    # All pivots are 1: nothing is factored, there is no division, and a sweep backward costs what one forward costs.
    counts = fg.analyze(program).operation_counts
    assert counts.blocks is not None
    assert counts.blocks.count is not None
    assert counts.blocks.count.factor.total == 0
    assert counts.blocks.count.total.divisions == 0
    assert counts.blocks.count.total.total == counts.jvp.total > 0


@pytest.mark.parametrize(("system", "n"), [case[1:] for case in STRUCTURES], ids=[case[0] for case in STRUCTURES])
@pytest.mark.parametrize("name", OTHERS)
def test_other_steppers_are_one_lump_a_step(name: str, system: ode.Separable, n: int) -> None:
    steps = 5
    program = ode.discretize(ode.STEPPERS[name].function, system, 0.1, steps).program(n)
    lumps = fg.lumps(program, fg.best_order(program))
    assert [lump.size for lump in lumps] == [n] * steps
    assert [len(block.path) for block in fg.decompose(program).blocks if not block.scalar] == [n] * steps
    ratio = fg.analyze(program).ratio
    assert ratio is not None
    assert ratio > 1.0
