"""The rules lump, invert on lumps, and expand: site by site on random layered graphs, by modular arithmetic."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import combinations
from random import Random
from typing import Any

import pytest

import flowgraph as fg
from flowgraph.graph import Bundle, FlowGraph, Workspace
from flowgraph.partials import FractionPartials, linearise
from flowgraph.rewrite import Site
from flowgraph.rewrite.carry import Carry
from flowgraph.rewrite.derivation import Application
from flowgraph.rewrite.engine import Step
from flowgraph.verification import check_application
from tests.examples import LUMPED
from tests.lump_oracle import facts_of, is_singular, lumps_along
from tests.lump_programs import random_program
from tests.modular import identity, map_of, residue, rows_of, times, transposed

LUMP, INVERT, EXPAND = (fg.RULES[name] for name in ("lump", "invert", "expand"))
COUNT = 40

sparse_or_dense = pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])


def layered(program: fg.Program, sparse: bool) -> FlowGraph:
    work = linearise(program, FractionPartials(program))
    for _ in Carry(sparse).run(work):
        pass
    return work.freeze()


def sample(seed: str, count: int = COUNT) -> Iterator[fg.Program]:
    """Nonsingular programs without dead code, in their own order, most of them with lumps."""
    rng = Random(seed)
    while count:
        program = random_program(rng, max_steps=8).without_dead_code()
        if not is_singular(facts_of(program)):
            count -= 1
            yield program


def oracle_groups(program: fg.Program) -> list[frozenset[str]]:
    """By name the steps of every lump of two or more along the program's own order."""
    facts = facts_of(program)
    found = lumps_along(facts, sorted(facts.needed))
    names = [frozenset(program.name(program.n_inputs + k) for k in lump.steps) for lump in found]
    return [group for group in names if len(group) > 1]


def value_of(graph: FlowGraph) -> dict[Any, str]:
    return {vertex.id: vertex.value for vertex in graph.vertices}


def checked(rule: fg.Rule, graph: FlowGraph, site: Site) -> FlowGraph:
    """The graph after an application, which changes nothing that is given and passes the library's own check."""
    edges, bundles = graph.edges, graph.bundles
    after = rule.apply(graph, site)
    assert (graph.edges, graph.bundles) == (edges, bundles)
    assert rule.apply(graph, site) == after
    assert check_application(Application(Step("any", rule.name, site), graph, after), rule) is None
    work = Workspace.of(graph)
    rule.rewrite(work, site)
    assert work.freeze() == after
    assert len({vertex.name for vertex in after.vertices}) == len(after.vertices)
    return after


def lumped(graph: FlowGraph) -> FlowGraph:
    while sites := LUMP.find(graph):
        graph = LUMP.apply(graph, sites[0])
    return graph


# -- lump --------------------------------------------------------------------------------------------------------------


@sparse_or_dense
def test_the_sites_are_the_lumps_of_the_oracle(sparse: bool) -> None:
    seen = 0
    for program in sample("sites", 120):
        graph = layered(program, sparse)
        value = value_of(graph)
        sites = LUMP.find(graph)
        assert [frozenset(value[p] for p in site.vertices) for site in sites] == oracle_groups(program)
        assert all(list(site.vertices) == sorted(site.vertices, key=lambda p: (p[1], p[0])) for site in sites)
        seen += len(sites)
    assert seen > 60


@sparse_or_dense
def test_every_lump_keeps_the_map_and_has_the_size_of_the_oracle(sparse: bool) -> None:
    larger = 0
    for program in sample("maps", 120):
        graph, facts = layered(program, sparse), facts_of(program)
        sizes = {
            frozenset(program.name(program.n_inputs + k) for k in lump.steps): lump
            for lump in lumps_along(facts, sorted(facts.needed))
        }
        for site in LUMP.find(graph):
            after = checked(LUMP, graph, site)
            assert map_of(after) == map_of(graph)
            lump = sizes[frozenset(value_of(graph)[p] for p in site.vertices)]
            # Results that die in the lump are gone, and those that outlive it bear the names of their values.
            kept = {vertex.value for vertex in after.vertices}
            made = {program.name(v) for v in lump.produced}
            inner = {program.name(program.n_inputs + k) for k in lump.steps} - made
            assert made <= {vertex.name for vertex in after.vertices}
            assert not inner & kept
            new = [bundle for bundle in after.bundles if bundle not in graph.bundles]
            if len(lump.consumed) == 1:
                assert new == []
                continue
            larger += 1
            check_bundles(program, after, new, lump.consumed, lump.produced, lump.read)
    assert larger > 10


