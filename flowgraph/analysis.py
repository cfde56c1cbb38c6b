"""``analyze``: what to know before trusting inverse accumulation on a program.

Does it apply, and if not, why; the widths and kinds of the steps; the lumps of an order and of the best one, and why
the large ones exist; the blocks; what J⁻¹v costs in exact operation counts, relative to J v.

Reference: arXiv:2411.18786, section on lumps; THEORY sections 5 to 7.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowgraph.certificate import Certificate
from flowgraph.labels import FloatLabels
from flowgraph.local_systems import Counted, count_blocks, count_lumps, forward_count, unit_labels
from flowgraph.lump_report import (
    LARGEST,
    OperationCounts,
    blocks_json,
    counted_json,
    largest,
    listed,
    lumps_json,
    operations_json,
    place_of,
    why,
    width_chart,
)
from flowgraph.lumping import Lumping, finest_order
from flowgraph.numbers import draw_points
from flowgraph.orders import legal_order
from flowgraph.partials import FloatPartials
from flowgraph.program import Program, require_program, size_text, text_table
from flowgraph.progress import Tell, silent
from flowgraph.structure import Blocks, Structure, decompose
from flowgraph.symbolic import accumulate

Array = NDArray[Any]
Order = Sequence[int | str] | Array

SCHEMA = "flowgraph/analysis/1"

_MOST_TRIED = 50_000
"""Programs of at most so many steps times inputs are looked at in a few random points."""

_POINTS = 12
"""So many: a branch that hides an argument, as in maximum(x, y), is taken at all of them in one of thousands."""

_SINGULAR = 1e-14
"""A reciprocal condition number at which J is singular to rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """The report of ``analyze``. Printed, it is what ``flowgraph analyze`` shows.

    Attributes:
        program: the program.
        structure: rank, matching and blocks.
        structurally_singular: whether J has no inverse for any x: it is not square, or too much has to pass through too
            few values.
        certificate: why, or None.
        order: (T′,) step numbers of the order at hand; dead steps are left out.
        width_profile: (T′ + 1,) number of live values after each of its steps.
        step_kinds: how many steps of each kind there are along it.
        dead_code: names of results that nothing needs; they take no part.
        lumps: the lumps of the order at hand; None where J is singular for every x.
        best_order: an order with the most lumps, or None.
        best_lumps: its lumps, or None.
        blocks: what has to be solved.
        operation_counts: of J v and of J⁻¹v.
        singular_points: at how many random points J was found singular to rounding though its structure is sound; 0
            where one was found at which it is not, and where none were tried (large programs).
        advice: what to know and what to do, in sentences.
    """

    program: Program
    structure: Structure
    order: Array
    width_profile: Array
    step_kinds: Mapping[str, int]
    dead_code: tuple[str, ...]
    lumps: Lumping | None
    best_order: Array | None
    best_lumps: Lumping | None
    operation_counts: OperationCounts
    singular_points: int
    advice: tuple[str, ...]

    @property
    def structurally_singular(self) -> bool:
        """Whether J has no inverse for any x."""
        return self.structure.singular

    @property
    def certificate(self) -> Certificate | None:
        """Why J is singular for every x, or None."""
        return self.structure.certificate

    @property
    def blocks(self) -> Blocks:
        """What has to be solved, in order; empty where J is singular for every x."""
        return self.structure.blocks

    @property
    def ratio(self) -> float | None:
        """Predicted operations of J⁻¹v over those of J v, by lumps of the best order or by blocks, whichever is less.

        None where J is singular for every x, where a lump is too large to be counted, and where J v takes none.
        """
        counts = self.operation_counts
        found = [counts.ratio(counted) for counted in (counts.given, counts.best, counts.blocks)]
        return min((ratio for ratio in found if ratio is not None), default=None)

    def to_json(self) -> dict[str, Any]:
        """A JSON object with everything the report holds; up to 1,000 lumps and blocks one by one."""
        return _to_json(self)

    def __str__(self) -> str:
        return "\n\n".join("\n".join(part) for part in _parts(self) if part)

    def __repr__(self) -> str:
        verdict = "singular for every x" if self.structurally_singular else f"{len(self.lumps or ())} lumps"
        return f"<Analysis: {self.program!r}, {verdict}>"


