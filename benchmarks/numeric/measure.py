"""What is measured of flowgraph itself, each function in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import flowgraph as fg
from benchmarks.numeric.engine import Engine, Planned, Point
from benchmarks.numeric.families import Instance, leapfrog, registers, tridiagonal
from benchmarks.numeric.machines import random_machine
from benchmarks.numeric.peers import many_right_hand_sides, nearby, right_hand_side
from benchmarks.numeric.timing import once, peak, reset_peak, timed

Array = np.ndarray[Any, Any]
Found = dict[str, Any]

_PREDICTED_STEPS = 600_000
_VALUE_ERROR = 1e-9
_QUOTIENT_ERROR = 1e-5


def _norm(point: Point, n: int) -> float:
    """‖J‖₂ from below, by ten steps of the power method."""
    v = right_hand_side(n)
    size = 0.0
    for _ in range(10):
        v = v / np.linalg.norm(v)
        image = point.jvp(v)
        size = max(size, float(np.linalg.norm(image)))
        v = point.vjp(image)
    return size


def instance_of_engine(engine: Engine, instance: Instance, dense: bool) -> Found:
    """Times, residuals and memory of one instance."""
    n, x = instance.n, instance.x
    program, trace_seconds = once(instance.program)
    v = right_hand_side(n)
    _, kernels = once(lambda: _warm(engine))
    before = reset_peak()
    plan, setup = once(lambda: engine.plan(program))
    point, first = once(lambda: plan.linearize(x))
    solution = point.ijvp(v)
    product = point.jvp(v)
    memory = peak() - before
    hold(instance, point.value, product, v)
    return {
        "setup": setup,
        "kernels": kernels,
        "trace": trace_seconds,
        "first": first,
        "steps": program.n_steps,
        "bytes_per_step": memory / max(1, program.n_steps),
        **_accuracy(point, v, solution),
        "predicted": _predicted(program),
        "times": _times(plan, point, x, v, dense),
    }


def hold(instance: Instance, value: Array, product: Array, v: Array) -> None:
    """Raise unless the value is NumPy's, and J v is the difference quotient: residuals alone tell nothing of a wrong J.

    Raises:
        ArithmeticError: the engine computes another function.
    """
    expected = instance.numpy(instance.x)
    worst = float(np.abs(value - expected).max() / np.abs(expected).max())
    if not worst <= _VALUE_ERROR:
        raise ArithmeticError(f"the engine's f(x) differs from NumPy's by {worst:.1e}")
    # Of several steps the best counts: what is curved wants a small one, what cancels a large one.
    errors = []
    for h in (1e-4, 1e-5, 1e-6, 1e-7):
        quotient = (instance.numpy(instance.x + h * v) - instance.numpy(instance.x - h * v)) / (2.0 * h)
        errors.append(float(np.linalg.norm(product - quotient) / np.linalg.norm(quotient)))
    if not min(errors) <= _QUOTIENT_ERROR:
        raise ArithmeticError(f"the engine's J v differs from difference quotients by {min(errors):.1e}")


def _warm(engine: Engine) -> None:
    """Every sweep on two tiny programs, so that loading and compiling kernels is not counted as the program's."""
    for tiny in (registers(3, 5), tridiagonal(4, 2, 0.1)):
        point = engine.plan(tiny.program()).linearize(tiny.x)
        for sweep in (point.jvp, point.vjp, point.ijvp, point.ivjp):
            sweep(np.ones(tiny.n))
        point.slogdet()


def _times(plan: Planned, point: Point, x: Array, v: Array, dense: bool) -> Found:
    moved = (x, nearby(x))
    turn = 0

    def linearize() -> Point:
        # At two points in turn, so that nothing that is kept for one point serves.
        nonlocal turn
        turn += 1
        return plan.linearize(moved[turn % 2])

    many = many_right_hand_sides(len(v))
    work: dict[str, Callable[[], object]] = {
        "linearise": linearize,
        "jvp": lambda: point.jvp(v),
        "vjp": lambda: point.vjp(v),
        "one more solve": lambda: point.ijvp(v),
        "ivjp alone": lambda: point.ivjp(v),
        "linearise + jvp": lambda: linearize().jvp(v),
        "ijvp": lambda: linearize().ijvp(v),
        "linearise + vjp": lambda: linearize().vjp(v),
        "ivjp": lambda: linearize().ivjp(v),
        "slogdet": lambda: linearize().slogdet(),
    }
    if dense:
        work["100 solves"] = lambda: point.ijvp(many)
    return {name: timed(run) for name, run in work.items()}


