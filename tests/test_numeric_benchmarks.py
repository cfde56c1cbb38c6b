"""The benchmarks of the numeric engine: their families, the peers' extended system, and the 50-digit reference."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse.linalg import splu

import flowgraph as fg
from benchmarks.numeric import accuracy, families, klu, measure, peers, plots, report, run, targets
from benchmarks.numeric.engine import BACKENDS, engine, missing
from benchmarks.numeric.extended import extended_system, partials
from benchmarks.numeric.machines import mixing_machine, random_machine

SMALL: dict[str, Callable[[], families.Instance]] = {
    "registers": lambda: families.registers(8, 60),
    "small-registers": lambda: families.registers(4, 20),
    "deep-registers": lambda: families.deep_registers(8, 120),
    "coupling": lambda: families.coupling(12, 4),
    "leapfrog": lambda: families.leapfrog(12, 5),
    "tridiagonal": lambda: families.tridiagonal(9, 6, 0.4),
    "lorenz96": lambda: families.lorenz96(7, 3),
    "mixed": lambda: families.mixed(20, 6),
}


@pytest.fixture(params=SMALL)
def instance(request: pytest.FixtureRequest) -> families.Instance:
    """A small instance of each family."""
    return SMALL[request.param]()


def differences(instance: families.Instance, h: float = 1e-6) -> np.ndarray[Any, Any]:
    """J by central differences of the function itself, without tracing and without partials."""
    columns = [
        (instance.numpy(instance.x + h * unit) - instance.numpy(instance.x - h * unit)) / (2.0 * h)
        for unit in np.eye(instance.n)
    ]
    return np.stack(columns, axis=1)


def by_rows(program: fg.Program, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """J from the peers' partials, row by row."""
    rows = [np.eye(program.n_inputs)[j] for j in range(program.n_inputs)]
    for row in partials(program, x).matrix.toarray():
        rows.append(sum((c * rows[k] for k, c in enumerate(row[: len(rows)]) if c), np.zeros(program.n_inputs)))
    return np.stack([rows[k] for k in program.outputs.tolist()])


def test_every_family_is_tried() -> None:
    assert set(SMALL) == set(families.FAMILIES)


def test_sizes_have_the_inputs_that_they_say() -> None:
    for name, family in families.FAMILIES.items():
        labels = [size.label for size in family.sizes]
        assert len(set(labels)) == len(labels)
        first = family.sizes[0]
        assert families.instance(name, first.label).n == first.n


def test_program_computes_the_function(instance: families.Instance) -> None:
    program = instance.program()
    values = partials(program, instance.x).values
    np.testing.assert_allclose(values[program.outputs], instance.numpy(instance.x), rtol=1e-13, atol=1e-13)


def test_traced_function_is_the_program_of_the_machine() -> None:
    """The machines build their programs themselves: the function that JAX gets must be the same."""
    instance = families.registers(8, 60)
    traced = fg.trace(instance.numpy, instance.n)
    np.testing.assert_allclose(
        by_rows(traced, instance.x), by_rows(instance.program(), instance.x), rtol=1e-12, atol=1e-12
    )


def test_jacobian_is_that_of_differences(instance: families.Instance) -> None:
    expected = differences(instance)
    found = by_rows(instance.program(), instance.x)
    np.testing.assert_allclose(found, expected, atol=1e-7 * np.abs(expected).max())


@pytest.mark.parametrize("merged", [False, True])
def test_extended_system_inverts(instance: families.Instance, merged: bool) -> None:
    program = instance.program()
    jacobian = by_rows(program, instance.x)
    v = np.random.default_rng(1).standard_normal(instance.n)
    system = extended_system(program, instance.x, merged=merged)
    assert (system.matrix.diagonal() != 0.0).all()
    found = splu(system.matrix).solve(system.right_hand_side(v))[: instance.n]
    expected = np.linalg.solve(jacobian, v)
    np.testing.assert_allclose(found, expected, atol=1e-9 * np.abs(expected).max())


def test_merging_leaves_fewer_rows() -> None:
    instance = families.leapfrog(12, 5)
    program = instance.program()
    whole, merged = (extended_system(program, instance.x, merged=merged).matrix.shape[0] for merged in (False, True))
    assert whole == program.n_steps + instance.n
    assert merged < whole / 2


