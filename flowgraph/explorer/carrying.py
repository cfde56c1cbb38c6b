"""An order carried over to another program, by the names of its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heappush

from flowgraph.errors import InputError
from flowgraph.explorer.study import Order, Study


def carried_order(names: Sequence[str], new: Study) -> tuple[Order | None, bool]:
    """A legal order of a program that is as near as can be to an order of another one.

    A step that was not there comes after the one that it follows in the text. The steps that were there keep their
    order where any legal order does.

    Args:
        names: the results along the order of the other program.
        new: of the program.

    Returns:
        The order, None where it is the program's own; and whether the steps that were there kept theirs.

    Example:
        >>> from flowgraph.explorer.limits import LIMITS
        >>> from flowgraph.explorer.study import study
        >>> carried_order(("v", "u"), study("inputs x, y\\nu = f(x)\\nw = h(u)\\nv = g(y)\\noutputs w, v", LIMITS))
        ((2, 0, 1), True)
    """
    rank = {name: place for place, name in enumerate(names)}
    n = new.program.n_inputs
    wish: dict[int, tuple[int, int]] = {}
    stayed: dict[int, int] = {}
    last = -1
    for place, step in enumerate(new.own):
        old = rank.get(new.program.name(n + step))
        if old is not None:
            last = stayed[step] = old
        wish[step] = (last, place)
    readers: dict[int, list[int]] = {step: [] for step in wish}
    for first, then in zip(new.structure.flow.before.tolist(), new.structure.flow.after.tolist(), strict=True):
        readers[first].append(then)
    # A new step never keeps one that was there waiting for one that came after it.
    for step in reversed(new.own):
        if step not in stayed:
            wish[step] = min((wish[step], *(wish[reader] for reader in readers[step])))
    found = _nearest_legal(readers, wish)
    places = [stayed[step] for step in found if step in stayed]
    return new.legal(found), places == sorted(places)


def saved_order(names: Sequence[str], of: Study) -> tuple[Order | None, bool]:
    """A saved order in the program at hand, which may have been edited since.

    Returns:
        The order, None where it is the program's own; and whether it names exactly the steps of the program.

    Raises:
        InputError: the program has none of the steps that it names.
    """
    try:
        return of.legal(names), True
    except InputError:
        if not set(names) & set(of.names(None)):
            raise
    return carried_order(names, of)[0], False


def _nearest_legal(readers: Mapping[int, Sequence[int]], wish: Mapping[int, tuple[int, int]]) -> Order:
    """A legal order that takes, of the steps that could come next, always the one with the least wish."""
    waiting = dict.fromkeys(wish, 0)
    for others in readers.values():
        for reader in others:
            waiting[reader] += 1
    ready = [(wish[step], step) for step, count in waiting.items() if count == 0]
    heapify(ready)
    found = []
    while ready:
        _, step = heappop(ready)
        found.append(step)
        for reader in readers[step]:
            waiting[reader] -= 1
            if waiting[reader] == 0:
                heappush(ready, (wish[reader], reader))
    return tuple(found)
