"""Costs of local systems: against executions on numbers that count as they go, and against all orders."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import permutations
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowgraph import costs, elimination, modes
from flowgraph.costs import LocalCost, LocalSystem, Operations, local_cost
from flowgraph.errors import FlowgraphError, InputError
from tests.cost_oracle import dense_matrix, drop_unneeded, execute, factor_and_solve, matrix_of, with_numbers

NOTHING = Operations(0, 0, 0)


def disagreements(system: LocalSystem) -> list[str]:
    """Everything in which ``local_cost`` differs from the oracle."""
    found = local_cost(system)
    methods = dict(found.accumulations)
    wrong = []
    dense = dense_matrix(system)
    for method in ("forward", "reverse", "markowitz"):
        operations, rows = execute(system, method)
        assert (matrix_of(system, rows) == dense).all()
        if methods[method] != operations:
            wrong.append(method)
    rows = with_numbers(system)
    staying = drop_unneeded(system, rows)
    if len(staying) <= 5:
        least = min(execute(system, order)[0].total for order in permutations(staying))
        if methods["optimum"].total != least:
            wrong.append("optimum")
    if found.accumulate.total != min(o.total for o in methods.values()) or found.accumulate != methods[found.method]:
        wrong.append("method")
    _, rows = execute(system, "forward")
    factor, solve = factor_and_solve(system.unknowns, [rows[v] for v in sorted(rows)])
    wrong += [name for name, x, y in (("factor", factor, found.factor), ("solve", solve, found.solve)) if x != y]
    return wrong


# -- systems -----------------------------------------------------------------------------------------------------------


def random_system(
    rng: random.Random, *, most_unknowns: int = 4, most_knowns: int = 3, most_inner: int = 6, units: float = 0.4
) -> LocalSystem:
    """One whose matrix A is structurally nonsingular: equations have an unknown of their own, or a copy of it."""
    size, knowns, m = rng.randint(1, most_unknowns), rng.randint(0, most_knowns), rng.randint(0, most_inner)
    n = size + knowns

    def row(sources: set[int]) -> tuple[tuple[int, bool], ...]:
        return tuple((s, rng.random() < units) for s in sorted(sources))

    def some(vertices: int, most: int) -> set[int]:
        return set(rng.sample(range(vertices), min(vertices, rng.randint(0, most))))

    inner = [row(some(n + j, 3) | ({rng.randrange(n + j)} if rng.random() < 0.8 else set())) for j in range(m)]
    own = rng.sample(range(size), size)
    return LocalSystem(size, knowns, tuple(inner), tuple(row(some(n + m, 4) | {own[i]}) for i in range(size)))


@st.composite
def systems(draw: st.DrawFn, **most: Any) -> LocalSystem:
    return random_system(random.Random(draw(st.integers(0, 2**32))), **most)


def direct(*rows: Sequence[tuple[int, bool]], knowns: int = 0) -> LocalSystem:
    """A system without inner values."""
    return LocalSystem(len(rows), knowns, (), tuple(map(tuple, rows)))


def of_pattern(pattern: np.ndarray, seed: int | None = None) -> LocalSystem:
    """A system without inner values, no units, with rows and columns shuffled if there is a seed."""
    if seed is not None:
        rng = np.random.default_rng(seed)
        pattern = pattern[rng.permutation(len(pattern))][:, rng.permutation(len(pattern))]
    return direct(*([(int(j), False) for j in np.flatnonzero(row)] for row in pattern))


def band(size: int, width: int) -> np.ndarray:
    return np.abs(np.subtract.outer(np.arange(size), np.arange(size))) <= width


COLLISION = LocalSystem(
    2,
    1,
    (((0, False), (1, False), (2, False)), ((3, True),), ((4, True),)),
    (((3, True), (5, True)), ((3, False), (4, False))),
)
"""x reads everything; a = ±x; v = ±a. Equation 0 is ±v ± x, equation 1 reads x and a.

v has one reader, by a unit, and no source in common with it. Yet to eliminate it first loses the optimum, which is
a, x, v: there x → v and x → s are two units as long as v is there, and one label that is none afterwards.
"""

SCALED_ROW = direct(
    [(0, False), (1, False), (2, False)], [(0, True), (1, False), (2, True)], [(0, True), (1, True), (2, False)]
)
"""The pivot's column holds units only."""

