"""The decisions about effects: never a yes to what changed the map, and no to each planted error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

import flowgraph as fg
from flowgraph.effects import (
    graph_equations,
    implied,
    inverted_layer,
    kept_map,
    program_equations,
    transposed,
)
from flowgraph.graph import FlowGraph, Vertex, VertexId, Workspace, difference
from flowgraph.labels import FractionLabels, LabelAlgebra
from flowgraph.partials import FractionPartials, linearise
from flowgraph.symbolic import Row, add_to
from tests.modular import identity, map_of, residue, rows_of, times
from tests.modular import transposed as turned
from tests.strategies import equasive_programs, invertible_programs

PROGRAM = fg.parse("inputs x1, x2, x3\nz1 = f(x1, x2)\nz2 = g(x3, z1)\nz3 = h(z1, x2, z2)\noutputs z3, x2, z2")
LUMPED = fg.parse(
    "inputs x, y, p\nu = f(x, y, p)\nv = g(x, y)\nz = h(u, v, p)\nw = k(z, v)\nq = l(p, w)\noutputs z, q, w"
)
STAGES = fg.derive(PROGRAM, "forward-inverse", labels="fractions").stages


# -- kept_map ---------------------------------------------------------------------------------------------------------


def scale(work: Workspace, random: Random) -> None:
    """Multiply the row of a vertex by 3 and divide every edge that leaves it by 3; it must be no output."""
    algebra = work.algebra
    places = [p for p in work.rows if p not in work.output_places and p not in work.input_places and work.rows[p]]
    if not places:
        return
    place = random.choice(places)
    three = algebra.number(Fraction(3))
    work.set_row(place, tuple((s, algebra.mul(x, three), False) for s, x, _ in work.rows[place]))
    for target in list(work.readers[place]):
        row = work.rows[target]
        third = algebra.reciprocal(three)
        work.set_row(target, tuple((s, algebra.mul(x, third) if s == place else x, False) for s, x, _ in row))


def split(work: Workspace, random: Random) -> None:
    """Put a new vertex on an edge."""
    edges = [(target, k) for target, row in work.rows.items() for k in range(len(row))]
    if not edges:
        return
    target, k = random.choice(edges)
    source, label, _ = work.rows[target][k]
    place = (100 + len(work.vertices), target[1])
    work.add_vertex(Vertex(*place, f"new{len(work.vertices)}", "new"))
    work.set_row(place, ((source, label, False),))
    row = list(work.rows[target])
    row[k] = (place, work.algebra.one, False)
    work.set_row(target, tuple(row))


def substitute(work: Workspace, random: Random) -> None:
    """Replace an edge p→q by the edges into p, times its label: right, but not to be seen from q alone."""
    algebra = work.algebra
    edges = [
        (target, k) for target, row in work.rows.items() for k in range(len(row)) if row[k][0] not in work.input_places
    ]
    if not edges:
        return
    target, k = random.choice(edges)
    source, label, _ = work.rows[target][k]
    row = list(work.rows[target])
    row[k : k + 1] = [(s, algebra.mul(label, x), False) for s, x, _ in work.rows[source]]
    work.set_row(target, tuple(row))


def halve(work: Workspace, random: Random) -> None:
    """Make two parallel edges of one."""
    edges = [(target, k) for target, row in work.rows.items() for k in range(len(row))]
    if not edges:
        return
    target, k = random.choice(edges)
    source, label, _ = work.rows[target][k]
    half = work.algebra.mul(label, work.algebra.number(Fraction(1, 2)))
    row = list(work.rows[target])
    row[k : k + 1] = [(source, half, False), (source, half, False)]
    random.shuffle(row)
    work.set_row(target, tuple(row))


def relabel(work: Workspace, random: Random) -> None:
    edges = [(target, k) for target, row in work.rows.items() for k in range(len(row))]
    if edges:
        target, k = random.choice(edges)
        row = list(work.rows[target])
        source, label, _ = row[k]
        changed = random.choice((work.algebra.neg(label), work.algebra.add(label, label), work.algebra.zero))
        row[k] = (source, changed, False)
        work.set_row(target, tuple(row))


def drop(work: Workspace, random: Random) -> None:
    targets = [target for target, row in work.rows.items() if row]
    if targets:
        target = random.choice(targets)
        row = list(work.rows[target])
        row.pop(random.randrange(len(row)))
        work.set_row(target, tuple(row))


def add_edge(work: Workspace, random: Random) -> None:
    target = random.choice(list(work.rows))
    earlier = [place for place in work.rows if place[1] < target[1] and place[0] < 100]
    if earlier and target[0] < 100:
        label = work.algebra.number(Fraction(random.randint(1, 3)))
        work.set_row(target, (*work.rows[target], (random.choice(earlier), label, False)))


def move_output(work: Workspace, random: Random) -> None:
    if work.outputs:
        work.move_outputs(random.choice(work.outputs), random.choice(list(work.rows)))


def redirect(work: Workspace, random: Random) -> None:
    old, new = random.choice(list(work.rows)), random.choice(list(work.rows))
    if new[1] <= old[1] and old[0] < 100 and new[0] < 100 and old not in work.readers[new]:
        work.replace_source(old, new)


KEEPING = (scale, split, halve)
OTHERS = (substitute, relabel, drop, add_edge, move_output, redirect)


def layered(program: fg.Program) -> FlowGraph:
    return fg.derive(program, "forward", labels="fractions").stages["layered"]


programs = equasive_programs(operations=("add", "sin"), max_inputs=3, max_steps=4)


@settings(max_examples=60, deadline=None)
@given(programs, st.lists(st.sampled_from(KEEPING), min_size=1, max_size=4), st.integers(0, 10**6))
def test_what_keeps_the_map_is_seen_to(program: fg.Program, changes: list[Callable[..., None]], seed: int) -> None:
    graph = layered(program)
    work = Workspace.of(graph)
    random = Random(seed)
    for change in changes:
        change(work, random)
    assert map_of(work.freeze()) == map_of(graph)
    assert kept_map(work.delta()) is None
    if len(changes) == 1:  # a row that changed twice and came back is not in the difference
        assert kept_map(difference(graph, work.freeze())) is None


@settings(max_examples=150, deadline=None)
@given(programs, st.lists(st.sampled_from(KEEPING + OTHERS), min_size=1, max_size=4), st.integers(0, 10**6))
def test_what_is_said_to_keep_the_map_does(program: fg.Program, changes: list[Callable[..., None]], seed: int) -> None:
    graph = layered(program)
    work = Workspace.of(graph)
    random = Random(seed)
    for change in changes:
        change(work, random)
    after = work.freeze()
    try:
        same = map_of(after) == map_of(graph)
    except ValueError:  # a cycle
        same = False
    if not same:
        assert kept_map(work.delta()) is not None
        assert kept_map(difference(graph, after)) is not None


def small() -> Workspace:
    return Workspace.of(STAGES["layered"])


def test_each_planted_change_has_a_witness_that_names_its_row() -> None:
    for change, says in ((relabel, "became"), (drop, "became"), (add_edge, "became")):
        found = []
        for seed in range(12):
            work = small()
            change(work, Random(seed))
            if map_of(work.freeze()) != map_of(STAGES["layered"]):
                found.append(kept_map(work.delta()))
        assert found
        assert all(witness is not None and says in witness for witness in found)


def test_a_vertex_in_use_does_not_vanish_or_appear_unseen() -> None:
    work = small()
    work.add_vertex(Vertex(50, 1, "new", "new"))
    work.set_row((50, 1), (((0, 0), work.algebra.one, False),))
    last = work.outputs[0]
    work.set_row(last, (*work.rows[last], ((50, 1), work.algebra.one, False)))
    assert "became" in (kept_map(work.delta()) or "")
    graph = work.freeze()
    work.forget()
    work.set_row(last, work.rows[last][:-1])
    work.remove_vertex((50, 1))
    assert "became" in (kept_map(work.delta()) or "")
    assert kept_map(difference(graph, graph)) is None
    assert kept_map(difference(STAGES["layered"], graph)) is not None


# -- inverted_layer ---------------------------------------------------------------------------------------------------


def layer(rows: list[list[int]]) -> Workspace:
    """A graph of one layer: value j of row 0 to value i of row 1."""
    algebra = FractionLabels(())
    work = Workspace(algebra)
    n = len(rows)
    for time in (0, 1):
        for k in range(n):
            work.add_vertex(Vertex(k, time, f"{'xy'[time]}{k}", f"{'xy'[time]}{k}"))
    for k in range(n):
        work.add_input((k, 0))
        work.add_output((k, 1))
    fill(work, rows)
    work.forget()
    return work


def fill(work: Workspace, rows: list[list[int]]) -> None:
    for i, row in enumerate(rows):
        work.set_row((i, 1), tuple(((j, 0), work.algebra.number(Fraction(x)), False) for j, x in enumerate(row) if x))


entries = st.integers(-3, 3)
squares = st.integers(1, 3).flatmap(
    lambda n: st.lists(st.lists(entries, min_size=n, max_size=n), min_size=n, max_size=n)
)


@settings(max_examples=100, deadline=None)
@given(squares, st.data())
def test_a_layer_is_inverted_exactly_where_the_product_is_one(rows: list[list[int]], data: st.DataObject) -> None:
    import sympy

    matrix = sympy.Matrix(rows)
    if matrix.det() == 0:
        reject()
    work = layer(rows)
    algebra = work.algebra
    right = (matrix.inv().T).tolist()
    n = len(rows)
    for i in range(n):
        entries = [((j, 0), algebra.number(Fraction(int(x.p), int(x.q))), False) for j, x in enumerate(right[i])]
        work.set_row((i, 1), tuple(data.draw(st.permutations(entries))))
    assert inverted_layer(work.delta()) is None
    i, j = data.draw(st.integers(0, n - 1)), data.draw(st.integers(0, n - 1))
    work.set_row((i, 1), tuple((s, algebra.add(x, algebra.one) if s[0] == j else x, c) for s, x, c in work.rows[i, 1]))
    assert "of the new layer times row" in (inverted_layer(work.delta()) or "")


@settings(max_examples=60, deadline=None)
@given(squares, squares)
def test_a_wrong_layer_is_never_taken_for_the_inverse(rows: list[list[int]], others: list[list[int]]) -> None:
    if len(rows) != len(others):
        reject()
    work = layer(rows)
    fill(work, others)
    n = len(rows)
    right = [[sum(a * b for a, b in zip(x, y, strict=True)) for y in rows] for x in others] == identity(n)
    assert (inverted_layer(work.delta()) is None) == right


def test_the_layers_of_a_derivation_one_by_one() -> None:
    graph = STAGES["layered"]
    for site in fg.RULES["invert"].find(graph):
        after = fg.RULES["invert"].apply(graph, site)
        delta = difference(graph, after)
        assert inverted_layer(delta) is None
        targets = [vertex.id for vertex in graph.vertices if vertex.id in delta.before]
        old, new = rows_of(graph), rows_of(after)
        sources = sorted({s for t in targets for s in old[t]})
        before, inverse = ([[rows[t].get(s, 0) for s in sources] for t in targets] for rows in (old, new))
        assert times(inverse, turned(before, len(sources))) == identity(len(targets))


def wrong_sign(work: Workspace, z: VertexId) -> None:
    for place, row in list(work.rows.items()):
        if place != z and place[1] == z[1] and len(row) == 2:
            work.set_row(place, tuple((s, x if c else work.algebra.neg(x), c) for s, x, c in row))


def no_division(work: Workspace, z: VertexId) -> None:
    work.set_row(z, tuple((s, work.algebra.reciprocal(x), c) for s, x, c in work.rows[z]))


def edge_lost(work: Workspace, z: VertexId) -> None:
    for place, row in list(work.rows.items()):
        if place != z and place[1] == z[1] and len(row) == 2:
            work.set_row(place, row[:1])


def wrong_column(work: Workspace, z: VertexId) -> None:
    """−b/a leaves the passive argument instead of the one that dies."""
    for place, row in list(work.rows.items()):
        if place != z and place[1] == z[1] and len(row) == 2:
            work.set_row(place, (row[0], (row[0][0], row[1][1], False)))


def an_output_moves(work: Workspace, z: VertexId) -> None:
    work.move_outputs(work.outputs[0], z)


def another_layer_changes(work: Workspace, z: VertexId) -> None:
    place = max(work.rows, key=lambda p: (p[1] != z[1], bool(work.rows[p]), p))
    work.set_row(place, tuple((s, work.algebra.add(x, x), False) for s, x, _ in work.rows[place]))


def somebody_else_reads(work: Workspace, z: VertexId) -> None:
    (source, _, _), *_ = work.rows[z]
    place = max(work.rows, key=lambda p: (p[1], p))
    work.set_row(place, (*work.rows[place], (source, work.algebra.one, False)))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (wrong_sign, "of the new layer times row"),
        (no_division, "of the new layer times row"),
        (edge_lost, "of the new layer times row"),
        (wrong_column, "of the new layer times row"),
        (an_output_moves, "output was moved"),
        (another_layer_changes, "not one layer"),
        (somebody_else_reads, "not one layer"),
    ],
)
def test_each_planted_inversion_has_its_witness(spoil: Callable[[Workspace, VertexId], None], says: str) -> None:
    site = fg.RULES["invert"].find(STAGES["layered"])[0]
    work = small()
    fg.RULES["invert"].rewrite(work, site)
    assert inverted_layer(work.delta()) is None
    spoil(work, site.vertices[0])
    assert says in (inverted_layer(work.delta()) or "")


def test_a_layer_whose_values_something_else_reads_is_no_layer() -> None:
    work = layer([[2, 0], [1, 1]])
    work.add_vertex(Vertex(0, 2, "w", "w"))
    work.set_row((0, 2), (((0, 0), work.algebra.one, False),))
    work.forget()
    half = work.algebra.number(Fraction(1, 2))
    work.set_row((0, 1), (((0, 0), half, False), ((1, 0), work.algebra.neg(half), False)))
    work.set_row((1, 1), (((1, 0), work.algebra.one, False),))
    assert "read by rows that did not change" in (inverted_layer(work.delta()) or "")


LUMP_STAGES = fg.derive(LUMPED, "reverse-inverse", labels="fractions").stages


@pytest.mark.parametrize("sparse", [False, True])
def test_the_layers_of_lumps_one_by_one(sparse: bool) -> None:
    """Targets of one layer may stand in several rows, as they do where values are carried sparsely."""
    graph = fg.derive(LUMPED, "reverse-inverse", labels="fractions", sparse=sparse).stages["lumped"]
    sites = fg.RULES["invert"].find(graph)
    assert {len(site.vertices) for site in sites} == {1, 2}
    for site in sites:
        delta = difference(graph, fg.RULES["invert"].apply(graph, site), site.vertices)
        assert inverted_layer(delta) is None
        for target, row in delta.after.items():
            for k, (source, label) in enumerate(row):
                algebra = graph.algebra
                for wrong in (algebra.neg(label), algebra.add(label, algebra.one), algebra.zero):
                    spoilt = dict(delta.after)
                    spoilt[target] = (*row[:k], (source, wrong), *row[k + 1 :])
                    assert "of the new layer times row" in (inverted_layer(replace(delta, after=spoilt)) or "")
            assert inverted_layer(replace(delta, after={**delta.after, target: row[:-1]})) is not None


def test_a_lump_that_is_not_transposed_is_not_inverted() -> None:
    """A⁻¹ where A⁻ᵀ belongs, and the rows of A⁻ᵀ in another order."""
    graph = LUMP_STAGES["lumped"]
    site = next(site for site in fg.RULES["invert"].find(graph) if len(site.vertices) == 2)
    delta = difference(graph, fg.RULES["invert"].apply(graph, site), site.vertices)
    one, two = site.vertices
    ((s1, a), (s2, c)), ((_, b), (_, d)) = delta.after[one], delta.after[two]
    for rows in (((a, b), (c, d)), ((b, d), (a, c))):
        spoilt = {**delta.after, one: tuple(zip((s1, s2), rows[0], strict=True))}
        spoilt[two] = tuple(zip((s1, s2), rows[1], strict=True))
        assert "of the new layer times row" in (inverted_layer(replace(delta, after=spoilt)) or "")
    same = {**delta.after, one: ((s2, c), (s1, a)), two: ((s2, d), (s1, b))}
    assert inverted_layer(replace(delta, after=same)) is None


def test_a_layer_that_reads_its_own_rows_is_none() -> None:
    graph = LUMP_STAGES["lumped"]
    site = next(site for site in fg.RULES["invert"].find(graph) if len(site.vertices) == 2)
    delta = difference(graph, fg.RULES["invert"].apply(graph, site), site.vertices)
    one, two = site.vertices
    own = {**delta.after, two: (*delta.after[two], (one, graph.algebra.one))}
    assert inverted_layer(replace(delta, after=own)) == "the changed rows are not one layer"
    lost = {place: row for place, row in delta.after.items() if place != two}
    assert inverted_layer(replace(delta, after=lost)) == "vertices were added or removed"


# -- transposed -------------------------------------------------------------------------------------------------------


def parts(graph: FlowGraph):
    return [(e.source, e.target, e.label) for e in graph.edges], graph.inputs, graph.outputs


@pytest.mark.parametrize("stage", STAGES)
def test_a_graph_turned_round(stage: str) -> None:
    graph = STAGES[stage]
    after = fg.RULES["reverse"].apply(graph, fg.Site())
    algebra = graph.algebra
    edges, inputs, outputs = parts(after)
    assert transposed(algebra, parts(graph), (edges, inputs, outputs)) is None
    assert transposed(algebra, parts(graph), (edges[::-1], inputs, outputs)) is None
    (s, t, x), *rest = edges
    halves = [(s, t, algebra.mul(x, algebra.number(Fraction(1, 2))))] * 2
    assert transposed(algebra, parts(graph), ([*rest, *halves], inputs, outputs)) is None
    for wrong in (rest, [*edges, (s, t, algebra.one)], [(s, t, algebra.neg(x)), *rest], [(t, s, x), *rest]):
        assert "edges are not the same" in (transposed(algebra, parts(graph), (wrong, inputs, outputs)) or "")
    for ends in ((outputs, inputs), (inputs[::-1], outputs), (inputs, outputs[:-1]), (inputs, outputs[::-1])):
        assert "inputs and outputs" in (transposed(algebra, parts(graph), (edges, *ends)) or "")
    assert transposed(algebra, parts(graph), parts(graph)) is not None


# -- solved forms -----------------------------------------------------------------------------------------------------


lumpy = invertible_programs(operations=("add", "sin"), functions=("f", "g"), max_inputs=3, max_steps=5, guards=False)


def zero_forms(algebra: LabelAlgebra, equations: Mapping[str, Row]) -> list[Row]:
    """ż − Σ c·ẋ of each equation."""
    return [{name: algebra.one, **{x: algebra.neg(c) for x, c in row.items()}} for name, row in equations.items()]


@settings(max_examples=60, deadline=None)
@given(programs | lumpy, st.randoms(use_true_random=False))
def test_combinations_of_the_equations_are_implied_and_nothing_else(program: fg.Program, random: Random) -> None:
    """Any combination Σ k·(ż − Σ c·ẋ) vanishes; with one coefficient of an input or a result changed it does not."""
    program = program.without_dead_code()
    labelling = FractionPartials(program)
    algebra = labelling.algebra
    equations = program_equations(program, algebra, labelling.partial)
    assert list(equations) == [program.name(program.n_inputs + k) for k in range(program.n_steps)]
    forms = zero_forms(algebra, equations)
    assert implied(algebra, equations, forms) is None
    assert implied(algebra, equations, []) is None
    assert implied(algebra, equations, [{}]) is None
    combined: list[Row] = []
    for _ in range(3):
        total: Row = {}
        for form in forms:
            factor = algebra.number(Fraction(random.choice((-2, 0, 1, 3)), random.choice((1, 7))))
            for name, label in form.items():
                add_to(algebra, total, name, algebra.mul(factor, label))
        names = list(total)
        random.shuffle(names)
        combined.append({name: total[name] for name in names})
    assert implied(algebra, equations, combined) is None
    if not program.n_inputs:
        return
    # The tangent of an input is free, so a form with one more of it does not vanish.
    spoilt = dict(random.choice(combined))
    add_to(algebra, spoilt, program.name(random.randrange(program.n_inputs)), algebra.one)
    assert "does not follow from the program" in (implied(algebra, equations, [*combined, spoilt]) or "")


def test_a_form_that_vanishes_for_one_value_of_the_labels_only_is_not_implied() -> None:
    labelling = FractionPartials(PROGRAM)
    algebra = labelling.algebra
    assert isinstance(algebra, FractionLabels)
    a, b = list(algebra.symbols.values())[:2]
    equations = program_equations(PROGRAM, algebra, labelling.partial)
    right: Row = {"z1": algebra.one, "x1": algebra.neg(a), "x2": algebra.neg(b)}
    assert implied(algebra, equations, [right]) is None
    spoilt: tuple[Row, ...] = (
        {**right, "x2": algebra.neg(a)},
        {**right, "x2": b},
        {**right, "x3": algebra.one},
        {"z1": algebra.one, "x1": algebra.neg(a)},
        {"z1": a, "x1": algebra.neg(a), "x2": algebra.neg(b)},
        {"z3": algebra.one},
        {"x1": algebra.one},
    )
    for wrong in spoilt:
        witness = implied(algebra, equations, [right, wrong])
        assert witness is not None
        assert "is left" in witness
    # A value that the program does not have is as free as an input.
    assert implied(algebra, equations, [{"nobody": algebra.one}]) is not None
    scaled: Row = {name: algebra.mul(label, algebra.reciprocal(algebra.mul(a, b))) for name, label in right.items()}
    assert implied(algebra, equations, [scaled]) is None


def test_one_equation_more_and_one_less() -> None:
    """Equations in terms of each other: a chain is followed to the inputs, and a missing link is seen."""
    algebra = FractionLabels(())
    one, minus = algebra.one, algebra.neg(algebra.one)
    equations: dict[str, Row] = {"u": {"x": one}, "v": {"u": one, "x": one}, "w": {"v": one, "u": minus}}
    assert implied(algebra, equations, [{"w": one, "x": minus}]) is None
    assert implied(algebra, equations, [{"w": one, "v": minus, "u": one}]) is None
    assert implied(algebra, {k: equations[k] for k in "uv"}, [{"w": one, "x": minus}]) is not None
    assert implied(algebra, equations, [{"w": one, "x": one}]) is not None
    assert implied(algebra, equations, [{"w": one, "x": minus}, {"v": one, "x": minus}]) is not None


@pytest.mark.parametrize("program", [PROGRAM, LUMPED], ids=["equasive", "lumps"])
def test_the_solved_forms_of_the_modes_are_the_program(program: fg.Program) -> None:
    for mode in fg.Mode:
        derivation = fg.derive(program, mode, labels="fractions")
        graph = derivation.graph
        labelling = FractionPartials(derivation.program)
        equations = program_equations(derivation.program, labelling.algebra, labelling.partial)
        back = mode in ("reverse", "reverse-inverse")
        found = graph_equations(graph, transpose=back)
        assert isinstance(found, list)
        assert implied(labelling.algebra, equations, found) is None
        for k in range(len(graph.edges)):
            fewer = FlowGraph(
                graph.algebra, graph.vertices, graph.edges[:k] + graph.edges[k + 1 :], graph.inputs, graph.outputs
            )
            spoilt = graph_equations(fewer, transpose=back)
            assert isinstance(spoilt, list)
            assert implied(labelling.algebra, equations, spoilt) is not None
        wrong_way = graph_equations(graph, transpose=not back)
        assert isinstance(wrong_way, str) or implied(labelling.algebra, equations, wrong_way) is not None
    assert graph_equations(STAGES["layered"]) == "a value has several vertices"
    assert "added to the input" in str(graph_equations(STAGES["unlayered"]))


def test_residues_of_the_oracle_are_those_of_a_field() -> None:
    work = linearise(PROGRAM, FractionPartials(PROGRAM))
    labels = [label for row in work.rows.values() for _, label, _ in row]
    x, y = labels[0], labels[1]
    assert residue(x * y + x) == (residue(x) * residue(y) + residue(x)) % 1_000_000_007
    assert residue(x / y) * residue(y) % 1_000_000_007 == residue(x)
    assert len({residue(label) for label in labels}) == len(labels)
