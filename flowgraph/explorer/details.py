"""Sentences on what is selected, and on why a lump exists and what would split it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from flowgraph.errors import InputError
from flowgraph.explorer.distribution import not_invertible
from flowgraph.explorer.order_view import precedence
from flowgraph.explorer.state import Selection, State
from flowgraph.explorer.study import Order, Study
from flowgraph.lump_report import listed, why
from flowgraph.lumping import Lump

_PARTS = 12
_NAMES = 6


@dataclass(frozen=True, slots=True)
class Detail:
    """What there is to say about a step, a value or a lump.

    Attributes:
        kind: which of them.
        index: its number.
        title: what it is.
        lines: sentences.
    """

    kind: str
    index: int
    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a lump exists.

    Attributes:
        lump: its place among the lumps.
        why: a sentence.
        split: what would split it, or that nothing would.
        parts: its steps by the lumps of the best order.
    """

    lump: int
    why: str
    split: str
    parts: tuple[Order, ...]

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {"lump": self.lump, "why": self.why, "split": self.split, "parts": [list(part) for part in self.parts]}


def explain(of: Study, order: Order | None, index: int) -> Explanation:
    """Why a lump exists and what would split it.

    Raises:
        InputError: there is no such lump.
        NotInvertible: J has no inverse for any x, so there are no lumps.

    Example:
        >>> from flowgraph.explorer.limits import LIMITS
        >>> from flowgraph.explorer.study import study
        >>> text = "inputs x, y\\nt1 = p(x)\\nt2 = p(y)\\nz1 = q(x, t1)\\nz2 = q(y, t2)\\noutputs z1, z2"
        >>> explain(study(text, LIMITS), None, 0).split
        'the best order splits it into 2 lumps: t1, z1 | t2, z2'
    """
    if of.best is None:
        raise not_invertible(of)
    lumping, best = of.along(order).lumping, of.along(of.best).lumping
    if index >= len(lumping):
        raise InputError("there is no such lump", got=str(index + 1), expected=f"1 to {len(lumping)}")
    lump = lumping[index]
    active = of.structure.flow.active
    steps = [step for step in lump.steps if active[step]]
    parts: dict[int, list[int]] = {}
    for step in steps:
        parts.setdefault(best.lump_at(int(best.birth[of.program.n_inputs + step])), []).append(step)
    groups = tuple(tuple(parts[key]) for key in sorted(parts))
    n = of.program.n_inputs
    if len(steps) == 1:
        name = of.program.name(n + steps[0])
        dies = listed(of.program, lump.consumed)
        return Explanation(index, f"{name} takes the place of {dies}: a lump of one step, l = 1", "", groups)
    # Which lines a lump comes from says little along another order: there are lines between them that are not in it.
    reason = f"one lump because{why(of.program, lumping, lump, lumping).partition(' exists because')[2]}"
    if len(groups) == 1:
        blocks = _block_sizes(of, steps)
        split = "no order splits it: its steps stand together in one lump of every order"
        if max(blocks) == 1:
            split += f"; but it consists of {len(blocks)} scalar blocks, so no linear system has to be solved"
        elif len(blocks) > 1:
            split += f"; it consists of {len(blocks)} blocks, the largest of {max(blocks)} rows"
        return Explanation(index, reason, split, groups)
    shown = " | ".join(listed(of.program, [n + k for k in group], _NAMES) for group in groups[:_PARTS])
    more = f" | … ({len(groups)})" if len(groups) > _PARTS else ""
    return Explanation(index, reason, f"the best order splits it into {len(groups)} lumps: {shown}{more}", groups)


def _block_sizes(of: Study, steps: list[int]) -> list[int]:
    """The numbers of rows of the blocks that some steps belong to."""
    blocks = of.structure.blocks
    inside = np.isin(blocks.rows, steps)
    which = np.unique(np.repeat(np.arange(len(blocks)), blocks.sizes)[inside])
    return blocks.sizes[which].tolist()


def detail_of(of: Study, state: State) -> Detail | None:
    """What there is to say about the selection of a state; None where nothing fitting is selected."""
    chosen = state.selection
    if chosen is None:
        return None
    along = of.along(state.order)
    n, total = of.program.n_inputs, of.program.n_steps
    if chosen.kind == "lump":
        if of.best is None or chosen.index >= len(along.lumping):
            return None
        return _lump(of, state.order, chosen)
    if chosen.kind == "step":
        return _step(of, state.order, chosen.index) if chosen.index < total else None
    if chosen.index >= n + total:
        return None
    return _value(of, state.order, chosen.index)


def _lump(of: Study, order: Order | None, chosen: Selection) -> Detail:
    lump, told = of.along(order).lumping[chosen.index], explain(of, order, chosen.index)
    program = of.program
    lines = [
        f"{len(lump.steps)} step{'s' * (len(lump.steps) != 1)}, {_rows(lump)}, l = {lump.size}",
        f"consumes {listed(program, lump.consumed)}; produces {listed(program, lump.produced)}",
        *([f"reads {listed(program, lump.read)}"] if lump.read else []),
        told.why,
        *([told.split] if told.split else []),
    ]
    return Detail("lump", chosen.index, f"lump {chosen.index + 1}", tuple(lines))


def _rows(lump: Lump) -> str:
    first, last = lump.start + 1, lump.stop
    return f"row {first}" if first == last else f"rows {first} to {last}"


def _life(of: Study, order: Order | None, value: int) -> str:
    lumping, n = of.along(order).lumping, of.program.n_inputs
    birth, death = int(lumping.birth[value]), int(lumping.death[value])
    if death < 0 or birth < 0:
        return "no derivative flows through it"
    start = "given in row 0" if value < n else f"made in row {birth}"
    if death > len(lumping.order):
        return f"{start}, lives to the end: it is an output"
    reader = of.program.name(n + int(lumping.order[death - 1]))
    return f"{start}, read last by {reader} in row {death}"


def _value(of: Study, order: Order | None, value: int) -> Detail:
    n = of.program.n_inputs
    what = "input" if value < n else str(of.program.step(value - n))
    return Detail("value", value, of.program.name(value), (what, _life(of, order, value)))


def _step(of: Study, order: Order | None, step: int) -> Detail:
    program, n = of.program, of.program.n_inputs
    name = program.name
    line = f"line {program.line(step)}" if program.line(step) else ""
    steps = of.steps(order)
    if step not in steps:
        return Detail("step", step, str(program.step(step)), tuple(filter(None, (line, "dead code: nothing needs it"))))
    place = steps.index(step)
    bands, blockers = precedence(of, np.array(steps, dtype=np.int64))
    (first, last), (earlier, later) = bands[place], blockers[place]
    if first == last:
        band = f"row {place + 1}, where it must stay"
    else:
        band = f"row {place + 1}; may go to rows {first} to {last}"
    causes = []
    if earlier is not None:
        causes.append(f"it needs {name(n + earlier)}")
    if later is not None:
        causes.append(f"{name(n + later)} needs it")
    lines = (line, band + (f": {', '.join(causes)}" if causes else ""), _life(of, order, n + step))
    return Detail("step", step, str(program.step(step)), tuple(filter(None, lines)))
