"""The lines that the explorer shows are run here: they give what it shows."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import flowgraph as fg
from flowgraph.explorer.commands import Source, commands
from flowgraph.explorer.exports import export
from flowgraph.language import load, parse
from flowgraph.program import Program
from flowgraph.user_code import open_program
from tests.examples import FOLDER

ROOT = Path(fg.__file__).parent.parent
BEST = tuple(fg.best_order(load(FOLDER / "two_orders.fg")).tolist())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with programs, some with names that a shell takes apart, and a ``flowgraph`` on the path."""
    for name in ("two_orders.fg", "figure2.fg", "bottleneck.fg", "polar.py"):
        shutil.copy(FOLDER / name, tmp_path / name)
    shutil.copy(FOLDER / "two_orders.fg", tmp_path / "two orders; rm 'x' $(y).fg")
    tool = tmp_path / "bin" / "flowgraph"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\nexec {sys.executable} -m flowgraph \"$@\"\n")
    tool.chmod(0o755)
    return tmp_path


def _environment(folder: Path) -> dict[str, str]:
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}


def shell(folder: Path, lines: tuple[str, ...]) -> str:
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


def python(folder: Path, text: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", text],
        cwd=folder,
        env=_environment(folder),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


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


@pytest.mark.parametrize("case", CASES)
def test_the_derivation(case: str, folder: Path) -> None:
    name, order, source = CASES[case]
    program = _program(name)
    found = commands(program, order, "forward-inverse", 3, "derivation", name, source)
    graph = export(program, order, "forward-inverse", 3, "graph", "svg", name)
    sequence = export(program, order, "forward-inverse", 3, "sequence", "pdf", name)
    shell(folder, found.shell)
    assert (folder / graph.name).read_bytes() == graph.data
    assert (folder / sequence.name).read_bytes() == sequence.data
    (folder / graph.name).unlink()
    (folder / sequence.name).unlink()
    derivation = fg.derive(program, "forward-inverse", order=order or range(program.n_steps))
    assert str(derivation.graph_after(3)) in python(folder, found.python)
    assert (folder / graph.name).read_bytes() == graph.data
    assert (folder / sequence.name).read_bytes() == sequence.data


@pytest.mark.parametrize("case", CASES)
def test_the_order(case: str, folder: Path) -> None:
    name, order, source = CASES[case]
    program = _program(name)
    found = commands(program, order, "forward", 0, "order", name, source)
    drawing = export(program, order, "forward", 0, "order", "svg", name)
    report = str(fg.analyze(program, order)).splitlines()
    assert set(report[:2]) <= set(shell(folder, found.shell).splitlines())
    assert (folder / drawing.name).read_bytes() == drawing.data
    (folder / drawing.name).unlink()
    assert set(report[:2]) <= set(python(folder, found.python).splitlines())
    assert (folder / drawing.name).read_bytes() == drawing.data


@pytest.mark.parametrize("case", ["own", "best", "typed"])
def test_the_checks(case: str, folder: Path) -> None:
    name, order, source = CASES[case]
    found = commands(_program(name), order, "forward", 0, "check", name, source)
    assert "checks hold" in shell(folder, found.shell)
    assert "all checks hold" in python(folder, found.python)


def test_without_an_inverse_only_two_modes_are_checked(folder: Path) -> None:
    found = commands(load(FOLDER / "bottleneck.fg"), None, "forward", 0, "check", "bottleneck.fg", "bottleneck.fg")
    assert "checks hold" in shell(folder, found.shell)
    assert "all checks hold" in python(folder, found.python)


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
    python(folder, found.python)


def test_dead_code_has_no_place_in_the_order(folder: Path) -> None:
    program = parse("inputs x, y\nd = f(x)\nu = g(x)\nv = h(y)\noutputs u, v")
    for order in (None, (2, 1)):
        found = commands(program, order, "reverse", 1, "derivation", "", None)
        graph = export(program, order, "reverse", 1, "graph", "svg", "")
        shell(folder, found.shell)
        assert (folder / graph.name).read_bytes() == graph.data
        python(folder, found.python)


def test_long_orders_are_folded(folder: Path) -> None:
    lines = [f"value_{k} = f{k}(x_{k})" for k in range(60)]
    names = ", ".join(f"x_{k}" for k in range(60))
    program = parse("\n".join([f"inputs {names}", *lines, f"outputs {', '.join(f'value_{k}' for k in range(60))}"]))
    order = tuple(reversed(range(60)))
    found = commands(program, order, "reverse", 0, "check", "", None)
    assert max(map(len, found.python.splitlines()[2:])) < 1000
    text = found.python.replace("print(fg.verify(program, order=order))", "print(list(order)[:2], len(order))")
    assert python(folder, text) == "['value_59', 'value_58'] 60\n"


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
