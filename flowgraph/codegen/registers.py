"""Registers for the primal and the sweep together, reused as soon as a value is read for the last time."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import pairwise

from flowgraph.program import Program


@dataclass(frozen=True, slots=True)
class Registers:
    """Where every value of a program is kept.

    Attributes:
        place: (n + T,) the register of each value, from 0; −1 for the results of dead steps.
        count: number of registers.
        overwritten: (n + T,) the step whose result takes the register of the value, T if none does.
    """

    place: tuple[int, ...]
    count: int
    overwritten: tuple[int, ...]


def assign_registers(program: Program) -> Registers:
    """Keep input k in register k, and let a result overwrite the first operand that is read for the last time.

    Conditions count as operands here, as they are needed to evaluate the program: where there are none this is
    ``Program.registers``. Where no operand dies, a result takes the free register of lowest number, or a new one.

    Example:
        >>> from flowgraph.language import parse
        >>> assign_registers(parse("inputs x1, x2, x3\\nz1 = f(x1, x2)\\nz2 = g(x3, z1)\\noutputs z1, x2, z2")).place
        (0, 1, 2, 0, 2)
    """
    n, n_steps = program.n_inputs, program.n_steps
    needed = program.liveness().needed.tolist()
    starts, operands = program.starts.tolist(), program.operands.tolist()
    read = [tuple(dict.fromkeys(o for o in operands[a:b] if o >= 0)) for a, b in pairwise(starts)]
    last = [-1] * program.n_values
    for step in range(n_steps):
        if needed[step]:
            for value in read[step]:
                last[value] = step
    for value in program.outputs.tolist():
        last[value] = n_steps
    place = [*range(n), *[-1] * n_steps]
    holder = list(range(n))
    overwritten = [n_steps] * program.n_values
    free = [k for k in range(n) if last[k] < 0]
    heapify(free)
    for step in range(n_steps):
        if not needed[step]:
            continue
        dying = [place[value] for value in read[step] if last[value] == step]
        for register in dying[1:]:
            heappush(free, register)
        register = dying[0] if dying else heappop(free) if free else len(holder)
        if register == len(holder):
            holder.append(-1)
        else:
            overwritten[holder[register]] = step
        holder[register] = n + step
        place[n + step] = register
        if last[n + step] < 0:  # only a guard looks at it
            heappush(free, register)
    return Registers(tuple(place), len(holder), tuple(overwritten))
