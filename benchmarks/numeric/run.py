"""Every measurement of the numeric engine in one run, each in a process of its own."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType
from typing import Any

from benchmarks.numeric.accuracy import accuracy
from benchmarks.numeric.engine import BACKENDS, engine, missing
from benchmarks.numeric.families import FAMILIES, instance
from benchmarks.numeric.measure import instance_of_engine, small_plan, tape_free, ten_million
from benchmarks.numeric.peers import PEERS

Found = dict[str, Any]

SCHEMA = "flowgraph/benchmarks/numeric/1"

_SECONDS = 180.0
_SECONDS_OF_PEERS = 60.0
_WORTH = ("jax", "jaxlib", "casadi", "numba", "numpy", "scipy")

_ENGINE_ONLY: Mapping[str, Callable[..., Found]] = MappingProxyType(
    {"small": small_plan, "ten-million": ten_million, "tape-free": tape_free}
)


@dataclass(frozen=True, slots=True)
class Job:
    """One measurement: its place in the results, which is also what the process that takes it is told.

    Attributes:
        path: "family", name, label, contender; or "engine", measurement, backend; or "accuracy".
    """

    path: tuple[str, ...]


def jobs(families: Sequence[str], quick: bool) -> Iterator[Job]:
    """The measurements of a run, in order."""
    for name in families:
        for size in FAMILIES[name].sizes:
            if quick and not size.quick:
                continue
            for contender in (*BACKENDS, *PEERS):
                yield Job(("family", name, size.label, contender))
    for measurement in _ENGINE_ONLY:
        if quick and measurement == "ten-million":
            continue
        for backend in BACKENDS:
            yield Job(("engine", measurement, backend))
    yield Job(("accuracy",))


def measure(path: Sequence[str]) -> Found:
    """Take one measurement in this process."""
    match tuple(path):
        case ("family", name, label, contender):
            dense = next(size.dense for size in FAMILIES[name].sizes if size.label == label)
            if contender in PEERS:
                return PEERS[contender](instance(name, label), dense)
            return _of_engine(contender, lambda: instance_of_engine(engine(contender), instance(name, label), dense))
        case ("engine", measurement, backend):
            return _of_engine(backend, lambda: _ENGINE_ONLY[measurement](engine(backend)))
        case ("accuracy",):
            return accuracy()
        case other:
            raise ValueError(f"no measurement is called {' '.join(other)}")


def _of_engine(backend: str, work: Callable[[], Found]) -> Found:
    reason = missing(backend)
    return work() if reason is None else {"absent": reason}


def in_own_process(job: Job) -> Found:
    """Take one measurement in a process of its own; ``failed`` or ``skipped`` says why there is none."""
    command = [sys.executable, "-m", "benchmarks.numeric", "--job", *job.path]
    quick = job.path[-1] in PEERS and job.path[-1] != "jax-dense"
    limit = _SECONDS_OF_PEERS if quick else _SECONDS
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return {"skipped": f"over {limit:g} s"}
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        return {"failed": last[0]}
    return json.loads(done.stdout)


def machine() -> Found:
    """Where the run took place."""
    versions = {}
    for package in _WORTH:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "absent"
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "packages": versions,
    }


def run(families: Sequence[str], quick: bool, told: Callable[[Job, Found], None]) -> Found:
    """All measurements.

    Args:
        families: which families.
        quick: one size a family, and no long runs.
        told: called with each measurement as soon as it is there.
    """
    results: Found = {"schema": SCHEMA, "machine": machine(), "quick": quick}
    for job in jobs(families, quick):
        found = in_own_process(job)
        told(job, found)
        place = results
        for step in job.path[:-1]:
            place = place.setdefault(step, {})
        place[job.path[-1]] = found
    return results
