"""Random programs for the tests of lumps and blocks, from plain seeded ``random``: thousands of them in a second."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np

from flowgraph.builder import Builder
from flowgraph.program import Program

Line = tuple[str, list[int]]


def random_program(rng: Random, max_inputs: int = 4, max_steps: int = 10) -> Program:
    """A program of uninterpreted functions, of one of many sorts, with as many outputs as inputs.

    Most sorts lay n vertex-disjoint paths from the inputs to the outputs and weave temporaries between them, so that
    they are nonsingular; others take any values as outputs, or spoil a nonsingular program on purpose. In one program
    of six a guard looks at a value, best one that nothing reads, and some functions are ``select``, whose condition
    carries no derivative.
    """
    n = rng.randint(1, max_inputs)
    n_steps = rng.randint(0, max_steps) if rng.random() < 0.5 else rng.randint(max_steps // 2, max_steps)
    sort = rng.choices(("woven", "equasive", "free", "repeated", "unused", "bottleneck"), (44, 5, 21, 8, 8, 14))[0]
    if sort == "free":
        lines, outputs = _free(rng, n, n_steps)
    elif sort == "bottleneck":
        lines, outputs = _bottleneck(rng, n, n_steps)
    else:
        lines, outputs = _woven(rng, n, n_steps, 0.0 if sort == "equasive" else rng.choice((0.3, 0.5, 0.7)))
    if sort == "repeated":
        outputs[rng.randrange(n)] = outputs[rng.randrange(n)]
    if sort == "unused":
        unused, instead = rng.randrange(n), rng.randrange(n)
        lines = [(name, [instead if v == unused else v for v in operands]) for name, operands in lines]
        outputs = [instead if v == unused else v for v in outputs]
    if rng.random() < 0.6:
        lines, outputs = _shuffled(rng, n, lines, outputs)
    builder = Builder(n)
    conditions = rng.random() < 1 / 6
    for name, operands in lines:
        if conditions and len(operands) == 3 and rng.random() < 0.5:
            builder.append("select", *(np.asarray(v) for v in operands))
        else:
            builder.call(name, *operands)
    if conditions:
        read = {v for _, operands in lines for v in operands}
        unread = [v for v in range(builder.n_values) if v not in read and v not in outputs]
        builder.guard(np.array([rng.choice(unread or range(builder.n_values))]), np.array([True]))
    return builder.finish(np.array(outputs, dtype=np.int64))


def _operands(rng: Random, heads: Sequence[int], waiting: set[int], n_values: int, nearby: bool) -> list[int]:
    """One to three values, preferably those that nothing reads yet."""
    pool = [*heads, *waiting, *waiting, *waiting]
    if not nearby:
        pool += range(n_values)
    return [rng.choice(pool) for _ in range(rng.choice((1, 2, 2, 2, 3)))]


def _woven(rng: Random, n: int, n_steps: int, temporaries: float) -> tuple[list[Line], list[int]]:
    """n vertex-disjoint paths, whose ends are the outputs in any order, and steps off the paths."""
    heads, waiting, lines = list(range(n)), set[int](), []
    nearby = temporaries == 0.0 or rng.random() < 0.6
    for k in range(n_steps):
        operands = _operands(rng, heads, waiting, n + k, nearby)
        temporary = rng.random() < temporaries and k < n_steps - 1
        register = rng.randrange(n)
        if not temporary:
            operands[rng.randrange(len(operands))] = heads[register]
            heads[register] = n + k
        waiting -= set(operands)
        if temporary:
            waiting.add(n + k)
        lines.append((rng.choice("fgh"), operands))
    return lines, rng.sample(heads, n)


def _free(rng: Random, n: int, n_steps: int) -> tuple[list[Line], list[int]]:
    """Any operands and any outputs, preferably those that nothing reads."""
    waiting, lines = set(range(n)), []
    for k in range(n_steps):
        operands = _operands(rng, [rng.randrange(n + k)], waiting, n + k, rng.random() < 0.5)
        waiting = waiting - set(operands) | {n + k}
        lines.append((rng.choice("fgh"), operands))
    last = rng.sample(sorted(waiting), len(waiting))
    others = rng.sample(range(n + n_steps), n + n_steps)
    return lines, list(dict.fromkeys([*last, *others]))[:n]


def _bottleneck(rng: Random, n: int, n_steps: int) -> tuple[list[Line], list[int]]:
    """Two outputs, or more, of one value: singular, though the width need not show it."""
    lines, outputs = _woven(rng, n, n_steps // 2, 0.4)
    while len(lines) < n_steps:
        narrow = rng.choice(outputs) if rng.random() < 0.7 or not lines else n + rng.randrange(len(lines))
        operands = [narrow, *rng.choices(sorted({narrow, *outputs}), k=rng.choice((0, 0, 1)))]
        outputs[rng.randrange(n)] = n + len(lines)
        lines.append((rng.choice("fgh"), operands))
    return lines, outputs


def _shuffled(rng: Random, n: int, lines: list[Line], outputs: list[int]) -> tuple[list[Line], list[int]]:
    """The same program in another order."""
    number = {v: v for v in range(n)}
    rest, shuffled = set(range(len(lines))), []
    while rest:
        k = rng.choice([k for k in sorted(rest) if all(v in number for v in lines[k][1])])
        shuffled.append((lines[k][0], [number[v] for v in lines[k][1]]))
        number[n + k] = n + len(shuffled) - 1
        rest.remove(k)
    return shuffled, [number[v] for v in outputs]
