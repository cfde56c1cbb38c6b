"""All use of flowgraph's numeric engine by the benchmarks, in one place.

The measurements take any object with the methods of ``Engine``, so that they can be tried on another one.
"""

from __future__ import annotations

import importlib.util
from typing import Any, Protocol

import numpy as np

import flowgraph as fg

Array = np.ndarray[Any, Any]

BACKENDS = ("compiled", "numpy")


class Point(Protocol):
    """A function linearised at a point."""

    def jvp(self, v: Array) -> Array:
        """J v."""
        ...

    def vjp(self, w: Array) -> Array:
        """Jᵀ w."""
        ...

    def ijvp(self, dy: Array, *, refine: int | None = None) -> Array:
        """J⁻¹ dy."""
        ...

    def ivjp(self, gx: Array, *, refine: int | None = None) -> Array:
        """J⁻ᵀ gx."""
        ...

    def slogdet(self) -> Any:
        """Sign and logarithm of |det J|."""
        ...


class Planned(Protocol):
    """A program, analysed."""

    def linearize(self, x: Array) -> Point:
        """J at x."""
        ...


class Engine(Protocol):
    """What the measurements need of an engine."""

    def plan(self, program: fg.Program) -> Planned:
        """Analyse a program."""
        ...

    def tape_free_jvp(self, program: fg.Program, x: Array, v: Array) -> Array:
        """J v without a tape."""
        ...

    def tape_free_ivjp(self, program: fg.Program, x: Array, gx: Array) -> Array:
        """J⁻ᵀ gx without a tape."""
        ...


def missing(backend: str) -> str | None:
    """Why a backend cannot run here, or None where it can."""
    if backend == "compiled" and importlib.util.find_spec("numba") is None:
        return "Numba is not installed (the extra `fast`)"
    if backend == "numpy" and importlib.util.find_spec("flowgraph.numeric.numpy_backend") is None:
        return "this flowgraph has no NumPy backend"
    return None


class Flowgraph:
    """flowgraph with one of its backends."""

    def __init__(self, backend: str) -> None:
        self.backend = backend

    def plan(self, program: fg.Program) -> Planned:
        """Analyse a program."""
        return fg.plan(program, backend=self.backend)

    def tape_free_jvp(self, program: fg.Program, x: Array, v: Array) -> Array:
        """J v without a tape."""
        return fg.jvp(program, x, v, backend=self.backend, tape=False)[1]

    def tape_free_ivjp(self, program: fg.Program, x: Array, gx: Array) -> Array:
        """J⁻ᵀ gx without a tape."""
        return fg.ivjp(program, x, gx, backend=self.backend, tape=False)


def engine(backend: str) -> Engine:
    """flowgraph with that backend."""
    return Flowgraph(backend)
