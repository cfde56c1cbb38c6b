"""Writers: the right bytes, the same bytes, and never half of them."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from flowgraph.draw import FORMATS, draw_graph, figure, render, render_graph, write, write_graph
from flowgraph.draw.scene import Band, Circle, Curve, Ink, Label, Line, Scene
from flowgraph.draw.text import measure, name_latex, readable
from flowgraph.draw.text import write as text_at
from flowgraph.draw.writers import SCENE_WRITERS, format_of
from flowgraph.errors import InputError
from flowgraph.language import parse
from flowgraph.modes import derive

FIGURE_2 = "inputs x1, x2, x3\nz1 = f(x1, x2)\nz2 = g(x3, z1)\noutputs z1, x2, z2"
GRAPH = derive(parse(FIGURE_2), "reverse-inverse").stages["inverted"]
SVG = "{http://www.w3.org/2000/svg}"


def _scene() -> Scene:
    return Scene(
        60.0,
        50.0,
        lines=(Line((10, 10), (40, 10), True, key='a -> "<b>"'),),
        curves=(Curve(((10, 20), (20, 40), (30, 40), (40, 20)), True),),
        circles=(
            Circle((40, 30), 5),
            Circle((20, 30), 4, 6),
            Circle((5, 5), 2, filled=True, ink=Ink.GHOST),
            Circle((50, 40), 3, visible=False),
        ),
        labels=(text_at("100% a_b & $x_{1}$", (30, 45), 8.0),),
        bands=(Band((50, 2, 58, 20), key="band"),),
        title="a & b",
    )


def test_svg_is_xml_without_fonts_whose_words_can_be_read() -> None:
    root = ElementTree.fromstring(render(_scene(), "svg"))
    assert root.get("width") == "60pt"
    assert not list(root.iter(f"{SVG}text"))
    assert [title.text for title in root.iter(f"{SVG}title")] == ["a & b", "100% a_b & x1"]
    assert [g.get("data-key") for g in root.iter(f"{SVG}g") if g.get("data-key")] == ['a -> "<b>"']
    identifiers = {path.get("id") for path in root.iter(f"{SVG}path") if path.get("id")}
    assert {use.get("href") for use in root.iter(f"{SVG}use")} == {f"#{name}" for name in identifiers}
    assert len(list(root.iter(f"{SVG}rect"))) == 1 + 3 + 1, "the page, the visible outlines and the band"


def test_png_has_the_size_of_the_page_and_says_nothing_else() -> None:
    data = render(_scene(), "png")
    assert struct.unpack(">II", data[16:24]) == (250, 208)
    assert b"tEXt" not in data
    assert b"atplotlib" not in data


def test_png_of_a_very_long_drawing_stays_within_bounds() -> None:
    width, height = struct.unpack(">II", render(Scene(20.0, 20_000.0), "png")[16:24])
    assert height <= 30_000
    assert width >= 1


def test_png_shows_lines_circles_and_text_where_the_scene_has_them() -> None:
    from PIL import Image

    def dark(scene: Scene, x: float, y: float) -> bool:
        from io import BytesIO

        image = Image.open(BytesIO(render(scene, "png"))).convert("L")
        cx, cy = round(x * 300 / 72), round(y * 300 / 72)
        pixels = [image.getpixel((i, j)) for i in range(cx - 2, cx + 3) for j in range(cy - 2, cy + 3)]
        return min(pixels) < 100  # pyright: ignore[reportArgumentType]

    scene = _scene()
    assert dark(scene, 25, 10)
    assert dark(scene, 40, 25)
    assert dark(scene, 30, 30), "the right end of the long outline"
    assert dark(scene, 25, 35), "the middle of the curve"
    assert not dark(scene, 50, 37), "an outline that is not visible"
    left, top, right, bottom = scene.labels[0].box
    assert any(dark(scene, left + k * (right - left) / 8, (top + bottom) / 2) for k in range(9))
    assert not dark(scene, 55, 20)


def test_pdf_has_one_page_of_the_scenes_size_and_no_date() -> None:
    data = render(_scene(), "pdf")
    assert re.findall(rb"/MediaBox \[ ([\d. ]+) \]", data) == [b"0 0 60 50"]
    assert b"CreationDate" not in data
    assert b"Producer" not in data
    assert b"/Title (a & b)" in data
    content = zlib.decompress(data.split(b"stream\n", 1)[1].split(b"endstream", 1)[0])
    assert content.count(b"\n") > 20


def test_tikz_escapes_words_and_keeps_mathematics() -> None:
    text = render(_scene(), "tex").decode()
    assert r"{100\% a\_b \& $x_{1}$}" in text
    assert r"\draw[->] (10,10) -- (40,10);" in text
    assert r"\draw[->] (10,20) .. controls (20,40) and (30,40) .. (40,20);" in text
    assert r"\draw (40,30) circle[radius=5];" in text
    assert text.count("\\begin{tikzpicture}") == text.count("\\end{tikzpicture}") == 1
    assert "(50,40)" not in text


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_tikz_compiles_with_plain_latex(tmp_path: Path) -> None:
    stages = derive(parse("inputs u, w_1\nalpha_2 = hypot(u, w_1)\nz = atan2(alpha_2, w_1)\noutputs z, w_1"), "reverse")
    scenes = [figure(1), figure(2), figure(3), draw_graph(stages), _scene()]
    names = [f"page{k}.tex" for k in range(len(scenes))]
    for scene, name in zip(scenes, names, strict=True):
        write(scene, tmp_path / name)
    body = "\n\\newpage\n".join(f"\\noindent\\input{{{name}}}" for name in names)
    source = f"\\documentclass{{article}}\n\\usepackage{{tikz}}\n\\begin{{document}}\n{body}\n\\end{{document}}\n"
    (tmp_path / "main.tex").write_text(source)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "main.tex"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    if "File `tikz.sty' not found" in result.stdout:
        pytest.skip("needs tikz")
    assert result.returncode == 0, result.stdout[-2000:]
    assert "Warning" not in result.stdout.replace("No file main.aux", "")
    assert f"({len(scenes)} pages" in result.stdout.replace("\n", "")


def test_dot_has_every_vertex_and_edge() -> None:
    lines = [line.strip() for line in render_graph(GRAPH, "dot").decode().splitlines()]
    assert '"x2@1" [label=x2 shape=circle]' in lines
    assert 'x1 -> "x2@1" [label="-b/a"]' in lines
    assert 'x2 -> "x2@1" [label=1 style=dotted]' in lines
    assert sum(" -> " in line for line in lines) == len(GRAPH.edges)
    assert sum("rank=same" in line for line in lines) == 3


def test_txt_lists_one_edge_per_line() -> None:
    assert render_graph(GRAPH, "txt").decode() == (
        "inputs     x1, x2, x3\n"
        "outputs    z1@2, x2@2, z2\n"
        "additions  x2@1, z1@2\n"
        "x1 -> z1      1/a\n"
        "x1 -> x2@1    -b/a\n"
        "x2 -> x2@1    1\n"
        "x3 -> x3@1    1\n"
        "z1 -> z1@2    1\n"
        "x3@1 -> z1@2  -d/c\n"
        "x2@1 -> x2@2  1\n"
        "x3@1 -> z2    1/c\n"
    )


_HASHES = """
import hashlib
from flowgraph.draw import FORMATS, figure, render, render_graph
from flowgraph.language import parse
from flowgraph.modes import derive
graph = derive(parse({source!r}), "reverse-inverse").stages["inverted"]
for format in FORMATS:
    print(format, hashlib.sha256(render_graph(graph, format)).hexdigest())
