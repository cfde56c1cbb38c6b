"""`python -m benchmarks.newton [--json]`: Newton's method on large classical problems, and Naumann's compositions.

Two tables. Problems of Moré, Garbow and Hillstrom at growing n: the plan, one exact Newton step after it (linearize and
J⁻¹f), the whole solution, and `scipy.optimize.root` from the same start; hybr up to 2,000 unknowns, krylov with at most
100 iterations. Compositions of q = n tridiagonal maps: one exact step beside a dense one, which accumulates J by the
chain rule and solves with LAPACK. Each row runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from scipy import optimize

import flowgraph as fg
from flowgraph.problems import PROBLEMS

Array = np.ndarray[Any, Any]

SIZES: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "extended-rosenbrock": (1_000, 10_000, 100_000),
        "extended-powell-singular": (1_000, 10_000, 100_000),
        "discrete-boundary-value": (1_000, 10_000, 100_000),
        "discrete-integral-equation": (1_000, 10_000, 100_000),
        "broyden-tridiagonal": (1_000, 10_000, 100_000, 1_000_000),
        "broyden-banded": (1_000, 10_000, 100_000),
    }
)
"""Numbers of unknowns of each problem."""

COMPOSITIONS = (64, 128, 256, 512)
"""n = q of the compositions."""

LARGEST_HYBR = 2_000
SOLVED = 1e-10
"""Where max|f| ends above this, the time of a peer is no time of a solution."""


def timed(work: Callable[[], Any], repeat: int = 5) -> float:
    """The median of some times, in seconds."""
    times = []
    for _ in range(repeat):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return float(np.median(times))


def warm_up(backend: str | None) -> None:
    """Load the engine: it is not what is measured."""
    fg.newton(fg.plan(PROBLEMS["broyden-tridiagonal"].f, 50, backend=backend), -np.ones(50))


def solved_problem(name: str, n: int, backend: str | None) -> dict[str, Any]:
    """Times of one problem at one size, in this process."""
    warm_up(backend)
    f, x0 = PROBLEMS[name].f, PROBLEMS[name].start(n)
    begin = time.perf_counter()
    plan = fg.plan(f, n, backend=backend)
    lin = plan.linearize(x0)
    lin.ijvp(lin.value)
    found: dict[str, Any] = {"name": name, "n": n, "backend": plan.backend, "plan": time.perf_counter() - begin}
    found["step"] = timed(lambda: plan.linearize(x0).ijvp(lin.value))
    begin = time.perf_counter()
    sol = fg.newton(plan, x0)
    found["newton"] = time.perf_counter() - begin
    found |= {"success": bool(sol.success), "nit": sol.nit, "nfev": sol.nfev, "njev": sol.njev}
    found["residual"] = float(np.abs(sol.fun).max())
    peers: dict[str, dict[str, Any]] = {"krylov": {"options": {"fatol": SOLVED, "maxiter": 100}}}
    if n <= LARGEST_HYBR:
        peers["hybr"] = {"tol": 1e-12}
    for method, options in peers.items():
        found |= {f"{method}_{key}": value for key, value in peer(f, x0, method, options).items()}
    return found


def peer(f: Callable[[Any], Any], x0: Array, method: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Seconds, evaluations of f and max|f| of SciPy's solver; the residual is ∞ where it gave up by an exception."""
    calls = 0

    def counted(x: Array) -> Array:
        nonlocal calls
        calls += 1
        return f(x)

    begin = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            residual = float(np.abs(optimize.root(counted, x0, method=method, **options).fun).max())
        except (ValueError, ArithmeticError):
            residual = math.inf
    return {"time": time.perf_counter() - begin, "nfev": calls, "residual": residual}


