"""``explore``: the explorer in a notebook. The widget itself is in ``notebook``, which needs the extra ``jupyter``."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowgraph.errors import InputError
from flowgraph.explorer.limits import LIMITS
from flowgraph.explorer.study import study
from flowgraph.language import format_program, load, read_file
from flowgraph.program import Program
from flowgraph.tracing import trace
from flowgraph.user_code import number_of_parameters

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from flowgraph.explorer.notebook import Explorer


def explore(
    program: Program | str | PathLike[str] | Callable[..., Any] | None = None,
    *,
    n: int | None = None,
    at: Sequence[float] | None = None,
    order: Sequence[int | str] | NDArray[Any] | None = None,
    mode: str = "forward-inverse",
    theme: str = "auto",
    height: int | str = 640,
) -> Explorer:
    """The explorer of orders, lumps and derivations, as a widget for Jupyter and marimo.

    Drag the steps into another order, and step through the rewrites that turn the primal graph into a mode's graph; the
    widget's attributes follow what is shown. Needs ``pip install "flowgraph[jupyter]"``. Without a notebook there is
    the same explorer in the browser: ``flowgraph explore``.

    Args:
        program: a program; a text in the paper's notation; the path of a ``.fg`` file as a ``Path``; a function as
            ``trace`` takes it; or None for a new program.
        n: the number of inputs of a function; not needed where it has several parameters or ``at`` is given.
        at: the point at which a function takes its branches.
        order: the order of the steps to begin with, by number or by the names of the results; None for the program's
            own.
        mode: the mode whose derivation is shown: forward, reverse, forward-inverse or reverse-inverse.
        theme: light, dark, or auto for the notebook's own.
        height: how high the widget is, in pixels or as CSS writes it (``"80vh"``); its lower edge can be dragged.

    Returns:
        The widget. Its ``order`` (names of results), ``program`` (with its steps in that order), ``mode`` and ``state``
        follow what is shown; ``order``, ``mode``, ``theme`` and ``height`` can be set.

    Raises:
        InputError: an argument is none of these, the order is no legal one, or the extra ``jupyter`` is missing.
        ParseError: the text is not in the paper's notation.
        TraceError: the function cannot be traced.

    Reference: arXiv:2411.18786.

    Example:
        >>> widget = explore("inputs x, y\\nu = f(x)\\nv = g(y)\\noutputs u, v", order=["v", "u"])
        >>> widget.order
        ('v', 'u')
        >>> [str(step) for step in widget.program.steps()]
        ['v = g(y)', 'u = f(x)']
    """
    if find_spec("anywidget") is None:
        raise InputError(
            "the explorer in a notebook needs anywidget, which is not installed",
            remedy='pip install "flowgraph[jupyter]"; or use the explorer in the browser: flowgraph explore',
        )
    from flowgraph.explorer.notebook import Explorer

    given, text, name, source = _opened(program, n, at)
    if text:
        # The explorer would show what is wrong with a text; here the call has to fail.
        study(text, LIMITS)
    return Explorer(text, program=given, name=name, source=source, order=order, mode=mode, theme=theme, height=height)


def _opened(program: Any, n: int | None, at: Sequence[float] | None) -> tuple[Program | None, str, str, str | None]:
    """The program, its text, what it is called, and what the command line calls it."""
    traced = callable(program) and not isinstance(program, Program)
    if not traced and (n is not None or at is not None):
        raise InputError(
            "n and at say how a Python function is traced",
            got=type(program).__name__,
            remedy="leave them out, or give a function",
        )
    if program is None:
        return None, "", "", None
    if isinstance(program, str):
        return None, program, "", None
    if isinstance(program, PathLike):
        path = Path(program)
        return load(path), read_file(path), path.name, shlex.quote(str(path))
    if isinstance(program, Program):
        return program, _text(program), "", None
    if traced:
        name = getattr(program, "__name__", type(program).__name__)
        found = trace(program, _size(program, name, n, at))
        return found, _text(found), name, None
    raise InputError(
        "this is nothing to explore",
        got=type(program).__name__,
        expected="a Program, a text in the paper's notation, the path of a .fg file, or a function",
        remedy="flowgraph.parse, trace, from_sympy and load make programs",
    )


def _text(program: Program) -> str:
    if program.n_steps > LIMITS.steps:
        raise InputError(
            "the program has too many steps for the explorer",
            got=f"{program.n_steps:,}",
            expected=f"at most {LIMITS.steps:,}",
            remedy="flowgraph.analyze takes programs of any size",
        )
    return format_program(program)


def _size(function: Callable[..., Any], name: str, n: int | None, at: Sequence[float] | None) -> Any:
    if at is not None:
        if n not in (None, len(at)):
            raise InputError("the point does not have n entries", got=f"{len(at)} entries, n = {n}")
        return at
    if n is not None:
        return n
    try:
        return number_of_parameters(function, name)
    except InputError as error:
        raise InputError(
            error.what,
            where=error.where,
            got=error.got,
            remedy="say how long the vector is: n=3; or give the point itself: at=[0.1, 0.2, 0.3]",
        ) from None
