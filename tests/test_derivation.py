"""Derivations: the JSON round trip on every example, records that were tampered with, and errors of ``derive``."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import flowgraph as fg
from tests.examples import EQUASIVE

PROGRAM = fg.parse("inputs x1, x2, x3\nz1 = f(x1, x2)\nz2 = g(x3, z1)\noutputs z1, x2, z2")


@pytest.mark.parametrize("path", EQUASIVE, ids=lambda path: path.stem)
@pytest.mark.parametrize("mode", list(fg.Mode))
def test_every_example_survives_json(path: Path, mode: fg.Mode) -> None:
    derivation = fg.derive(fg.load(path), mode)
    again = fg.Derivation.from_json(json.loads(json.dumps(derivation.to_json())))
    assert again == derivation
    assert again.to_json() == derivation.to_json()
    assert dict(again.meanings) == dict(derivation.meanings)


def test_applications_lead_from_stage_to_stage() -> None:
    derivation = fg.derive(PROGRAM, "forward-inverse")
    applications = list(derivation.applications())
    assert [a.step for a in applications] == list(derivation.steps)
    assert applications[0].before == derivation.stages["primal"]
    for one, two in pairwise(applications):
        assert one.after == two.before
        if one.step.stage != two.step.stage:
            assert one.after == derivation.stages[one.step.stage]
    assert applications[-1].after == derivation.graph


def _label(data: dict[str, Any]) -> None:
    data["stages"][-1]["graph"]["edges"][0]["label"] = "2"


def _site(data: dict[str, Any]) -> None:
    data["steps"][0]["site"] = [[0, 0]]


def _missing_stage(data: dict[str, Any]) -> None:
    del data["stages"][2]


def _schema(data: dict[str, Any]) -> None:
    data["schema"] = "flowgraph/derivation/999"


def _rule(data: dict[str, Any]) -> None:
    data["steps"][0]["rule"] = "magic"


def _program(data: dict[str, Any]) -> None:
    data["program"]["steps"][0]["operands"] = ["x1", "x3"]


def _lost_step(data: dict[str, Any]) -> None:
    del data["steps"][-2]


def _labels(data: dict[str, Any]) -> None:
    data["labels"] = "__import__('os')"


TAMPERED: dict[str, Callable[[dict[str, Any]], None]] = {
    f.__name__: f for f in (_label, _site, _missing_stage, _schema, _rule, _program, _lost_step, _labels)
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_record_that_was_tampered_with_is_refused(name: str) -> None:
    data = copy.deepcopy(fg.derive(PROGRAM, "reverse-inverse").to_json())
    TAMPERED[name](data)
    with pytest.raises((fg.GraphError, fg.ProgramError)):
        fg.Derivation.from_json(data)


@pytest.mark.parametrize("key", ["program", "steps", "stages", "labels", "mode"])
@pytest.mark.parametrize("junk", [None, 3, "x", [], [None], {"a": 1}, [[1, 2]]])
def test_junk_in_a_record_is_refused(key: str, junk: object) -> None:
    data = copy.deepcopy(fg.derive(PROGRAM, "forward").to_json())
    data[key] = junk
    with pytest.raises((fg.GraphError, fg.ProgramError, fg.InputError)):
        fg.Derivation.from_json(data)


@pytest.mark.parametrize("data", [None, [], "x", 3, {}])
def test_what_is_no_record_at_all(data: Any) -> None:
    with pytest.raises(fg.GraphError):
        fg.Derivation.from_json(data)


@pytest.mark.parametrize(
    ("text", "kind", "step", "died", "line"),
    [
        ("inputs x, y\nt = sin(x)\nz = t * x\noutputs z, y", "expansive", 1, (), 2),
        ("inputs x, y\nz = x * y\nw = exp(z)\noutputs w, z", "contractive", 1, ("x", "y"), 2),
        ("inputs x, y\nx = exp(x)\n\nz = f(x, y)\nw = g(z)\noutputs z, w", "contractive", 2, ("x_2", "y"), 4),
    ],
)
def test_a_step_that_is_not_equasive_is_named(
    text: str, kind: str, step: int, died: tuple[str, ...], line: int
) -> None:
    for mode in ("forward-inverse", "reverse-inverse"):
        with pytest.raises(fg.NotInvertible) as caught:
            fg.derive(fg.parse(text), mode)
        error = caught.value
        assert (error.kind, error.step, error.died) == (kind, step, died)
        assert f"line {line}" in str(error)
        assert kind in str(error)
        assert all(name in str(error) for name in died)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("inputs x, y\nz = x * y\noutputs z", "2 inputs and 1 output"),
        ("inputs x, y\nx = exp(x)\noutputs x, x", "listed twice"),
        ("inputs x, y\nx = exp(x)\nz = sin(x)\noutputs x, z", "nothing reads the input y"),
        ("inputs x\nz = x - x\noutputs z", "z = x - x"),
        ("inputs x, y\nz = 0 * x\noutputs z, y", "line 2"),
    ],
)
def test_other_programs_without_inverse_modes(text: str, says: str) -> None:
    with pytest.raises(fg.NotInvertible) as caught:
        fg.derive(fg.parse(text), "reverse-inverse")
    assert says in str(caught.value)
    assert fg.derive(fg.parse(text), "forward").graph


def test_dead_code_is_removed_first() -> None:
    program = fg.parse("inputs x, y\nt = sin(x)\nz = x * y\noutputs z, y")
    derivation = fg.derive(program, "forward-inverse")
    assert derivation.program.n_steps == 1
    assert fg.linear_map(derivation.graph).shape == (2, 2)


def test_wrong_arguments() -> None:
    with pytest.raises(fg.InputError, match="mode"):
        fg.derive(PROGRAM, "sideways")
    with pytest.raises(fg.InputError, match="labels"):
        fg.derive(PROGRAM, "forward", labels="decimals")
    assert fg.derive(PROGRAM, fg.Mode.FORWARD) == fg.derive(PROGRAM, "forward")


def test_rules_say_why_they_do_not_apply() -> None:
    from flowgraph.rewrite import Site

    graph = fg.derive(PROGRAM, "forward").graph
    for name, site in {
        "carry": Site(((2, 2),)),
        "invert": Site(((0, 1),)),
        "shift": Site(((0, 0), (0, 1))),
        "unlayer": Site(((0, 0), (0, 1))),
    }.items():
        with pytest.raises(fg.NotApplicable) as caught:
            fg.RULES[name].apply(graph, site)
        assert len(caught.value.what) > 10
        nowhere = Site(tuple((9, 9) for _ in site.vertices))
        with pytest.raises(fg.NotApplicable, match="no vertex"):
            fg.RULES[name].apply(graph, nowhere)


def test_every_rule_says_what_it_is() -> None:
    for name, rule in fg.RULES.items():
        assert rule.name == name
        assert all((rule.title, rule.tooltip, rule.reference, rule.effect))
        assert "\n" not in rule.tooltip


@pytest.mark.parametrize("mode", list(fg.Mode))
def test_sparse_derivations_survive_json_too(mode: fg.Mode) -> None:
    program = fg.parse("inputs x1, x2, x3\nz1 = f(x1, x2)\nz2 = g(x3, z1)\nz3 = h(x2, z2, z1)\noutputs z1, z3, z2")
    derivation = fg.derive(program, mode, sparse=True)
    assert fg.Derivation.from_json(json.loads(json.dumps(derivation.to_json()))) == derivation
