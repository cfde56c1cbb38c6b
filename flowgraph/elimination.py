"""What it costs to eliminate the inner vertices of a linearised computational graph.

Every vertex that is no source is a sum, Σ label · source. Eliminating the inner vertex v, with in-edges from P and
out-edges to S, joins every p in P to every s in S:

    c_sp  ←  c_sp + c_sv · c_vp

at one multiplication, unless one of the two labels is a *unit* (+1 or −1), and one addition where the edge p → s was
there before. The label is a unit afterwards exactly where the edge is new and both its factors are units; sums are
never taken to cancel. So after the set X is eliminated the edge p → s is there if a path leads from p to s through X,
and its label is a unit if there is just one such path and all its labels are units: the state depends on X and not on
the order.

Bit v of a *mask* (a Python integer) stands for vertex v. A *generic* label is one that is no unit.

Reference: A. Griewank and U. Naumann, "Accumulating Jacobians as chained sparse matrix products", Math. Program. 95
(2003); A. Griewank and A. Walther, "Evaluating Derivatives" (2008), chapters 9 and 10.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import NamedTuple

Row = tuple[tuple[int, bool], ...]
"""(source vertex, whether the label is a unit) of every term of a sum."""

MOST_MARKOWITZ = 2_000
"""Inner vertices up to which the Markowitz order is tried, and the optimum too."""

MOST_OPTIMUM = 14
"""Connected inner vertices up to which the optimum is found."""

MOST_SUBSETS = 1 << 16
"""Subsets up to which the optimum is found, over all connected components."""


class Counts(NamedTuple):
    """Multiplications and additions."""

    multiplications: int
    additions: int

    def plus(self, other: Counts) -> Counts:
        """The sum, entry by entry."""
        return Counts(self.multiplications + other.multiplications, self.additions + other.additions)


NONE = Counts(0, 0)


@dataclass(frozen=True, slots=True)
class ComputationalGraph:
    """Sources, then inner vertices, then sinks, numbered in this order; every row reads earlier vertices.

    Attributes:
        sources: number of sources.
        inner: number of inner vertices.
        rows: the sums of the inner vertices and of the sinks; a sink reads no sink.
    """

    sources: int
    inner: int
    rows: tuple[Row, ...]

    def pruned(self) -> ComputationalGraph:
        """Without the inner vertices that reach no sink, or that no source reaches: nobody reads them, or they are 0.

        They keep their numbers, with empty rows and no readers.
        """
        n, first_sink = self.sources, self.sources + self.inner
        reached = bytearray([1]) * n + bytearray(len(self.rows))
        for v, row in enumerate(self.rows, start=n):
            reached[v] = any(reached[source] for source, _ in row)
        needed = bytearray(first_sink) + bytearray([1]) * (len(self.rows) - self.inner)
        for v in range(len(needed) - 1, n - 1, -1):
            if needed[v] and reached[v]:
                for source, _ in self.rows[v - n]:
                    needed[source] = 1
        kept = (
            tuple(entry for entry in row if reached[entry[0]]) if needed[v] and reached[v] else ()
            for v, row in enumerate(self.rows, start=n)
        )
        return ComputationalGraph(n, self.inner, tuple(kept))

    def transposed(self) -> ComputationalGraph:
        """Every edge turned round. Vertex v becomes the v-th from the end, so that sinks become the sources."""
        n, last = self.sources, self.sources + len(self.rows) - 1
        readers: list[list[tuple[int, bool]]] = [[] for _ in range(n + self.inner)]
        for v, row in enumerate(self.rows, start=n):
            for source, unit in row:
                readers[source].append((last - v, unit))
        return ComputationalGraph(len(self.rows) - self.inner, self.inner, tuple(map(tuple, reversed(readers))))


class Tangent(NamedTuple):
    """One vertex as a sum over sources, and what it cost to find.

    Attributes:
        row: index of the vertex among the rows.
        sources: mask of the sources it depends on.
        generic: mask of those among them whose coefficient is no unit.
        counts: the operations of this row.
    """

    row: int
    sources: int
    generic: int
    counts: Counts


def tangents(graph: ComputationalGraph) -> Iterator[Tangent]:
    """All vertices by their dependence on the sources: elimination in topological order, which is the forward mode.

    When v is eliminated all that it reads are sources, so the row of a reader s gets, for the entry c_sv, as many
    products as v has generic coefficients if c_sv is generic, and none if it is a unit. In every column all terms but
    the first are additions. A sink comes as soon as all that it reads is there, and a vertex is forgotten after its
    last reader, so that the masks held at a time are those of the live vertices.
    """
    n, inner = graph.sources, graph.inner
    unread = [0] * inner
    sinks: list[list[int]] = [[] for _ in range(inner + 1)]
    for index, row in enumerate(graph.rows):
        last = 0
        for source, _ in row:
            if source >= n:
                unread[source - n] += 1
                last = max(last, source - n + 1)
        if index >= inner:
            sinks[last].append(index)
    live: dict[int, tuple[int, int]] = {}
    for step in range(inner + 1):
        for index in ([step - 1] if step else []) + sinks[step]:
            mask = repeated = generic = terms = products = 0
            for source, unit in graph.rows[index]:
                if source < n:
                    those = 1 << source
                    plain = 0 if unit else those
                else:
                    those, plain = live[source]
                    if not unit:
                        products += plain.bit_count()
                        plain = those
                    unread[source - n] -= 1
                    if not unread[source - n]:
                        del live[source]
                repeated |= mask & those
                mask |= those
                generic |= plain
                terms += those.bit_count()
            generic |= repeated
            if index < inner and unread[index]:
                live[n + index] = (mask, generic)
            yield Tangent(index, mask, generic, Counts(products, terms - mask.bit_count()))


def reverse(graph: ComputationalGraph) -> Counts:
    """The cost of elimination in reverse topological order: the forward mode of the transposed graph."""
    counts = [tangent.counts for tangent in tangents(graph.transposed())]
    return Counts(sum(c.multiplications for c in counts), sum(c.additions for c in counts))


def bits(mask: int) -> Iterator[int]:
    """The numbers of the bits that are set, ascending."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


