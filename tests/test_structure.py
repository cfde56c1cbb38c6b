"""``decompose``: certificates in words and in JSON, blocks, and programs at the edges of what there is.

Ranks, matchings and blocks of random programs are held to an oracle in ``test_lump_theory``.
"""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

import flowgraph as fg
from flowgraph.builder import Builder
from flowgraph.certificate import Certificate
from flowgraph.data_flow import data_flow
from flowgraph.structure import Block, decompose, require_invertible
from tests.examples import REGULAR, SINGULAR
from tests.lump_oracle import check_certificate, check_structure


def certificate(text: str) -> Certificate:
    program = fg.parse(text)
    found = decompose(program).certificate
    assert found is not None
    assert check_certificate(program, found) is None
    return found


TOLD = {
    "one value": (
        "inputs x, y\nt = f(x, y)\nu = g(t)\noutputs t, u",
        "this 1 value separates 2 inputs (x, y) from 2 outputs (t, u): t (line 2)",
    ),
    "two values": (
        "inputs x, y, w\ns = f(x, y, w)\nt = g(x, y, w)\na = h(s, t)\nb = k(s, t)\nc = l(s, t)\noutputs a, b, c",
        "these 2 values separate 3 inputs (x, y, w) from 3 outputs (a, b, c): s (line 2), t (line 3)",
    ),
    "no output": ("inputs x, y\nz = f(x)\nw = g(x)\noutputs z, w", "no output depends on 1 input (y)"),
    "no input": ("inputs x, y\nz = f(x, y)\nw = 1 + 2\noutputs z, w", "1 output (w) depends on no input"),
    "twice": (
        "inputs x, y\nz = f(x, y)\noutputs z, z",
        "this 1 value separates 2 inputs (x, y) from 2 outputs (z, z): z (line 2) (listed twice among the outputs: z)",
    ),
    "an input is the cut": (
        "inputs x, y, w\na = f(x)\nb = g(x)\nc = h(y, w)\noutputs a, b, c",
        "this 1 value separates 1 input (x) from 2 outputs (a, b): x",
    ),
    "inputs that meet": (
        "inputs x, y, w\nt = f(x, y)\na = g(t, w)\nb = h(t, w)\nc = k(w, t)\noutputs a, b, c",
        "this 1 value separates 2 inputs (x, y) from 3 outputs (a, b, c): t (line 2)",
    ),
}


@pytest.mark.parametrize("name", TOLD)
def test_certificates_in_words(name: str) -> None:
    text, told = TOLD[name]
    assert str(certificate(text)) == told


def test_a_long_list_of_names_is_cut() -> None:
    names = ", ".join(f"x{k}" for k in range(20))
    lines = "\n".join(f"z{k} = f(t, t)" if k % 2 else f"z{k} = g(t)" for k in range(20))
    found = certificate(f"inputs {names}\nt = h({names})\n{lines}\noutputs {', '.join(f'z{k}' for k in range(20))}")
    text = str(found)
    assert "20 inputs (x0, x1, x2, x3, x4, x5, x6, x7 and 12 more)" in text
    assert text.endswith(": t (line 2)")
    assert len(text) < 250


def test_values_without_lines_and_names() -> None:
    builder = Builder(2)
    t = builder.call("f", 0, 1)
    u = builder.call("g", t)
    program = builder.finish(np.array([t, u]))
    found = decompose(program).certificate
    assert str(found) == "this 1 value separates 2 inputs (x1, x2) from 2 outputs (t1, t2): t1"


@pytest.mark.parametrize("name", TOLD)
def test_certificates_as_json(name: str) -> None:
    text, told = TOLD[name]
    found = certificate(text)
    data = json.loads(json.dumps(found.to_json()))
    assert set(data) == {"text", "kind", "inputs", "outputs", "cut", "overdetermined", "underdetermined"}
    program = found.program
    assert data["text"] == told
    assert data["kind"] == found.kind
    assert data["inputs"] == [program.name(v) for v in found.inputs]
    assert data["outputs"] == [program.name(v) for v in found.outputs]
    assert [entry["name"] for entry in data["cut"]] == [program.name(v) for v in found.cut]
    for entry, value in zip(data["cut"], found.cut, strict=True):
        expected = program.line(value - program.n_inputs) if value >= program.n_inputs else None
        assert entry["line"] == expected
    for part in ("overdetermined", "underdetermined"):
        assert set(data[part]) == {"steps", "outputs", "values"}
    over, under = data["overdetermined"], data["underdetermined"]
    # Rows that cannot all be matched outnumber their columns, and the other way round.
    assert len(over["steps"]) + len(over["outputs"]) > len(over["values"])
    assert len(under["steps"]) + len(under["outputs"]) < len(under["values"])


@pytest.mark.parametrize("path", SINGULAR, ids=lambda path: path.stem)
def test_certificates_of_the_examples(path) -> None:
    structure = decompose(fg.load(path))
    assert structure.singular
    assert structure.rank == structure.program.n_inputs - 1
    assert check_certificate(structure.program, structure.certificate) is None
    with pytest.raises(fg.NotInvertible) as caught:
        require_invertible(structure.program)
    error = caught.value
    assert error.where == str(structure.certificate)
    assert (error.got, error.expected) == (f"structural rank {structure.rank}", f"rank {structure.program.n_inputs}")
    assert error.remedy


