"""Opening programs: files in the notation, functions in Python files, and what can be wrong with either."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from flowgraph.errors import FlowgraphError, InputError, NotInvertible, ParseError, TraceError
from flowgraph.language import load
from flowgraph.user_code import is_python, open_program

EXAMPLES = Path(__file__).parent.parent / "papers_examples"

MODULE = """\
import numpy as np
import beside

print("this must not reach standard output")


def vector(x):
    return np.stack([x[0] * beside.TWO, x[1] * x[0]])


def scalars(u, w):
    return u * w, w


def rest(first, *others):
    return (first, *others)


def fails(x):
    y = x + 1
    return 1 / 0


def quits(x):
    raise SystemExit(3)


def refuses(x):
    return float(x[0])


def branches(x):
    return x * x if x[0] > 1 else -x


class Model:
    def __init__(self):
        self.rate = 3.0

    def step(self, x):
        import beside
        return self.rate * x * beside.TWO


model = Model()
number = 7
"""


@pytest.fixture
def module(tmp_path: Path) -> str:
    (tmp_path / "model.py").write_text(MODULE)
    (tmp_path / "beside.py").write_text("TWO = 2.0\n")
    return str(tmp_path / "model.py")


def steps(source: str, **options: object) -> list[str]:
    return [str(step) for step in open_program(source, **options).steps()]  # pyright: ignore[reportArgumentType]


def test_notation_is_loaded():
    path = str(EXAMPLES / "figure2.fg")
    assert open_program(path) == load(path)


def test_functions_are_traced(module: str):
    assert steps(f"{module}:vector", n=2) == ["t1 = x1 * 2", "t2 = x2 * x1"]
    assert steps(f"{module}:scalars") == ["t1 = u * w"]
    assert steps(f"{module}:scalars", n=2) == ["t1 = u * w"]
    assert steps(f"{module}:model.step", n=1) == ["t1 = 3 * x1", "t2 = t1 * 2"]


def test_a_point_takes_the_branches(module: str):
    assert steps(f"{module}:branches", at=(2.0, 5.0))[1:] == ["t2 = x1 * x1", "t3 = x2 * x2"]
    assert steps(f"{module}:branches", at=(0.5,))[1:] == ["t2 = neg(x1)"]
    assert steps(f"{module}:branches", at=(0.5,), n=1)[1:] == ["t2 = neg(x1)"]
    with pytest.raises(InputError, match="does not have n entries"):
        open_program(f"{module}:branches", at=(2.0,), n=2)


def test_nothing_is_left_behind(module: str, capsys: pytest.CaptureFixture[str]):
    folder = Path(module).parent
    before, path, modules = sorted(folder.rglob("*")), list(sys.path), set(sys.modules)
    writes = sys.dont_write_bytecode
    open_program(f"{module}:vector", n=2)
    with pytest.raises(TraceError):
        open_program(f"{module}:fails", n=2)
    assert sorted(folder.rglob("*")) == before
    assert sys.path == path
    assert set(sys.modules) - modules <= {"beside"}
    assert sys.dont_write_bytecode == writes
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "must not reach" in captured.err
    sys.modules.pop("beside", None)


@pytest.mark.parametrize(
    ("function", "kind", "says"),
    [
        ("fails", TraceError, "fails raised ZeroDivisionError"),
        ("quits", TraceError, "quits raised SystemExit"),
        ("refuses", TraceError, "traced"),
        ("branches", TraceError, "branch"),
        ("vectro", InputError, "did you mean vector?"),
        ("model.stap", InputError, "did you mean step?"),
        ("number", InputError, "number is no function"),
        ("nothing.at.all", InputError, "there is no nothing"),
        ("", InputError, "name one of its functions: vector, scalars"),
    ],
)
def test_what_is_wrong_with_a_function(module: str, function: str, kind: type[FlowgraphError], says: str):
    with pytest.raises(kind) as caught:
        open_program(f"{module}:{function}", n=2)
    assert says in str(caught.value)


def test_the_line_that_raised_is_named(module: str):
    with pytest.raises(TraceError) as caught:
        open_program(f"{module}:fails", n=2)
    line = MODULE.splitlines().index("    return 1 / 0") + 1
    assert caught.value.where == f"{module}, line {line}"
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize("function", ["vector", "rest", "model.step"])
def test_the_number_of_inputs_must_be_known(module: str, function: str):
    with pytest.raises(InputError, match="number of inputs is not known") as caught:
        open_program(f"{module}:{function}")
    assert "--n" in str(caught.value.remedy)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1\nraise ValueError('no\\nway')\n", "importing the file raised ValueError"),
        ("x = 1\nimport no_such_module\n", "importing the file raised ModuleNotFoundError"),
        ("x = 1\nimport sys; sys.exit()\n", "importing the file raised SystemExit"),
        ("x = 1\ndef f(:\n", "the file is not Python"),
        ("x = 1\nx = '\0'\n", "the file is not Python"),
    ],
)
def test_modules_that_cannot_be_imported(tmp_path: Path, text: str, says: str):
    path = tmp_path / "broken.py"
    path.write_text(text)
    with pytest.raises(InputError, match=says) as caught:
        open_program(f"{path}:f", n=1)
    where = caught.value.where or ""
    assert where.startswith(str(path))
    assert where.endswith("line 2") or "\0" in text


def test_an_error_in_a_module_beside_it_names_that_module(tmp_path: Path):
    (tmp_path / "model.py").write_text("import helper\n\ndef f(x):\n    return helper.g(x)\n")
    (tmp_path / "helper.py").write_text("def g(x):\n    return {}['no']\n")
    with pytest.raises(TraceError, match="f raised KeyError") as caught:
        open_program(f"{tmp_path}/model.py:f", n=1)
    assert caught.value.where == f"{tmp_path}/model.py, line 4"
    sys.modules.pop("helper", None)


def test_a_fault_of_flowgraph_is_not_blamed_on_the_user(module: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("flowgraph.tracing.entry.Recorder", None)
    with pytest.raises(TypeError, match="not callable"):
        open_program(f"{module}:scalars")


@pytest.mark.parametrize(
    ("source", "kind", "says"),
    [
        ("nowhere.fg", InputError, "cannot be read"),
        ("nowhere.py:f", InputError, "cannot be read"),
        ("nowhere.txt", InputError, "names no program"),
        ("", InputError, "directory"),
        ("a\0b.fg", InputError, "no path"),
        ("a\0b.py:f", InputError, "no path"),
        ("nowhere", InputError, "names no program"),
    ],
)
def test_what_is_no_program(source: str, kind: type[FlowgraphError], says: str):
    with pytest.raises(kind) as caught:
        open_program(source)
    assert says in str(caught.value)


def test_a_directory_is_no_program(tmp_path: Path):
    folder = tmp_path / "model.py"
    folder.mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        open_program(f"{folder}:f")
    with pytest.raises(InputError, match="this is a directory"):
        open_program(str(tmp_path))


def test_what_the_notation_refuses_stays_a_parse_error(tmp_path: Path):
    path = tmp_path / "wrong.fg"
    path.write_text("inputs x\ny = z\noutputs y\n")
    with pytest.raises(ParseError) as caught:
        open_program(str(path))
    assert not isinstance(caught.value, NotInvertible)
    assert caught.value.line == 2


def test_python_is_told_by_its_ending():
    assert [is_python(text) for text in ("a.fg", "a.py", "a.py:f", "a.py:", "C:\\a.py:f", "a.fg:f")] == [
        False,
        True,
        True,
        True,
        True,
        False,
    ]
