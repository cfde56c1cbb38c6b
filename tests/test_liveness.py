"""Liveness against a naive implementation that follows the definitions word by word, with sets."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass

import numpy as np
import pytest
from hypothesis import Phase, example, find, given, settings
from hypothesis import strategies as st
from strategies import equasive_programs, programs

from flowgraph.builder import Builder
from flowgraph.errors import InputError
from flowgraph.liveness import Kind, Liveness
from flowgraph.program import Program


@dataclass(frozen=True)
class Naive:
    """THEORY, section 1, computed from the views of the steps in quadratic time."""

    live: tuple[frozenset[int], ...]
    deaths: tuple[tuple[int, ...], ...]
    kinds: tuple[Kind, ...]
    last_use: tuple[int, ...]
    unread: frozenset[int]
    active: frozenset[int]
    needed: frozenset[int]


def naive(program: Program) -> Naive:
    n, n_steps = program.n_inputs, program.n_steps
    reads: list[set[int]] = []
    arguments: list[list[int]] = []
    for step in program.steps():
        inactive = step.operation.inactive if step.operation else ()
        reads.append({o for o in step.operands if o >= 0})
        arguments.append([o for k, o in enumerate(step.operands) if o >= 0 and k not in inactive])
    outputs = {int(v) for v in program.outputs}
    looked_at = {int(v) for guard in program.guards for v in guard.values}

    wanted, linear = outputs | looked_at, set(outputs)
    needed, active = set(), set()
    for k in reversed(range(n_steps)):
        if n + k in wanted:
            needed.add(k)
            wanted |= reads[k]
        if n + k in linear:
            active.add(k)
            linear |= set(arguments[k])

    def later_use(value: int, time: int) -> bool:
        return any(value in arguments[k] for k in range(time, n_steps) if k in active)

    live = [
        frozenset(v for v in range(n + t) if v in outputs or later_use(v, t)) if t else frozenset(range(n))
        for t in range(n_steps + 1)
    ]
    deaths = tuple(
        tuple(dict.fromkeys(a for a in arguments[k] if a not in live[k + 1])) if k in active else ()
        for k in range(n_steps)
    )
    by_deaths = {0: Kind.EXPANSIVE, 1: Kind.EQUASIVE}
    kinds = tuple(
        Kind.DEAD
        if k not in needed
        else Kind.PASSIVE
        if k not in active
        else by_deaths.get(len(deaths[k]), Kind.CONTRACTIVE)
        for k in range(n_steps)
    )
    uses = [{k for k in active if v in arguments[k]} for v in range(n + n_steps)]
    last_use = tuple(n_steps if v in outputs else max(uses[v], default=-1) for v in range(n + n_steps))
    unread = frozenset(v for v in range(n) if last_use[v] < 0)
    return Naive(tuple(live), deaths, kinds, last_use, unread, frozenset(active), frozenset(needed))


def differences(program: Program, live: Liveness) -> list[str]:
    """What the liveness says otherwise than the naive implementation."""
    truth = naive(program)
    times, steps = range(program.n_steps + 1), range(program.n_steps)
    arguments = program.arguments()
    claims = {
        "live": (tuple(frozenset(live.live(t)) for t in times), truth.live),
        "order": (tuple(live.live(t) for t in times), tuple(tuple(sorted(s)) for s in truth.live)),
        "widths": (tuple(live.widths), tuple(len(s) for s in truth.live)),
        "deaths": (tuple(live.deaths), tuple(len(d) for d in truth.deaths)),
        "died": (
            tuple(live.died(k, arguments[program.starts[k] : program.starts[k + 1]]) for k in steps),
            truth.deaths,
        ),
        "kinds": (live.kinds(), truth.kinds),
        "kind": (tuple(live.kind(k) for k in steps), truth.kinds),
        "last_use": (tuple(live.last_use), truth.last_use),
        "active": (frozenset(np.flatnonzero(live.active).tolist()), truth.active),
        "needed": (frozenset(np.flatnonzero(live.needed).tolist()), truth.needed),
        "sizes": ((live.n_inputs, live.n_steps), (program.n_inputs, program.n_steps)),
    }
    return [f"{name}: {got} is not {expected}" for name, (got, expected) in claims.items() if got != expected]


def register_failures(program: Program, place: np.ndarray) -> list[str]:
    """Laws of the registers that ``place`` breaks."""
    truth = naive(program)
    n = program.n_inputs
    failures = []
    if tuple(place[:n]) != tuple(range(n)):
        failures.append("inputs are not in registers 0 … n − 1")
    for t in range(1, program.n_steps + 1):
        rows = [int(place[v]) for v in truth.live[t]]
        if len(set(rows)) != len(rows) or min(rows, default=0) < 0:
            failures.append(f"values live after {t} steps share a register")
    for k in range(program.n_steps):
        got = int(place[n + k])
        if k not in truth.active:
            expected = -1
        elif truth.deaths[k]:
            expected = int(place[truth.deaths[k][0]])
        else:
            taken = {int(place[v]) for v in truth.live[k] - truth.unread}
            expected = next(r for r in range(len(taken) + 1) if r not in taken)
        if got != expected:
            failures.append(f"the result of step {k + 1} is in register {got}, not {expected}")
    widest = max((len(live) for live in truth.live), default=0)
    if len({int(r) for r in place if r >= 0}) > widest:
        failures.append(f"more registers than the width {widest}")
    return failures


def build(n: int, steps: list[tuple[str, list[int]]], outputs: list[int]) -> Program:
    builder = Builder(n)
    for function, operands in steps:
        builder.call(function, *operands)
    return builder.finish(np.array(outputs, dtype=np.int64))


@given(programs())
@example(Builder(0).finish(np.array([], dtype=int)))
@example(Builder(3).finish(np.array([], dtype=int)))
@example(Builder(2).finish(np.array([1, 1, 0])))
@example(build(0, [("f", []), ("g", [0, 0])], [1]))
@example(build(2, [("f", [0]), ("g", [1])], []))
@example(build(3, [("f", [1])], [3]))
def test_liveness_is_that_of_the_definitions(program: Program) -> None:
    assert differences(program, program.liveness()) == []


@given(programs())
def test_registers_obey_their_laws(program: Program) -> None:
    assert register_failures(program, program.registers()) == []


@given(programs())
def test_the_width_changes_by_one_minus_the_deaths(program: Program) -> None:
    live = program.liveness()
    unread = sum(1 for v in range(program.n_inputs) if live.last_use[v] < 0)
    for k in range(program.n_steps):
        change = int(live.widths[k + 1] - live.widths[k]) + (unread if k == 0 else 0)
        assert change == (1 - int(live.deaths[k]) if live.active[k] else 0)


@given(equasive_programs())
def test_equasive_programs_are_equasive(program: Program) -> None:
    """The strategy keeps its promise, so that tests which use it test what they say."""
    live = program.liveness()
    assert set(live.kinds()) <= {Kind.EQUASIVE}
    assert set(live.widths) == {program.n_inputs}
    assert sorted(program.outputs.tolist()) == list(live.live(program.n_steps))
    place = program.registers()
    assert sorted(place[program.outputs]) == list(range(program.n_inputs))


# -- dead code ---------------------------------------------------------------------------------------------------------


def values(program: Program, x: list[float]) -> list[float]:
    """All values; an uninterpreted function is some fixed number made of its name and operands."""
    rows = list(x)
    for step in program.steps():
        operands = [rows[o] if o >= 0 else float(program.constants[-1 - o]) for o in step.operands]
        if step.operation:
            with np.errstate(all="ignore"):
                rows.append(float(step.operation.evaluate(*operands)))
        else:
            total = sum((k + 1) * operand for k, operand in enumerate(operands))
            rows.append(float(np.sin(total + len(operands) + ord(step.function))))
    return rows


@given(programs(), st.lists(st.floats(-2, 2), min_size=4, max_size=4))
def test_dead_code_removal(program: Program, x: list[float]) -> None:
    kept = program.without_dead_code()
    truth = naive(program)
    n = program.n_inputs
    point = x[:n]
    before, after = values(program, point), values(kept, point)
    assert kept.n_inputs == n
    assert kept.n_steps == len(truth.needed)
    assert np.array_equal([before[v] for v in program.outputs], [after[v] for v in kept.outputs], equal_nan=True)
    assert len(kept.guards) == len(program.guards)
    for old, new in zip(program.guards, kept.guards, strict=True):
        assert np.array_equal([before[v] for v in old.values], [after[v] for v in new.values], equal_nan=True)
        assert np.array_equal(old.outcomes, new.outcomes)
    order = [*range(n), *(n + k for k in sorted(truth.needed))]
    if program.names is not None:
        assert kept.names == tuple(program.names[v] for v in order)
    old_steps, new_steps = list(program.steps()), list(kept.steps())
    assert [s.line for s in new_steps] == [old_steps[k].line for k in sorted(truth.needed)]
    assert [s.function for s in new_steps] == [old_steps[k].function for k in sorted(truth.needed)]
    assert Kind.DEAD not in kept.liveness().kinds()
    assert [k for k in program.liveness().kinds() if k is not Kind.DEAD] == list(kept.liveness().kinds())
    assert kept.without_dead_code() is kept
    if len(truth.needed) == program.n_steps:
        assert kept is program


# -- cases worth reading -----------------------------------------------------------------------------------------------


def test_a_step_that_only_feeds_a_condition_is_passive() -> None:
    builder = Builder(2)
    condition = builder.append("sin", np.asarray(0))
    z = builder.append("select", condition, np.asarray(1), np.asarray(builder.constant(2.0)))
    live = builder.finish(np.array([int(z)])).liveness()
    assert live.kinds() == (Kind.PASSIVE, Kind.EQUASIVE)
    assert live.last_use.tolist() == [-1, 1, -1, 2]
    assert live.widths.tolist() == [2, 1, 1]


def test_a_value_used_as_condition_and_as_argument_is_active() -> None:
    builder = Builder(1)
    t = builder.append("sin", np.asarray(0))
    z = builder.append("select", t, t, np.asarray(builder.constant(0.0)))
    live = builder.finish(np.array([int(z)])).liveness()
    assert live.kinds() == (Kind.EQUASIVE, Kind.EQUASIVE)
    assert live.died(1, np.array([-1, int(t), -1])) == (int(t),)


def test_a_step_that_only_a_guard_looks_at_is_passive() -> None:
    builder = Builder(1)
    t = builder.append("sin", np.asarray(0))
    builder.guard(t, np.asarray(True))
    program = builder.finish(np.array([0]))
    assert program.liveness().kinds() == (Kind.PASSIVE,)
    assert program.without_dead_code() is program


def test_an_argument_used_twice_dies_once() -> None:
    live = build(1, [("f", [0, 0])], [1]).liveness()
    assert live.deaths.tolist() == [1]
    assert live.kinds() == (Kind.EQUASIVE,)


def test_three_deaths_are_contractive() -> None:
    program = build(3, [("f", [2, 0, 1])], [3])
    assert program.liveness().kinds() == (Kind.CONTRACTIVE,)
    assert program.registers().tolist() == [0, 1, 2, 2]
    assert program.liveness().widths.tolist() == [3, 1]


def test_freed_registers_are_taken_lowest_first() -> None:
    steps = [("f", [2, 1, 0]), ("g", [3]), ("h", [3]), ("f", [3])]
    program = build(3, steps, [3, 4, 5, 6])
    assert program.registers().tolist() == [0, 1, 2, 2, 0, 1, 3]


def test_hundreds_of_copies_of_an_argument_and_of_an_output() -> None:
    """Edges that are counted in eight bits would vanish at 256."""
    builder = Builder(2)
    t = builder.call("f", *[0] * 256)
    z = builder.call("g", *[t] * 512)
    builder.call("h", 1)
    program = builder.finish(np.full(256, z))
    assert differences(program, program.liveness()) == []
    assert program.liveness().kinds() == (Kind.EQUASIVE, Kind.EQUASIVE, Kind.DEAD)


@pytest.mark.parametrize("dead", [0, 1])
def test_a_long_program(dead: int) -> None:
    rows, columns = 200, 500
    builder = Builder(columns)
    row = np.arange(columns)
    for _ in range(rows):
        row = builder.append("mul", row, np.roll(row, 1))
    if dead:
        builder.append("sin", np.asarray(0))
    live = builder.finish(row).liveness()
    assert live.n_steps == rows * columns + dead
    # In each row the first step is expansive, the last contractive: the step of column 0 reads columns 0 and −1.
    assert live.deaths[: rows * columns].reshape(rows, columns).tolist() == [[0, *[1] * (columns - 2), 2]] * rows
    assert live.widths.max() == columns + 1
    assert np.count_nonzero(~live.needed) == dead


@pytest.mark.parametrize("bad", [-1, 2])
def test_times_and_steps_that_do_not_exist(bad: int) -> None:
    live = build(1, [("f", [0])], [1]).liveness()
    assert (live.live(0), live.live(1), live.kind(0)) == ((0,), (1,), Kind.EQUASIVE)
    with pytest.raises(InputError, match="no such time"):
        live.live(bad)
    for step in (bad, 1):
        with pytest.raises(InputError, match="no such step"):
            live.kind(step)


def test_liveness_is_frozen() -> None:
    live = build(1, [("f", [0])], [1]).liveness()
    with pytest.raises(FrozenInstanceError):
        live.n_inputs = 2  # type: ignore[misc]


# -- a test of the tests -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", Kind)
def test_the_strategy_gives_steps_of_every_kind(kind: Kind) -> None:
    once = settings(phases=[Phase.generate], max_examples=2000)
    find(programs(), lambda program: kind in program.liveness().kinds(), settings=once)


def test_planted_errors_are_caught() -> None:
    program = build(3, [("f", [0, 1]), ("g", [2, 3])], [3, 1, 4])
    good = program.liveness()
    assert differences(program, good) == []
    for name in ("last_use", "deaths", "widths", "active", "needed"):
        column = getattr(good, name).copy()
        column[0] = ~column[0] if column.dtype == bool else column[0] + 1
        columns = {k: getattr(good, k) for k in ("last_use", "deaths", "widths", "active", "needed")} | {name: column}
        assert differences(program, Liveness(3, **columns)), name
    place = program.registers()
    assert register_failures(program, place) == []
    for value in range(program.n_values):
        wrong = place.copy()
        wrong[value] += 1
        assert register_failures(program, wrong), value
