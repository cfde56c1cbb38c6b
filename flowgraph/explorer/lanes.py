"""Lanes: worker processes that answer requests, each lane one request at a time and within its own time.

What a person waits for with a finger on the mouse is not to wait for a verification that takes a minute, so there are
four lanes with a process each. A request over its time is stopped with its process, and a new one is started.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from flowgraph.errors import FlowgraphError
from flowgraph.explorer.limits import Limits
from flowgraph.explorer.worker import FAULT, PROGRESS, READY, Setting, error_reply, read_json

WORKER = (sys.executable, "-P", "-m", "flowgraph.explorer.worker")
"""The command that starts a worker. -P: a user's folder with a numbers.py in it must not hide Python's own."""

LaneName = Literal["order", "derivation", "samples", "jobs"]
LANES: tuple[LaneName, ...] = ("order", "derivation", "samples", "jobs")

SLOW_ACTIONS = ("worst",)
"""Actions that may take seconds."""

_LANES: Mapping[str, LaneName] = MappingProxyType(
    {
        "step": "order",
        "explain": "order",
        "programs": "order",
        "timeline": "derivation",
        "application": "derivation",
        "numbers": "derivation",
        "commands": "derivation",
        "distribution": "samples",
        "verify": "jobs",
        "export": "jobs",
    }
)

_REMEDIES: Mapping[str, str] = MappingProxyType(
    {
        "order": "make the program shorter",
        "derivation": "make the program shorter, or look at it on the command line: flowgraph show",
        "samples": "make the program shorter, or use the command line: flowgraph orders",
        "jobs": "make the program shorter, or use the command line, which has no limit of time",
    }
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the server lets workers and clients have, beside the ``Limits`` of what they may ask.

    Attributes:
        start_seconds: time for a worker to be ready.
        grace_seconds: time to finish what nobody waits for any more.
        client_seconds: time for a client to send a request, or to take a part of an answer.
        reply: bytes of an answer.
        memory: bytes of address space of a worker.
        waiting: requests that may wait in a lane.
    """

    start_seconds: float = 60.0
    grace_seconds: float = 0.5
    client_seconds: float = 20.0
    reply: int = 64_000_000
    memory: int = 4 * 2**30
    waiting: int = 64


BOUNDS = Bounds()
"""The bounds of the server."""


def seconds(lane: LaneName, limits: Limits) -> float:
    """Time for one request of a lane.

    Example:
        >>> seconds("jobs", Limits())
        120.0
    """
    by_lane = {"order": limits.order_seconds, "derivation": limits.derivation_seconds}
    return by_lane.get(lane, limits.job_seconds)


def lane_of(request: Mapping[str, Any]) -> LaneName:
    """The lane that answers a request. The protocol says what is wrong with a kind that nobody knows.

    Example:
        >>> lane_of({"kind": "verify"}), lane_of({"kind": "step", "action": {"do": "worst"}}), lane_of({"kind": []})
        ('jobs', 'samples', 'order')
    """
    kind, action = request.get("kind"), request.get("action")
    if kind == "step" and isinstance(action, dict) and action.get("do") in SLOW_ACTIONS:
        return "samples"
    return _LANES.get(kind, "order") if isinstance(kind, str) else "order"


class Ticket:
    """A request that waits for its lane, or is being answered.

    Attributes:
        line: the request as the worker reads it.
        seq: its number.
        put: takes each line of the answer, and whether it is the last one.
        gone: whether the client has gone.
        limit: the time that is left, while it is being answered.
    """

    def __init__(self, line: bytes, seq: object, put: Callable[[bytes, bool], None]) -> None:
        self.line = line
        self.seq = seq
        self.put = put
        self.gone = False
        self.limit: asyncio.Timeout | None = None


class _Lost(Exception):
    """The worker is of no more use. Holds what to tell the client."""

    def __init__(self, name: str, message: str, got: str | None = None) -> None:
        super().__init__(message)
        self.name = name
        self.message = message
        self.got = got


