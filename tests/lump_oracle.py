"""Lumps, blocks, ranks and orders by brute force from THEORY, sections 1, 5, 6 and 7, and checkers of what others say.

Sets and small programs only, clarity before speed; no code of flowgraph but the views of a program's steps.

- An edge u → v is a step v through which a derivative flows to an output (*active*) and one of its derivative
  arguments u; f(x, x) is one edge. Partials that happen to be 0 for every x, as in x − x, are edges like any other.
- A step that only decides a condition is *passive*: it has a place in every order, but no row in E, no live value and
  no lump of its own. A step that no output and no guard needs is *dead* and has no place anywhere.
- A row of E is a number: k < T for step k, T + j for output place j. A column is a value number.

The checkers return None, or the first complaint as text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import Any

import networkx as nx
from sympy import ZZ, symbols
from sympy.polys.matrices import DomainMatrix
from sympy.polys.rings import PolyRing

from flowgraph.program import Program

P = 2**61 - 1


@dataclass(frozen=True, slots=True)
class Facts:
    """A program as sets.

    Attributes:
        n: number of inputs.
        n_steps: T.
        outputs: value number of each output place.
        arguments: by step, the values through which a derivative flows into it.
        operands: by step, every value it reads.
        active: the steps through which a derivative flows to an output.
        needed: the steps that an output or a guard needs.
    """

    n: int
    n_steps: int
    outputs: tuple[int, ...]
    arguments: tuple[frozenset[int], ...]
    operands: tuple[frozenset[int], ...]
    active: frozenset[int]
    needed: frozenset[int]

    def before(self, step: int) -> frozenset[int]:
        """The steps that a step waits for."""
        return frozenset(v - self.n for v in self.operands[step] if v >= self.n)


def facts_of(program: Program) -> Facts:
    """Read a program."""
    n = program.n_inputs
    arguments, operands = [], []
    for step in program.steps():
        inactive = step.operation.inactive if step.operation else ()
        operands.append(frozenset(o for o in step.operands if o >= 0))
        arguments.append(frozenset(o for k, o in enumerate(step.operands) if o >= 0 and k not in inactive))
    outputs = tuple(int(v) for v in program.outputs)
    guarded = {int(v) for guard in program.guards for v in guard.values}
    linear, wanted = set(outputs), {*outputs, *guarded}
    active, needed = set(), set()
    for k in reversed(range(program.n_steps)):
        if n + k in linear:
            active.add(k)
            linear |= arguments[k]
        if n + k in wanted:
            needed.add(k)
            wanted |= operands[k]
    return Facts(n, program.n_steps, outputs, tuple(arguments), tuple(operands), frozenset(active), frozenset(needed))


# -- orders, widths, lumps along an order ------------------------------------------------------------------------------


def is_legal(facts: Facts, order: Sequence[int]) -> bool:
    """Whether every step that is not dead stands there once, after all that it reads."""
    done: set[int] = set()
    for step in order:
        if step not in facts.needed or step in done or not facts.before(step) <= done:
            return False
        done.add(step)
    return done == facts.needed


def frontier(facts: Facts, done: frozenset[int]) -> frozenset[int]:
    """The live values once the steps of ``done`` are executed: before the first step, all inputs."""
    if not done:
        return frozenset(range(facts.n))
    there = {*range(facts.n), *(facts.n + k for k in done)}
    wanted = set(facts.outputs).union(*(facts.arguments[k] for k in facts.active - done))
    return frozenset(there & wanted)


def frontiers(facts: Facts, order: Sequence[int]) -> tuple[frozenset[int], ...]:
    """The live values at the times 0 … T' along an order."""
    return tuple(frontier(facts, frozenset(order[:time])) for time in range(len(order) + 1))


@dataclass(frozen=True, slots=True)
class OracleLump:
    """The run of steps between two consecutive cuts, passive ones left out."""

    steps: tuple[int, ...]
    consumed: frozenset[int]
    produced: frozenset[int]
    read: frozenset[int]


def cuts_along(facts: Facts, order: Sequence[int]) -> tuple[int, ...]:
    """The times with width n."""
    return tuple(time for time, live in enumerate(frontiers(facts, order)) if len(live) == facts.n)


