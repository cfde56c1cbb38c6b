"""The explorer's state machine: laws of any session, and each action against what it should do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise, permutations
from typing import Any

import pytest
from explorer_oracle import (
    BROKEN,
    FIGURE4,
    SPECIAL,
    after,
    check_state,
    core,
    do,
    edited,
    invertible_texts,
    legal_orders,
    order_of,
    readable,
    seen,
    sessions,
    texts,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from lump_oracle import facts_of, is_legal, is_singular, lumps_along, most_lumps

import flowgraph as fg
from flowgraph.explorer.actions import read_action
from flowgraph.explorer.limits import LIMITS, Limits
from flowgraph.explorer.session import act
from flowgraph.explorer.state import Selection, State
from flowgraph.explorer.study import study
from flowgraph.rewrite.derivation import Mode

UNDOABLE = ("open", "edit", "move", "shift", "order", "original", "best", "worst", "random", "load")


def legal(state: State, order: Sequence[int]) -> State:
    """The state with an order, as it is written."""
    program = readable(state.good)
    assert program is not None
    own = tuple(sorted(facts_of(program).needed))
    return replace(state, order=None if tuple(order) == own else tuple(order))


# -- laws of any session ----------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=90)
@given(sessions())
def test_whatever_is_done_the_state_is_sound_and_changes_can_be_taken_back(session: Any) -> None:
    text, actions = session
    state = after(State(), "open", text=text, name="p.fg", source="p.fg")
    assert core(state) == (text, None, None, "p.fg", "p.fg")
    for sent in actions:
        outcome = act(state, read_action(sent, LIMITS))
        new = outcome.state
        check_state(new)
        seen(outcome)
        assert act(new, None) == act(act(new, None).state, None)
        assert act(new, None).state == new
        if sent["do"] not in UNDOABLE and sent["do"] not in ("undo", "redo"):
            assert (core(new), new.past, new.future) == (core(state), state.past, state.future)
        elif sent["do"] in UNDOABLE and core(new) != core(state):
            check_undo(state, new)
        state = new


def check_undo(before: State, new: State) -> None:
    """A change is taken back to where it, or the edit it belongs to, began; and made again."""
    assert new.future == ()
    if len(new.past) < len(before.past):
        # An edit that led back to where it began is none.
        assert new.past == before.past[:-1]
        return
    back = after(new, "undo")
    if len(new.past) == len(before.past):
        # Texts on the way from one program to the next are one edit.
        assert readable(before.text) is None
        assert core(back) == core(after(before, "undo"))
    else:
        assert new.past[:-1] == before.past
        assert core(back) == core(before)
    assert (back.past, len(back.future)) == (new.past[:-1], 1)
    again = after(back, "redo")
    assert core(again) == core(new)
    assert (again.past, again.future) == (new.past, ())


@settings(deadline=None, max_examples=25)
@given(sessions(most=12))
def test_all_of_a_session_can_be_undone_and_made_again(session: Any) -> None:
    text, actions = session
    state = after(State(), "open", text=text, name="p.fg", source=None)
    for sent in actions:
        state = act(state, read_action(sent, LIMITS)).state
    while state.future:
        state = after(state, "redo")
    end, count = core(state), len(state.past)
    for _ in range(count):
        state = after(state, "undo")
        check_state(state)
    assert core(state) == (text, None, None, "p.fg", None)
    outcome = do(state, "undo")
    assert outcome.state == state
    assert [m.text for m in outcome.messages] == ["there is nothing to undo"]
    for _ in range(count):
        state = after(state, "redo")
        check_state(state)
    assert core(state) == end
    assert [m.text for m in do(state, "redo").messages] == ["there is nothing to redo"]


# -- moves ------------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(texts(), st.data())
def test_a_move_is_made_exactly_where_it_is_legal_and_else_names_an_edge_in_the_way(text: str, data: Any) -> None:
    program = fg.parse(text)
    facts = facts_of(program)
    order = data.draw(legal_orders(facts))
    state = legal(State(text), order)
    for here, step in enumerate(order):
        rest = [*order[:here], *order[here + 1 :]]
        for to in range(len(order) + 1):
            # A place behind the last one is the last one.
            moved = (*rest[:to], step, *rest[to:])
            outcome = do(state, "move", step=step, to=to)
            if is_legal(facts, moved):
                assert order_of(program, outcome.state) == moved
                assert outcome.messages == ()
                assert outcome.state.past == () if moved == order else len(outcome.state.past) == 1
                assert outcome.state.selection == (None if moved == order else Selection("step", step))
                by = do(state, "shift", step=step, by=to - here).state
                assert core(by) == (core(outcome.state) if to < len(order) else core(state))
                continue
            assert outcome.state == state
            (message,) = outcome.messages
            assert message.steps is not None
            read, reader = message.steps
            assert read in facts.before(reader)
            assert step in (read, reader)
            assert moved.index(reader) < moved.index(read)
            assert message.text == f"{program.name(facts.n + reader)} needs {program.name(facts.n + read)}"
            assert message.action == "move"
            assert do(state, "shift", step=step, by=to - here) in (outcome, do(state, "shift", step=step, by=99))


@pytest.mark.parametrize("do_what", ["move", "shift"])
@pytest.mark.parametrize("step", [0, 2, 5000])
def test_dead_and_missing_steps_cannot_be_moved(do_what: str, step: int) -> None:
    state = State("inputs x, y\nd = f(x)\nz = g(x, y)\noutputs z, y")
    outcome = do(state, do_what, step=step, to=0, by=1)
    assert outcome.state == state
    (message,) = outcome.messages
    assert (message.level, message.text, message.action) == ("error", "there is no such step to move", do_what)


@settings(deadline=None, max_examples=40)
@given(texts(), st.data())
def test_a_whole_order_is_taken_exactly_where_it_is_legal(text: str, data: Any) -> None:
    program = fg.parse(text)
    facts = facts_of(program)
    state = State(text)
    steps = sorted(facts.needed)[:4]
    tail = sorted(facts.needed)[4:]
    wrong = [[*steps, *tail, 0], [*steps, *tail, facts.n_steps], steps[1:]]
    for given_order in [*permutations(steps), *wrong, data.draw(legal_orders(facts))]:
        order = [*given_order, *tail] if len(given_order) == len(steps) and given_order not in wrong else given_order
        alive = [k for k in order if k in facts.needed or k >= facts.n_steps]
        outcome = do(state, "order", order=list(order))
        if is_legal(facts, alive):
            assert order_of(program, outcome.state) == tuple(alive)
            assert outcome.messages == ()
        else:
            assert outcome.state == state
            assert [m.level for m in outcome.messages] == ["error"]
            if not is_singular(facts):
                with pytest.raises(fg.InputError) as caught:
                    fg.lumps(program, list(order))
                assert caught.value.what == outcome.messages[0].text


# -- best, worst, random ----------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(texts(), st.data())
def test_best_has_the_most_lumps_and_worst_is_never_cheaper(text: str, data: Any) -> None:
    program = fg.parse(text)
    facts = facts_of(program)
    state = legal(State(text), data.draw(legal_orders(facts)))
    best = do(state, "best", Limits(samples=10))
    worst = do(state, "worst", Limits(samples=10), seed=data.draw(st.integers(0, 3)))
    if is_singular(facts):
        for outcome in (best, worst):
            assert outcome.state == state
            assert [m.text for m in outcome.messages] == [
                "the Jacobian has no inverse, so orders have no lumps and no cost"
            ]
        return
    lumps = lumps_along(facts, order_of(program, best.state))
    assert len(lumps) == most_lumps(facts)
    if len(lumps_along(facts, order_of(program, state))) == len(lumps):
        assert best.state == state
        assert best.messages[0].level == "info"
    costs = [seen(outcome)["costs"] for outcome in (act(state, None), worst)]
    # Of orders that cost the same the one with fewer lumps is the worse.
    before, now = ((cost["this"], -cost["lumps"]) for cost in costs)
    assert now > before if worst.state != state else now == before
    assert bool(worst.messages) == (worst.state == state)


@pytest.mark.parametrize("seed", range(6))
def test_the_order_at_hand_is_among_those_that_the_worst_is_chosen_from(seed: int) -> None:
    # The program's own order has two lumps. Of its six orders two have two lumps, and one alone is drawn.
    text, few = "inputs x, y\nt1 = p(x)\nz1 = q(x, t1)\nt2 = p(y)\nz2 = q(y, t2)\noutputs z1, z2", Limits(samples=1)
    state = State(text, order=(2, 0, 1, 3))
    assert seen(act(state, None))["costs"]["lumps"] == 1
    outcome = do(state, "worst", few, seed=seed)
    assert outcome.state == state
    assert [m.text for m in outcome.messages] == ["no order that was looked at costs more"]


@settings(deadline=None, max_examples=40)
@given(texts(), st.integers(0, 9))
def test_random_gives_legal_orders_and_says_where_there_is_only_one(text: str, seed: int) -> None:
    program = fg.parse(text)
    outcome = do(State(text), "random", seed=seed)
    facts = facts_of(program)
    assert is_legal(facts, order_of(program, outcome.state))
    assert outcome == do(State(text), "random", seed=seed)
    own = sorted(facts.needed)
    only = all(first in facts.before(then) for first, then in pairwise(own))
    assert [m.text for m in outcome.messages] == (["there is only one legal order"] if only else [])


def test_random_orders_differ() -> None:
    orders = {after(State(FIGURE4), "random", seed=seed).order for seed in range(30)}
    assert orders == {None, *((0, 2, 1, 3), (0, 1, 3, 2), (1, 0, 2, 3), (1, 0, 3, 2), (1, 3, 0, 2))}


# -- saved orders -----------------------------------------------------------------------------------------------------


def test_orders_are_saved_loaded_and_forgotten_by_name() -> None:
    state = after(State(FIGURE4), "best")
    state = after(state, "save", name="  mine ")
    state = after(after(state, "original"), "save", name="own")
    assert [entry.name for entry in state.saved] == ["mine", "own"]
    found = seen(act(state, None))["saved"]
    assert [(entry["fits"], entry["current"], entry["lumps"]) for entry in found] == [
        (True, False, 2),
        (True, True, 1),
    ]
    loaded = after(state, "load", name="mine")
    assert loaded.order == (0, 2, 1, 3)
    assert after(loaded, "undo").order is None
    again = after(loaded, "save", name="own")
    assert [(entry.name, entry.order) for entry in again.saved] == [
        ("mine", ("t1", "z1", "t2", "z2")),
        ("own", ("t1", "z1", "t2", "z2")),
    ]
    assert [entry.name for entry in after(again, "forget", name="mine").saved] == ["own"]
    for what in ("load", "forget"):
        outcome = do(again, what, name="other")
        assert outcome.state == again
        assert outcome.messages[0].text == "no order is saved under this name"
    outcome = do(again, "save", name=" ")
    assert (outcome.state, outcome.messages[0].level) == (again, "error")


def test_a_saved_order_outlives_an_edit() -> None:
    state = after(after(State(FIGURE4), "best"), "save", name="mine")
    exact = after(state, "edit", text=FIGURE4.replace("p(", "r("))
    outcome = do(after(exact, "original"), "load", name="mine")
    assert (outcome.state.order, outcome.messages) == ((0, 2, 1, 3), ())
    longer = FIGURE4.replace("outputs", "z1 = h(z1)\noutputs")
    for text in (longer, FIGURE4.replace("t1", "u1")):
        new = after(state, "edit", text=text)
        (entry,) = seen(act(new, None))["saved"]
        assert entry["fits"]
        assert entry["operations"] is not None
        outcome = do(after(new, "original"), "load", name="mine")
        names = [name for name in study(text, LIMITS).names(outcome.state.order) if name in ("t1", "t2", "z1", "z2")]
        wanted = [name for name in ("t1", "z1", "t2", "z2") if name in names]
        assert names == wanted
        assert [(m.level, m.action) for m in outcome.messages] == [("info", "load")]
    other = after(state, "edit", text="inputs a\nb = f(a)\noutputs b")
    (entry,) = seen(act(other, None))["saved"]
    assert not entry["fits"]
    outcome = do(other, "load", name="mine")
    assert outcome.state == other
    assert [(m.level, m.action) for m in outcome.messages] == [("error", "load")]


def test_there_are_so_many_saved_orders_and_no_more() -> None:
    state, few = State(FIGURE4), Limits(saved=3)
    for name in "abc":
        state = after(state, "save", few, name=name)
    outcome = do(state, "save", few, name="d")
    assert (outcome.state, outcome.messages[0].text) == (state, "there are too many saved orders")
    assert after(state, "save", few, name="b") != state
    check_state(after(state, "save", few, name="b"), few)


# -- edits ------------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(texts(), st.sampled_from(BROKEN), st.data())
def test_a_broken_text_keeps_the_last_good_view_and_the_text(text: str, broken: str, data: Any) -> None:
    order = data.draw(legal_orders(facts_of(fg.parse(text))))
    state = replace(legal(State(text, name="p", source="p.fg"), order), selection=Selection("value", 0))
    before = seen(act(state, None))
    outcome = do(state, "edit", text=broken)
    now = seen(outcome)
    assert (outcome.state.text, outcome.state.shown, outcome.state.order) == (broken, text, state.order)
    assert {key: now[key] for key in ("key", "program", "order", "costs", "detail")} == {
        key: before[key] for key in ("key", "program", "order", "costs", "detail")
    }
    message, *others = now["messages"]
    assert [m["level"] for m in others] == ["warning"] * (study(text, LIMITS).identities > 0)
    with pytest.raises(fg.ParseError) as caught:
        fg.parse(broken)
    error = caught.value
    assert (message["level"], message["text"], message["action"]) == ("error", error.what, "edit")
    assert (message["line"], message["column"], message["remedy"]) == (error.line, error.column, error.remedy)
    # The program that is shown can be worked on all the while.
    original = after(outcome.state, "original")
    assert (original.text, original.shown, original.order) == (broken, text, None)
    mended = do(outcome.state, "edit", text=text)
    assert core(mended.state) == core(state)
    assert seen(mended)["messages"] == others
    assert (mended.state.past, mended.state.future) == (state.past, ())


@settings(deadline=None, max_examples=100)
@given(invertible_texts(), st.data())
def test_an_edit_carries_the_order_over_by_names(text: str, data: Any) -> None:
    program = fg.parse(text)
    state = legal(State(text), data.draw(legal_orders(facts_of(program))))
    changed = data.draw(edited(text))
    new = readable(changed)
    outcome = do(state, "edit", text=changed)
    if new is None or changed == text:
        assert outcome.state.order == state.order
        return
    facts = facts_of(new)
    found = order_of(new, outcome.state)
    assert is_legal(facts, found)
    if state.order is None:
        assert outcome.state.order is None
        return
    rank = {program.name(program.n_inputs + k): place for place, k in enumerate(state.order)}
    stayed = [k for k in found if new.name(facts.n + k) in rank]
    wish = sorted(stayed, key=lambda k: rank[new.name(facts.n + k)])
    waits = {k: set(facts.before(k)) for k in facts.needed}
    for first, then in pairwise(wish):
        waits[then].add(first)
    try:
        TopologicalSorter(waits).prepare()
        possible = True
    except CycleError:
        possible = False
    if possible:
        assert stayed == wish
    assert [m.text for m in outcome.messages] == (
        [] if possible else ["the order was changed where the new text asks for it"]
    )


def test_a_new_step_does_not_make_an_old_one_wait_for_one_that_came_after_it() -> None:
    text = "inputs x, y\nb = f(x)\na = g(y)\noutputs b, a"
    state = after(State(text), "move", step=1, to=0)
    new = after(state, "edit", text="inputs x, y\nb = f(x)\nn = h(y)\na = g(n)\noutputs b, a")
    assert new.order == (1, 2, 0)


def test_an_edit_ends_the_source_and_opening_sets_it() -> None:
    state = after(State(), "open", text=FIGURE4, name="figure4.fg", source="examples/figure4.fg")
    assert (state.name, state.source, state.past) == ("figure4.fg", "examples/figure4.fg", ())
    state = after(replace(state, position=3, selection=Selection("step", 0)), "edit", text=FIGURE4 + "\n")
    assert (state.name, state.source, state.position, state.selection) == ("figure4.fg", None, 0, None)
    assert after(state, "undo").source == "examples/figure4.fg"


@pytest.mark.parametrize("text", [FIGURE4, SPECIAL[0], BROKEN[3], ""])
def test_opening_can_be_undone(text: str) -> None:
    state = after(after(State(FIGURE4, name="a", source="a.fg"), "best"), "edit", text="inputs q")
    opened = after(state, "open", text=text, name="b", source=None)
    assert (opened.text, opened.shown, opened.order, opened.name) == (text, None, None, "b")
    assert core(after(opened, "undo")) == core(state)
    assert core(after(after(opened, "undo"), "redo")) == core(opened)


def test_opening_can_be_undone_when_all_text_was_deleted_first() -> None:
    state = after(after(State(FIGURE4), "best"), "edit", text="")
    opened = after(state, "open", text=SPECIAL[0], name="b", source=None)
    assert after(opened, "undo") != state  # but for what lies ahead
    assert core(after(opened, "undo")) == core(state)
    assert core(after(after(opened, "undo"), "undo")) == (FIGURE4, None, (0, 2, 1, 3), "", None)


def test_typing_a_change_is_one_edit() -> None:
    state, target = State(FIGURE4), FIGURE4.replace("q(x, t1)", "r(t1)")
    for text in (FIGURE4.replace("q(x, t1)", "q(x, t"), FIGURE4.replace("q(x, t1)", "r("), target):
        state = after(state, "edit", text=text)
    assert (state.text, state.shown, len(state.past)) == (target, None, 1)
    back = after(state, "undo")
    assert core(back) == core(State(FIGURE4))
    assert core(after(back, "redo")) == core(state)
    two = after(state, "edit", text=target + "\n")
    assert len(two.past) == 2


@pytest.mark.parametrize(
    "sent",
    [
        {"do": "move", "step": 1, "to": 0},
        {"do": "random", "seed": 1},
        {"do": "order", "order": [1, 0, 2, 3]},
        {"do": "edit", "text": FIGURE4 + "\n"},
        {"do": "edit", "text": "inputs q"},
        {"do": "open", "text": SPECIAL[0], "name": "", "source": None},
    ],
)
def test_a_new_change_ends_what_could_be_made_again(sent: dict[str, Any]) -> None:
    state = after(after(State(FIGURE4), "best"), "undo")
    assert len(state.future) == 1
    new = act(state, read_action(sent, LIMITS)).state
    assert core(new) != core(state)
    assert (new.future, len(new.past)) == ((), 1)


# -- history ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 2, 5])
def test_the_oldest_changes_are_forgotten_beyond_the_limit(most: int) -> None:
    few, state = Limits(history=most), State(FIGURE4)
    orders = [state.order]
    for seed in range(12):
        new = after(state, "random", few, seed=seed)
        orders += [new.order] if new.order != state.order else []
        state = new
        check_state(state, few)
    assert len(state.past) == most
    for order in orders[-2 : -most - 2 : -1]:
        state = after(state, "undo", few)
        assert state.order == order
        check_state(state, few)
    assert (len(state.past), len(state.future)) == (0, most)


def test_the_history_holds_no_more_characters_and_numbers_than_its_limit() -> None:
    state, few = State(FIGURE4), Limits(history_size=1000)
    for k in range(40):
        state = after(state, "edit", few, text=f"{FIGURE4}\n# {k}")
        state = after(state, "random", few, seed=k)
        assert sum(change.size for change in state.past) <= 1000
        told = [change.to_json() for change in state.past]
        assert sum(len(one.get("text", "")) + len(one["order"] or ()) for one in told) <= 1000
    assert len(state.past) > 10
    large = after(state, "edit", few, text=FIGURE4 + "\n#" + "a" * 5000)
    gone = after(large, "edit", few, text=FIGURE4)
    assert [change.size > 1000 for change in gone.past] == [True], "the last change can always be undone"
    assert core(after(gone, "undo", few)) == core(large)


# -- what cannot be done, and what is looked at -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "level"),
    [
        ({"do": "move", "step": 3, "to": 0}, "warning"),
        ({"do": "move", "step": 9, "to": 0}, "error"),
        ({"do": "shift", "step": 2, "by": -2}, "warning"),
        ({"do": "shift", "step": 9, "by": 1}, "error"),
        ({"do": "order", "order": [3, 2, 1, 0]}, "error"),
        ({"do": "order", "order": []}, "error"),
        ({"do": "load", "name": "a"}, "error"),
        ({"do": "forget", "name": "a"}, "error"),
        ({"do": "save", "name": ""}, "error"),
        ({"do": "undo"}, "info"),
        ({"do": "redo"}, "info"),
    ],
)
@pytest.mark.parametrize("text", ["", "inputs q"])
def test_what_cannot_be_done_changes_nothing_and_says_why(sent: dict[str, Any], level: str, text: str) -> None:
    state = State(FIGURE4, selection=Selection("step", 1), position=2)
    if text:
        state = replace(state, text=text, shown=FIGURE4)
    outcome = act(state, read_action(sent, LIMITS))
    assert outcome.state == state
    (message,) = outcome.messages
    # To shift a step is to move it.
    assert (message.level, message.action) == (
        level,
        "move" if sent["do"] == "shift" and level == "warning" else sent["do"],
    )
    assert len(seen(outcome)["messages"]) == 1 + bool(text)


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("sent", [{"do": "best"}, {"do": "move", "step": 0, "to": 0}, {"do": "worst", "seed": 0}])
def test_without_any_program_nothing_can_be_ordered(broken: str, sent: dict[str, Any]) -> None:
    outcome = act(State(broken), read_action(sent, LIMITS))
    assert outcome.state == State(broken)
    found = seen(outcome)
    assert (found["program"], found["order"], found["costs"], found["certificate"]) == (None, None, None, None)
    assert [m["level"] for m in found["messages"]] == ["error"]


def test_what_is_looked_at_is_no_change() -> None:
    state = State(FIGURE4, position=4)
    assert after(state, "mode", mode="reverse") == replace(state, mode=Mode.REVERSE, position=0)
    assert after(state, "mode", mode="forward-inverse") == state
    assert after(state, "go", position=2**53) == replace(state, position=2**53)
    assert after(state, "tab", tab="check") == replace(state, tab="check")
    assert after(state, "hide", hide=False) == replace(state, hide=False)
    chosen = after(state, "select", selection={"kind": "lump", "index": 0})
    assert chosen == replace(state, selection=Selection("lump", 0))
    assert after(chosen, "best").selection is None
    kept = after(state, "select", selection={"kind": "value", "index": 0})
    assert after(kept, "best").selection == Selection("value", 0)
    assert after(chosen, "select", selection=None) == state


def test_a_program_beyond_the_limits_is_refused_as_a_whole() -> None:
    few = Limits(text=60, steps=2, inputs=2)
    for text, noun in (
        (FIGURE4, "too long"),
        ("inputs x\na=f(x)\nb=f(a)\nc=f(b)\noutputs c", "too many steps"),
        ("inputs x, y, z\noutputs x, y, z", "too many inputs or outputs"),
        ("inputs x\noutputs x, x, x", "too many inputs or outputs"),
    ):
        outcome = do(State("inputs x\noutputs x"), "edit", LIMITS, text=text)
        found = seen(act(outcome.state, None, None, few), few)
        assert noun in found["messages"][0]["text"]
        assert found["program"] is None
    fits = "inputs x, y\na=f(x)\nb=f(y)\noutputs a, b"
    assert seen(act(State(fits), None, None, few), few)["messages"] == []