def analyze(program: Program, order: Order | None = None, *, progress: Tell | None = None) -> Analysis:
    """Find out whether and how well inverse accumulation works on a program.

    Args:
        program: straight-line code, of any shape: what has no inverse is told with the reason.
        order: step numbers from 0, or names of results; None is the program's own order.
        progress: is told how far the work is.

    Returns:
        The report: printed, it is a page; ``to_json()`` has all of it.

    Raises:
        InputError: the order leaves out, repeats or misplaces a step.

    Example:
        >>> from flowgraph.language import parse
        >>> program = parse("inputs x, y\\nt1 = p(x)\\nt2 = p(y)\\nz1 = q(x, t1)\\nz2 = q(y, t2)\\noutputs z1, z2")
        >>> report = analyze(program)
        >>> report.structurally_singular, len(report.lumps), len(report.best_lumps), report.ratio
        (False, 1, 2, 1.0)
        >>> report.advice[0]
        'the lump of lines 2 to 5 exists because t1 stays live to line 4; the best order splits it'
    """
    require_program(program)
    tell = progress or silent
    tell("structure", 0, 4)
    structure = decompose(program)
    flow = structure.flow
    steps = legal_order(program, flow, order)
    lumping = Lumping(program, flow, steps)
    dead = tuple(program.name(program.n_inputs + int(k)) for k in np.flatnonzero(~flow.needed))
    units = unit_labels(program, flow)
    jvp = forward_count(flow, units)
    best = finest = None
    points = 0
    counts = OperationCounts(jvp, None, None, None)
    if structure.singular:
        advice = _advice_if_singular(program, structure, dead)
    else:
        tell("best order", 1, 4)
        best = finest_order(structure)
        finest = Lumping(program, flow, best)
        if len(finest) == len(lumping):
            # The finest lumps are the same in every order that has them.
            best, finest = steps, lumping
        tell("operations of the lumps", 2, 4)
        given = count_lumps(flow, units, lumping)
        counted = given if finest is lumping else count_lumps(flow, units, finest)
        tell("operations of the blocks", 3, 4)
        counts = OperationCounts(jvp, given, counted, count_blocks(structure, units))
        points = singular_points(program)
        advice = _advice(program, structure, lumping, finest, counts, points, dead)
    tell("done", 4, 4)
    return Analysis(
        program=program,
        structure=structure,
        order=steps,
        width_profile=lumping.widths,
        step_kinds=_kinds(lumping, flow.active),
        dead_code=dead,
        lumps=None if structure.singular else lumping,
        best_order=best,
        best_lumps=finest,
        operation_counts=counts,
        singular_points=points,
        advice=advice,
    )


def _kinds(lumping: Lumping, active: Array) -> Mapping[str, int]:
    """How many steps of each kind, along an order."""
    at = lumping.order
    takes_part = active[at]
    inside = (lumping.death > 0) & (lumping.death <= len(at))
    died = np.bincount(lumping.death[inside], minlength=len(at) + 1)[1:]
    counts = {
        "equasive": int(np.count_nonzero(takes_part & (died == 1))),
        "expansive": int(np.count_nonzero(takes_part & (died == 0))),
        "contractive": int(np.count_nonzero(takes_part & (died > 1))),
        "passive": int(np.count_nonzero(~takes_part)),
        "dead": len(active) - len(at),
    }
    return MappingProxyType(counts)


def _advice_if_singular(program: Program, structure: Structure, dead: tuple[str, ...]) -> tuple[str, ...]:
    n, m = program.n_inputs, program.n_outputs
    words = []
    if n != m:
        words.append(f"an inverse needs as many outputs as inputs: there are {n} inputs and {m} outputs")
    if structure.certificate is not None:
        words.append(str(structure.certificate))
    words.append("forward and reverse mode work; keep more independent values as outputs, or fix what is lost")
    return (*words, *_about_dead_code(dead))


def singular_points(program: Program) -> int:
    """At how many random points J is singular to rounding; 0 if it is not at one of them. Small programs only.

    Args:
        program: straight-line code with as many outputs as inputs.

    Example:
        >>> from flowgraph.language import parse
        >>> singular_points(parse("inputs x, y\\nu = x * y\\nv = x * y\\noutputs u, v"))
        12
    """
    program = program.without_dead_code()
    n = program.n_inputs
    if n == 0 or n * program.n_steps > _MOST_TRIED:
        return 0
    points = draw_points(program, Random(0), count=_POINTS, attempts=4 * _POINTS)
    algebra, active = FloatLabels(), program.liveness().active
    for point in points:
        partials = FloatPartials(program, point.values, point.letters)

        def partial(step: int, slot: int, partials: FloatPartials = partials) -> float:
            return partials.partial(step, slot) if active[step] else 0.0

        with np.errstate(all="ignore"):
            tangents = accumulate(program, algebra, partial, [{j: 1.0} for j in range(n)])
        rows = [tangents[k] for k in program.outputs.tolist()]
        jacobian = np.array([[row.get(j, 0.0) for j in range(n)] for row in rows])
        if not np.isfinite(jacobian).all():
            return 0
        # Rows and columns of very different size are no sign of singularity.
        jacobian /= np.maximum(np.abs(jacobian).max(axis=1, keepdims=True), np.finfo(float).tiny)
        jacobian /= np.maximum(np.abs(jacobian).max(axis=0, keepdims=True), np.finfo(float).tiny)
        if 1.0 / np.linalg.cond(jacobian) > _SINGULAR:
            return 0
    return len(points)


