"""`python -m benchmarks.lumps [--json]`: structure, best order and analysis of ever longer programs, and their growth.

Three families: leapfrog on 2,000 values (two-step lumps, all scalar), Lorenz-96 by Runge–Kutta on 40 values (one lump a
time step, l = 40), and random code on 10 registers that branches out for some steps and comes together again.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from random import Random
from types import MappingProxyType
from typing import Any

import numpy as np

import flowgraph as fg
from flowgraph.builder import Builder

SIZES: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "leapfrog": (10_000, 100_000, 1_000_000, 2_000_000),
        "lorenz96": (10_000, 100_000, 1_000_000, 2_000_000),
        "random": (10_000, 100_000, 1_000_000),
        "wandering": (10_000, 100_000),
    }
)
"""Numbers of steps of each family."""

Array = np.ndarray[Any, Any]


def leapfrog(steps: int, n: int = 2_000) -> fg.Program:
    """Kick and drift of n/2 pendulums, five scalar steps for two values and a time step."""

    def flow(x: Array) -> Array:
        q, p = x[: n // 2], x[n // 2 :]
        for _ in range(max(1, round(steps / (2.5 * n)))):
            p = p - 0.1 * np.sin(q)
            q = q + 0.1 * p
        return np.concatenate([q, p])

    return fg.trace(flow, np.linspace(0.1, 1.0, n))


def lorenz96(steps: int, n: int = 40) -> fg.Program:
    """Runge–Kutta steps of order four of the Lorenz-96 equations, 29 scalar steps for a value and a time step."""

    def slope(x: Array) -> Array:
        return (np.roll(x, -1) - np.roll(x, 2)) * np.roll(x, 1) - x + 8.0

    def flow(x: Array) -> Array:
        h = 0.01
        for _ in range(max(1, round(steps / (29 * n)))):
            k1 = slope(x)
            k2 = slope(x + h / 2 * k1)
            k3 = slope(x + h / 2 * k2)
            k4 = slope(x + h * k3)
            x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return x

    return fg.trace(flow, np.linspace(0.1, 1.0, n))


def branching(steps: int, n: int = 10, seed: int = 0) -> fg.Program:
    """Random code: up to five values branch off and join a register again one by one, which is then overwritten."""
    random = Random(seed)
    builder = Builder(n)
    live = list(range(n))
    while builder.n_values < n + steps:
        side = [
            builder.scalar("mul", random.choice(live), random.choice(live))
            for _ in range(random.choice((0, 0, 1, 2, 5)))
        ]
        register = random.randrange(n)
        value = live[register]
        for other in side:
            value = builder.scalar("mul", value, other)
        live[register] = builder.scalar("mul", value, random.choice(live))
    return builder.finish(np.array(live))


def wandering(steps: int, n: int = 10, seed: int = 0) -> fg.Program:
    """Random code whose width wanders between n and 2n. Most of it is singular: the worst case for the matching."""
    random = Random(seed)
    builder = Builder(n)
    live = list(range(n))
    while builder.n_values < n + steps or len(live) > n:
        late = builder.n_values >= n + steps
        if not late and len(live) < 2 * n and random.random() < 0.5:
            live.append(builder.scalar("mul", random.choice(live), random.choice(live)))
        elif len(live) > n and (late or random.random() < 0.5):
            gone = live.pop(random.randrange(len(live)))
            register = random.randrange(len(live))
            live[register] = builder.scalar("mul", live[register], gone)
        else:
            register = random.randrange(len(live))
            live[register] = builder.scalar("mul", live[register], random.choice(live))
    return builder.finish(np.array(live))


FAMILIES: Mapping[str, Callable[[int], fg.Program]] = MappingProxyType(
    {"leapfrog": leapfrog, "lorenz96": lorenz96, "random": branching, "wandering": wandering}
)


def measure(family: str, size: int) -> dict[str, Any]:
    """Times of one program, in this process."""
    program = FAMILIES[family](size)
    found: dict[str, Any] = {"family": family, "steps": program.n_steps}
    begin = time.perf_counter()
    structure = fg.decompose(program)
    found["structure"] = time.perf_counter() - begin
    found["singular"] = structure.singular
    if not structure.singular:
        begin = time.perf_counter()
        order = fg.best_order(program)
        found["best_order"] = time.perf_counter() - begin
        found["lumps"] = len(fg.lumps(program, order))
    begin = time.perf_counter()
    report = fg.analyze(program)
    str(report)
    found["analyze"] = time.perf_counter() - begin
    found["ratio"] = report.ratio
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lumps", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    parser.add_argument("--one", nargs=2, metavar=("FAMILY", "STEPS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one is not None:
        sys.stdout.write(json.dumps(measure(options.one[0], int(options.one[1]))))
        return 0
    rows = []
    for family in FAMILIES:
        before = None
        for size in SIZES[family]:
            command = [sys.executable, "-m", "benchmarks.lumps", "--one", family, str(size)]
            found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            if before is not None:
                # What the time is proportional to a power of, n log n being 1.05 to 1.09 at these sizes.
                found["exponent"] = math.log(found["analyze"] / before["analyze"]) / math.log(
                    found["steps"] / before["steps"]
                )
            before = found
            rows.append(found)
            if not options.json:
                best = f"{found['best_order']:.2f}" if "best_order" in found else "singular"
                growth = f"{found['exponent']:.2f}" if "exponent" in found else ""
                sys.stdout.write(
                    f"{family:<10} {found['steps']:>9,} steps  structure {found['structure']:6.2f} s  "
                    f"best order {best:>8} s  analyze {found['analyze']:6.2f} s  {found['peak_mb']:5.0f} MB  "
                    f"{growth:>5}\n"
                )
                sys.stdout.flush()
    if options.json:
        sys.stdout.write(json.dumps({"schema": "flowgraph/benchmarks/lumps/1", "rows": rows}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