SMALL = (
    COLLISION,
    SCALED_ROW,
    *(random_system(random.Random(seed)) for seed in range(120)),
    *(random_system(random.Random(seed), most_unknowns=7, most_inner=0, units=0.3) for seed in range(40)),
)
BATCH = (*SMALL, *(random_system(random.Random(seed), most_unknowns=6, most_inner=20) for seed in range(40)))


def test_the_batch_agrees_with_the_oracle() -> None:
    assert [k for k, system in enumerate(BATCH) if disagreements(system)] == []
    found = [local_cost(system) for system in BATCH]
    assert {cost.method for cost in found} == {"forward", "reverse", "markowitz", "optimum"}
    assert all(cost.exact for cost in found)
    assert {"scalar", "diagonal", "triangular", "dense", "sparse"} <= {cost.structure for cost in found}


@settings(max_examples=80, deadline=None)
@given(systems())
def test_random_systems_agree_with_the_oracle(system: LocalSystem) -> None:
    assert disagreements(system) == []


@settings(max_examples=20, deadline=None)
@given(systems(most_inner=6, most_unknowns=3, most_knowns=2))
def test_no_order_is_cheaper_than_the_optimum(system: LocalSystem) -> None:
    """All orders of six, and the operations of the optimum are those of one of them."""
    rows = with_numbers(system)
    found = {execute(system, order)[0] for order in permutations(drop_unneeded(system, rows))}
    optimum = dict(local_cost(system).accumulations)["optimum"]
    assert optimum in found
    assert optimum.total == min(o.total for o in found)


@settings(max_examples=30, deadline=None)
@given(systems(most_inner=14, most_unknowns=6, most_knowns=6), st.randoms(use_true_random=False))
def test_larger_systems_have_no_cheaper_order(system: LocalSystem, rng: random.Random) -> None:
    methods = dict(local_cost(system).accumulations)
    assert min(methods.values(), key=lambda o: o.total).total == methods["optimum"].total
    staying = drop_unneeded(system, with_numbers(system))
    for _ in range(5):
        rng.shuffle(staying)
        assert execute(system, staying)[0].total >= methods["optimum"].total


@settings(max_examples=25, deadline=None)
@given(systems(most_unknowns=9, most_knowns=2, most_inner=0, units=0.2))
def test_larger_factorisations_agree_with_the_oracle(system: LocalSystem) -> None:
    assert disagreements(system) == []


def test_an_early_elimination_that_seems_free_and_is_not() -> None:
    assert dict(local_cost(COLLISION).accumulations)["optimum"].total == 7
    assert min(execute(COLLISION, (5, *rest))[0].total for rest in permutations((3, 4))) == 8
    assert execute(COLLISION, (4, 3, 5))[0].total == 7


# -- known answers -----------------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(st.booleans(), st.lists(st.booleans(), max_size=8), st.randoms(use_true_random=False))
def test_an_atomic_step(pivot: bool, known: list[bool], rng: random.Random) -> None:
    row = [(0, pivot), *((j + 1, unit) for j, unit in enumerate(known))]
    rng.shuffle(row)
    cost = local_cost(LocalSystem(1, len(known), (), (tuple(row),)))
    assert cost.accumulate == NOTHING
    assert cost.factor == Operations(0, 0, 0 if pivot else 1)
    assert cost.solve == Operations(known.count(False) + (not pivot), max(len(known) - 1, 0), 0)
    assert (cost.size, cost.structure, cost.exact, cost.method) == (1, "scalar", True, "forward")
    assert cost.total == cost.factor + cost.solve


def test_without_unknowns_nothing_costs_anything() -> None:
    for inner in ((), (((0, False), (1, False)), ((2, False),))):
        cost = local_cost(LocalSystem(0, 2, inner, ()))
        assert cost.total == cost.accumulate == cost.factor == cost.solve == NOTHING
        assert (cost.size, cost.structure, cost.exact) == (0, "diagonal", True)
        assert all(operations == NOTHING for _, operations in cost.accumulations)


