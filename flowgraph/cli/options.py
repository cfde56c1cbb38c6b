"""Options that several commands have. The choices are written out here, and a test holds them against the library."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from flowgraph.cli.output import JSON_KEY, TRACEBACK_KEY

MODES = ("forward", "reverse", "forward-inverse", "reverse-inverse")
FORMATS = ("svg", "pdf", "png", "tex", "dot", "txt")
FIGURE_FORMATS = ("svg", "pdf", "png", "tex")
METHODS = ("auto", "exact", "prime-field")
BACKENDS = ("numpy", "compiled")

F = TypeVar("F", bound=Callable[..., Any])


class Point(click.ParamType):
    """Finite numbers with commas between them."""

    name = "point"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """The point that the text gives."""
        if isinstance(value, tuple):
            return value
        try:
            point = tuple(float(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is not a list of numbers such as 0.1,0.2,0.3", param, ctx)
        if not all(map(math.isfinite, point)):
            self.fail(f"{value!r} holds a number that is not finite", param, ctx)
        return point


class Vector(Point):
    """Finite numbers with commas between them, or @FILE."""

    name = "vector"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The numbers that the text gives, or the path of the file that holds them."""
        if isinstance(value, str) and value.startswith("@"):
            return Path(value[1:])
        return value if isinstance(value, Path) else super().convert(value, param, ctx)


class List(click.ParamType):
    """Choices with commas between them."""

    name = "list"

    def __init__(self, choices: tuple[str, ...]) -> None:
        self.choices = choices

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """The choices that the text gives, each once."""
        if isinstance(value, tuple):
            return value
        parts = tuple(dict.fromkeys(part.strip().lower() for part in str(value).split(",")))
        for part in parts:
            if part not in self.choices:
                self.fail(f"{part!r} is not one of {', '.join(self.choices)}", param, ctx)
        return parts


class Order(click.ParamType):
    """Names of results with commas or blanks between them, or a word."""

    name = "order"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """The names, in order."""
        if isinstance(value, tuple):
            return value
        names = tuple(str(value).replace(",", " ").split())
        if not names:
            self.fail("an order names results, as in t1,z1,t2,z2, or is one of the words best and given", param, ctx)
        return names


def order_option(function: F) -> F:
    """``--order``."""
    return click.option(
        "--order",
        type=Order(),
        metavar="ORDER",
        help="The order of the steps: names of results with commas between them, or best, or given.",
    )(function)


def _remember(ctx: click.Context, param: click.Parameter, value: bool) -> bool:
    # An error is reported by the group, which does not see the options of its commands.
    ctx.meta[{"as_json": JSON_KEY, "with_traceback": TRACEBACK_KEY}[str(param.name)]] = value
    return value


def json_option(function: F) -> F:
    """``--json``, read before the other options so that their errors are JSON too."""
    return click.option(
        "--json",
        "as_json",
        is_flag=True,
        is_eager=True,
        callback=_remember,
        help="Print one JSON object on standard output.",
    )(function)


def traceback_option(function: F) -> F:
    """``--traceback``."""
    return click.option(
        "--traceback",
        "with_traceback",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_remember,
        help="Show Python's traceback with an error.",
    )(function)


def tracing_options(function: F) -> F:
    """``--n``, ``--at`` and ``--traceback``: how a Python function becomes a program."""
    for option in (
        traceback_option,
        click.option(
            "--at", type=Point(), metavar="X1,X2,...", help="The point at which a Python function takes its branches."
        ),
        click.option(
            "--n",
            type=click.IntRange(min=0),
            metavar="N",
            help="The number of inputs of a Python function of one vector.",
        ),
    ):
        function = option(function)
    return function
