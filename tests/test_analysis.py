"""``fg.analyze``: what the report says, against lumps, blocks and counts found on their own; its text and its JSON."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import numpy as np
import pytest

import flowgraph as fg
from flowgraph.lump_report import width_chart
from flowgraph.ranking import rank_orders
from tests.examples import FILES, REGULAR, SINGULAR
from tests.lump_programs import random_program

TWO_ORDERS = fg.parse("inputs x, y\nt1 = p(x)\nt2 = p(y)\nz1 = q(x, t1)\nz2 = q(y, t2)\noutputs z1, z2")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_example(path: Path) -> None:
    program = fg.load(path)
    report = fg.analyze(program)
    assert report.structurally_singular == (path in SINGULAR)
    assert report.width_profile.tolist() == program.liveness().widths.tolist()
    kinds = [kind.value for kind in program.liveness().kinds()]
    assert {kind: count for kind, count in report.step_kinds.items() if count} == {
        k: kinds.count(k) for k in set(kinds)
    }
    data = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert data["applies"] == (path in REGULAR)
    assert data["n"] == program.n_inputs
    assert len(str(report)) > 80
    if path in SINGULAR:
        assert report.lumps is report.best_order is report.best_lumps is report.ratio is None
        assert str(report.certificate) in report.advice
        assert data["certificate"]["text"] == str(report.certificate)
        assert "does not apply" in str(report)
        return
    assert report.lumps is not None
    assert report.best_lumps is not None
    assert [lump.steps for lump in report.lumps] == [lump.steps for lump in fg.lumps(program)]
    assert len(report.best_lumps) == len(fg.lumps(program, fg.best_order(program)))
    assert data["lumps"]["count"] == len(report.lumps)
    assert [len(lump["steps"]) for lump in data["lumps"]["lumps"]] == [len(lump.steps) for lump in report.lumps]
    assert data["blocks"]["scalar"] + data["blocks"]["larger"] == data["blocks"]["count"]
    counts = report.operation_counts
    ratios = [counts.ratio(c) for c in (counts.given, counts.best, counts.blocks)]
    assert report.ratio == min(r for r in ratios if r is not None)
    if all(kind == "equasive" for kind in kinds):
        # Atomic steps: one division for each pivot that is no unit, and the sweep of J v again.
        assert counts.given is not None
        assert counts.given.count == (counts.blocks and counts.blocks.count)
        sweep = fg.count_operations(program, "reverse-inverse").sweep
        assert counts.given.count is not None
        assert counts.given.count.solve.additions == sweep.additions


def test_the_advice_names_the_value_that_stays_live() -> None:
    report = fg.analyze(TWO_ORDERS)
    assert (
        report.advice[0] == "the lump of lines 2 to 5 exists because t1 stays live to line 4; the best order splits it"
    )
    best = fg.analyze(TWO_ORDERS, ["t1", "z1", "t2", "z2"])
    assert best.lumps is not None
    assert len(best.lumps) == 2
    assert "no other order has more lumps" in best.advice
    assert not any("splits" in sentence for sentence in best.advice)


def test_the_advice_is_true_on_random_programs() -> None:
    """A value that is said to stay live inside a lump does: it is born before and dies after the place in question."""
    random = Random(5)
    seen = 0
    for _ in range(300):
        program = random_program(random)
        report = fg.analyze(program)
        if report.lumps is None:
            continue
        for sentence in report.advice:
            if "stays live" not in sentence:
                continue
            name = sentence.split("because ")[1].split(" stays")[0]
            value = [program.name(v) for v in range(program.n_values)].index(name)
            lumping = report.lumps
            inside = [
                lump
                for lump in lumping
                if any(lumping.birth[value] <= t < lumping.death[value] for t in range(lump.start + 1, lump.stop))
            ]
            assert inside
            seen += 1
    assert seen > 30


def test_programs_without_steps_or_inputs() -> None:
    for text in ("inputs x, y\noutputs y, x",):
        report = fg.analyze(fg.parse(text))
        assert not report.structurally_singular
        assert report.lumps is not None
        assert len(report.lumps) == 0
        assert report.ratio is None
        assert "steps: none" in str(report)
    from flowgraph.builder import Builder

    report = fg.analyze(Builder(0).finish(np.zeros(0, dtype=int)))
    assert not report.structurally_singular
    json.dumps(report.to_json(), allow_nan=False)


def test_what_is_not_square_is_reported() -> None:
    report = fg.analyze(fg.parse("inputs x, y\nz = f(x, y)\noutputs z"))
    assert report.structurally_singular
    assert "2 inputs and 1 output" in report.advice[0]
    assert "not square" in str(report)


def test_dead_code_is_reported() -> None:
    report = fg.analyze(fg.parse("inputs x\nt = sin(x)\nz = exp(x)\noutputs z"))
    assert report.dead_code == ("t",)
    assert "dead code takes no part: t" in report.advice


@pytest.mark.parametrize("order", [["z1"], ["t1", "t1", "z1", "z2"], ["z1", "t1", "t2", "z2"], [0, 1, 2, 9], ["q"]])
def test_wrong_orders(order: list[str]) -> None:
    with pytest.raises(fg.InputError):
        fg.analyze(TWO_ORDERS, order)


def test_a_wide_and_long_profile_fits_the_page() -> None:
    widths = np.concatenate([np.arange(50, 5000), np.arange(5000, 49, -1)])
    lines = width_chart(widths, 50).split("\n")
    assert len(lines) <= 10
    assert max(map(len, lines)) <= 80
    assert width_chart(np.array([2, 2, 1, 2]), 2).count("╌") >= 1


def test_orders_are_ranked_by_cost() -> None:
    ranked = rank_orders(TWO_ORDERS, list(fg.enumerate_orders(TWO_ORDERS)))
    assert len(ranked) == 6
    assert [r.operations for r in ranked] == sorted(r.operations or 0 for r in ranked)
    assert sum(r.given for r in ranked) == sum(r.best for r in ranked) == 1
    assert [len(r.lumping) for r in ranked] == [2, 2, 1, 1, 1, 1]


def test_what_an_identity_makes_singular_is_noticed_at_points() -> None:
    """Probabilities add up to 1; two equal outputs are the same row; both are structurally sound."""
    for text in (
        "inputs a, b\na = exp(a)\nb = exp(b)\ns = a + b\np = a / s\nq = b / s\noutputs p, q",
        "inputs x, y\nu = x*y\nv = x*y\noutputs u, v",
    ):
        report = fg.analyze(fg.parse(text))
        assert not report.structurally_singular
        assert "singular to rounding" in report.advice[0]
        assert report.singular_points == report.to_json()["singular_points"] == 12
        assert "may not apply" in str(report)
    for path in REGULAR:
        assert fg.analyze(fg.load(path)).singular_points == 0
        assert not any("singular to rounding" in sentence for sentence in fg.analyze(fg.load(path)).advice)
