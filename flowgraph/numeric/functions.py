"""``jvp``, ``vjp``, ``ijvp``, ``ivjp`` and ``linearize``: a function, a point, a vector, in one call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import ArrayLike, NDArray

from flowgraph.errors import InputError
from flowgraph.numeric.linearization import Linearization
from flowgraph.numeric.plan import Plan, plan
from flowgraph.numeric.shapes import real_array
from flowgraph.numeric.tape_free import TapeFree, tape_free
from flowgraph.program import Program

Array = NDArray[Any]

Function = Program | Plan | Callable[..., Any]


def linearize(f: Function, x: ArrayLike, *, backend: str | None = None) -> Linearization:
    """f and its Jacobian at x, as operators in all four modes.

    A function is traced at every call; what depends on its structure only is kept for the next call. To linearize at
    many points, make a ``plan``.

    Args:
        f: a function that ``trace`` takes, a ``Program``, or a ``Plan``.
        x: (n,), or (B, n) for a batch of points.
        backend: ``"numpy"`` or ``"compiled"``; None takes the compiled one where Numba is installed.

    Raises:
        InputError: x has the wrong shape or is not finite; a branch of a ``Program`` goes the other way at x.
        DomainError: an operation is not defined, or not differentiable, at x; with step, operands and line.
        TraceError: f cannot be traced.

    Reference: arXiv:2411.18786.

    Example:
        >>> import numpy as np
        >>> lin = linearize(lambda x: np.stack([x[0] * x[1], np.sin(x[1])]), [2.0, 0.0])
        >>> lin.value, lin.jvp([1.0, 1.0]), lin.vjp([1.0, 1.0])
        (array([0., 0.]), array([2., 1.]), array([0., 3.]))
        >>> lin = linearize(lambda x: np.stack([x[0] * x[1], x[1]]), [2.0, 4.0])
        >>> lin.ijvp([4.0, 0.0]), lin.slogdet().sign
        (array([1., 0.]), 1.0)
    """
    return plan(f, _length(f, x), backend=backend).linearize(x)


def _length(f: Function, x: ArrayLike) -> int | None:
    """n, where the program does not say it."""
    if isinstance(f, (Program, Plan)):
        return None
    shape = real_array(x, "x").shape
    if len(shape) == 0:
        raise InputError("x must be a vector", got="a number", expected="(n,), or (B, n)", remedy="give [x]")
    return shape[-1]


def _without_tape(f: Function, x: ArrayLike, backend: str | None) -> TapeFree:
    if isinstance(f, Plan):
        raise InputError(
            "a plan keeps a tape", got=repr(f), remedy="give the function or the program, or make a fg.tape_free of it"
        )
    return tape_free(f, _length(f, x), backend=backend)


def jvp(
    f: Function, x: ArrayLike, v: ArrayLike, *, backend: str | None = None, tape: bool = True
) -> tuple[Array, Array]:
    """f(x) and J v: the forward mode.

    Args:
        f: a function that ``trace`` takes, or a ``Program``.
        x: (n,), or (B, n).
        v: (n,) or (n, k); for a batch (B, n) or (B, n, k).
        backend: see ``linearize``.
        tape: False runs primal and tangents together and keeps O(width) numbers alive, not O(steps).

    Returns:
        f(x), and J v in the shape of v.

    Example:
        >>> jvp(lambda u, w: (u * w, w), [3.0, 2.0], [1.0, 1.0])
        (array([6., 2.]), array([5., 1.]))
    """
    if not tape:
        return _without_tape(f, x, backend).jvp(x, v)
    lin = linearize(f, x, backend=backend)
    return lin.value, lin.jvp(v)


def vjp(f: Function, x: ArrayLike, w: ArrayLike, *, backend: str | None = None) -> tuple[Array, Array]:
    """f(x) and Jᵀ w: the reverse mode. See ``jvp``.

    Example:
        >>> vjp(lambda u, w: (u * w, w), [3.0, 2.0], [1.0, 1.0])
        (array([6., 2.]), array([2., 4.]))
    """
    lin = linearize(f, x, backend=backend)
    return lin.value, lin.vjp(w)


def ijvp(f: Function, x: ArrayLike, dy: ArrayLike, *, backend: str | None = None, refine: int | None = None) -> Array:
    """J⁻¹ dy: the forward inverse mode. See ``Linearization.ijvp``.

    Example:
        >>> ijvp(lambda u, w: (u * w, w), [3.0, 2.0], [5.0, 1.0])
        array([1., 1.])
    """
    return linearize(f, x, backend=backend).ijvp(dy, refine=refine)


def ivjp(
    f: Function,
    x: ArrayLike,
    gx: ArrayLike,
    *,
    backend: str | None = None,
    refine: int | None = None,
    tape: bool = True,
) -> Array:
    """J⁻ᵀ gx: the reverse inverse mode. See ``Linearization.ivjp``.

    Args:
        f, x, backend: see ``linearize``.
        gx: (n,) or (n, k); for a batch (B, n) or (B, n, k).
        refine: see ``Linearization.ivjp``; not without tape.
        tape: False runs beside the primal and keeps O(width) numbers alive, not O(steps).

    Example:
        >>> ivjp(lambda u, w: (u * w, w), [3.0, 2.0], [2.0, 4.0])
        array([1., 1.])
    """
    if not tape:
        if refine:
            raise InputError("a sweep without tape cannot be refined", got=f"refine={refine}, tape=False")
        return _without_tape(f, x, backend).ivjp(x, gx)
    return linearize(f, x, backend=backend).ivjp(gx, refine=refine)
