"""``flowgraph newton``: answers, files, exit codes and progress."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from flowgraph.cli import main
from flowgraph.cli.options import BACKENDS
from flowgraph.errors import InputError
from flowgraph.numeric.newton import MAXITER, TOLERANCE, newton
from flowgraph.numeric.plan import plan
from tests.test_cli import FIGURE2, answer, listing, run

MODEL = """\
import numpy as np

print("imported")

def circle(x):
    return np.stack([x[0] ** 2 + x[1] ** 2 - 5, x[0] * x[1] - 2])

def two(u, v):
    return u * u + v * v, u * v

def none(x):
    return x * x + 1

def branch(x):
    return x**2 - 0.25 if x[0] > 1 else 2 * x - 1.25

def many(x):
    return x**3 + x - np.arange(len(x))

def fails(x):
    return x / [][0]

def narrow(x):
    return x[:1] * x[1:]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test runs in a folder of its own with the model in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "curve.fg").write_text("inputs u, v\np = exp(u)\nq = p * v\nr = u + q\noutputs q, r\n")
    (tmp_path / "taken.npy").mkdir()
    return tmp_path


def test_a_root_and_its_iterations():
    result = run("newton", "model.py:circle", "--x0", "3,0.5")
    assert result.exit_code == 0
    head, *rows, message, x = result.stdout.splitlines()
    assert head.split() == ["iteration", "‖f‖", "correction", "step", "damping"]
    assert [row.split()[0] for row in rows] == [str(k) for k in range(len(rows))]
    assert len(rows) >= 5
    assert message.startswith("converged")
    np.testing.assert_allclose([float(word) for word in x.removeprefix("x = ").split(",")], [2, 1], rtol=1e-14)
    # What the model prints is no answer.
    assert "imported" not in result.stdout


def test_json():
    data = answer("newton", "model.py:circle", "--x0", "3,0.5")

    def circle(x: np.ndarray) -> np.ndarray:
        return np.stack([x[0] ** 2 + x[1] ** 2 - 5, x[0] * x[1] - 2])

    expected = newton(circle, [3.0, 0.5])
    assert (data["success"], data["status"], data["n"]) == (True, "converged", 2)
    assert (data["x"], data["fun"], data["message"]) == (expected.x.tolist(), expected.fun.tolist(), expected.message)
    assert (data["nit"], data["nfev"], data["njev"]) == (expected.nit, expected.nfev, expected.njev)
    assert data["error"] == expected.error
    assert [entry["residual"] for entry in data["history"]] == [entry.residual for entry in expected.history]
    assert data["history"][0]["step"] is None


def test_no_root_is_exit_1():
    result = run("newton", "model.py:none", "--x0", "0.5", "-o", "best.txt")
    assert result.exit_code == 1
    assert "no root found" in result.stdout
    assert abs(float(Path("best.txt").read_text())) < 1e-6
    data = answer("newton", "model.py:none", "--x0", "1", code=1)
    assert (data["success"], data["status"], data["error"]) == (False, "singular", None)
    assert data["history"][-1]["correction"] is None
    assert "no root found" in run("newton", "model.py:none", "--x0", "1", "--json").stderr


def test_a_program_in_the_papers_notation():
    data = answer("newton", "curve.fg", "--x0", "0,0", "--y", "1,0.5")
    np.testing.assert_allclose(data["x"], [-0.5, math.exp(0.5)], rtol=1e-14)


def test_a_function_of_scalars_and_a_right_hand_side():
    data = answer("newton", "model.py:two", "--x0", "3,0.5", "--y", "5,2")
    np.testing.assert_allclose(data["x"], [2, 1], rtol=1e-14)
    np.testing.assert_allclose(data["fun"], [0, 0], atol=1e-14)


def test_a_function_is_traced_anew_where_it_branches():
    assert answer("newton", "model.py:branch", "--x0", "3")["x"] == [pytest.approx(0.625, rel=1e-15)]


@pytest.mark.parametrize("ending", ["npy", "txt", "json"])
def test_files_are_written_and_read_again(ending: str):
    name = f"root.{ending}"
    result = run("newton", "model.py:circle", "--x0", "3,0.5", "-o", name)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == name
    x = answer("newton", "model.py:circle", "--x0", "3,0.5")["x"]
    again = answer("newton", "model.py:circle", "--x0", f"@{name}")
    assert again["nit"] == 0
    # Nothing is lost on the way through the file.
    assert again["x"] == x
    if ending == "npy":
        assert np.load(name).tolist() == x
    elif ending == "json":
        assert json.loads(Path(name).read_text())["x"] == x


