"""Recording a loop whose turns are all alike: one turn is recorded, and its columns are repeated.

The turn is recorded *apart*, on placeholders for the state, into a builder of its own. What it recorded is a ``Block``:
a program whose inputs are the placeholders and the values from outside that it reads. The state that one turn returns
takes the place of the placeholders in the next one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowgraph.program import Program
from flowgraph.tracing.array import TracedArray, lift
from flowgraph.tracing.recorder import Recorder

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """One turn of a loop.

    Attributes:
        program: its steps, without dead code. Its inputs are the values from outside, then the placeholders, then what
            ``_without_clock`` adds; its outputs are the entries of the state that change.
        outside: (u,) codes of the values from outside.
    """

    program: Program
    outside: Array


def repeat(
    x: TracedArray,
    turns: int,
    turn: Callable[..., Any],
    *,
    times: Callable[[], Any] | None = None,
    first: int = 0,
) -> TracedArray | None:
    """x after some turns of a loop, of which one is recorded.

    Args:
        x: (n,) the state before the loop. Entries that are constants must stay what they are.
        turns: how many turns there are, at least 1.
        turn: ``turn(x)``, or ``turn(x, t)`` where times are given, is (n,) the state after a turn. It depends on
            nothing else that changes from turn to turn.
        times: gives (turns,) the time t of each turn; asked only if the turn reads t.
        first: the number of the first turn, for messages.

    Returns:
        The state after the loop; None, with nothing recorded, where the turns are not alike, because an entry of the
        state is a constant before the first turn and is not the same constant after it.

    Raises:
        BranchError: the turn branches on the state or on t.
        TraceError: it does what cannot be traced.
    """
    recorder, state = x.recorder, np.array(x.codes)
    moving = np.flatnonzero(state >= 0)
    n_fresh = len(moving) + (times is not None)
    with recorder.apart(n_fresh) as fresh:
        inside = state.copy()
        inside[moving] = fresh[: len(moving)]
        clock = () if times is None else (TracedArray(recorder, fresh[-1]),)
        returned = turn(TracedArray(recorder, inside), *clock)
        after = lift(recorder, returned)
        moved = after[moving]
        if (np.delete(after, moving) != np.delete(state, moving)).any() or (moved < 0).any():
            return None
        block = _block(recorder, int(fresh[0]) if n_fresh else recorder.builder.n_inputs, n_fresh, moved)
    given = np.empty((turns, block.program.n_inputs), dtype=np.int64)
    u, m = len(block.outside), len(moving)
    given[:, :u] = block.outside
    if times is not None:
        block, columns = _without_clock(recorder, block, times)
        given = np.column_stack([given[:, : u + m], columns]) if columns.size else given[:, : u + m]
    last = _fill(given, slice(u, u + m), state[moving], block.program, recorder.builder.n_values)
    recorder.repeat(block.program, given, np.arange(first, first + turns))
    result = state.copy()
    result[moving] = last
    return TracedArray(recorder, result)


def _block(recorder: Recorder, first: int, n_fresh: int, outputs: Array) -> Block:
    """What was recorded apart, with the values from outside renumbered.

    Args:
        recorder: the trace, still apart.
        first: the number of the first placeholder; smaller numbers are values from outside.
        n_fresh: how many placeholders there are.
        outputs: what the turn returned.
    """
    recorded = recorder.builder.finish(outputs)
    read = np.concatenate([recorded.operands, recorded.outputs])
    outside = np.unique(read[(read >= 0) & (read < first)]).astype(np.int64)

    def renumbered(column: Array) -> Array:
        far = column >= first
        found = np.where(far, column - first + len(outside), column)
        near = (column >= 0) & ~far
        found[near] = np.searchsorted(outside, column[near])
        return found.astype(np.int32)

    program = replace(
        recorded,
        n_inputs=len(outside) + n_fresh,
        operands=renumbered(recorded.operands),
        outputs=renumbered(recorded.outputs),
    )
    return Block(program.without_dead_code(), outside)


def _without_clock(recorder: Recorder, block: Block, times: Callable[[], Any]) -> tuple[Block, Array]:
    """The block with other inputs in place of t, its last input.

    Steps that depend on t and constants only are evaluated for all turns at once, and leave constants.

    Returns:
        The block, and (turns, k) codes: what stands for the inputs that it has in place of t, in every turn.
    """
    program = block.program
    n, clock = program.n_inputs, program.n_inputs - 1
    hoisted = np.zeros(program.n_values, dtype=bool)
    hoisted[clock] = True
    columns: dict[int, Array] = {}
    if (program.operands == clock).any() or (program.outputs == clock).any():
        codes = lift(recorder, times())
        columns[clock] = codes
        if (codes < 0).all():
            numbers = _evaluated(program, hoisted, recorder.numbers(codes))
            columns |= {value: recorder.constants(found) for value, found in numbers.items()}
    kept = ~hoisted[n:]
    read = program.operands[np.repeat(kept, np.diff(program.starts))]
    needed = [value for value in np.flatnonzero(hoisted).tolist() if value in read or value in program.outputs]
    values = np.concatenate([np.arange(clock), needed, n + np.flatnonzero(kept)]).astype(np.int64)
    renumber = np.zeros(program.n_values, dtype=np.int32)
    renumber[values] = np.arange(len(values), dtype=np.int32)
    slim = replace(
        program,
        n_inputs=clock + len(needed),
        codes=program.codes[kept],
        starts=np.concatenate([[0], np.cumsum(np.diff(program.starts)[kept])]),
        operands=np.where(read >= 0, renumber[np.maximum(read, 0)], read),
        outputs=renumber[program.outputs],
        source_lines=program.source_lines and program.source_lines.taken(np.flatnonzero(kept)),
    )
    return replace(block, program=slim), np.array([columns[value] for value in needed], dtype=np.int64).T


def _evaluated(program: Program, hoisted: Array, times: Array) -> dict[int, Array]:
    """The values (turns,) of t and of the steps that read nothing else, by value number; ``hoisted`` marks these."""
    clock = program.n_inputs - 1
    found = {clock: times}
    with np.errstate(all="ignore"):
        for step in program.steps():
            if any(o >= 0 and not hoisted[o] for o in step.operands) or step.operation is None:
                continue
            operands = [found[o] if o >= 0 else float(program.constants[-1 - o]) for o in step.operands]
            value = program.n_inputs + step.index
            found[value] = np.broadcast_to(step.operation.evaluate(*operands), times.shape)
            hoisted[value] = True
    return found


def _fill(given: Array, state: slice, start: Array, program: Program, base: int) -> Array:
    """Write into ``given`` what the state is at the start of every turn.

    Args:
        given: (turns, n) codes of the inputs of every turn; those of the state are written.
        state: which inputs are the state.
        start: (m,) codes of the state before the first turn.
        program: one turn.
        base: number of the first value of the first turn.

    Returns:
        (m,) codes of the state after the last turn.
    """
    turns, n = given.shape
    columns, source = given[:, state], program.outputs.astype(np.int64)
    columns[0] = start
    made = source >= n
    # A result of turn r has the number base + r · steps + its place.
    results = base + (source[made] - n) + program.n_steps * np.arange(turns)[:, None]
    columns[1:, made] = results[:-1]
    passed = np.flatnonzero(~made)
    within = (source[passed] >= state.start) & (source[passed] < state.stop)
    still = source[passed] == state.start + passed
    columns[1:, passed[still]] = start[passed[still]]
    brought = passed[~within]
    columns[1:, brought] = given[:-1, source[brought]]
    shifted = passed[within & ~still]
    if shifted.size:
        for before, after in zip(given[:-1], columns[1:], strict=True):
            after[shifted] = before[source[shifted]]
    last = np.empty(len(start), dtype=np.int64)
    last[made] = results[-1]
    last[passed] = given[-1, source[passed]]
    return last
