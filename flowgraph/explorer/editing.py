"""Actions on the text: open another program, edit the one at hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self, final

from flowgraph.explorer.action import Action, Outcome, readable_study, shown_study
from flowgraph.explorer.carrying import carried_order
from flowgraph.explorer.limits import Limits
from flowgraph.explorer.messages import Message
from flowgraph.explorer.reading import Fields
from flowgraph.explorer.state import Edited, State, shortened_name
from flowgraph.progress import Tell

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
        order, messages = None, ()
        if old is not None and state.order is not None:
            order, kept = carried_order(old.names(state.order), new)
            messages = () if kept else (Message("info", "the order was changed where the new text asks for it"),)
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