def check_bundles(program: fg.Program, graph: FlowGraph, bundles: list[Bundle], u: Any, z: Any, w: Any) -> None:
    """A and B lead from u and from w to z, have every edge into z, and are ∂z/∂u and ∂z/∂w."""
    value = value_of(graph)
    names = {kind: {program.name(v) for v in values} for kind, values in (("u", u), ("z", z), ("w", w))}
    a, *b = bundles
    assert {value[p] for p in a.sources} == names["u"]
    assert {value[p] for p in a.targets} == names["z"]
    assert len(a.sources) == len(a.targets) == len(u) == len(z)
    rows = rows_of(graph)
    within = {s for bundle in bundles for s in bundle.sources}
    assert all(set(rows[z]) <= within for z in a.targets)
    # w are read, and what they are read for may cancel.
    assert {value[p] for bundle in b for p in bundle.sources} <= names["w"]
    assert all(bundle.targets == a.targets for bundle in b)
    assert [bundle.text[0] for bundle in bundles] == ["A", "B"][: len(bundles)]
    assert len({bundle.text[1:] for bundle in bundles}) == 1
    for bundle in bundles:
        matrix = graph.matrix(bundle)
        for i, target in enumerate(bundle.targets):
            for j, source in enumerate(bundle.sources):
                assert residue(matrix[i][j]) == rows[target].get(source, 0)
    # ∂z/∂u and ∂z/∂w by the steps alone, from the primal graph cut at u and w.
    primal = linearise(program, FractionPartials(program)).freeze()
    at = {vertex.value: vertex.id for vertex in primal.vertices}
    for bundle in bundles:
        starts = [at[value[p]] for p in bundle.sources]
        others = [at[value[p]] for other in bundles for p in other.sources]
        cut = tuple(edge for edge in primal.edges if edge.target not in others)
        local = FlowGraph(
            primal.algebra, primal.vertices, cut, tuple(starts), tuple(at[value[p]] for p in bundle.targets)
        )
        expected = map_of(local)
        matrix = graph.matrix(bundle)
        assert [[residue(x) for x in row] for row in matrix] == expected


@sparse_or_dense
def test_lumps_of_lumps_are_one_lump(sparse: bool) -> None:
    """Two and more consecutive lumps, made before or not, as one."""
    grouped = 0
    for program in sample("lumps of lumps"):
        for start in (layered(program, sparse), lumped(layered(program, sparse))):
            computed = [
                vertex.id
                for vertex in start.vertices
                if any(not edge.carry for edge in start.edges_into(vertex.id)) and vertex.id not in start.inputs
            ]
            facts = facts_of(program)
            cuts = [
                {program.name(program.n_inputs + k) for k in lump.steps}
                for lump in lumps_along(facts, sorted(facts.needed))
            ]
            value = value_of(start)
            for i, j in combinations(range(len(cuts) + 1), 2):
                if j - i < 2:
                    continue
                steps = set().union(*cuts[i:j])
                places = tuple(p for p in computed if value[p] in steps)
                if len(places) < 2:
                    continue
                after = checked(LUMP, start, Site(places))
                grouped += 1
                assert map_of(after) == map_of(start)
                rest = lumped(after)
                assert map_of(rest) == map_of(start)
                inverse = rest
                for site in INVERT.find(rest):
                    inverse = checked(INVERT, inverse, site)
                n = program.n_inputs
                assert times(map_of(inverse), transposed(map_of(start), n)) == identity(n)
    assert grouped > 60