for format in ("svg", "pdf", "png", "tex"):
    print(format, hashlib.sha256(render(figure(3), format)).hexdigest())
"""


def test_bytes_are_the_same_in_every_process() -> None:
    runs = []
    for seed, stamp in (("1", "0"), ("2", "86400")):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "SOURCE_DATE_EPOCH": stamp}
        command = [sys.executable, "-W", "error", "-c", _HASHES.format(source=FIGURE_2)]
        runs.append(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    assert runs[0] == runs[1]
    here = {f: hashlib.sha256(render_graph(GRAPH, f)).hexdigest() for f in FORMATS}
    assert [line.split()[1] for line in runs[0].splitlines()[: len(FORMATS)]] == list(here.values())


def test_the_users_matplotlib_settings_neither_matter_nor_change() -> None:
    import matplotlib

    before = {format: render(_scene(), format) for format in SCENE_WRITERS}
    strange: dict[Any, Any] = {"savefig.bbox": "tight", "lines.linewidth": 9, "mathtext.fontset": "stix"}
    strange |= {"path.simplify": True, "figure.facecolor": "red", "savefig.dpi": 40, "text.color": "green"}
    with matplotlib.rc_context(strange):
        settings = dict(matplotlib.rcParams)
        fresh = Scene(60, 50, labels=(text_at("$q_{17}$", (30, 25), 8.0),))
        odd = {format: render(fresh, format) for format in SCENE_WRITERS}
        assert {format: render(_scene(), format) for format in SCENE_WRITERS} == before
        assert dict(matplotlib.rcParams) == settings
    assert {format: render(fresh, format) for format in SCENE_WRITERS} == odd


def test_importing_and_drawing_need_no_pyplot_and_import_no_matplotlib_early() -> None:
    script = (
        "import sys, flowgraph.draw as draw\n"
        "assert not {'matplotlib', 'sympy', 'networkx', 'graphviz'} & set(sys.modules)\n"
        "draw.render(draw.figure(2), 'png')\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True)


# -- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
def test_files_hold_what_render_gives(tmp_path: Path, format: str) -> None:
    path = tmp_path / f"graph.{format}"
    write_graph(GRAPH, path)
    assert path.read_bytes() == render_graph(GRAPH, format)
    assert os.listdir(tmp_path) == [path.name]


def test_a_new_file_has_the_usual_mode_and_an_old_one_keeps_its_own(tmp_path: Path) -> None:
    path, plain = tmp_path / "a.svg", tmp_path / "plain"
    plain.touch()
    write(_scene(), path)
    assert path.stat().st_mode == plain.stat().st_mode
    path.chmod(0o640)
    write(_scene(), path)
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.svg"
    path.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(InputError, match="cannot be written") as caught:
        write(_scene(), path)
    assert "No space left" in str(caught.value)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.svg"]


def test_a_failed_rendering_touches_no_file(tmp_path: Path) -> None:
    path = tmp_path / "a.svg"
    path.write_text("old")
    broken = Scene(10, 10, labels=(Label((1, 1), r"$\nosuchcommand$", 8.0, (0, 0, 1, 1)),))
    with pytest.raises(ValueError, match="nosuchcommand"):
        write(broken, path)
    assert path.read_text() == "old"


def test_errors_say_what_formats_there_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="names no format") as caught:
        write(_scene(), tmp_path / "a.jpeg")
    assert "svg, pdf, png, tex, dot, txt" in str(caught.value)
    with pytest.raises(InputError, match="drawing cannot be written"):
        write(_scene(), tmp_path / "a.dot")
    with pytest.raises(InputError, match="graph cannot be written"):
        render_graph(GRAPH, "bmp")
    with pytest.raises(InputError, match="names no format"):
        format_of("noending")
    with pytest.raises(InputError, match="cannot be written") as caught:
        write(_scene(), tmp_path / "missing" / "a.svg")
    assert "No such file" in str(caught.value)


# -- text -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "latex"),
    [
        ("x", "x"),
        ("x1", "x_{1}"),
        ("z12", "z_{12}"),
        ("alpha_1", r"\alpha_{1}"),
        ("θ2", r"\theta_{2}"),
        ("Ω", r"\Omega"),
        ("r1_2", "r_{1,2}"),
        ("speed", r"\mathit{speed}"),
        ("speed_in", r"\mathit{speed}_{\mathrm{in}}"),
        ("_a", r"\mathrm{\_a}"),
        ("x1y", r"\mathrm{x1y}"),
        ("é", r"\mathit{ue9}"),
    ],
)
def test_names_in_latex(name: str, latex: str) -> None:
    assert name_latex(name) == latex
    for accent in ("", "dot", "bar"):
        assert readable(f"${name_latex(name, accent)}$")


def test_measures_are_those_of_the_ink() -> None:
    from io import BytesIO

    import numpy as np
    from PIL import Image

    for text in (
        "$x_{1}$",
        r"$-\frac{b}{a}$",
        "(a) primal",
        r"$-\mathbf{A}^{-1}\mathbf{B}$",
        r"$\sqrt{x^{2}+1}$",
        "a_b",
    ):
        label = text_at(text, (60, 30), 20.0)
        image = Image.open(BytesIO(render(Scene(160, 60, labels=(label,)), "png"))).convert("L")
        rows, columns = np.nonzero(np.asarray(image) < 250)
        ink = np.array((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)) * 72 / 300
        assert np.abs(ink - np.array(label.box)).max() < 0.5, text


def test_anchors_place_the_ink() -> None:
    for anchor, part in (("start", 0.0), ("middle", 0.5), ("end", 1.0)):
        label = text_at("$x_{1}$", (50, 20), 9.0, anchor=anchor)
        assert label.box[0] + part * (label.box[2] - label.box[0]) == pytest.approx(50)
    assert measure("$x$", 9.0).bottom < 0.5


def test_links_pipes_and_devices_stay_what_they_are(tmp_path: Path) -> None:
    import os
    import threading

    from flowgraph.draw.writers import write_bytes

    target, link = tmp_path / "target.svg", tmp_path / "link.svg"
    target.write_bytes(b"old")
    link.symlink_to(target)
    write_bytes(b"new", link)
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_bytes(b"through", pipe)
    reader.join()
    assert read == [b"through"]
    assert pipe.is_fifo()