def _about_points(points: int) -> tuple[str, ...]:
    if points == 0:
        return ()
    return (
        f"at {points} random point{'s' * (points != 1)} J is singular to rounding: an identity that no structure shows "
        "may make it singular for every x, as where outputs always add up to 1; `flowgraph verify` tells more",
    )


def _about_dead_code(dead: tuple[str, ...]) -> tuple[str, ...]:
    if not dead:
        return ()
    more = f" and {len(dead) - 6} more" if len(dead) > 6 else ""
    return (f"dead code takes no part: {', '.join(dead[:6])}{more}",)


def _advice(
    program: Program,
    structure: Structure,
    given: Lumping,
    best: Lumping,
    counts: OperationCounts,
    points: int,
    dead: tuple[str, ...],
) -> tuple[str, ...]:
    words = []
    splits = len(best) > len(given)
    told: set[str] = set()
    for index in largest(given, counts.given):
        lump = given[index]
        place = place_of(program, lump.steps)
        # A loop in a traced function makes many lumps from one line.
        if len(lump.steps) > 1 and place not in told and len(told) < 3:
            told.add(place)
            words.append(why(program, given, lump, best))
    if splits:
        words.append(f"the best order has {len(best)} lumps, this one {len(given)}: `flowgraph orders` shows both")
    elif len(given) and int(given.lengths.max()) > 1:
        words.append("no other order has more lumps")
    systems = int(np.count_nonzero(structure.blocks.sizes > 1))
    if len(best) and int(best.sizes.max()) > 1 and systems == 0:
        words.append("every block is scalar: block by block, no linear system has to be solved")
    if len(given) and (given.lengths == 1).all() and not points:
        words.append("every step is equasive: atomic inversion applies step by step, in all four modes")
    return (*_about_points(points), *words, *_about_dead_code(dead))


# -- the printed report ---------------------------------------------------------------------------------------------


def _parts(analysis: Analysis) -> Iterator[list[str]]:
    """The paragraphs of the printed report."""
    program, structure = analysis.program, analysis.structure
    n = program.n_inputs
    kinds = ", ".join(f"{count} {kind}" for kind, count in analysis.step_kinds.items() if count)
    applies = (
        "inverse accumulation does not apply: the Jacobian is singular for every x"
        if program.n_outputs == n
        else "inverse accumulation does not apply: the Jacobian is not square"
    )
    if not analysis.structurally_singular:
        applies = "inverse accumulation applies: by its structure the Jacobian is not singular for every x"
        if analysis.singular_points:
            applies = (
                "inverse accumulation may not apply: the structure is sound, but J is singular at all points tried"
            )
    yield [
        f"{size_text(program)}; structural rank {structure.rank} of {max(n, program.n_outputs)}",
        applies,
        f"steps: {kinds or 'none'}",
    ]
    yield width_chart(analysis.width_profile, n).split("\n")
    if analysis.lumps is not None and analysis.best_lumps is not None:
        yield _summary(analysis, analysis.lumps, analysis.best_lumps)
        yield _largest_lumps(analysis, analysis.lumps)
        yield _largest_blocks(analysis)
    yield [f"- {sentence}" for sentence in analysis.advice]


