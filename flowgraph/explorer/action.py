"""``Action``: something that a person does, as a record that makes a state of a state."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

from flowgraph.errors import FlowgraphError
from flowgraph.explorer.limits import Limits
from flowgraph.explorer.messages import Message
from flowgraph.explorer.reading import Fields
from flowgraph.explorer.state import State
from flowgraph.explorer.study import Study, study
from flowgraph.progress import Tell


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an action.

    Attributes:
        state: the state after it.
        messages: what to tell.
    """

    state: State
    messages: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class Action(ABC):
    """Something that a person does.

    Class attributes:
        slow: whether it may take seconds.
    """

    slow: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def read(cls, fields: Fields, limits: Limits) -> Self:
        """Read the action from JSON.

        Raises:
            InputError: a field is not as it should be.
        """

    @abstractmethod
    def on(self, state: State, limits: Limits, tell: Tell) -> Outcome:
        """The state after the action.

        Args:
            state: the state before, whose order is legal.
            limits: of what is taken.
            tell: is told how far long work is.

        Raises:
            FlowgraphError: it cannot be done; the state stays.
        """


class PlainAction(Action):
    """An action without fields."""

    __slots__ = ()

    @classmethod
    def read(cls, fields: Fields, limits: Limits) -> Self:
        """There is nothing to read."""
        return cls()


def readable_study(text: str, limits: Limits) -> Study | None:
    """What a text says as a program; None where it is none."""
    try:
        return study(text, limits)
    except FlowgraphError:
        return None


def shown_study(state: State, limits: Limits) -> Study | None:
    """Of the program that a state shows; None where there has been none."""
    return readable_study(state.good, limits)
