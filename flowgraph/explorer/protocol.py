"""Requests and replies: one JSON object in, one JSON object out, nothing kept in between.

The server and the notebook call ``answer``; it never looks at anything but the request and what the explorer was
started with.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from flowgraph.errors import FlowgraphError, InputError, NotInvertible
from flowgraph.example_programs import examples
from flowgraph.explorer.actions import read_action
from flowgraph.explorer.commands import commands
from flowgraph.explorer.derivation_view import Given, application, timeline
from flowgraph.explorer.details import explain
from flowgraph.explorer.distribution import distribution, not_invertible
from flowgraph.explorer.exports import export
from flowgraph.explorer.limits import LIMITS, Limits
from flowgraph.explorer.messages import error_json
from flowgraph.explorer.numbers_view import numbers
from flowgraph.explorer.reading import Fields, is_integer
from flowgraph.explorer.session import act, view
from flowgraph.explorer.state import State
from flowgraph.explorer.study import Study, study
from flowgraph.language import format_program
from flowgraph.progress import Tell, silent
from flowgraph.rewrite.derivation import Mode
from flowgraph.verification import verify

_NAME = 200
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Opened:
    """A program that the explorer was started with.

    Attributes:
        name: what it is called.
        source: what the command line calls it; None where it is in no file.
        text: its text, which may have mistakes.
    """

    name: str
    source: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, with what answering it may use.

    Attributes:
        fields: the request.
        tell: is told how far long work is.
        limits: of what is taken.
        opened: what the explorer was started with.
    """

    fields: Fields
    tell: Tell
    limits: Limits
    opened: tuple[Opened, ...]

    def state(self) -> State:
        """The state in the request, with an order that fits its program."""
        state = State.from_json(self.fields.value("state"), self.limits)
        return act(state, None, self.tell, self.limits).state

    def shown(self) -> tuple[State, Study]:
        """The state, and the program that it shows.

        Raises:
            ParseError: it shows none.
        """
        state = self.state()
        return state, study(state.good, self.limits)


def _step(asked: Asked) -> dict[str, Any]:
    limits = asked.limits
    action = asked.fields.optional("action", lambda name: read_action(asked.fields.value(name), limits))
    have = asked.fields.optional("have", lambda name: asked.fields.text(name, _NAME))
    outcome = act(State.from_json(asked.fields.value("state"), limits), action, asked.tell, limits)
    return {"state": outcome.state.to_json(), "view": view(outcome, limits).to_json(have)}


def _explain(asked: Asked) -> dict[str, Any]:
    state, of = asked.shown()
    return {"explain": explain(of, state.order, asked.fields.integer("lump", 0)).to_json()}


def _distribution(asked: Asked) -> dict[str, Any]:
    state, of = asked.shown()
    return {"distribution": distribution(of, state.order, asked.fields.integer("seed", 0), asked.tell).to_json()}


def _timeline(asked: Asked) -> dict[str, Any]:
    state, of = asked.shown()
    return {"timeline": timeline(of.program, of.steps(state.order), state.mode, asked.tell).to_json()}


def _application(asked: Asked) -> dict[str, Any]:
    state, of = asked.shown()
    rows = asked.fields.optional("rows", lambda name: asked.fields.integers(name, 2))
    if rows is not None and len(rows) != 2:
        raise asked.fields.error("rows", "the first and the last row")
    given = asked.fields.optional("numbers", lambda name: _given(asked.fields.inner(name), asked.limits))
    span = None if rows is None else (rows[0], rows[1])
    found = application(of.program, of.steps(state.order), state.mode, state.position, span, given)
    return {"application": found.to_json()}


def _given(fields: Fields, limits: Limits) -> Given:
    x, v = _vector(fields, "x", limits), _vector(fields, "v", limits)
    return Given(x, v, fields.optional("seed", lambda name: fields.integer(name, 0)) or 0)


def _vector(fields: Fields, name: str, limits: Limits) -> tuple[float, ...] | None:
    return fields.optional(name, lambda name: fields.numbers(name, limits.inputs))


