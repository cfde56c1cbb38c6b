"""Writing drawings: a registry of formats, and files that are never half-written.

Adding a format is adding one entry to ``SCENE_WRITERS`` (for what a ``Scene`` holds) or ``GRAPH_WRITERS`` (for what
only the graph knows).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from os import PathLike
from pathlib import Path
from types import MappingProxyType

from flowgraph.draw.figures import accent_of, functions
from flowgraph.draw.graph_text import dot, listing
from flowgraph.draw.layout import LayoutOptions, layout
from flowgraph.draw.raster import pdf, png
from flowgraph.draw.scene import Scene
from flowgraph.draw.svg import svg
from flowgraph.draw.tikz import tikz
from flowgraph.errors import InputError
from flowgraph.graph import FlowGraph
from flowgraph.modes import Derivation

SCENE_WRITERS: Mapping[str, Callable[[Scene], bytes]] = MappingProxyType(
    {"svg": svg, "pdf": pdf, "png": png, "tex": tikz}
)
"""Formats of drawings."""

GRAPH_WRITERS: Mapping[str, Callable[[FlowGraph], bytes]] = MappingProxyType({"dot": dot, "txt": listing})
"""Formats of graphs that need no drawing."""

FORMATS = (*SCENE_WRITERS, *GRAPH_WRITERS)
"""Every format a graph can be written in."""

_NEW_FILE = 0o666


def render(scene: Scene, format: str) -> bytes:
    """A drawing as the bytes of a file. Equal scenes give equal bytes.

    Args:
        scene: the drawing.
        format: ``"svg"``, ``"pdf"``, ``"png"`` or ``"tex"`` (TikZ).

    Raises:
        InputError: there is no such format.

    Example:
        >>> render(Scene(10, 10), "svg")[:4]
        b'<svg'
    """
    if format not in SCENE_WRITERS:
        raise InputError(
            "a drawing cannot be written in this format", got=repr(format), expected=", ".join(SCENE_WRITERS)
        )
    return SCENE_WRITERS[format](scene)


def draw_graph(
    derivation: Derivation, stage: str | None = None, options: LayoutOptions | None = None, *, step: int | None = None
) -> Scene:
    """The drawing of one stage of a derivation, with names accented as tangents or cotangents and a small caption.

    Args:
        derivation: as ``derive`` returns it.
        stage: the name of a stage; the last one where None.
        options: how to draw; accent and caption are filled in where they are empty.
        step: draw the graph after so many applications of rules, in place of the end of a stage.

    Raises:
        InputError: the derivation has no such stage or step, or both are given.

    Example:
        >>> from flowgraph.language import parse
        >>> from flowgraph.modes import derive
        >>> derivation = derive(parse("inputs u, w\\nz = f(u, w)\\noutputs z, w"), "reverse-inverse")
        >>> draw_graph(derivation, "inverted").title
        'reverse-inverse mode, stage inverted'
        >>> draw_graph(derivation, step=2).title
        'reverse-inverse mode, step 2 of 4: invert z'
    """
    if step is not None:
        if stage is not None:
            raise InputError("a stage and a step are two graphs", got=f"stage {stage!r}, step {step}")
        graph = derivation.graph_after(step)
        return layout(graph, step_options(derivation, step, options))
    name = tuple(derivation.stages)[-1] if stage is None else stage
    if name not in derivation.stages:
        raise InputError(
            f"the {derivation.mode} derivation has no such stage", got=repr(name), expected=", ".join(derivation.stages)
        )
    return layout(derivation.stages[name], stage_options(derivation, name, options))


def stage_options(derivation: Derivation, stage: str, options: LayoutOptions | None = None) -> LayoutOptions:
    """The layout options that ``draw_graph`` uses for a stage."""
    base = options or LayoutOptions(times=True)
    graph = derivation.stages[stage]
    primal = stage == "primal"
    return replace(
        base,
        accent=base.accent or accent_of(derivation.mode, stage),
        caption=base.caption or f"{derivation.mode} mode, stage {stage}",
        labels=base.labels and not primal,
        circles=base.circles and not primal,
        notes=base.notes or (functions(derivation.program, graph) if primal else {}),
    )


def step_options(derivation: Derivation, step: int, options: LayoutOptions | None = None) -> LayoutOptions:
    """The layout options that ``draw_graph`` uses for the graph after so many applications."""
    base = stage_options(derivation, derivation.stage_at(step), options or LayoutOptions(times=True))
    if options is not None and options.caption:
        return base
    return replace(base, caption=step_caption(derivation, step))


def step_caption(derivation: Derivation, step: int) -> str:
    """A line that says which application of which rule led to a graph."""
    text = f"{derivation.mode} mode, step {step} of {len(derivation.steps)}: "
    if step == 0:
        return text + "primal graph"
    made = derivation.steps[step - 1]
    return text + f"{made.rule} {derivation.site_text(step)}"


def render_graph(graph: FlowGraph, format: str, options: LayoutOptions | None = None) -> bytes:
    """A graph as the bytes of a file, laid out where the format is that of a drawing.

    Args:
        graph: the graph.
        format: one of ``FORMATS``.
        options: how to draw it; ``dot`` and ``txt`` need none.

    Raises:
        InputError: there is no such format.
    """
    if format in GRAPH_WRITERS:
        return GRAPH_WRITERS[format](graph)
    if format not in SCENE_WRITERS:
        raise InputError("a graph cannot be written in this format", got=repr(format), expected=", ".join(FORMATS))
    return render(layout(graph, options), format)


def format_of(path: str | PathLike[str]) -> str:
    """The format that a file's name asks for by its ending.

    Raises:
        InputError: the ending is not that of a format.

    Example:
        >>> format_of("figures/figure-2.svg")
        'svg'
    """
    ending = Path(path).suffix.lower().removeprefix(".")
    if ending not in FORMATS:
        raise InputError(
            "the file's ending names no format",
            where=str(path),
            got=repr(ending),
            expected=", ".join(FORMATS),
            remedy="end the name in one of them",
        )
    return ending


def write(scene: Scene, path: str | PathLike[str]) -> None:
    """Write a drawing to a file, in the format that its ending names.

    Raises:
        InputError: the ending names no format of drawings, or the file cannot be written.
    """
    write_bytes(render(scene, format_of(path)), path)


def write_graph(graph: FlowGraph, path: str | PathLike[str], options: LayoutOptions | None = None) -> None:
    """Write a graph to a file, in the format that its ending names.

    Raises:
        InputError: the ending names no format, or the file cannot be written.
    """
    write_bytes(render_graph(graph, format_of(path), options), path)


def write_bytes(data: bytes, path: str | PathLike[str]) -> None:
    """Put bytes into a file whole or not at all: a new file beside it takes its place.

    A symbolic link keeps pointing where it does, and a pipe or device is written into and stays what it is.

    Raises:
        InputError: the file cannot be written.
    """
    path = Path(path)
    try:
        path = path.resolve()
        if path.exists() and not path.is_file() and not path.is_dir():
            path.write_bytes(data)
            return
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        # mkstemp makes files that only their owner reads; a drawing has the mode of any new file, or of the old one.
        os.chmod(temporary, _mode(path))
        os.replace(temporary, path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary)


def _mode(path: Path) -> int:
    if path.exists():
        return path.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return _NEW_FILE & ~mask


def _unwritable(path: Path, error: OSError) -> InputError:
    return InputError(
        "the file cannot be written",
        where=str(path),
        got=error.strerror or type(error).__name__,
        remedy="check that the directory exists and may be written to",
    )
