"""Sums of products: matmul, dot, tensordot, einsum and their relatives on codes.

Every one is a contraction over labelled axes. A product with a constant 0 is left out, so a constant matrix gives edges
only where it has entries; the remaining terms of each result are added by a tree of pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from flowgraph.tracing.array import lift
from flowgraph.tracing.elementwise import binary
from flowgraph.tracing.recorder import Recorder
from flowgraph.tracing.reduction import ragged_sum, reduce_axes, tree

Array = NDArray[Any]
Labels = tuple[Any, ...]


def contract(
    recorder: Recorder, left: Array, left_labels: Labels, right: Array, right_labels: Labels, out: Labels
) -> Array:
    """out[labels] = Σ left[labels] · right[labels], summed over the labels that are not in ``out``.

    Args:
        recorder: the trace.
        left: codes.
        left_labels: one label per axis, all different.
        right: codes.
        right_labels: one label per axis, all different.
        out: the labels of the result; each occurs on the left or on the right.

    Returns:
        Codes whose axes are ``out``.
    """
    sizes: dict[Any, int] = {}
    for labels, shape in ((left_labels, left.shape), (right_labels, right.shape)):
        for label, size in zip(labels, shape, strict=True):
            if size != 1 and sizes.get(label, 1) not in (1, size):
                raise recorder.error(
                    "arrays of these shapes cannot be multiplied",
                    got=f"shapes {left.shape} and {right.shape}",
                    expected=f"one length along the common axis, not {sizes[label]} and {size}",
                    remedy="check the order of the factors",
                )
            sizes[label] = size if sizes.get(label, 1) == 1 else sizes[label]
    summed = tuple(label for label in sizes if label not in out)
    order = out + summed
    sides = np.broadcast_arrays(_expand(left, left_labels, order), _expand(right, right_labels, order))
    shape = tuple(sizes[label] for label in out)
    length = 1
    for label in summed:
        length *= sizes[label]
    x, y = (np.broadcast_to(side, tuple(sizes[k] for k in order)) for side in sides)
    vanish = _zeros(recorder, x) | _zeros(recorder, y)
    if not vanish.any():
        return tree(recorder, "add", binary(recorder, "mul", x, y).reshape(*shape, length))
    terms = binary(recorder, "mul", x[~vanish], y[~vanish])
    counts = np.count_nonzero(~vanish.reshape(*shape, length), axis=-1).reshape(-1)
    return ragged_sum(recorder, terms, counts).reshape(shape)


def _expand(codes: Array, labels: Labels, order: Labels) -> Array:
    """The array with its axes in that order, of length 1 where it has no such label."""
    present = [label for label in order if label in labels]
    moved = codes.transpose([labels.index(label) for label in present])
    return moved[tuple(slice(None) if label in labels else None for label in order)]


def _zeros(recorder: Recorder, codes: Array) -> Array:
    vanish = np.atleast_1d(codes < 0)
    vanish[vanish] = recorder.numbers(np.atleast_1d(codes)[vanish]) == 0.0
    return vanish.reshape(codes.shape)


def product(recorder: Recorder, lowering: Any, left: Any, right: Any) -> Array:
    """A contraction of two operands, of which one may be a constant sparse matrix of SciPy."""
    if issparse(left):
        return _sparse_product(recorder, left, lift(recorder, right))
    if issparse(right):
        # x A = (Aᵀ xᵀ)ᵀ, for vectors too.
        return _sparse_product(recorder, right.T, lift(recorder, left).T).T
    return lowering(recorder, lift(recorder, left), lift(recorder, right))


def _sparse_product(recorder: Recorder, matrix: Any, x: Array) -> Array:
    if x.ndim not in (1, 2) or matrix.ndim != 2 or matrix.shape[1] != x.shape[0]:
        raise recorder.error(
            "arrays of these shapes cannot be multiplied",
            got=f"shapes {matrix.shape} and {x.shape}",
            remedy="check the order of the factors",
        )
    rows = matrix.tocsr().copy()
    rows.sum_duplicates()
    rows.eliminate_zeros()
    entries = recorder.constants(rows.data)
    terms = binary(recorder, "mul", entries if x.ndim == 1 else entries[:, None], x[rows.indices])
    return ragged_sum(recorder, terms, np.diff(rows.indptr))


def matmul(recorder: Recorder, left: Array, right: Array) -> Array:
    """The matrix product over the last axis of the left and the last but one of the right."""
    if left.ndim == 0 or right.ndim == 0:
        raise recorder.error("@ of a scalar", got=f"shapes {left.shape} and {right.shape}", remedy="use * for scalars")
    columns = () if right.ndim == 1 else ("j",)
    rows = () if left.ndim == 1 else ("i",)
    left_batch, right_batch, batch = _batches(left.ndim - 1 - len(rows), right.ndim - 1 - len(columns))
    return contract(
        recorder, left, (*left_batch, *rows, "k"), right, (*right_batch, "k", *columns), (*batch, *rows, *columns)
    )


def _batches(left: int, right: int) -> tuple[Labels, Labels, Labels]:
    """Labels of leading axes that broadcast, aligned at their end."""
    batch = tuple(range(max(left, right)))
    return batch[len(batch) - left :], batch[len(batch) - right :], batch


def vecdot(recorder: Recorder, left: Array, right: Array) -> Array:
    """Dot products along the last axes."""
    left_batch, right_batch, batch = _batches(left.ndim - 1, right.ndim - 1)
    return contract(recorder, left, (*left_batch, "k"), right, (*right_batch, "k"), batch)


def matvec(recorder: Recorder, left: Array, right: Array) -> Array:
    """Matrices times vectors."""
    left_batch, right_batch, batch = _batches(left.ndim - 2, right.ndim - 1)
    return contract(recorder, left, (*left_batch, "i", "k"), right, (*right_batch, "k"), (*batch, "i"))


def vecmat(recorder: Recorder, left: Array, right: Array) -> Array:
    """Vectors times matrices."""
    left_batch, right_batch, batch = _batches(left.ndim - 1, right.ndim - 2)
    return contract(recorder, left, (*left_batch, "k"), right, (*right_batch, "k", "j"), (*batch, "j"))


def dot(recorder: Recorder, left: Array, right: Array) -> Array:
    """``np.dot``: the last axis of the left with the last but one of the right; a product for scalars."""
    if left.ndim == 0 or right.ndim == 0:
        return binary(recorder, "mul", left, right)
    return tensordot(recorder, left, right, ([left.ndim - 1], [max(right.ndim - 2, 0)]))


def inner(recorder: Recorder, left: Array, right: Array) -> Array:
    """``np.inner``: over the last axes of both; a product for scalars."""
    if left.ndim == 0 or right.ndim == 0:
        return binary(recorder, "mul", left, right)
    return tensordot(recorder, left, right, ([left.ndim - 1], [right.ndim - 1]))


def tensordot(recorder: Recorder, left: Array, right: Array, axes: Any = 2) -> Array:
    """``np.tensordot``: over the given axes of both."""
    if np.ndim(axes) == 0 and not isinstance(axes, Sequence):
        over = int(axes)
        mine, theirs = list(range(left.ndim - over, left.ndim)), list(range(over))
    else:
        mine, theirs = (np.atleast_1d(side).tolist() for side in axes)
    mine = [axis % left.ndim for axis in mine]
    theirs = [axis % right.ndim for axis in theirs]
    names = count()
    left_labels = [next(names) for _ in range(left.ndim)]
    right_labels = [next(names) for _ in range(right.ndim)]
    for a, b in zip(mine, theirs, strict=True):
        if left.shape[a] != right.shape[b]:
            raise recorder.error(
                "arrays of these shapes cannot be multiplied",
                got=f"shapes {left.shape} and {right.shape}",
                remedy="check the order of the factors",
            )
        right_labels[b] = left_labels[a]
    out = [label for k, label in enumerate(left_labels) if k not in mine]
    out += [label for k, label in enumerate(right_labels) if k not in theirs]
    return contract(recorder, left, tuple(left_labels), right, tuple(right_labels), tuple(out))


def outer(recorder: Recorder, left: Array, right: Array) -> Array:
    """``np.outer`` of the flattened arrays."""
    return binary(recorder, "mul", left.reshape(-1, 1), right.reshape(1, -1))


def kron(recorder: Recorder, left: Array, right: Array) -> Array:
    """``np.kron``: every entry of the left times the whole right."""
    rank = max(left.ndim, right.ndim)
    left = left.reshape((1,) * (rank - left.ndim) + left.shape)
    right = right.reshape((1,) * (rank - right.ndim) + right.shape)
    spread = binary(
        recorder,
        "mul",
        left.reshape([part for side in left.shape for part in (side, 1)]),
        right.reshape([part for side in right.shape for part in (1, side)]),
    )
    return spread.reshape([a * b for a, b in zip(left.shape, right.shape, strict=True)])


def einsum(recorder: Recorder, *operands: Any) -> Array:
    """``np.einsum``, with subscripts in letters or as lists; more than two operands are contracted left to right."""
    arrays, inputs, out = _subscripts(recorder, operands)
    for k, labels in enumerate(inputs):
        arrays[k], inputs[k] = _diagonal(recorder, arrays[k], labels)
    array, labels = arrays[0], inputs[0]
    for k in range(1, len(arrays)):
        later = {label for rest in inputs[k + 1 :] for label in rest} | set(out)
        here = tuple(dict.fromkeys(labels + inputs[k]))
        keep = out if k == len(arrays) - 1 else tuple(label for label in here if label in later)
        array, labels = contract(recorder, array, labels, arrays[k], inputs[k], keep), keep
    summed = tuple(k for k, label in enumerate(labels) if label not in out)
    array = reduce_axes(recorder, "add", array, summed) if summed else array
    labels = tuple(label for label in labels if label in out)
    return array.transpose([labels.index(label) for label in out]).copy()


def _diagonal(recorder: Recorder, array: Array, labels: Labels) -> tuple[Array, Labels]:
    """Take diagonals until every label occurs once."""
    while len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        a = labels.index(twice)
        b = labels.index(twice, a + 1)
        if array.shape[a] != array.shape[b]:
            raise recorder.error(
                f"einsum: the label {twice} stands for axes of different lengths",
                got=f"shape {array.shape}",
                remedy="use another label for one of them",
            )
        array = np.diagonal(array, axis1=a, axis2=b)
        labels = (*(label for k, label in enumerate(labels) if k not in (a, b)), twice)
    return array, labels


def _subscripts(recorder: Recorder, operands: Sequence[Any]) -> tuple[list[Array], list[Labels], Labels]:
    """The arrays, their labels and the labels of the result."""
    if isinstance(operands[0], str):
        text = operands[0].replace(" ", "")
        left, arrow, right = text.partition("->")
        arrays = [lift(recorder, operand) for operand in operands[1:]]
        inputs = [_letters(part) for part in left.split(",")]
        out = _letters(right) if arrow else None
    else:
        pairs = len(operands) // 2
        arrays = [lift(recorder, operand) for operand in operands[: 2 * pairs : 2]]
        inputs = [tuple(labels) for labels in operands[1 : 2 * pairs : 2]]
        out = tuple(operands[-1]) if len(operands) % 2 else None
    if len(arrays) != len(inputs):
        raise recorder.error(
            "einsum needs one operand per term",
            got=f"{len(arrays)} operands, {len(inputs)} terms",
            remedy="separate the terms by commas",
        )
    widest = 0
    for k, (array, labels) in enumerate(zip(arrays, inputs, strict=True)):
        spare = array.ndim - (len(labels) - labels.count(...))
        if spare < 0 or (spare > 0 and ... not in labels):
            raise recorder.error(
                "einsum: a term does not fit its operand",
                got=f"{len(labels)} labels for shape {array.shape}",
                remedy="give one label per axis",
            )
        widest = max(widest, spare)
        inputs[k] = _spread(labels, spare)
    if out is None:
        flat = [label for labels in inputs for label in labels]
        out = (..., *sorted(x for x in set(flat) if flat.count(x) == 1 and not isinstance(x, tuple)))
    out = _spread(out, widest)
    unknown = [label for label in out if all(label not in labels for labels in inputs)]
    if unknown or len(set(out)) < len(out):
        raise recorder.error(
            "einsum: a label of the result is in no term, or is there twice",
            got=str(unknown or out),
            remedy="use each label of the result once, and only labels of the terms",
        )
    return arrays, inputs, out


def _letters(part: str) -> Labels:
    before, dots, after = part.partition("...")
    return (*before, ..., *after) if dots else tuple(before)


def _spread(labels: Labels, spare: int) -> Labels:
    """Replace the ellipsis by labels ("…", k), counted from the last axis so that they broadcast."""
    if ... not in labels:
        return labels
    at = labels.index(...)
    return (*labels[:at], *(("…", k) for k in range(spare, 0, -1)), *labels[at + 1 :])