class _Worker:
    """One worker process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def spawn(cls, command: Sequence[str], bounds: Bounds) -> _Worker:
        """Start the process.

        Raises:
            _Lost: the system does not let us.
        """
        # The worker finds what this process finds, and does its linear algebra in one thread.
        path = os.pathsep.join(entry for entry in sys.path if entry)
        threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={**os.environ, **threads, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8:backslashreplace"},
                limit=bounds.reply + 1024,
                start_new_session=True,
            )
        except OSError as error:
            raise _Lost("WorkerLost", "no worker process could be started", error.strerror or str(error)) from error
        return cls(process)

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def prepare(self, setting: bytes) -> None:
        """Tell it the setting, and wait until it is ready."""
        await self._write(setting)
        line = await self._line()
        if not line.startswith(READY):
            raise _fault(line)

    async def ask(self, ticket: Ticket) -> None:
        """Send one request, and hand on all lines of the answer."""
        await self._write(ticket.line)
        while True:
            line = await self._line()
            if line.startswith(FAULT):
                raise _fault(line)
            last = not line.startswith(PROGRESS)
            ticket.put(line, last)
            if last:
                return

    async def stop(self) -> None:
        """Kill it, and what it started."""
        if self.alive:
            with suppress(ProcessLookupError):
                if hasattr(os, "killpg"):
                    os.killpg(self._process.pid, signal.SIGKILL)
                else:
                    self._process.kill()
        # asyncio sees the end of a process only when its pipes are empty.
        if self._process.stdout is not None:
            while await self._process.stdout.read(1 << 20):
                pass
        await self._process.wait()

    async def _write(self, line: bytes) -> None:
        stream = self._process.stdin
        assert stream is not None
        try:
            stream.write(line)
            await stream.drain()
        except ConnectionError as error:
            raise await self._ended() from error

    async def _line(self) -> bytes:
        stream = self._process.stdout
        assert stream is not None
        try:
            line = await stream.readline()
        except ValueError as error:
            raise _Lost("ReplyTooLong", "the answer is too long to be sent") from error
        if not line.endswith(b"\n"):
            raise await self._ended()
        return line

    async def _ended(self) -> _Lost:
        code = await self._process.wait()
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return _Lost("WorkerLost", "the process that worked on this has ended", how)


def _fault(line: bytes) -> _Lost:
    """What a worker said last."""
    try:
        fault = read_json(line)["fault"]
    except (FlowgraphError, KeyError, TypeError):
        return _Lost("WorkerLost", "the worker process said something that is no answer")
    if fault["error"] == "MemoryError":
        return _Lost("MemoryLimit", "this needs more memory than a request may use")
    message = f"{fault['error']}: {fault['message']}" if fault["message"] else fault["error"]
    return _Lost("InternalError", "flowgraph failed, which is a fault in flowgraph and not in the program", message)


class Lane:
    """Answers requests one after the other with one worker process.

    Args:
        name: which lane it is.
        setting: what its worker is told.
        bounds: how many may wait, and how long for what.
        command: starts a worker; another one in tests.

    Attributes:
        started: set when the worker was ready for the first time, or was not to be started.
    """

    def __init__(self, name: LaneName, setting: Setting, bounds: Bounds = BOUNDS, command: Sequence[str] = WORKER):
        self._name: LaneName = name
        self._seconds = seconds(name, setting.limits)
        self._setting = setting.line()
        self._bounds = bounds
        self.started = asyncio.Event()
        self._command = tuple(command)
        self._waiting: deque[Ticket] = deque()
        self._current: Ticket | None = None
        self._wake = asyncio.Event()
        self._worker: _Worker | None = None
        self._runner: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the worker, without waiting for it. A lane that is not started starts with its first request."""
        if self._runner is None:
            self._runner = asyncio.create_task(self._run())
        self._wake.set()

    def ask(self, ticket: Ticket) -> None:
        """Put a request into the lane; its answer goes to ``ticket.put``."""
        if len(self._waiting) >= self._bounds.waiting:
            got = f"{len(self._waiting)} requests that wait"
            _tell(ticket, _Lost("Busy", "the explorer has too much to do", got), "wait a moment, then try again")
            return
        self._waiting.append(ticket)
        self.start()

    def leave(self, ticket: Ticket) -> None:
        """The client of a request has gone. One that waits is dropped; one in work has a little time to finish.

        A page that drops a request mostly asks the next one at once, and a new worker takes longer than most answers.
        """
        ticket.gone = True
        if ticket in self._waiting:
            self._waiting.remove(ticket)
        when = None if ticket.limit is None else ticket.limit.when()
        if ticket.limit is not None and when is not None and not ticket.limit.expired():
            ticket.limit.reschedule(min(when, asyncio.get_running_loop().time() + self._bounds.grace_seconds))

    async def close(self) -> None:
        """End the worker; who waits is told so."""
        if self._runner is not None:
            self._runner.cancel()
            with suppress(asyncio.CancelledError):
                await self._runner
            self._runner = None
        await self._stop()
        for ticket in (*([self._current] if self._current else []), *self._waiting):
            _tell(ticket, _Lost("Stopping", "the server ends"), "start it again: flowgraph explore")
        self._waiting.clear()
        self._current = None

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            # Where this fails, the next request tells why.
            with suppress(_Lost):
                await self._ready()
            self.started.set()
            while self._waiting:
                self._current = self._waiting.popleft()
                await self._answer(self._current)
                self._current = None

    async def _answer(self, ticket: Ticket) -> None:
        try:
            worker = await self._ready()
            if ticket.gone:
                return
            async with asyncio.timeout(self._seconds) as ticket.limit:
                await worker.ask(ticket)
            return
        except TimeoutError:
            got = f"more than {self._seconds:g} seconds"
            lost = _Lost("TimeLimit", "this takes longer than the explorer waits, and was stopped", got)
        except _Lost as error:
            lost = error
        finally:
            ticket.limit = None
        await self._stop()
        _tell(ticket, lost, self._remedy(lost))
        self._wake.set()

    def _remedy(self, lost: _Lost) -> str:
        if lost.name == "InternalError":
            return "undo the last change; the traceback stands in the terminal, please report it"
        if lost.name == "WorkerLost":
            return "try again; the terminal may say more"
        return _REMEDIES[self._name]

    async def _ready(self) -> _Worker:
        """The worker, started anew where there is none.

        Raises:
            _Lost: it does not start.
        """
        if self._worker is not None and self._worker.alive:
            return self._worker
        self._worker = worker = await _Worker.spawn(self._command, self._bounds)
        try:
            async with asyncio.timeout(self._bounds.start_seconds):
                await worker.prepare(self._setting)
        except TimeoutError as error:
            await self._stop()
            raise _Lost("WorkerLost", "the worker process was not ready in time") from error
        except _Lost:
            await self._stop()
            raise
        return worker

    async def _stop(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.stop()


def _tell(ticket: Ticket, lost: _Lost, remedy: str) -> None:
    reply = error_reply(ticket.seq, lost.name, lost.message, got=lost.got, remedy=remedy)
    ticket.put(json.dumps(reply).encode() + b"\n", True)
