"""What the tests of the explorer's core share: texts of small programs, actions, and what must hold of every state.

Whether an order is legal, where a step may go and which edge is in the way is decided here by trying every place with
``lump_oracle``, which shares no code with the explorer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hypothesis import strategies as st
from lump_oracle import Facts, facts_of, is_legal
from strategies import invertible_programs, programs, square_programs

import flowgraph as fg
from flowgraph.explorer.action import Outcome
from flowgraph.explorer.actions import read_action
from flowgraph.explorer.limits import LIMITS, Limits
from flowgraph.explorer.session import act, view
from flowgraph.explorer.state import State
from flowgraph.language import format_program

FIGURE4 = "inputs x, y\nt1 = p(x)\nt2 = p(y)\nz1 = q(x, t1)\nz2 = q(y, t2)\noutputs z1, z2"
"""Its own order is one lump of four steps; the best one has two lumps."""

SPECIAL = (
    "inputs x\noutputs x",
    "inputs x, y\noutputs y, x",
    "inputs x, y\noutputs x",
    "inputs x, y\nz = 3\noutputs z, y",
    "inputs x, y\nz = x + y\noutputs z, z",
    "inputs x, y\nt = f(x, y)\nu = g(t)\noutputs t, u",
    "inputs x, y\nd = f(x)\nz = g(x, y)\noutputs z, y",
    "inputs x, y\nc = f(x)\nz = select(c, x, y)\nu = h(y, x)\noutputs z, u",
    "inputs x, y, z\nc = f(y)\nx = select(c, x, 1)\nd = g(c)\ny = h(d, y)\nz = k(z, x)\noutputs y, x, z",
    "inputs a, b, c\na = f(a, b)\nb = g(b, a)\na = h(a)\nc = k(c, b)\noutputs b, c, a",
    FIGURE4,
)
"""Programs at the edge: nothing, no steps, constants, repeated outputs, singular, dead code, conditions, registers."""

BROKEN = (
    "",
    "inputs\noutputs",
    "inputs x, y\noutputs",
    "inputs x\ny = x +",
    "inputs x, y\nz = f(x\noutputs z, y",
    "outputs x",
    "inputs x\ny = undefined(z)\noutputs y",
    "inputs x\0\noutputs x",
    "(" * 300,
)
"""Texts that are no programs."""


def written(program: fg.Program) -> str:
    """A program as text, its functions named by how many operands they take, which has to be one number in a text."""
    return re.sub(r"\b([fgh])\(([^()]*)\)", lambda m: f"{m[1]}{m[2].count(',')}({m[2]})", format_program(program))


def invertible_texts() -> st.SearchStrategy[str]:
    """Texts of small programs that have an inverse."""
    drawn = st.one_of(
        invertible_programs(max_inputs=3, max_steps=8, guards=False),
        invertible_programs(min_inputs=2, max_inputs=4, max_steps=8, guards=False, operations=("mul", "add", "select")),
    )
    return drawn.map(written).filter(lambda text: readable(text) is not None)


def texts() -> st.SearchStrategy[str]:
    """Texts of small programs of every kind."""
    drawn = st.one_of(
        square_programs(max_inputs=3, max_steps=6, guards=False),
        programs(max_inputs=3, max_steps=6, guards=False),
    )
    # The notation has no programs without inputs or outputs, and no functions of nothing.
    readable_texts = drawn.map(written).filter(lambda text: readable(text) is not None)
    return st.one_of(invertible_texts(), readable_texts, st.sampled_from(SPECIAL))


@st.composite
def edited(draw: st.DrawFn, text: str) -> str:
    """A text as somebody at work might leave it: lines lost, doubled, changed round, cut, or a step put in."""
    lines = text.split("\n")
    place = draw(st.integers(0, len(lines) - 1))
    kind = draw(st.sampled_from(("lose", "double", "swap", "cut", "insert", "comment", "use")))
    if kind == "lose":
        del lines[place]
    elif kind == "double":
        lines.insert(place, lines[place])
    elif kind == "swap":
        other = draw(st.integers(0, len(lines) - 1))
        lines[place], lines[other] = lines[other], lines[place]
    elif kind == "cut":
        lines[place] = lines[place][: draw(st.integers(0, len(lines[place])))]
    elif kind == "insert":
        lines.insert(place + 1, f"fresh = f({draw(st.sampled_from(lines)).split(' ')[0].strip(',')})")
    elif kind == "comment":
        lines[place] += "  # seen"
    else:
        lines[place] = lines[place].replace("(", "(fresh, ", 1)
        lines.insert(max(place, 1), "fresh = 2 * 1.5")
    return "\n".join(lines)


def actions(text: str) -> st.SearchStrategy[dict[str, Any]]:
    """Anything a client may send as an action on a small program, sensible or not."""
    small = st.integers(0, 9)
    names = st.sampled_from(("a", "b", " c ", "", "näme"))
    new_text = st.one_of(edited(text), st.just(text), st.sampled_from((*SPECIAL, *BROKEN)))
    seeds = st.integers(0, 5)

    def make(do: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
        return st.fixed_dictionaries({"do": st.just(do), **fields})

    selection = st.fixed_dictionaries({"kind": st.sampled_from(("step", "value", "lump")), "index": small})
    return st.one_of(
        make("move", step=small, to=small),
        make("move", step=small, to=small),
        make("edit", text=new_text),
        make("undo"),
        make("redo"),
        make("shift", step=small, by=st.integers(-2, 2)),
        make("random", seed=seeds),
        make("open", text=new_text, name=names, source=st.one_of(st.none(), st.just("some.fg"))),
        make("order", order=st.lists(small, max_size=7)),
        make("original"),
        make("best"),
        make("worst", seed=seeds),
        make("save", name=names),
        make("load", name=names),
        make("forget", name=names),
        make("select", selection=st.one_of(st.none(), selection)),
        make("mode", mode=st.sampled_from(("forward", "reverse", "forward-inverse", "reverse-inverse"))),
        make("go", position=st.integers(0, 40)),
        make("tab", tab=st.sampled_from(("order", "derivation", "check"))),
        make("hide", hide=st.booleans()),
    )


@st.composite
def sessions(draw: st.DrawFn, most: int = 9) -> tuple[str, list[dict[str, Any]]]:
    """A program, and what somebody does with it."""
    text = draw(texts())
    return text, draw(st.lists(actions(text), min_size=1, max_size=most))


# -- doing ------------------------------------------------------------------------------------------------------------


def do(state: State, kind: str, /, limits: Limits = LIMITS, **fields: Any) -> Outcome:
    """The outcome of an action, read as the protocol reads it."""
    return act(state, read_action({"do": kind, **fields}, limits), None, limits)


def after(state: State, kind: str, /, limits: Limits = LIMITS, **fields: Any) -> State:
    """The state after an action."""
    return do(state, kind, limits, **fields).state


def core(state: State) -> tuple[Any, ...]:
    """What undo and redo bring back."""
    return state.text, state.shown, state.order, state.name, state.source


def readable(text: str) -> fg.Program | None:
    """The program that a text is, or None."""
    try:
        return fg.parse(text)
    except fg.FlowgraphError:
        return None


def order_of(program: fg.Program, state: State) -> tuple[int, ...]:
    """The order of a state, written out."""
    return tuple(sorted(facts_of(program).needed)) if state.order is None else state.order


# -- what must hold ---------------------------------------------------------------------------------------------------


def check_state(state: State, limits: Limits = LIMITS) -> None:
    """The order of a state is legal and written one way only; it can be sent and read back; its history is bounded."""
    program = readable(state.good)
    if program is None:
        assert state.order is None
    elif state.order is not None:
        facts = facts_of(program)
        assert is_legal(facts, state.order), f"{state.order} is illegal"
        assert state.order != tuple(sorted(facts.needed)), "the program's own order is None"
    if readable(state.text) is not None:
        assert state.shown is None, "a text that is a program is the one that is shown"
    sent = json.loads(json.dumps(state.to_json(), allow_nan=False))
    assert State.from_json(sent, limits) == state
    assert len(state.past) + len(state.future) <= limits.history


def numbers_in(data: Any) -> Iterator[int | float]:
    """All numbers of a JSON value."""
    if isinstance(data, bool) or data is None or isinstance(data, str):
        return
    if isinstance(data, int | float):
        yield data
    elif isinstance(data, Mapping):
        for key, value in data.items():
            assert isinstance(key, str)
            yield from numbers_in(value)
    else:
        assert isinstance(data, Sequence)
        for value in data:
            yield from numbers_in(value)


def seen(outcome: Outcome, limits: Limits = LIMITS) -> dict[str, Any]:
    """The view as the client gets it; everything in it that is a number of something is one that there is."""
    found = json.loads(json.dumps(view(outcome, limits).to_json(), allow_nan=False).encode().decode())
    program, order = found["program"], found["order"]
    assert (program is None) == (order is None) == (found["key"] is None)
    if program is not None:
        check_ranges(program, order, found)
    for message in found["messages"]:
        assert message["level"] in ("error", "warning", "info")
        assert message["text"]
    return found


def check_ranges(program: Mapping[str, Any], order: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """Every value, step, row and register is one that the program has."""
    n, total, steps = program["n"], program["T"], order["steps"]
    values, rows = range(n + total), range(len(steps) + 1)
    assert len(program["names"]) == n + total
    assert len(set(program["names"])) == n + total
    assert len(program["code"]) == len(program["lines"]) == len(program["args"]) == len(program["active"]) == total
    assert all(v in values for args in program["args"] for v in args)
    assert all(v in values for v in program["outputs"])
    assert len(program["outputs"]) == program["m"]
    assert sorted([*steps, *program["dead"]]) == list(range(total))
    assert len(order["place"]) == len(order["rows"]) == len(order["last"]) == n + total
    assert all(-1 <= k < order["columns"] for k in order["place"])
    assert all(r == -1 or r in rows for r in order["rows"])
    assert all(-1 <= r <= len(steps) + 1 for r in order["last"])
    assert len(order["widths"]) == len(steps) + 1
    assert len(order["band"]) == len(order["blocker"]) == len(steps)
    for row, (first, last) in enumerate(order["band"], start=1):
        assert 1 <= first <= row <= last <= len(steps)
    assert all(k is None or k in steps for pair in order["blocker"] for k in pair)
    for lump in order["lumps"]:
        assert all(v in values for v in (*lump["consumed"], *lump["produced"], *lump["read"]))
    assert all(r in rows and r > 0 for block in order["blocks"] for r in block["rows"])
    assert all(v in values for block in order["blocks"] for v in block["unknowns"])
    certificate = found["certificate"]
    assert (certificate is None) == (found["costs"] is not None)
    if certificate is not None:
        assert all(v in values for part in ("inputs", "outputs", "cut") for v in certificate[part])
        assert order["lumps"] == order["blocks"] == []
    assert all(abs(x) < 2**53 for x in numbers_in(found))


def bands(facts: Facts, order: Sequence[int]) -> list[tuple[int, int]]:
    """For every step along an order the first and last row where it may stand, by trying every place."""
    found = []
    for here, step in enumerate(order):
        rest = [*order[:here], *order[here + 1 :]]
        good = [to for to in range(len(order)) if is_legal(facts, [*rest[:to], step, *rest[to:]])]
        assert good == list(range(good[0], good[-1] + 1))
        found.append((good[0] + 1, good[-1] + 1))
    return found


@st.composite
def legal_orders(draw: st.DrawFn, facts: Facts) -> tuple[int, ...]:
    """Any legal order, one step after another."""
    chosen: list[int] = []
    while len(chosen) < len(facts.needed):
        ready = [k for k in sorted(facts.needed) if k not in chosen and facts.before(k) <= set(chosen)]
        chosen.append(draw(st.sampled_from(ready)))
    return tuple(chosen)
