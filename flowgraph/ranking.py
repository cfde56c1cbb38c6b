"""Orders of a program's steps with their lumps and their cost, best first.

Reference: THEORY section 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flowgraph.local_systems import Counted, count_lumps, forward_count, unit_labels
from flowgraph.lump_report import OperationCounts
from flowgraph.lumping import Lumping, finest_order
from flowgraph.orders import legal_order
from flowgraph.program import Program
from flowgraph.progress import Tell
from flowgraph.structure import require_invertible


@dataclass(frozen=True, slots=True, eq=False)
class RankedOrder:
    """One order with its lumps and what J⁻¹v costs by them.

    Attributes:
        order: step numbers.
        lumping: its lumps.
        counts: what they cost.
        ratio: operations of J⁻¹v over those of J v; None where not counted.
        given: whether it is the program's own order.
        best: whether it is the one that ``best_order`` gives.
    """

    order: tuple[int, ...]
    lumping: Lumping
    counts: Counted
    ratio: float | None
    given: bool
    best: bool

    @property
    def operations(self) -> int | None:
        """All operations of J⁻¹v for one point and one vector; None where not counted."""
        return None if self.counts.count is None else self.counts.count.total.total


def rank_orders(
    program: Program, orders: Sequence[Sequence[int]], *, progress: Tell | None = None
) -> tuple[RankedOrder, ...]:
    """The given orders, the program's own and the best one, by cost, then by number of lumps, each once.

    Raises:
        NotInvertible: J is not square, or singular for every x.

    Example:
        >>> from flowgraph.language import parse
        >>> from flowgraph.orders import enumerate_orders
        >>> program = parse("inputs x, y\\nt1 = p(x)\\nt2 = p(y)\\nz1 = q(x, t1)\\nz2 = q(y, t2)\\noutputs z1, z2")
        >>> [(len(r.lumping), r.given) for r in rank_orders(program, list(enumerate_orders(program)))][:3]
        [(2, False), (2, False), (1, True)]
    """
    structure = require_invertible(program)
    flow = structure.flow
    units = unit_labels(program, flow)
    jvp = forward_count(flow, units)
    own = tuple(np.flatnonzero(flow.needed).tolist())
    best = tuple(finest_order(structure).tolist())
    found = []
    wanted = dict.fromkeys((best, own, *map(tuple, orders)))
    for place, order in enumerate(wanted):
        if progress is not None:
            progress("orders", place, len(wanted))
        lumping = Lumping(program, flow, legal_order(program, flow, order))
        counted = count_lumps(flow, units, lumping)
        ratio = OperationCounts(jvp, counted, None, None).ratio(counted)
        found.append(RankedOrder(order, lumping, counted, ratio, order == own, order == best))
    return tuple(sorted(found, key=_rank))


def _rank(ranked: RankedOrder) -> tuple[float, int, bool, bool, tuple[int, ...]]:
    cost = np.inf if ranked.operations is None else ranked.operations
    return cost, -len(ranked.lumping), not ranked.best, not ranked.given, ranked.order
