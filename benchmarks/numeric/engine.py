"""All use of flowgraph's numeric engine by the benchmarks, in one place.

The measurements take any object with the methods of ``Engine``, so that they can be tried on another one.
"""

from __future__ import annotations

import importlib.util
from functools import cached_property
from typing import Any, Protocol

import numpy as np

import flowgraph as fg
from flowgraph.numeric.tape_free import tape_free

Array = np.ndarray[Any, Any]

BACKENDS = ("compiled", "numpy")


class Point(Protocol):
    """A function linearised at a point."""

    @cached_property
    def value(self) -> Array:
        """f(x)."""
        ...

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


class TapeFree(Protocol):
    """A program, cut into segments."""

    def jvp(self, x: Array, v: Array) -> tuple[Array, Array]:
        """f(x) and J v."""
        ...

    def ivjp(self, x: Array, gx: Array) -> Array:
        """J⁻ᵀ gx."""
        ...


class Engine(Protocol):
    """What the measurements need of an engine."""

    def plan(self, program: fg.Program) -> Planned:
        """Analyse a program."""
        ...

    def tape_free(self, program: fg.Program) -> TapeFree:
        """A program, cut into segments once, for sweeps that keep no tape."""
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

    def tape_free(self, program: fg.Program) -> TapeFree:
        """A program, cut into segments once, for sweeps that keep no tape."""
        return tape_free(program, backend=self.backend)


def engine(backend: str) -> Engine:
    """flowgraph with that backend."""
    return Flowgraph(backend)
