"""The exact number of operations of one lump or one block: to accumulate its matrices, to factor, and to solve.

A lump or a block is a *local system*: l equations between l unknown and k known values, with inner values between. The
inner values eliminated, it reads 0 = A u + B w; A is factored, and u = −A⁻¹ B w is found for one right-hand side. What
counts as an operation is the same everywhere: signs are free, so are products with +1 and −1 (*units*), and a sum of t
terms takes t − 1 additions. The entry of a matrix is taken to be non-zero if there is anything to make it so.

*Accumulation* is vertex elimination on the linearised computational graph (``flowgraph.elimination``).

*Factorisation.* A is brought to block triangular form: a matching permutes entries to the diagonal, and the strongly
connected components are the diagonal blocks. Only these are factored. A block of one row is a pivot: one division, for
its reciprocal, unless it is a unit. A larger block is factored with symbolic Markowitz pivoting: the pivot is an entry
of least (r − 1)(c − 1), with r and c the numbers of entries of its row and column in what is left of the block; among
these a unit before others, then the least row, then the least column. A pivot step costs

- one division for the reciprocal of the pivot, unless it is a unit;
- one multiplication for each entry that is scaled by the reciprocal and is no unit (a unit becomes ± the reciprocal),
  none if the pivot is a unit. Scaled is the rest of the pivot's column or the rest of its row, whichever makes the
  pivot step and the solve cheaper, the column where both cost the same;
- (r − 1)(c − 1) products of the column with the row, those with a unit being free, and an addition for each that meets
  an entry. The sum is no unit, and a new entry is one if both its factors are.

*Solving.* The right-hand side −B w takes a multiplication for each entry of B that is no unit, and the sums of its
terms. Then each entry of L, of U and of A outside the diagonal blocks takes a multiplication, unless it is a unit, and
an addition, and each pivot that is no unit a multiplication by its reciprocal. The right-hand side is any vector:
equations without known values are no exception. So the factors of A take as many for a system with Aᵀ.

A diagonal block of more than ``MOST_EXACT`` rows is not eliminated entry by entry. It counts as dense if half of its
entries are there. Else it is brought to a small profile (reverse Cuthill–McKee), and everything between the first entry
of a row or a column and the diagonal is counted as an entry that is no unit: an upper bound for pivots along the
diagonal, and never above the cost of a banded or of a dense matrix.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, maximum_bipartite_matching, reverse_cuthill_mckee

from flowgraph.elimination import (
    MOST_MARKOWITZ,
    ComputationalGraph,
    Counts,
    Row,
    bits,
    markowitz,
    optimum,
    reverse,
    tangents,
)
from flowgraph.errors import InputError

IndexArray = NDArray[Any]
Mask = NDArray[np.bool_]

MOST_EXACT = 1_000
"""Rows of a diagonal block up to which the factorisation is counted entry by entry."""

_ABSENT = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Operations:
    """Numbers of multiplications, additions and divisions.

    Example:
        >>> Operations(2, 1, 0) + Operations(0, 0, 1)
        Operations(multiplications=2, additions=1, divisions=1)
    """

    multiplications: int
    additions: int
    divisions: int

    @property
    def total(self) -> int:
        """Their sum."""
        return self.multiplications + self.additions + self.divisions

    def __add__(self, other: Operations) -> Operations:
        return Operations(
            self.multiplications + other.multiplications,
            self.additions + other.additions,
            self.divisions + other.divisions,
        )


NOTHING = Operations(0, 0, 0)


@dataclass(frozen=True, slots=True)
class LocalSystem:
    """A lump or a block as a linear system on an acyclic graph.

    An entry of a row is (source vertex, unit?), the latter saying that the label is +1 or −1. No label is 0, and no
    source stands twice in a row.

    Attributes:
        unknowns: l, the number of values to be found: vertices 0 … l − 1.
        knowns: k, the number of values known when it is solved: vertices l … l + k − 1.
        inner: vertex l + k + j is the inner value j = Σ label · source, over earlier vertices.
        equations: l equations 0 = Σ label · source, over any vertices.
    """

    unknowns: int
    knowns: int
    inner: tuple[tuple[tuple[int, bool], ...], ...]
    equations: tuple[tuple[tuple[int, bool], ...], ...]


@dataclass(frozen=True, slots=True)
class LocalCost:
    """What a local system costs.

    Attributes:
        accumulate: to find A and B by the cheapest of the methods that were run.
        method: which one: ``"forward"``, ``"reverse"``, ``"markowitz"`` or ``"optimum"``; the first of these where
            several are the cheapest.
        accumulations: (method, its cost) of every method that was run.
        factor: to factor A, once per point x.
        solve: to find u from w, per right-hand side.
        size: l, the number of unknowns.
        structure: of A up to permutations of its rows and its columns: ``"scalar"``, ``"diagonal"``,
            ``"triangular"``, ``"dense"``, ``"banded"`` or ``"sparse"``, the first that holds. Dense means that at least
            half of the entries are there, banded that none is further from the diagonal than l/8.
        exact: False where a diagonal block of A is too large to be eliminated entry by entry; ``factor`` and ``solve``
            are upper bounds then.
    """

    accumulate: Operations
    method: str
    accumulations: tuple[tuple[str, Operations], ...]
    factor: Operations
    solve: Operations
    size: int
    structure: str
    exact: bool

    @property
    def total(self) -> Operations:
        """All three together, for one point and one right-hand side."""
        return self.accumulate + self.factor + self.solve


def local_cost(system: LocalSystem, *, thorough: bool = True) -> LocalCost:
    """Count the operations of a lump or a block exactly, under the model at the top of this module.

    The inner values are eliminated in up to four orders: *forward* and *reverse* always; *markowitz* up to 2,000 inner
    values; *optimum*, the cheapest order of all, where besides no more than 14 inner values hang together once those
    that are best eliminated at once are gone (and all that hang together have at most 65,536 subsets). Inner values
    that no equation needs, and those that depend on nothing, cost nothing. Equal systems are counted once.

    Args:
        system: l equations between l unknowns and k known values; A must be structurally nonsingular.
        thorough: False counts forward and reverse only, for programs with thousands of different lumps.

    Returns:
        The operations to accumulate A (l × l) and B (l × k), to factor A, and to solve 0 = A u + B w for u.

    Raises:
        InputError: rows that do not make a local system, or A has no l entries in different rows and columns.

    Reference: arXiv:2411.18786, section on lumpification; Griewank and Walther, "Evaluating Derivatives", chapter 9.

    Example:
        The atomic step z = f(u, w) where u is overwritten: 0 = a u + b w − z is solved for u.

        >>> cost = local_cost(LocalSystem(1, 2, (), (((0, False), (1, False), (2, True)),)))
        >>> cost.factor
        Operations(multiplications=0, additions=0, divisions=1)
        >>> cost.solve
        Operations(multiplications=2, additions=1, divisions=0)
        >>> cost.structure, cost.total.total
        ('scalar', 4)
    """
    try:
        hash(system)
    except TypeError as error:
        raise InputError(
            "a local system must be hashable",
            got=str(error),
            expected="rows as tuples of tuples (source vertex, unit?)",
        ) from error
    return _local_cost(system, thorough)


@lru_cache(maxsize=1024)
def _local_cost(system: LocalSystem, thorough: bool) -> LocalCost:
    _require_well_formed(system)
    graph = ComputationalGraph(
        system.unknowns + system.knowns, len(system.inner), system.inner + system.equations
    ).pruned()
    forward, accumulated = _accumulate(graph)
    methods = {"forward": forward, "reverse": reverse(graph)}
    if thorough and len(system.inner) <= MOST_MARKOWITZ:
        methods["markowitz"] = markowitz(graph)
        least = optimum(graph)
        if least is not None:
            methods["optimum"] = least
    accumulations = tuple((name, Operations(*counts, 0)) for name, counts in methods.items())
    method, accumulate = min(accumulations, key=lambda found: found[1].total)
    factor, solve, structure, exact = _factor_and_solve(system.unknowns, accumulated)
    return LocalCost(accumulate, method, accumulations, factor, solve, system.unknowns, structure, exact)


def _require_well_formed(system: LocalSystem) -> None:
    if system.unknowns < 0 or system.knowns < 0:
        raise InputError(
            "numbers of values are not negative",
            got=f"{system.unknowns} unknown and {system.knowns} known values",
        )
    if len(system.equations) != system.unknowns:
        raise InputError(
            "a local system has as many equations as unknowns",
            got=f"{len(system.equations)} equations and {system.unknowns} unknowns",
        )
    n = system.unknowns + system.knowns
    for j, row in enumerate(system.inner):
        _require_row(row, n + j, f"inner value {j}, vertex {n + j}")
    for i, row in enumerate(system.equations):
        _require_row(row, n + len(system.inner), f"equation {i}")


def _require_row(row: Row, vertices: int, where: str) -> None:
    seen = set()
    for source, _ in row:
        if not 0 <= source < vertices:
            raise InputError(
                "a row reads a vertex that is not there yet",
                where=where,
                got=f"source {source}",
                expected=f"0 to {vertices - 1}" if vertices else "no sources, there are no vertices",
            )
        if source in seen:
            raise InputError(
                "a source stands twice in a row", where=where, got=f"source {source}", remedy="add the labels"
            )
        seen.add(source)


# -- accumulation ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Entries:
    """The entries of the l × (l + k) matrix [A B], row by row: (e,) arrays."""

    rows: IndexArray
    columns: IndexArray
    units: Mask

    def where(self, chosen: Mask | IndexArray) -> _Entries:
        return _Entries(self.rows[chosen], self.columns[chosen], self.units[chosen])


def _accumulate(graph: ComputationalGraph) -> tuple[Counts, _Entries]:
    """The cost of the forward mode, and [A B] by the way."""
    multiplications = additions = 0
    rows: list[tuple[IndexArray, IndexArray, Mask]] = []
    for row, sources, generic, counts in tangents(graph):
        multiplications += counts.multiplications
        additions += counts.additions
        if row >= graph.inner:
            columns = _bit_numbers(sources)
            units = np.zeros(len(columns), dtype=bool)
            units[np.searchsorted(columns, _bit_numbers(sources & ~generic))] = True
            rows.append((np.full(len(columns), row - graph.inner), columns, units))
    if not rows:
        empty = np.empty(0, dtype=np.int64)
        return Counts(multiplications, additions), _Entries(empty, empty, empty.astype(bool))
    entries = _Entries(*(np.concatenate(parts) for parts in zip(*rows, strict=True)))
    return Counts(multiplications, additions), entries.where(np.argsort(entries.rows, kind="stable"))


def _bit_numbers(mask: int) -> IndexArray:
    if mask.bit_count() < 16 and mask.bit_length() < 1024:
        return np.fromiter(bits(mask), dtype=np.int64)
    octets = np.frombuffer(mask.to_bytes(mask.bit_length() // 8 + 1, "little"), dtype=np.uint8)
    places = np.flatnonzero(octets)
    octet, bit = np.nonzero(np.unpackbits(octets[places, None], axis=1, bitorder="little"))
    return places[octet] * 8 + bit


# -- factorisation -----------------------------------------------------------------------------------------------------


def _factor_and_solve(size: int, accumulated: _Entries) -> tuple[Operations, Operations, str, bool]:
    """(factor, solve, structure, exact) of 0 = A u + B w."""
    is_known = accumulated.columns >= size
    known, matrix = accumulated.where(is_known), accumulated.where(~is_known)
    if size == 1 and len(matrix.rows) == 1:
        # By far the most frequent, and not worth a graph search.
        generic = _generic(matrix)
        solve = Operations(_generic(known) + generic, max(len(known.rows) - 1, 0), 0)
        return Operations(0, 0, generic), solve, "scalar", True
    terms = np.bincount(known.rows, minlength=size)
    right_hand_side = Operations(_generic(known), int(np.maximum(terms - 1, 0).sum()), 0)
    matched = _matching(size, matrix)
    component = _components(size, matched, matrix)
    if component.max(initial=-1) + 1 == size:
        structure = "scalar" if size == 1 else "diagonal" if len(matrix.rows) == size else "triangular"
    else:
        structure = _structure(size, matrix)
    inside = component[matched[matrix.rows]] == component[matrix.columns]
    outside = matrix.where(~inside)
    factor = NOTHING
    solve = right_hand_side + Operations(_generic(outside), len(outside.rows), 0)
    exact = True
    sizes = np.bincount(component, minlength=1)
    single = inside & (sizes[component[matrix.columns]] == 1)
    pivots = _generic(matrix.where(single))
    factor += Operations(0, 0, pivots)
    solve += Operations(pivots, 0, 0)
    for block in _blocks(matrix.where(inside & ~single), component):
        order = len(np.unique(block.columns))
        found = _eliminate(block) if order <= MOST_EXACT else _eliminate_profile(block)
        exact = exact and order <= MOST_EXACT
        factor += found[0]
        solve += found[1]
    return factor, solve, structure, exact


def _generic(entries: _Entries) -> int:
    return len(entries.units) - int(np.count_nonzero(entries.units))


def _matching(size: int, matrix: _Entries) -> IndexArray:
    """(l,) the column of an entry for every row, all different."""
    if size == 0:
        return np.empty(0, dtype=np.int64)
    matched = maximum_bipartite_matching(_pattern(matrix.rows, matrix.columns, size), perm_type="column")
    unmatched = np.flatnonzero(matched < 0)
    if len(unmatched):
        raise InputError(
            "the matrix of a local system is structurally singular",
            where=f"equation {unmatched[0]}",
            got=f"at most {size - len(unmatched)} entries in different rows and columns",
            expected=f"{size}, one for every unknown",
            remedy="take lumps and blocks from programs whose extended Jacobian has a perfect matching",
        )
    return matched.astype(np.int64)


def _components(size: int, matched: IndexArray, matrix: _Entries) -> IndexArray:
    """(l,) the diagonal block of every column in the block triangular form."""
    if size == 0:
        return np.empty(0, dtype=np.int64)
    graph = _pattern(matched[matrix.rows], matrix.columns, size)
    return connected_components(graph, directed=True, connection="strong")[1].astype(np.int64)


def _blocks(matrix: _Entries, component: IndexArray) -> Iterable[_Entries]:
    """The entries of each diagonal block."""
    labels = component[matrix.columns]
    order = np.argsort(labels, kind="stable")
    cuts = np.flatnonzero(np.diff(labels[order])) + 1
    return (matrix.where(part) for part in np.split(order, cuts) if len(part))


def _structure(size: int, matrix: _Entries) -> str:
    if _is_dense(size, matrix):
        return "dense"
    rows, columns = _small_profile(matrix.rows, matrix.columns, size)
    return "banded" if 8 * int(np.abs(rows - columns).max()) <= size else "sparse"


def _is_dense(size: int, matrix: _Entries) -> bool:
    return 2 * len(matrix.rows) >= size * size


def _small_profile(rows: IndexArray, columns: IndexArray, size: int) -> tuple[IndexArray, IndexArray]:
    """Rows and columns of the entries after permutations to a small profile with entries all along the diagonal.

    The order they came in need not mean anything. So rows and columns, as the two sides of a bipartite graph, are
    brought near each other first; a perfect matching among the entries nearest to the diagonal says which belong
    together; and with these as the diagonal the pattern is permuted once more.
    """
    row_place, column_place = np.split(_cuthill_mckee(rows, columns + size, 2 * size), (size,))
    # The places of rows and columns interleave: ranks among their own kind are what a diagonal is made of.
    row_rank, column_rank = np.argsort(np.argsort(row_place)), np.argsort(np.argsort(column_place))
    distance = np.abs(row_rank[rows] - column_rank[columns])
    near, matched = 1, np.full(size, -1)
    while (matched < 0).any():
        chosen = distance < near
        matched = maximum_bipartite_matching(_pattern(rows[chosen], columns[chosen], size), perm_type="column")
        near *= 2
    place = _cuthill_mckee(matched[rows], columns, size)
    return place[matched[rows]], place[columns]


def _cuthill_mckee(rows: IndexArray, columns: IndexArray, size: int) -> IndexArray:
    """(size,) the place of every index in the reverse Cuthill–McKee order of the symmetrised pattern."""
    place = np.empty(size, dtype=np.int64)
    place[reverse_cuthill_mckee(_pattern(rows, columns, size), symmetric_mode=False)] = np.arange(size)
    return place


def _pattern(rows: IndexArray, columns: IndexArray, size: int) -> csr_array:
    return csr_array((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(size, size))


def _eliminate_profile(block: _Entries) -> tuple[Operations, Operations]:
    """An upper bound of (factor, solve), taking all entries within the profile to be there and to be no units."""
    row_numbers, rows = np.unique(block.rows, return_inverse=True)
    _, columns = np.unique(block.columns, return_inverse=True)
    size = len(row_numbers)
    if _is_dense(size, block):
        return dense_elimination(size)
    rows, columns = _small_profile(rows, columns, size)
    below, beside = _profile(rows, columns, size), _profile(columns, rows, size)
    products, rest = int((below * beside).sum()), int((below + beside).sum())
    factor = Operations(int(np.minimum(below, beside).sum()) + products, products, size)
    return factor, Operations(rest + size, rest, 0)


def _profile(rows: IndexArray, columns: IndexArray, size: int) -> IndexArray:
    """(l,) by column: the number of rows below the diagonal whose first entry is there or before."""
    first = np.arange(size)
    np.minimum.at(first, rows, columns)
    starts = np.bincount(first, minlength=size)
    return np.cumsum(starts) - np.arange(1, size + 1)


def _eliminate(block: _Entries) -> tuple[Operations, Operations]:
    """(factor, solve) of one diagonal block, by symbolic Markowitz pivoting."""
    rows, columns = np.unique(block.rows), np.unique(block.columns)
    size = len(rows)
    place = np.searchsorted(rows, block.rows), np.searchsorted(columns, block.columns)
    there = np.zeros((size, size), dtype=bool)
    there[place] = True
    unit = np.zeros((size, size), dtype=bool)
    unit[place] = block.units
    in_row, in_column = there.sum(axis=1), there.sum(axis=0)
    factor = solve = NOTHING
    for left in range(size, 0, -1):
        if in_row.sum() == left * left and not unit.any():
            dense = dense_elimination(left)
            return factor + dense[0], solve + dense[1]
        i, j = _pivot(there, unit, in_row, in_column)
        below, beside = np.flatnonzero(there[:, j]), np.flatnonzero(there[i])
        below, beside = below[below != i], beside[beside != j]
        column, row = unit[below, j], unit[i, beside]
        step, column, row = _pivot_step(bool(unit[i, j]), column, row)
        factor += step
        generic = int(np.count_nonzero(~column)) + int(np.count_nonzero(~row))
        solve += Operations(generic + step.divisions, len(below) + len(beside), 0)
        there[i], there[:, j], unit[i], unit[:, j] = False, False, False, False
        target = np.ix_(below, beside)
        new = ~there[target]
        factor += Operations(0, new.size - int(np.count_nonzero(new)), 0)
        there[target] = True
        unit[target] = np.outer(column, row) & new
        in_row[below] += new.sum(axis=1) - 1
        in_column[beside] += new.sum(axis=0) - 1
        in_row[i] = in_column[j] = 0
    return factor, solve


def _pivot(there: Mask, unit: Mask, in_row: IndexArray, in_column: IndexArray) -> tuple[int, int]:
    """The entry of least (r − 1)(c − 1); then a unit; then of the least row, then of the least column."""
    left = np.flatnonzero(in_row)
    fewest = in_row[left].min()
    shortest = left[in_row[left] == fewest]
    bound = (fewest - 1) * (np.where(there[shortest], in_column, _ABSENT).min() - 1)
    # No row whose best conceivable column is too long for the bound need be looked at.
    near = left[(in_row[left] - 1) * (in_column[in_column > 0].min() - 1) <= bound]
    products = np.where(there[near], (in_row[near] - 1)[:, None] * (in_column - 1), _ABSENT)
    ties = np.flatnonzero(products == products.min())
    units = ties[unit[near].ravel()[ties]]
    k, j = divmod(int((units if len(units) else ties)[0]), len(in_column))
    return int(near[k]), j


def _pivot_step(pivot_is_unit: bool, column: Mask, row: Mask) -> tuple[Operations, Mask, Mask]:
    """(cost but for the additions, which are the units of the scaled column, and of the scaled row)."""
    c, r = len(column), len(row)
    generic_c, generic_r = c - int(np.count_nonzero(column)), r - int(np.count_nonzero(row))
    if pivot_is_unit:
        return Operations(generic_c * generic_r, 0, 0), column, row
    scale_column = generic_c + c * generic_r
    scale_row = generic_r + generic_c * r
    if scale_column + c + generic_r <= scale_row + generic_c + r:
        return Operations(scale_column, 0, 1), np.zeros_like(column), row
    return Operations(scale_row, 0, 1), column, np.zeros_like(row)


def dense_elimination(size: int) -> tuple[Operations, Operations]:
    """(factor, solve) of a dense matrix without units, l × l.

    L U = A takes l divisions, l(l − 1)/2 + l(l − 1)(2l − 1)/6 multiplications and l(l − 1)(2l − 1)/6 additions; the two
    triangular systems take l² multiplications and l(l − 1) additions.

    Example:
        >>> dense_elimination(3)[0]
        Operations(multiplications=8, additions=5, divisions=3)
    """
    pairs, squares = size * (size - 1) // 2, size * (size - 1) * (2 * size - 1) // 6
    return Operations(pairs + squares, squares, size), Operations(size * size, 2 * pairs, 0)