def test_a_lump_of_two_steps() -> None:
    """t = f(x, w); z = g(x, t): both inner, and 0 = t' − z. A = g_x + g_t f_x, B = (g_t f_w, −1)."""
    lump = LocalSystem(1, 2, (((0, False), (1, False)), ((0, False), (3, False))), (((4, True), (2, True)),))
    cost = local_cost(lump)
    assert {operations for _, operations in cost.accumulations} == {Operations(2, 1, 0)}
    assert cost.factor == Operations(0, 0, 1)
    assert cost.solve == Operations(2, 1, 0)
    assert cost.total.total == 7


def test_a_pivot_that_becomes_a_sum_is_no_unit() -> None:
    """z = x + y with y = x + w: the partial is 2."""
    lump = LocalSystem(1, 2, (((0, True), (1, True)), ((0, True), (3, True))), (((4, True), (2, True)),))
    assert local_cost(lump).accumulate == Operations(0, 1, 0)
    assert local_cost(lump).factor == Operations(0, 0, 1)
    copy = replace(lump, inner=(((0, True), (1, True)), ((1, True), (3, True))))
    assert local_cost(copy).factor == NOTHING


@pytest.mark.parametrize("size", [2, 3, 5, 8, 20])
def test_dense_matrices_cost_what_textbooks_say(size: int) -> None:
    cost = local_cost(of_pattern(np.ones((size, size), dtype=bool)))
    updates = sum(k * k for k in range(size))
    assert cost.factor == Operations(updates + sum(range(size)), updates, size)
    assert cost.solve == Operations(size * size, size * (size - 1), 0)
    assert cost.structure == "dense"
    # 2/3 l³ to leading order, reciprocals counted apart.
    assert 6 * (cost.factor.total - size) == 4 * size**3 - 3 * size**2 - size


def band_costs(size: int, width: int) -> tuple[Operations, Operations]:
    reach = [min(width, size - 1 - k) for k in range(size)]
    products, rest = sum(r * r for r in reach), sum(reach)
    return Operations(products + rest, products, size), Operations(2 * rest + size, 2 * rest, 0)


@pytest.mark.parametrize("seed", [None, 0, 1, 2])
@pytest.mark.parametrize(("size", "width"), [(8, 1), (9, 1), (16, 2), (40, 1), (60, 4)])
@pytest.mark.parametrize("most_exact", [1_000, 1])
def test_bands_are_found_in_any_order(
    monkeypatch: pytest.MonkeyPatch, size: int, width: int, seed: int | None, most_exact: int
) -> None:
    """Exactly, and by the closed form for large blocks; entry by entry no band costs more than from end to end."""
    monkeypatch.setattr(costs, "MOST_EXACT", most_exact)
    costs._local_cost.cache_clear()
    cost = local_cost(of_pattern(band(size, width), seed))
    costs._local_cost.cache_clear()
    assert cost.structure == "banded"
    assert cost.exact == (most_exact > 1)
    if width == 1 or not cost.exact:
        assert (cost.factor, cost.solve) == band_costs(size, width)
    else:
        assert cost.factor.total <= band_costs(size, width)[0].total


STRUCTURES = {
    "scalar": np.ones((1, 1), dtype=bool),
    "diagonal": np.eye(9, dtype=bool),
    "triangular": np.tri(9, dtype=bool),
    "dense": np.ones((9, 9), dtype=bool),
    "banded": band(9, 1),
    "sparse": np.eye(20, dtype=bool) | (np.arange(20) == 0) | (np.arange(20) == 0)[:, None],
}


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("seed", [None, 0, 1, 2, 3])
def test_structures_are_found_in_any_order(structure: str, seed: int | None) -> None:
    assert local_cost(of_pattern(STRUCTURES[structure], seed)).structure == structure


