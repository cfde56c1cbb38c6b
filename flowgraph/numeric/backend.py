"""What a backend has to do. There are two, ``NumpyBackend`` and ``CompiledBackend``; both give the same to rounding.

Every method works on a batch of B points at once; one point is a batch of one. A *system* is a ``Reduced`` or a
``Schedule``: rows ż − Σ c ẋ = 0 with ``starts`` and ``arguments``, n inputs, and outputs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from flowgraph.numeric.reduced import Reduced
from flowgraph.numeric.schedule import Schedule

Array = NDArray[Any]


class System(Protocol):
    """The rows of a linear system, see ``Reduced`` and ``Schedule``."""

    @property
    def n_inputs(self) -> int:
        """n."""
        ...

    @property
    def starts(self) -> Array:
        """(R + 1,) where the entries of each row begin."""
        ...

    @property
    def arguments(self) -> Array:
        """(E,) value numbers."""
        ...

    @property
    def outputs(self) -> Array:
        """(m,) value numbers."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """A program at B points.

    Attributes:
        outputs: (B, m) f(x).
        watched: for each guard, (B, ·) the values it looks at.
        fine: (B,) whether everything is finite and inside its domain.
        data: (B, offset + E) the coefficients after ``offset`` numbers that do not count; empty where only f is asked.
        offset: where the coefficients begin.
        side_by_side: (chunks, offset + E, lanes) the same for several members at a time, in place of ``data``.
    """

    outputs: Array
    watched: tuple[Array, ...]
    fine: Array
    data: Array
    offset: int
    side_by_side: Array | None = None

    @property
    def coefficients(self) -> Array:
        """(B, E) the coefficients."""
        data, offset = self.by_member()
        return data[:, offset:]

    def by_member(self) -> tuple[Array, int]:
        """The coefficients of each member in a row, and where they begin there."""
        if self.side_by_side is None:
            return self.data, self.offset
        chunks, size, lanes = self.side_by_side.shape
        found = np.swapaxes(self.side_by_side[:, self.offset :], 1, 2).reshape(chunks * lanes, size - self.offset)
        return found[: len(self.fine)], 0

    def of_members(self, members: Array) -> Values:
        """The same for some members only."""
        data, offset = self.by_member()
        return Values(
            self.outputs[members],
            tuple(seen[members] for seen in self.watched),
            self.fine[members],
            data[members],
            offset,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Pivoting:
    """What is known of the pivots at B points, before any solve. Made by ``of``.

    Attributes:
        zero_row: (B,) the first row that stands alone and has pivot 0, or −1.
        zero_block: (B,) the first block whose A is singular, or −1.
        n_small: (B,) how many rows that stand alone have a pivot that is small beside its row.
        factors: the factored blocks, as the backend keeps them.
        singular: (B,) whether J is singular there.
        any_singular: whether J is singular anywhere.
        any_small: whether any pivot is small.
    """

    zero_row: Array
    zero_block: Array
    n_small: Array
    factors: Any
    singular: Array
    any_singular: bool
    any_small: bool

    @staticmethod
    def of(zero_row: Array, zero_block: Array, n_small: Array, factors: Any) -> Pivoting:
        """What follows from the first four."""
        singular = np.maximum(zero_row, zero_block) >= 0
        return Pivoting(zero_row, zero_block, n_small, factors, singular, bool(singular.any()), bool(n_small.any()))


class Backend(ABC):
    """Evaluation and sweeps for one analysed program."""

    name: str

    @abstractmethod
    def prepare(self, reduced: Reduced) -> Any:
        """Whatever ``evaluate`` needs besides the reduced system, made once."""

    @abstractmethod
    def evaluate(self, reduced: Reduced, prepared: Any, x: Array, *, linearise: bool) -> Values:
        """f, and with ``linearise`` the coefficients, at x of shape (B, n)."""

    @abstractmethod
    def forward(self, system: System, values: Values, rhs: Array) -> Array:
        """J v: (B, n, k) → (B, m, k)."""

    @abstractmethod
    def reverse(self, system: System, values: Values, rhs: Array) -> Array:
        """Jᵀ w: (B, m, k) → (B, n, k)."""

    @abstractmethod
    def prepare_inverse(self, schedule: Schedule) -> Any:
        """Whatever the inverse sweeps need, made once; it has the ``schedule``."""

    @abstractmethod
    def factor(self, inverse: Any, values: Values, threshold: float) -> Pivoting:
        """Look at the scalar pivots and factor the blocks.

        Args:
            inverse: what ``prepare_inverse`` made.
            values: the coefficients.
            threshold: rows with a pivot of at most that times their largest coefficient are called small.
        """

    @abstractmethod
    def forward_inverse(self, inverse: Any, values: Values, pivoting: Pivoting, rhs: Array) -> Array:
        """J⁻¹ v: (B, n, k) → (B, n, k); NaN for members that are singular."""

    @abstractmethod
    def reverse_inverse(self, inverse: Any, values: Values, pivoting: Pivoting, rhs: Array) -> Array:
        """J⁻ᵀ w: (B, n, k) → (B, n, k); NaN for members that are singular."""

    @abstractmethod
    def log_determinant(self, inverse: Any, values: Values, pivoting: Pivoting) -> tuple[Array, Array]:
        """(B,) sign and (B,) log|det J|; 0 and −∞ for members that are singular."""
