"""The pages of the site: blocks of code run, commands are commands, every page and every public name has its place."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import click
import pytest
from markdown_it import MarkdownIt

from flowgraph.cli import main
from flowgraph.example_programs import examples_folder

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = {
    path.relative_to(DOCS).with_suffix("").as_posix(): path.read_text(encoding="utf-8")
    for path in sorted(DOCS.rglob("*.md"))
    if not path.relative_to(DOCS).parts[0].startswith("_")
}
README = (ROOT / "README.md").read_text(encoding="utf-8")

PACKAGES = ("draw", "ode", "codegen")

CELL = "{code-cell} python"
WIDEST = 88

_HIDDEN = re.compile(r":tags: \[.*remove-(?:cell|input)")
_ENTRY = re.compile(r"^\.\. auto(?:function|class|data|exception):: ([\w.]+)", flags=re.MULTILINE)


def fences(text: str, language: str) -> list[str]:
    """The contents of the fenced blocks whose info string is that word, nested ones left out."""
    return [token.content for token in MarkdownIt().parse(text) if token.type == "fence" and token.info == language]


# -- every page is in a table of contents ------------------------------------------------------------------------------


def toctree(page: str, text: str) -> Iterator[str]:
    """The pages that a page lists."""
    for content in fences(text, "{toctree}"):
        for line in content.splitlines():
            if line and not line.startswith(":"):
                yield (Path(page).parent / line).as_posix()


def unlisted(pages: dict[str, str]) -> set[str]:
    """Pages that no path of tables of contents leads to from the first page."""
    seen, waiting = set(), ["index"]
    while waiting:
        page = waiting.pop()
        if page in pages and page not in seen:
            seen.add(page)
            waiting += toctree(page, pages[page])
    return pages.keys() - seen


def test_every_page_is_in_a_table_of_contents() -> None:
    assert len(PAGES) > 20
    assert unlisted(PAGES) == set()


def test_a_page_that_nothing_lists_is_caught() -> None:
    assert unlisted({"index": "```{toctree}\na/b\n```", "a/b": "```{toctree}\nc\n```", "a/c": "", "a/d": ""}) == {"a/d"}


# -- the reference -----------------------------------------------------------------------------------------------------


def public(package: ModuleType) -> list[str]:
    """What a package makes public, in full."""
    return [f"{package.__name__}.{name}" for name in package.__all__]


def entries() -> Counter[str]:
    """How often each name has an entry in the reference."""
    return Counter(
        name for page, text in PAGES.items() if page.startswith("reference/") for name in _ENTRY.findall(text)
    )


@pytest.mark.parametrize("package", ["flowgraph", *(f"flowgraph.{name}" for name in PACKAGES)])
def test_every_public_name_has_one_entry_in_the_reference(package: str) -> None:
    submodules = {f"flowgraph.{name}" for name in PACKAGES}
    found = entries()
    names = [name for name in public(import_module(package)) if name not in submodules]
    assert names
    assert {name: found[name] for name in names if found[name] != 1} == {}


def test_the_problems_have_entries() -> None:
    assert {"flowgraph.problems.PROBLEMS", "flowgraph.problems.Problem"} <= entries().keys()


def test_every_entry_of_the_reference_is_something() -> None:
    for name, count in entries().items():
        assert count == 1, name
        module, _, last = name.rpartition(".")
        assert hasattr(import_module(module), last), name


# -- code --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [page for page, text in PAGES.items() if fences(text, "python")])
def test_the_blocks_of_code_of_a_page_run(page: str, tmp_path: Path) -> None:
    """Those that are no cells, which the build of the site executes; ``py`` marks a fragment of something else."""
    code = "\n".join(fences(PAGES[page], "python"))
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# -- commands ----------------------------------------------------------------------------------------------------------


def commands(text: str) -> list[list[str]]:
    """The arguments of every ``flowgraph`` in the blocks of shell commands."""
    lines = [line for block in fences(text, "sh") for line in block.replace("\\\n", " ").splitlines()]
    split = (shlex.split(line, comments=True) for line in lines)
    return [words[1:] for words in split if words and words[0] == "flowgraph"]


COMMANDS = [(page, words) for page, text in {"README": README, **PAGES}.items() for words in commands(text)]
FINAL = ("--help", "--version")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of somebody who did what the ten minutes say."""
    (tmp_path / "papers_examples").symlink_to(examples_folder())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("page", "words"), COMMANDS, ids=[f"{page}: {' '.join(words)}" for page, words in COMMANDS])
def test_every_command_of_a_page_is_one(page: str, words: list[str], folder: Path) -> None:
    if words[-1] in FINAL:
        return
    command = main.commands[words[0]]
    parsed = command.make_context(words[0], words[1:], parent=click.Context(main, info_name="flowgraph"))
    for value in parsed.params.values():
        for word in value if isinstance(value, tuple) else (value,):
            if isinstance(word, str) and word.startswith("papers_examples/"):
                assert (folder / word.partition(":")[0]).exists(), word


def test_the_commands_of_the_ten_minutes_are_those_whose_output_is_shown() -> None:
    cells = [block for block in fences(PAGES["start"], CELL) if "\n!" in block]
    shown = [line[1:] for block in cells for line in block.splitlines() if line.startswith("!")]
    typed = [line for block in fences(PAGES["start"], "sh") for line in block.splitlines()]
    assert len(shown) > 3
    assert set(shown) <= set(typed)


def test_a_command_that_does_not_exist_is_caught() -> None:
    assert commands("```sh\nflowgraph verify a.fg  # what\nls\n```") == [["verify", "a.fg"]]
    with pytest.raises(click.UsageError):
        main.commands["verify"].make_context("verify", ["a.fg", "--nonsense"])


def test_the_reference_of_the_commands_is_generated() -> None:
    assert "\n% commands\n" in PAGES["reference/cli"]
    assert "\n% figures\n" in PAGES["gallery"]


# -- what fits ---------------------------------------------------------------------------------------------------------


def wide(text: str) -> list[str]:
    """Lines of cells that a reader would have to scroll for; cells that are not shown may have them."""
    shown = [block for block in fences(text, CELL) if not _HIDDEN.match(block)]
    return [line for block in shown for line in block.splitlines() if len(line) > WIDEST]


@pytest.mark.parametrize("page", [page for page, text in PAGES.items() if fences(text, CELL)])
def test_the_code_of_a_page_fits_into_it(page: str) -> None:
    assert wide(PAGES[page]) == []


def test_a_wide_line_is_caught() -> None:
    assert wide(f"```{CELL}\n:tags: [remove-cell]\n{'x' * 89}\n```\n") == []
    assert wide(f"# Title\n\n```{CELL}\n{'x' * 88}\n{'y' * 89}\n```\n") == ["y" * 89]
