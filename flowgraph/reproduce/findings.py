"""What the structure of a program says, for the report: lumps and blocks in short, and why a Jacobian is singular."""

from __future__ import annotations

from typing import Any

import numpy as np

from flowgraph.analysis import Analysis
from flowgraph.partials import ResiduePartials
from flowgraph.program import Program
from flowgraph.structure import Structure
from flowgraph.symbolic import Row, accumulate, add_to
from flowgraph.verification import Check

SINGULAR = "J is singular for every x"
"""The claim on a program that has no inverse modes."""

_CERTIFICATE = ("text", "kind", "inputs", "outputs", "cut")

RANKED_STEPS = 60
"""Up to this many steps, the rank of J is found in addition to the certificate."""


def is_singular(analysis: Analysis) -> bool:
    """Whether a square Jacobian is singular for every x by its structure; one that is not square is another matter."""
    return analysis.structurally_singular and analysis.program.n_inputs == analysis.program.n_outputs


def singularity(structure: Structure) -> Check:
    """Decide that J is singular for every x: by the certificate, and by the rank where the program is short.

    Example:
        >>> from flowgraph.language import parse
        >>> from flowgraph.structure import decompose
        >>> check = singularity(decompose(parse("inputs x, y\\nr = f(x, y)\\noutputs r, r")))
        >>> check.ok, check.detail
        (True, 'this 1 value separates 2 inputs (x, y) from 2 outputs (r, r): r (line 2) (listed twice among the \
outputs: r)')
    """
    method = "vertex cut, by reachability"
    certificate = structure.certificate
    if certificate is None:
        return Check(SINGULAR, method, False, witness="the structure does not say so")
    witness = certificate.defect() or _full_rank(structure.program)
    return Check(SINGULAR, method, not witness, str(certificate), witness)


def _full_rank(program: Program) -> str:
    """Where a short program refutes that its Jacobian is singular: by its rank at a random point. Empty if not."""
    if program.n_steps > RANKED_STEPS:
        return ""
    rank = generic_rank(program)
    return f"J has rank {rank} where its partials are random" if rank >= program.n_inputs else ""


def generic_rank(program: Program, seed: int = 0) -> int:
    """The rank of J at random partials in GF(2⁶¹ − 1): never more than over the fraction field of the partials.

    Example:
        >>> from flowgraph.language import parse
        >>> [generic_rank(parse(f"inputs x, y\\nr = f(x, y)\\noutputs {ends}")) for ends in ("r, x", "r, r")]
        [2, 1]
    """
    labelling = ResiduePartials(program, 1, seed)
    algebra = labelling.algebra
    seeds: list[Row] = [{j: algebra.one} for j in range(program.n_inputs)]
    tangents = accumulate(program, algebra, labelling.partial, seeds)
    reduced: dict[Any, Row] = {}
    for output in program.outputs.tolist():
        row = dict(tangents[output])
        # Each reduced row is 1 in its own column and has no entry in the columns of earlier ones.
        for column, pivot in reduced.items():
            factor = row.get(column, algebra.zero)
            for unknown, entry in pivot.items():
                add_to(algebra, row, unknown, algebra.neg(algebra.mul(factor, entry)))
        column = next((j for j, entry in row.items() if not algebra.is_zero(entry)), None)
        if column is not None:
            scale = algebra.reciprocal(row[column])
            reduced[column] = {j: algebra.mul(scale, entry) for j, entry in row.items()}
    return len(reduced)


def analysis_json(analysis: Analysis) -> dict[str, Any]:
    """The numbers of lumps and blocks, the operations of J v and of J⁻¹v, and the certificate, as a JSON object."""
    counts, certificate = analysis.operation_counts, analysis.certificate
    ways = {"lumps": counts.given, "best": counts.best, "blocks": counts.blocks}
    scalar, systems = block_counts(analysis)
    return {
        "lumps": None if analysis.lumps is None else len(analysis.lumps),
        "best": None if analysis.best_lumps is None else len(analysis.best_lumps),
        "blocks": None if analysis.structurally_singular else {"scalar": scalar, "systems": systems},
        "operations": {
            "jvp": counts.jvp.total,
            **{way: found.count.total.total if found and found.count else None for way, found in ways.items()},
        },
        "ratio": analysis.ratio,
        "certificate": None if certificate is None else {key: certificate.to_json()[key] for key in _CERTIFICATE},
    }


def block_counts(analysis: Analysis) -> tuple[int, int]:
    """How many blocks with steps are one scalar operation, and how many are linear systems."""
    blocks = analysis.blocks
    return int(np.count_nonzero(blocks.with_steps & (blocks.sizes == 1))), int(np.count_nonzero(blocks.sizes > 1))