@pytest.mark.skipif(klu.library() is None, reason="libklu is not installed")
def test_klu_refactors_and_solves(instance: families.Instance) -> None:
    program = instance.program()
    v = np.random.default_rng(2).standard_normal(instance.n)
    moved = instance.x * (1.0 + 1e-3)
    system = extended_system(program, instance.x)
    other = extended_system(program, moved)
    with klu.Klu(system.matrix) as solver:
        right = system.right_hand_side(v)
        before = solver.solve(right)[: instance.n]
        solver.refactor(other.matrix.data)
        after = solver.solve(right)[: instance.n]
        units = np.zeros(system.matrix.shape[0])
        units[: instance.n] = v
        transposed = solver.solve_transposed(units)
    np.testing.assert_allclose(by_rows(program, instance.x) @ before, v, atol=1e-8)
    np.testing.assert_allclose(by_rows(program, moved) @ after, v, atol=1e-8)
    assert np.abs(before - after).max() > 1e-9 * np.abs(before).max()
    # E^T z = (v, 0): the entries of z in the rows of the outputs are J^-T v.
    cotangent = np.empty_like(transposed)
    cotangent[system.rows] = transposed
    np.testing.assert_allclose(by_rows(program, moved).T @ cotangent[-instance.n :], v, atol=1e-8)


@pytest.mark.skipif(klu.library() is None, reason="libklu is not installed")
def test_klu_says_that_a_matrix_is_singular() -> None:
    from scipy import sparse

    with pytest.raises(ArithmeticError, match="singular"):
        klu.Klu(sparse.csc_array(np.array([[1.0, 2.0], [2.0, 4.0]])))


def test_machines_stay_tame() -> None:
    machine = random_machine(50, 500)
    y = machine.run(machine.x, np)
    assert y.min() >= 0.5 - 1e-12
    assert y.max() <= 2.0 + 1e-12
    assert np.abs(mixing_machine(50, 5000).run(np.ones(50), np)).max() < 100.0


def test_levels_of_a_machine_keep_what_it_computes() -> None:
    machine = random_machine(20, 300)
    state = machine.x.tolist()
    for kind, target, other in zip(machine.kinds, machine.targets, machine.others, strict=True):
        state[target] = machine.operations[kind].value(math, state[target], state[other])
    np.testing.assert_allclose(machine.run(machine.x, np), state, rtol=1e-15)


def test_reference_in_mpmath_is_the_jacobian() -> None:
    pytest.importorskip("mpmath")
    coefficient = 0.3
    instance = families.tridiagonal(7, 4, coefficient)
    jacobian = by_rows(instance.program(), instance.x)
    bands = accuracy.layers_in_mpmath(instance.x, 4, coefficient)
    v = np.random.default_rng(4).standard_normal(7)
    image = np.array([float(value) for value in accuracy.multiply(bands, v.tolist())])
    np.testing.assert_allclose(image, jacobian @ v, rtol=1e-13)
    solution = np.array([float(value) for value in accuracy.solve(bands, v.tolist())])
    np.testing.assert_allclose(solution, np.linalg.solve(jacobian, v), rtol=1e-12)


def timing(median: float) -> dict[str, float]:
    return {"median": median, "low": median, "high": median, "best": median, "runs": 5}


def results_of_a_run() -> dict[str, Any]:
    """Results as a run gives them, with made-up times: seconds are steps times 10⁻⁹, KLU takes four times that."""
    sizes: dict[str, Any] = {}
    for n in (1024, 4096, 16384):
        steps = 500 * n
        own = {
            "steps": steps,
            "setup": 0.1,
            "bytes_per_step": 60.0,
            "residual": 1.0,
            "residual_transposed": 11.0,
            "residual_refined": 0.5,
            "predicted": 1.0,
            "times": {
                name: timing(steps * 1e-9 * factor)
                for name, factor in (
                    ("linearise", 0.7),
                    ("linearise + jvp", 0.8),
                    ("linearise + vjp", 0.8),
                    ("ijvp", 1.0),
                    ("ivjp", 1.2),
                    ("100 solves", 20.0),
                )
            },
        }
        klu_found = {"setup": 0.1, "residual": 0.0, "times": {"ijvp": timing(steps * 4e-9)}}
        dense = {
            "setup": 1.0,
            "times": {
                "ijvp": timing(0.1),
                "jacobian": timing(0.06),
                "factor": timing(0.02),
                "one more solve": timing(1e-4),
                "100 solves": timing(1e-3),
            },
        }
        sizes[f"n={n}"] = {
            "compiled": own,
            "numpy": {"absent": "not today"},
            "gmres": {"skipped": "over 90 s"},
            "klu": klu_found,
            "klu-merged": {"setup": 0.1, "times": {"ijvp": timing(steps * 1e-10)}},
            "jax-dense": dense,
        }
    return {
        "schema": run.SCHEMA,
        "machine": run.machine(),
        "family": {"leapfrog": sizes},
        "accuracy": {
            "condition": 1e10,
            "rows": [{"method": "dense LU", "random": 1e-7, "image": 1e-7, "recovered": 1e-7}],
        },
        "engine": {"small": {"numpy": {"failed": "ValueError: no"}}},
    }


