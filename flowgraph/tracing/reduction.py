"""Reductions of codes along axes: sums as trees of pairs, one block of steps per level.

A tree of depth log₂ k rounds better than a chain of k steps, and its levels are blocks. Running sums are chains.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple
from numpy.typing import NDArray

from flowgraph.tracing.conditions import both, choose, either
from flowgraph.tracing.elementwise import binary
from flowgraph.tracing.recorder import Recorder

Array = NDArray[Any]

_IDENTITY = MappingProxyType({"add": 0.0, "mul": 1.0, "all": 1.0, "any": -1.0})
"""What the reduction of nothing gives. Conditions are numbers that hold where > 0."""


def _combiner(recorder: Recorder, name: str) -> Callable[[Array, Array], Array]:
    if name in ("all", "any"):
        return partial(both if name == "all" else either, recorder)
    return partial(binary, recorder, name)


def reduce_axes(
    recorder: Recorder,
    name: str,
    codes: Array,
    axis: Any = None,
    keepdims: Any = False,
    initial: Any = None,
    mask: Any = None,
) -> Array:
    """Reduce along axes.

    Args:
        recorder: the trace.
        name: ``"add"``, ``"mul"``, ``"minimum"``, ``"maximum"``; or ``"all"`` and ``"any"`` for conditions.
        codes: what to reduce.
        axis: one axis, several, or None for all.
        keepdims: whether the reduced axes stay, with length 1.
        initial: a number to start from, or None.
        mask: conditions (``TracedBool``) of the entries that count, or None.

    Returns:
        Codes of the reduced shape.
    """
    if mask is not None:
        start = _IDENTITY.get(name, initial)
        if start is None:
            raise recorder.error(f"{name} with where= needs initial=", remedy="give initial, as NumPy asks for too")
        codes = choose(recorder, mask.codes, mask.negated, codes, np.array(recorder.constant(float(start))))
    axes = tuple(range(codes.ndim)) if axis is None else normalize_axis_tuple(axis, codes.ndim)
    kept = tuple(k for k in range(codes.ndim) if k not in axes)
    shape = tuple(codes.shape[k] for k in kept)
    count = 1
    for k in axes:
        count *= codes.shape[k]
    answer = tree(recorder, name, codes.transpose(kept + axes).reshape(*shape, count))
    if initial is not None:
        answer = binary(recorder, name, np.array(recorder.constant(float(initial))), answer)
    if keepdims:
        answer = answer.reshape(tuple(1 if k in axes else codes.shape[k] for k in range(codes.ndim)))
    return answer


def tree(recorder: Recorder, name: str, codes: Array) -> Array:
    """Reduce along the last axis by pairs of neighbours."""
    combine = _combiner(recorder, name)
    if codes.shape[-1] == 0:
        if name not in _IDENTITY:
            raise recorder.error(
                f"{name} of no entries has no value", got=f"shape {codes.shape}", remedy="give it at least one entry"
            )
        return np.full(codes.shape[:-1], recorder.constant(_IDENTITY[name]), dtype=np.int64)
    while (count := codes.shape[-1]) > 1:
        even = count // 2 * 2
        pairs = combine(codes[..., 0:even:2], codes[..., 1:even:2])
        codes = np.concatenate([pairs, codes[..., even:]], axis=-1) if even < count else pairs
    return codes[..., 0].copy()


def ragged_sum(recorder: Recorder, terms: Array, counts: Array) -> Array:
    """Sums of runs of different lengths along the first axis, by pairs of neighbours.

    Args:
        recorder: the trace.
        terms: (E, …) codes, run after run.
        counts: (R,) the length of each run; the sum of an empty run is the constant 0.

    Returns:
        (R, …) codes.
    """
    answer = np.full((len(counts), *terms.shape[1:]), recorder.constant(0.0), dtype=np.int64)
    filled = counts > 0
    lengths = counts[filled]
    while lengths.max(initial=0) > 1:
        each = np.repeat(lengths, lengths)
        position = np.arange(len(terms)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        stays = position % 2 == 0
        left = np.flatnonzero(stays & (position + 1 < each))
        sums = binary(recorder, "add", terms[left], terms[left + 1])
        terms = terms.copy()
        terms[left] = sums
        terms = terms[stays]
        lengths = (lengths + 1) // 2
    answer[filled] = terms
    return answer


def accumulate(recorder: Recorder, name: str, codes: Array, axis: int = 0) -> Array:
    """Running sums, products, minima or maxima along an axis."""
    axis = normalize_axis_index(axis, codes.ndim)
    answer = np.moveaxis(codes, axis, 0).copy()
    for k in range(1, len(answer)):
        answer[k] = binary(recorder, name, answer[k - 1], answer[k])
    return np.moveaxis(answer, 0, axis)