class Elimination:
    """A graph while its inner vertices are eliminated in any order.

    The inner vertices are numbered from 0, in their order; the sources that they read and the sinks that read them come
    after. Other vertices have no part in it.

    Attributes:
        inner: mask of the inner vertices that are left.
        sources: mask of the sources.
        sinks: mask of the sinks.
        readers: by vertex, mask of those that read it.
        generic_readers: mask of those that read it with a generic label.
        reads: by vertex, mask of those that it reads.
        generic_reads: mask of those that it reads with a generic label.
    """

    def __init__(self, graph: ComputationalGraph) -> None:
        n, first_sink = graph.sources, graph.sources + graph.inner
        vertices = [v for v, row in enumerate(graph.rows[: graph.inner], start=n) if row]
        self.inner = (1 << len(vertices)) - 1
        vertices += sorted({p for row in graph.rows[: graph.inner] for p, _ in row if p < n})
        self.sources = (1 << len(vertices)) - 1 & ~self.inner
        rows = enumerate(graph.rows[graph.inner :], start=first_sink)
        vertices += [v for v, row in rows if any(p >= n for p, _ in row)]
        self.sinks = (1 << len(vertices)) - 1 & ~self.inner & ~self.sources
        number = {v: k for k, v in enumerate(vertices)}
        self.readers = [0] * len(vertices)
        self.generic_readers = [0] * len(vertices)
        self.reads = [0] * len(vertices)
        self.generic_reads = [0] * len(vertices)
        for v in vertices:
            for source, unit in graph.rows[v - n] if v >= n else ():
                if source in number:
                    p, s = number[source], number[v]
                    self.readers[p] |= 1 << s
                    self.reads[s] |= 1 << p
                    if not unit:
                        self.generic_readers[p] |= 1 << s
                        self.generic_reads[s] |= 1 << p

    def eliminate(self, v: int) -> Counts:
        """Join all that v reads to all that read v, and remove v."""
        before, after = self.reads[v], self.readers[v]
        generic_before, generic_after = self.generic_reads[v], self.generic_readers[v]
        others = ~(1 << v)
        additions = 0
        for p in bits(before):
            there = self.readers[p] & after
            additions += there.bit_count()
            self.generic_readers[p] |= there | (after if generic_before >> p & 1 else generic_after)
            self.generic_readers[p] &= others
            self.readers[p] = (self.readers[p] | after) & others
        for s in bits(after):
            there = self.reads[s] & before
            self.generic_reads[s] |= there | (before if generic_after >> s & 1 else generic_before)
            self.generic_reads[s] &= others
            self.reads[s] = (self.reads[s] | before) & others
        self.inner &= others
        return Counts(generic_before.bit_count() * generic_after.bit_count(), additions)

    def components(self) -> tuple[tuple[int, ...], ...]:
        """The inner vertices that are left, by weakly connected component of the graph that they alone form."""
        found = []
        left = self.inner
        while left:
            component = front = left & -left
            while front:
                near = 0
                for v in bits(front):
                    near |= self.reads[v] | self.readers[v]
                front = near & left & ~component
                component |= front
            left &= ~component
            found.append(tuple(bits(component)))
        return tuple(found)


