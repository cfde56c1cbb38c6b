"""Systems of nonlinear equations that people know: the square ones of Moré, Garbow and Hillstrom, with their starts.

Each problem is plain NumPy code for one state, in O(n) operations: sums that appear in every equation are formed once.

Reference: J. J. Moré, B. S. Garbow and K. E. Hillstrom, *Testing Unconstrained Optimization Software*, ACM Trans. Math.
Softw. 7 (1981) 17–41, doi:10.1145/355934.355936, section 3. Numbers, formulas and starts are theirs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowgraph.errors import InputError

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """f(x) = 0 with f: Rⁿ → Rⁿ, from a standard start.

    Attributes:
        name: as in ``PROBLEMS``.
        number: of the problem in the paper.
        title: its name in the paper.
        f: x (n,) ↦ f(x) (n,), NumPy code that ``fg.trace`` takes.
        start_of: n ↦ the standard start (n,); ``start`` checks n first.
        root_of: n ↦ a root (n,) that is known in closed form; None where none is.
        multiple: n is a multiple of this.
        smallest: the smallest n.
        sizes: the only n there are; empty where every multiple of ``multiple`` from ``smallest`` on will do.

    Example:
        >>> problem = PROBLEMS["rosenbrock"]
        >>> problem.f(problem.start()), problem.f(problem.root())
        (array([-4.4,  2.2]), array([0., 0.]))
        >>> PROBLEMS["extended-powell-singular"].start(6)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        flowgraph.errors.InputError: problem 22, extended Powell singular function, has no such size
          got:      6
          expected: a multiple of 4
    """

    name: str
    number: int
    title: str
    f: Callable[[Any], Any]
    start_of: Callable[[int], Array]
    root_of: Callable[[int], Array] | None = None
    multiple: int = 1
    smallest: int = 1
    sizes: tuple[int, ...] = ()

    def start(self, n: int | None = None) -> Array:
        """The standard start.

        Args:
            n: the number of unknowns; not needed where there is one size only.

        Returns:
            (n,).

        Raises:
            InputError: the problem has no such size, or has many and none was given.
        """
        return self.start_of(self._size(n))

    def root(self, n: int | None = None) -> Array | None:
        """A root (n,) in closed form, or None where none is known. Arguments and errors as ``start``."""
        size = self._size(n)
        return None if self.root_of is None else self.root_of(size)

    def allows(self, n: int) -> bool:
        """Whether the problem has a size n."""
        if self.sizes:
            return n in self.sizes
        return n >= self.smallest and n % self.multiple == 0

    def _size(self, n: Any) -> int:
        if n is None and len(self.sizes) == 1:
            return self.sizes[0]
        size = int(n) if isinstance(n, (int, np.integer)) and not isinstance(n, bool) else 0
        if not self.allows(size):
            raise InputError(
                f"problem {self.number}, {self.title}, has no such size", got=repr(n), expected=self._sizes_text()
            )
        return size

    def _sizes_text(self) -> str:
        if self.sizes:
            return " or ".join(map(str, self.sizes))
        if self.multiple > 1:
            return f"a multiple of {self.multiple}"
        return f"an integer ≥ {self.smallest}"


def _fixed(*values: float) -> Callable[[int], Array]:
    return lambda n: np.array(values)


def _repeated(*values: float) -> Callable[[int], Array]:
    return lambda n: np.tile(np.array(values, dtype=float), n // len(values))


def _rosenbrock(x: Any) -> Any:
    return np.stack([10.0 * (x[1::2] - x[0::2] ** 2), 1.0 - x[0::2]], axis=1).ravel()


def _freudenstein_roth(x: Any) -> Any:
    u, v = x[0], x[1]
    return np.stack([-13.0 + u + ((5.0 - v) * v - 2.0) * v, -29.0 + u + ((v + 1.0) * v - 14.0) * v])


def _powell_badly_scaled(x: Any) -> Any:
    return np.stack([1e4 * x[0] * x[1] - 1.0, np.exp(-x[0]) + np.exp(-x[1]) - 1.0001])


def _helical_valley(x: Any) -> Any:
    # The paper has θ = arctan(x₂/x₁)/2π for x₁ > 0 and 1/2 more for x₁ < 0: between −1/4 and 3/4, with its cut at
    # x₁ = 0, x₂ < 0. So is this angle, counted from the second axis.
    theta = 0.25 - np.arctan2(x[0], x[1]) / (2.0 * np.pi)
    return np.stack([10.0 * (x[2] - 10.0 * theta), 10.0 * (np.hypot(x[0], x[1]) - 1.0), x[2]])


def _powell_singular(x: Any) -> Any:
    a, b, c, d = x[0::4], x[1::4], x[2::4], x[3::4]
    rows = [a + 10.0 * b, math.sqrt(5.0) * (c - d), (b - 2.0 * c) ** 2, math.sqrt(10.0) * (a - d) ** 2]
    return np.stack(rows, axis=1).ravel()


def _trigonometric(x: Any) -> Any:
    i = np.arange(1, len(x) + 1)
    return len(x) - np.sum(np.cos(x)) + i * (1.0 - np.cos(x)) - np.sin(x)


def _brown_almost_linear(x: Any) -> Any:
    return np.concatenate([x[:-1] + (np.sum(x) - (len(x) + 1.0)), [np.prod(x) - 1.0]])


def _grid(n: int) -> Array:
    """t_i = i h inside (0, 1), h = 1/(n + 1)."""
    return np.arange(1, n + 1) / (n + 1.0)


def _parabola(n: int) -> Array:
    return _grid(n) * (_grid(n) - 1.0)


def _discrete_boundary_value(x: Any) -> Any:
    n, t = len(x), _grid(len(x))
    left, right = np.concatenate([[0.0], x[:-1]]), np.concatenate([x[1:], [0.0]])
    return 2.0 * x - left - right + (x + t + 1.0) ** 3 / (2.0 * (n + 1.0) ** 2)


def _discrete_integral_equation(x: Any) -> Any:
    n, t = len(x), _grid(len(x))
    cube = (x + t + 1.0) ** 3
    below = np.cumsum(t * cube)
    above = np.concatenate([np.cumsum(((1.0 - t) * cube)[:0:-1])[::-1], [0.0]])
    return x + ((1.0 - t) * below + t * above) / (2.0 * (n + 1.0))


def _broyden_tridiagonal(x: Any) -> Any:
    left, right = np.concatenate([[0.0], x[:-1]]), np.concatenate([x[1:], [0.0]])
    return (3.0 - 2.0 * x) * x - left - 2.0 * right + 1.0


def _broyden_banded(x: Any) -> Any:
    below, above = 5, 1
    n = len(x)
    padded = np.concatenate([np.zeros(below), x * (1.0 + x), np.zeros(above)])
    near = sum(padded[k : k + n] for k in range(below + above + 1) if k != below)
    return x * (2.0 + 5.0 * x**2) + 1.0 - near


def _chebyquad(x: Any) -> Any:
    # T_i of 2x − 1 by the three-term recurrence; its integral over (0, 1) is −1/(i² − 1) for even i, else 0.
    n, u = len(x), 2.0 * x - 1.0
    before, now, rows = np.ones(n), u, []
    for i in range(1, n + 1):
        integral = 0.0 if i % 2 else -1.0 / (i * i - 1.0)
        rows.append(np.sum(now) / n - integral)
        before, now = now, 2.0 * u * now - before
    return np.stack(rows)


_ALL = (
    Problem("rosenbrock", 1, "Rosenbrock function", _rosenbrock, _fixed(-1.2, 1.0), _fixed(1.0, 1.0), sizes=(2,)),
    Problem(
        "freudenstein-roth",
        2,
        "Freudenstein and Roth function",
        _freudenstein_roth,
        _fixed(0.5, -2.0),
        _fixed(5.0, 4.0),
        sizes=(2,),
    ),
    Problem(
        "powell-badly-scaled",
        3,
        "Powell badly scaled function",
        _powell_badly_scaled,
        _fixed(0.0, 1.0),
        sizes=(2,),
    ),
    Problem(
        "helical-valley",
        7,
        "helical valley function",
        _helical_valley,
        _fixed(-1.0, 0.0, 0.0),
        _fixed(1.0, 0.0, 0.0),
        sizes=(3,),
    ),
    Problem(
        "powell-singular",
        13,
        "Powell singular function",
        _powell_singular,
        _fixed(3.0, -1.0, 0.0, 1.0),
        np.zeros,
        sizes=(4,),
    ),
    Problem(
        "extended-rosenbrock",
        21,
        "extended Rosenbrock function",
        _rosenbrock,
        _repeated(-1.2, 1.0),
        np.ones,
        multiple=2,
    ),
    Problem(
        "extended-powell-singular",
        22,
        "extended Powell singular function",
        _powell_singular,
        _repeated(3.0, -1.0, 0.0, 1.0),
        np.zeros,
        multiple=4,
    ),
    Problem("trigonometric", 26, "trigonometric function", _trigonometric, lambda n: np.full(n, 1.0 / n)),
    Problem(
        "brown-almost-linear",
        27,
        "Brown almost-linear function",
        _brown_almost_linear,
        _repeated(0.5),
        np.ones,
    ),
    Problem("discrete-boundary-value", 28, "discrete boundary value function", _discrete_boundary_value, _parabola),
    Problem(
        "discrete-integral-equation", 29, "discrete integral equation function", _discrete_integral_equation, _parabola
    ),
    Problem("broyden-tridiagonal", 30, "Broyden tridiagonal function", _broyden_tridiagonal, _repeated(-1.0)),
    Problem("broyden-banded", 31, "Broyden banded function", _broyden_banded, _repeated(-1.0)),
    Problem(
        "chebyquad",
        35,
        "Chebyquad function",
        _chebyquad,
        _grid,
        sizes=(1, 2, 3, 4, 5, 6, 7, 9),
    ),
)

PROBLEMS: Mapping[str, Problem] = MappingProxyType({problem.name: problem for problem in _ALL})
"""The square systems of the paper by name, in the order of their numbers."""
