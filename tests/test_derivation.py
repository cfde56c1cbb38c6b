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
from tests.examples import REGULAR, SINGULAR
from tests.lump_oracle import check_certificate
from tests.modular import identity, map_of, times

PROGRAM = fg.parse("inputs x1, x2, x3\nz1 = f(x1, x2)\nz2 = g(x3, z1)\noutputs z1, x2, z2")


@pytest.mark.parametrize("path", REGULAR, ids=lambda path: path.stem)
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


@pytest.mark.parametrize("path", SINGULAR, ids=lambda path: path.stem)
@pytest.mark.parametrize("mode", list(fg.Mode))
def test_every_singular_example_is_refused_with_a_certificate(path: Path, mode: fg.Mode) -> None:
    program = fg.load(path)
    if not mode.inverse:
        assert fg.derive(program, mode).graph.outputs
        return
    with pytest.raises(fg.NotInvertible) as caught:
        fg.derive(program, mode)
    error = caught.value
    assert check_certificate(program, error.certificate) is None
    assert str(error.certificate) in str(error)
    assert error.step is None


NOT_EQUASIVE = {
    "expansive first": "inputs x, y\nt = sin(x)\nz = t * x\noutputs z, y",
    "expansive last": "inputs x, y\nt = f(x, y)\nu = g(x, y)\noutputs t, u",
    "a lump of two results": "inputs x, y, w\nu = f(x, y, w)\nv = g(x, y, w)\nz = h(w, u)\noutputs z, u, v",
    "two lumps": "inputs x, y\nu = f(x, y)\nv = g(x, y)\nx = f(u, v)\ny = g(u, v)\noutputs y, x",
    "in another order": "inputs x, y\nt1 = p(x)\nt2 = p(y)\nz1 = q(x, t1)\nz2 = q(y, t2)\noutputs z2, z1",
    "a condition": "inputs x, y, s\nc = s - 1\nt = select(c, x, y)\nz = x * t\noutputs z, s, y",
}


@pytest.mark.parametrize("name", NOT_EQUASIVE)
@pytest.mark.parametrize("sparse", [False, True])
def test_programs_that_are_not_equasive_have_the_right_inverses(name: str, sparse: bool) -> None:
    program = fg.parse(NOT_EQUASIVE[name])
    one = identity(program.n_inputs)
    forward, reverse = (map_of(fg.derive(program, m, labels="fractions").graph) for m in ("forward", "reverse"))
    for mode, jacobian in (("forward-inverse", forward), ("reverse-inverse", reverse)):
        derivation = fg.derive(program, mode, labels="fractions", sparse=sparse)
        assert tuple(derivation.stages) == ("primal", *(stage for stage, _ in derivation.mode.stages_with_lumps))
        # Letters go by line, and no two steps share one, so the residues are those of the forward mode.
        assert times(map_of(derivation.graph), jacobian) == one
        assert not derivation.graph.bundles
        assert derivation.stages["lumped"].bundles or name in ("expansive first", "a condition", "in another order")


