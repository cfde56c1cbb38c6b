"""Records of derivations: the round trip of every example, every tampered one refused, and golden texts."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sympy
from hypothesis import given, reject, settings
from hypothesis import strategies as st

import flowgraph as fg
from flowgraph.block_entries import block_entry
from tests.examples import REGULAR
from tests.strategies import equasive_programs, invertible_programs

HERE = Path(__file__).resolve().parent
FIGURE_2 = fg.parse("inputs x1, x2, x3\nz1 = f(x1, x2)\nz2 = g(x3, z1)\noutputs z1, x2, z2")


@pytest.mark.parametrize("path", REGULAR, ids=lambda path: path.stem)
@pytest.mark.parametrize("mode", list(fg.Mode))
@pytest.mark.parametrize(("labels", "sparse"), [("fractions", False), ("counts", False), ("symbolic", True)])
def test_every_example_survives_json(path: Path, mode: fg.Mode, labels: str, sparse: bool) -> None:
    derivation = fg.derive(fg.load(path), mode, labels=labels, sparse=sparse)
    text = json.dumps(derivation.to_json())
    again = fg.Derivation.from_json(json.loads(text))
    assert again == derivation
    assert json.dumps(again.to_json()) == text
    assert [a.after for a in again.applications()][-1:] == [again.graph][: len(again.steps)]


@settings(max_examples=25, deadline=None)
@given(
    equasive_programs(max_steps=6, named=True) | invertible_programs(max_steps=6, named=True),
    st.sampled_from(list(fg.Mode)),
    st.booleans(),
)
def test_random_ones_survive_json(program: fg.Program, mode: fg.Mode, sparse: bool) -> None:
    try:
        derivation = fg.derive(program, mode, sparse=sparse)
    except fg.NotInvertible:
        reject()
    assert fg.Derivation.from_json(json.loads(json.dumps(derivation.to_json()))) == derivation


# -- tampering --------------------------------------------------------------------------------------------------------


def paths_of(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all leaves and containers of a JSON value."""
    children = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(p for key, value in children for p in paths_of(value, (*path, key)))]


