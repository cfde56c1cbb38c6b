"""What to say about lumps and blocks: which are the largest, why they exist, what they cost; as words and as JSON.

Reference: THEORY sections 5 to 7.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowgraph.costs import Operations
from flowgraph.local_systems import Counted
from flowgraph.lumping import Lump, Lumping
from flowgraph.program import Program
from flowgraph.structure import Blocks

Array = NDArray[Any]

LARGEST = 8
"""How many lumps and blocks are shown one by one, the most costly ones first."""

_LISTED = 1_000
"""Up to this many are listed in JSON."""

_LISTED_STEPS = 20_000
"""Of longer programs only the largest lumps are."""


@dataclass(frozen=True, slots=True)
class OperationCounts:
    """Exact numbers of operations, for one point x and one vector, beyond the partials themselves.

    Attributes:
        jvp: J v.
        given: J⁻¹v by the lumps of the order at hand; None where J is singular for every x.
        best: J⁻¹v by the lumps of the best order.
        blocks: J⁻¹v by the blocks.
    """

    jvp: Operations
    given: Counted | None
    best: Counted | None
    blocks: Counted | None

    def ratio(self, counted: Counted | None) -> float | None:
        """How many times as many operations as J v; None where either is not counted or J v takes none."""
        if counted is None or counted.count is None or self.jvp.total == 0:
            return None
        return counted.count.total.total / self.jvp.total


# -- words ----------------------------------------------------------------------------------------------------------


def place_of(program: Program, steps: Sequence[int]) -> str:
    """The source lines that some steps come from, or the steps themselves where no lines are known."""
    lines = program.lines(np.asarray(steps))
    lines = lines[lines > 0]
    if len(lines) == 0:
        first, last = min(steps) + 1, max(steps) + 1
        return f"step {first}" if first == last else f"steps {first} to {last}"
    first, last = int(lines.min()), int(lines.max())
    return f"line {first}" if first == last else f"lines {first} to {last}"


def listed(program: Program, values: Sequence[int], most: int = 6) -> str:
    """Names of values, the first few of many."""
    names = ", ".join(program.name(int(v)) for v in values[:most])
    return names + (f", … ({len(values)})" if len(values) > most else "")


def largest(lumping: Lumping, counted: Counted | None) -> list[int]:
    """The lumps of an order, the most costly first; where costs are unknown those with most steps first."""
    cost = np.zeros(len(lumping))
    for piece in counted.pieces if counted else ():
        cost[piece.index] = np.inf if piece.cost is None else piece.cost.total.total
    order = np.lexsort((np.arange(len(lumping)), -lumping.lengths, -lumping.sizes, -cost))
    return order[:LARGEST].tolist()


def why(program: Program, lumping: Lumping, lump: Lump, best: Lumping) -> str:
    """Why a lump of several steps is not two: what is alive at the place inside where it comes closest to a cut."""
    inside = lumping.widths[lump.start + 1 : lump.stop]
    time = lump.start + 1 + int(np.argmin(inside))
    n = program.n_inputs
    birth, death = lumping.birth, lumping.death
    # Live there, and dead at the end of the lump: were it gone at once, there would be a cut.
    values = lumping.read_by(np.array(lump.steps))
    live = values[(birth[values] <= time) & (time < death[values]) & (death[values] <= lump.stop)]
    made_before = birth[live] <= lump.start
    text = f"the lump of {place_of(program, lump.steps)} exists because"
    if len(live) == 0:
        text += f" {int(inside.min())} values live inside it"
    else:
        late = int(live[np.lexsort((live, death[live], made_before))[0]])
        last = int(lumping.order[death[late] - 1])
        text += f" {program.name(late)} stays live to {place_of(program, [last])}"
    born = best.birth[n + np.array(lump.steps)]
    born = born[born > 0]
    first, final = np.searchsorted(best.bounds, [born.min(), born.max()], side="left")
    return text + ("; the best order splits it" if first != final else "")


def width_chart(widths: Array, n: int, columns: int = 64, rows: int = 8) -> str:
    """The width profile as text: time to the right, one row of characters for each width from n upward.

    Long profiles show the largest width of each stretch of time, wide ones the same for each stretch of widths.

    Example:
        >>> print(width_chart(np.array([2, 3, 4, 3, 2, 3, 2]), 2))
        width  4 │  ▇
               3 │ ▇▇▇ ▇
           n = 2 └───────
    """
    stretches = np.array_split(widths, min(columns, len(widths)))
    highest = [int(part.max()) for part in stretches]
    lowest = [int(part.min()) for part in stretches]
    top, floor = max(highest), min(*lowest, n)
    step = max(1, -(-(top - n) // rows))
    levels = list(range(n + step * -(-(top - n) // step), n, -step))
    margin = max(len(f"n = {n}"), len(f"width {top}"))
    lines = []
    for k, level in enumerate(levels):
        head = f"width {level}" if k == 0 else str(level)
        marks = "".join("▇" if high > level - step else " " for high in highest)
        lines.append(f"{head:>{margin}} │{marks}".rstrip())
    below = "".join("╌" if low < n else "─" for low in lowest)
    lines.append(f"{f'n = {n}':>{margin}} └{below}")
    if floor < n:
        lines.append(f"{'':>{margin}}  (╌ where fewer than n values live)")
    return "\n".join(lines)


# -- JSON -----------------------------------------------------------------------------------------------------------


def operations_json(count: Operations) -> dict[str, int]:
    """Numbers of operations as JSON."""
    return {
        "multiplications": count.multiplications,
        "additions": count.additions,
        "divisions": count.divisions,
        "total": count.total,
    }


def counted_json(counts: OperationCounts, counted: Counted | None) -> dict[str, Any] | None:
    """The operations of J⁻¹v as JSON: null where J is singular, or where a piece is too large to be counted."""
    if counted is None or counted.count is None:
        return None
    count = counted.count
    return {
        "accumulate": operations_json(count.accumulate),
        "factor": operations_json(count.factor),
        "solve": operations_json(count.solve),
        "total": operations_json(count.total),
        "ratio": counts.ratio(counted),
    }


def lumps_json(program: Program, lumping: Lumping | None, counted: Counted | None) -> dict[str, Any] | None:
    """The lumps of an order as JSON: how many of each size, and up to 1,000 of them one by one."""
    if lumping is None:
        return None
    cost = {piece.index: piece.cost for piece in counted.pieces} if counted else {}
    name = program.name
    every = len(lumping) <= _LISTED and len(lumping.order) <= _LISTED_STEPS
    shown = range(len(lumping)) if every else sorted(largest(lumping, counted))

    def one(index: int) -> dict[str, Any]:
        lump = lumping[index]
        found = cost.get(index)
        return {
            "index": index + 1,
            "steps": [name(program.n_inputs + k) for k in lump.steps],
            "lines": sorted({program.line(k) for k in lump.steps} - {0}),
            "size": lump.size,
            "consumed": [name(v) for v in lump.consumed],
            "produced": [name(v) for v in lump.produced],
            "read": [name(v) for v in lump.read],
            "matrix": found.structure if found else ("scalar" if len(lump.steps) == 1 else None),
            "operations": found.total.total if found else None,
        }

    return {
        "count": len(lumping),
        "cuts": lumping.cuts.tolist(),
        "sizes": {str(size): number for size, number in sorted(Counter(lumping.sizes.tolist()).items())},
        "listed": len(shown),
        "lumps": [one(index) for index in shown],
    }


def blocks_json(program: Program, blocks: Blocks, counted: Counted | None) -> dict[str, Any]:
    """The blocks as JSON: how many, and up to 1,000 of those with several rows one by one, the largest first."""
    cost = {piece.index: piece.cost for piece in counted.pieces} if counted else {}
    several = np.flatnonzero(blocks.sizes > 1)
    name = program.name

    def one(index: int) -> dict[str, Any]:
        block = blocks[index]
        found = cost.get(index)
        return {
            "rows": [name(program.n_inputs + k) for k in block.steps],
            "lines": sorted({program.line(k) for k in block.steps} - {0}),
            "size": block.size,
            "path": [name(v) for v in block.path],
            "unknowns": [name(v) for v in block.unknowns],
            "matrix": found.structure if found else None,
            "operations": found.total.total if found else None,
        }

    shown = several[np.argsort(-blocks.sizes[several], kind="stable")][:_LISTED]
    return {
        "count": int(np.count_nonzero(blocks.with_steps)) if len(blocks) else 0,
        "scalar": int(np.count_nonzero(blocks.with_steps & (blocks.sizes == 1))) if len(blocks) else 0,
        "larger": len(several),
        "listed": len(shown),
        "blocks": [one(int(index)) for index in shown],
    }
