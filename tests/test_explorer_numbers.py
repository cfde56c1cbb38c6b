"""The four modes in numbers, against matrices that are made here by composing local Jacobians."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import flowgraph as fg
from flowgraph.errors import InputError
from flowgraph.explorer import derived, numbers_view
from flowgraph.explorer.numbers_view import Numbers, numbers
from flowgraph.language import load, parse
from flowgraph.numeric.linearization import Linearization
from flowgraph.program import Program
from tests.examples import FILES, FOLDER, REGULAR


def dense(program: Program, found: Numbers, seed: int) -> NDArray[np.float64]:
    """J by multiplying the Jacobians of single steps, each on all values."""
    where = derived.point(program, found.x, seed)
    n, total = program.n_inputs, program.n_values
    tangents = np.zeros((total, n))
    tangents[:n] = np.eye(n)
    values = np.array(where.values)
    for step in program.steps():
        row = np.zeros(total)
        for slot, operand in enumerate(step.operands):
            if operand < 0 or (step.operation is not None and slot in step.operation.inactive):
                continue
            if step.operation is None:
                row[operand] = where.letters[step.index, operand]
            else:
                operands = [values[o] if o >= 0 else float(program.constants[-1 - o]) for o in step.operands]
                row[operand] += float(step.operation.partials[slot](*operands))
        tangents[n + step.index] = row @ tangents
    return tangents[program.outputs]


@pytest.mark.parametrize("path", REGULAR, ids=lambda path: path.stem)
@pytest.mark.parametrize("best", [False, True])
def test_all_modes_against_a_matrix(path: Path, best: bool) -> None:
    program = load(path)
    order = tuple(fg.best_order(program).tolist()) if best else None
    found = numbers(program, order, None, None, 4)
    matrix = dense(program, found, 4)
    try:
        inverse = np.linalg.inv(matrix)
    except np.linalg.LinAlgError:
        inverse = None
    for mode, expected in zip(
        found.modes, (matrix, matrix.T, inverse, None if inverse is None else inverse.T), strict=True
    ):
        if expected is None:
            continue
        assert mode.error is None
        assert mode.result is not None
        assert mode.check.startswith("agrees with the dense Jacobian")
        assert np.array(mode.vector) == pytest.approx(np.array(found.v))
        wanted = expected @ np.array(mode.vector)
        assert np.array(mode.result) == pytest.approx(wanted, rel=1e-7, abs=1e-9 * max(1.0, np.abs(wanted).max()))
    json.dumps(found.to_json(), allow_nan=False)


def test_names_and_symbols() -> None:
    found = numbers(parse("inputs x, y\nz = x * y\noutputs z, y"), None, (2.0, 4.0), (1.0, 0.0), 0)
    assert (found.names_in, found.names_out) == (("x", "y"), ("z", "y"))
    assert [(mode.mode, mode.symbol, mode.given, mode.found) for mode in found.modes] == [
        ("forward", "J", ("x", "y"), ("z", "y")),
        ("reverse", "Jᵀ", ("z", "y"), ("x", "y")),
        ("forward-inverse", "J⁻¹", ("z", "y"), ("x", "y")),
        ("reverse-inverse", "J⁻ᵀ", ("x", "y"), ("z", "y")),
    ]
    assert found.note == ""


def test_functions_without_a_definition_are_told() -> None:
    found = numbers(load(FOLDER / "figure2.fg"), None, (0.0, 0.0, 0.0), None, 1)
    assert found.note == "functions without a definition (f, g): values and partials drawn at random"
    again = numbers(load(FOLDER / "figure2.fg"), None, (0.0, 0.0, 0.0), None, 1)
    assert again == found
    other = numbers(load(FOLDER / "figure2.fg"), None, (0.0, 0.0, 0.0), None, 2)
    assert other.modes[0].result != found.modes[0].result


@pytest.mark.parametrize("path", [path for path in FILES if path not in REGULAR], ids=lambda path: path.stem)
def test_without_an_inverse_the_other_modes_have_numbers(path: Path) -> None:
    found = numbers(load(path), None, None, None, 0)
    assert [mode.result is None for mode in found.modes] == [False, False, True, True]
    assert all("singular" in (mode.error or "") for mode in found.modes[2:])


def test_what_is_not_square() -> None:
    found = numbers(parse("inputs x, y\nz = x * y\noutputs z"), None, (2.0, 4.0), (1.0, 1.0), 0)
    assert found.modes[0].result == (6.0,)
    assert len(found.modes[1].vector) == 1
    assert found.modes[1].result == pytest.approx((4.0 * found.modes[1].vector[0], 2.0 * found.modes[1].vector[0]))
    assert all(mode.error and "as many outputs as inputs" in mode.error for mode in found.modes[2:])
    assert numbers(parse("inputs x, y\nz = x * y\noutputs z"), None, (2.0, 4.0), (3.0,), 0).modes[1].vector == (3.0,)
    unknown = numbers(parse("inputs x, y\nz = f(x, y)\noutputs z"), None, None, None, 0)
    assert [mode.result is None for mode in unknown.modes] == [False, False, True, True]


def test_singular_here_and_outside_a_domain_are_messages() -> None:
    product = parse("inputs x, y\nz = x * y\noutputs z, y")
    found = numbers(product, None, (1.0, 0.0), (1.0, 1.0), 0)
    assert [mode.result is None for mode in found.modes] == [False, False, True, True]
    assert all("singular" in (mode.error or "") for mode in found.modes[2:])
    outside = numbers(load(FOLDER / "polar.fg"), None, (0.0, 0.0), None, 0)
    assert all(mode.result is None and "not defined" in (mode.error or "") for mode in outside.modes)
    assert outside.x == (0.0, 0.0)
    json.dumps(outside.to_json(), allow_nan=False)
    huge = numbers(parse("inputs x\ny = exp(x)\noutputs y"), None, (1000.0,), None, 0)
    assert all(mode.result is None and mode.error for mode in huge.modes)


def test_a_branch_that_goes_the_other_way_is_a_message() -> None:
    program = fg.trace(lambda x: np.array([x[0] * x[0] if x[0] > 1 else -x[0]]), [2.0])
    assert numbers(program, None, (3.0,), (1.0,), 0).modes[0].result == (6.0,)
    assert "the other way" in (numbers(program, None, (0.5,), (1.0,), 0).modes[0].error or "")


@pytest.mark.parametrize(
    ("x", "v"),
    [((1.0,), None), (None, (1.0, 2.0, 3.0)), ((1.0, float("nan")), None), (None, (float("inf"), 0.0)), ((), None)],
)
def test_what_fits_nothing_is_refused(x: tuple[float, ...] | None, v: tuple[float, ...] | None) -> None:
    with pytest.raises(InputError, match="does not fit"):
        numbers(load(FOLDER / "polar.fg"), None, x, v, 0)


def test_a_wrong_result_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Linearization.ijvp
    monkeypatch.setattr(Linearization, "ijvp", lambda self, dy: right(self, dy) * 1.001)
    found = numbers(load(FOLDER / "polar.fg"), None, None, None, 0)
    assert found.modes[2].check.startswith("DIFFERS from the dense Jacobian by 1e-03")
    assert found.modes[3].check.startswith("agrees")


def test_large_programs_are_held_against_one_product(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbers_view, "DENSE", 0)
    for name in ("rk4.fg", "polar.fg", "register_machine.fg"):
        found = numbers(load(FOLDER / name), None, None, None, 0)
        assert all(mode.check.startswith("agrees with the product with the Jacobian") for mode in found.modes)
    right = Linearization.ivjp
    monkeypatch.setattr(Linearization, "ivjp", lambda self, gx: right(self, gx) * 1.001)
    assert numbers(load(FOLDER / "polar.fg"), None, None, None, 0).modes[3].check.startswith("DIFFERS")