def _summary(analysis: Analysis, given: Lumping, best: Lumping) -> list[str]:
    counts, blocks = analysis.operation_counts, analysis.blocks
    scalar = int(np.count_nonzero(blocks.with_steps & (blocks.sizes == 1)))
    several = np.flatnonzero(blocks.sizes > 1)
    sizes = [blocks[int(k)].size for k in several[np.argsort(-blocks.sizes[several])][:LARGEST]]
    rows: list[Sequence[str]] = [("", "number", "largest l", "accumulate", "factor", "solve", "total", "× J v")]
    rows.append(("J v", "", "", "", "", "", str(counts.jvp.total), ""))
    lines: list[tuple[str, str, int, Counted | None]] = [
        ("lumps, this order", str(len(given)), max(given.sizes.tolist(), default=0), counts.given),
        ("lumps, best order", str(len(best)), max(best.sizes.tolist(), default=0), counts.best),
        ("blocks", f"{scalar} + {len(several)}", max(sizes, default=int(scalar > 0)), counts.blocks),
    ]
    for name, number, size, counted in lines:
        if counted is None or counted.count is None:
            rows.append((name, number, str(size), "", "", "", "too large to count", ""))
            continue
        count, ratio = counted.count, counts.ratio(counted)
        totals = (count.accumulate.total, count.factor.total, count.solve.total, count.total.total)
        rows.append((name, number, str(size), *map(str, totals), "" if ratio is None else f"{ratio:.2f}"))
    head = "operations for one x and one vector; blocks: scalar ones + linear systems"
    return [head, *text_table(rows, right=frozenset(range(1, 8))).split("\n")]


def _largest_lumps(analysis: Analysis, given: Lumping) -> list[str]:
    program, counted = analysis.program, analysis.operation_counts.given
    cost = {piece.index: piece.cost for piece in counted.pieces} if counted else {}
    shown = [given[k] for k in largest(given, counted) if given.lengths[k] > 1]
    if not shown:
        return []
    rows = [("lump", "from", "steps", "l", "consumes", "produces", "matrix A", "operations")]
    for lump in shown:
        found = cost.get(lump.index)
        rows.append(
            (
                str(lump.index + 1),
                place_of(program, lump.steps),
                str(len(lump.steps)),
                str(lump.size),
                listed(program, lump.consumed),
                listed(program, lump.produced),
                found.structure if found else "",
                str(found.total.total) if found else "too large to count",
            )
        )
    several = int(np.count_nonzero(given.lengths > 1))
    head = f"largest lumps of this order ({len(shown)} of {several} with more than one step)"
    return [head, *text_table(rows, right=frozenset({0, 2, 3, 7})).split("\n")]


def _largest_blocks(analysis: Analysis) -> list[str]:
    program, blocks = analysis.program, analysis.blocks
    counted = analysis.operation_counts.blocks
    cost = {piece.index: piece.cost for piece in counted.pieces} if counted else {}
    several = np.flatnonzero(blocks.sizes > 1)
    if len(several) == 0:
        return []
    shown = several[np.argsort(-blocks.sizes[several], kind="stable")][:LARGEST].tolist()
    rows = [("from", "rows", "l", "solved for", "matrix A", "operations")]
    for index in shown:
        block, found = blocks[index], cost.get(index)
        rows.append(
            (
                place_of(program, block.steps),
                str(len(block.steps)),
                str(block.size),
                listed(program, block.unknowns),
                found.structure if found else "",
                str(found.total.total) if found else "too large to count",
            )
        )
    return [
        f"largest blocks ({len(shown)} of {len(several)} with more than one row)",
        *text_table(rows, right=frozenset({1, 2, 5})).split("\n"),
    ]


# -- JSON -----------------------------------------------------------------------------------------------------------


def _to_json(analysis: Analysis) -> dict[str, Any]:
    program, counts = analysis.program, analysis.operation_counts
    names = [program.name(program.n_inputs + k) for k in analysis.order.tolist()]
    best = analysis.best_order
    return {
        "schema": SCHEMA,
        "n": program.n_inputs,
        "m": program.n_outputs,
        "n_steps": program.n_steps,
        "applies": not analysis.structurally_singular,
        "structurally_singular": analysis.structurally_singular,
        "structural_rank": analysis.structure.rank,
        "singular_points": analysis.singular_points,
        "certificate": analysis.certificate.to_json() if analysis.certificate else None,
        "order": names,
        "width_profile": analysis.width_profile.tolist(),
        "step_kinds": dict(analysis.step_kinds),
        "dead_code": list(analysis.dead_code),
        "lumps": lumps_json(program, analysis.lumps, counts.given),
        "blocks": None if analysis.structurally_singular else blocks_json(program, analysis.blocks, counts.blocks),
        "best_order": None if best is None else [program.name(program.n_inputs + k) for k in best.tolist()],
        "best_lumps": lumps_json(program, analysis.best_lumps, counts.best),
        "operation_counts": {
            "jvp": operations_json(counts.jvp),
            "lumps": counted_json(counts, counts.given),
            "best_lumps": counted_json(counts, counts.best),
            "blocks": counted_json(counts, counts.blocks),
        },
        "ratio": analysis.ratio,
        "advice": list(analysis.advice),
    }
