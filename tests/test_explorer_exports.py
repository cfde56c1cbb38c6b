"""Files to take home: each format opens, says what it should, and has a name that tells what it is."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

import flowgraph as fg
from flowgraph.draw.scene import Scene
from flowgraph.draw.sequence import PANELS, draw_sequence, frames_of
from flowgraph.errors import InputError, NotInvertible
from flowgraph.explorer.exports import KINDS, MEDIA, export, file_name, stem_of
from flowgraph.language import load, parse
from flowgraph.modes import Mode, derive
from tests.examples import FOLDER

FIGURE_2 = load(FOLDER / "figure2.fg")
SINGULAR = load(FOLDER / "bottleneck.fg")
DRAWN = ("order", "graph", "sequence")


def opens(data: bytes, format: str, folder: Path) -> None:
    """Fail unless a file is what its format says."""
    if format == "svg":
        root = ElementTree.fromstring(data)
        assert root.tag.endswith("svg")
        assert len(list(root)) > 3
    elif format == "png":
        from matplotlib.image import imread

        pixels = imread(io.BytesIO(data), format="png")
        assert pixels.shape[0] > 50
        assert pixels.shape[1] > 50
        assert pixels[..., :3].min() < 0.5 < pixels[..., :3].max()
    elif format == "pdf":
        assert data.startswith(b"%PDF-")
        assert data.rstrip().endswith(b"%%EOF")
        assert data.count(b"/Type /Page\n") + data.count(b"/Type /Page ") >= 1
    else:
        text = data.decode()
        assert text.count("\\begin{tikzpicture}") == text.count("\\end{tikzpicture}") == 1
        compiles(text, folder)


def compiles(text: str, folder: Path) -> None:
    if shutil.which("pdflatex") is None:
        return
    (folder / "figure.tex").write_text(text, encoding="utf-8")
    (folder / "page.tex").write_text(
        "\\documentclass{article}\n\\usepackage[paperwidth=400cm,paperheight=400cm]{geometry}\n"
        "\\usepackage{amsmath,tikz}\n\\begin{document}\n\\input{figure}\n\\end{document}\n",
        encoding="utf-8",
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
    assert (folder / "page.pdf").read_bytes().startswith(b"%PDF-")


@pytest.mark.parametrize("what", DRAWN)
@pytest.mark.parametrize("format", ["svg", "pdf", "png", "tex"])
def test_drawings_open(what: str, format: str, tmp_path: Path) -> None:
    file = export(FIGURE_2, None, "forward-inverse", 7, what, format, "figure2.fg")
    assert file.media == MEDIA[format]
    assert file.name.endswith(f".{format}")
    opens(file.data, format, tmp_path)
    assert export(FIGURE_2, None, "forward-inverse", 7, what, format, "figure2.fg") == file


@pytest.mark.parametrize("name", ["euler.fg", "two_orders.fg", "fine_blocks.fg"])
def test_sequences_with_lumps_compile(name: str, tmp_path: Path) -> None:
    file = export(load(FOLDER / name), None, "forward-inverse", 0, "sequence", "tex", name)
    opens(file.data, "tex", tmp_path)


@pytest.mark.parametrize("format", ["svg", "pdf", "png", "tex"])
def test_without_an_inverse_the_order_is_drawn_all_the_same(format: str, tmp_path: Path) -> None:
    opens(export(SINGULAR, None, "forward-inverse", 0, "order", format, "").data, format, tmp_path)
    with pytest.raises(NotInvertible):
        export(SINGULAR, None, "forward-inverse", 0, "graph", format, "")
    export(SINGULAR, None, "reverse", 1, "graph", "svg", "")


def test_json_files() -> None:
    derivation = json.loads(export(FIGURE_2, (0, 1), "reverse-inverse", 3, "derivation", "json", "figure2.fg").data)
    again = fg.Derivation.from_json(derivation)
    assert again == derive(FIGURE_2, "reverse-inverse", order=range(2))
    graph = json.loads(export(FIGURE_2, None, "reverse-inverse", 3, "graph", "json", "").data)
    assert graph == again.graph_after(3).to_json()
    analysis = json.loads(export(FIGURE_2, None, "reverse-inverse", 3, "analysis", "json", "").data)
    assert analysis == json.loads(json.dumps(fg.analyze(FIGURE_2, [0, 1]).to_json()))
    singular = json.loads(export(SINGULAR, None, "forward", 0, "analysis", "json", "").data)
    assert singular["schema"] == analysis["schema"]


def test_the_program_in_its_order() -> None:
    program = load(FOLDER / "two_orders.fg")
    best = tuple(fg.best_order(program).tolist())
    file = export(program, best, "forward", 0, "program", "fg", "two_orders.fg")
    read = parse(file.data.decode())
    assert file.name == "two_orders.fg"
    assert read == program.reordered(fg.best_order(program))
    assert len(fg.lumps(read)) == len(fg.lumps(program, best))


@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("order", "figure2-lumps.svg"),
        ("graph", "figure2-forward-inverse-step-7.svg"),
        ("sequence", "figure2-forward-inverse-sequence.svg"),
    ],
)
def test_names(what: str, name: str) -> None:
    assert export(FIGURE_2, None, "forward-inverse", 7, what, "svg", "papers/figure2.fg").name == name
    assert file_name("models/polar.py:polar", what, "reverse", 1, "pdf").startswith("polar-")


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a b\n\0c.fg", "<script>", "-rf", "...", "C:\\x\\y.fg", "", "名前.fg"]
)
def test_a_name_is_no_path_and_no_option(name: str) -> None:
    stem = stem_of(name)
    assert stem
    assert not set(stem) & set("/\\<>\n\0 :'\"$`")
    assert not stem.startswith(("-", "."))


def test_what_there_is_not() -> None:
    with pytest.raises(InputError, match="no such file"):
        export(FIGURE_2, None, "forward", 0, "everything", "svg", "")
    for what, formats in KINDS.items():
        with pytest.raises(InputError, match="no such format"):
            export(FIGURE_2, None, "forward", 0, what, "gif", "")
        assert set(formats) <= set(MEDIA)
    with pytest.raises(InputError, match="no such mode"):
        export(FIGURE_2, None, "sideways", 0, "graph", "svg", "")
    with pytest.raises(InputError, match="no such application"):
        export(FIGURE_2, None, "forward", 99, "graph", "svg", "")
    with pytest.raises(InputError, match="leaves out"):
        export(FIGURE_2, (1,), "forward", 0, "program", "fg", "")


def test_progress_is_told() -> None:
    told: list[tuple[str, int, int]] = []
    export(FIGURE_2, None, "forward", 0, "sequence", "svg", "", lambda *args: told.append(args))
    assert told
    assert all(0 <= done <= total for _, done, total in told)


# -- the sequence ---------------------------------------------------------------------------------------------------


def _titles(scene: Scene) -> list[str]:
    return [label.text for label in scene.labels if label.text.startswith("(") and not label.text.startswith("($")]


@pytest.mark.parametrize("name", ["figure2.fg", "two_orders.fg", "euler.fg", "leapfrog.fg", "swap.fg"])
@pytest.mark.parametrize("mode", list(Mode))
def test_a_panel_for_every_application_that_changes_something(name: str, mode: Mode) -> None:
    derivation = derive(load(FOLDER / name), mode)
    changing = [k for k, summary in enumerate(derivation.summaries(), 1) if not summary.no_op]
    frames = frames_of(derivation)
    assert len(frames) <= PANELS
    assert frames[0].after == derivation.stages["primal"]
    assert frames[-1].after == derivation.graph
    assert [number for frame in frames[1:] for number in changing if frame.first <= number <= frame.last] == changing
    for frame in frames[1:]:
        assert {derivation.steps[k - 1].stage for k in range(frame.first, frame.last + 1)} == {frame.stage}
        assert frame.before == derivation.graph_after(frame.first - 1)
        assert frame.after == derivation.graph_after(frame.last)
    if len(changing) < PANELS:
        assert [(frame.first, frame.last) for frame in frames[1:]] == [(k, k) for k in changing]


def test_panels_are_in_reading_order_and_emphasise_what_changed() -> None:
    derivation = derive(FIGURE_2, "forward-inverse")
    scene = draw_sequence(derivation)
    rules = [f"({k}) {step.rule}" for k, step in enumerate(derivation.steps, 1)]
    assert _titles(scene) == ["(0) primal", *rules]
    at = {label.text: label.position for label in scene.labels if label.text in rules}
    positions = [at[rule] for rule in rules]
    assert positions == sorted(positions, key=lambda p: (p[1], p[0]))
    heavy = [item.key for item in (*scene.lines, *scene.curves) if item.width > 1.0]
    # The shifts add one edge each, and the last panel has every edge and arrow turned round.
    assert heavy.count("x1 -> x2") == 1
    assert {"z1 -> x1", "x2 -> x1", "z1 -> x3", "z2 -> x3"} <= set(heavy)
    assert scene.bands
    assert any(circle.filled for circle in scene.circles)


def test_many_applications_share_panels() -> None:
    derivation = derive(load(FOLDER / "rk4.fg"), "reverse")
    assert len(derivation.steps) > PANELS
    frames = frames_of(derivation)
    assert len(frames) <= PANELS
    assert any("times" in frame.title[0] for frame in frames)
    few = frames_of(derivation, panels=2)
    assert [frame.stage for frame in few] == ["primal", "layered", "unlayered", "reversed"]


def test_no_ops_are_left_out() -> None:
    derivation = derive(parse("inputs x\ny = x + 1\nz = f(y)\noutputs z"), "forward-inverse")
    assert any(summary.no_op for summary in derivation.summaries())
    assert _titles(draw_sequence(derivation)) == ["(0) primal", "(1) invert", "(2) reverse"]
