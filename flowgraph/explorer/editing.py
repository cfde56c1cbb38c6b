"""Actions on the text: open another program, edit the one at hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush
from typing import Self, final

from flowgraph.explorer.action import Action, Outcome, readable_study, shown_study
from flowgraph.explorer.distribution import Tell
from flowgraph.explorer.limits import Limits
from flowgraph.explorer.messages import Message
from flowgraph.explorer.reading import Fields
from flowgraph.explorer.state import Edited, State, shortened_name
from flowgraph.explorer.study import Order, Study

_NAME = 80


@final
@dataclass(frozen=True, slots=True)
class Open(Action):
    """Another program; undo brings the one at hand back. A text with mistakes is shown in the editor.

    Attributes:
        text: the program.
        name: what it is called.
        source: what the command line calls it.
    """

    text: str
    name: str
    source: str | None

    @classmethod
    def read(cls, fields: Fields, limits: Limits) -> Self:
        """Read text, name and source."""
        source = fields.optional("source", lambda name: fields.text(name, 20 * _NAME))
        return cls(fields.text("text", limits.text), fields.text("name", 2 * _NAME), source)

    def on(self, state: State, limits: Limits, tell: Tell) -> Outcome:
        """Open it in its own order."""
        fresh = replace(
            state,
            text=self.text,
            shown=None,
            name=self.name,
            source=self.source,
            order=None,
            position=0,
            selection=None,
        )
        if not state.text:
            return Outcome(replace(fresh, past=(), future=()))
        return Outcome(state.changed(fresh, Edited.of(state, shortened_name(f"opening of {self.name}")), limits))


@final
@dataclass(frozen=True, slots=True)
class Edit(Action):
    """Another text in the editor. Its order follows the names of the old one as far as that is legal.

    Attributes:
        text: what stands in the editor now.
    """

    text: str

    @classmethod
    def read(cls, fields: Fields, limits: Limits) -> Self:
        """Read the text."""
        return cls(fields.text("text", limits.text))

    def on(self, state: State, limits: Limits, tell: Tell) -> Outcome:
        """Show the new program, or keep the last good one where the text is none."""
        if self.text == state.text:
            return Outcome(state)
        old, new = shown_study(state, limits), readable_study(self.text, limits)
        if self.text == state.shown:
            return Outcome(replace(state, text=self.text, shown=None))
        if new is None:
            after = replace(state, text=self.text, shown=None if old is None else state.good)
            return Outcome(self._noted(state, after, limits))
        order, messages = (None, ()) if old is None else _carried_over(old, state.order, new)
        after = replace(state, text=self.text, shown=None, source=None, order=order, position=0, selection=None)
        return Outcome(self._noted(state, after, limits), messages)

    def _noted(self, state: State, after: State, limits: Limits) -> State:
        """``after`` with the edit noted; on the way from one program to the next, only where it began."""
        begun = state.past and isinstance(state.past[-1], Edited)
        if begun and (state.shown is not None or readable_study(state.text, limits) is None):
            return replace(after, future=())
        return state.changed(after, Edited.of(state, "edit of the text"), limits)


def _carried_over(before: Study, order: Order | None, new: Study) -> tuple[Order | None, tuple[Message, ...]]:
    """The order of a program after an edit: by name as before, new steps after the one they follow in the text."""
    if order is None:
        return None, ()
    rank = {name: place for place, name in enumerate(before.names(order))}
    n = new.program.n_inputs
    wish: dict[int, tuple[float, int]] = {}
    last = -1.0
    for place, step in enumerate(new.own):
        last = rank.get(new.program.name(n + step), last)
        wish[step] = (last, place)
    found = _nearest_legal(new, wish)
    kept = [step for step in sorted(wish, key=lambda step: wish[step])]
    told = () if list(found) == kept else (Message("info", "the order was changed where the new text asks for it"),)
    return new.legal(found), told


def _nearest_legal(of: Study, wish: Mapping[int, tuple[float, int]]) -> Order:
    """A legal order that takes, of the steps that could come next, always the one with the least wish."""
    flow = of.structure.flow
    waiting = dict.fromkeys(wish, 0)
    readers: dict[int, list[int]] = {step: [] for step in wish}
    for first, then in zip(flow.before.tolist(), flow.after.tolist(), strict=True):
        waiting[then] += 1
        readers[first].append(then)
    ready = [(wish[step], step) for step, count in waiting.items() if count == 0]
    heapify(ready)
    found = []
    while ready:
        _, step = heappop(ready)
        found.append(step)
        for reader in readers[step]:
            waiting[reader] -= 1
            if waiting[reader] == 0:
                heappush(ready, (wish[reader], reader))
    return tuple(found)
