"""The explorer's view of an order, its costs and its sentences, against oracles that share no code with it."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest
from explorer_oracle import FIGURE4, SPECIAL, bands, invertible_texts, legal_orders, texts
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from lump_oracle import (
    Facts,
    all_orders,
    blocks_of,
    check_certificate,
    check_lumps,
    facts_of,
    frontiers,
    is_legal,
    is_singular,
    lumps_along,
    most_lumps,
)

import flowgraph as fg
from flowgraph.explorer.action import Outcome
from flowgraph.explorer.details import explain
from flowgraph.explorer.distribution import distribution
from flowgraph.explorer.limits import LIMITS, Limits
from flowgraph.explorer.order_view import order_view
from flowgraph.explorer.session import view
from flowgraph.explorer.state import Selection, State
from flowgraph.explorer.study import study
from flowgraph.local_systems import Counted


@st.composite
def cases(draw: st.DrawFn, *, invertible: bool = False) -> tuple[str, fg.Program, Facts, tuple[int, ...]]:
    """A text, its program, the facts about it, and a legal order of its steps."""
    text = draw(invertible_texts() if invertible else texts())
    program = fg.parse(text)
    facts = facts_of(program)
    return text, program, facts, draw(legal_orders(facts))


def seen_in(text: str, order: tuple[int, ...]) -> Any:
    of = study(text, LIMITS)
    return order_view(of, of.legal(order))


# -- rows, registers, widths ------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(cases())
def test_rows_and_live_ranges_are_those_of_the_definition(case: Any) -> None:
    text, _, facts, order = case
    found = seen_in(text, order)
    row = {step: place + 1 for place, step in enumerate(order)}
    assert found.steps == order
    assert found.n == facts.n
    assert found.widths == tuple(len(live) for live in frontiers(facts, order))
    for value in range(facts.n + facts.n_steps):
        step = value - facts.n
        born = 0 if step < 0 else row[step] if step in facts.active else -1
        reads = [row[k] for k in facts.active if value in facts.arguments[k]]
        last = len(order) + 1 if value in facts.outputs else max(reads, default=-1)
        assert (found.rows[value], found.last[value]) == (born, last)
    assert found.own == (order == tuple(sorted(facts.needed)))


@settings(deadline=None, max_examples=60)
@given(cases())
def test_registers_are_those_of_the_reordered_program(case: Any) -> None:
    text, program, facts, order = case
    found = seen_in(text, order)
    told = program.reordered(order).describe().splitlines()[3:-1]
    n = facts.n
    assert len(told) == len(order)
    for line, step in zip(told, order, strict=True):
        text_of_step = str(program.step(step))
        rest = line.split(text_of_step)[1].split()
        register = int(rest[0][1:]) - 1 if rest[0].startswith("r") else -1
        assert found.place[n + step] == register
    assert found.place[:n] == tuple(range(n))
    assert found.columns == 1 + max(found.place, default=-1)
    for live in frontiers(facts, order):
        places = [found.place[value] for value in live]
        assert len(set(places)) == len(places), "two live values share a register"
        assert -1 not in places


# -- where a step may go ----------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(cases())
def test_a_band_holds_exactly_the_places_that_are_legal_and_its_edges_are_what_stops_the_step(case: Any) -> None:
    text, _, facts, order = case
    found = seen_in(text, order)
    assert list(found.band) == bands(facts, order)
    for step, (first, last), (earlier, later) in zip(order, found.band, found.blocker, strict=True):
        assert (earlier is None) == (first == 1)
        assert (later is None) == (last == len(order))
        if earlier is not None:
            assert earlier in facts.before(step)
            assert order.index(earlier) == first - 2
        if later is not None:
            assert step in facts.before(later)
            assert order.index(later) == last


@settings(deadline=None, max_examples=40)
@given(cases(invertible=True))
def test_a_place_is_legal_where_lumps_takes_the_order(case: Any) -> None:
    text, program, _, order = case
    found = seen_in(text, order)
    for here, step in enumerate(order):
        rest = order[:here] + order[here + 1 :]
        for to in range(len(order)):
            moved = (*rest[:to], step, *rest[to:])
            first, last = found.band[here]
            if first <= to + 1 <= last:
                assert len(fg.lumps(program, moved)) >= 1
            else:
                with pytest.raises(fg.InputError):
                    fg.lumps(program, moved)


# -- lumps and blocks -------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(cases(invertible=True))
def test_lumps_are_those_of_the_order(case: Any) -> None:
    text, program, facts, order = case
    found = seen_in(text, order)
    lumping = fg.lumps(program, order)
    assert check_lumps(program, lumping, order) is None
    assert len(found.lumps) == len(lumping) == len(lumps_along(facts, order))
    blocks = blocks_of(facts)
    for index, (seen, lump) in enumerate(zip(found.lumps, lumping, strict=True)):
        assert (seen.index, seen.start, seen.stop, seen.size) == (index, lump.start, lump.stop, lump.size)
        for part in ("consumed", "produced", "read"):
            assert sorted(getattr(seen, part)) == sorted(getattr(lump, part))
        sizes = [len(block.rows) for block in blocks if block.rows & set(lump.steps)]
        assert (seen.blocks, seen.largest) == (len(sizes), max(sizes))


@settings(deadline=None, max_examples=60)
@given(cases(invertible=True))
def test_blocks_are_those_of_several_rows_that_are_finer_than_their_lump(case: Any) -> None:
    text, _, facts, order = case
    found = seen_in(text, order)
    expected = {}
    for block in blocks_of(facts):
        lump = next((lump for lump in lumps_along(facts, order) if block.rows & set(lump.steps)), None)
        if len(block.rows) > 1 and lump is not None and set(lump.steps) != block.rows:
            rows = tuple(sorted(order.index(step) + 1 for step in block.rows))
            own = {facts.n + step for step in block.rows}
            expected[rows] = tuple(sorted(block.columns - own))
    assert {block.rows: block.unknowns for block in found.blocks} == expected
    assert all(block.size == len(block.unknowns) for block in found.blocks)


@settings(deadline=None, max_examples=40)
@given(cases(invertible=True))
def test_costs_are_those_of_the_analysis_and_add_up(case: Any) -> None:
    text, program, facts, order = case
    report = fg.analyze(program, order)
    counts = report.operation_counts
    of = study(text, LIMITS)
    found = view(Outcome(State(text, order=of.legal(order))))
    costs, seen = found.costs, found.order
    assert costs is not None
    assert seen is not None
    assert [costs.this, costs.best, costs.blocks] == [total_of(c) for c in (counts.given, counts.best, counts.blocks)]
    assert costs.jvp == counts.jvp.total
    assert (costs.ratio, costs.best_ratio) == (counts.ratio(counts.given), counts.ratio(counts.best))
    assert costs.gap == total_of(counts.given) - total_of(counts.best)
    lumps = lumps_along(facts, order)
    assert (costs.lumps, costs.best_lumps) == (len(lumps), most_lumps(facts))
    assert costs.largest == max((len(lump.consumed) for lump in lumps), default=0)
    assert sum(lump.operations or 0 for lump in seen.lumps) == costs.this
    for lump, told in zip(seen.lumps, report.to_json()["lumps"]["lumps"], strict=True):
        # The analysis does not count single steps one by one.
        assert told["operations"] in (None, lump.operations)
        assert told["matrix"] in (None, lump.matrix)
        assert lump.operations is not None
    assert counts.blocks is not None
    pieces = {report.blocks[piece.index].unknowns: piece.cost for piece in counts.blocks.pieces}
    for block in seen.blocks:
        cost = pieces[block.unknowns]
        assert cost is not None
        assert (block.operations, block.matrix) == (cost.total.total, cost.structure)


def total_of(counted: Counted | None) -> int:
    assert counted is not None
    assert counted.count is not None
    return counted.count.total.total


@settings(deadline=None, max_examples=40)
@given(cases(invertible=True))
def test_no_order_has_more_lumps_than_the_best(case: Any) -> None:
    text, program, facts, order = case
    of = study(text, LIMITS)
    assert of.best is not None
    orders = list(islice(fg.enumerate_orders(program), 121))
    assume(len(orders) <= 120)
    most = max(len(lumps_along(facts, other)) for other in orders)
    assert is_legal(facts, of.best)
    assert len(lumps_along(facts, of.best)) == most
    assert seen_in(text, order).best == (len(lumps_along(facts, order)) == most)


def test_what_is_too_much_to_count_has_no_operations_but_single_steps() -> None:
    few = Limits(counted=6)
    of = study(FIGURE4, few)
    (lump,) = order_view(of, None).lumps
    assert (lump.operations, lump.matrix, lump.size) == (None, "", 2)
    costs = view(Outcome(State(FIGURE4)), few).costs
    assert costs is not None
    assert (costs.this, costs.ratio, costs.gap, costs.lumps) == (None, None, None, 1)
    counts = fg.analyze(fg.parse(FIGURE4)).operation_counts
    assert costs.best == total_of(counts.best)
    assert counts.given is not None
    (piece,) = counts.given.pieces
    (counted,) = order_view(study(FIGURE4, LIMITS), None).lumps
    assert piece.cost is not None
    assert counted.operations == piece.cost.total.total


# -- certificates -----------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(texts())
def test_a_certificate_comes_exactly_where_there_is_no_inverse_and_it_holds(text: str) -> None:
    program = fg.parse(text)
    facts = facts_of(program)
    found = view(Outcome(State(text)))
    assert (found.certificate is not None) == is_singular(facts)
    assert (found.costs is None) == is_singular(facts)
    if found.certificate is None:
        return
    told = fg.decompose(program).certificate
    assert told is not None
    assert told.defect() is None
    seen = found.certificate
    assert check_certificate(program, seen) is None
    assert (seen.kind, seen.inputs, seen.outputs, seen.cut) == (told.kind, told.inputs, told.outputs, told.cut)
    assert str(told) in seen.text
    assert ("not square" in seen.text) == (program.n_inputs != program.n_outputs)


# -- sentences --------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(cases(invertible=True))
def test_an_explanation_parts_a_lump_by_the_best_order(case: Any) -> None:
    text, program, facts, order = case
    of = study(text, LIMITS)
    lumps, best = lumps_along(facts, order), fg.lumps(program, fg.best_order(program))
    owner = {step: lump.index for lump in best for step in lump.steps}
    orders = list(islice(all_orders(facts), 60))
    for index, lump in enumerate(lumps):
        told = explain(of, of.legal(order), index)
        assert told.lump == index
        assert told.why
        groups = {owner[step]: tuple(k for k in lump.steps if owner[k] == owner[step]) for step in lump.steps}
        assert told.parts == tuple(groups[key] for key in sorted(groups))
        if len(groups) > 1:
            assert told.split.startswith(f"the best order splits it into {len(groups)} lumps: ")
        elif len(lump.steps) > 1:
            assert told.split.startswith("no order splits it")
            for other in orders:
                parts = [set(lump.steps) & set(part.steps) for part in lumps_along(facts, other)]
                assert [part for part in parts if part] == [set(lump.steps)]
            sizes = sorted(len(block.rows) for block in blocks_of(facts) if block.rows & set(lump.steps))
            assert ("no linear system" in told.split) == (sizes[-1] == 1)
            if 1 < sizes[-1] < len(lump.steps):
                assert f"{len(sizes)} blocks, the largest of {sizes[-1]} rows" in told.split
        else:
            dies = min(lump.consumed)
            name = program.name(facts.n + min(lump.steps))
            assert told.why == f"{name} takes the place of {program.name(dies)}: a lump of one step, l = 1"
    with pytest.raises(fg.InputError, match="no such lump"):
        explain(of, of.legal(order), len(lumps))


@pytest.mark.parametrize("text", [text for text in SPECIAL if is_singular(facts_of(fg.parse(text)))])
def test_without_an_inverse_there_is_nothing_to_explain(text: str) -> None:
    of = study(text, LIMITS)
    with pytest.raises(fg.NotInvertible) as caught:
        explain(of, None, 0)
    assert caught.value.certificate is of.structure.certificate
    with pytest.raises(fg.NotInvertible):
        distribution(of, None, 0, lambda what, done, total: None)


@settings(deadline=None, max_examples=40)
@given(cases(), st.sampled_from(("step", "value", "lump")))
def test_details_say_where_things_stand(case: Any, kind: str) -> None:
    text, program, facts, order = case
    of = study(text, LIMITS)
    own = of.legal(order)
    counts = {"step": facts.n_steps, "value": facts.n + facts.n_steps, "lump": len(seen_in(text, order).lumps)}
    for index in range(counts[kind] + 2):
        detail = view(Outcome(State(text, order=own, selection=Selection(kind, index)))).detail
        if index >= counts[kind]:
            assert detail is None
            continue
        assert detail is not None
        assert (detail.kind, detail.index) == (kind, index)
        told = " | ".join(detail.lines)
        if kind == "step":
            assert detail.title == str(program.step(index))
            if index not in facts.needed:
                assert "dead code" in told
                continue
            first, last = bands(facts, order)[order.index(index)]
            here = order.index(index) + 1
            assert (f"row {here}, where it must stay" if first == last else f"rows {first} to {last}") in told
            needs = [k for k in facts.before(index) if f"it needs {program.name(facts.n + k)}" in told]
            assert bool(needs) == (first > 1)
        elif kind == "value":
            assert detail.title == program.name(index)
            assert ("it is an output" in told) == (index in facts.outputs)
        else:
            lump = lumps_along(facts, order)[index]
            assert f"l = {len(lump.consumed)}" in told


# -- the distribution -------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=12)
@given(cases(invertible=True), st.integers(0, 3))
def test_the_distribution_holds_legal_orders_with_their_costs(case: Any, seed: int) -> None:
    text, program, facts, order = case
    limits = Limits(samples=12)
    of = study(text, limits)
    told: list[tuple[str, int, int]] = []
    found = distribution(of, of.legal(order), seed, lambda *args: told.append(args))
    assert [entry[1:] for entry in told] == [(k, 12) for k in range(12)]
    assert len(found.sample) == 12
    named = (found.best, found.original, found.current, found.worst)
    for entry in (found.sample[seed], *named):
        assert is_legal(facts, entry.order)
        assert entry.lumps == len(lumps_along(facts, entry.order))
        counts = fg.analyze(program, entry.order).operation_counts
        assert entry.operations == total_of(counts.given)
        assert entry.ratio == counts.ratio(counts.given)
    assert found.current.order == order
    assert found.original.order == tuple(sorted(facts.needed))
    assert found.best.lumps == most_lumps(facts)
    everything = [entry.operations or 0 for entry in (*found.sample, *named)]
    assert found.worst.operations == max(everything)
    again = distribution(of, of.legal(order), seed, lambda *args: None)
    assert again.to_json() == found.to_json()


def test_what_is_too_much_to_count_is_held_for_dearer_than_the_rest() -> None:
    # The program's own order is one lump of 4 rows by 2 unknowns, the best one has two of 2 rows by 1.
    of = study(FIGURE4, Limits(counted=6))
    found = distribution(of, None, 0, lambda what, done, total: None)
    assert found.best.operations is not None
    assert found.worst.operations is None
    assert found.worst.lumps == 1