def lumps_along(facts: Facts, order: Sequence[int]) -> tuple[OracleLump, ...]:
    """The lumps along an order. A run that holds nothing but a passive step is none: it changes no live value."""
    live = frontiers(facts, order)
    lumps = []
    for begin, end in pairwise(cuts_along(facts, order)):
        before, after = live[begin], live[end]
        steps = tuple(k for k in order[begin:end] if k in facts.active)
        used = frozenset[int]().union(*(facts.arguments[k] for k in steps))
        if steps:
            lumps.append(OracleLump(steps, before - after, after - before, before & after & used))
    return tuple(lumps)


# -- all orders, all ideals --------------------------------------------------------------------------------------------


def extensions(facts: Facts, ideal: frozenset[int]) -> tuple[int, ...]:
    """The steps that may come next."""
    return tuple(k for k in sorted(facts.needed - ideal) if facts.before(k) <= ideal)


def levels(facts: Facts) -> Iterator[tuple[frozenset[int], ...]]:
    """The ideals of 0, 1, 2, … steps."""
    level: tuple[frozenset[int], ...] = (frozenset(),)
    while level:
        yield level
        level = tuple(dict.fromkeys(ideal | {k} for ideal in level for k in extensions(facts, ideal)))


def number_of_orders(facts: Facts) -> int:
    """How many legal orders there are."""
    ways = {frozenset[int](): 1}
    for level in levels(facts):
        for ideal in level:
            for k in extensions(facts, ideal):
                ways[ideal | {k}] = ways.get(ideal | {k}, 0) + ways[ideal]
    return ways[facts.needed]


def all_orders(facts: Facts, ideal: frozenset[int] = frozenset()) -> Iterator[tuple[int, ...]]:
    """Every legal order that goes on from an ideal, one by one."""
    if ideal == facts.needed:
        yield ()
    for k in extensions(facts, ideal):
        for rest in all_orders(facts, ideal | {k}):
            yield (k, *rest)


def an_order_with_most_lumps(facts: Facts) -> tuple[int, ...]:
    """Dynamic programming over all ideals: the best way to each is the best over its last step.

    An active step after which the width is n closes a lump; a passive step changes nothing and closes none.
    """
    best: dict[frozenset[int], tuple[int, tuple[int, ...]]] = {frozenset(): (0, ())}
    for level in levels(facts):
        for ideal in level:
            count, order = best[ideal]
            for k in extensions(facts, ideal):
                larger = ideal | {k}
                closes = k in facts.active and len(frontier(facts, larger)) == facts.n
                if larger not in best or count + closes > best[larger][0]:
                    best[larger] = (count + closes, (*order, k))
    return best[facts.needed][1]


def most_lumps(facts: Facts) -> int:
    """The largest number of lumps over all legal orders."""
    return len(lumps_along(facts, an_order_with_most_lumps(facts)))


# -- vertex-disjoint paths and cuts ------------------------------------------------------------------------------------

Node = tuple[str, int]


def disjoint_paths(facts: Facts) -> tuple[int, frozenset[int]]:
    """The largest number of vertex-disjoint paths from inputs to outputs, and a vertex cut of that many values.

    Ford and Fulkerson on the network with an arc of capacity 1 through every value.
    """
    many = facts.n + len(facts.outputs) + 1
    room: dict[Node, dict[Node, int]] = {("source", 0): {}, ("sink", 0): {}}

    def arc(tail: Node, head: Node, capacity: int) -> None:
        room.setdefault(tail, {})[head] = capacity
        room.setdefault(head, {}).setdefault(tail, 0)

    for v in range(facts.n + facts.n_steps):
        arc(("in", v), ("out", v), 1)
    for v in range(facts.n):
        arc(("source", 0), ("in", v), many)
    for v in set(facts.outputs):
        arc(("out", v), ("sink", 0), many)
    for k in facts.active:
        for u in facts.arguments[k]:
            arc(("out", u), ("in", facts.n + k), many)

    def search() -> dict[Node, Node]:
        """By node that the source reaches: the node before it."""
        found = {("source", 0): ("source", 0)}
        queue = [("source", 0)]
        for tail in queue:
            for head, capacity in room[tail].items():
                if capacity and head not in found:
                    found[head] = tail
                    queue.append(head)
        return found

    count = 0
    while ("sink", 0) in (found := search()):
        node = ("sink", 0)
        while node != ("source", 0):
            room[found[node]][node] -= 1
            room[node][found[node]] += 1
            node = found[node]
        count += 1
    cut = frozenset(v for v in range(facts.n + facts.n_steps) if ("in", v) in found and ("out", v) not in found)
    return count, cut


