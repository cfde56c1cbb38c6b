"""``Fields``: a JSON object read field by field, with an error that names the field."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from flowgraph.errors import InputError

T = TypeVar("T")

_GREATEST = sys.float_info.max

_LARGEST = 2**53
"""Numbers of JSON beyond this are not exact in a browser."""


class Fields:
    """A JSON object. Every method reads one field and says what is wrong with it.

    Example:
        >>> Fields({"step": 3}, "the action").integer("step", 0, 9)
        3
        >>> Fields({"step": "3"}, "the action").integer("step", 0, 9)
        Traceback (most recent call last):
            ...
        flowgraph.errors.InputError: a field is not as it should be
          where:    "step" of the action
          got:      '3'
          expected: a whole number from 0 to 9
    """

    def __init__(self, data: object, where: str) -> None:
        if not isinstance(data, Mapping):
            raise InputError(f"{where} is no JSON object", got=shortened(data), expected="an object")
        self._data = data
        self._where = where

    def error(self, name: str, expected: str) -> InputError:
        """The error that a field is not as expected."""
        value = self._data.get(name)
        got = shortened(value) if name in self._data else "nothing"
        return InputError(
            "a field is not as it should be", where=f'"{name}" of {self._where}', got=got, expected=expected
        )

    def value(self, name: str) -> Any:
        """A field as it stands; None where there is none."""
        return self._data.get(name)

    def integer(self, name: str, low: int, high: int = _LARGEST) -> int:
        """A whole number in a range."""
        value: Any = self._data.get(name)
        if not is_integer(value) or not low <= value <= high:
            raise self.error(name, f"a whole number from {low} to {high}")
        return value

    def text(self, name: str, most: int) -> str:
        """A text of limited length."""
        value = self._data.get(name)
        if isinstance(value, str) and len(value) > most:
            raise InputError(
                f"the {name} is too long",
                where=f'"{name}" of {self._where}',
                got=f"{len(value):,} characters",
                expected=f"at most {most:,}",
            )
        if not isinstance(value, str):
            raise self.error(name, f"a text of at most {most:,} characters")
        if not _is_sendable(value):
            raise self.error(name, "a text without halves of surrogate pairs")
        return value

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self._data.get(name)
        if not isinstance(value, bool):
            raise self.error(name, "true or false")
        return value

    def choice(self, name: str, choices: Mapping[str, T]) -> T:
        """What a word stands for."""
        value = self._data.get(name)
        if not isinstance(value, str) or value not in choices:
            raise self.error(name, f"one of {', '.join(choices)}")
        return choices[value]

    def _list(self, name: str, most: int, expected: str, good: Callable[[Any], bool]) -> tuple[Any, ...]:
        value = self._data.get(name)
        if not isinstance(value, list | tuple) or len(value) > most or not all(map(good, value)):
            raise self.error(name, f"a list of at most {most:,} {expected}")
        return tuple(value)

    def integers(self, name: str, most: int, low: int = 0, high: int = _LARGEST) -> tuple[int, ...]:
        """A list of whole numbers."""
        expected = f"whole numbers from {low} to {high}"
        return self._list(name, most, expected, lambda k: is_integer(k) and low <= k <= high)

    def numbers(self, name: str, most: int) -> tuple[float, ...]:
        """A list of finite numbers."""
        return tuple(map(float, self._list(name, most, "finite numbers", _is_number)))

    def texts(self, name: str, most: int, length: int) -> tuple[str, ...]:
        """A list of texts."""
        expected = f"texts of at most {length:,} characters"
        return self._list(name, most, expected, lambda x: isinstance(x, str) and len(x) <= length and _is_sendable(x))

    def objects(self, name: str, most: int) -> tuple[Fields, ...]:
        """A list of JSON objects."""
        found = self._list(name, most, "objects", lambda entry: isinstance(entry, Mapping))
        return tuple(Fields(entry, f'entry {k + 1} of "{name}" of {self._where}') for k, entry in enumerate(found))

    def inner(self, name: str) -> Fields:
        """A JSON object inside this one."""
        return Fields(self._data.get(name), f'"{name}" of {self._where}')

    def optional(self, name: str, read: Callable[[str], T]) -> T | None:
        """What ``read`` makes of a field; None where it is null or missing."""
        return None if self._data.get(name) is None else read(name)


def is_integer(value: object) -> bool:
    """Whether a value of JSON is a whole number; True is none."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_sendable(text: str) -> bool:
    """Whether a text can be written as UTF-8: it holds no half of a surrogate pair."""
    return text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text)


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -_GREATEST <= value <= _GREATEST


def shortened(value: object, most: int = 60) -> str:
    """A value as text that is never long."""
    if isinstance(value, str | list | tuple | dict):
        value = value[:most] if isinstance(value, str) else f"{type(value).__name__} of {len(value)}"
    if isinstance(value, int) and abs(value) > _LARGEST:
        return "a very large number"
    text = repr(value)
    return text if len(text) <= most else text[: most - 1] + "…"
