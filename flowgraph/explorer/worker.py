"""A process that answers requests: ``python -m flowgraph.explorer.worker``.

Lines in, each one JSON value: first a *setting* (``Setting``), then requests. Lines out, each one JSON object:
``{"ready": true}`` once, then for every request any number of ``{"progress": ...}`` and one reply. A request that the
protocol answers with an error is answered like any other. An exception that nobody foresaw ends the process: the last
line is then ``{"fault": ...}`` with its class and message, and the traceback goes to standard error. Nothing is caught
that was not foreseen, nothing that was half changed lives on, and the server starts a new worker.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from types import TracebackType
from typing import Any, BinaryIO

from flowgraph.errors import InputError
from flowgraph.explorer.limits import LIMITS, Limits

PROGRESS = b'{"progress":'
FAULT = b'{"fault":'
READY = b'{"ready":'

_PROGRESS_SECONDS = 0.1
_LAST_SECONDS = 5.0

Write = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Setting:
    """What a worker is told before the first request.

    Attributes:
        programs: those that the explorer was started with, each with ``name``, ``source`` and ``text``.
        warm: requests to answer before the worker is ready. Their replies are thrown away; what they import stays.
        limits: of what is taken.
        memory: the most bytes of address space, 0 for no limit.
        reply: the most bytes of a reply, 0 for no limit.
    """

    programs: tuple[Mapping[str, str], ...] = ()
    warm: tuple[Mapping[str, Any], ...] = ()
    limits: Limits = LIMITS
    memory: int = 0
    reply: int = 0

    def line(self) -> bytes:
        """The setting as ``from_line`` reads it."""
        programs, warm = [dict(program) for program in self.programs], [dict(request) for request in self.warm]
        data = {"programs": programs, "warm": warm, "limits": asdict(self.limits)}
        return json.dumps(data | {"memory": self.memory, "reply": self.reply}).encode() + b"\n"

    @staticmethod
    def from_line(line: bytes) -> Setting:
        """Read it back.

        Example:
            >>> Setting.from_line(Setting(memory=1000).line()).memory
            1000
        """
        data = read_json(line)
        limits = Limits(**data["limits"])
        return Setting(tuple(data["programs"]), tuple(data["warm"]), limits, data["memory"], data["reply"])


def read_json(data: bytes) -> Any:
    """Read JSON that is UTF-8 text and holds finite numbers only.

    Args:
        data: the text.

    Raises:
        InputError: it is not UTF-8, not JSON, too deeply nested, or holds a number that is not finite.

    Example:
        >>> read_json(b'{"seq": 1}')
        {'seq': 1}
        >>> read_json(b'[NaN]')
        Traceback (most recent call last):
            ...
        flowgraph.errors.InputError: the request is not JSON
          got:      the number NaN
          expected: one JSON object, UTF-8 text, with finite numbers
    """
    try:
        return json.loads(data.decode("utf-8"), parse_constant=_refuse_number, parse_float=_finite)
    except ValueError as error:
        got = str(error) or type(error).__name__
    except RecursionError:
        got = "brackets that are nested too deeply"
    raise InputError("the request is not JSON", got=got, expected="one JSON object, UTF-8 text, with finite numbers")


def _refuse_number(text: str) -> float:
    raise ValueError(f"the number {text}")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        _refuse_number(text)
    return number


def error_reply(
    seq: object, name: str, message: str, *, got: str | None = None, expected: str | None = None, remedy: str | None
) -> dict[str, Any]:
    """A reply that says what went wrong, of the shape that the protocol's own errors have.

    Args:
        seq: the request's number, copied where it is one.
        name: the class of the error.
        message: one sentence.
        got: what was found.
        expected: what would have been right.
        remedy: what to do about it.

    Example:
        >>> error_reply(3, "TimeLimit", "it took too long", remedy="ask again")["error"]["remedy"]
        'ask again'
    """
    told = {"message": message, "where": None, "got": got, "expected": expected, "remedy": remedy}
    return {
        "seq": seq if type(seq) is int else None,
        "error": {"error": name, **told, "line": None, "column": None},
    }


def serve(setting: Setting, lines: Iterable[bytes], write: Write) -> None:
    """Answer requests until there are no more.

    Args:
        setting: what the worker was told.
        lines: one request each.
        write: takes one line's object.
    """
    from flowgraph.explorer.protocol import Opened, answer

    opened = tuple(Opened(**program) for program in setting.programs)
    for request in setting.warm:
        answer(request, opened=opened, limits=setting.limits)
    write({"ready": True})
    for line in lines:
        try:
            request = read_json(line)
        except InputError as error:
            reply = error_reply(None, "InputError", error.what, got=error.got, expected=error.expected, remedy=None)
        else:
            reply = answer(request, _Progress(write), opened=opened, limits=setting.limits)
        write(reply)


class _Progress:
    """Passes progress on, ten times a second at most: a fast loop would fill the pipe with it."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._next = 0.0

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _PROGRESS_SECONDS
            self._write({"progress": {"what": what, "done": done, "total": total}})


class _Writer:
    """Writes objects as lines. A reply that is too long becomes an error that says so."""

    def __init__(self, stream: BinaryIO, most: int = 0) -> None:
        self._stream = stream
        self._most = most

    def __call__(self, data: Mapping[str, Any]) -> None:
        line = json.dumps(data, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        if self._most and len(line) > self._most:
            reply = error_reply(
                data.get("seq"),
                "ReplyTooLong",
                "the answer is too long to be sent",
                got=f"{len(line):,} bytes",
                expected=f"at most {self._most:,}",
                remedy="ask for a smaller part, or use the command line",
            )
            line = json.dumps(reply, separators=(",", ":")).encode() + b"\n"
        self._stream.write(line)
        self._stream.flush()


def _streams() -> tuple[BinaryIO, BinaryIO]:
    """Private copies of standard input and output.

    What libraries print, in C too, goes to standard error from here on, and what they read is empty.
    """
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, replies


def _queued(stream: BinaryIO) -> Iterator[bytes]:
    """Lines of a stream, read by a thread: a worker whose server has gone must end in the midst of its work too."""
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def read() -> None:
        for line in stream:
            lines.put(line)
        lines.put(b"")
        time.sleep(_LAST_SECONDS)
        os._exit(1)

    threading.Thread(target=read, daemon=True).start()
    return iter(lines.get, b"")


def _limit_memory(most: int) -> None:
    if most and importlib.util.find_spec("resource") is not None:
        import resource

        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        # macOS knows the limit and refuses to set it.
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_AS, (most if hard < 0 else min(most, hard), hard))


def _report_fault(
    writer: _Writer, kind: type[BaseException], error: BaseException, trail: TracebackType | None
) -> None:
    message = "more memory than a request may use" if isinstance(error, MemoryError) else str(error)
    # Where the server has gone too, there is nobody to tell.
    with suppress(OSError):
        writer({"fault": {"error": kind.__name__, "message": message}})
    sys.__excepthook__(kind, error, trail)


def main() -> None:
    """Be a worker until standard input ends."""
    # Ctrl-C in the terminal is for the server, which ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests, replies = _streams()
    setting = Setting.from_line(requests.readline())
    _limit_memory(setting.memory)
    writer = _Writer(replies, setting.reply)
    # The hook of the interpreter sees what ends the process, and so nothing needs to catch it.
    sys.excepthook = partial(_report_fault, writer)
    serve(setting, _queued(requests), writer)


if __name__ == "__main__":
    main()
