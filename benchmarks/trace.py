"""How fast functions are traced: leapfrog on a chain of 8,192 oscillators, and a loop over scalars.

    python benchmarks/trace.py [--json] [--steps N] [--oscillators N]

Each time is the median of five runs; the peak memory is that of a fresh process that traces once.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from flowgraph.tracing import trace

RUNS = 5


def leapfrog(oscillators: int, steps: int, h: float = 0.01, coupling: float = 0.1) -> Callable[[Any], Any]:
    """One flow of q″ = −q − q³ + coupling · (discrete Laplacian of q) on a ring: R²ᵏ → R²ᵏ, k oscillators.

    The half steps that follow each other are joined, as is usual: kick, drift, kick, drift, …, kick.
    """

    def force(q: Any) -> Any:
        return coupling * (np.roll(q, 1) + np.roll(q, -1)) - (1.0 + 2.0 * coupling) * q - q**3

    def flow(x: Any) -> Any:
        q, p = x[:oscillators], x[oscillators:]
        p = p + 0.5 * h * force(q)
        for step in range(steps):
            q = q + h * p
            p = p + (h if step < steps - 1 else 0.5 * h) * force(q)
        return np.concatenate([q, p])

    return flow


def scalar_loop(turns: int) -> Callable[[Any], Any]:
    """Four scalar steps a turn, each its own Python operation."""

    def rotate(x: Any) -> Any:
        a, b = x[0], x[1]
        for _ in range(turns):
            a = a + b * 0.5
            b = b - a * 0.5
        return [a, b]

    return rotate


def measure(f: Callable[[Any], Any], n: int, runs: int = RUNS) -> dict[str, float]:
    """Steps, median seconds and steps per second of tracing f on n values."""
    times = []
    steps = 0
    for _ in range(runs):
        start = time.perf_counter()
        program = trace(f, n)
        times.append(time.perf_counter() - start)
        steps = program.n_steps
        del program
    seconds = statistics.median(times)
    return {"steps": steps, "seconds": seconds, "steps_per_second": steps / seconds}


def peak_megabytes(oscillators: int, steps: int) -> float:
    """Peak resident memory of a fresh process that traces leapfrog once."""
    command = [sys.executable, __file__, "--once", "--oscillators", str(oscillators), "--steps", str(steps)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def benchmark(oscillators: int = 8192, steps: int = 100) -> dict[str, dict[str, float]]:
    """All measurements."""
    vector = measure(leapfrog(oscillators, steps), 2 * oscillators)
    return {
        "leapfrog": {**vector, "peak_megabytes": peak_megabytes(oscillators, steps)},
        "scalar loop": measure(scalar_loop(10_000), 2),
    }


def main() -> None:
    """Print the measurements."""
    parser = argparse.ArgumentParser(description="How fast functions are traced.")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--steps", type=int, default=100, help="time steps of leapfrog")
    parser.add_argument("--oscillators", type=int, default=8192, help="oscillators; the state has twice as many values")
    parser.add_argument("--once", action="store_true", help="trace leapfrog once and print the peak memory in MB")
    options = parser.parse_args()
    if options.once:
        trace(leapfrog(options.oscillators, options.steps), 2 * options.oscillators)
        # Linux counts in KiB, macOS in bytes.
        unit = 1e6 if sys.platform == "darwin" else 1e3
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)
        return
    results = benchmark(options.oscillators, options.steps)
    if options.json:
        print(json.dumps(results, indent=2))
        return
    for name, result in results.items():
        memory = f", peak {result['peak_megabytes']:.0f} MB" if "peak_megabytes" in result else ""
        print(
            f"{name}: {result['steps']:,.0f} steps in {result['seconds']:.3f} s, "
            f"{result['steps_per_second'] / 1e6:.2f} million steps/s{memory}"
        )


if __name__ == "__main__":
    main()
