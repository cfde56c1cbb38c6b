"""The errors: what they say and how they say it."""

from __future__ import annotations

from typing import Any

import pytest

from flowgraph import errors
from flowgraph.errors import FlowgraphError, NotInvertible, ParseError

CHILDREN = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, FlowgraphError)]
PLAIN = [kind for kind in CHILDREN if kind is not ParseError]


@pytest.mark.parametrize("kind", PLAIN)
def test_every_part_is_said_in_order(kind: type[FlowgraphError]) -> None:
    error = kind("it broke", where="step 3", got="two", expected="one", remedy="take one away")
    assert str(error).splitlines() == [
        "it broke",
        "  where:    step 3",
        "  got:      two",
        "  expected: one",
        "  remedy:   take one away",
    ]
    assert (error.what, error.where, error.got, error.expected, error.remedy) == (
        "it broke",
        "step 3",
        "two",
        "one",
        "take one away",
    )
    assert error.args == ("it broke",)


@pytest.mark.parametrize("kind", PLAIN)
def test_parts_that_are_missing_are_not_said(kind: type[FlowgraphError]) -> None:
    assert str(kind("it broke")) == "it broke"
    assert str(kind("it broke", got="two")).splitlines() == ["it broke", "  got:      two"]


@pytest.mark.parametrize("kind", CHILDREN)
def test_every_error_is_documented_and_caught_as_one(kind: type[FlowgraphError]) -> None:
    assert kind.__doc__
    assert issubclass(kind, FlowgraphError)
    assert kind is FlowgraphError or issubclass(kind, (ValueError, TypeError, ArithmeticError))


def caret_column(text: str) -> int:
    """The 0-based column that the caret of a message points to, in the line above it."""
    lines = text.splitlines()
    row = next(k for k, line in enumerate(lines) if line.strip() == "^")
    assert len(lines[row - 1]) > lines[row].index("^")
    return lines[row].index("^")


def test_a_parse_error_points_at_its_place() -> None:
    error = ParseError(
        "no such name", line=4, column=8, source="z = f(x?, y)", file="a.flow", got="?", remedy="name it"
    )
    assert str(error).splitlines() == [
        "no such name",
        "    z = f(x?, y)",
        "           ^",
        "  where:    a.flow, line 4, column 8",
        "  got:      ?",
        "  remedy:   name it",
    ]
    assert (error.line, error.column, error.source, error.file) == (4, 8, "z = f(x?, y)", "a.flow")


def test_a_parse_error_without_source() -> None:
    assert str(ParseError("empty", line=1, column=1)).splitlines() == ["empty", "  where:    line 1, column 1"]


@pytest.mark.parametrize("column", [1, 2, 59, 60, 61, 62, 99, 100, 101, 160, 500])
@pytest.mark.parametrize("blank", [" ", "\t"])
def test_the_caret_stays_under_its_character_in_a_long_line(column: int, blank: str) -> None:
    source = "".join(blank if k % 7 == 3 else "abcdefghij"[k % 10] for k in range(500))
    source = source[: column - 1] + "!" + source[column:]
    lines = str(ParseError("here", line=1, column=column, source=source)).splitlines()
    assert lines[1][caret_column("\n".join(lines))] == "!"
    assert max(len(line) for line in lines) <= 104


def test_a_parse_error_at_the_end_of_the_line() -> None:
    lines = str(ParseError("more expected", line=1, column=8, source="z = f(x")).splitlines()
    assert lines[1:3] == ["    z = f(x", "    " + " " * 7 + "^"]


def test_not_invertible_names_the_step() -> None:
    error = NotInvertible("no", step=3, where="line 4", got="zero")
    assert (error.step, error.certificate) == (3, None)
    assert str(error).splitlines() == ["no", "  where:    line 4", "  got:      zero"]
    bare = NotInvertible("no")
    assert (bare.step, bare.certificate, str(bare)) == (None, None, "no")


def test_not_invertible_carries_the_certificate() -> None:
    certificate = object()
    error = NotInvertible("no", certificate=certificate)
    assert error.certificate is certificate
    assert error.step is None
    for gone in ("kind", "died"):
        assert not hasattr(error, gone)
        given: dict[str, Any] = {gone: "contractive"}
        with pytest.raises(TypeError):
            NotInvertible("no", **given)
