"""``State``: all that the explorer shows follows from it. The client keeps it as JSON and sends it with each request.

A change that can be undone stores how to go back: a move of one step stores two places, so that a long history of a
program of thousands of steps stays small.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, final

from flowgraph.errors import InputError
from flowgraph.explorer.limits import Limits
from flowgraph.explorer.reading import Fields
from flowgraph.explorer.study import Order, Study
from flowgraph.rewrite.derivation import Mode

VERSION = 1

TABS: Mapping[str, str] = MappingProxyType({name: name for name in ("order", "derivation", "check")})
"""The parts of the explorer, one of which is in front."""

MODES: Mapping[str, Mode] = MappingProxyType({mode.value: mode for mode in Mode})
"""The modes by name."""

_NAME = 200
_LABEL = 120


@dataclass(frozen=True, slots=True)
class Selection:
    """What is selected.

    Attributes:
        kind: ``"step"``, ``"value"`` or ``"lump"``.
        index: number of the step or value, or place of the lump, from 0.
    """

    kind: str
    index: int

    KINDS = MappingProxyType({kind: kind for kind in ("step", "value", "lump")})

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {"kind": self.kind, "index": self.index}

    @staticmethod
    def from_json(fields: Fields) -> Selection:
        """Read it back.

        Raises:
            InputError: a field is not as it should be.
        """
        return Selection(fields.choice("kind", Selection.KINDS), fields.integer("index", 0))


@dataclass(frozen=True, slots=True)
class SavedOrder:
    """An order with a name.

    Attributes:
        name: what it is called.
        order: names of results, so that it survives an edit of the text.
    """

    name: str
    order: tuple[str, ...]


# -- history ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Change(ABC):
    """How to take back one change.

    Attributes:
        label: what was done, for people.
    """

    label: str

    @abstractmethod
    def back(self, state: State, study: Study | None) -> tuple[State, Change]:
        """The state before the change, and how to make it again.

        Args:
            state: the state at hand.
            study: of the program it shows; None where it shows none.

        Raises:
            InputError: the change does not fit the program.
        """

    @property
    @abstractmethod
    def size(self) -> int:
        """Roughly how many numbers and characters it holds."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""


@final
@dataclass(frozen=True, slots=True)
class Moved(Change):
    """One step was moved.

    Attributes:
        here: its place in the order, from 0.
        there: the place to which it goes back.
    """

    here: int
    there: int

    def back(self, state: State, study: Study | None) -> tuple[State, Change]:
        """Put the step back."""
        order = () if study is None else study.steps(state.order)
        if study is None or max(self.here, self.there) >= len(order):
            raise InputError("the history does not fit the program", got=f"a move to place {self.there + 1}")
        moved = moved_step(order, self.here, self.there)
        return replace(state, order=study.legal(moved)), Moved(self.label, self.there, self.here)

    @property
    def size(self) -> int:
        """A few numbers."""
        return 4

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {"type": "moved", "label": self.label, "here": self.here, "there": self.there}


@final
@dataclass(frozen=True, slots=True)
class Reordered(Change):
    """The whole order was changed.

    Attributes:
        order: the order before.
    """

    order: Order | None

    def back(self, state: State, study: Study | None) -> tuple[State, Change]:
        """Bring the order back."""
        if study is None:
            raise InputError("the history does not fit the program", got="an order of no program")
        return replace(state, order=study.legal(self.order)), Reordered(self.label, state.order)

    @property
    def size(self) -> int:
        """The numbers of the order."""
        return 4 + len(self.order or ())

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {"type": "reordered", "label": self.label, "order": _listed(self.order)}


@final
@dataclass(frozen=True, slots=True)
class Edited(Change):
    """The text was changed.

    Attributes:
        text: the text before.
        shown: the program that was shown, where that text was none.
        name: what it was called.
        source: what the command line calls it.
        order: the order of the steps that were shown.
    """

    text: str
    shown: str | None
    name: str
    source: str | None
    order: Order | None

    @staticmethod
    def of(state: State, label: str) -> Edited:
        """How to come back to the text of a state."""
        return Edited(label, state.text, state.shown, state.name, state.source, state.order)

    def back(self, state: State, study: Study | None) -> tuple[State, Change]:
        """Bring the text back."""
        before = replace(state, text=self.text, shown=self.shown, name=self.name, source=self.source, order=self.order)
        return before, Edited.of(state, self.label)

    @property
    def size(self) -> int:
        """The characters of the texts and the numbers of the order."""
        return 4 + len(self.text) + len(self.shown or "") + len(self.order or ())

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "type": "edited",
            "label": self.label,
            "text": self.text,
            "shown": self.shown,
            "name": self.name,
            "source": self.source,
            "order": _listed(self.order),
        }


def _read_moved(fields: Fields, limits: Limits) -> Change:
    most = limits.steps
    return Moved(fields.text("label", _LABEL), fields.integer("here", 0, most), fields.integer("there", 0, most))


def _read_reordered(fields: Fields, limits: Limits) -> Change:
    return Reordered(fields.text("label", _LABEL), _read_order(fields, limits))