def test_more_structures() -> None:
    chain = np.eye(9, dtype=bool) | np.eye(9, k=1, dtype=bool)
    assert local_cost(of_pattern(chain, 0)).structure == "triangular"
    ring = np.eye(40, dtype=bool) | np.roll(np.eye(40, dtype=bool), 1, axis=1)
    assert local_cost(of_pattern(ring, 0)).structure == "banded"
    two = np.kron(np.eye(2, dtype=bool), np.ones((3, 3), dtype=bool))
    assert local_cost(of_pattern(two, 0)).structure == "dense"
    half = np.zeros((4, 4), dtype=bool)
    half[[0, 0, 1, 1, 2, 2, 3], [0, 1, 0, 1, 2, 3, 2]] = True
    assert half.sum() == 7
    assert local_cost(of_pattern(half)).structure == "sparse"
    half[3, 3] = True
    assert local_cost(of_pattern(half)).structure == "dense"


def test_only_diagonal_blocks_are_factored() -> None:
    """A 2 × 2 and a 3 × 3 block with everything between: the corner takes part in the solve alone."""
    pattern = np.ones((5, 5), dtype=bool)
    pattern[:2, 2:] = False
    cost = local_cost(of_pattern(pattern, 0))
    two, three = costs.dense_elimination(2), costs.dense_elimination(3)
    assert cost.factor == two[0] + three[0]
    assert cost.solve == two[1] + three[1] + Operations(6, 6, 0)
    triangular = local_cost(of_pattern(np.tri(5, dtype=bool), 0))
    assert triangular.factor == Operations(0, 0, 5)
    assert triangular.solve == Operations(15, 10, 0)


def test_a_column_of_units_is_not_scaled() -> None:
    cost = local_cost(direct([(0, False), (1, False)], [(0, True), (1, False)]))
    # The unit is the pivot: nothing to divide by but the last entry.
    assert cost.factor == Operations(1, 1, 1)
    cost = local_cost(SCALED_ROW)
    assert (cost.factor, cost.solve) == factor_and_solve(3, list(with_numbers(SCALED_ROW).values()))


# -- large blocks ------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 12), st.integers(0, 30), st.randoms(use_true_random=False))
def test_the_profile_bounds_an_elimination_along_its_diagonal(size: int, extra: int, rng: random.Random) -> None:
    """A cycle keeps the block in one piece; the fill is computed here, set by set."""
    own = rng.sample(range(size), size)
    entries = {(i, own[i]) for i in range(size)} | {(i, own[(i + 1) % size]) for i in range(size)}
    entries |= {(rng.randrange(size), rng.randrange(size)) for _ in range(extra)}
    rows, columns = (np.array(part) for part in zip(*sorted(entries), strict=True))
    block = costs._Entries(rows, columns, np.zeros(len(rows), dtype=bool))
    factor, solve = costs._eliminate_profile(block)
    whole = costs.dense_elimination(size)
    if 2 * len(entries) >= size * size:
        assert (factor, solve) == whole
        return
    place = costs._small_profile(rows, columns, size)
    left = set(zip(*(part.tolist() for part in place), strict=True))
    assert len(left) == len(entries)
    assert {(k, k) for k in range(size)} <= left
    products = rest = multipliers = 0
    for k in range(size):
        below = [i for i in range(k + 1, size) if (i, k) in left]
        beside = [j for j in range(k + 1, size) if (k, j) in left]
        left |= {(i, j) for i in below for j in beside}
        products += len(below) * len(beside)
        multipliers += min(len(below), len(beside))
        rest += len(below) + len(beside)
    assert products + multipliers <= factor.multiplications <= whole[0].multiplications
    assert products <= factor.additions <= whole[0].additions
    assert rest + size <= solve.multiplications <= whole[1].multiplications
    assert rest <= solve.additions <= whole[1].additions
    assert factor.divisions == size


def test_large_blocks_are_told_to_be_bounds() -> None:
    ring = LocalSystem(1_200, 0, (), tuple(((i, False), ((i + 1) % 1_200, False)) for i in range(1_200)))
    cost = local_cost(ring)
    assert not cost.exact
    assert cost.structure == "banded"
    exact = local_cost(replace(ring, unknowns=900, equations=(*ring.equations[:899], ((899, False), (0, False)))))
    assert exact.exact
    assert cost.factor.total / 1_200 <= 4 * exact.factor.total / 900
    triangular = LocalSystem(1_200, 0, (), tuple(((i, False), *([(i - 1, True)] if i else [])) for i in range(1_200)))
    cost = local_cost(triangular)
    assert cost.exact
    assert (cost.factor, cost.solve) == (Operations(0, 0, 1_200), Operations(1_200, 1_199, 0))


