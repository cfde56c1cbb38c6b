"""Files to take home: drawings, the rewrite sequence, the derivation and the analysis as JSON, the program as text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from flowgraph.analysis import analyze
from flowgraph.draw.lumped import draw_lumps
from flowgraph.draw.scene import Scene
from flowgraph.draw.sequence import draw_sequence
from flowgraph.draw.writers import SCENE_WRITERS, draw_graph, render
from flowgraph.errors import InputError
from flowgraph.explorer.derived import Case, case, derivation_of
from flowgraph.language import format_program
from flowgraph.modes import Mode
from flowgraph.program import Program
from flowgraph.progress import Tell, silent

MEDIA: Mapping[str, str] = MappingProxyType(
    {
        "svg": "image/svg+xml",
        "pdf": "application/pdf",
        "png": "image/png",
        "tex": "application/x-tex",
        "json": "application/json",
        "fg": "text/plain; charset=utf-8",
    }
)
"""The media type of each format."""

DRAWN = tuple(SCENE_WRITERS)
"""The formats of drawings."""

KINDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "order": DRAWN,
        "graph": (*DRAWN, "json"),
        "sequence": DRAWN,
        "derivation": ("json",),
        "analysis": ("json",),
        "program": ("fg",),
    }
)
"""What can be exported, and in which formats."""


@dataclass(frozen=True, slots=True)
class File:
    """A file to be saved.

    Attributes:
        name: its name, without a folder.
        media: its media type.
        data: its bytes.
    """

    name: str
    media: str
    data: bytes


def export(
    program: Program,
    order: tuple[int, ...] | None,
    mode: Mode | str,
    position: int,
    what: str,
    format: str,
    name: str,
    tell: Tell | None = None,
) -> File:
    """What is to be seen, as a file.

    Args:
        program: straight-line code.
        order: step numbers without those of dead code; None is the program's own order.
        mode: the mode of the derivation.
        position: how many applications of rules have been made.
        what: ``"order"`` (the lumps), ``"graph"`` (after so many applications), ``"sequence"`` (all applications as
            one figure), ``"derivation"``, ``"analysis"`` or ``"program"`` (its steps in the order).
        format: one that ``KINDS`` has for it.
        name: what the program is called.
        tell: is told how far the work is.

    Raises:
        InputError: there is no such file, position or order.
        NotInvertible: an inverse mode, and the Jacobian has no inverse.

    Example:
        >>> from flowgraph.language import parse
        >>> program = parse("inputs x, y\\nu = f(x)\\nv = g(y, u)\\noutputs u, v")
        >>> file = export(program, None, "forward-inverse", 1, "graph", "svg", "figure4.fg")
        >>> file.name, file.data[:4]
        ('figure4-forward-inverse-step-1.svg', b'<svg')
        >>> print(export(program, None, "forward", 0, "program", "fg", "").data.decode(), end="")
        inputs x, y
        u = f(x)
        v = g(y, u)
        outputs u, v
    """
    if what not in KINDS:
        raise InputError("there is no such file", got=repr(what), expected=", ".join(KINDS))
    if format not in KINDS[what]:
        raise InputError(f"the {what} has no such format", got=repr(format), expected=", ".join(KINDS[what]))
    tell = tell or silent
    at = case(program, order, mode)
    tell(f"making the {what}", 0, 2)
    data = _MAKERS[what](at, position, format, tell)
    return File(file_name(name, what, at.mode, position, format), MEDIA[format], data)


def file_name(name: str, what: str, mode: Mode | str, position: int, format: str) -> str:
    """The name of a file.

    Example:
        >>> file_name("examples/figure2.fg", "graph", "forward-inverse", 7, "svg")
        'figure2-forward-inverse-step-7.svg'
    """
    part = {
        "order": "-lumps",
        "graph": f"-{mode}-step-{position}",
        "sequence": f"-{mode}-sequence",
        "derivation": f"-{mode}-derivation",
        "analysis": "-analysis",
        "program": "",
    }[what]
    return f"{stem_of(name)}{part}.{format}"


def stem_of(name: str) -> str:
    """What files about a program are called: its name without folders and ending, in letters that any disk takes.

    Example:
        >>> stem_of("examples/figure2.fg"), stem_of("polar.py:polar"), stem_of("")
        ('figure2', 'polar', 'program')
    """
    last = re.split(r"[/\\]", name)[-1]
    last = last.partition(".py:")[2] or last.removesuffix(".fg")
    return re.sub(r"[^\w.-]+", "-", last).strip("-.")[:80] or "program"


# -- what is in them ------------------------------------------------------------------------------------------------


def _order(at: Case, position: int, format: str, tell: Tell) -> bytes:
    return _rendered(draw_lumps(at.program, at.order), format, tell)


def _graph(at: Case, position: int, format: str, tell: Tell) -> bytes:
    derivation = derivation_of(at)
    if format == "json":
        return _json(derivation.graph_after(position).to_json())
    return _rendered(draw_graph(derivation, step=position), format, tell)


def _sequence(at: Case, position: int, format: str, tell: Tell) -> bytes:
    return _rendered(draw_sequence(derivation_of(at), tell), format, tell)


def _derivation(at: Case, position: int, format: str, tell: Tell) -> bytes:
    return _json(derivation_of(at).to_json())


def _analysis(at: Case, position: int, format: str, tell: Tell) -> bytes:
    return _json(analyze(at.program, at.order, progress=tell).to_json())


def _program(at: Case, position: int, format: str, tell: Tell) -> bytes:
    return (format_program(at.reordered) + "\n").encode()


_MAKERS: Mapping[str, Callable[[Case, int, str, Tell], bytes]] = MappingProxyType(
    {
        "order": _order,
        "graph": _graph,
        "sequence": _sequence,
        "derivation": _derivation,
        "analysis": _analysis,
        "program": _program,
    }
)


def _rendered(scene: Scene, format: str, tell: Tell) -> bytes:
    tell(f"writing {format}", 1, 2)
    return render(scene, format)


def _json(data: dict[str, Any]) -> bytes:
    return (json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