def _numbers(asked: Asked) -> dict[str, Any]:
    state, of = asked.shown()
    given = _given(asked.fields, asked.limits)
    return {"numbers": numbers(of.program, of.steps(state.order), given.x, given.v, given.seed).to_json()}


def _verify(asked: Asked) -> dict[str, Any]:
    state, of = asked.shown()
    seed = asked.fields.optional("seed", lambda name: asked.fields.integer(name, 0)) or 0
    order = of.steps(state.order)
    modes = tuple(mode for mode in Mode if of.best is not None or not mode.inverse)
    why = None if of.best is not None else str(not_invertible(of).where or "")
    try:
        report = verify(of.program, modes=modes, seed=seed, order=order, progress=asked.tell)
    except NotInvertible as error:
        # A pivot that is zero for every x, as in z = x - x: what needs no inverse can still be proved.
        modes = (Mode.FORWARD, Mode.REVERSE)
        why = " · ".join(text for text in (error.what, error.where, error.got) if text)
        report = verify(of.program, modes=modes, seed=seed, order=order, progress=asked.tell)
    left_out = [mode.value for mode in Mode if mode not in modes]
    return {"verification": {**report.to_json(), "left_out": left_out, "why_left_out": why}}


def _export(asked: Asked) -> dict[str, Any]:
    state, of = asked.shown()
    what, format = asked.fields.text("what", _NAME), asked.fields.text("format", _NAME)
    at = (of.steps(state.order), state.mode, state.position)
    file = export(of.program, *at, what, format, state.name, asked.tell)
    return {"file": {"name": file.name, "media": file.media, "base64": b64encode(file.data).decode()}}


def _commands(asked: Asked) -> dict[str, Any]:
    state, of = asked.shown()
    # A text that was edited is no longer what the file says.
    source = state.source if state.shown is None else None
    found = commands(of.program, state.order, state.mode, state.position, state.tab, state.name, source)
    return {"commands": found.to_json()}


def _programs(asked: Asked) -> dict[str, Any]:
    found = [
        {"name": entry.name, "source": entry.source, "text": entry.text, "summary": "", "opened": True}
        for entry in asked.opened
    ]
    for example in examples():
        text = example.text if example.file.suffix == ".fg" else format_program(example.program())
        if len(text) <= asked.limits.text:
            name = example.name
            found.append({"name": name, "source": None, "text": text, "summary": example.summary, "opened": False})
    return {"programs": found}


KINDS: Mapping[str, Callable[[Asked], dict[str, Any]]] = MappingProxyType(
    {
        "step": _step,
        "explain": _explain,
        "distribution": _distribution,
        "timeline": _timeline,
        "application": _application,
        "numbers": _numbers,
        "verify": _verify,
        "export": _export,
        "commands": _commands,
        "programs": _programs,
    }
)
"""What answers each kind of request."""


def answer(
    request: object, tell: Tell | None = None, *, opened: tuple[Opened, ...] = (), limits: Limits = LIMITS
) -> dict[str, Any]:
    """The reply to a request. Whatever the request is, a reply comes: mistakes are in its ``error``.

    Args:
        request: what came in as JSON.
        tell: is told how far long work is.
        opened: programs that the explorer was started with.
        limits: of what is taken.

    Example:
        >>> state = {"v": 1, "text": "inputs x, y\\nz = f(x)\\noutputs z"}
        >>> reply = answer({"kind": "step", "seq": 1, "state": state, "action": {"do": "best"}})
        >>> reply["seq"], reply["view"]["messages"][0]["text"]
        (1, 'the Jacobian has no inverse, so orders have no lumps and no cost')
        >>> answer({"kind": "steps"})["error"]["where"]
        '"kind" of the request'
    """
    number = request.get("seq") if isinstance(request, Mapping) else None
    reply: dict[str, Any] = {"seq": number if is_integer(number) else None}
    try:
        fields = Fields(request, "the request")
        handler = fields.choice("kind", KINDS)
        return reply | handler(Asked(fields, tell or silent, limits, opened))
    except FlowgraphError as error:
        return reply | {"error": error_json(error)}
    except RecursionError:
        too_deep = InputError("the request is nested too deeply", remedy="simplify the program")
        return reply | {"error": error_json(too_deep)}
