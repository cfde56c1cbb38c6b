"""The program families of the benchmarks: each one function, written once for NumPy (traced) and for JAX.

Every function takes the array module as an argument. With ``numpy`` its loops run as Python loops, which the tracer
follows; with ``jax.numpy`` they are ``lax.scan`` or ``lax.fori_loop``, so that compiling takes seconds whatever their
length. All maps are square, smooth, and invertible at the start point that goes with them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Any

import numpy as np

import flowgraph as fg
from benchmarks.numeric.machines import Machine, is_jax, mixing_machine, put, random_machine

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Instance:
    """One function at one size.

    Attributes:
        function: ``function(x, xp)`` with the array module ``numpy`` or ``jax.numpy``.
        x: (n,) the start point.
        builder: makes the program where it is not traced from ``function`` (register machines keep their own order).
    """

    function: Callable[[Any, Any], Any]
    x: Array
    builder: Callable[[], fg.Program] | None = None

    @property
    def n(self) -> int:
        """The number of inputs and of outputs."""
        return len(self.x)

    def numpy(self, x: Any) -> Any:
        """f by NumPy, as the tracer runs it."""
        return self.function(x, np)

    def program(self) -> fg.Program:
        """The straight-line program."""
        return self.builder() if self.builder is not None else fg.trace(self.numpy, self.n)


@dataclass(frozen=True, slots=True)
class Size:
    """One size of a family.

    Attributes:
        label: as the tables print it.
        make: makes the instance.
        n: the number of inputs.
        dense: whether the dense peers run too (their time grows with n³).
        quick: whether ``--quick`` keeps it.
    """

    label: str
    make: Callable[[], Instance]
    n: int
    dense: bool = True
    quick: bool = False


@dataclass(frozen=True, slots=True)
class Family:
    """A function at several sizes.

    Attributes:
        title: as the tables print it.
        sizes: in ascending order.
        lump_free: whether every block of the program is scalar once statements are merged.
        about: what the function is, in a sentence.
    """

    title: str
    sizes: tuple[Size, ...]
    lump_free: bool
    about: str


def _repeat(xp: Any, count: int, body: Callable[[Any], Any], state: Any) -> Any:
    """``count`` applications of ``body``."""
    if not is_jax(xp):
        for _ in range(count):
            state = body(state)
        return state
    lax = import_module("jax.lax")
    return lax.fori_loop(0, count, lambda _, inner: body(inner), state)


def _scan(xp: Any, body: Callable[[Any, Any], Any], state: Any, tables: Any) -> Any:
    """``body(state, row)`` for each row of a tuple of arrays of equal length."""
    if not is_jax(xp):
        for row in zip(*tables, strict=True):
            state = body(state, row)
        return state
    lax = import_module("jax.lax")
    return lax.scan(lambda inner, row: (body(inner, row), None), state, tuple(map(xp.asarray, tables)))[0]


def leapfrog(n: int, steps: int, h: float = 0.01, coupling: float = 0.1) -> Instance:
    """q″ = −q − q³ + coupling · (discrete Laplacian of q) on a ring of n/2 oscillators, kick – drift – kick.

    The map of ``benchmarks.trace``: the half kicks of neighbouring steps are joined. Every block is scalar, det J = 1.
    """
    half = n // 2

    def force(q: Any, xp: Any) -> Any:
        return coupling * (xp.roll(q, 1) + xp.roll(q, -1)) - (1.0 + 2.0 * coupling) * q - q**3

    def flow(x: Any, xp: Any) -> Any:
        def turn(state: Any) -> Any:
            q, p = state
            q = q + h * p
            return q, p + h * force(q, xp)

        q, p = x[:half], x[half:]
        q, p = _repeat(xp, steps - 1, turn, (q, p + 0.5 * h * force(q, xp)))
        q = q + h * p
        return xp.concatenate([q, p + 0.5 * h * force(q, xp)])

    return Instance(flow, np.random.default_rng(1).uniform(-1.0, 1.0, n))


def coupling(n: int, layers: int = 8) -> Instance:
    """Affine coupling layers, as in RealNVP: (a, b) ↦ (a, b · exp(s(a)) + t(a)), the halves changing roles each time.

    s and t are circular convolutions of width 3 through tanh, so that a layer costs O(n). Every block is scalar;
    log|det J| = Σ s.
    """
    rng = np.random.default_rng(2)
    half = n // 2
    weights = 0.3 * rng.standard_normal((layers, 2, 3, half))

    def network(a: Any, w: Any, xp: Any) -> Any:
        return xp.tanh(w[0] * a + w[1] * xp.roll(a, 1) + w[2] * xp.roll(a, -1))

    def flow(x: Any, xp: Any) -> Any:
        a, b = x[:half], x[half:]
        for scale, shift in weights:
            a, b = b * xp.exp(network(a, scale, xp)) + network(a, shift, xp), a
        return xp.concatenate([a, b])

    return Instance(flow, rng.standard_normal(n))


def tridiagonal(n: int, layers: int, coefficient: float) -> Instance:
    """x ← x + ½ · coefficient · sin(x₋ − 2x + x₊), with 0 beyond both ends: a composition of tridiagonal maps.

    J is a product of tridiagonal matrices I + ½ · coefficient · diag(cos) · tridiag(1, −2, 1): each layer is one lump
    of n values with a banded matrix. It is diffusion, so the primal is stable and J⁻¹ amplifies.
    """
    zero = np.zeros(1)

    def flow(x: Any, xp: Any) -> Any:
        def layer(v: Any) -> Any:
            left = xp.concatenate([zero, v[:-1]])
            right = xp.concatenate([v[1:], zero])
            return v + 0.5 * coefficient * xp.sin(left + right - 2.0 * v)

        return _repeat(xp, layers, layer, x)

    return Instance(flow, np.random.default_rng(3).uniform(-1.0, 1.0, n))


def lorenz96(n: int, steps: int = 200, h: float = 0.01, force: float = 8.0) -> Instance:
    """Runge–Kutta of order four on ẋᵢ = (xᵢ₊₁ − xᵢ₋₂) xᵢ₋₁ − xᵢ + F: each step is one lump with a periodic band."""

    def flow(x: Any, xp: Any) -> Any:
        def slope(v: Any) -> Any:
            return (xp.roll(v, -1) - xp.roll(v, 2)) * xp.roll(v, 1) - v + force

        def step(v: Any) -> Any:
            k1 = slope(v)
            k2 = slope(v + 0.5 * h * k1)
            k3 = slope(v + 0.5 * h * k2)
            k4 = slope(v + h * k3)
            return v + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)

        return _repeat(xp, steps, step, x)

    # On the attractor, so that the flow is what it is in a data assimilation.
    state = force + np.random.default_rng(4).uniform(-1.0, 1.0, n)
    spin = Instance(flow, state)
    for _ in range(3):
        state = spin.numpy(state)
    return Instance(flow, state)


_Row = tuple[str, tuple[Any, ...], bool, bool]
"""Label, arguments, and whether dense peers and ``--quick`` take part."""

LUMPS = (1, 1, 2, 3, 5, 8, 13)
"""Sizes of the lumps of the mixed recurrence, drawn with equal chances."""


def mixed(n: int, rounds: int, coefficient: float = 0.1) -> Instance:
    """An explicit recurrence with lumps of mixed sizes.

    In each round one half of the registers is parted at random into groups of 1 to 13, and each group moves on at once:
    xᵢ ← xᵢ + c · (sin(x_next) · x_prev + x_other), where next and prev are the neighbours in the ring of the group, and
    other is a register of the other half. Each group is one lump, l = the size of the group.
    """
    rng = np.random.default_rng(5)
    half = n // 2
    tables: list[list[Array]] = [[], [], [], []]
    for turn in range(rounds):
        order = rng.permutation(half)
        after, before = order.copy(), order.copy()
        first = 0
        while first < half:
            last = min(half, first + int(rng.choice(LUMPS)))
            after[first:last] = np.roll(order[first:last], -1)
            before[first:last] = np.roll(order[first:last], 1)
            first = last
        own = turn % 2 * half
        rows = (own + order, own + after, own + before, half - own + rng.permutation(half))
        for table, row in zip(tables, rows, strict=True):
            table.append(row)

    def flow(x: Any, xp: Any) -> Any:
        def turn(v: Any, row: Any) -> Any:
            place, after, before, other = row
            fresh = v[place] + coefficient * (xp.sin(v[after]) * v[before] + v[other])
            return put(xp, v, place, fresh)

        return _scan(xp, turn, x, tuple(map(np.stack, tables)))

    return Instance(flow, rng.uniform(-1.0, 1.0, n))


def _machine(machine: Machine) -> Instance:
    return Instance(machine.run, machine.x, machine.program)


def registers(n: int, steps: int) -> Instance:
    """A random register machine: see ``machines.random_machine``."""
    return _machine(random_machine(n, steps))


def deep_registers(n: int, steps: int) -> Instance:
    """A long register machine with weak mixing: see ``machines.mixing_machine``."""
    return _machine(mixing_machine(n, steps))


def _sizes(make: Callable[..., Instance], rows: tuple[_Row, ...]) -> tuple[Size, ...]:
    return tuple(
        Size(label, lambda arguments=arguments: make(*arguments), arguments[0], dense, quick)
        for label, arguments, dense, quick in rows
    )


FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "small-registers": Family(
            "small random register machines, T = 10 n",
            _sizes(
                registers,
                (
                    ("n=8, T=80", (8, 80), True, False),
                    ("n=16, T=160", (16, 160), True, False),
                    ("n=32, T=320", (32, 320), True, True),
                    ("n=64, T=640", (64, 640), True, False),
                    ("n=128, T=1280", (128, 1280), True, False),
                ),
            ),
            True,
            "where a dense J is cheap",
        ),
        "registers": Family(
            "random register machine, T = 10 n",
            _sizes(
                registers,
                (
                    ("n=1000, T=10000", (1000, 10_000), True, True),
                    ("n=10000, T=100000", (10_000, 100_000), False, False),
                    ("n=100000, T=1000000", (100_000, 1_000_000), False, False),
                ),
            ),
            True,
            "each step overwrites one of the registers it reads",
        ),
        "deep-registers": Family(
            "register machine with weak mixing, n = 1,000",
            _sizes(
                deep_registers,
                (
                    ("n=1000, T=10000", (1000, 10_000), False, True),
                    ("n=1000, T=100000", (1000, 100_000), False, False),
                    ("n=1000, T=1000000", (1000, 1_000_000), False, False),
                ),
            ),
            True,
            "u ← u + 0.03 w and u ← u + 0.03 sin w on random registers",
        ),
        "coupling": Family(
            "RealNVP-like coupling, 8 layers",
            _sizes(
                coupling,
                (
                    ("n=256", (256,), True, False),
                    ("n=1024", (1024,), True, True),
                    ("n=4096", (4096,), True, False),
                    ("n=16384", (16_384,), False, False),
                ),
            ),
            True,
            "b ← b · exp(s(a)) + t(a), s and t of width 3",
        ),
        "leapfrog": Family(
            "leapfrog on a chain of oscillators, T = 100",
            _sizes(
                leapfrog,
                (
                    ("n=256", (256, 100), True, False),
                    ("n=1024", (1024, 100), True, True),
                    ("n=4096", (4096, 100), False, False),
                    ("n=16384", (16_384, 100), False, False),
                ),
            ),
            True,
            "symplectic: scalar blocks only, det J = 1",
        ),
        "tridiagonal": Family(
            "composition of tridiagonal maps, 256 layers, c = 1.6/256",
            _sizes(
                tridiagonal,
                (
                    ("n=64", (64, 256, 1.6 / 256), True, False),
                    ("n=256", (256, 256, 1.6 / 256), True, True),
                    ("n=1024", (1024, 256, 1.6 / 256), True, False),
                    ("n=4096", (4096, 256, 1.6 / 256), False, False),
                ),
            ),
            False,
            "one banded lump of n values a layer",
        ),
        "lorenz96": Family(
            "RK4 on Lorenz-96, T = 200",
            _sizes(
                lorenz96,
                (
                    ("n=40", (40,), True, True),
                    ("n=127", (127,), True, False),
                    ("n=400", (400,), True, False),
                ),
            ),
            False,
            "one lump of n values with a periodic band a step",
        ),
        "mixed": Family(
            "explicit recurrence with lumps of 1 to 13 values, 100 half rounds",
            _sizes(
                mixed,
                (
                    ("n=100", (100, 100), True, True),
                    ("n=1000", (1000, 100), True, False),
                    ("n=10000", (10_000, 100), False, False),
                ),
            ),
            False,
            "groups of registers that move on at once",
        ),
    }
)
"""All families by name."""

ILL_CONDITIONED_COEFFICIENT = 0.0432
"""c of the tridiagonal composition with n = 256 and 256 layers whose condition number is about 10¹⁰."""


def instance(family: str, label: str) -> Instance:
    """The instance of a family at the size with that label."""
    return next(size.make() for size in FAMILIES[family].sizes if size.label == label)
