"""``Explorer``: the widget. Only ``widget.explore`` imports this, when it makes one: the base class is anywidget's."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from time import monotonic
from types import TracebackType
from typing import Any

import anywidget
import numpy as np
import traitlets

from flowgraph.errors import InputError
from flowgraph.explorer.action import Action, shown_study
from flowgraph.explorer.actions import SetMode
from flowgraph.explorer.editing import Open
from flowgraph.explorer.front_end import STATIC, front_end, math_font, styles
from flowgraph.explorer.limits import LIMITS
from flowgraph.explorer.protocol import Opened, answer
from flowgraph.explorer.reordering import SetOrder
from flowgraph.explorer.session import act
from flowgraph.explorer.state import MODES, State
from flowgraph.explorer.study import Study
from flowgraph.program import Program, size_text

THEMES = ("auto", "light", "dark")

_HEIGHT = re.compile(r"\d+(\.\d+)?(px|em|rem|vh|svh|lvh|dvh|cm|mm|in|pt)")

_BETWEEN = 0.1
"""Seconds between two messages about progress."""


class Explorer(anywidget.AnyWidget):
    """The explorer as a widget; ``flowgraph.explore`` makes one.

    Attributes:
        order: names of the results in the order that is shown. Can be set, to names or step numbers, or to None for the
            program's own order; can be observed, as in ``widget.observe(f, "order")``.
        mode: the mode whose derivation is shown. Can be set and observed.
        state: all that is shown, as a JSON object. Can be set, to a state that this or another widget had.
        theme: auto, light or dark. Can be set.
        height: a number of pixels, or a length as CSS writes it. Can be set.
    """

    _esm = (STATIC / "widget.js").read_text(encoding="utf-8")

    # A plain TraitType accepts anything, so that it is the checks below that say what is wrong.
    modules: traitlets.TraitType[list[list[str]], Any] = traitlets.TraitType([]).tag(sync=True)
    css: traitlets.TraitType[str, Any] = traitlets.TraitType("").tag(sync=True)
    font: traitlets.TraitType[str, Any] = traitlets.TraitType("").tag(sync=True)
    state: traitlets.TraitType[dict[str, Any], Any] = traitlets.TraitType({}).tag(sync=True)
    theme: traitlets.TraitType[str, Any] = traitlets.TraitType("auto").tag(sync=True)
    height: traitlets.TraitType[str, Any] = traitlets.TraitType("640px").tag(sync=True)
    order: traitlets.TraitType[tuple[str, ...], Any] = traitlets.TraitType(())
    mode: traitlets.TraitType[str, Any] = traitlets.TraitType("forward-inverse")

    def __init__(
        self,
        text: str,
        *,
        program: Program | None = None,
        name: str = "",
        source: str | None = None,
        order: Any = None,
        mode: str = "forward-inverse",
        theme: str = "auto",
        height: int | str = 640,
    ) -> None:
        self._given = program
        self._text = text
        self._opened = (Opened(name, source, text),) if text else ()
        super().__init__(
            modules=[list(module) for module in front_end()],
            css=styles(),
            font=math_font(),
            state=act(State(), Open(text, name, source), limits=LIMITS).state.to_json(),
            theme=theme,
            height=height,
        )
        self.on_msg(_answered)
        self.mode = mode
        self.order = order
        # What a widget begins with is nothing to undo.
        self.state = {**self.state, "past": []}

    @property
    def program(self) -> Program:
        """The program that is shown, with its steps in the order that is shown.

        Raises:
            InputError: there is none, since the text has not been right yet.
        """
        state, of = self._shown()
        if of is None:
            raise InputError(
                "there is no program in the explorer",
                remedy="mend the text in the editor, or give explore a program",
            )
        # A program that was given has names, lines and branches that its text cannot tell. Reading the text may have
        # computed steps of constants, and the numbers of the others would not be the same.
        given, program = self._given, of.program
        if given is not None and state.good == self._text and given.n_steps == program.n_steps:
            program = given
        return program if state.order is None else program.reordered(np.array(state.order, dtype=np.int64))

    def __repr__(self) -> str:
        of = self._shown()[1]
        what = "no program" if of is None else size_text(of.program)
        return f"<Explorer: {what}; a notebook shows it, in a terminal run: flowgraph explore>"

    def _shown(self) -> tuple[State, Study | None]:
        state = State.from_json(self.state, LIMITS)
        return state, shown_study(state, LIMITS)

    def _names(self) -> tuple[str, ...]:
        state, of = self._shown()
        return () if of is None else of.names(state.order)

    def _act(self, action: Action) -> None:
        self.state = act(State.from_json(self.state, LIMITS), action, limits=LIMITS).state.to_json()

    # -- what is set is checked; order, mode and state say the same ---------------------------------------------------

    @traitlets.validate("state")
    def _check_state(self, proposal: Any) -> Any:
        return act(State.from_json(proposal["value"], LIMITS), None, limits=LIMITS).state.to_json()

    @traitlets.observe("state")
    def _follow_state(self, _: Any) -> None:
        self.order = self._names()
        self.mode = self.state["mode"]

    @traitlets.validate("order")
    def _check_order(self, proposal: Any) -> tuple[str, ...]:
        order, of = proposal["value"], self._shown()[1]
        order = order.tolist() if isinstance(order, np.ndarray) else order
        if order is not None and (isinstance(order, str) or not isinstance(order, Sequence)):
            raise InputError(
                "this is no order",
                got=repr(order),
                expected="names of results or step numbers, each step after those it reads; or None",
                remedy="flowgraph.best_order, enumerate_orders and sample_orders find orders",
            )
        if of is not None:
            return of.names(of.legal(order))
        if order is not None and len(order):
            raise InputError("there is no program to put in order", remedy="mend the text in the editor first")
        return ()

    @traitlets.observe("order")
    def _show_order(self, _: Any) -> None:
        of = self._shown()[1]
        if of is not None and self.order != self._names():
            self._act(SetOrder(of.steps(of.legal(self.order))))

    @traitlets.validate("mode")
    def _check_mode(self, proposal: Any) -> str:
        return _one_of("mode", proposal["value"], tuple(MODES))

    @traitlets.observe("mode")
    def _show_mode(self, _: Any) -> None:
        if self.mode != self.state["mode"]:
            self._act(SetMode(MODES[self.mode]))

    @traitlets.validate("theme")
    def _check_theme(self, proposal: Any) -> str:
        return _one_of("theme", proposal["value"], THEMES)

    @traitlets.validate("height")
    def _check_height(self, proposal: Any) -> str:
        height = proposal["value"]
        text = f"{height}px" if isinstance(height, int | float) and not isinstance(height, bool) else height
        if isinstance(text, str) and _HEIGHT.fullmatch(text):
            return text
        raise InputError(
            "this is no height", got=repr(height), expected='a number of pixels such as 640, or a length such as "80vh"'
        )


def _one_of(what: str, value: Any, choices: tuple[str, ...]) -> str:
    if isinstance(value, str) and value in choices:
        # A member of an enumeration is a str too.
        return str(value)
    raise InputError(f"there is no such {what}", got=repr(value), expected=f"one of {', '.join(choices)}")


def _answered(widget: Explorer, content: Any, _: Any) -> None:
    """Answer a message of the front end."""
    if isinstance(content, Mapping) and isinstance(content.get("id"), str):
        with _Reply(widget, content["id"]) as reply:
            reply.send(answer(content.get("request"), reply.tell, opened=widget._opened))


class _Reply:
    """What is sent to the front end about one request: progress, then a reply, whatever happens.

    What ``answer`` does not foresee is told to the front end and goes on to the notebook; so is an interrupt.
    """

    def __init__(self, widget: Explorer, number: str) -> None:
        self._widget = widget
        self._id = number
        self._last = monotonic()

    def __enter__(self) -> _Reply:
        return self

    def tell(self, what: str, done: int, total: int) -> None:
        """Send how far the work is, if nothing was sent just now."""
        now = monotonic()
        if now - self._last >= _BETWEEN:
            self._last = now
            self._widget.send({"id": self._id, "progress": {"what": what, "done": done, "total": total}})

    def send(self, reply: Mapping[str, Any]) -> None:
        """Send the reply."""
        self._widget.send({"id": self._id, "reply": reply})

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trail: TracebackType | None
    ) -> None:
        if error is not None:
            self.send({"seq": None, "error": _unforeseen(error)})


def _unforeseen(error: BaseException) -> dict[str, Any]:
    if isinstance(error, KeyboardInterrupt):
        told = ("interrupted", None, "ask again")
    else:
        got = f"{type(error).__name__}: {error}"
        told = ("this went wrong inside flowgraph", got, "the notebook's log has the traceback; please report it")
    nothing = dict.fromkeys(("line", "column", "where", "expected"))
    return {"error": type(error).__name__, **nothing, **dict(zip(("message", "got", "remedy"), told, strict=True))}
