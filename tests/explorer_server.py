"""A running server for tests: the real one in a thread, with the real workers or with stand-ins."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowgraph.explorer.lanes import BOUNDS, WORKER, Bounds
from flowgraph.explorer.limits import LIMITS, Limits
from flowgraph.explorer.server import application, listen, run, uvicorn_server

STAND_IN = (sys.executable, str(Path(__file__).with_name("explorer_worker.py")))


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    first: float = 0.0
    seconds: float = 0.0

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.body.splitlines()]

    def reply(self) -> dict[str, Any]:
        """The last line, all others being progress."""
        *before, last = self.lines()
        assert all(set(line) == {"progress"} for line in before)
        return last


@dataclass(frozen=True)
class Client:
    """Talks to a server on this machine."""

    port: int
    stop: Callable[[], None]

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        begin = time.perf_counter()
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        first = time.perf_counter() - begin
        data = response.read()
        connection.close()
        told = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, told, data, first, time.perf_counter() - begin)

    def evaluate(self, request: Any) -> Answer:
        return self.send("POST", "/evaluate", json.dumps(request).encode(), {"Content-Type": "application/json"})

    def ask(self, request: Any) -> dict[str, Any]:
        answer = self.evaluate(request)
        assert answer.status == 200, answer
        return answer.reply()


@contextmanager
def running(
    limits: Limits = LIMITS,
    programs: Sequence[Mapping[str, str]] = (),
    *,
    bounds: Bounds = BOUNDS,
    worker: Sequence[str] = WORKER,
    port: int | None = None,
) -> Iterator[Client]:
    """A server in a thread, which ends with the context."""
    place = listen(port)
    app = application(limits, programs, bounds=bounds, worker=worker)
    server = uvicorn_server(app)
    there = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(run(app, server, place, lambda _: there.set())))
    thread.start()

    def stop() -> None:
        server.should_exit = True
        thread.join(30)

    try:
        assert there.wait(60)
        yield Client(place.getsockname()[1], stop)
    finally:
        stop()
        place.close()
    assert not thread.is_alive()


def alive(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(true: Any, seconds: float = 10.0) -> bool:
    """Whether something becomes true in time."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
