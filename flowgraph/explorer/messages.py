"""``Message``: what the explorer tells a person about what was done or found, and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flowgraph.errors import FlowgraphError, ParseError

_MOST = 1_000


@dataclass(frozen=True, slots=True)
class Message:
    """Something to tell.

    Attributes:
        level: ``"error"``, ``"warning"`` or ``"info"``.
        text: one sentence.
        line: of the editor's text, from 1; None where no place in it is meant.
        column: from 1.
        where: the place in words.
        got: what was found there.
        expected: what would have been right.
        remedy: what to do.
        action: the name of the action that led to it.
        steps: of an illegal move, the step that is needed and the one that needs it.
    """

    level: str
    text: str
    line: int | None = None
    column: int | None = None
    where: str | None = None
    got: str | None = None
    expected: str | None = None
    remedy: str | None = None
    action: str | None = None
    steps: tuple[int, int] | None = None

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {name: getattr(self, name) for name in self.__slots__}


def message_of(error: FlowgraphError, action: str | None = None, *, level: str = "error") -> Message:
    """What an error tells."""
    place = (error.line, error.column) if isinstance(error, ParseError) else (None, None)
    return Message(
        level,
        _readable(error.what),
        *place,
        where=_optional(error.where),
        got=_optional(error.got),
        expected=_optional(error.expected),
        remedy=_optional(error.remedy),
        action=action,
    )


def _readable(text: str) -> str:
    """What an error tells, cut where a name in it is far too long to be read."""
    return text if len(text) <= _MOST else text[: _MOST - 1] + "…"


def _optional(text: str | None) -> str | None:
    return None if text is None else _readable(text)


def error_json(error: FlowgraphError) -> dict[str, Any]:
    """An error as the object that a reply has in ``error``."""
    told = message_of(error)
    return {
        "error": type(error).__name__,
        "message": told.text,
        **{name: getattr(told, name) for name in ("line", "column", "where", "got", "expected", "remedy")},
    }
