"""Drawings of lumps: what crosses the line between two rows is what lives there, and bands are what lies between cuts.

Everything is counted anew from the program, by definition and without the columns of ``lumping``.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import pytest
from draw_oracle import faults

from flowgraph.builder import Builder
from flowgraph.draw.lumped import draw_lumps
from flowgraph.draw.partial_order import depth_graph
from flowgraph.draw.scene import Scene
from flowgraph.errors import InputError
from flowgraph.language import load, parse
from flowgraph.lumping import best_order
from flowgraph.orders import sample_orders
from flowgraph.program import Program
from flowgraph.structure import decompose
from tests.examples import SINGULAR

PAIRS = "inputs x1, x2\nt1 = p(x1)\nt2 = p(x2)\nz1 = q(x1, t1)\nz2 = q(x2, t2)\noutputs z1, z2"


def _random_program(random: Random) -> Program:
    """Code whose Jacobian is not singular, with values that are read late, twice, or never."""
    while True:
        names = [f"x{k + 1}" for k in range(random.randint(1, 4))]
        n = len(names)
        lines = [f"inputs {', '.join(names)}"]
        for k in range(random.randint(1, 9)):
            arguments = random.sample(names[-6:], random.randint(1, min(3, len(names[-6:]))))
            lines.append(f"v{k + 1} = f{len(arguments)}({', '.join(arguments)})")
            names.append(f"v{k + 1}")
        lines.append(f"outputs {', '.join(random.sample(names[-n - 2 :], n))}")
        program = parse("\n".join(lines))
        if not decompose(program).singular and program.without_dead_code().n_steps:
            return program


def _alive(program: Program, order: list[int]) -> list[set[str]]:
    """The names alive at each time along an order of the steps that are not dead."""
    steps = [program.step(k) for k in order]
    born = [*program.input_names]
    alive = [set(born)]
    for time, step in enumerate(steps):
        born.append(step.name)
        later = {name for other in steps[time + 1 :] for name in other.texts} | set(program.output_names)
        alive.append({name for name in born if name in later})
    return alive


def _crossing(scene: Scene, y: float) -> set[str]:
    """The values whose lines cross a height."""
    found = set()
    for item in (*scene.lines, *scene.curves):
        if " -> " not in item.key:
            continue
        start, end = (item.points[0], item.points[-1]) if hasattr(item, "points") else (item.start, item.end)  # pyright: ignore
        if start[1] < y < end[1]:
            found.add(item.key.split(" -> ")[0].split("@")[0])
    return found


def _heights(scene: Scene, names: list[str]) -> list[float]:
    at = {circle.key: circle.centre[1] for circle in scene.circles if circle.key}
    return [at[name] for name in names]


@pytest.mark.parametrize("seed", range(60))
def test_what_crosses_the_line_between_two_rows_is_alive_there(seed: int) -> None:
    random = Random(seed)
    program = _random_program(random)
    needed = [step.index for step in program.without_dead_code().steps()]
    kept = [k for k in range(program.n_steps) if program.liveness().needed[k]]
    assert len(kept) == len(needed)
    order = [int(k) for k in sample_orders(program, 1, seed=seed)[0]]
    assert sorted(order) == kept
    scene = draw_lumps(program, order)
    assert faults(scene) == []
    alive = _alive(program, order)
    names = [program.input_names[0], *(program.step(k).name for k in order)]
    ys = _heights(scene, names)
    pitch = ys[1] - ys[0]
    assert np.allclose(np.diff(ys), pitch), "time runs downward, a row for each step"
    for time, y in enumerate(ys):
        assert _crossing(scene, y + pitch / 2 - 0.01) == alive[time]
    # The profile is as far from the line w = n as the width is from n.
    n = program.n_inputs
    base = next(line.start[0] for line in scene.lines if line.key == "w = n")
    xs = [next(line.start[0] for line in scene.lines if line.key == f"width at {t}") for t in range(len(alive))]
    excess = [len(values) - n for values in alive]
    top = max(excess)
    unit = (max(xs) - base) / top if top else 1.0
    assert np.allclose([x - base for x in xs], [unit * e for e in excess])
    # A band for each run between cuts, with the number of values that it replaces.
    cuts = [time for time, e in enumerate(excess) if e == 0]
    bands = sorted((band.box[1], band.box[3]) for band in scene.bands)
    edges = [(ys[a] + pitch / 2, ys[b] + pitch / 2) for a, b in pairwise(cuts)]
    assert np.allclose(bands, edges, atol=1.0)
    sizes = [label for label in scene.labels if label.text.startswith("$l = ")]
    sizes.sort(key=lambda label: label.position[1])
    found = [int(label.text.removeprefix("$l = ").removesuffix("$")) for label in sizes]
    assert found == [len(alive[a] - alive[b]) for a, b in pairwise(cuts)]
    inside = [band[0] < label.box[1] and label.box[3] < band[1] for band, label in zip(bands, sizes, strict=True)]
    assert all(inside)
    dots = [circle for circle in scene.circles if not circle.key]
    dark = {round((dot.centre[1] - ys[0]) / pitch - 0.5) for dot in dots if dot.ink == "ink"}
    assert dark == set(cuts)
    assert len(dots) == len(alive)


def test_arguments_lead_to_the_step_that_reads_them() -> None:
    scene = draw_lumps(parse(PAIRS))
    arrows = {item.key for item in (*scene.lines, *scene.curves) if item.arrow}
    assert arrows == {
        *("input -> x1", "input -> x2", "z1 -> output", "z2 -> output"),
        *("x1 -> t1", "x2@1 -> t2", "x1@2 -> z1", "t1@2 -> z1", "x2@3 -> z2", "t2@3 -> z2"),
    }
    words = [label.title for label in scene.labels if ":=" in label.title]
    assert words == ["t1 := p(x1)", "t2 := p(x2)", "z1 := q(x1, t1)", "z2 := q(x2, t2)"]
    assert scene.title == "lumps of a program: 1 lump, largest l = 2"
    assert draw_lumps(parse(PAIRS), best_order(parse(PAIRS))).title == "lumps of a program: 2 lumps, largest l = 1"


def test_steps_that_only_decide_a_branch_have_no_row() -> None:
    builder = Builder(2)
    condition = builder.call("c", 0)
    builder.guard(np.array([condition]), np.array([True]), line=1)
    builder.call("f", 0, 1)
    scene = draw_lumps(builder.finish(np.array([3, 1])))
    assert [label.title for label in scene.labels if ":=" in label.title] == ["t2 := f(x1, x2)"]
    assert len(scene.bands) == 1
    assert faults(scene) == []


@pytest.mark.parametrize(
    "source", ["inputs x\noutputs x", "inputs long_name_2\nother_name_3 = f(long_name_2)\noutputs other_name_3"]
)
def test_short_programs_and_long_names(source: str) -> None:
    assert faults(draw_lumps(parse(source))) == []


def test_forty_steps_of_width_eight() -> None:
    n = 8
    names = [f"x{k}" for k in range(n)]
    lines = [f"inputs {', '.join(names)}"]
    for k in range(20):
        lines += [f"t{k} = p(x{k % n}, x{(k + 3) % n})", f"x{k % n} = q(x{k % n}, t{k})"]
    program = parse("\n".join([*lines, f"outputs {', '.join(names)}"]))
    assert program.n_steps == 40
    scene = draw_lumps(program)
    assert faults(scene) == []
    assert len(scene.bands) == 20


@pytest.mark.parametrize("path", SINGULAR, ids=lambda path: path.stem)
def test_without_an_inverse_the_cut_is_circled_and_nothing_is_a_lump(path: Path) -> None:
    program = load(path)
    certificate = decompose(program).certificate
    assert certificate is not None
    scene = draw_lumps(program)
    assert scene.bands == ()
    assert {circle.key for circle in scene.circles if circle.key and circle.visible and not circle.filled} == {
        program.name(value) for value in certificate.cut
    }
    words = " ".join(label.text for label in scene.labels if "$" not in label.text)
    assert str(certificate) in words
    assert faults(scene) == []


def test_what_is_not_square_is_drawn_without_lumps() -> None:
    scene = draw_lumps(parse("inputs x, y\nz = f(x, y)\noutputs z"))
    assert scene.bands == ()
    assert any(label.text.startswith("no inverse: ") for label in scene.labels)
    assert draw_lumps(parse("inputs x\nu = f(x)\nv = g(x)\noutputs u, v")).bands == ()


def test_refusals() -> None:
    with pytest.raises(InputError, match="leaves out"):
        draw_lumps(parse(PAIRS), ["t1"])


@pytest.mark.parametrize("seed", range(20))
def test_a_reordered_program_is_the_same_partial_order(seed: int) -> None:
    program = _random_program(Random(seed))
    order = np.array(sample_orders(program, 1, seed=seed)[0])
    other = program.reordered(order)
    assert [str(step) for step in other.steps()] == [str(program.step(int(k))) for k in order]
    assert [step.line for step in other.steps()] == [program.line(int(k)) for k in order]
    assert other.output_names == program.output_names
    assert other.without_dead_code() is other
    assert {str(step) for step in other.steps()} == {str(step) for step in program.without_dead_code().steps()}
    again = other.reordered(np.argsort(order, kind="stable"))
    assert again == program.without_dead_code()


@pytest.mark.parametrize("seed", range(40))
def test_depths_and_columns_of_a_partial_order(seed: int) -> None:
    program = _random_program(Random(seed)).without_dead_code()
    structure = decompose(program)
    graph = depth_graph(structure)
    place = {vertex.name: vertex.id for vertex in graph.vertices}
    assert {(graph.vertex(e.source).name, graph.vertex(e.target).name) for e in graph.edges} == {
        (name, step.name) for step in program.steps() for name in step.texts
    }
    for step in program.steps():
        assert place[step.name][1] == 1 + max(place[name][1] for name in step.texts)
    assert all(place[name][1] == 0 for name in program.input_names)
    # n columns hold disjoint paths from the inputs to the outputs, every other column one value.
    columns: dict[int, list[str]] = {}
    for name, (column, _) in sorted(place.items(), key=lambda item: item[1][1]):
        columns.setdefault(column, []).append(name)
    reads = {step.name: step.texts for step in program.steps()}
    paths = [names for names in columns.values() if names[0] in program.input_names]
    assert len(paths) == program.n_inputs
    for names in paths:
        assert names[-1] in program.output_names
        assert all(a in reads[b] for a, b in pairwise(names))
    assert all(len(names) == 1 for names in columns.values() if names not in paths)
