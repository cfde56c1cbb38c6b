"""Flow graphs and workspaces: what cannot be built, round trips, the journal, and what is taken home."""

from __future__ import annotations

import networkx
import pytest

import flowgraph as fg
from flowgraph.graph import Edge, FlowGraph, Vertex, Workspace, difference
from flowgraph.labels import FloatLabels

ALGEBRA = FloatLabels()
U, W, Z = Vertex(0, 0, "u", "u"), Vertex(1, 0, "w", "w"), Vertex(0, 1, "z", "z")
SMALL = FlowGraph(ALGEBRA, (U, W, Z), (Edge(U.id, Z.id, 2.0), Edge(W.id, Z.id, 3.0)), (U.id, W.id), (Z.id, W.id))


def test_what_is_no_graph() -> None:
    with pytest.raises(fg.GraphError, match="two vertices"):
        FlowGraph(ALGEBRA, (U, U), (), (), ())
    with pytest.raises(fg.GraphError, match="no vertex"):
        FlowGraph(ALGEBRA, (U,), (Edge(U.id, Z.id, 1.0),), (), ())
    with pytest.raises(fg.GraphError, match="no vertex"):
        FlowGraph(ALGEBRA, (U,), (), (Z.id,), ())
    with pytest.raises(fg.GraphError, match="no vertex there"):
        SMALL.vertex((7, 7))


def test_a_cycle_has_no_map() -> None:
    graph = FlowGraph(ALGEBRA, (U, Z), (Edge(U.id, Z.id, 1.0), Edge(Z.id, U.id, 1.0)), (U.id,), (Z.id,))
    with pytest.raises(fg.GraphError, match="cycle"):
        fg.linear_map(graph)


def test_looking() -> None:
    assert SMALL.vertex(Z.id) is Z
    assert [e.label for e in SMALL.edges_into(Z.id)] == [2.0, 3.0]
    assert [e.target for e in SMALL.edges_from(W.id)] == [Z.id]
    assert (SMALL.fan_in(Z.id), SMALL.fan_in(W.id)) == (2, 0)
    assert SMALL.additions == (Z,)
    assert str(SMALL) == "inputs u w, outputs z w\nu -> z : 2.0\nw -> z : 3.0"
    assert fg.linear_map(SMALL).tolist() == [[2.0, 3.0], [0.0, 1.0]]


def test_an_edge_into_an_input_is_an_addition() -> None:
    graph = FlowGraph(ALGEBRA, (U, W), (Edge(U.id, W.id, 5.0),), (U.id, W.id), (W.id,))
    assert graph.additions == (W,)
    assert fg.linear_map(graph).tolist() == [[5.0, 1.0]]


def test_parallel_edges_add() -> None:
    graph = FlowGraph(ALGEBRA, (U, Z), (Edge(U.id, Z.id, 2.0), Edge(U.id, Z.id, 3.0)), (U.id,), (Z.id,))
    assert fg.linear_map(graph).tolist() == [[5.0]]
    assert Workspace.of(graph).freeze() == graph


@pytest.mark.parametrize("mode", list(fg.Mode))
def test_a_workspace_gives_its_graph_back(mode: fg.Mode) -> None:
    program = fg.parse("inputs x, y, w\nz = f(x, y)\nv = g(y, z, w)\noutputs z, w, v")
    for graph in fg.derive(program, mode).stages.values():
        work = Workspace.of(graph)
        assert work.freeze() == graph
        assert work.copy().freeze() == graph
        assert not work.delta().before


def test_a_copy_is_independent() -> None:
    work = Workspace.of(SMALL)
    other = work.copy()
    other.set_row(Z.id, ())
    assert work.freeze() == SMALL
    assert other.freeze() != SMALL


def test_the_journal_holds_what_changed_and_nothing_else() -> None:
    work = Workspace.of(SMALL)
    work.set_row(Z.id, ((U.id, 2.0, False),))
    delta = work.delta()
    assert delta.before == {Z.id: ((U.id, 2.0), (W.id, 3.0))}
    assert delta.after == {Z.id: ((U.id, 2.0),)}
    assert delta.hidden == frozenset()  # an output reads z
    assert delta.unchanged_readers(W.id) == 1  # so does one read w
    direct = difference(SMALL, work.freeze())
    assert (direct.before, direct.after, direct.hidden) == (delta.before, delta.after, delta.hidden)
    work.forget()
    assert work.delta().before == {}


def test_what_is_in_use_is_not_removed() -> None:
    work = Workspace.of(SMALL)
    for place in (U.id, W.id, Z.id):
        with pytest.raises(fg.GraphError, match="in use"):
            work.remove_vertex(place)
    with pytest.raises(fg.GraphError, match="same place"):
        work.add_vertex(Vertex(0, 1, "again", "again"))


def test_networkx() -> None:
    graph = SMALL.to_networkx()
    assert set(graph.nodes) == {"u", "w", "z"}
    assert graph.nodes["z"] == {"register": 0, "time": 1, "value": "z"}
    assert sorted((s, t, d["label"]) for s, t, d in graph.edges(data=True)) == [("u", "z", 2.0), ("w", "z", 3.0)]
    assert networkx.is_directed_acyclic_graph(graph)


def test_linear_map_conversions() -> None:
    graph = fg.derive(fg.parse("inputs u, w\nz = f(u, w)\noutputs z, w"), "forward-inverse").graph
    with pytest.raises(fg.GraphError, match="no number") as caught:
        fg.linear_map(graph, {"a": 1.0})
    assert "b" in str(caught.value.remedy)
    with pytest.raises(fg.InputError):
        fg.linear_map(graph, "decimals")
    with pytest.raises(fg.GraphError, match="only symbolic"):
        fg.linear_map(SMALL, {"a": 1.0})
    rows = fg.linear_map(graph, "fractions")
    assert [[str(entry.as_expr()) for entry in row] for row in rows] == [["1/a", "-b/a"], ["0", "1"]]
    known = fg.derive(fg.parse("inputs x, y\nz = x * y\ny = exp(y)\noutputs z, y"), "forward").graph
    assert [[str(e.as_expr()) for e in row] for row in fg.linear_map(known, "fractions")] == [
        ["y", "x"],
        ["0", "exp(y)"],
    ]


def test_numbers_that_make_a_pivot_zero() -> None:
    graph = fg.derive(fg.parse("inputs u, w\nz = f(u, w)\noutputs z, w"), "forward-inverse").graph
    with pytest.raises(fg.GraphError, match="divides by zero"):
        fg.linear_map(graph, {"a": 0.0, "b": 1.0})


def test_reprs_are_short() -> None:
    derivation = fg.derive(fg.parse("inputs u, w\nz = f(u, w)\noutputs z, w"), "forward-inverse")
    assert repr(derivation.graph) == "<FlowGraph: 3 vertices, 2 edges, symbolic labels>"
    assert repr(derivation).startswith("<Derivation: forward-inverse, 5 steps")


def test_the_jacobian_of_a_kink_is_a_sign() -> None:
    import sympy

    (entry,) = fg.jacobian(fg.parse("inputs x\ny = abs(x)\noutputs y"))
    assert entry == sympy.sign(sympy.Symbol("x"))
