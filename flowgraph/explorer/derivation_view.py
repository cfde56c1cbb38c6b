"""A derivation to step through: its timeline, and one application of a rule with the graphs before and after it.

Reference: arXiv:2411.18786, Fig. 3.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np

from flowgraph.draw.changes import Changes, changes
from flowgraph.draw.figures import accent_of
from flowgraph.draw.layout import Grid, LayoutOptions, drawings
from flowgraph.draw.scene import Box, Ink, Scene, hull
from flowgraph.draw.window import Span, Window, view, window_around
from flowgraph.draw.writers import stage_options
from flowgraph.errors import FlowgraphError, InputError, NotApplicable
from flowgraph.explorer.derived import (
    Badge,
    Case,
    application_of,
    badge,
    case,
    derivation_of,
    numeric_twin,
    point,
    summaries_of,
)
from flowgraph.explorer.scene_json import scene_json
from flowgraph.graph import FlowGraph, VertexId
from flowgraph.modes import Derivation, Mode
from flowgraph.program import Program
from flowgraph.progress import Tell
from flowgraph.rewrite import RULES, Carry
from flowgraph.symbolic import graph_rows, push

_PRIMAL = "The program as it stands: one vertex for each value, one edge for each argument."
_STYLE = LayoutOptions(times=True)
_MARGIN = 6.0
_ATTEMPTS = 3
"""How often a graph is laid out anew to make room for labels, which makes its rows higher."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a derivation.

    Attributes:
        name: e.g. ``"layered"``.
        rule: name of the rule that leads to it, empty for the primal graph.
        title: what the rule is called.
        tooltip: what it does, in a line.
        reference: where it comes from.
        effect: what one application does to the map.
        start: number of applications before it.
        stop: number of applications after it.
    """

    name: str
    rule: str
    title: str
    tooltip: str
    reference: str
    effect: str
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Moment:
    """One application in the timeline.

    Attributes:
        rule: name of the rule.
        site: where, e.g. ``"x1@1 → z1"``.
        noop: whether it changes nothing.
    """

    rule: str
    site: str
    noop: bool


@dataclass(frozen=True, slots=True)
class Timeline:
    """All stages and applications of a derivation.

    Attributes:
        mode: the mode.
        symbol: the matrix that it multiplies by.
        stages: from the primal graph on.
        applications: in order.
        sparse: whether values are carried only to the rows where they are read.
    """

    mode: str
    symbol: str
    stages: tuple[Stage, ...]
    applications: tuple[Moment, ...]
    sparse: bool

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "mode": self.mode,
            "symbol": self.symbol,
            "stages": [asdict(stage) for stage in self.stages],
            "applications": [asdict(moment) for moment in self.applications],
            "sparse": self.sparse,
            "count": len(self.applications),
        }


@dataclass(frozen=True, slots=True)
class ApplicationView:
    """One application of a rule, or the primal graph.

    Attributes:
        position: how many applications have been made.
        stage: the stage of the graph after it.
        rule: name of the rule, empty at position 0.
        title: what the rule is called.
        tooltip: what it does, in a line.
        reference: where it comes from.
        effect: what it claims to do to the map.
        site: where.
        noop: whether it changes nothing.
        check: what a check of it found, None at position 0.
        before: the graph before, None at position 0.
        after: the graph after, on the same page.
        rows: the first and last row that are shown.
        all_rows: the first and last row that there are.
        changed: what differs between the two drawings.
        at: names of the vertices of the site that are shown.
        meanings: what the letters in the labels that are shown stand for.
        values: the number at each vertex that is shown of the graph after, where numbers are asked for; None for one
            that is not finite.
        note: why numbers that were asked for are not shown; else empty.
    """

    position: int
    stage: str
    rule: str
    title: str
    tooltip: str
    reference: str
    effect: str
    site: str
    noop: bool
    check: Badge | None
    before: Scene | None
    after: Scene
    rows: Span
    all_rows: Span
    changed: Changes
    at: tuple[str, ...]
    meanings: Mapping[str, str]
    values: Mapping[str, float | None] | None
    note: str

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "position": self.position,
            "stage": self.stage,
            "rule": self.rule,
            "title": self.title,
            "tooltip": self.tooltip,
            "reference": self.reference,
            "effect": self.effect,
            "site": self.site,
            "noop": self.noop,
            "check": None if self.check is None else self.check.to_json(),
            "before": None if self.before is None else scene_json(self.before),
            "after": scene_json(self.after),
            "rows": list(self.rows),
            "all_rows": list(self.all_rows),
            "changed": {
                "added": list(self.changed.added),
                "removed": list(self.changed.removed),
                "relabelled": list(self.changed.relabelled),
                "vertices_gone": list(self.changed.gone),
                "site": list(self.at),
            },
            "meanings": dict(self.meanings),
            "values": None if self.values is None else dict(self.values),
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class Given:
    """Numbers to be shown in a graph.

    Attributes:
        x: the point; drawn at random where None.
        v: the vector that goes in; drawn at random where None.
        seed: of what is drawn.
    """

    x: tuple[float, ...] | None = None
    v: tuple[float, ...] | None = None
    seed: int = 0


# -- the timeline ---------------------------------------------------------------------------------------------------


def timeline(program: Program, order: tuple[int, ...] | None, mode: Mode | str, tell: Tell | None = None) -> Timeline:
    """The stages and applications of the derivation of a mode along an order.

    Args:
        program: straight-line code.
        order: step numbers without those of dead code; None is the program's own order.
        mode: the mode.
        tell: is told how far the work is.

    Raises:
        NotInvertible: an inverse mode, and the Jacobian has no inverse.
        InputError: the order is none of the program, or the program is too large.

    Example:
        >>> from flowgraph.language import parse
        >>> found = timeline(parse("inputs u, w\\nz = f(u, w)\\noutputs z, w"), None, "reverse-inverse")
        >>> [(stage.name, stage.start, stage.stop) for stage in found.stages][:3]
        [('primal', 0, 0), ('layered', 0, 1), ('inverted', 1, 2)]
        >>> found.applications[2]
        Moment(rule='shift', site='u → w@1', noop=False)
    """
    at = case(program, order, mode)
    if tell:
        tell(f"deriving {at.mode} mode", 0, 2)
    derivation = derivation_of(at)
    if tell:
        tell("looking at every application", 1, 2)
    moments = tuple(
        Moment(step.rule, summary.site, summary.no_op)
        for step, summary in zip(derivation.steps, summaries_of(at), strict=True)
    )
    return Timeline(str(at.mode), at.mode.symbol, _stages(derivation), moments, _is_sparse(derivation))


def _stages(derivation: Derivation) -> tuple[Stage, ...]:
    stages = [Stage("primal", "", "Primal data-flow graph", _PRIMAL, "", "", 0, 0)]
    table = derivation.mode.stages
    if tuple(name for name, _ in table) != tuple(derivation.stages)[1:]:
        table = derivation.mode.stages_with_lumps
    at = 0
    for name, rule_name in table:
        rule = RULES[rule_name]
        stop = at + sum(step.stage == name for step in derivation.steps)
        stages.append(Stage(name, rule.name, rule.title, rule.tooltip, rule.reference, str(rule.effect), at, stop))
        at = stop
    return tuple(stages)


def _is_sparse(derivation: Derivation) -> bool:
    rule = derivation.rules["carry"]
    return isinstance(rule, Carry) and rule.sparse


# -- one application ------------------------------------------------------------------------------------------------


def application(
    program: Program,
    order: tuple[int, ...] | None,
    mode: Mode | str,
    position: int,
    rows: Span | None = None,
    numbers: Given | None = None,
) -> ApplicationView:
    """The application that leads to a position of a derivation, with the graphs before and after it.

    Args:
        program: straight-line code.
        order: step numbers without those of dead code; None is the program's own order.
        mode: the mode.
        position: how many applications have been made; 0 is the primal graph.
        rows: the first and last row to show, 24 at most; by default all of a small graph, and else those around the
            site.
        numbers: show numbers at a point in place of symbols, and the values of a sweep at the vertices.

    Raises:
        NotInvertible: an inverse mode, and the Jacobian has no inverse.
        InputError: there is no such position, the order is none of the program, or the program is too large.

    Example:
        >>> from flowgraph.language import parse
        >>> found = application(parse("inputs u, w\\nz = f(u, w)\\noutputs z, w"), None, "reverse-inverse", 2)
        >>> found.rule, found.site, found.check.text, found.changed.added
        ('invert', 'z', 'checked exactly: replaces one layer by its inverse transpose', ('u -> w@1',))
    """
    at = case(program, order, mode)
    derivation = derivation_of(at)
    if not 0 <= position <= len(derivation.steps):
        raise InputError(
            f"the {at.mode} derivation has no such position",
            got=str(position),
            expected=f"0 to {len(derivation.steps)}",
        )
    numeric, note = _numeric(at, numbers)
    pair = _graphs(at, position, numeric)
    symbolic = _graphs(at, position, None)
    site = derivation.steps[position - 1].site.vertices if position else ()
    window = _window(derivation, symbolic, site, rows)
    rule = derivation.rules[derivation.steps[position - 1].rule] if position else None
    values, scenes, parts = _draw(at, position, pair, window, numbers if numeric else None)
    summary = summaries_of(at)[position - 1] if position else None
    return ApplicationView(
        position=position,
        stage=derivation.stage_at(position),
        rule=rule.name if rule else "",
        title=rule.title if rule else "Primal data-flow graph",
        tooltip=rule.tooltip if rule else _PRIMAL,
        reference=rule.reference if rule else "",
        effect=str(rule.effect) if rule else "",
        site=summary.site if summary else "",
        noop=summary.no_op if summary else False,
        check=badge(at, position) if position else None,
        before=scenes[0] if position else None,
        after=scenes[-1],
        rows=window.rows,
        all_rows=window.times,
        changed=changes(*(view(graph, window).graph for graph in symbolic)),
        at=_names(symbolic, window, site),
        meanings=MappingProxyType({} if numeric else _meanings(derivation, parts)),
        values=None if values is None else MappingProxyType(values),
        note=note,
    )


def _numeric(at: Case, given: Given | None) -> tuple[Derivation | None, str]:
    """The derivation in numbers, or why there is none."""
    if given is None:
        return None, ""
    try:
        x = point(at.program, given.x, given.seed).x
        return numeric_twin(at, x, given.seed), ""
    except NotApplicable as error:
        return None, f"no numbers here: a pivot is 0 at this point ({error.where}: {error.what})"
    except FlowgraphError as error:
        return None, "no numbers here: " + "; ".join(text for text in (error.what, error.where, error.got) if text)


def _graphs(at: Case, position: int, numeric: Derivation | None) -> tuple[FlowGraph, FlowGraph]:
    """The graphs before and after; the primal graph twice at position 0."""
    derivation = numeric or derivation_of(at)
    if position == 0:
        return derivation.stages["primal"], derivation.stages["primal"]
    found = application_of(at, position) if numeric is None else numeric.application(position)
    return found.before, found.after


def _window(
    derivation: Derivation, pair: tuple[FlowGraph, FlowGraph], site: Sequence[VertexId], rows: Span | None
) -> Window:
    layered = derivation.stages["layered"]
    registers = sorted({vertex.register for vertex in layered.vertices})
    last = max((vertex.time for vertex in layered.vertices), default=0)
    sites = set(site)
    near = [
        place
        for graph in pair
        for edge in graph.edges
        if edge.source in sites or edge.target in sites
        for place in (edge.source, edge.target)
    ]
    return window_around(registers or [0], (0, last), site, near, rows=rows)


def _names(pair: tuple[FlowGraph, FlowGraph], window: Window, site: Sequence[VertexId]) -> tuple[str, ...]:
    name = {vertex.id: vertex.name for graph in pair for vertex in graph.vertices}
    names = {vertex.id: vertex.name for vertex in pair[0].vertices}
    return tuple(names.get(place, name[place]) for place in site if place in name and window.holds(place))


_WORD = re.compile(r"[^\W\d]\w*")
_MATRIX = re.compile(r"([AB]\d+)(?:inv)?((?:[AB]\d+)?)(?:_\d+_\d+)?")


def _meanings(derivation: Derivation, graphs: Sequence[FlowGraph]) -> dict[str, str]:
    """What the letters in the labels of some graphs stand for."""
    found: set[str] = set()
    for graph in graphs:
        texts = [bundle.text for bundle in graph.bundles]
        texts += [graph.label_text(edge) for edge in graph.edges if not edge.carry]
        for word in {word for text in texts for word in _WORD.findall(text)}:
            match = _MATRIX.fullmatch(word)
            found |= {word, *(match.groups() if match else ())}
    return {letter: meaning for letter, meaning in derivation.meanings.items() if letter in found}


# -- drawing --------------------------------------------------------------------------------------------------------


def _draw(
    at: Case, position: int, pair: tuple[FlowGraph, FlowGraph], window: Window, given: Given | None
) -> tuple[dict[str, float | None] | None, tuple[Scene, ...], tuple[FlowGraph, ...]]:
    """The values at the vertices, the drawings on one page, and what they show."""
    derivation = derivation_of(at)
    stages = [derivation.stage_at(max(position - 1, 0)), derivation.stage_at(position)]
    if position and stages[0] == "primal":
        # The graph that rules act on is that of the linearised program, with labels.
        stages[0] = stages[1]
    items: list[tuple[FlowGraph, LayoutOptions]] = []
    values: dict[str, float | None] | None = None
    gone = _gone(derivation, stages[-1])
    for graph, stage in list(zip(pair, stages, strict=True))[0 if position else 1 :]:
        options = _options(derivation, stage, graph, gone)
        if given is not None:
            found = _sweep(graph, given)
            if found is not None:
                values = {v.name: _finite(found[v.id]) for v in graph.vertices if window.holds(v.id)}
            options = replace(
                options,
                labels=True,
                label_latex=_number_label,
                note_ink=Ink.MUTED,
                notes={} if found is None else {place: number_text(x) for place, x in found.items()},
            )
        part = view(graph, window, options.accent)
        items.append((part.graph, part.options(options)))
    grid, page = _grid(at, stages[-1], window)
    scenes, used = drawings(items, grid, _ATTEMPTS)
    box = hull([page, *(scene.bounds for scene in scenes)] + ([] if used.bounds is None else [used.bounds]))
    return values, tuple(_on_page(scene, box) for scene in scenes), tuple(graph for graph, _ in items)


def _options(derivation: Derivation, stage: str, graph: FlowGraph, gone: frozenset[VertexId]) -> LayoutOptions:
    here = {vertex.id for vertex in graph.vertices}
    ghosts = tuple(sorted(place for place in gone if place not in here))
    return replace(
        stage_options(derivation, stage, _STYLE), accent=accent_of(derivation.mode, stage), caption="", ghosts=ghosts
    )


def _gone(derivation: Derivation, stage: str) -> frozenset[VertexId]:
    """The places that a stage empties."""
    names = list(derivation.stages)
    k = names.index(stage)
    if k == 0 or stage == "layered":
        return frozenset()
    kept = {vertex.id for vertex in derivation.stages[stage].vertices}
    return frozenset(v.id for v in derivation.stages[names[k - 1]].vertices if v.id not in kept)


@lru_cache(maxsize=64)
def _grid(at: Case, stage: str, window: Window) -> tuple[Grid, Box]:
    """A grid, and the part of the page to keep free, on which the graphs at both ends of a stage can be drawn.

    So the drawings of its applications seldom move.
    """
    derivation = derivation_of(at)
    names = list(derivation.stages)
    before = names[max(names.index(stage) - 1, 0)]
    if before == "primal":
        before = stage
    gone = _gone(derivation, stage)
    items = []
    for name in dict.fromkeys((before, stage)):
        options = _options(derivation, name, derivation.stages[name], gone)
        part = view(derivation.stages[name], window, options.accent)
        items.append((part.graph, part.options(options)))
    scenes, grid = drawings(items, window.grid, _ATTEMPTS)
    return grid, hull([scene.bounds for scene in scenes])


def _on_page(scene: Scene, box: Box) -> Scene:
    left, top, right, bottom = box
    page = replace(scene, width=round(right - left + 2 * _MARGIN, 2), height=round(bottom - top + 2 * _MARGIN, 2))
    return page.moved(_MARGIN - left, _MARGIN - top)


# -- numbers --------------------------------------------------------------------------------------------------------


def _sweep(graph: FlowGraph, given: Given) -> dict[VertexId, float] | None:
    """The value at every vertex when a vector is pushed through; None where the vector has another length."""
    v = given.v
    if v is None:
        v = tuple(np.random.default_rng(given.seed).integers(-20, 21, len(graph.inputs)) / 10)
    if len(v) != len(graph.inputs):
        return None
    places = [vertex.id for vertex in graph.vertices]
    rows = push(graph.algebra, graph_rows(graph), graph.inputs, places, [{0: float(x)} for x in v])
    return {place: float(row.get(0, 0.0)) for place, row in zip(places, rows, strict=True)}


def _finite(x: float) -> float | None:
    return x if math.isfinite(x) else None


def number_text(x: float) -> str:
    """A number in four digits.

    Example:
        >>> number_text(-0.50000001), number_text(12345678.0), number_text(0.0)
        ('-0.5', '1.235e+07', '0')
    """
    return f"{x + 0.0:.4g}"


def _number_label(graph: FlowGraph, edge: Any) -> str:
    text = f"{float(edge.label) + 0.0:.3g}"
    digits, e, power = text.partition("e")
    return f"{digits} \\cdot 10^{{{int(power)}}}" if e else digits
