"""The explorer's state as JSON: there and back, and whatever else comes instead of one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from explorer_oracle import FIGURE4, SPECIAL, after, check_state, core, do, seen
from hypothesis import given, settings
from hypothesis import strategies as st

import flowgraph as fg
from flowgraph.explorer.limits import LIMITS, Limits
from flowgraph.explorer.reading import Fields, shortened
from flowgraph.explorer.session import act
from flowgraph.explorer.state import (
    Change,
    Edited,
    Moved,
    Reordered,
    SavedOrder,
    Selection,
    State,
    moved_step,
    shortened_name,
)
from flowgraph.rewrite.derivation import Mode

WRITABLE = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
ORDERS = st.none() | st.lists(st.integers(0, 20), max_size=6).map(tuple)
PLACES = st.integers(0, 30)

CHANGES = st.one_of(
    st.builds(Moved, WRITABLE, PLACES, PLACES),
    st.builds(Reordered, WRITABLE, ORDERS),
    st.builds(Edited, WRITABLE, WRITABLE, st.none() | WRITABLE, WRITABLE, st.none() | WRITABLE, ORDERS),
)

STATES = st.builds(
    State,
    text=WRITABLE | st.sampled_from(SPECIAL),
    name=WRITABLE,
    source=st.none() | WRITABLE,
    shown=st.none() | WRITABLE | st.sampled_from(SPECIAL),
    order=ORDERS,
    mode=st.sampled_from(Mode),
    position=st.integers(0, 2**53),
    tab=st.sampled_from(("order", "derivation", "check")),
    hide=st.booleans(),
    selection=st.none() | st.builds(Selection, st.sampled_from(("step", "value", "lump")), st.integers(0, 2**53)),
    saved=st.lists(st.builds(SavedOrder, WRITABLE, st.lists(WRITABLE, max_size=3).map(tuple)), max_size=3).map(tuple),
    past=st.lists(CHANGES, max_size=4).map(tuple),
    future=st.lists(CHANGES, max_size=4).map(tuple),
)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from((10**400, -(10**400), 2**53, 2**63, 2**64, -1, 0))
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(("\ud800", "\0", "a\udfffb", "x" * 500, "moved", "step", "order", FIGURE4)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


# -- there and back ---------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=150)
@given(STATES)
def test_a_state_comes_back_from_json(state: State) -> None:
    sent = json.dumps(state.to_json(), allow_nan=False, ensure_ascii=False).encode()
    assert State.from_json(json.loads(sent), LIMITS) == state


def test_what_is_missing_is_as_in_a_new_state_and_what_is_unknown_is_left_out() -> None:
    assert State.from_json({"v": 1}, LIMITS) == State.from_json({}, LIMITS) == State()
    assert State.from_json({"v": 1, "text": "inputs x", "other": [[[]]]}, LIMITS) == State("inputs x")


def test_every_field_of_a_state_is_sent() -> None:
    assert set(State().to_json()) == {"v", *State.__slots__}
    for change in (Moved("m", 1, 2), Reordered("r", (1,)), Edited("e", "t", None, "n", None, None)):
        assert set(change.to_json()) - {"type"} == {"label", *type(change).__slots__}


# -- settling ---------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=200)
@given(STATES, st.sampled_from(("undo", "redo", "best", "original")))
def test_a_state_from_elsewhere_is_settled_whatever_its_history_says(state: State, name: str) -> None:
    looked_at = act(state, None)
    seen(looked_at)
    settled = looked_at.state
    check_settled(settled)
    assert act(settled, None).state == settled
    assert (settled.text, settled.past, settled.future, settled.saved) == (
        state.text,
        state.past,
        state.future,
        state.saved,
    )
    outcome = do(state, name)
    check_settled(outcome.state)
    seen(outcome)


def check_settled(state: State) -> None:
    """As ``check_state``, for histories that may be too long."""
    check_state(replace(state, past=(), future=()))


@pytest.mark.parametrize("order", [(3, 2, 1, 0), (0, 1, 2), (0, 0, 1, 2, 3), (0, 1, 2, 77), (5000,), ()])
def test_an_illegal_order_gives_way_to_the_programs_own(order: tuple[int, ...]) -> None:
    outcome = act(State(FIGURE4, order=order), None)
    assert outcome.state == State(FIGURE4)
    (message,) = outcome.messages
    assert (message.level, message.remedy) == ("warning", "the program's own order is shown instead")
    with pytest.raises(fg.InputError) as caught:
        fg.lumps(fg.parse(FIGURE4), order)
    assert message.text == caught.value.what


@pytest.mark.parametrize("order", [(3, 2, 1, 0), (0, 1, 77), (5000,)])
@pytest.mark.parametrize("name", ["undo", "redo"])
def test_an_illegal_order_in_the_history_is_not_shown(order: tuple[int, ...], name: str) -> None:
    edit = Edited("edit", FIGURE4 + "\n", None, "p", None, order)
    outcome = do(State(FIGURE4, past=(edit,), future=(edit,)), name)
    assert core(outcome.state) == (FIGURE4 + "\n", None, None, "p", None)
    assert [m.level for m in outcome.messages] == ["warning"]
    assert seen(outcome)["order"]["steps"] == [0, 1, 2, 3]
    outcome = do(State(FIGURE4, past=(Reordered("r", order),), future=(Reordered("r", order),)), name)
    assert outcome.state.order is None
    assert [m.level for m in outcome.messages] == ["error"]


@pytest.mark.parametrize("change", [Moved("m", 0, 9), Moved("m", 9, 0), Moved("m", 3, 0), Reordered("r", (0,))])
@pytest.mark.parametrize("text", ["", FIGURE4])
def test_a_history_of_another_program_changes_nothing(change: Change, text: str) -> None:
    state = State(text, past=(change,), future=(change,))
    for name in ("undo", "redo"):
        outcome = do(state, name)
        assert outcome.state == state
        assert [(m.level, m.action) for m in outcome.messages] == [("error", name)]


def test_a_program_is_shown_beside_the_text_only_where_the_text_is_none() -> None:
    other = "inputs x\noutputs x"
    assert act(State(FIGURE4, shown=other), None).state == State(FIGURE4)
    assert act(State(FIGURE4, shown=FIGURE4), None).state == State(FIGURE4)
    assert act(State("inputs q", shown="outputs"), None).state == State("inputs q")
    kept = State("inputs q", shown=FIGURE4, order=(0, 2, 1, 3))
    assert act(kept, None).state == kept


def test_histories_from_elsewhere_do_not_grow_beyond_what_can_be_read_back() -> None:
    full = (Moved("m", 1, 2),) * LIMITS.history
    for name in ("undo", "redo"):
        state = after(State(FIGURE4, past=full, future=full), name)
        assert State.from_json(state.to_json(), LIMITS) == state
        assert max(len(state.past), len(state.future)) == LIMITS.history


# -- what is no state -------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(sorted(State().to_json())), JSON)
def test_any_value_in_any_field_is_read_or_refused_with_its_name(name: str, value: Any) -> None:
    read = read_state({**State(FIGURE4).to_json(), name: value})
    if isinstance(read, State):
        json.dumps(read.to_json(), allow_nan=False, ensure_ascii=False).encode()
        check_settled(act(read, None).state)
        return
    assert f'"{name}"' in f"{read.where} {read.what}"
    assert len(str(read)) < 2000
    str(read).encode()


def read_state(data: Any) -> State | fg.InputError:
    """The state, or why it is none."""
    try:
        return State.from_json(data, LIMITS)
    except fg.InputError as error:
        return error


@pytest.mark.parametrize(
    "field",
    [
        {"v": 2},
        {"v": None},
        {"text": "x" * (LIMITS.text + 1)},
        {"shown": "x" * (LIMITS.text + 1)},
        {"name": "x" * 201},
        {"source": "x" * 2001},
        {"text": "\ud800"},
        {"saved": [{"name": "a", "order": ["\udc00"]}]},
        {"saved": [{"name": "a", "order": [0]}]},
        {"saved": [{"name": "a", "order": []}] * (LIMITS.saved + 1)},
        {"order": [True]},
        {"order": [1.0]},
        {"order": [-1]},
        {"order": [LIMITS.steps + 1]},
        {"order": [0] * (LIMITS.steps + 1)},
        {"order": "01"},
        {"order": {"0": 0}},
        {"position": -1},
        {"position": 2**53 + 1},
        {"position": 10**400},
        {"position": float("nan")},
        {"position": 1.0},
        {"position": True},
        {"hide": 1},
        {"mode": "sideways"},
        {"mode": ["forward"]},
        {"tab": {}},
        {"selection": {"kind": "lump"}},
        {"selection": {"kind": "edge", "index": 0}},
        {"selection": {"kind": "lump", "index": 10**400}},
        {"selection": [0]},
        {"past": {}},
        {"past": [None]},
        {"past": [{"type": "erased", "label": ""}]},
        {"past": [{"type": "moved", "label": "x" * 121, "here": 0, "there": 0}]},
        {"past": [{"type": "moved", "label": "x", "here": 0, "there": LIMITS.steps + 1}]},
        {"past": [{"type": "moved", "label": "x", "here": 0}]},
        {"future": [{"type": "reordered", "label": "x", "order": [0.5]}]},
        {"future": [{"type": "edited", "label": "x", "text": None, "name": ""}]},
        {"past": [{"type": "moved", "label": "", "here": 0, "there": 0}] * (LIMITS.history + 1)},
    ],
    ids=lambda field: f"{next(iter(field))}-{shortened(next(iter(field.values())), 20)}",
)
def test_what_a_state_may_not_hold_is_refused(field: dict[str, Any]) -> None:
    with pytest.raises(fg.InputError) as caught:
        State.from_json({**State(FIGURE4).to_json(), **field}, LIMITS)
    assert caught.value.expected or "no JSON object" in caught.value.what


@pytest.mark.parametrize("data", [None, 3, "state", [], [{}], True, float("nan")])
def test_a_state_is_an_object(data: Any) -> None:
    with pytest.raises(fg.InputError, match="the state is no JSON object"):
        State.from_json(data, LIMITS)


def test_deep_nesting_is_refused_at_once() -> None:
    deep: Any = []
    for _ in range(50_000):
        deep = [deep]
    for name in ("text", "order", "saved", "past", "selection", "mode"):
        with pytest.raises(fg.InputError):
            State.from_json({name: deep}, LIMITS)


# -- fields -----------------------------------------------------------------------------------------------------------


def test_numbers_are_finite_and_not_too_large_to_be_one() -> None:
    assert Fields({"x": [1, 2.5, -1.7e308, 10**308]}, "it").numbers("x", 4) == (1.0, 2.5, -1.7e308, 1e308)
    for bad in (float("nan"), float("inf"), 2 * 10**308, 10**400, True, "1", None):
        with pytest.raises(fg.InputError, match="not as it should be"):
            Fields({"x": [bad]}, "it").numbers("x", 4)
    with pytest.raises(fg.InputError):
        Fields({"x": [1, 2]}, "it").numbers("x", 1)


@settings(max_examples=200)
@given(JSON)
def test_what_was_got_is_told_in_few_characters(value: Any) -> None:
    text = shortened(value)
    assert 0 < len(text) <= 60
    text.encode()


# -- small things -----------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 9), unique=True, min_size=1).map(tuple), st.data())
def test_a_moved_step_goes_back(order: tuple[int, ...], data: Any) -> None:
    here, there = (data.draw(st.integers(0, len(order) - 1)) for _ in range(2))
    moved = moved_step(order, here, there)
    assert moved[there] == order[here]
    assert [k for k in moved if k != order[here]] == [k for k in order if k != order[here]]
    assert moved_step(moved, there, here) == order


def test_labels_are_never_too_long_to_be_read_back() -> None:
    name = "v" + "a" * 300
    state = State(f"inputs x, y\n{name} = f(x)\nz = g(y)\noutputs {name}, z")
    state = after(state, "move", step=0, to=1)
    assert state.past[-1].label.startswith("move of va")
    state = after(state, "open", text="inputs x", name="n" * 160, source="s" * 1600)
    check_state(state)
    assert shortened_name("a" * 120) == "a" * 120
    assert len(shortened_name("a" * 121)) == 120


def test_what_can_be_undone_is_named() -> None:
    state = after(State(FIGURE4), "move", step=1, to=0)
    assert seen(act(state, None))["history"] == {"undo": "move of t2", "redo": None}
    assert seen(do(state, "undo"))["history"] == {"undo": None, "redo": "move of t2"}
    assert seen(do(state, "original"))["history"]["undo"] == "original order"


def test_a_long_history_of_moves_stays_small() -> None:
    text = "inputs x, y\n" + "".join("x = f(x)\ny = g(y)\n" for _ in range(500)) + "outputs x, y"
    state = State(text)
    for k in range(250):
        state = after(state, "move", step=2 * k, to=2 * k + 1)
    assert len(state.past) == LIMITS.history
    # The order once, and for each move two numbers and a label.
    assert len(json.dumps(state.to_json())) < len(text) + 1000 * 6 + 200 * 100
    limits = Limits(history=3)
    assert len(after(replace(state, past=()), "move", limits, step=999, to=998).past) == 1
