"""The figures hold what their captions say, edge by edge and circle by circle."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from draw_oracle import faults

from flowgraph.draw import FIGURES, figure, panels, render
from flowgraph.draw.figure_4 import ORDERED
from flowgraph.draw.figure_5 import SHARED, figure_5
from flowgraph.draw.gains import chart, gains
from flowgraph.draw.panel import COLUMN, compose
from flowgraph.draw.scene import Scene
from flowgraph.errors import InputError
from flowgraph.language import parse
from flowgraph.lumping import best_order, lumps
from flowgraph.orders import enumerate_orders
from flowgraph.program import Program
from flowgraph.structure import decompose

PAGES = Path(__file__).parents[1] / "figures"


def _edges(scene: Scene) -> set[str]:
    return {item.key for item in (*scene.lines, *scene.curves) if item.arrow and "put" not in item.key}


def _circled(scene: Scene) -> set[str]:
    return {circle.key for circle in scene.circles if circle.visible and not circle.filled}


def _labelled(scene: Scene) -> dict[str, str]:
    """For every edge the title of the label nearest to it, which no other edge may share."""
    free = [label for label in scene.labels if not label.host and label.title and label.anchor == "middle"]
    free = [label for label in free if not label.text.startswith(("(", "$r_", "$f", "$g"))]
    found: dict[str, str] = {}
    pairs = []
    for item in (*scene.lines, *scene.curves):
        if not item.arrow or "put" in item.key:
            continue
        points = [item.start, item.end] if not hasattr(item, "points") else list(item.points)  # pyright: ignore
        for k, label in enumerate(free):
            x, y = (label.box[0] + label.box[2]) / 2, (label.box[1] + label.box[3]) / 2
            pairs.append((_distance(points, x, y), item.key, k))
    used: set[int] = set()
    for _, key, k in sorted(pairs):
        if key not in found and k not in used:
            found[key] = free[k].title
            used.add(k)
    return found


def _distance(points: list[tuple[float, float]], x: float, y: float) -> float:
    best = 1e9
    for t in (k / 100 for k in range(101)):
        if len(points) == 2:
            (a, b), (c, d) = points
            px, py = a + t * (c - a), b + t * (d - b)
        else:
            w = ((1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3)
            px = sum(wk * p[0] for wk, p in zip(w, points[:4], strict=True))
            py = sum(wk * p[1] for wk, p in zip(w, points[:4], strict=True))
        best = min(best, (px - x) ** 2 + (py - y) ** 2)
    return best


def _columns(scene: Scene) -> list[list[str]]:
    """The names in each column, from left to right, each from top to bottom."""
    xs = sorted({round(circle.centre[0], 3) for circle in scene.circles})
    return [
        [c.key for c in sorted(scene.circles, key=lambda c: c.centre[1]) if round(c.centre[0], 3) == x and c.key]
        for x in xs
    ]


@pytest.mark.parametrize("number", FIGURES)
def test_figures_have_no_fault_and_fit_one_column(number: int) -> None:
    scene = figure(number)
    assert faults(scene) == []
    assert scene.width == COLUMN == pytest.approx(8.5 / 2.54 * 72, abs=0.01)
    assert min(label.size for label in scene.labels) >= 7.0
    for panel in panels(number).values():
        assert faults(panel) == []


def test_there_is_no_other_figure() -> None:
    with pytest.raises(InputError, match="no such figure"):
        figure(7)


# -- Figure 1 ---------------------------------------------------------------------------------------------------------

_SCALAR = {
    "b": ({"u -> z": "a", "w -> z": "b", "w -> w@1": "1"}, {"z"}),
    "c": ({"z -> u": "a", "z -> w": "b", "w@1 -> w": "1"}, {"w"}),
    "d": ({"z -> u": "1/a", "w@1 -> u": "-b/a", "w@1 -> w": "1"}, None),
    "e": ({"u -> z": "1/a", "u -> w@1": "-b/a", "w -> w@1": "1"}, {"w@1"}),
}


@pytest.mark.parametrize("letter", "bce")
def test_figure_1_transforms_the_atomic_step(letter: str) -> None:
    edges, circled = _SCALAR[letter]
    for key in (letter, f"vector {letter}"):
        scene = panels(1)[key]
        assert _edges(scene) == set(edges)
        assert _circled(scene) == circled


def test_figure_1_labels() -> None:
    for letter in "bce":
        labels = _labelled(panels(1)[letter])
        assert {key: labels[key] for key in _SCALAR[letter][0]} == _SCALAR[letter][0]


def test_figure_1_forward_inverse_is_reverse_inverse_turned_round() -> None:
    turned = {" -> ".join(reversed(key.split(" -> "))) for key in _edges(panels(1)["e"])}
    assert _edges(panels(1)["d"]) == turned == {"z -> u", "w@1 -> u", "w@1 -> w"}
    assert _circled(panels(1)["d"]) == {"u"}


def test_figure_1_has_every_letter_twice_and_the_matrices_of_the_caption() -> None:
    letters = list(panels(1))
    assert letters == [*"abcde", *(f"vector {letter}" for letter in "abcde")]
    bold = {"0": r"\mathbf{0}", "1": r"\mathbf{I}", "a": r"\mathbf{A}", "b": r"\mathbf{B}"}
    bold |= {r"\frac{1}{a}": r"\mathbf{A}^{-1}", r"- \frac{b}{a}": r"-\mathbf{A}^{-1}\mathbf{B}"}
    matrices = {
        "b": ["a", "b", "0", "1"],
        "c": ["a", "0", "b", "1"],
        "d": [r"\frac{1}{a}", r"- \frac{b}{a}", "0", "1"],
        "e": [r"\frac{1}{a}", "0", r"- \frac{b}{a}", "1"],
    }
    for letter, entries in matrices.items():
        assert _matrix(panels(1)[letter]) == entries
        assert _matrix(panels(1)[f"vector {letter}"]) == [bold[entry] for entry in entries]


def _matrix(scene: Scene) -> list[str]:
    """The entries between the brackets, row by row."""
    bars = [line for line in scene.lines if not line.arrow]
    left, right = min(line.start[0] for line in bars), max(line.start[0] for line in bars)
    top, bottom = min(line.start[1] for line in bars), max(line.end[1] for line in bars)
    inside = [
        label for label in scene.labels if left < label.box[0] < label.box[2] < right and top < label.box[1] < bottom
    ]
    rows = sorted({label.position[1] for label in inside})
    assert len(rows) == 2
    ordered = sorted(inside, key=lambda label: (rows.index(label.position[1]), label.box[0]))
    return [label.text.strip("$") for label in ordered]


# -- Figure 2 ---------------------------------------------------------------------------------------------------------

_FIGURE_2 = {
    "b": ({"x1 -> z1": "a", "x2 -> z1": "b", "x3 -> z2": "c", "z1 -> z2": "d"}, {"z1", "z2"}),
    "c": ({"z1 -> x1": "a", "z1 -> x2": "b", "z2 -> x3": "c", "z2 -> z1": "d"}, {"x2", "z1"}),
    "e": ({"z1 -> x1": "1/a", "x2 -> x1": "-b/a", "z2 -> x3": "1/c", "z1 -> x3": "-d/c"}, {"x1", "x3"}),
    "f": ({"x1 -> z1": "1/a", "x1 -> x2": "-b/a", "x3 -> z2": "1/c", "x3 -> z1": "-d/c"}, {"x2", "z1"}),
}


@pytest.mark.parametrize("letter", "bcef")
def test_figure_2_has_the_edges_labels_and_additions_of_each_mode(letter: str) -> None:
    edges, circled = _FIGURE_2[letter]
    scene = panels(2)[letter]
    assert _edges(scene) == set(edges)
    assert _labelled(scene) == edges
    assert _circled(scene) == circled


@pytest.mark.parametrize("letter", "abcef")
def test_figure_2_has_three_registers_that_are_overwritten_as_the_caption_says(letter: str) -> None:
    scene = panels(2)[letter]
    assert _columns(scene) == [["x1", "z1"], ["x2"], ["x3", "z2"]]
    assert [label.text for label in scene.labels if label.text.startswith("$r_")] == ["$r_{1}$", "$r_{2}$", "$r_{3}$"]


def test_figure_2_data_flow_and_code() -> None:
    flow = panels(2)["a"]
    assert _edges(flow) == {"x1 -> z1", "x2 -> z1", "x3 -> z2", "z1 -> z2"}
    assert _labelled(flow) == {}
    assert _circled(flow) == set()
    code = [label.text for label in panels(2)["d"].labels]
    assert code == [
        "$z_{1}$ := $f(x_{1}, x_{2})$",
        "$z_{2}$ := $g(x_{3}, z_{1})$",
        r"$a = \partial f / \partial x_{1}$",
        r"$b = \partial f / \partial x_{2}$",
        r"$c = \partial g / \partial x_{3}$",
        r"$d = \partial g / \partial z_{1}$",
        "(d) straight-line code",
    ]


def test_figure_2_modes_share_their_vertices() -> None:
    at = {
        letter: {c.key: (round(c.centre[0] - scene.circles[0].centre[0], 3), c.key) for c in scene.circles}
        for letter, scene in panels(2).items()
        if letter != "d"
    }
    assert at["b"] == at["c"] == at["e"] == at["f"]


# -- Figure 3 ---------------------------------------------------------------------------------------------------------

_FIGURE_3 = {
    "b": (
        {
            "x1 -> z1": "a",
            "x2 -> z1": "b",
            "x2 -> x2@1": "1",
            "x3 -> x3@1": "1",
            "z1 -> z1@2": "1",
            "x2@1 -> x2@2": "1",
            "z1 -> z2": "d",
            "x3@1 -> z2": "c",
        },
        {"z1", "z2"},
    ),
    "c": (
        {
            "x1 -> z1": "1/a",
            "x1 -> x2@1": "-b/a",
            "x2 -> x2@1": "1",
            "x3 -> x3@1": "1",
            "z1 -> z1@2": "1",
            "x2@1 -> x2@2": "1",
            "x3@1 -> z1@2": "-d/c",
            "x3@1 -> z2": "1/c",
        },
        {"x2@1", "z1@2"},
    ),
    "d": (
        {
            "x1 -> z1": "1/a",
            "x1 -> x2": "-b/a",
            "x2 -> x2@1": "1",
            "x3 -> x3@1": "1",
            "z1 -> z1@2": "1",
            "x2@1 -> x2@2": "1",
            "x3@1 -> z1": "-d/c",
            "x3@1 -> z2": "1/c",
        },
        {"x2", "z1"},
    ),
    "e": _FIGURE_2["f"],
    "f": _FIGURE_2["f"],
}


@pytest.mark.parametrize("letter", "bcdef")
def test_figure_3_derives_figure_2_f(letter: str) -> None:
    edges, circled = _FIGURE_3[letter]
    scene = panels(3)[letter]
    assert _edges(scene) == set(edges)
    assert _labelled(scene) == edges
    assert _circled(scene) == circled


def test_figure_3_begins_and_ends_in_figure_2() -> None:
    assert panels(3)["a"].lines == panels(2)["a"].lines
    assert panels(3)["f"].lines == panels(2)["f"].lines


def test_figure_3_e_shows_where_the_carried_copies_were() -> None:
    ghosts = [circle for circle in panels(3)["e"].circles if circle.filled]
    assert len(ghosts) == 4
    assert not [circle for circle in panels(3)["f"].circles if circle.filled]


# -- Figure 4 ---------------------------------------------------------------------------------------------------------

_FIGURE_4 = {
    ("x1", "z1"), ("x2", "z1"), ("x3", "t"), ("x1", "z2"), ("x2", "z2"), ("x3", "z3"), ("t", "z3"),
    ("z1", "y"), ("z3", "y"),
}  # fmt: skip


def _uses(scene: Scene) -> set[tuple[str, str]]:
    """Which value is read by which step, whichever copy of the value the edge leaves."""
    ends = [key.split(" -> ") for key in _edges(scene)]
    return {(source.split("@")[0], target) for source, target in ends}


def _words(scene: Scene, prefix: str) -> list[str]:
    found = sorted(scene.labels, key=lambda label: label.position[1])
    return [label.title for label in found if label.title.startswith(prefix)]


def test_figure_4_is_one_partial_order_in_two_total_orders() -> None:
    assert list(panels(4)) == ["a", "b", "c"]
    for scene in panels(4).values():
        assert _uses(scene) == _FIGURE_4
    height = {circle.key: circle.centre[1] for circle in panels(4)["a"].circles}
    levels = sorted(set(height.values()))
    assert {name: levels.index(y) for name, y in height.items()} == {
        "x1": 0, "x2": 0, "x3": 0, "z1": 1, "z2": 1, "t": 1, "z3": 2, "y": 3,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("letter", "order", "sizes", "caption"),
    [
        ("b", "z1 t z2 z3 y", [3, 1], "(b) one order: 2 lumps, largest l = 3"),
        ("c", "z1 z2 t z3 y", [2, 1, 1], "(c) another order: 3 lumps, largest l = 2"),
    ],
)
def test_figure_4_has_the_lumps_of_each_order(letter: str, order: str, sizes: list[int], caption: str) -> None:
    scene = panels(4)[letter]
    code = [label.title for label in sorted(scene.labels, key=lambda label: label.position[1]) if ":=" in label.title]
    assert [line.split(" ")[0] for line in code] == order.split()
    assert _words(scene, "l = ") == [f"l = {size}" for size in sizes]
    assert [band.key for band in scene.bands] == [f"lump {k + 1}" for k in range(len(sizes))]
    assert _words(scene, "(") == [caption]


def test_figure_4_c_has_the_most_lumps_of_all_orders() -> None:
    program = parse(ORDERED)
    counts = [len(lumps(program, order)) for order in enumerate_orders(program)]
    assert max(counts) == 3 == len(panels(4)["c"].bands)
    assert set(counts) == {1, 2, 3}


def test_figure_4_b_and_c_stand_on_one_frame() -> None:
    drawn = figure(4)
    of_r1 = {label.position[0] for label in drawn.labels if label.text == "$r_{1}$"}
    of_n = {line.start[0] for line in drawn.lines if line.key == "w = n"}
    assert len(of_r1) == len(of_n) == 1


# -- Figure 5 ---------------------------------------------------------------------------------------------------------


def test_figure_5_a_is_one_lump_of_every_order_and_three_blocks() -> None:
    program = parse(SHARED)
    assert {tuple(lumps(program, order).sizes) for order in enumerate_orders(program)} == {(3,)}
    scene = panels(5)["a"]
    assert _words(scene, "l = ") == ["l = 3"]
    (band,) = scene.bands
    centres = {circle.key: circle.centre for circle in scene.circles}
    inside = {name for name, (x, y) in centres.items() if _within((x, y), band.box)}
    assert inside == {"v", "z1", "z2", "z3"}
    outlines = [curve for curve in scene.curves if curve.key.startswith("block")]
    members = [
        {
            name
            for name, centre in centres.items()
            if _distance_to_outline(curve.points, centre) == pytest.approx(9.5, abs=0.1)
        }
        for curve in outlines
    ]
    assert members == [{"v"}, {"z1"}, {"z2", "z3"}]
    assert [set(map(program.step, block.steps)) for block in decompose(program).blocks if block.steps] == [
        {step for step in program.steps() if step.name in names} for names in members
    ]
    table = [label.title for label in scene.labels if label.box[0] > band.box[2] and not label.title.startswith("(")]
    assert table == [
        *("block", "gives", "l"),
        *("v := k(y)", "v", "0"),
        *("z1 := f(x1, v)", "x1", "1"),
        *("z2 := g(x2, x3, v)", "z3 := h(x2, x3)", "x2, x3", "2"),
    ]


def _within(p: tuple[float, float], box: tuple[float, float, float, float]) -> bool:
    return box[0] < p[0] < box[2] and box[1] < p[1] < box[3]


def _distance_to_outline(points: tuple[tuple[float, float], ...], p: tuple[float, float]) -> float:
    return min(_distance(list(points[k : k + 4]), *p) for k in range(0, len(points) - 1, 3)) ** 0.5


def _linear(n: int) -> Program:
    inputs = ", ".join(f"x{k}" for k in range(n))
    rows = "\n".join(f"y{k} = f{k}({inputs})" for k in range(n))
    return parse(f"inputs {inputs}\n{rows}\noutputs {', '.join(f'y{k}' for k in range(n))}")


def _pairs(n: int) -> Program:
    names = [f"x{k}" for k in range(n)]
    before = "\n".join(f"t{k} = p(x{k})" for k in range(n))
    after = "\n".join(f"z{k} = q(x{k}, t{k})" for k in range(n))
    return parse(f"inputs {', '.join(names)}\n{before}\n{after}\noutputs {', '.join(f'z{k}' for k in range(n))}")


@pytest.mark.parametrize(
    "programs",
    [
        {},
        {"one": _pairs(2)},
        {"dense": _linear(3)},
        {"dense": _linear(3), "a_long_name_of_a_program": _pairs(6), "shared": parse(SHARED), "wide": _linear(9)},
        {f"pairs{n}": _pairs(n) for n in range(2, 20)},
        {"huge": _pairs(120), "small": _linear(2)},
    ],
    ids=["none", "one", "equal", "some", "many", "huge"],
)
def test_figure_5_b_has_no_fault_whatever_the_programs(programs: dict[str, Program]) -> None:
    scene = compose(figure_5(programs), "Figure 5")
    assert faults(scene) == []
    assert scene.width == COLUMN
    assert scene.bounds[2] <= COLUMN
    assert min(label.size for label in scene.labels) >= 7.0


def test_figure_5_b_marks_stand_at_the_costs_on_a_logarithmic_axis() -> None:
    programs = {
        "dense": _linear(3),
        "pairs": _pairs(6),
        "shared": parse(SHARED),
        "atomic": parse("inputs u, w\nz = f(u, w)\noutputs z, w"),
    }
    rows = gains(programs)
    assert [row.name for row in rows] == ["shared", "dense", "pairs"], "largest gain first, atomic steps not at all"
    scene = chart(programs)
    at = {float(band.key): (band.box[0] + band.box[2]) / 2 for band in scene.bands}
    assert {float(label.text.strip("$")) for label in scene.labels if label.text.startswith("$")} == set(at)
    (low, left), (high, right) = min(at.items()), max(at.items())
    rings = [circle for circle in scene.circles if not circle.filled]
    dots = [circle for circle in scene.circles if circle.filled]
    bars = [line for line in scene.lines if line.key.endswith("best order") and line.start[0] == line.end[0]]

    def cost(x: float) -> float:
        return low * (high / low) ** ((x - left) / (right - left))

    for row, ring, bar, dot in zip(rows, rings, bars, dots, strict=True):
        assert cost(ring.centre[0]) == pytest.approx(row.given)
        assert cost(bar.start[0]) == pytest.approx(row.best)
        assert cost(dot.centre[0]) == pytest.approx(row.blocks)
        name = next(label for label in scene.labels if label.text == row.name)
        assert name.box[1] < ring.centre[1] < name.box[3] + 1.0
        assert ring.centre[1] == dot.centre[1]


def test_figure_5_b_gains_never_turn_round() -> None:
    for row in gains({"dense": _linear(4), "pairs": _pairs(5), "shared": parse(SHARED), "Fig. 4": parse(ORDERED)}):
        assert row.given >= row.best >= row.blocks >= 1.0
    assert len(lumps(_pairs(5), best_order(_pairs(5)))) == 5


# -- the files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", FIGURES)
def test_the_files_show_the_present_figures(number: int) -> None:
    # Outlines may differ in the last digit between versions of FreeType; words and edges may not.
    def contents(data: bytes) -> tuple[list[str | None], list[str]]:
        root = ElementTree.fromstring(data)
        titles = [title.text for title in root.iter("{http://www.w3.org/2000/svg}title")]
        return titles, [key for item in root.iter() if (key := item.get("data-key"))]

    file = PAGES / f"figure-{number}.svg"
    assert contents(file.read_bytes()) == contents(render(figure(number), "svg"))
    for ending, magic in (("pdf", b"%PDF"), ("png", b"\x89PNG"), ("tex", b"% Figure")):
        assert (PAGES / f"figure-{number}.{ending}").read_bytes().startswith(magic)
