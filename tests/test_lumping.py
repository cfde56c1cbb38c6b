"""``lumps`` and ``best_order``: the sequence, its columns, and programs at the edges of what there is.

The lumps of random programs are held to an oracle in ``test_lump_theory``.
"""

from __future__ import annotations

import numpy as np
import pytest

import flowgraph as fg
from flowgraph.builder import Builder
from flowgraph.lumping import Lump, best_order, lumps
from tests.examples import EQUASIVE, REGULAR, SINGULAR
from tests.lump_oracle import check_best_order, check_certificate, check_lumps

PROGRAM = fg.parse("inputs x, y, w\nt = f(x, w)\nu = g(t, x, y)\nv = h(t, y)\nz = k(u, w)\noutputs z, v, w")


def test_a_lump_field_by_field() -> None:
    found = lumps(PROGRAM)
    assert list(found) == [
        Lump(index=0, start=0, stop=3, steps=(0, 1, 2), consumed=(0, 1), produced=(4, 5), read=(2,)),
        Lump(index=1, start=3, stop=4, steps=(3,), consumed=(4,), produced=(6,), read=(2,)),
    ]
    assert [lump.size for lump in found] == found.sizes.tolist() == [2, 1]
    assert found.lengths.tolist() == [3, 1]
    assert found.widths.tolist() == [3, 4, 4, 3, 3]
    assert found.cuts.tolist() == [0, 3, 4]
    assert found.bounds.tolist() == [0, 3, 4]
    assert found.order.tolist() == [0, 1, 2, 3]
    assert found.birth.tolist() == [0, 0, 0, 1, 2, 3, 4]
    assert found.death.tolist() == [2, 3, 5, 3, 4, 5, 5]
    assert [found.lump_at(time) for time in range(1, 5)] == [0, 0, 0, 1]
    assert repr(found) == "<Lumping: 2 lumps of 4 steps, largest l 2>"


def test_a_lumping_is_a_sequence_that_nobody_can_change() -> None:
    found = lumps(PROGRAM)
    assert found[-1] == found[1]
    assert found[0:2] == tuple(found)
    assert found[::-1] == tuple(found)[::-1]
    assert found[5:] == ()
    for wrong in (2, -3):
        with pytest.raises(IndexError, match=f"lump {wrong} of 2"):
            found[wrong]
    for column in (found.order, found.widths, found.cuts, found.bounds, found.birth, found.death):
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 7


def test_a_step_that_decides_a_branch_belongs_to_the_next_lump_or_to_the_last() -> None:
    program = fg.parse("inputs x, y, s\nz = f(x, y)\nc = s - 1\nw = select(c, y, s)\nd = s - 2\noutputs z, w, s")
    for order in (["z", "c", "w"], ["c", "z", "d", "w"]):
        steps = [step for step in ({"z": 0, "c": 1, "w": 2, "d": 3}[name] for name in order) if step != 3]
        assert check_lumps(program, lumps(program, order), steps) is None
    # d is dead: no guard looks at it.
    assert [lump.steps for lump in lumps(program)] == [(0,), (1, 2)]
    builder = Builder(2)
    z = builder.call("f", 0, 1)
    d = builder.call("g", 1)
    builder.guard(np.array([d]), np.array([True]))
    guarded = builder.finish(np.array([z, 1]))
    assert [lump.steps for lump in lumps(guarded)] == [(0, 1)]
    assert lumps(guarded).cuts.tolist() == [0, 1, 2]
    assert lumps(guarded).bounds.tolist() == [0, 2]
    assert check_lumps(guarded, lumps(guarded)) is None


def test_programs_without_steps_and_without_inputs() -> None:
    for program in (fg.parse("inputs x, y\noutputs y, x"), Builder(0).finish(np.zeros(0, dtype=np.int64))):
        found = lumps(program)
        assert (len(found), list(found), found[:]) == (0, [], ())
        assert found.cuts.tolist() == found.bounds.tolist() == [0]
        assert found.sizes.tolist() == []
        assert best_order(program).tolist() == []
        assert repr(found) == "<Lumping: 0 lumps of 0 steps, largest l 0>"


def test_dead_code_has_no_place() -> None:
    program = fg.parse("inputs x, y\nd = f(x)\nt = g(x, y)\nu = h(x, y)\ne = k(d, u)\noutputs u, t")
    found = lumps(program)
    assert found.order.tolist() == best_order(program).tolist() == [1, 2]
    assert [lump.steps for lump in found] == [(1, 2)]
    assert found.birth[2] == found.birth[5] == -1
    for order in (["d", "t", "u"], ["e", "t", "d", "u"], [1, 2]):
        assert lumps(program, order).order.tolist() == [1, 2]


@pytest.mark.parametrize("path", SINGULAR, ids=lambda path: path.stem)
def test_singular_examples_have_no_lumps(path) -> None:
    program = fg.load(path)
    for call in (lumps, best_order):
        with pytest.raises(fg.NotInvertible, match="singular for every x") as caught:
            call(program)
        assert check_certificate(program, caught.value.certificate) is None


@pytest.mark.parametrize(
    "text", ["inputs x, y\nz = f(x, y)\noutputs z", "inputs x\nz = f(x)\noutputs x, z", "inputs x, y\noutputs x"]
)
def test_programs_that_are_not_square_have_no_lumps(text: str) -> None:
    for call in (lumps, best_order):
        with pytest.raises(fg.NotInvertible, match="as many outputs as inputs"):
            call(fg.parse(text))


@pytest.mark.parametrize("path", REGULAR, ids=lambda path: path.stem)
def test_the_best_order_of_every_example(path) -> None:
    program = fg.load(path)
    order = best_order(program)
    assert check_best_order(program, order) is None
    assert check_lumps(program, lumps(program, order), order.tolist()) is None
    if path in EQUASIVE:
        # What cannot be bettered is left as it is.
        assert order.tolist() == list(range(program.n_steps))
        assert lumps(program).sizes.tolist() == [1] * program.n_steps


def test_the_best_order_of_a_program_in_its_best_order_is_that_order() -> None:
    for path in REGULAR:
        program = fg.load(path)
        best = program.reordered(best_order(program))
        assert best_order(best).tolist() == list(range(best.n_steps))


def test_an_order_that_is_wrong_is_refused_with_the_pair() -> None:
    with pytest.raises(fg.InputError, match="u needs t, which comes later in the order"):
        lumps(PROGRAM, ["u", "t", "v", "z"])
    with pytest.raises(fg.InputError, match="leaves out 1 step"):
        lumps(PROGRAM, ["t", "u", "v"])


def test_a_long_program_takes_no_time() -> None:
    n = 20_000
    builder = Builder(2)
    x, y = 0, 1
    for _ in range(n // 2):
        x, y = builder.call("f", x, y), builder.call("g", x, y)
    program = builder.finish(np.array([x, y]))
    found = lumps(program, best_order(program))
    assert len(found) == n // 2
    assert set(found.sizes.tolist()) == {2}
    assert found[n // 4].steps == (n // 2, n // 2 + 1)
