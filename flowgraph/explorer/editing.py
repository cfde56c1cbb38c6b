"""Actions on the text: open another program, edit the one at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        if not (state.text or state.shown or state.past):
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
            return Outcome(_returned(replace(state, text=self.text, shown=None, future=())))
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


def _returned(state: State) -> State:
    """A state whose text is the last good one again, without an edit that would lead back to itself."""
    last = state.past[-1] if state.past else None
    if last is not None and last == Edited.of(state, last.label):
        return replace(state, past=state.past[:-1])
    return state


def _carried_over(before: Study, order: Order | None, new: Study) -> tuple[Order | None, tuple[Message, ...]]:
    """The order of a program after an edit: by name as before, new steps after the one they follow in the text.

    The steps that were there keep their order where any legal order does.
    """
    if order is None:
        return None, ()
    rank = {name: place for place, name in enumerate(before.names(order))}
    n = new.program.n_inputs
    wish: dict[int, tuple[int, int]] = {}
    stayed: dict[int, int] = {}
    last = -1
    for place, step in enumerate(new.own):
        old = rank.get(new.program.name(n + step))
        if old is not None:
            last = stayed[step] = old
        wish[step] = (last, place)
    readers: dict[int, list[int]] = {step: [] for step in wish}
    for first, then in zip(new.structure.flow.before.tolist(), new.structure.flow.after.tolist(), strict=True):
        readers[first].append(then)
    # A new step never keeps one that was there waiting for one that came after it.
    for step in reversed(new.own):
        if step not in stayed:
            wish[step] = min((wish[step], *(wish[reader] for reader in readers[step])))
    found = _nearest_legal(readers, wish)
    places = [stayed[step] for step in found if step in stayed]
    told = Message("info", "the order was changed where the new text asks for it")
    return new.legal(found), () if places == sorted(places) else (told,)


def _nearest_legal(readers: Mapping[int, Sequence[int]], wish: Mapping[int, tuple[int, int]]) -> Order:
    """A legal order that takes, of the steps that could come next, always the one with the least wish."""
    waiting = dict.fromkeys(wish, 0)
    for others in readers.values():
        for reader in others:
            waiting[reader] += 1
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
