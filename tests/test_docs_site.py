"""The site as a reader has it: built from a few lines with the settings of docs/, and opened from disk in Chromium."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.explorer_browser import browser, chromium  # noqa: F401

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"

pytestmark = pytest.mark.skipif(find_spec("myst_nb") is None, reason="the extra docs is not installed")

CELL = """
```{code-cell} python
from pathlib import Path
from matplotlib import pyplot as plt
import flowgraph as fg
print(sorted(path.name for path in Path().iterdir()))
fig, ax = plt.subplots()
line = ax.plot([1, 2], [3, 4])
```
"""

PAGE = f"""---
file_format: mystnb
kernelspec:
  name: python3
---
# A page

Inline $J^{{-1}} v$, and displayed

$$\\boldsymbol{{\\dot x}} = \\begin{{pmatrix}} a & b \\\\ 0 & 1 \\end{{pmatrix}}^{{-1}} \\dot y$$
{CELL}
"""

FAULTY = PAGE.replace("import flowgraph as fg", "import flowgraph as fg\nfg.parse('nonsense')") + (
    "\n[nowhere](missing.md), {func}`flowgraph.nonsense`\n"
)


def build(folder: Path, page: str) -> subprocess.CompletedProcess[str]:
    """Build a site of one page, with the settings of the real one."""
    (folder / "source").mkdir()
    (folder / "source" / "index.md").write_text(page, encoding="utf-8")
    where = (str(folder / "source"), str(folder / "html"))
    command = (sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-c", str(DOCS), *where)
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a site that was built without a word."""
    folder = tmp_path_factory.mktemp("site")
    done = build(folder, PAGE)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return folder / "html"


@pytest.fixture
def read(browser: Browser, site: Path) -> Iterator[Callable[..., Page]]:  # noqa: F811
    """Opens the page from disk; anything that it asks of anybody else, and any complaint, is a failure."""
    faults: list[str] = []
    contexts = []

    def open_page(**settings: Any) -> Page:
        context = browser.new_context(**settings)
        contexts.append(context)
        context.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        context.on("request", lambda request: faults.append(request.url) if not local(request.url) else None)
        page = context.new_page()
        page.goto((site / "index.html").as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []


def local(address: str) -> bool:
    return address.startswith(("file:", "data:"))


def test_mathematics_is_set_without_a_network(read: Callable[..., Page]) -> None:
    page = read(offline=True)
    page.locator("mjx-container svg").nth(1).wait_for(state="attached")
    assert page.locator("mjx-container").count() == 2
    assert page.locator("mjx-merror, [data-mml-node=merror]").count() == 0
    assert "J^{-1}" not in page.locator("article").inner_text()


def test_a_page_runs_in_an_empty_folder(site: Path) -> None:
    assert "[]\n" in (site / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_stand_on_white(read: Callable[..., Page], scheme: str) -> None:
    page = read(color_scheme=scheme)
    picture = page.locator(".cell_output img")
    assert picture.evaluate("image => image.complete && image.naturalWidth > 100")
    assert picture.evaluate("image => getComputedStyle(image).backgroundColor") == "rgb(255, 255, 255)"
    for other in ("body", ".cell_input .highlight"):
        ground = page.locator(other).evaluate("shown => getComputedStyle(shown).backgroundColor")
        assert (min(map(int, re.findall(r"\d+", ground)[:3])) > 200) == (scheme == "light")


@pytest.mark.parametrize("width", [390, 1100, 1210, 1280])
def test_a_page_is_no_wider_than_the_window(read: Callable[..., Page], width: int) -> None:
    page = read(viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_what_is_wrong_fails_the_build_and_is_named(tmp_path: Path) -> None:
    done = build(tmp_path, FAULTY)
    assert done.returncode == 1
    for words in ("index.md", "fg.parse('nonsense')", "ParseError", "missing.md", "flowgraph.nonsense"):
        assert words in done.stderr


def test_what_comes_from_another_server_is_caught() -> None:
    extension = runpy.run_path(str(DOCS / "_extensions" / "from_the_library.py"))
    foreign = extension["loaded_from_elsewhere"]
    assert foreign('<script defer src="https://cdn.example/a.js"></script>') == ["https://cdn.example/a.js"]
    assert foreign('<link rel="stylesheet" href="//fonts.example/a.css" />') == ["//fonts.example/a.css"]
    assert foreign("@import 'http://a.example/b.css'; x { background: url(https://c.example/d.png) }") == [
        "http://a.example/b.css",
        "https://c.example/d.png",
    ]
    assert foreign('<img src="_images/a.svg"><a href="https://arxiv.org">paper</a> url(data:image/png;x)') == []


def test_what_a_docstring_cites_is_linked_whole() -> None:
    extension = runpy.run_path(str(DOCS / "_extensions" / "from_the_library.py"))
    lines = [
        "A method (see doi:10.1007/BF01446807.)",
        "Reference: Yoshida, 1990, doi:10.1016/0375-9601(90)90092-3; x.",
        "Reference: Lorenz, 1963, doi:10.1175/1520-0469(1963)020<0130:DNF>2.0.CO;2.",
    ]
    extension["prepare"](None, "function", "f", None, None, lines)
    links = [link for line in lines for link in re.findall(r"https://doi.org/(\S+)>`__(.*)", line)]
    assert links == [
        ("10.1007/BF01446807", ".)"),
        ("10.1016/0375-9601(90)90092-3", "; x."),
        ("10.1175/1520-0469(1963)020%3C0130:DNF%3E2.0.CO;2", "."),
    ]