def markowitz(graph: ComputationalGraph) -> Counts:
    """The cost of the greedy order: always the vertex of least |P| · |S|, the lowest number where several are."""
    state = Elimination(graph)

    def degree(v: int) -> int:
        return state.reads[v].bit_count() * state.readers[v].bit_count()

    degrees = {v: degree(v) for v in bits(state.inner)}
    heap = [(key, v) for v, key in degrees.items()]
    heapify(heap)
    total = NONE
    while heap:
        key, v = heappop(heap)
        if degrees.get(v) != key:
            continue
        del degrees[v]
        near = (state.reads[v] | state.readers[v]) & state.inner
        total = total.plus(state.eliminate(v))
        for w in bits(near):
            key = degree(w)
            if degrees[w] != key:
                degrees[w] = key
                heappush(heap, (key, w))
    return total


def optimum(graph: ComputationalGraph) -> Counts | None:
    """The least cost (multiplications and additions together) of all orders, or None where there are too many.

    Eliminating v makes |P| · |S| pairs; those that are no new edges are the additions, and the number of edges changes
    by the new ones less |P| + |S|. As the numbers of edges at the start and at the end are the same for every order, an
    order is cheapest exactly if it has the least sum of the weights

        weight(v) = |generic P| · |generic S| + |P| · |S| − |P| − |S|

    A weight depends only on which vertices of the connected component of v (in the graph of the inner vertices alone)
    are gone. So every component has its own optimum, by dynamic programming over its subsets, after
    ``eliminate_harmless``. There is none where a component has more than ``MOST_OPTIMUM`` vertices or all have more
    than ``MOST_SUBSETS`` subsets.
    """
    state = Elimination(graph)
    total = eliminate_harmless(state)
    components = state.components()
    if any(len(c) > MOST_OPTIMUM for c in components) or sum(1 << len(c) for c in components) > MOST_SUBSETS:
        return None
    for component in components:
        for v in best_order(state, component):
            total = total.plus(state.eliminate(v))
    return total


def eliminate_harmless(state: Elimination) -> Counts:
    """Eliminate vertices that some cheapest order eliminates first, until none is known.

    *v has one reader s, by a unit, and s is a sink.* The weight of v is −1 at whatever time. Move v to the front of any
    order. A vertex x before it has lost v from its readers, and s is among them now: as many readers as before, and as
    many generic ones, or, where x had both, one reader less. In that case x → s is generic now, and x has no more
    generic readers than before unless both edges were units. So no weight grows, unless some x has paths of units
    through inner vertices both to v and, not through v, to s. Where such an x exists the optimum can be lost by one
    addition, even if v and s have no source in common when v is eliminated.

    *v reads one p, by a unit, and p is a source.* The same, transposed.

    *v has one reader s, by a unit, s is an inner vertex and reads v alone.* Both are one vertex under two names: the
    first of the two to go has weight −1, and the other one the weight it had if they were one.
    """
    total = NONE
    todo = state.inner
    while todo:
        lowest = todo & -todo
        todo ^= lowest
        v = lowest.bit_length() - 1
        if _harmless(state, v):
            near = state.reads[v] | state.readers[v]
            total = total.plus(state.eliminate(v))
            todo |= near & state.inner
    return total