def test_many_inner_values() -> None:
    """A chain of 100,000: forward carries four columns along, reverse one row. Greedy orders are left out."""
    length = 100_000
    inner = (tuple((j, False) for j in range(4)), *(((4 + j, False),) for j in range(length - 1)))
    cost = local_cost(LocalSystem(1, 3, inner, (((3 + length, False),),)))
    assert cost.accumulations == (
        ("forward", Operations(4 * length, 0, 0)),
        ("reverse", Operations(length - 1 + 4, 0, 0)),
    )
    assert (cost.method, cost.accumulate.total) == ("reverse", length + 3)


def test_which_methods_are_left_out() -> None:
    def ladder(length: int) -> LocalSystem:
        """Each inner value reads two before it: they all hang together."""
        inner = tuple(((j, False), (j + 1, False)) for j in range(length))
        return LocalSystem(1, 1, inner, (((length + 1, False), (length, False)),))

    def methods(system: LocalSystem) -> list[str]:
        return [name for name, _ in local_cost(system).accumulations]

    every = ["forward", "reverse", "markowitz", "optimum"]
    assert methods(ladder(14)) == every
    assert methods(ladder(15)) == every[:3]
    assert methods(ladder(2_000)) == every[:3]
    assert methods(ladder(2_001)) == every[:2]
    apart = LocalSystem(30, 0, tuple(((j, False),) for j in range(30)), tuple(((30 + j, False),) for j in range(30)))
    assert methods(apart) == every
    assert dict(local_cost(apart).accumulations)["optimum"] == Operations(30, 0, 0)


# -- laws --------------------------------------------------------------------------------------------------------------


def by_method(system: LocalSystem) -> dict[str, Operations]:
    return dict(local_cost(system).accumulations)


@settings(max_examples=60, deadline=None)
@given(systems(), st.randoms(use_true_random=False))
def test_one_more_entry_makes_no_fixed_order_and_no_optimum_cheaper(system: LocalSystem, rng: random.Random) -> None:
    """Edges and labels that are no units only make more of both, in every state. (The greedy order may change.)"""
    n = system.unknowns + system.knowns
    rows = list(system.inner + system.equations)
    k = rng.randrange(len(rows))
    vertices = n + min(k, len(system.inner))
    free = sorted(set(range(vertices)) - {source for source, _ in rows[k]})
    if free:
        rows[k] = (*rows[k], (rng.choice(free), rng.random() < 0.5))
    else:
        rows[k] = tuple((source, False) for source, _ in rows[k])
    m = len(system.inner)
    more = replace(system, inner=tuple(rows[:m]), equations=tuple(rows[m:]))
    before, after = by_method(system), by_method(more)
    for method in ("forward", "reverse", "optimum"):
        assert after[method].total >= before[method].total


@settings(max_examples=60, deadline=None)
@given(systems(most_unknowns=6), st.randoms(use_true_random=False))
def test_the_order_of_unknowns_equations_and_entries_does_not_matter(system: LocalSystem, rng: random.Random) -> None:
    size, n = system.unknowns, system.unknowns + system.knowns
    places = [*rng.sample(range(size), size), *rng.sample(range(size, n), n - size)]

    def moved(rows: Sequence[tuple[tuple[int, bool], ...]]) -> list[tuple[tuple[int, bool], ...]]:
        changed = [[(places[s] if s < n else s, unit) for s, unit in row] for row in rows]
        return [tuple(rng.sample(row, len(row))) for row in changed]

    equations = moved(system.equations)
    rng.shuffle(equations)
    other = replace(system, inner=tuple(moved(system.inner)), equations=tuple(equations))
    cost, again = local_cost(system), local_cost(other)
    assert again.accumulations == cost.accumulations
    assert (again.method, again.structure) == (cost.method, cost.structure)
    assert again.factor.divisions <= cost.size
    assert (
        again.solve.additions >= cost.size - 1 if cost.structure not in ("scalar", "diagonal", "triangular") else True
    )


