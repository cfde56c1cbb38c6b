"""A server process of the explorer, Chromium, and links: what benchmarks and tests in a browser have in common."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""How it is started: without a screen, and without a word to anybody outside this machine."""

COMMAND = (sys.executable, "-m", "flowgraph", "explore", "--no-browser")
"""What a person starts."""


def chromium_path() -> str | None:
    """Where Chromium is, if it is installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def serving(*command: str) -> Iterator[str]:
    """A server in a process of its own; its address."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            assert address.startswith("http://127.0.0.1:"), (address, process.poll())
            yield address
        finally:
            process.terminate()
            process.communicate(timeout=30)


def link(text: str, **fields: Any) -> str:
    """A fragment as the explorer makes it, made by zlib: state as JSON, deflated, in the alphabet of addresses.

    Example:
        >>> unlink(link("inputs x", tab="check"))["tab"]
        'check'
    """
    state = {
        **{"v": 1, "name": "test.fg", "source": None, "text": text, "shown": None, "order": None},
        **{"mode": "forward-inverse", "position": 0, "tab": "order", "hide": True, "selection": None, "saved": []},
        **fields,
    }
    squeezer = zlib.compressobj(wbits=-15)
    packed = squeezer.compress(json.dumps(state).encode()) + squeezer.flush()
    return "#1." + urlsafe_b64encode(packed).decode().rstrip("=")


def unlink(fragment: str) -> dict[str, Any]:
    """The state that a fragment holds."""
    text = fragment.removeprefix("#1.")
    return json.loads(zlib.decompress(urlsafe_b64decode(text + "=" * (-len(text) % 4)), wbits=-15))