def test_files_as_others_write_them(folder: Path):
    (folder / "a.json").write_text("[3, 0.5]")
    (folder / "a.txt").write_text("3, 0.5\n")
    np.save("a.npy", np.array([3.0, 0.5], dtype=np.float32))
    expected = answer("newton", "model.py:circle", "--x0", "3,0.5")["x"]
    for ending in ("json", "txt", "npy"):
        assert answer("newton", "model.py:circle", "--x0", f"@a.{ending}")["x"] == expected
    (folder / "y.txt").write_text("5 2")
    assert answer("newton", "model.py:two", "--x0", "@a.txt", "--y", "@y.txt")["success"]


def test_random_starts():
    first = answer("newton", "model.py:many", "--x0-random", "3", "--n", "40")
    again = answer("newton", "model.py:many", "--x0-random", "3", "--n", "40")
    other = answer("newton", "model.py:many", "--x0-random", "4", "--n", "40")
    assert first["x"] == again["x"]
    assert first["history"][0] != other["history"][0]
    np.testing.assert_allclose(first["x"], other["x"], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(np.array(first["x"]) ** 3 + first["x"], np.arange(40), rtol=1e-12, atol=1e-15)
    text = run("newton", "model.py:many", "--x0-random", "3", "--n", "40").stdout
    assert "(40 numbers; -o FILE saves them)" in text
    # Parameters of a function, and a file, tell how many there are.
    assert answer("newton", "model.py:two", "--x0-random", "1", "--y", "5,2")["n"] == 2
    assert answer("newton", "curve.fg", "--x0-random", "1", "--y", "1,0.5")["n"] == 2


def test_options_reach_the_method():
    few = answer("newton", "model.py:circle", "--x0", "3,0.5", "--maxiter", "1", code=1)
    assert (few["status"], few["nit"]) == ("maxiter", 1)
    rough = answer("newton", "model.py:circle", "--x0", "3,0.5", "--tol", "0.1")
    assert rough["nit"] < answer("newton", "model.py:circle", "--x0", "3,0.5")["nit"]
    full = answer("newton", "model.py:none", "--x0", "0.5", "--no-line-search", "--maxiter", "5", code=1)
    assert all(entry["damping"] == 1.0 for entry in full["history"][1:])
    text = " ".join(run("newton", "--help").stdout.split())
    assert f"[default: {TOLERANCE}]" in text
    assert f"[default: {MAXITER}]" in text


def test_backends_are_those_of_the_library():
    for backend in BACKENDS:
        if backend == "compiled":
            pytest.importorskip("numba")
        assert plan(lambda x: x, 1, backend=backend).backend == backend
        assert answer("newton", "model.py:circle", "--x0", "3,0.5", "--backend", backend)["success"]
    with pytest.raises(InputError):
        plan(lambda x: x, 1, backend="another")


def test_progress_is_a_line_for_every_iteration():
    quiet = run("newton", "model.py:circle", "--x0", "3,0.5")
    assert "iteration" not in quiet.stderr
    told = run("newton", "model.py:circle", "--x0", "3,0.5", "--progress")
    lines = [line for line in told.stderr.splitlines() if line.startswith("iteration")]
    assert [line.split()[1] for line in lines] == [str(k) for k in range(len(lines))]
    assert len(lines) >= 5
    assert told.stdout == quiet.stdout


def test_a_long_history_is_shortened():
    (Path("slow.fg")).write_text("inputs x\ny = square(x)\noutputs y\n")
    lines = run("newton", "slow.fg", "--x0", "1").stdout.splitlines()
    assert len(lines) == 1 + 12 + 1 + 12 + 2
    assert lines[13].split()[0] == "…"


BAD = {
    "missing": (["nowhere.py:circle", "--x0", "1"], "InputError", "cannot be read"),
    "no-function": (["model.py:circel", "--x0", "1"], "InputError", "did you mean circle?"),
    "raises": (["model.py:fails", "--x0", "1"], "TraceError", "model.py, line 21"),
    "not-square": (["model.py:narrow", "--x0", "1,2"], "NotInvertible", "as many outputs"),
    "wrong-size": (["model.py:two", "--x0", "1,2,3"], "InputError", "3 inputs"),
    "wrong-size-fg": (["curve.fg", "--x0", "1,2,3"], "InputError", "3 entries"),
    "wrong-y": (["curve.fg", "--x0", "1,2", "--y", "1"], "InputError", "1 entries"),
    "uninterpreted": ([FIGURE2, "--x0", "1,2,3"], "InputError", "uninterpreted"),
    "no-file": (["curve.fg", "--x0", "@nowhere.npy"], "InputError", "cannot be read"),
    "ending": (["curve.fg", "--x0", "@model.py"], "InputError", "no file of numbers"),
    "folder": (["curve.fg", "--x0", "@taken.npy"], "InputError", "cannot be read"),
    "garbage-npy": (["curve.fg", "--x0", "@garbage.npy"], "InputError", "no vector"),
    "pickle": (["curve.fg", "--x0", "@pickle.npy"], "InputError", "no vector"),
    "garbage-txt": (["curve.fg", "--x0", "@garbage.txt"], "InputError", "no vector"),
    "garbage-json": (["curve.fg", "--x0", "@garbage.json"], "InputError", "no vector"),
    "huge-json": (["curve.fg", "--x0", "@huge.json"], "InputError", "no vector"),
    "nan-txt": (["curve.fg", "--x0", "@nan.txt"], "InputError", "not finite"),
    "table": (["curve.fg", "--x0", "@table.json"], "InputError", "shape (2, 2)"),
    "no-n": (["model.py:circle", "--x0-random", "1"], "InputError", "--n N"),
    "output-folder": (["curve.fg", "--x0", "1,2", "-o", "no/such/x.npy"], "InputError", "cannot be written"),
    "output-taken": (["curve.fg", "--x0", "1,2", "-o", "taken.npy"], "InputError", "cannot be written"),
}


@pytest.fixture
def garbage(folder: Path) -> Path:
    (folder / "garbage.npy").write_bytes(b"\x00\x01")
    np.save("pickle.npy", np.array([{}], dtype=object), allow_pickle=True)
    (folder / "garbage.txt").write_text("1 two")
    (folder / "garbage.json").write_text("{")
    (folder / "huge.json").write_text("[1" + "0" * 400 + ", 1]")
    (folder / "nan.txt").write_text("1 nan")
    (folder / "table.json").write_text("[[1, 2], [3, 4]]")
    return folder


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_exit_3(garbage: Path, name: str):
    arguments, kind, says = BAD[name]
    before = listing(garbage)
    result = run("newton", *arguments)
    assert result.exit_code == 3, result.output
    assert says in result.stderr
    assert result.stdout == ""
    data = answer("newton", *arguments, code=3)
    assert data["error"] == kind
    assert listing(garbage) == before


USAGE = {
    "no-start": (["curve.fg"], "either --x0"),
    "two-starts": (["curve.fg", "--x0", "1,2", "--x0-random", "1"], "either --x0"),
    "words": (["curve.fg", "--x0", "a,b"], "is not a list of numbers"),
    "nan": (["curve.fg", "--x0", "1,nan"], "not finite"),
    "n": (["curve.fg", "--x0-random", "1", "--n", "2"], "--n: only for"),
    "n-and-x0": (["model.py:circle", "--x0", "1,2", "--n", "2"], "--n: only for"),
    "ending": (["curve.fg", "--x0", "1,2", "-o", "x.csv"], "does not end in one of .npy, .txt, .json"),
    "tol": (["curve.fg", "--x0", "1,2", "--tol", "-1"], "-1"),
    "backend": (["curve.fg", "--x0", "1,2", "--backend", "abacus"], "'abacus' is not one of"),
}


@pytest.mark.parametrize("name", USAGE)
def test_wrong_usage_is_exit_2(folder: Path, name: str):
    arguments, says = USAGE[name]
    before = listing(folder)
    result = run("newton", *arguments)
    assert result.exit_code == 2
    assert says in result.stderr
    assert result.stdout == ""
    assert listing(folder) == before


def test_the_command_is_listed():
    assert "newton" in main.commands
