"""Plans of long programs keep few bytes a step, and long runs of equal statements are cut without a trace."""

from __future__ import annotations

from dataclasses import fields
from random import Random
from typing import Any

import numpy as np
import pytest

import flowgraph as fg
from flowgraph.builder import Builder
from flowgraph.numeric.analysed import Analysed
from flowgraph.program import Program

engine = pytest.importorskip("flowgraph.numeric.compiled.engine")


def _machine(n: int, steps: int) -> Program:
    """Each step overwrites one of the two registers that it reads: one statement for nearly every step."""
    random, builder = Random(1), Builder(n)
    live = list(range(n))
    for _ in range(steps):
        u, w = random.sample(range(n), 2)
        live[u] = builder.scalar("add", live[u], live[w])
    return builder.finish(np.array(live))


def _layers(n: int, layers: int) -> Program:
    """A composition of tridiagonal maps: one block of n rows a layer."""

    def f(x: Any) -> Any:
        for _ in range(layers):
            x = x + 0.1 * np.sin(np.roll(x, 1) + np.roll(x, -1) - 2.0 * x)
        return x

    return fg.trace(f, n)


def _arrays(found: Any) -> dict[int, int]:
    """The arrays that records keep, by identity, with their bytes."""
    if isinstance(found, np.ndarray):
        return {id(found): found.nbytes}
    names = [own.name for own in fields(found)] if hasattr(found, "__dataclass_fields__") else []
    sizes: dict[int, int] = {}
    for name in names:
        if name != "program":
            sizes |= _arrays(getattr(found, name))
    return sizes


@pytest.mark.parametrize(("program", "most"), [(_machine(500, 20_000), 48), (_layers(100, 50), 36)])
def test_what_a_plan_keeps(program: Program, most: int) -> None:
    analysed = Analysed(program, engine.CompiledBackend())
    analysed.evaluate(np.full((1, program.n_inputs), 0.1), linearise=True)
    kept = _arrays(analysed.reduced) | _arrays(analysed._prepared) | _arrays(analysed.inverse.schedule)
    assert len(kept) > 12
    assert sum(kept.values()) < most * program.n_steps


@pytest.mark.parametrize("n", [239, 240, 241, 243, 244, 481, 1003])
def test_long_runs_are_cut(n: int) -> None:
    def f(x: Any) -> Any:
        return np.sin(x) * np.roll(x, 1) + 3.0 * x

    x = np.linspace(0.1, 1.0, n)
    one = fg.plan(f, n, backend="compiled").linearize(x)
    other = fg.plan(f, n, backend="numpy").linearize(x)
    v = np.cos(np.arange(n))
    np.testing.assert_allclose(one.value, f(x), rtol=1e-14)
    np.testing.assert_allclose(one.jvp(v), other.jvp(v), rtol=1e-12)
    np.testing.assert_allclose(one.jvp(v), (f(x + 1e-6 * v) - f(x - 1e-6 * v)) / 2e-6, rtol=1e-7, atol=1e-7)