@settings(max_examples=60, deadline=None)
@given(systems(most_knowns=0))
def test_reverse_is_forward_of_the_transposed_system(system: LocalSystem) -> None:
    size, m = system.unknowns, len(system.inner)
    last = 2 * size + m - 1
    readers: list[list[tuple[int, bool]]] = [[] for _ in range(size + m)]
    for v, row in enumerate(system.inner + system.equations, start=size):
        for source, unit in row:
            readers[source].append((last - v, unit))
    rows = [tuple(row) for row in reversed(readers)]
    there, back = by_method(system), by_method(LocalSystem(size, 0, tuple(rows[:m]), tuple(rows[m:])))
    assert (there["forward"], there["reverse"]) == (back["reverse"], back["forward"])
    assert there["optimum"].total == back["optimum"].total


@settings(max_examples=60, deadline=None)
@given(systems(most_inner=3))
def test_generic_labels_cost_no_less_than_units(system: LocalSystem) -> None:
    def relabelled(unit: bool) -> LocalSystem:
        rows = [tuple((source, unit) for source, _ in row) for row in system.inner + system.equations]
        m = len(system.inner)
        return replace(system, inner=tuple(rows[:m]), equations=tuple(rows[m:]))

    units, given_, none = (local_cost(s) for s in (relabelled(True), system, relabelled(False)))
    for method in ("forward", "reverse", "optimum"):
        totals = [dict(cost.accumulations)[method].total for cost in (units, given_, none)]
        assert totals == sorted(totals)
    assert units.structure == given_.structure == none.structure


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("system", "says"),
    [
        (LocalSystem(-1, 0, (), ()), "not negative"),
        (LocalSystem(1, -2, (), (((0, False),),)), "not negative"),
        (LocalSystem(2, 0, (), (((0, False),),)), "1 equations and 2 unknowns"),
        (LocalSystem(1, 0, (), (((1, False),),)), "source 1"),
        (LocalSystem(1, 0, (), (((-1, False),),)), "source -1"),
        (LocalSystem(1, 0, (((1, False),),), (((0, False),),)), "inner value 0, vertex 1"),
        (LocalSystem(0, 0, (((0, False),),), ()), "there are no vertices"),
        (LocalSystem(1, 0, (), (((0, False), (0, True)),)), "twice"),
        (LocalSystem(1, 1, (), (((1, False),),)), "structurally singular"),
        (LocalSystem(2, 0, (), (((0, False),), ((0, False),))), "at most 1 entries"),
        (LocalSystem(1, 1, (((1, False),),), (((2, False),),)), "structurally singular"),
        (LocalSystem(1, 0, (), [((0, False),)]), "hashable"),  # pyright: ignore[reportArgumentType]
    ],
)
def test_what_is_no_local_system(system: LocalSystem, says: str) -> None:
    with pytest.raises(InputError) as caught:
        local_cost(system)
    assert isinstance(caught.value, FlowgraphError)
    assert says in str(caught.value)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 4), st.randoms(use_true_random=False))
def test_singular_is_what_no_permutation_saves(size: int, rng: random.Random) -> None:
    pattern = np.array([[rng.random() < 0.4 for _ in range(size)] for _ in range(size)])
    regular = any(all(pattern[i, j] for i, j in enumerate(p)) for p in permutations(range(size)))
    try:
        cost: LocalCost | None = local_cost(of_pattern(pattern))
    except InputError:
        cost = None
    assert (cost is not None) == regular


def test_equal_systems_are_counted_once() -> None:
    costs._local_cost.cache_clear()
    for _ in range(3):
        local_cost(random_system(random.Random(7)))
    assert costs._local_cost.cache_info().misses == 1
    assert costs._local_cost.cache_info().hits == 2


def test_operations_are_those_of_the_modes() -> None:
    assert modes.Operations is Operations
    assert Operations(1, 2, 3) + Operations(10, 20, 30) == Operations(11, 22, 33)
    assert Operations(1, 2, 3).total == 6


# -- a test of the tests -----------------------------------------------------------------------------------------------

ELIMINATE = elimination.Elimination.eliminate
TANGENTS = elimination.tangents


def forgets_additions(self: elimination.Elimination, v: int) -> elimination.Counts:
    return ELIMINATE(self, v)._replace(additions=0)


