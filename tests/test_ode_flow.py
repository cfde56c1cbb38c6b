"""``ode.flow`` and ``ode.discretize``: what a flow computes, what it records, and its four modes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as fg
from benchmarks.ode import CASES, measure
from flowgraph import ode
from flowgraph.cli import main

Array = np.ndarray[Any, Any]

SYSTEMS: dict[str, tuple[Any, tuple[float, ...]]] = {
    "pendulum": (ode.pendulum(), (1.0, 0.5)),
    "logarithmic Lotka–Volterra": (ode.lotka_volterra_logarithmic(), (0.3, -0.4)),
    "Lotka–Volterra": (ode.lotka_volterra(), (1.3, 0.7)),
    "Lorenz-63": (ode.lorenz63(), (1.0, 2.0, 20.0)),
    "Lorenz-96": (ode.lorenz96(5), (1.0, 2.0, 8.0, -1.0, 4.0)),
    "forced": (lambda x, t: np.stack([x[1], np.cos(3 * t) * x[0] - t]), (1.0, 0.5)),
}
PAIRS = [
    (stepper, system)
    for stepper, record in ode.STEPPERS.items()
    for system in SYSTEMS
    if not record.symplectic or isinstance(SYSTEMS[system][0], ode.Separable)
]


def complex_step(function: Callable[[Array], Array], x: Array) -> Array:
    """J by the complex step, exact to rounding."""
    columns = [function(x + 1e-30j * unit).imag / 1e-30 for unit in np.eye(len(x))]
    return np.stack(columns, axis=1)


def one_by_one(flow: ode.Flow) -> Callable[[Any], Any]:
    """The flow as a loop that is recorded step by step."""

    def run(x: Any) -> Any:
        for k in range(flow.T):
            x = flow.step(x, k) if flow.counted else flow.step(x)
        return x

    return run


# -- what it computes --------------------------------------------------------------------------------------------------


def test_a_flow_takes_its_steps_in_order() -> None:
    flow = ode.flow(lambda x, k: 10 * x + k, 4)
    assert flow(np.array([7.0])).tolist() == [70123.0]
    assert flow.trajectory([7]).tolist() == [[7.0], [70.0], [701.0], [7012.0], [70123.0]]
    assert (flow.T, flow.counted) == (4, True)


def test_a_step_with_a_default_does_not_depend_on_its_number() -> None:
    def step(x: Any, factor: float = 2.0) -> Any:
        return factor * x

    assert not ode.flow(step, 3).counted
    assert ode.flow(step, 3)([1.0]).tolist() == [8.0]
    assert ode.flow(np.negative, np.int64(3))([1.0]).tolist() == [-1.0]  # pyright: ignore[reportArgumentType]


def test_a_step_that_writes_into_its_argument_changes_nothing_else() -> None:
    def step(x: Any) -> Any:
        x[0] = x[0] + 0.3 * x[1]
        x[1] += np.sin(x[0])
        return x

    def counted(x: Any, k: int) -> Any:
        x[0] += 0.1 * k * x[1]
        return x

    def pure(x: Any) -> Any:
        a = x[0] + 0.3 * x[1]
        return np.stack([a, x[1] + np.sin(a)])

    for one, other in ((step, pure), (counted, lambda x, k: np.stack([x[0] + 0.1 * k * x[1], x[1]]))):
        flow, reference = ode.flow(one, 4), ode.flow(other, 4)
        x = np.array([0.3, 0.7])
        np.testing.assert_array_equal(flow(x), reference(x))
        np.testing.assert_array_equal(flow.trajectory(x), reference.trajectory(x))
        np.testing.assert_array_equal(x, [0.3, 0.7])
        # The difference to the start is the same under trace.
        moved = fg.linearize(lambda x, flow=flow: flow(x) - x, x)
        np.testing.assert_array_equal(moved.value, reference(x) - x)
        by_hand = complex_step(reference, x) - np.eye(2)
        np.testing.assert_allclose(moved.jacobian(), by_hand, rtol=1e-12, atol=1e-14)


def test_a_step_may_return_the_same_array_each_time() -> None:
    buffer = np.zeros(2)

    def step(x: Any) -> Any:
        np.multiply(x, 2.0, out=buffer)
        return buffer

    flow = ode.flow(step, 3)
    np.testing.assert_array_equal(flow.trajectory([1.0, 3.0])[:, 0], [1.0, 2.0, 4.0, 8.0])
    kept = flow(np.array([1.0, 3.0]))
    flow(np.array([5.0, 5.0]))
    np.testing.assert_array_equal(kept, [8.0, 24.0])


def test_whole_numbers_are_numbers_like_others() -> None:
    power = ode.flow(lambda x: 10 * x, 30)
    np.testing.assert_allclose(power([3, -1]), [3e30, -1e30], rtol=1e-14)
    halved = ode.flow(lambda x: np.stack([x[0] / 2, x[1]]), 1)
    assert halved(np.array([1, 2])).tolist() == halved.trajectory([1, 2])[-1].tolist() == [0.5, 2.0]

    def inside(x: Any) -> Any:
        x[0] = x[0] / 2
        return x

    assert ode.flow(inside, 2)(np.array([1, 2])).tolist() == [0.25, 2.0]


def test_discretize_says_the_time_of_each_step() -> None:
    seen: list[float] = []

    def stepper(F: Any, x: Any, h: float, t: float) -> Any:
        seen.append(t)
        return x + h * F(x, t)

    flow = ode.discretize(stepper, lambda x, t: np.ones(1), 0.25, 3, t0=2.0)
    assert flow([0.0]).tolist() == [0.75]
    assert seen == [2.0, 2.25, 2.5]


@pytest.mark.parametrize(("stepper", "system"), PAIRS)
def test_the_four_modes_are_those_of_the_discrete_map(stepper: str, system: str, backend: str) -> None:
    field, start = SYSTEMS[system]
    flow, x0 = ode.discretize(ode.STEPPERS[stepper].function, field, 0.02, 25, t0=0.5), np.array(start)
    J = complex_step(flow, x0)
    lin = fg.linearize(flow, x0, backend=backend)
    v = np.random.default_rng(0).standard_normal((len(x0), 3))
    scale = np.linalg.cond(J) * 1e-13
    assert np.allclose(lin.value, flow(x0), rtol=1e-13)
    assert np.allclose(lin.jvp(v), J @ v, rtol=scale, atol=scale)
    assert np.allclose(lin.vjp(v), J.T @ v, rtol=scale, atol=scale)
    assert np.allclose(lin.ijvp(v), np.linalg.solve(J, v), rtol=scale, atol=scale)
    assert np.allclose(lin.ivjp(v), np.linalg.solve(J.T, v), rtol=scale, atol=scale)
    sign, logarithm = np.linalg.slogdet(J)
    assert lin.slogdet().sign == sign
    assert abs(lin.slogdet().logabsdet - logarithm) < scale
    assert np.allclose(fg.ivjp(flow, x0, v, tape=False, backend=backend), np.linalg.solve(J.T, v), rtol=scale)


# -- det J = 1 over many steps -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("stepper", [name for name, record in ode.STEPPERS.items() if record.symplectic])
def test_the_determinant_stays_1_over_100_000_steps(stepper: str) -> None:
    flow = ode.discretize(ode.STEPPERS[stepper].function, ode.pendulum(), 0.01, 100_000)
    found = fg.linearize(flow, np.array([1.0, 0.5])).slogdet()
    # The pivots are 1 exactly, so there is nothing to round.
    assert (found.sign, found.logabsdet) == (1.0, 0.0)


def test_the_determinant_of_rk4_does_not_stay_1() -> None:
    flow = ode.discretize(ode.rk4, ode.pendulum(), 0.1, 1000)
    assert abs(fg.linearize(flow, np.array([1.0, 0.5])).slogdet().logabsdet) > 1e-6


@pytest.mark.parametrize("stepper", [name for name, record in ode.STEPPERS.items() if record.symplectic])
def test_the_product_of_dense_steps_has_determinant_1(stepper: str) -> None:
    # An oracle without the engine: J of a step by the complex step, multiplied out along the trajectory.
    step = ode.discretize(ode.STEPPERS[stepper].function, ode.pendulum(), 0.01, 1)
    J, x = np.eye(2), np.array([1.0, 0.5])
    for _ in range(500):
        J, x = complex_step(step, x) @ J, step(x)
    assert abs(np.linalg.det(J) - 1.0) < 1e-11
    flow = ode.discretize(ode.STEPPERS[stepper].function, ode.pendulum(), 0.01, 500)
    assert np.allclose(fg.linearize(flow, [1.0, 0.5]).jvp(np.eye(2)), J, rtol=1e-11)


# -- what it records ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("stepper", "system"), [pair for pair in PAIRS if pair[1] != "forced"])
def test_a_repeated_step_is_what_a_loop_records(stepper: str, system: str) -> None:
    field, start = SYSTEMS[system]
    flow = ode.discretize(ode.STEPPERS[stepper].function, field, 0.02, 4)
    n = len(start)
    assert flow.program(n) == fg.trace(one_by_one(flow), n)
    assert flow.program(n) == flow.program(start) == fg.trace(flow, n) == fg.trace(lambda x: flow(x), n)


def test_the_step_runs_once() -> None:
    calls = []

    def step(x: Any) -> Any:
        calls.append(None)
        return np.sin(x)

    assert ode.flow(step, 1000).program(3).n_steps == 3000
    assert len(calls) == 1


def test_a_step_with_a_number_runs_every_time() -> None:
    table = np.arange(2.0, 7.0)
    flow = ode.flow(lambda x, k: x * table[k], 5)
    assert [step.texts[1] for step in flow.program(1).steps()] == ["2", "3", "4", "5", "6"]
    assert flow.program(1) == fg.trace(one_by_one(flow), 1)


@dataclass(frozen=True)
class Drawn:
    """A random loop: what each entry of the state becomes, and the state before."""

    moves: tuple[tuple[str, int, int], ...]
    start: tuple[tuple[str, int], ...]
    turns: int

    def step(self, x: Any, h: Any) -> Any:
        forms: dict[str, Callable[[int, int], Any]] = {
            "keep": lambda i, j: x[i],
            "constant": lambda i, j: 0.0 * h + j,
            "outside": lambda i, j: h,
            "sine": lambda i, j: np.sin(x[i]),
            "product": lambda i, j: 0.5 * x[i] * x[j],
            "both": lambda i, j: x[i] - h * x[j],
        }
        return np.stack([forms[form](i, j) for form, i, j in self.moves])

    def state(self, x: Any) -> Any:
        return np.stack([x[k] if form == "input" else 0.0 * x[0] + k for form, k in self.start])

    def run(self, x: Any, *, repeated: bool) -> Any:
        flow = ode.flow(lambda y: self.step(y, x[0]), self.turns)
        # What comes before and after in the same trace shifts all numbers.
        before = np.exp(0.1 * x)
        y = self.state(before)
        after = flow(y) if repeated else one_by_one(flow)(y)
        return np.concatenate([after * before[-1], before])


@st.composite
def drawn(draw: st.DrawFn) -> Drawn:
    n = draw(st.integers(1, 4))
    entry = st.integers(0, n - 1)
    form = st.sampled_from(["keep", "keep", "constant", "outside", "sine", "product", "both", "both"])
    moves = tuple(draw(st.tuples(form, entry, entry)) for _ in range(n))
    start = tuple(draw(st.tuples(st.sampled_from(["input", "input", "constant"]), st.integers(0, 2))) for _ in range(n))
    return Drawn(moves, start, draw(st.integers(1, 6)))


@settings(max_examples=60, deadline=None)
@given(drawn())
def test_a_loop_of_any_kind_computes_what_its_turns_compute(case: Drawn) -> None:
    # Entries that pass through, change places, are constants or values from outside, or start as one of these.
    x = np.array([0.7, -0.4, 1.1])
    truth = case.run(x, repeated=False)
    J = complex_step(lambda z: case.run(z, repeated=False), x)
    for at in (3, x):
        lin = fg.linearize(fg.trace(lambda z: case.run(z, repeated=True), at), x, backend="numpy")
        assert np.allclose(lin.value, truth, rtol=1e-13, atol=1e-300)
        assert np.allclose(lin.jvp(np.eye(3)), J, rtol=1e-11, atol=1e-13)


def test_flows_of_flows() -> None:
    inner = ode.flow(lambda x: np.stack([x[1], np.sin(x[0]) + x[1]]), 3)
    outer = ode.flow(lambda x: inner(x) * 0.9, 4)
    x = np.array([0.3, 0.4])
    assert outer.program(2) == fg.trace(one_by_one(ode.flow(lambda x: one_by_one(inner)(x) * 0.9, 4)), 2)
    assert np.allclose(fg.linearize(outer, x).jvp(np.eye(2)), complex_step(outer, x), rtol=1e-12)


def test_a_period_may_be_unknown() -> None:
    def closed(z: Any) -> Any:
        x, period = z[:2], z[2]
        flow = ode.discretize(ode.rk4, lambda x, t: np.stack([x[1], np.cos(2 * t) - x[0]]), period / 20, 20)
        return np.concatenate([flow(x) - x, z[2:]])

    z = np.array([1.0, 0.5, 6.0])
    assert np.allclose(fg.linearize(closed, z).jvp(np.eye(3)), complex_step(closed, z), rtol=1e-11, atol=1e-12)


def test_a_period_of_a_field_that_ignores_time_leaves_no_times_behind() -> None:
    def closed(z: Any) -> Any:
        return np.append(ode.discretize(ode.leapfrog, ode.pendulum(), z[2] / 50, 50)(z[:2]), z[2])

    # 10 steps for each time step, 3 for the fractions of h that each needs, one for h itself.
    assert fg.trace(closed, 3).n_steps == 50 * (10 + 2) + 1 == fg.trace(closed, 3).without_dead_code().n_steps


def test_a_field_may_fill_arrays_of_numpy() -> None:
    def field(x: Any, t: float) -> Any:
        slope = np.zeros(2)
        slope[0], slope[1] = x[1], -x[0]
        return slope

    def force(q: Any) -> Any:
        pull = np.empty(1)
        pull[0] = -np.sin(q[0])
        return pull

    def halved(flow: ode.Flow) -> Callable[[Any], Any]:
        return lambda x: 0.5 * flow(x)

    separable = ode.Separable(lambda p: p, force)
    for flow in (
        ode.discretize(ode.rk4, field, 0.1, 5),
        ode.discretize(ode.leapfrog, separable, 0.1, 5),
        ode.flow(lambda x: ode.leapfrog(separable, x, 0.1), 5),
        ode.flow(lambda x: ode.rk4(field, x, 0.1), 5),
    ):
        x = np.array([1.0, 0.5])
        assert np.allclose(fg.linearize(flow, x).value, flow(x), rtol=1e-14)
        assert np.allclose(fg.linearize(halved(flow), x).value, 0.5 * flow(x), rtol=1e-14)


# -- time --------------------------------------------------------------------------------------------------------------

TIMED: dict[str, Callable[[Any, Any], Any]] = {
    "cosine": lambda x, t: np.cos(3 * t) * x,
    "numbers only": lambda x, t: math.cos(3 * t) * x,
    "a switch": lambda x, t: x if t < 0.35 else -x,
    "a switch in NumPy": lambda x, t: np.where(t < 0.35, x, -x),
    "a switch in float": lambda x, t: float(t < 0.35) * x,
    "time in a state": lambda x, t: np.stack([x[1], t + 0 * x[0]]),
    "a table": lambda x, t: np.arange(10.0)[int(10 * t)] * x,
    "a power": lambda x, t: x ** (1 + t),
    "printed": lambda x, t: float(f"{t:.1f}") * x,
    "square of time": lambda x, t: np.stack([t * t, x[0]]),
    "only time": lambda x, t: np.stack([t, np.sin(t)]),
}


@pytest.mark.parametrize("name", TIMED)
def test_fields_that_read_the_time(name: str) -> None:
    # What depends on t alone is computed beforehand, or, where t has to be a number, each step is recorded by itself.
    for stepper in (ode.explicit_euler, ode.rk4):
        flow = ode.discretize(stepper, TIMED[name], 0.09, 8, t0=0.1)
        x = np.array([1.3, 0.6])
        lin = fg.linearize(flow, x)
        assert np.allclose(lin.value, flow(x), rtol=1e-13)
        assert np.allclose(lin.jvp(np.eye(2)), complex_step(flow, x), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", ["cosine", "a power"])
def test_what_depends_on_time_alone_leaves_constants(name: str) -> None:
    flow = ode.discretize(ode.rk4, TIMED[name], 0.1, 6, t0=0.05)
    found, loop = flow.program(2), fg.trace(one_by_one(flow), 2)
    assert found.n_steps == loop.n_steps
    assert found.codes.tolist() == loop.codes.tolist()
    assert np.array_equal(np.maximum(found.operands, -1), np.maximum(loop.operands, -1))
    for a, b in zip(found.steps(), loop.steps(), strict=True):
        assert [found.constants[-1 - o] for o in a.operands if o < 0] == pytest.approx(
            [loop.constants[-1 - o] for o in b.operands if o < 0], rel=1e-15
        )


def test_a_field_of_time_runs_once() -> None:
    calls = []

    def field(x: Any, t: Any) -> Any:
        calls.append(None)
        return np.cos(t) * x

    assert ode.discretize(ode.rk4, field, 0.1, 1000).program(2).n_steps > 10_000
    assert len(calls) == 4


# -- branches ----------------------------------------------------------------------------------------------------------


def bounce(x: Any) -> Any:
    """A ball under gravity, x = (height, velocity), that bounces with half its speed."""
    height, velocity = x[0] + 0.1 * x[1], x[1] - 0.1
    if height < 0 and velocity < 0:
        height, velocity = -0.5 * height, -0.5 * velocity
    return np.stack([height, velocity])


BALL = ode.flow(bounce, 60)


def central(x: Array) -> Array:
    h = 1e-6
    return np.stack([(BALL(x + h * unit) - BALL(x - h * unit)) / (2 * h) for unit in np.eye(2)], axis=1)


def bounces(x: Array) -> tuple[int, ...]:
    velocities = BALL.trajectory(x)[:, 1]
    return tuple(np.flatnonzero(np.diff(velocities) > 0).tolist())


def test_branches_inside_a_step_are_taken_along_the_trajectory(backend: str) -> None:
    plan = fg.plan(BALL, 2, backend=backend)
    starts = np.array([[1.0, 0.0], [2.0, 0.3], [0.4, 0.1]])
    assert len({bounces(x) for x in starts}) == 3
    assert all(bounces(x) for x in starts)
    for x in starts:
        lin = plan.linearize(x)
        assert np.allclose(lin.value, BALL(x), rtol=1e-13)
        assert np.allclose(lin.jvp(np.eye(2)), central(x), rtol=1e-7, atol=1e-8)
        assert np.allclose(lin.ijvp(lin.jvp(np.eye(2))), np.eye(2), rtol=1e-10, atol=1e-10)
        assert np.allclose(fg.jvp(BALL, x, np.eye(2), tape=False, backend=backend)[1], lin.jvp(np.eye(2)), rtol=1e-12)
    batch = plan.linearize(starts)
    assert np.allclose(batch.value, [BALL(x) for x in starts], rtol=1e-13)


def test_the_guards_are_kept() -> None:
    program = BALL.program([1.0, 0.0])
    assert len(program.guards) >= 60
    assert program == fg.trace(one_by_one(BALL), [1.0, 0.0])
    assert {guard.line for guard in program.guards} == {bounce.__code__.co_firstlineno + 3}
    with pytest.raises(fg.InputError, match="a branch goes the other way"):
        fg.linearize(program, [2.0, 0.3])


def test_a_branch_without_a_point_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(fg.BranchError, match="give trace a point") as caught:
        BALL.program(2)
    assert "bounce" in str(caught.value)


def test_a_branch_after_a_flow_sees_its_values() -> None:
    flow = ode.discretize(ode.rk4, ode.lorenz63(), 0.01, 30)

    def turned(x: Any) -> Any:
        y = flow(x)
        return y * 2 if y[0] > y[1] else y * 3

    for x in ([1.0, 2.0, 20.0], [2.0, -1.0, 20.0]):
        program = fg.trace(turned, x)
        y = flow(x)
        assert program.guards[0].outcomes.tolist() == [y[0] > y[1]]
        assert np.allclose(fg.linearize(program, x).value, y * (2 if y[0] > y[1] else 3), rtol=1e-13)


# -- the names of time steps in errors ---------------------------------------------------------------------------------


def test_errors_at_a_point_name_the_time_step(backend: str) -> None:
    flow = ode.flow(lambda x: np.stack([np.log(x[0]), x[1] * x[0]]), 50)
    with pytest.raises(fg.DomainError, match=r"log is not defined(?s:.*)in time step k = 3"):
        fg.linearize(flow, [5.0, 1.0], backend=backend)
    flow = ode.flow(lambda x: np.stack([x[0] + 1, x[1] * (x[0] - 3)]), 50)
    with pytest.raises(fg.SingularJacobian, match="in time step k = 3"):
        fg.linearize(flow, [0.0, 1.0], backend=backend).ijvp([1.0, 1.0])
    with pytest.raises(fg.SingularJacobian, match="in time step k = 3"):
        fg.ivjp(flow, [0.0, 1.0], [1.0, 1.0], tape=False, backend=backend)


def test_steps_of_a_program_know_their_time_step() -> None:
    def run(x: Any) -> Any:
        y = np.exp(x)
        for flow in (ode.flow(np.sin, 3), ode.flow(lambda x, k: np.cos(x), 2)):
            y = flow(y)
        return np.tan(y)

    program = fg.trace(run, 1)
    assert [step.time_step for step in program.steps()] == [-1, 0, 1, 2, 0, 1, -1]
    assert [step.time_step for step in fg.Program.from_json(program.to_json()).steps()] == [-1, 0, 1, 2, 0, 1, -1]
    assert [step.time_step for step in program.reordered(np.arange(7)).steps()] == [-1, 0, 1, 2, 0, 1, -1]
    assert [step.time_step for step in BALL.program([1.0, 0.0]).steps()][-1] == 59


def test_dead_code_does_not_shift_time_steps() -> None:
    def step(x: Any, k: int) -> Any:
        np.exp(x)
        return np.sin(x)

    program = ode.flow(step, 3).program(1)
    assert [s.time_step for s in program.steps()] == [0, 0, 1, 1, 2, 2]
    assert [s.time_step for s in program.without_dead_code().steps()] == [0, 1, 2]


def test_the_benchmark_measures_what_it_says() -> None:
    for case in (CASES["pendulum, leapfrog"], CASES["Lorenz-96, RK4"]):
        found = measure(replace(case, T=30))
        assert found["steps"] == case.flow(30).program(len(case.start)).n_steps
        assert all(found[name] > 0.0 for name in ("record", "plan", "linearize", "jvp", "vjp", "ijvp", "ivjp", "loop"))
        assert found["ratio"] == found["ijvp"] / found["jvp"]


# -- what bad input gets -----------------------------------------------------------------------------------------------


def test_a_trajectory_that_is_not_finite_says_where_and_keeps_what_there_is() -> None:
    flow = ode.flow(lambda x: x * x, 50)
    for run in (flow, flow.trajectory):
        with pytest.raises(fg.NonFiniteTrajectory, match="step k = 9") as caught:
            run(np.array([1.0, 2.0]))
        error = caught.value
        assert (error.k, error.entry) == (9, 1)
        assert error.trajectory.shape == (10, 2)
        assert error.trajectory[-1].tolist() == [1.0, 2.0**512]
        assert "x[1]" in str(error)
        assert "1.34" in str(error)
    with pytest.raises(fg.DomainError, match="in time step k = 9"):
        fg.linearize(flow, [1.0, 2.0])
    nan = ode.flow(lambda x, k: x if k < 2 else x * np.nan, 5)
    with pytest.raises(fg.NonFiniteTrajectory, match="step k = 2"):
        nan([1.0])


@pytest.mark.parametrize("T", [0, -1, 2.0, True, None, "3", np.bool(True), math.nan])
def test_a_number_of_steps_that_is_none(T: Any) -> None:
    for make in (lambda: ode.flow(lambda x: x, T), lambda: ode.discretize(ode.rk4, lambda x, t: x, 0.1, T)):
        with pytest.raises(fg.InputError, match="T is no number of steps") as caught:
            make()
        assert "1 or more" in str(caught.value)


def keyword_only(x: Any, *, h: float) -> Any:
    return h * x


@pytest.mark.parametrize(
    "step",
    [3, None, lambda: 1, lambda x, k, z: x, keyword_only],
    ids=["number", "none", "no-state", "three", "keyword"],
)
def test_a_step_that_is_none(step: Any) -> None:
    with pytest.raises(fg.InputError, match=r"step\(x\), or step\(x, k\)"):
        ode.flow(step, 3)


RETURNS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "shorter": (lambda x: x[:-1], "3 entries before, 2 after"),
    "longer": (lambda x: np.append(x, 1.0), "3 entries before, 4 after"),
    "nothing": (lambda x: None, "NoneType"),
    "a number": (lambda x: x.sum(), "no vector"),
    "a matrix": (lambda x: x[None], "(1, 3)"),
    "text": (lambda x: "abc", "str"),
    "an empty list": (lambda x: [], "3 entries before, 0 after"),
}


@pytest.mark.parametrize("name", RETURNS)
def test_a_step_that_returns_no_state(name: str) -> None:
    wrong, says = RETURNS[name]
    flow = ode.flow(wrong, 4)
    counted = ode.flow(lambda x, k: x if k < 2 else wrong(x), 4)
    for run, k in ((flow, 0), (flow.program, 0), (counted, 2), (counted.program, 2)):
        with pytest.raises(fg.InputError) as caught:
            run(3 if run in (flow.program, counted.program) else np.ones(3))
        assert says in str(caught.value)
        assert f"step k = {k}" in str(caught.value)


def test_a_list_of_numbers_is_a_state() -> None:
    flow = ode.flow(lambda x: [x[1], x[0] * 2.0], 2)
    assert flow([1.0, 2.0]).tolist() == [2.0, 4.0]
    assert fg.linearize(flow, [1.0, 2.0]).value.tolist() == [2.0, 4.0]


@pytest.mark.parametrize("x", [1.0, [[1.0]], "abc", [1.0, math.nan]])
def test_a_start_that_is_no_vector(x: Any) -> None:
    with pytest.raises(fg.FlowgraphError):
        ode.flow(lambda x: x, 2).trajectory(x)


@pytest.mark.parametrize("h", [0, 0.0, -0.0, math.inf, math.nan, "a", None, True, [0.1]])
def test_a_time_step_that_is_none(h: Any) -> None:
    with pytest.raises(fg.InputError, match="h is no time step"):
        ode.discretize(ode.rk4, lambda x, t: x, h, 3)
    with pytest.raises(fg.InputError, match="h is no time step"):
        ode.leapfrog(ode.pendulum(), [1.0, 0.5], h)


def test_what_steppers_refuse() -> None:
    for run in (lambda f: f([1.0, 2.0, 3.0]), lambda f: f.program(3)):
        with pytest.raises(fg.InputError, match="odd number"):
            run(ode.discretize(ode.leapfrog, ode.pendulum(), 0.1, 3))
        with pytest.raises(fg.InputError, match="needs a separable system"):
            run(ode.discretize(ode.yoshida4, ode.lorenz63(), 0.1, 3))
        with pytest.raises(fg.InputError, match="another shape than the state"):
            run(ode.discretize(ode.rk4, lambda x, t: x[:1], 0.1, 3))
        with pytest.raises(fg.InputError, match="another shape than the state"):
            run(ode.discretize(ode.midpoint, lambda x, t: x.sum(), 0.1, 3))
        with pytest.raises(fg.InputError, match="the field is no function"):
            run(ode.discretize(ode.rk4, 3, 0.1, 3))  # pyright: ignore[reportArgumentType]
        with pytest.raises(fg.InputError, match="does not take a state and a time"):
            run(ode.discretize(ode.rk4, lambda x: -x, 0.1, 3))  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="unsupported operand"):  # of the field's own, which stays what it is
        ode.rk4(lambda x, t: None + x[0].item(), np.ones(2), 0.1)
    with pytest.raises(fg.InputError, match="velocity is no function"):
        ode.Separable(1, lambda q: q)  # pyright: ignore[reportArgumentType]
    with pytest.raises(fg.InputError, match="the stepper is no function"):
        ode.discretize("rk4", lambda x, t: x, 0.1, 3)  # pyright: ignore[reportArgumentType]
    with pytest.raises(fg.InputError, match="at least four"):
        ode.lorenz96(3)
    with pytest.raises(fg.InputError, match="5 entries"):
        ode.lorenz96(6)(np.ones(5), 0.0)
    with pytest.raises(fg.InputError, match="state is no vector"):
        ode.rk4(lambda x, t: x, np.ones((2, 2)), 0.1)


def test_a_traced_value_that_leaves_its_step_is_refused() -> None:
    kept: list[Any] = []

    def step(x: Any) -> Any:
        kept.append(x[0])
        return 2 * x

    for at in (2, [1.0, 2.0]):
        with pytest.raises(fg.TraceError, match="outside the time step"):
            fg.trace(lambda x: ode.flow(step, 4)(x) + kept[-1], at)


# -- as a function anywhere --------------------------------------------------------------------------------------------


def test_newton_takes_a_flow() -> None:
    flow = ode.discretize(ode.leapfrog, ode.pendulum(), 0.05, 40)
    x = np.array([0.8, -0.3])
    found = fg.newton(lambda z: flow(z) - flow(x), np.array([0.7, -0.2]))
    assert np.allclose(found.x, x, rtol=1e-10)
    assert np.allclose(fg.solve(flow, flow(x), np.array([0.7, -0.2])).x, x, rtol=1e-10)


def test_the_command_line_takes_a_flow(tmp_path: Path) -> None:
    file = tmp_path / "swing.py"
    file.write_text(
        "from flowgraph import ode\n"
        "swing = ode.discretize(ode.symplectic_euler, ode.pendulum(), 0.1, 3)\n"
        "def damped(x):\n    return 0.9 * swing(x)\n"
    )
    for name in ("swing", "damped"):
        for command in ("analyze", "verify"):
            done = CliRunner().invoke(main, [command, f"{file}:{name}", "--n", "2"])
            assert done.exit_code == 0, done.output
    done = CliRunner().invoke(main, ["analyze", f"{file}:swing"])
    assert done.exit_code != 0
    assert "--n" in done.output


def test_what_a_state_takes_from_the_time_is_that_of_the_step_before() -> None:
    def stepper(F: Any, x: Any, h: Any, t: Any) -> Any:
        return np.stack([x[0] * x[1] + x[2], t + 0.0 * h, np.cos(t), F(x, t)[0]])

    def field(x: Any, t: Any) -> Any:
        return x * x[1] + t

    flow = ode.discretize(stepper, field, 0.1, 5, 0.3)
    x = np.array([0.7, 1.1, -0.4, 0.2])
    reference = one_by_one(flow)
    found = fg.linearize(flow, x)
    np.testing.assert_allclose(found.value, reference(x), rtol=1e-14)
    np.testing.assert_allclose(found.jacobian(), complex_step(reference, x), rtol=1e-12, atol=1e-14)
    # The same with the time itself under trace.
    moved = fg.linearize(lambda z: ode.discretize(stepper, field, 0.1, 5, z[0])(z[1:]), np.append(0.3, x))
    np.testing.assert_allclose(moved.value, reference(x), rtol=1e-14)
    np.testing.assert_allclose(moved.jacobian()[:, 1:], found.jacobian(), rtol=1e-12, atol=1e-14)


def test_steps_repeated_after_others_keep_their_numbers() -> None:
    # The constant entry changes in step 0 only, so that steps 1 … 5 are repeated.
    flow = ode.flow(lambda x: np.stack([np.sqrt(x[0]) * x[0] - 0.1, x[0] + x[1]]), 6)
    with pytest.raises(fg.DomainError) as caught:
        fg.linearize(lambda z: flow(np.concatenate([z, [1.0]])), [0.4])
    states, k = [0.4], 0
    while states[-1] > 0.0:
        states.append(np.sqrt(states[-1]) * states[-1] - 0.1)
        k += 1
    assert k > 1
    assert str(caught.value.where).endswith(f"time step k = {k}")
