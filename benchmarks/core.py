"""Derivation, verification and start-up: each case in a fresh process, with its time, its peak memory and its limit."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

import flowgraph as fg
from flowgraph.builder import Builder

EXAMPLES = Path(__file__).resolve().parent.parent / "papers_examples"


def register_machine(n: int, steps: int, seed: int = 0) -> fg.Program:
    """Random equasive code on n registers: each step overwrites one of the two registers that it reads."""
    random = Random(seed)
    builder = Builder(n)
    live = list(range(n))
    for step in range(steps):
        target, other = random.sample(range(n), 2)
        if random.random() < 0.7:
            name = random.choice(("add", "sub", "mul", "hypot"))
            live[target] = int(builder.append(name, np.asarray(live[target]), np.asarray(live[other])))
        else:
            live[target] = builder.call(f"f{step % 50}", live[target], live[other])
    return builder.finish(np.array(live))


@dataclass(frozen=True, slots=True)
class Case:
    """One measurement.

    Attributes:
        title: what is measured.
        prepare: makes the work; its own time does not count.
        limit: seconds that the issue allows.
        runs: how often; the median counts.
    """

    title: str
    prepare: Callable[[], Callable[[], object]]
    limit: float
    runs: int


def _derive(n: int, mode: str) -> Callable[[], Callable[[], object]]:
    def prepare() -> Callable[[], object]:
        program = register_machine(n, 1000)
        return lambda: fg.derive(program, mode)

    return prepare


def _verify(n: int, steps: int, method: str) -> Callable[[], Callable[[], object]]:
    def prepare() -> Callable[[], object]:
        program = register_machine(n, steps)
        return lambda: _held(fg.verify(program, method=method))

    return prepare


def _verify_example() -> Callable[[], object]:
    program = fg.load(EXAMPLES / "register_machine.fg")
    return lambda: _held(fg.verify(program, method="exact"))


def _held(report: fg.Verification) -> fg.Verification:
    if not report.ok:
        raise SystemExit(f"a check failed while it was timed:\n{report}")
    return report


def _help() -> Callable[[], object]:
    command = [sys.executable, "-m", "flowgraph", "--help"]
    return lambda: subprocess.run(command, check=True, capture_output=True)


CASES: tuple[Case, ...] = (
    Case("derive, 1,000 steps, n = 10, reverse-inverse", _derive(10, "reverse-inverse"), 5.0, 5),
    Case("derive, 1,000 steps, n = 10, forward-inverse", _derive(10, "forward-inverse"), 5.0, 5),
    Case("derive, 1,000 steps, n = 49 (every row)", _derive(49, "forward-inverse"), 5.0, 5),
    Case("derive, 1,000 steps, n = 200 (sparse rows)", _derive(200, "forward-inverse"), 5.0, 5),
    Case("verify exactly, register_machine.fg, 60 steps", _verify_example, 20.0, 3),
    Case("verify exactly, 60 steps, n = 30", _verify(30, 60, "exact"), 20.0, 3),
    Case("verify in prime fields, 100,000 steps, n = 10", _verify(10, 100_000, "prime-field"), 30.0, 1),
    Case("verify in prime fields, 100,000 steps, n = 1,000", _verify(1000, 100_000, "prime-field"), 30.0, 1),
    Case("flowgraph --help", _help, 0.3, 7),
)


def measure(case: Case) -> dict[str, float]:
    """Median seconds, spread and peak memory in MB of a case, in this process."""
    work = case.prepare()
    seconds = []
    for _ in range(case.runs):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": statistics.median(seconds), "spread": max(seconds) - min(seconds), "peak_mb": peak}
