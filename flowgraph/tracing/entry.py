"""``trace``: a Python function on NumPy values becomes a ``Program``."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flowgraph.errors import InputError, TraceError
from flowgraph.program import Program
from flowgraph.tracing.array import TracedArray, TracedBool, lift
from flowgraph.tracing.functions import on_function
from flowgraph.tracing.rebind import rebound
from flowgraph.tracing.recorder import Recorder
from flowgraph.tracing.ufuncs import on_ufunc

Array = NDArray[Any]

_OBJECT_LOOP = "loop of ufunc does not support argument"
_FORMS = "a number, a vector, or a list or tuple of numbers"


def trace(f: Callable[..., Any], n: int | ArrayLike, *, scalars: bool | None = None) -> Program:
    """The straight-line program that a function written with NumPy runs.

    f runs once, on traced values; every elementary operation it does becomes a step, whole arrays at once. A function
    of one argument gets a vector of length n; a function of n > 1 required arguments, or of ``*arguments``, gets n
    scalars, and the inputs have the names of its parameters. It returns f(x) ∈ Rᵐ as a vector, a number, or a list or
    tuple of numbers. Loops run as they stand; a branch on a traced value needs a point (below), or ``np.where``.

    What can be traced: arithmetic, comparisons and logic; the ufuncs that the registry of operations covers, with
    ``scipy.special.erf`` and ``expit``; indexing and assignment as in NumPy, views included; ``out=``, ``+=`` and
    ``np.add.at``; reductions (``sum``, ``prod``, ``max``, ``mean``, ``var``, ``cumsum`` …); ``dot``, ``@`` (constant
    sparse matrices too), ``einsum`` and relatives; everything that moves entries about (``concatenate``, ``roll``,
    ``take``, ``pad`` …). Arrays that f creates with ``np.zeros``, ``np.array`` and so on accept traced values. What
    depends on constants only is computed while tracing; a product with a constant 0, and 0 added, leave no step.
    Integers and float32 become float64.

    Args:
        f: the function. It must not keep traced values after it returns.
        n: the number of inputs; or a point x, an array of n numbers, at which branches are taken. Each branch taken
            becomes a guard of the program, which holds for those x at which all guards decide as at this point.
        scalars: True to call f with n scalars, False with a vector; None to tell from its parameters.

    Returns:
        The program, with the source line of every step. Inputs are named x1 … xn, or as the parameters of f.

    Raises:
        TraceError: f does what cannot be traced, or returns what is no vector; the message says where and what instead.
        InputError: n is no size and no point, or does not fit the parameters of f.

    Reference: arXiv:2411.18786, section 2.

    Example:
        >>> import numpy as np
        >>> program = trace(lambda x: x[1:] * np.sin(x[:-1]), 3)
        >>> [str(step) for step in program.steps()]
        ['t1 = sin(x1)', 't2 = sin(x2)', 't3 = x2 * t1', 't4 = x3 * t2']
        >>> [str(step) for step in trace(lambda u, v: (u * v, v), 2).steps()]
        ['t1 = u * v']
        >>> program = trace(lambda x: x**2 if x[0] > 1 else -x, [3.0])
        >>> [str(step) for step in program.steps()], program.guards[0].outcomes
        (['t1 = x1 - 1', 't2 = square(x1)'], array([ True]))
    """
    size, point = _inputs(n)
    names = _parameters(f, size, scalars)
    recorder = Recorder(size, point, on_ufunc, on_function, trace.__code__)
    vector = TracedArray(recorder, np.arange(size, dtype=np.int64))
    arguments = [vector] if names is None else list(vector)
    function = rebound(recorder, f)
    try:
        returned = function(*arguments)
    except ValueError as error:
        # NumPy wraps what float() raises when a traced value is assigned into a plain array.
        if isinstance(error.__cause__, TraceError):
            raise error.__cause__ from None
        raise
    except TypeError as error:
        if isinstance(error, TraceError) or _OBJECT_LOOP not in str(error):
            raise
        raise TraceError(
            "an array of traced values and plain numbers, built where trace cannot see it",
            where=recorder.place(error.__traceback__),
            got=str(error),
            remedy="build it with np.stack([...]), or with np.empty_like(x) and assignment",
        ) from error
    outputs = _outputs(recorder, f, returned)
    return recorder.finish(outputs, _names(names or (), recorder.builder.n_values))


def _inputs(n: Any) -> tuple[int, Array | None]:
    """The number of inputs, and the point if there is one."""
    if not isinstance(n, (bool, np.bool)):
        try:
            size = operator.index(n)
        except TypeError:
            return _point(n)
        if size >= 0:
            return size, None
    raise InputError(
        "the number of inputs is not a size",
        got=repr(n),
        expected="an integer ≥ 0, or a point: an array of numbers",
        remedy="give trace the length of the vector that f takes",
    )


def _point(x: Any) -> tuple[int, Array]:
    array = np.asarray(x)
    if array.dtype.kind not in "fiub" or array.ndim != 1:
        raise InputError(
            "the point of tracing is not a vector of real numbers",
            got=f"{type(x).__name__}: an array of {array.dtype} of shape {array.shape}",
            expected="a vector of n numbers, or the integer n",
            remedy="flatten the point with np.ravel, and reshape inside f",
        )
    point = array.astype(float)
    if not np.isfinite(point).all():
        k = int(np.flatnonzero(~np.isfinite(point))[0])
        raise InputError(
            "the point of tracing is not finite",
            where=f"x[{k}]",
            got=repr(float(point[k])),
            remedy="use finite numbers",
        )
    return len(point), point


def _parameters(f: Any, n: int, scalars: bool | None) -> tuple[str, ...] | None:
    """Names of the n scalar arguments, or None where f gets one vector."""
    if not callable(f):
        raise InputError("trace needs a function", got=type(f).__name__, remedy="write trace(f, n)")
    try:
        parameters = inspect.signature(f).parameters.values()
    except ValueError:
        # Some functions written in C do not say what they take.
        return tuple(f"x{k + 1}" for k in range(n)) if scalars else None
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = [p.name for p in positional if p.default is p.empty]
    rest = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    keywords = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    shown = f"{getattr(f, '__name__', type(f).__name__)}({', '.join(map(str, parameters))})"
    if keywords:
        raise InputError(
            f"f has keyword arguments without a value: {', '.join(keywords)}",
            got=shown,
            remedy="bind them with functools.partial",
        )
    if scalars is None:
        if len(required) == 1 and rest:
            raise InputError(
                "f may take a vector or scalars", got=shown, remedy="say which with scalars=False or scalars=True"
            )
        scalars = len(required) > 1 or rest or not positional
    if not scalars:
        if len(required) > 1 or not (positional or rest):
            raise InputError(
                "f does not take one vector", got=shown, expected="one argument", remedy="leave out scalars=False"
            )
        return None
    if len(required) > n or (n > len(positional) and not rest):
        count = str(len(positional)) if len(required) == len(positional) else f"{len(required)} to {len(positional)}"
        raise InputError(
            "the number of inputs does not fit the arguments of f",
            got=f"{n} inputs for {shown}",
            expected=f"{len(required)} or more" if rest else count,
            remedy="give one input per argument, or write f on a vector",
        )
    names = [p.name for p in positional[:n]]
    return tuple(names) if len(names) == n and not rest else tuple(f"x{k + 1}" for k in range(n))


def _names(inputs: Sequence[str], n_values: int) -> tuple[str, ...] | None:
    """Names of all values; None where x1 … and t1 … serve."""
    n = len(inputs)
    if all(name == f"x{k + 1}" for k, name in enumerate(inputs)):
        return None
    prefix = "t"
    while any(name.startswith(prefix) and name[len(prefix) :].isdigit() for name in inputs):
        prefix += "_"
    return (*inputs, *(f"{prefix}{k + 1}" for k in range(n_values - n)))


def _outputs(recorder: Recorder, f: Any, returned: Any) -> Array:
    """Value numbers of what f returned; a constant becomes a step."""
    codes = _returned(recorder, getattr(f, "__name__", type(f).__name__), returned)
    fixed = codes < 0
    if fixed.any():
        codes = codes.copy()
        codes[fixed] = recorder.emit("constant", codes[fixed])
    return codes


def _returned(recorder: Recorder, name: str, returned: Any) -> Array:
    """Codes of what f returned, one per output."""
    shape = None
    if isinstance(returned, (list, tuple)):
        if not any(isinstance(part, (list, tuple)) or np.ndim(part) for part in returned):
            shape = (len(returned),)
    elif isinstance(returned, (TracedArray, np.ndarray, np.number, float, int)):
        shape = np.shape(returned)
    if shape is None or len(shape) > 1:
        raise TraceError(
            f"{name} returned what is no vector",
            got=_shown(returned),
            expected=_FORMS,
            remedy="end f with a return statement"
            if returned is None
            else "join arrays with np.concatenate, flatten with np.ravel",
        )
    return lift(recorder, list(returned) if isinstance(returned, tuple) else returned).reshape(-1)


def _shown(value: Any) -> str:
    """What a value is, in a few words."""
    if isinstance(value, TracedBool):
        return f"conditions of shape {value.shape}"
    if isinstance(value, (TracedArray, np.ndarray)):
        return f"an array of shape {value.shape}"
    if isinstance(value, (list, tuple)):
        parts = ", ".join(_shown(part) for part in value[:4])
        return f"a {type(value).__name__} of {len(value)}: {parts}{', …' if len(value) > 4 else ''}"
    return "None" if value is None else f"a value of type {type(value).__name__}"
