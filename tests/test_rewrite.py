"""The rules, held site by site to the whole graph by modular arithmetic that shares no code with flowgraph."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product as pairs_of
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

import flowgraph as fg
from flowgraph.graph import Edge, FlowGraph, Vertex, Workspace
from flowgraph.labels import FloatLabels
from flowgraph.rewrite import Site
from flowgraph.rewrite.carry import Carry
from flowgraph.rewrite.derivation import Application
from flowgraph.rewrite.engine import Effect, Step
from flowgraph.verification import check_application
from tests.examples import EQUASIVE, REGULAR
from tests.modular import identity, map_of, rows_of, times, transposed
from tests.strategies import equasive_programs, invertible_programs, programs


def assert_one_layer_inverted(before: FlowGraph, after: FlowGraph, site: Site) -> None:
    """The rows that changed, before and after, are L and L⁻ᵀ on the same values, and no other row reads those."""
    assert (before.vertices, before.inputs, before.outputs) == (after.vertices, after.inputs, after.outputs)
    old, new = rows_of(before), rows_of(after)
    targets = [place for place in old if old[place] != new[place]]
    assert targets == [] or set(site.vertices) & set(targets)
    sources = sorted({s for rows in (old, new) for t in targets for s in rows[t]})
    assert all(s not in row for t, row in old.items() if t not in targets for s in sources)
    assert not set(sources) & set(before.outputs)
    l, inverse = ([[rows[t].get(s, 0) for s in sources] for t in targets] for rows in (old, new))  # noqa: E741
    assert len(sources) == len(targets)
    assert times(inverse, transposed(l, len(sources))) == identity(len(targets))


def assert_effect(rule: fg.Rule, before: FlowGraph, after: FlowGraph, site: Site) -> None:
    if rule.effect is Effect.KEEPS:
        assert map_of(after) == map_of(before)
    elif rule.effect is Effect.TRANSPOSES:
        assert map_of(after) == transposed(map_of(before), len(before.inputs))
    else:
        assert_one_layer_inverted(before, after, site)


# -- every rule, every example, every site ---------------------------------------------------------------------------

ACTS_ON = {
    "carry": "primal",
    "lump": "layered",
    "invert": "lumped",
    "expand": "inverted",
    "shift": "expanded",
    "unlayer": "shifted",
    "reverse": "unlayered",
}


def stage_for(name: str, stages: Mapping[str, FlowGraph]) -> FlowGraph:
    """The graph that a rule acts on; without lumps the layers are inverted and the inverted ones shifted."""
    stage = ACTS_ON[name]
    return stages.get(stage) or stages[{"lumped": "layered", "expanded": "inverted"}[stage]]


@pytest.mark.parametrize("path", REGULAR, ids=lambda path: path.stem)
@pytest.mark.parametrize("name", ACTS_ON)
def test_every_site_of_every_example_has_the_effect_on_the_whole_graph(path: Path, name: str) -> None:
    rule = fg.RULES[name]
    graph = stage_for(name, fg.derive(fg.load(path), "reverse-inverse", labels="fractions").stages)
    copy = stage_for(name, fg.derive(fg.load(path), "reverse-inverse", labels="fractions").stages)
    sites = rule.find(graph)
    assert sites == rule.find(graph) == rule.find(copy)
    assert len(set(sites)) == len(sites)
    for site in sites:
        after = rule.apply(graph, site)
        assert_effect(rule, graph, after, site)
        assert rule.effect is not Effect.KEEPS or after != graph
    assert graph == copy


@pytest.mark.parametrize("path", EQUASIVE, ids=lambda path: path.stem)
def test_the_sites_of_every_example_are_as_many_as_its_liveness_says(path: Path) -> None:
    """One inversion a step; one carry for each value that outlives the row it is born in."""
    program = fg.load(path)
    stages = fg.derive(program, "reverse-inverse", labels="fractions").stages
    live = program.liveness()
    assert len(fg.RULES["invert"].find(stages["layered"])) == program.n_steps
    birth = [0] * program.n_inputs + list(range(1, program.n_steps + 1))
    # last_use is the 0-based step k, which reads row k; outputs (T) are wanted in row T.
    outlives = sum(int(last) > born for born, last in zip(birth, live.last_use.tolist(), strict=True))
    assert len(fg.RULES["carry"].find(stages["primal"])) == outlives
    passive = sum(len(set(program.step(k).operands)) - 1 for k in range(program.n_steps) if _all_values(program, k))
    if all(_all_values(program, k) for k in range(program.n_steps)):
        assert len(fg.RULES["shift"].find(stages["inverted"])) == passive


def _all_values(program: fg.Program, step: int) -> bool:
    return all(operand >= 0 for operand in program.step(step).operands)


@pytest.mark.parametrize("path", EQUASIVE, ids=lambda path: path.stem)
def test_the_stages_of_every_example_are_what_they_are_named(path: Path) -> None:
    program = fg.load(path)
    stages = fg.derive(program, "forward-inverse", labels="fractions", sparse=False).stages
    n, widths = program.n_inputs, program.liveness().widths
    layered, inverted, shifted, unlayered = (stages[k] for k in ("layered", "inverted", "shifted", "unlayered"))
    assert len(layered.vertices) == int(widths.sum())
    for graph in (layered, inverted):
        assert all(edge.target[1] == edge.source[1] + 1 for edge in graph.edges)
        assert {v.time: 0 for v in graph.vertices}.keys() == set(range(program.n_steps + 1))
    jacobian = map_of(stages["primal"])
    assert map_of(layered) == jacobian
    assert times(map_of(inverted), transposed(jacobian, n)) == identity(n)
    assert map_of(inverted) == map_of(shifted) == map_of(unlayered)
    assert times(map_of(stages["reversed"]), jacobian) == identity(n)
    copies = {edge.target for edge in shifted.edges if edge.carry}
    assert all(edge.carry or edge.source[1] == edge.target[1] for edge in shifted.edges if edge.target in copies)
    assert all(edge.target[1] > 0 for edge in inverted.edges)
    moved = {(e.target[0], e.target[1] + 1) for e in shifted.edges if e.source[1] == e.target[1]}
    assert moved == {e.target for e in inverted.edges if e.target in copies and not e.carry}
    assert not any(edge.carry for edge in unlayered.edges)
    assert fg.RULES["carry"].find(layered) == ()
    assert fg.RULES["shift"].find(shifted) == ()
    assert fg.RULES["unlayer"].find(unlayered) == ()


# -- find is exactly where apply works -------------------------------------------------------------------------------


def candidates(rule: fg.Rule, graph: FlowGraph) -> list[Site]:
    places = [vertex.id for vertex in graph.vertices]
    if rule.name == "reverse":
        return [Site()]
    if rule.name in ("carry", "invert", "lump"):
        # Groups of vertices are tried one by one in test_lump_rule.
        groups = [site for site in rule.find(graph) if len(site.vertices) > 1]
        return [Site((place,)) for place in places] + groups
    if rule.name == "expand":
        return [Site(pair) for pair in pairs_of(places, places)] + list(rule.find(graph))
    return [Site(pair) for pair in pairs_of(places, places)]


def assert_find_is_apply(graph: FlowGraph) -> int:
    count = 0
    for rule in (*fg.RULES.values(), Carry(sparse=True)):
        sites = rule.find(graph)
        for site in candidates(rule, graph):
            if site in sites:
                after = rule.apply(graph, site)
                assert_effect(rule, graph, after, site)
                application = Application(Step("any", rule.name, site), graph, after)
                assert check_application(application, rule) is None
                count += 1
            else:
                with pytest.raises(fg.NotApplicable) as caught:
                    rule.apply(graph, site)
                assert len(caught.value.what) > 10
        assert set(sites) <= set(candidates(rule, graph))
    return count


@settings(max_examples=12, deadline=None)
@given(
    equasive_programs(operations=("add", "mul", "sin"), max_inputs=3, max_steps=3)
    | invertible_programs(operations=("add", "mul", "sin"), max_inputs=3, max_steps=4, guards=False),
    st.sampled_from(list(fg.Mode)),
)
def test_a_rule_applies_at_the_sites_it_finds_and_nowhere_else(program: fg.Program, mode: fg.Mode) -> None:
    """At every stage, those included where the rule does not act in a derivation."""
    try:
        stages = fg.derive(program, mode, labels="fractions").stages
    except fg.NotInvertible:
        reject()
    for graph in stages.values():
        assert assert_find_is_apply(graph)  # Edges can always be reversed.


@settings(max_examples=12, deadline=None)
@given(programs(operations=("add", "sub", "select", "constant"), max_inputs=3, max_steps=4))
def test_the_same_on_programs_that_are_not_equasive(program: fg.Program) -> None:
    for graph in fg.derive(program, "reverse", labels="fractions").stages.values():
        assert assert_find_is_apply(graph)


@settings(max_examples=25, deadline=None)
@given(equasive_programs(max_inputs=3, max_steps=5), st.randoms(use_true_random=False))
def test_contractions_and_shifts_in_any_order_come_to_the_same_map(program: fg.Program, random: Random) -> None:
    """From the inverted graph, shift and unlayer at random sites until there are none."""
    try:
        stages = fg.derive(program, "reverse-inverse", labels="fractions").stages
    except fg.NotInvertible:
        reject()
    graph, expected = stages["inverted"], map_of(stages["inverted"])
    rules = (fg.RULES["shift"], fg.RULES["unlayer"])
    while sites := [(rule, site) for rule in rules for site in rule.find(graph)]:
        rule, site = random.choice(sites)
        graph = rule.apply(graph, site)
    assert map_of(graph) == expected
    assert {v.value for v in graph.vertices} == {v.value for v in stages["unlayered"].vertices}
    assert graph == stages["unlayered"]


# -- graphs made by hand ----------------------------------------------------------------------------------------------

ALGEBRA = FloatLabels()


def vertex(name: str, register: int, time: int) -> Vertex:
    return Vertex(register, time, name, name.split("@")[0])


U, W, Z, W1 = vertex("u", 0, 0), vertex("w", 1, 0), vertex("z", 0, 1), vertex("w@1", 1, 1)
CARRY = Edge(W.id, W1.id, 1.0, True)


def by_hand(*edges: Edge, inputs: tuple[Vertex, ...] = (U, W), outputs: tuple[Vertex, ...] = (Z, W1)) -> FlowGraph:
    return FlowGraph(ALGEBRA, (U, W, Z, W1), (*edges, CARRY), tuple(v.id for v in inputs), tuple(v.id for v in outputs))


HAND_MADE: Mapping[str, FlowGraph] = {
    "parallel edges from a passive argument": by_hand(
        Edge(U.id, Z.id, 2.0), Edge(W.id, Z.id, 3.0), Edge(W.id, Z.id, 4.0)
    ),
    "parallel edges from the argument that dies": by_hand(Edge(U.id, Z.id, 2.0), Edge(U.id, Z.id, 3.0)),
    "a result that is an input too": by_hand(Edge(U.id, Z.id, 2.0), inputs=(U, W, Z)),
    "a copy that is an input too": by_hand(Edge(U.id, Z.id, 2.0), Edge(W.id, Z.id, 3.0), inputs=(U, W, W1)),
    "a passive argument that is an output": by_hand(Edge(U.id, Z.id, 2.0), Edge(W.id, Z.id, 3.0), outputs=(Z, W1, W)),
    "a dying argument that is an output": by_hand(Edge(U.id, Z.id, 2.0), Edge(W.id, Z.id, 3.0), outputs=(Z, W1, U)),
}


@pytest.mark.parametrize("name", HAND_MADE)
def test_what_inversion_refuses_on_graphs_made_by_hand(name: str) -> None:
    graph = HAND_MADE[name]
    assert fg.RULES["invert"].find(graph) == ()
    with pytest.raises(fg.NotApplicable):
        fg.RULES["invert"].apply(graph, Site((Z.id,)))


def test_inversion_of_a_layer_made_by_hand() -> None:
    graph = by_hand(Edge(U.id, Z.id, 2.0), Edge(W.id, Z.id, 3.0))
    (site,) = fg.RULES["invert"].find(graph)
    assert fg.linear_map(fg.RULES["invert"].apply(graph, site)).tolist() == [[0.5, 0.0], [-1.5, 1.0]]


def test_inversion_finds_no_pivot_that_is_zero() -> None:
    graph = by_hand(Edge(U.id, Z.id, 0.0), Edge(W.id, Z.id, 3.0))
    assert fg.RULES["invert"].find(graph) == ()
    with pytest.raises(fg.NotApplicable, match="partial with respect to u, which dies there, is zero") as caught:
        fg.RULES["invert"].apply(graph, Site((Z.id,)))
    assert caught.value.place == Z.id
    with pytest.raises(fg.NotApplicable):
        list(fg.RULES["invert"].run(Workspace.of(graph)))


def test_parallel_edges_shift_together() -> None:
    graph = by_hand(Edge(U.id, W1.id, 2.0), Edge(U.id, W1.id, 3.0), Edge(U.id, Z.id, 1.0))
    assert fg.RULES["shift"].find(graph) == (Site((U.id, W1.id)),)
    work = Workspace.of(graph)
    assert list(fg.RULES["shift"].run(work)) == [Site((U.id, W1.id))]
    assert fg.linear_map(work.freeze()).tolist() == fg.linear_map(graph).tolist() == [[1.0, 0.0], [5.0, 1.0]]


def test_a_copy_that_adds_is_contracted_only_where_nothing_else_reads_its_original() -> None:
    adds = by_hand(Edge(U.id, W1.id, 2.0), Edge(U.id, Z.id, 1.0))
    (site,) = fg.RULES["unlayer"].find(adds)
    assert fg.linear_map(fg.RULES["unlayer"].apply(adds, site)).tolist() == fg.linear_map(adds).tolist()
    for graph in (
        by_hand(Edge(U.id, W1.id, 2.0), Edge(W.id, Z.id, 1.0)),
        by_hand(Edge(U.id, W1.id, 2.0), outputs=(Z, W1, W)),
        by_hand(inputs=(U, W, W1)),
        by_hand(Edge(W.id, W1.id, 2.0)),
    ):
        assert fg.RULES["unlayer"].find(graph) == ()
        with pytest.raises(fg.NotApplicable, match="copy adds something"):
            fg.RULES["unlayer"].apply(graph, Site((W.id, W1.id)))


@pytest.mark.parametrize("name", fg.RULES)
@pytest.mark.parametrize("count", range(4))
def test_a_site_with_a_wrong_number_of_vertices(name: str, count: int) -> None:
    graph = by_hand(Edge(U.id, Z.id, 2.0))
    places = (U.id, W.id, Z.id)[:count]
    wrong = {
        "carry": "site" if count != 1 else None,
        "lump": "two different steps" if count < 2 else "not computed by a step",
        "invert": "site" if count == 0 else "not computed by a step",
        "expand": "no bundle",
        "shift": "site" if count != 2 else None,
        "unlayer": "site" if count != 2 else None,
        "reverse": "site" if count != 0 else None,
    }[name]
    if wrong is not None:
        with pytest.raises(fg.NotApplicable, match=wrong):
            fg.RULES[name].apply(graph, Site(places))
    if name in ("invert", "lump"):
        for twice in ((Z.id, Z.id), (Z.id, W.id, Z.id)):
            with pytest.raises(fg.NotApplicable, match="two different steps" if name == "lump" else "site"):
                fg.RULES[name].apply(graph, Site(twice))


def test_an_application_that_fails_leaves_the_workspace_as_it_was() -> None:
    program = fg.parse("inputs x, y\nt = f(x)\nz = g(t, x)\nw = h(z, t, y)\noutputs w, y")
    for graph in fg.derive(program, "reverse").stages.values():
        for rule in fg.RULES.values():
            for site in candidates(rule, graph):
                work = Workspace.of(graph)
                try:
                    rule.rewrite(work, site)
                except fg.NotApplicable:
                    assert work.freeze() == graph
                    assert not work.delta().before
                    assert not work.delta().after
