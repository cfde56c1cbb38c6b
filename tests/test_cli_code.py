"""``flowgraph code``: what it writes and where, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

import flowgraph as fg
from flowgraph.cli.code import CODE_MODES, LANGUAGES
from flowgraph.codegen import MODES
from flowgraph.codegen.generate import generate_code
from flowgraph.codegen.languages import LANGUAGES as WRITERS
from tests.test_cli import answer, run

FIGURE2 = "inputs x1, x2, x3\nz1 = f(x1, x2)\nz2 = g(x3, z1)\noutputs z1, x2, z2\n"
MODEL = """\
import numpy as np

def step(x):
    return np.stack([x[0] * x[1], x[1] + 1.0]) if x[0] > 0 else x
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test runs in a folder of its own with two programs in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "figure2.fg").write_text(FIGURE2)
    (tmp_path / "twice.fg").write_text("inputs x, y\nr = x * y\noutputs r, r\n")
    (tmp_path / "model.py").write_text(MODEL)
    return tmp_path


def test_choices_are_those_of_the_library() -> None:
    assert set(CODE_MODES) == set(MODES)
    assert set(LANGUAGES) == set(WRITERS)


@pytest.mark.parametrize("mode", CODE_MODES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_code_on_standard_output_and_in_a_file(mode: str, language: str) -> None:
    expected = generate_code(fg.parse(FIGURE2), mode, language)
    command = ("code", "figure2.fg", "--mode", mode, "--language", language)
    assert run(*command).stdout == expected
    assert run(*command, "-o", "-").stdout == expected
    assert run(*command, "-o", "out.txt").stdout == "out.txt\n"
    assert Path("out.txt").read_text(encoding="utf-8") == expected


def test_json() -> None:
    data = answer("code", "figure2.fg", "--mode", "reverse", "--language", "c", "--name", "pull")
    assert data == {
        "schema": "flowgraph/code/1",
        "source": "figure2.fg",
        "mode": "reverse",
        "language": "c",
        "code": generate_code(fg.parse(FIGURE2), "reverse", "c", name="pull"),
    }


def test_order_and_branches_of_a_function() -> None:
    given = run("code", "figure2.fg", "--order", "z1,z2")
    assert given.stdout == generate_code(fg.parse(FIGURE2), "forward")
    found = run("code", "model.py:step", "--at", "1,2", "--mode", "forward-inverse")
    assert found.exit_code == 0
    assert "raise ValueError" in found.stdout
    assert run("code", "model.py:step", "--n", "2").exit_code == 3  # a branch, and no point to take it at


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("twice.fg", "--mode", "forward-inverse"), 3, "singular for every x"),
        (("figure2.fg", "--name", "lambda"), 3, "cannot have this name"),
        (("model.py:step", "--at", "1,2", "--language", "fg"), 3, "no branches"),
        (("figure2.fg", "--order", "z2,z1"), 3, "z1"),
        (("figure2.fg", "-o", "nowhere/out.c"), 3, "nowhere"),
        (("missing.fg",), 3, "missing.fg"),
        (("figure2.fg", "--mode", "backward"), 2, "backward"),
        (("figure2.fg", "--language", "fortran"), 2, "fortran"),
        (("figure2.fg", "--n", "3"), 2, "--n"),
        (("figure2.fg", "--json", "-o", "x.py"), 2, "leave out -o"),
    ],
)
def test_what_is_refused(words: tuple[str, ...], code: int, says: str) -> None:
    result = run("code", *words)
    assert result.exit_code == code
    assert says in result.stderr
    assert result.stdout == ""