def _read_edited(fields: Fields, limits: Limits) -> Change:
    return Edited(
        fields.text("label", _LABEL),
        fields.text("text", limits.text),
        fields.optional("shown", lambda name: fields.text(name, limits.text)),
        fields.text("name", _NAME),
        fields.optional("source", lambda name: fields.text(name, _NAME * 10)),
        _read_order(fields, limits),
    )


_CHANGES: Mapping[str, Callable[[Fields, Limits], Change]] = MappingProxyType(
    {"moved": _read_moved, "reordered": _read_reordered, "edited": _read_edited}
)


def _read_change(fields: Fields, limits: Limits) -> Change:
    return fields.choice("type", _CHANGES)(fields, limits)


def _read_order(fields: Fields, limits: Limits) -> Order | None:
    return fields.optional("order", lambda name: fields.integers(name, limits.steps, 0, limits.steps))


def _listed(order: Order | None) -> list[int] | None:
    return None if order is None else list(order)


def moved_step(order: Order, here: int, there: int) -> Order:
    """An order with the step at one place taken out and put at another.

    Example:
        >>> moved_step((5, 6, 7, 8), 0, 2)
        (6, 7, 5, 8)
    """
    rest = order[:here] + order[here + 1 :]
    return (*rest[:there], order[here], *rest[there:])


# -- the state --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class State:
    """All that a person has chosen.

    Attributes:
        text: what stands in the editor.
        name: what the program is called; empty for a new one.
        source: what the command line calls it, or None.
        shown: the last text that was a program, where ``text`` is none; else None.
        order: the steps of the program that is shown; None is its own order.
        mode: whose derivation is shown.
        position: how many applications of rules have been made in it.
        tab: what is in front.
        hide: whether applications that change nothing are passed over.
        selection: what is selected, or None.
        saved: named orders.
        past: how to go back, the newest change last.
        future: how to go forth again, the next change last.
    """

    text: str = ""
    name: str = ""
    source: str | None = None
    shown: str | None = None
    order: Order | None = None
    mode: Mode = Mode.FORWARD_INVERSE
    position: int = 0
    tab: str = "order"
    hide: bool = True
    selection: Selection | None = None
    saved: tuple[SavedOrder, ...] = ()
    past: tuple[Change, ...] = ()
    future: tuple[Change, ...] = ()

    @property
    def good(self) -> str:
        """The text of the program that is shown."""
        return self.text if self.shown is None else self.shown

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "v": VERSION,
            "text": self.text,
            "name": self.name,
            "source": self.source,
            "shown": self.shown,
            "order": _listed(self.order),
            "mode": self.mode.value,
            "position": self.position,
            "tab": self.tab,
            "hide": self.hide,
            "selection": None if self.selection is None else self.selection.to_json(),
            "saved": [{"name": entry.name, "order": list(entry.order)} for entry in self.saved],
            "past": [change.to_json() for change in self.past],
            "future": [change.to_json() for change in self.future],
        }

    @staticmethod
    def from_json(data: object, limits: Limits) -> State:
        """Read a state back. What is missing is as in a new one.

        Raises:
            InputError: it is no state, of another version, or too large.

        Example:
            >>> from flowgraph.explorer.limits import LIMITS
            >>> State.from_json(State("inputs x", order=(0, 1)).to_json(), LIMITS).order
            (0, 1)
        """
        fields = Fields({**State().to_json(), **data} if isinstance(data, Mapping) else data, "the state")
        if fields.value("v") != VERSION:
            raise fields.error("v", f"{VERSION}, the version of this explorer")
        saved = tuple(
            SavedOrder(entry.text("name", _NAME), entry.texts("order", limits.steps, limits.text))
            for entry in fields.objects("saved", limits.saved)
        )
        return State(
            text=fields.text("text", limits.text),
            name=fields.text("name", _NAME),
            source=fields.optional("source", lambda name: fields.text(name, _NAME * 10)),
            shown=fields.optional("shown", lambda name: fields.text(name, limits.text)),
            order=_read_order(fields, limits),
            mode=fields.choice("mode", MODES),
            position=fields.integer("position", 0),
            tab=fields.choice("tab", TABS),
            hide=fields.flag("hide"),
            selection=fields.optional("selection", lambda name: Selection.from_json(fields.inner(name))),
            saved=saved,
            past=tuple(_read_change(entry, limits) for entry in fields.objects("past", limits.history)),
            future=tuple(_read_change(entry, limits) for entry in fields.objects("future", limits.history)),
        )

    def changed(self, after: State, change: Change, limits: Limits) -> State:
        """``after``, with the change noted so that it can be undone; beyond the limits the oldest are forgotten."""
        kept: list[Change] = [change]
        room = limits.history_size - change.size
        for earlier in reversed(self.past):
            room -= earlier.size
            if room < 0 or len(kept) >= limits.history:
                break
            kept.append(earlier)
        return replace(after, past=tuple(reversed(kept)), future=())


def shortened_name(text: str) -> str:
    """A label of a change that is never too long to be read back."""
    return text if len(text) <= _LABEL else text[: _LABEL - 1] + "…"