@pytest.mark.parametrize(
    ("text", "got", "rank"),
    [
        ("inputs x, y\nz = f(x, y)\noutputs z", "2 inputs and 1 output", 1),
        ("inputs x\nz = f(x)\noutputs z, x", "1 input and 2 outputs", 1),
        ("inputs x, y\nz = f(x, y)\noutputs x, y, z", "2 inputs and 3 outputs", 2),
        ("inputs x, y, w\nz = f(x)\noutputs z, y", "3 inputs and 2 outputs", 2),
    ],
)
def test_programs_that_are_not_square(text: str, got: str, rank: int) -> None:
    program = fg.parse(text)
    structure = decompose(program)
    assert check_structure(program, structure) is None
    assert (structure.rank, structure.singular, len(structure.blocks)) == (rank, True, 0)
    assert check_certificate(program, structure.certificate) is None
    with pytest.raises(fg.NotInvertible, match="as many outputs as inputs") as caught:
        require_invertible(program)
    assert caught.value.got == got
    assert caught.value.certificate is not None
    # It is said without a cut, for that the numbers differ is reason enough.
    assert caught.value.where is None


def test_programs_without_steps_inputs_or_outputs() -> None:
    nothing = decompose(Builder(0).finish(np.zeros(0, dtype=np.int64)))
    assert (nothing.rank, nothing.singular, len(nothing.blocks), nothing.matching.tolist()) == (0, False, 0, [])
    swapped = decompose(fg.parse("inputs x, y\noutputs y, x"))
    assert (swapped.rank, swapped.singular, swapped.matching.tolist()) == (2, False, [1, 0])
    assert [(block.steps, block.outputs, block.values, block.path) for block in swapped.blocks] == [
        ((), (0,), (1,), (1,)),
        ((), (1,), (0,), (0,)),
    ]
    no_outputs = decompose(fg.parse("inputs x\noutputs x").without_dead_code())
    assert no_outputs.rank == 1
    unread = Builder(2).finish(np.zeros(0, dtype=np.int64))
    assert str(decompose(unread).certificate) == "no output depends on 1 input (x1)"


def test_blocks_are_a_sequence() -> None:
    program = fg.parse("inputs x, y\nu = f(x, y)\nv = g(x, y)\nw = h(u)\noutputs w, v")
    blocks = decompose(program).blocks
    assert isinstance(blocks[0], Block)
    assert list(blocks) == [blocks[k] for k in range(len(blocks))]
    assert blocks[-1] == blocks[len(blocks) - 1]
    assert blocks[1:] == tuple(blocks)[1:]
    assert blocks[::-1] == tuple(blocks)[::-1]
    assert blocks.sizes.tolist() == [len(block.steps) + len(block.outputs) for block in blocks]
    assert blocks.with_steps.tolist() == [bool(block.steps) for block in blocks]
    for wrong in (len(blocks), -len(blocks) - 1):
        with pytest.raises(IndexError, match=f"block {wrong} of {len(blocks)}"):
            blocks[wrong]
    (solved,) = (block for block in blocks if not block.scalar)
    assert solved.steps == (0, 1)
    assert len(solved.path) == 2


@pytest.mark.parametrize("path", REGULAR, ids=lambda path: path.stem)
def test_the_structure_of_every_example(path) -> None:
    program = fg.load(path)
    structure = require_invertible(program)
    assert check_structure(program, structure) is None
    assert structure.rank == program.n_inputs
    assert structure.certificate is None


def test_dead_and_passive_steps_keep_their_numbers() -> None:
    program = fg.parse("inputs x, y, s\nd = f(x)\nc = x - 0.5\nd2 = g(d)\nx = select(c, x, y)\noutputs x, y, s")
    structure = decompose(program)
    assert check_structure(program, structure) is None
    flow = data_flow(program)
    assert flow.needed.tolist() == [False, True, False, True]
    assert flow.active.tolist() == [False, False, False, True]
    assert structure.matching[:3].tolist() == [-1, -1, -1]
    assert [block.steps for block in structure.blocks if block.steps] == [(3,)]


def test_an_argument_that_stands_twice_is_one_entry() -> None:
    program = fg.parse("inputs x, y\nz = f(x, y, x, y, x)\nw = g(z, z)\nv = h(y, z, y)\noutputs w, v")
    flow = data_flow(program)
    pairs = list(zip(flow.readers.tolist(), flow.arguments.tolist(), strict=True))
    assert pairs == sorted(pairs, key=lambda pair: pair[0])
    assert set(pairs) == {(0, 0), (0, 1), (1, 2), (2, 1), (2, 2)}
    assert len(pairs) == 5


def test_what_is_no_program() -> None:
    for call in (decompose, require_invertible):
        with pytest.raises(fg.InputError, match="a program is needed"):
            call("inputs x\noutputs x")  # pyright: ignore[reportArgumentType]
        with pytest.raises(fg.InputError, match=re.escape("flowgraph.trace(f, n)")):
            call(abs)  # pyright: ignore[reportArgumentType]
