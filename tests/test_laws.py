"""Laws of the rewriting core on random programs, held by dense rational linear algebra."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

import flowgraph as fg
from flowgraph.liveness import Kind
from flowgraph.program import Program
from flowgraph.verification import check_application
from tests.dense import fraction, identity, jacobian_of, letters_of, map_of, product, transpose
from tests.strategies import equasive_programs, programs

FUNCTIONS = ("f", "g", "h")
uninterpreted = equasive_programs(operations=(), functions=FUNCTIONS, max_inputs=4, max_steps=6)
few = settings(max_examples=60, deadline=None)


def derive(
    program: Program, mode: fg.Mode | str, *, labels: str = "symbolic", sparse: bool | None = None
) -> fg.Derivation:
    """``fg.derive``, leaving out programs with a factor that is zero for every x."""
    try:
        return fg.derive(program, mode, labels=labels, sparse=sparse)
    except fg.NotInvertible as error:
        if error.kind != "equasive":
            raise
        reject()


def numbers_for(program: Program, seed: int) -> tuple[dict[str, Fraction], dict[tuple[int, int], Fraction]]:
    """Random rational partials away from 0, by letter and by (step, argument)."""
    random = Random(seed)
    letters = letters_of(program)
    by_place = {
        place: Fraction(random.choice((-1, 1)) * random.randint(1, 9), random.randint(1, 5)) for place in letters
    }
    return {letters[place]: number for place, number in by_place.items()}, by_place


@few
@given(uninterpreted, st.integers(0, 99))
def test_the_four_modes_are_dense_j_and_its_transpose_and_inverses(program: Program, seed: int) -> None:
    letters, labels = numbers_for(program, seed)
    jacobian = jacobian_of(program, labels)
    found = {mode: map_of(fg.derive(program, mode).graph, letters) for mode in fg.Mode}
    one = identity(program.n_inputs)
    assert found[fg.Mode.FORWARD] == jacobian
    assert found[fg.Mode.REVERSE] == transpose(jacobian)
    assert product(found[fg.Mode.FORWARD_INVERSE], jacobian) == one
    assert product(found[fg.Mode.REVERSE_INVERSE], transpose(jacobian)) == one


@few
@given(uninterpreted, st.integers(0, 99), st.sampled_from(list(fg.Mode)))
def test_every_application_has_the_effect_it_claims(program: Program, seed: int, mode: fg.Mode) -> None:
    """By whole-graph linear algebra, and by the local check, application by application."""
    letters, labels = numbers_for(program, seed)
    derivation = fg.derive(program, mode)
    for application in derivation.applications():
        rule = derivation.rules[application.step.rule]
        assert check_application(application, rule) is None
        before, after = (map_of(graph, letters) for graph in (application.before, application.after))
        if rule.name in ("carry", "shift", "unlayer"):
            assert after == before
        elif rule.name == "reverse":
            assert after == transpose(before)
    if mode.inverse:
        inverted = map_of(derivation.stages["inverted"], letters)
        assert product(inverted, transpose(jacobian_of(program, labels))) == identity(program.n_inputs)


def layer_matrix(graph: fg.FlowGraph, time: int, letters: Mapping[str, Fraction]) -> list[list[Fraction]]:
    """The transition from row time − 1 to row time, by register, identity where nothing changes."""
    places = sorted(v.register for v in graph.vertices if v.time == time)
    above = sorted(v.register for v in graph.vertices if v.time == time - 1)
    matrix = [[Fraction(0)] * len(above) for _ in places]
    for edge in graph.edges:
        if edge.target[1] == time:
            assert edge.source[1] == time - 1
            matrix[places.index(edge.target[0])][above.index(edge.source[0])] += fraction(edge.label, letters)
    return matrix


@few
@given(uninterpreted, st.integers(0, 99))
def test_inversion_replaces_each_layer_by_its_inverse_transpose(program: Program, seed: int) -> None:
    letters, _ = numbers_for(program, seed)
    stages = fg.derive(program, "reverse-inverse").stages
    for time in range(1, program.n_steps + 1):
        before = layer_matrix(stages["layered"], time, letters)
        after = layer_matrix(stages["inverted"], time, letters)
        assert product(after, transpose(before)) == identity(program.n_inputs)


@few
@given(equasive_programs())
def test_forward_and_reverse_inverse_have_the_same_vertices(program: Program) -> None:
    forward, inverse = (derive(program, mode).graph for mode in ("forward", "reverse-inverse"))
    assert forward.vertices == inverse.vertices
    assert (forward.inputs, forward.outputs) == (inverse.inputs, inverse.outputs)


@few
@given(equasive_programs())
def test_the_layered_graph_has_one_vertex_per_live_value_and_row(program: Program) -> None:
    program = program.without_dead_code()
    graph = derive(program, "forward", sparse=False).stages["layered"]
    assert len(graph.vertices) == int(program.liveness().widths.sum())
    assert all(edge.target[1] == edge.source[1] + 1 for edge in graph.edges)


@few
@given(equasive_programs(), st.sampled_from(list(fg.Mode)))
def test_sparse_rows_give_the_same_graph(program: Program, mode: fg.Mode) -> None:
    assert derive(program, mode, sparse=True).graph == derive(program, mode, sparse=False).graph


@few
@given(equasive_programs())
def test_rules_run_to_their_end(program: Program) -> None:
    stages = derive(program, "reverse-inverse", sparse=False).stages
    rules = fg.RULES
    assert rules["carry"].find(stages["layered"]) == ()
    assert rules["shift"].find(stages["shifted"]) == ()
    assert rules["unlayer"].find(stages["unlayered"]) == ()
    assert not any(edge.carry for edge in stages["unlayered"].edges)


@few
@given(programs(max_inputs=3, max_steps=6))
def test_the_time_shift_is_the_identity_on_forward_graphs(program: Program) -> None:
    assert fg.RULES["shift"].find(fg.derive(program, "forward").stages["layered"]) == ()


@few
@given(programs(max_inputs=3, max_steps=6))
def test_reversal_is_an_involution_and_rules_are_pure(program: Program) -> None:
    graph = fg.derive(program, "forward").graph
    copy = fg.derive(program, "forward").graph
    reverse = fg.RULES["reverse"]
    (site,) = reverse.find(graph)
    assert reverse.apply(reverse.apply(graph, site), site) == graph == copy


@few
@given(equasive_programs(operations=(), functions=FUNCTIONS), st.integers(0, 99))
def test_inversion_and_transposition_commute(program: Program, seed: int) -> None:
    letters, _ = numbers_for(program, seed)
    inverse_of_transpose = map_of(fg.derive(program, "reverse-inverse").graph, letters)
    inverse = map_of(fg.derive(program, "forward-inverse").graph, letters)
    assert transpose(inverse) == inverse_of_transpose


@few
@given(programs(max_inputs=4, max_steps=8))
def test_other_programs_have_forward_and_reverse_and_are_refused_the_inverses(program: Program) -> None:
    report = fg.verify(program, modes=("forward", "reverse"))
    assert report.ok, str(report)
    live = program.without_dead_code().liveness()
    kinds = set(live.kinds()) - {Kind.PASSIVE}
    square = program.n_inputs == program.n_outputs == len(set(program.outputs.tolist()))
    unread = (live.last_use[: program.n_inputs] < 0).any()
    if square and kinds <= {Kind.EQUASIVE} and not unread:
        return
    with pytest.raises(fg.NotInvertible) as caught:
        fg.derive(program, "forward-inverse")
    error = caught.value
    if error.step is not None and error.kind != "equasive":
        step = program.without_dead_code().step(error.step - 1)
        assert live.kind(step.index) == error.kind
        assert set(error.died) <= set(step.texts)
        assert len(error.died) == {"expansive": 0}.get(error.kind or "", len(error.died))
        assert step.name in str(error)


@settings(max_examples=30, deadline=None)
@given(equasive_programs(max_steps=6))
def test_both_methods_prove_every_program(program: Program) -> None:
    derive(program, "forward-inverse")
    for method in ("exact", "prime-field"):
        report = fg.verify(program, method=method)
        assert report.ok, str(report)


@few
@given(equasive_programs(), st.sampled_from(list(fg.Mode)), st.sampled_from(["symbolic", "fractions"]))
def test_derivations_survive_json(program: Program, mode: fg.Mode, labels: str) -> None:
    derivation = derive(program, mode, labels=labels)
    text = json.dumps(derivation.to_json())
    assert fg.Derivation.from_json(json.loads(text)) == derivation
