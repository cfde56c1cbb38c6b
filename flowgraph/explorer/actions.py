"""Every action by its name; here also those that choose what is looked at, and those that go back and forth in history.

Adding an action is adding a class and an entry in ``ACTIONS``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Self, final

from flowgraph.explorer.action import Action, Outcome, PlainAction, shown_study
from flowgraph.explorer.editing import Edit, Open
from flowgraph.explorer.limits import Limits
from flowgraph.explorer.messages import Message
from flowgraph.explorer.reading import Fields
from flowgraph.explorer.reordering import (
    Best,
    Forget,
    Load,
    Move,
    Original,
    RandomOrder,
    Save,
    SetOrder,
    Shift,
    Worst,
)
from flowgraph.explorer.state import MODES, TABS, Change, Selection, State
from flowgraph.progress import Tell
from flowgraph.rewrite.derivation import Mode

# -- what is looked at ------------------------------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class Select(Action):
    """Select a step, a value or a lump, or nothing.

    Attributes:
        selection: what.
    """

    selection: Selection | None

    @classmethod
    def read(cls, fields: Fields, limits: Limits) -> Self:
        """Read the selection."""
        return cls(fields.optional("selection", lambda name: Selection.from_json(fields.inner(name))))

    def on(self, state: State, limits: Limits, tell: Tell) -> Outcome:
        """Select it."""
        return Outcome(replace(state, selection=self.selection))


@final
@dataclass(frozen=True, slots=True)
class SetMode(Action):
    """The derivation of another mode, from its beginning.

    Attributes:
        mode: the mode.
    """

    mode: Mode

    @classmethod
    def read(cls, fields: Fields, limits: Limits) -> Self:
        """Read the mode."""
        return cls(fields.choice("mode", MODES))

    def on(self, state: State, limits: Limits, tell: Tell) -> Outcome:
        """Take it."""
        return Outcome(state if self.mode is state.mode else replace(state, mode=self.mode, position=0))


@final
@dataclass(frozen=True, slots=True)
class Go(Action):
    """Another place in the derivation.

    Attributes:
        position: how many applications have been made.
    """

    position: int

    @classmethod
    def read(cls, fields: Fields, limits: Limits) -> Self:
        """Read the position."""
        return cls(fields.integer("position", 0))

    def on(self, state: State, limits: Limits, tell: Tell) -> Outcome:
        """Go there."""
        return Outcome(replace(state, position=self.position))


@final
@dataclass(frozen=True, slots=True)
class ShowTab(Action):
    """Another part of the explorer in front.

    Attributes:
        tab: which.
    """

    tab: str

    @classmethod
    def read(cls, fields: Fields, limits: Limits) -> Self:
        """Read which."""
        return cls(fields.choice("tab", TABS))

    def on(self, state: State, limits: Limits, tell: Tell) -> Outcome:
        """Bring it to the front."""
        return Outcome(replace(state, tab=self.tab))


@final
@dataclass(frozen=True, slots=True)
class Hide(Action):
    """Whether applications that change nothing are passed over.

    Attributes:
        hide: whether.
    """

    hide: bool

    @classmethod
    def read(cls, fields: Fields, limits: Limits) -> Self:
        """Read whether."""
        return cls(fields.flag("hide"))

    def on(self, state: State, limits: Limits, tell: Tell) -> Outcome:
        """Hide or show them."""
        return Outcome(replace(state, hide=self.hide))


# -- history ----------------------------------------------------------------------------------------------------------


@final
class Undo(PlainAction):
    """Take back the last change."""

    __slots__ = ()

    def on(self, state: State, limits: Limits, tell: Tell) -> Outcome:
        """Go back."""
        if not state.past:
            return Outcome(state, (Message("info", "there is nothing to undo", action="undo"),))
        before, again = _turned(state, state.past[-1], limits)
        return Outcome(replace(before, past=state.past[:-1], future=(*state.future, again)[-limits.history :]))


@final
class Redo(PlainAction):
    """Make a change again that was taken back."""

    __slots__ = ()

    def on(self, state: State, limits: Limits, tell: Tell) -> Outcome:
        """Go forth."""
        if not state.future:
            return Outcome(state, (Message("info", "there is nothing to redo", action="redo"),))
        after, back = _turned(state, state.future[-1], limits)
        return Outcome(replace(after, past=(*state.past, back)[-limits.history :], future=state.future[:-1]))


def _turned(state: State, change: Change, limits: Limits) -> tuple[State, Change]:
    """The state with a change taken back."""
    return change.back(replace(state, selection=None, position=0), shown_study(state, limits))


ACTIONS: Mapping[str, type[Action]] = MappingProxyType(
    {
        "open": Open,
        "edit": Edit,
        "move": Move,
        "shift": Shift,
        "order": SetOrder,
        "original": Original,
        "best": Best,
        "worst": Worst,
        "random": RandomOrder,
        "save": Save,
        "load": Load,
        "forget": Forget,
        "select": Select,
        "mode": SetMode,
        "go": Go,
        "tab": ShowTab,
        "hide": Hide,
        "undo": Undo,
        "redo": Redo,
    }
)
"""Every action by the name that JSON has in ``do``."""


def read_action(data: object, limits: Limits) -> Action:
    """Read an action from JSON.

    Raises:
        InputError: there is no such action, or a field is not as it should be.
    """
    fields = Fields(data, "the action")
    return fields.choice("do", ACTIONS).read(fields, limits)
