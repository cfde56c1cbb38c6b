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
from flowgraph.graph import Bundle
from flowgraph.lumping import lumps
from flowgraph.program import Program
from flowgraph.verification import check_application
from tests import modular
from tests.dense import Matrix, fraction, identity, jacobian_of, letters_of, map_of, product, transpose
from tests.lump_oracle import check_certificate, facts_of, is_singular
from tests.strategies import equasive_programs, invertible_programs, programs, square_programs

FUNCTIONS = ("f", "g", "h")
equasive = equasive_programs(operations=(), functions=FUNCTIONS, max_inputs=4, max_steps=6)
lumpy = invertible_programs(operations=(), functions=FUNCTIONS, max_inputs=3, max_steps=7, guards=False)
uninterpreted = equasive | lumpy
regular = equasive_programs() | invertible_programs(max_inputs=3, max_steps=7)
few = settings(max_examples=60, deadline=None)


def derive(
    program: Program, mode: fg.Mode | str, *, labels: str = "symbolic", sparse: bool | None = None
) -> fg.Derivation:
    """``fg.derive``, leaving out programs with a factor that is zero for every x."""
    try:
        return fg.derive(program, mode, labels=labels, sparse=sparse)
    except fg.NotInvertible as error:
        # What its structure forbids is not drawn.
        if error.certificate is not None:
            raise
        reject()


def numbers_for(program: Program, seed: int) -> tuple[dict[str, Fraction], dict[tuple[int, int], Fraction]]:
    """Random rational partials away from 0, by letter and by (step, argument).

    They are those of the names of the result and the argument, so they stay when steps are put in another order.
    """
    letters = letters_of(program)
    by_place = {}
    for step, argument in letters:
        random = Random(f"{seed} {program.name(program.n_inputs + step)} {program.name(argument)}")
        by_place[step, argument] = Fraction(random.choice((-1, 1)) * random.randint(1, 997), random.randint(1, 99))
    return {letters[place]: number for place, number in by_place.items()}, by_place


def map_at(derivation: fg.Derivation, stage: str, seed: int) -> Matrix:
    """The map of a stage, with the letters as the program of the derivation has them."""
    return map_of(derivation.stages[stage], numbers_for(derivation.program, seed)[0])


@few
@given(uninterpreted, st.integers(0, 99))
def test_the_four_modes_are_dense_j_and_its_transpose_and_inverses(program: Program, seed: int) -> None:
    program = program.without_dead_code()
    jacobian = jacobian_of(program, numbers_for(program, seed)[1])
    found = {}
    for mode in fg.Mode:
        derivation = fg.derive(program, mode)
        found[mode] = map_at(derivation, list(derivation.stages)[-1], seed)
    one = identity(program.n_inputs)
    assert found[fg.Mode.FORWARD] == jacobian
    assert found[fg.Mode.REVERSE] == transpose(jacobian)
    assert product(found[fg.Mode.FORWARD_INVERSE], jacobian) == one
    assert product(found[fg.Mode.REVERSE_INVERSE], transpose(jacobian)) == one


@few
@given(uninterpreted, st.integers(0, 99), st.sampled_from(list(fg.Mode)))
def test_every_application_has_the_effect_it_claims(program: Program, seed: int, mode: fg.Mode) -> None:
    """By whole-graph linear algebra, and by the local check, application by application."""
    derivation = fg.derive(program, mode)
    program = derivation.program
    letters, labels = numbers_for(program, seed)
    for application in derivation.applications():
        rule = derivation.rules[application.step.rule]
        assert check_application(application, rule) is None
        before, after = (map_of(graph, letters) for graph in (application.before, application.after))
        if rule.name in ("carry", "lump", "expand", "shift", "unlayer"):
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
@given(equasive, st.integers(0, 99))
def test_inversion_replaces_each_layer_by_its_inverse_transpose(program: Program, seed: int) -> None:
    letters, _ = numbers_for(program, seed)
    stages = fg.derive(program, "reverse-inverse").stages
    for time in range(1, program.n_steps + 1):
        before = layer_matrix(stages["layered"], time, letters)
        after = layer_matrix(stages["inverted"], time, letters)
        assert product(after, transpose(before)) == identity(program.n_inputs)


@few
@given(regular)
def test_forward_and_reverse_inverse_have_the_same_vertices(program: Program) -> None:
    """By lumps: the inverse has a vertex for each result that outlives its lump, and the inputs, as forward has."""
    program = program.without_dead_code()
    forward, inverse = (derive(program, mode) for mode in ("forward", "reverse-inverse"))
    found = lumps(inverse.program)
    kept = {inverse.program.name(v) for lump in found for v in lump.produced} | set(program.input_names)
    assert {vertex.name for vertex in inverse.graph.vertices} == kept
    assert kept <= {vertex.name for vertex in forward.graph.vertices}
    if all(len(lump.steps) == 1 for lump in found):
        order = [step.name for step in inverse.program.steps()]
        assert fg.derive(program, "forward", order=order).graph.vertices == inverse.graph.vertices
    for graph in (forward.graph, inverse.graph):
        assert (graph.input_names, graph.output_names) == (program.input_names, program.output_names)


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


