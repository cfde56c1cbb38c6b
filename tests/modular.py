"""An oracle for graphs in arithmetic modulo a prime; it shares no code with flowgraph.

Every generator of the fraction field gets a random residue that its name decides, and the map of a graph, which is
Q (I − L)⁻¹ Pᵀ, is found by substitution along a topological order.
"""

from __future__ import annotations

from functools import cache
from graphlib import TopologicalSorter
from random import Random
from typing import Any

from flowgraph.graph import FlowGraph, VertexId

P = 1_000_000_007
Matrix = list[list[int]]


@cache
def numbers(symbols: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple(Random(str(symbol)).randrange(1, P) for symbol in symbols)


def residue(label: Any) -> int:
    """An element of the fraction field at fixed random values of its generators, modulo P."""
    values = numbers(label.field.symbols)

    def at(polynomial: Any) -> int:
        total = 0
        for powers, coefficient in polynomial.terms():
            term = int(coefficient.numerator) * pow(int(coefficient.denominator), -1, P)
            for value, power in zip(values, powers, strict=True):
                if power:
                    term = term * pow(value, power, P) % P
            total += term
        return total % P

    return 1 if label == 1 else at(label.numer) * pow(at(label.denom), -1, P) % P


def rows_of(graph: FlowGraph) -> dict[VertexId, dict[VertexId, int]]:
    rows: dict[VertexId, dict[VertexId, int]] = {vertex.id: {} for vertex in graph.vertices}
    for edge in graph.edges:
        row = rows[edge.target]
        row[edge.source] = (row.get(edge.source, 0) + residue(edge.label)) % P
    return rows


def map_of(graph: FlowGraph) -> Matrix:
    """Q (I − L)⁻¹ Pᵀ by substitution along a topological order."""
    rows = rows_of(graph)
    value: dict[VertexId, list[int]] = {}
    for place in TopologicalSorter({place: list(row) for place, row in rows.items()}).static_order():
        value[place] = [graph.inputs[j] == place for j in range(len(graph.inputs))]
        for source, label in rows[place].items():
            value[place] = [(x + label * y) % P for x, y in zip(value[place], value[source], strict=True)]
    return [[int(x) for x in value[place]] for place in graph.outputs]


def transposed(matrix: Matrix, columns: int) -> Matrix:
    return [[row[j] for row in matrix] for j in range(columns)]


def times(x: Matrix, y: Matrix) -> Matrix:
    columns = len(y[0]) if y else 0
    return [[sum(a * row[j] for a, row in zip(line, y, strict=True)) % P for j in range(columns)] for line in x]


def rank(matrix: Matrix) -> int:
    """By elimination; at random residues it is that over the field of the generators, but for bad luck."""
    rows, found = [list(row) for row in matrix], 0
    for column in range(len(rows[0]) if rows else 0):
        pivot = next((i for i in range(found, len(rows)) if rows[i][column] % P), None)
        if pivot is None:
            continue
        rows[found], rows[pivot] = rows[pivot], rows[found]
        scale = pow(rows[found][column], -1, P)
        for i in range(found + 1, len(rows)):
            by = rows[i][column] * scale
            rows[i] = [(x - by * y) % P for x, y in zip(rows[i], rows[found], strict=True)]
        found += 1
    return found


def identity(n: int) -> Matrix:
    return [[int(i == j) for j in range(n)] for i in range(n)]
