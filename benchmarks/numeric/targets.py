"""What the engine must reach, each as a row with its limit and the value that the run reached."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.numeric.engine import BACKENDS
from benchmarks.numeric.families import FAMILIES

Found = dict[str, Any]

_LONG = 100_000
_RATIO_LIMITS = {"compiled": 1.3, "numpy": 1.6}
_MEGABYTE = 1e6


@dataclass(frozen=True, slots=True)
class Target:
    """One row.

    Attributes:
        title: what must be reached.
        limit: the bound.
        reached: the measured value, or None where the run has none.
        at_least: whether the value must be at least the limit, rather than at most.
        unit: of limit and value.
    """

    title: str
    limit: float
    reached: float | None
    at_least: bool = False
    unit: str = ""

    @property
    def verdict(self) -> str:
        """ok, OVER, or not measured."""
        if self.reached is None:
            return "not measured"
        met = self.reached >= self.limit if self.at_least else self.reached <= self.limit
        return "ok" if met else "OVER"


def seconds(results: Found, family: str, label: str, contender: str, what: str) -> float | None:
    """The median of one time of one contender, or None."""
    found = results.get("family", {}).get(family, {}).get(label, {}).get(contender, {})
    timing = found.get("times", {}).get(what)
    return None if timing is None else timing["median"]


def _quotient(above: float | None, below: float | None) -> float | None:
    return None if above is None or below is None else above / below


def ratio(found: Found, mode: str) -> float | None:
    """Primal and inverse sweep over primal and forward (or reverse) sweep."""
    times = found.get("times", {})
    below = {"ijvp": "linearise + jvp", "ivjp": "linearise + vjp"}[mode]
    if mode not in times or below not in times:
        return None
    return times[mode]["median"] / times[below]["median"]


def _measured(results: Found, backend: str) -> Iterator[tuple[str, str, Found]]:
    for family, sizes in results.get("family", {}).items():
        for label, contenders in sizes.items():
            if "times" in contenders.get(backend, {}):
                yield family, label, contenders[backend]


def targets(results: Found) -> tuple[Target, ...]:
    """All rows, in the order of the issue."""
    return (
        *(row for backend in BACKENDS for row in _ratios(results, backend)),
        *_against_peers(results),
        *_accuracy(results),
        *_small(results),
        *(row for backend in BACKENDS for row in _trust_and_memory(results, backend)),
        *(row for backend in BACKENDS for row in _long(results, backend)),
    )


def _ratios(results: Found, backend: str) -> Iterator[Target]:
    for mode, below in (("ijvp", "jvp"), ("ivjp", "vjp")):
        found = [
            value
            for family, _, row in _measured(results, backend)
            if FAMILIES[family].lump_free and row["steps"] >= _LONG and (value := ratio(row, mode)) is not None
        ]
        title = f"(linearise + {mode}) / (linearise + {below}), lump-free, T ≥ 10⁵, median, {backend}"
        yield Target(title, _RATIO_LIMITS[backend], statistics.median(found) if found else None)
    worst = [
        value / row["predicted"]
        for family, _, row in _measured(results, backend)
        if not FAMILIES[family].lump_free and row["predicted"] and (value := ratio(row, "ijvp")) is not None
    ]
    title = f"with lumps: that ratio over the operation counts' prediction, worst, {backend}"
    yield Target(title, 1.3, max(worst, default=None))


def _against_peers(results: Found) -> Iterator[Target]:
    def own(family: str, label: str, what: str = "ijvp") -> float | None:
        return seconds(results, family, label, "compiled", what)

    def klu(family: str, label: str) -> float | None:
        return _quotient(seconds(results, family, label, "klu", "ijvp"), own(family, label))

    def dense(family: str, label: str, what: str = "ijvp") -> float | None:
        return _quotient(seconds(results, family, label, "jax-dense", what), own(family, label, what))

    registers = own("registers", "n=1000, T=10000")
    yield Target("register machine, n = 1,000, T = 10,000", 1.0, registers and registers * 1e3, unit="ms")
    for n in (1024, 16_384):
        yield Target(f"leapfrog, n = {n:,}: faster than KLU", 3.0, klu("leapfrog", f"n={n}"), True, "×")
    yield Target("leapfrog, n = 1,024: faster than dense", 50.0, dense("leapfrog", "n=1024"), True, "×")
    yield Target("tridiagonal maps, n = 1,024: faster than KLU", 3.0, klu("tridiagonal", "n=1024"), True, "×")
    yield Target("coupling layers, n = 4,096: faster than KLU", 5.0, klu("coupling", "n=4096"), True, "×")
    title = "coupling layers, n = 4,096: log|det J| faster than dense"
    yield Target(title, 300.0, dense("coupling", "n=4096", "slogdet"), True, "×")
    for n in (40, 400):
        yield Target(f"Lorenz-96, n = {n}: faster than KLU", 1.0, klu("lorenz96", f"n={n}"), True, "×")
        yield Target(f"Lorenz-96, n = {n}: faster than dense", 1.0, dense("lorenz96", f"n={n}"), True, "×")


def _accuracy(results: Found) -> Iterator[Target]:
    rows = {row["method"]: row for row in results.get("accuracy", {}).get("rows", ())}
    for backend in BACKENDS:
        reached = rows.get(f"flowgraph {backend}", {}).get("random")
        yield Target(f"log|det J| against the dense one, {backend}", 1e-6, _determinants(results, backend))
        yield Target(f"forward error, cond 10¹⁰, random right-hand side, {backend}", 1e-13, reached)


def _determinants(results: Found, backend: str) -> float | None:
    """The largest relative difference of log|det J| from the dense one (absolute where that is below 1)."""
    found = []
    for family, label, row in _measured(results, backend):
        dense = results["family"][family][label].get("jax-dense", {}).get("log_determinant")
        if dense is not None:
            found.append(abs(row["log_determinant"] - dense) / max(1.0, abs(dense)))
    return max(found, default=None)


def _small(results: Found) -> Iterator[Target]:
    found = results.get("engine", {}).get("small", {}).get("compiled", {})
    times = found.get("times", {})
    single = times["ijvp"]["median"] * 1e6 if times else None
    member = times["batch"]["median"] * 1e6 / found["members"] if times else None
    yield Target("warm plan, new x, n = 10, 60 steps, compiled", 30.0, single, unit="µs")
    yield Target("the same in a batch of 10,000, per member", 1.0, member, unit="µs")


def _trust_and_memory(results: Found, backend: str) -> Iterator[Target]:
    rows = [row for _, _, row in _measured(results, backend)]
    residuals = [max(row["residual"], row["residual_transposed"]) for row in rows]
    refined = [row["residual_refined"] for row in rows]
    # What a process needs apart from the program shows in short ones only.
    memory = [row["bytes_per_step"] for row in rows if row["steps"] >= _LONG]
    yield Target(f"largest relative residual, {backend}", 10.0, max(residuals, default=None), unit="ε")
    yield Target(f"the same after one refinement, {backend}", 4.0, max(refined, default=None), unit="ε")
    title = f"peak memory a scalar step, T ≥ 10⁵, largest, {backend}"
    yield Target(title, 64.0, max(memory, default=None), unit="bytes")


def _long(results: Found, backend: str) -> Iterator[Target]:
    engine = results.get("engine", {})
    long = engine.get("ten-million", {}).get(backend, {})
    yield Target(f"ten million steps, {backend}: time", 60.0, long.get("seconds"), unit="s")
    peak = long.get("peak")
    yield Target(f"ten million steps, {backend}: peak memory", 2000.0, peak and peak / _MEGABYTE, unit="MB")
    rows = engine.get("tape-free", {}).get(backend, {}).get("rows", ())
    for mode in ("jvp", "ivjp"):
        chosen = [row for row in rows if row["mode"] == mode]
        growth = None
        if chosen:
            first, last = chosen[0], chosen[-1]
            growth = (last["memory"] - first["memory"]) / (last["steps"] - first["steps"])
        yield Target(f"tape-free {mode}, {backend}: bytes for each further step", 1.0, growth, unit="bytes")


def exponent(sizes: list[float], times: list[float]) -> float | None:
    """The slope of log time over log size, by least squares; None below three sizes."""
    if len(sizes) < 3:
        return None
    x, y = [math.log(size) for size in sizes], [math.log(time) for time in times]
    return statistics.linear_regression(x, y).slope


def against_merged_klu(results: Found, family: str, label: str, backend: str) -> float | None:
    """KLU on statements that the engine has evaluated and merged for it, over the engine."""
    klu = seconds(results, family, label, "klu-merged", "ijvp")
    evaluated = seconds(results, family, label, backend, "linearise")
    own = seconds(results, family, label, backend, "ijvp")
    return None if klu is None or evaluated is None or own is None else (evaluated + klu) / own


def break_even(results: Found, family: str, label: str, backend: str) -> float | None:
    """Right-hand sides at one x, taken in blocks of 100, from which a dense factorisation is cheaper; or inf."""
    dense = results.get("family", {}).get(family, {}).get(label, {}).get("jax-dense", {}).get("times")
    own = results.get("family", {}).get(family, {}).get(label, {}).get(backend, {}).get("times")
    if dense is None or own is None or "100 solves" not in own:
        return None
    ahead = dense["jacobian"]["median"] + dense["factor"]["median"] - own["linearise"]["median"]
    each = (own["100 solves"]["median"] - dense["100 solves"]["median"]) / 100
    if ahead <= 0.0:
        return 1.0
    return math.inf if each <= 0.0 else max(1.0, math.ceil(ahead / each))
