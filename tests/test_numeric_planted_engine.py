"""Planted errors in the engine itself: in what a backend evaluates, sweeps and factors. Each must be caught."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numeric_checks import check_all
from numeric_programs import Case, steady_cases

import flowgraph as fg
from flowgraph.errors import FlowgraphError
from flowgraph.numeric.numpy_backend import NumpyBackend


@pytest.fixture
def engine(backend: str) -> type:
    """The class of the backend."""
    if backend == "numpy":
        return NumpyBackend
    from flowgraph.numeric.compiled.engine import CompiledBackend

    return CompiledBackend


def cases() -> list[Case]:
    """Programs with work to do."""
    return [case for case in steady_cases()[:80] if case.truth.n > 1 and case.program.n_steps > 5]


def caught(case: Case, backend: str) -> bool:
    try:
        check_all(fg.linearize(case.program, case.x, backend=backend), case.truth, case.seed)
    except (AssertionError, FlowgraphError, UserWarning):
        return True
    return False


def plant(monkeypatch: pytest.MonkeyPatch, engine: type, method: str, change: Callable[[Any], Any]) -> None:
    original = getattr(engine, method)

    def wrong(self: Any, *args: Any, **named: Any) -> Any:
        return change(original(self, *args, **named))

    monkeypatch.setattr(engine, method, wrong)


def test_nothing_is_caught_where_nothing_is_planted(backend: str) -> None:
    assert not any(caught(case, backend) for case in cases())


COEFFICIENTS: dict[str, Callable[[float], float]] = {
    "in the tenth digit": lambda c: c * (1 + 1e-10),
    "negative": lambda c: -c,
    "doubled": lambda c: 2 * c,
    "lost": lambda c: 0.0,
}


@pytest.mark.parametrize("name", COEFFICIENTS)
def test_one_wrong_coefficient(monkeypatch: pytest.MonkeyPatch, engine: type, backend: str, name: str) -> None:
    """One coefficient of many, another one in every program, is wrong."""
    changed = 0

    def change(values: Any) -> Any:
        nonlocal changed
        row = values.data[0] if len(values.data) else values.data
        places = values.offset + np.flatnonzero(row[values.offset :])
        if len(places):
            place = places[(7 * changed) % len(places)]
            row[place] = COEFFICIENTS[name](row[place])
            changed += 1
        return values

    plant(monkeypatch, engine, "evaluate", change)
    found = [caught(case, backend) for case in cases()]
    assert changed >= len(found)
    # A coefficient whose value happens to add nothing in double precision is left.
    assert np.mean(found) > 0.9


def test_a_wrong_value(monkeypatch: pytest.MonkeyPatch, engine: type, backend: str) -> None:
    def change(values: Any) -> Any:
        values.outputs[:, -1] *= 1 + 1e-6
        return values

    plant(monkeypatch, engine, "evaluate", change)
    found = [caught(case, backend) for case in cases() if abs(case.truth.value[-1]) > 0.1]
    assert all(found)


@pytest.mark.parametrize("method", ["forward", "reverse", "forward_inverse", "reverse_inverse"])
def test_a_sweep_with_one_wrong_entry(monkeypatch: pytest.MonkeyPatch, engine: type, backend: str, method: str) -> None:
    def change(out: Any) -> Any:
        out[:, 0] += 1e-11 * np.abs(out).max()
        return out

    # The sweeps as they are: where pivots are small, the default would notice and refine the error away.
    monkeypatch.setattr("flowgraph.numeric.parts.Part._look_after", _nobody_looks)
    plant(monkeypatch, engine, method, change)
    found = [caught(case, backend) for case in cases()]
    assert np.mean(found) > 0.9


def _nobody_looks(part: Any, found: Any, *_: Any) -> Any:
    return np.zeros(len(found))


@pytest.mark.parametrize("method", ["forward", "forward_inverse"])
def test_outputs_in_a_wrong_order(monkeypatch: pytest.MonkeyPatch, engine: type, backend: str, method: str) -> None:
    plant(monkeypatch, engine, method, lambda out: out[:, ::-1].copy())
    assert np.mean([caught(case, backend) for case in cases()]) > 0.9


@pytest.mark.parametrize("part", [0, 1])
def test_a_wrong_determinant(monkeypatch: pytest.MonkeyPatch, engine: type, backend: str, part: int) -> None:
    """The sign of the pivots turned, or their logarithm a little off."""

    def change(found: tuple[Any, Any]) -> tuple[Any, Any]:
        sign, value = found
        return (-sign, value) if part == 0 else (sign, value + 1e-9)

    plant(monkeypatch, engine, "log_determinant", change)
    assert all(caught(case, backend) for case in cases())
