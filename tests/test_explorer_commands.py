"""The lines that the explorer shows are run here: they give what it shows."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from contextlib import chdir
from pathlib import Path

import pytest
from click.testing import CliRunner

import flowgraph as fg
from flowgraph.cli import main
from flowgraph.explorer.commands import Source, commands
from flowgraph.explorer.exports import File, export
from flowgraph.language import load, parse
from flowgraph.program import Program
from flowgraph.user_code import open_program
from tests.examples import FOLDER

ROOT = Path(fg.__file__).parent.parent
BEST = tuple(fg.best_order(load(FOLDER / "two_orders.fg")).tolist())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the folder ``programs``, one with a name that a shell takes apart, and a ``flowgraph``."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("two_orders.fg", "figure2.fg", "bottleneck.fg", "polar.py"):
        shutil.copy(FOLDER / name, programs / name)
    shutil.copy(FOLDER / "two_orders.fg", programs / "two orders; rm 'x' $(y).fg")
    tool = tmp_path / "bin" / "flowgraph"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\nexec {sys.executable} -m flowgraph "$@"\n')
    tool.chmod(0o755)
    return tmp_path


def _environment(folder: Path) -> dict[str, str]:
    path = os.pathsep.join([str(folder / "bin"), str(folder.parent / "bin"), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}


def real_shell(folder: Path, lines: tuple[str, ...]) -> str:
    """What a shell prints that runs the lines."""
    done = subprocess.run(
        ["sh", "-e"],
        input="\n".join(lines),
        cwd=folder,
        env=_environment(folder),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def shell(folder: Path, lines: tuple[str, ...]) -> str:
    """The same, but a shell runs the here-document only; starting Python for every line takes seconds."""
    printed = []
    with chdir(folder):
        for line in lines:
            if line.startswith("cat > "):
                real_shell(folder, (line,))
                continue
            words = shlex.split(line)
            assert words[0] == "flowgraph"
            done = CliRunner().invoke(main, words[1:], catch_exceptions=False)
            assert done.exit_code == 0, done.output
            printed.append(done.stdout)
    return "".join(printed)


def python(scripts: list[tuple[Path, str]]) -> list[str]:
    """What the scripts print, each run in its folder, one after the other in one process."""
    parts = [f"import os\nos.chdir({str(folder)!r})\nprint('=====')\n{text}" for folder, text in scripts]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(parts)],
        env=_environment(scripts[0][0]),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("=====\n")[1:]


CASES = {
    "own": ("two_orders.fg", None, "two_orders.fg"),
    "best": ("two_orders.fg", BEST, "two_orders.fg"),
    "quoted": ("two_orders.fg", BEST, "two orders; rm 'x' $(y).fg"),
    "typed": ("two_orders.fg", BEST, None),
    "function": ("polar.py:polar", None, "polar.py:polar --n 2"),
    "at": ("polar.py:polar", None, "polar.py:polar --at 1.0,0.5"),
}


def _program(name: str) -> Program:
    return open_program(str(FOLDER / name), n=2) if ".py:" in name else load(FOLDER / name)


@pytest.mark.parametrize("tab", ["derivation", "order", "check"])
def test_the_lines_give_what_is_seen(tab: str, folder: Path) -> None:
    scripts: list[tuple[Path, str]] = []
    expected: list[tuple[list[File], list[str]]] = []
    for case, (name, order, source) in CASES.items():
        program = _program(name)
        given = range(program.n_steps) if order is None else order
        found = commands(program, order, "forward-inverse", 3, tab, name, source)
        if tab == "derivation":
            seen = [("graph", "svg"), ("sequence", "pdf")]
            says = [str(fg.derive(program, "forward-inverse", order=given).graph_after(3))]
        elif tab == "order":
            seen = [("order", "svg")]
            says = str(fg.analyze(program, given)).splitlines()[:2]
        else:
            seen = []
            says = []
        files = [export(program, order, "forward-inverse", 3, what, format, name) for what, format in seen]
        here = folder / case
        shutil.copytree(folder / "programs", here)
        printed = shell(here, found.shell)
        _same_files(here, files)
        if tab == "check":
            assert "checks hold" in printed
            assert "FAIL" not in printed
            says = ["all checks hold"]
        elif tab == "order":
            assert all(line in printed for line in says)
        scripts.append((here, found.python))
        expected.append((files, says))
    for (here, _), printed, (files, says) in zip(scripts, python(scripts), expected, strict=True):
        _same_files(here, files)
        assert all(line in printed for line in says), printed


def _same_files(folder: Path, files: list[File]) -> None:
    """Fail unless the files are there; then remove them."""
    for file in files:
        assert (folder / file.name).read_bytes() == file.data
        (folder / file.name).unlink()


def test_a_real_shell_runs_the_lines(folder: Path) -> None:
    name, order, source = CASES["quoted"]
    program = _program(name)
    found = commands(program, order, "reverse", 2, "derivation", name, source)
    graph = export(program, order, "reverse", 2, "graph", "svg", name)
    real_shell(folder / "programs", found.shell[1:2])
    _same_files(folder / "programs", [graph])
    name, order, _ = CASES["typed"]
    found = commands(program, order, "reverse", 2, "derivation", name, None)
    real_shell(folder / "programs", found.shell[:1])
    assert parse((folder / "programs" / "two_orders-copy.fg").read_text()) == program


def test_without_an_inverse_only_two_modes_are_checked(folder: Path) -> None:
    found = commands(load(FOLDER / "bottleneck.fg"), None, "forward", 0, "check", "bottleneck.fg", "bottleneck.fg")
    assert "checks hold" in shell(folder / "programs", found.shell)
    assert "all checks hold" in python([(folder / "programs", found.python)])[0]


def test_a_program_in_no_file_is_written_first(folder: Path) -> None:
    program = parse("inputs x\nu = f(x)\nv = g(u)\noutputs v")
    found = commands(program, None, "forward", 1, "order", "", None)
    assert found.shell[0].startswith("cat > program.fg <<'END_OF_PROGRAM'\n")
    shell(folder, found.shell)
    assert load(folder / "program.fg") == program
    named = commands(program, None, "forward", 1, "order", "it's mine.fg", None)
    shell(folder, named.shell)
    # Nobody's file is overwritten: the name is not that of the program.
    assert load(folder / "it-s-mine-copy.fg") == program


def test_names_that_the_notation_cannot_write(folder: Path) -> None:
    program = fg.trace(lambda x: [x[0] * x[1], x[1] + 2.0], 2)
    order = tuple(range(program.n_steps))[::-1]
    found = commands(program, order, "reverse", 2, "derivation", "", None)
    shell(folder, found.shell)
    python([(folder, found.python)])


def test_dead_code_has_no_place_in_the_order(folder: Path) -> None:
    program = parse("inputs x, y\nd = f(x)\nu = g(x)\nv = h(y)\noutputs u, v")
    scripts = []
    for order in (None, (2, 1)):
        found = commands(program, order, "reverse", 1, "derivation", "", None)
        graph = export(program, order, "reverse", 1, "graph", "svg", "")
        shell(folder, found.shell)
        assert (folder / graph.name).read_bytes() == graph.data
        scripts.append((folder, found.python))
    python(scripts)


def test_long_orders_are_folded(folder: Path) -> None:
    lines = [f"value_{k} = f{k}(x_{k})" for k in range(60)]
    names = ", ".join(f"x_{k}" for k in range(60))
    program = parse("\n".join([f"inputs {names}", *lines, f"outputs {', '.join(f'value_{k}' for k in range(60))}"]))
    order = tuple(reversed(range(60)))
    found = commands(program, order, "reverse", 0, "check", "", None)
    assert max(map(len, found.python.splitlines()[2:])) < 1000
    text = found.python.replace("print(fg.verify(program, order=order))", "print(list(order)[:2], len(order))")
    assert python([(folder, text)])[0] == "['value_59', 'value_58'] 60\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a.fg", "a.fg"),
        ("-a.fg", "./-a.fg"),
        ("my dir/a b.fg", "'my dir/a b.fg'"),
        ("m.py:f --n 3", "m.py:f --n 3"),
        ("m n.py:f --at 1.0,-2.5", "'m n.py:f' --at 1.0,-2.5"),
        ("m.py:f --n 2 --at 1,2", "m.py:f --n 2 --at 1.0,2.0"),
        ("$(touch x).fg", "'$(touch x).fg'"),
    ],
)
def test_sources(text: str, words: str) -> None:
    assert Source.read(text).words == words
