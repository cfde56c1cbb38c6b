"""The same program with its steps in another order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowgraph.program import Program


def reordered(program: Program, order: NDArray[Any]) -> Program:
    """The program with its steps permuted: values are renumbered, and keep their names and source lines.

    Args:
        program: straight-line code.
        order: step numbers, each after those it reads, as ``Lumping.order`` has them. Steps that it leaves out are
            left out.

    Example:
        >>> from flowgraph.language import parse
        >>> program = parse("inputs x, y\\nu = f(x)\\nv = g(y)\\noutputs u, v")
        >>> [str(step) for step in reordered(program, np.array([1, 0])).steps()]
        ['v = g(y)', 'u = f(x)']
    """
    n = program.n_inputs
    kept = np.concatenate([np.arange(n), n + order])
    renumber = np.full(program.n_values, -1, dtype=np.int64)
    renumber[kept] = np.arange(len(kept))
    counts = np.diff(program.starts)[order]
    starts = np.concatenate([[0], np.cumsum(counts)])
    places = np.repeat(program.starts[order] - starts[:-1], counts) + np.arange(starts[-1])
    operands = program.operands[places]
    lines = np.array([program.line(int(step)) for step in order], dtype=np.int64)
    turns = np.flatnonzero(np.diff(lines, prepend=-1))
    return replace(
        program,
        codes=program.codes[order],
        starts=starts.astype(program.starts.dtype),
        operands=np.where(operands >= 0, renumber[np.maximum(operands, 0)], operands).astype(program.operands.dtype),
        outputs=renumber[program.outputs].astype(program.outputs.dtype),
        names=tuple(program.name(int(value)) for value in kept),
        line_starts=None if program.line_starts is None else turns,
        line_numbers=None if program.line_numbers is None else lines[turns],
        guards=tuple(replace(guard, values=renumber[guard.values]) for guard in program.guards),
    )
