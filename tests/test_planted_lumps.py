"""Errors planted in what is done with lumps: each must be caught, in the rows of the report that name it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

import flowgraph as fg
from flowgraph import verification
from flowgraph.graph import Bundle, Workspace
from flowgraph.labels import FloatLabels, FractionLabels, LabelAlgebra, ResidueLabels, SymbolicLabels
from flowgraph.rewrite import lump as lump_module
from flowgraph.rewrite.engine import Site
from flowgraph.rewrite.expand import Expand
from flowgraph.rewrite.invert import Invert
from flowgraph.rewrite.lump import Lump
from tests.modular import map_of
from tests.test_planted import METHODS, rewrite_then
from tests.test_planted import failed as all_failed

INVERTED = "rule invert replaces one layer by its inverse transpose"
INVERSE_MODES = {"forward-inverse = J⁻¹", "reverse-inverse = J⁻ᵀ"}
FORWARD_ROWS = {"forward = J", "reverse = Jᵀ", "rule carry keeps the map", "rule reverse transposes the map"}


SYMBOLS = {"forward-inverse in symbols", "reverse-inverse in symbols"}


def failed(report: fg.Verification) -> set[str]:
    """The rows that fail, but for those of the symbolic labels, which the last tests plant errors in."""
    return all_failed(report) - SYMBOLS


def long_program() -> fg.Program:
    """Four lumps of size 2, with more than 400 paths, which is decided by its solved form alone."""
    lines = ["inputs x, y, p"]
    for _ in range(4):
        lines += ["u = f(x, y, p)", "v = g(x, y, p)", "x = h(u, v, p)", "y = k(u, v, p)"]
    return fg.parse("\n".join([*lines, "outputs x, y, p"]))


PROGRAMS = {
    "small": fg.parse("inputs x, y, p\nu = f(x, y, p)\nv = g(x, y, p)\nz = h(u, p)\noutputs v, z, p"),
    "three": fg.parse("inputs x, y, w\na = f(x, y, w)\nb = g(x, y, w)\nc = h(x, y, w)\noutputs c, a, b"),
    "long": long_program(),
}

every_program = pytest.mark.parametrize("program", PROGRAMS)
every_method = pytest.mark.parametrize("method", METHODS)


def test_nothing_fails_where_nothing_is_planted() -> None:
    for program in PROGRAMS.values():
        for method in METHODS:
            assert failed(fg.verify(program, method=method)) == set()
    rows = {check.subject: check.method for check in fg.verify(PROGRAMS["long"], method="exact").checks}
    assert rows["forward-inverse = J⁻¹"] == "fraction field, solved form"
    assert {len(b.targets) for b in fg.derive(PROGRAMS["three"], "forward-inverse").stages["lumped"].bundles} == {3}


# -- a wrong A⁻¹ -------------------------------------------------------------------------------------------------------

Rows = Sequence[Sequence[Any]]


def perturbed(algebra: LabelAlgebra, rows: Rows) -> Rows:
    """One added to the last entry."""
    changed = [list(row) for row in rows]
    changed[-1][-1] = algebra.add(changed[-1][-1], algebra.one)
    return changed


def transposed(algebra: LabelAlgebra, rows: Rows) -> Rows:
    return [list(column) for column in zip(*rows, strict=True)]


def entry_dropped(algebra: LabelAlgebra, rows: Rows) -> Rows:
    changed = [list(row) for row in rows]
    changed[0][1] = algebra.zero
    return changed


def wrong_sign(algebra: LabelAlgebra, rows: Rows) -> Rows:
    changed = [list(row) for row in rows]
    changed[1][0] = algebra.neg(changed[1][0])
    return changed


def rows_swapped(algebra: LabelAlgebra, rows: Rows) -> Rows:
    return [rows[1], rows[0], *rows[2:]]


SPOILT = (perturbed, transposed, entry_dropped, wrong_sign, rows_swapped)


def plant(monkeypatch: pytest.MonkeyPatch, method: str, spoil: Callable[[LabelAlgebra, Rows], Rows]) -> None:
    """Spoil ``inverse`` in every algebra that verification uses."""
    assert method in ("inverse", "solve")
    for kind in (FractionLabels, ResidueLabels, FloatLabels):
        original = getattr(kind, method)

        def wrong(self: LabelAlgebra, *args: Any, original: Callable[..., Any] = original) -> Rows:
            return spoil(self, original(self, *args))

        monkeypatch.setattr(kind, method, wrong)


@every_program
@every_method
@pytest.mark.parametrize("spoil", SPOILT, ids=lambda f: f.__name__)
def test_a_wrong_inverse_of_a_matrix(
    monkeypatch: pytest.MonkeyPatch, spoil: Callable[..., Rows], program: str, method: str
) -> None:
    plant(monkeypatch, "inverse", spoil)
    numeric = {"forward-inverse in NumPy", "reverse-inverse in NumPy"} if method == "exact" else set()
    assert failed(fg.verify(PROGRAMS[program], method=method)) == {INVERTED, *INVERSE_MODES, *numeric}


@pytest.mark.parametrize("program", ["small", "long"])
@every_method
def test_a_wrong_product_with_b(monkeypatch: pytest.MonkeyPatch, program: str, method: str) -> None:
    for spoil in (perturbed, lambda algebra, rows: rows[::-1]):
        with monkeypatch.context() as patch:
            plant(patch, "solve", spoil)
            numeric = {"forward-inverse in NumPy", "reverse-inverse in NumPy"} if method == "exact" else set()
            assert failed(fg.verify(PROGRAMS[program], method=method)) == {INVERTED, *INVERSE_MODES, *numeric}


@pytest.mark.parametrize("program", ["small", "long"])
@every_method
def test_b_that_is_forgotten(monkeypatch: pytest.MonkeyPatch, program: str, method: str) -> None:
    """The edges −A⁻¹B are lost: the copies keep their carry edges only."""

    def spoil(work: Workspace, site: Site) -> None:
        if len(site.vertices) > 1:
            for place, row in list(work.rows.items()):
                if len(row) > 1 and row[0][2]:
                    work.set_row(place, row[:1])

    monkeypatch.setattr(Invert, "rewrite", rewrite_then(Invert.rewrite, spoil))
    found = failed(fg.verify(PROGRAMS[program], method=method))
    assert {INVERTED, *INVERSE_MODES} <= found
    assert not (FORWARD_ROWS | {"rule lump keeps the map", "rule expand keeps the map"}) & found


# -- a wrong lump ------------------------------------------------------------------------------------------------------


def path_forgotten(work: Workspace, site: Site) -> None:
    """The last edge into the last result of the lump is lost."""
    bundle = work.bundles[-1]
    row = work.rows[bundle.targets[-1]]
    work.set_row(bundle.targets[-1], row[:-1])


def label_doubled(work: Workspace, site: Site) -> None:
    """As if a path had been counted twice."""
    bundle = work.bundles[-1]
    (source, label, carry), *rest = work.rows[bundle.targets[0]]
    work.set_row(bundle.targets[0], ((source, work.algebra.add(label, label), carry), *rest))


def results_swapped(work: Workspace, site: Site) -> None:
    one, two = work.bundles[-1].targets[:2]
    first, second = work.rows[one], work.rows[two]
    work.set_row(one, second)
    work.set_row(two, first)


@every_program
@every_method
@pytest.mark.parametrize("spoil", [path_forgotten, label_doubled, results_swapped], ids=lambda f: f.__name__)
def test_a_wrong_lump(
    monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Workspace, Site], None], program: str, method: str
) -> None:
    original = Lump.run

    def run(self: Lump, work: Workspace) -> Any:
        for site in original(self, work):
            bundles = list(work.bundles)
            spoil(work, site)
            for bundle in bundles:
                if bundle not in work.bundles:
                    work.add_bundle(bundle)
            yield site

    monkeypatch.setattr(Lump, "run", run)
    try:
        report = fg.verify(PROGRAMS[program], method=method)
    except fg.NotInvertible:
        # A lump without one of its paths may be singular. Then its own check is not reached, and nothing is claimed.
        assert spoil is path_forgotten
        return
    found = failed(report)
    assert {"rule lump keeps the map", *INVERSE_MODES} <= found
    assert not FORWARD_ROWS & found


@every_method
def test_a_lump_that_leaves_out_a_path_inside(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """z = q(x, t) with t = p(x): the product along x → t → z is not added to the edge x → z."""
    program = fg.parse("inputs x, y\nt = p(x, y)\nz = q(x, t)\nw = r(y, t)\noutputs z, w")
    assert failed(fg.verify(program, method=method)) == set()
    original = lump_module._group

    def group(work: Workspace, places: Any, rows: Any) -> None:
        inner = {p for p in places if work.vertices[p].value == "t"}
        for place in places:
            if any(s in inner for s, _, _ in work.rows[place]) and len(work.rows[place]) > 1:
                before = work.rows[place]
                work.set_row(place, tuple(entry for entry in before if entry[0] not in inner))
        original(work, places, rows)

    monkeypatch.setattr(lump_module, "_group", group)
    found = failed(fg.verify(program, method=method))
    assert {"rule lump keeps the map", *INVERSE_MODES} <= found
    assert not FORWARD_ROWS & found


# -- expansion and bundles ---------------------------------------------------------------------------------------------


@every_program
@every_method
def test_an_expansion_that_changes_a_label(monkeypatch: pytest.MonkeyPatch, program: str, method: str) -> None:
    def spoil(work: Workspace, site: Site) -> None:
        place = site.vertices[-1]
        *rest, (source, label, carry) = work.rows[place]
        work.set_row(place, (*rest, (source, work.algebra.add(label, work.algebra.one), carry)))

    original = Expand.rewrite

    def rewrite(self: Expand, work: Workspace, site: Site) -> None:
        bundles = list(work.bundles)
        original(self, work, site)
        spoil(work, site)
        work.bundles[:] = []
        work._bundled.clear()
        for bundle in bundles:
            if (*bundle.sources, *bundle.targets) != site.vertices:
                work.add_bundle(bundle)

    monkeypatch.setattr(Expand, "rewrite", rewrite)
    found = failed(fg.verify(PROGRAMS[program], method=method))
    assert {"rule expand keeps the map", *INVERSE_MODES} <= found
    assert not (FORWARD_ROWS | {"rule lump keeps the map", INVERTED}) & found


@every_method
def test_bundles_are_grouping_and_naming_only(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """What a wrong bundle is caught by.

    A bundle holds no labels: its matrix is read off the edges, so it cannot claim another. A bundle over the wrong
    vertices changes no map, and no map tells. It is caught where it is used: the rule ``invert`` refuses a group that
    is no layer, and a reader of the record (``Derivation.from_json``) holds every bundle against the repeated ones.
    ``test_lump_rule.check_bundles`` holds those that are made against ∂z/∂u and ∂z/∂w.
    """
    original = lump_module._bundle

    def bundle_less(work: Workspace, made: Sequence[Any]) -> None:
        """The last result is left out of the bundle."""
        before = list(work.bundles)
        original(work, made)
        for bundle in [b for b in work.bundles if b not in before]:
            work.remove_bundle(bundle)
            work.add_bundle(Bundle(bundle.sources, bundle.targets[:-1], bundle.text, bundle.latex))

    program = PROGRAMS["small"]
    right = fg.derive(program, "reverse-inverse", labels="fractions")
    monkeypatch.setattr(lump_module, "_bundle", bundle_less)
    with pytest.raises(fg.NotApplicable):
        fg.verify(program, method=method)
    with pytest.raises(fg.GraphError):
        fg.Derivation.from_json(right.to_json())


def test_a_lump_that_is_not_grouped_is_no_graph_of_a_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of the rule that makes no lump at all stops at the inversion: a step is passed over by no one."""
    monkeypatch.setattr(Lump, "run", lambda self, work: iter(()))
    for method in METHODS:
        with pytest.raises(fg.NotApplicable, match="not equasive"):
            fg.verify(PROGRAMS["small"], method=method)