def is_singular(facts: Facts) -> bool:
    """Whether J has no inverse at any x: it is not square, or fewer than n vertex-disjoint paths cross."""
    return len(facts.outputs) != facts.n or disjoint_paths(facts)[0] < facts.n


def reached(facts: Facts, sources: Iterable[int], avoiding: frozenset[int] = frozenset()) -> frozenset[int]:
    """The values that derivatives from ``sources`` reach without meeting ``avoiding``."""
    found = set(sources) - avoiding
    for k in sorted(facts.active):
        if facts.n + k not in avoiding and facts.arguments[k] & found:
            found.add(facts.n + k)
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class OracleCertificate:
    """Too few values between some inputs and some outputs."""

    cut: tuple[int, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    kind: str


def certificates(facts: Facts) -> tuple[OracleCertificate, ...]:
    """Of a square singular program: a smallest cut between all inputs and all outputs, told from either side."""
    ends = frozenset(facts.outputs)
    inputs = tuple(v for v in range(facts.n) if reached(facts, {v}) & ends)
    outputs = tuple(sorted(reached(facts, range(facts.n)) & ends))
    cut = tuple(sorted(disjoint_paths(facts)[1]))
    return (
        OracleCertificate(cut, inputs, tuple(sorted(ends)), "outputs"),
        OracleCertificate(cut, tuple(range(facts.n)), outputs, "inputs"),
    )


# -- the rank of J over the field of independent edge labels -----------------------------------------------------------

Edge = tuple[int, int]


def edges_of(facts: Facts) -> tuple[Edge, ...]:
    """(step, argument) of every edge."""
    return tuple((k, u) for k in sorted(facts.active) for u in sorted(facts.arguments[k]))


def derivatives(
    facts: Facts, seeds: Sequence[int], labels: Mapping[Edge, Any], zero: Any, one: Any
) -> tuple[tuple[Any, ...], ...]:
    """By value: its row of derivatives with respect to the seeds, which are taken for independent of each other."""
    rows: list[tuple[Any, ...]] = []
    for v in range(facts.n + facts.n_steps):
        row = [one if v == seed else zero for seed in seeds]
        if v not in seeds and v - facts.n in facts.active:
            for u in facts.arguments[v - facts.n]:
                label = labels[v - facts.n, u]
                row = [x + label * y for x, y in zip(row, rows[u], strict=True)]
        rows.append(tuple(row))
    return tuple(rows)


def rank_modulo(rows: Iterable[Sequence[int]]) -> int:
    """The rank of a matrix over GF(P)."""
    pivots: list[tuple[int, list[int]]] = []
    for given in rows:
        row = [x % P for x in given]
        for place, pivot in pivots:
            factor = row[place]
            row = [(x - factor * y) % P for x, y in zip(row, pivot, strict=True)]
        place = next((j for j, x in enumerate(row) if x), None)
        if place is not None:
            scale = pow(row[place], -1, P)
            pivots.append((place, [x * scale % P for x in row]))
    return len(pivots)


def exact_rank(facts: Facts, seed: int = 0) -> int:
    """The rank of J over Q(labels), by two bounds that meet.

    A minor that does not vanish at one point of GF(P) is no zero polynomial: at least the rank found there. And
    J = A B, with A of r columns and B of r rows, multiplied out over Z[labels]: at most r.
    """
    edges, rng = edges_of(facts), Random(seed)
    at_a_point = derivatives(facts, range(facts.n), {edge: rng.randrange(1, P) for edge in edges}, 0, 1)
    lower = rank_modulo([at_a_point[v] for v in facts.outputs])
    if lower == min(facts.n, len(facts.outputs)):
        return lower
    cut = sorted(disjoint_paths(facts)[1])
    ring = PolyRing([f"e{k}_{u}" for k, u in edges] or ["unused"], ZZ)
    labels = dict(zip(edges, ring.gens, strict=False))
    through = derivatives(facts, range(facts.n), labels, ring.zero, ring.one)
    beyond = derivatives(facts, cut, labels, ring.zero, ring.one)
    for v in facts.outputs:
        for j in range(facts.n):
            product = sum((a * through[w][j] for a, w in zip(beyond[v], cut, strict=True)), start=ring.zero)
            if product != through[v][j]:
                raise AssertionError(f"J is not the product through the cut {cut}")
    if lower != len(cut):
        raise AssertionError(f"the rank is between {lower} and {len(cut)}")
    return lower


def rank_over_the_fraction_field(facts: Facts) -> int:
    """The rank of J over Q(labels), by elimination in SymPy's fraction field: for a dozen edges at most."""
    edges = edges_of(facts)
    field = ZZ.frac_field(*symbols([f"e{k}_{u}" for k, u in edges] or ["unused"]))
    labels = dict(zip(edges, field.gens, strict=False))
    rows = derivatives(facts, range(facts.n), labels, field.zero, field.one)
    matrix = [list(rows[v]) for v in facts.outputs]
    return int(DomainMatrix(matrix, (len(matrix), facts.n), field).rank()) if matrix and facts.n else 0


# -- the extended Jacobian and its blocks ------------------------------------------------------------------------------


def rows_of(facts: Facts) -> dict[int, frozenset[int]]:
    """The columns of every row of E, by row; steps through which no derivative flows have none."""
    steps = {k: facts.arguments[k] | {facts.n + k} for k in sorted(facts.active)}
    return steps | {facts.n_steps + j: frozenset({v}) for j, v in enumerate(facts.outputs)}


def maximum_matching(facts: Facts) -> tuple[int, ...]:
    """A largest matching of E by networkx: by row the value, −1 for none."""
    graph = nx.Graph()
    rows = rows_of(facts)
    graph.add_nodes_from(("row", r) for r in rows)
    graph.add_edges_from((("row", r), ("column", v)) for r, columns in rows.items() for v in columns)
    found = nx.bipartite.hopcroft_karp_matching(graph, [("row", r) for r in rows])
    return tuple(found.get(("row", r), ("column", -1))[1] for r in range(facts.n_steps + len(facts.outputs)))


@dataclass(frozen=True, slots=True)
class OracleBlock:
    """Rows of E and the columns that they decide together."""

    rows: frozenset[int]
    columns: frozenset[int]


def blocks_of(facts: Facts) -> frozenset[OracleBlock]:
    """Strongly connected components of E with a perfect matching on its diagonal, by networkx."""
    rows, matching = rows_of(facts), maximum_matching(facts)
    owner = {matching[r]: r for r in rows}
    graph = nx.DiGraph()
    graph.add_nodes_from(rows)
    graph.add_edges_from((r, owner[v]) for r, columns in rows.items() for v in columns)
    return frozenset(
        OracleBlock(frozenset(component), frozenset(matching[r] for r in component))
        for component in nx.strongly_connected_components(graph)
    )


def perfect_matchings(rows: Mapping[int, frozenset[int]]) -> Iterator[dict[int, int]]:
    """Every perfect matching, one by one."""
    if not rows:
        yield {}
        return
    row = min(rows, key=lambda r: len(rows[r]))
    for v in sorted(rows[row]):
        for rest in perfect_matchings({r: columns - {v} for r, columns in rows.items() if r != row}):
            yield {row: v, **rest}


def blocks_by_enumeration(facts: Facts) -> frozenset[OracleBlock]:
    """What the entries that stand in some perfect matching connect: the irreducible parts of E."""
    graph = nx.Graph()
    for matching in perfect_matchings(rows_of(facts)):
        graph.add_edges_from((("row", r), ("column", v)) for r, v in matching.items())
    return frozenset(
        OracleBlock(
            frozenset(number for side, number in component if side == "row"),
            frozenset(number for side, number in component if side == "column"),
        )
        for component in nx.connected_components(graph)
    )


# -- checkers ----------------------------------------------------------------------------------------------------------


def check_rank(program: Program, structure: Any) -> str | None:
    """``structure.rank`` and ``structure.singular`` against the number of vertex-disjoint paths."""
    facts = facts_of(program)
    rank = disjoint_paths(facts)[0]
    if structure.rank != rank:
        return f"the rank is {rank}, not {structure.rank}"
    if bool(structure.singular) != is_singular(facts):
        return f"singular is {structure.singular} at rank {rank}, {facts.n} inputs, {len(facts.outputs)} outputs"
    return None


def check_matching(program: Program, matching: Iterable[Any]) -> str | None:
    """A matching of E in one entry per row, which is perfect where the program is nonsingular."""
    facts = facts_of(program)
    rows = rows_of(facts)
    entries = [int(v) for v in matching]
    if len(entries) != facts.n_steps + len(facts.outputs):
        return f"{len(entries)} entries, not {facts.n_steps} + {len(facts.outputs)}"
    for row, value in enumerate(entries):
        if value != -1 and value not in rows.get(row, frozenset()):
            return f"E has no entry in row {row}, column {value}"
    matched = [v for v in entries if v != -1]
    if len(set(matched)) != len(matched):
        return "a value is matched twice"
    if not is_singular(facts) and len(matched) != len(rows):
        return f"{len(matched)} of {len(rows)} rows are matched"
    return None


def check_certificate(program: Program, certificate: Any) -> str | None:
    """Whether too few values stand between the inputs and the outputs that the certificate names."""
    facts = facts_of(program)
    cut, inputs, outputs = (
        [int(v) for v in part] for part in (certificate.cut, certificate.inputs, certificate.outputs)
    )
    ends = frozenset(facts.outputs)
    if not set(cut) <= set(range(facts.n + facts.n_steps)) or len(set(cut)) != len(cut):
        return f"{cut} are not values, each once"
    if not set(inputs) <= set(range(facts.n)) or len(set(inputs)) != len(inputs):
        return f"{inputs} are not inputs, each once"
    if not set(outputs) <= ends:
        return f"{outputs} are not outputs"
    leak = reached(facts, inputs, frozenset(cut)) & set(outputs)
    if leak:
        return f"derivatives of {inputs} reach {sorted(leak)} past the cut {cut}"
    if certificate.kind == "outputs":
        missing = {v for v in range(facts.n) if reached(facts, {v}) & set(outputs)} - set(inputs)
        places = sum(v in outputs for v in facts.outputs)
        if missing:
            return f"the inputs {sorted(missing)} reach these outputs too"
        return None if places > len(cut) else f"{places} output places are no more than {len(cut)} values"
    if certificate.kind == "inputs":
        missing = (reached(facts, inputs) & ends) - set(outputs)
        if missing:
            return f"these inputs reach the outputs {sorted(missing)} too"
        return None if len(inputs) > len(cut) else f"{len(inputs)} inputs are no more than {len(cut)} values"
    return f"a certificate is of kind outputs or inputs, not {certificate.kind}"


def check_blocks(program: Program, structure: Any) -> str | None:
    """The blocks of a nonsingular program: the right rows, each once, solvable one after the other.

    A block *solves for* the values that its rows are matched with. Its *path rows* are its output rows and those of
    its steps that are matched with an argument; a step matched with its own result is none. In solution order a block
    comes after the blocks that solve for the other values of its rows; the right-hand sides are 0 for a step and ẏ for
    an output. An output row holds one value, so it is always a block by itself.
    """
    facts = facts_of(program)
    rows, matching = rows_of(facts), [int(v) for v in structure.matching]
    complaint = check_matching(program, matching)
    if is_singular(facts) or complaint:
        return complaint or "a singular program has no blocks to check"
    expected = blocks_of(facts)
    solved: set[int] = set()
    seen = []
    for block in structure.blocks:
        steps, places = [int(k) for k in block.steps], [int(j) for j in block.outputs]
        own = [*steps, *(facts.n_steps + j for j in places)]
        if not set(own) <= set(rows) or any(k >= facts.n_steps for k in steps):
            return f"{steps}, {places} are not rows of E"
        columns = frozenset(matching[r] for r in own)
        found = OracleBlock(frozenset(own), columns)
        if found not in expected or len(own) != len(found.rows):
            return f"{own} solving for {sorted(columns)} is no block"
        early = frozenset[int]().union(*(rows[r] for r in own)) - columns - solved
        if early:
            return f"block {own} reads {sorted(early)}, which no earlier block solves for"
        path = sorted(matching[r] for r in own if r >= facts.n_steps or matching[r] != facts.n + r)
        if sorted(int(v) for v in block.path) != path:
            return f"block {own} has the path values {path}, not {block.path}"
        if bool(block.scalar) != (len(own) == 1):
            return f"block {own} has {len(own)} rows, and scalar is {block.scalar}"
        solved |= columns
        seen.append(found)
    if len(seen) != len(expected) or set(seen) != expected:
        return f"{len(seen)} blocks, not the {len(expected)} that there are, each once"
    return None


def check_structure(program: Program, structure: Any) -> str | None:
    """Everything: rank, matching, certificate exactly where a square program is singular, blocks where it is not."""
    facts = facts_of(program)
    complaint = check_rank(program, structure) or check_matching(program, structure.matching)
    if complaint:
        return complaint
    if not is_singular(facts):
        if structure.certificate is not None:
            return "a nonsingular program has a certificate"
        return check_blocks(program, structure)
    if structure.certificate is not None:
        return check_certificate(program, structure.certificate)
    return "a square singular program has no certificate" if facts.n == len(facts.outputs) else None


def check_lumps(program: Program, lumping: Any, order: Sequence[int] | None = None) -> str | None:
    """The lumps along an order, by default the program's own, against the definition.

    A passive step may stand in the lump before or after it, in an entry of its own with size 0, or in none.
    """
    facts = facts_of(program)
    order = sorted(facts.needed) if order is None else [int(k) for k in order]
    if [int(k) for k in lumping.order] != order:
        return f"the order is {order}, not {[int(k) for k in lumping.order]}"
    widths = [len(live) for live in frontiers(facts, order)]
    if [int(w) for w in lumping.widths] != widths:
        return f"the widths are {widths}, not {[int(w) for w in lumping.widths]}"
    cuts = cuts_along(facts, order)
    if tuple(int(t) for t in lumping.cuts) != cuts:
        return f"the cuts are {cuts}, not {lumping.cuts}"
    entries = list(lumping)
    if len(entries) != len(lumping) or any(
        tuple(lumping[k].steps) != tuple(lump.steps) for k, lump in enumerate(entries)
    ):
        return "len, indices and iteration do not agree"
    spoken = [int(k) for lump in entries for k in lump.steps]
    if spoken != [k for k in order if k in facts.active or k in spoken]:
        return f"the lumps' steps {spoken} are not in the order {order}"
    expected = iter(lumps_along(facts, order))
    for lump in entries:
        steps = tuple(int(k) for k in lump.steps if k in facts.active)
        parts = [[int(v) for v in part] for part in (lump.consumed, lump.produced, lump.read)]
        wanted = next(expected, None) if steps else OracleLump((), frozenset(), frozenset(), frozenset())
        if wanted is None:
            return f"{steps} is a lump too many"
        if steps != wanted.steps:
            return f"the next lump is {wanted.steps}, not {steps}"
        for what, got, right in zip(
            ("consumes", "produces", "reads"), parts, (wanted.consumed, wanted.produced, wanted.read), strict=True
        ):
            if sorted(got) != sorted(right):
                return f"lump {steps} {what} {sorted(right)}, not {got}"
        if lump.size != len(wanted.consumed):
            return f"lump {steps} has size {len(wanted.consumed)}, not {lump.size}"
    missing = next(expected, None)
    return None if missing is None else f"lump {missing.steps} is missing"


def count_lumps(lumping: Any) -> int:
    """How many lumps there are, entries of passive steps only left out."""
    return sum(lump.size > 0 for lump in lumping)


def check_best_order(program: Program, order: Iterable[Any]) -> str | None:
    """Whether an order is legal and has as many lumps as any; its lumps are then the finest ones, always the same."""
    facts = facts_of(program)
    order = [int(k) for k in order]
    if not is_legal(facts, order):
        return f"{order} is no legal order"
    got = lumps_along(facts, order)
    best = lumps_along(facts, an_order_with_most_lumps(facts))
    if len(got) != len(best):
        return f"{len(got)} lumps along {order}, not {len(best)}"
    finest = {frozenset(lump.steps) for lump in best}
    if {frozenset(lump.steps) for lump in got} != finest:
        return f"the finest lumps are {finest}"
    return None
