"""``Runs``: a number for each step, kept as runs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowgraph.errors import ProgramError
from flowgraph.runs import Runs

NUMBERS = st.lists(st.integers(-1, 2), min_size=1, max_size=12)


@given(NUMBERS, st.data())
def test_runs_give_back_what_they_were_made_of(numbers: list[int], data: st.DataObject) -> None:
    runs = Runs.of(np.array(numbers))
    assert runs.at(np.arange(len(numbers))).tolist() == numbers
    assert (np.diff(runs.numbers) != 0).all()
    steps = data.draw(st.lists(st.integers(0, len(numbers) - 1), min_size=1))
    taken = runs.taken(np.array(steps))
    assert taken.at(np.arange(len(steps))).tolist() == [numbers[k] for k in steps]


@pytest.mark.parametrize(
    ("starts", "numbers"), [([0, 1], [4]), ([1], [4]), ([0, 2, 2], [1, 2, 3]), ([0, 2, 1], [1, 2, 3])]
)
def test_runs_that_do_not_cover_the_steps_are_refused(starts: list[int], numbers: list[int]) -> None:
    with pytest.raises(ProgramError, match="run"):
        Runs(np.array(starts), np.array(numbers))


def test_no_runs() -> None:
    empty = Runs(np.zeros(0, dtype=int), np.zeros(0, dtype=int))
    assert empty.taken(np.zeros(0, dtype=int)) is empty