def test_the_whole_program_is_one_lump() -> None:
    for program in sample("one lump", 15):
        graph = layered(program, False)
        computed = tuple(v.id for v in graph.vertices if any(not e.carry for e in graph.edges_into(v.id)))
        if len(computed) < 2:
            continue
        after = checked(LUMP, graph, Site(computed))
        assert map_of(after) == map_of(graph)
        assert len([e for e in after.edges if not e.carry and e.source not in after.inputs]) == 0


WRONG = {
    "a step is missing": (("t1", "z1"), "missing"),
    "an input": (("x", "t1"), "not computed"),
    "a copy": (("x@1", "t1"), "not computed"),
    "twice the same": (("t1", "t1"), "two different steps"),
    "one": (("t1",), "two different steps"),
    "none": ((), "two different steps"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_sites_are_refused_and_change_nothing(name: str) -> None:
    program = fg.parse("inputs x, y\nt1 = p(x)\nt2 = p(y)\nz1 = q(x, t1)\nz2 = q(y, t2)\noutputs z1, z2")
    graph = layered(program, False)
    place = {vertex.name: vertex.id for vertex in graph.vertices}
    names, says = WRONG[name]
    work = Workspace.of(graph)
    with pytest.raises(fg.NotApplicable, match=says):
        LUMP.rewrite(work, Site(tuple(place[n] for n in names)))
    assert work.freeze() == graph
    assert not work.delta().before
    assert not work.delta().after


def test_a_lump_is_no_site_of_the_graphs_in_which_it_would_not_be_one() -> None:
    program = fg.parse("inputs x, y\nu = f(x, y)\nv = g(x, y, u)\noutputs u, v")
    stages = fg.derive(program, "reverse-inverse", labels="fractions").stages
    place = {vertex.name: vertex.id for vertex in stages["layered"].vertices}
    site = Site((place["u"], place["v"]))
    assert LUMP.find(stages["layered"]) == (site,)
    # In the primal graph u is an output and read by v: it has no copy that outlives the lump.
    assert LUMP.find(stages["primal"]) == ()
    with pytest.raises(fg.NotApplicable, match="carry live values first"):
        LUMP.apply(stages["primal"], site)
    once = LUMP.apply(stages["layered"], site)
    (bundle, *_) = once.bundles
    with pytest.raises(fg.NotApplicable, match="one step already"):
        LUMP.apply(once, Site(bundle.targets))
    assert LUMP.find(stages["inverted"]) == ()
    # Written out, A⁻¹ is a square matrix like any other.
    (site,) = LUMP.find(stages["expanded"])
    assert map_of(checked(LUMP, stages["expanded"], site)) == map_of(stages["expanded"])
    three = fg.parse("inputs x, y, p\nu = f(x, y, p)\nv = g(x, y, p)\noutputs u, v, p")
    inverted = fg.derive(three, "reverse-inverse", labels="fractions").stages["inverted"]
    with pytest.raises(fg.NotApplicable):
        LUMP.apply(inverted, Site(inverted.bundles[0].targets))


# -- invert and expand -------------------------------------------------------------------------------------------------


@sparse_or_dense
def test_every_layer_of_lumps_is_inverted(sparse: bool) -> None:
    for program in sample("inverted"):
        graph, n = lumped(layered(program, sparse)), program.n_inputs
        facts = facts_of(program)
        found = lumps_along(facts, sorted(facts.needed))
        sites = INVERT.find(graph)
        assert [len(site.vertices) for site in sites] == [len(lump.consumed) for lump in found]
        inverse = graph
        for site in sites:
            after = checked(INVERT, inverse, site)
            assert_layer_inverted(inverse, after, site)
            inverse = after
        assert times(map_of(inverse), transposed(map_of(graph), n)) == identity(n)
        texts = [bundle.text for bundle in inverse.bundles]
        assert all(text.endswith("inv") or "inv*B" in text for text in texts)
        assert len(set(texts)) == len(texts)
        expanded = inverse
        for site in EXPAND.find(inverse):
            after = checked(EXPAND, expanded, site)
            assert (after.edges, after.vertices) == (expanded.edges, expanded.vertices)
            assert len(after.bundles) == len(expanded.bundles) - 1
            expanded = after
        assert expanded.bundles == ()
        assert map_of(expanded) == map_of(inverse)


def assert_layer_inverted(before: FlowGraph, after: FlowGraph, site: Site) -> None:
    old, new = rows_of(before), rows_of(after)
    targets = list(site.vertices)
    dying = sorted({s for t in targets for s in old[t]} - {s for t in old if t not in targets for s in old[t]})
    living = sorted({s for t in targets for s in old[t]} - set(dying))
    copies = [t for s in living for t in old if t not in targets and s in old[t]]
    assert len(dying) == len(targets)
    rows, columns = [*targets, *copies], [*dying, *living]
    l, inverse = ([[rs[t].get(s, 0) for s in columns] for t in rows] for rs in (old, new))  # noqa: E741
    assert times(inverse, transposed(l, len(columns))) == identity(len(rows))
    changed = {t for t in old if old[t] != new[t]}
    assert changed <= set(rows)
    # The pattern: A⁻¹ and −A⁻¹B leave u, and the carry edges of w stay.
    assert all(set(new[t]) <= set(dying) for t in targets)
    assert all(new[t][s] == 1 for s, t in zip(living, copies, strict=True))


@sparse_or_dense
def test_expanded_before_it_is_inverted_a_lump_can_be_made_again(sparse: bool) -> None:
    again = 0
    for program in sample("again", 120):
        first = lumped(layered(program, sparse))
        graph = first
        for site in EXPAND.find(graph):
            graph = checked(EXPAND, graph, site)
        assert graph.bundles == ()
        assert EXPAND.find(graph) == ()
        for bundle in first.bundles:
            if bundle.text.startswith("A"):
                before = [edge for edge in graph.edges if not edge.carry]
                graph = checked(LUMP, graph, Site(bundle.targets))
                assert [edge for edge in graph.edges if not edge.carry] == before
                again += 1
        assert {(b.sources, b.targets) for b in graph.bundles} == {(b.sources, b.targets) for b in first.bundles}
        assert map_of(graph) == map_of(first)
    assert again > 10


def test_a_group_that_is_no_lump_is_not_inverted() -> None:
    program = fg.parse("inputs x, y, p\nu = f(x, y, p)\nv = g(x, y, p)\nz = h(p)\nw = k(z, u)\noutputs v, w, z")
    graph = lumped(layered(program, False))
    (bundle, *_) = graph.bundles
    for places in (
        bundle.targets[:1],
        (*bundle.targets, bundle.targets[0]),
        bundle.sources,
        (*bundle.targets, *bundle.sources),
        (*bundle.targets, (99, 99)),
    ):
        work = Workspace.of(graph)
        with pytest.raises(fg.NotApplicable):
            INVERT.rewrite(work, Site(tuple(places)))
        assert work.freeze() == graph
        assert not work.delta().before
    # In another order it is the same lump.
    turned = INVERT.apply(graph, Site(bundle.targets[::-1]))
    assert map_of(turned) == map_of(INVERT.apply(graph, Site(bundle.targets)))


def test_a_singular_matrix_is_refused_and_named() -> None:
    program = fg.parse("inputs x, y\ns = x + y\nr = y + x\noutputs s, r")
    graph = lumped(layered(program, False))
    assert [bundle.text for bundle in graph.bundles] == ["A1"]
    assert INVERT.find(graph) == ()
    site = Site(graph.bundles[0].targets)
    with pytest.raises(fg.NotApplicable, match="matrix of partials with respect to x, y, which die there") as caught:
        INVERT.apply(graph, site)
    assert caught.value.place == site.vertices[0]
    with pytest.raises(fg.NotApplicable):
        list(INVERT.run(Workspace.of(graph)))


@pytest.mark.parametrize("wrong", [(), ((0, 0),), ((0, 0), (9, 9))])
def test_no_bundle_leads_there(wrong: tuple[tuple[int, int], ...]) -> None:
    graph = fg.derive(fg.parse("inputs x, y\nu = f(x, y)\nv = g(x, y)\noutputs u, v"), "reverse-inverse").stages
    work = Workspace.of(graph["lumped"])
    with pytest.raises(fg.NotApplicable, match="no bundle of edges"):
        EXPAND.rewrite(work, Site(wrong))
    assert work.freeze() == graph["lumped"]
    bundle = graph["lumped"].bundles[0]
    with pytest.raises(fg.NotApplicable, match="no bundle of edges"):
        EXPAND.rewrite(work, Site((*bundle.targets, *bundle.sources)))


# -- bundles -----------------------------------------------------------------------------------------------------------


def test_bundles_are_what_is_printed_and_written() -> None:
    program = fg.parse("inputs x, y, p\nu = f(x, y, p)\nv = g(x, y, p)\noutputs u, v, p")
    stages = fg.derive(program, "reverse-inverse").stages
    assert str(stages["lumped"]).splitlines()[1:3] == ["x y -> u v : A1", "p -> u v : B1"]
    data = json.loads(json.dumps(stages["lumped"].to_json()))
    assert [b["matrix"] for b in data["bundles"]] == ["A1", "B1"]
    assert [b.latex for b in stages["lumped"].bundles] == ["\\mathbf{A}_{1}", "\\mathbf{B}_{1}"]
    assert [b.latex for b in stages["inverted"].bundles] == [
        "\\mathbf{A}_{1}^{-1}",
        "-\\mathbf{A}_{1}^{-1}\\mathbf{B}_{1}",
    ]
    graph = stages["inverted"]
    for edge in graph.edges:
        bundle = graph.bundle_of(edge)
        assert (bundle is None) == edge.carry
        assert bundle is None or bundle.holds(edge.source, edge.target)
    # Reversed, the bundles are turned round.
    turned = fg.RULES["reverse"].apply(graph, Site())
    assert [(b.sources, b.targets) for b in turned.bundles] == [(b.targets, b.sources) for b in graph.bundles]
    assert fg.RULES["reverse"].apply(turned, Site()) == graph


def test_a_bundle_needs_vertices_and_ends_where_a_row_changes() -> None:
    program = fg.parse("inputs x, y\nu = f(x, y)\nv = g(x, y)\noutputs u, v")
    graph = fg.derive(program, "reverse-inverse", labels="fractions").stages["lumped"]
    ends = graph.bundles[0]
    with pytest.raises(fg.GraphError, match="bundle"):
        FlowGraph(
            graph.algebra,
            graph.vertices,
            graph.edges,
            graph.inputs,
            graph.outputs,
            (Bundle(ends.sources, ((9, 9),), "A", "A"),),
        )
    work = Workspace.of(graph)
    assert all(work.is_bundled(place) for place in ends.targets)
    assert not any(work.is_bundled(place) for place in ends.sources)
    work.set_row(ends.targets[0], work.rows[ends.targets[0]][:1])
    assert work.bundles == []
    assert not any(work.is_bundled(place) for place in ends.targets)
    assert graph.bundles == (ends,)
    copy = Workspace.of(graph).copy()
    copy.remove_bundle(ends)
    assert copy.freeze().bundles == ()
    assert copy.freeze().edges == graph.edges
    copy.rename(ends.targets[0], "other")
    assert copy.freeze().vertex(ends.targets[0]).name == "other"


@pytest.mark.parametrize("path", LUMPED, ids=lambda path: path.stem)
def test_the_stages_of_every_example_with_lumps(path: Any) -> None:
    program = fg.load(path)
    derivation = fg.derive(program, "forward-inverse", labels="fractions")
    stages, n = derivation.stages, program.n_inputs
    jacobian = map_of(stages["primal"])
    assert map_of(stages["layered"]) == map_of(stages["lumped"]) == jacobian
    for name in ("inverted", "expanded", "shifted", "unlayered"):
        assert times(map_of(stages[name]), transposed(jacobian, n)) == identity(n)
    assert times(map_of(stages["reversed"]), jacobian) == identity(n)
    found = lumps_along(facts_of(derivation.program), range(program.n_steps))
    assert len(INVERT.find(stages["lumped"])) == len(found)
    assert sum(b.text.startswith("A") for b in stages["lumped"].bundles) == sum(len(x.consumed) > 1 for x in found)
    assert not any(edge.carry for edge in stages["unlayered"].edges)
