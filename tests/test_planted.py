"""Planted errors: each must be caught, in the row of the report that names it. A check that cannot fail is no check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

import flowgraph as fg
from flowgraph import numbers, partials, symbolic
from flowgraph.graph import Workspace
from flowgraph.operations import CODES, OPERATIONS, Operation
from flowgraph.rewrite.carry import Carry
from flowgraph.rewrite.engine import Site
from flowgraph.rewrite.invert import Invert
from flowgraph.rewrite.reverse import Reverse
from flowgraph.rewrite.shift import Shift
from flowgraph.rewrite.unlayer import Unlayer

SMALL = "inputs x1, x2, x3\nz1 = f(x1, x2)\nz2 = g(x3, z1)\nz3 = h(x2, z2, z1)\noutputs z1, z3, z2"
METHODS = ("exact", "prime-field")


def long_program() -> fg.Program:
    """One with more than 400 paths, which is decided by its solved form alone."""
    lines = ["inputs x, y"]
    for _ in range(8):
        lines += ["x = f(x, y)", "y = g(y, x)"]
    return fg.parse("\n".join([*lines, "outputs x, y"]))


PROGRAMS = {"small": fg.parse(SMALL), "long": long_program()}


def failed(report: fg.Verification) -> set[str]:
    for check in report.checks:
        assert check.ok == (not check.witness)
    return {check.subject for check in report.checks if not check.ok}


def test_nothing_fails_where_nothing_is_planted() -> None:
    for program in PROGRAMS.values():
        for method in METHODS:
            assert failed(fg.verify(program, method=method)) == set()
    rows = {check.subject: check.method for check in fg.verify(PROGRAMS["long"], method="exact").checks}
    assert rows["forward-inverse = J⁻¹"] == "fraction field, solved form"
    rows = {check.subject: check.method for check in fg.verify(PROGRAMS["small"], method="exact").checks}
    assert rows["forward-inverse = J⁻¹"] == "fraction field, multiplied out"


def rewrite_then(original: Callable[..., None], spoil: Callable[[Workspace, Site], None]) -> Callable[..., None]:
    def rewrite(self: object, work: Workspace, site: Site) -> None:
        original(self, work, site)
        spoil(work, site)

    return rewrite


def wrong_sign(work: Workspace, site: Site) -> None:
    """+b/a instead of −b/a."""
    for place, row in list(work.rows.items()):
        if place[1] == site.vertices[0][1] and len(row) == 2 and row[0][2] and not row[1][2]:
            source, label, carry = row[1]
            work.set_row(place, (row[0], (source, work.algebra.neg(label), carry)))


def not_inverted(work: Workspace, site: Site) -> None:
    """a instead of 1/a."""
    ((source, label, carry),) = work.rows[site.vertices[0]]
    work.set_row(site.vertices[0], ((source, work.algebra.reciprocal(label), carry),))


def passive_edge_lost(work: Workspace, site: Site) -> None:
    for place, row in list(work.rows.items()):
        if place[1] == site.vertices[0][1] and len(row) == 2 and row[0][2]:
            work.set_row(place, row[:1])


INVERT = {"wrong sign": wrong_sign, "not inverted": not_inverted, "passive edge lost": passive_edge_lost}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("name", INVERT)
def test_a_wrong_inversion(monkeypatch: pytest.MonkeyPatch, name: str, program: str, method: str) -> None:
    monkeypatch.setattr(Invert, "rewrite", rewrite_then(Invert.rewrite, INVERT[name]))
    assert failed(fg.verify(PROGRAMS[program], method=method)) == {
        "rule invert replaces one layer by its inverse transpose",
        "forward-inverse = J⁻¹",
        "reverse-inverse = J⁻ᵀ",
        *(("forward-inverse in NumPy", "reverse-inverse in NumPy") if method == "exact" else ()),
    }


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_reader_that_carrying_forgets(monkeypatch: pytest.MonkeyPatch, program: str, method: str) -> None:
    """The first edge into a step is lost when its argument is carried."""

    def spoil(self: Carry, work: Workspace, place: tuple[int, int], last: int) -> None:
        readers = [t for t in work.readers[place] if t[1] > place[1] + 1]
        carry(self, work, place, last)
        for target in readers:
            if len(work.rows[target]) > 1:
                work.set_row(target, tuple(e for e in work.rows[target] if e[0][0] != place[0]))

    carry = Carry._carry
    monkeypatch.setattr(Carry, "_carry", spoil)
    found = failed(fg.verify(PROGRAMS[program], method=method, modes=("forward",)))
    assert {"rule carry keeps the map", "forward = J"} <= found


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_shift_to_the_wrong_vertex(monkeypatch: pytest.MonkeyPatch, program: str, method: str) -> None:
    """The edge goes to its own source's column's neighbour: the addition is dropped where it belongs."""

    def spoil(work: Workspace, site: Site) -> None:
        source, target = site.vertices
        for place, row in list(work.rows.items()):
            if place != target and place[0] == target[0] and any(e[0] == source and not e[2] for e in row):
                work.set_row(place, tuple(e for e in row if e[0] != source or e[2]))

    monkeypatch.setattr(Shift, "rewrite", rewrite_then(Shift.rewrite, spoil))
    found = failed(fg.verify(PROGRAMS[program], method=method))
    assert {"rule shift keeps the map", "forward-inverse = J⁻¹", "reverse-inverse = J⁻ᵀ"} <= found
    assert not {"forward = J", "reverse = Jᵀ", "rule unlayer keeps the map"} & found


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_contraction_that_loses_an_edge(monkeypatch: pytest.MonkeyPatch, program: str, method: str) -> None:
    """The merged vertex loses one of the edges into it."""

    def spoil(work: Workspace, site: Site) -> None:
        row = work.rows[site.vertices[0]]
        if len(row) > 1:
            work.set_row(site.vertices[0], row[:-1])

    monkeypatch.setattr(Unlayer, "rewrite", rewrite_then(Unlayer.rewrite, spoil))
    found = failed(fg.verify(PROGRAMS[program], method=method))
    assert {"rule unlayer keeps the map", "forward = J", "reverse = Jᵀ"} <= found


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_reversal_that_forgets_inputs_and_outputs(monkeypatch: pytest.MonkeyPatch, program: str, method: str) -> None:
    def spoil(work: Workspace, site: Site) -> None:
        work.inputs, work.outputs = work.outputs, work.inputs
        work.input_places, work.output_places = work.output_places, work.input_places

    monkeypatch.setattr(Reverse, "rewrite", rewrite_then(Reverse.rewrite, spoil))
    found = failed(fg.verify(PROGRAMS[program], method=method))
    assert {"rule reverse transposes the map", "reverse = Jᵀ", "forward-inverse = J⁻¹"} <= found
    assert not {"forward = J", "reverse-inverse = J⁻ᵀ"} & found


def with_operation(monkeypatch: pytest.MonkeyPatch, changed: Operation) -> None:
    table = tuple(changed if op.name == changed.name else op for op in OPERATIONS)
    for module in (partials, symbolic, numbers):
        monkeypatch.setattr(module, "OPERATIONS", table, raising=False)
    monkeypatch.setattr("flowgraph.program.OPERATIONS", table)
    numbers._compiled.cache_clear()


@pytest.fixture
def fresh_cache() -> object:
    yield
    numbers._compiled.cache_clear()


@pytest.mark.usefixtures("fresh_cache")
def test_a_wrong_symbolic_partial(monkeypatch: pytest.MonkeyPatch) -> None:
    sine = OPERATIONS[CODES["sin"]]
    with_operation(monkeypatch, replace(sine, symbolic_partials=(lambda sp, x: -sp.cos(x),)))
    report = fg.verify(fg.parse("inputs x\nz = sin(x)\noutputs z"))
    assert failed(report) == {"labels = SymPy's partials"}
    (row,) = (check for check in report.checks if not check.ok)
    assert "z = sin(x)" in row.witness


@pytest.mark.usefixtures("fresh_cache")
def test_a_wrong_numpy_partial(monkeypatch: pytest.MonkeyPatch) -> None:
    sine = OPERATIONS[CODES["sin"]]
    with_operation(monkeypatch, replace(sine, partials=(lambda x: 1.000001 * sine.partials[0](x),)))
    report = fg.verify(fg.parse("inputs x\nz = sin(x)\noutputs z"))
    assert failed(report) == {f"{mode} in NumPy" for mode in fg.Mode}


@pytest.mark.usefixtures("fresh_cache")
def test_a_wrong_numpy_value(monkeypatch: pytest.MonkeyPatch) -> None:
    sine = OPERATIONS[CODES["sin"]]
    with_operation(monkeypatch, replace(sine, evaluate=lambda x: 0.9 * sine.evaluate(x)))
    report = fg.verify(fg.parse("inputs x\ny = sin(x)\nz = exp(y)\noutputs z"))
    assert failed(report) == {f"{mode} in NumPy" for mode in fg.Mode}


@pytest.mark.parametrize("method", METHODS)
def test_a_graph_with_one_wrong_label(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """Every rule is right, and one label of the primal graph is not the program's."""
    from flowgraph import verification

    original = verification.linearise

    def wrong(program: fg.Program, labelling: partials.Labelling) -> Workspace:
        work = original(program, labelling)
        place = max(work.rows, key=lambda p: (p[1], p[0]))
        (source, label, carry), *rest = work.rows[place]
        work.set_row(place, ((source, work.algebra.add(label, work.algebra.one), carry), *rest))
        work.forget()
        return work

    monkeypatch.setattr(verification, "linearise", wrong)
    found = failed(fg.verify(PROGRAMS["small"], method=method))
    assert {f"{mode} = {mode.symbol}" for mode in fg.Mode} <= found
    assert not any(subject.startswith("rule") for subject in found)