def test_targets_are_held_against_the_measurements() -> None:
    results = results_of_a_run()
    rows = {target.title: target for target in targets.targets(results)}
    inverse = rows["(linearise + ijvp) / (linearise + jvp), lump-free, T ≥ 10⁵, median, compiled"]
    assert inverse.reached == pytest.approx(1.25)
    assert inverse.verdict == "ok"
    transposed = rows["(linearise + ivjp) / (linearise + vjp), lump-free, T ≥ 10⁵, median, compiled"]
    assert transposed.reached == pytest.approx(1.5)
    assert transposed.verdict == "OVER"
    assert rows["leapfrog, n = 16,384: faster than KLU"].reached == pytest.approx(4.0)
    assert rows["leapfrog, n = 16,384: faster than KLU"].verdict == "ok"
    assert rows["leapfrog, n = 1,024: faster than dense"].reached == pytest.approx(0.1 / (500 * 1024e-9))
    assert rows["largest relative residual, compiled"].verdict == "OVER"
    assert rows["largest relative residual, numpy"].verdict == "not measured"
    assert rows["coupling layers, n = 4,096: faster than KLU"].verdict == "not measured"


def test_exponent_and_break_even() -> None:
    assert targets.exponent([10.0, 100.0, 1000.0], [3.0, 300.0, 30_000.0]) == pytest.approx(2.0)
    assert targets.exponent([10.0, 100.0], [3.0, 300.0]) is None
    results = results_of_a_run()
    second = 500 * 1024e-9
    expected = math.ceil((0.06 + 0.02 - 0.7 * second) / ((20.0 * second - 1e-3) / 100.0))
    assert targets.break_even(results, "leapfrog", "n=1024", "compiled") == expected
    results["family"]["leapfrog"]["n=1024"]["jax-dense"]["times"]["100 solves"] = timing(100.0)
    assert targets.break_even(results, "leapfrog", "n=1024", "compiled") == float("inf")
    assert targets.break_even(results, "leapfrog", "n=1024", "numpy") is None


def test_report_says_what_is_absent_and_where_a_peer_wins(tmp_path: Path) -> None:
    results = results_of_a_run()
    shown = report.text(results)
    for expected in ("absent: not today", "skipped: over 90 s", "failed: ValueError: no", "OVER", "dense LU"):
        assert expected in shown
    page = report.page(results)
    assert "(benchmarks/leapfrog.svg)" in page
    assert "n=1024: klu-merged takes 0.0512 ms against 0.512 ms" in page
    assert "jax-dense takes" not in page
    plots.plot_all(results, tmp_path)
    drawn = (tmp_path / "leapfrog.svg").read_text(encoding="utf-8")
    assert "flowgraph, compiled" in drawn
    assert "gmres" not in drawn


def test_every_measurement_of_a_run_can_be_taken() -> None:
    paths = [job.path for job in run.jobs(tuple(families.FAMILIES), quick=False)]
    assert len(set(paths)) == len(paths)
    for name, family in families.FAMILIES.items():
        for size in family.sizes:
            assert {path[3] for path in paths if path[:3] == ("family", name, size.label)} == {
                *BACKENDS,
                *peers.PEERS,
            }
    with pytest.raises(ValueError, match="no measurement is called nothing"):
        run.measure(("nothing",))


def test_a_failure_is_told() -> None:
    found = run.in_own_process(run.Job(("nothing",)))
    assert found == {"failed": "ValueError: no measurement is called nothing"}


def test_a_wrong_value_or_a_wrong_product_stops_the_measurement() -> None:
    instance = families.lorenz96(7, 3)
    v = np.random.default_rng(5).standard_normal(7)
    value, product = instance.numpy(instance.x), differences(instance) @ v
    measure.hold(instance, value, product, v)
    with pytest.raises(ArithmeticError, match=r"f\(x\) differs"):
        measure.hold(instance, value + 1e-6, product, v)
    with pytest.raises(ArithmeticError, match="J v differs"):
        measure.hold(instance, value, product * (1.0 + 1e-4), v)


@pytest.mark.parametrize("backend", BACKENDS)
def test_engine_is_right_on_every_family(instance: families.Instance, backend: str) -> None:
    if (reason := missing(backend)) is not None:
        pytest.skip(reason)
    program = instance.program()
    point = engine(backend).plan(program).linearize(instance.x)
    v = np.random.default_rng(6).standard_normal(instance.n)
    jacobian = by_rows(program, instance.x)
    measure.hold(instance, point.value, point.jvp(v), v)
    np.testing.assert_allclose(point.jvp(v), jacobian @ v, atol=1e-12 * np.abs(jacobian).max())
    np.testing.assert_allclose(jacobian @ point.ijvp(v), v, atol=1e-9)
    np.testing.assert_allclose(point.slogdet(), np.linalg.slogdet(jacobian), rtol=1e-9, atol=1e-9)