@every_method
def test_another_order_of_independent_steps_changes_no_map(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """u and v stand in no order of their own: the rows of A change places, and its columns of A⁻¹ with them."""
    program = PROGRAMS["small"]
    expected = {mode: map_of(fg.derive(program, mode, labels="fractions").graph) for mode in fg.Mode}
    original = verification.in_order

    def other(program: fg.Program, order: Any, *, inverse: bool) -> fg.Program:
        return original(program, ["v", "u", "z"], inverse=inverse)

    monkeypatch.setattr(verification, "in_order", other)
    assert failed(fg.verify(program, method=method)) == set()
    for mode in fg.Mode:
        derivation = fg.derive(program, mode, labels="fractions", order=["v", "u", "z"])
        assert map_of(derivation.graph) == expected[mode]


# -- symbols ----------------------------------------------------------------------------------------------------------


@every_program
def test_a_wrong_inverse_in_symbols_only(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """``derive`` shows symbols by default; the other checks never see them."""
    inverse, solve = SymbolicLabels.inverse, SymbolicLabels.solve

    def transpose(self: SymbolicLabels, name: str, rows: Rows) -> Rows:
        return transposed(self, inverse(self, name, rows))

    def negated(self: SymbolicLabels, name: str, rows: Rows, right: Rows, known: Rows) -> Rows:
        return [[-x for x in row] for row in solve(self, name, rows, right, known)]

    bundles = fg.derive(PROGRAMS[program], "reverse-inverse").stages["lumped"].bundles
    assert any(bundle.text.startswith("B") for bundle in bundles) == (program != "three")
    for name, planted in (("inverse", transpose), *([("solve", negated)] if program != "three" else [])):
        with monkeypatch.context() as patch:
            patch.setattr(SymbolicLabels, name, planted)
            assert all_failed(fg.verify(PROGRAMS[program], method="exact")) == SYMBOLS
