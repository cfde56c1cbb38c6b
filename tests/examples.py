"""The example programs by kind, for tests that hold for one kind only."""

from __future__ import annotations

from pathlib import Path

from flowgraph.language import load
from flowgraph.liveness import Kind
from flowgraph.program import Program
from tests.lump_oracle import facts_of, is_singular

FOLDER = Path(__file__).resolve().parent.parent / "papers_examples"

FILES = sorted(FOLDER.glob("*.fg"))
"""All example programs in the paper's notation."""


def is_square_and_equasive(program: Program) -> bool:
    kinds = program.liveness().kinds()
    return program.n_inputs == program.n_outputs and all(kind is Kind.EQUASIVE for kind in kinds)


EQUASIVE = [file for file in FILES if is_square_and_equasive(load(file))]
"""Those that need no lumps: exactly one argument dies at every step."""

SINGULAR = [file for file in FILES if is_singular(facts_of(load(file)))]
"""Those with fewer than n disjoint paths from inputs to outputs, which have no inverse mode."""

REGULAR = [file for file in FILES if file not in SINGULAR]
"""Those with all four modes."""

LUMPED = [file for file in REGULAR if file not in EQUASIVE]
"""Those of them that need lumps."""
