"""Total orders of the steps of a program: which are legal, how many there are, all of them, or a sample.

An order is legal when every step comes after all it reads. Dead steps have no place in it.

Reference: THEORY section 5.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from random import Random
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowgraph.data_flow import DataFlow, data_flow
from flowgraph.errors import InputError
from flowgraph.program import Program, require_program

Array = NDArray[Any]

_MOST_IDEALS = 200_000
"""Counting visits every set of steps that is closed under predecessors; beyond so many it is refused."""

_MOST_LOOKS = 20_000_000
"""At every one of these sets all steps are looked at, which long programs cannot afford for so many."""

_MOST_WEIGHED = 200
"""Up to so many steps a sample tries to be uniform."""


def legal_order(program: Program, flow: DataFlow, order: Sequence[int | str] | Array | None) -> Array:
    """The step numbers of an order, checked; the program's own order where none is given.

    Raises:
        InputError: a step is missing, repeated, unknown, or before one that it reads.
    """
    if order is None:
        return np.flatnonzero(flow.needed)
    steps = step_numbers(program, order)
    # Dead code may be named, and takes no part.
    places = np.flatnonzero(flow.needed[steps])
    steps = steps[places]
    n = flow.n_inputs
    counts = np.bincount(steps, minlength=flow.n_steps)
    if (counts > 1).any():
        twice = int(np.flatnonzero(counts > 1)[0])
        where = ", ".join(str(int(k) + 1) for k in places[steps == twice][:3])
        raise InputError(
            f"the order has the step {program.name(n + twice)} more than once",
            where=f"places {where}",
            got=str(program.step(twice)),
            expected="every step once",
        )
    missing = np.flatnonzero(flow.needed & (counts == 0))
    if len(missing):
        names = ", ".join(program.name(n + int(k)) for k in missing[:8])
        raise InputError(
            f"the order leaves out {len(missing)} step{'s' * (len(missing) != 1)}",
            got=f"{len(steps)} of {int(np.count_nonzero(flow.needed))} steps",
            expected="every step once",
            remedy=f"give a place to {names}" + (" and others" if len(missing) > 8 else ""),
        )
    position = np.full(flow.n_steps, -1, dtype=np.int64)
    position[steps] = np.arange(len(steps))
    early = np.flatnonzero(position[flow.after] < position[flow.before])
    if len(early):
        first = int(early[np.argmin(position[flow.after[early]])])
        reader, read = int(flow.after[first]), int(flow.before[first])
        line = f", line {program.line(reader)}" if program.line(reader) else ""
        raise InputError(
            f"{program.name(n + reader)} needs {program.name(n + read)}, which comes later in the order",
            where=f"place {int(places[position[reader]]) + 1} of the order{line}: {program.step(reader)}",
            got=f"{program.name(n + reader)} before {program.name(n + read)}",
            remedy=f"put {program.name(n + read)} before {program.name(n + reader)}",
        )
    return steps


def step_numbers(program: Program, order: Sequence[int | str] | Array) -> Array:
    """The 0-based steps that an order names, by number or by the names of their results.

    Raises:
        InputError: there is no such step.
    """
    given = order.tolist() if isinstance(order, np.ndarray) else list(order)
    number: dict[str, int] = {}
    if any(isinstance(entry, str) for entry in given):
        number = {program.name(program.n_inputs + step): step for step in range(program.n_steps)}
    steps = np.empty(len(given), dtype=np.int64)
    for place, entry in enumerate(given):
        step = number.get(entry, -1) if isinstance(entry, str) else entry
        known = isinstance(step, int | np.integer) and not isinstance(step, bool) and 0 <= step < program.n_steps
        if not known:
            raise InputError(
                "an order names a step that the program does not have",
                where=f"place {place + 1} of the order",
                got=repr(entry),
                expected=f"step numbers from 0 to {program.n_steps - 1}, or names of results"
                if program.n_steps
                else "nothing: the program has no steps",
            )
        steps[place] = step
    return steps


class _Precedence:
    """The steps that take part, renumbered, with the set of steps each one reads as a bit mask."""

    def __init__(self, program: Program) -> None:
        require_program(program)
        flow = data_flow(program)
        self.steps = np.flatnonzero(flow.needed).tolist()
        place = {step: k for k, step in enumerate(self.steps)}
        self.reads = [0] * len(self.steps)
        for before, after in zip(flow.before.tolist(), flow.after.tolist(), strict=True):
            self.reads[place[after]] |= 1 << place[before]

    def ready(self, done: int) -> list[int]:
        """Steps that could come next, ascending."""
        return [k for k, reads in enumerate(self.reads) if not done >> k & 1 and reads & done == reads]

    def completions(self) -> Mapping[int, int]:
        """For every closed set of steps, in how many orders the rest can follow.

        Raises:
            InputError: there are too many closed sets to visit.
        """
        layers: list[set[int]] = [{0}]
        total = 1
        for _ in self.steps:
            layer = {done | 1 << k for done in layers[-1] for k in self.ready(done)}
            total += len(layer)
            if total > _MOST_IDEALS or total * len(self.steps) > _MOST_LOOKS:
                raise InputError(
                    "there are too many orders to count",
                    got=f"{len(self.steps)} steps, more than {total - 1:,} sets of steps that could come first",
                    remedy="take a sample with sample_orders",
                )
            layers.append(layer)
        found = {done: 1 for done in layers[-1]}
        for layer in reversed(layers[:-1]):
            for done in layer:
                found[done] = sum(found[done | 1 << k] for k in self.ready(done))
        return MappingProxyType(found)


def count_orders(program: Program) -> int:
    """The number of legal orders of a program's steps (linear extensions), exactly.

    Visits every set of steps that is closed under predecessors, so it is for small programs.

    Raises:
        InputError: there are more than 200,000 such sets, or fewer in a long program.

    Example:
        >>> from flowgraph.language import parse
        >>> count_orders(parse("inputs x, y\\nt1 = p(x)\\nt2 = p(y)\\nz1 = q(x, t1)\\nz2 = q(y, t2)\\noutputs z1, z2"))
        6
    """
    return _Precedence(program).completions()[0]


def enumerate_orders(program: Program) -> Iterator[tuple[int, ...]]:
    """Every legal order of a program's steps, in lexicographic order; each is found as it is asked for.

    Example:
        >>> from flowgraph.language import parse
        >>> program = parse("inputs x, y\\nu = f(x)\\nv = g(y)\\nw = h(u)\\noutputs w, v")
        >>> list(enumerate_orders(program))
        [(0, 1, 2), (0, 2, 1), (1, 0, 2)]
    """
    precedence = _Precedence(program)
    total = len(precedence.steps)
    chosen: list[int] = []
    pending = [iter(precedence.ready(0))]
    done = 0
    while pending:
        if len(chosen) == total:
            yield tuple(precedence.steps[k] for k in chosen)
        step = next(pending[-1], None) if len(chosen) < total else None
        if step is None:
            pending.pop()
            if chosen:
                done ^= 1 << chosen.pop()
            continue
        chosen.append(step)
        done |= 1 << step
        pending.append(iter(precedence.ready(done)))


def sample_orders(program: Program, count: int, seed: int = 0, *, uniform: bool = True) -> tuple[tuple[int, ...], ...]:
    """Random legal orders of a program's steps.

    Each order is equally likely where they can be counted (see ``count_orders``); in a longer program every step that
    could come next is equally likely, which favours some orders.

    Args:
        program: straight-line code.
        count: how many orders.
        seed: of the random choices.
        uniform: False takes no time to count: every step that could come next is equally likely, in small programs too.

    Example:
        >>> from flowgraph.language import parse
        >>> sample_orders(parse("inputs x, y\\nu = f(x)\\nv = g(y)\\noutputs u, v"), 3)
        ((1, 0), (0, 1), (1, 0))
    """
    require_program(program)
    flow = data_flow(program)
    random = Random(seed)
    total = int(np.count_nonzero(flow.needed))
    weight: Mapping[int, int] | None = None
    if uniform and total <= _MOST_WEIGHED:
        try:
            weight = _Precedence(program).completions()
        except InputError:
            weight = None
    return tuple(_random_order(flow, random, weight) for _ in range(count))


def _random_order(flow: DataFlow, random: Random, weight: Mapping[int, int] | None) -> tuple[int, ...]:
    members = np.flatnonzero(flow.needed)
    rank = np.full(flow.n_steps, -1, dtype=np.int64)
    rank[members] = np.arange(len(members))
    waiting = np.bincount(rank[flow.after], minlength=len(members)).tolist()
    readers: list[list[int]] = [[] for _ in waiting]
    for before, after in zip(rank[flow.before].tolist(), rank[flow.after].tolist(), strict=True):
        readers[before].append(after)
    ready = [step for step, count in enumerate(waiting) if count == 0]
    done, chosen = 0, []
    while ready:
        place = random.randrange(len(ready)) if weight is None else _weighed(ready, done, random, weight)
        # The last one takes the place of the chosen one, so that taking one out of many costs nothing.
        ready[place], ready[-1] = ready[-1], ready[place]
        step = ready.pop()
        done |= 1 << step if weight is not None else 0
        chosen.append(int(members[step]))
        for reader in readers[step]:
            waiting[reader] -= 1
            if waiting[reader] == 0:
                ready.append(reader)
    return tuple(chosen)


def _weighed(ready: Sequence[int], done: int, random: Random, weight: Mapping[int, int]) -> int:
    """A place among the ready steps, each as likely as there are orders that go on with it."""
    draw = random.randrange(weight[done])
    for place, step in enumerate(ready):
        draw -= weight[done | 1 << step]
        if draw < 0:
            return place
    raise AssertionError("the orders that go on with each ready step do not add up")