@pytest.mark.parametrize(
    ("text", "where", "got"),
    [
        ("inputs x, y\nz = x * y\nw = exp(z)\noutputs w, z", "this 1 value separates 2 inputs (x, y)", "rank 1"),
        ("inputs x, y\nx = exp(x)\n\nz = f(x, y)\nw = g(z)\noutputs z, w", "z (line 4)", "rank 1"),
        ("inputs x, y\nx = exp(x)\noutputs x, x", "no output depends on 1 input (y)", "rank 1"),
        ("inputs x, y\nx = exp(x)\nz = sin(x)\noutputs x, z", "no output depends on 1 input (y)", "rank 1"),
        ("inputs x, y\nz = x * y\noutputs z, z", "listed twice among the outputs: z", "rank 1"),
        ("inputs x, y\nz = pi + 0\noutputs z, y", "1 output (z) depends on no input", "rank 1"),
        ("inputs x, y, w\nt = x * y\nu = t * w\nv = t - w\ns = u * v\noutputs u, v, s", "t (line 2)", "rank 2"),
        (
            "inputs x, y, w, q\ns = f(x, y, w)\nt = g(x, y, w)\na = h(s, t)\nb = k(s, t)\nc = l(s, t)\n"
            "outputs a, b, c, q",
            "these 2 values separate 3 inputs (x, y, w) from 3 outputs (a, b, c): s (line 2), t (line 3)",
            "rank 3",
        ),
    ],
)
def test_structurally_singular_programs_are_refused_with_a_certificate(text: str, where: str, got: str) -> None:
    program = fg.parse(text.replace("pi", "3"))
    for mode in ("forward-inverse", "reverse-inverse"):
        for call in (fg.derive, fg.count_operations):
            with pytest.raises(fg.NotInvertible, match="singular for every x") as caught:
                call(program, mode)
            error = caught.value
            assert error.where == str(error.certificate)
            assert where in str(error)
            assert got in str(error)
            assert check_certificate(program, error.certificate) is None
    assert fg.derive(program, "forward").graph


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("inputs x, y\nz = x * y\noutputs z", "2 inputs and 1 output"),
        ("inputs x\nz = sin(x)\noutputs z, x", "1 input and 2 outputs"),
        ("inputs x\nz = x - x\noutputs z", "line 2, step 1: z = x - x"),
        ("inputs x, y\nz = 0 * x\noutputs z, y", "line 2"),
        ("inputs x, y\ns = x + y\nr = y + x\noutputs s, r", "with respect to x, y, which die there, is singular"),
        ("inputs x, y\nt = x - x\nu = f(t, y)\nz = g(u, t)\noutputs z, u", "singular"),
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
        "lump": Site(((0, 0), (0, 1))),
    }.items():
        with pytest.raises(fg.NotApplicable) as caught:
            fg.RULES[name].apply(graph, site)
        assert len(caught.value.what) > 10
        nowhere = Site(tuple((9, 9) for _ in site.vertices))
        expected = "two different steps" if name == "lump" else "no vertex"
        with pytest.raises(fg.NotApplicable, match=expected):
            fg.RULES[name].apply(graph, nowhere)
    with pytest.raises(fg.NotApplicable, match="no vertex"):
        fg.RULES["lump"].apply(graph, Site(((9, 9), (9, 8))))
    with pytest.raises(fg.NotApplicable, match="no bundle of edges"):
        fg.RULES["expand"].apply(graph, Site(((0, 0), (0, 1))))


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


LUMP = fg.parse("inputs x, y, p\nu = f(x, y, p)\nv = g(x, y, p)\nz = h(u, v)\nw = k(z, u)\noutputs z, v, p")
TWO = fg.parse("inputs x, y, p\nu = f(x, y, p)\nv = g(x, y, p)\nz = h(u, v)\nw = k(z, u)\noutputs z, w, p")


def test_functions_of_dead_code_take_no_letters() -> None:
    """The program without dead code, read back from JSON, knows nothing of the function k."""
    for mode in fg.Mode:
        derivation = fg.derive(LUMP, mode)
        letters = [letter for letter in derivation.meanings if letter.islower()]
        assert letters == ["a", "b", "c", "d", "e", "i", "j", "k"]
        assert fg.derive(fg.Program.from_json(derivation.program.to_json()), mode) == derivation
    assert list(fg.derive(TWO, "forward").meanings) == ["a", "b", "c", "d", "e", "i", "j", "l", "m", "n"]


@pytest.mark.parametrize("mode", list(fg.Mode))
@pytest.mark.parametrize("labels", ["symbolic", "fractions", "counts"])
@pytest.mark.parametrize("sparse", [False, True])
def test_derivations_through_lumps_survive_json(mode: fg.Mode, labels: str, sparse: bool) -> None:
    for program in (LUMP, TWO):
        derivation = fg.derive(program, mode, labels=labels, sparse=sparse)
        again = fg.Derivation.from_json(json.loads(json.dumps(derivation.to_json())))
        assert again == derivation
        assert again.to_json() == derivation.to_json()
        for name, graph in derivation.stages.items():
            assert again.stages[name].bundles == graph.bundles


