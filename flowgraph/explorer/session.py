"""The explorer as a state machine: ``act`` makes a state of a state, ``view`` says what there is to see. Both are pure.

Everything else, server, notebook and front end, is a skin on these two.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any

from flowgraph.errors import FlowgraphError
from flowgraph.explorer.action import Action, Outcome, readable_study, shown_study
from flowgraph.explorer.actions import ACTIONS
from flowgraph.explorer.carrying import saved_order
from flowgraph.explorer.details import Detail, detail_of
from flowgraph.explorer.distribution import costed
from flowgraph.explorer.limits import LIMITS, Limits
from flowgraph.explorer.messages import Message, message_of
from flowgraph.explorer.order_view import OrderView, order_view
from flowgraph.explorer.state import State
from flowgraph.explorer.study import Study, study
from flowgraph.progress import Tell, silent

_PROGRAMS = 8

_IDENTITY = Message(
    "warning",
    "J was singular at all points that were tried, so it may have no inverse though its structure is sound",
    remedy="look for results that always depend on each other, as in z = x - x; flowgraph verify tells more",
)


@dataclass(frozen=True, slots=True)
class ProgramView:
    """What of a program does not depend on the order of its steps. Values are numbers, inputs first.

    Attributes:
        key: a digest of the text.
        n: number of inputs.
        m: number of outputs.
        names: of all values.
        code: the text of every step.
        lines: the source line of every step, 0 where unknown.
        args: for every step the values that it reads, for a derivative or not, each once.
        outputs: value numbers.
        active: for every step whether a derivative flows through it.
        dead: steps that nothing needs.
    """

    key: str
    n: int
    m: int
    names: tuple[str, ...]
    code: tuple[str, ...]
    lines: tuple[int, ...]
    args: tuple[tuple[int, ...], ...]
    outputs: tuple[int, ...]
    active: tuple[bool, ...]
    dead: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {**_plain(self), "T": len(self.code)}


@dataclass(frozen=True, slots=True)
class CostView:
    """What J⁻¹v costs, in operations for one point and one vector; None where it is too much to count.

    Attributes:
        jvp: J v.
        this: by the lumps of the order at hand.
        best: by the lumps of the best order.
        blocks: by the blocks.
        ratio: ``this`` over ``jvp``.
        best_ratio: ``best`` over ``jvp``.
        lumps: how many lumps the order has.
        best_lumps: how many the best one has.
        largest: the largest l of the order.
        gap: ``this`` less ``best``.
    """

    jvp: int
    this: int | None
    best: int | None
    blocks: int | None
    ratio: float | None
    best_ratio: float | None
    lumps: int
    best_lumps: int
    largest: int
    gap: int | None


@dataclass(frozen=True, slots=True)
class CertificateView:
    """Why J is singular for every x.

    Attributes:
        kind: ``"outputs"`` or ``"inputs"``: which side has more members than can pass.
        text: the same in words.
        inputs: value numbers.
        outputs: value numbers.
        cut: value numbers: every path between the two meets one of them.
    """

    kind: str
    text: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    cut: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SavedView:
    """A saved order.

    Attributes:
        name: what it is called.
        fits: whether the program that is shown has any of its steps.
        current: whether it is the order at hand.
        lumps: how many lumps it has.
        operations: what J⁻¹v costs by it.
        ratio: the same over J v.
    """

    name: str
    fits: bool
    current: bool
    lumps: int | None
    operations: int | None
    ratio: float | None


@dataclass(frozen=True, slots=True)
class View:
    """All there is to see of a state.

    Attributes:
        program: what does not depend on the order; None where the text never was a program.
        order: the program along its order.
        costs: operation counts; None where J has no inverse for any x.
        certificate: why it has none.
        messages: mistakes in the text, and what came of the action.
        undo: what can be undone, or None.
        redo: what can be made again, or None.
        saved: saved orders.
        detail: on what is selected.
    """

    program: ProgramView | None
    order: OrderView | None
    costs: CostView | None
    certificate: CertificateView | None
    messages: tuple[Message, ...]
    undo: str | None
    redo: str | None
    saved: tuple[SavedView, ...]
    detail: Detail | None

    def to_json(self, have: str | None = None) -> dict[str, Any]:
        """As a JSON object.

        Args:
            have: key of the program that the client has already, which is then left out.
        """
        program = self.program
        return {
            "key": None if program is None else program.key,
            "program": None if program is None or program.key == have else program.to_json(),
            "order": None if self.order is None else self.order.to_json(),
            "costs": None if self.costs is None else _plain(self.costs),
            "certificate": None if self.certificate is None else _plain(self.certificate),
            "messages": [message.to_json() for message in self.messages],
            "history": {"undo": self.undo, "redo": self.redo},
            "saved": [_plain(entry) for entry in self.saved],
            "detail": None if self.detail is None else _plain(self.detail),
        }


def _plain(record: Any) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in fields(record)}


def act(state: State, action: Action | None, tell: Tell | None = None, limits: Limits = LIMITS) -> Outcome:
    """The state after an action. What cannot be done leaves it as it was, and a message says why.

    Args:
        state: the state before.
        action: what is done; None only looks at the state.
        tell: is told how far long work is.
        limits: of what is taken.

    Example:
        >>> from flowgraph.explorer.reordering import Best, Move
        >>> text = "inputs x, y\\nt1 = p(x)\\nt2 = p(y)\\nz1 = q(x, t1)\\nz2 = q(y, t2)\\noutputs z1, z2"
        >>> act(State(text), Best()).state.order
        (0, 2, 1, 3)
        >>> refused = act(State(text), Move(step=3, to=0))
        >>> refused.state.order is None, refused.messages[0].text
        (True, 'z2 needs t2')
    """
    settled = _settled(state, limits)
    if action is None:
        return settled
    try:
        outcome = action.on(settled.state, limits, tell or silent)
    except FlowgraphError as error:
        # What keeps the text from being shown is told by ``view``.
        known = str(error) == str(_fault_of_text(settled.state.good, limits))
        told = () if known else (message_of(error, _name_of(action)),)
        return Outcome(settled.state, (*settled.messages, *told))
    # A history from elsewhere may lead to an order that does not fit its text.
    after = _settled(outcome.state, limits)
    return Outcome(after.state, (*settled.messages, *outcome.messages, *after.messages))


def _name_of(action: Action) -> str:
    return next((name for name, kind in ACTIONS.items() if type(action) is kind), "")


def _fault_of_text(text: str, limits: Limits) -> FlowgraphError | None:
    """Why a text is not shown as a program; None where it is."""
    try:
        study(text, limits)
    except FlowgraphError as error:
        return error
    return None


def _settled(state: State, limits: Limits) -> Outcome:
    """The state with an order that fits its program, and a program that is shown only where the text is none.

    One that comes from elsewhere may have others.
    """
    if state.shown is not None and (readable_study(state.text, limits) or not readable_study(state.shown, limits)):
        state = replace(state, shown=None)
    if state.order is None:
        return Outcome(state)
    of = shown_study(state, limits)
    if of is None:
        return Outcome(replace(state, order=None))
    try:
        return Outcome(replace(state, order=of.legal(state.order)))
    except FlowgraphError as error:
        told = message_of(error, level="warning")
        return Outcome(replace(state, order=None), (replace(told, remedy="the program's own order is shown instead"),))


def view(outcome: Outcome, limits: Limits = LIMITS) -> View:
    """What there is to see after an action.

    Example:
        >>> seen = view(act(State("inputs x, y\\nz = x * y\\noutputs z, y"), None))
        >>> seen.costs.ratio, seen.order.widths, seen.messages
        (1.3333333333333333, (2, 2), ())
        >>> view(act(State("inputs x\\ny = x +"), None)).messages[0].line
        2
    """
    state = outcome.state
    messages = [*outcome.messages]
    of = None
    for text in dict.fromkeys((state.text, state.good)):
        try:
            of = study(text, limits)
        except FlowgraphError as error:
            messages.append(message_of(error, "edit"))
    messages = list(dict.fromkeys(messages))
    undo = state.past[-1].label if state.past else None
    redo = state.future[-1].label if state.future else None
    if of is None:
        return View(None, None, None, None, tuple(messages), undo, redo, (), None)
    if of.identities:
        messages.append(_IDENTITY)
    return View(
        program=_program_view(of),
        order=order_view(of, state.order),
        costs=_cost_view(of, state),
        certificate=_certificate_view(of),
        messages=tuple(messages),
        undo=undo,
        redo=redo,
        saved=tuple(_saved_views(of, state)),
        detail=detail_of(of, state),
    )


@lru_cache(maxsize=_PROGRAMS)
def _program_view(of: Study) -> ProgramView:
    program, flow = of.program, of.structure.flow
    starts, operands = program.starts.tolist(), program.operands.tolist()
    return ProgramView(
        key=of.key,
        n=program.n_inputs,
        m=program.n_outputs,
        names=tuple(program.name(value) for value in range(program.n_values)),
        code=tuple(str(step) for step in program.steps()),
        lines=tuple(program.line(step) for step in range(program.n_steps)),
        args=tuple(
            tuple(dict.fromkeys(v for v in operands[starts[k] : starts[k + 1]] if v >= 0))
            for k in range(program.n_steps)
        ),
        outputs=tuple(program.outputs.tolist()),
        active=tuple(flow.active.tolist()),
        dead=tuple(k for k, needed in enumerate(flow.needed.tolist()) if not needed),
    )


def _cost_view(of: Study, state: State) -> CostView | None:
    if of.best is None:
        return None
    this, best = costed(of, state.order), costed(of, of.best)
    blocks = None if of.blocks is None or of.blocks.count is None else of.blocks.count.total.total
    counted = this.operations is not None and best.operations is not None
    return CostView(
        jvp=of.jvp.total,
        this=this.operations,
        best=best.operations,
        blocks=blocks,
        ratio=this.ratio,
        best_ratio=best.ratio,
        lumps=this.lumps,
        best_lumps=best.lumps,
        largest=int(of.along(state.order).lumping.sizes.max(initial=0)),
        gap=(this.operations or 0) - (best.operations or 0) if counted else None,
    )


def _certificate_view(of: Study) -> CertificateView | None:
    found = of.structure.certificate
    if found is None:
        return None
    n, m = of.program.n_inputs, of.program.n_outputs
    square = "" if n == m else f"J is not square: {n} inputs and {m} outputs; "
    return CertificateView(found.kind, square + str(found), found.inputs, found.outputs, found.cut)


def _saved_views(of: Study, state: State) -> list[SavedView]:
    found = []
    for entry in state.saved:
        try:
            order, _ = saved_order(entry.order, of)
        except FlowgraphError:
            found.append(SavedView(entry.name, False, False, None, None, None))
            continue
        cost = None if of.best is None else costed(of, order)
        lumps, operations, ratio = (None, None, None) if cost is None else (cost.lumps, cost.operations, cost.ratio)
        found.append(SavedView(entry.name, True, order == state.order, lumps, operations, ratio))
    return found