def _harmless(state: Elimination, v: int) -> bool:
    before, after = state.reads[v], state.readers[v]
    if after.bit_count() == 1 and not state.generic_readers[v]:
        s = after.bit_length() - 1
        if state.inner & after and state.reads[s].bit_count() == 1:
            return True
        if state.sinks & after and not _both_by_units(state, state.reads, state.generic_reads, v, s):
            return True
    if before.bit_count() == 1 and not state.generic_reads[v] and state.sources & before:
        return not _both_by_units(state, state.readers, state.generic_readers, v, before.bit_length() - 1)
    return False


def _both_by_units(state: Elimination, edges: Sequence[int], generic: Sequence[int], v: int, end: int) -> bool:
    """Whether some inner vertex is joined to v, and to ``end`` but not through v, by paths of unit edges."""

    def by_units(start: int, among: int) -> int:
        mask, front = 0, 1 << start
        while front:
            near = 0
            for w in bits(front):
                near |= edges[w] & ~generic[w]
            front = near & among & ~mask
            mask |= front
        return mask

    return by_units(v, state.inner) & by_units(end, state.inner & ~(1 << v)) != 0


def best_order(state: Elimination, component: Sequence[int]) -> tuple[int, ...]:
    """The order of least weight of the vertices of a connected component.

    The subsets are visited in ascending order of their masks, as a tree: the parent of X is X without its lowest bit. A
    subset inherits the masks of its parent, changed by one elimination, so that only one path of the tree is held.
    """
    m = len(component)
    reads, generic_reads = _renumbered(component, state.reads, state.generic_reads)
    readers, generic_readers = _renumbered(component, state.readers, state.generic_readers)
    least: list[int | None] = [None] * (1 << m)
    least[0] = 0
    last = [0] * (1 << m)

    def visit(gone: int, lowest: int, masks: tuple[list[int], ...]) -> None:
        reads, generic_reads, readers, generic_readers = masks
        weight = least[gone] or 0
        left = [v for v in range(m) if not gone >> v & 1]
        for v in left:
            p, s = reads[v].bit_count(), readers[v].bit_count()
            whole = weight + generic_reads[v].bit_count() * generic_readers[v].bit_count() + p * s - p - s
            beyond = gone | 1 << v
            known = least[beyond]
            if known is None or whole < known:
                least[beyond] = whole
                last[beyond] = v
        for x in range(lowest):
            into, generic_into = reads.copy(), generic_reads.copy()
            out, generic_out = readers.copy(), generic_readers.copy()
            for v in bits(readers[x] & (1 << m) - 1):
                generic = reads[x] if generic_readers[x] >> v & 1 else generic_reads[x]
                generic_into[v] = (generic_reads[v] | generic | reads[v] & reads[x]) & ~(1 << x)
                into[v] = (reads[v] | reads[x]) & ~(1 << x)
            for v in bits(reads[x] & (1 << m) - 1):
                generic = readers[x] if generic_reads[x] >> v & 1 else generic_readers[x]
                generic_out[v] = (generic_readers[v] | generic | readers[v] & readers[x]) & ~(1 << x)
                out[v] = (readers[v] | readers[x]) & ~(1 << x)
            visit(gone | 1 << x, x, (into, generic_into, out, generic_out))

    visit(0, m, (reads, generic_reads, readers, generic_readers))
    order = []
    gone = (1 << m) - 1
    while gone:
        order.append(component[last[gone]])
        gone ^= 1 << last[gone]
    return tuple(reversed(order))


def _renumbered(component: Sequence[int], edges: Sequence[int], generic: Sequence[int]) -> tuple[list[int], list[int]]:
    """The masks of a component's vertices with its own vertices as the lowest bits, and no gaps."""
    near = 0
    for v in component:
        near |= edges[v]
    number = {v: k for k, v in enumerate(component)}
    for w in bits(near):
        number.setdefault(w, len(number))

    def translate(mask: int) -> int:
        return sum(1 << number[w] for w in bits(mask))

    return [translate(edges[v]) for v in component], [translate(generic[v]) for v in component]
