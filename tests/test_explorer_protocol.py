"""The explorer's requests and replies: each kind, whatever else may be sent, and how long long programs take."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping
from typing import Any

import pytest
from explorer_oracle import BROKEN, FIGURE4, SPECIAL, check_ranges, legal_orders, sessions, texts
from hypothesis import given, settings
from hypothesis import strategies as st
from lump_oracle import facts_of, is_singular, lumps_along, most_lumps

import flowgraph as fg
from flowgraph.explorer import study
from flowgraph.explorer.actions import ACTIONS, read_action
from flowgraph.explorer.limits import LIMITS, Limits
from flowgraph.explorer.protocol import Opened, answer
from flowgraph.explorer.session import act, view
from flowgraph.explorer.state import State


def ask(kind: str, state: Any = None, **fields: Any) -> dict[str, Any]:
    """The reply to a request, both as they travel."""
    sent = json.loads(json.dumps({"kind": kind, "seq": 7, "state": state, **fields}))
    reply = json.loads(json.dumps(answer(sent), allow_nan=False, ensure_ascii=False).encode())
    assert reply["seq"] == 7
    return reply


def step(state: Any, **action: Any) -> dict[str, Any]:
    """The reply to an action, which is no error."""
    reply = ask("step", state, action=action or None)
    assert "error" not in reply, reply
    return reply


# -- each kind --------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(sessions(most=5))
def test_a_step_is_what_the_state_machine_does(session: Any) -> None:
    text, actions = session
    sent: Any = State(text).to_json()
    state = State(text)
    for action in actions:
        outcome = act(state, read_action(action, LIMITS))
        reply = ask("step", sent, action=action)
        assert set(reply) == {"seq", "state", "view"}
        assert reply["view"] == json.loads(json.dumps(view(outcome).to_json()))
        sent, state = reply["state"], outcome.state
        assert State.from_json(sent, LIMITS) == state


def test_a_program_that_the_client_has_is_not_sent_again() -> None:
    state = {"v": 1, "text": FIGURE4}
    first = step(state)["view"]
    assert ask("step", state, have=first["key"])["view"] == {**first, "program": None}
    assert ask("step", state, have="another")["view"] == first
    other = ask("step", state, have=first["key"], action={"do": "edit", "text": SPECIAL[0]})["view"]
    assert other["program"]["key"] == other["key"] != first["key"]
    broken = ask("step", state, have=first["key"], action={"do": "edit", "text": "inputs q"})["view"]
    assert (broken["program"], broken["key"]) == (None, first["key"])


@settings(deadline=None, max_examples=30)
@given(texts(), st.data())
def test_an_explanation_or_a_certificate_comes(text: str, data: Any) -> None:
    facts = facts_of(fg.parse(text))
    order = data.draw(legal_orders(facts))
    state = State(text, order=order).to_json()
    count = 0 if is_singular(facts) else len(lumps_along(facts, order))
    for lump in range(count + 1):
        reply = ask("explain", state, lump=lump)
        if lump < count:
            told = reply["explain"]
            assert (set(told), told["lump"]) == ({"lump", "why", "split", "parts"}, lump)
            assert sorted(k for part in told["parts"] for k in part) == sorted(lumps_along(facts, order)[lump].steps)
        else:
            assert reply["error"]["error"] == ("NotInvertible" if is_singular(facts) else "InputError")


@settings(deadline=None, max_examples=8)
@given(texts(), st.data())
def test_a_distribution_of_costs_comes(text: str, data: Any) -> None:
    facts = facts_of(fg.parse(text))
    state = State(text, order=data.draw(legal_orders(facts))).to_json()
    reply = ask("distribution", state, seed=1)
    if is_singular(facts):
        assert reply["error"]["error"] == "NotInvertible"
        assert reply["error"]["where"] in str(fg.decompose(fg.parse(text)).certificate)
        return
    found = reply["distribution"]
    assert found["count"] == len(found["operations"]) == len(found["lumps"]) == len(found["ratios"]) == 200
    assert found["seed"] == 1
    assert found["best"]["lumps"] == most_lumps(facts)
    every = [*found["operations"], *(found[name]["operations"] for name in ("best", "original", "current"))]
    assert found["worst"]["operations"] == max(every)
    new = step(state, do="worst", seed=1)["view"]["costs"]["this"]
    assert new == found["worst"]["operations"]


def test_long_work_tells_how_far_it_is() -> None:
    told: list[tuple[str, int, int]] = []
    request = {"kind": "distribution", "state": {"v": 1, "text": FIGURE4}, "seed": 0}
    answer(request, lambda *args: told.append(args))
    assert told == [("orders", k, 200) for k in range(200)]
    told.clear()
    answer(
        {"kind": "step", "state": {"v": 1, "text": FIGURE4}, "action": {"do": "worst", "seed": 0}},
        lambda *args: told.append(args),
        limits=Limits(samples=3),
    )
    assert told == [("orders", k, 3) for k in range(3)]


def test_the_programs_are_those_it_was_started_with_and_the_examples() -> None:
    opened = (Opened("mine.fg", "work/mine.fg", "inputs x\ny = +"),)
    found = answer({"kind": "programs", "seq": 1}, opened=opened)["programs"]
    mine = {"name": "mine.fg", "source": "work/mine.fg", "text": "inputs x\ny = +", "summary": "", "opened": True}
    assert found[0] == mine
    assert [entry["opened"] for entry in found[1:]] == [False] * (len(found) - 1)
    names = [entry["name"] for entry in found[1:]]
    assert {"figure2.fg", "polar.py:polar"} <= set(names)
    assert len(set(names)) == len(names) > 10
    for entry in found[1:]:
        program = fg.parse(entry["text"])
        assert program.n_inputs > 0
        assert entry["summary"]
        view_of = step({"v": 1}, do="open", text=entry["text"], name=entry["name"], source=entry["source"])["view"]
        check_ranges(view_of["program"], view_of["order"], view_of)
    assert len(answer({"kind": "programs"}, limits=Limits(text=10))["programs"]) == 0


def test_what_may_take_seconds_is_known_beforehand() -> None:
    assert {name for name, action in ACTIONS.items() if action.slow} == {"worst"}


# -- anything else ----------------------------------------------------------------------------------------------------

ODD: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1.5,
    2**53 + 1,
    10**400,
    -(10**400),
    float("nan"),
    float("inf"),
    "",
    "x",
    "\ud800",
    "\0",
    "x" * 500_000,
    [],
    [[]],
    {},
    {"do": "undo"},
    [None] * 10_000,
    {"kind": {"kind": {}}},
)

ACTIONS_SENT: tuple[dict[str, Any], ...] = (
    {"do": "open", "text": FIGURE4, "name": "a", "source": None},
    {"do": "edit", "text": FIGURE4},
    {"do": "move", "step": 1, "to": 0},
    {"do": "shift", "step": 1, "by": -1},
    {"do": "order", "order": [0, 2, 1, 3]},
    {"do": "random", "seed": 0},
    {"do": "save", "name": "a"},
    {"do": "load", "name": "a"},
    {"do": "forget", "name": "a"},
    {"do": "select", "selection": {"kind": "step", "index": 0}},
    {"do": "mode", "mode": "reverse"},
    {"do": "go", "position": 1},
    {"do": "tab", "tab": "check"},
    {"do": "hide", "hide": False},
)


def answered(request: Any) -> dict[str, Any]:
    """The reply, which can always be written, and always is a reply or an error that says something."""
    reply = answer(request)
    json.dumps(reply, allow_nan=False, ensure_ascii=False).encode()
    assert "seq" in reply
    if "error" in reply:
        error = reply["error"]
        assert error["error"] in ("InputError", "ParseError", "NotInvertible")
        assert error["message"]
        assert len(json.dumps(error)) < 5000
        assert set(error) == {"error", "message", "line", "column", "where", "got", "expected", "remedy"}
    elif "state" in reply:
        State.from_json(reply["state"], LIMITS)
    return reply


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:20])
def test_odd_values_anywhere_get_a_reply(odd: Any) -> None:
    base = {"kind": "step", "seq": 1, "state": {"v": 1, "text": FIGURE4}, "action": None, "have": None}
    assert "error" in answered(odd)
    for name in base:
        answered({**base, name: odd})
    for kind, field in (("explain", "lump"), ("distribution", "seed")):
        reply = answered({**base, "kind": kind, field: odd})
        assert ("error" in reply) == (odd not in (0,) or odd is False)
    for sent in ACTIONS_SENT:
        for name in sent:
            answered({**base, "action": {**sent, name: odd}})


def test_missing_fields_are_named() -> None:
    for sent in ACTIONS_SENT:
        for name in sent:
            rest = {key: value for key, value in sent.items() if key != name}
            reply = answered({"kind": "step", "state": {"v": 1, "text": FIGURE4}, "action": rest})
            if (sent["do"], name) in (("open", "source"), ("select", "selection")):
                assert "error" not in reply
            else:
                assert reply["error"]["where"] == f'"{name}" of the action'
                assert reply["error"]["got"] == "nothing"
    assert answer({})["error"]["where"] == '"kind" of the request'
    assert answer({"kind": "step"})["error"]["message"] == "the state is no JSON object"
    assert answer({"kind": "explain", "state": {"text": FIGURE4}})["error"]["where"] == '"lump" of the request'


@pytest.mark.parametrize("seq", [0, 2**53, -3])
def test_the_number_of_a_request_comes_back_with_an_error_too(seq: int) -> None:
    assert answer({"kind": "programs", "seq": seq}, limits=Limits(text=0))["seq"] == seq
    assert answer({"kind": "none", "seq": seq})["seq"] == seq
    assert answer({"kind": "none", "seq": "7"})["seq"] is None
    assert answer({"kind": "none", "seq": True})["seq"] is None
    assert answer([seq])["seq"] is None


@pytest.mark.parametrize("broken", BROKEN)
def test_what_needs_a_program_says_where_the_text_is_wrong(broken: str) -> None:
    with pytest.raises(fg.ParseError) as caught:
        fg.parse(broken)
    for kind in ("explain", "distribution"):
        error = ask(kind, {"v": 1, "text": broken}, lump=0, seed=0)["error"]
        assert (error["error"], error["message"]) == ("ParseError", caught.value.what)
        assert (error["line"], error["column"]) == (caught.value.line, caught.value.column)


@settings(deadline=None, max_examples=100)
@given(sessions(most=3), st.randoms(use_true_random=False))
def test_mutated_requests_get_a_reply(session: Any, rng: random.Random) -> None:
    text, actions = session
    state: Any = State(text).to_json()
    for action in actions:
        reply = answered({"kind": "step", "seq": 1, "state": state, "action": action})
        request: Any = {"kind": "step", "seq": 2, "state": reply["state"], "action": action}
        answered(mutated(request, rng))
        state = reply["state"]


def mutated(data: Any, rng: random.Random) -> Any:
    """A JSON value with something in it changed."""
    if rng.random() < 0.1 or not isinstance(data, Mapping | list) or not data:
        return rng.choice(ODD)
    if isinstance(data, list):
        place = rng.randrange(len(data))
        return [*data[:place], mutated(data[place], rng), *data[place + rng.randrange(2) :]]
    key = rng.choice(sorted(data))
    return {**data, key: mutated(data[key], rng)}


def test_names_of_any_length_give_messages_that_can_be_read() -> None:
    state = {"v": 1, "text": FIGURE4, "saved": [{"name": "a", "order": ["x" * 150_000]}]}
    (message,) = step(state, do="load", name="a")["view"]["messages"]
    assert message["text"] == "an order names a step that the program does not have"
    assert len(json.dumps(message)) < 2000


# -- time -------------------------------------------------------------------------------------------------------------


def steps(count: int, n: int = 10) -> str:
    rng = random.Random(0)
    names = [f"x{k}" for k in range(n)]
    lines = [f"{a} = f({a}, {b})" for a, b in (rng.sample(names, 2) for _ in range(count))]
    return "\n".join([f"inputs {', '.join(names)}", *lines, f"outputs {', '.join(names)}"])


def blocks_in_one_lump(pairs: int, layers: int) -> str:
    """A value that stays alive makes one lump of ``pairs · layers`` blocks of two rows."""
    now = [f"x{k}" for k in range(2 * pairs)]
    lines = [f"inputs {', '.join(now)}", "k = h(x0)"]
    for layer in range(layers):
        for letter in "yz":
            lines += [f"{letter}{layer}_{k} = {letter}({now[2 * k]}, {now[2 * k + 1]})" for k in range(pairs)]
        now = [f"{letter}{layer}_{k}" for letter in "yz" for k in range(pairs)]
    return "\n".join([*lines, f"q = r({now[0]}, k)", f"outputs {', '.join(['q', *now[1:]])}"])


@pytest.mark.parametrize(
    "text",
    [steps(LIMITS.steps), blocks_in_one_lump(500, 4)],
    ids=["5,000 steps", "2,000 blocks in one lump"],
)
def test_a_move_in_a_long_program_is_answered_in_time(text: str) -> None:
    first = step({"v": 1}, do="open", text=text, name="long", source=None)
    state, found = first["state"], first["view"]
    check_ranges(found["program"], found["order"], found)
    taken = []
    for row in (100, 2000, 3900):
        moving, (first_row, last_row) = found["order"]["steps"][row - 1], found["order"]["band"][row - 1]
        to = last_row - 1 if last_row > row else first_row - 1
        start = time.perf_counter()
        reply = answer(
            {
                "kind": "step",
                "seq": 1,
                "state": state,
                "action": {"do": "move", "step": moving, "to": to},
                "have": found["key"],
            }
        )
        taken.append(time.perf_counter() - start)
        assert reply["view"]["order"]["steps"][to] == moving
    assert min(taken) < LIMITS.order_seconds


@pytest.mark.parametrize("broken", [steps(3000) + "\nz = +", "inputs x\n" + "\n" * 60_000 + "y = (\noutputs y"])
def test_a_long_text_with_a_mistake_is_read_once(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[int] = []
    read = study.parse
    monkeypatch.setattr(study, "parse", lambda text: reads.append(len(text)) or read(text))
    state = step({"v": 1, "text": FIGURE4}, do="edit", text=broken)["state"]
    assert reads.count(len(broken)) == 1
    step(state, do="best")
    step(state, do="edit", text=broken + " ")
    assert reads.count(len(broken)) == 1


# -- singular by an identity ------------------------------------------------------------------------------------------

IDENTITIES = (
    "inputs x, y\nz = x - x\noutputs z, y",
    "inputs x, y\na = x + y\nb = x + y\nc = 2*b\noutputs a, c",
    "inputs x, y\nu = x * y\nv = x * y\noutputs u, v",
)


@pytest.mark.parametrize("text", IDENTITIES)
def test_a_program_that_is_singular_by_an_identity_is_warned_about(text: str) -> None:
    (message,) = step({"v": 1, "text": text})["view"]["messages"]
    assert message["level"] == "warning"
    assert "singular at all points" in message["text"]


@pytest.mark.parametrize("text", IDENTITIES[:2])
def test_what_needs_no_inverse_is_proved_where_a_pivot_is_zero(text: str) -> None:
    found = answer({"kind": "verify", "seq": 1, "state": {"v": 1, "text": text}})["verification"]
    assert found["ok"]
    assert found["left_out"] == ["forward-inverse", "reverse-inverse"]
    assert "singular for every x" in found["why_left_out"]
    assert {check["subject"] for check in found["checks"]} >= {"forward = J", "reverse = Jᵀ"}


def test_an_order_cheaper_than_the_best_is_named() -> None:
    text = (
        "inputs x0, x1\nz0 = f2(x0, x1)\nz1 = select(x0, x1, z0)\nz2 = 0.5 * x1\nz3 = f1(x0)\nz4 = f2(z1, z0)\n"
        "outputs z2, z4"
    )
    found = answer({"kind": "distribution", "seq": 1, "seed": 0, "state": {"v": 1, "text": text}})["distribution"]
    assert found["cheapest"]["operations"] == min(found["operations"]) < found["best"]["operations"]