def composition(n: int, backend: str | None) -> dict[str, Any]:
    """One Newton step of n tridiagonal maps, matrix-free and dense."""
    warm_up(backend)
    c = 1.0 / n

    def local_map(x: Any) -> Any:
        s = np.sin(x)
        return x + c * (np.concatenate([[0.0], s[:-1]]) + np.concatenate([s[1:], [0.0]]))

    def f(x: Any) -> Any:
        for _ in range(n):
            x = local_map(x)
        return x

    def dense() -> Array:
        x, jacobian = x0, np.eye(n)
        for _ in range(n):
            rows = np.cos(x)[:, None] * jacobian
            jacobian[1:] += c * rows[:-1]
            jacobian[:-1] += c * rows[1:]
            x = local_map(x)
        return np.linalg.solve(jacobian, x)

    x0 = np.linspace(-1.0, 1.0, n)
    begin = time.perf_counter()
    plan = fg.plan(f, n, backend=backend)
    lin = plan.linearize(x0)
    step = lin.ijvp(lin.value)
    found: dict[str, Any] = {"name": "composition", "n": n, "backend": plan.backend, "steps": plan.program.n_steps}
    found["plan"] = time.perf_counter() - begin
    found["step"] = timed(lambda: plan.linearize(x0).ijvp(lin.value))
    found["dense"] = timed(dense, 3)
    found["differs"] = float(np.abs(dense() - step).max() / np.abs(step).max())
    return found


def problem_row(found: Mapping[str, Any]) -> str:
    """One line of the first table."""

    def told(method: str) -> str:
        if f"{method}_time" not in found:
            return f"{'–':>9}{'':9}"
        solved = found[f"{method}_residual"] <= SOLVED
        return f"{found[f'{method}_time']:8.3f}{' ' if solved else '✗'}{found[f'{method}_nfev']:9,}"

    return (
        f"{found['name']:<27}{found['n']:>10,}{found['plan']:9.3f}{found['step']:10.5f}{found['newton']:9.3f}"
        f"{'' if found['success'] else '✗':1}{found['nit']:5}{found['nfev']:5}{found['residual']:9.0e}"
        f"{told('hybr')}{told('krylov')}"
    )


def composition_row(found: Mapping[str, Any]) -> str:
    """One line of the second table."""
    return (
        f"{found['n']:>6}{found['steps']:>11,}{found['plan']:9.3f}{found['step']:10.5f}{found['dense']:10.4f}"
        f"{found['dense'] / found['step']:9.1f}{found['differs']:10.0e}"
    )


def run(kind: str, name: str, n: int, backend: str | None) -> dict[str, Any]:
    """A row in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.newton", "--one", kind, name, str(n)]
    if backend is not None:
        command += ["--backend", backend]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.newton", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the tables")
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    parser.add_argument("--backend", choices=("numpy", "compiled"), help="the fastest there is, unless given")
    parser.add_argument("--one", nargs=3, metavar=("KIND", "NAME", "N"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one is not None:
        kind, name, n = options.one[0], options.one[1], int(options.one[2])
        found = solved_problem(name, n, options.backend) if kind == "problem" else composition(n, options.backend)
        sys.stdout.write(json.dumps(found))
        return 0

    def tell(line: str) -> None:
        if not options.json:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    problems, compositions = [], []
    tell(
        f"{'seconds':<27}{'n':>10}{'plan':>9}{'step':>10}{'newton':>9} {'nit':>5}{'f':>5}{'max|f|':>9}"
        f"{'hybr':>8} {'f':>9}{'krylov':>8} {'f':>9}"
    )
    for name, sizes in SIZES.items():
        for n in sizes[:1] if options.quick else sizes:
            problems.append(run("problem", name, n, options.backend))
            tell(problem_row(problems[-1]))
    tell(f"\n{'n = q':>6}{'steps':>11}{'plan':>9}{'step':>10}{'dense':>10}{'saving':>9}{'differs':>10}")
    for n in COMPOSITIONS[:2] if options.quick else COMPOSITIONS:
        compositions.append(run("composition", "composition", n, options.backend))
        tell(composition_row(compositions[-1]))
    if options.json:
        document = {"schema": "flowgraph/benchmarks/newton/1", "problems": problems, "compositions": compositions}
        sys.stdout.write(json.dumps(document))
    return 0


if __name__ == "__main__":
    sys.exit(main())
