"""`python -m benchmarks.ode [--json]`: flows of many time steps: recording, planning, evaluation and the four modes.

The pendulum over 10⁵ time steps by every stepper, whose symplectic ones need no linear solve; Lorenz-96 on 40 places by
RK4, one 40-wide lump a time step. Kernels are compiled before the clock starts; a mode's time is the best of a few.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

import flowgraph as fg

PENDULUM = (1.0, 0.5)
REPEATS = 5


@dataclass(frozen=True, slots=True)
class Case:
    """A flow.

    Attributes:
        title: what the table calls it.
        stepper: name of the stepper.
        system: makes the field.
        start: (n,) the state at which it is linearized.
        h: the time step.
        T: the number of time steps.
    """

    title: str
    stepper: str
    system: Callable[[], Any]
    start: tuple[float, ...]
    h: float
    T: int

    def flow(self, T: int) -> fg.ode.Flow:
        """The flow of T time steps."""
        return fg.ode.discretize(fg.ode.STEPPERS[self.stepper].function, self.system(), self.h, T)


CASES: Mapping[str, Case] = MappingProxyType(
    {
        case.title: case
        for case in (
            *(
                Case(f"pendulum, {record.title}", name, fg.ode.pendulum, PENDULUM, 0.01, 100_000)
                for name, record in fg.ode.STEPPERS.items()
            ),
            Case(
                "Lorenz-96, RK4",
                "rk4",
                lambda: fg.ode.lorenz96(40),
                tuple(np.linspace(0.1, 1.0, 40).tolist()),
                0.01,
                1000,
            ),
        )
    }
)
"""The flows by title."""


def clock(run: Callable[[], Any], repeats: int = 1) -> float:
    """Seconds, the least of a few runs."""
    taken = []
    for _ in range(repeats):
        begin = time.perf_counter()
        run()
        taken.append(time.perf_counter() - begin)
    return min(taken)


def measure(case: Case) -> dict[str, Any]:
    """Times of one flow, in this process."""
    x = np.array(case.start)
    v = np.ones(len(x))
    # A short flow of the same kind compiles, or loads, all kernels.
    warm = fg.linearize(case.flow(20), x)
    for run in (warm.jvp, warm.vjp, warm.ijvp, warm.ivjp):
        run(v)
    flow = case.flow(case.T)
    kept: dict[str, Any] = {}

    def keep(name: str, run: Callable[[], Any]) -> Callable[[], None]:
        return lambda: kept.update({name: run()})

    found: dict[str, Any] = {"flow": case.title, "time_steps": case.T, "n": len(x)}
    found["record"] = clock(keep("program", lambda: flow.program(len(x))))
    found["steps"] = kept["program"].n_steps
    found["plan"] = clock(keep("plan", lambda: fg.plan(kept["program"])))
    kept["plan"].linearize(x)
    found["linearize"] = clock(keep("lin", lambda: kept["plan"].linearize(x)), REPEATS)
    lin: fg.Linearization = kept["lin"]
    found["first_ijvp"] = clock(lambda: lin.ijvp(v))
    for name in ("jvp", "vjp", "ijvp", "ivjp"):
        found[name] = clock(lambda name=name: getattr(lin, name)(v), REPEATS)
    found["ratio"] = found["ijvp"] / found["jvp"]
    found["transposed_ratio"] = found["ivjp"] / found["vjp"]
    found["logabsdet"] = float(lin.slogdet().logabsdet)
    found["loop"] = clock(lambda: flow(x))
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ode", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    parser.add_argument("--one", metavar="FLOW", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one is not None:
        sys.stdout.write(json.dumps(measure(CASES[options.one])))
        return 0
    rows = []
    if not options.json:
        sys.stdout.write(
            f"{'flow (seconds; modes in ms)':<28} {'T':>8} {'steps':>10} {'record':>7} {'plan':>6} {'lin.':>6} "
            f"{'Jv':>7} {'Jᵀw':>7} {'J⁻¹v':>7} {'J⁻ᵀw':>7} {'J⁻¹v/Jv':>8} {'log|det J|':>11} {'loop':>6} {'MB':>5}\n"
        )
    for title in CASES:
        command = [sys.executable, "-m", "benchmarks.ode", "--one", title]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        rows.append(found)
        if not options.json:
            modes = " ".join(f"{1000 * found[name]:7.2f}" for name in ("jvp", "vjp", "ijvp", "ivjp"))
            sys.stdout.write(
                f"{title:<28} {found['time_steps']:>8,} {found['steps']:>10,} {found['record']:7.2f} "
                f"{found['plan']:6.2f} {found['linearize']:6.3f} {modes} {found['ratio']:8.2f} "
                f"{found['logabsdet']:11.3g} {found['loop']:6.2f} {found['peak_mb']:5.0f}\n"
            )
            sys.stdout.flush()
    if options.json:
        sys.stdout.write(json.dumps({"schema": "flowgraph/benchmarks/ode/1", "rows": rows}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