def by_name(graph: fg.FlowGraph) -> object:
    """A graph without the rows and columns of its vertices."""
    name = {vertex.id: vertex.name for vertex in graph.vertices}
    edges = sorted((name[e.source], name[e.target], str(e.label), e.carry) for e in graph.edges)
    return sorted((v.name, v.value) for v in graph.vertices), edges, graph.input_names, graph.output_names


def entries_by_name(graph: fg.FlowGraph, bundle: Bundle) -> dict[tuple[str, str], object]:
    """The matrix of a bundle by values: in which order they come depends on the rows."""
    value = {vertex.id: vertex.value for vertex in graph.vertices}
    rows = graph.matrix(bundle)
    pairs = {
        (value[target], value[source]): rows[i][j]
        for i, target in enumerate(bundle.targets)
        for j, source in enumerate(bundle.sources)
    }
    assert len(pairs) == len(bundle.targets) * len(bundle.sources)
    return pairs


@few
@given(invertible_programs(max_inputs=3, max_steps=7), st.sampled_from(list(fg.Mode)))
def test_sparse_rows_give_the_same_graph_of_lumps_but_for_the_rows(program: Program, mode: fg.Mode) -> None:
    """A result that outlives its lump stands where its first copy beyond the lump is, which sparse rows decide."""
    sparse, dense = (derive(program, mode, labels="fractions", sparse=sparse) for sparse in (True, False))
    assert by_name(sparse.graph) == by_name(dense.graph)
    if "lumped" in dense.stages:
        pairs = zip(sparse.stages["lumped"].bundles, dense.stages["lumped"].bundles, strict=True)
        for one, two in pairs:
            assert (one.text, one.latex) == (two.text, two.latex)
            assert entries_by_name(sparse.stages["lumped"], one) == entries_by_name(dense.stages["lumped"], two)


@few
@given(regular)
def test_rules_run_to_their_end(program: Program) -> None:
    stages = derive(program, "reverse-inverse", sparse=False).stages
    rules = fg.RULES
    assert rules["carry"].find(stages["layered"]) == ()
    if "lumped" in stages:
        assert rules["lump"].find(stages["lumped"]) == ()
        assert rules["expand"].find(stages["expanded"]) == ()
        assert not any(stages[name].bundles for name in ("primal", "layered", "expanded", "shifted", "unlayered"))
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
@given(uninterpreted, st.integers(0, 99))
def test_inversion_and_transposition_commute(program: Program, seed: int) -> None:
    inverse_of_transpose = map_at(fg.derive(program, "reverse-inverse"), "unlayered", seed)
    inverse = map_at(fg.derive(program, "forward-inverse"), "reversed", seed)
    assert transpose(inverse) == inverse_of_transpose


@few
@given(programs(max_inputs=4, max_steps=8) | square_programs(max_inputs=4, max_steps=8))
def test_the_inverses_exist_exactly_where_the_structure_and_the_partials_allow(program: Program) -> None:
    """Refused with a certificate where the structure is singular; right, by another oracle, or det J = 0 elsewhere."""
    report = fg.verify(program, modes=("forward", "reverse"))
    assert report.ok, str(report)
    facts = facts_of(program)
    n = program.n_inputs
    structural = is_singular(facts)
    singular = structural or modular.rank(modular.map_of(fg.derive(program, "forward", labels="fractions").graph)) < n
    for mode in ("forward-inverse", "reverse-inverse"):
        if singular:
            with pytest.raises(fg.NotInvertible) as caught:
                fg.derive(program, mode, labels="fractions")
            error = caught.value
            assert (error.certificate is not None) == structural
            assert (error.step is None) == structural
            assert not structural or check_certificate(program, error.certificate) is None
            continue
        derivation = fg.derive(program, mode, labels="fractions")
        # In the same order, so that the letters stand for the same partials.
        order = [step.name for step in derivation.program.steps()]
        forward = fg.derive(program, "forward", labels="fractions", order=order).graph
        jacobian, inverse = modular.map_of(forward), modular.map_of(derivation.graph)
        if mode == "reverse-inverse":
            inverse = modular.transposed(inverse, n)
        assert modular.times(inverse, jacobian) == modular.identity(n)


@settings(max_examples=30, deadline=None)
@given(equasive_programs(max_steps=6) | invertible_programs(max_inputs=3, max_steps=6))
def test_both_methods_prove_every_program(program: Program) -> None:
    derive(program, "forward-inverse")
    for method in ("exact", "prime-field"):
        report = fg.verify(program, method=method)
        assert report.ok, str(report)


@few
@given(regular, st.sampled_from(list(fg.Mode)), st.sampled_from(["symbolic", "fractions"]))
def test_derivations_survive_json(program: Program, mode: fg.Mode, labels: str) -> None:
    derivation = derive(program, mode, labels=labels)
    text = json.dumps(derivation.to_json())
    assert fg.Derivation.from_json(json.loads(text)) == derivation
