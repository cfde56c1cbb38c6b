"""An oracle for graphs and programs in exact rational arithmetic, on dense matrices; it shares no code with flowgraph.

Every symbol in a label gets a rational number, labels are evaluated by SymPy, and the map of a graph is Q (I − L)⁻¹ Pᵀ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import sympy

from flowgraph.graph import FlowGraph
from flowgraph.program import Program

Matrix = list[list[Fraction]]


def fraction(label: Any, numbers: Mapping[str, Fraction]) -> Fraction:
    """A symbolic label at given numbers for its symbols."""
    # ``doit`` writes entries of A⁻¹ out.
    value = sympy.sympify(label).subs({s: sympy.Rational(*n.as_integer_ratio()) for s, n in numbers.items()}).doit()
    assert value.is_Rational, f"{label} is not rational at {numbers}"
    return Fraction(int(value.p), int(value.q))


def solve(matrix: Matrix, right: Matrix) -> Matrix:
    """Gauss–Jordan elimination in rational arithmetic."""
    n = len(matrix)
    rows = [[*a, *b] for a, b in zip(matrix, right, strict=True)]
    for k in range(n):
        pivot = next(i for i in range(k, n) if rows[i][k])
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [x / rows[k][k] for x in rows[k]]
        for i in range(n):
            if i != k and rows[i][k]:
                rows[i] = [x - rows[i][k] * y for x, y in zip(rows[i], rows[k], strict=True)]
    return [row[n:] for row in rows]


def identity(n: int) -> Matrix:
    return [[Fraction(int(i == j)) for j in range(n)] for i in range(n)]


def product(x: Matrix, y: Matrix) -> Matrix:
    return [
        [sum((a * row[j] for a, row in zip(line, y, strict=True)), Fraction(0)) for j in range(len(y[0]) if y else 0)]
        for line in x
    ]


def transpose(x: Matrix) -> Matrix:
    return [list(column) for column in zip(*x, strict=True)]


def map_of(graph: FlowGraph, numbers: Mapping[str, Fraction]) -> Matrix:
    """The map of a graph, rows by output."""
    index = {vertex.id: k for k, vertex in enumerate(graph.vertices)}
    size = len(index)
    system = identity(size)
    for edge in graph.edges:
        system[index[edge.target]][index[edge.source]] -= fraction(edge.label, numbers)
    given = [[Fraction(0)] * len(graph.inputs) for _ in range(size)]
    for j, place in enumerate(graph.inputs):
        given[index[place]][j] += 1
    values = solve(system, given)
    return [values[index[place]] for place in graph.outputs]


def jacobian_of(program: Program, labels: Mapping[tuple[int, int], Fraction]) -> Matrix:
    """J of a program of uninterpreted steps, by the chain rule on its columns; labels by (step, argument)."""
    n = program.n_inputs
    rows = identity(n)
    for k in range(program.n_steps):
        arguments = dict.fromkeys(program.operands[program.starts[k] : program.starts[k + 1]].tolist())
        row = [Fraction(0)] * n
        for argument in arguments:
            if argument >= 0:
                row = [x + labels[k, argument] * y for x, y in zip(row, rows[argument], strict=True)]
        rows.append(row)
    return [rows[k] for k in program.outputs.tolist()]


def letters_of(program: Program) -> dict[tuple[int, int], str]:
    """The letter of every (step, argument) of a program whose steps are all uninterpreted and needed.

    They go by source line, and within a line, or where there is none, by step.
    """
    taken = {program.name(k) for k in range(program.n_values)} | {step.function for step in program.steps()}
    alphabet: Iterable[str] = (
        f"{letter}{suffix}" for suffix in ("", *map(str, range(1, 99))) for letter in "abcdefghijklmnopqrstuvwxyz"
    )
    names = (name for name in alphabet if name not in taken)
    result = {}
    for k in sorted(range(program.n_steps), key=program.line):
        arguments: Sequence[int] = program.operands[program.starts[k] : program.starts[k + 1]].tolist()
        for argument in dict.fromkeys(a for a in arguments if a >= 0):
            result[k, argument] = next(names)
    return result
