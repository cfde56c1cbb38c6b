"""A whole derivation as one figure: a panel for each application of a rule, with what it changed emphasised.

Reference: arXiv:2411.18786, Fig. 3, in all its steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TypeVar

from flowgraph.draw.changes import Changes, changes
from flowgraph.draw.curves import grown
from flowgraph.draw.layout import LayoutOptions, drawings
from flowgraph.draw.panel import SMALL, STYLE
from flowgraph.draw.scene import Band, Curve, Ink, Line, Scene, overlay
from flowgraph.draw.text import measure, write
from flowgraph.draw.window import view, window_around
from flowgraph.draw.writers import stage_options
from flowgraph.graph import FlowGraph, VertexId
from flowgraph.modes import Derivation
from flowgraph.progress import Tell, silent

PANELS = 60
"""The most panels of a figure."""

_PAGE = 505.0
"""Width of the page, two columns of a paper; more where a single panel is wider."""

_LEAST = 90.0
"""The least width of a panel, so that its label has room."""

_ATTEMPTS = 3
"""How often a panel is laid out anew to make room for labels: every time makes all of them higher."""

_HEAVY = 1.5
_GAP = 16.0
_LEADING = 9.0

Item = TypeVar("Item", Line, Curve)


@dataclass(frozen=True, slots=True)
class Frame:
    """What one panel shows: the graph after some applications of one rule, and what they changed.

    Attributes:
        first: number of the first application, from 1; 0 for the primal graph.
        last: number of the last one.
        stage: the stage that they belong to.
        before: the graph before the first.
        after: the graph after the last.
        title: the panel's label, line by line.
    """

    first: int
    last: int
    stage: str
    before: FlowGraph
    after: FlowGraph
    title: tuple[str, ...]


def draw_sequence(derivation: Derivation, tell: Tell | None = None, panels: int = PANELS) -> Scene:
    """All applications of rules in a derivation that change something, as one figure of many panels in reading order.

    Each panel is the graph after an application, and says which rule was applied where. New and changed edges are
    heavy, new vertices and those of the site stand on grey, and dots mark the vertices that a stage has taken away.
    Where there would be too many panels, several applications of one rule share a panel. Of graphs of more than 16
    rows each panel shows those around the site.

    Args:
        derivation: as ``derive`` returns it.
        tell: is told how far the work is.
        panels: the most panels.

    Example:
        >>> from flowgraph.language import parse
        >>> from flowgraph.modes import derive
        >>> scene = draw_sequence(derive(parse("inputs u, w\\nz = f(u, w)\\noutputs z, w"), "reverse-inverse"))
        >>> [label.text for label in scene.labels if label.text.startswith("(")]
        ['(0) primal', '(1) carry', '(2) invert', '(3) shift', '(4) unlayer']
    """
    frames = frames_of(derivation, panels)
    tell = tell or silent
    tell("drawing the sequence", 0, len(frames))
    scenes = _drawn(derivation, frames, tell)
    title = f"{derivation.mode} mode: all {len(derivation.steps)} applications of rules"
    return _page(scenes, [frame.title for frame in frames], title)


def _drawn(derivation: Derivation, frames: Sequence[Frame], tell: Tell) -> list[Scene]:
    """The panels: small graphs on one grid, of large ones the part around the sites."""
    layered = derivation.stages["layered"]
    registers = sorted({vertex.register for vertex in layered.vertices})
    times = (0, max((vertex.time for vertex in layered.vertices), default=0))
    windows = [window_around(registers or [0], times, _sites(derivation, frame)) for frame in frames]
    parts = []
    for frame, window in zip(frames, windows, strict=True):
        options = _options(derivation, frame)
        before, after = (view(graph, window, options.accent) for graph in (frame.before, frame.after))
        parts.append((before.graph, after.graph, after.options(options)))
    if all(window.rows == times and window.elsewhere is None for window in windows):
        scenes = list(drawings([(after, options) for _, after, options in parts], attempts=_ATTEMPTS)[0])
    else:
        scenes = []
        for k, (_, after, options) in enumerate(parts):
            tell("drawing the sequence", k, len(frames))
            scenes += drawings([(after, options)], attempts=_ATTEMPTS)[0]
    return [
        _emphasised(scene, frame, derivation, changes(before, after)) if frame.first else scene
        for scene, frame, (before, after, _) in zip(scenes, frames, parts, strict=True)
    ]


def _sites(derivation: Derivation, frame: Frame) -> tuple[VertexId, ...]:
    """The places of the first site, where the window is put."""
    return derivation.steps[frame.first - 1].site.vertices if frame.first else ()


def frames_of(derivation: Derivation, panels: int = PANELS) -> tuple[Frame, ...]:
    """The panels of the figure: the primal graph, and the applications that change something, gathered if need be.

    Args:
        derivation: as ``derive`` returns it.
        panels: the most panels; at least one for each stage is made.
    """
    summaries = derivation.summaries()
    telling = [k for k, summary in enumerate(summaries, 1) if not summary.no_op]
    by_stage = [list(group) for _, group in groupby(telling, key=lambda k: derivation.steps[k - 1].stage)]
    size = 1
    while sum(-(-len(group) // size) for group in by_stage) > max(panels - 1, len(by_stage)):
        size += 1
    runs = [group[k : k + size] for group in by_stage for k in range(0, len(group), size)]
    primal = derivation.stages["primal"]
    frames = [Frame(0, 0, "primal", primal, primal, ("(0) primal",))]
    for number, run in enumerate(runs, 1):
        step = derivation.steps[run[0] - 1]
        sites = [summaries[k - 1].site for k in run]
        head = f"({number}) {step.rule}" + (f", {len(run)} times" if len(run) > 1 else "")
        at = sites[0] if len(run) == 1 else f"{sites[0]} … {sites[-1]}"
        # Graphs before and after a run are those of its ends: no-ops between runs change nothing.
        before, after = derivation.graph_after(run[0] - 1), derivation.graph_after(run[-1])
        frames.append(Frame(run[0], run[-1], step.stage, before, after, (head, at)))
    return tuple(frames)


def _options(derivation: Derivation, frame: Frame) -> LayoutOptions:
    """As figures are drawn, with dots where the stage has taken vertices away."""
    options = stage_options(derivation, frame.stage, replace(STYLE, row_pitch=36.0))
    names = list(derivation.stages)
    ghosts = ()
    if frame.first and frame.stage != "layered":
        before = derivation.stages[names[names.index(frame.stage) - 1]]
        here = {vertex.id for vertex in frame.after.vertices}
        ghosts = tuple(vertex.id for vertex in before.vertices if vertex.id not in here)
    return replace(options, caption="", ghosts=ghosts)


def _emphasised(scene: Scene, frame: Frame, derivation: Derivation, found: Changes) -> Scene:
    """Heavy strokes for edges that are new or changed, grey behind new vertices and those of the sites."""
    heavy = {*found.added, *found.relabelled}
    names = {vertex.id: vertex.name for vertex in frame.after.vertices}
    steps = derivation.steps[frame.first - 1 : frame.last]
    marked = heavy | {names[place] for step in steps for place in step.site.vertices if place in names}
    bands = tuple(Band(grown(circle.box, 1.0), key=circle.key) for circle in scene.circles if circle.key in marked)
    return replace(
        scene,
        lines=tuple(_heavier(line, heavy) for line in scene.lines),
        curves=tuple(_heavier(curve, heavy) for curve in scene.curves),
        bands=(*scene.bands, *bands),
    )


def _heavier(item: Item, heavy: set[str]) -> Item:
    return replace(item, width=_HEAVY) if item.key in heavy else item


def _page(scenes: Sequence[Scene], titles: Sequence[tuple[str, ...]], title: str) -> Scene:
    """Panels in rows from left to right, each with its label below."""
    boxes = [scene.bounds for scene in scenes]
    inner = max(*(box[2] - box[0] for box in boxes), _LEAST)
    texts = [[_fitted(line, inner) for line in lines] for lines in titles]
    width = inner + _GAP
    columns = max(1, min(len(scenes), int((_PAGE + _GAP) // width)))
    placed: list[Scene] = []
    y = 0.0
    for first in range(0, len(scenes), columns):
        row = range(first, min(first + columns, len(scenes)))
        top, bottom = min(boxes[k][1] for k in row), max(boxes[k][3] for k in row)
        for k in row:
            middle = (k - first) * width + inner / 2
            placed.append(scenes[k].moved(middle - (boxes[k][0] + boxes[k][2]) / 2, y - top))
            base = y + bottom - top + 8.0 + SMALL
            labels = [
                write(text, (middle, base + n * _LEADING), SMALL, ink=Ink.MUTED if n else Ink.INK)
                for n, text in enumerate(texts[k])
            ]
            placed.append(Scene(0.0, 0.0, labels=tuple(labels)))
        y += bottom - top + 8.0 + _LEADING * max(len(texts[k]) for k in row) + _GAP
    return overlay(placed, columns * width, y, title).fitted()


def _fitted(text: str, width: float) -> str:
    """A line cut to a width."""
    if measure(text, SMALL).width <= width:
        return text
    while len(text) > 4 and measure(f"{text} …", SMALL).width > width:
        text = text[:-1]
    return f"{text.rstrip(' ,')} …"
