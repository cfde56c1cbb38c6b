"""Hypothesis strategies for programs, built through ``Builder``; shared by the tests of all modules.

``programs`` gives anything: dead and passive steps, unused inputs, repeated outputs, no inputs, no steps, no outputs.
``equasive_programs`` gives programs whose every step overwrites exactly one dying argument, so that the width stays n
and the outputs are a permutation of the live values.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from flowgraph.builder import Builder
from flowgraph.operations import operation
from flowgraph.program import Program

SMOOTH = ("add", "sub", "mul", "neg", "square", "sin", "cos", "tanh", "atan", "asinh", "erf", "logistic", "softplus")
"""Operations that are defined and differentiable everywhere and do not grow fast."""

GENERAL = (*SMOOTH, "maximum", "select", "constant")
"""The smooth operations, and those through which no derivative flows in some places."""

FUNCTIONS = ("f", "g", "h")
"""Names of uninterpreted functions."""

CONSTANTS = (0.0, -0.0, 1.0, -1.0, 2.0, 0.1, -2.5, 1e-3)

_VANISHES_ON_EQUAL_ARGUMENTS = ("sub",)


@st.composite
def programs(
    draw: st.DrawFn,
    *,
    max_inputs: int = 4,
    max_steps: int = 10,
    operations: Sequence[str] = GENERAL,
    functions: Sequence[str] = FUNCTIONS,
    guards: bool = True,
    named: bool = True,
) -> Program:
    """Programs of every kind.

    Args:
        draw: Hypothesis gives it.
        max_inputs: largest n; the smallest is 0.
        max_steps: largest T; the smallest is 0.
        operations: names of the known operations to draw from.
        functions: names of the uninterpreted functions to draw from; they take 0 to 3 operands.
        guards: whether some values are conditions of branches.
        named: whether some programs name their values.
    """
    n = draw(st.integers(0, max_inputs))
    builder = Builder(n)
    for _ in range(draw(st.integers(0, max_steps))):
        name = draw(st.sampled_from([*operations, *functions]))
        arity = draw(st.integers(0, 3)) if name in functions else operation(name).arity
        operands = [_operand(draw, builder, range(builder.n_values)) for _ in range(arity)]
        _append(builder, name, operands, name in functions, line=draw(st.integers(0, 3)))
    values = st.integers(0, builder.n_values - 1) if builder.n_values else st.nothing()
    if guards and builder.n_values:
        for _ in range(draw(st.integers(0, 2))):
            looked_at = draw(st.lists(values, max_size=2))
            outcomes = draw(st.lists(st.booleans(), min_size=len(looked_at), max_size=len(looked_at)))
            builder.guard(np.array(looked_at, dtype=np.int64), np.array(outcomes, dtype=bool), line=1)
    outputs = draw(st.lists(values, max_size=4)) if builder.n_values else []
    return builder.finish(np.array(outputs, dtype=np.int64), _names(draw, builder, named))


@st.composite
def equasive_programs(
    draw: st.DrawFn,
    *,
    min_inputs: int = 1,
    max_inputs: int = 4,
    min_steps: int = 0,
    max_steps: int = 8,
    operations: Sequence[str] = SMOOTH,
    functions: Sequence[str] = FUNCTIONS,
    permuted: bool = True,
    named: bool = False,
) -> Program:
    """Programs of equasive steps only: registers are fixed, and every step overwrites one of them.

    The overwritten argument may be read twice, f(u, u), other arguments may be repeated too, and constants may stand
    for any argument but the overwritten one. An operation that would vanish for every x, u − u, is not drawn.

    Args:
        draw: Hypothesis gives it.
        min_inputs: smallest n, at least 1.
        max_inputs: largest n.
        min_steps: smallest T.
        max_steps: largest T.
        operations: names of the known operations to draw from.
        functions: names of the uninterpreted functions to draw from; they take 1 to 3 operands.
        permuted: whether the outputs are in any order, or in the order of the registers.
        named: whether some programs name their values.
    """
    n = draw(st.integers(min_inputs, max_inputs))
    builder = Builder(n)
    live = list(range(n))
    for _ in range(draw(st.integers(min_steps, max_steps))):
        name = draw(st.sampled_from([*operations, *functions]))
        arity = draw(st.integers(1, 3)) if name in functions else operation(name).arity
        register = draw(st.integers(0, n - 1))
        operands = [_operand(draw, builder, live) for _ in range(arity)]
        operands[draw(st.integers(0, arity - 1))] = live[register]
        if name in _VANISHES_ON_EQUAL_ARGUMENTS and len(set(operands)) == 1:
            name = "add"
        live[register] = _append(builder, name, operands, name in functions, line=draw(st.integers(0, 3)))
    outputs = draw(st.permutations(live)) if permuted else live
    return builder.finish(np.array(outputs, dtype=np.int64), _names(draw, builder, named))


def _operand(draw: st.DrawFn, builder: Builder, values: Sequence[int]) -> int:
    if not values or draw(st.integers(0, 4)) == 0:
        return builder.constant(draw(st.sampled_from(CONSTANTS)))
    return draw(st.sampled_from(values))


def _append(builder: Builder, name: str, operands: Sequence[int], uninterpreted: bool, line: int) -> int:
    if uninterpreted:
        return builder.call(name, *operands, line=line)
    if name == "div" and operands[1] < 0:
        # No program may divide by the constant 0.
        operands = [operands[0], builder.constant(2.5)]
    return int(builder.append(name, *(np.asarray(o) for o in operands), line=line))


def _names(draw: st.DrawFn, builder: Builder, named: bool) -> list[str] | None:
    if not named or not draw(st.booleans()):
        return None
    letters = draw(st.permutations(range(builder.n_values)))
    return [f"v{k}" for k in letters]


@st.composite
def square_programs(
    draw: st.DrawFn,
    *,
    min_inputs: int = 1,
    max_inputs: int = 4,
    max_steps: int = 10,
    operations: Sequence[str] = GENERAL,
    functions: Sequence[str] = FUNCTIONS,
    guards: bool = True,
    named: bool = False,
) -> Program:
    """Programs with as many outputs as inputs, singular or not, with steps of every kind.

    Args:
        draw: Hypothesis gives it.
        min_inputs: smallest n.
        max_inputs: largest n.
        max_steps: largest T; the smallest is 0.
        operations: names of the known operations to draw from.
        functions: names of the uninterpreted functions to draw from; they take 1 to 3 operands.
        guards: whether some values are conditions of branches.
        named: whether some programs name their values.
    """
    n = draw(st.integers(min_inputs, max_inputs))
    builder = Builder(n)
    unread = list(range(n))
    for _ in range(draw(st.integers(0, max_steps))):
        result, _ = draw(_woven_step(builder, operations, functions, unread, None))
        unread.append(result)
    _look(draw, builder, guards, unread)
    outputs: list[int] = []
    for _ in range(n):
        outputs.append(draw(_output(builder, [v for v in unread if v not in outputs])))
    return builder.finish(np.array(outputs, dtype=np.int64), _names(draw, builder, named))


@st.composite
def invertible_programs(
    draw: st.DrawFn,
    *,
    min_inputs: int = 1,
    max_inputs: int = 4,
    max_steps: int = 10,
    operations: Sequence[str] = GENERAL,
    functions: Sequence[str] = FUNCTIONS,
    guards: bool = True,
    named: bool = False,
) -> Program:
    """Programs whose J is structurally nonsingular: all of them, for every other has no n vertex-disjoint paths.

    Each step either goes on along one of n paths from the inputs, or stands off the paths; the ends of the paths are
    the outputs, in any order. Steps may be expansive, contractive, passive or dead, and partials may be 0 for every
    x, as in u − u.

    Args:
        draw: Hypothesis gives it.
        min_inputs: smallest n.
        max_inputs: largest n.
        max_steps: largest T; the smallest is 0.
        operations: names of the known operations to draw from.
        functions: names of the uninterpreted functions to draw from; they take 1 to 3 operands.
        guards: whether some values are conditions of branches.
        named: whether some programs name their values.
    """
    n = draw(st.integers(min_inputs, max_inputs))
    builder = Builder(n)
    ends = list(range(n))
    unread: list[int] = []
    for _ in range(draw(st.integers(0, max_steps))):
        path = draw(st.integers(0, n - 1))
        through = None if draw(st.integers(0, 2)) == 2 else ends[path]
        result, on_path = draw(_woven_step(builder, operations, functions, unread, through))
        if on_path:
            ends[path] = result
        else:
            unread.append(result)
    _look(draw, builder, guards, unread)
    return builder.finish(np.array(draw(st.permutations(ends)), dtype=np.int64), _names(draw, builder, named))


@st.composite
def _output(draw: st.DrawFn, builder: Builder, unread: Sequence[int]) -> int:
    """Mostly an unread value, sometimes any."""
    return draw(st.sampled_from(unread[::-1])) if unread and draw(st.integers(0, 9)) < 9 else _any(draw, builder)


# Strategies of their own for a step and an output, because Hypothesis can delete as a whole what one has drawn.
@st.composite
def _woven_step(
    draw: st.DrawFn,
    builder: Builder,
    operations: Sequence[str],
    functions: Sequence[str],
    unread: list[int],
    through: int | None,
) -> tuple[int, bool]:
    """Append a step, with ``through`` among its derivative arguments if it can be; its value, and whether it is.

    Operands are taken off the list of ``unread`` values, and mostly from there, lest most steps be dead.
    """
    # Conditions are rare among the operations, and orders have to respect them too.
    conditional = [name for name in operations if operation(name).inactive]
    name = draw(st.sampled_from([*functions, *operations, *conditional, *conditional]))
    arity = draw(st.integers(1, 3)) if name in functions else operation(name).arity
    operands = [_fresh(draw, builder, unread) for _ in range(arity)]
    inactive = () if name in functions else operation(name).inactive
    places = [k for k in range(arity) if k not in inactive]
    on_path = through is not None and bool(places)
    if through is not None and places:
        operands[draw(st.sampled_from(places))] = through
    unread[:] = [v for v in unread if v not in operands]
    return _append(builder, name, operands, name in functions, line=0), on_path


def _fresh(draw: st.DrawFn, builder: Builder, unread: Sequence[int]) -> int:
    """Mostly an unread value, sometimes any, rarely a constant; the newest is the simplest."""
    kind = draw(st.integers(0, 9))
    if kind == 9:
        return builder.constant(draw(st.sampled_from(CONSTANTS)))
    return draw(st.sampled_from(unread[::-1])) if unread and kind < 6 else _any(draw, builder)


def _any(draw: st.DrawFn, builder: Builder) -> int:
    """A value; the newest is the simplest."""
    return builder.n_values - 1 - draw(st.integers(0, builder.n_values - 1))


def _look(draw: st.DrawFn, builder: Builder, guards: bool, unread: Sequence[int]) -> None:
    """Perhaps let a guard look at a value, best at one that nothing reads."""
    if guards and draw(st.integers(0, 3)) == 3:
        looked_at = draw(st.sampled_from(unread)) if unread else _any(draw, builder)
        builder.guard(np.array([looked_at]), np.array([True]), line=1)
