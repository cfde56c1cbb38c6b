"""Actions on the order of the steps: move one, take a whole order, keep orders under names."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self, final

import numpy as np

from flowgraph.errors import InputError
from flowgraph.explorer.action import Action, Outcome, PlainAction
from flowgraph.explorer.carrying import saved_order
from flowgraph.explorer.distribution import distribution, not_invertible
from flowgraph.explorer.limits import Limits
from flowgraph.explorer.messages import Message
from flowgraph.explorer.order_view import precedence
from flowgraph.explorer.reading import Fields
from flowgraph.explorer.state import Moved, Reordered, SavedOrder, Selection, State, moved_step, shortened_name
from flowgraph.explorer.study import Order, Study, study
from flowgraph.orders import sample_orders
from flowgraph.progress import Tell

_NAME = 80


@dataclass(frozen=True, slots=True)
class _Seeded(Action):
    """An action with random choices.

    Attributes:
        seed: of the random choices.
    """

    seed: int

    @classmethod
    def read(cls, fields: Fields, limits: Limits) -> Self:
        """Read the seed."""
        return cls(fields.integer("seed", 0))


@dataclass(frozen=True, slots=True)
class _Named(Action):
    """An action on a saved order.

    Attributes:
        name: the name of the order.
    """

    name: str

    @classmethod
    def read(cls, fields: Fields, limits: Limits) -> Self:
        """Read the name."""
        return cls(fields.text("name", _NAME))


def _reordered(state: State, order: Order | None, label: str, limits: Limits) -> Outcome:
    """The state with another order, which can be undone."""
    if order == state.order:
        return Outcome(state)
    after = replace(state, order=order, position=0)
    if state.selection is not None and state.selection.kind == "lump":
        after = replace(after, selection=None)
    return Outcome(state.changed(after, Reordered(label, state.order), limits))


@final
@dataclass(frozen=True, slots=True)
class Move(Action):
    """One step goes to another place of the order.

    Attributes:
        step: step number.
        to: its place from 0 when it has been taken out.
    """

    step: int
    to: int

    @classmethod
    def read(cls, fields: Fields, limits: Limits) -> Self:
        """Read step and place."""
        return cls(fields.integer("step", 0, limits.steps), fields.integer("to", 0, limits.steps))

    def on(self, state: State, limits: Limits, tell: Tell) -> Outcome:
        """Move the step, or say which step is in the way."""
        of = study(state.good, limits)
        order = of.steps(state.order)
        if self.step not in order:
            raise InputError("there is no such step to move", got=str(self.step))
        here = order.index(self.step)
        to = min(self.to, len(order) - 1)
        if to == here:
            return Outcome(state)
        refused = _in_the_way(of, order, here, to)
        if refused is not None:
            return Outcome(state, (refused,))
        label = shortened_name(f"move of {of.program.name(of.program.n_inputs + self.step)}")
        after = replace(state, order=of.legal(moved_step(order, here, to)), position=0, selection=_step(self.step))
        return Outcome(state.changed(after, Moved(label, to, here), limits))


def _step(step: int) -> Selection:
    return Selection("step", step)


def _in_the_way(of: Study, order: Order, here: int, to: int) -> Message | None:
    """Why a step may not go from one place of an order to another; None where it may."""
    bands, blockers = precedence(of, np.array(order, dtype=np.int64))
    first, last = bands[here]
    if first <= to + 1 <= last:
        return None
    name = of.program.name
    n, step = of.program.n_inputs, order[here]
    earlier, later = blockers[here]
    other = earlier if to + 1 < first else later
    assert other is not None  # a band ends inside the order only where a step ends it
    reader, read = (step, other) if to + 1 < first else (other, step)
    return Message(
        "warning",
        f"{name(n + reader)} needs {name(n + read)}",
        where=f"row {to + 1}",
        got=f"{name(n + reader)} before {name(n + read)}",
        expected=f"{name(n + step)} in row {first}" + (f" to {last}" if last > first else ""),
        action="move",
        steps=(read, reader),
    )


@final
@dataclass(frozen=True, slots=True)
class Shift(Action):
    """One step goes some places up or down.

    Attributes:
        step: step number.
        by: how many places down; negative is up.
    """

    step: int
    by: int

    @classmethod
    def read(cls, fields: Fields, limits: Limits) -> Self:
        """Read step and distance."""
        return cls(fields.integer("step", 0, limits.steps), fields.integer("by", -limits.steps, limits.steps))

    def on(self, state: State, limits: Limits, tell: Tell) -> Outcome:
        """Move the step; at the ends of the order nothing happens."""
        order = study(state.good, limits).steps(state.order)
        if self.step not in order:
            raise InputError("there is no such step to move", got=str(self.step))
        to = order.index(self.step) + self.by
        if not 0 <= to < len(order):
            return Outcome(state)
        return Move(self.step, to).on(state, limits, tell)


@final
@dataclass(frozen=True, slots=True)
class SetOrder(Action):
    """A whole order.

    Attributes:
        order: step numbers.
    """

    order: Order

    @classmethod
    def read(cls, fields: Fields, limits: Limits) -> Self:
        """Read the order."""
        return cls(fields.integers("order", limits.steps, 0, limits.steps))

    def on(self, state: State, limits: Limits, tell: Tell) -> Outcome:
        """Take the order if it is legal."""
        of = study(state.good, limits)
        return _reordered(state, of.legal(self.order), "order", limits)


@final
class Original(PlainAction):
    """The program's own order."""

    __slots__ = ()

    def on(self, state: State, limits: Limits, tell: Tell) -> Outcome:
        """Go back to it."""
        return _reordered(state, None, "original order", limits)


