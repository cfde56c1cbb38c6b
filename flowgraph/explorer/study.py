"""``Study``: what is found out once about the text of a program, whatever the order of its steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowgraph.analysis import singular_points
from flowgraph.costs import Operations
from flowgraph.errors import FlowgraphError, InputError
from flowgraph.explorer.limits import Limits
from flowgraph.language import parse
from flowgraph.local_systems import Counted, count_blocks, count_lumps, forward_count, unit_labels
from flowgraph.lumping import Lumping, finest_order
from flowgraph.orders import legal_order
from flowgraph.program import Program
from flowgraph.structure import Structure, decompose

Order = tuple[int, ...]
"""Step numbers from 0, dead steps left out."""

_TEXTS = 8
_ORDERS = 64


@dataclass(frozen=True, slots=True, eq=False)
class Along:
    """A program along one order of its steps.

    Attributes:
        lumping: live ranges, widths and lumps.
        counted: the operations of J⁻¹v by the lumps; None where J is singular for every x or it is too much to count.
    """

    lumping: Lumping
    counted: Counted | None

    @property
    def operations(self) -> int | None:
        """All operations of J⁻¹v for one point and one vector; None where not counted."""
        if self.counted is None or self.counted.count is None:
            return None
        return self.counted.count.total.total


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """What does not depend on the order of the steps.

    Attributes:
        key: a digest of the text.
        program: the program, steps in the order of the text.
        structure: rank, matching, blocks, certificate.
        units: which labels are ±1.
        jvp: the operations of J v.
        own: the order of the text.
        best: an order with the most lumps; None where J is singular for every x.
        blocks: the operations of J⁻¹v by the blocks; None where J is singular or it is too much to count.
        identities: at how many random points J was singular though its structure is sound; 0 where at one it was not.
        reads: for every step the values that a derivative flows from, each once.
        limits: what is too much.
    """

    key: str
    program: Program
    structure: Structure
    units: NDArray[Any]
    jvp: Operations
    own: Order
    best: Order | None
    blocks: Counted | None
    identities: int
    reads: tuple[tuple[int, ...], ...]
    limits: Limits

    def legal(self, order: Sequence[int | str] | None) -> Order | None:
        """An order, checked; None where it is the program's own.

        Raises:
            InputError: a step is missing, repeated, unknown, or before one that it reads.
        """
        if order is None:
            return None
        found = tuple(legal_order(self.program, self.structure.flow, order).tolist())
        return None if found == self.own else found

    def steps(self, order: Order | None) -> Order:
        """The steps of a legal order, written out."""
        return self.own if order is None else order

    def names(self, order: Order | None) -> tuple[str, ...]:
        """The names of the results along a legal order."""
        n = self.program.n_inputs
        return tuple(self.program.name(n + k) for k in self.steps(order))

    def along(self, order: Order | None) -> Along:
        """The program along a legal order."""
        return _along(self, self.steps(order))


def study(text: str, limits: Limits) -> Study:
    """Read a program and find out what does not depend on the order of its steps.

    Raises:
        ParseError: the text is no program.
        InputError: the program is too large.
    """
    if len(text) > limits.text:
        raise InputError(
            "the program's text is too long for the explorer",
            got=f"{len(text):,} characters",
            expected=f"at most {limits.text:,}",
            remedy="use the command line: flowgraph analyze",
        )
    found = _study(text, limits)
    if isinstance(found, FlowgraphError):
        raise found.with_traceback(None)
    return found


@lru_cache(maxsize=_TEXTS)
def _study(text: str, limits: Limits) -> Study | FlowgraphError:
    """The study, or why there is none: reading a long text with a mistake takes as long as reading a good one."""
    try:
        return _read(text, limits)
    except FlowgraphError as error:
        return error.with_traceback(None)


def _read(text: str, limits: Limits) -> Study:
    program = parse(text)
    for count, most, noun in (
        (program.n_steps, limits.steps, "steps"),
        (max(program.n_inputs, program.n_outputs), limits.inputs, "inputs or outputs"),
    ):
        if count > most:
            raise InputError(
                f"the program has too many {noun} for the explorer",
                got=f"{count:,}",
                expected=f"at most {most:,}",
                remedy="use the command line: flowgraph analyze",
            )
    structure = decompose(program)
    flow = structure.flow
    units = unit_labels(program, flow)
    reads: list[list[int]] = [[] for _ in range(program.n_steps)]
    for step, value in zip(flow.readers.tolist(), flow.arguments.tolist(), strict=True):
        reads[step].append(value)
    return Study(
        key=blake2b(text.encode(), digest_size=12).hexdigest(),
        program=program,
        structure=structure,
        units=units,
        jvp=forward_count(flow, units),
        own=tuple(np.flatnonzero(flow.needed).tolist()),
        best=None if structure.singular else tuple(finest_order(structure).tolist()),
        blocks=_counted_blocks(structure, units, limits),
        identities=_identities(structure, limits),
        reads=tuple(map(tuple, reads)),
        limits=limits,
    )


def _identities(structure: Structure, limits: Limits) -> int:
    program = structure.program
    if structure.singular or program.n_inputs * program.n_steps > limits.tried:
        return 0
    return singular_points(program)


def _counted_blocks(structure: Structure, units: NDArray[Any], limits: Limits) -> Counted | None:
    if structure.singular or int((structure.blocks.sizes.astype(np.int64) ** 2).sum()) > limits.counted:
        return None
    return count_blocks(structure, units)


@lru_cache(maxsize=_ORDERS)
def _along(of: Study, order: Order) -> Along:
    flow = of.structure.flow
    lumping = Lumping(of.program, flow, np.array(order, dtype=np.int64))
    if of.structure.singular or int((lumping.lengths * lumping.sizes).sum()) > of.limits.counted:
        return Along(lumping, None)
    return Along(lumping, count_lumps(flow, of.units, lumping))
