"""What can be taken home from a browser: files that open elsewhere, links that restore the view, command lines."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import flowgraph as fg
from benchmarks.explorer_page import link, unlink
from flowgraph.draw import draw_graph, draw_lumps, draw_sequence
from flowgraph.draw.writers import render
from tests.explorer_browser import Explorer, Visit, browser, chromium, expect, server, visit

__all__ = ["browser", "chromium", "server", "visit"]

TEXT = "inputs x1, x2\nt1 = p(x1)\nt2 = p(x2)\nz1 = q(x1, t1)\nz2 = q(x2, t2)\noutputs z1, z2"
ORDER = [0, 1, 3, 2]
MODE = "reverse-inverse"
POSITION = 4
STATE = {"order": ORDER, "mode": MODE, "position": POSITION, "name": "two halves.fg"}


SHORT = "inputs x, y\nu = f(x, y)\nv = g(y, u)\noutputs u, v"
"""For the figure of all applications, which takes a second for ten of them."""


def _derivation() -> fg.Derivation:
    return fg.derive(fg.parse(TEXT), MODE, order=ORDER)


def _take_home(explorer: Explorer) -> None:
    explorer.part("take-home").click()
    expect(explorer.part("take-home-dialog")).to_be_visible()


def _download(explorer: Explorer, what: str, format: str) -> tuple[str, bytes]:
    """Name and content of a file."""
    explorer.page.locator(f"input[name=what][value={what}]").check()
    if explorer.part("export-format").is_enabled():
        explorer.part("export-format").select_option(format)
    with explorer.page.expect_download() as download:
        explorer.part("export").click()
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def _opens_as_pdf(data: bytes) -> None:
    """Header, trailer, and a table of objects in which every entry points at its object."""
    assert data.startswith(b"%PDF-1.")
    assert data.rstrip().endswith(b"%%EOF")
    start = int(re.findall(rb"startxref\s+(\d+)", data)[-1])
    assert data[start:].startswith(b"xref")
    offsets = re.findall(rb"(\d{10}) (\d{5}) n", data[start:])
    assert len(offsets) > 3
    for number, (offset, _) in enumerate(offsets, 1):
        assert data[int(offset) :].startswith(f"{number} 0 obj".encode())


def _opens_as_png(data: bytes) -> None:
    """A picture with something on it."""
    from matplotlib.image import imread

    pixels = imread(io.BytesIO(data), format="png")
    assert min(pixels.shape[:2]) > 40
    assert np.ptp(pixels[..., :3]) > 0.5


def _compiles(data: bytes, folder: Path) -> None:
    (folder / "figure.tex").write_bytes(data)
    source = r"\documentclass{article}\usepackage{tikz}\begin{document}\input{figure.tex}\end{document}"
    (folder / "main.tex").write_text(source)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "main.tex"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    if "File `tikz.sty' not found" not in result.stdout:
        assert result.returncode == 0, result.stdout[-2000:]


@pytest.mark.parametrize("what", ["order", "graph", "sequence"])
def test_drawings_open_and_are_those_of_the_library(visit: Visit, what: str, tmp_path: Path) -> None:
    text, order = (SHORT, [0, 1]) if what == "sequence" else (TEXT, ORDER)
    explorer = visit(text, state={**STATE, "order": order, "tab": "derivation"})
    program = fg.parse(text)
    derivation = fg.derive(program, MODE, order=order)
    scene = {
        "order": lambda: draw_lumps(program, order),
        "graph": lambda: draw_graph(derivation, step=POSITION),
        "sequence": lambda: draw_sequence(derivation),
    }[what]()
    stem = {"order": "lumps", "graph": f"{MODE}-step-{POSITION}", "sequence": f"{MODE}-sequence"}[what]
    _take_home(explorer)
    found = {}
    for format in ("svg", "pdf", "png", "tex"):
        name, found[format] = _download(explorer, what, format)
        assert name == f"two-halves-{stem}.{format}"
        expect(explorer.page.locator(".status").first).to_have_text(f"saved as {name}")
    assert ElementTree.fromstring(found["svg"]).tag == "{http://www.w3.org/2000/svg}svg"
    _opens_as_pdf(found["pdf"])
    _opens_as_png(found["png"])
    for format in ("svg", "tex"):
        assert found[format] == render(scene, format)
    if shutil.which("pdflatex") is not None:
        _compiles(found["tex"], tmp_path)


def test_data_opens_and_is_that_of_the_library(visit: Visit) -> None:
    explorer = visit(TEXT, state=STATE)
    program, derivation = fg.parse(TEXT), _derivation()
    _take_home(explorer)
    name, data = _download(explorer, "derivation", "json")
    assert name == f"two-halves-{MODE}-derivation.json"
    assert fg.Derivation.from_json(json.loads(data)) == derivation
    name, data = _download(explorer, "analysis", "json")
    assert name == "two-halves-analysis.json"
    assert json.loads(data) == json.loads(json.dumps(fg.analyze(program, ORDER).to_json()))
    name, data = _download(explorer, "program", "fg")
    assert name == "two-halves.fg"
    reread = fg.parse(data.decode())
    assert [str(step) for step in reread.steps()] == [str(list(program.steps())[k]) for k in ORDER]


def test_every_kind_of_file_is_offered(visit: Visit) -> None:
    explorer = visit(TEXT, state=STATE)
    _take_home(explorer)
    offered = {}
    for choice in explorer.page.locator("input[name=what]").all():
        choice.check()
        options = explorer.part("export-format").locator("option").all()
        offered[choice.get_attribute("value")] = {option.get_attribute("value") for option in options}
    drawings = {"svg", "pdf", "png", "tex"}
    for what in ("order", "graph", "sequence"):
        assert offered[what] >= drawings
    assert offered["derivation"] == offered["analysis"] == {"json"}
    assert offered["program"] == {"fg"}


def test_text_is_copied_where_there_is_a_clipboard(visit: Visit) -> None:
    explorer = visit(TEXT, state=STATE, permissions=["clipboard-read", "clipboard-write"])
    _take_home(explorer)
    explorer.page.locator("input[name=what][value=order]").check()
    explorer.part("export-format").select_option("svg")
    explorer.part("export-copy").click()
    expect(explorer.page.locator(".status").first).to_have_text("copied")
    assert (
        explorer.page.evaluate("navigator.clipboard.readText()")
        == render(draw_lumps(fg.parse(TEXT), ORDER), "svg").decode()
    )


def test_a_link_restores_the_whole_view(visit: Visit) -> None:
    explorer = visit(TEXT, state={"name": "mine.fg"}, permissions=["clipboard-read", "clipboard-write"])
    explorer.part("best").click()
    explorer.expect_steps(0, 2, 1, 3)
    explorer.part("save-name").fill("pairs")
    explorer.part("save").click()
    explorer.part("saved").get_by_text("pairs").wait_for()
    explorer.part("tab-derivation").click()
    explorer.page.locator("[data-mode=reverse]").click()
    derivation = fg.derive(fg.parse(TEXT), "reverse", order=[0, 2, 1, 3])
    total = len(derivation.steps)
    expect(explorer.page.locator(".crumbs")).to_contain_text(f"reverse › primal › start{total} applications in all")
    explorer.press("ArrowRight", "ArrowRight", "ArrowRight")
    explorer.until_state(lambda state: state["position"] == 3 and state["mode"] == "reverse")
    expect(explorer.part("site")).to_have_text(derivation.site_text(3))
    _take_home(explorer)
    explorer.until("() => ROOT.querySelector('[data-testid=share]').value.includes('#1.')")
    whole = explorer.part("share").input_value()
    explorer.part("share").locator("xpath=..").get_by_role("button", name="Copy").click()
    explorer.page.get_by_role("button", name="Copied").wait_for()
    assert explorer.page.evaluate("navigator.clipboard.readText()") == whole
    address, _, fragment = whole.partition("#")
    assert address == explorer.watch.address
    state = unlink(f"#{fragment}")
    assert "past" not in state
    other = visit()
    other.page.goto("about:blank")
    other.go(f"#{fragment}")
    expect(other.part("tab-derivation")).to_have_attribute("aria-selected", "true")
    expect(other.page.locator("[data-mode=reverse]")).to_have_attribute("aria-pressed", "true")
    expect(other.page.locator(".crumbs .overall")).to_contain_text("3 of")
    expect(other.part("site")).to_have_text(derivation.site_text(3))
    expect(other.part("program-menu")).to_have_text("mine.fg")
    expect(other.part("editor")).to_have_value(TEXT)
    other.part("tab-order").click()
    other.expect_steps(0, 2, 1, 3)
    expect(other.part("saved")).to_contain_text("pairs")
    expect(other.part("undo")).to_have_attribute("aria-disabled", "true")


def test_the_address_follows_and_is_followed(visit: Visit) -> None:
    explorer = visit(TEXT)
    explorer.part("best").click()
    fragment = explorer.until_state(lambda state: state["order"] == [0, 2, 1, 3])
    assert fragment["text"] == TEXT
    explorer.page.reload()
    explorer.page.locator(".root[data-ready=true]").wait_for()
    explorer.expect_steps(0, 2, 1, 3)
    before = explorer.page.evaluate("location.hash")
    explorer.part("original").click()
    explorer.expect_steps(0, 1, 2, 3)
    explorer.until_state(lambda state: state["order"] is None)
    explorer.page.evaluate("(hash) => { location.hash = hash; }", before)
    explorer.expect_steps(0, 2, 1, 3)


def test_a_link_that_was_damaged_is_told_and_the_page_is_not_empty(visit: Visit) -> None:
    explorer = visit()
    explorer.page.goto("about:blank")
    explorer.go("#nonsense")
    explorer.toast("the link cannot be read: it does not begin with #1.")
    expect(explorer.part("row").first).to_be_visible()
    steps = explorer.steps()
    for fragment, words in (
        ("#2.abc", "another version"),
        ("#1.AAAA", "it is cut short or was changed"),
        ("#1.", "it has characters that no link of the explorer has"),
        (link(TEXT)[:-9], "it is cut short or was changed"),
    ):
        explorer.part("toast").get_by_role("button").first.click()
        expect(explorer.part("toast")).to_have_count(0)
        explorer.page.evaluate("(hash) => { location.hash = hash; }", fragment)
        explorer.toast(words)
        assert explorer.steps() == steps


def test_lines_for_shell_and_python_are_those_of_the_library(visit: Visit) -> None:
    from flowgraph.explorer.commands import commands

    explorer = visit(TEXT, state=STATE)
    for tab in ("order", "derivation", "check"):
        explorer.part(f"tab-{tab}").click()
        explorer.until_state(lambda state, tab=tab: state["tab"] == tab)
        _take_home(explorer)
        wanted = commands(fg.parse(TEXT), tuple(ORDER), MODE, POSITION, tab, "two halves.fg", None)
        expect(explorer.part("commands-shell").locator("pre")).to_have_count(len(wanted.shell))
        expect(explorer.part("commands-python")).to_contain_text(wanted.python.splitlines()[-1])
        assert explorer.part("commands-python").text_content() == wanted.python
        assert explorer.part("commands-shell").locator("pre").all_text_contents() == list(wanted.shell)
        explorer.press("Escape")
