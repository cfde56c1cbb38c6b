"""Random programs of known operations with a point inside their domains, by seed; most have an inverse at that point.

While a program is drawn, its values are computed at the point, so that every operand can be drawn inside the domain of
its operation and away from kinks. Drawing lays n disjoint paths from the inputs to the outputs; each step of a path
multiplies by a partial that is no smaller than a bound of the program, and most bounds are moderate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from types import MappingProxyType
from typing import Any

import numpy as np
from numeric_oracle import Truth, truth
from numpy.typing import NDArray

from flowgraph.builder import Builder
from flowgraph.operations import CODES, OPERATIONS, Operation
from flowgraph.program import Program

MOST = 8.0
"""Values stay within ±8."""

SAFE: Mapping[str, Callable[..., bool]] = MappingProxyType(
    {
        "div": lambda x, y: abs(y) > 0.3,
        "power": lambda x, y: x > 0.3 and abs(y) < 3,
        "reciprocal": lambda x: abs(x) > 0.3,
        "sqrt": lambda x: x > 0.1,
        "exp": lambda x: x < 2,
        "expm1": lambda x: x < 2,
        "log": lambda x: x > 0.1,
        "log1p": lambda x: x > -0.8,
        "tan": lambda x: abs(np.cos(x)) > 0.3,
        "asin": lambda x: abs(x) < 0.9,
        "acos": lambda x: abs(x) < 0.9,
        "atan2": lambda y, x: np.hypot(x, y) > 0.3 and (x > 0.1 or abs(y) > 0.2),
        "acosh": lambda x: x > 1.2,
        "atanh": lambda x: abs(x) < 0.9,
        "hypot": lambda x, y: max(abs(x), abs(y)) > 0.3,
        "abs": lambda x: abs(x) > 0.1,
        "minimum": lambda x, y: abs(x - y) > 0.1,
        "maximum": lambda x, y: abs(x - y) > 0.1,
        "select": lambda c, x, y: abs(c) > 0.1,
    }
)
"""Where an operation is well inside its domain; operations that are not listed are smooth everywhere."""

NAMES = tuple(op.name for op in OPERATIONS)
CONSTANTS = (0.1, 0.5, -0.3, 1.0, -1.0, 2.0, -2.5, 3.0, 1e-3)
BINARY = ("add", "sub", "mul", "div", "hypot", "atan2", "minimum", "maximum", "power", "select")


@dataclass(frozen=True, eq=False)
class Case:
    """A program and a point at which it is defined.

    Attributes:
        seed: what it was drawn from.
        program: the program.
        x: (n,) the point.
    """

    seed: int
    program: Program
    x: NDArray[Any]

    @property
    def truth(self) -> Truth:
        return truth(self.program, self.x)

    def __str__(self) -> str:
        return f"seed {self.seed}, x = {self.x.tolist()}\n{self.program.describe()}"


class _Drawing:
    """A builder that knows the value of everything at the point."""

    def __init__(self, rng: Random, n: int) -> None:
        self.rng = rng
        self.builder = Builder(n)
        self.x = np.array([rng.choice((-1, 1, 1)) * rng.uniform(0.3, 2.0) for _ in range(n)])
        self.values = self.x.tolist()
        self.bound = rng.choice((0.3, 0.3, 0.3, 0.05, 1e-4))
        self.lines = 0

    def constant(self) -> int:
        return self.builder.constant(self.rng.choice(CONSTANTS))

    def number(self, operand: int, constants: Mapping[int, float]) -> float:
        return self.values[operand] if operand >= 0 else constants[operand]

    def append(self, name: str, operands: list[int], slot: int | None) -> int | None:
        """Append the step if its operands and its result are sound, and its partial in place ``slot`` large enough."""
        pool = {self.builder.constant(c): c for c in CONSTANTS}
        numbers = [self.number(o, pool) for o in operands]
        operation = OPERATIONS[CODES[name]]
        if not SAFE.get(name, lambda *_: True)(*numbers) or (name == "div" and operands[1] == operands[0]):
            return None
        value = float(operation.evaluate(*numbers))
        if not abs(value) < MOST or (slot is not None and not self._passes(operation, numbers, operands, slot)):
            return None
        self.values.append(value)
        self.lines += self.rng.random() < 0.7
        return self.builder.scalar(name, *operands, line=self.lines)

    def _passes(self, operation: Operation, numbers: list[float], operands: list[int], slot: int) -> bool:
        places = [k for k, o in enumerate(operands) if o == operands[slot] and k not in operation.inactive]
        size = abs(sum(float(operation.partials[k](*numbers)) for k in places))
        return self.bound < size < 8

    def step(self, pool: list[int], through: int | None) -> int:
        """A step that reads from the pool, and ``through`` with a derivative if it is given."""
        rng = self.rng
        while True:
            name = rng.choice(BINARY if rng.random() < 0.6 else NAMES)
            if name == "constant" and through is not None:
                continue
            operation = OPERATIONS[CODES[name]]
            operands = [self.constant() if rng.random() < 0.15 else rng.choice(pool) for _ in range(operation.arity)]
            slot = None
            if through is not None:
                slot = rng.choice([k for k in range(operation.arity) if k not in operation.inactive])
                operands[slot] = through
                if operation.arity == 2 and name in ("mul", "add", "hypot") and rng.random() < 0.15:
                    operands = [through, through]
            if all(o < 0 for o in operands) and rng.random() < 0.8:
                continue
            value = self.append(name, operands, slot)
            if value is not None:
                return value

    def append_scaled(self, factor: float, value: int) -> int:
        """A constant multiple of a value."""
        self.values.append(factor * self.values[value])
        return self.builder.scalar("mul", self.builder.constant(factor), value, line=self.lines)

    def small(self, value: int) -> int:
        """A fraction of a value, for the terms off the diagonal of a lump."""
        return self.append_scaled(self.rng.choice((0.1, -0.3)), value)


def _paths(draw: _Drawing, n: int, n_steps: int) -> list[int]:
    """Disjoint paths with temporaries woven between them."""
    rng = draw.rng
    heads, temporaries = list(range(n)), list[int]()
    off = rng.choice((0.0, 0.3, 0.5))
    for _ in range(n_steps):
        if n > 1 and rng.random() < 0.01:
            _tiny_pivot(draw, heads)
        pool = [*heads, *temporaries, *temporaries]
        if rng.random() < 0.2:
            pool += range(len(draw.values))
        if rng.random() < off:
            temporaries = [*temporaries[-3:], draw.step(pool, None)]
        else:
            k = rng.randrange(n)
            heads[k] = draw.step(pool, heads[k])
    return heads


def _tiny_pivot(draw: _Drawing, heads: list[int]) -> None:
    """u ← εu + w, and most times w ← (w − u)/ε, which makes the condition good again and leaves the tiny pivot."""
    rng = draw.rng
    i, j = rng.sample(range(len(heads)), 2)
    eps = 10.0 ** -rng.uniform(1, 5)
    scaled = draw.append_scaled(eps, heads[i])
    total = draw.append("add", [scaled, heads[j]], None)
    if total is None:
        return
    heads[i] = total
    if rng.random() < 0.8:
        left = draw.append("sub", [heads[j], total], None)
        assert left is not None
        heads[j] = draw.append_scaled(1 / eps, left)


def _layers(draw: _Drawing, n: int, n_steps: int) -> list[int]:
    """Layers in which l registers are replaced together: x ← x + small functions of one another, dense or banded."""
    rng = draw.rng
    heads = list(range(n))
    while len(draw.values) < n + n_steps:
        chosen = rng.sample(range(n), rng.randint(1, n))
        band = rng.choice((1, 1, n))
        new = []
        for place, k in enumerate(chosen):
            value = draw.append(rng.choice(("tanh", "atan", "asinh", "softplus")), [heads[k]], 0)
            value = heads[k] if value is None else value
            for other in range(max(0, place - band), min(len(chosen), place + band + 1)):
                if other != place and rng.random() < 0.8:
                    term = draw.append(rng.choice(("sin", "tanh", "logistic", "erf")), [heads[chosen[other]]], None)
                    assert term is not None
                    total = draw.append("add", [value, draw.small(term)], None)
                    value = value if total is None else total
            new.append(value)
        for k, value in zip(chosen, new, strict=True):
            heads[k] = value
        if rng.random() < 0.5:
            k = rng.randrange(n)
            heads[k] = draw.step(heads, heads[k])
    return heads


def random_case(seed: int, max_inputs: int = 6, max_steps: int = 30) -> Case:
    """A square program with known operations and a point; nearly always nonsingular there."""
    rng = Random(seed)
    n = rng.randint(1, max_inputs)
    draw = _Drawing(rng, n)
    n_steps = rng.randint(0, max_steps) if rng.random() < 0.3 else rng.randint(max_steps // 2, max_steps)
    heads = (_layers if rng.random() < 0.35 else _paths)(draw, n, n_steps)
    # Dead and passive code.
    for _ in range(rng.choice((0, 0, 1, 3))):
        draw.step(list(range(len(draw.values))), None)
    outputs = rng.sample(heads, n) if rng.random() < 0.7 else heads
    return Case(seed, draw.builder.finish(np.array(outputs, dtype=np.int64)), draw.x)


def random_rectangle(seed: int, max_steps: int = 20) -> Case:
    """A program with any number of outputs, which may be inputs, constants, or the same value twice."""
    rng = Random(seed)
    n = rng.randint(1, 5)
    draw = _Drawing(rng, n)
    heads = _paths(draw, n, rng.randint(0, max_steps))
    constant = draw.append("constant", [draw.builder.constant(2.0)], None)
    assert constant is not None
    pool = [*heads, *heads, *range(n), constant, *range(len(draw.values))]
    outputs = [rng.choice(pool) for _ in range(rng.randint(0, 7))]
    return Case(seed, draw.builder.finish(np.array(outputs, dtype=np.int64)), draw.x)


@lru_cache(maxsize=1)
def conditioned_cases(count: int = 1000, most: float = 1e8) -> tuple[Case, ...]:
    """The first cases by seed with cond₁(J) ≤ 10⁸."""
    return tuple(_conditioned(count, most))


@lru_cache(maxsize=1)
def steady_cases() -> tuple[Case, ...]:
    """Those of them in which rounding grows little."""
    return tuple(c for c in conditioned_cases() if max(c.truth.growth, c.truth.growth_transposed) < 40)


def _conditioned(count: int, most: float) -> Iterator[Case]:
    seed = found = 0
    while found < count:
        case = random_case(seed)
        seed += 1
        # Where rounding drowns J, as for u − u, it is singular for every x.
        if (
            max(case.truth.growth, case.truth.growth_transposed) < 1e6
            and np.linalg.cond(case.truth.jacobian, 1) <= most
        ):
            found += 1
            yield case
