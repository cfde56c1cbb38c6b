"""Which implementation serves: the compiled one where Numba is installed (extra ``fast``), else NumPy."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any


@cache
def numba_is_installed() -> bool:
    """Whether the extra ``fast`` is there."""
    return find_spec("numba") is not None


def analysis_passes() -> Any:
    """The module with the passes of the analysis."""
    return import_module("flowgraph.numeric.compiled.passes" if numba_is_installed() else "flowgraph.numeric.passes")