@pytest.mark.parametrize("method", METHODS)
def test_a_cycle_is_a_failed_check_and_no_crash(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    def spoil(work: Workspace, site: Site) -> None:
        last = max(work.rows, key=lambda p: (p[1], p[0]))
        ((source, _, _), *_) = work.rows[last]
        if not any(s == last for s, _, _ in work.rows[source]):
            work.set_row(source, (*work.rows[source], (last, work.algebra.one, False)))

    monkeypatch.setattr(Unlayer, "rewrite", rewrite_then(Unlayer.rewrite, spoil))
    report = fg.verify(PROGRAMS["small"], method=method, modes=("forward",))
    assert {"rule unlayer keeps the map", "forward = J"} <= failed(report)
    assert any("cycle" in check.witness for check in report.checks)


@pytest.mark.usefixtures("fresh_cache")
@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_numpy_partial_that_is_no_number_in_places(monkeypatch: pytest.MonkeyPatch, wrong: float) -> None:
    sine = OPERATIONS[CODES["sin"]]
    with_operation(monkeypatch, replace(sine, partials=(lambda x: wrong if x < 0 else sine.partials[0](x),)))
    program = fg.parse("inputs x\nz = sin(x)\noutputs z")
    # Two of three random points are positive, so one seed in two sees the fault.
    assert any("forward in NumPy" in failed(fg.verify(program, seed=seed)) for seed in range(6))


def test_a_step_that_inverts_to_itself_is_checked_and_holds() -> None:
    from flowgraph.verification import check_application

    for text in ("z = x + 1", "z = -x"):
        derivation = fg.derive(fg.parse(f"inputs x\n{text}\noutputs z"), "reverse-inverse")
        for application in derivation.applications():
            assert check_application(application, derivation.rules[application.step.rule]) is None