def _no_bundles(data: dict[str, Any]) -> None:
    data["stages"][2]["graph"]["bundles"].clear()


def _bundle_name(data: dict[str, Any]) -> None:
    data["stages"][2]["graph"]["bundles"][0]["matrix"] = "A7"


def _bundle_source(data: dict[str, Any]) -> None:
    data["stages"][2]["graph"]["bundles"][0]["sources"].reverse()


def _block_entry(data: dict[str, Any]) -> None:
    edges = data["stages"][-1]["graph"]["edges"]
    edge = next(edge for edge in edges if "inv" in edge["label"])
    edge["label"] = edge["label"][::-1]


def _lump_left_out(data: dict[str, Any]) -> None:
    data["steps"] = [step for step in data["steps"] if step["rule"] != "lump"]


def _expansion_left_out(data: dict[str, Any]) -> None:
    data["steps"] = [step for step in data["steps"] if step["rule"] != "expand"]


def _no_lump_stages(data: dict[str, Any]) -> None:
    data["steps"] = [step for step in data["steps"] if step["stage"] not in ("lumped", "expanded")]
    data["stages"] = [stage for stage in data["stages"] if stage["name"] not in ("lumped", "expanded")]


def _smaller_lump(data: dict[str, Any]) -> None:
    step = next(step for step in data["steps"] if step["rule"] == "lump")
    step["site"].pop()


LUMP_TAMPERED = (
    _no_bundles,
    _bundle_name,
    _bundle_source,
    _block_entry,
    _lump_left_out,
    _expansion_left_out,
    _no_lump_stages,
    _smaller_lump,
)


@pytest.mark.parametrize("tamper", LUMP_TAMPERED, ids=lambda f: f.__name__)
def test_a_record_with_lumps_that_was_tampered_with_is_refused(tamper: Callable[[dict[str, Any]], None]) -> None:
    data = json.loads(json.dumps(fg.derive(TWO, "reverse-inverse").to_json()))
    assert fg.Derivation.from_json(copy.deepcopy(data))
    tamper(data)
    with pytest.raises((fg.GraphError, fg.ProgramError)):
        fg.Derivation.from_json(data)


def test_the_best_order_is_taken_and_another_one_can_be_given() -> None:
    program = fg.parse("inputs x, y\nt1 = p(x)\nt2 = p(y)\nz1 = q(x, t1)\nz2 = q(y, t2)\noutputs z1, z2")

    def names(derivation: fg.Derivation) -> list[str]:
        return [step.name for step in derivation.program.steps()]

    assert names(fg.derive(program, "forward")) == ["t1", "t2", "z1", "z2"]
    assert names(fg.derive(program, "forward-inverse")) == ["t1", "z1", "t2", "z2"]
    assert not fg.derive(program, "forward-inverse").stages["lumped"].bundles
    for mode in fg.Mode:
        for order in (["t2", "t1", "z2", "z1"], [1, 0, 3, 2]):
            derivation = fg.derive(program, mode, order=order, labels="fractions")
            assert names(derivation) == ["t2", "t1", "z2", "z1"]
            assert fg.Derivation.from_json(json.loads(json.dumps(derivation.to_json()))) == derivation
            if mode.inverse:
                assert [bundle.text for bundle in derivation.stages["lumped"].bundles] == ["A1"]
                best = fg.derive(program, mode, labels="fractions")
                assert best.meanings == {}
                assert derivation.meanings == {"A1": "∂(z2, z1)/∂(x, y)"}
                assert map_of(best.graph) == map_of(derivation.graph)


def test_one_step_that_is_a_lump_and_dead_code_in_an_order() -> None:
    program = fg.parse("inputs x, y\nt = sin(x)\nz = x * y\noutputs z, y")
    for order in (["z"], ["t", "z"], ["z", "t"], [1]):
        derivation = fg.derive(program, "reverse-inverse", order=order)
        assert [step.name for step in derivation.program.steps()] == ["z"]
        assert derivation == fg.derive(program, "reverse-inverse")