@final
class Best(PlainAction):
    """The order with the most lumps."""

    __slots__ = ()

    def on(self, state: State, limits: Limits, tell: Tell) -> Outcome:
        """Take it."""
        of = study(state.good, limits)
        if of.best is None:
            raise not_invertible(of)
        now, best = of.along(state.order).lumping, of.along(of.best).lumping
        if len(now) == len(best):
            words = f"no order has more lumps than this one: {len(now)}"
            return Outcome(state, (Message("info", words, action="best"),))
        return _reordered(state, of.legal(of.best), "best order", limits)


@final
@dataclass(frozen=True, slots=True)
class Worst(_Seeded):
    """The order that costs most of those sampled."""

    slow: ClassVar[bool] = True

    def on(self, state: State, limits: Limits, tell: Tell) -> Outcome:
        """Take it."""
        of = study(state.good, limits)
        found = distribution(of, state.order, self.seed, tell).worst
        outcome = _reordered(state, of.legal(found.order), "worst order found", limits)
        if outcome.state is state:
            return Outcome(state, (Message("info", "no order that was looked at costs more", action="worst"),))
        return outcome


@final
@dataclass(frozen=True, slots=True)
class RandomOrder(_Seeded):
    """A random legal order."""

    def on(self, state: State, limits: Limits, tell: Tell) -> Outcome:
        """Take it."""
        of = study(state.good, limits)
        bands, _ = precedence(of, np.array(of.own, dtype=np.int64))
        if all(first == last for first, last in bands):
            return Outcome(state, (Message("info", "there is only one legal order", action="random"),))
        (order,) = sample_orders(of.program, 1, self.seed, uniform=False)
        return _reordered(state, of.legal(order), "random order", limits)


@final
@dataclass(frozen=True, slots=True)
class Save(_Named):
    """Keep the order under a name."""

    def on(self, state: State, limits: Limits, tell: Tell) -> Outcome:
        """Keep it; an order of that name is replaced."""
        name = self.name.strip()
        if not name:
            raise InputError("an order is saved under a name", got="an empty name", remedy="give it one")
        others = tuple(entry for entry in state.saved if entry.name != name)
        if len(others) >= limits.saved:
            raise InputError(
                "there are too many saved orders", got=f"{len(others)}", remedy="forget one of them before saving more"
            )
        entry = SavedOrder(name, study(state.good, limits).names(state.order))
        size = sum(len(word) for kept in (*others, entry) for word in kept.order)
        if size > limits.saved_size:
            raise InputError(
                "the saved orders are too long together",
                got=f"{size:,} characters",
                expected=f"at most {limits.saved_size:,}",
                remedy="forget one of them before saving more",
            )
        return Outcome(replace(state, saved=(*others, entry)))


@final
@dataclass(frozen=True, slots=True)
class Load(_Named):
    """A saved order."""

    def on(self, state: State, limits: Limits, tell: Tell) -> Outcome:
        """Take it; where the program was edited since, the order nearest to it."""
        found = _saved(state, self.name)
        order, exact = saved_order(found.order, study(state.good, limits))
        outcome = _reordered(state, order, shortened_name(f"order {found.name}"), limits)
        told = Message("info", "the saved order was fitted to the program, which has other steps now", action="load")
        return outcome if exact else Outcome(outcome.state, (told,))


@final
@dataclass(frozen=True, slots=True)
class Forget(_Named):
    """A saved order is no longer wanted."""

    def on(self, state: State, limits: Limits, tell: Tell) -> Outcome:
        """Forget it."""
        found = _saved(state, self.name)
        return Outcome(replace(state, saved=tuple(entry for entry in state.saved if entry is not found)))


def _saved(state: State, name: str) -> SavedOrder:
    for entry in state.saved:
        if entry.name == name:
            return entry
    known = ", ".join(entry.name for entry in state.saved)
    raise InputError("no order is saved under this name", got=name, expected=known or "no order has been saved")
