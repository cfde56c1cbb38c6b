"""``Runs``: one number for each step of a program, kept as runs of steps that share it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowgraph.errors import ProgramError

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """A number for each step: its source line, or the time step that it belongs to.

    Attributes:
        starts: (R,) the first step of each run, ascending from 0.
        numbers: (R,) the number of each run.

    Example:
        >>> runs = Runs(np.array([0, 3]), np.array([7, 8]))
        >>> runs.at(np.array([0, 2, 3, 9])).tolist()
        [7, 7, 8, 8]
        >>> taken = runs.taken(np.array([4, 1, 2]))
        >>> taken.starts.tolist(), taken.numbers.tolist()
        ([0, 1], [8, 7])
    """

    starts: Array
    numbers: Array

    def __post_init__(self) -> None:
        if len(self.starts) != len(self.numbers):
            raise ProgramError("every run of steps has one number", got=f"{len(self.starts)} and {len(self.numbers)}")
        if len(self.starts) and (self.starts[0] != 0 or (np.diff(self.starts) <= 0).any()):
            raise ProgramError("runs of steps must begin at step 0 and ascend")
        self.starts.setflags(write=False)
        self.numbers.setflags(write=False)

    @staticmethod
    def of(numbers: Array) -> Runs:
        """The runs of numbers given one by one, (T,), none of them below −1."""
        turns = np.flatnonzero(np.diff(numbers, prepend=-2))
        return Runs(turns, numbers[turns])

    def at(self, steps: Array) -> Array:
        """The numbers of some steps; there must be a run."""
        return self.numbers[np.searchsorted(self.starts, steps, side="right") - 1]

    def taken(self, steps: Array) -> Runs:
        """The runs of some of the steps, in the order given."""
        return Runs.of(self.at(steps)) if len(self.starts) else self
