"""What the command line writes: answers on standard output; errors and progress on standard error."""

from __future__ import annotations

import json
import sys
import threading
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

from flowgraph.errors import FlowgraphError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

ERROR_SCHEMA = "flowgraph/error/1"
JSON_KEY = "flowgraph.json"
TRACEBACK_KEY = "flowgraph.traceback"

_PLAIN_WIDTH = 200


def console(err: bool = False) -> Console:
    """A console on standard output or error. Files and pipes get plain text that is not folded to a screen."""
    from rich.console import Console

    stream = sys.stderr if err else sys.stdout
    return Console(file=stream, highlight=False, width=None if stream.isatty() else _PLAIN_WIDTH)


def print_json(data: Mapping[str, Any]) -> None:
    """Print one JSON object on standard output."""
    ascii_only = "utf" not in (getattr(sys.stdout, "encoding", None) or "")
    click.echo(json.dumps(data, indent=2, ensure_ascii=ascii_only, allow_nan=False))


def printable(text: str) -> str:
    """Text without the characters that steer a terminal, which a file's name or content may hold.

    Example:
        >>> printable("J⁻¹ \\x1b[31m")
        'J⁻¹ \\\\x1b[31m'
    """
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def error_json(error: FlowgraphError) -> dict[str, Any]:
    """An error as a JSON object."""
    return {
        "schema": ERROR_SCHEMA,
        "error": type(error).__name__,
        "message": printable(error.what),
        **{
            name: None if text is None else printable(text)
            for name, text in (
                ("where", error.where),
                ("got", error.got),
                ("expected", error.expected),
                ("remedy", error.remedy),
            )
        },
    }


def print_error(error: FlowgraphError, ctx: click.Context) -> None:
    """Print an error on standard error, with Python's traceback where that is asked for."""
    from rich.text import Text

    target = console(err=True)
    if ctx.meta.get(TRACEBACK_KEY):
        click.echo("".join(traceback.format_exception(error)), err=True)
    head, *rest = printable(str(error)).split("\n")
    message = Text.assemble(("Error: ", "bold red"), (head, "bold"))
    for line in rest:
        name, colon, text = line.partition(":")
        known = colon and name.strip() in ("where", "got", "expected", "remedy")
        message.append("\n")
        message.append_text(Text.assemble((name + colon, "dim"), text) if known else Text(line))
    target.print(message, soft_wrap=True)


def report_error(error: FlowgraphError, ctx: click.Context) -> None:
    """Print an error on standard error, and as JSON on standard output where the command was asked for JSON."""
    print_error(error, ctx)
    if ctx.meta.get(JSON_KEY):
        print_json(error_json(error))


class Progress:
    """A bar on standard error that appears when the work has taken a second, and leaves no trace.

    Call it with what is being done, how much is done, and how much there is. Without a terminal it does nothing.
    """

    def __init__(self, after: float = 1.0) -> None:
        self._lock = threading.Lock()
        self._timer = threading.Timer(after, self._appear)
        self._timer.daemon = True
        self._state = ("", 0, 1)
        self._bars: Bars | None = None
        self._task: TaskID | None = None
        self._closed = False

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trail: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._lock:
            self._closed = True
            if self._bars is not None:
                self._bars.stop()

    def __call__(self, what: str, done: int, total: int) -> None:
        with self._lock:
            self._state = (what, done, total)
            self._show()

    def _appear(self) -> None:
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(20), TimeElapsedColumn())
        bars = Bars(*columns, console=console(err=True), transient=True, redirect_stdout=False, redirect_stderr=False)
        with self._lock:
            if self._closed:
                return
            self._task = bars.add_task("")
            self._bars = bars
            self._show()
            bars.start()

    def _show(self) -> None:
        if self._bars is not None and self._task is not None:
            what, done, total = self._state
            self._bars.update(self._task, description=printable(what)[:48], completed=done, total=total)
