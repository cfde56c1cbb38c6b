"""Hold the derived graphs, the exact oracle and NumPy against each other, and report.

Small programs are decided over the fraction field of the edge labels; large ones at random points of prime fields, the
first of which has p = 2⁶¹ − 1 elements: a false identity of degree d is missed with probability at most (d/(p − 1))^k
by k points (Schwartz–Zippel), and an identity that holds never fails.

Reference: arXiv:2411.18786, section 4; THEORY section 8.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from flowgraph.checks import Check
from flowgraph.effects import (
    graph_equations,
    implied,
    inverted_layer,
    kept_map,
    program_equations,
    transposed,
)
from flowgraph.errors import GraphError, InputError, NotApplicable
from flowgraph.graph import Delta, FlowGraph, VertexId, Workspace, difference
from flowgraph.labels import PRIME, Label
from flowgraph.modes import Mode, Order, has_lumps, in_order, pipeline, zero_pivot
from flowgraph.partials import (
    ConstantPartials,
    FractionPartials,
    Labelling,
    ResiduePartials,
    SymbolicPartials,
    linearise,
)
from flowgraph.point_checks import numeric_checks, symbolic_checks
from flowgraph.program import Program, require_program
from flowgraph.progress import Tell, silent
from flowgraph.rewrite.derivation import Application, Pipeline, run
from flowgraph.rewrite.engine import Effect, Rule, Step
from flowgraph.symbolic import (
    Row,
    accumulate,
    accumulate_adjoint,
    linear_map,
    partial_defects,
    paths,
    push,
)

SCHEMA = "flowgraph/verification/1"

EXACT_STEPS = 200
"""Programs of up to this many steps are decided over the fraction field unless the caller says otherwise."""

MISS_BOUND = -60
"""Base-2 logarithm of the probability with which the prime field may miss a false identity."""

_TERMS = 400
"""Up to this many terms, a map is multiplied out in addition to its solved form."""

_FIELD_BITS = math.log2(PRIME) - 1e-9
"""Binary logarithm of the size of every field used, rounded down: primes just below 2⁶¹."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What ``verify`` found.

    Attributes:
        program: one line on the program.
        method: ``"exact"`` or ``"prime-field"``.
        checks: one row per claim.
    """

    program: str
    method: str
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether every check holds."""
        return all(check.ok for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """A JSON object with one entry per check."""
        return {
            "schema": SCHEMA,
            "program": self.program,
            "method": self.method,
            "ok": self.ok,
            "checks": [
                {
                    "subject": check.subject,
                    "method": check.method,
                    "ok": check.ok,
                    "detail": check.detail,
                    "witness": check.witness,
                    "skipped": check.skipped,
                }
                for check in self.checks
            ],
        }

    def __str__(self) -> str:
        width = max((len(check.subject) for check in self.checks), default=0)
        skipped = sum(check.skipped for check in self.checks)
        verdict = "all checks hold" if self.ok else "A CHECK FAILED"
        lines = [f"{self.program}: {verdict}" + (f", {skipped} could not be made" if skipped else "")]
        for check in self.checks:
            mark = "skip" if check.skipped else "ok  " if check.ok else "FAIL"
            lines.append(f"  {mark} {check.subject:<{width}}  {check.method}; {check.detail}")
            if check.witness:
                lines.append(f"       {check.witness}")
        return "\n".join(lines)


def verify(
    program: Program,
    *,
    method: str = "auto",
    modes: Mode | str | Iterable[Mode | str] = tuple(Mode),
    seed: int = 0,
    order: Order | None = None,
    progress: Tell | None = None,
) -> Verification:
    """Prove that the derived graphs of a program compute J, Jᵀ, J⁻¹ and J⁻ᵀ.

    The claims, one row each: every application of every rule has the effect it claims; the graph of each mode has the
    map it should; the labels are SymPy's partials; and the graphs evaluated by NumPy at random points agree with J from
    SymPy to rounding.

    Args:
        program: straight-line code.
        method: ``"exact"`` (fraction field of the edge labels), ``"prime-field"``, or ``"auto"``, which is exact up to
            200 steps.
        modes: the modes to check, or one of them; by default all four.
        seed: seed of the random points.
        order: the order of the steps, as in ``derive``; by default the best one if an inverse mode is checked.
        progress: is told how far the work is.

    Returns:
        The report; ``ok`` says whether every check holds.

    Raises:
        NotInvertible: an inverse mode is asked of a program whose Jacobian is not square, or singular for every x.
        InputError: the order leaves out, repeats or misplaces a step; or no such method.

    Example:
        >>> from flowgraph.language import parse
        >>> verify(parse("inputs u, w\\nz = f(u, w)\\noutputs z, w")).ok
        True
    """
    require_program(program)
    if method not in ("auto", "exact", "prime-field"):
        raise InputError("there is no such method", got=repr(method), expected="'auto', 'exact' or 'prime-field'")
    wanted = tuple(dict.fromkeys(Mode(mode) for mode in ([modes] if isinstance(modes, str) else modes)))
    if not wanted:
        raise InputError("no mode is given to verify", expected=", ".join(repr(mode.value) for mode in Mode))
    tell = progress or silent
    program = in_order(program, order, inverse=any(mode.inverse for mode in wanted))
    if method == "auto":
        method = "exact" if program.n_steps <= EXACT_STEPS else "prime-field"
    checks: list[Check] = []
    try:
        if method == "exact":
            checks += _exact(program, wanted, tell)
        else:
            with _collector_paused():
                checks += _prime_field(program, wanted, seed, tell)
    except NotApplicable as error:
        raise zero_pivot(program, error) from error
    tell("labels against SymPy", 0, 1)
    checks += _labels(program)
    if method == "exact":
        if has_lumps(program):
            tell("symbolic labels", 0, 1)
            checks += symbolic_checks(program, wanted, seed)
        tell("NumPy against SymPy", 0, 1)
        checks += numeric_checks(program, wanted, seed)
    return Verification(repr(program).strip("<>"), method, tuple(checks))


def check_application(application: Application, rule: Rule) -> str | None:
    """Decide whether an application of a rule had the effect that the rule claims. None if so, else what went wrong.

    Example:
        >>> import flowgraph as fg
        >>> derivation = fg.derive(fg.parse("inputs u, w\\nz = f(u, w)\\noutputs z, w"), "forward-inverse")
        >>> [check_application(a, derivation.rules[a.step.rule]) for a in derivation.applications()]
        [None, None, None, None, None]
    """
    before, after = application.before, application.after
    if rule.effect is Effect.TRANSPOSES:
        return transposed(after.algebra, _whole(before), _whole(after))
    if rule.effect is Effect.KEEPS:
        return kept_map(difference(before, after))
    return inverted_layer(difference(before, after, application.step.site.vertices))


def _whole(graph: FlowGraph) -> tuple[list[tuple[VertexId, VertexId, Label]], Sequence[VertexId], Sequence[VertexId]]:
    return [(edge.source, edge.target, edge.label) for edge in graph.edges], graph.inputs, graph.outputs


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Switch off cyclic garbage collection, which would walk millions of small objects again and again, to no use."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


# -- effects of the rules -------------------------------------------------------------------------------------------


class _Effects:
    """Watches derivations and checks every application by its effect."""

    def __init__(self) -> None:
        self.rules: dict[str, Rule] = {}
        self.counts: dict[str, int] = {}
        self.witness: dict[str, str] = {}
        self._whole: tuple[list[tuple[VertexId, VertexId, Label]], list[VertexId], list[VertexId]] = ([], [], [])

    def expect(self, rule: Rule, work: Workspace) -> None:
        """Announce the rule whose applications come next, and keep the graph if its effect is on the whole of it."""
        self.rules[rule.name] = rule
        self.counts.setdefault(rule.name, 0)
        if rule.effect is Effect.TRANSPOSES:
            self._whole = (_edges(work), list(work.inputs), list(work.outputs))

    def __call__(self, step: Step, delta: Delta, work: Workspace) -> None:
        rule = self.rules[step.rule]
        self.counts[step.rule] += 1
        if rule.effect is Effect.KEEPS:
            trouble = kept_map(delta)
        elif rule.effect is Effect.INVERTS:
            trouble = inverted_layer(delta)
        else:
            trouble = transposed(work.algebra, self._whole, (_edges(work), work.inputs, work.outputs))
        if trouble and step.rule not in self.witness:
            self.witness[step.rule] = f"at {list(step.site.vertices)}: {trouble}"

    def checks(self, method: str) -> list[Check]:
        """One row per rule."""
        return [
            Check(
                f"rule {name} {rule.effect}",
                method,
                name not in self.witness,
                f"{self.counts[name]} application{'' if self.counts[name] == 1 else 's'}",
                self.witness.get(name, ""),
            )
            for name, rule in self.rules.items()
        ]


def _edges(work: Workspace) -> list[tuple[VertexId, VertexId, Label]]:
    return [(source, target, label) for target, row in work.rows.items() for source, label, _ in row]


def _derived(
    work: Workspace, pipelines: Mapping[Mode, Pipeline], effects: _Effects
) -> Iterator[tuple[Mode, Workspace]]:
    """Derive several modes with every application checked; stages that they share are derived once.

    Yields:
        Each mode with its workspace, which is to be looked at before the next one is asked for.
    """
    branches: dict[tuple[str, str], dict[Mode, Pipeline]] = {}
    for mode, stages in pipelines.items():
        if stages:
            stage, rule = stages[0]
            branches.setdefault((stage, rule.name), {})[mode] = stages
        else:
            yield mode, work
    for k, branch in enumerate(branches.values()):
        first = next(iter(branch.values()))[:1]
        forked = work if k == len(branches) - 1 else work.copy()
        effects.expect(first[0][1], forked)
        for _ in run(forked, first, effects):
            yield from _derived(forked, {mode: stages[1:] for mode, stages in branch.items()}, effects)


# -- over the fraction field ----------------------------------------------------------------------------------------


def _exact(program: Program, modes: Sequence[Mode], tell: Tell) -> list[Check]:
    labelling = FractionPartials(program)
    oracle = _Oracle(program, labelling)
    effects = _Effects()
    sparse = program.n_steps * program.n_inputs > 20_000
    lumped = has_lumps(program)
    pipelines = {mode: pipeline(mode, sparse=sparse, lumped=lumped) for mode in modes}
    found: dict[Mode, Check] = {}
    tell("exact", 0, len(modes))
    for mode, work in _derived(linearise(program, labelling), pipelines, effects):
        found[mode] = oracle.check(mode, work.freeze())
        tell(f"{mode}, exact", len(found), len(modes))
    return effects.checks("fraction field") + [found[mode] for mode in modes]


class _Oracle:
    """The program's own equations and Jacobian over the fraction field, to hold the graph of every mode against."""

    def __init__(self, program: Program, labelling: FractionPartials) -> None:
        self._program = program
        self._labelling = labelling
        self._equations = program_equations(program, labelling.algebra, labelling.partial)

    @cached_property
    def _jacobian(self) -> list[Row]:
        algebra = self._labelling.algebra
        seeds: list[Row] = [{j: algebra.one} for j in range(self._program.n_inputs)]
        tangents = accumulate(self._program, algebra, self._labelling.partial, seeds)
        return [tangents[k] for k in self._program.outputs.tolist()]

    def check(self, mode: Mode, graph: FlowGraph) -> Check:
        """Decide that a graph has the map of its mode: by its solved form, and multiplied out where that is short."""
        subject, edges = f"{mode} = {mode.symbol}", f"{len(graph.edges)} edges"
        trouble = self._solved_form(mode, graph)
        try:
            terms = int(max(paths(graph).sum(), 0))
        except GraphError as error:
            return Check(subject, "fraction field", False, edges, error.what)
        if terms * _denominators(graph) > _TERMS:
            return Check(subject, "fraction field, solved form", not trouble, edges, trouble or "")
        algebra, n = self._labelling.algebra, self._program.n_inputs
        trouble = trouble or _multiplied_out(algebra, mode, self._jacobian, linear_map(graph), n)
        return Check(subject, "fraction field, multiplied out", not trouble, f"{edges}, {terms} terms", trouble or "")

    def _solved_form(self, mode: Mode, graph: FlowGraph) -> str | None:
        equations = graph_equations(graph, transpose=mode in (Mode.REVERSE, Mode.REVERSE_INVERSE))
        if isinstance(equations, str):
            return equations
        if (graph.input_names, graph.output_names) != _ends(self._program, mode):
            return f"inputs {graph.input_names} and outputs {graph.output_names} are not those of the mode"
        return implied(self._labelling.algebra, self._equations, equations)


def _denominators(graph: FlowGraph) -> int:
    """How many terms a common denominator of the edge labels may have: 1 unless lumps were expanded."""
    return math.prod(len(denominator) for denominator in {edge.label.denom for edge in graph.edges})


def _ends(program: Program, mode: Mode) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The values at the inputs and at the outputs of a mode's graph."""
    first, last = program.input_names, program.output_names
    return (first, last) if mode in (Mode.FORWARD, Mode.REVERSE_INVERSE) else (last, first)


def _multiplied_out(algebra: Any, mode: Mode, jacobian: Sequence[Row], found: Any, n: int) -> str | None:
    """Compare matrices entry by entry: M = J, M = Jᵀ, M J = I or M Jᵀ = I."""
    m = len(jacobian)
    dense = [[row.get(j, algebra.zero) for j in range(n)] for row in jacobian]
    if mode in (Mode.REVERSE, Mode.REVERSE_INVERSE):
        dense = [list(column) for column in zip(*dense, strict=True)] if m else [[] for _ in range(n)]
    for i, row in enumerate(found):
        for j in range(len(dense[0]) if dense else 0):
            if mode.inverse:
                entry, expected = algebra.zero, algebra.one if i == j else algebra.zero
                for k, factor in enumerate(row):
                    entry = algebra.add(entry, algebra.mul(factor, dense[k][j]))
            else:
                entry, expected = row[j], dense[i][j]
            if not algebra.equal(entry, expected):
                what = "of the product " if mode.inverse else ""
                return f"entry ({i + 1}, {j + 1}) {what}is {algebra.text(entry)}, not {algebra.text(expected)}"
    return None


# -- in the prime field ---------------------------------------------------------------------------------------------


def points_needed(degree: int, claims: int) -> int:
    """How many random points make the probability of missing a false identity less than 2⁻⁶⁰ over all claims together.

    Args:
        degree: the largest degree of the identities, denominators cleared.
        claims: how many identities are decided.

    Example:
        >>> points_needed(300_000, 1_000_000)
        2
    """
    return max(1, math.ceil((-MISS_BOUND + math.log2(max(claims, 1))) / (_FIELD_BITS - math.log2(degree))))


def _prime_field(program: Program, modes: Sequence[Mode], seed: int, tell: Tell) -> list[Check]:
    steps, n = program.n_steps, program.n_inputs
    # A tangent has degree T + 1 in the labels and v; the inverse's entries times the product of the pivots, degree 2T.
    degree = 3 * steps + 4
    # A step with k arguments has k² entries in its inverted layer, and its edges are in a few rewrites each.
    # Copies of one value are merged by halving, which compares its edges log T times.
    each = 40 * (steps + n) + 10 * int((np.diff(program.starts).astype(float) ** 2).sum()) + 4 * n
    lumped = has_lumps(program)
    if lumped:
        # A lump that replaces l of n values has at most n² entries.
        each += 10 * steps * n**2
    claims = each * math.ceil(math.log2(steps + 2))
    points = points_needed(degree, claims)
    bound = math.log2(max(claims, 1)) - points * (_FIELD_BITS - math.log2(degree))
    where = "GF(2⁶¹−1)" if points == 1 else f"{points} prime fields below 2⁶¹"
    method = f"random point in {where}, miss < 2^{math.ceil(bound)}"
    tell("J v and Jᵀ w, prime field", 0, len(modes) + 1)
    labelling = ResiduePartials(program, points, seed)
    algebra = labelling.algebra
    fixed = _Fixed(program, labelling)
    v = [labelling.draw() for _ in range(n)]
    w = [labelling.draw() for _ in range(program.n_outputs)]
    tangents = accumulate(program, algebra, fixed.partial, [{0: x} for x in v])
    image = [tangents[k].get(0, algebra.zero) for k in program.outputs.tolist()]
    pulled = accumulate_adjoint(program, algebra, fixed.partial, w)
    given = {
        Mode.FORWARD: (v, image),
        Mode.REVERSE: (w, pulled),
        Mode.FORWARD_INVERSE: (image, v),
        Mode.REVERSE_INVERSE: (pulled, w),
    }
    effects = _Effects()
    pipelines = {mode: pipeline(mode, sparse=True, lumped=lumped) for mode in modes}
    found: dict[Mode, Check] = {}
    for mode, work in _derived(linearise(program, fixed), pipelines, effects):
        source, target = given[mode]
        witness = _wrong_ends(program, mode, work) or _differs(work, source, target)
        edges = sum(len(row) for row in work.rows.values())
        found[mode] = Check(f"{mode} = {mode.symbol}", method, not witness, f"{edges} edges", witness)
        tell(f"{mode}, prime field", len(found), len(modes) + 1)
    return effects.checks(method) + [found[mode] for mode in modes]


def _wrong_ends(program: Program, mode: Mode, work: Workspace) -> str:
    """Whether a graph's inputs and outputs hold other values than those of the mode; empty where they do not."""
    found = tuple(tuple(work.vertices[place].value for place in places) for places in (work.inputs, work.outputs))
    return "" if found == _ends(program, mode) else "the inputs and outputs are not those of the mode"


def _differs(work: Workspace, source: Sequence[Label], target: Sequence[Label]) -> str:
    """Where a graph does not take one vector to the other; empty where it does."""
    if (len(work.inputs), len(work.outputs)) != (len(source), len(target)):
        return f"{len(work.inputs)} inputs and {len(work.outputs)} outputs, not {len(source)} and {len(target)}"
    try:
        pushed = push(work.algebra, work.rows, work.inputs, work.outputs, [{0: x} for x in source])
    except GraphError as error:
        return error.what
    wrong = [i for i, row in enumerate(pushed) if row.get(0, work.algebra.zero) != target[i]]
    return f"component {wrong[0] + 1} differs at the random point" if wrong else ""


class _Fixed(Labelling):
    """A labelling with every partial drawn once, so that each use sees the same residues."""

    def __init__(self, program: Program, labelling: ResiduePartials) -> None:
        self.algebra = labelling.algebra
        starts = program.starts.tolist()
        self._starts = starts
        self._partials = [
            labelling.partial(step, slot)
            for step in range(program.n_steps)
            for slot in range(starts[step + 1] - starts[step])
        ]

    def partial(self, step: int, slot: int) -> Label:
        return self._partials[self._starts[step] + slot]


# -- labels and numbers ---------------------------------------------------------------------------------------------


def _labels(program: Program) -> list[Check]:
    if not (program.codes >= 0).any():
        return []  # every function is uninterpreted: no partial is claimed
    checked, trouble = partial_defects(program, SymbolicPartials(program).partial, ConstantPartials(program).find)
    detail = f"{checked} partial{'' if checked == 1 else 's'}"
    return [Check("labels = SymPy's partials", "sympy.diff, exact", not trouble, detail, trouble or "")]
