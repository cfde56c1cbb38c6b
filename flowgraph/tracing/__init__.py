"""Tracing: a Python function on NumPy values becomes a ``Program``.

Modules, each importing from those before it only: ``recorder`` (what one trace has recorded), ``elementwise``,
``conditions`` and ``reduction`` (lowering on codes), ``array`` (what the traced function sees), ``linear``,
``ufuncs``, ``structure`` and ``functions`` (lowering of NumPy's functions), ``repeat`` (loops whose turns are all
alike), ``rebind`` (the NumPy that the traced function sees) and ``entry`` (``trace`` itself).
"""

from flowgraph.tracing.array import TracedArray, TracedBool
from flowgraph.tracing.entry import trace

__all__ = ["TracedArray", "TracedBool", "trace"]
