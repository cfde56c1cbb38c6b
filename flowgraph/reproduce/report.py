"""What the main job found, as data: the page and the JSON are written from this and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any

from flowgraph.analysis import Analysis, analyze
from flowgraph.draw import draw_graph, render
from flowgraph.errors import FlowgraphError
from flowgraph.example_programs import Example
from flowgraph.modes import Mode, OperationCount, count_operations, derive
from flowgraph.progress import Tell
from flowgraph.reproduce.findings import analysis_json, is_singular, singularity
from flowgraph.verification import Verification, verify

SCHEMA = "flowgraph/reproduction/1"

DRAWN = (Mode.FORWARD, Mode.REVERSE_INVERSE)
"""The modes whose graphs are drawn; the other two are the same graphs with their edges turned round."""


@dataclass(frozen=True, slots=True)
class FigureReport:
    """One figure.

    Attributes:
        number: its number.
        svg: the drawing.
        files: its files by format, relative to the folder of the page.
    """

    number: int
    svg: bytes
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ProgramReport:
    """What is known of one program.

    Attributes:
        example: where it comes from.
        n: number of inputs.
        steps: number of steps.
        analysis: its lumps and blocks, or why it has none; None where the program cannot be read.
        verification: the checks, None where there was an error.
        operations: the cost of each mode.
        drawings: the graphs of the modes in ``DRAWN``, as SVG.
        error: what went wrong, None where nothing did.
    """

    example: Example
    n: int = 0
    steps: int = 0
    analysis: Analysis | None = None
    verification: Verification | None = None
    operations: Mapping[Mode, OperationCount] = field(default_factory=dict)
    drawings: Mapping[Mode, bytes] = field(default_factory=dict)
    error: FlowgraphError | None = None

    @property
    def ok(self) -> bool:
        """Whether there was no error and every check holds."""
        return self.verification is not None and self.verification.ok

    def to_json(self) -> dict[str, Any]:
        """A JSON object, without the drawings."""
        return {
            "name": self.example.name,
            "n": self.n,
            "steps": self.steps,
            "ok": self.ok,
            "error": None if self.error is None else str(self.error),
            "analysis": None if self.analysis is None else analysis_json(self.analysis),
            "verification": None if self.verification is None else self.verification.to_json(),
            "operations": operations_json(self.operations),
        }


@dataclass(frozen=True, slots=True)
class Report:
    """Everything the main job found.

    Attributes:
        figures: the figures of the paper, and Figures 5 and 6.
        programs: the example programs.
        versions: what it was made with.
        command: what makes it again.
    """

    figures: tuple[FigureReport, ...]
    programs: tuple[ProgramReport, ...]
    versions: Mapping[str, str]
    command: str

    @property
    def ok(self) -> bool:
        """Whether every check of every program holds."""
        return all(program.ok for program in self.programs)

    @property
    def checks(self) -> tuple[int, int, int]:
        """How many checks hold, fail, and could not be made; a program with an error counts as one that fails."""
        found = [check for p in self.programs if p.verification for check in p.verification.checks]
        errors = sum(program.verification is None for program in self.programs)
        skipped = sum(check.skipped for check in found)
        failed = sum(not check.ok for check in found)
        return len(found) - skipped - failed, failed + errors, skipped

    def to_json(self) -> dict[str, Any]:
        """A JSON object with one entry per program."""
        held, failed, skipped = self.checks
        return {
            "schema": SCHEMA,
            "ok": self.ok,
            "checks": {"hold": held, "fail": failed, "skipped": skipped},
            "command": self.command,
            "versions": dict(self.versions),
            "figures": [{"number": f.number, "files": dict(f.files)} for f in self.figures],
            "programs": [program.to_json() for program in self.programs],
        }


def operations_json(operations: Mapping[Mode, OperationCount]) -> dict[str, Any]:
    """Operation counts by mode as a JSON object."""
    return {mode.value: asdict(count) for mode, count in operations.items()}


def examine(example: Example, tell: Tell) -> ProgramReport:
    """Analyse, verify, count and draw one program; an error becomes part of the report.

    A program whose Jacobian is singular for every x by its structure is no error: that it is so is a claim to be
    decided, and forward and reverse mode are verified. What is not square, or singular for another reason, is an error.

    Example:
        >>> from flowgraph.example_programs import examples
        >>> examine(examples()[0], lambda what, done, total: None).ok
        True
    """
    try:
        program = example.program()
    except FlowgraphError as error:
        return ProgramReport(example, error=error)
    n, steps = program.n_inputs, program.n_steps
    analysis = analyze(program, progress=tell)
    singular = is_singular(analysis)
    modes = (Mode.FORWARD, Mode.REVERSE) if singular else tuple(Mode)
    try:
        verification = verify(program, modes=modes, progress=tell)
        if singular:
            verification = replace(verification, checks=(singularity(analysis.structure), *verification.checks))
        operations = {mode: count_operations(program, mode) for mode in modes}
        drawings = {}
        for mode in DRAWN:
            if mode in modes:
                tell(f"drawing {mode}", 0, 1)
                drawings[mode] = render(draw_graph(derive(program, mode)), "svg")
    except FlowgraphError as error:
        return ProgramReport(example, n, steps, analysis, error=error)
    return ProgramReport(
        example, n, steps, analysis, verification, MappingProxyType(operations), MappingProxyType(drawings)
    )
