"""Repeated timing, and peaks of resident memory that can be reset."""

from __future__ import annotations

import ctypes.util
import gc
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def timed(work: Callable[[], object], *, seconds: float = 0.4, least: int = 5, most: int = 300) -> dict[str, float]:
    """Run ``work`` at least ``least`` times and until ``seconds`` have passed, once more before that to warm up.

    Returns:
        Median, quartiles, best, in seconds, and the number of runs.
    """
    work()
    found: list[float] = []
    begin = time.perf_counter()
    while len(found) < least or (len(found) < most and time.perf_counter() - begin < seconds):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    low, middle, high = statistics.quantiles(found, n=4, method="inclusive")
    return {"median": middle, "low": low, "high": high, "best": min(found), "runs": len(found)}


def once(work: Callable[[], Any]) -> tuple[Any, float]:
    """The result of ``work`` and its seconds."""
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def _status(field: str) -> int | None:
    if not _STATUS.exists():
        return None
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(field + ":"))
    return int(line.split()[1]) * 1024


def reset_peak() -> int:
    """Let the peak start anew, where the system can (Linux), and give what is resident now.

    Freed memory goes back to the system first: what is reused of it would not show.
    """
    gc.collect()
    libc = ctypes.util.find_library("c")
    if libc is not None and hasattr(trim := ctypes.CDLL(libc), "malloc_trim"):
        trim.malloc_trim(0)
    if _CLEAR.exists():
        _CLEAR.write_text("5")
    found = _status("VmRSS")
    return peak() if found is None else found


def peak() -> int:
    """The largest number of resident bytes since ``reset_peak``, or since the process began."""
    found = _status("VmHWM")
    if found is not None:
        return found
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