def at(data: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        data = data[key]
    return data


# What does not decide a derivation: line numbers.
FREE = ("line",)
JUNK = (None, 7, -1, 0.5, "junk", [], {}, [[]], [None], True, float("inf"), [0, 0, 0], "x1")


ATOMIC = fg.parse("inputs u, w\nz = f(u, w)\noutputs z, w")


@pytest.mark.parametrize("mode", ["forward", "forward-inverse"])
def test_every_place_of_a_record_with_every_junk(mode: str) -> None:
    """Only the library's own errors, and nothing accepted that says something else."""
    right = fg.derive(ATOMIC, mode)
    record = json.loads(json.dumps(right.to_json()))
    places = [path for path in paths_of(record) if path and not set(FREE) & set(path)]
    assert len(places) > 100
    accepted = []
    for path in places:
        for junk in JUNK:
            data = copy.deepcopy(record)
            at(data, path[:-1])[path[-1]] = junk
            if data == record:
                continue
            try:
                found = fg.Derivation.from_json(data)
            except (fg.GraphError, fg.ProgramError):
                continue
            assert found == right, path
            accepted.append((path, junk))
    # Python takes true for 1 and an empty object for an empty list; the flag `known` may be any truth value.
    odd = [(path, junk) for path, junk in accepted if path[-1] != "known" and junk is not True and junk != {}]
    assert odd == []


@pytest.mark.parametrize("mode", ["reverse", "reverse-inverse"])
def test_every_part_of_a_record_left_out(mode: str) -> None:
    right = fg.derive(FIGURE_2, mode)
    record = json.loads(json.dumps(right.to_json()))
    for path in paths_of(record):
        if not path or set(FREE) & set(path):
            continue
        data = copy.deepcopy(record)
        del at(data, path[:-1])[path[-1]]
        with pytest.raises((fg.GraphError, fg.ProgramError)):
            fg.Derivation.from_json(data)


def _swap_stages(data: dict[str, Any]) -> None:
    data["stages"][1], data["stages"][2] = data["stages"][2], data["stages"][1]


def _double_stage(data: dict[str, Any]) -> None:
    data["stages"].append(data["stages"][-1])


def _other_mode(data: dict[str, Any]) -> None:
    data["mode"] = "forward"


def _other_rule(data: dict[str, Any]) -> None:
    data["steps"][0]["rule"] = "unlayer"


def _step_twice(data: dict[str, Any]) -> None:
    data["steps"].insert(0, data["steps"][0])


def _sparse(data: dict[str, Any]) -> None:
    data["sparse"] = True


def _fractions(data: dict[str, Any]) -> None:
    data["labels"] = "fractions"


def _longer_site(data: dict[str, Any]) -> None:
    data["steps"][0]["site"].append([0, 0])


def _third_coordinate(data: dict[str, Any]) -> None:
    data["steps"][0]["site"][0].append(0)


def _text_in_a_site(data: dict[str, Any]) -> None:
    data["steps"][0]["site"] = [["0", "0"]]


def _infinite_site(data: dict[str, Any]) -> None:
    data["steps"][0]["site"] = [[float("inf"), 0]]


def _half_a_register(data: dict[str, Any]) -> None:
    data["steps"][0]["site"][0][0] += 0.5


def _edges_in_another_order(data: dict[str, Any]) -> None:
    data["stages"][-1]["graph"]["edges"].reverse()


TAMPERED: tuple[Callable[[dict[str, Any]], None], ...] = (
    _swap_stages,
    _double_stage,
    _other_mode,
    _other_rule,
    _step_twice,
    _sparse,
    _fractions,
    _longer_site,
    _third_coordinate,
    _text_in_a_site,
    _infinite_site,
    _half_a_register,
    _edges_in_another_order,
)


@pytest.mark.parametrize("tamper", TAMPERED)
def test_tampering_by_hand(tamper: Callable[[dict[str, Any]], None]) -> None:
    program = fg.parse("inputs x1, x2, x3\nz1 = f(x1, x2)\nz2 = g(x3, z1)\nz3 = h(z1, x2, z2)\noutputs z3, x2, z2")
    data = json.loads(json.dumps(fg.derive(program, "reverse-inverse").to_json()))
    assert fg.Derivation.from_json(copy.deepcopy(data))
    tamper(data)
    with pytest.raises((fg.GraphError, fg.ProgramError)):
        fg.Derivation.from_json(data)


# -- Fig. 2 as JSON, field by field -----------------------------------------------------------------------------------


def test_the_json_of_a_graph_field_by_field() -> None:
    data = fg.derive(FIGURE_2, "reverse-inverse").stages["inverted"].to_json()
    carried = ["x2@1", "x3@1", "z1@2", "x2@2"]
    assert data == {
        "schema": "flowgraph/graph/1",
        "labels": "symbolic",
        "inputs": ["x1", "x2", "x3"],
        "outputs": ["z1", "x2", "z2"],
        "vertices": [
            {"name": name, "value": name.split("@")[0], "register": register, "time": time}
            for name, register, time in [
                ("x1", 0, 0),
                ("x2", 1, 0),
                ("x3", 2, 0),
                ("z1", 0, 1),
                ("x2@1", 1, 1),
                ("x3@1", 2, 1),
                ("z1@2", 0, 2),
                ("x2@2", 1, 2),
                ("z2", 2, 2),
            ]
        ],
        "edges": [
            {"source": source, "target": target, "label": label, "carry": label == "1" and target in carried}
            for source, target, label in [
                ("x1", "z1", "1/a"),
                ("x1", "x2@1", "-b/a"),
                ("x2", "x2@1", "1"),
                ("x3", "x3@1", "1"),
                ("z1", "z1@2", "1"),
                ("x3@1", "z1@2", "-d/c"),
                ("x2@1", "x2@2", "1"),
                ("x3@1", "z2", "1/c"),
            ]
        ],
        "bundles": [],
    }


def test_the_json_of_the_bundles_of_a_lump() -> None:
    program = fg.parse("inputs x, y, p\nu = f(x, y, p)\nv = g(x, y, p)\noutputs v, u, p")
    stages = fg.derive(program, "reverse-inverse").stages
    lumped, inverted, expanded = (stages[name].to_json() for name in ("lumped", "inverted", "expanded"))
    dying, living, made = ["x", "y"], ["p"], ["u", "v"]
    assert lumped["bundles"] == [
        {"sources": dying, "targets": made, "matrix": "A1"},
        {"sources": living, "targets": made, "matrix": "B1"},
    ]
    assert inverted["bundles"] == [
        {"sources": dying, "targets": made, "matrix": "A1inv"},
        {"sources": dying, "targets": ["p@2"], "matrix": "-A1inv*B1"},
    ]
    assert {**inverted, "bundles": []} == expanded
    assert {(e["source"], e["target"], e["label"]) for e in inverted["edges"] if not e["carry"]} == {
        *((x, z, f"A1inv_{i}_{j}") for i, x in enumerate(dying, 1) for j, z in enumerate(made, 1)),
        *((x, "p@2", f"-A1invB1_{i}_1") for i, x in enumerate(dying, 1)),
    }
    letters = iter("abcdeh")
    assert {(e["source"], e["target"], e["label"]) for e in lumped["edges"] if not e["carry"]} == {
        (x, z, next(letters)) for z in made for x in (*dying, *living)
    }


@pytest.mark.parametrize("path", REGULAR, ids=lambda path: path.stem)
def test_every_label_of_every_example_is_read_by_sympy_as_itself(path: Path) -> None:
    program = fg.load(path)
    for mode in fg.Mode:
        for labels in ("symbolic", "fractions"):
            graph = fg.derive(program, mode, labels=labels).graph
            for edge in graph.edges:
                label = edge.label if labels == "symbolic" else edge.label.as_expr()
                # A block entry prints as one name.
                blocks = {entry: sympy.Symbol(str(entry)) for entry in label.atoms(block_entry())}
                label = label.xreplace(blocks)
                names: dict[str, Any] = {s.name: s for s in label.free_symbols}
                assert sympy.simplify(sympy.parse_expr(graph.label_text(edge), local_dict=names) - label) == 0
                assert not set(names) - set(map(str, sympy.sympify(graph.label_text(edge)).free_symbols))


# -- golden texts -----------------------------------------------------------------------------------------------------

GOLDEN = ("figure2", "atomic", "polar", "swap", "coupling", "horner", "two_orders", "rosenbrock", "linear3")


def golden_text(program: fg.Program) -> str:
    """All four derivations of a program, as text."""
    parts = [program.describe()]
    for mode in fg.Mode:
        derivation = fg.derive(program, mode)
        parts.append(f"=== {mode}")
        parts += [f"{name} stands for {text}" for name, text in derivation.meanings.items()]
        for stage, graph in derivation.stages.items():
            name = {v.id: v.name for v in derivation.stages["layered"].vertices}
            parts.append(f"--- {stage}")
            parts += [
                f"{step.rule} at {', '.join(name[place] for place in step.site.vertices) or 'the whole graph'}"
                for step in derivation.steps
                if step.stage == stage
            ]
            parts.append(str(graph))
    return "\n".join(parts) + "\n"


def write_golden() -> None:
    """Write the golden texts anew, to be read through before they are committed."""
    for stem in GOLDEN:
        text = golden_text(fg.load(HERE.parent / "papers_examples" / f"{stem}.fg"))
        (HERE / "golden" / f"{stem}.txt").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("stem", GOLDEN)
def test_golden(stem: str) -> None:
    """To renew: ``python -c "from tests.test_derivation_records import write_golden; write_golden()"``."""
    expected = (HERE / "golden" / f"{stem}.txt").read_text(encoding="utf-8")
    assert golden_text(fg.load(HERE.parent / "papers_examples" / f"{stem}.fg")) == expected