def _accuracy(point: Point, v: Array, solution: Array) -> Found:
    """‖v − J x‖ / (‖J‖ ‖x‖ + ‖v‖) in units of machine epsilon, as it comes, transposed, and after one refinement."""
    norm = _norm(point, len(v))
    epsilon = float(np.finfo(float).eps)

    def residual(product: Callable[[Array], Array], found: Array) -> float:
        scale = norm * float(np.linalg.norm(found)) + float(np.linalg.norm(v))
        return float(np.linalg.norm(v - product(found))) / scale / epsilon

    return {
        "residual": residual(point.jvp, solution),
        "residual_transposed": residual(point.vjp, point.ivjp(v)),
        "residual_refined": residual(point.jvp, point.ijvp(v, refine=1)),
        "log_determinant": float(point.slogdet()[1]),
    }


def _predicted(program: fg.Program) -> float | None:
    """The ratio of the operation counts of inverse and forward mode, primal and partials included."""
    if program.n_steps > _PREDICTED_STEPS:
        return None
    return fg.analyze(program).ratio


def small_plan(engine: Engine) -> Found:
    """A warm plan at new points, n = 10 and 60 steps: one at a time, and a batch of 10,000."""
    machine = random_machine(10, 60, seed=3)
    program = machine.program()
    plan = engine.plan(program)
    rng = np.random.default_rng(9)
    points = machine.x * (1.0 + 1e-3 * rng.standard_normal((64, 10)))
    right = rng.standard_normal((64, 10))
    turn = 0

    def single() -> Array:
        nonlocal turn
        turn = (turn + 1) % 64
        return plan.linearize(points[turn]).ijvp(right[turn])

    def forward() -> Array:
        nonlocal turn
        turn = (turn + 1) % 64
        return plan.linearize(points[turn]).jvp(right[turn])

    members = 10_000
    batch = machine.x * (1.0 + 1e-3 * rng.standard_normal((members, 10)))
    batch_right = rng.standard_normal((members, 10))
    return {
        "members": members,
        "times": {
            "ijvp": timed(single, most=5000),
            "linearise + jvp": timed(forward, most=5000),
            "batch": timed(lambda: plan.linearize(batch).ijvp(batch_right)),
        },
    }


def ten_million(engine: Engine) -> Found:
    """Trace, plan, linearise and solve ten million steps of leapfrog, once, and the peak of the whole process."""
    _warm(engine)
    instance = leapfrog(16_384, 122)
    v = right_hand_side(instance.n)
    program, trace_seconds = once(instance.program)
    plan, plan_seconds = once(lambda: engine.plan(program))
    point, linearize_seconds = once(lambda: plan.linearize(instance.x))
    solution, solve_seconds = once(lambda: point.ijvp(v))
    return {
        "steps": program.n_steps,
        "trace": trace_seconds,
        "plan": plan_seconds,
        "linearise": linearize_seconds,
        "solve": solve_seconds,
        "seconds": trace_seconds + plan_seconds + linearize_seconds + solve_seconds,
        "peak": peak(),
        **_accuracy(point, v, solution),
    }


def tape_free(engine: Engine) -> Found:
    """Time and memory of the tape-free sweeps at T and 4 T, beside the program itself, and how far they are off."""
    return {"rows": [row for steps in (25, 100) for row in _tape_free(engine, steps)]}


def _tape_free(engine: Engine, steps: int) -> Iterator[Found]:
    instance = leapfrog(4096, steps)
    program = instance.program()
    v = right_hand_side(instance.n)
    point = engine.plan(program).linearize(instance.x)
    expected_jvp, expected_ivjp = point.jvp(v), point.ivjp(v)
    del point
    sweeps = engine.tape_free(program)
    pairs = (
        ("jvp", expected_jvp, lambda: sweeps.jvp(instance.x, v)[1]),
        ("ivjp", expected_ivjp, lambda: sweeps.ivjp(instance.x, v)),
    )
    for name, expected, work in pairs:
        work()
        before = reset_peak()
        answer = work()
        memory = max(0, peak() - before)
        difference = float(np.linalg.norm(answer - expected) / np.linalg.norm(expected))
        row = {"mode": name, "steps": program.n_steps, "memory": memory, "difference": difference}
        yield {**row, "time": timed(work)}
