"""``Derivation``: the record of which rule acted where, from the primal graph to the graph of a mode."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from operator import index
from types import MappingProxyType
from typing import Any

from flowgraph.errors import FlowgraphError, GraphError, InputError, ProgramError
from flowgraph.graph import Delta, FlowGraph, Workspace
from flowgraph.partials import CountedPartials, FractionPartials, Labelling, SymbolicPartials, linearise
from flowgraph.program import Program
from flowgraph.rewrite.carry import Carry
from flowgraph.rewrite.engine import Effect, Rule, Site, Step
from flowgraph.rewrite.rules import with_carry

SCHEMA = "flowgraph/derivation/1"

LABELLINGS: Mapping[str, Callable[[Program], Labelling]] = MappingProxyType(
    {"symbolic": SymbolicPartials, "fractions": FractionPartials, "counts": CountedPartials}
)
"""The labellings that a program alone determines, by the name of their algebra."""

Pipeline = tuple[tuple[str, Rule], ...]
"""For each stage its name and the rule that leads to it."""

Watcher = Callable[[Step, Delta, Workspace], None]
"""Is shown every application just after it: the step, what changed, and the workspace."""


class Mode(StrEnum):
    """The four modes; each equals its string.

    Example:
        >>> Mode("forward-inverse") == "forward-inverse"
        True
    """

    FORWARD = "forward"
    REVERSE = "reverse"
    FORWARD_INVERSE = "forward-inverse"
    REVERSE_INVERSE = "reverse-inverse"

    @property
    def inverse(self) -> bool:
        """Whether the mode needs J to be invertible."""
        return self in (Mode.FORWARD_INVERSE, Mode.REVERSE_INVERSE)

    @property
    def symbol(self) -> str:
        """The matrix that the mode multiplies by."""
        return {"forward": "J", "reverse": "Jᵀ", "forward-inverse": "J⁻¹", "reverse-inverse": "J⁻ᵀ"}[self]

    @property
    def stages(self) -> tuple[tuple[str, str], ...]:
        """The stages after the primal graph, each with the name of the rule that leads to it.

        Example:
            >>> Mode("reverse").stages
            (('layered', 'carry'), ('unlayered', 'unlayer'), ('reversed', 'reverse'))
        """
        return self._stages((("inverted", "invert"),))

    @property
    def stages_with_lumps(self) -> tuple[tuple[str, str], ...]:
        """The stages where some steps are not equasive: an inverse mode makes lumps, and expands their block labels.

        Example:
            >>> [stage for stage, _ in Mode("reverse-inverse").stages_with_lumps]
            ['layered', 'lumped', 'inverted', 'expanded', 'shifted', 'unlayered']
        """
        return self._stages((("lumped", "lump"), ("inverted", "invert"), ("expanded", "expand")))

    def _stages(self, inversion: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        inverted = (*inversion, ("shifted", "shift")) if self.inverse else ()
        turned = (("reversed", "reverse"),) if self in (Mode.REVERSE, Mode.FORWARD_INVERSE) else ()
        return (("layered", "carry"), *inverted, ("unlayered", "unlayer"), *turned)

    @classmethod
    def _missing_(cls, value: object) -> Mode:
        raise InputError(
            "there is no such mode",
            got=repr(value),
            expected=", ".join(repr(mode.value) for mode in cls),
        )


@dataclass(frozen=True, slots=True)
class Application:
    """One step of a derivation with the graphs on either side of it.

    Attributes:
        step: stage, rule and site.
        before: the graph before.
        after: the graph after.
    """

    step: Step
    before: FlowGraph
    after: FlowGraph


@dataclass(frozen=True, slots=True)
class Summary:
    """One step of a derivation in words.

    Attributes:
        site: where, by the names of the vertices in the graph before, e.g. ``"x1@1 → z1"``.
        no_op: whether the graph is the same after it as before, labels and names included.
    """

    site: str
    no_op: bool


@dataclass(frozen=True, slots=True)
class Derivation:
    """How the graph of a mode comes from the primal graph.

    Attributes:
        program: the program, without dead code.
        mode: the mode.
        stages: the graph at the end of each stage, in order, from ``"primal"``.
        steps: every application of a rule, in order.
        rules: the rules by name.
        meanings: what each letter in the labels stands for, e.g. ``{"a": "∂f/∂x1"}``, and each block label of a lump,
            e.g. ``{"A1": "∂(u, v)/∂(x, y)"}``.

    Example:
        >>> import flowgraph as fg
        >>> derivation = fg.derive(fg.parse("inputs u, w\\nz = f(u, w)\\noutputs z, w"), "reverse-inverse")
        >>> list(derivation.stages), len(derivation.steps)
        (['primal', 'layered', 'inverted', 'shifted', 'unlayered'], 4)
        >>> fg.Derivation.from_json(derivation.to_json()) == derivation
        True
    """

    program: Program
    mode: Mode
    stages: Mapping[str, FlowGraph]
    steps: tuple[Step, ...]
    rules: Mapping[str, Rule]
    meanings: Mapping[str, str]

    @property
    def graph(self) -> FlowGraph:
        """The graph of the mode, the last stage."""
        return tuple(self.stages.values())[-1]

    def graph_after(self, count: int) -> FlowGraph:
        """The graph after the first ``count`` applications: 0 gives the primal graph, ``len(steps)`` the last one.

        Replayed from the end of the stage before, so its cost is that of one stage and one graph.

        Raises:
            InputError: there are not so many applications.

        Example:
            >>> import flowgraph as fg
            >>> derivation = fg.derive(fg.parse("inputs u, w\\nz = f(u, w)\\noutputs z, w"), "reverse-inverse")
            >>> print(derivation.graph_after(2))
            inputs u w, outputs z w@1
            u -> z : 1/a
            u -> w@1 : -b/a
            w -> w@1 : 1
        """
        self._check_count(count, least=0)
        if count == 0:
            return self.stages["primal"]
        if count == len(self.steps) or self.steps[count - 1].stage != self.steps[count].stage:
            return self.stages[self.steps[count - 1].stage]
        return self._workspace(count).freeze()

    def application(self, number: int) -> Application:
        """Application ``number`` of 1 … ``len(steps)``, with the graphs before and after it.

        It leads from ``graph_after(number - 1)`` to ``graph_after(number)``, and costs no more than they do.

        Raises:
            InputError: there is no such application.

        Example:
            >>> import flowgraph as fg
            >>> derivation = fg.derive(fg.parse("inputs u, w\\nz = f(u, w)\\noutputs z, w"), "reverse-inverse")
            >>> derivation.application(2) == list(derivation.applications())[1]
            True
        """
        self._check_count(number, least=1)
        work = self._workspace(number - 1)
        before = work.freeze()
        step = self.steps[number - 1]
        self.rules[step.rule].rewrite(work, step.site)
        return Application(step, before, work.freeze())

    def stage_at(self, count: int) -> str:
        """The stage that the graph after ``count`` applications belongs to: that of the last of them, or ``"primal"``.

        Raises:
            InputError: there are not so many applications.

        Example:
            >>> import flowgraph as fg
            >>> derivation = fg.derive(fg.parse("inputs u, w\\nz = f(u, w)\\noutputs z, w"), "reverse-inverse")
            >>> [derivation.stage_at(count) for count in range(5)]
            ['primal', 'layered', 'inverted', 'shifted', 'unlayered']
        """
        self._check_count(count, least=0)
        return self.steps[count - 1].stage if count else "primal"

    def site_text(self, number: int) -> str:
        """The site of application ``number`` of 1 … ``len(steps)``, by the names of its vertices.

        Raises:
            InputError: there is no such application.

        Example:
            >>> import flowgraph as fg
            >>> derivation = fg.derive(fg.parse("inputs u, w\\nz = f(u, w)\\noutputs z, w"), "reverse-inverse")
            >>> derivation.site_text(3)
            'u → w@1'
        """
        self._check_count(number, least=1)
        step = self.steps[number - 1]
        return self.rules[step.rule].site_text(self._workspace(number - 1), step.site)

    def summaries(self) -> tuple[Summary, ...]:
        """Every step in words, and whether it changed anything, by one replay that keeps no graph.

        Example:
            >>> import flowgraph as fg
            >>> derivation = fg.derive(fg.parse("inputs x\\ny = x + 1\\noutputs y"), "forward-inverse")
            >>> derivation.summaries()
            (Summary(site='y', no_op=True), Summary(site='the whole graph', no_op=False))
        """
        work = Workspace.of(self.stages["primal"])
        return tuple(self._summarise(work, step) for step in self.steps)

    def _summarise(self, work: Workspace, step: Step) -> Summary:
        rule = self.rules[step.rule]
        site = rule.site_text(work, step.site)
        if rule.effect is Effect.TRANSPOSES:
            # All rows change at once, and none is entered in the journal.
            before = work.freeze()
            rule.rewrite(work, step.site)
            return Summary(site, before == work.freeze())
        bundles = tuple(work.bundles)
        work.forget()
        rule.rewrite(work, step.site)
        delta = work.delta()
        return Summary(site, dict(delta.before) == dict(delta.after) and bundles == tuple(work.bundles))

    def relabelled(self, labelling: Labelling) -> Derivation:
        """The same steps at the same sites with other labels, such as residues or numbers at a point.

        Args:
            labelling: the partials of ``program`` in another algebra.

        Raises:
            NotApplicable: a rule does not apply to these labels where it applied to those of this derivation.

        Example:
            >>> import flowgraph as fg
            >>> from flowgraph.partials import FractionPartials
            >>> program = fg.parse("inputs u, w\\nz = f(u, w)\\noutputs z, w")
            >>> derivation = fg.derive(program, "reverse-inverse")
            >>> derivation.relabelled(FractionPartials(program)).graph.algebra.name
            'fractions'
        """
        work = linearise(self.program, labelling)
        stages = {"primal": work.freeze()}
        pending = deque(self.steps)
        for stage in list(self.stages)[1:]:
            while pending and pending[0].stage == stage:
                step = pending.popleft()
                self.rules[step.rule].rewrite(work, step.site)
            stages[stage] = work.freeze()
        return replace(self, stages=MappingProxyType(stages), meanings=_meanings(labelling, stages))

    def _workspace(self, count: int) -> Workspace:
        """The graph after ``count`` applications, to be changed at will."""
        start = count
        while start and (start == len(self.steps) or self.steps[start - 1].stage == self.steps[start].stage):
            start -= 1
        graph = self.stages[self.stage_at(start)]
        wanted = self.steps[start:count]
        if not wanted:
            return Workspace.of(graph)
        # A run knows where it is; an application by itself has to look, in some rules through the whole graph.
        work = Workspace.of(graph)
        ran = self.rules[wanted[0].rule].run(work)
        if all(next(ran, None) == step.site for step in wanted):
            return work
        work = Workspace.of(graph)
        for step in wanted:
            self.rules[step.rule].rewrite(work, step.site)
        return work

    def _check_count(self, count: int, least: int) -> None:
        if not least <= count <= len(self.steps):
            raise InputError(
                f"the {self.mode} derivation has no such application",
                got=str(count),
                expected=f"{least} to {len(self.steps)}",
            )

    def applications(self) -> Iterator[Application]:
        """Replay the derivation, with the graphs before and after every step."""
        graph = self.stages["primal"]
        work = Workspace.of(graph)
        for step in self.steps:
            self.rules[step.rule].rewrite(work, step.site)
            after = work.freeze()
            yield Application(step, graph, after)
            graph = after

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Derivation):
            return NotImplemented
        return (self.program, self.mode, self.steps) == (other.program, other.mode, other.steps) and dict(
            self.stages
        ) == dict(other.stages)

    def __hash__(self) -> int:
        return hash((self.program, self.mode, self.steps))

    def __repr__(self) -> str:
        return f"<Derivation: {self.mode}, {len(self.steps)} steps, stages {', '.join(self.stages)}>"

    def to_json(self) -> dict[str, Any]:
        """A JSON object: the program, the steps with their sites, and the graph of every stage."""
        carry = self.rules["carry"]
        return {
            "schema": SCHEMA,
            "mode": str(self.mode),
            "labels": self.graph.algebra.name,
            "sparse": isinstance(carry, Carry) and carry.sparse,
            "meanings": dict(self.meanings),
            "program": self.program.to_json(),
            "steps": [
                {"stage": s.stage, "rule": s.rule, "site": [list(place) for place in s.site.vertices]}
                for s in self.steps
            ],
            "stages": [{"name": name, "graph": graph.to_json()} for name, graph in self.stages.items()],
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Derivation:
        """Repeat the derivation that ``to_json`` described, and hold its graphs against the recorded ones.

        Raises:
            GraphError: the object is not of that schema, or what it records does not follow from its steps.
        """
        if not isinstance(data, Mapping) or data.get("schema") != SCHEMA:
            raise GraphError("this JSON is not a derivation", expected=f'"schema": "{SCHEMA}"')
        try:
            return _replay(data)
        except (GraphError, ProgramError):
            raise
        except (KeyError, TypeError, IndexError, AttributeError, ValueError, OverflowError) as error:
            raise GraphError("this JSON is not a derivation", got=_cause(error)) from error


def _cause(error: Exception) -> str:
    return f"{type(error).__name__}: {error.what if isinstance(error, FlowgraphError) else error}"


def run(work: Workspace, pipeline: Pipeline, watch: Watcher | None = None) -> Iterator[tuple[str, list[Step]]]:
    """Run a pipeline of rules on a workspace, in place; yields at the end of every stage.

    Args:
        work: the primal graph, changed in place.
        pipeline: the stages.
        watch: is shown every application.

    Yields:
        The stage's name and the steps that led there.
    """
    for stage, rule in pipeline:
        steps = []
        work.forget()
        for site in rule.run(work):
            step = Step(stage, rule.name, site)
            steps.append(step)
            if watch is not None:
                watch(step, work.delta(), work)
            work.forget()
        yield stage, steps


def record(program: Program, mode: Mode, labelling: Labelling, pipeline: Pipeline) -> Derivation:
    """Run a pipeline on the primal graph of a program and keep the graph of every stage."""
    work = linearise(program, labelling)
    stages = {"primal": work.freeze()}
    steps: list[Step] = []
    for stage, applied in run(work, pipeline):
        steps += applied
        stages[stage] = work.freeze()
    return Derivation(
        program=program,
        mode=mode,
        stages=MappingProxyType(stages),
        steps=tuple(steps),
        rules=MappingProxyType({rule.name: rule for _, rule in pipeline}),
        meanings=_meanings(labelling, stages),
    )


def _meanings(labelling: Labelling, stages: Mapping[str, FlowGraph]) -> Mapping[str, str]:
    """What the letters in the labels stand for, and the block labels of lumps."""
    meanings = dict(labelling.meanings)
    lumped = stages.get("lumped")
    if lumped is not None:
        value = {vertex.id: vertex.value for vertex in lumped.vertices}
        for bundle in lumped.bundles:
            sources, targets = (", ".join(value[p] for p in places) for places in (bundle.sources, bundle.targets))
            meanings[bundle.text] = f"∂({targets})/∂({sources})"
    return MappingProxyType(meanings)


def _replay(data: Mapping[str, Any]) -> Derivation:
    program = Program.from_json(data["program"])
    if data["labels"] not in LABELLINGS:
        raise GraphError("labels that a program does not determine cannot be read back", got=str(data["labels"]))
    labelling = LABELLINGS[data["labels"]](program)
    work = linearise(program, labelling)
    mode = Mode(data["mode"])
    recorded: Sequence[Mapping[str, Any]] = data["stages"]
    names = [entry["name"] for entry in recorded]
    mode_stages = next(
        (s for s in (mode.stages, mode.stages_with_lumps) if names == ["primal", *(name for name, _ in s)]), None
    )
    if mode_stages is None:
        raise GraphError("the recorded stages are not those of the mode", got=str(mode))
    if not isinstance(data["sparse"], bool):
        raise GraphError('"sparse" must be true or false', got=repr(data["sparse"]))
    rules = with_carry(sparse=data["sparse"])
    stages = {"primal": work.freeze()}
    steps: list[Step] = []
    pending = deque(data["steps"])
    for name, rule in mode_stages:
        while pending and pending[0]["stage"] == name:
            item = pending.popleft()
            site = Site(tuple((index(register), index(time)) for register, time in item["site"]))
            if item["rule"] != rule:
                raise GraphError("a step has another rule than its stage", where=f"stage {name}", got=str(item["rule"]))
            rules[rule].rewrite(work, site)
            steps.append(Step(name, rule, site))
        stages[name] = work.freeze()
    for entry in recorded:
        if stages[entry["name"]].to_json() != entry["graph"]:
            where = f"stage {entry['name']}"
            raise GraphError("the recorded graph does not follow from the recorded steps", where=where)
    meanings = _meanings(labelling, stages)
    if dict(meanings) != data["meanings"]:
        raise GraphError("the recorded meanings of the letters do not follow from the program")
    if pending:
        raise GraphError("the record has steps of a stage that it does not list", got=str(pending[0]["stage"]))
    return Derivation(
        program=program,
        mode=mode,
        stages=MappingProxyType(stages),
        steps=tuple(steps),
        rules=rules,
        meanings=meanings,
    )