def counts_units(self: elimination.Elimination, v: int) -> elimination.Counts:
    pairs = self.reads[v].bit_count() * self.readers[v].bit_count()
    return ELIMINATE(self, v)._replace(multiplications=pairs)


def sums_are_units(self: elimination.Elimination, v: int) -> elimination.Counts:
    kept = self.generic_readers.copy()
    counts = ELIMINATE(self, v)
    self.generic_readers[:] = [mask & ~(old ^ mask) for old, mask in zip(kept, self.generic_readers, strict=True)]
    return counts


def all_generic(graph: elimination.ComputationalGraph) -> Any:
    return (tangent._replace(generic=tangent.sources) for tangent in TANGENTS(graph))


def one_addition_more(graph: elimination.ComputationalGraph) -> Any:
    return (t._replace(counts=t.counts.plus(elimination.Counts(0, t.row == 0))) for t in TANGENTS(graph))


def one_block(size: int, *_: object) -> np.ndarray:
    return np.zeros(size, dtype=np.int64)


def first_entry(there: np.ndarray, *_: object) -> tuple[int, int]:
    i, j = np.argwhere(there)[0]
    return int(i), int(j)


def scales_the_column(pivot_is_unit: bool, column: np.ndarray, row: np.ndarray) -> Any:
    scaled = column & pivot_is_unit
    products = np.count_nonzero(~scaled) * np.count_nonzero(~row)
    multipliers = 0 if pivot_is_unit else np.count_nonzero(~column)
    return Operations(int(multipliers + products), 0, int(not pivot_is_unit)), scaled, row


def dense_without_multipliers(size: int) -> tuple[Operations, Operations]:
    squares = size * (size - 1) * (2 * size - 1) // 6
    return Operations(squares, squares, size), Operations(size * size, size * (size - 1), 0)


PLANTED: dict[str, tuple[ModuleType | type, str, Callable[..., Any], set[str]]] = {
    "additions forgotten": (elimination.Elimination, "eliminate", forgets_additions, {"markowitz", "optimum"}),
    "products with units counted": (elimination.Elimination, "eliminate", counts_units, {"markowitz", "optimum"}),
    "sums taken for units": (elimination.Elimination, "eliminate", sums_are_units, {"markowitz"}),
    "an addition too many": (costs, "tangents", one_addition_more, {"forward"}),
    "one too many in reverse": (elimination, "tangents", one_addition_more, {"reverse"}),
    "units lost": (costs, "tangents", all_generic, {"factor", "solve"}),
    "collisions of units overlooked": (elimination, "_both_by_units", lambda *_: False, {"optimum"}),
    "all called harmless": (elimination, "_harmless", lambda *_: True, {"optimum"}),
    "any order called the best": (elimination, "best_order", lambda _, vertices: tuple(vertices), {"optimum"}),
    "no diagonal blocks": (costs, "_components", one_block, {"factor"}),
    "the first entry as pivot": (costs, "_pivot", first_entry, {"factor"}),
    "the column always scaled": (costs, "_pivot_step", scales_the_column, {"factor"}),
    "multipliers forgotten": (costs, "dense_elimination", dense_without_multipliers, {"factor"}),
    "units not free": (costs, "_generic", lambda entries: len(entries.units), {"factor", "solve"}),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_error_is_caught(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    where, attribute, wrong, caught_in = PLANTED[name]
    monkeypatch.setattr(where, attribute, wrong)
    costs._local_cost.cache_clear()
    found = {what for system in SMALL for what in disagreements(system)}
    costs._local_cost.cache_clear()
    assert caught_in <= found


def test_the_oracle_rejects_a_wrong_elimination() -> None:
    """The oracle's own numbers are held against dense matrices: one edge lost, and they differ."""
    system = next(s for s in BATCH if len(s.inner) > 2 and local_cost(s).accumulate.multiplications > 4)
    _, rows = execute(system, "forward")
    assert (matrix_of(system, rows) == dense_matrix(system)).all()
    first = next(row for row in rows.values() if row)
    first.pop(next(iter(first)))
    assert (matrix_of(system, rows) != dense_matrix(system)).any()
